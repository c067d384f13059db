/* SPDX-License-Identifier: MIT */
/**
 * @file
 * First-in, first-out buffers of a power-of-two size. Source: Linux include/linux/kfifo.h.
 *
 * One thread that puts in and one that takes out need no lock: what was stored in an element is
 * seen by whoever takes it out. More of either lock among themselves (udrv_kfifo_in_spinlocked()
 * ...). udrv_kfifo_reset() and making or freeing need both to keep away.
 *
 * All calls are macros that take the address of the fifo, whose elements have a type of their own.
 */
#ifndef UDRV_KFIFO_H
#define UDRV_KFIFO_H

#include <stdbool.h>
#include <stddef.h>

#include <udrv/compiler.h>
#include <udrv/spinlock.h>
#include <udrv/types.h>

UDRV_BEGIN_DECLS

/* The part without a type. in and out count elements, and wrap; each has one writer. */
struct udrv__kfifo {
	unsigned int in, out;
	unsigned int mask;
	unsigned int esize;
	void *data;
};

#define UDRV__KFIFO(type, size)                                                                    \
	{                                                                                          \
		struct udrv__kfifo kfifo;                                                          \
		type *type_of;                                                                     \
		/* A negative size: not a power of two. */                                         \
		type buf[((size) < 2 || ((size) & ((size)-1))) ? -1 : (size)];                     \
	}

/** UDRV_STRUCT_KFIFO() - the type of a fifo of @size elements of @type, a power of two. */
#define UDRV_STRUCT_KFIFO(type, size) struct UDRV__KFIFO(type, size)
/** UDRV_STRUCT_KFIFO_PTR() - the type of a fifo of @type that has memory of udrv_kfifo_alloc(). */
#define UDRV_STRUCT_KFIFO_PTR(type)                                                                \
	struct {                                                                                   \
		struct udrv__kfifo kfifo;                                                          \
		type *type_of;                                                                     \
	}

/** UDRV_DECLARE_KFIFO() - declare a fifo, also as a member; then udrv_init_kfifo(). */
#define UDRV_DECLARE_KFIFO(fifo, type, size) UDRV_STRUCT_KFIFO(type, size) fifo
/** UDRV_DECLARE_KFIFO_PTR() - declare a fifo, also as a member; then udrv_kfifo_alloc(). */
#define UDRV_DECLARE_KFIFO_PTR(fifo, type) UDRV_STRUCT_KFIFO_PTR(type) fifo
/** UDRV_DEFINE_KFIFO() - define a fifo that is ready for use. */
#define UDRV_DEFINE_KFIFO(fifo, type, size)                                                        \
	UDRV_DECLARE_KFIFO(fifo, type, size) = {                                                   \
		{0, 0, (size)-1, sizeof(type), (fifo).buf},                                        \
		0,                                                                                 \
		{0},                                                                               \
	}

UDRV_API int udrv__kfifo_alloc(struct udrv__kfifo *fifo, unsigned int size, size_t esize);
UDRV_API int udrv__kfifo_init(struct udrv__kfifo *fifo, void *buffer, unsigned int size,
			      size_t esize);
UDRV_API void udrv__kfifo_free(struct udrv__kfifo *fifo);
UDRV_API unsigned int udrv__kfifo_in(struct udrv__kfifo *fifo, const void *from, unsigned int n);
UDRV_API unsigned int udrv__kfifo_peek(const struct udrv__kfifo *fifo, void *to, unsigned int n);
UDRV_API unsigned int udrv__kfifo_skip(struct udrv__kfifo *fifo, unsigned int n);

static inline unsigned int udrv__kfifo_out(struct udrv__kfifo *fifo, void *to, unsigned int n)
{
	return udrv__kfifo_skip(fifo, udrv__kfifo_peek(fifo, to, n));
}

static inline unsigned int udrv__kfifo_len(const struct udrv__kfifo *fifo)
{
	/* out first: it never is beyond an in that is read later. */
	unsigned int out = __atomic_load_n(&fifo->out, __ATOMIC_ACQUIRE);

	return __atomic_load_n(&fifo->in, __ATOMIC_ACQUIRE) - out;
}

/* The type must fit; void * alone would take anything. */
#define UDRV__KFIFO_CHECKED(fifo, ptr) ((void)sizeof((fifo)->type_of == (ptr)), (ptr))

/**
 * udrv_init_kfifo() - make a declared fifo ready for use
 * @fifo: declared by UDRV_DECLARE_KFIFO(); itself, not its address
 *
 * Source: Linux INIT_KFIFO().
 */
#define udrv_init_kfifo(fifo)                                                                      \
	((void)udrv__kfifo_init(&(fifo).kfifo, (fifo).buf,                                         \
				sizeof((fifo).buf) / sizeof(*(fifo).buf), sizeof(*(fifo).buf)))

/**
 * udrv_kfifo_alloc() - give a fifo memory
 * @fifo: declared by UDRV_DECLARE_KFIFO_PTR()
 * @size: elements, rounded up to a power of two
 * @gfp: udrv_gfp_t; the memory is plain
 *
 * Return: 0, -EINVAL for a size below 2 or too large, -ENOMEM.
 */
#define udrv_kfifo_alloc(fifo, size, gfp)                                                          \
	((void)(gfp), udrv__kfifo_alloc(&(fifo)->kfifo, size, sizeof(*(fifo)->type_of)))

/**
 * udrv_kfifo_init() - let a fifo use the caller's memory
 * @fifo: declared by UDRV_DECLARE_KFIFO_PTR()
 * @buffer: must stay as long as the fifo is used
 * @size: bytes; rounded down to a power of two of elements
 *
 * Return: 0, or -EINVAL if that is less than 2 elements.
 */
#define udrv_kfifo_init(fifo, buffer, size)                                                        \
	udrv__kfifo_init(&(fifo)->kfifo, UDRV__KFIFO_CHECKED(fifo, buffer),                        \
			 (unsigned int)((size) / sizeof(*(fifo)->type_of)),                        \
			 sizeof(*(fifo)->type_of))

/** udrv_kfifo_free() - give back what udrv_kfifo_alloc() took. */
#define udrv_kfifo_free(fifo) udrv__kfifo_free(&(fifo)->kfifo)

/** udrv_kfifo_initialized() - has the fifo memory? */
#define udrv_kfifo_initialized(fifo) ((fifo)->kfifo.data != NULL)
/** udrv_kfifo_esize() - bytes of an element of the fifo. */
#define udrv_kfifo_esize(fifo) ((fifo)->kfifo.esize)
/** udrv_kfifo_size() - how many elements the fifo can hold. */
#define udrv_kfifo_size(fifo) ((fifo)->kfifo.mask + 1)
/** udrv_kfifo_len() - how many elements the fifo holds. */
#define udrv_kfifo_len(fifo) udrv__kfifo_len(&(fifo)->kfifo)
/** udrv_kfifo_avail() - how many more elements the fifo can hold. */
/** udrv_kfifo_is_empty() - does the fifo hold no element? */
/** udrv_kfifo_is_full() - can the fifo hold no more? */
#define udrv_kfifo_avail(fifo)	  (udrv_kfifo_size(fifo) - udrv_kfifo_len(fifo))
#define udrv_kfifo_is_empty(fifo) (udrv_kfifo_len(fifo) == 0)
#define udrv_kfifo_is_full(fifo)  (udrv_kfifo_len(fifo) > (fifo)->kfifo.mask)

/** udrv_kfifo_reset() - empty the fifo; nobody puts in or takes out meanwhile. */
#define udrv_kfifo_reset(fifo) ((void)((fifo)->kfifo.in = (fifo)->kfifo.out = 0))
/** udrv_kfifo_reset_out() - empty the fifo; for who takes out. */
#define udrv_kfifo_reset_out(fifo) ((void)udrv__kfifo_skip(&(fifo)->kfifo, udrv_kfifo_len(fifo)))

/** udrv_kfifo_in() - put in up to @n elements from @buf. Return: how many. */
#define udrv_kfifo_in(fifo, buf, n)                                                                \
	udrv__kfifo_in(&(fifo)->kfifo, UDRV__KFIFO_CHECKED(fifo, buf), n)
/** udrv_kfifo_out() - take out up to @n elements to @buf. Return: how many. */
#define udrv_kfifo_out(fifo, buf, n)                                                               \
	udrv__kfifo_out(&(fifo)->kfifo, UDRV__KFIFO_CHECKED(fifo, buf), n)
/** udrv_kfifo_out_peek() - copy up to @n elements to @buf and leave them in. Return: how many. */
#define udrv_kfifo_out_peek(fifo, buf, n)                                                          \
	udrv__kfifo_peek(&(fifo)->kfifo, UDRV__KFIFO_CHECKED(fifo, buf), n)

/** udrv_kfifo_put() - put in the element @val. Return: 1, or 0 when it is full. */
#define udrv_kfifo_put(fifo, val)                                                                  \
	__extension__({                                                                            \
		__typeof__(*(fifo)->type_of) udrv__val = (val);                                    \
		udrv__kfifo_in(&(fifo)->kfifo, &udrv__val, 1);                                     \
	})
/** udrv_kfifo_get() - take out an element to *@ptr. Return: 1, or 0 when it is empty. */
#define udrv_kfifo_get(fifo, ptr) udrv_kfifo_out(fifo, ptr, 1)
/** udrv_kfifo_peek() - copy an element to *@ptr, leave it in. Return: 1, or 0 when empty. */
#define udrv_kfifo_peek(fifo, ptr) udrv_kfifo_out_peek(fifo, ptr, 1)
/** udrv_kfifo_skip() - take out an element and forget it. */
#define udrv_kfifo_skip(fifo) ((void)udrv__kfifo_skip(&(fifo)->kfifo, 1))

/** udrv_kfifo_in_spinlocked() - udrv_kfifo_in() with a struct udrv_spinlock held. */
#define udrv_kfifo_in_spinlocked(fifo, buf, n, lock)                                               \
	__extension__({                                                                            \
		unsigned int udrv__n;                                                              \
		udrv_spin_lock(lock);                                                              \
		udrv__n = udrv_kfifo_in(fifo, buf, n);                                             \
		udrv_spin_unlock(lock);                                                            \
		udrv__n;                                                                           \
	})
/** udrv_kfifo_out_spinlocked() - udrv_kfifo_out() with a struct udrv_spinlock held. */
#define udrv_kfifo_out_spinlocked(fifo, buf, n, lock)                                              \
	__extension__({                                                                            \
		unsigned int udrv__n;                                                              \
		udrv_spin_lock(lock);                                                              \
		udrv__n = udrv_kfifo_out(fifo, buf, n);                                            \
		udrv_spin_unlock(lock);                                                            \
		udrv__n;                                                                           \
	})

UDRV_END_DECLS

#endif

/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Atomic integers, and accesses that the compiler may not split, repeat or leave out.
 * Source: Linux Documentation/atomic_t.txt, include/linux/atomic/atomic-instrumented.h.
 *
 * Order, as in the kernel: operations without a result (udrv_atomic_add() ...) order nothing. Those
 * with a result order everything before them and after them, like udrv_smp_mb() on both sides,
 * unless their name ends in _relaxed (nothing), _acquire (what follows comes after) or _release
 * (what precedes comes before). A conditional one that does not happen orders nothing.
 * udrv_atomic_read() and udrv_atomic_set() are relaxed. Arithmetic wraps.
 *
 * Each of these exists as udrv_atomic_* on struct udrv_atomic (int) and as udrv_atomic64_* on
 * struct udrv_atomic64 (int64_t). Any thread, also signal handlers.
 */
#ifndef UDRV_ATOMIC_H
#define UDRV_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

#include <udrv/barrier.h>
#include <udrv/compiler.h>

UDRV_BEGIN_DECLS

/** struct udrv_atomic - an int (Linux: atomic_t). */
struct udrv_atomic {
	int counter;
};

/** struct udrv_atomic64 - an int64_t (Linux: atomic64_t). */
struct udrv_atomic64 {
	int64_t counter;
};

/** UDRV_ATOMIC_INIT() - initialiser of either struct, with the value @i. Source: ATOMIC_INIT(). */
#define UDRV_ATOMIC_INIT(i)                                                                        \
	{                                                                                          \
		(i)                                                                                \
	}

/** UDRV_READ_ONCE() - read the variable @x, of at most 8 bytes, exactly once. */
#define UDRV_READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
/** UDRV_WRITE_ONCE() - write @val to the variable @x, of at most 8 bytes, exactly once. */
#define UDRV_WRITE_ONCE(x, val) __atomic_store_n(&(x), val, __ATOMIC_RELAXED)
/** udrv_smp_load_acquire() - read *@p; what follows comes after. */
#define udrv_smp_load_acquire(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
/** udrv_smp_store_release() - write *@p; what precedes comes before. */
#define udrv_smp_store_release(p, val) __atomic_store_n(p, val, __ATOMIC_RELEASE)

/*
 * A fully ordered operation orders plain accesses on both sides. x86's locked instructions do;
 * elsewhere sequential consistency alone does not.
 */
#if defined(__x86_64__)
#define UDRV__ATOMIC_FENCE() ((void)0)
#else
#define UDRV__ATOMIC_FENCE() udrv_smp_mb()
#endif

#define UDRV__FULL(type, expression)                                                               \
	__extension__({                                                                            \
		type udrv__result;                                                                 \
		UDRV__ATOMIC_FENCE();                                                              \
		udrv__result = (expression);                                                       \
		UDRV__ATOMIC_FENCE();                                                              \
		udrv__result;                                                                      \
	})

/**
 * udrv_atomic{,64}_{add,sub,and,or,xor,andnot}() - change a value, with nothing back
 * @i: the operand; andnot clears the bits that are set in it
 * @v: the value
 *
 * Orders nothing. Source: Linux atomic_add(), atomic_andnot().
 */
#define UDRV__ATOMIC_PLAIN(pfx, type, op, builtin, operand)                                        \
	static inline void udrv_##pfx##_##op(type i, struct udrv_##pfx *v)                         \
	{                                                                                          \
		(void)builtin(&v->counter, operand, __ATOMIC_RELAXED);                             \
	}

/*
 * A result, in four orders.
 */
/** udrv_atomic{,64}_add_return{,_relaxed,_acquire,_release}() - add @i. Return: the new value. */
/**
 * udrv_atomic{,64}_sub_return{,_relaxed,_acquire,_release}() - subtract @i
 *
 * Return: the new value.
 */
/** udrv_atomic{,64}_fetch_add{,_relaxed,_acquire,_release}() - add @i. Return: the former value. */
/**
 * udrv_atomic{,64}_fetch_sub{,_relaxed,_acquire,_release}() - subtract @i
 *
 * Return: the former value.
 */
/**
 * udrv_atomic{,64}_fetch_{and,or,xor}{,_relaxed,_acquire,_release}() - combine with the bits of @i
 *
 * Return: the former value.
 */
/**
 * udrv_atomic{,64}_fetch_andnot{,_relaxed,_acquire,_release}() - clear the bits that are set in @i
 *
 * Return: the former value.
 */
#define UDRV__ATOMIC_RESULT(pfx, type, name, builtin, operand)                                     \
	static inline type udrv_##pfx##_##name(type i, struct udrv_##pfx *v)                       \
	{                                                                                          \
		return UDRV__FULL(type, builtin(&v->counter, operand, __ATOMIC_SEQ_CST));          \
	}                                                                                          \
	static inline type udrv_##pfx##_##name##_relaxed(type i, struct udrv_##pfx *v)             \
	{                                                                                          \
		return builtin(&v->counter, operand, __ATOMIC_RELAXED);                            \
	}                                                                                          \
	static inline type udrv_##pfx##_##name##_acquire(type i, struct udrv_##pfx *v)             \
	{                                                                                          \
		return builtin(&v->counter, operand, __ATOMIC_ACQUIRE);                            \
	}                                                                                          \
	static inline type udrv_##pfx##_##name##_release(type i, struct udrv_##pfx *v)             \
	{                                                                                          \
		return builtin(&v->counter, operand, __ATOMIC_RELEASE);                            \
	}

#define UDRV__ATOMIC_ARITHMETIC(pfx, type)                                                         \
	UDRV__ATOMIC_PLAIN(pfx, type, add, __atomic_fetch_add, i)                                  \
	UDRV__ATOMIC_PLAIN(pfx, type, sub, __atomic_fetch_sub, i)                                  \
	UDRV__ATOMIC_PLAIN(pfx, type, and, __atomic_fetch_and, i)                                  \
	UDRV__ATOMIC_PLAIN(pfx, type, or, __atomic_fetch_or, i)                                    \
	UDRV__ATOMIC_PLAIN(pfx, type, xor, __atomic_fetch_xor, i)                                  \
	UDRV__ATOMIC_PLAIN(pfx, type, andnot, __atomic_fetch_and, ~i)                              \
	UDRV__ATOMIC_RESULT(pfx, type, add_return, __atomic_add_fetch, i)                          \
	UDRV__ATOMIC_RESULT(pfx, type, sub_return, __atomic_sub_fetch, i)                          \
	UDRV__ATOMIC_RESULT(pfx, type, fetch_add, __atomic_fetch_add, i)                           \
	UDRV__ATOMIC_RESULT(pfx, type, fetch_sub, __atomic_fetch_sub, i)                           \
	UDRV__ATOMIC_RESULT(pfx, type, fetch_and, __atomic_fetch_and, i)                           \
	UDRV__ATOMIC_RESULT(pfx, type, fetch_or, __atomic_fetch_or, i)                             \
	UDRV__ATOMIC_RESULT(pfx, type, fetch_xor, __atomic_fetch_xor, i)                           \
	UDRV__ATOMIC_RESULT(pfx, type, fetch_andnot, __atomic_fetch_and, ~i)

/** udrv_atomic{,64}_read{,_acquire}() - read a value. Return: the value. */
/** udrv_atomic{,64}_set{,_release}() - write @i to a value. */
#define UDRV__ATOMIC_ACCESS(pfx, type)                                                             \
	static inline type udrv_##pfx##_read(const struct udrv_##pfx *v)                           \
	{                                                                                          \
		return __atomic_load_n(&v->counter, __ATOMIC_RELAXED);                             \
	}                                                                                          \
	static inline type udrv_##pfx##_read_acquire(const struct udrv_##pfx *v)                   \
	{                                                                                          \
		return __atomic_load_n(&v->counter, __ATOMIC_ACQUIRE);                             \
	}                                                                                          \
	static inline void udrv_##pfx##_set(struct udrv_##pfx *v, type i)                          \
	{                                                                                          \
		__atomic_store_n(&v->counter, i, __ATOMIC_RELAXED);                                \
	}                                                                                          \
	static inline void udrv_##pfx##_set_release(struct udrv_##pfx *v, type i)                  \
	{                                                                                          \
		__atomic_store_n(&v->counter, i, __ATOMIC_RELEASE);                                \
	}

/** udrv_atomic{,64}_{inc,dec}() - add or subtract 1; orders nothing. */
/** udrv_atomic{,64}_{inc,dec}_return() - add or subtract 1; tell the new value. */
/** udrv_atomic{,64}_fetch_{inc,dec}() - add or subtract 1; tell the former value. */
/** udrv_atomic{,64}_{inc,dec}_and_test() - add or subtract 1; tell whether it is 0 now. */
/** udrv_atomic{,64}_sub_and_test() - subtract @i; tell whether it is 0 now. */
/** udrv_atomic{,64}_add_negative() - add @i; tell whether it is below 0 now. */
#define UDRV__ATOMIC_COUNT(pfx, type)                                                              \
	static inline void udrv_##pfx##_inc(struct udrv_##pfx *v)                                  \
	{                                                                                          \
		udrv_##pfx##_add(1, v);                                                            \
	}                                                                                          \
	static inline void udrv_##pfx##_dec(struct udrv_##pfx *v)                                  \
	{                                                                                          \
		udrv_##pfx##_sub(1, v);                                                            \
	}                                                                                          \
	static inline type udrv_##pfx##_inc_return(struct udrv_##pfx *v)                           \
	{                                                                                          \
		return udrv_##pfx##_add_return(1, v);                                              \
	}                                                                                          \
	static inline type udrv_##pfx##_dec_return(struct udrv_##pfx *v)                           \
	{                                                                                          \
		return udrv_##pfx##_sub_return(1, v);                                              \
	}                                                                                          \
	static inline type udrv_##pfx##_fetch_inc(struct udrv_##pfx *v)                            \
	{                                                                                          \
		return udrv_##pfx##_fetch_add(1, v);                                               \
	}                                                                                          \
	static inline type udrv_##pfx##_fetch_dec(struct udrv_##pfx *v)                            \
	{                                                                                          \
		return udrv_##pfx##_fetch_sub(1, v);                                               \
	}                                                                                          \
	static inline bool udrv_##pfx##_inc_and_test(struct udrv_##pfx *v)                         \
	{                                                                                          \
		return udrv_##pfx##_add_return(1, v) == 0;                                         \
	}                                                                                          \
	static inline bool udrv_##pfx##_dec_and_test(struct udrv_##pfx *v)                         \
	{                                                                                          \
		return udrv_##pfx##_sub_return(1, v) == 0;                                         \
	}                                                                                          \
	static inline bool udrv_##pfx##_sub_and_test(type i, struct udrv_##pfx *v)                 \
	{                                                                                          \
		return udrv_##pfx##_sub_return(i, v) == 0;                                         \
	}                                                                                          \
	static inline bool udrv_##pfx##_add_negative(type i, struct udrv_##pfx *v)                 \
	{                                                                                          \
		return udrv_##pfx##_add_return(i, v) < 0;                                          \
	}

/** udrv_atomic{,64}_xchg{,_relaxed,_acquire,_release}() - write @val. Return: the former value. */
/**
 * udrv_atomic{,64}_try_cmpxchg{,_relaxed,_acquire,_release}() - write @desired if it is *@expected
 * @v: the value
 * @expected: what it must be; if it is not, what it was is stored here
 * @desired: the new value
 *
 * Return: was it written?
 */
/**
 * udrv_atomic{,64}_cmpxchg{,_relaxed,_acquire,_release}() - write @desired if it is @expected
 * @v: the value
 * @expected: what it must be
 * @desired: the new value
 *
 * Return: the former value; it was written if that is @expected.
 */
#define UDRV__ATOMIC_XCHG(pfx, type, suffix, order, failure, full)                                 \
	static inline type udrv_##pfx##_xchg##suffix(struct udrv_##pfx *v, type val)               \
	{                                                                                          \
		return full(type, __atomic_exchange_n(&v->counter, val, order));                   \
	}                                                                                          \
	static inline bool udrv_##pfx##_try_cmpxchg##suffix(struct udrv_##pfx *v, type *expected,  \
							    type desired)                          \
	{                                                                                          \
		return full(bool, __atomic_compare_exchange_n(&v->counter, expected, desired,      \
							      false, order, failure));             \
	}                                                                                          \
	static inline type udrv_##pfx##_cmpxchg##suffix(struct udrv_##pfx *v, type expected,       \
							type desired)                              \
	{                                                                                          \
		(void)udrv_##pfx##_try_cmpxchg##suffix(v, &expected, desired);                     \
		return expected;                                                                   \
	}

#define UDRV__ORDERED(type, expression) (expression)

/** udrv_atomic{,64}_fetch_add_unless() - add @a unless it is @u. Return: the former value. */
/** udrv_atomic{,64}_add_unless() - add @a unless it is @u. Return: was it added? */
/** udrv_atomic{,64}_inc_not_zero() - add 1 unless it is 0. Return: was it added? */
/**
 * udrv_atomic{,64}_dec_if_positive() - subtract 1 if it is above 0
 *
 * Return: the former value less 1, also if nothing was done: then it is below 0.
 */
#define UDRV__ATOMIC_UNLESS(pfx, type)                                                             \
	static inline type udrv_##pfx##_fetch_add_unless(struct udrv_##pfx *v, type a, type u)     \
	{                                                                                          \
		type old = udrv_##pfx##_read(v);                                                   \
                                                                                                   \
		while (old != u && !udrv_##pfx##_try_cmpxchg(v, &old, (type)(old + a)))            \
			;                                                                          \
		return old;                                                                        \
	}                                                                                          \
	static inline bool udrv_##pfx##_add_unless(struct udrv_##pfx *v, type a, type u)           \
	{                                                                                          \
		return udrv_##pfx##_fetch_add_unless(v, a, u) != u;                                \
	}                                                                                          \
	static inline bool udrv_##pfx##_inc_not_zero(struct udrv_##pfx *v)                         \
	{                                                                                          \
		return udrv_##pfx##_add_unless(v, 1, 0);                                           \
	}                                                                                          \
	static inline type udrv_##pfx##_dec_if_positive(struct udrv_##pfx *v)                      \
	{                                                                                          \
		type old = udrv_##pfx##_read(v);                                                   \
                                                                                                   \
		while (old > 0 && !udrv_##pfx##_try_cmpxchg(v, &old, (type)(old - 1)))             \
			;                                                                          \
		return (type)(old - 1);                                                            \
	}

#define UDRV__ATOMIC(pfx, type)                                                                    \
	UDRV__ATOMIC_ACCESS(pfx, type)                                                             \
	UDRV__ATOMIC_ARITHMETIC(pfx, type)                                                         \
	UDRV__ATOMIC_COUNT(pfx, type)                                                              \
	UDRV__ATOMIC_XCHG(pfx, type, , __ATOMIC_SEQ_CST, __ATOMIC_RELAXED, UDRV__FULL)             \
	UDRV__ATOMIC_XCHG(pfx, type, _relaxed, __ATOMIC_RELAXED, __ATOMIC_RELAXED, UDRV__ORDERED)  \
	UDRV__ATOMIC_XCHG(pfx, type, _acquire, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED, UDRV__ORDERED)  \
	UDRV__ATOMIC_XCHG(pfx, type, _release, __ATOMIC_RELEASE, __ATOMIC_RELAXED, UDRV__ORDERED)  \
	UDRV__ATOMIC_UNLESS(pfx, type)

UDRV__ATOMIC(atomic, int)
UDRV__ATOMIC(atomic64, int64_t)

UDRV_END_DECLS

#endif

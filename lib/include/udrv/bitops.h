/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Single bits and bitmaps. Source: Linux include/linux/bits.h, bitops.h,
 * Documentation/atomic_bitops.txt.
 *
 * A bitmap is an array of unsigned long; bit nr is bit nr % UDRV_BITS_PER_LONG of element
 * nr / UDRV_BITS_PER_LONG. Any thread, also signal handlers.
 */
#ifndef UDRV_BITOPS_H
#define UDRV_BITOPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <udrv/atomic.h>
#include <udrv/compiler.h>

UDRV_BEGIN_DECLS

/** UDRV_BITS_TO_LONGS() - how many elements a bitmap of @n bits has. */
/** UDRV_BIT(), UDRV_BIT_ULL() - bit @n, as unsigned long or unsigned long long. */
/** UDRV_BIT_MASK() - bit @nr of a bitmap within its element. */
/** UDRV_BIT_WORD() - index of the element of a bitmap that has bit @nr. */
#define UDRV_BITS_PER_LONG	(8 * sizeof(long))
#define UDRV_BITS_PER_LONG_LONG (8 * sizeof(long long))
#define UDRV_BITS_TO_LONGS(n)	(((n) + UDRV_BITS_PER_LONG - 1) / UDRV_BITS_PER_LONG)
#define UDRV_BIT(n)		(1UL << (n))
#define UDRV_BIT_ULL(n)		(1ULL << (n))
#define UDRV_BIT_MASK(nr)	(1UL << ((nr) % UDRV_BITS_PER_LONG))
#define UDRV_BIT_WORD(nr)	((nr) / UDRV_BITS_PER_LONG)
/** UDRV_GENMASK(), UDRV_GENMASK_ULL() - bits @h down to @l, both included. */
#define UDRV_GENMASK(h, l)     ((~0UL << (l)) & (~0UL >> (UDRV_BITS_PER_LONG - 1 - (h))))
#define UDRV_GENMASK_ULL(h, l) ((~0ULL << (l)) & (~0ULL >> (UDRV_BITS_PER_LONG_LONG - 1 - (h))))
/** UDRV_DECLARE_BITMAP() - define a bitmap of @bits bits; set it to 0 yourself. */
#define UDRV_DECLARE_BITMAP(name, bits) unsigned long name[UDRV_BITS_TO_LONGS(bits)]

static inline unsigned long *udrv__bit_word(unsigned long nr, unsigned long *addr)
{
	return addr + UDRV_BIT_WORD(nr);
}

/**
 * udrv_{set,clear,change}_bit() - set, clear or flip a bit of a bitmap
 * @nr: its number
 * @addr: the bitmap
 *
 * Atomic; orders nothing. Source: Linux set_bit().
 */
static inline void udrv_set_bit(unsigned long nr, unsigned long *addr)
{
	(void)__atomic_fetch_or(udrv__bit_word(nr, addr), UDRV_BIT_MASK(nr), __ATOMIC_RELAXED);
}

static inline void udrv_clear_bit(unsigned long nr, unsigned long *addr)
{
	(void)__atomic_fetch_and(udrv__bit_word(nr, addr), ~UDRV_BIT_MASK(nr), __ATOMIC_RELAXED);
}

static inline void udrv_change_bit(unsigned long nr, unsigned long *addr)
{
	(void)__atomic_fetch_xor(udrv__bit_word(nr, addr), UDRV_BIT_MASK(nr), __ATOMIC_RELAXED);
}

/** udrv_test_bit() - is bit @nr of the bitmap @addr set? */
static inline bool udrv_test_bit(unsigned long nr, const unsigned long *addr)
{
	return __atomic_load_n(addr + UDRV_BIT_WORD(nr), __ATOMIC_RELAXED) & UDRV_BIT_MASK(nr);
}

/**
 * udrv_test_and_{set,clear,change}_bit() - set, clear or flip a bit, and tell what it was
 * @nr: its number
 * @addr: the bitmap
 *
 * Atomic, and fully ordered as in <udrv/atomic.h>. Return: was it set? Source: Linux
 * test_and_set_bit().
 */
static inline bool udrv_test_and_set_bit(unsigned long nr, unsigned long *addr)
{
	return UDRV__FULL(unsigned long, __atomic_fetch_or(udrv__bit_word(nr, addr),
							   UDRV_BIT_MASK(nr), __ATOMIC_SEQ_CST)) &
	       UDRV_BIT_MASK(nr);
}

static inline bool udrv_test_and_clear_bit(unsigned long nr, unsigned long *addr)
{
	return UDRV__FULL(unsigned long, __atomic_fetch_and(udrv__bit_word(nr, addr),
							    ~UDRV_BIT_MASK(nr), __ATOMIC_SEQ_CST)) &
	       UDRV_BIT_MASK(nr);
}

static inline bool udrv_test_and_change_bit(unsigned long nr, unsigned long *addr)
{
	return UDRV__FULL(unsigned long, __atomic_fetch_xor(udrv__bit_word(nr, addr),
							    UDRV_BIT_MASK(nr), __ATOMIC_SEQ_CST)) &
	       UDRV_BIT_MASK(nr);
}

/** udrv_test_and_set_bit_lock() - udrv_test_and_set_bit(); what follows comes after. */
static inline bool udrv_test_and_set_bit_lock(unsigned long nr, unsigned long *addr)
{
	return __atomic_fetch_or(udrv__bit_word(nr, addr), UDRV_BIT_MASK(nr), __ATOMIC_ACQUIRE) &
	       UDRV_BIT_MASK(nr);
}

/** udrv_clear_bit_unlock() - udrv_clear_bit(); what precedes comes before. */
static inline void udrv_clear_bit_unlock(unsigned long nr, unsigned long *addr)
{
	(void)__atomic_fetch_and(udrv__bit_word(nr, addr), ~UDRV_BIT_MASK(nr), __ATOMIC_RELEASE);
}

/**
 * udrv_raw_{set,clear}_bit() - set or clear a bit of a bitmap that nobody else touches
 * @nr: its number
 * @addr: the bitmap
 *
 * Not atomic. Source: Linux __set_bit(), __clear_bit().
 */
static inline void udrv_raw_set_bit(unsigned long nr, unsigned long *addr)
{
	*udrv__bit_word(nr, addr) |= UDRV_BIT_MASK(nr);
}

static inline void udrv_raw_clear_bit(unsigned long nr, unsigned long *addr)
{
	*udrv__bit_word(nr, addr) &= ~UDRV_BIT_MASK(nr);
}

/** udrv_ffs() - number of the lowest bit that is set in @x, from 1; 0 if none is. */
static inline int udrv_ffs(int x)
{
	return __builtin_ffs(x);
}

/** udrv_fls(), udrv_fls64() - number of the highest bit that is set in @x, from 1; 0 if none is. */
static inline int udrv_fls(unsigned int x)
{
	return x ? 32 - __builtin_clz(x) : 0;
}

static inline int udrv_fls64(uint64_t x)
{
	return x ? 64 - __builtin_clzll(x) : 0;
}

/** udrv_hweight{32,64}() - how many bits are set in @w. */
static inline unsigned int udrv_hweight32(uint32_t w)
{
	return (unsigned int)__builtin_popcount(w);
}

static inline unsigned int udrv_hweight64(uint64_t w)
{
	return (unsigned int)__builtin_popcountll(w);
}

/* The first bit from start on that is set in the bitmap with flip applied, or size. */
static inline unsigned long udrv__find_bit(const unsigned long *addr, unsigned long size,
					   unsigned long start, unsigned long flip)
{
	unsigned long word;

	for (unsigned long at = start; at < size; at = (at | (UDRV_BITS_PER_LONG - 1)) + 1) {
		word = __atomic_load_n(addr + UDRV_BIT_WORD(at), __ATOMIC_RELAXED) ^ flip;
		word &= ~0UL << (at % UDRV_BITS_PER_LONG);
		if (!word)
			continue;
		at = at / UDRV_BITS_PER_LONG * UDRV_BITS_PER_LONG +
		     (unsigned long)__builtin_ctzl(word);
		return at < size ? at : size;
	}
	return size;
}

/**
 * udrv_find_{first,next}_bit() - number of the first bit that is set
 * @addr: the bitmap
 * @size: bits of the bitmap
 * @offset: the bit to begin with
 *
 * Return: the number, from 0; @size if none is.
 */
static inline unsigned long udrv_find_first_bit(const unsigned long *addr, unsigned long size)
{
	return udrv__find_bit(addr, size, 0, 0);
}

static inline unsigned long udrv_find_next_bit(const unsigned long *addr, unsigned long size,
					       unsigned long offset)
{
	return udrv__find_bit(addr, size, offset, 0);
}

/**
 * udrv_find_{first,next}_zero_bit() - number of the first bit that is not set
 * @addr: the bitmap
 * @size: bits of the bitmap
 * @offset: the bit to begin with
 *
 * Return: the number, from 0; @size if all are set.
 */
static inline unsigned long udrv_find_first_zero_bit(const unsigned long *addr, unsigned long size)
{
	return udrv__find_bit(addr, size, 0, ~0UL);
}

static inline unsigned long udrv_find_next_zero_bit(const unsigned long *addr, unsigned long size,
						    unsigned long offset)
{
	return udrv__find_bit(addr, size, offset, ~0UL);
}

/**
 * udrv_for_each_set_bit() - loop over the bits that are set
 * @bit: a variable of the caller's, unsigned long
 * @addr: the bitmap
 * @size: bits of the bitmap
 */
#define udrv_for_each_set_bit(bit, addr, size)                                                     \
	for ((bit) = udrv_find_first_bit(addr, size); (bit) < (size);                              \
	     (bit) = udrv_find_next_bit(addr, size, (bit) + 1))

UDRV_END_DECLS

#endif

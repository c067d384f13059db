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

#define UDRV_BITS_PER_LONG	(8 * sizeof(long))
#define UDRV_BITS_PER_LONG_LONG (8 * sizeof(long long))
#define UDRV_BITS_TO_LONGS(n)	(((n) + UDRV_BITS_PER_LONG - 1) / UDRV_BITS_PER_LONG)
#define UDRV_BIT(n)		(1UL << (n))
#define UDRV_BIT_ULL(n)		(1ULL << (n))
#define UDRV_BIT_MASK(nr)	(1UL << ((nr) % UDRV_BITS_PER_LONG))
#define UDRV_BIT_WORD(nr)	((nr) / UDRV_BITS_PER_LONG)
/** UDRV_GENMASK() - bits @h to @l, both included. */
#define UDRV_GENMASK(h, l)     ((~0UL << (l)) & (~0UL >> (UDRV_BITS_PER_LONG - 1 - (h))))
#define UDRV_GENMASK_ULL(h, l) ((~0ULL << (l)) & (~0ULL >> (UDRV_BITS_PER_LONG_LONG - 1 - (h))))
/** UDRV_DECLARE_BITMAP() - define a bitmap of @bits bits; set it to 0 yourself. */
#define UDRV_DECLARE_BITMAP(name, bits) unsigned long name[UDRV_BITS_TO_LONGS(bits)]

static inline unsigned long *udrv__bit_word(unsigned long nr, unsigned long *addr)
{
	return addr + UDRV_BIT_WORD(nr);
}

/* Atomic; they order nothing. */
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

/** udrv_test_bit() - is it set? */
static inline bool udrv_test_bit(unsigned long nr, const unsigned long *addr)
{
	return __atomic_load_n(addr + UDRV_BIT_WORD(nr), __ATOMIC_RELAXED) & UDRV_BIT_MASK(nr);
}

/* Atomic, and fully ordered as in <udrv/atomic.h>. Return: was it set? */
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

/* Not atomic: nobody else touches the bitmap. Source: Linux __set_bit() and its kin. */
static inline void udrv_raw_set_bit(unsigned long nr, unsigned long *addr)
{
	*udrv__bit_word(nr, addr) |= UDRV_BIT_MASK(nr);
}

static inline void udrv_raw_clear_bit(unsigned long nr, unsigned long *addr)
{
	*udrv__bit_word(nr, addr) &= ~UDRV_BIT_MASK(nr);
}

/** udrv_ffs() - number of the lowest bit that is set, from 1; 0 if none is. */
static inline int udrv_ffs(int x)
{
	return __builtin_ffs(x);
}

/** udrv_fls() - number of the highest bit that is set, from 1; 0 if none is. */
static inline int udrv_fls(unsigned int x)
{
	return x ? 32 - __builtin_clz(x) : 0;
}

/** udrv_fls64() - likewise. */
static inline int udrv_fls64(uint64_t x)
{
	return x ? 64 - __builtin_clzll(x) : 0;
}

/** udrv_hweight32() - how many bits are set. */
static inline unsigned int udrv_hweight32(uint32_t w)
{
	return (unsigned int)__builtin_popcount(w);
}

/** udrv_hweight64() - likewise. */
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

/** udrv_find_first_bit() - number of the first bit that is set, from 0; @size if none is. */
static inline unsigned long udrv_find_first_bit(const unsigned long *addr, unsigned long size)
{
	return udrv__find_bit(addr, size, 0, 0);
}

/** udrv_find_next_bit() - likewise, from bit @offset on. */
static inline unsigned long udrv_find_next_bit(const unsigned long *addr, unsigned long size,
					       unsigned long offset)
{
	return udrv__find_bit(addr, size, offset, 0);
}

/** udrv_find_first_zero_bit() - number of the first bit that is not set; @size if all are. */
static inline unsigned long udrv_find_first_zero_bit(const unsigned long *addr, unsigned long size)
{
	return udrv__find_bit(addr, size, 0, ~0UL);
}

/** udrv_find_next_zero_bit() - likewise, from bit @offset on. */
static inline unsigned long udrv_find_next_zero_bit(const unsigned long *addr, unsigned long size,
						    unsigned long offset)
{
	return udrv__find_bit(addr, size, offset, ~0UL);
}

/** udrv_for_each_set_bit() - loop over the bits that are set; @bit: a variable of the caller's. */
#define udrv_for_each_set_bit(bit, addr, size)                                                     \
	for ((bit) = udrv_find_first_bit(addr, size); (bit) < (size);                              \
	     (bit) = udrv_find_next_bit(addr, size, (bit) + 1))

UDRV_END_DECLS

#endif

/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Time in jiffies. A jiffy is a millisecond (UDRV_HZ is 1000), counted by CLOCK_MONOTONIC.
 * Source: Linux include/linux/jiffies.h. Nothing here fails; any thread.
 */
#ifndef UDRV_JIFFIES_H
#define UDRV_JIFFIES_H

#include <limits.h>
#include <stdint.h>

#include <udrv/types.h>

UDRV_BEGIN_DECLS

/** UDRV_MAX_JIFFY_OFFSET - the longest time from now that the comparisons below can tell. */
#define UDRV_MAX_JIFFY_OFFSET ((LONG_MAX >> 1) - 1)

/** udrv_get_jiffies_64() - the time now, in jiffies. */
UDRV_API uint64_t udrv_get_jiffies_64(void);

/** udrv_jiffies - the time now, in jiffies; an expression, read anew each time. */
#define udrv_jiffies ((unsigned long)udrv_get_jiffies_64())

/**
 * udrv_time_{after,before}{,_eq}() - is the time @a after, before, or at @b?
 * @a: jiffies, unsigned long
 * @b: jiffies, unsigned long
 *
 * Also when the count has wrapped in between. Source: Linux time_after().
 */
#define udrv_time_after(a, b)	  ((long)((unsigned long)(b) - (unsigned long)(a)) < 0)
#define udrv_time_before(a, b)	  udrv_time_after(b, a)
#define udrv_time_after_eq(a, b)  ((long)((unsigned long)(a) - (unsigned long)(b)) >= 0)
#define udrv_time_before_eq(a, b) udrv_time_after_eq(b, a)
/** udrv_time_in_range() - is the time @a from @b to @c, both included? In jiffies. */
/** udrv_time_in_range_open() - is the time @a from @b on and before @c? In jiffies. */
#define udrv_time_in_range(a, b, c)	 (udrv_time_after_eq(a, b) && udrv_time_before_eq(a, c))
#define udrv_time_in_range_open(a, b, c) (udrv_time_after_eq(a, b) && udrv_time_before(a, c))
/**
 * udrv_time_is_{before,after}{,_eq}_jiffies() - is a time before, after, or now?
 * @a: jiffies, unsigned long
 */
#define udrv_time_is_before_jiffies(a)	  udrv_time_after(udrv_jiffies, a)
#define udrv_time_is_after_jiffies(a)	  udrv_time_before(udrv_jiffies, a)
#define udrv_time_is_before_eq_jiffies(a) udrv_time_after_eq(udrv_jiffies, a)
#define udrv_time_is_after_eq_jiffies(a)  udrv_time_before_eq(udrv_jiffies, a)

/**
 * udrv_msecs_to_jiffies() - milliseconds in jiffies
 * @msecs: a negative int as unsigned stands for the longest time
 */
static inline unsigned long udrv_msecs_to_jiffies(unsigned int msecs)
{
	return msecs > INT_MAX ? (unsigned long)UDRV_MAX_JIFFY_OFFSET : msecs;
}

/** udrv_usecs_to_jiffies() - microseconds in jiffies, rounded up. */
static inline unsigned long udrv_usecs_to_jiffies(unsigned int usecs)
{
	return usecs / 1000 + (usecs % 1000 != 0);
}

/** udrv_nsecs_to_jiffies() - nanoseconds in jiffies, rounded down. */
static inline unsigned long udrv_nsecs_to_jiffies(uint64_t nsecs)
{
	return (unsigned long)(nsecs / 1000000);
}

/** udrv_jiffies_to_{msecs,usecs,nsecs}() - jiffies in milli-, micro- or nanoseconds. */
static inline unsigned int udrv_jiffies_to_msecs(unsigned long jiffies)
{
	return (unsigned int)jiffies;
}

static inline unsigned int udrv_jiffies_to_usecs(unsigned long jiffies)
{
	return (unsigned int)(jiffies * 1000);
}

static inline uint64_t udrv_jiffies_to_nsecs(unsigned long jiffies)
{
	return (uint64_t)jiffies * 1000000;
}

/**
 * udrv_round_jiffies() - move a time to a whole second, so that timers fire together
 * @j: absolute time
 *
 * Down if that is less than a quarter of a second, else up; unchanged if the result has passed.
 */
static inline unsigned long udrv_round_jiffies(unsigned long j)
{
	unsigned long rest = j % UDRV_HZ;
	unsigned long rounded = rest < UDRV_HZ / 4 ? j - rest : j - rest + UDRV_HZ;

	return udrv_time_is_after_jiffies(rounded) ? rounded : j;
}

/** udrv_round_jiffies_relative() - udrv_round_jiffies() for a time from now. */
static inline unsigned long udrv_round_jiffies_relative(unsigned long delta)
{
	unsigned long now = udrv_jiffies;

	return udrv_round_jiffies(now + delta) - now;
}

UDRV_END_DECLS

#endif

/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Time in nanoseconds. Source: Linux include/linux/ktime.h, timekeeping.h. Nothing here fails; any
 * thread.
 */
#ifndef UDRV_KTIME_H
#define UDRV_KTIME_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include <udrv/compiler.h>

UDRV_BEGIN_DECLS

/** typedef udrv_ktime_t - nanoseconds; a point in time or a span. */
typedef int64_t udrv_ktime_t;

/* How many of one are in the other. */
#define UDRV_NSEC_PER_USEC 1000L
#define UDRV_NSEC_PER_MSEC 1000000L
#define UDRV_NSEC_PER_SEC  1000000000L
#define UDRV_USEC_PER_MSEC 1000L
#define UDRV_USEC_PER_SEC  1000000L
#define UDRV_MSEC_PER_SEC  1000L
#define UDRV_KTIME_MAX	   INT64_MAX

/* clock: CLOCK_* of <time.h>, which strict C11 does not have. */
UDRV_API udrv_ktime_t udrv__clock_get(int clock);

/** udrv_ktime_get() - the time now, by CLOCK_MONOTONIC. */
UDRV_API udrv_ktime_t udrv_ktime_get(void);

/** udrv_ktime_get_ns() - the time now, by CLOCK_MONOTONIC, unsigned. */
static inline uint64_t udrv_ktime_get_ns(void)
{
	return (uint64_t)udrv_ktime_get();
}

/** udrv_ktime_get_real() - the time of day, since 1970. */
UDRV_API udrv_ktime_t udrv_ktime_get_real(void);

/** udrv_ktime_get_real_ns() - the time of day, since 1970, unsigned. */
static inline uint64_t udrv_ktime_get_real_ns(void)
{
	return (uint64_t)udrv_ktime_get_real();
}

/** udrv_ktime_get_ts64() - the time now, by CLOCK_MONOTONIC, in seconds and nanoseconds. */
UDRV_API void udrv_ktime_get_ts64(struct timespec *ts);

/** udrv_ktime_get_real_ts64() - the time of day in seconds and nanoseconds. */
UDRV_API void udrv_ktime_get_real_ts64(struct timespec *ts);

/** udrv_ktime_set() - @secs seconds and @nsecs nanoseconds. */
static inline udrv_ktime_t udrv_ktime_set(int64_t secs, unsigned long nsecs)
{
	return secs * UDRV_NSEC_PER_SEC + (int64_t)nsecs;
}

/** udrv_{ns,us,ms}_to_ktime() - nano-, micro- or milliseconds as a time. */
static inline udrv_ktime_t udrv_ns_to_ktime(uint64_t ns)
{
	return (udrv_ktime_t)ns;
}

static inline udrv_ktime_t udrv_us_to_ktime(uint64_t us)
{
	return (udrv_ktime_t)us * UDRV_NSEC_PER_USEC;
}

static inline udrv_ktime_t udrv_ms_to_ktime(uint64_t ms)
{
	return (udrv_ktime_t)ms * UDRV_NSEC_PER_MSEC;
}

/** udrv_ktime_to_{ns,us,ms}() - a time in nano-, micro- or milliseconds, rounded towards 0. */
static inline int64_t udrv_ktime_to_ns(udrv_ktime_t kt)
{
	return kt;
}

static inline int64_t udrv_ktime_to_us(udrv_ktime_t kt)
{
	return kt / UDRV_NSEC_PER_USEC;
}

static inline int64_t udrv_ktime_to_ms(udrv_ktime_t kt)
{
	return kt / UDRV_NSEC_PER_MSEC;
}

/** udrv_ktime_{add,sub}() - @a + @b, @a - @b. */
static inline udrv_ktime_t udrv_ktime_add(udrv_ktime_t a, udrv_ktime_t b)
{
	return a + b;
}

static inline udrv_ktime_t udrv_ktime_sub(udrv_ktime_t a, udrv_ktime_t b)
{
	return a - b;
}

/** udrv_ktime_add_{ns,us,ms}() - @kt and so many nano-, micro- or milliseconds. */
static inline udrv_ktime_t udrv_ktime_add_ns(udrv_ktime_t kt, uint64_t ns)
{
	return kt + (udrv_ktime_t)ns;
}

static inline udrv_ktime_t udrv_ktime_add_us(udrv_ktime_t kt, uint64_t us)
{
	return kt + udrv_us_to_ktime(us);
}

static inline udrv_ktime_t udrv_ktime_add_ms(udrv_ktime_t kt, uint64_t ms)
{
	return kt + udrv_ms_to_ktime(ms);
}

/** udrv_ktime_compare() - less than, equal to or greater than 0 as @a is before, at or after @b. */
static inline int udrv_ktime_compare(udrv_ktime_t a, udrv_ktime_t b)
{
	return (a > b) - (a < b);
}

/** udrv_ktime_{after,before}() - is @a after, or before, @b? */
static inline bool udrv_ktime_after(udrv_ktime_t a, udrv_ktime_t b)
{
	return a > b;
}

static inline bool udrv_ktime_before(udrv_ktime_t a, udrv_ktime_t b)
{
	return a < b;
}

/** udrv_ktime_us_delta() - @later - @earlier in microseconds. */
static inline int64_t udrv_ktime_us_delta(udrv_ktime_t later, udrv_ktime_t earlier)
{
	return udrv_ktime_to_us(later - earlier);
}

/** udrv_ktime_ms_delta() - @later - @earlier in milliseconds. */
static inline int64_t udrv_ktime_ms_delta(udrv_ktime_t later, udrv_ktime_t earlier)
{
	return udrv_ktime_to_ms(later - earlier);
}

UDRV_END_DECLS

#endif

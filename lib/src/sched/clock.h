/* SPDX-License-Identifier: MIT */
/* CLOCK_MONOTONIC in nanoseconds. UINT64_MAX is the end of time: no deadline. */
#ifndef UDRV_SRC_CLOCK_H
#define UDRV_SRC_CLOCK_H

#include <stdint.h>
#include <time.h>

#include <udrv/types.h>

#define UDRV__NSEC_PER_SEC   UINT64_C(1000000000)
#define UDRV__NSEC_PER_JIFFY (UDRV__NSEC_PER_SEC / UDRV_HZ)
#define UDRV__NEVER	     UINT64_MAX

static inline uint64_t udrv__now_ns(void)
{
	struct timespec ts;

	/* Cannot fail: the clock exists on every Linux and the pointer is ours. */
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * UDRV__NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static inline uint64_t udrv__after_ns(uint64_t from, uint64_t ns)
{
	uint64_t sum;

	return __builtin_add_overflow(from, ns, &sum) ? UDRV__NEVER : sum;
}

static inline struct timespec udrv__timespec(uint64_t ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(ns / UDRV__NSEC_PER_SEC),
		.tv_nsec = (long)(ns % UDRV__NSEC_PER_SEC),
	};

	return ts;
}

/* Jiffies as nanoseconds, at most UDRV__NEVER. */
static inline uint64_t udrv__jiffies_ns(uint64_t jiffies)
{
	uint64_t ns;

	return __builtin_mul_overflow(jiffies, UDRV__NSEC_PER_JIFFY, &ns) ? UDRV__NEVER : ns;
}

/* Jiffies until a deadline, rounded up: 0 only when it has passed. */
static inline long udrv__jiffies_left(uint64_t deadline_ns)
{
	uint64_t now = udrv__now_ns();

	return now < deadline_ns ? (long)((deadline_ns - now - 1) / UDRV__NSEC_PER_JIFFY) + 1 : 0;
}

#endif

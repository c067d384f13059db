// SPDX-License-Identifier: MIT
/* Clocks as the kernel's names have them. */
#include <udrv/jiffies.h>
#include <udrv/ktime.h>

#include "sched/clock.h"

/* Cannot fail for clocks that exist; of another the time is 0. */
udrv_ktime_t udrv__clock_get(int clock)
{
	struct timespec now = {0};

	(void)clock_gettime(clock, &now);
	return (udrv_ktime_t)now.tv_sec * UDRV_NSEC_PER_SEC + now.tv_nsec;
}

udrv_ktime_t udrv_ktime_get(void)
{
	return udrv__clock_get(CLOCK_MONOTONIC);
}

udrv_ktime_t udrv_ktime_get_real(void)
{
	return udrv__clock_get(CLOCK_REALTIME);
}

void udrv_ktime_get_ts64(struct timespec *ts)
{
	(void)clock_gettime(CLOCK_MONOTONIC, ts);
}

void udrv_ktime_get_real_ts64(struct timespec *ts)
{
	(void)clock_gettime(CLOCK_REALTIME, ts);
}

uint64_t udrv_get_jiffies_64(void)
{
	return udrv__now_ns() / UDRV__NSEC_PER_JIFFY;
}

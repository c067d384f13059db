// SPDX-License-Identifier: MIT
/* Delays: sleeping and busy ones. */
#include <errno.h>

#include <udrv/barrier.h>
#include <udrv/delay.h>

#include "sched/clock.h"
#include "sched/task.h"

#define NSEC_PER_USEC UINT64_C(1000)
#define NSEC_PER_MSEC UINT64_C(1000000)

static uint64_t deadline_in(uint64_t count, uint64_t unit_ns)
{
	uint64_t ns;

	if (__builtin_mul_overflow(count, unit_ns, &ns))
		return UDRV__NEVER;
	return udrv__after_ns(udrv__now_ns(), ns);
}

static void sleep_until(uint64_t deadline)
{
	struct timespec ts = udrv__timespec(deadline);

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static void spin_until(uint64_t deadline)
{
	while (udrv__now_ns() < deadline)
		udrv_cpu_relax();
}

void udrv_msleep(unsigned int msecs)
{
	sleep_until(deadline_in(msecs, NSEC_PER_MSEC));
}

void udrv_ssleep(unsigned int seconds)
{
	sleep_until(deadline_in(seconds, UDRV__NSEC_PER_SEC));
}

unsigned long udrv_msleep_interruptible(unsigned int msecs)
{
	uint64_t deadline = deadline_in(msecs, NSEC_PER_MSEC);
	uint64_t now;
	int ret;

	/* A wake-up ends one sleep, and the next begins. */
	do {
		udrv_set_current_state(UDRV_TASK_INTERRUPTIBLE);
		ret = udrv__task_sleep(udrv_current, NULL, deadline);
	} while (!ret);
	now = udrv__now_ns();
	if (ret == -ETIMEDOUT || now >= deadline)
		return 0;
	return (unsigned long)((deadline - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC);
}

void udrv_usleep_range(unsigned long min, unsigned long max)
{
	(void)max;
	sleep_until(deadline_in(min, NSEC_PER_USEC));
}

void udrv_fsleep(unsigned long usecs)
{
	if (usecs < 10)
		udrv_udelay(usecs);
	else
		udrv_usleep_range(usecs, 2 * usecs);
}

void udrv_ndelay(unsigned long nsecs)
{
	spin_until(deadline_in(nsecs, 1));
}

void udrv_udelay(unsigned long usecs)
{
	spin_until(deadline_in(usecs, NSEC_PER_USEC));
}

void udrv_mdelay(unsigned long msecs)
{
	spin_until(deadline_in(msecs, NSEC_PER_MSEC));
}

// SPDX-License-Identifier: MIT
/* Timers in nanoseconds. */
#include <time.h>

#include "sched/timer_base.h"

/* A time of the timer's clock as CLOCK_MONOTONIC has it; what has passed is 0. */
static uint64_t to_monotonic(const struct udrv_hrtimer *timer, udrv_ktime_t time)
{
	if (timer->clock != CLOCK_MONOTONIC &&
	    __builtin_sub_overflow(time, udrv__clock_get(timer->clock) - udrv_ktime_get(), &time))
		return UINT64_MAX;
	return time > 0 ? (uint64_t)time : 0;
}

static void fire(struct udrv__timer *t)
{
	struct udrv_hrtimer *timer = udrv_container_of(t, struct udrv_hrtimer, node);

	if (timer->function(timer) == UDRV_HRTIMER_RESTART)
		udrv__timer_rearm(t, to_monotonic(timer, udrv_hrtimer_get_expires(timer)));
}

void udrv_hrtimer_setup(struct udrv_hrtimer *timer,
			enum udrv_hrtimer_restart (*function)(struct udrv_hrtimer *timer),
			int clock_id, enum udrv_hrtimer_mode mode)
{
	(void)mode;
	*timer = (struct udrv_hrtimer){
		.node = {.fire = fire},
		.function = function,
		.clock = clock_id,
	};
}

void udrv_hrtimer_init(struct udrv_hrtimer *timer, int clock_id, enum udrv_hrtimer_mode mode)
{
	udrv_hrtimer_setup(timer, NULL, clock_id, mode);
}

void udrv_hrtimer_start(struct udrv_hrtimer *timer, udrv_ktime_t time, enum udrv_hrtimer_mode mode)
{
	if ((mode & UDRV_HRTIMER_MODE_REL) &&
	    __builtin_add_overflow(time, udrv__clock_get(timer->clock), &time))
		time = UDRV_KTIME_MAX;
	/* Its function may be running, and move it on. */
	__atomic_store_n(&timer->expires, time, __ATOMIC_RELAXED);
	(void)udrv__timer_arm(&timer->node, to_monotonic(timer, time), UDRV__ARM);
}

void udrv_hrtimer_restart(struct udrv_hrtimer *timer)
{
	(void)udrv__timer_arm(&timer->node, to_monotonic(timer, udrv_hrtimer_get_expires(timer)),
			      UDRV__ARM);
}

int udrv_hrtimer_cancel(struct udrv_hrtimer *timer)
{
	return udrv__timer_disarm_sync(&timer->node);
}

int udrv_hrtimer_try_to_cancel(struct udrv_hrtimer *timer)
{
	return udrv__timer_disarm(&timer->node, true);
}

bool udrv_hrtimer_active(const struct udrv_hrtimer *timer)
{
	return udrv_hrtimer_is_queued(timer) || udrv__timer_running(&timer->node);
}

uint64_t udrv_hrtimer_forward(struct udrv_hrtimer *timer, udrv_ktime_t now, udrv_ktime_t interval)
{
	const udrv_ktime_t expires = udrv_hrtimer_get_expires(timer);
	const udrv_ktime_t late = now - expires;
	uint64_t count;

	if (late < 0 || interval <= 0)
		return 0;
	count = (uint64_t)(late / interval) + 1;
	__atomic_store_n(&timer->expires, expires + (udrv_ktime_t)count * interval,
			 __ATOMIC_RELAXED);
	return count;
}

/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Timers, in jiffies and in nanoseconds. Source: Linux include/linux/timer.h, hrtimer.h.
 *
 * All timers of the process fire in one thread, "udrv-timers", one after the other, in the order of
 * their times. It exists from the first armed timer on, has normal priority, and a callback must
 * not block: the others wait. Callbacks may arm and delete any timer, their own too, wake threads
 * and queue work. The process must not fork and then use timers in the child.
 *
 * Arming is for any thread, also handlers. If the thread cannot be started, one log line says so,
 * the timer stays pending, and the next arming tries again.
 */
#ifndef UDRV_TIMER_H
#define UDRV_TIMER_H

#include <udrv/container_of.h>
#include <udrv/jiffies.h>
#include <udrv/ktime.h>
#include <udrv/types.h>

UDRV_BEGIN_DECLS

/* What the timer thread knows of a timer: a node of a pairing heap. */
struct udrv__timer {
	uint64_t expires_ns; /* CLOCK_MONOTONIC */
	struct udrv__timer *child, *next, *prev;
	void (*fire)(struct udrv__timer *t);
	bool queued;
	bool shut; /* for good */
};

/** struct udrv_timer_list - a timer; all but @expires and @function is private. */
struct udrv_timer_list {
	struct udrv__timer node;
	unsigned long expires; /* jiffies; for udrv_add_timer() */
	void (*function)(struct udrv_timer_list *timer);
	unsigned int flags;
};

/* The kernel's flags; here they change nothing. */
#define UDRV_TIMER_DEFERRABLE 0x80000u
#define UDRV_TIMER_PINNED     0x100000u
#define UDRV_TIMER_IRQSAFE    0x200000u

UDRV_API void udrv__timer_fire(struct udrv__timer *t);

/** UDRV_DEFINE_TIMER() - define a timer that udrv_mod_timer() can arm. */
#define UDRV_DEFINE_TIMER(name, callback)                                                          \
	struct udrv_timer_list name = {                                                            \
		{0, 0, 0, 0, udrv__timer_fire, false, false},                                      \
		0,                                                                                 \
		callback,                                                                          \
		0,                                                                                 \
	}

/**
 * udrv_timer_setup() - make a timer ready for use
 * @timer: the caller's memory; must stay until the timer is deleted
 * @callback: called in the timer thread; the timer is then not pending, and may be freed by it
 * @flags: UDRV_TIMER_* or 0
 */
UDRV_API void udrv_timer_setup(struct udrv_timer_list *timer,
			       void (*callback)(struct udrv_timer_list *timer), unsigned int flags);

/** udrv_from_timer() - in a callback: the struct that the timer is in. */
#define udrv_from_timer(var, callback_timer, timer_fieldname)                                      \
	udrv_container_of(callback_timer, __typeof__(*var), timer_fieldname)
/** udrv_timer_container_of() - udrv_from_timer() by its newer name. */
#define udrv_timer_container_of(var, callback_timer, timer_fieldname)                              \
	udrv_from_timer(var, callback_timer, timer_fieldname)

/**
 * udrv_mod_timer() - arm a timer, or change when it fires
 * @timer: a timer
 * @expires: absolute, in jiffies; a time that has passed fires at once
 *
 * Return: 1 if it was pending, else 0. A timer that was shut down is not armed.
 */
UDRV_API int udrv_mod_timer(struct udrv_timer_list *timer, unsigned long expires);

/** udrv_mod_timer_pending() - udrv_mod_timer(), only if it is pending. */
UDRV_API int udrv_mod_timer_pending(struct udrv_timer_list *timer, unsigned long expires);

/** udrv_timer_reduce() - udrv_mod_timer(), only if that is earlier or it is not pending. */
UDRV_API int udrv_timer_reduce(struct udrv_timer_list *timer, unsigned long expires);

/** udrv_add_timer() - arm a timer for @timer->expires. */
UDRV_API void udrv_add_timer(struct udrv_timer_list *timer);

/** udrv_timer_pending() - is the timer armed? */
static inline int udrv_timer_pending(const struct udrv_timer_list *timer)
{
	return __atomic_load_n(&timer->node.queued, __ATOMIC_RELAXED);
}

/** udrv_timer_delete() - disarm it; the callback may be running. Return: 1 if it was pending. */
UDRV_API int udrv_timer_delete(struct udrv_timer_list *timer);

/**
 * udrv_timer_delete_sync() - disarm a timer and wait until its callback is not running
 *
 * Also stops a callback that arms its own timer. Not with a lock held that the callback takes. From
 * the timer thread itself it does not wait. Return: 1 if it was pending, else 0.
 */
UDRV_API int udrv_timer_delete_sync(struct udrv_timer_list *timer);

/**
 * udrv_try_to_del_timer_sync() - disarm a timer, unless its callback is running
 *
 * Return: 1 if it was pending, 0 if not; -1, and nothing done, if its callback is running.
 */
UDRV_API int udrv_try_to_del_timer_sync(struct udrv_timer_list *timer);

/** udrv_timer_shutdown() - udrv_timer_delete(), and it cannot be armed again. */
UDRV_API int udrv_timer_shutdown(struct udrv_timer_list *timer);

/** udrv_timer_shutdown_sync() - udrv_timer_delete_sync(), and it cannot be armed again. */
UDRV_API int udrv_timer_shutdown_sync(struct udrv_timer_list *timer);

/** udrv_del_timer() - udrv_timer_delete() by its former name. */
/** udrv_del_timer_sync() - udrv_timer_delete_sync() by its former name. */
#define udrv_del_timer(timer)	   udrv_timer_delete(timer)
#define udrv_del_timer_sync(timer) udrv_timer_delete_sync(timer)

/** enum udrv_hrtimer_restart - what a callback returns. */
enum udrv_hrtimer_restart {
	UDRV_HRTIMER_NORESTART,
	UDRV_HRTIMER_RESTART, /* arm it again, for the time that udrv_hrtimer_forward() set */
};

/** enum udrv_hrtimer_mode - how a time is meant; the flags change nothing here. */
enum udrv_hrtimer_mode {
	UDRV_HRTIMER_MODE_ABS = 0,
	UDRV_HRTIMER_MODE_REL = 1,
	UDRV_HRTIMER_MODE_PINNED = 2,
	UDRV_HRTIMER_MODE_ABS_PINNED = 2,
	UDRV_HRTIMER_MODE_REL_PINNED = 3,
};

/** struct udrv_hrtimer - a timer in nanoseconds; all but @function is private. */
struct udrv_hrtimer {
	struct udrv__timer node;
	enum udrv_hrtimer_restart (*function)(struct udrv_hrtimer *timer);
	udrv_ktime_t expires; /* by its clock; atomic */
	int clock;	      /* CLOCK_* of <time.h> */
};

/**
 * udrv_hrtimer_init() - make a timer ready for use; the caller then sets @timer->function
 * @timer: the caller's memory; must stay until the timer is cancelled
 * @clock_id: CLOCK_MONOTONIC, or another clock: its difference to CLOCK_MONOTONIC is taken when
 *            the timer is armed, and steps of the clock after that are not followed
 * @mode: ignored, as the mode counts that the timer is started with
 */
UDRV_API void udrv_hrtimer_init(struct udrv_hrtimer *timer, int clock_id,
				enum udrv_hrtimer_mode mode);

/** udrv_hrtimer_setup() - udrv_hrtimer_init() and the callback. */
UDRV_API void udrv_hrtimer_setup(struct udrv_hrtimer *timer,
				 enum udrv_hrtimer_restart (*function)(struct udrv_hrtimer *timer),
				 int clock_id, enum udrv_hrtimer_mode mode);

/**
 * udrv_hrtimer_start() - arm a timer, or change when it fires
 * @timer: a timer
 * @time: nanoseconds
 * @mode: is @time by the timer's clock, or from now
 */
UDRV_API void udrv_hrtimer_start(struct udrv_hrtimer *timer, udrv_ktime_t time,
				 enum udrv_hrtimer_mode mode);

/** udrv_hrtimer_restart() - arm a timer again for the time it had. */
UDRV_API void udrv_hrtimer_restart(struct udrv_hrtimer *timer);

/**
 * udrv_hrtimer_cancel() - disarm a timer and wait until its callback is not running
 *
 * As udrv_timer_delete_sync(). Return: 1 if it was armed, else 0.
 */
UDRV_API int udrv_hrtimer_cancel(struct udrv_hrtimer *timer);

/**
 * udrv_hrtimer_try_to_cancel() - disarm a timer, unless its callback is running
 *
 * Return: 1 if it was armed, 0 if not; -1, and nothing done, if its callback is running.
 */
UDRV_API int udrv_hrtimer_try_to_cancel(struct udrv_hrtimer *timer);

/** udrv_hrtimer_active() - is the timer armed, or its callback running? */
UDRV_API bool udrv_hrtimer_active(const struct udrv_hrtimer *timer);

/** udrv_hrtimer_is_queued() - is the timer armed? */
static inline bool udrv_hrtimer_is_queued(const struct udrv_hrtimer *timer)
{
	return __atomic_load_n(&timer->node.queued, __ATOMIC_RELAXED);
}

/**
 * udrv_hrtimer_forward() - move a timer's time on by whole intervals until it is after @now
 * @timer: not armed: in its callback
 * @now: by its clock
 * @interval: more than 0
 *
 * Return: by how many intervals: 0 if the time was after @now already.
 */
UDRV_API uint64_t udrv_hrtimer_forward(struct udrv_hrtimer *timer, udrv_ktime_t now,
				       udrv_ktime_t interval);

/** udrv_hrtimer_cb_get_time() - now, by the timer's clock. */
static inline udrv_ktime_t udrv_hrtimer_cb_get_time(const struct udrv_hrtimer *timer)
{
	return udrv__clock_get(timer->clock);
}

/** udrv_hrtimer_forward_now() - udrv_hrtimer_forward() from now. */
static inline uint64_t udrv_hrtimer_forward_now(struct udrv_hrtimer *timer, udrv_ktime_t interval)
{
	return udrv_hrtimer_forward(timer, udrv_hrtimer_cb_get_time(timer), interval);
}

/** udrv_hrtimer_get_expires() - when the timer fires, by its clock. */
static inline udrv_ktime_t udrv_hrtimer_get_expires(const struct udrv_hrtimer *timer)
{
	return __atomic_load_n(&timer->expires, __ATOMIC_RELAXED);
}

/** udrv_hrtimer_get_remaining() - nanoseconds until it fires; negative when that has passed. */
static inline udrv_ktime_t udrv_hrtimer_get_remaining(const struct udrv_hrtimer *timer)
{
	return udrv_hrtimer_get_expires(timer) - udrv_hrtimer_cb_get_time(timer);
}

UDRV_END_DECLS

#endif

/* SPDX-License-Identifier: MIT */
/* The timer thread and what it waits for. */
#ifndef UDRV_SRC_TIMER_BASE_H
#define UDRV_SRC_TIMER_BASE_H

#include <udrv/timer.h>

enum udrv__arm {
	UDRV__ARM,	   /* in any case */
	UDRV__ARM_PENDING, /* only if it is armed */
	UDRV__ARM_EARLIER, /* only if that is earlier, or it is not armed */
};

/* Was it armed? */
bool udrv__timer_arm(struct udrv__timer *t, uint64_t expires_ns, enum udrv__arm how);

/* In its own callback: arm it, unless it was armed or shut down meanwhile. */
void udrv__timer_rearm(struct udrv__timer *t, uint64_t expires_ns);

/* 1 if it was armed, 0 if not; -1, with nothing done, if its callback is running and unless says
 * so. */
int udrv__timer_disarm(struct udrv__timer *t, bool unless_running);

/* It cannot be armed from now on. */
void udrv__timer_shut(struct udrv__timer *t);

/* Disarm it and wait until its callback is not running. */
bool udrv__timer_disarm_sync(struct udrv__timer *t);

/* Wait until its callback is not running; not in the timer thread. */
void udrv__timer_wait(const struct udrv__timer *t);

bool udrv__timer_running(const struct udrv__timer *t);

#endif

/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Doing nothing for some time, never for less. Source: Linux include/linux/delay.h.
 *
 * These know no device: for a wait that must end when a device goes, use udrv_wait_event_timeout()
 * or udrv_read_poll_timeout().
 */
#ifndef UDRV_DELAY_H
#define UDRV_DELAY_H

#include <udrv/compiler.h>

UDRV_BEGIN_DECLS

/** udrv_msleep() - sleep for @msecs milliseconds, whatever signals or wake-ups arrive. */
UDRV_API void udrv_msleep(unsigned int msecs);

/**
 * udrv_msleep_interruptible() - sleep for @msecs milliseconds, or until a signal arrives
 *
 * Return: milliseconds left: 0 if the time is up. udrv_signal_pending() then tells of the signal.
 */
UDRV_API unsigned long udrv_msleep_interruptible(unsigned int msecs);

/** udrv_ssleep() - sleep for @seconds seconds. */
UDRV_API void udrv_ssleep(unsigned int seconds);

/**
 * udrv_usleep_range() - sleep for @min to @max microseconds
 *
 * @max is a wish. The kernel adds up to 50 microseconds of its own unless the thread has a
 * real-time priority, and other threads may be running.
 */
UDRV_API void udrv_usleep_range(unsigned long min, unsigned long max);

/** udrv_fsleep() - pass @usecs microseconds: below 10 without giving up the CPU. */
UDRV_API void udrv_fsleep(unsigned long usecs);

/*
 * Keep the CPU busy: for some microseconds, in handlers too.
 */
/** udrv_ndelay() - keep the CPU busy for @nsecs nanoseconds; the clock alone takes some 30. */
UDRV_API void udrv_ndelay(unsigned long nsecs);
/** udrv_udelay() - keep the CPU busy for @usecs microseconds. */
UDRV_API void udrv_udelay(unsigned long usecs);
/** udrv_mdelay() - keep the CPU busy for @msecs milliseconds: prefer udrv_msleep(). */
UDRV_API void udrv_mdelay(unsigned long msecs);

UDRV_END_DECLS

#endif

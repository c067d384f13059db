/* SPDX-License-Identifier: MIT */
/* The one place where threads of the framework sleep. */
#ifndef UDRV_SRC_SLEEP_H
#define UDRV_SRC_SLEEP_H

#include <stdint.h>

#include <udrv/types.h>

struct udrv_task;

/*
 * Sleep while *word is value. dev, if any, ends the sleep when it goes; interruptible, if not NULL,
 * is the calling thread, and a signal ends the sleep too.
 * 0: look at the word again, for whatever reason. -ENODEV, -UDRV_ERESTARTSYS, -ETIMEDOUT: do not
 * sleep again; the word may have changed all the same. -UDRV_ERESTARTSYS leaves the
 * interruption pending: whoever reports it calls udrv__task_forget_signal().
 */
int udrv__sleep(const uint32_t *word, uint32_t value, const struct udrv_device *dev,
		struct udrv_task *interruptible, uint64_t deadline_ns);

/* Wake up to count threads that sleep on the word. Does not touch the word: it may be gone. */
void udrv__wake_word(const uint32_t *word, int count);

#endif

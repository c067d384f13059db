/* SPDX-License-Identifier: MIT */
/* Inside a task. */
#ifndef UDRV_SRC_TASK_H
#define UDRV_SRC_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include <udrv/sched.h>

struct udrv__kthread;

struct udrv_task {
	uint32_t state;	      /* UDRV_TASK_*; the word that the thread sleeps on */
	uint32_t interrupted; /* a signal or udrv_task_interrupt() that nobody was told of */
	/* Whose removal ends udrv_schedule(): the thread's own. */
	const struct udrv_device *dev;
	struct udrv__kthread *kthread; /* or NULL */
};

/* Make task what udrv_current is in this thread. */
void udrv__task_adopt(struct udrv_task *task);

/*
 * If task is in one of the states of mode, or about to be, it runs. true: the caller must now call
 * udrv__wake_word(&task->state, 1), which it may do when the task is gone.
 */
bool udrv__task_make_running(struct udrv_task *task, unsigned int mode);

/*
 * Sleep until the calling thread is running. 0, or what udrv__sleep() says; running in any case.
 * The state must have been set.
 */
int udrv__task_sleep(struct udrv_task *self, const struct udrv_device *dev, uint64_t deadline_ns);

/* Does a signal end a sleep in this state? */
static inline bool udrv__task_interruptible(unsigned int state)
{
	return state & (UDRV_TASK_INTERRUPTIBLE | UDRV_TASK_WAKEKILL);
}

/* The interruption was reported. */
static inline void udrv__task_forget_signal(struct udrv_task *self)
{
	__atomic_store_n(&self->interrupted, 0, __ATOMIC_RELAXED);
}

#endif

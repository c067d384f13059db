// SPDX-License-Identifier: MIT
/*
 * Task states. All changes of a state are read-modify-write operations, so each reads the one
 * before it: a thread that sets its state over a wake-up's "running" has thereby seen all that came
 * before the wake-up, and one that does not has its sleep ended by it.
 */
#include <errno.h>
#include <sched.h>

#include <udrv/device.h>
#include <udrv/err.h>

#include "sched/clock.h"
#include "sched/kthread.h"
#include "sched/sleep.h"
#include "sched/task.h"

/* A thread's own task, unless it is a kthread, whose task outlives it. */
static __thread struct udrv_task own __attribute__((tls_model("initial-exec")));
static __thread struct udrv_task *adopted __attribute__((tls_model("initial-exec")));

struct udrv_task *udrv__current(void)
{
	return adopted ? adopted : &own;
}

void udrv__task_adopt(struct udrv_task *task)
{
	adopted = task;
}

void udrv_set_current_state(unsigned int state)
{
	(void)__atomic_exchange_n(&udrv_current->state, state, __ATOMIC_ACQ_REL);
}

bool udrv__task_make_running(struct udrv_task *task, unsigned int mode)
{
	/* Even where nothing changes, the thread's next change of state must come after this. */
	uint32_t state = __atomic_fetch_or(&task->state, 0, __ATOMIC_ACQ_REL);

	do {
		if (!(state & mode))
			return false;
	} while (!__atomic_compare_exchange_n(&task->state, &state, UDRV_TASK_RUNNING, false,
					      __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
	return true;
}

int udrv__task_sleep(struct udrv_task *self, const struct udrv_device *dev, uint64_t deadline_ns)
{
	uint32_t state = __atomic_load_n(&self->state, __ATOMIC_ACQUIRE);
	int ret = 0;

	while (state != UDRV_TASK_RUNNING && !ret) {
		ret = udrv__sleep(&self->state, state, dev,
				  udrv__task_interruptible(state) ? self : NULL, deadline_ns);
		state = __atomic_load_n(&self->state, __ATOMIC_ACQUIRE);
	}
	if (__atomic_exchange_n(&self->state, UDRV_TASK_RUNNING, __ATOMIC_ACQ_REL) ==
	    UDRV_TASK_RUNNING)
		return 0;
	return ret;
}

/* Without a state there is nothing to wait for, but others may run. */
static int schedule_until(uint64_t deadline_ns)
{
	struct udrv_task *self = udrv_current;
	int ret;

	if (__atomic_load_n(&self->state, __ATOMIC_ACQUIRE) == UDRV_TASK_RUNNING) {
		(void)sched_yield();
		return 0;
	}
	ret = udrv__task_sleep(self, self->dev, deadline_ns);
	if (ret == -ENODEV)
		__atomic_store_n(&self->interrupted, 1, __ATOMIC_RELEASE);
	return ret;
}

int udrv_schedule(void)
{
	return schedule_until(UDRV__NEVER);
}

long udrv_schedule_timeout(long timeout)
{
	uint64_t deadline = UDRV__NEVER;
	int ret;

	if (timeout != UDRV_MAX_SCHEDULE_TIMEOUT)
		deadline = udrv__after_ns(udrv__now_ns(),
					  udrv__jiffies_ns(timeout > 0 ? (uint64_t)timeout : 0));
	ret = schedule_until(deadline);
	if (ret == -ETIMEDOUT)
		return 0;
	if (ret == -ENODEV)
		return ret;
	return deadline == UDRV__NEVER ? timeout : udrv__jiffies_left(deadline);
}

long udrv_schedule_timeout_interruptible(long timeout)
{
	udrv_set_current_state(UDRV_TASK_INTERRUPTIBLE);
	return udrv_schedule_timeout(timeout);
}

long udrv_schedule_timeout_uninterruptible(long timeout)
{
	udrv_set_current_state(UDRV_TASK_UNINTERRUPTIBLE);
	return udrv_schedule_timeout(timeout);
}

long udrv_schedule_timeout_killable(long timeout)
{
	udrv_set_current_state(UDRV_TASK_KILLABLE);
	return udrv_schedule_timeout(timeout);
}

int udrv_wake_up_process(struct udrv_task *task)
{
	if (task->kthread && udrv__kthread_start(task))
		return 1;
	if (!udrv__task_make_running(task, ~0u))
		return 0;
	udrv__wake_word(&task->state, 1);
	return 1;
}

void udrv_task_interrupt(struct udrv_task *task)
{
	__atomic_store_n(&task->interrupted, 1, __ATOMIC_SEQ_CST);
	udrv__wake_word(&task->interrupted, 1);
}

int udrv_signal_pending(struct udrv_task *task)
{
	return (int)__atomic_exchange_n(&task->interrupted, 0, __ATOMIC_ACQ_REL);
}

// SPDX-License-Identifier: MIT
/*
 * A thread sleeps on up to three words at once (futex_waitv(2), Linux 5.16): the one that it waits
 * for, the device's "gone" and its own "interrupted". The kernel compares them before it
 * puts the thread to sleep, so that a change before that ends the sleep before it begins.
 */
#include <errno.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/err.h>

#include "pci/device.h"
#include "sched/clock.h"
#include "sched/sleep.h"
#include "sched/task.h"

/* Without futex_waitv() (valgrind, seccomp filters), how long until gone and interrupted are looked
 * at again. */
#define POLL_NS (10 * 1000 * 1000)

static bool no_waitv;

static void add_word(struct futex_waitv *w, const uint32_t *word, uint32_t value)
{
	w->uaddr = (uintptr_t)word;
	w->val = value;
	w->flags = FUTEX_32 | FUTEX_PRIVATE_FLAG;
	w->__reserved = 0;
}

static int wait_one(const uint32_t *word, uint32_t value, uint64_t deadline_ns)
{
	struct timespec ts = udrv__timespec(deadline_ns);

	if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value,
		    deadline_ns == UDRV__NEVER ? NULL : &ts, NULL, FUTEX_BITSET_MATCH_ANY) < 0)
		return -errno;
	return 0;
}

/* One word, and a look at the others every now and then. */
static int wait_and_poll(const uint32_t *word, uint32_t value, uint64_t deadline_ns)
{
	uint64_t poll = udrv__after_ns(udrv__now_ns(), POLL_NS);
	int ret = wait_one(word, value, poll < deadline_ns ? poll : deadline_ns);

	return ret == -ETIMEDOUT && poll < deadline_ns ? 0 : ret;
}

static int wait_many(struct futex_waitv *words, unsigned int count, uint64_t deadline_ns)
{
	struct timespec ts = udrv__timespec(deadline_ns);

	if (syscall(SYS_futex_waitv, words, count, 0, deadline_ns == UDRV__NEVER ? NULL : &ts,
		    CLOCK_MONOTONIC) < 0)
		return -errno;
	return 0;
}

static int wait_for(const uint32_t *word, uint32_t value, const struct udrv_device *dev,
		    const struct udrv_task *interruptible, uint64_t deadline_ns)
{
	struct futex_waitv words[3];
	unsigned int count = 1;
	int ret;

	if (!dev && !interruptible)
		return wait_one(word, value, deadline_ns);
	if (__atomic_load_n(&no_waitv, __ATOMIC_RELAXED))
		return wait_and_poll(word, value, deadline_ns);
	add_word(&words[0], word, value);
	if (dev)
		add_word(&words[count++], &dev->gone, 0);
	if (interruptible)
		add_word(&words[count++], &interruptible->interrupted, 0);
	ret = wait_many(words, count, deadline_ns);
	/* Filters of system calls often answer -EPERM to what they do not know. */
	if (ret == -ENOSYS || ret == -EPERM)
		__atomic_store_n(&no_waitv, true, __ATOMIC_RELAXED);
	return ret;
}

int udrv__sleep(const uint32_t *word, uint32_t value, const struct udrv_device *dev,
		struct udrv_task *interruptible, uint64_t deadline_ns)
{
	int saved_errno = errno;
	int ret;

	if (dev && udrv_device_gone(dev))
		return -ENODEV;
	if (interruptible && __atomic_load_n(&interruptible->interrupted, __ATOMIC_ACQUIRE))
		return -UDRV_ERESTARTSYS;
	ret = wait_for(word, value, dev, interruptible, deadline_ns);
	errno = saved_errno;
	if (ret == -EINTR && interruptible)
		__atomic_store_n(&interruptible->interrupted, 1, __ATOMIC_RELEASE);
	return ret == -ETIMEDOUT ? ret : 0;
}

void udrv__wake_word(const uint32_t *word, int count)
{
	int saved_errno = errno;

	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
	errno = saved_errno;
}

// SPDX-License-Identifier: MIT
/*
 * Completions on futexes. A waiter sleeps on two words at once (futex_waitv(2), Linux 5.16): the
 * completion's count and the device's "gone" word, so that removal ends the wait at once.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <udrv/completion.h>
#include <udrv/device.h>

#include "pci/device.h"

/* complete_all(): as many as there will ever be waiters. */
#define DONE_ALL UINT32_MAX

#define NSEC_PER_SEC 1000000000L

void udrv_init_completion(struct udrv_device *dev, struct udrv_completion *x)
{
	x->done = 0;
	x->waiters = 0;
	x->dev = dev;
}

void udrv_reinit_completion(struct udrv_completion *x)
{
	__atomic_store_n(&x->done, 0, __ATOMIC_RELEASE);
}

static void wake(struct udrv_completion *x, int count)
{
	if (__atomic_load_n(&x->waiters, __ATOMIC_SEQ_CST))
		syscall(SYS_futex, &x->done, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

void udrv_complete(struct udrv_completion *x)
{
	uint32_t done = __atomic_load_n(&x->done, __ATOMIC_RELAXED);

	do {
		if (done == DONE_ALL)
			return;
	} while (!__atomic_compare_exchange_n(&x->done, &done, done + 1, false, __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED));
	wake(x, 1);
}

void udrv_complete_all(struct udrv_completion *x)
{
	__atomic_store_n(&x->done, DONE_ALL, __ATOMIC_SEQ_CST);
	wake(x, INT_MAX);
}

static bool take(struct udrv_completion *x)
{
	uint32_t done = __atomic_load_n(&x->done, __ATOMIC_ACQUIRE);

	do {
		if (!done)
			return false;
		if (done == DONE_ALL)
			return true;
	} while (!__atomic_compare_exchange_n(&x->done, &done, done - 1, false, __ATOMIC_ACQUIRE,
					      __ATOMIC_ACQUIRE));
	return true;
}

static void add_word(struct futex_waitv *w, const uint32_t *word)
{
	w->uaddr = (uintptr_t)word;
	w->val = 0;
	w->flags = FUTEX_32 | FUTEX_PRIVATE_FLAG;
	w->__reserved = 0;
}

/* Sleep until done or gone is not 0, or until the deadline. */
static void sleep_on(const struct udrv_completion *x, const struct timespec *deadline)
{
	struct futex_waitv words[2];
	unsigned int count = 1;

	add_word(&words[0], &x->done);
	if (x->dev)
		add_word(&words[count++], &x->dev->gone);
	/* Whatever ends the sleep, the caller looks again. */
	syscall(SYS_futex_waitv, words, count, 0, deadline, CLOCK_MONOTONIC);
}

static struct timespec deadline_after(unsigned long jiffies)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += (time_t)(jiffies / UDRV_HZ);
	t.tv_nsec += (long)(jiffies % UDRV_HZ) * (NSEC_PER_SEC / UDRV_HZ);
	if (t.tv_nsec >= NSEC_PER_SEC) {
		t.tv_sec++;
		t.tv_nsec -= NSEC_PER_SEC;
	}
	return t;
}

/* Whole jiffies until the deadline; 0 or less when it has passed. */
static long jiffies_left(const struct timespec *deadline)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (deadline->tv_sec - now.tv_sec) * UDRV_HZ +
	       (deadline->tv_nsec - now.tv_nsec) / (NSEC_PER_SEC / UDRV_HZ);
}

static bool expired(const struct timespec *deadline)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > deadline->tv_sec ||
	       (now.tv_sec == deadline->tv_sec && now.tv_nsec >= deadline->tv_nsec);
}

/* 0 when taken, -ETIMEDOUT, -ENODEV. */
static int wait_until(struct udrv_completion *x, const struct timespec *deadline)
{
	int ret = 0;

	__atomic_fetch_add(&x->waiters, 1, __ATOMIC_SEQ_CST);
	while (!take(x)) {
		if (x->dev && udrv_device_gone(x->dev))
			ret = -ENODEV;
		else if (deadline && expired(deadline))
			ret = -ETIMEDOUT;
		if (ret) {
			if (take(x))
				ret = 0;
			break;
		}
		sleep_on(x, deadline);
	}
	__atomic_fetch_sub(&x->waiters, 1, __ATOMIC_SEQ_CST);
	return ret;
}

long udrv_wait_for_completion_timeout(struct udrv_completion *x, unsigned long timeout)
{
	struct timespec deadline = deadline_after(timeout);
	long left;
	int ret = wait_until(x, &deadline);

	if (ret)
		return ret == -ETIMEDOUT ? 0 : ret;
	left = jiffies_left(&deadline);
	return left > 0 ? left : 1;
}

int udrv_wait_for_completion(struct udrv_completion *x)
{
	return wait_until(x, NULL);
}

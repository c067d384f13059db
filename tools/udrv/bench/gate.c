// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/gate.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bench/clock.h"

/*
 * Looks at the gate before sleeping. On one CPU a waiter with SCHED_FIFO has opened it by the
 * first look; on two it mostly opens it within these.
 */
#define LOOKS 2000

static long futex(_Atomic uint32_t *word, int op, uint32_t value, const struct timespec *timeout)
{
	return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, timeout, NULL,
		       FUTEX_BITSET_MATCH_ANY);
}

void bench_gate_open(struct bench_gate *gate, uint64_t end)
{
	gate->end = end;
	atomic_fetch_add(&gate->opened, 1);
	if (atomic_load(&gate->waiting))
		(void)futex(&gate->opened, FUTEX_WAKE, 1, NULL);
}

static bool opened_since(struct bench_gate *gate, uint32_t opened)
{
	return atomic_load_explicit(&gate->opened, memory_order_acquire) != opened;
}

static void deadline_in(struct timespec *at, unsigned int ms)
{
	(void)clock_gettime(CLOCK_MONOTONIC, at);
	at->tv_sec += ms / 1000;
	at->tv_nsec += (long)(ms % 1000) * 1000000;
	if (at->tv_nsec >= 1000000000) {
		at->tv_sec++;
		at->tv_nsec -= 1000000000;
	}
}

static int sleep_until_open(struct bench_gate *gate, uint32_t opened, unsigned int deadline_ms,
			    const _Atomic bool *stop)
{
	struct timespec at;
	int ret = 0;

	deadline_in(&at, deadline_ms);
	atomic_store(&gate->waiting, true);
	while (!ret && !opened_since(gate, opened)) {
		if (atomic_load(stop))
			ret = -EINTR;
		else if (futex(&gate->opened, FUTEX_WAIT_BITSET, opened, &at) && errno == ETIMEDOUT)
			ret = opened_since(gate, opened) ? 0 : -ETIMEDOUT;
	}
	atomic_store(&gate->waiting, false);
	return ret;
}

int bench_gate_wait(struct bench_gate *gate, uint32_t opened, unsigned int deadline_ms,
		    const _Atomic bool *stop)
{
	for (int look = 0; look < LOOKS; look++)
		if (opened_since(gate, opened))
			return 0;
	return sleep_until_open(gate, opened, deadline_ms, stop);
}

static void busy(uint64_t ticks)
{
	uint64_t start = bench_stamp();

	while (bench_stamp() - start < ticks)
		;
}

/* 1 with a sample, 0 when the interrupt was lost. */
static int one_sample(const struct bench_collect *how, uint64_t *sample)
{
	struct bench_gate *gate = how->gate;
	uint32_t opened;
	int ret;

	if (how->gap_ticks)
		busy(how->gap_ticks);
	opened = atomic_load(&gate->opened);
	ret = how->fire(how->ctx);
	if (ret)
		return ret;
	ret = bench_gate_wait(gate, opened, how->deadline_ms, how->stop);
	if (ret)
		return ret == -ETIMEDOUT ? 0 : ret;
	/* One that had been given up, late: not the answer to this trigger. */
	if (gate->end < gate->start)
		return 0;
	*sample = gate->end - gate->start;
	return 1;
}

static void add_parts(struct bench_split *split, const struct bench_gate *gate)
{
	if (!split || gate->hard < gate->start || gate->hard > gate->end)
		return;
	split->to_hard[split->count] = gate->hard - gate->start;
	split->to_worker[split->count++] = gate->end - gate->hard;
}

int bench_collect(const struct bench_collect *how, uint64_t *samples, size_t count,
		  unsigned int *lost)
{
	int ret;

	for (size_t i = 0; i < count;) {
		if (atomic_load_explicit(how->stop, memory_order_relaxed))
			return -EINTR;
		ret = one_sample(how, &samples[i]);
		if (ret < 0)
			return ret;
		if (ret) {
			add_parts(how->split, how->gate);
			i++;
		} else if (++*lost >= BENCH_MAX_LOST) {
			return -ETIMEDOUT;
		}
	}
	return 0;
}

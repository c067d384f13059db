/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One sample at a time, between the thread that raises interrupts and the one that handles
 * them: the handler stamps and opens the gate, the trigger waits there.
 */
#ifndef UDRV_BENCH_GATE_H
#define UDRV_BENCH_GATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench_gate {
	uint64_t start;		 /* stamp before the register write */
	uint64_t hard;		 /* stamp of the kernel's hard handler; 0: unknown */
	uint64_t end;		 /* stamp in the handler */
	_Atomic uint32_t opened; /* times; a futex */
	_Atomic bool waiting;	 /* the trigger is asleep, or about to be */
};

/* Handler: the interrupt has been handled; @end was stamped first of all. */
void bench_gate_open(struct bench_gate *gate, uint64_t end);

/*
 * Trigger: wait until the gate has been opened after @opened was read from it.
 * 0, -ETIMEDOUT after @deadline_ms, -EINTR when @stop is set.
 */
int bench_gate_wait(struct bench_gate *gate, uint32_t opened, unsigned int deadline_ms,
		    const _Atomic bool *stop);

/* The parts of samples: each is cut where the kernel's hard handler began. */
struct bench_split {
	uint64_t *to_hard;
	uint64_t *to_worker;
	size_t count; /* samples of which that is known */
	unsigned int passes;
};

/* What one row's collection needs. */
struct bench_collect {
	struct bench_gate *gate;
	/* Stamps into gate->start (or leaves that to the handler's side), raises one interrupt. */
	int (*fire)(void *ctx);
	void *ctx;
	uint64_t gap_ticks; /* busy time before each trigger */
	unsigned int deadline_ms;
	const _Atomic bool *stop;
	struct bench_split *split; /* with room for all samples, or NULL */
};

/* A row ends when this many interrupts in it were lost. */
#define BENCH_MAX_LOST 10

/*
 * Takes @count samples in counter ticks. Lost interrupts are counted and raised again.
 * Returns 0, -ETIMEDOUT when too many were lost, -EINTR when stopped, or what fire() returned.
 */
int bench_collect(const struct bench_collect *how, uint64_t *samples, size_t count,
		  unsigned int *lost);

#endif

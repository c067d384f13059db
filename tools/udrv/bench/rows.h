/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the sources of rows share: taking samples, threads, processors. */
#ifndef UDRV_BENCH_ROWS_H
#define UDRV_BENCH_ROWS_H

#include <pthread.h>
#include <udrv/compiler.h>

#include "bench/bench.h"
#include "bench/gate.h"

/* Takes @count samples in ticks. 0, -ETIMEDOUT (too many were lost), -EINTR, other errno. */
typedef int (*bench_take_fn)(void *ctx, uint64_t *samples, size_t count, unsigned int *lost);

/* A new row if the settings ask for @name, else NULL. @name must outlive the result. */
struct bench_row *bench_add_row(struct bench_result *result, const char *name);

/* Do the settings ask for row @name? */
bool bench_wanted(const struct bench_settings *settings, const char *name);

void bench_leave_out(struct bench_row *row, const char *fmt, ...) UDRV_PRINTF(2, 3);

/*
 * Warm-up and passes, then the row's figures. What goes wrong is the row's reason for being left
 * out. Returns 0, or -EINTR when stopped, or -ETIMEDOUT when interrupts were lost, or what take()
 * returned.
 */
int bench_measure(struct bench_result *result, struct bench_row *row, bench_take_fn take,
		  void *ctx);

/* The trigger's side of a row that is collected through a gate; @samples etc. as bench_take_fn. */
void bench_collect_init(struct bench_collect *how, const struct bench_result *result,
			struct bench_gate *gate, int (*fire)(void *ctx), void *ctx);
int bench_take_collect(void *how, uint64_t *samples, size_t count, unsigned int *lost);

/* Room for the parts of a row's samples. 0 or -ENOMEM. */
int bench_split_make(struct bench_split *split, const struct bench_result *result);
/* Their medians become the row's, as far as they are known; the room is freed. */
void bench_split_end(struct bench_split *split, const struct bench_result *result,
		     struct bench_row *row);

/* thread.c: a waiter thread with the settings' policy and CPU. */
struct bench_thread {
	pthread_t id;
	void (*run)(void *ctx);
	void *ctx;
	int fifo; /* what it got */
};

int bench_thread_start(struct bench_thread *thread, const struct bench_settings *settings,
		       void (*run)(void *ctx), void *ctx);
void bench_thread_join(struct bench_thread *thread);

/* Two CPUs that the calling thread may use, ascending; -1 where there is none. */
void bench_two_cpus(int cpus[2]);

/* May the calling thread use the CPU? 0, also for -1, or negative errno with a message. */
int bench_check_cpu(const char *option, int cpu);

/* Puts the calling thread on a CPU; -1 does nothing. 0 or negative errno with a message. */
int bench_pin(int cpu);

/*
 * Moves the interrupt that /proc/interrupts names with @word to @cpu; -1 does nothing.
 * 0, or negative errno with a message.
 */
int bench_pin_irq(const char *word, int cpu);
/* Likewise the interrupt of that number; @what is for the message. */
int bench_pin_irq_number(const char *what, int irq, int cpu);

/* kernel.c: the rows of kernel/udrv_irqbench.c; the device is bound to it. */
int bench_kernel_rows(struct bench_result *result);

/* udrv.c: a row for each wait strategy, over the framework; "vfio", "stub" or "model". */
int bench_udrv_rows(struct bench_result *result, const char *backend);

/* uio.c: a process in read() of /dev/uioN; the device is bound to uio_pci_generic. */
int bench_uio_row(struct bench_result *result);

/* bare.c: two threads and an eventfd. */
int bench_bare_row(struct bench_result *result);

#endif

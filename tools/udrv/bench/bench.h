/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `udrv bench irq` is asked, where it runs and what it finds. */
#ifndef UDRV_BENCH_H
#define UDRV_BENCH_H

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/clock.h"
#include "bench/stats.h"

#define BENCH_ROWS_MAX	  24
#define BENCH_COUNT_MAX	  1000000u
#define BENCH_DEADLINE_MS 1000u
#define BENCH_GAP_DEFAULT UINT_MAX

struct bench_target;

/* As asked for on the command line. */
struct bench_settings {
	char device[32];		   /* BDF, or model:edu; "" is not found yet */
	const struct bench_target *target; /* what the device is, once it is found */
	const char *rows;		   /* comma-separated names or patterns; NULL is all */
	const char *json;		   /* files to write, or NULL */
	const char *plot;
	enum bench_clock clock;
	unsigned int count; /* samples of a pass */
	unsigned int passes;
	unsigned int gap_ns;  /* BENCH_GAP_DEFAULT: the target's, which is filled in */
	int fifo;	      /* SCHED_FIFO priority of the waiter; 0 is SCHED_OTHER */
	int cpu;	      /* the waiter's, or -1 */
	int trigger_cpu;      /* or -1 */
	int spin_trigger_cpu; /* for rows whose waiter spins: the trigger's and the interrupt's */
	bool mlock;
	bool intx;
};

/* What was found about the machine; recorded with the figures. */
struct bench_machine {
	char kernel[96];
	long cpus;
	uint64_t counter_khz;
	bool preempt_rt;
	bool threadirqs;
	bool tcg; /* QEMU without hardware virtualisation */
};

/* One row's result; values in nanoseconds. */
struct bench_row {
	const char *name;
	struct bench_summary summary; /* count 0: left out */
	unsigned int lost;
	/* Medians of the parts of the way; 0: unknown. */
	uint64_t to_hard_p50;	/* register write to the kernel's hard handler */
	uint64_t to_worker_p50; /* from there to the handler */
	int fifo;	  /* what the waiter got; 0 is SCHED_OTHER, -1 has no thread of ours */
	char reason[128]; /* why it was left out */
	struct bench_point *points;
	size_t point_count;
};

struct bench_result {
	struct bench_settings settings;
	struct bench_machine machine;
	const char *baseline; /* ratio is p50 over this row's */
	struct bench_row rows[BENCH_ROWS_MAX];
	size_t row_count;
};

/* machine.c: 0, or negative errno with a message on stderr. */
int bench_machine_read(enum bench_clock clock, struct bench_machine *machine);

/* p50 over the baseline's p50, or 0 when there is no such figure. */
double bench_ratio(const struct bench_result *result, const struct bench_row *row);

/* A row of @result that was measured, or NULL. */
const struct bench_row *bench_find_row(const struct bench_result *result, const char *name);

/* Frees what the rows hold. */
void bench_result_free(struct bench_result *result);

/* report.c: the table and what was recorded, to stdout. */
void bench_report(const struct bench_result *result);

/* json.c: 0, or negative errno with a message on stderr. */
int bench_json_write(const struct bench_result *result, const char *path);

/* Strings of @result live in *@owner, to be freed after it by bench_json_release(). */
int bench_json_read(const char *path, struct bench_result *result, void **owner);
void bench_json_release(void *owner);

/*
 * plot.c: draws the distributions with gnuplot; the picture's kind is the file name's ending.
 * 0, -ENOENT without gnuplot, other negative errno; each with a message on stderr.
 */
int bench_plot(const struct bench_result *result, const char *path);

bool bench_have_gnuplot(void);

/* 0, or -EINVAL: neither .png nor .svg. */
int bench_plot_check(const char *path);

/*
 * signals.c: SIGINT, SIGTERM and SIGHUP set bench_stop instead of ending the program, and
 * are held back except while allowed, so that the device is always given back. Threads
 * started between begin and end never take them. End returns the signal that came, or 0.
 */
extern _Atomic bool bench_stop;
void bench_signals_begin(void);
void bench_signals_allow(bool allow);
int bench_signals_end(void);

/* irq.c: all rows of settings.device; 0, or negative errno with a message on stderr. */
int bench_irq(struct bench_result *result);

/* 0, or -EINVAL with a message naming the pattern that is no row's. */
int bench_check_rows(const char *patterns);

#endif

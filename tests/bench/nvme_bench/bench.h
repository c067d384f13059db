/* SPDX-License-Identifier: MIT */
/*
 * Random reads of 4 KiB, in every way that is compared: the same blocks in the same order, and the
 * same work for each sample.
 */
#ifndef NVME_BENCH_H
#define NVME_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define BENCH_SIZE	4096u /* bytes of a read */
#define BENCH_DEPTH_MAX 64u

/* One measurement: so many reads, so many at a time. */
struct load {
	unsigned int depth;
	size_t count;
	uint64_t blocks; /* of BENCH_SIZE bytes */

	size_t issued, done, errors;
	uint64_t random;
	uint64_t begun[BENCH_DEPTH_MAX]; /* by tag, as bench_now() */
	uint64_t *took;			 /* of each read, likewise */
	uint64_t started, ended;
	uint64_t started_ns, ended_ns;
};

static inline uint64_t bench_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* What costs least: it is read twice for each sample. */
static inline uint64_t bench_now(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#else
	return bench_clock_ns();
#endif
}

/* xorshift64*, Vigna, "An experimental exploration of Marsaglia's xorshift generators", 2014 */
static inline uint64_t load_next_block(struct load *l)
{
	l->random ^= l->random >> 12;
	l->random ^= l->random << 25;
	l->random ^= l->random >> 27;
	return (uint64_t)((unsigned __int128)(l->random * UINT64_C(2685821657736338717)) *
				  l->blocks >>
			  64);
}

/* A read with this tag begins: its block. */
static inline uint64_t load_begin(struct load *l, unsigned int tag)
{
	const uint64_t block = load_next_block(l);

	l->issued++;
	l->begun[tag] = bench_now();
	return block;
}

/* It has ended; true: another one shall follow. */
static inline bool load_end(struct load *l, unsigned int tag, bool ok)
{
	l->took[l->done++] = bench_now() - l->begun[tag];
	l->errors += !ok;
	return l->issued < l->count;
}

/* load.c: ends the program when something fails, with a line. */
__attribute__((noreturn)) void die(const char *what, int err);
/* Before and after the reads; the latter prints a line. */
void load_start(struct load *l, unsigned int depth, size_t count, uint64_t bytes);
void load_report(struct load *l, const char *row, uint64_t start_ns);

struct plan {
	const char *row, *device;
	unsigned int depths[4];
	unsigned int depth_count;
	size_t count; /* of each depth */
};

/* A way to read: once for each depth, with a line for each. */
void bare_polled(const struct plan *plan);
void bare_eventfd(const struct plan *plan);
void udrv_polled(const struct plan *plan);
void udrv_interrupt(const struct plan *plan);
void udrv_adaptive(const struct plan *plan);
void udrv_shadow(const struct plan *plan);
void kernel_polled(const struct plan *plan);
void kernel_interrupt(const struct plan *plan);

#endif

/* SPDX-License-Identifier: MIT */
/* Frames sent, and passed on between two cards, in each of the ways that tests/bench/net compares.
 */
#ifndef NET_BENCH_H
#define NET_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define BENCH_FRAME 60u /* bytes, without the frame check sequence: 64 on the wire */
#define BENCH_BURST 32u
#define BENCH_RING  512u
/* Between two looks at the clock. */
#define BENCH_LOOK 16u

struct plan {
	const char *row;
	const char *devices[2];
	uint64_t warm_up_ns, time_ns;
};

/* So many frames, from the end of the warm-up on. */
struct count {
	uint64_t frames;
	uint64_t started_ns, from_ns;
	uint64_t warm_up_ns, end_ns;
};

static inline uint64_t bench_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Ends the program if what could not be done failed, with a line. */
__attribute__((noreturn)) void die(const char *what, int err);

void count_start(struct count *c, const struct plan *plan);
/* @bursts frames' worth of bursts were moved; false: the time is over. */
bool count_goes_on(struct count *c);
/* Prints the row's line. */
void count_report(const struct count *c, const struct plan *plan);

/* A datagram of UDP, as testpmd's. */
void make_frame(unsigned char *frame);

void bare_tx(const struct plan *plan);
void bare_forward(const struct plan *plan);
void udrv_tx(const struct plan *plan);
void udrv_forward(const struct plan *plan);

#endif

// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/clock.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CALIBRATE_NS 50000000u
#define ICOUNT_KHZ   1000000u

const char *bench_clock_name(enum bench_clock clock)
{
	switch (clock) {
	case BENCH_CLOCK_REALTIME:
		return "realtime";
	case BENCH_CLOCK_ICOUNT:
		return "icount";
	}
	return NULL;
}

int bench_clock_parse(const char *name, enum bench_clock *clock)
{
	if (!strcmp(name, "auto")) {
		const char *lab = getenv("UDRV_LAB_CLOCK");

		name = lab && *lab ? lab : "realtime";
	}
	if (!strcmp(name, "icount"))
		*clock = BENCH_CLOCK_ICOUNT;
	else if (!strcmp(name, "realtime"))
		*clock = BENCH_CLOCK_REALTIME;
	else
		return -EINVAL;
	return 0;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/*
 * A clock reading and a stamp that belong together: of several tries the one in which least
 * time passed, so that being preempted between the two does not count.
 */
static void paired(uint64_t *ns, uint64_t *ticks)
{
	uint64_t best = UINT64_MAX;

	for (int try = 0; try < 5; try++) {
		uint64_t before = bench_stamp(), t = now_ns(), after = bench_stamp();

		if (after - before < best) {
			best = after - before;
			*ns = t;
			*ticks = before + (after - before) / 2;
		}
	}
}

int bench_clock_khz(enum bench_clock clock, uint64_t *khz)
{
	struct timespec pause = {.tv_nsec = CALIBRATE_NS};
	uint64_t ns0 = 0, ns1 = 0, ticks0 = 0, ticks1 = 0;

	if (clock == BENCH_CLOCK_ICOUNT) {
		*khz = ICOUNT_KHZ;
		return 0;
	}
	paired(&ns0, &ticks0);
	(void)nanosleep(&pause, NULL);
	paired(&ns1, &ticks1);
	if (ns1 <= ns0 || ticks1 <= ticks0)
		return -EIO;
	*khz = (uint64_t)((double)(ticks1 - ticks0) * 1e6 / (double)(ns1 - ns0) + 0.5);
	return *khz ? 0 : -EIO;
}

uint64_t bench_ticks_to_ns(uint64_t ticks, uint64_t khz)
{
	/* In two parts: no product overflows within the life of a machine. */
	return ticks / khz * 1000000u + ticks % khz * 1000000u / khz;
}

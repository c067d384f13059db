/* SPDX-License-Identifier: MIT */
/* Waiting in a test for what another thread does. */
#ifndef TESTS_SUPPORT_WAIT_FOR_H
#define TESTS_SUPPORT_WAIT_FOR_H

#include <time.h>
#include <unistd.h>

#include <check.h>

/* Long enough for any machine under load. */
#define LONG_S 60

static inline double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Until it is so. */
#define WAIT_FOR(cond)                                                                             \
	do {                                                                                       \
		const double wait_start = seconds();                                               \
		while (!(cond)) {                                                                  \
			ck_assert_msg(seconds() - wait_start < LONG_S, "waited for %s", #cond);    \
			usleep(500);                                                               \
		}                                                                                  \
	} while (0)

#endif

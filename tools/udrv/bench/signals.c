// SPDX-License-Identifier: GPL-2.0-or-later
/* Signals that ask to stop are seen between samples, never in the middle of moving the device. */
#include "bench/bench.h"

#include <pthread.h>
#include <signal.h>

_Atomic bool bench_stop;

static volatile sig_atomic_t caught;
static struct sigaction old_actions[3];
static sigset_t old_mask;
static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

static void on_signal(int number)
{
	caught = number;
	atomic_store(&bench_stop, true);
}

static void stop_set(sigset_t *set)
{
	(void)sigemptyset(set);
	for (unsigned int i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		(void)sigaddset(set, signals[i]);
}

void bench_signals_begin(void)
{
	/* No SA_RESTART: a wait in a system call has to end. */
	struct sigaction action = {.sa_handler = on_signal};
	sigset_t set;

	stop_set(&set);
	(void)pthread_sigmask(SIG_BLOCK, &set, &old_mask);
	for (unsigned int i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		(void)sigaction(signals[i], &action, &old_actions[i]);
}

void bench_signals_allow(bool allow)
{
	sigset_t set;

	stop_set(&set);
	(void)pthread_sigmask(allow ? SIG_UNBLOCK : SIG_BLOCK, &set, NULL);
}

int bench_signals_end(void)
{
	bench_signals_allow(true);
	for (unsigned int i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		(void)sigaction(signals[i], &old_actions[i], NULL);
	(void)pthread_sigmask(SIG_SETMASK, &old_mask, NULL);
	return caught;
}

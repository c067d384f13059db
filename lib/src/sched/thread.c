// SPDX-License-Identifier: MIT
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "sched/thread.h"

int udrv__thread_create(pthread_t *thread, void *(*fn)(void *), void *arg)
{
	static const int faults[] = {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
	sigset_t mask;
	sigset_t old;
	int ret;

	sigfillset(&mask);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(&mask, faults[i]);
	pthread_sigmask(SIG_SETMASK, &mask, &old);
	ret = -pthread_create(thread, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ret;
}

void udrv__thread_begin(const char *name)
{
	static const struct sched_param normal = {.sched_priority = 0};
	cpu_set_t cpus;

	(void)pthread_setname_np(pthread_self(), name);
	(void)pthread_setschedparam(pthread_self(), SCHED_OTHER, &normal);
	/* The CPUs of the main thread are those of the process. */
	if (!sched_getaffinity(getpid(), sizeof(cpus), &cpus))
		(void)pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
}

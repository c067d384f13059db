/* SPDX-License-Identifier: MIT */
/* Threads and time for suites about sleeping. */
#ifndef TESTS_SUPPORT_THREADS_H
#define TESTS_SUPPORT_THREADS_H

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <time.h>

#include <check.h>

static inline pthread_t start(void *(*fn)(void *), void *arg)
{
	pthread_t t;

	ck_assert_int_eq(pthread_create(&t, NULL, fn, arg), 0);
	return t;
}

static inline void *finish(pthread_t t)
{
	void *result = NULL;

	ck_assert_int_eq(pthread_join(t, &result), 0);
	return result;
}

static inline int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* Of the thread that calls. A virtual machine may count time that it did not have. */
static inline int64_t cpu_ms(void)
{
	struct timespec used;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return used.tv_sec * INT64_C(1000) + used.tv_nsec / 1000000;
}

/* The thread sanitizer runs handlers late: only when the thread next calls into the C library. */
#if defined(__SANITIZE_THREAD__)
#define HANDLERS_RUN_AT_ONCE 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HANDLERS_RUN_AT_ONCE 0
#endif
#endif
#ifndef HANDLERS_RUN_AT_ONCE
#define HANDLERS_RUN_AT_ONCE 1
#endif

/* Let others run until an expression is true; the suite's timeout bounds it. */
#define until(expression)                                                                          \
	do {                                                                                       \
		while (!(expression))                                                              \
			sched_yield();                                                             \
	} while (0)

#define get(x)	  __atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define set(x, v) __atomic_store_n(&(x), v, __ATOMIC_SEQ_CST)
#define inc(x)	  __atomic_add_fetch(&(x), 1, __ATOMIC_SEQ_CST)

#endif

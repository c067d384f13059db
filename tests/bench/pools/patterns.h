/* SPDX-License-Identifier: MIT */
/*
 * The loops that are measured, the same for each pool. Before this file is included, there are
 * pool_alloc() and pool_free(), to be inlined; with POOL_BULK also pool_alloc_bulk() and
 * pool_free_bulk() for BATCH objects, and with POOL_ONE_THREAD there are no two threads, but
 * pool_turn_begin(), pool_turn() and pool_turn_end(), for the hand-over alone.
 *
 * pair: an allocation and its free. batch: 64 allocations, then 64 frees. bulk: the same in bulk
 * calls. random: one of the live objects, at random, is freed, and another one allocated in its
 * place. prodcons: one thread allocates, another one frees, each on its CPU; a ring of 1024 is
 * between them, in which 16 objects at a time are handed over. Who finds it full, or empty, waits
 * until a quarter is free or filled, so that what is measured is the pool more than the ring.
 * threads: each allocates as many as it is told, then frees them, again and again.
 * The first word of each object is written by who allocates, and read by the other thread.
 */
#ifndef UDRV_TESTS_POOL_PATTERNS_H
#define UDRV_TESTS_POOL_PATTERNS_H

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "pool.h"

#define RING	    1024u
#define PUBLISH	    16u	 /* objects for which the other side is told once */
#define ENOUGH	    256u /* objects, or room for them, that who had to wait waits for */
#define THREADS_MAX 64

static inline __attribute__((always_inline)) void *use(void *obj)
{
	if (__builtin_expect(!obj, 0))
		die("memory", ENOMEM);
	*(volatile uint64_t *)obj = 1;
	/* What is allocated and freed at once is not to be optimised away. */
	__asm__ volatile("" : "+r"(obj)::"memory");
	return obj;
}

static void pairs(unsigned int n)
{
	while (n--)
		pool_free(use(pool_alloc()));
}

static void batches(unsigned int n)
{
	void *objs[BATCH];

	for (; n >= BATCH; n -= BATCH) {
		for (int i = 0; i < BATCH; i++)
			objs[i] = use(pool_alloc());
		for (int i = 0; i < BATCH; i++)
			pool_free(objs[i]);
	}
}

#ifdef POOL_BULK
static void bulks(unsigned int n)
{
	void *objs[BATCH];

	for (; n >= BATCH; n -= BATCH) {
		pool_alloc_bulk(objs);
		for (int i = 0; i < BATCH; i++)
			(void)use(objs[i]);
		pool_free_bulk(objs);
	}
}
#elif defined(POOL_ONE_THREAD)
#define bulks batches
#endif

static double time_loop(const struct job *job, void (*loop)(unsigned int n))
{
	const unsigned int n = job->count / BATCH * BATCH;
	double start;

	pool_begin(job->size, BATCH);
	loop(n / 4);
	start = now_ns();
	loop(n);
	start = now_ns() - start;
	pool_end();
	return start / n;
}

/* Not from the pool. */
static void **make_array(unsigned int n)
{
	void *p = mmap(NULL, n * sizeof(void *), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		die("memory", errno);
	return p;
}

static uint32_t exchange(void **live, unsigned int n_live, unsigned int n, uint32_t random)
{
	while (n--) {
		unsigned int i;

		random = random * 1664525u + 1013904223u;
		i = (unsigned int)((uint64_t)random * n_live >> 32);
		pool_free(live[i]);
		live[i] = use(pool_alloc());
	}
	return random;
}

static double run_random(const struct job *job)
{
	void **live = make_array(job->live);
	uint32_t random;
	double start;

	pool_begin(job->size, job->live);
	for (unsigned int i = 0; i < job->live; i++)
		live[i] = use(pool_alloc());
	random = exchange(live, job->live, job->count / 4, 1);
	start = now_ns();
	(void)exchange(live, job->live, job->count, random);
	start = now_ns() - start;
	for (unsigned int i = 0; i < job->live; i++)
		pool_free(live[i]);
	pool_end();
	munmap(live, job->live * sizeof(*live));
	return start / job->count;
}

/* One producer, one consumer; each looks at the other's index only when it has to. */
static struct {
	_Alignas(128) uint32_t in;
	_Alignas(128) uint32_t out;
	_Alignas(128) void *objs[RING];
	unsigned int n;
} ring;

#ifdef POOL_ONE_THREAD
#define ring_alloc     pool_turn
#define ring_free(obj) ((void)(obj))
#define ring_begin     pool_turn_begin
#define ring_end       pool_turn_end
#else
#define ring_alloc pool_alloc
#define ring_free  pool_free
#define ring_begin pool_begin
#define ring_end   pool_end
#endif

static void *consume(void *arg)
{
	uint32_t in = 0;

	(void)arg;
	pin(1);
	pool_enter();
	for (uint32_t out = 0; out != ring.n;) {
		void *obj;

		if (out == in)
			in = wait_for(&ring.in, ring.n - out < ENOUGH ? ring.n : out + ENOUGH);
		obj = ring.objs[out % RING];
		(void)*(volatile uint64_t *)obj;
		ring_free(obj);
		if (!(++out % PUBLISH))
			__atomic_store_n(&ring.out, out, __ATOMIC_RELEASE);
	}
	pool_leave();
	return NULL;
}

static void produce(uint32_t from, uint32_t to)
{
	uint32_t out = __atomic_load_n(&ring.out, __ATOMIC_ACQUIRE);

	for (uint32_t in = from; in != to;) {
		void *obj = use(ring_alloc());

		if (in - out == RING)
			out = wait_for(&ring.out, in - RING + ENOUGH);
		ring.objs[in % RING] = obj;
		if (!(++in % PUBLISH))
			__atomic_store_n(&ring.in, in, __ATOMIC_RELEASE);
	}
}

/* The first third warms up; the consumer's last objects are waited for. */
static double run_prodcons(const struct job *job)
{
	const uint32_t warm = job->count / 2 / PUBLISH * PUBLISH;
	const uint32_t n = warm + job->count / PUBLISH * PUBLISH;
	pthread_t consumer;
	double start;

	ring_begin(job->size, RING);
	ring.in = ring.out = 0;
	ring.n = n;
	if (pthread_create(&consumer, NULL, consume, NULL))
		die("thread", EAGAIN);
	produce(0, warm);
	start = now_ns();
	produce(warm, n);
	(void)wait_for(&ring.out, n);
	start = now_ns() - start;
	pthread_join(consumer, NULL);
	ring_end();
	return start / (n - warm);
}

#ifndef POOL_ONE_THREAD
static struct {
	const struct job *job;
	pthread_barrier_t start;
} team;

/* CPU time of its own for one object. */
static void *work(void *arg)
{
	const unsigned int live = team.job->live;
	const unsigned int turns = team.job->count / team.job->threads / live + 1;
	void **objs = make_array(live);
	double start = 0;

	pool_enter();
	for (unsigned int turn = 0; turn <= turns; turn++) {
		for (unsigned int i = 0; i < live; i++)
			objs[i] = use(pool_alloc());
		for (unsigned int i = 0; i < live; i++)
			pool_free(objs[i]);
		if (!turn) { /* warm by now */
			pthread_barrier_wait(&team.start);
			start = cpu_ns();
		}
	}
	*(double *)arg = (cpu_ns() - start) / ((double)turns * live);
	munmap(objs, live * sizeof(*objs));
	pool_leave();
	return NULL;
}

static double run_threads(const struct job *job)
{
	pthread_t threads[THREADS_MAX];
	double ns[THREADS_MAX];
	double sum = 0;

	team.job = job;
	pool_begin(job->size, 2 * job->live * job->threads);
	pthread_barrier_init(&team.start, NULL, job->threads);
	for (unsigned int i = 0; i < job->threads; i++)
		if (pthread_create(&threads[i], NULL, work, &ns[i]))
			die("thread", EAGAIN);
	for (unsigned int i = 0; i < job->threads; i++) {
		pthread_join(threads[i], NULL);
		sum += ns[i];
	}
	pthread_barrier_destroy(&team.start);
	pool_end();
	return sum / job->threads;
}
#endif

static double resident(void)
{
	unsigned long pages = 0;
	FILE *statm = fopen("/proc/self/statm", "r");

	if (!statm || fscanf(statm, "%*u %lu", &pages) != 1)
		die("/proc/self/statm", EIO);
	(void)fclose(statm);
	return (double)pages * 4096;
}

/* Bytes for each of so many live objects, all of which are written. */
static double run_memory(const struct job *job)
{
	void **live = make_array(job->live);
	double before = resident();
	double bytes;

	pool_begin(job->size, job->live);
	for (unsigned int i = 0; i < job->live; i++) {
		live[i] = use(pool_alloc());
		memset(live[i], 1, job->size);
	}
	bytes = resident() - before;
	for (unsigned int i = 0; i < job->live; i++)
		pool_free(live[i]);
	pool_end();
	munmap(live, job->live * sizeof(*live));
	return bytes / job->live;
}

#ifndef POOL_LOOP
#define POOL_LOOP pairs
#endif

void pool_loop(unsigned int n)
{
	POOL_LOOP(n);
}

double pool_run(const struct job *job)
{
	if (!strcmp(job->pattern, "pair"))
		return time_loop(job, pairs);
	if (!strcmp(job->pattern, "batch"))
		return time_loop(job, batches);
#if defined(POOL_BULK) || defined(POOL_ONE_THREAD)
	if (!strcmp(job->pattern, "bulk"))
		return time_loop(job, bulks);
#endif
	if (!strcmp(job->pattern, "random"))
		return run_random(job);
	if (!strcmp(job->pattern, "prodcons"))
		return run_prodcons(job);
#ifndef POOL_ONE_THREAD
	if (!strcmp(job->pattern, "threads"))
		return run_threads(job);
#endif
	if (!strcmp(job->pattern, "memory"))
		return run_memory(job);
	return -1;
}

#endif

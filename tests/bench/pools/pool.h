/* SPDX-License-Identifier: MIT */
/*
 * What the programs of tests/bench/pool have in common. There is one for each pool: its file says
 * how an object is had from it and given back, and includes patterns.h, which puts that into the
 * loops that are measured. So no call is made through a pointer that its users would not make.
 */
#ifndef UDRV_TESTS_POOL_H
#define UDRV_TESTS_POOL_H

#include <stddef.h>
#include <stdint.h>

#define BATCH 64

struct job {
	const char *pattern;
	size_t size;
	unsigned int count;   /* operations */
	unsigned int live;    /* objects, for random; of each thread for threads */
	unsigned int threads; /* for threads */
};

/* What happens once in a program's life, and in each thread before its first object. */
void pool_set_up(const char *program);
void pool_enter(void);
void pool_leave(void);

/* Objects of one size, so many at once at most. */
void pool_begin(size_t size, unsigned int objects);
void pool_end(void);

/* ns for an allocation and its free, or bytes for an object; negative if the pool has no such. */
double pool_run(const struct job *job);

/* Pairs, by calling functions where the pool's are inline otherwise. */
void pool_loop(unsigned int n);

void pin(unsigned int nth);
double now_ns(void);
double cpu_ns(void);
/* Until it is that or has passed it; what it is. */
uint32_t wait_for(const uint32_t *word, uint32_t value);
__attribute__((noreturn)) void die(const char *what, int err);

#endif

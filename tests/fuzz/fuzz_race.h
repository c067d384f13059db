/* SPDX-License-Identifier: MIT */
/* What the processes of fuzz_race*.c share, and what the threads of one do. */
#ifndef FUZZ_RACE_H
#define FUZZ_RACE_H

#include "fuzz.h"

#define RACE_WORKERS	3
#define RACE_THREADS	2
#define RACE_FDS	4  /* of a process, used by all its threads */
#define RACE_SLOTS	16 /* of its address space, for mappings */
#define RACE_SLOT_PAGES 64
#define RACE_PAGES	512 /* of its memory, for DMA mappings */
#define RACE_HANDLES	8   /* of DMA memory that it has or had */
#define RACE_PLACES	8   /* ranges that are claimed: exclusion is checked for these */

/*
 * Shared: who has a place, as 1 + life * RACE_THREADS + thread. Process w lives the lives w,
 * w + RACE_WORKERS, and so on, and is killed in those up to @doomed.
 */
struct race_shared {
	atomic_ulong place[RACE_PLACES];
	atomic_long doomed[RACE_WORKERS];
};

struct race_process {
	atomic_int fds[RACE_FDS];
	atomic_int uios[RACE_FDS];
	uint8_t *slots, *memory;
	_Atomic uint64_t handles[RACE_HANDLES];
	uint64_t seed;
};

extern struct race_shared *race_shared;
extern struct race_process race_process;

/* A thread, with a file that no other closes. */
struct racer {
	struct fuzz_rng rng;
	unsigned long name; /* as in struct race_shared */
	int own;
	bool claimed[RACE_PLACES];
};

/* Fails unless @result is what the header lets the call return; returns it. */
long race_check(enum fuzz_call call, long result);
/* The own file, or one that other threads may close. */
int race_any_fd(struct racer *r);
/* @value, or now and then another. */
uint64_t race_or_any(struct racer *r, uint64_t value);
uint64_t race_any_handle(struct racer *r);
/* The own file is about to be closed: others may have what it claimed. */
void race_forget_places(struct racer *r);
uint8_t *race_slot(unsigned int number);

/* One call, of fuzz_race_calls.c, and of fuzz_race_maps.c. */
void race_call(struct racer *r);
void race_change_maps(struct racer *r);

#endif

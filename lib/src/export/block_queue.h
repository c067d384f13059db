/* SPDX-License-Identifier: MIT */
/*
 * A queue of a block device for many threads: whoever has a request submits it, and one of those
 * that wait for theirs polls for all.
 */
#ifndef UDRV_SRC_BLOCK_QUEUE_H
#define UDRV_SRC_BLOCK_QUEUE_H

#include <pthread.h>

#include <udrv/block.h>
#include <udrv/list.h>

#include "sched/adaptive.h"

/* A request of any length. The submitter's, on whose stack it may be, until it is done. */
struct udrv__block_job {
	enum udrv_block_op op;
	uint32_t flags;
	uint64_t offset;
	uint64_t left; /* not submitted yet; bytes */
	uint8_t *buf;  /* of what is left, or NULL */
	uint32_t most; /* of one request */
	unsigned int refs;
	int result;
	uint32_t state; /* futex; block_queue.c */
	struct udrv__block_job *next;
	struct udrv_list_head sleepers;
};

struct udrv__block_piece;

#define UDRV__BLOCK_WAKES 32u

struct udrv__block_queue {
	struct udrv_block *block;
	unsigned int index;
	int event_fd; /* or -1 */
	int kick_fd;

	/* All from here on, and the driver's queue: who has the lock. */
	pthread_mutex_t lock;
	void *hw;
	struct udrv__block_job *first, *last; /* not wholly submitted */
	struct udrv__block_piece *pieces, *free;
	unsigned int in_flight;

	/* Whose thread polls; its owner reads it without the lock. NULL only if no job waits. */
	struct udrv__block_job *leader;
	bool leader_sleeps;
	struct udrv_list_head sleepers; /* the others */
	const uint32_t *wakes[UDRV__BLOCK_WAKES];
	unsigned int wake_count;
	struct udrv__adaptive adaptive;
};

/* Open it. 0 or negative errno. */
int udrv__block_queue_start(struct udrv__block_queue *q, struct udrv_block *block,
			    unsigned int index);
/* No job is under way any more. */
void udrv__block_queue_stop(struct udrv__block_queue *q);
/* Have it done, and wait. Its result. Any thread. */
int udrv__block_queue_do(struct udrv__block_queue *q, struct udrv__block_job *job);

#endif

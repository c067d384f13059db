/* SPDX-License-Identifier: MIT */
/* A queue of a block device with the thread that it belongs to; others hand it jobs. */
#ifndef UDRV_SRC_BLOCK_QUEUE_H
#define UDRV_SRC_BLOCK_QUEUE_H

#include <pthread.h>

#include <udrv/block.h>

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
	uint32_t done; /* futex */
	struct udrv__block_job *next;
};

struct udrv__block_piece;

struct udrv__block_queue {
	struct udrv_block *block;
	unsigned int index;
	void *hw;
	pthread_t thread;
	int event_fd; /* or -1 */
	int kick_fd;

	struct udrv__block_job *first, *last; /* not wholly submitted */
	struct udrv__block_piece *pieces, *free;
	unsigned int in_flight;
	uint64_t spin_ns; /* how long it pays to look before sleeping */

	char line_of_its_own[64];
	/* What other threads write. */
	struct udrv__block_job *incoming; /* newest first */
	uint32_t asleep;
	uint32_t stop;
	uint32_t opened; /* futex: 1 when @open_result is there */
	int open_result;
};

/* Start its thread, which opens it. 0 or negative errno. */
int udrv__block_queue_start(struct udrv__block_queue *q, struct udrv_block *block,
			    unsigned int index);
/* No job is under way any more. */
void udrv__block_queue_stop(struct udrv__block_queue *q);
/* Have it done, and wait. Its result. */
int udrv__block_queue_do(struct udrv__block_queue *q, struct udrv__block_job *job);

#endif

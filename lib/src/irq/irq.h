/* SPDX-License-Identifier: MIT */
/* Inside the interrupt runtime: vectors, their chains, their workers, how workers wait. */
#ifndef UDRV_SRC_IRQ_H
#define UDRV_SRC_IRQ_H

#include <liburing.h>
#include <pthread.h>
#include <semaphore.h>

#include "pci/device.h"

struct udrv__vector;

/* A wait strategy. init, wait and exit run in the worker. */
struct udrv__wait_ops {
	const char *name;
	int (*init)(struct udrv__vector *v);
	/* 0 when the eventfd was signalled at least once since the last call, else negative errno. */
	int (*wait)(struct udrv__vector *v);
	void (*exit)(struct udrv__vector *v);
};

/* One request_irq(). */
struct udrv__action {
	struct udrv__action *next;
	udrv_irq_handler_t handler;
	udrv_irq_handler_t thread_fn;
	void *dev_id;
	unsigned int flags;
	bool wake; /* the worker's: run thread_fn this time */
	char name[32];
};

struct udrv__vector {
	/* What the worker touches for each interrupt comes first. */
	const struct udrv__wait_ops *wait;
	struct udrv__action *actions; /* changed under irqs.lock, read by the worker without */
	uint32_t running;	      /* see chain.c */
	uint32_t sync_waiters;
	uint32_t stop;
	uint64_t count, unhandled; /* written by the worker only */
	int efd;
	bool level; /* INTx: masked by the kernel until unmasked */
	unsigned int nr;
	struct udrv_device *dev;
	union {
		int epfd;
		struct {
			struct io_uring ring;
			unsigned int enter_flags;
		};
	} w;

	struct udrv_irq_options options;
	int fifo_priority;
	pthread_t thread;
	sem_t started;
	int start_result;
};

struct udrv__irqs {
	pthread_mutex_t lock; /* everything but what a worker writes */
	enum udrv__irq_type type;
	unsigned int count; /* vectors that are on, 0: none */
	struct udrv__vector *vectors;
};

extern const struct udrv__wait_ops udrv__wait_strategies[UDRV_WAIT_COUNT];

/* worker.c: start returns once the worker waits, or says why it cannot. */
int udrv__worker_start(struct udrv__vector *v);
void udrv__worker_stop(struct udrv__vector *v);

/* chain.c: run every action; called by the worker. */
void udrv__chain_run(struct udrv__vector *v);
/* chain.c: wait until the worker is not inside udrv__chain_run() as of now. */
void udrv__chain_synchronize(struct udrv__vector *v);

#endif

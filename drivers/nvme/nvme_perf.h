/* SPDX-License-Identifier: MIT */
/* What the parts of `udrv nvme perf` share. */
#ifndef NVME_PERF_H
#define NVME_PERF_H

#include <pthread.h>

#include <json-c/json.h>

#include <udrv/hist.h>
#include "nvme_verbs.h"

/* As given, with defaults. */
struct perf_options {
	uint64_t nsid, depth, block_size, read_percent, threads, run_time, io_count;
	const char *rw, *completion, *output;
	bool verify, force, json;
};

/* A run; fixed while threads run, but stop. */
struct perf {
	struct perf_options o;
	const char *verb;
	FILE *out, *err;
	struct udrv_device *dev;
	struct udrv_nvme *nvme;
	const struct udrv_nvme_ns *ns;
	enum udrv_nvme_completion how;
	bool random;
	uint32_t blocks; /* of an I/O */
	uint64_t units;	 /* I/Os that the namespace has room for */
	bool stop;	 /* atomic: no more I/O */

	struct perf_thread *thread; /* o.threads of them */
	pthread_mutex_t lock;	    /* of running */
	pthread_cond_t ended;
	unsigned int running;

	double seconds, ns_per_cycle;
};

struct perf_thread;

/* An I/O in flight, again and again. */
struct perf_slot {
	struct perf_thread *thread;
	void *buf;
	udrv_iova_t iova;
	uint64_t lba;
	uint64_t start; /* cycles */
	bool write;
};

struct perf_thread {
	struct perf *perf;
	pthread_t id;
	struct udrv_nvme_queue *q;
	struct perf_slot *slots;
	uint64_t random;	   /* generator's state */
	uint64_t next, first, end; /* unit of the next sequential I/O, and the thread's part */
	uint64_t left;		   /* I/Os to start; UINT64_MAX: no end */
	unsigned int in_flight;
	uint64_t done; /* atomic: I/Os that have ended */
	struct udrv_hist read, write;
	int error;	     /* the first status or errno */
	uint64_t mismatches; /* blocks */
	double cpu_seconds;
};

/* nvme_perf_thread.c: memory, a queue pair; 0 or what udrv_nvme_queue_create() returned. */
int perf_thread_init(struct perf_thread *t, struct perf *perf, unsigned int index);
void perf_thread_free(struct perf_thread *t);
/* pthread_create()'s function. */
void *perf_thread_run(void *thread);

/* nvme_perf_data.c: what a block holds when data is verified: it follows from its number. */
void perf_data_fill(void *block, size_t len, uint64_t lba);
bool perf_data_matches(const void *block, size_t len, uint64_t lba);

/* nvme_perf_report.c */
void perf_print_head(const struct perf *perf);
void perf_print_progress(const struct perf *perf, unsigned int second, double ios);
void perf_report(const struct perf *perf);

#endif

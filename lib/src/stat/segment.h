/* SPDX-License-Identifier: MIT */
/* The statistics segment of a daemon, for its interrupts (docs/contract/statistics.md). */
#ifndef UDRV_SRC_SEGMENT_H
#define UDRV_SRC_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <udrv/hist.h>

#include "stat/file.h"

#define UDRV__STAT_SUFFIX  ".stats"
#define UDRV__STAT_MAGIC   "udrvstat" /* 8 bytes, not terminated */
#define UDRV__STAT_VERSION 5
#define UDRV__STAT_NAMES   96
#define UDRV__STAT_EXPORTS 2048

struct udrv_device;

/* How a vector is served. Changed seldom, under the sequence counter. */
struct udrv__stat_worker {
	uint32_t type; /* enum udrv__irq_type */
	uint32_t nr;
	int32_t cpu;	       /* where it is bound to, or -1 */
	int32_t fifo_priority; /* what it got */
	uint32_t tid;	       /* 0: no handler is requested */
	char wait[20];
	char names[UDRV__STAT_NAMES]; /* of the handlers, with ", " between */
};

/* A vector's record. The worker writes the upper part for each interrupt. */
struct udrv__stat_vector {
	uint64_t count;
	uint64_t unhandled;
	uint64_t storms;	  /* times it was held down to its storm limit */
	struct udrv_hist run;	  /* cycles that the chain took */
	struct udrv_hist latency; /* cycles from udrv_irq_stamp() to the first handler */
	uint64_t since_ns;	  /* CLOCK_MONOTONIC_RAW when the vectors were allocated */
	int64_t disabled_cycles;  /* in all; while disabled, less the cycle when it began */
	uint32_t disabled;	  /* depth of udrv_disable_irq() */
	uint32_t shut;		  /* nobody handled it: the chain is not run any more */
	uint32_t sequence;	  /* odd while worker changes */
	struct udrv__stat_worker worker;
	uint32_t reserved;
};

struct udrv__stat_header {
	char magic[8];
	uint32_t version;
	uint32_t header_size; /* where the first record begins */
	uint32_t record_size;
	uint32_t record_count; /* room for so many vectors */
	uint32_t hist_sub_bits;
	uint32_t hist_buckets;
	uint32_t pid;
	uint32_t vectors; /* allocated now; the first so many records are valid */
	/* Taken together at the start: with another pair they give the rate of the counter. */
	uint64_t start_cycles;
	uint64_t start_ns;	    /* CLOCK_MONOTONIC_RAW */
	uint64_t start_realtime_ns; /* CLOCK_REALTIME */
	char driver[64];
	char device[64];
	char backend[32];
	uint32_t exports_sequence;	  /* odd while exports change */
	uint32_t exports_complete;	  /* all that the daemon begins with are there */
	char exports[UDRV__STAT_EXPORTS]; /* what the daemon offers: names, each with "\n" */
};

/* The owner's. */
struct udrv__stat_segment {
	struct udrv__stat_header *header; /* NULL: there is none */
	struct udrv__stat_file file;
};

/*
 * Make the segment @dir/<driver>@<device>.stats of an open device and let its vectors be counted
 * there. What dead daemons of this device left is removed: the caller holds the device's lock.
 * 0 or negative errno, explained; then *segment is as if destroyed.
 */
int udrv__stat_create(struct udrv__stat_segment *segment, const char *dir, const char *driver,
		      struct udrv_device *dev);
/* After the device was closed. */
void udrv__stat_destroy(struct udrv__stat_segment *segment);

/* Record @nr, or NULL if there is no room for it. @segment may be NULL. */
struct udrv__stat_vector *udrv__stat_record(const struct udrv__stat_segment *segment,
					    unsigned int nr);
/* How many records are valid from now on. @segment may be NULL. */
void udrv__stat_set_vectors(const struct udrv__stat_segment *segment, unsigned int count);

/*
 * exports.c: something that programs use the device by, such as "/dev/ublkb0", comes or goes. What
 * there is no room for is left out. Any thread. Without a segment nothing happens.
 */
void udrv__stat_export_add(const struct udrv_device *dev, const char *name);
void udrv__stat_export_del(const struct udrv_device *dev, const char *name);
/* Those that the daemon begins with are all there. */
void udrv__stat_exports_complete(const struct udrv_device *dev);

/* A counter that one thread writes and others read. */
static inline void udrv__stat_add(uint64_t *counter, uint64_t add)
{
	__atomic_store_n(counter, *counter + add, __ATOMIC_RELAXED);
}

/* The counters of a vector begin. */
void udrv__stat_begin(struct udrv__stat_vector *record);
/* One thread at a time. */
void udrv__stat_describe(struct udrv__stat_vector *record, const struct udrv__stat_worker *worker);
/* The depth of disabling goes up or down; @outermost if from or to 0. Any thread. */
void udrv__stat_disable(struct udrv__stat_vector *record, int outermost);
void udrv__stat_enable(struct udrv__stat_vector *record, int outermost);
/* Nothing disables it any more. */
void udrv__stat_enable_all(struct udrv__stat_vector *record);

/* A reader's. */
struct udrv__stat_view {
	const struct udrv__stat_header *header;
	size_t size;
};

/* 0, -ESTALE if the owner is dead, -EPROTO if it is of another version or no segment. */
int udrv__stat_open(struct udrv__stat_view *view, const char *path);
void udrv__stat_close(struct udrv__stat_view *view);
/* Records that a file of @size bytes has room for, whatever its header says by now. */
static inline size_t udrv__stat_room(size_t size)
{
	return (size - sizeof(struct udrv__stat_header)) / sizeof(struct udrv__stat_vector);
}
/* A copy of a valid record, texts terminated; disabled_cycles is what it is so far. Or -ENOENT. */
int udrv__stat_read(const struct udrv__stat_view *view, unsigned int nr,
		    struct udrv__stat_vector *copy);
/* A copy of what the daemon offers, a line each; -EAGAIN and "" if it did not hold still. */
int udrv__stat_exports(const struct udrv__stat_view *view, char copy[UDRV__STAT_EXPORTS]);
/* Before udrv__stat_exports(): has the daemon begun to offer all that it does? */
bool udrv__stat_exports_are_complete(const struct udrv__stat_view *view);
/* Nanoseconds per cycle of the counter, measured since the owner's start. */
double udrv__stat_ns_per_cycle(const struct udrv__stat_view *view);
/* CLOCK_MONOTONIC_RAW. */
uint64_t udrv__stat_now_ns(void);

/* A reading of the clock and one of the counter that belong together. */
void udrv__stat_clocks(uint64_t *ns, uint64_t *cycles);

#endif

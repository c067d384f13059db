/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The object caches of the daemons that run. */
#ifndef SLABS_H
#define SLABS_H

#include <stddef.h>

#include <json-c/json.h>

#include "mem/slab_stat.h"
#include "show.h"

/* A daemon at one moment. */
struct slabs_daemon {
	char driver[64]; /* printable, as what follows */
	char device[64];
	unsigned int pid;
	unsigned long long start_ns; /* CLOCK_MONOTONIC_RAW, as the next */
	unsigned long long now_ns;
	struct slabs_cache *cache;
	size_t count;
};

/* A cache at one moment. */
struct slabs_cache {
	struct udrv__slab_reading is;
	unsigned int nr; /* in its daemon */
};

struct slabs {
	struct slabs_daemon *daemon; /* in the order of their devices */
	size_t count;
};

/* What the daemons that are asked for say at this moment. 0 or negative errno, explained. */
int slabs_read(struct slabs *slabs, const struct show *show);
void slabs_free(struct slabs *slabs);

/* A cache, and what follows from one reading, or two. */
struct slabs_row {
	const struct slabs_daemon *daemon;
	const struct udrv__slab_reading *is;
	unsigned long long memory; /* bytes of slabs */
	double use;		   /* percent of the objects */
	double hit;		   /* percent of the allocations; -1: there were none */
	double rate;		   /* allocations per second, since @before or since it was made */
};

/* Of one daemon or of all, in the order of column @sort; @count of them, for the caller to free. */
struct slabs_row *slabs_rows(const struct slabs *now, const struct slabs *before,
			     const struct slabs_daemon *only, int sort, size_t *count);

/* A column's number, or -1. */
int slabs_column(const char *name);
/* Its name, or NULL after the last one. */
const char *slabs_column_name(int column);

/* What it is besides, with commas between; "-" if nothing. */
const char *slabs_traits(const struct slabs_row *row, char *text, size_t size);

/* slabs_json.c: an array of objects. */
json_object *slabs_json(const struct slabs *now, const struct slabs *before, int sort);

#endif

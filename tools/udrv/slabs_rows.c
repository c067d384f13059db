// SPDX-License-Identifier: GPL-2.0-or-later
/* What follows from one reading, or two; and the order of it. */
#include <stdlib.h>
#include <string.h>

#include "slabs.h"

static const struct slabs_cache *cache_before(const struct slabs *before,
					      const struct slabs_daemon *d,
					      const struct slabs_cache *c,
					      const struct slabs_daemon **daemon)
{
	for (size_t i = 0; i < before->count; i++) {
		const struct slabs_daemon *b = &before->daemon[i];

		if (b->pid != d->pid || b->start_ns != d->start_ns || strcmp(b->device, d->device))
			continue;
		*daemon = b;
		for (size_t k = 0; k < b->count; k++)
			if (b->cache[k].nr == c->nr &&
			    b->cache[k].is.record.made_ns == c->is.record.made_ns)
				return &b->cache[k];
	}
	return NULL;
}

static double rate_of(const struct slabs *before, const struct slabs_daemon *d,
		      const struct slabs_cache *c)
{
	const struct slabs_daemon *then = NULL;
	const struct slabs_cache *b = cache_before(before, d, c, &then);
	unsigned long long from_ns = b ? then->now_ns : c->is.record.made_ns;
	uint64_t allocs = b ? b->is.allocs : 0;

	if (d->now_ns <= from_ns || c->is.allocs <= allocs)
		return 0;
	return (double)(c->is.allocs - allocs) / ((double)(d->now_ns - from_ns) / 1e9);
}

static double percent(uint64_t part, uint64_t whole, double of_none)
{
	return whole ? 100.0 * (double)part / (double)whole : of_none;
}

static struct slabs_row row_of(const struct slabs *before, const struct slabs_daemon *d,
			       const struct slabs_cache *c)
{
	return (struct slabs_row){
		.daemon = d,
		.is = &c->is,
		.memory = c->is.record.slabs * c->is.record.slab_size,
		.use = percent(c->is.active, c->is.record.total, 0),
		.hit = percent(c->is.hits, c->is.allocs, -1),
		.rate = rate_of(before, d, c),
	};
}

/* Columns: by text in its order, by number the greatest first. */

static const char *text_device(const struct slabs_row *row)
{
	return row->daemon->device;
}

static const char *text_driver(const struct slabs_row *row)
{
	return row->daemon->driver;
}

static const char *text_cache(const struct slabs_row *row)
{
	return row->is->record.name;
}

#define NUMBER(name, value)                                                                        \
	static double number_##name(const struct slabs_row *row)                                   \
	{                                                                                          \
		return (double)(value);                                                            \
	}

NUMBER(active, row->is->active)
NUMBER(total, row->is->record.total)
NUMBER(use, row->use)
NUMBER(size, row->is->record.object_size)
NUMBER(objects, row->is->record.per_slab)
NUMBER(slabs, row->is->record.slabs)
NUMBER(memory, row->memory)
NUMBER(hit, row->hit)
NUMBER(rate, row->rate)

static const struct column {
	const char *name;
	const char *(*text)(const struct slabs_row *row);
	double (*number)(const struct slabs_row *row);
} columns[] = {
	{"memory", NULL, number_memory},   {"device", text_device, NULL},
	{"driver", text_driver, NULL},	   {"cache", text_cache, NULL},
	{"active", NULL, number_active},   {"total", NULL, number_total},
	{"use", NULL, number_use},	   {"size", NULL, number_size},
	{"objects", NULL, number_objects}, {"slabs", NULL, number_slabs},
	{"hit", NULL, number_hit},	   {"rate", NULL, number_rate},
};

#define COLUMN_COUNT (sizeof(columns) / sizeof(columns[0]))

const char *slabs_column_name(int column)
{
	return (size_t)column < COLUMN_COUNT ? columns[column].name : NULL;
}

int slabs_column(const char *name)
{
	for (size_t i = 0; i < COLUMN_COUNT; i++)
		if (!strcmp(columns[i].name, name))
			return (int)i;
	return -1;
}

static int compare_by(const struct column *column, const struct slabs_row *a,
		      const struct slabs_row *b)
{
	double x;
	double y;

	if (column->text)
		return strcmp(column->text(a), column->text(b));
	x = column->number(a);
	y = column->number(b);
	return (x < y) - (x > y);
}

static int compare(const void *a, const void *b, void *column)
{
	int order = compare_by(column, a, b);

	if (!order)
		order = strcmp(text_device(a), text_device(b));
	return order ? order : strcmp(text_cache(a), text_cache(b));
}

struct slabs_row *slabs_rows(const struct slabs *now, const struct slabs *before,
			     const struct slabs_daemon *only, int sort, size_t *count)
{
	struct slabs_row *rows;
	size_t n = 0;

	for (size_t i = 0; i < now->count; i++)
		n += now->daemon[i].count;
	rows = calloc(n + 1, sizeof(*rows));
	*count = 0;
	for (size_t i = 0; rows && i < now->count; i++) {
		const struct slabs_daemon *d = &now->daemon[i];

		for (size_t k = 0; (!only || only == d) && k < d->count; k++)
			rows[(*count)++] = row_of(before, d, &d->cache[k]);
	}
	if (rows)
		qsort_r(rows, *count, sizeof(*rows), compare, (void *)(uintptr_t)&columns[sort]);
	return rows;
}

const char *slabs_traits(const struct slabs_row *row, char *text, size_t size)
{
	static const struct {
		unsigned int trait;
		const char *name;
	} names[] = {{UDRV__SLAB_DMA, ",dma"},
		     {UDRV__SLAB_DEBUG, ",debug"},
		     {UDRV__SLAB_HWCACHE, ",hwcache_align"},
		     {UDRV__SLAB_KEEPS, ",no_reap"}};

	text[0] = 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (row->is->record.traits & names[i].trait)
			strncat(text, names[i].name, size - strlen(text) - 1);
	return text[0] ? text + 1 : "-";
}

// SPDX-License-Identifier: MIT
/* A reader's side of the statistics segment: it never waits for the owner, nor the owner for it. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include <udrv/cycles.h>

#include "stat/segment.h"

static bool is_segment(const void *mapped, size_t size)
{
	const struct udrv__stat_header *h = mapped;

	return !memcmp(h->magic, UDRV__STAT_MAGIC, sizeof(h->magic)) &&
	       h->version == UDRV__STAT_VERSION && h->header_size == sizeof(*h) &&
	       h->record_size == sizeof(struct udrv__stat_vector) &&
	       h->hist_sub_bits == UDRV_HIST_SUB_BITS && h->hist_buckets == UDRV_HIST_BUCKETS &&
	       h->record_count <= udrv__stat_room(size) && !h->driver[sizeof(h->driver) - 1] &&
	       !h->device[sizeof(h->device) - 1] && !h->backend[sizeof(h->backend) - 1];
}

int udrv__stat_open(struct udrv__stat_view *view, const char *path)
{
	const void *mapped;
	int ret =
		udrv__stat_file_map(path, sizeof(*view->header), is_segment, &mapped, &view->size);

	if (!ret)
		view->header = mapped;
	return ret;
}

void udrv__stat_close(struct udrv__stat_view *view)
{
	(void)munmap((void *)(uintptr_t)view->header, view->size);
	view->header = NULL;
}

/* False: it did not hold still. */
static bool copy_worker(struct udrv__stat_worker *copy, const struct udrv__stat_vector *record)
{
	unsigned int tries = 0;

	do {
		uint32_t sequence = __atomic_load_n(&record->sequence, __ATOMIC_ACQUIRE);

		*copy = record->worker;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (!(sequence & 1) &&
		    sequence == __atomic_load_n(&record->sequence, __ATOMIC_RELAXED))
			return true;
	} while (udrv__stat_file_again(&tries));
	return false;
}

/* The depth and the sum belong together if the depth is the same before and after. */
static void copy_disabled(struct udrv__stat_vector *copy, const struct udrv__stat_vector *record)
{
	uint32_t depth;
	unsigned int tries = 0;
	int64_t cycles;

	do {
		depth = __atomic_load_n(&record->disabled, __ATOMIC_ACQUIRE);
		cycles = __atomic_load_n(&record->disabled_cycles, __ATOMIC_ACQUIRE);
	} while (depth != __atomic_load_n(&record->disabled, __ATOMIC_RELAXED) &&
		 udrv__stat_file_again(&tries));
	if (cycles < 0)
		cycles = depth ? cycles + (int64_t)udrv_get_cycles() : 0;
	copy->disabled = depth;
	copy->disabled_cycles = cycles;
}

int udrv__stat_read(const struct udrv__stat_view *view, unsigned int nr,
		    struct udrv__stat_vector *copy)
{
	const struct udrv__stat_header *h = view->header;
	const struct udrv__stat_vector *record;

	if (nr >= __atomic_load_n(&h->vectors, __ATOMIC_ACQUIRE) ||
	    nr >= udrv__stat_room(view->size))
		return -ENOENT;
	record = (const struct udrv__stat_vector *)(const void *)(h + 1) + nr;
	udrv_hist_copy(&copy->run, &record->run);
	udrv_hist_copy(&copy->latency, &record->latency);
	copy->count = __atomic_load_n(&record->count, __ATOMIC_RELAXED);
	copy->unhandled = __atomic_load_n(&record->unhandled, __ATOMIC_RELAXED);
	copy->storms = __atomic_load_n(&record->storms, __ATOMIC_RELAXED);
	copy->shut = __atomic_load_n(&record->shut, __ATOMIC_RELAXED);
	copy->since_ns = record->since_ns;
	copy_disabled(copy, record);
	if (!copy_worker(&copy->worker, record))
		memset(&copy->worker, 0, sizeof(copy->worker));
	copy->worker.wait[sizeof(copy->worker.wait) - 1] = 0;
	copy->worker.names[sizeof(copy->worker.names) - 1] = 0;
	return 0;
}

int udrv__stat_exports(const struct udrv__stat_view *view, char copy[UDRV__STAT_EXPORTS])
{
	const struct udrv__stat_header *h = view->header;
	unsigned int tries = 0;

	do {
		uint32_t sequence = __atomic_load_n(&h->exports_sequence, __ATOMIC_ACQUIRE);

		memcpy(copy, h->exports, UDRV__STAT_EXPORTS);
		copy[UDRV__STAT_EXPORTS - 1] = 0;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (!(sequence & 1) &&
		    sequence == __atomic_load_n(&h->exports_sequence, __ATOMIC_RELAXED))
			return 0;
	} while (udrv__stat_file_again(&tries));
	copy[0] = 0;
	return -EAGAIN;
}

bool udrv__stat_exports_are_complete(const struct udrv__stat_view *view)
{
	return __atomic_load_n(&view->header->exports_complete, __ATOMIC_ACQUIRE);
}

double udrv__stat_ns_per_cycle(const struct udrv__stat_view *view)
{
	uint64_t ns = 0;
	uint64_t cycles = 0;

	udrv__stat_clocks(&ns, &cycles);
	if (ns <= view->header->start_ns || cycles <= view->header->start_cycles)
		return 0;
	return (double)(ns - view->header->start_ns) /
	       (double)(cycles - view->header->start_cycles);
}

// SPDX-License-Identifier: MIT
/* The owner's side of the statistics segment. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/log.h>

#include "pci/device.h"
#include "sched/clock.h"
#include "stat/segment.h"

/* Readers of one version find everything at the same place, whatever compiler made them. */
_Static_assert(sizeof(struct udrv__stat_header) == 232 + UDRV__STAT_EXPORTS, "header has gaps");
_Static_assert(sizeof(struct udrv__stat_worker) == 136, "worker has gaps");
_Static_assert(sizeof(struct udrv__stat_vector) == 2 * sizeof(struct udrv_hist) + 192,
	       "record has gaps");

static size_t size_for(unsigned int records)
{
	return sizeof(struct udrv__stat_header) + records * sizeof(struct udrv__stat_vector);
}

/* The most vectors that the device can have. */
static unsigned int most_vectors(const struct udrv_device *dev)
{
	unsigned int most = 1;

	for (int type = 0; type < UDRV__IRQ_TYPES; type++)
		most = dev->irq_counts[type] > most ? dev->irq_counts[type] : most;
	return most;
}

struct owner {
	const char *driver;
	const struct udrv_device *dev;
};

static void fill_header(void *mapped, const void *ctx)
{
	struct udrv__stat_header *h = mapped;
	const struct owner *owner = ctx;
	struct timespec now;

	memcpy(h->magic, UDRV__STAT_MAGIC, sizeof(h->magic));
	h->version = UDRV__STAT_VERSION;
	h->header_size = sizeof(*h);
	h->record_size = sizeof(struct udrv__stat_vector);
	h->record_count = most_vectors(owner->dev);
	h->hist_sub_bits = UDRV_HIST_SUB_BITS;
	h->hist_buckets = UDRV_HIST_BUCKETS;
	h->pid = (uint32_t)getpid();
	udrv__stat_clocks(&h->start_ns, &h->start_cycles);
	(void)clock_gettime(CLOCK_REALTIME, &now);
	h->start_realtime_ns = (uint64_t)now.tv_sec * UDRV__NSEC_PER_SEC + (uint64_t)now.tv_nsec;
	(void)snprintf(h->driver, sizeof(h->driver), "%s", owner->driver);
	(void)snprintf(h->device, sizeof(h->device), "%s", udrv_device_name(owner->dev));
	(void)snprintf(h->backend, sizeof(h->backend), "%s", udrv_device_backend(owner->dev));
}

int udrv__stat_create(struct udrv__stat_segment *segment, const char *dir, const char *driver,
		      struct udrv_device *dev)
{
	const struct owner owner = {driver, dev};
	int ret = udrv__stat_file_make(&segment->file, dir, driver, udrv_device_name(dev),
				       UDRV__STAT_SUFFIX, size_for(most_vectors(dev)), fill_header,
				       &owner);

	segment->header = segment->file.mapped;
	if (ret) {
		udrv_dev_err(dev, "no statistics in %s: %s; it is driven without them", dir,
			     strerror(-ret));
		return ret;
	}
	dev->stats = segment;
	return 0;
}

void udrv__stat_destroy(struct udrv__stat_segment *segment)
{
	if (!segment->header)
		return;
	udrv__stat_file_destroy(&segment->file);
	segment->header = NULL;
}

struct udrv__stat_vector *udrv__stat_record(const struct udrv__stat_segment *segment,
					    unsigned int nr)
{
	if (!segment || nr >= segment->header->record_count)
		return NULL;
	return (struct udrv__stat_vector *)(void *)(segment->header + 1) + nr;
}

void udrv__stat_set_vectors(const struct udrv__stat_segment *segment, unsigned int count)
{
	if (segment)
		__atomic_store_n(&segment->header->vectors, count, __ATOMIC_RELEASE);
}

// SPDX-License-Identifier: MIT
/* The owner's side of the statistics segment. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/log.h>

#include "pci/device.h"
#include "sched/clock.h"
#include "stat/segment.h"

/* Readers of one version find everything at the same place, whatever compiler made them. */
_Static_assert(sizeof(struct udrv__stat_header) == 224, "header has gaps");
_Static_assert(sizeof(struct udrv__stat_worker) == 136, "worker has gaps");
_Static_assert(sizeof(struct udrv__stat_vector) == 2 * sizeof(struct udrv__hist) + 192,
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

/* Is it "<any driver>@<device>.stats", or one that was not finished? */
static bool is_of_device(const char *file, const char *device)
{
	const char *at = strchr(file, '@');
	size_t len = strlen(device);

	return at && !strncmp(at + 1, device, len) &&
	       !strncmp(at + 1 + len, UDRV__STAT_SUFFIX, strlen(UDRV__STAT_SUFFIX));
}

static void remove_dead(const char *dir_path, const char *device)
{
	DIR *dir = opendir(dir_path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (is_of_device(entry->d_name, device))
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
}

/* Its memory is taken now: a full file system must not hit a worker with SIGBUS later. */
static int map(struct udrv__stat_segment *segment)
{
	void *addr;
	int err = posix_fallocate(segment->fd, 0, (off_t)segment->size);

	if (err)
		return -err;
	addr = mmap(NULL, segment->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		    segment->fd, 0);
	if (addr == MAP_FAILED)
		return -errno;
	segment->header = addr;
	return 0;
}

static void fill_header(struct udrv__stat_header *h, unsigned int records, const char *driver,
			const struct udrv_device *dev)
{
	struct timespec now;

	memcpy(h->magic, UDRV__STAT_MAGIC, sizeof(h->magic));
	h->version = UDRV__STAT_VERSION;
	h->header_size = sizeof(*h);
	h->record_size = sizeof(struct udrv__stat_vector);
	h->record_count = records;
	h->hist_sub_bits = UDRV__HIST_SUB_BITS;
	h->hist_buckets = UDRV__HIST_BUCKETS;
	h->pid = (uint32_t)getpid();
	udrv__stat_clocks(&h->start_ns, &h->start_cycles);
	(void)clock_gettime(CLOCK_REALTIME, &now);
	h->start_realtime_ns = (uint64_t)now.tv_sec * UDRV__NSEC_PER_SEC + (uint64_t)now.tv_nsec;
	(void)snprintf(h->driver, sizeof(h->driver), "%s", driver);
	(void)snprintf(h->device, sizeof(h->device), "%s", udrv_device_name(dev));
	(void)snprintf(h->backend, sizeof(h->backend), "%s", udrv_device_backend(dev));
}

/* Complete and locked before it gets its name: no reader sees it otherwise. */
static int make(struct udrv__stat_segment *segment, const char *path, const char *driver,
		const struct udrv_device *dev)
{
	unsigned int records = most_vectors(dev);
	int ret;

	segment->size = size_for(records);
	segment->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (segment->fd < 0)
		return -errno;
	ret = flock(segment->fd, LOCK_EX | LOCK_NB) ? -errno : map(segment);
	if (!ret) {
		fill_header(segment->header, records, driver, dev);
		ret = rename(path, segment->path) ? -errno : 0;
	}
	if (!ret)
		return 0;
	if (segment->header)
		(void)munmap(segment->header, segment->size);
	segment->header = NULL;
	close(segment->fd);
	(void)unlink(path);
	return ret;
}

int udrv__stat_create(struct udrv__stat_segment *segment, const char *dir, const char *driver,
		      struct udrv_device *dev)
{
	char path[PATH_MAX];
	int ret = -ENAMETOOLONG;
	int len = snprintf(path, sizeof(path), "%s/%s@%s" UDRV__STAT_SUFFIX ".new", dir, driver,
			   udrv_device_name(dev));

	segment->header = NULL;
	if (len > 0 && (size_t)len < sizeof(path)) {
		(void)snprintf(segment->path, sizeof(segment->path), "%.*s",
			       len - (int)strlen(".new"), path);
		remove_dead(dir, udrv_device_name(dev));
		ret = make(segment, path, driver, dev);
	}
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
	(void)unlink(segment->path);
	(void)munmap(segment->header, segment->size);
	segment->header = NULL;
	close(segment->fd);
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

/* SPDX-License-Identifier: MIT */
/*
 * A block device in memory, or in a file that outlives the process, for tests of what exports it.
 * Its requests end in poll(), in another order if a thread of the device's works on them.
 */
#ifndef TESTS_SUPPORT_RAMDISK_H
#define TESTS_SUPPORT_RAMDISK_H

#include <pthread.h>

#include <udrv/block.h>

/*
 * @file: what has been written is there, at the latest after a FLUSH; NULL: nowhere
 * @latency_us: of each request; 0: done when it is committed, without a thread
 * @cache: writes get to @file by FLUSH or FUA only, as if the power failed when the process dies
 * @no_event: there is no eventfd
 * @fail_every: each so manieth request ends with -EIO; 0: none
 * @gone_after: from this request on all end with -ENODEV; 0: never
 */
struct ramdisk_options {
	uint64_t size;
	uint32_t block_size, max_transfer;
	unsigned int queues, depth;
	unsigned int latency_us;
	const char *file;
	bool cache, fua, read_only, no_discard, no_event;
	unsigned int fail_every, gone_after;
};

#define RAMDISK_OPTIONS_DEFAULT                                                                    \
	{                                                                                          \
		.size = 64 << 20, .block_size = 512, .max_transfer = 256 << 10, .queues = 4,       \
		.depth = 128                                                                       \
	}

struct ramdisk {
	struct udrv_block block;
	struct ramdisk_options o;
	uint8_t *live, *kept;	  /* the same without a cache */
	uint64_t *dirty;	  /* pages of live that kept has not; atomic */
	unsigned long requests;	  /* atomic */
	unsigned long flushes;	  /* atomic */
	unsigned int open_queues; /* atomic */
	pthread_mutex_t flushing;
};

/* Not added; @dev may be NULL. 0 or negative errno. */
int ramdisk_init(struct ramdisk *disk, struct udrv_device *dev, const char *name,
		 const struct ramdisk_options *options);
void ramdisk_free(struct ramdisk *disk);

#endif

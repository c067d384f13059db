/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Block devices: a driver adds one for each disk or namespace that it has found, and the daemon
 * exports it to the system (`udrv run ... --ublk`, `--nbd`). As in Linux's <linux/blk-mq.h> there
 * are hardware queues that share nothing; no two threads are in one at once. For ublk it is one
 * thread that opens a queue, submits requests, commits them, and polls for what has been done; for
 * NBD all that wait for it take turns.
 */
#ifndef UDRV_BLOCK_H
#define UDRV_BLOCK_H

#include <udrv/types.h>

UDRV_BEGIN_DECLS

struct udrv_block;

/** enum udrv_block_op - what a request asks for (Linux: enum req_op). */
enum udrv_block_op {
	UDRV_BLOCK_READ,
	UDRV_BLOCK_WRITE,
	UDRV_BLOCK_FLUSH,	 /* what was done before is kept when the power fails; no range */
	UDRV_BLOCK_DISCARD,	 /* the contents are not needed any more */
	UDRV_BLOCK_WRITE_ZEROES, /* reads give zeroes afterwards */
};

/** UDRV_BLOCK_FUA - of writes, also of zeroes: done when it is kept if the power fails (REQ_FUA).
 */
#define UDRV_BLOCK_FUA (1u << 0)
/** UDRV_BLOCK_NOUNMAP - of WRITE_ZEROES: the room is not given up (REQ_NOUNMAP). */
#define UDRV_BLOCK_NOUNMAP (1u << 1)

/**
 * struct udrv_block_request - one request; who submits it owns it again when done() is called
 * @op: what
 * @flags: UDRV_BLOCK_*
 * @offset: from the device's start, bytes, a multiple of the logical block size
 * @len: bytes, likewise; at most what the limits say for @op; 0 for FLUSH
 * @buf: of reads and writes: the data; any memory, best DMA memory of the device (<udrv/dma.h>)
 * @done: called inside poll() or queue_rq() of its queue; result is 0 or negative errno:
 *	-EIO, -ENODATA (unreadable medium), -EILSEQ (protection), -ENOSPC, -ENODEV (the device is
 *	gone), -ETIMEDOUT. It may submit further requests, and must not block on the device.
 * @driver: the driver's, while it has the request
 */
struct udrv_block_request {
	enum udrv_block_op op;
	uint32_t flags;
	uint64_t offset;
	uint32_t len;
	void *buf;
	void (*done)(struct udrv_block_request *rq, int result);
	uintptr_t driver[4];
};

/**
 * struct udrv_block_limits - what the device can (Linux: struct queue_limits)
 * @size: bytes; see udrv_block_resize()
 * @logical_block_size: unit of offsets and lengths, bytes: 512 to 65536, a power of two
 * @physical_block_size: what is written without reading first, bytes
 * @io_min: preferred smallest write, bytes, or 0
 * @io_opt: preferred size of writes, bytes, or 0
 * @max_transfer: of one read or write, bytes
 * @max_discard: of one DISCARD, bytes; 0: there is none
 * @discard_granularity: bytes; 0 without DISCARD
 * @max_write_zeroes: of one WRITE_ZEROES, bytes; 0: there is none
 * @write_cache: it may keep writes until a FLUSH
 * @fua: it knows UDRV_BLOCK_FUA; without it the exporter flushes instead
 * @read_only: writes are refused
 * @max_queues: so many may be open at once, at least 1; more are asked for only to take over what
 *	a killed daemon had, and may be refused
 * @queue_depth: so many requests may be in flight in each
 */
struct udrv_block_limits {
	uint64_t size;
	uint32_t logical_block_size, physical_block_size;
	uint32_t io_min, io_opt;
	uint32_t max_transfer;
	uint32_t max_discard, discard_granularity;
	uint32_t max_write_zeroes;
	bool write_cache, fua, read_only;
	unsigned int max_queues;
	unsigned int queue_depth;
};

/**
 * struct udrv_block_ops - how a driver is asked (Linux: struct blk_mq_ops)
 * @queue_open: make a queue, in *@queue_out. May block. 0 or negative errno.
 * @queue_close: there is no request in it any more. May block.
 * @queue_rq: take a request; it need not start before commit_rqs(). The range has been checked
 *	against the limits. 0, and done() is called once, perhaps at once; or negative errno, and it
 *	is not called: -EAGAIN if @queue_depth are in flight.
 * @commit_rqs: start what was taken. Neither blocks nor makes done() be called.
 * @poll: call done() of what has been done, and look for what has taken too long: called at least
 *	every UDRV_BLOCK_TICK_MS while requests are in flight. Does not block. The number of
 *	done()s.
 * @event_fd: an eventfd that becomes readable when there is something for poll(), after
 *	event_arm(); who waits need not read it. NULL, or -EOPNOTSUPP: there is none, poll all the
 *	time.
 * @event_arm: the thread is about to sleep. True if there is something for poll() already, and it
 *	must not. Else @event_fd will become readable, also for what others submit while it sleeps.
 */
struct udrv_block_ops {
	int (*queue_open)(struct udrv_block *block, unsigned int index, void **queue_out);
	void (*queue_close)(void *queue);
	int (*queue_rq)(void *queue, struct udrv_block_request *rq);
	void (*commit_rqs)(void *queue);
	int (*poll)(void *queue);
	int (*event_fd)(void *queue);
	bool (*event_arm)(void *queue);
};

/** UDRV_BLOCK_TICK_MS - see @poll of struct udrv_block_ops. */
#define UDRV_BLOCK_TICK_MS 250

/**
 * struct udrv_block - a block device; the driver's memory, which it fills before udrv_block_add()
 * @dev: whose DMA memory the requests' buffers are of; NULL: plain memory
 * @name: for messages and files, e.g. "nvme-n1": letters, digits and '-'; unique in the process
 * @serial: of the disk or the device that it is in, printable, or ""
 * @id: what tells its contents from those of any other disk that may have been or may come to be in
 *	its place: globally unique, the same at each start, printable; or ""
 * @limits: see there
 * @ops: see there
 * @driver: the driver's own
 * @next: the framework's
 */
struct udrv_block {
	struct udrv_device *dev;
	char name[32];
	char serial[64];
	char id[104];
	struct udrv_block_limits limits;
	const struct udrv_block_ops *ops;
	void *driver;
	struct udrv_block *next;
};

/**
 * udrv_block_add() - offer a block device; from probe()
 * @block: filled in; until udrv_block_del() not to be changed, but by udrv_block_resize()
 *
 * Nothing is exported by that: the daemon does if it is told to, once probe() has returned, and has
 * ended it when it calls remove(). One that is added later is exported before this returns; that it
 * cannot be is only logged. Programs with a main loop of their own use @block's ops as they like.
 * Any thread that may block, none of @block's queues. Return: 0, -EINVAL and a log line if the
 * limits make no sense, -EEXIST.
 */
UDRV_API int udrv_block_add(struct udrv_block *block);

/**
 * udrv_block_resize() - it has another size now (Linux: set_capacity_and_notify())
 * @block: added or not
 * @size: bytes, whole logical blocks, not 0
 *
 * The one change that limits may see. The exporter tells the system if that can be told (ublk from
 * Linux 6.16 on; NBD's clients when they connect), else logs what to do. Threads as for
 * udrv_block_add(). Return: 0, -EINVAL.
 */
UDRV_API int udrv_block_resize(struct udrv_block *block, uint64_t size);

/**
 * udrv_block_del() - undo udrv_block_add(); of a device that was not added, nothing
 * @block: it is no matter whether its medium is there
 *
 * Also while it is exported: the exporter ends that first, without waiting for what users have not
 * written yet, and closes its queues; so requests must end. Threads as for udrv_block_add().
 */
UDRV_API void udrv_block_del(struct udrv_block *block);

/** udrv_block_next() - walk the block devices: @after, or NULL for the first. NULL at the end. */
UDRV_API struct udrv_block *udrv_block_next(const struct udrv_block *after);

UDRV_END_DECLS

#endif

/* SPDX-License-Identifier: MIT */
/**
 * @file
 * NVMe controllers: the library that the driver udrv-nvme, and programs that want the disk for
 * themselves, are made of.
 *
 * A controller is attached to an open device. Threads that do I/O make a queue pair each and
 * submit to it without locks: a command is put into the queue (udrv_nvme_read() and its kind),
 * all that were put are shown to the controller with one doorbell (udrv_nvme_submit()), and their
 * callbacks run in the same thread, inside udrv_nvme_poll() or udrv_nvme_wait().
 *
 * A command that takes longer than the queue's timeout is aborted, and if that does not help, the
 * controller is reset: disabled, by function reset if it does not react, and initialised again.
 * Commands without an answer are then sent again, as Linux does, or end with a status that says
 * that nobody knows whether they were carried out. A buffer is given back to the caller only when
 * the controller cannot reach it any more.
 */
#ifndef UDRV_NVME_H
#define UDRV_NVME_H

#include <sys/uio.h>

#include <udrv/types.h>

#include "nvme_regs.h"

UDRV_BEGIN_DECLS

struct udrv_nvme;
struct udrv_nvme_queue;

/**
 * struct udrv_nvme_options - for udrv_nvme_attach(); zeroes are the defaults
 * @queues: most I/O queue pairs that will be made; default: for each CPU of the process one for
 *	each namespace that there is now, and one more; 128 at most. The controller may grant fewer:
 *	struct udrv_nvme_info
 * @io_timeout_ms: how long a command may take before it is aborted; default 30,000
 * @admin_timeout_ms: likewise of admin commands; then the controller is reset; default 60,000
 * @retries: how often a command is sent again after a reset, or a status that allows it; default 5;
 *	-1: never
 * @no_shadow_doorbells: do not use them (NVMe 1.4, 5.7) though the controller offers them
 * @weighted: weighted round robin with an urgent class, where the controller has it (CAP.AMS), by
 *	the queues' priorities
 * @arbitration: the Arbitration feature, NVME_ARBITRATION(), set anew after each reset; 0: as the
 *	controller has it
 * @cmb: submission queues in the controller's memory, where it has some for them (CMBSZ.SQS) and
 *	as far as that goes
 * @no_sgl: transfers of more than two pages by PRP lists, even if the controller knows SGLs
 */
struct udrv_nvme_options {
	unsigned int queues;
	unsigned int io_timeout_ms;
	unsigned int admin_timeout_ms;
	int retries;
	bool no_shadow_doorbells;
	bool weighted;
	uint32_t arbitration;
	bool cmb;
	bool no_sgl;
};

/**
 * udrv_nvme_attach() - take a controller into use
 * @dev: open; stays the caller's
 * @options: or NULL
 * @nvme_out: the controller; untouched on failure
 *
 * Maps the registers, claims them, resets the controller and initialises it (NVMe 1.4, 7.6.1),
 * identifies it and its namespaces. May block for CAP.TO and more. Any thread; one controller per
 * device. Failures are explained in one log line. Return: 0 or negative errno: -ENODEV if it does
 * not answer, -ETIMEDOUT, -EPROTO if it answers nonsense, -EOPNOTSUPP if this driver cannot use it.
 */
UDRV_API int udrv_nvme_attach(struct udrv_device *dev, const struct udrv_nvme_options *options,
			      struct udrv_nvme **nvme_out);

/**
 * udrv_nvme_detach() - shut the controller down (NVMe 1.4, 7.6.2), then free everything
 * @nvme: or NULL; its queues have been destroyed
 */
UDRV_API void udrv_nvme_detach(struct udrv_nvme *nvme);

/** udrv_nvme_device() - the device that it was attached to. */
UDRV_API struct udrv_device *udrv_nvme_device(const struct udrv_nvme *nvme);

/**
 * udrv_nvme_id_ctrl() - Identify Controller as of the last initialisation
 *
 * Valid until detach, and never written again: if a reset finds something else, whoever asks then
 * gets another one. Any thread.
 */
UDRV_API const struct nvme_id_ctrl *udrv_nvme_id_ctrl(const struct udrv_nvme *nvme);

/** struct udrv_nvme_info - what else there is to know of a controller. */
struct udrv_nvme_info {
	uint64_t cap;
	uint32_t vs;
	unsigned int queues;	    /* I/O queue pairs that may be made */
	unsigned int queues_made;   /* that there are */
	unsigned int queue_entries; /* most per queue, a power of two; one less in flight */
	uint32_t max_transfer;	    /* bytes of one command */
	bool shadow_doorbells, sgl;
	bool weighted; /* queues have priorities */
	bool cmb;      /* there is memory of the controller for submission queues, and it is used */
	bool dead;     /* it was given up */
	unsigned int resets; /* since attach */
	unsigned int timeouts, aborts;
	unsigned int bad_completions; /* that named no command, had a wrong queue, ... */
};

/** udrv_nvme_get_info() - as of now. Any thread, also in a callback. */
UDRV_API void udrv_nvme_get_info(struct udrv_nvme *nvme, struct udrv_nvme_info *info);

/**
 * udrv_nvme_reset() - reset the controller now
 *
 * What is in flight is sent again. Returns when that is over: 0, -EIO if the controller was given
 * up, -ENODEV. Any thread that has no queue, or not in a callback: -EDEADLK.
 */
UDRV_API int udrv_nvme_reset(struct udrv_nvme *nvme);

/**
 * udrv_nvme_subsystem_reset() - reset the NVM subsystem (NVMe 1.4, 7.3.1): all of its controllers,
 * whoever uses them
 *
 * As udrv_nvme_reset(); the controller is shut down before, so that its cache is written back. The
 * PCI Express link goes down, and the function answers nothing for a while, up to admin_timeout_ms;
 * in a slot that takes this for a removal it is gone. What the machine has set in its PCI Express
 * capability (payload sizes) is lost. Return: as udrv_nvme_reset(); -EOPNOTSUPP: there is no such
 * reset (CAP.NSSRS); -EPROTO: the controller works again, but does not say that its subsystem was
 * reset (CSTS.NSSRO).
 */
UDRV_API int udrv_nvme_subsystem_reset(struct udrv_nvme *nvme);

/* Admin commands. Any thread that may block; not in callbacks of queues: -EDEADLK. */

/**
 * udrv_nvme_admin() - carry out an admin command
 * @nvme: the controller
 * @cmd: opcode, nsid, cdw2, cdw3, cdw10 to cdw15; the rest is filled in
 * @buf: the data, any memory, or NULL; its direction follows from the opcode (NVMe 1.4, 4.2)
 * @len: bytes of it
 * @result: the completion's DW0, or NULL
 *
 * Return: 0, a positive NVMe status (without the phase tag; the controller's answer), or negative
 * errno if there is none: -ENODEV, -ETIMEDOUT (the controller was reset), -EIO (given up), -EINVAL
 * for commands that are the driver's own (queues and their number, asynchronous events, doorbell
 * buffers) and for opcodes with data both ways.
 */
UDRV_API int udrv_nvme_admin(struct udrv_nvme *nvme, const struct nvme_sqe *cmd, void *buf,
			     size_t len, uint32_t *result);

/** udrv_nvme_identify() - Identify (5.15); @buf has NVME_IDENTIFY_SIZE bytes. As udrv_nvme_admin().
 */
UDRV_API int udrv_nvme_identify(struct udrv_nvme *nvme, unsigned int cns, uint32_t nsid, void *buf);

/**
 * udrv_nvme_get_log() - Get Log Page (5.14)
 * @nvme: the controller
 * @log: identifier
 * @nsid: NVME_NSID_ALL for the controller's
 * @buf: any memory
 * @len: bytes, a multiple of 4; in pieces where the transfer size wants it and the controller can
 *	(LPA bit 2), else up to 16 KiB: -EMSGSIZE
 * @keep_event: do not clear the event that the page tells of (RAE); before NVMe 1.3 it is cleared
 */
UDRV_API int udrv_nvme_get_log(struct udrv_nvme *nvme, unsigned int log, uint32_t nsid, void *buf,
			       size_t len, bool keep_event);

/**
 * udrv_nvme_get_feature() - Get Features (5.10)
 * @nvme: the controller
 * @feature: identifier, NVME_FEAT_* select in bits 10:8
 * @nsid: or 0
 * @cdw11: what some features take
 * @buf: for features with data, or NULL
 * @len: bytes of it
 * @value: DW0
 */
UDRV_API int udrv_nvme_get_feature(struct udrv_nvme *nvme, uint32_t feature, uint32_t nsid,
				   uint32_t cdw11, void *buf, size_t len, uint32_t *value);

/** udrv_nvme_set_feature() - Set Features (5.21); @save: also over resets and power cycles. */
UDRV_API int udrv_nvme_set_feature(struct udrv_nvme *nvme, uint32_t feature, uint32_t nsid,
				   uint32_t value, bool save, uint32_t *result);

/**
 * udrv_nvme_format() - Format NVM (5.23): all data of the namespace is lost
 * @nvme: the controller
 * @nsid: namespace, or NVME_NSID_ALL
 * @lbaf: index of the LBA format
 * @ses: secure erase: 0 none, 1 user data, 2 cryptographic; where FNA bit 1 is set, of all
 *	namespaces of the subsystem
 *
 * Waits as long as it takes. Namespaces are read anew. -EBUSY while I/O queues exist.
 */
UDRV_API int udrv_nvme_format(struct udrv_nvme *nvme, uint32_t nsid, unsigned int lbaf,
			      unsigned int ses);

/**
 * udrv_nvme_sanitize() - begin a sanitize operation: all data of the subsystem is lost (5.24)
 * @nvme: the controller
 * @how: NVME_SANITIZE_*: an action, with AUSE, PASSES, OIPBP, NDAS
 * @pattern: of an overwrite
 *
 * Returns when it has begun; the log NVME_LOG_SANITIZE says how far it is, and
 * UDRV_NVME_EVENT_SANITIZED that it is over. Until then all I/O fails with
 * NVME_SC_SANITIZE_IN_PROGRESS, also that of other controllers, resets or not. As
 * udrv_nvme_admin(); -EOPNOTSUPP: the controller has no such action (SANICAP).
 */
UDRV_API int udrv_nvme_sanitize(struct udrv_nvme *nvme, uint32_t how, uint32_t pattern);

/* Firmware (NVMe 1.4, 8.1): download the image, then commit it; both only where OACS bit 2 is. */

/** udrv_nvme_firmware_piece() - bytes that a piece of a download has by default (FWUG). Any thread.
 */
UDRV_API size_t udrv_nvme_firmware_piece(const struct udrv_nvme *nvme);

/**
 * udrv_nvme_firmware_download() - give the controller a firmware image, or a part of one (5.12)
 * @nvme: the controller
 * @image: any memory
 * @len: bytes of it, a multiple of 4
 * @offset: where in the image it begins, in bytes; a multiple of FWUG
 * @piece: bytes per command, a multiple of FWUG, at most max_transfer; 0: the default
 *
 * What was downloaded is kept until it is committed or the controller is reset. As
 * udrv_nvme_admin(); -EOPNOTSUPP: the controller takes none; -EINVAL: not such multiples;
 * -EMSGSIZE: @piece.
 */
UDRV_API int udrv_nvme_firmware_download(struct udrv_nvme *nvme, const void *image, size_t len,
					 size_t offset, size_t piece);

/** enum udrv_nvme_commit - what becomes of a firmware (5.11, CA). */
enum udrv_nvme_commit {
	UDRV_NVME_COMMIT_STORE,	      /* the slot has the downloaded one, which is not activated */
	UDRV_NVME_COMMIT_STORE_RESET, /* likewise, and the next reset activates it */
	UDRV_NVME_COMMIT_RESET,	      /* what is in the slot is activated by the next reset */
	UDRV_NVME_COMMIT_NOW,	      /* the downloaded one, if there is, or the slot's: now */
};

/**
 * udrv_nvme_firmware_commit() - put what was downloaded into a slot, or activate a slot (5.11)
 * @nvme: the controller
 * @slot: 1 to 7; 0: the controller chooses
 * @action: what to do
 *
 * Waits as long as an activation may take (MTFA). As udrv_nvme_admin();
 * NVME_SC_FW_NEEDS_CONVENTIONAL, NVME_SC_FW_NEEDS_SUBSYSTEM, NVME_SC_FW_NEEDS_RESET: it is done,
 * and such a reset activates it: no call; udrv_nvme_subsystem_reset(); udrv_nvme_reset(). While the
 * controller takes no commands (CSTS.PP) none is aborted.
 */
UDRV_API int udrv_nvme_firmware_commit(struct udrv_nvme *nvme, unsigned int slot,
				       enum udrv_nvme_commit action);

/*
 * Boot partitions (NVMe 1.4, 8.13): two of one size, which the controller can read before it is
 * enabled, where it has them (CAP.BPS). They are written as a firmware is: download the contents,
 * udrv_nvme_boot_replace(), read what is there now and compare, udrv_nvme_boot_activate().
 */

/**
 * struct udrv_nvme_boot - what there is to know of them
 * @size: bytes of each, as the controller says: up to 4 GiB, and it may be more than it has
 * @active: 0 or 1, the one to boot from
 */
struct udrv_nvme_boot {
	uint64_t size;
	unsigned int active;
};

/**
 * udrv_nvme_boot_info() - Boot Partition Information (3.1.13)
 *
 * Any thread. Return: 0, -EOPNOTSUPP: there are none; -ENODEV; -EPROTO: there are, without a size.
 */
UDRV_API int udrv_nvme_boot_info(struct udrv_nvme *nvme, struct udrv_nvme_boot *boot);

/**
 * udrv_nvme_boot_read() - read from a boot partition (8.13.1)
 * @nvme: the controller
 * @id: 0 or 1
 * @buf: any memory; after a failure some of it may have been written
 * @len: bytes, a multiple of 4096
 * @offset: likewise
 *
 * One at a time; others wait. Return: 0, -EOPNOTSUPP: there are none; -EINVAL; -ENODATA: the
 * controller cannot read it; -ETIMEDOUT: 256 KiB took longer than an admin command may
 * (admin_timeout_ms), and the controller was reset; -EAGAIN: a reset came in between; -EBUSY: it is
 * read by somebody who was there before this driver; -EPROTO as udrv_nvme_boot_info(); -ENODEV,
 * -EIO, -EDEADLK as udrv_nvme_admin().
 */
UDRV_API int udrv_nvme_boot_read(struct udrv_nvme *nvme, unsigned int id, void *buf, size_t len,
				 uint64_t offset);

/**
 * udrv_nvme_boot_replace() - what was downloaded takes a boot partition's place (5.11, CA 6)
 * @nvme: the controller
 * @id: 0 or 1; what was in it is lost
 *
 * As udrv_nvme_firmware_commit(); NVME_SC_BOOT_PROHIBITED: it is locked.
 */
UDRV_API int udrv_nvme_boot_replace(struct udrv_nvme *nvme, unsigned int id);

/** udrv_nvme_boot_activate() - a boot partition is the one to boot from (5.11, CA 7). */
UDRV_API int udrv_nvme_boot_activate(struct udrv_nvme *nvme, unsigned int id);

/* Namespaces. */

/**
 * struct udrv_nvme_ns - a namespace; the controller's, valid until detach
 * @nsid: its number
 * @block_shift: log2 of the data bytes of a block
 * @blocks: its size; 0 once it is gone. Read it by udrv_nvme_ns_blocks()
 * @max_blocks: of one command. Read it by udrv_nvme_ns_max_blocks()
 * @page_blocks: of a page of the controller's memory, if one can be read and written
 * @metadata: bytes per block
 * @extended: metadata is behind each block in the same buffer, else in one of its own
 * @pi_type: end-to-end protection (8.3), 0 to 3
 * @pi_first: protection information is the first 8 bytes of the metadata, else the last
 * @read_only: writes are refused. Read it by udrv_nvme_ns_read_only()
 * @usable: its format can be read and written without a metadata buffer: it has no metadata, or 8
 *	bytes that are protection information, which the controller makes and checks then (PRACT)
 *
 * @blocks, @max_blocks and @read_only change at any time, on another thread, as the controller
 * says: hence their functions. The rest never does. If the number comes to mean another namespace
 * (udrv_nvme_ns_id()), or one whose blocks are of another kind, @blocks becomes 0 for good, and
 * udrv_nvme_ns() gives a new structure.
 */
struct udrv_nvme_ns {
	uint32_t nsid;
	unsigned int block_shift;
	uint64_t blocks;
	uint32_t max_blocks;
	uint32_t page_blocks;
	uint16_t metadata;
	bool extended;
	uint8_t pi_type;
	bool pi_first;
	bool read_only;
	bool usable;
};

/** udrv_nvme_ns_blocks() - how many blocks it has now; 0 once it is gone. Any thread. */
static inline uint64_t udrv_nvme_ns_blocks(const struct udrv_nvme_ns *ns)
{
	return __atomic_load_n(&ns->blocks, __ATOMIC_RELAXED);
}

/** udrv_nvme_ns_max_blocks() - how many blocks a command may have now. Any thread. */
static inline uint32_t udrv_nvme_ns_max_blocks(const struct udrv_nvme_ns *ns)
{
	return __atomic_load_n(&ns->max_blocks, __ATOMIC_RELAXED);
}

/** udrv_nvme_ns_read_only() - are writes refused now? Any thread. */
static inline bool udrv_nvme_ns_read_only(const struct udrv_nvme_ns *ns)
{
	return __atomic_load_n(&ns->read_only, __ATOMIC_RELAXED);
}

/** udrv_nvme_ns() - an active namespace by its number, or NULL. Any thread. */
UDRV_API const struct udrv_nvme_ns *udrv_nvme_ns(struct udrv_nvme *nvme, uint32_t nsid);

/** udrv_nvme_ns_next() - the active namespace with the next higher number than @nsid, or NULL. */
UDRV_API const struct udrv_nvme_ns *udrv_nvme_ns_next(struct udrv_nvme *nvme, uint32_t nsid);

/** UDRV_NVME_NS_ID_MAX - bytes of the longest text of udrv_nvme_ns_id(), with its end. */
#define UDRV_NVME_NS_ID_MAX 104

/**
 * udrv_nvme_ns_id() - by what a namespace is known from others, also over deletion and making anew
 * @ns: the namespace
 * @text: "uuid.", "eui." with NGUID, "eui." with EUI64, as Linux's wwid has them, with blanks
 *	between: those that it has; "" if none
 *
 * The UUID (Identify 03h) is told only where NGUID and EUI64 are not there, or may be used again
 * for another namespace (NSFEAT.UIDREUSE). Any thread.
 */
UDRV_API void udrv_nvme_ns_id(const struct udrv_nvme_ns *ns, char text[UDRV_NVME_NS_ID_MAX]);

/**
 * udrv_nvme_ns_create() - make a namespace (5.20)
 * @nvme: the controller
 * @wanted: nsze, ncap, flbas, dps, nmic, anagrpid, nvmsetid; the rest is 0
 * @nsid_out: its number; untouched on failure
 *
 * It is attached to no controller yet. As udrv_nvme_admin(); -EOPNOTSUPP: the controller cannot
 * (OACS bit 3); -EPROTO: it does not tell the number.
 */
UDRV_API int udrv_nvme_ns_create(struct udrv_nvme *nvme, const struct nvme_id_ns *wanted,
				 uint32_t *nsid_out);

/**
 * udrv_nvme_ns_delete() - delete a namespace, NVME_NSID_ALL: all; its data is lost (5.20)
 *
 * Whoever uses it gets errors from then on. As udrv_nvme_ns_create().
 */
UDRV_API int udrv_nvme_ns_delete(struct udrv_nvme *nvme, uint32_t nsid);

/**
 * udrv_nvme_ns_attach() - attach a namespace to controllers of the subsystem, or detach it (5.19)
 * @nvme: the controller
 * @nsid: the namespace
 * @controllers: identifiers (CNTLID), ascending
 * @count: 1 to NVME_CTRL_LIST_MAX
 * @attach: false: detach
 *
 * UDRV_NVME_EVENT_NS_CHANGED follows, as after a deletion. As udrv_nvme_ns_create().
 */
UDRV_API int udrv_nvme_ns_attach(struct udrv_nvme *nvme, uint32_t nsid, const uint16_t *controllers,
				 unsigned int count, bool attach);

/* Events. */

/** enum udrv_nvme_event - what a controller may tell by itself (NVMe 1.4, 5.2). */
enum udrv_nvme_event {
	UDRV_NVME_EVENT_NS_CHANGED, /* arg: the namespace, read anew already; 0: many */
	UDRV_NVME_EVENT_SMART,	    /* arg: the critical warning bits of the SMART log */
	UDRV_NVME_EVENT_FIRMWARE,   /* arg: 0; firmware activation begins */
	UDRV_NVME_EVENT_ERROR,	    /* arg: the event's information field; the error log has more */
	UDRV_NVME_EVENT_RESET,	    /* arg: 0; a reset is over and the controller works again */
	UDRV_NVME_EVENT_SANITIZED,  /* arg: SSTAT of the sanitize log (NVME_SSTAT_*) */
	UDRV_NVME_EVENT_DEAD,	    /* arg: 0; the controller was given up */
};

/**
 * udrv_nvme_on_event() - be told of events
 * @nvme: the controller
 * @fn: called from a thread of the controller's, one at a time; it may use admin commands, not this
 *	call. NULL: no more; not called any more afterwards
 * @ctx: for @fn
 */
UDRV_API void udrv_nvme_on_event(struct udrv_nvme *nvme,
				 void (*fn)(void *ctx, enum udrv_nvme_event event, uint32_t arg),
				 void *ctx);

/* Queue pairs. Everything from here on is for one thread at a time in each queue. */

/** enum udrv_nvme_completion - how a queue learns of completions. */
enum udrv_nvme_completion {
	UDRV_NVME_INTERRUPT, /* udrv_nvme_wait() blocks until there is an interrupt */
	UDRV_NVME_POLLED,    /* no interrupts: it looks all the time */
	/* looks as long as that pays, then blocks; blocks at once on a machine with one CPU */
	UDRV_NVME_ADAPTIVE,
};

/** enum udrv_nvme_priority - of a queue, where arbitration is weighted (NVMe 1.4, 4.13.2). */
enum udrv_nvme_priority {
	UDRV_NVME_MEDIUM,
	UDRV_NVME_URGENT, /* before all others, which may starve */
	UDRV_NVME_HIGH,
	UDRV_NVME_LOW,
};

/**
 * struct udrv_nvme_queue_options - for udrv_nvme_queue_create(); zeroes are the defaults
 * @entries: of the submission queue, a power of two from 4; one less can be in flight; default 256,
 *	or what the controller has
 * @completion: see there
 * @priority: looked at where arbitration is weighted (struct udrv_nvme_options)
 */
struct udrv_nvme_queue_options {
	unsigned int entries;
	enum udrv_nvme_completion completion;
	enum udrv_nvme_priority priority;
};

/**
 * udrv_nvme_queue_create() - make an I/O queue pair
 * @nvme: the controller
 * @options: or NULL
 * @q_out: the queue pair; untouched on failure
 *
 * Any thread, which need not be the one that uses it. If that thread is bound to one CPU its
 * interrupt goes there (udrv_request_irq_fd()). Return: 0, -EMFILE if the controller grants
 * no more, -EINVAL, -ENOMEM, -EIO.
 */
UDRV_API int udrv_nvme_queue_create(struct udrv_nvme *nvme,
				    const struct udrv_nvme_queue_options *options,
				    struct udrv_nvme_queue **q_out);

/**
 * udrv_nvme_queue_destroy() - delete a queue pair
 * @q: or NULL
 *
 * Commands in flight end with NVME_SC_ABORT_SQ_DELETED; their callbacks are called here. Not in a
 * callback.
 */
UDRV_API void udrv_nvme_queue_destroy(struct udrv_nvme_queue *q);

/** udrv_nvme_queue_depth() - most commands in flight. */
UDRV_API unsigned int udrv_nvme_queue_depth(const struct udrv_nvme_queue *q);

/** udrv_nvme_in_flight() - commands whose callback was not called yet. */
UDRV_API unsigned int udrv_nvme_in_flight(const struct udrv_nvme_queue *q);

/**
 * typedef udrv_nvme_done_t - a command has ended, and its buffer is the caller's again
 * @ctx: given with the command
 * @status: 0, or the NVMe status field without the phase tag: NVME_SC_* in NVME_STATUS_MASK, and
 *	flags. Where the controller gave no answer: NVME_SC_HOST_PATHING, it was not carried out;
 *	NVME_SC_HOST_ABORTED, nobody knows; NVME_SC_HOST_NS_CHANGED, nor of one whose namespace has
 *	made way for another.
 * @dw0: the completion's command specific result
 *
 * In the queue's thread. It may put further commands into the queue; they are submitted when
 * udrv_nvme_poll() returns. It must not block, nor use admin commands or destroy the queue.
 */
typedef void (*udrv_nvme_done_t)(void *ctx, uint32_t status, uint32_t dw0);

/** udrv_nvme_errno() - the negative errno that says best what a status says; 0 of success. */
UDRV_API int udrv_nvme_errno(uint32_t status);

/** udrv_nvme_status_text() - the name of a status, static; never NULL. */
UDRV_API const char *udrv_nvme_status_text(uint32_t status);

/**
 * udrv_nvme_read() - put a read into the queue
 * @q: the queue
 * @ns: of the same controller
 * @buf: any memory of whole blocks, best DMA memory (<udrv/dma.h>: no system call is made then);
 *	it belongs to the controller until @done is called
 * @lba: first block
 * @blocks: at least 1, at most udrv_nvme_ns_max_blocks()
 * @flags: 0, or NVME_RW_FUA, NVME_RW_LR
 * @done: called once if this returns 0, else not at all
 * @ctx: for @done
 *
 * Return: 0, -EAGAIN if the queue is full, -EINVAL for blocks that do not exist or a misaligned
 * buffer, -EMSGSIZE for too many, -ENODEV, -EIO if the controller was given up, -ENOMEM,
 * -EOPNOTSUPP if the namespace needs a metadata buffer.
 *
 * Of a page of DMA memory it is inline (nvme_inline.h, which is no interface: it goes with the
 * library that it came with); so is udrv_nvme_write(). They are functions, too.
 */
UDRV_API int udrv_nvme_read(struct udrv_nvme_queue *q, const struct udrv_nvme_ns *ns, void *buf,
			    uint64_t lba, uint32_t blocks, uint32_t flags, udrv_nvme_done_t done,
			    void *ctx);

/** udrv_nvme_write() - put a write into the queue; as udrv_nvme_read(). */
UDRV_API int udrv_nvme_write(struct udrv_nvme_queue *q, const struct udrv_nvme_ns *ns,
			     const void *buf, uint64_t lba, uint32_t blocks, uint32_t flags,
			     udrv_nvme_done_t done, void *ctx);

/**
 * struct udrv_nvme_io - a transfer with all that it may have
 * @opcode: NVME_READ, NVME_WRITE or NVME_COMPARE
 * @iov: buffers of together the blocks' size, with the metadata if that is extended
 * @iov_count: how many; a buffer in the middle begins and ends at a page's border, unless the
 *	controller knows SGLs
 * @metadata: the blocks' metadata if the namespace has it apart, at a multiple of 4 bytes; not
 *	looked at otherwise
 * @lba: first block
 * @blocks: as for udrv_nvme_read()
 * @flags: CDW12 bits: NVME_RW_FUA, NVME_RW_LR, and of protected namespaces (8.3) NVME_RW_PRACT, the
 *	controller makes, checks and strips the information, so that buffers are without if the
 *	metadata is only that; NVME_RW_PRCHK_*, what it checks
 * @ref_tag: initial logical block reference tag, which the next blocks count on; with
 *	NVME_RW_PRCHK_REF and type 1 it has to be the lower half of @lba
 * @app_tag: application tag
 * @app_mask: its bits that are checked
 *
 * What does not fit ends with NVME_SC_GUARD_CHECK, NVME_SC_APPTAG_CHECK or NVME_SC_REFTAG_CHECK. A
 * block whose application tag is 0xffff (type 3: and the reference tag 0xffffffff) is not checked.
 */
struct udrv_nvme_io {
	uint8_t opcode;
	const struct iovec *iov;
	unsigned int iov_count;
	void *metadata;
	uint64_t lba;
	uint32_t blocks;
	uint32_t flags;
	uint32_t ref_tag;
	uint16_t app_tag, app_mask;
};

/** udrv_nvme_rw() - put a transfer into the queue; returns as udrv_nvme_read(), -E2BIG: pieces. */
UDRV_API int udrv_nvme_rw(struct udrv_nvme_queue *q, const struct udrv_nvme_ns *ns,
			  const struct udrv_nvme_io *io, udrv_nvme_done_t done, void *ctx);

/**
 * udrv_nvme_crc_t10dif() - the guard of a block (Linux: crc_t10dif_update())
 * @crc: of what comes before, or 0
 * @buf: any memory
 * @len: bytes
 */
UDRV_API uint16_t udrv_nvme_crc_t10dif(uint16_t crc, const void *buf, size_t len);

/**
 * struct udrv_nvme_protected - blocks with their protection information, as they are transferred
 * @data: the first block; with the metadata behind each if that is extended
 * @metadata: or in a buffer of its own
 * @blocks: how many
 * @flags: NVME_RW_PRCHK_*, for udrv_nvme_pi_check()
 * @ref_tag: as in struct udrv_nvme_io, as what follows
 * @app_tag: see there
 * @app_mask: see there
 */
struct udrv_nvme_protected {
	void *data;
	void *metadata;
	uint32_t blocks;
	uint32_t flags;
	uint32_t ref_tag;
	uint16_t app_tag, app_mask;
};

/**
 * udrv_nvme_pi_make() - what a write without NVME_RW_PRACT takes
 * @ns: with protection information of 8 bytes
 * @p: the information is written to its metadata
 *
 * Any thread. Return: 0, -EOPNOTSUPP if @ns has none.
 */
UDRV_API int udrv_nvme_pi_make(const struct udrv_nvme_ns *ns, const struct udrv_nvme_protected *p);

/**
 * udrv_nvme_pi_check() - as the controller checks (8.3.1.5)
 * @ns: as for udrv_nvme_pi_make()
 * @p: what was read
 * @bad: the first block that does not fit, from 0, or NULL
 *
 * Return: 0, NVME_SC_GUARD_CHECK, NVME_SC_APPTAG_CHECK or NVME_SC_REFTAG_CHECK; -EOPNOTSUPP.
 */
UDRV_API int udrv_nvme_pi_check(const struct udrv_nvme_ns *ns, const struct udrv_nvme_protected *p,
				uint32_t *bad);

/** udrv_nvme_flush() - what was written before is kept when the power fails (6.8). */
UDRV_API int udrv_nvme_flush(struct udrv_nvme_queue *q, const struct udrv_nvme_ns *ns,
			     udrv_nvme_done_t done, void *ctx);

/**
 * udrv_nvme_write_zeroes() - @flags: NVME_RW_FUA, NVME_RW_DEAC. -EOPNOTSUPP: not known (6.17).
 *
 * Of a protected namespace the controller makes the information, as for udrv_nvme_write().
 */
UDRV_API int udrv_nvme_write_zeroes(struct udrv_nvme_queue *q, const struct udrv_nvme_ns *ns,
				    uint64_t lba, uint32_t blocks, uint32_t flags,
				    udrv_nvme_done_t done, void *ctx);

/**
 * udrv_nvme_verify() - check the blocks without transferring them (6.14)
 *
 * @flags: NVME_RW_PRCHK_GUARD and NVME_RW_PRCHK_REF if the namespace is protected; reference tags
 * are those of udrv_nvme_write().
 */
UDRV_API int udrv_nvme_verify(struct udrv_nvme_queue *q, const struct udrv_nvme_ns *ns,
			      uint64_t lba, uint32_t blocks, uint32_t flags, udrv_nvme_done_t done,
			      void *ctx);

/**
 * udrv_nvme_deallocate() - the blocks' contents are not needed any more (6.7)
 * @q: the queue
 * @ns: the namespace
 * @ranges: copied; blocks that exist, or -EINVAL
 * @count: 1 to NVME_DSM_RANGES_MAX
 * @done: as for udrv_nvme_read()
 * @ctx: for @done
 */
UDRV_API int udrv_nvme_deallocate(struct udrv_nvme_queue *q, const struct udrv_nvme_ns *ns,
				  const struct nvme_dsm_range *ranges, unsigned int count,
				  udrv_nvme_done_t done, void *ctx);

/**
 * udrv_nvme_command() - put any command of the I/O command set into the queue
 * @q: the queue
 * @cmd: opcode, flags but PSDT, nsid, cdw2, cdw3, cdw10 to cdw15
 * @buf: or NULL; direction as for udrv_nvme_admin()
 * @len: bytes of it, at most the controller's max_transfer
 * @done: as for udrv_nvme_read()
 * @ctx: for @done
 *
 * It is sent once: after a reset it ends with NVME_SC_HOST_ABORTED. Return: as udrv_nvme_read();
 * -EINVAL: the opcode has data and there is no buffer, or the other way round, or data both ways.
 */
UDRV_API int udrv_nvme_command(struct udrv_nvme_queue *q, const struct nvme_sqe *cmd, void *buf,
			       size_t len, udrv_nvme_done_t done, void *ctx);

/** udrv_nvme_submit() - show the controller all that was put into the queue: one doorbell. */
UDRV_API void udrv_nvme_submit(struct udrv_nvme_queue *q);

/**
 * udrv_nvme_poll() - call the callbacks of what has been completed
 * @q: the queue
 * @max: at most so many; 0: all that is there
 *
 * Never blocks; in a callback of the queue it does nothing. Also looks for commands that have taken
 * too long, and after a reset sends again what had no answer: whoever has commands in flight calls
 * it, or udrv_nvme_wait(), every second at least. It looks at the time once in 64 calls that find
 * nothing; whoever calls it seldom calls udrv_nvme_arm() before each pause, so that the next call
 * does. Return: how many callbacks were called.
 */
UDRV_API unsigned int udrv_nvme_poll(struct udrv_nvme_queue *q, unsigned int max);

/**
 * udrv_nvme_wait() - wait until something was completed, and call the callbacks
 * @q: the queue
 * @timeout_ms: -1: as long as it takes
 *
 * Submits first. How it waits was chosen with the queue. With nothing in flight it returns at once,
 * unless udrv_nvme_wake() was called. Return: how many callbacks were called; 0 after @timeout_ms,
 * or if it was woken.
 */
UDRV_API unsigned int udrv_nvme_wait(struct udrv_nvme_queue *q, int timeout_ms);

/** udrv_nvme_wake() - end udrv_nvme_wait() of another thread, or the next one. Any thread. */
UDRV_API void udrv_nvme_wake(struct udrv_nvme_queue *q);

/**
 * udrv_nvme_event_fd() - for threads that wait for other things, too: an eventfd that becomes
 * readable after an interrupt, a reset, or udrv_nvme_wake()
 *
 * udrv_nvme_arm() afterwards, then sleep. It need not be read. Whoever sleeps wakes every second at
 * least while commands are in flight, and polls: commands that take too long are found so. Return:
 * -EOPNOTSUPP for a queue that is polled.
 */
UDRV_API int udrv_nvme_event_fd(const struct udrv_nvme_queue *q);

/**
 * udrv_nvme_arm() - about to sleep until the event descriptor is readable
 * @q: the queue
 *
 * Resets the descriptor, then looks. True if there is something for udrv_nvme_poll() now: do not
 * sleep.
 */
UDRV_API bool udrv_nvme_arm(struct udrv_nvme_queue *q);

UDRV_END_DECLS

#include "nvme_inline.h"

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The software NVMe controller, shared by model_nvme*.c.
 *
 * One thread fetches and executes; all state is under one lock, except that a doorbell write only
 * leaves its value and a mark, so that who submits never waits for a command. Register accesses
 * ask for the lock by the counter waiters, for which the thread makes way between commands.
 */
#ifndef UDRV_MODEL_NVME_DEV_H
#define UDRV_MODEL_NVME_DEV_H

#include <pthread.h>

#include "backend/model.h"
#include "backend/model_nvme.h"
#include "backend/model_nvme_spec.h"

#define NVME_QIDS	 (UDRV__MODEL_NVME_QUEUES + 1)
#define NVME_DOORBELLS	 (2 * NVME_QIDS)
#define NVME_DIRTY_WORDS ((NVME_DOORBELLS + 63) / 64)
#define NVME_BAR_LEN	 0x4000
#define NVME_BAR_CMB	 2
#define NVME_CMB_BAR_LEN 0x20000
#define NVME_DBS_LEN	 (NVME_BAR_LEN - NVME_REG_DBS)
#define NVME_SEGS	 8200 /* 32 MiB by pages of 4 KiB */
#define NVME_BUFFER_LEN	 8192 /* a block with metadata, or what an admin command gives */
#define NVME_AERS	 4
#define NVME_ABORTS	 4
#define NVME_EVENTS	 16
#define NVME_ERRORS	 64
#define NVME_HELD	 1024
#define NVME_LBAFS	 4
#define NVME_FAULTS	 8
#define NVME_SAID	 16

/* Of a handler: the command is not completed now. */
#define NVME_LATER 0xffff

struct udrv__nvme_sq {
	bool on;
	uint16_t id, cqid;
	uint16_t last_cid; /* that was completed */
	uint8_t priority;  /* NVME_QPRIO_*, where weights count */
	uint32_t size, head, tail;
	uint32_t seen; /* of the host's memory, where doorbells are there */
	udrv_iova_t base;
	const struct udrv__nvme_cmd *memory; /* direct mode only */
	uint32_t *doorbell;
};

struct udrv__nvme_cq {
	bool on, ien;
	uint16_t id, vector;
	uint16_t phase;
	uint16_t users; /* submission queues */
	uint32_t size, head, tail;
	uint32_t seen;
	udrv_iova_t base;
	struct udrv__nvme_cqe *memory; /* direct mode only */
	uint32_t *doorbell;
};

/* A completion that waits: for its time, for room in its queue, or, due UDRV__NEVER, for ever. */
struct udrv__nvme_held {
	struct udrv__nvme_held *next;
	uint64_t due;
	uint16_t sqid, cid, status;
	bool overtaken; /* due when another command of the queue is completed */
	bool run;	/* the command is executed then */
	uint32_t dw0;
	struct udrv__nvme_cmd cmd;
};

struct udrv__nvme_fault {
	struct udrv__model_nvme_fault what;
	unsigned int seen;
};

/* A piece of the host's memory, or of nothing: a bit bucket. */
struct udrv__nvme_seg {
	udrv_iova_t addr;
	uint32_t len;
	bool bucket;
};

/* Where a transfer is in n->segs. */
struct udrv__nvme_cursor {
	unsigned int seg;
	uint32_t offset;
};

struct udrv__nvme_ns {
	bool allocated, attached;
	uint32_t nsid;
	uint32_t generation; /* of what the number means */
	uint64_t blocks;
	uint8_t lbaf;
	uint8_t pi;    /* protection information's type, or 0 */
	bool extended; /* metadata follows each block in the data buffer */
	unsigned int lba_shift, ms;

	/* What reads see, and what survives a power cut; one mapping for all of it. */
	unsigned char *data, *stable;
	unsigned char *meta, *stable_meta;
	uint64_t *dirty; /* a bit per block: differs from stable */
	uint64_t *bad;	 /* a bit per block: Write Uncorrectable */
	uint64_t dirty_from, dirty_to;
	bool any_bad;
	size_t bytes;
	void *map;
	size_t map_len;
	bool in_file; /* the data */
};

/* Of Identify, whatever is true. */
struct udrv__nvme_said {
	unsigned int cns, offset, size;
	uint64_t value;
};

struct udrv__nvme_event {
	uint8_t type, info, log;
};

/* 5.14.1.1 figure 197 */
struct udrv__nvme_error {
	uint64_t count;
	uint16_t sqid, cid, status, location;
	uint64_t lba;
	uint32_t nsid;
	uint8_t vendor, transport, reserved[2];
	uint64_t specific;
	uint16_t transport_specific;
	uint8_t reserved2[22];
};
_Static_assert(sizeof(struct udrv__nvme_error) == 64, "5.14.1.1: 64 bytes");

struct udrv__nvme_smart {
	uint64_t read_blocks, written_blocks; /* of 512 bytes */
	uint64_t reads, writes, power_cycles, unsafe_shutdowns;
	uint16_t temperature;
	uint8_t warning, spare;
};

struct udrv__nvme_sanitize {
	uint8_t state;	/* SSTAT 2:0 */
	uint8_t passes; /* of overwriting */
	uint32_t cdw10; /* of the command */
	bool erased;	/* and nothing written since smart.writes was: */
	uint64_t writes;
};

struct udrv__nvme_firmware {
	char slots[UDRV__MODEL_NVME_SLOTS][9]; /* revisions; empty: none */
	uint8_t active, next;		       /* 1's based; next: at a reset, 0: the same */
	unsigned char *image;		       /* downloaded, or NULL */
	uint32_t len;
	bool given[UDRV__MODEL_NVME_IMAGE_MAX / 4096];
};

struct udrv__nvme_boot {
	unsigned char *bytes; /* of partition 0, then 1 */
	uint8_t active, status;
	uint32_t select;
	uint64_t buffer;
};

struct udrv__nvme {
	struct udrv__model *model;
	struct udrv__model_nvme_config config;
	pthread_t thread;
	bool threaded;
	uint32_t first_mib; /* namespace 1 */
	unsigned int first_lbaf;

	/* Atomic. */
	uint64_t dirty[NVME_DIRTY_WORDS]; /* doorbells that were written */
	uint64_t doorbell_writes;
	uint32_t asleep;
	uint32_t waiters;
	unsigned char *doorbells; /* as in the BAR; values are atomic */

	pthread_mutex_t lock; /* everything below */
	pthread_cond_t work;  /* to the thread, on CLOCK_MONOTONIC */
	pthread_cond_t idle;  /* from the thread */

	uint32_t cc, csts, intms, aqa;
	uint64_t asq, acq;
	uint64_t cmbmsc;
	unsigned char *cmb; /* the BAR */
	unsigned int page_shift;

	struct udrv__nvme_sq sqs[NVME_QIDS];
	struct udrv__nvme_cq cqs[NVME_QIDS];
	unsigned int sq_end;  /* no queue at or above */
	unsigned int turn[4]; /* of a class, by priority */
	uint32_t sqs_granted, cqs_granted;
	udrv_iova_t shadow, shadow_event; /* 0: off */

	struct udrv__nvme_held *held, *held_free;
	struct udrv__nvme_held held_pool[NVME_HELD];
	struct udrv__nvme_fault faults[NVME_FAULTS];
	unsigned int fault_count;
	struct udrv__model_nvme_switches switches;
	struct udrv__nvme_said said[NVME_SAID];
	unsigned int said_count;
	uint32_t spoilt_lists; /* that were given */
	uint32_t most_bytes;   /* in a transfer */

	uint16_t aers[NVME_AERS];
	unsigned int aer_count;
	struct udrv__nvme_event events[NVME_EVENTS];
	unsigned int event_count;

	uint32_t features[256], saved_features[256];
	uint32_t under_threshold;
	uint64_t timestamp, timestamp_set_ns;
	struct udrv__nvme_error errors[NVME_ERRORS];
	uint64_t error_count;
	struct udrv__nvme_smart smart;
	uint64_t unallocated; /* bytes for more namespaces */

	struct udrv__nvme_ns ns[UDRV__MODEL_NVME_NS_MAX + 1]; /* by NSID */
	struct udrv__nvme_seg segs[NVME_SEGS];
	unsigned int seg_count;
	unsigned char buffer[NVME_BUFFER_LEN];
	struct udrv__model_nvme_counts counts;

	bool stopping, paused;
	uint64_t rests;			   /* of the thread, told by idle */
	bool subsystem_was_reset;	   /* and nobody has taken note */
	bool event_masked[NVME_AER_TYPES]; /* told, and its log page not read yet, which is: */
	uint8_t event_log[NVME_AER_TYPES];
	bool vectors_uncoalesced[UDRV__MODEL_NVME_VECTORS];
	bool timestamp_by_host;
	bool retry_delays; /* the host honours them: 5.21.1.22, ACRE */
	bool ns_changed[UDRV__MODEL_NVME_NS_MAX + 1];
	struct udrv__nvme_firmware firmware;
	struct udrv__nvme_boot boot;
	struct udrv__nvme_sanitize sanitize;
};

/* model_nvme.c; all others with n->lock held. */

struct udrv__nvme *udrv__nvme_of(struct udrv_device *dev);
void udrv__nvme_lock(struct udrv__nvme *n);
void udrv__nvme_unlock(struct udrv__nvme *n);
/* The thread has something to do. */
void udrv__nvme_wake(struct udrv__nvme *n);

/* model_nvme_config.c */
void udrv__nvme_config_init(struct udrv__nvme *n, const char *words);

/* model_nvme_regs.c */
uint64_t udrv__nvme_reg_read(struct udrv__nvme *n, uint64_t offset, unsigned int size);
void udrv__nvme_reg_write(struct udrv__nvme *n, uint64_t offset, unsigned int size, uint64_t val);
/* If what the host configured is possible, and nothing keeps it from being ready. */
void udrv__nvme_enable(struct udrv__nvme *n);
/* Queues, held commands and what a controller reset clears besides (7.3.2). */
void udrv__nvme_controller_reset(struct udrv__nvme *n);
void udrv__nvme_function_reset(struct udrv__nvme *n);
void udrv__nvme_fatal(struct udrv__nvme *n);
/* The pin, and messages that were masked. */
void udrv__nvme_update_pin(struct udrv__nvme *n);

/* model_nvme_queue.c */
uint32_t *udrv__nvme_doorbell(struct udrv__nvme *n, unsigned int index);
void udrv__nvme_init_sq(struct udrv__nvme *n, unsigned int qid, unsigned int cqid, udrv_iova_t base,
			uint32_t size);
void udrv__nvme_init_cq(struct udrv__nvme *n, unsigned int qid, udrv_iova_t base, uint32_t size,
			unsigned int vector, bool ien);
void udrv__nvme_end_sq(struct udrv__nvme *n, unsigned int qid);
void udrv__nvme_end_cq(struct udrv__nvme *n, unsigned int qid);
void udrv__nvme_set_tail(struct udrv__nvme *n, struct udrv__nvme_sq *sq, uint32_t val);
void udrv__nvme_set_head(struct udrv__nvme *n, struct udrv__nvme_cq *cq, uint32_t val);
/* New doorbell values are taken. */
void udrv__nvme_take_doorbells(struct udrv__nvme *n);
/* Execute at most one command of each queue; how many. */
unsigned int udrv__nvme_round(struct udrv__nvme *n);
/* Execute and complete, whatever is due or broken. */
void udrv__nvme_run(struct udrv__nvme *n, struct udrv__nvme_sq *sq,
		    const struct udrv__nvme_cmd *cmd, const struct udrv__model_nvme_fault *fault);
/* Is there a command that may be executed now? */
bool udrv__nvme_is_ready(const struct udrv__nvme *n, const struct udrv__nvme_sq *sq);
/* Of any queue, or held ones that may be due. */
bool udrv__nvme_any_ready(const struct udrv__nvme *n);

/* model_nvme_complete.c */
bool udrv__nvme_cq_is_full(const struct udrv__nvme_cq *cq);
void udrv__nvme_interrupt(struct udrv__nvme *n, const struct udrv__nvme_cq *cq);
struct udrv__nvme_cqe udrv__nvme_entry(const struct udrv__nvme *n, const struct udrv__nvme_sq *sq,
				       uint16_t cid, uint16_t status, uint32_t dw0);
/* There is room. */
void udrv__nvme_post(struct udrv__nvme *n, struct udrv__nvme_cq *cq,
		     const struct udrv__nvme_cqe *cqe);
void udrv__nvme_complete(struct udrv__nvme *n, struct udrv__nvme_sq *sq, uint16_t cid,
			 uint16_t status, uint32_t dw0);
/* Keep a completion until due; completes it when there is no room to keep it. */
void udrv__nvme_hold(struct udrv__nvme *n, struct udrv__nvme_sq *sq, uint16_t cid, uint16_t status,
		     uint32_t dw0, uint64_t due);
/* Likewise a command, which is executed then. */
void udrv__nvme_hold_command(struct udrv__nvme *n, struct udrv__nvme_sq *sq,
			     const struct udrv__nvme_cmd *cmd, uint64_t due);
/* What is held of a command is due when another of the queue is completed. */
void udrv__nvme_overtake(struct udrv__nvme *n, const struct udrv__nvme_sq *sq, uint16_t cid);
/* Deliver what is due; how many. *next: when the next one is. */
unsigned int udrv__nvme_deliver(struct udrv__nvme *n, uint64_t *next);
/* Forget what is held of a queue, NVME_QIDS: of all. */
void udrv__nvme_forget(struct udrv__nvme *n, unsigned int sqid);
/* Take a command out of what is held. */
bool udrv__nvme_take_held(struct udrv__nvme *n, unsigned int sqid, uint16_t cid);

/* model_nvme_admin.c */
uint16_t udrv__nvme_admin(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd, uint32_t *dw0);

/* model_nvme_qadmin.c */
uint16_t udrv__nvme_create_sq(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd);
uint16_t udrv__nvme_create_cq(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd);
uint16_t udrv__nvme_delete_sq(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd);
uint16_t udrv__nvme_delete_cq(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd);

/* model_nvme_identify.c */
uint16_t udrv__nvme_identify(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd);
/* MS and LBADS of an LBA format. */
unsigned int udrv__nvme_lbaf_ms(unsigned int lbaf);
unsigned int udrv__nvme_lbaf_shift(unsigned int lbaf);

/* model_nvme_features.c */
void udrv__nvme_features_init(struct udrv__nvme *n);
void udrv__nvme_features_reset(struct udrv__nvme *n);
uint16_t udrv__nvme_get_features(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd,
				 uint32_t *dw0);
uint16_t udrv__nvme_set_features(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd,
				 uint32_t *dw0);
bool udrv__nvme_cache_is_on(const struct udrv__nvme *n);

/* model_nvme_ns.c: namespaces and what they keep */
int udrv__nvme_ns_init(struct udrv__nvme *n);
void udrv__nvme_ns_end(struct udrv__nvme *n);
int udrv__nvme_ns_alloc(struct udrv__nvme_ns *ns, size_t bytes, int fd);
void udrv__nvme_ns_free(struct udrv__nvme_ns *ns);
/* Take an LBA format; all is zero afterwards, protection information all ones. */
void udrv__nvme_ns_format(struct udrv__nvme_ns *ns, unsigned int lbaf, bool extended,
			  unsigned int pi);
/* Blocks were written: persist says whether for good. */
void udrv__nvme_ns_wrote(struct udrv__nvme_ns *ns, uint64_t lba, uint64_t count, bool persist);
void udrv__nvme_ns_zero(struct udrv__nvme_ns *ns, uint64_t lba, uint64_t count, bool persist);
void udrv__nvme_ns_flush(struct udrv__nvme_ns *ns);
void udrv__nvme_ns_power_cut(struct udrv__nvme_ns *ns);
void udrv__nvme_ns_set_bad(struct udrv__nvme_ns *ns, uint64_t lba, uint64_t count, bool bad);
bool udrv__nvme_ns_is_bad(const struct udrv__nvme_ns *ns, uint64_t lba, uint64_t count);
void udrv__nvme_flush_all(struct udrv__nvme *n);

/* model_nvme_data.c: the host's memory by PRP and SGL */
uint16_t udrv__nvme_map_data(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd, uint32_t len,
			     bool to_host);
uint16_t udrv__nvme_map_prps(struct udrv__nvme *n, uint64_t prp1, uint64_t prp2, uint32_t len);
/* Move len bytes at the cursor; false: a part of the host's memory was not there. */
bool udrv__nvme_move(struct udrv__nvme *n, struct udrv__nvme_cursor *at, void *buf, uint32_t len,
		     bool to_host);
/* All of an admin command's buffer: map, and move. */
uint16_t udrv__nvme_give(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd, const void *buf,
			 uint32_t len);
uint16_t udrv__nvme_take(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd, void *buf,
			 uint32_t len);

/* model_nvme_nsadmin.c */
uint16_t udrv__nvme_ns_management(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd,
				  uint32_t *dw0);
uint16_t udrv__nvme_ns_attachment(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd);
uint16_t udrv__nvme_format(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd);
void udrv__nvme_ns_has_changed(struct udrv__nvme *n, uint32_t nsid);

/* model_nvme_sanitize.c */
uint16_t udrv__nvme_sanitize(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd);
/* Of commands that a sanitize, or one that failed, is in the way of: their status, else 0. */
uint16_t udrv__nvme_sanitize_refuses(const struct udrv__nvme *n);
bool udrv__nvme_sanitize_allows(const struct udrv__nvme_cmd *cmd);
unsigned int udrv__nvme_sanitize_log(const struct udrv__nvme *n, unsigned char *buf);

/* model_nvme_cmb.c */
/* The BAR gets its address. */
void udrv__nvme_cmb_place(struct udrv__nvme *n);
uint32_t udrv__nvme_cmb_read(const struct udrv__nvme *n, uint64_t offset);
/* What the host means by such an address; NULL: it is the host's own memory. */
void *udrv__nvme_cmb_at(const struct udrv__nvme *n, udrv_iova_t addr, size_t len);
/* Of the function: what is in it is lost. */
void udrv__nvme_cmb_reset(struct udrv__nvme *n);

/* model_nvme_firmware.c */
void udrv__nvme_firmware_init(struct udrv__nvme *n);
void udrv__nvme_firmware_end(struct udrv__nvme *n);
void udrv__nvme_firmware_reset(struct udrv__nvme *n);
const char *udrv__nvme_firmware_revision(const struct udrv__nvme *n);
uint16_t udrv__nvme_firmware_download(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd);
uint16_t udrv__nvme_firmware_commit(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd);

/* model_nvme_boot.c: boot partitions (8.13) */
int udrv__nvme_boot_init(struct udrv__nvme *n);
void udrv__nvme_boot_end(struct udrv__nvme *n);
void udrv__nvme_boot_reset(struct udrv__nvme *n, bool function);
uint32_t udrv__nvme_boot_register(const struct udrv__nvme *n, uint64_t offset);
void udrv__nvme_boot_write(struct udrv__nvme *n, uint64_t offset, uint32_t val);
/* What was asked for, if there is something. */
void udrv__nvme_boot_read(struct udrv__nvme *n);
uint16_t udrv__nvme_boot_replace(struct udrv__nvme *n, unsigned int id, const void *image,
				 uint32_t len);
uint16_t udrv__nvme_boot_activate(struct udrv__nvme *n, unsigned int id);

/* model_nvme_shadow.c: doorbells in the host's memory (5.7, 7.13) */
uint16_t udrv__nvme_set_shadow(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd);
void udrv__nvme_take_shadow(struct udrv__nvme *n);
/* Before sleeping: true if there is something to do after all. */
bool udrv__nvme_ask_to_ring(struct udrv__nvme *n);

/* model_nvme_io.c */
uint16_t udrv__nvme_io(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd);

/* model_nvme_pi.c: protection information (8.3) */
/* Is it the controller's alone, so that the host has none in its buffers? */
bool udrv__nvme_is_stripped(const struct udrv__nvme_ns *ns, const struct udrv__nvme_cmd *cmd);
/* Can what the command wants checked be checked? */
uint16_t udrv__nvme_check_prinfo(const struct udrv__nvme_ns *ns, const struct udrv__nvme_cmd *cmd);
/* Of a command's block-th block. */
void udrv__nvme_make_pi(const struct udrv__nvme_ns *ns, const struct udrv__nvme_cmd *cmd,
			uint32_t block, const unsigned char *data, unsigned char *pi);
uint16_t udrv__nvme_check_pi(const struct udrv__nvme_ns *ns, const struct udrv__nvme_cmd *cmd,
			     uint32_t block, const unsigned char *data, const unsigned char *pi);
/* Both, of what is in the namespace. */
uint16_t udrv__nvme_check_stored(const struct udrv__nvme_ns *ns, const struct udrv__nvme_cmd *cmd,
				 uint64_t lba, uint32_t blocks);

/* model_nvme_direct.c: reads and writes that move nothing, many at a time; how many */
unsigned int udrv__nvme_run_direct(struct udrv__nvme *n, struct udrv__nvme_sq *sq);

/* model_nvme_log.c */
/* Returns the status that says so. */
uint16_t udrv__nvme_log_error(struct udrv__nvme *n, const struct udrv__nvme_sq *sq,
			      const struct udrv__nvme_cmd *cmd, uint16_t status);
uint16_t udrv__nvme_get_log(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd);

/* model_nvme_event.c */
void udrv__nvme_event(struct udrv__nvme *n, unsigned int type, unsigned int info, unsigned int log);
uint16_t udrv__nvme_take_aer(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd);
void udrv__nvme_check_temperature(struct udrv__nvme *n);
/* Is it one that waits? Then no more. */
bool udrv__nvme_abort_aer(struct udrv__nvme *n, uint16_t cid);
/* Activation begins, for a host that wants to hear of it. */
void udrv__nvme_tell_firmware(struct udrv__nvme *n);
/* The log page was read: what it was about may be told again. */
void udrv__nvme_event_seen(struct udrv__nvme *n, unsigned int log);

/* model_nvme_fault.c */
bool udrv__nvme_pick_fault(struct udrv__nvme *n, const struct udrv__nvme_sq *sq,
			   const struct udrv__nvme_cmd *cmd, struct udrv__model_nvme_fault *fault);
/* True: the command is not executed now. */
bool udrv__nvme_fail_before(struct udrv__nvme *n, struct udrv__nvme_sq *sq,
			    const struct udrv__nvme_cmd *cmd,
			    const struct udrv__model_nvme_fault *fault);
void udrv__nvme_complete_badly(struct udrv__nvme *n, struct udrv__nvme_sq *sq,
			       const struct udrv__nvme_cmd *cmd, uint16_t status, uint32_t dw0,
			       const struct udrv__model_nvme_fault *fault);
void udrv__nvme_spoil_ctrl(const struct udrv__nvme *n, unsigned char *identify);
void udrv__nvme_spoil_ns(const struct udrv__nvme *n, unsigned char *identify);
/* True: the list was made. */
bool udrv__nvme_spoil_list(struct udrv__nvme *n, unsigned char *identify);
bool udrv__nvme_list_is_spoilt(const struct udrv__nvme *n);

#endif

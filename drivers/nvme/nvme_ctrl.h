/* SPDX-License-Identifier: MIT */
/* A controller, shared by the files of the library. */
#ifndef NVME_CTRL_H
#define NVME_CTRL_H

#include <pthread.h>

#include <udrv/completion.h>
#include <udrv/irq.h>
#include <udrv/workqueue.h>

#include "nvme_queue.h"

#define NVME_ADMIN_ENTRIES 32u
#define NVME_QUEUES_MAX	   128u
#define NVME_NS_MAX	   1024u /* namespaces that are looked at */
#define NVME_AERS_MAX	   4u
#define NVME_TICK_MS	   250

enum nvme_state {
	NVME_STARTING, /* attach */
	NVME_LIVE,
	NVME_RESETTING, /* by reset_work */
	NVME_DEAD,	/* given up */
};

/* Was the reset asked for? */
enum nvme_asked { NVME_NOT_ASKED, NVME_ASKED, NVME_ASKED_SUBSYSTEM };

/* What I/O queues share of namespaces: a table that only grows. */
struct nvme_namespaces {
	unsigned int count;
	struct udrv_nvme_ns *ns[NVME_NS_MAX]; /* by ascending nsid */
};

/* The controller memory buffer, or what of it is used. */
#define NVME_CMB_PAGES 1024u
struct nvme_cmb {
	uint8_t __udrv_iomem *mem; /* NULL: not mapped */
	uint64_t offset;
	uint64_t base; /* its address for the controller */
	unsigned int bar, pages;
	bool used[NVME_CMB_PAGES]; /* under queues_lock */
	bool on;
};

/* What the controller says of itself. Other threads look at it: it never changes, and is kept. */
struct nvme_identity {
	struct nvme_id_ctrl id;
	struct nvme_identity *older;
};

struct udrv_nvme {
	struct udrv_device *dev;
	struct udrv_nvme_options options;
	uint8_t __udrv_iomem *regs, *doorbells;
	uint64_t cap;
	uint32_t vs;
	unsigned int page_shift;
	struct nvme_identity *identity; /* the last, at first zeroes; atomic */
	unsigned int identities;
	uint32_t retry_ms[3]; /* 4.6.1, CRD: 0 is not told; atomic */
	bool shadows_on;
	bool membarrier;
	bool detaching;
	bool ns_changed; /* a number came to mean another one; atomic */

	/* Interrupts: 0 is the admin queue's; none: everything is polled. */
	unsigned int vectors;

	pthread_mutex_t state_lock; /* state, and who waits for it */
	pthread_cond_t state_changed;
	enum nvme_state state;
	enum nvme_asked asked;
	int subsystem_ret; /* of the last reset of the subsystem; atomic */
	unsigned int resets;
	uint32_t timeouts, aborts, bad; /* atomic */
	uint32_t paused_since;		/* nvme_clock() when CSTS.PP was seen first, or 0; atomic */

	/* The admin queue. Its callbacks are called with the lock held. */
	pthread_mutex_t admin_lock;
	struct udrv_nvme_queue *admin;
	bool admin_works; /* the controller takes commands */
	unsigned int aborts_in_flight, aborts_max;
	unsigned int aers_in_flight;

	/* I/O queues. */
	pthread_mutex_t config_lock; /* creating, deleting, initialising */
	pthread_mutex_t queues_lock; /* the table; for moments */
	unsigned int queues_max;
	unsigned int queues_made; /* of the table; atomic: callbacks ask, for which a reset waits */
	struct udrv_nvme_queue *queues[NVME_QUEUES_MAX + 1]; /* by qid */
	uint32_t attention; /* what queues that come now begin with: NVME_Q_FROZEN, NVME_Q_DEAD */
	bool formatting;    /* no queue may come */
	bool queues_by_namespaces; /* nobody has said how many; until it is decided */
	bool weighted;
	struct nvme_cmb cmb;
	uint32_t *shadows, *event_idxs; /* pages of 5.7, or NULL */
	udrv_iova_t shadows_iova, event_idxs_iova;

	pthread_mutex_t boot_lock; /* the registers that boot partitions are read by */

	pthread_mutex_t ns_lock; /* the table's changes */
	struct nvme_namespaces namespaces;
	uint64_t ns_questions; /* so often it was asked for what is in it */
	uint64_t ns_gone;      /* the last one whose answer left out a number that is not in it */

	/* A thread for resets and the clock; one for events, who may wait for a reset. */
	struct udrv_workqueue_struct *wq;
	struct udrv_workqueue_struct *event_wq;
	struct udrv_work_struct reset_work;
	struct udrv_work_struct event_work;
	struct udrv_delayed_work tick_work;
	uint32_t events[16]; /* completion DW0 of asynchronous events, under admin_lock */
	unsigned int event_count;
	uint32_t to_tell; /* bits of enum udrv_nvme_event; atomic */
	pthread_mutex_t listener_lock;
	void (*listener)(void *ctx, enum udrv_nvme_event event, uint32_t arg);
	void *listener_ctx;
};

/* As the last initialisation found it; zeroes before the first. */
static inline const struct nvme_id_ctrl *nvme_id(const struct udrv_nvme *nvme)
{
	return &__atomic_load_n(&nvme->identity, __ATOMIC_ACQUIRE)->id;
}

static inline uint32_t nvme_read32(const struct udrv_nvme *nvme, unsigned long reg)
{
	return udrv_readl((const uint32_t __udrv_iomem *)(nvme->regs + reg));
}

static inline void nvme_write32(const struct udrv_nvme *nvme, unsigned long reg, uint32_t val)
{
	udrv_writel(val, (uint32_t __udrv_iomem *)(nvme->regs + reg));
}

/* nvme_caps.c: registers and what they promise. Two accesses where 64 bits are not to be had. */
uint64_t nvme_read64(const struct udrv_nvme *nvme, unsigned long reg);
void nvme_write64(const struct udrv_nvme *nvme, unsigned long reg, uint64_t val);
/* CAP and VS, and whether this driver can use them. */
int nvme_look_at_caps(struct udrv_nvme *nvme);
/* Are the queue pair's doorbells in the BAR? */
bool nvme_has_doorbells(const struct udrv_nvme *nvme, unsigned int qid);
/* 7.6.1, the registers' part: from disabled to ready. */
int nvme_enable(struct udrv_nvme *nvme);
/* CC.EN off until CSTS.RDY is. */
int nvme_disable(struct udrv_nvme *nvme);
/* 7.6.2 */
int nvme_shut_down(struct udrv_nvme *nvme);
/* All ones: nobody answers. */
bool nvme_is_absent(const struct udrv_nvme *nvme);

/* nvme_admin.c */
int nvme_admin_init(struct udrv_nvme *nvme);
void nvme_admin_exit(struct udrv_nvme *nvme);
/* The controller was enabled with an empty queue: commands are taken. */
void nvme_admin_open(struct udrv_nvme *nvme);
/* No more commands are taken. */
void nvme_admin_close(struct udrv_nvme *nvme);
/* See what has been completed. */
void nvme_admin_look(struct udrv_nvme *nvme);
/* The controller is quiet: everything in flight ends, and the queue is empty. */
void nvme_admin_cancel(struct udrv_nvme *nvme);
/*
 * As udrv_nvme_admin(), for the library itself: whatever the state, all opcodes. @own: the caller
 * is the one who resets, so a timeout is only returned, with the device quiet.
 */
int nvme_admin_run(struct udrv_nvme *nvme, const struct nvme_sqe *cmd, void *buf, size_t len,
		   uint32_t *result, bool own);
/* Likewise, with a time of its own. */
int nvme_admin_run_for(struct udrv_nvme *nvme, const struct nvme_sqe *cmd, void *buf, size_t len,
		       uint32_t *result, bool own, unsigned int timeout_ms);
udrv_irqreturn_t nvme_admin_interrupt(int irq, void *ctx);
int nvme_admin_identify(struct udrv_nvme *nvme, unsigned int cns, uint32_t nsid, void *buf,
			bool own);
/* Ask the controller to abort a command, and forget it. */
void nvme_admin_abort(struct udrv_nvme *nvme, uint16_t qid, uint16_t cid);
/* Have as many asynchronous event requests in flight as it takes. */
void nvme_admin_listen(struct udrv_nvme *nvme);
/* nvme_admin.c: queues' callbacks that this thread is in: the controller must not be waited for. */
extern __thread unsigned int nvme_callbacks;

static inline bool nvme_in_callback(void)
{
	return nvme_callbacks;
}

static inline void nvme_callbacks_begin(void)
{
	nvme_callbacks++;
}

static inline void nvme_callbacks_end(void)
{
	nvme_callbacks--;
}

/* nvme_admin_cmds.c: as udrv_nvme_admin(), all opcodes, with a time of its own. */
int nvme_admin_by_user(struct udrv_nvme *nvme, const struct nvme_sqe *cmd, void *buf, size_t len,
		       uint32_t *result, unsigned int timeout_ms);

/* nvme_cmb.c: after each reset; a controller that has none is no failure. */
int nvme_cmb_enable(struct udrv_nvme *nvme);
void nvme_cmb_exit(struct udrv_nvme *nvme);
/* Pages of it for a new queue, if there are. */
void nvme_cmb_take(struct udrv_nvme *nvme, struct udrv_nvme_queue *q);
void nvme_cmb_give(struct udrv_nvme *nvme, struct udrv_nvme_queue *q);
/* Where the controller finds the submission queue. */
udrv_iova_t nvme_sq_address(struct udrv_nvme *nvme, struct udrv_nvme_queue *q);

/* nvme_boot.c: does the controller write a boot partition to memory? */
bool nvme_boot_is_read(const struct udrv_nvme *nvme);

/* nvme_firmware.c: does an activation keep it from taking commands? */
bool nvme_is_paused(struct udrv_nvme *nvme, uint32_t now);
/* Firmware Commit, with the time that it may take; -EOPNOTSUPP. */
int nvme_commit(struct udrv_nvme *nvme, uint32_t cdw10);

/* nvme_attach.c: once the namespaces are known: as many as the exports of all of them want. */
int nvme_want_queues(struct udrv_nvme *nvme);

/* nvme_init.c: identify, features, queues, namespaces: from enabled to usable. */
int nvme_initialise(struct udrv_nvme *nvme);
void nvme_forget_identity(struct udrv_nvme *nvme);
/* Bytes of one command. */
uint32_t nvme_max_transfer(const struct udrv_nvme *nvme);
bool nvme_has_sgl(const struct udrv_nvme *nvme);
/* The controller knows the queue from now on. */
int nvme_queue_tell(struct udrv_nvme *nvme, struct udrv_nvme_queue *q, bool own);

/* nvme_wait.c: that an I/O queue may have, a power of two. */
unsigned int nvme_most_entries(const struct udrv_nvme *nvme);

/* nvme_ns.c: read all namespaces, or one, anew. */
int nvme_ns_scan(struct udrv_nvme *nvme, bool own);
int nvme_ns_update(struct udrv_nvme *nvme, uint32_t nsid, bool own);
/* Did the number mean another namespace when a command of that age was put? */
bool nvme_ns_is_other(struct udrv_nvme *nvme, uint32_t nsid, uint32_t age_ms);
void nvme_ns_free(struct udrv_nvme *nvme);

/* nvme_reset.c */
/* It reaches no memory any more, whatever that takes; 0 if it can be enabled again. */
int nvme_quiet(struct udrv_nvme *nvme);
/* Have it reset; nobody is waited for. */
/* @why is for the log, or NULL. */
void nvme_want_reset(struct udrv_nvme *nvme, const char *why);
void nvme_reset_work(struct udrv_work_struct *work);
void nvme_tick_work(struct udrv_work_struct *work);
void nvme_set_state(struct udrv_nvme *nvme, enum nvme_state state);
/* Until it is live (0), or dead: -EIO, -ENODEV. */
int nvme_await_live(struct udrv_nvme *nvme);

/*
 * nvme_subsystem.c: reset the subsystem of a controller that is quiet. 0: it answers again;
 * -EPROTO: likewise, but it does not say that it was reset; other negative errno: it does not.
 */
int nvme_subsystem_reset(struct udrv_nvme *nvme);
/* CSTS.NSSRO is said, and cleared, so that the next one is seen. */
void nvme_subsystem_forget_reset(struct udrv_nvme *nvme);

/* nvme_event.c */
void nvme_event_work(struct udrv_work_struct *work);
/* By event_work, without an argument. */
void nvme_tell_later(struct udrv_nvme *nvme, enum udrv_nvme_event event);

#endif

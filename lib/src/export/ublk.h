/* SPDX-License-Identifier: MIT */
/*
 * A block device as /dev/ublkbN: a server of Linux's ublk driver. One thread for each hardware
 * queue, which opened the driver's queue and owns all that goes through it.
 */
#ifndef UDRV_SRC_UBLK_H
#define UDRV_SRC_UBLK_H

#include <liburing.h>
#include <mntent.h>
#include <pthread.h>
#include <stdio.h>

#include <udrv/block.h>

#include "export/ublk_uapi.h"
#include "sched/adaptive.h"

/* ublk_params.c: what the kernel is told. No system calls. */

#define UDRV__UBLK_MAX_DEPTH  128u
#define UDRV__UBLK_MAX_IO     (256u << 10)
#define UDRV__UBLK_MAX_MEMORY (64u << 20) /* of all buffers of a device */

/* struct udrv__ublk_shape - queues, tags of each, bytes of each tag's buffer */
struct udrv__ublk_shape {
	unsigned int queues, depth;
	uint32_t max_io;
};

void udrv__ublk_shape(const struct udrv_block_limits *l, unsigned int cpus,
		      struct udrv__ublk_shape *shape);
void udrv__ublk_params(const struct udrv_block_limits *l, uint32_t max_io, struct ublk_params *p);
/*
 * Are these the same disk's? Limits of requests do not count: longer ones are split, and what a
 * driver does not know any more is -EOPNOTSUPP.
 */
bool udrv__ublk_same_params(const struct ublk_params *a, const struct ublk_params *b);
/* Upper half: which device it is of; lower half: which of its disks. Neither is 0. */
uint64_t udrv__ublk_identity(const char *device, const struct udrv_block *block);
bool udrv__ublk_is_of(uint64_t identity, const char *device);

/* ublk_request.c: a request of the kernel's as requests of the driver's. No system calls. */

struct udrv__ublk_request {
	enum udrv_block_op op;
	uint32_t flags;
	uint64_t offset; /* of what is left */
	uint32_t left, len;
	bool flush; /* is left to do */
};

/* 0, or negative errno: it cannot be done. */
int udrv__ublk_request_begin(struct udrv__ublk_request *r, const struct udrv_block_limits *l,
			     const struct ublk_desc *desc);
/* The next part into rq, whose data is in buf + what was done; false: there is none. */
bool udrv__ublk_request_next(struct udrv__ublk_request *r, const struct udrv_block_limits *l,
			     void *buf, struct udrv_block_request *rq);
/* What the kernel is told at the end; error is 0 or negative. */
int udrv__ublk_request_result(const struct udrv__ublk_request *r, int error);

/* Where device nodes are: /dev, but for tests. */
extern const char *udrv__ublk_dev;

/* ublk_ctrl.c: the control node. */

struct udrv__ublk_ctrl {
	int fd;
	struct io_uring ring;
	uint64_t sequence; /* of the newest command */
	uint64_t features; /* of the kernel's driver: UBLK_F_* */
};

/* Explains failures: no module, a kernel that is too old, no permission. */
int udrv__ublk_ctrl_open(struct udrv__ublk_ctrl *c);
void udrv__ublk_ctrl_close(struct udrv__ublk_ctrl *c);
/* One command. 0 or a positive result, or negative errno. */
int udrv__ublk_call(struct udrv__ublk_ctrl *c, unsigned int op, const struct ublk_ctrl *arg);
/* The same in two halves; -ETIME: not yet, ask again. One at a time. */
int udrv__ublk_begin(struct udrv__ublk_ctrl *c, unsigned int op, const struct ublk_ctrl *arg);
int udrv__ublk_await(struct udrv__ublk_ctrl *c, unsigned int timeout_ms);

int udrv__ublk_get_info(struct udrv__ublk_ctrl *c, uint32_t id, struct ublk_info *info);
int udrv__ublk_add(struct udrv__ublk_ctrl *c, struct ublk_info *info);
int udrv__ublk_params_call(struct udrv__ublk_ctrl *c, unsigned int op, uint32_t id,
			   struct ublk_params *p);
/* START_DEV, STOP_DEV, recovery: a command with a number at most. */
int udrv__ublk_simple(struct udrv__ublk_ctrl *c, unsigned int op, uint32_t id, uint64_t data);
/* Delete; does not wait long for others to close it. */
int udrv__ublk_delete(struct udrv__ublk_ctrl *c, uint32_t id);
/* ublk_node.c: "/dev/ublk<kind><id>". */
#define UDRV__UBLK_PATH_MAX 128
void udrv__ublk_path(char path[UDRV__UBLK_PATH_MAX], char kind, uint32_t id);
/* Open /dev/ublkcN, which may take udev a moment to make. Explains failures. */
int udrv__ublk_open_node(uint32_t id, int *fd_out);
/* Until /dev/ublkbN is there; not for ever. */
void udrv__ublk_await_disk(uint32_t id);

/* ublk_users.c: who has it. */
/* The next one of the disk's, and its partitions'; or NULL. */
const struct mntent *udrv__ublk_next_mount(FILE *mounts, const char *disk);
/* That are lost if it goes: file systems that are mounted here, swap space, what is made of it. */
bool udrv__ublk_has_users(uint32_t id);

/* ublk_queue.c: the threads. */

struct udrv__ublk_tag {
	struct udrv_block_request rq; /* first: done() finds the tag */
	struct udrv__ublk_queue *q;
	struct udrv__ublk_request r;
	void *buf;
	udrv_iova_t iova;
	struct udrv__ublk_tag *next; /* of those that wait for room */
	int result;
	bool in_call, ended;
	bool plain; /* the buffer is not of the device's DMA memory */
};

/* Of a queue, for the log; unwanted: looks that ended because others wanted the CPU. */
struct udrv__ublk_counts {
	uint64_t requests, sleeps, unwanted;
	uint64_t spun_ns, cpu_ns;
};

struct udrv__ublk;

struct udrv__ublk_queue {
	struct udrv__ublk *u;
	unsigned int index;
	pthread_t thread;
	bool started; /* the thread */

	void *queue; /* the driver's */
	int event_fd;
	struct io_uring ring;
	const struct ublk_desc *descs;
	struct udrv__ublk_tag *tags;
	bool watched;		/* event_fd is, by a poll in the ring */
	bool uncommitted;	/* requests that the driver need not have started */
	unsigned int owned;	/* tags that the kernel waits for */
	unsigned int in_driver; /* of them */
	unsigned int aborted;	/* tags that it does not want any more */
	struct udrv__ublk_tag *waiting, **waiting_end;
	int error;

	struct udrv__adaptive adaptive;
	struct udrv__ublk_counts counts;
};

/* Where the threads are, together. */
enum udrv__ublk_phase { UDRV__UBLK_PREPARE, UDRV__UBLK_SERVE, UDRV__UBLK_GIVE_UP };

struct udrv__ublk {
	struct udrv_block *block;
	struct udrv__ublk_ctrl ctrl;
	struct udrv__ublk_shape shape;
	uint32_t id;
	int fd;	      /* /dev/ublkcN */
	int kick_fd;  /* eventfd: look at the phase */
	int ended_fd; /* eventfd, the export's: a thread has ended unasked */
	uint64_t started_ns;
	bool recovered; /* it was there before */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum udrv__ublk_phase phase;
	unsigned int prepared, serving; /* threads that came so far */
	int error;			/* the first thread's that failed */
	bool stopping;			/* its end is asked for; atomic */
	struct udrv__ublk_queue *queues;
};

/* The threads open the driver's queues and get memory; all of them have, or none. */
int udrv__ublk_prepare(struct udrv__ublk *u);
/* They fetch from u->fd. When 0 is returned, all tags of all queues have been offered. */
int udrv__ublk_serve(struct udrv__ublk *u);
/*
 * They take no request any more, end as soon as they have none, and leave the kernel's device as it
 * is. When this returns they have.
 */
void udrv__ublk_give_up(struct udrv__ublk *u);

/* ublk_loop.c: what a queue's thread does until the kernel has aborted all its tags. */
/* A command to /dev/ublkcN; the descriptor is the caller's to set. */
void udrv__ublk_prepare_io(struct io_uring_sqe *sqe, unsigned int op, const struct ublk_io *cmd);
int udrv__ublk_fetch_all(struct udrv__ublk_queue *q);
/* A signal of event_fd is a completion of the ring: the next one. */
void udrv__ublk_watch_event(struct udrv__ublk_queue *q);
void udrv__ublk_loop(struct udrv__ublk_queue *q);

/* ublk_wait.c: look, spin or sleep until there is something to do. 0 or negative errno. */
void udrv__ublk_wait_begin(struct udrv__ublk_queue *q);
int udrv__ublk_wait(struct udrv__ublk_queue *q);

/* ublk_recover.c */

/*
 * Look for what a daemon that was killed left of this disk. 1 and *info if it is to be recovered;
 * 0 if there is nothing, any more; negative errno, explained.
 */
int udrv__ublk_find(struct udrv__ublk_ctrl *c, const struct udrv_block *block, uint64_t identity,
		    struct ublk_info *info);
/*
 * What a daemon that was killed left of disks of @device that are none of its block devices now is
 * removed, if nobody has it; otherwise it is told what to do. 0, or negative errno, explained: ublk
 * cannot be used.
 */
int udrv__ublk_remove_strays(const char *device);
/*
 * The kernel forgets the old server, which has closed what it had and whose requests are put back;
 * also one that was killed while it took it over itself.
 */
int udrv__ublk_start_recovery(struct udrv__ublk_ctrl *c, uint32_t id,
			      const struct udrv__ublk_shape *shape);

/* ublk.c */

/*
 * Make /dev/ublkbN of @block, or take over what is left of it. @number: N, or -1 for any. @ended_fd
 * is signalled when it ends by itself. Explains failures, and leaves nothing behind then.
 */
int udrv__ublk_start(struct udrv_block *block, const char *device, int number, int ended_fd,
		     struct udrv__ublk **out);
/* Flush what others wrote, if they still have it open, and end. */
void udrv__ublk_stop(struct udrv__ublk *u);
/*
 * What it was started for does not begin: it ends, but what a killed daemon had left is left again,
 * with the requests that wait there.
 */
void udrv__ublk_undo(struct udrv__ublk *u);
/* The disk is gone: nothing is flushed. */
void udrv__ublk_end(struct udrv__ublk *u);
/* The block device has another size: tell the kernel, or the user that it cannot be told. */
void udrv__ublk_resize(struct udrv__ublk *u);

#endif

// SPDX-License-Identifier: MIT
/*
 * What a daemon that was killed has left. The kernel keeps its device, in which new requests wait
 * and those that the daemon had are put back; and it keeps a number of the server's own, in which
 * the device and the disk are named (udrv__ublk_identity()). So nothing that could be stale is kept
 * beside it: all of the kernel's ublk devices are looked through.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <udrv/log.h>

#include "export/ublk.h"
#include "pci/sysfs.h"
#include "sched/clock.h"
#include "sched/thread.h"

/*
 * The kernel puts requests back at once, but those of a queue whose tags the daemon had all: when
 * they have taken longer than the disk's io_timeout (see ublk.c; 30 s until that is set).
 */
#define QUIESCES_MS 45000
#define CLOSES_MS   10000
#define LOOK_MS	    20
#define SAY_MS	    2000

static void nap(void)
{
	const struct timespec ts = {.tv_nsec = LOOK_MS * 1000000L};

	(void)nanosleep(&ts, NULL);
}

static bool is_alive(int pid)
{
	return pid > 0 && (!kill(pid, 0) || errno == EPERM);
}

/* There is nothing that tells of it. 0, with *info as it is then, or negative errno. */
static int await_quiesced(struct udrv__ublk_ctrl *c, struct ublk_info *info)
{
	const uint32_t id = info->dev_id;
	const uint64_t start = udrv__now_ns();
	bool said = false;
	int ret = 0;

	while (!ret && info->state == UBLK_LIVE) {
		const uint64_t ms = (udrv__now_ns() - start) / 1000000;

		if (ms > QUIESCES_MS || (ms > CLOSES_MS && is_alive(info->pid))) {
			udrv_pr_err("/dev/ublkb%u is this disk already, served by process %d", id,
				    info->pid);
			return -EBUSY;
		}
		if (ms > SAY_MS && !said)
			udrv_pr_info("/dev/ublkb%u: waits until the kernel has put back what the "
				     "killed daemon had",
				     id);
		said = ms > SAY_MS;
		nap();
		ret = udrv__ublk_get_info(c, id, info);
	}
	return ret;
}

/* What waits in it was meant for one of another size. */
static int remove_other(struct udrv__ublk_ctrl *c, uint32_t id)
{
	if (udrv__ublk_has_users(id)) {
		udrv_pr_err("/dev/ublkb%u is mounted and waits for the disk as it was before, of "
			    "another size or with another write cache: make it so again, or "
			    "unmount it (umount --lazy), and start again",
			    id);
		return -EBUSY;
	}
	udrv_pr_warn("/dev/ublkb%u was of a disk of another size, or with another write cache: "
		     "removed",
		     id);
	return udrv__ublk_delete(c, id);
}

/* 1 or 0, or negative errno, explained. */
static int same_disk(struct udrv__ublk_ctrl *c, const struct udrv_block *block,
		     const struct ublk_info *info)
{
	struct ublk_params kernel = {0};
	struct ublk_params ours;
	int ret = udrv__ublk_params_call(c, UBLK_GET_PARAMS, info->dev_id, &kernel);

	if (ret) {
		udrv_pr_err("/dev/ublkc%u: cannot look what it is: %s", info->dev_id,
			    strerror(-ret));
		return ret;
	}
	udrv__ublk_params(&block->limits, info->max_io, &ours);
	return udrv__ublk_same_params(&kernel, &ours);
}

/* 1: its requests wait, for whoever takes it over. 0: it is no more; negative errno, explained. */
static int await_left(struct udrv__ublk_ctrl *c, struct ublk_info *info)
{
	const int ret = await_quiesced(c, info);

	if (ret)
		return ret == -ENODEV ? 0 : ret;
	if (info->state == UBLK_QUIESCED)
		return 1;
	udrv_pr_info("/dev/ublkc%u was left half made or half removed: removed", info->dev_id);
	return udrv__ublk_delete(c, info->dev_id);
}

/* All of the kernel's devices, until one is what is looked for. */
struct search {
	/* 1: it is; 0: go on; negative errno, explained. */
	int (*look)(struct search *s, struct udrv__ublk_ctrl *c, struct ublk_info *info);
	const struct udrv_block *block;
	uint64_t identity;
	const char *device;
	struct ublk_info found;
};

static int look(struct search *s, struct udrv__ublk_ctrl *c, const char *name)
{
	struct ublk_info info;
	unsigned int id;
	int ret;

	if (sscanf(name, "ublkc%u", &id) != 1)
		return 0;
	ret = udrv__ublk_get_info(c, id, &info);
	/* -EINVAL: of a user without privileges (UBLK_F_UNPRIVILEGED_DEV), so none of ours. */
	if (ret == -ENODEV || ret == -EINVAL)
		return 0;
	if (ret)
		udrv_pr_err("/dev/ublkc%u: cannot look whose it is: %s", id, strerror(-ret));
	else
		ret = s->look(s, c, &info);
	if (ret > 0)
		s->found = info;
	return ret;
}

static void class_path(char path[UDRV__UBLK_PATH_MAX])
{
	(void)snprintf(path, UDRV__UBLK_PATH_MAX, "%s/class/ublk-char", udrv__sysfs_root);
}

static int search(struct search *s, struct udrv__ublk_ctrl *c)
{
	char path[UDRV__UBLK_PATH_MAX];
	const struct dirent *entry;
	int ret = 0;
	DIR *dir;

	class_path(path);
	dir = opendir(path);
	if (!dir && errno != ENOENT) {
		ret = -errno;
		udrv_pr_err("%s: cannot open: %s", path, strerror(-ret));
	}
	while (dir && !ret && (entry = readdir(dir)))
		ret = look(s, c, entry->d_name);
	if (dir)
		(void)closedir(dir);
	return ret;
}

static int look_for_disk(struct search *s, struct udrv__ublk_ctrl *c, struct ublk_info *info)
{
	int ret;

	if (info->server != s->identity)
		return 0;
	ret = await_left(c, info);
	if (ret <= 0)
		return ret;
	ret = same_disk(c, s->block, info);
	return ret ? ret : remove_other(c, info->dev_id);
}

int udrv__ublk_find(struct udrv__ublk_ctrl *c, const struct udrv_block *block, uint64_t identity,
		    struct ublk_info *info)
{
	struct search s = {.look = look_for_disk, .block = block, .identity = identity};
	const int ret = search(&s, c);

	if (ret > 0)
		*info = s.found;
	return ret;
}

static bool is_block(uint64_t identity, const char *device)
{
	const struct udrv_block *b = NULL;

	while ((b = udrv_block_next(b)))
		if (udrv__ublk_identity(device, b) == identity)
			return true;
	return false;
}

/* One that stays keeps nobody from anything. */
static int look_for_stray(struct search *s, struct udrv__ublk_ctrl *c, struct ublk_info *info)
{
	const uint32_t id = info->dev_id;

	if (!udrv__ublk_is_of(info->server, s->device) || is_block(info->server, s->device) ||
	    await_left(c, info) <= 0)
		return 0;
	if (udrv__ublk_has_users(id)) {
		udrv_pr_warn("/dev/ublkb%u is mounted and waits for a disk of %s that is not there "
			     "any more: bring that back, or unmount it (umount --lazy), and start "
			     "again",
			     id, s->device);
		return 0;
	}
	udrv_pr_warn("/dev/ublkb%u was of a disk of %s that is not there any more: removed", id,
		     s->device);
	(void)udrv__ublk_delete(c, id);
	return 0;
}

int udrv__ublk_remove_strays(const char *device)
{
	struct search s = {.look = look_for_stray, .device = device};
	struct udrv__ublk_ctrl c;
	char path[UDRV__UBLK_PATH_MAX];
	int ret;

	class_path(path);
	/* Without the module there are none; why it is not there is said by those who need it. */
	if (access(path, F_OK))
		return 0;
	ret = udrv__ublk_ctrl_open(&c);
	if (ret)
		return ret;
	ret = search(&s, &c);
	udrv__ublk_ctrl_close(&c);
	return ret;
}

/*
 * A daemon may have been killed while it took over: then the kernel knows it for some queues, and
 * nobody for the others. Told now that a new one comes, it would die of that (Linux 6.12,
 * drivers/block/ublk_drv.c, ublk_queue_reinit()). So first somebody, who goes at once, fetches in
 * its place. What a queue with a server refuses is as it should be; and no request comes, as the
 * kernel keeps them back.
 */
struct claim {
	const struct udrv__ublk_shape *shape;
	int fd;
	int ret;
};

static int claim_queue(const struct claim *c, struct io_uring *ring, unsigned int queue)
{
	static char nowhere[1];
	int ret;

	for (unsigned int tag = 0; tag < c->shape->depth; tag++) {
		const struct ublk_io cmd = {
			.queue = (uint16_t)queue, .tag = (uint16_t)tag, .addr = (uintptr_t)nowhere};
		struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

		if (!sqe)
			return -ENOSPC;
		udrv__ublk_prepare_io(sqe, UBLK_FETCH, &cmd);
		sqe->fd = c->fd;
	}
	ret = io_uring_submit(ring);
	io_uring_cq_advance(ring, io_uring_cq_ready(ring));
	return ret < 0 ? ret : 0;
}

static void *claim_main(void *arg)
{
	struct io_uring_params params = {0};
	struct claim *c = arg;
	struct io_uring ring;

	udrv__thread_begin("ublk-claim");
	c->ret = io_uring_queue_init_params(c->shape->depth, &ring, &params);
	if (c->ret)
		return NULL;
	for (unsigned int i = 0; i < c->shape->queues && !c->ret; i++)
		c->ret = claim_queue(c, &ring, i);
	io_uring_queue_exit(&ring);
	return NULL;
}

static int claim(uint32_t id, const struct udrv__ublk_shape *shape)
{
	struct claim c = {.shape = shape};
	pthread_t thread;
	/* That waits until the kernel has closed what the killed daemon had open. */
	int ret = udrv__ublk_open_node(id, &c.fd);

	if (ret)
		return ret;
	/* A queue is its thread's, which must have ended. */
	ret = udrv__thread_create(&thread, claim_main, &c);
	if (!ret) {
		pthread_join(thread, NULL);
		ret = c.ret;
	}
	close(c.fd);
	return ret;
}

int udrv__ublk_start_recovery(struct udrv__ublk_ctrl *c, uint32_t id,
			      const struct udrv__ublk_shape *shape)
{
	const uint64_t end = udrv__now_ns() + CLOSES_MS * UINT64_C(1000000);
	int ret = claim(id, shape);

	if (ret)
		return ret;
	/* A ring that was closed ends a moment later. */
	while ((ret = udrv__ublk_simple(c, UBLK_START_RECOVERY, id, 0)) == -EBUSY &&
	       udrv__now_ns() < end)
		nap();
	return ret;
}

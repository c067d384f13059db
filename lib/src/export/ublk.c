// SPDX-License-Identifier: MIT
/* From a block device of a driver's to /dev/ublkbN, and back. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <udrv/completion.h>
#include <udrv/device.h>
#include <udrv/jiffies.h>
#include <udrv/log.h>

#include "export/ublk.h"
#include "pci/sysfs.h"
#include "sched/clock.h"

#define FLUSH_S	    5
#define STOP_SAY_MS 5000
#define SECTOR	    512u

static void log_ready(const struct udrv__ublk *u)
{
	udrv_pr_info("/dev/ublkb%u: %s, %llu MiB, %u queue%s of %u%s", u->id, u->block->name,
		     (unsigned long long)(u->block->limits.size >> 20), u->shape.queues,
		     u->shape.queues == 1 ? "" : "s", u->shape.depth,
		     u->recovered ? "; found again, and what waited goes on" : "");
}

/*
 * How soon the kernel looks whether a server with all tags of a queue in its hands is still there.
 * As long as it is, nothing comes of it, however long a request takes.
 */
static void set_timeout(const struct udrv__ublk *u)
{
	char path[UDRV__UBLK_PATH_MAX];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/block/ublkb%u/queue/io_timeout", udrv__sysfs_root,
		       u->id);
	f = fopen(path, "we");
	if (!f)
		return;
	(void)fputs("3000", f);
	(void)fclose(f);
}

static int failed(const struct udrv__ublk *u, const char *what, int ret)
{
	udrv_pr_err("%s: %s: %s", u->block->name, what, strerror(-ret));
	return ret;
}

static int add(struct udrv__ublk *u, int number, uint64_t identity)
{
	struct ublk_info info = {
		.queues = (uint16_t)u->shape.queues,
		.depth = (uint16_t)u->shape.depth,
		.max_io = u->shape.max_io,
		.dev_id = number < 0 ? UBLK_ANY_ID : (uint32_t)number,
		.flags = UBLK_F_RECOVERY | UBLK_F_REISSUE | UBLK_F_IOCTL,
		.server = identity,
	};
	int ret = udrv__ublk_add(&u->ctrl, &info);

	if (ret == -EEXIST)
		udrv_pr_err("%s: number %d is taken, by /dev/ublkb%d: choose another, or --ublk "
			    "without one",
			    u->block->name, number, number);
	else if (ret < 0)
		(void)failed(u, "the kernel refuses the ublk device", ret);
	u->id = info.dev_id;
	return ret < 0 ? ret : 0;
}

/* All that follows the kernel's knowing of the device; the caller undoes it. */
static int begin(struct udrv__ublk *u)
{
	struct ublk_params params;
	int ret = udrv__ublk_open_node(u->id, &u->fd);

	if (ret)
		return ret;
	udrv__ublk_params(&u->block->limits, u->shape.max_io, &params);
	ret = udrv__ublk_params_call(&u->ctrl, UBLK_SET_PARAMS, u->id, &params);
	if (ret)
		return failed(u, "ublk takes no disk with these sizes", ret);
	ret = udrv__ublk_serve(u);
	if (ret)
		return failed(u, "its queues cannot be served", ret);
	ret = udrv__ublk_simple(&u->ctrl, UBLK_START_DEV, u->id, (uint64_t)getpid());
	return ret ? failed(u, "its ublk device does not start", ret) : 0;
}

static void end(struct udrv__ublk *u)
{
	__atomic_store_n(&u->stopping, true, __ATOMIC_RELEASE);
	(void)udrv__ublk_simple(&u->ctrl, UBLK_STOP_DEV, u->id, 0);
	udrv__ublk_give_up(u);
	if (u->fd >= 0)
		close(u->fd);
	(void)udrv__ublk_delete(&u->ctrl, u->id);
}

static int create(struct udrv__ublk *u, int number, uint64_t identity)
{
	int ret = add(u, number, identity);

	if (ret) {
		udrv__ublk_give_up(u);
		return ret;
	}
	ret = begin(u);
	if (ret) {
		end(u);
		return ret;
	}
	set_timeout(u);
	return 0;
}

/* The kernel's device stays, for another daemon. */
static void let_go(struct udrv__ublk *u)
{
	udrv__ublk_give_up(u);
	if (u->fd >= 0)
		close(u->fd);
}

/* After a failure it is as it was: another daemon may recover it. */
static int recover(struct udrv__ublk *u)
{
	int ret = udrv__ublk_start_recovery(&u->ctrl, u->id, &u->shape);

	if (!ret)
		ret = udrv__ublk_open_node(u->id, &u->fd);
	if (!ret)
		ret = udrv__ublk_serve(u);
	if (!ret)
		ret = udrv__ublk_simple(&u->ctrl, UBLK_END_RECOVERY, u->id, (uint64_t)getpid());
	if (!ret)
		return 0;
	let_go(u);
	return failed(u, "what a killed daemon left cannot be taken over", ret);
}

static void shape(struct udrv__ublk *u, const struct ublk_info *found)
{
	const long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (!found) {
		udrv__ublk_shape(&u->block->limits, cpus > 0 ? (unsigned int)cpus : 1, &u->shape);
		return;
	}
	u->shape = (struct udrv__ublk_shape){
		.queues = found->queues, .depth = found->depth, .max_io = found->max_io};
	u->id = found->dev_id;
}

static int start(struct udrv__ublk *u, const char *device, int number)
{
	const uint64_t identity = udrv__ublk_identity(device, u->block);
	struct ublk_info info;
	int found = udrv__ublk_find(&u->ctrl, u->block, identity, &info);
	int ret;

	if (found < 0)
		return found;
	if (found && number >= 0 && info.dev_id != (uint32_t)number)
		udrv_pr_warn("%s: it stays /dev/ublkb%u, where its requests wait", u->block->name,
			     info.dev_id);
	shape(u, found ? &info : NULL);
	ret = udrv__ublk_prepare(u);
	if (ret)
		return failed(u,
			      found ? "the queues that a killed daemon had cannot be opened"
				    : "its queues cannot be opened",
			      ret);
	ret = found ? recover(u) : create(u, number, identity);
	if (ret)
		return ret;
	udrv__ublk_await_disk(u->id);
	u->started_ns = udrv__now_ns();
	u->recovered = found;
	log_ready(u);
	return 0;
}

static int check(const struct udrv_block *block)
{
	const uint32_t size = block->limits.logical_block_size;

	if (size <= (uint32_t)sysconf(_SC_PAGESIZE))
		return 0;
	udrv_pr_err("%s: ublk takes no blocks of %u bytes, only up to a page: use --nbd",
		    block->name, size);
	return -EOPNOTSUPP;
}

static void release(struct udrv__ublk *u)
{
	pthread_mutex_destroy(&u->lock);
	pthread_cond_destroy(&u->changed);
	free(u->queues);
	if (u->kick_fd >= 0)
		close(u->kick_fd);
	free(u);
}

static struct udrv__ublk *make(struct udrv_block *block, int ended_fd)
{
	struct udrv__ublk *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->block = block;
	u->fd = -1;
	u->ended_fd = ended_fd;
	pthread_mutex_init(&u->lock, NULL);
	pthread_cond_init(&u->changed, NULL);
	u->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (u->kick_fd >= 0)
		return u;
	release(u);
	return NULL;
}

static int try_start(struct udrv_block *block, const char *device, int number, int ended_fd,
		     struct udrv__ublk **out)
{
	struct udrv__ublk *u = make(block, ended_fd);
	int ret;

	if (!u) {
		udrv_pr_err("%s: no memory, or no descriptors, to export it", block->name);
		return -ENOMEM;
	}
	ret = udrv__ublk_ctrl_open(&u->ctrl);
	if (ret)
		goto err_release;
	ret = start(u, device, number);
	if (ret)
		goto err_ctrl;
	*out = u;
	return 0;

err_ctrl:
	udrv__ublk_ctrl_close(&u->ctrl);
err_release:
	release(u);
	return ret;
}

int udrv__ublk_start(struct udrv_block *block, const char *device, int number, int ended_fd,
		     struct udrv__ublk **out)
{
	const int ret = check(block);

	return ret ? ret : try_start(block, device, number, ended_fd, out);
}

/* The end. */

static void flush_mounted(const struct mntent *m)
{
	int fd = open(m->mnt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);

	udrv_pr_warn("%s is still mounted on %s: unmount it first; what is written there from now "
		     "on is lost",
		     m->mnt_fsname, m->mnt_dir);
	if (fd < 0)
		return;
	(void)syncfs(fd);
	close(fd);
}

/* What others have written, and the kernel has in memory. */
static void flush(const struct udrv__ublk *u)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	const struct mntent *m;
	char disk[UDRV__UBLK_PATH_MAX];
	int fd;

	udrv__ublk_path(disk, 'b', u->id);
	while (mounts && (m = udrv__ublk_next_mount(mounts, disk)))
		flush_mounted(m);
	if (mounts)
		(void)endmntent(mounts);
	fd = open(disk, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (fsync(fd))
		udrv_pr_warn("%s: what was written is not all kept: %s", disk, strerror(errno));
	close(fd);
}

struct flushing {
	const struct udrv__ublk *u;
	struct udrv_completion done;
};

static void *flusher_main(void *arg)
{
	struct flushing *f = arg;

	flush(f->u);
	udrv_complete(&f->done);
	return NULL;
}

/* STOP_DEV ends only when the driver has ended all that it has, as it must. */
static void stop_device(struct udrv__ublk *u)
{
	const struct ublk_ctrl arg = {.dev_id = u->id, .queue_id = UBLK_NO_QUEUE};

	if (udrv__ublk_begin(&u->ctrl, UBLK_STOP_DEV, &arg))
		return;
	while (udrv__ublk_await(&u->ctrl, STOP_SAY_MS) == -ETIME)
		udrv_pr_warn("/dev/ublkb%u: waits for requests that the driver has not ended",
			     u->id);
}

static void log_counts(const struct udrv__ublk *u)
{
	const double seconds = (double)(udrv__now_ns() - u->started_ns) / 1e9;
	struct udrv__ublk_counts sum = {0};

	for (unsigned int i = 0; i < u->shape.queues; i++) {
		sum.requests += u->queues[i].counts.requests;
		sum.sleeps += u->queues[i].counts.sleeps;
		sum.unwanted += u->queues[i].counts.unwanted;
		sum.spun_ns += u->queues[i].counts.spun_ns;
		sum.cpu_ns += u->queues[i].counts.cpu_ns;
	}
	udrv_pr_info("/dev/ublkb%u: ended; %llu requests in %.1f s, %.1f s of CPU time, %.1f s of "
		     "it spinning (ended %llu times for others' sake), %llu sleeps",
		     u->id, (unsigned long long)sum.requests, seconds, (double)sum.cpu_ns / 1e9,
		     (double)sum.spun_ns / 1e9, (unsigned long long)sum.unwanted,
		     (unsigned long long)sum.sleeps);
}

static bool is_gone(const struct udrv__ublk *u)
{
	return u->block->dev && udrv_device_gone(u->block->dev);
}

static void finish(struct udrv__ublk *u, bool gone)
{
	struct flushing f = {.u = u};
	pthread_t flusher;
	bool flushing;

	udrv_init_completion(NULL, &f.done);
	flushing = !gone && !pthread_create(&flusher, NULL, flusher_main, &f);
	__atomic_store_n(&u->stopping, true, __ATOMIC_RELEASE);
	/* It does not matter what becomes of the time of day, which a timed join goes by. */
	if (flushing && !udrv_wait_for_completion_timeout(&f.done, FLUSH_S * UDRV_HZ))
		udrv_pr_warn("/dev/ublkb%u: not all is written after %d s; the rest is lost", u->id,
			     FLUSH_S);
	stop_device(u);
	if (flushing)
		pthread_join(flusher, NULL);
	udrv__ublk_give_up(u);
	log_counts(u);
	end(u);
	udrv__ublk_ctrl_close(&u->ctrl);
	release(u);
}

void udrv__ublk_stop(struct udrv__ublk *u)
{
	finish(u, is_gone(u));
}

void udrv__ublk_undo(struct udrv__ublk *u)
{
	if (!u->recovered) {
		udrv__ublk_stop(u);
		return;
	}
	let_go(u);
	udrv_pr_notice("/dev/ublkb%u: left as it was found: what waits there does until this "
		       "daemon is started again",
		       u->id);
	udrv__ublk_ctrl_close(&u->ctrl);
	release(u);
}

void udrv__ublk_end(struct udrv__ublk *u)
{
	finish(u, true);
}

void udrv__ublk_resize(struct udrv__ublk *u)
{
	const uint64_t size = u->block->limits.size;
	int ret = -EOPNOTSUPP;

	if (u->ctrl.features & UBLK_F_RESIZE)
		ret = udrv__ublk_simple(&u->ctrl, UBLK_UPDATE_SIZE, u->id, size / SECTOR);
	if (ret == -EOPNOTSUPP)
		udrv_pr_warn("/dev/ublkb%u: its disk has %llu MiB now, but this kernel (before "
			     "6.16) cannot be told: it keeps its size until this daemon is "
			     "started again",
			     u->id, (unsigned long long)(size >> 20));
	else if (ret)
		(void)failed(u, "ublk does not take its new size", ret);
	else
		udrv_pr_info("/dev/ublkb%u: %llu MiB now", u->id, (unsigned long long)(size >> 20));
}

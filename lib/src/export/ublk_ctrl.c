// SPDX-License-Identifier: MIT
/* Commands to /dev/ublk-control, through an io_uring with submissions of 128 bytes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <udrv/log.h>

#include "export/ublk.h"

/* How long a deletion waits for whoever has the device open. */
#define DELETE_MS 2000

const char *udrv__ublk_dev = "/dev";

/* Is it among the modules of this kernel? */
static bool has_module(const char *release)
{
	char path[sizeof(struct utsname) + 64];
	char line[1024];
	bool found = false;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", release);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, "/ublk_drv.ko") != NULL;
	if (f)
		(void)fclose(f);
	return found;
}

static void explain_open(int err)
{
	struct utsname name;

	if (err == EACCES || err == EPERM) {
		udrv_pr_err(UBLK_CONTROL ": %s: --ublk is for root; --nbd is not", strerror(err));
	} else if (err != ENOENT && err != ENODEV && err != ENXIO) {
		udrv_pr_err(UBLK_CONTROL ": cannot open: %s", strerror(err));
	} else if (!uname(&name) && !has_module(name.release)) {
		udrv_pr_err(
			"this kernel, %s, has no ublk (Debian's has it from 6.12 on): use --nbd",
			name.release);
	} else {
		udrv_pr_err("the kernel's ublk is not loaded: modprobe ublk_drv");
	}
}

static int check_features(struct udrv__ublk_ctrl *c)
{
	const uint64_t wanted = UBLK_F_RECOVERY | UBLK_F_REISSUE | UBLK_F_IOCTL;
	uint64_t features = 0;
	const struct ublk_ctrl arg = {
		.dev_id = UBLK_ANY_ID,
		.queue_id = UBLK_NO_QUEUE,
		.len = sizeof(features),
		.addr = (uintptr_t)&features,
	};
	int ret = udrv__ublk_call(c, UBLK_GET_FEATURES, &arg);

	c->features = ret ? 0 : features;
	if (!ret && (features & wanted) == wanted)
		return 0;
	if (ret == -EPERM || ret == -EACCES)
		udrv_pr_err(UBLK_CONTROL ": %s: --ublk needs CAP_SYS_ADMIN", strerror(-ret));
	else
		udrv_pr_err(
			"this kernel's ublk is too old: 6.5 or later has what is needed; or use "
			"--nbd");
	return ret ? ret : -EOPNOTSUPP;
}

int udrv__ublk_ctrl_open(struct udrv__ublk_ctrl *c)
{
	struct io_uring_params params = {.flags = IORING_SETUP_SQE128};
	char path[UDRV__UBLK_PATH_MAX];
	int ret;

	c->sequence = 0;
	(void)snprintf(path, sizeof(path), "%s/ublk-control", udrv__ublk_dev);
	c->fd = open(path, O_RDWR | O_CLOEXEC);
	if (c->fd < 0) {
		ret = -errno;
		explain_open(-ret);
		return ret;
	}
	ret = io_uring_queue_init_params(4, &c->ring, &params);
	if (ret) {
		udrv_pr_err("no io_uring: %s; see /proc/sys/kernel/io_uring_disabled",
			    strerror(-ret));
		goto err_close;
	}
	ret = check_features(c);
	if (!ret)
		return 0;
	io_uring_queue_exit(&c->ring);
err_close:
	close(c->fd);
	return ret;
}

void udrv__ublk_ctrl_close(struct udrv__ublk_ctrl *c)
{
	io_uring_queue_exit(&c->ring);
	close(c->fd);
}

int udrv__ublk_begin(struct udrv__ublk_ctrl *c, unsigned int op, const struct ublk_ctrl *arg)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&c->ring);
	int ret;

	if (!sqe)
		return -EBUSY;
	/* The ring's submissions are two of the ordinary length each. */
	memset((void *)sqe, 0, 2 * sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = c->fd;
	sqe->cmd_op = op;
	memcpy(sqe->cmd, arg, sizeof(*arg));
	io_uring_sqe_set_data64(sqe, ++c->sequence);
	ret = io_uring_submit(&c->ring);
	if (ret >= 0)
		return 0;
	/* It is sent with the next one, when what it points to is gone. */
	sqe->opcode = IORING_OP_NOP;
	return ret;
}

int udrv__ublk_await(struct udrv__ublk_ctrl *c, unsigned int timeout_ms)
{
	struct __kernel_timespec ts = {timeout_ms / 1000, timeout_ms % 1000 * 1000000LL};
	struct io_uring_cqe *cqe;
	uint64_t sequence;
	int result;
	int ret;

	/* One that was not waited for may end before. */
	do {
		do {
			ret = io_uring_wait_cqe_timeout(&c->ring, &cqe, &ts);
		} while (ret == -EINTR);
		if (ret)
			return ret;
		result = cqe->res;
		sequence = cqe->user_data;
		io_uring_cqe_seen(&c->ring, cqe);
	} while (sequence != c->sequence);
	return result;
}

int udrv__ublk_call(struct udrv__ublk_ctrl *c, unsigned int op, const struct ublk_ctrl *arg)
{
	int ret = udrv__ublk_begin(c, op, arg);

	if (ret)
		return ret;
	do {
		ret = udrv__ublk_await(c, 1000);
	} while (ret == -ETIME);
	return ret;
}

int udrv__ublk_get_info(struct udrv__ublk_ctrl *c, uint32_t id, struct ublk_info *info)
{
	const struct ublk_ctrl arg = {
		.dev_id = id,
		.queue_id = UBLK_NO_QUEUE,
		.len = sizeof(*info),
		.addr = (uintptr_t)info,
	};

	return udrv__ublk_call(c, UBLK_GET_DEV_INFO, &arg);
}

int udrv__ublk_add(struct udrv__ublk_ctrl *c, struct ublk_info *info)
{
	const struct ublk_ctrl arg = {
		.dev_id = info->dev_id,
		.queue_id = UBLK_NO_QUEUE,
		.len = sizeof(*info),
		.addr = (uintptr_t)info,
	};

	return udrv__ublk_call(c, UBLK_ADD_DEV, &arg);
}

int udrv__ublk_params_call(struct udrv__ublk_ctrl *c, unsigned int op, uint32_t id,
			   struct ublk_params *p)
{
	const struct ublk_ctrl arg = {
		.dev_id = id,
		.queue_id = UBLK_NO_QUEUE,
		.len = UBLK_PARAMS_LEN,
		.addr = (uintptr_t)p,
	};

	p->len = UBLK_PARAMS_LEN;
	return udrv__ublk_call(c, op, &arg);
}

int udrv__ublk_simple(struct udrv__ublk_ctrl *c, unsigned int op, uint32_t id, uint64_t data)
{
	const struct ublk_ctrl arg = {.dev_id = id, .queue_id = UBLK_NO_QUEUE, .data = data};

	return udrv__ublk_call(c, op, &arg);
}

int udrv__ublk_delete(struct udrv__ublk_ctrl *c, uint32_t id)
{
	const struct ublk_ctrl arg = {.dev_id = id, .queue_id = UBLK_NO_QUEUE};
	int ret = udrv__ublk_begin(c, UBLK_DEL_DEV, &arg);

	if (!ret)
		ret = udrv__ublk_await(c, DELETE_MS);
	/* It is deleted, and its number free once they have closed it. */
	return ret == -ETIME ? 0 : ret;
}

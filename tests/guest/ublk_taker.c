// SPDX-License-Identifier: MIT
/*
 * A server that is killed while it takes over what another one has left: ublk_taker NUMBER QUEUES
 * begins the recovery of /dev/ublkbNUMBER, makes itself known for its first QUEUES queues, and
 * ends.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "export/ublk.h"

static char buffer[1];

static int fail(const char *what, int ret)
{
	(void)fprintf(stderr, "ublk_taker: %s: %s\n", what, strerror(-ret));
	return EXIT_FAILURE;
}

/* All of its tags wait for a request. */
static int serve(int fd, unsigned int queue, unsigned int depth)
{
	static struct io_uring rings[64];
	struct io_uring *ring = &rings[queue];
	int ret = queue < 64 ? io_uring_queue_init(depth, ring, 0) : -EINVAL;

	for (unsigned int tag = 0; tag < depth && !ret; tag++) {
		const struct ublk_io cmd = {
			.queue = (uint16_t)queue, .tag = (uint16_t)tag, .addr = (uintptr_t)buffer};
		struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

		if (!sqe)
			return -ENOSPC;
		udrv__ublk_prepare_io(sqe, UBLK_FETCH, &cmd);
		sqe->fd = fd;
	}
	if (!ret)
		ret = io_uring_submit(ring);
	return ret < 0 ? ret : io_uring_cq_ready(ring) ? -EBUSY : 0;
}

int main(int argc, char **argv)
{
	const uint32_t id = argc == 3 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
	const unsigned int queues = argc == 3 ? (unsigned int)strtoul(argv[2], NULL, 10) : 0;
	struct udrv__ublk_ctrl ctrl;
	struct ublk_info info;
	int ret, fd;

	if (argc != 3)
		return fail("NUMBER QUEUES are wanted", -EINVAL);
	ret = udrv__ublk_ctrl_open(&ctrl);
	if (!ret)
		ret = udrv__ublk_get_info(&ctrl, id, &info);
	if (!ret && (info.state != UBLK_QUIESCED || queues > info.queues))
		ret = -EBUSY;
	if (!ret)
		ret = udrv__ublk_simple(&ctrl, UBLK_START_RECOVERY, id, 0);
	if (ret)
		return fail("the recovery does not begin", ret);
	ret = udrv__ublk_open_node(id, &fd);
	for (unsigned int i = 0; i < queues && !ret; i++)
		ret = serve(fd, i, info.depth);
	if (ret)
		return fail("the queues are not served", ret);
	(void)printf("%u of %u queues\n", queues, info.queues);
	(void)fflush(stdout);
	_exit(EXIT_SUCCESS);
}

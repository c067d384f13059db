// SPDX-License-Identifier: MIT
/* Who is told to end and is still waiting for its device has its waits cut. */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/log.h>

#include "driver/daemon.h"
#include "sched/thread.h"

static void *cut_thread(void *arg)
{
	const struct udrv__cut *c = arg;
	struct pollfd fds[2] = {
		{.fd = c->ended_fd, .events = POLLIN},
		{.fd = c->stop_fd, .events = POLLIN},
	};

	udrv__thread_begin("cut");
	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		;
	if (!fds[0].revents && poll(fds, 1, c->grace_ms) == 0) {
		udrv_dev_notice(c->dev, "%s: its waits are cut", c->state);
		udrv_device_set_gone(c->dev);
	}
	return NULL;
}

int udrv__cut_begin(struct udrv__cut *c)
{
	int ret;

	c->ended_fd = eventfd(0, EFD_CLOEXEC);
	if (c->ended_fd < 0)
		return -errno;
	ret = udrv__thread_create(&c->thread, cut_thread, c);
	if (ret)
		close(c->ended_fd);
	return ret;
}

void udrv__cut_end(struct udrv__cut *c)
{
	(void)eventfd_write(c->ended_fd, 1);
	pthread_join(c->thread, NULL);
	close(c->ended_fd);
}

// SPDX-License-Identifier: MIT
/*
 * The watcher of a UIO node: a thread that forwards INTx to the line's eventfd, and tells when the
 * device goes.
 *
 * Workers could wait for the node itself and spare the hop. But each of their ways to wait stands
 * on an eventfd: it is written to for kicks, its counter tells these from signals, it keeps signals
 * for who waits next, and one ring serves many. A node has none of that, and every strategy would
 * have two forms for the slowest of the backends. The watcher is needed anyhow: a driver that
 * polls has no worker, and its registers must be taken from it when the device goes.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "backend/uio.h"
#include "pci/device.h"
#include "pci/sysfs.h"
#include "sched/thread.h"

/* As workers have by default, and the kernel's irq threads. */
#define FIFO_PRIORITY 50
/* Without INTx the node tells nothing: how often sysfs is asked whether it is there. */
#define LOOK_MS 1000

static void raise_priority(void)
{
	const struct sched_param param = {.sched_priority = FIFO_PRIORITY};

	/* Without permission the workers have none either, and say so. */
	(void)pthread_setschedparam(pthread_self(), SCHED_FIFO, &param);
}

static void signal_fd(int fd)
{
	if (fd >= 0)
		(void)eventfd_write(fd, 1);
}

/* Registers go before anybody is told, so that none who was told reaches them. */
static void device_is_gone(struct udrv__uio *uio)
{
	pthread_mutex_lock(&uio->lock);
	udrv__uio_bars_revoke(uio);
	signal_fd(uio->request_fd);
	udrv_device_set_gone(uio->dev);
	pthread_mutex_unlock(&uio->lock);
}

static bool is_there(const struct udrv__uio *uio)
{
	return udrv__sysfs_exists("bus/pci/devices/%s/uio/uio%d", uio->dev->name, uio->node);
}

/* Under the lock: who switches the line off may close its eventfd afterwards. */
static void forward(struct udrv__uio *uio)
{
	pthread_mutex_lock(&uio->lock);
	signal_fd(uio->line_fd);
	pthread_mutex_unlock(&uio->lock);
}

/* What the node has to say, which is the number of interrupts so far. false: the device is gone. */
static bool listen_to_node(struct udrv__uio *uio)
{
	uint32_t count;
	ssize_t n = read(uio->fd, &count, sizeof(count));

	if (n == (ssize_t)sizeof(count)) {
		forward(uio);
		return true;
	}
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static void *watch(void *arg)
{
	struct udrv__uio *uio = arg;
	struct pollfd fds[] = {
		{.fd = uio->stop_fd, .events = POLLIN},
		{.fd = uio->has_intx ? uio->fd : -1, .events = POLLIN},
	};
	bool there = true;

	udrv__thread_begin("uio");
	raise_priority();
	while (there) {
		if (poll(fds, 2, uio->has_intx ? -1 : LOOK_MS) < 0 && errno != EINTR)
			break;
		if (fds[0].revents)
			return NULL;
		there = fds[1].revents ? listen_to_node(uio) : uio->has_intx || is_there(uio);
	}
	device_is_gone(uio);
	return NULL;
}

int udrv__uio_watch_start(struct udrv__uio *uio)
{
	int ret = udrv__thread_create(&uio->watcher, watch, uio);

	uio->watched = !ret;
	return ret;
}

void udrv__uio_watch_stop(struct udrv__uio *uio)
{
	if (!uio->watched)
		return;
	(void)eventfd_write(uio->stop_fd, 1);
	pthread_join(uio->watcher, NULL);
	uio->watched = false;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* The rows that kernel/udrv_irqbench.c measures. */
#include "bench/rows.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../../../kernel/uapi/udrv_irqbench.h"
#include "tool.h"

/* A run is asked for in pieces, so that a signal between two is seen. */
#define RUN_COUNT 1000u

struct kernel {
	const struct bench_settings *settings;
	int fd;
	struct bench_gate gate; /* mode READ */
	_Atomic bool finish;
};

static int open_node(const char *device)
{
	struct udrv_irqbench_info info = {.abi = UDRV_IRQBENCH_ABI};
	char path[64];
	int fd, err;

	(void)snprintf(path, sizeof(path), "/dev/udrv_irqbench-%s", device);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0 && !ioctl(fd, UDRV_IRQBENCH_INFO, &info))
		return fd;
	err = errno;
	if (fd >= 0)
		close(fd);
	tool_err("%s: %s%s", path, strerror(err),
		 err == EBUSY			  ? "; another benchmark is running"
		 : err == EINVAL || err == ENOTTY ? "; the module is of another version: build and "
						    "load the one in kernel/"
						  : "");
	return -err;
}

static int setup(struct kernel *kernel, unsigned int mode)
{
	struct udrv_irqbench_setup setup = {
		.abi = UDRV_IRQBENCH_ABI,
		.mode = mode,
		.kind = kernel->settings->intx ? UDRV_IRQBENCH_INTX : UDRV_IRQBENCH_MSI,
	};
	char word[64];

	if (ioctl(kernel->fd, UDRV_IRQBENCH_SETUP, &setup))
		return -errno;
	(void)snprintf(word, sizeof(word), "udrv_irqbench-%s", kernel->settings->device);
	return mode == UDRV_IRQBENCH_OFF ? 0 : bench_pin_irq(word, kernel->settings->cpu);
}

static int take_run(void *ctx, uint64_t *samples, size_t count, unsigned int *lost)
{
	struct kernel *kernel = ctx;

	for (size_t done = 0; done < count;) {
		size_t left = count - done;
		struct udrv_irqbench_run run = {
			.abi = UDRV_IRQBENCH_ABI,
			.count = left < RUN_COUNT ? (uint32_t)left : RUN_COUNT,
			.gap_ns = kernel->settings->gap_ns,
			.deadline_ms = BENCH_DEADLINE_MS,
			.samples = (uintptr_t)(samples + done),
		};

		if (atomic_load(&bench_stop))
			return -EINTR;
		if (ioctl(kernel->fd, UDRV_IRQBENCH_RUN, &run))
			return -errno;
		*lost += run.lost;
		done += run.done;
		if (run.done < run.count || *lost >= BENCH_MAX_LOST)
			return -ETIMEDOUT;
	}
	return 0;
}

/* The process in read(): it stamps the moment it is back in user space. */
static void reader(void *ctx)
{
	struct kernel *kernel = ctx;
	uint64_t start, now;
	ssize_t len;

	while (!atomic_load(&kernel->finish)) {
		len = read(kernel->fd, &start, sizeof(start));
		now = bench_stamp();
		if (len == sizeof(start)) {
			kernel->gate.start = start;
			bench_gate_open(&kernel->gate, now);
		} else if (errno != ETIMEDOUT && errno != EINTR) {
			return; /* mode OFF, or the device is gone: the trigger's deadline tells */
		}
	}
}

static int fire(void *ctx)
{
	struct kernel *kernel = ctx;

	return ioctl(kernel->fd, UDRV_IRQBENCH_TRIGGER) ? -errno : 0;
}

static int run_row(struct bench_result *result, struct bench_row *row, struct kernel *kernel,
		   unsigned int mode)
{
	int ret = setup(kernel, mode);

	row->fifo = -1;
	if (ret)
		bench_leave_out(row, "interrupt: %s", strerror(-ret));
	else
		ret = bench_measure(result, row, take_run, kernel);
	(void)setup(kernel, UDRV_IRQBENCH_OFF);
	return ret;
}

static int read_row(struct bench_result *result, struct bench_row *row, struct kernel *kernel)
{
	struct bench_thread thread;
	struct bench_collect how;
	int ret = setup(kernel, UDRV_IRQBENCH_READ);

	bench_collect_init(&how, result, &kernel->gate, fire, kernel);
	atomic_store(&kernel->finish, false);
	if (!ret)
		ret = bench_thread_start(&thread, &result->settings, reader, kernel);
	if (ret) {
		bench_leave_out(row, "interrupt or thread: %s", strerror(-ret));
		(void)setup(kernel, UDRV_IRQBENCH_OFF);
		return ret;
	}
	ret = bench_measure(result, row, bench_take_collect, &how);
	atomic_store(&kernel->finish, true);
	(void)setup(kernel, UDRV_IRQBENCH_OFF);
	bench_thread_join(&thread);
	row->fifo = thread.fifo;
	return ret;
}

int bench_kernel_rows(struct bench_result *result)
{
	struct kernel kernel = {.settings = &result->settings};
	struct bench_row *row;
	int ret = 0;

	kernel.fd = open_node(result->settings.device);
	if (kernel.fd < 0)
		return kernel.fd;
	row = bench_add_row(result, "kernel-hard");
	if (row)
		ret = run_row(result, row, &kernel, UDRV_IRQBENCH_HARD);
	row = ret == -EINTR ? NULL : bench_add_row(result, "kernel-thread");
	if (row)
		ret = run_row(result, row, &kernel, UDRV_IRQBENCH_THREAD) ?: ret;
	row = ret == -EINTR ? NULL : bench_add_row(result, "kernel-read");
	if (row)
		ret = read_row(result, row, &kernel) ?: ret;
	close(kernel.fd);
	return ret;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The row of a plain UIO program: uio_pci_generic masks INTx in its hard handler and wakes who is
 * in read(); the program unmasks it in configuration space (Linux
 * Documentation/driver-api/uio-howto).
 */
#include "bench/rows.h"
#include "bench/target.h"
#include "pci/sysfs.h"
#include "tool.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct uio {
	struct bench_gate gate;
	const struct bench_target *target;
	const char *device;
	void *regs;
	int node;	  /* /dev/uioN */
	int config;	  /* of the device, in sysfs */
	uint16_t command; /* little-endian, INTX_DISABLE off */
	_Atomic bool finish;
};

/* All of COMMAND: QEMU's devices do not look at INTX_DISABLE in a write of the upper byte. */
static int unmask(const struct uio *uio)
{
	ssize_t len = pwrite(uio->config, &uio->command, sizeof(uio->command), PCI_COMMAND);

	return len == sizeof(uio->command) ? 0 : -EIO;
}

/* Woken by what fire() raises, or cancelled in read(). */
static void uio_wait(void *ctx)
{
	struct uio *uio = ctx;
	uint32_t count;
	uint64_t now;
	bool ours;

	while (!atomic_load(&uio->finish)) {
		if (read(uio->node, &count, sizeof(count)) != sizeof(count))
			return;
		now = bench_stamp();
		ours = bench_target_take(uio->target, (void __udrv_iomem *)uio->regs);
		if (unmask(uio))
			return;
		if (ours)
			bench_gate_open(&uio->gate, now);
	}
}

static int uio_fire(void *ctx)
{
	struct uio *uio = ctx;

	uio->gate.start = bench_stamp();
	bench_target_raise(uio->target, (void __udrv_iomem *)uio->regs);
	return 0;
}

/* The device's only one. */
static int open_node(const char *device)
{
	char path[PATH_MAX];
	struct dirent *entry;
	int fd = -ENOENT;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/uio", udrv__sysfs_root, device);
	dir = opendir(path);
	while (dir && fd == -ENOENT && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "uio", 3) != 0)
			continue;
		(void)snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
	}
	if (dir)
		closedir(dir);
	return fd;
}

static int open_attribute(const char *device, const char *name)
{
	char path[PATH_MAX];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/%s", udrv__sysfs_root, device,
		       name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static size_t map_bytes(const struct uio *uio)
{
	return (uio->target->bytes + 4095u) & ~(size_t)4095u;
}

static int map_regs(struct uio *uio)
{
	int fd = open_attribute(uio->device, "resource0");
	void *map;
	int ret = 0;

	if (fd < 0)
		return fd;
	map = mmap(NULL, map_bytes(uio), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		ret = -errno;
	else
		uio->regs = map;
	close(fd);
	return ret;
}

static void uio_close(struct uio *uio)
{
	if (uio->regs) {
		bench_target_disable(uio->target, (void __udrv_iomem *)uio->regs);
		(void)munmap(uio->regs, map_bytes(uio));
	}
	if (uio->config >= 0)
		close(uio->config);
	if (uio->node >= 0)
		close(uio->node);
}

static int open_all(struct uio *uio)
{
	int ret;

	uio->node = open_node(uio->device);
	if (uio->node < 0)
		return uio->node;
	uio->config = open_attribute(uio->device, "config");
	if (uio->config < 0)
		return uio->config;
	ret = map_regs(uio);
	if (!ret && pread(uio->config, &uio->command, 2, PCI_COMMAND) != 2)
		ret = -EIO;
	return ret;
}

static int uio_open(struct uio *uio, const struct bench_settings *settings)
{
	uint64_t irq = 0;
	int ret;

	*uio = (struct uio){
		.target = settings->target, .device = settings->device, .node = -1, .config = -1};
	ret = open_all(uio);
	if (!uio->regs)
		return ret ? ret : -EIO;
	if (!ret)
		ret = udrv__sysfs_read_u64(&irq, INT_MAX, "bus/pci/devices/%s/irq", uio->device);
	ret = ret < 0 ? ret : bench_pin_irq_number(uio->device, (int)irq, settings->cpu);
	if (!ret) {
		bench_target_enable(uio->target, (void __udrv_iomem *)uio->regs);
		/* An earlier user may have masked the line. */
		uio->command &= htole16((uint16_t)~PCI_COMMAND_INTX_DISABLE);
		ret = unmask(uio);
	}
	return ret;
}

int bench_uio_row(struct bench_result *result)
{
	struct bench_row *row = bench_add_row(result, "uio-read");
	struct bench_thread waiter;
	struct bench_collect how;
	struct uio uio;
	int ret;

	if (!row)
		return 0;
	ret = uio_open(&uio, &result->settings);
	bench_collect_init(&how, result, &uio.gate, uio_fire, &uio);
	if (!ret)
		ret = bench_thread_start(&waiter, &result->settings, uio_wait, &uio);
	if (ret) {
		bench_leave_out(row, "its node, registers or interrupt: %s", strerror(-ret));
	} else {
		ret = bench_measure(result, row, bench_take_collect, &how);
		atomic_store(&uio.finish, true);
		(void)pthread_cancel(waiter.id);
		bench_thread_join(&waiter);
		row->fifo = waiter.fifo;
	}
	uio_close(&uio);
	return ret;
}

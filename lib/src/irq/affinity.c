// SPDX-License-Identifier: MIT
/* Which CPU takes an interrupt: /proc/interrupts names it, /proc/irq/N says where it goes. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "irq/irq.h"
#include "pci/sysfs.h"

/* What vfio-pci (vfio_pci_intrs.c) and udrv_stub call the interrupt of a vector. */
static void kernel_name(char *name, size_t size, const struct udrv_device *dev,
			enum udrv__irq_type type, unsigned int nr)
{
	const char *module = dev->ops == &udrv__stub_backend ? "udrv_stub" : "vfio";

	if (type == UDRV__IRQ_INTX)
		(void)snprintf(name, size, "%s-intx(%s)", module, dev->name);
	else
		(void)snprintf(name, size, "%s-msi%s[%u](%s)", module,
			       type == UDRV__IRQ_MSIX ? "x" : "", nr, dev->name);
}

int udrv__irq_find(const char *name)
{
	FILE *f = fopen("/proc/interrupts", "re");
	char *line = NULL;
	size_t room = 0;
	int irq = -1;

	while (f && irq < 0 && getline(&line, &room, f) > 0)
		if (strstr(line, name))
			irq = (int)strtol(line, NULL, 10);
	free(line);
	if (f)
		(void)fclose(f);
	return irq;
}

/* What the kernel has as the function's line, whoever listens to it. */
static int line_of(const struct udrv_device *dev)
{
	uint64_t irq;

	/* 0: none, 1 << 31: not connected. */
	if (udrv__sysfs_read_u64(&irq, INT_MAX, "bus/pci/devices/%s/irq", dev->name) < 0 || !irq)
		return -1;
	return (int)irq;
}

/* The kernel's number of a vector's interrupt, or -1. */
static int number_of(const struct udrv_device *dev, enum udrv__irq_type type, unsigned int nr)
{
	char name[64];
	int irq;

	kernel_name(name, sizeof(name), dev, type, nr);
	irq = udrv__irq_find(name);
	return irq < 0 && type == UDRV__IRQ_INTX ? line_of(dev) : irq;
}

/* The first CPU of a list such as "2\n" or "0-3,8\n", or -1. *more: it is not the only one. */
static int first_cpu(int irq, const char *list, bool *more)
{
	char path[64];
	int cpu = -1;
	int next;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/irq/%d/%s", irq, list);
	f = fopen(path, "re");
	if (!f)
		return -1;
	if (fscanf(f, "%d", &cpu) != 1)
		cpu = -1;
	next = fgetc(f);
	*more = next == '-' || next == ',';
	(void)fclose(f);
	return cpu;
}

/*
 * The effective affinity may be behind: on x86 without interrupt remapping a message goes elsewhere
 * only after the next interrupt (Linux, kernel/irq/migration.c). What was asked for tells, if it is
 * one CPU.
 */
int udrv__irq_home_cpu(struct udrv_device *dev, enum udrv__irq_type type, unsigned int nr)
{
	const int irq = number_of(dev, type, nr);
	bool more = true;
	int cpu;

	if (irq < 0)
		return -1;
	cpu = first_cpu(irq, "smp_affinity_list", &more);
	return more ? first_cpu(irq, "effective_affinity_list", &more) : cpu;
}

static int open_affinity(int irq)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/irq/%d/smp_affinity_list", irq);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* And close it. */
static int write_affinity(int fd, int cpu)
{
	const int ret = dprintf(fd, "%d\n", cpu) < 0 ? -errno : 0;

	close(fd);
	return ret == -ERANGE || ret == -EOVERFLOW ? -EINVAL : ret; /* no machine has so many */
}

int udrv__irq_move_number(int irq, int cpu)
{
	const int fd = open_affinity(irq);

	return fd < 0 ? fd : write_affinity(fd, cpu);
}

int udrv__irq_move(struct udrv_device *dev, enum udrv__irq_type type, unsigned int nr, int cpu)
{
	const int irq = number_of(dev, type, nr);
	const int fd = irq < 0 ? -EOPNOTSUPP : open_affinity(irq);

	if (fd < 0)
		return fd;
	/* Another's by now? A file that went meanwhile takes no more. */
	if (number_of(dev, type, nr) != irq) {
		close(fd);
		return -EINVAL;
	}
	return write_affinity(fd, cpu);
}

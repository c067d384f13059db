// SPDX-License-Identifier: MIT
/* Which CPU takes an interrupt: /proc/interrupts names it, /proc/irq/N says where it goes. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* The number of the interrupt with that name, or -1. */
static int find_irq(const char *name)
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

/* The first CPU of the interrupt's effective affinity, or -1. */
static int first_cpu(int irq)
{
	char path[64];
	int cpu = -1;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/irq/%d/effective_affinity_list", irq);
	f = fopen(path, "re");
	if (f && fscanf(f, "%d", &cpu) != 1)
		cpu = -1;
	if (f)
		(void)fclose(f);
	return cpu;
}

int udrv__irq_home_cpu(struct udrv_device *dev, enum udrv__irq_type type, unsigned int nr)
{
	char name[64];
	int irq;

	kernel_name(name, sizeof(name), dev, type, nr);
	irq = find_irq(name);
	if (irq < 0 && type == UDRV__IRQ_INTX)
		irq = line_of(dev);
	return irq < 0 ? -1 : first_cpu(irq);
}

// SPDX-License-Identifier: MIT
/*
 * What one access to a port of a device costs, in the guest: through the backend that the device is
 * bound to, and by ioperm(2) and the processor's own instruction, which no backend offers.
 *
 * usage: bench_ports DEVICE ROUNDS COUNT
 *
 * The port is the scratch register of a 16550 (PC16550D, table II), which does nothing. One line
 * for each way: way=, read_ns=, write_ns=, the least of the rounds' means of COUNT accesses:
 * what else the guest does in the others is not their cost.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <time.h>

#include <udrv/device.h>
#include <udrv/io.h>
#include <udrv/log.h>
#include <udrv/pci.h>
#include <udrv/pci_info.h>

#define SCRATCH	   7
#define ROUNDS_MAX 1000

struct way {
	void __udrv_iomem *reg;
	unsigned short port; /* 0: by @reg */
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double reads(const struct way *w, unsigned int count)
{
	double start = now();

	if (w->port)
		for (unsigned int i = 0; i < count; i++)
			(void)inb(w->port);
	else
		for (unsigned int i = 0; i < count; i++)
			(void)udrv_ioread8(w->reg);
	return (now() - start) / count;
}

static double writes(const struct way *w, unsigned int count)
{
	double start = now();

	if (w->port)
		for (unsigned int i = 0; i < count; i++)
			outb((unsigned char)i, w->port);
	else
		for (unsigned int i = 0; i < count; i++)
			udrv_iowrite8((uint8_t)i, w->reg);
	return (now() - start) / count;
}

static double least(double (*run)(const struct way *w, unsigned int count), const struct way *w,
		    unsigned int rounds, unsigned int count)
{
	double found = run(w, count);

	while (--rounds) {
		const double ns = run(w, count);

		if (ns < found)
			found = ns;
	}
	return found;
}

static void measure(const char *name, const struct way *w, unsigned int rounds, unsigned int count)
{
	printf("way=%s read_ns=%.0f write_ns=%.0f\n", name, least(reads, w, rounds, count),
	       least(writes, w, rounds, count));
}

/* What is written is read again, else nothing was measured. */
static int holds(const struct way *w)
{
	udrv_iowrite8(0x5a, w->reg);
	return udrv_ioread8(w->reg) == 0x5a;
}

static unsigned int number(const char *text, unsigned int max)
{
	unsigned long n = strtoul(text, NULL, 10);

	if (!n || n > max) {
		fprintf(stderr, "bench_ports: %s: a number from 1 to %u\n", text, max);
		exit(2);
	}
	return (unsigned int)n;
}

static int run(struct udrv_device *dev, unsigned int rounds, unsigned int count)
{
	struct way way = {.reg = udrv_pci_iomap(dev, 0, 0)};
	struct udrv_pci_info info;
	unsigned long start;

	if (!way.reg || udrv_pci_info_read(udrv_device_name(dev), &info))
		return 1;
	start = (unsigned long)info.resource[0].start;
	way.reg = (char __udrv_iomem *)way.reg + SCRATCH;
	if (!holds(&way)) {
		fprintf(stderr, "bench_ports: no scratch register there\n");
		return 1;
	}
	measure(udrv_device_backend(dev), &way, rounds, count);
	if (ioperm(start + SCRATCH, 1, 1)) {
		perror("bench_ports: ioperm");
		return 1;
	}
	way.port = (unsigned short)(start + SCRATCH);
	measure("ioperm", &way, rounds, count);
	return 0;
}

int main(int argc, char **argv)
{
	struct udrv_device *dev;
	int ret;

	if (argc != 4) {
		fprintf(stderr, "usage: bench_ports DEVICE ROUNDS COUNT\n");
		return 2;
	}
	udrv_log_set(udrv_log_stderr, NULL, UDRV_LOG_WARNING);
	if (udrv_device_open(argv[1], NULL, &dev))
		return 1;
	ret = udrv_pci_enable_device(dev) ||
	      run(dev, number(argv[2], ROUNDS_MAX), number(argv[3], 1u << 24));
	udrv_device_close(dev);
	return ret;
}

// SPDX-License-Identifier: MIT
/*
 * Latency and rate of random 4 KiB reads in one of the ways that tests/bench/nvme compares.
 *
 * usage: bench_nvme ROW DEVICE COUNT DEPTH...
 *
 * DEVICE is a PCI address whose driver is vfio-pci, or for kernel-* a block device. A line for each
 * depth; start_ns is from opening the device to its first completed read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static const struct row {
	const char *name;
	void (*run)(const struct plan *plan);
} rows[] = {
	{"bare-polled", bare_polled},	    {"bare-eventfd", bare_eventfd},
	{"udrv-polled", udrv_polled},	    {"udrv-shadow", udrv_shadow},
	{"udrv-interrupt", udrv_interrupt}, {"udrv-adaptive", udrv_adaptive},
	{"kernel-polled", kernel_polled},   {"kernel-interrupt", kernel_interrupt},
	{"ublk", kernel_interrupt},	    {"nbd", kernel_interrupt},
};

static const struct row *find(const char *name)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	return NULL;
}

static int usage(void)
{
	(void)fprintf(stderr, "usage: bench_nvme ROW DEVICE COUNT DEPTH...\nrows:");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		(void)fprintf(stderr, " %s", rows[i].name);
	(void)fprintf(stderr, "\n");
	return 2;
}

int main(int argc, char **argv)
{
	const struct row *row = argc > 4 ? find(argv[1]) : NULL;
	struct plan plan = {0};

	if (!row || argc > 8)
		return usage();
	plan.row = argv[1];
	plan.device = argv[2];
	plan.count = strtoul(argv[3], NULL, 10);
	for (int i = 4; i < argc; i++) {
		const unsigned long depth = strtoul(argv[i], NULL, 10);

		if (!depth || depth > BENCH_DEPTH_MAX || depth > plan.count)
			return usage();
		plan.depths[plan.depth_count++] = (unsigned int)depth;
	}
	row->run(&plan);
	return 0;
}

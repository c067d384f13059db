// SPDX-License-Identifier: MIT
/*
 * Frames per second in one of the ways that tests/bench/net compares.
 *
 * usage: bench_net ROW DEVICE[,DEVICE] MILLISECONDS
 *
 * The devices are 82574 cards by their PCI address, whose driver is vfio-pci. -tx sends from one;
 * -forward sends what one has received from the other, both ways, where 64 frames are under way on
 * the cable between both.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/log.h>

#include "bench.h"

static const struct row {
	const char *name;
	void (*run)(const struct plan *plan);
	unsigned int devices;
} rows[] = {
	{"bare-tx", bare_tx, 1},
	{"bare-forward", bare_forward, 2},
	{"udrv-tx", udrv_tx, 1},
	{"udrv-forward", udrv_forward, 2},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

void die(const char *what, int err)
{
	(void)fprintf(stderr, "bench_net: %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(EXIT_FAILURE);
}

/* What testpmd sends: QEMU has another way for frames of IP than for others. */
void make_frame(unsigned char *frame)
{
	static const unsigned char header[] = {
		/* to, from, IPv4 */
		2, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1, 8, 0,
		/* 46 bytes, TTL 64, UDP, checksum, from 198.18.0.1 to 198.18.0.2 (RFC 2544) */
		0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0xee, 0x97, 198, 18, 0, 1, 198, 18, 0, 2,
		/* from port 9 to port 9, 26 bytes, no checksum */
		0, 9, 0, 9, 0, 26, 0, 0};

	memset(frame, 0, BENCH_FRAME);
	memcpy(frame, header, sizeof(header));
}

void count_start(struct count *c, const struct plan *plan)
{
	*c = (struct count){.started_ns = bench_clock_ns()};
	c->warm_up_ns = c->started_ns + plan->warm_up_ns;
	c->end_ns = c->warm_up_ns + plan->time_ns;
}

bool count_goes_on(struct count *c)
{
	const uint64_t now = bench_clock_ns();

	if (!c->from_ns && now >= c->warm_up_ns) {
		c->from_ns = now;
		c->frames = 0;
	}
	if (now < c->end_ns)
		return true;
	c->end_ns = now;
	return false;
}

void count_report(const struct count *c, const struct plan *plan)
{
	const double ns = (double)(c->end_ns - c->from_ns);

	if (!c->from_ns || !c->frames)
		die(plan->row, ETIMEDOUT);
	(void)printf("row=%s frames=%llu ns=%.0f pps=%.0f ns_frame=%.1f\n", plan->row,
		     (unsigned long long)c->frames, ns, (double)c->frames * 1e9 / ns,
		     ns / (double)c->frames);
}

static int usage(void)
{
	(void)fprintf(stderr, "usage: bench_net ROW DEVICE[,DEVICE] MILLISECONDS\nrows:");
	for (unsigned int i = 0; i < ROWS; i++)
		(void)fprintf(stderr, " %s", rows[i].name);
	(void)fprintf(stderr, "\n");
	return 2;
}

int main(int argc, char **argv)
{
	const struct row *row = NULL;
	struct plan plan = {0};
	unsigned int devices = 0;

	for (unsigned int i = 0; argc == 4 && i < ROWS; i++)
		if (!strcmp(rows[i].name, argv[1]))
			row = &rows[i];
	if (!row)
		return usage();
	plan.row = row->name;
	for (char *name = strtok(argv[2], ","); name; name = strtok(NULL, ","))
		if (devices++ < 2)
			plan.devices[devices - 1] = name;
	plan.time_ns = strtoul(argv[3], NULL, 10) * 1000000u;
	plan.warm_up_ns = plan.time_ns / 4;
	if (devices != row->devices || !plan.time_ns)
		return usage();
	udrv_log_set(udrv_log_stderr, NULL, UDRV_LOG_WARNING);
	row->run(&plan);
	return 0;
}

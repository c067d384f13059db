// SPDX-License-Identifier: GPL-2.0-or-later
/* The command line of `udrv bench irq`. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <udrv/pci_info.h>

#include "bench/options.h"
#include "tool.h"

/* Enough for a stable p99.9 in real time; counted instructions hardly vary. */
#define COUNT_REALTIME 20000u
#define COUNT_ICOUNT   2000u

enum {
	OPT_ROWS = 256,
	OPT_COUNT,
	OPT_PASSES,
	OPT_CLOCK,
	OPT_FIFO,
	OPT_MLOCK,
	OPT_CPU,
	OPT_TRIGGER_CPU,
	OPT_GAP,
	OPT_INTX,
	OPT_MSI,
	OPT_JSON,
	OPT_PLOT,
};

static int wrong(const char *what, const char *value, const char *want)
{
	tool_err("%s %s: %s", what, value, want);
	return EINVAL;
}

static int number(const char *option, const char *text, long min, long max, long *value)
{
	char want[64];
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno || end == text || *end || n < min || n > max) {
		(void)snprintf(want, sizeof(want), "give a number from %ld to %ld", min, max);
		return wrong(option, text, want);
	}
	*value = n;
	return 0;
}

static int set_number(struct bench_settings *s, int option, const char *text)
{
	long n = 0;
	int ret;

	switch (option) {
	case OPT_COUNT:
		ret = number("--count", text, 1, BENCH_COUNT_MAX, &n);
		s->count = (unsigned int)n;
		return ret;
	case OPT_PASSES:
		ret = number("--passes", text, 1, 100, &n);
		s->passes = (unsigned int)n;
		return ret;
	case OPT_FIFO:
		ret = number("--fifo", text, 0, 99, &n);
		s->fifo = (int)n;
		return ret;
	case OPT_CPU:
		ret = number("--cpu", text, 0, CPU_SETSIZE - 1, &n);
		s->cpu = (int)n;
		return ret;
	case OPT_TRIGGER_CPU:
		ret = number("--trigger-cpu", text, 0, CPU_SETSIZE - 1, &n);
		s->trigger_cpu = (int)n;
		return ret;
	default:
		ret = number("--gap-ns", text, 0, 100000000, &n);
		s->gap_ns = (unsigned int)n;
		return ret;
	}
}

int bench_set_plot(struct bench_settings *s, const char *what, const char *path)
{
	s->plot = path;
	return bench_plot_check(path) ? wrong(what, path, "give a name ending in .png or .svg") : 0;
}

static int set_device(struct bench_settings *s, const char *text)
{
	char name[UDRV_PCI_NAME_MAX];

	if (s->device[0])
		return wrong("argument", text, "only one DEVICE is measured at a time");
	if (!strcmp(text, "model:edu"))
		memcpy(s->device, text, strlen(text) + 1);
	else if (!udrv_pci_parse_name(text, name))
		memcpy(s->device, name, sizeof(name));
	else
		return wrong("DEVICE", text, "give an address such as 0000:00:05.0, or model:edu");
	return 0;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct bench_settings *s = state->input;

	switch (key) {
	case OPT_ROWS:
		s->rows = arg;
		return bench_check_rows(arg) ? EINVAL : 0;
	case OPT_CLOCK:
		if (!bench_clock_parse(arg, &s->clock))
			return 0;
		return wrong("--clock", arg, "give realtime, icount or auto");
	case OPT_MLOCK:
		s->mlock = true;
		return 0;
	case OPT_INTX:
	case OPT_MSI:
		s->intx = key == OPT_INTX;
		return 0;
	case OPT_JSON:
		s->json = arg;
		return strcmp(arg, "-") ? 0 : wrong("--json", arg, "give the name of a file");
	case OPT_PLOT:
		return bench_set_plot(s, "--plot", arg);
	case ARGP_KEY_ARG:
		return set_device(s, arg);
	default:
		return key >= OPT_ROWS && key <= OPT_PLOT ? set_number(s, key, arg)
							  : ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{"rows", OPT_ROWS, "LIST", 0, "only these rows, commas between; patterns such as vfio-*",
	 0},
	{"count", OPT_COUNT, "N", 0, "interrupts a row (20000; with icount 2000)", 0},
	{"passes", OPT_PASSES, "N", 0, "times to take them, after a first pass that is dropped (1)",
	 0},
	{"clock", OPT_CLOCK, "CLOCK", 0, "realtime, icount, or auto: ask $UDRV_LAB_CLOCK (auto)",
	 0},
	{"fifo", OPT_FIFO, "PRIORITY", 0, "the waiter's SCHED_FIFO priority, 0 is SCHED_OTHER (50)",
	 0},
	{"mlock", OPT_MLOCK, NULL, 0, "lock memory", 0},
	{"cpu", OPT_CPU, "N", 0, "waiter and interrupt on this CPU", 0},
	{"trigger-cpu", OPT_TRIGGER_CPU, "N", 0, "trigger on this CPU", 0},
	{"gap-ns", OPT_GAP, "N", 0, "busy time before each trigger (0; 82574: 200000)", 0},
	{"intx", OPT_INTX, NULL, 0, "use INTx", 0},
	{"msi", OPT_MSI, NULL, 0, "use MSI, which is the default", 0},
	{"json", OPT_JSON, "FILE", 0, "write settings, rows and distributions", 0},
	{"plot", OPT_PLOT, "FILE", 0, "draw the distributions, .png or .svg (gnuplot)", 0},
	{0},
};

static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.args_doc = "[DEVICE]",
	.doc = "Measure from the register write that raises an interrupt to its handler, on QEMU's "
	       "edu device or an Intel 82574 network card: in the kernel (module "
	       "udrv_irqbench), then in this process over vfio-pci, the stub (module udrv_stub) and uio_pci_generic.\v"
	       "An edu device is found if DEVICE is not given; model:edu needs neither device nor "
	       "privileges.",
};

int bench_options(struct bench_settings *s, int argc, char **argv)
{
	*s = (struct bench_settings){.passes = 1,
				     .fifo = 50,
				     .cpu = -1,
				     .trigger_cpu = -1,
				     .spin_trigger_cpu = -1,
				     .gap_ns = BENCH_GAP_DEFAULT};
	if (bench_clock_parse("auto", &s->clock)) {
		(void)wrong("UDRV_LAB_CLOCK", getenv("UDRV_LAB_CLOCK"),
			    "should be icount or realtime");
		return TOOL_USAGE;
	}
	if (argp_parse(&argp, argc, argv, 0, NULL, s))
		return TOOL_USAGE;
	if (!s->count)
		s->count = s->clock == BENCH_CLOCK_ICOUNT ? COUNT_ICOUNT : COUNT_REALTIME;
	s->spin_trigger_cpu = s->trigger_cpu;
	return TOOL_OK;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* udrv bench: how long an interrupt takes to reach a driver, in the kernel and out of it. */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <udrv/pci_info.h>

#include "bench/bench.h"
#include "bench/rows.h"
#include "tool.h"

/* Enough for a stable p99.9 in real time; counted instructions hardly vary. */
#define COUNT_REALTIME 20000u
#define COUNT_ICOUNT   2000u

static const char usage[] =
	"usage: udrv bench irq [DEVICE] [OPTION]...\n"
	"       udrv bench plot JSON PICTURE\n"
	"\n"
	"irq measures from the register write that raises an interrupt to its handler, on QEMU's\n"
	"edu device: in the kernel (module udrv_irqbench), then in this process over vfio-pci.\n"
	"DEVICE is found if not given; model:edu needs neither device nor privileges.\n"
	"\n"
	"  --rows LIST        only these rows; patterns such as vfio-* are allowed\n"
	"  --count N          interrupts per row (20000; with icount 2000)\n"
	"  --passes N         times to take them, after a first pass that is dropped (1)\n"
	"  --clock CLOCK      realtime, icount, or auto: ask $UDRV_LAB_CLOCK (auto)\n"
	"  --fifo PRIORITY    the waiter's SCHED_FIFO priority, 0 is SCHED_OTHER (50)\n"
	"  --mlock            lock memory\n"
	"  --cpu N            waiter and interrupt on this CPU\n"
	"  --trigger-cpu N    trigger on this CPU\n"
	"  --gap-ns N         busy time before each trigger (0)\n"
	"  --intx, --msi      kind of interrupt (MSI)\n"
	"  --json FILE        write settings, rows and distributions\n"
	"  --plot FILE        draw the distributions, .png or .svg (gnuplot)\n"
	"\n"
	"plot draws the picture from such a JSON file.\n";

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

static const struct option options[] = {
	{"rows", required_argument, NULL, OPT_ROWS},
	{"count", required_argument, NULL, OPT_COUNT},
	{"passes", required_argument, NULL, OPT_PASSES},
	{"clock", required_argument, NULL, OPT_CLOCK},
	{"fifo", required_argument, NULL, OPT_FIFO},
	{"mlock", no_argument, NULL, OPT_MLOCK},
	{"cpu", required_argument, NULL, OPT_CPU},
	{"trigger-cpu", required_argument, NULL, OPT_TRIGGER_CPU},
	{"gap-ns", required_argument, NULL, OPT_GAP},
	{"intx", no_argument, NULL, OPT_INTX},
	{"msi", no_argument, NULL, OPT_MSI},
	{"json", required_argument, NULL, OPT_JSON},
	{"plot", required_argument, NULL, OPT_PLOT},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static int wrong(const char *what, const char *value, const char *want)
{
	tool_err("%s %s: %s", what, value, want);
	return -EINVAL;
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

static int set_option(struct bench_settings *s, int option, char *text)
{
	switch (option) {
	case OPT_ROWS:
		s->rows = text;
		return bench_check_rows(text);
	case OPT_CLOCK:
		if (!bench_clock_parse(text, &s->clock))
			return 0;
		return wrong("--clock", text, "give realtime, icount or auto");
	case OPT_MLOCK:
		s->mlock = true;
		return 0;
	case OPT_INTX:
	case OPT_MSI:
		s->intx = option == OPT_INTX;
		return 0;
	case OPT_JSON:
		s->json = text;
		return 0;
	case OPT_PLOT:
		s->plot = text;
		return bench_plot_check(text)
			       ? wrong("--plot", text, "give a name ending in .png or .svg")
			       : 0;
	default:
		return set_number(s, option, text);
	}
}

static int set_device(struct bench_settings *s, const char *text)
{
	char name[UDRV_PCI_NAME_MAX];

	if (!strcmp(text, "model:edu"))
		memcpy(s->device, text, strlen(text) + 1);
	else if (!udrv_pci_parse_name(text, name))
		memcpy(s->device, name, sizeof(name));
	else
		return wrong("DEVICE", text, "give an address such as 0000:00:05.0, or model:edu");
	return 0;
}

static int parse(struct bench_settings *s, int argc, char **argv)
{
	int option, ret;

	*s = (struct bench_settings){.passes = 1, .fifo = 50, .cpu = -1, .trigger_cpu = -1};
	if (bench_clock_parse("auto", &s->clock))
		return wrong("UDRV_LAB_CLOCK", getenv("UDRV_LAB_CLOCK"),
			     "should be icount or realtime");
	optind = 0;
	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h')
			return 1;
		ret = option == '?' ? -EINVAL : set_option(s, option, optarg);
		if (ret)
			return ret;
	}
	if (argc - optind > 1)
		return wrong("argument", argv[optind + 1], "only one DEVICE is measured at a time");
	if (!s->count)
		s->count = s->clock == BENCH_CLOCK_ICOUNT ? COUNT_ICOUNT : COUNT_REALTIME;
	return optind < argc ? set_device(s, argv[optind]) : 0;
}

static int lock_memory(void)
{
	if (!mlockall(MCL_CURRENT | MCL_FUTURE))
		return 0;
	tool_err("--mlock: %s; raise the limit by ulimit -l, or run as root\n", strerror(errno));
	return -EPERM;
}

/* Said before measuring, not after. */
static int check_gnuplot(struct bench_settings *s)
{
	if (!s->plot || bench_have_gnuplot())
		return 0;
	if (!s->json) {
		tool_err(
			"--plot %s: gnuplot is not installed here: use --json FILE, and where it is: "
			"udrv bench plot FILE %s",
			s->plot, s->plot);
		return -ENOENT;
	}
	tool_note("gnuplot is not installed here; where it is: udrv bench plot %s %s", s->json,
		  s->plot);
	s->plot = NULL;
	return 0;
}

static int prepare(struct bench_result *result)
{
	int ret = check_gnuplot(&result->settings);

	if (!ret)
		ret = bench_machine_read(result->settings.clock, &result->machine);
	if (!ret && result->settings.mlock)
		ret = lock_memory();
	if (!ret)
		ret = bench_pin(result->settings.trigger_cpu);
	return ret;
}

/* What was measured is shown and kept also when not all of it could be. */
static int show(const struct bench_result *result)
{
	const struct bench_settings *s = &result->settings;
	int ret = 0;

	if (!result->row_count)
		return 0;
	bench_report(result);
	if (fflush(stdout))
		ret = -EIO;
	if (s->json && bench_json_write(result, s->json))
		ret = -EIO;
	if (s->plot && bench_plot(result, s->plot))
		ret = -EIO;
	return ret;
}

static int run_irq(int argc, char **argv)
{
	struct bench_result result = {0};
	int ret = parse(&result.settings, argc, argv), stopped, shown;

	if (ret == 1)
		return fputs(usage, stdout) < 0 ? TOOL_FAILED : TOOL_OK;
	if (ret)
		return TOOL_USAGE;
	if (prepare(&result))
		return TOOL_FAILED;
	bench_signals_begin();
	ret = bench_irq(&result);
	stopped = bench_signals_end();
	if (stopped)
		tool_err("stopped by %s; the device is back with its driver\n", strsignal(stopped));
	shown = show(&result);
	bench_result_free(&result);
	if (stopped)
		return 128 + stopped;
	return ret || shown ? TOOL_FAILED : TOOL_OK;
}

static int run_plot(int argc, char **argv)
{
	struct bench_result result;
	void *owner;
	int ret;

	if (argc != 3) {
		fprintf(stderr, "usage: udrv bench plot JSON PICTURE\n");
		return TOOL_USAGE;
	}
	if (bench_plot_check(argv[2])) {
		(void)wrong("plot", argv[2], "give a name ending in .png or .svg");
		return TOOL_USAGE;
	}
	if (bench_json_read(argv[1], &result, &owner))
		return TOOL_FAILED;
	ret = bench_plot(&result, argv[2]);
	bench_result_free(&result);
	bench_json_release(owner);
	return ret ? TOOL_FAILED : TOOL_OK;
}

int cmd_bench(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "irq"))
		return run_irq(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "plot"))
		return run_plot(argc - 1, argv + 1);
	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		fputs(usage, stdout);
		return TOOL_OK;
	}
	fputs(usage, stderr);
	return TOOL_USAGE;
}

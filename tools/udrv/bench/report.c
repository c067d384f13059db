// SPDX-License-Identifier: GPL-2.0-or-later
/* The table for people. */
#include "bench/bench.h"

#include <stdio.h>
#include <string.h>

#include "pci/model_name.h"

/* Is the way cut in two in any row? */
static bool any_parts(const struct bench_result *result)
{
	for (size_t i = 0; i < result->row_count; i++)
		if (result->rows[i].to_worker_p50)
			return true;
	return false;
}

static void print_part(uint64_t ns)
{
	if (ns)
		printf("%8llu ", (unsigned long long)ns);
	else
		printf("%8s ", "-");
}

static void print_row(const struct bench_result *result, const struct bench_row *row)
{
	const struct bench_summary *s = &row->summary;
	double ratio = bench_ratio(result, row);

	printf("%-17s %8zu %5u %9llu %9llu %9llu %9llu %9llu %10llu ", row->name, s->count,
	       row->lost, (unsigned long long)s->min, (unsigned long long)s->p50,
	       (unsigned long long)s->p90, (unsigned long long)s->p99, (unsigned long long)s->p999,
	       (unsigned long long)s->max);
	if (any_parts(result)) {
		print_part(row->to_hard_p50);
		print_part(row->to_worker_p50);
	}
	if (ratio > 0)
		printf("%6.2f\n", ratio);
	else
		printf("%6s\n", "-");
}

static bool lacks_for(const struct bench_row *row, const char *reason)
{
	return !row->summary.count && !strcmp(row->reason, reason);
}

static bool is_first_of_reason(const struct bench_result *result, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (lacks_for(&result->rows[i], result->rows[nr].reason))
			return false;
	return true;
}

/* Rows that lack for one reason share a line. */
static void print_left_out(const struct bench_result *result)
{
	for (size_t i = 0; i < result->row_count; i++) {
		const char *reason = result->rows[i].reason;

		if (result->rows[i].summary.count || !is_first_of_reason(result, i))
			continue;
		printf("left out: %s", result->rows[i].name);
		for (size_t k = i + 1; k < result->row_count; k++)
			if (lacks_for(&result->rows[k], reason))
				printf(", %s", result->rows[k].name);
		printf(": %s\n", reason);
	}
}

static bool any_measured(const struct bench_result *result)
{
	for (size_t i = 0; i < result->row_count; i++)
		if (result->rows[i].summary.count)
			return true;
	return false;
}

static void print_table(const struct bench_result *result)
{
	printf("Interrupt latency of %s, register write to handler, in %s; ratio: p50 over %s's\n\n",
	       result->settings.device,
	       result->settings.clock == BENCH_CLOCK_ICOUNT ? "instructions" : "ns",
	       result->baseline);
	if (!any_measured(result)) {
		print_left_out(result);
		return;
	}
	printf("%-17s %8s %5s %9s %9s %9s %9s %9s %10s %s%6s\n", "row", "count", "lost", "min",
	       "p50", "p90", "p99", "p99.9", "max", any_parts(result) ? " to hard  to work " : "",
	       "ratio");
	for (size_t i = 0; i < result->row_count; i++)
		if (result->rows[i].summary.count)
			print_row(result, &result->rows[i]);
	print_left_out(result);
}

static void print_cpu(const char *who, int cpu)
{
	if (cpu < 0)
		printf("%s on any CPU", who);
	else
		printf("%s on CPU %d", who, cpu);
}

static void print_waiter(const struct bench_result *result)
{
	bool other = false;

	for (size_t i = 0; i < result->row_count; i++)
		if (result->rows[i].summary.count && result->rows[i].fifo == 0)
			other = true;
	/* udrv's default; the kernel's threads and the reader go where the scheduler puts them. */
	if (result->settings.cpu < 0)
		printf("waiter of udrv rows on the CPU of the interrupt");
	else
		print_cpu("waiter", result->settings.cpu);
	if (!result->settings.fifo)
		printf(", SCHED_OTHER");
	else if (other)
		printf(", SCHED_OTHER (SCHED_FIFO %d is not permitted)", result->settings.fifo);
	else
		printf(", SCHED_FIFO %d", result->settings.fifo);
}

static void print_notes(const struct bench_result *result)
{
	if (result->machine.preempt_rt || result->machine.threadirqs)
		printf("  %s: vfio-pci's own handler is forced into a thread, which costs one more "
		       "wake-up\n",
		       result->machine.preempt_rt ? "PREEMPT_RT" : "threadirqs");
	if (any_parts(result))
		printf("  to hard, to work: medians from the register write to the kernel's hard "
		       "handler, and from there to udrv's\n");
	if (bench_find_row(result, "uio-read") && !result->settings.intx)
		printf("  uio-read: by INTx, as uio_pci_generic has nothing else\n");
	if (result->machine.tcg)
		printf("  QEMU TCG: no caches and no real cost of register accesses; compare rows, not "
		       "machines%s\n",
		       result->settings.clock == BENCH_CLOCK_ICOUNT
			       ? ""
			       : ". Wall-clock figures vary with the host's load");
	if (udrv__is_model(result->settings.device))
		printf("  software model in this process: no device, no kernel driver; %s, two threads "
		       "and an eventfd, is the reference; spinning can be faster, as it wakes "
		       "nobody\n",
		       result->baseline);
}

void bench_report(const struct bench_result *result)
{
	const struct bench_settings *s = &result->settings;

	print_table(result);
	printf("\n  kernel %s, %ld CPU%s, clock %s", result->machine.kernel, result->machine.cpus,
	       result->machine.cpus == 1 ? "" : "s", bench_clock_name(s->clock));
	if (s->clock == BENCH_CLOCK_REALTIME)
		printf(" (counter %.3f MHz)", (double)result->machine.counter_khz / 1e3);
	printf(", %s%s\n  ", s->intx ? "INTx" : "MSI", s->mlock ? ", memory locked" : "");
	print_waiter(result);
	print_cpu("; trigger", s->trigger_cpu);
	if (s->spin_trigger_cpu != s->trigger_cpu)
		printf(" (spin and adaptive rows: with the interrupt on CPU %d)",
		       s->spin_trigger_cpu);
	printf(", SCHED_OTHER; gap %u ns; first pass dropped\n", s->gap_ns);
	print_notes(result);
}

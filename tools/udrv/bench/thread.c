// SPDX-License-Identifier: GPL-2.0-or-later
/* Threads and interrupts on the processors they are wanted on. */
#include "bench/rows.h"
#include "irq/irq.h"
#include "tool.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

static int pin_self(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return 0;
	if (cpu >= CPU_SETSIZE)
		return -EINVAL;
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

static int explain_cpu(const char *option, int cpu, int err)
{
	tool_err("%s %d: cannot run there: %s; see /sys/devices/system/cpu/online", option, cpu,
		 strerror(-err));
	return err;
}

int bench_pin(int cpu)
{
	int ret = pin_self(cpu);

	return ret ? explain_cpu("CPU", cpu, ret) : 0;
}

/* Tried, as a CPU can be offline or beyond what a cpuset allows. */
int bench_check_cpu(const char *option, int cpu)
{
	cpu_set_t before;
	int ret;

	if (cpu < 0)
		return 0;
	if (sched_getaffinity(0, sizeof(before), &before))
		return explain_cpu(option, cpu, -errno);
	ret = pin_self(cpu);
	if (ret)
		return explain_cpu(option, cpu, ret);
	(void)sched_setaffinity(0, sizeof(before), &before);
	return 0;
}

void bench_two_cpus(int cpus[2])
{
	cpu_set_t set;
	int found = 0;

	cpus[0] = cpus[1] = -1;
	if (sched_getaffinity(0, sizeof(set), &set))
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++)
		if (CPU_ISSET((size_t)cpu, &set))
			cpus[found++] = cpu;
}

static void *thread_main(void *arg)
{
	struct bench_thread *thread = arg;
	struct sched_param param = {.sched_priority = thread->fifo};

	/* Not permitted is not a failure: the figures say what the waiter got. */
	if (thread->fifo && pthread_setschedparam(pthread_self(), SCHED_FIFO, &param))
		thread->fifo = 0;
	thread->run(thread->ctx);
	return NULL;
}

int bench_thread_start(struct bench_thread *thread, const struct bench_settings *settings,
		       void (*run)(void *ctx), void *ctx)
{
	pthread_attr_t attr;
	cpu_set_t set;
	int ret;

	*thread = (struct bench_thread){.run = run, .ctx = ctx, .fifo = settings->fifo};
	ret = pthread_attr_init(&attr);
	if (ret)
		return -ret;
	if (settings->cpu >= 0) {
		CPU_ZERO(&set);
		CPU_SET((size_t)settings->cpu, &set);
		ret = pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	}
	if (!ret)
		ret = pthread_create(&thread->id, &attr, thread_main, thread);
	pthread_attr_destroy(&attr);
	return -ret;
}

void bench_thread_join(struct bench_thread *thread)
{
	(void)pthread_join(thread->id, NULL);
}

int bench_pin_irq(const char *word, int cpu)
{
	return cpu < 0 ? 0 : bench_pin_irq_number(word, udrv__irq_find(word), cpu);
}

int bench_pin_irq_number(const char *what, int irq, int cpu)
{
	char path[64];
	int ret;

	if (cpu < 0)
		return 0;
	ret = irq < 0 ? -ENOENT : udrv__irq_move_number(irq, cpu);
	(void)snprintf(path, sizeof(path), "/proc/irq/%d/smp_affinity_list", irq);
	if (ret)
		tool_err("cannot move the interrupt of %s to CPU %d (%s): %s", what, cpu,
			 irq < 0 ? "/proc/interrupts does not name it" : path, strerror(-ret));
	return ret;
}

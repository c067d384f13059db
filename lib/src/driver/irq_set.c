// SPDX-License-Identifier: MIT
/* The built-in verb irq-set: how a vector's worker runs, changed while it runs. */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/irq.h>

#include "driver/daemon.h"

/* A decimal number up to @max, or -EINVAL. */
static int parse_number(const char *text, long max)
{
	char *end;
	long val;

	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	val = strtol(text, &end, 10);
	return errno || *end || val > max ? -EINVAL : (int)val;
}

static int set_wait(struct udrv_irq_options *o, const char *value, FILE *err)
{
	int wait = udrv_wait_parse(value);

	if (wait >= 0) {
		o->wait = (enum udrv_wait)wait;
		return 0;
	}
	(void)fprintf(err, "wait=%s: the values are", value);
	for (int i = 0; i < UDRV_WAIT_COUNT; i++)
		(void)fprintf(err, "%s %s", i ? "," : "", udrv_wait_name((enum udrv_wait)i));
	(void)fprintf(err, "\n");
	return -EINVAL;
}

static int set_priority(struct udrv_irq_options *o, const char *value, FILE *err)
{
	int max = sched_get_priority_max(SCHED_FIFO);
	int priority = parse_number(value, max);

	if (priority < 0) {
		(void)fprintf(err, "priority=%s: the values are 0 (no SCHED_FIFO) to %d\n", value,
			      max);
		return -EINVAL;
	}
	o->fifo_priority = priority;
	return 0;
}

static int set_cpu(struct udrv_irq_options *o, const char *value, FILE *err)
{
	int cpu = parse_number(value, CPU_SETSIZE - 1);

	if (!strcmp(value, "home"))
		cpu = UDRV_CPU_HOME;
	else if (!strcmp(value, "any"))
		cpu = UDRV_CPU_ANY;
	else if (cpu < 0) {
		(void)fprintf(err, "cpu=%s: the values are a CPU's number, home and any\n", value);
		return -EINVAL;
	}
	o->cpu = cpu;
	return 0;
}

static int set_option(struct udrv_irq_options *o, const char *text, FILE *err)
{
	static const struct {
		const char *name;
		int (*set)(struct udrv_irq_options *o, const char *value, FILE *err);
	} options[] = {{"wait=", set_wait}, {"priority=", set_priority}, {"cpu=", set_cpu}};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		size_t len = strlen(options[i].name);

		if (!strncmp(text, options[i].name, len))
			return options[i].set(o, text + len, err);
	}
	(void)fprintf(err, "%s: the options are wait=, priority= and cpu=\n", text);
	return -EINVAL;
}

static int apply(struct udrv_device *dev, int irq, const struct udrv_irq_options *o, FILE *err)
{
	int ret = udrv_irq_set_options(dev, irq, o);

	if (ret) {
		(void)fprintf(err, "vector %d goes on as before: %s%s\n", irq, strerror(-ret),
			      ret == -EBUSY ? "; try again" : "; the daemon's log says more");
		return ret;
	}
	return 0;
}

/* Not permitted is no failure, but whoever asks for a priority wants to know. */
static void check_priority(struct udrv_device *dev, int irq, int wanted, FILE *err)
{
	struct udrv_irq_stats stats = {0};

	if (!udrv_irq_get_stats(dev, irq, &stats) && stats.fifo_priority < wanted)
		(void)fprintf(err,
			      "vector %d does not run by SCHED_FIFO %d: no handler is requested "
			      "yet, or the daemon lacks CAP_SYS_NICE or LimitRTPRIO=\n",
			      irq, wanted);
}

int udrv__irq_set_verb(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	struct udrv_irq_options options;
	int irq = argc > 1 ? parse_number(argv[1], INT_MAX) : -EINVAL;
	bool asked = false;
	int ret;

	(void)out;
	if (argc < 3) {
		(void)fprintf(err, "which vector, and what? e.g. irq-set 0 wait=uring\n");
		return -EINVAL;
	}
	if (irq < 0 || udrv_irq_get_options(dev, irq, &options)) {
		(void)fprintf(err, "%s: no vector that is in use; 'udrv irqs' shows them\n",
			      argv[1]);
		return -EINVAL;
	}
	for (int i = 2; i < argc; i++) {
		if (set_option(&options, argv[i], err))
			return -EINVAL;
		asked |= !strncmp(argv[i], "priority=", strlen("priority="));
	}
	ret = apply(dev, irq, &options, err);
	if (!ret && asked)
		check_priority(dev, irq, options.fifo_priority, err);
	return ret;
}

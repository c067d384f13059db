// SPDX-License-Identifier: MIT
/* The built-in verb irq-set: how vectors are served, changed while they are. */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
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

/* What is asked for. */
struct change {
	struct udrv_device *dev;
	unsigned int first, last; /* vectors */
	struct udrv_irq_options options;
	bool wait, priority, cpu; /* which of them */
	int affinity;		  /* a CPU, or -1: as it is */
	int share;		  /* by whose worker, SHARE_OWN, or SHARE_AS_IT_IS */
	long storm;		  /* -1: as it is */
};

#define SHARE_OWN      (-1)
#define SHARE_AS_IT_IS (-2)

static int set_wait(struct change *c, const char *value, FILE *err)
{
	int wait = udrv_wait_parse(value);

	if (wait >= 0) {
		c->options.wait = (enum udrv_wait)wait;
		c->wait = true;
		return 0;
	}
	(void)fprintf(err, "wait=%s: the values are", value);
	for (int i = 0; i < UDRV_WAIT_COUNT; i++)
		(void)fprintf(err, "%s %s", i ? "," : "", udrv_wait_name((enum udrv_wait)i));
	(void)fprintf(err, "\n");
	return -EINVAL;
}

static int set_priority(struct change *c, const char *value, FILE *err)
{
	int max = sched_get_priority_max(SCHED_FIFO);
	int priority = parse_number(value, max);

	if (priority < 0) {
		(void)fprintf(err, "priority=%s: the values are 0 (no SCHED_FIFO) to %d\n", value,
			      max);
		return -EINVAL;
	}
	c->options.fifo_priority = priority;
	c->priority = true;
	return 0;
}

/* 0, or what the kernel says to it. */
static int try_cpu(int cpu)
{
	cpu_set_t before;
	cpu_set_t set;
	int ret = 0;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_getaffinity(0, sizeof(before), &before) ||
	    sched_setaffinity(0, sizeof(set), &set))
		ret = -errno;
	else
		(void)sched_setaffinity(0, sizeof(before), &before);
	return ret;
}

static int set_cpu(struct change *c, const char *value, FILE *err)
{
	int cpu = parse_number(value, CPU_SETSIZE - 1);
	int ret;

	if (!strcmp(value, "home"))
		cpu = UDRV_CPU_HOME;
	else if (!strcmp(value, "any"))
		cpu = UDRV_CPU_ANY;
	else if (cpu < 0) {
		(void)fprintf(err, "cpu=%s: the values are a CPU's number, home and any\n", value);
		return -EINVAL;
	}
	ret = cpu < 0 ? 0 : try_cpu(cpu);
	if (ret) {
		(void)fprintf(err, "cpu=%s: the daemon cannot run there: %s\n", value,
			      strerror(-ret));
		return ret;
	}
	c->options.cpu = cpu;
	c->cpu = true;
	return 0;
}

static int set_affinity(struct change *c, const char *value, FILE *err)
{
	c->affinity = parse_number(value, CPU_SETSIZE - 1);
	if (c->affinity >= 0)
		return 0;
	(void)fprintf(err, "affinity=%s: the values are a CPU's number\n", value);
	return -EINVAL;
}

static int set_share(struct change *c, const char *value, FILE *err)
{
	int with = parse_number(value, INT_MAX);
	struct udrv_irq_options of_it;

	if (!strcmp(value, "own"))
		with = SHARE_OWN;
	else if (with < 0 || udrv_irq_get_options(c->dev, with, &of_it)) {
		(void)fprintf(err,
			      "share=%s: the values are own and the number of a vector that is in "
			      "use\n",
			      value);
		return -EINVAL;
	}
	c->share = with;
	return 0;
}

static int set_storm(struct change *c, const char *value, FILE *err)
{
	int limit = parse_number(value, INT_MAX);

	if (!strcmp(value, "none"))
		limit = 0;
	else if (limit <= 0) {
		(void)fprintf(err, "storm=%s: the values are interrupts per second and none\n",
			      value);
		return -EINVAL;
	}
	c->storm = limit;
	return 0;
}

static int set_option(struct change *c, const char *text, FILE *err)
{
	static const struct {
		const char *name;
		int (*set)(struct change *c, const char *value, FILE *err);
	} options[] = {{"wait=", set_wait},   {"priority=", set_priority},
		       {"cpu=", set_cpu},     {"affinity=", set_affinity},
		       {"share=", set_share}, {"storm=", set_storm}};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		size_t len = strlen(options[i].name);

		if (!strncmp(text, options[i].name, len))
			return options[i].set(c, text + len, err);
	}
	(void)fprintf(err,
		      "%s: the options are wait=, priority=, cpu=, affinity=, share= and storm=\n",
		      text);
	return -EINVAL;
}

/* "3", "0-63" or "all", of the vectors that there are. */
static int parse_vectors(struct udrv_device *dev, struct change *c, const char *text)
{
	struct udrv_irq_options options;
	char first[16];
	size_t len = strcspn(text, "-");
	int from;
	int to;

	c->first = 0;
	c->last = 0;
	if (!strcmp(text, "all")) {
		while (!udrv_irq_get_options(dev, (int)c->last, &options))
			c->last++;
		return c->last-- ? 0 : -EINVAL;
	}
	if (len >= sizeof(first))
		return -EINVAL;
	(void)snprintf(first, sizeof(first), "%.*s", (int)len, text);
	from = parse_number(first, INT_MAX);
	to = text[len] ? parse_number(text + len + 1, INT_MAX) : from;
	if (from < 0 || to < from || udrv_irq_get_options(dev, to, &options))
		return -EINVAL;
	c->first = (unsigned int)from;
	c->last = (unsigned int)to;
	return 0;
}

static int apply_options(struct udrv_device *dev, int irq, const struct change *c)
{
	struct udrv_irq_options now;
	struct udrv_irq_options wanted;
	int ret = udrv_irq_get_options(dev, irq, &now);

	if (ret)
		return ret;
	wanted = now;
	if (c->wait)
		wanted.wait = c->options.wait;
	if (c->priority)
		wanted.fifo_priority = c->options.fifo_priority;
	if (c->cpu)
		wanted.cpu = c->options.cpu;
	/* Of vectors with the same worker the first has changed it for all. */
	if (wanted.wait == now.wait && wanted.fifo_priority == now.fifo_priority &&
	    wanted.cpu == now.cpu)
		return 0;
	return udrv_irq_set_options(dev, irq, &wanted);
}

static int apply(struct udrv_device *dev, int irq, const struct change *c)
{
	int ret = 0;

	if (c->share == SHARE_OWN)
		ret = udrv_irq_share(dev, irq, dev, irq);
	else if (c->share >= 0 && c->share != irq)
		ret = udrv_irq_share(dev, irq, dev, c->share);
	/* Of the worker that it has from now on. */
	if (!ret)
		ret = apply_options(dev, irq, c);
	if (!ret && c->storm >= 0)
		ret = udrv_irq_set_storm_limit(dev, irq, (unsigned int)c->storm);
	return ret;
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

/* All else that makes no sense is refused before. */
static const char *reason(int ret)
{
	return ret == -EINVAL
		       ? "a worker of several vectors waits by uring, epoll, spin or adaptive"
		       : strerror(-ret);
}

/* After the rest, of which it is independent: what is said of that is true then. */
static int apply_affinity(struct udrv_device *dev, unsigned int irq, int cpu, FILE *err)
{
	const int ret = udrv_irq_set_affinity(dev, (int)irq, cpu);

	if (ret)
		(void)fprintf(err, "CPU %d does not get the interrupt of vector %u: %s\n", cpu, irq,
			      strerror(-ret));
	return ret;
}

static int apply_to(struct udrv_device *dev, unsigned int irq, const struct change *c, FILE *err)
{
	int ret = apply(dev, (int)irq, c);

	if (!ret)
		return c->affinity < 0 ? 0 : apply_affinity(dev, irq, c->affinity, err);
	(void)fprintf(err, "vector %u goes on as before: %s%s\n", irq, reason(ret),
		      ret == -EBUSY ? "; try again" : "");
	return ret;
}

static int apply_to_all(struct udrv_device *dev, const struct change *c, FILE *err)
{
	const unsigned int with = (unsigned int)c->share;
	const bool with_it = c->share >= 0 && with >= c->first && with <= c->last;
	int ret = 0;

	/* Its worker may have to wait differently before others share it. */
	if (with_it)
		ret = apply_to(dev, with, c, err);
	for (unsigned int irq = c->first; !ret && irq <= c->last; irq++)
		if (!with_it || irq != with)
			ret = apply_to(dev, irq, c, err);
	if (!ret && c->priority)
		check_priority(dev, (int)c->first, c->options.fifo_priority, err);
	return ret;
}

int udrv__irq_set_verb(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	struct change c = {.dev = dev, .affinity = -1, .share = SHARE_AS_IT_IS, .storm = -1};

	(void)out;
	if (argc < 3) {
		(void)fprintf(err, "which vector, and what? e.g. irq-set 0 wait=uring\n");
		return -EINVAL;
	}
	if (parse_vectors(dev, &c, argv[1])) {
		(void)fprintf(err, "%s: no vector that is in use; 'udrv irqs' shows them\n",
			      argv[1]);
		return -EINVAL;
	}
	for (int i = 2; i < argc; i++)
		if (set_option(&c, argv[i], err))
			return -EINVAL;
	return apply_to_all(dev, &c, err);
}

// SPDX-License-Identifier: MIT
/*
 * The interrupt runtime on real kernels, with devices of QEMU bound to vfio-pci:
 * test_vectors msix E1000E | msi EDU | intx EDU | chain EDU | line EDU PCI-SERIAL-2X | nobody EDU |
 *		many IVSHMEM
 *
 * Whatever is done to a vector meanwhile, all that was raised arrives, and once.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <udrv/device.h>
#include <udrv/ktime.h>
#include <udrv/log.h>
#include <udrv/pci.h>

#include "irq_source.h"

#define SOURCES_MAX 5
#define MANY	    64
#define ROUNDS	    300	     /* of something that is done to vectors, at least */
#define TURNS	    16	     /* of each of them, at least */
#define WINDOW	    100000u  /* interrupts that nobody handles, until they are shut off */
#define HALF_NS	    50000000 /* of the pause after which they are counted anew */

struct test {
	struct source *s;
	unsigned int count;
};

static unsigned int rounds(const struct test *t)
{
	return t->count * TURNS > ROUNDS ? t->count * TURNS : ROUNDS;
}

/*
 * Runs of the handlers that found nothing, but those that the device is to blame for. With those
 * that a change of the way to wait has left behind: a worker of normal priority need not have come
 * to them when the change is over.
 */
static unsigned int idle_runs(const struct test *t)
{
	unsigned int sum = 0;

	for (unsigned int i = 0; i < t->count; i++) {
		if (udrv_synchronize_irq(t->s[i].dev, t->s[i].irq))
			check("synchronize", false);
		sum += t->s[i].repeats ? 0 : t->s[i].idle;
	}
	return sum;
}

/* Something that is done to a vector while its interrupts come, in a thread of its own. */
struct meddler {
	void (*step)(struct source *s, unsigned int round);
	const struct test *test;
	atomic_bool ended;
};

static void *meddle(void *ctx)
{
	struct meddler *m = ctx;

	for (unsigned int round = 0; round < rounds(m->test); round++)
		m->step(&m->test->s[round % m->test->count], round);
	m->ended = true;
	return NULL;
}

static void check_while(const char *what, const struct test *t,
			void (*step)(struct source *s, unsigned int round), bool may_be_idle)
{
	struct meddler m = {.step = step, .test = t};
	unsigned int idle = idle_runs(t);
	bool good = true;
	pthread_t thread;

	if (pthread_create(&thread, NULL, meddle, &m)) {
		check("a thread", false);
		return;
	}
	do {
		good = sources_pump(t->s, t->count, 20);
	} while (good && !m.ended);
	pthread_join(thread, NULL);
	check(what, good && (may_be_idle || idle_runs(t) == idle));
}

static void toggle(struct source *s, unsigned int round)
{
	unsigned int depth = 1 + round % 3;
	unsigned int before;
	bool good = true;

	for (unsigned int i = 0; i < depth; i++)
		good &= !udrv_disable_irq(s->dev, s->irq);
	before = s->arrived;
	pause_us(200);
	if (!good || s->arrived != before)
		check("a disabled interrupt does not run", false);
	for (unsigned int i = 0; i < depth; i++)
		good &= !udrv_enable_irq(s->dev, s->irq);
	if (!good)
		check("disable and enable", false);
}

static void change_wait(struct source *s, unsigned int round)
{
	struct udrv_irq_options options = UDRV_IRQ_OPTIONS_DEFAULT;
	unsigned int i = round * 7 / 3;

	options.wait = waits[i % wait_count];
	if (round % 4 == 3)
		options.fifo_priority = 0;
	if (udrv_irq_set_options(s->dev, s->irq, &options))
		check(udrv_wait_name(options.wait), false);
}

static void synchronize(struct source *s, unsigned int round)
{
	(void)round;
	if (udrv_synchronize_irq(s->dev, s->irq))
		check("synchronize", false);
}

static void everything(struct source *s, unsigned int round)
{
	change_wait(s, round);
	toggle(s, round);
	synchronize(s, round);
}

/* Vectors with the same worker have it already once the first has. */
static bool choose_wait(struct source *s, enum udrv_wait wait)
{
	struct udrv_irq_options options;

	if (udrv_irq_get_options(s->dev, s->irq, &options))
		return false;
	if (options.wait == wait)
		return true;
	options.wait = wait;
	return !udrv_irq_set_options(s->dev, s->irq, &options);
}

static void each_wait(const struct test *t)
{
	for (unsigned int w = 0; w < wait_count; w++) {
		unsigned int idle = idle_runs(t);
		bool good = true;

		for (unsigned int i = 0; i < t->count; i++)
			good &= choose_wait(&t->s[i], waits[w]);
		good &= sources_pump(t->s, t->count, 2000 / t->count);
		/* The change may have made each chain run for nothing, once. */
		check(udrv_wait_name(waits[w]), good && idle_runs(t) - idle <= t->count);
	}
}

static unsigned int arrived(const struct test *t)
{
	unsigned int sum = 0;

	for (unsigned int i = 0; i < t->count; i++)
		sum += t->s[i].arrived;
	return sum;
}

static void pending_while_disabled(const struct test *t)
{
	unsigned int before = arrived(t);
	bool disabled = true;
	bool raised = true;
	bool enabled = true;
	bool good = true;

	for (unsigned int i = 0; i < t->count; i++) {
		disabled &= !udrv_disable_irq(t->s[i].dev, t->s[i].irq);
		raised &= source_raise(&t->s[i]);
	}
	check("disable", disabled);
	check("raised while disabled", raised);
	pause_us(20000);
	check("none runs", arrived(t) == before);
	for (unsigned int i = 0; i < t->count; i++) {
		enabled &= !udrv_enable_irq(t->s[i].dev, t->s[i].irq);
		good &= source_await(&t->s[i]);
	}
	check("enable", enabled);
	check("each runs then", good);
}

static void vectors(const struct test *t)
{
	for (unsigned int i = 0; i < t->count; i++)
		if (source_request(&t->s[i], 0))
			check("request", false);
	each_wait(t);
	pending_while_disabled(t);
	check_while("while disabled and enabled", t, toggle, false);
	check_while("while the wait changes", t, change_wait, true);
	check_while("while synchronized", t, synchronize, false);
	check_while("while all of that", t, everything, true);
	/* Those that the device repeats are still to come. */
	pause_us(50000);
	for (unsigned int i = 0; i < t->count; i++)
		source_check_stats(&t->s[i]);
}

/* One vector comes and goes, with its own interrupts, while the others' arrive. */
static void *come_and_go(void *ctx)
{
	struct meddler *m = ctx;
	struct source *s = m->test->s;
	bool good = true;

	for (unsigned int round = 0; good && round < ROUNDS; round++)
		good = !source_free(s) && !source_request(s, 0) && source_raise(s) &&
		       source_await(s);
	check("free, request, raise", good);
	m->ended = true;
	return NULL;
}

static void free_one(const struct test *t)
{
	const struct test last = {&t->s[t->count - 1], 1};
	struct meddler m = {.test = &last};
	unsigned int idle = idle_runs(t);
	bool good;
	pthread_t thread;

	if (pthread_create(&thread, NULL, come_and_go, &m))
		return check("a thread", false);
	do {
		good = sources_pump(t->s, t->count - 1, 20);
	} while (good && !m.ended);
	pthread_join(thread, NULL);
	good &= source_await(last.s);
	check("while one is freed and requested", good && idle_runs(t) == idle);
}

/* All that is done to vectors, by the workers that they have; nothing is requested after it. */
static void msix_vectors(const struct test *t)
{
	bool good = true;

	vectors(t);
	free_one(t);
	for (unsigned int i = 0; i < t->count; i++)
		good &= !source_free(&t->s[i]);
	check("free", good);
}

static void msix(char **names)
{
	struct udrv_device *dev = open_with_vectors(names[0], UDRV_PCI_IRQ_MSIX, SOURCES_MAX);
	struct source s[SOURCES_MAX];
	const struct test t = {s, SOURCES_MAX};

	e1000e_sources(s, dev);
	msix_vectors(&t);
	close_quiet(dev);
}

static void many(char **names)
{
	struct udrv_device *dev = open_with_vectors(names[0], UDRV_PCI_IRQ_MSIX, MANY);
	struct source s[MANY];
	const struct test t = {s, MANY};

	ivshmem_sources(s, MANY, dev);
	msix_vectors(&t); /* a worker each */
	sources_share(s, MANY);
	msix_vectors(&t);
	close_quiet(dev);
}

static void edu(const char *name, unsigned int type)
{
	struct udrv_device *dev = open_with_vectors(name, type, 1);
	struct source s;
	const struct test t = {&s, 1};

	edu_source(&s, dev);
	vectors(&t);
	close_quiet(dev);
}

static void msi(char **names)
{
	edu(names[0], UDRV_PCI_IRQ_MSI);
}

/* Does not acknowledge it at once. */
#define RUNS_UNTIL_ACK 5
static atomic_int level_runs;

static udrv_irqreturn_t acknowledge_late(int irq, void *source)
{
	struct source *s = source;

	(void)irq;
	if (++level_runs >= RUNS_UNTIL_ACK)
		s->arrived += s->ops->take(s);
	return UDRV_IRQ_HANDLED;
}

static void level(const char *name)
{
	struct udrv_device *dev = open_with_vectors(name, UDRV_PCI_IRQ_INTX, 1);
	struct source s;

	edu_source(&s, dev);
	check("request", !udrv_request_irq(dev, s.irq, acknowledge_late, 0, "late", &s));
	check("a level that stays fires again", source_raise(&s) && source_await(&s));
	pause_us(20000);
	check("until it is acknowledged", level_runs == RUNS_UNTIL_ACK);
	close_quiet(dev);
}

static void intx(char **names)
{
	edu(names[0], UDRV_PCI_IRQ_INTX);
	level(names[0]);
}

static atomic_uint stranger_runs, stranger_pauses;

static udrv_irqreturn_t stranger(int irq, void *ctx)
{
	static udrv_ktime_t last;
	const udrv_ktime_t now = udrv_ktime_get();

	(void)irq;
	(void)ctx;
	stranger_runs++;
	stranger_pauses += last && now - last >= HALF_NS;
	last = now;
	return UDRV_IRQ_NONE;
}

static void stranger_comes_and_goes(struct source *s, unsigned int round)
{
	static char other;

	(void)round;
	if (udrv_request_irq(s->dev, s->irq, stranger, UDRV_IRQF_SHARED, "other", &other) ||
	    udrv_free_irq(s->dev, s->irq, &other))
		check("another handler", false);
}

static void chain(char **names)
{
	struct udrv_device *dev = open_with_vectors(names[0], UDRV_PCI_IRQ_INTX, 1);
	struct udrv_irq_stats stats = {0};
	struct source s;
	const struct test t = {&s, 1};

	edu_source(&s, dev);
	check("one", !udrv_request_irq(dev, s.irq, stranger, UDRV_IRQF_SHARED, "none", &dev));
	check("two", !source_request(&s, UDRV_IRQF_SHARED));
	check("not a third who does not share",
	      udrv_request_irq(dev, s.irq, stranger, 0, "alone", &s) == -EBUSY);
	check("two handlers", sources_pump(&s, 1, 2000));
	check("the first was called each time", stranger_runs == 2000);
	/* The worker counts when the handlers have returned. */
	(void)udrv_synchronize_irq(dev, s.irq);
	(void)udrv_irq_get_stats(dev, s.irq, &stats);
	check("all were handled", stats.count == 2000 && !stats.unhandled && !s.idle);
	check("the first goes", !udrv_free_irq(dev, s.irq, &dev));
	check("one handler", sources_pump(&s, 1, 100));
	check("the first is not called", stranger_runs == 2000);
	check_while("while another handler comes and goes", &t, stranger_comes_and_goes, false);
	close_quiet(dev);
}

/* Does one line of the kernel serve both? */
static bool share_a_line(const struct source *a, const struct source *b)
{
	FILE *lines = fopen("/proc/interrupts", "re");
	char line[1000];
	bool shared = false;

	while (lines && fgets(line, sizeof(line), lines))
		shared |= strstr(line, udrv_device_name(a->dev)) &&
			  strstr(line, udrv_device_name(b->dev));
	if (lines)
		(void)fclose(lines);
	return shared;
}

/* A line that two devices share in hardware; the kernel tells them apart. */
static void line(char **names)
{
	struct udrv_device *edu_dev = open_with_vectors(names[0], UDRV_PCI_IRQ_INTX, 1);
	struct udrv_device *uarts = open_with_vectors(names[1], UDRV_PCI_IRQ_INTX, 1);
	struct source s[2];
	struct source second;
	const struct test t = {s, 2};

	edu_source(&s[0], edu_dev);
	uart_source(&s[1], uarts, 0);
	uart_source(&second, uarts, 8);
	check("one line", share_a_line(&s[0], &s[1]));
	vectors(&t);
	sources_share(s, 2);
	check("one worker for both devices", sources_pump(s, 2, 500));
	check("a second port", !source_free(&s[1]) && !source_request(&s[1], UDRV_IRQF_SHARED) &&
				       !source_request(&second, UDRV_IRQF_SHARED));
	check("both ports beside the other device",
	      sources_pump(&second, 1, 200) && sources_pump(s, 2, 200));
	for (int i = 0; i < 200; i++)
		if (!source_raise(&s[0]) || !source_raise(&s[1]) || !source_raise(&second))
			break;
	check("all three at once",
	      source_await(&s[0]) && source_await(&s[1]) && source_await(&second));
	check("one device goes", !source_free(&s[1]) && !source_free(&second));
	close_quiet(uarts);
	check("the other goes on", sources_pump(s, 1, 200));
	close_quiet(edu_dev);
}

/*
 * Linux forgets the unhandled ones before a pause of 100 ms, and so does the library. A machine
 * under load makes such pauses: of each, at least one half lies between two runs of the handler.
 */
static bool is_shut_in_time(const struct udrv_irq_stats *stats)
{
	return stats->shut && stats->count && stats->count % WINDOW == 0 &&
	       stats->count <= WINDOW * (1 + (uint64_t)stranger_pauses) &&
	       stats->unhandled == stats->count && stranger_runs == stats->count;
}

static void nobody(char **names)
{
	struct udrv_device *dev = open_with_vectors(names[0], UDRV_PCI_IRQ_INTX, 1);
	time_t start = time(NULL);
	struct udrv_irq_stats stats = {0};
	struct source s;

	edu_source(&s, dev);
	check("request", !udrv_request_irq(dev, s.irq, stranger, 0, "stranger", &s));
	check("raise", source_raise(&s));
	while (!stats.shut && time(NULL) < start + 1000 && !udrv_irq_get_stats(dev, s.irq, &stats))
		pause_us(10000);
	printf("shut off after %lu runs, %ld s, %u pauses\n", (unsigned long)stats.count,
	       (long)(time(NULL) - start), stranger_pauses);
	check("shut off", is_shut_in_time(&stats));
	check("free", !source_free(&s));
	check("request anew", !source_request(&s, 0));
	check("the interrupt is still there", source_await(&s));
	check("it works again", sources_pump(&s, 1, 100));
	close_quiet(dev);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int devices;
		void (*run)(char **names);
	} tests[] = {{"msix", 1, msix},	  {"msi", 1, msi},   {"intx", 1, intx},
		     {"chain", 1, chain}, {"line", 2, line}, {"nobody", 1, nobody},
		     {"many", 1, many}};

	udrv_log_set(udrv_log_stderr, "test_vectors", UDRV_LOG_INFO);
	for (size_t i = 0; argc > 1 && i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (strcmp(tests[i].name, argv[1]) || argc != 2 + tests[i].devices)
			continue;
		tests[i].run(argv + 2);
		printf("%d failed\n", failed);
		return failed ? 1 : 0;
	}
	(void)fprintf(stderr,
		      "usage: test_vectors msix|msi|intx|chain|line|nobody|many DEVICE...\n");
	return 2;
}

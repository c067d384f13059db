// SPDX-License-Identifier: MIT
/*
 * What a worker of udrv costs beside a thread that only waits, on this machine, without a device:
 * the vectors' eventfds of the software ivshmem are written by hand.
 *
 * usage: bench_wait [--rounds N] [--count N]    all tables; N rounds of N interrupts a row
 *        bench_wait --loop WAIT VECTORS COUNT    COUNT interrupts by one worker, for
 * tests/bench/cost
 *
 * One CPU: the trigger writes the eventfd of a vector and sleeps until the handler has answered by
 * another eventfd, so a round trip is two wake-ups on one CPU. Two CPUs: the worker spins, and the
 * time is from before the write to the handler. Rows are taken in turn, round after round, and the
 * ratio of a row is the median over the rounds of its own p50 over the first row's in the same
 * round.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <udrv/udrv.h>

#include "irq/irq.h"

#define ROUNDS_MAX 101
#define VECTORS	   64
#define FIFO	   50

struct row {
	const char *name;
	int wait; /* enum udrv_wait, or BARE */
	unsigned int vectors;
	uint64_t p50[ROUNDS_MAX];
};

#define BARE (-1)

static unsigned int rounds = 9, count = 20000;

static void die(const char *what, int err)
{
	(void)fprintf(stderr, "bench_wait: %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(1);
}

static void check(const char *what, int ret)
{
	if (ret < 0)
		die(what, ret);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int make_eventfd(int flags)
{
	int fd = eventfd(0, EFD_CLOEXEC | flags);

	if (fd < 0)
		die("eventfd", errno);
	return fd;
}

static void signal_fd(int fd)
{
	if (eventfd_write(fd, 1))
		die("eventfd_write", errno);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	check("pinning to a CPU", -pthread_setaffinity_np(pthread_self(), sizeof(set), &set));
}

/* Not permitted is no failure: all rows run alike. */
static void run_fifo(int priority)
{
	const struct sched_param param = {.sched_priority = priority};

	(void)pthread_setschedparam(pthread_self(), priority ? SCHED_FIFO : SCHED_OTHER, &param);
}

/* One wait and its answer, whoever waits. */
static struct {
	int ack;		 /* answered by a blocking wake-up; -1: by `handled` */
	atomic_uint_fast64_t at; /* when the handler ran */
	atomic_uint handled;
	atomic_bool stop;
	int efd; /* the bare thread's */
	int cpu;
} b;

static void answer(void)
{
	if (b.ack >= 0) {
		signal_fd(b.ack);
		return;
	}
	b.at = udrv_get_cycles();
	b.handled++;
}

static udrv_irqreturn_t handler(int irq, void *ctx)
{
	(void)irq;
	(void)ctx;
	answer();
	return UDRV_IRQ_HANDLED;
}

/* The bound: nothing but the wait. */
static void *bare_thread(void *arg)
{
	eventfd_t n;

	(void)arg;
	pin(b.cpu);
	run_fifo(FIFO);
	while (!b.stop) {
		if (eventfd_read(b.efd, &n)) {
			udrv_cpu_relax();
			continue;
		}
		if (!b.stop)
			answer();
	}
	return NULL;
}

static struct udrv_device *open_vectors(unsigned int n)
{
	struct udrv_device *dev;

	check("model:ivshmem", udrv_device_open("model:ivshmem", NULL, &dev));
	check("enable", udrv_pci_enable_device(dev));
	check("vectors", udrv_pci_alloc_irq_vectors(dev, n, n, UDRV_PCI_IRQ_MSIX));
	return dev;
}

/* All by the worker of vector 0. */
static void request_all(struct udrv_device *dev, enum udrv_wait wait, unsigned int n, int cpu)
{
	const struct udrv_irq_options options = {wait, FIFO, cpu};

	check("options", udrv_irq_set_options(dev, 0, &options));
	for (unsigned int i = 0; i < n; i++) {
		if (i)
			check("share", udrv_irq_share(dev, (int)i, dev, 0));
		check("request", udrv_request_irq(dev, (int)i, handler, 0, "bench", &b));
	}
}

/* Somebody who waits, and the eventfds to write. */
struct waiter {
	struct udrv_device *dev;
	pthread_t thread;
	int efds[VECTORS];
	unsigned int count;
};

static void start(struct waiter *w, const struct row *row, int cpu, bool spins)
{
	b.stop = false;
	b.cpu = cpu;
	b.handled = 0;
	w->dev = NULL;
	w->count = row->vectors;
	if (row->wait == BARE) {
		b.efd = w->efds[0] = make_eventfd(spins ? EFD_NONBLOCK : 0);
		check("thread", -pthread_create(&w->thread, NULL, bare_thread, NULL));
		return;
	}
	w->dev = open_vectors(row->vectors);
	request_all(w->dev, (enum udrv_wait)row->wait, row->vectors, cpu);
	for (unsigned int i = 0; i < row->vectors; i++)
		w->efds[i] = w->dev->irqs->vectors[i].efd;
}

static void finish(struct waiter *w)
{
	if (w->dev) {
		udrv_device_close(w->dev);
		return;
	}
	b.stop = true;
	signal_fd(b.efd);
	pthread_join(w->thread, NULL);
	close(b.efd);
}

/* Every vector in turn, in no order that a cache would like. */
static int next_efd(const struct waiter *w, unsigned int i)
{
	return w->efds[i * 37 % w->count];
}

static uint64_t blocking_trip(const struct waiter *w, unsigned int i)
{
	uint64_t start_cycles = udrv_get_cycles();
	eventfd_t n;

	signal_fd(next_efd(w, i));
	if (eventfd_read(b.ack, &n))
		die("eventfd_read", errno);
	return udrv_get_cycles() - start_cycles;
}

static uint64_t spinning_way(const struct waiter *w, unsigned int i)
{
	unsigned int before = b.handled;
	uint64_t start_cycles = udrv_get_cycles();

	signal_fd(next_efd(w, i));
	while (b.handled == before)
		udrv_cpu_relax();
	return b.at - start_cycles;
}

static int by_value(const void *x, const void *y)
{
	const uint64_t a = *(const uint64_t *)x;
	const uint64_t c = *(const uint64_t *)y;

	return (a > c) - (a < c);
}

static uint64_t p50(uint64_t *values, unsigned int n)
{
	qsort(values, n, sizeof(*values), by_value);
	return values[n / 2];
}

/* A first tenth warms up. */
static uint64_t measure(const struct row *row, int cpu, bool spins)
{
	uint64_t *values = calloc(count, sizeof(*values));
	struct waiter w;
	uint64_t median;

	if (!values)
		die("memory", ENOMEM);
	b.ack = spins ? -1 : make_eventfd(0);
	start(&w, row, cpu, spins);
	for (unsigned int i = 0; i < count / 10; i++)
		(void)(spins ? spinning_way(&w, i) : blocking_trip(&w, i));
	for (unsigned int i = 0; i < count; i++)
		values[i] = spins ? spinning_way(&w, i) : blocking_trip(&w, i);
	finish(&w);
	median = p50(values, count);
	free(values);
	if (b.ack >= 0)
		close(b.ack);
	return median;
}

static double ns_per_cycle(void)
{
	uint64_t ns = now_ns();
	uint64_t cycles = udrv_get_cycles();

	while (now_ns() - ns < 50000000)
		;
	return (double)(now_ns() - ns) / (double)(udrv_get_cycles() - cycles);
}

/* Over the rounds, whose order is kept. */
static uint64_t median(const uint64_t *values)
{
	uint64_t sorted[ROUNDS_MAX];

	memcpy(sorted, values, rounds * sizeof(*values));
	return p50(sorted, rounds);
}

static int by_double(const void *x, const void *y)
{
	const double a = *(const double *)x;
	const double c = *(const double *)y;

	return (a > c) - (a < c);
}

static void print_row(struct row *row, const struct row *base, double ns, double bound)
{
	double ratio[ROUNDS_MAX];

	for (unsigned int r = 0; r < rounds; r++)
		ratio[r] = (double)row->p50[r] / (double)base->p50[r];
	qsort(ratio, rounds, sizeof(*ratio), by_double);
	printf("%-18s %8.0f %7.2f %7.2f - %-5.2f", row->name, (double)median(row->p50) * ns,
	       ratio[rounds / 2], ratio[0], ratio[rounds - 1]);
	if (bound > 0)
		printf(" goal %.2f: %s", bound, ratio[rounds / 2] <= bound ? "met" : "missed");
	printf("\n");
}

static void table(const char *title, struct row *rows, const double *bounds, unsigned int n,
		  int cpu, bool spins)
{
	double ns = ns_per_cycle();

	for (unsigned int r = 0; r < rounds; r++)
		for (unsigned int i = 0; i < n; i++)
			rows[i].p50[r] = measure(&rows[i], cpu, spins);
	printf("\n%s\n%-18s %8s %7s %15s\n", title, "row", "p50 ns", "ratio", "ratio min - max");
	for (unsigned int i = 0; i < n; i++)
		print_row(&rows[i], &rows[0], ns, bounds[i]);
}

static void one_cpu(int cpu)
{
	static struct row rows[] = {
		{"bare read", BARE, 1, {0}},
		{"read", UDRV_WAIT_READ, 1, {0}},
		{"epoll", UDRV_WAIT_EPOLL, 1, {0}},
		{"epoll, 64", UDRV_WAIT_EPOLL, 64, {0}},
		{"uring", UDRV_WAIT_URING, 1, {0}},
		{"uring, 8", UDRV_WAIT_URING, 8, {0}},
		{"uring, 32", UDRV_WAIT_URING, 32, {0}},
		{"uring, 64", UDRV_WAIT_URING, 64, {0}},
	};
	static const double bounds[] = {0, 0, 0, 0, 1.05, 1.05, 1.05, 1.05};
	const unsigned int n = sizeof(rows) / sizeof(rows[0]);
	double growth[ROUNDS_MAX];

	table("Round trip on one CPU, two threads; ratio to a lone blocking read", rows, bounds, n,
	      cpu, false);
	for (unsigned int r = 0; r < rounds; r++)
		growth[r] = (double)rows[n - 1].p50[r] / (double)rows[4].p50[r];
	qsort(growth, rounds, sizeof(*growth), by_double);
	printf("growth from 1 to 64 vectors on one io_uring worker: %+.1f %% (goal: below 10 %%)\n",
	       (growth[rounds / 2] - 1) * 100);
	printf("memory of a vector: %zu bytes, of its record in the statistics %zu, of a worker %zu "
	       "and its stack\n",
	       sizeof(struct udrv__vector), sizeof(struct udrv__stat_vector),
	       sizeof(struct udrv__irq_worker));
}

static void two_cpus(int cpu)
{
	static struct row rows[] = {
		{"bare spinning read", BARE, 1, {0}},
		{"spin", UDRV_WAIT_SPIN, 1, {0}},
		{"spin, 64", UDRV_WAIT_SPIN, 64, {0}},
		{"adaptive", UDRV_WAIT_ADAPTIVE, 1, {0}},
		{"adaptive, 64", UDRV_WAIT_ADAPTIVE, 64, {0}},
	};
	static const double bounds[] = {0, 1.2, 0, 0, 0};

	table("One way across two CPUs; ratio to a spinning non-blocking read", rows, bounds,
	      sizeof(rows) / sizeof(rows[0]), cpu, true);
}

static uint64_t cpu_time_ns(pthread_t thread)
{
	struct timespec t;
	clockid_t clock;

	check("clock", -pthread_getcpuclockid(thread, &clock));
	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* After a busy time, so that it has learned to spin. */
static void quiet(int cpu)
{
	const struct timespec pause = {.tv_nsec = 100000000};
	const struct row row = {"adaptive", UDRV_WAIT_ADAPTIVE, 1, {0}};
	const unsigned int seconds = rounds < 3 ? 1 : 3;
	struct waiter w;
	uint64_t used;

	b.ack = -1;
	start(&w, &row, cpu, true);
	for (unsigned int i = 0; i < 1000; i++)
		(void)spinning_way(&w, i);
	used = cpu_time_ns(w.dev->irqs->vectors[0].worker->thread);
	for (unsigned int i = 0; i < 10 * seconds; i++) {
		nanosleep(&pause, NULL);
		(void)spinning_way(&w, i);
	}
	used = cpu_time_ns(w.dev->irqs->vectors[0].worker->thread) - used;
	finish(&w);
	printf("\nadaptive at 10 interrupts per second: %.3f %% of a CPU (goal: below 1 %%)\n",
	       (double)used / (double)seconds / 1e7);
}

/*
 * For callgrind, under which a thread that waits in io_uring keeps the others from running: each
 * handler signals the next vector, so that the worker finds a signal whenever it waits, and does
 * nothing but serve. The last one ends the process.
 */
static struct {
	struct waiter w;
	unsigned int at, left;
	atomic_bool armed;
} token;

static udrv_irqreturn_t pass_token(int irq, void *ctx)
{
	(void)ctx;
	if (!token.armed || irq != (int)token.at)
		return UDRV_IRQ_HANDLED;
	if (!--token.left)
		_exit(0);
	token.at = (token.at + 1) % token.w.count;
	signal_fd(token.w.efds[token.at]);
	return UDRV_IRQ_HANDLED;
}

static void loop(const char *name, unsigned int vectors, unsigned int times)
{
	struct udrv_irq_options options = {UDRV_WAIT_EPOLL, FIFO, UDRV_CPU_ANY};
	int wait = udrv_wait_parse(name);

	check(name, wait);
	token.w.dev = open_vectors(vectors);
	token.w.count = vectors;
	token.left = times;
	check("options", udrv_irq_set_options(token.w.dev, 0, &options));
	for (unsigned int i = 0; i < vectors; i++) {
		token.w.efds[i] = token.w.dev->irqs->vectors[i].efd;
		if (i)
			check("share", udrv_irq_share(token.w.dev, (int)i, token.w.dev, 0));
		check("request",
		      udrv_request_irq(token.w.dev, (int)i, pass_token, 0, "token", &token));
	}
	/* What stands in the eventfd is found when the way to wait changes. */
	signal_fd(token.w.efds[0]);
	check("synchronize", udrv_synchronize_irq(token.w.dev, 0));
	token.armed = true;
	options.wait = (enum udrv_wait)wait;
	(void)udrv_irq_set_options(token.w.dev, 0, &options);
	pause();
}

static unsigned int number(const char *text, unsigned long min, unsigned long max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (!*text || *end || n < min || n > max) {
		(void)fprintf(stderr, "bench_wait: %s: not a number from %lu to %lu\n", text, min,
			      max);
		exit(2);
	}
	return (unsigned int)n;
}

/* The CPUs that we may use: the first, and another one or -1. */
static void find_cpus(int *cpus)
{
	cpu_set_t set;
	int found = 0;

	cpus[0] = cpus[1] = -1;
	if (sched_getaffinity(0, sizeof(set), &set))
		die("CPUs", errno);
	for (int cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++)
		if (CPU_ISSET((size_t)cpu, &set))
			cpus[found++] = cpu;
}

int main(int argc, char **argv)
{
	int cpus[2];

	if (argc == 5 && !strcmp(argv[1], "--loop")) {
		loop(argv[2], number(argv[3], 1, VECTORS), number(argv[4], 1, 100000000));
		return 0;
	}
	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--rounds"))
			rounds = number(argv[i + 1], 1, ROUNDS_MAX);
		else if (!strcmp(argv[i], "--count"))
			count = number(argv[i + 1], 10, 100000000);
		else
			argc = 0;
	}
	if (argc % 2 != 1) {
		(void)fprintf(stderr, "usage: bench_wait [--rounds N] [--count N]\n"
				      "       bench_wait --loop WAIT VECTORS COUNT\n");
		return 2;
	}
	find_cpus(cpus);
	(void)mlockall(MCL_CURRENT | MCL_FUTURE);
	pin(cpus[0]);
	run_fifo(FIFO - 1);
	one_cpu(cpus[0]);
	if (cpus[1] < 0) {
		printf("\none CPU: what spins is left out\n");
		return 0;
	}
	run_fifo(0);
	two_cpus(cpus[1]);
	quiet(cpus[1]);
	return 0;
}

// SPDX-License-Identifier: MIT
/*
 * What the software costs of a 4 KiB read, natively: the library and a loop by hand, on the same
 * software controller, which runs in the same thread and moves no data.
 *
 * usage: bench_nvme_native [--processes N] [--rounds N] [--count N] [--batch N]
 *        bench_nvme_native --loop hand|driver|udrv N
 *
 * A batch of reads is put, shown with one doorbell, executed, and completed. From the library's
 * call with a buffer of DMA memory to its callback; by hand the addresses are known beforehand and
 * nothing is checked. "driver" is by hand, too, with what no driver goes without: it is called for
 * each read, with any buffer of one region, writes whole entries, and calls back whoever asked.
 * Still nothing is checked. A process keeps its times to the end, and another one has others, up to
 * 0.8 ns away. So each of --processes measures for itself, and what is printed are the medians of
 * their medians. --loop: so many reads of one kind, for callgrind.
 */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/dma.h>

#include <nvme_ctrl.h>

#include "backend/model_nvme.h"
#include "ring.h"

#define DEVICE	      "model:nvme:direct-null-1024m"
#define HAND_QID      2
#define ENTRIES	      256u
#define BATCH_MAX     64u
#define ROUNDS_MAX    101
#define PROCESSES_MAX 101

static struct udrv_device *dev;
static struct udrv_nvme *nvme;
static struct udrv_nvme_queue *q;
static struct udrv_nvme_queue hand_queue; /* only its memory: the library does not know it */
static const struct udrv_nvme_ns *ns;
static struct ring hand;
static struct asker {
	udrv_nvme_done_t done;
	void *ctx;
} askers[ENTRIES]; /* by slot */
static char *buffers;
static udrv_iova_t buffers_iova;
static unsigned int batch = 32;
static struct load load;
static size_t completed;
static bool stop_stepping;

__attribute__((noreturn)) void die(const char *what, int err)
{
	(void)fprintf(stderr, "bench_nvme_native: %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(EXIT_FAILURE);
}

/* While the library waits for admin commands. */
static void *step(void *arg)
{
	while (!__atomic_load_n(&stop_stepping, __ATOMIC_ACQUIRE))
		(void)udrv__model_nvme_step(dev);
	return arg;
}

static pthread_t start_stepping(void)
{
	pthread_t thread;
	int err;

	stop_stepping = false;
	err = pthread_create(&thread, NULL, step, NULL);
	if (err)
		die("pthread_create", err);
	return thread;
}

static void end_stepping(pthread_t thread)
{
	__atomic_store_n(&stop_stepping, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
}

static void bring_up(void)
{
	const struct udrv_nvme_options options = {.queues = 2};
	const struct udrv_nvme_queue_options queue_options = {.entries = ENTRIES,
							      .completion = UDRV_NVME_POLLED};
	pthread_t thread;
	int ret = udrv_device_open(DEVICE, NULL, &dev);

	if (ret)
		die(DEVICE, ret);
	thread = start_stepping();
	ret = udrv_nvme_attach(dev, &options, &nvme);
	if (!ret)
		ret = udrv_nvme_queue_create(nvme, &queue_options, &q);
	if (!ret)
		ret = nvme_queue_init(&hand_queue, nvme, HAND_QID, ENTRIES);
	if (!ret)
		ret = nvme_queue_tell(nvme, &hand_queue, true);
	end_stepping(thread);
	if (ret)
		die("queues", ret);
	ns = udrv_nvme_ns(nvme, 1);
	if (!ns)
		die("namespace 1", ENODEV);
}

static void set_up(void)
{
	bring_up();
	buffers = udrv_dma_alloc_coherent(dev, BATCH_MAX * BENCH_SIZE, &buffers_iova,
					  UDRV_GFP_KERNEL);
	if (!buffers)
		die("buffers", ENOMEM);
	hand.sq = hand_queue.put.sq;
	hand.cq = hand_queue.cq;
	hand.sq_doorbell = (volatile uint32_t *)hand_queue.sq_doorbell;
	hand.cq_doorbell = (volatile uint32_t *)hand_queue.cq_doorbell;
	ring_init(&hand, ENTRIES, ns->nsid, ns->block_shift);
	for (unsigned int i = 0; i < BATCH_MAX; i++)
		hand.prp[i] = buffers_iova + i * BENCH_SIZE;
	load.random = 1;
	load.blocks = ns->blocks >> (12 - ns->block_shift);
}

/* nvme_queue_destroy() needs the admin queue. */
static void tear_down(void)
{
	pthread_t thread = start_stepping();

	udrv_nvme_queue_destroy(q);
	udrv_nvme_detach(nvme);
	end_stepping(thread);
	nvme_queue_exit(&hand_queue);
	udrv_dma_free_coherent(dev, BATCH_MAX * BENCH_SIZE, buffers, buffers_iova);
	udrv_device_close(dev);
}

__attribute__((noinline)) static void hand_batch(void)
{
	const struct nvme_cqe *cqe;

	for (unsigned int i = 0; i < batch; i++)
		ring_put(&hand, i, load_next_block(&load));
	ring_sq_doorbell(&hand);
	(void)udrv__model_nvme_step(dev);
	while ((cqe = ring_take(&hand)))
		completed += !(cqe->status >> 1);
	ring_cq_doorbell(&hand);
}

static void count(void *ctx, uint32_t status, uint32_t dw0)
{
	size_t *n = ctx;

	(void)dw0;
	*n += !status;
}

__attribute__((noinline)) static void driver_read(const char *buf, uint64_t lba, uint32_t blocks,
						  udrv_nvme_done_t done, void *ctx)
{
	const uint32_t slot = hand.tail;

	hand.sq[slot] = (struct nvme_sqe){.opcode = NVME_READ,
					  .cid = (uint16_t)slot,
					  .nsid = ns->nsid,
					  .prp1 = buffers_iova + (size_t)(buf - buffers),
					  .cdw10 = (uint32_t)lba,
					  .cdw11 = (uint32_t)(lba >> 32),
					  .cdw12 = blocks - 1};
	askers[slot] = (struct asker){done, ctx};
	hand.tail = (slot + 1) & hand.mask;
}

__attribute__((noinline)) static void driver_poll(void)
{
	const struct nvme_cqe *cqe;

	while ((cqe = ring_take(&hand))) {
		const struct asker *a = &askers[cqe->cid];

		a->done(a->ctx, cqe->status >> 1, cqe->dw0);
	}
	ring_cq_doorbell(&hand);
}

__attribute__((noinline)) static void driver_batch(void)
{
	const unsigned int shift = 12 - ns->block_shift;

	for (unsigned int i = 0; i < batch; i++)
		driver_read(buffers + i * BENCH_SIZE, load_next_block(&load) << shift, 1u << shift,
			    count, &completed);
	ring_sq_doorbell(&hand);
	(void)udrv__model_nvme_step(dev);
	driver_poll();
}

__attribute__((noinline)) static void udrv_batch(void)
{
	const unsigned int shift = 12 - ns->block_shift;

	for (unsigned int i = 0; i < batch; i++)
		if (udrv_nvme_read(q, ns, buffers + i * BENCH_SIZE, load_next_block(&load) << shift,
				   1u << shift, 0, count, &completed))
			return;
	udrv_nvme_submit(q);
	(void)udrv__model_nvme_step(dev);
	(void)udrv_nvme_poll(q, 0);
}

static void run(void (*one)(void), size_t reads)
{
	const size_t batches = reads / batch;

	completed = 0;
	for (size_t i = 0; i < batches; i++)
		one();
	if (completed != batches * batch)
		die("reads are missing", EIO);
}

static double timed(void (*one)(void), size_t reads)
{
	const uint64_t start = bench_clock_ns();
	const size_t whole = reads - reads % batch;

	run(one, whole);
	return (double)(bench_clock_ns() - start) / (double)whole;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a;
	const double *y = b;

	return (*x > *y) - (*x < *y);
}

static double median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), by_value);
	return values[n / 2];
}

enum { HAND, DRIVER, UDRV, TO_HAND, TO_DRIVER, RESULTS };

/* The medians of this process. */
static void measure(size_t rounds, size_t reads, double result[RESULTS])
{
	static double times[RESULTS][ROUNDS_MAX];

	(void)timed(hand_batch, reads);
	(void)timed(driver_batch, reads);
	(void)timed(udrv_batch, reads);
	for (size_t i = 0; i < rounds; i++) {
		times[HAND][i] = timed(hand_batch, reads);
		times[DRIVER][i] = timed(driver_batch, reads);
		times[UDRV][i] = timed(udrv_batch, reads);
		times[TO_HAND][i] = times[UDRV][i] / times[HAND][i];
		times[TO_DRIVER][i] = times[UDRV][i] / times[DRIVER][i];
	}
	for (int r = 0; r < RESULTS; r++)
		result[r] = median(times[r], rounds);
}

/* By a process of its own. */
static void measure_elsewhere(size_t rounds, size_t reads, double result[RESULTS])
{
	const size_t size = RESULTS * sizeof(*result);
	int fds[2], status;
	pid_t pid;

	if (pipe(fds))
		die("pipe", errno);
	pid = fork();
	if (pid < 0)
		die("fork", errno);
	if (!pid) {
		set_up();
		measure(rounds, reads, result);
		tear_down();
		exit(write(fds[1], result, size) == (ssize_t)size ? 0 : EXIT_FAILURE);
	}
	close(fds[1]);
	if (waitpid(pid, &status, 0) != pid || status)
		exit(EXIT_FAILURE); /* it has said why */
	if (read(fds[0], result, size) != (ssize_t)size)
		die("read", EIO);
	close(fds[0]);
}

static void print_all(size_t processes, size_t rounds, size_t reads)
{
	static const char *const names[] = {"hand", "driver", "udrv", "udrv/hand", "udrv/driver"};
	static double values[RESULTS][PROCESSES_MAX];

	for (size_t i = 0; i < processes; i++) {
		double result[RESULTS];

		measure_elsewhere(rounds, reads, result);
		for (int r = 0; r < RESULTS; r++)
			values[r][i] = result[r];
	}
	printf("ns per read, batch %u      median   least - most of %zu processes\n", batch,
	       processes);
	for (int r = 0; r < RESULTS; r++) {
		const double middle = median(values[r], processes);

		printf("%-12s %8.2f   %.2f - %.2f\n", names[r], middle, values[r][0],
		       values[r][processes - 1]);
	}
}

static int usage(void)
{
	(void)fprintf(stderr, "usage: bench_nvme_native [--processes N] [--rounds N] [--count N] "
			      "[--batch N]\n"
			      "       bench_nvme_native --loop hand|driver|udrv N\n");
	return 2;
}

static void (*one_called(const char *name))(void)
{
	if (!strcmp(name, "hand"))
		return hand_batch;
	return strcmp(name, "driver") ? udrv_batch : driver_batch;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"processes", required_argument, NULL, 'p'},
						{"rounds", required_argument, NULL, 'r'},
						{"count", required_argument, NULL, 'c'},
						{"batch", required_argument, NULL, 'b'},
						{"loop", required_argument, NULL, 'l'},
						{0}};
	size_t processes = 31;
	size_t rounds = 15;
	size_t reads = 32000;
	const char *loop = NULL;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'l')
			loop = optarg;
		else if (opt == 'p')
			processes = strtoul(optarg, NULL, 10);
		else if (opt == 'r')
			rounds = strtoul(optarg, NULL, 10);
		else if (opt == 'c')
			reads = strtoul(optarg, NULL, 10);
		else if (opt == 'b')
			batch = (unsigned int)strtoul(optarg, NULL, 10);
		else
			return usage();
	}
	if (loop && optind < argc)
		reads = strtoul(argv[optind], NULL, 10);
	if (!rounds || rounds > ROUNDS_MAX || !processes || processes > PROCESSES_MAX || !batch ||
	    batch > BATCH_MAX || reads < batch)
		return usage();
	if (loop) {
		set_up();
		run(one_called(loop), reads);
		tear_down();
	} else {
		print_all(processes, rounds, reads);
	}
	return 0;
}

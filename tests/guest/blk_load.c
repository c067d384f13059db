// SPDX-License-Identifier: MIT
/*
 * Random reads and writes of a block device by io_uring with O_DIRECT, registered buffers and a
 * registered file: less work of its own than fio does, of which a comparison under emulation would
 * show little else. One line: IOPS, and the latency's percentiles.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>

#define NS_PER_SECOND UINT64_C(1000000000)
/* Latencies by their binary logarithm and the six bits that follow: within 1.6 %. */
#define STEPS	64u
#define BUCKETS (64u * STEPS)

struct load {
	const char *path;
	unsigned int depth, size, write_percent;
	double seconds;
	uint64_t count; /* of requests; 0: until the time is over */
	bool polled, end_at_error;

	struct io_uring ring;
	struct iovec *buffers;
	uint64_t *begun; /* of each slot, ns */
	uint64_t blocks, random;
	uint64_t started, done, errors;
	uint64_t histogram[BUCKETS];
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

static void die(const char *what, int err)
{
	(void)fprintf(stderr, "blk_load: %s: %s\n", what, strerror(err));
	exit(EXIT_FAILURE);
}

/* xorshift64*, Vigna, "An experimental exploration of Marsaglia's xorshift generators", 2014 */
static uint64_t next_random(struct load *l)
{
	l->random ^= l->random >> 12;
	l->random ^= l->random << 25;
	l->random ^= l->random >> 27;
	return l->random * UINT64_C(2685821657736338717);
}

static unsigned int bucket_of(uint64_t ns)
{
	unsigned int log = 63u - (unsigned int)__builtin_clzll(ns | STEPS);

	return (log - 6) * STEPS + (unsigned int)(ns >> (log - 6)) % STEPS;
}

static double least_of(unsigned int bucket)
{
	const unsigned int shift = bucket / STEPS;

	return (double)((uint64_t)(bucket % STEPS + STEPS) << shift);
}

static double percentile_us(const struct load *l, double part)
{
	uint64_t before = 0;
	unsigned int i = 0;

	for (; i < BUCKETS - 1; i++) {
		before += l->histogram[i];
		if ((double)before >= part * (double)l->done)
			break;
	}
	return least_of(i) / 1000;
}

static void submit(struct load *l, unsigned int slot)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&l->ring);
	const uint64_t offset = next_random(l) % l->blocks * l->size;
	void *buf = l->buffers[slot].iov_base;

	if (next_random(l) % 100 < l->write_percent)
		io_uring_prep_write_fixed(sqe, 0, buf, l->size, offset, (int)slot);
	else
		io_uring_prep_read_fixed(sqe, 0, buf, l->size, offset, (int)slot);
	sqe->flags |= IOSQE_FIXED_FILE;
	sqe->user_data = slot;
	l->begun[slot] = now_ns();
	l->started++;
}

static void take(struct load *l, const struct io_uring_cqe *cqe, bool more)
{
	const unsigned int slot = (unsigned int)cqe->user_data;

	l->histogram[bucket_of(now_ns() - l->begun[slot])]++;
	l->done++;
	l->errors += cqe->res != (int)l->size;
	if (l->errors && l->end_at_error)
		return;
	if (more && (!l->count || l->started < l->count))
		submit(l, slot);
}

static void run(struct load *l)
{
	const uint64_t end = now_ns() + (uint64_t)(l->seconds * 1e9);

	for (unsigned int i = 0; i < l->depth && (!l->count || l->started < l->count); i++)
		submit(l, i);
	while (l->done < l->started) {
		const bool more = l->count || now_ns() < end;
		struct io_uring_cqe *cqe;
		unsigned int head;
		unsigned int n = 0;
		int ret = io_uring_submit_and_wait(&l->ring, 1);

		if (ret < 0 && ret != -EINTR)
			die("io_uring_enter", -ret);
		io_uring_for_each_cqe(&l->ring, head, cqe)
		{
			take(l, cqe, more);
			n++;
		}
		io_uring_cq_advance(&l->ring, n);
	}
}

static void set_up(struct load *l, int fd)
{
	struct io_uring_params params = {.flags = l->polled ? IORING_SETUP_IOPOLL : 0};
	char *memory = aligned_alloc(4096, (size_t)l->depth * l->size);
	int ret = io_uring_queue_init_params(l->depth, &l->ring, &params);

	if (ret)
		die("io_uring_setup", -ret);
	l->buffers = calloc(l->depth, sizeof(*l->buffers));
	l->begun = calloc(l->depth, sizeof(*l->begun));
	if (!memory || !l->buffers || !l->begun)
		die("memory", ENOMEM);
	memset(memory, 0x5a, (size_t)l->depth * l->size);
	for (unsigned int i = 0; i < l->depth; i++)
		l->buffers[i] = (struct iovec){memory + (size_t)i * l->size, l->size};
	ret = io_uring_register_buffers(&l->ring, l->buffers, l->depth);
	if (!ret)
		ret = io_uring_register_files(&l->ring, &fd, 1);
	if (ret)
		die("io_uring_register", -ret);
}

static uint64_t size_of(int fd)
{
	struct stat st;
	uint64_t size;

	if (fstat(fd, &st))
		die("fstat", errno);
	if (!S_ISBLK(st.st_mode))
		return (uint64_t)st.st_size;
	if (ioctl(fd, BLKGETSIZE64, &size))
		die("BLKGETSIZE64", errno);
	return size;
}

static void usage(void)
{
	(void)printf("Usage: blk_load [-d DEPTH] [-s BYTES] [-w WRITE-PERCENT] [-t SECONDS | -n "
		     "REQUESTS] [-p] [-e] DEVICE\n"
		     "Random 4 KiB reads, one at a time, for a second; -p: polled; -e: none after "
		     "an error\n");
}

static void parse(struct load *l, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "d:s:w:t:n:peh")) != -1) {
		switch (c) {
		case 'd':
			l->depth = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 's':
			l->size = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 'w':
			l->write_percent = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 't':
			l->seconds = strtod(optarg, NULL);
			break;
		case 'n':
			l->count = strtoull(optarg, NULL, 10);
			break;
		case 'p':
			l->polled = true;
			break;
		case 'e':
			l->end_at_error = true;
			break;
		default:
			usage();
			exit(c == 'h' ? EXIT_SUCCESS : 2);
		}
	}
	if (optind != argc - 1 || !l->depth || !l->size || l->size % 512) {
		usage();
		exit(2);
	}
	l->path = argv[optind];
}

int main(int argc, char **argv)
{
	static struct load l = {
		.depth = 1, .size = 4096, .seconds = 1, .random = UINT64_C(0x9e3779b97f4a7c15)};
	uint64_t start;
	double seconds;
	int fd;

	parse(&l, argc, argv);
	fd = open(l.path, (l.write_percent ? O_RDWR : O_RDONLY) | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		die(l.path, errno);
	l.blocks = size_of(fd) / l.size;
	if (!l.blocks)
		die(l.path, ENOSPC);
	set_up(&l, fd);
	start = now_ns();
	run(&l);
	seconds = (double)(now_ns() - start) / 1e9;
	(void)printf("depth %u, %u bytes, %u %% writes%s: %.0f IOPS, p50 %.1f us, p99 %.1f us, "
		     "%llu requests, %llu errors\n",
		     l.depth, l.size, l.write_percent, l.polled ? ", polled" : "",
		     (double)l.done / seconds, percentile_us(&l, 0.5), percentile_us(&l, 0.99),
		     (unsigned long long)l.done, (unsigned long long)l.errors);
	return l.errors ? EXIT_FAILURE : EXIT_SUCCESS;
}

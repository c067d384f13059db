// SPDX-License-Identifier: MIT
/* A block device of the kernel's, by io_uring: O_DIRECT, registered buffers, a registered file. */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bench.h"

struct kernel {
	struct io_uring ring;
	char *memory;
	uint64_t bytes;
};

static void put(struct kernel *k, struct load *l, unsigned int tag)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&k->ring);
	const uint64_t page = load_begin(l, tag);

	io_uring_prep_read_fixed(sqe, 0, k->memory + (size_t)tag * BENCH_SIZE, BENCH_SIZE,
				 page * BENCH_SIZE, (int)tag);
	sqe->flags |= IOSQE_FIXED_FILE;
	sqe->user_data = tag;
}

static void run(struct kernel *k, struct load *l)
{
	for (unsigned int tag = 0; tag < l->depth; tag++)
		put(k, l, tag);
	while (l->done < l->count) {
		struct io_uring_cqe *cqe;
		unsigned int head;
		unsigned int n = 0;
		int ret = io_uring_submit_and_wait(&k->ring, 1);

		if (ret < 0 && ret != -EINTR)
			die("io_uring_enter", -ret);
		io_uring_for_each_cqe(&k->ring, head, cqe)
		{
			const unsigned int tag = (unsigned int)cqe->user_data;

			if (load_end(l, tag, cqe->res == (int)BENCH_SIZE))
				put(k, l, tag);
			n++;
		}
		io_uring_cq_advance(&k->ring, n);
	}
}

static void set_up(struct kernel *k, const struct plan *plan, unsigned int flags)
{
	struct io_uring_params params = {.flags = flags | IORING_SETUP_SINGLE_ISSUER |
						  IORING_SETUP_DEFER_TASKRUN};
	struct iovec iov[BENCH_DEPTH_MAX];
	int fd = open(plan->device, O_RDONLY | O_DIRECT | O_CLOEXEC);
	int ret;

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &k->bytes))
		die(plan->device, errno);
	ret = io_uring_queue_init_params(BENCH_DEPTH_MAX, &k->ring, &params);
	if (ret)
		die("io_uring_setup", ret);
	k->memory = aligned_alloc(BENCH_SIZE, BENCH_DEPTH_MAX * BENCH_SIZE);
	if (!k->memory)
		die("memory", ENOMEM);
	memset(k->memory, 0x5a, BENCH_DEPTH_MAX * BENCH_SIZE);
	for (unsigned int i = 0; i < BENCH_DEPTH_MAX; i++)
		iov[i] = (struct iovec){k->memory + (size_t)i * BENCH_SIZE, BENCH_SIZE};
	ret = io_uring_register_buffers(&k->ring, iov, BENCH_DEPTH_MAX);
	if (!ret)
		ret = io_uring_register_files(&k->ring, &fd, 1);
	if (ret)
		die("io_uring_register", ret);
	(void)close(fd);
}

static void kernel(const struct plan *plan, unsigned int flags)
{
	static struct kernel k;
	static struct load l;

	set_up(&k, plan, flags);
	for (unsigned int i = 0; i < plan->depth_count; i++) {
		load_start(&l, plan->depths[i], plan->count, k.bytes);
		run(&k, &l);
		load_report(&l, plan->row, 0);
	}
	io_uring_queue_exit(&k.ring);
	free(k.memory);
}

void kernel_polled(const struct plan *plan)
{
	kernel(plan, IORING_SETUP_IOPOLL);
}

void kernel_interrupt(const struct plan *plan)
{
	kernel(plan, 0);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* What to compare a model's rows with: two threads and an eventfd. */
#include "bench/rows.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct bare {
	struct bench_gate gate;
	int fd;
	_Atomic bool finish;
};

static void bare_wait(void *ctx)
{
	struct bare *bare = ctx;
	uint64_t count, now;

	for (;;) {
		if (read(bare->fd, &count, sizeof(count)) != sizeof(count))
			continue;
		now = bench_stamp();
		if (atomic_load(&bare->finish))
			return;
		bench_gate_open(&bare->gate, now);
	}
}

static int bare_fire(void *ctx)
{
	struct bare *bare = ctx;
	uint64_t one = 1;

	bare->gate.start = bench_stamp();
	return write(bare->fd, &one, sizeof(one)) == sizeof(one) ? 0 : -EIO;
}

int bench_bare_row(struct bench_result *result)
{
	struct bench_row *row = bench_add_row(result, "bare-eventfd");
	struct bench_thread waiter;
	struct bench_collect how;
	struct bare bare = {.fd = -1};
	int ret;

	if (!row)
		return 0;
	ret = bench_pin(result->settings.trigger_cpu);
	if (ret)
		return ret;
	bench_collect_init(&how, result, &bare.gate, bare_fire, &bare);
	bare.fd = eventfd(0, EFD_CLOEXEC);
	ret = bare.fd < 0 ? -errno
			  : bench_thread_start(&waiter, &result->settings, bare_wait, &bare);
	if (ret) {
		bench_leave_out(row, "%s", strerror(-ret));
	} else {
		ret = bench_measure(result, row, bench_take_collect, &how);
		atomic_store(&bare.finish, true);
		(void)bare_fire(&bare);
		bench_thread_join(&waiter);
		row->fifo = waiter.fifo;
	}
	if (bare.fd >= 0)
		close(bare.fd);
	return ret;
}

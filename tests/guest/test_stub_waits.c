// SPDX-License-Identifier: MIT
/*
 * Who waits for whom in kernel/udrv_stub. Runs in the lab, as root, with two CPUs and an IOMMU; the
 * module is loaded, edu is the first device.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "stub_user.h"
#include "support/suite.h"

#define MUCH   (UINT64_C(32) << 20) /* takes tens of milliseconds, or more */
#define ROUNDS 20
#define ENOUGH 3

static char edu[32];

static void setup(void)
{
	ck_assert_int_eq(bind_to(edu, "udrv_stub"), 0);
}

/* A thread that unmasks INTx again and again. */
struct unmasker {
	pthread_t thread;
	int fd, ret;
	atomic_bool stop;
	atomic_uint calls;
	_Atomic double longest; /* of the calls that ended since it was set to 0 */
};

static void *unmask(void *arg)
{
	struct unmasker *u = arg;

	while (!u->ret && !u->stop) {
		double start = seconds(), took;

		u->ret = set_mask(u->fd, 0, false);
		took = seconds() - start;
		if (took > u->longest)
			u->longest = took;
		u->calls++;
	}
	return NULL;
}

/* The longest call beside an allocation, as a part of the time that this took. */
static double waited(struct unmasker *u)
{
	struct udrv_stub_dma_alloc alloc;
	double start, took;
	unsigned int calls;

	u->longest = 0;
	start = seconds();
	ck_assert_int_eq(dma_alloc(u->fd, MUCH, &alloc), 0);
	took = seconds() - start;
	/* That which is under way counts, too. */
	calls = u->calls;
	while (!u->ret && u->calls == calls)
		(void)sched_yield();
	ck_assert_int_eq(dma_free(u->fd, alloc.map_offset), 0);
	return u->longest / took;
}

/*
 * If it waits, it does so for all of an allocation, each time. If not, it may still lose its CPU.
 */
START_TEST(unmasking_does_not_wait_for_an_allocation)
{
	struct unmasker u = {.fd = open_node(edu)};
	int32_t efd = eventfd(0, EFD_CLOEXEC);
	unsigned int beside = 0;
	double least = 1;

	ck_assert_int_ge(u.fd, 0);
	ck_assert_int_eq(set_irqs(u.fd, UDRV_STUB_INTX, &efd, 1), 0);
	ck_assert_int_eq(pthread_create(&u.thread, NULL, unmask, &u), 0);
	for (int i = 0; i < ROUNDS && beside < ENOUGH; i++) {
		double part = waited(&u);

		least = part < least ? part : least;
		beside += part < 0.5;
	}
	u.stop = true;
	ck_assert_int_eq(pthread_join(u.thread, NULL), 0);
	ck_assert_int_eq(u.ret, 0);
	ck_assert_msg(beside == ENOUGH, "it waited for %.2f of an allocation, at least", least);
	close(efd);
	close(u.fd);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("stub_waits");
	TCase *tc = tcase_create("stub_waits");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, unmasking_does_not_wait_for_an_allocation);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	if (!lab_device(0, edu)) {
		(void)fprintf(stderr, "run in the lab: tools/lab/run --cpus 2 --device edu -- sh "
				      "/udrv/tests/test_stub_shared.sh\n");
		return EXIT_FAILURE;
	}
	return run_suite(make_suite());
}

// SPDX-License-Identifier: MIT
/*
 * Ranges that several processes want of kernel/udrv_stub: exactly one gets what overlaps. Runs in
 * the lab, as root; the module is loaded, edu is the first device.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stub_user.h"
#include "support/suite.h"

#define ROUNDS	  1000
#define CLAIMANTS 6
#define MIDDLE	  0x100 /* in the range of each */

static char edu[32];

struct arena {
	pthread_barrier_t barrier;
	atomic_int winner;	     /* its pid */
	atomic_uint wins[CLAIMANTS]; /* of each */
	atomic_uint winners;	     /* of this round */
	atomic_uint wrong;	     /* rounds with a loser that was not told who won */
};

static struct arena *arena;

static void setup(void)
{
	pthread_barrierattr_t attr;

	ck_assert_int_eq(bind_to(edu, "udrv_stub"), 0);
	arena = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(arena != MAP_FAILED);
	ck_assert_int_eq(pthread_barrierattr_init(&attr), 0);
	ck_assert_int_eq(pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED), 0);
	ck_assert_int_eq(pthread_barrier_init(&arena->barrier, &attr, CLAIMANTS), 0);
}

static void meet(void)
{
	(void)pthread_barrier_wait(&arena->barrier);
}

/* One claim, and the part of the winner or of a loser. */
static void one_round(int fd, unsigned int me)
{
	uint64_t offset = MIDDLE - 16 * me, len = 16 * (me + 1);
	struct udrv_stub_claim c;
	int ret;

	meet();
	ret = claim(fd, UDRV_STUB_CLAIM, offset, len, "claimant", &c);
	if (!ret) {
		atomic_store(&arena->winner, getpid());
		atomic_fetch_add(&arena->winners, 1);
		atomic_fetch_add(&arena->wins[me], 1);
	}
	meet();
	if (atomic_load(&arena->winners) != 1 ||
	    (ret && (ret != -EBUSY || c.holder_pid != atomic_load(&arena->winner) ||
		     strcmp(c.holder, "claimant"))))
		atomic_fetch_add(&arena->wrong, 1);
	meet();
	if (!ret && claim(fd, UDRV_STUB_RELEASE, offset, len, NULL, &c))
		atomic_fetch_add(&arena->wrong, 1);
	atomic_store(&arena->winners, 0);
}

static void claimant(unsigned int me)
{
	int fd = open_node(edu);

	if (fd < 0)
		atomic_fetch_add(&arena->wrong, 1);
	for (unsigned int i = 0; i < ROUNDS; i++)
		one_round(fd, me);
}

START_TEST(one_of_many_gets_the_range)
{
	pid_t pids[CLAIMANTS];
	unsigned int lucky = 0;

	for (unsigned int i = 0; i < CLAIMANTS; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			claimant(i);
			_exit(0);
		}
	}
	for (unsigned int i = 0; i < CLAIMANTS; i++) {
		int status;

		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_int_eq(status, 0);
		lucky += atomic_load(&arena->wins[i]) > 0;
	}
	ck_assert_uint_eq(atomic_load(&arena->wrong), 0);
	printf("%u rounds, won by %u of %u claimants\n", ROUNDS, lucky, CLAIMANTS);
	ck_assert_uint_gt(lucky, 1);
}
END_TEST

static int claim_range(int fd, unsigned int which)
{
	struct udrv_stub_claim c;

	return claim(fd, UDRV_STUB_CLAIM, which ? 0x180 : 0x100, 0x100, "x", &c);
}

/* A process claims, this one wants an overlapping range, the process ends. */
START_TEST(the_first_wins_in_either_order)
{
	int ready[2], fd = open_node(edu), status;
	char byte;
	pid_t child;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pipe(ready), 0);
	child = fork();
	if (!child) {
		int ret = claim_range(open_node(edu), (unsigned int)_i);

		(void)!write(ready[1], ret ? "n" : "y", 1);
		for (;;)
			pause();
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	ck_assert_int_eq(byte, 'y');
	ck_assert_int_eq(claim_range(fd, !_i), -EBUSY);
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(claim_range(fd, !_i), 0);
	close(fd);
	close(ready[0]);
	close(ready[1]);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("stub_claims");
	TCase *tc = tcase_create("stub_claims");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, one_of_many_gets_the_range);
	tcase_add_loop_test(tc, the_first_wins_in_either_order, 0, 2);
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

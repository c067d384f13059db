// SPDX-License-Identifier: MIT
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <check.h>

#include "child.h"
#include "support/suite.h"

static int return_it(void *ctx)
{
	return *(int *)ctx;
}

static int block(void *ctx)
{
	(void)ctx;
	for (;;)
		pause();
	return 0;
}

static int die(void *ctx)
{
	(void)ctx;
	return raise(SIGKILL);
}

static int become_false(void *ctx)
{
	(void)ctx;
	execlp("sh", "sh", "-c", "exit 7", (char *)NULL);
	return -errno;
}

static int become_blocked(void *ctx)
{
	(void)ctx;
	execlp("sleep", "sleep", "1000", (char *)NULL);
	return -errno;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

START_TEST(result_comes_back)
{
	int vals[] = {0, -EACCES, 42};

	for (size_t i = 0; i < 3; i++)
		ck_assert_int_eq(child_run(return_it, &vals[i], 60000), vals[i]);
}
END_TEST

START_TEST(what_blocks_is_given_up_at_the_deadline)
{
	double start = now();

	ck_assert_int_eq(child_run(block, NULL, 100), -ETIMEDOUT);
	ck_assert_int_eq(child_run(become_blocked, NULL, 100), -ETIMEDOUT);
	ck_assert(now() - start >= 0.2);
	ck_assert(now() - start < 20);
	ck_assert_msg(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "a child was not reaped");
}
END_TEST

START_TEST(exit_status_of_a_program)
{
	ck_assert_int_eq(child_run(become_false, NULL, 60000), 7);
}
END_TEST

START_TEST(killed_child_is_no_success)
{
	ck_assert_int_eq(child_run(die, NULL, 60000), -EINTR);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("child");
	TCase *tc = tcase_create("child");

	tcase_add_test(tc, result_comes_back);
	tcase_add_test(tc, what_blocks_is_given_up_at_the_deadline);
	tcase_add_test(tc, exit_status_of_a_program);
	tcase_add_test(tc, killed_child_is_no_success);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <check.h>
#include <udrv/log.h>

#include "support/must.h"
#include "support/suite.h"
#include "support/threads.h"

static char last_line[1024];
static int last_level;
static int lines;

static void keep(void *ctx, int level, const char *line)
{
	(void)ctx;
	last_level = level;
	lines++;
	strncpy(last_line, line, sizeof(last_line) - 1);
}

START_TEST(silent_without_a_sink)
{
	udrv_log_set(NULL, NULL, UDRV_LOG_DEBUG);
	udrv_pr_err("nobody hears %d", 1);
	ck_assert_int_eq(lines, 0);
}
END_TEST

START_TEST(sink_gets_level_and_line)
{
	udrv_log_set(keep, NULL, UDRV_LOG_INFO);
	udrv_pr_warn("bar %d too small", 3);
	ck_assert_int_eq(last_level, UDRV_LOG_WARNING);
	ck_assert_str_eq(last_line, "bar 3 too small");
}
END_TEST

START_TEST(less_severe_lines_are_dropped)
{
	udrv_log_set(keep, NULL, UDRV_LOG_WARNING);
	udrv_pr_info("chatter");
	ck_assert_int_eq(lines, 0);
}
END_TEST

START_TEST(long_lines_are_cut_and_errno_is_kept)
{
	char big[2000];

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	udrv_log_set(keep, NULL, UDRV_LOG_INFO);
	errno = ENOTTY;
	udrv_pr_err("%s", big);
	ck_assert_int_eq(errno, ENOTTY);
	ck_assert_uint_eq(strlen(last_line), 511);
}
END_TEST

static int one, another;
static unsigned int heard;

static void for_one(void *ctx, int level, const char *line)
{
	(void)level;
	(void)line;
	MUST(ctx == &one);
	inc(heard);
}

static void for_another(void *ctx, int level, const char *line)
{
	(void)level;
	(void)line;
	MUST(ctx == &another);
	inc(heard);
}

static void *talk(void *stop)
{
	while (!get(*(bool *)stop))
		udrv_pr_err("talk");
	return NULL;
}

START_TEST(a_sink_is_changed_while_another_thread_talks)
{
	bool stop = false;
	pthread_t thread = start(talk, &stop);

	for (int i = 0; i < 1000000 || get(heard) < 1000; i++) {
		udrv_log_set(for_one, &one, UDRV_LOG_INFO);
		if (i % 3)
			udrv_log_set(NULL, NULL, UDRV_LOG_INFO);
		udrv_log_set(for_another, &another, UDRV_LOG_INFO);
	}
	set(stop, true);
	finish(thread);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("log");
	TCase *tc = tcase_create("log");

	tcase_add_test(tc, silent_without_a_sink);
	tcase_add_test(tc, sink_gets_level_and_line);
	tcase_add_test(tc, less_severe_lines_are_dropped);
	tcase_add_test(tc, long_lines_are_cut_and_errno_is_kept);
	tcase_add_test(tc, a_sink_is_changed_while_another_thread_talks);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

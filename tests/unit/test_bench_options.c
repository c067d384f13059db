// SPDX-License-Identifier: MIT
/* The command line of `udrv bench`, and what it checks before it measures. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/options.h"
#include "bench/rows.h"
#include "support/suite.h"
#include "tool.h"

static struct bench_settings settings;
static char logged[1024];

static void keep(void *ctx, int level, const char *line)
{
	size_t len = strlen(logged);

	(void)ctx;
	(void)level;
	(void)snprintf(logged + len, sizeof(logged) - len, "%s\n", line);
}

static void setup(void)
{
	logged[0] = 0;
	argp_err_exit_status = TOOL_USAGE;
	udrv_log_set(keep, NULL, UDRV_LOG_NOTICE);
	ck_assert_int_eq(unsetenv("UDRV_LAB_CLOCK"), 0);
}

static void teardown(void)
{
	udrv_log_set(NULL, NULL, UDRV_LOG_NOTICE);
}

/* The status of `udrv bench irq WORDS`, words separated by spaces. */
static int parse(const char *words)
{
	static char line[256];
	char name[] = "udrv bench irq", *argv[16] = {name}, *rest = line;
	int argc = 1;

	(void)snprintf(line, sizeof(line), "%s", words);
	for (char *w; (w = strtok_r(rest, " ", &rest));)
		argv[argc++] = w;
	return bench_options(&settings, argc, argv);
}

/* As one line. */
static void said(const char *what)
{
	ck_assert_msg(strstr(logged, what), "'%s' is not in '%s'", what, logged);
	ck_assert_ptr_eq(strchr(logged, '\n'), logged + strlen(logged) - 1);
}

START_TEST(nothing_asked_for_is_the_default)
{
	ck_assert_int_eq(parse(""), TOOL_OK);
	ck_assert_str_eq(settings.device, "");
	ck_assert_uint_eq(settings.count, 20000);
	ck_assert_uint_eq(settings.passes, 1);
	ck_assert_int_eq(settings.fifo, 50);
	ck_assert_int_eq(settings.cpu, -1);
	ck_assert_int_eq(settings.spin_trigger_cpu, -1);
	ck_assert_int_eq(parse("--clock icount"), TOOL_OK);
	ck_assert_uint_eq(settings.count, 2000);
}
END_TEST

START_TEST(options_may_stand_before_and_after_the_device)
{
	ck_assert_int_eq(parse("--cpu 1 05:00.0 --trigger-cpu=3 --intx --json a.json --plot b.svg"),
			 TOOL_OK);
	ck_assert_str_eq(settings.device, "0000:05:00.0");
	ck_assert_int_eq(settings.cpu, 1);
	ck_assert_int_eq(settings.trigger_cpu, 3);
	ck_assert_int_eq(settings.spin_trigger_cpu, 3);
	ck_assert(settings.intx);
	ck_assert_str_eq(settings.json, "a.json");
	ck_assert_str_eq(settings.plot, "b.svg");
}
END_TEST

static const struct {
	const char *words, *says;
} bad[] = {
	{"--count 0", "--count 0: give a number from 1 to 1000000"},
	{"--count 1x", "--count 1x: give a number"},
	{"--fifo 100", "--fifo 100: give a number from 0 to 99"},
	{"--cpu -1", "--cpu -1: give a number"},
	{"--clock sundial", "--clock sundial: give realtime"},
	{"--json -", "--json -: give the name of a file"},
	{"--plot a.gif", "--plot a.gif: give a name ending in"},
	{"--rows vfio-*,foo", "no row is called 'foo'"},
	{"model:nic", "DEVICE model:nic: give an address"},
	{"model:edu model:edu", "only one DEVICE"},
};

START_TEST(what_is_wrong_is_said_in_one_line)
{
	ck_assert_int_eq(parse(bad[_i].words), TOOL_USAGE);
	said(bad[_i].says);
}
END_TEST

static const char *const wrong_usage[] = {"", "foo", "--nope", "irq --nope", "plot", "plot a.json"};

START_TEST(wrong_usage_ends_with_status_2)
{
	char name[] = "udrv bench", line[64], *argv[4] = {name}, *rest = line;
	int argc = 1;

	(void)snprintf(line, sizeof(line), "%s", wrong_usage[_i]);
	for (char *w; (w = strtok_r(rest, " ", &rest));)
		argv[argc++] = w;
	_exit(cmd_bench(argc, argv) + 100);
}
END_TEST

START_TEST(a_file_that_cannot_be_written_is_found_before_and_not_touched)
{
	char path[] = "/tmp/udrv-bench-XXXXXX";

	ck_assert_int_eq(bench_check_file("--json", NULL), 0);
	ck_assert_int_eq(bench_check_file("--json", "/nowhere/a.json"), -ENOENT);
	said("--json /nowhere/a.json: cannot be written: No such file or directory");
	ck_assert_int_eq(bench_check_file("--json", "/tmp"), -EISDIR);
	ck_assert_int_eq(bench_check_file("--json", ""), -ENOENT);
	ck_assert_int_eq(bench_check_file("--json", "/dev/null/a"), -ENOTDIR);
	ck_assert_int_eq(close(mkstemp(path)), 0);
	ck_assert_int_eq(bench_check_file("--json", path), 0);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(bench_check_file("--json", path), 0);
	ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(a_cpu_that_is_not_there_is_found_before_and_the_thread_stays_where_it_may_run)
{
	cpu_set_t before, after;
	int cpus[2];

	ck_assert_int_eq(sched_getaffinity(0, sizeof(before), &before), 0);
	bench_two_cpus(cpus);
	ck_assert_int_ge(cpus[0], 0);
	ck_assert(cpus[1] < 0 || cpus[1] > cpus[0]);
	ck_assert_int_eq(bench_check_cpu("--cpu", -1), 0);
	ck_assert_int_eq(bench_check_cpu("--cpu", cpus[0]), 0);
	ck_assert_int_eq(bench_check_cpu("--cpu", CPU_SETSIZE - 1), -EINVAL);
	said("--cpu 1023: cannot run there");
	ck_assert_int_eq(sched_getaffinity(0, sizeof(after), &after), 0);
	ck_assert(CPU_EQUAL(&before, &after));
}
END_TEST

START_TEST(the_model_rows_that_block_share_a_cpu_and_those_that_spin_do_not)
{
	static struct bench_result result;
	int cpus[2];

	ck_assert_int_eq(parse("model:edu --count 10 --rows model-read,model-spin"), TOOL_OK);
	bench_two_cpus(cpus);
	result.settings = settings;
	ck_assert_int_eq(bench_prepare(&result), 0);
	ck_assert_int_eq(bench_irq(&result), 0);
	ck_assert_int_eq(result.settings.cpu, cpus[0]);
	ck_assert_int_eq(result.settings.trigger_cpu, cpus[0]);
	ck_assert_int_eq(result.settings.spin_trigger_cpu, cpus[cpus[1] >= 0]);
	ck_assert_uint_eq(result.rows[0].summary.count, 10);
	ck_assert_uint_eq(result.rows[1].summary.count, cpus[1] < 0 ? 0 : 10);
	bench_result_free(&result);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("bench_options");
	TCase *tc = tcase_create("bench_options");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, nothing_asked_for_is_the_default);
	tcase_add_test(tc, options_may_stand_before_and_after_the_device);
	tcase_add_loop_test(tc, what_is_wrong_is_said_in_one_line, 0,
			    (int)(sizeof(bad) / sizeof(bad[0])));
	tcase_add_loop_exit_test(tc, wrong_usage_ends_with_status_2, TOOL_USAGE, 0,
				 (int)(sizeof(wrong_usage) / sizeof(wrong_usage[0])));
	tcase_add_test(tc, a_file_that_cannot_be_written_is_found_before_and_not_touched);
	tcase_add_test(
		tc, a_cpu_that_is_not_there_is_found_before_and_the_thread_stays_where_it_may_run);
	tcase_add_test(tc, the_model_rows_that_block_share_a_cpu_and_those_that_spin_do_not);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

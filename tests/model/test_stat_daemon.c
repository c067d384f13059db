// SPDX-License-Identifier: MIT
/* The statistics of a daemon that drives model:edu, and `udrv irqs` and `udrv irq set` on it. */
#include <udrv/irq.h>

#include "stats.h"
#include "tool.h"

#include "edu_driver.h"
#include "support/process.h"
#include "support/suite.h"
#include "support/wait_for.h"

static int irqs(const char *const *words)
{
	return end_of(spawn(cmd_irqs, "tool", words));
}

static int irq(const char *const *words)
{
	return end_of(spawn(cmd_irq, "tool", words));
}

static void setup(void)
{
	daemon_driver = &edu_driver;
	daemon_setup();
}

/* Vector 0 of the only daemon. */
static struct stats_vector vector_now(void)
{
	struct stats_vector v;
	struct stats stats;

	ck_assert_int_eq(stats_read(&stats, DEVICE), 0);
	ck_assert_uint_eq(stats.count, 1);
	ck_assert_uint_eq(stats.daemon[0].count, 1);
	v = stats.daemon[0].vector[0];
	stats_free(&stats);
	return v;
}

static bool has_run(struct stats_vector *v, uint64_t times)
{
	*v = vector_now();
	return v->record.count == times && udrv_hist_count(&v->record.run) == times;
}

static pid_t factorials(const char *count)
{
	return spawn(run_driver, "client", WORDS("udrv-edu", "factorial", "5", "--count", count));
}

START_TEST(the_counts_are_those_of_the_interrupts_made)
{
	struct stats_vector v;

	start_daemon();
	ck_assert_uint_eq(vector_now().record.count, 0);
	ck_assert_int_eq(end_of(factorials("2000")), 0);
	said("client.out", "2000 factorials by interrupt, 0 lost");
	/* The worker counts when the handler, which ends the wait, has returned. */
	WAIT_FOR(has_run(&v, 2000));
	ck_assert_uint_eq(v.record.unhandled, 0);
	ck_assert_int_eq(irqs(WORDS("udrv irqs")), TOOL_OK);
	said("tool.out", DEVICE "      0 msi  read");
	said("tool.out", " 2000 ");
	ck_assert_int_eq(irqs(WORDS("udrv irqs", "--json", DEVICE)), TOOL_OK);
	said("tool.out", "\"count\":2000,");
	said("tool.out", "\"latency_ns\":{\n");
	said("tool.out", "\"driver\":\"edu\",");
}
END_TEST

/* Sets one way to wait after the other until the client ends: how often. */
static int change_until_end(pid_t client)
{
	char option[32];
	int changes;

	for (changes = 0; waitpid(client, NULL, WNOHANG) == 0; changes++) {
		(void)snprintf(option, sizeof(option), "wait=%s",
			       udrv_wait_name((enum udrv_wait)(changes % UDRV_WAIT_COUNT)));
		ck_assert_msg(irq(WORDS("udrv irq", "set", DEVICE, "0", option)) == TOOL_OK,
			      "%s: %s", option, fake_text("tool.err"));
		ck_assert_int_lt(changes, 100000);
	}
	return changes;
}

START_TEST(the_way_to_wait_changes_while_factorials_run_and_none_is_lost)
{
	uint64_t before;

	start_daemon();
	/*
	 * A request that waits for the verb to end would have made it one, each time. It is a few
	 * where we get less of the CPUs than the client and the daemon.
	 */
	for (int tries = 1; change_until_end(factorials("60000")) <= 5; tries++)
		ck_assert_int_lt(tries, 10);
	said("client.out", "60000 factorials by interrupt, 0 lost");
	before = vector_now().record.count;
	ck_assert_uint_ge(before, 60000);
	ck_assert_int_eq(
		irq(WORDS("udrv irq", "set", DEVICE, "0", "wait=uring", "cpu=0", "priority=0")),
		TOOL_OK);
	ck_assert_str_eq(vector_now().record.worker.wait, "uring");
	ck_assert_int_eq(vector_now().record.worker.cpu, 0);
	ck_assert_int_eq(vector_now().record.worker.fifo_priority, 0);
}
END_TEST

START_TEST(what_cannot_be_set_is_explained)
{
	start_daemon();
	ck_assert_int_eq(irq(WORDS("udrv irq", "set", DEVICE, "7", "wait=read")), TOOL_USAGE);
	said("tool.err", "7: no vector that is in use");
	ck_assert_int_eq(irq(WORDS("udrv irq", "set", DEVICE, "0", "wait=hope")), TOOL_USAGE);
	said("tool.err", "wait=hope: the values are read, epoll, uring");
	ck_assert_int_eq(irq(WORDS("udrv irq", "set", DEVICE, "0", "priority=100")), TOOL_USAGE);
	said("tool.err", "priority=100: the values are 0 (no SCHED_FIFO) to 99");
	ck_assert_int_eq(irq(WORDS("udrv irq", "set", DEVICE, "0", "cpu=-3")), TOOL_USAGE);
	said("tool.err", "cpu=-3: the values are a CPU's number, home and any");
	ck_assert_int_eq(irq(WORDS("udrv irq", "set", DEVICE, "0", "affinity=0-3")), TOOL_USAGE);
	said("tool.err", "affinity=0-3: the values are a CPU's number");
	ck_assert_int_ne(irq(WORDS("udrv irq", "set", DEVICE, "0", "affinity=0")), 0);
	said("tool.err", "CPU 0 does not get the interrupt of vector 0: Operation not supported");
	ck_assert_int_eq(irq(WORDS("udrv irq", "set", DEVICE, "0", "speed=9")), TOOL_USAGE);
	said("tool.err",
	     "speed=9: the options are wait=, priority=, cpu=, affinity=, share= and storm=");
	ck_assert_int_eq(irq(WORDS("udrv irq", "set", DEVICE, "0", "share=me")), TOOL_USAGE);
	said("tool.err", "share=me: the values are own and the number of a vector that is in use");
	ck_assert_int_eq(irq(WORDS("udrv irq", "set", DEVICE, "0", "share=7")), TOOL_USAGE);
	said("tool.err", "share=7: the values are own and");
	ck_assert_int_eq(irq(WORDS("udrv irq", "set", DEVICE, "0", "storm=0")), TOOL_USAGE);
	said("tool.err", "storm=0: the values are interrupts per second and none");
	ck_assert_int_eq(irq(WORDS("udrv irq", "set", DEVICE, "0-1", "wait=read")), TOOL_USAGE);
	said("tool.err", "0-1: no vector that is in use");
	ck_assert_int_eq(irq(WORDS("udrv irq", "set", DEVICE, "all", "share=0", "storm=none")),
			 TOOL_OK);
	ck_assert_int_eq(irq(WORDS("udrv irq", "set", DEVICE, "0-0", "share=own")), TOOL_OK);
	ck_assert_int_eq(irq(WORDS("udrv irq", "set", DEVICE, "0", "cpu=1000")), TOOL_USAGE);
	said("tool.err", "cpu=1000: the daemon cannot run there: Invalid argument");
	ck_assert_int_eq(irq(WORDS("udrv irq", "set", DEVICE, "0")), TOOL_USAGE);
	ck_assert_int_eq(irq(WORDS("udrv irq", "set", "--help")), TOOL_OK);
	said("tool.out", "Usage: udrv irq set DEVICE");
	ck_assert_int_eq(irq(WORDS("udrv irq", "set", "nonsense", "0", "cpu=0")), TOOL_USAGE);
	ck_assert_str_eq(vector_now().record.worker.wait, "read");
}
END_TEST

START_TEST(a_dead_daemon_is_not_shown)
{
	start_daemon();
	ck_assert_int_eq(stop_daemon(SIGKILL), -SIGKILL);
	ck_assert_int_eq(irqs(WORDS("udrv irqs")), TOOL_OK);
	said("tool.err", "no daemon is running");
	ck_assert_int_eq(irqs(WORDS("udrv irqs", DEVICE)), TOOL_FAILED);
	said("tool.err", DEVICE ": no daemon drives it");
	ck_assert_int_eq(irq(WORDS("udrv irq", "set", DEVICE, "0", "wait=read")), TOOL_FAILED);
	said("tool.err", DEVICE ": no daemon drives it");
	start_daemon();
	ck_assert_uint_eq(vector_now().record.count, 0);
	ck_assert_int_eq(stop_daemon(SIGTERM), 0);
	ck_assert_str_eq(fake_text("edu@" DEVICE ".stats"), "(no such file)");
}
END_TEST

START_TEST(watching_shows_it_again_and_again)
{
	const char *text;
	pid_t pid;

	start_daemon();
	pid = spawn(cmd_irqs, "watch", WORDS("udrv irqs", "--watch", "0.1"));
	for (int waited = 0; waited < WAIT_MS; waited += 50) {
		text = strstr(fake_text("watch.out"), "DEVICE");
		if (text && strstr(text + 1, "DEVICE"))
			break;
		pause_ms(50);
	}
	ck_assert_int_eq(kill(pid, SIGINT), 0);
	ck_assert_int_eq(end_of(pid), -SIGINT);
	text = strstr(fake_text("watch.out"), "DEVICE");
	ck_assert_ptr_nonnull(text);
	ck_assert_ptr_nonnull(strstr(text + 1, "DEVICE"));
	ck_assert_ptr_null(strchr(fake_text("watch.out"), '\033'));
	ck_assert_int_eq(irqs(WORDS("udrv irqs", "--watch=soon")), TOOL_USAGE);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("stat_daemon");
	TCase *tc = tcase_create("daemon");

	argp_err_exit_status = TOOL_USAGE;
	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, daemon_teardown);
	tcase_add_test(tc, the_counts_are_those_of_the_interrupts_made);
	tcase_add_test(tc, the_way_to_wait_changes_while_factorials_run_and_none_is_lost);
	tcase_add_test(tc, what_cannot_be_set_is_explained);
	tcase_add_test(tc, a_dead_daemon_is_not_shown);
	tcase_add_test(tc, watching_shows_it_again_and_again);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

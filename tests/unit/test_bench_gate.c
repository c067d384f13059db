// SPDX-License-Identifier: MIT
/* Taking samples through the gate: order, losses, stopping. */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "bench/gate.h"
#include "support/suite.h"

static _Atomic bool stop;
static struct bench_gate gate;
static unsigned int fired;

static void setup(void)
{
	memset(&gate, 0, sizeof(gate));
	atomic_store(&stop, false);
	fired = 0;
}

static struct bench_collect collect(int (*fire)(void *ctx))
{
	return (struct bench_collect){
		.gate = &gate, .fire = fire, .deadline_ms = 20, .stop = &stop};
}

/* The handler runs before fire() returns, as a waiter with SCHED_FIFO on one CPU does. */
static int fire_at_once(void *ctx)
{
	(void)ctx;
	gate.start = 1000;
	bench_gate_open(&gate, 1000 + ++fired);
	return 0;
}

START_TEST(samples_come_in_order)
{
	struct bench_collect how = collect(fire_at_once);
	unsigned int lost = 0;
	uint64_t s[100];

	ck_assert_int_eq(bench_collect(&how, s, 100, &lost), 0);
	for (unsigned int i = 0; i < 100; i++)
		ck_assert_uint_eq(s[i], i + 1);
	ck_assert_uint_eq(lost, 0);
}
END_TEST

/* The way is cut where the hard handler began; a stamp that does not fit is of another interrupt.
 */
static int fire_with_stamp(void *ctx)
{
	(void)ctx;
	gate.start = 1000;
	gate.hard = (const uint64_t[]){1002, 0, 1007, 999, 1011}[fired++ % 5];
	bench_gate_open(&gate, 1010);
	return 0;
}

START_TEST(a_samples_parts_are_known_where_the_stamp_fits)
{
	uint64_t to_hard[10];
	uint64_t to_worker[10];
	struct bench_split split = {.to_hard = to_hard, .to_worker = to_worker};
	struct bench_collect how = collect(fire_with_stamp);
	unsigned int lost = 0;
	uint64_t s[10];

	how.split = &split;
	ck_assert_int_eq(bench_collect(&how, s, 10, &lost), 0);
	ck_assert_uint_eq(split.count, 4);
	for (unsigned int i = 0; i < 4; i++) {
		ck_assert_uint_eq(to_hard[i], i % 2 ? 7 : 2);
		ck_assert_uint_eq(to_hard[i] + to_worker[i], s[i]);
	}
}
END_TEST

static int fire_every_third_lost(void *ctx)
{
	if (++fired % 3 == 0)
		return 0;
	(void)ctx;
	gate.start = 1000;
	bench_gate_open(&gate, 1000 + fired);
	return 0;
}

START_TEST(lost_interrupts_are_counted_and_raised_again)
{
	struct bench_collect how = collect(fire_every_third_lost);
	unsigned int lost = 0;
	uint64_t s[6];

	ck_assert_int_eq(bench_collect(&how, s, 6, &lost), 0);
	ck_assert_uint_eq(lost, 2);
	ck_assert_uint_eq(fired, 8);
	ck_assert_uint_eq(s[1], 2);
	ck_assert_uint_eq(s[2], 4);
	ck_assert_uint_eq(s[5], 8);
}
END_TEST

static int fire_nothing(void *ctx)
{
	(void)ctx;
	fired++;
	return 0;
}

START_TEST(a_silent_device_ends_the_row)
{
	struct bench_collect how = collect(fire_nothing);
	unsigned int lost = 0;
	uint64_t s[6];

	ck_assert_int_eq(bench_collect(&how, s, 6, &lost), -ETIMEDOUT);
	ck_assert_uint_eq(lost, BENCH_MAX_LOST);
	ck_assert_uint_eq(fired, BENCH_MAX_LOST);
}
END_TEST

/* The answer to an earlier trigger: its stamp lies before this trigger's. */
static int fire_late_then_right(void *ctx)
{
	(void)ctx;
	gate.start = 1000;
	bench_gate_open(&gate, ++fired == 1 ? 999 : 1005);
	return 0;
}

START_TEST(a_late_interrupt_is_not_a_sample)
{
	struct bench_collect how = collect(fire_late_then_right);
	unsigned int lost = 0;
	uint64_t s[1];

	ck_assert_int_eq(bench_collect(&how, s, 1, &lost), 0);
	ck_assert_uint_eq(lost, 1);
	ck_assert_uint_eq(s[0], 5);
}
END_TEST

static int fire_fails(void *ctx)
{
	(void)ctx;
	return ++fired == 3 ? -ENODEV : fire_at_once(NULL);
}

START_TEST(a_failing_trigger_ends_the_row)
{
	struct bench_collect how = collect(fire_fails);
	unsigned int lost = 0;
	uint64_t s[6];

	ck_assert_int_eq(bench_collect(&how, s, 6, &lost), -ENODEV);
}
END_TEST

static int fire_and_stop(void *ctx)
{
	if (fired == 2)
		atomic_store(&stop, true);
	return fire_at_once(ctx);
}

START_TEST(a_stop_is_seen_between_samples)
{
	struct bench_collect how = collect(fire_and_stop);
	unsigned int lost = 0;
	uint64_t s[6];

	ck_assert_int_eq(bench_collect(&how, s, 6, &lost), -EINTR);
	ck_assert_uint_eq(fired, 3);
}
END_TEST

struct handler {
	_Atomic unsigned int raised;
	_Atomic bool finish;
};

static void *handle(void *arg)
{
	struct handler *h = arg;

	for (unsigned int seen = 0; !atomic_load(&h->finish);) {
		if (atomic_load(&h->raised) == seen)
			continue;
		seen++;
		/* Longer than the trigger looks before it sleeps. */
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
		bench_gate_open(&gate, 50);
	}
	return NULL;
}

static int raise_other_thread(void *ctx)
{
	struct handler *h = ctx;

	gate.start = 0;
	atomic_fetch_add(&h->raised, 1);
	return 0;
}

START_TEST(a_sleeping_trigger_is_woken)
{
	struct handler h = {0};
	struct bench_collect how = collect(raise_other_thread);
	unsigned int lost = 0;
	uint64_t s[100];
	pthread_t thread;

	how.ctx = &h;
	how.deadline_ms = 60000;
	ck_assert_int_eq(pthread_create(&thread, NULL, handle, &h), 0);
	ck_assert_int_eq(bench_collect(&how, s, 100, &lost), 0);
	atomic_store(&h.finish, true);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(lost, 0);
	ck_assert_uint_eq(s[99], 50);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("bench_gate");
	TCase *tc = tcase_create("bench_gate");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, samples_come_in_order);
	tcase_add_test(tc, a_samples_parts_are_known_where_the_stamp_fits);
	tcase_add_test(tc, lost_interrupts_are_counted_and_raised_again);
	tcase_add_test(tc, a_silent_device_ends_the_row);
	tcase_add_test(tc, a_late_interrupt_is_not_a_sample);
	tcase_add_test(tc, a_failing_trigger_ends_the_row);
	tcase_add_test(tc, a_stop_is_seen_between_samples);
	tcase_add_test(tc, a_sleeping_trigger_is_woken);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

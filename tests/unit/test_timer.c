// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include <udrv/completion.h>
#include <udrv/timer.h>

#include "sched/heap.h"
#include "sched/sleep.h"

#include "support/suite.h"
#include "support/threads.h"

/* The heap alone: random additions and removals; what comes out is in order. */
START_TEST(heap_gives_the_earliest_whatever_was_removed)
{
	enum { N = 400 };
	static struct udrv__timer t[N];
	struct udrv__timer *root = NULL;
	uint64_t last = 0;
	int left = 0;

	srandom((unsigned int)_i);
	for (int i = 0; i < N; i++) {
		t[i].expires_ns = (uint64_t)random() % 100;
		t[i].queued = true;
		root = udrv__heap_add(root, &t[i]);
		left++;
		if (i % 3 == 0) {
			struct udrv__timer *victim = &t[random() % (i + 1)];

			if (victim->queued) {
				root = udrv__heap_remove(root, victim);
				victim->queued = false;
				left--;
			}
		}
	}
	while (root) {
		struct udrv__timer *first = root;

		ck_assert_uint_ge(first->expires_ns, last);
		last = first->expires_ns;
		ck_assert(first->queued);
		first->queued = false;
		root = udrv__heap_remove(root, first);
		left--;
	}
	ck_assert_int_eq(left, 0);
}
END_TEST

struct thing {
	struct udrv_timer_list timer;
	struct udrv_completion fired;
	unsigned long at;
	int count, rearms;
};

static struct thing a, b;

static void on_timer(struct udrv_timer_list *timer)
{
	struct thing *t = udrv_from_timer(t, timer, timer);

	t->at = udrv_jiffies;
	inc(t->count);
	if (get(t->rearms) > 0) {
		set(t->rearms, t->rearms - 1);
		(void)udrv_mod_timer(timer, udrv_jiffies + 1);
	}
	udrv_complete(&t->fired);
}

static void setup(void)
{
	struct thing *both[] = {&a, &b};

	for (int i = 0; i < 2; i++) {
		udrv_timer_setup(&both[i]->timer, on_timer, 0);
		udrv_init_completion(NULL, &both[i]->fired);
		both[i]->count = 0;
	}
}

START_TEST(fires_once_and_not_early)
{
	unsigned long when = udrv_jiffies + 15;

	ck_assert_int_eq(udrv_mod_timer(&a.timer, when), 0);
	ck_assert_int_eq(udrv_timer_pending(&a.timer), 1);
	ck_assert_int_eq(udrv_wait_for_completion(&a.fired), 0);
	ck_assert(udrv_time_after_eq(a.at, when));
	ck_assert_int_eq(udrv_timer_delete_sync(&a.timer), 0);
	ck_assert_int_eq(a.count, 1);
}
END_TEST

START_TEST(past_time_fires_at_once)
{
	a.timer.expires = udrv_jiffies - 100;
	udrv_add_timer(&a.timer);
	ck_assert_int_gt(udrv_wait_for_completion_timeout(&a.fired, 60000), 0);
}
END_TEST

START_TEST(earlier_timer_fires_first_though_armed_later)
{
	ck_assert_int_eq(udrv_mod_timer(&a.timer, udrv_jiffies + 100000), 0);
	ck_assert_int_eq(udrv_mod_timer(&b.timer, udrv_jiffies + 2), 0);
	ck_assert_int_gt(udrv_wait_for_completion_timeout(&b.fired, 60000), 0);
	ck_assert_int_eq(udrv_timer_pending(&a.timer), 1);
	/* And moving it forward wakes the thread again. */
	ck_assert_int_eq(udrv_mod_timer(&a.timer, udrv_jiffies + 2), 1);
	ck_assert_int_gt(udrv_wait_for_completion_timeout(&a.fired, 60000), 0);
}
END_TEST

START_TEST(deleted_timer_does_not_fire)
{
	unsigned long when;
	int before;

	/* It may have fired before it is deleted if the machine paused: then again. */
	do {
		when = udrv_jiffies + 100;
		(void)udrv_mod_timer(&a.timer, when);
		before = udrv_del_timer(&a.timer);
		ck_assert(before || udrv_time_after_eq(udrv_jiffies, when));
	} while (!before);
	ck_assert_int_eq(udrv_del_timer(&a.timer), 0);
	(void)udrv_timer_delete_sync(&a.timer);
	before = get(a.count);
	/* One that is armed for later has fired: so would the first. */
	(void)udrv_mod_timer(&b.timer, when + 50);
	ck_assert_int_eq(udrv_wait_for_completion(&b.fired), 0);
	ck_assert_int_eq(get(a.count), before);
}
END_TEST

START_TEST(conditional_arming_keeps_its_conditions)
{
	unsigned long far = udrv_jiffies + 100000;

	ck_assert_int_eq(udrv_mod_timer_pending(&a.timer, far), 0);
	ck_assert_int_eq(udrv_timer_pending(&a.timer), 0);
	ck_assert_int_eq(udrv_timer_reduce(&a.timer, far), 0);
	ck_assert_int_eq(udrv_timer_reduce(&a.timer, far + 1), 1);
	ck_assert_uint_eq(a.timer.node.expires_ns, udrv_jiffies_to_nsecs(far));
	ck_assert_int_eq(udrv_mod_timer_pending(&a.timer, far + 1), 1);
	ck_assert_uint_eq(a.timer.node.expires_ns, udrv_jiffies_to_nsecs(far + 1));
	ck_assert_int_eq(udrv_timer_delete_sync(&a.timer), 1);
}
END_TEST

START_TEST(delete_sync_stops_a_timer_that_arms_itself)
{
	int count;

	set(a.rearms, 1000000);
	(void)udrv_mod_timer(&a.timer, udrv_jiffies);
	until(get(a.count) > 3);
	(void)udrv_timer_delete_sync(&a.timer);
	count = get(a.count);
	ck_assert_int_eq(udrv_timer_pending(&a.timer), 0);
	(void)udrv_mod_timer(&b.timer, udrv_jiffies + 5);
	ck_assert_int_eq(udrv_wait_for_completion(&b.fired), 0);
	ck_assert_int_eq(get(a.count), count);
}
END_TEST

static int always_due_runs;

static void on_always_due(struct udrv_timer_list *timer)
{
	inc(always_due_runs);
	(void)udrv_mod_timer(timer, udrv_jiffies);
}

START_TEST(delete_sync_stops_a_timer_that_is_always_due)
{
	struct udrv_timer_list timer;
	int so_far;

	udrv_timer_setup(&timer, on_always_due, 0);
	for (int i = 0; i < 100; i++) {
		so_far = get(always_due_runs);
		(void)udrv_mod_timer(&timer, udrv_jiffies);
		until(get(always_due_runs) > so_far);
		(void)udrv_timer_delete_sync(&timer);
		ck_assert(!udrv_timer_pending(&timer));
	}
}
END_TEST

START_TEST(shut_down_timer_cannot_be_armed)
{
	(void)udrv_mod_timer(&a.timer, udrv_jiffies + 100000);
	ck_assert_int_eq(udrv_timer_shutdown_sync(&a.timer), 1);
	ck_assert_int_eq(udrv_mod_timer(&a.timer, udrv_jiffies), 0);
	ck_assert_int_eq(udrv_timer_pending(&a.timer), 0);
}
END_TEST

/* Of a thread that sleeps until then: what wakes it, and how often that was done. */
static uint64_t sleeps_until;
static const uint32_t *kicks;
static int kicked;

int __real_udrv__sleep(const uint32_t *word, uint32_t value, const struct udrv_device *dev,
		       struct udrv_task *interruptible, uint64_t deadline_ns);
int __wrap_udrv__sleep(const uint32_t *word, uint32_t value, const struct udrv_device *dev,
		       struct udrv_task *interruptible, uint64_t deadline_ns);
void __real_udrv__wake_word(const uint32_t *word, int count);
void __wrap_udrv__wake_word(const uint32_t *word, int count);

int __wrap_udrv__sleep(const uint32_t *word, uint32_t value, const struct udrv_device *dev,
		       struct udrv_task *interruptible, uint64_t deadline_ns)
{
	if (deadline_ns == get(sleeps_until))
		set(kicks, word);
	return __real_udrv__sleep(word, value, dev, interruptible, deadline_ns);
}

void __wrap_udrv__wake_word(const uint32_t *word, int count)
{
	if (word == get(kicks))
		inc(kicked);
	__real_udrv__wake_word(word, count);
}

/* A watchdog, which is put off and never fires, wakes nobody. */
START_TEST(timer_that_is_put_off_does_not_wake_the_thread)
{
	unsigned long far = udrv_jiffies + 100000;

	set(sleeps_until, udrv_jiffies_to_nsecs(far));
	ck_assert_int_eq(udrv_mod_timer(&a.timer, far), 0);
	until(get(kicks));
	set(kicked, 0);
	for (unsigned int i = 1; i <= 100; i++)
		ck_assert_int_eq(udrv_mod_timer(&a.timer, far + i), 1);
	ck_assert_int_eq(udrv_mod_timer(&b.timer, far + 50), 0);
	ck_assert_int_eq(get(kicked), 0);
	ck_assert_int_eq(udrv_mod_timer(&b.timer, far - 1), 1);
	ck_assert_int_eq(get(kicked), 1);
	(void)udrv_timer_delete_sync(&a.timer);
	(void)udrv_timer_delete_sync(&b.timer);
}
END_TEST

static int entered, released, returned;

static void on_slow(struct udrv_timer_list *timer)
{
	(void)timer;
	set(entered, 1);
	until(get(released));
	set(returned, 1);
}

static void *release(void *arg)
{
	(void)arg;
	set(released, 1);
	return NULL;
}

START_TEST(delete_sync_waits_for_the_callback)
{
	pthread_t t;

	udrv_timer_setup(&a.timer, on_slow, 0);
	(void)udrv_mod_timer(&a.timer, udrv_jiffies);
	until(get(entered));
	ck_assert_int_eq(udrv_try_to_del_timer_sync(&a.timer), -1);
	ck_assert_int_eq(udrv_timer_delete(&a.timer), 0);
	t = start(release, NULL);
	ck_assert_int_eq(udrv_timer_delete_sync(&a.timer), 0);
	ck_assert_int_eq(get(returned), 1);
	ck_assert_int_eq(udrv_try_to_del_timer_sync(&a.timer), 0);
	finish(t);
}
END_TEST

static void on_last(struct udrv_timer_list *timer)
{
	struct thing *t = udrv_from_timer(t, timer, timer);

	ck_assert_int_eq(udrv_timer_delete_sync(timer), 0);
	udrv_complete(&b.fired);
	free(t);
}

START_TEST(callback_may_delete_and_free_its_timer)
{
	struct thing *t = calloc(1, sizeof(*t));

	udrv_timer_setup(&t->timer, on_last, 0);
	(void)udrv_mod_timer(&t->timer, udrv_jiffies);
	ck_assert_int_eq(udrv_wait_for_completion(&b.fired), 0);
	/* The thread still works. */
	(void)udrv_mod_timer(&a.timer, udrv_jiffies);
	ck_assert_int_eq(udrv_wait_for_completion(&a.fired), 0);
}
END_TEST

/* Several threads arm and delete; at the end each timer is dead and its memory free. */
static void *arm_and_delete(void *arg)
{
	unsigned int seed = *(unsigned int *)arg;

	for (int i = 0; i < 3000; i++) {
		struct thing *t = calloc(1, sizeof(*t));

		udrv_timer_setup(&t->timer, on_timer, 0);
		t->rearms = rand_r(&seed) % 3;
		(void)udrv_mod_timer(&t->timer, udrv_jiffies + (unsigned long)(rand_r(&seed) % 2));
		if (rand_r(&seed) % 2)
			sched_yield();
		(void)udrv_timer_delete_sync(&t->timer);
		ck_assert_int_eq(udrv_timer_pending(&t->timer), 0);
		free(t);
	}
	return NULL;
}

START_TEST(memory_of_a_deleted_timer_may_be_freed)
{
	unsigned int seeds[3] = {1, 2, 3};
	pthread_t t[3];

	for (int i = 0; i < 3; i++)
		t[i] = start(arm_and_delete, &seeds[i]);
	for (int i = 0; i < 3; i++)
		finish(t[i]);
}
END_TEST

static struct udrv_hrtimer hr;
static int hr_left;
static uint64_t hr_overruns;
static unsigned int hr_runs;

static enum udrv_hrtimer_restart on_hrtimer(struct udrv_hrtimer *timer)
{
	udrv_complete(&a.fired);
	if (!hr_left--)
		return UDRV_HRTIMER_NORESTART;
	hr_overruns += udrv_hrtimer_forward_now(timer, 300000);
	return UDRV_HRTIMER_RESTART;
}

START_TEST(hrtimer_fires_and_repeats_without_drift)
{
	udrv_ktime_t first = udrv_ktime_get() + 300000;

	hr_left = 9;
	udrv_hrtimer_setup(&hr, on_hrtimer, CLOCK_MONOTONIC, UDRV_HRTIMER_MODE_ABS);
	udrv_hrtimer_start(&hr, first, UDRV_HRTIMER_MODE_ABS);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(udrv_wait_for_completion(&a.fired), 0);
	ck_assert_int_eq(udrv_hrtimer_cancel(&hr), 0);
	ck_assert(!udrv_hrtimer_active(&hr));
	ck_assert_uint_ge(hr_overruns, 9);
	ck_assert_int_eq(udrv_hrtimer_get_expires(&hr), first + (int64_t)hr_overruns * 300000);
	ck_assert_int_ge(udrv_ktime_get(), udrv_hrtimer_get_expires(&hr));
}
END_TEST

START_TEST(relative_hrtimer_is_not_early)
{
	udrv_ktime_t began = udrv_ktime_get();

	hr_left = 0;
	udrv_hrtimer_setup(&hr, on_hrtimer, CLOCK_MONOTONIC, UDRV_HRTIMER_MODE_REL);
	udrv_hrtimer_start(&hr, 2000000, UDRV_HRTIMER_MODE_REL);
	ck_assert_int_eq(udrv_wait_for_completion(&a.fired), 0);
	ck_assert_int_ge(udrv_ktime_get() - began, 2000000);
	(void)udrv_hrtimer_cancel(&hr);
}
END_TEST

static enum udrv_hrtimer_restart go_on(struct udrv_hrtimer *timer)
{
	(void)udrv_hrtimer_forward_now(timer, 20000);
	inc(hr_runs);
	return UDRV_HRTIMER_RESTART;
}

/* Whoever starts it while its function is running sets when it fires. */
START_TEST(hrtimer_is_started_while_it_repeats)
{
	const udrv_ktime_t later = 1000 * UDRV_NSEC_PER_SEC;

	udrv_hrtimer_setup(&hr, go_on, CLOCK_MONOTONIC, UDRV_HRTIMER_MODE_REL);
	for (int i = 0; i < 1000; i++) {
		const unsigned int runs = get(hr_runs);

		udrv_hrtimer_start(&hr, 1000, UDRV_HRTIMER_MODE_REL);
		until(get(hr_runs) != runs);
		udrv_hrtimer_start(&hr, later, UDRV_HRTIMER_MODE_REL);
		(void)udrv_hrtimer_get_remaining(&hr);
		(void)udrv_hrtimer_get_expires(&hr);
	}
	(void)udrv_hrtimer_cancel(&hr);
	ck_assert_uint_ge(get(hr_runs), 1000);
}
END_TEST

START_TEST(hrtimer_is_cancelled_while_armed)
{
	udrv_hrtimer_init(&hr, CLOCK_MONOTONIC, UDRV_HRTIMER_MODE_ABS);
	hr.function = on_hrtimer;
	udrv_hrtimer_start(&hr, udrv_ktime_get() + 100 * UDRV_NSEC_PER_SEC, UDRV_HRTIMER_MODE_ABS);
	ck_assert(udrv_hrtimer_is_queued(&hr) && udrv_hrtimer_active(&hr));
	ck_assert_int_gt(udrv_hrtimer_get_remaining(&hr), 90 * UDRV_NSEC_PER_SEC);
	ck_assert_int_eq(udrv_hrtimer_try_to_cancel(&hr), 1);
	ck_assert_int_eq(udrv_hrtimer_cancel(&hr), 0);
	ck_assert(!udrv_completion_done(&a.fired));
}
END_TEST

START_TEST(hrtimer_goes_by_other_clocks)
{
	udrv_hrtimer_setup(&hr, on_hrtimer, CLOCK_REALTIME, UDRV_HRTIMER_MODE_ABS);
	hr_left = 0;
	udrv_hrtimer_start(&hr, udrv_ktime_get_real() + 1000000, UDRV_HRTIMER_MODE_ABS);
	ck_assert_int_gt(udrv_wait_for_completion_timeout(&a.fired, 60000), 0);
	(void)udrv_hrtimer_cancel(&hr);
}
END_TEST

START_TEST(forward_counts_whole_intervals)
{
	udrv_hrtimer_init(&hr, CLOCK_MONOTONIC, UDRV_HRTIMER_MODE_ABS);
	hr.expires = 1000;
	ck_assert_uint_eq(udrv_hrtimer_forward(&hr, 999, 100), 0);
	ck_assert_uint_eq(udrv_hrtimer_forward(&hr, 1000, 100), 1);
	ck_assert_int_eq(hr.expires, 1100);
	ck_assert_uint_eq(udrv_hrtimer_forward(&hr, 1350, 100), 3);
	ck_assert_int_eq(hr.expires, 1400);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("timer");
	TCase *tc = tcase_create("timer");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_loop_test(tc, heap_gives_the_earliest_whatever_was_removed, 0, 20);
	tcase_add_test(tc, fires_once_and_not_early);
	tcase_add_test(tc, past_time_fires_at_once);
	tcase_add_test(tc, earlier_timer_fires_first_though_armed_later);
	tcase_add_test(tc, timer_that_is_put_off_does_not_wake_the_thread);
	tcase_add_test(tc, deleted_timer_does_not_fire);
	tcase_add_test(tc, conditional_arming_keeps_its_conditions);
	tcase_add_test(tc, delete_sync_stops_a_timer_that_arms_itself);
	tcase_add_test(tc, delete_sync_stops_a_timer_that_is_always_due);
	tcase_add_test(tc, shut_down_timer_cannot_be_armed);
	tcase_add_test(tc, delete_sync_waits_for_the_callback);
	tcase_add_test(tc, callback_may_delete_and_free_its_timer);
	tcase_add_test(tc, memory_of_a_deleted_timer_may_be_freed);
	tcase_add_test(tc, hrtimer_fires_and_repeats_without_drift);
	tcase_add_test(tc, relative_hrtimer_is_not_early);
	tcase_add_test(tc, hrtimer_is_started_while_it_repeats);
	tcase_add_test(tc, hrtimer_is_cancelled_while_armed);
	tcase_add_test(tc, hrtimer_goes_by_other_clocks);
	tcase_add_test(tc, forward_counts_whole_intervals);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

// SPDX-License-Identifier: MIT
#include <errno.h>
#include <signal.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/wait.h>

#include "pci/device.h"
#include "sched/task.h"

#include "support/suite.h"
#include "support/threads.h"

static struct udrv_device dev;
static struct udrv_wait_queue_head queue;
static int cond;

static void setup(void)
{
	memset(&dev, 0, sizeof(dev));
	udrv_init_waitqueue_head(&dev, &queue);
}

START_TEST(true_condition_returns_at_once_and_wins)
{
	udrv_device_set_gone(&dev);
	udrv_task_interrupt(udrv_current);
	ck_assert_int_eq(udrv_wait_event(queue, true), 0);
	ck_assert_int_eq(udrv_wait_event_interruptible(queue, true), 0);
	ck_assert_int_eq(udrv_wait_event_timeout(queue, true, 0), 1);
	ck_assert_int_eq(udrv_wait_event_timeout(queue, true, 17), 17);
	ck_assert_int_eq(udrv_wait_event_hrtimeout(queue, true, 0), 0);
}
END_TEST

START_TEST(times_out_no_earlier_than_asked)
{
	int64_t began = now_ms();

	ck_assert_int_eq(udrv_wait_event_timeout(queue, false, 0), 0);
	ck_assert_int_eq(udrv_wait_event_timeout(queue, false, 20), 0);
	ck_assert_int_ge(now_ms() - began, 19);
	ck_assert_int_eq(udrv_wait_event_interruptible_timeout(queue, false, 1), 0);
	ck_assert_int_eq(udrv_wait_event_interruptible_hrtimeout(queue, false, 1000), -ETIME);
	ck_assert_int_eq(udrv_waitqueue_active(&queue), 0);
}
END_TEST

START_TEST(gone_wins_over_signal_and_timeout)
{
	udrv_device_set_gone(&dev);
	udrv_task_interrupt(udrv_current);
	ck_assert_int_eq(udrv_wait_event(queue, false), -ENODEV);
	ck_assert_int_eq(udrv_wait_event_timeout(queue, false, 0), -ENODEV);
	ck_assert_int_eq(udrv_wait_event_killable(queue, false), -ENODEV);
	ck_assert_int_eq(udrv_wait_event_hrtimeout(queue, false, 0), -ENODEV);
	ck_assert_int_eq(udrv_waitqueue_active(&queue), 0);
}
END_TEST

START_TEST(interruption_ends_one_interruptible_wait)
{
	udrv_task_interrupt(udrv_current);
	ck_assert_int_eq(udrv_wait_event_timeout(queue, false, 1), 0);
	ck_assert_int_eq(udrv_wait_event_interruptible(queue, false), -UDRV_ERESTARTSYS);
	ck_assert_int_eq(udrv_wait_event_interruptible_timeout(queue, false, 1), 0);
	udrv_task_interrupt(udrv_current);
	ck_assert_int_eq(udrv_wait_event_killable_timeout(queue, false, 100000), -UDRV_ERESTARTSYS);
	udrv_task_interrupt(udrv_current);
	ck_assert_int_eq(udrv_signal_pending(udrv_current), 1);
	ck_assert_int_eq(udrv_signal_pending(udrv_current), 0);
	ck_assert_int_eq(udrv_wait_event_interruptible_timeout(queue, false, 1), 0);
}
END_TEST

enum form { PLAIN, TIMEOUT, INTERRUPTIBLE, KILLABLE, IDLE_EXCLUSIVE };

struct waiter {
	enum form form;
	struct udrv_task *task;
	long result;
	int done;
};

static void *wait_in_form(void *arg)
{
	struct waiter *w = arg;

	set(w->task, udrv_current);
	switch (w->form) {
	case PLAIN:
		w->result = udrv_wait_event(queue, get(cond));
		break;
	case TIMEOUT:
		w->result = udrv_wait_event_timeout(queue, get(cond), 100000);
		break;
	case INTERRUPTIBLE:
		w->result = udrv_wait_event_interruptible(queue, get(cond));
		break;
	case KILLABLE:
		w->result = udrv_wait_event_killable(queue, get(cond));
		break;
	case IDLE_EXCLUSIVE:
		w->result = udrv_wait_event_idle_exclusive(queue, get(cond));
		break;
	}
	set(w->done, 1);
	return NULL;
}

START_TEST(removal_wakes_every_form)
{
	struct waiter w = {.form = (enum form)_i};
	pthread_t t = start(wait_in_form, &w);

	until(udrv_waitqueue_active(&queue));
	udrv_device_set_gone(&dev);
	finish(t);
	ck_assert_int_eq(w.result, -ENODEV);
}
END_TEST

START_TEST(wake_up_wakes_every_form)
{
	struct waiter w = {.form = (enum form)_i};
	pthread_t t = start(wait_in_form, &w);

	until(udrv_waitqueue_active(&queue));
	set(cond, 1);
	udrv_wake_up(&queue);
	finish(t);
	ck_assert_int_eq(w.result < 0, 0);
	ck_assert_int_eq(udrv_waitqueue_active(&queue), 0);
}
END_TEST

START_TEST(wake_up_without_the_condition_changes_nothing)
{
	struct waiter w = {.form = TIMEOUT};
	pthread_t t = start(wait_in_form, &w);

	for (int i = 0; i < 100; i++) {
		until(udrv_waitqueue_active(&queue));
		udrv_wake_up_all(&queue);
		(void)udrv_wake_up_process(get(w.task));
	}
	ck_assert_int_eq(get(w.done), 0);
	set(cond, 1);
	udrv_wake_up(&queue);
	finish(t);
	ck_assert_int_gt(w.result, 0);
}
END_TEST

static int handled;

static void on_signal(int sig)
{
	(void)sig;
	inc(handled);
}

static void catch_signal(int flags)
{
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = flags};

	ck_assert_int_eq(sigaction(SIGUSR1, &sa, NULL), 0);
}

START_TEST(signal_ends_interruptible_and_killable)
{
	struct waiter w = {.form = _i ? KILLABLE : INTERRUPTIBLE};
	pthread_t t;

	catch_signal(0);
	t = start(wait_in_form, &w);
	until(udrv_waitqueue_active(&queue));
	/* One that arrives just before the sleep does not end it. */
	while (!get(w.done)) {
		pthread_kill(t, SIGUSR1);
		sched_yield();
	}
	finish(t);
	ck_assert_int_eq(w.result, -UDRV_ERESTARTSYS);
	ck_assert_int_eq(udrv_waitqueue_active(&queue), 0);
}
END_TEST

START_TEST(signal_does_not_end_other_forms)
{
	struct waiter w = {.form = _i ? TIMEOUT : PLAIN};
	pthread_t t;

	catch_signal(0);
	t = start(wait_in_form, &w);
	until(udrv_waitqueue_active(&queue));
	for (int i = 1; i <= 20; i++) {
		pthread_kill(t, SIGUSR1);
		until(get(handled) == i);
	}
	ck_assert_int_eq(get(w.done), 0);
	set(cond, 1);
	udrv_wake_up(&queue);
	finish(t);
	ck_assert_int_ge(w.result, 0);
}
END_TEST

static struct udrv_task *to_interrupt;

static void interrupt_from_handler(int sig)
{
	(void)sig;
	udrv_task_interrupt(get(to_interrupt));
}

START_TEST(interruption_from_a_handler_is_never_late)
{
	struct sigaction sa = {.sa_handler = interrupt_from_handler, .sa_flags = SA_RESTART};

	ck_assert_int_eq(sigaction(SIGUSR1, &sa, NULL), 0);
	for (int i = 0; i < 200; i++) {
		struct waiter w = {.form = INTERRUPTIBLE};
		pthread_t t = start(wait_in_form, &w);

		until(get(w.task));
		set(to_interrupt, w.task);
		if (i % 2)
			until(udrv_waitqueue_active(&queue));
		/* Once: wherever the thread is, asleep or before, the wait ends. */
		pthread_kill(t, SIGUSR1);
		finish(t);
		ck_assert_int_eq(w.result, -UDRV_ERESTARTSYS);
	}
}
END_TEST

START_TEST(interruption_wakes_a_sleeper)
{
	for (int i = 0; i < 100; i++) {
		struct waiter w = {.form = i % 2 ? KILLABLE : INTERRUPTIBLE};
		pthread_t t = start(wait_in_form, &w);

		/* Mostly it sleeps by then; where not, the other half of the race is tested. */
		until(udrv_waitqueue_active(&queue));
		for (int k = 0; k < 30; k++)
			sched_yield();
		udrv_task_interrupt(get(w.task));
		finish(t);
		ck_assert_int_eq(w.result, -UDRV_ERESTARTSYS);
	}
}
END_TEST

/* Entries that only count show exactly whom a wake-up reaches, without a thread. */
static char reached[16];

static int note(struct udrv_wait_queue_entry *entry, unsigned int mode, int flags, void *key)
{
	size_t end = strlen(reached);

	(void)mode;
	(void)flags;
	(void)key;
	reached[end] = *(const char *)entry->private_data;
	return 1;
}

static struct udrv_wait_queue_entry entries[5];

static void add(int i, const char *name, bool exclusive)
{
	udrv_init_waitqueue_func_entry(&entries[i], note);
	entries[i].private_data = (void *)(uintptr_t)name;
	if (exclusive)
		udrv_add_wait_queue_exclusive(&queue, &entries[i]);
	else
		udrv_add_wait_queue(&queue, &entries[i]);
}

static const char *reached_by_wake_up(int nr)
{
	memset(reached, 0, sizeof(reached));
	udrv_wake_up_nr(&queue, nr);
	return reached;
}

START_TEST(exclusive_waiters_are_woken_one_at_a_time_in_order)
{
	add(0, "x", true);
	add(1, "a", false);
	add(2, "y", true);
	add(3, "z", true);
	add(4, "b", false);
	ck_assert_str_eq(reached_by_wake_up(1), "bax");
	ck_assert_str_eq(reached_by_wake_up(2), "baxy");
	ck_assert_str_eq(reached_by_wake_up(0), "baxyz");
	udrv_remove_wait_queue(&queue, &entries[0]);
	ck_assert_str_eq(reached_by_wake_up(1), "bay");
}
END_TEST

static unsigned int my_state(void)
{
	return get(udrv_current->state);
}

START_TEST(wake_up_interruptible_passes_others_by)
{
	UDRV_DEFINE_WAIT(wait);

	udrv_prepare_to_wait(&queue, &wait, UDRV_TASK_UNINTERRUPTIBLE);
	udrv_wake_up_interruptible_all(&queue);
	ck_assert_uint_eq(my_state(), UDRV_TASK_UNINTERRUPTIBLE);
	udrv_wake_up(&queue);
	ck_assert_uint_eq(my_state(), UDRV_TASK_RUNNING);
	udrv_prepare_to_wait(&queue, &wait, UDRV_TASK_INTERRUPTIBLE);
	udrv_wake_up_interruptible_sync(&queue);
	ck_assert_uint_eq(my_state(), UDRV_TASK_RUNNING);
	udrv_finish_wait(&queue, &wait);
}
END_TEST

START_TEST(sleeper_that_already_runs_does_not_use_up_a_wake_up)
{
	UDRV_DEFINE_WAIT(wait);

	(void)udrv_prepare_to_wait_exclusive(&queue, &wait, UDRV_TASK_INTERRUPTIBLE);
	udrv_set_current_state(UDRV_TASK_RUNNING);
	add(0, "x", true);
	ck_assert_str_eq(reached_by_wake_up(1), "x");
	udrv_finish_wait(&queue, &wait);
}
END_TEST

START_TEST(wake_up_before_schedule_ends_the_sleep)
{
	UDRV_DEFINE_WAIT(wait);

	udrv_prepare_to_wait(&queue, &wait, UDRV_TASK_UNINTERRUPTIBLE);
	udrv_wake_up(&queue);
	ck_assert_int_eq(udrv_schedule(), 0);
	udrv_prepare_to_wait(&queue, &wait, UDRV_TASK_UNINTERRUPTIBLE);
	ck_assert_int_eq(udrv_waitqueue_active(&queue), 1);
	ck_assert_int_eq(udrv_schedule_timeout(1), 0);
	udrv_finish_wait(&queue, &wait);
	ck_assert_int_eq(udrv_waitqueue_active(&queue), 0);
}
END_TEST

START_TEST(thread_in_two_queues_is_woken_by_either)
{
	struct udrv_wait_queue_head second;
	UDRV_DEFINE_WAIT(one);
	UDRV_DEFINE_WAIT(two);

	udrv_init_waitqueue_head(NULL, &second);
	udrv_prepare_to_wait(&queue, &one, UDRV_TASK_INTERRUPTIBLE);
	udrv_prepare_to_wait(&second, &two, UDRV_TASK_INTERRUPTIBLE);
	if (_i)
		udrv_wake_up(&queue);
	else
		udrv_wake_up(&second);
	ck_assert_int_eq(udrv_schedule(), 0);
	udrv_finish_wait(&second, &two);
	udrv_finish_wait(&queue, &one);
}
END_TEST

START_TEST(schedule_returns_when_the_device_of_the_queue_is_gone)
{
	UDRV_DEFINE_WAIT(wait);

	udrv_device_set_gone(&dev);
	udrv_prepare_to_wait(&queue, &wait, UDRV_TASK_INTERRUPTIBLE);
	ck_assert_int_eq(udrv_schedule(), -ENODEV);
	udrv_finish_wait(&queue, &wait);
	/* Which ends the loops that kernel drivers write. */
	ck_assert_int_eq(udrv_signal_pending(udrv_current), 1);
}
END_TEST

/* 0 means that the time is up, so part of a jiffy counts as one. */
START_TEST(schedule_timeout_rounds_up_what_is_left)
{
	long most = 0;

	for (int i = 0; i < 1000 && !most; i++) {
		udrv_set_current_state(UDRV_TASK_UNINTERRUPTIBLE);
		udrv_wake_up_process(udrv_current);
		most = udrv_schedule_timeout(1);
	}
	ck_assert_int_eq(most, 1);
}
END_TEST

START_TEST(schedule_timeout_gives_back_what_is_left)
{
	struct udrv_task *self = udrv_current;

	/* Without a state it does not sleep. */
	ck_assert_int_gt(udrv_schedule_timeout(100000), 50000);
	udrv_set_current_state(UDRV_TASK_INTERRUPTIBLE);
	ck_assert_int_eq(udrv_wake_up_process(self), 1);
	ck_assert_int_eq(udrv_wake_up_process(self), 0);
	ck_assert_int_gt(udrv_schedule_timeout(100000), 50000);
	ck_assert_int_eq(udrv_schedule_timeout_uninterruptible(1), 0);
	udrv_task_interrupt(self);
	ck_assert_int_gt(udrv_schedule_timeout_interruptible(100000), 50000);
	ck_assert_int_eq(udrv_signal_pending(self), 1);
}
END_TEST

static struct udrv_spinlock guard;
static int guarded;

static void *change_under_lock(void *arg)
{
	(void)arg;
	until(udrv_waitqueue_active(&queue));
	udrv_spin_lock(&guard);
	guarded = 1;
	udrv_spin_unlock(&guard);
	udrv_wake_up(&queue);
	return NULL;
}

START_TEST(lock_is_released_only_while_sleeping)
{
	pthread_t t = start(change_under_lock, NULL);

	udrv_spin_lock(&guard);
	ck_assert_int_eq(udrv_wait_event_lock_irq(queue, guarded, guard), 0);
	ck_assert_int_eq(udrv_spin_is_locked(&guard), 1);
	udrv_spin_unlock(&guard);
	finish(t);
}
END_TEST

enum { ROUNDS = 20000 };
static struct udrv_wait_queue_head back;
static int ping, pong;

static void *answer(void *arg)
{
	(void)arg;
	for (int i = 1; i <= ROUNDS; i++) {
		if (udrv_wait_event_timeout(queue, get(ping) == i, 60000) <= 0)
			break;
		set(pong, i);
		udrv_wake_up(&back);
	}
	return NULL;
}

START_TEST(no_wakeup_is_lost)
{
	pthread_t t;

	udrv_init_waitqueue_head(&dev, &back);
	t = start(answer, NULL);
	for (int i = 1; i <= ROUNDS; i++) {
		set(ping, i);
		udrv_wake_up(&queue);
		ck_assert_int_gt(udrv_wait_event_timeout(back, get(pong) == i, 60000), 0);
	}
	finish(t);
}
END_TEST

/* The condition is plain data, published by the queue alone: for the thread sanitizer. */
static int plain_ping[64];
static int plain_flag;

static void *publish(void *arg)
{
	(void)arg;
	for (int i = 0; i < 64; i++) {
		plain_ping[i] = i;
		__atomic_store_n(&plain_flag, i + 1, __ATOMIC_RELAXED);
		udrv_wake_up(&queue);
	}
	return NULL;
}

START_TEST(wake_up_publishes_what_came_before)
{
	pthread_t t = start(publish, NULL);
	UDRV_DEFINE_WAIT(wait);
	int seen = 0;

	while (seen < 64) {
		udrv_prepare_to_wait(&queue, &wait, UDRV_TASK_UNINTERRUPTIBLE);
		if (__atomic_load_n(&plain_flag, __ATOMIC_RELAXED) == seen)
			(void)udrv_schedule();
		seen = __atomic_load_n(&plain_flag, __ATOMIC_RELAXED);
	}
	udrv_finish_wait(&queue, &wait);
	finish(t);
	for (int i = 0; i < 64; i++)
		ck_assert_int_eq(plain_ping[i], i);
}
END_TEST

/*
 * Tokens: each is worth one wake-up of one exclusive waiter. Some waiters give up all the time, by
 * timeout or interruption. If one that gives up swallowed a wake-up, a token would lie there while
 * those that wait for ever sleep, and the test would not end.
 */
enum { TOKENS = 6000, EAGER = 2, FICKLE = 2 };
static int tokens, taken, over;
static struct udrv_task *fickle[FICKLE];

static bool take_token(void)
{
	int n = get(tokens);

	while (n > 0)
		if (__atomic_compare_exchange_n(&tokens, &n, n - 1, false, __ATOMIC_SEQ_CST,
						__ATOMIC_SEQ_CST))
			return true;
	return false;
}

static void *eager(void *arg)
{
	bool got = false;

	(void)arg;
	while (!get(over)) {
		got = false;
		(void)udrv_wait_event_idle_exclusive(queue, (got = take_token()) || get(over));
		if (got)
			inc(taken);
	}
	return NULL;
}

static void *give_up_often(void *arg)
{
	int me = *(int *)arg;
	bool got = false;

	set(fickle[me], udrv_current);
	while (!get(over)) {
		got = false;
		if (me)
			(void)udrv_wait_event_interruptible_exclusive(queue, (got = take_token()) ||
										     get(over));
		else
			(void)udrv_wait_event_idle_exclusive_timeout(
				queue, (got = take_token()) || get(over), 1);
		if (got)
			inc(taken);
	}
	return NULL;
}

START_TEST(waiter_that_gives_up_does_not_swallow_a_wake_up)
{
	int me[FICKLE] = {0, 1};
	pthread_t e[EAGER];
	pthread_t f[FICKLE];

	for (int i = 0; i < EAGER; i++)
		e[i] = start(eager, NULL);
	for (int i = 0; i < FICKLE; i++)
		f[i] = start(give_up_often, &me[i]);
	until(get(fickle[1]));
	for (int i = 0; i < TOKENS; i++) {
		inc(tokens);
		udrv_wake_up(&queue);
		udrv_task_interrupt(fickle[1]);
		if (i % 4 == 0)
			until(get(taken) == i + 1);
	}
	until(get(taken) == TOKENS);
	set(over, 1);
	udrv_wake_up_all(&queue);
	for (int i = 0; i < EAGER; i++)
		finish(e[i]);
	for (int i = 0; i < FICKLE; i++)
		finish(f[i]);
	ck_assert_int_eq(tokens, 0);
}
END_TEST

START_TEST(batch_of_many_waiters_is_woken)
{
	enum { MANY = 40 };
	static struct waiter w[MANY];
	pthread_t t[MANY];

	for (int i = 0; i < MANY; i++)
		t[i] = start(wait_in_form, &w[i]);
	for (int i = 0; i < MANY; i++)
		until(get(w[i].task) && get(w[i].task->state) != UDRV_TASK_RUNNING);
	set(cond, 1);
	udrv_wake_up_all(&queue);
	for (int i = 0; i < MANY; i++) {
		finish(t[i]);
		ck_assert_int_eq(w[i].result, 0);
	}
}
END_TEST

static TCase *deterministic(void)
{
	TCase *tc = tcase_create("deterministic");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, true_condition_returns_at_once_and_wins);
	tcase_add_test(tc, times_out_no_earlier_than_asked);
	tcase_add_test(tc, gone_wins_over_signal_and_timeout);
	tcase_add_test(tc, interruption_ends_one_interruptible_wait);
	tcase_add_test(tc, exclusive_waiters_are_woken_one_at_a_time_in_order);
	tcase_add_test(tc, wake_up_interruptible_passes_others_by);
	tcase_add_test(tc, sleeper_that_already_runs_does_not_use_up_a_wake_up);
	tcase_add_test(tc, wake_up_before_schedule_ends_the_sleep);
	tcase_add_loop_test(tc, thread_in_two_queues_is_woken_by_either, 0, 2);
	tcase_add_test(tc, schedule_returns_when_the_device_of_the_queue_is_gone);
	tcase_add_test(tc, schedule_timeout_rounds_up_what_is_left);
	tcase_add_test(tc, schedule_timeout_gives_back_what_is_left);
	return tc;
}

static TCase *threaded(void)
{
	TCase *tc = tcase_create("threads");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_loop_test(tc, removal_wakes_every_form, 0, IDLE_EXCLUSIVE + 1);
	tcase_add_loop_test(tc, wake_up_wakes_every_form, 0, IDLE_EXCLUSIVE + 1);
	tcase_add_test(tc, wake_up_without_the_condition_changes_nothing);
	tcase_add_loop_test(tc, signal_ends_interruptible_and_killable, 0, 2);
	if (HANDLERS_RUN_AT_ONCE) {
		tcase_add_loop_test(tc, signal_does_not_end_other_forms, 0, 2);
		tcase_add_test(tc, interruption_from_a_handler_is_never_late);
	}
	tcase_add_test(tc, interruption_wakes_a_sleeper);
	tcase_add_test(tc, lock_is_released_only_while_sleeping);
	tcase_add_test(tc, batch_of_many_waiters_is_woken);
	tcase_add_test(tc, no_wakeup_is_lost);
	tcase_add_test(tc, wake_up_publishes_what_came_before);
	tcase_add_test(tc, waiter_that_gives_up_does_not_swallow_a_wake_up);
	return tc;
}

int main(void)
{
	Suite *s = suite_create("wait");

	suite_add_tcase(s, deterministic());
	suite_add_tcase(s, threaded());
	return run_suite(s);
}

// SPDX-License-Identifier: MIT
/* Interrupts off: nothing runs meanwhile, in whatever thread, and nothing is lost. */
#include <errno.h>

#include "support/bells.h"
#include "support/fault.h"
#include "support/suite.h"

#define COUNT 4

static struct udrv_device *dev;
static struct bell bells[COUNT];

/* What interrupts are held off from: changed in two steps, without atomics. */
static unsigned long first, second;
static atomic_uint torn;

static void setup(void)
{
	fault_log_clear();
	first = second = 0;
	torn = 0;
	dev = bells_open("model:ivshmem", COUNT);
	for (int i = 0; i < COUNT; i++)
		bell_init(&bells[i], dev, i);
}

static void teardown(void)
{
	udrv_device_close(dev);
}

static void change(void)
{
	if (first != second)
		torn++;
	first++;
	sched_yield();
	second++;
}

static udrv_irqreturn_t changes(int irq, void *ctx)
{
	unsigned long flags;

	/* Handlers of other vectors run beside this one. */
	udrv_local_irq_save(flags);
	change();
	udrv_local_irq_restore(flags);
	return bell_heard(irq, ctx);
}

static atomic_bool stop;

static void *change_always(void *arg)
{
	while (!stop) {
		unsigned long flags;

		udrv_local_irq_save(flags);
		change();
		udrv_local_irq_restore(flags);
	}
	return arg;
}

START_TEST(only_one_is_between_save_and_restore)
{
	pthread_t threads[2];

	stop = false;
	for (int i = 0; i < COUNT; i++)
		ck_assert_int_eq(udrv_request_irq(dev, i, changes, 0, "changes", &bells[i]), 0);
	for (int i = 0; i < 2; i++)
		threads[i] = start(change_always, NULL);
	bells_ring(bells, COUNT, 1000);
	stop = true;
	for (int i = 0; i < 2; i++)
		finish(threads[i]);
	ck_assert_uint_eq(torn, 0);
	ck_assert_uint_eq(first, second);
	ck_assert_uint_ge(first, COUNT * 1000);
}
END_TEST

/* One vector, so its handler is excluded by the flags alone, also as a thread function. */
static udrv_irqreturn_t changes_plainly(int irq, void *ctx)
{
	change();
	return bell_heard(irq, ctx);
}

static void handlers_are_held_off(bool threaded)
{
	pthread_t thread;

	stop = false;
	ck_assert_int_eq(udrv_request_threaded_irq(dev, 0, threaded ? NULL : changes_plainly,
						   threaded ? changes_plainly : NULL, 0, "plain",
						   &bells[0]),
			 0);
	thread = start(change_always, NULL);
	bells_ring(bells, 1, 2000);
	stop = true;
	finish(thread);
	ck_assert_uint_eq(torn, 0);
	ck_assert_uint_eq(first, second);
}

START_TEST(handlers_wait)
{
	handlers_are_held_off(false);
}
END_TEST

START_TEST(thread_functions_wait)
{
	handlers_are_held_off(true);
}
END_TEST

static struct udrv_timer_list timer;
static atomic_uint timer_runs;
static atomic_bool timer_in_interrupt, timer_in_hardirq;

static void timer_changes(struct udrv_timer_list *t)
{
	timer_in_interrupt = udrv_in_interrupt() && !udrv_in_task();
	timer_in_hardirq = udrv_in_hardirq();
	change();
	timer_runs++;
	if (!stop)
		udrv_mod_timer(t, udrv_jiffies);
}

START_TEST(timers_wait)
{
	pthread_t thread;

	stop = false;
	timer_runs = 0;
	udrv_timer_setup(&timer, timer_changes, 0);
	udrv_mod_timer(&timer, udrv_jiffies);
	thread = start(change_always, NULL);
	until(timer_runs >= 100);
	stop = true;
	finish(thread);
	(void)udrv_timer_delete_sync(&timer);
	ck_assert_uint_eq(torn, 0);
	ck_assert_uint_eq(first, second);
	ck_assert(timer_in_interrupt);
	ck_assert(!timer_in_hardirq);
}
END_TEST

START_TEST(what_comes_meanwhile_runs_afterwards)
{
	unsigned long outer;
	unsigned long inner;

	for (int i = 0; i < COUNT; i++)
		bell_request(&bells[i]);
	for (int n = 0; n < 50; n++) {
		udrv_local_irq_save(outer);
		ck_assert(udrv_irqs_disabled());
		udrv_local_irq_save(inner);
		for (int i = 0; i < COUNT; i++)
			bell_ring(&bells[i]);
		udrv_local_irq_restore(inner);
		ck_assert(udrv_irqs_disabled());
		udrv_usleep_range(200, 200);
		for (int i = 0; i < COUNT; i++)
			ck_assert(bells[i].rung);
		udrv_local_irq_restore(outer);
		ck_assert(!udrv_irqs_disabled());
		for (int i = 0; i < COUNT; i++)
			ck_assert(bell_await(&bells[i]));
	}
	udrv_local_irq_disable();
	udrv_local_irq_disable();
	udrv_local_irq_enable();
	ck_assert(!udrv_irqs_disabled());
	for (int i = 0; i < COUNT; i++)
		ck_assert_uint_eq(bells[i].idle, 0);
}
END_TEST

START_TEST(a_handler_that_runs_is_waited_for)
{
	unsigned long flags;
	pthread_t thread;

	bell_keep_busy(&bells[0]);
	thread = start(bell_let_go_soon, &bells[0]);
	udrv_local_irq_save(flags);
	ck_assert(bells[0].left);
	udrv_local_irq_restore(flags);
	finish(thread);
}
END_TEST

/* The worker has been woken for it, and waits for interrupts to be on. */
START_TEST(what_is_disabled_meanwhile_does_not_run_afterwards)
{
	bell_request(&bells[0]);
	for (int i = 0; i < 200; i++) {
		udrv_local_irq_disable();
		bell_ring(&bells[0]);
		udrv_usleep_range(100, 100);
		ck_assert_int_eq(udrv_disable_irq_nosync(dev, 0), 0);
		udrv_local_irq_enable();
		ck_assert_int_eq(udrv_synchronize_irq(dev, 0), 0);
		ck_assert(bells[0].rung);
		ck_assert_int_eq(udrv_enable_irq(dev, 0), 0);
		ck_assert(bell_await(&bells[0]));
	}
}
END_TEST

static void note_run(struct udrv_timer_list *t)
{
	(void)t;
	timer_runs++;
}

/* It was due, and could not run. */
START_TEST(timers_can_be_deleted_and_put_off_meanwhile)
{
	timer_runs = 0;
	udrv_timer_setup(&timer, note_run, 0);
	for (int i = 0; i < 50; i++) {
		udrv_local_irq_disable();
		udrv_mod_timer(&timer, udrv_jiffies);
		udrv_usleep_range(1500, 1500);
		ck_assert_int_eq(i % 2 ? udrv_timer_delete(&timer) : udrv_timer_delete_sync(&timer),
				 1);
		udrv_local_irq_enable();
	}
	udrv_local_irq_disable();
	udrv_mod_timer(&timer, udrv_jiffies);
	udrv_usleep_range(1500, 1500);
	udrv_mod_timer(&timer, udrv_jiffies + 1000000);
	udrv_local_irq_enable();
	udrv_msleep(5);
	ck_assert_int_eq(udrv_timer_delete_sync(&timer), 1);
	ck_assert_uint_eq(timer_runs, 0);
}
END_TEST

static atomic_bool work_ran;

static void note_work(struct udrv_irq_work *work)
{
	(void)work;
	work_ran = true;
}

START_TEST(work_is_pending_meanwhile_and_workers_are_not_waited_for)
{
	struct udrv_irq_options options;
	struct udrv_irq_work work;

	udrv_init_irq_work(&work, note_work);
	bell_request(&bells[0]);
	ck_assert_int_eq(udrv_irq_get_options(dev, 0, &options), 0);
	udrv_local_irq_disable();
	ck_assert_int_eq(udrv_irq_work_queue(dev, 0, &work), 1);
	udrv_usleep_range(2000, 2000);
	ck_assert(udrv_irq_work_is_pending(&work));
	ck_assert_int_eq(udrv_irq_work_sync(&work), -EDEADLK);
	ck_assert_int_eq(udrv_synchronize_irq(dev, 0), -EDEADLK);
	ck_assert_int_eq(udrv_disable_irq(dev, 0), -EDEADLK);
	ck_assert_int_eq(udrv_irq_set_options(dev, 0, &options), -EDEADLK);
	ck_assert_int_eq(udrv_free_irq(dev, 0, &bells[0]), -EDEADLK);
	ck_assert(!work_ran);
	udrv_local_irq_enable();
	ck_assert_int_eq(udrv_irq_work_sync(&work), 0);
	ck_assert(work_ran);
	bells_ring(bells, 1, 3);
}
END_TEST

/* As in the kernel, the flags of one may be given to the other. */
START_TEST(flags_of_spinlocks_may_be_mixed)
{
	UDRV_DEFINE_SPINLOCK(lock);
	unsigned long outer;
	unsigned long inner;

	udrv_local_irq_save(outer);
	udrv_spin_lock(&lock);
	udrv_spin_unlock_irqrestore(&lock, outer);
	ck_assert(!udrv_irqs_disabled());
	udrv_local_irq_save(outer);
	udrv_spin_lock_irqsave(&lock, inner);
	udrv_spin_unlock(&lock);
	udrv_local_irq_restore(inner);
	ck_assert(udrv_irqs_disabled());
	udrv_local_irq_restore(outer);
	ck_assert(!udrv_irqs_disabled());
}
END_TEST

static bool hardirq[2], interrupt[2], task[2], disabled[2];

static void note_context(int i)
{
	hardirq[i] = udrv_in_hardirq();
	interrupt[i] = udrv_in_interrupt();
	task[i] = udrv_in_task();
	disabled[i] = udrv_irqs_disabled();
}

static udrv_irqreturn_t note_handler(int irq, void *ctx)
{
	(void)irq;
	(void)ctx;
	note_context(0);
	return UDRV_IRQ_WAKE_THREAD;
}

static udrv_irqreturn_t note_thread(int irq, void *ctx)
{
	note_context(1);
	return bell_heard(irq, ctx);
}

START_TEST(code_knows_where_it_runs)
{
	ck_assert_int_eq(
		udrv_request_threaded_irq(dev, 0, note_handler, note_thread, 0, "note", &bells[0]),
		0);
	bells_ring(bells, 1, 1);
	ck_assert(hardirq[0] && interrupt[0] && !task[0] && disabled[0]);
	ck_assert(!hardirq[1] && !interrupt[1] && task[1] && !disabled[1]);
	ck_assert(!udrv_in_hardirq() && !udrv_in_interrupt() && udrv_in_task() &&
		  !udrv_irqs_disabled());
}
END_TEST

static udrv_irqreturn_t forgets(int irq, void *ctx)
{
	udrv_local_irq_disable();
	return bell_heard(irq, ctx);
}

START_TEST(a_handler_that_forgets_to_restore_is_told)
{
	ck_assert_int_eq(udrv_request_irq(dev, 0, forgets, 0, "forgets", &bells[0]), 0);
	bell_request(&bells[1]);
	bells_ring(bells, 2, 3);
	ck_assert_int_eq(udrv_synchronize_irq(dev, 0), 0);
	ck_assert(fault_logged("returned with interrupts off"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("irqflags");
	TCase *tc = tcase_create("flags");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, only_one_is_between_save_and_restore);
	tcase_add_test(tc, handlers_wait);
	tcase_add_test(tc, thread_functions_wait);
	tcase_add_test(tc, timers_wait);
	tcase_add_test(tc, what_comes_meanwhile_runs_afterwards);
	tcase_add_test(tc, a_handler_that_runs_is_waited_for);
	tcase_add_test(tc, what_is_disabled_meanwhile_does_not_run_afterwards);
	tcase_add_test(tc, timers_can_be_deleted_and_put_off_meanwhile);
	tcase_add_test(tc, work_is_pending_meanwhile_and_workers_are_not_waited_for);
	tcase_add_test(tc, flags_of_spinlocks_may_be_mixed);
	tcase_add_test(tc, code_knows_where_it_runs);
	tcase_add_test(tc, a_handler_that_forgets_to_restore_is_told);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

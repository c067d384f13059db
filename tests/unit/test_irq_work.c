// SPDX-License-Identifier: MIT
/* Work in an interrupt worker, at once and after a time, for each way to wait. */
#include <errno.h>
#include <sched.h>

#include "support/bells.h"
#include "support/fault.h"
#include "support/suite.h"

#define MS UINT64_C(1000000)

static struct udrv_device *dev;
static struct bell bells[3];

static struct counted {
	struct udrv_irq_work work;
	atomic_uint runs;
	atomic_int tid;
	atomic_bool in_hardirq;
	atomic_uint heard;  /* rings of the bell, before it ran */
	unsigned int again; /* so often it queues itself */
	struct udrv_completion done;
} work;

static uint64_t now_ns(void)
{
	return (uint64_t)udrv_ktime_get();
}

static void count(struct udrv_irq_work *w)
{
	struct counted *c = udrv_container_of(w, struct counted, work);

	c->tid = gettid();
	c->in_hardirq = udrv_in_hardirq();
	c->heard = bells[0].arrived;
	c->runs++;
	if (c->again) {
		c->again--;
		ck_assert_int_eq(udrv_irq_work_queue(dev, 0, w), 1);
	}
	udrv_complete(&c->done);
}

static void setup(void)
{
	fault_log_clear();
	dev = bells_open("model:ivshmem", 3);
	for (int i = 0; i < 3; i++)
		bell_init(&bells[i], dev, i);
	work = (struct counted){0};
	udrv_init_irq_work(&work.work, count);
	udrv_init_completion(dev, &work.done);
}

static void teardown(void)
{
	udrv_device_close(dev);
}

static void setup_wait(int wait)
{
	bell_choose(&bells[0], (enum udrv_wait)wait);
	bell_request(&bells[0]);
}

static void await_work(void)
{
	ck_assert_int_gt(udrv_wait_for_completion_timeout(&work.done, 60000), 0);
}

START_TEST(it_runs_in_the_worker_after_what_was_signalled)
{
	setup_wait(_i);
	for (unsigned int i = 1; i <= 200; i++) {
		bell_ring(&bells[0]);
		ck_assert_int_eq(udrv_irq_work_queue(dev, 0, &work.work), 1);
		await_work();
		ck_assert_uint_eq(work.heard, i);
		ck_assert_uint_eq(work.runs, i);
	}
	ck_assert_int_eq(work.tid, bells[0].tid);
	ck_assert(work.in_hardirq);
	ck_assert(!udrv_in_hardirq());
}
END_TEST

START_TEST(what_is_pending_is_not_queued_again)
{
	bell_keep_busy(&bells[0]);
	ck_assert_int_eq(udrv_irq_work_queue(dev, 0, &work.work), 1);
	ck_assert(udrv_irq_work_is_pending(&work.work));
	ck_assert_int_eq(udrv_irq_work_queue(dev, 0, &work.work), 0);
	ck_assert_int_eq(udrv_irq_work_queue_delayed(dev, 0, &work.work, 0), 0);
	ck_assert_uint_eq(work.runs, 0);
	bell_let_go(&bells[0]);
	ck_assert_int_eq(udrv_irq_work_sync(&work.work), 0);
	ck_assert_uint_eq(work.runs, 1);
	ck_assert(!udrv_irq_work_is_pending(&work.work));
}
END_TEST

START_TEST(it_may_queue_itself)
{
	setup_wait(UDRV_WAIT_URING);
	work.again = 50;
	ck_assert_int_eq(udrv_irq_work_queue(dev, 0, &work.work), 1);
	until(work.runs == 51);
	ck_assert_int_eq(udrv_irq_work_sync(&work.work), 0);
	bells_ring(bells, 1, 10);
}
END_TEST

START_TEST(delayed_work_comes_in_time_and_not_before)
{
	uint64_t start_ns;

	setup_wait(_i);
	for (int i = 0; i < 5; i++) {
		start_ns = now_ns();
		ck_assert_int_eq(udrv_irq_work_queue_delayed(dev, 0, &work.work, 20 * MS), 1);
		await_work();
		ck_assert_uint_ge(now_ns() - start_ns, 20 * MS);
		ck_assert_uint_lt(now_ns() - start_ns, 20000 * MS);
	}
	bells_ring(bells, 1, 100);
	ck_assert_int_eq(work.tid, bells[0].tid);
	ck_assert_uint_eq(work.runs, 5);
}
END_TEST

START_TEST(interrupts_are_served_while_work_is_delayed)
{
	setup_wait(_i);
	ck_assert_int_eq(udrv_irq_work_queue_delayed(dev, 0, &work.work, 100 * MS), 1);
	bells_ring(bells, 1, 500);
	ck_assert_int_eq(udrv_synchronize_irq(dev, 0), 0);
	ck_assert_int_eq(udrv_irq_work_sync(&work.work), 0);
	ck_assert_uint_eq(work.runs, 1);
	ck_assert_uint_eq(bells[0].idle, 0);
}
END_TEST

static struct udrv_irq_work several[3];
static unsigned int order[3];
static atomic_uint ordered;

static void note_order(struct udrv_irq_work *w)
{
	order[ordered] = (unsigned int)(w - several);
	ordered++;
}

/*
 * The worker stays in a handler until all of it is queued, so it knows all when it looks. _i: then
 * all of it is due already.
 */
START_TEST(delayed_work_of_several_vectors_comes_in_order)
{
	static const uint64_t delay[3] = {60 * MS, 20 * MS, 40 * MS};

	bell_choose(&bells[0], UDRV_WAIT_URING);
	bell_request(&bells[0]);
	ck_assert_int_eq(udrv_irq_share(dev, 1, dev, 0), 0);
	bell_request(&bells[1]);
	ck_assert_int_eq(udrv_irq_share(dev, 2, dev, 0), 0);
	bell_keep_busy(&bells[2]);
	for (int i = 0; i < 3; i++) {
		udrv_init_irq_work(&several[i], note_order);
		ck_assert_int_eq(udrv_irq_work_queue_delayed(dev, i, &several[i], delay[i]), 1);
	}
	for (int i = 0; i < 3; i++)
		until(!_i || now_ns() > several[i].expires_ns);
	bell_let_go(&bells[2]);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(udrv_irq_work_sync(&several[i]), 0);
	ck_assert_uint_eq(ordered, 3);
	for (int i = 1; i < 3; i++)
		ck_assert_uint_le(several[order[i - 1]].expires_ns, several[order[i]].expires_ns);
}
END_TEST

START_TEST(delayed_work_can_be_cancelled)
{
	setup_wait(_i);
	ck_assert_int_eq(udrv_irq_work_queue_delayed(dev, 0, &work.work, 1000000 * MS), 1);
	ck_assert_int_eq(udrv_irq_work_cancel_sync(dev, 0, &work.work), 1);
	ck_assert(!udrv_irq_work_is_pending(&work.work));
	ck_assert_int_eq(udrv_irq_work_cancel_sync(dev, 0, &work.work), 0);
	ck_assert_int_eq(udrv_irq_work_queue(dev, 0, &work.work), 1);
	await_work();
	ck_assert_uint_eq(work.runs, 1);
}
END_TEST

START_TEST(delayed_work_moves_with_its_vector)
{
	uint64_t took;

	setup_wait(UDRV_WAIT_URING);
	bell_choose(&bells[1], UDRV_WAIT_EPOLL);
	bell_request(&bells[1]);
	bells_ring(bells, 2, 1);
	/* Again if the machine paused for so long that it ran before it was moved. */
	do {
		const uint64_t start_ns = now_ns();

		ck_assert_int_eq(udrv_irq_share(dev, 0, dev, 0), 0);
		ck_assert_int_eq(udrv_irq_work_queue_delayed(dev, 0, &work.work, 50 * MS), 1);
		ck_assert_int_eq(udrv_irq_share(dev, 0, dev, 1), 0);
		took = now_ns() - start_ns;
		await_work();
	} while (took >= 50 * MS);
	ck_assert_int_eq(work.tid, bells[1].tid);
}
END_TEST

START_TEST(without_handlers_there_is_no_work)
{
	ck_assert_int_eq(udrv_irq_work_queue(dev, 0, &work.work), -ENXIO);
	ck_assert_int_eq(udrv_irq_work_queue(dev, 3, &work.work), -EINVAL);
	ck_assert_int_eq(udrv_irq_work_cancel_sync(dev, 0, &work.work), 0);
	bell_request(&bells[0]);
	ck_assert_int_eq(udrv_irq_work_queue_delayed(dev, 0, &work.work, 1000000 * MS), 1);
	bell_free(&bells[0]);
	ck_assert(!udrv_irq_work_is_pending(&work.work));
	ck_assert_int_eq(udrv_irq_work_sync(&work.work), 0);
	ck_assert_uint_eq(work.runs, 0);
}
END_TEST

static int queued;

static udrv_irqreturn_t queues(int irq, void *ctx)
{
	queued = udrv_irq_work_queue(dev, irq, &work.work);
	return bell_heard(irq, ctx);
}

/* There is a signal already: the handler runs before the request has returned. */
START_TEST(a_handler_may_queue_work_while_it_is_being_requested)
{
	for (unsigned int i = 1; i <= 200; i++) {
		queued = 0;
		bell_ring(&bells[0]);
		ck_assert_int_eq(udrv_request_irq(dev, 0, queues, 0, "queues", &bells[0]), 0);
		ck_assert(bell_await(&bells[0]));
		ck_assert_int_eq(udrv_synchronize_irq(dev, 0), 0);
		ck_assert_int_eq(queued, 1);
		ck_assert_int_eq(udrv_irq_work_sync(&work.work), 0);
		ck_assert_uint_eq(work.runs, i);
		bell_free(&bells[0]);
	}
}
END_TEST

static int synced;

static void sync_itself(struct udrv_irq_work *w)
{
	synced = udrv_irq_work_sync(w);
	udrv_complete(&work.done);
}

START_TEST(work_cannot_wait_for_itself)
{
	setup_wait(UDRV_WAIT_READ);
	udrv_init_irq_work(&work.work, sync_itself);
	ck_assert_int_eq(udrv_irq_work_queue(dev, 0, &work.work), 1);
	await_work();
	ck_assert_int_eq(synced, -EDEADLK);
}
END_TEST

static atomic_bool stop;

static void *queue_always(void *arg)
{
	while (!stop) {
		ck_assert_int_ge(udrv_irq_work_queue(dev, 0, arg), 0);
		/* Where there are fewer CPUs than threads, the worker's turn comes. */
		(void)sched_yield();
	}
	return NULL;
}

/* Neither is lost, and they never run at once. */
START_TEST(work_beside_interrupts)
{
	static struct counted others[2];
	const int64_t begin = now_ms();
	pthread_t threads[2];

	setup_wait(_i);
	stop = false;
	for (int i = 0; i < 2; i++) {
		others[i] = (struct counted){0};
		udrv_init_irq_work(&others[i].work, count);
		udrv_init_completion(dev, &others[i].done);
		threads[i] = start(queue_always, &others[i].work);
	}
	/* Fewer where each turn has to wait for a CPU. */
	for (int n = 0; n < 3000 && now_ms() - begin < 60000; n++)
		bells_ring(bells, 1, 1);
	until(others[0].runs && others[1].runs);
	stop = true;
	for (int i = 0; i < 2; i++) {
		finish(threads[i]);
		ck_assert_int_eq(udrv_irq_work_sync(&others[i].work), 0);
		ck_assert_uint_gt(others[i].runs, 0);
		ck_assert_int_eq(others[i].tid, bells[0].tid);
	}
	ck_assert_uint_eq(bells[0].idle, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("irq_work");
	TCase *tc = tcase_create("work");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, it_runs_in_the_worker_after_what_was_signalled, 0, UDRV_WAIT_COUNT);
	tcase_add_test(tc, what_is_pending_is_not_queued_again);
	tcase_add_test(tc, it_may_queue_itself);
	tcase_add_loop_test(tc, delayed_work_comes_in_time_and_not_before, 0, UDRV_WAIT_COUNT);
	tcase_add_loop_test(tc, interrupts_are_served_while_work_is_delayed, 0, UDRV_WAIT_COUNT);
	tcase_add_loop_test(tc, delayed_work_of_several_vectors_comes_in_order, 0, 2);
	tcase_add_loop_test(tc, delayed_work_can_be_cancelled, 0, UDRV_WAIT_COUNT);
	tcase_add_test(tc, delayed_work_moves_with_its_vector);
	tcase_add_test(tc, without_handlers_there_is_no_work);
	tcase_add_test(tc, a_handler_may_queue_work_while_it_is_being_requested);
	tcase_add_test(tc, work_cannot_wait_for_itself);
	tcase_add_loop_test(tc, work_beside_interrupts, 0, UDRV_WAIT_COUNT);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

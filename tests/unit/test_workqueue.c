// SPDX-License-Identifier: MIT
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/delay.h>
#include <udrv/workqueue.h>

#include "sched/timer_base.h"
#include "sched/workqueue.h"

#include "support/suite.h"
#include "support/threads.h"

static struct udrv_workqueue_struct *wq;

static void setup(void)
{
	wq = udrv_alloc_workqueue("test/%d", 0, 8, 1);
	ck_assert_ptr_nonnull(wq);
}

static void teardown(void)
{
	udrv_destroy_workqueue(wq);
}

/* An item that counts its runs, how many run at once, and can be held in its function. */
struct item {
	struct udrv_work_struct work;
	int runs, inside, most_inside;
	int hold; /* stay inside while it is set */
	int requeue;
	struct udrv_workqueue_struct *requeue_to;
};

static void item_func(struct udrv_work_struct *work)
{
	struct item *i = udrv_container_of(work, struct item, work);
	int inside = inc(i->inside);

	if (inside > get(i->most_inside))
		set(i->most_inside, inside);
	until(!get(i->hold));
	if (i->requeue > 0) {
		i->requeue--;
		(void)udrv_queue_work(i->requeue_to, work);
	}
	__atomic_sub_fetch(&i->inside, 1, __ATOMIC_SEQ_CST);
	inc(i->runs);
}

static void init_item(struct item *i)
{
	memset(i, 0, sizeof(*i));
	udrv_init_work(&i->work, item_func);
	i->requeue_to = wq;
}

START_TEST(queued_work_runs_once)
{
	struct item i;

	init_item(&i);
	ck_assert(udrv_queue_work(wq, &i.work));
	udrv_flush_workqueue(wq);
	ck_assert_int_eq(i.runs, 1);
	ck_assert(!udrv_work_pending(&i.work));
	ck_assert(!udrv_flush_work(&i.work));
}
END_TEST

START_TEST(pending_work_is_not_queued_twice)
{
	struct item i;

	init_item(&i);
	i.hold = 1;
	ck_assert(udrv_queue_work(wq, &i.work));
	until(get(i.inside));
	ck_assert_uint_eq(udrv_work_busy(&i.work), UDRV_WORK_BUSY_RUNNING);
	/* It runs, and may be queued again, once. */
	ck_assert(udrv_queue_work(wq, &i.work));
	ck_assert(!udrv_queue_work(wq, &i.work));
	ck_assert(udrv_work_pending(&i.work));
	ck_assert_uint_eq(udrv_work_busy(&i.work), UDRV_WORK_BUSY_RUNNING | UDRV_WORK_BUSY_PENDING);
	set(i.hold, 0);
	/* Nothing was waited for if both runs were over before. */
	ck_assert(udrv_flush_work(&i.work) || get(i.runs) == 2);
	ck_assert_int_eq(get(i.runs), 2);
	ck_assert_int_eq(i.most_inside, 1);
}
END_TEST

START_TEST(item_does_not_run_beside_itself_on_another_queue)
{
	struct udrv_workqueue_struct *other =
		_i ? udrv_alloc_ordered_workqueue("other", 0) : udrv_alloc_workqueue("other", 0, 4);
	struct item i;
	struct item next;

	init_item(&i);
	init_item(&next);
	i.hold = 1;
	ck_assert(udrv_queue_work(wq, &i.work));
	until(get(i.inside));
	ck_assert(udrv_queue_work(other, &i.work));
	ck_assert(udrv_queue_work(other, &next.work));
	if (!_i)
		udrv_flush_work(&next.work);
	/* An ordered queue keeps its order. */
	ck_assert_int_eq(get(next.runs), !_i);
	ck_assert_int_eq(get(i.runs), 0);
	set(i.hold, 0);
	udrv_destroy_workqueue(other);
	ck_assert_int_eq(i.runs, 2);
	ck_assert_int_eq(next.runs, 1);
	ck_assert_int_eq(i.most_inside, 1);
}
END_TEST

START_TEST(work_queues_itself_again)
{
	struct item i;

	init_item(&i);
	i.requeue = 50;
	ck_assert(udrv_queue_work(wq, &i.work));
	udrv_drain_workqueue(wq);
	ck_assert_int_eq(i.runs, 51);
	ck_assert_int_eq(i.most_inside, 1);
}
END_TEST

START_TEST(blocked_items_do_not_hold_up_others)
{
	struct item held[7];
	struct item free_item;

	init_item(&free_item);
	for (int k = 0; k < 7; k++) {
		init_item(&held[k]);
		held[k].hold = 1;
		ck_assert(udrv_queue_work(wq, &held[k].work));
	}
	for (int k = 0; k < 7; k++)
		until(get(held[k].inside));
	ck_assert(udrv_queue_work(wq, &free_item.work));
	ck_assert(udrv_flush_work(&free_item.work) || get(free_item.runs));
	for (int k = 0; k < 7; k++)
		set(held[k].hold, 0);
	udrv_flush_workqueue(wq);
}
END_TEST

static int order[64], ordered, at_once, most_at_once;

static void ordered_func(struct udrv_work_struct *work)
{
	struct item *i = udrv_container_of(work, struct item, work);
	int now = inc(at_once);

	if (now > most_at_once)
		most_at_once = now;
	order[ordered++] = i->runs;
	__atomic_sub_fetch(&at_once, 1, __ATOMIC_SEQ_CST);
}

START_TEST(ordered_queue_keeps_order_and_runs_one)
{
	struct udrv_workqueue_struct *o = udrv_alloc_ordered_workqueue("ordered", 0);
	static struct item items[64];

	for (int k = 0; k < 64; k++) {
		udrv_init_work(&items[k].work, ordered_func);
		items[k].runs = k;
		ck_assert(udrv_queue_work(o, &items[k].work));
	}
	udrv_destroy_workqueue(o);
	for (int k = 0; k < 64; k++)
		ck_assert_int_eq(order[k], k);
	ck_assert_int_eq(most_at_once, 1);
}
END_TEST

START_TEST(max_active_bounds_the_threads)
{
	struct udrv_workqueue_struct *two = udrv_alloc_workqueue("two", 0, 2);
	struct item i[3];

	for (int k = 0; k < 3; k++) {
		init_item(&i[k]);
		i[k].hold = 1;
		ck_assert(udrv_queue_work(two, &i[k].work));
	}
	until(get(i[0].inside) && get(i[1].inside));
	ck_assert_uint_eq(two->worker_count, 2);
	ck_assert_int_eq(get(i[2].inside), 0);
	for (int k = 0; k < 3; k++)
		set(i[k].hold, 0);
	udrv_destroy_workqueue(two);
	ck_assert_int_eq(i[2].runs, 1);
}
END_TEST

static struct item held;

static void hold_ordered(struct udrv_workqueue_struct *o)
{
	init_item(&held);
	held.hold = 1;
	ck_assert(udrv_queue_work(o, &held.work));
	until(get(held.inside));
}

START_TEST(cancelled_work_does_not_run)
{
	struct udrv_workqueue_struct *o = udrv_alloc_ordered_workqueue("ordered", 0);
	struct item i;

	init_item(&i);
	hold_ordered(o);
	ck_assert(!udrv_cancel_work(&i.work));
	ck_assert(udrv_queue_work(o, &i.work));
	ck_assert(udrv_cancel_work(&i.work));
	ck_assert(udrv_queue_work(o, &i.work));
	ck_assert(udrv_cancel_work_sync(&i.work));
	ck_assert(!udrv_cancel_work(&held.work));
	set(held.hold, 0);
	udrv_destroy_workqueue(o);
	ck_assert_int_eq(i.runs, 0);
	ck_assert_int_eq(held.runs, 1);
}
END_TEST

/* Once the second round is cancelled; before, it might run. */
static void *let_go(void *arg)
{
	struct item *i = arg;

	until(!udrv_work_pending(&i->work));
	set(i->hold, 0);
	return NULL;
}

START_TEST(cancel_sync_waits_for_the_function)
{
	struct item i;
	pthread_t t;

	init_item(&i);
	i.hold = 1;
	ck_assert(udrv_queue_work(wq, &i.work));
	until(get(i.inside));
	ck_assert(udrv_queue_work(wq, &i.work));
	t = start(let_go, &i);
	ck_assert(udrv_cancel_work_sync(&i.work));
	ck_assert_int_eq(i.inside, 0);
	ck_assert_int_eq(get(i.runs), 1);
	finish(t);
	/* It may be used again. */
	ck_assert(udrv_queue_work(wq, &i.work));
	udrv_flush_workqueue(wq);
	ck_assert_int_eq(get(i.runs), 2);
}
END_TEST

static int stop_me;

static void always_again(struct udrv_work_struct *work)
{
	struct item *i = udrv_container_of(work, struct item, work);

	inc(i->runs);
	if (udrv_queue_work(wq, work))
		return;
	set(stop_me, 1);
}

START_TEST(cancel_sync_stops_work_that_queues_itself)
{
	struct item i;

	init_item(&i);
	udrv_init_work(&i.work, always_again);
	for (int k = 0; k < 200; k++) {
		int runs = get(i.runs);

		ck_assert(udrv_queue_work(wq, &i.work));
		until(get(i.runs) > runs);
		(void)udrv_cancel_work_sync(&i.work);
		ck_assert(!udrv_work_pending(&i.work));
		ck_assert_uint_eq(udrv_work_busy(&i.work), 0);
	}
}
END_TEST

static void cancels_itself(struct udrv_work_struct *work)
{
	struct item *i = udrv_container_of(work, struct item, work);

	ck_assert(udrv_queue_work(wq, work));
	ck_assert(udrv_cancel_work_sync(work));
	inc(i->runs);
}

START_TEST(work_may_cancel_itself)
{
	struct item i;

	init_item(&i);
	udrv_init_work(&i.work, cancels_itself);
	ck_assert(udrv_queue_work(wq, &i.work));
	udrv_drain_workqueue(wq);
	ck_assert_int_eq(i.runs, 1);
}
END_TEST

static int freed;

static void frees_itself(struct udrv_work_struct *work)
{
	free(udrv_container_of(work, struct item, work));
	inc(freed);
}

START_TEST(work_may_free_itself)
{
	for (int k = 0; k < 1000; k++) {
		struct item *i = calloc(1, sizeof(*i));

		udrv_init_work(&i->work, frees_itself);
		ck_assert(udrv_queue_work(wq, &i->work));
	}
	udrv_flush_workqueue(wq);
	ck_assert_int_eq(freed, 1000);
}
END_TEST

struct waiter {
	struct item *item;
	int done;
};

static void *flush_it(void *arg)
{
	struct waiter *w = arg;

	if (w->item)
		ck_assert(udrv_flush_work(&w->item->work));
	else
		udrv_flush_workqueue(wq);
	set(w->done, 1);
	return NULL;
}

static bool is_flushed(const struct udrv_list_head *list)
{
	bool any;

	udrv_spin_lock(&udrv__work.lock);
	any = !udrv_list_empty(list);
	udrv_spin_unlock(&udrv__work.lock);
	return any;
}

START_TEST(flush_waits_for_the_pending_run_not_for_later_ones)
{
	struct item i;
	struct waiter w = {.item = &i};
	pthread_t t;

	init_item(&i);
	i.hold = 1;
	ck_assert(udrv_queue_work(wq, &i.work));
	until(get(i.inside));
	ck_assert(udrv_queue_work(wq, &i.work));
	t = start(flush_it, &w);
	until(is_flushed(&udrv__work.flushers));
	ck_assert_int_eq(get(w.done), 0);
	/* From its second run on it queues itself for ever, almost. */
	i.requeue = INT_MAX;
	set(i.hold, 0);
	finish(t);
	ck_assert_int_ge(get(i.runs), 2);
	(void)udrv_cancel_work_sync(&i.work);
	ck_assert_int_gt(i.requeue, 0);
}
END_TEST

START_TEST(flush_ends_when_the_work_is_cancelled)
{
	struct udrv_workqueue_struct *o = udrv_alloc_ordered_workqueue("ordered", 0);
	struct item i;
	struct waiter w = {.item = &i};
	pthread_t t;

	init_item(&i);
	hold_ordered(o);
	ck_assert(udrv_queue_work(o, &i.work));
	t = start(flush_it, &w);
	until(is_flushed(&udrv__work.flushers));
	ck_assert(udrv_cancel_work(&i.work));
	finish(t);
	set(held.hold, 0);
	udrv_destroy_workqueue(o);
}
END_TEST

START_TEST(flush_of_a_queue_waits_for_all_that_came_before)
{
	struct item i[2];
	struct waiter w = {0};
	pthread_t t;

	for (int k = 0; k < 2; k++) {
		init_item(&i[k]);
		i[k].hold = 1;
		ck_assert(udrv_queue_work(wq, &i[k].work));
	}
	t = start(flush_it, &w);
	until(is_flushed(&wq->flushers));
	set(i[1].hold, 0);
	until(get(i[1].runs));
	ck_assert_int_eq(get(w.done), 0);
	/* One that comes later is not waited for, though it is of the same queue. */
	init_item(&i[1]);
	i[1].hold = 1;
	ck_assert(udrv_queue_work(wq, &i[1].work));
	until(get(i[1].inside));
	set(i[0].hold, 0);
	finish(t);
	ck_assert_int_eq(get(i[0].runs), 1);
	ck_assert_int_eq(get(i[1].runs), 0);
	set(i[1].hold, 0);
	udrv_flush_workqueue(wq);
}
END_TEST

struct late {
	struct udrv_delayed_work dwork;
	unsigned long at;
	int runs;
};

static void late_func(struct udrv_work_struct *work)
{
	struct late *l = udrv_container_of(udrv_to_delayed_work(work), struct late, dwork);

	l->at = udrv_jiffies;
	inc(l->runs);
}

static struct late late;

static void init_late(void)
{
	memset(&late, 0, sizeof(late));
	udrv_init_delayed_work(&late.dwork, late_func);
}

START_TEST(delayed_work_runs_after_its_delay)
{
	unsigned long due;

	init_late();
	due = udrv_jiffies + 10;
	ck_assert(udrv_queue_delayed_work(wq, &late.dwork, 10));
	until(get(late.runs));
	udrv_flush_workqueue(wq);
	ck_assert(udrv_time_after_eq(late.at, due));
	ck_assert(udrv_queue_delayed_work(wq, &late.dwork, 0));
	(void)udrv_flush_delayed_work(&late.dwork);
	ck_assert_int_eq(late.runs, 2);
}
END_TEST

START_TEST(delayed_work_is_not_queued_twice)
{
	init_late();
	ck_assert(udrv_queue_delayed_work(wq, &late.dwork, 100000));
	ck_assert(!udrv_queue_delayed_work(wq, &late.dwork, 0));
	ck_assert(!udrv_queue_work(wq, &late.dwork.work));
	ck_assert(udrv_delayed_work_pending(&late.dwork));
	ck_assert(udrv_cancel_delayed_work_sync(&late.dwork));
	ck_assert_int_eq(late.runs, 0);
}
END_TEST

START_TEST(delayed_work_is_cancelled_before_and_after_its_timer)
{
	init_late();
	ck_assert(udrv_queue_delayed_work(wq, &late.dwork, 100000));
	ck_assert(udrv_cancel_delayed_work(&late.dwork));
	ck_assert(!udrv_cancel_delayed_work(&late.dwork));
	ck_assert(udrv_queue_delayed_work(wq, &late.dwork, 100000));
	ck_assert(udrv_cancel_delayed_work_sync(&late.dwork));
	ck_assert(!udrv_timer_pending(&late.dwork.timer));
	ck_assert_int_eq(late.runs, 0);
}
END_TEST

START_TEST(mod_moves_a_delayed_work)
{
	init_late();
	ck_assert(!udrv_mod_delayed_work(wq, &late.dwork, 100000));
	ck_assert(udrv_mod_delayed_work(wq, &late.dwork, 200000));
	ck_assert_int_eq(get(late.runs), 0);
	ck_assert(udrv_mod_delayed_work(wq, &late.dwork, 0));
	(void)udrv_flush_delayed_work(&late.dwork);
	ck_assert_int_eq(late.runs, 1);
	ck_assert(!udrv_timer_pending(&late.dwork.timer));
}
END_TEST

START_TEST(flush_of_a_delayed_work_does_not_wait_for_the_timer)
{
	init_late();
	ck_assert(udrv_queue_delayed_work(wq, &late.dwork, 1000000));
	(void)udrv_flush_delayed_work(&late.dwork);
	ck_assert_int_eq(late.runs, 1);
	ck_assert(!udrv_delayed_work_pending(&late.dwork));
}
END_TEST

/*
 * The timer's callback has begun and waits for the lock: then somebody else gets the lock first,
 * most often, since the callback must be woken before.
 */
static void lock_out_the_callback(void)
{
	init_late();
	ck_assert(udrv_queue_delayed_work(wq, &late.dwork, 1));
	udrv_spin_lock(&udrv__work.lock);
	if (late.dwork.work.place == UDRV__DELAYED)
		until(udrv__timer_running(&late.dwork.timer.node));
	udrv_spin_unlock(&udrv__work.lock);
}

START_TEST(late_callback_does_not_queue_what_was_put_off)
{
	int put_off = 0;

	for (int i = 0; i < 100; i++) {
		lock_out_the_callback();
		if (udrv_mod_delayed_work(wq, &late.dwork, 100000)) {
			udrv__timer_wait(&late.dwork.timer.node);
			ck_assert(udrv_delayed_work_pending(&late.dwork));
			ck_assert(udrv_timer_pending(&late.dwork.timer));
			put_off++;
		}
		(void)udrv_cancel_delayed_work_sync(&late.dwork);
	}
	ck_assert_int_gt(put_off, 0);
}
END_TEST

START_TEST(cancel_waits_for_a_late_callback)
{
	for (int i = 0; i < 100; i++) {
		lock_out_the_callback();
		if (_i)
			(void)udrv_cancel_delayed_work_sync(&late.dwork);
		else
			(void)udrv_cancel_delayed_work(&late.dwork);
		/* Or else its memory could not be freed now. */
		ck_assert(!udrv__timer_running(&late.dwork.timer.node));
		(void)udrv_cancel_delayed_work_sync(&late.dwork);
	}
}
END_TEST

static int declared_runs;

static void declared_func(struct udrv_work_struct *work)
{
	(void)work;
	inc(declared_runs);
}

static UDRV_DECLARE_WORK(declared, declared_func);
static UDRV_DECLARE_DELAYED_WORK(declared_late, declared_func);

START_TEST(system_queue_is_there_on_first_use)
{
	ck_assert(udrv_schedule_work(&declared));
	ck_assert(udrv_schedule_delayed_work(&declared_late, 1));
	until(get(declared_runs) == 2);
	(void)udrv_cancel_work_sync(&declared);
	(void)udrv_cancel_delayed_work_sync(&declared_late);
	ck_assert_ptr_eq(udrv_system_wq, udrv_system_wq);
	ck_assert(!udrv_queue_work(NULL, &declared));
}
END_TEST

static void *drain_it(void *arg)
{
	udrv_drain_workqueue(arg);
	return NULL;
}

START_TEST(draining_queue_takes_only_its_own_items)
{
	struct item i;
	struct item refused;
	pthread_t t;

	init_item(&i);
	init_item(&refused);
	i.hold = 1;
	i.requeue = 5;
	ck_assert(udrv_queue_work(wq, &i.work));
	t = start(drain_it, wq);
	until(is_flushed(&wq->flushers));
	ck_assert(!udrv_queue_work(wq, &refused.work));
	ck_assert(!udrv_work_pending(&refused.work));
	set(i.hold, 0);
	finish(t);
	ck_assert_int_eq(i.runs, 6);
	ck_assert(udrv_queue_work(wq, &refused.work));
	udrv_flush_workqueue(wq);
	ck_assert_int_eq(refused.runs, 1);
}
END_TEST

/* Everything at once; every successful queueing is a run, or a cancellation that says so. */
enum { ITEMS = 4, ROUNDS = 4000 };
static struct item shared[ITEMS];
static struct late shared_late;
static int queued[ITEMS], cancelled[ITEMS];

static void *use_everything(void *arg)
{
	struct udrv_workqueue_struct *second = arg;
	unsigned int seed = (unsigned int)(uintptr_t)&arg;

	for (int r = 0; r < ROUNDS; r++) {
		int k = rand_r(&seed) % ITEMS;

		switch (rand_r(&seed) % 9) {
		case 0:
			if (udrv_cancel_work_sync(&shared[k].work))
				inc(cancelled[k]);
			break;
		case 1:
			if (udrv_cancel_work(&shared[k].work))
				inc(cancelled[k]);
			break;
		case 2:
			(void)udrv_flush_work(&shared[k].work);
			break;
		case 3:
			udrv_flush_workqueue(second);
			break;
		case 4:
			(void)udrv_mod_delayed_work(wq, &shared_late.dwork,
						    (unsigned long)(rand_r(&seed) % 2));
			break;
		case 5:
			(void)udrv_cancel_delayed_work_sync(&shared_late.dwork);
			break;
		case 6:
			(void)udrv_flush_delayed_work(&shared_late.dwork);
			break;
		default:
			if (udrv_queue_work(rand_r(&seed) % 2 ? wq : second, &shared[k].work))
				inc(queued[k]);
		}
	}
	return NULL;
}

START_TEST(every_queued_item_runs_or_is_cancelled_once)
{
	struct udrv_workqueue_struct *second = udrv_alloc_ordered_workqueue("second", 0);
	pthread_t t[3];

	for (int k = 0; k < ITEMS; k++)
		init_item(&shared[k]);
	udrv_init_delayed_work(&shared_late.dwork, late_func);
	for (int k = 0; k < 3; k++)
		t[k] = start(use_everything, second);
	for (int k = 0; k < 3; k++)
		finish(t[k]);
	(void)udrv_cancel_delayed_work_sync(&shared_late.dwork);
	udrv_destroy_workqueue(second);
	udrv_flush_workqueue(wq);
	for (int k = 0; k < ITEMS; k++) {
		ck_assert_int_eq(shared[k].runs + cancelled[k], queued[k]);
		ck_assert_int_eq(shared[k].most_inside, 1);
		ck_assert_int_gt(shared[k].runs, 0);
	}
}
END_TEST

START_TEST(burst_of_quick_items_does_not_need_many_threads)
{
	struct udrv_workqueue_struct *wide = udrv_alloc_workqueue("wide", 0, 0);
	static struct item items[5000];

	for (int k = 0; k < 5000; k++) {
		udrv_init_work(&items[k].work, declared_func);
		ck_assert(udrv_queue_work(wide, &items[k].work));
	}
	udrv_flush_workqueue(wide);
	ck_assert_int_eq(declared_runs, 5000);
	ck_assert_uint_le(wide->worker_count, UDRV_WQ_DFL_ACTIVE);
	udrv_destroy_workqueue(wide);
}
END_TEST

/* y waits behind x, which runs elsewhere; without x, nothing is before y. */
START_TEST(cancelled_work_does_not_hold_up_its_ordered_queue)
{
	struct udrv_workqueue_struct *in_order = udrv_alloc_ordered_workqueue("ordered", 0);
	struct item x;
	struct item y;

	ck_assert_ptr_nonnull(in_order);
	init_item(&x);
	init_item(&y);
	x.hold = 1;
	ck_assert(udrv_queue_work(wq, &x.work));
	until(get(x.inside));
	ck_assert(udrv_queue_work(in_order, &x.work));
	ck_assert(udrv_queue_work(in_order, &y.work));
	udrv_msleep(20); /* the ordered queue's worker has looked, and sleeps */
	ck_assert_int_eq(get(y.runs), 0);
	ck_assert(udrv_cancel_work(&x.work));
	until(get(y.runs));
	set(x.hold, 0);
	udrv_flush_workqueue(wq);
	udrv_destroy_workqueue(in_order);
}
END_TEST

static int firing, let_fire, delayed_runs;

/* The timer thread loses its CPU between taking the timer out and calling back. */
static void fire_slowly(struct udrv__timer *t)
{
	set(firing, 1);
	until(get(let_fire));
	udrv__timer_fire(t);
}

static void let_it_fire_slowly(struct udrv_delayed_work *dwork)
{
	set(firing, 0);
	set(let_fire, 0);
	dwork->timer.node.fire = fire_slowly;
	ck_assert(udrv_queue_delayed_work(wq, dwork, 1));
	until(get(firing));
}

static void free_delayed(struct udrv_work_struct *work)
{
	free(udrv_to_delayed_work(work));
	inc(delayed_runs);
}

static void *mod_to_now(void *dwork)
{
	(void)udrv_mod_delayed_work(wq, dwork, 0);
	return NULL;
}

/* The timer's callback must not find memory that the function has freed. */
START_TEST(work_that_is_moved_while_its_timer_fires_may_free_itself)
{
	struct udrv_delayed_work *dwork = malloc(sizeof(*dwork));
	pthread_t moving;

	ck_assert_ptr_nonnull(dwork);
	udrv_init_delayed_work(dwork, free_delayed);
	let_it_fire_slowly(dwork);
	moving = start(mod_to_now, dwork);
	until(get(dwork->work.place) == UDRV__MOVING);
	ck_assert_int_eq(get(delayed_runs), 0);
	set(let_fire, 1);
	finish(moving);
	udrv_flush_workqueue(wq);
	ck_assert_int_eq(delayed_runs, 1);
}
END_TEST

static void *flush_late(void *unused)
{
	(void)udrv_flush_delayed_work(&late.dwork);
	return unused;
}

static void *put_off_late(void *unused)
{
	(void)udrv_mod_delayed_work(wq, &late.dwork, 1000000);
	return unused;
}

static void *cancel_late(void *was_pending)
{
	*(bool *)was_pending = udrv_cancel_delayed_work_sync(&late.dwork);
	return NULL;
}

static bool is_being_cancelled(const struct udrv_work_struct *work)
{
	bool disabled;

	udrv_spin_lock(&udrv__work.lock);
	disabled = work->disabled;
	udrv_spin_unlock(&udrv__work.lock);
	return disabled;
}

START_TEST(work_that_is_cancelled_while_it_is_moved_does_not_run)
{
	bool was_pending = false;
	pthread_t cancelling;
	pthread_t moving;

	init_late();
	let_it_fire_slowly(&late.dwork);
	moving = start(_i ? put_off_late : flush_late, NULL);
	until(get(late.dwork.work.place) != UDRV__DELAYED);
	ck_assert(udrv_delayed_work_pending(&late.dwork));
	ck_assert(!udrv_queue_work(wq, &late.dwork.work));
	cancelling = start(cancel_late, &was_pending);
	until(is_being_cancelled(&late.dwork.work));
	set(let_fire, 1);
	finish(cancelling);
	finish(moving);
	ck_assert(was_pending);
	(void)udrv_cancel_delayed_work_sync(&late.dwork); /* put off after that */
	udrv_flush_workqueue(wq);
	ck_assert_int_eq(get(late.runs), 0);
}
END_TEST

START_TEST(work_that_is_flushed_while_its_timer_fires_runs_once)
{
	pthread_t flushing;

	init_late();
	let_it_fire_slowly(&late.dwork);
	flushing = start(flush_late, NULL);
	until(get(late.dwork.work.place) == UDRV__MOVING);
	set(let_fire, 1);
	finish(flushing);
	ck_assert_int_eq(get(late.runs), 1);
	ck_assert(!udrv_delayed_work_pending(&late.dwork));
}
END_TEST

static TCase *queues(void)
{
	TCase *tc = tcase_create("queues");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, queued_work_runs_once);
	tcase_add_test(tc, pending_work_is_not_queued_twice);
	tcase_add_loop_test(tc, item_does_not_run_beside_itself_on_another_queue, 0, 2);
	tcase_add_test(tc, work_queues_itself_again);
	tcase_add_test(tc, blocked_items_do_not_hold_up_others);
	tcase_add_test(tc, ordered_queue_keeps_order_and_runs_one);
	tcase_add_test(tc, max_active_bounds_the_threads);
	tcase_add_test(tc, system_queue_is_there_on_first_use);
	tcase_add_test(tc, cancelled_work_does_not_hold_up_its_ordered_queue);
	tcase_add_test(tc, draining_queue_takes_only_its_own_items);
	tcase_add_test(tc, every_queued_item_runs_or_is_cancelled_once);
	tcase_add_test(tc, burst_of_quick_items_does_not_need_many_threads);
	return tc;
}

static TCase *items_of_work(void)
{
	TCase *tc = tcase_create("items");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, cancelled_work_does_not_run);
	tcase_add_test(tc, cancel_sync_waits_for_the_function);
	tcase_add_test(tc, cancel_sync_stops_work_that_queues_itself);
	tcase_add_test(tc, work_may_cancel_itself);
	tcase_add_test(tc, work_may_free_itself);
	tcase_add_test(tc, flush_waits_for_the_pending_run_not_for_later_ones);
	tcase_add_test(tc, flush_ends_when_the_work_is_cancelled);
	tcase_add_test(tc, flush_of_a_queue_waits_for_all_that_came_before);
	tcase_add_test(tc, delayed_work_runs_after_its_delay);
	tcase_add_test(tc, delayed_work_is_not_queued_twice);
	tcase_add_test(tc, delayed_work_is_cancelled_before_and_after_its_timer);
	tcase_add_test(tc, mod_moves_a_delayed_work);
	tcase_add_test(tc, late_callback_does_not_queue_what_was_put_off);
	tcase_add_loop_test(tc, cancel_waits_for_a_late_callback, 0, 2);
	tcase_add_test(tc, work_that_is_moved_while_its_timer_fires_may_free_itself);
	tcase_add_loop_test(tc, work_that_is_cancelled_while_it_is_moved_does_not_run, 0, 2);
	tcase_add_test(tc, work_that_is_flushed_while_its_timer_fires_runs_once);
	tcase_add_test(tc, flush_of_a_delayed_work_does_not_wait_for_the_timer);
	return tc;
}

int main(void)
{
	Suite *s = suite_create("workqueue");

	suite_add_tcase(s, queues());
	suite_add_tcase(s, items_of_work());
	return run_suite(s);
}

// SPDX-License-Identifier: MIT
/*
 * One thread runs all timers: it sleeps until the earliest, or until somebody arms one that is
 * before that (`kicks` changes); if the earliest is put off or deleted meanwhile, it looks in vain,
 * once. `running` is the timer whose callback runs; a timer may be freed by its
 * callback, so afterwards only its address is compared. `runs` counts callbacks, for those who wait
 * until one has returned; the thread lets all `waiters` go before it runs the next, which may be
 * the same timer again.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/prctl.h>

#include <udrv/log.h>
#include <udrv/spinlock.h>

#include "sched/clock.h"
#include "sched/context.h"
#include "sched/heap.h"
#include "sched/sleep.h"
#include "sched/thread.h"
#include "sched/timer_base.h"

static struct {
	struct udrv_spinlock lock;
	struct udrv__timer *root;
	struct udrv__timer *running;
	uint32_t kicks;
	uint64_t sleeps_until; /* the thread, unless it is kicked; 0: it will look at the root */
	uint32_t runs;
	uint32_t waiters;
	bool started;
	pthread_t thread;
} base;

static void set_queued(struct udrv__timer *t, bool queued)
{
	__atomic_store_n(&t->queued, queued, __ATOMIC_RELAXED);
}

static void add(struct udrv__timer *t, uint64_t expires_ns)
{
	t->expires_ns = expires_ns;
	base.root = udrv__heap_add(base.root, t);
	set_queued(t, true);
}

static void take_out(struct udrv__timer *t)
{
	base.root = udrv__heap_remove(base.root, t);
	set_queued(t, false);
}

/* With the lock held, which is released meanwhile. They wait for the callback that returned. */
static void let_waiters_go(void)
{
	if (base.waiters)
		udrv__wake_word(&base.runs, INT_MAX);
	while (base.waiters) {
		uint32_t waiters = base.waiters;

		udrv_spin_unlock(&base.lock);
		(void)udrv__sleep(&base.waiters, waiters, NULL, NULL, UDRV__NEVER);
		udrv_spin_lock(&base.lock);
	}
}

/* With the lock held, which is released around the callback, and past the gate, which is left after
 * it. */
static void run(struct udrv__timer *t)
{
	take_out(t);
	base.running = t;
	udrv_spin_unlock(&base.lock);
	t->fire(t);
	udrv__context_leave(udrv__context_of_timers);
	udrv_spin_lock(&base.lock);
	base.running = NULL;
	__atomic_store_n(&base.runs, base.runs + 1, __ATOMIC_RELEASE);
	let_waiters_go();
}

/*
 * With the lock held, which is released meanwhile. Whoever holds interrupts off may still change
 * the timers: so the gate comes first, and then the look at what is due.
 */
static void run_if_due(void)
{
	udrv_spin_unlock(&base.lock);
	udrv__context_enter(udrv__context_of_timers, UDRV__CONTEXT_TIMER);
	udrv_spin_lock(&base.lock);
	if (base.root && base.root->expires_ns <= udrv__now_ns())
		run(base.root);
	else
		udrv__context_leave(udrv__context_of_timers);
}

static void *timer_thread(void *arg)
{
	udrv__thread_begin("udrv-timers");
	udrv__context_adopt(udrv__context_of_timers);
	/* The kernel's usual 50 microseconds of slack are too many for hrtimers. */
	(void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	udrv_spin_lock(&base.lock);
	for (;;) {
		uint64_t next = base.root ? base.root->expires_ns : UDRV__NEVER;
		uint32_t kicks = base.kicks;

		if (base.root && next <= udrv__now_ns()) {
			run_if_due();
			continue;
		}
		base.sleeps_until = next;
		udrv_spin_unlock(&base.lock);
		(void)udrv__sleep(&base.kicks, kicks, NULL, NULL, next);
		udrv_spin_lock(&base.lock);
		base.sleeps_until = 0;
	}
	return arg;
}

/* With the lock held. */
static void start_thread(void)
{
	int ret = udrv__thread_create(&base.thread, timer_thread, NULL);

	if (ret)
		udrv_pr_err("the thread for timers cannot be started: %s; they fire late, once a "
			    "timer is armed and it can",
			    strerror(-ret));
	base.started = !ret;
}

/* With the lock held: the thread is there and knows of the earliest timer. */
static void kick(void)
{
	if (!base.started)
		start_thread();
	__atomic_store_n(&base.kicks, base.kicks + 1, __ATOMIC_RELEASE);
}

static bool may_arm(const struct udrv__timer *t, uint64_t expires_ns, enum udrv__arm how)
{
	if (t->shut)
		return false;
	if (how == UDRV__ARM_PENDING)
		return t->queued;
	return how == UDRV__ARM || !t->queued || expires_ns < t->expires_ns;
}

bool udrv__timer_arm(struct udrv__timer *t, uint64_t expires_ns, enum udrv__arm how)
{
	bool kicked = false;
	bool was;

	udrv_spin_lock(&base.lock);
	was = t->queued;
	if (may_arm(t, expires_ns, how)) {
		if (was)
			take_out(t);
		add(t, expires_ns);
		kicked = expires_ns < base.sleeps_until || !base.started;
		if (kicked)
			kick();
	}
	udrv_spin_unlock(&base.lock);
	if (kicked)
		udrv__wake_word(&base.kicks, 1);
	return was;
}

void udrv__timer_rearm(struct udrv__timer *t, uint64_t expires_ns)
{
	udrv_spin_lock(&base.lock);
	if (!t->queued && !t->shut)
		add(t, expires_ns);
	udrv_spin_unlock(&base.lock);
}

int udrv__timer_disarm(struct udrv__timer *t, bool unless_running)
{
	int ret = -1;

	udrv_spin_lock(&base.lock);
	if (!unless_running || base.running != t) {
		ret = t->queued;
		if (ret)
			take_out(t);
	}
	udrv_spin_unlock(&base.lock);
	return ret;
}

void udrv__timer_shut(struct udrv__timer *t)
{
	udrv_spin_lock(&base.lock);
	t->shut = true;
	udrv_spin_unlock(&base.lock);
}

/* With the lock held, which is released while waiting. Callbacks do not wait. */
static void wait_while_running(const struct udrv__timer *t)
{
	while (base.running == t && !pthread_equal(base.thread, pthread_self())) {
		uint32_t runs = base.runs;

		base.waiters++;
		udrv_spin_unlock(&base.lock);
		(void)udrv__sleep(&base.runs, runs, NULL, NULL, UDRV__NEVER);
		udrv_spin_lock(&base.lock);
		if (!--base.waiters)
			udrv__wake_word(&base.waiters, 1);
	}
}

void udrv__timer_wait(const struct udrv__timer *t)
{
	udrv_spin_lock(&base.lock);
	wait_while_running(t);
	udrv_spin_unlock(&base.lock);
}

bool udrv__timer_disarm_sync(struct udrv__timer *t)
{
	bool was = false;

	udrv_spin_lock(&base.lock);
	wait_while_running(t);
	if (t->queued) {
		was = true;
		take_out(t);
	}
	udrv_spin_unlock(&base.lock);
	return was;
}

bool udrv__timer_running(const struct udrv__timer *t)
{
	bool running;

	udrv_spin_lock(&base.lock);
	running = base.running == t;
	udrv_spin_unlock(&base.lock);
	return running;
}

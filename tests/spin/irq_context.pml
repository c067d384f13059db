/* SPDX-License-Identifier: MIT */
/*
 * Interrupts on and off: udrv_local_irq_save() and what runs handlers (sched/context.c). Is anybody
 * in a handler while another has interrupts off, do two have them off at once, does anybody sleep
 * for ever?
 *
 * Spin knows sequential consistency only. The code relies on it in one place, store buffering: a
 * worker stores its word and then loads `held`, who holds stores `held` and then loads the words.
 * All four are sequentially consistent in the code (set(), is_held(), hold(), wait_for_others()). The
 * change from handler to thread function is relaxed: both count as running.
 *
 * Model and code, all of context.c:
 *   enter, leave      udrv__context_enter(), udrv__context_leave(); stop_running()
 *   hold, release     hold() with wait_for_others(); release()
 *   sleep_while, wake sched/sleep.c: udrv__sleep(), udrv__wake_word(): the kernel compares the word
 *                     and enters the sleeper in one step
 *   worker            serve.c: serve_vector(); irq_work.c: run_work(); timer_base.c: run_if_due()
 *   holder            a thread of a driver
 * Each thread does what it does a number of times and ends: a wake-up that is missing shows as a
 * thread that does not end (an invalid end state).
 */

#define WORKERS 2
#ifndef HOLDERS
#define HOLDERS 2
#endif
#define THREADS (WORKERS + HOLDERS)
#define TIMES	2

/* A worker's word. */
#define TASK	0
#define HANDLER 1
#define THREAD	2

/* What a thread sleeps on: a worker's word by its number, or: */
#define HELD	WORKERS
#define NOTHING (WORKERS + 1)

byte word[WORKERS];
bool held;
bool holder_locked;
bool off; /* the vector is disabled, a timer is deleted: changed by who holds */
byte sleeps_on[THREADS];

/* For the assertions. */
bool running[WORKERS];	/* in a handler, and not waiting in hold() */
bool inside[THREADS];	/* between save and restore */

inline sleep_while(on, condition)
{
	atomic {
		if
		:: condition -> sleeps_on[me] = on
		:: else
		fi
	}
	sleeps_on[me] == NOTHING
}

/* All that sleep on it. */
inline wake(on)
{
	d_step {
		i = 0;
		do
		:: i == THREADS -> break
		:: i < THREADS ->
			if
			:: sleeps_on[i] == on -> sleeps_on[i] = NOTHING
			:: else
			fi;
			i++
		od;
		i = 0
	}
}

/* In a handler, or its thread function, while nobody else has interrupts off. */
inline run_handler()
{
	d_step {
		running[me] = true;
		i = 0;
		do
		:: i == THREADS -> break
		:: i < THREADS -> assert(i == me || !inside[i]); i++
		od;
		i = 0
	}
}

#ifdef MUTATE_LOOK_BEFORE_STORE
inline stop_running()
{
	seen = held;
	word[me] = TASK;
	if
	:: seen -> wake(me)
	:: else
	fi
}
#else
inline stop_running()
{
	word[me] = TASK;
#ifndef MUTATE_LEAVE_NO_WAKE
	if
	:: held -> wake(me)
	:: else
	fi
#endif
}
#endif

inline enter()
{
#ifdef MUTATE_ENTER_LOOKS_FIRST
	do
	:: held -> sleep_while(HELD, held)
	:: !held -> break
	od;
	word[me] = HANDLER;
#else
	word[me] = HANDLER;
	do
	:: held ->
#ifndef MUTATE_ENTER_STAYS
		stop_running();
#endif
		sleep_while(HELD, held);
		word[me] = HANDLER
	:: !held -> break
	od;
#endif
}

inline wait_for_others()
{
	do
	:: n == WORKERS -> break
	:: else ->
		do
		:: seen = word[n];
			if
			:: seen == TASK -> break
			:: else -> sleep_while(n, word[n] == seen)
			fi
		od;
		n++
	od;
	n = 0;
	seen = 0
}

inline lock_holder()
{
	atomic { !holder_locked -> holder_locked = true }
}

/* was: what the thread's own word said. */
inline hold()
{
	was = TASK;
	if
	:: me < WORKERS ->
		was = word[me];
#ifndef MUTATE_HOLD_STAYS_IN_HANDLER
		running[me] = false;
		stop_running()
#endif
	:: else
	fi;
	lock_holder();
#ifdef MUTATE_HOLD_LOOKS_FIRST
	wait_for_others();
	held = true;
#else
	held = true;
	wait_for_others();
#endif
	if
	:: was -> word[me] = was; run_handler()
	:: else
	fi;
	inside[me] = true
}

inline release()
{
	inside[me] = false;
	held = false;
#ifndef MUTATE_RELEASE_NO_WAKE
	wake(HELD);
#endif
	holder_locked = false
}

/* Between save and restore: nobody else is, and no handler runs but the caller's own. */
inline check_inside()
{
	d_step {
		i = 0;
		do
		:: i == THREADS -> break
		:: i < THREADS ->
			assert(i == me || !inside[i]);
			assert(i == me || i >= WORKERS || !running[i]);
			i++
		od;
		i = 0
	}
}

proctype worker(byte me)
{
	byte n, i, seen, was, times;

	do
	:: times == TIMES -> break
	:: else ->
		times++;
#ifdef MUTATE_DECIDE_BEFORE_GATE
		seen = off;
		enter();
#else
		enter();
		seen = off;
#endif
		if
		:: seen == 0 ->
			run_handler();
			assert(!off);
			if
			:: hold();
				check_inside();
				if
				:: release()
				:: true /* the handler returns with interrupts off */
				fi
			:: true
			fi;
			/* serve.c: run_threads() follows, or not. */
			if
			:: word[me] = THREAD
			:: true
			fi
		:: else
		fi;
		seen = 0;
		/* leave */
		if
		:: inside[me] -> release()
		:: else
		fi;
		running[me] = false;
		stop_running()
	od
}

proctype holder(byte me)
{
	byte n, i, seen, was, times;

	do
	:: times == TIMES -> break
	:: else ->
		times++;
		hold();
		check_inside();
		/* Nothing runs, so what is disabled here does not run afterwards. */
		off = me == WORKERS && !off;
		release()
	od
}

init
{
	atomic {
		byte t;

		for (t : 0 .. THREADS - 1) {
			sleeps_on[t] = NOTHING;
			if
			:: t < WORKERS -> run worker(t)
			:: else -> run holder(t)
			fi
		}
	}
}

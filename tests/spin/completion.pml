/* SPDX-License-Identifier: MIT */
/*
 * Completions (sched/completion.c) and wait queues (sched/wait.c, sched/task.c): is a wake-up lost,
 * is a completion touched after its waiter has left?
 *
 * Spin knows sequential consistency only. Of a completion every change is a compare-and-exchange of
 * one word, and all that matters is in that word. Of a wait queue: the queue is behind its lock, and
 * every change of a task's state is a read-modify-write operation (acquire and release), so that
 * who overwrites a wake-up's RUNNING has seen what came before it.
 *
 * Model and code:
 *   complete          completion.c: complete()
 *   take              completion.c: take()
 *   waiter            completion.c: wait_until(); with a deadline that comes at any time
 *   queue_waiter      wait.c: udrv__wait_prepare(), udrv__wait_sleep(), udrv__wait_end(), in the loop
 *                     of udrv_wait_event(); W1 to W3 in docs/contract/threads.md
 *   queue_waker       wait.c: udrv__wake_up() after the condition was made true; M1 to M3
 * A compare-and-exchange that fails is tried again: each loop is one step. The kernel compares a word
 * and lets the thread sleep in one step, too.
 */

#define WAITERS 3

/* ---- a completion ---- */

byte done;		/* x->done; ALL: complete_all() */
byte waiting;		/* x->waiters */
bool asleep[WAITERS];
bool all;
byte let_go, completed;
bool freed;		/* its waiter has left: the memory may be something else now */

#define ALL 9

inline wake(n)
{
	/* Any n of those that sleep. */
	atomic {
		left = n;
		do
		:: left > 0 && asleep[0] -> asleep[0] = false; left--
		:: left > 0 && asleep[1] -> asleep[1] = false; left--
		:: left > 0 && asleep[2] -> asleep[2] = false; left--
		:: left == 0 || !(asleep[0] || asleep[1] || asleep[2]) -> break
		od;
		left = 0
	}
}

proctype completer()
{
	byte left;
	bool must_wake;

	atomic {
		assert(!freed);
		if
		:: all -> done = ALL
		:: !all && done < ALL -> done++
		fi;
		completed++;
#ifdef MUTATE_WAITERS_APART
	}
	atomic {
		assert(!freed);
#endif
		must_wake = waiting > 0
	}
#ifndef MUTATE_NO_WAKE
	if
	:: must_wake && all -> wake(WAITERS)
	:: must_wake && !all -> wake(1)
	:: !must_wake
	fi
#endif
}

/* taken: there was one. Else so many waiters more or fewer. */
inline take(if_taken, if_not)
{
	atomic {
		taken = done > 0;
		if
		:: taken ->
			if
			:: done < ALL -> done--
			:: else
			fi;
			waiting = waiting + (if_taken)
		:: else -> waiting = waiting + (if_not)
		fi
	}
}

proctype waiter(byte me; bool has_deadline; bool is_owner)
{
	bool taken, late;

	take(0, 1);
	do
	:: taken -> break
	:: !taken && late -> break
	:: !taken && !late ->
#ifdef MUTATE_SLEEP_UNSEEN
		asleep[me] = true;
#else
		/* udrv__sleep(&x->done, 0, ...) */
		atomic {
			if
			:: done == 0 -> asleep[me] = true
			:: else
			fi
		}
#endif
		if
		:: !asleep[me]
		:: atomic { has_deadline && asleep[me] -> asleep[me] = false; late = true }
		fi;
		if
		:: late -> take(-1, -1)
		:: else -> take(-1, 0)
		fi
	od;
	atomic {
		if
		:: taken -> let_go++
		:: else
		fi;
		freed = is_owner
	}
}

/* ---- a wait queue ---- */

#define RUNNING 0
#define ASLEEP	1

bool condition[2];	/* what one waiter waits for, in two queues */
bool queued[2];		/* is its entry in there? */
bool q_lock[2];
byte state;
bool sleeping;

inline lock(q)
{
	atomic { !q_lock[q] -> q_lock[q] = true }
}

/* prepare(); then it looks at the condition of both. */
inline enter_queue(q)
{
	lock(q);
	queued[q] = true;
	state = ASLEEP;
	q_lock[q] = false
}

inline leave_queue(q)
{
	lock(q);
	queued[q] = false;
	q_lock[q] = false
}

proctype queue_waiter()
{
	do
	:: true ->
#ifdef MUTATE_LOOK_BEFORE_QUEUE
		if
		:: condition[0] || condition[1] -> break
		:: else
		fi;
		enter_queue(0);
		enter_queue(1);
#else
		enter_queue(0);
		enter_queue(1);
		if
		:: condition[0] || condition[1] -> break
		:: else
		fi;
#endif
		/* udrv__task_sleep() */
		do
		:: atomic { state == ASLEEP -> sleeping = true }
			!sleeping
		:: state == RUNNING -> break
		od
	od;
	state = RUNNING;
	leave_queue(0);
	leave_queue(1)
}

inline wake_queue(q)
{
	lock(q);
	if
	:: queued[q] ->
		/* udrv__task_make_running() */
		atomic {
			woke = (state == ASLEEP);
			state = RUNNING
		}
		if
		:: woke -> queued[q] = false
		:: else
		fi
	:: else
	fi;
	q_lock[q] = false;
	if
	:: woke -> sleeping = false
	:: else
	fi
}

proctype queue_waker(byte q)
{
	bool woke;

#ifdef MUTATE_WAKE_BEFORE_CONDITION
	wake_queue(q);
	condition[q] = true
#else
	condition[q] = true;
	wake_queue(q)
#endif
}

/* Nothing moves any more: nobody sleeps over what is done. */
proctype monitor()
{
	timeout ->
	assert(all || let_go + done == completed);
	assert(done == 0 || !(asleep[0] || asleep[1] || asleep[2]));
	assert(waiting == (asleep[0] -> 1 : 0) + (asleep[1] -> 1 : 0) + (asleep[2] -> 1 : 0))
}

init
{
	atomic {
		if
		:: /* As many as waiters, of whom one gives up at any time. */
			run waiter(0, false, false);
			run waiter(1, false, false);
			run waiter(2, true, false);
			run completer();
			run completer();
			run completer()
		:: all = true;
			run waiter(0, false, false);
			run waiter(1, false, false);
			run waiter(2, true, false);
			run completer()
		:: /* On its waiter's stack. */
			run waiter(0, false, true);
			run completer()
		:: /* Two queues, each with its waker. */
			run queue_waiter();
			run queue_waker(0);
			run queue_waker(1)
		fi;
		run monitor()
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * Interrupts, their workers, and the orders that others give to workers: is an interrupt lost, does
 * anything wait for ever, does a handler run that must not?
 *
 * Not in the model:
 * - Weak memory. Spin knows sequential consistency only. The code's own words that cross threads are
 *   changed by atomic read-modify-write operations that are sequentially consistent: the list of
 *   orders (order.c), `disabled` and `resume_queued` (irq.c). `pending` is the worker's; between its
 *   store of true and a load of `disabled`, and between a change of `disabled` and others' load of
 *   it, all four are sequentially consistent. A worker looks at `orders` relaxed, but after a system
 *   call that the kick ended, or again and again. Everything else is behind a mutex, or belongs to
 *   the worker and is handed over by a completion or pthread_join().
 * - More than one vector. Worker 1 has another source, which is never signalled.
 * - Storm limits, delayed work, failures of system calls. Changes that answer -EBUSY are tried again.
 *
 * Model and code:
 *   raise, unmask      the device and the kernel: vfio_intx_handler() masks, eventfd_signal()
 *   READING            wait.c: udrv__wait_read; wait_uring_read.c, wait_spin.c do the same
 *   EDGE               wait_epoll.c, wait_uring.c: woken by each signal, the counter stands
 *   spin               wait_spin.c, spin_until(): an order shows before its kick
 *   look_now           wait.c: udrv__reading_look(); look_epoll(), look_uring(); and what their wait
 *                      does once it returns
 *   stop_waiting, start_waiting   worker.c, with the add and remove of the ops
 *   run_ready, serve_orders, serve                      serve.c
 *   take_off_ready, end                                 worker.c
 *   attach, detach, order         worker.c: udrv__worker_attach() with start(), ..._detach() with
 *                      finish()
 *   push, kick, kicks_to, take, close       order.c
 *   serve_vector       serve.c: serve_vector(), run_chain()
 *   resume, push_or_forget, set_idle, call  irq.c: ..., udrv__vector_call()
 *   carry_out          the fn of each order: look_at_pending() and nothing() in irq.c, change_over(),
 *                      stop(), add_source(), remove_source() in worker.c
 *   drivers' threads   irq.c: udrv_synchronize_irq(), udrv_disable_irq(), udrv_enable_irq(),
 *                      udrv_free_irq(), udrv_request_irq(); options.c: udrv_irq_set_options(), move()
 *
 * A critical section of kick_lock, and any other step of which nobody sees the middle, is one step.
 *
 * What is checked: the assertions below, and that nobody waits for ever (no invalid end state). When
 * nothing moves any more, monitor() compares what was raised with what was handled.
 * Each MUTATE_ is a mistake that must be found: tests/spin/run.
 */

/* The upper half of the counter: kicks (irq.h: UDRV__KICK; small, so that signals can reach it). */
#define KICK 4
#define low(c)  ((c) % KICK)

/* Ways to wait. */
#define READING 1
#define EDGE	2

/* Orders. */
#define BARRIER 1 /* nothing() */
#define CHANGE	2
#define STOP	3
#define ADD	4
#define REMOVE	5
#define RESUME	6
#define WORK	7 /* irq_work.c: a function that calls udrv_disable_irq() on its own vector */

/* Where kicks go. */
#define NOWHERE	0
#define TO_KFD	1
#define TO_EFD	2

#define NOBODY 7

/* The vector and its line. */
byte raised, handled;		/* how many interrupts */
byte counter;			/* of its eventfd */
bool level, asserted, masked;	/* INTx */
bool pending, busy, served, parked, resume_queued;
byte disabled;
byte head;			/* of the chain of actions, 1 and 2 by number; 0: none */
byte next_of[3];
bool gone[3];			/* its memory is free */
byte worker_of;			/* v->worker */
bool irqs_lock;

/* Two workers. The vector's own is 0. */
bool spin;			/* workers that spin */
byte mode[2];			/* the ops of the worker */
byte wanted[2];			/* its options */
bool source[2];			/* is the vector one of its sources? */
byte sources[2];		/* the worker's `active` */
bool started[2], alive[2], stopped[2], closed[2], w_lock[2];
byte kick_to[2];
bool kfd[2];			/* its kick_fd's counter is not 0 */
bool open[2];			/* there is a kick_fd */
bool ready[2];			/* is the vector in its list? */
bool armed[2];			/* epoll or ring: watches the vector's eventfd, */
bool event[2];			/* has something to report of it, */
bool kick_event[2];		/* or of kick_fd */
chan orders[2] = [4] of { byte, byte }; /* which, whose */

/* For the assertions. */
bool running;			/* a chain runs */
byte off;			/* threads for which udrv_disable_irq() has returned */
bool done[8];			/* the completion of a thread's order */
byte users;			/* threads that are not through */

inline signal(n)
{
	counter = counter + (n);
	if
	:: armed[0] -> event[0] = true
	:: else
	fi;
	if
	:: armed[1] -> event[1] = true
	:: else
	fi
}

/* The device has something to say. */
inline raise()
{
	d_step {
		raised++;
		if
		:: !level -> signal(1)
		:: level && !masked -> asserted = true; masked = true; signal(1)
		:: else -> asserted = true
		fi
	}
}

/* chain.c: udrv__chain_unmask(). */
inline unmask()
{
	d_step {
		masked = false;
		if
		:: asserted -> masked = true; signal(1)
		:: else
		fi
	}
}

/* ---- order.c ---- */

inline kick(w)
{
	d_step {
		assert(open[w] || kick_to[w] == NOWHERE);
		if
		:: kick_to[w] == TO_EFD -> signal(KICK)
		:: kick_to[w] == TO_KFD ->
			kfd[w] = true;
			kick_event[w] = (mode[w] == EDGE)
		:: else
		fi
	}
}

inline kicks_to(w, to)
{
	kick_to[w] = to
}

/* was_first: the caller must kick. ok: the worker will carry it out. */
inline push_only(w, what, whose)
{
	d_step {
		ok = !closed[w];
		was_first = ok && len(orders[w]) == 0;
		if
		:: ok -> orders[w]!what,whose
		:: else
		fi
	}
}

/* udrv__order_push() in two steps: others come in between. */
#ifdef MUTATE_KICK_BEFORE_PUSH
inline push_1(w, what, whose)
{
	if
	:: len(orders[w]) == 0 && !closed[w] -> kick(w)
	:: else
	fi
}

inline push_2(w, what, whose)
{
	push_only(w, what, whose);
	was_first = false
}
#else
inline push_1(w, what, whose)
{
	push_only(w, what, whose)
}

inline push_2(w, what, whose)
{
	if
	:: was_first -> kick(w); was_first = false
	:: else
	fi
}
#endif

/* ---- serve.c ---- */

inline serve_vector()
{
	is_on = !disabled;
	if
	:: is_on
	:: !is_on ->
		/* remember() */
#ifndef MUTATE_NO_PENDING
		pending = true;
#endif
#ifndef MUTATE_REMEMBER_LOOKS_NOT
		is_on = !disabled
#else
		skip
#endif
	fi;
	if
	:: !is_on
	:: atomic { is_on -> is_on = false; pending = false }
		/* The handler looks at the device as early as it can. */
		atomic {
			assert(!running);
			a = head;
			begun = raised;
			if
			:: a -> running = true; asserted = false
			:: else
			fi
		}
		do
		:: atomic {
			a ->
			/* In the handler of a. */
			assert(!gone[a] && !off);
			a = next_of[a]
			}
		:: atomic { a == 0 -> handled = begun; running = false; begun = 0; break }
		od;
		if
		:: level -> unmask()
		:: else
		fi
	fi
}

/* ---- the ways to wait ---- */

inline look_now(w)
{
	if
	:: source[w] && mode[w] == READING ->
		if
		:: low(counter) -> ready[w] = true
		:: else
		fi;
		counter = 0
	:: mode[w] == EDGE ->
		if
		:: event[w] -> ready[w] = true
		:: else
		fi;
		event[w] = false;
		kick_event[w] = false
	:: else
	fi
}

#define woken(w) ((source[w] && mode[w] == READING && counter) || \
		  (mode[w] == EDGE && (event[w] || kick_event[w])) || \
		  (spin && len(orders[w])))

/* Edge: what is not reported yet is forgotten, or reported (wait_uring.c: remove_uring()). */
inline remove(w)
{
	if
	:: mode[w] == READING ->
		kicks_to(w, TO_KFD);
		d_step {
			if
			:: low(counter) -> ready[w] = true
			:: else
			fi;
			counter = 0
		}
	:: else ->
		atomic {
			if
			:: event[w] -> ready[w] = true
			:: true
			fi;
			event[w] = false;
			armed[w] = false
		}
	fi
}

inline add(w)
{
	if
	:: mode[w] == READING ->
		/* wait.c: take_leftovers(). */
#ifndef MUTATE_NO_LEFTOVERS
		d_step {
			if
			:: counter -> ready[w] = true; counter = 0
			:: else
			fi
		}
#endif
#ifndef MUTATE_KICKS_NOT_REDIRECTED
		kicks_to(w, TO_EFD)
#endif
	:: else ->
		d_step {
			armed[w] = true;
			event[w] = (counter > 0)
		}
#ifdef MUTATE_EDGE_CLEARS
		;
		d_step {
			counter = 0;
			event[w] = false
		}
#endif
	fi
}

/* ---- irq.c, parts that handlers use, too ---- */

inline lock_irqs()
{
	atomic { !irqs_lock -> irqs_lock = true }
}

/* irq.c: wait_until_idle(). */
inline lock_idle()
{
	atomic { !irqs_lock && !busy -> irqs_lock = true }
}

inline unlock_irqs()
{
	irqs_lock = false
}

inline push_or_forget()
{
	ok = false;
	if
	:: atomic { served -> push_1(worker_of, RESUME, NOBODY) }; push_2(worker_of, RESUME, NOBODY)
	:: else
	fi;
	atomic {
		if
		:: !ok -> resume_queued = false
		:: else -> ok = false
		fi
	}
}

/* With irqs.lock. udrv__vector_order() is in it. */
inline resume()
{
	if
	:: !resume_queued ->
		resume_queued = true;
		if
		:: !busy -> push_or_forget()
#ifndef MUTATE_NOT_PARKED
		:: else -> parked = true
#else
		:: else -> resume_queued = false
#endif
		fi
	:: else
	fi
}

inline set_idle()
{
	busy = false;
	if
	:: parked -> parked = false; push_or_forget()
	:: else
	fi
}

/* The end of udrv_enable_irq(). */
inline enable_once()
{
#ifndef MUTATE_ENABLE_LOOKS_FIRST
	atomic { disabled--; ok = (disabled == 0 && head) }
	atomic { ok = ok && pending }
#else
	atomic { ok = pending }
	atomic { disabled--; ok = ok && disabled == 0 && head }
#endif
	atomic {
		if
		:: ok -> resume()
		:: else
		fi;
		ok = false
	}
}

/*
 * What udrv_disable_irq() does where it cannot wait. It must look whether somebody else's
 * udrv_enable_irq() has come meanwhile, which left it to this one to run the chain. The mutation is
 * what the code did when this model was written.
 */
inline undo_disable()
{
#ifdef MUTATE_DISABLE_UNDONE_ONLY
	disabled--
#else
	lock_irqs();
	enable_once();
	unlock_irqs()
#endif
}

/* ---- worker.c ---- */

inline stop_waiting(w)
{
	if
	:: source[w] -> remove(w)
	:: else
	fi;
	/* The ops' exit. */
	mode[w] = 0;
	kick_event[w] = false
}

inline start_waiting(w)
{
	/* The ops' init: a kick_fd that was written to before shows at once. */
	atomic {
		mode[w] = wanted[w];
		kick_event[w] = (mode[w] == EDGE && kfd[w]);
		kicks_to(w, TO_KFD)
	}
	if
	:: source[w] -> add(w)
	:: else
	fi
}

inline take_off_ready(w)
{
	d_step {
		if
		:: ready[w] ->
			ready[w] = false;
#ifndef MUTATE_READY_FORGOTTEN
			pending = true
#endif
		:: else
		fi
	}
}

inline link_source(w)
{
	d_step {
		source[w] = true;
		if
		:: pending -> ready[w] = true
		:: else
		fi
	}
}

inline run_ready(w)
{
	if
	:: atomic { ready[w] -> ready[w] = false }; serve_vector()
	:: else
	fi
}

inline carry_out(w)
{
	if
	:: what == BARRIER -> done[whose] = true
	:: what == CHANGE ->
		stop_waiting(w);
		wanted[w] = (READING + EDGE) - wanted[w];
		start_waiting(w);
		done[whose] = true
	:: what == STOP -> atomic { stopped[w] = true; done[whose] = true }
	:: what == ADD ->
		add(w);
		atomic {
			link_source(w);
			done[whose] = true
		}
	:: what == REMOVE ->
		remove(w);
		atomic {
			take_off_ready(w);
			source[w] = false;
			done[whose] = true
		}
	:: what == RESUME ->
		/* irq.c: look_at_pending(). */
#ifdef MUTATE_RESUME_LOOKS_FIRST
		if
		:: pending && !disabled -> serve_vector()
		:: else
		fi;
		resume_queued = false
#else
		resume_queued = false;
		if
		:: pending -> serve_vector()
		:: else
		fi
#endif
	:: what == WORK ->
		/* irq.c: udrv_disable_irq() in the vector's own worker, -EDEADLK: undone. */
		disabled++;
		undo_disable();
		done[whose] = true
	fi
}

inline take(w)
{
	d_step {
		do
		:: orders[w]?what,whose -> taken!what,whose
		:: empty(orders[w]) -> break
		od;
		what = 0;
		whose = 0
	}
}

inline serve_orders(w)
{
	do
	:: atomic { len(orders[w]) -> take(w) }
#ifndef MUTATE_NO_LOOK_AGAIN
		d_step { look_now(w) };
#endif
		run_ready(w);
		do
		:: taken?what,whose -> carry_out(w); atomic { what = 0; whose = 0 }
		:: empty(taken) -> break
		od
#ifdef MUTATE_TAKE_ONCE
		;
		break
#endif
	:: len(orders[w]) == 0 -> break
	od;
	run_ready(w)
}

proctype worker(byte w)
{
	chan taken = [4] of { byte, byte };
	byte what, whose, a, begun;
	bool ok, was_first, is_on;

	start_waiting(w);
	atomic { closed[w] = false; started[w] = true }
	run_ready(w);
	/* serve() */
	do
	:: stopped[w] -> break
	:: else ->
end_wait:
		atomic {
			woken(w) -> look_now(w)
		}
		run_ready(w);
		if
		:: len(orders[w]) -> serve_orders(w)
		:: else
		fi
	od;
	/* end() */
	do
	:: atomic { len(orders[w]) == 0 -> closed[w] = true; break }
	:: len(orders[w]) -> serve_orders(w)
	od;
	kicks_to(w, NOWHERE);
	stop_waiting(w);
	take_off_ready(w);
	alive[w] = false
}

/* ---- irq.c, options.c: threads of drivers ---- */

/* udrv__vector_call(): ok: it was carried out. */
inline call(what, me)
{
	atomic {
		lock_idle();
		done[me] = false;
		ok = false;
		if
		:: served -> push_1(worker_of, what, me)
		:: else
		fi
	}
	atomic {
		if
		:: served -> push_2(worker_of, what, me)
		:: else
		fi;
		unlock_irqs()
	}
	if
	:: ok -> done[me]
	:: else
	fi
}

/* worker.c: order(), with w->lock. */
inline order(w, what, me)
{
	atomic { done[me] = false; push_1(w, what, me) }
	atomic { push_2(w, what, me); assert(ok); ok = false }
	done[me]
}

inline attach(w, me)
{
	atomic { !w_lock[w] -> w_lock[w] = true }
	if
	:: sources[w] -> order(w, ADD, me)
	:: else ->
		/* start() */
		d_step {
			stopped[w] = false;
			started[w] = false;
			alive[w] = true;
			open[w] = true;
			kfd[w] = false
		}
		link_source(w);
		run worker(w);
		started[w]
	fi;
	d_step { sources[w]++; w_lock[w] = false }
}

inline detach(w, me)
{
	atomic { !w_lock[w] -> w_lock[w] = true }
	if
	:: sources[w] > 1 -> order(w, REMOVE, me)
	:: else ->
		/* finish() */
		order(w, STOP, me);
		!alive[w];
		d_step { source[w] = false; open[w] = false }
	fi;
	d_step { sources[w]--; w_lock[w] = false }
}

/* end_service(); what is left is dropped. */
inline end_service(me)
{
	detach(worker_of, me);
	served = false;
	d_step { counter = 0; handled = raised }
}

inline through()
{
	users--
}

/* udrv_synchronize_irq(): what was raised before it has been handled. */
proctype synchronizer(byte me)
{
	bool ok, was_first;
	byte before;

	before = raised;
	call(BARRIER, me);
	atomic {
		assert(!ok || level || handled >= before);
		ok = false;
		before = 0;
		through()
	}
}

/* udrv_irq_set_options(), there and back. */
proctype changer(byte me; byte times)
{
	bool ok, was_first;
	byte w;

	do
	:: times == 0 -> break
	:: else ->
		/* get_worker(); udrv__worker_set_options() */
		atomic { times--; !irqs_lock && !busy -> w = worker_of }
		if
		:: atomic { !w_lock[w] -> w_lock[w] = true }
			if
			:: w == 1 /* for one vector only: refused */
			:: w == 0 && sources[0] -> order(0, CHANGE, me)
			:: w == 0 && !sources[0] -> wanted[w] = (READING + EDGE) - wanted[w]
			fi;
			w_lock[w] = false
		:: w_lock[w] /* -EBUSY */
		fi
	od;
	through()
}

proctype disabler(byte me; byte times; bool sync)
{
	bool ok, was_first;

	do
	:: times == 0 -> break
	:: else ->
		/* udrv_disable_irq(), or udrv_disable_irq_nosync() */
		atomic { times--; disabled++ }
		if
		:: sync ->
#ifndef MUTATE_DISABLE_NOSYNC
			call(BARRIER, me);
#endif
			atomic { assert(!running); ok = false; off++ }
		:: else
		fi;
		/* udrv_enable_irq() */
		atomic {
			lock_irqs();
			if
			:: sync -> off--
			:: else
			fi
		}
		enable_once();
		unlock_irqs()
	od;
	through()
}

/* A work function in the vector's worker, which calls udrv_disable_irq(). */
proctype worker_user(byte me)
{
	bool ok, was_first;

	call(WORK, me);
	ok = false;
	through()
}

/* udrv_free_irq(): one of two, then the last one; and udrv_request_irq(). */
proctype freer(byte me)
{
	bool ok, was_first;

	lock_idle();
	head = 2;
	atomic { done[me] = false; push_1(worker_of, BARRIER, me) }
	atomic { push_2(worker_of, BARRIER, me); unlock_irqs() }
#ifndef MUTATE_FREE_NO_BARRIER
	done[me];
#endif
	d_step { ok = false; gone[1] = true }

	atomic { lock_idle(); head = 0; busy = true; unlock_irqs() }
	end_service(me);
	atomic { lock_irqs(); set_idle() }
	unlock_irqs();
	gone[2] = true;

	/* add_first(), begin_service(), chain.c: udrv__chain_begin(). */
	atomic {
		lock_idle();
		pending = false;
		gone[1] = false;
		next_of[1] = 0;
		head = 1;
		busy = true;
		unlock_irqs()
	}
	attach(worker_of, me);
	served = true;
	if
	:: level -> unmask()
	:: else
	fi;
	atomic { lock_irqs(); set_idle() }
	unlock_irqs();
	through()
}

/* options.c: move(), to worker 1 and back. */
proctype mover(byte me; byte times)
{
	bool ok, was_first;
	byte from;

	do
	:: times == 0 -> break
	:: else ->
		atomic {
			times--;
			lock_idle(); /* -EBUSY: the caller tries again */
			from = worker_of;
			busy = true;
			worker_of = 1 - from;
			unlock_irqs()
		}
		detach(from, me);
		attach(1 - from, me);
		atomic { lock_irqs(); set_idle() }
		unlock_irqs()
	od;
	through()
}

proctype device(byte signals)
{
	do
	:: raised < signals -> raise()
	:: true -> break
	od;
	through()
}

/* Nothing moves any more. Threads that hang are found as an invalid end state. */
proctype monitor()
{
	timeout ->
	assert(users || !served || handled == raised);
	assert(users || !served || !masked)
}

/* Which threads there are beside the worker: the device, and one or two more. */
#ifndef FROM
#define FROM 0
#define TO   9
#endif

inline choose_users()
{
	select (pick : FROM .. TO);
	if
	:: pick == 0 -> run device(2); run changer(1, 2); users = 2
	:: pick == 1 -> run device(1); run synchronizer(1); run changer(2, 1)
	:: pick == 2 -> run device(2); run freer(1); users = 2
	:: pick == 3 -> run device(1); run synchronizer(1); run freer(2)
	:: pick == 4 -> run device(1); run disabler(1, 1, true); run changer(2, 1)
	:: pick == 5 -> run device(1); run disabler(1, 2, true); run disabler(2, 1, false)
	:: pick == 6 -> run device(1); run disabler(1, 1, true); run worker_user(2)
	:: else ->
		/* Worker 1 serves somebody else already. */
		atomic { sources[1] = 1; alive[1] = true; open[1] = true }
		run worker(1);
		started[1];
		if
		:: pick == 7 -> run device(1); run synchronizer(1); run mover(2, 2)
		:: pick == 8 -> run device(1); run changer(1, 1); run mover(2, 1)
		:: pick == 9 -> run device(1); run disabler(1, 1, true); run mover(2, 1)
		fi
	fi
}

init
{
	byte pick;

	atomic {
		/* How the worker begins. */
		if
		:: wanted[0] = READING
		:: wanted[0] = EDGE
		fi;
		wanted[1] = EDGE;
		/* A counter that was not read for very long: one more signal looks like a kick. */
		if
		:: wanted[0] == READING -> spin = true
		:: level = true
		:: wanted[0] == READING
		:: wanted[0] == EDGE -> counter = KICK - 1
		fi;
		kick_to[0] = NOWHERE;
		closed[0] = true;
		closed[1] = true;
		head = 1;
		next_of[1] = 2;
		served = true;
		sources[0] = 1;
		alive[0] = true;
		source[0] = true;
		open[0] = true;
		users = 3;
		run worker(0);
		started[0];
	}
	atomic {
		choose_users();
		run monitor()
	}
}

// SPDX-License-Identifier: MIT
/*
 * Orders: what other threads want of a worker. They are pushed to a list, without a lock; whoever
 * finds it empty kicks the worker, so one kick stands for all orders until the worker takes the
 * list. It takes them between two runs of chains, then looks once more for signals and handles
 * those, and then carries the orders out. So when an order is carried out, all that was signalled
 * before it was pushed has been handled.
 */
#include <errno.h>
#include <unistd.h>

#include <udrv/container_of.h>

#include "irq/irq.h"

/* The list of a worker that has no thread. */
static struct udrv__order closed;

static void kick(struct udrv__irq_worker *w)
{
	pthread_mutex_lock(&w->kick_lock);
	/* Cannot fail: the counter would have to be at its maximum. */
	if (w->kick_to >= 0)
		(void)!write(w->kick_to, &w->kick, sizeof(w->kick));
	pthread_mutex_unlock(&w->kick_lock);
}

void udrv__kicks_to(struct udrv__irq_worker *w, int fd, uint64_t value)
{
	pthread_mutex_lock(&w->kick_lock);
	w->kick_to = fd;
	w->kick = value;
	pthread_mutex_unlock(&w->kick_lock);
}

bool udrv__order_push(struct udrv__irq_worker *w, struct udrv__order *order)
{
	struct udrv__order *head = __atomic_load_n(&w->orders, __ATOMIC_RELAXED);

	do {
		if (head == &closed)
			return false;
		order->next = head;
	} while (!__atomic_compare_exchange_n(&w->orders, &head, order, true, __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED));
	if (!head)
		kick(w);
	return true;
}

static void run_awaited(struct udrv__irq_worker *w, struct udrv__order *order)
{
	struct udrv__awaited *a = udrv_container_of(order, struct udrv__awaited, order);

	a->result = a->fn(w, a->arg);
	udrv_complete(&a->done);
}

bool udrv__awaited_push(struct udrv__irq_worker *w, struct udrv__awaited *a)
{
	a->order.run = run_awaited;
	udrv_init_completion(NULL, &a->done);
	return udrv__order_push(w, &a->order);
}

int udrv__awaited_wait(struct udrv__awaited *a)
{
	(void)udrv_wait_for_completion(&a->done);
	return a->result;
}

struct udrv__order *udrv__orders_reverse(struct udrv__order *list)
{
	struct udrv__order *reversed = NULL;

	while (list) {
		struct udrv__order *next = list->next;

		list->next = reversed;
		reversed = list;
		list = next;
	}
	return reversed;
}

struct udrv__order *udrv__orders_take(struct udrv__irq_worker *w)
{
	return udrv__orders_reverse(__atomic_exchange_n(&w->orders, NULL, __ATOMIC_SEQ_CST));
}

bool udrv__orders_close(struct udrv__irq_worker *w)
{
	struct udrv__order *none = NULL;

	return __atomic_compare_exchange_n(&w->orders, &none, &closed, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_RELAXED);
}

void udrv__orders_open(struct udrv__irq_worker *w, bool open)
{
	__atomic_store_n(&w->orders, open ? NULL : &closed, __ATOMIC_SEQ_CST);
}

// SPDX-License-Identifier: MIT
/* Timers in jiffies. */
#include "sched/clock.h"
#include "sched/timer_base.h"

void udrv__timer_fire(struct udrv__timer *t)
{
	struct udrv_timer_list *timer = udrv_container_of(t, struct udrv_timer_list, node);

	timer->function(timer);
}

void udrv_timer_setup(struct udrv_timer_list *timer,
		      void (*callback)(struct udrv_timer_list *timer), unsigned int flags)
{
	*timer = (struct udrv_timer_list){
		.node = {.fire = udrv__timer_fire},
		.function = callback,
		.flags = flags,
	};
}

static int arm(struct udrv_timer_list *timer, unsigned long expires, enum udrv__arm how)
{
	__atomic_store_n(&timer->expires, expires, __ATOMIC_RELAXED);
	return udrv__timer_arm(&timer->node, udrv__jiffies_ns(expires), how);
}

int udrv_mod_timer(struct udrv_timer_list *timer, unsigned long expires)
{
	return arm(timer, expires, UDRV__ARM);
}

int udrv_mod_timer_pending(struct udrv_timer_list *timer, unsigned long expires)
{
	return arm(timer, expires, UDRV__ARM_PENDING);
}

int udrv_timer_reduce(struct udrv_timer_list *timer, unsigned long expires)
{
	return arm(timer, expires, UDRV__ARM_EARLIER);
}

void udrv_add_timer(struct udrv_timer_list *timer)
{
	(void)arm(timer, timer->expires, UDRV__ARM);
}

int udrv_timer_delete(struct udrv_timer_list *timer)
{
	return udrv__timer_disarm(&timer->node, false);
}

int udrv_try_to_del_timer_sync(struct udrv_timer_list *timer)
{
	return udrv__timer_disarm(&timer->node, true);
}

int udrv_timer_delete_sync(struct udrv_timer_list *timer)
{
	return udrv__timer_disarm_sync(&timer->node);
}

int udrv_timer_shutdown(struct udrv_timer_list *timer)
{
	udrv__timer_shut(&timer->node);
	return udrv_timer_delete(timer);
}

int udrv_timer_shutdown_sync(struct udrv_timer_list *timer)
{
	udrv__timer_shut(&timer->node);
	return udrv_timer_delete_sync(timer);
}

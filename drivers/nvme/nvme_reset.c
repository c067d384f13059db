// SPDX-License-Identifier: MIT
/*
 * Resets: the controller is made to reach no memory any more, by the mildest means that work, and
 * initialised again; or it is given up. NVM Express 1.4, 7.3, 9.6.2.
 */
#include <errno.h>
#include <string.h>

#include <udrv/container_of.h>
#include <udrv/pci.h>

#include "nvme_ctrl.h"

#define TRIES 3

/* 8.13: boot partitions are read whether it is enabled or not. */
static int stop(struct udrv_nvme *nvme)
{
	const int ret = nvme_disable(nvme);

	if (ret || !nvme_boot_is_read(nvme))
		return ret;
	udrv_dev_warn(nvme->dev, "a boot partition is read, which disabling does not end");
	return -ETIMEDOUT;
}

/* By disabling it; by a reset of the function; at last it may not master the bus any more. */
int nvme_quiet(struct udrv_nvme *nvme)
{
	const int ret = stop(nvme);

	if (!ret)
		return 0;
	if (ret != -ENODEV && !udrv_pci_reset_function(nvme->dev)) {
		udrv_dev_warn(nvme->dev, "its function was reset");
		/* 9.6.2: everything begins anew, so do bus mastering and the vectors' table. */
		if (!udrv_pci_set_master(nvme->dev) && !stop(nvme))
			return 0;
	}
	(void)udrv_pci_clear_master(nvme->dev);
	return ret;
}

void nvme_set_state(struct udrv_nvme *nvme, enum nvme_state state)
{
	pthread_mutex_lock(&nvme->state_lock);
	nvme->state = state;
	pthread_cond_broadcast(&nvme->state_changed);
	pthread_mutex_unlock(&nvme->state_lock);
}

int nvme_await_live(struct udrv_nvme *nvme)
{
	enum nvme_state state;

	pthread_mutex_lock(&nvme->state_lock);
	while (nvme->state == NVME_RESETTING)
		pthread_cond_wait(&nvme->state_changed, &nvme->state_lock);
	state = nvme->state;
	pthread_mutex_unlock(&nvme->state_lock);
	if (state == NVME_LIVE)
		return 0;
	return udrv_device_gone(nvme->dev) ? -ENODEV : -EIO;
}

/*
 * False: another one was begun before, or never is. With the lock it is begun and queued: a detach
 * forbids it, or finds it.
 */
static bool want(struct udrv_nvme *nvme, const char *why, enum nvme_asked asked)
{
	bool begun;

	pthread_mutex_lock(&nvme->state_lock);
	begun = nvme->state == NVME_LIVE && !nvme->detaching;
	if (begun) {
		nvme->state = NVME_RESETTING;
		nvme->asked = asked;
		if (why)
			udrv_dev_warn(nvme->dev, "resetting the %s: %s",
				      asked == NVME_ASKED_SUBSYSTEM ? "NVM subsystem"
								    : "controller",
				      why);
		(void)udrv_queue_work(nvme->wq, &nvme->reset_work);
	}
	pthread_mutex_unlock(&nvme->state_lock);
	return begun;
}

void nvme_want_reset(struct udrv_nvme *nvme, const char *why)
{
	(void)want(nvme, why, NVME_NOT_ASKED);
}

/* Nobody is in a queue when it returns, or will be, until thaw(). */
static void freeze(struct udrv_nvme *nvme)
{
	pthread_mutex_lock(&nvme->queues_lock);
	nvme->attention = NVME_Q_FROZEN;
	for (unsigned int qid = 1; qid <= NVME_QUEUES_MAX; qid++)
		if (nvme->queues[qid])
			nvme_queue_freeze(nvme->queues[qid], NVME_Q_FROZEN);
	pthread_mutex_unlock(&nvme->queues_lock);
}

/* Queues that the controller grants no more end. */
static void thaw(struct udrv_nvme *nvme, uint32_t bits)
{
	pthread_mutex_lock(&nvme->queues_lock);
	nvme->attention = bits & NVME_Q_DEAD;
	for (unsigned int qid = 1; qid <= NVME_QUEUES_MAX; qid++)
		if (nvme->queues[qid])
			nvme_queue_thaw(nvme->queues[qid],
					qid <= nvme->queues_max ? bits : NVME_Q_DEAD);
	pthread_mutex_unlock(&nvme->queues_lock);
}

static int restart(struct udrv_nvme *nvme)
{
	int ret = udrv_pci_set_master(nvme->dev);

	if (!ret)
		ret = nvme_enable(nvme);
	if (ret)
		return ret;
	nvme_admin_open(nvme);
	return nvme_initialise(nvme);
}

/* It is quiet, and the queues are frozen. What fails leaves it quiet, or *hopeless. */
static int try_restart(struct udrv_nvme *nvme, bool *hopeless)
{
	int ret;

	pthread_mutex_lock(&nvme->config_lock);
	ret = restart(nvme);
	if (ret) {
		nvme_admin_close(nvme);
		*hopeless = nvme_quiet(nvme);
		nvme_admin_cancel(nvme);
	}
	pthread_mutex_unlock(&nvme->config_lock);
	return ret;
}

static void revive(struct udrv_nvme *nvme)
{
	__atomic_fetch_add(&nvme->resets, 1, __ATOMIC_RELAXED);
	thaw(nvme, NVME_Q_RESEND | (nvme->asked ? NVME_Q_INNOCENT : 0));
	nvme_set_state(nvme, NVME_LIVE);
	nvme_admin_listen(nvme);
	udrv_dev_notice(nvme->dev, "the controller works again");
	nvme_tell_later(nvme, UDRV_NVME_EVENT_RESET);
}

static void bury(struct udrv_nvme *nvme, int why)
{
	nvme_set_state(nvme, NVME_DEAD);
	thaw(nvme, NVME_Q_DEAD);
	udrv_dev_err(nvme->dev, "the controller was given up: %s",
		     why == -ENODEV ? "it is gone" : strerror(-why));
	nvme_tell_later(nvme, UDRV_NVME_EVENT_DEAD);
}

/*
 * It reaches no memory, and no command is its own any more: whatever becomes of the subsystem, it
 * becomes of none of them. 0 if it can be enabled again.
 */
static int reset_subsystem(struct udrv_nvme *nvme)
{
	const int ret = nvme_subsystem_reset(nvme);

	__atomic_store_n(&nvme->subsystem_ret, ret, __ATOMIC_RELAXED);
	return ret && ret != -EPROTO ? ret : nvme_quiet(nvme);
}

/* The state is NVME_RESETTING already. */
void nvme_reset_work(struct udrv_work_struct *work)
{
	struct udrv_nvme *nvme = udrv_container_of(work, struct udrv_nvme, reset_work);
	bool hopeless;
	int ret;

	freeze(nvme);
	nvme_admin_close(nvme);
	/* What is in its cache is written back first. */
	if (nvme->asked == NVME_ASKED_SUBSYSTEM)
		(void)nvme_shut_down(nvme);
	ret = nvme_quiet(nvme);
	nvme_admin_cancel(nvme);
	if (nvme->asked == NVME_ASKED_SUBSYSTEM && ret != -ENODEV)
		ret = reset_subsystem(nvme);
	hopeless = ret;
	for (int i = 0; i < TRIES && !hopeless; i++) {
		ret = udrv_device_gone(nvme->dev) ? -ENODEV : try_restart(nvme, &hopeless);
		if (!ret || ret == -ENODEV || ret == -ECANCELED)
			break;
	}
	if (ret)
		bury(nvme, ret);
	else
		revive(nvme);
}

static int reset_now(struct udrv_nvme *nvme, enum nvme_asked how)
{
	unsigned int before;
	bool begun;
	int ret;

	if (nvme_in_callback())
		return -EDEADLK;
	do {
		ret = nvme_await_live(nvme);
		if (ret)
			return ret;
		before = __atomic_load_n(&nvme->resets, __ATOMIC_RELAXED);
		begun = want(nvme, "asked for", how);
		/* One of the controller that is under way already does as well. */
	} while (!begun && how == NVME_ASKED_SUBSYSTEM &&
		 !__atomic_load_n(&nvme->detaching, __ATOMIC_SEQ_CST));
	ret = nvme_await_live(nvme);
	if (!ret && __atomic_load_n(&nvme->resets, __ATOMIC_RELAXED) == before)
		ret = -EIO;
	return ret;
}

int udrv_nvme_reset(struct udrv_nvme *nvme)
{
	return reset_now(nvme, NVME_ASKED);
}

int udrv_nvme_subsystem_reset(struct udrv_nvme *nvme)
{
	int ret;

	if (!NVME_CAP_NSSRS(nvme->cap))
		return -EOPNOTSUPP;
	ret = reset_now(nvme, NVME_ASKED_SUBSYSTEM);
	return ret ? ret : __atomic_load_n(&nvme->subsystem_ret, __ATOMIC_RELAXED);
}

/* Those who sleep look at the time now and then; a device that is gone, or stuck, is noticed. */
void nvme_tick_work(struct udrv_work_struct *work)
{
	struct udrv_delayed_work *dwork = udrv_container_of(work, struct udrv_delayed_work, work);
	struct udrv_nvme *nvme = udrv_container_of(dwork, struct udrv_nvme, tick_work);
	const uint32_t status = nvme_read32(nvme, NVME_REG_CSTS);

	/* One that is gone is given up, and that is said. */
	if (udrv_device_gone(nvme->dev))
		nvme_want_reset(nvme, NULL);
	else if (status == UINT32_MAX)
		nvme_want_reset(nvme, "its registers read as ones");
	else if (status & NVME_CSTS_CFS)
		nvme_want_reset(nvme, "it reports a fatal status");
	(void)nvme_is_paused(nvme, nvme_clock());
	nvme_admin_look(nvme);
	pthread_mutex_lock(&nvme->queues_lock);
	for (unsigned int qid = 1; qid <= NVME_QUEUES_MAX; qid++) {
		const struct udrv_nvme_queue *q = nvme->queues[qid];

		if (q && __atomic_load_n(&q->sleeping, __ATOMIC_RELAXED))
			nvme_queue_wake(nvme->queues[qid]);
	}
	pthread_mutex_unlock(&nvme->queues_lock);
	if (!__atomic_load_n(&nvme->detaching, __ATOMIC_SEQ_CST))
		(void)udrv_queue_delayed_work(nvme->wq, dwork, NVME_TICK_MS * UDRV_HZ / 1000);
}

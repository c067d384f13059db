// SPDX-License-Identifier: MIT
/* The admin queue: NVM Express 1.4, 5. One for all threads, under a lock. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/delay.h>
#include <udrv/ktime.h>

#include "nvme_ctrl.h"

#define LOOK_MS	   100 /* between two looks at the queue, in case an interrupt was lost */
#define LOOK_US	   50  /* likewise, without interrupts */
#define EVENTS_MAX (sizeof(((struct udrv_nvme *)NULL)->events) / sizeof(uint32_t))

__thread unsigned int nvme_callbacks;

/* A command that somebody waits for. */
struct waiter {
	struct udrv_completion done;
	uint32_t status, dw0;
};

static void wake_waiter(void *ctx, uint32_t status, uint32_t dw0)
{
	struct waiter *w = ctx;

	w->status = status;
	w->dw0 = dw0;
	udrv_complete(&w->done);
}

int nvme_admin_init(struct udrv_nvme *nvme)
{
	int ret;

	nvme->admin = nvme_zalloc(sizeof(*nvme->admin));
	if (!nvme->admin)
		return -ENOMEM;
	ret = nvme_queue_init(nvme->admin, nvme, 0, NVME_ADMIN_ENTRIES);
	if (ret) {
		free(nvme->admin);
		nvme->admin = NULL;
		return ret;
	}
	return 0;
}

void nvme_admin_exit(struct udrv_nvme *nvme)
{
	if (!nvme->admin)
		return;
	nvme_queue_exit(nvme->admin);
	free(nvme->admin);
	nvme->admin = NULL;
}

void nvme_admin_open(struct udrv_nvme *nvme)
{
	pthread_mutex_lock(&nvme->admin_lock);
	nvme->admin_works = true;
	pthread_mutex_unlock(&nvme->admin_lock);
}

void nvme_admin_close(struct udrv_nvme *nvme)
{
	pthread_mutex_lock(&nvme->admin_lock);
	nvme->admin_works = false;
	pthread_mutex_unlock(&nvme->admin_lock);
}

void nvme_admin_cancel(struct udrv_nvme *nvme)
{
	struct udrv_nvme_queue *q = nvme->admin;

	pthread_mutex_lock(&nvme->admin_lock);
	nvme->admin_works = false;
	(void)nvme_end_all(q, NVME_SC_HOST_ABORTED, NVME_SC_HOST_PATHING);
	nvme_queue_rewind(q);
	nvme_queue_clear(q);
	pthread_mutex_unlock(&nvme->admin_lock);
}

void nvme_admin_look(struct udrv_nvme *nvme)
{
	pthread_mutex_lock(&nvme->admin_lock);
	if (nvme->admin_works)
		(void)udrv_nvme_poll(nvme->admin, 0);
	pthread_mutex_unlock(&nvme->admin_lock);
}

udrv_irqreturn_t nvme_admin_interrupt(int irq, void *ctx)
{
	(void)irq;
	nvme_admin_look(ctx);
	return UDRV_IRQ_HANDLED;
}

/* Put and send. admin_lock. */
static int send(struct udrv_nvme *nvme, const struct nvme_sqe *sqe, const struct nvme_data *data,
		udrv_nvme_done_t done, void *ctx)
{
	int ret;

	if (!nvme->admin_works)
		return -EIO;
	ret = nvme_put_sqe(nvme->admin, sqe, data, NVME_T_ONCE, done, ctx);
	if (!ret)
		udrv_nvme_submit(nvme->admin);
	return ret;
}

/* A full queue has room soon: its commands end, or are cancelled. */
static int send_when_there_is_room(struct udrv_nvme *nvme, const struct nvme_sqe *sqe,
				   const struct nvme_data *data, struct waiter *w)
{
	int ret;

	do {
		pthread_mutex_lock(&nvme->admin_lock);
		ret = send(nvme, sqe, data, wake_waiter, w);
		pthread_mutex_unlock(&nvme->admin_lock);
		if (ret == -EAGAIN) {
			nvme_admin_look(nvme);
			udrv_usleep_range(LOOK_US, 2 * LOOK_US);
		}
	} while (ret == -EAGAIN);
	return ret;
}

/* Nothing will come of it any more: 3.1.6. */
static bool is_hopeless(const struct udrv_nvme *nvme)
{
	const uint32_t status = nvme_read32(nvme, NVME_REG_CSTS);

	return udrv_device_gone(nvme->dev) || status == UINT32_MAX || status & NVME_CSTS_CFS;
}

/*
 * Until it is done; false: the time is over, or it is known to be in vain. While the controller
 * takes no commands it is nobody's fault: the time begins anew.
 */
static bool wait_for(struct udrv_nvme *nvme, struct waiter *w, unsigned int timeout_ms)
{
	const int64_t timeout = (int64_t)timeout_ms * 1000000;
	udrv_ktime_t end = udrv_ktime_get() + timeout;

	for (;;) {
		bool last = udrv_ktime_get() > end;

		if (nvme->vectors) {
			if (udrv_wait_for_completion_timeout(&w->done, LOOK_MS) > 0)
				return true;
		} else if (!udrv_completion_done(&w->done)) {
			udrv_usleep_range(LOOK_US, 2 * LOOK_US);
		}
		nvme_admin_look(nvme);
		if (udrv_try_wait_for_completion(&w->done))
			return true;
		if (last && nvme_is_paused(nvme, nvme_clock())) {
			end = udrv_ktime_get() + timeout;
			last = false;
		}
		/* A reset makes it so, too, and has ended the command before. */
		if (last || is_hopeless(nvme))
			return udrv_try_wait_for_completion(&w->done);
	}
}

/* Whoever resets ends it himself; for everybody else somebody does. */
static void give_up_waiting(struct udrv_nvme *nvme, struct waiter *w, const struct nvme_sqe *sqe,
			    bool own)
{
	udrv_dev_err(nvme->dev, "admin command 0x%02x does not end", sqe->opcode);
	__atomic_fetch_add(&nvme->timeouts, 1, __ATOMIC_RELAXED);
	if (own) {
		nvme_admin_close(nvme);
		(void)nvme_quiet(nvme);
		nvme_admin_cancel(nvme);
	}
	/* Asked for again, as a reset that is just ending does not count. */
	while (udrv_wait_for_completion_timeout(&w->done, LOOK_MS) <= 0)
		nvme_want_reset(nvme, "an admin command that does not end");
}

static int run_waited(struct udrv_nvme *nvme, const struct nvme_sqe *sqe,
		      const struct nvme_data *data, unsigned int timeout_ms, bool own,
		      struct waiter *w)
{
	int ret;

	udrv_init_completion(NULL, &w->done);
	ret = send_when_there_is_room(nvme, sqe, data, w);
	if (ret) {
		pthread_mutex_lock(&nvme->admin_lock);
		nvme_data_unmap(nvme->admin, data);
		pthread_mutex_unlock(&nvme->admin_lock);
		return ret;
	}
	if (!wait_for(nvme, w, timeout_ms)) {
		give_up_waiting(nvme, w, sqe, own);
		ret = udrv_device_gone(nvme->dev) ? -ENODEV : -ETIMEDOUT;
	}
	return ret;
}

/* A status that the host gave itself is no answer. */
static int result_of(const struct udrv_nvme *nvme, const struct waiter *w)
{
	if (w->status == NVME_SC_HOST_ABORTED || w->status == NVME_SC_HOST_PATHING)
		return udrv_device_gone(nvme->dev) ? -ENODEV : -EIO;
	return (int)w->status;
}

int nvme_admin_run_for(struct udrv_nvme *nvme, const struct nvme_sqe *cmd, void *buf, size_t len,
		       uint32_t *result, bool own, unsigned int timeout_ms)
{
	const bool writes = NVME_OPCODE_FROM_DEVICE(cmd->opcode);
	struct nvme_sqe sqe = *cmd;
	struct nvme_data data = {0};
	struct iovec iov = {NULL, len};
	udrv_iova_t iova;
	struct waiter w;
	int ret = 0;

	if (own && __atomic_load_n(&nvme->detaching, __ATOMIC_SEQ_CST))
		return -ECANCELED;
	/* Through memory of our own: what was not transferred reads as zeroes. */
	if (len) {
		iov.iov_base = udrv_dma_alloc_coherent(nvme->dev, len, &iova, UDRV_GFP_KERNEL);
		if (!iov.iov_base)
			return -ENOMEM;
		if (!writes)
			memcpy(iov.iov_base, buf, len);
		pthread_mutex_lock(&nvme->admin_lock);
		ret = nvme_data_map(nvme->admin, &sqe, &iov, 1, NULL, 0, &data);
		pthread_mutex_unlock(&nvme->admin_lock);
	}
	if (!ret)
		ret = run_waited(nvme, &sqe, &data, timeout_ms, own, &w);
	if (!ret)
		ret = result_of(nvme, &w);
	if (!ret && len && writes)
		memcpy(buf, iov.iov_base, len);
	if (!ret && result)
		*result = w.dw0;
	if (len)
		udrv_dma_free_coherent(nvme->dev, len, iov.iov_base, iova);
	return ret;
}

int nvme_admin_run(struct udrv_nvme *nvme, const struct nvme_sqe *cmd, void *buf, size_t len,
		   uint32_t *result, bool own)
{
	return nvme_admin_run_for(nvme, cmd, buf, len, result, own, nvme->options.admin_timeout_ms);
}

int nvme_admin_identify(struct udrv_nvme *nvme, unsigned int cns, uint32_t nsid, void *buf,
			bool own)
{
	const struct nvme_sqe sqe = {.opcode = NVME_ADMIN_IDENTIFY, .nsid = nsid, .cdw10 = cns};

	return nvme_admin_run(nvme, &sqe, buf, NVME_IDENTIFY_SIZE, NULL, own);
}

/* Aborting: 5.1. The command's own completion says what came of it. */

static void abort_done(void *ctx, uint32_t status, uint32_t dw0)
{
	struct udrv_nvme *nvme = ctx;

	(void)status;
	(void)dw0;
	nvme->aborts_in_flight--;
}

void nvme_admin_abort(struct udrv_nvme *nvme, uint16_t qid, uint16_t cid)
{
	const struct nvme_sqe sqe = {.opcode = NVME_ADMIN_ABORT,
				     .cdw10 = (uint32_t)cid << 16 | qid};
	const struct nvme_data none = {0};

	pthread_mutex_lock(&nvme->admin_lock);
	if (nvme->aborts_in_flight < nvme->aborts_max &&
	    !send(nvme, &sqe, &none, abort_done, nvme)) {
		nvme->aborts_in_flight++;
		__atomic_fetch_add(&nvme->aborts, 1, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&nvme->admin_lock);
}

/* Events: 5.2. */

static void event_done(void *ctx, uint32_t status, uint32_t dw0)
{
	struct udrv_nvme *nvme = ctx;

	nvme->aers_in_flight--;
	/* Refused or cancelled: it is not asked again before the next reset. */
	if (status)
		return;
	if (nvme->event_count < EVENTS_MAX)
		nvme->events[nvme->event_count++] = dw0;
	if (!__atomic_load_n(&nvme->detaching, __ATOMIC_SEQ_CST))
		(void)udrv_queue_work(nvme->event_wq, &nvme->event_work);
}

void nvme_admin_listen(struct udrv_nvme *nvme)
{
	const struct nvme_sqe sqe = {.opcode = NVME_ADMIN_ASYNC_EVENT};
	const struct nvme_data none = {0};
	unsigned int most = nvme_id(nvme)->aerl + 1u;

	if (most > NVME_AERS_MAX)
		most = NVME_AERS_MAX;
	pthread_mutex_lock(&nvme->admin_lock);
	while (nvme->aers_in_flight < most && !send(nvme, &sqe, &none, event_done, nvme))
		nvme->aers_in_flight++;
	pthread_mutex_unlock(&nvme->admin_lock);
}

// SPDX-License-Identifier: MIT
/* I/O queue pairs: making, deleting, and waiting. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <udrv/ktime.h>

#include "nvme_ctrl.h"

#define ENTRIES_DEFAULT 256u
#define ENTRIES_MIN	4u
#define ENTRIES_MAX	1024u /* so that a command's number has 6 bits of generation */

/* Adaptive: a wait that is expected to be longer does not begin with looking. */
#define SPIN_MAX_NS  100000
#define SPIN_LOOK_NS 200000 /* now and then, to see whether that has changed */
#define SPIN_RETRY   32u

/* 3.1.1, MQES */
unsigned int nvme_most_entries(const struct udrv_nvme *nvme)
{
	unsigned int entries = ENTRIES_MAX;

	while (entries > NVME_CAP_MQES(nvme->cap) + 1)
		entries /= 2;
	return entries;
}

static int choose_entries(const struct udrv_nvme *nvme, unsigned int wanted)
{
	const unsigned int most = nvme_most_entries(nvme);
	unsigned int entries = wanted ? wanted : ENTRIES_DEFAULT;

	if (entries & (entries - 1) || entries < ENTRIES_MIN || entries > ENTRIES_MAX)
		return -EINVAL;
	return (int)(entries < most ? entries : most);
}

/* Interrupts by a vector of its own; without one it is polled. */
static void take_vector(struct udrv_nvme *nvme, struct udrv_nvme_queue *q)
{
	int fd;

	if (q->completion == UDRV_NVME_POLLED)
		return;
	if (q->qid >= nvme->vectors) {
		udrv_dev_info(nvme->dev, "queue %u has no interrupt vector: it is polled", q->qid);
		q->completion = UDRV_NVME_POLLED;
		return;
	}
	fd = udrv_request_irq_fd(nvme->dev, udrv_pci_irq_vector(nvme->dev, q->qid), "nvme", q);
	if (fd < 0) {
		udrv_dev_info(nvme->dev, "queue %u has no interrupt: it is polled", q->qid);
		q->completion = UDRV_NVME_POLLED;
		return;
	}
	q->irq_taken = true;
	q->vector = q->qid;
	q->efd = fd;
}

static void give_vector(struct udrv_nvme_queue *q)
{
	if (q->irq_taken)
		(void)udrv_free_irq(q->dev, q->vector, q);
	q->irq_taken = false;
}

/* config_lock: a number that is free, or -EMFILE. */
static int free_qid(const struct udrv_nvme *nvme)
{
	for (unsigned int qid = 1; qid <= nvme->queues_max; qid++)
		if (!nvme->queues[qid])
			return (int)qid;
	return -EMFILE;
}

/* Resets know it from now on; one that has begun meanwhile thaws it. NULL: it was known. */
static void show(struct udrv_nvme *nvme, uint16_t qid, struct udrv_nvme_queue *q)
{
	pthread_mutex_lock(&nvme->queues_lock);
	nvme->queues[qid] = q;
	__atomic_add_fetch(&nvme->queues_made, q ? 1u : -1u, __ATOMIC_RELAXED);
	if (q)
		q->attention = nvme->attention;
	pthread_mutex_unlock(&nvme->queues_lock);
}

/*
 * Unlike udrv_may_spin(), also in a process that keeps to one CPU: a device needs none of it. Where
 * the machine has one, the device may be emulated on it; a model in the process is, and costs a
 * few waits until that is learned.
 */
static bool may_spin(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) > 1;
}

/* config_lock. */
static int make(struct udrv_nvme *nvme, const struct udrv_nvme_queue_options *options,
		struct udrv_nvme_queue *q)
{
	const int entries = choose_entries(nvme, options->entries);
	const int qid = free_qid(nvme);
	int ret;

	if (entries < 0 || qid < 0)
		return entries < 0 ? entries : qid;
	if ((unsigned int)options->priority > UDRV_NVME_LOW)
		return -EINVAL;
	if (nvme->formatting)
		return -EBUSY;
	ret = nvme_queue_init(q, nvme, (uint16_t)qid, (unsigned int)entries);
	if (ret)
		return ret;
	q->completion = options->completion;
	q->priority = (uint8_t)options->priority;
	nvme_cmb_take(nvme, q);
	q->may_spin = may_spin();
	take_vector(nvme, q);
	ret = nvme_queue_tell(nvme, q, false);
	if (!ret)
		show(nvme, q->qid, q);
	return ret;
}

/* What could not be made. A controller that is being reset may know its memory until that is over.
 */
static void discard(struct udrv_nvme *nvme, struct udrv_nvme_queue *q)
{
	if (q->put.sq) {
		(void)nvme_await_live(nvme);
		give_vector(q);
		nvme_queue_exit(q);
	}
	free(q);
}

int udrv_nvme_queue_create(struct udrv_nvme *nvme, const struct udrv_nvme_queue_options *options,
			   struct udrv_nvme_queue **q_out)
{
	static const struct udrv_nvme_queue_options defaults;
	struct udrv_nvme_queue *q;
	int ret = nvme_in_callback() ? -EDEADLK : nvme_await_live(nvme);

	if (ret)
		return ret;
	q = nvme_zalloc(sizeof(*q));
	if (!q)
		return -ENOMEM;
	pthread_mutex_lock(&nvme->config_lock);
	ret = make(nvme, options ? options : &defaults, q);
	pthread_mutex_unlock(&nvme->config_lock);
	if (ret)
		discard(nvme, q);
	else
		*q_out = q;
	return ret;
}

/* Takes no more. */
static void refuse(struct udrv_nvme_queue *q)
{
	q->refuse = -ESHUTDOWN;
	q->depth = 0;
	nvme_be_slow(q);
}

/* What was completed before the submission queue went is told as it was. */
static void drain(struct udrv_nvme_queue *q)
{
	if (!nvme_enter(q))
		return;
	if (nvme_has_completion(q)) {
		nvme_callbacks_begin();
		(void)nvme_reap(q, 0);
		nvme_callbacks_end();
		nvme_ring_cq(q);
	}
	nvme_leave(q);
}

/* 5.6, then 5.5. If the controller does not answer, a reset makes it forget the queue. */
static bool delete (struct udrv_nvme *nvme, struct udrv_nvme_queue *q)
{
	struct nvme_sqe sqe = {.opcode = NVME_ADMIN_DELETE_SQ, .cdw10 = q->qid};
	int ret = nvme_admin_run(nvme, &sqe, NULL, 0, NULL, false);

	if (!ret) {
		drain(q);
		sqe.opcode = NVME_ADMIN_DELETE_CQ;
		ret = nvme_admin_run(nvme, &sqe, NULL, 0, NULL, false);
	}
	if (ret > 0) {
		udrv_dev_err(nvme->dev, "queue %u cannot be deleted: %s", q->qid,
			     udrv_nvme_status_text((uint32_t)ret));
		nvme_want_reset(nvme, "a queue that cannot be deleted");
	}
	return !ret;
}

/*
 * The controller must not reach its memory any more: it has deleted the queue, or was made quiet
 * and initialised without it. Under config_lock no reset initialises, so that order holds.
 */
void udrv_nvme_queue_destroy(struct udrv_nvme_queue *q)
{
	struct udrv_nvme *nvme;
	uint32_t sent;

	if (!q)
		return;
	nvme = q->nvme;
	if (nvme_in_callback()) {
		udrv_dev_err(nvme->dev, "queue %u destroyed in a callback: left alone", q->qid);
		return;
	}
	refuse(q);
	pthread_mutex_lock(&nvme->config_lock);
	show(nvme, q->qid, NULL);
	sent = delete (nvme, q) ? NVME_SC_ABORT_SQ_DELETED : NVME_SC_HOST_ABORTED;
	pthread_mutex_unlock(&nvme->config_lock);
	/* Live again, or quiet for ever. */
	(void)nvme_await_live(nvme);
	(void)nvme_end_all(q, sent, NVME_SC_ABORT_SQ_DELETED);
	give_vector(q);
	nvme_queue_exit(q);
	free(q);
}

unsigned int udrv_nvme_queue_depth(const struct udrv_nvme_queue *q)
{
	return q->put.mask;
}

unsigned int udrv_nvme_in_flight(const struct udrv_nvme_queue *q)
{
	return nvme_in_flight(q);
}

int udrv_nvme_event_fd(const struct udrv_nvme_queue *q)
{
	return q->efd >= 0 ? q->efd : -EOPNOTSUPP;
}

/* Is there a completion? Entered for it: who resets writes the ring. */
static bool look(struct udrv_nvme_queue *q)
{
	bool found;

	if (!nvme_enter(q))
		return false;
	found = nvme_has_completion(q);
	nvme_leave(q);
	return found;
}

/* Whoever sleeps polls seldom: the next poll looks at the time, if it finds nothing. */
static void look_at_time_next(struct udrv_nvme_queue *q)
{
	q->idle |= NVME_IDLE_POLLS - 1;
}

/*
 * First what was signalled is forgotten, then all is looked at: what comes after that, a completion
 * or the end of a reset, is signalled again.
 */
bool udrv_nvme_arm(struct udrv_nvme_queue *q)
{
	uint64_t count;
	const struct iovec iov = {&count, sizeof(count)};
	uint32_t attention;

	look_at_time_next(q);
	if (q->efd >= 0)
		(void)!preadv2(q->efd, &iov, 1, -1, RWF_NOWAIT);
	attention = __atomic_load_n(&q->attention, __ATOMIC_ACQUIRE);
	if (!attention)
		return look(q);
	/* The end of a reset is signalled; of what is dead, nothing will come once all has ended.
	 */
	return attention & NVME_Q_RESEND || (attention & NVME_Q_DEAD && nvme_in_flight(q));
}

void udrv_nvme_wake(struct udrv_nvme_queue *q)
{
	__atomic_store_n(&q->woken, 1, __ATOMIC_SEQ_CST);
	nvme_queue_wake(q);
}

static bool was_woken(struct udrv_nvme_queue *q)
{
	return __atomic_load_n(&q->woken, __ATOMIC_RELAXED) &&
	       __atomic_exchange_n(&q->woken, 0, __ATOMIC_SEQ_CST);
}

/* For a time in ns, or less if something happens. */
static bool spin(struct udrv_nvme_queue *q, int64_t ns)
{
	const udrv_ktime_t end = udrv_ktime_get() + ns;

	do {
		for (unsigned int i = 0; i < 32; i++) {
			if (look(q) ||
			    __atomic_load_n(&q->attention, __ATOMIC_RELAXED) & ~NVME_Q_FROZEN ||
			    __atomic_load_n(&q->woken, __ATOMIC_RELAXED))
				return true;
			udrv_cpu_relax();
		}
	} while (udrv_ktime_get() < end);
	return false;
}

/*
 * Until an interrupt, or the controller's clock, or udrv_nvme_wake(). The counter of the eventfd
 * keeps what came since the last read, so an interrupt after the last look at the ring ends it.
 */
static void sleep_until(struct udrv_nvme_queue *q, udrv_ktime_t end)
{
	uint64_t count;

	__atomic_store_n(&q->sleeping, 1, __ATOMIC_RELAXED);
	if (end != INT64_MAX) {
		const int64_t left = end - udrv_ktime_get();
		const struct timespec ts = {left > 0 ? left / 1000000000 : 0,
					    left > 0 ? left % 1000000000 : 0};
		struct pollfd fd = {.fd = q->efd, .events = POLLIN};

		if (ppoll(&fd, 1, &ts, NULL) == 1)
			(void)!read(q->efd, &count, sizeof(count));
	} else {
		(void)!read(q->efd, &count, sizeof(count));
	}
	__atomic_store_n(&q->sleeping, 0, __ATOMIC_RELAXED);
}

/* As long as it pays at the rate that is seen; then sleep. */
static void wait_adaptively(struct udrv_nvme_queue *q, udrv_ktime_t end)
{
	const udrv_ktime_t begin = udrv_ktime_get();
	const bool look =
		q->may_spin && (q->average_ns <= SPIN_MAX_NS || ++q->waits % SPIN_RETRY == 0);
	int64_t took;

	if (!look || !spin(q, q->average_ns <= SPIN_MAX_NS ? 2 * (int64_t)q->average_ns + 2000
							   : SPIN_LOOK_NS))
		sleep_until(q, end);
	took = udrv_ktime_get() - begin;
	if (took > 10 * SPIN_LOOK_NS)
		took = 10 * SPIN_LOOK_NS;
	q->average_ns = (uint32_t)((7 * (int64_t)q->average_ns + took) / 8);
}

/* No longer than a command waits that is to be sent again. */
static udrv_ktime_t not_beyond_waiting(const struct udrv_nvme_queue *q, udrv_ktime_t end)
{
	const uint32_t since = nvme_clock() - q->checked;
	udrv_ktime_t due;

	if (udrv_list_empty(&q->waiting))
		return end;
	due = udrv_ktime_get() +
	      (int64_t)(since < q->look_after ? q->look_after - since : 1) * 1000000;
	return due < end ? due : end;
}

static void wait_once(struct udrv_nvme_queue *q, udrv_ktime_t end)
{
	end = not_beyond_waiting(q, end);
	switch (q->completion) {
	case UDRV_NVME_POLLED:
		(void)spin(q, SPIN_LOOK_NS);
		break;
	case UDRV_NVME_ADAPTIVE:
		wait_adaptively(q, end);
		break;
	default:
		sleep_until(q, end);
	}
}

unsigned int udrv_nvme_wait(struct udrv_nvme_queue *q, int timeout_ms)
{
	const udrv_ktime_t end =
		timeout_ms < 0 ? INT64_MAX : udrv_ktime_get() + (int64_t)timeout_ms * 1000000;
	unsigned int called;

	udrv_nvme_submit(q);
	for (;;) {
		called = udrv_nvme_poll(q, 0);
		if (called || was_woken(q) || !nvme_in_flight(q))
			return called;
		if (end != INT64_MAX && udrv_ktime_get() >= end)
			return 0;
		wait_once(q, end);
		look_at_time_next(q);
	}
}

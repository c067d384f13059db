// SPDX-License-Identifier: MIT
/* The software NVMe controller: its PCI function, its thread and its lock. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "backend/model_nvme_dev.h"
#include "pci/device.h"
#include "sched/clock.h"

#define BAR_REGS 0
#define BAR_MSIX 4

struct udrv__nvme *udrv__nvme_of(struct udrv_device *dev)
{
	return udrv__model_of(dev)->state;
}

void udrv__nvme_lock(struct udrv__nvme *n)
{
	__atomic_add_fetch(&n->waiters, 1, __ATOMIC_SEQ_CST);
	pthread_mutex_lock(&n->lock);
	__atomic_sub_fetch(&n->waiters, 1, __ATOMIC_SEQ_CST);
}

void udrv__nvme_unlock(struct udrv__nvme *n)
{
	pthread_mutex_unlock(&n->lock);
}

void udrv__nvme_wake(struct udrv__nvme *n)
{
	pthread_cond_signal(&n->work);
}

/* A mutex is not fair: who waits for it gets it between two commands. */
static void make_way(struct udrv__nvme *n)
{
	if (!__atomic_load_n(&n->waiters, __ATOMIC_SEQ_CST))
		return;
	pthread_mutex_unlock(&n->lock);
	while (__atomic_load_n(&n->waiters, __ATOMIC_SEQ_CST))
		sched_yield();
	pthread_mutex_lock(&n->lock);
}

static bool any_dirty(struct udrv__nvme *n)
{
	for (unsigned int i = 0; i < NVME_DIRTY_WORDS; i++)
		if (__atomic_load_n(&n->dirty[i], __ATOMIC_SEQ_CST))
			return true;
	return false;
}

/* Until a doorbell is rung, something is due, or somebody wakes it. */
static void wait_for_work(struct udrv__nvme *n, uint64_t due)
{
	struct timespec until = udrv__timespec(due);

	__atomic_store_n(&n->asleep, 1, __ATOMIC_SEQ_CST);
	if (!any_dirty(n)) {
		n->rests++;
		pthread_cond_broadcast(&n->idle);
		if (due == UDRV__NEVER)
			pthread_cond_wait(&n->work, &n->lock);
		else
			pthread_cond_timedwait(&n->work, &n->lock, &until);
	}
	__atomic_store_n(&n->asleep, 0, __ATOMIC_SEQ_CST);
}

static unsigned int do_round(struct udrv__nvme *n, uint64_t *due)
{
	unsigned int done;

	udrv__nvme_boot_read(n);
	udrv__nvme_take_doorbells(n);
	done = udrv__nvme_deliver(n, due);
	return done + udrv__nvme_round(n);
}

static void *engine(void *arg)
{
	struct udrv__nvme *n = arg;
	uint64_t due;

	pthread_mutex_lock(&n->lock);
	while (!n->stopping) {
		if (!do_round(n, &due) && !udrv__nvme_ask_to_ring(n))
			wait_for_work(n, due);
		make_way(n);
	}
	pthread_mutex_unlock(&n->lock);
	return NULL;
}

unsigned int udrv__model_nvme_step(struct udrv_device *dev)
{
	struct udrv__nvme *n = udrv__nvme_of(dev);
	unsigned int done = 0, round;
	uint64_t due;

	pthread_mutex_lock(&n->lock);
	do {
		round = do_round(n, &due);
		done += round;
	} while (round && udrv__nvme_any_ready(n));
	pthread_mutex_unlock(&n->lock);
	return done;
}

void udrv__model_nvme_settle(struct udrv_device *dev)
{
	struct udrv__nvme *n = udrv__nvme_of(dev);
	uint64_t before;

	if (n->config.direct) {
		(void)udrv__model_nvme_step(dev);
		return;
	}
	udrv__nvme_lock(n);
	/* What wakes it has been seen when it sleeps again. */
	do {
		before = n->rests;
		pthread_cond_signal(&n->work);
		while (n->rests == before)
			pthread_cond_wait(&n->idle, &n->lock);
	} while (any_dirty(n));
	udrv__nvme_unlock(n);
}

void udrv__model_nvme_pause(struct udrv_device *dev, bool paused)
{
	struct udrv__nvme *n = udrv__nvme_of(dev);

	udrv__nvme_lock(n);
	n->paused = paused;
	udrv__nvme_wake(n);
	udrv__nvme_unlock(n);
}

void udrv__model_nvme_get_counts(struct udrv_device *dev, struct udrv__model_nvme_counts *counts)
{
	struct udrv__nvme *n = udrv__nvme_of(dev);

	udrv__nvme_lock(n);
	*counts = n->counts;
	counts->doorbells = __atomic_load_n(&n->doorbell_writes, __ATOMIC_RELAXED);
	udrv__nvme_unlock(n);
}

void udrv__model_nvme_power_cut(struct udrv_device *dev)
{
	struct udrv__nvme *n = udrv__nvme_of(dev);

	udrv__nvme_lock(n);
	for (unsigned int i = 1; i <= UDRV__MODEL_NVME_NS_MAX; i++)
		udrv__nvme_ns_power_cut(&n->ns[i]);
	if ((n->csts & NVME_CSTS_SHST_MASK) != NVME_CSTS_SHST_DONE)
		n->smart.unsafe_shutdowns++;
	n->smart.power_cycles++;
	udrv__nvme_function_reset(n);
	udrv__nvme_unlock(n);
}

/* Little-endian machines only, as all of this. */
static uint64_t read_cmb(struct udrv__nvme *n, uint64_t offset, unsigned int size)
{
	uint64_t val = 0;

	udrv__nvme_lock(n);
	memcpy(&val, n->cmb + offset, size);
	udrv__nvme_unlock(n);
	return val;
}

static uint64_t nvme_read(void *state, unsigned int bar, uint64_t offset, unsigned int size)
{
	struct udrv__nvme *n = state;
	uint64_t val;

	if (bar == NVME_BAR_CMB)
		return read_cmb(n, offset, size);
	if (bar != BAR_REGS)
		return UINT64_MAX;
	udrv__nvme_lock(n);
	val = udrv__nvme_reg_read(n, offset, size);
	udrv__nvme_unlock(n);
	return val;
}

/* The value is there before the mark, and the mark before it is looked whether the thread sleeps.
 */
static void ring(struct udrv__nvme *n, uint64_t offset, uint64_t val)
{
	const uint64_t index = (offset - NVME_REG_DBS) / (4u << n->config.dstrd);

	if (offset % (4u << n->config.dstrd) || index >= NVME_DOORBELLS)
		return;
	__atomic_store_n(udrv__nvme_doorbell(n, (unsigned int)index), (uint32_t)val,
			 __ATOMIC_RELEASE);
	__atomic_add_fetch(&n->doorbell_writes, 1, __ATOMIC_RELAXED);
	__atomic_fetch_or(&n->dirty[index / 64], 1ULL << (index % 64), __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&n->asleep, __ATOMIC_SEQ_CST))
		return;
	udrv__nvme_lock(n);
	udrv__nvme_wake(n);
	udrv__nvme_unlock(n);
}

static void nvme_write(void *state, unsigned int bar, uint64_t offset, unsigned int size,
		       uint64_t val)
{
	struct udrv__nvme *n = state;

	if (bar == NVME_BAR_CMB && size <= sizeof(val)) {
		udrv__nvme_lock(n);
		memcpy(n->cmb + offset, &val, size);
		udrv__nvme_unlock(n);
	}
	if (bar != BAR_REGS)
		return;
	if (offset >= NVME_REG_DBS) {
		if (size == 4)
			ring(n, offset, val);
		return;
	}
	udrv__nvme_lock(n);
	udrv__nvme_reg_write(n, offset, size, val);
	udrv__nvme_wake(n);
	udrv__nvme_unlock(n);
}

static bool nvme_map(void *state, unsigned int bar, struct udrv__area *area)
{
	struct udrv__nvme *n = state;

	if (!n->config.direct || (bar != BAR_REGS && bar != NVME_BAR_CMB))
		return false;
	if (bar == NVME_BAR_CMB) {
		*area = (struct udrv__area){.len = NVME_CMB_BAR_LEN, .map = n->cmb};
		return true;
	}
	*area = (struct udrv__area){
		.offset = NVME_REG_DBS, .len = NVME_DBS_LEN, .map = n->doorbells};
	return true;
}

static void nvme_reset(void *state)
{
	struct udrv__nvme *n = state;

	udrv__nvme_lock(n);
	if (!n->switches.no_function_reset) {
		udrv__nvme_function_reset(n);
		n->counts.function_resets++;
	}
	udrv__nvme_wake(n);
	udrv__nvme_unlock(n);
}

/* Signals are for the application's threads; faults belong to the thread they hit. */
static int start_engine(struct udrv__nvme *n)
{
	sigset_t all, before;
	int ret;

	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(&n->thread, NULL, engine, n);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	n->threaded = !ret;
	return -ret;
}

static void stop_engine(struct udrv__nvme *n)
{
	if (!n->threaded)
		return;
	udrv__nvme_lock(n);
	n->stopping = true;
	udrv__nvme_wake(n);
	udrv__nvme_unlock(n);
	pthread_join(n->thread, NULL);
	n->threaded = n->stopping = false;
}

/* The thread runs, or not, as the configuration says. */
int udrv__model_nvme_set_config(struct udrv_device *dev,
				const struct udrv__model_nvme_config *config)
{
	struct udrv__nvme *n = udrv__nvme_of(dev);
	int ret = 0;

	if (!config->queue_entries || config->queue_entries < 2 || config->queue_entries > 65536 ||
	    !config->queues || config->queues > UDRV__MODEL_NVME_QUEUES || config->dstrd > 4 ||
	    config->mpsmin > 4 || config->mdts + config->mpsmin > 13 || config->wzsl > 16 ||
	    config->boot_units > 0x7fff)
		return -EINVAL;
	udrv__nvme_lock(n);
	if (n->cc & NVME_CC_EN)
		ret = -EBUSY;
	udrv__nvme_unlock(n);
	if (ret)
		return ret;
	stop_engine(n);
	n->config = *config;
	udrv__nvme_function_reset(n);
	return n->config.direct ? 0 : start_engine(n);
}

void udrv__model_nvme_get_config(struct udrv_device *dev, struct udrv__model_nvme_config *config)
{
	*config = udrv__nvme_of(dev)->config;
}

static void free_nvme(struct udrv__nvme *n)
{
	udrv__nvme_ns_end(n);
	udrv__nvme_firmware_end(n);
	udrv__nvme_boot_end(n);
	if (n->doorbells)
		munmap(n->doorbells, NVME_DBS_LEN);
	if (n->cmb)
		munmap(n->cmb, NVME_CMB_BAR_LEN);
	pthread_cond_destroy(&n->idle);
	pthread_cond_destroy(&n->work);
	pthread_mutex_destroy(&n->lock);
	free(n);
}

static void init_locks(struct udrv__nvme *n)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&n->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&n->work, &attr);
	pthread_cond_init(&n->idle, &attr);
	pthread_condattr_destroy(&attr);
}

static unsigned char *bar_memory(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static int acquire(struct udrv__nvme *n)
{
	int ret;

	n->doorbells = bar_memory(NVME_DBS_LEN);
	n->cmb = bar_memory(NVME_CMB_BAR_LEN);
	if (!n->doorbells || !n->cmb || udrv__nvme_boot_init(n))
		return -ENOMEM;
	ret = udrv__nvme_ns_init(n);
	if (ret)
		return ret;
	udrv__nvme_features_init(n);
	udrv__nvme_function_reset(n);
	return n->config.direct ? 0 : start_engine(n);
}

static int nvme_create(struct udrv__model *model, void **state_out)
{
	struct udrv__nvme *n = calloc(1, sizeof(*n));
	int ret;

	if (!n)
		return -ENOMEM;
	n->model = model;
	init_locks(n);
	for (unsigned int i = 0; i < NVME_HELD; i++) {
		n->held_pool[i].next = n->held_free;
		n->held_free = &n->held_pool[i];
	}
	udrv__nvme_config_init(n, model->dev->name + strlen("model:nvme"));
	if (n->config.cmb || n->config.old_cmb)
		udrv__nvme_cmb_place(n);
	ret = acquire(n);
	if (ret) {
		free_nvme(n);
		return ret;
	}
	*state_out = n;
	return 0;
}

static void nvme_destroy(void *state)
{
	struct udrv__nvme *n = state;

	stop_engine(n);
	free_nvme(n);
}

/* The ids of QEMU's controller. */
const struct udrv__model_type udrv__model_nvme = {
	.name = "nvme",
	.vendor = 0x1b36,
	.device = 0x0010,
	.subsystem_vendor = 0x1af4,
	.subsystem_device = 0x1100,
	.revision = 2,
	.class_code = 0x010802,
	.bars = {[BAR_REGS] = {NVME_BAR_LEN, UDRV_RESOURCE_MEM | UDRV_RESOURCE_MEM_64},
		 [NVME_BAR_CMB] = {NVME_CMB_BAR_LEN, UDRV_RESOURCE_MEM | UDRV_RESOURCE_MEM_64},
		 [BAR_MSIX] = {4096, UDRV_RESOURCE_MEM}},
	.intx = true,
	.msi_vectors = 32,
	.msix_vectors = UDRV__MODEL_NVME_VECTORS,
	.msix_bar = BAR_MSIX,
	.create = nvme_create,
	.destroy = nvme_destroy,
	.reset = nvme_reset,
	.read = nvme_read,
	.write = nvme_write,
	.map = nvme_map,
};

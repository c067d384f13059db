// SPDX-License-Identifier: MIT
/*
 * QEMU's educational device as software: docs/specs/edu of QEMU, and hw/misc/edu.c where that page
 * is silent. Different on purpose: a transfer takes 0.1 ms instead of 100, one that leaves
 * the internal buffer is refused (it stops QEMU or worse), and the function can be reset.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend/model.h"
#include "pci/device.h"

/* "MMIO area spec" */
#define REG_ID		0x00
#define REG_LIVENESS	0x04
#define REG_FACTORIAL	0x08
#define REG_STATUS	0x20
#define REG_IRQ_STATUS	0x24
#define REG_IRQ_RAISE	0x60
#define REG_IRQ_ACK	0x64
#define REG_DMA_SRC	0x80
#define REG_DMA_DST	0x88
#define REG_DMA_COUNT	0x90
#define REG_DMA_COMMAND 0x98

#define ID_VALUE	 0x010000edu
#define STATUS_COMPUTING 0x01u
#define STATUS_IRQ	 0x80u
#define IRQ_FACTORIAL	 0x001u
#define IRQ_DMA		 0x100u
#define DMA_RUN		 0x1u
#define DMA_FROM_BUFFER	 0x2u
#define DMA_IRQ		 0x4u

#define BUFFER_START 0x40000u
#define BUFFER_SIZE  4096u
#define DMA_MASK     ((1ULL << 28) - 1)
#define DMA_TIME_NS  100000

struct edu {
	struct udrv__model *model;
	pthread_t thread;
	pthread_cond_t work; /* to the thread, on CLOCK_MONOTONIC */

	pthread_mutex_t lock; /* everything below */
	bool stopping;
	uint32_t liveness;
	uint32_t factorial;
	uint32_t status;
	uint32_t irq_status;
	uint64_t dma_src, dma_dst, dma_count, dma_command;
	struct timespec dma_done; /* while DMA_RUN is set */
	unsigned char buffer[BUFFER_SIZE];
};

static void raise_irq(struct edu *edu, uint32_t bits)
{
	edu->irq_status |= bits;
	if (edu->irq_status)
		udrv__model_irq_raise(edu->model, 0);
}

static void lower_irq(struct edu *edu, uint32_t bits)
{
	edu->irq_status &= ~bits;
	if (!edu->irq_status)
		udrv__model_irq_lower(edu->model);
}

/* In 32 bits, as the device: from 34 on it is 0 and stays so. */
static uint32_t factorial_of(uint32_t n)
{
	uint32_t result = 1;

	while (n > 0 && result)
		result *= n--;
	return result;
}

static void finish_factorial(struct edu *edu)
{
	edu->factorial = factorial_of(edu->factorial);
	edu->status &= ~STATUS_COMPUTING;
	if (edu->status & STATUS_IRQ)
		raise_irq(edu, IRQ_FACTORIAL);
}

static udrv_iova_t clamp(const struct edu *edu, uint64_t addr)
{
	if (addr & ~DMA_MASK)
		udrv_dev_warn(edu->model->dev, "DMA address 0x%" PRIx64 " clamped to 28 bits",
			      addr);
	return addr & DMA_MASK;
}

static void move_bytes(struct edu *edu)
{
	bool from_buffer = edu->dma_command & DMA_FROM_BUFFER;
	uint64_t inside = (from_buffer ? edu->dma_src : edu->dma_dst) - BUFFER_START;
	uint64_t count = edu->dma_count;

	if (count > BUFFER_SIZE || inside > BUFFER_SIZE - count) {
		udrv_dev_err(edu->model->dev,
			     "DMA of %" PRIu64 " bytes at 0x%" PRIx64 " leaves the device's buffer",
			     count, inside + BUFFER_START);
		return;
	}
	if (from_buffer)
		udrv__model_dma_write(edu->model, clamp(edu, edu->dma_dst), edu->buffer + inside,
				      count);
	else
		udrv__model_dma_read(edu->model, clamp(edu, edu->dma_src), edu->buffer + inside,
				     count);
}

static void finish_dma(struct edu *edu)
{
	move_bytes(edu);
	edu->dma_command &= ~(uint64_t)DMA_RUN;
	if (edu->dma_command & DMA_IRQ)
		raise_irq(edu, IRQ_DMA);
}

static bool is_past(const struct timespec *deadline)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > deadline->tv_sec ||
	       (now.tv_sec == deadline->tv_sec && now.tv_nsec >= deadline->tv_nsec);
}

static void *engine(void *arg)
{
	struct edu *edu = arg;

	pthread_mutex_lock(&edu->lock);
	while (!edu->stopping) {
		if (edu->status & STATUS_COMPUTING)
			finish_factorial(edu);
		else if (!(edu->dma_command & DMA_RUN))
			pthread_cond_wait(&edu->work, &edu->lock);
		else if (is_past(&edu->dma_done))
			finish_dma(edu);
		else
			pthread_cond_timedwait(&edu->work, &edu->lock, &edu->dma_done);
	}
	pthread_mutex_unlock(&edu->lock);
	return NULL;
}

static void start_dma(struct edu *edu, uint64_t command)
{
	if (!(command & DMA_RUN))
		return;
	edu->dma_command = command;
	clock_gettime(CLOCK_MONOTONIC, &edu->dma_done);
	edu->dma_done.tv_nsec += DMA_TIME_NS;
	if (edu->dma_done.tv_nsec >= 1000000000) {
		edu->dma_done.tv_nsec -= 1000000000;
		edu->dma_done.tv_sec++;
	}
	pthread_cond_signal(&edu->work);
}

static uint64_t read_register(const struct edu *edu, uint64_t offset)
{
	switch (offset) {
	case REG_ID:
		return ID_VALUE;
	case REG_LIVENESS:
		return edu->liveness;
	case REG_FACTORIAL:
		return edu->factorial;
	case REG_STATUS:
		return edu->status;
	case REG_IRQ_STATUS:
		return edu->irq_status;
	case REG_DMA_SRC:
		return edu->dma_src;
	case REG_DMA_DST:
		return edu->dma_dst;
	case REG_DMA_COUNT:
		return edu->dma_count;
	case REG_DMA_COMMAND:
		return edu->dma_command;
	default:
		return UINT64_MAX;
	}
}

static void write_control(struct edu *edu, uint64_t offset, uint32_t val)
{
	switch (offset) {
	case REG_LIVENESS:
		edu->liveness = ~val;
		break;
	case REG_FACTORIAL:
		if (edu->status & STATUS_COMPUTING)
			break;
		edu->factorial = val;
		edu->status |= STATUS_COMPUTING;
		pthread_cond_signal(&edu->work);
		break;
	case REG_STATUS:
		edu->status = (edu->status & ~STATUS_IRQ) | (val & STATUS_IRQ);
		break;
	case REG_IRQ_RAISE:
		raise_irq(edu, val);
		break;
	case REG_IRQ_ACK:
		lower_irq(edu, val);
		break;
	}
}

static void write_dma(struct edu *edu, uint64_t offset, uint64_t val)
{
	if (edu->dma_command & DMA_RUN)
		return;
	switch (offset) {
	case REG_DMA_SRC:
		edu->dma_src = val;
		break;
	case REG_DMA_DST:
		edu->dma_dst = val;
		break;
	case REG_DMA_COUNT:
		edu->dma_count = val;
		break;
	case REG_DMA_COMMAND:
		start_dma(edu, val);
		break;
	}
}

/* "Only size == 4 accesses are allowed for addresses < 0x80, size == 4 or size == 8 for the rest"
 */
static bool size_allowed(uint64_t offset, unsigned int size)
{
	return size == 4 || (size == 8 && offset >= REG_DMA_SRC);
}

static uint64_t edu_read(void *state, unsigned int bar, uint64_t offset, unsigned int size)
{
	struct edu *edu = state;
	uint64_t val;

	(void)bar;
	if (!size_allowed(offset, size))
		return UINT64_MAX;
	pthread_mutex_lock(&edu->lock);
	val = read_register(edu, offset);
	pthread_mutex_unlock(&edu->lock);
	return val;
}

static void edu_write(void *state, unsigned int bar, uint64_t offset, unsigned int size,
		      uint64_t val)
{
	struct edu *edu = state;

	(void)bar;
	if (!size_allowed(offset, size))
		return;
	if (size == 4)
		val = (uint32_t)val;
	pthread_mutex_lock(&edu->lock);
	if (offset < REG_DMA_SRC)
		write_control(edu, offset, (uint32_t)val);
	else
		write_dma(edu, offset, val);
	pthread_mutex_unlock(&edu->lock);
}

static void edu_reset(void *state)
{
	struct edu *edu = state;

	pthread_mutex_lock(&edu->lock);
	edu->liveness = 0;
	edu->factorial = 0;
	edu->status = 0;
	edu->dma_src = edu->dma_dst = edu->dma_count = edu->dma_command = 0;
	memset(edu->buffer, 0, sizeof(edu->buffer));
	lower_irq(edu, UINT32_MAX);
	pthread_mutex_unlock(&edu->lock);
}

/* Signals are for the application's threads; faults belong to the thread they hit. */
static int start_engine(struct edu *edu)
{
	sigset_t all, before;
	int ret;

	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(&edu->thread, NULL, engine, edu);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -ret;
}

static void free_edu(struct edu *edu)
{
	pthread_cond_destroy(&edu->work);
	pthread_mutex_destroy(&edu->lock);
	free(edu);
}

static int edu_create(struct udrv__model *model, void **state_out)
{
	struct edu *edu = calloc(1, sizeof(*edu));
	pthread_condattr_t attr;
	int ret;

	if (!edu)
		return -ENOMEM;
	edu->model = model;
	pthread_mutex_init(&edu->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&edu->work, &attr);
	pthread_condattr_destroy(&attr);
	ret = start_engine(edu);
	if (ret) {
		free_edu(edu);
		return ret;
	}
	*state_out = edu;
	return 0;
}

static void edu_destroy(void *state)
{
	struct edu *edu = state;

	pthread_mutex_lock(&edu->lock);
	edu->stopping = true;
	pthread_cond_signal(&edu->work);
	pthread_mutex_unlock(&edu->lock);
	pthread_join(edu->thread, NULL);
	free_edu(edu);
}

/* "PCI specs" */
const struct udrv__model_type udrv__model_edu = {
	.name = "edu",
	.vendor = 0x1234,
	.device = 0x11e8,
	.subsystem_vendor = 0x1af4,
	.subsystem_device = 0x1100,
	.revision = 0x10,
	.class_code = 0x00ff00,
	.bars = {[0] = {.len = 1 << 20, .flags = UDRV_RESOURCE_MEM}},
	.intx = true,
	.msi_vectors = 1,
	.create = edu_create,
	.destroy = edu_destroy,
	.reset = edu_reset,
	.read = edu_read,
	.write = edu_write,
};

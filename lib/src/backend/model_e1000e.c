// SPDX-License-Identifier: MIT
/*
 * An Intel 82574L as QEMU's e1000e has it, from the 82574 GbE Controller Family Datasheet. Not
 * there: packet split descriptors, time stamps, wake-up, management, flow control by pause frames,
 * flash. Frames take no time, but move by a thread of their own. "model:e1000e:loop" is at its own
 * other end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/model_e1000e_dev.h"
#include "pci/device.h"
#include "pci/model_name.h"
#include "sched/thread.h"

#define STALL_NS 1000000 /* until the other end of a full cable is looked at again */

uint64_t e1000e_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void e1000e_kick(struct e1000e *e)
{
	e->kicked = true;
	pthread_cond_signal(&e->work);
}

void e1000e_arm(struct e1000e *e, unsigned int timer, uint64_t delay_ns)
{
	e->timers[timer] = e1000e_now() + delay_ns;
	e1000e_kick(e);
}

static void fire(struct e1000e *e, unsigned int timer)
{
	e->timers[timer] = NEVER;
	switch (timer) {
	case TIMER_LINK:
		e1000e_negotiated(e);
		break;
	case TIMER_FLAP:
		e1000e_negotiate(e);
		break;
	case TIMER_LATE:
		e->late = true;
		break;
	case TIMER_HELD:
		e1000e_release_held(e);
		break;
	case TIMER_RDTR:
	case TIMER_RADV:
	case TIMER_TIDV:
	case TIMER_TADV:
		e1000e_fire_delayed(e);
		break;
	default: /* throttling ends */
		e1000e_update_irq(e);
	}
}

static void fire_timers(struct e1000e *e)
{
	const uint64_t now = e1000e_now();

	for (unsigned int i = 0; i < TIMERS; i++)
		if (e->timers[i] <= now)
			fire(e, i);
}

static uint64_t next_deadline(const struct e1000e *e)
{
	uint64_t next = NEVER;

	for (unsigned int i = 0; i < TIMERS; i++)
		if (e->timers[i] < next)
			next = e->timers[i];
	return next;
}

/* Until there is something to do. */
static void rest(struct e1000e *e, bool stalled)
{
	uint64_t next = next_deadline(e);
	struct timespec until;

	if (stalled && next > e1000e_now() + STALL_NS)
		next = e1000e_now() + STALL_NS;
	e->idle = true;
	pthread_cond_broadcast(&e->settled);
	if (next == NEVER) {
		pthread_cond_wait(&e->work, &e->lock);
	} else {
		until.tv_sec = (time_t)(next / 1000000000u);
		until.tv_nsec = (long)(next % 1000000000u);
		pthread_cond_timedwait(&e->work, &e->lock, &until);
	}
	e->idle = false;
}

/* Is there anything that LATE holds back? Then nothing moves. */
static bool moves(struct e1000e *e)
{
	if (e->timers[TIMER_LATE] != NEVER ||
	    *e1000e_reg(e, REG_CTRL) & (CTRL_GIO_DISABLE | CTRL_RST))
		return false;
	return e->chip == UDRV__E1000E_82574;
}

static void *engine(void *arg)
{
	struct e1000e *e = arg;

	pthread_mutex_lock(&e->lock);
	while (!e->stopping) {
		bool stalled = false, moved = false;

		e->kicked = false;
		fire_timers(e);
		if (moves(e)) {
			moved = e1000e_transmit_some(e);
			moved |= e1000e_receive_some(e);
		}
		moved |= e1000e_wire_move(e, &stalled);
		if (!moved && !e->kicked && !e->stopping)
			rest(e, stalled);
	}
	pthread_mutex_unlock(&e->lock);
	return NULL;
}

/* 52:54:00:12:34:56, as QEMU's first; a word behind the model's name is added to the last byte. */
static void name_mac(struct e1000e *e)
{
	static const uint8_t first[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
	const char *word = strchr(e->model->dev->name + strlen(UDRV__MODEL_PREFIX), ':');

	memcpy(e->mac, first, sizeof(first));
	for (const char *c = word ? word + 1 : ""; *c; c++)
		e->mac[5] = (uint8_t)(e->mac[5] + (*c - 'a' + 1));
	e->loop = word && !strcmp(word, ":loop");
}

static void init(struct e1000e *e)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&e->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&e->work, &attr);
	pthread_cond_init(&e->settled, &attr);
	pthread_condattr_destroy(&attr);
	for (unsigned int i = 0; i < TIMERS; i++)
		e->timers[i] = NEVER;
	e->irq_type = UDRV__IRQ_TYPES;
	e->cabled = true;
	name_mac(e);
	e1000e_fill_nvm(e);
	e1000e_reset_phy(e);
	e1000e_negotiated(e);
	e1000e_reset_mac(e);
}

static void free_card(struct e1000e *e)
{
	pthread_cond_destroy(&e->settled);
	pthread_cond_destroy(&e->work);
	pthread_mutex_destroy(&e->lock);
	free(e->in.bytes);
	free(e);
}

/* All buffers in one piece: three lines, two packets to be sent, a frame. */
static int make_buffers(struct e1000e *e)
{
	uint8_t *p = calloc(1, 3 * LINE_LEN + QUEUES * TX_MAX + UDRV__E1000E_FRAME_MAX + FCS_LEN);

	if (!p)
		return -ENOMEM;
	e->in.bytes = p;
	e->fifo.bytes = p + LINE_LEN;
	e->out.bytes = p + 2 * LINE_LEN;
	for (unsigned int i = 0; i < QUEUES; i++)
		e->tx[i].buf = p + 3 * LINE_LEN + i * TX_MAX;
	e->frame = p + 3 * LINE_LEN + QUEUES * TX_MAX;
	return 0;
}

static int create(struct udrv__model *model, void **state_out)
{
	struct e1000e *e = calloc(1, sizeof(*e));
	int ret;

	if (!e)
		return -ENOMEM;
	ret = make_buffers(e);
	if (ret) {
		free(e);
		return ret;
	}
	e->model = model;
	init(e);
	ret = udrv__thread_create(&e->thread, engine, e);
	if (ret) {
		free_card(e);
		return ret;
	}
	*state_out = e;
	return 0;
}

static void destroy(void *state)
{
	struct e1000e *e = state;

	pthread_mutex_lock(&e->lock);
	e->stopping = true;
	pthread_cond_signal(&e->work);
	pthread_mutex_unlock(&e->lock);
	pthread_join(e->thread, NULL);
	e1000e_unplug(e);
	free_card(e);
}

/* Function level reset: all of it, with the PHY. */
static void reset(void *state)
{
	struct e1000e *e = state;

	pthread_mutex_lock(&e->lock);
	e->counts.resets++;
	e1000e_reset_phy(e);
	e1000e_reset_mac(e);
	e1000e_negotiate(e);
	pthread_mutex_unlock(&e->lock);
}

const struct udrv__model_type udrv__model_e1000e = {
	.name = "e1000e",
	.vendor = 0x8086,
	.device = 0x10d3,
	.subsystem_vendor = 0x8086,
	.subsystem_device = 0x0000,
	.class_code = 0x020000,
	.bars = {[0] = {.len = REGS_LEN, .flags = UDRV_RESOURCE_MEM},
		 [1] = {.len = FLASH_LEN, .flags = UDRV_RESOURCE_MEM},
		 [2] = {.len = IO_LEN, .flags = UDRV_RESOURCE_IO},
		 [3] = {.len = MSIX_LEN, .flags = UDRV_RESOURCE_MEM}},
	.intx = true,
	.msi_vectors = 1,
	.msix_vectors = VECTORS,
	.msix_bar = 3,
	.create = create,
	.destroy = destroy,
	.reset = reset,
	.read = e1000e_read,
	.write = e1000e_write,
};

// SPDX-License-Identifier: MIT
/*
 * One, two or four 16550As on one INTx line, as QEMU's pci-serial has them: National's PC16550D
 * datasheet, and QEMU docs/specs/pci-serial. Characters take no time, but move by a thread of their
 * own. The wires: "model:uart16550:loop" has each port's output at its own input,
 * "model:uart16550-2x:cross" has ports 0 and 1 at each other, and 2 and 3. Between wired ports a
 * different speed makes framing errors, a different format parity errors. Otherwise what a
 * port sends is lost unless a test takes it, and its modem lines are on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/model_uart_dev.h"
#include "pci/device.h"
#include "pci/model_name.h"
#include "sched/thread.h"

#define LATE_NS 5000000

static bool is_past(const struct timespec *deadline)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > deadline->tv_sec ||
	       (now.tv_sec == deadline->tv_sec && now.tv_nsec >= deadline->tv_nsec);
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/* PCs have OUT2 between the UART and the line. */
static bool interrupts(const struct uart *u)
{
	if (u->faults[UDRV__UART_SPURIOUS])
		return true;
	return uart_source(u) != IIR_NONE && u->mcr & (MCR_OUT2 | MCR_LOOP);
}

static bool take_late(struct uarts *us)
{
	for (unsigned int i = 0; i < us->count; i++)
		if (us->port[i].faults[UDRV__UART_LATE] && interrupts(&us->port[i])) {
			us->port[i].faults[UDRV__UART_LATE]--;
			return true;
		}
	return false;
}

static void raise_line(struct uarts *us)
{
	if (!us->raised && !us->late && take_late(us)) {
		us->late = true;
		clock_gettime(CLOCK_MONOTONIC, &us->raise);
		us->raise.tv_nsec += LATE_NS;
		if (us->raise.tv_nsec >= 1000000000) {
			us->raise.tv_nsec -= 1000000000;
			us->raise.tv_sec++;
		}
	}
	if (us->raised || us->late)
		return;
	us->raised = true;
	udrv__model_irq_raise(us->model, 0);
}

static bool waits_for_timeout(const struct uart *u)
{
	return u->rx_count && !u->timed_out && uart_depth(u) > 1;
}

static bool has_work(const struct uarts *us)
{
	if (us->late)
		return true;
	for (unsigned int i = 0; i < us->count; i++) {
		const struct uart *u = &us->port[i];

		if (u->tx_count || u->in.count || (us->idle && waits_for_timeout(u)))
			return true;
	}
	return false;
}

void uarts_update(struct uarts *us)
{
	bool level = false;

	for (unsigned int i = 0; i < us->count; i++)
		level |= interrupts(&us->port[i]);
	if (level) {
		raise_line(us);
	} else if (us->raised) {
		us->raised = false;
		udrv__model_irq_lower(us->model);
	}
	if (has_work(us))
		pthread_cond_signal(&us->work);
}

/* When there is something to do by itself, if there is. */
static bool next_deadline(const struct uarts *us, struct timespec *next)
{
	bool any = us->late;

	if (any)
		*next = us->raise;
	for (unsigned int i = 0; i < us->count; i++) {
		const struct uart *u = &us->port[i];

		if (waits_for_timeout(u) && (!any || is_before(&u->timeout, next))) {
			*next = u->timeout;
			any = true;
		}
	}
	return any;
}

static bool look_at_clock(struct uarts *us)
{
	bool any = false;

	if (us->late && is_past(&us->raise)) {
		us->late = false;
		any = true;
	}
	for (unsigned int i = 0; i < us->count; i++) {
		struct uart *u = &us->port[i];

		if (waits_for_timeout(u) && is_past(&u->timeout)) {
			u->timed_out = true;
			any = true;
		}
	}
	return any;
}

static bool move_all(struct uarts *us)
{
	bool any = false;

	for (unsigned int i = 0; i < us->count; i++)
		any |= uart_move(&us->port[i]);
	return any;
}

static void *engine(void *arg)
{
	struct uarts *us = arg;
	struct timespec next;

	pthread_mutex_lock(&us->lock);
	while (!us->stopping) {
		const bool moved = move_all(us);

		if (look_at_clock(us) || moved) {
			uarts_update(us);
		} else if (next_deadline(us, &next)) {
			pthread_cond_timedwait(&us->work, &us->lock, &next);
		} else {
			us->idle = true;
			pthread_cond_wait(&us->work, &us->lock);
			us->idle = false;
		}
	}
	pthread_mutex_unlock(&us->lock);
	return NULL;
}

/* The word of the device's name after the model's. */
static void wire(struct uarts *us)
{
	const char *word = strchr(us->model->dev->name + strlen(UDRV__MODEL_PREFIX), ':');
	const bool loop = word && !strncmp(word, ":loop", 5);
	const bool cross = word && !strncmp(word, ":cross", 6);

	for (unsigned int i = 0; i < us->count && i < UARTS_MAX; i++) {
		struct uart *u = &us->port[i];

		u->lines = MSR_CTS | MSR_DSR | MSR_DCD;
		u->divisor = 12;
		if (loop)
			u->peer = u;
		else if (cross && (i ^ 1) < us->count)
			u->peer = &us->port[i ^ 1];
		if (u->peer)
			u->lines = 0;
		uart_update_msr(u);
		u->msr &= 0xf0;
	}
}

static void init(struct uarts *us)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&us->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&us->work, &attr);
	pthread_condattr_destroy(&attr);
	wire(us);
}

static void free_uarts(struct uarts *us)
{
	pthread_cond_destroy(&us->work);
	pthread_mutex_destroy(&us->lock);
	free(us);
}

static int create(struct udrv__model *model, void **state_out)
{
	struct uarts *us = calloc(1, sizeof(*us));
	int ret;

	if (!us)
		return -ENOMEM;
	us->model = model;
	us->count = (unsigned int)(model->type->bars[0].len / UART_REGS);
	init(us);
	ret = udrv__thread_create(&us->thread, engine, us);
	if (ret) {
		free_uarts(us);
		return ret;
	}
	*state_out = us;
	return 0;
}

static void destroy(void *state)
{
	struct uarts *us = state;

	pthread_mutex_lock(&us->lock);
	us->stopping = true;
	pthread_cond_signal(&us->work);
	pthread_mutex_unlock(&us->lock);
	pthread_join(us->thread, NULL);
	free_uarts(us);
}

/* QEMU docs/specs/pci-serial, pci-ids */
#define TYPE(symbol, text, id, ports)                                                              \
	const struct udrv__model_type symbol = {                                                   \
		.name = (text),                                                                    \
		.vendor = 0x1b36,                                                                  \
		.device = (id),                                                                    \
		.subsystem_vendor = 0x1af4,                                                        \
		.subsystem_device = 0x1100,                                                        \
		.revision = 1,                                                                     \
		.class_code = 0x070002,                                                            \
		.bars = {[0] = {.len = UART_REGS * (ports), .flags = UDRV_RESOURCE_IO}},           \
		.intx = true,                                                                      \
		.create = create,                                                                  \
		.destroy = destroy,                                                                \
		.read = uarts_read,                                                                \
		.write = uarts_write,                                                              \
	}

TYPE(udrv__model_uart16550, "uart16550", 0x0002, 1);
TYPE(udrv__model_uart16550_2x, "uart16550-2x", 0x0003, 2);
TYPE(udrv__model_uart16550_4x, "uart16550-4x", 0x0004, 4);

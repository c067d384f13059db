/* SPDX-License-Identifier: MIT */
/* Vectors of the software ivshmem, each a bell that a test rings and whose handler counts. */
#ifndef TESTS_SUPPORT_BELLS_H
#define TESTS_SUPPORT_BELLS_H

#include <stdatomic.h>
#include <unistd.h>

#include <check.h>
#include <udrv/udrv.h>

#include "support/threads.h"

#define BELLS 64
/* docs/specs/ivshmem-spec of QEMU */
#define BELLS_DOORBELL 0xc

struct bell {
	struct udrv_device *dev;
	int irq;
	uint8_t __udrv_iomem *regs;
	atomic_bool rung;	  /* and not heard yet */
	atomic_uint arrived;	  /* runs of the handler that were rung for */
	atomic_uint idle;	  /* and that were not */
	atomic_int tid;		  /* where it ran last */
	atomic_uint *running_all; /* any of those that must not run at once; may be NULL */
	atomic_uint overlaps;
	/* Of a handler that stays. */
	struct udrv_completion entered, may_leave;
	atomic_bool left;
};

static inline udrv_irqreturn_t bell_heard(int irq, void *ctx)
{
	struct bell *b = ctx;

	(void)irq;
	b->tid = gettid();
	if (b->running_all && atomic_fetch_add(b->running_all, 1))
		b->overlaps++;
	if (atomic_exchange(&b->rung, false))
		b->arrived++;
	else
		b->idle++;
	if (b->running_all)
		atomic_fetch_sub(b->running_all, 1);
	return UDRV_IRQ_HANDLED;
}

static inline struct udrv_device *bells_open(const char *name, unsigned int count)
{
	struct udrv_device *dev;

	ck_assert_int_eq(udrv_device_open(name, NULL, &dev), 0);
	ck_assert_int_eq(udrv_pci_enable_device(dev), 0);
	ck_assert_int_eq(udrv_pci_set_master(dev), 0);
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, count, count, UDRV_PCI_IRQ_MSIX),
			 (int)count);
	return dev;
}

static inline void bell_init(struct bell *b, struct udrv_device *dev, int irq)
{
	b->dev = dev;
	b->irq = irq;
	b->regs = udrv_pci_iomap(dev, 0, 0);
	ck_assert_ptr_nonnull((void *)b->regs);
	b->rung = false;
	b->arrived = b->idle = b->overlaps = 0;
	b->tid = 0;
	b->running_all = NULL;
}

static inline void bell_request(struct bell *b)
{
	ck_assert_int_eq(udrv_request_irq(b->dev, b->irq, bell_heard, 0, "bell", b), 0);
}

static inline void bell_free(struct bell *b)
{
	ck_assert_int_eq(udrv_free_irq(b->dev, b->irq, b), 0);
}

static inline void bell_ring(struct bell *b)
{
	b->rung = true;
	udrv_iowrite32((uint32_t)b->irq, b->regs + BELLS_DOORBELL);
}

static inline udrv_irqreturn_t bell_stays(int irq, void *ctx)
{
	struct bell *b = ctx;

	udrv_complete(&b->entered);
	(void)udrv_wait_for_completion_timeout(&b->may_leave, 60000);
	b->left = true;
	return bell_heard(irq, b);
}

/* Its worker is in a handler until bell_let_go(). */
static inline void bell_keep_busy(struct bell *b)
{
	b->left = false;
	udrv_init_completion(b->dev, &b->entered);
	udrv_init_completion(b->dev, &b->may_leave);
	ck_assert_int_eq(udrv_request_irq(b->dev, b->irq, bell_stays, 0, "stays", b), 0);
	bell_ring(b);
	ck_assert_int_gt(udrv_wait_for_completion_timeout(&b->entered, 60000), 0);
}

static inline void bell_let_go(struct bell *b)
{
	udrv_complete_all(&b->may_leave);
}

/* In a thread, while another waits. */
static inline void *bell_let_go_soon(void *b)
{
	udrv_msleep(20);
	bell_let_go(b);
	return NULL;
}

/* The former ring was heard. */
static inline bool bell_await(struct bell *b)
{
	int64_t end = now_ms() + 60000;

	while (b->rung)
		if (now_ms() > end)
			return false;
		else
			sched_yield();
	return true;
}

/* Each of them so often, the former ring of each having been heard. */
static inline void bells_ring(struct bell *b, unsigned int count, unsigned int times)
{
	for (unsigned int n = 0; n < times; n++) {
		for (unsigned int i = 0; i < count; i++) {
			ck_assert_msg(bell_await(&b[i]), "vector %d: a ring was lost", b[i].irq);
			bell_ring(&b[i]);
		}
	}
	for (unsigned int i = 0; i < count; i++)
		ck_assert_msg(bell_await(&b[i]), "vector %d: the last ring was lost", b[i].irq);
}

static inline void bell_choose(struct bell *b, enum udrv_wait wait)
{
	const struct udrv_irq_options options = {.wait = wait, .cpu = UDRV_CPU_ANY};

	ck_assert_int_eq(udrv_irq_set_options(b->dev, b->irq, &options), 0);
}

#endif

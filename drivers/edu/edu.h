/* SPDX-License-Identifier: MIT */
/* What the parts of the edu driver share. */
#ifndef EDU_H
#define EDU_H

#include <udrv/completion.h>
#include <udrv/dma.h>
#include <udrv/driver.h>
#include <udrv/irq.h>

/* The DMA memory: one piece to send from, one to receive in. */
#define EDU_PIECE    4096u
#define EDU_DMA_SIZE (2 * EDU_PIECE)

struct edu {
	struct udrv_device *dev;
	void __udrv_iomem *regs;
	int irq;
	enum udrv_wait wait;

	struct udrv_completion factorial_done;
	struct udrv_completion dma_done;

	/* EDU_DMA_SIZE bytes that the device reaches at memory_iova; NULL: there is no DMA */
	unsigned char *memory;
	udrv_iova_t memory_iova;

	/* Changed by verbs only, of which one runs at a time. */
	uint64_t factorials;
	uint64_t lost; /* interrupts that did not come in time */
	uint64_t dma_bytes;
};

extern const struct udrv_driver edu_driver;
extern const struct udrv_verb edu_verbs[];

/*
 * n! by the device, waiting for its interrupt. -ERANGE beyond EDU_FACTORIAL_MAX, -EBUSY while it
 * computes, -ETIMEDOUT without an interrupt in time, -ENODEV when the device is gone.
 */
int edu_factorial(struct edu *edu, uint32_t n, uint32_t *result);

/*
 * Move len bytes between addr and offset in the device's buffer, waiting for the interrupt.
 * UDRV_DMA_TO_DEVICE or UDRV_DMA_FROM_DEVICE. -EINVAL for what the device cannot do,
 * -EBUSY, -ETIMEDOUT and -ENODEV as above.
 */
int edu_dma(struct edu *edu, enum udrv_dma_data_direction dir, udrv_iova_t addr, uint32_t offset,
	    uint32_t len);

#endif

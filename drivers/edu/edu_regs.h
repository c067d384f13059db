/* SPDX-License-Identifier: MIT */
/*
 * Registers of QEMU's educational device.
 * Source: QEMU docs/specs/edu; each group names its section there.
 */
#ifndef EDU_REGS_H
#define EDU_REGS_H

/* "PCI specs" */
#define EDU_VENDOR_ID 0x1234
#define EDU_DEVICE_ID 0x11e8
#define EDU_BAR	      0 /* "PCI Region 0" */

/* "MMIO area spec": 4-byte accesses only below 0x80, 4 or 8 bytes from there on */
#define EDU_ID		0x00 /* RO, identification */
#define EDU_LIVENESS	0x04 /* RW, card liveness check: answers with the inversion */
#define EDU_FACTORIAL	0x08 /* RW, factorial computation */
#define EDU_STATUS	0x20 /* RW, status register */
#define EDU_IRQ_STATUS	0x24 /* RO, interrupt status register */
#define EDU_IRQ_RAISE	0x60 /* WO, interrupt raise register */
#define EDU_IRQ_ACK	0x64 /* WO, interrupt acknowledge register */
#define EDU_DMA_SRC	0x80 /* RW, DMA source address */
#define EDU_DMA_DST	0x88 /* RW, DMA destination address */
#define EDU_DMA_COUNT	0x90 /* RW, DMA transfer count, bytes */
#define EDU_DMA_COMMAND 0x98 /* RW, DMA command register */

/* "MMIO area spec", 0x00: 0xRRrr00ed, RR major and rr minor version */
#define EDU_ID_MASK	 0x0000ffffu
#define EDU_ID_MAGIC	 0x000000edu
#define EDU_ID_MAJOR(id) ((id) >> 24)
#define EDU_ID_MINOR(id) ((id) >> 16 & 0xff)

/* "MMIO area spec", 0x20 */
#define EDU_STATUS_COMPUTING 0x01u /* RO, computing factorial */
#define EDU_STATUS_IRQ	     0x80u /* raise interrupt after finishing factorial computation */

/* "MMIO area spec", 0x24: what raised the interrupt */
#define EDU_IRQ_FACTORIAL 0x001u /* not in the page: QEMU hw/misc/edu.c, FACT_IRQ */
#define EDU_IRQ_DMA	  0x100u /* 0x98, bit 0x04 */

/* "MMIO area spec", 0x98 */
#define EDU_DMA_RUN	 0x1u /* start transfer; reads as set until it is done */
#define EDU_DMA_FROM_EDU 0x2u /* direction: 0 RAM to EDU, 1 EDU to RAM */
#define EDU_DMA_IRQ	 0x4u /* raise interrupt 0x100 after finishing the DMA */

/* "DMA controller": the buffer inside the device */
#define EDU_BUFFER	0x40000u
#define EDU_BUFFER_SIZE 4096u
/*
 * QEMU 7.2 aborts on a transfer that reaches the last byte of the buffer, so the driver leaves
 * the last 8 alone.
 */
#define EDU_BUFFER_USABLE (EDU_BUFFER_SIZE - 8)

/* "Command line switches": address bits that the device issues; it cuts off the others */
#define EDU_DMA_BITS 28

/* 12! is the last that fits the 32 bits of EDU_FACTORIAL */
#define EDU_FACTORIAL_MAX 12u

#endif

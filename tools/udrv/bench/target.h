/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices that raise an interrupt when a register is written. */
#ifndef UDRV_BENCH_TARGET_H
#define UDRV_BENCH_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <udrv/io.h>
#include <udrv/pci_info.h>

/*
 * What differs between them. @regs is BAR 0, of udrv_pci_iomap() or mapped as it is. Raising and
 * acknowledging are one access each, so that they cost all devices the same.
 */
struct bench_target {
	uint16_t vendor, device;
	const char *name;
	uint32_t bytes; /* of BAR 0, at least */
	uint32_t raise_reg, raise;
	uint32_t status_reg, ack_reg, cause;
	unsigned int gap_ns;   /* between two interrupts, unless the user says otherwise */
	unsigned int quiet_ms; /* from the last interrupt to the end of its vector */
	void (*enable)(void __udrv_iomem *regs);
	void (*disable)(void __udrv_iomem *regs);
};

/* NULL: it cannot be measured. "model:edu" is an edu device. */
const struct bench_target *bench_target_of(uint16_t vendor, uint16_t device);
const struct bench_target *bench_target_of_model(void);

/* Nothing is pending, and what is raised interrupts. */
void bench_target_enable(const struct bench_target *target, void __udrv_iomem *regs);
/* No more interrupts; the vector may go. */
void bench_target_disable(const struct bench_target *target, void __udrv_iomem *regs);

static inline void bench_target_raise(const struct bench_target *target, void __udrv_iomem *regs)
{
	udrv_iowrite32(target->raise, (char __udrv_iomem *)regs + target->raise_reg);
}

/* Acknowledge it. False: there was none of this device. */
static inline bool bench_target_take(const struct bench_target *target, void __udrv_iomem *regs)
{
	uint32_t status = udrv_ioread32((char __udrv_iomem *)regs + target->status_reg);

	if (!(status & target->cause))
		return false;
	udrv_iowrite32(status & target->cause, (char __udrv_iomem *)regs + target->ack_reg);
	return true;
}

#endif

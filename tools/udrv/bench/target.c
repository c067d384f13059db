// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/target.h"

#include <time.h>

/* QEMU's edu device, docs/specs/edu: all registers are 32 bits wide. */
#define EDU_IRQ_STATUS 0x24
#define EDU_IRQ_RAISE  0x60
#define EDU_IRQ_ACK    0x64

/* Intel 82574 datasheet, 10.2.2.1, 10.2.4 to 10.2.6. */
#define I82574_CTRL	0x0000
#define I82574_CTRL_RST (1u << 26)
#define I82574_RESET_MS 10
#define I82574_ICR	0x00c0
#define I82574_ITR	0x00c4
#define I82574_ICS	0x00c8
#define I82574_IMS	0x00d0
#define I82574_IMC	0x00d8
#define I82574_RCTL	0x0100
#define I82574_TCTL	0x0400
/* A cause that the card does not have itself while its receiver is off. */
#define I82574_CAUSE_RXT0 (1u << 7)

static void sleep_ms(unsigned int ms)
{
	struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000l};

	while (ms && nanosleep(&left, &left))
		;
}

static void write_reg(void __udrv_iomem *regs, uint32_t reg, uint32_t value)
{
	udrv_iowrite32(value, (char __udrv_iomem *)regs + reg);
}

static void edu_on(void __udrv_iomem *regs)
{
	(void)regs;
}

/* As after a reset, whatever the former driver left, without throttling. */
static void i82574_enable(void __udrv_iomem *regs)
{
	write_reg(regs, I82574_IMC, UINT32_MAX);
	write_reg(regs, I82574_RCTL, 0);
	write_reg(regs, I82574_TCTL, 0);
	write_reg(regs, I82574_CTRL,
		  udrv_ioread32((char __udrv_iomem *)regs + I82574_CTRL) | I82574_CTRL_RST);
	sleep_ms(I82574_RESET_MS);
	write_reg(regs, I82574_IMC, UINT32_MAX);
	write_reg(regs, I82574_ITR, 0);
	write_reg(regs, I82574_ICR, UINT32_MAX);
	write_reg(regs, I82574_IMS, I82574_CAUSE_RXT0);
}

static void i82574_disable(void __udrv_iomem *regs)
{
	write_reg(regs, I82574_IMC, UINT32_MAX);
}

static const struct bench_target targets[] = {
	{
		.vendor = 0x1234,
		.device = 0x11e8,
		.name = "QEMU's edu device",
		.bytes = 0x68,
		.raise_reg = EDU_IRQ_RAISE,
		.raise = 1,
		.status_reg = EDU_IRQ_STATUS,
		.ack_reg = EDU_IRQ_ACK,
		.cause = UINT32_MAX,
		.enable = edu_on,
		.disable = edu_on,
	},
	{
		.vendor = 0x8086,
		.device = 0x10d3,
		.name = "Intel's 82574L",
		.bytes = 0x20000,
		.raise_reg = I82574_ICS,
		.raise = I82574_CAUSE_RXT0,
		.status_reg = I82574_ICR,
		.ack_reg = I82574_ICR,
		.cause = I82574_CAUSE_RXT0,
		/*
		 * QEMU throttles in spite of ITR, to one in 128 us, and 7.2 ends if MSI-X is
		 * switched on or off while it holds one back.
		 */
		.gap_ns = 200000,
		.quiet_ms = 50,
		.enable = i82574_enable,
		.disable = i82574_disable,
	},
};

const struct bench_target *bench_target_of(uint16_t vendor, uint16_t device)
{
	for (unsigned int i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		if (targets[i].vendor == vendor && targets[i].device == device)
			return &targets[i];
	return NULL;
}

const struct bench_target *bench_target_of_model(void)
{
	return &targets[0];
}

void bench_target_enable(const struct bench_target *target, void __udrv_iomem *regs)
{
	target->enable(regs);
	/* What an earlier user left pending. */
	(void)bench_target_take(target, regs);
}

void bench_target_disable(const struct bench_target *target, void __udrv_iomem *regs)
{
	target->disable(regs);
	sleep_ms(target->quiet_ms);
}

/* SPDX-License-Identifier: MIT */
/* What the parts of the uart16550 driver share. */
#ifndef UART16550_H
#define UART16550_H

#include <udrv/driver.h>
#include <udrv/io.h>
#include <udrv/irq.h>
#include <udrv/tty.h>

#include "uart16550_regs.h"

/* One UART. What the registers are set to is with the lock of @port. */
struct uart16550 {
	struct udrv_uart_port port;
	void __udrv_iomem *regs;
	int irq;
	bool fifos;
	unsigned int trigger; /* characters in the FIFO when it interrupts */
	bool started;
	bool reading; /* there is room for what is received */
	uint8_t fcr, ier, lcr, mcr;
	uint32_t format;   /* as the verb has set it; one verb runs at a time */
	uint8_t lsr_saved; /* errors that were read when nobody asked */

	/* Counted by the handler, with the lock. */
	uint64_t irqs_line, irqs_rda, irqs_timeout, irqs_thre, irqs_msr;
	uint64_t nonsense; /* of registers that no UART could mean */
};

struct uart16550_card {
	struct udrv_device *dev;
	void __udrv_iomem *regs;
	int irq;
	unsigned int count;
	struct uart16550 uart[UART_PORTS_MAX];
};

extern const struct udrv_driver uart16550_driver;
extern const struct udrv_verb uart16550_verbs[];
extern const struct udrv_uart_ops uart16550_ops;

static inline uint8_t uart16550_in(const struct uart16550 *u, unsigned int reg)
{
	return udrv_ioread8((const char __udrv_iomem *)u->regs + reg);
}

static inline void uart16550_out(const struct uart16550 *u, unsigned int reg, uint8_t val)
{
	udrv_iowrite8(val, (char __udrv_iomem *)u->regs + reg);
}

/* Is it a UART, has it FIFOs? It is quiet afterwards. 0, -ENODEV, explained. */
int uart16550_detect(struct uart16550 *u);
udrv_irqreturn_t uart16550_interrupt(int irq, void *dev_id);
/* With the lock: tell of modem lines that have changed. MSR. */
uint8_t uart16550_modem_status(struct uart16550 *u);

#endif

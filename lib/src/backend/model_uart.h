/* SPDX-License-Identifier: MIT */
/*
 * For tests: what is at the other end of the software UARTs' wires, and what they do wrong. All are
 * of model:uart16550 and its -2x and -4x; any thread.
 */
#ifndef UDRV_MODEL_UART_H
#define UDRV_MODEL_UART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct udrv_device;

/* What is sent to a UART; by default it is well. */
#define UDRV__UART_PARITY 0x04u
#define UDRV__UART_FRAME  0x08u
#define UDRV__UART_BREAK  0x10u

/* How the other end behaves. */
#define UDRV__UART_OBEYS_RTS 0x1u /* sends only while the UART's RTS is on */
#define UDRV__UART_IMPATIENT 0x2u /* does not wait for room in the UART */
#define UDRV__UART_STUCK     0x4u /* takes nothing */

enum udrv__model_uart_chip {
	UDRV__UART_16550A,
	UDRV__UART_16550,  /* its FIFOs do not work, and it says so */
	UDRV__UART_16450,  /* without FIFOs */
	UDRV__UART_ABSENT, /* nothing answers */
};

enum udrv__model_uart_fault {
	UDRV__UART_LATE,     /* so many interrupts come 5 ms late */
	UDRV__UART_SPURIOUS, /* an interrupt until IIR has been read so often */
	UDRV__UART_BAD_IIR,  /* IIR has an identification that there is not, so often */
	UDRV__UART_BAD_LSR,  /* LSR reads as all ones, so often */
	UDRV__UART_FAULTS,
};

/* What a port has been told, and has done. */
struct udrv__model_uart_state {
	uint16_t divisor;
	uint8_t ier, lcr, mcr, fcr;
	unsigned int trigger;	 /* characters */
	unsigned int to_receive; /* characters sent to it that have not been read */
	uint64_t tx_lost;	 /* written to a full transmitter */
	uint64_t rx_lost;	 /* overrun */
	uint64_t breaks;	 /* begun */
	uint64_t faults;	 /* of those that were asked for, not done yet */
};

/* The port is wired to the test, which takes what it sends; from then on nothing gets lost there.
 */
void udrv__model_uart_wire(struct udrv_device *dev, unsigned int port, unsigned int how);
/* How many of len there was room for; flags: UDRV__UART_* of each. */
size_t udrv__model_uart_send(struct udrv_device *dev, unsigned int port, const void *bytes,
			     size_t len, unsigned int flags);
/* What it has sent: at most len, how many. Does not wait. */
size_t udrv__model_uart_receive(struct udrv_device *dev, unsigned int port, void *buf, size_t len);
/* The modem lines to it: bits of MSR, of which 0x10 is CTS, 0x20 DSR, 0x40 RI, 0x80 DCD. */
void udrv__model_uart_set_lines(struct udrv_device *dev, unsigned int port, uint8_t lines);
void udrv__model_uart_look(struct udrv_device *dev, unsigned int port,
			   struct udrv__model_uart_state *state);
/* Before it is probed. */
void udrv__model_uart_set_chip(struct udrv_device *dev, unsigned int port,
			       enum udrv__model_uart_chip chip);
void udrv__model_uart_fault(struct udrv_device *dev, unsigned int port,
			    enum udrv__model_uart_fault fault, unsigned int times);

#endif

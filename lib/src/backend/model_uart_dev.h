/* SPDX-License-Identifier: MIT */
/* Inside the software UARTs: registers of the NS16550A, and the state of each port. */
#ifndef UDRV_MODEL_UART_DEV_H
#define UDRV_MODEL_UART_DEV_H

#include <time.h>

#include "backend/model.h"
#include "backend/model_uart.h"

#define UARTS_MAX 4
#define UART_REGS 8 /* bytes of the BAR for each */

/* PC16550D, table II, "Summary of Registers" */
#define REG_RBR 0 /* THR; DLL with LCR_DLAB */
#define REG_IER 1 /* DLM with LCR_DLAB */
#define REG_IIR 2 /* FCR */
#define REG_LCR 3
#define REG_MCR 4
#define REG_LSR 5
#define REG_MSR 6
#define REG_SCR 7

#define IER_RDA	 0x01u
#define IER_THRE 0x02u
#define IER_LINE 0x04u
#define IER_MSR	 0x08u

/* Table III, in the order of priority */
#define IIR_LINE    0x06u
#define IIR_RDA	    0x04u
#define IIR_TIMEOUT 0x0cu
#define IIR_THRE    0x02u
#define IIR_MSR	    0x00u
#define IIR_NONE    0x01u
#define IIR_FIFOS   0xc0u

#define FCR_ENABLE   0x01u
#define FCR_RESET_RX 0x02u
#define FCR_RESET_TX 0x04u

#define LCR_PARITY 0x3bu /* bits, parity, stick: both ends must have the same */
#define LCR_BREAK  0x40u
#define LCR_DLAB   0x80u

#define MCR_DTR	 0x01u
#define MCR_RTS	 0x02u
#define MCR_OUT1 0x04u
#define MCR_OUT2 0x08u
#define MCR_LOOP 0x10u

#define LSR_DR	 0x01u
#define LSR_OE	 0x02u
#define LSR_PE	 0x04u
#define LSR_FE	 0x08u
#define LSR_BI	 0x10u
#define LSR_THRE 0x20u
#define LSR_TEMT 0x40u
#define LSR_FIFO 0x80u
#define LSR_BAD	 (LSR_PE | LSR_FE | LSR_BI)

#define MSR_DCTS 0x01u
#define MSR_TERI 0x04u
#define MSR_CTS	 0x10u
#define MSR_DSR	 0x20u
#define MSR_RI	 0x40u
#define MSR_DCD	 0x80u

#define FIFO_DEPTH 16u
#define LINE_DEPTH 8192u /* characters under way */

/* Characters with their LSR_BAD << 8. */
struct uart_line {
	uint16_t entries[LINE_DEPTH];
	unsigned int head, count;
};

struct uart {
	enum udrv__model_uart_chip chip;
	uint8_t ier, lcr, mcr, fcr, scr;
	uint8_t msr; /* levels and changes */
	uint16_t divisor;
	bool thre; /* THRE interrupt */
	bool timed_out;
	bool overrun;
	uint16_t rx[FIFO_DEPTH];
	unsigned int rx_count;
	uint8_t tx[FIFO_DEPTH];
	unsigned int tx_count;
	struct timespec timeout; /* of characters in the FIFO, when there are any */

	uint8_t lines;	      /* modem lines from the wire */
	struct uart *peer;    /* wired to it; NULL: to the test, or to nothing */
	bool wired;	      /* to the test */
	unsigned int how;     /* UDRV__UART_* of the other end */
	struct uart_line in;  /* on its way to the UART */
	struct uart_line out; /* to the test */
	unsigned int faults[UDRV__UART_FAULTS];
	uint64_t tx_lost, rx_lost, breaks;
};

struct uarts {
	struct udrv__model *model;
	pthread_t thread;
	pthread_cond_t work; /* to the thread, on CLOCK_MONOTONIC */

	pthread_mutex_t lock; /* everything below */
	bool stopping;
	bool idle;   /* the thread waits for work, without a deadline */
	bool raised; /* the line */
	bool late;   /* it is raised when it is time */
	struct timespec raise;
	unsigned int count;
	struct uart port[UARTS_MAX];
};

/* All with the lock. */

bool uart_line_put(struct uart_line *l, uint16_t entry);
bool uart_line_get(struct uart_line *l, uint16_t *entry);

unsigned int uart_depth(const struct uart *u);
unsigned int uart_trigger(const struct uart *u);
/* The interrupt that IIR tells. */
uint8_t uart_source(const struct uart *u);
/* A character reaches the receiver. */
void uart_arrive(struct uart *u, uint16_t entry);
/* The modem lines that it sees, from the wire or its own outputs. */
void uart_update_msr(struct uart *u);
void uart_restart_timeout(struct uart *u);
void uart_clear_rx(struct uart *u);

/* Something has changed: the interrupt line, and work for the thread. */
void uarts_update(struct uarts *us);

uint64_t uarts_read(void *state, unsigned int bar, uint64_t offset, unsigned int size);
void uarts_write(void *state, unsigned int bar, uint64_t offset, unsigned int size, uint64_t val);

/* Moves characters; whether any moved. */
bool uart_move(struct uart *u);
bool uart_move_in(struct uart *u);
/* The outputs have changed: tell the other end. */
void uart_tell_peer(struct uart *u);

#endif

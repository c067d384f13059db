/* SPDX-License-Identifier: MIT */
/*
 * Registers of a 16550A on QEMU's PCI cards.
 * Sources: [PC] National PC16550D, "Universal Asynchronous Receiver/Transmitter with FIFOs", June
 * 1995, by the headings of its section 8, which are also those of Texas Instruments' TL16C550C
 * (SLLS177), "Principles of Operation"; [Q] QEMU docs/specs/pci-serial.
 */
#ifndef UART16550_REGS_H
#define UART16550_REGS_H

/* [Q], and QEMU docs/specs/pci-ids: one, two and four ports */
#define UART_VENDOR_ID	  0x1b36
#define UART_DEVICE_ID_1X 0x0002
#define UART_DEVICE_ID_2X 0x0003
#define UART_DEVICE_ID_4X 0x0004
#define UART_BAR	  0 /* I/O ports, UART_REGS bytes for each UART */
#define UART_REGS	  8
#define UART_PORTS_MAX	  4
#define UART_CLOCK                                                                                 \
	1843200 /* Hz; [Q] is silent, QEMU hw/char/serial.c: 115200 baud by divisor 1              \
		 */

/* [PC] table II "Summary of Registers" */
#define UART_RBR 0 /* RO, receiver buffer; LCR_DLAB 0 */
#define UART_THR 0 /* WO, transmitter holding; LCR_DLAB 0 */
#define UART_DLL 0 /* RW, divisor latch, low; LCR_DLAB 1 */
#define UART_IER 1 /* RW, interrupt enable; LCR_DLAB 0 */
#define UART_DLM 1 /* RW, divisor latch, high; LCR_DLAB 1 */
#define UART_IIR 2 /* RO, interrupt identification */
#define UART_FCR 2 /* WO, FIFO control */
#define UART_LCR 3 /* RW, line control */
#define UART_MCR 4 /* RW, modem control */
#define UART_LSR 5 /* RO, line status */
#define UART_MSR 6 /* RO, modem status */
#define UART_SCR 7 /* RW, scratch pad */

/* [PC] "Interrupt Enable Register" */
#define UART_IER_RDA  0x01u /* ERBFI: received data, and character time-out */
#define UART_IER_THRE 0x02u /* ETBEI: transmitter holding register empty */
#define UART_IER_LINE 0x04u /* ELSI: receiver line status */
#define UART_IER_MSR  0x08u /* EDSSI: modem status */

/* [PC] "Interrupt Identification Register", table IV "Interrupt Control Functions" */
#define UART_IIR_NONE	 0x01u /* none is pending */
#define UART_IIR_ID	 0x0fu
#define UART_IIR_LINE	 0x06u /* 1st: cleared by reading LSR */
#define UART_IIR_RDA	 0x04u /* 2nd: by reading below the trigger level */
#define UART_IIR_TIMEOUT 0x0cu /* 2nd: by reading RBR */
#define UART_IIR_THRE	 0x02u /* 3rd: by reading IIR, or writing THR */
#define UART_IIR_MSR	 0x00u /* 4th: by reading MSR */
#define UART_IIR_FIFOS	 0xc0u /* both: the FIFOs are on. One: a 16550 whose FIFOs do not work */

/* [PC] "FIFO Control Register" */
#define UART_FCR_ENABLE	  0x01u
#define UART_FCR_CLEAR_RX 0x02u
#define UART_FCR_CLEAR_TX 0x04u
#define UART_FCR_TRIGGER  6 /* shift of the trigger level: 1, 4, 8 or 14 characters */

/* [PC] "Line Control Register" */
#define UART_LCR_BITS	0x03u /* characters of 5 and that many bits */
#define UART_LCR_STOP	0x04u /* two stop bits; 1.5 with 5 bits */
#define UART_LCR_PARITY 0x08u
#define UART_LCR_EVEN	0x10u
#define UART_LCR_STICK	0x20u /* with EVEN: always 0, without: always 1 */
#define UART_LCR_BREAK	0x40u
#define UART_LCR_DLAB	0x80u

/* [PC] "Modem Control Register" */
#define UART_MCR_DTR  0x01u
#define UART_MCR_RTS  0x02u
#define UART_MCR_OUT1 0x04u
#define UART_MCR_OUT2 0x08u /* in PCs it lets interrupts through */
#define UART_MCR_LOOP 0x10u

/* [PC] "Line Status Register" */
#define UART_LSR_DR	  0x01u /* data ready */
#define UART_LSR_OE	  0x02u /* overrun error */
#define UART_LSR_PE	  0x04u /* parity error, of the character that is read next; so FE, BI */
#define UART_LSR_FE	  0x08u /* framing error */
#define UART_LSR_BI	  0x10u /* break interrupt */
#define UART_LSR_THRE	  0x20u /* the transmitter's FIFO is empty */
#define UART_LSR_TEMT	  0x40u /* and all has been sent */
#define UART_LSR_FIFO_ERR 0x80u /* PE, FE or BI somewhere in the FIFO */
#define UART_LSR_ERRORS	  (UART_LSR_OE | UART_LSR_PE | UART_LSR_FE | UART_LSR_BI)
#define UART_LSR_GONE	  0xffu /* no UART says all of it at once: nobody answers */

/* [PC] "Modem Status Register". Changes since the last read: */
#define UART_MSR_DCTS 0x01u
#define UART_MSR_DDSR 0x02u
#define UART_MSR_TERI 0x04u /* the trailing edge of RI */
#define UART_MSR_DDCD 0x08u
/* Levels: */
#define UART_MSR_CTS 0x10u
#define UART_MSR_DSR 0x20u
#define UART_MSR_RI  0x40u
#define UART_MSR_DCD 0x80u

/* [PC] "FIFO Interrupt Mode Operation": characters in each FIFO */
#define UART_FIFO_SIZE 16

#endif

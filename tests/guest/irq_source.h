/* SPDX-License-Identifier: MIT */
/* Interrupts that a test raises itself, on devices of QEMU, and counts. */
#ifndef TESTS_GUEST_IRQ_SOURCE_H
#define TESTS_GUEST_IRQ_SOURCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <udrv/irq.h>

/* What a worker can wait by on the guest's one CPU. */
extern const enum udrv_wait *waits;
extern unsigned int wait_count;

struct source;

struct source_ops {
	void (*raise)(struct source *s);
	/* Is it there? Then acknowledge it. */
	bool (*take)(struct source *s);
};

struct source {
	struct udrv_device *dev;
	const struct source_ops *ops;
	uint8_t __udrv_iomem *regs;
	uint32_t bit;
	int irq;
	bool threaded; /* taken by a thread function */
	/*
	 * QEMU 7.2: once e1000e held an interrupt back, because it came within 128 us of the
	 * vector's last, each is sent again after 128 us. The cause is not there any more then.
	 */
	bool repeats;
	/* Where a message is all that there is: it was raised, and no handler ran since. */
	atomic_bool in_flight;
	unsigned int raised; /* by the one thread that raises it */
	atomic_uint arrived;
	atomic_uint idle; /* times a handler found nothing */
};

/* Print "ok" or "FAIL"; the number of failures is the program's verdict. */
void check(const char *what, bool good);
extern atomic_int failed;

/* Open a device with count vectors of a type. Ends the program if that cannot be. */
struct udrv_device *open_with_vectors(const char *name, unsigned int type, unsigned int count);
/* The end of a device: nothing may have been raised in the last 50 ms. */
void close_quiet(struct udrv_device *dev);

void edu_source(struct source *s, struct udrv_device *dev);
/* The five causes of an 82574, each with the vector of its number. */
void e1000e_sources(struct source s[5], struct udrv_device *dev);
/*
 * The first count vectors of an ivshmem device, rung by the device's own doorbell. A message has no
 * status: a run of the handler is taken for it if it was rung and is in flight, and is idle else.
 * So one that is lost never arrives, and one that comes twice is idle once.
 */
void ivshmem_sources(struct source *s, unsigned int count, struct udrv_device *dev);
/* A 16550 at an offset of an I/O BAR 0, by its transmitter that is empty. */
void uart_source(struct source *s, struct udrv_device *dev, unsigned int offset);

/* Take what arrives; UDRV_IRQF_*. */
int source_request(struct source *s, unsigned int flags);
int source_free(struct source *s);
/* Has all arrived that was raised? Waits 10 s at most. */
bool source_await(struct source *s);
/* Raise it once all from before arrived. */
bool source_raise(struct source *s);
/* Raise all of them in mixed order, so many times on average; wait until all arrived. */
bool sources_pump(struct source *s, unsigned int count, unsigned int times);
/*
 * Did the chain run as often as the handler, on the CPU that takes the interrupt? For lines with
 * one handler, 50 ms after the last.
 */
void source_check_stats(struct source *s);

void pause_us(long us);

/* All are served by the first one's worker from now on; waits are those that allow it. */
void sources_share(struct source *s, unsigned int count);

#endif

// SPDX-License-Identifier: MIT
/* Interrupts that a test raises itself, on devices of QEMU, and counts. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <udrv/device.h>
#include <udrv/io.h>
#include <udrv/pci.h>

#include "edu_regs.h"
#include "irq_source.h"

/* Intel 82574 datasheet, 10.2.4: interrupt registers; the bits of the causes are those of 10.2.4.1.
 */
#define E1000E_ICR	   0x00c0
#define E1000E_ICS	   0x00c8
#define E1000E_IMS	   0x00d0
#define E1000E_IVAR	   0x00e4
#define E1000E_FIRST_CAUSE 20	/* RxQ0, then RxQ1, TxQ0, TxQ1, Other */
#define E1000E_IVAR_VALID  0x8u /* in each 4 bits */
#define E1000E_CAUSES	   5

/* QEMU docs/specs/ivshmem-spec.txt, PCI device registers. */
#define IVSHMEM_IVPOSITION	 0x08 /* the device's own id */
#define IVSHMEM_DOORBELL	 0x0c
#define IVSHMEM_RING(id, vector) ((id) << 16 | (vector))

/* 16550 (PC16550D data sheet, 8): interrupt enable, interrupt identification. */
#define UART_IER      1
#define UART_IIR      2
#define UART_IER_THRE 0x02 /* transmitter holding register empty */
#define UART_IIR_NONE 0x01
#define UART_BAR      0

static const enum udrv_wait waits_of_one[] = {UDRV_WAIT_READ, UDRV_WAIT_EPOLL, UDRV_WAIT_URING,
					      UDRV_WAIT_URING_READ, UDRV_WAIT_ADAPTIVE};
static const enum udrv_wait waits_of_many[] = {UDRV_WAIT_EPOLL, UDRV_WAIT_URING,
					       UDRV_WAIT_ADAPTIVE};

const enum udrv_wait *waits = waits_of_one;
unsigned int wait_count = sizeof(waits_of_one) / sizeof(waits_of_one[0]);

void sources_share(struct source *s, unsigned int count)
{
	const struct udrv_irq_options options = {UDRV_WAIT_URING, 50, UDRV_CPU_HOME};
	bool good = !udrv_irq_set_options(s[0].dev, s[0].irq, &options);

	for (unsigned int i = 1; good && i < count; i++)
		good = !udrv_irq_share(s[i].dev, s[i].irq, s[0].dev, s[0].irq);
	check("one worker for all", good);
	waits = waits_of_many;
	wait_count = sizeof(waits_of_many) / sizeof(waits_of_many[0]);
}

atomic_int failed;

void check(const char *what, bool good)
{
	printf("%s %s\n", good ? "ok" : "FAIL", what);
	failed += !good;
}

void pause_us(long us)
{
	const struct timespec pause = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};

	nanosleep(&pause, NULL);
}

struct udrv_device *open_with_vectors(const char *name, unsigned int type, unsigned int count)
{
	struct udrv_device *dev;

	if (udrv_device_open(name, NULL, &dev))
		exit(1);
	if (udrv_pci_enable_device(dev) || udrv_pci_set_master(dev) ||
	    udrv_pci_alloc_irq_vectors(dev, count, count, type) != (int)count) {
		printf("FAIL %s: %u vectors\n", name, count);
		exit(1);
	}
	return dev;
}

void close_quiet(struct udrv_device *dev)
{
	/* QEMU 7.2 ends if e1000e's vectors go while it holds back the next interrupt. */
	pause_us(50000);
	udrv_device_close(dev);
}

static void edu_raise(struct source *s)
{
	udrv_iowrite32(s->bit, s->regs + EDU_IRQ_RAISE);
}

static bool edu_take(struct source *s)
{
	if (!(udrv_ioread32(s->regs + EDU_IRQ_STATUS) & s->bit))
		return false;
	udrv_iowrite32(s->bit, s->regs + EDU_IRQ_ACK);
	return true;
}

static void source_init(struct source *s, struct udrv_device *dev, const struct source_ops *ops,
			int irq)
{
	*s = (struct source){.dev = dev, .ops = ops, .irq = irq};
	s->regs = udrv_pci_iomap(dev, 0, 0);
	if (!s->regs) {
		printf("FAIL %s: no registers\n", udrv_device_name(dev));
		exit(1);
	}
}

void edu_source(struct source *s, struct udrv_device *dev)
{
	static const struct source_ops ops = {edu_raise, edu_take};

	source_init(s, dev, &ops, udrv_pci_irq_vector(dev, 0));
	s->bit = 0x40;
}

static void e1000e_raise(struct source *s)
{
	udrv_iowrite32(s->bit, s->regs + E1000E_ICS);
}

static bool e1000e_take(struct source *s)
{
	/* With MSI-X on and auto-masking off, a read has no effect. */
	if (!(udrv_ioread32(s->regs + E1000E_ICR) & s->bit))
		return false;
	udrv_iowrite32(s->bit, s->regs + E1000E_ICR);
	return true;
}

void e1000e_sources(struct source s[E1000E_CAUSES], struct udrv_device *dev)
{
	static const struct source_ops ops = {e1000e_raise, e1000e_take};
	uint32_t ivar = 0;
	uint32_t all = 0;

	for (unsigned int i = 0; i < E1000E_CAUSES; i++) {
		source_init(&s[i], dev, &ops, udrv_pci_irq_vector(dev, i));
		s[i].bit = 1u << (E1000E_FIRST_CAUSE + i);
		s[i].threaded = i % 2;
		s[i].repeats = true;
		ivar |= (E1000E_IVAR_VALID | i) << (4 * i);
		all |= s[i].bit;
	}
	udrv_iowrite32(ivar, s[0].regs + E1000E_IVAR);
	udrv_iowrite32(all, s[0].regs + E1000E_IMS);
}

static void ivshmem_raise(struct source *s)
{
	s->in_flight = true;
	udrv_iowrite32(s->bit, s->regs + IVSHMEM_DOORBELL);
}

static bool ivshmem_take(struct source *s)
{
	return atomic_exchange(&s->in_flight, false);
}

void ivshmem_sources(struct source *s, unsigned int count, struct udrv_device *dev)
{
	static const struct source_ops ops = {ivshmem_raise, ivshmem_take};

	for (unsigned int i = 0; i < count; i++) {
		source_init(&s[i], dev, &ops, udrv_pci_irq_vector(dev, i));
		s[i].bit = IVSHMEM_RING(udrv_ioread32(s[i].regs + IVSHMEM_IVPOSITION), i);
		s[i].threaded = i % 2;
	}
}

static void uart_raise(struct source *s)
{
	udrv_port_t port = udrv_iomem_port(s->regs);

	/* The transmitter is empty all the time: enabling its interrupt raises it. */
	udrv_outb(0, port + UART_IER);
	udrv_outb(UART_IER_THRE, port + UART_IER);
}

static bool uart_take(struct source *s)
{
	/* Reading acknowledges it. */
	return !(udrv_inb(udrv_iomem_port(s->regs) + UART_IIR) & UART_IIR_NONE);
}

void uart_source(struct source *s, struct udrv_device *dev, unsigned int offset)
{
	static const struct source_ops ops = {uart_raise, uart_take};

	source_init(s, dev, &ops, udrv_pci_irq_vector(dev, 0));
	s->regs += offset;
}

static udrv_irqreturn_t take(int irq, void *source)
{
	struct source *s = source;

	(void)irq;
	if (!s->ops->take(s)) {
		s->idle++;
		return UDRV_IRQ_NONE;
	}
	s->arrived++;
	return UDRV_IRQ_HANDLED;
}

int source_request(struct source *s, unsigned int flags)
{
	return udrv_request_threaded_irq(s->dev, s->irq, s->threaded ? NULL : take,
					 s->threaded ? take : NULL, flags, "source", s);
}

int source_free(struct source *s)
{
	return udrv_free_irq(s->dev, s->irq, s);
}

bool source_await(struct source *s)
{
	time_t end = time(NULL) + 60;

	while (s->arrived != s->raised) {
		if (time(NULL) > end) {
			printf("FAIL irq %d of %s: raised %u, arrived %u\n", s->irq,
			       udrv_device_name(s->dev), s->raised, s->arrived);
			failed++;
			return false;
		}
		sched_yield();
	}
	return true;
}

bool source_raise(struct source *s)
{
	if (!source_await(s))
		return false;
	s->raised++;
	s->ops->raise(s);
	return true;
}

bool sources_pump(struct source *s, unsigned int count, unsigned int times)
{
	static unsigned int seed = 1;

	for (unsigned int i = 0; i < count * times; i++) {
		seed = seed * 1103515245 + 12345;
		if (!source_raise(&s[(seed >> 16) % count]))
			return false;
	}
	for (unsigned int i = 0; i < count; i++)
		if (!source_await(&s[i]))
			return false;
	return true;
}

void source_check_stats(struct source *s)
{
	struct udrv_irq_stats stats = {0};
	uint64_t runs;
	char what[100];

	(void)udrv_synchronize_irq(s->dev, s->irq);
	(void)udrv_irq_get_stats(s->dev, s->irq, &stats);
	runs = s->arrived + s->idle;
	(void)snprintf(what, sizeof(what),
		       "irq %d: raised %u, arrived %u, idle %u, chain ran %lu times", s->irq,
		       s->raised, s->arrived, s->idle, (unsigned long)stats.count);
	/* What a thread function returns does not count. */
	check(what, s->raised == s->arrived && stats.count == runs && !stats.shut &&
			    stats.cpu >= 0 && stats.unhandled == (s->threaded ? 0 : s->idle));
}

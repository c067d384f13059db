// SPDX-License-Identifier: MIT
/*
 * The software devices' own threads, while others do with a device all that can be done at once:
 * registers, resets, interrupts and memory that come and go, and what tests ask and want. What is
 * wrong between two threads the thread sanitizer sees.
 */
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "backend/model_e1000e.h"
#include "backend/model_nvme.h"
#include "backend/model_nvme_spec.h"
#include "backend/model_uart.h"
#include "pci/device.h"

#include "support/stub_device.h"
#include "support/suite.h"
#include "support/threads.h"

#define PAGE	    4096u
#define FILL	    0x5a
#define IOVA	    0x100000u
#define WINDOWS	    16u
#define ROUNDS	    40
#define CONFIG_BITS (PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)

static struct udrv_device *dev, *other;
static bool end;

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* Registers, whatever they are; addresses are those of memory that there may be. */
static void *use_registers(void *seed)
{
	const struct udrv__model_type *type = udrv__model_of(dev)->type;
	uint32_t state = (uint32_t)(uintptr_t)seed;

	while (!get(end)) {
		const unsigned int bar = next_random(&state) % 3;
		const unsigned int size = 1u << next_random(&state) % 4;
		/* Most are at the beginning of a BAR. */
		const uint64_t span = next_random(&state) % 8 ? 256 : type->bars[bar].len;
		const uint64_t at = span ? next_random(&state) % span & ~(uint64_t)(size - 1) : 0;
		uint64_t val = next_random(&state) % 4 ? IOVA + next_random(&state) % 65536 * 16
						       : next_random(&state);

		if (next_random(&state) % 2)
			(void)dev->ops->bar_write(dev, bar, at, size, val);
		else
			(void)dev->ops->bar_read(dev, bar, at, size, &val);
	}
	return NULL;
}

static void *reset_it(void *arg)
{
	(void)arg;
	while (!get(end)) {
		uint32_t val;

		(void)dev->ops->reset(dev);
		(void)dev->ops->config_write(dev, PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE);
		(void)dev->ops->config_write(dev, PCI_COMMAND, 2, CONFIG_BITS);
		(void)dev->ops->config_read(dev, PCI_STATUS, 2, &val);
		for (unsigned int i = 0; i < 50; i++)
			sched_yield();
	}
	return NULL;
}

/* Nothing is signalled once interrupts are off: the descriptor may be another file's. */
static void *switch_interrupts(void *arg)
{
	(void)arg;
	while (!get(end)) {
		for (enum udrv__irq_type type = 0; type < UDRV__IRQ_TYPES; type++) {
			const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
			int fds[64];
			eventfd_t n;
			const unsigned int count =
				dev->irq_counts[type] < 64 ? dev->irq_counts[type] : 64;

			for (unsigned int i = 0; i < 64; i++)
				fds[i] = fd;
			if (count && !dev->ops->irq_enable(dev, type, fds, count)) {
				for (unsigned int i = 0; i < 20; i++)
					(void)dev->ops->irq_unmask_intx(dev);
				ck_assert_int_eq(dev->ops->irq_disable(dev, type), 0);
			}
			(void)eventfd_read(fd, &n);
			for (unsigned int i = 0; i < 20; i++)
				sched_yield();
			ck_assert_int_eq(eventfd_read(fd, &n), -1);
			close(fd);
		}
	}
	return NULL;
}

/* Nor is memory written once it is not the device's. */
static void map_and_unmap(unsigned int rounds)
{
	for (unsigned int round = 0; round < rounds; round++) {
		const udrv_iova_t iova = IOVA + round % WINDOWS * PAGE;
		unsigned char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		ck_assert_ptr_ne(p, MAP_FAILED);
		ck_assert_int_eq(dev->ops->dma_map(dev, p, PAGE, iova, true, true), 0);
		for (unsigned int i = 0; i < 20; i++)
			sched_yield();
		ck_assert_int_eq(dev->ops->dma_unmap(dev, iova, PAGE), 0);
		memset(p, FILL, PAGE);
		for (unsigned int i = 0; i < 20; i++)
			sched_yield();
		ck_assert(cpu_sees(p, PAGE, FILL));
		ck_assert_int_eq(munmap(p, PAGE), 0);
	}
}

static void ask_model(uint32_t what)
{
	struct udrv__model_counts c;

	udrv__model_get_counts(dev, &c);
	if (what % 64 == 0)
		udrv__model_link_down(udrv__model_of(dev), 1000);
	if (what % 8 == 0)
		udrv__model_raise_event(dev, UDRV_EVENT_REQUEST);
}

static void ask_uart(uint32_t what)
{
	struct udrv__model_uart_state s;
	char buf[64] = "x";

	udrv__model_uart_look(dev, what % 2, &s);
	udrv__model_uart_wire(dev, what % 2, what % 8);
	udrv__model_uart_set_chip(dev, what % 2, UDRV__UART_16550A);
	udrv__model_uart_fault(dev, what % 2, what / 2 % UDRV__UART_FAULTS, 1);
	udrv__model_uart_set_lines(dev, what % 2, (uint8_t)what);
	(void)udrv__model_uart_send(dev, what % 2, buf, sizeof(buf), 0);
	(void)udrv__model_uart_receive(dev, what % 2, buf, sizeof(buf));
}

static void ask_e1000e(uint32_t what)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
	struct udrv__model_e1000e_state s;
	char buf[64] = {-1, -1, -1, -1, -1, -1};

	udrv__model_e1000e_look(dev, &s);
	udrv__model_e1000e_set_chip(dev, what % 16 ? UDRV__E1000E_82574 : UDRV__E1000E_STUCK);
	udrv__model_e1000e_set_mac(dev, mac);
	udrv__model_e1000e_fault(dev, what % UDRV__E1000E_FAULTS, 1);
	udrv__model_e1000e_set_link(dev, what % 2);
	(void)udrv__model_e1000e_send(dev, buf, sizeof(buf));
	(void)udrv__model_e1000e_send(other, buf, sizeof(buf));
	(void)udrv__model_e1000e_receive(dev, buf, sizeof(buf));
	udrv__model_e1000e_settle(dev);
}

static void ask_nvme(uint32_t what)
{
	struct udrv__model_nvme_counts c;
	const struct udrv__model_nvme_fault fault = {.kind = what % UDRV__MODEL_NVME_FAULTS,
						     .any_queue = true,
						     .any_opcode = true,
						     .count = 1,
						     .delay_ms = 1};
	const struct udrv__model_nvme_switches switches = {.no_interrupts = what % 2,
							   .activating = what / 2 % 2};

	udrv__model_nvme_get_counts(dev, &c);
	(void)udrv__model_nvme_inject(dev, &fault);
	udrv__model_nvme_set_switches(dev, &switches);
	udrv__model_nvme_pause(dev, what % 4 == 0);
	udrv__model_nvme_set_temperature(dev, (uint16_t)(what % 500));
	(void)udrv__model_nvme_resize(dev, 1, 1000 + what % 16);
	(void)udrv__model_nvme_attach(dev, 2, what % 2);
	(void)udrv__model_nvme_tell(dev, 0, what % 4, 1);
	udrv__model_nvme_activate_firmware(dev, what % 2 ? "2.0" : "1.0");
	if (what % 16 == 0)
		udrv__model_nvme_power_cut(dev);
	udrv__model_nvme_heal(dev);
	udrv__model_nvme_pause(dev, false);
	if (what % 8 == 0)
		udrv__model_nvme_settle(dev);
}

static const struct {
	const char *name, *other;
	void (*ask)(uint32_t what);
} models[] = {
	{"model:edu", NULL, NULL},
	{"model:ivshmem", NULL, NULL},
	{"model:uart16550-2x:cross", NULL, ask_uart},
	{"model:e1000e", "model:e1000e:b", ask_e1000e},
	{"model:nvme:dbbuf-cmb", NULL, ask_nvme},
};

#define MODELS (sizeof(models) / sizeof(models[0]))

static void *ask(void *arg)
{
	const unsigned int *which = arg;
	uint32_t state = 1;

	while (!get(end)) {
		ask_model(next_random(&state));
		if (models[*which].ask)
			models[*which].ask(next_random(&state));
		sched_yield();
	}
	return NULL;
}

/* What a driver would have to do first. */
static void *enable_nvme(void *arg)
{
	(void)arg;
	while (!get(end)) {
		(void)dev->ops->bar_write(dev, 0, NVME_REG_CC, 4, 0);
		(void)dev->ops->bar_write(dev, 0, NVME_REG_AQA, 4, 0x000f000f);
		(void)dev->ops->bar_write(dev, 0, NVME_REG_ASQ, 8, IOVA);
		(void)dev->ops->bar_write(dev, 0, NVME_REG_ACQ, 8, IOVA + PAGE);
		(void)dev->ops->bar_write(dev, 0, NVME_REG_CC, 4, NVME_CC_EN);
		for (unsigned int i = 0; i < 16; i++)
			(void)dev->ops->bar_write(dev, 0, NVME_REG_DBS, 4, i);
	}
	return NULL;
}

START_TEST(everything_at_once)
{
	unsigned int which = (unsigned int)_i;
	pthread_t threads[6];
	unsigned int n = 0;

	set(end, false);
	ck_assert_int_eq(udrv_device_open(models[_i].name, NULL, &dev), 0);
	if (models[_i].other) {
		ck_assert_int_eq(udrv_device_open(models[_i].other, NULL, &other), 0);
		ck_assert_int_eq(udrv__model_e1000e_connect(dev, other), 0);
	}
	ck_assert_int_eq(dev->ops->config_write(dev, PCI_COMMAND, 2, CONFIG_BITS), 0);
	threads[n++] = start(use_registers, (void *)1);
	threads[n++] = start(use_registers, (void *)2);
	threads[n++] = start(reset_it, NULL);
	threads[n++] = start(switch_interrupts, NULL);
	threads[n++] = start(ask, &which);
	if (models[_i].ask == ask_nvme)
		threads[n++] = start(enable_nvme, NULL);
	map_and_unmap(ROUNDS);
	set(end, true);
	while (n)
		finish(threads[--n]);
	udrv_device_close(dev);
	udrv_device_close(other);
	other = NULL;
}
END_TEST

static udrv_iova_t written;

static void *write_memory(void *arg)
{
	(void)arg;
	while (!get(end))
		(void)udrv__model_dma_write(udrv__model_of(dev), get(written), "0123456789abcdef",
					    16);
	return NULL;
}

/* As an IOMMU would. The address is the same each time. */
START_TEST(memory_of_the_stub_is_not_the_devices_when_it_goes)
{
	struct udrv__dma_block block = {0};
	pthread_t thread;

	dev = stub_open("model:edu");
	ck_assert_int_eq(dev->ops->dma_alloc(dev, PAGE, UDRV_DMA_BIT_MASK(32), &block), 0);
	set(written, block.iova);
	ck_assert_int_eq(dev->ops->dma_free(dev, &block), 0);
	set(end, false);
	thread = start(write_memory, NULL);
	for (unsigned int i = 0; i < 2000; i++) {
		ck_assert_int_eq(dev->ops->dma_alloc(dev, PAGE, UDRV_DMA_BIT_MASK(32), &block), 0);
		ck_assert_uint_eq(block.iova, written);
		ck_assert_int_eq(dev->ops->dma_free(dev, &block), 0);
	}
	set(end, true);
	finish(thread);
	udrv_device_close(dev);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model_threads");
	TCase *tc = tcase_create("threads");

	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, everything_at_once, 0, MODELS);
	tcase_add_test(tc, memory_of_the_stub_is_not_the_devices_when_it_goes);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

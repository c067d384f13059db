// SPDX-License-Identifier: MIT
/* The edu driver on a software edu. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <udrv/io.h>

#include "edu_driver.h"
#include "support/suite.h"

static const char *const waits[] = {"read", "epoll", "uring", "uring-read", "spin"};
static const char *const types[] = {"intx", "msi"};

#define WAITS	     5
#define TYPES	     2
#define COMBINATIONS (WAITS * TYPES)

static struct udrv_device *dev;

static void setup(void)
{
	dev = open_and_probe("model:edu");
}

static void teardown(void)
{
	remove_and_close(dev);
}

static void use_combination(int i)
{
	set_param("irq", types[i / WAITS]);
	set_param("wait", waits[i % WAITS]);
}

static uint32_t factorial_on_cpu(uint32_t n)
{
	return n ? n * factorial_on_cpu(n - 1) : 1;
}

static void check_factorial(struct udrv_device *d, uint32_t n)
{
	uint32_t result = 0;

	ck_assert_int_eq(edu_factorial(edu_of(d), n, &result), 0);
	ck_assert_uint_eq(result, factorial_on_cpu(n));
}

START_TEST(every_factorial_that_fits)
{
	for (uint32_t n = 0; n <= EDU_FACTORIAL_MAX; n++)
		check_factorial(dev, n);
	ck_assert_uint_eq(edu_of(dev)->factorials, EDU_FACTORIAL_MAX + 1);
	ck_assert_uint_eq(edu_of(dev)->lost, 0);
}
END_TEST

START_TEST(factorial_that_overflows_is_refused)
{
	uint32_t result = 77;

	ck_assert_int_eq(edu_factorial(edu_of(dev), EDU_FACTORIAL_MAX + 1, &result), -ERANGE);
	ck_assert_int_eq(edu_factorial(edu_of(dev), UINT32_MAX, &result), -ERANGE);
	ck_assert_uint_eq(result, 77);
}
END_TEST

/* Loops over interrupt types and wait strategies. */
START_TEST(interrupts_by_each_type_and_wait)
{
	struct udrv_irq_stats stats;
	struct udrv_device *d;

	use_combination(_i);
	d = open_and_probe("model:edu");
	ck_assert_uint_eq(udrv_pci_irq_type(d), _i / WAITS ? UDRV_PCI_IRQ_MSI : UDRV_PCI_IRQ_INTX);
	for (uint32_t i = 0; i < 200; i++)
		check_factorial(d, i % (EDU_FACTORIAL_MAX + 1));
	/* The worker counts when the handler, which ends the wait, has returned. */
	ck_assert_int_eq(udrv_synchronize_irq(d, edu_of(d)->irq), 0);
	ck_assert_int_eq(udrv_irq_get_stats(d, edu_of(d)->irq, &stats), 0);
	ck_assert_uint_eq(stats.count, 200);
	ck_assert_uint_eq(stats.unhandled, 0);
	ck_assert_uint_eq(edu_of(d)->lost, 0);
	remove_and_close(d);
}
END_TEST

START_TEST(ten_thousand_factorials_lose_nothing)
{
	struct udrv_device *d;

	set_param("irq", types[_i]);
	d = open_and_probe("model:edu");
	for (uint32_t i = 0; i < 10000; i++)
		check_factorial(d, i % (EDU_FACTORIAL_MAX + 1));
	ck_assert_uint_eq(edu_of(d)->factorials, 10000);
	ck_assert_uint_eq(edu_of(d)->lost, 0);
	remove_and_close(d);
}
END_TEST

/* bytes at sent + skew to the device at offset, and back to received + skew. */
static void check_round_trip(uint32_t offset, uint32_t len, uint32_t skew)
{
	struct edu *edu = edu_of(dev);
	unsigned char *sent = edu->memory + skew, *received = edu->memory + EDU_PIECE;

	for (uint32_t i = 0; i < len; i++)
		sent[i] = (unsigned char)(rand() & 0xff);
	memset(received, 0, EDU_PIECE);
	ck_assert_int_eq(edu_dma(edu, UDRV_DMA_TO_DEVICE, edu->memory_iova + skew, offset, len), 0);
	ck_assert_int_eq(edu_dma(edu, UDRV_DMA_FROM_DEVICE, edu->memory_iova + EDU_PIECE + skew,
				 offset, len),
			 0);
	ck_assert_mem_eq(sent, received + skew, len);
	for (uint32_t i = 0; i < skew; i++)
		ck_assert_uint_eq(received[i], 0);
	for (uint32_t i = skew + len; i < EDU_PIECE; i++)
		ck_assert_uint_eq(received[i], 0);
}

START_TEST(dma_round_trips_at_all_odd_lengths_and_offsets)
{
	srand(1);
	for (uint32_t len = 1; len <= 65; len++)
		check_round_trip(len * 7, len, len % 8);
	for (uint32_t len = 127; len <= EDU_BUFFER_USABLE; len = len * 2 + 1)
		check_round_trip(EDU_BUFFER_USABLE - len, len, 1);
	check_round_trip(0, EDU_BUFFER_USABLE, 0);
	check_round_trip(EDU_BUFFER_USABLE - 1, 1, 4095);
	ck_assert_uint_eq(edu_of(dev)->lost, 0);
}
END_TEST

START_TEST(dma_that_the_device_cannot_do_is_refused)
{
	struct edu *edu = edu_of(dev);
	const udrv_iova_t mask = UDRV_DMA_BIT_MASK(EDU_DMA_BITS);
	const struct {
		udrv_iova_t addr;
		uint32_t offset, len;
	} bad[] = {
		{edu->memory_iova, 0, 0},
		{edu->memory_iova, 0, EDU_BUFFER_USABLE + 1},
		{edu->memory_iova, 0, EDU_BUFFER_SIZE},
		{edu->memory_iova, 1, EDU_BUFFER_USABLE},
		{edu->memory_iova, EDU_BUFFER_USABLE, 1},
		{edu->memory_iova, UINT32_MAX, 2},
		{edu->memory_iova, 2, UINT32_MAX},
		{mask + 1, 0, 4},
		{mask - 2, 0, 4},
		{UINT64_MAX, 0, 1},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		for (int dir = UDRV_DMA_TO_DEVICE; dir <= UDRV_DMA_FROM_DEVICE; dir++)
			ck_assert_int_eq(edu_dma(edu, (enum udrv_dma_data_direction)dir,
						 bad[i].addr, bad[i].offset, bad[i].len),
					 -EINVAL);
	ck_assert_int_eq(edu_dma(edu, UDRV_DMA_BIDIRECTIONAL, edu->memory_iova, 0, 4), -EINVAL);
	ck_assert_uint_eq(edu->dma_bytes, 0);
}
END_TEST

START_TEST(dma_outside_mapped_memory_harms_nothing_and_is_counted)
{
	struct edu *edu = edu_of(dev);
	udrv_iova_t nowhere = edu->memory_iova ^ (1u << 27);
	struct udrv__model_counts counts;

	/* As on hardware: the device completes as if all were well. */
	ck_assert_int_eq(edu_dma(edu, UDRV_DMA_FROM_DEVICE, nowhere, 0, 64), 0);
	udrv__model_get_counts(dev, &counts);
	ck_assert_uint_eq(counts.dma_faults, 1);
	ck_assert_uint_eq(counts.dma_bytes, 0);
}
END_TEST

START_TEST(memory_is_below_the_devices_mask)
{
	ck_assert_uint_le(edu_of(dev)->memory_iova + EDU_DMA_SIZE - 1,
			  UDRV_DMA_BIT_MASK(EDU_DMA_BITS));
}
END_TEST

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

START_TEST(gone_device_gives_enodev_at_once)
{
	struct edu *edu = edu_of(dev);
	uint32_t result = 77;
	int tries = 0;
	double start;

	udrv__model_surprise_remove(dev);
	ck_assert_int_eq(edu_factorial(edu, 5, &result), -ENODEV);
	ck_assert_int_eq(edu_dma(edu, UDRV_DMA_TO_DEVICE, edu->memory_iova, 0, 64), -ENODEV);
	ck_assert_uint_eq(result, 77);
	/* Once more if the machine paused. */
	do {
		ck_assert_int_lt(tries++, 10);
		start = now();
		(void)edu_factorial(edu, 5, &result);
		(void)edu_dma(edu, UDRV_DMA_TO_DEVICE, edu->memory_iova, 0, 64);
	} while (now() - start >= 1);
}
END_TEST

struct hammer {
	struct udrv_device *dev;
	uint32_t done; /* rounds, written by the thread */
	int ret;
};

static void *factorials_until_error(void *arg)
{
	struct hammer *h = arg;
	uint32_t result;

	do {
		h->ret = edu_factorial(edu_of(h->dev), 5, &result);
		__atomic_add_fetch(&h->done, 1, __ATOMIC_RELEASE);
	} while (!h->ret);
	return NULL;
}

static void wait_for_rounds(struct hammer *h, uint32_t rounds)
{
	const struct timespec ms = {0, 1000000};
	uint32_t done;
	double start = now();

	while ((done = __atomic_load_n(&h->done, __ATOMIC_ACQUIRE)) < rounds) {
		ck_assert_msg(now() - start < 60, "%u of %u rounds in 60 s", done, rounds);
		nanosleep(&ms, NULL);
	}
}

START_TEST(removal_ends_a_wait_that_is_under_way)
{
	struct hammer h = {.dev = dev};
	pthread_t thread;
	double start;

	ck_assert_int_eq(pthread_create(&thread, NULL, factorials_until_error, &h), 0);
	wait_for_rounds(&h, 10);
	start = now();
	udrv__model_surprise_remove(dev);
	pthread_join(thread, NULL);
	/* One that was not woken ends by itself, with another error. */
	ck_assert_int_eq(h.ret, -ENODEV);
	ck_assert(now() - start < 20);
}
END_TEST

START_TEST(declared_gone_by_the_framework_the_driver_still_stops_the_device)
{
	struct hammer h = {.dev = dev};
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, factorials_until_error, &h), 0);
	wait_for_rounds(&h, 10);
	udrv_device_set_gone(dev);
	pthread_join(thread, NULL);
	ck_assert_int_eq(h.ret, -ENODEV);
	/* teardown() removes it, as the daemon does on SIGTERM */
}
END_TEST

static void *raise_interrupts(void *arg)
{
	struct hammer *h = arg;
	struct udrv__model *model = udrv__model_of(h->dev);

	for (int i = 0; i < 3000; i++) {
		udrv__model_irq_raise(model, 0);
		__atomic_add_fetch(&h->done, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

/* The line is shared and stormed: the handler says it is not its own. */
START_TEST(remove_while_interrupts_arrive)
{
	struct hammer h = {0};
	pthread_t thread;

	use_combination(_i);
	h.dev = open_and_probe("model:edu");
	ck_assert_int_eq(pthread_create(&thread, NULL, raise_interrupts, &h), 0);
	wait_for_rounds(&h, 50);
	edu_driver.remove(h.dev);
	pthread_join(thread, NULL);
	udrv_device_close(h.dev);
}
END_TEST

START_TEST(close_without_remove_is_safe_while_the_device_works)
{
	struct udrv_device *d = open_and_probe("model:edu");
	struct edu *edu = edu_of(d);

	udrv_iowrite32((uint32_t)edu->memory_iova, edu->regs + EDU_DMA_DST);
	udrv_iowrite32(EDU_BUFFER, edu->regs + EDU_DMA_SRC);
	udrv_iowrite32(EDU_BUFFER_USABLE, edu->regs + EDU_DMA_COUNT);
	udrv_iowrite32(EDU_DMA_RUN | EDU_DMA_IRQ | EDU_DMA_FROM_EDU, edu->regs + EDU_DMA_COMMAND);
	udrv_iowrite32(12, edu->regs + EDU_FACTORIAL);
	udrv_device_close(d);
	free(edu);
}
END_TEST

START_TEST(remove_waits_for_a_transfer)
{
	struct udrv_device *d = open_and_probe("model:edu");
	struct edu *edu = edu_of(d);
	struct udrv__model_counts counts;

	udrv_iowrite32((uint32_t)edu->memory_iova, edu->regs + EDU_DMA_DST);
	udrv_iowrite32(EDU_BUFFER, edu->regs + EDU_DMA_SRC);
	udrv_iowrite32(64, edu->regs + EDU_DMA_COUNT);
	udrv_iowrite32(EDU_DMA_RUN | EDU_DMA_FROM_EDU, edu->regs + EDU_DMA_COMMAND);
	edu_driver.remove(d);
	udrv__model_get_counts(d, &counts);
	ck_assert_uint_eq(counts.dma_bytes, 64);
	ck_assert_uint_eq(counts.dma_refused, 0);
	udrv_device_close(d);
}
END_TEST

/* As after kill -9 under VFIO: the device keeps its registers, and runs on. */
START_TEST(probe_finds_the_device_left_at_work)
{
	struct udrv_device *d = NULL;
	void __udrv_iomem *regs;
	struct udrv__model_counts counts;

	ck_assert_int_eq(udrv_device_open("model:edu", test_backend(), &d), 0);
	ck_assert_int_eq(udrv_pci_enable_device(d), 0);
	regs = udrv_pci_iomap(d, EDU_BAR, 0);
	udrv_iowrite32(EDU_STATUS_IRQ, regs + EDU_STATUS);
	udrv_iowrite32(0x10100, regs + EDU_IRQ_RAISE);
	udrv_iowrite32(12, regs + EDU_FACTORIAL);
	udrv_iowrite32(EDU_BUFFER, regs + EDU_DMA_SRC);
	udrv_iowrite32(0, regs + EDU_DMA_DST);
	udrv_iowrite32(64, regs + EDU_DMA_COUNT);
	udrv_iowrite32(EDU_DMA_RUN | EDU_DMA_IRQ | EDU_DMA_FROM_EDU, regs + EDU_DMA_COMMAND);

	ck_assert_int_eq(udrv_driver_probe(&edu_driver, d), 0);
	check_factorial(d, 7);
	ck_assert_int_eq(edu_dma(edu_of(d), UDRV_DMA_FROM_DEVICE, edu_of(d)->memory_iova, 0, 64),
			 0);
	/* The old transfer was over before the device could reach new memory. */
	udrv__model_get_counts(d, &counts);
	ck_assert_uint_eq(counts.dma_refused, 1);
	ck_assert_uint_eq(counts.dma_faults, 0);
	remove_and_close(d);
}
END_TEST

START_TEST(after_remove_the_device_is_quiet_and_can_be_probed_again)
{
	uint16_t command;

	for (int i = 0; i < 20; i++) {
		edu_driver.remove(dev);
		ck_assert_ptr_null(udrv_pci_get_drvdata(dev));
		ck_assert_uint_eq(udrv_pci_irq_type(dev), 0);
		ck_assert_int_eq(udrv_pci_read_config_word(dev, PCI_COMMAND, &command), 0);
		ck_assert(!(command & PCI_COMMAND_MASTER));
		ck_assert_int_eq(udrv_driver_probe(&edu_driver, dev), 0);
		check_factorial(dev, 5);
	}
}
END_TEST

START_TEST(two_devices_at_once)
{
	struct hammer h[2] = {{.dev = open_and_probe("model:edu:a")},
			      {.dev = open_and_probe("model:edu:b")}};
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, factorials_until_error, &h[i]),
				 0);
	for (int i = 0; i < 2; i++)
		wait_for_rounds(&h[i], 500);
	/* One goes, the other does not notice. */
	udrv__model_surprise_remove(h[0].dev);
	pthread_join(threads[0], NULL);
	wait_for_rounds(&h[1], __atomic_load_n(&h[1].done, __ATOMIC_RELAXED) + 100);
	udrv_device_set_gone(h[1].dev);
	pthread_join(threads[1], NULL);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(h[i].ret, -ENODEV);
		remove_and_close(h[i].dev);
	}
}
END_TEST

static int lowest_free_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(fd);
	return fd;
}

START_TEST(bad_parameters_fail_the_probe_and_leave_nothing)
{
	static const char *const bad[][2] = {
		{"irq", "msix"}, {"irq", ""}, {"wait", "poll"}, {"wait", ""}};
	struct udrv_device *d = NULL;
	int before;

	ck_assert_int_eq(udrv_device_open("model:edu", test_backend(), &d), 0);
	/* The device's DMA arena stays until it is closed. */
	(void)udrv_driver_probe(&edu_driver, d);
	edu_driver.remove(d);
	before = lowest_free_fd();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		set_param("irq", "auto");
		set_param("wait", "read");
		set_param(bad[i][0], bad[i][1]);
		ck_assert_int_eq(udrv_driver_probe(&edu_driver, d), -EINVAL);
		ck_assert_int_eq(lowest_free_fd(), before);
	}
	set_param("irq", "auto");
	set_param("wait", "read");
	ck_assert_int_eq(udrv_driver_probe(&edu_driver, d), 0);
	check_factorial(d, 3);
	remove_and_close(d);
}
END_TEST

START_TEST(probe_of_a_dead_device_fails)
{
	struct udrv_device *d = NULL;

	ck_assert_int_eq(udrv_device_open("model:edu", test_backend(), &d), 0);
	udrv__model_surprise_remove(d);
	ck_assert_int_eq(edu_driver.probe(d, edu_driver.id_table), -ENODEV);
	udrv_device_close(d);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("edu");
	TCase *tc = tcase_create("one device");
	TCase *more = tcase_create("opened by the test");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, every_factorial_that_fits);
	tcase_add_test(tc, factorial_that_overflows_is_refused);
	tcase_add_test(tc, dma_round_trips_at_all_odd_lengths_and_offsets);
	tcase_add_test(tc, dma_that_the_device_cannot_do_is_refused);
	tcase_add_test(tc, dma_outside_mapped_memory_harms_nothing_and_is_counted);
	tcase_add_test(tc, memory_is_below_the_devices_mask);
	tcase_add_test(tc, gone_device_gives_enodev_at_once);
	tcase_add_test(tc, removal_ends_a_wait_that_is_under_way);
	tcase_add_test(tc, declared_gone_by_the_framework_the_driver_still_stops_the_device);
	tcase_add_test(tc, after_remove_the_device_is_quiet_and_can_be_probed_again);
	suite_add_tcase(s, tc);

	tcase_set_timeout(more, 300);
	tcase_add_loop_test(more, interrupts_by_each_type_and_wait, 0, COMBINATIONS);
	tcase_add_loop_test(more, ten_thousand_factorials_lose_nothing, 0, TYPES);
	tcase_add_loop_test(more, remove_while_interrupts_arrive, 0, COMBINATIONS);
	tcase_add_test(more, close_without_remove_is_safe_while_the_device_works);
	tcase_add_test(more, remove_waits_for_a_transfer);
	tcase_add_test(more, probe_finds_the_device_left_at_work);
	tcase_add_test(more, two_devices_at_once);
	tcase_add_test(more, bad_parameters_fail_the_probe_and_leave_nothing);
	tcase_add_test(more, probe_of_a_dead_device_fails);
	suite_add_tcase(s, more);
	return run_suite(s);
}

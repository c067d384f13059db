// SPDX-License-Identifier: MIT
/* Managed resources: in which order they go, and when. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include <udrv/udrv.h>

#include "support/suite.h"

/* docs/specs/edu of QEMU: raise an interrupt, acknowledge it. */
#define IRQ_RAISE 0x60
#define IRQ_ACK	  0x64
#define ALL_BITS  0xffffffffu

static struct udrv_device *dev;
static void __udrv_iomem *regs;
/* What was called, a letter each. */
static char order[32];

static void note(const char *letter)
{
	strncat(order, letter, sizeof(order) - strlen(order) - 1);
}

static void action(void *letter)
{
	note(letter);
}

static void setup(void)
{
	order[0] = 0;
	ck_assert_int_eq(udrv_device_open("model:edu", NULL, &dev), 0);
	ck_assert_int_eq(udrv_pci_enable_device(dev), 0);
	ck_assert_int_eq(udrv_pci_set_master(dev), 0);
	regs = udrv_pci_iomap(dev, 0, 0);
}

static void teardown(void)
{
	udrv_device_close(dev);
	dev = NULL;
}

static void add_three(void)
{
	ck_assert_int_eq(udrv_devm_add_action(dev, action, "a"), 0);
	ck_assert_int_eq(udrv_devm_add_action(dev, action, "b"), 0);
	ck_assert_int_eq(udrv_devm_add_action_or_reset(dev, action, "c"), 0);
}

/* A driver whose probe() does as it is told. */
static int probe_result;
static void *drvdata_in_remove;

static int probe(struct udrv_device *d, const struct udrv_pci_device_id *id)
{
	(void)id;
	add_three();
	udrv_pci_set_drvdata(d, udrv_devm_kzalloc(d, 100, UDRV_GFP_KERNEL));
	note("p");
	return probe_result;
}

static void remove_it(struct udrv_device *d)
{
	drvdata_in_remove = udrv_pci_get_drvdata(d);
	note("r");
}

static const struct udrv_pci_device_id ids[] = {{UDRV_PCI_DEVICE(0x1234, 0x11e8)}, {0}};
static const struct udrv_driver driver = {
	.name = "managed", .id_table = ids, .probe = probe, .remove = remove_it};
static const struct udrv_driver driver_without_remove = {
	.name = "managed", .id_table = ids, .probe = probe};

START_TEST(close_releases_the_newest_first)
{
	add_three();
	teardown();
	ck_assert_str_eq(order, "cba");
}
END_TEST

START_TEST(a_failed_probe_releases)
{
	static const int results[] = {-EIO, 5};

	probe_result = results[_i];
	ck_assert_int_lt(udrv_driver_probe(&driver, dev), 0);
	ck_assert_str_eq(order, "pcba");
	ck_assert_ptr_null(udrv_pci_get_drvdata(dev));
	teardown();
	ck_assert_str_eq(order, "pcba");
}
END_TEST

START_TEST(a_probe_that_works_does_not_release)
{
	probe_result = 0;
	ck_assert_int_eq(udrv_driver_probe(&driver, dev), 0);
	ck_assert_str_eq(order, "p");
	ck_assert_ptr_nonnull(udrv_pci_get_drvdata(dev));
}
END_TEST

START_TEST(remove_runs_before_the_release)
{
	drvdata_in_remove = NULL;
	probe_result = 0;
	for (int i = 0; i < 2; i++) {
		order[0] = 0;
		ck_assert_int_eq(udrv_driver_probe(&driver, dev), 0);
		udrv_driver_remove(&driver, dev);
		ck_assert_str_eq(order, "prcba");
		ck_assert_ptr_nonnull(drvdata_in_remove);
		ck_assert_ptr_null(udrv_pci_get_drvdata(dev));
	}
}
END_TEST

START_TEST(a_driver_needs_no_remove)
{
	probe_result = 0;
	ck_assert_int_eq(udrv_driver_probe(&driver_without_remove, dev), 0);
	udrv_driver_remove(&driver_without_remove, dev);
	ck_assert_str_eq(order, "pcba");
}
END_TEST

START_TEST(a_removed_action_is_not_called)
{
	add_three();
	ck_assert_int_eq(udrv_devm_remove_action(dev, action, "b"), 0);
	ck_assert_int_eq(udrv_devm_remove_action(dev, action, "b"), -ENOENT);
	teardown();
	ck_assert_str_eq(order, "ca");
}
END_TEST

START_TEST(of_equal_actions_the_newest_is_removed)
{
	static char a[] = "a";

	ck_assert_int_eq(udrv_devm_add_action(dev, action, a), 0);
	ck_assert_int_eq(udrv_devm_add_action(dev, action, "b"), 0);
	ck_assert_int_eq(udrv_devm_add_action(dev, action, a), 0);
	ck_assert_int_eq(udrv_devm_remove_action(dev, action, a), 0);
	teardown();
	ck_assert_str_eq(order, "ba");
}
END_TEST

START_TEST(bad_arguments_are_refused)
{
	ck_assert_int_eq(udrv_devm_add_action(dev, NULL, order), -EINVAL);
	ck_assert_int_eq(udrv_devm_add_action_or_reset(dev, NULL, order), -EINVAL);
	ck_assert_ptr_null(udrv_devm_kmalloc(dev, SIZE_MAX, UDRV_GFP_KERNEL));
	ck_assert_ptr_null(udrv_devm_kmalloc(dev, SIZE_MAX - 8, UDRV_GFP_KERNEL));
	ck_assert_ptr_null(udrv_devm_kmalloc(dev, 5u << 20, UDRV_GFP_KERNEL));
	ck_assert_ptr_null(udrv_devm_kmalloc_array(dev, SIZE_MAX, 2, UDRV_GFP_KERNEL));
	ck_assert_ptr_null(udrv_devm_kcalloc(dev, SIZE_MAX / 2, 3, UDRV_GFP_KERNEL));
	ck_assert_ptr_null(udrv_devm_kstrdup(dev, NULL, UDRV_GFP_KERNEL));
	ck_assert_ptr_null(udrv_devm_krealloc(dev, order, 100, UDRV_GFP_KERNEL));
	ck_assert_int_eq(udrv_devm_free_irq(dev, 0, order), -EINVAL);
	udrv_devm_kfree(dev, NULL);
	udrv_devm_kfree(dev, order);
}
END_TEST

START_TEST(memory_is_aligned_and_zeroed_and_can_go_early)
{
	for (size_t size = 0; size < 200; size++) {
		char *p = udrv_devm_kmalloc(dev, size, UDRV_GFP_KERNEL);
		char *z;

		ck_assert_ptr_nonnull(p);
		ck_assert_uint_eq((uintptr_t)p % _Alignof(max_align_t), 0);
		memset(p, 0xff, size);
		udrv_devm_kfree(dev, p);
		z = udrv_devm_kzalloc(dev, size, UDRV_GFP_KERNEL);
		for (size_t i = 0; i < size; i++)
			ck_assert_int_eq(z[i], 0);
	}
}
END_TEST

START_TEST(memory_is_what_the_device_reaches)
{
	static const size_t sizes[] = {1, 100, 5000, 100000};

	ck_assert_int_eq(udrv_dma_set_mask(dev, UDRV_DMA_BIT_MASK(32)), 0);
	for (size_t i = 0; i < 4; i++) {
		char *p = udrv_devm_kzalloc(dev, sizes[i], UDRV_GFP_KERNEL);
		udrv_iova_t iova = udrv_dma_map_single(dev, p, sizes[i], UDRV_DMA_TO_DEVICE);

		ck_assert_uint_eq(iova, udrv_virt_to_bus(p));
		ck_assert_uint_ne(iova, UDRV_DMA_MAPPING_ERROR);
		udrv_dma_unmap_single(dev, iova, sizes[i], UDRV_DMA_TO_DEVICE);
	}
	ck_assert_ptr_eq(udrv_devm_kmalloc(dev, 0, UDRV_GFP_KERNEL), UDRV_ZERO_SIZE_PTR);
	udrv_devm_kfree(dev, UDRV_ZERO_SIZE_PTR);
}
END_TEST

START_TEST(a_handler_may_have_memory)
{
	char *p;

	probe_result = 0;
	ck_assert_int_eq(udrv_driver_probe(&driver, dev), 0);
	p = udrv_devm_kzalloc(dev, 1000, UDRV_GFP_ATOMIC);
	ck_assert_ptr_nonnull(p);
	udrv_devm_kfree(dev, p);
	ck_assert_ptr_nonnull(udrv_kmalloc(1000, UDRV_GFP_ATOMIC));
}
END_TEST

START_TEST(copies_and_strings_are_managed)
{
	char *d = udrv_devm_kmemdup(dev, "abc", 4, UDRV_GFP_KERNEL);
	char *s = udrv_devm_kstrdup(dev, "queue", UDRV_GFP_KERNEL);
	char *f = udrv_devm_kasprintf(dev, UDRV_GFP_KERNEL, "%s-%d", s, 12);
	unsigned int *a = udrv_devm_kcalloc(dev, 100, sizeof(*a), UDRV_GFP_KERNEL);
	unsigned int *b = udrv_devm_kmalloc_array(dev, 100, sizeof(*b), UDRV_GFP_KERNEL);

	ck_assert_str_eq(d, "abc");
	ck_assert_str_eq(s, "queue");
	ck_assert_str_eq(f, "queue-12");
	for (int i = 0; i < 100; i++)
		b[i] = a[i];
	ck_assert_uint_eq(b[99], 0);
	udrv_devm_kfree(dev, f);
}
END_TEST

/* An action may use what is older, and give it back early. */
static void use_memory(void *p)
{
	char letter[2] = {*(char *)p, 0};

	note(letter);
	udrv_devm_kfree(dev, p);
}

/* It stays where it is in the order, so an older action still has it, and a newer one no more. */
START_TEST(memory_that_grows_keeps_its_place)
{
	char *p;
	char *q;

	p = udrv_devm_krealloc(dev, NULL, 10, UDRV_GFP_KERNEL);
	*p = 'm';
	ck_assert_int_eq(udrv_devm_add_action(dev, action, "a"), 0);
	for (size_t size = 10; size < 300000; size *= 3) {
		q = udrv_devm_krealloc(dev, p, size, UDRV_GFP_KERNEL);
		ck_assert_ptr_nonnull(q);
		ck_assert_int_eq(*q, 'm');
		memset(q, 'm', size);
		p = q;
	}
	ck_assert_ptr_eq(udrv_devm_krealloc(dev, p, 20, UDRV_GFP_KERNEL), p);
	ck_assert_ptr_null(udrv_devm_krealloc(dev, p, 5u << 20, UDRV_GFP_KERNEL));
	/* An action that is newer than it may free it. */
	ck_assert_int_eq(udrv_devm_add_action(dev, use_memory, p), 0);
	ck_assert_ptr_eq(udrv_devm_krealloc(dev, udrv_devm_kmalloc(dev, 1, UDRV_GFP_KERNEL), 0,
					    UDRV_GFP_KERNEL),
			 UDRV_ZERO_SIZE_PTR);
	teardown();
	ck_assert_str_eq(order, "ma");
}
END_TEST

START_TEST(an_action_may_free_what_is_older)
{
	char *p = udrv_devm_kzalloc(dev, 1, UDRV_GFP_KERNEL);

	ck_assert_ptr_nonnull(p);
	*p = 'm';
	ck_assert_int_eq(udrv_devm_add_action(dev, use_memory, p), 0);
	udrv_device_close(dev);
	dev = NULL;
	ck_assert_str_eq(order, "m");
}
END_TEST

static void add_another(void *letter)
{
	note(letter);
	ck_assert_int_eq(udrv_devm_add_action(dev, action, "n"), 0);
}

START_TEST(what_an_action_adds_is_released_next)
{
	ck_assert_int_eq(udrv_devm_add_action(dev, action, "a"), 0);
	ck_assert_int_eq(udrv_devm_add_action(dev, add_another, "b"), 0);
	udrv_device_close(dev);
	dev = NULL;
	ck_assert_str_eq(order, "bna");
}
END_TEST

START_TEST(a_device_that_is_gone_is_released_too)
{
	add_three();
	udrv_device_set_gone(dev);
	teardown();
	ck_assert_str_eq(order, "cba");
}
END_TEST

static int freed_by_handler;

static udrv_irqreturn_t handler(int irq, void *done)
{
	udrv_iowrite32(ALL_BITS, regs + IRQ_ACK);
	freed_by_handler = udrv_devm_free_irq(dev, irq, done);
	udrv_complete(done);
	return UDRV_IRQ_HANDLED;
}

static void raise_and_wait(struct udrv_completion *done)
{
	udrv_iowrite32(1, regs + IRQ_RAISE);
	ck_assert_int_gt((int)udrv_wait_for_completion_timeout(done, 60000), 0);
}

/* The registers must still be there, and the handler not: it would note that it runs. */
static void quiesce(void *letter)
{
	struct udrv_irq_stats stats;

	udrv_iowrite32(1, regs + IRQ_RAISE);
	udrv_iowrite32(ALL_BITS, regs + IRQ_ACK);
	ck_assert_int_eq(udrv_irq_get_stats(dev, 0, &stats), 0);
	ck_assert_uint_eq(stats.count, 1);
	ck_assert_int_eq(udrv_synchronize_irq(dev, 0), 0);
	note(letter);
}

START_TEST(an_irq_is_freed_before_what_is_older)
{
	struct udrv_completion done;

	udrv_init_completion(dev, &done);
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 1, UDRV_PCI_IRQ_MSI), 1);
	ck_assert_int_eq(udrv_devm_add_action(dev, quiesce, "q"), 0);
	ck_assert_int_eq(udrv_devm_request_irq(dev, 0, handler, 0, NULL, &done), 0);
	raise_and_wait(&done);
	teardown();
	ck_assert_str_eq(order, "q");
}
END_TEST

START_TEST(an_irq_stays_if_its_own_handler_frees_it)
{
	struct udrv_completion done;

	udrv_init_completion(dev, &done);
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 1, UDRV_PCI_IRQ_MSI), 1);
	ck_assert_int_eq(udrv_devm_request_irq(dev, 0, handler, 0, "test", &done), 0);
	raise_and_wait(&done);
	ck_assert_int_eq(freed_by_handler, -EDEADLK);
	raise_and_wait(&done);
	ck_assert_int_eq(udrv_devm_free_irq(dev, 0, &done), 0);
	ck_assert_int_eq(udrv_devm_free_irq(dev, 0, &done), -EINVAL);
	udrv_pci_free_irq_vectors(dev);
	ck_assert_uint_eq(udrv_pci_irq_type(dev), 0);
}
END_TEST

START_TEST(vectors_stay_while_a_managed_handler_is_there)
{
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 1, UDRV_PCI_IRQ_MSI), 1);
	ck_assert_int_eq(udrv_devm_request_irq(dev, 0, handler, 0, "test", order), 0);
	udrv_pci_free_irq_vectors(dev);
	ck_assert_uint_eq(udrv_pci_irq_type(dev), UDRV_PCI_IRQ_MSI);
}
END_TEST

START_TEST(a_refused_irq_is_not_managed)
{
	ck_assert_int_eq(udrv_devm_request_irq(dev, 0, handler, 0, "test", order), -EINVAL);
	ck_assert_int_eq(udrv_devm_free_irq(dev, 0, order), -EINVAL);
}
END_TEST

#define THREADS 4
#define ROUNDS	20000

static void count(void *counter)
{
	++*(unsigned int *)counter;
}

static void *come_and_go(void *counter)
{
	for (int i = 0; i < ROUNDS; i++) {
		char *p = udrv_devm_kzalloc(dev, 16, UDRV_GFP_KERNEL);

		ck_assert_int_eq(udrv_devm_add_action(dev, count, counter), 0);
		ck_assert_ptr_nonnull(p);
		*p = 1;
		udrv_devm_kfree(dev, p);
		if (i % 100)
			ck_assert_int_eq(udrv_devm_remove_action(dev, count, counter), 0);
	}
	return NULL;
}

START_TEST(threads_share_the_list)
{
	unsigned int counters[THREADS] = {0};
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, come_and_go, &counters[i]), 0);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	teardown();
	for (int i = 0; i < THREADS; i++)
		ck_assert_uint_eq(counters[i], ROUNDS / 100);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("devres");
	TCase *tc = tcase_create("on model:edu");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, close_releases_the_newest_first);
	tcase_add_loop_test(tc, a_failed_probe_releases, 0, 2);
	tcase_add_test(tc, a_probe_that_works_does_not_release);
	tcase_add_test(tc, remove_runs_before_the_release);
	tcase_add_test(tc, a_driver_needs_no_remove);
	tcase_add_test(tc, a_removed_action_is_not_called);
	tcase_add_test(tc, of_equal_actions_the_newest_is_removed);
	tcase_add_test(tc, bad_arguments_are_refused);
	tcase_add_test(tc, memory_is_aligned_and_zeroed_and_can_go_early);
	tcase_add_test(tc, memory_is_what_the_device_reaches);
	tcase_add_test(tc, a_handler_may_have_memory);
	tcase_add_test(tc, copies_and_strings_are_managed);
	tcase_add_test(tc, memory_that_grows_keeps_its_place);
	tcase_add_test(tc, an_action_may_free_what_is_older);
	tcase_add_test(tc, what_an_action_adds_is_released_next);
	tcase_add_test(tc, a_device_that_is_gone_is_released_too);
	tcase_add_test(tc, vectors_stay_while_a_managed_handler_is_there);
	tcase_add_test(tc, an_irq_is_freed_before_what_is_older);
	tcase_add_test(tc, an_irq_stays_if_its_own_handler_frees_it);
	tcase_add_test(tc, a_refused_irq_is_not_managed);
	tcase_add_test(tc, threads_share_the_list);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

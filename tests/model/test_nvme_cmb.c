// SPDX-License-Identifier: MIT
/*
 * Submission queues in the controller's memory. In the guest, on QEMU's controller with
 * cmb_size_mb (UDRV_TEST_DEVICE).
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include <udrv/pci.h>

#include "backend/model_nvme.h"
#include "support/nvme_rig.h"
#include "support/suite.h"
#include "support/threads.h"

#define BLOCKS	64u
#define CMB_BAR 2

static struct nvme_rig rig;
static unsigned char *buf;

/* Without a word about it: on the software controller, or as the environment says. */
static void open_with(const char *name, bool cmb)
{
	const struct udrv_nvme_options options = {.cmb = cmb};

	memset(&rig, 0, sizeof(rig));
	ck_assert_int_eq(udrv_device_open(name, NULL, &rig.dev), 0);
	ck_assert_int_eq(udrv_nvme_attach(rig.dev, &options, &rig.nvme), 0);
	rig.ns = udrv_nvme_ns_next(rig.nvme, 0);
	ck_assert_ptr_nonnull(rig.ns);
	buf = nvme_rig_memory(&rig, BLOCKS << rig.ns->block_shift);
}

static const char *device(void)
{
	const char *name = getenv("UDRV_TEST_DEVICE");

	return name ? name : "model:nvme:cmb";
}

static void teardown(void)
{
	nvme_rig_close(&rig);
}

static bool is_used(void)
{
	struct udrv_nvme_info info;

	udrv_nvme_get_info(rig.nvme, &info);
	return info.cmb;
}

static void write_and_read(unsigned int rounds)
{
	const size_t len = (size_t)1 << rig.ns->block_shift;

	for (unsigned int i = 0; i < rounds; i++) {
		const uint64_t lba = i * 7 % 1000;

		memset(buf, (int)(i * 3 + 1) & 0xff, len);
		ck_assert_uint_eq(nvme_rig_write(&rig, buf, lba, 1, 0), 0);
		memset(buf, 0, len);
		ck_assert_uint_eq(nvme_rig_read(&rig, buf, lba, 1), 0);
		ck_assert_uint_eq(buf[0], (i * 3 + 1) & 0xff);
		ck_assert_uint_eq(buf[len - 1], (i * 3 + 1) & 0xff);
	}
}

static void setup(void)
{
	open_with(device(), true);
	ck_assert(is_used());
}

START_TEST(commands_are_fetched_from_the_controllers_memory)
{
	/* Round several times. */
	nvme_rig_queue(&rig, 16, UDRV_NVME_INTERRUPT);
	write_and_read(100);
}
END_TEST

static void count_done(void *ctx, uint32_t status, uint32_t dw0)
{
	(void)dw0;
	ck_assert_uint_eq(status, 0);
	++*(unsigned int *)ctx;
}

START_TEST(many_are_shown_by_one_doorbell)
{
	unsigned int done = 0, put = 0;

	nvme_rig_queue(&rig, 32, UDRV_NVME_POLLED);
	while (done < 1000) {
		while (put < 1000 &&
		       !udrv_nvme_read(rig.q, rig.ns, buf, put % 500, 1, 0, count_done, &done))
			put++;
		(void)udrv_nvme_wait(rig.q, 1000);
	}
	ck_assert_uint_eq(put, 1000);
}
END_TEST

START_TEST(a_reset_does_not_lose_commands)
{
	unsigned int done = 0;

	nvme_rig_queue(&rig, 32, UDRV_NVME_POLLED);
	for (unsigned int i = 0; i < 20; i++)
		ck_assert_int_eq(udrv_nvme_read(rig.q, rig.ns, buf, i, 1, 0, count_done, &done), 0);
	udrv_nvme_submit(rig.q);
	ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
	while (done < 20)
		(void)udrv_nvme_wait(rig.q, 1000);
	write_and_read(20);
	ck_assert(is_used());
}
END_TEST

START_TEST(what_has_no_room_there_is_in_the_hosts_memory)
{
	struct udrv_nvme_queue *queues[64];
	struct nvme_rig other = rig;
	const struct udrv_nvme_queue_options o = {.entries = 1024};
	unsigned int count = 0;

	/* 64 KiB each: more than the software controller has. */
	while (count < 64 && !udrv_nvme_queue_create(rig.nvme, &o, &queues[count]))
		count++;
	ck_assert_uint_gt(count, 1);
	for (unsigned int i = 0; i < count; i++) {
		other.q = queues[i];
		memset(buf, 0xa5, 512);
		ck_assert_uint_eq(nvme_rig_write(&other, buf, i, 1, 0), 0);
	}
	for (unsigned int i = 0; i < count; i++)
		udrv_nvme_queue_destroy(queues[i]);
	/* The room is there again. */
	nvme_rig_queue(&rig, 16, UDRV_NVME_POLLED);
	write_and_read(20);
}
END_TEST

static bool stop_stepping;

/* Direct mode has no thread of its own. */
static void *step(void *dev)
{
	while (!__atomic_load_n(&stop_stepping, __ATOMIC_ACQUIRE))
		if (!udrv__model_nvme_step(dev))
			sched_yield();
	return NULL;
}

START_TEST(mapped_directly)
{
	const struct udrv_nvme_options options = {.cmb = true};
	pthread_t stepper;

	memset(&rig, 0, sizeof(rig));
	stop_stepping = false;
	ck_assert_int_eq(udrv_device_open("model:nvme:cmb-direct", NULL, &rig.dev), 0);
	ck_assert_int_eq(pthread_create(&stepper, NULL, step, rig.dev), 0);
	ck_assert_int_eq(udrv_nvme_attach(rig.dev, &options, &rig.nvme), 0);
	ck_assert(is_used());
	rig.ns = udrv_nvme_ns_next(rig.nvme, 0);
	buf = nvme_rig_memory(&rig, 4096);
	nvme_rig_queue(&rig, 16, UDRV_NVME_POLLED);
	write_and_read(200);
	udrv_nvme_queue_destroy(rig.q);
	udrv_nvme_detach(rig.nvme);
	__atomic_store_n(&stop_stepping, true, __ATOMIC_RELEASE);
	pthread_join(stepper, NULL);
	udrv_device_close(rig.dev);
}
END_TEST

static void setup_old(void)
{
	open_with("model:nvme:oldcmb", true);
	ck_assert(is_used());
}

static bool is_in_bar(udrv_iova_t iova, size_t len)
{
	const uint64_t start = udrv_pci_resource_start(rig.dev, CMB_BAR);

	return iova + len > start && iova < start + udrv_pci_resource_len(rig.dev, CMB_BAR);
}

/* It would be the controller's own. The BAR is where the first memory would be. */
START_TEST(no_memory_has_an_address_of_the_controllers)
{
	static char mem[4096];
	udrv_iova_t iova;

	ck_assert_uint_ne(udrv_pci_resource_start(rig.dev, CMB_BAR), 0);
	for (size_t len = 4096; len <= (size_t)8 << 20; len *= 2) {
		ck_assert_ptr_nonnull(
			udrv_dma_alloc_coherent(rig.dev, len, &iova, UDRV_GFP_KERNEL));
		ck_assert(!is_in_bar(iova, len));
	}
	iova = udrv_dma_map_single(rig.dev, mem, sizeof(mem), UDRV_DMA_TO_DEVICE);
	ck_assert_int_eq(udrv_dma_mapping_error(rig.dev, iova), 0);
	ck_assert(!is_in_bar(iova, sizeof(mem)));
	udrv_dma_unmap_single(rig.dev, iova, sizeof(mem), UDRV_DMA_TO_DEVICE);
}
END_TEST

START_TEST(off_unless_asked_for)
{
	open_with("model:nvme:cmb", false);
	ck_assert(!is_used());
	nvme_rig_close(&rig);
}
END_TEST

START_TEST(a_controller_without_one_is_used_as_ever)
{
	open_with("model:nvme", true);
	ck_assert(!is_used());
	nvme_rig_queue(&rig, 16, UDRV_NVME_POLLED);
	write_and_read(5);
	nvme_rig_close(&rig);
}
END_TEST

START_TEST(an_address_that_will_not_do)
{
	const struct udrv__model_nvme_switches switches = {.no_cmb_base = true};
	const struct udrv_nvme_options options = {.cmb = true};

	memset(&rig, 0, sizeof(rig));
	ck_assert_int_eq(udrv_device_open("model:nvme:cmb", NULL, &rig.dev), 0);
	udrv__model_nvme_set_switches(rig.dev, &switches);
	ck_assert_int_eq(udrv_nvme_attach(rig.dev, &options, &rig.nvme), 0);
	rig.ns = udrv_nvme_ns_next(rig.nvme, 0);
	ck_assert(!is_used());
	buf = nvme_rig_memory(&rig, 4096);
	nvme_rig_queue(&rig, 16, UDRV_NVME_POLLED);
	write_and_read(5);
	nvme_rig_close(&rig);
}
END_TEST

START_TEST(one_that_goes_with_a_reset)
{
	struct udrv__model_nvme_switches switches = {0};

	nvme_rig_queue(&rig, 16, UDRV_NVME_POLLED);
	write_and_read(20);
	switches.no_cmb_base = true;
	udrv__model_nvme_set_switches(rig.dev, &switches);
	ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
	ck_assert(!is_used());
	write_and_read(20);
	switches.no_cmb_base = false;
	udrv__model_nvme_set_switches(rig.dev, &switches);
	ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
	ck_assert(is_used());
	write_and_read(20);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nvme_cmb");
	TCase *tc = tcase_create("any");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, commands_are_fetched_from_the_controllers_memory);
	tcase_add_test(tc, many_are_shown_by_one_doorbell);
	tcase_add_test(tc, a_reset_does_not_lose_commands);
	tcase_add_test(tc, what_has_no_room_there_is_in_the_hosts_memory);
	suite_add_tcase(s, tc);
	if (getenv("UDRV_TEST_DEVICE"))
		return run_suite(s);
	tcase_add_test(tc, one_that_goes_with_a_reset);
	tc = tcase_create("before NVMe 1.4");
	tcase_add_checked_fixture(tc, setup_old, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, commands_are_fetched_from_the_controllers_memory);
	tcase_add_test(tc, many_are_shown_by_one_doorbell);
	tcase_add_test(tc, a_reset_does_not_lose_commands);
	tcase_add_test(tc, no_memory_has_an_address_of_the_controllers);
	suite_add_tcase(s, tc);
	tc = tcase_create("model");
	tcase_set_timeout(tc, 300);
	/* The thread sanitizer does not see that a doorbell orders what was written before. */
	if (HANDLERS_RUN_AT_ONCE)
		tcase_add_test(tc, mapped_directly);
	tcase_add_test(tc, off_unless_asked_for);
	tcase_add_test(tc, a_controller_without_one_is_used_as_ever);
	tcase_add_test(tc, an_address_that_will_not_do);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

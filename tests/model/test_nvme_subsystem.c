// SPDX-License-Identifier: MIT
/* NVM subsystem resets: the function is away for a while and comes back as at power-on. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include <linux/pci_regs.h>

#include <udrv/delay.h>
#include <udrv/pci.h>

#include "nvme_calls.h"
#include "nvme_ctrl.h"
#include "support/nvme_load.h"
#include "support/suite.h"

static struct nvme_rig rig;
static unsigned char *buf;

static void open_on(const char *name, uint32_t absent_ms, unsigned int admin_timeout_ms)
{
	const struct udrv_nvme_options options = {.admin_timeout_ms = admin_timeout_ms,
						  .cmb = true};
	struct udrv__model_nvme_config config;

	memset(&rig, 0, sizeof(rig));
	ck_assert_int_eq(udrv_device_open(name, NULL, &rig.dev), 0);
	udrv__model_nvme_get_config(rig.dev, &config);
	config.absent_ms = absent_ms;
	ck_assert_int_eq(udrv__model_nvme_set_config(rig.dev, &config), 0);
	ck_assert_int_eq(udrv_nvme_attach(rig.dev, &options, &rig.nvme), 0);
	rig.ns = udrv_nvme_ns_next(rig.nvme, 0);
	ck_assert_ptr_nonnull(rig.ns);
	buf = nvme_rig_memory(&rig, 4096);
}

static void setup(void)
{
	open_on("model:nvme", 10, 0);
}

static void teardown(void)
{
	udrv__model_nvme_heal(rig.dev);
	nvme_rig_close(&rig);
}

static uint64_t messages_dropped(void)
{
	struct udrv__model_counts counts;

	udrv__model_get_counts(rig.dev, &counts);
	return counts.msi_dropped;
}

static void swallow(uint8_t opcode)
{
	const struct udrv__model_nvme_fault fault = {
		.kind = UDRV__MODEL_NVME_SWALLOW, .qid = 1, .opcode = opcode, .count = 1};

	ck_assert_int_eq(udrv__model_nvme_inject(rig.dev, &fault), 0);
}

static const char *const names[] = {"model:nvme", "model:nvme:cmb", "model:nvme:oldcmb",
				    "model:nvme:dbbuf"};

START_TEST(everything_is_as_before)
{
	uint32_t before[16], after[16];

	open_on(names[_i], 10, 0);
	nvme_rig_queue(&rig, 16, UDRV_NVME_INTERRUPT);
	for (int i = 0; i < 16; i++)
		ck_assert_int_eq(udrv_pci_read_config_dword(rig.dev, 4 * i, &before[i]), 0);
	nvme_rig_fill(buf, 512, 3, 1);
	ck_assert_uint_eq(nvme_rig_write(&rig, buf, 3, 1, 0), 0);
	ck_assert_int_eq(udrv_nvme_subsystem_reset(rig.nvme), 0);
	ck_assert_uint_eq(nvme_rig_counts(&rig).subsystem_resets, 1);
	ck_assert_uint_eq(nvme_rig_info(&rig).resets, 1);
	for (int i = 0; i < 16; i++)
		ck_assert_int_eq(udrv_pci_read_config_dword(rig.dev, 4 * i, &after[i]), 0);
	ck_assert_mem_eq(before, after, sizeof(before));
	/* The next one is seen again. */
	ck_assert(!(nvme_read32(rig.nvme, NVME_REG_CSTS) & NVME_CSTS_NSSRO));
	memset(buf, 0, 512);
	ck_assert_uint_eq(nvme_rig_read(&rig, buf, 3, 1), 0);
	nvme_rig_fill(buf + 512, 512, 3, 1);
	ck_assert_mem_eq(buf, buf + 512, 512);
	ck_assert_uint_eq(messages_dropped(), 0);
	ck_assert_int_eq(udrv_nvme_subsystem_reset(rig.nvme), 0);
	ck_assert_uint_eq(nvme_rig_counts(&rig).subsystem_resets, 2);
	teardown();
}
END_TEST

START_TEST(what_is_in_flight_is_sent_again_or_its_fate_unknown)
{
	const struct nvme_sqe flush = {.opcode = NVME_FLUSH, .nsid = rig.ns->nsid};
	struct nvme_rig_wait read = {0}, once = {0}, unsent = {0};

	nvme_rig_queue(&rig, 16, UDRV_NVME_POLLED);
	swallow(NVME_READ);
	swallow(NVME_FLUSH);
	ck_assert_int_eq(udrv_nvme_read(rig.q, rig.ns, buf, 0, 1, 0, nvme_rig_done, &read), 0);
	ck_assert_int_eq(udrv_nvme_command(rig.q, &flush, NULL, 0, nvme_rig_done, &once), 0);
	udrv_nvme_submit(rig.q);
	udrv__model_nvme_settle(rig.dev);
	ck_assert_int_eq(udrv_nvme_command(rig.q, &flush, NULL, 0, nvme_rig_done, &unsent), 0);
	ck_assert_int_eq(udrv_nvme_subsystem_reset(rig.nvme), 0);
	ck_assert_uint_eq(nvme_rig_await(&rig, &read), 0);
	ck_assert_uint_eq(nvme_rig_await(&rig, &once), NVME_SC_HOST_ABORTED);
	ck_assert_uint_eq(nvme_rig_await(&rig, &unsent), 0);
}
END_TEST

static atomic_bool stop;

static void *reset_always(void *unused)
{
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(udrv_nvme_subsystem_reset(rig.nvme), 0);
		ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
	}
	stop = true;
	return unused;
}

/* The data is right, whatever comes in between. */
START_TEST(under_load)
{
	static struct nvme_load load;
	pthread_t threads[2];

	stop = false;
	nvme_rig_queue(&rig, 64, UDRV_NVME_ADAPTIVE);
	load = (struct nvme_load){.rig = &rig, .depth = 32};
	nvme_load_begin(&load);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, reset_always, NULL), 0);
	while (!stop)
		nvme_load_run(&load, 100);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	nvme_load_finish(&load);
	ck_assert_uint_eq(load.failed, 0);
	ck_assert_uint_eq(nvme_rig_info(&rig).bad_completions, 0);
	ck_assert_uint_eq(nvme_rig_counts(&rig).subsystem_resets, 40);
}
END_TEST

/* They have their answer, or are told that there is none; and none that it did not end by itself.
 */
START_TEST(admin_commands_meanwhile)
{
	pthread_t thread;
	uint32_t value;

	stop = false;
	ck_assert_int_eq(pthread_create(&thread, NULL, reset_always, NULL), 0);
	while (!stop) {
		const int ret = udrv_nvme_get_feature(rig.nvme, NVME_FEAT_TEMPERATURE, 0, 0, NULL,
						      0, &value);

		ck_assert_msg(!ret || ret == -EIO, "%d", ret);
	}
	pthread_join(thread, NULL);
	ck_assert_uint_eq(nvme_rig_info(&rig).timeouts, 0);
}
END_TEST

START_TEST(one_that_does_not_come_back_is_given_up)
{
	struct nvme_rig_wait sent = {0}, unsent = {0};

	open_on("model:nvme", UINT32_MAX, 3000);
	nvme_rig_queue(&rig, 16, UDRV_NVME_POLLED);
	swallow(NVME_READ);
	ck_assert_int_eq(udrv_nvme_read(rig.q, rig.ns, buf, 0, 1, 0, nvme_rig_done, &sent), 0);
	udrv_nvme_submit(rig.q);
	ck_assert_int_eq(udrv_nvme_read(rig.q, rig.ns, buf, 0, 1, 0, nvme_rig_done, &unsent), 0);
	ck_assert_int_eq(udrv_nvme_subsystem_reset(rig.nvme), -EIO);
	ck_assert(nvme_rig_info(&rig).dead);
	ck_assert_uint_eq(nvme_rig_await(&rig, &sent), NVME_SC_HOST_ABORTED);
	ck_assert_uint_eq(nvme_rig_await(&rig, &unsent), NVME_SC_HOST_PATHING);
	ck_assert_int_eq(udrv_nvme_subsystem_reset(rig.nvme), -EIO);
	teardown();
}
END_TEST

static void *reset_once(void *ret)
{
	*(int *)ret = udrv_nvme_subsystem_reset(rig.nvme);
	return NULL;
}

START_TEST(one_that_is_pulled_out_meanwhile_is_gone)
{
	pthread_t thread;
	int ret = 0;

	open_on("model:nvme", UINT32_MAX, 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, reset_once, &ret), 0);
	while (!nvme_rig_counts(&rig).subsystem_resets)
		udrv_usleep_range(100, 200);
	udrv__model_surprise_remove(rig.dev);
	pthread_join(thread, NULL);
	ck_assert_int_eq(ret, -ENODEV);
	teardown();
}
END_TEST

START_TEST(one_that_does_nothing_is_said_to)
{
	const struct udrv__model_nvme_switches switches = {.no_subsystem_reset = true};

	nvme_rig_queue(&rig, 16, UDRV_NVME_POLLED);
	udrv__model_nvme_set_switches(rig.dev, &switches);
	ck_assert_int_eq(udrv_nvme_subsystem_reset(rig.nvme), -EPROTO);
	ck_assert_uint_eq(nvme_rig_info(&rig).resets, 1);
	ck_assert_uint_eq(nvme_rig_read(&rig, buf, 0, 1), 0);
}
END_TEST

static void *read_boot(void *ret)
{
	static unsigned char page[4096];

	*(int *)ret = udrv_nvme_boot_read(rig.nvme, 0, page, sizeof(page), 0);
	return NULL;
}

START_TEST(it_ends_the_read_of_a_boot_partition)
{
	const struct udrv__model_nvme_switches switches = {.boot_read_outlives = true};
	pthread_t thread;
	int ret = 0;

	udrv__model_nvme_set_switches(rig.dev, &switches);
	ck_assert_int_eq(pthread_create(&thread, NULL, read_boot, &ret), 0);
	while (!nvme_boot_is_read(rig.nvme))
		udrv_usleep_range(100, 200);
	ck_assert_int_eq(udrv_nvme_subsystem_reset(rig.nvme), 0);
	pthread_join(thread, NULL);
	ck_assert_int_eq(ret, -EAGAIN);
}
END_TEST

static void resetting_done(void *ctx, uint32_t status, uint32_t dw0)
{
	(void)status;
	(void)dw0;
	*(int *)ctx = udrv_nvme_subsystem_reset(rig.nvme);
}

START_TEST(not_in_callbacks)
{
	int ret = 0;

	nvme_rig_queue(&rig, 16, UDRV_NVME_POLLED);
	ck_assert_int_eq(udrv_nvme_read(rig.q, rig.ns, buf, 0, 1, 0, resetting_done, &ret), 0);
	while (udrv_nvme_in_flight(rig.q))
		(void)udrv_nvme_wait(rig.q, 1000);
	ck_assert_int_eq(ret, -EDEADLK);
	ck_assert_uint_eq(nvme_rig_counts(&rig).subsystem_resets, 0);
}
END_TEST

/* By somebody who had it before. */
START_TEST(one_that_was_reset_before_is_taken_note_of)
{
	uint8_t __udrv_iomem *regs;

	ck_assert_int_eq(udrv_device_open("model:nvme", NULL, &rig.dev), 0);
	ck_assert_int_eq(udrv_pci_enable_device(rig.dev), 0);
	regs = udrv_pci_iomap(rig.dev, 0, 0);
	udrv_writel(NVME_NSSR_MAGIC, regs + NVME_REG_NSSR);
	while (udrv_readl(regs + NVME_REG_CSTS) == UINT32_MAX)
		ck_assert_int_eq(udrv_pci_enable_device(rig.dev), 0);
	ck_assert_uint_eq(udrv_readl(regs + NVME_REG_CSTS), NVME_CSTS_NSSRO);
	ck_assert_int_eq(udrv_nvme_attach(rig.dev, NULL, &rig.nvme), 0);
	ck_assert_uint_eq(udrv_readl(regs + NVME_REG_CSTS), NVME_CSTS_RDY);
	rig.q = NULL;
	teardown();
}
END_TEST

static void set_subsystem_reset(bool on)
{
	struct udrv__model_nvme_config config;

	udrv_driver_remove(&nvme_driver, dev);
	udrv__model_nvme_get_config(dev, &config);
	config.subsystem_reset = on;
	ck_assert_int_eq(udrv__model_nvme_set_config(dev, &config), 0);
	ck_assert_int_eq(udrv_driver_probe(&nvme_driver, dev), 0);
}

START_TEST(verbs)
{
	const struct udrv__model_nvme_fault fault = {.kind = UDRV__MODEL_NVME_STATUS,
						     .opcode = NVME_ADMIN_FIRMWARE_COMMIT,
						     .count = 3,
						     .value = NVME_SC_FW_NEEDS_SUBSYSTEM};
	struct udrv__model_nvme_switches switches = {.no_subsystem_reset = true};

	open_device("model:nvme");
	works("subsystem-reset");
	ck_assert_str_eq(out, "subsystem-reset: the controller works again; 1 resets since the "
			      "start\n");
	fails("subsystem-reset now", -EINVAL, "unexpected argument 'now'");
	ck_assert_int_eq(udrv__model_nvme_inject(dev, &fault), 0);
	works("fw-commit -s 1 -a 2");
	ck_assert_str_eq(out, "Success activating firmware action:2 slot:1, but firmware requires "
			      "subsystem reset\nThe next reset activates it: 'udrv nvme "
			      "subsystem-reset', or --reset here\n");
	works("fw-commit -s 1 -a 2 --reset");
	says("\nThe NVM subsystem was reset; its firmware is 1.0\n");
	udrv__model_nvme_set_switches(dev, &switches);
	fails("subsystem-reset", -EPROTO, "does not say that its subsystem was reset (CSTS.NSSRO)");
	works("id-ctrl");
	set_subsystem_reset(false);
	fails("subsystem-reset", -EOPNOTSUPP, "the controller has no NVM subsystem reset");
	fails("fw-commit -s 1 -a 2 --reset", -EOPNOTSUPP, "has no NVM subsystem reset");
	udrv__model_nvme_heal(dev);
	close_device();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nvme_subsystem");
	TCase *tc = tcase_create("rig");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, what_is_in_flight_is_sent_again_or_its_fate_unknown);
	tcase_add_test(tc, under_load);
	tcase_add_test(tc, admin_commands_meanwhile);
	tcase_add_test(tc, one_that_does_nothing_is_said_to);
	tcase_add_test(tc, it_ends_the_read_of_a_boot_partition);
	tcase_add_test(tc, not_in_callbacks);
	suite_add_tcase(s, tc);
	tc = tcase_create("own");
	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, everything_is_as_before, 0, sizeof(names) / sizeof(names[0]));
	tcase_add_test(tc, one_that_does_not_come_back_is_given_up);
	tcase_add_test(tc, one_that_is_pulled_out_meanwhile_is_gone);
	tcase_add_test(tc, one_that_was_reset_before_is_taken_note_of);
	tcase_add_test(tc, verbs);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

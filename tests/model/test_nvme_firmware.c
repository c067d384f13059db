// SPDX-License-Identifier: MIT
/* Firmware of an NVMe controller: download, commit, activation; library and verbs. */
#include <errno.h>

#include <udrv/pci.h>

#include "nvme_calls.h"
#include "support/nvme_image.h"
#include "support/suite.h"

#define LEN 300000u

static unsigned char image[LEN];
static struct udrv_nvme *nvme;

static void setup(void)
{
	open_device("model:nvme");
	nvme = ((struct nvme_driver *)udrv_pci_get_drvdata(dev))->nvme;
	nvme_image(image, LEN, "2.0.1   ");
}

static void needs_reset(void)
{
	struct udrv__model_nvme_config config;

	udrv_driver_remove(&nvme_driver, dev);
	udrv__model_nvme_get_config(dev, &config);
	config.firmware_needs_reset = true;
	ck_assert_int_eq(udrv__model_nvme_set_config(dev, &config), 0);
	ck_assert_int_eq(udrv_driver_probe(&nvme_driver, dev), 0);
	nvme = ((struct nvme_driver *)udrv_pci_get_drvdata(dev))->nvme;
}

START_TEST(is_downloaded_stored_and_activated_by_a_reset)
{
	data_put(image, LEN);
	works("fw-download --fw=file");
	ck_assert_str_eq(out, "Firmware download success\n");
	works("fw-commit -s 2 -a 0");
	ck_assert_str_eq(out, "Success committing firmware action:0 slot:2\n");
	works("fw-log");
	says("afi  : 0x1\n");
	says("(2.0.1...)");
	works("fw-commit --slot 2 --action 2");
	says("Success committing firmware action:2 slot:2\nThe next reset activates it");
	works("fw-log");
	says("afi  : 0x21\n");
	works("reset");
	works("fw-log");
	says("afi  : 0x2\n");
	works("id-ctrl --json");
	says("\"fr\":\"2.0.1");
}
END_TEST

START_TEST(a_commit_resets_if_it_is_asked_to)
{
	data_put(image, LEN);
	works("fw-download -f file -x 65536");
	works("fw-commit -s 3 -a 1 --reset");
	ck_assert_str_eq(out, "Success committing firmware action:1 slot:3\n"
			      "The controller was reset; its firmware is 2.0.1\n");
}
END_TEST

START_TEST(is_activated_at_once)
{
	data_put(image, LEN);
	works("fw-download -f file");
	works("fw-commit -s 2 -a 3");
	ck_assert_str_eq(out, "Success committing firmware action:3 slot:2\n");
	works("fw-log");
	says("afi  : 0x2\n");
	/* What was there before is again, without a download. */
	works("fw-commit -s 1 -a 3");
	works("fw-log");
	says("afi  : 0x1\n");
}
END_TEST

START_TEST(that_a_reset_is_needed_is_no_failure)
{
	needs_reset();
	data_put(image, LEN);
	works("fw-download -f file");
	works("fw-commit -s 2 -a 3");
	says("Success activating firmware action:3 slot:2, but firmware requires any controller "
	     "reset\nThe next reset activates it");
	works("fw-log");
	says("afi  : 0x21\n");
	works("fw-commit -s 2 -a 3 --reset");
	says("its firmware is 2.0.1\n");
}
END_TEST

START_TEST(a_reset_that_cannot_be_done_is_said)
{
	const struct udrv__model_nvme_fault fault = {.kind = UDRV__MODEL_NVME_STATUS,
						     .opcode = NVME_ADMIN_FIRMWARE_COMMIT,
						     .count = 2,
						     .value = NVME_SC_FW_NEEDS_CONVENTIONAL};

	ck_assert_int_eq(udrv__model_nvme_inject(dev, &fault), 0);
	works("fw-commit -s 1 -a 2");
	ck_assert_str_eq(out, "Success activating firmware action:2 slot:1, but firmware requires "
			      "conventional reset\n");
	fails("fw-commit -s 1 -a 2 --reset", -EOPNOTSUPP,
	      "there is no conventional reset from here");
}
END_TEST

START_TEST(what_is_wrong_is_named)
{
	data_put(image, LEN);
	works("fw-download -f file");
	fails("fw-commit -s 1 -a 1", -EINVAL, "invalid firmware slot (0x");
	fails("fw-commit -s 7 -a 1", -EINVAL, "fw-log shows which slots there are");
	fails("fw-commit -s 3 -a 2", -EINVAL, "invalid firmware image (0x");
	fails("fw-commit -s 2", -EINVAL, "which? Say --action");
	data_put(image, LEN);
	fails("fw-download -f file", -EINVAL, "overlapping range");
	works("fw-commit -s 2 -a 0");
	image[100] ^= 1;
	data_put(image, LEN);
	works("fw-download -f file");
	fails("fw-commit -s 2 -a 1", -EINVAL, "invalid firmware image (0x");
	/* Without a download there is nothing to store. */
	fails("fw-commit -s 2 -a 1", -EINVAL, "download the whole image");
	data_put(image, 1001);
	fails("fw-download -f file", -EINVAL, "the image has 1001 bytes: a multiple of 4");
	data_clear();
	fails("fw-download -f file", -EINVAL, "the image has 0 bytes");
	data_put(image, LEN);
	fails("fw-download -f file -x 1000", -EINVAL, "multiples of 4096 bytes");
	data_put(image, LEN);
	fails("fw-download -f file -x 16M", -EMSGSIZE, "multiples of 4096 bytes");
	data_put(image, LEN);
	fails("fw-download -f file -o 1", -EINVAL, "multiples of 4096 bytes");
}
END_TEST

START_TEST(an_image_may_come_in_parts)
{
	ck_assert_uint_eq(udrv_nvme_firmware_piece(nvme), 4096);
	ck_assert_int_eq(udrv_nvme_firmware_download(nvme, image + 8192, LEN - 8192, 8192, 0), 0);
	data_put(image, 8192);
	works("fw-download -f file -o 1024");
	ck_assert_int_eq(udrv_nvme_firmware_download(nvme, image, 4096, 0, 0), 0);
	ck_assert_int_eq(udrv_nvme_firmware_commit(nvme, 0, UDRV_NVME_COMMIT_STORE), 0);
	ck_assert_int_eq(udrv_nvme_firmware_commit(nvme, 8, UDRV_NVME_COMMIT_STORE), -EINVAL);
	works("fw-log");
	says("frs2 : ");
}
END_TEST

START_TEST(a_reset_forgets_what_was_downloaded)
{
	ck_assert_int_eq(udrv_nvme_firmware_download(nvme, image, LEN, 0, 0), 0);
	ck_assert_int_eq(udrv_nvme_reset(nvme), 0);
	ck_assert_int_eq(udrv_nvme_firmware_commit(nvme, 2, UDRV_NVME_COMMIT_STORE) &
				 (int)NVME_STATUS_MASK,
			 NVME_SC_FW_IMAGE);
}
END_TEST

static void open_quick(const char *timeout_ms)
{
	const struct udrv_param *p = nvme_driver.params;

	while (strcmp(p->name, "io_timeout_ms") != 0)
		p++;
	udrv_driver_remove(&nvme_driver, dev);
	*p->value = timeout_ms;
	/* MTFA: 6553 s */
	ck_assert_int_eq(udrv__model_nvme_say(dev, NVME_CNS_CTRL,
					      offsetof(struct nvme_id_ctrl, mtfa), 2, 65535),
			 0);
	ck_assert_int_eq(udrv_driver_probe(&nvme_driver, dev), 0);
	*p->value = "30000";
	nvme = ((struct nvme_driver *)udrv_pci_get_drvdata(dev))->nvme;
}

static void read_done(void *ctx, uint32_t status, uint32_t dw0)
{
	(void)dw0;
	*(uint32_t *)ctx = status;
}

START_TEST(nothing_is_aborted_while_a_firmware_is_activated)
{
	struct udrv__model_nvme_switches switches = {.activating = true};
	uint32_t status = UINT32_MAX;
	struct udrv_nvme_queue *q;
	struct udrv_nvme_info info;
	char buf[512];

	open_quick("20");
	ck_assert_int_eq(udrv_nvme_queue_create(nvme, NULL, &q), 0);
	udrv__model_nvme_set_switches(dev, &switches);
	ck_assert_int_eq(udrv_nvme_read(q, udrv_nvme_ns(nvme, 1), buf, 0, 1, 0, read_done, &status),
			 0);
	for (int i = 0; i < 10; i++)
		ck_assert_uint_eq(udrv_nvme_wait(q, 20), 0);
	udrv_nvme_get_info(nvme, &info);
	ck_assert_uint_eq(info.timeouts + info.aborts + info.resets, 0);
	switches.activating = false;
	udrv__model_nvme_set_switches(dev, &switches);
	while (status == UINT32_MAX)
		(void)udrv_nvme_wait(q, 1000);
	ck_assert_uint_eq(status, 0);
	udrv_nvme_queue_destroy(q);
}
END_TEST

START_TEST(a_controller_without_firmware_commands)
{
	const struct nvme_id_ctrl *id = udrv_nvme_id_ctrl(nvme);

	ck_assert_int_eq(udrv__model_nvme_say(dev, NVME_CNS_CTRL,
					      offsetof(struct nvme_id_ctrl, oacs), 2,
					      id->oacs & ~NVME_OACS_FIRMWARE),
			 0);
	works("reset");
	data_put(image, LEN);
	fails("fw-download -f file", -EOPNOTSUPP, "fw-download: ");
	fails("fw-commit -s 1 -a 2", -EOPNOTSUPP, "fw-commit: ");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nvme_firmware");
	TCase *tc = tcase_create("firmware");

	tcase_add_checked_fixture(tc, setup, close_device);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, is_downloaded_stored_and_activated_by_a_reset);
	tcase_add_test(tc, a_commit_resets_if_it_is_asked_to);
	tcase_add_test(tc, is_activated_at_once);
	tcase_add_test(tc, that_a_reset_is_needed_is_no_failure);
	tcase_add_test(tc, a_reset_that_cannot_be_done_is_said);
	tcase_add_test(tc, what_is_wrong_is_named);
	tcase_add_test(tc, an_image_may_come_in_parts);
	tcase_add_test(tc, a_reset_forgets_what_was_downloaded);
	tcase_add_test(tc, nothing_is_aborted_while_a_firmware_is_activated);
	tcase_add_test(tc, a_controller_without_firmware_commands);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

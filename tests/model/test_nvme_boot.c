// SPDX-License-Identifier: MIT
/* Boot partitions of an NVMe controller: read by registers, written as a firmware; verbs, too. */
#include <errno.h>
#include <pthread.h>

#include <udrv/delay.h>
#include <udrv/pci.h>

#include "nvme_calls.h"
#include "nvme_ctrl.h"
#include "support/nvme_rig.h"
#include "support/suite.h"

#define SIZE (256u << 10) /* of each: two units */
#define LEN  200000u

static unsigned char image[SIZE], back[SIZE + 1];
static struct udrv_nvme *nvme;

static void take_nvme(void)
{
	nvme = ((struct nvme_driver *)udrv_pci_get_drvdata(dev))->nvme;
}

static void setup(void)
{
	open_device("model:nvme");
	take_nvme();
	memset(image, 0xff, sizeof(image)); /* what the software controller puts behind */
	nvme_rig_fill(image, LEN, 7, 1);
}

static void teardown(void)
{
	udrv__model_nvme_heal(dev);
	close_device();
}

static void set_units(uint16_t units)
{
	struct udrv__model_nvme_config config;

	udrv_driver_remove(&nvme_driver, dev);
	udrv__model_nvme_get_config(dev, &config);
	config.boot_units = units;
	ck_assert_int_eq(udrv__model_nvme_set_config(dev, &config), 0);
	ck_assert_int_eq(udrv_driver_probe(&nvme_driver, dev), 0);
	take_nvme();
}

static void set_switches(struct udrv__model_nvme_switches switches)
{
	udrv__model_nvme_set_switches(dev, &switches);
}

static void write_image(unsigned int id)
{
	ck_assert_int_eq(udrv_nvme_firmware_download(nvme, image, LEN, 0, 0), 0);
	ck_assert_int_eq(udrv_nvme_boot_replace(nvme, id), 0);
}

START_TEST(is_written_read_back_and_activated)
{
	data_put(image, LEN);
	works("fw-download -f file");
	works("fw-commit -a 6 -b 1");
	ck_assert_str_eq(out, "Success committing firmware action:6 bpid:1\n");
	data_clear();
	ck_assert_int_eq(run("boot-part-read --bpid 1 -d file"), 0);
	ck_assert_str_eq(err, "boot-part-read: Success: boot partition 1, 262144 bytes; 0 is "
			      "active\n");
	ck_assert_str_eq(out, "");
	ck_assert_uint_eq(data_get(back, sizeof(back)), SIZE);
	ck_assert_mem_eq(back, image, SIZE);
	works("fw-commit --action=7 --bpid=1");
	ck_assert_str_eq(out, "Success committing firmware action:7 bpid:1\n");
	data_clear();
	ck_assert_int_eq(run("boot-part-read"), 0);
	ck_assert_str_eq(err, "boot-part-read: Success: boot partition 1, 262144 bytes; 1 is "
			      "active\n");
	ck_assert_uint_eq(data_get(back, sizeof(back)), SIZE);
	ck_assert_mem_eq(back, image, SIZE);
	/* The other one is as it was, and so is the firmware. */
	ck_assert_int_eq(udrv_nvme_boot_read(nvme, 0, back, SIZE, 0), 0);
	for (unsigned int i = 0; i < SIZE; i++)
		ck_assert_uint_eq(back[i], 0);
	works("fw-log");
	says("afi  : 0x1\n");
}
END_TEST

START_TEST(a_part_is_read)
{
	struct udrv_nvme_boot boot;

	ck_assert_int_eq(udrv_nvme_boot_info(nvme, &boot), 0);
	ck_assert_uint_eq(boot.size, SIZE);
	ck_assert_uint_eq(boot.active, 0);
	write_image(0);
	ck_assert_int_eq(udrv_nvme_boot_read(nvme, 0, back, 8192, 4096), 0);
	ck_assert_mem_eq(back, image + 4096, 8192);
	ck_assert_int_eq(udrv_nvme_boot_read(nvme, 0, back, 4096, SIZE - 4096), 0);
	ck_assert_mem_eq(back, image + SIZE - 4096, 4096);
	ck_assert_int_eq(udrv_nvme_boot_read(nvme, 0, back, 4096, SIZE), -EINVAL);
	ck_assert_int_eq(udrv_nvme_boot_read(nvme, 0, back, SIZE, 4096), -EINVAL);
	ck_assert_int_eq(udrv_nvme_boot_read(nvme, 0, back, 4096, UINT64_MAX - 4095), -EINVAL);
	ck_assert_int_eq(udrv_nvme_boot_read(nvme, 0, back, 4096, 512), -EINVAL);
	ck_assert_int_eq(udrv_nvme_boot_read(nvme, 0, back, 512, 0), -EINVAL);
	ck_assert_int_eq(udrv_nvme_boot_read(nvme, 0, back, 0, 0), -EINVAL);
	ck_assert_int_eq(udrv_nvme_boot_read(nvme, 2, back, 4096, 0), -EINVAL);
	ck_assert_int_eq(udrv_nvme_boot_replace(nvme, 2), -EINVAL);
	ck_assert_int_eq(udrv_nvme_boot_activate(nvme, 2), -EINVAL);
}
END_TEST

static void *read_one(void *id)
{
	static unsigned char bytes[2][SIZE];
	unsigned char *to = bytes[id != NULL];

	for (int i = 0; i < 50; i++) {
		ck_assert_int_eq(udrv_nvme_boot_read(nvme, id != NULL, to, SIZE, 0), 0);
		ck_assert_uint_eq(to[0], id ? image[0] : 0);
		ck_assert_uint_eq(to[SIZE - 1], id ? image[SIZE - 1] : 0);
	}
	return NULL;
}

START_TEST(threads_read_one_after_the_other)
{
	pthread_t thread;

	image[0] = 0x5a;
	write_image(1);
	ck_assert_int_eq(pthread_create(&thread, NULL, read_one, image), 0);
	(void)read_one(NULL);
	pthread_join(thread, NULL);
}
END_TEST

START_TEST(what_cannot_be_read_is_said)
{
	write_image(0);
	set_switches((struct udrv__model_nvme_switches){.boot_read_fails = true});
	ck_assert_int_eq(udrv_nvme_boot_read(nvme, 0, back, 4096, 0), -ENODATA);
	fails("boot-part-read -b 0", -ENODATA,
	      "boot-part-read: the controller cannot read it behind byte 0\n");
	udrv__model_nvme_heal(dev);
	ck_assert_int_eq(udrv_nvme_boot_read(nvme, 0, back, SIZE, 0), 0);
	ck_assert_mem_eq(back, image, SIZE);
}
END_TEST

/* What there is not is not given, and needs no memory. */
START_TEST(a_size_that_is_not_true)
{
	struct udrv_nvme_boot boot;

	set_units(0x7fff);
	ck_assert_int_eq(udrv_nvme_boot_info(nvme, &boot), 0);
	ck_assert_uint_eq(boot.size, 0x7fffull << 17);
	data_clear();
	fails("boot-part-read", -ENODATA, "cannot read it behind byte 524288\n");
	ck_assert_int_eq(udrv_nvme_boot_read(nvme, 0, back, 4096, boot.size - 4096), -ENODATA);
	set_switches((struct udrv__model_nvme_switches){.boot_no_size = true});
	ck_assert_int_eq(udrv_nvme_boot_info(nvme, &boot), -EPROTO);
	ck_assert_int_eq(udrv_nvme_boot_read(nvme, 0, back, 4096, 0), -EPROTO);
	fails("boot-part-read", -EPROTO, "does not tell the size of its boot partitions\n");
}
END_TEST

START_TEST(a_controller_without_boot_partitions)
{
	struct udrv_nvme_boot boot;

	set_units(0);
	ck_assert_int_eq(udrv_nvme_boot_info(nvme, &boot), -EOPNOTSUPP);
	ck_assert_int_eq(udrv_nvme_boot_read(nvme, 0, back, 4096, 0), -EOPNOTSUPP);
	ck_assert_int_eq(udrv_nvme_boot_replace(nvme, 0), -EOPNOTSUPP);
	ck_assert_int_eq(udrv_nvme_boot_activate(nvme, 0), -EOPNOTSUPP);
	fails("boot-part-read", -EOPNOTSUPP, "the controller has no boot partitions\n");
	fails("fw-commit -a 6 -b 0", -EOPNOTSUPP, "the controller has no boot partitions\n");
}
END_TEST

START_TEST(what_cannot_be_written_is_said)
{
	fails("fw-commit -a 6 -b 0", -EINVAL, "invalid firmware image (0x");
	data_put(image, LEN);
	works("fw-download -f file");
	set_switches((struct udrv__model_nvme_switches){.boot_locked = true});
	fails("fw-commit -a 6 -b 0", -EPERM,
	      "boot partition write prohibited (0x611e): the boot partitions are locked");
	fails("fw-commit -a 7 -b 1", -EPERM, "the boot partitions are locked");
}
END_TEST

START_TEST(wrong_arguments_are_refused_with_one_line)
{
	static const char *const lines[] = {
		"fw-commit -a 4",	    "fw-commit -a 5",
		"fw-commit -a 8",	    "fw-commit -a 6",
		"fw-commit -a 7",	    "fw-commit -a 6 -b 2",
		"fw-commit -a 6 -b 0 -s 1", "fw-commit -a 7 -b 0 --reset",
		"fw-commit -a 1 -b 0",	    "boot-part-read -b 2",
		"boot-part-read 1",	    "boot-part-read -d",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		ck_assert_msg(run(lines[i]) == -EINVAL, "%s: %s", lines[i], err);
		ck_assert_str_eq(out, "");
		ck_assert_msg(strchr(err, '\n') == err + strlen(err) - 1, "%s", lines[i]);
	}
}
END_TEST

static void reading_done(void *ctx, uint32_t status, uint32_t dw0)
{
	(void)status;
	(void)dw0;
	*(int *)ctx = udrv_nvme_boot_read(nvme, 0, back, 4096, 0);
}

START_TEST(not_in_callbacks)
{
	static unsigned char block[512];
	struct udrv_nvme_queue *q;
	int ret = 0;

	ck_assert_int_eq(udrv_nvme_queue_create(nvme, NULL, &q), 0);
	ck_assert_int_eq(
		udrv_nvme_read(q, udrv_nvme_ns(nvme, 1), block, 0, 1, 0, reading_done, &ret), 0);
	while (udrv_nvme_in_flight(q))
		(void)udrv_nvme_wait(q, 1000);
	ck_assert_int_eq(ret, -EDEADLK);
	udrv_nvme_queue_destroy(q);
}
END_TEST

static void *read_page(void *ret)
{
	*(int *)ret = udrv_nvme_boot_read(nvme, 0, back, 4096, 0);
	return NULL;
}

/* A thread that reads what does not end; the controller is at it. */
static pthread_t begin_endless(int *ret)
{
	pthread_t thread;

	set_switches((struct udrv__model_nvme_switches){.boot_read_hangs = true});
	ck_assert_int_eq(pthread_create(&thread, NULL, read_page, ret), 0);
	while (!nvme_boot_is_read(nvme))
		udrv_usleep_range(100, 200);
	return thread;
}

START_TEST(a_reset_ends_it)
{
	int ret = 0;
	pthread_t thread = begin_endless(&ret);

	ck_assert_int_eq(udrv_nvme_reset(nvme), 0);
	pthread_join(thread, NULL);
	ck_assert_int_eq(ret, -EAGAIN);
	udrv__model_nvme_heal(dev);
	ck_assert_int_eq(udrv_nvme_boot_read(nvme, 0, back, 4096, 0), 0);
}
END_TEST

START_TEST(a_device_that_goes_away_ends_it)
{
	int ret = 0;
	pthread_t thread = begin_endless(&ret);

	udrv__model_surprise_remove(dev);
	pthread_join(thread, NULL);
	ck_assert_int_eq(ret, -ENODEV);
	ck_assert_int_lt(run("boot-part-read"), 0);
}
END_TEST

/* Begun by nobody that the library knows. */
START_TEST(another_ones_is_not_disturbed)
{
	set_switches((struct udrv__model_nvme_switches){.boot_read_hangs = true});
	nvme_write32(nvme, NVME_REG_BPRSEL, NVME_BPRSEL(1, 0, 4096));
	ck_assert_int_eq(udrv_nvme_boot_read(nvme, 0, back, 4096, 0), -EBUSY);
	fails("boot-part-read", -EBUSY, "somebody else reads one: 'udrv nvme reset' ends that\n");
	udrv__model_nvme_heal(dev);
	works("reset");
	ck_assert_int_eq(udrv_nvme_boot_read(nvme, 0, back, 4096, 0), 0);
}
END_TEST

/* By a reset of the controller, or, where that is not enough, of the function. */
START_TEST(one_that_does_not_end_is_ended)
{
	const struct udrv_nvme_options options = {.admin_timeout_ms = 3000};
	const struct udrv__model_nvme_fault swallow = {
		.kind = UDRV__MODEL_NVME_SWALLOW, .qid = 1, .opcode = NVME_READ, .count = 1};
	struct udrv__model_nvme_switches switches = {.boot_read_hangs = true};
	struct nvme_rig_wait w = {0};
	struct udrv_nvme_info info;
	struct nvme_rig rig;
	unsigned char *buf;

	switches.boot_read_outlives = _i;
	nvme_rig_open(&rig, &options);
	nvme_rig_queue(&rig, 16, UDRV_NVME_POLLED);
	buf = nvme_rig_memory(&rig, 4096);
	udrv__model_nvme_set_switches(rig.dev, &switches);
	/* What is in flight meanwhile is sent again. */
	ck_assert_int_eq(udrv__model_nvme_inject(rig.dev, &swallow), 0);
	ck_assert_int_eq(udrv_nvme_read(rig.q, rig.ns, buf, 0, 1, 0, nvme_rig_done, &w), 0);
	udrv_nvme_submit(rig.q);
	udrv__model_nvme_settle(rig.dev);
	ck_assert_int_eq(udrv_nvme_boot_read(rig.nvme, 0, back, 4096, 0), -ETIMEDOUT);
	ck_assert(!nvme_boot_is_read(rig.nvme));
	udrv_nvme_get_info(rig.nvme, &info);
	ck_assert(!info.dead);
	ck_assert_uint_eq(info.resets, 1);
	ck_assert_uint_eq(nvme_rig_await(&rig, &w), 0);
	udrv__model_nvme_heal(rig.dev);
	ck_assert_int_eq(udrv_nvme_boot_read(rig.nvme, 0, back, 4096, 0), 0);
	nvme_rig_close(&rig);
}
END_TEST

/* A boot loader was killed, say: its memory may be anybody's by now. */
START_TEST(one_that_was_begun_before_is_ended_when_it_is_attached)
{
	udrv_driver_remove(&nvme_driver, dev);
	set_switches((struct udrv__model_nvme_switches){.boot_read_outlives = true});
	ck_assert_int_eq(udrv_pci_enable_device(dev), 0);
	udrv_writel(NVME_BPRSEL(0, 0, 4096),
		    (uint8_t __udrv_iomem *)udrv_pci_iomap(dev, 0, 0) + NVME_REG_BPRSEL);
	ck_assert_int_eq(udrv_driver_probe(&nvme_driver, dev), 0);
	take_nvme();
	ck_assert(!nvme_boot_is_read(nvme));
	udrv__model_nvme_heal(dev);
	ck_assert_int_eq(udrv_nvme_boot_read(nvme, 0, back, 4096, 0), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nvme_boot");
	TCase *tc = tcase_create("boot");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, is_written_read_back_and_activated);
	tcase_add_test(tc, a_part_is_read);
	tcase_add_test(tc, threads_read_one_after_the_other);
	tcase_add_test(tc, what_cannot_be_read_is_said);
	tcase_add_test(tc, a_size_that_is_not_true);
	tcase_add_test(tc, a_controller_without_boot_partitions);
	tcase_add_test(tc, what_cannot_be_written_is_said);
	tcase_add_test(tc, wrong_arguments_are_refused_with_one_line);
	tcase_add_test(tc, not_in_callbacks);
	tcase_add_test(tc, a_reset_ends_it);
	tcase_add_test(tc, a_device_that_goes_away_ends_it);
	tcase_add_test(tc, another_ones_is_not_disturbed);
	tcase_add_test(tc, one_that_was_begun_before_is_ended_when_it_is_attached);
	suite_add_tcase(s, tc);
	tc = tcase_create("endless");
	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, one_that_does_not_end_is_ended, 0, 2);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

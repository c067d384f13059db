// SPDX-License-Identifier: MIT
/* Namespaces of an NVMe controller that are made, deleted, attached and detached by its driver. */
#include <errno.h>

#include <udrv/completion.h>
#include <udrv/pci.h>

#include "nvme_calls.h"
#include "nvme_pages.h"
#include "support/suite.h"

static struct udrv_nvme *nvme;

static void setup(void)
{
	open_device("model:nvme");
	nvme = ((struct nvme_driver *)udrv_pci_get_drvdata(dev))->nvme;
}

START_TEST(is_made_attached_used_detached_and_deleted)
{
	unsigned char block[4096];

	works("create-ns --nsze 2048 --ncap 2048 --block-size 4096");
	ck_assert_str_eq(out, "create-ns: Success, created nsid:3\n");
	works("list-ns");
	ck_assert_ptr_null(strstr(out, ":0x3\n"));
	works("list-ns -a");
	says(":0x3\n");
	ck_assert_ptr_null(udrv_nvme_ns(nvme, 3));
	works("attach-ns -n 3 -c 1");
	ck_assert_str_eq(out, "attach-ns: Success, nsid:3\n");
	ck_assert_ptr_nonnull(udrv_nvme_ns(nvme, 3));
	memset(block, 0x5a, sizeof(block));
	data_put(block, sizeof(block));
	ck_assert_int_eq(run("write -n 3 -s 2047 -c 0"), 0);
	works("detach-ns -n 3");
	ck_assert_str_eq(out, "detach-ns: Success, nsid:3\n");
	ck_assert_ptr_null(udrv_nvme_ns(nvme, 3));
	fails("read -n 3 -s 0", -ENXIO, "there is no namespace 3");
	/* This controller is the default; the data is still there. */
	works("attach-ns -n 3");
	data_clear();
	ck_assert_int_eq(run("read -n 3 -s 2047"), 0);
	ck_assert_uint_eq(data_get(block, sizeof(block)), sizeof(block));
	ck_assert_uint_eq(block[0], 0x5a);
	fails("delete-ns -n 3", -EPERM, "namespace 0x3 and its data will be lost: say --force");
	works("delete-ns -n 3 --force");
	ck_assert_str_eq(out, "delete-ns: Success, deleted nsid:3\n");
	ck_assert_ptr_null(udrv_nvme_ns(nvme, 3));
}
END_TEST

START_TEST(controllers_are_listed)
{
	works("list-ctrl");
	ck_assert_str_eq(out, "num of ctrls present: 1\n[   0]:0x1\n");
	works("list-ctrl -n 1");
	says("[   0]:0x1\n");
	works("list-ctrl --cntid 2");
	ck_assert_str_eq(out, "num of ctrls present: 0\n");
	works("list-ctrl --json");
	says("{\n  \"num_ctrl\":1,\n  \"ctrl_list\":[\n    {\n      \"ctrl_id\":1\n    }");
	works("list-ctrl -o binary");
	fails("list-ctrl -n 99", -ENODEV, "invalid namespace");
}
END_TEST

START_TEST(a_count_that_is_a_lie_is_no_overrun)
{
	static const struct nvme_ctrl_list lie = {.count = UINT16_MAX};
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	json_object *o = nvme_json_ctrl_list(&lie);

	nvme_print_ctrl_list(f, &lie);
	(void)fclose(f);
	ck_assert_ptr_nonnull(strstr(text, "[2046]:0"));
	ck_assert_ptr_null(strstr(text, "[2047]:0"));
	ck_assert_uint_eq(json_object_array_length(json_object_object_get(o, "ctrl_list")), 2047);
	json_object_put(o);
	free(text);
}
END_TEST

START_TEST(what_is_wrong_is_named)
{
	fails("create-ns -s 100", -EINVAL, "give --flbas or --block-size");
	fails("create-ns -s 100 -f 0 -b 512", -EINVAL, "give --flbas or --block-size");
	fails("create-ns -f 0", -EINVAL, "how large? Give --nsze in blocks");
	fails("create-ns -s 100 -b 1024", -EINVAL, "no format has blocks of 1024 bytes");
	fails("create-ns -s 100 -c 99 -f 0", -EOPNOTSUPP, "thin provisioning");
	fails("create-ns -s 1P -f 0", -ENOSPC, "namespace insufficient capacity");
	fails("create-ns -s 100 -f 5", -EINVAL, "invalid format");
	fails("delete-ns --force", -EINVAL, "which? Name it by --namespace-id");
	fails("delete-ns -n 9 --force", -EINVAL, "invalid field");
	fails("attach-ns -n 1", -EEXIST, "namespace already attached");
	fails("attach-ns", -EINVAL, "which? Name it by --namespace-id");
	fails("attach-ns -n 1 -c 1,", -EINVAL, "'1,' is no list of controllers");
	fails("attach-ns -n 1 -c 65536", -EINVAL, "is no list of controllers");
	fails("attach-ns -n 1 -c -1", -EINVAL, "is no list of controllers");
	fails("attach-ns -n 1 -c 1,2", -EINVAL, "controller list invalid");
	works("create-ns -s 8 -f 0");
	fails("detach-ns -n 3", -ENOENT, "namespace not attached");
}
END_TEST

START_TEST(detaching_is_refused_while_there_is_an_export)
{
	struct udrv_nvme_queue *q;

	ck_assert_int_eq(udrv_nvme_queue_create(nvme, NULL, &q), 0);
	fails("detach-ns -n 2", -EBUSY, "an export has I/O queues");
	works("detach-ns -n 2 --force");
	udrv_nvme_queue_destroy(q);
	works("attach-ns -n 2");
	works("detach-ns -n 2");
}
END_TEST

START_TEST(all_are_deleted)
{
	works("delete-ns -n 0xffffffff --force");
	ck_assert_ptr_null(udrv_nvme_ns_next(nvme, 0));
	works("list-ns -a");
	ck_assert_str_eq(out, "");
}
END_TEST

static struct udrv_completion changed;

static void on_event(void *ctx, enum udrv_nvme_event event, uint32_t arg)
{
	(void)ctx;
	(void)arg;
	if (event == UDRV_NVME_EVENT_NS_CHANGED)
		udrv_complete_all(&changed);
}

START_TEST(it_is_told_though_the_controller_says_nothing)
{
	const uint16_t id = 1;

	/* It tells of nothing. */
	ck_assert_int_eq(udrv_nvme_set_feature(nvme, NVME_FEAT_ASYNC_EVENT, 0, 0, false, NULL), 0);
	udrv_init_completion(NULL, &changed);
	udrv_nvme_on_event(nvme, on_event, NULL);
	ck_assert_int_eq(udrv_nvme_ns_attach(nvme, 2, &id, 1, false), 0);
	ck_assert_int_gt(udrv_wait_for_completion_timeout(&changed, 60 * UDRV_HZ), 0);
	udrv_nvme_on_event(nvme, NULL, NULL);
}
END_TEST

START_TEST(arguments_are_checked)
{
	const uint16_t id = 1;

	ck_assert_int_eq(udrv_nvme_ns_attach(nvme, 1, &id, 0, true), -EINVAL);
	ck_assert_int_eq(udrv_nvme_ns_attach(nvme, 1, &id, 2048, true), -EINVAL);
	ck_assert_int_eq(
		udrv__model_nvme_say(dev, NVME_CNS_CTRL, offsetof(struct nvme_id_ctrl, oacs), 2, 0),
		0);
	works("reset");
	fails("create-ns -s 8 -f 0", -EOPNOTSUPP, "create-ns: ");
	fails("delete-ns -n 1 --force", -EOPNOTSUPP, "delete-ns: ");
	fails("attach-ns -n 1", -EOPNOTSUPP, "attach-ns: ");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nvme_nsadmin");
	TCase *tc = tcase_create("namespaces");

	tcase_add_checked_fixture(tc, setup, close_device);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, is_made_attached_used_detached_and_deleted);
	tcase_add_test(tc, controllers_are_listed);
	tcase_add_test(tc, a_count_that_is_a_lie_is_no_overrun);
	tcase_add_test(tc, what_is_wrong_is_named);
	tcase_add_test(tc, detaching_is_refused_while_there_is_an_export);
	tcase_add_test(tc, all_are_deleted);
	tcase_add_test(tc, it_is_told_though_the_controller_says_nothing);
	tcase_add_test(tc, arguments_are_checked);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

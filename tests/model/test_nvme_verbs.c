// SPDX-License-Identifier: MIT
/* The NVMe driver's verbs on the software controller. */
#include <errno.h>

#include "nvme_calls.h"
#include "support/suite.h"

static void setup(void)
{
	open_device("model:nvme");
}

START_TEST(id_ctrl_shows_the_controller)
{
	works("id-ctrl");
	says("NVME Identify Controller:\nvid       : 0x");
	says("mn        : udrv software NVMe controller");
	says("ver       : 0x10400\n");
	works("id-ctrl --json");
	says("\"mn\":\"udrv software NVMe controller");
	works("id-ctrl -o binary");
	works("id-ctrl --output-format=json");
	says("\"subnqn\":\"nqn.2026-11.org.udrv:model:nvme\",");
}
END_TEST

START_TEST(id_ns_takes_the_first_namespace_unless_told)
{
	works("id-ns");
	says("NVME Identify Namespace 1:\nnsze    : 0x");
	says("lbaf  0 : ms:0   lbads:9  rp:");
	works("id-ns -n 1 --json");
	says("\"lbafs\":[\n    {\n      \"ms\":0,\n      \"ds\":9,");
	fails("id-ns -n 99", -ENODEV, "id-ns: NVMe status: invalid namespace or format (0x");
	ck_assert_ptr_nonnull(strstr(err, "name a namespace of list-ns by --namespace-id"));
}
END_TEST

START_TEST(namespaces_are_listed)
{
	works("list-ns");
	says("[   0]:0x1\n");
	works("list-ns --json");
	says("{\n  \"nsid_list\":[\n    {\n      \"nsid\":1\n    }");
	works("list-ns -n 17");
	ck_assert_str_eq(out, "");
	works("list-ns -a");
	says("[   0]:0x1\n");
	works("list");
	says("\nmodel:nvmen1 ");
	works("list --json");
	says("{\n  \"Devices\":[\n    {\n      \"NameSpace\":1,\n      \"DevicePath\":\"model:nvmen1\",");
}
END_TEST

START_TEST(logs_are_shown)
{
	udrv__model_nvme_set_temperature(dev, 300);
	works("smart-log");
	says("temperature                             : 27\u00b0C (300 Kelvin)\n");
	works("smart-log --json");
	says("\"temperature\":300,");
	works("fw-log");
	says("Firmware Log for device:model:nvme\nafi  : 0x1\nfrs1 : 0x");
	works("fw-log --json");
	says("{\n  \"model:nvme\":{\n    \"Active Firmware Slot (afi)\":1,");
	works("error-log");
	says("Error Log Entries for device:model:nvme entries:");
	works("error-log -e 1 --json");
	says("{\n  \"errors\":[\n    {\n      \"error_count\":");
}
END_TEST

START_TEST(an_error_is_in_the_log)
{
	fails("get-feature -f 0xf0", -EINVAL, "get-feature: NVMe status: invalid field in command");
	works("error-log -e 1");
	/* More, as it is in the log, and Do Not Retry. */
	says("status_field    : 0x6002(invalid field in command)\n");
}
END_TEST

START_TEST(features_are_read_and_changed)
{
	works("set-feature -f 4 -v 0x150");
	ck_assert_str_eq(out, "set-feature:0x04 (Temperature Threshold), value:0x00000150, "
			      "cdw12:00000000, save:0\n");
	works("get-feature -f 4 -H");
	says("get-feature:0x04 (Temperature Threshold), Current value:0x00000150\n");
	says("(TMPTH): 63\u00b0C (336 Kelvin)\n");
	works("get-feature --feature-id=4 --json");
	says("\"value\":336,\n  \"fields\":{\n    \"THSEL\":0,");
	ck_assert_int_eq(run("get-feature"), 0);
	says("get-feature:0x01 (Arbitration)");
	says("get-feature:0x04 (Temperature Threshold)");
	ck_assert_int_eq(run("get-feature --json"), 0);
	says("\"name\":\"Temperature Threshold\"");
}
END_TEST

START_TEST(a_feature_with_data)
{
	works("set-feature -f 14 -v 0x123456789");
	says("0000: 89 67 45 23 01 00 00 00");
	works("get-feature -f 14 -H");
	says("\tThe timestamp is : 4886");
	data_put("\x01\x02\x03\x04\x05\x06\0", 8);
	works("set-feature -f 14 -v 0 -d file");
	says("0000: 01 02 03 04 05 06 00 00");
	data_put("\x01\x02\x03", 3);
	fails("set-feature -f 14 -v 0", -EINVAL, "8 bytes of data, 3 were given");
	data_put("\x01\x02\x03\x04\x05\x07\0", 8);
	works("set-feature -f 14");
	says("0000: 01 02 03 04 05 07 00 00");
}
END_TEST

START_TEST(a_feature_is_not_set_to_what_nobody_said)
{
	works("set-feature -f 4 -v 0x150");
	fails("set-feature -f 4", -EINVAL, "set-feature: which value? Name it by --value\n");
	works("get-feature -f 4");
	says("value:0x00000150\n");
	works("set-feature -f 4 -v 0");
}
END_TEST

/* "  -n, --namespace-id=N   what it is" */
static void check_option(const char *verb, const char *line)
{
	const char *name = strstr(line, "--");
	const char *help = name ? strstr(name, "  ") : NULL;

	ck_assert_msg(name == line + 6 && strlen(line) <= 120, "%s: %s", verb, line);
	ck_assert_msg(help && help[strspn(help, " ")], "%s: %s", verb, line);
}

START_TEST(each_verb_tells_its_options)
{
	unsigned int count = 0;

	for (const struct udrv_verb *v = nvme_driver.verbs; v->name; v++) {
		char name[] = "help", word[] = "--help", *words[] = {name, word, NULL}, *save;
		size_t len;
		FILE *f;

		if (!(v->flags & UDRV_VERB_OPTIONS))
			continue;
		free(out);
		f = open_memstream(&out, &len);
		(void)v->run(NULL, 2, words, f, f);
		ck_assert_int_eq(fclose(f), 0);
		if (!strcmp(v->name, "perf"))
			says("\n  -q, --queue-depth=N            I/Os in flight of a thread; 32\n");
		for (char *line = strtok_r(out, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save), count++)
			check_option(v->name, line);
	}
	ck_assert_uint_gt(count, 60);
}
END_TEST

#define BLOCKS 5000u

START_TEST(what_is_written_is_read)
{
	static unsigned char bytes[BLOCKS * 512], back[BLOCKS * 512 + 1];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 7 + (i >> 9));
	data_put(bytes, sizeof(bytes));
	ck_assert_int_eq(run("write -s 3 -c 4999 -f -d file"), 0);
	ck_assert_str_eq(err, "write: Success\n");
	data_clear();
	ck_assert_int_eq(run("read -s 3 -c 4999"), 0);
	ck_assert_str_eq(err, "read: Success\n");
	ck_assert_str_eq(out, "");
	ck_assert_uint_eq(data_get(back, sizeof(back)), sizeof(bytes));
	ck_assert_mem_eq(bytes, back, sizeof(bytes));
	works("flush");
	says("NVMe Flush: success\n");
}
END_TEST

START_TEST(sizes_need_not_be_whole_blocks)
{
	unsigned char back[2000], wanted[1024];

	memset(back, 0xee, 1024);
	data_put(back, 1024);
	ck_assert_int_eq(run("write -s 0 -c 1"), 0);
	data_put("0123456789", 10);
	ck_assert_int_eq(run("write -s 0 --data-size 10"), 0);
	data_clear();
	ck_assert_int_eq(run("read -s 0 -z 1024"), 0);
	ck_assert_uint_eq(data_get(back, sizeof(back)), 1024);
	/* The rest of the block that was written is zeros, the next block stays. */
	memset(wanted, 0, 512);
	memset(wanted + 512, 0xee, 512);
	memcpy(wanted, "0123456789", 10);
	ck_assert_mem_eq(back, wanted, 1024);
	data_clear();
	ck_assert_int_eq(run("read -c 2 -z 513"), 0);
	ck_assert_uint_eq(data_get(back, sizeof(back)), 513);
}
END_TEST

START_TEST(data_that_ends_too_early_is_an_error)
{
	data_put("abc", 3);
	fails("write -s 0 -c 1", -ENODATA, "write: the data ended 1021 bytes too early");
}
END_TEST

START_TEST(blocks_that_do_not_exist)
{
	fails("read -s 1T", -EINVAL, "read: namespace 1 has ");
	fails("read -s 18446744073709551615", -EINVAL, "read: namespace 1 has ");
	fails("read -s 0 -c 4294967295", -EINVAL, "read: namespace 1 has ");
	fails("write -n 77 -s 0", -ENXIO, "there is no namespace 77; list-ns shows which");
	fails("read -s 0 -c 0 -z 513", -EINVAL, "--data-size is 513, but 1 blocks have 512 bytes");
}
END_TEST

START_TEST(a_status_is_named_with_advice)
{
	inject(UDRV__MODEL_NVME_ERROR, NVME_READ, NVME_SC_READ_ERROR | NVME_STATUS_DNR);
	fails("read -s 0", -ENODATA,
	      "read: NVMe status: unrecovered read error (0x4281): the medium is bad there; see "
	      "error-log and smart-log");
	inject(UDRV__MODEL_NVME_ERROR, NVME_WRITE, NVME_SC_WRITE_FAULT | NVME_STATUS_DNR);
	data_put("x", 1);
	fails("write -s 0 -z 1", -EIO, "write: NVMe status: write fault (0x4280)");
	inject(UDRV__MODEL_NVME_ERROR, NVME_FLUSH, NVME_SC_INTERNAL | NVME_STATUS_DNR);
	fails("flush", -EIO, "flush: NVMe status: internal error (0x4006)");
	/* And all is well afterwards. */
	data_clear();
	ck_assert_int_eq(run("read -s 0"), 0);
}
END_TEST

START_TEST(format_changes_the_blocks)
{
	unsigned char byte[4096];

	fails("format", -EPERM, "all data of namespace 0x1 will be lost: say --force");
	data_put("x", 1);
	ck_assert_int_eq(run("write -s 0 -z 1"), 0);
	works("format --force --block-size 4096");
	ck_assert_str_eq(out, "Success formatting namespace:1\n");
	works("id-ns");
	says("lbads:12 rp:0 (in use)");
	works("list --json");
	says("\"SectorSize\":4096\n");
	data_clear();
	ck_assert_int_eq(run("read -s 0"), 0);
	ck_assert_uint_eq(data_get(byte, sizeof(byte)), 4096);
	ck_assert_int_eq(byte[0], 0);
	works("format --force -l 0");
	works("id-ns --json");
	says("\"flbas\":0,");
	fails("format --force --block-size 1024", -EINVAL, "no format has blocks of 1024 bytes");
	fails("format --force -l 1 -b 512", -EINVAL, "give --lbaf or --block-size, not both");
	fails("format --force -n 9", -ENXIO, "there is no namespace 9");
	/* One that needs a metadata buffer. */
	works("format --force -l 2");
	fails("read -s 0", -EOPNOTSUPP, "namespace 1 needs a metadata buffer");
	fails("perf", -EINVAL, "needs a metadata buffer");
}
END_TEST

/* 5.15.2.2, FNA bit 1 */
START_TEST(an_erase_that_is_of_all_namespaces_is_said_to_be)
{
	ck_assert_int_eq(
		udrv__model_nvme_say(dev, NVME_CNS_CTRL, offsetof(struct nvme_id_ctrl, fna), 1, 2),
		0);
	works("reset");
	fails("format -s 1", -EPERM,
	      "all data of namespace 0x1, and of all others, which this controller erases with it, "
	      "will be lost: say --force\n");
	fails("format", -EPERM, "all data of namespace 0x1 will be lost: say --force\n");
}
END_TEST

START_TEST(the_number_of_queues_is_the_drivers)
{
	fails("set-feature -f 7 -v 0", -EINVAL,
	      "set-feature: the number of queues is the driver's: start it with queues=\n");
}
END_TEST

START_TEST(reset_resets)
{
	works("reset");
	says("1 resets since the start\n");
	ck_assert_int_eq(run("read -s 0"), 0);
}
END_TEST

START_TEST(wrong_arguments_are_refused_with_one_line)
{
	static const char *const lines[] = {
		"list 1",
		"list --output-format=binary",
		"list-ns -n 0",
		"id-ctrl -n 1",
		"id-ctrl --output-format=xml",
		"id-ns -n",
		"id-ns -n 0x100000000",
		"smart-log --namespace-id=x",
		"error-log -e 0",
		"fw-log -x",
		"get-feature -f 256",
		"get-feature -f 1 -s 4",
		"set-feature",
		"set-feature -f 6",
		"set-feature -f 4 -v 0x100000000",
		"format -l 64",
		"format -s 3",
		"reset now",
		"read 1",
		"read -c 0x100000000",
		"write --data",
		"flush -n -1",
		"perf --rw sideways",
		"perf --completion never",
		"perf --queue-depth 0",
		"perf --queue-depth 65536",
		"perf --queue-depth 65535",
		"perf --threads 0",
		"perf --run-time 0",
		"perf -c 0",
		"perf --threads 65",
		"perf --block-size 0",
		"perf --block-size 100",
		"perf --block-size 1G",
		"perf --rwmix-read 101",
		"perf --output-format=binary",
		"perf --rw randwrite",
		"perf --rw rw",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		ck_assert_msg(run(lines[i]) == -EINVAL, "%s: %s", lines[i], err);
		ck_assert_str_eq(out, "");
		ck_assert_msg(strchr(err, '\n') == err + strlen(err) - 1, "%s", lines[i]);
	}
}
END_TEST

START_TEST(a_device_that_is_gone)
{
	udrv__model_surprise_remove(dev);
	fails("id-ctrl", -ENODEV, "id-ctrl: the device is gone\n");
	fails("smart-log", -ENODEV, "smart-log: the device is gone\n");
	fails("get-feature -f 1", -ENODEV, "get-feature: the device is gone\n");
	ck_assert_int_lt(run("reset"), 0);
	ck_assert_int_lt(run("read -s 0"), 0);
	ck_assert_int_lt(run("flush"), 0);
	ck_assert_int_lt(run("format --force"), 0);
	ck_assert_int_lt(run("perf --io-count 1"), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nvme_verbs");
	TCase *tc = tcase_create("verbs");

	tcase_add_checked_fixture(tc, setup, close_device);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, id_ctrl_shows_the_controller);
	tcase_add_test(tc, id_ns_takes_the_first_namespace_unless_told);
	tcase_add_test(tc, namespaces_are_listed);
	tcase_add_test(tc, logs_are_shown);
	tcase_add_test(tc, an_error_is_in_the_log);
	tcase_add_test(tc, features_are_read_and_changed);
	tcase_add_test(tc, a_feature_with_data);
	tcase_add_test(tc, a_feature_is_not_set_to_what_nobody_said);
	tcase_add_test(tc, each_verb_tells_its_options);
	tcase_add_test(tc, what_is_written_is_read);
	tcase_add_test(tc, sizes_need_not_be_whole_blocks);
	tcase_add_test(tc, data_that_ends_too_early_is_an_error);
	tcase_add_test(tc, blocks_that_do_not_exist);
	tcase_add_test(tc, a_status_is_named_with_advice);
	tcase_add_test(tc, format_changes_the_blocks);
	tcase_add_test(tc, an_erase_that_is_of_all_namespaces_is_said_to_be);
	tcase_add_test(tc, the_number_of_queues_is_the_drivers);
	tcase_add_test(tc, reset_resets);
	tcase_add_test(tc, wrong_arguments_are_refused_with_one_line);
	tcase_add_test(tc, a_device_that_is_gone);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

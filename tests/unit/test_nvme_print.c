// SPDX-License-Identifier: MIT
/* The controller's pages as text and JSON, from fixed bytes. */
#include <string.h>

#include "nvme_fields.h"
#include "nvme_pages.h"
#include "unit/nvme_cli_says.h"

#include "support/suite.h"

static char *text;
static FILE *out;

/* Printing between these two ends up in text. */
static void begin(void)
{
	static size_t len;

	free(text);
	out = open_memstream(&text, &len);
	ck_assert_ptr_nonnull(out);
}

static void end(void)
{
	ck_assert_int_eq(fclose(out), 0);
}

static void teardown(void)
{
	free(text);
	text = NULL;
}

static void says(const char *part)
{
	ck_assert_msg(strstr(text, part), "'%s' is not in:\n%s", part, text);
}

static void does_not_say(const char *part)
{
	ck_assert_msg(!strstr(text, part), "'%s' is in:\n%s", part, text);
}

static void json_is(json_object *o, const char *wanted)
{
	begin();
	nvme_json_print(out, o);
	end();
	ck_assert_str_eq(text, wanted);
}

/* QEMU's. */
static void fill_id_ctrl(struct nvme_id_ctrl *id)
{
	*id = (struct nvme_id_ctrl){
		.vid = 0x1b36,
		.ssvid = 0x1af4,
		.rab = 6,
		.ieee = {0x00, 0x54, 0x52},
		.mdts = 7,
		.ver = 0x10400,
		.oaes = 0x100,
		.ctratt = 0x8000,
		.cntrltype = 1,
		.oacs = 0x10a,
		.acl = 3,
		.aerl = 3,
		.frmw = 3,
		.lpa = 7,
		.wctemp = 343,
		.cctemp = 373,
		.sqes = 0x66,
		.cqes = 0x44,
		.nn = 256,
		.oncs = 0x15d,
		.vwc = 7,
		.ocfs = 3,
		.sgls = 1,
		.subnqn = "nqn.2019-08.org.qemu:lab",
		.psd = {{.max_power = 2500, .entry_lat = 16, .exit_lat = 4}},
	};
	memcpy(id->sn, "lab                 ", sizeof(id->sn));
	memcpy(id->mn, "QEMU NVMe Ctrl                          ", sizeof(id->mn));
	memcpy(id->fr, "7.2.22  ", sizeof(id->fr));
}

static void fill_id_ns(struct nvme_id_ns *id)
{
	static const uint16_t metadata[] = {0, 8, 16, 64};

	*id = (struct nvme_id_ns){
		.nsze = 131072,
		.ncap = 131072,
		.nuse = 131072,
		.nsfeat = 0x14,
		.nlbaf = 7,
		.mc = 3,
		.dpc = 0x1f,
		.dlfeat = 1,
		.npdg = 7,
		.npda = 7,
	};
	for (unsigned int i = 0; i < 8; i++)
		id->lbaf[i] = (struct nvme_lbaf){.ms = metadata[i % 4], .lbads = i < 4 ? 9 : 12};
}

START_TEST(id_ctrl_is_what_nvme_cli_says)
{
	struct nvme_id_ctrl id;

	fill_id_ctrl(&id);
	json_is(nvme_json_id_ctrl(&id), id_ctrl_json);
	begin();
	nvme_print_id_ctrl(out, &id);
	end();
	ck_assert_str_eq(text, id_ctrl_text);
}
END_TEST

START_TEST(id_ns_is_what_nvme_cli_says)
{
	struct nvme_id_ns id;

	fill_id_ns(&id);
	json_is(nvme_json_id_ns(&id), id_ns_json);
	begin();
	nvme_print_id_ns(out, 1, &id);
	end();
	ck_assert_str_eq(text, id_ns_text);
}
END_TEST

START_TEST(other_pages_are_what_nvme_cli_says)
{
	uint32_t list[NVME_NS_LIST_ENTRIES] = {1};
	struct nvme_error_entry error = {0};
	struct nvme_smart smart = {
		.temperature = {323 & 0xff, 323 >> 8},
		.data_units_read = {1},
		.host_read_commands = {3},
	};

	json_is(nvme_json_smart(&smart), smart_json);
	json_is(nvme_json_ns_list(list), list_ns_json);
	json_is(nvme_json_errors(&error, 1), errors_json);
}
END_TEST

START_TEST(power_states_have_their_scales)
{
	struct nvme_id_ctrl id;

	fill_id_ctrl(&id);
	id.npss = 2;
	id.psd[1] = (struct nvme_power_state){
		.max_power = 12345,
		.flags = 3,
		.entry_lat = 4294967295u,
		.read_tput = 1,
		.read_lat = 2,
		.write_tput = 3,
		.write_lat = 4,
		.idle_power = 301,
		.idle_scale = 1 << 6,
		.active_power = 905,
		.active_work_scale = 2 << 6 | 1,
	};
	id.psd[2] = (struct nvme_power_state){.idle_scale = 3 << 6, .active_work_scale = 7};
	begin();
	nvme_print_id_ctrl(out, &id);
	end();
	says("ps      1 : mp:1.2345W non-operational enlat:4294967295 exlat:0 rrt:1 rrl:2\n"
	     "            rwt:3 rwl:4 idle_power:0.0301W active_power:9.05W\n"
	     "            active_power_workload:1MiB 32 RW, 30s idle\n");
	says("ps      2 : mp:0.00W operational enlat:0 exlat:0 rrt:0 rrl:0\n"
	     "            rwt:0 rwl:0 idle_power:reserved active_power:-\n"
	     "            active_power_workload:reserved\n");
	begin();
	nvme_json_print(out, nvme_json_id_ctrl(&id));
	end();
	says("\"entry_lat\":4294967295,");
	says("\"idle_scale\":1,\n      \"active_power\":905,\n      \"active_power_work\":1,\n"
	     "      \"active_scale\":2\n");
}
END_TEST

START_TEST(nonsense_of_a_controller_is_cut)
{
	struct nvme_id_ctrl ctrl;
	struct nvme_id_ns ns;

	memset(&ctrl, 0xff, sizeof(ctrl));
	memset(&ns, 0xff, sizeof(ns));
	begin();
	nvme_print_id_ctrl(out, &ctrl);
	nvme_json_print(out, nvme_json_id_ctrl(&ctrl));
	nvme_print_id_ns(out, UINT32_MAX, &ns);
	nvme_json_print(out, nvme_json_id_ns(&ns));
	nvme_print_list_ns(out, "model:nvme", &ctrl, 1, &ns);
	nvme_json_print(out, nvme_json_list_ns("model:nvme", &ctrl, 1, &ns));
	end();
	says("sn        : ....................\n");
	says("tnvmcap   : 340282366920938463463374607431768211455\n");
	says("\"tnvmcap\":\"340282366920938463463374607431768211455\"");
	says("ps     31 : ");
	does_not_say("ps     32 : ");
	says("lbaf 63 : ms:65535 lbads:255 rp:0xff (in use)\n");
	does_not_say("lbaf 64 : ");
	says("\"nsze\":18446744073709551615,");
	says("\"nn\":4294967295,");
	says("\"SectorSize\":0\n");
}
END_TEST

START_TEST(texts_end_at_a_nul_and_an_empty_nqn_is_left_out_of_json)
{
	struct nvme_id_ctrl id;

	fill_id_ctrl(&id);
	memset(id.sn, 0, sizeof(id.sn));
	memcpy(id.sn, "a\"\x01\x80", 4);
	memset(id.subnqn, 0, sizeof(id.subnqn));
	begin();
	nvme_print_id_ctrl(out, &id);
	nvme_json_print(out, nvme_json_id_ctrl(&id));
	end();
	says("sn        : a\"..\n");
	says("\"sn\":\"a\\\"..\",");
	says("subnqn    : \n");
	does_not_say("\"subnqn\"");
}
END_TEST

START_TEST(preferred_sizes_are_shown_if_they_are_defined)
{
	struct nvme_id_ns id;

	fill_id_ns(&id);
	id.nsfeat = 0;
	id.nulbaf = 2;
	id.flbas = 9 & 0xf;
	for (unsigned int i = 0; i < 16; i++)
		id.nguid[i] = (uint8_t)(i + 0xa0);
	id.eui64[7] = 1;
	begin();
	nvme_print_id_ns(out, 3, &id);
	nvme_json_print(out, nvme_json_id_ns(&id));
	end();
	does_not_say("npwg");
	says("NVME Identify Namespace 3:\n");
	says("nguid   : a0a1a2a3a4a5a6a7a8a9aaabacadaeaf\n");
	says("\"eui64\":\"0000000000000001\",\n  \"nguid\":\"a0a1");
	says("lbaf  9 : ms:0   lbads:0  rp:0 (in use)\n");
	does_not_say("lbaf 10");
}
END_TEST

START_TEST(smart_log_in_units)
{
	struct nvme_smart log = {
		.critical_warning = 0x1f,
		.temperature = {0x11, 0x01},
		.avail_spare = 100,
		.spare_thresh = 10,
		.percent_used = 3,
		.data_units_written = {0x40, 0x42, 0x0f},
		.temp_sensor = {0, 310, 0, 0, 0, 0, 0, 65535},
		.warning_temp_time = 4000000000u,
	};

	memset(log.power_on_hours, 0xff, 16);
	begin();
	nvme_print_smart(out, "0000:00:05.0", 0xffffffff, &log);
	end();
	says("Smart Log for NVME device:0000:00:05.0 namespace-id:ffffffff\n"
	     "critical_warning                        : 0x1f\n"
	     "temperature                             : 0\u00b0C (273 Kelvin)\n"
	     "available_spare                         : 100%\n"
	     "available_spare_threshold               : 10%\n"
	     "percentage_used                         : 3%\n"
	     "endurance group critical warning summary: 0\n"
	     "Data Units Read                         : 0 (0.00 B)\n"
	     "Data Units Written                      : 1000000 (512.00 GB)\n");
	says("power_on_hours                          : 340282366920938463463374607431768211455\n");
	says("Warning Temperature Time                : 4000000000\n");
	says("Temperature Sensor 2                    : 37\u00b0C (310 Kelvin)\n");
	does_not_say("Temperature Sensor 1");
	says("Temperature Sensor 8                    : 65262\u00b0C (65535 Kelvin)\n");
	begin();
	nvme_json_print(out, nvme_json_smart(&log));
	end();
	says("\"temperature_sensor_2\":310,\n  \"temperature_sensor_8\":65535,");
	says("\"data_units_written\":\"1000000\"");
	says("\"warning_temp_time\":4000000000,");
}
END_TEST

START_TEST(an_error_has_its_status_named)
{
	struct nvme_error_entry e = {
		.error_count = 5,
		.sqid = 1,
		.cmdid = 0x10,
		.status_field = 0x4080 << 1 | 1,
		.parm_error_location = 0x28,
		.lba = 0x20000,
		.nsid = 0xffffffff,
		.vs = 2,
		.trtype = 3,
		.cs = 7,
		.trtype_spec_info = 0xabc,
	};

	begin();
	nvme_print_errors(out, "model:nvme", &e, 1);
	end();
	ck_assert_str_eq(text, "Error Log Entries for device:model:nvme entries:1\n"
			       ".................\n"
			       " Entry[ 0]\n"
			       ".................\n"
			       "error_count     : 5\n"
			       "sqid            : 1\n"
			       "cmdid           : 0x10\n"
			       "status_field    : 0x4080(LBA out of range)\n"
			       "phase_tag       : 0x1\n"
			       "parm_err_loc    : 0x28\n"
			       "lba             : 0x20000\n"
			       "nsid            : 0xffffffff\n"
			       "vs              : 2\n"
			       "trtype          : TCP\n"
			       "cs              : 0x7\n"
			       "trtype_spec_info: 0xabc\n"
			       ".................\n");
	json_is(nvme_json_errors(&e, 1),
		"{\n  \"errors\":[\n    {\n      \"error_count\":5,\n      \"sqid\":1,\n"
		"      \"cmdid\":16,\n      \"status_field\":16512,\n      \"phase_tag\":1,\n"
		"      \"parm_error_location\":40,\n      \"lba\":131072,\n"
		"      \"nsid\":4294967295,\n      \"vs\":2,\n      \"trtype\":3,\n"
		"      \"cs\":7,\n      \"trtype_spec_info\":2748\n    }\n  ]\n}\n");
}
END_TEST

START_TEST(firmware_slots_that_are_in_use)
{
	struct nvme_firmware_slots log = {.afi = 0x21};

	memcpy(log.frs[0], "1.0     ", 8);
	memcpy(log.frs[6], "abc\0\0\0\0\0", 8);
	begin();
	nvme_print_firmware(out, "0000:00:05.0", &log);
	end();
	ck_assert_str_eq(text, "Firmware Log for device:0000:00:05.0\n"
			       "afi  : 0x21\n"
			       "frs1 : 0x2020202020302e31 (1.0.....)\n"
			       "frs7 : 0x00000000636261 (abc.....)\n");
	json_is(nvme_json_firmware("0000:00:05.0", &log),
		"{\n  \"0000:00:05.0\":{\n    \"Active Firmware Slot (afi)\":33,\n"
		"    \"Firmware Rev Slot 1\":\"2314885530819505713 (1.0.....)\",\n"
		"    \"Firmware Rev Slot 7\":\"6513249 (abc.....)\"\n  }\n}\n");
}
END_TEST

START_TEST(list_shows_size_and_format)
{
	struct nvme_id_ctrl ctrl;
	struct nvme_id_ns ns;

	fill_id_ctrl(&ctrl);
	fill_id_ns(&ns);
	begin();
	nvme_print_list_head(out);
	nvme_print_list_ns(out, "0000:00:05.0", &ctrl, 1, &ns);
	ns.flbas = 5;
	nvme_print_list_ns(out, "0000:00:05.0", &ctrl, 2, &ns);
	end();
	says("\n0000:00:05.0n1        lab                  QEMU NVMe Ctrl                       "
	     "    1          67.11  MB /  67.11  MB    512   B +  0 B   7.2.22  \n");
	says("\n0000:00:05.0n2 ");
	says("536.87  MB / 536.87  MB      4 KiB +  8 B   7.2.22  \n");
	json_is(nvme_json_list_ns("0000:00:05.0", &ctrl, 2, &ns),
		"{\n  \"NameSpace\":2,\n  \"DevicePath\":\"0000:00:05.0n2\",\n"
		"  \"Firmware\":\"7.2.22\",\n  \"ModelNumber\":\"QEMU NVMe Ctrl\",\n"
		"  \"SerialNumber\":\"lab\",\n  \"UsedBytes\":536870912,\n"
		"  \"MaximumLBA\":131072,\n  \"PhysicalSize\":536870912,\n"
		"  \"SectorSize\":4096\n}\n");
}
END_TEST

static void print_feature(unsigned int id, unsigned int select, uint32_t value, const void *data,
			  size_t len, bool human)
{
	const struct nvme_feature_value f = {
		.id = id, .select = select, .value = value, .data = data, .len = len};

	begin();
	nvme_print_feature(out, &f, human);
	end();
}

START_TEST(features_as_nvme_cli_shows_them)
{
	static const uint8_t stamp[8] = {0x73, 0x64, 0x06, 0x16, 0xa2, 0x01, 0x02, 0};

	print_feature(1, 0, 7, NULL, 0, true);
	ck_assert_str_eq(text, "get-feature:0x01 (Arbitration), Current value:0x00000007\n"
			       "\tHigh Priority Weight   (HPW): 1\n"
			       "\tMedium Priority Weight (MPW): 1\n"
			       "\tLow Priority Weight    (LPW): 1\n"
			       "\tArbitration Burst       (AB): No limit\n");
	print_feature(4, 1, 343, NULL, 0, true);
	ck_assert_str_eq(text,
			 "get-feature:0x04 (Temperature Threshold), Default value:0x00000157\n"
			 "\tThreshold Type Select         (THSEL): 0 - Over Temperature Threshold\n"
			 "\tThreshold Temperature Select (TMPSEL): 0 - Composite Temperature\n"
			 "\tTemperature Threshold         (TMPTH): 70\u00b0C (343 Kelvin)\n");
	print_feature(2, 0, 0, NULL, 0, true);
	ck_assert_str_eq(text, "get-feature:0x02 (Power Management), Current value:00000000\n"
			       "\tWorkload Hint (WH): 0 - No Workload\n"
			       "\tPower State   (PS): 0\n");
	print_feature(7, 0, 0x003f003f, NULL, 0, true);
	ck_assert_str_eq(text, "get-feature:0x07 (Number of Queues), Current value:0x003f003f\n"
			       "\tNumber of IO Completion Queues Allocated (NCQA): 64\n"
			       "\tNumber of IO Submission Queues Allocated (NSQA): 64\n");
	print_feature(9, 0, 0x10000, NULL, 0, true);
	says("\tCoalescing Disable (CD): True\n\tInterrupt Vector   (IV): 0\n");
	print_feature(4, 3, 4, NULL, 0, true);
	ck_assert_str_eq(text, "get-feature:0x04 (Temperature Threshold), Supported capabilities "
			       "value:0x00000004\n  Feature is changeable\n");
	print_feature(14, 0, 0, stamp, 8, false);
	ck_assert_str_eq(text,
			 "get-feature:0x0e (Timestamp), Current value:00000000\n"
			 "       0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f\n"
			 "0000: 73 64 06 16 a2 01 02 00                         \"sd......\"\n");
	print_feature(14, 0, 0, stamp, 8, true);
	says("\tThe timestamp is : 1795665847411 (2026-11-26 04:04:07 UTC)\n");
	print_feature(0xc5, 2, 1, NULL, 0, true);
	ck_assert_str_eq(text, "get-feature:0xc5 (Unknown), Saved value:0x00000001\n");
}
END_TEST

START_TEST(every_feature_with_all_ones_is_shown)
{
	static uint8_t data[4096];

	memset(data, 0xff, sizeof(data));
	for (unsigned int id = 0; id < 256; id++) {
		size_t len = nvme_feature_len(id, UINT32_MAX);
		const struct nvme_feature_value f = {
			.id = id, .value = UINT32_MAX, .data = len ? data : NULL, .len = len};

		ck_assert_uint_le(len, sizeof(data));
		print_feature(id, 0, UINT32_MAX, f.data, len, true);
		says("value:0xffffffff\n");
		begin();
		nvme_json_print(out, nvme_json_feature(&f));
		end();
		says("\"value\":4294967295");
	}
	ck_assert_uint_eq(nvme_feature_len(0x81, 0), 8);
	ck_assert_uint_eq(nvme_feature_len(0x81, 1), 16);
}
END_TEST

START_TEST(a_feature_as_json)
{
	static const uint8_t data[] = {0x01, 0xfe};
	const struct nvme_feature_value f = {.id = 6, .value = 1};
	const struct nvme_feature_value with_data = {.id = 0xc0, .data = data, .len = 2};
	const struct nvme_feature_value supported = {.id = 6, .select = 3, .value = 5};

	json_is(nvme_json_feature(&f),
		"{\n  \"feature\":6,\n  \"name\":\"Volatile Write Cache\",\n"
		"  \"select\":\"Current\",\n  \"value\":1,\n  \"fields\":{\n    \"WCE\":1\n  }\n}\n");
	json_is(nvme_json_feature(&with_data),
		"{\n  \"feature\":192,\n  \"name\":\"Unknown\",\n  \"select\":\"Current\",\n"
		"  \"value\":0,\n  \"data\":\"01fe\"\n}\n");
	json_is(nvme_json_feature(&supported),
		"{\n  \"feature\":6,\n  \"name\":\"Volatile Write Cache\",\n"
		"  \"select\":\"Supported capabilities\",\n  \"value\":5,\n  \"fields\":{\n"
		"    \"saveable\":1,\n    \"per_namespace\":0,\n    \"changeable\":1\n  }\n}\n");
}
END_TEST

START_TEST(a_dump_of_any_length)
{
	uint8_t data[33];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i + 'A');
	begin();
	nvme_dump(out, data, sizeof(data));
	end();
	says("0010: 51 52 53 54 55 56 57 58 59 5a 5b 5c 5d 5e 5f 60 \"QRSTUVWXYZ[\\]^_`\"\n"
	     "0020: 61                                              \"a\"\n");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nvme_print");
	TCase *tc = tcase_create("pages");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, id_ctrl_is_what_nvme_cli_says);
	tcase_add_test(tc, id_ns_is_what_nvme_cli_says);
	tcase_add_test(tc, other_pages_are_what_nvme_cli_says);
	tcase_add_test(tc, power_states_have_their_scales);
	tcase_add_test(tc, nonsense_of_a_controller_is_cut);
	tcase_add_test(tc, texts_end_at_a_nul_and_an_empty_nqn_is_left_out_of_json);
	tcase_add_test(tc, preferred_sizes_are_shown_if_they_are_defined);
	tcase_add_test(tc, smart_log_in_units);
	tcase_add_test(tc, an_error_has_its_status_named);
	tcase_add_test(tc, firmware_slots_that_are_in_use);
	tcase_add_test(tc, list_shows_size_and_format);
	tcase_add_test(tc, features_as_nvme_cli_shows_them);
	tcase_add_test(tc, every_feature_with_all_ones_is_shown);
	tcase_add_test(tc, a_feature_as_json);
	tcase_add_test(tc, a_dump_of_any_length);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

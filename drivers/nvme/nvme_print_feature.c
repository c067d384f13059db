// SPDX-License-Identifier: MIT
/* The values of features, and their fields. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "nvme_fields.h"
#include "nvme_pages.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* How a field is shown. */
enum shown {
	PLAIN,
	PLUS_1,
	POWER_OF_2,
	ENABLED,
	TRUE_FALSE,
	SEND,
	KELVINS,
	TIMES_100_MS,
	TIMES_100_US
};

/* 5.21.1.x: the fields of DW0 */
static const struct part {
	uint8_t id, shift, bits;
	enum shown shown;
	const char *label, *acronym;
} parts[] = {
	{0x01, 24, 8, PLUS_1, "High Priority Weight", "HPW"},
	{0x01, 16, 8, PLUS_1, "Medium Priority Weight", "MPW"},
	{0x01, 8, 8, PLUS_1, "Low Priority Weight", "LPW"},
	{0x01, 0, 3, POWER_OF_2, "Arbitration Burst", "AB"},
	{0x02, 5, 3, PLAIN, "Workload Hint", "WH"},
	{0x02, 0, 5, PLAIN, "Power State", "PS"},
	{0x03, 0, 6, PLUS_1, "Number of LBA Ranges", "NUM"},
	{0x04, 20, 2, PLAIN, "Threshold Type Select", "THSEL"},
	{0x04, 16, 4, PLAIN, "Threshold Temperature Select", "TMPSEL"},
	{0x04, 0, 16, KELVINS, "Temperature Threshold", "TMPTH"},
	{0x05, 16, 1, ENABLED, "Deallocated or Unwritten Logical Block Error Enable", "DULBE"},
	{0x05, 0, 16, TIMES_100_MS, "Time Limited Error Recovery", "TLER"},
	{0x06, 0, 1, ENABLED, "Volatile Write Cache Enable", "WCE"},
	{0x07, 16, 16, PLUS_1, "Number of IO Completion Queues Allocated", "NCQA"},
	{0x07, 0, 16, PLUS_1, "Number of IO Submission Queues Allocated", "NSQA"},
	{0x08, 8, 8, TIMES_100_US, "Aggregation Time", "TIME"},
	{0x08, 0, 8, PLUS_1, "Aggregation Threshold", "THR"},
	{0x09, 16, 1, TRUE_FALSE, "Coalescing Disable", "CD"},
	{0x09, 0, 16, PLAIN, "Interrupt Vector", "IV"},
	{0x0a, 0, 1, TRUE_FALSE, "Disable Normal", "DN"},
	{0x0b, 14, 1, SEND, "Endurance Group Event Aggregate Log Change Notices", "EGEALCN"},
	{0x0b, 13, 1, SEND, "LBA Status Information Notices", "LSIN"},
	{0x0b, 12, 1, SEND, "Predictable Latency Event Aggregate Log Change Notices", "PLEALCN"},
	{0x0b, 11, 1, SEND, "Asymmetric Namespace Access Change Notices", "ANACN"},
	{0x0b, 10, 1, SEND, "Telemetry Log Notices", "TLN"},
	{0x0b, 9, 1, SEND, "Firmware Activation Notices", "FAN"},
	{0x0b, 8, 1, SEND, "Namespace Attribute Notices", "NAN"},
	{0x0b, 0, 8, SEND, "SMART / Health Critical Warnings", "SHCW"},
	{0x0c, 0, 1, ENABLED, "Autonomous Power State Transition Enable", "APSTE"},
	{0x0d, 0, 1, ENABLED, "Enable Host Memory", "EHM"},
	{0x0f, 0, 32, PLAIN, "Keep Alive Timeout in milliseconds", "KATO"},
	{0x10, 16, 16, KELVINS, "Thermal Management Temperature 1", "TMT1"},
	{0x10, 0, 16, KELVINS, "Thermal Management Temperature 2", "TMT2"},
	{0x11, 0, 1, TRUE_FALSE, "Non-Operational Power State Permissive Mode Enable", "NOPPME"},
	{0x12, 0, 4, PLAIN, "Read Recovery Level", "RRL"},
	{0x13, 0, 1, TRUE_FALSE, "Predictable Latency Window Enabled", "PLE"},
	{0x14, 0, 3, PLAIN, "Window Select", "WS"},
	{0x15, 16, 16, PLAIN, "LBA Status Information Poll Interval", "LSIPI"},
	{0x15, 0, 16, PLAIN, "LBA Status Information Report Interval", "LSIRI"},
	{0x17, 0, 1, PLAIN, "No-Deallocate Response Mode", "NODRM"},
	{0x18, 0, 16, PLAIN, "Endurance Group Identifier", "ENDGID"},
	{0x18, 16, 8, PLAIN, "Endurance Group Critical Warnings", "EGCW"},
	{0x19, 0, 9, PLAIN, "I/O Command Set Combination Index", "IOCSCI"},
	{0x1a, 0, 1, TRUE_FALSE, "Spinup Control Enable", "SUCE"},
	{0x80, 0, 8, PLAIN, "Pre-boot Software Load Count", "PBSLC"},
	{0x82, 3, 1, TRUE_FALSE, "Mask Reservation Preempted Notification", "RESPRE"},
	{0x82, 2, 1, TRUE_FALSE, "Mask Reservation Released Notification", "RESREL"},
	{0x82, 1, 1, TRUE_FALSE, "Mask Registration Preempted Notification", "REGPRE"},
	{0x83, 0, 1, TRUE_FALSE, "Persist Through Power Loss", "PTPL"},
	{0x84, 0, 3, PLAIN, "Namespace Write Protect", "NWPS"},
};

static uint32_t part_value(const struct part *p, uint32_t value)
{
	return value >> p->shift & (uint32_t)((1ull << p->bits) - 1);
}

/* What a number means; NULL: only itself. */
static const char *meaning(const struct part *p, uint32_t n)
{
	static const char *const workloads[] = {
		"No Workload", "Extended Idle Period with a Burst of Random Writes",
		"Heavy Sequential Writes"};
	static const char *const types[] = {"Over Temperature Threshold",
					    "Under Temperature Threshold"};
	static const char *const protects[] = {"No Write Protect", "Write Protect",
					       "Write Protect Until Power Cycle",
					       "Permanent Write Protect"};
	static const char *const windows[] = {"Reserved", "Deterministic Window",
					      "Non-deterministic Window"};

	if (!strcmp(p->acronym, "WH"))
		return n < COUNT(workloads) ? workloads[n] : "Reserved";
	if (!strcmp(p->acronym, "THSEL"))
		return n < COUNT(types) ? types[n] : "Reserved";
	if (!strcmp(p->acronym, "NWPS"))
		return n < COUNT(protects) ? protects[n] : "Reserved";
	if (!strcmp(p->acronym, "WS"))
		return n < COUNT(windows) ? windows[n] : "Reserved";
	if (!strcmp(p->acronym, "TMPSEL"))
		return n ? n < 9 ? "Temperature Sensor" : "Reserved" : "Composite Temperature";
	return NULL;
}

static void print_part_value(FILE *out, const struct part *p, uint32_t n)
{
	const char *text = meaning(p, n);

	switch (p->shown) {
	case PLUS_1:
		(void)fprintf(out, "%" PRIu32 "\n", n + 1);
		break;
	case POWER_OF_2:
		(void)(n == 7 ? fprintf(out, "No limit\n") : fprintf(out, "%u\n", 1u << n));
		break;
	case ENABLED:
		(void)fprintf(out, "%s\n", n ? "Enabled" : "Disabled");
		break;
	case TRUE_FALSE:
		(void)fprintf(out, "%s\n", n ? "True" : "False");
		break;
	case SEND:
		(void)fprintf(out, "%s\n", n ? "Send async event" : "Do not send async event");
		break;
	case KELVINS:
		(void)fprintf(out, "%d\u00b0C (%" PRIu32 " Kelvin)\n", (int)n - 273, n);
		break;
	case TIMES_100_MS:
		(void)fprintf(out, "%" PRIu32 " ms\n", n * 100);
		break;
	case TIMES_100_US:
		(void)fprintf(out, "%" PRIu32 " usec\n", n * 100);
		break;
	default:
		(void)fprintf(out, text ? "%" PRIu32 " - %s\n" : "%" PRIu32 "\n", n, text);
	}
}

/* Label and acronym of all parts of a feature, the acronyms below each other. */
static int part_width(unsigned int id)
{
	size_t width = 0;

	for (size_t i = 0; i < COUNT(parts); i++) {
		size_t len = strlen(parts[i].label) + strlen(parts[i].acronym) + 3;

		if (parts[i].id == id && len > width)
			width = len;
	}
	return (int)width;
}

static void print_timestamp(FILE *out, const uint8_t *data)
{
	uint64_t ms = nvme_number(data, 6);
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	char text[64] = "-";

	if (gmtime_r(&seconds, &tm))
		(void)strftime(text, sizeof(text), "%F %T UTC", &tm);
	(void)fprintf(out, "\tThe timestamp is : %" PRIu64 " (%s)\n", ms, text);
	(void)fprintf(out, "\tTimestamp Origin : %u, Synch : %u\n", data[6] >> 1 & 7u,
		      data[6] & 1u);
}

#define HOST_BEHAVIOR 0x16 /* 5.21.1.22 */

static void print_fields(FILE *out, const struct nvme_feature_value *f)
{
	int width = part_width(f->id);

	for (size_t i = 0; i < COUNT(parts); i++) {
		const struct part *p = &parts[i];

		if (p->id != f->id)
			continue;
		(void)fprintf(out, "\t%-*s(%s): ", width - (int)strlen(p->acronym) - 2, p->label,
			      p->acronym);
		print_part_value(out, p, part_value(p, f->value));
	}
	if (f->id == NVME_FEAT_TIMESTAMP && f->data && f->len >= 8)
		print_timestamp(out, f->data);
	else if (f->id == HOST_BEHAVIOR && f->data)
		(void)fprintf(out, "\tAdvanced Command Retry Enable (ACRE): %s\n",
			      f->data[0] & 1 ? "True" : "False");
	else if (f->data)
		nvme_dump(out, f->data, f->len);
}

static const char *const selects[] = {"Current", "Default", "Saved", "Supported capabilities"};

void nvme_print_feature(FILE *out, const struct nvme_feature_value *f, bool human)
{
	(void)fprintf(out, "get-feature:%#04x (%s), %s value:%#0*" PRIx32 "\n", f->id,
		      nvme_feature_name(f->id), selects[f->select & 3], f->value ? 10 : 8,
		      f->value);
	/* 5.10.1: what DW0 says of a feature's abilities */
	if (f->select == NVME_FEAT_SUPPORTED)
		(void)fprintf(out, "%s%s%s", f->value & 1 ? "  Feature is saveable\n" : "",
			      f->value & 2 ? "  Feature is per-namespace\n" : "",
			      f->value & 4 ? "  Feature is changeable\n" : "");
	else if (human)
		print_fields(out, f);
	else if (f->data)
		nvme_dump(out, f->data, f->len);
}

static void json_fields(json_object *o, const struct nvme_feature_value *f)
{
	for (size_t i = 0; i < COUNT(parts); i++)
		if (parts[i].id == f->id)
			nvme_json_number(o, parts[i].acronym, part_value(&parts[i], f->value));
}

static void json_data(json_object *o, const struct nvme_feature_value *f)
{
	char text[2 * 4096 + 1];
	size_t len = f->len < 4096 ? f->len : 4096;

	for (size_t i = 0; i < len; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", f->data[i]);
	nvme_json_text(o, "data", text);
}

json_object *nvme_json_feature(const struct nvme_feature_value *f)
{
	json_object *o = json_object_new_object();
	json_object *fields = json_object_new_object();

	nvme_json_number(o, "feature", f->id);
	nvme_json_text(o, "name", nvme_feature_name(f->id));
	nvme_json_text(o, "select", selects[f->select & 3]);
	nvme_json_number(o, "value", f->value);
	if (f->select == NVME_FEAT_SUPPORTED) {
		nvme_json_number(fields, "saveable", f->value & 1u);
		nvme_json_number(fields, "per_namespace", f->value >> 1 & 1u);
		nvme_json_number(fields, "changeable", f->value >> 2 & 1u);
	} else {
		json_fields(fields, f);
	}
	if (json_object_object_length(fields))
		(void)json_object_object_add(o, "fields", fields);
	else
		(void)json_object_put(fields);
	if (f->data && f->len)
		json_data(o, f);
	return o;
}

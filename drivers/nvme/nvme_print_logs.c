// SPDX-License-Identifier: MIT
/* Log pages: SMART, errors, firmware slots. */
#include <inttypes.h>
#include <string.h>

#include "nvme.h"
#include "nvme_fields.h"
#include "nvme_pages.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

#define SMART_WIDTH		    40
#define S(member, key, label, kind) NVME_FIELD_AS(struct nvme_smart, member, key, label, kind)
/* Those whose label is the key. */
#define SAME(member, kind) S(member, #member, #member, kind)
#define SENSOR(i, n)                                                                               \
	S(temp_sensor[i], "temperature_sensor_" n, "Temperature Sensor " n, NVME_SENSOR)

static const struct nvme_field smart_fields[] = {
	SAME(critical_warning, NVME_HEX),
	SAME(temperature, NVME_KELVIN),
	S(avail_spare, "avail_spare", "available_spare", NVME_PERCENT),
	S(spare_thresh, "spare_thresh", "available_spare_threshold", NVME_PERCENT),
	S(percent_used, "percent_used", "percentage_used", NVME_PERCENT),
	S(endu_grp_crit_warn_sumry, "endurance_grp_critical_warning_summary",
	  "endurance group critical warning summary", NVME_HEX),
	S(data_units_read, "data_units_read", "Data Units Read", NVME_UNITS),
	S(data_units_written, "data_units_written", "Data Units Written", NVME_UNITS),
	SAME(host_read_commands, NVME_U128),
	SAME(host_write_commands, NVME_U128),
	SAME(controller_busy_time, NVME_U128),
	SAME(power_cycles, NVME_U128),
	SAME(power_on_hours, NVME_U128),
	SAME(unsafe_shutdowns, NVME_U128),
	SAME(media_errors, NVME_U128),
	SAME(num_err_log_entries, NVME_U128),
	S(warning_temp_time, "warning_temp_time", "Warning Temperature Time", NVME_DEC),
	S(critical_comp_time, "critical_comp_time", "Critical Composite Temperature Time",
	  NVME_DEC),
	SENSOR(0, "1"),
	SENSOR(1, "2"),
	SENSOR(2, "3"),
	SENSOR(3, "4"),
	SENSOR(4, "5"),
	SENSOR(5, "6"),
	SENSOR(6, "7"),
	SENSOR(7, "8"),
	S(thm_temp1_trans_count, "thm_temp1_trans_count", "Thermal Management T1 Trans Count",
	  NVME_DEC),
	S(thm_temp2_trans_count, "thm_temp2_trans_count", "Thermal Management T2 Trans Count",
	  NVME_DEC),
	S(thm_temp1_total_time, "thm_temp1_total_time", "Thermal Management T1 Total Time",
	  NVME_DEC),
	S(thm_temp2_total_time, "thm_temp2_total_time", "Thermal Management T2 Total Time",
	  NVME_DEC),
};

void nvme_print_smart(FILE *out, const char *device, uint32_t nsid, const struct nvme_smart *log)
{
	(void)fprintf(out, "Smart Log for NVME device:%s namespace-id:%" PRIx32 "\n", device, nsid);
	nvme_fields_print(out, log, smart_fields, COUNT(smart_fields), SMART_WIDTH);
}

json_object *nvme_json_smart(const struct nvme_smart *log)
{
	json_object *o = json_object_new_object();

	nvme_fields_json(o, log, smart_fields, COUNT(smart_fields));
	return o;
}

/* NVM Express over Fabrics: transport types of the discovery log; 254: of the same host */
static const char *transport_name(uint8_t trtype)
{
	static const char *const names[] = {"none", "RDMA", "Fibre Channel", "TCP"};

	if (trtype < COUNT(names))
		return names[trtype];
	return trtype == 254 ? "intra-host" : "reserved";
}

#define STATUS(e) ((unsigned int)(e)->status_field >> 1)
#define PHASE(e)  ((e)->status_field & 1u)

static void print_error(FILE *out, unsigned int index, const struct nvme_error_entry *e)
{
	static const char rule[] = ".................\n";

	(void)fprintf(out, " Entry[%2u]\n%s", index, rule);
	(void)fprintf(out, "error_count     : %" PRIu64 "\n", e->error_count);
	(void)fprintf(out, "sqid            : %u\n", e->sqid);
	(void)fprintf(out, "cmdid           : %#x\n", e->cmdid);
	(void)fprintf(out, "status_field    : %#x(%s)\n", STATUS(e),
		      udrv_nvme_status_text(STATUS(e)));
	(void)fprintf(out, "phase_tag       : %#x\n", PHASE(e));
	(void)fprintf(out, "parm_err_loc    : %#x\n", e->parm_error_location);
	(void)fprintf(out, "lba             : %#" PRIx64 "\n", e->lba);
	(void)fprintf(out, "nsid            : %#" PRIx32 "\n", e->nsid);
	(void)fprintf(out, "vs              : %u\n", e->vs);
	(void)fprintf(out, "trtype          : %s\n", transport_name(e->trtype));
	(void)fprintf(out, "cs              : %#" PRIx64 "\n", e->cs);
	(void)fprintf(out, "trtype_spec_info: %#x\n%s", e->trtype_spec_info, rule);
}

void nvme_print_errors(FILE *out, const char *device, const struct nvme_error_entry *entries,
		       unsigned int count)
{
	(void)fprintf(out, "Error Log Entries for device:%s entries:%u\n.................\n",
		      device, count);
	for (unsigned int i = 0; i < count; i++)
		print_error(out, i, &entries[i]);
}

static json_object *json_error(const struct nvme_error_entry *e)
{
	json_object *o = json_object_new_object();

	nvme_json_number(o, "error_count", e->error_count);
	nvme_json_number(o, "sqid", e->sqid);
	nvme_json_number(o, "cmdid", e->cmdid);
	nvme_json_number(o, "status_field", STATUS(e));
	nvme_json_number(o, "phase_tag", PHASE(e));
	nvme_json_number(o, "parm_error_location", e->parm_error_location);
	nvme_json_number(o, "lba", e->lba);
	nvme_json_number(o, "nsid", e->nsid);
	nvme_json_number(o, "vs", e->vs);
	nvme_json_number(o, "trtype", e->trtype);
	nvme_json_number(o, "cs", e->cs);
	nvme_json_number(o, "trtype_spec_info", e->trtype_spec_info);
	return o;
}

json_object *nvme_json_errors(const struct nvme_error_entry *entries, unsigned int count)
{
	json_object *o = json_object_new_object();
	json_object *array = json_object_new_array();

	for (unsigned int i = 0; i < count; i++)
		(void)json_object_array_add(array, json_error(&entries[i]));
	(void)json_object_object_add(o, "errors", array);
	return o;
}

#define SLOTS 7u

/* The revision as text; what is not printable, and spaces, are dots. */
static const char *revision_text(char *text, const char *revision)
{
	for (int i = 0; i < 8; i++)
		text[i] = (char)(revision[i] < '!' || revision[i] > '~' ? '.' : revision[i]);
	text[8] = 0;
	return text;
}

void nvme_print_firmware(FILE *out, const char *device, const struct nvme_firmware_slots *log)
{
	char text[9];

	(void)fprintf(out, "Firmware Log for device:%s\nafi  : %#x\n", device, log->afi);
	for (unsigned int i = 0; i < SLOTS; i++)
		if (log->frs[i][0])
			(void)fprintf(out, "frs%u : %#016" PRIx64 " (%s)\n", i + 1,
				      nvme_number(log->frs[i], 8),
				      revision_text(text, log->frs[i]));
}

json_object *nvme_json_firmware(const char *device, const struct nvme_firmware_slots *log)
{
	json_object *o = json_object_new_object();
	json_object *slots = json_object_new_object();
	char key[32], text[9], value[48];

	nvme_json_number(slots, "Active Firmware Slot (afi)", log->afi);
	for (unsigned int i = 0; i < SLOTS; i++) {
		if (!log->frs[i][0])
			continue;
		(void)snprintf(key, sizeof(key), "Firmware Rev Slot %u", i + 1);
		(void)snprintf(value, sizeof(value), "%" PRIu64 " (%s)",
			       nvme_number(log->frs[i], 8), revision_text(text, log->frs[i]));
		nvme_json_text(slots, key, value);
	}
	(void)json_object_object_add(o, device, slots);
	return o;
}

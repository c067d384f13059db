// SPDX-License-Identifier: MIT
/* The sanitize status log page. */
#include <inttypes.h>

#include "nvme_fields.h"
#include "nvme_pages.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define NOT_TOLD     UINT32_MAX

#define T(member, key, label)                                                                      \
	{                                                                                          \
		key, label, offsetof(struct nvme_sanitize_status, member)                          \
	}

static const struct {
	const char *key, *label;
	size_t offset;
} times[] = {
	T(eto, "time_over_write", "Estimated Time For Overwrite"),
	T(etbe, "time_block_erase", "Estimated Time For Block Erase"),
	T(etce, "time_crypto_erase", "Estimated Time For Crypto Erase"),
	T(etond, "time_over_write_no_dealloc", "Estimated Time For Overwrite (No-Deallocate)"),
	T(etbend, "time_block_erase_no_dealloc", "Estimated Time For Block Erase (No-Deallocate)"),
	T(etcend, "time_crypto_erase_no_dealloc",
	  "Estimated Time For Crypto Erase (No-Deallocate)"),
};

static uint32_t seconds(const struct nvme_sanitize_status *log, size_t i)
{
	return (uint32_t)nvme_number((const char *)log + times[i].offset, sizeof(uint32_t));
}

static const char *state_text(uint16_t sstat)
{
	switch (NVME_SSTAT_STATE(sstat)) {
	case NVME_SSTAT_NEVER:
		return "NVM Subsystem has never been sanitized.";
	case NVME_SSTAT_DONE:
		return "Most Recent Sanitize Command Completed Successfully.";
	case NVME_SSTAT_RUNS:
		return "Sanitize in Progress.";
	case NVME_SSTAT_FAILED:
		return "Most Recent Sanitize Command Failed.";
	case NVME_SSTAT_DONE_NDAS:
		return "Most Recent Sanitize Command (No-Deallocate After Sanitize) Completed "
		       "Successfully.";
	default:
		return "Unknown";
	}
}

static void print_bits(FILE *out, uint16_t sstat)
{
	(void)fprintf(out, "\t[2:0]\t%s\n", state_text(sstat));
	(void)fprintf(out, "\t[7:3]\tpasses of an overwrite that are done:\t%u\n",
		      NVME_SSTAT_PASSES(sstat));
	(void)fprintf(out, "\t  [8]\tGlobal Data Erased: %s\n",
		      NVME_SSTAT_ERASED(sstat) ? "nothing was written since"
					       : "something was written since, or it was never");
}

void nvme_print_sanitize(FILE *out, const struct nvme_sanitize_status *log, bool human)
{
	(void)fprintf(out, "Sanitize Progress                      (SPROG) :  %u", log->sprog);
	if (human && NVME_SSTAT_STATE(log->sstat) == NVME_SSTAT_RUNS)
		(void)fprintf(out, "\t(%f%%)", log->sprog * 100.0 / 0x10000);
	(void)fprintf(out, "\nSanitize Status                        (SSTAT) :  %#x\n",
		      NVME_SSTAT_STATE(log->sstat));
	if (human)
		print_bits(out, log->sstat);
	(void)fprintf(out, "Sanitize Command Dword 10 Information (SCDW10) :  %#" PRIx32 "\n",
		      log->scdw10);
	for (size_t i = 0; i < COUNT(times); i++)
		(void)fprintf(out, "%-47s:  %" PRIu32 "%s\n", times[i].label, seconds(log, i),
			      seconds(log, i) == NOT_TOLD ? " (No time period reported)" : "");
}

json_object *nvme_json_sanitize(const char *device, const struct nvme_sanitize_status *log)
{
	json_object *o = json_object_new_object();
	json_object *page = json_object_new_object();
	json_object *sstat = json_object_new_object();
	char text[128];

	(void)snprintf(text, sizeof(text), "(%u) %s", NVME_SSTAT_STATE(log->sstat),
		       state_text(log->sstat));
	nvme_json_number(page, "sprog", log->sprog);
	nvme_json_number(sstat, "global_erased", NVME_SSTAT_ERASED(log->sstat));
	nvme_json_number(sstat, "no_cmplted_passes", NVME_SSTAT_PASSES(log->sstat));
	nvme_json_text(sstat, "status", text);
	(void)json_object_object_add(page, "sstat", sstat);
	nvme_json_number(page, "cdw10_info", log->scdw10);
	for (size_t i = 0; i < COUNT(times); i++)
		nvme_json_number(page, times[i].key, seconds(log, i));
	(void)json_object_object_add(o, device, page);
	return o;
}

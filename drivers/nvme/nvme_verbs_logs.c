// SPDX-License-Identifier: MIT
/* smart-log, error-log, fw-log */
#include <errno.h>
#include <stdlib.h>

#include <udrv/device.h>

#include "nvme_fields.h"
#include "nvme_pages.h"
#include "nvme_verbs.h"

NVME_VERB(smart_log)
{
	struct nvme_show show = {0};
	uint64_t nsid = NVME_NSID_ALL;
	const struct nvme_arg args[] = {
		NVME_NUMBER('n', "namespace-id", &nsid, NVME_NSID_ALL,
			    "of a namespace; 0xffffffff, the whole controller"),
		NVME_SHOW_ARGS(&show),
	};
	struct nvme_smart log = {0};
	enum nvme_format format;
	int ret = nvme_show_parse(argc, argv, args, NVME_COUNT(args), &show, &format, err);

	if (ret)
		return ret;
	ret = udrv_nvme_get_log(nvme_verb_nvme(dev), NVME_LOG_SMART, (uint32_t)nsid, &log,
				sizeof(log), true);
	if (ret)
		return nvme_verb_failed(ret, argv[0], err);
	if (format == NVME_SHOW_JSON)
		nvme_json_print(out, nvme_json_smart(&log));
	else if (format == NVME_SHOW_BINARY)
		(void)fwrite(&log, 1, sizeof(log), out);
	else
		nvme_print_smart(out, udrv_device_name(dev), (uint32_t)nsid, &log);
	return 0;
}

#define ENTRIES_DEFAULT 64u

NVME_VERB(error_log)
{
	struct nvme_show show = {0};
	uint64_t count = ENTRIES_DEFAULT;
	const struct nvme_arg args[] = {
		NVME_NUMBER('e', "log-entries", &count, UINT32_MAX, "how many, the newest; 64"),
		NVME_SHOW_ARGS(&show),
	};
	struct udrv_nvme *nvme = nvme_verb_nvme(dev);
	struct nvme_error_entry *entries;
	enum nvme_format format;
	uint64_t most;
	int ret = nvme_show_parse(argc, argv, args, NVME_COUNT(args), &show, &format, err);

	if (!ret && !count) {
		(void)fprintf(err, "%s: --log-entries: at least 1\n", argv[0]);
		ret = -EINVAL;
	}
	if (ret)
		return ret;
	/* 5.15.2.2: ELPE is 0's based. */
	most = udrv_nvme_id_ctrl(nvme)->elpe + 1u;
	if (count > most)
		count = most;
	entries = calloc(count, sizeof(*entries));
	ret = entries ? udrv_nvme_get_log(nvme, NVME_LOG_ERROR, NVME_NSID_ALL, entries,
					  count * sizeof(*entries), true)
		      : -ENOMEM;
	if (ret)
		ret = nvme_verb_failed(ret, argv[0], err);
	else if (format == NVME_SHOW_JSON)
		nvme_json_print(out, nvme_json_errors(entries, (unsigned int)count));
	else if (format == NVME_SHOW_BINARY)
		(void)fwrite(entries, sizeof(*entries), count, out);
	else
		nvme_print_errors(out, udrv_device_name(dev), entries, (unsigned int)count);
	free(entries);
	return ret;
}

NVME_VERB(fw_log)
{
	struct nvme_show show = {0};
	const struct nvme_arg args[] = {NVME_SHOW_ARGS(&show)};
	struct nvme_firmware_slots log = {0};
	enum nvme_format format;
	int ret = nvme_show_parse(argc, argv, args, NVME_COUNT(args), &show, &format, err);

	if (ret)
		return ret;
	ret = udrv_nvme_get_log(nvme_verb_nvme(dev), NVME_LOG_FIRMWARE, NVME_NSID_ALL, &log,
				sizeof(log), true);
	if (ret)
		return nvme_verb_failed(ret, argv[0], err);
	if (format == NVME_SHOW_JSON)
		nvme_json_print(out, nvme_json_firmware(udrv_device_name(dev), &log));
	else if (format == NVME_SHOW_BINARY)
		(void)fwrite(&log, 1, sizeof(log), out);
	else
		nvme_print_firmware(out, udrv_device_name(dev), &log);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * What a controller returned, as text and as JSON, with the names, the order and the numbers of
 * nvme-cli 2.3. Where that shows numbers from 2^31 on as negative ones, they are right here.
 */
#ifndef NVME_PAGES_H
#define NVME_PAGES_H

#include <stdbool.h>
#include <stdio.h>

#include <json-c/json.h>

#include "nvme_regs.h"

void nvme_print_id_ctrl(FILE *out, const struct nvme_id_ctrl *id);
json_object *nvme_json_id_ctrl(const struct nvme_id_ctrl *id);

void nvme_print_id_ns(FILE *out, uint32_t nsid, const struct nvme_id_ns *id);
json_object *nvme_json_id_ns(const struct nvme_id_ns *id);

/* device: as it is named to the user */
void nvme_print_smart(FILE *out, const char *device, uint32_t nsid, const struct nvme_smart *log);
json_object *nvme_json_smart(const struct nvme_smart *log);

void nvme_print_errors(FILE *out, const char *device, const struct nvme_error_entry *entries,
		       unsigned int count);
json_object *nvme_json_errors(const struct nvme_error_entry *entries, unsigned int count);

void nvme_print_firmware(FILE *out, const char *device, const struct nvme_firmware_slots *log);
json_object *nvme_json_firmware(const char *device, const struct nvme_firmware_slots *log);

/* human: with the bits of the status */
void nvme_print_sanitize(FILE *out, const struct nvme_sanitize_status *log, bool human);
json_object *nvme_json_sanitize(const char *device, const struct nvme_sanitize_status *log);

/* NVME_NS_LIST_ENTRIES numbers; 0: none */
void nvme_print_ns_list(FILE *out, const uint32_t *list);
json_object *nvme_json_ns_list(const uint32_t *list);

void nvme_print_ctrl_list(FILE *out, const struct nvme_ctrl_list *list);
json_object *nvme_json_ctrl_list(const struct nvme_ctrl_list *list);

/* A line of list. */
void nvme_print_list_head(FILE *out);
void nvme_print_list_ns(FILE *out, const char *device, const struct nvme_id_ctrl *ctrl,
			uint32_t nsid, const struct nvme_id_ns *ns);
json_object *nvme_json_list_ns(const char *device, const struct nvme_id_ctrl *ctrl, uint32_t nsid,
			       const struct nvme_id_ns *ns);

/* A feature that was read: select is NVME_FEAT_*, data may be NULL. human: its fields. */
struct nvme_feature_value {
	unsigned int id, select;
	uint32_t value;
	const uint8_t *data;
	size_t len;
};

const char *nvme_feature_name(unsigned int id);
/* Bytes of data that belong to it; 0: none. */
size_t nvme_feature_len(unsigned int id, uint32_t cdw11);
void nvme_print_feature(FILE *out, const struct nvme_feature_value *f, bool human);
json_object *nvme_json_feature(const struct nvme_feature_value *f);

#endif

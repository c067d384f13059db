// SPDX-License-Identifier: MIT
/* Identify Namespace, and lists of namespaces. */
#include <inttypes.h>
#include <string.h>

#include "nvme_fields.h"
#include "nvme_pages.h"

#define LABEL_WIDTH	8
#define N(member, kind) NVME_FIELD(struct nvme_id_ns, member, #member, kind)
/* Text and JSON have some in different places. */
#define TEXT(member, kind) NVME_FIELD_AS(struct nvme_id_ns, member, NULL, #member, kind)
#define JSON(member, kind) NVME_FIELD_AS(struct nvme_id_ns, member, #member, NULL, kind)

static const struct nvme_field fields[] = {
	N(nsze, NVME_HEX),    N(ncap, NVME_HEX),      N(nuse, NVME_HEX),	N(nsfeat, NVME_HEX),
	N(nlbaf, NVME_DEC),   N(flbas, NVME_HEX),     N(mc, NVME_HEX),		N(dpc, NVME_HEX),
	N(dps, NVME_HEX),     N(nmic, NVME_HEX),      N(rescap, NVME_HEX),	N(fpi, NVME_HEX),
	N(dlfeat, NVME_DEC),  N(nawun, NVME_DEC),     N(nawupf, NVME_DEC),	N(nacwu, NVME_DEC),
	N(nabsn, NVME_DEC),   N(nabo, NVME_DEC),      N(nabspf, NVME_DEC),	N(noiob, NVME_DEC),
	N(nvmcap, NVME_U128), JSON(nsattr, NVME_DEC), JSON(nvmsetid, NVME_DEC),
};
/* Only with NVME_NSFEAT_OPTPERF. */
static const struct nvme_field preferred[] = {
	N(npwg, NVME_DEC), N(npwa, NVME_DEC), N(npdg, NVME_DEC),
	N(npda, NVME_DEC), N(nows, NVME_DEC),
};
static const struct nvme_field rest[] = {
	N(mssrl, NVME_DEC),	  N(mcl, NVME_DEC),	   N(msrc, NVME_DEC),
	N(nulbaf, NVME_DEC),	  N(anagrpid, NVME_DEC),   TEXT(nsattr, NVME_DEC),
	TEXT(nvmsetid, NVME_DEC), N(endgid, NVME_DEC),	   TEXT(nguid, NVME_BYTES),
	TEXT(eui64, NVME_BYTES),  JSON(eui64, NVME_BYTES), JSON(nguid, NVME_BYTES),
};
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static unsigned int formats(const struct nvme_id_ns *id, bool all)
{
	const unsigned int most = COUNT(id->lbaf);
	unsigned int count = id->nlbaf + 1u + (all ? id->nulbaf : 0u);

	return count < most ? count : most;
}

void nvme_print_id_ns(FILE *out, uint32_t nsid, const struct nvme_id_ns *id)
{
	(void)fprintf(out, "NVME Identify Namespace %" PRIu32 ":\n", nsid);
	nvme_fields_print(out, id, fields, COUNT(fields), LABEL_WIDTH);
	if (id->nsfeat & NVME_NSFEAT_OPTPERF)
		nvme_fields_print(out, id, preferred, COUNT(preferred), LABEL_WIDTH);
	nvme_fields_print(out, id, rest, COUNT(rest), LABEL_WIDTH);
	for (unsigned int i = 0; i < formats(id, true); i++)
		(void)fprintf(out, "lbaf %2u : ms:%-3u lbads:%-2u rp:%#x %s\n", i, id->lbaf[i].ms,
			      id->lbaf[i].lbads, id->lbaf[i].rp,
			      i == NVME_FLBAS_INDEX(id->flbas) ? "(in use)" : "");
}

json_object *nvme_json_id_ns(const struct nvme_id_ns *id)
{
	json_object *o = json_object_new_object();
	json_object *array = json_object_new_array();

	nvme_fields_json(o, id, fields, COUNT(fields));
	if (id->nsfeat & NVME_NSFEAT_OPTPERF)
		nvme_fields_json(o, id, preferred, COUNT(preferred));
	nvme_fields_json(o, id, rest, COUNT(rest));
	for (unsigned int i = 0; i < formats(id, false); i++) {
		json_object *lbaf = json_object_new_object();

		nvme_json_number(lbaf, "ms", id->lbaf[i].ms);
		nvme_json_number(lbaf, "ds", id->lbaf[i].lbads);
		nvme_json_number(lbaf, "rp", id->lbaf[i].rp);
		(void)json_object_array_add(array, lbaf);
	}
	(void)json_object_object_add(o, "lbafs", array);
	return o;
}

void nvme_print_ns_list(FILE *out, const uint32_t *list)
{
	for (unsigned int i = 0; i < NVME_NS_LIST_ENTRIES; i++)
		if (list[i])
			(void)fprintf(out, "[%4u]:%#" PRIx32 "\n", i, list[i]);
}

json_object *nvme_json_ns_list(const uint32_t *list)
{
	json_object *o = json_object_new_object();
	json_object *array = json_object_new_array();

	for (unsigned int i = 0; i < NVME_NS_LIST_ENTRIES; i++) {
		json_object *ns;

		if (!list[i])
			continue;
		ns = json_object_new_object();
		nvme_json_number(ns, "nsid", list[i]);
		(void)json_object_array_add(array, ns);
	}
	(void)json_object_object_add(o, "nsid_list", array);
	return o;
}

/* 4.11: the count is the controller's word. */
static unsigned int controllers(const struct nvme_ctrl_list *list)
{
	return list->count < NVME_CTRL_LIST_MAX ? list->count : NVME_CTRL_LIST_MAX;
}

void nvme_print_ctrl_list(FILE *out, const struct nvme_ctrl_list *list)
{
	(void)fprintf(out, "num of ctrls present: %u\n", list->count);
	for (unsigned int i = 0; i < controllers(list); i++)
		(void)fprintf(out, "[%4u]:%#x\n", i, list->id[i]);
}

json_object *nvme_json_ctrl_list(const struct nvme_ctrl_list *list)
{
	json_object *o = json_object_new_object();
	json_object *array = json_object_new_array();

	nvme_json_number(o, "num_ctrl", list->count);
	for (unsigned int i = 0; i < controllers(list); i++) {
		json_object *ctrl = json_object_new_object();

		nvme_json_number(ctrl, "ctrl_id", list->id[i]);
		(void)json_object_array_add(array, ctrl);
	}
	(void)json_object_object_add(o, "ctrl_list", array);
	return o;
}

/* list: the node is the device and the namespace, as the kernel's is nvme0n1. */

#define NODE_MAX 64

static const char *node_name(char *text, const char *device, uint32_t nsid)
{
	(void)snprintf(text, NODE_MAX, "%sn%" PRIu32, device, nsid);
	return text;
}

/* Bytes of data in a block; 0 if the controller says nonsense. */
static uint64_t block_size(const struct nvme_id_ns *ns)
{
	unsigned int shift = ns->lbaf[NVME_FLBAS_INDEX(ns->flbas)].lbads;

	return shift < 32 ? 1ull << shift : 0;
}

void nvme_print_list_head(FILE *out)
{
	static const char dash[] = "----------------------------------------";

	(void)fprintf(out, "%-21s %-20s %-40s %-9s %-26s %-16s %-8s\n", "Node", "SN", "Model",
		      "Namespace", "Usage", "Format", "FW Rev");
	(void)fprintf(out, "%.21s %.20s %.40s %.9s %.26s %.16s %.8s\n", dash, dash, dash, dash,
		      dash, dash, dash);
}

void nvme_print_list_ns(FILE *out, const char *device, const struct nvme_id_ctrl *ctrl,
			uint32_t nsid, const struct nvme_id_ns *ns)
{
	double used = (double)ns->nuse * (double)block_size(ns);
	double size = (double)ns->nsze * (double)block_size(ns);
	char node[NODE_MAX], usage[64], format[64], sn[21], mn[41], fr[9];
	const char *size_si = nvme_si(&size), *used_si = nvme_si(&used);
	bool kib = block_size(ns) >= 1024;

	(void)snprintf(usage, sizeof(usage), "%6.2f %2sB / %6.2f %2sB", used, used_si, size,
		       size_si);
	(void)snprintf(format, sizeof(format), "%3" PRIu64 " %2sB + %2u B",
		       kib ? block_size(ns) / 1024 : block_size(ns), kib ? "Ki" : "",
		       ns->lbaf[NVME_FLBAS_INDEX(ns->flbas)].ms);
	(void)fprintf(out, "%-21s %-20s %-40s %-9" PRIu32 " %-26s %-16s %-8s\n",
		      node_name(node, device, nsid), nvme_chars_trimmed(sn, ctrl->sn, 20),
		      nvme_chars_trimmed(mn, ctrl->mn, 40), nsid, usage, format,
		      nvme_chars_trimmed(fr, ctrl->fr, 8));
}

json_object *nvme_json_list_ns(const char *device, const struct nvme_id_ctrl *ctrl, uint32_t nsid,
			       const struct nvme_id_ns *ns)
{
	json_object *o = json_object_new_object();
	char node[NODE_MAX], text[41];

	nvme_json_number(o, "NameSpace", nsid);
	nvme_json_text(o, "DevicePath", node_name(node, device, nsid));
	nvme_json_text(o, "Firmware", nvme_chars_trimmed(text, ctrl->fr, sizeof(ctrl->fr)));
	nvme_json_text(o, "ModelNumber", nvme_chars_trimmed(text, ctrl->mn, sizeof(ctrl->mn)));
	nvme_json_text(o, "SerialNumber", nvme_chars_trimmed(text, ctrl->sn, sizeof(ctrl->sn)));
	nvme_json_number(o, "UsedBytes", ns->nuse * block_size(ns));
	nvme_json_number(o, "MaximumLBA", ns->nsze);
	nvme_json_number(o, "PhysicalSize", ns->nsze * block_size(ns));
	nvme_json_number(o, "SectorSize", block_size(ns));
	return o;
}

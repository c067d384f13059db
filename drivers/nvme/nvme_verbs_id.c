// SPDX-License-Identifier: MIT
/* list, list-ns, id-ctrl, id-ns */
#include <errno.h>
#include <stdlib.h>

#include <udrv/device.h>

#include "nvme_fields.h"
#include "nvme_pages.h"
#include "nvme_verbs.h"

/* Identify into memory of its own; NULL after a line, with *ret. */
static void *identify(struct udrv_nvme *nvme, unsigned int cns, uint64_t nsid, const char *verb,
		      FILE *err, int *ret)
{
	void *page = calloc(1, NVME_IDENTIFY_SIZE);

	*ret = page ? udrv_nvme_identify(nvme, cns, (uint32_t)nsid, page) : -ENOMEM;
	*ret = nvme_verb_failed(*ret, verb, err);
	if (*ret) {
		free(page);
		return NULL;
	}
	return page;
}

NVME_VERB(id_ctrl)
{
	struct nvme_show show = {0};
	const struct nvme_arg args[] = {NVME_SHOW_ARGS(&show)};
	enum nvme_format format;
	struct nvme_id_ctrl *id;
	int ret = nvme_show_parse(argc, argv, args, NVME_COUNT(args), &show, &format, err);

	if (ret)
		return ret;
	id = identify(nvme_verb_nvme(dev), NVME_CNS_CTRL, 0, argv[0], err, &ret);
	if (!id)
		return ret;
	if (format == NVME_SHOW_JSON)
		nvme_json_print(out, nvme_json_id_ctrl(id));
	else if (format == NVME_SHOW_BINARY)
		(void)fwrite(id, 1, sizeof(*id), out);
	else
		nvme_print_id_ctrl(out, id);
	free(id);
	return 0;
}

NVME_VERB(id_ns)
{
	struct nvme_show show = {0};
	uint64_t nsid = 0;
	bool inactive = false;
	const struct nvme_arg args[] = {
		NVME_NUMBER('n', "namespace-id", &nsid, NVME_NSID_ALL,
			    "the namespace; the first there is"),
		NVME_FLAG(0, "force", &inactive, "also of one that is allocated and not active"),
		NVME_SHOW_ARGS(&show),
	};
	struct udrv_nvme *nvme = nvme_verb_nvme(dev);
	const struct udrv_nvme_ns *ns;
	enum nvme_format format;
	struct nvme_id_ns *id;
	int ret = nvme_show_parse(argc, argv, args, NVME_COUNT(args), &show, &format, err);

	if (ret)
		return ret;
	if (!nsid) {
		ns = nvme_verb_ns(nvme, 0, argv[0], err);
		if (!ns)
			return -ENXIO;
		nsid = ns->nsid;
	}
	id = identify(nvme, inactive ? NVME_CNS_ALLOCATED_NS_DATA : NVME_CNS_NS, nsid, argv[0], err,
		      &ret);
	if (!id)
		return ret;
	if (format == NVME_SHOW_JSON)
		nvme_json_print(out, nvme_json_id_ns(id));
	else if (format == NVME_SHOW_BINARY)
		(void)fwrite(id, 1, sizeof(*id), out);
	else
		nvme_print_id_ns(out, (uint32_t)nsid, id);
	free(id);
	return 0;
}

NVME_VERB(list_ns)
{
	struct nvme_show show = {0};
	uint64_t from = 1;
	bool all = false;
	const struct nvme_arg args[] = {
		NVME_NUMBER('n', "namespace-id", &from, NVME_NSID_MAX, "begin with this one; 1"),
		NVME_FLAG('a', "all", &all, "also those that are allocated and not active"),
		NVME_SHOW_ARGS(&show),
	};
	enum nvme_format format;
	uint32_t *list;
	int ret = nvme_show_parse(argc, argv, args, NVME_COUNT(args), &show, &format, err);

	if (!ret && !from) {
		(void)fprintf(err, "%s: namespaces are numbered from 1\n", argv[0]);
		ret = -EINVAL;
	}
	if (ret)
		return ret;
	list = identify(nvme_verb_nvme(dev), all ? NVME_CNS_ALLOCATED_NS : NVME_CNS_ACTIVE_NS,
			from - 1, argv[0], err, &ret);
	if (!list)
		return ret;
	if (format == NVME_SHOW_JSON)
		nvme_json_print(out, nvme_json_ns_list(list));
	else if (format == NVME_SHOW_BINARY)
		(void)fwrite(list, 1, NVME_IDENTIFY_SIZE, out);
	else
		nvme_print_ns_list(out, list);
	free(list);
	return 0;
}

/* Each namespace's line, or its object into devices. */
static int list_all(struct udrv_device *dev, json_object *devices, const char *verb, FILE *out,
		    FILE *err)
{
	struct udrv_nvme *nvme = nvme_verb_nvme(dev);
	const struct nvme_id_ctrl *ctrl = udrv_nvme_id_ctrl(nvme);
	const struct udrv_nvme_ns *ns;
	int ret = 0;

	for (uint32_t nsid = 0; (ns = udrv_nvme_ns_next(nvme, nsid)); nsid = ns->nsid) {
		struct nvme_id_ns *id = identify(nvme, NVME_CNS_NS, ns->nsid, verb, err, &ret);

		if (!id)
			return ret;
		if (devices)
			(void)json_object_array_add(
				devices,
				nvme_json_list_ns(udrv_device_name(dev), ctrl, ns->nsid, id));
		else
			nvme_print_list_ns(out, udrv_device_name(dev), ctrl, ns->nsid, id);
		free(id);
	}
	return 0;
}

NVME_VERB(list)
{
	struct nvme_show show = {0};
	const struct nvme_arg args[] = {NVME_SHOW_ARGS(&show)};
	json_object *devices = NULL, *o;
	enum nvme_format format;
	int ret = nvme_show_parse(argc, argv, args, NVME_COUNT(args), &show, &format, err);

	if (!ret && format == NVME_SHOW_BINARY) {
		(void)fprintf(err, "%s: there is no binary form of this\n", argv[0]);
		ret = -EINVAL;
	}
	if (ret)
		return ret;
	if (format == NVME_SHOW_JSON)
		devices = json_object_new_array();
	else
		nvme_print_list_head(out);
	ret = list_all(dev, devices, argv[0], out, err);
	if (format == NVME_SHOW_TEXT)
		return ret;
	if (ret) {
		(void)json_object_put(devices);
		return ret;
	}
	o = json_object_new_object();
	(void)json_object_object_add(o, "Devices", devices);
	nvme_json_print(out, o);
	return 0;
}

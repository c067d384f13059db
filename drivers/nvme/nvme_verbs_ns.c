// SPDX-License-Identifier: MIT
/* create-ns, delete-ns, attach-ns, detach-ns, list-ctrl */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "nvme_fields.h"
#include "nvme_pages.h"
#include "nvme_verbs.h"

#define FLBAS_NONE	UINT64_MAX
#define FLBAS_MAX	0x7fu
#define BLOCK_SIZE_MAX	(1u << 31)
#define LBA_FORMATS_MAX 64u

struct create {
	uint64_t nsze, ncap, flbas, dps, nmic, anagrpid, nvmsetid, block_size;
};

/* FLBAS of the format without metadata that has blocks of so many bytes: 5.15.2.1, for NSID_ALL. */
static int find_flbas(struct udrv_nvme *nvme, struct create *c, const char *verb, FILE *err)
{
	struct nvme_id_ns *id = malloc(sizeof(*id));
	int ret = id ? udrv_nvme_identify(nvme, NVME_CNS_NS, NVME_NSID_ALL, id) : -ENOMEM;

	for (unsigned int i = 0; !ret && i <= id->nlbaf && i < LBA_FORMATS_MAX; i++)
		if (c->flbas == FLBAS_NONE && id->lbaf[i].lbads < 32 && !id->lbaf[i].ms &&
		    1ull << id->lbaf[i].lbads == c->block_size)
			c->flbas = NVME_FLBAS(i);
	free(id);
	if (ret)
		return nvme_verb_failed(ret, verb, err);
	if (c->flbas != FLBAS_NONE)
		return 0;
	(void)fprintf(err, "%s: no format has blocks of %" PRIu64 " bytes; see id-ns\n", verb,
		      c->block_size);
	return -EINVAL;
}

static int complete(struct udrv_nvme *nvme, struct create *c, const char *verb, FILE *err)
{
	if ((c->flbas == FLBAS_NONE) == !c->block_size) {
		(void)fprintf(err, "%s: give --flbas or --block-size\n", verb);
		return -EINVAL;
	}
	if (!c->nsze) {
		(void)fprintf(err, "%s: how large? Give --nsze in blocks\n", verb);
		return -EINVAL;
	}
	if (!c->ncap)
		c->ncap = c->nsze;
	return c->block_size ? find_flbas(nvme, c, verb, err) : 0;
}

static int create(struct udrv_nvme *nvme, const struct create *c, uint32_t *nsid)
{
	struct nvme_id_ns *wanted = calloc(1, sizeof(*wanted));
	int ret;

	if (!wanted)
		return -ENOMEM;
	wanted->nsze = c->nsze;
	wanted->ncap = c->ncap;
	wanted->flbas = (uint8_t)c->flbas;
	wanted->dps = (uint8_t)c->dps;
	wanted->nmic = (uint8_t)c->nmic;
	wanted->anagrpid = (uint32_t)c->anagrpid;
	wanted->nvmsetid = (uint16_t)c->nvmsetid;
	ret = udrv_nvme_ns_create(nvme, wanted, nsid);
	free(wanted);
	return ret;
}

NVME_VERB(create_ns)
{
	struct udrv_nvme *nvme = nvme_verb_nvme(dev);
	struct create c = {.flbas = FLBAS_NONE};
	const struct nvme_arg args[] = {
		NVME_NUMBER('s', "nsze", &c.nsze, UINT64_MAX, "its size, in blocks"),
		NVME_NUMBER('c', "ncap", &c.ncap, UINT64_MAX, "its capacity, in blocks; the size"),
		NVME_NUMBER('f', "flbas", &c.flbas, FLBAS_MAX, "its format, as in id-ns"),
		NVME_NUMBER('d', "dps", &c.dps, UINT8_MAX,
			    "its protection information, as in id-ns; 0"),
		NVME_NUMBER('m', "nmic", &c.nmic, UINT8_MAX,
			    "1: several controllers may share it; 0"),
		NVME_NUMBER('a', "anagrp-id", &c.anagrpid, UINT32_MAX,
			    "its ANA group; 0, the controller's choice"),
		NVME_NUMBER('i', "nvmset-id", &c.nvmsetid, UINT16_MAX,
			    "its NVM set; 0, the controller's choice"),
		NVME_NUMBER('b', "block-size", &c.block_size, BLOCK_SIZE_MAX,
			    "instead of --flbas: the format with such blocks and no metadata"),
	};
	uint32_t nsid;
	int ret = nvme_args_parse(argc, argv, args, NVME_COUNT(args), err);

	if (!ret)
		ret = complete(nvme, &c, argv[0], err);
	if (ret)
		return ret;
	ret = create(nvme, &c, &nsid);
	if (ret)
		return nvme_verb_failed(ret, argv[0], err);
	(void)fprintf(out, "%s: Success, created nsid:%" PRIu32 "\n", argv[0], nsid);
	return 0;
}

static int need_nsid(uint64_t nsid, const char *verb, FILE *err)
{
	if (nsid)
		return 0;
	(void)fprintf(err, "%s: which? Name it by --namespace-id\n", verb);
	return -EINVAL;
}

NVME_VERB(delete_ns)
{
	uint64_t nsid = 0;
	bool force = false;
	const struct nvme_arg args[] = {
		NVME_NUMBER('n', "namespace-id", &nsid, NVME_NSID_ALL,
			    "the namespace, 0xffffffff for all"),
		NVME_FLAG(0, "force", &force, "needed: data is lost"),
	};
	int ret = nvme_args_parse(argc, argv, args, NVME_COUNT(args), err);

	if (!ret)
		ret = need_nsid(nsid, argv[0], err);
	if (ret)
		return ret;
	if (!force) {
		(void)fprintf(
			err,
			"%s: namespace %#" PRIx64 "%s and its data will be lost: say --force\n",
			argv[0], nsid, nsid == NVME_NSID_ALL ? " (all of the controller)" : "");
		return -EPERM;
	}
	ret = udrv_nvme_ns_delete(nvme_verb_nvme(dev), (uint32_t)nsid);
	if (ret)
		return nvme_verb_failed(ret, argv[0], err);
	(void)fprintf(out, "%s: Success, deleted nsid:%" PRIu64 "\n", argv[0], nsid);
	return 0;
}

/* Numbers with commas between; none: our own. How many, or -EINVAL after a line. */
static int parse_controllers(const char *text, uint16_t own, uint16_t *ids, const char *verb,
			     FILE *err)
{
	int count = 0;
	char *end;

	if (!text) {
		ids[0] = own;
		return 1;
	}
	for (const char *at = text; count < (int)NVME_CTRL_LIST_MAX; at = end + 1) {
		const unsigned long id = strtoul(at, &end, 0);

		if (end == at || *at < '0' || *at > '9' || id > UINT16_MAX)
			break;
		ids[count++] = (uint16_t)id;
		if (!*end)
			return count;
		if (*end != ',')
			break;
	}
	(void)fprintf(err, "%s: --controllers: '%s' is no list of controllers as 0,1\n", verb,
		      text);
	return -EINVAL;
}

static int attach(struct udrv_nvme *nvme, int argc, char **argv, bool attach, FILE *out, FILE *err)
{
	uint16_t ids[NVME_CTRL_LIST_MAX];
	uint64_t nsid = 0;
	bool force = false;
	const char *controllers = NULL;
	const struct nvme_arg args[] = {
		NVME_NUMBER('n', "namespace-id", &nsid, NVME_NSID_MAX, "the namespace"),
		NVME_TEXT('c', "controllers", &controllers, "ID,...", "to or from these; this one"),
		NVME_FLAG(0, "force", &force,
			  "detach-ns: also while an export uses the controller"),
	};
	int ret = nvme_args_parse(argc, argv, args, NVME_COUNT(args), err);

	if (!ret)
		ret = need_nsid(nsid, argv[0], err);
	if (!ret && !attach && !force)
		ret = nvme_verb_refuse_in_use(nvme, argv[0], err);
	if (ret)
		return ret;
	ret = parse_controllers(controllers, udrv_nvme_id_ctrl(nvme)->cntlid, ids, argv[0], err);
	if (ret < 0)
		return ret;
	ret = udrv_nvme_ns_attach(nvme, (uint32_t)nsid, ids, (unsigned int)ret, attach);
	if (ret)
		return nvme_verb_failed(ret, argv[0], err);
	(void)fprintf(out, "%s: Success, nsid:%" PRIu64 "\n", argv[0], nsid);
	return 0;
}

NVME_VERB(attach_ns)
{
	return attach(nvme_verb_nvme(dev), argc, argv, true, out, err);
}

NVME_VERB(detach_ns)
{
	return attach(nvme_verb_nvme(dev), argc, argv, false, out, err);
}

NVME_VERB(list_ctrl)
{
	struct nvme_show show = {0};
	uint64_t nsid = 0, from = 0;
	const struct nvme_arg args[] = {
		NVME_NUMBER('n', "namespace-id", &nsid, NVME_NSID_MAX,
			    "those that this one is attached to; all"),
		NVME_NUMBER('c', "cntid", &from, UINT16_MAX, "begin with this one; 0"),
		NVME_SHOW_ARGS(&show),
	};
	struct nvme_ctrl_list *list;
	enum nvme_format format;
	struct nvme_sqe sqe = {.opcode = NVME_ADMIN_IDENTIFY};
	int ret = nvme_show_parse(argc, argv, args, NVME_COUNT(args), &show, &format, err);

	if (ret)
		return ret;
	sqe.nsid = (uint32_t)nsid;
	sqe.cdw10 = (nsid ? NVME_CNS_NS_CTRLS : NVME_CNS_CTRLS) | (uint32_t)from << 16;
	list = calloc(1, sizeof(*list));
	ret = list ? udrv_nvme_admin(nvme_verb_nvme(dev), &sqe, list, sizeof(*list), NULL)
		   : -ENOMEM;
	if (ret)
		ret = nvme_verb_failed(ret, argv[0], err);
	else if (format == NVME_SHOW_JSON)
		nvme_json_print(out, nvme_json_ctrl_list(list));
	else if (format == NVME_SHOW_BINARY)
		(void)fwrite(list, 1, sizeof(*list), out);
	else
		nvme_print_ctrl_list(out, list);
	free(list);
	return ret;
}

// SPDX-License-Identifier: MIT
/* format, reset, subsystem-reset */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "nvme_verbs.h"

#define LBAF_NONE UINT64_MAX
#define LBAF_MAX  63u /* 2.0, NVM command set: two more bits */
/* 5.15.2.2, FNA: of all namespaces, whatever is named, is */
#define FNA_ALL	      0x1u /* a format */
#define FNA_ERASE_ALL 0x2u /* a secure erase */

struct format {
	uint64_t nsid, lbaf, erase, block_size;
	bool force;
};

/* The format of that block size and without metadata, or the one in use; LBAF_NONE. */
static uint64_t choose_lbaf(const struct format *f, const struct nvme_id_ns *id)
{
	if (!f->block_size)
		return NVME_FLBAS_INDEX(id->flbas);
	for (unsigned int i = 0; i <= id->nlbaf && i <= LBAF_MAX; i++)
		if (id->lbaf[i].lbads < 32 && 1ull << id->lbaf[i].lbads == f->block_size &&
		    !id->lbaf[i].ms)
			return i;
	return LBAF_NONE;
}

static int find_lbaf(struct format *f, struct udrv_nvme *nvme, const char *verb, FILE *err)
{
	struct nvme_id_ns *id;
	int ret;

	if (f->lbaf != LBAF_NONE)
		return 0;
	id = malloc(sizeof(*id));
	/* 5.15.2.1: for NSID_ALL, what the namespaces have in common. */
	ret = id ? udrv_nvme_identify(nvme, NVME_CNS_NS, (uint32_t)f->nsid, id) : -ENOMEM;
	if (ret)
		ret = nvme_verb_failed(ret, verb, err);
	else
		f->lbaf = choose_lbaf(f, id);
	free(id);
	if (!ret && f->lbaf == LBAF_NONE) {
		(void)fprintf(err, "%s: no format has blocks of %" PRIu64 " bytes; see id-ns\n",
			      verb, f->block_size);
		return -EINVAL;
	}
	return ret;
}

static int refuse_format(const struct format *f, unsigned int fna, const char *verb, FILE *err)
{
	const char *whose = "";

	if (f->nsid == NVME_NSID_ALL)
		whose = " (all of the controller)";
	else if (f->erase && fna & FNA_ERASE_ALL)
		whose = ", and of all others, which this controller erases with it,";
	(void)fprintf(err, "%s: all data of namespace %#" PRIx64 "%s will be lost: say --force\n",
		      verb, f->nsid, whose);
	return -EPERM;
}

NVME_VERB(format)
{
	struct format f = {.lbaf = LBAF_NONE};
	const struct nvme_arg args[] = {
		NVME_NUMBER('n', "namespace-id", &f.nsid, NVME_NSID_ALL,
			    "the namespace, 0xffffffff for all; the first there is"),
		NVME_NUMBER('l', "lbaf", &f.lbaf, LBAF_MAX,
			    "the format's index in id-ns; as it is"),
		NVME_NUMBER('s', "ses", &f.erase, 2,
			    "secure erase: 0 none, 1 user data, 2 cryptographic; 0"),
		NVME_NUMBER('b', "block-size", &f.block_size, 1u << 31,
			    "instead of --lbaf: the format with such blocks and no metadata"),
		NVME_FLAG(0, "force", &f.force, "needed: data is lost"),
	};
	struct udrv_nvme *nvme = nvme_verb_nvme(dev);
	const struct udrv_nvme_ns *ns;
	int ret = nvme_args_parse(argc, argv, args, NVME_COUNT(args), err);

	if (!ret && f.lbaf != LBAF_NONE && f.block_size) {
		(void)fprintf(err, "%s: give --lbaf or --block-size, not both\n", argv[0]);
		ret = -EINVAL;
	}
	if (ret)
		return ret;
	if (udrv_nvme_id_ctrl(nvme)->fna & FNA_ALL) {
		f.nsid = NVME_NSID_ALL;
	} else if (f.nsid != NVME_NSID_ALL) {
		ns = nvme_verb_ns(nvme, f.nsid, argv[0], err);
		if (!ns)
			return -ENXIO;
		f.nsid = ns->nsid;
	}
	if (!f.force)
		return refuse_format(&f, udrv_nvme_id_ctrl(nvme)->fna, argv[0], err);
	ret = find_lbaf(&f, nvme, argv[0], err);
	if (ret)
		return ret;
	ret = udrv_nvme_format(nvme, (uint32_t)f.nsid, (unsigned int)f.lbaf, (unsigned int)f.erase);
	if (ret == -EBUSY) {
		(void)fprintf(err, "%s: the namespaces are in use: an export has I/O queues\n",
			      argv[0]);
		return ret;
	}
	if (ret)
		return nvme_verb_failed(ret, argv[0], err);
	(void)fprintf(out, "Success formatting namespace:%" PRIx64 "\n", f.nsid);
	return 0;
}

static int works_again(struct udrv_nvme *nvme, const char *verb, FILE *out)
{
	struct udrv_nvme_info info;

	udrv_nvme_get_info(nvme, &info);
	(void)fprintf(out, "%s: the controller works again; %u resets since the start\n", verb,
		      info.resets);
	return 0;
}

NVME_VERB(reset)
{
	struct udrv_nvme *nvme = nvme_verb_nvme(dev);
	int ret = nvme_args_parse(argc, argv, NULL, 0, err);

	if (ret)
		return ret;
	ret = udrv_nvme_reset(nvme);
	return ret ? nvme_verb_failed(ret, argv[0], err) : works_again(nvme, argv[0], out);
}

int nvme_verb_reset_subsystem(struct udrv_nvme *nvme, const char *verb, FILE *err)
{
	const int ret = udrv_nvme_subsystem_reset(nvme);

	if (ret == -EOPNOTSUPP)
		(void)fprintf(err, "%s: the controller has no NVM subsystem reset (CAP.NSSRS)\n",
			      verb);
	else if (ret == -EPROTO)
		(void)fprintf(err,
			      "%s: the controller works, but does not say that its subsystem was "
			      "reset (CSTS.NSSRO)\n",
			      verb);
	else
		return nvme_verb_failed(ret, verb, err);
	return ret;
}

NVME_VERB(subsystem_reset)
{
	struct udrv_nvme *nvme = nvme_verb_nvme(dev);
	int ret = nvme_args_parse(argc, argv, NULL, 0, err);

	if (!ret)
		ret = nvme_verb_reset_subsystem(nvme, argv[0], err);
	return ret ? ret : works_again(nvme, argv[0], out);
}

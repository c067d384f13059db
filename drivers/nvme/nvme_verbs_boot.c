// SPDX-License-Identifier: MIT
/* boot-part-read */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "nvme_verbs.h"

#define CHUNK_BYTES ((size_t)256 << 10)
#define BPID_ACTIVE UINT64_MAX

static int failed(int ret, uint64_t offset, const char *verb, FILE *err)
{
	if (ret == -ENODATA)
		(void)fprintf(err, "%s: the controller cannot read it behind byte %" PRIu64 "\n",
			      verb, offset);
	else if (ret == -EAGAIN)
		(void)fprintf(err, "%s: the controller was reset meanwhile: try again\n", verb);
	else if (ret == -EBUSY)
		(void)fprintf(err, "%s: somebody else reads one: 'udrv nvme reset' ends that\n",
			      verb);
	else
		return nvme_verb_failed(ret, verb, err);
	return ret;
}

/* To the caller, in pieces. */
static int give(struct udrv_nvme *nvme, unsigned int id, uint64_t size, const char *verb, FILE *err)
{
	char *buf = malloc(CHUNK_BYTES);
	int ret = buf ? 0 : nvme_verb_failed(-ENOMEM, verb, err);

	for (uint64_t done = 0; done < size && !ret;) {
		const size_t len = size - done < CHUNK_BYTES ? (size_t)(size - done) : CHUNK_BYTES;
		ssize_t n;

		ret = udrv_verb_cancelled() ? -ECANCELED
					    : udrv_nvme_boot_read(nvme, id, buf, len, done);
		ret = failed(ret, done, verb, err);
		n = ret ? 0 : udrv_verb_write(buf, len);
		if (n < 0) {
			(void)fprintf(err, "%s: cannot write the data: %s\n", verb,
				      strerror((int)-n));
			ret = (int)n;
		}
		done += len;
	}
	free(buf);
	return ret;
}

int nvme_verb_boot_info(struct udrv_nvme *nvme, struct udrv_nvme_boot *boot, const char *verb,
			FILE *err)
{
	const int ret = udrv_nvme_boot_info(nvme, boot);

	if (ret == -EOPNOTSUPP)
		(void)fprintf(err, "%s: the controller has no boot partitions\n", verb);
	else if (ret == -EPROTO)
		(void)fprintf(err,
			      "%s: the controller does not tell the size of its boot "
			      "partitions\n",
			      verb);
	else
		return nvme_verb_failed(ret, verb, err);
	return ret;
}

NVME_VERB(boot_part_read)
{
	struct udrv_nvme *nvme = nvme_verb_nvme(dev);
	uint64_t id = BPID_ACTIVE;
	const char *file = NULL; /* the client has opened it */
	const struct nvme_arg args[] = {
		NVME_NUMBER('b', "bpid", &id, 1, "the boot partition; the active one"),
		NVME_TEXT('d', "data", &file, "FILE", "where to; standard output"),
	};
	struct udrv_nvme_boot boot;
	int ret = nvme_args_parse(argc, argv, args, NVME_COUNT(args), err);

	(void)out;
	if (!ret)
		ret = nvme_verb_boot_info(nvme, &boot, argv[0], err);
	if (ret)
		return ret;
	if (id == BPID_ACTIVE)
		id = boot.active;
	ret = give(nvme, (unsigned int)id, boot.size, argv[0], err);
	if (!ret)
		(void)fprintf(err,
			      "%s: Success: boot partition %u, %" PRIu64 " bytes; %u is active\n",
			      argv[0], (unsigned int)id, boot.size, boot.active);
	return ret;
}

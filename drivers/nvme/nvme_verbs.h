/* SPDX-License-Identifier: MIT */
/* The verbs of the driver: `udrv nvme id-ctrl` and its kind. */
#ifndef NVME_VERBS_H
#define NVME_VERBS_H

#include <udrv/driver.h>

#include "nvme.h"
#include "nvme_args.h"

extern const struct udrv_verb nvme_verbs[];

#define NVME_VERB(name)                                                                            \
	int nvme_verb_##name(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)

/* nvme_verbs_id.c */
NVME_VERB(list);
NVME_VERB(list_ns);
NVME_VERB(id_ctrl);
NVME_VERB(id_ns);
/* nvme_verbs_logs.c */
NVME_VERB(smart_log);
NVME_VERB(error_log);
NVME_VERB(fw_log);
/* nvme_verbs_features.c */
NVME_VERB(get_feature);
NVME_VERB(set_feature);
/* nvme_verbs_admin.c */
NVME_VERB(format);
NVME_VERB(reset);
NVME_VERB(subsystem_reset);
/* nvme_verbs_sanitize.c */
NVME_VERB(sanitize);
NVME_VERB(sanitize_log);
/* nvme_verbs_firmware.c */
NVME_VERB(fw_download);
NVME_VERB(fw_commit);
/* nvme_verbs_boot.c */
NVME_VERB(boot_part_read);
/* nvme_verbs_ns.c */
NVME_VERB(create_ns);
NVME_VERB(delete_ns);
NVME_VERB(attach_ns);
NVME_VERB(detach_ns);
NVME_VERB(list_ctrl);
/* nvme_verbs_io.c */
NVME_VERB(read);
NVME_VERB(write);
NVME_VERB(flush);
/* nvme_perf.c */
NVME_VERB(perf);

/* nvme_verbs.c: what verbs share. */

/* The controller that the driver attached; NULL where a verb is asked for its options. */
struct udrv_nvme *nvme_verb_nvme(struct udrv_device *dev);

#define NVME_COUNT(table) (sizeof(table) / sizeof((table)[0]))

/*
 * One line that says what went wrong: an NVMe status (positive) or an errno (negative). Returns a
 * negative errno; 0 for 0, without a line.
 */
int nvme_verb_failed(int ret, const char *verb, FILE *err);

/* Likewise of what a queue has refused, though the blocks were there before. */
int nvme_verb_io_failed(int ret, const char *verb, FILE *err);

/* udrv_nvme_subsystem_reset(): 0 or -errno after a line. */
int nvme_verb_reset_subsystem(struct udrv_nvme *nvme, const char *verb, FILE *err);

/* -EBUSY after a line if an export has I/O queues. */
int nvme_verb_refuse_in_use(struct udrv_nvme *nvme, const char *verb, FILE *err);

/* The namespace nsid, or for 0 the first there is; NULL after a line. */
const struct udrv_nvme_ns *nvme_verb_ns(struct udrv_nvme *nvme, uint64_t nsid, const char *verb,
					FILE *err);

/* udrv_nvme_boot_info(): 0 or -errno after a line. */
int nvme_verb_boot_info(struct udrv_nvme *nvme, struct udrv_nvme_boot *boot, const char *verb,
			FILE *err);

/* Bytes of a block in a buffer, with its metadata if that is extended. */
size_t nvme_verb_block_bytes(const struct udrv_nvme_ns *ns);

#endif

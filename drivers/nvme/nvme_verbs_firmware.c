// SPDX-License-Identifier: MIT
/* fw-download, fw-commit */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "nvme_fields.h"
#include "nvme_verbs.h"

#define IMAGE_MAX  ((size_t)256 << 20)
#define READ_BYTES ((size_t)1 << 20)

struct image {
	char *bytes;
	size_t len;
};

/* All that the caller gives; it is the caller's to free, also after a failure. */
static int read_image(struct image *image)
{
	size_t room = 0;
	ssize_t n;

	do {
		if (image->len == room) {
			char *bytes = realloc(image->bytes, room + READ_BYTES);

			if (!bytes)
				return -ENOMEM;
			image->bytes = bytes;
			room += READ_BYTES;
		}
		n = udrv_verb_read(image->bytes + image->len, room - image->len);
		if (n < 0)
			return (int)n;
		image->len += (size_t)n;
	} while (image->len == room && room < IMAGE_MAX);
	return image->len < IMAGE_MAX ? 0 : -EFBIG;
}

static int download(struct udrv_nvme *nvme, const struct image *image, uint64_t offset,
		    uint64_t piece, const char *verb, FILE *err)
{
	int ret;

	if (!image->len || image->len % 4 || offset >= image->len) {
		(void)fprintf(err,
			      "%s: the image has %zu bytes: a multiple of 4, and more than the "
			      "offset, is wanted\n",
			      verb, image->len);
		return -EINVAL;
	}
	ret = udrv_nvme_firmware_download(nvme, image->bytes + offset, image->len - offset, offset,
					  piece);
	if (ret == -EINVAL || ret == -EMSGSIZE) {
		(void)fprintf(err,
			      "%s: the controller takes pieces, and offsets, that are multiples of "
			      "%zu bytes\n",
			      verb, udrv_nvme_firmware_piece(nvme));
		return ret;
	}
	return nvme_verb_failed(ret, verb, err);
}

NVME_VERB(fw_download)
{
	struct udrv_nvme *nvme = nvme_verb_nvme(dev);
	struct image image = {0};
	uint64_t piece = 0, offset = 0;
	const char *file = NULL; /* the client has opened it */
	const struct nvme_arg args[] = {
		NVME_TEXT('f', "fw", &file, "FILE", "the image; standard input"),
		NVME_NUMBER('x', "xfer", &piece, IMAGE_MAX,
			    "bytes of a piece; what the controller wants"),
		NVME_NUMBER('o', "offset", &offset, IMAGE_MAX / 4,
			    "begin at this 32-bit word of the image; 0"),
	};
	int ret = nvme_args_parse(argc, argv, args, NVME_COUNT(args), err);

	if (ret)
		return ret;
	ret = read_image(&image);
	if (ret)
		(void)fprintf(err, "%s: cannot read the image: %s\n", argv[0], strerror(-ret));
	else
		ret = download(nvme, &image, offset * 4, piece, argv[0], err);
	free(image.bytes);
	if (!ret)
		(void)fprintf(out, "Firmware download success\n");
	return ret;
}

#define BPID_NONE UINT64_MAX

struct commit {
	uint64_t slot, action, bpid;
	bool reset;
};

/* 4.6.1.2.2: it was committed, and such a reset activates it; NULL: that is not what it says. */
static const char *reset_wanted(int status)
{
	switch ((unsigned int)status & NVME_STATUS_MASK) {
	case NVME_SC_FW_NEEDS_CONVENTIONAL:
		return "conventional";
	case NVME_SC_FW_NEEDS_SUBSYSTEM:
		return "subsystem";
	case NVME_SC_FW_NEEDS_RESET:
		return "any controller";
	default:
		return NULL;
	}
}

static int activate(struct udrv_nvme *nvme, bool subsystem, const char *verb, FILE *out, FILE *err)
{
	char revision[9];
	int ret = subsystem ? nvme_verb_reset_subsystem(nvme, verb, err)
			    : nvme_verb_failed(udrv_nvme_reset(nvme), verb, err);

	if (!ret)
		(void)fprintf(out, "The %s was reset; its firmware is %s\n",
			      subsystem ? "NVM subsystem" : "controller",
			      nvme_chars_trimmed(revision, udrv_nvme_id_ctrl(nvme)->fr, 8));
	return ret;
}

/* What is left to do before it runs. */
static int go_on(struct udrv_nvme *nvme, const struct commit *c, int status, const char *verb,
		 FILE *out, FILE *err)
{
	const unsigned int sc = status > 0 ? (unsigned int)status & NVME_STATUS_MASK : 0;
	const bool subsystem = sc == NVME_SC_FW_NEEDS_SUBSYSTEM;
	const bool by_reset = c->action == UDRV_NVME_COMMIT_STORE_RESET ||
			      c->action == UDRV_NVME_COMMIT_RESET || sc == NVME_SC_FW_NEEDS_RESET;

	if (sc == NVME_SC_FW_NEEDS_CONVENTIONAL) {
		if (!c->reset)
			return 0;
		(void)fprintf(err,
			      "%s: there is no conventional reset from here: switch the machine "
			      "off\n",
			      verb);
		return -EOPNOTSUPP;
	}
	if (!subsystem && !by_reset)
		return 0;
	if (c->reset)
		return activate(nvme, subsystem, verb, out, err);
	(void)fprintf(out, "The next reset activates it: 'udrv nvme %sreset', or --reset here\n",
		      subsystem ? "subsystem-" : "");
	return 0;
}

static bool is_for_boot(const struct commit *c)
{
	return c->action == NVME_COMMIT_BOOT_REPLACE || c->action == NVME_COMMIT_BOOT_ACTIVATE;
}

/* Does one fit the other? 0 or -EINVAL after a line. */
static int check_commit(const struct commit *c, const char *verb, FILE *err)
{
	const char *what = NULL;

	if (!is_for_boot(c) && c->action > UDRV_NVME_COMMIT_NOW)
		what = "which? Say --action 0, 1, 2 or 3; 6 or 7 of a boot partition";
	else if (is_for_boot(c) && c->bpid == BPID_NONE)
		what = "which boot partition? Say --bpid 0 or 1";
	else if (is_for_boot(c) && (c->slot || c->reset))
		what = "a boot partition is in no slot, and no reset activates it";
	else if (!is_for_boot(c) && c->bpid != BPID_NONE)
		what = "--bpid is for the actions 6 and 7";
	if (!what)
		return 0;
	(void)fprintf(err, "%s: %s\n", verb, what);
	return -EINVAL;
}

static int commit_boot(struct udrv_nvme *nvme, const struct commit *c, const char *verb, FILE *out,
		       FILE *err)
{
	const unsigned int id = (unsigned int)c->bpid;
	struct udrv_nvme_boot boot;
	int ret = nvme_verb_boot_info(nvme, &boot, verb, err);

	if (ret)
		return ret;
	ret = c->action == NVME_COMMIT_BOOT_REPLACE ? udrv_nvme_boot_replace(nvme, id)
						    : udrv_nvme_boot_activate(nvme, id);
	if (ret)
		return nvme_verb_failed(ret, verb, err);
	(void)fprintf(out, "Success committing firmware action:%u bpid:%u\n",
		      (unsigned int)c->action, id);
	return 0;
}

NVME_VERB(fw_commit)
{
	struct udrv_nvme *nvme = nvme_verb_nvme(dev);
	struct commit c = {.action = UINT64_MAX, .bpid = BPID_NONE};
	const struct nvme_arg args[] = {
		NVME_NUMBER('s', "slot", &c.slot, NVME_FIRMWARE_SLOTS,
			    "1 to 7; 0, the controller's choice"),
		NVME_NUMBER('a', "action", &c.action, 7,
			    "0 store, 1 and activate by reset, 2 activate by reset, 3 now; "
			    "6, 7 of a boot partition"),
		NVME_NUMBER('b', "bpid", &c.bpid, 1, "the boot partition of actions 6 and 7"),
		NVME_FLAG(0, "reset", &c.reset,
			  "reset the controller, or its subsystem, if that activates it"),
	};
	int ret = nvme_args_parse(argc, argv, args, NVME_COUNT(args), err);
	const char *kind;

	if (!ret)
		ret = check_commit(&c, argv[0], err);
	if (ret)
		return ret;
	if (is_for_boot(&c))
		return commit_boot(nvme, &c, argv[0], out, err);
	ret = udrv_nvme_firmware_commit(nvme, (unsigned int)c.slot,
					(enum udrv_nvme_commit)c.action);
	kind = ret > 0 ? reset_wanted(ret) : NULL;
	if (ret && !kind)
		return nvme_verb_failed(ret, argv[0], err);
	(void)fprintf(out, "Success %s firmware action:%u slot:%u",
		      kind ? "activating" : "committing", (unsigned int)c.action,
		      (unsigned int)c.slot);
	if (kind)
		(void)fprintf(out, ", but firmware requires %s reset", kind);
	(void)fputc('\n', out);
	return go_on(nvme, &c, ret, argv[0], out, err);
}

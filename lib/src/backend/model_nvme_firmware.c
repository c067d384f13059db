// SPDX-License-Identifier: MIT
/*
 * Firmware of the software NVMe controller: Firmware Image Download (5.12) and Commit (5.11).
 * Slot 1 is read only. An image begins with 8 bytes of magic and 8 of revision, and its 32-bit
 * words add up to 0.
 */
#include <stdlib.h>
#include <string.h>

#include "backend/model_nvme_dev.h"

#define DNR(sc)	     ((uint16_t)((sc) | NVME_ST_DNR))
#define SLOT(cdw10)  ((cdw10)&7)
#define ACTION(c10)  ((c10) >> 3 & 7)
#define BPID(c10)    ((c10) >> 31)
#define MAGIC	     "udrvnvme"
#define PAGE	     4096u /* FWUG is 1 */
#define HEAD	     16
#define REVISION_LEN 8

/* 5.11, CA */
enum { STORE, STORE_RESET, RESET, NOW, BOOT_REPLACE = 6, BOOT_ACTIVATE = 7 };

void udrv__nvme_firmware_init(struct udrv__nvme *n)
{
	strcpy(n->firmware.slots[0], "1.0");
	n->firmware.active = 1;
}

void udrv__nvme_firmware_end(struct udrv__nvme *n)
{
	free(n->firmware.image);
	n->firmware.image = NULL;
}

const char *udrv__nvme_firmware_revision(const struct udrv__nvme *n)
{
	return n->firmware.slots[n->firmware.active - 1];
}

/* What was downloaded is gone when it was committed, and at a reset. */
static void drop(struct udrv__nvme_firmware *f)
{
	free(f->image);
	f->image = NULL;
	f->len = 0;
	memset(f->given, 0, sizeof(f->given));
}

void udrv__nvme_firmware_reset(struct udrv__nvme *n)
{
	struct udrv__nvme_firmware *f = &n->firmware;

	drop(f);
	if (f->next)
		f->active = f->next;
	f->next = 0;
}

/* 4.6.1.2.2, 14h: true, and nothing is marked, if a page was given before. */
static bool overlaps(struct udrv__nvme_firmware *f, uint32_t offset, uint32_t len)
{
	const uint32_t first = offset / PAGE, last = (offset + len - 1) / PAGE;

	for (uint32_t i = first; i <= last; i++)
		if (f->given[i])
			return true;
	memset(f->given + first, true, last - first + 1);
	return false;
}

uint16_t udrv__nvme_firmware_download(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	struct udrv__nvme_firmware *f = &n->firmware;
	const uint64_t len = ((uint64_t)cmd->cdw10 + 1) * 4, offset = (uint64_t)cmd->cdw11 * 4;
	uint16_t status;

	if (offset % PAGE || len > n->most_bytes || offset + len > UDRV__MODEL_NVME_IMAGE_MAX)
		return DNR(NVME_SC_INVALID_FIELD);
	if (!f->image)
		f->image = calloc(1, UDRV__MODEL_NVME_IMAGE_MAX);
	if (!f->image)
		return NVME_SC_INTERNAL;
	if (overlaps(f, (uint32_t)offset, (uint32_t)len))
		return DNR(NVME_SC_OVERLAP);
	status = udrv__nvme_take(n, cmd, f->image + offset, (uint32_t)len);
	if (!status && f->len < offset + len)
		f->len = (uint32_t)(offset + len);
	return status;
}

static bool is_image(const struct udrv__nvme_firmware *f)
{
	uint32_t sum = 0, word;

	if (f->len < HEAD + sizeof(word) || memcmp(f->image, MAGIC, strlen(MAGIC)) != 0)
		return false;
	for (uint32_t i = 0; i < f->len; i += sizeof(word)) {
		memcpy(&word, f->image + i, sizeof(word));
		sum += word;
	}
	return !sum && f->image[strlen(MAGIC)];
}

static void store(struct udrv__nvme_firmware *f, unsigned int slot)
{
	char *to = f->slots[slot - 1];

	memcpy(to, f->image + strlen(MAGIC), REVISION_LEN);
	to[REVISION_LEN] = 0;
	drop(f);
}

/* 5.11, FS 0: one that is not in use. */
static unsigned int choose(const struct udrv__nvme_firmware *f)
{
	for (unsigned int slot = 2; slot <= UDRV__MODEL_NVME_SLOTS; slot++)
		if (slot != f->active && !f->slots[slot - 1][0])
			return slot;
	return f->active == 2 ? 3 : 2;
}

/* 8.1: told, then done; where that cannot be without a reset, this is what the next one does. */
static uint16_t activate_now(struct udrv__nvme *n, unsigned int slot)
{
	if (n->config.firmware_needs_reset) {
		n->firmware.next = (uint8_t)slot;
		return DNR(NVME_SC_FIRMWARE_RESET);
	}
	n->firmware.active = (uint8_t)slot;
	n->firmware.next = 0;
	udrv__nvme_tell_firmware(n);
	return NVME_SC_SUCCESS;
}

/* 8.13.2 */
static uint16_t commit_boot(struct udrv__nvme *n, unsigned int action, unsigned int id)
{
	struct udrv__nvme_firmware *f = &n->firmware;
	uint16_t status;

	if (!n->config.boot_units)
		return DNR(NVME_SC_INVALID_FIELD);
	if (action == BOOT_ACTIVATE)
		return udrv__nvme_boot_activate(n, id);
	status = udrv__nvme_boot_replace(n, id, f->image, f->len);
	drop(f);
	return status;
}

uint16_t udrv__nvme_firmware_commit(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	struct udrv__nvme_firmware *f = &n->firmware;
	const unsigned int action = ACTION(cmd->cdw10);
	const bool stores = action != RESET && (action != NOW || f->len);
	unsigned int slot = SLOT(cmd->cdw10);

	if (action == BOOT_REPLACE || action == BOOT_ACTIVATE)
		return commit_boot(n, action, BPID(cmd->cdw10));
	if (action > NOW)
		return DNR(NVME_SC_INVALID_FIELD);
	if (!slot && stores)
		slot = choose(f);
	if (!slot || slot > UDRV__MODEL_NVME_SLOTS || (stores && slot == 1))
		return DNR(NVME_SC_FIRMWARE_SLOT);
	if (stores && !is_image(f)) {
		drop(f);
		return DNR(NVME_SC_FIRMWARE_IMAGE);
	}
	if (stores)
		store(f, slot);
	if (!f->slots[slot - 1][0])
		return DNR(NVME_SC_FIRMWARE_IMAGE);
	if (action == NOW)
		return activate_now(n, slot);
	if (action != STORE)
		f->next = (uint8_t)slot;
	return NVME_SC_SUCCESS;
}

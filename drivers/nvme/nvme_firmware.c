// SPDX-License-Identifier: MIT
/* Firmware: NVM Express 1.4, 5.11 and 5.12; activation: 8.1. */
#include <errno.h>
#include <string.h>

#include "nvme_ctrl.h"

#define UNIT	      4096u  /* of FWUG */
#define PAUSE_MAX_MS  60000u /* where MTFA says nothing */
#define FWUG_NO_LIMIT 0xffu

/* 5.15.2.2, FWUG: 0: not told. */
static size_t granularity(const struct udrv_nvme *nvme)
{
	const unsigned int fwug = nvme_id(nvme)->fwug;

	return fwug && fwug != FWUG_NO_LIMIT ? (size_t)fwug * UNIT : 4;
}

size_t udrv_nvme_firmware_piece(const struct udrv_nvme *nvme)
{
	const size_t unit = granularity(nvme);

	return unit < UNIT ? UNIT : unit;
}

static int download_piece(struct udrv_nvme *nvme, const char *image, size_t len, size_t offset)
{
	const struct nvme_sqe sqe = {
		.opcode = NVME_ADMIN_FIRMWARE_DOWNLOAD,
		.cdw10 = (uint32_t)(len / 4 - 1),
		.cdw11 = (uint32_t)(offset / 4),
	};

	/* To the device: it is only read. */
	return udrv_nvme_admin(nvme, &sqe, (void *)(uintptr_t)image, len, NULL);
}

int udrv_nvme_firmware_download(struct udrv_nvme *nvme, const void *image, size_t len,
				size_t offset, size_t piece)
{
	const size_t unit = granularity(nvme);
	int ret = 0;

	if (!(nvme_id(nvme)->oacs & NVME_OACS_FIRMWARE))
		return -EOPNOTSUPP;
	if (!piece)
		piece = udrv_nvme_firmware_piece(nvme);
	if (!len || len % 4 || offset % unit || piece % unit ||
	    offset + len - 1 > (uint64_t)UINT32_MAX * 4)
		return -EINVAL;
	if (piece > nvme_max_transfer(nvme))
		return -EMSGSIZE;
	for (size_t done = 0; done < len && !ret; done += piece)
		ret = download_piece(nvme, (const char *)image + done,
				     len - done < piece ? len - done : piece, offset + done);
	return ret;
}

/* 5.15.2.2, MTFA: in units of 100 ms; 0: not told. */
static unsigned int activation_ms(const struct udrv_nvme *nvme)
{
	const unsigned int mtfa = nvme_id(nvme)->mtfa;

	return mtfa ? mtfa * 100u : PAUSE_MAX_MS;
}

int nvme_commit(struct udrv_nvme *nvme, uint32_t cdw10)
{
	const struct nvme_sqe sqe = {.opcode = NVME_ADMIN_FIRMWARE_COMMIT, .cdw10 = cdw10};

	if (!(nvme_id(nvme)->oacs & NVME_OACS_FIRMWARE))
		return -EOPNOTSUPP;
	return nvme_admin_by_user(nvme, &sqe, NULL, 0, NULL,
				  nvme->options.admin_timeout_ms + activation_ms(nvme));
}

int udrv_nvme_firmware_commit(struct udrv_nvme *nvme, unsigned int slot,
			      enum udrv_nvme_commit action)
{
	if (slot > NVME_FIRMWARE_SLOTS || (unsigned int)action > UDRV_NVME_COMMIT_NOW)
		return -EINVAL;
	return nvme_commit(nvme, NVME_COMMIT_SLOT(slot) | NVME_COMMIT_ACTION(action));
}

/* 3.1.6, PP: it takes no commands, for as long as an activation may take; 0: it was not seen so. */
bool nvme_is_paused(struct udrv_nvme *nvme, uint32_t now)
{
	const uint32_t status = nvme_read32(nvme, NVME_REG_CSTS);
	uint32_t since = __atomic_load_n(&nvme->paused_since, __ATOMIC_RELAXED);

	if (status == UINT32_MAX || !(status & NVME_CSTS_PP)) {
		__atomic_store_n(&nvme->paused_since, 0, __ATOMIC_RELAXED);
		return false;
	}
	if (!since) {
		since = now ? now : 1;
		__atomic_store_n(&nvme->paused_since, since, __ATOMIC_RELAXED);
	}
	return !nvme_has_passed(now, since, activation_ms(nvme));
}

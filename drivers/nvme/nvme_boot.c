// SPDX-License-Identifier: MIT
/* Boot partitions: NVM Express 1.4, 3.1.13 to 3.1.15 and 8.13. */
#include <errno.h>
#include <string.h>

#include <udrv/delay.h>
#include <udrv/ktime.h>

#include "nvme_ctrl.h"

#define PARTITIONS  2u
#define PIECE_BYTES ((size_t)256 << 10) /* of BPRSEL, which has 10 bits of 4 KiB */
#define LOOK_US	    50

static int check_id(const struct udrv_nvme *nvme, unsigned int id)
{
	if (!NVME_CAP_BPS(nvme->cap))
		return -EOPNOTSUPP;
	return id < PARTITIONS ? 0 : -EINVAL;
}

int udrv_nvme_boot_info(struct udrv_nvme *nvme, struct udrv_nvme_boot *boot)
{
	uint32_t info;

	if (!NVME_CAP_BPS(nvme->cap))
		return -EOPNOTSUPP;
	info = nvme_read32(nvme, NVME_REG_BPINFO);
	if (info == UINT32_MAX || udrv_device_gone(nvme->dev))
		return -ENODEV;
	if (!NVME_BPINFO_BPSZ(info))
		return -EPROTO;
	*boot = (struct udrv_nvme_boot){NVME_BPINFO_BPSZ(info) * NVME_BPSZ_UNIT,
					NVME_BPINFO_ABPID(info)};
	return 0;
}

bool nvme_boot_is_read(const struct udrv_nvme *nvme)
{
	uint32_t info;

	if (!NVME_CAP_BPS(nvme->cap))
		return false;
	info = nvme_read32(nvme, NVME_REG_BPINFO);
	return info != UINT32_MAX && NVME_BPINFO_BRS(info) == NVME_BRS_READING;
}

/* It is being reset, or somebody has to find out that it is gone. */
static int absence(struct udrv_nvme *nvme)
{
	int ret;

	nvme_want_reset(nvme, "its registers read as ones");
	ret = nvme_await_live(nvme);
	return ret ? ret : -EAGAIN;
}

/* 3.1.13, BRS: what became of it. */
static int await_read(struct udrv_nvme *nvme)
{
	const udrv_ktime_t end =
		udrv_ktime_get() + (int64_t)nvme->options.admin_timeout_ms * 1000000;

	for (;;) {
		/* The time first: a late look is a look. */
		const bool last = udrv_ktime_get() > end;
		const uint32_t info = nvme_read32(nvme, NVME_REG_BPINFO);

		if (udrv_device_gone(nvme->dev))
			return -ENODEV;
		if (info == UINT32_MAX)
			return absence(nvme);
		switch (NVME_BPINFO_BRS(info)) {
		case NVME_BRS_DONE:
			return 0;
		case NVME_BRS_FAILED:
			return -ENODATA;
		case NVME_BRS_NONE: /* a reset has ended it */
			return -EAGAIN;
		default:
			if (last)
				return -ETIMEDOUT;
		}
		udrv_usleep_range(LOOK_US, 2 * LOOK_US);
	}
}

/*
 * The memory is the controller's until a reset has ended the read: nvme_quiet() sees to that. One
 * that is just ending does not count.
 */
static void end_read(struct udrv_nvme *nvme)
{
	do {
		nvme_want_reset(nvme, "a boot partition is read and that does not end");
	} while (!nvme_await_live(nvme) && nvme_boot_is_read(nvme));
}

/* boot_lock */
static int read_piece(struct udrv_nvme *nvme, unsigned int id, udrv_iova_t iova, size_t len,
		      uint64_t offset)
{
	int ret = nvme_await_live(nvme);

	if (ret)
		return ret;
	/* Somebody began it before there was this driver; 8.13.1 forbids another. */
	if (nvme_boot_is_read(nvme))
		return -EBUSY;
	nvme_write64(nvme, NVME_REG_BPMBL, iova);
	nvme_write32(nvme, NVME_REG_BPRSEL, NVME_BPRSEL(id, offset, len));
	ret = await_read(nvme);
	if (ret == -ETIMEDOUT)
		end_read(nvme);
	return ret;
}

static int read_pieces(struct udrv_nvme *nvme, unsigned int id, char *buf, size_t len,
		       uint64_t offset)
{
	const size_t most = len < PIECE_BYTES ? len : PIECE_BYTES;
	udrv_iova_t iova;
	char *memory = udrv_dma_alloc_coherent(nvme->dev, most, &iova, UDRV_GFP_KERNEL);
	int ret = 0;

	if (!memory)
		return -ENOMEM;
	pthread_mutex_lock(&nvme->boot_lock);
	for (size_t done = 0; done < len && !ret;) {
		const size_t piece = len - done < most ? len - done : most;

		ret = read_piece(nvme, id, iova, piece, offset + done);
		if (!ret)
			memcpy(buf + done, memory, piece);
		done += piece;
	}
	pthread_mutex_unlock(&nvme->boot_lock);
	udrv_dma_free_coherent(nvme->dev, most, memory, iova);
	return ret;
}

int udrv_nvme_boot_read(struct udrv_nvme *nvme, unsigned int id, void *buf, size_t len,
			uint64_t offset)
{
	struct udrv_nvme_boot boot;
	int ret = check_id(nvme, id);

	if (!ret)
		ret = nvme_in_callback() ? -EDEADLK : nvme_await_live(nvme);
	if (!ret)
		ret = udrv_nvme_boot_info(nvme, &boot);
	if (ret)
		return ret;
	if (!len || len % NVME_BOOT_PAGE || offset % NVME_BOOT_PAGE || offset > boot.size ||
	    len > boot.size - offset)
		return -EINVAL;
	return read_pieces(nvme, id, buf, len, offset);
}

static int commit(struct udrv_nvme *nvme, unsigned int id, uint32_t action)
{
	const int ret = check_id(nvme, id);

	return ret ? ret : nvme_commit(nvme, NVME_COMMIT_ACTION(action) | NVME_COMMIT_BPID(id));
}

int udrv_nvme_boot_replace(struct udrv_nvme *nvme, unsigned int id)
{
	return commit(nvme, id, NVME_COMMIT_BOOT_REPLACE);
}

int udrv_nvme_boot_activate(struct udrv_nvme *nvme, unsigned int id)
{
	return commit(nvme, id, NVME_COMMIT_BOOT_ACTIVATE);
}

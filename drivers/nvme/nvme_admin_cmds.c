// SPDX-License-Identifier: MIT
/* Admin commands for users: NVM Express 1.4, 5. */
#include <errno.h>
#include <string.h>

#include "nvme_ctrl.h"

#define FORMAT_TIMEOUT_MS (24u * 3600 * 1000) /* it takes what it takes */
#define LOG_MAX		  (0x1000u * 4)	      /* 5.14: NUMD has 12 bits without LPA bit 2 */

/* Those that would pull the ground from under the library. */
static bool is_own(const struct nvme_sqe *cmd)
{
	switch (cmd->opcode) {
	case NVME_ADMIN_DELETE_SQ:
	case NVME_ADMIN_CREATE_SQ:
	case NVME_ADMIN_DELETE_CQ:
	case NVME_ADMIN_CREATE_CQ:
	case NVME_ADMIN_ASYNC_EVENT:
	case NVME_ADMIN_DOORBELL_BUFFER:
		return true;
	case NVME_ADMIN_SET_FEATURES:
		return (cmd->cdw10 & 0xffu) == NVME_FEAT_QUEUES;
	default:
		return false;
	}
}

int nvme_admin_by_user(struct udrv_nvme *nvme, const struct nvme_sqe *cmd, void *buf, size_t len,
		       uint32_t *result, unsigned int timeout_ms)
{
	struct nvme_sqe sqe = *cmd;
	int ret;

	if (nvme_in_callback())
		return -EDEADLK;
	ret = nvme_await_live(nvme);
	if (ret)
		return ret;
	sqe.flags = 0;
	sqe.mptr = sqe.prp1 = sqe.prp2 = 0;
	return nvme_admin_run_for(nvme, &sqe, buf, len, result, false, timeout_ms);
}

int udrv_nvme_admin(struct udrv_nvme *nvme, const struct nvme_sqe *cmd, void *buf, size_t len,
		    uint32_t *result)
{
	/* Data both ways would need two buffers. */
	if (is_own(cmd) || NVME_OPCODE_BOTH_WAYS(cmd->opcode) || (len && !buf))
		return -EINVAL;
	if (len > nvme_max_transfer(nvme))
		return -EMSGSIZE;
	return nvme_admin_by_user(nvme, cmd, buf, len, result, nvme->options.admin_timeout_ms);
}

int udrv_nvme_identify(struct udrv_nvme *nvme, unsigned int cns, uint32_t nsid, void *buf)
{
	const struct nvme_sqe sqe = {.opcode = NVME_ADMIN_IDENTIFY, .nsid = nsid, .cdw10 = cns};

	return udrv_nvme_admin(nvme, &sqe, buf, NVME_IDENTIFY_SIZE, NULL);
}

/* 5.14: NUMD is in dwords, 0's based; longer ones and offsets are not for all controllers. */
static int get_log_piece(struct udrv_nvme *nvme, unsigned int log, uint32_t nsid, void *buf,
			 size_t len, uint64_t offset, bool keep_event)
{
	const uint32_t dwords = (uint32_t)(len / 4 - 1);
	const struct nvme_sqe sqe = {
		.opcode = NVME_ADMIN_GET_LOG_PAGE,
		.nsid = nsid,
		.cdw10 = (log & 0xffu) | (keep_event ? NVME_LOG_RAE : 0) | dwords << 16,
		.cdw11 = dwords >> 16,
		.cdw12 = (uint32_t)offset,
		.cdw13 = (uint32_t)(offset >> 32),
	};

	return udrv_nvme_admin(nvme, &sqe, buf, len, NULL);
}

int udrv_nvme_get_log(struct udrv_nvme *nvme, unsigned int log, uint32_t nsid, void *buf,
		      size_t len, bool keep_event)
{
	const bool extended = nvme_id(nvme)->lpa & NVME_LPA_EXTENDED;
	/* RAE came with 1.3; what is reserved is 0. */
	const bool can_keep = nvme->vs >= NVME_VS(1u, 3u, 0u);
	size_t most = nvme_max_transfer(nvme);
	int ret = 0;

	if (!len || len % 4)
		return -EINVAL;
	if (!extended && most > LOG_MAX)
		most = LOG_MAX;
	if (len > most && !extended)
		return -EMSGSIZE;
	for (size_t done = 0; done < len && !ret; done += most) {
		const size_t piece = len - done < most ? len - done : most;

		/* The event is kept until the last piece is read. */
		ret = get_log_piece(nvme, log, nsid, (char *)buf + done, piece, done,
				    can_keep && (keep_event || done + piece < len));
	}
	return ret;
}

int udrv_nvme_get_feature(struct udrv_nvme *nvme, uint32_t feature, uint32_t nsid, uint32_t cdw11,
			  void *buf, size_t len, uint32_t *value)
{
	const struct nvme_sqe sqe = {
		.opcode = NVME_ADMIN_GET_FEATURES, .nsid = nsid, .cdw10 = feature, .cdw11 = cdw11};

	return udrv_nvme_admin(nvme, &sqe, buf, len, value);
}

int udrv_nvme_set_feature(struct udrv_nvme *nvme, uint32_t feature, uint32_t nsid, uint32_t value,
			  bool save, uint32_t *result)
{
	const struct nvme_sqe sqe = {.opcode = NVME_ADMIN_SET_FEATURES,
				     .nsid = nsid,
				     .cdw10 = (feature & 0xffu) | (save ? NVME_FEAT_SAVE : 0),
				     .cdw11 = value};

	return udrv_nvme_admin(nvme, &sqe, NULL, 0, result);
}

static bool can_sanitize(const struct udrv_nvme *nvme, uint32_t how)
{
	const uint32_t can = nvme_id(nvme)->sanicap;

	switch (NVME_SANITIZE_ACTION(how)) {
	case NVME_SANITIZE_EXIT_FAILURE:
		return can & 7u;
	case NVME_SANITIZE_BLOCK_ERASE:
		return can & NVME_SANICAP_BLOCK_ERASE;
	case NVME_SANITIZE_OVERWRITE:
		return can & NVME_SANICAP_OVERWRITE;
	case NVME_SANITIZE_CRYPTO_ERASE:
		return can & NVME_SANICAP_CRYPTO_ERASE;
	default:
		return false;
	}
}

int udrv_nvme_sanitize(struct udrv_nvme *nvme, uint32_t how, uint32_t pattern)
{
	const struct nvme_sqe sqe = {.opcode = NVME_ADMIN_SANITIZE, .cdw10 = how, .cdw11 = pattern};
	int ret;

	if (!can_sanitize(nvme, how))
		return -EOPNOTSUPP;
	ret = udrv_nvme_admin(nvme, &sqe, NULL, 0, NULL);
	if (!ret && NVME_SANITIZE_ACTION(how) != NVME_SANITIZE_EXIT_FAILURE)
		udrv_dev_warn(nvme->dev, "a sanitize was begun: until it is over all I/O fails");
	return ret;
}

/* From now on none may come; false: there are some. */
static bool begin_format(struct udrv_nvme *nvme)
{
	bool busy;

	pthread_mutex_lock(&nvme->config_lock);
	busy = nvme->formatting;
	for (unsigned int qid = 1; qid <= NVME_QUEUES_MAX && !busy; qid++)
		busy = nvme->queues[qid];
	if (!busy)
		nvme->formatting = true;
	pthread_mutex_unlock(&nvme->config_lock);
	return !busy;
}

static void end_format(struct udrv_nvme *nvme)
{
	pthread_mutex_lock(&nvme->config_lock);
	nvme->formatting = false;
	pthread_mutex_unlock(&nvme->config_lock);
}

int udrv_nvme_format(struct udrv_nvme *nvme, uint32_t nsid, unsigned int lbaf, unsigned int ses)
{
	const struct nvme_sqe sqe = {.opcode = NVME_ADMIN_FORMAT_NVM,
				     .nsid = nsid,
				     .cdw10 = NVME_FORMAT_LBAF(lbaf) | NVME_FORMAT_SES(ses)};
	int ret;

	if (!(nvme_id(nvme)->oacs & NVME_OACS_FORMAT))
		return -EOPNOTSUPP;
	if (lbaf > 63 || ses > 2)
		return -EINVAL;
	if (nvme_in_callback())
		return -EDEADLK;
	if (!begin_format(nvme))
		return -EBUSY;
	ret = nvme_admin_by_user(nvme, &sqe, NULL, 0, NULL, FORMAT_TIMEOUT_MS);
	if (!ret)
		ret = nvme_ns_scan(nvme, false);
	end_format(nvme);
	return ret;
}

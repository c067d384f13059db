// SPDX-License-Identifier: MIT
/* Admin commands of the software NVMe controller (5): which one, and the small ones. */
#include "backend/model_nvme_dev.h"

/* 5.1: the command is gone, or it is not aborted, which bit 0 says; that is no error. */
static uint16_t do_abort(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd, uint32_t *dw0)
{
	const unsigned int sqid = cmd->cdw10 & 0xffff;
	const uint16_t cid = (uint16_t)(cmd->cdw10 >> 16);

	*dw0 = !n->switches.abort_is_lost;
	if (n->switches.abort_is_lost)
		return NVME_SC_SUCCESS;
	if (sqid >= NVME_QIDS || !n->sqs[sqid].on)
		return NVME_SC_SUCCESS;
	if (!udrv__nvme_take_held(n, sqid, cid) && (sqid || !udrv__nvme_abort_aer(n, cid)))
		return NVME_SC_SUCCESS;
	udrv__nvme_complete(n, &n->sqs[sqid], cid, NVME_SC_ABORTED, 0);
	*dw0 = 0;
	return NVME_SC_SUCCESS;
}

uint16_t udrv__nvme_admin(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd, uint32_t *dw0)
{
	/* No fused ones, and no SGL for these over PCI Express (4.4). */
	if (NVME_CMD_FUSE(cmd->flags) || NVME_CMD_PSDT(cmd->flags))
		return NVME_SC_INVALID_FIELD | NVME_ST_DNR;
	if (udrv__nvme_sanitize_refuses(n) && !udrv__nvme_sanitize_allows(cmd))
		return udrv__nvme_sanitize_refuses(n);
	switch (cmd->opcode) {
	case NVME_ADM_DELETE_SQ:
		return udrv__nvme_delete_sq(n, cmd);
	case NVME_ADM_CREATE_SQ:
		return udrv__nvme_create_sq(n, cmd);
	case NVME_ADM_GET_LOG:
		return udrv__nvme_get_log(n, cmd);
	case NVME_ADM_DELETE_CQ:
		return udrv__nvme_delete_cq(n, cmd);
	case NVME_ADM_CREATE_CQ:
		return udrv__nvme_create_cq(n, cmd);
	case NVME_ADM_IDENTIFY:
		return udrv__nvme_identify(n, cmd);
	case NVME_ADM_ABORT:
		return do_abort(n, cmd, dw0);
	case NVME_ADM_SET_FEATURES:
		return udrv__nvme_set_features(n, cmd, dw0);
	case NVME_ADM_GET_FEATURES:
		return udrv__nvme_get_features(n, cmd, dw0);
	case NVME_ADM_ASYNC_EVENT:
		return udrv__nvme_take_aer(n, cmd);
	case NVME_ADM_NS_MANAGEMENT:
		return udrv__nvme_ns_management(n, cmd, dw0);
	case NVME_ADM_NS_ATTACHMENT:
		return udrv__nvme_ns_attachment(n, cmd);
	case NVME_ADM_FW_COMMIT:
		return udrv__nvme_firmware_commit(n, cmd);
	case NVME_ADM_FW_DOWNLOAD:
		return udrv__nvme_firmware_download(n, cmd);
	case NVME_ADM_FORMAT:
		return udrv__nvme_format(n, cmd);
	case NVME_ADM_SANITIZE:
		return udrv__nvme_sanitize(n, cmd);
	case NVME_ADM_DBBUF:
		return udrv__nvme_set_shadow(n, cmd);
	default:
		return NVME_SC_INVALID_OPCODE | NVME_ST_DNR;
	}
}

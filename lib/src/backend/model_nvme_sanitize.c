// SPDX-License-Identifier: MIT
/* Sanitize (5.24, 8.15) of the software NVMe controller, and its log page (5.14.1.16.2). */
#include <errno.h>
#include <string.h>

#include "backend/model_nvme_dev.h"

#define DNR(sc)	      ((uint16_t)((sc) | NVME_ST_DNR))
#define SANACT(cdw10) ((cdw10)&7)
#define AUSE(cdw10)   ((cdw10) >> 3 & 1)
#define OWPASS(cdw10) ((cdw10) >> 4 & 15)
#define NDAS(cdw10)   ((cdw10) >> 9 & 1)
#define HALF_WAY      0x8000
#define AT_THE_END    0xffff
#define LOG_LEN	      512
#define NOT_TOLD      UINT32_MAX
#define ERASED	      (1u << 8)
#define SECONDS	      10

enum { EXIT_FAILURE_MODE = 1, BLOCK_ERASE, OVERWRITE, CRYPTO_ERASE };
/* 5.14.1.16.2, SSTAT 2:0 */
enum { NEVER, COMPLETED, IN_PROGRESS, FAILED, COMPLETED_NO_DEALLOCATE };

uint16_t udrv__nvme_sanitize_refuses(const struct udrv__nvme *n)
{
	switch (n->sanitize.state) {
	case IN_PROGRESS:
		return NVME_SC_SANITIZING;
	case FAILED:
		return DNR(NVME_SC_SANITIZE_FAILED);
	default:
		return NVME_SC_SUCCESS;
	}
}

/* 8.15.1: what an admin command may be while one is in progress or has failed. */
bool udrv__nvme_sanitize_allows(const struct udrv__nvme_cmd *cmd)
{
	switch (cmd->opcode) {
	case NVME_ADM_NS_MANAGEMENT:
	case NVME_ADM_NS_ATTACHMENT:
	case NVME_ADM_FW_COMMIT:
	case NVME_ADM_FW_DOWNLOAD:
	case NVME_ADM_FORMAT:
		return false;
	default:
		return true;
	}
}

static void finish(struct udrv__nvme *n, bool well)
{
	struct udrv__nvme_sanitize *s = &n->sanitize;

	s->state = !well ? FAILED : NDAS(s->cdw10) ? COMPLETED_NO_DEALLOCATE : COMPLETED;
	s->erased = well;
	s->writes = n->smart.writes;
	if (SANACT(s->cdw10) == OVERWRITE && well)
		s->passes = OWPASS(s->cdw10) ? OWPASS(s->cdw10) : 16;
	udrv__nvme_event(n, NVME_AER_IO_SPECIFIC, NVME_AEI_SANITIZED, NVME_LOG_SANITIZE);
}

/* 5.24: it is completed when the operation has begun. */
static uint16_t start(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	n->sanitize = (struct udrv__nvme_sanitize){.state = IN_PROGRESS, .cdw10 = cmd->cdw10};
	for (uint32_t i = 1; i <= UDRV__MODEL_NVME_NS_MAX; i++)
		if (n->ns[i].allocated)
			udrv__nvme_ns_format(&n->ns[i], n->ns[i].lbaf, n->ns[i].extended,
					     n->ns[i].pi);
	if (!n->switches.sanitize_goes_on)
		finish(n, true);
	return NVME_SC_SUCCESS;
}

uint16_t udrv__nvme_sanitize(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	struct udrv__nvme_sanitize *s = &n->sanitize;
	const unsigned int action = SANACT(cmd->cdw10);

	if (!action || action > CRYPTO_ERASE)
		return DNR(NVME_SC_INVALID_FIELD);
	if (s->state == IN_PROGRESS)
		return NVME_SC_SANITIZING;
	if (action != EXIT_FAILURE_MODE) {
		/* 8.15.3: after a restricted one that failed, restricted ones only. */
		if (s->state == FAILED && !AUSE(s->cdw10) && AUSE(cmd->cdw10))
			return DNR(NVME_SC_SANITIZE_FAILED);
		return start(n, cmd);
	}
	if (s->state == FAILED) {
		if (!AUSE(s->cdw10))
			return DNR(NVME_SC_SANITIZE_FAILED);
		s->state = NEVER;
	}
	return NVME_SC_SUCCESS;
}

static void put(unsigned char *buf, unsigned int at, unsigned int size, uint32_t val)
{
	for (unsigned int i = 0; i < size; i++)
		buf[at + i] = (unsigned char)(val >> (8 * i));
}

unsigned int udrv__nvme_sanitize_log(const struct udrv__nvme *n, unsigned char *buf)
{
	const struct udrv__nvme_sanitize *s = &n->sanitize;
	const bool erased = s->erased && s->writes == n->smart.writes;

	put(buf, 0, 2, s->state == IN_PROGRESS ? HALF_WAY : AT_THE_END);
	put(buf, 2, 2, s->state | (uint32_t)s->passes << 3 | (erased ? ERASED : 0));
	put(buf, 4, 4, s->cdw10);
	for (unsigned int at = 8; at < 32; at += 4)
		put(buf, at, 4, at < 20 ? SECONDS : NOT_TOLD);
	return LOG_LEN;
}

int udrv__model_nvme_end_sanitize(struct udrv_device *dev, bool well)
{
	struct udrv__nvme *n = udrv__nvme_of(dev);
	int ret = -EINVAL;

	udrv__nvme_lock(n);
	if (n->sanitize.state == IN_PROGRESS) {
		finish(n, well);
		ret = 0;
	}
	udrv__nvme_unlock(n);
	return ret;
}

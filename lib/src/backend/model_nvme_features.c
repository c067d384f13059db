// SPDX-License-Identifier: MIT
/* Get Features and Set Features (5.13, 5.21) of the software NVMe controller. */
#include <string.h>

#include "backend/model_nvme_dev.h"
#include "sched/clock.h"

#define DNR(sc)	 ((uint16_t)((sc) | NVME_ST_DNR))
#define FID(cdw) ((cdw)&0xff)

/* 5.13: SEL */
#define SEL_CURRENT   0
#define SEL_DEFAULT   1
#define SEL_SAVED     2
#define SEL_SUPPORTED 3
#define SET_SAVE      (1u << 31)

#define CAP_SAVEABLE   1u /* 5.13 figure 187 */
#define CAP_CHANGEABLE 4u

#define OVER_TEMPERATURE	343 /* 5.21.1.4: thresholds' default is WCTEMP */
#define THRESHOLD_TYPE(cdw11)	((cdw11) >> 20 & 3)
#define THRESHOLD_SENSOR(cdw11) ((cdw11) >> 16 & 15)
#define BEHAVIOR_LEN		512
#define COALESCING_OFF		(1u << 16) /* 5.21.1.9 CD */

struct feature {
	uint8_t id;
	bool saveable, changeable;
	uint32_t initial;
	uint32_t mask; /* of what may be set in dword 11 */
};

static const struct feature features[] = {
	{NVME_FEAT_ARBITRATION, true, true, 0, 0xffffff07},
	{NVME_FEAT_POWER, false, true, 0, 0xff},
	{NVME_FEAT_TEMPERATURE, true, true, OVER_TEMPERATURE, 0xffff},
	{NVME_FEAT_ERROR, true, true, 0, 0x1ffff},
	{NVME_FEAT_WRITE_CACHE, true, true, 1, 1},
	{NVME_FEAT_QUEUES, false, true, 0, 0xffffffff},
	{NVME_FEAT_COALESCING, true, true, 0, 0xffff},
	{NVME_FEAT_VECTOR, false, true, 0, 0x1ffff},
	{NVME_FEAT_ATOMICITY, true, true, 0, 1},
	{NVME_FEAT_ASYNC, true, true, 0, 0x7fff},
	{NVME_FEAT_TIMESTAMP, false, true, 0, 0},
	{NVME_FEAT_BEHAVIOR, false, true, 0, 0},
};

static const struct feature *find(const struct udrv__nvme *n, uint32_t id)
{
	/* Without a cache that feature is none (5.21.1.6). */
	if (id == NVME_FEAT_WRITE_CACHE && !n->config.cache)
		return NULL;
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		if (features[i].id == id)
			return &features[i];
	return NULL;
}

void udrv__nvme_features_init(struct udrv__nvme *n)
{
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		n->saved_features[features[i].id] = features[i].initial;
	n->timestamp_set_ns = udrv__now_ns();
	n->smart.temperature = 303;
	n->smart.spare = 100;
	n->smart.power_cycles = 1;
	udrv__nvme_firmware_init(n);
}

/* 5.21: a reset brings back what was saved, or the default. */
void udrv__nvme_features_reset(struct udrv__nvme *n)
{
	memcpy(n->features, n->saved_features, sizeof(n->features));
	memset(n->vectors_uncoalesced, 0, sizeof(n->vectors_uncoalesced));
	n->under_threshold = 0;
	n->retry_delays = false;
	n->sqs_granted = n->cqs_granted = n->config.queues;
}

bool udrv__nvme_cache_is_on(const struct udrv__nvme *n)
{
	return n->config.cache && n->features[NVME_FEAT_WRITE_CACHE] & 1;
}

/* 5.21.1.14 figure 290: milliseconds in 48 bits, since creation or as set. */
static uint16_t give_timestamp(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	uint64_t val = n->timestamp + (udrv__now_ns() - n->timestamp_set_ns) / 1000000;

	val = (val & 0xffffffffffff) | (uint64_t)(n->timestamp_by_host ? 1 : 0) << 49;
	return udrv__nvme_give(n, cmd, &val, sizeof(val));
}

static uint16_t take_timestamp(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	uint64_t val;
	uint16_t status = udrv__nvme_take(n, cmd, &val, sizeof(val));

	if (status)
		return status;
	n->timestamp = val & 0xffffffffffff;
	n->timestamp_set_ns = udrv__now_ns();
	n->timestamp_by_host = true;
	return NVME_SC_SUCCESS;
}

/* 5.21.1.22 figure 323: of 512 bytes the first counts. */
static uint16_t give_behavior(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	unsigned char data[BEHAVIOR_LEN] = {n->retry_delays};

	return udrv__nvme_give(n, cmd, data, sizeof(data));
}

static uint16_t take_behavior(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	unsigned char data[BEHAVIOR_LEN];
	uint16_t status = udrv__nvme_take(n, cmd, data, sizeof(data));

	if (!status && data[0] > 1)
		status = DNR(NVME_SC_INVALID_FIELD);
	if (!status)
		n->retry_delays = data[0];
	return status;
}

static bool queues_exist(const struct udrv__nvme *n)
{
	for (unsigned int i = 1; i < NVME_QIDS; i++)
		if (n->sqs[i].on || n->cqs[i].on)
			return true;
	return false;
}

static uint32_t granted(const struct udrv__nvme *n, uint32_t wanted)
{
	return wanted + 1 < n->config.queues ? wanted + 1 : n->config.queues;
}

/* 5.21.1.7: counted from 0; 65535 is none; not once there are queues. */
static uint16_t set_queues(struct udrv__nvme *n, uint32_t cdw11, uint32_t *dw0)
{
	const uint32_t sqs = cdw11 & 0xffff, cqs = cdw11 >> 16;

	if (queues_exist(n))
		return DNR(NVME_SC_SEQUENCE);
	if (sqs == 0xffff || cqs == 0xffff)
		return DNR(NVME_SC_INVALID_FIELD);
	n->sqs_granted = granted(n, sqs);
	n->cqs_granted = granted(n, cqs);
	*dw0 = (n->sqs_granted - 1) | (n->cqs_granted - 1) << 16;
	return NVME_SC_SUCCESS;
}

static uint16_t set_vector(struct udrv__nvme *n, uint32_t cdw11)
{
	const uint32_t vector = cdw11 & 0xffff;

	if (vector >= UDRV__MODEL_NVME_VECTORS)
		return DNR(NVME_SC_INVALID_FIELD);
	n->vectors_uncoalesced[vector] = cdw11 & COALESCING_OFF;
	return NVME_SC_SUCCESS;
}

/* 5.21.1.4: the composite temperature's two thresholds; there are no more sensors. */
static uint32_t *threshold(struct udrv__nvme *n, uint32_t cdw11)
{
	if (THRESHOLD_SENSOR(cdw11) && THRESHOLD_SENSOR(cdw11) != 15)
		return NULL;
	switch (THRESHOLD_TYPE(cdw11)) {
	case 0:
		return &n->features[NVME_FEAT_TEMPERATURE];
	case 1:
		return &n->under_threshold;
	default:
		return NULL;
	}
}

static uint32_t current(struct udrv__nvme *n, uint32_t id, uint32_t cdw11)
{
	switch (id) {
	case NVME_FEAT_QUEUES:
		return (n->sqs_granted - 1) | (n->cqs_granted - 1) << 16;
	case NVME_FEAT_VECTOR:
		return (cdw11 & 0xffff) |
		       (n->vectors_uncoalesced[cdw11 & 0xffff] ? COALESCING_OFF : 0);
	case NVME_FEAT_TEMPERATURE:
		return *threshold(n, cdw11);
	default:
		return n->features[id];
	}
}

uint16_t udrv__nvme_get_features(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd,
				 uint32_t *dw0)
{
	const uint32_t id = FID(cmd->cdw10), sel = cmd->cdw10 >> 8 & 7;
	const struct feature *f = find(n, id);

	if (!f || sel > SEL_SUPPORTED)
		return DNR(NVME_SC_INVALID_FIELD);
	if (id == NVME_FEAT_TEMPERATURE && !threshold(n, cmd->cdw11))
		return DNR(NVME_SC_INVALID_FIELD);
	if (id == NVME_FEAT_VECTOR && (cmd->cdw11 & 0xffff) >= UDRV__MODEL_NVME_VECTORS)
		return DNR(NVME_SC_INVALID_FIELD);
	if (sel == SEL_SUPPORTED)
		*dw0 = (f->saveable ? CAP_SAVEABLE : 0) | (f->changeable ? CAP_CHANGEABLE : 0);
	else if (id == NVME_FEAT_TIMESTAMP)
		return give_timestamp(n, cmd);
	else if (id == NVME_FEAT_BEHAVIOR)
		return give_behavior(n, cmd);
	else if (sel == SEL_CURRENT)
		*dw0 = current(n, id, cmd->cdw11);
	else
		*dw0 = sel == SEL_SAVED ? n->saved_features[id] : f->initial;
	return NVME_SC_SUCCESS;
}

/* What has no effect but to be read back, the cache's switch and the asynchronous events' mask. */
static uint16_t set_value(struct udrv__nvme *n, const struct feature *f, uint32_t cdw11)
{
	if (f->id == NVME_FEAT_POWER && cdw11 & 0x1f)
		return DNR(NVME_SC_INVALID_FIELD); /* NPSS is 0 */
	n->features[f->id] = cdw11 & f->mask;
	if (f->id == NVME_FEAT_WRITE_CACHE && !(cdw11 & 1))
		udrv__nvme_flush_all(n);
	return NVME_SC_SUCCESS;
}

static uint16_t set_threshold(struct udrv__nvme *n, uint32_t cdw11)
{
	uint32_t *at = threshold(n, cdw11);

	if (!at)
		return DNR(NVME_SC_INVALID_FIELD);
	*at = cdw11 & 0xffff;
	udrv__nvme_check_temperature(n);
	return NVME_SC_SUCCESS;
}

static uint16_t set_current(struct udrv__nvme *n, const struct feature *f,
			    const struct udrv__nvme_cmd *cmd, uint32_t *dw0)
{
	switch (f->id) {
	case NVME_FEAT_QUEUES:
		return set_queues(n, cmd->cdw11, dw0);
	case NVME_FEAT_VECTOR:
		return set_vector(n, cmd->cdw11);
	case NVME_FEAT_TEMPERATURE:
		return set_threshold(n, cmd->cdw11);
	case NVME_FEAT_TIMESTAMP:
		return take_timestamp(n, cmd);
	case NVME_FEAT_BEHAVIOR:
		return take_behavior(n, cmd);
	default:
		return set_value(n, f, cmd->cdw11);
	}
}

uint16_t udrv__nvme_set_features(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd,
				 uint32_t *dw0)
{
	const struct feature *f = find(n, FID(cmd->cdw10));
	uint16_t status;

	if (!f)
		return DNR(NVME_SC_INVALID_FIELD);
	if (cmd->cdw10 & SET_SAVE && !f->saveable)
		return DNR(NVME_SC_FEATURE_NOT_SAVEABLE);
	if (cmd->nsid && cmd->nsid != NVME_NSID_ALL && f->id != NVME_FEAT_ERROR)
		return DNR(NVME_SC_FEATURE_NOT_NS);
	status = set_current(n, f, cmd, dw0);
	if (!status && cmd->cdw10 & SET_SAVE)
		n->saved_features[f->id] = n->features[f->id];
	return status;
}

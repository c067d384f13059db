// SPDX-License-Identifier: MIT
/*
 * Asynchronous events of the software NVMe controller (5.2): told to whoever asked by a command
 * that waits; then no other of that type until the log page is read.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/model_nvme_dev.h"

static void tell(struct udrv__nvme *n)
{
	unsigned int i = 0;

	while (n->aer_count && i < n->event_count) {
		const struct udrv__nvme_event e = n->events[i];

		if (n->event_masked[e.type]) {
			i++;
			continue;
		}
		n->event_masked[e.type] = true;
		n->event_log[e.type] = e.log;
		n->event_count--;
		memmove(&n->events[i], &n->events[i + 1], (n->event_count - i) * sizeof(e));
		udrv__nvme_complete(n, &n->sqs[0], n->aers[0], NVME_SC_SUCCESS,
				    e.type | (uint32_t)e.info << 8 | (uint32_t)e.log << 16);
		n->aer_count--;
		memmove(&n->aers[0], &n->aers[1], n->aer_count * sizeof(n->aers[0]));
	}
}

/* The same event twice is told once; one that finds no place is lost. */
void udrv__nvme_event(struct udrv__nvme *n, unsigned int type, unsigned int info, unsigned int log)
{
	const struct udrv__nvme_event e = {(uint8_t)type, (uint8_t)info, (uint8_t)log};

	if (!(n->csts & NVME_CSTS_RDY))
		return;
	for (unsigned int i = 0; i < n->event_count; i++)
		if (!memcmp(&n->events[i], &e, sizeof(e)))
			return;
	if (n->event_count == NVME_EVENTS)
		return;
	n->events[n->event_count++] = e;
	tell(n);
}

uint16_t udrv__nvme_take_aer(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	if (n->aer_count == NVME_AERS)
		return NVME_SC_AER_LIMIT | NVME_ST_DNR;
	n->aers[n->aer_count++] = cmd->cid;
	tell(n);
	return NVME_LATER;
}

bool udrv__nvme_abort_aer(struct udrv__nvme *n, uint16_t cid)
{
	for (unsigned int i = 0; i < n->aer_count; i++) {
		if (n->aers[i] != cid)
			continue;
		n->aer_count--;
		memmove(&n->aers[i], &n->aers[i + 1], (n->aer_count - i) * sizeof(cid));
		return true;
	}
	return false;
}

void udrv__nvme_event_seen(struct udrv__nvme *n, unsigned int log)
{
	for (unsigned int type = 0; type < NVME_AER_TYPES; type++)
		if (n->event_log[type] == log)
			n->event_masked[type] = false;
	tell(n);
}

int udrv__model_nvme_tell(struct udrv_device *dev, unsigned int type, unsigned int info,
			  unsigned int log)
{
	struct udrv__nvme *n = udrv__nvme_of(dev);

	if (type >= NVME_AER_TYPES)
		return -EINVAL;
	udrv__nvme_lock(n);
	udrv__nvme_event(n, type, info, log);
	udrv__nvme_unlock(n);
	return 0;
}

/* 5.14.1.2: the worst of what is new is told, if the host wants to hear of it. */
static void set_warning(struct udrv__nvme *n, unsigned int bits)
{
	const unsigned int fresh = bits & ~n->smart.warning & n->features[NVME_FEAT_ASYNC] & 0xff;

	n->smart.warning = (uint8_t)bits;
	if (!fresh)
		return;
	udrv__nvme_event(n, NVME_AER_SMART,
			 fresh & NVME_WARN_TEMPERATURE ? NVME_AEI_TEMPERATURE
			 : fresh & NVME_WARN_SPARE     ? NVME_AEI_SPARE
						       : NVME_AEI_RELIABILITY,
			 NVME_LOG_SMART);
}

/* 5.21.1.4: at or beyond a threshold. */
void udrv__nvme_check_temperature(struct udrv__nvme *n)
{
	const bool hot = n->smart.temperature >= n->features[NVME_FEAT_TEMPERATURE];
	const bool cold = n->smart.temperature <= n->under_threshold;

	set_warning(n, (n->smart.warning & ~NVME_WARN_TEMPERATURE) |
			       (hot || cold ? NVME_WARN_TEMPERATURE : 0));
}

void udrv__model_nvme_set_warning(struct udrv_device *dev, uint8_t bits)
{
	struct udrv__nvme *n = udrv__nvme_of(dev);

	udrv__nvme_lock(n);
	set_warning(n, bits);
	udrv__nvme_unlock(n);
}

void udrv__model_nvme_set_temperature(struct udrv_device *dev, uint16_t kelvin)
{
	struct udrv__nvme *n = udrv__nvme_of(dev);

	udrv__nvme_lock(n);
	n->smart.temperature = kelvin;
	udrv__nvme_check_temperature(n);
	udrv__nvme_unlock(n);
}

void udrv__nvme_tell_firmware(struct udrv__nvme *n)
{
	if (n->features[NVME_FEAT_ASYNC] & NVME_ASYNC_FIRMWARE)
		udrv__nvme_event(n, NVME_AER_NOTICE, NVME_AEI_FIRMWARE, NVME_LOG_FIRMWARE);
}

void udrv__model_nvme_activate_firmware(struct udrv_device *dev, const char *revision)
{
	struct udrv__nvme *n = udrv__nvme_of(dev);

	udrv__nvme_lock(n);
	(void)snprintf(n->firmware.slots[n->firmware.active - 1], sizeof(n->firmware.slots[0]),
		       "%s", revision);
	udrv__nvme_tell_firmware(n);
	udrv__nvme_unlock(n);
}

// SPDX-License-Identifier: MIT
/* What the controller tells by itself: NVM Express 1.4, 5.2. */
#include <stdlib.h>
#include <string.h>

#include <udrv/container_of.h>

#include "nvme_ctrl.h"

static void tell(struct udrv_nvme *nvme, enum udrv_nvme_event event, uint32_t arg)
{
	pthread_mutex_lock(&nvme->listener_lock);
	if (nvme->listener)
		nvme->listener(nvme->listener_ctx, event, arg);
	pthread_mutex_unlock(&nvme->listener_lock);
}

void nvme_tell_later(struct udrv_nvme *nvme, enum udrv_nvme_event event)
{
	__atomic_fetch_or(&nvme->to_tell, 1u << event, __ATOMIC_SEQ_CST);
	(void)udrv_queue_work(nvme->event_wq, &nvme->event_work);
}

void udrv_nvme_on_event(struct udrv_nvme *nvme,
			void (*fn)(void *ctx, enum udrv_nvme_event event, uint32_t arg), void *ctx)
{
	pthread_mutex_lock(&nvme->listener_lock);
	nvme->listener = fn;
	nvme->listener_ctx = ctx;
	pthread_mutex_unlock(&nvme->listener_lock);
}

/* 5.14.1.4: reading the list clears the event; its first entry says whether it overflowed. */
static void namespaces_changed(struct udrv_nvme *nvme)
{
	uint32_t *list = calloc(NVME_NS_LIST_ENTRIES, sizeof(*list));
	const bool listed =
		list && !udrv_nvme_get_log(nvme, NVME_LOG_CHANGED_NS, NVME_NSID_ALL, list,
					   NVME_NS_LIST_ENTRIES * sizeof(*list), false);

	if (!listed || list[0] == NVME_NSID_ALL) {
		(void)nvme_ns_scan(nvme, false);
		tell(nvme, UDRV_NVME_EVENT_NS_CHANGED, 0);
	}
	for (unsigned int i = 0; listed && i < NVME_NS_LIST_ENTRIES && list[i]; i++) {
		if (list[i] > NVME_NSID_MAX)
			break;
		(void)nvme_ns_update(nvme, list[i], false);
		udrv_dev_notice(nvme->dev, "namespace %u has changed", list[i]);
		tell(nvme, UDRV_NVME_EVENT_NS_CHANGED, list[i]);
	}
	free(list);
}

static void health_changed(struct udrv_nvme *nvme)
{
	struct nvme_smart *smart = calloc(1, sizeof(*smart));

	if (smart &&
	    !udrv_nvme_get_log(nvme, NVME_LOG_SMART, NVME_NSID_ALL, smart, sizeof(*smart), false)) {
		udrv_dev_warn(nvme->dev,
			      "the controller warns of its health: critical warning 0x%02x; see "
			      "'udrv nvme smart-log'",
			      smart->critical_warning);
		tell(nvme, UDRV_NVME_EVENT_SMART, smart->critical_warning);
	}
	free(smart);
}

/* 5.14.1.1: reading the log clears the event. */
static void error_reported(struct udrv_nvme *nvme, uint32_t info)
{
	struct nvme_error_entry entry;

	udrv_dev_warn(nvme->dev,
		      "the controller reports an error (event information 0x%02x); see 'udrv nvme "
		      "error-log'",
		      info);
	(void)udrv_nvme_get_log(nvme, NVME_LOG_ERROR, NVME_NSID_ALL, &entry, sizeof(entry), false);
	tell(nvme, UDRV_NVME_EVENT_ERROR, info);
}

static void sanitized(struct udrv_nvme *nvme)
{
	struct nvme_sanitize_status log;

	if (udrv_nvme_get_log(nvme, NVME_LOG_SANITIZE, NVME_NSID_ALL, &log, sizeof(log), false))
		return;
	udrv_dev_notice(nvme->dev, "a sanitize is over: status %u; see 'udrv nvme sanitize-log'",
			NVME_SSTAT_STATE(log.sstat));
	tell(nvme, UDRV_NVME_EVENT_SANITIZED, log.sstat);
}

static void firmware_activates(struct udrv_nvme *nvme)
{
	struct nvme_firmware_slots slots;

	udrv_dev_notice(nvme->dev, "the controller begins to activate a firmware");
	(void)udrv_nvme_get_log(nvme, NVME_LOG_FIRMWARE, NVME_NSID_ALL, &slots, sizeof(slots),
				false);
	tell(nvme, UDRV_NVME_EVENT_FIRMWARE, 0);
}

/*
 * 5.2: no other one of its type comes before the log page that goes with it is read. Telemetry is
 * left to those who want it, as reading it gives it up (5.14.1.8).
 */
static void unknown(struct udrv_nvme *nvme, uint32_t dw0)
{
	const unsigned int log = NVME_AER_LOG(dw0);
	uint8_t head[512];

	udrv_dev_info(nvme->dev, "event 0x%x is not known", dw0);
	if (log && log != NVME_LOG_TELEMETRY_CTRL)
		(void)udrv_nvme_get_log(nvme, log, NVME_NSID_ALL, head, sizeof(head), false);
}

/* Of types of which none is known, one is enough. */
static void handle(struct udrv_nvme *nvme, uint32_t dw0)
{
	const uint32_t info = NVME_AER_INFO(dw0);

	switch (NVME_AER_TYPE(dw0)) {
	case NVME_AER_ERROR:
		error_reported(nvme, info);
		return;
	case NVME_AER_SMART:
		health_changed(nvme);
		return;
	case NVME_AER_NOTICE:
		if (info == NVME_AER_NS_CHANGED)
			namespaces_changed(nvme);
		else if (info == NVME_AER_FW_ACTIVATION)
			firmware_activates(nvme);
		else
			unknown(nvme, dw0);
		return;
	case NVME_AER_IO_SPECIFIC:
		if (info == NVME_AER_SANITIZED || info == NVME_AER_SANITIZED_ND)
			sanitized(nvme);
		else
			unknown(nvme, dw0);
		return;
	default:
		udrv_dev_info(nvme->dev, "event 0x%x is not known", dw0);
	}
}

/* The oldest. */
static bool next_event(struct udrv_nvme *nvme, uint32_t *dw0)
{
	bool found;

	pthread_mutex_lock(&nvme->admin_lock);
	found = nvme->event_count;
	if (found) {
		*dw0 = nvme->events[0];
		nvme->event_count--;
		memmove(nvme->events, nvme->events + 1,
			nvme->event_count * sizeof(nvme->events[0]));
	}
	pthread_mutex_unlock(&nvme->admin_lock);
	return found;
}

void nvme_event_work(struct udrv_work_struct *work)
{
	struct udrv_nvme *nvme = udrv_container_of(work, struct udrv_nvme, event_work);
	const uint32_t told = __atomic_exchange_n(&nvme->to_tell, 0, __ATOMIC_SEQ_CST);
	uint32_t dw0;

	if (told & 1u << UDRV_NVME_EVENT_RESET)
		tell(nvme, UDRV_NVME_EVENT_RESET, 0);
	if (told & 1u << UDRV_NVME_EVENT_NS_CHANGED)
		tell(nvme, UDRV_NVME_EVENT_NS_CHANGED, 0);
	if (told & 1u << UDRV_NVME_EVENT_DEAD)
		tell(nvme, UDRV_NVME_EVENT_DEAD, 0);
	while (next_event(nvme, &dw0))
		handle(nvme, dw0);
	if (!nvme_await_live(nvme))
		nvme_admin_listen(nvme);
}

/* SPDX-License-Identifier: MIT */
/* What the framework keeps of a network card that is registered. */
#ifndef UDRV_SRC_NET_STATE_H
#define UDRV_SRC_NET_STATE_H

#include <udrv/net.h>

#include "sched/adaptive.h"

struct udrv_net_state {
	bool open;
	struct udrv_net_stats closed; /* what queues that are gone had counted */
	struct udrv__adaptive waits[UDRV_NET_QUEUES_MAX];
};

/* Of an open device, before its queues go. */
void udrv__net_keep_counts(struct udrv_net_device *ndev);
/* Of all queues that there have been. */
void udrv__net_add_counts(struct udrv_net_device *ndev, struct udrv_net_stats *stats);
/* For udrv_net_rx_wait(). */
void udrv__net_waits_begin(struct udrv_net_device *ndev);

#endif

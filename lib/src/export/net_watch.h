/* SPDX-License-Identifier: MIT */
/* What becomes of network cards, told to the one who exports them. */
#ifndef UDRV_SRC_NET_WATCH_H
#define UDRV_SRC_NET_WATCH_H

#include <udrv/net.h>

struct udrv__net_watch {
	/* By who unregisters it, with changes held. It is nobody's any more when this returns. */
	void (*deleted)(void *ctx, struct udrv_net_device *ndev);
	/* udrv_netif_carrier_ok() has changed. Any thread: must be quick, and calls nothing here.
	 */
	void (*carrier)(void *ctx, struct udrv_net_device *ndev);
};

/* Nothing is registered or unregistered meanwhile. */
void udrv__net_changes_hold(void);
void udrv__net_changes_release(void);
/* Held. NULL: nobody is told, and none is being told any more. */
void udrv__net_watch_set(const struct udrv__net_watch *w, void *ctx);

#endif

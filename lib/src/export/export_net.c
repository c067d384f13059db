// SPDX-License-Identifier: MIT
/* The network cards among a daemon's exports: each is an interface. */
#include <errno.h>
#include <string.h>

#include <udrv/log.h>

#include "export/export.h"
#include "export/net_watch.h"
#include "export/tap.h"

/* -1: it is not exported. */
static int find(const struct udrv__exports *x, const struct udrv_net_device *ndev)
{
	for (int i = 0; i < UDRV__TAPS_MAX; i++)
		if (x->card[i] == ndev)
			return i;
	return -1;
}

static void stop_one(struct udrv__exports *x, int at)
{
	udrv__tap_stop(x->tap[at]);
	x->tap[at] = NULL;
	x->card[at] = NULL;
}

/* Who was told of a carrier has been before that: it goes without the watch, and comes back. */
static void deleted(void *ctx, struct udrv_net_device *ndev);
static void carrier(void *ctx, struct udrv_net_device *ndev);
static const struct udrv__net_watch watch = {deleted, carrier};

static void watch_all(struct udrv__exports *x)
{
	udrv__net_watch_set(&watch, x);
	/* What has changed before. */
	for (int i = 0; i < UDRV__TAPS_MAX; i++)
		if (x->tap[i])
			udrv__tap_carrier(x->tap[i]);
}

static void deleted(void *ctx, struct udrv_net_device *ndev)
{
	struct udrv__exports *x = ctx;
	const int at = find(x, ndev);

	if (at < 0)
		return;
	udrv__net_watch_set(NULL, NULL);
	stop_one(x, at);
	watch_all(x);
}

static void carrier(void *ctx, struct udrv_net_device *ndev)
{
	const struct udrv__exports *x = ctx;
	const int at = find(x, ndev);

	if (at >= 0)
		udrv__tap_carrier(x->tap[at]);
}

static unsigned int count_cards(void)
{
	unsigned int n = 0;

	for (struct udrv_net_device *i = udrv_net_next(NULL); i; i = udrv_net_next(i))
		n++;
	return n;
}

static int check(const struct udrv__exports *x)
{
	const unsigned int n = count_cards();
	const char *name = x->options.tap;

	if (!n) {
		udrv_dev_err(x->dev, "its driver has found no network card that could be exported; "
				     "run it without --tap");
		return -ENOENT;
	}
	if (n == 1 || (n <= UDRV__TAPS_MAX && strchr(name, '%')))
		return 0;
	udrv_dev_err(x->dev,
		     "--tap %s: there are %u network cards: a name with %%d in it, like "
		     "net%%d, is for up to %d",
		     name, n, UDRV__TAPS_MAX);
	return -EINVAL;
}

static void stop_all(struct udrv__exports *x)
{
	udrv__net_watch_set(NULL, NULL);
	for (int i = UDRV__TAPS_MAX - 1; i >= 0; i--)
		if (x->tap[i])
			stop_one(x, i);
}

static int start_each(struct udrv__exports *x)
{
	struct udrv_net_device *ndev = NULL;
	int ret = 0;

	for (int i = 0; !ret && (ndev = udrv_net_next(ndev)); i++) {
		ret = udrv__tap_start(ndev, x->options.tap, x->ended_fd, &x->tap[i]);
		if (!ret)
			x->card[i] = ndev;
	}
	if (ret) {
		stop_all(x);
		return ret;
	}
	watch_all(x);
	return 0;
}

int udrv__exports_start_taps(struct udrv__exports *x)
{
	int ret;

	udrv__net_changes_hold();
	ret = check(x);
	if (!ret)
		ret = start_each(x);
	udrv__net_changes_release();
	return ret;
}

void udrv__exports_stop_taps(struct udrv__exports *x)
{
	if (!x->options.tap)
		return;
	udrv__net_changes_hold();
	stop_all(x);
	udrv__net_changes_release();
}

// SPDX-License-Identifier: MIT
/*
 * Claims of ranges of BARs: among the users of the device in this process, and where the backend
 * arbitrates, among processes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/devres.h>
#include <udrv/pci.h>

#include "pci/device.h"
#include "stat/claims.h"

#define ALL_BARS ((1 << UDRV_PCI_STD_NUM_BARS) - 1)

#define RANGE_FMT "BAR %d [0x%llx-0x%llx]"
#define RANGE_ARGS(c)                                                                              \
	(c)->bar, (unsigned long long)(c)->offset, (unsigned long long)((c)->offset + (c)->len - 1)

static bool overlaps(const struct udrv__claim *a, const struct udrv__claim *b)
{
	return a->bar == b->bar && a->offset < b->offset + b->len && b->offset < a->offset + a->len;
}

static const struct udrv__claim *find_overlap(const struct udrv_device *dev,
					      const struct udrv__claim *claim)
{
	for (const struct udrv__claim *c = dev->claims; c; c = c->next)
		if (overlaps(c, claim))
			return c;
	return NULL;
}

/* Where the claim of exactly this range is linked, or the list ends. */
static struct udrv__claim **find_exact(struct udrv_device *dev, int bar, uint64_t offset,
				       uint64_t len)
{
	struct udrv__claim **link = &dev->claims;

	while (*link && ((*link)->bar != bar || (*link)->offset != offset || (*link)->len != len))
		link = &(*link)->next;
	return link;
}

static int explain_holder(const struct udrv_device *dev, const struct udrv__claim *claim,
			  const struct udrv__holder *holder)
{
	char pid[32] = "";

	if (holder->pid > 0)
		(void)snprintf(pid, sizeof(pid), " (pid %d)", holder->pid);
	udrv_dev_err(dev, RANGE_FMT " is claimed by %s%s", RANGE_ARGS(claim), holder->name, pid);
	return -EBUSY;
}

/* Ask the backend, which knows other processes. */
static int ask_backend(struct udrv_device *dev, const struct udrv__claim *claim)
{
	struct udrv__holder holder = {.name = "?"};
	int ret;

	if (!dev->ops->claim)
		return 0;
	ret = dev->ops->claim(dev, (unsigned int)claim->bar, claim->offset, claim->len, claim->name,
			      &holder);
	if (ret == -EBUSY)
		return explain_holder(dev, claim, &holder);
	if (ret)
		udrv_dev_err(dev, RANGE_FMT " cannot be claimed: %s", RANGE_ARGS(claim),
			     strerror(-ret));
	return ret;
}

/* Under the lock. */
static int add(struct udrv_device *dev, struct udrv__claim *claim)
{
	const struct udrv__claim *other = find_overlap(dev, claim);
	struct udrv__holder holder = {.pid = (int)getpid()};
	int ret;

	if (other) {
		(void)snprintf(holder.name, sizeof(holder.name), "%s", other->name);
		return explain_holder(dev, other, &holder);
	}
	ret = ask_backend(dev, claim);
	if (ret)
		return ret;
	claim->next = dev->claims;
	dev->claims = claim;
	udrv__claims_publish(dev);
	return 0;
}

/* Under the lock: off the list, and nobody's. */
static struct udrv__claim *take(struct udrv_device *dev, struct udrv__claim **link)
{
	struct udrv__claim *claim = *link;

	if (!claim)
		return NULL;
	*link = claim->next;
	if (dev->ops->unclaim)
		dev->ops->unclaim(dev, (unsigned int)claim->bar, claim->offset, claim->len);
	udrv__claims_publish(dev);
	return claim;
}

void udrv__claim_name(char *to, size_t size, const char *name)
{
	(void)snprintf(to, size, "%s", name && name[0] ? name : "?");
	for (; *to; to++)
		if (*to < ' ' || *to > '~')
			*to = '?';
}

static bool is_inside(const struct udrv_device *dev, int bar, uint64_t offset, uint64_t len)
{
	uint64_t bar_len = udrv_pci_resource_len(dev, bar);

	return len && offset < bar_len && len <= bar_len - offset;
}

/* The claim, or NULL; *ret is 0 or negative errno. */
static struct udrv__claim *request(struct udrv_device *dev, int bar, uint64_t offset, uint64_t len,
				   const char *name, bool managed, int *ret)
{
	struct udrv__claim *claim;

	if (!is_inside(dev, bar, offset, len)) {
		udrv_dev_err(dev, "region 0x%llx+0x%llx is not inside BAR %d",
			     (unsigned long long)offset, (unsigned long long)len, bar);
		*ret = -EINVAL;
		return NULL;
	}
	claim = calloc(1, sizeof(*claim));
	if (!claim) {
		udrv_dev_err(dev, "region 0x%llx+0x%llx of BAR %d cannot be claimed: out of memory",
			     (unsigned long long)offset, (unsigned long long)len, bar);
		*ret = -ENOMEM;
		return NULL;
	}
	claim->bar = bar;
	claim->offset = offset;
	claim->len = len;
	claim->managed = managed ? dev : NULL;
	udrv__claim_name(claim->name, sizeof(claim->name), name);

	pthread_mutex_lock(&dev->bar_lock);
	*ret = add(dev, claim);
	pthread_mutex_unlock(&dev->bar_lock);
	if (!*ret)
		return claim;
	free(claim);
	return NULL;
}

int udrv_request_region(struct udrv_device *dev, int bar, uint64_t offset, uint64_t len,
			const char *name)
{
	int ret;

	(void)request(dev, bar, offset, len, name, false, &ret);
	return ret;
}

/* It may have been given back early, by another thread at this moment. */
static void release_managed(void *data)
{
	struct udrv__claim *claim = data;
	struct udrv_device *dev = claim->managed;
	struct udrv__claim **link;

	pthread_mutex_lock(&dev->bar_lock);
	link = &dev->claims;
	while (*link && *link != claim)
		link = &(*link)->next;
	(void)take(dev, link);
	pthread_mutex_unlock(&dev->bar_lock);
	free(claim);
}

void udrv_release_region(struct udrv_device *dev, int bar, uint64_t offset, uint64_t len)
{
	struct udrv__claim *claim;
	bool theirs;

	pthread_mutex_lock(&dev->bar_lock);
	claim = take(dev, find_exact(dev, bar, offset, len));
	/* If release_managed() is being called, that frees it, once it gets the lock. */
	theirs = claim && claim->managed && udrv_devm_remove_action(dev, release_managed, claim);
	pthread_mutex_unlock(&dev->bar_lock);
	if (!theirs)
		free(claim);
}

int udrv_devm_request_region(struct udrv_device *dev, int bar, uint64_t offset, uint64_t len,
			     const char *name)
{
	int ret;
	struct udrv__claim *claim = request(dev, bar, offset, len, name, true, &ret);

	return claim ? udrv_devm_add_action_or_reset(dev, release_managed, claim) : ret;
}

void udrv__claims_release(struct udrv_device *dev)
{
	pthread_mutex_lock(&dev->bar_lock);
	while (dev->claims)
		free(take(dev, &dev->claims));
	pthread_mutex_unlock(&dev->bar_lock);
}

/* Whole BARs. As in Linux, one that is not there is claimed without more ado. */

typedef int request_fn(struct udrv_device *dev, int bar, uint64_t offset, uint64_t len,
		       const char *name);

static int request_bar(struct udrv_device *dev, int bar, const char *name, request_fn *ask)
{
	if (bar < 0 || bar >= UDRV_PCI_STD_NUM_BARS)
		return -EINVAL;
	return dev->bars[bar].len ? ask(dev, bar, 0, dev->bars[bar].len, name) : 0;
}

int udrv_pci_request_region(struct udrv_device *dev, int bar, const char *name)
{
	return request_bar(dev, bar, name, udrv_request_region);
}

void udrv_pci_release_region(struct udrv_device *dev, int bar)
{
	udrv_release_region(dev, bar, 0, udrv_pci_resource_len(dev, bar));
}

void udrv_pci_release_selected_regions(struct udrv_device *dev, int bars)
{
	for (int i = 0; i < UDRV_PCI_STD_NUM_BARS; i++)
		if (bars & 1 << i)
			udrv_pci_release_region(dev, i);
}

/* All or nothing. */
static int request_bars(struct udrv_device *dev, int bars, const char *name, request_fn *ask)
{
	for (int i = 0; i < UDRV_PCI_STD_NUM_BARS; i++) {
		int ret = bars & 1 << i ? request_bar(dev, i, name, ask) : 0;

		if (!ret)
			continue;
		udrv_pci_release_selected_regions(dev, bars & ((1 << i) - 1));
		return ret;
	}
	return 0;
}

int udrv_pci_request_selected_regions(struct udrv_device *dev, int bars, const char *name)
{
	return request_bars(dev, bars, name, udrv_request_region);
}

int udrv_pci_request_regions(struct udrv_device *dev, const char *name)
{
	return request_bars(dev, ALL_BARS, name, udrv_request_region);
}

void udrv_pci_release_regions(struct udrv_device *dev)
{
	udrv_pci_release_selected_regions(dev, ALL_BARS);
}

int udrv_pcim_request_region(struct udrv_device *dev, int bar, const char *name)
{
	return request_bar(dev, bar, name, udrv_devm_request_region);
}

int udrv_pcim_request_all_regions(struct udrv_device *dev, const char *name)
{
	return request_bars(dev, ALL_BARS, name, udrv_devm_request_region);
}

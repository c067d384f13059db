// SPDX-License-Identifier: MIT
/* Namespaces: NVM Express 1.4, 5.15.2.1, 6.1. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nvme_ctrl.h"

#define SHIFT_MIN 9u
#define SHIFT_MAX 16u /* what an export can use */

/* nsze may be anything: no block may have an address beyond 63 bits. */
static bool is_size_sane(uint64_t blocks, unsigned int shift)
{
	return blocks && blocks <= (uint64_t)INT64_MAX >> shift;
}

static void fill_format(struct udrv_nvme_ns *ns, const struct nvme_id_ns *id)
{
	const unsigned int index = NVME_FLBAS_INDEX(id->flbas);
	const struct nvme_lbaf *f = &id->lbaf[index];

	ns->block_shift = f->lbads;
	ns->metadata = f->ms;
	ns->extended = id->flbas & NVME_FLBAS_EXTENDED && f->ms;
	ns->pi_type = NVME_DPS_TYPE(id->dps);
	ns->read_only = id->nsattr & NVME_NSATTR_READ_ONLY;
}

/* Blocks of one command: the data with its metadata is what MDTS limits. */
static uint32_t most_blocks(const struct udrv_nvme *nvme, const struct udrv_nvme_ns *ns)
{
	const uint32_t block = (1u << ns->block_shift) + (ns->extended ? ns->metadata : 0u);
	const uint32_t most = nvme->max_transfer / block;

	return most < NVME_RW_BLOCKS_MAX ? most : NVME_RW_BLOCKS_MAX;
}

static bool is_same_format(const struct udrv_nvme_ns *a, const struct udrv_nvme_ns *b)
{
	return a->block_shift == b->block_shift && a->metadata == b->metadata &&
	       a->extended == b->extended && a->pi_type == b->pi_type &&
	       a->read_only == b->read_only && a->usable == b->usable &&
	       a->max_blocks == b->max_blocks && a->page_blocks == b->page_blocks;
}

/* What other threads use at the same time: the size is stored last, and is 0 if nothing fits. */
static void take_over(const struct udrv_nvme *nvme, struct udrv_nvme_ns *ns,
		      const struct nvme_id_ns *id)
{
	struct udrv_nvme_ns now = {.nsid = ns->nsid};

	fill_format(&now, id);
	if (now.block_shift < SHIFT_MIN || now.block_shift > SHIFT_MAX ||
	    !is_size_sane(id->nsze, now.block_shift)) {
		if (id->nsze)
			udrv_dev_warn(nvme->dev,
				      "namespace %u cannot be used: %llu blocks of 2^%u bytes",
				      ns->nsid, (unsigned long long)id->nsze, now.block_shift);
		__atomic_store_n(&ns->blocks, 0, __ATOMIC_RELEASE);
		ns->usable = false;
		ns->max_blocks = 0;
		ns->page_blocks = 0;
		return;
	}
	now.max_blocks = most_blocks(nvme, &now);
	now.usable = !now.metadata;
	if (now.usable) /* a page is never more than max_transfer */
		now.page_blocks = (1u << nvme->page_shift) >> now.block_shift;
	if (ns->blocks && now.block_shift != ns->block_shift)
		__atomic_store_n(&ns->blocks, 0, __ATOMIC_RELEASE);
	if (!is_same_format(ns, &now)) {
		ns->block_shift = now.block_shift;
		ns->metadata = now.metadata;
		ns->extended = now.extended;
		ns->pi_type = now.pi_type;
		ns->read_only = now.read_only;
		ns->usable = now.usable;
		ns->max_blocks = now.max_blocks;
		ns->page_blocks = now.page_blocks;
	}
	__atomic_store_n(&ns->blocks, id->nsze, __ATOMIC_RELEASE);
}

/* ns_lock. The place for a number, which may be behind the last one. */
static unsigned int place_of(const struct nvme_namespaces *all, uint32_t nsid)
{
	unsigned int i = 0;

	while (i < all->count && all->ns[i]->nsid < nsid)
		i++;
	return i;
}

/* ns_lock. Found, or made; NULL if there is no room. */
static struct udrv_nvme_ns *get_ns(struct udrv_nvme *nvme, uint32_t nsid)
{
	struct nvme_namespaces *all = &nvme->namespaces;
	const unsigned int at = place_of(all, nsid);
	struct udrv_nvme_ns *ns;

	if (at < all->count && all->ns[at]->nsid == nsid)
		return all->ns[at];
	if (all->count == NVME_NS_MAX)
		return NULL;
	ns = calloc(1, sizeof(*ns));
	if (!ns)
		return NULL;
	ns->nsid = nsid;
	memmove(&all->ns[at + 1], &all->ns[at], (all->count - at) * sizeof(all->ns[0]));
	all->ns[at] = ns;
	all->count++;
	return ns;
}

int nvme_ns_update(struct udrv_nvme *nvme, uint32_t nsid, bool own)
{
	struct nvme_id_ns *id = calloc(1, sizeof(*id));
	struct udrv_nvme_ns *ns;
	int ret;

	if (!id)
		return -ENOMEM;
	ret = nvme_admin_identify(nvme, NVME_CNS_NS, nsid, id, own);
	if (ret > 0) {
		/* It is gone, or not active: as an inactive one reads (5.15.2.1), all zeroes. */
		memset(id, 0, sizeof(*id));
		ret = 0;
	}
	pthread_mutex_lock(&nvme->ns_lock);
	if (!ret) {
		ns = get_ns(nvme, nsid);
		if (ns)
			take_over(nvme, ns, id);
		else
			ret = -ENOMEM;
	}
	pthread_mutex_unlock(&nvme->ns_lock);
	free(id);
	return ret;
}

/* Those that are not in the list, which ascends, are gone. */
static void forget_others(struct udrv_nvme *nvme, const uint32_t *list, unsigned int count)
{
	unsigned int at = 0;

	pthread_mutex_lock(&nvme->ns_lock);
	for (unsigned int i = 0; i < nvme->namespaces.count; i++) {
		struct udrv_nvme_ns *ns = nvme->namespaces.ns[i];

		while (at < count && list[at] < ns->nsid)
			at++;
		if (at == count || list[at] != ns->nsid)
			__atomic_store_n(&ns->blocks, 0, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&nvme->ns_lock);
}

/* 5.15.2.3; before 1.1 there was no such list: then all numbers are tried. */
static int list_active(struct udrv_nvme *nvme, uint32_t *list, unsigned int *count, bool own)
{
	const uint32_t nn = nvme->id->nn < NVME_NS_MAX ? nvme->id->nn : NVME_NS_MAX;
	int ret = 1;

	if (nvme->vs >= NVME_VS(1u, 1u, 0u))
		ret = nvme_admin_identify(nvme, NVME_CNS_ACTIVE_NS, 0, list, own);
	if (ret < 0)
		return ret;
	if (ret) {
		for (uint32_t i = 0; i < nn; i++)
			list[i] = i + 1;
		*count = nn;
		return 0;
	}
	*count = 0;
	/* An order that is not ascending is no list. */
	while (*count < NVME_NS_LIST_ENTRIES && list[*count] && list[*count] <= NVME_NSID_MAX &&
	       (!*count || list[*count] > list[*count - 1]))
		(*count)++;
	return 0;
}

int nvme_ns_scan(struct udrv_nvme *nvme, bool own)
{
	uint32_t *list = calloc(NVME_NS_LIST_ENTRIES, sizeof(*list));
	unsigned int count = 0;
	int ret;

	if (!list)
		return -ENOMEM;
	ret = list_active(nvme, list, &count, own);
	for (unsigned int i = 0; i < count && ret >= 0; i++)
		ret = nvme_ns_update(nvme, list[i], own);
	if (ret >= 0)
		forget_others(nvme, list, count);
	free(list);
	if (ret < 0)
		udrv_dev_err(nvme->dev, "cannot read the namespaces: %s", strerror(-ret));
	return ret;
}

void nvme_ns_free(struct udrv_nvme *nvme)
{
	for (unsigned int i = 0; i < nvme->namespaces.count; i++)
		free(nvme->namespaces.ns[i]);
	nvme->namespaces.count = 0;
}

const struct udrv_nvme_ns *udrv_nvme_ns_next(struct udrv_nvme *nvme, uint32_t nsid)
{
	const struct udrv_nvme_ns *found = NULL;

	pthread_mutex_lock(&nvme->ns_lock);
	for (unsigned int i = 0; i < nvme->namespaces.count && !found; i++) {
		const struct udrv_nvme_ns *ns = nvme->namespaces.ns[i];

		if (ns->nsid > nsid && __atomic_load_n(&ns->blocks, __ATOMIC_ACQUIRE))
			found = ns;
	}
	pthread_mutex_unlock(&nvme->ns_lock);
	return found;
}

const struct udrv_nvme_ns *udrv_nvme_ns(struct udrv_nvme *nvme, uint32_t nsid)
{
	const struct udrv_nvme_ns *ns = nsid ? udrv_nvme_ns_next(nvme, nsid - 1) : NULL;

	return ns && ns->nsid == nsid ? ns : NULL;
}

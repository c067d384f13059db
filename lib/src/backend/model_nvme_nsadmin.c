// SPDX-License-Identifier: MIT
/* Format NVM (5.23), Namespace Management (5.20) and Attachment (5.19); what tests do to
 * namespaces.
 */
#include <errno.h>
#include <string.h>

#include "backend/model_nvme_dev.h"

#define DNR(sc)		((uint16_t)((sc) | NVME_ST_DNR))
#define SEL(cdw10)	((cdw10)&15)
#define SEL_CREATE	0
#define SEL_DELETE	1
#define SEL_ATTACH	0
#define SEL_DETACH	1
#define LIST_LEN	4096
#define CONTROLLER_ID	1
#define LBAF(flbas)	((flbas)&15)
#define EXTENDED(flbas) ((flbas) >> 4 & 1)

static bool is_valid(uint32_t nsid)
{
	return nsid && nsid <= UDRV__MODEL_NVME_NS_MAX;
}

void udrv__nvme_ns_has_changed(struct udrv__nvme *n, uint32_t nsid)
{
	n->ns_changed[nsid] = true;
	if (n->features[NVME_FEAT_ASYNC] & NVME_ASYNC_NS)
		udrv__nvme_event(n, NVME_AER_NOTICE, NVME_AEI_NS_CHANGED, NVME_LOG_NS_CHANGED);
}

/* Protection information is where there is metadata. */
static bool is_format(unsigned int lbaf, unsigned int pi)
{
	return lbaf < NVME_LBAFS && pi <= 3 && (!pi || udrv__nvme_lbaf_ms(lbaf));
}

uint16_t udrv__nvme_format(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	const unsigned int lbaf = LBAF(cmd->cdw10), ses = cmd->cdw10 >> 9 & 7;
	const unsigned int pi = cmd->cdw10 >> 5 & 7;
	const bool extended = EXTENDED(cmd->cdw10);

	if (!is_valid(cmd->nsid) && cmd->nsid != NVME_NSID_ALL)
		return DNR(NVME_SC_INVALID_NS);
	if (is_valid(cmd->nsid) && !n->ns[cmd->nsid].attached)
		return DNR(NVME_SC_INVALID_FIELD);
	/* No cryptographic erase (FNA bit 2). */
	if (!is_format(lbaf, pi) || ses > 1)
		return DNR(NVME_SC_FORMAT);
	for (uint32_t i = 1; i <= UDRV__MODEL_NVME_NS_MAX; i++)
		if (n->ns[i].attached && (cmd->nsid == i || cmd->nsid == NVME_NSID_ALL))
			udrv__nvme_ns_format(&n->ns[i], lbaf, extended, pi);
	return NVME_SC_SUCCESS;
}

static uint64_t get(const unsigned char *buf, unsigned int at)
{
	uint64_t val;

	memcpy(&val, buf + at, sizeof(val));
	return val;
}

static uint32_t free_nsid(const struct udrv__nvme *n)
{
	for (uint32_t i = 1; i <= UDRV__MODEL_NVME_NS_MAX; i++)
		if (!n->ns[i].allocated)
			return i;
	return 0;
}

/* 5.20 figure 267: NSZE, NCAP, FLBAS, DPS of the Identify Namespace structure. */
static uint16_t create(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd, uint32_t *dw0)
{
	const uint32_t nsid = free_nsid(n);
	uint64_t blocks, bytes;
	unsigned int lbaf;
	uint16_t status = udrv__nvme_take(n, cmd, n->buffer, LIST_LEN);

	if (status)
		return status;
	blocks = get(n->buffer, 0);
	lbaf = LBAF(n->buffer[26]);
	if (!is_format(lbaf, n->buffer[29] & 7))
		return DNR(NVME_SC_FORMAT);
	if (!blocks)
		return DNR(NVME_SC_INVALID_FIELD);
	if (get(n->buffer, 8) != blocks)
		return DNR(NVME_SC_THIN_PROVISIONING);
	if (blocks > n->unallocated >> udrv__nvme_lbaf_shift(lbaf))
		return DNR(NVME_SC_NS_CAPACITY);
	if (!nsid)
		return DNR(NVME_SC_NS_ID_UNAVAILABLE);
	bytes = blocks << udrv__nvme_lbaf_shift(lbaf);
	if (udrv__nvme_ns_alloc(&n->ns[nsid], bytes, -1))
		return NVME_SC_NS_CAPACITY;
	udrv__nvme_ns_format(&n->ns[nsid], lbaf, EXTENDED(n->buffer[26]), n->buffer[29] & 7);
	n->ns[nsid].generation++;
	n->unallocated -= bytes;
	*dw0 = nsid;
	return NVME_SC_SUCCESS;
}

static void delete_ns(struct udrv__nvme *n, struct udrv__nvme_ns *ns)
{
	n->unallocated += ns->bytes;
	if (ns->attached)
		udrv__nvme_ns_has_changed(n, ns->nsid);
	udrv__nvme_ns_free(ns);
}

uint16_t udrv__nvme_ns_management(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd,
				  uint32_t *dw0)
{
	if (SEL(cmd->cdw10) == SEL_CREATE)
		return create(n, cmd, dw0);
	if (SEL(cmd->cdw10) != SEL_DELETE)
		return DNR(NVME_SC_INVALID_FIELD);
	if (cmd->nsid != NVME_NSID_ALL && !is_valid(cmd->nsid))
		return DNR(NVME_SC_INVALID_NS);
	if (is_valid(cmd->nsid) && !n->ns[cmd->nsid].allocated)
		return DNR(NVME_SC_INVALID_FIELD);
	for (uint32_t i = 1; i <= UDRV__MODEL_NVME_NS_MAX; i++)
		if (n->ns[i].allocated && (cmd->nsid == i || cmd->nsid == NVME_NSID_ALL))
			delete_ns(n, &n->ns[i]);
	return NVME_SC_SUCCESS;
}

/* 4.11: a list of identifiers behind their count; ours only. */
static bool is_ours(const unsigned char *list)
{
	return list[0] == 1 && !list[1] && list[2] == CONTROLLER_ID && !list[3];
}

uint16_t udrv__nvme_ns_attachment(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	const unsigned int sel = SEL(cmd->cdw10);
	struct udrv__nvme_ns *ns;
	uint16_t status;

	if (sel > SEL_DETACH)
		return DNR(NVME_SC_INVALID_FIELD);
	if (!is_valid(cmd->nsid))
		return DNR(NVME_SC_INVALID_NS);
	ns = &n->ns[cmd->nsid];
	if (!ns->allocated)
		return DNR(NVME_SC_INVALID_FIELD);
	status = udrv__nvme_take(n, cmd, n->buffer, LIST_LEN);
	if (status)
		return status;
	if (!is_ours(n->buffer))
		return DNR(NVME_SC_CONTROLLER_LIST);
	if (ns->attached == (sel == SEL_ATTACH))
		return DNR(ns->attached ? NVME_SC_NS_ATTACHED : NVME_SC_NS_NOT_ATTACHED);
	ns->attached = sel == SEL_ATTACH;
	udrv__nvme_ns_has_changed(n, cmd->nsid);
	return NVME_SC_SUCCESS;
}

int udrv__model_nvme_resize(struct udrv_device *dev, uint32_t nsid, uint64_t blocks)
{
	struct udrv__nvme *n = udrv__nvme_of(dev);
	int ret = -EINVAL;

	udrv__nvme_lock(n);
	if (is_valid(nsid) && n->ns[nsid].allocated && blocks &&
	    blocks <= n->ns[nsid].bytes >> n->ns[nsid].lba_shift) {
		n->ns[nsid].blocks = blocks;
		udrv__nvme_ns_has_changed(n, nsid);
		ret = 0;
	}
	udrv__nvme_unlock(n);
	return ret;
}

int udrv__model_nvme_attach(struct udrv_device *dev, uint32_t nsid, bool attached)
{
	struct udrv__nvme *n = udrv__nvme_of(dev);
	int ret = -EINVAL;

	udrv__nvme_lock(n);
	if (is_valid(nsid) && n->ns[nsid].allocated) {
		n->ns[nsid].attached = attached;
		udrv__nvme_ns_has_changed(n, nsid);
		ret = 0;
	}
	udrv__nvme_unlock(n);
	return ret;
}

int udrv__model_nvme_replace(struct udrv_device *dev, uint32_t nsid)
{
	struct udrv__nvme *n = udrv__nvme_of(dev);
	int ret = -EINVAL;

	udrv__nvme_lock(n);
	if (is_valid(nsid) && n->ns[nsid].allocated) {
		n->ns[nsid].generation++;
		udrv__nvme_ns_has_changed(n, nsid);
		ret = 0;
	}
	udrv__nvme_unlock(n);
	return ret;
}

int udrv__model_nvme_spoil(struct udrv_device *dev, uint32_t nsid, uint64_t lba, uint32_t offset)
{
	struct udrv__nvme *n = udrv__nvme_of(dev);
	int ret = -EINVAL;

	udrv__nvme_lock(n);
	if (is_valid(nsid) && n->ns[nsid].allocated && lba < n->ns[nsid].blocks) {
		const struct udrv__nvme_ns *ns = &n->ns[nsid];
		const uint32_t block = 1u << ns->lba_shift;

		if (offset < block)
			ns->data[(lba << ns->lba_shift) + offset] ^= 1;
		else if (offset < block + ns->ms)
			ns->meta[lba * ns->ms + offset - block] ^= 1;
		ret = offset < block + ns->ms ? 0 : -EINVAL;
	}
	udrv__nvme_unlock(n);
	return ret;
}

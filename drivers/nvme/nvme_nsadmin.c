// SPDX-License-Identifier: MIT
/* Making, deleting, attaching and detaching namespaces: NVM Express 1.4, 5.19 and 5.20. */
#include <errno.h>
#include <stdlib.h>

#include "nvme_ctrl.h"

#define CREATE_TIMEOUT_MS 120000u /* it may have to zero it */

static int has_management(const struct udrv_nvme *nvme)
{
	return nvme_id(nvme)->oacs & NVME_OACS_NS_MANAGEMENT ? 0 : -EOPNOTSUPP;
}

/* Not every controller tells the host that did it. */
static void look_again(struct udrv_nvme *nvme, uint32_t nsid)
{
	if (nsid == NVME_NSID_ALL)
		(void)nvme_ns_scan(nvme, false);
	else
		(void)nvme_ns_update(nvme, nsid, false);
	nvme_tell_later(nvme, UDRV_NVME_EVENT_NS_CHANGED);
}

static int manage(struct udrv_nvme *nvme, uint32_t nsid, uint32_t what, void *buf, size_t len,
		  uint32_t *result)
{
	const struct nvme_sqe sqe = {
		.opcode = NVME_ADMIN_NS_MANAGEMENT, .nsid = nsid, .cdw10 = what};
	const unsigned int timeout_ms = nvme->options.admin_timeout_ms;
	const int ret = has_management(nvme);

	if (ret)
		return ret;
	return nvme_admin_by_user(nvme, &sqe, buf, len, result,
				  timeout_ms < CREATE_TIMEOUT_MS ? CREATE_TIMEOUT_MS : timeout_ms);
}

int udrv_nvme_ns_create(struct udrv_nvme *nvme, const struct nvme_id_ns *wanted, uint32_t *nsid_out)
{
	struct nvme_id_ns *page = calloc(1, sizeof(*page));
	uint32_t nsid = 0;
	int ret = -ENOMEM;

	if (page) {
		*page = *wanted;
		ret = manage(nvme, 0, NVME_NS_CREATE, page, sizeof(*page), &nsid);
	}
	free(page);
	if (ret)
		return ret;
	if (!nsid || nsid > NVME_NSID_MAX) {
		udrv_dev_err(nvme->dev, "it made a namespace and calls it 0x%x", nsid);
		return -EPROTO;
	}
	*nsid_out = nsid;
	return 0;
}

int udrv_nvme_ns_delete(struct udrv_nvme *nvme, uint32_t nsid)
{
	const int ret = manage(nvme, nsid, NVME_NS_DELETE, NULL, 0, NULL);

	if (!ret)
		look_again(nvme, nsid);
	return ret;
}

int udrv_nvme_ns_attach(struct udrv_nvme *nvme, uint32_t nsid, const uint16_t *controllers,
			unsigned int count, bool attach)
{
	const struct nvme_sqe sqe = {.opcode = NVME_ADMIN_NS_ATTACHMENT,
				     .nsid = nsid,
				     .cdw10 = attach ? NVME_NS_ATTACH : NVME_NS_DETACH};
	struct nvme_ctrl_list *list;
	int ret = has_management(nvme);

	if (ret)
		return ret;
	if (!count || count > NVME_CTRL_LIST_MAX)
		return -EINVAL;
	list = calloc(1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	list->count = (uint16_t)count;
	for (unsigned int i = 0; i < count; i++)
		list->id[i] = controllers[i];
	ret = udrv_nvme_admin(nvme, &sqe, list, sizeof(*list), NULL);
	free(list);
	if (!ret)
		look_again(nvme, nsid);
	return ret;
}

// SPDX-License-Identifier: MIT
/* The disks of a controller: which there are, and what becomes of them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <udrv/device.h>

#include "nvme_disk.h"

/* Without the blanks behind. */
static void copy_text(char *to, size_t size, const char *from, size_t len)
{
	while (len && (from[len - 1] == ' ' || !from[len - 1]))
		len--;
	if (len >= size)
		len = size - 1;
	for (size_t i = 0; i < len; i++) {
		to[i] = '_';
		if (from[i] > ' ' && from[i] < 0x7f)
			to[i] = from[i];
	}
	to[len] = '\0';
}

static void fill_disk(struct nvme_disk *disk, struct nvme_driver *driver,
		      const struct udrv_nvme_ns *ns, const struct nvme_disks_common *c,
		      const struct nvme_id_ns *id)
{
	const struct nvme_id_ctrl *ctrl = udrv_nvme_id_ctrl(driver->nvme);
	struct udrv_block *block = &disk->block;

	disk->driver = driver;
	disk->ns = ns;
	block->dev = udrv_nvme_device(driver->nvme);
	block->ops = &nvme_disk_ops;
	block->driver = disk;
	(void)snprintf(block->name, sizeof(block->name), "nvme-n%u", ns->nsid);
	copy_text(block->serial, sizeof(block->serial), ctrl->sn, sizeof(ctrl->sn));
	nvme_disk_fill_limits(disk, c, ctrl, id);
}

/* 0, negative errno, or positive: that one cannot be a disk. */
static int add_disk(struct nvme_driver *driver, const struct udrv_nvme_ns *ns,
		    const struct nvme_disks_common *c)
{
	struct nvme_disk *disk = calloc(1, sizeof(*disk));
	struct nvme_id_ns *id = calloc(1, sizeof(*id));
	int ret = -ENOMEM;

	if (disk && id)
		ret = udrv_nvme_identify(driver->nvme, NVME_CNS_NS, ns->nsid, id);
	if (!ret) {
		fill_disk(disk, driver, ns, c, id);
		ret = udrv_block_add(&disk->block);
		if (ret == -EINVAL) /* it has said why */
			ret = 1;
	}
	free(id);
	if (ret) {
		free(disk);
		return ret;
	}
	disk->next = driver->disks;
	driver->disks = disk;
	return 0;
}

/* Why a namespace cannot be a disk, or NULL. */
static const char *what_is_wrong(const struct udrv_nvme_ns *ns)
{
	if (!ns->usable)
		return "it has metadata";
	if (!ns->max_blocks)
		return "one of its blocks is more than the controller transfers at once";
	return NULL;
}

static int add_or_skip(struct nvme_driver *driver, const struct udrv_nvme_ns *ns,
		       const struct nvme_disks_common *c)
{
	const char *wrong = what_is_wrong(ns);

	if (!wrong) {
		const int ret = add_disk(driver, ns, c);

		if (ret <= 0)
			return ret;
		wrong = "what the controller says of it makes no sense";
	}
	udrv_dev_notice(udrv_nvme_device(driver->nvme), "namespace %u is no block device: %s",
			ns->nsid, wrong);
	return 0;
}

static unsigned int count_usable(struct nvme_driver *driver)
{
	const struct udrv_nvme_ns *ns = NULL;
	unsigned int count = 0;

	while ((ns = udrv_nvme_ns_next(driver->nvme, ns ? ns->nsid : 0)))
		count += !what_is_wrong(ns);
	return count;
}

/* 0, also if it does not tell; negative errno. */
static int ask_command_set(struct nvme_driver *driver, struct nvme_disks_common *c)
{
	int ret;

	if (c->info.vs < NVME_VS(2u, 0u, 0u) && !(NVME_CAP_CSS(c->info.cap) & NVME_CAP_CSS_SETS))
		return 0;
	c->nvm = calloc(1, sizeof(*c->nvm));
	if (!c->nvm)
		return -ENOMEM;
	ret = udrv_nvme_identify(driver->nvme, NVME_CNS_COMMAND_SET, 0, c->nvm);
	if (ret) {
		free(c->nvm);
		c->nvm = NULL;
	}
	return ret < 0 ? ret : 0;
}

int nvme_disks_add(struct nvme_driver *driver)
{
	const unsigned int count = count_usable(driver);
	const struct udrv_nvme_ns *ns = NULL;
	struct nvme_disks_common c = {0};
	int ret;

	udrv_nvme_get_info(driver->nvme, &c.info);
	/*
	 * They share half of the queues; the others are for verbs. With fewer queues than disks not
	 * all can be open at once.
	 */
	c.queues = count && c.info.queues / 2 / count ? c.info.queues / 2 / count : 1;
	ret = ask_command_set(driver, &c);
	while (!ret && (ns = udrv_nvme_ns_next(driver->nvme, ns ? ns->nsid : 0)))
		ret = add_or_skip(driver, ns, &c);
	free(c.nvm);
	if (ret)
		nvme_disks_del(driver);
	return ret;
}

static void check_disk(struct nvme_disk *disk)
{
	struct udrv_device *dev = disk->block.dev;
	const uint64_t size = disk->block.limits.size >> disk->ns->block_shift;
	const uint64_t blocks = __atomic_load_n(&disk->ns->blocks, __ATOMIC_ACQUIRE);

	if (__atomic_exchange_n(&disk->blocks, blocks, __ATOMIC_SEQ_CST) == blocks)
		return;
	if (!blocks)
		udrv_dev_err(
			dev,
			"disk %s is gone: its namespace was deleted, detached or formatted, or is "
			"another one now; its I/O fails: end what uses it, then this daemon",
			disk->block.name);
	else if (blocks < size)
		udrv_dev_err(
			dev,
			"disk %s was made smaller: %llu of %llu blocks; I/O behind its end fails: "
			"end what uses it, then start this daemon again",
			disk->block.name, (unsigned long long)blocks, (unsigned long long)size);
	else if (blocks > size)
		udrv_dev_notice(
			dev,
			"disk %s has %llu blocks now and goes on with %llu: to use all of it, "
			"start this daemon again",
			disk->block.name, (unsigned long long)blocks, (unsigned long long)size);
	else
		udrv_dev_notice(dev, "disk %s is there again as it was", disk->block.name);
}

void nvme_disks_check(struct nvme_driver *driver)
{
	for (struct nvme_disk *disk = driver->disks; disk; disk = disk->next)
		check_disk(disk);
}

void nvme_disks_look_for_new(struct nvme_driver *driver, uint32_t nsid)
{
	const struct udrv_nvme_ns *ns = udrv_nvme_ns(driver->nvme, nsid);

	if (!ns || what_is_wrong(ns))
		return;
	for (struct nvme_disk *disk = driver->disks; disk; disk = disk->next)
		if (disk->ns == ns)
			return;
	udrv_dev_notice(udrv_nvme_device(driver->nvme),
			"namespace %u is new: it becomes a disk when this daemon is started again",
			nsid);
}

void nvme_disks_del(struct nvme_driver *driver)
{
	struct nvme_disk *disk;

	while ((disk = driver->disks)) {
		driver->disks = disk->next;
		udrv_block_del(&disk->block);
		free(disk);
	}
}

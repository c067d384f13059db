// SPDX-License-Identifier: MIT
/* The disks of a controller: which there are, and what becomes of them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/device.h>

#include "nvme_disk.h"

_Static_assert(sizeof(((struct udrv_block *)NULL)->id) == UDRV_NVME_NS_ID_MAX, "the text fits");

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
	disk->holders = 1;
	block->dev = udrv_nvme_device(driver->nvme);
	block->ops = &nvme_disk_ops;
	block->driver = disk;
	(void)snprintf(block->name, sizeof(block->name), "nvme-n%u", ns->nsid);
	copy_text(block->serial, sizeof(block->serial), ctrl->sn, sizeof(ctrl->sn));
	udrv_nvme_ns_id(ns, block->id);
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
		ret = disk->blocks ? udrv_block_add(&disk->block) : 1;
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

void nvme_disk_put(struct nvme_disk *disk)
{
	if (!__atomic_sub_fetch(&disk->holders, 1, __ATOMIC_ACQ_REL))
		free(disk);
}

/* Who has a queue of it open keeps the memory. */
static void del_disk(struct nvme_disk **link)
{
	struct nvme_disk *disk = *link;

	*link = disk->next;
	udrv_block_del(&disk->block);
	nvme_disk_put(disk);
}

static bool is_disk(const struct nvme_driver *driver, const struct udrv_nvme_ns *ns)
{
	const struct nvme_disk *disk = driver->disks;

	while (disk && disk->ns != ns)
		disk = disk->next;
	return disk;
}

/* Why a namespace cannot be a disk, or NULL. */
static const char *what_is_wrong(const struct udrv_nvme_ns *ns)
{
	if (!ns->usable)
		return "it has metadata that the controller does not keep to itself";
	if (!udrv_nvme_ns_max_blocks(ns))
		return "one of its blocks is more than the controller transfers at once";
	return NULL;
}

struct nvme_skipped {
	const struct udrv_nvme_ns *ns;
	struct nvme_skipped *next;
};

/* Once of each. */
static void say_skipped(struct nvme_driver *driver, const struct udrv_nvme_ns *ns, const char *why)
{
	struct nvme_skipped *s = driver->skipped;

	while (s && s->ns != ns)
		s = s->next;
	if (s)
		return;
	udrv_dev_notice(udrv_nvme_device(driver->nvme), "namespace %u is no block device: %s",
			ns->nsid, why);
	s = malloc(sizeof(*s));
	if (!s)
		return;
	*s = (struct nvme_skipped){ns, driver->skipped};
	driver->skipped = s;
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
	say_skipped(driver, ns, wrong);
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

/* Those that are none yet. */
static int add_new(struct nvme_driver *driver)
{
	const unsigned int count = count_usable(driver);
	const struct udrv_nvme_ns *ns = NULL;
	struct nvme_disks_common c = {0};
	int ret;

	udrv_nvme_get_info(driver->nvme, &c.info);
	/*
	 * As many for each, and for verbs and disks that come later. With fewer queues than disks
	 * not all can be open at once.
	 */
	c.queues = c.info.queues / (count + 1) ? c.info.queues / (count + 1) : 1;
	ret = ask_command_set(driver, &c);
	while (!ret && (ns = udrv_nvme_ns_next(driver->nvme, ns ? ns->nsid : 0)))
		if (!is_disk(driver, ns))
			ret = add_or_skip(driver, ns, &c);
	free(c.nvm);
	return ret;
}

int nvme_disks_add(struct nvme_driver *driver)
{
	const int ret = add_new(driver);

	if (ret)
		nvme_disks_del(driver);
	return ret;
}

static void say_size(const struct nvme_disk *disk, uint64_t blocks)
{
	const unsigned long long is = blocks, was = disk->blocks;

	if (blocks > disk->blocks)
		udrv_dev_notice(disk->block.dev, "disk %s has grown from %llu to %llu blocks",
				disk->block.name, was, is);
	else
		udrv_dev_warn(disk->block.dev,
			      "disk %s was made smaller, from %llu to %llu blocks: I/O behind its "
			      "end fails",
			      disk->block.name, was, is);
}

/* False: it is gone. */
static bool follow_size(struct nvme_disk *disk)
{
	const uint64_t blocks = udrv_nvme_ns_blocks(disk->ns);

	if (blocks && blocks != disk->blocks) {
		say_size(disk, blocks);
		disk->blocks = blocks;
		(void)udrv_block_resize(&disk->block, blocks << disk->ns->block_shift);
	}
	return blocks;
}

static void follow_known(struct nvme_driver *driver)
{
	struct nvme_disk **link = &driver->disks;

	while (*link) {
		if (follow_size(*link)) {
			link = &(*link)->next;
			continue;
		}
		udrv_dev_warn(
			(*link)->block.dev,
			"disk %s is gone: its namespace was deleted, detached or formatted, or "
			"made way for another",
			(*link)->block.name);
		del_disk(link);
	}
}

void nvme_disks_follow(struct nvme_driver *driver)
{
	int ret;

	pthread_mutex_lock(&driver->disks_lock);
	follow_known(driver);
	ret = add_new(driver);
	pthread_mutex_unlock(&driver->disks_lock);
	if (ret)
		udrv_dev_err(udrv_nvme_device(driver->nvme),
			     "a namespace did not become a disk: %s; it may when this daemon is "
			     "started again",
			     strerror(-ret));
}

void nvme_disks_del(struct nvme_driver *driver)
{
	struct nvme_skipped *s;

	while (driver->disks)
		del_disk(&driver->disks);
	while ((s = driver->skipped)) {
		driver->skipped = s->next;
		free(s);
	}
}

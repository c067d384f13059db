// SPDX-License-Identifier: MIT
/*
 * The program udrv-ramdisk: a driver of QEMU's edu, or model:edu, that leaves the device alone and
 * offers a disk in memory, for what exports block devices: udrv run ramdisk DEVICE size=64M ...
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/driver.h>
#include <udrv/log.h>
#include <udrv/pci.h>

#include "support/ramdisk.h"

static const struct udrv_pci_device_id ids[] = {
	{UDRV_PCI_DEVICE(0x1234, 0x11e8)},
	{0},
};

static const char *size_param = "64M", *block_param = "512", *transfer_param = "256K",
		  *queues_param = "4", *depth_param = "128", *latency_param = "0", *file_param = "",
		  *cache_param = "off", *fua_param = "off", *read_only_param = "off",
		  *discard_param = "on", *event_param = "on", *dma_param = "on", *fail_param = "0",
		  *gone_param = "0", *name_param = "ram", *disks_param = "1";

static const struct udrv_param params[] = {
	{"size", &size_param, "bytes, or with K, M or G"},
	{"block_size", &block_param, "logical blocks, bytes"},
	{"max_transfer", &transfer_param, "bytes"},
	{"queues", &queues_param, "number"},
	{"depth", &depth_param, "of each queue"},
	{"latency_us", &latency_param, "of each request; 0: without a thread"},
	{"file", &file_param, "what keeps the data"},
	{"cache", &cache_param, "on: it keeps them after a flush only"},
	{"fua", &fua_param, "on or off"},
	{"read_only", &read_only_param, "on or off"},
	{"discard", &discard_param, "on or off, zeroes too"},
	{"event", &event_param, "on, or off: there is no eventfd"},
	{"dma", &dma_param, "buffers are on: DMA memory of the device, or off: any"},
	{"fail_every", &fail_param, "each so manieth request fails"},
	{"gone_after", &gone_param, "from that request on the device is gone"},
	{"name", &name_param, "of the block device"},
	{"disks", &disks_param,
	 "so many, up to 9: NAME, NAME-2 and so on; only the first has file"},
	{NULL, NULL, NULL},
};

static uint64_t number(struct udrv_device *dev, const char *text, int *err)
{
	char *end;
	uint64_t n = strtoull(text, &end, 10);
	const char *unit = *end ? strchr("KMG", *end) : NULL;

	if (end == text || (*end && (!unit || end[1]))) {
		udrv_dev_err(dev, "'%s' is not a number", text);
		*err = -EINVAL;
	}
	return unit ? n << (*unit == 'K' ? 10 : *unit == 'M' ? 20 : 30) : n;
}

static bool is_on(struct udrv_device *dev, const char *text, int *err)
{
	if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0) {
		udrv_dev_err(dev, "'%s' is neither on nor off", text);
		*err = -EINVAL;
	}
	return !strcmp(text, "on");
}

#define DISKS_MAX 9

struct disks {
	unsigned int count;
	struct ramdisk disk[DISKS_MAX];
};

static void free_disks(struct disks *d)
{
	while (d->count) {
		struct ramdisk *disk = &d->disk[--d->count];

		udrv_block_del(&disk->block);
		ramdisk_free(disk);
	}
	free(d);
}

static int add_disk(struct disks *d, struct udrv_device *memory_of, struct ramdisk_options o)
{
	struct ramdisk *disk = &d->disk[d->count];
	char name[32];
	int ret;

	(void)snprintf(name, sizeof(name), d->count ? "%s-%u" : "%s", name_param, d->count + 1);
	o.file = d->count ? NULL : o.file;
	ret = ramdisk_init(disk, memory_of, name, &o);
	if (ret)
		return ret;
	ret = udrv_block_add(&disk->block);
	if (ret)
		ramdisk_free(disk);
	else
		d->count++;
	return ret;
}

static int probe(struct udrv_device *dev, const struct udrv_pci_device_id *id)
{
	int ret = 0;
	const struct ramdisk_options o = {
		.size = number(dev, size_param, &ret),
		.block_size = (uint32_t)number(dev, block_param, &ret),
		.max_transfer = (uint32_t)number(dev, transfer_param, &ret),
		.queues = (unsigned int)number(dev, queues_param, &ret),
		.depth = (unsigned int)number(dev, depth_param, &ret),
		.latency_us = (unsigned int)number(dev, latency_param, &ret),
		.file = *file_param ? file_param : NULL,
		.cache = is_on(dev, cache_param, &ret),
		.fua = is_on(dev, fua_param, &ret),
		.read_only = is_on(dev, read_only_param, &ret),
		.no_discard = !is_on(dev, discard_param, &ret),
		.no_event = !is_on(dev, event_param, &ret),
		.fail_every = (unsigned int)number(dev, fail_param, &ret),
		.gone_after = (unsigned int)number(dev, gone_param, &ret),
	};
	struct udrv_device *memory_of = is_on(dev, dma_param, &ret) ? dev : NULL;
	uint64_t count = number(dev, disks_param, &ret);
	struct disks *d = ret ? NULL : calloc(1, sizeof(*d));

	(void)id;
	if (!d)
		return ret ? ret : -ENOMEM;
	while (!ret && d->count < count && d->count < DISKS_MAX)
		ret = add_disk(d, memory_of, o);
	if (ret)
		free_disks(d);
	else
		udrv_pci_set_drvdata(dev, d);
	return ret;
}

static void remove_disks(struct udrv_device *dev)
{
	free_disks(udrv_pci_get_drvdata(dev));
}

/* As if it had been pulled out. */
static int verb_pull(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	(void)argc;
	(void)argv;
	(void)out;
	(void)err;
	udrv_device_set_gone(dev);
	return 0;
}

static int verb_shrink(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	struct disks *d = udrv_pci_get_drvdata(dev);
	struct udrv_block *block = &d->disk[0].block;

	(void)argc;
	(void)argv;
	(void)out;
	(void)err;
	return udrv_block_resize(block, block->limits.size / 2);
}

static const struct udrv_verb verbs[] = {
	{"pull", NULL, "the device is gone", verb_pull, 0},
	{"shrink", NULL, "the first disk has half its size", verb_shrink, 0},
	{NULL, NULL, NULL, NULL, 0},
};

const struct udrv_driver ramdisk_driver = {
	.name = "ramdisk",
	.description = "a disk in memory, for tests",
	.id_table = ids,
	.probe = probe,
	.remove = remove_disks,
	.verbs = verbs,
	.params = params,
};

UDRV_DRIVER_MAIN(ramdisk_driver)

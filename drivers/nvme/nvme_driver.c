// SPDX-License-Identifier: MIT
/* The driver udrv-nvme: probe and remove, and what its parameters say. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/pci.h>

#include "nvme_driver.h"
#include "nvme_verbs.h"

static const struct udrv_pci_device_id nvme_ids[] = {
	{UDRV_PCI_ANY_ID, UDRV_PCI_ANY_ID, UDRV_PCI_ANY_ID, UDRV_PCI_ANY_ID, NVME_CLASS_CODE,
	 0xffffff, 0},
	{0},
};

static const char *queues_param = "0";
static const char *timeout_param = "30000";
static const char *completion_param = "adaptive";
static const char *shadow_param = "on";
static const char *cmb_param = "off";
static const char *arbitration_param = "rr";

static const struct udrv_param nvme_params[] = {
	{"queues", &queues_param,
	 "most I/O queue pairs; 0: one a CPU for each namespace, and one more"},
	{"io_timeout_ms", &timeout_param, "a command that takes longer is aborted; 0: 30000"},
	{"completion", &completion_param, "how disks wait: adaptive, interrupt or polled"},
	{"shadow_doorbells", &shadow_param, "on or off"},
	{"arbitration", &arbitration_param, "between queues: rr or weighted"},
	{"cmb", &cmb_param, "submission queues in the controller's memory: on or off"},
	{NULL, NULL, NULL},
};

static int parse_number(struct udrv_device *dev, const char *name, const char *text,
			unsigned int max, unsigned int *value)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || n > max) {
		udrv_dev_err(dev, "%s=%s: a number from 0 to %u is wanted", name, text, max);
		return -EINVAL;
	}
	*value = (unsigned int)n;
	return 0;
}

/* One of the words: its index, or -EINVAL. */
static int parse_word(struct udrv_device *dev, const char *name, const char *text,
		      const char *const *words, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		if (!strcmp(text, words[i]))
			return (int)i;
	udrv_dev_err(dev, "%s=%s: no such value; see 'udrv-nvme run --help'", name, text);
	return -EINVAL;
}

static int parse(struct udrv_device *dev, struct udrv_nvme_options *o,
		 enum udrv_nvme_completion *completion)
{
	static const char *const completions[] = {"interrupt", "polled", "adaptive"};
	static const char *const switches[] = {"off", "on"};
	static const char *const arbitrations[] = {"rr", "weighted"};
	int how = parse_word(dev, "completion", completion_param, completions, 3);
	int shadow = parse_word(dev, "shadow_doorbells", shadow_param, switches, 2);
	int weighted = parse_word(dev, "arbitration", arbitration_param, arbitrations, 2);
	int cmb = parse_word(dev, "cmb", cmb_param, switches, 2);
	int ret = parse_number(dev, "queues", queues_param, 65535, &o->queues);

	if (!ret)
		ret = parse_number(dev, "io_timeout_ms", timeout_param, 3600000, &o->io_timeout_ms);
	if (ret || how < 0 || shadow < 0 || cmb < 0 || weighted < 0)
		return -EINVAL;
	*completion = (enum udrv_nvme_completion)how;
	o->no_shadow_doorbells = !shadow;
	o->cmb = cmb;
	o->weighted = weighted;
	return 0;
}

static void on_event(void *ctx, enum udrv_nvme_event event, uint32_t arg)
{
	struct nvme_driver *driver = ctx;

	(void)arg;
	if (event == UDRV_NVME_EVENT_NS_CHANGED || event == UDRV_NVME_EVENT_RESET)
		nvme_disks_follow(driver);
	if (event == UDRV_NVME_EVENT_DEAD && !udrv_device_gone(udrv_nvme_device(driver->nvme)))
		udrv_dev_err(udrv_nvme_device(driver->nvme),
			     "the controller was given up: the I/O of its disks fails until this "
			     "daemon is started again");
}

static int nvme_probe(struct udrv_device *dev, const struct udrv_pci_device_id *id)
{
	struct nvme_driver *driver = calloc(1, sizeof(*driver));
	struct udrv_nvme_options options = {0};
	int ret;

	(void)id;
	if (!driver)
		return -ENOMEM;
	pthread_mutex_init(&driver->disks_lock, NULL);
	ret = parse(dev, &options, &driver->completion);
	if (ret)
		goto err_free;
	ret = udrv_nvme_attach(dev, &options, &driver->nvme);
	if (ret)
		goto err_free;
	ret = nvme_disks_add(driver);
	if (ret)
		goto err_detach;
	udrv_pci_set_drvdata(dev, driver);
	udrv_nvme_on_event(driver->nvme, on_event, driver);
	nvme_disks_follow(driver); /* what was not told yet */
	return 0;

err_detach:
	udrv_nvme_detach(driver->nvme);
err_free:
	pthread_mutex_destroy(&driver->disks_lock);
	free(driver);
	return ret;
}

static void nvme_remove(struct udrv_device *dev)
{
	struct nvme_driver *driver = udrv_pci_get_drvdata(dev);

	udrv_pci_set_drvdata(dev, NULL);
	udrv_nvme_on_event(driver->nvme, NULL, NULL);
	nvme_disks_del(driver);
	udrv_nvme_detach(driver->nvme);
	pthread_mutex_destroy(&driver->disks_lock);
	free(driver);
}

const struct udrv_driver nvme_driver = {
	.name = "nvme",
	.description = "NVMe disks (class 0108, programming interface 02)",
	.id_table = nvme_ids,
	.probe = nvme_probe,
	.remove = nvme_remove,
	.verbs = nvme_verbs,
	.params = nvme_params,
};

// SPDX-License-Identifier: MIT
/*
 * NVM subsystem reset: NVM Express 1.4, 3.1.7 and 7.3.1. All controllers of the subsystem begin
 * anew, and the PCI Express link goes down: for a while nobody answers, not even configuration
 * space, which is as at power-on then.
 */
#include <errno.h>

#include <linux/pci_regs.h>

#include <udrv/delay.h>
#include <udrv/ktime.h>
#include <udrv/pci.h>

#include "nvme_ctrl.h"

#define BARS	     6u
#define LOOK_US	     1000
#define UNTOUCHED_MS 2000 /* that it has answered without a sign of a reset: there is none */

/* The BARs' addresses; the kernel knows them, but not that the function has lost them. */
struct addresses {
	uint32_t bar[BARS];
};

static int bar_register(unsigned int bar)
{
	return PCI_BASE_ADDRESS_0 + 4 * (int)bar;
}

static int save(const struct udrv_nvme *nvme, struct addresses *a)
{
	int ret = 0;

	for (unsigned int i = 0; i < BARS && !ret; i++)
		ret = udrv_pci_read_config_dword(nvme->dev, bar_register(i), &a->bar[i]);
	return ret;
}

/* What is right already is left alone. */
static void restore(const struct udrv_nvme *nvme, const struct addresses *a)
{
	uint32_t now;

	for (unsigned int i = 0; i < BARS; i++)
		if (!udrv_pci_read_config_dword(nvme->dev, bar_register(i), &now) &&
		    now != a->bar[i])
			(void)udrv_pci_write_config_dword(nvme->dev, bar_register(i), a->bar[i]);
}

/*
 * Does the function answer, with its registers where they were? vfio, which shows BARs as they
 * ought to be, restores them by itself when decoding is turned on.
 */
static bool answers(const struct udrv_nvme *nvme, const struct addresses *a)
{
	uint32_t id;

	if (udrv_pci_read_config_dword(nvme->dev, PCI_CLASS_REVISION, &id) || id == UINT32_MAX)
		return false;
	restore(nvme, a);
	return !udrv_pci_enable_device(nvme->dev) && !nvme_is_absent(nvme);
}

/*
 * It is back, and says that it was reset: 0. -EPROTO: it does not say so, though it answers.
 * -ENODEV: it does not come back for as long as an admin command may take.
 */
static int await_return(const struct udrv_nvme *nvme, const struct addresses *a)
{
	const udrv_ktime_t start = udrv_ktime_get();
	const udrv_ktime_t end = start + (int64_t)nvme->options.admin_timeout_ms * 1000000;
	udrv_ktime_t absent = start; /* when it was so last */

	for (;;) {
		const udrv_ktime_t now = udrv_ktime_get();

		if (udrv_device_gone(nvme->dev))
			return -ENODEV;
		if (!answers(nvme, a))
			absent = now;
		else if (nvme_read32(nvme, NVME_REG_CSTS) & NVME_CSTS_NSSRO)
			return 0;
		else if (now - absent > UNTOUCHED_MS * INT64_C(1000000))
			return -EPROTO;
		if (absent == now && now > end)
			return -ENODEV;
		udrv_usleep_range(LOOK_US, 2 * LOOK_US);
	}
}

/* What else the function has lost: the kernel restores it when it resets the function. */
static void restore_messages(struct udrv_nvme *nvme)
{
	if (udrv_pci_reset_function(nvme->dev) && nvme->vectors)
		udrv_dev_warn(nvme->dev, "its function cannot be reset: interrupts may be lost");
}

void nvme_subsystem_forget_reset(struct udrv_nvme *nvme)
{
	if (!NVME_CAP_NSSRS(nvme->cap) || !(nvme_read32(nvme, NVME_REG_CSTS) & NVME_CSTS_NSSRO))
		return;
	udrv_dev_notice(nvme->dev, "its NVM subsystem was reset since the last initialisation");
	nvme_write32(nvme, NVME_REG_CSTS, NVME_CSTS_NSSRO);
}

int nvme_subsystem_reset(struct udrv_nvme *nvme)
{
	struct addresses a;
	int ret = save(nvme, &a);

	if (ret)
		return ret;
	/* One that nobody has seen yet is not this one. */
	nvme_subsystem_forget_reset(nvme);
	nvme_write32(nvme, NVME_REG_NSSR, NVME_NSSR_MAGIC);
	ret = await_return(nvme, &a);
	if (ret == -ENODEV)
		udrv_dev_err(nvme->dev, "it did not come back from the NVM subsystem reset");
	else
		restore_messages(nvme);
	return ret;
}

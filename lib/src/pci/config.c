// SPDX-License-Identifier: MIT
/* Configuration space and the capability lists in it. */
#include <errno.h>

#include <linux/pci_regs.h>

#include <udrv/pci.h>

#include "pci/device.h"

/* 48 standard capabilities of 4 bytes fit between offset 0x40 and 0xff. */
#define STD_CAPS_MAX 48
/* Extended capabilities have at least 8 bytes. */
#define EXT_CAPS_MAX ((PCI_CFG_SPACE_EXP_SIZE - PCI_CFG_SPACE_SIZE) / 8)

static int read_config(struct udrv_device *dev, int where, unsigned int size, uint32_t *val)
{
	if (where < 0 || where > PCI_CFG_SPACE_EXP_SIZE - (int)size || where % (int)size)
		return -EINVAL;
	return dev->ops->config_read(dev, (unsigned int)where, size, val);
}

static int write_config(struct udrv_device *dev, int where, unsigned int size, uint32_t val)
{
	if (where < 0 || where > PCI_CFG_SPACE_EXP_SIZE - (int)size || where % (int)size)
		return -EINVAL;
	return dev->ops->config_write(dev, (unsigned int)where, size, val);
}

/* COMMAND was made @now. What was on before is another process's, unless it was this handle's. */
static void note_mastering(struct udrv_device *dev, uint32_t old, uint32_t now)
{
	if (!(now & PCI_COMMAND_MASTER))
		__atomic_store_n(&dev->mastering, false, __ATOMIC_RELAXED);
	else if (!(old & PCI_COMMAND_MASTER))
		__atomic_store_n(&dev->mastering, true, __ATOMIC_RELAXED);
}

/* Drivers may write COMMAND themselves. */
static int write_command(struct udrv_device *dev, unsigned int size, uint32_t val)
{
	uint32_t old;
	int ret;

	pthread_mutex_lock(&dev->command_lock);
	ret = read_config(dev, PCI_COMMAND, 2, &old);
	if (!ret)
		ret = write_config(dev, PCI_COMMAND, size, val);
	if (!ret)
		note_mastering(dev, old, val);
	pthread_mutex_unlock(&dev->command_lock);
	return ret;
}

static int write_for_driver(struct udrv_device *dev, int where, unsigned int size, uint32_t val)
{
	return where == PCI_COMMAND ? write_command(dev, size, val)
				    : write_config(dev, where, size, val);
}

int udrv_pci_read_config_byte(struct udrv_device *dev, int where, uint8_t *val)
{
	uint32_t v;
	int ret = read_config(dev, where, 1, &v);

	if (!ret)
		*val = (uint8_t)v;
	return ret;
}

int udrv_pci_read_config_word(struct udrv_device *dev, int where, uint16_t *val)
{
	uint32_t v;
	int ret = read_config(dev, where, 2, &v);

	if (!ret)
		*val = (uint16_t)v;
	return ret;
}

int udrv_pci_read_config_dword(struct udrv_device *dev, int where, uint32_t *val)
{
	return read_config(dev, where, 4, val);
}

int udrv_pci_write_config_byte(struct udrv_device *dev, int where, uint8_t val)
{
	return write_for_driver(dev, where, 1, val);
}

int udrv_pci_write_config_word(struct udrv_device *dev, int where, uint16_t val)
{
	return write_for_driver(dev, where, 2, val);
}

int udrv_pci_write_config_dword(struct udrv_device *dev, int where, uint32_t val)
{
	return write_for_driver(dev, where, 4, val);
}

/* Follow the list from the pointer at @link to the next capability of that id. */
static uint8_t walk_caps(struct udrv_device *dev, int link, int cap)
{
	for (int steps = 0; steps < STD_CAPS_MAX; steps++) {
		uint8_t pos, id;

		if (udrv_pci_read_config_byte(dev, link, &pos))
			return 0;
		pos &= 0xfc; /* the two lowest bits are reserved (PCI 3.0, 6.7) */
		if (pos < PCI_STD_HEADER_SIZEOF)
			return 0;
		if (udrv_pci_read_config_byte(dev, pos + PCI_CAP_LIST_ID, &id) || id == 0xff)
			return 0;
		if (id == cap)
			return pos;
		link = pos + PCI_CAP_LIST_NEXT;
	}
	return 0;
}

uint8_t udrv_pci_find_capability(struct udrv_device *dev, int cap)
{
	uint16_t status;

	if (udrv_pci_read_config_word(dev, PCI_STATUS, &status) || !(status & PCI_STATUS_CAP_LIST))
		return 0;
	return walk_caps(dev, PCI_CAPABILITY_LIST, cap);
}

uint8_t udrv_pci_find_next_capability(struct udrv_device *dev, uint8_t pos, int cap)
{
	return walk_caps(dev, pos + PCI_CAP_LIST_NEXT, cap);
}

uint16_t udrv_pci_find_ext_capability(struct udrv_device *dev, int cap)
{
	int pos = PCI_CFG_SPACE_SIZE;

	for (int steps = 0; steps < EXT_CAPS_MAX; steps++) {
		uint32_t header;

		/* All zeroes: no extended space. All ones: the device does not answer. */
		if (udrv_pci_read_config_dword(dev, pos, &header) || !header || header == ~0u)
			return 0;
		if ((int)PCI_EXT_CAP_ID(header) == cap)
			return (uint16_t)pos;
		pos = PCI_EXT_CAP_NEXT(header);
		if (pos < PCI_CFG_SPACE_SIZE)
			return 0;
	}
	return 0;
}

static int update_command_locked(struct udrv_device *dev, uint16_t set, uint16_t clear)
{
	uint16_t old;
	uint16_t cmd;
	int ret = udrv_pci_read_config_word(dev, PCI_COMMAND, &old);

	if (ret)
		return ret;
	cmd = (uint16_t)((old | set) & ~clear);
	ret = cmd == old ? 0 : write_config(dev, PCI_COMMAND, 2, cmd);
	if (!ret)
		note_mastering(dev, old, cmd);
	return ret;
}

/* Set and clear bits of COMMAND; no write if nothing changes. */
static int update_command(struct udrv_device *dev, uint16_t set, uint16_t clear)
{
	int ret;

	pthread_mutex_lock(&dev->command_lock);
	ret = update_command_locked(dev, set, clear);
	pthread_mutex_unlock(&dev->command_lock);
	return ret;
}

int udrv_pci_enable_device(struct udrv_device *dev)
{
	uint16_t bits = 0;

	for (int i = 0; i < UDRV_PCI_STD_NUM_BARS; i++) {
		if (!dev->bars[i].len)
			continue;
		bits |= dev->bars[i].flags & UDRV_RESOURCE_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
	}
	return update_command(dev, bits, 0);
}

void udrv_pci_disable_device(struct udrv_device *dev)
{
	(void)udrv_pci_clear_master(dev);
}

int udrv_pci_set_master(struct udrv_device *dev)
{
	return update_command(dev, PCI_COMMAND_MASTER, 0);
}

int udrv_pci_clear_master(struct udrv_device *dev)
{
	return update_command(dev, 0, PCI_COMMAND_MASTER);
}

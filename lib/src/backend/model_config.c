// SPDX-License-Identifier: MIT
/*
 * A model's configuration space: the type 0 header (PCI Local Bus 3.0, 6.1), an MSI capability
 * (6.8.1), an MSI-X capability (6.8.2) and an Advanced Features capability (ECN "Advanced
 * Capabilities for Conventional PCI") for those that can be reset.
 */
#include <errno.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "backend/model.h"
#include "pci/device.h"

/* PCI 3.0, 6.8.1.3: bits 3:1 are the logarithm of the number of vectors. */
#define MSI_FLAGS_QMASK_SHIFT 1

static void put(uint8_t *bytes, unsigned int where, unsigned int size, uint64_t val)
{
	for (unsigned int i = 0; i < size; i++)
		bytes[where + i] = (uint8_t)(val >> (8 * i));
}

static uint32_t get(const uint8_t *bytes, unsigned int where, unsigned int size)
{
	uint32_t val = 0;

	for (unsigned int i = 0; i < size; i++)
		val |= (uint32_t)bytes[where + i] << (8 * i);
	return val;
}

uint16_t udrv__model_command(const struct udrv__model *m)
{
	return (uint16_t)get(m->config, PCI_COMMAND, 2);
}

uint16_t udrv__model_config_get16(const struct udrv__model *m, unsigned int where)
{
	return (uint16_t)get(m->config, where, 2);
}

void udrv__model_config_set16(struct udrv__model *m, unsigned int where, uint16_t val)
{
	put(m->config, where, 2, val);
}

static void init_bars(struct udrv__model *m)
{
	for (unsigned int i = 0; i < UDRV_PCI_STD_NUM_BARS; i++) {
		const struct udrv__model_bar *bar = &m->type->bars[i];
		unsigned int where = PCI_BASE_ADDRESS_0 + 4 * i;
		uint32_t low = 0;

		if (!bar->len)
			continue;
		if (bar->flags & UDRV_RESOURCE_IO)
			low = PCI_BASE_ADDRESS_SPACE_IO;
		if (bar->flags & UDRV_RESOURCE_MEM_64)
			low |= PCI_BASE_ADDRESS_MEM_TYPE_64;
		if (bar->flags & UDRV_RESOURCE_PREFETCH)
			low |= PCI_BASE_ADDRESS_MEM_PREFETCH;
		put(m->config, where, 4, low);
		/* Low bits that do not stick tell the size (6.2.5.1). */
		put(m->writable, where, bar->flags & UDRV_RESOURCE_MEM_64 ? 8 : 4, ~(bar->len - 1));
	}
}

/* Links a capability in front of the list. */
static void add_capability(struct udrv__model *m, unsigned int where, uint8_t id)
{
	m->config[where + PCI_CAP_LIST_ID] = id;
	m->config[where + PCI_CAP_LIST_NEXT] = m->config[PCI_CAPABILITY_LIST];
	m->config[PCI_CAPABILITY_LIST] = (uint8_t)where;
	m->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
}

/* Table and pending bits; the table is what 6.8.2.1 calls for, 16 bytes a vector. */
static void init_msix(struct udrv__model *m)
{
	const unsigned int count = m->type->msix_vectors;

	add_capability(m, UDRV__MODEL_MSIX_CAP, PCI_CAP_ID_MSIX);
	put(m->config, UDRV__MODEL_MSIX_CAP + PCI_MSIX_FLAGS, 2, count - 1);
	put(m->config, UDRV__MODEL_MSIX_CAP + PCI_MSIX_TABLE, 4, m->type->msix_bar);
	put(m->config, UDRV__MODEL_MSIX_CAP + PCI_MSIX_PBA, 4,
	    (uint64_t)count * PCI_MSIX_ENTRY_SIZE | m->type->msix_bar);
}

static void init_capabilities(struct udrv__model *m)
{
	unsigned int log2_vectors = 0;

	if (m->type->msix_vectors)
		init_msix(m);
	if (m->type->reset) {
		add_capability(m, UDRV__MODEL_AF_CAP, PCI_CAP_ID_AF);
		m->config[UDRV__MODEL_AF_CAP + PCI_AF_LENGTH] = PCI_CAP_AF_SIZEOF;
		m->config[UDRV__MODEL_AF_CAP + PCI_AF_CAP] = PCI_AF_CAP_TP | PCI_AF_CAP_FLR;
	}
	if (m->type->msi_vectors) {
		while (1u << log2_vectors < m->type->msi_vectors)
			log2_vectors++;
		add_capability(m, UDRV__MODEL_MSI_CAP, PCI_CAP_ID_MSI);
		put(m->config, UDRV__MODEL_MSI_CAP + PCI_MSI_FLAGS, 2,
		    PCI_MSI_FLAGS_64BIT | log2_vectors << MSI_FLAGS_QMASK_SHIFT);
		put(m->writable, UDRV__MODEL_MSI_CAP + PCI_MSI_ADDRESS_LO, 8, ~3ULL);
		put(m->writable, UDRV__MODEL_MSI_CAP + PCI_MSI_DATA_64, 2, 0xffff);
	}
}

void udrv__model_config_init(struct udrv__model *m)
{
	const struct udrv__model_type *type = m->type;
	uint16_t command = PCI_COMMAND_MASTER;

	memset(m->config, 0, sizeof(m->config));
	memset(m->writable, 0, sizeof(m->writable));
	put(m->config, PCI_VENDOR_ID, 2, type->vendor);
	put(m->config, PCI_DEVICE_ID, 2, type->device);
	put(m->config, PCI_CLASS_REVISION, 4, type->class_code << 8 | type->revision);
	put(m->config, PCI_SUBSYSTEM_VENDOR_ID, 2, type->subsystem_vendor);
	put(m->config, PCI_SUBSYSTEM_ID, 2, type->subsystem_device);
	m->config[PCI_INTERRUPT_PIN] = type->intx;
	init_bars(m);
	init_capabilities(m);
	for (unsigned int i = 0; i < UDRV_PCI_STD_NUM_BARS; i++)
		if (type->bars[i].len)
			command |= type->bars[i].flags & UDRV_RESOURCE_IO ? PCI_COMMAND_IO
									  : PCI_COMMAND_MEMORY;
	if (type->intx)
		command |= PCI_COMMAND_INTX_DISABLE;
	put(m->writable, PCI_COMMAND, 2, command);
	m->writable[PCI_CACHE_LINE_SIZE] = 0xff;
	m->writable[PCI_LATENCY_TIMER] = 0xff;
	m->writable[PCI_INTERRUPT_LINE] = 0xff;
}

static int check_offset(unsigned int where, unsigned int size)
{
	if ((size != 1 && size != 2 && size != 4) || where % size ||
	    where > UDRV__MODEL_CONFIG_SIZE - size)
		return -EINVAL;
	return 0;
}

int udrv__model_config_read(struct udrv_device *dev, unsigned int where, unsigned int size,
			    uint32_t *val)
{
	struct udrv__model *m = dev->backend;
	int ret = check_offset(where, size);

	if (ret)
		return ret;
	pthread_mutex_lock(&m->lock);
	*val = udrv__model_is_absent(m) ? UINT32_MAX >> (32 - 8 * size)
					: get(m->config, where, size);
	pthread_mutex_unlock(&m->lock);
	return 0;
}

int udrv__model_config_write(struct udrv_device *dev, unsigned int where, unsigned int size,
			     uint32_t val)
{
	struct udrv__model *m = dev->backend;
	const unsigned int af_ctrl = UDRV__MODEL_AF_CAP + PCI_AF_CTRL;
	int ret = check_offset(where, size);
	bool absent;

	if (ret)
		return ret;
	pthread_mutex_lock(&m->lock);
	absent = udrv__model_is_absent(m);
	for (unsigned int i = 0; i < size && !absent; i++) {
		uint8_t mask = m->writable[where + i];
		uint8_t byte = (uint8_t)(val >> (8 * i));

		m->config[where + i] = (uint8_t)((m->config[where + i] & ~mask) | (byte & mask));
	}
	udrv__model_intx_update(m);
	pthread_mutex_unlock(&m->lock);
	if (!absent && m->type->reset && where <= af_ctrl && af_ctrl < where + size &&
	    val >> (8 * (af_ctrl - where)) & PCI_AF_CTRL_FLR)
		return udrv__model_reset(dev);
	return 0;
}

// SPDX-License-Identifier: MIT
/* A model's interrupts: what an interrupt controller and vfio-pci's hard handler do. */
#include <errno.h>
#include <sys/eventfd.h>

#include <linux/pci_regs.h>

#include "backend/model.h"
#include "pci/device.h"

static void signal_vector(struct udrv__model *m, unsigned int vector)
{
	if (vector < m->irq_count && m->irq_fds[vector] >= 0)
		eventfd_write(m->irq_fds[vector], 1);
}

/* The line is a level: it is signalled once, masked, and looked at again when unmasked. */
void udrv__model_intx_update(struct udrv__model *m)
{
	if (m->intx_asserted)
		m->config[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
	else
		m->config[PCI_STATUS] &= (uint8_t)~PCI_STATUS_INTERRUPT;
	if (m->irq_type != UDRV__IRQ_INTX || !m->intx_asserted || m->intx_masked || m->removed)
		return;
	if (udrv__model_command(m) & PCI_COMMAND_INTX_DISABLE)
		return;
	m->intx_masked = true;
	signal_vector(m, 0);
}

/* A message is a write to memory: without bus mastering it is not sent (PCI 3.0, 6.8.3). */
static void send_message(struct udrv__model *m, unsigned int vector)
{
	if (m->removed || m->messages_lost || !(udrv__model_command(m) & PCI_COMMAND_MASTER))
		m->counts.msi_dropped++;
	else
		signal_vector(m, vector);
}

void udrv__model_irq_raise(struct udrv__model *m, unsigned int vector)
{
	bool first_drop = false;

	pthread_mutex_lock(&m->lock);
	if (m->irq_type == UDRV__IRQ_MSI || m->irq_type == UDRV__IRQ_MSIX) {
		send_message(m, vector);
		first_drop = !m->removed && m->counts.msi_dropped == 1 && !m->msi_drop_told;
		m->msi_drop_told |= first_drop;
	} else if (m->type->intx) {
		m->intx_asserted = true;
		udrv__model_intx_update(m);
	}
	pthread_mutex_unlock(&m->lock);
	if (first_drop)
		udrv_dev_warn(m->dev, "MSI not sent as bus mastering is off: "
				      "call udrv_pci_set_master()");
}

void udrv__model_irq_lower(struct udrv__model *m)
{
	pthread_mutex_lock(&m->lock);
	m->intx_asserted = false;
	udrv__model_intx_update(m);
	pthread_mutex_unlock(&m->lock);
}

enum udrv__irq_type udrv__model_irq_type(struct udrv__model *m)
{
	enum udrv__irq_type type;

	pthread_mutex_lock(&m->lock);
	type = m->irq_type;
	pthread_mutex_unlock(&m->lock);
	return type;
}

bool udrv__model_irq_is_message(struct udrv__model *m)
{
	const enum udrv__irq_type type = udrv__model_irq_type(m);

	return type == UDRV__IRQ_MSI || type == UDRV__IRQ_MSIX;
}

/* The bit of the type's capability that says so; INTx has none. */
static void set_enable(struct udrv__model *m, enum udrv__irq_type type, bool on)
{
	const bool msix = type == UDRV__IRQ_MSIX;
	const unsigned int where =
		msix ? UDRV__MODEL_MSIX_CAP + PCI_MSIX_FLAGS : UDRV__MODEL_MSI_CAP + PCI_MSI_FLAGS;
	const uint16_t bit = msix ? PCI_MSIX_FLAGS_ENABLE : PCI_MSI_FLAGS_ENABLE;
	uint16_t flags;

	if (type == UDRV__IRQ_INTX)
		return;
	flags = udrv__model_config_get16(m, where);
	udrv__model_config_set16(m, where, (uint16_t)(on ? flags | bit : flags & ~bit));
}

int udrv__model_irq_enable(struct udrv_device *dev, enum udrv__irq_type type, const int *fds,
			   unsigned int count)
{
	struct udrv__model *m = dev->backend;
	int ret = 0;

	if (type >= UDRV__IRQ_TYPES || !count || count > dev->irq_counts[type])
		return -EINVAL;
	pthread_mutex_lock(&m->lock);
	if (m->irq_type != UDRV__IRQ_TYPES && m->irq_type != type) {
		ret = -EBUSY;
	} else {
		for (unsigned int i = 0; i < count; i++)
			m->irq_fds[i] = fds[i];
		m->irq_count = count;
		if (m->irq_type != type)
			m->messages_lost = false;
		m->irq_type = type;
		m->intx_masked = false;
		/* A function with MSI enabled does not drive its line (PCI 3.0, 6.8.2). */
		if (type != UDRV__IRQ_INTX)
			m->intx_asserted = false;
		set_enable(m, type, true);
		udrv__model_intx_update(m);
	}
	pthread_mutex_unlock(&m->lock);
	return ret;
}

int udrv__model_irq_disable(struct udrv_device *dev, enum udrv__irq_type type)
{
	struct udrv__model *m = dev->backend;

	pthread_mutex_lock(&m->lock);
	if (m->irq_type == type) {
		m->irq_type = UDRV__IRQ_TYPES;
		m->irq_count = 0;
		set_enable(m, type, false);
	}
	pthread_mutex_unlock(&m->lock);
	return 0;
}

int udrv__model_irq_unmask_intx(struct udrv_device *dev)
{
	struct udrv__model *m = dev->backend;

	pthread_mutex_lock(&m->lock);
	m->intx_masked = false;
	udrv__model_intx_update(m);
	pthread_mutex_unlock(&m->lock);
	return 0;
}

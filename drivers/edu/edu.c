// SPDX-License-Identifier: MIT
/* QEMU's educational device: a driver to learn from. docs/howto/write-a-driver.md explains it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/io.h>
#include <udrv/pci.h>
#include <udrv/poll.h>

#include "edu.h"
#include "edu_regs.h"

/* QEMU takes 100 ms for a DMA transfer; the rest is for a machine under load. */
#define TIMEOUT_MS 5000

static const struct udrv_pci_device_id edu_ids[] = {
	{UDRV_PCI_DEVICE(EDU_VENDOR_ID, EDU_DEVICE_ID)},
	{0},
};

static const char *irq_param = "auto";
static const char *wait_param = "read";

static const struct udrv_param edu_params[] = {
	{"irq", &irq_param, "interrupt type: auto, msi or intx"},
	{"wait", &wait_param, "worker waits by: read, epoll, uring, uring-read, spin or adaptive"},
	{NULL, NULL, NULL},
};

static udrv_irqreturn_t edu_interrupt(int irq, void *dev_id)
{
	struct edu *edu = dev_id;
	uint32_t status = udrv_ioread32(edu->regs + EDU_IRQ_STATUS);

	(void)irq;
	/* All ones: the device is gone, and whatever woke us was not it. */
	if (!status || status == UINT32_MAX)
		return UDRV_IRQ_NONE;
	udrv_iowrite32(status, edu->regs + EDU_IRQ_ACK);
	if (status & EDU_IRQ_FACTORIAL)
		udrv_complete(&edu->factorial_done);
	if (status & EDU_IRQ_DMA)
		udrv_complete(&edu->dma_done);
	return UDRV_IRQ_HANDLED;
}

/* Wait for the interrupt that belongs to a command, until the device is not busy with it. */
static int wait_until_done(struct edu *edu, struct udrv_completion *done, unsigned long reg,
			   uint32_t busy)
{
	long left;

	/* Again if it was a late interrupt of a command that was given up. */
	do {
		left = udrv_wait_for_completion_timeout(done, TIMEOUT_MS * UDRV_HZ / 1000);
	} while (left > 0 && udrv_ioread32(edu->regs + reg) & busy);

	if (left > 0)
		return 0;
	if (left < 0)
		return (int)left;
	edu->lost++;
	udrv_dev_err(edu->dev, "no interrupt within %d ms, the device is %s", TIMEOUT_MS,
		     udrv_ioread32(edu->regs + reg) & busy ? "still busy" : "done");
	return -ETIMEDOUT;
}

/* Can it take a command? All ones is no register's value: nobody answers. */
static int edu_ready(const struct edu *edu, unsigned long reg, uint32_t busy)
{
	uint32_t value = udrv_ioread32(edu->regs + reg);

	if (value == UINT32_MAX || udrv_device_gone(edu->dev))
		return -ENODEV;
	return value & busy ? -EBUSY : 0;
}

int edu_factorial(struct edu *edu, uint32_t n, uint32_t *result)
{
	int ret;

	if (n > EDU_FACTORIAL_MAX)
		return -ERANGE;
	ret = edu_ready(edu, EDU_STATUS, EDU_STATUS_COMPUTING);
	if (ret)
		return ret;
	udrv_reinit_completion(&edu->factorial_done);
	(void)udrv_irq_stamp(edu->dev, edu->irq);
	udrv_iowrite32(n, edu->regs + EDU_FACTORIAL);
	ret = wait_until_done(edu, &edu->factorial_done, EDU_STATUS, EDU_STATUS_COMPUTING);
	if (ret)
		return ret;
	*result = udrv_ioread32(edu->regs + EDU_FACTORIAL);
	edu->factorials++;
	return 0;
}

/* The device checks nothing: it would cut off the address, or write beyond its buffer. */
static bool dma_is_possible(udrv_iova_t addr, uint32_t offset, uint32_t len)
{
	const uint64_t mask = UDRV_DMA_BIT_MASK(EDU_DMA_BITS);

	if (!len || len > EDU_BUFFER_USABLE || offset > EDU_BUFFER_USABLE - len)
		return false;
	return addr <= mask && len - 1 <= mask - addr;
}

int edu_dma(struct edu *edu, enum udrv_dma_data_direction dir, udrv_iova_t addr, uint32_t offset,
	    uint32_t len)
{
	bool to_device = dir == UDRV_DMA_TO_DEVICE;
	uint32_t inside = EDU_BUFFER + offset;
	int ret;

	if (dir == UDRV_DMA_BIDIRECTIONAL || !dma_is_possible(addr, offset, len))
		return -EINVAL;
	ret = edu_ready(edu, EDU_DMA_COMMAND, EDU_DMA_RUN);
	if (ret)
		return ret;
	udrv_reinit_completion(&edu->dma_done);
	udrv_iowrite32(to_device ? (uint32_t)addr : inside, edu->regs + EDU_DMA_SRC);
	udrv_iowrite32(to_device ? inside : (uint32_t)addr, edu->regs + EDU_DMA_DST);
	udrv_iowrite32(len, edu->regs + EDU_DMA_COUNT);
	udrv_iowrite32(EDU_DMA_RUN | EDU_DMA_IRQ | (to_device ? 0 : EDU_DMA_FROM_EDU),
		       edu->regs + EDU_DMA_COMMAND);
	ret = wait_until_done(edu, &edu->dma_done, EDU_DMA_COMMAND, EDU_DMA_RUN);
	if (!ret)
		edu->dma_bytes += len;
	return ret;
}

/* Is it the device that the id table promised, and does it answer? */
static int edu_identify(struct edu *edu)
{
	const uint32_t probe = 0x5a17c0de;
	uint32_t id = udrv_ioread32(edu->regs + EDU_ID);
	uint32_t answer;

	if ((id & EDU_ID_MASK) != EDU_ID_MAGIC) {
		udrv_dev_err(edu->dev, "identification 0x%08x is not an edu's 0xRRrr00ed", id);
		return -ENODEV;
	}
	udrv_iowrite32(probe, edu->regs + EDU_LIVENESS);
	answer = udrv_ioread32(edu->regs + EDU_LIVENESS);
	if (answer != ~probe) {
		udrv_dev_err(edu->dev, "liveness check gave 0x%08x instead of 0x%08x", answer,
			     ~probe);
		return -EIO;
	}
	udrv_dev_info(edu->dev, "edu version %u.%u", EDU_ID_MAJOR(id), EDU_ID_MINOR(id));
	return 0;
}

/* Which types the parameter allows, or -EINVAL. */
static int irq_types(struct udrv_device *dev)
{
	if (!strcmp(irq_param, "auto"))
		return UDRV_PCI_IRQ_ALL_TYPES;
	if (!strcmp(irq_param, "msi"))
		return UDRV_PCI_IRQ_MSI;
	if (!strcmp(irq_param, "intx"))
		return UDRV_PCI_IRQ_INTX;
	udrv_dev_err(dev, "irq=%s: the values are auto, msi and intx", irq_param);
	return -EINVAL;
}

static int edu_setup_irq(struct edu *edu)
{
	struct udrv_irq_options options = UDRV_IRQ_OPTIONS_DEFAULT;
	int types = irq_types(edu->dev);
	int wait = udrv_wait_parse(wait_param);
	int ret;

	if (wait < 0)
		udrv_dev_err(
			edu->dev,
			"wait=%s: the values are read, epoll, uring, uring-read, spin and adaptive",
			wait_param);
	if (types < 0 || wait < 0)
		return -EINVAL;
	edu->wait = options.wait = (enum udrv_wait)wait;

	ret = udrv_pci_alloc_irq_vectors(edu->dev, 1, 1, (unsigned int)types);
	if (ret < 0)
		return ret;
	edu->irq = udrv_pci_irq_vector(edu->dev, 0);
	ret = udrv_irq_set_options(edu->dev, edu->irq, &options);
	if (!ret)
		ret = udrv_request_irq(edu->dev, edu->irq, edu_interrupt, UDRV_IRQF_SHARED, "edu",
				       edu);
	if (ret)
		udrv_pci_free_irq_vectors(edu->dev);
	return ret;
}

static void edu_free_irq(struct edu *edu)
{
	udrv_free_irq(edu->dev, edu->irq, edu);
	udrv_pci_free_irq_vectors(edu->dev);
}

static int edu_setup_dma(struct edu *edu)
{
	int ret = udrv_dma_set_mask_and_coherent(edu->dev, UDRV_DMA_BIT_MASK(EDU_DMA_BITS));

	/* Nothing here gives it DMA: it can still compute. */
	if (ret == -EOPNOTSUPP)
		return 0;
	if (ret)
		return ret;
	edu->memory =
		udrv_dma_alloc_coherent(edu->dev, EDU_DMA_SIZE, &edu->memory_iova, UDRV_GFP_KERNEL);
	if (!edu->memory)
		return -ENOMEM;
	ret = udrv_pci_set_master(edu->dev);
	if (ret)
		udrv_dma_free_coherent(edu->dev, EDU_DMA_SIZE, edu->memory, edu->memory_iova);
	return ret;
}

static void edu_free_dma(struct edu *edu)
{
	udrv_pci_clear_master(edu->dev);
	udrv_dma_free_coherent(edu->dev, EDU_DMA_SIZE, edu->memory, edu->memory_iova);
}

/*
 * No more interrupts and no more transfers: only then may memory come or go. Also done by probe,
 * as the device may have been left at work by a process that was killed.
 */
static void edu_quiesce(struct edu *edu)
{
	uint32_t command;

	udrv_iowrite32(0, edu->regs + EDU_STATUS);
	/* A device that is gone reads as all ones, and does no DMA either. */
	if (udrv_read_poll_timeout(udrv_ioread32, command,
				   !(command & EDU_DMA_RUN) || command == UINT32_MAX, 1000,
				   TIMEOUT_MS * 1000, false, edu->regs + EDU_DMA_COMMAND))
		udrv_dev_warn(edu->dev, "a DMA transfer does not end; bus mastering goes off");
	udrv_iowrite32(UINT32_MAX, edu->regs + EDU_IRQ_ACK);
}

static int edu_map_registers(struct edu *edu)
{
	int ret = udrv_pci_enable_device(edu->dev);

	if (ret)
		return ret;
	ret = udrv_pci_request_regions(edu->dev, "edu");
	if (ret)
		goto err_disable;
	ret = -ENOMEM;
	edu->regs = udrv_pci_iomap(edu->dev, EDU_BAR, 0);
	if (edu->regs)
		return 0;

	udrv_pci_release_regions(edu->dev);
err_disable:
	udrv_pci_disable_device(edu->dev);
	return ret;
}

static void edu_unmap_registers(struct edu *edu)
{
	udrv_pci_iounmap(edu->dev, edu->regs);
	udrv_pci_release_regions(edu->dev);
	udrv_pci_disable_device(edu->dev);
}

static int edu_probe(struct udrv_device *dev, const struct udrv_pci_device_id *id)
{
	struct edu *edu = calloc(1, sizeof(*edu));
	int ret;

	(void)id;
	if (!edu)
		return -ENOMEM;
	edu->dev = dev;
	udrv_init_completion(dev, &edu->factorial_done);
	udrv_init_completion(dev, &edu->dma_done);

	ret = edu_map_registers(edu);
	if (ret)
		goto err_free;
	ret = edu_identify(edu);
	if (ret)
		goto err_unmap;
	edu_quiesce(edu);
	ret = edu_setup_dma(edu);
	if (ret)
		goto err_unmap;
	ret = edu_setup_irq(edu);
	if (ret)
		goto err_dma;

	udrv_iowrite32(EDU_STATUS_IRQ, edu->regs + EDU_STATUS);
	udrv_pci_set_drvdata(dev, edu);
	return 0;

err_dma:
	edu_free_dma(edu);
err_unmap:
	edu_unmap_registers(edu);
err_free:
	free(edu);
	return ret;
}

static void edu_remove(struct udrv_device *dev)
{
	struct edu *edu = udrv_pci_get_drvdata(dev);

	edu_quiesce(edu);
	edu_free_irq(edu);
	edu_free_dma(edu);
	edu_unmap_registers(edu);
	udrv_pci_set_drvdata(dev, NULL);
	free(edu);
}

const struct udrv_driver edu_driver = {
	.name = "edu",
	.description = "QEMU's educational device (1234:11e8)",
	.id_table = edu_ids,
	.probe = edu_probe,
	.remove = edu_remove,
	.verbs = edu_verbs,
	.params = edu_params,
};

// SPDX-License-Identifier: MIT
/* A complete driver, built and run by the tests; README.md quotes it from the next line on. */
#include <errno.h>
#include <stdlib.h>
#include <udrv/udrv.h>

static void __udrv_iomem *regs; /* a daemon drives one device */
static struct udrv_completion done;

static udrv_irqreturn_t interrupt(int irq, void *ctx)
{
	uint32_t status = udrv_ioread32(regs + 0x24);

	if (!status)
		return UDRV_IRQ_NONE;
	udrv_iowrite32(status, regs + 0x64); /* acknowledge */
	udrv_complete(&done);
	return UDRV_IRQ_HANDLED;
}

static int probe(struct udrv_device *dev, const struct udrv_pci_device_id *id)
{
	if (udrv_pci_enable_device(dev) || udrv_pci_set_master(dev) ||
	    !(regs = udrv_pci_iomap(dev, 0, 0)))
		return -EIO;
	if (udrv_ioread32(regs) != 0x010000ed) /* identification */
		return -ENODEV;
	udrv_init_completion(dev, &done);
	udrv_iowrite32(0x80, regs + 0x20); /* interrupt when a factorial is done */
	if (udrv_pci_alloc_irq_vectors(dev, 1, 1, UDRV_PCI_IRQ_ALL_TYPES) < 0)
		return -ENOSPC;
	return udrv_devm_request_irq(dev, 0, interrupt, UDRV_IRQF_SHARED, "minimal", &done);
}

static int factorial(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	udrv_iowrite32((uint32_t)atoi(argc > 1 ? argv[1] : "10"), regs + 0x08);
	if (udrv_wait_for_completion_timeout(&done, 10 * UDRV_HZ) <= 0)
		return -ETIMEDOUT;
	fprintf(out, "%u\n", udrv_ioread32(regs + 0x08));
	return 0;
}

static const struct udrv_pci_device_id ids[] = {{UDRV_PCI_DEVICE(0x1234, 0x11e8)}, {0}};
static const struct udrv_verb verbs[] = {{"factorial", "N", "N! by interrupt", factorial, 0}, {0}};
static const struct udrv_driver minimal = {
	.name = "minimal", .id_table = ids, .probe = probe, .verbs = verbs};
UDRV_DRIVER_MAIN(minimal)

// SPDX-License-Identifier: MIT
/*
 * One worker for all vectors of a device: QEMU's ivshmem-doorbell, which interrupts when it is told
 * to.
 */
#include <errno.h>
#include <stdlib.h>
#include <udrv/udrv.h>

#define IV_POSITION 0x8 /* docs/specs/ivshmem-spec of QEMU: the device's own number */
#define DOORBELL    0xc /* number << 16 | vector */
#define MOST	    64

struct bell {
	uint64_t rung; /* only the worker changes it, so it needs no lock */
	struct udrv_completion heard;
};

static uint8_t __udrv_iomem *regs;
static struct bell bells[MOST];
static int count;

static udrv_irqreturn_t heard(int irq, void *ctx)
{
	struct bell *bell = ctx;

	bell->rung++;
	udrv_complete(&bell->heard);
	return UDRV_IRQ_HANDLED;
}

/* Called before there is a handler; users can change it later: `udrv irq set`. */
static int share_a_worker(struct udrv_device *dev)
{
	struct udrv_irq_options options = UDRV_IRQ_OPTIONS_DEFAULT;
	int ret;

	options.wait = UDRV_WAIT_URING; /* reading waits for one vector only */
	ret = udrv_irq_set_options(dev, 0, &options);
	for (int i = 1; !ret && i < count; i++)
		ret = udrv_irq_share(dev, i, dev, 0);
	return ret;
}

static int probe(struct udrv_device *dev, const struct udrv_pci_device_id *id)
{
	int ret = udrv_pci_enable_device(dev);

	if (!ret)
		ret = udrv_pci_set_master(dev);
	regs = ret ? NULL : udrv_pci_iomap(dev, 0, 0);
	if (!regs)
		return ret ? ret : -ENOMEM;
	count = udrv_pci_alloc_irq_vectors(dev, 1, MOST, UDRV_PCI_IRQ_MSIX);
	ret = count < 0 ? count : share_a_worker(dev);
	for (int i = 0; !ret && i < count; i++) {
		udrv_init_completion(dev, &bells[i].heard);
		ret = udrv_devm_request_irq(dev, i, heard, 0, "bell", &bells[i]);
	}
	return ret;
}

/* Each vector once, one after the other. */
static int ring(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	const uint32_t own = udrv_ioread32(regs + IV_POSITION) << 16;
	int times = argc > 1 ? atoi(argv[1]) : 1;

	for (int n = 0; n < times * count; n++) {
		struct bell *bell = &bells[n % count];

		(void)udrv_irq_stamp(dev, n % count);
		udrv_iowrite32(own | (uint32_t)(n % count), regs + DOORBELL);
		if (udrv_wait_for_completion_timeout(&bell->heard, 10 * UDRV_HZ) <= 0)
			return -ETIMEDOUT;
	}
	fprintf(out, "%d vectors, %d rings each, all heard\n", count, times);
	return 0;
}

static const struct udrv_pci_device_id ids[] = {{UDRV_PCI_DEVICE(0x1af4, 0x1110)}, {0}};
static const struct udrv_verb verbs[] = {{"ring", "TIMES", "ring every vector", ring, 0}, {0}};
static const struct udrv_driver doorbells = {
	.name = "doorbells", .id_table = ids, .probe = probe, .verbs = verbs};
UDRV_DRIVER_MAIN(doorbells)

// SPDX-License-Identifier: MIT
/* Each kind of memory where it belongs: docs/howto/choosing-allocators.md quotes this. */
#include <errno.h>
#include <string.h>
#include <udrv/udrv.h>

#define HISTORY	 (1u << 20)
#define ON_BOARD 0x40000 /* the device's own buffer */

struct request {
	char *text; /* what the device reads, then writes */
	size_t len;
};

struct echo {
	void __udrv_iomem *regs;
	struct udrv_kmem_cache *requests;
	char *history; /* the device never sees it */
	size_t used;
};

static void end_history(void *history)
{
	udrv_vfree(history);
}

static void end_requests(void *cache)
{
	(void)udrv_kmem_cache_destroy(cache);
}

static int probe(struct udrv_device *dev, const struct udrv_pci_device_id *id)
{
	/* As long as the driver: managed. */
	struct echo *echo = udrv_devm_kzalloc(dev, sizeof(*echo), UDRV_GFP_KERNEL);

	if (!echo)
		return -ENOMEM;
	if (udrv_pci_enable_device(dev) || udrv_pci_set_master(dev) ||
	    udrv_dma_set_mask_and_coherent(dev, UDRV_DMA_BIT_MASK(28)) ||
	    !(echo->regs = udrv_pci_iomap(dev, 0, 0)))
		return -EIO;
	/* Large, and for the process only. */
	echo->history = udrv_vzalloc(HISTORY);
	if (!echo->history || udrv_devm_add_action_or_reset(dev, end_history, echo->history))
		return -ENOMEM;
	/* Many of one size, come and go. */
	echo->requests =
		udrv_kmem_cache_create(dev, "requests", sizeof(struct request), 0, 0, 0, 0);
	if (!echo->requests || udrv_devm_add_action_or_reset(dev, end_requests, echo->requests))
		return -ENOMEM;
	udrv_pci_set_drvdata(dev, echo);
	return 0;
}

static int transfer(struct echo *echo, uint64_t from, uint64_t to, size_t len, uint32_t direction)
{
	uint32_t command;

	udrv_writeq(from, echo->regs + 0x80);
	udrv_writeq(to, echo->regs + 0x88);
	udrv_writeq(len, echo->regs + 0x90);
	udrv_writel(1 | direction, echo->regs + 0x98);
	return udrv_readl_poll_timeout(echo->regs + 0x98, command, !(command & 1), 100, 1000000);
}

/* To the device and back. */
static int run(struct udrv_device *dev, struct echo *echo, struct request *request)
{
	udrv_iova_t addr =
		udrv_dma_map_single(dev, request->text, request->len, UDRV_DMA_BIDIRECTIONAL);
	int ret = udrv_dma_mapping_error(dev, addr);

	if (ret)
		return ret;
	ret = transfer(echo, addr, ON_BOARD, request->len, 0);
	memset(request->text, '?', request->len);
	if (!ret)
		ret = transfer(echo, ON_BOARD, addr, request->len, 2);
	udrv_dma_unmap_single(dev, addr, request->len, UDRV_DMA_BIDIRECTIONAL);
	return ret;
}

static int echo_verb(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	struct echo *echo = udrv_pci_get_drvdata(dev);
	struct request *request = udrv_kmem_cache_zalloc(echo->requests, UDRV_GFP_KERNEL);
	int ret = -ENOMEM;

	if (!request)
		return -ENOMEM;
	/* Of any size, for the device, which has few address lines. */
	request->text =
		udrv_kasprintf(UDRV_GFP_KERNEL | UDRV_GFP_DMA, "%s", argc > 1 ? argv[1] : "hello");
	if (request->text) {
		request->len = strlen(request->text);
		ret = run(dev, echo, request);
	}
	if (!ret) {
		fprintf(out, "%s\n", request->text);
		memcpy(echo->history + echo->used % (HISTORY / 2), request->text,
		       request->len < HISTORY / 2 ? request->len : 0);
		echo->used += request->len;
	}
	udrv_kfree(request->text);
	udrv_kmem_cache_free(echo->requests, request);
	return ret;
}

static const struct udrv_pci_device_id ids[] = {{UDRV_PCI_DEVICE(0x1234, 0x11e8)}, {0}};
static const struct udrv_verb verbs[] = {
	{"echo", "TEXT", "TEXT by way of the device", echo_verb, 0}, {0}};
static const struct udrv_driver allocators = {
	.name = "allocators", .id_table = ids, .probe = probe, .verbs = verbs};
UDRV_DRIVER_MAIN(allocators)

// SPDX-License-Identifier: MIT
/*
 * What a program can ask for beyond what there is, on a real device (edu, bound to vfio-pci):
 * test_reach DEVICE beyond | stray | memlock. Each call must fail as documented, and the next sane
 * one work.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/io.h>
#include <udrv/log.h>
#include <udrv/pci.h>

#include "edu_regs.h"

#define PAGE 4096u
/* More than the 39 bits of the lab's IOMMU. */
#define HUGE (1ul << 40)

static int failed;

static void check(const char *what, bool good)
{
	printf("%s %s\n", good ? "ok" : "FAIL", what);
	failed += !good;
}

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count;
}

static void beyond_bars(struct udrv_device *dev)
{
	uint64_t len = udrv_pci_resource_len(dev, EDU_BAR);

	check("BAR 0 has 1 MiB", len == 1 << 20);
	check("a map from its end on", !udrv_pci_iomap_range(dev, EDU_BAR, len, 4));
	check("a map far beyond", !udrv_pci_iomap_range(dev, EDU_BAR, UINT64_MAX - 3, 4));
	check("a BAR that it has not", !udrv_pci_iomap(dev, 1, 0));
	check("a BAR that nobody has", !udrv_pci_iomap(dev, 17, 0));
	check("a claim beyond the end", udrv_request_region(dev, 0, len - 4, 8, "x") == -EINVAL);
	check("a claim from its end on", udrv_request_region(dev, 0, len, 4, "x") == -EINVAL);
	check("a claim that wraps", udrv_request_region(dev, 0, 8, UINT64_MAX, "x") == -EINVAL);
	check("the last word is there", udrv_pci_iomap_range(dev, EDU_BAR, len - 4, 4));
}

static void beyond_config(struct udrv_device *dev)
{
	uint32_t val = 7;

	/* edu is a PCI device without extended space; behind VFIO it ends at 256 bytes. */
	check("configuration beyond its end", udrv_pci_read_config_dword(dev, 256, &val) < 0);
	check("configuration beyond any end", udrv_pci_read_config_dword(dev, 4096, &val) < 0);
	check("configuration before its start", udrv_pci_read_config_dword(dev, -4, &val) < 0);
	check("configuration between words", udrv_pci_read_config_dword(dev, 2, &val) < 0);
	check("the value is untouched", val == 7);
}

static bool maps(struct udrv_device *dev, void *ptr, size_t size, enum udrv_dma_data_direction dir)
{
	udrv_iova_t iova = udrv_dma_map_single(dev, ptr, size, dir);

	if (udrv_dma_mapping_error(dev, iova))
		return false;
	udrv_dma_unmap_single(dev, iova, size, dir);
	return true;
}

static void beyond_memory(struct udrv_device *dev)
{
	udrv_iova_t iova = 7;
	char *page = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *huge =
		mmap(NULL, HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	check("a mask below every address", udrv_dma_set_mask_and_coherent(dev, 0xfff) == -EIO);
	check("28 bits", !udrv_dma_set_mask_and_coherent(dev, UDRV_DMA_BIT_MASK(EDU_DMA_BITS)));
	check("more than 28 bits reach",
	      !udrv_dma_alloc_coherent(dev, 1ul << 28, &iova, UDRV_GFP_KERNEL));
	check("64 bits", !udrv_dma_set_mask_and_coherent(dev, UDRV_DMA_BIT_MASK(64)));
	check("more than there is memory",
	      !udrv_dma_alloc_coherent(dev, 1ul << 46, &iova, UDRV_GFP_KERNEL));
	check("more than the IOMMU reaches", !maps(dev, huge, HUGE, UDRV_DMA_TO_DEVICE));
	check("the address is untouched", iova == 7);
	check("memory that may be read", maps(dev, page, PAGE, UDRV_DMA_TO_DEVICE));
	check("memory that may not be written", !maps(dev, page, PAGE, UDRV_DMA_FROM_DEVICE));
	munmap(page, PAGE);
	munmap(huge, HUGE);
	check("memory that is not there", !maps(dev, page, PAGE, UDRV_DMA_TO_DEVICE));
}

static void sane_again(struct udrv_device *dev)
{
	udrv_iova_t iova;
	void *mem = udrv_dma_alloc_coherent(dev, PAGE, &iova, UDRV_GFP_KERNEL);

	check("afterwards a page can be had", mem);
	udrv_dma_free_coherent(dev, PAGE, mem, iova);
}

static void beyond(struct udrv_device *dev)
{
	beyond_bars(dev);
	beyond_config(dev);
	beyond_memory(dev);
	sane_again(dev);
}

static void memlock(struct udrv_device *dev)
{
	udrv_iova_t iova = 7;
	void *mem = udrv_dma_alloc_coherent(dev, 4 << 20, &iova, UDRV_GFP_KERNEL);

	printf("4 MiB are %s\n", mem || iova != 7 ? "not refused" : "refused");
	mem = udrv_dma_alloc_coherent(dev, 64 << 10, &iova, UDRV_GFP_KERNEL);
	printf("64 KiB are %s\n", mem ? "not" : "refused, too");
	udrv_dma_free_coherent(dev, 64 << 10, mem, iova);
}

/* Start a transfer from the device and wait until it says that it is done. */
static bool transfer(uint8_t __udrv_iomem *regs, udrv_iova_t to)
{
	const struct timespec pause = {.tv_nsec = 10000000};

	udrv_iowrite32(EDU_BUFFER, regs + EDU_DMA_SRC);
	udrv_iowrite32((uint32_t)to, regs + EDU_DMA_DST);
	udrv_iowrite32(64, regs + EDU_DMA_COUNT);
	udrv_iowrite32(EDU_DMA_RUN | EDU_DMA_FROM_EDU, regs + EDU_DMA_COMMAND);
	for (int tries = 0; tries < 6000; tries++) {
		if (!(udrv_ioread32(regs + EDU_DMA_COMMAND) & EDU_DMA_RUN))
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

static bool all_are(const unsigned char *mem, unsigned char byte)
{
	for (size_t i = 0; i < PAGE; i++)
		if (mem[i] != byte)
			return false;
	return true;
}

/* The page of an anonymous mapping that is mapped for the device, and no page behind it. */
static udrv_iova_t map_page(struct udrv_device *dev, unsigned char *page)
{
	return udrv_dma_map_single(dev, page, PAGE, UDRV_DMA_BIDIRECTIONAL);
}

static void stray(struct udrv_device *dev)
{
	uint8_t __udrv_iomem *regs = udrv_pci_iomap(dev, EDU_BAR, 0);
	unsigned char *mem =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	udrv_iova_t iova;

	check("registers", regs && !udrv_pci_enable_device(dev) && !udrv_pci_set_master(dev));
	check("mask", !udrv_dma_set_mask_and_coherent(dev, UDRV_DMA_BIT_MASK(EDU_DMA_BITS)));
	if (!regs || mem == MAP_FAILED)
		return;
	iova = map_page(dev, mem);
	check("memory", !udrv_dma_mapping_error(dev, iova));
	memset(mem, 0x5a, 2 * PAGE);
	check("a transfer to the next page ends", transfer(regs, iova + PAGE));
	check("memory is as it was", all_are(mem, 0x5a) && all_are(mem + PAGE, 0x5a));
	check("a transfer to the page ends", transfer(regs, iova));
	check("it arrived", mem[0] == 0 && mem[63] == 0 && mem[64] == 0x5a);
	/* What was unmapped is out of the IOMMU: the same address is a stray one now. */
	udrv_dma_unmap_single(dev, iova, PAGE, UDRV_DMA_BIDIRECTIONAL);
	memset(mem, 0x5a, PAGE);
	check("a transfer to the unmapped page ends", transfer(regs, iova));
	check("it did not arrive", all_are(mem, 0x5a));
}

static void (*find_test(const char *name))(struct udrv_device *dev)
{
	static const struct {
		const char *name;
		void (*run)(struct udrv_device *dev);
	} tests[] = {{"beyond", beyond}, {"stray", stray}, {"memlock", memlock}};

	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		if (!strcmp(tests[i].name, name))
			return tests[i].run;
	return NULL;
}

int main(int argc, char **argv)
{
	void (*run)(struct udrv_device * dev) = argc == 3 ? find_test(argv[2]) : NULL;
	struct udrv_device *dev;
	int before;

	if (!run) {
		(void)fprintf(stderr, "usage: test_reach DEVICE beyond|stray|memlock\n");
		return 2;
	}
	udrv_log_set(udrv_log_stderr, "test_reach", UDRV_LOG_INFO);
	before = count_fds();
	if (udrv_device_open(argv[1], NULL, &dev))
		return 1;
	run(dev);
	udrv_device_close(dev);
	check("nothing stays open", count_fds() == before);
	printf("%d failed\n", failed);
	return failed ? 1 : 0;
}

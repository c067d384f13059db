// SPDX-License-Identifier: MIT
/*
 * DMA memory on a real IOMMU: test_dma DEVICE reach | gone | huge | setup RAW-GROUP. DEVICE is edu,
 * bound to vfio-pci; RAW-GROUP is the IOMMU group of another device, which is driven by ioctls
 * alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/io.h>
#include <udrv/log.h>
#include <udrv/pci.h>
#include <udrv/slab.h>

#include "edu_regs.h"

#define PAGE   4096u
#define REGION ((size_t)2 << 20)
#define FIRST  ((size_t)512 << 10)
#define COUNT  64u

static int failed;
static uint8_t __udrv_iomem *regs;

static void check(const char *what, bool good)
{
	printf("%s %s\n", good ? "ok" : "FAIL", what);
	failed += !good;
}

/* COUNT bytes; wait until the device says that it is done. */
static bool transfer(udrv_iova_t from, udrv_iova_t to, uint32_t direction)
{
	const struct timespec pause = {.tv_nsec = 10000000};

	udrv_iowrite32((uint32_t)from, regs + EDU_DMA_SRC);
	udrv_iowrite32((uint32_t)to, regs + EDU_DMA_DST);
	udrv_iowrite32(COUNT, regs + EDU_DMA_COUNT);
	udrv_iowrite32(EDU_DMA_RUN | direction, regs + EDU_DMA_COMMAND);
	for (int tries = 0; tries < 6000; tries++) {
		if (!(udrv_ioread32(regs + EDU_DMA_COMMAND) & EDU_DMA_RUN))
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* The device copies what is at one address of the process to another. */
static bool copies(struct udrv_device *dev, void *from, void *to)
{
	udrv_iova_t src = udrv_dma_map_single(dev, from, COUNT, UDRV_DMA_TO_DEVICE);
	udrv_iova_t dst = udrv_dma_map_single(dev, to, COUNT, UDRV_DMA_FROM_DEVICE);
	bool good;

	if (udrv_dma_mapping_error(dev, src) || udrv_dma_mapping_error(dev, dst))
		return false;
	for (size_t i = 0; i < COUNT; i++)
		((unsigned char *)from)[i] = (unsigned char)(i * 7 + (uintptr_t)from / PAGE);
	udrv_dma_sync_single_for_device(dev, src, COUNT, UDRV_DMA_TO_DEVICE);
	good = transfer(src, EDU_BUFFER, 0) && transfer(EDU_BUFFER, dst, EDU_DMA_FROM_EDU);
	udrv_dma_sync_single_for_cpu(dev, dst, COUNT, UDRV_DMA_FROM_DEVICE);
	udrv_dma_unmap_single(dev, src, COUNT, UDRV_DMA_TO_DEVICE);
	udrv_dma_unmap_single(dev, dst, COUNT, UDRV_DMA_FROM_DEVICE);
	return good && !memcmp(from, to, COUNT);
}

static void *shared_file(size_t len)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	void *p = ftruncate(fd, (off_t)len)
			  ? MAP_FAILED
			  : mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	close(fd);
	return p == MAP_FAILED ? NULL : p;
}

/* Every kind of memory to every other one. */
static void reach(struct udrv_device *dev)
{
	struct udrv_kmem_cache *cache =
		udrv_kmem_cache_create(dev, "buffers", 256, 64, UDRV_SLAB_CACHE_DMA, NULL, NULL);
	char *plain = aligned_alloc(PAGE, 4 * PAGE);
	char *file = shared_file(4 * PAGE);
	udrv_iova_t iova;
	void *kinds[5];

	check("a cache of DMA memory", cache);
	check("memory of malloc() is registered",
	      !udrv_dma_register(dev, plain, 4 * PAGE, UDRV_DMA_BIDIRECTIONAL));
	check("memory of a file is registered",
	      !udrv_dma_register(dev, file, 4 * PAGE, UDRV_DMA_BIDIRECTIONAL));
	kinds[0] = udrv_dma_alloc_coherent(dev, PAGE, &iova, UDRV_GFP_KERNEL);
	kinds[1] = udrv_kmem_cache_alloc(cache, UDRV_GFP_KERNEL);
	kinds[2] = plain + PAGE + 8;
	kinds[3] = file + 5;
	kinds[4] = malloc(COUNT);
	for (int i = 0; i < 5; i++)
		check("the device copies", copies(dev, kinds[i], kinds[(i + 1) % 5]));
	check("memory of malloc() is unregistered", !udrv_dma_unregister(dev, plain, 4 * PAGE));
	check("memory of the file is unregistered", !udrv_dma_unregister(dev, file, 4 * PAGE));
	udrv_kmem_cache_free(cache, kinds[1]);
	check("the cache goes", !udrv_kmem_cache_destroy(cache));
	udrv_dma_free_coherent(dev, PAGE, kinds[0], iova);
	check("the arena goes", udrv_dma_shrink(dev) == FIRST);
	free(kinds[4]);
	free(plain);
	munmap(file, 4 * PAGE);
}

/* The IOMMU refuses what was taken back, and nothing else is hit. */
static void gone(struct udrv_device *dev)
{
	unsigned char *page = aligned_alloc(PAGE, PAGE);
	udrv_iova_t arena;
	udrv_iova_t registered;
	unsigned char *other = udrv_dma_alloc_coherent(dev, REGION, &arena, UDRV_GFP_KERNEL);

	check("register", !udrv_dma_register(dev, page, PAGE, UDRV_DMA_BIDIRECTIONAL));
	registered = udrv_virt_to_bus(page);
	check("in use", udrv_dma_map_single(dev, page, 1, UDRV_DMA_TO_DEVICE) == registered);
	check("it is kept", udrv_dma_unregister(dev, page, PAGE) == -EBUSY);
	udrv_dma_unmap_single(dev, registered, 1, UDRV_DMA_TO_DEVICE);
	check("unregister", !udrv_dma_unregister(dev, page, PAGE));
	memset(page, 0x5a, PAGE);
	check("a transfer to it ends", transfer(EDU_BUFFER, registered, EDU_DMA_FROM_EDU));
	check("it did not arrive", page[0] == 0x5a && !memcmp(page, page + 1, PAGE - 1));
	check("nothing else was hit", !other[0] && !memcmp(other, other + 1, REGION - 1));
	check("what is mapped still works", copies(dev, other, page));
	udrv_dma_free_coherent(dev, REGION, other, arena);
	check("the arena goes", udrv_dma_shrink(dev) == REGION);
	check("a transfer to it ends", transfer(EDU_BUFFER, arena, EDU_DMA_FROM_EDU));
	free(page);
}

static unsigned long free_huge_pages(void)
{
	unsigned long n = 0;
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "re");

	if (f) {
		if (fscanf(f, "%lu", &n) != 1)
			n = 0;
		(void)fclose(f);
	}
	return n;
}

/* Two huge pages are free: they are used, then ordinary ones. */
static void huge(struct udrv_device *dev)
{
	udrv_iova_t iova[3];
	void *p[3];

	check("two huge pages are free", free_huge_pages() == 2);
	for (int i = 0; i < 3; i++) {
		p[i] = udrv_dma_alloc_coherent(dev, REGION, &iova[i], UDRV_GFP_KERNEL);
		check("2 MiB", p[i]);
	}
	check("both are used", !free_huge_pages());
	for (int i = 0; i < 3; i++) {
		check("the device reaches it", copies(dev, p[i], p[(i + 1) % 3]));
		udrv_dma_free_coherent(dev, REGION, p[i], iova[i]);
	}
	check("the arena goes", udrv_dma_shrink(dev) >= 3 * REGION);
	check("both are free again", free_huge_pages() == 2);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* What an arena is made of, without udrv: memory of a memfd, mapped, and one ioctl. */
static double raw_setup(int container, size_t len)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = 1ull << 32, .size = len};
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.iova = 1ull << 32,
		.size = len,
	};
	double start = seconds();
	void *p = shared_file(len);

	map.vaddr = (uintptr_t)p;
	if (!p || ioctl(container, VFIO_IOMMU_MAP_DMA, &map))
		return -1;
	start = seconds() - start;
	(void)ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap);
	munmap(p, len);
	return start;
}

static double udrv_setup(struct udrv_device *dev, size_t len)
{
	udrv_iova_t iova;
	double start = seconds();
	void *p = udrv_dma_alloc_coherent(dev, len, &iova, UDRV_GFP_KERNEL);

	start = seconds() - start;
	udrv_dma_free_coherent(dev, len, p, iova);
	return udrv_dma_shrink(dev) == len ? start : -1;
}

static int raw_container(const char *group)
{
	int container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/dev/vfio/%s", group);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 || ioctl(fd, VFIO_GROUP_SET_CONTAINER, &container) ||
			       ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU)
		       ? -1
		       : container;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a;
	const double *y = b;

	return (*x > *y) - (*x < *y);
}

#define RUNS 15

static void setup(struct udrv_device *dev, const char *group)
{
	int container = raw_container(group);
	size_t len = (size_t)16 << 20;
	double ratios[RUNS];
	double raw = 0;

	check("a container without udrv", container >= 0);
	check("64 bits", !udrv_dma_set_mask_and_coherent(dev, UDRV_DMA_BIT_MASK(64)));
	for (int i = 0; i < RUNS; i++) {
		double ours = udrv_setup(dev, len);

		raw = raw_setup(container, len);
		if (ours < 0 || raw < 0) {
			check("16 MiB", false);
			return;
		}
		ratios[i] = ours / raw;
	}
	qsort(ratios, RUNS, sizeof(ratios[0]), by_value);
	printf("an arena of 16 MiB: %.2f of its raw system calls (%.2f to %.2f, %d runs; the last "
	       "took %.2f ms)\n",
	       ratios[RUNS / 2], ratios[0], ratios[RUNS - 1], RUNS, raw * 1e3);
}

int main(int argc, char **argv)
{
	struct udrv_device *dev;

	if (argc < 3) {
		(void)fprintf(stderr, "usage: test_dma DEVICE reach|gone|huge|setup [GROUP]\n");
		return 2;
	}
	udrv_log_set(udrv_log_stderr, "test_dma", UDRV_LOG_INFO);
	if (udrv_device_open(argv[1], NULL, &dev))
		return 1;
	regs = udrv_pci_iomap(dev, EDU_BAR, 0);
	check("registers", regs && !udrv_pci_enable_device(dev) && !udrv_pci_set_master(dev));
	check("mask", !udrv_dma_set_mask_and_coherent(dev, UDRV_DMA_BIT_MASK(EDU_DMA_BITS)));
	if (regs && !strcmp(argv[2], "reach"))
		reach(dev);
	else if (regs && !strcmp(argv[2], "gone"))
		gone(dev);
	else if (regs && !strcmp(argv[2], "huge"))
		huge(dev);
	else if (regs && argc == 4)
		setup(dev, argv[3]);
	udrv_device_close(dev);
	printf("%d failed\n", failed);
	return failed ? 1 : 0;
}

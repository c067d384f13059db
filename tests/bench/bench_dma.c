// SPDX-License-Identifier: MIT
/*
 * What it costs to find the IOVA of memory that is mapped: udrv_dma_map_single() and its unmap,
 * with 1 to 100,000 regions of 2 MiB mapped. Native, on a software device; the regions are records
 * without memory, as nothing looks at that.
 *
 * usage: bench_dma [--rounds N] [--count N] [--bounce] | --loop N
 *
 * "near": 16 buffers, whatever is mapped beside them; "far": buffers of all regions in random
 * order, which pays for cache misses. The bound is an array of IOVAs with an index that the driver
 * keeps: the same random reads without a table. --loop: N pairs, for callgrind.
 * --bounce: instead, buffers by size that bounce, as the backend chooses the addresses.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <udrv/device.h>
#include <udrv/dma.h>

#include "mem/domain.h"
#include "pci/device.h"

#define BASE ((uintptr_t)1 << 44)
#define IOVA ((udrv_iova_t)1 << 33)
#define MANY 100000
#define NEAR 16
#define MASK 0xffffu /* of the order, which repeats */

static struct udrv_device *dev;
static struct udrv__region *regions;
static udrv_iova_t *iovas;
static uint32_t order[MASK + 1];
static volatile udrv_iova_t sink;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int add(size_t i)
{
	struct udrv__region *r = &regions[i];

	r->va = (char *)(BASE + i * UDRV__CHUNK);
	r->len = UDRV__CHUNK;
	r->iova = iovas[i] = IOVA + i * UDRV__CHUNK;
	r->directions = udrv__dma_directions(UDRV_DMA_BIDIRECTIONAL);
	udrv__region_set_reached(r, dev->dma->domain->id, true);
	return udrv__region_insert(&udrv__regions_by_va, (uintptr_t)r->va, r, NULL) ||
	       udrv__region_insert(&udrv__regions_by_iova, r->iova, r, NULL);
}

static void shuffle(size_t n)
{
	unsigned int seed = 1;

	for (size_t i = 0; i <= MASK; i++)
		order[i] = (uint32_t)((size_t)rand_r(&seed) % n);
}

static double look_up(size_t count)
{
	double start = now();

	for (size_t i = 0; i < count; i++) {
		char *p = (char *)(BASE + order[i & MASK] * UDRV__CHUNK + (i & 0xfff));
		udrv_iova_t iova = udrv_dma_map_single(dev, p, 512, UDRV_DMA_TO_DEVICE);

		sink = iova;
		udrv_dma_unmap_single(dev, iova, 512, UDRV_DMA_TO_DEVICE);
	}
	return (now() - start) / (double)count;
}

static double index_array(size_t count)
{
	double start = now();

	for (size_t i = 0; i < count; i++)
		sink = iovas[order[i & MASK]] + (i & 0xfff);
	return (now() - start) / (double)count;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a;
	const double *y = b;

	return (*x > *y) - (*x < *y);
}

static double median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), by_value);
	return values[n / 2];
}

static int measure(size_t rounds, size_t count)
{
	double *near = calloc(3 * rounds, sizeof(double));
	double first = 0;
	size_t have = 0;

	if (!near)
		return 1;
	printf("%9s %14s %14s %14s %12s\n", "regions", "near ns", "far ns", "array ns",
	       "near/first");
	for (size_t n = 1; n <= MANY; n *= 10) {
		double *far = near + rounds;
		double *array = far + rounds;

		while (have < n && !add(have))
			have++;
		if (have < n)
			break;
		for (size_t r = 0; r < rounds; r++) {
			shuffle(n < NEAR ? n : NEAR);
			near[r] = look_up(count);
			shuffle(n);
			far[r] = look_up(count);
			array[r] = index_array(count);
		}
		if (first == 0.0)
			first = median(near, rounds);
		printf("%9zu %14.2f %14.2f %14.2f %12.2f\n", n, median(near, rounds),
		       median(far, rounds), median(array, rounds), median(near, rounds) / first);
	}
	free(near);
	return have == MANY ? 0 : 1;
}

static double bounce(void *p, size_t size, size_t count)
{
	double start = now();

	for (size_t i = 0; i < count; i++) {
		sink = udrv_dma_map_single(dev, p, size, UDRV_DMA_BIDIRECTIONAL);
		udrv_dma_unmap_single(dev, sink, size, UDRV_DMA_BIDIRECTIONAL);
	}
	return (now() - start) / (double)count;
}

static int measure_bounce(size_t rounds, size_t count)
{
	static const size_t sizes[] = {64, 512, 4096, 16384, 65536, 262144};
	double *ns = calloc(rounds, sizeof(double));
	char *p = calloc(1, sizes[sizeof(sizes) / sizeof(sizes[0]) - 1]);

	if (!ns || !p) {
		free(ns);
		free(p);
		return 1;
	}
	printf("%9s %14s\n", "bytes", "bounce ns");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (size_t r = 0; r < rounds; r++)
			ns[r] = bounce(p, sizes[i], count / 256 + 1);
		printf("%9zu %14.0f\n", sizes[i], median(ns, rounds));
	}
	free(ns);
	free(p);
	return sink == UDRV_DMA_MAPPING_ERROR;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"rounds", required_argument, NULL, 'r'},
						{"count", required_argument, NULL, 'c'},
						{"loop", required_argument, NULL, 'l'},
						{"bounce", no_argument, NULL, 'b'},
						{0}};
	size_t rounds = 9;
	size_t count = 1000000;
	const char *backend = NULL;
	size_t loop = 0;
	int ret = 0;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		size_t n = opt == '?' || !optarg ? 0 : strtoul(optarg, NULL, 10);

		if (opt == 'b') {
			backend = "model-stub";
			continue;
		}
		if (!n) {
			(void)fprintf(stderr,
				      "usage: bench_dma [--rounds N] [--count N] [--bounce] | "
				      "--loop N\n");
			return 2;
		}
		*(opt == 'r' ? &rounds : opt == 'c' ? &count : &loop) = n;
	}
	regions = calloc(MANY, sizeof(*regions));
	iovas = calloc(MANY, sizeof(*iovas));
	if (!regions || !iovas || udrv_device_open("model:edu", backend, &dev) ||
	    udrv_dma_set_mask_and_coherent(dev, UDRV_DMA_BIT_MASK(64)))
		return 1;
	if (backend)
		ret = measure_bounce(rounds, count);
	else if (!loop)
		ret = measure(rounds, count);
	else if (add(0))
		ret = 1;
	else
		(void)look_up(loop);
	udrv_device_close(dev);
	free(regions);
	free(iovas);
	return ret;
}

// SPDX-License-Identifier: MIT
/*
 * A model's DMA: the table that an IOMMU would hold, and copies through it. Copies are made with
 * the lock held, so that none is under way once an unmap or the end of bus mastering returns.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "backend/model.h"
#include "pci/device.h"

/* What a PC's IOMMU offers: 39 bits without the window of the interrupt messages. */
static const struct udrv__iova_range ranges_39_bits[] = {
	{0, 0xfedfffff},
	{0xfef00000, 0x7fffffffff},
};

#define RANGE_COUNT (sizeof(ranges_39_bits) / sizeof(ranges_39_bits[0]))

int udrv__model_iova_ranges(struct udrv_device *dev, struct udrv__iova_range *ranges,
			    unsigned int max)
{
	unsigned int count = max < RANGE_COUNT ? max : RANGE_COUNT;

	(void)dev;
	memcpy(ranges, ranges_39_bits, count * sizeof(ranges[0]));
	return (int)count;
}

static int check_range(udrv_iova_t iova, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (!len || len % page || iova % page || iova + (len - 1) < iova)
		return -EINVAL;
	for (unsigned int i = 0; i < RANGE_COUNT; i++)
		if (iova >= ranges_39_bits[i].first && iova + (len - 1) <= ranges_39_bits[i].last)
			return 0;
	return -EINVAL;
}

static struct udrv__model_mapping *find_overlap(struct udrv__model *m, udrv_iova_t iova, size_t len)
{
	struct udrv__model_mapping *map;

	for (map = m->mappings; map; map = map->next)
		if (iova <= map->iova + (map->len - 1) && map->iova <= iova + (len - 1))
			return map;
	return NULL;
}

int udrv__model_dma_map(struct udrv_device *dev, void *va, size_t len, udrv_iova_t iova,
			bool device_reads, bool device_writes)
{
	struct udrv__model *m = dev->backend;
	struct udrv__model_mapping *map;
	int ret = check_range(iova, len);

	if (ret || !(device_reads || device_writes))
		return -EINVAL;
	map = malloc(sizeof(*map));
	if (!map)
		return -ENOMEM;
	*map = (struct udrv__model_mapping){
		.iova = iova,
		.len = len,
		.va = va,
		.device_reads = device_reads,
		.device_writes = device_writes,
	};
	pthread_mutex_lock(&m->lock);
	if (find_overlap(m, iova, len)) {
		ret = -EEXIST;
	} else {
		map->next = m->mappings;
		m->mappings = map;
		map = NULL;
	}
	pthread_mutex_unlock(&m->lock);
	free(map);
	return ret;
}

void udrv__model_dma_explain(struct udrv_device *dev, size_t len, int err)
{
	udrv_dev_err(dev, "cannot map %zu bytes for DMA: %s", len, strerror(err));
}

int udrv__model_dma_unmap(struct udrv_device *dev, udrv_iova_t iova, size_t len)
{
	struct udrv__model *m = dev->backend;
	struct udrv__model_mapping **link, *map;

	pthread_mutex_lock(&m->lock);
	for (link = &m->mappings; *link; link = &(*link)->next)
		if ((*link)->iova == iova && (*link)->len == len)
			break;
	map = *link;
	if (map)
		*link = map->next;
	pthread_mutex_unlock(&m->lock);
	free(map);
	return map ? 0 : -EINVAL;
}

void udrv__model_unmap_all(struct udrv__model *m)
{
	while (m->mappings) {
		struct udrv__model_mapping *map = m->mappings;

		m->mappings = map->next;
		free(map);
	}
}

/* One transfer of a device, in pieces that lie in one mapping or in none. */
struct transfer {
	udrv_iova_t iova;
	unsigned char *to_device; /* one of these two */
	const unsigned char *from_device;
	size_t len;
};

/* Bytes from t->iova to the end of @map, or to the next byte that is mapped, or t->len. */
static size_t piece_len(struct udrv__model *m, const struct udrv__model_mapping *map,
			const struct transfer *t)
{
	size_t left = t->len;

	if (map) {
		size_t in_map = map->len - (size_t)(t->iova - map->iova);

		return left < in_map ? left : in_map;
	}
	for (map = m->mappings; map; map = map->next)
		if (map->iova > t->iova && map->iova - t->iova < left)
			left = (size_t)(map->iova - t->iova);
	return left;
}

/* Returns whether all of it was mapped and permitted; if not, *fault_out is the first bad byte. */
static bool copy_pieces(struct udrv__model *m, struct transfer t, udrv_iova_t *fault_out)
{
	bool good = true;

	while (t.len) {
		const struct udrv__model_mapping *map = find_overlap(m, t.iova, 1);
		bool permitted = map && (t.to_device ? map->device_reads : map->device_writes);
		size_t len = piece_len(m, map, &t);
		unsigned char *memory = permitted ? map->va + (t.iova - map->iova) : NULL;

		if (!permitted && good) {
			good = false;
			*fault_out = t.iova;
		}
		if (t.to_device) {
			if (permitted)
				memcpy(t.to_device, memory, len);
			else
				memset(t.to_device, 0xff, len);
			t.to_device += len;
		} else {
			if (permitted)
				memcpy(memory, t.from_device, len);
			t.from_device += len;
		}
		if (permitted)
			m->counts.dma_bytes += len;
		t.iova += len;
		t.len -= len;
	}
	return good;
}

static void tell_fault(struct udrv__model *m, bool reads, udrv_iova_t fault)
{
	udrv_dev_err(m->dev,
		     "DMAR: [DMA %s] fault addr 0x%" PRIx64
		     ": not mapped for the device, or not for this direction",
		     reads ? "Read" : "Write", fault);
}

/* With m->lock held: may the device use the bus? */
static bool is_master(struct udrv__model *m)
{
	if (!m->removed && udrv__model_command(m) & PCI_COMMAND_MASTER)
		return true;
	m->counts.dma_refused++;
	return false;
}

static bool do_transfer(struct udrv__model *m, struct transfer t)
{
	udrv_iova_t fault = 0;
	bool good = true, refused;

	pthread_mutex_lock(&m->lock);
	refused = !is_master(m);
	if (!refused) {
		good = copy_pieces(m, t, &fault);
		m->counts.dma_faults += !good;
	} else if (t.to_device) {
		memset(t.to_device, 0xff, t.len);
	}
	pthread_mutex_unlock(&m->lock);
	/* Outside the lock, as the sink is the application's. */
	if (!good)
		tell_fault(m, t.to_device, fault);
	return good && !refused;
}

bool udrv__model_dma_read(struct udrv__model *m, udrv_iova_t iova, void *buf, size_t len)
{
	return do_transfer(m, (struct transfer){.iova = iova, .to_device = buf, .len = len});
}

bool udrv__model_dma_write(struct udrv__model *m, udrv_iova_t iova, const void *buf, size_t len)
{
	return do_transfer(m, (struct transfer){.iova = iova, .from_device = buf, .len = len});
}

/* With m->lock held: memory in one piece, for a direction or both. */
static unsigned char *find_memory(struct udrv__model *m, udrv_iova_t iova, size_t len, bool reads,
				  bool writes)
{
	const struct udrv__model_mapping *map = find_overlap(m, iova, 1);

	if (!map || (reads && !map->device_reads) || (writes && !map->device_writes) ||
	    len > map->len - (size_t)(iova - map->iova))
		return NULL;
	return map->va + (iova - map->iova);
}

void *udrv__model_dma_memory(struct udrv__model *m, udrv_iova_t iova, size_t len)
{
	void *memory;

	pthread_mutex_lock(&m->lock);
	memory = find_memory(m, iova, len, true, true);
	pthread_mutex_unlock(&m->lock);
	return memory;
}

/* One word between the two, with the lock held over the access; false: logged. */
static bool access_word(struct udrv__model *m, udrv_iova_t iova, size_t len, bool reads,
			void (*access)(unsigned char *memory, void *ctx, size_t len), void *ctx)
{
	unsigned char *memory = NULL;
	bool refused;

	pthread_mutex_lock(&m->lock);
	refused = !is_master(m);
	if (!refused)
		memory = find_memory(m, iova, len, reads, !reads);
	if (memory) {
		access(memory, ctx, len);
		m->counts.dma_bytes += len;
	} else if (!refused) {
		m->counts.dma_faults++;
	}
	pthread_mutex_unlock(&m->lock);
	if (!memory && !refused)
		tell_fault(m, reads, iova);
	return memory;
}

/*
 * A reader may look at the last 2 or 4 bytes only, and then see what was stored before the last 8;
 * those it loads in one piece. The thread sanitizer ties who stores and who loads together by the
 * address of the access.
 */
#if defined(__SANITIZE_THREAD__)
#define HAVE_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAVE_TSAN 1
#endif
#endif
#ifdef HAVE_TSAN
#include <sanitizer/tsan_interface.h>
static void release_words(unsigned char *end)
{
	__tsan_release(end - 4);
	__tsan_release(end - 2);
}
#else
static void release_words(unsigned char *end)
{
	(void)end;
}
#endif

/* In one piece, like a device: the last 4 bytes, or with more before them the last 8. */
static void store_last(unsigned char *memory, void *ctx, size_t len)
{
	const unsigned char *from = ctx;
	uint32_t word;
	uint64_t last;

	if (len < sizeof(last)) {
		memcpy(&word, from, sizeof(word));
		__atomic_store_n((uint32_t *)(void *)memory, word, __ATOMIC_RELEASE);
		return;
	}
	memcpy(memory, from, len - sizeof(last));
	memcpy(&last, from + len - sizeof(last), sizeof(last));
	release_words(memory + len);
	__atomic_store_n((uint64_t *)(void *)(memory + len - sizeof(last)), last, __ATOMIC_RELEASE);
}

bool udrv__model_dma_publish(struct udrv__model *m, udrv_iova_t iova, const void *buf, size_t len)
{
	return access_word(m, iova, len, false, store_last, (void *)(uintptr_t)buf);
}

static void load_word(unsigned char *memory, void *ctx, size_t len)
{
	uint32_t *val = ctx;

	(void)len;
	*val = __atomic_load_n((const uint32_t *)(const void *)memory, __ATOMIC_ACQUIRE);
}

bool udrv__model_dma_load32(struct udrv__model *m, udrv_iova_t iova, uint32_t *val)
{
	return access_word(m, iova, sizeof(*val), true, load_word, val);
}

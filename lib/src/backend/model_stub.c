// SPDX-License-Identifier: MIT
/*
 * Backend model-stub: the DMA memory of a model as the kernel stub gives it, which chooses the
 * addresses. What the device reaches is in the model's table, as if an IOMMU held it.
 */
#include <errno.h>
#include <linux/memfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backend/model.h"
#include "mem/backing.h"
#include "pci/device.h"

#define ALLOC_MAX ((size_t)4 << 20)
#define LOWEST	  ((udrv_iova_t)16 << 20)
#define HUGE_PAGE ((size_t)2 << 20)

struct udrv__model_block {
	struct udrv__model_block *next;
	udrv_iova_t iova;
	size_t len;
	void *va; /* allocated: NULL once it is unmapped */
	bool allocated;
};

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static bool is_removed(struct udrv__model *m)
{
	bool removed;

	pthread_mutex_lock(&m->lock);
	removed = m->removed;
	pthread_mutex_unlock(&m->lock);
	return removed;
}

/* With the model's lock held. */

static const struct udrv__model_block *find_overlap(const struct udrv__model_stub *stub,
						    udrv_iova_t iova, size_t len)
{
	const struct udrv__model_block *b;

	for (b = stub->blocks; b; b = b->next)
		if (iova <= b->iova + (b->len - 1) && b->iova <= iova + (len - 1))
			return b;
	return NULL;
}

/* As aligned as Linux's are; 0: none below mask. */
static udrv_iova_t find_address(const struct udrv__model_stub *stub, size_t len, uint64_t mask)
{
	udrv_iova_t iova = stub->lowest ? stub->lowest : LOWEST;
	const struct udrv__model_block *b;
	size_t align = page_size();

	while (align < len)
		align *= 2;
	iova = (iova + align - 1) & ~(udrv_iova_t)(align - 1);
	while ((b = find_overlap(stub, iova, len)))
		iova = (b->iova + b->len + align - 1) & ~(udrv_iova_t)(align - 1);
	if (stub->crooked)
		iova += page_size();
	return iova <= mask && len - 1 <= mask - iova ? iova : 0;
}

/* What follows from where memory is, as if the process's addresses were those of the machine. */
static int physical_address(const struct udrv__model_stub *stub, const void *va, size_t len,
			    uint64_t mask, udrv_iova_t *iova)
{
	udrv_iova_t at = ((uintptr_t)va & 0x1fffffffff) | 0x2000000000;

	if (len > page_size() && !(stub->physical && !((uintptr_t)va & (HUGE_PAGE - 1))))
		return -E2BIG;
	*iova = at;
	return at <= mask && len - 1 <= mask - at ? 0 : -EIO;
}

/* The lock is taken here. */

static int choose(struct udrv__model *m, uint64_t mask, bool alloc, struct udrv__dma_block *block)
{
	const struct udrv__model_stub *stub = &m->stub;
	int ret = 0;

	pthread_mutex_lock(&m->lock);
	if (!alloc && !stub->translated) {
		ret = physical_address(stub, block->va, block->len, mask, &block->iova);
	} else {
		block->iova = find_address(stub, block->len, mask);
		ret = block->iova ? 0 : -EIO;
	}
	pthread_mutex_unlock(&m->lock);
	return ret;
}

/* The device reaches it: by a mapping for each address, however often it is pinned. */
static int enter(struct udrv_device *dev, bool alloc, bool reads, bool writes,
		 struct udrv__dma_block *block)
{
	struct udrv__model *m = dev->backend;
	struct udrv__model_block *b = malloc(sizeof(*b));
	bool again;
	int ret = 0;

	if (!b)
		return -ENOMEM;
	*b = (struct udrv__model_block){
		.iova = block->iova, .len = block->len, .va = block->va, .allocated = alloc};
	pthread_mutex_lock(&m->lock);
	again = find_overlap(&m->stub, b->iova, b->len);
	pthread_mutex_unlock(&m->lock);
	if (!again)
		ret = udrv__model_dma_map(dev, block->va, block->len, block->iova, reads, writes);
	if (ret) {
		free(b);
		return ret;
	}
	pthread_mutex_lock(&m->lock);
	b->next = m->stub.blocks;
	m->stub.blocks = b;
	m->stub.allocs += alloc;
	m->stub.pins += !alloc;
	pthread_mutex_unlock(&m->lock);
	block->handle = (uintptr_t)b;
	return 0;
}

static int get_memory(struct udrv__dma_block *block)
{
	int fd = memfd_create("udrv-model-dma", MFD_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)block->len))
		block->va = MAP_FAILED;
	else
		block->va = udrv__map_alike(fd, 0, block->len, block->iova);
	err = errno;
	close(fd);
	if (block->va != MAP_FAILED)
		return 0;
	return err ? -err : -ENOMEM;
}

int udrv__model_stub_alloc(struct udrv_device *dev, size_t len, uint64_t mask,
			   struct udrv__dma_block *block)
{
	struct udrv__model *m = dev->backend;
	struct udrv__dma_block b = {.len = len};
	int ret;

	if (m->stub.no_dma)
		return -EOPNOTSUPP;
	if (is_removed(m))
		return -ENODEV;
	if (len > (m->stub.alloc_max ? m->stub.alloc_max : ALLOC_MAX))
		return -ENOMEM;
	ret = choose(m, mask, true, &b);
	if (!ret)
		ret = get_memory(&b);
	if (ret)
		return ret;
	ret = enter(dev, true, true, true, &b);
	if (ret)
		munmap(b.va, len);
	else
		*block = b;
	return ret;
}

int udrv__model_stub_pin(struct udrv_device *dev, uint64_t mask, bool device_reads,
			 bool device_writes, struct udrv__dma_block *block)
{
	struct udrv__model *m = dev->backend;
	struct udrv__dma_block b = *block;
	int ret;

	if (m->stub.no_dma)
		return -EOPNOTSUPP;
	if (is_removed(m))
		return -ENODEV;
	ret = choose(m, mask, false, &b);
	if (!ret)
		ret = enter(dev, false, device_reads, device_writes, &b);
	if (!ret)
		*block = b;
	return ret;
}

bool udrv__model_stub_untranslated(struct udrv_device *dev)
{
	const struct udrv__model *m = dev->backend;

	return !m->stub.translated;
}

static void take_out(struct udrv__model_stub *stub, const struct udrv__model_block *b)
{
	struct udrv__model_block **link = &stub->blocks;

	while (*link != b)
		link = &(*link)->next;
	*link = b->next;
}

/* The device first: it may be copying. @shared: another block is at the same addresses. */
static void end_memory(struct udrv_device *dev, const struct udrv__model_block *b, bool shared)
{
	if (!shared)
		(void)udrv__model_dma_unmap(dev, b->iova, b->len);
	if (b->allocated && b->va)
		munmap(b->va, b->len);
}

int udrv__model_stub_free(struct udrv_device *dev, const struct udrv__dma_block *block)
{
	struct udrv__model *m = dev->backend;
	struct udrv__model_block *b = (struct udrv__model_block *)(uintptr_t)block->handle;
	bool still;

	if (m->stub.free_error) {
		if (b->allocated)
			end_memory(dev, b, false);
		b->va = NULL;
		return m->stub.free_error;
	}
	pthread_mutex_lock(&m->lock);
	take_out(&m->stub, b);
	m->stub.frees++;
	still = find_overlap(&m->stub, b->iova, b->len);
	pthread_mutex_unlock(&m->lock);
	end_memory(dev, b, still);
	free(b);
	return is_removed(m) ? -ENODEV : 0;
}

void udrv__model_stub_end(struct udrv__model *m)
{
	struct udrv__model_block *b;

	while ((b = m->stub.blocks)) {
		m->stub.blocks = b->next;
		if (b->allocated && b->va)
			munmap(b->va, b->len);
		free(b);
	}
}

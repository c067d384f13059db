// SPDX-License-Identifier: MIT
/* Memory that a device behind udrv_stub reaches: the module's, and the process's own. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "backend/memlock.h"
#include "backend/stub.h"
#include "mem/backing.h"

static void charge(struct udrv_device *dev, size_t len)
{
	struct udrv__stub *stub = dev->backend;

	__atomic_fetch_add(&stub->locked, len, __ATOMIC_RELAXED);
}

static int free_handle(struct udrv_device *dev, uint64_t handle)
{
	const struct udrv__stub *stub = dev->backend;
	struct udrv_stub_dma_free arg = {.abi = UDRV_STUB_ABI, .handle = handle};

	return ioctl(stub->fd, UDRV_STUB_DMA_FREE, &arg) ? udrv__stub_failed(dev) : 0;
}

static int free_block(struct udrv_device *dev, const struct udrv__dma_block *block)
{
	struct udrv__stub *stub = dev->backend;
	int ret = free_handle(dev, block->handle);

	if (!ret)
		__atomic_fetch_sub(&stub->locked, block->len, __ATOMIC_RELAXED);
	return ret;
}

int udrv__stub_dma_alloc(struct udrv_device *dev, size_t len, uint64_t mask,
			 struct udrv__dma_block *block)
{
	const struct udrv__stub *stub = dev->backend;
	struct udrv_stub_dma_alloc arg = {.abi = UDRV_STUB_ABI, .size = len, .mask = mask};
	void *va;

	if (ioctl(stub->fd, UDRV_STUB_DMA_ALLOC, &arg))
		return udrv__stub_failed(dev);
	va = udrv__map_alike(stub->fd, (off_t)arg.map_offset, len, arg.bus);
	if (va == MAP_FAILED) {
		int ret = udrv__stub_failed(dev);

		(void)free_handle(dev, arg.map_offset);
		return ret;
	}
	*block = (struct udrv__dma_block){
		.va = va,
		.len = len,
		.iova = arg.bus,
		.handle = arg.map_offset,
	};
	charge(dev, len);
	return 0;
}

int udrv__stub_dma_free(struct udrv_device *dev, const struct udrv__dma_block *block)
{
	munmap(block->va, block->len);
	return free_block(dev, block);
}

int udrv__stub_dma_pin(struct udrv_device *dev, uint64_t mask, bool device_reads,
		       bool device_writes, struct udrv__dma_block *block)
{
	const struct udrv__stub *stub = dev->backend;
	struct udrv_stub_dma_map arg = {
		.abi = UDRV_STUB_ABI,
		.direction = (device_reads ? UDRV_STUB_TO_DEVICE : 0) |
			     (device_writes ? UDRV_STUB_FROM_DEVICE : 0),
		.addr = (uintptr_t)block->va,
		.size = block->len,
		.mask = mask,
	};

	if (ioctl(stub->fd, UDRV_STUB_DMA_MAP, &arg)) {
		int ret = udrv__stub_failed(dev);

		/* Nothing could take pages from the device: as if it did not reach them. */
		return ret == -EOPNOTSUPP ? -E2BIG : ret;
	}
	block->iova = arg.bus;
	block->handle = arg.handle;
	charge(dev, block->len);
	return 0;
}

int udrv__stub_dma_unpin(struct udrv_device *dev, const struct udrv__dma_block *block)
{
	return free_block(dev, block);
}

bool udrv__stub_dma_untranslated(struct udrv_device *dev)
{
	const struct udrv__stub *stub = dev->backend;

	return !(stub->info.flags & UDRV_STUB_TRANSLATED);
}

void udrv__stub_dma_explain(struct udrv_device *dev, size_t len, int err)
{
	const struct udrv__stub *stub = dev->backend;
	bool translated = stub->info.flags & UDRV_STUB_TRANSLATED;
	size_t used = __atomic_load_n(&stub->locked, __ATOMIC_RELAXED);

	if (err == ENOMEM && !udrv__memlock_allows(used + len))
		(void)udrv__memlock_explain(dev->name, used, len,
					    " through this device, and what the user's other "
					    "devices and processes have locked counts too");
	else if (err == ENOMEM)
		udrv_dev_err(dev,
			     "no %zu bytes that are contiguous, and that the device reaches, are "
			     "free: ask for smaller pieces, or earlier%s%s",
			     len, translated ? "" : ", or switch the IOMMU on",
			     udrv__memlock_allows(SIZE_MAX)
				     ? ""
				     : "; or the user's processes together have locked as much as "
				       "RLIMIT_MEMLOCK allows");
	else if (err == EIO)
		udrv_dev_err(dev,
			     "no memory for DMA below the device's mask on this machine: set a "
			     "wider one, if the device has it");
	else
		udrv_dev_err(dev, "no DMA memory of %zu bytes: %s", len, strerror(err));
}

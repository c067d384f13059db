// SPDX-License-Identifier: GPL-2.0-only
/* Memory that the device reaches: ours, or pinned pages of a process. */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/dma-map-ops.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/vmalloc.h>

#include "stub.h"

/* To the calling process's user, by RLIMIT_MEMLOCK. */
static struct user_struct *charge(size_t size)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	struct user_struct *user = get_uid(current_user());
	long pages = size >> PAGE_SHIFT;

	if (atomic_long_add_return(pages, &user->locked_vm) <= limit || capable(CAP_IPC_LOCK))
		return user;
	atomic_long_sub(pages, &user->locked_vm);
	free_uid(user);
	return ERR_PTR(-ENOMEM);
}

static void uncharge(struct user_struct *user, size_t size)
{
	if (!user)
		return;
	atomic_long_sub(size >> PAGE_SHIFT, &user->locked_vm);
	free_uid(user);
}

/*
 * By default the kernel leaves what was unmapped in the IOMMU's cache for some 10 ms. Until it is
 * gone from there, the device reaches the pages: they must not be freed.
 */
static void unmap_from_device(struct stub *stub, struct stub_dma *dma)
{
	struct device *dev = &stub->pdev->dev;
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);

	dma_unmap_sgtable(dev, &dma->sgt, dma->direction, DMA_ATTR_SKIP_CPU_SYNC);
	sg_free_table(&dma->sgt);
	if (domain)
		iommu_flush_iotlb_all(domain);
}

/* Ours, or unpins a process's. */
static void free_pages_of(struct stub_dma *dma)
{
	if (dma->cpu)
		vfree(dma->cpu);
	else
		unpin_user_pages_dirty_lock(dma->pages, dma->size >> PAGE_SHIFT,
					    dma->direction != DMA_TO_DEVICE);
	kvfree(dma->pages);
	dma->pages = NULL;
	dma->cpu = NULL;
}

/* What the device knows of it ends. The device is still there, and uses it no more. */
static void release_from_device(struct stub *stub, struct stub_dma *dma)
{
	if (dma->pages) {
		unmap_from_device(stub, dma);
		free_pages_of(dma);
	} else if (dma->cpu && !dma->copy) {
		dma_free_coherent(&stub->pdev->dev, dma->size, dma->cpu, dma->bus);
		dma->cpu = NULL;
	}
	uncharge(dma->user, dma->size);
	dma->user = NULL;
}

static void free_dma(struct stub_dma *dma)
{
	if (dma->copy)
		vfree(dma->cpu);
	kfree(dma);
}

static void end_dma(struct stub *stub, struct stub_dma *dma)
{
	list_del(&dma->link);
	release_from_device(stub, dma);
	free_dma(dma);
}

/* Without an IOMMU and without a reset nobody knows when the device is done with memory. */
static bool must_keep(const struct stub *stub)
{
	return !stub->translated && !stub->can_reset;
}

/* Nobody's from now on; a later user of the device may have it. */
static void keep_dma(struct stub *stub, struct stub_dma *dma)
{
	uncharge(dma->user, dma->size);
	dma->user = NULL;
	dma->owner = NULL;
	dma->stale = true;
	list_move_tail(&dma->link, &stub->kept);
}

/* The user says that the device uses it no more; or it never came to use it. */
static void give_back_dma(struct stub *stub, struct stub_dma *dma)
{
	if (dma->stale || must_keep(stub))
		keep_dma(stub, dma);
	else
		end_dma(stub, dma);
}

/* Memory that an earlier user had; NULL if there is none that fits. */
static struct stub_dma *take_kept(struct stub *stub, size_t size, u64 mask)
{
	struct stub_dma *dma;

	list_for_each_entry(dma, &stub->kept, link) {
		if (dma->cpu && dma->size == size && dma->bus + (size - 1) <= mask) {
			list_del_init(&dma->link);
			memset(dma->cpu, 0, size);
			return dma;
		}
	}
	return NULL;
}

static struct stub_dma *new_dma(size_t size)
{
	struct stub_dma *dma = kzalloc(sizeof(*dma), GFP_KERNEL_ACCOUNT);

	if (dma) {
		INIT_LIST_HEAD(&dma->link);
		dma->size = size;
	}
	return dma;
}

static struct stub_dma *alloc_coherent(struct stub *stub, size_t size, u64 mask)
{
	struct stub_dma *dma = new_dma(size);
	int ret;

	if (!dma)
		return ERR_PTR(-ENOMEM);
	ret = dma_set_coherent_mask(&stub->pdev->dev, mask);
	if (ret)
		goto err_free;
	ret = -ENOMEM;
	dma->cpu = dma_alloc_coherent(&stub->pdev->dev, size, &dma->bus,
				      GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
	if (!dma->cpu)
		goto err_free;
	return dma;

err_free:
	kfree(dma);
	return ERR_PTR(ret);
}

/* A bounce buffer, or a cache, would have to be brought up to date, which nobody does. */
static bool is_bounced(struct stub *stub, dma_addr_t bus)
{
	struct device *dev = &stub->pdev->dev;

	return stub->translated ? !dev_is_dma_coherent(dev) : dma_need_sync(dev, bus);
}

/* Without an IOMMU, which would find an address, the DMA API warns of pages out of reach. */
static bool within_reach(struct stub *stub, struct stub_dma *dma, u64 mask)
{
	size_t i;

	for (i = 0; !stub->translated && i < dma->size >> PAGE_SHIFT; i++)
		if (page_to_phys(dma->pages[i]) + (PAGE_SIZE - 1) > mask)
			return false;
	return true;
}

/* One address for all of it, or none. */
static int map_for_device(struct stub *stub, struct stub_dma *dma, u64 mask)
{
	struct device *dev = &stub->pdev->dev;
	size_t bytes = 0;
	struct scatterlist *sg;
	unsigned int i;
	int ret = dma_set_mask(dev, mask);

	if (!ret && !within_reach(stub, dma, mask))
		ret = -E2BIG;
	if (!ret)
		ret = sg_alloc_table_from_pages(&dma->sgt, dma->pages, dma->size >> PAGE_SHIFT, 0,
						dma->size, GFP_KERNEL);
	if (ret)
		return ret;
	ret = dma_map_sgtable(dev, &dma->sgt, dma->direction, DMA_ATTR_SKIP_CPU_SYNC);
	if (ret)
		goto err_table;
	dma->bus = sg_dma_address(dma->sgt.sgl);
	for_each_sgtable_dma_sg(&dma->sgt, sg, i) {
		if (sg_dma_address(sg) != dma->bus + bytes)
			goto err_unmap;
		bytes += sg_dma_len(sg);
	}
	if (bytes == dma->size && dma->bus + (bytes - 1) <= mask && !is_bounced(stub, dma->bus))
		return 0;

err_unmap:
	unmap_from_device(stub, dma);
	return -E2BIG;
err_table:
	sg_free_table(&dma->sgt);
	return ret;
}

/* Behind an IOMMU: pages of ours, because dma_free_coherent() frees them too early. */
static struct stub_dma *alloc_mapped(struct stub *stub, size_t size, u64 mask)
{
	struct stub_dma *dma = new_dma(size);
	size_t pages = size >> PAGE_SHIFT, i;
	int ret = -ENOMEM;

	if (!dma)
		return ERR_PTR(-ENOMEM);
	dma->direction = DMA_BIDIRECTIONAL;
	/* Superpages for the IOMMU, where they are to be had. */
	dma->cpu = vmalloc_huge(size, GFP_KERNEL | __GFP_ZERO | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
	dma->pages = kvcalloc(pages, sizeof(*dma->pages), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (dma->cpu && dma->pages) {
		for (i = 0; i < pages; i++)
			dma->pages[i] = vmalloc_to_page(dma->cpu + (i << PAGE_SHIFT));
		ret = map_for_device(stub, dma, mask);
	}
	if (!ret)
		return dma;
	vfree(dma->cpu);
	kvfree(dma->pages);
	kfree(dma);
	return ERR_PTR(ret == -EIO ? -EIO : -ENOMEM);
}

/* The file's from now on. */
static int own_dma(struct stub_file *f, struct stub_dma *dma)
{
	int ret = xa_alloc(&f->dma, &dma->id, dma, XA_LIMIT(0, UDRV_STUB_DMA_MAX - 1), GFP_KERNEL);

	if (ret)
		return ret == -EBUSY ? -ENOSPC : ret;
	dma->owner = f;
	list_add(&dma->link, &f->stub->dma);
	return 0;
}

static u64 dma_handle(const struct stub_dma *dma)
{
	return UDRV_STUB_OFFSET(UDRV_STUB_REGION_DMA + dma->id);
}

static bool is_mask(u64 mask)
{
	return mask >= PAGE_SIZE - 1 && !(mask & (mask + 1));
}

static bool is_dma_size(u64 size)
{
	return size && PAGE_ALIGNED(size) && size >> PAGE_SHIFT <= totalram_pages();
}

/* Does the IOMMU's driver let go of memory some time after it was unmapped, and freed? */
static bool is_unmapped_late(struct stub *stub)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(&stub->pdev->dev);

	return domain && domain->type == IOMMU_DOMAIN_DMA_FQ &&
	       dev_is_dma_coherent(&stub->pdev->dev);
}

static int dma_alloc(struct stub_file *f, struct udrv_stub_dma_alloc *alloc,
		     struct user_struct *user)
{
	struct stub *stub = f->stub;
	struct stub_dma *dma;
	int ret;

	if (stub->gone)
		return -ENODEV;
	dma = take_kept(stub, alloc->size, alloc->mask);
	if (!dma && is_unmapped_late(stub))
		dma = alloc_mapped(stub, alloc->size, alloc->mask);
	else if (!dma)
		dma = alloc_coherent(stub, alloc->size, alloc->mask);
	if (IS_ERR(dma))
		return PTR_ERR(dma);
	ret = own_dma(f, dma);
	if (ret) {
		give_back_dma(stub, dma);
		return ret;
	}
	dma->user = user;
	alloc->bus = dma->bus;
	alloc->map_offset = dma_handle(dma);
	return 0;
}

/* The memory of a handle, off the file's table; the caller ends it. */
static struct stub_dma *take_dma(struct stub_file *f, u64 handle)
{
	u64 id = (handle >> UDRV_STUB_REGION_SHIFT) - UDRV_STUB_REGION_DMA;
	struct stub *stub = f->stub;
	struct stub_dma *dma = NULL;

	if (handle & (UDRV_STUB_OFFSET(1) - 1) || id >= UDRV_STUB_DMA_MAX)
		return ERR_PTR(-ENOENT);
	down_write(&stub->map_lock);
	dma = xa_load(&f->dma, id);
	if (!dma)
		dma = ERR_PTR(-ENOENT);
	else if (atomic_read(&dma->maps))
		dma = ERR_PTR(-EBUSY);
	else
		xa_erase(&f->dma, id);
	up_write(&stub->map_lock);
	return dma;
}

static int dma_free(struct stub_file *f, u64 handle)
{
	struct stub *stub = f->stub;
	struct stub_dma *dma;
	int ret = 0;

	mutex_lock(&stub->lock);
	dma = stub->gone ? ERR_PTR(-ENODEV) : take_dma(f, handle);
	if (IS_ERR(dma))
		ret = PTR_ERR(dma);
	else
		give_back_dma(stub, dma);
	mutex_unlock(&stub->lock);
	return ret;
}

long stub_dma_alloc_ioctl(struct stub_file *f, void __user *arg)
{
	struct udrv_stub_dma_alloc alloc;
	struct user_struct *user;
	int ret;

	if (copy_from_user(&alloc, arg, sizeof(alloc)))
		return -EFAULT;
	if (alloc.abi != UDRV_STUB_ABI || alloc.reserved || alloc.bus || alloc.map_offset ||
	    !is_mask(alloc.mask) || !alloc.size || !PAGE_ALIGNED(alloc.size))
		return -EINVAL;
	if (!is_dma_size(alloc.size))
		return -ENOMEM;
	user = charge(alloc.size);
	if (IS_ERR(user))
		return PTR_ERR(user);
	mutex_lock(&f->stub->lock);
	ret = dma_alloc(f, &alloc, user);
	mutex_unlock(&f->stub->lock);
	if (ret) {
		uncharge(user, alloc.size);
		return ret;
	}
	if (!copy_to_user(arg, &alloc, sizeof(alloc)))
		return 0;
	dma_free(f, alloc.map_offset);
	return -EFAULT;
}

static void unpin(struct stub_dma *dma, size_t pages)
{
	unpin_user_pages(dma->pages, pages);
	kvfree(dma->pages);
	dma->pages = NULL;
}

#define PIN_WRITE	(FOLL_LONGTERM | FOLL_WRITE)
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
/* Pinned for reading only, a page that was never written would be another one afterwards. */
#define PIN_READ	(FOLL_LONGTERM | FOLL_WRITE | FOLL_FORCE)
#else
#define PIN_READ	FOLL_LONGTERM
#endif

/* Without a lock: it may take as long as a page fault does. */
static struct stub_dma *pin(u64 addr, size_t size, u32 direction)
{
	static const enum dma_data_direction directions[] = {
		[UDRV_STUB_TO_DEVICE] = DMA_TO_DEVICE,
		[UDRV_STUB_FROM_DEVICE] = DMA_FROM_DEVICE,
		[UDRV_STUB_TO_DEVICE | UDRV_STUB_FROM_DEVICE] = DMA_BIDIRECTIONAL,
	};
	unsigned int flags = direction & UDRV_STUB_FROM_DEVICE ? PIN_WRITE : PIN_READ;
	struct stub_dma *dma = new_dma(size);
	size_t want = size >> PAGE_SHIFT, got = 0;
	int ret = -ENOMEM;

	if (!dma)
		return ERR_PTR(-ENOMEM);
	dma->direction = directions[direction];
	dma->pages = kvcalloc(want, sizeof(*dma->pages), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!dma->pages)
		goto err_free;
	while (got < want) {
		int n = min_t(size_t, want - got, INT_MAX >> PAGE_SHIFT);

		ret = pin_user_pages_fast(addr + (got << PAGE_SHIFT), n, flags, dma->pages + got);
		if (ret <= 0)
			goto err_unpin;
		got += ret;
	}
	return dma;

err_unpin:
	unpin(dma, got);
	ret = ret ?: -EFAULT;
err_free:
	kfree(dma);
	return ERR_PTR(ret);
}

static int dma_map(struct stub_file *f, struct udrv_stub_dma_map *map, struct stub_dma *dma)
{
	struct stub *stub = f->stub;
	int ret;

	if (stub->gone)
		return -ENODEV;
	if (must_keep(stub))
		return -EOPNOTSUPP;
	ret = map_for_device(stub, dma, map->mask);
	if (ret)
		return ret;
	ret = own_dma(f, dma);
	if (ret) {
		unmap_from_device(stub, dma);
		return ret;
	}
	map->bus = dma->bus;
	map->handle = dma_handle(dma);
	return 0;
}

static int dma_map_charged(struct stub_file *f, struct udrv_stub_dma_map *map,
			   struct user_struct *user)
{
	struct stub_dma *dma = pin(map->addr, map->size, map->direction);
	int ret;

	if (IS_ERR(dma))
		return PTR_ERR(dma);
	mutex_lock(&f->stub->lock);
	ret = dma_map(f, map, dma);
	if (!ret)
		dma->user = user;
	mutex_unlock(&f->stub->lock);
	if (ret) {
		unpin(dma, dma->size >> PAGE_SHIFT);
		kfree(dma);
	}
	return ret;
}

long stub_dma_map_ioctl(struct stub_file *f, void __user *arg)
{
	u32 both = UDRV_STUB_TO_DEVICE | UDRV_STUB_FROM_DEVICE;
	struct udrv_stub_dma_map map;
	struct user_struct *user;
	u64 end;
	int ret;

	if (copy_from_user(&map, arg, sizeof(map)))
		return -EFAULT;
	if (map.abi != UDRV_STUB_ABI || !map.direction || map.direction & ~both || map.bus ||
	    map.handle || !is_mask(map.mask) || !PAGE_ALIGNED(map.addr) || !map.size ||
	    !PAGE_ALIGNED(map.size) || check_add_overflow(map.addr, map.size, &end))
		return -EINVAL;
	if (!is_dma_size(map.size))
		return -ENOMEM;
	user = charge(map.size);
	if (IS_ERR(user))
		return PTR_ERR(user);
	ret = dma_map_charged(f, &map, user);
	if (ret) {
		uncharge(user, map.size);
		return ret;
	}
	if (!copy_to_user(arg, &map, sizeof(map)))
		return 0;
	dma_free(f, map.handle);
	return -EFAULT;
}

long stub_dma_free_ioctl(struct stub_file *f, void __user *arg)
{
	struct udrv_stub_dma_free free;

	if (copy_from_user(&free, arg, sizeof(free)))
		return -EFAULT;
	if (free.abi != UDRV_STUB_ABI || free.reserved)
		return -EINVAL;
	return dma_free(f, free.handle);
}

/* A file is closed: the device may know its memory as long as it has other users. */
void stub_leave_dma(struct stub_file *f)
{
	struct stub_dma *dma;
	unsigned long id;

	xa_for_each(&f->dma, id, dma)
		dma->owner = NULL;
	xa_destroy(&f->dma);
}

/* Users keep what was in their memory, as a copy of their own. */
static void detach(struct stub *stub, struct stub_dma *dma)
{
	void *copy = NULL;

	if (dma->cpu && atomic_read(&dma->maps)) {
		/* Not at the cost of a process, which might be waiting for us. */
		copy = __vmalloc(dma->size,
				 GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
		if (copy)
			memcpy(copy, dma->cpu, dma->size);
	}
	release_from_device(stub, dma);
	dma->cpu = copy;
	dma->copy = copy;
}

static void release_kept(struct stub *stub)
{
	struct stub_dma *dma, *next;

	list_for_each_entry_safe(dma, next, &stub->kept, link)
		end_dma(stub, dma);
}

void stub_detach_dma(struct stub *stub)
{
	struct stub_dma *dma;

	list_for_each_entry(dma, &stub->dma, link)
		detach(stub, dma);
	release_kept(stub);
}

void stub_release_unused_dma(struct stub *stub, bool was_reset)
{
	struct stub_dma *dma, *next;

	list_for_each_entry_safe(dma, next, &stub->dma, link) {
		if (stub->translated || was_reset)
			end_dma(stub, dma);
		else
			keep_dma(stub, dma);
	}
	if (was_reset)
		release_kept(stub);
}

void stub_free_dma(struct stub *stub)
{
	struct stub_dma *dma, *next;

	list_for_each_entry_safe(dma, next, &stub->dma, link)
		free_dma(dma);
}

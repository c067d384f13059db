// SPDX-License-Identifier: GPL-2.0-only
/* Mappings, and their end when the device goes. */
#include <linux/dma-map-ops.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/version.h>
#include <linux/vmalloc.h>

#include "stub.h"

#define REGION_PAGES	(1UL << (UDRV_STUB_REGION_SHIFT - PAGE_SHIFT))
/* Pages that one fault maps at most, around the address. */
#define FAULT_PAGES	512UL

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}

static inline void vm_flags_clear(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags &= ~flags;
}
#endif

/* Pages of a fault: those around it that are in the VMA. */
static vm_fault_t insert_around(struct vm_fault *vmf, unsigned long (*pfn)(void *ctx, u64 offset),
				void *ctx, u64 offset)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long at = vmf->address & PAGE_MASK;
	unsigned long first = max(at & ~(FAULT_PAGES * PAGE_SIZE - 1), vma->vm_start);
	unsigned long end = min((at | (FAULT_PAGES * PAGE_SIZE - 1)) + 1, vma->vm_end);
	vm_fault_t ret = vmf_insert_pfn(vma, at, pfn(ctx, offset));
	unsigned long addr;

	/* What cannot be had now will fault by itself. */
	for (addr = first; ret == VM_FAULT_NOPAGE && addr < end; addr += PAGE_SIZE) {
		unsigned long n = addr == at ? 0 : pfn(ctx, offset + addr - at);

		if (n && vmf_insert_pfn(vma, addr, n) != VM_FAULT_NOPAGE)
			break;
	}
	return ret;
}

/* 0: not to be mapped. */
static unsigned long bar_pfn(void *ctx, u64 offset)
{
	struct stub_bar *bar = ctx;

	if (stub_touches(offset, PAGE_SIZE, bar->hole, bar->hole_len))
		return 0;
	return (bar->start + offset) >> PAGE_SHIFT;
}

static vm_fault_t bar_fault(struct vm_fault *vmf, u64 page)
{
	struct stub_bar *bar = vmf->vma->vm_private_data;
	struct stub *stub = bar->stub;
	u64 offset = page << PAGE_SHIFT;
	vm_fault_t ret = VM_FAULT_SIGBUS;

	down_read(&stub->map_lock);
	if (!stub->gone && bar_pfn(bar, offset))
		ret = insert_around(vmf, bar_pfn, bar, offset);
	up_read(&stub->map_lock);
	return ret;
}

static vm_fault_t stub_bar_fault(struct vm_fault *vmf)
{
	return bar_fault(vmf, vmf->pgoff & (REGION_PAGES - 1));
}

/* UIO: the offset in pages is the map's number. */
static vm_fault_t stub_uio_fault(struct vm_fault *vmf)
{
	struct stub_bar *bar = vmf->vma->vm_private_data;

	return bar_fault(vmf, vmf->pgoff - bar->uio_map);
}

static void bar_vm_open(struct vm_area_struct *vma)
{
	struct stub_bar *bar = vma->vm_private_data;

	mutex_lock(&bar->stub->bar_lock);
	bar->maps++;
	mutex_unlock(&bar->stub->bar_lock);
	get_device(&bar->stub->dev);
}

static void bar_vm_close(struct vm_area_struct *vma)
{
	struct stub_bar *bar = vma->vm_private_data;
	struct stub *stub = bar->stub;

	mutex_lock(&stub->bar_lock);
	if (!--bar->maps && bar->wc) {
		arch_io_free_memtype_wc(bar->start, bar->len);
		bar->wc = false;
	}
	mutex_unlock(&stub->bar_lock);
	put_device(&stub->dev);
}

static const struct vm_operations_struct stub_bar_vm_ops = {
	.open = bar_vm_open,
	.close = bar_vm_close,
	.fault = stub_bar_fault,
};

const struct vm_operations_struct stub_uio_vm_ops = {
	.open = bar_vm_open,
	.close = bar_vm_close,
	.fault = stub_uio_fault,
};

/* A physical page has one caching mode: so has a BAR, while it is mapped. */
static int set_caching(struct stub_bar *bar, bool wc)
{
	int ret = 0;

	mutex_lock(&bar->stub->bar_lock);
	if (bar->maps && bar->wc != wc)
		ret = -EBUSY;
	else if (!bar->maps && wc)
		ret = arch_io_reserve_memtype_wc(bar->start, bar->len);
	if (!ret) {
		bar->wc = wc;
		bar->maps++;
	}
	mutex_unlock(&bar->stub->bar_lock);
	return ret;
}

int stub_map_bar(struct stub_bar *bar, struct vm_area_struct *vma, bool wc,
		 const struct vm_operations_struct *ops)
{
	int ret = set_caching(bar, wc);

	if (ret)
		return ret;
	get_device(&bar->stub->dev);
	vma->vm_page_prot = wc ? pgprot_writecombine(vma->vm_page_prot) :
				 pgprot_noncached(vma->vm_page_prot);
	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_private_data = bar;
	vma->vm_ops = ops;
	return 0;
}

static int mmap_bar(struct stub_bar *bar, struct vm_area_struct *vma, bool wc)
{
	u64 offset = (u64)(vma->vm_pgoff & (REGION_PAGES - 1)) << PAGE_SHIFT;
	u64 len = vma->vm_end - vma->vm_start;

	if (!(bar->flags & UDRV_STUB_BAR_MMAP) || offset >= bar->len ||
	    len > bar->len - offset || stub_touches(offset, len, bar->hole, bar->hole_len))
		return -EINVAL;
	if (wc && !(bar->flags & UDRV_STUB_BAR_PREFETCH))
		return -EINVAL;
	return stub_map_bar(bar, vma, wc, &stub_bar_vm_ops);
}

/* What the DMA API gave us on a coherent platform is in the linear map, or in vmalloc's. */
static unsigned long dma_pfn(void *ctx, u64 offset)
{
	struct stub_dma *dma = ctx;
	void *p = dma->cpu + offset;

	if (offset >= dma->size)
		return 0;
	return is_vmalloc_addr(p) ? vmalloc_to_pfn(p) : page_to_pfn(virt_to_page(p));
}

static vm_fault_t stub_dma_fault(struct vm_fault *vmf)
{
	struct stub_file *f = vmf->vma->vm_file->private_data;
	struct stub_dma *dma = vmf->vma->vm_private_data;
	u64 offset = (u64)(vmf->pgoff & (REGION_PAGES - 1)) << PAGE_SHIFT;
	vm_fault_t ret = VM_FAULT_SIGBUS;

	down_read(&f->stub->map_lock);
	if (dma->cpu && offset < dma->size)
		ret = insert_around(vmf, dma_pfn, dma, offset);
	up_read(&f->stub->map_lock);
	return ret;
}

static void dma_vm_open(struct vm_area_struct *vma)
{
	struct stub_dma *dma = vma->vm_private_data;

	atomic_inc(&dma->maps);
}

static void dma_vm_close(struct vm_area_struct *vma)
{
	struct stub_dma *dma = vma->vm_private_data;

	atomic_dec(&dma->maps);
}

static const struct vm_operations_struct stub_dma_vm_ops = {
	.open = dma_vm_open,
	.close = dma_vm_close,
	.fault = stub_dma_fault,
};

static int mmap_dma(struct stub_file *f, struct vm_area_struct *vma, u64 region)
{
	struct stub_dma *dma = xa_load(&f->dma, region - UDRV_STUB_REGION_DMA);
	u64 offset = (u64)(vma->vm_pgoff & (REGION_PAGES - 1)) << PAGE_SHIFT;

	if (!dma || !dma->cpu || offset || vma->vm_end - vma->vm_start > dma->size)
		return -EINVAL;
	atomic_inc(&dma->maps);
	if (!dev_is_dma_coherent(&f->stub->pdev->dev))
		vma->vm_page_prot = pgprot_dmacoherent(vma->vm_page_prot);
	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_private_data = dma;
	vma->vm_ops = &stub_dma_vm_ops;
	return 0;
}

static int mmap_vectors(struct stub *stub, struct vm_area_struct *vma)
{
	if (vma->vm_flags & (VM_WRITE | VM_EXEC))
		return -EINVAL;
	vm_flags_clear(vma, VM_MAYWRITE | VM_MAYEXEC);
	return remap_vmalloc_range(vma, stub->shared, vma->vm_pgoff & (REGION_PAGES - 1));
}

static int map_region(struct stub_file *f, struct vm_area_struct *vma)
{
	u64 region = vma->vm_pgoff / REGION_PAGES;
	struct stub *stub = f->stub;
	u64 wc = region - UDRV_STUB_REGION_BAR_WC(0);

	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (region < UDRV_STUB_BARS)
		return mmap_bar(&stub->bars[region], vma, false);
	if (wc < UDRV_STUB_BARS)
		return mmap_bar(&stub->bars[wc], vma, true);
	if (region == UDRV_STUB_REGION_VECTORS)
		return mmap_vectors(stub, vma);
	if (region - UDRV_STUB_REGION_DMA < UDRV_STUB_DMA_MAX)
		return mmap_dma(f, vma, region);
	return -EINVAL;
}

int stub_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct stub_file *f = file->private_data;
	int ret;

	down_read(&f->stub->map_lock);
	ret = f->stub->gone ? -ENODEV : map_region(f, vma);
	up_read(&f->stub->map_lock);
	return ret;
}

/* All but the vectors' page, which is no part of the device. */
static void unmap_file(struct stub_file *f)
{
	struct address_space *mapping = f->file->f_mapping;

	unmap_mapping_range(mapping, 0, UDRV_STUB_OFFSET(UDRV_STUB_REGION_VECTORS), 1);
	unmap_mapping_range(mapping, UDRV_STUB_OFFSET(UDRV_STUB_REGION_BAR_WC(0)), 0, 1);
}

void stub_unmap_all(struct stub *stub)
{
	struct stub_uio_open *o;
	struct stub_file *f;
	unsigned int i;

	list_for_each_entry(f, &stub->files, link)
		unmap_file(f);
	list_for_each_entry(o, &stub->uio_opens, link)
		unmap_mapping_range(o->inode->i_mapping, 0, 0, 1);
	for (i = 0; i < UDRV_STUB_BARS; i++) {
		if (stub->bars[i].io)
			pci_iounmap(stub->pdev, stub->bars[i].io);
		stub->bars[i].io = NULL;
	}
}

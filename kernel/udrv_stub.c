// SPDX-License-Identifier: GPL-2.0-only
/*
 * udrv_stub - claims a PCI device for a driver in user space
 *
 * Does what only the kernel can: enables the device and requests its regions, takes its interrupts
 * and signals eventfds from the hard handler, gives DMA memory, lets one process at a time have a
 * range of a BAR, and leaves the device quiet when its users are gone, however they went. Policy is
 * user space's. Interface: uapi/udrv_stub.h; beside it a UIO device for plain UIO programs.
 *
 * Life time: struct stub is a device of its own, which the binding, each open file and each mapping
 * hold. The PCI device is touched only with @gone unset, which @lock or @map_lock keeps so.
 *
 * Locks, in this order; nothing is copied from or to user space under any of them:
 *  device_lock(pdev)	probe, remove; the reset, which is therefore left to a work item
 *  uio's info_lock	held by the UIO core around our hooks
 *  stub->lock		files and all that belongs to them, interrupts, users
 *  mmap_lock
 *  stub->map_lock	read: mmap, faults, register access; write: what ends those
 *  stub->bar_lock	how BARs are mapped
 *  stub->irq_lock	INTx masking, with interrupts off
 *
 * remove() holds the device lock and waits for all the others, so none of them is held while
 * waiting for the device lock: open() waits for the reset with a condition that @gone ends.
 */
#include <linux/capability.h>
#include <linux/cdev.h>
#include <linux/ctype.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/iommu.h>
#include <linux/irqdomain.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/msi.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/pci.h>
#include <linux/pid.h>
#include <linux/rwsem.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/timex.h>
#include <linux/uaccess.h>
#include <linux/uio_driver.h>
#include <linux/version.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#ifdef CONFIG_X86
#include <asm/tsc.h>
#endif

#include "udrv_stub.h"

#define MINORS		256
#define REGION_PAGES	(1UL << (UDRV_STUB_REGION_SHIFT - PAGE_SHIFT))
/* Pages that one fault maps at most, around the address. */
#define FAULT_PAGES	512UL

static_assert(sizeof(struct udrv_stub_vector) == 64);
static_assert(sizeof(struct udrv_stub_bar) == 32);
static_assert(sizeof(struct udrv_stub_info) == 272);
static_assert(sizeof(struct udrv_stub_irqs) == 24);
static_assert(sizeof(struct udrv_stub_mask) == 16);
static_assert(sizeof(struct udrv_stub_event) == 16);
static_assert(sizeof(struct udrv_stub_dma_alloc) == 40);
static_assert(sizeof(struct udrv_stub_dma_map) == 48);
static_assert(sizeof(struct udrv_stub_dma_free) == 16);
static_assert(sizeof(struct udrv_stub_claim) == 96);

#ifndef PCI_IRQ_INTX
#define PCI_IRQ_INTX PCI_IRQ_LEGACY
#endif

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

static dev_t stub_devt;
static struct class *stub_class;
static struct workqueue_struct *stub_wq;
static DEFINE_IDA(stub_minors);

struct stub_bar {
	struct stub *stub;
	u32 flags;			/* UDRV_STUB_BAR_* */
	u64 start;			/* as the CPU addresses it; 0 of ports */
	u64 len;
	u64 hole, hole_len;		/* pages with the MSI-X table */
	u64 table, table_len;		/* the MSI-X table itself */
	unsigned int uio_map;		/* number as a UIO map */
	/* bar_lock */
	void __iomem *io;		/* for pread() and pwrite(), NULL until used */
	unsigned int maps;		/* VMAs */
	bool wc;			/* they are write-combined */
};

struct stub_vector {
	struct stub *stub;
	struct udrv_stub_vector *shared;
	struct eventfd_ctx *trigger;	/* or NULL */
	int irq;
	bool masked;			/* lock; of INTx irq_lock */
	char name[48];
};

/* Memory that the device reaches: ours, or pinned pages of a process. */
struct stub_dma {
	struct list_head link;		/* stub->dma or stub->kept */
	struct stub_file *owner;	/* NULL: closed */
	u32 id;				/* handle, in owner->dma */
	size_t size;
	dma_addr_t bus;
	void *cpu;			/* ours, or the copy of what was there; else NULL */
	bool copy;
	atomic_t maps;			/* VMAs */
	struct sg_table sgt;		/* pinned */
	struct page **pages;
	enum dma_data_direction direction;
	struct mm_struct *mm;		/* charged for it */
};

struct stub_claim {
	struct list_head link;		/* stub->claims, the lowest first */
	struct stub_file *owner;
	struct pid *pid;
	u32 bar;
	u64 offset, len;
	char name[UDRV_STUB_NAME_MAX];
};

struct stub_file {
	struct stub *stub;
	struct file *file;
	struct list_head link;		/* stub->files */
	bool rawio;			/* opened with CAP_SYS_RAWIO */
	struct eventfd_ctx *events[UDRV_STUB_EVENTS];
	struct xarray dma;		/* by id; erased under map_lock */
	unsigned int claims;
};

struct stub_uio_open {
	struct list_head link;		/* stub->uio_opens */
	struct inode *inode;
};

struct stub {
	struct device dev;
	struct cdev cdev;
	struct pci_dev *pdev;
	struct pci_saved_state *state;	/* of when it was claimed */
	struct uio_info uio;
	char uio_names[PCI_STD_NUM_BARS][8];
	bool translated;		/* by an IOMMU */
	bool confined;			/* by it, in memory and in interrupts */
	bool can_reset;
	bool pci_2_3;			/* INTx can be masked at the device */
	u32 counts[UDRV_STUB_IRQ_TYPES];
	struct stub_bar bars[UDRV_STUB_BARS];

	struct mutex lock;
	bool gone;			/* set under lock and map_lock */
	struct list_head files;
	struct list_head uio_opens;
	unsigned int users;		/* files of both nodes */
	struct list_head dma;
	struct list_head kept;		/* nobody's; the device may still know it */
	struct list_head claims;

	/* The last user has left and the device was not reset yet. */
	bool dirty;
	struct work_struct reset_work;
	wait_queue_head_t quiet;

	/* Interrupts: lock, and off means that no handler runs. */
	bool irqs_on;
	struct stub_file *irq_owner;	/* NULL: UIO's */
	u32 irq_type;
	u32 vector_count;
	struct stub_vector *vectors;
	struct udrv_stub_vector *shared;	/* vmalloc_user() */
	size_t shared_len;
	spinlock_t irq_lock;
	unsigned int uio_users;		/* the handler reads it, too */

	struct rw_semaphore map_lock;
	struct mutex bar_lock;
};

/* Interrupts ---------------------------------------------------------------------------------- */

/* The same instructions as user space's stamp. */
static __always_inline u64 stamp(void)
{
	rmb(); /* no load before it may pass the counter, nor the counter such a load */
	return get_cycles();
}

static void signal_eventfd(struct eventfd_ctx *ctx)
{
	if (!ctx)
		return;
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
	eventfd_signal(ctx, 1);
#else
	eventfd_signal(ctx);
#endif
}

static void put_eventfd(struct eventfd_ctx *ctx)
{
	if (ctx)
		eventfd_ctx_put(ctx);
}

/* One CPU at a time runs a vector's handler; unmasking INTx excludes it by irq_lock. */
static void tell(struct stub_vector *v, u64 now)
{
	WRITE_ONCE(v->shared->stamp, now);
	smp_store_release(&v->shared->count, v->shared->count + 1); /* after the stamp */
	signal_eventfd(v->trigger);
	if (unlikely(READ_ONCE(v->stub->uio_users)))
		uio_event_notify(&v->stub->uio);
}

static irqreturn_t stub_msi(int irq, void *data)
{
	tell(data, stamp());
	return IRQ_HANDLED;
}

/* On a shared line: ours only if the device says so and is not masked already. */
static irqreturn_t stub_intx(int irq, void *data)
{
	u64 now = stamp();
	struct stub_vector *v = data;
	struct stub *stub = v->stub;
	irqreturn_t ret = IRQ_NONE;
	unsigned long flags;

	spin_lock_irqsave(&stub->irq_lock, flags);
	if (!stub->pci_2_3) {
		disable_irq_nosync(irq);
		ret = IRQ_HANDLED;
	} else if (!v->masked && pci_check_and_mask_intx(stub->pdev)) {
		ret = IRQ_HANDLED;
	}
	if (ret == IRQ_HANDLED) {
		v->masked = true;
		tell(v, now);
	}
	spin_unlock_irqrestore(&stub->irq_lock, flags);
	return ret;
}

/* What the device asserts still is told again, and stays masked. */
static void unmask_intx(struct stub *stub, struct stub_vector *v)
{
	unsigned long flags;

	spin_lock_irqsave(&stub->irq_lock, flags);
	if (v->masked && !stub->pci_2_3) {
		v->masked = false;
		enable_irq(v->irq);
	} else if (v->masked) {
		v->masked = !pci_check_and_unmask_intx(stub->pdev);
		if (v->masked)
			tell(v, stamp());
	}
	spin_unlock_irqrestore(&stub->irq_lock, flags);
}

static void mask_intx(struct stub *stub, struct stub_vector *v)
{
	unsigned long flags;

	spin_lock_irqsave(&stub->irq_lock, flags);
	if (!v->masked) {
		v->masked = true;
		if (stub->pci_2_3)
			pci_intx(stub->pdev, 0);
		else
			disable_irq_nosync(v->irq);
	}
	spin_unlock_irqrestore(&stub->irq_lock, flags);
}

static void set_mask(struct stub *stub, struct stub_vector *v, bool mask)
{
	if (stub->irq_type == UDRV_STUB_INTX) {
		if (mask)
			mask_intx(stub, v);
		else
			unmask_intx(stub, v);
	} else if (v->masked != mask) {
		v->masked = mask;
		if (mask)
			disable_irq(v->irq);
		else
			enable_irq(v->irq);
	}
}

static void free_vectors(struct stub *stub, u32 requested)
{
	struct stub_vector *v = stub->vectors;
	u32 i;

	for (i = 0; i < requested; i++)
		free_irq(v[i].irq, &v[i]);
	for (i = 0; i < stub->vector_count; i++)
		put_eventfd(v[i].trigger);
	kvfree(v);
	stub->vectors = NULL;
	stub->vector_count = 0;
	pci_free_irq_vectors(stub->pdev);
	/* The MSI code switches INTx on when it ends. */
	pci_intx(stub->pdev, 0);
}

static void irqs_off(struct stub *stub)
{
	if (!stub->irqs_on)
		return;
	pci_intx(stub->pdev, 0);
	free_vectors(stub, stub->vector_count);
	stub->irqs_on = false;
	stub->irq_owner = NULL;
}

static int request_vector(struct stub *stub, u32 type, u32 i)
{
	static const char *const types[] = { "intx", "msi", "msix" };
	struct stub_vector *v = &stub->vectors[i];
	const char *name = pci_name(stub->pdev);

	v->stub = stub;
	v->shared = &stub->shared[i];
	v->irq = pci_irq_vector(stub->pdev, i);
	if (v->irq < 0)
		return v->irq;
	if (type != UDRV_STUB_INTX) {
		snprintf(v->name, sizeof(v->name), "udrv_stub-%s[%u](%s)", types[type], i, name);
		return request_irq(v->irq, stub_msi, 0, v->name, v);
	}
	snprintf(v->name, sizeof(v->name), "udrv_stub-%s(%s)", types[type], name);
	return request_irq(v->irq, stub_intx, stub->pci_2_3 ? IRQF_SHARED : 0, v->name, v);
}

/* 0, negative errno, or how many are to be had. */
static int alloc_vectors(struct stub *stub, u32 type, u32 count)
{
	static const unsigned int flags[] = { PCI_IRQ_INTX, PCI_IRQ_MSI, PCI_IRQ_MSIX };
	int got;

	if (!stub->counts[type])
		return -ENOSPC;
	if (count > stub->counts[type])
		return stub->counts[type];
	got = pci_alloc_irq_vectors(stub->pdev, 1, count, flags[type]);
	if (got < 0 || got == count)
		return got < 0 ? got : 0;
	pci_free_irq_vectors(stub->pdev);
	pci_intx(stub->pdev, 0);
	return got;
}

static void put_triggers(struct stub_vector *vectors, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++)
		put_eventfd(vectors[i].trigger);
	kvfree(vectors);
}

/* Vectors with their eventfds, from the descriptors at @fds. */
static struct stub_vector *get_triggers(u64 fds, u32 count)
{
	struct stub_vector *vectors = kvcalloc(count, sizeof(*vectors), GFP_KERNEL_ACCOUNT);
	int ret = 0;
	u32 i;

	if (!vectors)
		return ERR_PTR(-ENOMEM);
	for (i = 0; i < count; i++) {
		struct eventfd_ctx *ctx = NULL;
		s32 fd;

		ret = get_user(fd, (s32 __user *)u64_to_user_ptr(fds) + i);
		if (!ret && fd < -1)
			ret = -EBADF;
		if (!ret && fd >= 0) {
			ctx = eventfd_ctx_fdget(fd);
			ret = PTR_ERR_OR_ZERO(ctx);
		}
		if (ret)
			break;
		vectors[i].trigger = ctx;
	}
	if (!ret)
		return vectors;
	put_triggers(vectors, i);
	return ERR_PTR(ret);
}

/* Takes @vectors over, whatever comes of it. */
static int irqs_on(struct stub *stub, struct stub_file *owner, u32 type, u32 count,
		   struct stub_vector *vectors)
{
	int ret = alloc_vectors(stub, type, count);
	u32 i = 0;

	stub->vectors = vectors;
	stub->vector_count = count;
	stub->irq_type = type;
	memset(stub->shared, 0, stub->shared_len);
	while (!ret && i < count) {
		ret = request_vector(stub, type, i);
		if (!ret)
			i++;
	}
	if (ret) {
		free_vectors(stub, i);
		return ret;
	}
	stub->irqs_on = true;
	stub->irq_owner = owner;
	if (type == UDRV_STUB_INTX)
		pci_intx(stub->pdev, 1);
	return 0;
}

/* Takes @vectors over likewise; NULL with a count of 0. */
static int set_irqs(struct stub_file *f, u32 type, u32 count, struct stub_vector *vectors)
{
	struct stub *stub = f->stub;
	int ret = 0;

	if (stub->gone)
		ret = -ENODEV;
	else if (stub->irqs_on && stub->irq_owner != f)
		ret = -EBUSY;
	if (ret) {
		put_triggers(vectors, count);
		return ret;
	}
	/* Off is meant for the type; on is a change of all. */
	if (count || stub->irq_type == type)
		irqs_off(stub);
	return count ? irqs_on(stub, f, type, count, vectors) : 0;
}

static long stub_set_irqs(struct stub_file *f, void __user *arg)
{
	struct stub_vector *vectors = NULL;
	struct udrv_stub_irqs irqs;
	int ret;

	if (copy_from_user(&irqs, arg, sizeof(irqs)))
		return -EFAULT;
	if (irqs.abi != UDRV_STUB_ABI || irqs.type >= UDRV_STUB_IRQ_TYPES || irqs.reserved ||
	    irqs.count > UDRV_STUB_VECTORS_MAX || (!irqs.count && irqs.fds))
		return -EINVAL;
	if (irqs.count) {
		vectors = get_triggers(irqs.fds, irqs.count);
		if (IS_ERR(vectors))
			return PTR_ERR(vectors);
	}
	mutex_lock(&f->stub->lock);
	ret = set_irqs(f, irqs.type, irqs.count, vectors);
	mutex_unlock(&f->stub->lock);
	return ret;
}

static long stub_mask(struct stub_file *f, void __user *arg)
{
	struct stub *stub = f->stub;
	struct udrv_stub_mask mask;
	int ret = 0;

	if (copy_from_user(&mask, arg, sizeof(mask)))
		return -EFAULT;
	if (mask.abi != UDRV_STUB_ABI || mask.mask > 1 || mask.reserved)
		return -EINVAL;
	mutex_lock(&stub->lock);
	if (stub->gone)
		ret = -ENODEV;
	else if (!stub->irqs_on || stub->irq_owner != f || mask.vector >= stub->vector_count)
		ret = -EINVAL;
	else
		set_mask(stub, &stub->vectors[mask.vector], mask.mask);
	mutex_unlock(&stub->lock);
	return ret;
}

static long stub_set_event(struct stub_file *f, void __user *arg)
{
	struct stub *stub = f->stub;
	struct eventfd_ctx *ctx = NULL;
	struct udrv_stub_event event;
	int ret = 0;

	if (copy_from_user(&event, arg, sizeof(event)))
		return -EFAULT;
	if (event.abi != UDRV_STUB_ABI || event.event >= UDRV_STUB_EVENTS || event.fd < -1 ||
	    event.reserved)
		return -EINVAL;
	if (event.fd >= 0) {
		ctx = eventfd_ctx_fdget(event.fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
	}
	mutex_lock(&stub->lock);
	if (stub->gone)
		ret = -ENODEV;
	else
		swap(ctx, f->events[event.event]);
	mutex_unlock(&stub->lock);
	put_eventfd(ctx);
	return ret;
}

/* DMA memory ---------------------------------------------------------------------------------- */

/* Charges the calling process, RLIMIT_MEMLOCK. Takes mmap_lock, as uncharge() does. */
static struct mm_struct *charge(size_t size)
{
	int ret = account_locked_vm(current->mm, size >> PAGE_SHIFT, true);

	if (ret)
		return ERR_PTR(ret);
	mmgrab(current->mm);
	return current->mm;
}

static void uncharge(struct mm_struct *mm, size_t size)
{
	if (!mm)
		return;
	account_locked_vm(mm, size >> PAGE_SHIFT, false);
	mmdrop(mm);
}

/* What the device knows of it ends. The device is still there, and uses it no more. */
static void release_from_device(struct stub *stub, struct stub_dma *dma)
{
	if (dma->pages) {
		bool written = dma->direction != DMA_TO_DEVICE;

		dma_unmap_sgtable(&stub->pdev->dev, &dma->sgt, dma->direction,
				  DMA_ATTR_SKIP_CPU_SYNC);
		sg_free_table(&dma->sgt);
		unpin_user_pages_dirty_lock(dma->pages, dma->size >> PAGE_SHIFT, written);
		kvfree(dma->pages);
		dma->pages = NULL;
	} else if (dma->cpu && !dma->copy) {
		dma_free_coherent(&stub->pdev->dev, dma->size, dma->cpu, dma->bus);
		dma->cpu = NULL;
	}
	uncharge(dma->mm, dma->size);
	dma->mm = NULL;
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

/* Memory that an earlier user had; NULL if there is none that fits. */
static struct stub_dma *take_kept(struct stub *stub, size_t size, u64 mask)
{
	struct stub_dma *dma;

	list_for_each_entry(dma, &stub->kept, link) {
		if (dma->size == size && dma->bus + (size - 1) <= mask) {
			list_del(&dma->link);
			memset(dma->cpu, 0, size);
			return dma;
		}
	}
	return NULL;
}

static struct stub_dma *alloc_coherent(struct stub *stub, size_t size, u64 mask)
{
	struct stub_dma *dma = kzalloc(sizeof(*dma), GFP_KERNEL_ACCOUNT);
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
	dma->size = size;
	return dma;

err_free:
	kfree(dma);
	return ERR_PTR(ret);
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

static int dma_alloc(struct stub_file *f, struct udrv_stub_dma_alloc *alloc, struct mm_struct *mm)
{
	struct stub *stub = f->stub;
	struct stub_dma *dma;
	int ret;

	if (stub->gone)
		return -ENODEV;
	dma = take_kept(stub, alloc->size, alloc->mask);
	if (!dma)
		dma = alloc_coherent(stub, alloc->size, alloc->mask);
	if (IS_ERR(dma))
		return PTR_ERR(dma);
	ret = own_dma(f, dma);
	if (ret) {
		release_from_device(stub, dma);
		free_dma(dma);
		return ret;
	}
	dma->mm = mm;
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
		end_dma(stub, dma);
	mutex_unlock(&stub->lock);
	return ret;
}

static long stub_dma_alloc(struct stub_file *f, void __user *arg)
{
	struct udrv_stub_dma_alloc alloc;
	struct mm_struct *mm;
	int ret;

	if (copy_from_user(&alloc, arg, sizeof(alloc)))
		return -EFAULT;
	if (alloc.abi != UDRV_STUB_ABI || alloc.reserved || alloc.bus || alloc.map_offset ||
	    !is_mask(alloc.mask) || !alloc.size || !PAGE_ALIGNED(alloc.size))
		return -EINVAL;
	if (!is_dma_size(alloc.size))
		return -ENOMEM;
	mm = charge(alloc.size);
	if (IS_ERR(mm))
		return PTR_ERR(mm);
	mutex_lock(&f->stub->lock);
	ret = dma_alloc(f, &alloc, mm);
	mutex_unlock(&f->stub->lock);
	if (ret) {
		uncharge(mm, alloc.size);
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

/* Without a lock: it may take as long as a page fault does. */
static struct stub_dma *pin(u64 addr, size_t size, u32 direction)
{
	static const enum dma_data_direction directions[] = {
		[UDRV_STUB_TO_DEVICE] = DMA_TO_DEVICE,
		[UDRV_STUB_FROM_DEVICE] = DMA_FROM_DEVICE,
		[UDRV_STUB_TO_DEVICE | UDRV_STUB_FROM_DEVICE] = DMA_BIDIRECTIONAL,
	};
	unsigned int flags = FOLL_LONGTERM | (direction & UDRV_STUB_FROM_DEVICE ? FOLL_WRITE : 0);
	struct stub_dma *dma = kzalloc(sizeof(*dma), GFP_KERNEL_ACCOUNT);
	size_t want = size >> PAGE_SHIFT, got = 0;
	int ret = -ENOMEM;

	if (!dma)
		return ERR_PTR(-ENOMEM);
	dma->size = size;
	dma->direction = directions[direction];
	dma->pages = kvcalloc(want, sizeof(*dma->pages), GFP_KERNEL_ACCOUNT);
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

/* A bounce buffer, or a cache, would have to be brought up to date, which nobody does. */
static bool is_bounced(struct stub *stub, dma_addr_t bus)
{
	struct device *dev = &stub->pdev->dev;

	return stub->translated ? !dev_is_dma_coherent(dev) : dma_need_sync(dev, bus);
}

/* One address for all of it, or none. */
static int map_for_device(struct stub *stub, struct stub_dma *dma, u64 mask)
{
	struct device *dev = &stub->pdev->dev;
	size_t bytes = 0;
	struct scatterlist *sg;
	unsigned int i;
	int ret = dma_set_mask(dev, mask);

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
	dma_unmap_sgtable(dev, &dma->sgt, dma->direction, DMA_ATTR_SKIP_CPU_SYNC);
	ret = -E2BIG;
err_table:
	sg_free_table(&dma->sgt);
	return ret;
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
		dma_unmap_sgtable(&stub->pdev->dev, &dma->sgt, dma->direction,
				  DMA_ATTR_SKIP_CPU_SYNC);
		sg_free_table(&dma->sgt);
		return ret;
	}
	map->bus = dma->bus;
	map->handle = dma_handle(dma);
	return 0;
}

static int dma_map_charged(struct stub_file *f, struct udrv_stub_dma_map *map, struct mm_struct *mm)
{
	struct stub_dma *dma = pin(map->addr, map->size, map->direction);
	int ret;

	if (IS_ERR(dma))
		return PTR_ERR(dma);
	mutex_lock(&f->stub->lock);
	ret = dma_map(f, map, dma);
	if (!ret)
		dma->mm = mm;
	mutex_unlock(&f->stub->lock);
	if (ret) {
		unpin(dma, dma->size >> PAGE_SHIFT);
		kfree(dma);
	}
	return ret;
}

static long stub_dma_map(struct stub_file *f, void __user *arg)
{
	u32 both = UDRV_STUB_TO_DEVICE | UDRV_STUB_FROM_DEVICE;
	struct udrv_stub_dma_map map;
	struct mm_struct *mm;
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
	mm = charge(map.size);
	if (IS_ERR(mm))
		return PTR_ERR(mm);
	ret = dma_map_charged(f, &map, mm);
	if (ret) {
		uncharge(mm, map.size);
		return ret;
	}
	if (!copy_to_user(arg, &map, sizeof(map)))
		return 0;
	dma_free(f, map.handle);
	return -EFAULT;
}

static long stub_dma_free(struct stub_file *f, void __user *arg)
{
	struct udrv_stub_dma_free free;

	if (copy_from_user(&free, arg, sizeof(free)))
		return -EFAULT;
	if (free.abi != UDRV_STUB_ABI || free.reserved)
		return -EINVAL;
	return dma_free(f, free.handle);
}

/* A file is closed: the device may know its memory as long as it has other users. */
static void leave_dma(struct stub_file *f)
{
	struct stub_dma *dma;
	unsigned long id;

	xa_for_each(&f->dma, id, dma)
		dma->owner = NULL;
	xa_destroy(&f->dma);
}

/* Claims -------------------------------------------------------------------------------------- */

static struct stub_claim *find_claim(struct stub *stub, u32 bar, u64 offset, u64 len)
{
	struct stub_claim *c;

	list_for_each_entry(c, &stub->claims, link)
		if (c->bar == bar && offset < c->offset + c->len && c->offset < offset + len)
			return c;
	return NULL;
}

/* In the order in which they are shown. */
static void insert_claim(struct stub *stub, struct stub_claim *new)
{
	struct stub_claim *c;

	list_for_each_entry(c, &stub->claims, link)
		if (c->bar > new->bar || (c->bar == new->bar && c->offset > new->offset))
			break;
	list_add_tail(&new->link, &c->link);
}

static void end_claim(struct stub_claim *c)
{
	list_del(&c->link);
	c->owner->claims--;
	put_pid(c->pid);
	kfree(c);
}

static void leave_claims(struct stub_file *f)
{
	struct stub_claim *c, *next;

	list_for_each_entry_safe(c, next, &f->stub->claims, link)
		if (c->owner == f)
			end_claim(c);
}

static bool is_name(const char *name)
{
	size_t len = strnlen(name, UDRV_STUB_NAME_MAX);
	size_t i;

	for (i = 0; i < len; i++)
		if (!isascii(name[i]) || !isprint(name[i]))
			return false;
	return len && len < UDRV_STUB_NAME_MAX && !memchr_inv(name + len, 0,
							     UDRV_STUB_NAME_MAX - len);
}

static bool in_bar(const struct stub *stub, const struct udrv_stub_claim *claim)
{
	u64 len = claim->bar < UDRV_STUB_BARS ? stub->bars[claim->bar].len : 0;

	return claim->len && claim->offset < len && claim->len <= len - claim->offset;
}

/* 0 with @new in place; -EBUSY with the holder in @claim. */
static int claim(struct stub_file *f, struct udrv_stub_claim *claim, struct stub_claim *new)
{
	struct stub *stub = f->stub;
	struct stub_claim *holder;

	if (stub->gone)
		return -ENODEV;
	holder = find_claim(stub, claim->bar, claim->offset, claim->len);
	if (holder) {
		memcpy(claim->holder, holder->name, sizeof(claim->holder));
		claim->holder_pid = pid_vnr(holder->pid);
		return -EBUSY;
	}
	if (f->claims == UDRV_STUB_CLAIMS_MAX)
		return -ENOSPC;
	new->owner = f;
	new->pid = get_pid(task_tgid(current));
	new->bar = claim->bar;
	new->offset = claim->offset;
	new->len = claim->len;
	memcpy(new->name, claim->name, sizeof(new->name));
	f->claims++;
	insert_claim(stub, new);
	return 0;
}

static long stub_claim(struct stub_file *f, void __user *arg)
{
	struct udrv_stub_claim c;
	struct stub_claim *new;
	int ret;

	if (copy_from_user(&c, arg, sizeof(c)))
		return -EFAULT;
	if (c.abi != UDRV_STUB_ABI || c.holder_pid || c.reserved || !is_name(c.name) ||
	    memchr_inv(c.holder, 0, sizeof(c.holder)) || !in_bar(f->stub, &c))
		return -EINVAL;
	new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	mutex_lock(&f->stub->lock);
	ret = claim(f, &c, new);
	mutex_unlock(&f->stub->lock);
	if (ret)
		kfree(new);
	if (ret == -EBUSY && copy_to_user(arg, &c, sizeof(c)))
		return -EFAULT;
	return ret;
}

static int release_claim(struct stub_file *f, const struct udrv_stub_claim *claim)
{
	struct stub_claim *c;

	if (f->stub->gone)
		return -ENODEV;
	c = find_claim(f->stub, claim->bar, claim->offset, claim->len);
	if (!c || c->owner != f || c->offset != claim->offset || c->len != claim->len)
		return -ENOENT;
	end_claim(c);
	return 0;
}

static long stub_release(struct stub_file *f, void __user *arg)
{
	struct udrv_stub_claim c;
	int ret;

	if (copy_from_user(&c, arg, sizeof(c)))
		return -EFAULT;
	if (c.abi != UDRV_STUB_ABI || c.holder_pid || c.reserved ||
	    memchr_inv(c.name, 0, sizeof(c.name)) || memchr_inv(c.holder, 0, sizeof(c.holder)) ||
	    !in_bar(f->stub, &c))
		return -EINVAL;
	mutex_lock(&f->stub->lock);
	ret = release_claim(f, &c);
	mutex_unlock(&f->stub->lock);
	return ret;
}

static ssize_t claims_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct stub *stub = container_of(dev, struct stub, dev);
	struct stub_claim *c;
	int len = 0;

	mutex_lock(&stub->lock);
	list_for_each_entry(c, &stub->claims, link)
		len += sysfs_emit_at(buf, len, "%u 0x%llx 0x%llx %d %s\n", c->bar, c->offset,
				     c->len, pid_vnr(c->pid), c->name);
	mutex_unlock(&stub->lock);
	return len;
}
static DEVICE_ATTR_RO(claims);

static struct attribute *stub_attrs[] = {
	&dev_attr_claims.attr,
	NULL,
};
ATTRIBUTE_GROUPS(stub);

/* The device between two users ---------------------------------------------------------------- */

/* Its registers as after power-on, its configuration as when it was claimed. With device_lock. */
static int reset_function(struct stub *stub)
{
	struct pci_dev *pdev = stub->pdev;
	int ret;

	pci_cfg_access_lock(pdev);
	pci_set_power_state(pdev, PCI_D0);
	/* Neither decoding nor mastering while it is reset. */
	pci_write_config_word(pdev, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE);
	ret = __pci_reset_function_locked(pdev);
	pci_load_saved_state(pdev, stub->state);
	pci_restore_state(pdev);
	pci_cfg_access_unlock(pdev);
	return ret;
}

static void master_off(struct stub *stub)
{
	pci_clear_master(stub->pdev);
	pci_wait_for_pending_transaction(stub->pdev);
}

/* Nobody uses it: reset, and only then its memory goes. With device_lock and lock. */
static void quiesce(struct stub *stub)
{
	struct stub_dma *dma, *next;
	int ret = reset_function(stub);

	if (ret && stub->can_reset)
		pci_warn(stub->pdev, "cannot be reset (%d): its DMA memory is kept\n", ret);
	list_for_each_entry_safe(dma, next, &stub->dma, link) {
		if (stub->translated || !ret) {
			end_dma(stub, dma);
		} else {
			uncharge(dma->mm, dma->size);
			dma->mm = NULL;
			list_move_tail(&dma->link, &stub->kept);
		}
	}
	stub->dirty = false;
	wake_up_all(&stub->quiet);
}

static void stub_reset_work(struct work_struct *work)
{
	struct stub *stub = container_of(work, struct stub, reset_work);

	device_lock(&stub->pdev->dev);
	mutex_lock(&stub->lock);
	if (!stub->gone && stub->dirty)
		quiesce(stub);
	mutex_unlock(&stub->lock);
	device_unlock(&stub->pdev->dev);
	put_device(&stub->dev);
}

static void add_user(struct stub *stub)
{
	stub->users++;
}

/* With lock. The device can do no more harm when this returns; the reset may take its time. */
static void remove_user(struct stub *stub)
{
	if (--stub->users || stub->gone)
		return;
	irqs_off(stub);
	master_off(stub);
	stub->dirty = true;
	get_device(&stub->dev);
	queue_work(stub_wq, &stub->reset_work);
}

/* With lock, which is not held while waiting. 0 with the device as it is to be found. */
static int wait_quiet(struct stub *stub)
{
	int ret = 0;

	while (!ret && stub->dirty && !stub->gone) {
		mutex_unlock(&stub->lock);
		ret = wait_event_interruptible(stub->quiet, !READ_ONCE(stub->dirty) ||
						READ_ONCE(stub->gone));
		mutex_lock(&stub->lock);
	}
	return stub->gone ? -ENODEV : ret;
}

static int check_user(const struct stub *stub)
{
	return stub->confined || capable(CAP_SYS_RAWIO) ? 0 : -EPERM;
}

static long stub_reset(struct stub_file *f)
{
	struct stub *stub = f->stub;
	int ret;

	device_lock(&stub->pdev->dev);
	mutex_lock(&stub->lock);
	if (stub->gone) {
		ret = -ENODEV;
	} else if (!stub->can_reset) {
		ret = -ENOTTY;
	} else if (stub->users > 1) {
		ret = -EBUSY;
	} else {
		master_off(stub);
		ret = reset_function(stub);
		if (stub->irqs_on && stub->irq_type == UDRV_STUB_INTX && stub->pci_2_3) {
			spin_lock_irq(&stub->irq_lock);
			pci_intx(stub->pdev, !stub->vectors->masked);
			spin_unlock_irq(&stub->irq_lock);
		}
	}
	mutex_unlock(&stub->lock);
	device_unlock(&stub->pdev->dev);
	return ret;
}

/* Registers and configuration space by system calls ------------------------------------------- */

static bool touches(u64 offset, size_t size, u64 start, u64 len)
{
	return offset < start + len && start < offset + size;
}

static void __iomem *bar_io(struct stub_bar *bar)
{
	void __iomem *io;

	mutex_lock(&bar->stub->bar_lock);
	if (!bar->io)
		bar->io = pci_iomap(bar->stub->pdev, bar - bar->stub->bars, 0);
	io = bar->io;
	mutex_unlock(&bar->stub->bar_lock);
	return io;
}

static int bar_access(struct stub_bar *bar, u64 offset, size_t size, u64 *val, bool write)
{
	void __iomem *io;

	if (size == 8 && bar->flags & UDRV_STUB_BAR_IO)
		return -EINVAL;
	if (write && touches(offset, size, bar->table, bar->table_len))
		return -EPERM;
	io = bar_io(bar);
	if (!io)
		return -ENOMEM;
	io += offset;
	switch (size) {
	case 1:
		write ? iowrite8(*val, io) : (void)(*val = ioread8(io));
		return 0;
	case 2:
		write ? iowrite16(*val, io) : (void)(*val = ioread16(io));
		return 0;
	case 4:
		write ? iowrite32(*val, io) : (void)(*val = ioread32(io));
		return 0;
#ifdef CONFIG_64BIT
	case 8:
		write ? writeq(*val, io) : (void)(*val = readq(io));
		return 0;
#endif
	default:
		return -EINVAL;
	}
}

static int config_read(struct pci_dev *pdev, u64 offset, size_t size, u64 *val)
{
	u32 dword = 0;
	u16 word = 0;
	u8 byte = 0;
	int ret;

	switch (size) {
	case 1:
		ret = pci_user_read_config_byte(pdev, offset, &byte);
		*val = byte;
		break;
	case 2:
		ret = pci_user_read_config_word(pdev, offset, &word);
		*val = word;
		break;
	case 4:
		ret = pci_user_read_config_dword(pdev, offset, &dword);
		*val = dword;
		break;
	default:
		return -EINVAL;
	}
	return ret ? -EIO : 0;
}

static int config_put(struct pci_dev *pdev, u64 offset, size_t size, u32 val)
{
	int ret;

	switch (size) {
	case 1:
		ret = pci_user_write_config_byte(pdev, offset, val);
		break;
	case 2:
		ret = pci_user_write_config_word(pdev, offset, val);
		break;
	case 4:
		ret = pci_user_write_config_dword(pdev, offset, val);
		break;
	default:
		return -EINVAL;
	}
	return ret ? -EIO : 0;
}

/* MSI: PCI 3.0, 6.8.1; MSI-X: 6.8.2. */
static bool is_kernels(struct pci_dev *pdev, u64 offset, size_t size)
{
	u16 control = 0;
	u32 len = 10;

	if (pdev->msi_cap) {
		pci_read_config_word(pdev, pdev->msi_cap + PCI_MSI_FLAGS, &control);
		len += control & PCI_MSI_FLAGS_64BIT ? 4 : 0;
		len += control & PCI_MSI_FLAGS_MASKBIT ? 10 : 0;
		if (touches(offset, size, pdev->msi_cap, len))
			return true;
	}
	return pdev->msix_cap && touches(offset, size, pdev->msix_cap, 12);
}

/* Bits of COMMAND that are the user's. */
#define COMMAND_BITS	(PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR)

/* Under irq_lock no handler changes INTX_DISABLE. */
static int command_write(struct stub *stub, u64 offset, size_t size, u32 val)
{
	struct pci_dev *pdev = stub->pdev;
	unsigned int shift = (offset - PCI_COMMAND) * 8;
	u16 mask = COMMAND_BITS;
	u16 command;
	int ret;

	if (size == 1)
		mask &= 0xff << shift;
	spin_lock_irq(&stub->irq_lock);
	ret = pci_read_config_word(pdev, PCI_COMMAND, &command);
	if (!ret)
		ret = pci_write_config_word(pdev, PCI_COMMAND,
					    (command & ~mask) | (val << shift & mask));
	spin_unlock_irq(&stub->irq_lock);
	if (!ret && size == 4)	/* STATUS is behind it */
		ret = pci_write_config_word(pdev, PCI_STATUS, val >> 16);
	return ret ? -EIO : 0;
}

static int config_write(struct stub_file *f, u64 offset, size_t size, u64 val)
{
	struct stub *stub = f->stub;

	if (size > 4)
		return -EINVAL;
	if (offset < PCI_STD_HEADER_SIZEOF) {
		if (offset >= PCI_COMMAND && offset < PCI_STATUS)
			return command_write(stub, offset, size, val);
		if ((offset >= PCI_STATUS && offset + size <= PCI_CLASS_REVISION) ||
		    (offset >= PCI_CACHE_LINE_SIZE && offset + size <= PCI_HEADER_TYPE))
			return config_put(stub->pdev, offset, size, val);
		return -EPERM;
	}
	if (!f->rawio || is_kernels(stub->pdev, offset, size))
		return -EPERM;
	return config_put(stub->pdev, offset, size, val);
}

static int region_access(struct stub_file *f, u64 pos, size_t size, u64 *val, bool write)
{
	u64 region = pos >> UDRV_STUB_REGION_SHIFT;
	u64 offset = pos & (UDRV_STUB_OFFSET(1) - 1);
	struct stub *stub = f->stub;
	u64 len;

	if (region < UDRV_STUB_BARS)
		len = stub->bars[region].len;
	else if (region == UDRV_STUB_REGION_CONFIG)
		len = stub->pdev->cfg_size;
	else
		return -EINVAL;
	if (offset & (size - 1) || offset >= len || size > len - offset)
		return -EINVAL;
	if (region < UDRV_STUB_BARS)
		return bar_access(&stub->bars[region], offset, size, val, write);
	return write ? config_write(f, offset, size, *val) :
		       config_read(stub->pdev, offset, size, val);
}

static int guarded_access(struct stub_file *f, u64 pos, size_t size, u64 *val, bool write)
{
	int ret;

	if (!size || size > 8 || !is_power_of_2(size))
		return -EINVAL;
	down_read(&f->stub->map_lock);
	ret = f->stub->gone ? -ENODEV : region_access(f, pos, size, val, write);
	up_read(&f->stub->map_lock);
	return ret;
}

static ssize_t stub_read(struct file *file, char __user *buf, size_t size, loff_t *pos)
{
	u64 val = 0;
	__le64 le;
	int ret = guarded_access(file->private_data, *pos, size, &val, false);

	if (ret)
		return ret;
	le = cpu_to_le64(val);
	return copy_to_user(buf, &le, size) ? -EFAULT : size;
}

static ssize_t stub_write(struct file *file, const char __user *buf, size_t size, loff_t *pos)
{
	__le64 le = 0;
	u64 val;
	int ret;

	if (size > sizeof(le))
		return -EINVAL;
	if (copy_from_user(&le, buf, size))
		return -EFAULT;
	val = le64_to_cpu(le);
	ret = guarded_access(file->private_data, *pos, size, &val, true);
	return ret ? ret : size;
}

/* Mappings ------------------------------------------------------------------------------------ */

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

	if (touches(offset, PAGE_SIZE, bar->hole, bar->hole_len))
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

static const struct vm_operations_struct stub_uio_vm_ops = {
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

static int map_bar(struct stub_bar *bar, struct vm_area_struct *vma, bool wc,
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
	    len > PAGE_ALIGN(bar->len) - offset || touches(offset, len, bar->hole, bar->hole_len))
		return -EINVAL;
	if (wc && !(bar->flags & UDRV_STUB_BAR_PREFETCH))
		return -EINVAL;
	return map_bar(bar, vma, wc, &stub_bar_vm_ops);
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

static int stub_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct stub_file *f = file->private_data;
	int ret;

	down_read(&f->stub->map_lock);
	ret = f->stub->gone ? -ENODEV : map_region(f, vma);
	up_read(&f->stub->map_lock);
	return ret;
}

/* The control node ---------------------------------------------------------------------------- */

static u64 counter_khz(void)
{
#ifdef CONFIG_X86
	return tsc_khz;
#else
	return 0;
#endif
}

static void describe_bar(const struct stub_bar *bar, struct udrv_stub_bar *out)
{
	out->len = bar->len;
	out->hole_offset = bar->hole;
	out->hole_len = bar->hole_len;
	out->flags = bar->flags;
}

static long stub_info(struct stub_file *f, void __user *arg)
{
	struct stub *stub = f->stub;
	struct udrv_stub_info info;
	unsigned int i;
	int ret = 0;

	if (copy_from_user(&info, arg, sizeof(info)))
		return -EFAULT;
	if (info.abi != UDRV_STUB_ABI ||
	    memchr_inv((char *)&info + sizeof(info.abi), 0, sizeof(info) - sizeof(info.abi)))
		return -EINVAL;
	mutex_lock(&stub->lock);
	if (stub->gone) {
		ret = -ENODEV;
	} else {
		info.flags = (stub->translated ? UDRV_STUB_TRANSLATED : 0) |
			     (stub->can_reset ? UDRV_STUB_CAN_RESET : 0) |
			     (stub->pdev->aer_cap ? UDRV_STUB_REPORTS_ERRORS : 0) |
			     (stub->confined ? UDRV_STUB_CONFINED : 0);
		memcpy(info.irq_counts, stub->counts, sizeof(info.irq_counts));
		info.config_len = stub->pdev->cfg_size;
		info.vectors_len = stub->shared_len;
		for (i = 0; i < UDRV_STUB_BARS; i++)
			describe_bar(&stub->bars[i], &info.bars[i]);
		info.uio = stub->uio.uio_dev->minor;
		info.users = stub->users;
		info.counter_khz = counter_khz();
	}
	mutex_unlock(&stub->lock);
	if (!ret && copy_to_user(arg, &info, sizeof(info)))
		ret = -EFAULT;
	return ret;
}

static long stub_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct stub_file *f = file->private_data;
	void __user *user = (void __user *)arg;

	switch (cmd) {
	case UDRV_STUB_INFO:
		return stub_info(f, user);
	case UDRV_STUB_SET_IRQS:
		return stub_set_irqs(f, user);
	case UDRV_STUB_MASK:
		return stub_mask(f, user);
	case UDRV_STUB_SET_EVENT:
		return stub_set_event(f, user);
	case UDRV_STUB_DMA_ALLOC:
		return stub_dma_alloc(f, user);
	case UDRV_STUB_DMA_MAP:
		return stub_dma_map(f, user);
	case UDRV_STUB_DMA_FREE:
		return stub_dma_free(f, user);
	case UDRV_STUB_CLAIM:
		return stub_claim(f, user);
	case UDRV_STUB_RELEASE:
		return stub_release(f, user);
	case UDRV_STUB_RESET:
		return stub_reset(f);
	default:
		return -ENOTTY;
	}
}

static int stub_open(struct inode *inode, struct file *file)
{
	struct stub *stub = container_of(inode->i_cdev, struct stub, cdev);
	struct stub_file *f;
	int ret = check_user(stub);

	if (ret)
		return ret;
	f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
	if (!f)
		return -ENOMEM;
	f->stub = stub;
	f->file = file;
	f->rawio = capable(CAP_SYS_RAWIO);
	xa_init_flags(&f->dma, XA_FLAGS_ALLOC);
	mutex_lock(&stub->lock);
	ret = wait_quiet(stub);
	if (!ret) {
		get_device(&stub->dev);
		list_add(&f->link, &stub->files);
		add_user(stub);
	}
	mutex_unlock(&stub->lock);
	if (ret) {
		kfree(f);
		return ret;
	}
	file->private_data = f;
	return 0;
}

static int stub_close(struct inode *inode, struct file *file)
{
	struct stub_file *f = file->private_data;
	struct stub *stub = f->stub;
	unsigned int i;

	mutex_lock(&stub->lock);
	if (stub->irqs_on && stub->irq_owner == f)
		irqs_off(stub);
	leave_claims(f);
	leave_dma(f);
	list_del(&f->link);
	remove_user(stub);
	mutex_unlock(&stub->lock);
	for (i = 0; i < UDRV_STUB_EVENTS; i++)
		put_eventfd(f->events[i]);
	kfree(f);
	put_device(&stub->dev);
	return 0;
}

static const struct file_operations stub_fops = {
	.owner = THIS_MODULE,
	.open = stub_open,
	.release = stub_close,
	.read = stub_read,
	.write = stub_write,
	.mmap = stub_mmap,
	.unlocked_ioctl = stub_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

/* The UIO device: maps, port regions, and INTx for a reader ------------------------------------ */

static int stub_uio_open(struct uio_info *info, struct inode *inode)
{
	struct stub *stub = info->priv;
	struct stub_uio_open *o;
	int ret = check_user(stub);

	if (ret)
		return ret;
	o = kzalloc(sizeof(*o), GFP_KERNEL_ACCOUNT);
	if (!o)
		return -ENOMEM;
	o->inode = inode;
	mutex_lock(&stub->lock);
	ret = wait_quiet(stub);
	if (!ret) {
		list_add(&o->link, &stub->uio_opens);
		WRITE_ONCE(stub->uio_users, stub->uio_users + 1);
		add_user(stub);
	}
	mutex_unlock(&stub->lock);
	if (ret)
		kfree(o);
	return ret;
}

/* Not called any more once the UIO device is unregistered. */
static int stub_uio_close(struct uio_info *info, struct inode *inode)
{
	struct stub *stub = info->priv;
	struct stub_uio_open *o;

	mutex_lock(&stub->lock);
	list_for_each_entry(o, &stub->uio_opens, link)
		if (o->inode == inode)
			break;
	list_del(&o->link);
	WRITE_ONCE(stub->uio_users, stub->uio_users - 1);
	if (!stub->uio_users && stub->irqs_on && !stub->irq_owner)
		irqs_off(stub);
	remove_user(stub);
	mutex_unlock(&stub->lock);
	kfree(o);
	return 0;
}

static int stub_uio_mmap(struct uio_info *info, struct vm_area_struct *vma)
{
	struct stub *stub = info->priv;
	struct stub_bar *bar = NULL;
	int ret = -EINVAL;
	unsigned int i;

	for (i = 0; i < UDRV_STUB_BARS; i++)
		if (stub->bars[i].flags & UDRV_STUB_BAR_MMAP &&
		    stub->bars[i].uio_map == vma->vm_pgoff)
			bar = &stub->bars[i];
	if (!bar || !(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	down_read(&stub->map_lock);
	ret = stub->gone ? -ENODEV : map_bar(bar, vma, false, &stub_uio_vm_ops);
	up_read(&stub->map_lock);
	return ret;
}

/* Written to the node: 1 lets INTx come, switching it on if it is off; 0 masks it. */
static int stub_uio_irqcontrol(struct uio_info *info, s32 on)
{
	struct stub *stub = info->priv;
	struct stub_vector *v;
	int ret = 0;

	mutex_lock(&stub->lock);
	if (stub->gone) {
		ret = -ENODEV;
	} else if (stub->irqs_on && stub->irq_owner) {
		ret = -EBUSY;
	} else if (stub->irqs_on) {
		set_mask(stub, stub->vectors, !on);
	} else if (on) {
		v = kvcalloc(1, sizeof(*v), GFP_KERNEL_ACCOUNT);
		ret = v ? irqs_on(stub, NULL, UDRV_STUB_INTX, 1, v) : -ENOMEM;
	}
	mutex_unlock(&stub->lock);
	return ret;
}

static void describe_uio(struct stub *stub)
{
	struct uio_info *info = &stub->uio;
	unsigned int i, maps = 0, ports = 0;

	info->name = KBUILD_MODNAME;
	info->version = "1";
	info->irq = UIO_IRQ_CUSTOM;
	info->priv = stub;
	info->open = stub_uio_open;
	info->release = stub_uio_close;
	info->mmap = stub_uio_mmap;
	info->irqcontrol = stub_uio_irqcontrol;
	for (i = 0; i < UDRV_STUB_BARS; i++) {
		struct stub_bar *bar = &stub->bars[i];

		snprintf(stub->uio_names[i], sizeof(stub->uio_names[i]), "BAR%u", i);
		bar->uio_map = MAX_UIO_MAPS;
		if (bar->flags & UDRV_STUB_BAR_MMAP && maps < MAX_UIO_MAPS) {
			info->mem[maps].name = stub->uio_names[i];
			info->mem[maps].addr = bar->start;
			info->mem[maps].size = bar->len;
			info->mem[maps].memtype = UIO_MEM_PHYS;
			bar->uio_map = maps++;
		} else if (bar->flags & UDRV_STUB_BAR_IO && ports < MAX_UIO_PORT_REGIONS) {
			info->port[ports].name = stub->uio_names[i];
			info->port[ports].start = pci_resource_start(stub->pdev, i);
			info->port[ports].size = bar->len;
			info->port[ports].porttype = UIO_PORT_X86;
			ports++;
		}
	}
}

/* Claiming ------------------------------------------------------------------------------------- */

static void find_msix_table(struct stub *stub)
{
	struct pci_dev *pdev = stub->pdev;
	struct stub_bar *bar;
	u32 table = 0, index;

	if (!pdev->msix_cap || !stub->counts[UDRV_STUB_MSIX])
		return;
	pci_read_config_dword(pdev, pdev->msix_cap + PCI_MSIX_TABLE, &table);
	index = table & PCI_MSIX_TABLE_BIR;
	if (index >= UDRV_STUB_BARS)
		return;
	bar = &stub->bars[index];
	bar->table = table & PCI_MSIX_TABLE_OFFSET;
	bar->table_len = stub->counts[UDRV_STUB_MSIX] * PCI_MSIX_ENTRY_SIZE;
	bar->hole = bar->table & PAGE_MASK;
	bar->hole_len = PAGE_ALIGN(bar->table + bar->table_len) - bar->hole;
}

static void find_bars(struct stub *stub)
{
	struct pci_dev *pdev = stub->pdev;
	unsigned int i;

	for (i = 0; i < UDRV_STUB_BARS; i++) {
		struct stub_bar *bar = &stub->bars[i];
		unsigned long flags = pci_resource_flags(pdev, i);

		bar->stub = stub;
		bar->len = pci_resource_len(pdev, i);
		if (!bar->len)
			continue;
		if (flags & IORESOURCE_IO) {
			bar->flags = UDRV_STUB_BAR_IO;
			continue;
		}
		bar->start = pci_resource_start(pdev, i);
		bar->flags = UDRV_STUB_BAR_MEM;
		if (flags & IORESOURCE_PREFETCH)
			bar->flags |= UDRV_STUB_BAR_PREFETCH;
		/* In a page that it has not to itself there may be another device. */
		if (PAGE_ALIGNED(bar->start) && PAGE_ALIGNED(bar->len))
			bar->flags |= UDRV_STUB_BAR_MMAP;
	}
}

static void count_vectors(struct stub *stub)
{
	struct pci_dev *pdev = stub->pdev;
	u8 pin = 0;

	pci_read_config_byte(pdev, PCI_INTERRUPT_PIN, &pin);
	stub->counts[UDRV_STUB_INTX] = pin && pdev->irq && pdev->irq != IRQ_NOTCONNECTED;
	stub->counts[UDRV_STUB_MSI] = max(pci_msi_vec_count(pdev), 0);
	stub->counts[UDRV_STUB_MSIX] = max(pci_msix_vec_count(pdev), 0);
}

static int make_shared(struct stub *stub)
{
	u32 most = max3(1u, stub->counts[UDRV_STUB_MSI], stub->counts[UDRV_STUB_MSIX]);

	stub->shared_len = PAGE_ALIGN(most * sizeof(*stub->shared));
	stub->shared = vmalloc_user(stub->shared_len);
	return stub->shared ? 0 : -ENOMEM;
}

static bool is_translated(struct pci_dev *pdev)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(&pdev->dev);

	return domain && domain->type & __IOMMU_DOMAIN_PAGING;
}

/* Without interrupt remapping, what the device writes can be any interrupt. */
static bool has_own_interrupts(struct pci_dev *pdev)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
	return irq_domain_check_msi_remap() ||
	       device_iommu_capable(&pdev->dev, IOMMU_CAP_INTR_REMAP);
#else
	return msi_device_has_isolated_msi(&pdev->dev);
#endif
}

/* All files and mappings are gone, and the device is unbound. */
static void stub_dev_release(struct device *dev)
{
	struct stub *stub = container_of(dev, struct stub, dev);
	struct stub_dma *dma, *next;

	list_for_each_entry_safe(dma, next, &stub->dma, link)
		free_dma(dma);
	vfree(stub->shared);
	kfree(stub->state);
	pci_dev_put(stub->pdev);
	ida_free(&stub_minors, MINOR(dev->devt));
	kfree(stub);
}

static struct stub *stub_alloc(struct pci_dev *pdev)
{
	struct stub *stub = kzalloc(sizeof(*stub), GFP_KERNEL);
	int minor;

	if (!stub)
		return NULL;
	minor = ida_alloc_max(&stub_minors, MINORS - 1, GFP_KERNEL);
	if (minor < 0) {
		kfree(stub);
		return NULL;
	}
	mutex_init(&stub->lock);
	mutex_init(&stub->bar_lock);
	init_rwsem(&stub->map_lock);
	spin_lock_init(&stub->irq_lock);
	init_waitqueue_head(&stub->quiet);
	INIT_LIST_HEAD(&stub->files);
	INIT_LIST_HEAD(&stub->uio_opens);
	INIT_LIST_HEAD(&stub->dma);
	INIT_LIST_HEAD(&stub->kept);
	INIT_LIST_HEAD(&stub->claims);
	INIT_WORK(&stub->reset_work, stub_reset_work);
	stub->pdev = pci_dev_get(pdev);
	device_initialize(&stub->dev);
	stub->dev.class = stub_class;
	stub->dev.groups = stub_groups;
	stub->dev.parent = &pdev->dev;
	stub->dev.devt = MKDEV(MAJOR(stub_devt), minor);
	stub->dev.release = stub_dev_release;
	cdev_init(&stub->cdev, &stub_fops);
	stub->cdev.owner = THIS_MODULE;
	return stub;
}

/* The device is enabled, its regions are ours, it is as after a reset, and this state is saved. */
static int claim_device(struct stub *stub)
{
	struct pci_dev *pdev = stub->pdev;
	int ret;

	ret = pci_enable_device(pdev);
	if (ret)
		return ret;
	ret = pci_request_regions(pdev, KBUILD_MODNAME);
	if (ret)
		goto err_disable;
	pci_clear_master(pdev);
	pci_intx(pdev, 0);
	ret = pci_save_state(pdev);
	if (!ret) {
		stub->state = pci_store_saved_state(pdev);
		ret = stub->state ? 0 : -ENOMEM;
	}
	if (ret)
		goto err_release;
	stub->can_reset = pdev->reset_methods[0];
	if (stub->can_reset && reset_function(stub))
		pci_warn(pdev, "cannot be reset: it is as its last driver left it\n");
	return 0;

err_release:
	pci_release_regions(pdev);
err_disable:
	pci_disable_device(pdev);
	return ret;
}

static void release_device(struct stub *stub)
{
	pci_release_regions(stub->pdev);
	pci_disable_device(stub->pdev);
}

static int stub_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct stub *stub;
	int ret;

	if (pdev->hdr_type != PCI_HEADER_TYPE_NORMAL)
		return -EINVAL;
	stub = stub_alloc(pdev);
	if (!stub)
		return -ENOMEM;
	ret = dev_set_name(&stub->dev, KBUILD_MODNAME "-%s", pci_name(pdev));
	if (ret)
		goto err_put;
	stub->translated = is_translated(pdev);
	stub->confined = stub->translated && has_own_interrupts(pdev);
	stub->pci_2_3 = pci_intx_mask_supported(pdev);
	count_vectors(stub);
	find_bars(stub);
	find_msix_table(stub);
	ret = make_shared(stub);
	if (ret)
		goto err_put;
	ret = claim_device(stub);
	if (ret)
		goto err_put;
	pci_set_drvdata(pdev, stub);
	describe_uio(stub);
	ret = uio_register_device(&pdev->dev, &stub->uio);
	if (ret)
		goto err_release;
	ret = cdev_device_add(&stub->cdev, &stub->dev);
	if (ret)
		goto err_uio;
	return 0;

err_uio:
	mutex_lock(&stub->lock);
	down_write(&stub->map_lock);
	stub->gone = true;
	up_write(&stub->map_lock);
	mutex_unlock(&stub->lock);
	uio_unregister_device(&stub->uio);
err_release:
	release_device(stub);
err_put:
	put_device(&stub->dev);
	return ret;
}

/* Users keep what was in their memory, as a copy of their own. With map_lock, unmapped. */
static void detach_dma(struct stub *stub, struct stub_dma *dma)
{
	void *copy = NULL;

	if (dma->cpu && atomic_read(&dma->maps)) {
		copy = vmalloc(dma->size);
		if (copy)
			memcpy(copy, dma->cpu, dma->size);
	}
	release_from_device(stub, dma);
	dma->cpu = copy;
	dma->copy = copy;
}

/* All but the vectors' page, which is no part of the device. */
static void unmap_file(struct stub_file *f)
{
	struct address_space *mapping = f->file->f_mapping;

	unmap_mapping_range(mapping, 0, UDRV_STUB_OFFSET(UDRV_STUB_REGION_VECTORS), 1);
	unmap_mapping_range(mapping, UDRV_STUB_OFFSET(UDRV_STUB_REGION_BAR_WC(0)), 0, 1);
}

/* Access ends. From here on faults find neither registers nor the device's memory. */
static void revoke(struct stub *stub)
{
	struct stub_uio_open *o;
	struct stub_dma *dma;
	struct stub_file *f;
	unsigned int i;

	list_for_each_entry(f, &stub->files, link)
		unmap_file(f);
	list_for_each_entry(o, &stub->uio_opens, link)
		unmap_mapping_range(o->inode->i_mapping, 0, 0, 1);
	list_for_each_entry(dma, &stub->dma, link)
		detach_dma(stub, dma);
	for (i = 0; i < UDRV_STUB_BARS; i++) {
		if (stub->bars[i].io)
			pci_iounmap(stub->pdev, stub->bars[i].io);
		stub->bars[i].io = NULL;
	}
}

static void stub_remove(struct pci_dev *pdev)
{
	struct stub *stub = pci_get_drvdata(pdev);
	struct stub_uio_open *o, *next_open;
	struct stub_dma *dma, *next;
	struct stub_file *f;

	mutex_lock(&stub->lock);
	irqs_off(stub);
	master_off(stub);
	reset_function(stub);
	down_write(&stub->map_lock);
	WRITE_ONCE(stub->gone, true);
	revoke(stub);
	up_write(&stub->map_lock);
	list_for_each_entry_safe(dma, next, &stub->kept, link)
		end_dma(stub, dma);
	list_for_each_entry(f, &stub->files, link)
		signal_eventfd(f->events[UDRV_STUB_EVENT_REQUEST]);
	mutex_unlock(&stub->lock);
	wake_up_all(&stub->quiet);

	uio_unregister_device(&stub->uio);
	list_for_each_entry_safe(o, next_open, &stub->uio_opens, link)
		kfree(o);
	cdev_device_del(&stub->cdev, &stub->dev);
	release_device(stub);
	put_device(&stub->dev);
}

static pci_ers_result_t stub_error(struct pci_dev *pdev, pci_channel_state_t state)
{
	struct stub *stub = pci_get_drvdata(pdev);
	struct stub_file *f;

	mutex_lock(&stub->lock);
	list_for_each_entry(f, &stub->files, link)
		signal_eventfd(f->events[UDRV_STUB_EVENT_ERROR]);
	mutex_unlock(&stub->lock);
	return PCI_ERS_RESULT_CAN_RECOVER;
}

static const struct pci_error_handlers stub_error_handlers = {
	.error_detected = stub_error,
};

/* No ids: a device comes here by driver_override only. */
static struct pci_driver stub_driver = {
	.name = KBUILD_MODNAME,
	.probe = stub_probe,
	.remove = stub_remove,
	.err_handler = &stub_error_handlers,
};

static struct class *make_class(void)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
	return class_create(THIS_MODULE, KBUILD_MODNAME);
#else
	return class_create(KBUILD_MODNAME);
#endif
}

static int __init stub_init(void)
{
	int ret;

	stub_wq = alloc_workqueue(KBUILD_MODNAME, WQ_UNBOUND, 0);
	if (!stub_wq)
		return -ENOMEM;
	stub_class = make_class();
	ret = PTR_ERR_OR_ZERO(stub_class);
	if (ret)
		goto err_wq;
	ret = alloc_chrdev_region(&stub_devt, 0, MINORS, KBUILD_MODNAME);
	if (ret)
		goto err_class;
	ret = pci_register_driver(&stub_driver);
	if (ret)
		goto err_chrdev;
	return 0;

err_chrdev:
	unregister_chrdev_region(stub_devt, MINORS);
err_class:
	class_destroy(stub_class);
err_wq:
	destroy_workqueue(stub_wq);
	return ret;
}

static void __exit stub_exit(void)
{
	pci_unregister_driver(&stub_driver);
	destroy_workqueue(stub_wq);
	unregister_chrdev_region(stub_devt, MINORS);
	class_destroy(stub_class);
	ida_destroy(&stub_minors);
}

module_init(stub_init);
module_exit(stub_exit);

MODULE_AUTHOR("udrv authors");
MODULE_DESCRIPTION("Claims a PCI device for a driver in user space");
MODULE_LICENSE("GPL");

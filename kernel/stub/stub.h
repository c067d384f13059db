/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * udrv_stub - claims a PCI device for a driver in user space
 *
 * Does what only the kernel can: enables the device and requests its regions, takes its interrupts
 * and signals eventfds from the hard handler, gives DMA memory, lets one process at a time have a
 * range of a BAR, and leaves the device quiet when its users are gone, however they went. Policy is
 * user space's. Interface: uapi/udrv_stub.h; beside it a UIO device for plain UIO programs.
 *
 * Life time: struct stub is a device of its own, which the binding, each open file, each mapping of
 * a BAR and a queued reset hold. The PCI device is touched only with @gone unset, which @lock,
 * @vector_lock or @map_lock keeps so.
 *
 * Locks, in this order; nothing is copied from or to user space under any of ours:
 *  device_lock(pdev)	probe, remove; the reset, which is therefore left to a work item
 *  mmap_lock
 *  uio's info_lock	held by the UIO core around our hooks
 *  stub->lock		files and what belongs to them, users; an allocation of memory takes long
 *  stub->vector_lock	interrupts: unmasking waits for nothing else
 *  stub->map_lock	read: mmap, faults, register access; write: what ends those
 *  stub->bar_lock	how BARs are mapped
 *  stub->irq_lock	INTx masking, with interrupts off
 *
 * remove() holds the device lock and waits for all the others, so none of them is held while
 * waiting for the device lock: open() waits for the reset with a condition that @gone ends.
 */
#ifndef STUB_H
#define STUB_H

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/rwsem.h>
#include <linux/uio_driver.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "udrv_stub.h"

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
	bool masked;			/* vector_lock; of INTx irq_lock */
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
	bool stale;			/* the device may know it from an earlier user */
	atomic_t maps;			/* VMAs */
	struct sg_table sgt;		/* with @pages: pinned, or @cpu's behind an IOMMU */
	struct page **pages;
	enum dma_data_direction direction;
	struct user_struct *user;	/* charged for it, or NULL */
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
	bool own_interrupts;		/* it cannot raise others' */
	bool no_msi_intx;		/* how pdev->dev_flags were */
	bool can_reset;
	bool reports_errors;		/* AER */
	bool pci_2_3;			/* INTx can be masked at the device */
	u32 counts[UDRV_STUB_IRQ_TYPES];
	struct stub_bar bars[UDRV_STUB_BARS];

	struct mutex lock;		/* see above, as of the others */
	bool gone;			/* set under lock, vector_lock and map_lock */
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

	/* Interrupts; off means that no handler runs. */
	struct mutex vector_lock;
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

static inline bool stub_touches(u64 offset, size_t size, u64 start, u64 len)
{
	return offset < start + len && start < offset + size;
}

/*
 * The calls, by their names in uapi/udrv_stub.h, each of a file; @arg is user space's. Without a
 * lock. All below is with stub->lock unless something else is said.
 */
long stub_set_irqs_ioctl(struct stub_file *f, void __user *arg);
long stub_mask_ioctl(struct stub_file *f, void __user *arg);
long stub_dma_alloc_ioctl(struct stub_file *f, void __user *arg);
long stub_dma_map_ioctl(struct stub_file *f, void __user *arg);
long stub_dma_free_ioctl(struct stub_file *f, void __user *arg);
long stub_claim_ioctl(struct stub_file *f, void __user *arg);
long stub_release_ioctl(struct stub_file *f, void __user *arg);
long stub_reset_ioctl(struct stub_file *f);

/* irq.c, with vector_lock up to stub_ignore_intx(). No handler runs any more. */
void stub_irqs_off(struct stub *stub);
/* Request them, for @owner or UIO (NULL); takes @vectors over. 0, errno, or how many there are. */
int stub_irqs_on(struct stub *stub, struct stub_file *owner, u32 type, u32 count,
		 struct stub_vector *vectors);
void stub_set_mask(struct stub *stub, struct stub_vector *v, bool mask);
/* At first, and after a reset. */
void stub_restore_intx(struct stub *stub);
/* Treat INTx as masked, or as @masked again; returns what it was. */
bool stub_ignore_intx(struct stub *stub, bool ignore, bool masked);
/* Without vector_lock: off, if they are @owner's, or UIO's (NULL). */
void stub_leave_irqs(struct stub *stub, const struct stub_file *owner);
/* No lock; NULL is none. */
void stub_signal(struct eventfd_ctx *ctx);
void stub_put_eventfd(struct eventfd_ctx *ctx);

/* dma.c: a file is closed: the device may know its memory as long as it has other users. */
void stub_leave_dma(struct stub_file *f);
/* Nobody uses the device: what it may still know is kept, unless it was reset or is confined. */
void stub_release_unused_dma(struct stub *stub, bool was_reset);
/*
 * The device goes: users keep what was in their memory, the rest is freed: nobody will drive it
 * until its next driver has reset it. With map_lock, nothing is mapped.
 */
void stub_detach_dma(struct stub *stub);
/* No lock: with the stub itself. */
void stub_free_dma(struct stub *stub);

/* main.c: no lock: is what the device can reach its own? */
bool stub_is_confined(const struct stub *stub);

/* claim.c */
void stub_leave_claims(struct stub_file *f);
extern const struct attribute_group *stub_groups[];

/* quiet.c: may the process open a node? No lock. */
int stub_check_user(const struct stub *stub);
/* Wait for the reset after the last user; the lock is not held meanwhile. */
int stub_wait_quiet(struct stub *stub);
/* The device can do no more harm when this returns; the reset may take its time. */
void stub_remove_user(struct stub *stub);
void stub_master_off(struct stub *stub);
/* Registers as after power-on, configuration as when it was claimed. With device_lock. */
int stub_reset_function(struct stub *stub);
void stub_reset_work(struct work_struct *work);
extern struct workqueue_struct *stub_wq;

/* access.c, map.c, file.c: of the control node. No lock. */
ssize_t stub_read(struct file *file, char __user *buf, size_t size, loff_t *pos);
ssize_t stub_write(struct file *file, const char __user *buf, size_t size, loff_t *pos);
int stub_mmap(struct file *file, struct vm_area_struct *vma);
extern const struct file_operations stub_fops;

/* map.c: let a VMA have a BAR's pages, as they are touched. With map_lock. */
int stub_map_bar(struct stub_bar *bar, struct vm_area_struct *vma, bool wc,
		 const struct vm_operations_struct *ops);
extern const struct vm_operations_struct stub_uio_vm_ops;
/* All but the vectors' page: faults wait for map_lock, which is held too. */
void stub_unmap_all(struct stub *stub);

/* uio.c. No lock; opened it may be before the first one returns. */
int stub_uio_register(struct stub *stub);
void stub_uio_unregister(struct stub *stub);

#endif

// SPDX-License-Identifier: GPL-2.0-only
/* Interrupts: the hard handlers, and what they signal. */
#include <linux/eventfd.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/slab.h>
#include <linux/timex.h>
#include <linux/uaccess.h>
#include <linux/version.h>

#include "stub.h"

/* The same instructions as user space's stamp. */
static __always_inline u64 stamp(void)
{
	rmb(); /* no load before it may pass the counter, nor the counter such a load */
	return get_cycles();
}

void stub_signal(struct eventfd_ctx *ctx)
{
	if (!ctx)
		return;
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
	eventfd_signal(ctx, 1);
#else
	eventfd_signal(ctx);
#endif
}

void stub_put_eventfd(struct eventfd_ctx *ctx)
{
	if (ctx)
		eventfd_ctx_put(ctx);
}

/* One CPU at a time runs a vector's handler; unmasking INTx excludes it by irq_lock. */
static void tell(struct stub_vector *v, u64 now)
{
	WRITE_ONCE(v->shared->stamp, now);
	smp_store_release(&v->shared->count, v->shared->count + 1); /* after the stamp */
	stub_signal(v->trigger);
	if (unlikely(READ_ONCE(v->stub->uio_users)))
		uio_event_notify(&v->stub->uio);
}

static irqreturn_t stub_msi(int irq, void *data)
{
	tell(data, stamp());
	return IRQ_HANDLED;
}

/* Whether it was the device's, which is then masked: on a shared line only if it says so. */
static bool take_intx(struct stub *stub, struct stub_vector *v)
{
	if (v->masked)
		return false;
	if (stub->pci_2_3)
		return pci_check_and_mask_intx(stub->pdev);
	disable_irq_nosync(v->irq);
	return true;
}

static irqreturn_t stub_intx(int irq, void *data)
{
	u64 now = stamp();
	struct stub_vector *v = data;
	struct stub *stub = v->stub;
	unsigned long flags;
	bool ours;

	spin_lock_irqsave(&stub->irq_lock, flags);
	ours = take_intx(stub, v);
	if (ours) {
		v->masked = true;
		tell(v, now);
	}
	spin_unlock_irqrestore(&stub->irq_lock, flags);
	/* On a line of its own, what was under way when it was masked is the device's, too. */
	return ours || !stub->pci_2_3 ? IRQ_HANDLED : IRQ_NONE;
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

void stub_set_mask(struct stub *stub, struct stub_vector *v, bool mask)
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
		stub_put_eventfd(v[i].trigger);
	kvfree(v);
	stub->vectors = NULL;
	stub->vector_count = 0;
	pci_free_irq_vectors(stub->pdev);
}

void stub_irqs_off(struct stub *stub)
{
	if (!stub->irqs_on)
		return;
	spin_lock_irq(&stub->irq_lock);
	pci_intx(stub->pdev, 0);
	spin_unlock_irq(&stub->irq_lock);
	free_vectors(stub, stub->vector_count);
	stub->irqs_on = false;
	stub->irq_owner = NULL;
}

void stub_leave_irqs(struct stub *stub, const struct stub_file *owner)
{
	mutex_lock(&stub->vector_lock);
	if (stub->irqs_on && stub->irq_owner == owner)
		stub_irqs_off(stub);
	mutex_unlock(&stub->vector_lock);
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

/* 0, negative errno, or how many are to be had. INTx is on only when its handler is there. */
static int alloc_vectors(struct stub *stub, u32 type, u32 count)
{
	static const unsigned int flags[] = {
		[UDRV_STUB_MSI] = PCI_IRQ_MSI,
		[UDRV_STUB_MSIX] = PCI_IRQ_MSIX,
	};
	int got;

	if (!stub->counts[type])
		return -ENOSPC;
	if (count > stub->counts[type])
		return stub->counts[type];
	if (type == UDRV_STUB_INTX)
		return 0;
	got = pci_alloc_irq_vectors(stub->pdev, 1, count, flags[type]);
	/* No room for the device's interrupt domain. To users it would mean that it is gone. */
	if (got == -ENODEV)
		return -ENOMEM;
	if (got < 0 || got == count)
		return got < 0 ? got : 0;
	pci_free_irq_vectors(stub->pdev);
	return got;
}

static void put_triggers(struct stub_vector *vectors, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++)
		stub_put_eventfd(vectors[i].trigger);
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
int stub_irqs_on(struct stub *stub, struct stub_file *owner, u32 type, u32 count,
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
	stub_restore_intx(stub);
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
		stub_irqs_off(stub);
	return count ? stub_irqs_on(stub, f, type, count, vectors) : 0;
}

long stub_set_irqs_ioctl(struct stub_file *f, void __user *arg)
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
	mutex_lock(&f->stub->vector_lock);
	ret = set_irqs(f, irqs.type, irqs.count, vectors);
	mutex_unlock(&f->stub->vector_lock);
	return ret;
}

long stub_mask_ioctl(struct stub_file *f, void __user *arg)
{
	struct stub *stub = f->stub;
	struct udrv_stub_mask mask;
	int ret = 0;

	if (copy_from_user(&mask, arg, sizeof(mask)))
		return -EFAULT;
	if (mask.abi != UDRV_STUB_ABI || mask.mask > 1 || mask.reserved)
		return -EINVAL;
	mutex_lock(&stub->vector_lock);
	if (stub->gone)
		ret = -ENODEV;
	else if (!stub->irqs_on || stub->irq_owner != f || mask.vector >= stub->vector_count)
		ret = -EINVAL;
	else
		stub_set_mask(stub, &stub->vectors[mask.vector], mask.mask);
	mutex_unlock(&stub->vector_lock);
	return ret;
}

/* INTx is off at the device; a handler of the shared line may be about to mask it. */
void stub_restore_intx(struct stub *stub)
{
	if (!stub->irqs_on || stub->irq_type != UDRV_STUB_INTX)
		return;
	spin_lock_irq(&stub->irq_lock);
	pci_intx(stub->pdev, !stub->pci_2_3 || !stub->vectors->masked);
	spin_unlock_irq(&stub->irq_lock);
}

/* While the device is reset its status is not to be believed. */
bool stub_ignore_intx(struct stub *stub, bool ignore, bool masked)
{
	bool was = false;

	if (!stub->irqs_on || stub->irq_type != UDRV_STUB_INTX || !stub->pci_2_3)
		return false;
	spin_lock_irq(&stub->irq_lock);
	was = stub->vectors->masked;
	stub->vectors->masked = ignore || masked;
	spin_unlock_irq(&stub->irq_lock);
	return was;
}

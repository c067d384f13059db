// SPDX-License-Identifier: GPL-2.0-only
/* The UIO device: maps, port regions, and INTx for a reader. */
#include <linux/mm.h>
#include <linux/slab.h>

#include "stub.h"

static int stub_uio_open(struct uio_info *info, struct inode *inode)
{
	struct stub *stub = info->priv;
	struct stub_uio_open *o;
	int ret = stub_check_user(stub);

	if (ret)
		return ret;
	o = kzalloc(sizeof(*o), GFP_KERNEL_ACCOUNT);
	if (!o)
		return -ENOMEM;
	o->inode = inode;
	mutex_lock(&stub->lock);
	ret = stub_wait_quiet(stub);
	if (!ret) {
		list_add(&o->link, &stub->uio_opens);
		WRITE_ONCE(stub->uio_users, stub->uio_users + 1);
		stub->users++;
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
	if (!stub->uio_users)
		stub_leave_irqs(stub, NULL);
	stub_remove_user(stub);
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
	ret = stub->gone ? -ENODEV : stub_map_bar(bar, vma, false, &stub_uio_vm_ops);
	up_read(&stub->map_lock);
	return ret;
}

/* Written to the node: 1 lets INTx come, switching it on if it is off; 0 masks it. */
static int stub_uio_irqcontrol(struct uio_info *info, s32 on)
{
	struct stub *stub = info->priv;
	struct stub_vector *v;
	int ret = 0;

	mutex_lock(&stub->vector_lock);
	if (stub->gone) {
		ret = -ENODEV;
	} else if (!info->uio_dev) {
		/* Opened while it is being registered: there is nothing to notify yet. */
		ret = -EAGAIN;
	} else if (stub->irqs_on && stub->irq_owner) {
		ret = -EBUSY;
	} else if (stub->irqs_on) {
		stub_set_mask(stub, stub->vectors, !on);
	} else if (on) {
		v = kvcalloc(1, sizeof(*v), GFP_KERNEL_ACCOUNT);
		ret = v ? stub_irqs_on(stub, NULL, UDRV_STUB_INTX, 1, v) : -ENOMEM;
	}
	mutex_unlock(&stub->vector_lock);
	return ret;
}

static void describe(struct stub *stub)
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

int stub_uio_register(struct stub *stub)
{
	describe(stub);
	return uio_register_device(&stub->pdev->dev, &stub->uio);
}

/* Our hooks are not called any more: what they remember goes, too. */
void stub_uio_unregister(struct stub *stub)
{
	struct stub_uio_open *o, *next;

	uio_unregister_device(&stub->uio);
	list_for_each_entry_safe(o, next, &stub->uio_opens, link)
		kfree(o);
	INIT_LIST_HEAD(&stub->uio_opens);
}

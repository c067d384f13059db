// SPDX-License-Identifier: GPL-2.0-only
/* Claiming a device, and giving it back. */
#include <linux/idr.h>
#include <linux/iommu.h>
#include <linux/irqdomain.h>
#include <linux/module.h>
#include <linux/msi.h>
#include <linux/slab.h>
#include <linux/version.h>
#include <linux/vmalloc.h>

#include "stub.h"

#define MINORS		256

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

struct workqueue_struct *stub_wq;
static dev_t stub_devt;
static struct class *stub_class;
static DEFINE_IDA(stub_minors);

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

static int count_member(struct device *dev, void *count)
{
	++*(unsigned int *)count;
	return 0;
}

/* Members of a group share what the IOMMU lets them reach, be they driven by whomever. */
static bool alone_in_group(struct pci_dev *pdev)
{
	struct iommu_group *group = iommu_group_get(&pdev->dev);
	unsigned int count = 0;

	if (!group)
		return false;
	iommu_group_for_each_dev(group, &count, count_member);
	iommu_group_put(group);
	return count == 1;
}

/* A member may join the group later. */
bool stub_is_confined(const struct stub *stub)
{
	return stub->translated && stub->own_interrupts && alone_in_group(stub->pdev);
}

/* All files and mappings are gone, and the device is unbound. */
static void stub_dev_release(struct device *dev)
{
	struct stub *stub = container_of(dev, struct stub, dev);

	stub_free_dma(stub);
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
	mutex_init(&stub->vector_lock);
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

static void release_device(struct stub *stub)
{
	struct pci_dev *pdev = stub->pdev;

	if (!stub->no_msi_intx)
		pdev->dev_flags &= ~PCI_DEV_FLAGS_MSI_INTX_DISABLE_BUG;
	pci_release_regions(pdev);
	pci_disable_device(pdev);
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
	/* INTx is ours: the MSI code would switch it on when it ends, without a handler. */
	stub->no_msi_intx = pdev->dev_flags & PCI_DEV_FLAGS_MSI_INTX_DISABLE_BUG;
	pdev->dev_flags |= PCI_DEV_FLAGS_MSI_INTX_DISABLE_BUG;
	pci_intx(pdev, 0);
	ret = pci_save_state(pdev);
	if (!ret) {
		stub->state = pci_store_saved_state(pdev);
		ret = stub->state ? 0 : -ENOMEM;
	}
	if (ret)
		goto err_release;
	stub->can_reset = pdev->reset_methods[0];
	if (stub->can_reset && stub_reset_function(stub))
		pci_warn(pdev, "cannot be reset: it is as its last driver left it\n");
	return 0;

err_release:
	release_device(stub);
	return ret;
err_disable:
	pci_disable_device(pdev);
	return ret;
}

/* Nobody reaches the device any more; those who did are told. With device_lock. */
static void withdraw(struct stub *stub)
{
	struct stub_file *f;

	mutex_lock(&stub->lock);
	mutex_lock(&stub->vector_lock);
	stub_irqs_off(stub);
	down_write(&stub->map_lock);
	WRITE_ONCE(stub->gone, true);
	mutex_unlock(&stub->vector_lock);
	stub_unmap_all(stub);
	stub_master_off(stub);
	stub_reset_function(stub);
	stub_detach_dma(stub);
	up_write(&stub->map_lock);
	list_for_each_entry(f, &stub->files, link)
		stub_signal(f->events[UDRV_STUB_EVENT_REQUEST]);
	mutex_unlock(&stub->lock);
	wake_up_all(&stub->quiet);
	stub_uio_unregister(stub);
}

/* What the device has, and what is needed before it is claimed. */
static int prepare(struct stub *stub)
{
	struct pci_dev *pdev = stub->pdev;

	stub->translated = is_translated(pdev);
	stub->own_interrupts = has_own_interrupts(pdev);
	stub->pci_2_3 = pci_intx_mask_supported(pdev);
	stub->reports_errors = pci_find_ext_capability(pdev, PCI_EXT_CAP_ID_ERR);
	count_vectors(stub);
	find_bars(stub);
	find_msix_table(stub);
	return make_shared(stub);
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
	ret = prepare(stub);
	if (ret)
		goto err_put;
	ret = claim_device(stub);
	if (ret)
		goto err_put;
	pci_set_drvdata(pdev, stub);
	ret = stub_uio_register(stub);
	if (ret)
		goto err_withdraw;
	ret = cdev_device_add(&stub->cdev, &stub->dev);
	if (ret)
		goto err_withdraw;
	return 0;

err_withdraw:
	withdraw(stub);
	release_device(stub);
err_put:
	put_device(&stub->dev);
	return ret;
}

static void stub_remove(struct pci_dev *pdev)
{
	struct stub *stub = pci_get_drvdata(pdev);

	withdraw(stub);
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
		stub_signal(f->events[UDRV_STUB_EVENT_ERROR]);
	mutex_unlock(&stub->lock);
	return state == pci_channel_io_perm_failure ? PCI_ERS_RESULT_DISCONNECT :
						      PCI_ERS_RESULT_CAN_RECOVER;
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

	stub_wq = alloc_workqueue(KBUILD_MODNAME, WQ_UNBOUND | WQ_FREEZABLE, 0);
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

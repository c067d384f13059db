// SPDX-License-Identifier: GPL-2.0-only
/* The device between two users: bus mastering off, reset, and only then memory goes. */
#include <linux/capability.h>

#include "stub.h"

/* Its registers as after power-on, its configuration as when it was claimed. With device_lock. */
int stub_reset_function(struct stub *stub)
{
	struct pci_dev *pdev = stub->pdev;
	int ret;

	if (!pci_device_is_present(pdev))
		return -ENODEV;
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

/* A handler may be about to change the same register. */
void stub_master_off(struct stub *stub)
{
	spin_lock_irq(&stub->irq_lock);
	pci_clear_master(stub->pdev);
	spin_unlock_irq(&stub->irq_lock);
	/* One that is unplugged would be waited for in vain, here and for a reset. */
	if (pci_device_is_present(stub->pdev))
		pci_wait_for_pending_transaction(stub->pdev);
}

/* Nobody uses it: reset, and only then its memory goes. With device_lock and lock. */
static void quiesce(struct stub *stub)
{
	int ret = stub_reset_function(stub);

	if (ret && stub->can_reset)
		pci_warn(stub->pdev, "cannot be reset (%d): its DMA memory is kept\n", ret);
	stub_release_unused_dma(stub, !ret);
	stub->dirty = false;
	wake_up_all(&stub->quiet);
}

void stub_reset_work(struct work_struct *work)
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

/*
 * With lock; its interrupts are off. The device can do no more harm when this returns; the reset
 * may take its time.
 */
void stub_remove_user(struct stub *stub)
{
	if (--stub->users || stub->gone)
		return;
	stub_master_off(stub);
	stub->dirty = true;
	get_device(&stub->dev);
	queue_work(stub_wq, &stub->reset_work);
}

/* With lock, which is not held while waiting. 0 with the device as it is to be found. */
int stub_wait_quiet(struct stub *stub)
{
	int ret = 0;

	while (!ret && stub->dirty && !stub->gone) {
		mutex_unlock(&stub->lock);
		ret = wait_event_interruptible(stub->quiet,
					       !READ_ONCE(stub->dirty) || READ_ONCE(stub->gone));
		mutex_lock(&stub->lock);
	}
	return stub->gone ? -ENODEV : ret;
}

int stub_check_user(const struct stub *stub)
{
	return stub_is_confined(stub) || capable(CAP_SYS_RAWIO) ? 0 : -EPERM;
}

/* Nobody touches registers, interrupts or configuration space meanwhile: faults and calls wait. */
static int reset_in_use(struct stub *stub)
{
	bool masked;
	int ret;

	mutex_lock(&stub->vector_lock);
	down_write(&stub->map_lock);
	stub_unmap_all(stub);
	masked = stub_ignore_intx(stub, true, true);
	stub_master_off(stub);
	ret = stub_reset_function(stub);
	stub_ignore_intx(stub, false, masked);
	stub_restore_intx(stub);
	up_write(&stub->map_lock);
	mutex_unlock(&stub->vector_lock);
	return ret;
}

long stub_reset_ioctl(struct stub_file *f)
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
		ret = reset_in_use(stub);
	}
	mutex_unlock(&stub->lock);
	device_unlock(&stub->pdev->dev);
	return ret;
}

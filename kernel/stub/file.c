// SPDX-License-Identifier: GPL-2.0-only
/* The control node. */
#include <linux/capability.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#ifdef CONFIG_X86
#include <asm/tsc.h>
#endif

#include "stub.h"

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

static long stub_info_ioctl(struct stub_file *f, void __user *arg)
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
			     (stub->reports_errors ? UDRV_STUB_REPORTS_ERRORS : 0) |
			     (stub_is_confined(stub) ? UDRV_STUB_CONFINED : 0);
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

static long stub_set_event_ioctl(struct stub_file *f, void __user *arg)
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
	stub_put_eventfd(ctx);
	return ret;
}

static long stub_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct stub_file *f = file->private_data;
	void __user *user = (void __user *)arg;

	switch (cmd) {
	case UDRV_STUB_INFO:
		return stub_info_ioctl(f, user);
	case UDRV_STUB_SET_IRQS:
		return stub_set_irqs_ioctl(f, user);
	case UDRV_STUB_MASK:
		return stub_mask_ioctl(f, user);
	case UDRV_STUB_SET_EVENT:
		return stub_set_event_ioctl(f, user);
	case UDRV_STUB_DMA_ALLOC:
		return stub_dma_alloc_ioctl(f, user);
	case UDRV_STUB_DMA_MAP:
		return stub_dma_map_ioctl(f, user);
	case UDRV_STUB_DMA_FREE:
		return stub_dma_free_ioctl(f, user);
	case UDRV_STUB_CLAIM:
		return stub_claim_ioctl(f, user);
	case UDRV_STUB_RELEASE:
		return stub_release_ioctl(f, user);
	case UDRV_STUB_RESET:
		return stub_reset_ioctl(f);
	default:
		return -ENOTTY;
	}
}

static int stub_open(struct inode *inode, struct file *file)
{
	struct stub *stub = container_of(inode->i_cdev, struct stub, cdev);
	struct stub_file *f;
	int ret = stub_check_user(stub);

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
	ret = stub_wait_quiet(stub);
	if (!ret) {
		get_device(&stub->dev);
		list_add(&f->link, &stub->files);
		stub->users++;
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
	stub_leave_irqs(stub, f);
	stub_leave_claims(f);
	stub_leave_dma(f);
	list_del(&f->link);
	stub_remove_user(stub);
	mutex_unlock(&stub->lock);
	for (i = 0; i < UDRV_STUB_EVENTS; i++)
		stub_put_eventfd(f->events[i]);
	kfree(f);
	put_device(&stub->dev);
	return 0;
}

const struct file_operations stub_fops = {
	.owner = THIS_MODULE,
	.open = stub_open,
	.release = stub_close,
	.read = stub_read,
	.write = stub_write,
	.mmap = stub_mmap,
	.unlocked_ioctl = stub_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

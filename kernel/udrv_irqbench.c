// SPDX-License-Identifier: GPL-2.0-only
/*
 * udrv_irqbench - how long an interrupt takes to reach a driver inside the kernel
 *
 * Drives QEMU's edu device (1234:11e8; registers: QEMU docs/specs/edu) or an Intel 82574
 * (8086:10d3; registers: 82574 datasheet, 10.2) and measures from the register write that raises
 * an interrupt to the hard handler, to the interrupt thread, and to a process blocked in read(). It
 * is the yardstick for `udrv bench irq`, which measures the same way from user space. Interface:
 * uapi/udrv_irqbench.h.
 *
 * Life time: struct irqbench lives as long as the PCI device is bound or the node is open. The
 * registers and the interrupt are touched only under @lock with @gone unset, or by handlers,
 * which free_irq() waits for.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/interrupt.h>
#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/timex.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#ifdef CONFIG_X86
#include <asm/tsc.h>
#endif

#include "udrv_irqbench.h"

#ifndef PCI_IRQ_INTX
#define PCI_IRQ_INTX PCI_IRQ_LEGACY
#endif

#define REGS_BAR	0

#define EDU_VENDOR	0x1234
#define EDU_DEVICE	0x11e8
#define EDU_REGS_BYTES	0x68

#define EDU_ID		0x00	/* 0xRRrr00ed */
#define EDU_IRQ_STATUS	0x24
#define EDU_IRQ_RAISE	0x60
#define EDU_IRQ_ACK	0x64

#define I82574_DEVICE		0x10d3
#define I82574_REGS_BYTES	0x20000

#define I82574_CTRL		0x0000
#define I82574_CTRL_RST		BIT(26)
#define I82574_RESET_MS		10
#define I82574_ICR		0x00c0
#define I82574_ITR		0x00c4
#define I82574_ICS		0x00c8
#define I82574_IMS		0x00d0
#define I82574_IMC		0x00d8
#define I82574_RCTL		0x0100
#define I82574_TCTL		0x0400
/* A cause that the card does not have itself while its receiver is off. */
#define I82574_CAUSE_RXT0	BIT(7)

static bool intx;
module_param(intx, bool, 0644);
MODULE_PARM_DESC(intx, "Use INTx where user space asks for MSI (default: no)");

struct irqbench;

/* What differs between the devices. */
struct source {
	u16 vendor;
	u16 device;
	u32 bytes;			/* of the BAR, at least */
	u32 raise_reg;
	u32 raise;
	u32 status_reg;
	u32 ack_reg;
	u32 cause;
	unsigned int quiet_ms;		/* from the last interrupt to the end of its vector */
	int (*enable)(struct irqbench *b);
	void (*disable)(struct irqbench *b);
};

struct irqbench {
	struct kref ref;
	struct pci_dev *pdev;
	const struct source *source;
	void __iomem *regs;
	struct miscdevice misc;
	char name[40];

	struct mutex lock;		/* mode, kind, irq, registers, one run at a time */
	bool gone;			/* set once; the PCI device has been unbound */
	u32 mode;
	u32 kind;
	int irq;

	unsigned long open;		/* bit 0: the node is open */
	unsigned long reading;		/* bit 0: a thread is in read() */

	u64 start;			/* stamp before the register write */
	u64 end;			/* stamp in the handler */
	struct completion handled;	/* modes HARD and THREAD */
	int fired;			/* mode READ: an interrupt has not been read yet */
	wait_queue_head_t wait;		/* mode READ */
	struct delayed_work tick;	/* wakes @wait so that a deadline is seen */
};

/* The same instructions as user space's stamp: see uapi. */
static __always_inline u64 stamp(void)
{
	rmb(); /* no load before it may pass the counter, nor the counter such a load */
	return get_cycles();
}

static u64 counter_khz(void)
{
#ifdef CONFIG_X86
	return tsc_khz;
#else
	return 0;
#endif
}

static void irqbench_release(struct kref *ref)
{
	kfree(container_of(ref, struct irqbench, ref));
}

/* Takes the device's interrupt away; false when there was none. */
static bool acknowledge(struct irqbench *b)
{
	u32 status = ioread32(b->regs + b->source->status_reg);

	if (!(status & b->source->cause) || status == ~0u)
		return false;
	iowrite32(status & b->source->cause, b->regs + b->source->ack_reg);
	return true;
}

static void raise(struct irqbench *b)
{
	void __iomem *reg = b->regs + b->source->raise_reg;
	u32 value = b->source->raise;

	WRITE_ONCE(b->start, stamp());
	iowrite32(value, reg);
}

/* Modes HARD and THREAD: the first thing either handler does is to read the counter. */
static irqreturn_t irqbench_sample(int irq, void *data)
{
	struct irqbench *b = data;
	u64 now = stamp();

	if (!acknowledge(b))
		return IRQ_NONE;
	b->end = now;
	complete(&b->handled);
	return IRQ_HANDLED;
}

static irqreturn_t irqbench_wake(int irq, void *data)
{
	struct irqbench *b = data;

	if (!acknowledge(b))
		return IRQ_NONE;
	WRITE_ONCE(b->fired, 1);
	wake_up_interruptible(&b->wait);
	return IRQ_HANDLED;
}

static void irqbench_tick(struct work_struct *work)
{
	struct irqbench *b = container_of(to_delayed_work(work), struct irqbench, tick);

	wake_up_interruptible(&b->wait);
}

static int request(struct irqbench *b, u32 mode, u32 kind)
{
	unsigned long shared = kind == UDRV_IRQBENCH_INTX ? IRQF_SHARED : 0;

	switch (mode) {
	case UDRV_IRQBENCH_HARD:
		return request_irq(b->irq, irqbench_sample, shared | IRQF_NO_THREAD, b->name, b);
	case UDRV_IRQBENCH_THREAD:
		return request_threaded_irq(b->irq, NULL, irqbench_sample, shared | IRQF_ONESHOT,
					    b->name, b);
	default:
		return request_irq(b->irq, irqbench_wake, shared, b->name, b);
	}
}

static void irq_off(struct irqbench *b)
{
	if (b->mode == UDRV_IRQBENCH_OFF)
		return;
	msleep(b->source->quiet_ms);
	free_irq(b->irq, b);
	pci_free_irq_vectors(b->pdev);
	b->irq = 0;
	WRITE_ONCE(b->mode, UDRV_IRQBENCH_OFF);
	wake_up_interruptible(&b->wait);
}

static int irq_on(struct irqbench *b, u32 mode, u32 kind)
{
	int ret;

	if (intx)
		kind = UDRV_IRQBENCH_INTX;
	ret = pci_alloc_irq_vectors(b->pdev, 1, 1, kind == UDRV_IRQBENCH_INTX ? PCI_IRQ_INTX :
				    PCI_IRQ_MSI);
	if (ret < 0)
		return ret;
	b->irq = pci_irq_vector(b->pdev, 0);
	acknowledge(b);
	b->fired = 0;
	ret = request(b, mode, kind);
	if (ret) {
		pci_free_irq_vectors(b->pdev);
		b->irq = 0;
		return ret;
	}
	WRITE_ONCE(b->mode, mode);
	b->kind = kind;
	return 0;
}

static int irqbench_info(struct irqbench *b, void __user *arg)
{
	struct udrv_irqbench_info info;

	if (copy_from_user(&info, arg, sizeof(info)))
		return -EFAULT;
	if (info.abi != UDRV_IRQBENCH_ABI || info.reserved)
		return -EINVAL;
	info.mode = b->mode;
	info.kind = b->kind;
	info.irq = b->irq;
	info.counter_khz = counter_khz();
	return copy_to_user(arg, &info, sizeof(info)) ? -EFAULT : 0;
}

static int irqbench_setup(struct irqbench *b, void __user *arg)
{
	struct udrv_irqbench_setup setup;

	if (copy_from_user(&setup, arg, sizeof(setup)))
		return -EFAULT;
	if (setup.abi != UDRV_IRQBENCH_ABI || setup.mode > UDRV_IRQBENCH_READ ||
	    setup.kind > UDRV_IRQBENCH_INTX || setup.reserved)
		return -EINVAL;
	irq_off(b);
	return setup.mode == UDRV_IRQBENCH_OFF ? 0 : irq_on(b, setup.mode, setup.kind);
}

static int gap(struct irqbench *b, u32 gap_ns)
{
	u64 until = ktime_get_ns() + gap_ns;

	while (gap_ns && ktime_get_ns() < until) {
		if (signal_pending(current))
			return -EINTR;
		if (READ_ONCE(b->gone))
			return -ENODEV;
		cond_resched();
		cpu_relax();
	}
	return 0;
}

/* One interrupt: 1 with a sample in @b->end - @b->start, 0 when it was lost. */
static int one_sample(struct irqbench *b, unsigned long deadline)
{
	long left;

	reinit_completion(&b->handled);
	raise(b);
	left = wait_for_completion_interruptible_timeout(&b->handled, deadline);
	if (READ_ONCE(b->gone))
		return -ENODEV;
	if (left < 0)
		return -EINTR;
	if (!left) {
		/* Whatever comes of it now must not be taken for the next one. */
		acknowledge(b);
		synchronize_irq(b->irq);
	}
	return left > 0;
}

static int take_samples(struct irqbench *b, struct udrv_irqbench_run *run)
{
	u64 __user *out = u64_to_user_ptr(run->samples);
	unsigned long deadline = msecs_to_jiffies(run->deadline_ms);
	int ret;

	while (run->done < run->count && run->lost < UDRV_IRQBENCH_MAX_LOST) {
		ret = gap(b, run->gap_ns);
		if (ret)
			return ret;
		ret = one_sample(b, deadline);
		if (ret < 0)
			return ret;
		if (!ret) {
			run->lost++;
			continue;
		}
		if (put_user(b->end - b->start, out + run->done))
			return -EFAULT;
		run->done++;
	}
	return 0;
}

static int irqbench_run(struct irqbench *b, void __user *arg)
{
	struct udrv_irqbench_run run;
	int ret;

	if (copy_from_user(&run, arg, sizeof(run)))
		return -EFAULT;
	if (run.abi != UDRV_IRQBENCH_ABI || run.done || run.lost || run.reserved)
		return -EINVAL;
	if (!run.count || run.count > UDRV_IRQBENCH_MAX_SAMPLES ||
	    run.gap_ns > UDRV_IRQBENCH_MAX_GAP_NS || !run.deadline_ms ||
	    run.deadline_ms > UDRV_IRQBENCH_MAX_DEADLINE_MS)
		return -EINVAL;
	if (b->mode != UDRV_IRQBENCH_HARD && b->mode != UDRV_IRQBENCH_THREAD)
		return -EINVAL;
	ret = take_samples(b, &run);
	if (ret)
		return ret;
	return copy_to_user(arg, &run, sizeof(run)) ? -EFAULT : 0;
}

static int irqbench_trigger(struct irqbench *b)
{
	if (b->mode != UDRV_IRQBENCH_READ)
		return -EINVAL;
	raise(b);
	return 0;
}

static long irqbench_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct irqbench *b = file->private_data;
	void __user *user = (void __user *)arg;
	long ret;

	if (mutex_lock_interruptible(&b->lock))
		return -EINTR;
	if (b->gone)
		ret = -ENODEV;
	else if (cmd == UDRV_IRQBENCH_TRIGGER)
		ret = irqbench_trigger(b);
	else if (cmd == UDRV_IRQBENCH_RUN)
		ret = irqbench_run(b, user);
	else if (cmd == UDRV_IRQBENCH_SETUP)
		ret = irqbench_setup(b, user);
	else if (cmd == UDRV_IRQBENCH_INFO)
		ret = irqbench_info(b, user);
	else
		ret = -ENOTTY;
	mutex_unlock(&b->lock);
	return ret;
}

/* Why read() stops waiting: 1 an interrupt, negative errno; 0 it does not stop. */
static int woken(struct irqbench *b, unsigned long deadline)
{
	if (READ_ONCE(b->gone))
		return -ENODEV;
	if (READ_ONCE(b->mode) != UDRV_IRQBENCH_READ)
		return -EINVAL;
	if (xchg(&b->fired, 0))
		return 1;
	return time_after_eq(jiffies, deadline) ? -ETIMEDOUT : 0;
}

static bool stops(struct irqbench *b, unsigned long deadline, int *why)
{
	*why = woken(b, deadline);
	return *why;
}

static int wait_fired(struct irqbench *b, bool nonblock)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(UDRV_IRQBENCH_READ_MS);
	int ret = woken(b, deadline);

	if (ret)
		return ret;
	if (nonblock)
		return -EAGAIN;
	/* A timer of its own, so that a wake-up does not have to take one down first. */
	mod_delayed_work(system_wq, &b->tick, msecs_to_jiffies(UDRV_IRQBENCH_READ_MS) + 1);
	if (wait_event_interruptible(b->wait, stops(b, deadline, &ret)))
		return -EINTR;
	return ret;
}

static ssize_t irqbench_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	struct irqbench *b = file->private_data;
	u64 start;
	int ret;

	if (len < sizeof(start))
		return -EINVAL;
	if (test_and_set_bit_lock(0, &b->reading))
		return -EBUSY;
	ret = wait_fired(b, file->f_flags & O_NONBLOCK);
	start = READ_ONCE(b->start);
	clear_bit_unlock(0, &b->reading);
	if (ret < 0)
		return ret;
	return copy_to_user(buf, &start, sizeof(start)) ? -EFAULT : sizeof(start);
}

static int irqbench_open(struct inode *inode, struct file *file)
{
	/* misc_open() left the miscdevice here and holds the lock that misc_deregister() takes. */
	struct irqbench *b = container_of(file->private_data, struct irqbench, misc);

	if (test_and_set_bit_lock(0, &b->open))
		return -EBUSY;
	kref_get(&b->ref);
	file->private_data = b;
	return stream_open(inode, file);
}

static int irqbench_close(struct inode *inode, struct file *file)
{
	struct irqbench *b = file->private_data;

	mutex_lock(&b->lock);
	irq_off(b);
	mutex_unlock(&b->lock);
	cancel_delayed_work_sync(&b->tick);
	clear_bit_unlock(0, &b->open);
	kref_put(&b->ref, irqbench_release);
	return 0;
}

static const struct file_operations irqbench_fops = {
	.owner = THIS_MODULE,
	.open = irqbench_open,
	.release = irqbench_close,
	.read = irqbench_read,
	.unlocked_ioctl = irqbench_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct irqbench *irqbench_alloc(struct pci_dev *pdev)
{
	struct irqbench *b = kzalloc(sizeof(*b), GFP_KERNEL);

	if (!b)
		return NULL;
	kref_init(&b->ref);
	mutex_init(&b->lock);
	init_completion(&b->handled);
	init_waitqueue_head(&b->wait);
	INIT_DELAYED_WORK(&b->tick, irqbench_tick);
	snprintf(b->name, sizeof(b->name), "udrv_irqbench-%s", pci_name(pdev));
	b->pdev = pdev;
	b->misc.minor = MISC_DYNAMIC_MINOR;
	b->misc.name = b->name;
	b->misc.fops = &irqbench_fops;
	b->misc.parent = &pdev->dev;
	b->misc.mode = 0600;
	return b;
}

/* driver_override would bind this driver to anything: insist on a device that answers as edu. */
static int edu_check(struct irqbench *b)
{
	u32 id = ioread32(b->regs + EDU_ID);

	if ((id & 0xffff) == 0x00ed)
		return 0;
	pci_err(b->pdev, "identification register reads %#010x: not an edu device\n", id);
	return -ENODEV;
}

static void edu_leave(struct irqbench *b)
{
}

/* As after a reset, whatever the former driver left, without throttling. */
static int i82574_enable(struct irqbench *b)
{
	iowrite32(~0u, b->regs + I82574_IMC);
	iowrite32(0, b->regs + I82574_RCTL);
	iowrite32(0, b->regs + I82574_TCTL);
	iowrite32(ioread32(b->regs + I82574_CTRL) | I82574_CTRL_RST, b->regs + I82574_CTRL);
	msleep(I82574_RESET_MS);
	iowrite32(~0u, b->regs + I82574_IMC);
	iowrite32(0, b->regs + I82574_ITR);
	iowrite32(~0u, b->regs + I82574_ICR);
	iowrite32(I82574_CAUSE_RXT0, b->regs + I82574_IMS);
	return 0;
}

static void i82574_disable(struct irqbench *b)
{
	iowrite32(~0u, b->regs + I82574_IMC);
}

static const struct source sources[] = {
	{
		.vendor = EDU_VENDOR,
		.device = EDU_DEVICE,
		.bytes = EDU_REGS_BYTES,
		.raise_reg = EDU_IRQ_RAISE,
		.raise = 1,
		.status_reg = EDU_IRQ_STATUS,
		.ack_reg = EDU_IRQ_ACK,
		.cause = ~0u,
		.enable = edu_check,
		.disable = edu_leave,
	}, {
		.vendor = PCI_VENDOR_ID_INTEL,
		.device = I82574_DEVICE,
		.bytes = I82574_REGS_BYTES,
		.raise_reg = I82574_ICS,
		.raise = I82574_CAUSE_RXT0,
		.status_reg = I82574_ICR,
		.ack_reg = I82574_ICR,
		.cause = I82574_CAUSE_RXT0,
		/* QEMU 7.2 must not hold one back when the way of interrupts changes. */
		.quiet_ms = 50,
		.enable = i82574_enable,
		.disable = i82574_disable,
	},
};

static const struct source *find_source(struct pci_dev *pdev)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sources); i++)
		if (pdev->vendor == sources[i].vendor && pdev->device == sources[i].device)
			return &sources[i];
	return NULL;
}

static int regs_on(struct irqbench *b)
{
	struct pci_dev *pdev = b->pdev;
	int ret;

	if (pci_resource_len(pdev, REGS_BAR) < b->source->bytes)
		return -ENODEV;
	b->regs = pci_iomap(pdev, REGS_BAR, 0);
	if (!b->regs)
		return -ENOMEM;
	ret = b->source->enable(b);
	if (ret)
		pci_iounmap(pdev, b->regs);
	return ret;
}

static int pci_on(struct irqbench *b)
{
	struct pci_dev *pdev = b->pdev;
	int ret;

	ret = pci_enable_device_mem(pdev);
	if (ret)
		return ret;
	ret = pci_request_region(pdev, REGS_BAR, KBUILD_MODNAME);
	if (ret)
		goto err_disable;
	ret = regs_on(b);
	if (ret)
		goto err_release;
	pci_set_master(pdev);
	return 0;

err_release:
	pci_release_region(pdev, REGS_BAR);
err_disable:
	pci_disable_device(pdev);
	return ret;
}

static void pci_off(struct irqbench *b)
{
	struct pci_dev *pdev = b->pdev;

	b->source->disable(b);
	pci_clear_master(pdev);
	pci_iounmap(pdev, b->regs);
	pci_release_region(pdev, REGS_BAR);
	pci_disable_device(pdev);
}

static int irqbench_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	const struct source *source = find_source(pdev);
	struct irqbench *b;
	int ret;

	if (!source)
		return -ENODEV;
	b = irqbench_alloc(pdev);
	if (!b)
		return -ENOMEM;
	b->source = source;
	ret = pci_on(b);
	if (ret)
		goto err_put;
	ret = misc_register(&b->misc);
	if (ret)
		goto err_off;
	pci_set_drvdata(pdev, b);
	return 0;

err_off:
	pci_off(b);
err_put:
	kref_put(&b->ref, irqbench_release);
	return ret;
}

static void irqbench_remove(struct pci_dev *pdev)
{
	struct irqbench *b = pci_get_drvdata(pdev);

	misc_deregister(&b->misc);
	/* Everybody out of their waits first, so that the lock is free soon. */
	WRITE_ONCE(b->gone, true);
	complete_all(&b->handled);
	wake_up_interruptible(&b->wait);
	mutex_lock(&b->lock);
	irq_off(b);
	pci_off(b);
	mutex_unlock(&b->lock);
	kref_put(&b->ref, irqbench_release);
}

/*
 * Bound by driver_override only: the entries are marked override_only, and there is no module
 * alias. The value only says to modpost which alias to make, and none is made here.
 */
static const struct pci_device_id irqbench_ids[] = {
	{ PCI_DEVICE_DRIVER_OVERRIDE(EDU_VENDOR, EDU_DEVICE, 1) },
	{ PCI_DEVICE_DRIVER_OVERRIDE(PCI_VENDOR_ID_INTEL, I82574_DEVICE, 1) },
	{ }
};

static struct pci_driver irqbench_driver = {
	.name = KBUILD_MODNAME,
	.id_table = irqbench_ids,
	.probe = irqbench_probe,
	.remove = irqbench_remove,
};
module_pci_driver(irqbench_driver);

MODULE_AUTHOR("udrv authors");
MODULE_DESCRIPTION("Interrupt latency of an in-kernel driver: QEMU's edu device, Intel 82574");
MODULE_LICENSE("GPL");

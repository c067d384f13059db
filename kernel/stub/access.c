// SPDX-License-Identifier: GPL-2.0-only
/* Registers and configuration space by pread() and pwrite(). */
#include <linux/io.h>
#include <linux/log2.h>
#include <linux/uaccess.h>

#include "stub.h"

static int io_access(void __iomem *io, size_t size, u64 *val, bool write)
{
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

/* A mapping of ours that stayed would decide how users may map a BAR that can be write-combined. */
static int bar_access(struct stub_bar *bar, u64 offset, size_t size, u64 *val, bool write)
{
	struct stub *stub = bar->stub;
	int ret = -ENOMEM;

	if (size == 8 && bar->flags & UDRV_STUB_BAR_IO)
		return -EINVAL;
	if (write && stub_touches(offset, size, bar->table, bar->table_len))
		return -EPERM;
	mutex_lock(&stub->bar_lock);
	if (!bar->io)
		bar->io = pci_iomap(stub->pdev, bar - stub->bars, 0);
	if (bar->io)
		ret = io_access(bar->io + offset, size, val, write);
	if (bar->io && bar->flags & UDRV_STUB_BAR_PREFETCH) {
		pci_iounmap(stub->pdev, bar->io);
		bar->io = NULL;
	}
	mutex_unlock(&stub->bar_lock);
	return ret;
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
		if (stub_touches(offset, size, pdev->msi_cap, len))
			return true;
	}
	return pdev->msix_cap && stub_touches(offset, size, pdev->msix_cap, 12);
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

ssize_t stub_read(struct file *file, char __user *buf, size_t size, loff_t *pos)
{
	u64 val = 0;
	__le64 le;
	int ret = guarded_access(file->private_data, *pos, size, &val, false);

	if (ret)
		return ret;
	le = cpu_to_le64(val);
	return copy_to_user(buf, &le, size) ? -EFAULT : size;
}

ssize_t stub_write(struct file *file, const char __user *buf, size_t size, loff_t *pos)
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

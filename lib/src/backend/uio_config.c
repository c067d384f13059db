// SPDX-License-Identifier: MIT
/*
 * Configuration space by sysfs. INTX_DISABLE belongs to the kernel's handler, which sets it when
 * the device interrupts, and to this backend, which clears it again. The handler reads and writes
 * COMMAND under a lock that nobody else has; but each write of ours is one access, and INTX_DISABLE
 * is set by none that could come between. So a write can at worst clear what the handler has just
 * set: then a line that is still asserted interrupts once more, and none is lost. INTX_DISABLE is
 * written with the whole of COMMAND: QEMU's devices do not look at it in a write of the upper byte.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include <udrv/log.h>

#include "backend/uio.h"
#include "pci/device.h"

#define COMMAND_HIGH (PCI_COMMAND + 1)

/* Little-endian, as registers are (PCI 3.0, 3.8.1). */
static int read_raw(const struct udrv__uio *uio, unsigned int where, unsigned int size,
		    uint32_t *val)
{
	uint32_t le = 0;
	ssize_t n = pread(uio->config, &le, size, (off_t)where);

	if (n < 0)
		return -errno;
	/* Beyond the header only for who has CAP_SYS_ADMIN. */
	if (n != (ssize_t)size)
		return -EPERM;
	*val = le32toh(le);
	return 0;
}

static int write_raw(const struct udrv__uio *uio, unsigned int where, unsigned int size,
		     uint32_t val)
{
	uint32_t le = htole32(val);
	ssize_t n = pwrite(uio->config, &le, size, (off_t)where);

	if (n < 0)
		return -errno;
	return n == (ssize_t)size ? 0 : -EPERM;
}

/* Once the device is gone another driver may have it. */
static int check(const struct udrv__uio *uio, unsigned int where, unsigned int size)
{
	if (udrv_device_gone(uio->dev))
		return -ENODEV;
	return where + size > uio->config_len ? -EINVAL : 0;
}

int udrv__uio_config_read(struct udrv_device *dev, unsigned int where, unsigned int size,
			  uint32_t *val)
{
	const struct udrv__uio *uio = dev->backend;
	int ret = check(uio, where, size);

	return ret ? ret : read_raw(uio, where, size, val);
}

int udrv__uio_set_intx(const struct udrv__uio *uio, bool on)
{
	uint32_t command = uio->command | (on ? 0u : PCI_COMMAND_INTX_DISABLE);

	return udrv_device_gone(uio->dev) ? -ENODEV : write_raw(uio, PCI_COMMAND, 2, command);
}

/* INTX_DISABLE stays as it is; a write of the lower byte does not touch it. With uio->lock. */
static int set_command(struct udrv__uio *uio, uint16_t command)
{
	uint32_t old = 0;
	int ret;

	command &= (uint16_t)~PCI_COMMAND_INTX_DISABLE;
	if ((command ^ uio->command) & 0xff00) {
		ret = read_raw(uio, PCI_COMMAND, 2, &old);
		if (!ret)
			ret = write_raw(uio, PCI_COMMAND, 2,
					command | (old & PCI_COMMAND_INTX_DISABLE));
	} else {
		ret = write_raw(uio, PCI_COMMAND, 1, command & 0xff);
	}
	if (!ret)
		uio->command = command;
	return ret;
}

/* COMMAND or a half of it, and STATUS behind it if the access has four bytes. */
static int write_command(struct udrv__uio *uio, unsigned int where, unsigned int size, uint32_t val)
{
	unsigned int shift = 8 * (where - PCI_COMMAND);
	uint32_t bits = (size == 1 ? 0xffu : 0xffffu) << shift;
	int ret;

	pthread_mutex_lock(&uio->lock);
	ret = set_command(uio, (uint16_t)((uio->command & ~bits) | (val << shift & bits)));
	pthread_mutex_unlock(&uio->lock);
	if (!ret && size > 2)
		ret = write_raw(uio, PCI_STATUS, 2, val >> 16);
	return ret;
}

int udrv__uio_config_write(struct udrv_device *dev, unsigned int where, unsigned int size,
			   uint32_t val)
{
	struct udrv__uio *uio = dev->backend;
	int ret = check(uio, where, size);

	if (ret)
		return ret;
	if (where == PCI_COMMAND || where == COMMAND_HIGH)
		return write_command(uio, where, size, val);
	return write_raw(uio, where, size, val);
}

int udrv__uio_quiesce(struct udrv__uio *uio)
{
	uint32_t command = 0;
	int ret = read_raw(uio, PCI_COMMAND, 2, &command);

	if (!ret) {
		uio->command = (uint16_t)(command & ~(uint32_t)(PCI_COMMAND_MASTER |
								PCI_COMMAND_INTX_DISABLE));
		ret = udrv__uio_set_intx(uio, false);
	}
	if (ret == -EPERM)
		udrv_pr_err("%s: the kernel does not let its configuration space be written: it is "
			    "locked down (secure boot), and lets only vfio and its own drivers at "
			    "PCI devices",
			    uio->dev->name);
	else if (ret)
		udrv_pr_err("%s: cannot switch it off in its configuration space: %s",
			    uio->dev->name, strerror(-ret));
	return ret;
}

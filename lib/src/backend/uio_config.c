// SPDX-License-Identifier: MIT
/*
 * Configuration space by sysfs. INTX_DISABLE belongs to the kernel's handler, which sets it when
 * the device interrupts, and to this backend, which clears it again. The handler reads and writes
 * COMMAND under a lock that nobody else has. So COMMAND is written by halves, as bytes: the lower
 * one has no bit of the handler's, and in the upper one a write can at worst clear what the
 * handler has just set. Then a line that is still asserted interrupts once more; none is lost.
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
#define HIGH_NO_INTX ((uint8_t)(PCI_COMMAND_INTX_DISABLE >> 8))

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
	uint8_t high = uio->command_high | (on ? 0 : HIGH_NO_INTX);

	return udrv_device_gone(uio->dev) ? -ENODEV : write_raw(uio, COMMAND_HIGH, 1, high);
}

/* INTX_DISABLE stays as it is. */
static int write_high(struct udrv__uio *uio, uint8_t val)
{
	uint32_t old = 0;
	int ret;

	val &= (uint8_t)~HIGH_NO_INTX;
	pthread_mutex_lock(&uio->lock);
	ret = read_raw(uio, COMMAND_HIGH, 1, &old);
	if (!ret && val != uio->command_high)
		ret = write_raw(uio, COMMAND_HIGH, 1, val | (old & HIGH_NO_INTX));
	if (!ret)
		uio->command_high = val;
	pthread_mutex_unlock(&uio->lock);
	return ret;
}

/* COMMAND, and STATUS behind it if the access has four bytes. */
static int write_command(struct udrv__uio *uio, unsigned int where, unsigned int size, uint32_t val)
{
	int ret = 0;

	if (where == COMMAND_HIGH)
		return write_high(uio, (uint8_t)val);
	ret = write_raw(uio, PCI_COMMAND, 1, val & 0xff);
	if (!ret && size > 1)
		ret = write_high(uio, (uint8_t)(val >> 8));
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
		uio->command_high = (uint8_t)(command >> 8) & (uint8_t)~HIGH_NO_INTX;
		ret = udrv__uio_set_intx(uio, false);
	}
	if (!ret)
		ret = write_raw(uio, PCI_COMMAND, 1, command & 0xff & ~(uint32_t)PCI_COMMAND_MASTER);
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

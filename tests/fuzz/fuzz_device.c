// SPDX-License-Identifier: MIT
/* The device that is fuzzed: what it has, how it is bound, and registers that do no harm. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fuzz.h"

#define EDU	0x123411e8u /* vendor and device */
#define IVSHMEM 0x1af41110u

static unsigned int ids(void)
{
	return fuzz.vendor << 16 | fuzz.device;
}

bool fuzz_device_known(void)
{
	return ids() == EDU || ids() == IVSHMEM;
}

/* Of edu: liveness, factorial, raise, acknowledge; of ivshmem: mask, status. No DMA. */
uint64_t fuzz_safe_register(struct fuzz_rng *rng)
{
	static const uint8_t edu[] = {0x04, 0x08, 0x60, 0x64};
	static const uint8_t ivshmem[] = {0x00, 0x04};

	return ids() == EDU ? edu[fuzz_below(rng, sizeof(edu))]
			    : ivshmem[fuzz_below(rng, sizeof(ivshmem))];
}

bool fuzz_raises(uint32_t type)
{
	return ids() == EDU || (ids() == IVSHMEM && type == UDRV_STUB_MSIX);
}

static long write_register(int fd, volatile uint8_t *registers, uint32_t offset, uint32_t value)
{
	if (!registers)
		return fuzz_pwrite(fd, &value, sizeof(value), offset);
	return fuzz_store(registers + offset, value) ? -EFAULT : 0;
}

/* edu: raise register; ivshmem: doorbell, which takes the own id of register 8 and the vector. */
long fuzz_raise(int fd, volatile uint8_t *registers, unsigned int vector)
{
	uint32_t id = 0;
	long result;

	if (ids() == EDU)
		return write_register(fd, registers, 0x60, 1);
	if (registers)
		result = fuzz_load(registers + 8, &id) ? -EFAULT : 0;
	else
		result = fuzz_pread(fd, &id, sizeof(id), 8);
	return result < 0 ? result : write_register(fd, registers, 12, id << 16 | vector);
}

long fuzz_acknowledge(int fd, volatile uint8_t *registers)
{
	return ids() == EDU ? write_register(fd, registers, 0x64, UINT32_MAX) : 0;
}

static unsigned int read_id(const char *name)
{
	char path[96], text[16];
	FILE *file;
	bool got;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", fuzz.address, name);
	file = fopen(path, "re");
	got = file && fgets(text, sizeof(text), file);
	if (file)
		fclose(file);
	if (!got)
		fuzz_fail("cannot read %s", path);
	return (unsigned int)strtoul(text, NULL, 16);
}

static long write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t result;

	if (fd < 0)
		return -errno;
	result = write(fd, text, strlen(text));
	if (result < 0)
		result = -errno;
	close(fd);
	return result < 0 ? result : 0;
}

static long write_device_file(const char *name, const char *text)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", fuzz.address, name);
	return write_file(path, text);
}

static bool is_bound(void)
{
	return access(fuzz.node, F_OK) == 0;
}

static long bind_stub(void)
{
	long result = write_device_file("driver_override", "udrv_stub");

	return result ? result : write_file("/sys/bus/pci/drivers_probe", fuzz.address);
}

void fuzz_attach(void)
{
	struct udrv_stub_info info = {.abi = UDRV_STUB_ABI};
	long fd;

	snprintf(fuzz.node, sizeof(fuzz.node), "/dev/udrv_stub-%s", fuzz.address);
	if (access("/sys/bus/pci/drivers/udrv_stub", F_OK) && system("modprobe udrv_stub"))
		fuzz_fail("udrv_stub cannot be loaded");
	if (!is_bound()) {
		long result = bind_stub();

		if (result || !is_bound())
			fuzz_fail("%s is not bound to udrv_stub: %s", fuzz.address,
				  strerror((int)-result));
	}
	fuzz.vendor = read_id("vendor");
	fuzz.device = read_id("device");
	fd = fuzz_open(false);
	if (fd < 0)
		fuzz_fail("cannot open %s: %s", fuzz.node, strerror((int)-fd));
	if (fuzz_ioctl(FUZZ_INFO, (int)fd, UDRV_STUB_INFO, &info, sizeof(info)))
		fuzz_fail("INFO fails");
	snprintf(fuzz.uio, sizeof(fuzz.uio), "/dev/uio%u", info.uio);
	info.users = 0;
	fuzz.info = info;
	fuzz_close((int)fd);
}

static void unload(void)
{
	long result = syscall(SYS_delete_module, "udrv_stub", O_NONBLOCK);

	fuzz_count(FUZZ_UNLOAD, result ? -errno : 0);
	if (!result && system("modprobe udrv_stub"))
		fuzz_fail("udrv_stub cannot be loaded again");
}

static void unbind(struct fuzz_rng *rng)
{
	if (fuzz_one_in(rng, 8)) {
		fuzz_count(FUZZ_UNBIND, write_device_file("remove", "1"));
		fuzz_count(FUZZ_SYSFS, write_file("/sys/bus/pci/rescan", "1"));
	} else {
		fuzz_count(FUZZ_UNBIND,
			   write_file("/sys/bus/pci/drivers/udrv_stub/unbind", fuzz.address));
	}
}

/*
 * Allocations in probe may fail. The device is enabled beforehand: if ACPI finds no memory while it
 * looks up the interrupt's routing, that is gone until the machine boots again.
 */
static void bind_with_failures(struct fuzz_rng *rng)
{
	fuzz_count(FUZZ_SYSFS, write_device_file("enable", "1"));
	fuzz_inject(1 + fuzz_below(rng, 120));
	fuzz_count(FUZZ_BIND, bind_stub());
	fuzz_inject(0);
	/* The PCI core may have gone without something. */
	if (is_bound())
		unbind(rng);
	fuzz_count(FUZZ_SYSFS, write_device_file("enable", "0"));
}

/* What brings the device back in the end does not fail. */
static void bind_again(struct fuzz_rng *rng)
{
	if (is_bound())
		return;
	if (fuzz_one_in(rng, 2))
		bind_with_failures(rng);
	if (!is_bound())
		fuzz_count(FUZZ_BIND, bind_stub());
	if (!is_bound())
		fuzz_fail("%s could not be bound again", fuzz.address);
	fuzz_attach();
}

void fuzz_disturb(struct fuzz_rng *rng, bool in_use)
{
	if (!in_use || fuzz_one_in(rng, 8))
		unload();
	else
		unbind(rng);
	bind_again(rng);
}

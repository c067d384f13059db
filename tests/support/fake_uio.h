/* SPDX-License-Identifier: MIT */
/*
 * A machine with one device that is bound to uio_pci_generic. Its sysfs is files. Its node is a
 * terminal whose other end is the test's: what is written there is read as the counter, and when it
 * is closed the node reports an error and has nothing to read any more, as UIO's does.
 */
#ifndef TESTS_SUPPORT_FAKE_UIO_H
#define TESTS_SUPPORT_FAKE_UIO_H

#include <fcntl.h>
#include <linux/pci_regs.h>
#include <sys/sysmacros.h>
#include <termios.h>

#include "pci/sysfs.h"

#include "support/fake_tree.h"
#include "support/fault.h"

#define FAKE_UIO_DIR "sys/bus/pci/devices/"

static struct {
	int master;	/* -1: the device is gone */
	int slave;	/* keeps the terminal's settings */
	char path[64];	/* of the slave */
	char name[32];	/* of the PCI function */
	int open_errno; /* of the node */
	bool no_irq;	/* the node has no interrupt to tell of */
	uint32_t interrupts;
} fake_uio;

/* A terminal whose other end is closed reports an error at once. */
static inline int fake_uio_broken_node(void)
{
	int fd = openat(AT_FDCWD, fake_uio.path, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);

	close(fake_uio.master);
	fake_uio.master = -1;
	return fd;
}

static inline bool fake_uio_open_hook(const char *path, int *ret)
{
	if (strcmp(path, "/dev/uio7") != 0)
		return false;
	if (fake_uio.no_irq && !fake_uio.open_errno) {
		*ret = fake_uio_broken_node();
		return true;
	}
	*ret = fake_uio.open_errno ? -fake_uio.open_errno
				   : openat(AT_FDCWD, fake_uio.path,
					    O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	return true;
}

/* An attribute of @len bytes, all zero. */
static inline void fake_uio_bytes(const char *attr, off_t len)
{
	char path[PATH_MAX];

	fake_file("", FAKE_UIO_DIR "%s/%s", fake_uio.name, attr);
	(void)snprintf(path, sizeof(path), "%s/" FAKE_UIO_DIR "%s/%s", fake_root, fake_uio.name,
		       attr);
	ck_assert_int_eq(truncate(path, len), 0);
}

static inline int fake_uio_attr(const char *attr)
{
	char path[PATH_MAX];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/" FAKE_UIO_DIR "%s/%s", fake_root, fake_uio.name,
		       attr);
	fd = openat(AT_FDCWD, path, O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

/* What an attribute holds at an offset; and to put something there. Any thread. */
static inline uint32_t fake_uio_get(const char *attr, unsigned int where, unsigned int size)
{
	int fd = fake_uio_attr(attr);
	uint32_t val = 0;

	ck_assert_int_eq(lseek(fd, where, SEEK_SET), where);
	ck_assert_int_eq(read(fd, &val, size), size);
	close(fd);
	return val;
}

static inline void fake_uio_put(const char *attr, unsigned int where, unsigned int size,
				uint32_t val)
{
	int fd = fake_uio_attr(attr);

	ck_assert_int_eq(lseek(fd, where, SEEK_SET), where);
	ck_assert_int_eq(write(fd, &val, size), size);
	close(fd);
}

static inline bool fake_uio_masked(void)
{
	return fake_uio_get("config", PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE;
}

static inline void fake_uio_node_number(unsigned int major_nr, unsigned int minor_nr)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%u:%u\n", major_nr, minor_nr);
	fake_file(text, FAKE_UIO_DIR "%s/uio/uio7/dev", fake_uio.name);
}

static inline void fake_uio_make_node(void)
{
	struct termios raw;
	struct stat st;

	fake_uio.master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(fake_uio.master, 0);
	ck_assert_int_eq(grantpt(fake_uio.master), 0);
	ck_assert_int_eq(unlockpt(fake_uio.master), 0);
	ck_assert_int_eq(ptsname_r(fake_uio.master, fake_uio.path, sizeof(fake_uio.path)), 0);
	fake_uio.slave = openat(AT_FDCWD, fake_uio.path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(fake_uio.slave, 0);
	ck_assert_int_eq(tcgetattr(fake_uio.slave, &raw), 0);
	cfmakeraw(&raw);
	ck_assert_int_eq(tcsetattr(fake_uio.slave, TCSANOW, &raw), 0);
	ck_assert_int_eq(fstat(fake_uio.slave, &st), 0);
	fake_uio_node_number(major(st.st_rdev), minor(st.st_rdev));
}

/* The UIO device is unregistered. */
static inline void fake_uio_no_uio_device(void)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/" FAKE_UIO_DIR "%s/uio/uio7/dev", fake_root,
		       fake_uio.name);
	ck_assert_int_eq(unlink(path), 0);
	*strrchr(path, '/') = 0;
	ck_assert_int_eq(rmdir(path), 0);
}

/* As fake_pci_device() makes it: BAR 0 has 1 MiB of memory, BAR 4 32 ports. Left at work. */
static inline void fake_uio_make(const char *name)
{
	static const struct fault_hooks hooks = {.open = fake_uio_open_hook};
	static char sysfs[sizeof(fake_root) + 8];

	memset(&fake_uio, 0, sizeof(fake_uio));
	fake_tree_make();
	(void)snprintf(sysfs, sizeof(sysfs), "%s/sys", fake_root);
	udrv__sysfs_root = sysfs;
	(void)snprintf(fake_uio.name, sizeof(fake_uio.name), "%s", name);
	fake_pci_device(name, 0x1234, 0x11e8, "uio_pci_generic", -1);
	fake_uio_bytes("config", PCI_CFG_SPACE_SIZE);
	fake_uio_bytes("resource0", 1 << 20);
	fake_uio_bytes("resource4", 32);
	fake_uio_put("config", PCI_COMMAND, 2,
		     PCI_COMMAND_MEMORY | PCI_COMMAND_IO | PCI_COMMAND_MASTER | PCI_COMMAND_SERR);
	fake_uio_make_node();
	fault_set_hooks(&hooks);
	fault_log_clear();
}

/* The device goes; whoever has the node finds out. */
static inline void fake_uio_unplug(void)
{
	close(fake_uio.master);
	fake_uio.master = -1;
}

static inline void fake_uio_remove(void)
{
	static const struct fault_hooks none;

	if (fake_uio.master >= 0)
		close(fake_uio.master);
	close(fake_uio.slave);
	fault_set_hooks(&none);
	fake_tree_remove();
}

/* As uio_pci_generic's handler does it: masked, then counted. */
static inline void fake_uio_interrupt(void)
{
	fake_uio_put("config", PCI_COMMAND + 1, 1,
		     fake_uio_get("config", PCI_COMMAND + 1, 1) | PCI_COMMAND_INTX_DISABLE >> 8);
	fake_uio.interrupts++;
	ck_assert_int_eq(write(fake_uio.master, &fake_uio.interrupts, 4), 4);
}

#endif

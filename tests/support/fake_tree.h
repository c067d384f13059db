/* SPDX-License-Identifier: MIT */
/*
 * Files and links in a folder of the test's own, and a sysfs made of them. Such a tree holds still:
 * nothing reacts to what is written to it.
 */
#ifndef TESTS_SUPPORT_FAKE_TREE_H
#define TESTS_SUPPORT_FAKE_TREE_H

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

static char fake_root[64];

static inline int fake_remove_one(const char *path, const struct stat *st, int type,
				  struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void fake_tree_make(void)
{
	strcpy(fake_root, "/tmp/udrv-fake-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(fake_root));
}

static inline void fake_tree_remove(void)
{
	(void)nftw(fake_root, fake_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The whole path of @rel, whose folders are made. */
static inline void fake_path(char path[PATH_MAX], const char *rel)
{
	(void)snprintf(path, PATH_MAX, "%s/%s", fake_root, rel);
	for (char *p = path + strlen(fake_root) + 1; (p = strchr(p, '/')); p++) {
		*p = 0;
		ck_assert(mkdir(path, 0755) == 0 || errno == EEXIST);
		*p = '/';
	}
}

__attribute__((format(printf, 2, 3))) static inline void fake_file(const char *text,
								   const char *fmt, ...)
{
	char rel[PATH_MAX / 2];
	char path[PATH_MAX];
	va_list args;
	FILE *f;

	va_start(args, fmt);
	(void)vsnprintf(rel, sizeof(rel), fmt, args);
	va_end(args);
	fake_path(path, rel);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

/* A link at @fmt to @target, which is taken as it is. */
__attribute__((format(printf, 2, 3))) static inline void fake_link(const char *target,
								   const char *fmt, ...)
{
	char rel[PATH_MAX / 2];
	char path[PATH_MAX];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(rel, sizeof(rel), fmt, args);
	va_end(args);
	fake_path(path, rel);
	(void)unlink(path);
	ck_assert_int_eq(symlink(target, path), 0);
}

/* What a file of the tree holds now; valid until the next call. */
__attribute__((format(printf, 1, 2))) static inline const char *fake_text(const char *fmt, ...)
{
	static char text[65536];
	char rel[PATH_MAX / 2];
	char path[PATH_MAX];
	va_list args;
	size_t n;
	FILE *f;

	va_start(args, fmt);
	(void)vsnprintf(rel, sizeof(rel), fmt, args);
	va_end(args);
	(void)snprintf(path, sizeof(path), "%s/%s", fake_root, rel);
	f = fopen(path, "r");
	if (!f)
		return "(no such file)";
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = 0;
	(void)fclose(f);
	return text;
}

static inline void fake_pci_driver(const char *driver)
{
	fake_file("", "sys/bus/pci/drivers/%s/bind", driver);
	fake_file("", "sys/bus/pci/drivers/%s/unbind", driver);
	fake_file("", "sys/bus/pci/drivers_probe");
}

static inline void fake_pci_bound(const char *name, const char *driver)
{
	char target[128];

	(void)snprintf(target, sizeof(target), "../../drivers/%s", driver);
	fake_link(target, "sys/bus/pci/devices/%s/driver", name);
}

/* A function with a 1 MiB BAR 0, bound to @driver unless NULL, in @group unless negative. */
static inline void fake_pci_device(const char *name, unsigned vendor, unsigned device,
				   const char *driver, int group)
{
	char text[64];

#define FAKE_ATTR(attr, fmt, val)                                                                  \
	do {                                                                                       \
		(void)snprintf(text, sizeof(text), fmt "\n", val);                                 \
		fake_file(text, "sys/bus/pci/devices/%s/" attr, name);                             \
	} while (0)
	FAKE_ATTR("vendor", "0x%04x", vendor);
	FAKE_ATTR("device", "0x%04x", device);
	FAKE_ATTR("subsystem_vendor", "0x%04x", 0x1af4u);
	FAKE_ATTR("subsystem_device", "0x%04x", 0x1100u);
	FAKE_ATTR("revision", "0x%02x", 0x10u);
	FAKE_ATTR("class", "0x%06x", 0x00ff00u);
	FAKE_ATTR("driver_override", "%s", "(null)");
	FAKE_ATTR("numa_node", "%d", -1);
#undef FAKE_ATTR
	fake_file("0x00000000fea00000 0x00000000feafffff 0x0000000000040200\n"
		  "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
		  "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
		  "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
		  "0x000000000000c000 0x000000000000c01f 0x0000000000040101\n"
		  "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
		  "0x0000000000000000 0x0000000000000000 0x0000000000000000\n",
		  "sys/bus/pci/devices/%s/resource", name);
	if (driver) {
		fake_pci_driver(driver);
		fake_pci_bound(name, driver);
	}
	if (group >= 0) {
		(void)snprintf(text, sizeof(text), "../../../../kernel/iommu_groups/%d", group);
		fake_link(text, "sys/bus/pci/devices/%s/iommu_group", name);
		(void)snprintf(text, sizeof(text), "../../../../bus/pci/devices/%s", name);
		fake_link(text, "sys/kernel/iommu_groups/%d/devices/%s", group, name);
	}
}

#endif

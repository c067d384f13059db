/* SPDX-License-Identifier: MIT */
/*
 * The file in which a daemon tells what it claimed of its device's BARs, for `udrv iomem`
 * (docs/contract/statistics.md).
 */
#ifndef UDRV_SRC_CLAIMS_H
#define UDRV_SRC_CLAIMS_H

#include <stddef.h>
#include <stdint.h>

#include <udrv/pci.h>

#include "stat/file.h"

#define UDRV__CLAIMS_SUFFIX  ".claims"
#define UDRV__CLAIMS_MAGIC   "udrvclms" /* 8 bytes, not terminated */
#define UDRV__CLAIMS_VERSION 1
#define UDRV__CLAIMS_MAX     256

struct udrv__claim_record {
	uint64_t offset;
	uint64_t len;
	uint32_t bar;
	uint32_t reserved;
	char name[32];
};

struct udrv__claim_bar {
	uint64_t len;	/* 0: there is none */
	uint32_t flags; /* UDRV_RESOURCE_* */
	uint32_t reserved;
};

/* All of the file. What is below sequence is changed under it, the rest never. */
struct udrv__claim_table {
	char magic[8];
	uint32_t version;
	uint32_t size; /* of this struct */
	uint32_t pid;
	uint32_t reserved;
	char driver[64];
	char device[64];
	char backend[32];
	struct udrv__claim_bar bars[UDRV_PCI_STD_NUM_BARS];
	uint32_t sequence; /* odd while it changes */
	uint32_t count;	   /* the first so many records are valid */
	uint32_t left_out; /* claims for which there is no room */
	uint32_t reserved2;
	struct udrv__claim_record records[UDRV__CLAIMS_MAX];
};

/* The owner's. */
struct udrv__claim_file {
	struct udrv__claim_table *table; /* NULL: there is none */
	struct udrv__stat_file file;
};

/*
 * Make the file @dir/<driver>@<device>.claims of an open device, and tell its claims there from now
 * on. The caller holds the device's lock. 0 or negative errno, explained; then *file is as if
 * destroyed.
 */
int udrv__claims_create(struct udrv__claim_file *file, const char *dir, const char *driver,
			struct udrv_device *dev);
/* After the device was closed. */
void udrv__claims_destroy(struct udrv__claim_file *file);
/* The device's claims have changed; under its bar_lock. */
void udrv__claims_publish(struct udrv_device *dev);

/*
 * A reader's: a copy, checked, texts terminated and printable. 0, -ESTALE if the owner is dead,
 * -EPROTO if it is of another version or no such file.
 */
int udrv__claims_read(struct udrv__claim_table *copy, const char *path);

#endif

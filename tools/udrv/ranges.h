/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ranges of addresses: BARs, what the kernel has in /proc/iomem or ioports, and claims in BARs. */
#ifndef RANGES_H
#define RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include <udrv/device.h>
#include <udrv/pci_info.h>

#include "stat/claims.h"

/* Of equal ranges the lower is around the higher. */
enum range_kind {
	RANGE_AROUND, /* the kernel's, not inside a BAR */
	RANGE_BAR,
	RANGE_INSIDE, /* the kernel's, inside a BAR */
	RANGE_CLAIM,  /* udrv_request_region()'s */
};

struct range_process {
	int pid; /* 0: there is none, or it is unknown */
	char name[72];
};

struct range {
	uint64_t start, end; /* inclusive; of a model's BAR offsets */
	enum range_kind kind;
	unsigned int depth;
	size_t nr;			   /* in the order of finding */
	char name[128];			   /* the kernel's or the claim's */
	char device[UDRV_DEVICE_NAME_MAX]; /* "": not of a device */
	int bar;			   /* of a BAR and a claim; UDRV_PCI_ROM_RESOURCE */
	char driver[64];		   /* of a BAR: the kernel's */
	struct range_process process;	   /* that drives the BAR, or claimed */
};

/* What is asked for. */
struct ranges_wanted {
	bool ports;	    /* or memory */
	bool all;	    /* also what is not of a PCI device */
	const char *device; /* NULL: all */
};

struct ranges {
	struct range *range; /* in the order of their addresses, what is around comes first */
	size_t count;
	bool kernel_hidden; /* /proc does not show addresses to this user */

	/* Used while they are read. */
	const struct ranges_wanted *wanted;
	struct udrv__claim_table *daemon;
	size_t daemons;
};

/* Read them all. 0 or negative errno, explained. */
int ranges_read(struct ranges *ranges, const struct ranges_wanted *wanted);
void ranges_free(struct ranges *ranges);

/*
 * ranges.c: a new one, all zero but for its range, kind and device; NULL: no memory. Valid until
 * the next.
 */
struct range *ranges_add(struct ranges *ranges, uint64_t start, uint64_t len, enum range_kind kind,
			 const char *device);
/* Sort and nest. */
void ranges_arrange(struct ranges *ranges);
/* A line as in /proc/iomem, without indentation and newline. */
const char *range_text(const struct range *range, bool ports, char *text, size_t size);

/* ranges_claims.c: the claims in a BAR of the PCI device or model, as far as they are known. */
int ranges_add_claims(struct ranges *ranges, const char *device, int bar, uint64_t start,
		      uint64_t len);
/* Who drives a device: its daemon, or who has it open. */
void ranges_find_process(const struct ranges *ranges, const struct udrv_pci_info *info,
			 struct range_process *process);
const struct udrv__claim_table *ranges_daemon(const struct ranges *ranges, const char *device);
/* Of all daemons. */
int ranges_read_daemons(struct ranges *ranges);

/* ranges_json.c: an array of objects, with what is inside of each in its "inside". */
json_object *ranges_json(const struct ranges *ranges);

#endif

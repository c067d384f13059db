/* SPDX-License-Identifier: MIT */
/*
 * The module udrv_stub's side of a control node, with the checks that kernel/uapi/udrv_stub.h
 * promises. The node's descriptor is a memfd in which the regions lie at their offsets, so pread,
 * pwrite and mmap are real. sysfs is the test's matter (support/fake_tree.h).
 */
#ifndef TESTS_SUPPORT_FAKE_STUB_H
#define TESTS_SUPPORT_FAKE_STUB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "udrv_stub.h"

#define FAKE_STUB_VECTORS 64
#define FAKE_STUB_CLAIMS  8
#define FAKE_STUB_BLOCKS  8

struct fake_stub_claim {
	uint32_t bar;
	uint64_t offset, len; /* len 0: free */
	char name[UDRV_STUB_NAME_MAX];
	int pid;
	bool other; /* of another file */
};

struct fake_stub_block {
	uint64_t handle, size; /* size 0: free */
	bool pinned;	       /* the process's own memory */
	uint32_t direction;
};

/* fake_stub_start() makes a sane one. */
struct fake_stub {
	struct udrv_stub_info info; /* as it says */
	uint32_t abi;
	int open_errno, irqs_errno, alloc_errno, map_errno, mmap_errno;
	uint32_t vectors_left; /* that the kernel can give; 0: no limit */
	bool no_rawio;	       /* its opener has no CAP_SYS_RAWIO */
	atomic_bool gone;

	/* What became of it. */
	char name[16];
	int fd; /* -1: not open */
	int eventfds[UDRV_STUB_IRQ_TYPES][FAKE_STUB_VECTORS];
	uint32_t enabled[UDRV_STUB_IRQ_TYPES];
	int event_fds[UDRV_STUB_EVENTS]; /* -1: none */
	struct udrv_stub_vector *vectors;
	struct fake_stub_claim claims[FAKE_STUB_CLAIMS];
	struct fake_stub_block blocks[FAKE_STUB_BLOCKS];
	unsigned int unmasks; /* atomic */
	unsigned int resets;
	unsigned int reads, writes; /* by pread and pwrite, of BARs */
	uint64_t dma_mask;	    /* of the last allocation or mapping */
};

extern struct fake_stub fake_stub;

/*
 * A device with a 1 MiB BAR 0 of memory, a BAR 2 of 256 ports, 256 bytes of configuration space,
 * INTx, MSI, 8 MSI-X, a reset, in front of an IOMMU.
 */
void fake_stub_start(const char *name);
void fake_stub_stop(void);

/* Count and signal a vector, as the hard handler does; stamp 0: udrv_get_cycles(). Any thread. */
void fake_stub_raise(uint32_t type, uint32_t vector, uint64_t stamp);
/* Its two halves. */
void fake_stub_count(uint32_t vector, uint64_t stamp);
void fake_stub_signal(uint32_t type, uint32_t vector);

/* Somebody else claims a range. */
void fake_stub_claim_of(const char *name, int pid, uint32_t bar, uint64_t offset, uint64_t len);

/* The device goes: events, ENODEV from now on. */
void fake_stub_remove(void);

/* A little-endian number in a region, as the device would see it. */
void fake_stub_poke(uint64_t region, uint64_t offset, uint64_t val, unsigned int size);
uint64_t fake_stub_peek(uint64_t region, uint64_t offset, unsigned int size);

#endif

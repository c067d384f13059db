/* SPDX-License-Identifier: MIT */
/*
 * The kernel's side of VFIO, as far as the backend uses it: /dev/vfio/vfio, groups and devices,
 * with the checks that Linux makes (drivers/vfio) and the answers that a test wants. A device's
 * descriptor is a memfd in which the regions lie where Linux puts them, so pread, pwrite and mmap
 * are real. sysfs is the test's matter (support/fake_tree.h).
 */
#ifndef TESTS_SUPPORT_FAKE_VFIO_H
#define TESTS_SUPPORT_FAKE_VFIO_H

#include <linux/vfio.h>
#include <stdbool.h>
#include <stdint.h>

#define FAKE_REGION_SHIFT 40
#define FAKE_VECTORS_MAX  64
#define FAKE_DEVICES_MAX  4
#define FAKE_MAPPINGS_MAX 64
#define FAKE_CHAIN_MAX	  512

/* What follows an info struct: capabilities whose offsets count from the struct's start. */
struct fake_chain {
	_Alignas(8) unsigned char bytes[FAKE_CHAIN_MAX];
	uint32_t len; /* 0: no capabilities */
};

struct fake_region {
	uint64_t size;
	uint32_t flags; /* VFIO_REGION_INFO_FLAG_* but CAPS */
	struct fake_chain chain;
};

struct fake_device {
	char name[16];
	int group;
	uint32_t flags;	      /* VFIO_DEVICE_FLAGS_* */
	uint32_t num_regions; /* as it says */
	struct fake_region regions[VFIO_PCI_NUM_REGIONS];
	uint32_t irqs[VFIO_PCI_NUM_IRQS]; /* vectors of each index */
	uint32_t vectors_left;		  /* that the kernel can give; 0: no limit */
	bool vectors_left_unsaid;	  /* it does not say how many */
	int open_errno;

	/* What became of it. */
	int fd; /* -1: not open */
	int eventfds[VFIO_PCI_NUM_IRQS][FAKE_VECTORS_MAX];
	uint32_t enabled[VFIO_PCI_NUM_IRQS];
	unsigned int unmasks;
	unsigned int resets;
	unsigned int reads, writes; /* by pread and pwrite, of BARs */
};

struct fake_mapping {
	uint64_t iova, size;
	uint32_t flags;
};

/* The machine. fake_vfio_start() makes it a sane one. */
struct fake_vfio {
	int container_errno, group_errno, set_container_errno, set_iommu_errno, map_errno,
		unmap_errno;
	bool not_viable;
	bool no_type1v2;
	bool greedy; /* info structs are never large enough */
	struct fake_chain iommu_chain;
	struct fake_device devices[FAKE_DEVICES_MAX];
	unsigned int device_count;

	int container, group_fd, group; /* -1: not open */
	struct fake_mapping mappings[FAKE_MAPPINGS_MAX];
	unsigned int mapping_count;
	uint32_t map_flags; /* of the last MAP_DMA */
};

extern struct fake_vfio fake_vfio;

void fake_vfio_start(void);
void fake_vfio_stop(void);

/* A device with a 1 MiB BAR 0, 256 bytes of configuration space, INTx, MSI, 8 MSI-X, REQ and ERR.
 */
struct fake_device *fake_vfio_add(const char *name, int group);

/* One sparse area after the other as pairs of offset and size, count pairs. */
void fake_vfio_sparse(struct fake_region *region, const uint64_t *pairs, uint32_t count);
/* Which IOVAs there are, as pairs of first and last. */
void fake_vfio_iovas(const uint64_t *pairs, uint32_t count);

/* A byte, or little-endian number, in a region, as the device would see it. */
void fake_vfio_poke(const struct fake_device *dev, uint32_t region, uint64_t offset, uint64_t val,
		    unsigned int size);
uint64_t fake_vfio_peek(const struct fake_device *dev, uint32_t region, uint64_t offset,
			unsigned int size);

/* Signal a vector; INTx is masked until it is unmasked. */
void fake_vfio_raise(struct fake_device *dev, uint32_t index, uint32_t vector);

/*
 * What was done in which order: "irqs 1 on 4", "irqs 1 off", "map 0x1000", "unmap 0x1000",
 * "munmap", "reset", "master off", "close device", "close group", "close container". The place of
 * the first such line after line @after, or -1.
 */
int fake_vfio_line(const char *line, int after);
void fake_vfio_lines_clear(void);

/* Inside the fake. */
void fake_vfio_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int fake_vfio_set_irqs(struct fake_device *dev, const struct vfio_irq_set *set);

#endif

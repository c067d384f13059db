/* SPDX-License-Identifier: MIT */
/* struct udrv_device, shared by the subsystems: each has one member that only it touches. */
#ifndef UDRV_SRC_DEVICE_H
#define UDRV_SRC_DEVICE_H

#include <pthread.h>

#include <udrv/pci.h>

#include "backend/backend.h"

struct udrv__irqs;
struct udrv__dma;
struct udrv__claim;
struct udrv__devres;
struct udrv__stat_segment;
struct udrv__claim_file;

struct udrv_device {
	const struct udrv__backend_ops *ops;
	void *backend; /* the backend's own */
	char name[UDRV_DEVICE_NAME_MAX];
	struct udrv_pci_info info; /* a model fills the ids and resources itself */

	/*
	 * 1 once the device is gone. Waiters sleep on this word beside their own
	 * (futex_waitv), so it is 32 bits and only udrv_device_set_gone() changes it.
	 */
	uint32_t gone;

	/* Bus mastering was switched on by this handle, not by another user of the device. Atomic.
	 */
	bool mastering;

	struct udrv__bar bars[UDRV_PCI_STD_NUM_BARS];
	pthread_mutex_t command_lock; /* read-modify-write of COMMAND */
	pthread_mutex_t bar_lock;     /* bars[].areas, bars[].cookie, claims */
	struct udrv__claim *claims;
	struct udrv__claim_file *claim_file; /* src/stat: the daemon's, or NULL */
	uint32_t devres_lock;		     /* mem/lock.h */
	struct udrv__devres *devres;

	unsigned int irq_counts[UDRV__IRQ_TYPES];
	struct udrv__irqs *irqs;	  /* src/irq */
	struct udrv__dma *dma;		  /* src/mem */
	struct udrv__stat_segment *stats; /* src/stat: the daemon's, or NULL */
	int event_fds[UDRV_EVENT_COUNT];

	void *drvdata;
};

/* Managed resources are released, the newest first: src/pci/devres.c. */
void udrv__devres_release(struct udrv_device *dev);

/* The BARs' mappings, windows and claims end: src/pci/bar.c. */
void udrv__bars_release(struct udrv_device *dev);

/* A range of a BAR that somebody asked for: src/pci/claim.c. */
struct udrv__claim {
	struct udrv__claim *next; /* an older one */
	int bar;
	struct udrv_device *managed; /* whose managed resource it is, or NULL */
	uint64_t offset, len;
	char name[32];
};

/* A claim's name, printable and not empty, as the kernel's listings and the stub take it. */
void udrv__claim_name(char *to, size_t size, const char *name);

/* All claims are given back. */
void udrv__claims_release(struct udrv_device *dev);

/* src/irq: state is made by open, and ends with interrupts off and no worker left. */
int udrv__irqs_init(struct udrv_device *dev);
void udrv__irqs_release(struct udrv_device *dev);
/* Is the calling thread one that runs the device's handlers? */
bool udrv__irqs_are_own(struct udrv_device *dev);

/* src/mem: likewise; release unmaps everything from the IOMMU, then frees. */
int udrv__dma_init(struct udrv_device *dev);
void udrv__dma_release(struct udrv_device *dev);

/* Is it bound to what a backend reaches? */
bool udrv__device_has_backend(const struct udrv_pci_info *info);

#endif

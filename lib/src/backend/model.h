/* SPDX-License-Identifier: MIT */
/*
 * Software PCI devices in this process. A model describes itself by a struct udrv__model_type and
 * supplies its registers; model.c and its neighbours do what a bus, an interrupt controller
 * and an IOMMU do around it.
 *
 * Locks: a model has one of its own and may hold it while it calls the functions here, which take
 * udrv__model.lock. Its callbacks are never called with udrv__model.lock held.
 */
#ifndef UDRV_MODEL_H
#define UDRV_MODEL_H

#include <pthread.h>

#include "backend/backend.h"

#define UDRV__MODEL_CONFIG_SIZE 256

/* Where a model's capabilities are; a conventional PCI function, so there are no extended ones. */
#define UDRV__MODEL_MSI_CAP  0x40
#define UDRV__MODEL_AF_CAP   0x50
#define UDRV__MODEL_MSIX_CAP 0x60

struct udrv__model;

struct udrv__model_bar {
	uint64_t len;	/* a power of two, 0: none */
	uint32_t flags; /* UDRV_RESOURCE_* */
};

/* A kind of software device. */
struct udrv__model_type {
	const char *name; /* the device name is "model:<name>" or "model:<name>:<word>" */
	uint16_t vendor, device;
	uint16_t subsystem_vendor, subsystem_device;
	uint8_t revision;
	uint32_t class_code;
	struct udrv__model_bar bars[UDRV_PCI_STD_NUM_BARS];
	bool intx;
	unsigned int msi_vectors;  /* a power of two up to 32, 0: no MSI */
	unsigned int msix_vectors; /* up to 2048, 0: no MSI-X */
	unsigned int msix_bar;	   /* where its table is, and behind that the pending bits */

	/* Make the device in its reset state. 0 or negative errno. */
	int (*create)(struct udrv__model *model, void **state_out);
	/* Stop its threads, then free. Afterwards it calls nothing here. */
	void (*destroy)(void *state);
	/* Back to the reset state; NULL: the function cannot be reset. Any thread. */
	void (*reset)(void *state);
	/*
	 * Registers; size is 1, 2, 4 or 8, inside the BAR, at any alignment. Any thread.
	 * What the model does not decode reads as all ones.
	 */
	uint64_t (*read)(void *state, unsigned int bar, uint64_t offset, unsigned int size);
	void (*write)(void *state, unsigned int bar, uint64_t offset, unsigned int size,
		      uint64_t val);
	/*
	 * A part of a BAR that is memory of the process, whole pages at a page's start, which the
	 * model looks at by itself; it stays until destroy. False, or NULL: all is trapped.
	 */
	bool (*map)(void *state, unsigned int bar, struct udrv__area *area);
};

extern const struct udrv__model_type udrv__model_e1000e;
extern const struct udrv__model_type udrv__model_edu;
extern const struct udrv__model_type udrv__model_ivshmem;
extern const struct udrv__model_type udrv__model_nvme;
extern const struct udrv__model_type udrv__model_uart16550;
extern const struct udrv__model_type udrv__model_uart16550_2x;
extern const struct udrv__model_type udrv__model_uart16550_4x;

/* What went wrong on the bus, for tests and messages. */
struct udrv__model_counts {
	uint64_t dma_bytes;   /* moved */
	uint64_t dma_faults;  /* transfers that touched an address not mapped or not permitted */
	uint64_t dma_refused; /* transfers dropped as bus mastering is off or the device removed */
	uint64_t msi_dropped; /* messages not sent for the same reason */
};

struct udrv__model_mapping {
	struct udrv__model_mapping *next;
	udrv_iova_t iova;
	size_t len;
	unsigned char *va;
	bool device_reads, device_writes;
};

struct udrv__model_block;

/*
 * Backend model-stub: a model whose addresses are chosen as by the kernel stub, without an IOMMU
 * unless a test says otherwise. Memory that is allocated has the lowest address that is free for
 * this device; pinned memory, without an IOMMU, one that follows from where it is.
 */
struct udrv__model_stub {
	struct udrv__model_block *blocks;
	size_t alloc_max;   /* no more in one piece; 0: 4 MiB, what Linux has */
	bool translated;    /* an IOMMU makes any memory contiguous */
	bool physical;	    /* without it huge pages are: here, memory that is aligned to 2 MiB */
	bool no_dma;	    /* as uio */
	bool crooked;	    /* addresses that are aligned to a page only */
	udrv_iova_t lowest; /* addresses begin there; 0: 16 MiB */
	int free_error;	    /* negative errno for each that is given back */
	/* Counted. */
	unsigned int allocs, pins; /* that succeeded */
	unsigned int frees;
};

/* An open device. */
struct udrv__model {
	const struct udrv__model_type *type;
	void *state; /* the type's own */
	struct udrv_device *dev;

	pthread_mutex_t lock; /* everything below */
	uint8_t config[UDRV__MODEL_CONFIG_SIZE];
	uint8_t writable[UDRV__MODEL_CONFIG_SIZE]; /* a bit mask per byte */
	bool removed;
	uint64_t absent_until; /* by udrv__now_ns(): the link is down */
	bool messages_lost;    /* until the function is reset */

	enum udrv__irq_type irq_type; /* UDRV__IRQ_TYPES: off */
	int *irq_fds;		      /* room for all that the type has */
	unsigned int irq_count;
	bool intx_asserted;
	bool intx_masked; /* set when it is signalled, until irq_unmask_intx() */
	int event_fds[UDRV_EVENT_COUNT];

	struct udrv__model_stub stub;
	struct udrv__model_mapping *mappings;
	struct udrv__model_counts counts;
	bool msi_drop_told;
};

/* For models. */

/*
 * Move bytes between the process and the device; faults are dropped, or read as all ones.
 * Returns whether all of it went well.
 */
bool udrv__model_dma_read(struct udrv__model *m, udrv_iova_t iova, void *buf, size_t len);
bool udrv__model_dma_write(struct udrv__model *m, udrv_iova_t iova, const void *buf, size_t len);
/*
 * Write len bytes, 4, or a multiple of 8, to an iova that is a multiple of 4 or of 8. The last 8,
 * or all 4, are stored last, and at once: who sees them sees all that the device wrote before.
 */
bool udrv__model_dma_publish(struct udrv__model *m, udrv_iova_t iova, const void *buf, size_t len);
/* Load a naturally aligned word that the process may be storing. */
bool udrv__model_dma_load32(struct udrv__model *m, udrv_iova_t iova, uint32_t *val);
/* The memory at iova if all of len is mapped in one piece for both directions, or NULL. */
void *udrv__model_dma_memory(struct udrv__model *m, udrv_iova_t iova, size_t len);

/* With MSI or MSI-X on, send vector's message; otherwise assert the line until it is lowered. */
void udrv__model_irq_raise(struct udrv__model *m, unsigned int vector);
void udrv__model_irq_lower(struct udrv__model *m);
/* Are interrupts messages now? */
bool udrv__model_irq_is_message(struct udrv__model *m);
/*
 * The link goes down, and comes up after so many ns: meanwhile all reads give ones and nothing
 * arrives. Then configuration space is as at power-on, and messages are not sent until the function
 * is reset, as the kernel restores them then.
 */
void udrv__model_link_down(struct udrv__model *m, uint64_t ns);
/* What is on; UDRV__IRQ_TYPES: nothing. */
enum udrv__irq_type udrv__model_irq_type(struct udrv__model *m);

/* For tests. */

struct udrv__model *udrv__model_of(struct udrv_device *dev);

/* Which ids a model of that name has, without making it. 0, or -ENODEV, explained. */
int udrv__model_info(const char *name, struct udrv_pci_info *info);
void udrv__model_get_counts(struct udrv_device *dev, struct udrv__model_counts *counts);
/* As the kernel would: signal the event's descriptor if there is one. */
void udrv__model_raise_event(struct udrv_device *dev, enum udrv_device_event event);
/* Pull the card: from now on all reads give ones, nothing arrives, and the device is gone. */
void udrv__model_surprise_remove(struct udrv_device *dev);

/* Shared by model*.c. */

void udrv__model_config_init(struct udrv__model *m);
/* With m->lock held: is nobody there to answer? */
bool udrv__model_is_absent(const struct udrv__model *m);
/* With m->lock held. */
uint16_t udrv__model_command(const struct udrv__model *m);
/* With m->lock held: read and write the word at where, whatever is writable. */
uint16_t udrv__model_config_get16(const struct udrv__model *m, unsigned int where);
void udrv__model_config_set16(struct udrv__model *m, unsigned int where, uint16_t val);
/* With m->lock held: the line's state, or what lets it through, has changed. */
void udrv__model_intx_update(struct udrv__model *m);

int udrv__model_config_read(struct udrv_device *dev, unsigned int where, unsigned int size,
			    uint32_t *val);
int udrv__model_config_write(struct udrv_device *dev, unsigned int where, unsigned int size,
			     uint32_t val);

int udrv__model_irq_enable(struct udrv_device *dev, enum udrv__irq_type type, const int *fds,
			   unsigned int count);
int udrv__model_irq_disable(struct udrv_device *dev, enum udrv__irq_type type);
int udrv__model_irq_unmask_intx(struct udrv_device *dev);

int udrv__model_iova_ranges(struct udrv_device *dev, struct udrv__iova_range *ranges,
			    unsigned int max);
int udrv__model_dma_map(struct udrv_device *dev, void *va, size_t len, udrv_iova_t iova,
			bool device_reads, bool device_writes);
void udrv__model_dma_explain(struct udrv_device *dev, size_t len, int err);
int udrv__model_dma_unmap(struct udrv_device *dev, udrv_iova_t iova, size_t len);
void udrv__model_unmap_all(struct udrv__model *m);

/* model_stub.c */
int udrv__model_stub_alloc(struct udrv_device *dev, size_t len, uint64_t mask,
			   struct udrv__dma_block *block);
int udrv__model_stub_pin(struct udrv_device *dev, uint64_t mask, bool device_reads,
			 bool device_writes, struct udrv__dma_block *block);
/* Either. */
int udrv__model_stub_free(struct udrv_device *dev, const struct udrv__dma_block *block);
bool udrv__model_stub_untranslated(struct udrv_device *dev);
void udrv__model_stub_end(struct udrv__model *m);

int udrv__model_reset(struct udrv_device *dev);

#endif

// SPDX-License-Identifier: MIT
/* Interrupts and events of a device behind udrv_stub, and the page in which it counts. */
#include <errno.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "backend/stub.h"

/* The beginning of what the hard handler leaves is what the runtime reads. */
_Static_assert(offsetof(struct udrv__irq_count, count) == offsetof(struct udrv_stub_vector, count),
	       "the count is where the module counts");
_Static_assert(offsetof(struct udrv__irq_count, stamp) == offsetof(struct udrv_stub_vector, stamp),
	       "the stamp is where the module stamps");
_Static_assert(sizeof(struct udrv__irq_count) <= sizeof(struct udrv_stub_vector) &&
		       sizeof(struct udrv_stub_vector) == 64,
	       "one cache line each");

static const uint32_t irq_types[UDRV__IRQ_TYPES] = {
	[UDRV__IRQ_INTX] = UDRV_STUB_INTX,
	[UDRV__IRQ_MSI] = UDRV_STUB_MSI,
	[UDRV__IRQ_MSIX] = UDRV_STUB_MSIX,
};

int udrv__stub_map_vectors(struct udrv__stub *stub)
{
	void *map;

	if (!stub->info.vectors_len)
		return 0;
	map = mmap(NULL, stub->info.vectors_len, PROT_READ, MAP_SHARED, stub->fd,
		   (off_t)UDRV_STUB_OFFSET(UDRV_STUB_REGION_VECTORS));
	if (map == MAP_FAILED)
		return -errno;
	stub->vectors = map;
	return 0;
}

void udrv__stub_unmap_vectors(struct udrv__stub *stub)
{
	if (stub->vectors)
		munmap((void *)(uintptr_t)stub->vectors, stub->info.vectors_len);
}

const struct udrv__irq_count *udrv__stub_irq_count(struct udrv_device *dev, unsigned int nr)
{
	const struct udrv__stub *stub = dev->backend;

	if (!stub->vectors || nr >= stub->info.vectors_len / sizeof(*stub->vectors))
		return NULL;
	return (const struct udrv__irq_count *)(const void *)&stub->vectors[nr];
}

static void say_busy(struct udrv_device *dev)
{
	struct udrv__stub *stub = dev->backend;

	if (!stub->busy_said)
		udrv_dev_err(dev, "another process has its interrupts; see 'udrv info %s'",
			     dev->name);
	stub->busy_said = true;
}

int udrv__stub_irq_enable(struct udrv_device *dev, enum udrv__irq_type type, const int *fds,
			  unsigned int count)
{
	struct udrv__stub *stub = dev->backend;
	struct udrv_stub_irqs irqs = {
		.abi = UDRV_STUB_ABI,
		.type = irq_types[type],
		.count = count,
		.fds = (uintptr_t)fds,
	};
	int ret = ioctl(stub->fd, UDRV_STUB_SET_IRQS, &irqs);

	if (ret < 0)
		ret = udrv__stub_failed(dev);
	if (ret == -EBUSY)
		say_busy(dev);
	else
		stub->busy_said = false;
	return ret;
}

int udrv__stub_irq_disable(struct udrv_device *dev, enum udrv__irq_type type)
{
	const struct udrv__stub *stub = dev->backend;
	struct udrv_stub_irqs irqs = {.abi = UDRV_STUB_ABI, .type = irq_types[type]};

	return ioctl(stub->fd, UDRV_STUB_SET_IRQS, &irqs) < 0 ? udrv__stub_failed(dev) : 0;
}

int udrv__stub_irq_unmask_intx(struct udrv_device *dev)
{
	const struct udrv__stub *stub = dev->backend;
	struct udrv_stub_mask mask = {.abi = UDRV_STUB_ABI};

	return ioctl(stub->fd, UDRV_STUB_MASK, &mask) ? udrv__stub_failed(dev) : 0;
}

int udrv__stub_event_enable(struct udrv_device *dev, enum udrv_device_event event, int fd)
{
	static const uint32_t events[UDRV_EVENT_COUNT] = {
		[UDRV_EVENT_REQUEST] = UDRV_STUB_EVENT_REQUEST,
		[UDRV_EVENT_ERROR] = UDRV_STUB_EVENT_ERROR,
	};
	const struct udrv__stub *stub = dev->backend;
	struct udrv_stub_event set = {.abi = UDRV_STUB_ABI, .event = events[event], .fd = fd};

	if (event == UDRV_EVENT_ERROR && !(stub->info.flags & UDRV_STUB_REPORTS_ERRORS))
		return -EOPNOTSUPP;
	return ioctl(stub->fd, UDRV_STUB_SET_EVENT, &set) ? udrv__stub_failed(dev) : 0;
}

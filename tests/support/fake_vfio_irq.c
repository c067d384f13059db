// SPDX-License-Identifier: MIT
/* VFIO_DEVICE_SET_IRQS with the checks of vfio_set_irqs_validate_and_prepare(), and raising. */
#include <endian.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <check.h>

#include "support/fake_vfio.h"
#include "support/fault.h"

#define ACTIONS                                                                                    \
	(uint32_t)(VFIO_IRQ_SET_ACTION_MASK | VFIO_IRQ_SET_ACTION_UNMASK |                         \
		   VFIO_IRQ_SET_ACTION_TRIGGER)
#define DATA (uint32_t)(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_DATA_EVENTFD)

static int check(const struct fake_device *dev, const struct vfio_irq_set *set)
{
	const uint32_t head = sizeof(*set);
	uint32_t data = set->flags & DATA;
	uint64_t unit = 0;

	if (set->argsz < head || set->index >= VFIO_PCI_NUM_IRQS ||
	    set->flags & ~(ACTIONS | DATA) || set->count >= UINT32_MAX - set->start)
		return -EINVAL;
	if (set->start >= dev->irqs[set->index] || set->start + set->count > dev->irqs[set->index])
		return -EINVAL;
	if (data != VFIO_IRQ_SET_DATA_NONE && data != VFIO_IRQ_SET_DATA_BOOL &&
	    data != VFIO_IRQ_SET_DATA_EVENTFD)
		return -EINVAL;
	if (data == VFIO_IRQ_SET_DATA_EVENTFD)
		unit = sizeof(int);
	else if (data == VFIO_IRQ_SET_DATA_BOOL)
		unit = 1;
	return set->argsz - head < set->count * unit ? -EINVAL : 0;
}

/* One of INTx, MSI and MSI-X at a time. */
static bool other_type_on(const struct fake_device *dev, uint32_t index)
{
	for (uint32_t i = VFIO_PCI_INTX_IRQ_INDEX; i <= VFIO_PCI_MSIX_IRQ_INDEX; i++)
		if (i != index && dev->enabled[i])
			return true;
	return false;
}

static int trigger(struct fake_device *dev, const struct vfio_irq_set *set)
{
	bool vectors = set->index <= VFIO_PCI_MSIX_IRQ_INDEX;

	if (set->flags & VFIO_IRQ_SET_DATA_NONE && !set->count) {
		dev->enabled[set->index] = 0;
		fake_vfio_note("irqs %u off", set->index);
		return 0;
	}
	if (!(set->flags & VFIO_IRQ_SET_DATA_EVENTFD) ||
	    (vectors && other_type_on(dev, set->index)))
		return -EINVAL;
	if (vectors && dev->vectors_left && set->count > dev->vectors_left)
		return dev->vectors_left_unsaid ? -ENOSPC : (int)dev->vectors_left;
	FAULT_MUST(set->count <= FAKE_VECTORS_MAX);
	memcpy(dev->eventfds[set->index], set->data, set->count * sizeof(int));
	dev->enabled[set->index] = set->count;
	fake_vfio_note("irqs %u on %u", set->index, set->count);
	return 0;
}

int fake_vfio_set_irqs(struct fake_device *dev, const struct vfio_irq_set *set)
{
	int ret = check(dev, set);

	if (ret)
		return ret;
	switch (set->flags & ACTIONS) {
	case VFIO_IRQ_SET_ACTION_TRIGGER:
		return trigger(dev, set);
	case VFIO_IRQ_SET_ACTION_UNMASK:
		if (set->index != VFIO_PCI_INTX_IRQ_INDEX || !dev->enabled[set->index])
			return -EINVAL;
		__atomic_add_fetch(&dev->unmasks, 1, __ATOMIC_SEQ_CST);
		return 0;
	default:
		return -EINVAL;
	}
}

void fake_vfio_raise(struct fake_device *dev, uint32_t index, uint32_t vector)
{
	ck_assert_uint_lt(vector, dev->enabled[index]);
	ck_assert_int_eq(eventfd_write(dev->eventfds[index][vector], 1), 0);
}

void fake_vfio_poke(const struct fake_device *dev, uint32_t region, uint64_t offset, uint64_t val,
		    unsigned int size)
{
	off_t at = (off_t)((uint64_t)region << FAKE_REGION_SHIFT | offset);

	val = htole64(val);
	/* lseek and write: pread and pwrite are what the code under test is watched by. */
	ck_assert_int_eq(lseek(dev->fd, at, SEEK_SET), at);
	ck_assert_int_eq(write(dev->fd, &val, size), size);
}

uint64_t fake_vfio_peek(const struct fake_device *dev, uint32_t region, uint64_t offset,
			unsigned int size)
{
	off_t at = (off_t)((uint64_t)region << FAKE_REGION_SHIFT | offset);
	uint64_t val = 0;

	ck_assert_int_eq(lseek(dev->fd, at, SEEK_SET), at);
	ck_assert_int_eq(read(dev->fd, &val, size), size);
	return le64toh(val);
}

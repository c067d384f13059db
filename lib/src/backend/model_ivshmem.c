// SPDX-License-Identifier: MIT
/*
 * QEMU's ivshmem-doorbell as software: docs/specs/ivshmem-spec of QEMU. A device that does
 * nothing but interrupt, by as many MSI-X vectors as anybody wants: its peer is itself, so that
 * ringing the doorbell of its own number interrupts. There is no shared memory.
 */
#include "backend/model.h"

/* "Device registers" */
#define REG_DOORBELL 0xc

#define REGS_SIZE     256
#define VECTORS	      64
#define MSIX_BAR      1
#define MSIX_BAR_SIZE 4096
#define OWN_ID	      0

static int create(struct udrv__model *model, void **state_out)
{
	*state_out = model;
	return 0;
}

static void destroy(void *state)
{
	(void)state;
}

/* Reset: it has nothing that a reset could change. */
static void reset(void *state)
{
	(void)state;
}

/* Its number is 0, and so is all else: the interrupt registers, and the table, which is VFIO's. */
static uint64_t read_register(void *state, unsigned int bar, uint64_t offset, unsigned int size)
{
	(void)state;
	(void)bar;
	(void)offset;
	(void)size;
	return OWN_ID;
}

static void write_register(void *state, unsigned int bar, uint64_t offset, unsigned int size,
			   uint64_t val)
{
	const uint64_t peer = val >> 16 & 0xffff;
	const uint64_t vector = val & 0xffff;

	(void)size;
	if (bar == 0 && offset == REG_DOORBELL && peer == OWN_ID && vector < VECTORS)
		udrv__model_irq_raise(state, (unsigned int)vector);
}

const struct udrv__model_type udrv__model_ivshmem = {
	.name = "ivshmem",
	.vendor = 0x1af4,
	.device = 0x1110,
	.subsystem_vendor = 0x1af4,
	.subsystem_device = 0x1100,
	.revision = 1,
	.class_code = 0x050000,
	.bars = {{REGS_SIZE, UDRV_RESOURCE_MEM}, {MSIX_BAR_SIZE, UDRV_RESOURCE_MEM}},
	.msix_vectors = VECTORS,
	.msix_bar = MSIX_BAR,
	.create = create,
	.destroy = destroy,
	.reset = reset,
	.read = read_register,
	.write = write_register,
};

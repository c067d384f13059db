// SPDX-License-Identifier: MIT
/* The software 82574's rings (7.1.8, 7.2): where descriptors are, and how many there are. */
#include "backend/model_e1000e_dev.h"

unsigned int e1000e_ring_size(struct e1000e *e, uint32_t ring)
{
	return *e1000e_reg(e, ring + RING_LEN) / DESC_LEN;
}

unsigned int e1000e_ring_left(struct e1000e *e, uint32_t ring)
{
	const unsigned int size = e1000e_ring_size(e, ring);
	const unsigned int head = *e1000e_reg(e, ring + RING_HEAD);
	const unsigned int tail = *e1000e_reg(e, ring + RING_TAIL);

	if (head >= size || tail >= size)
		return 0;
	return tail >= head ? tail - head : size - head + tail;
}

udrv_iova_t e1000e_ring_at(struct e1000e *e, uint32_t ring, unsigned int index)
{
	const uint64_t high = *e1000e_reg(e, ring + RING_BAH);

	return (high << 32 | *e1000e_reg(e, ring + RING_BAL)) + (udrv_iova_t)index * DESC_LEN;
}

void e1000e_ring_advance(struct e1000e *e, uint32_t ring)
{
	uint32_t *head = e1000e_reg(e, ring + RING_HEAD);

	*head = *head + 1 < e1000e_ring_size(e, ring) ? *head + 1 : 0;
}

bool *e1000e_ring_halted(struct e1000e *e, uint32_t ring)
{
	return &e->halted[(ring >= REG_TX_RING ? QUEUES : 0) + (ring >> 8 & 1)];
}

/* False: it cannot be read, and the ring stands still until it is set up anew. */
bool e1000e_ring_fetch(struct e1000e *e, uint32_t ring, uint32_t desc[4])
{
	const unsigned int head = *e1000e_reg(e, ring + RING_HEAD);

	if (udrv__model_dma_read(e->model, e1000e_ring_at(e, ring, head), desc, DESC_LEN))
		return true;
	*e1000e_ring_halted(e, ring) = true;
	return false;
}

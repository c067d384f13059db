/* SPDX-License-Identifier: MIT */
/* A device by VFIO, as a program does it that knows nothing but this one. */
#ifndef NVME_BENCH_VFIO_H
#define NVME_BENCH_VFIO_H

#include <stddef.h>
#include <stdint.h>

#define VFIO_IOVA 0x1000000ull

struct vfio {
	int container, group, device;
	volatile uint8_t *regs; /* BAR 0 */
	size_t regs_size;
	char *memory; /* zeroes, at VFIO_IOVA for the device */
	size_t memory_size;
	int efd; /* of vector 1, or -1 */
};

void vfio_open(struct vfio *v, const char *name, size_t memory_size);
void vfio_use_interrupt(struct vfio *v);
void vfio_close(struct vfio *v);

#endif

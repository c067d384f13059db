// SPDX-License-Identifier: MIT
/*
 * Boot partitions of the software NVMe controller (8.13): read through registers, by the
 * controller's thread and whether the controller is enabled or not; written as a firmware is.
 */
#include <stdlib.h>
#include <string.h>

#include "backend/model_nvme_dev.h"

#define PAGE	    4096u
#define UNIT	    (128u << 10) /* of BPSZ */
#define KEPT	    UDRV__MODEL_NVME_BOOT_BYTES
#define BPID(word)  ((word) >> 31)
#define BPROF(word) ((uint64_t)((word) >> 10 & 0xfffff) * PAGE)
#define BPRSZ(word) ((uint64_t)((word)&0x3ff) * PAGE)

/* 3.1.13 BRS */
enum { NONE, READING, DONE, FAILED };

int udrv__nvme_boot_init(struct udrv__nvme *n)
{
	n->boot.bytes = calloc(2, KEPT);
	return n->boot.bytes ? 0 : -1;
}

void udrv__nvme_boot_end(struct udrv__nvme *n)
{
	free(n->boot.bytes);
}

void udrv__nvme_boot_reset(struct udrv__nvme *n, bool function)
{
	if (n->boot.status == READING && n->switches.boot_read_outlives && !function)
		return;
	n->boot.status = NONE;
	n->boot.select = 0;
	n->boot.buffer = 0;
}

uint32_t udrv__nvme_boot_register(const struct udrv__nvme *n, uint64_t offset)
{
	if (!n->config.boot_units)
		return 0;
	switch (offset) {
	case NVME_REG_BPINFO:
		return (uint32_t)n->boot.active << 31 | (uint32_t)n->boot.status << 24 |
		       (n->switches.boot_no_size ? 0 : n->config.boot_units);
	case NVME_REG_BPRSEL:
		return n->boot.select;
	case NVME_REG_BPMBL:
		return (uint32_t)n->boot.buffer;
	default:
		return (uint32_t)(n->boot.buffer >> 32);
	}
}

/* 8.13.1: while one is read, both registers are left alone. */
void udrv__nvme_boot_write(struct udrv__nvme *n, uint64_t offset, uint32_t val)
{
	struct udrv__nvme_boot *b = &n->boot;

	if (!n->config.boot_units || b->status == READING)
		return;
	if (offset == NVME_REG_BPMBL) {
		b->buffer = (b->buffer & ~(uint64_t)UINT32_MAX) | (val & ~(PAGE - 1));
	} else if (offset == NVME_REG_BPMBL + 4) {
		b->buffer = (b->buffer & UINT32_MAX) | (uint64_t)val << 32;
	} else {
		b->select = val;
		b->status = READING;
		if (n->config.direct)
			udrv__nvme_boot_read(n);
	}
}

void udrv__nvme_boot_read(struct udrv__nvme *n)
{
	struct udrv__nvme_boot *b = &n->boot;
	const uint64_t at = BPROF(b->select), len = BPRSZ(b->select);
	const unsigned char *from = b->bytes + (size_t)BPID(b->select) * KEPT + at;
	bool good;

	if (b->status != READING || n->switches.boot_read_hangs || n->switches.boot_read_outlives)
		return;
	good = !n->switches.boot_read_fails && at + len <= (uint64_t)n->config.boot_units * UNIT &&
	       at + len <= KEPT && udrv__model_dma_write(n->model, b->buffer, from, len);
	b->status = good ? DONE : FAILED;
}

uint16_t udrv__nvme_boot_replace(struct udrv__nvme *n, unsigned int id, const void *image,
				 uint32_t len)
{
	unsigned char *to = n->boot.bytes + (size_t)id * KEPT;

	if (n->switches.boot_locked)
		return NVME_SC_BOOT_PROHIBITED | NVME_ST_DNR;
	if (!len || len > KEPT || len > n->config.boot_units * UNIT)
		return NVME_SC_FIRMWARE_IMAGE | NVME_ST_DNR;
	memset(to, 0xff, KEPT);
	memcpy(to, image, len);
	return NVME_SC_SUCCESS;
}

uint16_t udrv__nvme_boot_activate(struct udrv__nvme *n, unsigned int id)
{
	if (n->switches.boot_locked)
		return NVME_SC_BOOT_PROHIBITED | NVME_ST_DNR;
	n->boot.active = (uint8_t)id;
	return NVME_SC_SUCCESS;
}

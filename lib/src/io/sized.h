/* SPDX-License-Identifier: MIT */
/* Accesses to mapped registers whose size is known at run time only: 1, 2, 4 or 8 bytes. */
#ifndef UDRV_IO_SIZED_H
#define UDRV_IO_SIZED_H

#include <stdint.h>

#include <udrv/io.h>

static inline uint64_t udrv__load(const void *p, unsigned int size)
{
	switch (size) {
	case 1:
		return udrv_raw_readb(p);
	case 2:
		return udrv_raw_readw(p);
	case 4:
		return udrv_raw_readl(p);
	default:
		return udrv_raw_readq(p);
	}
}

static inline void udrv__store(void *p, unsigned int size, uint64_t val)
{
	switch (size) {
	case 1:
		udrv_raw_writeb((uint8_t)val, p);
		break;
	case 2:
		udrv_raw_writew((uint16_t)val, p);
		break;
	case 4:
		udrv_raw_writel((uint32_t)val, p);
		break;
	default:
		udrv_raw_writeq(val, p);
	}
}

#endif

// SPDX-License-Identifier: MIT
/* Many accesses by one call: string forms through a window, and copies of any length. */
#include <string.h>

#include <udrv/io.h>

static uint64_t direct_read(const volatile void __udrv_iomem *addr, size_t size)
{
	switch (size) {
	case 8:
		return UDRV__LE64(udrv__mmio_read64(addr));
	case 4:
		return UDRV__LE32(udrv__mmio_read32(addr));
	case 2:
		return UDRV__LE16(udrv__mmio_read16(addr));
	default:
		return udrv__mmio_read8(addr);
	}
}

static void direct_write(volatile void __udrv_iomem *addr, size_t size, uint64_t value)
{
	switch (size) {
	case 8:
		udrv__mmio_write64(UDRV__LE64(value), addr);
		break;
	case 4:
		udrv__mmio_write32(UDRV__LE32((uint32_t)value), addr);
		break;
	case 2:
		udrv__mmio_write16((uint16_t)UDRV__LE16((uint16_t)value), addr);
		break;
	default:
		udrv__mmio_write8((uint8_t)value, addr);
	}
}

/* Values keep a register's bytes in rising order from bit 0, whatever the CPU's order is. */
static uint64_t load_bytes(const void *from, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, from, size);
	return UDRV__LE64(value);
}

static void store_bytes(void *to, size_t size, uint64_t value)
{
	value = UDRV__LE64(value);
	memcpy(to, &value, size);
}

void udrv__io_read_rep(const volatile void __udrv_iomem *addr, unsigned int size, void *buf,
		       unsigned long count)
{
	unsigned char *to = buf;

	for (; count; count--, to += size)
		store_bytes(to, size, udrv__io_read(addr, size));
}

void udrv__io_write_rep(volatile void __udrv_iomem *addr, unsigned int size, const void *buf,
			unsigned long count)
{
	const unsigned char *from = buf;

	for (; count; count--, from += size)
		udrv__io_write(addr, size, load_bytes(from, size));
}

/* The widest access that addr and the bytes left allow. */
static size_t step(const volatile void __udrv_iomem *addr, size_t left)
{
	uintptr_t at = (uintptr_t)addr;

	if (udrv__io_is_cookie(addr))
		return at % 4 == 0 && left >= 4 ? 4 : 1;
	for (size_t size = 8; size > 1; size /= 2)
		if (at % size == 0 && left >= size)
			return size;
	return 1;
}

static const volatile void __udrv_iomem *advance(const volatile void __udrv_iomem *addr, size_t n)
{
	return (const volatile char __udrv_iomem *)addr + n;
}

void udrv_memcpy_fromio(void *to, const volatile void __udrv_iomem *from, size_t count)
{
	unsigned char *dst = to;

	while (count) {
		size_t n = step(from, count);

		store_bytes(dst, n,
			    udrv__io_is_cookie(from) ? udrv__io_read(from, (unsigned int)n)
						     : direct_read(from, n));
		dst += n;
		from = advance(from, n);
		count -= n;
	}
}

static void put(volatile void __udrv_iomem *addr, size_t size, uint64_t value)
{
	if (udrv__io_is_cookie(addr))
		udrv__io_write(addr, (unsigned int)size, value);
	else
		direct_write(addr, size, value);
}

void udrv_memcpy_toio(volatile void __udrv_iomem *to, const void *from, size_t count)
{
	volatile char __udrv_iomem *dst = to;
	const unsigned char *src = from;

	while (count) {
		size_t n = step(dst, count);

		put(dst, n, load_bytes(src, n));
		dst += n;
		src += n;
		count -= n;
	}
}

void udrv_memset_io(volatile void __udrv_iomem *addr, int value, size_t count)
{
	volatile char __udrv_iomem *dst = addr;
	uint64_t pattern = UINT64_C(0x0101010101010101) * (uint8_t)value;

	while (count) {
		size_t n = step(dst, count);

		put(dst, n, pattern);
		dst += n;
		count -= n;
	}
}

/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Register access, with the kernel's names and argument order behind the prefix.
 * Source: Linux Documentation/driver-api/device-io.rst, include/asm-generic/io.h and iomap.h.
 *
 * A register pointer (void __udrv_iomem *, from udrv_pci_iomap()) is one of two things:
 *
 * - a mapping of the device: an access is one load or store;
 * - a cookie, for registers that no load or store reaches (ports of an I/O BAR, parts of a BAR
 *   that cannot be mapped, software models): an access calls the backend.
 *
 * Every form takes both and pointer arithmetic works on both, but for udrv_raw_*(), which
 * are a plain load or store and want a mapping (udrv_bar_direct()). Telling a cookie costs one
 * sign test: cookies lie in the upper half of the address space, where no user mapping is.
 *
 * What the forms promise (x = b w l q for 8 16 32 64 bits):
 *
 *   form                    byte order     ordered against DMA memory
 *   readx writex            little endian  yes
 *   ioreadN iowriteN        little endian  yes
 *   inx outx                little endian  yes
 *   ioreadNbe iowriteNbe    big endian     yes
 *   readx_relaxed writex_.. little endian  no
 *   _rep, readsx, insx ...  as in memory   no
 *   memcpy_*io, memset_io   as in memory   no
 *   raw_readx raw_writex    the CPU's      no
 *
 * "Ordered" is what the kernel's readl() and writel() promise: a read has completed before any
 * later load from memory (so data that a device wrote before setting its status is seen), and a
 * write is sent after every earlier store to memory (so a device that is told of a descriptor
 * finds it). x86-64 does so by itself and only the compiler is held back; aarch64 has a
 * `dmb oshld` after a read and a `dmb oshst` before a write; riscv64 `fence i,ir` and `fence w,o`.
 * It presumes a mapping that is not write-combining: there see <udrv/barrier.h>. Accesses by one
 * thread to one device stay in order among each other in every form. Where several threads
 * write registers under a lock, see udrv_mmiowb().
 *
 * A read that cannot be done (beyond a cookie's window, window removed, backend failed) returns
 * all ones, and such a write is dropped, as on a PCI bus with no device behind it.
 * Any thread may call; none of the forms fails otherwise or changes errno.
 */
#ifndef UDRV_IO_H
#define UDRV_IO_H

#include <stddef.h>
#include <stdint.h>

#include <udrv/barrier.h>
#include <udrv/compiler.h>

#if UINTPTR_MAX != UINT64_MAX
#error "udrv needs 64-bit pointers: register cookies live in the upper half of the address space"
#endif

UDRV_BEGIN_DECLS

/* The way of the cookies: out of line, in lib/src/io/. size is 1, 2, 4 or 8. */
UDRV_API __attribute__((cold)) uint64_t udrv__io_read(const volatile void __udrv_iomem *addr,
						      unsigned int size);
UDRV_API __attribute__((cold)) void udrv__io_write(volatile void __udrv_iomem *addr,
						   unsigned int size, uint64_t value);
UDRV_API __attribute__((cold)) void udrv__io_read_rep(const volatile void __udrv_iomem *addr,
						      unsigned int size, void *buf,
						      unsigned long count);
UDRV_API __attribute__((cold)) void udrv__io_write_rep(volatile void __udrv_iomem *addr,
						       unsigned int size, const void *buf,
						       unsigned long count);

static inline int udrv__io_is_cookie(const volatile void __udrv_iomem *addr)
{
	return __builtin_expect((intptr_t)addr < 0, 0) != 0;
}

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define UDRV__LE8(v)  (v)
#define UDRV__LE16(v) (v)
#define UDRV__LE32(v) (v)
#define UDRV__LE64(v) (v)
#else
#define UDRV__LE8(v)  (v)
#define UDRV__LE16(v) __builtin_bswap16(v)
#define UDRV__LE32(v) __builtin_bswap32(v)
#define UDRV__LE64(v) __builtin_bswap64(v)
#endif

/*
 * Registers have no declared type: like the kernel's code, a driver may look at the same bytes
 * through several widths.
 */
typedef uint8_t __attribute__((may_alias)) udrv__reg8;
typedef uint16_t __attribute__((may_alias)) udrv__reg16;
typedef uint32_t __attribute__((may_alias)) udrv__reg32;
typedef uint64_t __attribute__((may_alias)) udrv__reg64;

/**
 * udrv_raw_read{b,w,l,q}() - one volatile load, nothing else
 * @addr: a mapping, not a cookie (udrv_bar_direct()); aligned to the access
 *
 * No barrier. Return: the value in the register's byte order. Source: __raw_readl().
 */
/**
 * udrv_raw_write{b,w,l,q}() - one volatile store, nothing else
 * @value: in the register's byte order
 * @addr: a mapping, not a cookie (udrv_bar_direct()); aligned to the access
 *
 * No barrier. Source: __raw_writel().
 */
#define UDRV__RAW_READ(name, type, bits)                                                           \
	static inline type name(const volatile void __udrv_iomem *addr)                            \
	{                                                                                          \
		return *(const volatile udrv__reg##bits *)(uintptr_t)addr;                         \
	}
#define UDRV__RAW_WRITE(name, type, bits)                                                          \
	static inline void name(type value, volatile void __udrv_iomem *addr)                      \
	{                                                                                          \
		*(volatile udrv__reg##bits *)(uintptr_t)addr = value;                              \
	}

UDRV__RAW_READ(udrv_raw_readb, uint8_t, 8)
UDRV__RAW_READ(udrv_raw_readw, uint16_t, 16)
UDRV__RAW_READ(udrv_raw_readl, uint32_t, 32)
UDRV__RAW_READ(udrv_raw_readq, uint64_t, 64)
UDRV__RAW_WRITE(udrv_raw_writeb, uint8_t, 8)
UDRV__RAW_WRITE(udrv_raw_writew, uint16_t, 16)
UDRV__RAW_WRITE(udrv_raw_writel, uint32_t, 32)
UDRV__RAW_WRITE(udrv_raw_writeq, uint64_t, 64)

/*
 * The access proper of the forms below, to a mapping. In an aarch64 guest the hypervisor can
 * emulate a register access only if the instruction does not also change its address register,
 * which a compiler may choose for a volatile access in a loop: hence assembly there.
 */
#ifdef __aarch64__
#define UDRV__MMIO_READ(name, type, bits, raw, insn)                                               \
	static inline type name(const volatile void __udrv_iomem *addr)                            \
	{                                                                                          \
		type value;                                                                        \
		__asm__ __volatile__(insn ", %1"                                                   \
				     : "=r"(value)                                                 \
				     : "Qo"(*(const volatile udrv__reg##bits *)(uintptr_t)addr));  \
		return value;                                                                      \
	}
#define UDRV__MMIO_WRITE(name, type, bits, raw, insn)                                              \
	static inline void name(type value, volatile void __udrv_iomem *addr)                      \
	{                                                                                          \
		__asm__ __volatile__(insn ", %0"                                                   \
				     : "=Qo"(*(volatile udrv__reg##bits *)(uintptr_t)addr)         \
				     : "rZ"(value));                                               \
	}
#else
#define UDRV__MMIO_READ(name, type, bits, raw, insn)                                               \
	static inline type name(const volatile void __udrv_iomem *addr)                            \
	{                                                                                          \
		return raw(addr);                                                                  \
	}
#define UDRV__MMIO_WRITE(name, type, bits, raw, insn)                                              \
	static inline void name(type value, volatile void __udrv_iomem *addr)                      \
	{                                                                                          \
		raw(value, addr);                                                                  \
	}
#endif

UDRV__MMIO_READ(udrv__mmio_read8, uint8_t, 8, udrv_raw_readb, "ldrb %w0")
UDRV__MMIO_READ(udrv__mmio_read16, uint16_t, 16, udrv_raw_readw, "ldrh %w0")
UDRV__MMIO_READ(udrv__mmio_read32, uint32_t, 32, udrv_raw_readl, "ldr %w0")
UDRV__MMIO_READ(udrv__mmio_read64, uint64_t, 64, udrv_raw_readq, "ldr %x0")
UDRV__MMIO_WRITE(udrv__mmio_write8, uint8_t, 8, udrv_raw_writeb, "strb %w1")
UDRV__MMIO_WRITE(udrv__mmio_write16, uint16_t, 16, udrv_raw_writew, "strh %w1")
UDRV__MMIO_WRITE(udrv__mmio_write32, uint32_t, 32, udrv_raw_writel, "str %w1")
UDRV__MMIO_WRITE(udrv__mmio_write64, uint64_t, 64, udrv_raw_writeq, "str %x1")

/* What stands after an ordered read, and before an ordered write. */
static inline void udrv__mmio_after_read(uint64_t value)
{
#if defined(__aarch64__)
	uint64_t zero;

	/* A branch that depends on the value: a later delay loop starts when it has arrived. */
	__asm__ __volatile__("dmb oshld\n\teor %0, %1, %1\n\tcbnz %0, ."
			     : "=r"(zero)
			     : "r"(value)
			     : "memory");
#elif defined(__riscv)
	__asm__ __volatile__("fence i, ir" : : : "memory");
	(void)value;
#else
	udrv_barrier();
	(void)value;
#endif
}

static inline void udrv__mmio_before_write(void)
{
#if defined(__aarch64__)
	udrv_dma_wmb();
#elif defined(__riscv)
	__asm__ __volatile__("fence w, o" : : : "memory");
#else
	udrv_barrier();
#endif
}

/**
 * udrv_read{b,w,l,q}(), udrv_ioread{8,16,32,64}() - read a little-endian register, ordered
 * @addr: mapping or cookie; a mapping must be aligned to the access
 *
 * Comes before every later load from memory. Return: the value in the CPU's byte order; all ones
 * when it cannot be read. Source: readl(), ioread32().
 */
/**
 * udrv_write{b,w,l,q}(), udrv_iowrite{8,16,32,64}() - write a little-endian register, ordered
 * @value: in the CPU's byte order
 * @addr: mapping or cookie; a mapping must be aligned to the access
 *
 * Comes after every earlier store to memory. Source: writel(), iowrite32().
 */
#define UDRV__READ(name, type, bits)                                                               \
	static inline type name(const volatile void __udrv_iomem *addr)                            \
	{                                                                                          \
		type value;                                                                        \
		if (udrv__io_is_cookie(addr))                                                      \
			return (type)udrv__io_read(addr, sizeof(type));                            \
		udrv_barrier();                                                                    \
		value = (type)UDRV__LE##bits(udrv__mmio_read##bits(addr));                         \
		udrv__mmio_after_read(value);                                                      \
		return value;                                                                      \
	}
#define UDRV__WRITE(name, type, bits)                                                              \
	static inline void name(type value, volatile void __udrv_iomem *addr)                      \
	{                                                                                          \
		if (udrv__io_is_cookie(addr)) {                                                    \
			udrv__io_write(addr, sizeof(type), value);                                 \
			return;                                                                    \
		}                                                                                  \
		udrv__mmio_before_write();                                                         \
		udrv__mmio_write##bits((type)UDRV__LE##bits(value), addr);                         \
		udrv_barrier();                                                                    \
	}

UDRV__READ(udrv_readb, uint8_t, 8)
UDRV__READ(udrv_readw, uint16_t, 16)
UDRV__READ(udrv_readl, uint32_t, 32)
UDRV__READ(udrv_readq, uint64_t, 64)
UDRV__WRITE(udrv_writeb, uint8_t, 8)
UDRV__WRITE(udrv_writew, uint16_t, 16)
UDRV__WRITE(udrv_writel, uint32_t, 32)
UDRV__WRITE(udrv_writeq, uint64_t, 64)

UDRV__READ(udrv_ioread8, uint8_t, 8)
UDRV__READ(udrv_ioread16, uint16_t, 16)
UDRV__READ(udrv_ioread32, uint32_t, 32)
UDRV__READ(udrv_ioread64, uint64_t, 64)
UDRV__WRITE(udrv_iowrite8, uint8_t, 8)
UDRV__WRITE(udrv_iowrite16, uint16_t, 16)
UDRV__WRITE(udrv_iowrite32, uint32_t, 32)
UDRV__WRITE(udrv_iowrite64, uint64_t, 64)

/**
 * udrv_read{b,w,l,q}_relaxed() - read a little-endian register, not ordered with memory
 * @addr: mapping or cookie; a mapping must be aligned to the access
 *
 * In order with other accesses to the same device. Return: the value in the CPU's byte order; all
 * ones when it cannot be read. Source: readl_relaxed().
 */
/**
 * udrv_write{b,w,l,q}_relaxed() - write a little-endian register, not ordered with memory
 * @value: in the CPU's byte order
 * @addr: mapping or cookie; a mapping must be aligned to the access
 *
 * In order with other accesses to the same device. Source: writel_relaxed().
 */
#define UDRV__READ_RELAXED(name, type, bits)                                                       \
	static inline type name(const volatile void __udrv_iomem *addr)                            \
	{                                                                                          \
		if (udrv__io_is_cookie(addr))                                                      \
			return (type)udrv__io_read(addr, sizeof(type));                            \
		return (type)UDRV__LE##bits(udrv__mmio_read##bits(addr));                          \
	}
#define UDRV__WRITE_RELAXED(name, type, bits)                                                      \
	static inline void name(type value, volatile void __udrv_iomem *addr)                      \
	{                                                                                          \
		if (udrv__io_is_cookie(addr))                                                      \
			udrv__io_write(addr, sizeof(type), value);                                 \
		else                                                                               \
			udrv__mmio_write##bits((type)UDRV__LE##bits(value), addr);                 \
	}

UDRV__READ_RELAXED(udrv_readb_relaxed, uint8_t, 8)
UDRV__READ_RELAXED(udrv_readw_relaxed, uint16_t, 16)
UDRV__READ_RELAXED(udrv_readl_relaxed, uint32_t, 32)
UDRV__READ_RELAXED(udrv_readq_relaxed, uint64_t, 64)
UDRV__WRITE_RELAXED(udrv_writeb_relaxed, uint8_t, 8)
UDRV__WRITE_RELAXED(udrv_writew_relaxed, uint16_t, 16)
UDRV__WRITE_RELAXED(udrv_writel_relaxed, uint32_t, 32)
UDRV__WRITE_RELAXED(udrv_writeq_relaxed, uint64_t, 64)

/**
 * udrv_ioread{16,32,64}be() - read a big-endian register, ordered
 * @addr: mapping or cookie; a mapping must be aligned to the access
 *
 * Return: as udrv_ioread32(). Source: ioread32be().
 */
/**
 * udrv_iowrite{16,32,64}be() - write a big-endian register, ordered
 * @value: in the CPU's byte order
 * @addr: mapping or cookie; a mapping must be aligned to the access
 *
 * Ordered as udrv_iowrite32(). Source: iowrite32be().
 */
#define UDRV__READ_BE(name, type, bits)                                                            \
	static inline type name(const volatile void __udrv_iomem *addr)                            \
	{                                                                                          \
		return __builtin_bswap##bits(udrv_ioread##bits(addr));                             \
	}
#define UDRV__WRITE_BE(name, type, bits)                                                           \
	static inline void name(type value, volatile void __udrv_iomem *addr)                      \
	{                                                                                          \
		udrv_iowrite##bits(__builtin_bswap##bits(value), addr);                            \
	}

UDRV__READ_BE(udrv_ioread16be, uint16_t, 16)
UDRV__READ_BE(udrv_ioread32be, uint32_t, 32)
UDRV__READ_BE(udrv_ioread64be, uint64_t, 64)
UDRV__WRITE_BE(udrv_iowrite16be, uint16_t, 16)
UDRV__WRITE_BE(udrv_iowrite32be, uint32_t, 32)
UDRV__WRITE_BE(udrv_iowrite64be, uint64_t, 64)

/**
 * udrv_ioread{8,16,32,64}_rep(), udrv_reads{b,w,l,q}() - read one register (a FIFO) many times
 * @addr: mapping or cookie of the one register
 * @buf: the caller's, @count times the register's size, any alignment; bytes keep their order
 * @count: accesses, not bytes
 *
 * Not ordered against DMA memory. Source: ioread32_rep(), readsl().
 */
/**
 * udrv_iowrite{8,16,32,64}_rep(), udrv_writes{b,w,l,q}() - write one register (a FIFO) many times
 * @addr: mapping or cookie of the one register
 * @buf: the caller's, @count times the register's size, any alignment; bytes keep their order
 * @count: accesses, not bytes
 *
 * Not ordered against DMA memory. Source: iowrite32_rep(), writesl().
 */
#define UDRV__READ_REP(name, type, bits)                                                           \
	static inline void name(const volatile void __udrv_iomem *addr, void *buf,                 \
				unsigned long count)                                               \
	{                                                                                          \
		unsigned char *to = (unsigned char *)buf;                                          \
		if (udrv__io_is_cookie(addr)) {                                                    \
			udrv__io_read_rep(addr, sizeof(type), buf, count);                         \
			return;                                                                    \
		}                                                                                  \
		for (; count; count--, to += sizeof(type)) {                                       \
			type value = udrv__mmio_read##bits(addr);                                  \
			__builtin_memcpy(to, &value, sizeof(type));                                \
		}                                                                                  \
	}
#define UDRV__WRITE_REP(name, type, bits)                                                          \
	static inline void name(volatile void __udrv_iomem *addr, const void *buf,                 \
				unsigned long count)                                               \
	{                                                                                          \
		const unsigned char *from = (const unsigned char *)buf;                            \
		if (udrv__io_is_cookie(addr)) {                                                    \
			udrv__io_write_rep(addr, sizeof(type), buf, count);                        \
			return;                                                                    \
		}                                                                                  \
		for (; count; count--, from += sizeof(type)) {                                     \
			type value;                                                                \
			__builtin_memcpy(&value, from, sizeof(type));                              \
			udrv__mmio_write##bits(value, addr);                                       \
		}                                                                                  \
	}

UDRV__READ_REP(udrv_ioread8_rep, uint8_t, 8)
UDRV__READ_REP(udrv_ioread16_rep, uint16_t, 16)
UDRV__READ_REP(udrv_ioread32_rep, uint32_t, 32)
UDRV__READ_REP(udrv_ioread64_rep, uint64_t, 64)
UDRV__WRITE_REP(udrv_iowrite8_rep, uint8_t, 8)
UDRV__WRITE_REP(udrv_iowrite16_rep, uint16_t, 16)
UDRV__WRITE_REP(udrv_iowrite32_rep, uint32_t, 32)
UDRV__WRITE_REP(udrv_iowrite64_rep, uint64_t, 64)

UDRV__READ_REP(udrv_readsb, uint8_t, 8)
UDRV__READ_REP(udrv_readsw, uint16_t, 16)
UDRV__READ_REP(udrv_readsl, uint32_t, 32)
UDRV__READ_REP(udrv_readsq, uint64_t, 64)
UDRV__WRITE_REP(udrv_writesb, uint8_t, 8)
UDRV__WRITE_REP(udrv_writesw, uint16_t, 16)
UDRV__WRITE_REP(udrv_writesl, uint32_t, 32)
UDRV__WRITE_REP(udrv_writesq, uint64_t, 64)

/**
 * udrv_memcpy_fromio() - copy from a device's memory
 * @to: plain memory, any alignment
 * @from: mapping or cookie, any alignment
 * @count: bytes
 *
 * On a mapping each access is the widest of 8, 4, 2, 1 bytes that the register side's alignment
 * and the rest of @count allow; on a cookie 4 bytes or 1. Each byte is read once, in rising
 * order. Not for registers that want one width, and not ordered against DMA memory.
 * Source: memcpy_fromio().
 */
UDRV_API void udrv_memcpy_fromio(void *to, const volatile void __udrv_iomem *from, size_t count);

/**
 * udrv_memcpy_toio() - copy to a device's memory
 * @to: mapping or cookie, any alignment
 * @from: plain memory, any alignment
 * @count: bytes
 *
 * Widths and order as in udrv_memcpy_fromio(). Source: memcpy_toio().
 */
UDRV_API void udrv_memcpy_toio(volatile void __udrv_iomem *to, const void *from, size_t count);

/**
 * udrv_memset_io() - fill a device's memory
 * @addr: mapping or cookie, any alignment
 * @value: the byte
 * @count: bytes
 *
 * Widths and order as in udrv_memcpy_fromio(). Source: memset_io().
 */
UDRV_API void udrv_memset_io(volatile void __udrv_iomem *addr, int value, size_t count);

/**
 * typedef udrv_port_t - an I/O port, for udrv_inb() and its family
 *
 * User space reaches a device's ports through its I/O BAR only, so a port is what
 * udrv_pci_iomap() returned for that BAR, as a number (udrv_iomem_port()). Adding a register's
 * offset gives its port, as in kernel code: udrv_inb(base + UART_LSR).
 * It is not the machine's port number, and no privilege (ioperm) is involved.
 */
typedef unsigned long udrv_port_t;

/**
 * udrv_iomem_port() - the port number that stands for a register
 * @addr: what udrv_pci_iomap() returned for an I/O BAR, or inside it
 */
static inline udrv_port_t udrv_iomem_port(const volatile void __udrv_iomem *addr)
{
	return (udrv_port_t)(uintptr_t)addr;
}

/**
 * udrv_ioport_map() - the register pointer that stands for a port
 * @port: from udrv_iomem_port(), or that plus an offset
 * @nr: ports that the caller will use (unused: the BAR's window is what is checked)
 *
 * Return: a pointer for udrv_ioread8() and its family; nothing to free.
 * Source: ioport_map().
 */
static inline void __udrv_iomem *udrv_ioport_map(udrv_port_t port, unsigned int nr)
{
	(void)nr;
	return (void __udrv_iomem *)(uintptr_t)port;
}

/** udrv_in{b,w,l}() - read a port, ordered as udrv_ioread32(). Return: the value. Source: inb(). */
/** udrv_out{b,w,l}() - write @value to a port, ordered as udrv_iowrite32(). Source: outb(). */
/**
 * udrv_ins{b,w,l}() - read one port many times
 * @port: the port
 * @buf: the caller's, as for udrv_ioread32_rep()
 * @count: accesses, not bytes
 *
 * Source: insb().
 */
/**
 * udrv_outs{b,w,l}() - write one port many times
 * @port: the port
 * @buf: the caller's, as for udrv_iowrite32_rep()
 * @count: accesses, not bytes
 *
 * Source: outsb().
 */
#define UDRV__PORT(x, type, bits)                                                                  \
	static inline type udrv_in##x(udrv_port_t port)                                            \
	{                                                                                          \
		return udrv_ioread##bits(udrv_ioport_map(port, sizeof(type)));                     \
	}                                                                                          \
	static inline void udrv_out##x(type value, udrv_port_t port)                               \
	{                                                                                          \
		udrv_iowrite##bits(value, udrv_ioport_map(port, sizeof(type)));                    \
	}                                                                                          \
	static inline void udrv_ins##x(udrv_port_t port, void *buf, unsigned long count)           \
	{                                                                                          \
		udrv_ioread##bits##_rep(udrv_ioport_map(port, sizeof(type)), buf, count);          \
	}                                                                                          \
	static inline void udrv_outs##x(udrv_port_t port, const void *buf, unsigned long count)    \
	{                                                                                          \
		udrv_iowrite##bits##_rep(udrv_ioport_map(port, sizeof(type)), buf, count);         \
	}

UDRV__PORT(b, uint8_t, 8)
UDRV__PORT(w, uint16_t, 16)
UDRV__PORT(l, uint32_t, 32)

#undef UDRV__RAW_READ
#undef UDRV__RAW_WRITE
#undef UDRV__MMIO_READ
#undef UDRV__MMIO_WRITE
#undef UDRV__READ
#undef UDRV__WRITE
#undef UDRV__READ_RELAXED
#undef UDRV__WRITE_RELAXED
#undef UDRV__READ_BE
#undef UDRV__WRITE_BE
#undef UDRV__READ_REP
#undef UDRV__WRITE_REP
#undef UDRV__PORT

UDRV_END_DECLS

#endif

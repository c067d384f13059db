/* SPDX-License-Identifier: MIT */
/**
 * @file
 * The CPU's free-running counter.
 */
#ifndef UDRV_CYCLES_H
#define UDRV_CYCLES_H

#include <stdint.h>

#include <udrv/compiler.h>

UDRV_BEGIN_DECLS

/** typedef udrv_cycles_t - a reading of the counter; its rate is the machine's own. */
typedef uint64_t udrv_cycles_t;

/**
 * udrv_get_cycles() - read the counter
 *
 * For differences on one machine. Not a barrier: the CPU may read the counter a little earlier
 * or later than the surrounding accesses. x86-64: the time-stamp counter; aarch64: the virtual
 * counter (CNTVCT_EL0, which steps far slower than the CPU's clock); riscv64: the time CSR
 * (likewise). Any thread. Source: get_cycles().
 */
static inline udrv_cycles_t udrv_get_cycles(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t count;

	__asm__ __volatile__("mrs %0, cntvct_el0" : "=r"(count));
	return count;
#elif defined(__riscv) && __riscv_xlen == 64
	uint64_t count;

	__asm__ __volatile__("rdtime %0" : "=r"(count));
	return count;
#else
#error "udrv has no cycle counter for this machine: it knows x86-64, aarch64 and riscv64"
#endif
}

UDRV_END_DECLS

#endif

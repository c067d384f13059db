/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Time stamps: the CPU's counter, read as kernel/udrv_irqbench.c reads it. */
#ifndef UDRV_BENCH_CLOCK_H
#define UDRV_BENCH_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

enum bench_clock {
	BENCH_CLOCK_REALTIME,
	BENCH_CLOCK_ICOUNT, /* QEMU -icount shift=0: 1 tick = 1 instruction, called 1 ns */
};

/* A read barrier, then the counter: the same instructions as the module's stamp(). */
static inline uint64_t bench_stamp(void)
{
#if defined(__x86_64__)
	uint32_t low, high;

	__asm__ volatile("lfence\n\trdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
#elif defined(__aarch64__)
	uint64_t ticks;

	__asm__ volatile("dsb ld\n\tisb\n\tmrs %0, cntvct_el0" : "=r"(ticks) : : "memory");
	return ticks;
#elif defined(__riscv)
	uint64_t ticks;

	__asm__ volatile("fence ir, ir\n\trdtime %0" : "=r"(ticks) : : "memory");
	return ticks;
#else
#error "which counter does get_cycles() read here?"
#endif
}

/* "icount", "realtime", or NULL. */
const char *bench_clock_name(enum bench_clock clock);

/* "auto" asks the lab ($UDRV_LAB_CLOCK). 0, or -EINVAL. */
int bench_clock_parse(const char *name, enum bench_clock *clock);

/*
 * The counter's frequency in kHz. Real time: measured against CLOCK_MONOTONIC_RAW for 50 ms.
 * 0, or -EIO when the counter does not run.
 */
int bench_clock_khz(enum bench_clock clock, uint64_t *khz);

uint64_t bench_ticks_to_ns(uint64_t ticks, uint64_t khz);

#endif

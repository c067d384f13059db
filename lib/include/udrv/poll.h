/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Read something until a condition holds or time is up.
 * Source: Linux include/linux/iopoll.h, whose names, arguments and results these are.
 */
#ifndef UDRV_POLL_H
#define UDRV_POLL_H

#include <errno.h>
#include <stdint.h>

#include <udrv/barrier.h>
#include <udrv/compiler.h>
#include <udrv/io.h>

UDRV_BEGIN_DECLS

/* The deadline on CLOCK_MONOTONIC, UINT64_MAX for none (timeout_us of 0). */
UDRV_API uint64_t udrv__poll_deadline_ns(uint64_t timeout_us);
UDRV_API int udrv__poll_expired(uint64_t deadline_ns);
/* Neither goes past the deadline. A signal may cut the sleep short. */
UDRV_API void udrv__poll_sleep(uint64_t sleep_us, uint64_t deadline_ns);
UDRV_API void udrv__poll_delay(uint64_t delay_us, uint64_t deadline_ns);

#define UDRV__POLL(pause, op, val, cond, pause_us, timeout_us, pause_before_read, ...)             \
	__extension__({                                                                            \
		const uint64_t udrv__pause_us = (pause_us);                                        \
		const uint64_t udrv__deadline = udrv__poll_deadline_ns(timeout_us);                \
		int udrv__last;                                                                    \
		if (pause_before_read)                                                             \
			pause(udrv__pause_us, udrv__deadline);                                     \
		for (;;) {                                                                         \
			udrv__last = udrv__poll_expired(udrv__deadline);                           \
			(val) = op(__VA_ARGS__);                                                   \
			if ((cond) || udrv__last)                                                  \
				break;                                                             \
			pause(udrv__pause_us, udrv__deadline);                                     \
			udrv_cpu_relax();                                                          \
		}                                                                                  \
		(cond) ? 0 : -ETIMEDOUT;                                                           \
	})

/**
 * udrv_read_poll_timeout() - read until a condition holds, sleeping in between
 * @op: function or macro that reads: val = op(args...)
 * @val: variable that takes what was read; holds the last value afterwards
 * @cond: expression in @val, true when done
 * @sleep_us: longest sleep between reads, in microseconds; 0 spins
 * @timeout_us: in microseconds; 0 waits for ever
 * @sleep_before_read: whether to sleep once before the first read
 *
 * @op is called at least once, and once more when the deadline has passed, so that a thread
 * that was not running for a while does not take its own delay for the device's. @cond is
 * evaluated several times; every other argument but @op's own once.
 * Any thread that may sleep. Return: 0, or -ETIMEDOUT. Source: read_poll_timeout().
 */
#define udrv_read_poll_timeout(op, val, cond, sleep_us, timeout_us, sleep_before_read, ...)        \
	UDRV__POLL(udrv__poll_sleep, op, val, cond, sleep_us, timeout_us, sleep_before_read,       \
		   __VA_ARGS__)

/**
 * udrv_read_poll_timeout_atomic() - udrv_read_poll_timeout() without giving up the CPU
 * @delay_us: busy delay between reads, in microseconds
 * @delay_before_read: whether to delay once before the first read
 *
 * For waits of some microseconds. Source: read_poll_timeout_atomic().
 */
#define udrv_read_poll_timeout_atomic(op, val, cond, delay_us, timeout_us, delay_before_read, ...) \
	UDRV__POLL(udrv__poll_delay, op, val, cond, delay_us, timeout_us, delay_before_read,       \
		   __VA_ARGS__)

/**
 * udrv_readx_poll_timeout() - poll one register
 * @op: accessor: val = op(addr)
 * @addr: register
 * @val: variable that takes what was read; holds the last value afterwards
 * @cond: expression in @val, true when done
 * @sleep_us: longest sleep between reads, in microseconds; 0 spins
 * @timeout_us: in microseconds; 0 waits for ever
 *
 * As udrv_read_poll_timeout(). Return: 0, or -ETIMEDOUT. Source: readx_poll_timeout().
 */
#define udrv_readx_poll_timeout(op, addr, val, cond, sleep_us, timeout_us)                         \
	udrv_read_poll_timeout(op, val, cond, sleep_us, timeout_us, 0, addr)
/**
 * udrv_readx_poll_timeout_atomic() - udrv_readx_poll_timeout() without giving up the CPU
 * @delay_us: busy delay between reads, in microseconds
 */
#define udrv_readx_poll_timeout_atomic(op, addr, val, cond, delay_us, timeout_us)                  \
	udrv_read_poll_timeout_atomic(op, val, cond, delay_us, timeout_us, 0, addr)

/**
 * udrv_read{b,w,l,q}{,_relaxed}_poll_timeout() - udrv_readx_poll_timeout() by that accessor
 *
 * Source: readl_poll_timeout().
 */
/**
 * udrv_read{b,w,l,q}{,_relaxed}_poll_timeout_atomic() - udrv_readx_poll_timeout_atomic() by that
 * accessor
 *
 * Source: readl_poll_timeout_atomic().
 */
#define udrv_readb_poll_timeout(addr, val, cond, sleep_us, timeout_us)                             \
	udrv_readx_poll_timeout(udrv_readb, addr, val, cond, sleep_us, timeout_us)
#define udrv_readw_poll_timeout(addr, val, cond, sleep_us, timeout_us)                             \
	udrv_readx_poll_timeout(udrv_readw, addr, val, cond, sleep_us, timeout_us)
#define udrv_readl_poll_timeout(addr, val, cond, sleep_us, timeout_us)                             \
	udrv_readx_poll_timeout(udrv_readl, addr, val, cond, sleep_us, timeout_us)
#define udrv_readq_poll_timeout(addr, val, cond, sleep_us, timeout_us)                             \
	udrv_readx_poll_timeout(udrv_readq, addr, val, cond, sleep_us, timeout_us)

#define udrv_readb_poll_timeout_atomic(addr, val, cond, delay_us, timeout_us)                      \
	udrv_readx_poll_timeout_atomic(udrv_readb, addr, val, cond, delay_us, timeout_us)
#define udrv_readw_poll_timeout_atomic(addr, val, cond, delay_us, timeout_us)                      \
	udrv_readx_poll_timeout_atomic(udrv_readw, addr, val, cond, delay_us, timeout_us)
#define udrv_readl_poll_timeout_atomic(addr, val, cond, delay_us, timeout_us)                      \
	udrv_readx_poll_timeout_atomic(udrv_readl, addr, val, cond, delay_us, timeout_us)
#define udrv_readq_poll_timeout_atomic(addr, val, cond, delay_us, timeout_us)                      \
	udrv_readx_poll_timeout_atomic(udrv_readq, addr, val, cond, delay_us, timeout_us)

#define udrv_readb_relaxed_poll_timeout(addr, val, cond, sleep_us, timeout_us)                     \
	udrv_readx_poll_timeout(udrv_readb_relaxed, addr, val, cond, sleep_us, timeout_us)
#define udrv_readw_relaxed_poll_timeout(addr, val, cond, sleep_us, timeout_us)                     \
	udrv_readx_poll_timeout(udrv_readw_relaxed, addr, val, cond, sleep_us, timeout_us)
#define udrv_readl_relaxed_poll_timeout(addr, val, cond, sleep_us, timeout_us)                     \
	udrv_readx_poll_timeout(udrv_readl_relaxed, addr, val, cond, sleep_us, timeout_us)
#define udrv_readq_relaxed_poll_timeout(addr, val, cond, sleep_us, timeout_us)                     \
	udrv_readx_poll_timeout(udrv_readq_relaxed, addr, val, cond, sleep_us, timeout_us)

#define udrv_readb_relaxed_poll_timeout_atomic(addr, val, cond, delay_us, timeout_us)              \
	udrv_readx_poll_timeout_atomic(udrv_readb_relaxed, addr, val, cond, delay_us, timeout_us)
#define udrv_readw_relaxed_poll_timeout_atomic(addr, val, cond, delay_us, timeout_us)              \
	udrv_readx_poll_timeout_atomic(udrv_readw_relaxed, addr, val, cond, delay_us, timeout_us)
#define udrv_readl_relaxed_poll_timeout_atomic(addr, val, cond, delay_us, timeout_us)              \
	udrv_readx_poll_timeout_atomic(udrv_readl_relaxed, addr, val, cond, delay_us, timeout_us)
#define udrv_readq_relaxed_poll_timeout_atomic(addr, val, cond, delay_us, timeout_us)              \
	udrv_readx_poll_timeout_atomic(udrv_readq_relaxed, addr, val, cond, delay_us, timeout_us)

UDRV_END_DECLS

#endif

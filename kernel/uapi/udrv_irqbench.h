/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * udrv_irqbench's device node, /dev/udrv_irqbench-<domain:bus:dev.fn>.
 *
 * The module measures, on QEMU's edu device or an Intel 82574, the time from the register write
 * that raises an interrupt to the code that handles it. One process opens the node (a second open
 * gets EBUSY), chooses with SETUP where the interrupt is handled, and then either asks for a run of samples
 * or triggers single interrupts that another of its threads waits for in read().
 *
 * A time stamp is a read barrier followed by the CPU's counter: "lfence; rdtsc" on x86. User space
 * must stamp with the same instructions.
 *
 * Every struct starts with @abi, which must be UDRV_IRQBENCH_ABI; reserved fields must be zero.
 */
#ifndef UDRV_IRQBENCH_H
#define UDRV_IRQBENCH_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define UDRV_IRQBENCH_ABI		1
#define UDRV_IRQBENCH_MAX_SAMPLES	1000000
#define UDRV_IRQBENCH_MAX_GAP_NS	100000000
#define UDRV_IRQBENCH_MAX_DEADLINE_MS	10000
/* A run ends early when this many interrupts were lost. */
#define UDRV_IRQBENCH_MAX_LOST		10

/* Where the interrupt is handled. */
#define UDRV_IRQBENCH_OFF	0	/* no interrupt requested; the state after open */
#define UDRV_IRQBENCH_HARD	1	/* hard handler, never forced into a thread */
#define UDRV_IRQBENCH_THREAD	2	/* request_threaded_irq() thread, IRQF_ONESHOT */
#define UDRV_IRQBENCH_READ	3	/* hard handler that wakes a process in read() */

#define UDRV_IRQBENCH_MSI	0
#define UDRV_IRQBENCH_INTX	1

/**
 * struct udrv_irqbench_info - what the module knows
 * @abi: in: UDRV_IRQBENCH_ABI
 * @mode: out: UDRV_IRQBENCH_OFF, _HARD, _THREAD or _READ
 * @kind: out: UDRV_IRQBENCH_MSI or _INTX; meaningless while @mode is OFF
 * @irq: out: Linux interrupt number (/proc/irq/N), 0 while @mode is OFF
 * @counter_khz: out: the counter's frequency as the kernel calibrated it, 0 if it does not say
 * @reserved: in: zero
 */
struct udrv_irqbench_info {
	__u32 abi;
	__u32 mode;
	__u32 kind;
	__u32 irq;
	__u64 counter_khz;
	__u64 reserved;
};

/**
 * struct udrv_irqbench_setup - request, or give back, the interrupt
 * @abi: in: UDRV_IRQBENCH_ABI
 * @mode: in: UDRV_IRQBENCH_OFF, _HARD, _THREAD or _READ
 * @kind: in: UDRV_IRQBENCH_MSI or _INTX
 * @reserved: in: zero
 *
 * On failure the mode is OFF.
 */
struct udrv_irqbench_setup {
	__u32 abi;
	__u32 mode;
	__u32 kind;
	__u32 reserved;
};

/**
 * struct udrv_irqbench_run - take samples in mode HARD or THREAD
 * @abi: in: UDRV_IRQBENCH_ABI
 * @count: in: samples wanted, 1 to UDRV_IRQBENCH_MAX_SAMPLES
 * @gap_ns: in: busy time before each trigger, at most UDRV_IRQBENCH_MAX_GAP_NS
 * @deadline_ms: in: after this long an interrupt is lost, 1 to UDRV_IRQBENCH_MAX_DEADLINE_MS
 * @samples: in: address of @count __u64; out: counter ticks from register write to handler
 * @done: in: zero; out: samples stored; below @count when MAX_LOST interrupts were lost
 * @lost: in: zero; out: interrupts that did not arrive
 * @reserved: in: zero
 *
 * A lost interrupt has no sample and is triggered again. A signal ends the run with EINTR, the
 * device's removal with ENODEV; the struct is then not written.
 */
struct udrv_irqbench_run {
	__u32 abi;
	__u32 count;
	__u32 gap_ns;
	__u32 deadline_ms;
	__u64 samples;
	__u32 done;
	__u32 lost;
	__u64 reserved;
};

/*
 * TRIGGER, mode READ: stamps, raises the interrupt and returns.
 *
 * read(fd, &stamp, 8), mode READ: waits for the interrupt and returns the stamp of the last
 * TRIGGER (__u64). ETIMEDOUT after UDRV_IRQBENCH_READ_MS, EAGAIN with O_NONBLOCK, EBUSY when
 * another thread is in read(), ENODEV when the device is removed, EINVAL in another mode.
 */
#define UDRV_IRQBENCH_READ_MS	2000

#define UDRV_IRQBENCH_INFO	_IOWR('u', 0xb0, struct udrv_irqbench_info)
#define UDRV_IRQBENCH_SETUP	_IOW('u', 0xb1, struct udrv_irqbench_setup)
#define UDRV_IRQBENCH_RUN	_IOWR('u', 0xb2, struct udrv_irqbench_run)
#define UDRV_IRQBENCH_TRIGGER	_IO('u', 0xb3)

#endif

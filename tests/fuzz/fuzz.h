/* SPDX-License-Identifier: MIT */
/*
 * The stub's fuzzer. A run alternates two ways of calling it:
 * - model (fuzz_model.c): one thread, several files, and a model of what they were granted. The
 *   result of each call is known beforehand.
 * - race (fuzz_race.c): processes and threads that are killed in the middle of calls. Only what
 *   must hold whatever the others do is checked.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "udrv_stub.h"

#define FUZZ_PAGE   4096ull
#define FUZZ_ERRNOS 134 /* 0 is success */

enum fuzz_call {
	FUZZ_OPEN,
	FUZZ_CLOSE,
	FUZZ_INFO,
	FUZZ_SET_IRQS,
	FUZZ_MASK,
	FUZZ_SET_EVENT,
	FUZZ_DMA_ALLOC,
	FUZZ_DMA_MAP,
	FUZZ_DMA_FREE,
	FUZZ_CLAIM,
	FUZZ_RELEASE,
	FUZZ_RESET,
	FUZZ_OTHER,
	FUZZ_PREAD,
	FUZZ_PWRITE,
	FUZZ_MMAP_BAR,
	FUZZ_MMAP_VECTORS,
	FUZZ_MMAP_DMA,
	FUZZ_MUNMAP,
	FUZZ_MREMAP,
	FUZZ_MPROTECT,
	FUZZ_MADVISE,
	FUZZ_ACCESS,
	FUZZ_FORK,
	FUZZ_INTERRUPT,
	FUZZ_UIO_OPEN,
	FUZZ_UIO_READ,
	FUZZ_UIO_WRITE,
	FUZZ_UIO_POLL,
	FUZZ_UIO_MMAP,
	FUZZ_SYSFS,
	FUZZ_KILL,
	FUZZ_UNBIND,
	FUZZ_BIND,
	FUZZ_UNLOAD,
	FUZZ_CALLS
};

/* Shared by all processes of a run. */
struct fuzz_shared {
	atomic_ulong results[FUZZ_CALLS][FUZZ_ERRNOS];
	atomic_ulong calls;
	atomic_int stop;     /* the phase is over */
	atomic_int failed;   /* a message was printed */
	atomic_ulong faults; /* signals that the guard took */
};

/* What is fuzzed, and how. */
struct fuzz {
	struct fuzz_shared *shared;
	uint64_t seed;
	unsigned long calls;
	unsigned int seconds;
	bool rebind;
	bool inject; /* the kernel can make allocations fail */
	char address[16];
	char node[64];
	char uio[32];
	unsigned int vendor, device;
	struct udrv_stub_info info;
};

extern struct fuzz fuzz;

/* Random numbers: splitmix64. */
struct fuzz_rng {
	uint64_t state;
};

uint64_t fuzz_u64(struct fuzz_rng *rng);
uint32_t fuzz_below(struct fuzz_rng *rng, uint32_t limit);
bool fuzz_one_in(struct fuzz_rng *rng, uint32_t n);
/* Numbers near what code compares with: 0, pages, powers of two, the ends of types. */
uint64_t fuzz_value(struct fuzz_rng *rng);

/* Prints why and with which seed, and ends the process. */
_Noreturn void fuzz_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Counts a call; @result is 0 or more, or a negative errno, and is returned. */
const char *fuzz_name(enum fuzz_call call);
long fuzz_count(enum fuzz_call call, long result);
void fuzz_print_results(void);
/* Calls that never succeeded. */
unsigned int fuzz_never(void);

/* ioctl() on a struct of @size bytes, which must not change if it fails. */
long fuzz_ioctl(enum fuzz_call call, int fd, unsigned long request, void *arg, size_t size);
/* As they are in <unistd.h>, but for the negative errno. */
long fuzz_pread(int fd, void *buf, size_t size, uint64_t offset);
long fuzz_pwrite(int fd, const void *buf, size_t size, uint64_t offset);
/* 0 or a negative errno. */
long fuzz_mmap(enum fuzz_call call, void **addr, size_t size, int prot, int flags, int fd,
	       uint64_t offset);
long fuzz_munmap(void *addr, size_t size);
/* Opens the control node or, with @uio, the UIO node. */
long fuzz_open(bool uio);
void fuzz_close(int fd);

/* A memory access that may fault: 0, or the signal. */
void fuzz_guard_init(void);
int fuzz_load(const volatile void *addr, uint32_t *value);
int fuzz_store(volatile void *addr, uint32_t value);

/* Makes the @nth allocation or copy of this thread's next calls fail; 0: none. */
void fuzz_inject(unsigned int nth);

/* The device's own part: registers in BAR 0 that raise and end interrupts and do no DMA. */
bool fuzz_device_known(void);
uint64_t fuzz_safe_register(struct fuzz_rng *rng);
/* By @registers, which may fault, or else by pwrite(). 0 or more, or a negative errno. */
long fuzz_raise(int fd, volatile uint8_t *registers, unsigned int vector);
long fuzz_acknowledge(int fd, volatile uint8_t *registers);
/* Whether it raises interrupts of that type. */
bool fuzz_raises(uint32_t type);

/* The two ways; each ends after @calls calls or at @deadline_ms of CLOCK_MONOTONIC. */
void fuzz_model(uint64_t seed, unsigned long calls, uint64_t deadline_ms);
void fuzz_race(uint64_t seed, unsigned long calls, uint64_t deadline_ms);
/*
 * What an administrator may do at any moment: unbind the device, remove it from its bus or, for one
 * that is not @in_use, unload the module; then it is bound again.
 */
void fuzz_disturb(struct fuzz_rng *rng, bool in_use);
/* The device is bound, whatever was done to it; fills in what of struct fuzz depends on it. */
void fuzz_attach(void);

uint64_t fuzz_now_ms(void);

#endif

// SPDX-License-Identifier: MIT
/* System calls that are counted and checked, and memory accesses that may fault. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

struct fuzz fuzz;

static const char *const names[FUZZ_CALLS] = {
	[FUZZ_OPEN] = "open",
	[FUZZ_CLOSE] = "close",
	[FUZZ_INFO] = "INFO",
	[FUZZ_SET_IRQS] = "SET_IRQS",
	[FUZZ_MASK] = "MASK",
	[FUZZ_SET_EVENT] = "SET_EVENT",
	[FUZZ_DMA_ALLOC] = "DMA_ALLOC",
	[FUZZ_DMA_MAP] = "DMA_MAP",
	[FUZZ_DMA_FREE] = "DMA_FREE",
	[FUZZ_CLAIM] = "CLAIM",
	[FUZZ_RELEASE] = "RELEASE",
	[FUZZ_RESET] = "RESET",
	[FUZZ_OTHER] = "other ioctl",
	[FUZZ_PREAD] = "pread",
	[FUZZ_PWRITE] = "pwrite",
	[FUZZ_MMAP_BAR] = "mmap BAR",
	[FUZZ_MMAP_VECTORS] = "mmap vectors",
	[FUZZ_MMAP_DMA] = "mmap DMA",
	[FUZZ_MUNMAP] = "munmap",
	[FUZZ_MREMAP] = "mremap",
	[FUZZ_MPROTECT] = "mprotect",
	[FUZZ_MADVISE] = "madvise",
	[FUZZ_ACCESS] = "access",
	[FUZZ_FORK] = "fork",
	[FUZZ_INTERRUPT] = "interrupt",
	[FUZZ_UIO_OPEN] = "uio open",
	[FUZZ_UIO_READ] = "uio read",
	[FUZZ_UIO_WRITE] = "uio write",
	[FUZZ_UIO_POLL] = "uio poll",
	[FUZZ_UIO_MMAP] = "uio mmap",
	[FUZZ_SYSFS] = "sysfs",
	[FUZZ_KILL] = "kill -9",
	[FUZZ_UNBIND] = "unbind",
	[FUZZ_BIND] = "bind",
	[FUZZ_UNLOAD] = "unload",
};

uint64_t fuzz_u64(struct fuzz_rng *rng)
{
	uint64_t value = rng->state += 0x9e3779b97f4a7c15ull;

	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ull;
	value = (value ^ value >> 27) * 0x94d049bb133111ebull;
	return value ^ value >> 31;
}

uint32_t fuzz_below(struct fuzz_rng *rng, uint32_t limit)
{
	return (uint32_t)(fuzz_u64(rng) >> 32) % limit;
}

bool fuzz_one_in(struct fuzz_rng *rng, uint32_t n)
{
	return fuzz_below(rng, n) == 0;
}

uint64_t fuzz_value(struct fuzz_rng *rng)
{
	uint64_t near = fuzz_below(rng, 3) - 1ull;

	switch (fuzz_below(rng, 8)) {
	case 0:
		return near;
	case 1:
		return (1ull << fuzz_below(rng, 64)) + near;
	case 2:
		return fuzz_below(rng, 64) * FUZZ_PAGE + near;
	case 3:
		return 0ull - fuzz_below(rng, 4) * FUZZ_PAGE + near;
	case 4:
		return fuzz_below(rng, 4096);
	case 5:
		return UDRV_STUB_OFFSET(fuzz_below(rng, 300)) + fuzz_below(rng, 16) * FUZZ_PAGE;
	case 6:
		return UINT32_MAX + near;
	default:
		return fuzz_u64(rng);
	}
}

uint64_t fuzz_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void fuzz_fail(const char *format, ...)
{
	va_list arguments;

	/* Later ones may well be consequences. */
	if (!atomic_exchange(&fuzz.shared->failed, 1)) {
		fprintf(stderr,
			"fuzz_stub: FAILED with --seed %llu: ", (unsigned long long)fuzz.seed);
		va_start(arguments, format);
		vfprintf(stderr, format, arguments);
		va_end(arguments);
		fputc('\n', stderr);
		fflush(stderr);
	}
	atomic_store(&fuzz.shared->stop, 1);
	_exit(1);
}

const char *fuzz_name(enum fuzz_call call)
{
	return names[call];
}

long fuzz_count(enum fuzz_call call, long result)
{
	long error = result < 0 ? -result : 0;

	if (error >= FUZZ_ERRNOS)
		fuzz_fail("%s returned errno %ld, which is none", names[call], error);
	atomic_fetch_add(&fuzz.shared->results[call][error], 1);
	atomic_fetch_add(&fuzz.shared->calls, 1);
	return result;
}

void fuzz_print_results(void)
{
	for (int call = 0; call < FUZZ_CALLS; call++) {
		printf("%-12s", names[call]);
		for (int error = 0; error < FUZZ_ERRNOS; error++) {
			unsigned long count = atomic_load(&fuzz.shared->results[call][error]);

			if (count)
				printf(" %s %lu", error ? strerrorname_np(error) : "ok", count);
		}
		printf("\n");
	}
	printf("signals taken: %lu\n", atomic_load(&fuzz.shared->faults));
}

static bool can_succeed(int call)
{
	if (call == FUZZ_RESET)
		return fuzz.info.flags & UDRV_STUB_CAN_RESET;
	/* Without an IOMMU and a reset, nothing could take the pages away again. */
	if (call == FUZZ_DMA_MAP)
		return fuzz.info.flags & (UDRV_STUB_CAN_RESET | UDRV_STUB_TRANSLATED);
	if (call == FUZZ_INTERRUPT)
		return fuzz_device_known();
	/* The stub may have no irqcontrol, and its UIO device interrupts of its own or none. */
	if (call == FUZZ_OTHER || call == FUZZ_UIO_WRITE || call == FUZZ_UIO_READ)
		return false;
	if (call == FUZZ_UNBIND || call == FUZZ_BIND)
		return fuzz.rebind;
	/* A child of a killed process may still have files open. */
	return call != FUZZ_UNLOAD;
}

unsigned int fuzz_never(void)
{
	unsigned int never = 0;

	for (int call = 0; call < FUZZ_CALLS; call++) {
		if (!can_succeed(call) || atomic_load(&fuzz.shared->results[call][0]))
			continue;
		fprintf(stderr, "fuzz_stub: FAILED: %s never succeeded\n", names[call]);
		never++;
	}
	return never;
}

/* What the header lets a call write although it fails. */
static void forgive(enum fuzz_call call, long result, void *before, const void *after)
{
	struct udrv_stub_claim *claim = before;
	const struct udrv_stub_claim *out = after;

	if (call != FUZZ_CLAIM || result != -EBUSY)
		return;
	memcpy(claim->holder, out->holder, sizeof(claim->holder));
	claim->holder_pid = out->holder_pid;
}

long fuzz_ioctl(enum fuzz_call call, int fd, unsigned long request, void *arg, size_t size)
{
	uint8_t before[512];
	long result;

	if (size)
		memcpy(before, arg, size);
	result = ioctl(fd, request, arg);
	result = fuzz_count(call, result < 0 ? -errno : result);
	if (result < 0) {
		forgive(call, result, before, arg);
		if (size && memcmp(before, arg, size))
			fuzz_fail("%s failed with %s and wrote its struct", names[call],
				  strerrorname_np((int)-result));
	}
	return result;
}

long fuzz_pread(int fd, void *buf, size_t size, uint64_t offset)
{
	ssize_t result = pread(fd, buf, size, (off_t)offset);

	return fuzz_count(FUZZ_PREAD, result < 0 ? -errno : result);
}

long fuzz_pwrite(int fd, const void *buf, size_t size, uint64_t offset)
{
	ssize_t result = pwrite(fd, buf, size, (off_t)offset);

	return fuzz_count(FUZZ_PWRITE, result < 0 ? -errno : result);
}

long fuzz_mmap(enum fuzz_call call, void **addr, size_t size, int prot, int flags, int fd,
	       uint64_t offset)
{
	void *result = mmap(*addr, size, prot, flags, fd, (off_t)offset);

	if (result == MAP_FAILED)
		return fuzz_count(call, -errno);
	*addr = result;
	return fuzz_count(call, 0);
}

long fuzz_munmap(void *addr, size_t size)
{
	return fuzz_count(FUZZ_MUNMAP, munmap(addr, size) ? -errno : 0);
}

long fuzz_open(bool uio)
{
	int fd = open(uio ? fuzz.uio : fuzz.node, O_RDWR | O_CLOEXEC | (uio ? O_NONBLOCK : 0));

	return fuzz_count(uio ? FUZZ_UIO_OPEN : FUZZ_OPEN, fd < 0 ? -errno : fd);
}

void fuzz_close(int fd)
{
	fuzz_count(FUZZ_CLOSE, close(fd) ? -errno : 0);
}

/* The guard: the thread's next access, if it is one. */
static _Thread_local volatile sig_atomic_t guarded;
static _Thread_local sigjmp_buf guard;

static void fault(int signal, siginfo_t *info, void *context)
{
	(void)context;
	if (!guarded)
		fuzz_fail("%s (code %d) at %p", strsignal(signal), info->si_code, info->si_addr);
	guarded = 0;
	siglongjmp(guard, signal);
}

void fuzz_guard_init(void)
{
	struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_NODEFER | SA_SIGINFO};

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

static int accessed(int signal)
{
	if (signal)
		atomic_fetch_add(&fuzz.shared->faults, 1);
	fuzz_count(FUZZ_ACCESS, signal ? -EFAULT : 0);
	return signal;
}

int fuzz_load(const volatile void *addr, uint32_t *value)
{
	int signal = sigsetjmp(guard, 0);

	if (signal)
		return accessed(signal);
	guarded = 1;
	*value = *(const volatile uint32_t *)addr;
	guarded = 0;
	return accessed(0);
}

int fuzz_store(volatile void *addr, uint32_t value)
{
	int signal = sigsetjmp(guard, 0);

	if (signal)
		return accessed(signal);
	guarded = 1;
	*(volatile uint32_t *)addr = value;
	guarded = 0;
	return accessed(0);
}

void fuzz_inject(unsigned int nth)
{
	char text[16];
	int fd;

	if (!fuzz.inject)
		return;
	fd = open("/proc/thread-self/fail-nth", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	/*
	 * close() comes before the calls that are meant, but allocates nothing. What ends the
	 * counting may itself be the call that fails: then nothing is counted any more.
	 */
	(void)!write(fd, text, (size_t)snprintf(text, sizeof(text), "%u", nth));
	close(fd);
}

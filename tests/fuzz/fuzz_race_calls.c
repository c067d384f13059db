// SPDX-License-Identifier: MIT
/* Calls with arguments that are right, nearly right or random. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz_race.h"

static bool is_expected(enum fuzz_call call, long result)
{
	/* Also of calls on a descriptor that another thread has closed, or that is another's. */
	static const int always[] = {ENODEV, EFAULT, EINVAL, ENOTTY, EINTR, EBADF, ENOMEM};
	static const struct {
		enum fuzz_call call;
		int errors[6];
	} more[] = {
		{FUZZ_OPEN, {ENOENT, ENXIO, EAGAIN}},
		{FUZZ_UIO_OPEN, {ENOENT, ENXIO, EAGAIN}},
		{FUZZ_SET_IRQS, {EBUSY, ENOSPC}},
		{FUZZ_DMA_ALLOC, {EIO, ENOSPC}},
		{FUZZ_DMA_MAP, {EIO, E2BIG, EOPNOTSUPP, ENOSPC}},
		{FUZZ_DMA_FREE, {ENOENT, EBUSY}},
		{FUZZ_CLAIM, {EBUSY, ENOSPC}},
		{FUZZ_RELEASE, {ENOENT}},
		{FUZZ_RESET, {EBUSY, EAGAIN}},
		{FUZZ_OTHER, {ENOENT, EBUSY, ENOSPC}},
		/* Of UIO's node, too, which may have the number by now. */
		{FUZZ_PREAD, {EPERM, ESPIPE, EAGAIN, EIO, EBUSY, ENOSPC}},
		{FUZZ_PWRITE, {EPERM, ESPIPE, EAGAIN, EIO, EBUSY, ENOSPC}},
		{FUZZ_MMAP_BAR, {EBUSY, EOVERFLOW, EACCES, EAGAIN}},
		{FUZZ_UIO_READ, {EAGAIN, EIO}},
		{FUZZ_UIO_WRITE, {EIO, EBUSY, EAGAIN, ENOSPC}},
		{FUZZ_UIO_MMAP, {EBUSY, EOVERFLOW, EACCES, EAGAIN}},
	};

	if (result >= 0)
		return true;
	/* mmap() may be of an eventfd. */
	if (result == -ENODEV && !fuzz.rebind && call != FUZZ_MMAP_BAR && call != FUZZ_UIO_MMAP)
		return false;
	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		if (result == -always[i])
			return true;
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
		for (int j = 0; more[i].call == call && j < 6 && more[i].errors[j]; j++)
			if (result == -more[i].errors[j])
				return true;
	return false;
}

long race_check(enum fuzz_call call, long result)
{
	if (!is_expected(call, result))
		fuzz_fail("%s returned %s", fuzz_name(call), strerrorname_np((int)-result));
	return result;
}

int race_any_fd(struct racer *r)
{
	if (fuzz_one_in(&r->rng, 3))
		return r->own;
	return atomic_load(&race_process.fds[fuzz_below(&r->rng, RACE_FDS)]);
}

/* Nearly always as it must be. */
static uint32_t abi(struct racer *r)
{
	return fuzz_one_in(&r->rng, 40) ? (uint32_t)fuzz_value(&r->rng) : UDRV_STUB_ABI;
}

static uint32_t zero(struct racer *r)
{
	return fuzz_one_in(&r->rng, 60) ? (uint32_t)fuzz_value(&r->rng) : 0;
}

/* What the caller wants, or something else. */
uint64_t race_or_any(struct racer *r, uint64_t value)
{
	return fuzz_one_in(&r->rng, 10) ? fuzz_value(&r->rng) : value;
}

static long call(struct racer *r, enum fuzz_call what, int fd, unsigned long request, void *arg,
		 size_t size)
{
	bool inject = fuzz.inject && fuzz_one_in(&r->rng, 24);
	long result;

	if (inject)
		fuzz_inject(1 + fuzz_below(&r->rng, 10));
	result = fuzz_ioctl(what, fd, request, arg, size);
	if (inject)
		fuzz_inject(0);
	return race_check(what, result);
}

static void info(struct racer *r)
{
	struct udrv_stub_info arg = {.abi = abi(r), .uio = zero(r)};

	call(r, FUZZ_INFO, race_any_fd(r), UDRV_STUB_INFO, &arg, sizeof(arg));
}

static void irqs(struct racer *r)
{
	struct udrv_stub_irqs arg = {.abi = abi(r), .reserved = zero(r)};
	int fds[64], count;
	uint32_t have;

	arg.type = (uint32_t)race_or_any(r, fuzz_below(&r->rng, UDRV_STUB_IRQ_TYPES));
	have = arg.type < UDRV_STUB_IRQ_TYPES ? fuzz.info.irq_counts[arg.type] : 1;
	count = (int)fuzz_below(&r->rng, have + 1);
	count = count > 64 ? 64 : count;
	for (int i = 0; i < count; i++)
		fds[i] = fuzz_one_in(&r->rng, 2) ? -1 : eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	arg.count = (uint32_t)count;
	arg.fds = race_or_any(r, count ? (uintptr_t)fds : 0);
	call(r, FUZZ_SET_IRQS, race_any_fd(r), UDRV_STUB_SET_IRQS, &arg, sizeof(arg));
	for (int i = 0; i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static void mask(struct racer *r)
{
	struct udrv_stub_mask arg = {.abi = abi(r), .reserved = zero(r)};

	arg.vector = (uint32_t)race_or_any(r, fuzz_below(&r->rng, 4));
	arg.mask = fuzz_below(&r->rng, 2);
	call(r, FUZZ_MASK, race_any_fd(r), UDRV_STUB_MASK, &arg, sizeof(arg));
}

static void event(struct racer *r)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	struct udrv_stub_event arg = {.abi = abi(r), .reserved = zero(r)};

	arg.event = (uint32_t)race_or_any(r, fuzz_below(&r->rng, UDRV_STUB_EVENTS));
	arg.fd = (int32_t)race_or_any(r, (uint64_t)fd);
	call(r, FUZZ_SET_EVENT, race_any_fd(r), UDRV_STUB_SET_EVENT, &arg, sizeof(arg));
	if (fd >= 0)
		close(fd);
}

/* Not so much that others find no memory: a few pages, or what cannot be. */
static uint64_t any_size(struct racer *r)
{
	if (fuzz_one_in(&r->rng, 16))
		return (1ull << 40) + fuzz_value(&r->rng);
	return (1 + fuzz_below(&r->rng, 8)) * FUZZ_PAGE + (fuzz_one_in(&r->rng, 32) ? 1 : 0);
}

static void keep_handle(struct racer *r, uint64_t handle)
{
	atomic_store(&race_process.handles[fuzz_below(&r->rng, RACE_HANDLES)], handle);
}

uint64_t race_any_handle(struct racer *r)
{
	return race_or_any(r,
			   atomic_load(&race_process.handles[fuzz_below(&r->rng, RACE_HANDLES)]));
}

static void dma_alloc(struct racer *r)
{
	struct udrv_stub_dma_alloc arg = {.abi = abi(r), .reserved = zero(r)};

	arg.size = any_size(r);
	arg.mask = race_or_any(r, fuzz_one_in(&r->rng, 2) ? UINT64_MAX : UINT32_MAX);
	if (call(r, FUZZ_DMA_ALLOC, race_any_fd(r), UDRV_STUB_DMA_ALLOC, &arg, sizeof(arg)) == 0)
		keep_handle(r, arg.map_offset);
}

static void dma_map(struct racer *r)
{
	struct udrv_stub_dma_map arg = {.abi = abi(r)};

	arg.direction = (uint32_t)race_or_any(r, 1 + fuzz_below(&r->rng, 3));
	arg.addr = race_or_any(r, (uintptr_t)race_process.memory +
					  fuzz_below(&r->rng, 256) * FUZZ_PAGE);
	arg.size = any_size(r);
	arg.mask = race_or_any(r, UINT64_MAX);
	if (call(r, FUZZ_DMA_MAP, race_any_fd(r), UDRV_STUB_DMA_MAP, &arg, sizeof(arg)) == 0)
		keep_handle(r, arg.handle);
}

static void dma_free(struct racer *r)
{
	struct udrv_stub_dma_free arg = {.abi = abi(r), .reserved = zero(r)};

	arg.handle = race_any_handle(r);
	call(r, FUZZ_DMA_FREE, race_any_fd(r), UDRV_STUB_DMA_FREE, &arg, sizeof(arg));
}

void race_forget_places(struct racer *r)
{
	for (int i = 0; i < RACE_PLACES; i++) {
		unsigned long name = r->name;

		if (r->claimed[i])
			atomic_compare_exchange_strong(&race_shared->place[i], &name, 0);
		r->claimed[i] = false;
	}
}

/* Nobody else may have the place who lives. Unbinding ends claims unasked. */
static void check_exclusive(struct racer *r, int place)
{
	unsigned long other = atomic_exchange(&race_shared->place[place], r->name);
	unsigned long life = other ? (other - 1) / RACE_THREADS : 0;

	if (other && other != r->name && !fuzz.rebind &&
	    atomic_load(&race_shared->doomed[life % RACE_WORKERS]) < (long)life)
		fuzz_fail("two files have claim %d: of %lu and %lu", place, other, r->name);
}

/* By the own file, which nobody else closes. */
static void claim_place(struct racer *r)
{
	int place = (int)fuzz_below(&r->rng, RACE_PLACES);
	struct udrv_stub_claim arg = {
		.abi = UDRV_STUB_ABI, .offset = (uint64_t)place * 4, .len = 4};

	if (r->claimed[place]) {
		unsigned long name = r->name;

		/* Before the call, after which another may have it. */
		atomic_compare_exchange_strong(&race_shared->place[place], &name, 0);
		r->claimed[place] = false;
		race_check(FUZZ_RELEASE,
			   fuzz_ioctl(FUZZ_RELEASE, r->own, UDRV_STUB_RELEASE, &arg, sizeof(arg)));
		return;
	}
	strcpy(arg.name, "place");
	if (race_check(FUZZ_CLAIM,
		       fuzz_ioctl(FUZZ_CLAIM, r->own, UDRV_STUB_CLAIM, &arg, sizeof(arg))) == 0) {
		check_exclusive(r, place);
		r->claimed[place] = true;
	}
}

static void claim_any(struct racer *r)
{
	bool release = fuzz_one_in(&r->rng, 2);
	struct udrv_stub_claim arg = {.abi = abi(r), .reserved = zero(r)};

	arg.bar = (uint32_t)race_or_any(r, 0);
	arg.offset = race_or_any(r, 64 + fuzz_below(&r->rng, 128));
	arg.len = race_or_any(r, 1 + fuzz_below(&r->rng, 8));
	if (!release)
		snprintf(arg.name, sizeof(arg.name), "any %lu", r->name);
	if (release)
		call(r, FUZZ_RELEASE, race_any_fd(r), UDRV_STUB_RELEASE, &arg, sizeof(arg));
	else
		call(r, FUZZ_CLAIM, race_any_fd(r), UDRV_STUB_CLAIM, &arg, sizeof(arg));
}

static void reset(struct racer *r)
{
	call(r, FUZZ_RESET, race_any_fd(r), UDRV_STUB_RESET, NULL, 0);
}

/* Any bytes for any number. What could have memory allocated without end is left out. */
static void garbage(struct racer *r)
{
	uint64_t arg[64];
	unsigned int number = 0xc0 + fuzz_below(&r->rng, 12);
	size_t size = 8 * (1 + fuzz_below(&r->rng, 40));

	if (number == 0xc4 || number == 0xc5)
		return;
	for (int i = 0; i < 64; i++)
		arg[i] = fuzz_one_in(&r->rng, 2) ? 0 : fuzz_value(&r->rng);
	if (fuzz_one_in(&r->rng, 2))
		arg[0] = UDRV_STUB_ABI;
	race_check(FUZZ_OTHER,
		   fuzz_ioctl(FUZZ_OTHER, r->own,
			      _IOC(fuzz_below(&r->rng, 4), 'u', number, (unsigned int)size), arg,
			      sizeof(arg)));
}

static void registers(struct racer *r)
{
	uint64_t offset = UDRV_STUB_OFFSET(
		race_or_any(r, fuzz_one_in(&r->rng, 2) ? UDRV_STUB_REGION_CONFIG
						       : fuzz_below(&r->rng, UDRV_STUB_BARS)));
	size_t size =
		fuzz_one_in(&r->rng, 8) ? fuzz_below(&r->rng, 16) : 1u << fuzz_below(&r->rng, 4);
	uint8_t data[16] = {0};

	race_check(FUZZ_PREAD,
		   fuzz_pread(race_any_fd(r), data, size,
			      offset + race_or_any(r, fuzz_below(&r->rng, 64) * (uint64_t)size)));
}

/* COMMAND as it may be, or a register without effect on memory. */
static void write_registers(struct racer *r)
{
	uint32_t data = fuzz_one_in(&r->rng, 2) ? (uint32_t)fuzz_u64(&r->rng) : 0x4;

	if (fuzz_one_in(&r->rng, 2))
		race_check(FUZZ_PWRITE, fuzz_pwrite(race_any_fd(r), &data, 2,
						    UDRV_STUB_OFFSET(UDRV_STUB_REGION_CONFIG) + 4));
	else if (fuzz_device_known())
		race_check(FUZZ_PWRITE,
			   fuzz_pwrite(race_any_fd(r), &data, 4, fuzz_safe_register(&r->rng)));
}

static void interrupt(struct racer *r)
{
	int fd = race_any_fd(r);

	/* The first slot has BAR 0, if it can be mapped and if anything is there. */
	bool mapped = fuzz.info.bars[0].flags & UDRV_STUB_BAR_MMAP && fuzz_one_in(&r->rng, 2);

	if (!fuzz_device_known())
		return;
	race_check(FUZZ_PREAD,
		   fuzz_raise(fd, mapped ? race_process.slots : NULL, fuzz_below(&r->rng, 4)));
	if (fuzz_one_in(&r->rng, 2))
		race_check(FUZZ_PREAD, fuzz_acknowledge(fd, mapped ? race_process.slots : NULL));
}

static void uio(struct racer *r)
{
	int fd = atomic_load(&race_process.uios[fuzz_below(&r->rng, RACE_FDS)]);
	int32_t value = (int32_t)fuzz_below(&r->rng, 2);
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	ssize_t result;

	switch (fuzz_below(&r->rng, 3)) {
	case 0:
		result = read(fd, &value, sizeof(value));
		race_check(FUZZ_UIO_READ, fuzz_count(FUZZ_UIO_READ, result < 0 ? -errno : result));
		break;
	case 1:
		result = write(fd, &value, sizeof(value));
		race_check(FUZZ_UIO_WRITE,
			   fuzz_count(FUZZ_UIO_WRITE, result < 0 ? -errno : result));
		break;
	default:
		fuzz_count(FUZZ_UIO_POLL, poll(&wait, 1, 0) < 0 ? -errno : 0);
	}
}

static void child(struct racer *r)
{
	pid_t pid;

	if (!fuzz_one_in(&r->rng, 20))
		return;
	pid = fork();
	fuzz_count(FUZZ_FORK, pid < 0 ? -errno : 0);
	if (pid == 0) {
		for (unsigned int i = 0; i < RACE_SLOTS; i++) {
			uint32_t value;

			fuzz_load(race_slot(i), &value);
		}
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static void read_claims(struct racer *r)
{
	char path[96], text[4096];
	ssize_t got = -1;
	int fd;

	(void)r;
	snprintf(path, sizeof(path), "/sys/class/udrv_stub/udrv_stub-%s/claims", fuzz.address);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		got = read(fd, text, sizeof(text));
	fuzz_count(FUZZ_SYSFS, got < 0 ? -errno : 0);
	if (fd >= 0)
		close(fd);
}

void race_call(struct racer *r)
{
	static void (*const kinds[])(struct racer * r) = {
		info,	     irqs,	mask,	   event, dma_alloc, dma_map,	  dma_free,
		dma_free,    dma_free,	claim_any, reset, garbage,   registers,	  interrupt,
		claim_place, interrupt, uio,	   uio,	  child,     read_claims, write_registers,
		claim_place,
	};

	kinds[fuzz_below(&r->rng, sizeof(kinds) / sizeof(kinds[0]))](r);
}

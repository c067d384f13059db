// SPDX-License-Identifier: MIT
#include "stub_user.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PATH_BYTES 128

/* Devices and drivers ------------------------------------------------------------------------- */

bool lab_device(unsigned int n, char *bdf)
{
	const char *devices = getenv("UDRV_LAB_DEVICES");
	int used = 0;

	while (devices && sscanf(devices, "%31s%n", bdf, &used) == 1) {
		if (!n--)
			return true;
		devices += used;
	}
	return false;
}

int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

bool is_bound(const char *bdf, const char *driver)
{
	char path[PATH_BYTES];

	(void)snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/%s", driver, bdf);
	return !access(path, F_OK);
}

int bind_to(const char *bdf, const char *driver)
{
	char path[PATH_BYTES];
	int ret;

	if (is_bound(bdf, driver))
		return 0;
	(void)snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver/unbind", bdf);
	ret = write_text(path, bdf);
	if (ret && ret != -ENOENT)
		return ret;
	(void)snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override", bdf);
	ret = write_text(path, driver);
	if (!ret)
		ret = write_text("/sys/bus/pci/drivers_probe", bdf);
	return ret || is_bound(bdf, driver) ? ret : -ENODEV;
}

int unbind_from(const char *bdf, const char *driver)
{
	char path[PATH_BYTES];

	(void)snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/unbind", driver);
	return write_text(path, bdf);
}

double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void sleep_ms(unsigned int ms)
{
	(void)nanosleep(&(struct timespec){ms / 1000, (long)(ms % 1000) * 1000000}, NULL);
}

/* One user ------------------------------------------------------------------------------------ */

static int open_path(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int open_node(const char *bdf)
{
	char path[PATH_BYTES];

	(void)snprintf(path, sizeof(path), "/dev/udrv_stub-%s", bdf);
	return open_path(path);
}

int open_uio(const char *bdf)
{
	struct udrv_stub_info info;
	int control = open_node(bdf), ret;
	char path[PATH_BYTES];

	if (control < 0)
		return control;
	ret = read_info(control, &info);
	close(control);
	if (ret)
		return ret;
	(void)snprintf(path, sizeof(path), "/dev/uio%u", info.uio);
	return open_path(path);
}

int stub_call(int fd, unsigned long request, void *arg)
{
	int ret = ioctl(fd, request, arg);

	return ret < 0 ? -errno : ret;
}

int read_info(int fd, struct udrv_stub_info *info)
{
	memset(info, 0, sizeof(*info));
	info->abi = UDRV_STUB_ABI;
	return stub_call(fd, UDRV_STUB_INFO, info);
}

static void *map_shared(int fd, size_t len, off_t offset)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	return p == MAP_FAILED ? NULL : p;
}

regs_t *map_regs(int fd)
{
	return map_shared(fd, EDU_BYTES, 0);
}

void unmap_regs(regs_t *regs)
{
	(void)munmap((void *)(uintptr_t)regs, EDU_BYTES);
}

uint32_t get(regs_t *regs, unsigned int offset)
{
	return regs[offset / 4];
}

void put(regs_t *regs, unsigned int offset, uint32_t val)
{
	regs[offset / 4] = val;
}

static void put64(regs_t *regs, unsigned int offset, uint64_t val)
{
	*(volatile uint64_t *)((volatile char *)regs + offset) = val;
}

int set_master(int fd, bool on)
{
	uint16_t command = on ? MASTER : 0;

	return pwrite(fd, &command, 2, OFFSET(UDRV_STUB_REGION_CONFIG) + COMMAND) == 2 ? 0 : -errno;
}

int set_irqs(int fd, uint32_t type, const int32_t *fds, uint32_t count)
{
	struct udrv_stub_irqs irqs = {
		.abi = UDRV_STUB_ABI, .type = type, .count = count, .fds = (uintptr_t)fds};

	return stub_call(fd, UDRV_STUB_SET_IRQS, &irqs);
}

int set_mask(int fd, uint32_t vector, bool on)
{
	struct udrv_stub_mask m = {.abi = UDRV_STUB_ABI, .vector = vector, .mask = on};

	return stub_call(fd, UDRV_STUB_MASK, &m);
}

int set_event(int fd, uint32_t event, int efd)
{
	struct udrv_stub_event e = {.abi = UDRV_STUB_ABI, .event = event, .fd = efd};

	return stub_call(fd, UDRV_STUB_SET_EVENT, &e);
}

uint64_t signals(int efd, int ms)
{
	struct pollfd p = {.fd = efd, .events = POLLIN};
	uint64_t count = 0;

	if (poll(&p, 1, ms) != 1 || read(efd, &count, sizeof(count)) != sizeof(count))
		return 0;
	return count;
}

int claim(int fd, unsigned long request, uint64_t offset, uint64_t len, const char *name,
	  struct udrv_stub_claim *c)
{
	*c = (struct udrv_stub_claim){.abi = UDRV_STUB_ABI, .offset = offset, .len = len};
	if (request == UDRV_STUB_CLAIM)
		(void)snprintf(c->name, sizeof(c->name), "%s", name);
	return stub_call(fd, request, c);
}

/* DMA ----------------------------------------------------------------------------------------- */

int dma_alloc(int fd, uint64_t size, struct udrv_stub_dma_alloc *alloc)
{
	*alloc = (struct udrv_stub_dma_alloc){.abi = UDRV_STUB_ABI, .size = size, .mask = DMA_MASK};
	return stub_call(fd, UDRV_STUB_DMA_ALLOC, alloc);
}

int dma_free(int fd, uint64_t handle)
{
	struct udrv_stub_dma_free f = {.abi = UDRV_STUB_ABI, .handle = handle};

	return stub_call(fd, UDRV_STUB_DMA_FREE, &f);
}

char *map_dma(int fd, const struct udrv_stub_dma_alloc *alloc)
{
	return map_shared(fd, alloc->size, (off_t)alloc->map_offset);
}

void dma_start(regs_t *regs, uint64_t src, uint64_t dst, uint64_t len, uint32_t flags)
{
	put64(regs, EDU_DMA_SRC, src);
	put64(regs, EDU_DMA_DST, dst);
	put64(regs, EDU_DMA_COUNT, len);
	put64(regs, EDU_DMA_COMMAND, EDU_DMA_RUN | flags);
}

bool dma_runs(regs_t *regs)
{
	return get(regs, EDU_DMA_COMMAND) & EDU_DMA_RUN;
}

void dma_wait(regs_t *regs)
{
	while (dma_runs(regs))
		sleep_ms(5);
}

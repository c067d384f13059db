// SPDX-License-Identifier: MIT
#include <errno.h>
#include <linux/memfd.h>
#include <linux/mempolicy.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mem/backing.h"

#define SIZE_2M	  ((size_t)1 << 21)
#define SIZE_1G	  ((size_t)1 << 30)
#define TRIES	  8
#define NODES_MAX 1024
#define LONG_BITS (8 * sizeof(unsigned long))

/* "0" or "0-3" or "0,2". */
static bool has_nodes(void)
{
	char text[64] = "";
	FILE *f = fopen("/sys/devices/system/node/possible", "re");

	if (!f)
		return false;
	if (!fgets(text, sizeof(text), f))
		text[0] = 0;
	(void)fclose(f);
	return strpbrk(text, ",-") != NULL;
}

int udrv__nodes_known;

int udrv__node(int node)
{
	int state = __atomic_load_n(&udrv__nodes_known, __ATOMIC_RELAXED);

	if (node < 0 || node >= NODES_MAX)
		return -1;
	if (!state) {
		state = has_nodes() ? 2 : 1;
		__atomic_store_n(&udrv__nodes_known, state, __ATOMIC_RELAXED);
	}
	return state == 2 ? node : -1;
}

void udrv__prefer_node(void *va, size_t len, int node)
{
	unsigned long nodes[NODES_MAX / LONG_BITS] = {0};

	if (node < 0)
		return;
	nodes[(size_t)node / LONG_BITS] = 1ul << (size_t)node % LONG_BITS;
	/* Where it cannot be had, memory of another node does. */
	(void)syscall(SYS_mbind, va, len, MPOL_PREFERRED, nodes, NODES_MAX, 0);
}

/* An address that was free a moment ago. */
static void *find_hole(size_t len, size_t align)
{
	uintptr_t p;

	if (len > SIZE_MAX - align) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	p = (uintptr_t)mmap(NULL, len + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if ((void *)p == MAP_FAILED)
		return MAP_FAILED;
	munmap((void *)p, len + align);
	return (void *)((p + align - 1) & ~(align - 1));
}

/* So far behind a multiple of align; or MAP_FAILED and errno. Another thread may map something
 * there meanwhile. */
static void *map_at(int fd, off_t offset, size_t len, size_t align, size_t behind)
{
	void *va = MAP_FAILED;

	for (int i = 0; i < TRIES; i++) {
		char *hole = find_hole(len + behind, align);

		if ((void *)hole == MAP_FAILED)
			return MAP_FAILED;
		hole += behind;
		va = mmap(hole, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, fd,
			  offset);
		if (va == hole || (va == MAP_FAILED && errno != EEXIST))
			break;
		if (va != MAP_FAILED) { /* a kernel that takes it as a hint */
			munmap(va, len);
			errno = EEXIST;
		}
		va = MAP_FAILED;
	}
	return va;
}

static void *map_aligned(int fd, size_t len, size_t align)
{
	return map_at(fd, 0, len, align, 0);
}

void *udrv__map_alike(int fd, off_t offset, size_t len, uint64_t like)
{
	size_t align = SIZE_2M;

	while (align < len && align < SIZE_1G)
		align *= 2;
	return map_at(fd, offset, len, align, (size_t)like & (align - 1));
}

/* Huge pages are reserved by mmap(): what it returned can be used. */
static int make(struct udrv__backing *backing, size_t len, size_t align, unsigned int flags)
{
	int fd = memfd_create("udrv-dma", MFD_CLOEXEC | flags);
	int err;
	void *va;

	if (fd < 0)
		return errno ? -errno : -ENOMEM;
	if (ftruncate(fd, (off_t)len))
		goto err_close;
	va = map_aligned(fd, len, align);
	if (va == MAP_FAILED)
		goto err_close;
	backing->va = va;
	backing->len = len;
	backing->fd = fd;
	return 0;

err_close:
	err = errno;
	close(fd);
	return err ? -err : -ENOMEM;
}

static int make_huge(struct udrv__backing *backing, size_t len, size_t align, size_t page,
		     unsigned int flag)
{
	int ret;

	if (len % page)
		return -EINVAL;
	ret = make(backing, len, align > page ? align : page, MFD_HUGETLB | flag);
	if (!ret)
		backing->page_size = page;
	return ret;
}

int udrv__backing_make_huge(struct udrv__backing *backing, int node)
{
	int ret = make_huge(backing, SIZE_2M, SIZE_2M, SIZE_2M, MFD_HUGE_2MB);

	if (!ret)
		udrv__prefer_node(backing->va, SIZE_2M, node);
	return ret;
}

bool udrv__backing_has_huge(void)
{
	struct udrv__backing backing;

	if (udrv__backing_make_huge(&backing, -1))
		return false;
	udrv__backing_end(&backing);
	return true;
}

int udrv__backing_make(struct udrv__backing *backing, size_t len, size_t align, int node)
{
	int ret;

	if (len > (size_t)1 << 47)
		return -ENOMEM;
	ret = make_huge(backing, len, align, SIZE_1G, MFD_HUGE_1GB);
	if (ret)
		ret = make_huge(backing, len, align, SIZE_2M, MFD_HUGE_2MB);
	if (ret) {
		ret = make(backing, len, align, 0);
		backing->page_size = (size_t)sysconf(_SC_PAGESIZE);
		if (!ret && align >= SIZE_2M)
			(void)madvise(backing->va, len, MADV_HUGEPAGE);
	}
	if (!ret)
		udrv__prefer_node(backing->va, len, node);
	return ret;
}

void udrv__backing_end(const struct udrv__backing *backing)
{
	munmap(backing->va, backing->len);
	close(backing->fd);
}

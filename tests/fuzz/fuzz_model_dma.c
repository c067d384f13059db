// SPDX-License-Identifier: MIT
/* DMA memory as the model knows it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz_model.h"

static int free_dma(const struct model *m)
{
	for (int i = 0; i < MODEL_DMAS; i++)
		if (m->dmas[i].file == MODEL_NOBODY)
			return i;
	return -1;
}

static uint64_t any_mask(struct model *m)
{
	static const uint64_t masks[] = {UINT64_MAX, UINT32_MAX, 0xfffffff, 0xffffff};

	return masks[fuzz_below(&m->rng, 4)];
}

static bool is_roomy(uint64_t mask)
{
	return mask >= UINT32_MAX;
}

/* Memory of ours is nobody else's. */
static void check_place(const struct model *m, const struct model_dma *new, uint64_t mask)
{
	MODEL_CHECK(new->bus % FUZZ_PAGE == 0);
	MODEL_CHECK(new->bus + (new->size - 1) <= mask &&new->bus + new->size > new->bus);
	MODEL_CHECK(new->handle >= UDRV_STUB_OFFSET(UDRV_STUB_REGION_DMA));
	for (int i = 0; i < MODEL_DMAS; i++) {
		const struct model_dma *d = &m->dmas[i];

		if (d->file == MODEL_NOBODY)
			continue;
		MODEL_CHECK(d->file != new->file || d->handle != new->handle);
		MODEL_CHECK(new->bus >= d->bus + d->size || d->bus >= new->bus + new->size);
	}
}

void model_dma_alloc(struct model *m)
{
	struct udrv_stub_dma_alloc arg = {.abi = UDRV_STUB_ABI, .mask = any_mask(m)};
	struct model_dma new = {.file = model_any_file(m)};
	int i = free_dma(m);
	long result;

	if (i < 0)
		return;
	arg.size = (1 + fuzz_below(&m->rng, 16)) * FUZZ_PAGE;
	result = model_ioctl(m, FUZZ_DMA_ALLOC, new.file, UDRV_STUB_DMA_ALLOC, &arg, sizeof(arg));
	if (is_roomy(arg.mask))
		EXPECT(result, 0);
	else
		EXPECT(result, 0, -ENOMEM, -EIO);
	if (result)
		return;
	new.handle = arg.map_offset;
	new.bus = arg.bus;
	new.size = arg.size;
	check_place(m, &new, arg.mask);
	m->dmas[i] = new;
}

static struct udrv_stub_dma_map map_argument(struct model *m)
{
	struct udrv_stub_dma_map arg = {.abi = UDRV_STUB_ABI, .mask = any_mask(m)};

	arg.direction = 1 + fuzz_below(&m->rng, 3);
	return arg;
}

void model_dma_map(struct model *m)
{
	struct udrv_stub_dma_map arg = map_argument(m);
	struct model_dma new = {.file = model_any_file(m), .pinned = true};
	int i = free_dma(m);
	long result;

	if (i < 0)
		return;
	arg.addr = (uintptr_t)(m->memory + (size_t)i * MODEL_SLOT * FUZZ_PAGE);
	arg.size = (1 + fuzz_below(&m->rng, MODEL_SLOT)) * FUZZ_PAGE;
	result = model_ioctl(m, FUZZ_DMA_MAP, new.file, UDRV_STUB_DMA_MAP, &arg, sizeof(arg));
	if (fuzz.info.flags & UDRV_STUB_TRANSLATED && is_roomy(arg.mask))
		EXPECT(result, 0);
	else
		EXPECT(result, 0, -E2BIG, -EIO, -ENOMEM, -EOPNOTSUPP);
	if (result)
		return;
	new.handle = arg.handle;
	new.bus = arg.bus;
	new.size = arg.size;
	check_place(m, &new, arg.mask);
	m->dmas[i] = new;
	/* The device keeps the pages; the process gets others. */
	if (fuzz_one_in(&m->rng, 3))
		madvise((void *)(uintptr_t)arg.addr, MODEL_SLOT * FUZZ_PAGE, MADV_DONTNEED);
}

static long map_at(struct model *m, struct udrv_stub_dma_map *arg, const void *addr, size_t size)
{
	arg->addr = (uintptr_t)addr;
	arg->size = size;
	return model_ioctl(m, FUZZ_DMA_MAP, model_any_file(m), UDRV_STUB_DMA_MAP, arg,
			   sizeof(*arg));
}

static void map_registers(struct model *m, struct udrv_stub_dma_map *arg)
{
	for (int i = 0; i < MODEL_MAPS; i++)
		if (m->maps[i].addr && m->maps[i].bar >= 0)
			EXPECT(map_at(m, arg, m->maps[i].addr, FUZZ_PAGE), -EFAULT, -EOPNOTSUPP);
}

/* Memory that is not there, not the process's, or not memory. */
void model_dma_map_bad(struct model *m)
{
	struct udrv_stub_dma_map arg = map_argument(m);

	switch (fuzz_below(&m->rng, 8)) {
	case 0:
		EXPECT(map_at(m, &arg, m->no_access, FUZZ_PAGE), -EFAULT, -EOPNOTSUPP);
		break;
	case 1:
		arg.direction = UDRV_STUB_FROM_DEVICE;
		EXPECT(map_at(m, &arg, m->read_only, FUZZ_PAGE), -EFAULT, -EOPNOTSUPP);
		break;
	case 2:
		EXPECT(map_at(m, &arg, (void *)0xffff888000000000ul, FUZZ_PAGE), -EFAULT, -EINVAL,
		       -EOPNOTSUPP);
		break;
	case 3:
		EXPECT(map_at(m, &arg, m->memory, -FUZZ_PAGE * (1 + fuzz_below(&m->rng, 4))),
		       -EINVAL, -ENOMEM, -EFAULT);
		break;
	case 4:
		EXPECT(map_at(m, &arg, m->memory + 1 + fuzz_below(&m->rng, 4095), FUZZ_PAGE),
		       -EINVAL);
		break;
	case 5:
		EXPECT(map_at(m, &arg, m->memory, fuzz_one_in(&m->rng, 2) ? 0 : FUZZ_PAGE + 1),
		       -EINVAL);
		break;
	case 6:
		arg.direction = fuzz_one_in(&m->rng, 2) ? 0 : 4 + fuzz_below(&m->rng, 100);
		EXPECT(map_at(m, &arg, m->memory, FUZZ_PAGE), -EINVAL);
		break;
	default:
		map_registers(m, &arg);
	}
}

static long dma_free(struct model *m, int file, uint64_t handle)
{
	struct udrv_stub_dma_free arg = {.abi = UDRV_STUB_ABI, .handle = handle};

	return model_ioctl(m, FUZZ_DMA_FREE, file, UDRV_STUB_DMA_FREE, &arg, sizeof(arg));
}

static bool owns(const struct model *m, int file, uint64_t handle)
{
	for (int i = 0; i < MODEL_DMAS; i++)
		if (m->dmas[i].file == file && m->dmas[i].handle == handle)
			return true;
	return false;
}

void model_dma_free(struct model *m)
{
	int i = (int)fuzz_below(&m->rng, MODEL_DMAS);
	struct model_dma *d = &m->dmas[i];
	int file = model_any_file(m);
	uint64_t handle = fuzz_value(&m->rng);

	if (!owns(m, file, handle))
		EXPECT(dma_free(m, file, handle), -ENOENT);
	if (d->file == MODEL_NOBODY)
		return;
	if (!owns(m, file, d->handle))
		EXPECT(dma_free(m, file, d->handle), -ENOENT);
	EXPECT(dma_free(m, d->file, d->handle + 1 + fuzz_below(&m->rng, 8192)), -ENOENT);
	if (model_dma_is_mapped(m, i)) {
		EXPECT(dma_free(m, d->file, d->handle), -EBUSY);
		return;
	}
	EXPECT(dma_free(m, d->file, d->handle), 0);
	d->file = MODEL_NOBODY;
}

/* Without capabilities, locked memory has a limit; what is refused does not count. */
static _Noreturn void unprivileged(struct model *m)
{
	struct udrv_stub_dma_alloc arg = {.abi = UDRV_STUB_ABI, .mask = UINT64_MAX};
	struct rlimit limit = {4 * FUZZ_PAGE, 4 * FUZZ_PAGE};
	int file = model_any_file(m);
	uint64_t handle;

	if (setrlimit(RLIMIT_MEMLOCK, &limit) || setresuid(65534, 65534, 65534))
		fuzz_fail("no way down from root");
	fuzz.inject = false;
	for (int round = 0; round < 3; round++) {
		arg.size = 5 * FUZZ_PAGE;
		arg.bus = arg.map_offset = 0;
		EXPECT(model_ioctl(m, FUZZ_DMA_ALLOC, file, UDRV_STUB_DMA_ALLOC, &arg, sizeof(arg)),
		       -ENOMEM);
		arg.size = 3 * FUZZ_PAGE;
		EXPECT(model_ioctl(m, FUZZ_DMA_ALLOC, file, UDRV_STUB_DMA_ALLOC, &arg, sizeof(arg)),
		       0);
		handle = arg.map_offset;
		arg.bus = arg.map_offset = 0;
		EXPECT(model_ioctl(m, FUZZ_DMA_ALLOC, file, UDRV_STUB_DMA_ALLOC, &arg, sizeof(arg)),
		       -ENOMEM);
		EXPECT(dma_free(m, file, handle), 0);
	}
	_exit(0);
}

void model_unprivileged(struct model *m)
{
	pid_t pid = fork();
	int status;

	MODEL_CHECK(pid >= 0);
	if (pid == 0)
		unprivileged(m);
	MODEL_CHECK(waitpid(pid, &status, 0) == pid);
	if (status)
		_exit(1);
}

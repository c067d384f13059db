// SPDX-License-Identifier: MIT
/* One thread, several files, and results that are known beforehand. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz_model.h"

void model_expect(const char *function, int line, long result, const long *allowed, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (result == allowed[i])
			return;
	fuzz_fail("%s:%d: %ld (%s) instead of %ld (%s)", function, line, result,
		  result < 0 ? strerrorname_np((int)-result) : "", allowed[0],
		  allowed[0] < 0 ? strerrorname_np((int)-allowed[0]) : "");
}

int model_any_file(struct model *m)
{
	for (;;) {
		int file = (int)fuzz_below(&m->rng, MODEL_FILES);

		if (m->files[file] >= 0)
			return file;
	}
}

unsigned int model_users(const struct model *m)
{
	unsigned int users = 0;

	for (int i = 0; i < MODEL_FILES; i++)
		users += m->files[i] >= 0;
	for (int i = 0; i < MODEL_UIOS; i++)
		users += m->uios[i] >= 0;
	return users;
}

long model_ioctl(struct model *m, enum fuzz_call call, int file, unsigned long request, void *arg,
		 size_t size)
{
	int fd = m->files[file];
	long result;

	if (fuzz.inject && fuzz_one_in(&m->rng, 6)) {
		fuzz_inject(1 + fuzz_below(&m->rng, fuzz_one_in(&m->rng, 4) ? 60 : 6));
		result = fuzz_ioctl(call, fd, request, arg, size);
		fuzz_inject(0);
		if (result == 0)
			return 0;
	}
	return fuzz_ioctl(call, fd, request, arg, size);
}

static bool mastering(struct model *m, int file)
{
	uint16_t command = 0;

	EXPECT(fuzz_pread(m->files[file], &command, 2,
			  UDRV_STUB_OFFSET(UDRV_STUB_REGION_CONFIG) + 4),
	       2);
	return command & 4;
}

static void model_open(struct model *m)
{
	int file = (int)fuzz_below(&m->rng, MODEL_FILES);
	bool first = model_users(m) == 0;

	if (m->files[file] >= 0)
		return;
	m->files[file] = (int)fuzz_open(false);
	MODEL_CHECK(m->files[file] >= 0);
	if (first)
		MODEL_CHECK(!mastering(m, file));
}

static void forget_file(struct model *m, int file)
{
	unsigned int kept = 0;

	for (int i = 0; i < MODEL_DMAS; i++)
		if (m->dmas[i].file == file)
			m->dmas[i].file = MODEL_NOBODY;
	for (unsigned int i = 0; i < m->claim_count; i++)
		if (m->claims[i].file != file)
			m->claims[kept++] = m->claims[i];
	m->claim_count = kept;
	if (m->irq_owner == file)
		m->irq_owner = MODEL_NOBODY;
	m->files[file] = -1;
}

/* A mapping keeps what it maps, also when the descriptor is closed before it. */
static void model_close(struct model *m)
{
	int file = model_any_file(m);

	if (fuzz_one_in(&m->rng, 2)) {
		model_unmap_file(m, file);
		fuzz_close(m->files[file]);
	} else {
		fuzz_close(m->files[file]);
		model_touch(m);
		model_unmap_file(m, file);
	}
	forget_file(m, file);
}

static void close_all(struct model *m)
{
	for (int i = 0; i < MODEL_UIOS; i++) {
		if (m->uios[i] < 0)
			continue;
		model_unmap_file(m, MODEL_UIO + i);
		fuzz_close(m->uios[i]);
		m->uios[i] = -1;
	}
	for (int i = 0; i < MODEL_FILES; i++) {
		if (m->files[i] < 0)
			continue;
		model_unmap_file(m, i);
		fuzz_close(m->files[i]);
		forget_file(m, i);
	}
	m->irq_owner = MODEL_NOBODY;
}

/* The last user goes, which quiets the device, and another comes, which may reset it. */
static void model_close_all(struct model *m)
{
	close_all(m);
	while (model_users(m) == 0)
		model_open(m);
	model_reset(m);
	MODEL_CHECK(!mastering(m, model_any_file(m)));
}

static const struct {
	void (*run)(struct model *m);
	unsigned int weight;
} calls[] = {
	{model_open, 8},     {model_close, 4},	     {model_info, 4},	     {model_irqs, 10},
	{model_mask, 10},    {model_event, 6},	     {model_claim, 16},	     {model_release, 12},
	{model_reset, 1},    {model_interrupt, 8},   {model_uio, 12},	     {model_dma_alloc, 10},
	{model_dma_map, 10}, {model_dma_map_bad, 6}, {model_dma_free, 18},   {model_malformed, 16},
	{model_pointer, 12}, {model_other, 4},	     {model_pread, 14},	     {model_pwrite, 12},
	{model_map_bar, 10}, {model_map_vectors, 4}, {model_map_dma, 10},    {model_map_uio, 3},
	{model_map_bad, 8},  {model_unmap, 14},	     {model_change_map, 14}, {model_touch, 6},
};

/* Each costs about as much as a hundred others. */
static void rarely(struct model *m)
{
	switch (fuzz_below(&m->rng, 4)) {
	case 0:
		model_fork(m);
		break;
	case 1:
		model_unprivileged(m);
		break;
	case 2:
		model_claim_all(m);
		break;
	default:
		model_close_all(m);
	}
}

static void step(struct model *m)
{
	unsigned int sum = 0, pick;
	size_t i;

	if (fuzz_one_in(&m->rng, 400)) {
		rarely(m);
		return;
	}
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		sum += calls[i].weight;
	pick = fuzz_below(&m->rng, sum);
	for (i = 0; pick >= calls[i].weight; i++)
		pick -= calls[i].weight;
	calls[i].run(m);
	while (m->files[0] < 0 && m->files[1] < 0 && m->files[2] < 0)
		model_open(m);
}

/* Kilobytes of locked memory, as the kernel counts for this process. */
static long locked(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[128];
	long value = -1;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "VmLck: %ld", &value) == 1)
			break;
	if (file)
		fclose(file);
	return value;
}

static uint8_t *pages(size_t count, int prot)
{
	uint8_t *addr = mmap(NULL, count * FUZZ_PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (addr == MAP_FAILED)
		fuzz_fail("no memory");
	return addr;
}

static void init(struct model *m, uint64_t seed)
{
	memset(m, 0, sizeof(*m));
	m->rng.state = seed;
	m->irq_owner = MODEL_NOBODY;
	memset(m->files, -1, sizeof(m->files));
	memset(m->uios, -1, sizeof(m->uios));
	memset(m->eventfds, -1, sizeof(m->eventfds));
	for (int i = 0; i < MODEL_DMAS; i++)
		m->dmas[i].file = MODEL_NOBODY;
	m->memory = pages(MODEL_DMAS * MODEL_SLOT, PROT_READ | PROT_WRITE);
	m->no_access = pages(1, PROT_NONE);
	m->read_only = pages(1, PROT_READ);
	m->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (model_users(m) == 0)
		model_open(m);
}

void fuzz_model(uint64_t seed, unsigned long count, uint64_t deadline_ms)
{
	unsigned long end = atomic_load(&fuzz.shared->calls) + count;
	static struct model m;
	long before = locked();

	init(&m, seed);
	while (atomic_load(&fuzz.shared->calls) < end && fuzz_now_ms() < deadline_ms)
		step(&m);
	/* Whoever opens it next finds it reset, and all memory returned. */
	model_close_all(&m);
	if (locked() != before)
		fuzz_fail("%ld KB of locked memory are left", locked() - before);
	close_all(&m);
}

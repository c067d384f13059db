// SPDX-License-Identifier: MIT
/* Mappings of a process, made, changed and accessed by all its threads. */
#include <errno.h>
#include <sys/mman.h>

#include "fuzz_race.h"

uint8_t *race_slot(unsigned int number)
{
	return race_process.slots + (size_t)number * RACE_SLOT_PAGES * FUZZ_PAGE;
}

static void clear_slot(unsigned int number)
{
	(void)mmap(race_slot(number), RACE_SLOT_PAGES * FUZZ_PAGE, PROT_NONE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

/* Slot 0 has BAR 0 at its start or nothing: interrupts are raised there. */
static void map(struct racer *r)
{
	unsigned int number = fuzz_below(&r->rng, RACE_SLOTS);
	uint64_t region = UDRV_STUB_REGION_BAR(0);
	size_t size = FUZZ_PAGE;
	void *addr = race_slot(number);
	int prot = fuzz_one_in(&r->rng, 3) ? PROT_READ : PROT_READ | PROT_WRITE;

	if (number) {
		static const uint64_t regions[] = {0, 1, 2, 4, 8, 16, 18};

		region = race_or_any(r, regions[fuzz_below(&r->rng, 7)]);
		size = (1 + fuzz_below(&r->rng, RACE_SLOT_PAGES)) * FUZZ_PAGE;
	}
	if (number && fuzz_one_in(&r->rng, 3))
		race_check(FUZZ_MMAP_BAR,
			   fuzz_mmap(FUZZ_MMAP_DMA, &addr, (1 + fuzz_below(&r->rng, 4)) * FUZZ_PAGE,
				     prot, MAP_SHARED | MAP_FIXED, race_any_fd(r),
				     race_any_handle(r) & -FUZZ_PAGE));
	else
		race_check(FUZZ_MMAP_BAR,
			   fuzz_mmap(FUZZ_MMAP_BAR, &addr, size, prot, MAP_SHARED | MAP_FIXED,
				     race_any_fd(r), UDRV_STUB_OFFSET(region)));
}

/* Each device has a map 0 of a page or more. */
static void map_uio(struct racer *r)
{
	unsigned int number = 1 + fuzz_below(&r->rng, RACE_SLOTS - 1);
	bool right = fuzz_one_in(&r->rng, 3);
	uint64_t pages = right ? 1 : 1 + fuzz_below(&r->rng, RACE_SLOT_PAGES);
	uint64_t map = right ? 0 : fuzz_below(&r->rng, 4);
	void *addr = race_slot(number);

	race_check(FUZZ_UIO_MMAP,
		   fuzz_mmap(FUZZ_UIO_MMAP, &addr, pages * FUZZ_PAGE, PROT_READ,
			     MAP_SHARED | MAP_FIXED,
			     atomic_load(&race_process.uios[fuzz_below(&r->rng, RACE_FDS)]),
			     map * FUZZ_PAGE));
}

static void unmap(struct racer *r)
{
	clear_slot(fuzz_below(&r->rng, RACE_SLOTS));
}

/* Loads only: a slot may have the registers. */
static void touch(struct racer *r)
{
	uint32_t value;

	fuzz_load(race_slot(fuzz_below(&r->rng, RACE_SLOTS)) +
			  fuzz_below(&r->rng, RACE_SLOT_PAGES) * FUZZ_PAGE,
		  &value);
}

static void change(struct racer *r)
{
	unsigned int from = 1 + fuzz_below(&r->rng, RACE_SLOTS - 1);
	unsigned int to = 1 + fuzz_below(&r->rng, RACE_SLOTS - 1);
	size_t size = (1 + fuzz_below(&r->rng, 4)) * FUZZ_PAGE;

	switch (fuzz_below(&r->rng, 3)) {
	case 0:
		fuzz_count(FUZZ_MPROTECT, mprotect(race_slot(from), size,
						   fuzz_one_in(&r->rng, 2) ? PROT_READ : PROT_NONE)
						  ? -errno
						  : 0);
		break;
	case 1:
		fuzz_count(FUZZ_MADVISE,
			   madvise(race_slot(from), size, (int)fuzz_below(&r->rng, 26)) ? -errno
											: 0);
		break;
	default:
		/* What moves leaves a hole, which is closed at once: nothing else maps here. */
		if (from == to)
			break;
		fuzz_count(FUZZ_MREMAP,
			   mremap(race_slot(from), size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
				  race_slot(to)) == MAP_FAILED
				   ? -errno
				   : 0);
		clear_slot(from);
	}
}

void race_change_maps(struct racer *r)
{
	static void (*const kinds[])(struct racer * r) = {
		map, map, map_uio, unmap, touch, touch, change,
	};

	kinds[fuzz_below(&r->rng, sizeof(kinds) / sizeof(kinds[0]))](r);
}

// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <udrv/dma.h>
#include <udrv/gfp.h>
#include <udrv/kmalloc.h>
#include <udrv/log.h>

#include "mem/arena.h"
#include "mem/kmalloc.h"
#include "mem/slab.h"

#include "support/must.h"
#include "support/suite.h"
#include "support/threads.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

static unsigned int lines;
static char last_line[512];

static void keep(void *ctx, int level, const char *line)
{
	(void)ctx;
	if (level > UDRV_LOG_ERR)
		return;
	lines++;
	strncpy(last_line, line, sizeof(last_line) - 1);
}

static void setup(void)
{
	udrv_log_set(keep, NULL, UDRV_LOG_ERR);
}

/* Sizes that the compiler does not know. */
static void *get_memory(volatile size_t size)
{
	void *p = udrv_kmalloc(size, UDRV_GFP_KERNEL);

	MUST(p);
	return p;
}

static size_t alignment(const void *p)
{
	return (uintptr_t)p & -(uintptr_t)p;
}

static bool all_are(const void *p, int value, size_t n)
{
	const unsigned char *bytes = p;

	for (size_t i = 0; i < n; i++)
		if (bytes[i] != (unsigned char)value)
			return false;
	return true;
}

static uint64_t active(void)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < UDRV__KMALLOC_CLASSES; i++) {
		struct udrv_kmem_cache_stats stats;

		udrv_kmem_cache_get_stats(udrv__kmalloc_caches[i], &stats);
		sum += stats.active;
	}
	return sum;
}

/* In a debug mode objects are larger, the first region is full, and what is freed waits. */
static bool in_a_debug_mode(void)
{
	ck_assert_int_eq(udrv__kmalloc_init(), 0);
	return udrv__kmalloc_caches[0]->debug;
}

START_TEST(each_size_has_the_smallest_class_that_holds_it)
{
	static const size_t classes[] = {8,   16,  32,	 64,   96,   128, 192,
					 256, 512, 1024, 2048, 4096, 8192};
	size_t at = 0;

	for (size_t size = 1; size <= 8 * KIB; size++) {
		char *p = get_memory(size);

		at += size > classes[at];
		MUST(udrv_ksize(p) == classes[at]);
		MUST(udrv_kmalloc_size_roundup(size) == classes[at]);
		MUST(udrv__kmalloc_class(size) == at &&
		     udrv__kmalloc_class_size((unsigned int)at) == classes[at]);
		memset(p, 0xa5, classes[at]);
		udrv_kfree(p);
	}
	ck_assert_uint_eq(active(), 0);
	ck_assert_uint_eq(lines, 0);
}
END_TEST

START_TEST(constant_sizes_are_the_same)
{
	void *p[] = {
		udrv_kmalloc(1, UDRV_GFP_KERNEL),    udrv_kmalloc(8, UDRV_GFP_KERNEL),
		udrv_kmalloc(9, UDRV_GFP_KERNEL),    udrv_kmalloc(65, UDRV_GFP_KERNEL),
		udrv_kmalloc(129, UDRV_GFP_KERNEL),  udrv_kmalloc(193, UDRV_GFP_KERNEL),
		udrv_kmalloc(2049, UDRV_GFP_KERNEL), udrv_kmalloc(8192, UDRV_GFP_KERNEL),
		udrv_kmalloc(8193, UDRV_GFP_KERNEL),
	};
	static const size_t sizes[] = {8, 8, 16, 96, 192, 256, 4096, 8192, 12288};

	for (size_t i = 0; i < sizeof(p) / sizeof(p[0]); i++) {
		ck_assert_uint_eq(udrv_ksize(p[i]), sizes[i]);
		udrv_kfree(p[i]);
	}
	ck_assert_uint_eq(active(), 0);
}
END_TEST

START_TEST(powers_of_two_are_aligned_to_themselves)
{
	enum { N = 40 };
	void *p[N];

	for (size_t size = 8; size <= 4 * MIB; size *= 2) {
		size_t n = size <= 64 * KIB ? N : 2;

		for (size_t i = 0; i < n; i++) {
			p[i] = get_memory(size);
			ck_assert_uint_ge(alignment(p[i]), size);
			memset(p[i], 1, size);
		}
		while (n--)
			udrv_kfree(p[n]);
	}
	for (size_t size = 9; size <= 8 * KIB; size += 8) {
		p[0] = get_memory(size);
		MUST(alignment(p[0]) >= 16);
		udrv_kfree(p[0]);
	}
}
END_TEST

START_TEST(large_sizes_are_whole_pages)
{
	static const struct {
		size_t size, have;
	} cases[] = {{8193, 12288},  {12288, 12288},	    {12289, 16384},
		     {65536, 65536}, {MIB + 1, MIB + 4096}, {4 * MIB, 4 * MIB}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *p = get_memory(cases[i].size);

		ck_assert_uint_ge(alignment(p), 4096);
		ck_assert_uint_eq(udrv_ksize(p), cases[i].have);
		ck_assert_uint_eq(udrv_kmalloc_size_roundup(cases[i].size), cases[i].have);
		memset(p, 0x5a, cases[i].have);
		udrv_kfree(p);
		ck_assert_uint_eq(udrv_ksize(p), 0);
	}
}
END_TEST

START_TEST(no_bytes_are_a_pointer_of_their_own)
{
	volatile size_t none = 0;

	ck_assert_ptr_eq(udrv_kmalloc(0, UDRV_GFP_KERNEL), UDRV_ZERO_SIZE_PTR);
	ck_assert_ptr_eq(udrv_kmalloc(none, UDRV_GFP_ATOMIC), UDRV_ZERO_SIZE_PTR);
	ck_assert_ptr_eq(udrv_kcalloc(none, 8, UDRV_GFP_KERNEL), UDRV_ZERO_SIZE_PTR);
	ck_assert_ptr_eq(udrv_kmalloc_node(none, UDRV_GFP_KERNEL, 0), UDRV_ZERO_SIZE_PTR);
	ck_assert_ptr_eq(udrv_kmemdup("", 0, UDRV_GFP_KERNEL), UDRV_ZERO_SIZE_PTR);
	ck_assert(UDRV_ZERO_OR_NULL_PTR(UDRV_ZERO_SIZE_PTR) && UDRV_ZERO_OR_NULL_PTR(NULL));
	ck_assert(!UDRV_ZERO_OR_NULL_PTR(&none));
	udrv_kfree(NULL);
	udrv_kfree(UDRV_ZERO_SIZE_PTR);
	udrv_kfree_sensitive(UDRV_ZERO_SIZE_PTR);
	ck_assert_uint_eq(udrv_ksize(NULL) + udrv_ksize(UDRV_ZERO_SIZE_PTR), 0);
	ck_assert_uint_eq(udrv_kmalloc_size_roundup(0), 0);
	ck_assert_uint_eq(lines, 0);
	ck_assert_uint_eq(udrv__common_arena.bytes, 0);
}
END_TEST

START_TEST(sizes_that_are_too_large_or_overflow)
{
	volatile size_t half = SIZE_MAX / 2 + 1;
	void *p = get_memory(100);

	ck_assert_ptr_null(udrv_kmalloc(4 * MIB + 1, UDRV_GFP_KERNEL));
	ck_assert_uint_eq(lines, 1);
	ck_assert_ptr_nonnull(strstr(last_line, "4194305"));
	ck_assert_ptr_null(udrv_kmalloc(SIZE_MAX, UDRV_GFP_KERNEL | UDRV_GFP_NOWARN));
	ck_assert_uint_eq(lines, 1);
	ck_assert_uint_eq(udrv_kmalloc_size_roundup(SIZE_MAX), SIZE_MAX);
	ck_assert_ptr_null(udrv_kmalloc_array(half, 2, UDRV_GFP_KERNEL));
	ck_assert_ptr_null(udrv_kcalloc(2, half, UDRV_GFP_KERNEL));
	ck_assert_ptr_null(udrv_kcalloc(SIZE_MAX, SIZE_MAX, UDRV_GFP_KERNEL));
	ck_assert_ptr_null(udrv_krealloc_array(p, half, 2, UDRV_GFP_KERNEL));
	ck_assert_ptr_null(udrv_krealloc(p, SIZE_MAX, UDRV_GFP_KERNEL | UDRV_GFP_NOWARN));
	ck_assert_ptr_null(udrv_kmemdup_nul("", SIZE_MAX, UDRV_GFP_KERNEL));
	ck_assert_uint_eq(udrv_get_free_pages(UDRV_GFP_KERNEL | UDRV_GFP_NOWARN, 64), 0);
	ck_assert_uint_eq(lines, 1);
	ck_assert_uint_eq(udrv_get_free_pages(UDRV_GFP_KERNEL, 11), 0);
	ck_assert_uint_eq(lines, 2);
	ck_assert_uint_eq(udrv_ksize(p), 128);
	udrv_kfree(p);
}
END_TEST

START_TEST(zeroed_memory_is_zero_also_where_it_was_used_before)
{
	static const size_t sizes[] = {1, 8, 24, 100, 700, 3000, 8192, 8193, 70000};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		volatile size_t size = sizes[i];

		for (int round = 0; round < 3; round++) {
			char *p = udrv_kzalloc(size, UDRV_GFP_KERNEL);
			char *q = udrv_kcalloc(size, 1, UDRV_GFP_KERNEL);
			char *r = udrv_kzalloc_node(size, UDRV_GFP_KERNEL, -1);

			ck_assert(all_are(p, 0, size));
			ck_assert(all_are(q, 0, size));
			ck_assert(all_are(r, 0, size));
			memset(p, 0xff, udrv_ksize(p));
			memset(q, 0xff, udrv_ksize(q));
			memset(r, 0xff, udrv_ksize(r));
			udrv_kfree(p);
			udrv_kfree(q);
			udrv_kfree(r);
		}
	}
	for (int round = 0; round < 3; round++) {
		char *p = udrv_kzalloc(40, UDRV_GFP_KERNEL);

		ck_assert(all_are(p, 0, 40));
		memset(p, 0xff, udrv_ksize(p));
		udrv_kfree(p);
	}
}
END_TEST

START_TEST(krealloc_keeps_what_is_in_it)
{
	unsigned char *p = NULL;
	size_t size = 0;

	for (size_t to = 1; to <= 4 * MIB; to += to / 3 + 1) {
		p = udrv_krealloc(p, to, UDRV_GFP_KERNEL);
		ck_assert_ptr_nonnull(p);
		ck_assert(all_are(p, 0x3c, size));
		memset(p, 0x3c, to);
		size = to;
	}
	while (size > 1) {
		void *was = p;

		size = size * 2 / 3;
		p = udrv_krealloc(p, size, UDRV_GFP_KERNEL);
		ck_assert_ptr_eq(p, was);
		ck_assert(all_are(p, 0x3c, size));
	}
	ck_assert_ptr_eq(udrv_krealloc(p, 0, UDRV_GFP_KERNEL), UDRV_ZERO_SIZE_PTR);
	ck_assert_uint_eq(udrv_ksize(p), 0);
	p = udrv_krealloc(UDRV_ZERO_SIZE_PTR, 10, UDRV_GFP_KERNEL);
	ck_assert_uint_eq(udrv_ksize(p), 16);
	p = udrv_krealloc_array(p, 10, 10, UDRV_GFP_KERNEL);
	ck_assert_uint_eq(udrv_ksize(p), 128);
	udrv_kfree(p);
	ck_assert_uint_eq(active(), 0);
}
END_TEST

START_TEST(krealloc_with_zero_has_zeros_behind_the_end)
{
	char *p = udrv_kzalloc(100, UDRV_GFP_KERNEL);

	memset(p, 1, 100);
	p = udrv_krealloc(p, 50, UDRV_GFP_KERNEL | UDRV_GFP_ZERO);
	p = udrv_krealloc(p, 128, UDRV_GFP_KERNEL | UDRV_GFP_ZERO);
	ck_assert(all_are(p, 1, 50) && all_are(p + 50, 0, 78));
	p = udrv_krealloc(p, 20000, UDRV_GFP_KERNEL | UDRV_GFP_ZERO);
	ck_assert(all_are(p, 1, 50) && all_are(p + 50, 0, 20000 - 50));
	udrv_kfree(p);
}
END_TEST

static char said[8][256];
static unsigned int said_count;

static void keep_line(void *ctx, int level, const char *line)
{
	(void)ctx;
	(void)level;
	(void)snprintf(said[said_count++ % 8], sizeof(said[0]), "%s", line);
}

/* SLUB: what was not asked for is a red zone (kmalloc_redzone_access of its tests). */
START_TEST(a_debug_mode_knows_how_many_bytes_were_asked_for)
{
	char *p;

	ck_assert_int_eq(udrv__kmalloc_end(), 0);
	/* Else the address sanitizer ends the test at the first byte that is too far. */
	udrv__slab_checkers = false;
	ck_assert_int_eq(setenv("UDRV_SLAB_DEBUG", "FZ,kmalloc-32", 1), 0);
	p = udrv_kmalloc(18, UDRV_GFP_KERNEL);
	udrv_log_set(keep_line, NULL, UDRV_LOG_ERR);
	p[17] = 1;
	ck_assert_int_eq(udrv_kmem_cache_validate(udrv__kmalloc_caches[2]), 0);
	p = udrv_krealloc(p, 20, UDRV_GFP_KERNEL);
	p[19] = 1;
	ck_assert_int_eq(udrv_kmem_cache_validate(udrv__kmalloc_caches[2]), 0);
	ck_assert_uint_eq(said_count, 0);
	p[20] = 1;
	ck_assert_int_eq(udrv_kmem_cache_validate(udrv__kmalloc_caches[2]), 1);
	ck_assert_uint_gt(said_count, 0);
	ck_assert_ptr_nonnull(strstr(said[0], "kmalloc-32"));
	udrv_kfree(p);
	ck_assert_int_eq(unsetenv("UDRV_SLAB_DEBUG"), 0);
}
END_TEST

static void must_refuse(const void *p)
{
	unsigned int before = lines;

	udrv_kfree(p);
	ck_assert_uint_eq(lines, before + 1);
	ck_assert_ptr_nonnull(strstr(last_line, "udrv_kfree(): "));
	ck_assert_uint_eq(udrv_ksize(p), 0);
	ck_assert_ptr_null(udrv_krealloc(p, 10, UDRV_GFP_KERNEL));
	ck_assert_uint_eq(lines, before + 3);
}

START_TEST(a_wrong_pointer_is_refused_and_changes_nothing)
{
	char *small = get_memory(64);
	char *odd = get_memory(90);
	char *page = get_memory(4096);
	char *large = get_memory(65536);
	char *gone = get_memory(20000);
	void *block = malloc(64);
	int here = 0;

	udrv_kfree(gone);
	must_refuse(&here);
	must_refuse(block);
	must_refuse((void *)1000);
	must_refuse((void *)UINTPTR_MAX);
	must_refuse(small + 1);
	must_refuse(small + 8);
	must_refuse(odd + 32);
	must_refuse(page + 2048);
	must_refuse(large + 64);
	must_refuse(large + 4096);
	must_refuse(gone);
	/* The start of a slab is a run of the arena, but not one of kmalloc's. */
	must_refuse((void *)((uintptr_t)small & ~(64 * KIB - 1)));
	must_refuse((void *)(((uintptr_t)small & ~(64 * KIB - 1)) + 8));
	ck_assert_uint_eq(active(), 3);
	ck_assert_uint_eq(udrv_ksize(small), 64);
	ck_assert_uint_eq(udrv_ksize(large), 65536);
	udrv_kfree(small);
	udrv_kfree(odd);
	udrv_kfree(page);
	udrv_kfree(large);
	free(block);
	ck_assert_int_eq(udrv__kmalloc_end(), 0);
}
END_TEST

/* What is left of a slab in pages that have another use is not taken for one. */
START_TEST(pages_that_were_a_slab_can_be_freed)
{
	enum { N = 2000 };
	static void *p[N];
	void *large[20];

	for (int i = 0; i < N; i++)
		p[i] = get_memory(512);
	for (int i = 0; i < N; i++)
		udrv_kfree(p[i]);
	(void)udrv_kmem_cache_shrink(udrv__kmalloc_caches[8]);
	for (int i = 0; i < 20; i++)
		large[i] = get_memory(65536);
	for (int i = 0; i < 20; i++)
		udrv_kfree(large[i]);
	ck_assert_uint_eq(lines, 0);
}
END_TEST

START_TEST(atomic_needs_caches_and_says_so_once)
{
	volatile size_t size = 100;
	void *p;

	ck_assert_ptr_null(udrv_kmalloc(100, UDRV_GFP_ATOMIC));
	ck_assert_uint_eq(lines, 1);
	ck_assert_ptr_nonnull(strstr(last_line, "UDRV_GFP_ATOMIC"));
	ck_assert_ptr_null(udrv_kmalloc(size, UDRV_GFP_ATOMIC));
	ck_assert_ptr_null(udrv_kmalloc(100000, UDRV_GFP_ATOMIC));
	ck_assert_uint_eq(lines, 1);
	ck_assert_int_eq(udrv__kmalloc_init(), 0);
	if (in_a_debug_mode())
		return;
	for (int i = 0; i < 3; i++) {
		p = udrv_kmalloc(size, i ? UDRV_GFP_ATOMIC : UDRV_GFP_NOWAIT);
		ck_assert_ptr_nonnull(p);
		udrv_kfree(p);
		p = udrv_kmalloc(100000, UDRV_GFP_ATOMIC);
		ck_assert_ptr_nonnull(p);
		udrv_kfree(p);
		p = udrv_krealloc(NULL, 100, UDRV_GFP_ATOMIC);
		p = udrv_krealloc(p, 9000, UDRV_GFP_ATOMIC);
		ck_assert_ptr_nonnull(p);
		udrv_kfree(p);
	}
	ck_assert_uint_eq(lines, 1);
}
END_TEST

START_TEST(each_class_has_a_reserve_for_atomic)
{
	void *p[8];

	ck_assert_int_eq(udrv__kmalloc_init(), 0);
	if (in_a_debug_mode())
		return;
	for (unsigned int i = 0; i < UDRV__KMALLOC_CLASSES; i++) {
		for (int k = 0; k < 8; k++) {
			p[k] = udrv_kmalloc_node(udrv__kmalloc_class_size(i), UDRV_GFP_ATOMIC, -1);
			ck_assert_ptr_nonnull(p[k]);
		}
		for (int k = 0; k < 8; k++)
			udrv_kfree(p[k]);
	}
}
END_TEST

START_TEST(all_reserves_fit_in_one_region_with_room_for_more)
{
	size_t memory = 0;

	ck_assert_int_eq(udrv__kmalloc_init(), 0);
	if (in_a_debug_mode())
		return;
	ck_assert_uint_eq(udrv__common_arena.bytes, 2 * MIB);
	for (unsigned int i = 0; i < UDRV__KMALLOC_CLASSES; i++) {
		struct udrv_kmem_cache *cache = udrv__kmalloc_caches[i];
		size_t size = udrv__kmalloc_class_size(i);
		struct udrv_kmem_cache_stats stats;
		char name[32];

		(void)snprintf(name, sizeof(name), size < 1024 ? "kmalloc-%zu" : "kmalloc-%zuk",
			       size < 1024 ? size : size / 1024);
		ck_assert_str_eq(cache->name, name);
		udrv_kmem_cache_get_stats(cache, &stats);
		ck_assert_uint_le(stats.magazine * size, 32 * KIB);
		memory += stats.memory;
	}
	ck_assert_uint_le(memory, 1408 * KIB);
}
END_TEST

static bool below(const void *p, size_t size, udrv_iova_t limit)
{
	return udrv_virt_to_bus(p) != UDRV_DMA_MAPPING_ERROR && udrv_virt_to_bus(p) + size <= limit;
}

START_TEST(low_memory_is_below_its_limit)
{
	static const size_t sizes[] = {1, 100, 4096, 8192, 8193, 200000};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t size = sizes[i];
		char *p = udrv_kmalloc(size, UDRV_GFP_KERNEL | UDRV_GFP_DMA);
		char *q = udrv_kmalloc(size, UDRV_GFP_KERNEL | UDRV_GFP_DMA32);
		char *r =
			udrv_kmalloc_node(size, UDRV_GFP_KERNEL | UDRV_GFP_DMA | UDRV_GFP_ZERO, 0);

		ck_assert(below(p, size, 16 * MIB));
		ck_assert(below(q, size, 4096 * MIB));
		ck_assert(below(r, size, 16 * MIB));
		ck_assert(all_are(r, 0, size));
		ck_assert_uint_ge(udrv_ksize(p), size);
		udrv_kfree(p);
		udrv_kfree(q);
		udrv_kfree(r);
	}
	ck_assert_ptr_nonnull(udrv_kmalloc(64, UDRV_GFP_ATOMIC | UDRV_GFP_DMA));
	ck_assert_uint_eq(active(), 0);
}
END_TEST

START_TEST(memory_is_in_a_row_for_the_device)
{
	for (size_t size = 100; size <= 3 * MIB; size *= 7) {
		char *p = get_memory(size);

		ck_assert_uint_eq(udrv_virt_to_bus(p + size - 1) - udrv_virt_to_bus(p), size - 1);
		ck_assert_ptr_eq(udrv_bus_to_virt(udrv_virt_to_bus(p)), p);
		udrv_kfree(p);
	}
}
END_TEST

START_TEST(strings)
{
	char *a = udrv_kstrdup("device", UDRV_GFP_KERNEL);
	char *b = udrv_kstrndup("device", 3, UDRV_GFP_KERNEL);
	char *c = udrv_kstrndup("device", 30, UDRV_GFP_KERNEL);
	char *d = udrv_kasprintf(UDRV_GFP_KERNEL, "%s-%d-%0300d", "q", 7, 1);
	char *e = udrv_kmemdup_nul("a\0b", 3, UDRV_GFP_KERNEL);
	char *f = udrv_kmemdup("abc", 4, UDRV_GFP_KERNEL);
	const char *g = udrv_kstrdup_const("const", UDRV_GFP_KERNEL);

	ck_assert_str_eq(a, "device");
	ck_assert_str_eq(b, "dev");
	ck_assert_str_eq(c, "device");
	ck_assert_uint_eq(strlen(d), 304);
	ck_assert_int_eq(strncmp(d, "q-7-000", 7), 0);
	ck_assert_mem_eq(e, "a\0b", 4);
	ck_assert_str_eq(f, "abc");
	ck_assert_str_eq(g, "const");
	ck_assert_ptr_null(udrv_kstrdup(NULL, UDRV_GFP_KERNEL));
	ck_assert_ptr_null(udrv_kstrndup(NULL, 3, UDRV_GFP_KERNEL));
	ck_assert_uint_eq(active(), 7);
	udrv_kfree(a);
	udrv_kfree(b);
	udrv_kfree(c);
	udrv_kfree(d);
	udrv_kfree(e);
	udrv_kfree(f);
	udrv_kfree_const(g);
	ck_assert_uint_eq(active(), 0);
}
END_TEST

START_TEST(sensitive_memory_is_zeroed)
{
	char *p = get_memory(500);

	memset(p, 0x77, 500);
	udrv_kfree_sensitive(p);
	if (in_a_debug_mode())
		return;
	/* The last freed is the next to be allocated. */
	ck_assert_ptr_eq(get_memory(500), p);
	ck_assert(all_are(p, 0, 512));
	udrv_kfree(p);
}
END_TEST

START_TEST(pages)
{
	unsigned long one = udrv_get_free_page(UDRV_GFP_KERNEL);

	for (unsigned int order = 0; order <= 10; order++) {
		unsigned long addr = udrv_get_free_pages(UDRV_GFP_KERNEL, order);

		ck_assert_uint_ne(addr, 0);
		ck_assert_uint_eq(addr % ((size_t)4096 << order), 0);
		memset((void *)addr, 1, (size_t)4096 << order);
		udrv_free_pages(addr, order + 1);
		udrv_free_pages(addr + 4096, order);
		udrv_free_pages(addr, 70);
		ck_assert_uint_eq(lines, 3 * (order + 1));
		udrv_free_pages(addr, order);
		ck_assert_uint_eq(lines, 3 * (order + 1));
	}
	udrv_free_page(one);
	udrv_free_page(0);
	one = udrv_get_zeroed_page(UDRV_GFP_ATOMIC);
	ck_assert(all_are((void *)one, 0, 4096));
	udrv_kfree((void *)one);
	ck_assert_uint_eq(lines, 33);
}
END_TEST

START_TEST(the_caches_end_only_when_nothing_is_allocated)
{
	void *p = get_memory(30);

	ck_assert_int_eq(udrv__kmalloc_end(), -EBUSY);
	ck_assert_uint_eq(udrv_ksize(p), 32);
	udrv_kfree(p);
	ck_assert_int_eq(udrv__kmalloc_end(), 0);
	ck_assert_uint_eq(udrv__common_arena.bytes, 0);
	p = get_memory(30);
	udrv_kfree(p);
	ck_assert_int_eq(udrv__kmalloc_end(), 0);
}
END_TEST

/* Threads. */

#define THREADS 4

static unsigned int ready;

static void *allocate_first(void *arg)
{
	inc(ready);
	until(get(ready) == THREADS);
	for (size_t size = 1; size < 20000; size = size * 3 + 1)
		udrv_kfree(get_memory(size));
	return arg;
}

START_TEST(several_threads_may_be_the_first)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		threads[i] = start(allocate_first, NULL);
	for (int i = 0; i < THREADS; i++)
		finish(threads[i]);
	ck_assert_uint_eq(active(), 0);
	ck_assert_uint_eq(lines, 0);
	ck_assert_int_eq(udrv__kmalloc_end(), 0);
}
END_TEST

/* Each block holds its size and a pattern of it, all over. */
enum { SHARED = 64, OWN = 200 };
static uint64_t *shared[SHARED];

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static size_t random_size(uint64_t *state)
{
	uint64_t r = next_random(state);
	size_t bits = 4 + r % (r % 50 ? 8 : 14);

	return 16 + (next_random(state) & ((UINT64_C(1) << bits) - 1));
}

static void mark(uint64_t *p, size_t size)
{
	MUST(udrv_ksize(p) >= size);
	for (size_t i = 0; i < size / 8; i++)
		p[i] = size ^ i << 32;
}

static void check(const uint64_t *p)
{
	size_t size = (size_t)*p;

	for (size_t i = 0; i < size / 8; i++)
		MUST(p[i] == (size ^ i << 32));
}

static uint64_t *change(uint64_t *p, uint64_t *state)
{
	size_t size = random_size(state);
	udrv_gfp_t gfp = next_random(state) % 4 ? UDRV_GFP_KERNEL : UDRV_GFP_ATOMIC;
	uint64_t *q;
	size_t old;

	if (!p) {
		q = next_random(state) % 2 ? udrv_kmalloc(size, gfp)
					   : udrv_kmalloc_node(size, gfp, (int)(size % 2));
		MUST(q || gfp == UDRV_GFP_ATOMIC);
		if (q)
			mark(q, size);
		return q;
	}
	check(p);
	if (next_random(state) % 3) {
		udrv_kfree(p);
		return NULL;
	}
	old = (size_t)*p;
	q = udrv_krealloc(p, size, gfp);
	MUST(q || gfp == UDRV_GFP_ATOMIC);
	if (!q)
		return p;
	for (size_t i = 0; i < (old < size ? old : size) / 8; i++)
		MUST(q[i] == (old ^ i << 32));
	mark(q, size);
	return q;
}

static void *play(void *seed)
{
	uint64_t state = (uintptr_t)seed * UINT64_C(0x9e3779b97f4a7c15);
	uint64_t *own[OWN] = {0};

	for (int i = 0; i < 60000; i++) {
		size_t at = next_random(&state) % OWN;

		own[at] = change(own[at], &state);
		if (next_random(&state) % 4 == 0)
			own[at] = __atomic_exchange_n(&shared[at % SHARED], own[at],
						      __ATOMIC_ACQ_REL);
	}
	for (size_t i = 0; i < OWN; i++) {
		if (own[i])
			check(own[i]);
		udrv_kfree(own[i]);
	}
	return NULL;
}

START_TEST(threads_at_random)
{
	pthread_t threads[THREADS];

	ck_assert_int_eq(udrv__kmalloc_init(), 0);
	for (int i = 0; i < THREADS; i++)
		threads[i] = start(play, (void *)(uintptr_t)(i + 1));
	for (int i = 0; i < THREADS; i++)
		finish(threads[i]);
	for (size_t i = 0; i < SHARED; i++) {
		if (shared[i])
			check(shared[i]);
		udrv_kfree(shared[i]);
	}
	ck_assert_uint_eq(active(), 0);
	ck_assert_uint_eq(lines, 0);
	ck_assert_int_eq(udrv__kmalloc_end(), 0);
	ck_assert_uint_eq(udrv__common_arena.bytes, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("kmalloc");
	TCase *tc = tcase_create("kmalloc");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, each_size_has_the_smallest_class_that_holds_it);
	tcase_add_test(tc, constant_sizes_are_the_same);
	tcase_add_test(tc, powers_of_two_are_aligned_to_themselves);
	tcase_add_test(tc, large_sizes_are_whole_pages);
	tcase_add_test(tc, no_bytes_are_a_pointer_of_their_own);
	tcase_add_test(tc, sizes_that_are_too_large_or_overflow);
	tcase_add_test(tc, zeroed_memory_is_zero_also_where_it_was_used_before);
	tcase_add_test(tc, krealloc_keeps_what_is_in_it);
	tcase_add_test(tc, a_debug_mode_knows_how_many_bytes_were_asked_for);
	tcase_add_test(tc, krealloc_with_zero_has_zeros_behind_the_end);
	tcase_add_test(tc, a_wrong_pointer_is_refused_and_changes_nothing);
	tcase_add_test(tc, pages_that_were_a_slab_can_be_freed);
	tcase_add_test(tc, atomic_needs_caches_and_says_so_once);
	tcase_add_test(tc, each_class_has_a_reserve_for_atomic);
	tcase_add_test(tc, all_reserves_fit_in_one_region_with_room_for_more);
	tcase_add_test(tc, low_memory_is_below_its_limit);
	tcase_add_test(tc, memory_is_in_a_row_for_the_device);
	tcase_add_test(tc, strings);
	tcase_add_test(tc, sensitive_memory_is_zeroed);
	tcase_add_test(tc, pages);
	tcase_add_test(tc, the_caches_end_only_when_nothing_is_allocated);
	tcase_add_test(tc, several_threads_may_be_the_first);
	tcase_add_test(tc, threads_at_random);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

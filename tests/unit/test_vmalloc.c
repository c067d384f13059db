// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <udrv/dma.h>
#include <udrv/kmalloc.h>
#include <udrv/log.h>
#include <udrv/vmalloc.h>

#include "mem/region.h"

#include "support/suite.h"
#include "support/threads.h"

static unsigned int lines;

static void keep(void *ctx, int level, const char *line)
{
	(void)ctx;
	(void)line;
	lines += level <= UDRV_LOG_ERR;
}

static size_t page;

static void setup(void)
{
	page = (size_t)sysconf(_SC_PAGESIZE);
	udrv_log_set(keep, NULL, UDRV_LOG_ERR);
}

static size_t mapped(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	size_t pages = 0;

	ck_assert_int_eq(fscanf(f, "%zu", &pages), 1);
	(void)fclose(f);
	return pages * page;
}

START_TEST(memory_is_of_pages_and_zero)
{
	static const size_t sizes[] = {1, 4096, 4097, 1000000, 100u << 20};
	size_t before = mapped();

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		unsigned char *p = udrv_vzalloc(sizes[i]);

		ck_assert_ptr_nonnull(p);
		ck_assert_uint_eq((uintptr_t)p % page, 0);
		for (size_t at = 0; at < sizes[i]; at += 1000)
			if (p[at])
				ck_abort_msg("byte %zu", at);
		memset(p, 1, sizes[i]);
		udrv_vfree(p);
	}
	ck_assert_uint_lt(mapped(), before + (1u << 20));
	ck_assert_uint_eq(lines, 0);
}
END_TEST

static sigjmp_buf back;

static void jump(int sig)
{
	(void)sig;
	siglongjmp(back, 1);
}

START_TEST(an_overrun_faults)
{
	volatile char *p = udrv_vmalloc(page);
	struct sigaction sa = {.sa_handler = jump};

	p[page - 1] = 1;
	sigaction(SIGSEGV, &sa, NULL);
	if (!sigsetjmp(back, 1)) {
		p[page] = 1;
		ck_abort_msg("the byte behind the memory can be written");
	}
	udrv_vfree((const void *)(uintptr_t)p);
}
END_TEST

START_TEST(sizes_that_are_refused)
{
	ck_assert_ptr_null(udrv_vmalloc(0));
	ck_assert_ptr_null(udrv_vmalloc(SIZE_MAX));
	ck_assert_ptr_null(udrv_vmalloc(SIZE_MAX / 2));
	ck_assert_uint_eq(lines, 3);
	ck_assert_ptr_null(udrv_vmalloc_array(SIZE_MAX, 2));
	ck_assert_ptr_null(udrv_vcalloc(SIZE_MAX / 4, 5));
	ck_assert_ptr_null(udrv_kvmalloc_array(SIZE_MAX, 2, UDRV_GFP_KERNEL));
	ck_assert_ptr_null(udrv_kvcalloc(SIZE_MAX, 3, UDRV_GFP_KERNEL));
}
END_TEST

START_TEST(addresses_are_told_apart)
{
	char *v = udrv_vmalloc(3 * page);
	char *w = udrv_vcalloc(10, page);
	char *k = udrv_kmalloc(100, UDRV_GFP_KERNEL);

	ck_assert(udrv_is_vmalloc_addr(v));
	ck_assert(udrv_is_vmalloc_addr(v + 3 * page - 1));
	ck_assert(!udrv_is_vmalloc_addr(v + 3 * page));
	ck_assert(!udrv_is_vmalloc_addr(v - 1));
	ck_assert(udrv_is_vmalloc_addr(w + 5000));
	ck_assert(!udrv_is_vmalloc_addr(k));
	ck_assert(!udrv_is_vmalloc_addr(&k));
	ck_assert(!udrv_is_vmalloc_addr(NULL));
	ck_assert_uint_eq(udrv_virt_to_bus(v), UDRV_DMA_MAPPING_ERROR);
	udrv_vfree(v);
	ck_assert(!udrv_is_vmalloc_addr(v));
	ck_assert(udrv_is_vmalloc_addr(w));
	udrv_vfree(w);
	ck_assert(!udrv_is_vmalloc_addr(w));
	udrv_kfree(k);
}
END_TEST

START_TEST(a_wrong_pointer_is_refused)
{
	char *v = udrv_vmalloc(3 * page);
	char *k = udrv_kmalloc(100, UDRV_GFP_KERNEL);

	udrv_vfree(NULL);
	ck_assert_uint_eq(lines, 0);
	udrv_vfree(v + page);
	udrv_vfree(v + 1);
	udrv_vfree(k);
	udrv_vfree(&v);
	udrv_kfree(v);
	ck_assert_uint_eq(lines, 5);
	memset(v, 1, 3 * page);
	memset(k, 1, 100);
	udrv_vfree(v);
	ck_assert_uint_eq(lines, 5);
	udrv_vfree(v);
	ck_assert_uint_eq(lines, 6);
	udrv_kfree(k);
}
END_TEST

START_TEST(kvmalloc_is_one_or_the_other)
{
	static const size_t sizes[] = {1, 8192, 8193, 10u << 20};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *p = udrv_kvzalloc(sizes[i], UDRV_GFP_KERNEL);

		ck_assert_ptr_nonnull(p);
		ck_assert_int_eq(p[0], 0);
		ck_assert_int_eq(udrv_is_vmalloc_addr(p), i >= 2);
		memset(p, 1, sizes[i]);
		udrv_kvfree(p);
		ck_assert(!udrv_is_vmalloc_addr(p));
	}
	/* Nothing is mapped for who must not wait. */
	udrv_kvfree(udrv_kvmalloc(20000, UDRV_GFP_ATOMIC));
	ck_assert(!udrv_is_vmalloc_addr(udrv_kvmalloc(20000, UDRV_GFP_ATOMIC)));
	udrv_kvfree(NULL);
	udrv_kvfree(UDRV_ZERO_SIZE_PTR);
	ck_assert_ptr_eq(udrv_kvmalloc(0, UDRV_GFP_KERNEL), UDRV_ZERO_SIZE_PTR);
	ck_assert_uint_eq(lines, 0);
	udrv_kvfree(&page);
	ck_assert_uint_eq(lines, 1);
}
END_TEST

#define THREADS 4

static void *come_and_go(void *arg)
{
	uintptr_t seed = (uintptr_t)arg;
	unsigned char *p[30] = {0};

	for (unsigned int i = 0; i < 3000; i++) {
		size_t at = (i * 7 + seed) % 30;

		if (p[at] && (*p[at] != (unsigned char)at || !udrv_is_vmalloc_addr(p[at])))
			ck_abort_msg("another one's memory");
		udrv_vfree(p[at]);
		p[at] = i % 3 ? udrv_vmalloc(1 + i * 13 % 50000) : NULL;
		if (p[at])
			*p[at] = (unsigned char)at;
	}
	for (size_t at = 0; at < 30; at++)
		udrv_vfree(p[at]);
	return NULL;
}

/* The last device's close may be freeing the tables: here they fault. */
START_TEST(without_a_region_no_tables_are_looked_at)
{
	static const void *const none[] = {NULL, UDRV_ZERO_SIZE_PTR};
	struct udrv__region_leaf *trap =
		mmap(NULL, sizeof(*trap), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *areas[] = {udrv_vmalloc(1), udrv_kvmalloc(20000, UDRV_GFP_KERNEL)};

	ck_assert_ptr_ne(trap, MAP_FAILED);
	for (size_t i = 0; i < 1u << UDRV__TOP_BITS; i++)
		udrv__regions_by_va.leaves[i] = trap;
	for (size_t i = 0; i < 2; i++) {
		udrv_kfree(none[i]);
		udrv_kfree_sensitive(none[i]);
		udrv_kvfree(none[i]);
		udrv_kvfree(areas[i]);
		ck_assert_uint_eq(udrv_ksize(none[i]), 0);
		ck_assert(!udrv_is_vmalloc_addr(areas[i]));
	}
	memset(udrv__regions_by_va.leaves, 0, sizeof(udrv__regions_by_va.leaves));
	munmap(trap, sizeof(*trap));
	ck_assert_uint_eq(lines, 0);
}
END_TEST

START_TEST(threads_come_and_go)
{
	pthread_t threads[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		threads[i] = start(come_and_go, (void *)i);
	for (int i = 0; i < THREADS; i++)
		finish(threads[i]);
	ck_assert_uint_eq(lines, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vmalloc");
	TCase *tc = tcase_create("vmalloc");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, memory_is_of_pages_and_zero);
	tcase_add_test(tc, an_overrun_faults);
	tcase_add_test(tc, sizes_that_are_refused);
	tcase_add_test(tc, addresses_are_told_apart);
	tcase_add_test(tc, a_wrong_pointer_is_refused);
	tcase_add_test(tc, kvmalloc_is_one_or_the_other);
	tcase_add_test(tc, without_a_region_no_tables_are_looked_at);
	tcase_add_test(tc, threads_come_and_go);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

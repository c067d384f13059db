// SPDX-License-Identifier: MIT
/* Making a cache, and making it grow: each acquiring call inside fails in turn. */
#include <errno.h>
#include <stdlib.h>

#include <udrv/slab.h>

#include "mem/slab.h"

#include "support/fault.h"
#include "support/suite.h"

static struct udrv_kmem_cache *cache;
static void *objs[5000];
static int made;
static int ended;

static void ctor(void *obj)
{
	(void)obj;
	made++;
}

static void dtor(void *obj)
{
	(void)obj;
	ended++;
}

static int step_create(void *ctx)
{
	const size_t *size = ctx;

	cache = udrv_kmem_cache_create(NULL, "fault", *size, 0, 0, ctor, dtor);
	if (!cache)
		FAULT_MUST(made == ended);
	return cache ? 0 : -ENOMEM;
}

static void undo_create(void *ctx)
{
	(void)ctx;
	ck_assert_int_eq(udrv_kmem_cache_destroy(cache), 0);
	ck_assert_int_eq(made, ended);
}

static void set_modes(const char *modes)
{
	ck_assert_int_eq(setenv("UDRV_SLAB_DEBUG", modes, 1), 0);
}

/* Each test: in no debug mode; in debug modes. */
START_TEST(a_cache)
{
	static size_t sizes[] = {64, 2048, 1 << 20};

	set_modes(_i ? "FZPU" : "-");
	for (int i = 0; i < 3; i++)
		fault_check(&(struct fault_case){
			.step = step_create, .undo = undo_create, .ctx = &sizes[i], .fewest = 3});
}
END_TEST

/* A cache that could not grow can do what it could before. */
static int step_grow(void *ctx)
{
	struct udrv_kmem_cache_stats stats;

	(void)ctx;
	if (udrv_kmem_cache_alloc_bulk(cache, UDRV_GFP_KERNEL, 5000, objs))
		return 0;
	udrv_kmem_cache_get_stats(cache, &stats);
	FAULT_MUST(!stats.active);
	objs[0] = udrv_kmem_cache_alloc(cache, UDRV_GFP_ATOMIC);
	FAULT_MUST(objs[0]);
	udrv_kmem_cache_free(cache, objs[0]);
	(void)udrv_kmem_cache_shrink(cache);
	return -ENOMEM;
}

static void undo_grow(void *ctx)
{
	(void)ctx;
	udrv_kmem_cache_free_bulk(cache, 5000, objs);
	(void)udrv_kmem_cache_shrink(cache);
}

START_TEST(growth)
{
	set_modes(_i ? "FZP" : "-");
	cache = udrv_kmem_cache_create(NULL, "fault", 256, 0, 0, ctor, dtor);
	ck_assert_ptr_nonnull(cache);
	/* Without memory for the reserve an allocation may succeed. */
	fault_check(&(struct fault_case){
		.step = step_grow, .undo = undo_grow, .fewest = 15, .absorbs = " mmap "});
	undo_create(NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault_slab");
	TCase *tc = tcase_create("caches");

	/* The threads of the process are counted. */
	udrv__slab_reap_period_ns = UINT64_MAX;
	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, a_cache, 0, 2);
	tcase_add_loop_test(tc, growth, 0, 2);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

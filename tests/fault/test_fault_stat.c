// SPDX-License-Identifier: MIT
/* Making the files of statistics, and counting in one: each acquiring call inside fails in turn. */
#include <errno.h>
#include <string.h>

#include <pthread.h>
#include <udrv/device.h>
#include <udrv/slab.h>

#include "mem/slab_stat.h"
#include "pci/device.h"
#include "stat/claims.h"
#include "stat/segment.h"
#include "mem/slab.h"

#include "support/fake_tree.h"
#include "support/fault.h"
#include "support/suite.h"

static struct udrv__stat_segment segment;
static struct udrv_device *dev;

static void setup(void)
{
	fault_log_clear();
	fake_tree_make();
	ck_assert_int_eq(udrv_device_open("model:edu", NULL, &dev), 0);
}

static void teardown(void)
{
	udrv_device_close(dev);
	fake_tree_remove();
}

static bool is_there(const char *suffix)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/test@model:edu%s", fake_root, suffix);
	return !access(path, F_OK);
}

/* What fails leaves no file, and a device that counts in memory of its own. */
static int step_create(void *ctx)
{
	int ret = udrv__stat_create(&segment, fake_root, "test", dev);

	(void)ctx;
	FAULT_MUST(!is_there(".stats.new"));
	FAULT_MUST(is_there(".stats") == !ret);
	FAULT_MUST(!segment.header == !!ret && !dev->stats == !!ret);
	return ret;
}

static void undo_create(void *ctx)
{
	(void)ctx;
	dev->stats = NULL;
	udrv__stat_destroy(&segment);
}

START_TEST(stat_create)
{
	fault_check(&(struct fault_case){.step = step_create, .undo = undo_create, .fewest = 4});
	ck_assert(!is_there(".stats"));
}
END_TEST

static struct udrv__claim_file claims;

static int step_create_claims(void *ctx)
{
	int ret = udrv__claims_create(&claims, fake_root, "test", dev);

	(void)ctx;
	FAULT_MUST(!is_there(".claims.new"));
	FAULT_MUST(is_there(".claims") == !ret);
	FAULT_MUST(!claims.table == !!ret && !dev->claim_file == !!ret);
	return ret;
}

static void undo_create_claims(void *ctx)
{
	(void)ctx;
	dev->claim_file = NULL;
	udrv__claims_destroy(&claims);
}

START_TEST(claims_create)
{
	fault_check(&(struct fault_case){
		.step = step_create_claims, .undo = undo_create_claims, .fewest = 4});
	ck_assert(!is_there(".claims"));
}
END_TEST

static int step_read_claims(void *ctx)
{
	static struct udrv__claim_table copy;
	char path[PATH_MAX];

	(void)ctx;
	(void)snprintf(path, sizeof(path), "%s/test@model:edu.claims", fake_root);
	return udrv__claims_read(&copy, path);
}

static void undo_nothing(void *ctx)
{
	(void)ctx;
}

START_TEST(claims_read)
{
	ck_assert_int_eq(step_create_claims(NULL), 0);
	fault_check(&(struct fault_case){
		.step = step_read_claims, .undo = undo_nothing, .fewest = 2, .silent = true});
	undo_create_claims(NULL);
}
END_TEST

static int step_open(void *ctx)
{
	struct udrv__stat_view *view = ctx;
	char path[PATH_MAX];
	int ret;

	(void)snprintf(path, sizeof(path), "%s/test@model:edu.stats", fake_root);
	view->header = NULL;
	ret = udrv__stat_open(view, path);
	FAULT_MUST(!view->header == !!ret);
	return ret;
}

static void undo_open(void *ctx)
{
	udrv__stat_close(ctx);
}

START_TEST(stat_open)
{
	struct udrv__stat_view view;

	ck_assert_int_eq(udrv__stat_create(&segment, fake_root, "test", dev), 0);
	fault_check(&(struct fault_case){
		.step = step_open, .undo = undo_open, .ctx = &view, .fewest = 3, .silent = true});
	undo_create(NULL);
}
END_TEST

static int step_create_slabs(void *ctx)
{
	int ret = udrv__slab_stat_create(fake_root, "test", "model:edu");

	(void)ctx;
	FAULT_MUST(!is_there(".slabs.new"));
	FAULT_MUST(is_there(".slabs") == !ret);
	return ret;
}

static void undo_create_slabs(void *ctx)
{
	(void)ctx;
	udrv__slab_stat_destroy();
}

START_TEST(slab_stat_create)
{
	fault_check(&(struct fault_case){
		.step = step_create_slabs, .undo = undo_create_slabs, .fewest = 4});
	ck_assert(!is_there(".slabs"));
}
END_TEST

static int step_open_slabs(void *ctx)
{
	struct udrv__slab_view *view = ctx;
	char path[PATH_MAX];
	int ret;

	(void)snprintf(path, sizeof(path), "%s/test@model:edu.slabs", fake_root);
	view->header = NULL;
	ret = udrv__slab_view_open(view, path);
	FAULT_MUST(!view->header == !!ret);
	return ret;
}

static void undo_open_slabs(void *ctx)
{
	udrv__slab_view_close(ctx);
}

START_TEST(slab_view_open)
{
	struct udrv__slab_view view;

	ck_assert_int_eq(step_create_slabs(NULL), 0);
	fault_check(&(struct fault_case){.step = step_open_slabs,
					 .undo = undo_open_slabs,
					 .ctx = &view,
					 .fewest = 3,
					 .silent = true});
	undo_create_slabs(NULL);
}
END_TEST

/* A thread that counts where others read it, or nowhere else than in the cache. */

enum { CACHES = 70 };

static struct udrv_kmem_cache *caches[CACHES];

static void *use_caches(void *ok)
{
	for (int i = 0; i < CACHES; i++) {
		void *obj = udrv_kmem_cache_alloc(caches[i], UDRV_GFP_KERNEL);

		if (!obj)
			return NULL;
		udrv_kmem_cache_free(caches[i], obj);
	}
	return ok;
}

static int step_use(void *ctx)
{
	struct udrv_kmem_cache_stats before;
	struct udrv_kmem_cache_stats stats;
	void *result = NULL;
	pthread_t thread;
	int err;

	udrv_kmem_cache_get_stats(caches[CACHES - 1], &before);
	err = pthread_create(&thread, NULL, use_caches, ctx);
	if (err)
		return -err;
	FAULT_MUST(!pthread_join(thread, &result) && result);
	udrv_kmem_cache_get_stats(caches[CACHES - 1], &stats);
	FAULT_MUST(stats.allocations == before.allocations + 1 && !stats.active);
	return 0;
}

START_TEST(a_thread_that_is_counted)
{
	static char ok;

	ck_assert_int_eq(step_create_slabs(NULL), 0);
	for (int i = 0; i < CACHES; i++)
		caches[i] = udrv_kmem_cache_create(NULL, "fault", 64, 0, 0, NULL, NULL);
	fault_check(&(struct fault_case){.step = step_use,
					 .undo = undo_nothing,
					 .ctx = &ok,
					 .absorbs = " mmap posix_fallocate ",
					 .fewest = 4,
					 .silent = true});
	for (int i = 0; i < CACHES; i++)
		ck_assert_int_eq(udrv_kmem_cache_destroy(caches[i]), 0);
	undo_create_slabs(NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault_stat");
	TCase *tc = tcase_create("stat");

	/* Under the address sanitizer too it is the usual paths that are looked at. */
	udrv__slab_checkers = false;
	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, stat_create);
	tcase_add_test(tc, claims_create);
	tcase_add_test(tc, claims_read);
	tcase_add_test(tc, stat_open);
	tcase_add_test(tc, slab_stat_create);
	tcase_add_test(tc, slab_view_open);
	tcase_add_test(tc, a_thread_that_is_counted);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

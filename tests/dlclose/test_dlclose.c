// SPDX-License-Identifier: MIT
/* Threads that used caches live longer than the shared objects that had them. */
#include <dlfcn.h>

#include <udrv/slab.h>

#include "plugin.h"
#include "support/suite.h"
#include "support/threads.h"

/* A function of a shared object, with the type that its header gives it. */
#define FIND(handle, name) ((__typeof__(&(name)))find(handle, #name))

static int used;
static int closed;

static void *find(void *handle, const char *name)
{
	void *p = dlsym(handle, name);

	ck_assert_msg(p != NULL, "%s", name);
	return p;
}

static void *open_object(const char *path)
{
	void *handle = dlopen(path, RTLD_NOW);

	ck_assert_msg(handle != NULL, "%s", dlerror());
	return handle;
}

struct library {
	__typeof__(&udrv_kmem_cache_create) create;
	__typeof__(&udrv_kmem_cache_alloc) alloc;
	__typeof__(&udrv_kmem_cache_free) free;
	__typeof__(&udrv_kmem_cache_destroy) destroy;
	struct udrv_kmem_cache *cache;
};

static void *use_library(void *arg)
{
	const struct library *lib = arg;

	for (int i = 0; i < 1000; i++)
		lib->free(lib->cache, lib->alloc(lib->cache, UDRV_GFP_KERNEL));
	inc(used);
	until(get(closed));
	return NULL;
}

START_TEST(threads_that_used_caches_end_after_the_library_was_closed)
{
	void *handle = open_object(LIBUDRV);
	struct library lib = {
		.create = FIND(handle, udrv_kmem_cache_create),
		.alloc = FIND(handle, udrv_kmem_cache_alloc),
		.free = FIND(handle, udrv_kmem_cache_free),
		.destroy = FIND(handle, udrv_kmem_cache_destroy),
	};
	pthread_t a;
	pthread_t b;

	lib.cache = lib.create(NULL, "opened", 64, 0, 0, NULL, NULL);
	ck_assert_ptr_nonnull(lib.cache);
	a = start(use_library, &lib);
	b = start(use_library, &lib);
	until(get(used) == 2);
	ck_assert_int_eq(lib.destroy(lib.cache), 0);
	ck_assert_int_eq(dlclose(handle), 0);
	set(closed, 1);
	finish(a);
	finish(b);
	/* As if it had never been away. */
	used = 0;
	ck_assert_ptr_eq(open_object(LIBUDRV), handle);
	lib.cache = lib.create(NULL, "again", 64, 0, 0, NULL, NULL);
	ck_assert_ptr_nonnull(lib.cache);
	finish(start(use_library, &lib));
	ck_assert_int_eq(lib.destroy(lib.cache), 0);
}
END_TEST

static void *use_plugin(void *arg)
{
	__typeof__(&plugin_use) use = FIND(arg, plugin_use);

	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(use(1000), 0);
	inc(used);
	until(get(closed));
	return NULL;
}

START_TEST(threads_that_used_a_plugins_cache_end_after_the_plugin_was_closed)
{
	void *handle = open_object(PLUGIN);
	__typeof__(&plugin_begin) begin = FIND(handle, plugin_begin);
	__typeof__(&plugin_end) end = FIND(handle, plugin_end);
	pthread_t a;
	pthread_t b;

	ck_assert_ptr_nonnull(begin());
	a = start(use_plugin, handle);
	b = start(use_plugin, handle);
	until(get(used) == 2);
	ck_assert_int_eq(end(), 0);
	ck_assert_int_eq(dlclose(handle), 0);
	/* It is gone; its constructor must not be needed any more. */
	ck_assert_ptr_null(dlopen(PLUGIN, RTLD_NOW | RTLD_NOLOAD));
	set(closed, 1);
	finish(a);
	finish(b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("dlclose");
	TCase *tc = tcase_create("dlclose");

	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, threads_that_used_caches_end_after_the_library_was_closed);
	tcase_add_test(tc, threads_that_used_a_plugins_cache_end_after_the_plugin_was_closed);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

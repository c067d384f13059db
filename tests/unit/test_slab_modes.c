// SPDX-License-Identifier: MIT
/* The grammar of UDRV_SLAB_DEBUG. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/slab.h>

#include "mem/slab_debug.h"

#include "support/fault.h"
#include "support/suite.h"

#define F   UDRV_SLAB_CONSISTENCY_CHECKS
#define Z   UDRV_SLAB_RED_ZONE
#define P   UDRV_SLAB_POISON
#define U   UDRV_SLAB_STORE_USER
#define ALL (F | Z | P | U)

static const struct {
	const char *env;
	const char *name;
	unsigned int flags;
	bool none;
} cases[] = {
	{NULL, "a", 0, false},
	{"", "a", 0, false},
	{"FZPU", "a", ALL, false},
	{"fzpu", "a", ALL, false},
	{"F", "a", F, false},
	{"ZP", "a", Z | P, false},
	{"-", "a", 0, true},
	{"FZ,a", "a", F | Z, false},
	{"FZ,a", "ab", 0, false},
	{"FZ,ab", "a", 0, false},
	{"FZ,b,a", "a", F | Z, false},
	{"FZ,b,c", "a", 0, false},
	{"U,kmalloc-64", "kmalloc-64", U, false},
	{"U,kmalloc-64", "kmalloc-640", 0, false},
	{"U,kmalloc-*", "kmalloc-640", U, false},
	{"U,kmalloc-*", "kmalloc-", U, false},
	{"U,kmalloc-*", "kmalloc", 0, false},
	{"U,*", "anything", U, false},
	/* No letters: all. */
	{",a", "a", ALL, false},
	{",a", "b", 0, false},
	/* Blocks: the first that names it; else the last without names. */
	{"F,a;Z,b", "a", F, false},
	{"F,a;Z,b", "b", Z, false},
	{"F,a;Z,b", "c", 0, false},
	{"F,a;Z", "a", F, false},
	{"Z;F,a", "a", F, false},
	{"Z;F,a", "c", Z, false},
	{"Z;P", "c", P, false},
	{"F,a*;Z,ab", "ab", F, false},
	{"FZPU;-,a", "a", 0, true},
	{"FZPU;-,a", "b", ALL, false},
	{"F;", "a", F, false},
	/* Unknown ones do not hide the others. */
	{"FXT", "a", F, false},
};

START_TEST(letters_and_names)
{
	struct udrv__slab_modes modes;

	if (cases[_i].env)
		ck_assert_int_eq(setenv("UDRV_SLAB_DEBUG", cases[_i].env, 1), 0);
	else
		ck_assert_int_eq(unsetenv("UDRV_SLAB_DEBUG"), 0);
	modes = udrv__slab_modes_of(cases[_i].name);
	ck_assert_msg(modes.flags == cases[_i].flags && modes.none == cases[_i].none,
		      "'%s' for %s: %#x %d, not %#x %d", cases[_i].env, cases[_i].name, modes.flags,
		      modes.none, cases[_i].flags, cases[_i].none);
}
END_TEST

START_TEST(unknown_letters_are_said_once)
{
	fault_log_clear();
	ck_assert_int_eq(setenv("UDRV_SLAB_DEBUG", "FX,a;QZ,b", 1), 0);
	ck_assert_uint_eq(udrv__slab_modes_of("a").flags, F);
	ck_assert_msg(fault_logged("UDRV_SLAB_DEBUG: letters that mean nothing are ignored: XQ"),
		      "%s", fault_log_text());
	fault_log_clear();
	ck_assert_uint_eq(udrv__slab_modes_of("b").flags, Z);
	ck_assert_str_eq(fault_log_text(), "");
}
END_TEST

START_TEST(the_environment_adds_to_the_flags_of_a_cache)
{
	struct udrv_kmem_cache *cache;

	ck_assert_int_eq(setenv("UDRV_SLAB_DEBUG", "U,things", 1), 0);
	cache = udrv_kmem_cache_create(NULL, "things", 64, 0, Z | UDRV_SLAB_NO_REAP, NULL, NULL);
	ck_assert_ptr_nonnull(cache);
	ck_assert_uint_eq(cache->flags, Z | U | UDRV_SLAB_NO_REAP);
	ck_assert_int_eq(udrv_kmem_cache_destroy(cache), 0);
	ck_assert_int_eq(setenv("UDRV_SLAB_DEBUG", "-", 1), 0);
	cache = udrv_kmem_cache_create(NULL, "things", 64, 0, Z, NULL, NULL);
	ck_assert_ptr_nonnull(cache);
	ck_assert_uint_eq(cache->flags, Z);
	ck_assert_int_eq(udrv_kmem_cache_destroy(cache), 0);
}
END_TEST

START_TEST(a_cache_without_letters_has_magazines)
{
	struct udrv_kmem_cache *cache;

	ck_assert_int_eq(setenv("UDRV_SLAB_DEBUG", "FZPU,other;-", 1), 0);
	cache = udrv_kmem_cache_create(NULL, "things", 64, 0, 0, NULL, NULL);
	ck_assert_ptr_nonnull(cache);
	ck_assert_ptr_null(cache->debug);
	ck_assert_int_eq(udrv_kmem_cache_destroy(cache), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("slab_modes");
	TCase *tc = tcase_create("modes");

	tcase_add_loop_test(tc, letters_and_names, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(tc, unknown_letters_are_said_once);
	tcase_add_test(tc, the_environment_adds_to_the_flags_of_a_cache);
	tcase_add_test(tc, a_cache_without_letters_has_magazines);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

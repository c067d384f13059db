// SPDX-License-Identifier: MIT
/* The first kmalloc(), and what makes it get more from the system: each acquiring call fails. */
#include <errno.h>

#include <udrv/kmalloc.h>
#include <udrv/vmalloc.h>

#include "mem/arena.h"
#include "mem/kmalloc.h"

#include "support/fault.h"
#include "support/suite.h"

/* A thread does without magazines of its own, memory without huge pages; where a region of the size
 * that would be good fails, one that will do is had. */
#define ABSORBED " mmap syscall calloc realloc memfd_create ftruncate "

static void *p[12];
static unsigned int failures;

static int step_first(void *ctx)
{
	const size_t *size = ctx;

	p[0] = udrv_kmalloc(*size, UDRV_GFP_KERNEL);
	if (p[0])
		return 0;
	failures++;
	FAULT_MUST(!udrv__kmalloc_caches[0] && !udrv__common_arena.bytes);
	return -ENOMEM;
}

static void undo_first(void *ctx)
{
	(void)ctx;
	udrv_kfree(p[0]);
	ck_assert_int_eq(udrv__kmalloc_end(), 0);
}

START_TEST(the_first_one)
{
	static size_t size = 100;

	fault_check(&(struct fault_case){.step = step_first,
					 .undo = undo_first,
					 .ctx = &size,
					 .fewest = 30,
					 .absorbs = ABSORBED});
	/* Each cache has a record and magazines. */
	ck_assert_uint_ge(failures, 2 * UDRV__KMALLOC_CLASSES);
}
END_TEST

/* What was there before can be used afterwards. */
static int step_grow(void *ctx)
{
	int i = 0;

	(void)ctx;
	if (udrv__kmalloc_init())
		return -ENOMEM;
	while (i < 12 &&
	       (p[i] = udrv_kmalloc(i % 2 ? 100 : UDRV_KMALLOC_MAX_SIZE / 2 + 1, UDRV_GFP_KERNEL)))
		i++;
	if (i == 12)
		return 0;
	while (i--)
		udrv_kfree(p[i]);
	p[0] = udrv_kmalloc(100, UDRV_GFP_ATOMIC);
	FAULT_MUST(p[0]);
	udrv_kfree(p[0]);
	FAULT_MUST(!udrv__kmalloc_end());
	return -ENOMEM;
}

static void undo_grow(void *ctx)
{
	(void)ctx;
	for (int i = 0; i < 12; i++)
		udrv_kfree(p[i]);
	ck_assert_int_eq(udrv__kmalloc_end(), 0);
}

START_TEST(growth)
{
	fault_check(&(struct fault_case){
		.step = step_grow, .undo = undo_grow, .fewest = 12, .absorbs = ABSORBED});
}
END_TEST

static int step_vmalloc(void *ctx)
{
	(void)ctx;
	p[0] = udrv_vmalloc(100000);
	return p[0] ? 0 : -ENOMEM;
}

static void undo_vmalloc(void *ctx)
{
	(void)ctx;
	udrv_vfree(p[0]);
}

START_TEST(pages_that_no_device_reaches)
{
	fault_check(&(struct fault_case){.step = step_vmalloc, .undo = undo_vmalloc, .fewest = 1});
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault_kmalloc");
	TCase *tc = tcase_create("kmalloc");

	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, the_first_one);
	tcase_add_test(tc, growth);
	tcase_add_test(tc, pages_that_no_device_reaches);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

// SPDX-License-Identifier: MIT
#include <limits.h>
#include <stdlib.h>

#include <udrv/container_of.h>
#include <udrv/kref.h>

#include "support/suite.h"
#include "support/threads.h"

struct object {
	struct udrv_kref kref;
	int payload[4];
};

static int released;
static UDRV_DEFINE_MUTEX(mutex);
static UDRV_DEFINE_SPINLOCK(spin);

static void count_release(struct udrv_kref *kref)
{
	(void)kref;
	released++;
}

START_TEST(last_reference_releases_once)
{
	struct udrv_kref k;

	udrv_kref_init(&k);
	udrv_kref_get(&k);
	ck_assert_uint_eq(udrv_kref_read(&k), 2);
	ck_assert_int_eq(udrv_kref_put(&k, count_release), 0);
	ck_assert_int_eq(udrv_kref_put(&k, count_release), 1);
	ck_assert_int_eq(released, 1);
	ck_assert_int_eq(udrv_kref_get_unless_zero(&k), 0);
}
END_TEST

START_TEST(wrong_use_leaks_instead_of_releasing)
{
	struct udrv_kref k = UDRV_KREF_INIT(0);

	udrv_kref_get(&k);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(udrv_kref_put(&k, count_release), 0);
	udrv_kref_init(&k);
	ck_assert_int_eq(udrv_kref_put(&k, count_release), 1);
	ck_assert_int_eq(udrv_kref_put(&k, count_release), 0);
	ck_assert_int_eq(udrv_kref_get_unless_zero(&k), 1);
	ck_assert_int_eq(udrv_kref_put(&k, count_release), 0);
	ck_assert_int_eq(released, 1);
}
END_TEST

START_TEST(too_many_references_saturate)
{
	struct udrv_kref k = UDRV_KREF_INIT(INT_MAX);

	if (_i)
		udrv_kref_get(&k);
	else
		ck_assert_int_eq(udrv_kref_get_unless_zero(&k), 1);
	ck_assert_int_lt(udrv_atomic_read(&k.refcount), 0);
	ck_assert_int_eq(udrv_kref_put(&k, count_release), 0);
	ck_assert_int_lt(udrv_atomic_read(&k.refcount), 0);
}
END_TEST

static void release_unlocks_mutex(struct udrv_kref *kref)
{
	ck_assert(udrv_mutex_is_locked(&mutex));
	count_release(kref);
	udrv_mutex_unlock(&mutex);
}

static void release_unlocks_spin(struct udrv_kref *kref)
{
	ck_assert(udrv_spin_is_locked(&spin));
	count_release(kref);
	udrv_spin_unlock(&spin);
}

START_TEST(last_reference_is_given_back_under_the_lock)
{
	struct udrv_kref k = UDRV_KREF_INIT(2);

	ck_assert_int_eq(udrv_kref_put_mutex(&k, release_unlocks_mutex, &mutex), 0);
	ck_assert_int_eq(udrv_kref_put_mutex(&k, release_unlocks_mutex, &mutex), 1);
	udrv_kref_init(&k);
	ck_assert_int_eq(udrv_kref_put_lock(&k, release_unlocks_spin, &spin), 1);
	ck_assert(!udrv_mutex_is_locked(&mutex) && !udrv_spin_is_locked(&spin));
	ck_assert_int_eq(released, 2);
}
END_TEST

enum { THREADS = 4, ROUNDS = 5000 };

static void free_object(struct udrv_kref *kref)
{
	struct object *o = udrv_container_of(kref, struct object, kref);

	/* What each holder wrote is seen here. */
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(o->payload[i], 1);
	free(o);
	inc(released);
}

struct holder {
	int index;
	struct object **objects;
};

static void *use_and_put(void *arg)
{
	const struct holder *h = arg;

	for (int r = 0; r < ROUNDS; r++) {
		h->objects[r]->payload[h->index] = 1;
		(void)udrv_kref_put(&h->objects[r]->kref, free_object);
	}
	return NULL;
}

START_TEST(memory_is_freed_by_the_last_of_several_threads)
{
	static struct object *objects[ROUNDS];
	struct holder holders[THREADS];
	pthread_t t[THREADS];

	for (int r = 0; r < ROUNDS; r++) {
		objects[r] = calloc(1, sizeof(*objects[r]));
		udrv_kref_init(&objects[r]->kref);
		for (int i = 1; i < THREADS; i++)
			udrv_kref_get(&objects[r]->kref);
	}
	for (int i = 0; i < THREADS; i++) {
		holders[i] = (struct holder){i, objects};
		t[i] = start(use_and_put, &holders[i]);
	}
	for (int i = 0; i < THREADS; i++)
		finish(t[i]);
	ck_assert_int_eq(released, ROUNDS);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("kref");
	TCase *tc = tcase_create("kref");

	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, last_reference_releases_once);
	tcase_add_test(tc, wrong_use_leaks_instead_of_releasing);
	tcase_add_loop_test(tc, too_many_references_saturate, 0, 2);
	tcase_add_test(tc, last_reference_is_given_back_under_the_lock);
	tcase_add_test(tc, memory_is_freed_by_the_last_of_several_threads);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

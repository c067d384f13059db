// SPDX-License-Identifier: MIT
#include <udrv/spinlock.h>

#include "support/suite.h"
#include "support/threads.h"

static UDRV_DEFINE_SPINLOCK(lock);

START_TEST(trylock_fails_while_held)
{
	unsigned long flags = 0;

	ck_assert_int_eq(udrv_spin_trylock(&lock), 1);
	ck_assert_int_eq(udrv_spin_trylock(&lock), 0);
	ck_assert_int_eq(udrv_spin_trylock_irqsave(&lock, flags), 0);
	ck_assert_int_eq(udrv_spin_is_locked(&lock), 1);
	udrv_spin_unlock(&lock);
	ck_assert_int_eq(udrv_spin_is_locked(&lock), 0);
	udrv_spin_lock_irqsave(&lock, flags);
	ck_assert_uint_eq(flags, 1);
	ck_assert_int_eq(udrv_spin_trylock(&lock), 0);
	udrv_spin_unlock_irqrestore(&lock, flags);
	udrv_spin_lock_bh(&lock);
	udrv_spin_unlock_bh(&lock);
	ck_assert_int_eq(udrv_spin_trylock(&lock), 1);
}
END_TEST

enum { THREADS = 4, ROUNDS = 50000 };
static unsigned long plain;

static void *count_up(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		udrv_spin_lock(&lock);
		plain++;
		if (i % 64 == 0)
			sched_yield(); /* lose the CPU with the lock held: the others must sleep */
		udrv_spin_unlock(&lock);
	}
	return NULL;
}

START_TEST(one_holder_at_a_time)
{
	pthread_t t[THREADS];

	for (int i = 0; i < THREADS; i++)
		t[i] = start(count_up, NULL);
	for (int i = 0; i < THREADS; i++)
		finish(t[i]);
	ck_assert_uint_eq(plain, THREADS * ROUNDS);
}
END_TEST

static int phase;

static void *take_it(void *arg)
{
	(void)arg;
	set(phase, 1);
	udrv_spin_lock(&lock);
	set(phase, 2);
	udrv_spin_unlock(&lock);
	return NULL;
}

START_TEST(sleeper_is_woken_by_unlock)
{
	pthread_t t;

	udrv_spin_lock(&lock);
	t = start(take_it, NULL);
	/* 2: the other has stopped spinning and is going to sleep. */
	until(get(lock.word) == 2);
	ck_assert_int_eq(get(phase), 1);
	udrv_spin_unlock(&lock);
	finish(t);
	ck_assert_int_eq(phase, 2);
	ck_assert_int_eq(udrv_spin_is_locked(&lock), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("spinlock");
	TCase *tc = tcase_create("spinlock");

	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, trylock_fails_while_held);
	tcase_add_test(tc, one_holder_at_a_time);
	tcase_add_test(tc, sleeper_is_woken_by_unlock);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

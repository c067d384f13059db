// SPDX-License-Identifier: MIT
/* Mutexes, semaphores and reader-writer semaphores. */
#include <errno.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/mutex.h>
#include <udrv/rwsem.h>
#include <udrv/semaphore.h>

#include "pci/device.h"

#include "support/suite.h"
#include "support/threads.h"

static UDRV_DEFINE_MUTEX(mutex);
static struct udrv_device dev;
static struct udrv_task *other;
static int result, phase;

START_TEST(mutex_is_held_by_one)
{
	ck_assert_int_eq(udrv_mutex_trylock(&mutex), 1);
	ck_assert_int_eq(udrv_mutex_trylock(&mutex), 0);
	ck_assert(udrv_mutex_is_locked(&mutex));
	udrv_mutex_unlock(&mutex);
	ck_assert(!udrv_mutex_is_locked(&mutex));
	udrv_mutex_lock(&mutex);
	udrv_mutex_unlock(&mutex);
	udrv_mutex_destroy(&mutex);
}
END_TEST

START_TEST(taking_a_held_mutex_again_is_an_error)
{
	udrv_mutex_lock(&mutex);
	ck_assert_int_eq(udrv_mutex_lock_interruptible(&mutex), -EDEADLK);
	ck_assert_int_eq(udrv_mutex_lock_killable(&mutex), -EDEADLK);
	udrv_mutex_unlock(&mutex);
	ck_assert_int_eq(udrv_mutex_lock_killable(&mutex), 0);
	udrv_mutex_unlock(&mutex);
}
END_TEST

static void *unlock_it(void *arg)
{
	udrv_mutex_unlock(arg);
	return NULL;
}

START_TEST(only_the_holder_unlocks)
{
	udrv_mutex_lock(&mutex);
	finish(start(unlock_it, &mutex));
	ck_assert(udrv_mutex_is_locked(&mutex));
	udrv_mutex_unlock(&mutex);
	ck_assert(!udrv_mutex_is_locked(&mutex));
}
END_TEST

static void *lock_interruptibly(void *arg)
{
	set(other, udrv_current);
	result = udrv_mutex_lock_interruptible(arg);
	return NULL;
}

START_TEST(interruption_ends_the_wait_and_the_lock_still_works)
{
	pthread_t t;

	udrv_mutex_lock(&mutex);
	t = start(lock_interruptibly, &mutex);
	until(get(other));
	if (_i)
		until(get(mutex.word) == 2);
	udrv_task_interrupt(other);
	finish(t);
	ck_assert_int_eq(result, -EINTR);
	udrv_mutex_unlock(&mutex);
	ck_assert_int_eq(udrv_mutex_trylock(&mutex), 1);
}
END_TEST

enum { THREADS = 4, ROUNDS = 20000 };
static unsigned long plain;
static int finished;

static void *count_up(void *arg)
{
	bool interruptible = *(bool *)arg;

	for (int i = 0; i < ROUNDS; i++) {
		if (!interruptible)
			udrv_mutex_lock(&mutex);
		else
			while (udrv_mutex_lock_interruptible(&mutex))
				;
		plain++;
		if (i % 64 == 0)
			sched_yield();
		udrv_mutex_unlock(&mutex);
	}
	inc(finished);
	return NULL;
}

static void *count_up_disturbed(void *arg)
{
	set(other, udrv_current);
	(void)count_up(arg);
	/* Whoever disturbs must not outlive this thread. */
	until(get(phase));
	return NULL;
}

START_TEST(mutex_excludes_though_waits_are_interrupted)
{
	bool interruptible[THREADS] = {false, true, false, true};
	pthread_t t[THREADS];

	for (int i = 0; i < THREADS; i++)
		t[i] = start(i == 1 ? count_up_disturbed : count_up, &interruptible[i]);
	until(get(other));
	while (get(finished) < THREADS) {
		udrv_task_interrupt(other);
		sched_yield();
	}
	set(phase, 1);
	for (int i = 0; i < THREADS; i++)
		finish(t[i]);
	ck_assert_uint_eq(plain, THREADS * ROUNDS);
}
END_TEST

START_TEST(semaphore_counts)
{
	struct udrv_semaphore sem;

	udrv_sema_init(NULL, &sem, 2);
	ck_assert_int_eq(udrv_down(&sem), 0);
	ck_assert_int_eq(udrv_down_trylock(&sem), 0);
	ck_assert_int_eq(udrv_down_trylock(&sem), 1);
	ck_assert_int_eq(udrv_down_timeout(&sem, 2), -ETIME);
	udrv_up(&sem);
	ck_assert_int_eq(udrv_down_timeout(&sem, 1000), 0);
	udrv_task_interrupt(udrv_current);
	ck_assert_int_eq(udrv_down_interruptible(&sem), -EINTR);
	udrv_up(&sem);
	ck_assert_int_eq(udrv_down_killable(&sem), 0);
}
END_TEST

static struct udrv_semaphore sem_a, sem_b;

static void *answer(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		if (udrv_down(&sem_a))
			break;
		udrv_up(&sem_b);
	}
	return NULL;
}

START_TEST(semaphore_loses_no_wake_up)
{
	pthread_t t;

	udrv_sema_init(NULL, &sem_a, 0);
	udrv_sema_init(NULL, &sem_b, 0);
	t = start(answer, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		udrv_up(&sem_a);
		ck_assert_int_eq(udrv_down_timeout(&sem_b, 60000), 0);
	}
	finish(t);
}
END_TEST

START_TEST(gone_device_ends_the_wait_for_a_semaphore)
{
	struct udrv_semaphore sem;

	udrv_sema_init(&dev, &sem, 1);
	udrv_device_set_gone(&dev);
	ck_assert_int_eq(udrv_down(&sem), 0);
	ck_assert_int_eq(udrv_down(&sem), -ENODEV);
	ck_assert_int_eq(udrv_down_timeout(&sem, 100000), -ENODEV);
	ck_assert_int_eq(udrv_down_interruptible(&sem), -ENODEV);
}
END_TEST

static UDRV_DECLARE_RWSEM(rwsem);

START_TEST(rwsem_has_many_readers_or_one_writer)
{
	udrv_down_read(&rwsem);
	ck_assert_int_eq(udrv_down_read_trylock(&rwsem), 1);
	ck_assert_int_eq(udrv_down_write_trylock(&rwsem), 0);
	udrv_up_read(&rwsem);
	ck_assert_int_eq(udrv_rwsem_is_locked(&rwsem), 1);
	udrv_up_read(&rwsem);
	ck_assert_int_eq(udrv_down_write_trylock(&rwsem), 1);
	ck_assert_int_eq(udrv_down_read_trylock(&rwsem), 0);
	ck_assert_int_eq(udrv_down_write_trylock(&rwsem), 0);
	udrv_downgrade_write(&rwsem);
	ck_assert_int_eq(udrv_down_read_trylock(&rwsem), 1);
	ck_assert_int_eq(udrv_down_write_trylock(&rwsem), 0);
	udrv_up_read(&rwsem);
	udrv_up_read(&rwsem);
	ck_assert_int_eq(udrv_rwsem_is_locked(&rwsem), 0);
}
END_TEST

static void *write_killable(void *arg)
{
	set(other, udrv_current);
	result = udrv_down_write_killable(arg);
	return NULL;
}

static void *read_it(void *arg)
{
	udrv_down_read(arg);
	udrv_up_read(arg);
	return NULL;
}

static unsigned int waiting(void)
{
	unsigned int n;

	udrv_spin_lock(&rwsem.lock);
	n = rwsem.waiting;
	udrv_spin_unlock(&rwsem.lock);
	return n;
}

START_TEST(waiting_writer_keeps_readers_out_until_it_gives_up)
{
	pthread_t w;
	pthread_t r;

	udrv_down_read(&rwsem);
	w = start(write_killable, &rwsem);
	until(waiting() == 1);
	ck_assert_int_eq(udrv_down_read_trylock(&rwsem), 0);
	r = start(read_it, &rwsem);
	until(waiting() == 2);
	udrv_task_interrupt(other);
	finish(w);
	ck_assert_int_eq(result, -EINTR);
	finish(r);
	udrv_up_read(&rwsem);
	ck_assert_int_eq(udrv_rwsem_is_locked(&rwsem), 0);
}
END_TEST

START_TEST(interruption_ends_the_wait_of_a_reader)
{
	udrv_down_write(&rwsem);
	udrv_task_interrupt(udrv_current);
	ck_assert_int_eq(udrv_down_read_interruptible(&rwsem), -EINTR);
	udrv_task_interrupt(udrv_current);
	ck_assert_int_eq(udrv_down_read_killable(&rwsem), -EINTR);
	udrv_up_write(&rwsem);
}
END_TEST

static unsigned long pair[2];

static void *read_or_write(void *arg)
{
	bool writer = *(bool *)arg;

	for (int i = 0; i < ROUNDS; i++) {
		if (writer && i % 4 == 0) {
			udrv_down_write(&rwsem);
			pair[0]++;
			pair[1]++;
			if (i % 8 == 0) {
				udrv_downgrade_write(&rwsem);
				udrv_up_read(&rwsem);
			} else {
				udrv_up_write(&rwsem);
			}
		} else {
			udrv_down_read(&rwsem);
			ck_assert_uint_eq(pair[0], pair[1]);
			udrv_up_read(&rwsem);
		}
	}
	return NULL;
}

START_TEST(readers_never_see_half_a_write)
{
	bool writer[THREADS] = {true, false, true, false};
	pthread_t t[THREADS];

	for (int i = 0; i < THREADS; i++)
		t[i] = start(read_or_write, &writer[i]);
	for (int i = 0; i < THREADS; i++)
		finish(t[i]);
	ck_assert_uint_eq(pair[0], 2 * ROUNDS / 4);
	ck_assert_uint_eq(pair[1], 2 * ROUNDS / 4);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("mutex");
	TCase *tc = tcase_create("mutex");

	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, mutex_is_held_by_one);
	tcase_add_test(tc, taking_a_held_mutex_again_is_an_error);
	tcase_add_test(tc, only_the_holder_unlocks);
	tcase_add_loop_test(tc, interruption_ends_the_wait_and_the_lock_still_works, 0, 2);
	tcase_add_test(tc, mutex_excludes_though_waits_are_interrupted);
	tcase_add_test(tc, semaphore_counts);
	tcase_add_test(tc, semaphore_loses_no_wake_up);
	tcase_add_test(tc, gone_device_ends_the_wait_for_a_semaphore);
	tcase_add_test(tc, rwsem_has_many_readers_or_one_writer);
	tcase_add_test(tc, waiting_writer_keeps_readers_out_until_it_gives_up);
	tcase_add_test(tc, interruption_ends_the_wait_of_a_reader);
	tcase_add_test(tc, readers_never_see_half_a_write);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

// SPDX-License-Identifier: MIT
/* Atomic integers and bits. */
#include <limits.h>

#include <udrv/atomic.h>
#include <udrv/bitops.h>

#include "support/suite.h"
#include "support/threads.h"

static struct udrv_atomic a = UDRV_ATOMIC_INIT(5);

START_TEST(results_are_of_before_or_after_as_named)
{
	ck_assert_int_eq(udrv_atomic_read(&a), 5);
	ck_assert_int_eq(udrv_atomic_fetch_add(3, &a), 5);
	ck_assert_int_eq(udrv_atomic_add_return(2, &a), 10);
	ck_assert_int_eq(udrv_atomic_fetch_sub(1, &a), 10);
	ck_assert_int_eq(udrv_atomic_sub_return(4, &a), 5);
	ck_assert_int_eq(udrv_atomic_inc_return(&a), 6);
	ck_assert_int_eq(udrv_atomic_fetch_dec(&a), 6);
	ck_assert_int_eq(udrv_atomic_fetch_or_acquire(8, &a), 5);
	ck_assert_int_eq(udrv_atomic_fetch_andnot_release(1, &a), 13);
	ck_assert_int_eq(udrv_atomic_fetch_xor_relaxed(6, &a), 12);
	ck_assert_int_eq(udrv_atomic_fetch_and(3, &a), 10);
	udrv_atomic_add(10, &a);
	udrv_atomic_sub(1, &a);
	udrv_atomic_inc(&a);
	udrv_atomic_dec(&a);
	udrv_atomic_or(32, &a);
	udrv_atomic_andnot(1, &a);
	udrv_atomic_xor(3, &a);
	udrv_atomic_and(~8, &a);
	ck_assert_int_eq(udrv_atomic_read_acquire(&a), ((((11 | 32) & ~1) ^ 3) & ~8));
}
END_TEST

START_TEST(tests_are_of_the_result)
{
	udrv_atomic_set(&a, 1);
	ck_assert(udrv_atomic_dec_and_test(&a));
	ck_assert(!udrv_atomic_dec_and_test(&a));
	ck_assert(udrv_atomic_inc_and_test(&a));
	udrv_atomic_set_release(&a, 7);
	ck_assert(!udrv_atomic_sub_and_test(6, &a));
	ck_assert(udrv_atomic_sub_and_test(1, &a));
	ck_assert(!udrv_atomic_add_negative(0, &a));
	ck_assert(udrv_atomic_add_negative(-1, &a));
}
END_TEST

START_TEST(exchanges_give_the_former_value)
{
	int expected = 4;

	udrv_atomic_set(&a, 3);
	ck_assert_int_eq(udrv_atomic_xchg(&a, 9), 3);
	ck_assert_int_eq(udrv_atomic_cmpxchg(&a, 8, 1), 9);
	ck_assert_int_eq(udrv_atomic_cmpxchg(&a, 9, 1), 9);
	ck_assert(!udrv_atomic_try_cmpxchg(&a, &expected, 2));
	ck_assert_int_eq(expected, 1);
	ck_assert(udrv_atomic_try_cmpxchg_acquire(&a, &expected, 2));
	ck_assert_int_eq(udrv_atomic_read(&a), 2);
}
END_TEST

START_TEST(conditional_ones_stop_at_their_limit)
{
	udrv_atomic_set(&a, 0);
	ck_assert(!udrv_atomic_inc_not_zero(&a));
	ck_assert_int_eq(udrv_atomic_dec_if_positive(&a), -1);
	ck_assert_int_eq(udrv_atomic_read(&a), 0);
	ck_assert(udrv_atomic_add_unless(&a, 2, 1));
	ck_assert(udrv_atomic_inc_not_zero(&a));
	ck_assert_int_eq(udrv_atomic_fetch_add_unless(&a, 5, 3), 3);
	ck_assert_int_eq(udrv_atomic_dec_if_positive(&a), 2);
}
END_TEST

START_TEST(sixty_four_bits_are_sixty_four)
{
	struct udrv_atomic64 b = UDRV_ATOMIC_INIT(INT64_MAX);

	ck_assert_int_eq(udrv_atomic64_fetch_sub(INT_MAX, &b), INT64_MAX);
	ck_assert_int_eq(udrv_atomic64_add_return(INT_MAX, &b), INT64_MAX);
	ck_assert(udrv_atomic64_add_negative(1, &b));
}
END_TEST

enum { THREADS = 4, ROUNDS = 50000 };
static struct udrv_atomic turn;
static unsigned long plain, plain_too, map[2];

static void *count_up(void *arg)
{
	unsigned long mine = *(unsigned long *)arg;

	for (int i = 0; i < ROUNDS; i++) {
		udrv_atomic_inc(&a);
		while (udrv_atomic_cmpxchg(&turn, 0, 1))
			sched_yield();
		plain++;
		udrv_atomic_set_release(&turn, 0);
		while (udrv_test_and_set_bit_lock(64, map))
			sched_yield();
		plain_too++;
		udrv_clear_bit_unlock(64, map);
		udrv_change_bit(mine, map);
	}
	return NULL;
}

START_TEST(nothing_is_lost_between_threads)
{
	unsigned long bits[THREADS] = {1, 2, 3, 63};
	pthread_t t[THREADS];

	udrv_atomic_set(&a, 0);
	for (int i = 0; i < THREADS; i++)
		t[i] = start(count_up, &bits[i]);
	for (int i = 0; i < THREADS; i++)
		finish(t[i]);
	ck_assert_int_eq(udrv_atomic_read(&a), THREADS * ROUNDS);
	ck_assert_uint_eq(plain, THREADS * ROUNDS);
	ck_assert_uint_eq(plain_too, THREADS * ROUNDS);
	ck_assert_uint_eq(map[0], 0);
	ck_assert_uint_eq(map[1], 0);
}
END_TEST

static int message, ready;

static void *send(void *arg)
{
	(void)arg;
	message = 42;
	udrv_smp_store_release(&ready, 1);
	return NULL;
}

START_TEST(release_publishes_to_acquire)
{
	pthread_t t = start(send, NULL);

	until(udrv_smp_load_acquire(&ready));
	ck_assert_int_eq(message, 42);
	finish(t);
	UDRV_WRITE_ONCE(ready, 2);
	ck_assert_int_eq(UDRV_READ_ONCE(ready), 2);
}
END_TEST

START_TEST(masks_have_the_bits_they_say)
{
	ck_assert_uint_eq(UDRV_BIT(31), 0x80000000ul);
	ck_assert_uint_eq(UDRV_BIT_ULL(63), 1ull << 63);
	ck_assert_uint_eq(UDRV_GENMASK(7, 4), 0xf0);
	ck_assert_uint_eq(UDRV_GENMASK(0, 0), 1);
	ck_assert_uint_eq(UDRV_GENMASK_ULL(63, 0), ~0ull);
	ck_assert_uint_eq(UDRV_BITS_TO_LONGS(65), 2);
}
END_TEST

START_TEST(bits_are_set_cleared_and_tested)
{
	UDRV_DECLARE_BITMAP(bits, 130) = {0};

	ck_assert_uint_eq(sizeof(bits), 3 * sizeof(long));
	udrv_set_bit(129, bits);
	ck_assert(udrv_test_bit(129, bits) && !udrv_test_bit(128, bits));
	ck_assert_uint_eq(bits[2], 2);
	ck_assert(udrv_test_and_set_bit(129, bits) && !udrv_test_and_set_bit(0, bits));
	ck_assert(udrv_test_and_clear_bit(129, bits) && !udrv_test_and_clear_bit(129, bits));
	ck_assert(!udrv_test_and_change_bit(70, bits) && udrv_test_bit(70, bits));
	udrv_clear_bit(70, bits);
	udrv_raw_set_bit(5, bits);
	udrv_raw_clear_bit(0, bits);
	ck_assert_uint_eq(bits[0], 32);
	ck_assert_uint_eq(bits[1] | bits[2], 0);
}
END_TEST

START_TEST(searches_end_at_the_size)
{
	UDRV_DECLARE_BITMAP(bits, 200) = {0};
	unsigned long bit;
	unsigned long sum = 0;

	ck_assert_uint_eq(udrv_find_first_bit(bits, 200), 200);
	udrv_set_bit(63, bits);
	udrv_set_bit(64, bits);
	udrv_set_bit(150, bits);
	ck_assert_uint_eq(udrv_find_first_bit(bits, 200), 63);
	ck_assert_uint_eq(udrv_find_next_bit(bits, 200, 65), 150);
	ck_assert_uint_eq(udrv_find_next_bit(bits, 150, 65), 150);
	ck_assert_uint_eq(udrv_find_next_bit(bits, 120, 65), 120);
	ck_assert_uint_eq(udrv_find_next_bit(bits, 200, 151), 200);
	udrv_for_each_set_bit(bit, bits, 200)
		sum += bit;
	ck_assert_uint_eq(sum, 63 + 64 + 150);
	bits[0] = ~0ul;
	ck_assert_uint_eq(udrv_find_first_zero_bit(bits, 200), 65);
	ck_assert_uint_eq(udrv_find_first_zero_bit(bits, 64), 64);
	ck_assert_uint_eq(udrv_find_next_zero_bit(bits, 200, 150), 151);
}
END_TEST

START_TEST(first_and_last_bits_are_numbered_as_in_the_kernel)
{
	ck_assert_int_eq(udrv_ffs(0), 0);
	ck_assert_int_eq(udrv_ffs(12), 3);
	ck_assert_int_eq(udrv_fls(0), 0);
	ck_assert_int_eq(udrv_fls(0x80000000u), 32);
	ck_assert_int_eq(udrv_fls64(1ull << 40), 41);
	ck_assert_int_eq(udrv_fls64(0), 0);
	ck_assert_uint_eq(udrv_hweight32(0xf0f), 8);
	ck_assert_uint_eq(udrv_hweight64(~0ull), 64);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("atomic");
	TCase *tc = tcase_create("atomic");

	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, results_are_of_before_or_after_as_named);
	tcase_add_test(tc, tests_are_of_the_result);
	tcase_add_test(tc, exchanges_give_the_former_value);
	tcase_add_test(tc, conditional_ones_stop_at_their_limit);
	tcase_add_test(tc, sixty_four_bits_are_sixty_four);
	tcase_add_test(tc, nothing_is_lost_between_threads);
	tcase_add_test(tc, release_publishes_to_acquire);
	tcase_add_test(tc, masks_have_the_bits_they_say);
	tcase_add_test(tc, bits_are_set_cleared_and_tested);
	tcase_add_test(tc, searches_end_at_the_size);
	tcase_add_test(tc, first_and_last_bits_are_numbered_as_in_the_kernel);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

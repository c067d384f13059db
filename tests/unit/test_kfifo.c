// SPDX-License-Identifier: MIT
#include <errno.h>
#include <limits.h>
#include <string.h>

#include <udrv/kfifo.h>

#include "support/suite.h"
#include "support/threads.h"

struct event {
	int number;
	char text[9];
};

static UDRV_DEFINE_KFIFO(numbers, int, 8);
static struct {
	UDRV_DECLARE_KFIFO(events, struct event, 4);
	UDRV_DECLARE_KFIFO_PTR(bytes, unsigned char);
} member;

START_TEST(elements_come_out_in_order)
{
	int x = 0;

	ck_assert(udrv_kfifo_is_empty(&numbers));
	ck_assert_uint_eq(udrv_kfifo_get(&numbers, &x), 0);
	ck_assert_uint_eq(udrv_kfifo_put(&numbers, 7), 1);
	ck_assert_uint_eq(udrv_kfifo_put(&numbers, 8), 1);
	ck_assert_uint_eq(udrv_kfifo_peek(&numbers, &x), 1);
	ck_assert_int_eq(x, 7);
	ck_assert_uint_eq(udrv_kfifo_len(&numbers), 2);
	ck_assert_uint_eq(udrv_kfifo_get(&numbers, &x), 1);
	ck_assert_int_eq(x, 7);
	udrv_kfifo_skip(&numbers);
	ck_assert(udrv_kfifo_is_empty(&numbers));
}
END_TEST

START_TEST(full_fifo_takes_no_more_and_wraps)
{
	int in[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
	int out[12];

	for (int round = 0; round < 20; round++) {
		ck_assert_uint_eq(udrv_kfifo_in(&numbers, in, 12), 8);
		ck_assert(udrv_kfifo_is_full(&numbers));
		ck_assert_uint_eq(udrv_kfifo_avail(&numbers), 0);
		ck_assert_uint_eq(udrv_kfifo_put(&numbers, 1), 0);
		ck_assert_uint_eq(udrv_kfifo_out_peek(&numbers, out, 12), 8);
		ck_assert_uint_eq(udrv_kfifo_out(&numbers, out, 5), 5);
		ck_assert_uint_eq(udrv_kfifo_in(&numbers, in + 8, 3), 3);
		ck_assert_uint_eq(udrv_kfifo_out(&numbers, out + 5, 7), 6);
		ck_assert_int_eq(memcmp(in, out, 11 * sizeof(int)), 0);
	}
}
END_TEST

START_TEST(counters_may_wrap)
{
	int x = 0;

	numbers.kfifo.in = numbers.kfifo.out = UINT_MAX - 2;
	for (int i = 0; i < 8; i++)
		ck_assert_uint_eq(udrv_kfifo_put(&numbers, i), 1);
	ck_assert(udrv_kfifo_is_full(&numbers));
	for (int i = 0; i < 8; i++) {
		ck_assert_uint_eq(udrv_kfifo_get(&numbers, &x), 1);
		ck_assert_int_eq(x, i);
	}
	ck_assert(udrv_kfifo_is_empty(&numbers));
}
END_TEST

START_TEST(elements_may_be_structs)
{
	struct event e = {3, "three"};
	struct event got = {0};

	udrv_init_kfifo(member.events);
	ck_assert_uint_eq(udrv_kfifo_size(&member.events), 4);
	ck_assert_uint_eq(udrv_kfifo_esize(&member.events), sizeof(e));
	ck_assert_uint_eq(udrv_kfifo_put(&member.events, e), 1);
	ck_assert_uint_eq(udrv_kfifo_get(&member.events, &got), 1);
	ck_assert_str_eq(got.text, "three");
	(void)udrv_kfifo_put(&member.events, e);
	udrv_kfifo_reset_out(&member.events);
	ck_assert(udrv_kfifo_is_empty(&member.events));
	(void)udrv_kfifo_put(&member.events, e);
	udrv_kfifo_reset(&member.events);
	ck_assert(udrv_kfifo_is_empty(&member.events));
}
END_TEST

START_TEST(memory_is_allocated_rounded_and_freed)
{
	unsigned char byte = 1;
	unsigned char buffer[13];

	ck_assert(!udrv_kfifo_initialized(&member.bytes));
	ck_assert_uint_eq(udrv_kfifo_put(&member.bytes, byte), 0);
	ck_assert_int_eq(udrv_kfifo_alloc(&member.bytes, 1, UDRV_GFP_KERNEL), -EINVAL);
	ck_assert_int_eq(udrv_kfifo_alloc(&member.bytes, UINT_MAX, UDRV_GFP_KERNEL), -EINVAL);
	ck_assert(!udrv_kfifo_initialized(&member.bytes));
	ck_assert_int_eq(udrv_kfifo_alloc(&member.bytes, 9, UDRV_GFP_KERNEL), 0);
	ck_assert_uint_eq(udrv_kfifo_size(&member.bytes), 16);
	ck_assert_uint_eq(udrv_kfifo_put(&member.bytes, byte), 1);
	udrv_kfifo_free(&member.bytes);
	ck_assert_uint_eq(udrv_kfifo_get(&member.bytes, &byte), 0);
	ck_assert_int_eq(udrv_kfifo_init(&member.bytes, buffer, sizeof(buffer)), 0);
	ck_assert_uint_eq(udrv_kfifo_size(&member.bytes), 8);
	ck_assert_int_eq(udrv_kfifo_init(&member.bytes, buffer, 1), -EINVAL);
}
END_TEST

enum { COUNT = 100000 };

static void *produce(void *arg)
{
	int chunk[3];

	(void)arg;
	for (int i = 0; i < COUNT;) {
		int n = i % 3 + 1 < COUNT - i ? i % 3 + 1 : COUNT - i;
		int put;

		for (int k = 0; k < n; k++)
			chunk[k] = i + k;
		put = (int)udrv_kfifo_in(&numbers, chunk, (unsigned int)n);
		if (!put)
			sched_yield();
		i += put;
	}
	return NULL;
}

START_TEST(two_threads_need_no_lock)
{
	pthread_t t = start(produce, NULL);
	int next = 0;
	int got[4];

	while (next < COUNT) {
		unsigned int n = udrv_kfifo_out(&numbers, got, (unsigned int)(next % 4 + 1));

		if (!n)
			sched_yield();
		ck_assert_uint_le(udrv_kfifo_len(&numbers), 8);
		for (unsigned int k = 0; k < n; k++)
			ck_assert_int_eq(got[k], next++);
	}
	finish(t);
}
END_TEST

static UDRV_DEFINE_SPINLOCK(in_lock);

static void *produce_locked(void *arg)
{
	for (int i = 0; i < COUNT / 10;) {
		int n = (int)udrv_kfifo_in_spinlocked(&numbers, (int *)arg, 1, &in_lock);

		i += n;
		if (!n)
			sched_yield();
	}
	return NULL;
}

START_TEST(several_producers_share_a_lock)
{
	int values[3] = {1, 10, 100};
	pthread_t t[3];
	long sum = 0;
	int x;

	for (int i = 0; i < 3; i++)
		t[i] = start(produce_locked, &values[i]);
	for (int i = 0; i < 3 * COUNT / 10;) {
		if (!udrv_kfifo_out_spinlocked(&numbers, &x, 1, &in_lock)) {
			sched_yield();
			continue;
		}
		sum += x;
		i++;
	}
	for (int i = 0; i < 3; i++)
		finish(t[i]);
	ck_assert_int_eq(sum, 111L * COUNT / 10);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("kfifo");
	TCase *tc = tcase_create("kfifo");

	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, elements_come_out_in_order);
	tcase_add_test(tc, full_fifo_takes_no_more_and_wraps);
	tcase_add_test(tc, counters_may_wrap);
	tcase_add_test(tc, elements_may_be_structs);
	tcase_add_test(tc, memory_is_allocated_rounded_and_freed);
	tcase_add_test(tc, two_threads_need_no_lock);
	tcase_add_test(tc, several_producers_share_a_lock);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

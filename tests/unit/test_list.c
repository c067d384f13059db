// SPDX-License-Identifier: MIT
#include <errno.h>

#include <udrv/err.h>
#include <udrv/list.h>

#include "support/suite.h"

struct item {
	int value;
	struct udrv_list_head link;
};

static struct item a, b, c;
static struct udrv_list_head head, other;

static void setup(void)
{
	a.value = 1;
	b.value = 2;
	c.value = 3;
	udrv_init_list_head(&head);
	udrv_init_list_head(&other);
}

/* The values in order as digits, read forwards; checked against backwards. */
static int digits(struct udrv_list_head *list)
{
	struct item *i;
	int forwards = 0;
	int backwards = 0;
	int power = 1;

	udrv_list_for_each_entry(i, list, link)
		forwards = forwards * 10 + i->value;
	udrv_list_for_each_entry_reverse(i, list, link) {
		backwards += power * i->value;
		power *= 10;
	}
	ck_assert_int_eq(forwards, backwards);
	return forwards;
}

static void fill(void)
{
	udrv_list_add_tail(&a.link, &head);
	udrv_list_add_tail(&b.link, &head);
	udrv_list_add_tail(&c.link, &head);
}

START_TEST(add_is_first_add_tail_is_last)
{
	udrv_list_add(&b.link, &head);
	udrv_list_add(&a.link, &head);
	udrv_list_add_tail(&c.link, &head);
	ck_assert_int_eq(digits(&head), 123);
	ck_assert_uint_eq(udrv_list_count_nodes(&head), 3);
	ck_assert(udrv_list_is_first(&a.link, &head) && udrv_list_is_last(&c.link, &head));
	ck_assert_ptr_eq(udrv_list_last_entry(&head, struct item, link), &c);
}
END_TEST

START_TEST(empty_and_singular_are_told_apart)
{
	ck_assert(udrv_list_empty(&head) && !udrv_list_is_singular(&head));
	ck_assert_ptr_null(udrv_list_first_entry_or_null(&head, struct item, link));
	udrv_list_add(&a.link, &head);
	ck_assert(!udrv_list_empty(&head) && udrv_list_is_singular(&head));
	ck_assert_ptr_eq(udrv_list_first_entry_or_null(&head, struct item, link), &a);
	udrv_list_add(&b.link, &head);
	ck_assert(!udrv_list_is_singular(&head));
}
END_TEST

START_TEST(deleted_entry_is_out_and_poisoned)
{
	fill();
	udrv_list_del(&b.link);
	ck_assert_int_eq(digits(&head), 13);
	ck_assert_ptr_ne(b.link.next, &c.link);
	udrv_list_del_init(&a.link);
	ck_assert(udrv_list_empty(&a.link));
	ck_assert_int_eq(digits(&head), 3);
}
END_TEST

START_TEST(moves_change_place_and_list)
{
	fill();
	udrv_list_move(&c.link, &head);
	ck_assert_int_eq(digits(&head), 312);
	udrv_list_move_tail(&c.link, &other);
	udrv_list_move_tail(&a.link, &other);
	ck_assert_int_eq(digits(&head), 2);
	ck_assert_int_eq(digits(&other), 31);
}
END_TEST

START_TEST(replace_takes_the_place)
{
	udrv_list_add_tail(&a.link, &head);
	udrv_list_add_tail(&b.link, &head);
	udrv_list_replace_init(&a.link, &c.link);
	ck_assert_int_eq(digits(&head), 32);
	ck_assert(udrv_list_empty(&a.link));
}
END_TEST

START_TEST(splice_keeps_order_and_empties)
{
	udrv_list_add(&a.link, &head);
	udrv_list_splice_init(&other, &head);
	ck_assert_int_eq(digits(&head), 1);
	udrv_list_add_tail(&b.link, &other);
	udrv_list_add_tail(&c.link, &other);
	udrv_list_splice_init(&other, &head);
	ck_assert_int_eq(digits(&head), 231);
	ck_assert(udrv_list_empty(&other));
	udrv_list_move(&a.link, &other);
	udrv_list_splice_tail_init(&head, &other);
	ck_assert_int_eq(digits(&other), 123);
}
END_TEST

START_TEST(safe_loops_allow_deletion)
{
	struct item *i;
	struct item *n;

	fill();
	udrv_list_for_each_entry_safe(i, n, &head, link)
		if (i->value != 2)
			udrv_list_del(&i->link);
	ck_assert_int_eq(digits(&head), 2);
	udrv_list_for_each_entry_safe_reverse(i, n, &head, link)
		udrv_list_del(&i->link);
	ck_assert(udrv_list_empty(&head));
}
END_TEST

START_TEST(continue_begins_behind_the_position)
{
	struct item *i = &a;
	int sum = 0;

	fill();
	udrv_list_for_each_entry_continue(i, &head, link)
		sum += i->value;
	ck_assert_int_eq(sum, 5);
}
END_TEST

START_TEST(errors_travel_in_pointers)
{
	void *p = UDRV_ERR_PTR(-ENOMEM);

	ck_assert(UDRV_IS_ERR(p) && UDRV_IS_ERR_OR_NULL(p) && UDRV_PTR_ERR(p) == -ENOMEM);
	ck_assert(UDRV_IS_ERR(UDRV_ERR_PTR(-UDRV_MAX_ERRNO)));
	ck_assert(!UDRV_IS_ERR(NULL) && UDRV_IS_ERR_OR_NULL((void *)0));
	ck_assert(!UDRV_IS_ERR(&head) && !UDRV_IS_ERR_OR_NULL(&head));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("list");
	TCase *tc = tcase_create("list");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, add_is_first_add_tail_is_last);
	tcase_add_test(tc, empty_and_singular_are_told_apart);
	tcase_add_test(tc, deleted_entry_is_out_and_poisoned);
	tcase_add_test(tc, moves_change_place_and_list);
	tcase_add_test(tc, replace_takes_the_place);
	tcase_add_test(tc, splice_keeps_order_and_empties);
	tcase_add_test(tc, safe_loops_allow_deletion);
	tcase_add_test(tc, continue_begins_behind_the_position);
	tcase_add_test(tc, errors_travel_in_pointers);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

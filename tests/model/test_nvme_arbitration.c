// SPDX-License-Identifier: MIT
/* Queues with a priority: what the library asks the controller for. */
#include <errno.h>

#include <check.h>
#include <udrv/device.h>

#include "backend/model_nvme.h"
#include "nvme.h"
#include "support/suite.h"

static struct udrv_device *dev;

/* What queue 1 is for the controller. */
static int priority_of(struct udrv_nvme *nvme, enum udrv_nvme_priority priority)
{
	const struct udrv_nvme_queue_options options = {.priority = priority};
	struct udrv_nvme_queue *q;
	int got;

	ck_assert_int_eq(udrv_nvme_queue_create(nvme, &options, &q), 0);
	got = udrv__model_nvme_priority(dev, 1);
	udrv_nvme_queue_destroy(q);
	return got;
}

static struct udrv_nvme *attach(const char *name, bool weighted)
{
	const struct udrv_nvme_options options = {.weighted = weighted,
						  .arbitration = NVME_ARBITRATION(3, 1, 16, 256)};
	struct udrv_nvme *nvme;

	ck_assert_int_eq(udrv_device_open(name, NULL, &dev), 0);
	ck_assert_int_eq(udrv_nvme_attach(dev, &options, &nvme), 0);
	return nvme;
}

static void detach(struct udrv_nvme *nvme)
{
	udrv_nvme_detach(nvme);
	udrv_device_close(dev);
}

START_TEST(queues_have_the_priority_that_was_asked_for)
{
	struct udrv_nvme *nvme = attach("model:nvme:wrr", true);
	const struct udrv_nvme_queue_options wrong = {.priority = (enum udrv_nvme_priority)4};
	struct udrv_nvme_queue *q = NULL;
	struct udrv_nvme_info info;
	uint32_t value;

	udrv_nvme_get_info(nvme, &info);
	ck_assert(info.weighted);
	ck_assert_int_eq(priority_of(nvme, UDRV_NVME_MEDIUM), 2);
	ck_assert_int_eq(priority_of(nvme, UDRV_NVME_URGENT), 0);
	ck_assert_int_eq(priority_of(nvme, UDRV_NVME_HIGH), 1);
	ck_assert_int_eq(priority_of(nvme, UDRV_NVME_LOW), 3);
	ck_assert_int_eq(udrv_nvme_queue_create(nvme, &wrong, &q), -EINVAL);
	/* Also after a reset, which loses the feature. */
	ck_assert_int_eq(udrv_nvme_reset(nvme), 0);
	ck_assert_int_eq(udrv_nvme_get_feature(nvme, NVME_FEAT_ARBITRATION, 0, 0, NULL, 0, &value),
			 0);
	ck_assert_uint_eq(value, 0xff0f0003);
	ck_assert_int_eq(priority_of(nvme, UDRV_NVME_HIGH), 1);
	detach(nvme);
}
END_TEST

START_TEST(it_is_round_robin_unless_asked_for_or_where_it_is_not)
{
	struct udrv_nvme_info info;
	struct udrv_nvme *nvme = attach("model:nvme:wrr", false);

	udrv_nvme_get_info(nvme, &info);
	ck_assert(!info.weighted);
	ck_assert_int_eq(priority_of(nvme, UDRV_NVME_LOW), 0);
	detach(nvme);
	nvme = attach("model:nvme", true);
	udrv_nvme_get_info(nvme, &info);
	ck_assert(!info.weighted);
	ck_assert_int_eq(priority_of(nvme, UDRV_NVME_LOW), 0);
	detach(nvme);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nvme_arbitration");
	TCase *tc = tcase_create("arbitration");

	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, queues_have_the_priority_that_was_asked_for);
	tcase_add_test(tc, it_is_round_robin_unless_asked_for_or_where_it_is_not);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

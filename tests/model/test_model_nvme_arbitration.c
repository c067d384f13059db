// SPDX-License-Identifier: MIT
/* Weighted round robin: what the software controller serves first. */
#include "support/raw_nvme.h"
#include "support/suite.h"

#define EACH	8u
#define CQ_SIZE 64u
#define CLASSES 4u

/* A queue of each class, all with completion queue 1. */
static void classes_up(const char *name, uint32_t cc)
{
	raw_open(name);
	raw_start(cc);
	ck_assert_uint_eq(raw_csts(), NVME_CSTS_RDY);
	(void)raw_alloc_queue(1, CQ_SIZE);
	raw_ok(0, raw_create_cq(1, CQ_SIZE, 0, false));
	for (unsigned int qid = 1; qid <= CLASSES; qid++) {
		struct udrv__nvme_cmd cmd;

		if (qid > 1)
			(void)raw_alloc_queue(qid, CQ_SIZE);
		cmd = raw_create_sq(qid, CQ_SIZE, 1);
		cmd.cdw11 |= (qid - 1) << 1;
		raw_ok(0, cmd);
	}
}

/* The queues in the order in which they were served, as letters. */
static const char *served(void)
{
	static char order[CLASSES * EACH + 1];

	udrv__model_nvme_pause(dev, true);
	for (unsigned int qid = CLASSES; qid; qid--)
		for (unsigned int i = 0; i < EACH; i++)
			(void)raw_submit(qid, raw_rw(NVME_NVM_READ, i, 1));
	udrv__model_nvme_settle(dev);
	udrv__model_nvme_pause(dev, false);
	for (unsigned int i = 0; i < CLASSES * EACH; i++)
		order[i] = "?UHML"[raw_wait(1).sqid];
	return order;
}

START_TEST(classes_are_served_by_their_weights)
{
	classes_up("model:nvme:wrr", RAW_CC | NVME_AMS_WEIGHTED << 11);
	/* High 4, medium 2, low 1. */
	raw_ok(0, raw_set_feature(NVME_FEAT_ARBITRATION, 3u << 24 | 1u << 16));
	ck_assert_str_eq(served(), "UUUUUUUU"
				   "HHHHMML"
				   "HHHHMML"
				   "MML"
				   "MML"
				   "LLLL");
	raw_close();
}
END_TEST

START_TEST(without_weights_all_take_turns)
{
	classes_up("model:nvme:wrr", RAW_CC);
	ck_assert_str_eq(served(), "UHMLUHMLUHMLUHMLUHMLUHMLUHMLUHML");
	raw_close();
}
END_TEST

START_TEST(a_controller_that_has_it_not_is_not_enabled_with_it)
{
	raw_open("model:nvme");
	ck_assert_uint_eq(udrv_readl(regs + NVME_REG_CAP) >> 17 & 3, 0);
	raw_start(RAW_CC | NVME_AMS_WEIGHTED << 11);
	ck_assert_uint_eq(raw_csts(), NVME_CSTS_CFS);
	raw_close();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model_nvme_arbitration");
	TCase *tc = tcase_create("arbitration");

	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, classes_are_served_by_their_weights);
	tcase_add_test(tc, without_weights_all_take_turns);
	tcase_add_test(tc, a_controller_that_has_it_not_is_not_enabled_with_it);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

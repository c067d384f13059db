// SPDX-License-Identifier: MIT
/* The edu driver's verbs, called as the daemon calls them. */
#include <errno.h>
#include <stdlib.h>

#include "edu_driver.h"
#include "support/suite.h"
#include "support/verb.h"

static struct udrv_device *dev;

static void setup(void)
{
	dev = open_and_probe("model:edu");
}

static void teardown(void)
{
	remove_and_close(dev);
	free_output();
}

static int run(const char *line)
{
	return run_verb(edu_driver.verbs, dev, line);
}

START_TEST(factorial_prints_the_number)
{
	ck_assert_int_eq(run("factorial 10"), 0);
	ck_assert_str_eq(out, "3628800\n");
	ck_assert_str_eq(err, "");
}
END_TEST

START_TEST(factorial_with_count_says_how_many_were_lost)
{
	ck_assert_int_eq(run("factorial 5 --count 500"), 0);
	ck_assert_int_eq(strncmp(out, "120\n500 factorials by interrupt, 0 lost, ", 41), 0);
	ck_assert_uint_eq(edu_of(dev)->factorials, 500);
	ck_assert_int_eq(run("factorial 5 --count=500"), 0);
	ck_assert_uint_eq(edu_of(dev)->factorials, 1000);
}
END_TEST

START_TEST(dma_test_compares_every_byte)
{
	ck_assert_int_eq(run("dma-test"), 0);
	ck_assert_int_eq(run("dma-test --bytes 4088 --rounds 3"), 0);
	ck_assert_str_eq(out,
			 "3 rounds of 4088 bytes to the device and back, every byte the same\n");
	ck_assert_int_eq(run("dma-test --rounds 2 --bytes 1"), 0);
	ck_assert_uint_eq(edu_of(dev)->dma_bytes, 2 * (4 * 4088 + 2));
}
END_TEST

START_TEST(dma_test_notices_when_nothing_moves)
{
	ck_assert_int_eq(udrv_pci_clear_master(dev), 0);
	/* An MSI would not arrive either, hence INTx. */
	edu_driver.remove(dev);
	set_param("irq", "intx");
	ck_assert_int_eq(udrv_driver_probe(&edu_driver, dev), 0);
	ck_assert_int_eq(udrv_pci_clear_master(dev), 0);
	ck_assert_int_eq(run("dma-test --bytes 16"), -EIO);
	ck_assert_ptr_nonnull(strstr(err, "byte 0 is 0x"));
	set_param("irq", "auto");
}
END_TEST

START_TEST(wrong_arguments_are_refused_with_one_line)
{
	static const char *const lines[] = {
		"factorial",
		"factorial 13",
		"factorial -1",
		"factorial +1",
		"factorial 5x",
		"factorial 0x5",
		"factorial 4294967297",
		"factorial 99999999999999999999999",
		"factorial 5 --count",
		"factorial 5 --count=",
		"factorial 5 --count=3 7",
		"factorial 5 --count 0",
		"factorial 5 --count -3",
		"factorial 5 --count 1000001",
		"factorial 5 --times 3",
		"factorial 5 6",
		"dma-test 4",
		"dma-test --bytes 0",
		"dma-test --bytes 4089",
		"dma-test --bytes 4096",
		"dma-test --bytes 4294967296",
		"dma-test --bytes ten",
		"dma-test --rounds 0",
		"dma-test --bytes",
		"stats --xml",
		"stats --json --json",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		ck_assert_msg(run(lines[i]) == -EINVAL, "%s", lines[i]);
		ck_assert_str_eq(out, "");
		ck_assert_ptr_eq(strchr(err, '\n'), err + strlen(err) - 1);
	}
	ck_assert_uint_eq(edu_of(dev)->factorials, 0);
}
END_TEST

START_TEST(message_names_the_limit)
{
	run("factorial 13");
	ck_assert_str_eq(err, "factorial: '13' is not a number from 0 to 12\n");
	run("dma-test --bytes 4096");
	ck_assert_str_eq(err, "--bytes: '4096' is not a number from 1 to 4088\n");
}
END_TEST

/* The worker counts when the handler, which ends the wait, has returned. */
static void let_it_count(void)
{
	ck_assert_int_eq(udrv_synchronize_irq(dev, edu_of(dev)->irq), 0);
}

START_TEST(stats_as_text)
{
	run("factorial 3 --count 7");
	let_it_count();
	ck_assert_int_eq(run("stats"), 0);
	ck_assert_ptr_nonnull(strstr(out, "device      model:edu\n"));
	ck_assert_ptr_nonnull(strstr(out, "irq         msi\n"));
	ck_assert_ptr_nonnull(strstr(out, "interrupts  7\n"));
	ck_assert_ptr_nonnull(strstr(out, "lost        0\n"));
}
END_TEST

START_TEST(stats_as_json)
{
	run("factorial 3 --count 7");
	run("dma-test --bytes 100");
	let_it_count();
	ck_assert_int_eq(run("stats --json"), 0);
	ck_assert_str_eq(out, "{\"device\":\"model:edu\",\"irq\":\"msi\",\"wait\":\"read\","
			      "\"interrupts\":9,\"unhandled\":0,\"factorials\":7,\"lost\":0,"
			      "\"dma_bytes\":200}\n");
}
END_TEST

START_TEST(verbs_on_a_device_that_is_gone_fail_with_a_line)
{
	udrv__model_surprise_remove(dev);
	ck_assert_int_eq(run("factorial 5"), -ENODEV);
	ck_assert_str_eq(err, "factorial: the device is gone\n");
	ck_assert_int_eq(run("dma-test"), -ENODEV);
	ck_assert_str_eq(err, "dma-test: the device is gone\n");
	ck_assert_int_eq(run("stats"), 0);
}
END_TEST

START_TEST(lost_interrupt_is_counted_and_the_next_one_works)
{
	/* The message is dropped: the driver waits in vain. */
	ck_assert_int_eq(udrv_pci_clear_master(dev), 0);
	ck_assert_int_eq(run("factorial 5"), -ETIMEDOUT);
	ck_assert_ptr_nonnull(strstr(err, "no interrupt arrived"));
	ck_assert_uint_eq(edu_of(dev)->lost, 1);
	/* And works again afterwards. */
	ck_assert_int_eq(udrv_pci_set_master(dev), 0);
	ck_assert_int_eq(run("factorial 5"), 0);
	ck_assert_str_eq(out, "120\n");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("edu_verbs");
	TCase *tc = tcase_create("verbs");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, factorial_prints_the_number);
	tcase_add_test(tc, factorial_with_count_says_how_many_were_lost);
	tcase_add_test(tc, dma_test_compares_every_byte);
	tcase_add_test(tc, dma_test_notices_when_nothing_moves);
	tcase_add_test(tc, wrong_arguments_are_refused_with_one_line);
	tcase_add_test(tc, message_names_the_limit);
	tcase_add_test(tc, stats_as_text);
	tcase_add_test(tc, stats_as_json);
	tcase_add_test(tc, verbs_on_a_device_that_is_gone_fail_with_a_line);
	tcase_add_test(tc, lost_interrupt_is_counted_and_the_next_one_works);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

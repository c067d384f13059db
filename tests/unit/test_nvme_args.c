// SPDX-License-Identifier: MIT
/* Options of the NVMe driver's verbs. */
#include <errno.h>
#include <string.h>

#include "nvme_args.h"

#include "support/suite.h"

static bool flag;
static uint64_t number;
static const char *text;
static char *said;

static const struct nvme_arg args[] = {
	NVME_FLAG('f', "flag", &flag, "whether"),
	NVME_NUMBER('n', "number", &number, 1u << 20, "how many"),
	NVME_TEXT('t', "text", &text, "FILE", "which"),
	NVME_NUMBER(0, "wide", &number, UINT64_MAX, "how many more"),
};

static void setup(void)
{
	flag = false;
	number = 7;
	text = "as it was";
}

static void teardown(void)
{
	free(said);
	said = NULL;
}

/* "verb" and up to three words. */
static int parse(const char *a, const char *b, const char *c)
{
	static char verb[] = "verb";
	char *argv[] = {verb, (char *)(uintptr_t)a, (char *)(uintptr_t)b, (char *)(uintptr_t)c,
			NULL};
	size_t len;
	FILE *err;
	int argc = 1, ret;

	while (argv[argc])
		argc++;
	free(said);
	err = open_memstream(&said, &len);
	ret = nvme_args_parse(argc, argv, args, 4, err);
	ck_assert_int_eq(fclose(err), 0);
	return ret;
}

START_TEST(what_is_not_given_stays)
{
	ck_assert_int_eq(parse(NULL, NULL, NULL), 0);
	ck_assert(!flag);
	ck_assert_uint_eq(number, 7);
	ck_assert_str_eq(text, "as it was");
}
END_TEST

START_TEST(options_are_written_in_four_ways)
{
	ck_assert_int_eq(parse("-n", "1", NULL), 0);
	ck_assert_uint_eq(number, 1);
	ck_assert_int_eq(parse("-n2", "-f", NULL), 0);
	ck_assert_uint_eq(number, 2);
	ck_assert(flag);
	ck_assert_int_eq(parse("--number", "3", NULL), 0);
	ck_assert_uint_eq(number, 3);
	ck_assert_int_eq(parse("--text=a=b", "--number=4", "--flag"), 0);
	ck_assert_str_eq(text, "a=b");
	ck_assert_uint_eq(number, 4);
}
END_TEST

START_TEST(numbers_have_prefixes_and_suffixes)
{
	static const struct {
		const char *text;
		uint64_t value;
	} good[] = {
		{"0", 0},
		{"0x10", 16},
		{"010", 8},
		{"1K", 1024},
		{"2k", 2048},
		{"3KiB", 3072},
		{"3KB", 3072},
		{"1Mi", 1u << 20},
		{"5G", 5ull << 30},
		{"1T", 1ull << 40},
		{"2P", 2ull << 50},
		{"18446744073709551615", UINT64_MAX},
		{"0xffffffffffffffff", UINT64_MAX},
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ck_assert_msg(!parse("--wide", good[i].text, NULL), "%s", good[i].text);
		ck_assert_uint_eq(number, good[i].value);
	}
}
END_TEST

START_TEST(bad_numbers_are_refused_with_the_limit)
{
	static const char *const bad[] = {
		"",	     "-1", "+1", "x",	 "1x", "1KK", "K", "0x", "18446744073709551616",
		"16777216T", " 1", "1 ", "1KiBs"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_msg(parse("--wide", bad[i], NULL) == -EINVAL, "%s", bad[i]);
		ck_assert_uint_eq(number, 7);
	}
	ck_assert_int_eq(parse("-n", "1048577", NULL), -EINVAL);
	ck_assert_str_eq(said, "verb: --number: '1048577' is not a number from 0 to 1048576\n");
	ck_assert_int_eq(parse("-n", "1M", NULL), 0);
}
END_TEST

START_TEST(wrong_words_are_refused_with_one_line)
{
	ck_assert_int_eq(parse("word", NULL, NULL), -EINVAL);
	ck_assert_str_eq(said, "verb: unexpected argument 'word'\n");
	ck_assert_int_eq(parse("-", NULL, NULL), -EINVAL);
	ck_assert_int_eq(parse("--numbe=3", NULL, NULL), -EINVAL);
	ck_assert_str_eq(said, "verb: there is no option '--numbe=3'\n");
	ck_assert_int_eq(parse("-x", NULL, NULL), -EINVAL);
	ck_assert_int_eq(parse("--", NULL, NULL), -EINVAL);
	ck_assert_int_eq(parse("-n", NULL, NULL), -EINVAL);
	ck_assert_str_eq(said, "verb: this option lacks its value: 'number'\n");
	ck_assert_int_eq(parse("--flag=1", NULL, NULL), -EINVAL);
	ck_assert_int_eq(parse("-f1", NULL, NULL), -EINVAL);
	ck_assert_int_eq(parse("--wide", NULL, NULL), -EINVAL);
}
END_TEST

START_TEST(help_has_a_line_for_each_option)
{
	ck_assert_int_eq(parse("--help", NULL, NULL), -EINVAL);
	ck_assert_str_eq(said, "  -f, --flag                     whether\n"
			       "  -n, --number=N                 how many\n"
			       "  -t, --text=FILE                which\n"
			       "      --wide=N                   how many more\n");
}
END_TEST

START_TEST(the_format_is_chosen_by_three_options)
{
	struct nvme_show show = {0};
	enum nvme_format format;
	size_t len;
	FILE *err;

	ck_assert_int_eq(nvme_show_format(&show, "verb", &format, stderr), 0);
	ck_assert_int_eq(format, NVME_SHOW_TEXT);
	show.json = true;
	ck_assert_int_eq(nvme_show_format(&show, "verb", &format, stderr), 0);
	ck_assert_int_eq(format, NVME_SHOW_JSON);
	show = (struct nvme_show){.binary = true};
	ck_assert_int_eq(nvme_show_format(&show, "verb", &format, stderr), 0);
	ck_assert_int_eq(format, NVME_SHOW_BINARY);
	show = (struct nvme_show){.output = "json"};
	ck_assert_int_eq(nvme_show_format(&show, "verb", &format, stderr), 0);
	ck_assert_int_eq(format, NVME_SHOW_JSON);
	show.output = "normal";
	ck_assert_int_eq(nvme_show_format(&show, "verb", &format, stderr), 0);
	ck_assert_int_eq(format, NVME_SHOW_TEXT);
	show.output = "xml";
	free(said);
	err = open_memstream(&said, &len);
	ck_assert_int_eq(nvme_show_format(&show, "verb", &format, err), -EINVAL);
	ck_assert_int_eq(fclose(err), 0);
	ck_assert_str_eq(said, "verb: --output-format: 'xml' is not normal, json or binary\n");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nvme_args");
	TCase *tc = tcase_create("options");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_is_not_given_stays);
	tcase_add_test(tc, options_are_written_in_four_ways);
	tcase_add_test(tc, numbers_have_prefixes_and_suffixes);
	tcase_add_test(tc, bad_numbers_are_refused_with_the_limit);
	tcase_add_test(tc, wrong_words_are_refused_with_one_line);
	tcase_add_test(tc, help_has_a_line_for_each_option);
	tcase_add_test(tc, the_format_is_chosen_by_three_options);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

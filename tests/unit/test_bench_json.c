// SPDX-License-Identifier: MIT
/* The JSON file of `udrv bench irq`, the ratio in it, and the picture drawn from it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "bench/bench.h"
#include "support/suite.h"

static char folder[] = "/tmp/udrv-bench-XXXXXX";
static char path[64], picture[64];
static struct bench_result result;

static void add_row(const char *name, uint64_t p50)
{
	struct bench_row *row = &result.rows[result.row_count++];

	*row = (struct bench_row){.name = name, .fifo = 50, .point_count = 2};
	row->summary = (struct bench_summary){.count = 2000,
					      .min = p50 - 8,
					      .p50 = p50,
					      .p90 = p50,
					      .p99 = p50 + 2,
					      .p999 = p50 + 100,
					      .max = p50 + 5000};
	row->points = calloc(2, sizeof(*row->points));
	ck_assert_ptr_nonnull(row->points);
	row->points[0] = (struct bench_point){p50 - 8, 500};
	row->points[1] = (struct bench_point){p50 + 5000, 2000};
}

static void setup(void)
{
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/result.json", folder);
	(void)snprintf(picture, sizeof(picture), "%s/it's.png", folder);
	memset(&result, 0, sizeof(result));
	result.baseline = "kernel-thread";
	result.settings = (struct bench_settings){
		.device = "0000:00:05.0", .clock = BENCH_CLOCK_ICOUNT, .fifo = 50, .cpu = -1};
	result.machine = (struct bench_machine){.kernel = "6.12", .cpus = 1, .tcg = true};
	add_row("kernel-thread", 3064);
	add_row("vfio-read", 3875);
	result.rows[result.row_count++] =
		(struct bench_row){.name = "vfio-spin", .reason = "one CPU"};
}

static void teardown(void)
{
	bench_result_free(&result);
	unlink(path);
	unlink(picture);
	rmdir(folder);
}

static struct json_object *written(void)
{
	struct json_object *o;

	ck_assert_int_eq(bench_json_write(&result, path), 0);
	o = json_object_from_file(path);
	ck_assert_ptr_nonnull(o);
	return o;
}

static struct json_object *get(struct json_object *o, const char *key)
{
	struct json_object *value;

	ck_assert_msg(json_object_object_get_ex(o, key, &value), "no key %s", key);
	return value;
}

START_TEST(a_row_has_exactly_the_promised_figures)
{
	static const struct {
		const char *key;
		uint64_t value;
	} want[] = {
		{"count", 2000},  {"lost", 0},	    {"min_ns", 3867},  {"p50_ns", 3875},
		{"p90_ns", 3875}, {"p99_ns", 3877}, {"p999_ns", 3975}, {"max_ns", 8875},
	};
	struct json_object *o = written(), *row;

	ck_assert_str_eq(json_object_get_string(get(o, "kernel")), "6.12");
	ck_assert_str_eq(json_object_get_string(get(o, "clock")), "icount");
	row = json_object_array_get_idx(get(o, "rows"), 1);
	ck_assert_str_eq(json_object_get_string(get(row, "name")), "vfio-read");
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		ck_assert_uint_eq(json_object_get_uint64(get(row, want[i].key)), want[i].value);
	ck_assert_double_eq_tol(json_object_get_double(get(row, "ratio")), 3875.0 / 3064, 0.0001);
	ck_assert_ptr_null(get(row, "to_hard_p50_ns"));
	ck_assert_ptr_null(get(row, "to_worker_p50_ns"));
	json_object_put(o);
}
END_TEST

START_TEST(a_row_left_out_is_no_row_but_says_why)
{
	struct json_object *o = written(), *out;

	ck_assert_uint_eq(json_object_array_length(get(o, "rows")), 2);
	out = json_object_array_get_idx(get(o, "left_out"), 0);
	ck_assert_str_eq(json_object_get_string(get(out, "name")), "vfio-spin");
	ck_assert_str_eq(json_object_get_string(get(out, "reason")), "one CPU");
	json_object_put(o);
}
END_TEST

START_TEST(without_its_baseline_a_ratio_is_null)
{
	struct json_object *o, *row;

	result.rows[0].summary.count = 0;
	o = written();
	row = json_object_array_get_idx(get(o, "rows"), 0);
	ck_assert_str_eq(json_object_get_string(get(row, "name")), "vfio-read");
	ck_assert_ptr_null(get(row, "ratio"));
	json_object_put(o);
}
END_TEST

START_TEST(what_was_written_reads_back)
{
	struct bench_result back;
	void *owner;

	result.rows[1].to_hard_p50 = 900;
	result.rows[1].to_worker_p50 = 2975;
	ck_assert_int_eq(bench_json_write(&result, path), 0);
	ck_assert_int_eq(bench_json_read(path, &back, &owner), 0);
	ck_assert_uint_eq(back.row_count, 2);
	ck_assert_str_eq(back.rows[1].name, "vfio-read");
	ck_assert_uint_eq(back.rows[1].to_hard_p50, 900);
	ck_assert_uint_eq(back.rows[1].to_worker_p50, 2975);
	ck_assert_uint_eq(back.rows[0].to_hard_p50, 0);
	ck_assert_uint_eq(back.rows[1].summary.p999, 3975);
	ck_assert_uint_eq(back.rows[1].point_count, 2);
	ck_assert_uint_eq(back.rows[1].points[1].cumulative, 2000);
	ck_assert_double_eq_tol(bench_ratio(&back, &back.rows[1]), 3875.0 / 3064, 1e-9);
	bench_result_free(&back);
	bench_json_release(owner);
}
END_TEST

static const char *const bad[] = {
	"",
	"{",
	"[]",
	"{}",
	"{\"kernel\":\"x\",\"clock\":\"sundial\",\"device\":\"d\",\"baseline\":\"b\",\"rows\":[]}",
	"{\"kernel\":\"x\",\"clock\":\"icount\",\"device\":\"d\",\"baseline\":\"b\",\"rows\":7}",
	"{\"kernel\":\"x\",\"clock\":\"icount\",\"device\":\"d\",\"baseline\":\"b\",\"rows\":[3]}",
	/* no distribution; counts that run backwards; that do not end at count; no pairs */
	"{\"kernel\":\"x\",\"clock\":\"icount\",\"device\":\"d\",\"baseline\":\"b\",\"rows\":"
	"[{\"name\":\"a\",\"count\":2}]}",
	"{\"kernel\":\"x\",\"clock\":\"icount\",\"device\":\"d\",\"baseline\":\"b\",\"rows\":"
	"[{\"name\":\"a\",\"count\":2,\"cdf\":[[1,2],[2,1]]}]}",
	"{\"kernel\":\"x\",\"clock\":\"icount\",\"device\":\"d\",\"baseline\":\"b\",\"rows\":"
	"[{\"name\":\"a\",\"count\":2,\"cdf\":[[1,1]]}]}",
	"{\"kernel\":\"x\",\"clock\":\"icount\",\"device\":\"d\",\"baseline\":\"b\",\"rows\":"
	"[{\"name\":\"a\",\"count\":2,\"cdf\":[1,2]}]}",
};

START_TEST(a_file_of_another_kind_is_refused)
{
	FILE *file = fopen(path, "w");
	struct bench_result back;
	void *owner;

	ck_assert_ptr_nonnull(file);
	fputs(bad[_i], file);
	fclose(file);
	ck_assert_int_lt(bench_json_read(path, &back, &owner), 0);
}
END_TEST

START_TEST(a_file_that_cannot_be_written_or_read_is_an_error)
{
	struct bench_result back;
	void *owner;

	ck_assert_int_eq(bench_json_write(&result, "/nonexistent/x.json"), -ENOENT);
	ck_assert_int_eq(bench_json_read("/nonexistent/x.json", &back, &owner), -ENOENT);
	ck_assert_int_eq(bench_json_read("/etc/passwd", &back, &owner), -EINVAL);
}
END_TEST

START_TEST(a_picture_is_drawn_whatever_its_name)
{
	unsigned char head[4] = {0};
	FILE *file;

	if (!bench_have_gnuplot()) {
		fprintf(stderr, "skipped: gnuplot is not installed\n");
		return;
	}
	ck_assert_int_eq(bench_plot(&result, picture), 0);
	file = fopen(picture, "r");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fread(head, 1, 4, file), 4);
	fclose(file);
	ck_assert_mem_eq(head, "\x89PNG", 4);
}
END_TEST

START_TEST(no_picture_without_gnuplot_or_figures)
{
	setenv("PATH", "/nonexistent", 1);
	ck_assert(!bench_have_gnuplot());
	ck_assert_int_eq(bench_plot(&result, picture), -ENOENT);
	result.rows[0].point_count = 0;
	result.rows[1].point_count = 0;
	ck_assert_int_eq(bench_plot(&result, picture), -ENODATA);
}
END_TEST

START_TEST(a_picture_is_png_or_svg)
{
	ck_assert_int_eq(bench_plot_check("a.png"), 0);
	ck_assert_int_eq(bench_plot_check("a.b/c.svg"), 0);
	ck_assert_int_eq(bench_plot_check("png"), -EINVAL);
	ck_assert_int_eq(bench_plot_check("a.pdf"), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("bench_json");
	TCase *tc = tcase_create("bench_json");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, a_row_has_exactly_the_promised_figures);
	tcase_add_test(tc, a_row_left_out_is_no_row_but_says_why);
	tcase_add_test(tc, without_its_baseline_a_ratio_is_null);
	tcase_add_test(tc, what_was_written_reads_back);
	tcase_add_loop_test(tc, a_file_of_another_kind_is_refused, 0,
			    (int)(sizeof(bad) / sizeof(bad[0])));
	tcase_add_test(tc, a_file_that_cannot_be_written_or_read_is_an_error);
	tcase_add_test(tc, a_picture_is_drawn_whatever_its_name);
	tcase_add_test(tc, no_picture_without_gnuplot_or_figures);
	tcase_add_test(tc, a_picture_is_png_or_svg);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

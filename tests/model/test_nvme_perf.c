// SPDX-License-Identifier: MIT
/* `udrv nvme perf` on the software controller. How fast it is, nobody looks at here. */
#include <errno.h>
#include <pthread.h>

#include <json-c/json.h>

#include <udrv/pci.h>

#include "nvme_calls.h"
#include "nvme_perf.h"
#include "support/suite.h"

static void setup(void)
{
	open_device("model:nvme:8m-4q");
}

/* A number of the JSON that perf printed, by its keys; -1: not there. */
static double number(const char *a, const char *b, const char *c)
{
	const char *const keys[] = {a, b, c};
	json_object *root = json_tokener_parse(out), *o = root;
	double value;

	for (int i = 0; i < 3 && keys[i] && o; i++)
		if (!json_object_object_get_ex(o, keys[i], &o))
			o = NULL;
	value = o ? json_object_get_double(o) : -1;
	(void)json_object_put(root);
	return value;
}

static const char *const completions[] = {"polled", "interrupt", "adaptive"};

START_TEST(so_many_reads_are_counted)
{
	char line[200];

	(void)snprintf(line, sizeof(line),
		       "perf --completion %s --queue-depth 8 --io-count 1001 --threads 2 --json",
		       completions[_i]);
	works(line);
	ck_assert(number("read", "ios", NULL) == 1001);
	ck_assert(number("write", "ios", NULL) == 0);
	ck_assert(number("read", "iops", NULL) > 0);
	ck_assert(number("queue_depth", NULL, NULL) == 8);
	ck_assert(number("threads", NULL, NULL) == 2);
	ck_assert(number("read", "latency_ns", "min") > 0);
	ck_assert(number("read", "latency_ns", "min") <= number("read", "latency_ns", "p50"));
	ck_assert(number("read", "latency_ns", "p50") <= number("read", "latency_ns", "p90"));
	ck_assert(number("read", "latency_ns", "p90") <= number("read", "latency_ns", "p99"));
	ck_assert(number("read", "latency_ns", "p99") <= number("read", "latency_ns", "p99.9"));
	ck_assert(number("read", "latency_ns", "p99.9") <= number("read", "latency_ns", "max"));
	ck_assert(number("cpu_percent", NULL, NULL) >= 0);
}
END_TEST

START_TEST(each_kind_of_load)
{
	static const struct {
		const char *rw;
		double reads, writes; /* -1: some */
	} kinds[] = {
		{"randread", 400, 0},
		{"read", 400, 0},
		{"randwrite --force", 0, 400},
		{"write --force", 0, 400},
		{"randrw --force", -1, -1},
		{"rw --force --rwmix-read 70", -1, -1},
		{"rw --rwmix-read 100", 400, 0},
		{"randrw --rwmix-read 0 --force", 0, 400},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		char line[200];
		double reads, writes;

		(void)snprintf(line, sizeof(line),
			       "perf --io-count 400 --block-size 16K --json --rw %s", kinds[i].rw);
		works(line);
		reads = number("read", "ios", NULL);
		writes = number("write", "ios", NULL);
		ck_assert(reads + writes == 400);
		ck_assert_msg(kinds[i].reads < 0 ? reads > 0 && writes > 0
						 : reads == kinds[i].reads,
			      "%s: %g reads", kinds[i].rw, reads);
	}
}
END_TEST

START_TEST(text_has_what_json_has)
{
	works("perf --rw write --force --io-count 2048 --verify --json");
	works("perf --rw randrw --force --io-count 300 --verify");
	says("model:nvme:8m-4q namespace 1: randrw, 4096 bytes, queue depth 32, 1 thread, polled\n");
	says("\nread:  ");
	says("\nwrite: ");
	says("latency in us: min ");
	says(", p99.9 ");
	says("\ncpu:   ");
	says("verify: ");
}
END_TEST

START_TEST(the_least_is_not_above_the_mean)
{
	struct udrv_nvme_ns ns = {.nsid = 1};
	struct perf_thread thread = {0};
	struct perf perf = {
		.o = {.threads = 1, .rw = "read", .completion = "polled", .json = true},
		.dev = dev,
		.ns = &ns,
		.thread = &thread,
		.seconds = 1,
		.ns_per_cycle = 1,
	};
	const uint64_t least = 98304; /* its bucket goes up to 100,351 */
	size_t len;

	udrv_hist_record(&thread.read, least);
	udrv_hist_record(&thread.read, least + 1);
	free(out);
	perf.out = open_memstream(&out, &len);
	perf_report(&perf);
	ck_assert_int_eq(fclose(perf.out), 0);
	ck_assert(number("read", "latency_ns", "mean") == 98304.5);
	ck_assert(number("read", "latency_ns", "min") <= 98304);
	ck_assert(number("read", "latency_ns", "min") >= 98304 * 31 / 32.);
}
END_TEST

START_TEST(a_run_ends_by_itself_and_shows_progress)
{
	works("perf --run-time 2 --queue-depth 2 --threads 2");
	says(" s: ");
	says(" IOPS, ");
}
END_TEST

START_TEST(what_was_written_is_verified)
{
	/* All 2,048 pieces of the namespace, in order. */
	works("perf --rw write --force --verify --io-count 2048 --threads 2 --queue-depth 5");
	says("verify: 0 blocks were wrong\n");
	works("perf --rw randread --verify --io-count 3000 --block-size 1024 --completion interrupt");
	says("verify: 0 blocks were wrong\n");
	works("perf --rw randrw --force --verify --io-count 3000");
	inject(UDRV__MODEL_NVME_DATA, NVME_READ, 513);
	ck_assert_int_eq(run("perf --rw read --verify --io-count 100"), -EILSEQ);
	ck_assert_str_eq(err, "perf: data is not what perf --verify writes\n");
	says("verify: 1 blocks were wrong\n");
}
END_TEST

START_TEST(data_that_was_not_written_is_wrong)
{
	ck_assert_int_eq(run("perf --rw read --verify --io-count 10 --json"), -EILSEQ);
	ck_assert(number("wrong_blocks", NULL, NULL) == 80);
}
END_TEST

START_TEST(an_error_ends_the_run)
{
	inject(UDRV__MODEL_NVME_ERROR, NVME_READ, NVME_SC_READ_ERROR | NVME_STATUS_DNR);
	ck_assert_int_eq(run("perf --run-time 600 --threads 2"), -ENODATA);
	ck_assert_ptr_nonnull(strstr(err, "perf: NVMe status: unrecovered read error (0x4281)"));
	works("perf --io-count 10");
}
END_TEST

static void *stop(void *unused)
{
	ck_assert_int_eq(eventfd_write(stop_fd, 1), 0);
	return unused;
}

START_TEST(a_caller_that_leaves_ends_the_run)
{
	eventfd_t value;
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, stop, NULL), 0);
	fails("perf --run-time 600 --completion interrupt", -ECANCELED, "perf: cancelled");
	pthread_join(thread, NULL);
	ck_assert_int_eq(eventfd_read(stop_fd, &value), 0);
	works("perf --io-count 10");
}
END_TEST

START_TEST(a_device_that_goes_away_ends_the_run)
{
	udrv__model_surprise_remove(dev);
	ck_assert_int_lt(run("perf --run-time 600"), 0);
}
END_TEST

START_TEST(more_threads_than_queues)
{
	struct udrv_nvme_queue *q;
	struct nvme_driver *driver = udrv_pci_get_drvdata(dev);

	fails("perf --threads 5", -EINVAL,
	      "perf: --threads takes an I/O queue each, and of the 4 that there are 0 are in use; "
	      "for more start the driver with queues=");
	ck_assert_int_eq(udrv_nvme_queue_create(driver->nvme, NULL, &q), 0);
	fails("perf --threads 4", -EINVAL, "1 are in use");
	works("perf --threads 3 --io-count 10");
	udrv_nvme_queue_destroy(q);
	fails("perf --block-size 16M", -EINVAL,
	      "perf: --block-size is a multiple of 512, at most ");
}
END_TEST

/* MQES + 1, and what a queue of this library has then. */
static const struct {
	uint32_t has;
	unsigned int depth;
} entries[] = {{65536, 1023}, {2048, 1023}, {1024, 1023}, {1000, 511}, {5, 3}};

START_TEST(a_queue_that_is_deeper_than_there_are_entries)
{
	struct udrv__model_nvme_config config;
	char line[100], says_so[100];

	udrv_driver_remove(&nvme_driver, dev);
	udrv__model_nvme_get_config(dev, &config);
	config.queue_entries = entries[_i].has;
	ck_assert_int_eq(udrv__model_nvme_set_config(dev, &config), 0);
	ck_assert_int_eq(udrv_driver_probe(&nvme_driver, dev), 0);
	(void)snprintf(line, sizeof(line), "perf --io-count 2000 -q %u", entries[_i].depth);
	works(line);
	(void)snprintf(line, sizeof(line), "perf -q %u", entries[_i].depth + 1);
	(void)snprintf(says_so, sizeof(says_so), "perf: --queue-depth is at most %u, as a queue",
		       entries[_i].depth);
	fails(line, -EINVAL, says_so);
}
END_TEST

static void *shrink(void *unused)
{
	ck_assert_int_eq(udrv__model_nvme_resize(dev, 1, 1), 0);
	return unused;
}

START_TEST(a_namespace_that_shrinks_ends_the_run)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, shrink, NULL), 0);
	ck_assert_int_lt(run("perf --run-time 600 --rw randread"), 0);
	pthread_join(thread, NULL);
	ck_assert_msg(strstr(err, "meanwhile; list and id-ns show it") ||
			      strstr(err, "id-ns shows the namespace's size as nsze") ||
			      strstr(err, "too small for this"),
		      "%s", err);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nvme_perf");
	TCase *tc = tcase_create("perf");

	tcase_add_checked_fixture(tc, setup, close_device);
	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, so_many_reads_are_counted, 0, 3);
	tcase_add_test(tc, each_kind_of_load);
	tcase_add_test(tc, text_has_what_json_has);
	tcase_add_test(tc, the_least_is_not_above_the_mean);
	tcase_add_test(tc, a_run_ends_by_itself_and_shows_progress);
	tcase_add_test(tc, what_was_written_is_verified);
	tcase_add_test(tc, data_that_was_not_written_is_wrong);
	tcase_add_test(tc, an_error_ends_the_run);
	tcase_add_test(tc, a_caller_that_leaves_ends_the_run);
	tcase_add_test(tc, a_device_that_goes_away_ends_the_run);
	tcase_add_test(tc, more_threads_than_queues);
	tcase_add_loop_test(tc, a_queue_that_is_deeper_than_there_are_entries, 0,
			    sizeof(entries) / sizeof(entries[0]));
	tcase_add_test(tc, a_namespace_that_shrinks_ends_the_run);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

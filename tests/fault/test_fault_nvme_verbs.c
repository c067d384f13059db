// SPDX-License-Identifier: MIT
/* The NVMe driver's verbs, and perf: each call that acquires something fails in turn. */
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <udrv/device.h>

#include "backend/model_nvme.h"
#include "driver/daemon.h"
#include "nvme_driver.h"
#include "support/fault.h"
#include "support/nvme_image.h"
#include "support/suite.h"

#define WORDS	  16
#define IMAGE_LEN 8192u

/* One line of what it prints is what it says when it fails. */
static const struct line {
	const char *words;
	const char *absorbs; /* as in struct fault_case */
	unsigned int fewest;
} lines[] = {
	{"list", NULL, 1},
	{"list --json", NULL, 1},
	{"list-ns -a", NULL, 1},
	{"list-ctrl", NULL, 1},
	{"id-ctrl", NULL, 1},
	{"id-ctrl --json", NULL, 1},
	{"id-ns --json", NULL, 1},
	{"smart-log", NULL, 0},
	{"error-log", NULL, 1},
	{"fw-log", NULL, 0},
	{"sanitize-log --json", NULL, 0},
	{"get-feature -f 14 -H", NULL, 0},
	{"set-feature -f 4 -v 0x150", NULL, 0},
	{"format --force -b 512", " calloc malloc ", 1},
	{"fw-download -f file", NULL, 1},
	{"fw-commit -a 7 -b 1", NULL, 0},
	{"boot-part-read", NULL, 1},
	{"subsystem-reset", " calloc malloc ", 0},
	/* The event that it is over has a thread of its own. */
	{"sanitize -a 2 --force", " calloc malloc ", 0},
	/* Without a vector the queue is polled; a full admin queue is tried again. */
	{"read -s 0 -c 7", " calloc malloc ", 3},
	{"write -s 0 -c 7", " calloc malloc ", 3},
	{"flush", " calloc malloc ", 3},
	{"perf --io-count 20 --queue-depth 4 --threads 2", " calloc malloc ", 5},
	{"perf --io-count 20 --rw randwrite --force --verify --json", " calloc malloc ", 5},
};

static struct udrv_device *dev;
static char err[4096];
static FILE *out_file, *err_file; /* opened before: that may fail, too */
static FILE *data;
static int stop_fd;

static void setup(void)
{
	static unsigned char image[IMAGE_LEN];
	const struct udrv_param *p = nvme_driver.params;

	while (strcmp(p->name, "queues") != 0)
		p++;
	*p->value = "4";
	ck_assert_int_eq(udrv_device_open("model:nvme", NULL, &dev), 0);
	ck_assert_int_eq(udrv_driver_probe(&nvme_driver, dev), 0);
	data = tmpfile();
	ck_assert_ptr_nonnull(data);
	nvme_image(image, IMAGE_LEN, "3.0     ");
	ck_assert_int_eq(write(fileno(data), image, IMAGE_LEN), IMAGE_LEN);
	stop_fd = eventfd(0, EFD_CLOEXEC);
	out_file = fopen("/dev/null", "we");
	err_file = fmemopen(err, sizeof(err), "w");
	ck_assert(out_file && err_file);
	fault_start_thread_once();
}

static void teardown(void)
{
	udrv_driver_remove(&nvme_driver, dev);
	udrv_device_close(dev);
	(void)fclose(data);
	close(stop_fd);
	(void)fclose(out_file);
	(void)fclose(err_file);
}

/* As the daemon calls it; without Check's assertions, which allocate. */
static int run(const char *words)
{
	const struct udrv__verb_call call = {stop_fd, -1, fileno(data)};
	const struct udrv_verb *verb = nvme_driver.verbs;
	char text[200], *argv[WORDS + 1] = {NULL}, *save;
	int argc = 0, ret;

	(void)snprintf(text, sizeof(text), "%s", words);
	for (char *w = strtok_r(text, " ", &save); w && argc < WORDS;
	     w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	while (verb->name && strcmp(verb->name, argv[0]) != 0)
		verb++;
	(void)lseek(fileno(data), 0, SEEK_SET);
	rewind(err_file);
	err[0] = 0;
	udrv__verb_begin(&call);
	ret = verb->run(dev, argc, argv, out_file, err_file);
	udrv__verb_end();
	(void)fflush(out_file);
	(void)fflush(err_file);
	return ret;
}

static int step(void *ctx)
{
	const struct line *line = ctx;
	const int ret = run(line->words);

	if (ret)
		FAULT_MUST(ret < 0 && strchr(err, '\n'));
	/* The software controller keeps what was downloaded, in this process. */
	if (ret && !strncmp(line->words, "fw-download", 11))
		FAULT_MUST(!run("reset"));
	return ret;
}

static void undo(void *ctx)
{
	(void)ctx;
	/* What was downloaded is forgotten. */
	ck_assert_int_eq(run("reset"), 0);
}

START_TEST(a_verb_that_cannot_says_so_and_works_again)
{
	struct line line = lines[_i];

	/* Once before: memory that stays has come. */
	ck_assert_int_eq(run(line.words), 0);
	undo(NULL);
	fault_check(&(struct fault_case){.step = step,
					 .undo = undo,
					 .ctx = &line,
					 .absorbs = line.absorbs,
					 .fewest = line.fewest,
					 .silent = true});
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault_nvme_verbs");
	TCase *tc = tcase_create("verbs");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, a_verb_that_cannot_says_so_and_works_again, 0,
			    sizeof(lines) / sizeof(lines[0]));
	suite_add_tcase(s, tc);
	return run_suite(s);
}

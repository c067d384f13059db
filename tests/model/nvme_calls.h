/* SPDX-License-Identifier: MIT */
/* The NVMe driver's verbs on model:nvme, called as the daemon calls them. */
#ifndef TESTS_MODEL_NVME_CALLS_H
#define TESTS_MODEL_NVME_CALLS_H

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <check.h>
#include <udrv/device.h>

#include "backend/model.h"
#include "backend/model_nvme.h"
#include "driver/daemon.h"
#include "nvme_driver.h"

static struct udrv_device *dev;
static char *out, *err;
static FILE *data; /* what verbs read and write */
static int stop_fd;

/* With as many queues on every machine. */
static inline void open_device(const char *name)
{
	const struct udrv_param *p = nvme_driver.params;

	while (strcmp(p->name, "queues") != 0)
		p++;
	*p->value = "4";
	ck_assert_int_eq(udrv_device_open(name, NULL, &dev), 0);
	ck_assert_int_eq(udrv_driver_probe(&nvme_driver, dev), 0);
	data = tmpfile();
	ck_assert_ptr_nonnull(data);
	stop_fd = eventfd(0, EFD_CLOEXEC);
	ck_assert_int_ge(stop_fd, 0);
}

static inline void close_device(void)
{
	udrv_driver_remove(&nvme_driver, dev);
	udrv_device_close(dev);
	(void)fclose(data);
	close(stop_fd);
	free(out);
	free(err);
	out = err = NULL;
}

#define CALL_WORDS 30

/* Run "id-ns -n 1" and the like; what it printed is in out and err. */
static inline int run(const char *line)
{
	const struct udrv__verb_call call = {stop_fd, -1, fileno(data)};
	char words[400], *argv[CALL_WORDS + 1], *save;
	const struct udrv_verb *verb = nvme_driver.verbs;
	size_t out_len, err_len;
	FILE *out_file, *err_file;
	int argc = 0, ret;

	ck_assert_uint_lt(strlen(line), sizeof(words));
	strcpy(words, line);
	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		ck_assert_int_lt(argc, CALL_WORDS);
		argv[argc++] = w;
	}
	argv[argc] = NULL;
	while (verb->name && strcmp(verb->name, argv[0]) != 0)
		verb++;
	ck_assert_ptr_nonnull(verb->name);
	free(out);
	free(err);
	out_file = open_memstream(&out, &out_len);
	err_file = open_memstream(&err, &err_len);
	udrv__verb_begin(&call);
	ret = verb->run(dev, argc, argv, out_file, err_file);
	udrv__verb_end();
	ck_assert_int_eq(fclose(out_file), 0);
	ck_assert_int_eq(fclose(err_file), 0);
	return ret;
}

/* It succeeds, and says nothing on stderr. */
static inline void works(const char *line)
{
	int ret = run(line);

	ck_assert_msg(!ret && !*err, "%s: %d, %s", line, ret, err);
}

static inline void says(const char *part)
{
	ck_assert_msg(strstr(out, part), "'%s' is not in:\n%s", part, out);
}

/* It fails like this, with one line that says so. */
static inline void fails(const char *line, int ret, const char *part)
{
	int got = run(line);

	ck_assert_msg(got == ret, "%s: %d instead of %d, %s", line, got, ret, err);
	ck_assert_msg(strstr(err, part), "%s: '%s' is not in: %s", line, part, err);
	ck_assert_ptr_eq(strchr(err, '\n'), err + strlen(err) - 1);
}

static inline void data_put(const void *bytes, size_t len)
{
	ck_assert_int_eq(ftruncate(fileno(data), 0), 0);
	ck_assert_int_eq(pwrite(fileno(data), bytes, len, 0), (ssize_t)len);
	ck_assert_int_eq(lseek(fileno(data), 0, SEEK_SET), 0);
}

static inline void data_clear(void)
{
	data_put("", 0);
}

/* How much there is in it, and up to len bytes. */
static inline size_t data_get(void *bytes, size_t len)
{
	ck_assert_int_ge(pread(fileno(data), bytes, len, 0), 0);
	return (size_t)lseek(fileno(data), 0, SEEK_END);
}

/* Of the next such command in the first I/O queue. */
static inline void inject(enum udrv__model_nvme_fault_kind kind, uint8_t opcode, uint32_t value)
{
	const struct udrv__model_nvme_fault fault = {
		.kind = kind, .qid = 1, .opcode = opcode, .count = 1, .value = value};

	ck_assert_int_eq(udrv__model_nvme_inject(dev, &fault), 0);
}

#endif

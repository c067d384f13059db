/* SPDX-License-Identifier: MIT */
/* A driver's verbs as the daemon calls them, without one. */
#ifndef TESTS_SUPPORT_VERB_H
#define TESTS_SUPPORT_VERB_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/driver.h>

static char *out, *err; /* what the last one printed; free_output() at the end */

static inline void free_output(void)
{
	free(out);
	free(err);
	out = err = NULL;
}

/* Run "factorial 5" and the like of a table of verbs. */
static inline int run_verb(const struct udrv_verb *verb, struct udrv_device *device,
			   const char *line)
{
	size_t out_len, err_len;
	FILE *out_file, *err_file;
	char words[200], *argv[10];
	int argc = 0, ret;

	ck_assert_uint_lt(strlen(line), sizeof(words));
	strcpy(words, line);
	for (char *w = strtok(words, " "); w; w = strtok(NULL, " "))
		argv[argc++] = w;
	argv[argc] = NULL;
	while (verb->name && strcmp(verb->name, argv[0]) != 0)
		verb++;
	ck_assert_ptr_nonnull(verb->name);
	free_output();
	out_file = open_memstream(&out, &out_len);
	err_file = open_memstream(&err, &err_len);
	ret = verb->run(device, argc, argv, out_file, err_file);
	fclose(out_file);
	fclose(err_file);
	return ret;
}

#endif

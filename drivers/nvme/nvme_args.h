/* SPDX-License-Identifier: MIT */
/* The options of a verb, written as nvme-cli's are: -n 1, -n1, --namespace-id 1, --namespace-id=1.
 */
#ifndef NVME_ARGS_H
#define NVME_ARGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* struct nvme_arg - an option; its value stays as it was where it is not given */
struct nvme_arg {
	const char *name; /* without the dashes */
	char letter;	  /* or 0 */
	/* One of these is set: */
	bool *flag;
	uint64_t *number;  /* at most max; 0x and 0 prefixes, suffixes K, M, G, T of 1024 */
	const char **text; /* stays the caller's argv */
	uint64_t max;
	const char *value; /* the name of a text's value, for the help */
	const char *help;  /* a line */
};

/* Entries of a verb's table of them. */
#define NVME_FLAG(letter, name, flag, help)                                                        \
	{                                                                                          \
		name, letter, flag, NULL, NULL, 0, NULL, help                                      \
	}
#define NVME_NUMBER(letter, name, number, max, help)                                               \
	{                                                                                          \
		name, letter, NULL, number, NULL, max, NULL, help                                  \
	}
#define NVME_TEXT(letter, name, text, value, help)                                                 \
	{                                                                                          \
		name, letter, NULL, NULL, text, 0, value, help                                     \
	}

/*
 * 0, or -EINVAL after a line on err; if the only word is --help, after a line for each option.
 * argv[0] is the verb. No words but options are taken.
 */
int nvme_args_parse(int argc, char **argv, const struct nvme_arg *args, size_t count, FILE *err);

/* How a page is shown. */
enum nvme_format { NVME_SHOW_TEXT, NVME_SHOW_JSON, NVME_SHOW_BINARY };

/* The options that choose it. */
struct nvme_show {
	const char *output; /* normal, json, binary */
	bool json, binary;
};

#define NVME_SHOW_ARGS(show)                                                                       \
	NVME_TEXT('o', "output-format", &(show)->output, "FORMAT",                                 \
		  "normal (the default), json or binary"),                                         \
		NVME_FLAG(0, "json", &(show)->json, "the same as -o json"),                        \
		NVME_FLAG('b', "raw-binary", &(show)->binary, "the same as -o binary")

/* 0, or -EINVAL after a line. */
int nvme_show_format(const struct nvme_show *show, const char *verb, enum nvme_format *format,
		     FILE *err);
/* nvme_args_parse(), then how to show it: 0, or -EINVAL after a line. show is among the args. */
int nvme_show_parse(int argc, char **argv, const struct nvme_arg *args, size_t count,
		    const struct nvme_show *show, enum nvme_format *format, FILE *err);

#endif

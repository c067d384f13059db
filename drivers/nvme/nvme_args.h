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
};

/* 0, or -EINVAL after a line on err. argv[0] is the verb. No words but options are taken. */
int nvme_args_parse(int argc, char **argv, const struct nvme_arg *args, size_t count, FILE *err);

/* How a page is shown. */
enum nvme_format { NVME_SHOW_TEXT, NVME_SHOW_JSON, NVME_SHOW_BINARY };

/* The options that choose it. */
struct nvme_show {
	const char *output; /* normal, json, binary */
	bool json, binary;
};

#define NVME_SHOW_ARGS(show)                                                                       \
	{.name = "output-format", .letter = 'o', .text = &(show)->output},                         \
		{.name = "json", .flag = &(show)->json},                                           \
	{                                                                                          \
		.name = "raw-binary", .letter = 'b', .flag = &(show)->binary                       \
	}

/* 0, or -EINVAL after a line. */
int nvme_show_format(const struct nvme_show *show, const char *verb, enum nvme_format *format,
		     FILE *err);
/* nvme_args_parse(), then how to show it: 0, or -EINVAL after a line. show is among the args. */
int nvme_show_parse(int argc, char **argv, const struct nvme_arg *args, size_t count,
		    const struct nvme_show *show, enum nvme_format *format, FILE *err);

#endif

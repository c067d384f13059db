// SPDX-License-Identifier: MIT
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nvme_args.h"

/* The words of a call, while they are looked at. */
struct words {
	int argc;
	char **argv;
	int next;
	FILE *err;
};

static int complain(const struct words *w, const char *what, const char *word)
{
	(void)fprintf(w->err, "%s: %s '%s'\n", w->argv[0], what, word);
	return -EINVAL;
}

static unsigned int suffix_shift(const char *suffix)
{
	static const char letters[] = "KMGTP";
	const char *at = *suffix ? strchr(letters, toupper((unsigned char)*suffix)) : NULL;

	if (!at)
		return 0;
	/* K, KB, KiB */
	if (suffix[1] && strcmp(suffix + 1, "B") != 0 && strcmp(suffix + 1, "iB") != 0 &&
	    strcmp(suffix + 1, "i") != 0)
		return 0;
	return 10u * (unsigned int)(at - letters + 1);
}

static int to_number(const char *text, uint64_t max, uint64_t *value)
{
	unsigned int shift = 0;
	unsigned long long n;
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, 0);
	if (errno || end == text)
		return -EINVAL;
	if (*end) {
		shift = suffix_shift(end);
		if (!shift)
			return -EINVAL;
	}
	if (n > UINT64_MAX >> shift || n << shift > max)
		return -ERANGE;
	*value = n << shift;
	return 0;
}

static int set_number(const struct words *w, const struct nvme_arg *arg, const char *text)
{
	if (!to_number(text, arg->max, arg->number))
		return 0;
	(void)fprintf(w->err, "%s: --%s: '%s' is not a number from 0 to %llu\n", w->argv[0],
		      arg->name, text, (unsigned long long)arg->max);
	return -EINVAL;
}

/* value: what stands behind = or the letter, or NULL. */
static int set(struct words *w, const struct nvme_arg *arg, const char *value)
{
	if (arg->flag) {
		if (value)
			return complain(w, "this option takes no value:", arg->name);
		*arg->flag = true;
		return 0;
	}
	if (!value && w->next < w->argc)
		value = w->argv[w->next++];
	if (!value)
		return complain(w, "this option lacks its value:", arg->name);
	if (arg->number)
		return set_number(w, arg, value);
	*arg->text = value;
	return 0;
}

static int long_option(struct words *w, const char *word, const struct nvme_arg *args, size_t count)
{
	size_t len = strcspn(word + 2, "=");

	for (size_t i = 0; i < count; i++)
		if (strlen(args[i].name) == len && !strncmp(args[i].name, word + 2, len))
			return set(w, &args[i], word[2 + len] ? word + 3 + len : NULL);
	return complain(w, "there is no option", word);
}

static int short_option(struct words *w, const char *word, const struct nvme_arg *args,
			size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (args[i].letter == word[1])
			return set(w, &args[i], word[2] ? word + 2 : NULL);
	return complain(w, "there is no option", word);
}

/* A line for each option. */
static int tell(const struct nvme_arg *args, size_t count, FILE *out)
{
	for (size_t i = 0; i < count; i++) {
		const struct nvme_arg *arg = &args[i];
		const char *value = arg->flag ? "" : arg->number ? "N" : arg->value;
		const char letter[] = {'-', arg->letter, ',', '\0'};
		char option[64];

		(void)snprintf(option, sizeof(option), "%-3s --%s%s%s", arg->letter ? letter : "",
			       arg->name, *value ? "=" : "", value);
		(void)fprintf(out, "  %-30s %s\n", option, arg->help);
	}
	return -EINVAL;
}

int nvme_args_parse(int argc, char **argv, const struct nvme_arg *args, size_t count, FILE *err)
{
	struct words w = {argc, argv, 1, err};

	if (argc == 2 && !strcmp(argv[1], "--help"))
		return tell(args, count, err);
	while (w.next < argc) {
		const char *word = argv[w.next++];
		int ret;

		if (!strncmp(word, "--", 2))
			ret = long_option(&w, word, args, count);
		else if (word[0] == '-' && word[1])
			ret = short_option(&w, word, args, count);
		else
			ret = complain(&w, "unexpected argument", word);
		if (ret)
			return ret;
	}
	return 0;
}

int nvme_show_format(const struct nvme_show *show, const char *verb, enum nvme_format *format,
		     FILE *err)
{
	static const char *const names[] = {"normal", "json", "binary"};

	*format = show->binary ? NVME_SHOW_BINARY : show->json ? NVME_SHOW_JSON : NVME_SHOW_TEXT;
	if (!show->output)
		return 0;
	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(show->output, names[i])) {
			*format = (enum nvme_format)i;
			return 0;
		}
	}
	(void)fprintf(err, "%s: --output-format: '%s' is not normal, json or binary\n", verb,
		      show->output);
	return -EINVAL;
}

int nvme_show_parse(int argc, char **argv, const struct nvme_arg *args, size_t count,
		    const struct nvme_show *show, enum nvme_format *format, FILE *err)
{
	int ret = nvme_args_parse(argc, argv, args, count, err);

	return ret ? ret : nvme_show_format(show, argv[0], format, err);
}

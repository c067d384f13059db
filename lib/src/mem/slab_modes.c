// SPDX-License-Identifier: MIT
/* UDRV_SLAB_DEBUG; the grammar is in docs/contract/memory.md. Linux: slab_debug= in mm/slub.c. */
#include <stdlib.h>
#include <string.h>

#include <udrv/log.h>

#include "mem/slab_debug.h"

struct parse {
	struct udrv__slab_modes modes;
	char unknown[16];
	size_t unknowns;
};

static unsigned int flag_of(char letter)
{
	switch (letter | 0x20) {
	case 'f':
		return UDRV_SLAB_CONSISTENCY_CHECKS;
	case 'z':
		return UDRV_SLAB_RED_ZONE;
	case 'p':
		return UDRV_SLAB_POISON;
	case 'u':
		return UDRV_SLAB_STORE_USER;
	default:
		return 0;
	}
}

/* Up to the names, or the block's end. No letters: all modes. */
static const char *read_letters(const char *s, struct parse *parse)
{
	const char *letters = s;

	parse->modes = (struct udrv__slab_modes){0};
	for (; *s && *s != ',' && *s != ';'; s++) {
		unsigned int flag = flag_of(*s);

		parse->modes.flags |= flag;
		if (*s == '-')
			parse->modes.none = true;
		else if (!flag && parse->unknowns < sizeof(parse->unknown) - 1)
			parse->unknown[parse->unknowns++] = *s;
	}
	if (s == letters)
		parse->modes.flags = UDRV__SLAB_MODES;
	if (parse->modes.none)
		parse->modes.flags = 0;
	return s;
}

static bool matches(const char *pattern, size_t len, const char *name)
{
	if (len && pattern[len - 1] == '*')
		return !strncmp(pattern, name, len - 1);
	return strlen(name) == len && !strncmp(pattern, name, len);
}

/* At a comma. */
static const char *read_names(const char *s, const char *name, bool *matched)
{
	while (*s == ',') {
		size_t len = strcspn(++s, ",;");

		*matched |= matches(s, len, name);
		s += len;
	}
	return s;
}

static void complain(const struct parse *parse)
{
	static bool said;

	if (parse->unknowns && !__atomic_exchange_n(&said, true, __ATOMIC_RELAXED))
		udrv_pr_warn("UDRV_SLAB_DEBUG: letters that mean nothing are ignored: %s",
			     parse->unknown);
}

/* The first block that names the cache, else the last one without names. */
struct udrv__slab_modes udrv__slab_modes_of(const char *name)
{
	const char *s = getenv("UDRV_SLAB_DEBUG");
	struct udrv__slab_modes modes = {0};
	struct parse parse = {0};
	bool named = false;

	while (s && *s) {
		bool matched = false;
		bool has_names;

		s = read_letters(s, &parse);
		has_names = *s == ',';
		s = read_names(s, name, &matched);
		if (!named && (matched || !has_names))
			modes = parse.modes;
		named |= matched;
		s += *s == ';';
	}
	complain(&parse);
	return modes;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "tool.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/daemon.h"

#define BASE_CLASS_BRIDGE 0x06

const char *tool_proc_root = "/proc";
const char *tool_run_root = "/run/udrv";

int tool_device_name(const char *text, char name[UDRV_DEVICE_NAME_MAX])
{
	int ret = udrv__device_name(text, name, UDRV_DEVICE_NAME_MAX);

	if (!ret)
		return TOOL_OK;
	return ret == -EINVAL ? TOOL_USAGE : TOOL_FAILED;
}

void tool_process_name(int pid, char *name, size_t size)
{
	char path[PATH_MAX];
	FILE *f;

	name[0] = 0;
	(void)snprintf(path, sizeof(path), "%s/%d/comm", tool_proc_root, pid);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(name, (int)size, f))
		name[strcspn(name, "\n")] = 0;
	(void)fclose(f);
	/* A process chooses its name, and might choose what a terminal obeys. */
	for (; *name; name++)
		if (*name < ' ' || *name > '~')
			*name = '?';
}

/* The length of the well-formed sequence at @c, or 0 (RFC 3629, 4). */
static size_t utf8_sequence(const unsigned char *c)
{
	static const struct {
		unsigned char first, last; /* of the first byte */
		unsigned char low, high;   /* of the second one */
		size_t len;
	} kinds[] = {
		{0x01, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2},
		{0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};
	size_t kind = 0;

	while (kind < sizeof(kinds) / sizeof(kinds[0]) &&
	       (*c < kinds[kind].first || *c > kinds[kind].last))
		kind++;
	if (kind == sizeof(kinds) / sizeof(kinds[0]))
		return 0;
	for (size_t i = 1; i < kinds[kind].len; i++)
		if (c[i] < (i == 1 ? kinds[kind].low : 0x80) ||
		    c[i] > (i == 1 ? kinds[kind].high : 0xbf))
			return 0;
	return kinds[kind].len;
}

static void make_utf8(char *text)
{
	while (*text) {
		size_t len = utf8_sequence((const unsigned char *)text);

		if (!len)
			*text = '?';
		text += len ? len : 1;
	}
}

/* Its own copy, or NULL. */
static char *json_text(json_object *json)
{
	const char *text = json_object_to_json_string_ext(
		json, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
	char *copy = text ? strdup(text) : NULL;

	if (copy)
		make_utf8(copy);
	return copy;
}

int tool_print_json(json_object *json)
{
	char *text = json_text(json);
	int status = TOOL_FAILED;

	if (!text)
		tool_err("out of memory");
	else if (!udrv__streams_write(text, strlen(text)) && !udrv__streams_write("\n", 1))
		status = TOOL_OK;
	free(text);
	json_object_put(json);
	return status;
}

json_object *tool_json_text(const char *text)
{
	return text[0] ? json_object_new_string(text) : NULL;
}

json_object *tool_json_hex(unsigned val, int digits)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "0x%0*x", digits, val);
	return json_object_new_string(text);
}

json_object *tool_json_number(int val)
{
	return val < 0 ? NULL : json_object_new_int(val);
}

void tool_json_add_int(json_object *o, const char *key, unsigned long long val)
{
	json_object_object_add(o, key, json_object_new_int64((int64_t)val));
}

void tool_json_add_double(json_object *o, const char *key, double val)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "%.2f", val);
	json_object_object_add(o, key, json_object_new_double_s(val, text));
}

bool tool_is_bridge(const struct udrv_pci_info *info)
{
	return info->class_code >> 16 == BASE_CLASS_BRIDGE;
}

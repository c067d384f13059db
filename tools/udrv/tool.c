// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "driver/daemon.h"
#include "tool.h"

#define BASE_CLASS_BRIDGE 0x06

const char *tool_proc_root = "/proc";
const char *tool_run_root = "/run/udrv";

int tool_print_json(json_object *json)
{
	const char *text = json_object_to_json_string_ext(
		json, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
	int status = TOOL_FAILED;

	if (!text)
		tool_err("out of memory");
	else if (!udrv__streams_write(text, strlen(text)) && !udrv__streams_write("\n", 1))
		status = TOOL_OK;
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

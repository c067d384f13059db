/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the verbs share. */
#ifndef TOOL_H
#define TOOL_H

#include <argp.h>
#include <stdbool.h>

#include <json-c/json.h>

#include <udrv/compiler.h>
#include <udrv/device.h>
#include <udrv/log.h>
#include <udrv/pci_info.h>

/* Exit statuses. */
enum tool_status {
	TOOL_OK = 0,
	TOOL_FAILED = 1,
	TOOL_USAGE = 2,
};

#define VERB(name, summary) int cmd_##name(int argc, char **argv);
#include "verbs.h"
#undef VERB

/* Every message for the user: "udrv: ..." on stderr, one line. */
#define tool_err(...)  udrv_pr_err(__VA_ARGS__)
#define tool_note(...) udrv_pr_notice(__VA_ARGS__)

/* Where a verb looks and remembers; sysfs is udrv__sysfs_root. Tests point these elsewhere. */
extern const char *tool_proc_root; /* "/proc" */
extern const char *tool_run_root;  /* "/run/udrv" */

/* The canonical name of a DEVICE as users write it. The exit status; explains failures. */
int tool_device_name(const char *text, char name[UDRV_DEVICE_NAME_MAX]);

/* What a process calls itself, in printable ASCII; "" if nobody says. */
void tool_process_name(int pid, char *name, size_t size);

/*
 * Print @json followed by a newline, and drop it. Bytes of its texts that are no UTF-8, of which no
 * JSON is made, become '?'. The exit status.
 */
int tool_print_json(json_object *json);

/* Null for "". */
json_object *tool_json_text(const char *text);
/* "0x1234". */
json_object *tool_json_hex(unsigned val, int digits);
/* Null for a negative number. */
json_object *tool_json_number(int val);

void tool_json_add_int(json_object *o, const char *key, unsigned long long val);
/* With two digits after the point, which are what is known. */
void tool_json_add_double(json_object *o, const char *key, double val);

/* Base class 06. */
bool tool_is_bridge(const struct udrv_pci_info *info);

#endif

// SPDX-License-Identifier: GPL-2.0-or-later
/* udrv ps: a line for each daemon that runs. */
#include <stdio.h>
#include <string.h>

#include "stats.h"
#include "tool.h"

static double uptime_s(const struct stats_daemon *d)
{
	return d->now_ns > d->header.start_ns ? (double)(d->now_ns - d->header.start_ns) / 1e9 : 0;
}

/* "1-02:03:04", as ps(1) has it. */
static void print_uptime(char *text, size_t size, const struct stats_daemon *d)
{
	const unsigned long s = (unsigned long)uptime_s(d);
	char days[24] = "";

	if (d->waiting) {
		(void)snprintf(text, size, "-");
		return;
	}
	if (s >= 86400)
		(void)snprintf(days, sizeof(days), "%lu-", s / 86400);
	(void)snprintf(text, size, "%s%02lu:%02lu:%02lu", days, s / 3600 % 24, s / 60 % 60, s % 60);
}

/* The next line of a daemon's exports; its length, 0: there is none. */
static size_t next_export(const char **at, const char **name)
{
	size_t len = strcspn(*at, "\n");

	*name = *at;
	*at += len + ((*at)[len] == '\n');
	return len;
}

static void print_daemon(const struct stats_daemon *d, int width)
{
	const char *at = d->header.exports;
	const char *name;
	char uptime[48];
	size_t len;

	print_uptime(uptime, sizeof(uptime), d);
	printf("%-*s %-10s %-7s %7u %11s ", width, d->header.device, d->header.driver,
	       d->waiting ? "(waits)" : d->header.backend, d->header.pid, uptime);
	while ((len = next_export(&at, &name)))
		printf(" %.*s", (int)len, name);
	printf("%s\n", !d->exports_known ? " ?" : d->header.exports[0] ? "" : " -");
}

static void print_table(const struct show *show, const void *now_, const void *before)
{
	const struct stats *now = now_;
	int width = (int)strlen("0000:00:00.0");

	(void)show;
	(void)before;
	for (size_t i = 0; i < now->count; i++) {
		int len = (int)strlen(now->daemon[i].header.device);

		width = len > width ? len : width;
	}
	printf("%-*s DRIVER     BACKEND     PID      UPTIME  EXPORTS\n", width, "DEVICE");
	for (size_t i = 0; i < now->count; i++)
		print_daemon(&now->daemon[i], width);
}

static json_object *json_daemon(const struct stats_daemon *d)
{
	json_object *o = json_object_new_object();
	json_object *exports = d->exports_known ? json_object_new_array() : NULL;
	const char *at = d->header.exports;
	const char *name;
	size_t len;

	json_object_object_add(o, "device", json_object_new_string(d->header.device));
	json_object_object_add(o, "driver", json_object_new_string(d->header.driver));
	json_object_object_add(o, "backend",
			       d->waiting ? NULL : json_object_new_string(d->header.backend));
	tool_json_add_int(o, "pid", d->header.pid);
	if (d->waiting)
		json_object_object_add(o, "uptime_s", NULL);
	else
		tool_json_add_double(o, "uptime_s", uptime_s(d));
	while ((len = next_export(&at, &name)))
		json_object_array_add(exports, json_object_new_string_len(name, (int)len));
	json_object_object_add(o, "exports", exports);
	return o;
}

static json_object *make_json(const struct show *show, const void *now_, const void *before)
{
	const struct stats *now = now_;
	json_object *array = json_object_new_array();

	(void)show;
	(void)before;
	for (size_t i = 0; i < now->count; i++)
		json_object_array_add(array, json_daemon(&now->daemon[i]));
	return array;
}

static const struct stats_verb verb = {
	.doc = "List the daemons that run: what they drive, or wait for, and what they export, "
	       "such as disks, interfaces and terminals.\v"
	       "`udrv stop` stops one.",
	.waiting = true,
	.print = print_table,
	.json = make_json,
};

int cmd_ps(int argc, char **argv)
{
	return stats_verb_run(&verb, argc, argv);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What verbs have in common that show what running daemons tell: once, or again and again. */
#ifndef SHOW_H
#define SHOW_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>

#include <json-c/json.h>
#include <udrv/device.h>

/* What is shown of whom. */
struct show {
	const char *device; /* NULL: all */
	const char *driver; /* likewise */
	bool json;
	bool watch;
	double watch_s; /* 0: not told yet */
	const char *arg;
	const char *arg_is; /* "DEVICE", for messages; set before parsing */
	char name[UDRV_DEVICE_NAME_MAX];
};

#define SHOW_OPTIONS                                                                               \
	{"watch", 'w', "SECONDS", OPTION_ARG_OPTIONAL, "again every SECONDS (2), until ^C", 0},    \
	{                                                                                          \
		"json", 'j', NULL, 0, "print an array of objects", 0                               \
	}

/* For a parser's default case. */
error_t show_parse(struct show *show, int key, char *arg, struct argp_state *state);
/* After parsing: the argument is a DEVICE, or if @or_driver a driver's name. The exit status. */
int show_set_out(struct show *show, bool or_driver);

/* How a verb reads and prints. A reading is @size bytes; one that is all zero is of no daemon. */
struct show_verb {
	size_t size;
	int (*read)(void *reading, const struct show *show); /* 0 or negative errno, explained */
	void (*free)(void *reading);
	size_t (*daemons)(const void *reading);
	/* Rates are since @before. */
	void (*print)(const struct show *show, const void *now, const void *before);
	json_object *(*json)(const struct show *show, const void *now, const void *before);
};

/* Lines that a screen has room for below the heading, if it is to be replaced. */
size_t show_room(const struct show *show);

/* The exit status. */
int show_run(const struct show *show, const struct show_verb *verb);

#endif

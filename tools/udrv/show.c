// SPDX-License-Identifier: GPL-2.0-or-later
#include "show.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "args.h"
#include "driver/daemon.h"
#include "elsewhere.h"
#include "program.h"
#include "tool.h"

#define WATCH_DEFAULT_S 2
#define WATCH_MIN_S	0.05
#define WATCH_MAX_S	86400

size_t show_room(const struct show *show)
{
	struct winsize window;

	if (!show->watch || ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) || window.ws_row < 3)
		return SIZE_MAX;
	return window.ws_row - 2u;
}

static int print(const struct show *show, const struct show_verb *verb, const void *now,
		 const void *before)
{
	if (show->json)
		return tool_print_json(verb->json(show, now, before));
	if (show->watch && isatty(STDOUT_FILENO))
		printf("\033[H\033[J");
	verb->print(show, now, before);
	return udrv__streams_write("", 0) ? TOOL_FAILED : TOOL_OK;
}

static int watch(const struct show *show, const struct show_verb *verb, void *before)
{
	const struct timespec pause = {
		.tv_sec = (time_t)show->watch_s,
		.tv_nsec = (long)((show->watch_s - (double)(time_t)show->watch_s) * 1e9),
	};
	void *now = malloc(verb->size);
	int status = now ? TOOL_OK : TOOL_FAILED;

	while (status == TOOL_OK) {
		(void)nanosleep(&pause, NULL);
		if (verb->read(now, show)) {
			status = TOOL_FAILED;
			break;
		}
		status = print(show, verb, now, before);
		verb->free(before);
		memcpy(before, now, verb->size);
	}
	free(now);
	return status;
}

static void no_daemon_of_driver(const char *driver, const char *root_s)
{
	char drivers[512];

	if (program_exists(driver))
		tool_err("%s: no daemon of that driver is running; start one: udrv run %s DEVICE%s",
			 driver, driver, root_s);
	else
		tool_err("%s: no daemon of that driver is running, and no program udrv-%s is "
			 "beside udrv or on PATH; there are: %s",
			 driver, driver, program_list(drivers, sizeof(drivers)));
}

/* Nobody who was told of daemons elsewhere is told to start one. */
static int no_daemon(const struct show *show, size_t elsewhere)
{
	const char *root_s =
		udrv__rundir_is_own() ? "; UDRV_RUNTIME_DIR=/run/udrv shows root's" : "";

	const int status = show->device || show->driver ? TOOL_FAILED : TOOL_OK;

	if (elsewhere)
		return status;
	if (show->device)
		tool_err("%s: no daemon drives it; start one: udrv run DRIVER %s%s", show->device,
			 show->device, root_s);
	else if (show->driver)
		no_daemon_of_driver(show->driver, root_s);
	else if (!show->json)
		tool_note("no daemon is running; start one: udrv run DRIVER DEVICE%s", root_s);
	return status;
}

static int show_with(const struct show *show, const struct show_verb *verb, void *now,
		     const void *none)
{
	int status = TOOL_OK;
	size_t elsewhere;

	if (verb->read(now, show))
		return TOOL_FAILED;
	elsewhere = elsewhere_tell(show->device, show->driver);
	if (!verb->daemons(now) && !(show->watch && (show->device || show->driver)))
		status = no_daemon(show, elsewhere);
	if (status == TOOL_OK && (verb->daemons(now) || show->json || show->watch))
		status = print(show, verb, now, none);
	if (show->watch && status == TOOL_OK)
		status = watch(show, verb, now);
	verb->free(now);
	return status;
}

int show_run(const struct show *show, const struct show_verb *verb)
{
	void *now = calloc(1, verb->size);
	void *none = calloc(1, verb->size);
	int status = TOOL_FAILED;

	if (now && none)
		status = show_with(show, verb, now, none);
	else
		tool_err("out of memory");
	free(now);
	free(none);
	return status;
}

static bool is_number(const char *text)
{
	return !text[strspn(text, "0123456789.")];
}

error_t show_parse(struct show *show, int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case 'j':
		show->json = true;
		return 0;
	case 'w':
		show->watch = true;
		if (arg)
			show->watch_s = args_parse_seconds(arg, WATCH_MIN_S, WATCH_MAX_S, state);
		return 0;
	case ARGP_KEY_ARG:
		/* No device and no driver is called by a mere number. */
		if (show->watch && show->watch_s <= 0 && is_number(arg)) {
			show->watch_s = args_parse_seconds(arg, WATCH_MIN_S, WATCH_MAX_S, state);
			return 0;
		}
		if (show->arg)
			argp_error(state, "only one %s", show->arg_is);
		show->arg = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Every way to name a device has a colon. */
int show_set_out(struct show *show, bool or_driver)
{
	if (show->watch && show->watch_s <= 0)
		show->watch_s = WATCH_DEFAULT_S;
	if (!show->arg)
		return TOOL_OK;
	if (or_driver && !strchr(show->arg, ':')) {
		show->driver = show->arg;
		return TOOL_OK;
	}
	show->device = show->name;
	return tool_device_name(show->arg, show->name);
}

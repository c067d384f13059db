// SPDX-License-Identifier: MIT
/* The command line of `udrv-<name> run`. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/log.h>

#include "driver/daemon.h"
#include "export/nbd.h"
#include "export/tap.h"

static void usage(const struct udrv_driver *drv)
{
	(void)printf(
		"Usage: udrv-%s run DEVICE [OPTION...] [NAME=VALUE...] [-- NBDKIT-OPTION...]\n\n"
		"Take DEVICE (0000:00:05.0, VENDOR:DEVICE if there is one such, or model:NAME)\n"
		"and drive it until SIGTERM.\n\n"
		"  -b, --backend=NAME  vfio, stub, uio, model or model-stub; default: what the\n"
		"                      device is bound to\n"
		"  -d, --detach        go to the background once the device works; the log goes\n"
		"                      to a file beside the control socket\n"
		"      --ublk[=N]      its disks are /dev/ublkbN and following; default: the\n"
		"                      kernel chooses N\n"
		"      --nbd=ADDRESS   its disks are served by nbdkit on a path, [HOST]:PORT or\n"
		"                      PORT; what follows -- is for nbdkit\n"
		"      --tap=NAME      its network card is the interface NAME; with %%d in it\n"
		"                      the kernel chooses a number\n"
		"  -w, --wait          wait for DEVICE, an address, if it is not there or not\n"
		"                      bound, and again whenever it goes\n"
		"  -v, --verbose       log more\n"
		"  -h, --help          this text\n",
		drv->name);
	if (drv->params)
		(void)printf("\nParameters:\n");
	for (const struct udrv_param *p = drv->params; p && p->name; p++)
		(void)printf("  %-18s  %s (default: %s)\n", p->name, p->help,
			     *p->value ? *p->value : "none");
}

int udrv__set_param(const struct udrv_driver *drv, const char *text)
{
	const char *equals = strchr(text, '=');
	size_t len = equals ? (size_t)(equals - text) : 0;

	for (const struct udrv_param *p = drv->params; equals && p && p->name; p++) {
		if (strlen(p->name) == len && !strncmp(p->name, text, len)) {
			*p->value = equals + 1;
			return 0;
		}
	}
	udrv_pr_err("%s: not a parameter of driver %s; see 'udrv-%s run --help'", text, drv->name,
		    drv->name);
	return -EINVAL;
}

static int parse_ublk(const char *text, struct udrv__export_options *o)
{
	char *end;
	long id;

	o->ublk = true;
	o->ublk_id = -1;
	if (!text)
		return 0;
	errno = 0;
	id = strtol(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || id > INT_MAX - UDRV__EXPORTS_MAX) {
		udrv_pr_err("--ublk=%s: not a number; it is the N of /dev/ublkbN", text);
		return -EINVAL;
	}
	o->ublk_id = (int)id;
	return 0;
}

enum { OPTION_UBLK = 256, OPTION_NBD, OPTION_TAP };

static int parse_option(const struct udrv_driver *drv, int c, char **argv,
			struct udrv__run_options *o)
{
	switch (c) {
	case 'b':
		o->daemon.backend = optarg;
		return 0;
	case 'd':
		o->detach = true;
		return 0;
	case 'v':
		o->verbose = true;
		return 0;
	case 'w':
		o->daemon.wait = true;
		return 0;
	case OPTION_UBLK:
		return parse_ublk(optarg, &o->daemon.exports);
	case OPTION_NBD:
		o->daemon.exports.nbd = optarg;
		return udrv__nbd_parse(optarg, &(struct udrv__nbd_address){0});
	case OPTION_TAP:
		o->daemon.exports.tap = optarg;
		return udrv__tap_check_name(optarg);
	case 'h':
		usage(drv);
		return 1;
	default:
		udrv_pr_err("%s: unknown option, or without its value; see 'udrv-%s run --help'",
			    argv[optind - 1], drv->name);
		return -EINVAL;
	}
}

/* What is not an option: the device, and parameters. */
static int parse_words(const struct udrv_driver *drv, int argc, char **argv,
		       struct udrv__run_options *o)
{
	char name[UDRV_DEVICE_NAME_MAX];

	if (!argc) {
		udrv_pr_err("which device? e.g. udrv run %s 0000:00:05.0 (see 'udrv list')",
			    drv->name);
		return -EINVAL;
	}
	o->daemon.device = argv[0];
	o->params = argv + 1;
	o->param_count = argc - 1;
	for (int i = 0; i < o->param_count; i++)
		if (udrv__set_param(drv, o->params[i]))
			return -EINVAL;
	return udrv__device_name(argv[0], name, sizeof(name));
}

/* Together they would be two doors to one disk, whose caches do not know of each other. */
static int check(const struct udrv__run_options *o)
{
	const char *wrong = NULL;

	if (o->daemon.exports.ublk && o->daemon.exports.nbd)
		wrong = "--ublk and --nbd: one of them";
	else if (o->daemon.exports.nbd && o->daemon.exports.tap)
		wrong = "--nbd is nbdkit's process, which has no --tap";
	else if (o->daemon.exports.nbd && o->daemon.wait)
		wrong = "--nbd is nbdkit's process, which does not --wait; let systemd start it again";
	else if (o->nbdkit_count && !o->daemon.exports.nbd)
		wrong = "what follows -- is for nbdkit: only with --nbd";
	if (!wrong)
		return 0;
	udrv_pr_err("%s", wrong);
	return -EINVAL;
}

/* What follows "--" is nbdkit's, and not counted. */
static int cut_at_dashes(int argc, char **argv, struct udrv__run_options *o)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--") != 0)
			continue;
		o->nbdkit = argv + i + 1;
		o->nbdkit_count = argc - i - 1;
		return i;
	}
	return argc;
}

int udrv__run_parse(const struct udrv_driver *drv, int argc, char **argv,
		    struct udrv__run_options *o)
{
	static const struct option longs[] = {
		{"backend", required_argument, NULL, 'b'},
		{"detach", no_argument, NULL, 'd'},
		{"ublk", optional_argument, NULL, OPTION_UBLK},
		{"nbd", required_argument, NULL, OPTION_NBD},
		{"tap", required_argument, NULL, OPTION_TAP},
		{"wait", no_argument, NULL, 'w'},
		{"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int ret;
	int c;

	*o = (struct udrv__run_options){0};
	argc = cut_at_dashes(argc, argv, o);
	optind = 0; /* afresh (glibc) */
	opterr = 0;
	while ((c = getopt_long(argc, argv, "b:dwvh", longs, NULL)) != -1) {
		ret = parse_option(drv, c, argv, o);
		if (ret)
			return ret;
	}
	ret = parse_words(drv, argc - optind, argv + optind, o);
	return ret ? ret : check(o);
}

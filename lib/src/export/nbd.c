// SPDX-License-Identifier: MIT
/*
 * `udrv-<name> run DEVICE --nbd=ADDRESS` becomes nbdkit, with the driver's plugin in it: the same
 * process, which whoever started it knows.
 *
 * The plugin is one for each driver, nbdkit-udrv-<name>-plugin.so: the driver's objects and the
 * library. One plugin that loads drivers would need them as shared objects beside the programs,
 * and an interface between the two; so a driver is written once, and linked twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <udrv/log.h>

#include "export/nbd.h"

#define NBDKIT "nbdkit"

/* Beside the library: the build tree's folders, or those of an installation. */
static const char *const folders[] = {"../lib", UDRV_BIN_TO_LIB "/nbdkit/plugins"};

static int find_plugin(const char *driver, char *path, size_t size)
{
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (len < 0)
		return -errno;
	self[len] = 0;
	*strrchr(self, '/') = 0;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		int n = snprintf(path, size, "%s/%s/nbdkit-udrv-%s-plugin.so", self, folders[i],
				 driver);

		if (n > 0 && (size_t)n < size && !access(path, R_OK))
			return 0;
	}
	return -ENOENT;
}

/* Words of the caller, and room for those that are made. */
struct words {
	char **word;
	int count;
	char *text;
	size_t room;
};

static void add(struct words *w, const char *word)
{
	w->word[w->count++] = (char *)(uintptr_t)word;
}

static void add_pair(struct words *w, const char *key, const char *value)
{
	int len = snprintf(w->text, w->room, "%s=%s", key, value);

	add(w, w->text);
	w->text += len + 1;
	w->room -= (size_t)len + 1;
}

/* The words at the end that are parameters of filters: NAME=VALUE. */
static int count_parameters(const struct udrv__run_options *o)
{
	int n = 0;

	while (n < o->nbdkit_count) {
		const char *word = o->nbdkit[o->nbdkit_count - 1 - n];

		if (*word == '-' || !strchr(word, '='))
			break;
		n++;
	}
	return n;
}

static void add_address(struct words *w, const struct udrv__nbd_address *a)
{
	if (*a->path) {
		add(w, "--unix");
		add(w, a->path);
		return;
	}
	add(w, "--port");
	add(w, a->port);
	if (*a->host) {
		add(w, "--ipaddr");
		add(w, a->host);
	}
}

static void add_host(struct words *w, const struct udrv__nbd_address *a)
{
	const bool ipv6 = strchr(a->host, ':') != NULL;
	char address[sizeof(*a)];

	(void)snprintf(address, sizeof(address), "%s%s%s:%s", ipv6 ? "[" : "", a->host,
		       ipv6 ? "]" : "", a->port);
	add_pair(w, UDRV__NBD_ADDRESS, address);
}

static void add_ours(struct words *w, const struct udrv__run_options *o,
		     const struct udrv__nbd_address *a, int ready_fd)
{
	char number[16];

	add_pair(w, UDRV__NBD_DEVICE, o->daemon.device);
	if (o->daemon.backend)
		add_pair(w, UDRV__NBD_BACKEND, o->daemon.backend);
	if (o->verbose)
		add_pair(w, UDRV__NBD_VERBOSE, "1");
	if (*a->path)
		add_pair(w, UDRV__NBD_SOCKET, a->path);
	else
		add_host(w, a);
	(void)snprintf(number, sizeof(number), "%d", ready_fd);
	add_pair(w, UDRV__NBD_READY_FD, number);
}

char **udrv__nbd_words(const struct udrv__run_options *o, const struct udrv__nbd_address *a,
		       const char *plugin, int ready_fd)
{
	const int parameters = count_parameters(o);
	const size_t count = 16 + (size_t)o->nbdkit_count + (size_t)o->param_count;
	const size_t room = 256 + strlen(o->daemon.device) + sizeof(*a) +
			    (o->daemon.backend ? strlen(o->daemon.backend) : 0);
	struct words w = {.room = room};

	w.word = calloc(1, count * sizeof(*w.word) + room);
	if (!w.word)
		return NULL;
	w.text = (char *)(w.word + count);
	add(&w, NBDKIT);
	add(&w, "--foreground");
	add_address(&w, a);
	for (int i = 0; i < o->nbdkit_count - parameters; i++)
		add(&w, o->nbdkit[i]);
	add(&w, plugin);
	add_ours(&w, o, a, ready_fd);
	for (int i = 0; i < o->param_count; i++)
		add(&w, o->params[i]);
	for (int i = o->nbdkit_count - parameters; i < o->nbdkit_count; i++)
		add(&w, o->nbdkit[i]);
	return w.word;
}

static int explain(const struct udrv_driver *drv, int ret)
{
	if (ret == -ENOENT)
		udrv_pr_err("there is no nbdkit on PATH: install it (Debian: nbdkit)");
	else
		udrv_pr_err("driver %s cannot be served by nbdkit: %s", drv->name, strerror(-ret));
	return ret;
}

int udrv__nbd_exec(const struct udrv_driver *drv, const struct udrv__run_options *o, int ready_fd)
{
	struct udrv__nbd_address a;
	char plugin[PATH_MAX + 128];
	char **words;
	int ret = udrv__nbd_parse(o->daemon.exports.nbd, &a);

	if (ret)
		return ret;
	if (find_plugin(drv->name, plugin, sizeof(plugin))) {
		udrv_pr_err(
			"driver %s has no plugin for nbdkit beside its program: it has no block "
			"devices, or was built without nbdkit's headers (Debian: "
			"nbdkit-plugin-dev)",
			drv->name);
		return -ENOENT;
	}
	ret = *a.path ? udrv__nbd_clear(a.path) : 0;
	if (ret)
		return ret;
	words = udrv__nbd_words(o, &a, plugin, ready_fd);
	if (!words)
		return explain(drv, -ENOMEM);
	if (ready_fd >= 0)
		(void)fcntl(ready_fd, F_SETFD, 0);
	(void)execvp(NBDKIT, words);
	ret = -errno;
	free(words);
	return explain(drv, ret);
}

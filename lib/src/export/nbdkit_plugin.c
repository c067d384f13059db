// SPDX-License-Identifier: MIT
/*
 * A driver's plugin for nbdkit: nbdkit's process is the daemon. Compiled for each driver, with
 * UDRV_PLUGIN_DRIVER (its struct udrv_driver) and UDRV_PLUGIN_NAME defined.
 *
 * The daemon starts in after_fork(), when nbdkit listens already and threads may be started: so it
 * is ready when probe() is. A thread watches the device, and for signals; it has nbdkit stop, and
 * hangs up on clients, for which nbdkit would wait. The rest is in cleanup(), when nbdkit has
 * closed the connections.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include <udrv/log.h>

#include "driver/daemon.h"
#include "export/block_sync.h"
#include "export/nbd.h"
#include "export/watch.h"
#include "sched/thread.h"

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL
/* What clients may ask for at once; nbdkit itself takes twice as much. */
#define MAX_REQUEST   (32u << 20)
#define MIN_PREFERRED 4096u
#define PARAMS_MAX    64
/* Between two looks at whether clients that are still there ask for anything; so many looks. */
#define LOOK_MS	 100
#define PATIENCE 50

extern const struct udrv_driver UDRV_PLUGIN_DRIVER;

/* nbdkit's handlers are there until the daemon has started. */
static struct udrv__daemon_options options = {.stop_fd = -1};
static char *params[PARAMS_MAX];
static unsigned int param_count;
static char *socket_path;
static char *address;
static int ready_fd = -1;

static struct udrv__daemon me;
static bool started;
static int stop_fd = -1;   /* eventfd: the end is asked for */
static int closed_fd = -1; /* eventfd: there are no clients any more */
static struct udrv__nbd_listeners listeners;
static uint64_t begun, ended; /* requests; atomic */
static pthread_t watcher;
static int why; /* what ended it: 0, or negative errno; the watcher's until it is joined */

/* The configuration. */

static void load(void)
{
	udrv__log_to_stderr(&UDRV_PLUGIN_DRIVER, UDRV_LOG_INFO);
}

static int set(char **what, const char *value)
{
	free(*what);
	*what = strdup(value);
	return *what ? 0 : -1;
}

/* The driver keeps the text. */
static int set_param(const char *key, const char *value)
{
	size_t size = strlen(key) + strlen(value) + 2;
	char *text = param_count < PARAMS_MAX ? malloc(size) : NULL;

	if (!text) {
		nbdkit_error("%s: no room for more parameters", key);
		return -1;
	}
	(void)snprintf(text, size, "%s=%s", key, value);
	params[param_count++] = text;
	return udrv__set_param(&UDRV_PLUGIN_DRIVER, text) ? -1 : 0;
}

static int config(const char *key, const char *value)
{
	if (!strcmp(key, UDRV__NBD_DEVICE))
		return set((char **)(uintptr_t)&options.device, value);
	if (!strcmp(key, UDRV__NBD_BACKEND))
		return set((char **)(uintptr_t)&options.backend, value);
	if (!strcmp(key, UDRV__NBD_SOCKET))
		return set(&socket_path, value);
	if (!strcmp(key, UDRV__NBD_ADDRESS))
		return set(&address, value);
	if (!strcmp(key, UDRV__NBD_READY_FD)) {
		/* nbdkit in the foreground ends with its parent; daemons do not. */
		(void)prctl(PR_SET_PDEATHSIG, 0);
		return nbdkit_parse_int(key, value, &ready_fd);
	}
	if (!strcmp(key, UDRV__NBD_VERBOSE)) {
		if (nbdkit_parse_bool(value) == 1)
			udrv__log_to_stderr(&UDRV_PLUGIN_DRIVER, UDRV_LOG_DEBUG);
		return 0;
	}
	return set_param(key, value);
}

static int config_complete(void)
{
	if (options.device)
		return 0;
	nbdkit_error("which device? e.g. device=0000:00:05.0 (see 'udrv list')");
	return -1;
}

/* The daemon. */

/*
 * Nobody has asked for anything since the last look: nbdkit ends a connection at its next request,
 * but waits for that. 1.32 aborts if it reads the end of one while another thread of its answers.
 */
static bool is_quiet(uint64_t *seen)
{
	const uint64_t done = __atomic_load_n(&ended, __ATOMIC_ACQUIRE);
	const bool quiet = done == *seen && done == __atomic_load_n(&begun, __ATOMIC_RELAXED);

	*seen = done;
	return quiet;
}

static void *watch(void *arg)
{
	struct pollfd closed = {.fd = closed_fd, .events = POLLIN};
	uint64_t seen = 0;

	(void)arg;
	udrv__thread_begin("watch");
	why = udrv__daemon_serve(&me, stop_fd);
	nbdkit_shutdown();
	for (unsigned int looks = 0; poll(&closed, 1, LOOK_MS) <= 0; looks++) {
		if (looks >= PATIENCE)
			udrv__nbd_cut_off(&listeners);
		else if (is_quiet(&seen))
			udrv__nbd_hang_up(&listeners);
	}
	return NULL;
}

static void on_signal(int sig)
{
	const int err = errno;

	(void)sig;
	(void)eventfd_write(stop_fd, 1);
	errno = err;
}

/*
 * In the place of nbdkit's handlers, which do what nbdkit_shutdown() does. A signal may come until
 * the process has gone: the descriptors stay open.
 */
static void take_signals(void)
{
	static const int stops[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
	const struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct sigaction was;

	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++)
		if (!sigaction(stops[i], NULL, &was) && was.sa_handler != SIG_IGN &&
		    was.sa_handler != SIG_DFL)
			(void)sigaction(stops[i], &act, NULL);
}

static int start_watching(void)
{
	int ret = 0;

	udrv__nbd_listeners(&listeners);
	stop_fd = eventfd(0, EFD_CLOEXEC);
	closed_fd = eventfd(0, EFD_CLOEXEC);
	if (stop_fd < 0 || closed_fd < 0)
		ret = -errno;
	if (!ret)
		ret = udrv__thread_create(&watcher, watch, NULL);
	if (ret)
		nbdkit_error("%s: cannot be watched: %s", options.device, strerror(-ret));
	else
		take_signals();
	return ret;
}

/* nbdkit will not come to unload(). */
static int failed(void)
{
	if (socket_path)
		(void)unlink(socket_path);
	return -1;
}

/* nbdkit does not tell a plugin where it listens; `udrv run` has. */
static const char *where(void)
{
	if (socket_path)
		return socket_path;
	return address ? address : "nbdkit";
}

static int after_fork(void)
{
	int ret;

	options.exports.nbd = where();
	ret = udrv__daemon_start(&me, &UDRV_PLUGIN_DRIVER, &options);
	if (ret)
		return failed();
	ret = start_watching(); /* from then on, why it ends is the watcher's */
	if (ret) {
		udrv__daemon_stop(&me, ret);
		return failed();
	}
	started = true;
	udrv__daemon_ready(&me);
	if (ready_fd >= 0)
		udrv__detach_ready(&me, ready_fd);
	return 0;
}

static void cleanup(void)
{
	if (!started)
		return;
	started = false;
	(void)eventfd_write(stop_fd, 1);
	(void)eventfd_write(closed_fd, 1);
	pthread_join(watcher, NULL);
	udrv__daemon_stop(&me, why);
}

static void unload(void)
{
	if (socket_path)
		(void)unlink(socket_path);
	free(socket_path);
	free(address);
	free((char *)(uintptr_t)options.device);
	free((char *)(uintptr_t)options.backend);
	while (param_count)
		free(params[--param_count]);
	/* nbdkit itself ends with success, however it was made to end. */
	if (why)
		exit(EXIT_FAILURE);
}

/* Exports: they come and go, and one that is open stays until it is closed. */

/* With changes held. "": the first. */
static struct udrv__block_sync *find(const char *name)
{
	for (unsigned int i = 0; i < me.exports.count; i++) {
		struct udrv__block_sync *s = me.exports.nbd[i];

		if (s && (!*name || !strcmp(udrv__block_sync_block(s)->name, name)))
			return s;
	}
	return NULL;
}

static struct udrv__block_sync *hold(const char *name)
{
	struct udrv__block_sync *s;

	udrv__block_changes_hold();
	s = find(name);
	if (s)
		udrv__block_sync_hold(s);
	udrv__block_changes_release();
	return s;
}

static const struct udrv_block_limits *limits(void *handle)
{
	return &udrv__block_sync_block(handle)->limits;
}

static int list_exports(int readonly, int is_tls, struct nbdkit_exports *exports)
{
	int ret = 0;

	(void)readonly;
	(void)is_tls;
	udrv__block_changes_hold();
	for (unsigned int i = 0; i < me.exports.count && !ret; i++) {
		const struct udrv__block_sync *s = me.exports.nbd[i];
		const struct udrv_block *b = s ? udrv__block_sync_block(s) : NULL;

		if (b)
			ret = nbdkit_add_export(exports, b->name, b->serial);
	}
	udrv__block_changes_release();
	return ret;
}

static const char *default_export(int readonly, int is_tls)
{
	(void)readonly;
	(void)is_tls;
	struct udrv__block_sync *s = hold("");
	const char *name;

	if (!s)
		return NULL;
	name = nbdkit_strdup_intern(udrv__block_sync_block(s)->name);
	udrv__block_sync_release(s);
	return name;
}

static void *open_export(int readonly)
{
	const char *name = nbdkit_export_name();
	void *handle = name ? hold(name) : NULL;

	(void)readonly;
	if (name && !handle) {
		nbdkit_error("there is no export '%.64s'", name);
		nbdkit_set_error(ENOENT);
	}
	return handle;
}

static void close_export(void *handle)
{
	udrv__block_sync_release(handle);
}

static const char *export_description(void *handle)
{
	const struct udrv_block *b = udrv__block_sync_block(handle);

	return nbdkit_printf_intern("%s %s", me.name, b->serial);
}

static int64_t get_size(void *handle)
{
	return (int64_t)__atomic_load_n(&limits(handle)->size, __ATOMIC_RELAXED);
}

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static int block_size(void *handle, uint32_t *minimum, uint32_t *preferred, uint32_t *maximum)
{
	const struct udrv_block_limits *l = limits(handle);
	uint32_t best = larger(larger(l->io_min, l->physical_block_size), MIN_PREFERRED);

	*minimum = l->logical_block_size;
	/* The protocol wants a power of two. */
	*preferred = best & (best - 1) || best > MAX_REQUEST
			     ? larger(MIN_PREFERRED, l->physical_block_size)
			     : best;
	*maximum = MAX_REQUEST;
	return 0;
}

static int can_write(void *handle)
{
	return !limits(handle)->read_only;
}

/* Also without a cache: clients take it as a promise. */
static int yes(void *handle)
{
	(void)handle;
	return 1;
}

static int no(void *handle)
{
	(void)handle;
	return 0;
}

static int can_trim(void *handle)
{
	return limits(handle)->max_discard > 0;
}

/* If not, nbdkit writes. */
static int can_zero(void *handle)
{
	return limits(handle)->max_write_zeroes > 0;
}

static int can_fua(void *handle)
{
	(void)handle;
	return NBDKIT_FUA_NATIVE;
}

static int can_cache(void *handle)
{
	(void)handle;
	return NBDKIT_CACHE_NONE;
}

/* Requests. */

/* As clients can be told. What a driver finds invalid in whole blocks is not the client's mistake.
 */
static int protocol_errno(int ret)
{
	switch (ret) {
	case -ENOMEM:
	case -ENOSPC:
	case -EOPNOTSUPP:
	case -ESHUTDOWN:
		return -ret;
	case -EROFS:
	case -EACCES:
	case -EPERM:
		return EPERM;
	case -ENODEV:
		return ESHUTDOWN;
	default:
		return EIO;
	}
}

static const char *const op_names[] = {"read", "write", "flush", "trim", "zero"};

static int io(void *handle, enum udrv_block_op op, uint32_t flags, uint64_t offset, uint32_t count,
	      void *buf)
{
	const bool keep = op == UDRV_BLOCK_WRITE_ZEROES && !(flags & NBDKIT_FLAG_MAY_TRIM);
	uint32_t block;
	int ret;

	__atomic_add_fetch(&begun, 1, __ATOMIC_RELAXED);
	ret = udrv__block_sync_io(handle, op,
				  (flags & NBDKIT_FLAG_FUA ? UDRV_BLOCK_FUA : 0) |
					  (keep ? UDRV_BLOCK_NOUNMAP : 0),
				  offset, count, buf);
	__atomic_add_fetch(&ended, 1, __ATOMIC_RELEASE);
	if (!ret)
		return 0;
	block = limits(handle)->logical_block_size;
	if (ret == -EINVAL && (offset | count) & (block - 1)) {
		nbdkit_set_error(EINVAL);
		nbdkit_error("%s of %u bytes at %llu: not in whole blocks of %u bytes; nbdkit's "
			     "blocksize filter cuts them (-- --filter=blocksize)",
			     op_names[op], count, (unsigned long long)offset, block);
	} else {
		nbdkit_set_error(protocol_errno(ret));
		nbdkit_error("%s of %u bytes at %llu: %s", op_names[op], count,
			     (unsigned long long)offset, strerror(-ret));
	}
	return -1;
}

static int pread_export(void *handle, void *buf, uint32_t count, uint64_t offset, uint32_t flags)
{
	return io(handle, UDRV_BLOCK_READ, flags, offset, count, buf);
}

static int pwrite_export(void *handle, const void *buf, uint32_t count, uint64_t offset,
			 uint32_t flags)
{
	return io(handle, UDRV_BLOCK_WRITE, flags, offset, count, (void *)(uintptr_t)buf);
}

static int flush_export(void *handle, uint32_t flags)
{
	return io(handle, UDRV_BLOCK_FLUSH, flags, 0, 0, NULL);
}

/* A hint: what is not whole blocks of it is left as it is. */
static int trim_export(void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
	const uint64_t mask = limits(handle)->logical_block_size - 1;
	const uint64_t first = (offset + mask) & ~mask;
	const uint64_t end = (offset + count) & ~mask;

	if (first >= end)
		return flags & NBDKIT_FLAG_FUA ? flush_export(handle, 0) : 0;
	return io(handle, UDRV_BLOCK_DISCARD, flags, first, (uint32_t)(end - first), NULL);
}

static int zero_export(void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
	return io(handle, UDRV_BLOCK_WRITE_ZEROES, flags, offset, count, NULL);
}

static struct nbdkit_plugin plugin = {
	.name = "udrv-" UDRV_PLUGIN_NAME,
	.longname = "udrv driver " UDRV_PLUGIN_NAME,
	.load = load,
	.unload = unload,
	.config = config,
	.config_complete = config_complete,
	.config_help = "device=DEVICE      0000:00:05.0, or as udrv run takes it\n"
		       "backend=NAME       vfio, stub, uio or model\n"
		       "verbose=1          log more\n"
		       "NAME=VALUE         the driver's parameters, see udrv-" UDRV_PLUGIN_NAME
		       " run --help",
	.magic_config_key = UDRV__NBD_DEVICE,
	.after_fork = after_fork,
	.cleanup = cleanup,
	.list_exports = list_exports,
	.default_export = default_export,
	.open = open_export,
	.close = close_export,
	.export_description = export_description,
	.get_size = get_size,
	.block_size = block_size,
	.can_write = can_write,
	.can_flush = yes,
	.is_rotational = no,
	.can_multi_conn = yes,
	.can_trim = can_trim,
	.can_zero = can_zero,
	.can_fast_zero = can_zero,
	.can_fua = can_fua,
	.can_cache = can_cache,
	.pread = pread_export,
	.pwrite = pwrite_export,
	.flush = flush_export,
	.trim = trim_export,
	.zero = zero_export,
};

/* What the macro defines, it does not declare. */
struct nbdkit_plugin *plugin_init(void);
NBDKIT_REGISTER_PLUGIN(plugin)

// SPDX-License-Identifier: GPL-2.0-or-later
/* What would fail after minutes of measuring is found before. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/options.h"
#include "bench/rows.h"
#include "tool.h"

/* The folder that a file is to be made in. */
static int check_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX] = ".";

	if (!*path)
		return -ENOENT;
	if (slash && snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path + 1), path) >=
			     (int)sizeof(folder))
		return -ENAMETOOLONG;
	return access(folder, W_OK | X_OK) ? -errno : 0;
}

int bench_check_file(const char *option, const char *path)
{
	struct stat st;
	int ret;

	if (!path)
		return 0;
	if (stat(path, &st))
		ret = errno == ENOENT ? check_folder(path) : -errno;
	else if (S_ISDIR(st.st_mode))
		ret = -EISDIR;
	else
		ret = access(path, W_OK) ? -errno : 0;
	if (ret)
		tool_err("%s %s: cannot be written: %s", option, path, strerror(-ret));
	return ret;
}

static int check_gnuplot(struct bench_settings *s)
{
	if (!s->plot || bench_have_gnuplot())
		return 0;
	if (!s->json) {
		tool_err(
			"--plot %s: gnuplot is not installed here: use --json FILE, and where it is: "
			"udrv bench plot FILE %s",
			s->plot, s->plot);
		return -ENOENT;
	}
	tool_note("gnuplot is not installed here; where it is: udrv bench plot %s %s", s->json,
		  s->plot);
	s->plot = NULL;
	return 0;
}

static int lock_memory(void)
{
	struct rlimit limit = {0};
	char bytes[32] = "unlimited";
	int err;

	if (!mlockall(MCL_CURRENT | MCL_FUTURE))
		return 0;
	err = errno;
	(void)getrlimit(RLIMIT_MEMLOCK, &limit);
	if (limit.rlim_cur != RLIM_INFINITY)
		(void)snprintf(bytes, sizeof(bytes), "%llu bytes",
			       (unsigned long long)limit.rlim_cur);
	tool_err("--mlock: %s: RLIMIT_MEMLOCK is %s; raise it (ulimit -l, LimitMEMLOCK=), or run "
		 "as root",
		 strerror(err), bytes);
	return -err;
}

int bench_prepare(struct bench_result *result)
{
	struct bench_settings *s = &result->settings;
	int ret = bench_check_file("--json", s->json);

	if (!ret)
		ret = bench_check_file("--plot", s->plot);
	if (!ret)
		ret = check_gnuplot(s);
	if (!ret)
		ret = bench_check_cpu("--cpu", s->cpu);
	if (!ret)
		ret = bench_check_cpu("--trigger-cpu", s->trigger_cpu);
	if (!ret)
		ret = bench_machine_read(s->clock, &result->machine);
	if (!ret && s->mlock)
		ret = lock_memory();
	return ret ? ret : bench_pin(s->trigger_cpu);
}

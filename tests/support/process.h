/* SPDX-License-Identifier: MIT */
/*
 * A daemon on model:edu and commands beside it, each in a process of its own whose output is in the
 * fake tree. After the fixture daemon_setup() daemons live there, too.
 */
#ifndef TESTS_SUPPORT_PROCESS_H
#define TESTS_SUPPORT_PROCESS_H

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

#include <udrv/driver.h>
#include <udrv/log.h>

#include "support/fake_tree.h"

#define DEVICE	"model:edu"
#define WAIT_MS 60000

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const struct udrv_driver *daemon_driver; /* for the suite to set */
static pid_t daemon_pid;

static inline void redirect(const char *file, int fd)
{
	char path[PATH_MAX];
	int to;

	(void)snprintf(path, sizeof(path), "%s/%s", fake_root, file);
	to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (to < 0 || dup2(to, fd) < 0)
		_exit(99);
	close(to);
}

static inline int run_driver(int argc, char **argv)
{
	return udrv_driver_main(daemon_driver, argc, argv);
}

/* Run it in a process of its own, its output in @file.out and @file.err. */
static inline pid_t spawn(int (*run)(int argc, char **argv), const char *file,
			  const char *const *words)
{
	char name[64];
	char *argv[10];
	int argc = 0;
	pid_t pid;

	for (; words[argc]; argc++)
		argv[argc] = (char *)(uintptr_t)words[argc];
	argv[argc] = NULL;
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		/* Check's handler would kill the test, too. */
		(void)signal(SIGINT, SIG_DFL);
		(void)snprintf(name, sizeof(name), "%s.out", file);
		redirect(name, STDOUT_FILENO);
		(void)snprintf(name, sizeof(name), "%s.err", file);
		redirect(name, STDERR_FILENO);
		exit(run(argc, argv));
	}
	return pid;
}

static inline void pause_ms(long ms)
{
	const struct timespec t = {.tv_nsec = ms * 1000000};

	nanosleep(&t, NULL);
}

/* The exit status, or minus the signal. */
static inline int end_of(pid_t pid)
{
	int status;

	for (int waited = 0; waited < WAIT_MS; waited += 5) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
		pause_ms(5);
	}
	kill(pid, SIGKILL);
	ck_abort_msg("process %d does not end", pid);
	return -1;
}

static inline void said(const char *file, const char *part)
{
	ck_assert_msg(strstr(fake_text("%s", file), part), "'%s' is not in %s: %s", part, file,
		      fake_text("%s", file));
}

static inline void start_daemon(void)
{
	char path[PATH_MAX];

	/* What an earlier one said must not be taken for this one's. */
	(void)snprintf(path, sizeof(path), "%s/daemon.err", fake_root);
	(void)unlink(path);
	daemon_pid = spawn(run_driver, "daemon", WORDS("udrv-driver", "run", DEVICE));
	for (int waited = 0; waited < WAIT_MS; waited += 5) {
		if (strstr(fake_text("daemon.err"), "is ready"))
			return;
		pause_ms(5);
	}
	ck_abort_msg("%s", fake_text("daemon.err"));
}

static inline int stop_daemon(int sig)
{
	pid_t pid = daemon_pid;

	daemon_pid = 0;
	ck_assert_int_eq(kill(pid, sig), 0);
	return end_of(pid);
}

static inline void daemon_setup(void)
{
	fake_tree_make();
	ck_assert_int_eq(setenv("UDRV_RUNTIME_DIR", fake_root, 1), 0);
	udrv_log_set(udrv_log_stderr, (void *)(uintptr_t) "udrv", UDRV_LOG_NOTICE);
	daemon_pid = 0;
}

static inline void daemon_teardown(void)
{
	if (daemon_pid)
		(void)stop_daemon(SIGKILL);
	fake_tree_remove();
}

#endif

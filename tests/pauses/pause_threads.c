// SPDX-License-Identifier: MIT
/*
 * Runs a command, and meanwhile stops one thread of it or of what it started, by ptrace(2), for a
 * random while, lets it go on, and takes another one: what a busy machine does to any thread, but
 * often, and anywhere. Ends with the command's status.
 *
 * usage: pause_threads [--max-ms N] [--gap-ms N] [--seed N] COMMAND [ARGUMENT]...
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHOICE_MAX 4096 /* processes, or threads of one */

static unsigned long max_ms = 400, gap_ms = 20, seed = 1;
static pid_t command;
static int status;
static bool ended;

static void usage(void)
{
	fprintf(stderr, "usage: pause_threads [--max-ms N] [--gap-ms N] [--seed N] COMMAND "
			"[ARGUMENT]...\n"
			"  --max-ms N  no pause is longer; most are shorter by far (400)\n"
			"  --gap-ms N  from the end of one to the next, on average (20)\n"
			"  --seed N    of the random numbers (1)\n");
	exit(2);
}

static unsigned long number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (end == text || *end || value > 1000000)
		usage();
	return value;
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {{"max-ms", required_argument, NULL, 'm'},
						{"gap-ms", required_argument, NULL, 'g'},
						{"seed", required_argument, NULL, 's'},
						{0}};
	int option;

	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (option == 'm')
			max_ms = number(optarg);
		else if (option == 'g')
			gap_ms = number(optarg);
		else if (option == 's')
			seed = number(optarg);
		else
			usage();
	}
	if (optind == argc)
		usage();
}

static void nap(double ms)
{
	const long ns = (long)(ms * 1e6);
	struct timespec t = {ns / 1000000000, ns % 1000000000};

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

/* The command's end, if it is that. */
static void note_end(pid_t pid, int how)
{
	if (pid != command || !(WIFEXITED(how) || WIFSIGNALED(how)))
		return;
	status = how;
	ended = true;
}

/* Nothing is traced: what ends is the command or an orphan of its. */
static void reap(void)
{
	pid_t pid;
	int how;

	while ((pid = waitpid(-1, &how, WNOHANG)) > 0)
		note_end(pid, how);
}

/* What /proc/PATH begins with; false: it is gone. */
static bool read_proc(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	size_t got;

	if (!file)
		return false;
	got = fread(text, 1, size - 1, file);
	text[got] = 0;
	fclose(file);
	return got > 0;
}

static pid_t parent_of(pid_t pid)
{
	char path[64], line[512];
	const char *name_end;
	pid_t parent = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (!read_proc(path, line, sizeof(line)))
		return 0;
	name_end = strrchr(line, ')');
	if (name_end)
		(void)sscanf(name_end + 1, " %*c %d", &parent);
	return parent;
}

static bool is_ours(pid_t pid)
{
	const pid_t self = getpid();

	if (pid == self)
		return false;
	while (pid > 1) {
		pid = parent_of(pid);
		if (pid == self)
			return true;
	}
	return false;
}

/* io_uring's are the kernel's, and cannot be traced. */
static bool is_kernels(pid_t pid, pid_t tid)
{
	char path[64], name[32];

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", pid, tid);
	return !read_proc(path, name, sizeof(name)) || !strncmp(name, "iou-", 4);
}

/* One of the numbers that are names in the directory, or 0. @process: a thread of that one. */
static pid_t choose(const char *path, pid_t process)
{
	static pid_t choice[CHOICE_MAX];
	DIR *dir = opendir(path);
	struct dirent *entry;
	long count = 0;

	while (dir && count < CHOICE_MAX && (entry = readdir(dir))) {
		const pid_t id = (pid_t)strtol(entry->d_name, NULL, 10);

		if (id > 0 && (process ? !is_kernels(process, id) : is_ours(id)))
			choice[count++] = id;
	}
	if (dir)
		closedir(dir);
	return count ? choice[lrand48() % count] : 0;
}

static pid_t choose_thread(void)
{
	const pid_t pid = choose("/proc", 0);
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
	return pid ? choose(path, pid) : 0;
}

/* Until it stops or ends: true if it stopped. */
static bool await_stop(pid_t tid, int *how)
{
	pid_t pid;

	do
		pid = waitpid(tid, how, __WALL);
	while (pid < 0 && errno == EINTR);
	if (pid != tid)
		return false;
	note_end(pid, *how);
	return WIFSTOPPED(*how);
}

/* It may end, or stop for a signal of its own, before it stops for us: that signal it gets. */
static void pause_thread(pid_t tid, double ms)
{
	long signal;
	int how;

	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL))
		return;
	(void)ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
	if (!await_stop(tid, &how))
		return;
	nap(ms);
	signal = how >> 16 ? 0 : WSTOPSIG(how);
	/* Killed meanwhile: it goes when its end has been seen. */
	if (ptrace(PTRACE_DETACH, tid, NULL, (void *)signal))
		(void)await_stop(tid, &how);
}

/* Daemons that it leaves are our children, too. */
static void start(char **argv)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1)) {
		perror("pause_threads: prctl");
		exit(1);
	}
	command = fork();
	if (command < 0) {
		perror("pause_threads: fork");
		exit(1);
	}
	if (command)
		return;
	execvp(argv[0], argv);
	perror(argv[0]);
	_exit(127);
}

int main(int argc, char **argv)
{
	parse(argc, argv);
	srand48((long)seed);
	start(argv + optind);
	for (reap(); !ended; reap()) {
		const double length = drand48();
		const pid_t tid = choose_thread();

		if (tid)
			pause_thread(tid, (double)max_ms * length * length);
		nap(2 * (double)gap_ms * drand48());
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* The distributions as a picture, drawn by gnuplot. */
#include "bench/bench.h"
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What is compared with, dashed and grey; the rest in colours that everybody can tell apart. */
static const char *const greys[] = {"#000000", "#777777", "#aaaaaa"};
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00"};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *terminal(const char *path)
{
	const char *dot = strrchr(path, '.');

	if (dot && !strcmp(dot, ".png"))
		return "pngcairo size 1100,650 font 'sans,11'";
	if (dot && !strcmp(dot, ".svg"))
		return "svg size 1100,650 font 'sans,13' background '#ffffff'";
	return NULL;
}

int bench_plot_check(const char *path)
{
	return terminal(path) ? 0 : -EINVAL;
}

/* In gnuplot's single quotes a quote is written twice. */
static void quoted(FILE *out, const char *text)
{
	fputc('\'', out);
	for (; *text; text++) {
		if (*text == '\'')
			fputc('\'', out);
		if (*text != '\n')
			fputc(*text, out);
	}
	fputc('\'', out);
}

/*
 * The share of interrupts that took longer than x. The last point would be 0, which a
 * logarithm has not: the curve ends at half a sample instead.
 */
static void write_points(FILE *out, const struct bench_row *row, size_t index)
{
	double all = (double)row->summary.count;

	fprintf(out, "$row%zu << EOD\n", index);
	fprintf(out, "%llu 1\n", (unsigned long long)row->points[0].value);
	for (size_t i = 0; i < row->point_count; i++) {
		double beyond = all - (double)row->points[i].cumulative;

		fprintf(out, "%llu %.9g\n", (unsigned long long)row->points[i].value,
			(beyond > 0 ? beyond : 0.5) / all);
	}
	fprintf(out, "EOD\n");
}

static bool is_reference(const struct bench_row *row)
{
	return !strncmp(row->name, "kernel-", 7) || !strncmp(row->name, "bare-", 5);
}

/* @like: how many rows of the same kind have been drawn. */
static void write_curve(FILE *out, const struct bench_row *row, size_t index, size_t like)
{
	bool grey = is_reference(row);
	char title[64];

	(void)snprintf(title, sizeof(title), "%s  %llu", row->name,
		       (unsigned long long)row->summary.p50);
	fprintf(out, "%s $row%zu using 1:2 with steps lw 2.5 dt %d lc rgb '%s' title ",
		index ? "," : "plot", index, grey ? 2 : 1,
		grey ? greys[like % COUNT(greys)] : colours[like % COUNT(colours)]);
	quoted(out, title);
}

static void write_axes(FILE *out, const struct bench_result *result, const char *path)
{
	const char *unit = result->settings.clock == BENCH_CLOCK_ICOUNT ? "instructions" : "ns";
	char title[256];

	(void)snprintf(title, sizeof(title), "Register write to interrupt handler: %s, Linux %s",
		       result->settings.device, result->machine.kernel);
	fprintf(out, "set terminal %s noenhanced\nset output ", terminal(path));
	quoted(out, path);
	fprintf(out, "\nset title ");
	quoted(out, title);
	fprintf(out, "\nset xlabel 'latency, %s%s'\n", unit,
		result->machine.tcg ? "  (QEMU TCG: no caches, no real register cost)" : "");
	fprintf(out, "set ylabel 'share of interrupts that took longer'\n"
		     "set logscale xy\n"
		     "set grid xtics ytics lt 1 lw 1 lc rgb '#dddddd'\n"
		     "set yrange [*:1]\n"
		     "set xtics add (200, 500, 2000, 5000, 20000, 50000, 200000)\n"
		     "set format x '%%.0s%%c'\n"
		     "set format y '%%g'\n"
		     "set key outside right top title 'row   p50'\n");
}

static void write_script(FILE *out, const struct bench_result *result, const char *path)
{
	size_t shown = 0, kinds[2] = {0, 0};

	write_axes(out, result, path);
	for (size_t i = 0; i < result->row_count; i++)
		if (result->rows[i].point_count)
			write_points(out, &result->rows[i], shown++);
	shown = 0;
	for (size_t i = 0; i < result->row_count; i++) {
		const struct bench_row *row = &result->rows[i];

		if (row->point_count)
			write_curve(out, row, shown++, kinds[is_reference(row)]++);
	}
	fprintf(out, "\n");
}

bool bench_have_gnuplot(void)
{
	const char *path = getenv("PATH");
	char program[512];
	size_t len;

	for (; path && *path; path += len + (path[len] == ':')) {
		len = strcspn(path, ":");
		(void)snprintf(program, sizeof(program), "%.*s/gnuplot", (int)len, path);
		if (!access(program, X_OK))
			return true;
	}
	return false;
}

/* gnuplot reading its commands from *@in. */
static int spawn_gnuplot(pid_t *pid, FILE **in)
{
	char *argv[] = {(char *)"gnuplot", (char *)"-", NULL};
	posix_spawn_file_actions_t actions;
	int fds[2], ret;

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	*in = fdopen(fds[1], "w");
	if (!*in) {
		close(fds[0]);
		close(fds[1]);
		return -ENOMEM;
	}
	ret = posix_spawn_file_actions_init(&actions);
	if (!ret) {
		ret = posix_spawn_file_actions_adddup2(&actions, fds[0], STDIN_FILENO);
		if (!ret)
			ret = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
		posix_spawn_file_actions_destroy(&actions);
	}
	close(fds[0]);
	if (ret)
		fclose(*in);
	return -ret;
}

static int run_gnuplot(const struct bench_result *result, const char *path)
{
	void (*old_pipe)(int) = signal(SIGPIPE, SIG_IGN);
	int status = 0, ret;
	FILE *in = NULL;
	pid_t pid = -1;

	ret = spawn_gnuplot(&pid, &in);
	if (!ret) {
		write_script(in, result, path);
		if (fclose(in))
			ret = -EIO;
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		if (!ret && status)
			ret = -EIO;
	}
	(void)signal(SIGPIPE, old_pipe);
	return ret;
}

int bench_plot(const struct bench_result *result, const char *path)
{
	bool any = false;
	int ret;

	for (size_t i = 0; i < result->row_count; i++)
		any |= result->rows[i].point_count > 0;
	if (!any) {
		tool_err("nothing was measured: no picture to draw");
		return -ENODATA;
	}
	ret = run_gnuplot(result, path);
	if (ret == -ENOENT)
		tool_err("%s: not drawn: gnuplot is not installed; install gnuplot-nox", path);
	else if (ret)
		tool_err("gnuplot could not draw %s: %s", path, strerror(-ret));
	return ret;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of `udrv bench irq`, and what must hold before anything is measured. */
#ifndef UDRV_BENCH_OPTIONS_H
#define UDRV_BENCH_OPTIONS_H

#include "bench/bench.h"

/* argv[0] is the verb. TOOL_OK, or TOOL_USAGE with a message on stderr. */
int bench_options(struct bench_settings *settings, int argc, char **argv);

/* @what is how the user gave it. 0, or an errno with a message on stderr. */
int bench_set_plot(struct bench_settings *settings, const char *what, const char *path);

/*
 * prepare.c: files can be written, CPUs are there, memory is locked if asked for. The calling
 * thread is the trigger from here on. 0, or negative errno with a message on stderr.
 */
int bench_prepare(struct bench_result *result);

/* Can this file be written? It is not touched. 0, or negative errno with a message on stderr. */
int bench_check_file(const char *option, const char *path);

#endif

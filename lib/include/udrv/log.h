/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Where the library's explanations go. The library never prints: without a sink it is silent.
 */
#ifndef UDRV_LOG_H
#define UDRV_LOG_H

#include <udrv/compiler.h>

UDRV_BEGIN_DECLS

/** enum udrv_log_level - severities, numbered as in syslog(3). */
enum udrv_log_level {
	UDRV_LOG_ERR = 3,
	UDRV_LOG_WARNING = 4,
	UDRV_LOG_NOTICE = 5,
	UDRV_LOG_INFO = 6,
	UDRV_LOG_DEBUG = 7,
};

/**
 * typedef udrv_log_fn - a sink for log lines
 * @ctx: what udrv_log_set() was given
 * @level: enum udrv_log_level
 * @line: one line without a newline; valid during the call
 *
 * May be called from any thread, several at once, and with locks of the library held: it calls
 * nothing of the library but udrv_log_stderr(), and waits for nobody who does.
 */
typedef void (*udrv_log_fn)(void *ctx, int level, const char *line);

/**
 * udrv_log_set() - choose where log lines go
 * @fn: the sink, or NULL for silence (the default)
 * @ctx: passed to @fn; stays for as long as a thread may say something
 * @max_level: lines less severe than this are not formatted at all
 *
 * Any thread, one at a time. A line that is on its way may still go to the sink before, or to none.
 */
UDRV_API void udrv_log_set(udrv_log_fn fn, void *ctx, int max_level);

/**
 * udrv_log_stderr() - a sink that writes "<ctx>: line" to stderr
 * @ctx: a program's name (const char *), or NULL for no prefix
 * @level: enum udrv_log_level
 * @line: the line
 *
 * Each line is written in one piece. Under systemd ($JOURNAL_STREAM) the line is
 * prefixed by its severity as sd-daemon(3) describes.
 */
UDRV_API void udrv_log_stderr(void *ctx, int level, const char *line);

/**
 * udrv_log() - send a line to the sink
 * @level: enum udrv_log_level
 * @fmt: printf format of one line, without a newline
 *
 * Any thread. Does not change errno. Lines are cut at 511 bytes.
 */
UDRV_API void udrv_log(int level, const char *fmt, ...) UDRV_PRINTF(2, 3);

/** udrv_pr_{err,warn,notice,info,debug}() - udrv_log() at that level; arguments as printf(). */
#define udrv_pr_err(...)    udrv_log(UDRV_LOG_ERR, __VA_ARGS__)
#define udrv_pr_warn(...)   udrv_log(UDRV_LOG_WARNING, __VA_ARGS__)
#define udrv_pr_notice(...) udrv_log(UDRV_LOG_NOTICE, __VA_ARGS__)
#define udrv_pr_info(...)   udrv_log(UDRV_LOG_INFO, __VA_ARGS__)
#define udrv_pr_debug(...)  udrv_log(UDRV_LOG_DEBUG, __VA_ARGS__)

UDRV_END_DECLS

#endif

// SPDX-License-Identifier: MIT
/* Log lines: formatted once, handed to one sink. */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <udrv/log.h>

#define LINE_MAX_BYTES 512

/* Atomic. The sequence is odd while the rest changes. */
static struct {
	unsigned int sequence;
	udrv_log_fn fn;
	void *ctx;
	int max_level;
} sink;

void udrv_log_set(udrv_log_fn fn, void *ctx, int max_level)
{
	__atomic_add_fetch(&sink.sequence, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&sink.fn, fn, __ATOMIC_SEQ_CST);
	__atomic_store_n(&sink.ctx, ctx, __ATOMIC_SEQ_CST);
	__atomic_store_n(&sink.max_level, max_level, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&sink.sequence, 1, __ATOMIC_SEQ_CST);
}

/* NULL: there is none, or just then. */
static udrv_log_fn sink_for(int level, void **ctx)
{
	const unsigned int sequence = __atomic_load_n(&sink.sequence, __ATOMIC_SEQ_CST);
	const udrv_log_fn fn = __atomic_load_n(&sink.fn, __ATOMIC_SEQ_CST);

	if (sequence % 2 || !fn || level > __atomic_load_n(&sink.max_level, __ATOMIC_SEQ_CST))
		return NULL;
	*ctx = __atomic_load_n(&sink.ctx, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&sink.sequence, __ATOMIC_SEQ_CST) == sequence ? fn : NULL;
}

void udrv_log(int level, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	int saved_errno = errno;
	void *ctx = NULL;
	const udrv_log_fn fn = sink_for(level, &ctx);
	va_list args;

	if (!fn)
		return;

	va_start(args, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	fn(ctx, level, line);
	errno = saved_errno;
}

/* Is stderr what the service manager connected to the journal? (sd-daemon(3), $JOURNAL_STREAM) */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device;
	unsigned long long inode;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       !fstat(STDERR_FILENO, &st) && st.st_dev == device && st.st_ino == inode;
}

void udrv_log_stderr(void *ctx, int level, const char *line)
{
	const char *name = ctx;
	char out[LINE_MAX_BYTES + 64];
	char severity[8] = "";
	int len;

	if (is_journal())
		(void)snprintf(severity, sizeof(severity), "<%d>", level & 7);
	len = snprintf(out, sizeof(out), "%s%s%s%s\n", severity, name ? name : "", name ? ": " : "",
		       line);
	if (len < 0)
		return;
	if ((size_t)len >= sizeof(out)) {
		len = (int)sizeof(out) - 1;
		out[len - 1] = '\n';
	}
	/* A log line that cannot be written has nowhere to be reported. */
	if (write(STDERR_FILENO, out, (size_t)len) < 0)
		return;
}

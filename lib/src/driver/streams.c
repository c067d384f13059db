// SPDX-License-Identifier: MIT
/* The standard streams of a program: there, and what was written to them written. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <udrv/log.h>

#include "driver/daemon.h"

int udrv__streams_begin(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		/* The wrong way round: reading and writing still fail. */
		if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0) {
			udrv_pr_err("/dev/null, for a standard stream that is closed: %s",
				    strerror(errno));
			return EXIT_FAILURE;
		}
	}
	return EXIT_SUCCESS;
}

/* Once: what is left in the buffer fails again. */
static int explain(void)
{
	static bool explained;
	const int err = errno;

	if (!explained)
		udrv_pr_err("cannot write to standard output%s%s", err ? ": " : "",
			    err ? strerror(err) : "");
	explained = true;
	return err ? -err : -EIO;
}

static int flush(void)
{
	return fflush(stdout) || ferror(stdout) ? explain() : 0;
}

int udrv__streams_write(const char *text, size_t len)
{
	errno = 0;
	(void)fwrite(text, 1, len, stdout);
	return flush();
}

int udrv__streams_end(int status)
{
	errno = 0;
	return flush() && !status ? EXIT_FAILURE : status;
}

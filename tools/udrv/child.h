/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Work that may block in the kernel for ever, done in a child process so that we need not. */
#ifndef CHILD_H
#define CHILD_H

/*
 * Run @fn in a child and wait at most @deadline_ms milliseconds for what it returns. When @fn
 * executes another program, the result is that program's exit status.
 *
 * -ETIMEDOUT: the child was killed; one that cannot be killed finishes what it does when it can.
 */
int child_run(int (*fn)(void *ctx), void *ctx, int deadline_ms);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The fault guard: a SIGBUS on a guarded mapping (device gone, memory decode off) must not kill
 * the process. The faulting page becomes ordinary memory of all ones and the access is repeated,
 * so a load gives all ones, as on a bus with no device.
 */
#ifndef UDRV_IO_GUARD_H
#define UDRV_IO_GUARD_H

#include <stddef.h>

/*
 * Guards the mapping of len bytes at base. gone(ctx) is called by the signal handler, in the
 * thread that faulted and before its access is repeated, once for each page that faults (by
 * several threads at once, perhaps): it may set atomics and nothing else. gone may be NULL.
 * The mapping stays the caller's. Any thread.
 *
 * The handler is installed with the first range and stays. Faults that are not ours go to the
 * handler that was there before, or take the default action. A program that installs its own
 * SIGBUS handler later must pass on what it does not know, or guarding ends. SIGSEGV is left alone.
 *
 * What is stored to a replaced page can be read back, unlike from an absent device: ask whether
 * the device is gone rather than comparing with all ones.
 *
 * -EINVAL: base is not at a page's start, len is 0 or wraps; -EEXIST: overlaps a guarded range;
 * -ENOMEM; -errno of sigaction.
 */
int udrv__guard_add(void *base, size_t len, void (*gone)(void *ctx), void *ctx);

/*
 * Ends it: gone() is neither running nor called afterwards. Call before unmapping base.
 * A base that is not guarded is ignored. Any thread, not from gone().
 */
void udrv__guard_remove(void *base);

#endif

// SPDX-License-Identifier: MIT
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/gate.h"

void udrv__gate_wake(struct udrv__gate *gate)
{
	int saved_errno = errno;

	atomic_fetch_add_explicit(&gate->drained, 1, memory_order_release);
	syscall(SYS_futex, &gate->drained, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
	errno = saved_errno;
}

void udrv__gate_open(struct udrv__gate *gate, uint16_t key)
{
	/* Added, not stored: someone with an old key may be passing through. */
	atomic_fetch_add_explicit(&gate->state, (uint64_t)key << UDRV__GATE_KEY_SHIFT,
				  memory_order_release);
}

static void wait_drained(struct udrv__gate *gate)
{
	int saved_errno = errno;

	for (;;) {
		uint32_t seen = atomic_load_explicit(&gate->drained, memory_order_acquire);

		if (!(atomic_load_explicit(&gate->state, memory_order_acquire) & UDRV__GATE_INSIDE))
			break;
		syscall(SYS_futex, &gate->drained, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
	}
	errno = saved_errno;
}

bool udrv__gate_close(struct udrv__gate *gate, uint16_t key)
{
	uint64_t old = atomic_load_explicit(&gate->state, memory_order_relaxed);
	uint64_t closing;

	do {
		if (old >> UDRV__GATE_KEY_SHIFT != key)
			return false;
		closing = (old & UDRV__GATE_INSIDE) | UDRV__GATE_DRAINING;
	} while (!atomic_compare_exchange_weak_explicit(
		&gate->state, &old, closing, memory_order_acq_rel, memory_order_relaxed));
	wait_drained(gate);
	atomic_fetch_and_explicit(&gate->state, ~UDRV__GATE_DRAINING, memory_order_acq_rel);
	return true;
}

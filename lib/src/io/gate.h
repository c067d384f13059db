/* SPDX-License-Identifier: MIT */
/*
 * A gate counts who is inside; closing it waits until all have left. Entering and leaving
 * take no lock and are async-signal-safe; gates live in memory that is never freed.
 */
#ifndef UDRV_IO_GATE_H
#define UDRV_IO_GATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct udrv__gate {
	_Atomic uint64_t state;	  /* key << 48 | DRAINING | number inside */
	_Atomic uint32_t drained; /* futex word: changes when the last one has left */
};

#define UDRV__GATE_KEY_SHIFT 48
#define UDRV__GATE_DRAINING  (UINT64_C(1) << 32)
#define UDRV__GATE_INSIDE    UINT64_C(0xffffffff)

/* Wakes who waits in udrv__gate_close(). */
void udrv__gate_wake(struct udrv__gate *gate);

/* Lets everyone in who knows key (not 0). The caller makes sure that the gate is closed. */
void udrv__gate_open(struct udrv__gate *gate, uint16_t key);

/*
 * Lets nobody in any more and waits until everyone has left. Returns false, at once, if the
 * gate is not open for key. What was written inside is visible to the caller afterwards.
 */
bool udrv__gate_close(struct udrv__gate *gate, uint16_t key);

static inline void udrv__gate_leave(struct udrv__gate *gate)
{
	uint64_t old = atomic_fetch_sub_explicit(&gate->state, 1, memory_order_release);

	if ((old & UDRV__GATE_DRAINING) && (old & UDRV__GATE_INSIDE) == 1)
		udrv__gate_wake(gate);
}

static inline bool udrv__gate_enter(struct udrv__gate *gate, uint16_t key)
{
	uint64_t old = atomic_fetch_add_explicit(&gate->state, 1, memory_order_acquire);

	if (old >> UDRV__GATE_KEY_SHIFT == key)
		return true;
	udrv__gate_leave(gate);
	return false;
}

#endif

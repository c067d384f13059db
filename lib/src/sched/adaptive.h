/* SPDX-License-Identifier: MIT */
/*
 * Whether a thread that waits looks for a while before it sleeps, and for how long. One rule for
 * all that wait: interrupt workers, block exports.
 *
 * An average of how long waits are is kept. If they are short, it pays to look for twice the
 * average, which catches most; if they are long, it does not. But a wait that sleeps looks longer
 * than it need be: it includes the wake-up, and what waits for the sleeper is late for that reason
 * alone. So now and then it looks all the same, and what comes meanwhile is taken as it is.
 */
#ifndef UDRV_SRC_ADAPTIVE_H
#define UDRV_SRC_ADAPTIVE_H

#include <stdint.h>

#include <udrv/types.h>

struct udrv__adaptive {
	uint32_t least_ns, most_ns; /* of one look that lasts */
	bool may_spin;
	bool probe; /* this time it is only to see whether it pays */
	unsigned int blocked;
	uint64_t expected_ns;
};

void udrv__adaptive_begin(struct udrv__adaptive *a, uint32_t least_ns, uint32_t most_ns);
/* How long to look now; 0: sleep. */
uint64_t udrv__adaptive_time(struct udrv__adaptive *a);
/* What became of it: how long it took, and whether the look caught it. */
void udrv__adaptive_learn(struct udrv__adaptive *a, uint64_t waited_ns, bool caught);

/*
 * For a look at what comes by the work of others on this CPU: let them run. False if one did: the
 * CPU is wanted, and who goes on looking keeps it from them.
 */
bool udrv__adaptive_yield(void);
/* That was so: it sleeps until a probe says otherwise. */
void udrv__adaptive_unwanted(struct udrv__adaptive *a);

#endif

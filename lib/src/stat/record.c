// SPDX-License-Identifier: MIT
/* What is written to a vector's record, but for what its worker writes for each interrupt. */
#include <string.h>

#include <udrv/cycles.h>

#include "sched/clock.h"
#include "stat/segment.h"

uint64_t udrv__stat_now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return (uint64_t)ts.tv_sec * UDRV__NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* Of several tries the one that was disturbed least. */
void udrv__stat_clocks(uint64_t *ns, uint64_t *cycles)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < 5; i++) {
		uint64_t from = udrv_get_cycles();
		uint64_t now = udrv__stat_now_ns();
		uint64_t took = udrv_get_cycles() - from;

		if (took < least) {
			least = took;
			*ns = now;
			*cycles = from + took / 2;
		}
	}
}

void udrv__stat_begin(struct udrv__stat_vector *record)
{
	const uint32_t sequence = record->sequence;

	/* It never comes back to what it was: a reader may have begun with the vectors before. */
	__atomic_store_n(&record->sequence, sequence + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	memset(record, 0, offsetof(struct udrv__stat_vector, sequence));
	record->since_ns = udrv__stat_now_ns();
	record->worker = (struct udrv__stat_worker){.cpu = -1};
	__atomic_store_n(&record->sequence, sequence + 2, __ATOMIC_RELEASE);
}

void udrv__stat_describe(struct udrv__stat_vector *record, const struct udrv__stat_worker *worker)
{
	uint32_t sequence = record->sequence;

	__atomic_store_n(&record->sequence, sequence + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	record->worker = *worker;
	__atomic_store_n(&record->sequence, sequence + 2, __ATOMIC_RELEASE);
}

/*
 * Sums, so that it does not matter in which order two threads get here that went up and down
 * one after the other.
 */
void udrv__stat_disable(struct udrv__stat_vector *record, int outermost)
{
	if (outermost)
		__atomic_sub_fetch(&record->disabled_cycles, (int64_t)udrv_get_cycles(),
				   __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&record->disabled, 1, __ATOMIC_SEQ_CST);
}

void udrv__stat_enable(struct udrv__stat_vector *record, int outermost)
{
	if (outermost)
		__atomic_add_fetch(&record->disabled_cycles, (int64_t)udrv_get_cycles(),
				   __ATOMIC_SEQ_CST);
	__atomic_sub_fetch(&record->disabled, 1, __ATOMIC_SEQ_CST);
}

void udrv__stat_enable_all(struct udrv__stat_vector *record)
{
	if (__atomic_exchange_n(&record->disabled, 0, __ATOMIC_SEQ_CST))
		__atomic_add_fetch(&record->disabled_cycles, (int64_t)udrv_get_cycles(),
				   __ATOMIC_SEQ_CST);
}

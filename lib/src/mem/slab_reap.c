// SPDX-License-Identifier: MIT
/*
 * Memory that caches do not need goes back to the system: what was idle for a period, by a thread
 * which is there as long as some cache has more than a few slabs; and all that is idle when there
 * is no memory for a slab.
 */
#include <string.h>
#include <time.h>

#include <udrv/log.h>

#include "mem/slab.h"
#include "sched/thread.h"

#define NS_PER_S   UINT64_C(1000000000)
#define LONGEST_NS (3600 * NS_PER_S)
#define TICK_NS                                                                                    \
	UINT64_C(10000000) /* that of the clock that udrv__slab_reap() looks at, at least          \
			    */

static bool running; /* changes under the registry's lock */

static bool may_reap(const struct udrv_kmem_cache *cache)
{
	return !(cache->flags & UDRV_SLAB_NO_REAP) && !cache->foreign;
}

/* Magazines that were never needed since the last time. */
static void reap_depot(struct udrv_kmem_cache *cache)
{
	uint32_t count = udrv__depot_full(cache);
	uint32_t low = __atomic_exchange_n(&cache->full.low, count, __ATOMIC_RELAXED);

	if (low > RESERVE)
		udrv__depot_trim(cache, RESERVE, low - RESERVE);
}

void udrv__slab_reap_all(void)
{
	struct udrv_kmem_cache *cache = NULL;
	size_t index = 1;

	while ((cache = udrv__slab_walk(&index, cache))) {
		if (!may_reap(cache))
			continue;
		reap_depot(cache);
		udrv__slab_reap(cache);
	}
}

static bool is_large(struct udrv_kmem_cache *cache)
{
	bool large;

	if (!may_reap(cache))
		return false;
	udrv__slab_lock(cache);
	large = cache->record->slabs > EMPTY_KEPT;
	udrv__slab_unlock(cache);
	return large;
}

/* Unless a cache is large. One that becomes so now sees that the thread is not running. */
static bool end_reaper(void)
{
	struct udrv_kmem_cache *cache;
	bool end = true;

	udrv__slab_registry_lock();
	__atomic_store_n(&running, false, __ATOMIC_SEQ_CST);
	for (size_t i = 1; end && (cache = udrv__slab_cache_from(&i)); i++)
		end = !is_large(cache);
	__atomic_store_n(&running, !end, __ATOMIC_SEQ_CST);
	udrv__slab_registry_unlock();
	return end;
}

static void pause_a_period(void)
{
	uint64_t ns = __atomic_load_n(&udrv__slab_reap_period_ns, __ATOMIC_RELAXED);
	struct timespec pause;

	if (ns > LONGEST_NS)
		ns = LONGEST_NS;
	ns += TICK_NS;
	pause.tv_sec = (time_t)(ns / NS_PER_S);
	pause.tv_nsec = (long)(ns % NS_PER_S);
	nanosleep(&pause, NULL);
}

static void *reaper(void *arg)
{
	udrv__thread_begin("udrv-slabs");
	do {
		pause_a_period();
		udrv__slab_reap_all();
	} while (!end_reaper());
	return arg;
}

static bool claim_reaper(void)
{
	bool claimed;

	udrv__slab_registry_lock();
	claimed = !running;
	__atomic_store_n(&running, true, __ATOMIC_RELAXED);
	udrv__slab_registry_unlock();
	return claimed;
}

void udrv__slab_reaper_gone(void)
{
	__atomic_store_n(&running, false, __ATOMIC_RELAXED);
}

void udrv__slab_need_reaper(const struct udrv_kmem_cache *cache)
{
	pthread_t thread;
	int ret;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&running, __ATOMIC_RELAXED) || !may_reap(cache) ||
	    __atomic_load_n(&udrv__slab_reap_period_ns, __ATOMIC_RELAXED) == UINT64_MAX ||
	    !claim_reaper())
		return;
	ret = udrv__thread_create(&thread, reaper, NULL);
	if (!ret) {
		pthread_detach(thread);
		return;
	}
	udrv__slab_registry_lock();
	__atomic_store_n(&running, false, __ATOMIC_RELAXED);
	udrv__slab_registry_unlock();
	udrv_pr_warn("no thread to give idle memory of caches back: %s", strerror(-ret));
}

bool udrv__slab_reclaim(const struct udrv_kmem_cache *needy)
{
	/* Destructors may allocate. */
	static __thread bool reclaiming __attribute__((tls_model("initial-exec")));
	struct udrv_kmem_cache *cache = NULL;
	uint32_t released = 0;
	size_t index = 1;

	if (reclaiming)
		return false;
	reclaiming = true;
	while ((cache = udrv__slab_walk(&index, cache))) {
		if (cache == needy || !may_reap(cache))
			continue;
		udrv__depot_trim(cache, RESERVE, UINT32_MAX);
		released += udrv__slab_release(cache, 0);
	}
	reclaiming = false;
	return released;
}

// SPDX-License-Identifier: MIT
/*
 * DPDK's rte_mempool over its default ring, with a cache of 512 objects for each registered thread;
 * headers without statistics, as Debian has them. A pool has room for the objects that are live and
 * for full caches of two threads (a cache may have half as many again), and is no larger, as it
 * takes its objects in turn: more of them would be more cache lines. That it asks for a power of
 * two less one saves half a ring.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_config.h>
#undef RTE_USE_LIBBSD /* its header is another package, for strlcpy() */
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mempool.h>

#include "pool.h"

#define CACHE	  512u
#define IN_CACHES (CACHE * 3 / 2)

static struct rte_mempool *pool;

void pool_set_up(const char *program)
{
	char name[64];
	char *argv[] = {name, "--no-huge", "--no-pci",	   "--no-shconf",   "--no-telemetry",
			"-m", "1024",	   "--lcores=0@0", "--log-level=1", NULL};

	(void)snprintf(name, sizeof(name), "%s", program);
	if (rte_eal_init(sizeof(argv) / sizeof(argv[0]) - 1, argv) < 0)
		die("rte_eal_init", rte_errno);
	pin(0);
}

void pool_enter(void)
{
	if (rte_lcore_id() == LCORE_ID_ANY && rte_thread_register())
		die("rte_thread_register", rte_errno);
}

void pool_leave(void)
{
	rte_thread_unregister();
}

void pool_begin(size_t size, unsigned int objects)
{
	unsigned int n = 1;

	objects += 2 * IN_CACHES;
	while (n - 1 < objects)
		n *= 2;
	pool = rte_mempool_create("bench", n - 1, (unsigned int)size, CACHE, 0, NULL, NULL, NULL,
				  NULL, SOCKET_ID_ANY, 0);
	if (!pool)
		die("rte_mempool_create", rte_errno);
}

void pool_end(void)
{
	rte_mempool_free(pool);
}

static inline void *pool_alloc(void)
{
	void *obj;

	return rte_mempool_get(pool, &obj) ? NULL : obj;
}

static inline void pool_free(void *obj)
{
	rte_mempool_put(pool, obj);
}

#define POOL_BULK

static inline void pool_alloc_bulk(void **objs)
{
	if (rte_mempool_get_bulk(pool, objs, BATCH))
		die("bulk", ENOMEM);
}

static inline void pool_free_bulk(void **objs)
{
	rte_mempool_put_bulk(pool, objs, BATCH);
}

#include "patterns.h"

// SPDX-License-Identifier: MIT
/*
 * What allocating and freeing an object costs, beside malloc() and, as the bound, a list of free
 * objects linked through themselves that only one thread may use.
 *
 * usage: bench_pool [--rounds N] [--count N]   the table; N rounds of N operations a row
 *        bench_pool --loop COUNT               COUNT pairs, for tests/bench/pool_cost
 *
 * pair: an allocation and its free. batch: 64 allocations, then 64 frees. bulk: the same in bulk
 * calls (malloc: as batch). random: 10,000 live objects, one of which is exchanged for a new one.
 * threads: one thread allocates, another one frees; a ring of 1024 between them, which is the
 * bound. The first bytes of each object are written by who allocates, and read by the other thread.
 * Pools are taken in turn, round after round; ratios are medians over the rounds.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <udrv/udrv.h>

#define ROUNDS_MAX 101
#define BATCH	   64
#define LIVE	   10000
#define RING	   1024

static unsigned int rounds = 7, count = 2000000;

static void die(const char *what, int err)
{
	(void)fprintf(stderr, "bench_pool: %s: %s\n", what, strerror(err));
	exit(1);
}

/* The pools, and what they have in common. */
static struct udrv_kmem_cache *cache;
static size_t size;

struct node {
	struct node *next;
};
static struct node *nodes;
static char *node_memory;

static void *list_alloc(void)
{
	struct node *n = nodes;

	nodes = n->next;
	return n;
}

static void list_free(void *obj)
{
	struct node *n = obj;

	n->next = nodes;
	nodes = n;
}

static void list_begin(void)
{
	const size_t n = LIVE + BATCH;

	node_memory = aligned_alloc(64, n * size);
	if (!node_memory)
		die("memory", ENOMEM);
	nodes = NULL;
	for (size_t i = n; i--;)
		list_free(node_memory + i * size);
}

static void list_end(void)
{
	free(node_memory);
}

static void *udrv_alloc(void)
{
	return udrv_kmem_cache_alloc(cache, UDRV_GFP_KERNEL);
}

static void udrv_free(void *obj)
{
	udrv_kmem_cache_free(cache, obj);
}

static void udrv_begin(void)
{
	cache = udrv_kmem_cache_create(NULL, "bench", size, 0, 0, NULL, NULL);
	if (!cache)
		die("cache", ENOMEM);
}

static void udrv_end(void)
{
	if (udrv_kmem_cache_destroy(cache))
		die("cache", EBUSY);
}

static void *malloc_alloc(void)
{
	return malloc(size);
}

static void nothing(void)
{
}

static inline __attribute__((always_inline)) void *use(void *obj)
{
	if (!obj)
		die("memory", ENOMEM);
	*(volatile uint64_t *)obj = 1;
	/* What is allocated and freed at once must not be optimised away. */
	__asm__ volatile("" : "+r"(obj)::"memory");
	return obj;
}

typedef void *(*alloc_fn)(void);
typedef void (*free_fn)(void *obj);

/* Inlined into each pool's functions, so that none is called through a pointer. */
#define PATTERN static inline __attribute__((always_inline)) void

PATTERN pair(alloc_fn alloc, free_fn put, unsigned int n)
{
	while (n--)
		put(use(alloc()));
}

PATTERN batch(alloc_fn alloc, free_fn put, unsigned int n)
{
	void *objs[BATCH];

	for (; n >= BATCH; n -= BATCH) {
		for (int i = 0; i < BATCH; i++)
			objs[i] = use(alloc());
		for (int i = 0; i < BATCH; i++)
			put(objs[i]);
	}
}

static void *live[LIVE];

PATTERN random_order(alloc_fn alloc, free_fn put, unsigned int n)
{
	uint32_t random = 1;

	for (int i = 0; i < LIVE; i++)
		live[i] = use(alloc());
	while (n--) {
		unsigned int i;

		random = random * 1664525u + 1013904223u;
		i = (unsigned int)((uint64_t)random * LIVE >> 32);
		put(live[i]);
		live[i] = use(alloc());
	}
	for (int i = 0; i < LIVE; i++)
		put(live[i]);
}

/* One producer, one consumer; each looks at the other's index only when it has to. */
static struct {
	_Alignas(64) uint32_t in;
	_Alignas(64) uint32_t out;
	_Alignas(64) void *objs[RING];
	free_fn put;
	unsigned int n;
} ring;

static void wait_while(const uint32_t *word, uint32_t value)
{
	for (int i = 0; __atomic_load_n(word, __ATOMIC_ACQUIRE) == value; i++)
		if (i < 1000)
			udrv_cpu_relax();
		else
			sched_yield();
}

static void *consume(void *arg)
{
	uint32_t in = 0;

	(void)arg;
	for (uint32_t out = 0; out != ring.n; out++) {
		void *obj;

		if (out == in) {
			wait_while(&ring.in, out);
			in = __atomic_load_n(&ring.in, __ATOMIC_ACQUIRE);
		}
		obj = ring.objs[out % RING];
		(void)*(volatile uint64_t *)obj;
		ring.put(obj);
		__atomic_store_n(&ring.out, out + 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

PATTERN threads(alloc_fn alloc, free_fn put, unsigned int n)
{
	pthread_t consumer;
	uint32_t out = 0;

	ring.in = ring.out = 0;
	ring.put = put;
	ring.n = n;
	if (pthread_create(&consumer, NULL, consume, NULL))
		die("thread", EAGAIN);
	for (uint32_t in = 0; in != n; in++) {
		void *obj = use(alloc());

		if (in - out == RING) {
			wait_while(&ring.out, in - RING);
			out = __atomic_load_n(&ring.out, __ATOMIC_ACQUIRE);
		}
		ring.objs[in % RING] = obj;
		__atomic_store_n(&ring.in, in + 1, __ATOMIC_RELEASE);
	}
	pthread_join(consumer, NULL);
}

/* The bound of two threads: objects that are always the same. */
static char *turn;
static unsigned int turns;

static void *turn_alloc(void)
{
	return turn + turns++ % (2 * RING) * size;
}

static void turn_free(void *obj)
{
	(void)obj;
}

#define RUN(pattern, pool, alloc, put)                                                             \
	static void pattern##_##pool(unsigned int n)                                               \
	{                                                                                          \
		pattern(alloc, put, n);                                                            \
	}

RUN(pair, list, list_alloc, list_free)
RUN(batch, list, list_alloc, list_free)
RUN(random_order, list, list_alloc, list_free)
RUN(pair, malloc, malloc_alloc, free)
RUN(batch, malloc, malloc_alloc, free)
RUN(random_order, malloc, malloc_alloc, free)
RUN(threads, malloc, malloc_alloc, free)
RUN(pair, udrv, udrv_alloc, udrv_free)
RUN(batch, udrv, udrv_alloc, udrv_free)
RUN(random_order, udrv, udrv_alloc, udrv_free)
RUN(threads, udrv, udrv_alloc, udrv_free)

static void threads_list(unsigned int n)
{
	turn = aligned_alloc(64, 2 * RING * size);
	if (!turn)
		die("memory", ENOMEM);
	threads(turn_alloc, turn_free, n);
	free(turn);
}

static void bulk_udrv(unsigned int n)
{
	void *objs[BATCH];

	for (; n >= BATCH; n -= BATCH) {
		if (!udrv_kmem_cache_alloc_bulk(cache, UDRV_GFP_KERNEL, BATCH, objs))
			die("bulk", ENOMEM);
		for (int i = 0; i < BATCH; i++)
			(void)use(objs[i]);
		udrv_kmem_cache_free_bulk(cache, BATCH, objs);
	}
}

enum { LIST, MALLOC, UDRV, POOLS };

static const struct {
	const char *name;
	void (*run[POOLS])(unsigned int n);
} patterns[] = {
	{"pair", {pair_list, pair_malloc, pair_udrv}},
	{"batch", {batch_list, batch_malloc, batch_udrv}},
	{"bulk", {batch_list, batch_malloc, bulk_udrv}},
	{"random", {random_order_list, random_order_malloc, random_order_udrv}},
	{"threads", {threads_list, threads_malloc, threads_udrv}},
};

static const struct {
	void (*begin)(void);
	void (*end)(void);
} pools[POOLS] = {{list_begin, list_end}, {nothing, nothing}, {udrv_begin, udrv_end}};

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* A first tenth warms up. */
static double measure(size_t pattern, int pool)
{
	double start;
	double ns;

	pools[pool].begin();
	patterns[pattern].run[pool](count / 10);
	start = now_ns();
	patterns[pattern].run[pool](count);
	ns = (now_ns() - start) / count;
	pools[pool].end();
	return ns;
}

static int by_value(const void *x, const void *y)
{
	const double a = *(const double *)x;
	const double b = *(const double *)y;

	return (a > b) - (a < b);
}

static double median(const double *values)
{
	double sorted[ROUNDS_MAX];

	memcpy(sorted, values, rounds * sizeof(*values));
	qsort(sorted, rounds, sizeof(*sorted), by_value);
	return sorted[rounds / 2];
}

static double median_ratio(const double *values, const double *base)
{
	double ratio[ROUNDS_MAX];

	for (unsigned int r = 0; r < rounds; r++)
		ratio[r] = values[r] / base[r];
	return median(ratio);
}

static void row(size_t pattern)
{
	static double ns[POOLS][ROUNDS_MAX];

	for (unsigned int r = 0; r < rounds; r++)
		for (int pool = 0; pool < POOLS; pool++)
			ns[pool][r] = measure(pattern, pool);
	printf("%-8s %5zu %8.2f %8.2f %8.2f %11.2f %9.2f\n", patterns[pattern].name, size,
	       median(ns[LIST]), median(ns[MALLOC]), median(ns[UDRV]),
	       median_ratio(ns[UDRV], ns[MALLOC]), median_ratio(ns[UDRV], ns[LIST]));
	(void)fflush(stdout);
}

static unsigned int number(const char *text, unsigned long max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (!*text || *end || !n || n > max) {
		(void)fprintf(stderr, "bench_pool: %s: not a number from 1 to %lu\n", text, max);
		exit(2);
	}
	return (unsigned int)n;
}

static void loop(unsigned int n)
{
	size = 64;
	udrv_begin();
	pair_udrv(n);
	udrv_end();
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = {64, 256, 2048};

	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--loop")) {
			loop(number(argv[i + 1], 1000000000));
			return 0;
		}
		if (!strcmp(argv[i], "--rounds"))
			rounds = number(argv[i + 1], ROUNDS_MAX);
		else if (!strcmp(argv[i], "--count"))
			count = number(argv[i + 1], 1000000000);
		else
			argc = 0;
	}
	if (argc % 2 != 1) {
		(void)fprintf(stderr, "usage: bench_pool [--rounds N] [--count N]\n"
				      "       bench_pool --loop COUNT\n");
		return 2;
	}
	printf("ns per allocation and free; medians of %u rounds\n"
	       "pattern   size    bound   malloc     udrv udrv/malloc udrv/bound\n",
	       rounds);
	for (size_t p = 0; p < sizeof(patterns) / sizeof(patterns[0]); p++)
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			size = sizes[i];
			row(p);
		}
	return 0;
}

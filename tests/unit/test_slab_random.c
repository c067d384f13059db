// SPDX-License-Identifier: MIT
/*
 * Random programs on random caches, against a model that knows which objects are in use, by whom,
 * and what is written in them. Several threads run each program and hand objects to each other.
 * UDRV_SLAB_SEED repeats a run, UDRV_SLAB_PROGRAMS says how many programs it has.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/ktime.h>
#include <udrv/slab.h>

#include "mem/slab.h"

#include "support/stamp.h"
#include "support/suite.h"
#include "support/threads.h"

#define THREADS	      4
#define SEGMENTS      3	   /* of a program; in between its threads end, and all is counted */
#define MINE	      1000 /* objects that a thread has at most */
#define PLACES	      300  /* where objects are handed over */
#define BULK	      600
#define SIZE_MAX_HERE 200000u
#define BYTES	      (32u << 20)
#define CONSTRUCTED   UINT64_C(0x7e57ab1e00c0ffee) /* even */

#if defined(__SANITIZE_ADDRESS__)
#define PROGRAMS 40
#define CALLS	 2000
#elif HANDLERS_RUN_AT_ONCE
#define PROGRAMS 80
#define CALLS	 5000
#else
#define PROGRAMS 20
#define CALLS	 600
#endif

#define MUST(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond))                                                                       \
			failed(__LINE__, #cond);                                                   \
	} while (0)

struct object {
	void *p;
	uint64_t value; /* of its stamp */
};

/* The program under way. */
static struct {
	uint64_t seed;
	unsigned int number;
	struct udrv_kmem_cache *cache;
	size_t size;
	size_t align;
	unsigned int flags;
	bool constructs;
	size_t limit;  /* or 0 */
	uint64_t live; /* counted where there is a limit */
	unsigned int threads;
	bool shrinks;
} prog;

struct player {
	uint64_t random;
	uint64_t serial; /* of stamps */
	uint64_t objects;
	uint64_t slabs; /* that there were */
	unsigned int count;
	unsigned int max;
	struct object mine[MINE];
	void *many[BULK];
};

struct place {
	char lock;
	struct object object;
};

static struct player players[THREADS];
static struct place places[PLACES];
static uint64_t made;
static uint64_t ended;

static _Noreturn void failed(int line, const char *what)
{
	ck_abort_msg("line %d: %s; UDRV_SLAB_SEED=%llu, program %u: size %zu align %zu flags %#x "
		     "ctor %d limit %zu, %u threads",
		     line, what, (unsigned long long)prog.seed, prog.number, prog.size, prog.align,
		     prog.flags, prog.constructs, prog.limit, prog.threads);
	abort();
}

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

static uint32_t pick(struct player *me, uint32_t below)
{
	return (uint32_t)(next_random(&me->random) % below);
}

static void construct(void *obj)
{
	stamp(obj, prog.size, CONSTRUCTED);
	inc(made);
}

/* Nobody has it, and nobody wrote to it since its last user or its constructor. */
static void must_be_free(const void *obj)
{
	uint64_t value = stamp_of(obj, prog.size);

	MUST(!(value & STAMP_LIVE));
	MUST(has_stamp(obj, prog.size, value));
	MUST(!prog.constructs || prog.size < 8 || value);
}

static void destruct(void *obj)
{
	must_be_free(obj);
	inc(ended);
}

static void must_be_zeroed(const void *obj)
{
	static const char zeroes[SIZE_MAX_HERE];

	MUST(!memcmp(obj, zeroes, prog.size));
}

static void count_live(uint64_t n)
{
	if (prog.limit)
		MUST(__atomic_add_fetch(&prog.live, n, __ATOMIC_SEQ_CST) <= prog.limit);
}

/* An object is the player's from now on. */
static void own(struct player *me, void *p)
{
	struct object *o = &me->mine[me->count++];

	MUST((uintptr_t)p % prog.align == 0);
	o->p = p;
	o->value = (uint64_t)(me - players + 1) << 56 | ++me->serial << 1 | STAMP_LIVE;
	stamp(p, prog.size, o->value);
	me->objects++;
}

/* It is as the player left it, and will be as a free one is. */
static void disown(struct player *me, struct object *o)
{
	MUST(has_stamp(o->p, prog.size, o->value));
	stamp(o->p, prog.size,
	      prog.constructs && pick(me, 4) ? CONSTRUCTED : o->value & ~(uint64_t)STAMP_LIVE);
	if (prog.limit)
		__atomic_sub_fetch(&prog.live, 1, __ATOMIC_SEQ_CST);
}

static udrv_gfp_t pick_gfp(struct player *me)
{
	return pick(me, 3) ? UDRV_GFP_KERNEL : UDRV_GFP_ATOMIC;
}

/* n objects were not to be had. */
static void must_be_at_limit(udrv_gfp_t gfp, size_t n)
{
	if (gfp & UDRV_GFP_ATOMIC)
		return;
	MUST(prog.limit);
	MUST(prog.threads > 1 || prog.live + n > prog.limit);
}

static void alloc_one(struct player *me)
{
	udrv_gfp_t gfp = pick_gfp(me);
	bool zeroed = !pick(me, 4);
	void *p;

	if (me->count == me->max)
		return;
	p = zeroed ? udrv_kmem_cache_zalloc(prog.cache, gfp)
		   : udrv_kmem_cache_alloc(prog.cache, gfp);
	if (zeroed && prog.constructs) {
		MUST(!p);
		return;
	}
	if (!p) {
		must_be_at_limit(gfp, 1);
		return;
	}
	if (zeroed)
		must_be_zeroed(p);
	else
		must_be_free(p);
	count_live(1);
	own(me, p);
}

static void alloc_many(struct player *me)
{
	udrv_gfp_t gfp = pick_gfp(me);
	uint32_t room = me->max - me->count;
	uint32_t n = room ? pick(me, room < BULK ? room : BULK) + 1 : 0;
	int got = udrv_kmem_cache_alloc_bulk(prog.cache, gfp, n, me->many);

	if (!got && n)
		must_be_at_limit(gfp, n);
	MUST(!got || got == (int)n);
	for (int i = 0; i < got; i++)
		must_be_free(me->many[i]);
	count_live((uint64_t)got);
	for (int i = 0; i < got; i++)
		own(me, me->many[i]);
}

static void free_one(struct player *me)
{
	struct object *o;

	if (!me->count)
		return;
	o = &me->mine[pick(me, me->count)];
	disown(me, o);
	udrv_kmem_cache_free(prog.cache, o->p);
	*o = me->mine[--me->count];
}

static void free_many(struct player *me)
{
	uint32_t n = pick(me, BULK + 1);

	if (n > me->count)
		n = me->count;
	for (uint32_t i = 0; i < n; i++) {
		disown(me, &me->mine[--me->count]);
		me->many[i] = me->mine[me->count].p;
	}
	udrv_kmem_cache_free_bulk(prog.cache, n, me->many);
}

/* With whatever is there. */
static void hand_over(struct player *me)
{
	struct place *place = &places[pick(me, PLACES)];
	struct object give = {0};

	if (me->count && (me->count == me->max || pick(me, 8)))
		give = me->mine[--me->count];
	while (__atomic_test_and_set(&place->lock, __ATOMIC_ACQUIRE))
		sched_yield();
	struct object had = place->object;
	place->object = give;
	__atomic_clear(&place->lock, __ATOMIC_RELEASE);
	if (had.p)
		me->mine[me->count++] = had;
}

static void fill_up(struct player *me)
{
	while (me->count < me->max) {
		unsigned int before = me->count;

		alloc_one(me);
		if (me->count == before && !pick(me, 8))
			break;
	}
}

static void look(struct player *me)
{
	struct udrv_kmem_cache_stats stats;

	udrv_kmem_cache_get_stats(prog.cache, &stats);
	MUST(!prog.limit || stats.total <= prog.limit);
	MUST(stats.magazine <= MAGAZINE_MAX);
	MUST(!(prog.flags & UDRV_SLAB_NO_REAP) || prog.shrinks || stats.slabs >= me->slabs);
	me->slabs = stats.slabs;
}

static void act(struct player *me)
{
	uint32_t what = pick(me, 1000);

	if (what < 400) {
		alloc_one(me);
	} else if (what < 440) {
		alloc_many(me);
	} else if (what < 800) {
		free_one(me);
	} else if (what < 840) {
		free_many(me);
	} else if (what < 980) {
		hand_over(me);
	} else if (what < 984) {
		fill_up(me);
	} else if (what < 998) {
		look(me);
	} else if (prog.shrinks) {
		(void)udrv_kmem_cache_shrink(prog.cache);
	}
}

static void *play(void *arg)
{
	for (int i = 0; i < CALLS; i++)
		act(arg);
	return NULL;
}

static int by_address(const void *a, const void *b)
{
	const char *p = ((const struct object *)a)->p;
	const char *q = ((const struct object *)b)->p;

	return p < q ? -1 : p > q;
}

/* What the model has. */
static size_t collect(struct object *all)
{
	size_t n = 0;

	for (unsigned int i = 0; i < THREADS; i++) {
		memcpy(all + n, players[i].mine, players[i].count * sizeof(*all));
		n += players[i].count;
	}
	for (int i = 0; i < PLACES; i++)
		if (places[i].object.p)
			all[n++] = places[i].object;
	qsort(all, n, sizeof(*all), by_address);
	return n;
}

static struct object all[THREADS * MINE + PLACES];

/*
 * As many as were constructed and not destructed are there. The reaper may be between destructing
 * them and counting: at a moment when it is not, they are equal.
 */
static bool are_counted(struct udrv_kmem_cache_stats *stats)
{
	const udrv_ktime_t end = udrv_ktime_get() + 10 * UDRV_NSEC_PER_SEC;
	size_t there;

	do {
		udrv_kmem_cache_get_stats(prog.cache, stats);
		there = __atomic_load_n(&made, __ATOMIC_ACQUIRE) -
			__atomic_load_n(&ended, __ATOMIC_ACQUIRE);
		if (there == stats->total)
			return true;
		sched_yield();
	} while (udrv_ktime_get() < end);
	return false;
}

/* No thread is at it: all agrees. How many objects are in use. */
static size_t check_all(void)
{
	struct udrv_kmem_cache_stats stats;
	size_t n = collect(all);

	for (size_t i = 0; i < n; i++) {
		MUST(has_stamp(all[i].p, prog.size, all[i].value));
		MUST(!i || (char *)all[i].p - (char *)all[i - 1].p >= (ptrdiff_t)prog.size);
	}
	udrv_kmem_cache_get_stats(prog.cache, &stats);
	MUST(stats.active == n);
	MUST(stats.allocations - stats.frees == n);
	MUST(stats.total >= n);
	MUST(stats.total <= stats.slabs * stats.objects_per_slab);
	MUST(stats.total * prog.size <= stats.memory);
	MUST(!prog.limit || stats.total <= prog.limit);
	MUST(!prog.limit || prog.live == n);
	MUST(!prog.constructs || are_counted(&stats));
	return n;
}

/* Linux calculate_alignment(). */
static size_t least_align(size_t size, size_t align, unsigned int flags)
{
	size_t line = CACHE_LINE;

	while (size <= line / 2)
		line /= 2;
	if (!(flags & UDRV_SLAB_HWCACHE_ALIGN))
		line = 8;
	if (line < 8)
		line = 8;
	return align > line ? align : line;
}

static void choose(uint64_t *random)
{
	static const size_t most[] = {256, 256, 256, 8192, 8192, SIZE_MAX_HERE};
	size_t align = next_random(random) % 3 ? 0 : (size_t)1 << next_random(random) % 13;

	prog.size = 1 + next_random(random) % most[next_random(random) % 6];
	prog.flags = (unsigned int)next_random(random) %
		     (1 + (UDRV_SLAB_HWCACHE_ALIGN | UDRV_SLAB_NO_REAP));
	prog.align = least_align(prog.size, align, prog.flags);
	prog.constructs = next_random(random) % 3 == 0;
	prog.limit = next_random(random) % 4 ? 0 : 1 + next_random(random) % 2000;
	prog.threads = 1 + (unsigned int)(next_random(random) % THREADS);
	prog.shrinks = next_random(random) % 2;
	prog.live = 0;
	made = ended = 0;
	set(udrv__slab_reap_period_ns, next_random(random) % 2 ? 0 : UINT64_C(2000000000));
	prog.cache = udrv_kmem_cache_create(NULL, "random", prog.size, align, prog.flags,
					    prog.constructs ? construct : NULL,
					    prog.constructs ? destruct : NULL);
	MUST(prog.cache);
	MUST(!prog.limit || !udrv_kmem_cache_set_limit(prog.cache, prog.limit));
}

static void deal(uint64_t *random)
{
	size_t max = BYTES / (prog.size + prog.align) / prog.threads;

	memset(places, 0, sizeof(places));
	for (unsigned int i = 0; i < THREADS; i++) {
		players[i].random = next_random(random);
		players[i].count = 0;
		players[i].slabs = 0;
		players[i].max = max < 4 ? 4 : max < MINE - 1 ? (unsigned int)max : MINE - 1;
	}
}

static void give_all_back(void)
{
	size_t n = collect(all);

	for (size_t i = 0; i < n; i++) {
		disown(&players[0], &all[i]);
		udrv_kmem_cache_free(prog.cache, all[i].p);
	}
}

static void run_segment(uint64_t *slabs)
{
	struct udrv_kmem_cache_stats stats;
	pthread_t threads[THREADS];

	for (unsigned int i = 0; i < prog.threads; i++)
		threads[i] = start(play, &players[i]);
	for (unsigned int i = 0; i < prog.threads; i++)
		finish(threads[i]);
	(void)check_all();
	udrv_kmem_cache_get_stats(prog.cache, &stats);
	if (prog.flags & UDRV_SLAB_NO_REAP && !prog.shrinks)
		MUST(stats.slabs >= *slabs);
	*slabs = stats.slabs;
}

static void run_program(uint64_t *random)
{
	uint64_t slabs = 0;

	choose(random);
	deal(random);
	for (int i = 0; i < SEGMENTS; i++)
		run_segment(&slabs);
	if (check_all()) {
		MUST(udrv_kmem_cache_destroy(prog.cache) == -EBUSY);
		(void)check_all();
		give_all_back();
	}
	MUST(!udrv_kmem_cache_destroy(prog.cache));
	MUST(made == ended);
}

static uint64_t number(const char *name, uint64_t usual)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : usual;
}

START_TEST(random_programs_agree_with_the_model)
{
	uint64_t seed = number("UDRV_SLAB_SEED", (uint64_t)now_ms());
	uint64_t programs = number("UDRV_SLAB_PROGRAMS", PROGRAMS);
	uint64_t random = seed;
	uint64_t calls = 0;
	uint64_t objects = 0;
	int64_t began = now_ms();

	prog.seed = seed;
	for (prog.number = 0; prog.number < programs; prog.number++) {
		run_program(&random);
		calls += (uint64_t)prog.threads * SEGMENTS * CALLS;
	}
	for (int i = 0; i < THREADS; i++)
		objects += players[i].objects;
	printf("seed %llu: %llu programs, %llu calls, %llu objects allocated and freed, %lld ms\n",
	       (unsigned long long)seed, (unsigned long long)programs, (unsigned long long)calls,
	       (unsigned long long)objects, (long long)(now_ms() - began));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("slab_random");
	TCase *tc = tcase_create("random");

	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, random_programs_agree_with_the_model);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

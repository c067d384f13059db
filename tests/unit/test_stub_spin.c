// SPDX-License-Identifier: MIT
/*
 * Waiting by the counts of the hard handler: no system call, nothing lost, and no run of the chain
 * for what is left in the eventfd. A device that has one interrupt at a time: its next one comes
 * when the handler took the one before.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <udrv/barrier.h>
#include <udrv/device.h>
#include <udrv/irq.h>
#include <udrv/pci.h>

#include "irq/irq.h"

#include "support/fake_machine.h"
#include "support/fault.h"
#include "support/suite.h"

#define NAME	"0000:00:05.0"
#define VECTORS 3
#define WAIT_MS 60000
#define MSIX	UDRV_STUB_MSIX

/* Of one vector. */
struct source {
	uint32_t nr;
	uint32_t asserted; /* atomic */
	uint64_t handled;  /* atomic: runs that found something */
	uint64_t idle;	   /* atomic: runs that did not */
	uint32_t taken;	   /* the vector's, as the worker saw it in its last run; atomic */
};

static struct udrv_device *dev;
static struct source sources[VECTORS];

static udrv_irqreturn_t handler(int irq, void *ctx)
{
	struct source *s = ctx;
	uint32_t was = __atomic_load_n(&s->asserted, __ATOMIC_SEQ_CST);

	ck_assert_int_eq(irq, (int)s->nr);
	__atomic_store_n(&s->taken, udrv__vector_get(dev, irq)->taken, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(was ? &s->handled : &s->idle, 1, __ATOMIC_SEQ_CST);
	/* Counted before: whoever sees it taken may look at the counts. */
	if (was)
		__atomic_store_n(&s->asserted, 0, __ATOMIC_SEQ_CST);
	return was ? UDRV_IRQ_HANDLED : UDRV_IRQ_NONE;
}

static void setup(void)
{
	fake_stub_machine_make(NAME);
	memset(sources, 0, sizeof(sources));
	ck_assert_int_eq(udrv_device_open(NAME, NULL, &dev), 0);
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, VECTORS, VECTORS, UDRV_PCI_IRQ_MSIX),
			 VECTORS);
}

static void teardown(void)
{
	udrv_device_close(dev);
	fake_stub_machine_remove();
}

static int set_wait(uint32_t nr, enum udrv_wait wait)
{
	struct udrv_irq_options options = {.wait = wait, .cpu = UDRV_CPU_ANY};

	return udrv_irq_set_options(dev, (int)nr, &options);
}

static void request(uint32_t nr, enum udrv_wait wait)
{
	struct source *s = &sources[nr];

	s->nr = nr;
	ck_assert_int_eq(set_wait(nr, wait), 0);
	ck_assert_int_eq(udrv_request_irq(dev, (int)nr, handler, 0, "test", s), 0);
}

static uint64_t handled(const struct source *s)
{
	return __atomic_load_n(&s->handled, __ATOMIC_SEQ_CST);
}

static uint64_t idle(const struct source *s)
{
	return __atomic_load_n(&s->idle, __ATOMIC_SEQ_CST);
}

/* Not by an order, for which the worker would look. false after a while: it was lost. */
static bool is_taken(const struct source *s)
{
	struct timespec now;
	time_t end;

	clock_gettime(CLOCK_MONOTONIC, &now);
	end = now.tv_sec + WAIT_MS / 1000;
	while (__atomic_load_n(&s->asserted, __ATOMIC_SEQ_CST)) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > end)
			return false;
		sched_yield();
	}
	return true;
}

static void raise_and_wait(uint32_t nr)
{
	__atomic_store_n(&sources[nr].asserted, 1, __ATOMIC_SEQ_CST);
	fake_stub_raise(MSIX, nr, 0);
	ck_assert(is_taken(&sources[nr]));
}

static void count_and_wait(uint32_t nr)
{
	__atomic_store_n(&sources[nr].asserted, 1, __ATOMIC_SEQ_CST);
	fake_stub_count(nr, 0);
	ck_assert(is_taken(&sources[nr]));
}

/* So the eventfd, for which there would be a system call, is not what it looks at. */
START_TEST(spins_on_the_count_alone)
{
	request(0, UDRV_WAIT_SPIN);
	for (int i = 0; i < 100; i++)
		count_and_wait(0);
	for (int i = 0; i < 100; i++)
		fake_stub_signal(MSIX, 0);
	ck_assert_int_eq(udrv_synchronize_irq(dev, 0), 0);
	ck_assert_uint_eq(handled(&sources[0]), 100);
	ck_assert_uint_eq(idle(&sources[0]), 0);
}
END_TEST

START_TEST(spins_on_the_counts_of_many)
{
	for (uint32_t i = 0; i < VECTORS; i++)
		request(i, UDRV_WAIT_SPIN);
	for (int i = 1; i < VECTORS; i++)
		ck_assert_int_eq(udrv_irq_share(dev, i, dev, 0), 0);
	ck_assert_ptr_eq(udrv__vector_get(dev, 2)->worker->ops, &udrv__wait_count);
	for (int i = 0; i < 300; i++)
		count_and_wait((uint32_t)(i % VECTORS));
	for (uint32_t i = 0; i < VECTORS; i++) {
		ck_assert_uint_eq(handled(&sources[i]), 100);
		ck_assert_uint_eq(idle(&sources[i]), 0);
		for (int n = 0; n < 100; n++)
			fake_stub_signal(MSIX, i);
	}
}
END_TEST

/* A worker with a vector that nobody counts looks at all by the ring. */
START_TEST(what_is_not_counted_is_not_lost_beside_what_is)
{
	udrv__vector_get(dev, 1)->counts = NULL;
	request(0, UDRV_WAIT_SPIN);
	request(1, UDRV_WAIT_SPIN);
	raise_and_wait(0);
	ck_assert_int_eq(udrv_irq_share(dev, 1, dev, 0), 0);
	for (int i = 0; i < 50; i++) {
		raise_and_wait(0);
		raise_and_wait(1);
	}
	ck_assert_int_eq(udrv_free_irq(dev, 1, &sources[1]), 0);
	raise_and_wait(0);
	ck_assert_int_eq(set_wait(0, UDRV_WAIT_ADAPTIVE), 0);
	ck_assert_ptr_eq(udrv__vector_get(dev, 0)->worker->ops, &udrv__wait_count_read);
	raise_and_wait(0);
}
END_TEST

/* Nobody saw what the one it was lent to read. */
START_TEST(what_came_while_it_was_lent_does_not_run_the_chain)
{
	int fd = udrv_request_irq_fd(dev, 0, "lent", &sources);
	uint64_t signals;

	ck_assert_int_ge(fd, 0);
	for (int i = 0; i < 10; i++) {
		fake_stub_raise(MSIX, 0, 0);
		ck_assert_int_eq(read(fd, &signals, sizeof(signals)), sizeof(signals));
	}
	fake_stub_raise(MSIX, 0, 0);
	ck_assert_int_eq(udrv_free_irq(dev, 0, &sources), 0);
	request(0, UDRV_WAIT_SPIN);
	ck_assert_int_eq(udrv_synchronize_irq(dev, 0), 0);
	ck_assert_uint_eq(idle(&sources[0]), 0);
	raise_and_wait(0);
	/* Nor are signals waited for that were read already. */
	ck_assert_int_eq(set_wait(0, UDRV_WAIT_READ), 0);
	raise_and_wait(0);
	ck_assert_int_eq(udrv_synchronize_irq(dev, 0), 0);
	ck_assert_uint_eq(__atomic_load_n(&sources[0].taken, __ATOMIC_SEQ_CST), 13);
	ck_assert_uint_eq(handled(&sources[0]), 2);
	ck_assert_uint_eq(idle(&sources[0]), 0);
}
END_TEST

static const enum udrv_wait reading[] = {UDRV_WAIT_READ, UDRV_WAIT_URING_READ, UDRV_WAIT_SPIN,
					 UDRV_WAIT_ADAPTIVE};
#define READING (sizeof(reading) / sizeof(reading[0]))

/* From each of those to each: what was handled is not handled again, what comes is. */
START_TEST(nothing_left_over_runs_the_chain)
{
	const enum udrv_wait from = reading[(size_t)_i / READING];
	const enum udrv_wait to = reading[(size_t)_i % READING];

	request(0, from);
	for (int n = 0; n < 20; n++) {
		for (int i = 0; i < 5; i++)
			raise_and_wait(0);
		ck_assert_int_eq(set_wait(0, n % 2 ? from : to), 0);
		ck_assert_int_eq(udrv_synchronize_irq(dev, 0), 0);
	}
	ck_assert_uint_eq(handled(&sources[0]), 100);
	ck_assert_uint_eq(idle(&sources[0]), 0);
}
END_TEST

/* By whoever serves it next; the one before that had some signals pending as well. */
START_TEST(what_spinning_left_is_no_greeting_for_the_next_handler)
{
	request(0, UDRV_WAIT_SPIN);
	for (int i = 0; i < 5; i++)
		raise_and_wait(0);
	ck_assert_int_eq(udrv_free_irq(dev, 0, &sources[0]), 0);
	request(0, UDRV_WAIT_ADAPTIVE);
	raise_and_wait(0);
	ck_assert_int_eq(udrv_free_irq(dev, 0, &sources[0]), 0);
	request(0, UDRV_WAIT_SPIN);
	ck_assert_int_eq(udrv_synchronize_irq(dev, 0), 0);
	ck_assert_uint_eq(handled(&sources[0]), 6);
	ck_assert_uint_eq(idle(&sources[0]), 0);
}
END_TEST

static pthread_barrier_t both;

/*
 * Whoever signals what was counted may lose its CPU in between, for longer than the worker waits
 * for it; then it comes as one that nobody counted. Not in tests that count such runs.
 */
static void be_patient(void)
{
	udrv__catch_up_ms = WAIT_MS;
}

static void *signal_late(void *arg)
{
	(void)pthread_barrier_wait(&both);
	fake_stub_signal(MSIX, 0);
	return arg;
}

/* Counted, and handled, but the hard handler has yet to signal when the way to wait changes. */
START_TEST(a_signal_that_is_on_its_way_is_waited_for)
{
	static const enum udrv_wait waits[] = {UDRV_WAIT_SPIN, UDRV_WAIT_ADAPTIVE};
	pthread_t late;

	be_patient();
	request(0, UDRV_WAIT_READ);
	ck_assert_int_eq(pthread_barrier_init(&both, NULL, 2), 0);
	for (unsigned int n = 0; n < 200; n++) {
		/* adaptive: it sees the count when it looks anyway. */
		ck_assert_int_eq(set_wait(0, waits[n % 2]), 0);
		__atomic_store_n(&sources[0].asserted, 1, __ATOMIC_SEQ_CST);
		fake_stub_count(0, 0);
		ck_assert_int_eq(udrv_synchronize_irq(dev, 0), 0);
		ck_assert_uint_eq(handled(&sources[0]), n + 1);
		ck_assert_int_eq(pthread_create(&late, NULL, signal_late, NULL), 0);
		(void)pthread_barrier_wait(&both);
		ck_assert_int_eq(set_wait(0, UDRV_WAIT_READ), 0);
		ck_assert_int_eq(pthread_join(late, NULL), 0);
		ck_assert_int_eq(udrv_synchronize_irq(dev, 0), 0);
	}
	ck_assert_uint_eq(idle(&sources[0]), 0);
	ck_assert_int_eq(pthread_barrier_destroy(&both), 0);
}
END_TEST

/* So it is when the change is to spinning: counted, and not handled by anybody. */
START_TEST(a_count_whose_signal_is_on_its_way_is_not_lost)
{
	request(0, UDRV_WAIT_READ);
	for (uint64_t n = 1; n <= 50; n++) {
		__atomic_store_n(&sources[0].asserted, 1, __ATOMIC_SEQ_CST);
		fake_stub_count(0, 0);
		ck_assert_int_eq(set_wait(0, UDRV_WAIT_SPIN), 0);
		ck_assert(is_taken(&sources[0]));
		fake_stub_signal(MSIX, 0);
		ck_assert_int_eq(set_wait(0, UDRV_WAIT_READ), 0);
		ck_assert_int_eq(udrv_synchronize_irq(dev, 0), 0);
		ck_assert_uint_eq(handled(&sources[0]), n);
	}
	ck_assert_uint_eq(idle(&sources[0]), 0);
}
END_TEST

/* Nobody was there to take the signal. It is not spun for: a first wait blocks at once. */
START_TEST(what_came_before_the_request_is_taken)
{
	static const enum udrv_wait waits[] = {UDRV_WAIT_ADAPTIVE, UDRV_WAIT_SPIN};

	for (int n = 0; n < 50; n++) {
		__atomic_store_n(&sources[0].asserted, 1, __ATOMIC_SEQ_CST);
		fake_stub_raise(MSIX, 0, 0);
		request(0, waits[_i]);
		ck_assert(is_taken(&sources[0]));
		ck_assert_int_eq(udrv_free_irq(dev, 0, &sources[0]), 0);
	}
	ck_assert_uint_eq(idle(&sources[0]), 0);
}
END_TEST

#define TURNS  600
#define LATEST 60

/* Raise once a turn, at the moment in which the other does something else. */
static void *raise_in_turns(void *arg)
{
	const struct source *s = arg;

	for (int n = 0; n < TURNS; n++) {
		(void)pthread_barrier_wait(&both);
		/* Each turn a little later: some are in the middle of it. */
		for (int i = 0; i < n % LATEST * 50; i++)
			udrv_cpu_relax();
		fake_stub_raise(MSIX, s->nr, 0);
	}
	return NULL;
}

static void begin_turn(struct source *s)
{
	__atomic_store_n(&s->asserted, 1, __ATOMIC_SEQ_CST);
	(void)pthread_barrier_wait(&both);
}

static void start_turns(pthread_t *thread, struct source *s)
{
	be_patient();
	ck_assert_int_eq(pthread_barrier_init(&both, NULL, 2), 0);
	ck_assert_int_eq(pthread_create(thread, NULL, raise_in_turns, s), 0);
}

static void end_turns(pthread_t thread, const struct source *s)
{
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(pthread_barrier_destroy(&both), 0);
	ck_assert_int_eq(udrv_synchronize_irq(dev, (int)s->nr), 0);
	ck_assert_uint_eq(handled(s), TURNS);
	ck_assert_uint_eq(idle(s), 0);
}

/* No further change that would look again. */
START_TEST(what_comes_during_one_change_is_taken_without_another)
{
	pthread_t thread;

	request(0, UDRV_WAIT_READ);
	start_turns(&thread, &sources[0]);
	for (int n = 0; n < TURNS; n++) {
		begin_turn(&sources[0]);
		ck_assert_int_eq(set_wait(0, n % 2 ? UDRV_WAIT_READ : UDRV_WAIT_ADAPTIVE), 0);
		ck_assert(is_taken(&sources[0]));
	}
	end_turns(thread, &sources[0]);
}
END_TEST

static void share_all_with_the_first(void)
{
	for (int i = 1; i < VECTORS; i++)
		ck_assert_int_eq(udrv_irq_share(dev, i, dev, 0), 0);
	ck_assert_ptr_nonnull(udrv__vector_get(dev, 0)->worker->ops->bell);
}

/* The end of one's poll may report the other's signal. */
START_TEST(what_comes_while_another_of_the_worker_is_freed_is_taken)
{
	pthread_t thread;

	for (uint32_t i = 0; i < VECTORS; i++)
		request(i, UDRV_WAIT_ADAPTIVE);
	share_all_with_the_first();
	start_turns(&thread, &sources[1]);
	for (int n = 0; n < TURNS; n++) {
		begin_turn(&sources[1]);
		ck_assert_int_eq(udrv_free_irq(dev, 2, &sources[2]), 0);
		ck_assert(is_taken(&sources[1]));
		request(2, UDRV_WAIT_ADAPTIVE);
		share_all_with_the_first();
	}
	end_turns(thread, &sources[1]);
}
END_TEST

/* UDRV_STRESS=10000000 for the long run. */
static uint64_t stress_count(void)
{
	const char *text = getenv("UDRV_STRESS");

	return text ? strtoull(text, NULL, 10) : 3000;
}

static uint32_t working; /* atomic: threads that raise */

static void *raise_all(void *arg)
{
	struct source *s = arg;

	for (uint64_t n = 0; n < stress_count(); n++)
		raise_and_wait(s->nr);
	__atomic_sub_fetch(&working, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void start_raising(pthread_t *threads, uint32_t count)
{
	__atomic_store_n(&working, count, __ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < count; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, raise_all, &sources[i]), 0);
}

static void end_raising(const pthread_t *threads, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
		ck_assert_int_eq(udrv_synchronize_irq(dev, (int)i), 0);
		ck_assert_uint_eq(handled(&sources[i]), stress_count());
	}
}

static unsigned int next_random(void)
{
	static uint64_t state = 88172645463325252u;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned int)(state >> 33);
}

START_TEST(changes_under_load_lose_nothing_and_run_nothing_twice)
{
	pthread_t thread;

	be_patient();
	request(0, UDRV_WAIT_SPIN);
	start_raising(&thread, 1);
	while (__atomic_load_n(&working, __ATOMIC_SEQ_CST))
		ck_assert_int_eq(set_wait(0, reading[next_random() % READING]), 0);
	end_raising(&thread, 1);
	ck_assert_uint_eq(idle(&sources[0]), 0);
}
END_TEST

/* What does not read the eventfd leaves it standing: one run more for each change. */
START_TEST(all_changes_under_load_lose_nothing)
{
	pthread_t threads[VECTORS];
	uint64_t changes = 0;
	uint64_t more = 0;

	for (uint32_t i = 0; i < VECTORS; i++)
		request(i, UDRV_WAIT_SPIN);
	start_raising(threads, VECTORS);
	while (__atomic_load_n(&working, __ATOMIC_SEQ_CST)) {
		uint32_t nr = next_random() % VECTORS;
		int ret = next_random() % 4 ? set_wait(nr, next_random() % UDRV_WAIT_COUNT)
					    : udrv_irq_share(dev, (int)nr, dev,
							     (int)(next_random() % VECTORS));

		/* Ways to wait that are for one vector. */
		ck_assert_msg(!ret || ret == -EINVAL, "%s", strerror(-ret));
		changes++;
	}
	end_raising(threads, VECTORS);
	for (uint32_t i = 0; i < VECTORS; i++)
		more += idle(&sources[i]);
	ck_assert_uint_le(more, changes * VECTORS);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("stub_spin");
	TCase *tc = tcase_create("spin");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, spins_on_the_count_alone);
	tcase_add_test(tc, spins_on_the_counts_of_many);
	tcase_add_test(tc, what_is_not_counted_is_not_lost_beside_what_is);
	tcase_add_test(tc, what_came_while_it_was_lent_does_not_run_the_chain);
	tcase_add_loop_test(tc, nothing_left_over_runs_the_chain, 0, READING * READING);
	tcase_add_test(tc, what_spinning_left_is_no_greeting_for_the_next_handler);
	tcase_add_test(tc, a_signal_that_is_on_its_way_is_waited_for);
	tcase_add_test(tc, a_count_whose_signal_is_on_its_way_is_not_lost);
	tcase_add_loop_test(tc, what_came_before_the_request_is_taken, 0, 2);
	tcase_add_test(tc, what_comes_during_one_change_is_taken_without_another);
	tcase_add_test(tc, what_comes_while_another_of_the_worker_is_freed_is_taken);
	tcase_add_test(tc, changes_under_load_lose_nothing_and_run_nothing_twice);
	tcase_add_test(tc, all_changes_under_load_lose_nothing);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

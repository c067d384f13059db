// SPDX-License-Identifier: MIT
/*
 * The interrupt runtime on the model's edu: chains, threads, and requesting and freeing while
 * interrupts arrive. The stress tests are meant for the thread sanitizer as well.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include <udrv/completion.h>
#include <udrv/device.h>
#include <udrv/io.h>
#include <udrv/irq.h>
#include <udrv/pci.h>

#include "irq/irq.h"
#include "pci/device.h"

#include "support/fault.h"
#include "support/suite.h"
#include "support/wait_for.h"

#define IRQ_STATUS 0x24
#define IRQ_RAISE  0x60
#define IRQ_ACK	   0x64
#define WAIT_MS	   60000
#define ROUNDS	   150

static struct udrv_device *dev;
static uint8_t __udrv_iomem *regs;

static void open_with(unsigned int type)
{
	fault_log_clear();
	ck_assert_int_eq(udrv_device_open("model:edu", NULL, &dev), 0);
	ck_assert_int_eq(udrv_pci_enable_device(dev), 0);
	ck_assert_int_eq(udrv_pci_set_master(dev), 0);
	regs = udrv_pci_iomap(dev, 0, 0);
	ck_assert_ptr_nonnull((void *)regs);
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 1, type), 1);
}

static void setup_msi(void)
{
	open_with(UDRV_PCI_IRQ_MSI);
}

static void setup_intx(void)
{
	open_with(UDRV_PCI_IRQ_INTX);
}

static void teardown(void)
{
	udrv_device_close(dev);
}

static void raise_irq(void)
{
	udrv_iowrite32(1, regs + IRQ_RAISE);
}

static void choose(enum udrv_wait wait)
{
	struct udrv_irq_options options = {.wait = wait, .cpu = -1};

	ck_assert_int_eq(udrv_irq_set_options(dev, 0, &options), 0);
}

/* A driver's side of an interrupt, on one of several drivers that share the line. */
struct user {
	struct udrv_completion done;
	udrv_irqreturn_t answer;
	atomic_bool alive; /* between request and free */
	atomic_bool held;  /* its handler does not return */
	atomic_int calls;
	atomic_int thread_calls;
	atomic_int strays; /* calls while not alive: must stay 0 */
};

static void init_user(struct user *u, udrv_irqreturn_t answer)
{
	udrv_init_completion(dev, &u->done);
	u->answer = answer;
	u->alive = true;
	u->held = false;
	u->calls = 0;
	u->thread_calls = 0;
	u->strays = 0;
}

static udrv_irqreturn_t handler(int irq, void *ctx)
{
	struct user *u = ctx;

	(void)irq;
	if (!u->alive)
		u->strays++;
	u->calls++;
	WAIT_FOR(!u->held);
	if (u->answer != UDRV_IRQ_NONE)
		udrv_iowrite32(UINT32_MAX, regs + IRQ_ACK);
	if (u->answer == UDRV_IRQ_HANDLED)
		udrv_complete(&u->done);
	return u->answer;
}

static udrv_irqreturn_t thread_fn(int irq, void *ctx)
{
	struct user *u = ctx;

	(void)irq;
	if (!u->alive)
		u->strays++;
	u->thread_calls++;
	udrv_complete(&u->done);
	return UDRV_IRQ_HANDLED;
}

static void request(struct user *u)
{
	ck_assert_int_eq(
		udrv_request_threaded_irq(dev, 0, handler, thread_fn, UDRV_IRQF_SHARED, "test", u),
		0);
}

static void release(struct user *u)
{
	ck_assert_int_eq(udrv_free_irq(dev, 0, u), 0);
	u->alive = false;
}

START_TEST(thread_function_only_when_asked_for)
{
	struct user thread;
	struct user plain;

	init_user(&thread, UDRV_IRQ_WAKE_THREAD);
	init_user(&plain, UDRV_IRQ_HANDLED);
	request(&thread);
	request(&plain);
	raise_irq();
	ck_assert_int_gt(udrv_wait_for_completion_timeout(&thread.done, WAIT_MS), 0);
	udrv_synchronize_irq(dev, 0);
	ck_assert_int_eq(thread.thread_calls, 1);
	ck_assert_int_eq(plain.thread_calls, 0);
	ck_assert_int_eq(plain.calls, 1);
	release(&thread);
	release(&plain);
}
END_TEST

static bool is_on_chain(int irq, const struct user *u)
{
	const struct udrv__action *a =
		__atomic_load_n(&dev->irqs->vectors[irq].actions, __ATOMIC_ACQUIRE);

	while (a && a->dev_id != u)
		a = __atomic_load_n(&a->next, __ATOMIC_ACQUIRE);
	return a;
}

/* Returns when udrv_free_irq() has taken it off the chain, and waits for it. */
static udrv_irqreturn_t wake_late(int irq, void *ctx)
{
	struct user *u = ctx;

	u->calls++;
	WAIT_FOR(!is_on_chain(irq, u));
	return UDRV_IRQ_WAKE_THREAD;
}

START_TEST(a_thread_function_that_was_woken_runs_before_free_returns)
{
	struct user late;
	struct user other;

	init_user(&late, UDRV_IRQ_WAKE_THREAD);
	init_user(&other, UDRV_IRQ_HANDLED);
	ck_assert_int_eq(udrv_request_threaded_irq(dev, 0, wake_late, thread_fn, UDRV_IRQF_SHARED,
						   "late", &late),
			 0);
	if (_i)
		request(&other);
	raise_irq();
	WAIT_FOR(late.calls);
	release(&late);
	ck_assert_int_eq(late.thread_calls, 1);
	if (_i)
		release(&other);
}
END_TEST

/* The worker is in a handler, so that it cannot have carried out an order before one looks. */
START_TEST(enabling_wakes_the_worker_only_for_what_came_meanwhile)
{
	const struct udrv__vector *v = dev->irqs->vectors;
	struct user u;

	init_user(&u, UDRV_IRQ_HANDLED);
	u.held = true;
	request(&u);
	raise_irq();
	WAIT_FOR(u.calls);
	ck_assert_int_eq(udrv_disable_irq_nosync(dev, 0), 0);
	ck_assert_int_eq(udrv_enable_irq(dev, 0), 0);
	ck_assert(!__atomic_load_n(&v->resume_queued, __ATOMIC_SEQ_CST));
	u.held = false;
	ck_assert_int_eq(udrv_disable_irq(dev, 0), 0);
	raise_irq();
	WAIT_FOR(__atomic_load_n(&v->pending, __ATOMIC_SEQ_CST));
	ck_assert_int_eq(u.calls, 1);
	ck_assert_int_eq(udrv_enable_irq(dev, 0), 0);
	ck_assert_int_eq(udrv_synchronize_irq(dev, 0), 0);
	ck_assert_int_eq(u.calls, 2);
	release(&u);
}
END_TEST

START_TEST(no_handler_at_all_is_the_thread_function)
{
	struct user u;

	init_user(&u, UDRV_IRQ_NONE);
	ck_assert_int_eq(udrv_request_threaded_irq(dev, 0, NULL, thread_fn, 0, "test", &u), 0);
	raise_irq();
	ck_assert_int_gt(udrv_wait_for_completion_timeout(&u.done, WAIT_MS), 0);
	ck_assert_int_eq(u.thread_calls, 1);
	release(&u);
}
END_TEST

START_TEST(a_line_is_shared_only_if_all_agree)
{
	struct user a;
	struct user b;

	init_user(&a, UDRV_IRQ_HANDLED);
	init_user(&b, UDRV_IRQ_HANDLED);
	ck_assert_int_eq(udrv_request_irq(dev, 0, handler, 0, "first", &a), 0);
	ck_assert_int_eq(udrv_request_irq(dev, 0, handler, UDRV_IRQF_SHARED, "second", &b), -EBUSY);
	ck_assert(fault_logged("irq 0 is in use by first and not shared"));
	release(&a);
	ck_assert_int_eq(udrv_request_irq(dev, 0, handler, UDRV_IRQF_SHARED, "second", &b), 0);
	ck_assert_int_eq(udrv_request_irq(dev, 0, handler, 0, "first", &a), -EBUSY);
	release(&b);
}
END_TEST

static void *request_and_free(void *arg)
{
	struct user *u = arg;

	for (int i = 0; i < ROUNDS; i++) {
		request(u);
		release(u);
		u->alive = true;
	}
	return NULL;
}

/* As drivers of one line do at boot: one waits until the other's worker has started, or ended. */
START_TEST(two_may_request_and_free_at_once)
{
	static struct user users[2];
	pthread_t threads[2];

	for (int i = 0; i < 2; i++) {
		init_user(&users[i], UDRV_IRQ_HANDLED);
		ck_assert_int_eq(pthread_create(&threads[i], NULL, request_and_free, &users[i]), 0);
	}
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}
END_TEST

START_TEST(what_nobody_handles_is_counted)
{
	struct udrv_irq_stats stats = {0};
	struct user none;
	struct user last;

	init_user(&none, UDRV_IRQ_NONE);
	init_user(&last, UDRV_IRQ_HANDLED);
	request(&none);
	raise_irq();
	WAIT_FOR(!udrv_irq_get_stats(dev, 0, &stats) && stats.unhandled);
	request(&last);
	raise_irq();
	ck_assert_int_gt(udrv_wait_for_completion_timeout(&last.done, WAIT_MS), 0);
	release(&none);
	release(&last);
}
END_TEST

START_TEST(options_out_of_range)
{
	struct udrv_irq_options options = UDRV_IRQ_OPTIONS_DEFAULT;

	options.wait = UDRV_WAIT_COUNT;
	ck_assert_int_eq(udrv_irq_set_options(dev, 0, &options), -EINVAL);
	options.wait = UDRV_WAIT_READ;
	options.fifo_priority = 100;
	ck_assert_int_eq(udrv_irq_set_options(dev, 0, &options), -EINVAL);
	options.fifo_priority = 0;
	options.cpu = 1000000;
	ck_assert_int_eq(udrv_irq_set_options(dev, 0, &options), -EINVAL);
}
END_TEST

START_TEST(a_cpu_that_does_not_exist)
{
	struct udrv_irq_options options = {.wait = UDRV_WAIT_READ, .cpu = CPU_SETSIZE - 1};
	struct user u;

	init_user(&u, UDRV_IRQ_HANDLED);
	ck_assert_int_eq(udrv_irq_set_options(dev, 0, &options), 0);
	ck_assert_int_eq(udrv_request_irq(dev, 0, handler, 0, "test", &u), -EINVAL);
	ck_assert(fault_logged("cannot run on CPU"));
	choose(UDRV_WAIT_READ);
	request(&u);
	release(&u);
}
END_TEST

/* Raises without pause until told to stop. */
static void *raiser(void *arg)
{
	atomic_bool *stop = arg;

	while (!*stop)
		raise_irq();
	return NULL;
}

/* Each time: both hear an interrupt, and nothing after they were freed, in this order or that. */
static void come_and_go(struct user *a, struct user *b, int round)
{
	init_user(a, UDRV_IRQ_HANDLED);
	init_user(b, UDRV_IRQ_WAKE_THREAD);
	request(a);
	request(b);
	ck_assert_int_gt(udrv_wait_for_completion_timeout(&a->done, WAIT_MS), 0);
	ck_assert_int_gt(udrv_wait_for_completion_timeout(&b->done, WAIT_MS), 0);
	udrv_synchronize_irq(dev, 0);
	release(round & 1 ? a : b);
	release(round & 1 ? b : a);
}

START_TEST(come_and_go_while_interrupts_arrive)
{
	static struct user a;
	static struct user b;
	atomic_bool stop = false;
	pthread_t thread;

	choose((enum udrv_wait)_i);
	ck_assert_int_eq(pthread_create(&thread, NULL, raiser, &stop), 0);
	for (int round = 0; round < ROUNDS; round++) {
		come_and_go(&a, &b, round);
		ck_assert_int_eq(a.strays + b.strays, 0);
	}
	stop = true;
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

START_TEST(close_while_interrupts_are_pending)
{
	static struct user u;

	choose((enum udrv_wait)_i);
	init_user(&u, UDRV_IRQ_HANDLED);
	request(&u);
	for (int n = 0; n < 100; n++)
		raise_irq();
	udrv_device_close(dev);
	u.alive = false;
	setup_msi();
	ck_assert_int_eq(u.strays, 0);
}
END_TEST

START_TEST(a_waiter_is_woken_when_the_device_goes)
{
	static struct user u;

	choose((enum udrv_wait)_i);
	init_user(&u, UDRV_IRQ_HANDLED);
	request(&u);
	udrv_device_set_gone(dev);
	ck_assert_int_eq(udrv_wait_for_completion_timeout(&u.done, WAIT_MS), -ENODEV);
	release(&u);
}
END_TEST

static void add_stress(Suite *s, const char *name, void (*setup)(void))
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, come_and_go_while_interrupts_arrive, 0, UDRV_WAIT_COUNT);
	tcase_add_loop_test(tc, close_while_interrupts_are_pending, 0, UDRV_WAIT_COUNT);
	tcase_add_loop_test(tc, a_waiter_is_woken_when_the_device_goes, 0, UDRV_WAIT_COUNT);
	suite_add_tcase(s, tc);
}

int main(void)
{
	Suite *s = suite_create("irq");
	TCase *tc = tcase_create("chain");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup_msi, teardown);
	tcase_add_test(tc, thread_function_only_when_asked_for);
	tcase_add_loop_test(tc, a_thread_function_that_was_woken_runs_before_free_returns, 0, 2);
	tcase_add_test(tc, enabling_wakes_the_worker_only_for_what_came_meanwhile);
	tcase_add_test(tc, no_handler_at_all_is_the_thread_function);
	tcase_add_test(tc, a_line_is_shared_only_if_all_agree);
	tcase_add_test(tc, two_may_request_and_free_at_once);
	tcase_add_test(tc, what_nobody_handles_is_counted);
	tcase_add_test(tc, options_out_of_range);
	tcase_add_test(tc, a_cpu_that_does_not_exist);
	suite_add_tcase(s, tc);
	add_stress(s, "stress msi", setup_msi);
	add_stress(s, "stress intx", setup_intx);
	return run_suite(s);
}

// SPDX-License-Identifier: MIT
/* One worker for many vectors, of one device and of several. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "irq/irq.h"
#include "support/bells.h"
#include "support/fault.h"
#include "support/suite.h"

static const enum udrv_wait many[] = {UDRV_WAIT_EPOLL, UDRV_WAIT_URING, UDRV_WAIT_SPIN,
				      UDRV_WAIT_ADAPTIVE};
#define MANY 4

static struct udrv_device *dev;
static struct bell bells[BELLS];

static void setup(void)
{
	fault_log_clear();
	dev = bells_open("model:ivshmem", BELLS);
	for (int i = 0; i < BELLS; i++)
		bell_init(&bells[i], dev, i);
}

static void teardown(void)
{
	udrv_device_close(dev);
}

/* All vectors up to count by the worker of the first. */
static void share(unsigned int count)
{
	for (unsigned int i = 1; i < count; i++)
		ck_assert_int_eq(udrv_irq_share(dev, (int)i, dev, 0), 0);
}

static void request_all(unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		bell_request(&bells[i]);
}

static unsigned int idle_runs(unsigned int count)
{
	unsigned int sum = 0;

	for (unsigned int i = 0; i < count; i++)
		sum += bells[i].idle;
	return sum;
}

START_TEST(one_worker_serves_all)
{
	atomic_uint running = 0;

	bell_choose(&bells[0], many[_i]);
	share(BELLS);
	for (int i = 0; i < BELLS; i++)
		bells[i].running_all = &running;
	request_all(BELLS);
	bells_ring(bells, BELLS, 50);
	for (int i = 0; i < BELLS; i++) {
		ck_assert_int_eq(bells[i].tid, bells[0].tid);
		ck_assert_uint_eq(bells[i].arrived, 50);
		ck_assert_uint_eq(bells[i].overlaps, 0);
	}
	ck_assert_uint_eq(idle_runs(BELLS), 0);
}
END_TEST

START_TEST(vectors_join_and_leave_a_worker_at_work)
{
	request_all(4);
	bells_ring(bells, 4, 10);
	ck_assert_int_ne(bells[1].tid, bells[0].tid);
	bell_choose(&bells[0], many[_i]);
	share(4);
	bells_ring(bells, 4, 10);
	for (int i = 1; i < 4; i++)
		ck_assert_int_eq(bells[i].tid, bells[0].tid);
	/* The first, whose worker it was, leaves the others. */
	ck_assert_int_eq(udrv_irq_share(dev, 0, dev, 0), 0);
	bells_ring(bells, 4, 10);
	ck_assert_int_ne(bells[1].tid, bells[0].tid);
	ck_assert_int_eq(bells[1].tid, bells[2].tid);
	bell_free(&bells[1]);
	bells_ring(bells, 1, 10);
	bells_ring(bells + 2, 2, 10);
	bell_request(&bells[1]);
	bells_ring(bells, 4, 10);
	ck_assert_int_eq(bells[1].tid, bells[2].tid);
}
END_TEST

START_TEST(what_reads_serves_one)
{
	struct udrv_irq_options options = UDRV_IRQ_OPTIONS_DEFAULT;

	ck_assert_int_eq(udrv_irq_share(dev, 1, dev, 0), -EINVAL);
	ck_assert(fault_logged("is for one vector"));
	bell_choose(&bells[0], UDRV_WAIT_URING_READ);
	ck_assert_int_eq(udrv_irq_share(dev, 1, dev, 0), -EINVAL);
	bell_choose(&bells[0], UDRV_WAIT_URING);
	ck_assert_int_eq(udrv_irq_share(dev, 1, dev, 0), 0);
	ck_assert_int_eq(udrv_irq_set_options(dev, 1, &options), -EINVAL);
	ck_assert(fault_logged("serves several vectors"));
	/* Alone again it may. */
	ck_assert_int_eq(udrv_irq_share(dev, 1, dev, 1), 0);
	ck_assert_int_eq(udrv_irq_set_options(dev, 1, &options), 0);
	ck_assert_int_eq(udrv_irq_set_options(dev, 0, &options), 0);
	ck_assert_int_eq(udrv_irq_share(dev, BELLS, dev, 0), -EINVAL);
	ck_assert_int_eq(udrv_irq_share(dev, 0, dev, -1), -EINVAL);
}
END_TEST

START_TEST(options_are_those_of_all)
{
	struct udrv_irq_options options;

	bell_choose(&bells[0], UDRV_WAIT_URING);
	share(3);
	request_all(3);
	bell_choose(&bells[2], UDRV_WAIT_EPOLL);
	ck_assert_int_eq(udrv_irq_get_options(dev, 0, &options), 0);
	ck_assert_int_eq(options.wait, UDRV_WAIT_EPOLL);
	bells_ring(bells, 3, 10);
	ck_assert_int_eq(bells[2].tid, bells[0].tid);
}
END_TEST

static struct udrv_device *edus[2];
static uint8_t __udrv_iomem *edu_regs[2];
static struct udrv_completion edu_done[2];
static atomic_int edu_tid[2];

#define EDU_STATUS 0x24
#define EDU_RAISE  0x60
#define EDU_ACK	   0x64

static udrv_irqreturn_t edu_handler(int irq, void *ctx)
{
	int i = (int)(edu_done - (struct udrv_completion *)ctx);

	(void)irq;
	i = i < 0 ? -i : i;
	edu_tid[i] = gettid();
	udrv_iowrite32(udrv_ioread32(edu_regs[i] + EDU_STATUS), edu_regs[i] + EDU_ACK);
	udrv_complete(ctx);
	return UDRV_IRQ_HANDLED;
}

static void open_edu(int i, const char *name)
{
	ck_assert_int_eq(udrv_device_open(name, NULL, &edus[i]), 0);
	ck_assert_int_eq(udrv_pci_enable_device(edus[i]), 0);
	edu_regs[i] = udrv_pci_iomap(edus[i], 0, 0);
	udrv_init_completion(edus[i], &edu_done[i]);
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(edus[i], 1, 1, UDRV_PCI_IRQ_INTX), 1);
}

static void raise_edu(int i)
{
	udrv_iowrite32(1, edu_regs[i] + EDU_RAISE);
	ck_assert_int_gt(udrv_wait_for_completion_timeout(&edu_done[i], 60000), 0);
}

START_TEST(one_worker_serves_intx_of_several_devices)
{
	bell_choose(&bells[0], many[_i]);
	bell_request(&bells[0]);
	open_edu(0, "model:edu:a");
	open_edu(1, "model:edu:b");
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(udrv_irq_share(edus[i], 0, dev, 0), 0);
		ck_assert_int_eq(udrv_request_irq(edus[i], 0, edu_handler, 0, "edu", &edu_done[i]),
				 0);
	}
	for (int n = 0; n < 100; n++) {
		raise_edu(n % 2);
		bells_ring(bells, 1, 1);
	}
	ck_assert_int_eq(edu_tid[0], bells[0].tid);
	ck_assert_int_eq(edu_tid[1], bells[0].tid);
	/* Devices go in any order; the worker is its members'. */
	udrv_device_close(edus[0]);
	bell_free(&bells[0]);
	raise_edu(1);
	ck_assert_int_eq(edu_tid[1], bells[0].tid);
	udrv_device_close(edus[1]);
}
END_TEST

static int from_handler[3];

static udrv_irqreturn_t self_service(int irq, void *ctx)
{
	struct bell *b = ctx;

	from_handler[0] = udrv_irq_share(dev, irq, dev, irq);
	from_handler[1] = udrv_irq_share(dev, 2, dev, irq);
	from_handler[2] = udrv_irq_share(dev, irq, dev, 2);
	return bell_heard(irq, b);
}

START_TEST(a_worker_is_not_changed_by_its_handlers)
{
	for (int i = 0; i < 3; i++)
		bell_choose(&bells[i], UDRV_WAIT_URING);
	share(2);
	ck_assert_int_eq(udrv_request_irq(dev, 1, self_service, 0, "self", &bells[1]), 0);
	bell_request(&bells[0]);
	bell_request(&bells[2]);
	for (int n = 0; n < 3; n++) {
		bells_ring(bells, 3, 1);
		for (int i = 0; i < 3; i++)
			ck_assert_int_eq(from_handler[i], -EDEADLK);
	}
}
END_TEST

static bool is_busy(int irq)
{
	bool busy;

	pthread_mutex_lock(&dev->irqs->lock);
	busy = dev->irqs->vectors[irq].busy;
	pthread_mutex_unlock(&dev->irqs->lock);
	return busy;
}

static void *move_it(void *arg)
{
	ck_assert_int_eq(udrv_irq_share(dev, 0, dev, 1), 0);
	return arg;
}

/* While its old worker is in a handler: what comes meanwhile waits, and is run by the new one. */
START_TEST(signals_and_work_wait_while_a_vector_moves)
{
	pthread_t mover;
	struct udrv_irq_options options = {.wait = UDRV_WAIT_EPOLL};

	bell_choose(&bells[1], UDRV_WAIT_URING);
	bell_choose(&bells[2], UDRV_WAIT_URING);
	bell_request(&bells[1]);
	bell_keep_busy(&bells[0]);
	mover = start(move_it, NULL);
	until(is_busy(0));
	ck_assert_int_eq(udrv_irq_set_options(dev, 0, &options), -EBUSY);
	ck_assert_int_eq(udrv_irq_share(dev, 0, dev, 2), -EBUSY);
	ck_assert_int_eq(udrv_disable_irq_nosync(dev, 0), 0);
	udrv_iowrite32(0, bells[0].regs + BELLS_DOORBELL);
	ck_assert_int_eq(udrv_enable_irq(dev, 0), 0);
	bell_let_go(&bells[0]);
	finish(mover);
	ck_assert_int_eq(udrv_synchronize_irq(dev, 0), 0);
	ck_assert_uint_eq(bells[0].arrived, 1);
	ck_assert_uint_ge(bells[0].idle, 1);
	bells_ring(bells, 2, 5);
	ck_assert_int_eq(bells[0].tid, bells[1].tid);
}
END_TEST

/* More at once than the kernel reports at once. */
START_TEST(synchronizing_covers_what_all_vectors_signalled)
{
	pthread_t thread;

	bell_choose(&bells[0], many[_i]);
	share(BELLS);
	for (int i = 1; i < BELLS; i++)
		bell_request(&bells[i]);
	bell_keep_busy(&bells[0]);
	for (int i = 1; i < BELLS; i++)
		bell_ring(&bells[i]);
	thread = start(bell_let_go_soon, &bells[0]);
	ck_assert_int_eq(udrv_synchronize_irq(dev, BELLS - 1), 0);
	for (int i = 0; i < BELLS; i++)
		ck_assert_msg(!bells[i].rung, "vector %d was signalled before", i);
	finish(thread);
	bells_ring(bells, BELLS, 5);
	ck_assert_uint_eq(idle_runs(BELLS), 0);
}
END_TEST

/* It had to wait by other means for two, and could not. */
START_TEST(what_cannot_be_shared_is_served_as_before)
{
	bell_choose(&bells[0], UDRV_WAIT_ADAPTIVE);
	request_all(2);
	fault_arm_call("io_uring_queue_init_params", 1, ENOMEM);
	ck_assert_int_eq(udrv_irq_share(dev, 1, dev, 0), -ENOMEM);
	ck_assert_str_eq(fault_disarm(), "io_uring_queue_init_params");
	ck_assert(!udrv_device_gone(dev));
	bells_ring(bells, 2, 20);
	ck_assert_int_ne(bells[0].tid, bells[1].tid);
	/* Nor is the worker changed for a member that cannot be served yet. */
	bell_free(&bells[1]);
	ck_assert_int_eq(udrv_irq_share(dev, 1, dev, 0), 0);
	fault_arm_call("io_uring_queue_init_params", 1, EMFILE);
	ck_assert_int_eq(udrv_request_irq(dev, 1, bell_heard, 0, "bell", &bells[1]), -EMFILE);
	ck_assert_str_eq(fault_disarm(), "io_uring_queue_init_params");
	bells_ring(bells, 1, 20);
	bell_request(&bells[1]);
	bells_ring(bells, 2, 20);
	ck_assert_int_eq(bells[0].tid, bells[1].tid);
}
END_TEST

static udrv_irqreturn_t closes(int irq, void *ctx)
{
	udrv_device_close(dev);
	return bell_heard(irq, ctx);
}

START_TEST(a_handler_cannot_close_its_device)
{
	ck_assert_int_eq(udrv_request_irq(dev, 0, closes, 0, "closes", &bells[0]), 0);
	bells_ring(bells, 1, 3);
	ck_assert(fault_logged("closed by its own interrupt worker"));
}
END_TEST

/* The first attempt to make a ring is answered as by a kernel that cannot. */
static void without(int err, const char *wait)
{
	bell_choose(&bells[0], UDRV_WAIT_URING);
	share(BELLS);
	fault_arm_call("io_uring_queue_init_params", 1, err);
	request_all(BELLS);
	ck_assert_str_eq(fault_disarm(), "io_uring_queue_init_params");
	ck_assert_str_eq(dev->irqs->vectors[0].stat->worker.wait, wait);
	bells_ring(bells, BELLS, 20);
	ck_assert_uint_eq(idle_runs(BELLS), 0);
	for (int i = 1; i < BELLS; i++)
		ck_assert_int_eq(bells[i].tid, bells[0].tid);
}

START_TEST(a_kernel_without_deferred_task_running)
{
	without(EINVAL, "uring");
}
END_TEST

START_TEST(a_kernel_that_refuses_io_uring)
{
	without(EPERM, "epoll");
	ck_assert(fault_logged("waiting by epoll"));
}
END_TEST

START_TEST(a_kernel_without_io_uring)
{
	without(ENOSYS, "epoll");
}
END_TEST

static atomic_bool stop;

static void move_somewhere(unsigned int dice)
{
	const int to = (int)(dice / 64 % 4);

	(void)udrv_irq_share(dev, (int)(dice % 4), dev, to);
}

static void change_something(unsigned int dice)
{
	const struct udrv_irq_options options = {
		.wait = (enum udrv_wait)(dice / 8 % UDRV_WAIT_COUNT), .cpu = UDRV_CPU_ANY};
	const int irq = (int)(dice % 4);

	switch (dice / 4096 % 4) {
	case 0:
		if (!udrv_disable_irq(dev, irq))
			ck_assert_int_eq(udrv_enable_irq(dev, irq), 0);
		break;
	case 1:
		ck_assert_int_eq(udrv_synchronize_irq(dev, irq), 0);
		break;
	case 2:
		move_somewhere(dice);
		break;
	default:
		(void)udrv_irq_set_options(dev, irq, &options);
	}
}

static void *disturb(void *seed)
{
	unsigned int state = (unsigned int)(uintptr_t)seed;

	while (!stop)
		change_something((unsigned int)rand_r(&state));
	return NULL;
}

/* UDRV_STRESS=10000000 for the long run. */
static unsigned int stress_count(void)
{
	const char *text = getenv("UDRV_STRESS");

	return (unsigned int)(text ? strtoul(text, NULL, 10) : 40000);
}

START_TEST(nothing_is_lost_while_everything_changes)
{
	unsigned int count = stress_count() / 4;
	pthread_t threads[2];

	stop = false;
	request_all(4);
	threads[0] = start(disturb, (void *)1);
	threads[1] = start(disturb, (void *)2);
	bells_ring(bells, 4, count);
	stop = true;
	finish(threads[0]);
	finish(threads[1]);
	for (int i = 0; i < 4; i++)
		ck_assert_uint_eq(bells[i].arrived, count);
}
END_TEST

static void *come_and_go(void *arg)
{
	struct bell *b = arg;

	while (!stop) {
		bell_request(b);
		bell_ring(b);
		ck_assert(bell_await(b));
		bell_free(b);
	}
	return NULL;
}

START_TEST(some_come_and_go_while_others_are_served)
{
	pthread_t thread;

	stop = false;
	bell_choose(&bells[0], many[_i]);
	share(8);
	request_all(7);
	thread = start(come_and_go, &bells[7]);
	bells_ring(bells, 7, 500);
	stop = true;
	finish(thread);
	for (int i = 0; i < 7; i++)
		ck_assert_uint_eq(bells[i].arrived, 500);
	ck_assert_uint_eq(idle_runs(7), 0);
}
END_TEST

/* What `udrv irq set` asks for, at any moment. */
static void *ask_for_changes(void *arg)
{
	struct udrv_irq_options options;
	struct udrv_irq_stats stats;

	while (!stop) {
		int ret = udrv_irq_get_options(dev, 0, &options);

		ck_assert(!ret || ret == -EINVAL);
		options = (struct udrv_irq_options){.wait = UDRV_WAIT_EPOLL, .cpu = UDRV_CPU_ANY};
		ret = udrv_irq_set_options(dev, 0, &options);
		ck_assert(!ret || ret == -EINVAL || ret == -EBUSY);
		ret = udrv_irq_share(dev, 1, dev, 0);
		ck_assert(!ret || ret == -EINVAL);
		ret = udrv_irq_share(dev, 1, dev, 1);
		ck_assert(!ret || ret == -EINVAL);
		ret = udrv_irq_set_affinity(dev, 0, 0);
		ck_assert(ret == -EOPNOTSUPP || ret == -EINVAL || ret == -EBUSY);
		ret = udrv_irq_set_storm_limit(dev, 1, 1000);
		ck_assert(!ret || ret == -EINVAL);
		ret = udrv_irq_get_stats(dev, 1, &stats);
		ck_assert(!ret || ret == -EINVAL);
	}
	return arg;
}

/* For the sanitizers above all: a driver that frees its vectors cannot keep others from asking. */
START_TEST(vectors_may_be_freed_while_changes_are_asked_for)
{
	pthread_t thread;

	stop = false;
	thread = start(ask_for_changes, NULL);
	for (unsigned int i = 0; i < 1000; i++) {
		unsigned int count = 1 + i % BELLS;

		udrv_pci_free_irq_vectors(dev);
		ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, count, UDRV_PCI_IRQ_MSIX),
				 (int)count);
	}
	stop = true;
	finish(thread);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("irq_share");
	TCase *tc = tcase_create("vectors");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 3000);
	tcase_add_loop_test(tc, one_worker_serves_all, 0, MANY);
	tcase_add_loop_test(tc, vectors_join_and_leave_a_worker_at_work, 0, MANY);
	tcase_add_test(tc, what_reads_serves_one);
	tcase_add_test(tc, options_are_those_of_all);
	tcase_add_loop_test(tc, one_worker_serves_intx_of_several_devices, 0, MANY);
	tcase_add_test(tc, a_worker_is_not_changed_by_its_handlers);
	tcase_add_test(tc, signals_and_work_wait_while_a_vector_moves);
	tcase_add_loop_test(tc, synchronizing_covers_what_all_vectors_signalled, 0, MANY);
	tcase_add_test(tc, what_cannot_be_shared_is_served_as_before);
	tcase_add_test(tc, a_handler_cannot_close_its_device);
	tcase_add_test(tc, a_kernel_without_deferred_task_running);
	tcase_add_test(tc, a_kernel_that_refuses_io_uring);
	tcase_add_test(tc, a_kernel_without_io_uring);
	tcase_add_test(tc, nothing_is_lost_while_everything_changes);
	tcase_add_loop_test(tc, some_come_and_go_while_others_are_served, 0, MANY);
	tcase_add_test(tc, vectors_may_be_freed_while_changes_are_asked_for);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

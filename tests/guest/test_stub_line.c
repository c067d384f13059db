// SPDX-License-Identifier: MIT
/*
 * One interrupt line, two devices: the first is driven through kernel/udrv_stub by this process,
 * the second by a driver inside the kernel, kernel/udrv_irqbench, that raises interrupts itself.
 * Runs in the lab, as root, with two edu devices on one line; both modules are loaded.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../kernel/uapi/udrv_irqbench.h"
#include "stub_user.h"
#include "support/suite.h"

static char ours[32], theirs[32];

/* The driver inside the kernel ---------------------------------------------------------------- */

/* A thread that has the other driver raise and take interrupts, until it has had enough of them. */
struct run {
	pthread_t thread;
	atomic_bool stop;	/* then @done is enough */
	atomic_uint done, want; /* interrupts */
	unsigned int lost;
	int fd, ret;
};

static struct run theirs_run;

static void open_theirs(struct run *r)
{
	struct udrv_irqbench_setup s = {
		.abi = UDRV_IRQBENCH_ABI, .mode = UDRV_IRQBENCH_HARD, .kind = UDRV_IRQBENCH_INTX};
	char path[64];

	(void)snprintf(path, sizeof(path), "/dev/udrv_irqbench-%s", theirs);
	r->fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(r->fd, 0);
	ck_assert_int_eq(stub_call(r->fd, UDRV_IRQBENCH_SETUP, &s), 0);
}

static unsigned int their_irq(int fd)
{
	struct udrv_irqbench_info info = {.abi = UDRV_IRQBENCH_ABI};

	ck_assert_int_eq(stub_call(fd, UDRV_IRQBENCH_INFO, &info), 0);
	return info.irq;
}

static void *run_theirs(void *arg)
{
	struct run *r = arg;

	while (!r->ret && (!atomic_load(&r->stop) || atomic_load(&r->done) < r->want)) {
		uint64_t sample;
		struct udrv_irqbench_run run = {.abi = UDRV_IRQBENCH_ABI,
						.count = 1,
						.deadline_ms = UDRV_IRQBENCH_MAX_DEADLINE_MS,
						.samples = (uintptr_t)&sample};

		r->ret = stub_call(r->fd, UDRV_IRQBENCH_RUN, &run);
		r->lost += run.lost;
		atomic_fetch_add(&r->done, run.done);
		sched_yield();
	}
	return NULL;
}

static void start_theirs(struct run *r)
{
	ck_assert_int_eq(pthread_create(&r->thread, NULL, run_theirs, r), 0);
}

/* Until there were @want. */
static void expect_theirs(struct run *r, unsigned int want)
{
	r->want = want;
	atomic_store(&r->stop, true);
	ck_assert_int_eq(pthread_join(r->thread, NULL), 0);
	ck_assert_int_eq(r->ret, 0);
	ck_assert_uint_ge(atomic_load(&r->done), want);
	ck_assert_uint_eq(r->lost, 0);
}

/* The kernel's account ------------------------------------------------------------------------ */

/* Interrupts of the line that no handler took. */
static unsigned long unhandled(unsigned int irq)
{
	char path[64], word[32];
	unsigned long val = 0, found = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/irq/%u/spurious", irq);
	f = fopen(path, "re");
	ck_assert_ptr_nonnull(f);
	while (fscanf(f, "%31s %lu%*[^\n]", word, &val) == 2)
		if (!strcmp(word, "unhandled"))
			found = val;
	(void)fclose(f);
	return found;
}

/* The CPU that takes the line's interrupts. */
static int cpu_of(unsigned int irq)
{
	char path[64];
	int cpu = -1;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/irq/%u/effective_affinity_list", irq);
	f = fopen(path, "re");
	if (f && fscanf(f, "%d", &cpu) != 1)
		cpu = -1;
	if (f)
		(void)fclose(f);
	return cpu;
}

static void run_on(pthread_t thread, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	ck_assert_int_eq(pthread_setaffinity_np(thread, sizeof(set), &set), 0);
}

/* The devices really have one line: both names are in one row. */
static bool is_shared(unsigned int irq)
{
	char *line = NULL;
	size_t room = 0;
	bool shared = false;
	FILE *f = fopen("/proc/interrupts", "re");

	while (f && getline(&line, &room, f) > 0)
		if (strtoul(line, NULL, 10) == irq && strstr(line, "udrv_stub-intx") &&
		    strstr(line, "udrv_irqbench"))
			shared = true;
	free(line);
	if (f)
		(void)fclose(f);
	return shared;
}

/* Ours ---------------------------------------------------------------------------------------- */

struct ours {
	int fd;
	int32_t efd;
	regs_t *regs;
	const struct udrv_stub_vector *page;
};

static void open_ours(struct ours *o)
{
	o->fd = open_node(ours);
	ck_assert_int_ge(o->fd, 0);
	o->regs = map_regs(o->fd);
	ck_assert(o->regs);
	o->page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, o->fd, OFFSET(UDRV_STUB_REGION_VECTORS));
	ck_assert(o->page != MAP_FAILED);
	o->efd = eventfd(0, EFD_CLOEXEC);
	ck_assert_int_eq(set_irqs(o->fd, UDRV_STUB_INTX, &o->efd, 1), 0);
}

static void close_ours(struct ours *o)
{
	unmap_regs(o->regs);
	(void)munmap((void *)(uintptr_t)o->page, PAGE);
	close(o->fd);
	close(o->efd);
}

static uint64_t counted(const struct ours *o)
{
	return __atomic_load_n(&o->page->count, __ATOMIC_ACQUIRE);
}

static void take_one(struct ours *o)
{
	put(o->regs, EDU_IRQ_RAISE, 1);
	ck_assert_uint_eq(signals(o->efd, WAIT_MS), 1);
	put(o->regs, EDU_IRQ_ACK, 1);
	ck_assert_int_eq(set_mask(o->fd, 0, false), 0);
}

static void setup(void)
{
	ck_assert_int_eq(bind_to(ours, "udrv_stub"), 0);
	ck_assert_int_eq(bind_to(theirs, "udrv_irqbench"), 0);
	open_theirs(&theirs_run);
}

static void teardown(void)
{
	close(theirs_run.fd);
}

/*
 * Both drivers on the CPU that takes the interrupts, one in turn with the other; then the other one
 * on the other CPU, so that both devices can have the line at once.
 */
static const struct {
	unsigned int count;
	bool apart;
} together[] = {{10000, false}, {1000, true}};

START_TEST(each_driver_gets_its_own_interrupts)
{
	unsigned int count = together[_i].count;
	struct run *r = &theirs_run;
	unsigned int irq = their_irq(r->fd);
	int cpu = cpu_of(irq);
	unsigned long before;
	struct ours o;

	open_ours(&o);
	ck_assert(is_shared(irq));
	ck_assert_int_ge(cpu, 0);
	run_on(pthread_self(), cpu);
	before = unhandled(irq);
	start_theirs(r);
	run_on(r->thread, together[_i].apart ? !cpu : cpu);
	for (unsigned int i = 1; i <= count; i++) {
		take_one(&o);
		ck_assert_uint_eq(counted(&o), i);
		sched_yield();
	}
	expect_theirs(r, count);
	ck_assert_uint_eq(signals(o.efd, 20), 0);
	ck_assert_uint_eq(counted(&o), count);
	printf("%u and %u interrupts, %lu unhandled\n", count, atomic_load(&r->done),
	       unhandled(irq) - before);
	ck_assert_uint_eq(unhandled(irq), before);
	close_ours(&o);
}
END_TEST

/* What is pending but masked is not ours: others' interrupts are not counted, nor lost. */
START_TEST(a_masked_device_leaves_the_line_alone)
{
	struct run *r = &theirs_run;
	struct ours o;

	open_ours(&o);
	ck_assert_int_eq(set_mask(o.fd, 0, true), 0);
	put(o.regs, EDU_IRQ_RAISE, 1);
	start_theirs(r);
	expect_theirs(r, 1000);
	ck_assert_uint_eq(signals(o.efd, 20), 0);
	ck_assert_uint_eq(counted(&o), 0);
	ck_assert_int_eq(set_mask(o.fd, 0, false), 0);
	ck_assert_uint_eq(signals(o.efd, WAIT_MS), 1);
	put(o.regs, EDU_IRQ_ACK, 1);
	close_ours(&o);
}
END_TEST

/* Switched on and off under fire, with an interrupt of its own that waits for it. */
START_TEST(a_pending_interrupt_is_told_when_interrupts_are_switched_on)
{
	struct run *r = &theirs_run;
	struct ours o;

	open_ours(&o);
	start_theirs(r);
	for (unsigned int i = 0; i < 100; i++) {
		ck_assert_int_eq(set_irqs(o.fd, UDRV_STUB_INTX, NULL, 0), 0);
		put(o.regs, EDU_IRQ_RAISE, 1);
		ck_assert_int_eq(set_irqs(o.fd, UDRV_STUB_INTX, &o.efd, 1), 0);
		ck_assert_uint_eq(signals(o.efd, WAIT_MS), 1);
		ck_assert_uint_eq(counted(&o), 1);
		put(o.regs, EDU_IRQ_ACK, 1);
		ck_assert_int_eq(set_mask(o.fd, 0, false), 0);
		take_one(&o);
	}
	expect_theirs(r, 500);
	close_ours(&o);
}
END_TEST

/* The other driver goes on when ours is killed with an interrupt that nobody acknowledges. */
START_TEST(a_driver_that_goes_without_a_word_leaves_the_line_to_others)
{
	struct run *r = &theirs_run;
	struct ours o;

	open_ours(&o);
	start_theirs(r);
	put(o.regs, EDU_IRQ_RAISE, 1);
	close_ours(&o); /* with it, the interrupt is off */
	expect_theirs(r, 1000);
	open_ours(&o);
	ck_assert_uint_eq(signals(o.efd, WAIT_MS), 1);
	put(o.regs, EDU_IRQ_ACK, 1);
	close_ours(&o);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("stub_line");
	TCase *tc = tcase_create("stub_line");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, each_driver_gets_its_own_interrupts, 0, 2);
	tcase_add_test(tc, a_masked_device_leaves_the_line_alone);
	tcase_add_test(tc, a_pending_interrupt_is_told_when_interrupts_are_switched_on);
	tcase_add_test(tc, a_driver_that_goes_without_a_word_leaves_the_line_to_others);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	if (!lab_device(0, ours) || !lab_device(1, theirs)) {
		(void)fprintf(stderr,
			      "run in the lab: tools/lab/run --cpus 2 --device edu,addr=5 "
			      "--device edu,addr=9 -- sh /udrv/tests/test_stub_shared.sh\n");
		return EXIT_FAILURE;
	}
	return run_suite(make_suite());
}

// SPDX-License-Identifier: MIT
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>

#include <udrv/completion.h>
#include <udrv/device.h>
#include <udrv/sched.h>

#include "pci/device.h"

#include "support/suite.h"
#include "support/threads.h"

/* Only the word that waiters watch matters here. */
static struct udrv_device dev;
static struct udrv_completion done;

static void setup(void)
{
	memset(&dev, 0, sizeof(dev));
	dev.event_fds[UDRV_EVENT_GONE] = -1;
	udrv_init_completion(&dev, &done);
}

static long elapsed_ms(const struct timespec *since)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - since->tv_sec) * 1000 + (now.tv_nsec - since->tv_nsec) / 1000000;
}

START_TEST(complete_before_wait_is_kept)
{
	udrv_complete(&done);
	ck_assert_int_gt(udrv_wait_for_completion_timeout(&done, 1000), 0);
	ck_assert_int_eq(udrv_wait_for_completion_timeout(&done, 1), 0);
}
END_TEST

START_TEST(each_complete_lets_one_through)
{
	udrv_complete(&done);
	udrv_complete(&done);
	ck_assert_int_eq(udrv_wait_for_completion(&done), 0);
	ck_assert_int_eq(udrv_wait_for_completion(&done), 0);
	ck_assert_int_eq(udrv_wait_for_completion_timeout(&done, 0), 0);
}
END_TEST

START_TEST(complete_all_lets_everybody_through_until_reinit)
{
	udrv_complete_all(&done);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(udrv_wait_for_completion(&done), 0);
	udrv_reinit_completion(&done);
	ck_assert_int_eq(udrv_wait_for_completion_timeout(&done, 1), 0);
}
END_TEST

START_TEST(times_out_no_earlier_than_asked)
{
	struct timespec start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	ck_assert_int_eq(udrv_wait_for_completion_timeout(&done, 30), 0);
	ck_assert_int_ge(elapsed_ms(&start), 29);
}
END_TEST

START_TEST(gone_device_ends_the_wait)
{
	udrv_device_set_gone(&dev);
	ck_assert_int_eq(udrv_wait_for_completion(&done), -ENODEV);
	ck_assert_int_eq(udrv_wait_for_completion_timeout(&done, 100000), -ENODEV);
}
END_TEST

START_TEST(done_wins_over_gone)
{
	udrv_complete(&done);
	udrv_device_set_gone(&dev);
	ck_assert_int_eq(udrv_wait_for_completion(&done), 0);
}
END_TEST

static void *remove_device(void *arg)
{
	/* Most often the waiter sleeps by now; where not, the other half of the race is tested. */
	while (!__atomic_load_n(&done.waiters, __ATOMIC_SEQ_CST))
		;
	udrv_device_set_gone(arg);
	return NULL;
}

START_TEST(removal_wakes_a_sleeper)
{
	pthread_t t;

	ck_assert_int_eq(pthread_create(&t, NULL, remove_device, &dev), 0);
	ck_assert_int_eq(udrv_wait_for_completion(&done), -ENODEV);
	pthread_join(t, NULL);
}
END_TEST

enum { ROUNDS = 20000 };
static struct udrv_completion ping, pong;

static void *answer(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		if (udrv_wait_for_completion_timeout(&ping, 60000) <= 0)
			break;
		udrv_complete(&pong);
	}
	return NULL;
}

START_TEST(no_wakeup_is_lost)
{
	pthread_t t;

	udrv_init_completion(&dev, &ping);
	udrv_init_completion(&dev, &pong);
	ck_assert_int_eq(pthread_create(&t, NULL, answer, NULL), 0);
	for (int i = 0; i < ROUNDS; i++) {
		udrv_complete(&ping);
		ck_assert_int_gt(udrv_wait_for_completion_timeout(&pong, 60000), 0);
	}
	pthread_join(t, NULL);
}
END_TEST

START_TEST(try_takes_what_is_there_and_never_sleeps)
{
	ck_assert(!udrv_completion_done(&done));
	ck_assert(!udrv_try_wait_for_completion(&done));
	udrv_complete(&done);
	ck_assert(udrv_completion_done(&done));
	ck_assert(udrv_try_wait_for_completion(&done));
	ck_assert(!udrv_try_wait_for_completion(&done));
	udrv_complete_all(&done);
	ck_assert(udrv_try_wait_for_completion(&done) && udrv_try_wait_for_completion(&done));
}
END_TEST

START_TEST(interruption_ends_one_wait_and_done_wins)
{
	udrv_task_interrupt(udrv_current);
	udrv_complete(&done);
	ck_assert_int_eq(udrv_wait_for_completion_interruptible(&done), 0);
	ck_assert_int_eq(udrv_wait_for_completion_timeout(&done, 1), 0);
	ck_assert_int_eq(udrv_wait_for_completion_interruptible(&done), -UDRV_ERESTARTSYS);
	ck_assert_int_eq(udrv_wait_for_completion_interruptible_timeout(&done, 1), 0);
	udrv_task_interrupt(udrv_current);
	ck_assert_int_eq(udrv_wait_for_completion_killable(&done), -UDRV_ERESTARTSYS);
	udrv_complete(&done);
	ck_assert_int_gt(udrv_wait_for_completion_killable_timeout(&done, 100), 0);
	ck_assert_uint_eq(done.waiters, 0);
}
END_TEST

static int over;

static void *wait_interruptibly(void *arg)
{
	*(int *)arg = udrv_wait_for_completion_interruptible(&done);
	set(over, 1);
	return NULL;
}

static void on_signal(int sig)
{
	(void)sig;
}

START_TEST(signal_ends_an_interruptible_wait)
{
	struct sigaction sa = {.sa_handler = on_signal};
	int result = 0;
	pthread_t t;

	ck_assert_int_eq(sigaction(SIGUSR1, &sa, NULL), 0);
	t = start(wait_interruptibly, &result);
	until(get(done.waiters));
	while (!get(over)) {
		pthread_kill(t, SIGUSR1);
		sched_yield();
	}
	finish(t);
	ck_assert_int_eq(result, -UDRV_ERESTARTSYS);
	ck_assert_uint_eq(done.waiters, 0);
}
END_TEST

/*
 * The completion is alone in a page that becomes inaccessible as soon as the wait returned: a
 * udrv_complete() that looked at it afterwards would fault.
 */
static struct udrv_completion *on_page;
static struct udrv_completion no_more;

static void *complete_posted(void *arg)
{
	struct udrv_completion *x;

	for (;;) {
		until((x = get(on_page)));
		if (x == &no_more)
			return arg;
		set(on_page, NULL);
		udrv_complete(x);
	}
}

START_TEST(completion_may_vanish_when_its_wait_returned)
{
	enum { PAGES = 64, PAGE = 4096 };
	char *pages = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	const int64_t begin = now_ms();
	pthread_t t;

	ck_assert_ptr_ne(pages, MAP_FAILED);
	t = start(complete_posted, NULL);
	/* Fewer where each turn of the other thread has to wait for a CPU. */
	for (int i = 0; i < ROUNDS && now_ms() - begin < 60000; i++) {
		char *page = pages + (ptrdiff_t)(i % PAGES) * PAGE;
		struct udrv_completion *x = (struct udrv_completion *)page;

		ck_assert_int_eq(mprotect(page, PAGE, PROT_READ | PROT_WRITE), 0);
		udrv_init_completion(&dev, x);
		set(on_page, x);
		if (i % 3)
			until(!get(on_page));
		ck_assert_int_eq(udrv_wait_for_completion(x), 0);
		ck_assert_int_eq(mprotect(page, PAGE, PROT_NONE), 0);
	}
	until(!get(on_page));
	set(on_page, &no_more);
	finish(t);
}
END_TEST

#if defined(__x86_64__) && HANDLERS_RUN_AT_ONCE
#define CAN_STEP
#define TRAP_FLAG 0x100

static int page_is_gone, stop_stepping, steps;

/* As soon as the completion is done, a waiter could be through and its stack frame gone. */
static void after_each_instruction(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	(void)info;
	steps++;
	if (!page_is_gone && get(on_page->done)) {
		page_is_gone = 1;
		(void)mprotect(on_page, 4096, PROT_NONE);
	}
	if (stop_stepping)
		uc->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
}

/* Step by step through udrv_complete(): none touches the completion after it is done. */
START_TEST(complete_does_not_touch_what_is_done)
{
	struct sigaction sa = {.sa_sigaction = after_each_instruction, .sa_flags = SA_SIGINFO};

	on_page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(on_page, MAP_FAILED);
	udrv_init_completion(&dev, on_page);
	on_page->waiters = 1;
	ck_assert_int_eq(sigaction(SIGTRAP, &sa, NULL), 0);
	__asm__ __volatile__("leaq -128(%%rsp), %%rsp\n\tpushfq\n\torq %0, (%%rsp)\n\tpopfq\n\t"
			     "leaq 128(%%rsp), %%rsp"
			     :
			     : "i"(TRAP_FLAG)
			     : "memory", "cc");
	if (_i)
		udrv_complete_all(on_page);
	else
		udrv_complete(on_page);
	set(stop_stepping, 1);
	ck_assert_int_eq(page_is_gone, 1);
	ck_assert_int_gt(steps, 10);
}
END_TEST
#endif

/* As service managers do it for what they do not know. */
static void forbid_futex_waitv(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex_waitv, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

/* In this test's own process. */
START_TEST(a_filter_of_system_calls_does_not_make_waits_busy)
{
	int tries = 0;
	int64_t before;

	forbid_futex_waitv();
	do {
		ck_assert_int_lt(tries++, 10);
		before = cpu_ms();
		ck_assert_int_eq(udrv_wait_for_completion_timeout(&done, 500), 0);
	} while (cpu_ms() - before >= 250);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("completion");
	TCase *tc = tcase_create("completion");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, complete_before_wait_is_kept);
	tcase_add_test(tc, each_complete_lets_one_through);
	tcase_add_test(tc, complete_all_lets_everybody_through_until_reinit);
	tcase_add_test(tc, times_out_no_earlier_than_asked);
	tcase_add_test(tc, gone_device_ends_the_wait);
	tcase_add_test(tc, done_wins_over_gone);
	tcase_add_test(tc, removal_wakes_a_sleeper);
	tcase_add_test(tc, no_wakeup_is_lost);
	tcase_add_test(tc, try_takes_what_is_there_and_never_sleeps);
	tcase_add_test(tc, interruption_ends_one_wait_and_done_wins);
	tcase_add_test(tc, signal_ends_an_interruptible_wait);
	tcase_add_test(tc, a_filter_of_system_calls_does_not_make_waits_busy);
	tcase_add_test(tc, completion_may_vanish_when_its_wait_returned);
#ifdef CAN_STEP
	tcase_add_loop_test(tc, complete_does_not_touch_what_is_done, 0, 2);
#endif
	suite_add_tcase(s, tc);
	return run_suite(s);
}

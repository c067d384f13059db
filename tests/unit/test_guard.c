// SPDX-License-Identifier: MIT
/* A memfd cut short under its mapping faults as a BAR whose device has gone. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <check.h>
#include <udrv/io.h>

#include "io/guard.h"
#include "support/suite.h"

#define PAGES 4

static size_t page;
static atomic_int gone_calls;

static void gone(void *ctx)
{
	atomic_fetch_add((atomic_int *)ctx, 1);
}

/* A mapping of PAGES pages, filled with 0x11, whose device keeps the first `left` of them. */
static char *map_bar(size_t left)
{
	int fd = memfd_create("bar", 0);
	char *bar;

	page = (size_t)sysconf(_SC_PAGESIZE);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)(PAGES * page)), 0);
	bar = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(bar, MAP_FAILED);
	memset(bar, 0x11, PAGES * page);
	ck_assert_int_eq(ftruncate(fd, (off_t)(left * page)), 0);
	close(fd);
	return bar;
}

static void handle_by(void (*plain)(int), void (*info)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	if (info)
		sa.sa_sigaction = info;
	else
		sa.sa_handler = plain;
	sa.sa_flags = flags;
	ck_assert_int_eq(sigaction(SIGBUS, &sa, NULL), 0);
}

START_TEST(a_read_of_a_gone_page_is_all_ones)
{
	char *bar = map_bar(0);

	ck_assert_int_eq(udrv__guard_add(bar, PAGES * page, gone, &gone_calls), 0);
	errno = ENOTTY;
	ck_assert_uint_eq(udrv_readl(bar + 8), 0xffffffff);
	ck_assert_int_eq(errno, ENOTTY);
	ck_assert_int_eq(atomic_load(&gone_calls), 1);
	for (size_t i = 0; i < page; i += 8)
		ck_assert_uint_eq(udrv_raw_readq(bar + i), UINT64_MAX);
	ck_assert_int_eq(atomic_load(&gone_calls), 1);
	ck_assert_uint_eq(udrv_readb(bar + PAGES * page - 1), 0xff);
	ck_assert_int_eq(atomic_load(&gone_calls), 2);
	udrv__guard_remove(bar);
}
END_TEST

START_TEST(a_write_to_a_gone_page_goes_on)
{
	char *bar = map_bar(0);

	ck_assert_int_eq(udrv__guard_add(bar, PAGES * page, gone, &gone_calls), 0);
	udrv_writel(1, bar + page);
	ck_assert_int_eq(atomic_load(&gone_calls), 1);
	ck_assert_uint_eq(udrv_readl(bar + page + 4), 0xffffffff);
	udrv__guard_remove(bar);
}
END_TEST

START_TEST(pages_that_are_still_there_keep_their_content)
{
	char *bar = map_bar(1);

	ck_assert_int_eq(udrv__guard_add(bar, PAGES * page, NULL, NULL), 0);
	ck_assert_uint_eq(udrv_readl(bar + 2 * page), 0xffffffff);
	ck_assert_uint_eq(udrv_readl(bar + page - 4), 0x11111111);
	udrv__guard_remove(bar);
}
END_TEST

static sigjmp_buf escape;
static volatile sig_atomic_t chained;
static void *volatile chained_addr;

static void chained_info(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	chained++;
	chained_addr = info->si_addr;
	if (info->si_code > 0)
		siglongjmp(escape, 1);
}

static void chained_plain(int sig)
{
	(void)sig;
	chained++;
	siglongjmp(escape, 1);
}

static void count_only(int sig)
{
	(void)sig;
	chained++;
}

START_TEST(a_fault_elsewhere_goes_to_the_former_siginfo_handler)
{
	char *bar = map_bar(0);
	char *other = map_bar(0);

	handle_by(NULL, chained_info, SA_SIGINFO);
	ck_assert_int_eq(udrv__guard_add(bar, PAGES * page, gone, &gone_calls), 0);
	if (!sigsetjmp(escape, 1))
		(void)udrv_readl(other + 0x10);
	ck_assert_int_eq(chained, 1);
	ck_assert_ptr_eq(chained_addr, other + 0x10);
	ck_assert_int_eq(atomic_load(&gone_calls), 0);
	ck_assert_uint_eq(udrv_readl(bar), 0xffffffff);
	ck_assert_int_eq(chained, 1);
	udrv__guard_remove(bar);
}
END_TEST

START_TEST(a_fault_elsewhere_goes_to_the_former_plain_handler)
{
	char *bar = map_bar(0);
	char *other = map_bar(0);

	handle_by(chained_plain, NULL, 0);
	ck_assert_int_eq(udrv__guard_add(bar, PAGES * page, gone, &gone_calls), 0);
	for (int i = 1; i <= 2; i++) {
		if (!sigsetjmp(escape, 1))
			(void)udrv_readl(other);
		ck_assert_int_eq(chained, i);
	}
	udrv__guard_remove(bar);
}
END_TEST

START_TEST(a_guard_that_was_removed_no_longer_answers)
{
	char *bar = map_bar(0);

	handle_by(chained_plain, NULL, 0);
	ck_assert_int_eq(udrv__guard_add(bar, PAGES * page, gone, &gone_calls), 0);
	ck_assert_uint_eq(udrv_readl(bar), 0xffffffff);
	udrv__guard_remove(bar);
	udrv__guard_remove(bar);
	if (!sigsetjmp(escape, 1))
		(void)udrv_readl(bar + page);
	ck_assert_int_eq(chained, 1);
	ck_assert_int_eq(atomic_load(&gone_calls), 1);
}
END_TEST

START_TEST(a_sent_signal_goes_to_the_former_handler)
{
	char *bar = map_bar(0);

	handle_by(NULL, chained_info, SA_SIGINFO);
	ck_assert_int_eq(udrv__guard_add(bar, PAGES * page, gone, &gone_calls), 0);
	raise(SIGBUS);
	raise(SIGBUS);
	ck_assert_int_eq(chained, 2);
	ck_assert_int_eq(atomic_load(&gone_calls), 0);
	udrv__guard_remove(bar);
}
END_TEST

/* SIGBUS with any code and address, as only a process to itself may send it. */
static void send_sigbus(int code, void *addr)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = SIGBUS;
	info.si_code = code;
	info.si_addr = addr;
	ck_assert_int_eq(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGBUS, &info), 0);
}

START_TEST(only_faults_of_absence_are_ours)
{
	static const int codes[] = {SI_QUEUE, BUS_ADRALN, BUS_MCEERR_AR, BUS_MCEERR_AO};
	char *bar = map_bar(PAGES);

	handle_by(NULL, chained_info, SA_SIGINFO);
	ck_assert_int_eq(udrv__guard_add(bar, PAGES * page, gone, &gone_calls), 0);
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (!sigsetjmp(escape, 1))
			send_sigbus(codes[i], bar);
		ck_assert_uint_eq((size_t)chained, i + 1);
	}
	ck_assert_int_eq(atomic_load(&gone_calls), 0);
	ck_assert_uint_eq(udrv_readl(bar), 0x11111111);
	udrv__guard_remove(bar);
}
END_TEST

START_TEST(a_sent_signal_that_was_ignored_is_ignored)
{
	char *bar = map_bar(0);

	handle_by(SIG_IGN, NULL, 0);
	ck_assert_int_eq(udrv__guard_add(bar, PAGES * page, gone, &gone_calls), 0);
	raise(SIGBUS);
	ck_assert_uint_eq(udrv_readl(bar), 0xffffffff);
	udrv__guard_remove(bar);
}
END_TEST

/* The next three end by SIGBUS, as they would without a guard. */
START_TEST(a_fault_elsewhere_kills_by_default)
{
	char *bar = map_bar(0);
	char *other = map_bar(0);

	handle_by(SIG_DFL, NULL, 0);
	ck_assert_int_eq(udrv__guard_add(bar, PAGES * page, gone, &gone_calls), 0);
	(void)udrv_readl(other);
}
END_TEST

START_TEST(a_sent_signal_kills_by_default)
{
	char *bar = map_bar(0);

	handle_by(SIG_DFL, NULL, 0);
	ck_assert_int_eq(udrv__guard_add(bar, PAGES * page, gone, &gone_calls), 0);
	raise(SIGBUS);
}
END_TEST

START_TEST(a_one_shot_handler_is_called_once_and_then_the_fault_kills)
{
	char *bar = map_bar(0);
	char *other = map_bar(0);

	handle_by(count_only, NULL, (int)SA_RESETHAND);
	ck_assert_int_eq(udrv__guard_add(bar, PAGES * page, gone, &gone_calls), 0);
	(void)udrv_readl(other);
}
END_TEST

START_TEST(the_table_grows)
{
	enum { RANGES = 150 };
	char *bars[RANGES];

	for (size_t i = 0; i < RANGES; i++) {
		bars[i] = map_bar(0);
		ck_assert_int_eq(udrv__guard_add(bars[i], PAGES * page, gone, &gone_calls), 0);
	}
	for (size_t i = 0; i < RANGES; i++) {
		ck_assert_uint_eq(udrv_readl(bars[i]), 0xffffffff);
		udrv__guard_remove(bars[i]);
		munmap(bars[i], PAGES * page);
	}
	ck_assert_int_eq(atomic_load(&gone_calls), RANGES);
}
END_TEST

START_TEST(bad_and_overlapping_ranges_are_refused)
{
	char *bar = map_bar(PAGES);

	ck_assert_int_eq(udrv__guard_add(NULL, page, gone, NULL), -EINVAL);
	ck_assert_int_eq(udrv__guard_add(bar, 0, gone, NULL), -EINVAL);
	ck_assert_int_eq(udrv__guard_add(bar + 8, page, gone, NULL), -EINVAL);
	ck_assert_int_eq(udrv__guard_add(bar, SIZE_MAX, gone, NULL), -EINVAL);
	ck_assert_int_eq(udrv__guard_add(bar + page, 2 * page, gone, NULL), 0);
	ck_assert_int_eq(udrv__guard_add(bar, PAGES * page, gone, NULL), -EEXIST);
	ck_assert_int_eq(udrv__guard_add(bar + 2 * page, page, gone, NULL), -EEXIST);
	ck_assert_int_eq(udrv__guard_add(bar, page, gone, NULL), 0);
	ck_assert_int_eq(udrv__guard_add(bar + 3 * page, page, gone, NULL), 0);
	udrv__guard_remove(bar + page);
	ck_assert_int_eq(udrv__guard_add(bar + 2 * page, page, gone, NULL), 0);
}
END_TEST

#define THREADS 4
#define ROUNDS	50

static char *shared_bar;
static pthread_barrier_t go;

static void *read_all(void *arg)
{
	(void)arg;
	for (int round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&go);
		for (size_t i = 0; i < PAGES * page; i += 64)
			if (udrv_raw_readq(shared_bar + i) != UINT64_MAX)
				return shared_bar + i;
		pthread_barrier_wait(&go);
	}
	return NULL;
}

START_TEST(threads_that_fault_together_all_read_ones)
{
	pthread_t threads[THREADS];
	void *wrong;

	pthread_barrier_init(&go, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, read_all, NULL), 0);
	for (int round = 0; round < ROUNDS; round++) {
		shared_bar = map_bar(0);
		ck_assert_int_eq(udrv__guard_add(shared_bar, PAGES * page, gone, &gone_calls), 0);
		pthread_barrier_wait(&go);
		pthread_barrier_wait(&go);
		udrv__guard_remove(shared_bar);
		munmap(shared_bar, PAGES * page);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &wrong);
		ck_assert_ptr_null(wrong);
	}
	ck_assert_int_ge(atomic_load(&gone_calls), (intmax_t)PAGES * ROUNDS);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("guard");
	TCase *tc = tcase_create("guard");

	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, a_read_of_a_gone_page_is_all_ones);
	tcase_add_test(tc, a_write_to_a_gone_page_goes_on);
	tcase_add_test(tc, pages_that_are_still_there_keep_their_content);
	tcase_add_test(tc, a_fault_elsewhere_goes_to_the_former_siginfo_handler);
	tcase_add_test(tc, a_fault_elsewhere_goes_to_the_former_plain_handler);
	tcase_add_test(tc, a_guard_that_was_removed_no_longer_answers);
	tcase_add_test(tc, a_sent_signal_goes_to_the_former_handler);
	tcase_add_test(tc, only_faults_of_absence_are_ours);
	tcase_add_test(tc, a_sent_signal_that_was_ignored_is_ignored);
	tcase_add_test_raise_signal(tc, a_fault_elsewhere_kills_by_default, SIGBUS);
	tcase_add_test_raise_signal(tc, a_sent_signal_kills_by_default, SIGBUS);
	tcase_add_test_raise_signal(tc, a_one_shot_handler_is_called_once_and_then_the_fault_kills,
				    SIGBUS);
	tcase_add_test(tc, the_table_grows);
	tcase_add_test(tc, bad_and_overlapping_ranges_are_refused);
	tcase_add_test(tc, threads_that_fault_together_all_read_ones);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

// SPDX-License-Identifier: MIT
/* A verb's data, without a daemon: where it comes from and what ends the waiting. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/daemon.h"

#include "support/suite.h"

#define MORE_THAN_A_PIPE (1 << 20)

static const struct udrv_verb takes = {"take", NULL, "", NULL, UDRV_VERB_DATA_IN};
static const struct udrv_verb takes_fw = {"fw", NULL, "", NULL,
					  UDRV_VERB_DATA_IN | UDRV_VERB_DATA_FW};
static const struct udrv_verb gives = {"give", NULL, "", NULL, UDRV_VERB_DATA_OUT};
static const struct udrv_verb neither = {"neither", NULL, "", NULL, 0};

static int stop_fd, client[2], data[2];
static unsigned char buf[MORE_THAN_A_PIPE];

static void setup(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	stop_fd = eventfd(0, 0);
	ck_assert_int_ge(stop_fd, 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, client), 0);
	ck_assert_int_eq(pipe(data), 0);
}

static void teardown(void)
{
	udrv__verb_end();
	close(stop_fd);
	close(client[0]);
	close(client[1]);
	close(data[0]);
	close(data[1]);
}

static void begin(int data_fd)
{
	const struct udrv__verb_call call = {stop_fd, client[0], data_fd};

	udrv__verb_begin(&call);
}

START_TEST(without_a_call_there_is_no_data_and_no_end)
{
	ck_assert_int_eq(udrv_verb_read(buf, 1), -EBADF);
	ck_assert_int_eq(udrv_verb_write(buf, 1), -EBADF);
	ck_assert(!udrv_verb_cancelled());
}
END_TEST

START_TEST(a_read_takes_all_pieces_until_the_end)
{
	ck_assert_int_eq(write(data[1], "abc", 3), 3);
	begin(data[0]);
	ck_assert_int_eq(udrv_verb_read(buf, 2), 2);
	ck_assert_int_eq(write(data[1], "de", 2), 2);
	close(data[1]);
	ck_assert_int_eq(udrv_verb_read(buf + 2, 100), 3);
	ck_assert_int_eq(memcmp(buf, "abcde", 5), 0);
	ck_assert_int_eq(udrv_verb_read(buf, 1), 0);
	data[1] = dup(data[0]);
}
END_TEST

static void *cancel_by_stop(void *unused)
{
	ck_assert_int_eq(eventfd_write(stop_fd, 1), 0);
	return unused;
}

static void *cancel_by_leaving(void *unused)
{
	ck_assert_int_eq(shutdown(client[1], SHUT_RDWR), 0);
	return unused;
}

static void *(*const ends[])(void *) = {cancel_by_stop, cancel_by_leaving};

START_TEST(a_read_of_nothing_ends_when_nobody_wants_it)
{
	pthread_t thread;

	begin(data[0]);
	ck_assert_int_eq(pthread_create(&thread, NULL, ends[_i], NULL), 0);
	ck_assert_int_eq(udrv_verb_read(buf, 1), -ECANCELED);
	ck_assert(udrv_verb_cancelled());
	pthread_join(thread, NULL);
	udrv__verb_end();
	ck_assert(!udrv_verb_cancelled());
}
END_TEST

START_TEST(a_write_to_a_full_pipe_ends_when_nobody_wants_it)
{
	pthread_t thread;

	begin(data[1]);
	ck_assert_int_eq(pthread_create(&thread, NULL, ends[_i], NULL), 0);
	ck_assert_int_eq(udrv_verb_write(buf, sizeof(buf)), -ECANCELED);
	pthread_join(thread, NULL);
}
END_TEST

static void *drain(void *count)
{
	static unsigned char some[3000];
	ssize_t n;

	while ((n = read(data[0], some, sizeof(some))) > 0)
		*(size_t *)count += (size_t)n;
	return NULL;
}

START_TEST(a_write_waits_for_a_slow_reader)
{
	size_t count = 0;
	pthread_t thread;

	begin(data[1]);
	ck_assert_int_eq(pthread_create(&thread, NULL, drain, &count), 0);
	ck_assert_int_eq(udrv_verb_write(buf, sizeof(buf)), sizeof(buf));
	close(data[1]);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(count, sizeof(buf));
	data[1] = dup(data[0]);
}
END_TEST

START_TEST(a_write_to_a_pipe_that_nobody_reads_fails)
{
	begin(data[1]);
	close(data[0]);
	ck_assert_int_eq(udrv_verb_write(buf, 1), -EPIPE);
	data[0] = dup(data[1]);
}
END_TEST

START_TEST(what_cannot_be_read_or_written_says_so)
{
	begin(data[1]);
	ck_assert_int_eq(udrv_verb_write("", 0), 0);
	/* Readable never, so it is hung up by its reader first. */
	close(data[0]);
	ck_assert_int_eq(udrv_verb_read(buf, 1), -EBADF);
	data[0] = dup(data[1]);
}
END_TEST

/* Which file a verb's arguments name. */

static int open_data(const struct udrv_verb *v, const char *a, const char *b)
{
	char *argv[] = {(char *)(uintptr_t)v->name, (char *)(uintptr_t)a, (char *)(uintptr_t)b,
			NULL};
	int fd = -2;

	ck_assert_int_eq(udrv__verb_data_open(v, b ? 3 : a ? 2 : 1, argv, &fd), 0);
	return fd;
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	ck_assert_int_eq(fstat(a, &x), 0);
	ck_assert_int_eq(fstat(b, &y), 0);
	return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static void check_opened(int fd, int like)
{
	ck_assert_int_ge(fd, 3);
	ck_assert(same_file(fd, like));
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}

START_TEST(the_data_is_what_the_arguments_name)
{
	int zero = open("/dev/zero", O_RDWR);
	int saved = dup(STDIN_FILENO);

	ck_assert_int_ge(zero, 0);
	check_opened(open_data(&takes, "--data=/dev/zero", NULL), zero);
	check_opened(open_data(&takes, "--data", "/dev/zero"), zero);
	check_opened(open_data(&gives, "-d", "/dev/zero"), zero);
	check_opened(open_data(&gives, NULL, NULL), STDOUT_FILENO);
	check_opened(open_data(&gives, "--data=-", NULL), STDOUT_FILENO);
	ck_assert_int_eq(dup2(zero, STDIN_FILENO), STDIN_FILENO);
	check_opened(open_data(&takes, NULL, NULL), zero);
	check_opened(open_data(&takes, "--data-size", "5"), zero);
	check_opened(open_data(&takes, "-d", "-"), zero);
	check_opened(open_data(&takes_fw, "--fw=/dev/zero", NULL), zero);
	check_opened(open_data(&takes_fw, "--fw", "/dev/zero"), zero);
	check_opened(open_data(&takes_fw, "-f", "/dev/zero"), zero);
	ck_assert_int_eq(open_data(&neither, "-d", "/dev/zero"), -1);
	close(STDIN_FILENO);
	ck_assert_int_eq(open_data(&takes, NULL, NULL), -1);
	ck_assert_int_eq(dup2(saved, STDIN_FILENO), STDIN_FILENO);
	close(saved);
	close(zero);
}
END_TEST

START_TEST(a_file_that_cannot_be_opened_is_an_error)
{
	char name[] = "take", file[] = "--data=/no/such/file";
	char *argv[] = {name, file, NULL};
	int fd = -2;

	ck_assert_int_eq(udrv__verb_data_open(&takes, 2, argv, &fd), -ENOENT);
	ck_assert_int_eq(udrv__verb_data_open(&gives, 2, argv, &fd), -ENOENT);
	ck_assert_int_eq(fd, -1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("verb");
	TCase *tc = tcase_create("data");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, without_a_call_there_is_no_data_and_no_end);
	tcase_add_test(tc, a_read_takes_all_pieces_until_the_end);
	tcase_add_loop_test(tc, a_read_of_nothing_ends_when_nobody_wants_it, 0, 2);
	tcase_add_loop_test(tc, a_write_to_a_full_pipe_ends_when_nobody_wants_it, 0, 2);
	tcase_add_test(tc, a_write_waits_for_a_slow_reader);
	tcase_add_test(tc, a_write_to_a_pipe_that_nobody_reads_fails);
	tcase_add_test(tc, what_cannot_be_read_or_written_says_so);
	tcase_add_test(tc, the_data_is_what_the_arguments_name);
	tcase_add_test(tc, a_file_that_cannot_be_opened_is_an_error);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

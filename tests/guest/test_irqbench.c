// SPDX-License-Identifier: MIT
/*
 * kernel/udrv_irqbench.c as a user sees it: every argument that it must refuse, every wait that
 * must end, and the device taken away in the middle. Runs in the lab, as root, with an edu device
 * whose address is the first in UDRV_LAB_DEVICES; the second one there is anything but edu.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "../../kernel/uapi/udrv_irqbench.h"
#include "support/suite.h"

#define PATIENCE_S 60 /* for any machine under load */
#define TRIES	   5  /* of a read that times out: a machine may lose its CPUs for so long */

static char edu[32], other[32], node[64];

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static int set_override(const char *device, const char *driver)
{
	char path[96];

	(void)snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override", device);
	return write_text(path, driver);
}

static bool bound(const char *device)
{
	char path[96];

	(void)snprintf(path, sizeof(path), "/sys/bus/pci/drivers/udrv_irqbench/%s", device);
	return !access(path, F_OK);
}

static void bind_to_us(const char *device)
{
	ck_assert_int_eq(set_override(device, "udrv_irqbench"), 0);
	(void)write_text("/sys/bus/pci/drivers_probe", device);
}

static int unbind(const char *device)
{
	return write_text("/sys/bus/pci/drivers/udrv_irqbench/unbind", device);
}

static void setup(void)
{
	bind_to_us(edu);
	ck_assert(bound(edu));
}

static void teardown(void)
{
	(void)unbind(edu);
	(void)set_override(edu, "\n");
}

static int open_node(void)
{
	int fd = open(node, O_RDWR | O_CLOEXEC);

	ck_assert_msg(fd >= 0, "%s: %s", node, strerror(errno));
	return fd;
}

static int set_mode(int fd, uint32_t mode)
{
	struct udrv_irqbench_setup s = {.abi = UDRV_IRQBENCH_ABI, .mode = mode};

	return ioctl(fd, UDRV_IRQBENCH_SETUP, &s) ? -errno : 0;
}

static struct udrv_irqbench_run good_run(uint64_t *samples, uint32_t count)
{
	return (struct udrv_irqbench_run){.abi = UDRV_IRQBENCH_ABI,
					  .count = count,
					  .deadline_ms = 1000,
					  .samples = (uintptr_t)samples};
}

static int run(int fd, const struct udrv_irqbench_run *run)
{
	struct udrv_irqbench_run copy = *run;

	return ioctl(fd, UDRV_IRQBENCH_RUN, &copy) ? -errno : 0;
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

START_TEST(binds_by_override_only)
{
	ck_assert_int_eq(unbind(edu), 0);
	ck_assert_int_eq(set_override(edu, "\n"), 0);
	(void)write_text("/sys/bus/pci/drivers_probe", edu);
	ck_assert(!bound(edu));
}
END_TEST

START_TEST(refuses_a_device_that_is_not_edu)
{
	ck_assert_msg(other[0], "the lab was started with one device only");
	bind_to_us(other);
	ck_assert(!bound(other));
	ck_assert_int_eq(set_override(other, "\n"), 0);
}
END_TEST

START_TEST(opens_once)
{
	int fd = open_node();

	ck_assert_int_eq(open(node, O_RDWR), -1);
	ck_assert_int_eq(errno, EBUSY);
	close(fd);
	close(open_node());
}
END_TEST

START_TEST(info_tells_mode_and_interrupt)
{
	struct udrv_irqbench_info i = {.abi = UDRV_IRQBENCH_ABI};
	int fd = open_node();

	ck_assert_int_eq(ioctl(fd, UDRV_IRQBENCH_INFO, &i), 0);
	ck_assert_uint_eq(i.mode, UDRV_IRQBENCH_OFF);
	ck_assert_uint_eq(i.irq, 0);
	ck_assert_int_eq(set_mode(fd, UDRV_IRQBENCH_THREAD), 0);
	ck_assert_int_eq(ioctl(fd, UDRV_IRQBENCH_INFO, &i), 0);
	ck_assert_uint_eq(i.mode, UDRV_IRQBENCH_THREAD);
	ck_assert_uint_eq(i.kind, UDRV_IRQBENCH_MSI);
	ck_assert_uint_gt(i.irq, 0);
	ck_assert_uint_gt(i.counter_khz, 0);
	close(fd);
}
END_TEST

START_TEST(info_refuses_other_versions_and_reserved_bits)
{
	struct udrv_irqbench_info i = {.abi = UDRV_IRQBENCH_ABI + 1};
	int fd = open_node();

	ck_assert_int_eq(ioctl(fd, UDRV_IRQBENCH_INFO, &i), -1);
	ck_assert_int_eq(errno, EINVAL);
	i = (struct udrv_irqbench_info){.abi = UDRV_IRQBENCH_ABI, .reserved = 1};
	ck_assert_int_eq(ioctl(fd, UDRV_IRQBENCH_INFO, &i), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(ioctl(fd, UDRV_IRQBENCH_INFO, NULL), -1);
	ck_assert_int_eq(errno, EFAULT);
	close(fd);
}
END_TEST

static const struct udrv_irqbench_setup bad_setups[] = {
	{.abi = 0, .mode = UDRV_IRQBENCH_HARD},
	{.abi = UDRV_IRQBENCH_ABI, .mode = UDRV_IRQBENCH_READ + 1},
	{.abi = UDRV_IRQBENCH_ABI, .mode = UINT32_MAX},
	{.abi = UDRV_IRQBENCH_ABI, .mode = UDRV_IRQBENCH_HARD, .kind = UDRV_IRQBENCH_INTX + 1},
	{.abi = UDRV_IRQBENCH_ABI, .mode = UDRV_IRQBENCH_HARD, .reserved = 1},
};

START_TEST(setup_refuses)
{
	struct udrv_irqbench_setup s = bad_setups[_i];
	int fd = open_node();

	ck_assert_int_eq(ioctl(fd, UDRV_IRQBENCH_SETUP, &s), -1);
	ck_assert_int_eq(errno, EINVAL);
	close(fd);
}
END_TEST

START_TEST(run_refuses_each_bad_field)
{
	uint64_t sample;
	struct udrv_irqbench_run good = good_run(&sample, 1), bad[10];
	int fd = open_node(), n = 0;

	for (int i = 0; i < 10; i++)
		bad[i] = good;
	bad[n++].abi = 0;
	bad[n++].count = 0;
	bad[n++].count = UDRV_IRQBENCH_MAX_SAMPLES + 1;
	bad[n++].count = UINT32_MAX;
	bad[n++].gap_ns = UDRV_IRQBENCH_MAX_GAP_NS + 1;
	bad[n++].deadline_ms = 0;
	bad[n++].deadline_ms = UDRV_IRQBENCH_MAX_DEADLINE_MS + 1;
	bad[n++].done = 1;
	bad[n++].lost = 1;
	bad[n++].reserved = 1;
	ck_assert_int_eq(set_mode(fd, UDRV_IRQBENCH_HARD), 0);
	ck_assert_int_eq(run(fd, &good), 0);
	for (int i = 0; i < n; i++)
		ck_assert_msg(run(fd, &bad[i]) == -EINVAL, "field %d was taken", i);
	close(fd);
}
END_TEST

START_TEST(run_faults_on_memory_that_is_not_ours)
{
	static const uint64_t places[] = {0, 8, UINT64_MAX - 7, 0xffffffff80000000, 1ull << 63};
	struct udrv_irqbench_run r;
	int fd = open_node();

	ck_assert_int_eq(set_mode(fd, UDRV_IRQBENCH_HARD), 0);
	for (int i = 0; i < 5; i++) {
		r = good_run(NULL, 3);
		r.samples = places[i];
		ck_assert_int_eq(run(fd, &r), -EFAULT);
	}
	ck_assert_int_eq(ioctl(fd, UDRV_IRQBENCH_RUN, NULL), -1);
	ck_assert_int_eq(errno, EFAULT);
	close(fd);
}
END_TEST

START_TEST(run_and_trigger_need_their_mode)
{
	uint64_t sample;
	struct udrv_irqbench_run r = good_run(&sample, 1);
	int fd = open_node();

	ck_assert_int_eq(run(fd, &r), -EINVAL);
	ck_assert_int_eq(ioctl(fd, UDRV_IRQBENCH_TRIGGER), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(set_mode(fd, UDRV_IRQBENCH_READ), 0);
	ck_assert_int_eq(run(fd, &r), -EINVAL);
	ck_assert_int_eq(set_mode(fd, UDRV_IRQBENCH_HARD), 0);
	ck_assert_int_eq(ioctl(fd, UDRV_IRQBENCH_TRIGGER), -1);
	ck_assert_int_eq(errno, EINVAL);
	close(fd);
}
END_TEST

START_TEST(unknown_requests_are_not_taken)
{
	int fd = open_node();
	char buf[256] = {0};

	ck_assert_int_eq(ioctl(fd, _IO('u', 0xb4), buf), -1);
	ck_assert_int_eq(errno, ENOTTY);
	/* The right number with another size. */
	ck_assert_int_eq(ioctl(fd, _IOC(_IOC_READ | _IOC_WRITE, 'u', 0xb2, 128), buf), -1);
	ck_assert_int_eq(errno, ENOTTY);
	close(fd);
}
END_TEST

static void check_samples(uint32_t mode, uint32_t kind)
{
	struct udrv_irqbench_setup s = {.abi = UDRV_IRQBENCH_ABI, .mode = mode, .kind = kind};
	uint64_t samples[501];
	struct udrv_irqbench_run r = good_run(samples, 500);
	int fd = open_node();

	memset(samples, 0xff, sizeof(samples));
	ck_assert_int_eq(ioctl(fd, UDRV_IRQBENCH_SETUP, &s), 0);
	ck_assert_int_eq(ioctl(fd, UDRV_IRQBENCH_RUN, &r), 0);
	ck_assert_uint_eq(r.done, 500);
	ck_assert_uint_eq(r.lost, 0);
	for (int i = 0; i < 500; i++) {
		ck_assert_uint_gt(samples[i], 0);
		ck_assert_uint_lt(samples[i], 1ull << 40);
	}
	/* Not one more than asked for. */
	ck_assert_uint_eq(samples[500], UINT64_MAX);
	close(fd);
}

START_TEST(samples_by_msi_and_by_intx_in_both_modes)
{
	check_samples(UDRV_IRQBENCH_HARD, UDRV_IRQBENCH_MSI);
	check_samples(UDRV_IRQBENCH_THREAD, UDRV_IRQBENCH_MSI);
	check_samples(UDRV_IRQBENCH_HARD, UDRV_IRQBENCH_INTX);
	check_samples(UDRV_IRQBENCH_THREAD, UDRV_IRQBENCH_INTX);
}
END_TEST

START_TEST(read_returns_the_triggers_stamp)
{
	uint64_t first, second;
	int fd = open_node();

	ck_assert_int_eq(set_mode(fd, UDRV_IRQBENCH_READ), 0);
	ck_assert_int_eq(ioctl(fd, UDRV_IRQBENCH_TRIGGER), 0);
	ck_assert_int_eq(read(fd, &first, sizeof(first)), sizeof(first));
	ck_assert_int_eq(ioctl(fd, UDRV_IRQBENCH_TRIGGER), 0);
	ck_assert_int_eq(read(fd, &second, sizeof(second)), sizeof(second));
	ck_assert_uint_gt(second, first);
	close(fd);
}
END_TEST

START_TEST(read_refuses_what_it_cannot_do)
{
	uint64_t stamp;
	int fd = open_node();

	ck_assert_int_eq(read(fd, &stamp, 8), -1);
	ck_assert_int_eq(errno, EINVAL); /* mode OFF */
	ck_assert_int_eq(set_mode(fd, UDRV_IRQBENCH_READ), 0);
	ck_assert_int_eq(read(fd, &stamp, 7), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	ck_assert_int_eq(read(fd, &stamp, 8), -1);
	ck_assert_int_eq(errno, EAGAIN);
	close(fd);
}
END_TEST

START_TEST(read_ends_by_its_deadline)
{
	double start = seconds();
	uint64_t stamp;
	int fd = open_node();

	ck_assert_int_eq(set_mode(fd, UDRV_IRQBENCH_READ), 0);
	ck_assert_int_eq(read(fd, &stamp, 8), -1);
	ck_assert_int_eq(errno, ETIMEDOUT);
	ck_assert_double_ge(seconds() - start, UDRV_IRQBENCH_READ_MS / 1000.0 - 0.1);
	ck_assert_double_le(seconds() - start, UDRV_IRQBENCH_READ_MS / 1000.0 + PATIENCE_S);
	close(fd);
}
END_TEST

static void on_alarm(int number)
{
	(void)number;
}

/* Again and again: the first may come before that is entered which it is to end. */
static void alarm_each(unsigned int ms)
{
	const struct timeval pause = {ms / 1000, (suseconds_t)(ms % 1000) * 1000};
	struct sigaction action = {.sa_handler = on_alarm};
	struct itimerval timer = {pause, pause};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

START_TEST(a_signal_ends_read_and_run)
{
	uint64_t samples[1000];
	struct udrv_irqbench_run r = good_run(samples, 1000);
	int fd = open_node();
	int ret, tries = TRIES;

	r.gap_ns = UDRV_IRQBENCH_MAX_GAP_NS;
	ck_assert_int_eq(set_mode(fd, UDRV_IRQBENCH_READ), 0);
	alarm_each(100);
	do
		ret = read(fd, samples, 8) < 0 ? -errno : 0;
	while (ret == -ETIMEDOUT && --tries);
	ck_assert_int_eq(ret, -EINTR);
	alarm_each(0);
	ck_assert_int_eq(set_mode(fd, UDRV_IRQBENCH_THREAD), 0);
	alarm_each(250);
	ck_assert_int_eq(run(fd, &r), -EINTR);
	alarm_each(0);
	close(fd);
}
END_TEST

struct waiter {
	pthread_t thread;
	int fd;
	_Atomic pid_t tid;
	uint64_t samples[1000];
	bool in_run;
	int result; /* 0 or negative errno */
};

static void *wait_main(void *arg)
{
	struct waiter *w = arg;
	struct udrv_irqbench_run r = good_run(w->samples, 1000);

	r.gap_ns = UDRV_IRQBENCH_MAX_GAP_NS;
	atomic_store(&w->tid, gettid());
	if (w->in_run)
		w->result = run(w->fd, &r);
	else
		w->result = read(w->fd, w->samples, 8) < 0 ? -errno : 0;
	return NULL;
}

/* Does the thread sleep in read()? */
static bool sleeps_in_read(pid_t tid)
{
	char path[64];
	long number = -1;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
	f = fopen(path, "re");
	ck_assert_ptr_nonnull(f);
	if (fscanf(f, "%ld", &number) != 1)
		number = -1; /* "running" */
	(void)fclose(f);
	return number == SYS_read;
}

static bool is_at_it(struct waiter *w)
{
	const pid_t tid = atomic_load(&w->tid);

	if (w->in_run)
		return __atomic_load_n(&w->samples[0], __ATOMIC_ACQUIRE);
	return tid && sleeps_in_read(tid);
}

/* A thread that waits in read, or that is in run, which has given it a sample. */
static void start_waiter(struct waiter *w, int fd, bool in_run)
{
	*w = (struct waiter){.fd = fd, .in_run = in_run};
	ck_assert_int_eq(set_mode(fd, in_run ? UDRV_IRQBENCH_THREAD : UDRV_IRQBENCH_READ), 0);
	ck_assert_int_eq(pthread_create(&w->thread, NULL, wait_main, w), 0);
	while (!is_at_it(w))
		sched_yield();
}

/* Has it ended by what was done, or is it to be tried again? */
static bool is_decided(struct waiter *w, int *tries)
{
	pthread_join(w->thread, NULL);
	return w->result != -ETIMEDOUT || !--*tries;
}

START_TEST(only_one_thread_reads)
{
	struct waiter w;
	uint64_t stamp;
	int fd = open_node();
	int ret, tries = TRIES;

	do {
		start_waiter(&w, fd, false);
		ret = read(fd, &stamp, 8) < 0 ? -errno : 0;
		ck_assert_int_eq(ioctl(fd, UDRV_IRQBENCH_TRIGGER), 0);
	} while (!is_decided(&w, &tries));
	ck_assert_int_eq(ret, -EBUSY);
	ck_assert_int_eq(w.result, 0);
	close(fd);
}
END_TEST

START_TEST(a_reader_is_woken_when_the_mode_changes)
{
	struct waiter w;
	int fd = open_node(), tries = TRIES;

	do {
		start_waiter(&w, fd, false);
		ck_assert_int_eq(set_mode(fd, UDRV_IRQBENCH_OFF), 0);
	} while (!is_decided(&w, &tries));
	ck_assert_int_eq(w.result, -EINVAL);
	close(fd);
}
END_TEST

static void check_unbind(bool in_run)
{
	struct udrv_irqbench_info i = {.abi = UDRV_IRQBENCH_ABI};
	struct waiter w;
	int fd = -1, tries = TRIES;

	/* By that: else read ends with ETIMEDOUT, and run, after 1,000 pauses, with 0. */
	do {
		if (fd >= 0)
			close(fd);
		bind_to_us(edu);
		fd = open_node();
		start_waiter(&w, fd, in_run);
		ck_assert_int_eq(unbind(edu), 0);
	} while (!is_decided(&w, &tries));
	ck_assert_int_eq(w.result, -ENODEV);
	/* The node is gone, the open file is not. */
	ck_assert_int_ne(access(node, F_OK), 0);
	ck_assert_int_eq(ioctl(fd, UDRV_IRQBENCH_INFO, &i), -1);
	ck_assert_int_eq(errno, ENODEV);
	ck_assert_int_eq(ioctl(fd, UDRV_IRQBENCH_TRIGGER), -1);
	ck_assert_int_eq(errno, ENODEV);
	bind_to_us(edu);
	close(open_node()); /* the new device, while the old file is still open */
	close(fd);
}

START_TEST(unbinding_ends_read_and_run)
{
	check_unbind(false);
	check_unbind(true);
}
END_TEST

START_TEST(the_module_stays_while_its_node_is_open)
{
	int fd = open_node();

	ck_assert_int_eq(syscall(SYS_delete_module, "udrv_irqbench", O_NONBLOCK), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert(bound(edu));
	close(fd);
}
END_TEST

/* Whatever the bits: no crash, no hang, and the kernel's log stays clean (the lab looks). */
START_TEST(random_requests_do_no_harm)
{
	static const unsigned long requests[] = {UDRV_IRQBENCH_INFO, UDRV_IRQBENCH_SETUP,
						 UDRV_IRQBENCH_RUN, UDRV_IRQBENCH_TRIGGER};
	uint64_t samples[8];
	unsigned int seed = 2026;
	int fd = open_node();

	fcntl(fd, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 20000; i++) {
		uint32_t words[12];

		for (int w = 0; w < 12; w++)
			words[w] = (uint32_t)rand_r(&seed) >> (rand_r(&seed) % 32);
		if (rand_r(&seed) % 4) { /* mostly near to what is right */
			words[0] = UDRV_IRQBENCH_ABI;
			words[1] %= 5;
			words[2] %= 3;
			words[3] %= 2;
			memset(words + 6, 0, 24);
			memcpy(words + 4, &(uint64_t *){samples}, 8);
		}
		(void)ioctl(fd, requests[rand_r(&seed) % 4], words);
		(void)!read(fd, samples, 8);
	}
	close(fd);
}
END_TEST

static void *open_and_use(void *arg)
{
	_Atomic bool *finish = arg;
	uint64_t samples[4];
	struct udrv_irqbench_run r = good_run(samples, 4);
	uint32_t mode = 0;

	while (!atomic_load(finish)) {
		int fd = open(node, O_RDWR | O_NONBLOCK);

		if (fd < 0)
			continue;
		(void)set_mode(fd, mode++ % 4);
		(void)run(fd, &r);
		(void)ioctl(fd, UDRV_IRQBENCH_TRIGGER);
		(void)!read(fd, samples, 8);
		close(fd);
	}
	return NULL;
}

START_TEST(binding_and_unbinding_under_use)
{
	_Atomic bool finish = false;
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, open_and_use, &finish), 0);
	for (int i = 0; i < 60; i++) {
		ck_assert_int_eq(unbind(edu), 0);
		bind_to_us(edu);
		ck_assert(bound(edu));
		nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
	}
	atomic_store(&finish, true);
	pthread_join(thread, NULL);
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_test(tc, binds_by_override_only);
	tcase_add_test(tc, refuses_a_device_that_is_not_edu);
	tcase_add_test(tc, opens_once);
	tcase_add_test(tc, info_tells_mode_and_interrupt);
	tcase_add_test(tc, info_refuses_other_versions_and_reserved_bits);
	tcase_add_loop_test(tc, setup_refuses, 0,
			    (int)(sizeof(bad_setups) / sizeof(bad_setups[0])));
	tcase_add_test(tc, run_refuses_each_bad_field);
	tcase_add_test(tc, run_faults_on_memory_that_is_not_ours);
	tcase_add_test(tc, run_and_trigger_need_their_mode);
	tcase_add_test(tc, unknown_requests_are_not_taken);
	tcase_add_test(tc, samples_by_msi_and_by_intx_in_both_modes);
	tcase_add_test(tc, read_returns_the_triggers_stamp);
	tcase_add_test(tc, read_refuses_what_it_cannot_do);
	tcase_add_test(tc, read_ends_by_its_deadline);
	tcase_add_test(tc, a_signal_ends_read_and_run);
	tcase_add_test(tc, only_one_thread_reads);
	tcase_add_test(tc, a_reader_is_woken_when_the_mode_changes);
	tcase_add_test(tc, unbinding_ends_read_and_run);
	tcase_add_test(tc, the_module_stays_while_its_node_is_open);
	tcase_add_test(tc, random_requests_do_no_harm);
	tcase_add_test(tc, binding_and_unbinding_under_use);
}

int main(void)
{
	const char *devices = getenv("UDRV_LAB_DEVICES");
	Suite *s = suite_create("irqbench");
	TCase *tc = tcase_create("irqbench");

	if (!devices || sscanf(devices, "%31s %31s", edu, other) < 1) {
		fprintf(stderr, "test_irqbench: runs in the lab: tools/lab/run --device edu "
				"--device pci-testdev -- test_irqbench\n");
		return EXIT_FAILURE;
	}
	(void)snprintf(node, sizeof(node), "/dev/udrv_irqbench-%s", edu);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);
	add_tests(tc);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

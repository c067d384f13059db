// SPDX-License-Identifier: MIT
/*
 * What kernel/udrv_stub promises when the device or the module goes: nobody is waited for, and
 * everybody hears of it. The device is unbound, removed, unplugged under users who sleep, access
 * registers, have memory that the device writes to, or map and unmap as fast as they can. Runs in
 * the lab, as root; the module is loaded, edu is the first device. With two CPUs there is more to
 * race for.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stub_user.h"
#include "support/suite.h"

#define ROUNDS 20
/* Seconds, for any machine under load: users stay until they are told to leave. */
#define PROMPT	  60.0 /* the device goes within */
#define NOTICE	  60.0 /* all users know within */
#define USERS_MAX 16
#define BYTES	  1024
#define PAGES	  16

#define UNPLUGGED "0000:01:00.0" /* the device with id=victim */

static char edu[32];

/* Of the processes that use the device; shared. */
struct room {
	atomic_uint ready;   /* users at work */
	atomic_uint noticed; /* users that got what was promised */
	atomic_bool leave;   /* close the files */
	atomic_int why;	     /* line of the first disappointment */
};

static struct room *room;
static pid_t users[USERS_MAX];
static unsigned int user_count;

/* Users --------------------------------------------------------------------------------------- */

static void disappointed(int line)
{
	int none = 0;

	(void)atomic_compare_exchange_strong(&room->why, &none, line);
	_exit(1);
}

/* In a user's process: what must be so. */
#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition))                                                                  \
			disappointed(__LINE__);                                                    \
	} while (0)

static sigjmp_buf fault;

static void on_fault(int sig)
{
	siglongjmp(fault, sig);
}

/* Whether @p, which is read again and again, faults within NOTICE. */
static bool comes_to_fault(regs_t *p)
{
	double end = seconds() + NOTICE;

	(void)signal(SIGBUS, on_fault);
	if (sigsetjmp(fault, 1))
		return true;
	while (seconds() < end)
		(void)*p;
	return false;
}

static void at_work(void)
{
	atomic_fetch_add(&room->ready, 1);
}

/* The device is gone, and its files are open until they are to be closed. */
static void noticed(int fd)
{
	struct udrv_stub_info info;

	MUST(read_info(fd, &info) == -ENODEV);
	MUST(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED && errno == ENODEV);
	atomic_fetch_add(&room->noticed, 1);
	while (!atomic_load(&room->leave))
		sleep_ms(1);
}

/* Sleeps until the device asks for it, with an interrupt that never comes. */
static void sleeper(void)
{
	int fd = open_node(edu), request = eventfd(0, EFD_CLOEXEC);

	MUST(fd >= 0);
	MUST(!set_event(fd, UDRV_STUB_EVENT_REQUEST, request));
	at_work();
	MUST(signals(request, -1) == 1);
	noticed(fd);
}

/* Takes interrupts as fast as they come. */
static void interrupted(void)
{
	int fd = open_node(edu), request = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int32_t efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	regs_t *regs = map_regs(fd);
	uint64_t count;

	MUST(regs && !set_event(fd, UDRV_STUB_EVENT_REQUEST, request));
	MUST(!set_irqs(fd, UDRV_STUB_INTX, &efd, 1));
	at_work();
	(void)signal(SIGBUS, on_fault);
	if (!sigsetjmp(fault, 1)) {
		for (;;) {
			put(regs, EDU_IRQ_RAISE, 1);
			if (read(efd, &count, sizeof(count)) != sizeof(count))
				continue;
			put(regs, EDU_IRQ_ACK, 1);
			(void)set_mask(fd, 0, false);
		}
	}
	MUST(signals(request, (int)(NOTICE * 1000)) == 1);
	noticed(fd);
}

/* Is in read() of the UIO node, which tells of the other user's interrupts. */
static void uio_reader(void)
{
	int fd = open_uio(edu);
	int32_t count;

	MUST(fd >= 0);
	at_work();
	while (read(fd, &count, sizeof(count)) == sizeof(count))
		;
	MUST(errno == EIO);
	atomic_fetch_add(&room->noticed, 1);
	while (!atomic_load(&room->leave))
		sleep_ms(1);
}

/* Reads a register of a mapping by the UIO node, whose file is closed. */
static void uio_mapper(void)
{
	int fd = open_uio(edu);
	regs_t *regs = map_regs(fd);

	MUST(regs);
	close(fd);
	at_work();
	MUST(comes_to_fault(regs));
	atomic_fetch_add(&room->noticed, 1);
	while (!atomic_load(&room->leave))
		sleep_ms(1);
}

/* Has the device write to memory, which stays and is the user's own from then on. */
static void transferring(void)
{
	struct udrv_stub_dma_alloc alloc;
	int fd = open_node(edu);
	regs_t *regs = map_regs(fd);
	char *p;

	MUST(regs);
	dma_wait(regs); /* the round before left a transfer under way */
	MUST(!set_master(fd, true));
	MUST(!dma_alloc(fd, PAGES * PAGE, &alloc));
	p = map_dma(fd, &alloc);
	MUST(p);
	for (unsigned int i = BYTES; i < PAGES * PAGE; i++)
		p[i] = (char)(i * 7);
	dma_start(regs, EDU_BUFFER, alloc.bus, BYTES, EDU_DMA_FROM_EDU);
	at_work();
	MUST(comes_to_fault(regs));
	for (unsigned int i = BYTES; i < PAGES * PAGE; i++)
		MUST(p[i] == (char)(i * 7));
	noticed(fd);
	memset(p, 1, PAGES * PAGE);
}

static void touch(char *p, size_t len)
{
	if (p && !sigsetjmp(fault, 1))
		memset(p, 1, len);
	if (p)
		(void)munmap(p, len);
}

/* Maps, touches, unmaps, allocates, claims, frees; all of it may fail at any moment. */
static bool use_once(int fd)
{
	struct udrv_stub_dma_alloc alloc;
	struct udrv_stub_claim c;
	struct udrv_stub_info info;
	regs_t *regs = map_regs(fd);

	(void)claim(fd, UDRV_STUB_CLAIM, (uint64_t)getpid() % PAGE * 8, 8, "user", &c);
	if (!dma_alloc(fd, 2 * PAGE, &alloc)) {
		touch(map_dma(fd, &alloc), 2 * PAGE);
		(void)dma_free(fd, alloc.map_offset);
	}
	if (regs && !sigsetjmp(fault, 1))
		(void)get(regs, EDU_ID);
	if (regs)
		unmap_regs(regs);
	(void)claim(fd, UDRV_STUB_RELEASE, (uint64_t)getpid() % PAGE * 8, 8, NULL, &c);
	return read_info(fd, &info) != -ENODEV;
}

static void busy(void)
{
	int fd = open_node(edu);

	MUST(fd >= 0);
	(void)signal(SIGBUS, on_fault);
	at_work();
	while (use_once(fd))
		;
	noticed(fd);
}

/* Faults on memory of the device all the time. */
static void faulting(void)
{
	struct udrv_stub_dma_alloc alloc;
	int fd = open_node(edu);
	struct udrv_stub_info info;

	MUST(fd >= 0 && !dma_alloc(fd, PAGES * PAGE, &alloc));
	(void)signal(SIGBUS, on_fault);
	at_work();
	do
		touch(map_dma(fd, &alloc), PAGES * PAGE);
	while (read_info(fd, &info) != -ENODEV);
	noticed(fd);
}

/* Opens and closes; ends when it is to leave. */
static void passer_by(void)
{
	(void)signal(SIGBUS, on_fault);
	at_work();
	while (!atomic_load(&room->leave)) {
		int fd = open_node(edu);

		MUST(fd >= 0 || fd == -ENOENT || fd == -ENODEV || fd == -ENXIO);
		if (fd < 0)
			continue;
		(void)use_once(fd);
		close(fd);
		sleep_ms(1);
	}
}

static void start(void (*user)(void))
{
	pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (!child) {
		user();
		_exit(0);
	}
	users[user_count++] = child;
}

static bool reach(atomic_uint *count, unsigned int want, double limit)
{
	double end = seconds() + limit;

	while (atomic_load(count) < want && !atomic_load(&room->why))
		if (seconds() > end)
			return false;
		else
			sleep_ms(1);
	return !atomic_load(&room->why);
}

static void enter(void)
{
	room = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(room != MAP_FAILED);
	user_count = 0;
}

static void expect_ready(void)
{
	ck_assert_msg(reach(&room->ready, user_count, NOTICE), "not all users are at work: line %d",
		      atomic_load(&room->why));
}

static void expect_noticed(void)
{
	ck_assert_msg(reach(&room->noticed, user_count, NOTICE), "%u of %u users noticed: line %d",
		      atomic_load(&room->noticed), user_count, atomic_load(&room->why));
}

static void leave(void)
{
	atomic_store(&room->leave, true);
	for (unsigned int i = 0; i < user_count; i++) {
		int status;

		ck_assert_int_eq(waitpid(users[i], &status, 0), users[i]);
		ck_assert_msg(!status, "user %u: status %#x, line %d", i, status,
			      atomic_load(&room->why));
	}
	(void)munmap(room, PAGE);
}

static void start_all(void)
{
	static void (*const all[])(void) = {
		sleeper, interrupted, uio_reader, uio_mapper, transferring, busy, busy, faulting,
	};

	enter();
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		start(all[i]);
	expect_ready();
}

/* The device ---------------------------------------------------------------------------------- */

static void setup(void)
{
	ck_assert_int_eq(bind_to(edu, "udrv_stub"), 0);
}

/* One interrupt and one transfer each way. */
static void expect_works(void)
{
	struct udrv_stub_dma_alloc alloc;
	int32_t efd = eventfd(0, EFD_CLOEXEC);
	int fd = open_node(edu);
	regs_t *regs;
	char *p;

	ck_assert_int_ge(fd, 0);
	regs = map_regs(fd);
	ck_assert(regs);
	dma_wait(regs);
	put(regs, EDU_IRQ_ACK, get(regs, EDU_IRQ_STATUS));
	ck_assert_int_eq(set_master(fd, true), 0);
	ck_assert_int_eq(set_irqs(fd, UDRV_STUB_MSI, &efd, 1), 0);
	put(regs, EDU_IRQ_RAISE, 1);
	ck_assert_uint_eq(signals(efd, WAIT_MS), 1);
	put(regs, EDU_IRQ_ACK, 1);
	ck_assert_int_eq(dma_alloc(fd, PAGE, &alloc), 0);
	p = map_dma(fd, &alloc);
	ck_assert_ptr_nonnull(p);
	memset(p, 0x5c, BYTES);
	dma_start(regs, alloc.bus, EDU_BUFFER, BYTES, 0);
	dma_wait(regs);
	dma_start(regs, EDU_BUFFER, alloc.bus + BYTES, BYTES, EDU_DMA_FROM_EDU);
	dma_wait(regs);
	ck_assert_mem_eq(p, p + BYTES, BYTES);
	(void)munmap(p, PAGE);
	unmap_regs(regs);
	close(fd);
	close(efd);
}

static double expect_prompt(double start)
{
	double took = seconds() - start;

	ck_assert_msg(took < PROMPT, "it took %.1f s", took);
	return took;
}

START_TEST(unbinding_waits_for_nobody)
{
	double longest = 0;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		double start, took;

		start_all();
		sleep_ms(i % 7);
		start = seconds();
		ck_assert_int_eq(unbind_from(edu, "udrv_stub"), 0);
		took = expect_prompt(start);
		longest = took > longest ? took : longest;
		expect_noticed();
		ck_assert_int_eq(open_node(edu), -ENOENT);
		/* Again, while the old files are open. */
		ck_assert_int_eq(bind_to(edu, "udrv_stub"), 0);
		if (i % 5 == 0)
			expect_works();
		leave();
	}
	printf("unbind under %u users: at most %.0f ms\n", user_count, longest * 1000);
}
END_TEST

static int rmmod(void)
{
	return syscall(SYS_delete_module, "udrv_stub", O_NONBLOCK) ? -errno : 0;
}

static void insert_module(void)
{
	ck_assert_int_eq(system("modprobe udrv_stub"), 0); /* NOLINT(cert-env33-c) */
}

START_TEST(the_module_goes_when_the_last_file_is_closed)
{
	start_all();
	ck_assert_int_eq(rmmod(), -EAGAIN);
	ck_assert_int_eq(unbind_from(edu, "udrv_stub"), 0);
	expect_noticed();
	ck_assert_int_eq(rmmod(), -EAGAIN);
	leave();
	ck_assert_int_eq(rmmod(), 0);
	insert_module();
	ck_assert_int_eq(bind_to(edu, "udrv_stub"), 0);
	expect_works();
	/* Bound, but not in use. */
	ck_assert_int_eq(rmmod(), 0);
	insert_module();
	setup();
}
END_TEST

/* Between two users that open and close all the time there is a moment when it can go. */
START_TEST(the_module_goes_between_users)
{
	for (unsigned int i = 0; i < ROUNDS; i++) {
		double end = seconds() + NOTICE;
		int ret;

		enter();
		start(passer_by);
		start(passer_by);
		expect_ready();
		while ((ret = rmmod()) == -EAGAIN && seconds() < end)
			;
		ck_assert_int_eq(ret, 0);
		leave();
		insert_module();
		setup();
	}
	expect_works();
}
END_TEST

static void device_path(char *path, size_t len, const char *name)
{
	(void)snprintf(path, len, "/sys/bus/pci/devices/%s/%s", edu, name);
}

static bool is_there(void)
{
	char path[128];

	device_path(path, sizeof(path), "vendor");
	return !access(path, F_OK);
}

START_TEST(removing_waits_for_nobody)
{
	char path[128];
	double start;

	for (unsigned int i = 0; i < 5; i++) {
		start_all();
		device_path(path, sizeof(path), "remove");
		start = seconds();
		ck_assert_int_eq(write_text(path, "1"), 0);
		(void)expect_prompt(start);
		ck_assert(!is_there());
		expect_noticed();
		ck_assert_int_eq(write_text("/sys/bus/pci/rescan", "1"), 0);
		ck_assert(is_there());
		ck_assert_int_eq(bind_to(edu, "udrv_stub"), 0);
		expect_works();
		leave();
	}
}
END_TEST

/* The other edu, behind a port, is pulled. */
START_TEST(unplugging_waits_for_nobody)
{
	double start;

	(void)snprintf(edu, sizeof(edu), "%s", UNPLUGGED);
	ck_assert_int_eq(bind_to(edu, "udrv_stub"), 0);
	expect_works();
	start_all();
	start = seconds();
	ck_assert_int_eq(write_text("/dev/lab", "unplug victim\n"), 0);
	expect_noticed();
	while (is_there() && seconds() - start < NOTICE)
		sleep_ms(1);
	ck_assert(!is_there());
	ck_assert_int_eq(open_node(edu), -ENOENT);
	printf("unplugged after %.0f ms\n", (seconds() - start) * 1000);
	leave();
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("stub_removal");
	TCase *tc = tcase_create("stub_removal");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, unbinding_waits_for_nobody);
	tcase_add_test(tc, the_module_goes_when_the_last_file_is_closed);
	tcase_add_test(tc, the_module_goes_between_users);
	tcase_add_test(tc, removing_waits_for_nobody);
	tcase_add_test(tc, unplugging_waits_for_nobody);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	if (!lab_device(0, edu)) {
		(void)fprintf(stderr, "run in the lab: see tests/guest/CMakeLists.txt\n");
		return EXIT_FAILURE;
	}
	return run_suite(make_suite());
}

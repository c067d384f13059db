// SPDX-License-Identifier: MIT
/*
 * What kernel/udrv_stub promises when its users die: a user is killed in the middle of DMA, again
 * and again, and the next one finds a device that works and memory that is its own. edu cannot be
 * reset, so the transfer of the dead user is still under way then. Runs in the lab, as root; the
 * module is loaded, edu is the first device. Much of it waits: made for --icount.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stub_user.h"
#include "support/suite.h"

#define ROUNDS	     200
#define PAGES	     8 /* a user's memory, one by one */
#define CANARY_BYTES (2u << 20)
#define STAMP_AT     (EDU_BUFFER + 2048) /* what the users that die send */
#define STAMP	     0xdd
#define OWN	     0x3c /* what the next user has in its memory */
#define CANARY	     0x77
#define BYTES	     1024

static char edu[32];
static bool translated;

/* Where a user that lives after a killed one has its bus mastering and memory. */
enum user {
	PATIENT,  /* masters when the device is idle; may get the dead user's memory */
	HASTY,	  /* masters at once; has memory of another size */
	HEEDLESS, /* masters at once; may get the dead user's memory */
	USERS,
};

static struct {
	unsigned int running;  /* transfers that were under way at the kill */
	unsigned int received; /* that went to the next user's memory */
} seen;

static unsigned int dice(unsigned int sides)
{
	static uint32_t x = 20260105;

	x = x * 1664525 + 1013904223;
	return (x >> 8) % sides;
}

/* How many bytes of @p are not @want. */
static size_t others(const char *p, size_t len, unsigned char want)
{
	size_t n = 0;

	/* Most often none: as fast as memory. */
	if (len && (unsigned char)p[0] == want && !memcmp(p, p + 1, len - 1))
		return 0;
	for (size_t i = 0; i < len; i++)
		n += (unsigned char)p[i] != want;
	return n;
}

/* The user that dies -------------------------------------------------------------------------- */

/* The registers of a device that transfers to the first of @pages. */
static regs_t *start_transfer(struct udrv_stub_dma_alloc *pages)
{
	int fd = open_node(edu);
	regs_t *regs = fd < 0 ? NULL : map_regs(fd);

	if (!regs || set_master(fd, true))
		_exit(1);
	for (unsigned int i = 0; i < PAGES; i++)
		if (dma_alloc(fd, PAGE, &pages[i]) || !map_dma(fd, &pages[i]))
			_exit(2);
	dma_start(regs, STAMP_AT, pages[0].bus, BYTES, EDU_DMA_FROM_EDU);
	return regs;
}

/* One transfer after the other, two to each page. */
static void transfer_for_ever(int ready)
{
	struct udrv_stub_dma_alloc pages[PAGES];
	regs_t *regs = start_transfer(pages);

	if (write(ready, "", 1) != 1)
		_exit(3);
	for (unsigned int i = 1;; i++) {
		dma_wait(regs);
		dma_start(regs, STAMP_AT, pages[i / 2 % PAGES].bus, BYTES, EDU_DMA_FROM_EDU);
	}
}

static pid_t start_user(void)
{
	int ready[2];
	pid_t child;
	char byte;

	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	child = fork();
	if (!child)
		transfer_for_ever(ready[1]);
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return child;
}

static void expect_killed(pid_t child)
{
	int status;

	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* The next one -------------------------------------------------------------------------------- */

/* Memory that was just freed is most likely found here. */
static char *make_canary(void)
{
	char *p = mmap(NULL, CANARY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);

	ck_assert(p != MAP_FAILED);
	memset(p, CANARY, CANARY_BYTES);
	return p;
}

/*
 * @p is full of @want. A heedless user may find what the dead one sent, no more; at any time, so
 * that it may lack what was written meanwhile.
 */
static void expect_only(enum user user, const char *p, size_t size, unsigned char want)
{
	size_t sent = others(p, BYTES, want);

	ck_assert_uint_eq(others(p + BYTES, size - BYTES, want), 0);
	if (!sent)
		return;
	ck_assert_msg(user == HEEDLESS, "the next user's memory was changed");
	ck_assert_msg(others(p, BYTES, STAMP) == BYTES - sent, "it was changed to something else");
	seen.received++;
}

static unsigned int alloc_own(int fd, enum user user, struct udrv_stub_dma_alloc *allocs, char **p)
{
	unsigned int n = user == HASTY ? 1 : PAGES;

	for (unsigned int i = 0; i < n; i++) {
		ck_assert_int_eq(dma_alloc(fd, user == HASTY ? 2 * PAGE : PAGE, &allocs[i]), 0);
		p[i] = map_dma(fd, &allocs[i]);
		ck_assert_ptr_nonnull(p[i]);
		expect_only(user, p[i], allocs[i].size, 0);
		memset(p[i], OWN, allocs[i].size);
	}
	return n;
}

static void expect_transfers(regs_t *regs, uint64_t bus, char *p)
{
	for (unsigned int i = 0; i < BYTES; i++)
		p[i] = (char)dice(256);
	dma_start(regs, bus, EDU_BUFFER, BYTES, 0);
	dma_wait(regs);
	dma_start(regs, EDU_BUFFER, bus + BYTES, BYTES, EDU_DMA_FROM_EDU);
	dma_wait(regs);
	ck_assert_mem_eq(p, p + BYTES, BYTES);
}

static void next_user(enum user user)
{
	struct udrv_stub_dma_alloc allocs[PAGES];
	char *own[PAGES], *canary;
	int fd = open_node(edu);
	unsigned int n;
	regs_t *regs;

	ck_assert_int_ge(fd, 0);
	if (user != PATIENT)
		ck_assert_int_eq(set_master(fd, true), 0);
	regs = map_regs(fd);
	ck_assert(regs);
	seen.running += dma_runs(regs);
	canary = make_canary();
	n = alloc_own(fd, user, allocs, own);
	dma_wait(regs);
	ck_assert_uint_eq(others(canary, CANARY_BYTES, CANARY), 0);
	/* The device has come to rest since. */
	for (unsigned int i = 0; i < n; i++)
		expect_only(user, own[i], allocs[i].size, OWN);
	if (user == PATIENT)
		ck_assert_int_eq(set_master(fd, true), 0);
	expect_transfers(regs, allocs[n - 1].bus, own[n - 1]);
	for (unsigned int i = 0; i < n; i++)
		ck_assert_int_eq(munmap(own[i], allocs[i].size), 0);
	ck_assert_int_eq(munmap(canary, CANARY_BYTES), 0);
	unmap_regs(regs);
	close(fd);
}

static void load_stamp(void)
{
	struct udrv_stub_dma_alloc alloc;
	struct udrv_stub_info info;
	int fd = open_node(edu);
	regs_t *regs;
	char *p;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(read_info(fd, &info), 0);
	translated = info.flags & UDRV_STUB_TRANSLATED;
	regs = map_regs(fd);
	ck_assert(regs);
	dma_wait(regs);
	ck_assert_int_eq(set_master(fd, true), 0);
	ck_assert_int_eq(dma_alloc(fd, PAGE, &alloc), 0);
	p = map_dma(fd, &alloc);
	ck_assert_ptr_nonnull(p);
	memset(p, STAMP, BYTES);
	dma_start(regs, alloc.bus, STAMP_AT, BYTES, 0);
	dma_wait(regs);
	close(fd);
	(void)munmap(p, PAGE);
	unmap_regs(regs);
}

static void setup(void)
{
	ck_assert_int_eq(bind_to(edu, "udrv_stub"), 0);
	load_stamp();
}

START_TEST(a_user_killed_during_dma_hurts_nobody)
{
	for (unsigned int i = 0; i < ROUNDS; i++) {
		pid_t child = start_user();

		sleep_ms(dice(230));
		ck_assert_int_eq(kill(child, SIGKILL), 0);
		expect_killed(child);
		next_user(i % USERS);
	}
	printf("%u rounds: %u with a transfer under way, of which %u went to the next user\n",
	       ROUNDS, seen.running, seen.received);
	ck_assert_uint_ge(seen.running, ROUNDS * 3 / 4);
}
END_TEST

/* A user that lives, and breaks the rule that its device does not use what it frees. */
START_TEST(memory_freed_during_dma_is_out_of_reach)
{
	struct udrv_stub_dma_alloc alloc;
	int fd = open_node(edu);
	regs_t *regs = map_regs(fd);
	char *canary, *p;

	ck_assert(regs);
	if (!translated)
		return; /* nothing can be promised */
	ck_assert_int_eq(set_master(fd, true), 0);
	for (unsigned int i = 0; i < 20; i++) {
		ck_assert_int_eq(dma_alloc(fd, PAGE, &alloc), 0);
		p = map_dma(fd, &alloc);
		ck_assert_ptr_nonnull(p);
		/* The IOMMU has the page in its cache then. */
		dma_start(regs, STAMP_AT, alloc.bus, BYTES, EDU_DMA_FROM_EDU);
		dma_wait(regs);
		dma_start(regs, STAMP_AT, alloc.bus, BYTES, EDU_DMA_FROM_EDU);
		sleep_ms(90 + i % 10);
		ck_assert_int_eq(munmap(p, PAGE), 0);
		ck_assert_int_eq(dma_free(fd, alloc.map_offset), 0);
		canary = make_canary();
		dma_wait(regs);
		ck_assert_uint_eq(others(canary, CANARY_BYTES, CANARY), 0);
		ck_assert_int_eq(munmap(canary, CANARY_BYTES), 0);
	}
	close(fd);
}
END_TEST

/* Out of memory ------------------------------------------------------------------------------- */

#define GROUPS "/tmp/groups"
#define GROUP  GROUPS "/small"

static void make_group(void)
{
	ck_assert_int_eq(mkdir(GROUPS, 0700), 0);
	ck_assert_int_eq(mount("none", GROUPS, "cgroup2", 0, NULL), 0);
	ck_assert_int_eq(write_text(GROUPS "/cgroup.subtree_control", "+memory"), 0);
	ck_assert_int_eq(mkdir(GROUP, 0700), 0);
	ck_assert_int_eq(write_text(GROUP "/memory.max", "16M"), 0);
}

/* With a transfer under way, more memory than there is. */
static void eat(void)
{
	struct udrv_stub_dma_alloc pages[PAGES];

	if (write_text(GROUP "/cgroup.procs", "0"))
		_exit(3);
	(void)start_transfer(pages);
	for (;;)
		(void)mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
}

START_TEST(a_user_that_memory_runs_out_for_hurts_nobody)
{
	make_group();
	for (unsigned int i = 0; i < USERS; i++) {
		pid_t child = fork();

		if (!child)
			eat();
		expect_killed(child);
		next_user(i);
	}
	ck_assert_uint_eq(seen.running, USERS);
	ck_assert_int_eq(rmdir(GROUP), 0);
	ck_assert_int_eq(umount(GROUPS), 0);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("stub_death");
	TCase *tc = tcase_create("killed");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, a_user_killed_during_dma_hurts_nobody);
	tcase_add_test(tc, a_user_that_memory_runs_out_for_hurts_nobody);
	suite_add_tcase(s, tc);
	tc = tcase_create("alive");
	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, memory_freed_during_dma_is_out_of_reach);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	if (!lab_device(0, edu)) {
		(void)fprintf(stderr, "run in the lab: tools/lab/run --icount --device edu -- sh "
				      "/udrv/tests/test_stub_death.sh\n");
		return EXIT_FAILURE;
	}
	return run_suite(make_suite());
}

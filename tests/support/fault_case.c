// SPDX-License-Identifier: MIT
/* Fail step k, and what the process holds meanwhile. */
#include <ctype.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <check.h>

#include <udrv/log.h>

#include "support/entries.h"
#include "support/fault.h"
#include "support/fault_blocks.h"

#define CALLS_MAX 500

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* Any thread logs. */
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char log_lines[4096];
static unsigned int log_errors;

static void keep_line(void *ctx, int level, const char *line)
{
	size_t len;

	(void)ctx;
	pthread_mutex_lock(&log_lock);
	len = strlen(log_lines);
	(void)snprintf(log_lines + len, sizeof(log_lines) - len, "%s\n", line);
	log_errors += level <= UDRV_LOG_ERR;
	pthread_mutex_unlock(&log_lock);
}

void fault_log_clear(void)
{
	pthread_mutex_lock(&log_lock);
	log_lines[0] = 0;
	log_errors = 0;
	pthread_mutex_unlock(&log_lock);
	udrv_log_set(keep_line, NULL, UDRV_LOG_DEBUG);
}

static bool is_explained(void)
{
	bool explained;

	pthread_mutex_lock(&log_lock);
	explained = log_errors > 0;
	pthread_mutex_unlock(&log_lock);
	return explained;
}

bool fault_logged(const char *part)
{
	bool found;

	pthread_mutex_lock(&log_lock);
	found = strstr(log_lines, part) != NULL;
	pthread_mutex_unlock(&log_lock);
	return found;
}

const char *fault_log_text(void)
{
	return log_lines;
}

/*
 * A thread that calls malloc() first while all arenas are in use makes another, of 64 MiB, which
 * stays: it would depend on who was paused where, and look like what a case has left.
 */
__attribute__((constructor)) static void have_one_arena(void)
{
	(void)mallopt(M_ARENA_MAX, 1);
}

static bool is_number(const char *name)
{
	return isdigit((unsigned char)name[0]);
}

/* PF_EXITING of Linux include/linux/sched.h, in the ninth field of proc(5)'s stat. */
#define EXITING 0x4u

static bool is_exiting(const char *tid)
{
	unsigned int flags = 0;
	char path[64], line[512];
	const char *rest;
	FILE *stat;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%s/stat", tid);
	stat = fopen(path, "re");
	if (!stat)
		return true;
	rest = fgets(line, sizeof(line), stat) ? strrchr(line, ')') : NULL;
	(void)fclose(stat);
	return !rest || sscanf(rest, ") %*c %*d %*d %*d %*d %*d %u", &flags) != 1 ||
	       flags & EXITING;
}

/* A thread that has been joined is still an entry for a while, but says that it exits. */
static bool is_thread(const char *name)
{
	return is_number(name) && !is_exiting(name);
}

/* Without the heap, which grows, and without the stack. Bytes rather than lines: neighbours merge.
 */
static size_t count_mapped(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long first;
	unsigned long end;
	char line[512];
	size_t sum = 0;

	ck_assert_ptr_nonnull(maps);
	while (fgets(line, sizeof(line), maps))
		if (!strchr(line, '[') && sscanf(line, "%lx-%lx", &first, &end) == 2)
			sum += end - first;
	(void)fclose(maps);
	return sum;
}

void fault_held(struct fault_held *held)
{
	held->fds = count_entries("/proc/self/fd", is_number);
	held->threads = count_entries("/proc/self/task", is_thread);
	held->blocks = fault_blocks_count();
	held->mapped = SANITIZED ? 0 : count_mapped();
}

static void *no_work(void *arg)
{
	return arg;
}

void fault_start_thread_once(void)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, no_work, NULL), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

bool fault_held_again(const struct fault_held *before, struct fault_held *now)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	for (int tries = 0; tries < 60000; tries++) {
		fault_held(now);
		if (!before->mapped)
			now->mapped = 0;
		if (!memcmp(before, now, sizeof(*now)))
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

static void must_hold(const struct fault_held *before, const char *when, unsigned int k,
		      const char *failed)
{
	struct fault_held now = {0};

	ck_assert_msg(fault_held_again(before, &now),
		      "%s, call %u (%s): held %d fds %d threads %zu blocks %zu bytes mapped, now "
		      "%d %d %zu %zu",
		      when, k, failed, before->fds, before->threads, before->blocks, before->mapped,
		      now.fds, now.threads, now.blocks, now.mapped);
}

static bool absorbed(const struct fault_case *c, const char *failed)
{
	char word[64];

	(void)snprintf(word, sizeof(word), " %s ", failed);
	return c->absorbs && strstr(c->absorbs, word);
}

static void works(const struct fault_case *c, const char *when, unsigned int k, const char *failed)
{
	int ret = c->step(c->ctx);

	ck_assert_msg(ret >= 0, "%s, call %u (%s): %s; log: %s", when, k, failed, strerror(-ret),
		      log_lines);
	c->undo(c->ctx);
}

/* One run in which the k-th call fails; false when there is no such call. */
static bool fail_call(const struct fault_case *c, unsigned int k, const struct fault_held *before)
{
	const char *failed;
	int ret;

	fault_log_clear();
	fault_arm(k);
	ret = c->step(c->ctx);
	failed = fault_disarm();
	if (ret >= 0)
		c->undo(c->ctx);
	if (!failed) {
		ck_assert_int_ge(ret, 0);
		return false;
	}
	ck_assert_msg(ret < 0 || absorbed(c, failed), "call %u (%s) failed, and nobody noticed", k,
		      failed);
	ck_assert_msg(ret >= 0 || c->silent || is_explained(),
		      "call %u (%s) failed with %s, and no line says why", k, failed,
		      strerror(-ret));
	must_hold(before, "after a failure", k, failed);
	works(c, "again after a failure", k, failed);
	must_hold(before, "after the second try", k, failed);
	return true;
}

void fault_check(const struct fault_case *c)
{
	struct fault_held before = {0};
	unsigned int k = 1;

	fault_log_clear();
	/* What is made once and stays: stacks that libc keeps, the fault guard's handler. */
	works(c, "at first", 0, "none");
	works(c, "once more", 0, "none");
	fault_held(&before);
	while (fail_call(c, k, &before)) {
		k++;
		ck_assert_uint_lt(k, CALLS_MAX);
	}
	ck_assert_msg(k > c->fewest, "%u calls, at least %u were expected", k - 1, c->fewest);
}

/* SPDX-License-Identifier: MIT */
/*
 * Calls of the code under test that acquire something: counted, made to fail, or redirected. The
 * linker routes them here (--wrap, target udrv_fault). And what the process holds, to compare.
 */
#ifndef TESTS_SUPPORT_FAULT_H
#define TESTS_SUPPORT_FAULT_H

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <check.h>

/* From now on calls count, in every thread; the k-th (from 1) fails once, as it really might. */
void fault_arm(unsigned int k);
/* The nth call (from 1) of that name fails once with err. */
void fault_arm_call(const char *name, unsigned int nth, int err);
/* No more. The name of the call that failed, or NULL if it was not reached. */
const char *fault_disarm(void);

/* What the process holds. */
struct fault_held {
	int fds;
	int threads;
	size_t blocks; /* of memory, allocated by the code under test */
	/* Bytes of mappings. 0 where it is not looked at: under a sanitizer, which maps as it
	 * likes, and by tests that start threads once, whose stacks libc keeps. */
	size_t mapped;
};

void fault_held(struct fault_held *held);
/* With its first thread a process may get another one, which stays (of the thread sanitizer). */
void fault_start_thread_once(void);
/* The same again, at the latest after a minute: rings end a little after they are told. */
bool fault_held_again(const struct fault_held *before, struct fault_held *now);

/*
 * Fail step k: for each k until nothing fails any more, the k-th call of step() fails. Then
 * step() must have failed too and hold nothing, and must work when it is called again.
 */
struct fault_case {
	/* 0 or a count, or negative errno: then all its outs are untouched, which it checks itself.
	 */
	int (*step)(void *ctx);
	void (*undo)(void *ctx);
	void *ctx;
	/* Names with spaces around, as " pread eventfd ": step() may succeed although one of them
	 * failed. */
	const char *absorbs;
	unsigned int fewest; /* calls that step() makes at least: with less, nothing was tested */
	bool silent; /* failures are not logged; otherwise there is at least one line for each */
};

void fault_check(const struct fault_case *c);

/* In a step, instead of Check's assertions: those allocate memory, which would count. */
#define FAULT_MUST(cond)                                                                           \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			(void)fault_disarm();                                                      \
			ck_abort_msg("%s", #cond);                                                 \
		}                                                                                  \
	} while (0)

/* What a log line since fault_log_clear() says; the harness's sink keeps the last lines. */
void fault_log_clear(void);
bool fault_logged(const char *part);
const char *fault_log_text(void);

/*
 * Redirection, for devices that are not there. Each returns whether it took the call; then
 * *ret is the result, or negative errno.
 */
struct fault_hooks {
	bool (*open)(const char *path, int *ret);
	bool (*ioctl)(int fd, unsigned long request, void *arg, int *ret);
	bool (*socket)(int domain, int type, int protocol, int *ret);
	bool (*bind)(int fd, int *ret);
	bool (*send)(int fd, const void *buf, size_t len, int *ret);
	bool (*mmap)(int fd, size_t len, off_t offset, int *ret); /* to refuse one: *ret < 0 */
	void (*munmap)(void *addr, size_t len);
	unsigned int (*memfd)(unsigned int flags);		      /* other flags instead */
	void (*access)(int fd, size_t len, off_t offset, bool write); /* pread, pwrite */
	int (*refuse)(int fd, size_t len, off_t offset, bool write);  /* likewise: errno, or 0 */
	void (*close)(int fd);
	void (*syscalled)(long nr); /* syscall() returned */
	/* A ring is about to be submitted, or just was: its submissions may be changed before. */
	void (*ring)(struct io_uring *ring);
	void (*ring_exit)(struct io_uring *ring); /* it ends */
};

void fault_set_hooks(const struct fault_hooks *hooks);

#endif

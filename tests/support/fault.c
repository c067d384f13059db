// SPDX-License-Identifier: MIT
/* The wrapped calls. What is not made to fail and not redirected goes where it always went. */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "support/fault.h"
#include "support/fault_blocks.h"

static struct {
	bool armed;
	unsigned int left; /* calls until the one that fails */
	const char *name;  /* only calls of that name, or NULL */
	int err;	   /* with name */
	const char *failed;
} plan;
static pthread_mutex_t plan_lock = PTHREAD_MUTEX_INITIALIZER;

static void lock_plan(void)
{
	pthread_mutex_lock(&plan_lock);
}

static void unlock_plan(void)
{
	pthread_mutex_unlock(&plan_lock);
}

/* A child must not find it locked by a thread that it does not have. */
__attribute__((constructor)) static void watch_forks(void)
{
	(void)pthread_atfork(lock_plan, unlock_plan, unlock_plan);
}

static struct fault_hooks hooks;

void fault_set_hooks(const struct fault_hooks *h)
{
	hooks = *h;
}

static void arm(unsigned int k, const char *name, int err)
{
	pthread_mutex_lock(&plan_lock);
	plan.armed = k;
	plan.left = k;
	plan.name = name;
	plan.err = err;
	plan.failed = NULL;
	pthread_mutex_unlock(&plan_lock);
}

void fault_arm(unsigned int k)
{
	arm(k, NULL, 0);
}

void fault_arm_call(const char *name, unsigned int nth, int err)
{
	arm(nth, name, err);
}

const char *fault_disarm(void)
{
	const char *failed;

	pthread_mutex_lock(&plan_lock);
	plan.armed = false;
	failed = plan.failed;
	pthread_mutex_unlock(&plan_lock);
	return failed;
}

/* The errno of this call if it is the one that fails, else 0. No usual_err: it fails only by name.
 */
static int fails(const char *name, int usual_err)
{
	int err = 0;

	pthread_mutex_lock(&plan_lock);
	if (plan.armed && (plan.name ? !strcmp(plan.name, name) : usual_err) && !--plan.left) {
		err = plan.name ? plan.err : usual_err;
		plan.failed = name;
		plan.armed = false;
	}
	pthread_mutex_unlock(&plan_lock);
	return err;
}

/* A call with its real counterpart; the parentheses keep macros of the same name out. */
#define WRAPPED(type, name, params)                                                                \
	type __real_##name params;                                                                 \
	type __wrap_##name params;                                                                 \
	type __wrap_##name params

#define FAIL_ERRNO(name, usual_err, result)                                                        \
	do {                                                                                       \
		int err_ = fails(name, usual_err);                                                 \
		if (err_) {                                                                        \
			errno = err_;                                                              \
			return result;                                                             \
		}                                                                                  \
	} while (0)

/* Memory. */

WRAPPED(void *, malloc, (size_t size))
{
	FAIL_ERRNO("malloc", ENOMEM, NULL);
	return fault_blocks_add(__real_malloc(size));
}

WRAPPED(void *, calloc, (size_t n, size_t size))
{
	FAIL_ERRNO("calloc", ENOMEM, NULL);
	return fault_blocks_add(__real_calloc(n, size));
}

WRAPPED(int, posix_memalign, (void **p, size_t align, size_t size))
{
	int err = fails("posix_memalign", ENOMEM);

	if (!err)
		err = __real_posix_memalign(p, align, size);
	if (!err)
		(void)fault_blocks_add(*p);
	return err;
}

WRAPPED(void *, realloc, (void *old, size_t size))
{
	void *p;

	FAIL_ERRNO("realloc", ENOMEM, NULL);
	/* Out of the table before another thread can be given the same address. */
	fault_blocks_remove(old);
	p = __real_realloc(old, size);
	return fault_blocks_add(p);
}

WRAPPED(void, free, (void *p))
{
	fault_blocks_remove(p);
	__real_free(p);
}

WRAPPED(void *, mmap, (void *addr, size_t len, int prot, int flags, int fd, off_t offset))
{
	int ret = 0;

	FAIL_ERRNO("mmap", ENOMEM, MAP_FAILED);
	if (hooks.mmap && hooks.mmap(fd, len, offset, &ret)) {
		errno = -ret;
		return MAP_FAILED;
	}
	return __real_mmap(addr, len, prot, flags, fd, offset);
}

WRAPPED(int, munmap, (void *addr, size_t len))
{
	if (hooks.munmap)
		hooks.munmap(addr, len);
	return __real_munmap(addr, len);
}

/* Descriptors. */

WRAPPED(int, open, (const char *path, int flags, ...))
{
	va_list args;
	mode_t mode;
	int ret;

	FAIL_ERRNO("open", EMFILE, -1);
	if (hooks.open && hooks.open(path, &ret)) {
		if (ret < 0)
			errno = -ret;
		return ret < 0 ? -1 : ret;
	}
	va_start(args, flags);
	mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, mode_t) : 0;
	va_end(args);
	return __real_open(path, flags, mode);
}

WRAPPED(int, close, (int fd))
{
	if (hooks.close)
		hooks.close(fd);
	return __real_close(fd);
}

WRAPPED(int, ioctl, (int fd, unsigned long request, ...))
{
	va_list args;
	void *arg;
	int ret;

	FAIL_ERRNO("ioctl", ENOMEM, -1);
	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (hooks.ioctl && hooks.ioctl(fd, request, arg, &ret)) {
		if (ret < 0)
			errno = -ret;
		return ret < 0 ? -1 : ret;
	}
	return __real_ioctl(fd, request, arg);
}

static bool is_refused(int fd, size_t len, off_t offset, bool write)
{
	int err = hooks.refuse ? hooks.refuse(fd, len, offset, write) : 0;

	if (err)
		errno = err;
	return err != 0;
}

WRAPPED(ssize_t, pread, (int fd, void *buf, size_t len, off_t offset))
{
	FAIL_ERRNO("pread", EIO, -1);
	if (hooks.access)
		hooks.access(fd, len, offset, false);
	if (is_refused(fd, len, offset, false))
		return -1;
	return __real_pread(fd, buf, len, offset);
}

WRAPPED(ssize_t, pwrite, (int fd, const void *buf, size_t len, off_t offset))
{
	FAIL_ERRNO("pwrite", EIO, -1);
	if (hooks.access)
		hooks.access(fd, len, offset, true);
	if (is_refused(fd, len, offset, true))
		return -1;
	return __real_pwrite(fd, buf, len, offset);
}

/* Waits of workers and control threads are reads as well: they fail only by name. */
WRAPPED(ssize_t, read, (int fd, void *buf, size_t len))
{
	FAIL_ERRNO("read", 0, -1);
	return __real_read(fd, buf, len);
}

/* Those of a worker on the way of each interrupt. */
WRAPPED(long, syscall, (long nr, long a, long b, long c, long d, long e, long f))
{
	long ret;

	if (nr == SYS_read)
		FAIL_ERRNO("read", 0, -1);
	ret = __real_syscall(nr, a, b, c, d, e, f);
	if (hooks.syscalled)
		hooks.syscalled(nr);
	return ret;
}

/* The rest: fail, or go on. */

#define WRAP_ERRNO(type, name, usual_err, result, params, args)                                    \
	WRAPPED(type, name, params)                                                                \
	{                                                                                          \
		FAIL_ERRNO(#name, usual_err, result);                                              \
		return __real_##name args;                                                         \
	}

WRAP_ERRNO(int, eventfd, EMFILE, -1, (unsigned int init, int flags), (init, flags))
WRAP_ERRNO(int, epoll_create1, EMFILE, -1, (int flags), (flags))
WRAP_ERRNO(int, epoll_ctl, ENOSPC, -1, (int epfd, int op, int fd, void *ev), (epfd, op, fd, ev))
WRAP_ERRNO(int, listen, ENOBUFS, -1, (int fd, int backlog), (fd, backlog))
WRAP_ERRNO(int, timerfd_create, EMFILE, -1, (int clock, int flags), (clock, flags))
WRAP_ERRNO(int, signalfd, EMFILE, -1, (int fd, const sigset_t *mask, int flags), (fd, mask, flags))
WRAP_ERRNO(int, flock, ENOLCK, -1, (int fd, int op), (fd, op))
WRAP_ERRNO(int, ftruncate, EIO, -1, (int fd, off_t len), (fd, len))
WRAP_ERRNO(int, inotify_init1, EMFILE, -1, (int flags), (flags))
WRAP_ERRNO(int, inotify_add_watch, ENOSPC, -1, (int fd, const char *path, uint32_t mask),
	   (fd, path, mask))
WRAP_ERRNO(int, posix_openpt, ENOSPC, -1, (int flags), (flags))
WRAP_ERRNO(int, symlink, ENOSPC, -1, (const char *target, const char *path), (target, path))
WRAP_ERRNO(int, mkdir, ENOSPC, -1, (const char *path, mode_t mode), (path, mode))
WRAP_ERRNO(int, sigaction, EINVAL, -1,
	   (int sig, const struct sigaction *act, struct sigaction *old), (sig, act, old))
WRAP_ERRNO(ssize_t, readlink, EIO, -1, (const char *path, char *buf, size_t len), (path, buf, len))
WRAP_ERRNO(FILE *, open_memstream, ENOMEM, NULL, (char **text, size_t *len), (text, len))

WRAPPED(int, memfd_create, (const char *name, unsigned int flags))
{
	FAIL_ERRNO("memfd_create", ENOMEM, -1);
	return __real_memfd_create(name, hooks.memfd ? hooks.memfd(flags) : flags);
}

/* What a hook took. */
static int result(int ret)
{
	if (ret < 0)
		errno = -ret;
	return ret < 0 ? -1 : ret;
}

WRAPPED(int, socket, (int domain, int type, int protocol))
{
	int ret;

	FAIL_ERRNO("socket", EMFILE, -1);
	if (hooks.socket && hooks.socket(domain, type, protocol, &ret))
		return result(ret);
	return __real_socket(domain, type, protocol);
}

WRAPPED(int, bind, (int fd, const struct sockaddr *addr, socklen_t len))
{
	int ret;

	FAIL_ERRNO("bind", EACCES, -1);
	if (hooks.bind && hooks.bind(fd, &ret))
		return result(ret);
	return __real_bind(fd, addr, len);
}

WRAPPED(ssize_t, send, (int fd, const void *buf, size_t len, int flags))
{
	int ret;

	FAIL_ERRNO("send", 0, -1);
	if (hooks.send && hooks.send(fd, buf, len, &ret))
		return result(ret);
	return __real_send(fd, buf, len, flags);
}

WRAPPED(int, fcntl, (int fd, int cmd, ...))
{
	va_list args;
	void *arg;

	FAIL_ERRNO("fcntl", EINVAL, -1);
	va_start(args, cmd);
	arg = va_arg(args, void *);
	va_end(args);
	return __real_fcntl(fd, cmd, arg);
}

/* These return what went wrong. */

WRAPPED(int, posix_fallocate, (int fd, off_t offset, off_t len))
{
	int err = fails("posix_fallocate", ENOSPC);

	return err ? err : __real_posix_fallocate(fd, offset, len);
}

WRAPPED(int, pthread_create,
	(pthread_t * thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg))
{
	int err = fails("pthread_create", EAGAIN);

	return err ? err : __real_pthread_create(thread, attr, start, arg);
}

WRAPPED(int, io_uring_queue_init_params,
	(unsigned int entries, struct io_uring *ring, struct io_uring_params *params))
{
	int err = fails("io_uring_queue_init_params", ENOMEM);

	return err ? -err : __real_io_uring_queue_init_params(entries, ring, params);
}

static void at_ring(struct io_uring *ring)
{
	if (hooks.ring)
		hooks.ring(ring);
}

WRAPPED(int, io_uring_submit, (struct io_uring * ring))
{
	int err = fails("io_uring_submit", EAGAIN);
	int ret;

	if (err)
		return -err;
	at_ring(ring);
	ret = __real_io_uring_submit(ring);
	at_ring(ring);
	return ret;
}

/* Those that wait fail only by name. */

WRAPPED(int, io_uring_submit_and_wait, (struct io_uring * ring, unsigned int wait_for))
{
	int err = fails("io_uring_submit_and_wait", 0);
	int ret;

	at_ring(ring);
	ret = err ? -err : __real_io_uring_submit_and_wait(ring, wait_for);
	at_ring(ring);
	return ret;
}

WRAPPED(int, io_uring_submit_and_wait_timeout,
	(struct io_uring * ring, struct io_uring_cqe **cqe, unsigned int wait_for,
	 struct __kernel_timespec *ts, sigset_t *mask))
{
	int err = fails("io_uring_submit_and_wait_timeout", 0);
	int ret;

	at_ring(ring);
	ret = err ? -err : __real_io_uring_submit_and_wait_timeout(ring, cqe, wait_for, ts, mask);
	at_ring(ring);
	return ret;
}

WRAPPED(int, io_uring_submit_and_get_events, (struct io_uring * ring))
{
	int err = fails("io_uring_submit_and_get_events", 0);
	int ret;

	at_ring(ring);
	ret = err ? -err : __real_io_uring_submit_and_get_events(ring);
	at_ring(ring);
	return ret;
}

WRAPPED(void, io_uring_queue_exit, (struct io_uring * ring))
{
	if (hooks.ring_exit)
		hooks.ring_exit(ring);
	__real_io_uring_queue_exit(ring);
}

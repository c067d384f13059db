// SPDX-License-Identifier: MIT
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io/gate.h"
#include "io/guard.h"

#define CHUNK_RANGES 32
#define KEY	     1

struct range {
	struct udrv__gate gate; /* open while guarded; the handler reads the rest inside */
	uintptr_t base;
	size_t len;
	void (*gone)(void *ctx);
	void *ctx;
	bool used; /* under lock */
};

/* Grows by whole chunks that are never freed, so that the handler may walk it at any time. */
struct chunk {
	struct range ranges[CHUNK_RANGES];
	struct chunk *_Atomic next;
};

/* One table and one handler in a process, because it has one disposition of SIGBUS. */
static struct chunk first_chunk;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool installed;	 /* under lock */
static size_t page_size; /* set before the handler is installed */
static struct sigaction former;
static atomic_int former_spent; /* SA_RESETHAND: it has had its one call */

static struct chunk *next_chunk(struct chunk *c)
{
	return atomic_load_explicit(&c->next, memory_order_acquire);
}

/*
 * Puts a page of all ones over the one at addr. It is prepared elsewhere and moved, so that no
 * other thread sees it half filled. The three calls are bare system calls in every libc.
 */
static bool replace_page(uintptr_t addr)
{
	void *target = (void *)(addr & ~(page_size - 1));
	void *page =
		mmap(NULL, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return false;
	memset(page, 0xff, page_size);
	if (mremap(page, page_size, page_size, MREMAP_MAYMOVE | MREMAP_FIXED, target) != MAP_FAILED)
		return true;
	munmap(page, page_size);
	return false;
}

static bool handle_in(struct range *r, uintptr_t addr)
{
	bool done = false;

	if (!udrv__gate_enter(&r->gate, KEY))
		return false;
	if (addr - r->base < r->len) {
		if (r->gone)
			r->gone(r->ctx);
		done = replace_page(addr);
	}
	udrv__gate_leave(&r->gate);
	return done;
}

static bool handle(uintptr_t addr)
{
	for (struct chunk *c = &first_chunk; c; c = next_chunk(c))
		for (size_t i = 0; i < CHUNK_RANGES; i++)
			if (handle_in(&c->ranges[i], addr))
				return true;
	return false;
}

/* As if we had never been there: a fault happens again at once, a sent signal is sent again. */
static void default_action(int sig, bool sent)
{
	struct sigaction dfl;

	memset(&dfl, 0, sizeof(dfl));
	dfl.sa_handler = SIG_DFL;
	sigaction(sig, &dfl, NULL);
	if (sent)
		raise(sig);
}

static bool takes_default(bool sent)
{
	if (former.sa_flags & (int)SA_RESETHAND)
		return atomic_exchange(&former_spent, 1);
	if (former.sa_flags & SA_SIGINFO)
		return false;
	/* A fault cannot be ignored: the kernel kills in spite of SIG_IGN. */
	return former.sa_handler == SIG_DFL || (former.sa_handler == SIG_IGN && !sent);
}

static void pass_on(int sig, siginfo_t *info, void *context)
{
	bool sent = info->si_code <= 0;

	if (takes_default(sent))
		default_action(sig, sent);
	else if (former.sa_flags & SA_SIGINFO)
		former.sa_sigaction(sig, info, context);
	else if (former.sa_handler != SIG_IGN)
		former.sa_handler(sig);
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	int saved_errno = errno;
	/* Misaligned accesses and memory errors would only fault again; si_addr of a sent signal
	 * means nothing. */
	bool ours = (info->si_code == BUS_ADRERR || info->si_code == BUS_OBJERR) &&
		    handle((uintptr_t)info->si_addr);

	errno = saved_errno;
	if (!ours)
		pass_on(sig, info, context);
}

/* With the former handler's mask, because it may run inside ours. Under lock. */
static int install(void)
{
	struct sigaction sa;

	if (installed)
		return 0;
	page_size = (size_t)sysconf(_SC_PAGESIZE);
	if (sigaction(SIGBUS, NULL, &former))
		return -errno;
	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = on_sigbus;
	sa.sa_mask = former.sa_mask;
	sa.sa_flags = SA_SIGINFO | SA_ONSTACK | (former.sa_flags & (SA_RESTART | SA_NODEFER));
	if (sigaction(SIGBUS, &sa, NULL))
		return -errno;
	installed = true;
	return 0;
}

static bool overlaps(const struct range *r, uintptr_t base, size_t len)
{
	return r->used && base < r->base + r->len && r->base < base + len;
}

/* A free entry, or NULL; sets *taken if a guarded range overlaps. Under lock. */
static struct range *find_free(uintptr_t base, size_t len, struct chunk **last, bool *taken)
{
	struct range *unused = NULL;

	for (struct chunk *c = &first_chunk; c; c = next_chunk(c)) {
		*last = c;
		for (size_t i = 0; i < CHUNK_RANGES; i++) {
			if (overlaps(&c->ranges[i], base, len))
				*taken = true;
			if (!c->ranges[i].used && !unused)
				unused = &c->ranges[i];
		}
	}
	return unused;
}

static struct range *grow(struct chunk *last)
{
	struct chunk *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	atomic_store_explicit(&last->next, c, memory_order_release);
	return &c->ranges[0];
}

static int add_locked(uintptr_t base, size_t len, void (*gone)(void *ctx), void *ctx)
{
	struct chunk *last = NULL;
	bool taken = false;
	struct range *r;
	int err = install();

	if (err)
		return err;
	if (base & (page_size - 1))
		return -EINVAL;
	r = find_free(base, len, &last, &taken);
	if (taken)
		return -EEXIST;
	if (!r)
		r = grow(last);
	if (!r)
		return -ENOMEM;
	r->base = base;
	r->len = len;
	r->gone = gone;
	r->ctx = ctx;
	r->used = true;
	udrv__gate_open(&r->gate, KEY);
	return 0;
}

int udrv__guard_add(void *base, size_t len, void (*gone)(void *ctx), void *ctx)
{
	int err;

	if (!base || !len || (uintptr_t)base + len < (uintptr_t)base)
		return -EINVAL;
	pthread_mutex_lock(&lock);
	err = add_locked((uintptr_t)base, len, gone, ctx);
	pthread_mutex_unlock(&lock);
	return err;
}

void udrv__guard_remove(void *base)
{
	pthread_mutex_lock(&lock);
	for (struct chunk *c = &first_chunk; c; c = next_chunk(c)) {
		for (size_t i = 0; i < CHUNK_RANGES; i++) {
			struct range *r = &c->ranges[i];

			if (!r->used || r->base != (uintptr_t)base)
				continue;
			udrv__gate_close(&r->gate, KEY);
			r->used = false;
		}
	}
	pthread_mutex_unlock(&lock);
}

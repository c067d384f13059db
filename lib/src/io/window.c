// SPDX-License-Identifier: MIT
/* The table of windows, and the way of one access through it. */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <udrv/log.h>

#include "io/gate.h"
#include "io/window.h"

#define OFFSET_BITS 48
#define OFFSET_MASK ((UINT64_C(1) << OFFSET_BITS) - 1)
#define LEN_MAX	    (UINT64_C(1) << (OFFSET_BITS - 1))
#define KEY_COOKIE  0x8000u /* bit 63 of the cookie */
#define IDS	    0x8000u

struct window {
	struct udrv__gate gate;
	const struct udrv__io_window_ops *ops;
	void *ctx;
	uint64_t len;
	_Atomic uint64_t errors;
	bool used; /* under table_lock */
} __attribute__((aligned(64)));

/* Shared by all devices of the process, since a cookie is all that an accessor has. */
static struct window table[UDRV__IO_WINDOWS];
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t next_id;

static uint16_t cookie_key(const volatile void __udrv_iomem *addr)
{
	return (uint16_t)((uintptr_t)addr >> OFFSET_BITS);
}

static uint64_t cookie_offset(const volatile void __udrv_iomem *addr)
{
	return (uintptr_t)addr & OFFSET_MASK;
}

static struct window *cookie_window(const volatile void __udrv_iomem *addr)
{
	return &table[cookie_key(addr) % UDRV__IO_WINDOWS];
}

/* A free slot by the id whose turn it is; under table_lock. */
static struct window *take_slot(uint16_t *key)
{
	for (uint32_t tries = 0; tries <= UDRV__IO_WINDOWS; tries++) {
		uint32_t id = next_id++ % IDS;
		struct window *w = &table[id % UDRV__IO_WINDOWS];

		/* Just below id 0 are no cookies, and a slip to there would be a real load. */
		if (w->used || !id)
			continue;
		w->used = true;
		*key = (uint16_t)(KEY_COOKIE | id);
		return w;
	}
	return NULL;
}

int udrv__io_window_add(const struct udrv__io_window_ops *ops, void *ctx, uint64_t len,
			void __udrv_iomem **cookie_out)
{
	struct window *w;
	uint16_t key;

	if (!len || len > LEN_MAX)
		return -EINVAL;

	pthread_mutex_lock(&table_lock);
	w = take_slot(&key);
	pthread_mutex_unlock(&table_lock);
	if (!w)
		return -ENOSPC;

	w->ops = ops;
	w->ctx = ctx;
	w->len = len;
	atomic_store_explicit(&w->errors, 0, memory_order_relaxed);
	udrv__gate_open(&w->gate, key);
	*cookie_out = (void __udrv_iomem *)((uintptr_t)key << OFFSET_BITS);
	return 0;
}

void udrv__io_window_remove(void __udrv_iomem *cookie)
{
	struct window *w = cookie_window(cookie);

	if (!udrv__io_is_cookie(cookie) || !udrv__gate_close(&w->gate, cookie_key(cookie)))
		return;
	pthread_mutex_lock(&table_lock);
	w->used = false;
	pthread_mutex_unlock(&table_lock);
}

uint64_t udrv__io_window_errors(const void __udrv_iomem *cookie)
{
	struct window *w = cookie_window(cookie);
	uint64_t errors = 0;

	if (udrv__io_is_cookie(cookie) && udrv__gate_enter(&w->gate, cookie_key(cookie))) {
		errors = atomic_load_explicit(&w->errors, memory_order_relaxed);
		udrv__gate_leave(&w->gate);
	}
	return errors;
}

static void count_error(struct window *w, const char *what, uint64_t offset, unsigned int size,
			int err)
{
	if (atomic_fetch_add_explicit(&w->errors, 1, memory_order_relaxed))
		return;
	udrv_pr_warn("registers (window of %#llx bytes): %u-byte %s at offset %#llx failed: %s; "
		     "reads give all ones, writes are dropped; check the offset, and that the "
		     "device is still there (said once per window)",
		     (unsigned long long)w->len, size, what, (unsigned long long)offset,
		     strerror(-err));
}

static bool inside(const struct window *w, uint64_t offset, unsigned int size)
{
	return size <= w->len && offset <= w->len - size;
}

uint64_t udrv__io_read(const volatile void __udrv_iomem *addr, unsigned int size)
{
	struct window *w = cookie_window(addr);
	uint64_t offset = cookie_offset(addr);
	uint64_t value = 0;
	int err = -ERANGE;

	if (!udrv__gate_enter(&w->gate, cookie_key(addr)))
		return ~UINT64_C(0);
	if (inside(w, offset, size))
		err = w->ops->read(w->ctx, offset, size, &value);
	if (err) {
		count_error(w, "read", offset, size, err);
		value = ~UINT64_C(0);
	}
	udrv__gate_leave(&w->gate);
	udrv_dma_consume();
	return value;
}

void udrv__io_write(volatile void __udrv_iomem *addr, unsigned int size, uint64_t value)
{
	struct window *w = cookie_window(addr);
	uint64_t offset = cookie_offset(addr);
	int err = -ERANGE;

	udrv_dma_publish();
	if (!udrv__gate_enter(&w->gate, cookie_key(addr)))
		return;
	if (inside(w, offset, size))
		err = w->ops->write(w->ctx, offset, size, value);
	if (err)
		count_error(w, "write", offset, size, err);
	udrv__gate_leave(&w->gate);
}

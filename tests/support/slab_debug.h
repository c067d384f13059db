/* SPDX-License-Identifier: MIT */
/* Caches that are made to complain. */
#ifndef TESTS_SUPPORT_SLAB_DEBUG_H
#define TESTS_SUPPORT_SLAB_DEBUG_H

#include <stdlib.h>

#include <udrv/slab.h>

#include "mem/slab_debug.h"

#include "support/fault.h"

#define ALL UDRV__SLAB_MODES

static inline void debug_set_up(void)
{
	/* The sanitizer would end the program before the library looks. */
	udrv__slab_checkers = false;
	ck_assert_int_eq(unsetenv("UDRV_SLAB_DEBUG"), 0);
	fault_log_clear();
}

static inline struct udrv_kmem_cache *make(const char *name, size_t size, unsigned int flags)
{
	struct udrv_kmem_cache *cache =
		udrv_kmem_cache_create(NULL, name, size, 0, flags, NULL, NULL);

	ck_assert_ptr_nonnull(cache);
	return cache;
}

static inline unsigned char *take(struct udrv_kmem_cache *cache)
{
	unsigned char *p = udrv_kmem_cache_alloc(cache, UDRV_GFP_KERNEL);

	ck_assert_ptr_nonnull(p);
	return p;
}

static inline void write_byte(void *p, ptrdiff_t offset, int byte)
{
	((volatile unsigned char *)p)[offset] = (unsigned char)byte;
}

static inline void expect(const char *part)
{
	ck_assert_msg(fault_logged(part), "no '%s' in: %s", part, fault_log_text());
}

static inline void expect_silence(void)
{
	ck_assert_str_eq(fault_log_text(), "");
}

/* Nothing else is to say. */
static inline void end(struct udrv_kmem_cache *cache)
{
	fault_log_clear();
	ck_assert_int_eq(udrv_kmem_cache_destroy(cache), 0);
	expect_silence();
}

#endif

// SPDX-License-Identifier: MIT
/* Who had an object, and reports of what was done to it. Nothing here needs a lock. */
#include <dlfcn.h>
#include <link.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <unwind.h>

#include <udrv/kmalloc.h>
#include <udrv/log.h>

#include "mem/slab_debug.h"

#define OWN_FRAMES 8 /* at most, before those of the library's caller */
#define LINE	   440

static __thread int32_t thread_id;

/* Where a trace begins is behind the last of these. */
static const void *const own[] = {
	(const void *)udrv_kmem_cache_alloc,
	(const void *)udrv_kmem_cache_zalloc,
	(const void *)udrv_kmem_cache_alloc_bulk,
	(const void *)udrv_kmem_cache_free,
	(const void *)udrv_kmem_cache_free_bulk,
	(const void *)udrv__depot_alloc,
	(const void *)udrv__depot_free,
	(const void *)udrv__slab_debug_alloc,
	(const void *)udrv__slab_debug_free,
	(const void *)udrv__slab_track_now,
	(const void *)udrv__slab_alloc_slowly,
	(const void *)udrv__slab_free_slowly,
	(const void *)udrv__kmalloc,
	(const void *)udrv_kmalloc_node,
	(const void *)udrv_kfree,
	(const void *)udrv_krealloc,
	(const void *)udrv_kmemdup,
	(const void *)udrv_kstrdup,
};

struct trace {
	void **frames;
	int count;
	int seen;
};

static bool is_own(uintptr_t function)
{
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if ((uintptr_t)own[i] == function)
			return true;
	return false;
}

static _Unwind_Reason_Code add_frame(struct _Unwind_Context *ctx, void *arg)
{
	struct trace *trace = arg;

	if (trace->seen++ < OWN_FRAMES && is_own((uintptr_t)_Unwind_GetRegionStart(ctx))) {
		trace->count = 0;
		return _URC_NO_REASON;
	}
	trace->frames[trace->count++] = (void *)(uintptr_t)_Unwind_GetIP(ctx);
	return trace->count < UDRV__SLAB_FRAMES ? _URC_NO_REASON : _URC_END_OF_STACK;
}

void udrv__slab_track_thread(void)
{
	if (!thread_id)
		thread_id = gettid();
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void udrv__slab_track_now(struct udrv__slab_track *track)
{
	struct trace trace = {.frames = track->frames};

	track->when_ns = now_ns();
	track->tid = thread_id;
	track->cpu = sched_getcpu();
	(void)_Unwind_Backtrace(add_frame, &trace);
	if (trace.count < UDRV__SLAB_FRAMES)
		trace.frames[trace.count] = NULL;
}

void udrv__slab_track_ready(void)
{
	struct udrv__slab_track track;

	udrv__slab_track_now(&track);
}

/* Adds to a line as long as there is room. */
static void __attribute__((format(printf, 2, 3))) add(char *line, const char *fmt, ...)
{
	size_t len = strlen(line);
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(line + len, LINE - len, fmt, args);
	va_end(args);
}

/* A return address: symbol+0x12 (file), or (file+0x1234) for addr2line. */
static void add_site(char *line, void *frame)
{
	const char *pc = (const char *)frame - 1;
	struct link_map *map = NULL;
	const char *slash;
	Dl_info info;

	if (!dladdr1(pc, &info, (void **)&map, RTLD_DL_LINKMAP) || !info.dli_fname) {
		add(line, "%p", frame);
		return;
	}
	slash = strrchr(info.dli_fname, '/');
	if (slash)
		info.dli_fname = slash + 1;
	if (info.dli_sname)
		add(line, "%s+0x%tx (%s)", info.dli_sname,
		    (const char *)frame - (const char *)info.dli_saddr, info.dli_fname);
	else
		add(line, "(%s+0x%tx)", info.dli_fname,
		    (ptrdiff_t)((uintptr_t)frame - (map ? map->l_addr : 0)));
}

static void report_track(const struct udrv_kmem_cache *cache, const char *what,
			 const struct udrv__slab_track *track)
{
	char line[LINE] = "";
	uint64_t ago_ms;

	if (!track->when_ns)
		return;
	ago_ms = (now_ns() - track->when_ns) / 1000000;
	add(line, "%s by thread ", what);
	if (track->tid)
		add(line, "%d", track->tid);
	else
		add(line, "?");
	add(line, ", CPU %d, %llu.%03u s ago:", track->cpu, (unsigned long long)ago_ms / 1000,
	    (unsigned int)(ago_ms % 1000));
	for (int i = 0; i < UDRV__SLAB_FRAMES && track->frames[i]; i++) {
		add(line, i ? " < " : " ");
		add_site(line, track->frames[i]);
	}
	udrv_pr_err("cache %s:   %s", cache->name, line);
}

static void report_bytes(const struct udrv_kmem_cache *cache,
			 const struct udrv__slab_finding *found)
{
	char line[LINE] = "";

	for (size_t i = 0; i < found->span && i < sizeof(found->seen); i++)
		add(line, " %02x", found->seen[i]);
	udrv_pr_err("cache %s:   bytes %td to %td: seen%s%s, expected %02x", cache->name,
		    found->offset, found->offset + (ptrdiff_t)found->span - 1, line,
		    found->span > sizeof(found->seen) ? " ..." : "", found->expected);
}

static void report_pointer(const struct udrv_kmem_cache *cache,
			   const struct udrv__slab_finding *found)
{
	char owner[sizeof(cache->name)];

	if (found->object)
		udrv_pr_err("cache %s:   it is %td bytes behind the start of object %p",
			    cache->name, (const char *)found->pointer - (const char *)found->object,
			    found->object);
	else if (udrv__slab_name_owner(found->pointer, owner))
		udrv_pr_err("cache %s:   it is in a slab of cache %s", cache->name, owner);
}

void udrv__slab_report(const struct udrv_kmem_cache *cache, const struct udrv__slab_finding *found)
{
	bool is_object = found->object == found->pointer;

	if (is_object && found->object)
		udrv_pr_err("cache %s: %s: object %p of %zu bytes", cache->name, found->what,
			    found->object, cache->object_size);
	else
		udrv_pr_err("cache %s: %s: pointer %p", cache->name, found->what, found->pointer);
	if (found->span)
		report_bytes(cache, found);
	if (!is_object)
		report_pointer(cache, found);
	report_track(cache, "now", &found->now);
	report_track(cache, "allocated", &found->tracks[0]);
	report_track(cache, "freed", &found->tracks[1]);
	udrv_pr_err("cache %s:   %s", cache->name, found->done);
}

void udrv__slab_report_site(const struct udrv_kmem_cache *cache, uint64_t objects, void *frame)
{
	char line[LINE] = "";

	add_site(line, frame);
	udrv_pr_err("cache %s:   %llu objects from %s", cache->name, (unsigned long long)objects,
		    line);
}

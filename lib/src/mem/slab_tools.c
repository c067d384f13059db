// SPDX-License-Identifier: MIT
/*
 * What memcheck (Valgrind) and the address sanitizer are told of objects. The sanitizer's calls are
 * there when the program is built with it, whether or not the library is.
 */
#include "mem/slab_debug.h"

#if defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#define HAS_MEMCHECK 1
#endif
#endif

#ifndef HAS_MEMCHECK
#define VALGRIND_MAKE_MEM_DEFINED(p, size)		 0
#define VALGRIND_MAKE_MEM_NOACCESS(p, size)		 0
#define VALGRIND_MALLOCLIKE_BLOCK(p, size, red, defined) ((void)(defined))
#define VALGRIND_FREELIKE_BLOCK(p, red)			 ((void)0)
#define VALGRIND_RESIZEINPLACE_BLOCK(p, was, size, red)	 ((void)0)
#endif

#define WEAK __attribute__((weak, visibility("default")))

WEAK void __asan_poison_memory_region(const volatile void *p, size_t size);
WEAK void __asan_unpoison_memory_region(const volatile void *p, size_t size);
WEAK void __lsan_register_root_region(const void *p, size_t size);
WEAK void __lsan_unregister_root_region(const void *p, size_t size);

/* Other tools of Valgrind, such as callgrind, answer 0. */
static bool is_memcheck(void)
{
	char byte = 0;

	return VALGRIND_MAKE_MEM_DEFINED(&byte, 1) != 0;
}

bool udrv__slab_tools_there(void)
{
	return __asan_poison_memory_region || is_memcheck();
}

void udrv__slab_tools_open(const void *p, size_t size)
{
	(void)VALGRIND_MAKE_MEM_DEFINED(p, size);
	if (__asan_unpoison_memory_region)
		__asan_unpoison_memory_region(p, size);
}

void udrv__slab_tools_close(const void *p, size_t size)
{
	(void)VALGRIND_MAKE_MEM_NOACCESS(p, size);
	if (__asan_poison_memory_region)
		__asan_poison_memory_region(p, size);
}

/* Objects may hold the only pointer to a block of malloc(). */
void udrv__slab_tools_begin(void *chunk, size_t size)
{
	udrv__slab_tools_open(chunk, size);
	if (__lsan_register_root_region)
		__lsan_register_root_region(chunk, size);
}

void udrv__slab_tools_end(void *chunk, size_t size)
{
	udrv__slab_tools_open(chunk, size);
	if (__lsan_unregister_root_region)
		__lsan_unregister_root_region(chunk, size);
}

void udrv__slab_tools_alloc(void *obj, size_t size, bool defined)
{
	VALGRIND_MALLOCLIKE_BLOCK(obj, size, 0, defined);
	if (__asan_unpoison_memory_region)
		__asan_unpoison_memory_region(obj, size);
}

void udrv__slab_tools_free(void *obj, size_t size)
{
	VALGRIND_FREELIKE_BLOCK(obj, 0);
	if (__asan_poison_memory_region)
		__asan_poison_memory_region(obj, size);
}

void udrv__slab_tools_resize(void *obj, size_t was, size_t size)
{
	char *p = obj;

	VALGRIND_RESIZEINPLACE_BLOCK(obj, was, size, 0);
	if (__asan_poison_memory_region && size < was)
		__asan_poison_memory_region(p + size, was - size);
	if (__asan_unpoison_memory_region && size > was)
		__asan_unpoison_memory_region(p, size);
}

// SPDX-License-Identifier: MIT
/*
 * A free list that threads share, of Concurrency Kit: a stack through the objects' first words, or
 * with CK_RING a ring of pointers; for any number of threads.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <ck_ring.h>
#include <ck_stack.h>

#include "pool.h"

static char *memory;
static size_t memory_bytes;

void pool_set_up(const char *program)
{
	(void)program;
}

void pool_enter(void)
{
}

void pool_leave(void)
{
}

#ifdef CK_RING
static ck_ring_t free_ring;
static ck_ring_buffer_t *slots;

static void make_list(unsigned int objects)
{
	unsigned int n = 1;

	while (n <= objects)
		n *= 2;
	slots = calloc(n, sizeof(*slots));
	if (!slots)
		die("memory", ENOMEM);
	ck_ring_init(&free_ring, n);
}

static void end_list(void)
{
	free(slots);
}

static inline void *pool_alloc(void)
{
	void *obj;

	return ck_ring_dequeue_mpmc(&free_ring, slots, &obj) ? obj : NULL;
}

static inline void pool_free(void *obj)
{
	if (!ck_ring_enqueue_mpmc(&free_ring, slots, obj))
		die("ring", ENOSPC);
}
#else
static _Alignas(64) ck_stack_t free_stack;

static void make_list(unsigned int objects)
{
	(void)objects;
	ck_stack_init(&free_stack);
}

static void end_list(void)
{
}

static inline void *pool_alloc(void)
{
	return ck_stack_pop_mpmc(&free_stack);
}

static inline void pool_free(void *obj)
{
	ck_stack_push_mpmc(&free_stack, obj);
}
#endif

/* What the ring of a hand-over does not hold is in two hands. */
void pool_begin(size_t size, unsigned int objects)
{
	objects += 64;
	memory_bytes = size * objects;
	memory = mmap(NULL, memory_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	if (memory == MAP_FAILED)
		die("memory", errno);
	make_list(objects);
	while (objects--)
		pool_free(memory + objects * size);
}

void pool_end(void)
{
	end_list();
	munmap(memory, memory_bytes);
}

#include "patterns.h"

// SPDX-License-Identifier: MIT
/* The bound: free objects linked through their first words, which only one thread may use. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "pool.h"

struct node {
	struct node *next;
};

static struct node *nodes;
static char *memory;
static size_t stride;
static size_t memory_bytes;
static unsigned int turn;

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

static inline void pool_free(void *obj)
{
	struct node *n = obj;

	n->next = nodes;
	nodes = n;
}

static inline void *pool_alloc(void)
{
	struct node *n = nodes;

	nodes = n->next;
	return n;
}

static void map(size_t size, unsigned int objects)
{
	stride = size;
	memory_bytes = size * objects;
	memory = mmap(NULL, memory_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	if (memory == MAP_FAILED)
		die("memory", errno);
}

void pool_begin(size_t size, unsigned int objects)
{
	map(size, objects);
	nodes = NULL;
	while (objects--)
		pool_free(memory + objects * size);
}

void pool_end(void)
{
	munmap(memory, memory_bytes);
}

/* Across threads: the hand-over alone, of objects that are always the same. */
#define POOL_ONE_THREAD
#define TURNS 2048u

static void pool_turn_begin(size_t size, unsigned int objects)
{
	(void)objects;
	map(size, TURNS);
}

static void *pool_turn(void)
{
	return memory + turn++ % TURNS * stride;
}

static void pool_turn_end(void)
{
	pool_end();
}

#include "patterns.h"

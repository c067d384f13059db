// SPDX-License-Identifier: MIT
/* A hash table of fixed size with linear probing; removed entries stay as tombs. */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "support/fault_blocks.h"

#define SLOTS (1u << 16)
#define TOMB  ((const void *)1)

static const void *slots[SLOTS];
static size_t live;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void lock_blocks(void)
{
	pthread_mutex_lock(&lock);
}

static void unlock_blocks(void)
{
	pthread_mutex_unlock(&lock);
}

/* As in fault.c. */
__attribute__((constructor)) static void watch_forks(void)
{
	(void)pthread_atfork(lock_blocks, unlock_blocks, unlock_blocks);
}

static size_t slot_of(const void *p)
{
	return (size_t)(((uintptr_t)p >> 4) * 0x9e3779b97f4a7c15ull >> 48) % SLOTS;
}

void *fault_blocks_add(void *p)
{
	size_t i = slot_of(p);
	size_t tries = 0;

	if (!p)
		return NULL;
	pthread_mutex_lock(&lock);
	for (; slots[i] && slots[i] != TOMB && tries < SLOTS; tries++)
		i = (i + 1) % SLOTS;
	if (tries < SLOTS) {
		slots[i] = p;
		live++;
	}
	pthread_mutex_unlock(&lock);
	return p;
}

void fault_blocks_remove(const void *p)
{
	size_t i = slot_of(p);

	if (!p)
		return;
	pthread_mutex_lock(&lock);
	for (size_t tries = 0; slots[i] && tries < SLOTS; tries++) {
		if (slots[i] == p) {
			slots[i] = TOMB;
			live--;
			break;
		}
		i = (i + 1) % SLOTS;
	}
	pthread_mutex_unlock(&lock);
}

size_t fault_blocks_count(void)
{
	size_t count;

	pthread_mutex_lock(&lock);
	count = live;
	pthread_mutex_unlock(&lock);
	return count;
}

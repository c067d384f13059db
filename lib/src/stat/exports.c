// SPDX-License-Identifier: MIT
/* What a daemon offers to programs, in its segment: written seldom, by whichever thread adds one.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "pci/device.h"
#include "stat/segment.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The line of that name, or NULL. */
static char *find(char *exports, const char *name)
{
	const size_t len = strlen(name);

	for (char *line = exports; *line; line = strchr(line, '\n') + 1)
		if (!strncmp(line, name, len) && line[len] == '\n')
			return line;
	return NULL;
}

static void add(char *exports, const char *name)
{
	const size_t used = strlen(exports);
	const size_t room = UDRV__STAT_EXPORTS - used;

	if (*name && !strchr(name, '\n') && strlen(name) + 2 <= room)
		(void)snprintf(exports + used, room, "%s\n", name);
}

static void del(char *exports, const char *name)
{
	char *line = find(exports, name);
	const char *next = line ? strchr(line, '\n') + 1 : NULL;

	if (line)
		memmove(line, next, strlen(next) + 1);
}

static void change(const struct udrv_device *dev, void (*how)(char *exports, const char *name),
		   const char *name)
{
	struct udrv__stat_header *h = dev && dev->stats ? dev->stats->header : NULL;
	uint32_t sequence;

	if (!h)
		return;
	pthread_mutex_lock(&lock);
	sequence = h->exports_sequence;
	__atomic_store_n(&h->exports_sequence, sequence + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	how(h->exports, name);
	__atomic_store_n(&h->exports_sequence, sequence + 2, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&lock);
}

void udrv__stat_export_add(const struct udrv_device *dev, const char *name)
{
	change(dev, add, name);
}

void udrv__stat_export_del(const struct udrv_device *dev, const char *name)
{
	change(dev, del, name);
}

void udrv__stat_exports_complete(const struct udrv_device *dev)
{
	if (dev->stats)
		__atomic_store_n(&dev->stats->header->exports_complete, 1, __ATOMIC_RELEASE);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* Ranges are sorted and nested as /proc/iomem has them. */
#include "ranges.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pci/model_name.h"

#define DEPTH_MAX 32

struct range *ranges_add(struct ranges *ranges, uint64_t start, uint64_t len, enum range_kind kind,
			 const char *device)
{
	struct range *grown =
		reallocarray(ranges->range, ranges->count + 1, sizeof(*ranges->range));
	struct range *r;

	if (!grown)
		return NULL;
	ranges->range = grown;
	r = &grown[ranges->count];
	*r = (struct range){
		.start = start, .end = start + (len - 1), .kind = kind, .nr = ranges->count++};
	(void)snprintf(r->device, sizeof(r->device), "%s", device);
	return r;
}

/* Models have no addresses: each is by itself, behind all that have. */
static const char *model_of(const struct range *r)
{
	return udrv__is_model(r->device) ? r->device : "";
}

static int compare(const void *a, const void *b)
{
	const struct range *x = a;
	const struct range *y = b;
	int by_model = strcmp(model_of(x), model_of(y));

	if (by_model)
		return by_model;
	if (model_of(x)[0] && x->bar != y->bar)
		return x->bar < y->bar ? -1 : 1;
	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->end != y->end)
		return x->end > y->end ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return x->nr < y->nr ? -1 : x->nr > y->nr;
}

static bool contains(const struct range *outer, const struct range *inner)
{
	if (outer->device[0] && strcmp(outer->device, inner->device) != 0)
		return false;
	return outer->start <= inner->start && inner->end <= outer->end &&
	       (!model_of(inner)[0] || (outer->device[0] && outer->bar == inner->bar));
}

void ranges_arrange(struct ranges *ranges)
{
	const struct range *around[DEPTH_MAX];
	unsigned int depth = 0;

	if (!ranges->count)
		return;
	qsort(ranges->range, ranges->count, sizeof(*ranges->range), compare);
	for (size_t i = 0; i < ranges->count; i++) {
		struct range *r = &ranges->range[i];

		while (depth && !contains(around[depth - 1], r))
			depth--;
		r->depth = depth;
		if (depth < DEPTH_MAX)
			around[depth++] = r;
	}
}

static const char *process_text(const struct range_process *p, char *text, size_t size)
{
	text[0] = 0;
	if (p->pid)
		(void)snprintf(text, size, ", %s (pid %d)", p->name[0] ? p->name : "?", p->pid);
	return text;
}

const char *range_text(const struct range *r, bool ports, char *text, size_t size)
{
	int digits = ports ? 4 : 8;
	char process[128];
	int len = snprintf(text, size, "%0*llx-%0*llx : ", digits, (unsigned long long)r->start,
			   digits, (unsigned long long)r->end);

	if (len < 0 || (size_t)len >= size)
		return text;
	text += len;
	size -= (size_t)len;
	process_text(&r->process, process, sizeof(process));
	if (r->kind != RANGE_BAR)
		(void)snprintf(text, size, "%s%s", r->name, process);
	else if (r->bar == UDRV_PCI_ROM_RESOURCE)
		(void)snprintf(text, size, "%s ROM%s%s%s", r->device, r->driver[0] ? ", " : "",
			       r->driver, process);
	else
		(void)snprintf(text, size, "%s BAR %d%s%s%s", r->device, r->bar,
			       r->driver[0] ? ", " : "", r->driver, process);
	return text - len;
}

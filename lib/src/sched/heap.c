// SPDX-License-Identifier: MIT
/*
 * The pairing heap of timers. A node's children are a list, of which the first one's prev is the
 * parent. Adding is O(1), removing O(log n) amortised.
 * Source: Fredman, Sedgewick, Sleator, Tarjan, "The pairing heap", 1986.
 */
#include <stddef.h>

#include "sched/heap.h"

/* Make the later of two roots the first child of the other. Of equals, a stays first. */
static struct udrv__timer *meld(struct udrv__timer *a, struct udrv__timer *b)
{
	struct udrv__timer *tmp;

	if (!a || !b)
		return a ? a : b;
	if (b->expires_ns < a->expires_ns) {
		tmp = a;
		a = b;
		b = tmp;
	}
	b->next = a->child;
	b->prev = a;
	if (a->child)
		a->child->prev = b;
	a->child = b;
	a->next = NULL;
	a->prev = NULL;
	return a;
}

/* Meld the list of siblings to one root: in pairs from the left, then all from the right. */
static struct udrv__timer *meld_siblings(struct udrv__timer *first)
{
	struct udrv__timer *pairs = NULL;
	struct udrv__timer *root = NULL;

	while (first) {
		struct udrv__timer *second = first->next;
		struct udrv__timer *rest = second ? second->next : NULL;
		struct udrv__timer *pair;

		first->next = NULL;
		if (second)
			second->next = NULL;
		pair = meld(first, second);
		pair->next = pairs;
		pairs = pair;
		first = rest;
	}
	while (pairs) {
		struct udrv__timer *rest = pairs->next;

		pairs->next = NULL;
		root = meld(pairs, root);
		pairs = rest;
	}
	if (root)
		root->prev = NULL;
	return root;
}

struct udrv__timer *udrv__heap_add(struct udrv__timer *root, struct udrv__timer *t)
{
	t->child = NULL;
	t->next = NULL;
	t->prev = NULL;
	return meld(root, t);
}

struct udrv__timer *udrv__heap_remove(struct udrv__timer *root, struct udrv__timer *t)
{
	struct udrv__timer *below = meld_siblings(t->child);

	t->child = NULL;
	if (t == root)
		return below;
	if (t->prev->child == t)
		t->prev->child = t->next;
	else
		t->prev->next = t->next;
	if (t->next)
		t->next->prev = t->prev;
	return meld(root, below);
}

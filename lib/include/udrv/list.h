/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Doubly linked circular lists whose links are members of what they link.
 *
 * A list is a head; every entry has a head of its own as a member. Nothing here locks, allocates or
 * fails. Source: Linux include/linux/list.h, whose names, arguments and results these are.
 */
#ifndef UDRV_LIST_H
#define UDRV_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <udrv/compiler.h>
#include <udrv/container_of.h>

UDRV_BEGIN_DECLS

/** struct udrv_list_head - a list, or an entry's place in one. */
struct udrv_list_head {
	struct udrv_list_head *next, *prev;
};

/** UDRV_LIST_HEAD_INIT() - initialiser of an empty list. Source: Linux LIST_HEAD_INIT(). */
#define UDRV_LIST_HEAD_INIT(name)                                                                  \
	{                                                                                          \
		&(name), &(name)                                                                   \
	}
/** UDRV_LIST_HEAD() - define an empty list. */
#define UDRV_LIST_HEAD(name) struct udrv_list_head name = UDRV_LIST_HEAD_INIT(name)

/* What a deleted entry's links hold: no address that a process can map, so that use faults. */
#define UDRV__LIST_POISON1 ((struct udrv_list_head *)(uintptr_t)0x100)
#define UDRV__LIST_POISON2 ((struct udrv_list_head *)(uintptr_t)0x122)

/* A list is changed under a lock of the caller's, but udrv_list_empty() may look without. */
static inline void udrv__list_set_next(struct udrv_list_head *entry, struct udrv_list_head *next)
{
	__atomic_store_n(&entry->next, next, __ATOMIC_RELAXED);
}

/** udrv_init_list_head() - make a list empty. Source: Linux INIT_LIST_HEAD(). */
static inline void udrv_init_list_head(struct udrv_list_head *list)
{
	udrv__list_set_next(list, list);
	list->prev = list;
}

static inline void udrv__list_link(struct udrv_list_head *entry, struct udrv_list_head *prev,
				   struct udrv_list_head *next)
{
	entry->next = next;
	entry->prev = prev;
	next->prev = entry;
	udrv__list_set_next(prev, entry);
}

static inline void udrv__list_unlink(const struct udrv_list_head *entry)
{
	udrv__list_set_next(entry->prev, entry->next);
	entry->next->prev = entry->prev;
}

/** udrv_list_add() - put an entry behind @head: first in the list. */
static inline void udrv_list_add(struct udrv_list_head *entry, struct udrv_list_head *head)
{
	udrv__list_link(entry, head, head->next);
}

/** udrv_list_add_tail() - put an entry before @head: last in the list. */
static inline void udrv_list_add_tail(struct udrv_list_head *entry, struct udrv_list_head *head)
{
	udrv__list_link(entry, head->prev, head);
}

/** udrv_list_del() - take an entry out; it must not be used as one until it is added again. */
static inline void udrv_list_del(struct udrv_list_head *entry)
{
	udrv__list_unlink(entry);
	entry->next = UDRV__LIST_POISON1;
	entry->prev = UDRV__LIST_POISON2;
}

/** udrv_list_del_init() - take an entry out, so that udrv_list_empty() of it is true. */
static inline void udrv_list_del_init(struct udrv_list_head *entry)
{
	udrv__list_unlink(entry);
	udrv_init_list_head(entry);
}

/** udrv_list_replace() - put @entry where @old was; @old keeps its links. */
static inline void udrv_list_replace(struct udrv_list_head *old, struct udrv_list_head *entry)
{
	udrv__list_link(entry, old->prev, old->next);
}

/** udrv_list_replace_init() - udrv_list_replace(), and @old is then empty. Works for heads too. */
static inline void udrv_list_replace_init(struct udrv_list_head *old, struct udrv_list_head *entry)
{
	udrv_list_replace(old, entry);
	udrv_init_list_head(old);
}

/** udrv_list_move() - take an entry out of its list and put it first in @head. */
static inline void udrv_list_move(struct udrv_list_head *entry, struct udrv_list_head *head)
{
	udrv__list_unlink(entry);
	udrv_list_add(entry, head);
}

/** udrv_list_move_tail() - take an entry out of its list and put it last in @head. */
static inline void udrv_list_move_tail(struct udrv_list_head *entry, struct udrv_list_head *head)
{
	udrv__list_unlink(entry);
	udrv_list_add_tail(entry, head);
}

/** udrv_list_empty() - is there no entry? Also without the lock; then it may be so no longer. */
static inline bool udrv_list_empty(const struct udrv_list_head *head)
{
	return __atomic_load_n(&head->next, __ATOMIC_RELAXED) == head;
}

/** udrv_list_is_first() - is @entry the first of @head? */
static inline bool udrv_list_is_first(const struct udrv_list_head *entry,
				      const struct udrv_list_head *head)
{
	return entry->prev == head;
}

/** udrv_list_is_last() - is @entry the last of @head? */
static inline bool udrv_list_is_last(const struct udrv_list_head *entry,
				     const struct udrv_list_head *head)
{
	return entry->next == head;
}

/** udrv_list_is_singular() - is there exactly one entry? */
static inline bool udrv_list_is_singular(const struct udrv_list_head *head)
{
	return !udrv_list_empty(head) && head->next == head->prev;
}

/* Put all of list between two neighbours; list is not empty. */
static inline void udrv__list_insert(const struct udrv_list_head *list, struct udrv_list_head *prev,
				     struct udrv_list_head *next)
{
	list->next->prev = prev;
	list->prev->next = next;
	udrv__list_set_next(prev, list->next);
	next->prev = list->prev;
}

/** udrv_list_splice() - put all entries of @list first in @head; @list is then to be made anew. */
static inline void udrv_list_splice(const struct udrv_list_head *list, struct udrv_list_head *head)
{
	if (!udrv_list_empty(list))
		udrv__list_insert(list, head, head->next);
}

/** udrv_list_splice_tail() - put all entries of @list last in @head; as udrv_list_splice(). */
static inline void udrv_list_splice_tail(const struct udrv_list_head *list,
					 struct udrv_list_head *head)
{
	if (!udrv_list_empty(list))
		udrv__list_insert(list, head->prev, head);
}

/** udrv_list_splice_init() - udrv_list_splice(), and @list is then empty. */
static inline void udrv_list_splice_init(struct udrv_list_head *list, struct udrv_list_head *head)
{
	udrv_list_splice(list, head);
	udrv_init_list_head(list);
}

/** udrv_list_splice_tail_init() - udrv_list_splice_tail(), and @list is then empty. */
static inline void udrv_list_splice_tail_init(struct udrv_list_head *list,
					      struct udrv_list_head *head)
{
	udrv_list_splice_tail(list, head);
	udrv_init_list_head(list);
}

/** udrv_list_count_nodes() - how many entries. */
static inline size_t udrv_list_count_nodes(const struct udrv_list_head *head)
{
	size_t count = 0;

	for (const struct udrv_list_head *p = head->next; p != head; p = p->next)
		count++;
	return count;
}

/**
 * udrv_list_entry() - the struct that an entry is in
 * @ptr: struct udrv_list_head *, the entry
 * @type: the struct's type
 * @member: the name of the entry in it
 */
/**
 * udrv_list_{first,last}_entry() - the struct of the first or last entry; there must be one
 * @head: the list
 * @type: the struct's type
 * @member: the name of the entry in it
 */
/**
 * udrv_list_{next,prev}_entry() - the struct of the next or previous entry; there must be one
 * @pos: a struct
 * @member: the name of the entry in it
 */
#define udrv_list_entry(ptr, type, member)	  udrv_container_of(ptr, type, member)
#define udrv_list_first_entry(head, type, member) udrv_list_entry((head)->next, type, member)
#define udrv_list_last_entry(head, type, member)  udrv_list_entry((head)->prev, type, member)
#define udrv_list_next_entry(pos, member)                                                          \
	udrv_list_entry((pos)->member.next, __typeof__(*(pos)), member)
#define udrv_list_prev_entry(pos, member)                                                          \
	udrv_list_entry((pos)->member.prev, __typeof__(*(pos)), member)
/** udrv_list_first_entry_or_null() - the first entry's struct, or NULL when the list is empty. */
#define udrv_list_first_entry_or_null(head, type, member)                                          \
	(udrv_list_empty(head) ? (type *)NULL : udrv_list_first_entry(head, type, member))
/** udrv_list_entry_is_head() - has a loop over the list @head ended with @pos? */
#define udrv_list_entry_is_head(pos, head, member) (&(pos)->member == (head))

/**
 * udrv_list_for_each{,_safe}() - loop over the entries of a list
 * @pos: a variable of the caller's, struct udrv_list_head *
 * @n: another one, for the loop
 * @head: the list
 *
 * Only in the _safe one @pos may be taken out of the list.
 */
/**
 * udrv_list_for_each_entry{,_reverse,_safe,_safe_reverse}() - loop over the structs in a list
 * @pos: a variable of the caller's, a pointer to such a struct
 * @n: another one, for the loop
 * @head: the list
 * @member: the name of the entry in the struct
 *
 * Only in the _safe ones @pos may be taken out of the list.
 */
#define udrv_list_for_each(pos, head) for (pos = (head)->next; pos != (head); pos = pos->next)
#define udrv_list_for_each_safe(pos, n, head)                                                      \
	for (pos = (head)->next, n = pos->next; pos != (head); pos = n, n = pos->next)
#define udrv_list_for_each_entry(pos, head, member)                                                \
	for (pos = udrv_list_first_entry(head, __typeof__(*pos), member);                          \
	     !udrv_list_entry_is_head(pos, head, member); pos = udrv_list_next_entry(pos, member))
#define udrv_list_for_each_entry_reverse(pos, head, member)                                        \
	for (pos = udrv_list_last_entry(head, __typeof__(*pos), member);                           \
	     !udrv_list_entry_is_head(pos, head, member); pos = udrv_list_prev_entry(pos, member))
/** udrv_list_for_each_entry_continue() - udrv_list_for_each_entry() that begins behind @pos. */
#define udrv_list_for_each_entry_continue(pos, head, member)                                       \
	for (pos = udrv_list_next_entry(pos, member); !udrv_list_entry_is_head(pos, head, member); \
	     pos = udrv_list_next_entry(pos, member))
#define udrv_list_for_each_entry_safe(pos, n, head, member)                                        \
	for (pos = udrv_list_first_entry(head, __typeof__(*pos), member),                          \
	    n = udrv_list_next_entry(pos, member);                                                 \
	     !udrv_list_entry_is_head(pos, head, member);                                          \
	     pos = n, n = udrv_list_next_entry(n, member))
#define udrv_list_for_each_entry_safe_reverse(pos, n, head, member)                                \
	for (pos = udrv_list_last_entry(head, __typeof__(*pos), member),                           \
	    n = udrv_list_prev_entry(pos, member);                                                 \
	     !udrv_list_entry_is_head(pos, head, member);                                          \
	     pos = n, n = udrv_list_prev_entry(n, member))

UDRV_END_DECLS

#endif

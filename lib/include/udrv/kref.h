/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Reference counts. Source: Linux include/linux/kref.h, Documentation/core-api/kref.rst.
 *
 * A count that is used wrongly (a reference taken from 0, more than INT_MAX of them, one too many
 * given back) is logged and then stays where it is: the object leaks, instead of being freed
 * while it is used. Any thread.
 */
#ifndef UDRV_KREF_H
#define UDRV_KREF_H

#include <udrv/atomic.h>
#include <udrv/mutex.h>
#include <udrv/spinlock.h>

UDRV_BEGIN_DECLS

/** struct udrv_kref - a member of what is counted. */
struct udrv_kref {
	struct udrv_atomic refcount;
};

/** UDRV_KREF_INIT() - initialiser with @n references. Source: Linux KREF_INIT(). */
#define UDRV_KREF_INIT(n)                                                                          \
	{                                                                                          \
		UDRV_ATOMIC_INIT(n)                                                                \
	}

UDRV_API void udrv__kref_saturate(struct udrv_kref *kref, int old);

/** udrv_kref_init() - begin with one reference: the caller's. */
static inline void udrv_kref_init(struct udrv_kref *kref)
{
	udrv_atomic_set(&kref->refcount, 1);
}

/** udrv_kref_read() - how many references there are now. */
static inline unsigned int udrv_kref_read(const struct udrv_kref *kref)
{
	return (unsigned int)udrv_atomic_read(&kref->refcount);
}

/** udrv_kref_get() - take one more reference; the caller has one, or knows who does. */
static inline void udrv_kref_get(struct udrv_kref *kref)
{
	int old = udrv_atomic_fetch_add_relaxed(1, &kref->refcount);

	if (__builtin_expect(old <= 0 || old == INT32_MAX, 0))
		udrv__kref_saturate(kref, old);
}

/** udrv_kref_get_unless_zero() - take one more reference, if there is one. Return: was there? */
static inline int udrv_kref_get_unless_zero(struct udrv_kref *kref)
{
	int old = udrv_atomic_read(&kref->refcount);

	do {
		if (!old)
			return 0;
	} while (!udrv_atomic_try_cmpxchg_relaxed(&kref->refcount, &old, old + (old != INT32_MAX)));
	if (__builtin_expect(old < 0 || old == INT32_MAX, 0))
		udrv__kref_saturate(kref, old);
	return 1;
}

/* One less; was it the last? What other holders did before giving theirs back comes before. */
static inline bool udrv__kref_drop(struct udrv_kref *kref)
{
	int old = udrv_atomic_fetch_sub_release(1, &kref->refcount);

	if (old == 1)
		return udrv_atomic_read_acquire(&kref->refcount) == 0;
	if (__builtin_expect(old <= 0, 0))
		udrv__kref_saturate(kref, old);
	return false;
}

/**
 * udrv_kref_put() - give a reference back
 * @kref: the count
 * @release: called with it when that was the last; frees the object
 *
 * Return: 1 if @release was called, else 0.
 */
static inline int udrv_kref_put(struct udrv_kref *kref, void (*release)(struct udrv_kref *kref))
{
	if (!udrv__kref_drop(kref))
		return 0;
	release(kref);
	return 1;
}

/* One less unless it is the last. */
static inline bool udrv__kref_drop_not_last(struct udrv_kref *kref)
{
	int old = udrv_atomic_read(&kref->refcount);

	do {
		if (old <= 1)
			return false;
	} while (!udrv_atomic_try_cmpxchg_release(&kref->refcount, &old, old - 1));
	return true;
}

/** udrv_kref_put_mutex() - udrv_kref_put(); @release is called with @lock held, and releases it. */
static inline int udrv_kref_put_mutex(struct udrv_kref *kref,
				      void (*release)(struct udrv_kref *kref),
				      struct udrv_mutex *lock)
{
	if (udrv__kref_drop_not_last(kref))
		return 0;
	udrv_mutex_lock(lock);
	if (udrv_kref_put(kref, release))
		return 1;
	udrv_mutex_unlock(lock);
	return 0;
}

/** udrv_kref_put_lock() - udrv_kref_put(); @release is called with @lock held, and releases it. */
static inline int udrv_kref_put_lock(struct udrv_kref *kref,
				     void (*release)(struct udrv_kref *kref),
				     struct udrv_spinlock *lock)
{
	if (udrv__kref_drop_not_last(kref))
		return 0;
	udrv_spin_lock(lock);
	if (udrv_kref_put(kref, release))
		return 1;
	udrv_spin_unlock(lock);
	return 0;
}

UDRV_END_DECLS

#endif

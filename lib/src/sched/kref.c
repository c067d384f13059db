// SPDX-License-Identifier: MIT
/* What happens to a reference count that is used wrongly. */
#include <limits.h>

#include <udrv/kref.h>
#include <udrv/log.h>

/* Far from 0 and from overflow, so that it stays negative whatever others still do. */
#define SATURATED (INT_MIN / 2)

void udrv__kref_saturate(struct udrv_kref *kref, int old)
{
	udrv_atomic_set(&kref->refcount, SATURATED);
	if (old < 0)
		return; /* it was said before */
	udrv_pr_err("reference count %p: %s; the object is never freed now", (void *)kref,
		    old ? "too many references" : "used after the last reference was given back");
}

// SPDX-License-Identifier: MIT
/* Copies and strings in memory of kmalloc. */
#include <stdio.h>

#include "mem/kmalloc.h"

void *udrv_kmemdup(const void *src, size_t len, udrv_gfp_t gfp)
{
	void *p = udrv_kmalloc(len, gfp);

	if (p && len)
		memcpy(p, src, len);
	return p;
}

char *udrv_kmemdup_nul(const char *s, size_t len, udrv_gfp_t gfp)
{
	char *p = s && len != SIZE_MAX ? udrv_kmalloc(len + 1, gfp) : NULL;

	if (!p)
		return NULL;
	memcpy(p, s, len);
	p[len] = 0;
	return p;
}

char *udrv_kstrdup(const char *s, udrv_gfp_t gfp)
{
	return s ? udrv_kmemdup_nul(s, strlen(s), gfp) : NULL;
}

char *udrv_kstrndup(const char *s, size_t max, udrv_gfp_t gfp)
{
	return s ? udrv_kmemdup_nul(s, strnlen(s, max), gfp) : NULL;
}

char *udrv_kvasprintf(udrv_gfp_t gfp, const char *fmt, va_list args)
{
	va_list again;
	char *p;
	int len;

	va_copy(again, args);
	len = vsnprintf(NULL, 0, fmt, args);
	p = len < 0 ? NULL : udrv_kmalloc((size_t)len + 1, gfp);
	if (p)
		(void)vsnprintf(p, (size_t)len + 1, fmt, again);
	va_end(again);
	return p;
}

char *udrv_kasprintf(udrv_gfp_t gfp, const char *fmt, ...)
{
	va_list args;
	char *p;

	va_start(args, fmt);
	p = udrv_kvasprintf(gfp, fmt, args);
	va_end(args);
	return p;
}

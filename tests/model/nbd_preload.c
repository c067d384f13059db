// SPDX-License-Identifier: MIT
/*
 * Preloaded into nbdkit together with a sanitizer's runtime. That initialises itself at the first
 * malloc(), which is p11-kit's (of GnuTLS) in newlocale(), under the C library's lock of locales;
 * it asks for this symbol, and where there is none, for the text of the error. The translation
 * takes that lock again, does not get it, and gives it back all the same: it is broken from then
 * on, and nbdkit hangs in p11-kit's freelocale() at its exit once anybody has asked for an error's
 * text.
 */
#include <stddef.h>

char *swift_demangle(const char *name, size_t len, char *out, size_t *size, unsigned int flags);

/* None is a name of Swift's. */
__attribute__((visibility("default"))) char *swift_demangle(const char *name, size_t len, char *out,
							    size_t *size, unsigned int flags)
{
	(void)name;
	(void)len;
	(void)out;
	(void)size;
	(void)flags;
	return NULL;
}

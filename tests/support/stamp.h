/* SPDX-License-Identifier: MIT */
/*
 * What is written all over an object: a number, with its lowest bit telling whether the object is
 * in use. An object of fewer than 8 bytes has the number's low bytes, one of more than 512 has it
 * at its start, in its middle and at its end.
 */
#ifndef TESTS_SUPPORT_STAMP_H
#define TESTS_SUPPORT_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define STAMP_LIVE     1u
#define STAMP_ALL_OVER 512u

static inline size_t stamp_step(size_t size)
{
	/* First, middle, last. */
	return size <= STAMP_ALL_OVER ? 8 : (size - 8) / 2 & ~(size_t)7;
}

static inline void stamp(void *obj, size_t size, uint64_t value)
{
	char *bytes = obj;

	if (size < 8) {
		memcpy(bytes, &value, size);
		return;
	}
	for (size_t i = 0; i + 8 <= size; i += stamp_step(size))
		memcpy(bytes + i, &value, 8);
	memcpy(bytes + size - 8, &value, 8);
}

static inline bool has_stamp(const void *obj, size_t size, uint64_t value)
{
	const char *bytes = obj;

	if (size < 8)
		return !memcmp(bytes, &value, size);
	/* What stamp() wrote last lies over what it wrote before. */
	for (size_t i = 0; i + 16 <= size; i += stamp_step(size))
		if (memcmp(bytes + i, &value, 8) != 0)
			return false;
	return !memcmp(bytes + size - 8, &value, 8);
}

/* The number that an object has, or seems to have. */
static inline uint64_t stamp_of(const void *obj, size_t size)
{
	uint64_t value = 0;

	if (size < 16)
		memcpy(&value, (const char *)obj + (size < 8 ? 0 : size - 8), size < 8 ? size : 8);
	else
		memcpy(&value, obj, 8);
	return value;
}

#endif

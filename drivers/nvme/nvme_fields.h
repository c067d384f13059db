/* SPDX-License-Identifier: MIT */
/* Pages that the controller returns, as tables of their fields: text and JSON come from one table.
 */
#ifndef NVME_FIELDS_H
#define NVME_FIELDS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <json-c/json.h>

enum nvme_kind {
	NVME_DEC,
	NVME_HEX,
	NVME_CHARS, /* padded with spaces or NULs */
	NVME_TEXT0, /* likewise; no JSON if it is empty */
	NVME_U128,  /* JSON: a string */
	NVME_IEEE,  /* OUI */
	NVME_UUID,
	NVME_BYTES,  /* as hexadecimal digits, in order */
	NVME_KELVIN, /* text: in Celsius, too */
	NVME_SENSOR, /* likewise; nothing if it is 0 */
	NVME_PERCENT,
	NVME_UNITS, /* U128 of 1000 * 512 bytes; text: in bytes, too */
};

struct nvme_field {
	const char *key;   /* in JSON; NULL: in text only */
	const char *label; /* in text; NULL: in JSON only */
	uint16_t offset, size;
	enum nvme_kind kind;
};

#define NVME_FIELD(type, member, label, kind)                                                      \
	{                                                                                          \
		label, label, offsetof(type, member), sizeof(((type *)0)->member), kind            \
	}
#define NVME_FIELD_AS(type, member, key, label, kind)                                              \
	{                                                                                          \
		key, label, offsetof(type, member), sizeof(((type *)0)->member), kind              \
	}

/* Lines of "label: value", the labels padded to width. */
void nvme_fields_print(FILE *out, const void *page, const struct nvme_field *fields, size_t count,
		       int width);
void nvme_fields_json(json_object *o, const void *page, const struct nvme_field *fields,
		      size_t count);

/* Helpers that other pages need. */

/* A number of size 1 to 8 bytes. */
uint64_t nvme_number(const void *at, size_t size);
#define NVME_U128_TEXT 48
/* 16 bytes as a decimal number. */
const char *nvme_u128_text(const uint8_t *bytes, char *text);
/* Printable characters up to a NUL; others become dots. text has len + 1 bytes. */
const char *nvme_chars(char *text, const char *chars, size_t len);
/* Likewise, without spaces at the end. */
const char *nvme_chars_trimmed(char *text, const char *chars, size_t len);
/* Divide by the greatest power of 1000 and name it: "", "k", "M", ... */
const char *nvme_si(double *value);
/* 16 bytes to a line, with the characters. */
void nvme_dump(FILE *out, const void *data, size_t len);

void nvme_json_number(json_object *o, const char *key, uint64_t value);
void nvme_json_text(json_object *o, const char *key, const char *text);
/* Print and free. */
void nvme_json_print(FILE *out, json_object *o);

#endif

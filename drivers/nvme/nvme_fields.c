// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <string.h>

#include "nvme_fields.h"

#define KELVIN_0_C 273

uint64_t nvme_number(const void *at, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, at, size);
	return value;
}

const char *nvme_u128_text(const uint8_t *bytes, char *text)
{
	unsigned __int128 value;
	char *at = text + NVME_U128_TEXT - 1;

	memcpy(&value, bytes, sizeof(value));
	*at = 0;
	do {
		*--at = (char)('0' + (int)(value % 10));
		value /= 10;
	} while (value);
	return memmove(text, at, strlen(at) + 1);
}

const char *nvme_chars(char *text, const char *chars, size_t len)
{
	size_t i;

	for (i = 0; i < len && chars[i]; i++)
		text[i] = (char)(chars[i] < ' ' || chars[i] > '~' ? '.' : chars[i]);
	text[i] = 0;
	return text;
}

const char *nvme_chars_trimmed(char *text, const char *chars, size_t len)
{
	(void)nvme_chars(text, chars, len);
	for (len = strlen(text); len && text[len - 1] == ' '; len--)
		text[len - 1] = 0;
	return text;
}

const char *nvme_si(double *value)
{
	static const char *const names[] = {"", "k", "M", "G", "T", "P", "E", "Z", "Y", "R", "Q"};
	unsigned int i = 0;

	for (; *value >= 1000 && i + 1 < sizeof(names) / sizeof(names[0]); i++)
		*value /= 1000;
	return names[i];
}

void nvme_dump(FILE *out, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	(void)fprintf(out, "       0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f\n");
	for (size_t line = 0; line < len; line += 16) {
		size_t n = len - line < 16 ? len - line : 16;

		(void)fprintf(out, "%04zx:", line);
		for (size_t i = 0; i < 16; i++)
			if (i < n)
				(void)fprintf(out, " %02x", bytes[line + i]);
			else
				(void)fprintf(out, "   ");
		(void)fprintf(out, " \"");
		for (size_t i = 0; i < n; i++)
			(void)fputc(bytes[line + i] < '!' || bytes[line + i] > '~'
					    ? '.'
					    : bytes[line + i],
				    out);
		(void)fprintf(out, "\"\n");
	}
}

#define UUID_TEXT 37
#define TEXT_MAX  257

static const char *uuid_text(const uint8_t *b, char *text)
{
	(void)snprintf(text, UUID_TEXT,
		       "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
		       b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
		       b[13], b[14], b[15]);
	return text;
}

static const char *bytes_text(const uint8_t *bytes, size_t len, char *text)
{
	*text = 0;
	for (size_t i = 0; i < len; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	return text;
}

static void print_units(FILE *out, const uint8_t *bytes)
{
	char text[NVME_U128_TEXT];
	unsigned __int128 units;
	double value;
	const char *si;

	memcpy(&units, bytes, sizeof(units));
	value = (double)units * 512e3;
	si = nvme_si(&value);
	(void)fprintf(out, "%s (%.2f %sB)", nvme_u128_text(bytes, text), value, si);
}

static void print_kelvin(FILE *out, uint64_t kelvin)
{
	(void)fprintf(out, "%ld\u00b0C (%" PRIu64 " Kelvin)", (long)kelvin - KELVIN_0_C, kelvin);
}

/* What is a text in both forms, or NULL. */
static const char *field_text(const struct nvme_field *f, const uint8_t *at, char *text)
{
	switch (f->kind) {
	case NVME_CHARS:
	case NVME_TEXT0:
		return nvme_chars(text, (const char *)at, f->size);
	case NVME_U128:
	case NVME_UNITS:
		return nvme_u128_text(at, text);
	case NVME_UUID:
		return uuid_text(at, text);
	case NVME_BYTES:
		return bytes_text(at, f->size, text);
	default:
		return NULL;
	}
}

static void print_number(FILE *out, const struct nvme_field *f, const uint8_t *at)
{
	uint64_t value = nvme_number(at, f->size);

	switch (f->kind) {
	case NVME_HEX:
		(void)fprintf(out, "%#" PRIx64, value);
		break;
	case NVME_IEEE:
		(void)fprintf(out, "%06" PRIx64, value);
		break;
	case NVME_KELVIN:
	case NVME_SENSOR:
		print_kelvin(out, value);
		break;
	case NVME_PERCENT:
		(void)fprintf(out, "%" PRIu64 "%%", value);
		break;
	default:
		(void)fprintf(out, "%" PRIu64, value);
	}
}

void nvme_fields_print(FILE *out, const void *page, const struct nvme_field *fields, size_t count,
		       int width)
{
	for (size_t i = 0; i < count; i++) {
		const struct nvme_field *f = &fields[i];
		const uint8_t *at = (const uint8_t *)page + f->offset;
		char text[TEXT_MAX];

		if (!f->label || (f->kind == NVME_SENSOR && !nvme_number(at, f->size)))
			continue;
		(void)fprintf(out, "%-*s: ", width, f->label);
		if (f->kind == NVME_UNITS)
			print_units(out, at);
		else if (field_text(f, at, text))
			(void)fprintf(out, "%s", text);
		else
			print_number(out, f, at);
		(void)fputc('\n', out);
	}
}

void nvme_fields_json(json_object *o, const void *page, const struct nvme_field *fields,
		      size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct nvme_field *f = &fields[i];
		const uint8_t *at = (const uint8_t *)page + f->offset;
		char buf[TEXT_MAX];
		const char *text;

		if (!f->key || (f->kind == NVME_SENSOR && !nvme_number(at, f->size)))
			continue;
		text = field_text(f, at, buf);
		if (!text)
			nvme_json_number(o, f->key, nvme_number(at, f->size));
		else if (*text || f->kind != NVME_TEXT0)
			nvme_json_text(o, f->key, text);
	}
}

void nvme_json_number(json_object *o, const char *key, uint64_t value)
{
	(void)json_object_object_add(o, key, json_object_new_uint64(value));
}

void nvme_json_text(json_object *o, const char *key, const char *text)
{
	(void)json_object_object_add(o, key, json_object_new_string(text));
}

void nvme_json_print(FILE *out, json_object *o)
{
	(void)fprintf(out, "%s\n",
		      json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
								JSON_C_TO_STRING_NOSLASHESCAPE));
	(void)json_object_put(o);
}

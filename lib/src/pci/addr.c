// SPDX-License-Identifier: MIT
/* Addresses of PCI functions: [domain:]bus:device.function. */
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>

#include <udrv/pci_info.h>

/* Seven digits are what fits UDRV_PCI_NAME_MAX; bridges that make up domains use five. */
#define DOMAIN_DIGITS_MAX 7

/* One to @max_digits hexadecimal digits; returns how many there were, 0 if none or too many. */
static int parse_hex(const char *text, int max_digits, uint32_t *val)
{
	int n = 0;

	*val = 0;
	for (; isxdigit((unsigned char)text[n]); n++) {
		int c = tolower((unsigned char)text[n]);

		if (n == max_digits)
			return 0;
		*val = *val << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return n;
}

/* A number that must be followed by @end; returns what follows that, or NULL. */
static const char *parse_field(const char *text, int max_digits, uint32_t max, char end,
			       uint32_t *val)
{
	int n;

	if (!text)
		return NULL;
	n = parse_hex(text, max_digits, val);
	if (!n || *val > max || text[n] != end)
		return NULL;
	return text + n + 1;
}

int udrv_pci_parse_name(const char *text, char name[UDRV_PCI_NAME_MAX])
{
	uint32_t domain = 0;
	uint32_t bus;
	uint32_t dev;
	uint32_t fn;
	const char *rest;

	if (!text)
		return -EINVAL;
	rest = parse_field(text, DOMAIN_DIGITS_MAX, UINT32_MAX, ':', &domain);
	rest = parse_field(rest, 2, 0xff, ':', &bus);
	if (!rest) {
		domain = 0;
		rest = parse_field(text, 2, 0xff, ':', &bus);
	}
	rest = parse_field(rest, 2, 0x1f, '.', &dev);
	rest = parse_field(rest, 1, 7, 0, &fn);
	if (!rest)
		return -EINVAL;
	(void)snprintf(name, UDRV_PCI_NAME_MAX, "%04x:%02x:%02x.%x", domain & 0xfffffff, bus & 0xff,
		       dev & 0x1f, fn & 7);
	return 0;
}

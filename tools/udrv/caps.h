/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Capabilities of a function, decoded from what sysfs shows of its configuration space. */
#ifndef CAPS_H
#define CAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* More than fit: 48 in 192 bytes, and 960 in the extended space only if all were empty. */
#define CAPS_MAX 128

struct cap {
	uint16_t id;
	uint16_t offset;
	bool extended;
};

struct caps {
	struct cap cap[CAPS_MAX];
	size_t count;
	unsigned msi_vectors;  /* 0: no MSI */
	unsigned msix_vectors; /* 0: no MSI-X */
	bool truncated;	       /* the kernel showed the header only: the reader is not root */
	bool broken;	       /* a list leads into itself or out of its space */
};

/* @config: the first @len bytes of configuration space, at least the header of 64. */
void caps_decode(struct caps *caps, const uint8_t *config, size_t len);

/* Read and decode; 0 or a negative errno. */
int caps_read(struct caps *caps, const char *name);

/* "unknown" for what is not in the tables. */
const char *caps_name(const struct cap *cap);

#endif

/* SPDX-License-Identifier: MIT */
/* A firmware image for the software NVMe controller. */
#ifndef TESTS_SUPPORT_NVME_IMAGE_H
#define TESTS_SUPPORT_NVME_IMAGE_H

#include <stdint.h>
#include <string.h>

/* len bytes, a multiple of 4 from 20 on, that make the revision of 8 characters. */
static inline void nvme_image(unsigned char *image, size_t len, const char *revision)
{
	uint32_t sum = 0, word;

	for (size_t i = 0; i < len; i++)
		image[i] = (unsigned char)(i * 13 + (i >> 8));
	memcpy(image, "udrvnvme", 8);
	memcpy(image + 8, revision, 8);
	for (size_t i = 0; i < len - 4; i += 4) {
		memcpy(&word, image + i, 4);
		sum += word;
	}
	word = -sum;
	memcpy(image + len - 4, &word, 4);
}

#endif

// SPDX-License-Identifier: MIT
#include <string.h>

#include "nvme_perf.h"

/* Knuth's MMIX generator, begun with the block's number. */
static uint64_t next_word(uint64_t x)
{
	return x * 6364136223846793005u + 1442695040888963407u;
}

void perf_data_fill(void *block, size_t len, uint64_t lba)
{
	uint64_t word = lba;

	for (size_t at = 0; at + sizeof(word) <= len; at += sizeof(word)) {
		memcpy((char *)block + at, &word, sizeof(word));
		word = next_word(word);
	}
}

bool perf_data_matches(const void *block, size_t len, uint64_t lba)
{
	uint64_t word = lba;

	for (size_t at = 0; at + sizeof(word) <= len; at += sizeof(word)) {
		if (memcmp((const char *)block + at, &word, sizeof(word)) != 0)
			return false;
		word = next_word(word);
	}
	return true;
}

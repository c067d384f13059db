// SPDX-License-Identifier: MIT
/* How the software NVMe controller is made up: by default, and by the words behind its name. */
#include <stdlib.h>
#include <string.h>

#include "backend/model_nvme_dev.h"

static const struct {
	const char *word;
	size_t offset; /* of a flag in the configuration */
	bool value;
} flags[] = {
	{"direct", offsetof(struct udrv__model_nvme_config, direct), true},
	{"null", offsetof(struct udrv__model_nvme_config, null_store), true},
	{"dbbuf", offsetof(struct udrv__model_nvme_config, dbbuf), true},
	{"nocache", offsetof(struct udrv__model_nvme_config, cache), false},
	{"cmb", offsetof(struct udrv__model_nvme_config, cmb), true},
	{"oldcmb", offsetof(struct udrv__model_nvme_config, old_cmb), true},
	{"wrr", offsetof(struct udrv__model_nvme_config, weighted), true},
	{"nosgl", offsetof(struct udrv__model_nvme_config, sgl), false},
};

static bool is_word(const char *text, size_t len, const char *word)
{
	return strlen(word) == len && !strncmp(text, word, len);
}

static bool take_flag(struct udrv__nvme *n, const char *text, size_t len)
{
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (!is_word(text, len, flags[i].word))
			continue;
		*((bool *)((char *)&n->config + flags[i].offset)) = flags[i].value;
		return true;
	}
	return false;
}

/* <number>m, <number>q, 4k; any other word means nothing. */
static void take_number(struct udrv__nvme *n, const char *text, size_t len)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (end == text || end + 1 != text + len)
		return;
	if (*end == 'm' && number && number <= 1024 * 1024)
		n->first_mib = (uint32_t)number;
	else if (*end == 'q' && number && number <= UDRV__MODEL_NVME_QUEUES)
		n->config.queues = (uint32_t)number;
	else if (*end == 'k' && number == 4)
		n->first_lbaf = 1;
}

void udrv__nvme_config_init(struct udrv__nvme *n, const char *words)
{
	n->config = (struct udrv__model_nvme_config){
		.queue_entries = 1024,
		.queues = UDRV__MODEL_NVME_QUEUES,
		.mdts = 7,
		.vs = NVME_VS_1_4,
		.timeout = 6,
		.boot_units = 2,
		.subsystem_reset = true,
		.absent_ms = 10,
		.cache = true,
		.sgl = true,
	};
	n->first_mib = 64;
	while (*words) {
		size_t len = strcspn(++words, "-");

		if (!take_flag(n, words, len))
			take_number(n, words, len);
		words += len;
	}
}

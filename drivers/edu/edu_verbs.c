// SPDX-License-Identifier: MIT
/* What a running edu daemon can be asked for. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <udrv/device.h>
#include <udrv/pci.h>

#include "edu.h"
#include "edu_regs.h"

#define COUNT_MAX  1000000
#define ROUNDS_MAX 10000
/* With so many interrupts missing the rest is not worth the wait. */
#define LOST_MAX 5

/* A decimal number from min to max; otherwise a message to err and -EINVAL. */
static int parse_number(const char *what, const char *text, uint32_t min, uint32_t max,
			uint32_t *val, FILE *err)
{
	unsigned long long number;
	char *end;

	errno = 0;
	number = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || *end || errno || number < min || number > max) {
		fprintf(err, "%s: '%s' is not a number from %u to %u\n", what, text, min, max);
		return -EINVAL;
	}
	*val = (uint32_t)number;
	return 0;
}

/* An option that takes a number. */
struct option {
	const char *name;
	uint32_t max; /* from 1 */
	uint32_t *val;
};

static const struct option *find_option(const struct option *table, size_t count, const char *word)
{
	const size_t len = strcspn(word, "=");

	for (const struct option *opt = table; opt < table + count; opt++)
		if (strlen(opt->name) == len && !strncmp(opt->name, word, len))
			return opt;
	return NULL;
}

/* Everything from argv[first] on are options of that table: "--count 3" or "--count=3". */
static int parse_options(int argc, char **argv, int first, const struct option *table, size_t count,
			 FILE *err)
{
	for (int i = first; i < argc; i++) {
		const struct option *opt = find_option(table, count, argv[i]);
		const char *equals = strchr(argv[i], '=');
		const char *value = equals ? equals + 1 : argv[i + 1];
		int ret;

		if (!opt || !value) {
			fprintf(err, opt ? "%s: %s needs a number\n" : "%s: unknown option '%s'\n",
				argv[0], argv[i]);
			return -EINVAL;
		}
		ret = parse_number(opt->name, value, 1, opt->max, opt->val, err);
		if (ret)
			return ret;
		i += !equals;
	}
	return 0;
}

/* Say in one line why a command failed, and hand its error on. */
static int failed(int ret, const char *what, FILE *err)
{
	if (ret == -ENODEV)
		fprintf(err, "%s: the device is gone\n", what);
	else if (ret == -ETIMEDOUT)
		fprintf(err, "%s: no interrupt arrived; see 'udrv-edu stats'\n", what);
	else
		fprintf(err, "%s: %s\n", what, strerror(-ret));
	return ret;
}

static double seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start->tv_sec) + 1e-9 * (double)(now.tv_nsec - start->tv_nsec);
}

static uint32_t factorial_on_cpu(uint32_t n)
{
	uint32_t result = 1;

	while (n > 1)
		result *= n--;
	return result;
}

/* count times n!, each checked. A lost interrupt is counted, all else ends it. */
static int repeat_factorial(struct edu *edu, uint32_t n, uint32_t count, uint32_t *lost, FILE *err)
{
	const uint32_t right = factorial_on_cpu(n);

	*lost = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t result = 0;
		int ret = udrv_verb_cancelled() ? -ECANCELED : edu_factorial(edu, n, &result);

		if (ret == -ETIMEDOUT && ++*lost < LOST_MAX)
			continue;
		if (ret)
			return failed(ret, "factorial", err);
		if (result != right) {
			fprintf(err, "factorial: the device says %u! = %u, it is %u\n", n, result,
				right);
			return -EIO;
		}
	}
	return *lost ? failed(-ETIMEDOUT, "factorial", err) : 0;
}

static int verb_factorial(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	struct edu *edu = udrv_pci_get_drvdata(dev);
	uint32_t n, lost, count = 0;
	const struct option options[] = {{"--count", COUNT_MAX, &count}};
	struct timespec start;
	int ret;

	if (argc < 2) {
		fprintf(err, "factorial: which? Give a number from 0 to %u\n", EDU_FACTORIAL_MAX);
		return -EINVAL;
	}
	/* 13! does not fit the register, and the device does not say so. */
	ret = parse_number("factorial", argv[1], 0, EDU_FACTORIAL_MAX, &n, err);
	if (!ret)
		ret = parse_options(argc, argv, 2, options, 1, err);
	if (ret)
		return ret;

	clock_gettime(CLOCK_MONOTONIC, &start);
	ret = repeat_factorial(edu, n, count ? count : 1, &lost, err);
	if (!ret)
		fprintf(out, "%u\n", factorial_on_cpu(n));
	if (count)
		fprintf(out, "%u factorials by interrupt, %u lost, %.3f s\n", count, lost,
			seconds_since(&start));
	return ret;
}

static void fill_pattern(unsigned char *bytes, uint32_t len, uint32_t round)
{
	for (uint32_t i = 0; i < len; i++)
		bytes[i] = (unsigned char)((i * 7 + (i >> 8) + round * 31) ^ 0xa5);
}

/* To the device and back to another place; then every byte must be there. */
static int dma_round(struct edu *edu, uint32_t len, uint32_t round, FILE *err)
{
	unsigned char *sent = edu->memory, *received = edu->memory + EDU_PIECE;
	int ret;

	fill_pattern(sent, len, round);
	for (uint32_t i = 0; i < len; i++)
		received[i] = (unsigned char)~sent[i];

	ret = edu_dma(edu, UDRV_DMA_TO_DEVICE, edu->memory_iova, 0, len);
	if (!ret)
		ret = edu_dma(edu, UDRV_DMA_FROM_DEVICE, edu->memory_iova + EDU_PIECE, 0, len);
	if (ret)
		return failed(ret, "dma-test", err);

	for (uint32_t i = 0; i < len; i++) {
		if (received[i] != sent[i]) {
			fprintf(err, "dma-test: round %u: byte %u is 0x%02x instead of 0x%02x\n",
				round, i, received[i], sent[i]);
			return -EIO;
		}
	}
	return 0;
}

static int verb_dma_test(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	struct edu *edu = udrv_pci_get_drvdata(dev);
	uint32_t bytes = EDU_BUFFER_USABLE, rounds = 1;
	const struct option options[] = {
		{"--bytes", EDU_BUFFER_USABLE, &bytes},
		{"--rounds", ROUNDS_MAX, &rounds},
	};
	int ret = parse_options(argc, argv, 1, options, 2, err);

	if (ret)
		return ret;
	if (!edu->memory) {
		fprintf(err, "dma-test: this device has no DMA; the daemon's log says why\n");
		return -EOPNOTSUPP;
	}
	for (uint32_t round = 0; round < rounds; round++) {
		ret = udrv_verb_cancelled() ? failed(-ECANCELED, "dma-test", err)
					    : dma_round(edu, bytes, round, err);
		if (ret)
			return ret;
	}
	fprintf(out, "%u rounds of %u bytes to the device and back, every byte the same\n", rounds,
		bytes);
	return 0;
}

static int verb_stats(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	const struct edu *edu = udrv_pci_get_drvdata(dev);
	bool json = argc == 2 && !strcmp(argv[1], "--json");
	const char *type = udrv_pci_irq_type(dev) == UDRV_PCI_IRQ_MSI ? "msi" : "intx";
	struct udrv_irq_stats irq;
	int ret;

	if (argc > 1 && !json) {
		fprintf(err, "stats: unknown option '%s'; there is only --json\n", argv[1]);
		return -EINVAL;
	}
	ret = udrv_irq_get_stats(dev, edu->irq, &irq);
	if (ret)
		return failed(ret, "stats", err);
	fprintf(out,
		json ? "{\"device\":\"%s\",\"irq\":\"%s\",\"wait\":\"%s\",\"interrupts\":%" PRIu64
		       ",\"unhandled\":%" PRIu64 ",\"factorials\":%" PRIu64 ",\"lost\":%" PRIu64
		       ",\"dma_bytes\":%" PRIu64 "}\n"
		     : "device      %s\nirq         %s\nwait        %s\ninterrupts  %" PRIu64
		       "\nunhandled   %" PRIu64 "\nfactorials  %" PRIu64 "\nlost        %" PRIu64
		       "\ndma bytes   %" PRIu64 "\n",
		udrv_device_name(dev), type, udrv_wait_name(edu->wait), irq.count, irq.unhandled,
		edu->factorials, edu->lost, edu->dma_bytes);
	return 0;
}

const struct udrv_verb edu_verbs[] = {
	{"factorial", "N [--count K]", "compute N! (N up to 12) by interrupt, K times",
	 verb_factorial, UDRV_VERB_FREE_DEVICE},
	{"dma-test", "[--bytes N] [--rounds N]", "send bytes to the device and back, and compare",
	 verb_dma_test, UDRV_VERB_FREE_DEVICE},
	{"stats", "[--json]", "interrupts, factorials and bytes so far", verb_stats, 0},
	{NULL, NULL, NULL, NULL, 0},
};

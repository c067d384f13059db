// SPDX-License-Identifier: MIT
/* Claims of ranges, and how sysfs shows them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fuzz_model.h"

static struct model_claim *overlapping(struct model *m, uint32_t bar, uint64_t offset, uint64_t len,
				       const char *name)
{
	for (unsigned int i = 0; i < m->claim_count; i++) {
		struct model_claim *c = &m->claims[i];

		if (c->bar == bar && offset < c->offset + c->len && c->offset < offset + len &&
		    (!name || !strcmp(c->name, name)))
			return c;
	}
	return NULL;
}

static uint32_t any_bar(struct model *m)
{
	uint32_t bar = fuzz_below(&m->rng, UDRV_STUB_BARS);

	while (!fuzz.info.bars[bar].len)
		bar = (bar + 1) % UDRV_STUB_BARS;
	return bar;
}

static long claim(struct model *m, int file, struct udrv_stub_claim *c)
{
	bool inside = c->bar < UDRV_STUB_BARS && c->len && c->offset < fuzz.info.bars[c->bar].len &&
		      c->len <= fuzz.info.bars[c->bar].len - c->offset;
	struct model_claim *other;
	unsigned int own = 0;
	long result;

	snprintf(c->name, sizeof(c->name), "%d %u", file, m->serial++);
	for (unsigned int i = 0; i < m->claim_count; i++)
		own += m->claims[i].file == file;
	other = inside ? overlapping(m, c->bar, c->offset, c->len, NULL) : NULL;
	result = model_ioctl(m, FUZZ_CLAIM, file, UDRV_STUB_CLAIM, c, sizeof(*c));
	EXPECT(result, !inside			     ? -EINVAL
		       : other			     ? -EBUSY
		       : own == UDRV_STUB_CLAIMS_MAX ? -ENOSPC
						     : 0);
	if (result == -EBUSY) {
		MODEL_CHECK(overlapping(m, c->bar, c->offset, c->len, c->holder));
		MODEL_CHECK(c->holder_pid == getpid());
	}
	if (result == 0) {
		struct model_claim new = {file, c->bar, c->offset, c->len, ""};

		strcpy(new.name, c->name);
		m->claims[m->claim_count++] = new;
	}
	return result;
}

void model_claim(struct model *m)
{
	struct udrv_stub_claim c = {.abi = UDRV_STUB_ABI, .bar = any_bar(m)};
	uint64_t unit = fuzz.info.bars[c.bar].len / 16;

	if (m->claim_count > MODEL_CLAIMS - 2)
		return;
	unit = unit ? unit : 1;
	/* Of 16 places, so that they meet. */
	c.offset = fuzz_below(&m->rng, 17) * unit;
	c.len = (1 + fuzz_below(&m->rng, 3)) * unit;
	if (fuzz_one_in(&m->rng, 5))
		c.offset = fuzz_value(&m->rng);
	if (fuzz_one_in(&m->rng, 5))
		c.len = fuzz_value(&m->rng);
	if (fuzz_one_in(&m->rng, 16))
		c.bar = fuzz_one_in(&m->rng, 2) ? UDRV_STUB_BARS : (uint32_t)fuzz_value(&m->rng);
	claim(m, model_any_file(m), &c);
}

static void release(struct model *m, int file, unsigned int index)
{
	struct model_claim *c = &m->claims[index];
	struct udrv_stub_claim arg = {
		.abi = UDRV_STUB_ABI, .bar = c->bar, .offset = c->offset, .len = c->len};

	EXPECT(model_ioctl(m, FUZZ_RELEASE, file, UDRV_STUB_RELEASE, &arg, sizeof(arg)),
	       c->file == file ? 0 : -ENOENT);
	if (c->file == file)
		*c = m->claims[--m->claim_count];
}

void model_release(struct model *m)
{
	struct udrv_stub_claim arg = {.abi = UDRV_STUB_ABI};
	struct model_claim *c;

	if (!m->claim_count)
		return;
	c = &m->claims[fuzz_below(&m->rng, m->claim_count)];
	if (fuzz_one_in(&m->rng, 3) && c->len > 1) {
		/* A part of one is none. */
		arg.bar = c->bar;
		arg.offset = c->offset;
		arg.len = c->len - 1;
		EXPECT(model_ioctl(m, FUZZ_RELEASE, c->file, UDRV_STUB_RELEASE, &arg, sizeof(arg)),
		       -ENOENT);
		return;
	}
	release(m, fuzz_one_in(&m->rng, 4) ? model_any_file(m) : c->file,
		(unsigned int)(c - m->claims));
}

/* What sysfs shows is all that there is. */
static void check_listing(const struct model *m)
{
	char path[96], line[128], wanted[128];
	unsigned int lines = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/udrv_stub/udrv_stub-%s/claims", fuzz.address);
	file = fopen(path, "re");
	fuzz_count(FUZZ_SYSFS, file ? 0 : -errno);
	if (!file)
		fuzz_fail("%s cannot be read", path);
	while (fgets(line, sizeof(line), file)) {
		const struct model_claim *c = NULL;

		for (unsigned int i = 0; i < m->claim_count && !c; i++) {
			c = &m->claims[i];
			snprintf(wanted, sizeof(wanted), "%u 0x%llx 0x%llx %d %s\n", c->bar,
				 (unsigned long long)c->offset, (unsigned long long)c->len,
				 getpid(), c->name);
			if (strcmp(line, wanted))
				c = NULL;
		}
		if (!c)
			fuzz_fail("sysfs shows a claim that there is not: %s", line);
		lines++;
	}
	fclose(file);
	if (lines != m->claim_count)
		fuzz_fail("sysfs shows %u of %u claims", lines, m->claim_count);
}

/* All that a file may have. */
void model_claim_all(struct model *m)
{
	int file = model_any_file(m);
	struct udrv_stub_claim c = {.abi = UDRV_STUB_ABI, .bar = any_bar(m)};
	long result = 0;

	while (m->claim_count)
		release(m, m->claims[0].file, 0);
	for (uint64_t at = 0; at <= UDRV_STUB_CLAIMS_MAX && result == 0; at++) {
		memset(c.holder, 0, sizeof(c.holder));
		c.holder_pid = 0;
		c.offset = at;
		c.len = 1;
		result = claim(m, file, &c);
	}
	MODEL_CHECK(result == -ENOSPC || result == -EINVAL);
	check_listing(m);
	while (m->claim_count)
		release(m, m->claims[0].file, 0);
}

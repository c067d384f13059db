// SPDX-License-Identifier: MIT
#include "stat/claims.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <udrv/device.h>

#include "pci/device.h"

_Static_assert(sizeof(struct udrv__claim_record) == 56, "record has gaps");
_Static_assert(sizeof(struct udrv__claim_table) == 296 + UDRV__CLAIMS_MAX * 56, "table has gaps");

struct owner {
	const char *driver;
	const struct udrv_device *dev;
};

static void fill(void *mapped, const void *ctx)
{
	struct udrv__claim_table *t = mapped;
	const struct owner *owner = ctx;

	memcpy(t->magic, UDRV__CLAIMS_MAGIC, sizeof(t->magic));
	t->version = UDRV__CLAIMS_VERSION;
	t->size = sizeof(*t);
	t->pid = (uint32_t)getpid();
	(void)snprintf(t->driver, sizeof(t->driver), "%s", owner->driver);
	(void)snprintf(t->device, sizeof(t->device), "%s", udrv_device_name(owner->dev));
	(void)snprintf(t->backend, sizeof(t->backend), "%s", udrv_device_backend(owner->dev));
	for (int i = 0; i < UDRV_PCI_STD_NUM_BARS; i++) {
		t->bars[i].len = udrv_pci_resource_len(owner->dev, i);
		t->bars[i].flags = udrv_pci_resource_flags(owner->dev, i);
	}
}

int udrv__claims_create(struct udrv__claim_file *file, const char *dir, const char *driver,
			struct udrv_device *dev)
{
	const struct owner owner = {driver, dev};
	int ret = udrv__stat_file_make(&file->file, dir, driver, udrv_device_name(dev),
				       UDRV__CLAIMS_SUFFIX, sizeof(*file->table), fill, &owner);

	file->table = file->file.mapped;
	if (ret) {
		udrv_dev_err(dev, "its claims are not shown in %s: %s", dir, strerror(-ret));
		return ret;
	}
	pthread_mutex_lock(&dev->bar_lock);
	dev->claim_file = file;
	udrv__claims_publish(dev);
	pthread_mutex_unlock(&dev->bar_lock);
	return 0;
}

void udrv__claims_destroy(struct udrv__claim_file *file)
{
	if (!file->table)
		return;
	udrv__stat_file_destroy(&file->file);
	file->table = NULL;
}

static void copy_claims(struct udrv__claim_table *t, const struct udrv__claim *claim)
{
	t->count = 0;
	t->left_out = 0;
	for (; claim; claim = claim->next) {
		struct udrv__claim_record *r = &t->records[t->count];

		if (t->count == UDRV__CLAIMS_MAX) {
			t->left_out++;
			continue;
		}
		r->bar = (uint32_t)claim->bar;
		r->offset = claim->offset;
		r->len = claim->len;
		memcpy(r->name, claim->name, sizeof(r->name));
		t->count++;
	}
}

void udrv__claims_publish(struct udrv_device *dev)
{
	struct udrv__claim_table *t = dev->claim_file ? dev->claim_file->table : NULL;
	uint32_t sequence;

	if (!t)
		return;
	sequence = t->sequence;
	__atomic_store_n(&t->sequence, sequence + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	copy_claims(t, dev->claims);
	__atomic_store_n(&t->sequence, sequence + 2, __ATOMIC_RELEASE);
}

/* Readers. */

static bool is_table(const void *mapped, size_t size)
{
	const struct udrv__claim_table *t = mapped;

	return size == sizeof(*t) && t->size == sizeof(*t) &&
	       !memcmp(t->magic, UDRV__CLAIMS_MAGIC, sizeof(t->magic)) &&
	       t->version == UDRV__CLAIMS_VERSION;
}

/* False: it did not hold still. */
static bool copy_table(struct udrv__claim_table *copy, const struct udrv__claim_table *t)
{
	unsigned int tries = 0;

	do {
		uint32_t sequence = __atomic_load_n(&t->sequence, __ATOMIC_ACQUIRE);

		memcpy(copy, t, sizeof(*copy));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (!(sequence & 1) && sequence == __atomic_load_n(&t->sequence, __ATOMIC_RELAXED))
			return true;
	} while (udrv__stat_file_again(&tries));
	return false;
}

static void tidy(char *text, size_t size)
{
	text[size - 1] = 0;
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

/* Drop what is not inside a BAR: the file may say anything. */
static void check_claims(struct udrv__claim_table *t)
{
	uint32_t count = t->count < UDRV__CLAIMS_MAX ? t->count : UDRV__CLAIMS_MAX;

	t->count = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct udrv__claim_record *r = &t->records[i];
		uint64_t len = r->bar < UDRV_PCI_STD_NUM_BARS ? t->bars[r->bar].len : 0;

		if (!r->len || r->offset >= len || r->len > len - r->offset)
			continue;
		tidy(r->name, sizeof(r->name));
		t->records[t->count++] = *r;
	}
}

int udrv__claims_read(struct udrv__claim_table *copy, const char *path)
{
	const void *mapped;
	size_t size;
	bool copied;
	int ret = udrv__stat_file_map(path, sizeof(*copy), is_table, &mapped, &size);

	if (ret)
		return ret;
	copied = copy_table(copy, mapped);
	(void)munmap((void *)(uintptr_t)mapped, size);
	if (!copied)
		return -ESTALE;
	tidy(copy->driver, sizeof(copy->driver));
	tidy(copy->device, sizeof(copy->device));
	tidy(copy->backend, sizeof(copy->backend));
	check_claims(copy);
	return 0;
}

// SPDX-License-Identifier: MIT
/* Namespaces: NVM Express 1.4, 5.15.2.1, 6.1. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/container_of.h>
#include <udrv/delay.h>

#include "nvme_ctrl.h"

#define SHIFT_MIN   9u
#define SHIFT_MAX   16u /* what an export can use */
#define PI_TYPES    3u
#define CHANGES_MAX 64u /* of what a number means: the old ones are kept */
#define PATIENCE    10u
#define PATIENCE_MS 50u

/* nsze may be anything: no block may have an address beyond 63 bits. */
static bool is_size_sane(uint64_t blocks, unsigned int shift)
{
	return blocks && blocks <= (uint64_t)INT64_MAX >> shift;
}

/* What Identify tells of a namespace that is there. */
struct told {
	const struct nvme_id_ns *id;
	uint8_t uuid[16]; /* zeroes: it has none, or is known by what is never reused */
	bool no_uuid;	  /* it could not be read */
	bool by_reset;	  /* nobody has said that it has changed */
	uint64_t question;
};

/* A namespace, and what its number meant before. */
struct namespace
{
	struct udrv_nvme_ns ns;
	uint8_t nguid[16], eui64[8], uuid[16];
	bool no_uuid;
	uint64_t changed_ms; /* when the number came to mean it; 0: it always has */
	unsigned int changes;
	/*
	 * Which question was answered so. Threads ask at the same time, and an answer may be late:
	 * what was asked for before says nothing of a change since then.
	 */
	uint64_t question;
	struct namespace *older;
};

static struct namespace *namespace_of(struct udrv_nvme_ns *ns)
{
	return udrv_container_of(ns, struct namespace, ns);
}

static void fill_format(struct udrv_nvme_ns *ns, const struct nvme_id_ns *id)
{
	const unsigned int index = NVME_FLBAS_INDEX(id->flbas);
	const struct nvme_lbaf *f = &id->lbaf[index];

	ns->block_shift = f->lbads;
	ns->metadata = f->ms;
	ns->extended = id->flbas & NVME_FLBAS_EXTENDED && f->ms;
	ns->pi_type = f->ms >= sizeof(struct nvme_pi) ? NVME_DPS_TYPE(id->dps) : 0;
	ns->pi_first = id->dps & NVME_DPS_FIRST;
	ns->read_only = id->nsattr & NVME_NSATTR_READ_ONLY;
}

/* Blocks of one command: the data with its metadata is what MDTS limits. */
static uint32_t most_blocks(const struct udrv_nvme *nvme, const struct udrv_nvme_ns *ns)
{
	const uint32_t block = (1u << ns->block_shift) + (ns->extended ? ns->metadata : 0u);
	const uint32_t most = nvme_max_transfer(nvme) / block;

	return most < NVME_RW_BLOCKS_MAX ? most : NVME_RW_BLOCKS_MAX;
}

static struct namespace describe(const struct udrv_nvme *nvme, uint32_t nsid,
				 const struct told *told)
{
	const struct nvme_id_ns *id = told->id;
	struct namespace now = {
		.ns = {.nsid = nsid}, .no_uuid = told->no_uuid, .question = told->question};
	struct udrv_nvme_ns *ns = &now.ns;

	memcpy(now.uuid, told->uuid, sizeof(now.uuid));
	memcpy(now.nguid, id->nguid, sizeof(now.nguid));
	memcpy(now.eui64, id->eui64, sizeof(now.eui64));
	fill_format(ns, id);
	if (ns->block_shift < SHIFT_MIN || ns->block_shift > SHIFT_MAX ||
	    !is_size_sane(id->nsze, ns->block_shift)) {
		udrv_dev_warn(nvme->dev, "namespace %u cannot be used: %llu blocks of 2^%u bytes",
			      nsid, (unsigned long long)id->nsze, ns->block_shift);
		return now;
	}
	ns->max_blocks = most_blocks(nvme, ns);
	/* 8.3.1.1: the controller strips it only if there is nothing else. Types above 3 are none.
	 */
	ns->usable = !ns->metadata || (ns->metadata == sizeof(struct nvme_pi) && ns->pi_type &&
				       ns->pi_type <= PI_TYPES);
	if (!ns->metadata) /* a page is never more than max_transfer */
		ns->page_blocks = (1u << nvme->page_shift) >> ns->block_shift;
	ns->blocks = id->nsze;
	return now;
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
	while (len && !bytes[len - 1])
		len--;
	return !len;
}

static bool has_identifier(const struct namespace *n)
{
	return !is_zero(n->nguid, sizeof(n->nguid)) || !is_zero(n->eui64, sizeof(n->eui64)) ||
	       !is_zero(n->uuid, sizeof(n->uuid));
}

static bool has_same_identifiers(const struct namespace *a, const struct namespace *b)
{
	if (memcmp(a->nguid, b->nguid, sizeof(a->nguid)) != 0 ||
	    memcmp(a->eui64, b->eui64, sizeof(a->eui64)) != 0)
		return false;
	return a->no_uuid || b->no_uuid || !memcmp(a->uuid, b->uuid, sizeof(a->uuid));
}

/*
 * The same disk, with blocks of the same kind: then other threads may go on with it. What they look
 * at without a lock never changes otherwise, but for the size and the limits.
 */
static bool is_same(const struct namespace *a, const struct namespace *b)
{
	return has_same_identifiers(a, b) && a->ns.block_shift == b->ns.block_shift &&
	       a->ns.metadata == b->ns.metadata && a->ns.extended == b->ns.extended &&
	       a->ns.pi_type == b->ns.pi_type && a->ns.pi_first == b->ns.pi_first &&
	       a->ns.usable == b->ns.usable;
}

/* Other threads read it at the same time: udrv_nvme_ns_blocks(). */
static void set_size(struct udrv_nvme_ns *ns, uint64_t blocks)
{
	if (ns->blocks != blocks)
		__atomic_store_n(&ns->blocks, blocks, __ATOMIC_RELAXED);
}

static void refresh(struct udrv_nvme_ns *ns, const struct udrv_nvme_ns *now)
{
	if (ns->max_blocks != now->max_blocks)
		__atomic_store_n(&ns->max_blocks, now->max_blocks, __ATOMIC_RELAXED);
	if (ns->read_only != now->read_only)
		__atomic_store_n(&ns->read_only, now->read_only, __ATOMIC_RELAXED);
	set_size(ns, now->blocks);
}

/* ns_lock. The place for a number, which may be behind the last one. */
static unsigned int place_of(const struct nvme_namespaces *all, uint32_t nsid)
{
	unsigned int i = 0;

	while (i < all->count && all->ns[i]->nsid < nsid)
		i++;
	return i;
}

static uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

/* ns_lock. A new one, in the place of @old or, without one, at @at: 0, -ENOMEM. */
static int put_new(struct nvme_namespaces *all, unsigned int at, struct namespace *old,
		   const struct namespace *now)
{
	struct namespace *fresh = malloc(sizeof(*fresh));

	if (!fresh)
		return -ENOMEM;
	*fresh = *now;
	fresh->older = old;
	if (old) {
		fresh->changed_ms = clock_ms();
		fresh->changes = old->changes + 1;
	} else {
		for (unsigned int i = all->count++; i > at; i--)
			all->ns[i] = all->ns[i - 1];
	}
	all->ns[at] = &fresh->ns;
	return 0;
}

/* Nothing but its size tells it from others, and that is another one without a word. */
static bool is_doubtful(const struct namespace *old, const struct namespace *now,
			const struct told *told)
{
	return told->by_reset && old->ns.blocks && old->ns.blocks != now->ns.blocks &&
	       !has_identifier(now);
}

/* ns_lock. The answer was that a number is not there, or all numbers but some. */
static void note_gone(struct udrv_nvme *nvme, uint64_t question)
{
	if (nvme->ns_gone < question)
		nvme->ns_gone = question;
}

/*
 * ns_lock. 0, -ENOMEM, -ENOSPC: it is ignored, -EAGAIN: it may have gone since it was asked for.
 */
static int take_over(struct udrv_nvme *nvme, uint32_t nsid, const struct told *told)
{
	struct nvme_namespaces *all = &nvme->namespaces;
	const unsigned int at = place_of(all, nsid);
	struct udrv_nvme_ns *known =
		at < all->count && all->ns[at]->nsid == nsid ? all->ns[at] : NULL;
	struct namespace *old = known ? namespace_of(known) : NULL;
	struct namespace now;

	if (old && old->question > told->question)
		return 0;
	if (old)
		old->question = told->question;
	if (!told->id->nsze) { /* it is gone, or not active: 5.15.2.1 */
		if (old)
			set_size(&old->ns, 0);
		else
			note_gone(nvme, told->question);
		return 0;
	}
	if (!old && nvme->ns_gone > told->question)
		return -EAGAIN;
	now = describe(nvme, nsid, told);
	if (old && is_same(old, &now) && !is_doubtful(old, &now, told)) {
		refresh(&old->ns, &now.ns);
		return 0;
	}
	if (!old)
		return all->count < NVME_NS_MAX ? put_new(all, at, NULL, &now) : -ENOSPC;
	/* Who has the old one must not write to what is there now. */
	set_size(&old->ns, 0);
	__atomic_store_n(&nvme->ns_changed, true, __ATOMIC_RELEASE);
	if (old->changes == CHANGES_MAX)
		return -ENOSPC;
	udrv_dev_notice(nvme->dev, "namespace %u is another one now, or has blocks of another kind",
			nsid);
	return put_new(all, at, old, &now);
}

/* Does the status say that there is no such namespace: 4.6.1? */
static bool says_gone(int status)
{
	const unsigned int sc = (unsigned int)status & NVME_STATUS_MASK;

	return sc == NVME_SC_INVALID_NS || sc == NVME_SC_INVALID_FIELD;
}

/* Whatever else it says may be over in a moment; @patience: how often that is waited for. */
static int identify(struct udrv_nvme *nvme, unsigned int cns, uint32_t nsid, void *data, bool own,
		    unsigned int *patience)
{
	int ret = nvme_admin_identify(nvme, cns, nsid, data, own);

	while (ret > 0 && !says_gone(ret) && !((unsigned int)ret & NVME_STATUS_DNR) && *patience) {
		(*patience)--;
		udrv_msleep(PATIENCE_MS);
		ret = nvme_admin_identify(nvme, cns, nsid, data, own);
	}
	return ret;
}

/* 5.15.2.4: descriptors of a type, a length, two bytes, and that many; one of no length ends them.
 */
static void find_uuid(const uint8_t *list, uint8_t *uuid)
{
	for (size_t at = 0; at + 4 + 16 <= NVME_IDENTIFY_SIZE && list[at + 1];
	     at += 4u + list[at + 1])
		if (list[at] == NVME_NIDT_UUID && list[at + 1] == 16)
			memcpy(uuid, list + at + 4, 16);
}

/* 5.15.2.1, NSFEAT: NGUID and EUI64 may come again, for another namespace, unless it says no. */
static bool is_known(const struct nvme_id_ns *id)
{
	return id->nsfeat & NVME_NSFEAT_UIDREUSE &&
	       (!is_zero(id->nguid, sizeof(id->nguid)) || !is_zero(id->eui64, sizeof(id->eui64)));
}

/* 0, also if there is none; negative errno. */
static int read_uuid(struct udrv_nvme *nvme, uint32_t nsid, struct told *told, bool own,
		     unsigned int *patience)
{
	uint8_t *list;
	int ret;

	if (nvme->vs < NVME_VS(1u, 3u, 0u) || is_known(told->id))
		return 0;
	list = malloc(NVME_IDENTIFY_SIZE);
	if (!list)
		return -ENOMEM;
	ret = identify(nvme, NVME_CNS_NS_DESCRIPTORS, nsid, list, own, patience);
	if (!ret)
		find_uuid(list, told->uuid);
	told->no_uuid = ret > 0 && !says_gone(ret);
	free(list);
	return ret < 0 ? ret : 0;
}

static uint64_t begin_question(struct udrv_nvme *nvme)
{
	uint64_t question;

	pthread_mutex_lock(&nvme->ns_lock);
	question = ++nvme->ns_questions;
	pthread_mutex_unlock(&nvme->ns_lock);
	return question;
}

/* What take_over() returns, or negative errno. */
static int ask(struct udrv_nvme *nvme, uint32_t nsid, bool own, unsigned int *patience)
{
	struct nvme_id_ns *id = calloc(1, sizeof(*id));
	struct told told = {.id = id, .by_reset = own, .question = begin_question(nvme)};
	int ret;

	if (!id)
		return -ENOMEM;
	ret = identify(nvme, NVME_CNS_NS, nsid, id, own, patience);
	if (ret > 0 && !says_gone(ret)) {
		udrv_dev_warn(nvme->dev,
			      "namespace %u cannot be read (%s): it is taken to be as it was", nsid,
			      udrv_nvme_status_text((uint32_t)ret));
		ret = 0;
	} else if (ret >= 0) {
		if (ret)
			memset(id, 0, sizeof(*id));
		ret = id->nsze ? read_uuid(nvme, nsid, &told, own, patience) : 0;
		pthread_mutex_lock(&nvme->ns_lock);
		if (!ret)
			ret = take_over(nvme, nsid, &told);
		pthread_mutex_unlock(&nvme->ns_lock);
	}
	free(id);
	return ret;
}

/* 0, or negative errno: -ENOSPC, it is ignored. */
static int update(struct udrv_nvme *nvme, uint32_t nsid, bool own, unsigned int *patience)
{
	int ret;

	do
		ret = ask(nvme, nsid, own, patience);
	while (ret == -EAGAIN);
	return ret;
}

static void say_ignored(const struct udrv_nvme *nvme, unsigned int count, uint32_t nsid)
{
	udrv_dev_warn(
		nvme->dev,
		"%u namespaces (%u is the last) are ignored: there is no room for more than %u, "
		"or they have changed too often",
		count, nsid, NVME_NS_MAX);
}

int nvme_ns_update(struct udrv_nvme *nvme, uint32_t nsid, bool own)
{
	unsigned int patience = PATIENCE;
	const int ret = update(nvme, nsid, own, &patience);

	if (ret != -ENOSPC)
		return ret;
	say_ignored(nvme, 1, nsid);
	return 0;
}

/* Those that are not in the list, which ascends, are gone. */
static void forget_others(struct udrv_nvme *nvme, const uint32_t *list, unsigned int count,
			  uint64_t question)
{
	unsigned int at = 0;

	pthread_mutex_lock(&nvme->ns_lock);
	for (unsigned int i = 0; i < nvme->namespaces.count; i++) {
		struct namespace *n = namespace_of(nvme->namespaces.ns[i]);

		while (at < count && list[at] < n->ns.nsid)
			at++;
		if ((at < count && list[at] == n->ns.nsid) || n->question > question)
			continue;
		n->question = question;
		set_size(&n->ns, 0);
	}
	note_gone(nvme, question);
	pthread_mutex_unlock(&nvme->ns_lock);
}

/* 5.15.2.3; before 1.1 there was no such list: then all numbers are tried. */
static int list_active(struct udrv_nvme *nvme, uint32_t *list, unsigned int *count, bool own)
{
	uint32_t nn = nvme_id(nvme)->nn;
	int ret = 1;

	if (nn > NVME_NS_MAX)
		nn = NVME_NS_MAX;
	if (nvme->vs >= NVME_VS(1u, 1u, 0u))
		ret = nvme_admin_identify(nvme, NVME_CNS_ACTIVE_NS, 0, list, own);
	if (ret < 0)
		return ret;
	if (ret) {
		for (uint32_t i = 0; i < nn; i++)
			list[i] = i + 1;
		*count = nn;
		return 0;
	}
	*count = 0;
	/* An order that is not ascending is no list. */
	while (*count < NVME_NS_LIST_ENTRIES && list[*count] && list[*count] <= NVME_NSID_MAX &&
	       (!*count || list[*count] > list[*count - 1]))
		(*count)++;
	return 0;
}

int nvme_ns_scan(struct udrv_nvme *nvme, bool own)
{
	uint32_t *list = calloc(NVME_NS_LIST_ENTRIES, sizeof(*list));
	const uint64_t question = begin_question(nvme);
	unsigned int count = 0, ignored = 0, patience = PATIENCE;
	uint32_t last = 0;
	int ret;

	if (!list)
		return -ENOMEM;
	ret = list_active(nvme, list, &count, own);
	for (unsigned int i = 0; i < count && ret >= 0; i++) {
		ret = update(nvme, list[i], own, &patience);
		if (ret != -ENOSPC)
			continue;
		ignored++;
		last = list[i];
		ret = 0;
	}
	if (ignored)
		say_ignored(nvme, ignored, last);
	if (ret >= 0)
		forget_others(nvme, list, count, question);
	free(list);
	if (ret < 0)
		udrv_dev_err(nvme->dev, "cannot read the namespaces: %s", strerror(-ret));
	return ret;
}

bool nvme_ns_is_other(struct udrv_nvme *nvme, uint32_t nsid, uint32_t age_ms)
{
	const struct namespace *n = NULL;
	unsigned int at;
	bool other;

	if (!__atomic_load_n(&nvme->ns_changed, __ATOMIC_ACQUIRE))
		return false;
	pthread_mutex_lock(&nvme->ns_lock);
	at = place_of(&nvme->namespaces, nsid);
	if (at < nvme->namespaces.count && nvme->namespaces.ns[at]->nsid == nsid)
		n = namespace_of(nvme->namespaces.ns[at]);
	other = n && n->changed_ms && age_ms >= clock_ms() - n->changed_ms;
	pthread_mutex_unlock(&nvme->ns_lock);
	return other;
}

void nvme_ns_free(struct udrv_nvme *nvme)
{
	for (unsigned int i = 0; i < nvme->namespaces.count; i++) {
		struct namespace *n = namespace_of(nvme->namespaces.ns[i]);

		while (n) {
			struct namespace *older = n->older;

			free(n);
			n = older;
		}
	}
	nvme->namespaces.count = 0;
}

const struct udrv_nvme_ns *udrv_nvme_ns_next(struct udrv_nvme *nvme, uint32_t nsid)
{
	const struct udrv_nvme_ns *found = NULL;

	pthread_mutex_lock(&nvme->ns_lock);
	for (unsigned int i = 0; i < nvme->namespaces.count && !found; i++) {
		const struct udrv_nvme_ns *ns = nvme->namespaces.ns[i];

		if (ns->nsid > nsid && udrv_nvme_ns_blocks(ns))
			found = ns;
	}
	pthread_mutex_unlock(&nvme->ns_lock);
	return found;
}

/* In hexadecimal, two digits a byte, behind what is there. */
static void add_bytes(char *text, const char *before, const uint8_t *bytes, size_t len)
{
	size_t at = strlen(text);

	at += (size_t)snprintf(text + at, UDRV_NVME_NS_ID_MAX - at, "%s", before);
	for (size_t i = 0; i < len; i++)
		at += (size_t)snprintf(text + at, UDRV_NVME_NS_ID_MAX - at, "%02x", bytes[i]);
}

static void add_eui(char *text, const uint8_t *bytes, size_t len)
{
	if (!is_zero(bytes, len))
		add_bytes(text, *text ? " eui." : "eui.", bytes, len);
}

void udrv_nvme_ns_id(const struct udrv_nvme_ns *ns, char text[UDRV_NVME_NS_ID_MAX])
{
	static const uint8_t groups[] = {4, 2, 2, 2, 6}; /* of a UUID: RFC 4122, 3 */
	const struct namespace *n = namespace_of((struct udrv_nvme_ns *)(uintptr_t)ns);
	const uint8_t *uuid = n->uuid;

	text[0] = '\0';
	for (size_t i = 0; i < sizeof(groups) && !is_zero(n->uuid, sizeof(n->uuid)); i++) {
		add_bytes(text, i ? "-" : "uuid.", uuid, groups[i]);
		uuid += groups[i];
	}
	add_eui(text, n->nguid, sizeof(n->nguid));
	add_eui(text, n->eui64, sizeof(n->eui64));
}

const struct udrv_nvme_ns *udrv_nvme_ns(struct udrv_nvme *nvme, uint32_t nsid)
{
	const struct udrv_nvme_ns *ns = nsid ? udrv_nvme_ns_next(nvme, nsid - 1) : NULL;

	return ns && ns->nsid == nsid ? ns : NULL;
}

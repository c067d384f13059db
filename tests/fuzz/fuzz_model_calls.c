// SPDX-License-Identifier: MIT
/* Calls of the control node whose result the model knows. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fuzz_model.h"

void model_info(struct model *m)
{
	struct udrv_stub_info info = {.abi = UDRV_STUB_ABI};

	EXPECT(model_ioctl(m, FUZZ_INFO, model_any_file(m), UDRV_STUB_INFO, &info, sizeof(info)),
	       0);
	if (info.users != model_users(m))
		fuzz_fail("INFO says %u users, there are %u", info.users, model_users(m));
	MODEL_CHECK(info.vectors_len && info.vectors_len % FUZZ_PAGE == 0);
	info.users = 0;
	MODEL_CHECK(!memcmp(&info, &fuzz.info, sizeof(info)));
}

/* Interrupts ---------------------------------------------------------------------------------- */

static void close_eventfds(struct model *m)
{
	for (int i = 0; i < MODEL_VECTORS; i++) {
		if (m->eventfds[i] >= 0)
			close(m->eventfds[i]);
		m->eventfds[i] = -1;
	}
}

/* -1 for some, which is allowed. */
static void open_eventfds(struct model *m, int *fds, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		fds[i] = fuzz_one_in(&m->rng, 8) ? -1 : eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

static long set_irqs(struct model *m, int file, uint32_t type, uint32_t count, const int *fds)
{
	struct udrv_stub_irqs irqs = {.abi = UDRV_STUB_ABI, .type = type, .count = count};

	irqs.fds = count ? (uintptr_t)fds : 0;
	return model_ioctl(m, FUZZ_SET_IRQS, file, UDRV_STUB_SET_IRQS, &irqs, sizeof(irqs));
}

void model_irqs_off(struct model *m)
{
	if (m->irq_owner == MODEL_NOBODY || m->irq_owner == MODEL_UIO)
		return;
	EXPECT(set_irqs(m, m->irq_owner, m->irq_type, 0, NULL), 0);
	m->irq_owner = MODEL_NOBODY;
	close_eventfds(m);
}

/* Counts start at 0. Nothing interrupts yet but an INTx line that was left asserted. */
static void check_counts(const struct model *m)
{
	const volatile struct udrv_stub_vector *vectors = model_vectors(m);

	for (uint32_t i = 0; vectors && m->irq_type != UDRV_STUB_INTX && i < m->irq_count; i++)
		MODEL_CHECK(vectors[i].count <= 1);
}

static void irqs_granted(struct model *m, int file, uint32_t type, uint32_t count, const int *fds)
{
	close_eventfds(m);
	m->irq_owner = file;
	m->irq_type = type;
	m->irq_count = count;
	memcpy(m->eventfds, fds, count * sizeof(*fds));
	check_counts(m);
	/* The kernel has its own references. */
	if (fuzz_one_in(&m->rng, 3))
		close_eventfds(m);
}

/* None of them is to be on afterwards, if it was @file's. */
static void irqs_too_many(struct model *m, int file, uint32_t type, uint32_t have)
{
	uint32_t count = fuzz_one_in(&m->rng, 2) ? have + 1 : UDRV_STUB_VECTORS_MAX;
	static int fds[UDRV_STUB_VECTORS_MAX + 1];
	long result;

	memset(fds, -1, sizeof(fds));
	if (fuzz_one_in(&m->rng, 4)) {
		EXPECT(set_irqs(m, file, type, UDRV_STUB_VECTORS_MAX + 1, fds), -EINVAL);
		return;
	}
	result = set_irqs(m, file, type, count, fds);
	if (m->irq_owner != MODEL_NOBODY && m->irq_owner != file) {
		EXPECT(result, -EBUSY);
		return;
	}
	EXPECT(result, have ? (long)have : -ENOSPC);
	model_irqs_off(m);
}

static void irqs_bad_descriptor(struct model *m, int file, uint32_t type, uint32_t have)
{
	int fds[MODEL_VECTORS];
	int bad[] = {m->null, 9999, -2, m->files[file]};
	uint32_t count = 1 + fuzz_below(&m->rng, have);

	open_eventfds(m, fds, count - 1);
	fds[count - 1] = bad[fuzz_below(&m->rng, 4)];
	EXPECT(set_irqs(m, file, type, count, fds), -EBADF, -EINVAL);
	for (uint32_t i = 0; i + 1 < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (m->irq_owner == file)
		model_irqs_off(m);
}

void model_irqs(struct model *m)
{
	int file = model_any_file(m);
	uint32_t type = fuzz_below(&m->rng, UDRV_STUB_IRQ_TYPES);
	uint32_t have = fuzz.info.irq_counts[type];
	bool busy = m->irq_owner != MODEL_NOBODY && m->irq_owner != file;
	int fds[MODEL_VECTORS];
	uint32_t count;

	have = have > MODEL_VECTORS ? MODEL_VECTORS : have;
	if (fuzz_one_in(&m->rng, 6)) {
		irqs_too_many(m, file, type, fuzz.info.irq_counts[type]);
		return;
	}
	if (have && !busy && fuzz_one_in(&m->rng, 6)) {
		irqs_bad_descriptor(m, file, type, have);
		return;
	}
	if (fuzz_one_in(&m->rng, 4) || !have) {
		model_irqs_off(m);
		return;
	}
	count = 1 + fuzz_below(&m->rng, have);
	open_eventfds(m, fds, count);
	EXPECT(set_irqs(m, file, type, count, fds), busy ? -EBUSY : 0);
	if (!busy)
		irqs_granted(m, file, type, count, fds);
	for (uint32_t i = 0; busy && i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static long mask(struct model *m, int file, uint32_t vector, uint32_t on)
{
	struct udrv_stub_mask mask = {.abi = UDRV_STUB_ABI, .vector = vector, .mask = on};

	return model_ioctl(m, FUZZ_MASK, file, UDRV_STUB_MASK, &mask, sizeof(mask));
}

void model_mask(struct model *m)
{
	int file = model_any_file(m);
	uint32_t vector = fuzz_below(&m->rng, 4) ? fuzz_below(&m->rng, MODEL_VECTORS)
						 : (uint32_t)fuzz_value(&m->rng);
	uint32_t on = fuzz_below(&m->rng, 2);

	if (fuzz_one_in(&m->rng, 2) && m->irq_owner >= 0 && m->irq_owner < MODEL_UIO) {
		file = m->irq_owner;
		vector = fuzz_below(&m->rng, m->irq_count);
	}
	EXPECT(mask(m, file, vector, on),
	       m->irq_owner == file && vector < m->irq_count ? 0 : -EINVAL);
	EXPECT(mask(m, file, vector, 2 + on), -EINVAL);
}

void model_event(struct model *m)
{
	int fd = fuzz_one_in(&m->rng, 4) ? -1 : eventfd(0, EFD_CLOEXEC);
	struct udrv_stub_event event = {
		.abi = UDRV_STUB_ABI, .event = fuzz_below(&m->rng, UDRV_STUB_EVENTS), .fd = fd};
	int file = model_any_file(m);

	EXPECT(model_ioctl(m, FUZZ_SET_EVENT, file, UDRV_STUB_SET_EVENT, &event, sizeof(event)), 0);
	if (fd >= 0)
		close(fd);
	event.fd = fuzz_one_in(&m->rng, 2) ? m->null : 9999;
	EXPECT(model_ioctl(m, FUZZ_SET_EVENT, file, UDRV_STUB_SET_EVENT, &event, sizeof(event)),
	       -EINVAL, -EBADF);
	event.event = UDRV_STUB_EVENTS + fuzz_below(&m->rng, 2);
	event.fd = -1;
	EXPECT(model_ioctl(m, FUZZ_SET_EVENT, file, UDRV_STUB_SET_EVENT, &event, sizeof(event)),
	       -EINVAL);
}

static void master_on(struct model *m, int file)
{
	uint64_t at = UDRV_STUB_OFFSET(UDRV_STUB_REGION_CONFIG) + 4;
	uint16_t command = 0;

	EXPECT(fuzz_pread(m->files[file], &command, 2, at), 2);
	command |= 4;
	EXPECT(fuzz_pwrite(m->files[file], &command, 2, at), 2);
}

bool model_comes(int fd, int timeout_ms)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	return poll(&wait, 1, timeout_ms) == 1 && wait.revents & POLLIN;
}

/* Raised, told by the eventfd and by the count, acknowledged. */
void model_interrupt(struct model *m)
{
	const volatile struct udrv_stub_vector *vectors = model_vectors(m);
	uint64_t before = 0, count;
	uint32_t vector;
	int fd;

	if (m->irq_owner < 0 || m->irq_owner >= MODEL_UIO || !fuzz_raises(m->irq_type))
		return;
	fd = m->files[m->irq_owner];
	vector = fuzz_below(&m->rng, m->irq_count);
	if (m->eventfds[vector] < 0)
		return;
	master_on(m, m->irq_owner);
	MODEL_CHECK(fuzz_acknowledge(fd, NULL) >= 0);
	EXPECT(mask(m, m->irq_owner, vector, 0), 0);
	while (read(m->eventfds[vector], &count, sizeof(count)) > 0)
		;
	if (vectors)
		before = vectors[vector].count;
	MODEL_CHECK(fuzz_raise(fd, NULL, vector) >= 0);
	if (!model_comes(m->eventfds[vector], MODEL_WAIT_MS))
		fuzz_fail("an interrupt of type %u, vector %u of %u, did not come", m->irq_type,
			  vector, m->irq_count);
	if (vectors && vectors[vector].count <= before)
		fuzz_fail("an interrupt was signalled but not counted");
	MODEL_CHECK(fuzz_acknowledge(fd, NULL) >= 0);
	fuzz_count(FUZZ_INTERRUPT, 0);
}

void model_reset(struct model *m)
{
	int file = model_any_file(m);
	bool can = fuzz.info.flags & UDRV_STUB_CAN_RESET;
	long result;

	result = fuzz_ioctl(FUZZ_RESET, m->files[file], UDRV_STUB_RESET, (void *)(uintptr_t)8, 0);
	if (!can)
		EXPECT(result, -ENOTTY);
	else
		EXPECT(result, model_users(m) > 1 ? -EBUSY : 0);
}

// SPDX-License-Identifier: MIT
/* The UIO node. */
#include <errno.h>
#include <unistd.h>

#include "fuzz_model.h"

/* The count of open files is exact only without an interrupt's owner changing by a close. */
static void uio_close(struct model *m, int uio)
{
	bool last = true;

	model_unmap_file(m, MODEL_UIO + uio);
	fuzz_close(m->uios[uio]);
	m->uios[uio] = -1;
	for (int i = 0; i < MODEL_UIOS; i++)
		last = last && m->uios[i] < 0;
	if (last && m->irq_owner == MODEL_UIO)
		m->irq_owner = MODEL_NOBODY;
}

static long uio_write(int fd, const void *data, size_t size)
{
	ssize_t result = write(fd, data, size);

	return fuzz_count(FUZZ_UIO_WRITE, result < 0 ? -errno : result);
}

static long uio_read(int fd, void *data, size_t size)
{
	ssize_t result = read(fd, data, size);

	return fuzz_count(FUZZ_UIO_READ, result < 0 ? -errno : result);
}

static void uio_control(struct model *m, int fd)
{
	int32_t on = (int32_t)fuzz_below(&m->rng, 2);
	bool busy = m->irq_owner != MODEL_NOBODY && m->irq_owner != MODEL_UIO;
	long result = uio_write(fd, &on, sizeof(on));

	if (busy) {
		EXPECT(result, -EBUSY);
	} else if (on && m->irq_owner == MODEL_NOBODY && !fuzz.info.irq_counts[UDRV_STUB_INTX]) {
		EXPECT(result, -ENOSPC, -EIO);
	} else {
		EXPECT(result, sizeof(on));
		m->irq_owner = on ? MODEL_UIO : m->irq_owner;
	}
	EXPECT(uio_write(fd, &on, 3), -EINVAL);
}

static void uio_interrupt(struct model *m, int fd)
{
	int file = model_any_file(m);
	int32_t on = 1, count;

	if (m->irq_owner != MODEL_UIO || !fuzz_raises(UDRV_STUB_INTX))
		return;
	MODEL_CHECK(fuzz_acknowledge(m->files[file], NULL) >= 0);
	EXPECT(uio_write(fd, &on, sizeof(on)), sizeof(on));
	EXPECT(uio_read(fd, &count, sizeof(count)), sizeof(count), -EAGAIN);
	MODEL_CHECK(fuzz_raise(m->files[file], NULL, 0) >= 0);
	if (!model_comes(fd, MODEL_WAIT_MS))
		fuzz_fail("an interrupt did not come to a UIO reader");
	EXPECT(uio_read(fd, &count, sizeof(count)), sizeof(count));
	MODEL_CHECK(fuzz_acknowledge(m->files[file], NULL) >= 0);
}

void model_uio(struct model *m)
{
	int uio = (int)fuzz_below(&m->rng, MODEL_UIOS);
	int32_t count;

	if (m->uios[uio] < 0) {
		m->uios[uio] = (int)fuzz_open(true);
		MODEL_CHECK(m->uios[uio] >= 0);
		return;
	}
	switch (fuzz_below(&m->rng, 6)) {
	case 0:
		uio_close(m, uio);
		break;
	case 1:
		EXPECT(uio_read(m->uios[uio], &count, sizeof(count)), sizeof(count), -EAGAIN);
		EXPECT(uio_read(m->uios[uio], &count, 3), -EINVAL);
		break;
	case 2:
		fuzz_count(FUZZ_UIO_POLL, model_comes(m->uios[uio], 0));
		break;
	case 3:
		uio_interrupt(m, m->uios[uio]);
		break;
	default:
		uio_control(m, m->uios[uio]);
	}
}

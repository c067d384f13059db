// SPDX-License-Identifier: MIT
/*
 * Fifos. `in` is written by who puts in, `out` by who takes out; each reads the other's with
 * acquire and writes its own with release, after the elements have been copied.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/kfifo.h>

static void set_up(struct udrv__kfifo *fifo, void *data, unsigned int size, size_t esize)
{
	fifo->in = 0;
	fifo->out = 0;
	fifo->mask = size - 1;
	fifo->esize = (unsigned int)esize;
	fifo->data = data;
}

int udrv__kfifo_alloc(struct udrv__kfifo *fifo, unsigned int size, size_t esize)
{
	unsigned int rounded = 2;
	void *data;

	if (size < 2 || size > UINT_MAX / 2 + 1)
		return -EINVAL;
	while (rounded < size)
		rounded *= 2;
	data = calloc(rounded, esize);
	if (!data)
		return -ENOMEM;
	set_up(fifo, data, rounded, esize);
	return 0;
}

int udrv__kfifo_init(struct udrv__kfifo *fifo, void *buffer, unsigned int size, size_t esize)
{
	unsigned int rounded = 2;

	if (size < 2)
		return -EINVAL;
	while (rounded <= size / 2)
		rounded *= 2;
	set_up(fifo, buffer, rounded, esize);
	return 0;
}

void udrv__kfifo_free(struct udrv__kfifo *fifo)
{
	free(fifo->data);
	memset(fifo, 0, sizeof(*fifo));
}

/* How many of n elements are in one piece, from element at on. */
static unsigned int until_end(const struct udrv__kfifo *fifo, unsigned int at, unsigned int n)
{
	unsigned int left = fifo->mask + 1 - (at & fifo->mask);

	return n < left ? n : left;
}

static char *element(const struct udrv__kfifo *fifo, unsigned int at)
{
	return (char *)fifo->data + (size_t)(at & fifo->mask) * fifo->esize;
}

unsigned int udrv__kfifo_in(struct udrv__kfifo *fifo, const void *from, unsigned int n)
{
	unsigned int in = fifo->in;
	unsigned int avail = fifo->mask + 1 - (in - __atomic_load_n(&fifo->out, __ATOMIC_ACQUIRE));
	unsigned int piece;

	if (!fifo->data)
		return 0;
	if (n > avail)
		n = avail;
	piece = until_end(fifo, in, n);
	memcpy(element(fifo, in), from, (size_t)piece * fifo->esize);
	memcpy(fifo->data, (const char *)from + (size_t)piece * fifo->esize,
	       (size_t)(n - piece) * fifo->esize);
	__atomic_store_n(&fifo->in, in + n, __ATOMIC_RELEASE);
	return n;
}

unsigned int udrv__kfifo_peek(const struct udrv__kfifo *fifo, void *to, unsigned int n)
{
	unsigned int out = fifo->out;
	unsigned int len = __atomic_load_n(&fifo->in, __ATOMIC_ACQUIRE) - out;
	unsigned int piece;

	if (!fifo->data)
		return 0;
	if (n > len)
		n = len;
	piece = until_end(fifo, out, n);
	memcpy(to, element(fifo, out), (size_t)piece * fifo->esize);
	memcpy((char *)to + (size_t)piece * fifo->esize, fifo->data,
	       (size_t)(n - piece) * fifo->esize);
	return n;
}

unsigned int udrv__kfifo_skip(struct udrv__kfifo *fifo, unsigned int n)
{
	unsigned int out = fifo->out;
	unsigned int len = __atomic_load_n(&fifo->in, __ATOMIC_ACQUIRE) - out;

	if (n > len)
		n = len;
	__atomic_store_n(&fifo->out, out + n, __ATOMIC_RELEASE);
	return n;
}

// SPDX-License-Identifier: MIT
/*
 * Buffers of frames: headers of one cache line, which keep the memory that they once got. So the
 * caches' magazines are full of small objects, and the memory's address is looked up once.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/dma.h>
#include <udrv/log.h>
#include <udrv/net.h>
#include <udrv/slab.h>

#define ROOM_MAX    (128u * 1024)
#define ATTACH_STEP 64

_Static_assert(sizeof(struct udrv_net_buf) == 64, "one cache line");

struct udrv_net_pool {
	struct udrv_device *dev;
	struct udrv_kmem_cache *bufs;
	struct udrv_kmem_cache *data;
	uint32_t size; /* of the data */
	bool whole;    /* all buffers that there may be have their memory */
};

static void buf_ctor(void *obj)
{
	memset(obj, 0, sizeof(struct udrv_net_buf));
}

static void buf_dtor(void *obj)
{
	struct udrv_net_buf *buf = obj;

	if (buf->start)
		udrv_kmem_cache_free(buf->pool->data, buf->start - UDRV_NET_HEADROOM);
}

/* 0 or -ENOMEM. */
static int attach(struct udrv_net_pool *pool, struct udrv_net_buf *buf, udrv_gfp_t gfp)
{
	struct udrv_dma_window window = {0};
	unsigned char *head = udrv_kmem_cache_alloc(pool->data, gfp);
	udrv_iova_t iova = UDRV_DMA_MAPPING_ERROR;

	if (!head)
		return -ENOMEM;
	if (pool->dev)
		iova = udrv_dma_look_up(pool->dev, head, pool->size, &window);
	if (pool->dev && iova == UDRV_DMA_MAPPING_ERROR) {
		udrv_kmem_cache_free(pool->data, head);
		return -ENOMEM;
	}
	buf->pool = pool;
	buf->start = head + UDRV_NET_HEADROOM;
	buf->size = pool->size - UDRV_NET_HEADROOM;
	buf->to_iova = iova - (uintptr_t)head;
	udrv_net_buf_reset(buf);
	return 0;
}

/* Makes all that there may be, so that none has to be made in a hot path. */
static int fill(struct udrv_net_pool *pool, size_t count)
{
	struct udrv_net_buf **bufs = calloc(count, sizeof(struct udrv_net_buf *));
	size_t have = 0;
	int ret = bufs ? 0 : -ENOMEM;

	while (!ret && have < count) {
		const size_t left = count - have;
		const unsigned int n = left < ATTACH_STEP ? (unsigned int)left : ATTACH_STEP;

		ret = udrv_net_buf_alloc_bulk(pool, UDRV_GFP_KERNEL, n, bufs + have);
		if (!ret)
			have += n;
	}
	udrv_net_buf_free_bulk(bufs, (unsigned int)have);
	free(bufs);
	pool->whole = !ret;
	return ret;
}

static struct udrv_kmem_cache *make_data(struct udrv_net_pool *pool, const char *name)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%.20s-data", name);
	return udrv_kmem_cache_create(pool->dev, text, pool->size, 64,
				      UDRV_SLAB_NO_REAP | (pool->dev ? UDRV_SLAB_CACHE_DMA : 0),
				      NULL, NULL);
}

static struct udrv_kmem_cache *make_bufs(struct udrv_net_pool *pool, const char *name, size_t count)
{
	struct udrv_kmem_cache *bufs;
	char text[32];

	(void)snprintf(text, sizeof(text), "%.20s", name);
	bufs = udrv_kmem_cache_create(pool->dev, text, sizeof(struct udrv_net_buf), 64,
				      UDRV_SLAB_NO_REAP, buf_ctor, buf_dtor);
	if (bufs && count && udrv_kmem_cache_set_limit(bufs, count)) {
		(void)udrv_kmem_cache_destroy(bufs);
		bufs = NULL;
	}
	return bufs;
}

struct udrv_net_pool *udrv_net_pool_create(struct udrv_device *dev, const char *name, size_t room,
					   size_t count)
{
	struct udrv_net_pool *pool;

	if (!room || room > ROOM_MAX || count > UINT32_MAX) {
		udrv_pr_err("pool %.20s: %zu buffers of %zu bytes make no sense", name, count,
			    room);
		return NULL;
	}
	pool = calloc(1, sizeof(*pool));
	if (!pool)
		goto err;
	pool->dev = dev;
	pool->size = (uint32_t)room + UDRV_NET_HEADROOM;
	pool->data = make_data(pool, name);
	if (!pool->data)
		goto err_pool;
	pool->bufs = make_bufs(pool, name, count);
	if (!pool->bufs)
		goto err_data;
	if (!count || !fill(pool, count))
		return pool;

	(void)udrv_kmem_cache_destroy(pool->bufs);
err_data:
	(void)udrv_kmem_cache_destroy(pool->data);
err_pool:
	free(pool);
err:
	udrv_pr_err("pool %.20s: no memory", name);
	return NULL;
}

int udrv_net_pool_destroy(struct udrv_net_pool *pool)
{
	int ret = pool ? udrv_kmem_cache_destroy(pool->bufs) : 0;

	if (!pool || ret)
		return ret;
	(void)udrv_kmem_cache_destroy(pool->data);
	free(pool);
	return 0;
}

/* 0 or -ENOMEM. */
static __attribute__((noinline)) int attach_all(struct udrv_net_pool *pool, udrv_gfp_t gfp,
						unsigned int n, struct udrv_net_buf **bufs)
{
	for (unsigned int i = 0; i < n; i++)
		if (!bufs[i]->start && attach(pool, bufs[i], gfp))
			return -ENOMEM;
	return 0;
}

/* What is free is empty and alone already. */
int udrv_net_buf_alloc_bulk(struct udrv_net_pool *pool, udrv_gfp_t gfp, unsigned int n,
			    struct udrv_net_buf **bufs)
{
	if (!n)
		return 0;
	if (!udrv_kmem_cache_alloc_bulk(pool->bufs, gfp, n, (void **)bufs))
		return -ENOMEM;
	if (__builtin_expect(pool->whole, 1) || !attach_all(pool, gfp, n, bufs))
		return 0;
	udrv_kmem_cache_free_bulk(pool->bufs, n, (void **)bufs);
	return -ENOMEM;
}

struct udrv_net_buf *udrv_net_buf_alloc(struct udrv_net_pool *pool, udrv_gfp_t gfp)
{
	struct udrv_net_buf *buf;

	return udrv_net_buf_alloc_bulk(pool, gfp, 1, &buf) ? NULL : buf;
}

void udrv_net_buf_free(struct udrv_net_buf *buf)
{
	while (buf) {
		struct udrv_net_buf *next = buf->next;

		buf->next = NULL;
		udrv_net_buf_reset(buf);
		udrv_kmem_cache_free(buf->pool->bufs, buf);
		buf = next;
	}
}

void udrv_net_pool_put(struct udrv_net_pool *pool, struct udrv_net_buf **bufs, unsigned int n)
{
	udrv_kmem_cache_free_bulk(pool->bufs, n, (void **)bufs);
}

/* Buffers from the first on that are alone and of the pool are reset: how many. */
static unsigned int reset_alike(const struct udrv_net_pool *pool, struct udrv_net_buf **bufs,
				unsigned int n)
{
	struct udrv_net_buf **const end = bufs + n, **next = bufs;

	for (; next != end; next++) {
		struct udrv_net_buf *buf = *next;

		if (buf->pool != pool || buf->next)
			break;
		udrv_net_buf_reset(buf);
	}
	return (unsigned int)(next - bufs);
}

void udrv_net_buf_free_bulk(struct udrv_net_buf **bufs, unsigned int n)
{
	while (n) {
		struct udrv_net_pool *pool = bufs[0]->pool;
		unsigned int done = reset_alike(pool, bufs, n);

		if (done)
			udrv_net_pool_put(pool, bufs, done);
		else
			udrv_net_buf_free(bufs[done++]);
		bufs += done;
		n -= done;
	}
}

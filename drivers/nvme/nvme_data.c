// SPDX-License-Identifier: MIT
/*
 * Where a command's data is: PRPs (NVM Express 1.4, 4.3), SGLs (4.4), and copies of memory that the
 * controller cannot be pointed to.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nvme_ctrl.h"

#define LIST_PRPS (NVME_LIST_SIZE / sizeof(uint64_t))
#define LIST_SGLS (NVME_LIST_SIZE / sizeof(struct nvme_sgl))

/*
 * Unknown memory up to that is rather copied: mapping it costs two system calls, which take as long
 * as copying so much.
 */
#define COPY_RATHER ((size_t)64 << 10)

struct nvme_list *nvme_list_get(struct udrv_nvme_queue *q)
{
	struct nvme_list *list = q->lists;
	udrv_iova_t iova;

	if (list) {
		q->lists = list->next;
		return list;
	}
	list = udrv_dma_alloc_coherent(q->dev, NVME_LIST_SIZE, &iova, UDRV_GFP_KERNEL);
	if (list)
		list->iova = iova;
	return list;
}

/* Its address was written over by what the list is for. */
static void list_put(struct udrv_nvme_queue *q, struct nvme_list *list)
{
	list->iova = udrv_virt_to_bus(list);
	list->next = q->lists;
	q->lists = list;
}

void nvme_lists_free(struct udrv_nvme_queue *q)
{
	struct nvme_list *list;

	while ((list = q->lists)) {
		q->lists = list->next;
		udrv_dma_free_coherent(q->dev, NVME_LIST_SIZE, list, list->iova);
	}
}

static struct nvme_sgl sgl_data(udrv_iova_t iova, size_t len)
{
	return (struct nvme_sgl){.addr = iova, .len = (uint32_t)len, .id = NVME_SGL_DATA};
}

/* Entries for the pages from iova on, which begins one. 0, -EMSGSIZE: the list is full. */
static int fill_prps(uint64_t *prps, size_t *at, size_t page_size, udrv_iova_t iova, size_t len)
{
	for (size_t done = 0; done < len; done += page_size) {
		if (*at == LIST_PRPS)
			return -EMSGSIZE;
		prps[(*at)++] = iova + done;
	}
	return 0;
}

int nvme_data_point(struct udrv_nvme_queue *q, struct nvme_sqe *sqe, udrv_iova_t iova, size_t len,
		    struct nvme_list **list)
{
	const size_t page = (size_t)q->put.page_mask + 1;
	const udrv_iova_t second = (iova & ~(udrv_iova_t)(page - 1)) + page;
	const size_t rest = len - (size_t)(second - iova);
	size_t at = 0;

	if (rest <= page) {
		sqe->prp1 = iova;
		sqe->prp2 = second;
		return 0;
	}
	if (q->sgl) {
		sqe->flags = NVME_PSDT_SGL;
		sqe->sgl = sgl_data(iova, len);
		return 0;
	}
	if (rest > LIST_PRPS * page)
		return -EMSGSIZE;
	*list = nvme_list_get(q);
	if (!*list)
		return -ENOMEM;
	sqe->prp1 = iova;
	sqe->prp2 = (*list)->iova;
	(void)fill_prps((uint64_t *)(void *)*list, &at, page, second, rest);
	return NVME_T_LIST;
}

static enum udrv_dma_data_direction direction(uint8_t opcode)
{
	return NVME_OPCODE_TO_DEVICE(opcode) ? UDRV_DMA_TO_DEVICE : UDRV_DMA_FROM_DEVICE;
}

static size_t total(const struct iovec *iov, unsigned int count)
{
	size_t len = 0;

	for (unsigned int i = 0; i < count; i++)
		len += iov[i].iov_len;
	return len;
}

/* Is it memory that the framework reaches without a system call. */
static bool is_known(const void *buf)
{
	return udrv_virt_to_bus(buf) != UDRV_DMA_MAPPING_ERROR;
}

/* 4.3: only the first piece may begin, and only the last one end, inside a page. */
static bool fits_prps(const struct udrv_nvme_queue *q, const struct iovec *iov, unsigned int count)
{
	const uintptr_t in_page = q->put.page_mask;

	for (unsigned int i = 0; i < count; i++) {
		const uintptr_t begin = (uintptr_t)iov[i].iov_base;

		if ((i && begin & in_page) || (i + 1 < count && (begin + iov[i].iov_len) & in_page))
			return false;
	}
	return true;
}

static bool must_copy(const struct udrv_nvme_queue *q, const struct iovec *iov, unsigned int count,
		      size_t len)
{
	bool known = true;

	for (unsigned int i = 0; i < count; i++) {
		if ((uintptr_t)iov[i].iov_base & 3 || iov[i].iov_len & 3)
			return true;
		known = known && is_known(iov[i].iov_base);
	}
	if (count > 1 && (q->sgl ? count > LIST_SGLS : !fits_prps(q, iov, count)))
		return true;
	return !known && len <= COPY_RATHER;
}

static void copy(struct nvme_maps *m, bool back)
{
	char *at = m->bounce;

	for (unsigned int i = 0; i < m->iov_count; i++) {
		if (back)
			memcpy(m->iov[i].iov_base, at, m->iov[i].iov_len);
		else
			memcpy(at, m->iov[i].iov_base, m->iov[i].iov_len);
		at += m->iov[i].iov_len;
	}
}

static int make_copy(struct udrv_nvme_queue *q, struct nvme_maps *m, const struct iovec *iov,
		     unsigned int count, size_t len)
{
	m->iov = malloc(count * sizeof(*iov));
	if (!m->iov)
		return -ENOMEM;
	memcpy(m->iov, iov, count * sizeof(*iov));
	m->iov_count = count;
	m->bounce = udrv_dma_alloc_coherent(q->dev, len, &m->bounce_iova, UDRV_GFP_KERNEL);
	if (!m->bounce)
		return -ENOMEM;
	m->bounce_len = len;
	if (m->dir == UDRV_DMA_TO_DEVICE)
		copy(m, false);
	return 0;
}

/* What is mapped is remembered in m; the address, or UDRV_DMA_MAPPING_ERROR. */
static udrv_iova_t map_one(struct udrv_nvme_queue *q, struct nvme_maps *m, void *buf, size_t len)
{
	udrv_iova_t iova = udrv_dma_look_up(q->dev, buf, len, &q->window);

	if (iova != UDRV_DMA_MAPPING_ERROR)
		return iova;
	iova = udrv_dma_map_single(q->dev, buf, len, m->dir);
	if (iova != UDRV_DMA_MAPPING_ERROR) {
		udrv_dma_sync_single_for_device(q->dev, iova, len, m->dir);
		m->map[m->count++] = (struct nvme_map){iova, len};
	}
	return iova;
}

/* Several pieces: 0 or negative errno. */
static int point_pieces(struct udrv_nvme_queue *q, struct nvme_maps *m, struct nvme_sqe *sqe,
			const struct iovec *iov, unsigned int count, struct nvme_list **list_out)
{
	struct nvme_list *list = nvme_list_get(q);
	const size_t page = (size_t)q->put.page_mask + 1;
	udrv_iova_t list_iova;
	size_t prps = 0;

	*list_out = list;
	if (!list)
		return -ENOMEM;
	list_iova = list->iova;
	for (unsigned int i = 0; i < count; i++) {
		const size_t len = iov[i].iov_len;
		const udrv_iova_t iova = map_one(q, m, iov[i].iov_base, len);
		size_t first = 0;

		if (iova == UDRV_DMA_MAPPING_ERROR)
			return -ENOMEM;
		if (q->sgl) {
			((struct nvme_sgl *)(void *)list)[i] = sgl_data(iova, len);
			continue;
		}
		if (!i) {
			sqe->prp1 = iova;
			first = page - (iova & q->put.page_mask);
			first = first < len ? first : len;
		}
		if (fill_prps((uint64_t *)(void *)list, &prps, page, iova + first, len - first))
			return -EMSGSIZE;
	}
	if (!q->sgl) {
		sqe->prp2 = prps == 1 ? *(uint64_t *)(void *)list : list_iova;
		return 0;
	}
	sqe->flags = NVME_PSDT_SGL;
	sqe->sgl = (struct nvme_sgl){.addr = list_iova,
				     .len = (uint32_t)(count * sizeof(struct nvme_sgl)),
				     .id = NVME_SGL_LAST_SEGMENT};
	return 0;
}

static int point_one(struct udrv_nvme_queue *q, struct nvme_sqe *sqe, udrv_iova_t iova, size_t len,
		     struct nvme_list **list)
{
	int ret;

	sqe->prp1 = iova;
	sqe->prp2 = 0;
	if ((iova & q->put.page_mask) + len <= q->put.page_mask + 1ULL)
		return 0;
	ret = nvme_data_point(q, sqe, iova, len, list);
	return ret < 0 ? ret : 0;
}

static int map_all(struct udrv_nvme_queue *q, struct nvme_maps *m, struct nvme_sqe *sqe,
		   const struct iovec *iov, unsigned int count, struct nvme_list **list)
{
	const size_t len = total(iov, count);
	udrv_iova_t iova;
	int ret;

	if (must_copy(q, iov, count, len)) {
		ret = make_copy(q, m, iov, count, len);
		return ret ? ret : point_one(q, sqe, m->bounce_iova, len, list);
	}
	if (count > 1)
		return point_pieces(q, m, sqe, iov, count, list);
	iova = map_one(q, m, iov->iov_base, len);
	return iova == UDRV_DMA_MAPPING_ERROR ? -ENOMEM : point_one(q, sqe, iova, len, list);
}

/* 4.2: the metadata's address. */
static int map_meta(struct udrv_nvme_queue *q, struct nvme_maps *m, struct nvme_sqe *sqe,
		    void *meta, size_t len)
{
	const udrv_iova_t iova = map_one(q, m, meta, len);

	if (iova == UDRV_DMA_MAPPING_ERROR)
		return -ENOMEM;
	sqe->mptr = iova;
	return 0;
}

int nvme_data_map(struct udrv_nvme_queue *q, struct nvme_sqe *sqe, const struct iovec *iov,
		  unsigned int count, void *meta, size_t meta_len, struct nvme_data *data)
{
	struct nvme_maps *m = calloc(1, sizeof(*m) + (count + 1) * sizeof(m->map[0]));
	int ret;

	*data = (struct nvme_data){m, NULL};
	if (!m)
		return -ENOMEM;
	m->dir = direction(sqe->opcode);
	ret = map_all(q, m, sqe, iov, count, &data->list);
	if (!ret && meta)
		ret = map_meta(q, m, sqe, meta, meta_len);
	if (ret) {
		m->dir = UDRV_DMA_TO_DEVICE; /* nothing to be copied back */
		nvme_data_unmap(q, data);
		return ret;
	}
	if (!m->count && !m->bounce) {
		free(m);
		data->maps = NULL;
	} else {
		m->list = data->list;
		data->list = NULL;
	}
	return 0;
}

static void unmap(struct udrv_nvme_queue *q, struct nvme_maps *m)
{
	for (unsigned int i = 0; i < m->count; i++)
		udrv_dma_unmap_single(q->dev, m->map[i].iova, m->map[i].len, m->dir);
	if (m->bounce) {
		if (m->dir == UDRV_DMA_FROM_DEVICE)
			copy(m, true);
		udrv_dma_free_coherent(q->dev, m->bounce_len, m->bounce, m->bounce_iova);
	}
	if (m->list)
		list_put(q, m->list);
	free(m->iov);
	free(m);
}

void nvme_data_unmap(struct udrv_nvme_queue *q, const struct nvme_data *data)
{
	if (data->list)
		list_put(q, data->list);
	if (data->maps)
		unmap(q, data->maps);
}

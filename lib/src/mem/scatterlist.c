// SPDX-License-Identifier: MIT
/* Lists of pieces of memory. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/scatterlist.h>

void udrv_sg_init_table(struct udrv_scatterlist *sgl, unsigned int nents)
{
	memset(sgl, 0, nents * sizeof(*sgl));
	udrv_sg_mark_end(&sgl[nents - 1]);
}

void udrv_sg_init_one(struct udrv_scatterlist *sg, const void *buf, unsigned int buflen)
{
	udrv_sg_init_table(sg, 1);
	udrv_sg_set_buf(sg, buf, buflen);
}

struct udrv_scatterlist *udrv_sg_last(struct udrv_scatterlist *sgl, unsigned int nents)
{
	struct udrv_scatterlist *sg;
	struct udrv_scatterlist *last = NULL;
	unsigned int i;

	udrv_for_each_sg(sgl, sg, nents, i) last = sg;
	return last;
}

int udrv_sg_nents(struct udrv_scatterlist *sg)
{
	int nents = 0;

	for (; sg; sg = udrv_sg_next(sg))
		nents++;
	return nents;
}

int udrv_sg_nents_for_len(struct udrv_scatterlist *sg, uint64_t len)
{
	uint64_t total = 0;
	int nents = 0;

	if (!len)
		return 0;
	for (; sg; sg = udrv_sg_next(sg)) {
		nents++;
		total += sg->length;
		if (total >= len)
			return nents;
	}
	return -EINVAL;
}

void udrv_sg_chain(struct udrv_scatterlist *prv, unsigned int prv_nents,
		   struct udrv_scatterlist *sgl)
{
	struct udrv_scatterlist *link = &prv[prv_nents - 1];

	link->offset = 0;
	link->length = 0;
	link->page_link = (unsigned long)(uintptr_t)sgl | UDRV_SG_CHAIN;
}

int udrv_sg_alloc_table(struct udrv_sg_table *table, unsigned int nents, udrv_gfp_t gfp)
{
	*table = (struct udrv_sg_table){0};
	if (!nents)
		return -EINVAL;
	if (gfp & UDRV_GFP_ATOMIC)
		return -ENOMEM;
	table->sgl = calloc(nents, sizeof(*table->sgl));
	if (!table->sgl)
		return -ENOMEM;
	udrv_sg_mark_end(&table->sgl[nents - 1]);
	table->nents = table->orig_nents = nents;
	return 0;
}

void udrv_sg_free_table(struct udrv_sg_table *table)
{
	free(table->sgl);
	*table = (struct udrv_sg_table){0};
}

/* Going through the memory. */

void udrv_sg_miter_start(struct udrv_sg_mapping_iter *miter, struct udrv_scatterlist *sgl,
			 unsigned int nents, unsigned int flags)
{
	(void)flags;
	*miter = (struct udrv_sg_mapping_iter){.sg = sgl, .nents = nents};
}

void udrv_sg_miter_stop(struct udrv_sg_mapping_iter *miter)
{
	miter->offset += (unsigned int)miter->consumed;
	miter->addr = NULL;
	miter->length = miter->consumed = 0;
}

bool udrv_sg_miter_next(struct udrv_sg_mapping_iter *miter)
{
	udrv_sg_miter_stop(miter);
	while (miter->sg && miter->nents && miter->offset >= miter->sg->length) {
		miter->sg = udrv_sg_next(miter->sg);
		miter->nents--;
		miter->offset = 0;
	}
	if (!miter->sg || !miter->nents)
		return false;
	miter->addr = (char *)udrv_sg_virt(miter->sg) + miter->offset;
	miter->length = miter->consumed = miter->sg->length - miter->offset;
	return true;
}

bool udrv_sg_miter_skip(struct udrv_sg_mapping_iter *miter, off_t offset)
{
	size_t left = offset > 0 ? (size_t)offset : 0;

	udrv_sg_miter_stop(miter);
	while (left) {
		if (!udrv_sg_miter_next(miter))
			return false;
		if (miter->consumed > left)
			miter->consumed = left;
		left -= miter->consumed;
	}
	udrv_sg_miter_stop(miter);
	return true;
}

/* Have @work do something with each piece, and with how many bytes were before it. */
static size_t for_each_piece(struct udrv_scatterlist *sgl, unsigned int nents, size_t len,
			     off_t skip,
			     void (*work)(void *piece, size_t n, size_t done, void *ctx), void *ctx)
{
	struct udrv_sg_mapping_iter miter;
	size_t done = 0;

	udrv_sg_miter_start(&miter, sgl, nents, 0);
	if (!udrv_sg_miter_skip(&miter, skip))
		return 0;
	while (done < len && udrv_sg_miter_next(&miter)) {
		size_t n = miter.length < len - done ? miter.length : len - done;

		work(miter.addr, n, done, ctx);
		done += n;
	}
	return done;
}

static void copy_to(void *piece, size_t n, size_t done, void *buf)
{
	memcpy((char *)buf + done, piece, n);
}

static void copy_from(void *piece, size_t n, size_t done, void *buf)
{
	memcpy(piece, (const char *)buf + done, n);
}

static void zero(void *piece, size_t n, size_t done, void *ctx)
{
	(void)done;
	(void)ctx;
	memset(piece, 0, n);
}

size_t udrv_sg_copy_buffer(struct udrv_scatterlist *sgl, unsigned int nents, void *buf,
			   size_t buflen, off_t skip, bool to_buffer)
{
	return for_each_piece(sgl, nents, buflen, skip, to_buffer ? copy_to : copy_from, buf);
}

size_t udrv_sg_zero_buffer(struct udrv_scatterlist *sgl, unsigned int nents, size_t buflen,
			   off_t skip)
{
	return for_each_piece(sgl, nents, buflen, skip, zero, NULL);
}

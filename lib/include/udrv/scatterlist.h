/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Scatterlists: buffers in pieces, of any memory of the process, and their mapping for DMA.
 *
 * A list is an array whose last entry is marked as the end, or whose last entry leads to another
 * array. Lists are the caller's, as is the locking. Source: Linux <linux/scatterlist.h>,
 * <linux/dma-mapping.h>.
 */
#ifndef UDRV_SCATTERLIST_H
#define UDRV_SCATTERLIST_H

#include <errno.h>
#include <sys/types.h>

#include <udrv/dma.h>
#include <udrv/page.h>

UDRV_BEGIN_DECLS

/**
 * struct udrv_scatterlist - one entry: a piece of memory, and once mapped a segment
 *
 * Segments may be fewer than entries: then the first entries have all of them.
 */
struct udrv_scatterlist {
	unsigned long page_link; /* the page, or an array; private: udrv_sg_page() */
	unsigned int offset;	 /* of the piece in the page; may be beyond it */
	unsigned int length;	 /* bytes */
	udrv_iova_t dma_address; /* of the segment: udrv_sg_dma_address() */
	unsigned int dma_length; /* bytes of the segment: udrv_sg_dma_len() */
};

/** struct udrv_sg_table - a list with its numbers of entries. */
struct udrv_sg_table {
	struct udrv_scatterlist *sgl; /* the list */
	unsigned int nents;	      /* segments, once mapped */
	unsigned int orig_nents;      /* entries */
};

/** UDRV_SG_CHAIN - in page_link: the entry leads to another array. */
#define UDRV_SG_CHAIN 0x1ul
/** UDRV_SG_END - in page_link: the entry is the last one. */
#define UDRV_SG_END 0x2ul

/** udrv_sg_dma_address() - where the device sees a segment; of entries that are mapped. */
#define udrv_sg_dma_address(sg) ((sg)->dma_address)
/** udrv_sg_dma_len() - a segment's length in bytes; of entries that are mapped. */
#define udrv_sg_dma_len(sg) ((sg)->dma_length)

/** udrv_sg_is_chain() - does the entry lead to another array? */
static inline bool udrv_sg_is_chain(const struct udrv_scatterlist *sg)
{
	return sg->page_link & UDRV_SG_CHAIN;
}

/** udrv_sg_is_last() - is the entry marked as the end? */
static inline bool udrv_sg_is_last(const struct udrv_scatterlist *sg)
{
	return sg->page_link & UDRV_SG_END;
}

/** udrv_sg_chain_ptr() - the array that an entry leads to. */
static inline struct udrv_scatterlist *udrv_sg_chain_ptr(const struct udrv_scatterlist *sg)
{
	return (struct udrv_scatterlist *)(sg->page_link & ~(UDRV_SG_CHAIN | UDRV_SG_END));
}

/** udrv_sg_page() - the page that an entry's offset counts from. */
static inline struct udrv_page *udrv_sg_page(const struct udrv_scatterlist *sg)
{
	return (struct udrv_page *)(sg->page_link & ~(UDRV_SG_CHAIN | UDRV_SG_END));
}

/** udrv_sg_virt() - where the process sees an entry's memory. */
static inline void *udrv_sg_virt(const struct udrv_scatterlist *sg)
{
	return (char *)udrv_page_address(udrv_sg_page(sg)) + sg->offset;
}

/** udrv_sg_phys() - udrv_virt_to_phys() of an entry: of DMA and registered memory only. */
static inline udrv_iova_t udrv_sg_phys(const struct udrv_scatterlist *sg)
{
	return udrv_virt_to_phys(udrv_sg_virt(sg));
}

/** udrv_sg_assign_page() - set an entry's page; its mark as the end stays. */
static inline void udrv_sg_assign_page(struct udrv_scatterlist *sg, struct udrv_page *page)
{
	sg->page_link = (sg->page_link & UDRV_SG_END) | (unsigned long)(uintptr_t)page;
}

/**
 * udrv_sg_set_page() - have an entry stand for memory
 * @sg: the entry; its mark as the end stays
 * @page: of udrv_virt_to_page()
 * @len: bytes
 * @offset: from the page's start on, bytes; any
 */
static inline void udrv_sg_set_page(struct udrv_scatterlist *sg, struct udrv_page *page,
				    unsigned int len, unsigned int offset)
{
	udrv_sg_assign_page(sg, page);
	sg->offset = offset;
	sg->length = len;
}

/** udrv_sg_set_buf() - have an entry stand for @buflen bytes at @buf, which may be any memory. */
static inline void udrv_sg_set_buf(struct udrv_scatterlist *sg, const void *buf,
				   unsigned int buflen)
{
	udrv_sg_set_page(sg, udrv_virt_to_page(buf), buflen,
			 (unsigned int)udrv_offset_in_page(buf));
}

/** udrv_sg_mark_end() - mark an entry as the last one. */
static inline void udrv_sg_mark_end(struct udrv_scatterlist *sg)
{
	sg->page_link = (sg->page_link & ~UDRV_SG_CHAIN) | UDRV_SG_END;
}

/** udrv_sg_unmark_end() - undo udrv_sg_mark_end(). */
static inline void udrv_sg_unmark_end(struct udrv_scatterlist *sg)
{
	sg->page_link &= ~UDRV_SG_END;
}

/** udrv_sg_next() - the entry behind one, across arrays. Return: NULL behind the last one. */
static inline struct udrv_scatterlist *udrv_sg_next(struct udrv_scatterlist *sg)
{
	if (udrv_sg_is_last(sg))
		return NULL;
	sg++;
	return udrv_sg_is_chain(sg) ? udrv_sg_chain_ptr(sg) : sg;
}

/**
 * udrv_for_each_sg() - go through entries
 * @sglist: the first one
 * @sg: variable for each
 * @nr: how many
 * @__i: variable that counts
 *
 * Once mapped, with the number that udrv_dma_map_sg() returned: through segments.
 */
#define udrv_for_each_sg(sglist, sg, nr, __i)                                                      \
	for ((__i) = 0, (sg) = (sglist); (__i) < (nr); (__i)++, (sg) = udrv_sg_next(sg))

/** udrv_for_each_sgtable_sg() - go through the entries of a table. */
#define udrv_for_each_sgtable_sg(sgt, sg, i) udrv_for_each_sg((sgt)->sgl, sg, (sgt)->orig_nents, i)

/** udrv_for_each_sgtable_dma_sg() - go through the segments of a table that is mapped. */
#define udrv_for_each_sgtable_dma_sg(sgt, sg, i) udrv_for_each_sg((sgt)->sgl, sg, (sgt)->nents, i)

/** udrv_sg_init_table() - make an array of @nents entries, at least 1, an empty list. */
UDRV_API void udrv_sg_init_table(struct udrv_scatterlist *sgl, unsigned int nents);

/** udrv_sg_init_one() - make an entry the list of one buffer of @buflen bytes at @buf. */
UDRV_API void udrv_sg_init_one(struct udrv_scatterlist *sg, const void *buf, unsigned int buflen);

/** udrv_sg_last() - the last of a list's @nents entries. */
UDRV_API struct udrv_scatterlist *udrv_sg_last(struct udrv_scatterlist *sgl, unsigned int nents);

/** udrv_sg_nents() - how many entries there are up to the end mark. */
UDRV_API int udrv_sg_nents(struct udrv_scatterlist *sg);

/**
 * udrv_sg_nents_for_len() - how many entries hold so many bytes
 * @sg: the list
 * @len: bytes
 *
 * Return: the number, 0 for 0 bytes, -EINVAL if the whole list is shorter.
 */
UDRV_API int udrv_sg_nents_for_len(struct udrv_scatterlist *sg, uint64_t len);

/**
 * udrv_sg_chain() - have one array lead to another
 * @prv: an array
 * @prv_nents: its entries; the last one is used up for it
 * @sgl: the array, or list, that comes behind
 */
UDRV_API void udrv_sg_chain(struct udrv_scatterlist *prv, unsigned int prv_nents,
			    struct udrv_scatterlist *sgl);

/**
 * udrv_sg_alloc_table() - make a list
 * @table: where to put it
 * @nents: entries, at least 1
 * @gfp: UDRV_GFP_KERNEL; with UDRV_GFP_ATOMIC it fails, as the process may have to get memory
 *
 * One array, however long. Any thread that may block.
 * Return: 0, -EINVAL, -ENOMEM; @table is empty then, and may be freed.
 */
UDRV_API int udrv_sg_alloc_table(struct udrv_sg_table *table, unsigned int nents, udrv_gfp_t gfp);

/** udrv_sg_free_table() - free the list of udrv_sg_alloc_table(), not what its entries are of. */
UDRV_API void udrv_sg_free_table(struct udrv_sg_table *table);

/**
 * udrv_sg_copy_buffer() - copy between a list and a buffer
 * @sgl: the list
 * @nents: its entries
 * @buf: the buffer
 * @buflen: bytes to copy
 * @skip: bytes to leave out at the list's start
 * @to_buffer: from the list to the buffer, else the other way
 *
 * Return: bytes copied, fewer than @buflen if the list ends.
 */
UDRV_API size_t udrv_sg_copy_buffer(struct udrv_scatterlist *sgl, unsigned int nents, void *buf,
				    size_t buflen, off_t skip, bool to_buffer);

/** udrv_sg_copy_from_buffer() - copy @buflen bytes into a list. Return: bytes copied. */
static inline size_t udrv_sg_copy_from_buffer(struct udrv_scatterlist *sgl, unsigned int nents,
					      const void *buf, size_t buflen)
{
	return udrv_sg_copy_buffer(sgl, nents, (void *)(uintptr_t)buf, buflen, 0, false);
}

/** udrv_sg_copy_to_buffer() - copy @buflen bytes out of a list. Return: bytes copied. */
static inline size_t udrv_sg_copy_to_buffer(struct udrv_scatterlist *sgl, unsigned int nents,
					    void *buf, size_t buflen)
{
	return udrv_sg_copy_buffer(sgl, nents, buf, buflen, 0, true);
}

/** udrv_sg_pcopy_from_buffer() - udrv_sg_copy_from_buffer() behind the first @skip bytes. */
static inline size_t udrv_sg_pcopy_from_buffer(struct udrv_scatterlist *sgl, unsigned int nents,
					       const void *buf, size_t buflen, off_t skip)
{
	return udrv_sg_copy_buffer(sgl, nents, (void *)(uintptr_t)buf, buflen, skip, false);
}

/** udrv_sg_pcopy_to_buffer() - udrv_sg_copy_to_buffer() behind the first @skip bytes. */
static inline size_t udrv_sg_pcopy_to_buffer(struct udrv_scatterlist *sgl, unsigned int nents,
					     void *buf, size_t buflen, off_t skip)
{
	return udrv_sg_copy_buffer(sgl, nents, buf, buflen, skip, true);
}

/**
 * udrv_sg_zero_buffer() - zero bytes of a list
 * @sgl: the list
 * @nents: its entries
 * @buflen: bytes to zero
 * @skip: bytes to leave alone at the list's start
 *
 * Return: bytes zeroed.
 */
UDRV_API size_t udrv_sg_zero_buffer(struct udrv_scatterlist *sgl, unsigned int nents, size_t buflen,
				    off_t skip);

/** UDRV_SG_MITER_ATOMIC - as in the kernel; means nothing here: all memory can be used as it is. */
#define UDRV_SG_MITER_ATOMIC 0x1u
/** UDRV_SG_MITER_TO_SG - the caller writes to the memory; means nothing here. */
#define UDRV_SG_MITER_TO_SG 0x2u
/** UDRV_SG_MITER_FROM_SG - the caller reads the memory; means nothing here. */
#define UDRV_SG_MITER_FROM_SG 0x4u

/** struct udrv_sg_mapping_iter - a place in a list. Up to @consumed for the user. */
struct udrv_sg_mapping_iter {
	void *addr;	 /* of the piece */
	size_t length;	 /* bytes of it: the rest of the entry */
	size_t consumed; /* bytes by which the next call goes on; the user may lower it */
	struct udrv_scatterlist *sg; /* private from here on */
	unsigned int nents;
	unsigned int offset;
};

/**
 * udrv_sg_miter_start() - begin to go through the memory of a list
 * @miter: place in it
 * @sgl: the list
 * @nents: its entries
 * @flags: UDRV_SG_MITER_*
 */
UDRV_API void udrv_sg_miter_start(struct udrv_sg_mapping_iter *miter, struct udrv_scatterlist *sgl,
				  unsigned int nents, unsigned int flags);

/** udrv_sg_miter_next() - go on to the next piece. Return: whether there is one. */
UDRV_API bool udrv_sg_miter_next(struct udrv_sg_mapping_iter *miter);

/** udrv_sg_miter_skip() - leave out @offset bytes. Return: whether there are so many. */
UDRV_API bool udrv_sg_miter_skip(struct udrv_sg_mapping_iter *miter, off_t offset);

/** udrv_sg_miter_stop() - the piece is done with; udrv_sg_miter_next() may go on behind it. */
UDRV_API void udrv_sg_miter_stop(struct udrv_sg_mapping_iter *miter);

/**
 * udrv_dma_map_sg() - let the device reach the memory of a list
 * @dev: the device
 * @sg: the list
 * @nents: its entries, at least 1
 * @dir: who writes
 *
 * Each entry as by udrv_dma_map_single(): of DMA and registered memory by look-up, any other by a
 * mapping of its own. Entries whose addresses follow each other become one segment, as long as
 * udrv_dma_get_max_seg_size() and udrv_dma_get_seg_boundary() allow. Entries are never split: one
 * that is longer than a segment may be stays so. One that crosses the boundary gets a mapping of
 * its own at an address where it does not, or the call fails.
 *
 * Threads as for udrv_dma_map_single(), plus: an entry that crosses the boundary is mapped.
 * Return: the number of segments, 0 if one entry cannot be mapped: then none is (a log line says
 * why).
 */
UDRV_API unsigned int udrv_dma_map_sg(struct udrv_device *dev, struct udrv_scatterlist *sg,
				      unsigned int nents, enum udrv_dma_data_direction dir);

/**
 * udrv_dma_unmap_sg() - undo udrv_dma_map_sg()
 * @dev: the device
 * @sg: the list as it was mapped, lengths of segments included
 * @nents: its entries, as given to udrv_dma_map_sg(), not what that returned
 * @dir: as mapped
 */
UDRV_API void udrv_dma_unmap_sg(struct udrv_device *dev, struct udrv_scatterlist *sg,
				unsigned int nents, enum udrv_dma_data_direction dir);

/**
 * udrv_dma_map_sgtable() - udrv_dma_map_sg() for a table
 * @dev: the device
 * @sgt: the table; its nents becomes the number of segments
 * @dir: who writes
 * @attrs: 0, or the kernel's DMA_ATTR_*, none of which means anything here
 *
 * Return: 0, -EINVAL for an empty table, -EIO (a log line says why); then @sgt's nents is
 * untouched.
 */
UDRV_API int udrv_dma_map_sgtable(struct udrv_device *dev, struct udrv_sg_table *sgt,
				  enum udrv_dma_data_direction dir, unsigned long attrs);

/** udrv_dma_unmap_sgtable() - undo udrv_dma_map_sgtable(). */
static inline void udrv_dma_unmap_sgtable(struct udrv_device *dev, struct udrv_sg_table *sgt,
					  enum udrv_dma_data_direction dir, unsigned long attrs)
{
	(void)attrs;
	udrv_dma_unmap_sg(dev, sgt->sgl, sgt->orig_nents, dir);
}

/* Private. */
UDRV_API void udrv__dma_sync_sg_for_cpu(struct udrv_device *dev, struct udrv_scatterlist *sg,
					unsigned int nelems, enum udrv_dma_data_direction dir);
UDRV_API void udrv__dma_sync_sg_for_device(struct udrv_device *dev, struct udrv_scatterlist *sg,
					   unsigned int nelems, enum udrv_dma_data_direction dir);

/** udrv_dma_sync_sg_for_cpu() - udrv_dma_sync_single_for_cpu() for a list that is mapped. */
static inline void udrv_dma_sync_sg_for_cpu(struct udrv_device *dev, struct udrv_scatterlist *sg,
					    unsigned int nelems, enum udrv_dma_data_direction dir)
{
	udrv_dma_rmb();
	if (udrv__dma_may_copy())
		udrv__dma_sync_sg_for_cpu(dev, sg, nelems, dir);
}

/** udrv_dma_sync_sg_for_device() - udrv_dma_sync_single_for_device() for a list that is mapped. */
static inline void udrv_dma_sync_sg_for_device(struct udrv_device *dev, struct udrv_scatterlist *sg,
					       unsigned int nelems,
					       enum udrv_dma_data_direction dir)
{
	if (udrv__dma_may_copy())
		udrv__dma_sync_sg_for_device(dev, sg, nelems, dir);
	udrv_dma_wmb();
}

/** udrv_dma_sync_sgtable_for_cpu() - udrv_dma_sync_sg_for_cpu() for a table. */
static inline void udrv_dma_sync_sgtable_for_cpu(struct udrv_device *dev, struct udrv_sg_table *sgt,
						 enum udrv_dma_data_direction dir)
{
	udrv_dma_sync_sg_for_cpu(dev, sgt->sgl, sgt->orig_nents, dir);
}

/** udrv_dma_sync_sgtable_for_device() - udrv_dma_sync_sg_for_device() for a table. */
static inline void udrv_dma_sync_sgtable_for_device(struct udrv_device *dev,
						    struct udrv_sg_table *sgt,
						    enum udrv_dma_data_direction dir)
{
	udrv_dma_sync_sg_for_device(dev, sgt->sgl, sgt->orig_nents, dir);
}

UDRV_END_DECLS

#endif

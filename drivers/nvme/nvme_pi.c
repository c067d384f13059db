// SPDX-License-Identifier: MIT
/*
 * Protected namespaces: NVM Express 1.4, 8.3. Plain transfers leave the information to the
 * controller; who wants to see it makes and checks it with what is here.
 */
#include <errno.h>
#include <string.h>

#include "nvme_ctrl.h"

#define TYPE_3 3u

/* SBC-3 (T10): the polynomial is 18bb7h, begun with 0; a byte at a time. */
static const uint16_t crc_table[256] = {
	0x0000, 0x8bb7, 0x9cd9, 0x176e, 0xb205, 0x39b2, 0x2edc, 0xa56b, 0xefbd, 0x640a, 0x7364,
	0xf8d3, 0x5db8, 0xd60f, 0xc161, 0x4ad6, 0x54cd, 0xdf7a, 0xc814, 0x43a3, 0xe6c8, 0x6d7f,
	0x7a11, 0xf1a6, 0xbb70, 0x30c7, 0x27a9, 0xac1e, 0x0975, 0x82c2, 0x95ac, 0x1e1b, 0xa99a,
	0x222d, 0x3543, 0xbef4, 0x1b9f, 0x9028, 0x8746, 0x0cf1, 0x4627, 0xcd90, 0xdafe, 0x5149,
	0xf422, 0x7f95, 0x68fb, 0xe34c, 0xfd57, 0x76e0, 0x618e, 0xea39, 0x4f52, 0xc4e5, 0xd38b,
	0x583c, 0x12ea, 0x995d, 0x8e33, 0x0584, 0xa0ef, 0x2b58, 0x3c36, 0xb781, 0xd883, 0x5334,
	0x445a, 0xcfed, 0x6a86, 0xe131, 0xf65f, 0x7de8, 0x373e, 0xbc89, 0xabe7, 0x2050, 0x853b,
	0x0e8c, 0x19e2, 0x9255, 0x8c4e, 0x07f9, 0x1097, 0x9b20, 0x3e4b, 0xb5fc, 0xa292, 0x2925,
	0x63f3, 0xe844, 0xff2a, 0x749d, 0xd1f6, 0x5a41, 0x4d2f, 0xc698, 0x7119, 0xfaae, 0xedc0,
	0x6677, 0xc31c, 0x48ab, 0x5fc5, 0xd472, 0x9ea4, 0x1513, 0x027d, 0x89ca, 0x2ca1, 0xa716,
	0xb078, 0x3bcf, 0x25d4, 0xae63, 0xb90d, 0x32ba, 0x97d1, 0x1c66, 0x0b08, 0x80bf, 0xca69,
	0x41de, 0x56b0, 0xdd07, 0x786c, 0xf3db, 0xe4b5, 0x6f02, 0x3ab1, 0xb106, 0xa668, 0x2ddf,
	0x88b4, 0x0303, 0x146d, 0x9fda, 0xd50c, 0x5ebb, 0x49d5, 0xc262, 0x6709, 0xecbe, 0xfbd0,
	0x7067, 0x6e7c, 0xe5cb, 0xf2a5, 0x7912, 0xdc79, 0x57ce, 0x40a0, 0xcb17, 0x81c1, 0x0a76,
	0x1d18, 0x96af, 0x33c4, 0xb873, 0xaf1d, 0x24aa, 0x932b, 0x189c, 0x0ff2, 0x8445, 0x212e,
	0xaa99, 0xbdf7, 0x3640, 0x7c96, 0xf721, 0xe04f, 0x6bf8, 0xce93, 0x4524, 0x524a, 0xd9fd,
	0xc7e6, 0x4c51, 0x5b3f, 0xd088, 0x75e3, 0xfe54, 0xe93a, 0x628d, 0x285b, 0xa3ec, 0xb482,
	0x3f35, 0x9a5e, 0x11e9, 0x0687, 0x8d30, 0xe232, 0x6985, 0x7eeb, 0xf55c, 0x5037, 0xdb80,
	0xccee, 0x4759, 0x0d8f, 0x8638, 0x9156, 0x1ae1, 0xbf8a, 0x343d, 0x2353, 0xa8e4, 0xb6ff,
	0x3d48, 0x2a26, 0xa191, 0x04fa, 0x8f4d, 0x9823, 0x1394, 0x5942, 0xd2f5, 0xc59b, 0x4e2c,
	0xeb47, 0x60f0, 0x779e, 0xfc29, 0x4ba8, 0xc01f, 0xd771, 0x5cc6, 0xf9ad, 0x721a, 0x6574,
	0xeec3, 0xa415, 0x2fa2, 0x38cc, 0xb37b, 0x1610, 0x9da7, 0x8ac9, 0x017e, 0x1f65, 0x94d2,
	0x83bc, 0x080b, 0xad60, 0x26d7, 0x31b9, 0xba0e, 0xf0d8, 0x7b6f, 0x6c01, 0xe7b6, 0x42dd,
	0xc96a, 0xde04, 0x55b3,
};

uint16_t udrv_nvme_crc_t10dif(uint16_t crc, const void *buf, size_t len)
{
	const uint8_t *bytes = buf;

	for (size_t i = 0; i < len; i++)
		crc = (uint16_t)(crc << 8 ^ crc_table[crc >> 8 ^ bytes[i]]);
	return crc;
}

/* Reference tags count the blocks, but of type 3. */
static bool has_ref_tags(const struct udrv_nvme_ns *ns)
{
	return ns->pi_type != TYPE_3;
}

uint32_t nvme_pi_flags(const struct udrv_nvme_ns *ns)
{
	return NVME_RW_PRACT | NVME_RW_PRCHK_GUARD | (has_ref_tags(ns) ? NVME_RW_PRCHK_REF : 0);
}

uint32_t nvme_pi_ref_tag(const struct udrv_nvme_ns *ns, uint64_t lba)
{
	return has_ref_tags(ns) ? (uint32_t)lba : 0;
}

int nvme_rw_protected(struct udrv_nvme_queue *q, const struct udrv_nvme_ns *ns,
		      const struct nvme_sqe *plain, void *buf, udrv_nvme_done_t done, void *ctx)
{
	const struct iovec iov = {buf, (size_t)((plain->cdw12 & 0xffffu) + 1) << ns->block_shift};
	struct nvme_sqe sqe = *plain;

	sqe.cdw12 |= nvme_pi_flags(ns);
	sqe.cdw14 = nvme_pi_ref_tag(ns, plain->cdw10);
	return nvme_put_mapped(q, &sqe, &iov, 1, NULL, 0, 0, done, ctx);
}

/* Where a block's parts are. */
struct block {
	const uint8_t *data, *meta;
	struct nvme_pi *pi;
	size_t covered; /* of the metadata, by the guard: what is before the information */
};

static struct block block_at(const struct udrv_nvme_ns *ns, const struct udrv_nvme_protected *p,
			     uint32_t i)
{
	const size_t size = (size_t)1 << ns->block_shift;
	const size_t stride = size + (ns->extended ? ns->metadata : 0u);
	uint8_t *data = (uint8_t *)p->data + i * stride;
	uint8_t *meta = ns->extended ? data + size : (uint8_t *)p->metadata + i * ns->metadata;
	const size_t at = ns->pi_first ? 0 : ns->metadata - sizeof(struct nvme_pi);

	return (struct block){data, meta, (struct nvme_pi *)(void *)(meta + at), at};
}

static uint16_t guard_of(const struct udrv_nvme_ns *ns, const struct block *b)
{
	const uint16_t crc = udrv_nvme_crc_t10dif(0, b->data, (size_t)1 << ns->block_shift);

	return udrv_nvme_crc_t10dif(crc, b->meta, b->covered);
}

static uint32_t get(const uint8_t *at, size_t size)
{
	uint32_t value = 0;

	for (size_t i = 0; i < size; i++)
		value = value << 8 | at[i];
	return value;
}

static void put(uint8_t *at, size_t size, uint32_t value)
{
	for (size_t i = 0; i < size; i++)
		at[i] = (uint8_t)(value >> 8 * (size - 1 - i));
}

static bool has_pi(const struct udrv_nvme_ns *ns, const struct udrv_nvme_protected *p)
{
	return ns->pi_type && ns->metadata >= sizeof(struct nvme_pi) &&
	       (ns->extended || p->metadata);
}

int udrv_nvme_pi_make(const struct udrv_nvme_ns *ns, const struct udrv_nvme_protected *p)
{
	if (!has_pi(ns, p))
		return -EOPNOTSUPP;
	for (uint32_t i = 0; i < p->blocks; i++) {
		const struct block b = block_at(ns, p, i);

		put(b.pi->guard, 2, guard_of(ns, &b));
		put(b.pi->app_tag, 2, p->app_tag);
		put(b.pi->ref_tag, 4, p->ref_tag + (has_ref_tags(ns) ? i : 0));
	}
	return 0;
}

/* 8.3.1.5: what it says is not looked at. */
static bool is_exempt(const struct udrv_nvme_ns *ns, const struct nvme_pi *pi)
{
	return get(pi->app_tag, 2) == 0xffff &&
	       (has_ref_tags(ns) || get(pi->ref_tag, 4) == 0xffffffff);
}

static int check_block(const struct udrv_nvme_ns *ns, const struct udrv_nvme_protected *p,
		       uint32_t i)
{
	const struct block b = block_at(ns, p, i);

	if (is_exempt(ns, b.pi))
		return 0;
	if (p->flags & NVME_RW_PRCHK_GUARD && get(b.pi->guard, 2) != guard_of(ns, &b))
		return NVME_SC_GUARD_CHECK;
	if (p->flags & NVME_RW_PRCHK_APP && (get(b.pi->app_tag, 2) ^ p->app_tag) & p->app_mask)
		return NVME_SC_APPTAG_CHECK;
	if (p->flags & NVME_RW_PRCHK_REF && has_ref_tags(ns) &&
	    get(b.pi->ref_tag, 4) != p->ref_tag + i)
		return NVME_SC_REFTAG_CHECK;
	return 0;
}

int udrv_nvme_pi_check(const struct udrv_nvme_ns *ns, const struct udrv_nvme_protected *p,
		       uint32_t *bad)
{
	int ret = has_pi(ns, p) ? 0 : -EOPNOTSUPP;

	for (uint32_t i = 0; i < p->blocks && !ret; i++) {
		ret = check_block(ns, p, i);
		if (ret && bad)
			*bad = i;
	}
	return ret;
}

// SPDX-License-Identifier: MIT
/*
 * Pairs of functions: raw_<n> by the raw accessors, vol_<n> by volatile accesses written out.
 * codegen.sh wants the same instructions for both. diff_<n> is the one pair that must differ
 * (readl with its test for a cookie): it shows that the comparison can tell.
 */
#include <udrv/io.h>

/* Code as macro arguments. */
/* clang-format off */
#define PAIR(ret, name, args, with_raw, with_vol)                                                 \
	ret raw_##name args;                                                                      \
	ret vol_##name args;                                                                      \
	ret raw_##name args                                                                       \
	{                                                                                         \
		with_raw                                                                          \
	}                                                                                         \
	ret vol_##name args                                                                       \
	{                                                                                         \
		with_vol                                                                          \
	}

#define READ_PAIRS(x, type)                                                                       \
	PAIR(type, read##x, (void *p), return udrv_raw_read##x(p);                                \
	     , return *(volatile type *)p;)                                                       \
	PAIR(type, read##x##_offset, (char *p), return udrv_raw_read##x(p + 0x40);                \
	     , return *(volatile type *)(p + 0x40);)                                              \
	PAIR(type, read##x##_indexed, (char *p, unsigned long i),                                 \
	     return udrv_raw_read##x(p + i * sizeof(type));                                       \
	     , return ((volatile type *)p)[i];)

#define WRITE_PAIRS(x, type)                                                                      \
	PAIR(void, write##x, (type v, void *p), udrv_raw_write##x(v, p);                          \
	     , *(volatile type *)p = v;)                                                          \
	PAIR(void, write##x##_zero, (char *p), udrv_raw_write##x(0, p + 8);                       \
	     , *(volatile type *)(p + 8) = 0;)                                                    \
	PAIR(void, set_bit_##x, (void *p),                                                        \
	     udrv_raw_write##x((type)(udrv_raw_read##x(p) | 4), p);                               \
	     , *(volatile type *)p = (type)(*(volatile type *)p | 4);)

READ_PAIRS(b, uint8_t)
READ_PAIRS(w, uint16_t)
READ_PAIRS(l, uint32_t)
READ_PAIRS(q, uint64_t)
WRITE_PAIRS(b, uint8_t)
WRITE_PAIRS(w, uint16_t)
WRITE_PAIRS(l, uint32_t)
WRITE_PAIRS(q, uint64_t)

PAIR(int, wait_ready, (void *p), while (!(udrv_raw_readl(p) & 1)) {} return 0;
     , while (!(*(volatile uint32_t *)p & 1)) {} return 0;)
PAIR(void, ring, (uint32_t *p, uint32_t n),
     for (uint32_t i = 0; i < n; i++) udrv_raw_writel(i, p + 4);
     , for (uint32_t i = 0; i < n; i++) *(volatile uint32_t *)(p + 4) = i;)

/* clang-format on */
uint32_t raw_diff_readl(void *p);
uint32_t vol_diff_readl(void *p);
uint32_t raw_diff_readl(void *p)
{
	return udrv_readl(p);
}
uint32_t vol_diff_readl(void *p)
{
	return *(volatile uint32_t *)p;
}

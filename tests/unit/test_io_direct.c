// SPDX-License-Identifier: MIT
/* The accessors on a mapping, for which plain memory stands in. */
#include <string.h>

#include <check.h>
#include <udrv/io.h>

#include "support/suite.h"

#define FILL 0xa5

/* The register under test lies in the middle; what is around it must stay as it was. */
static struct {
	unsigned char before[8];
	_Alignas(8) unsigned char reg[8];
	unsigned char after[8];
} bar;

static void *fresh(void)
{
	static const unsigned char bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};

	memset(&bar, FILL, sizeof(bar));
	memcpy(bar.reg, bytes, sizeof(bytes));
	return bar.reg;
}

static void expect_bytes(const void *want, size_t size)
{
	static const unsigned char rest[8] = {1, 2, 3, 4, 5, 6, 7, 8};

	ck_assert_mem_eq(bar.reg, want, size);
	ck_assert_mem_eq(bar.reg + size, rest + size, sizeof(rest) - size);
	for (size_t i = 0; i < 8; i++) {
		ck_assert_uint_eq(bar.before[i], FILL);
		ck_assert_uint_eq(bar.after[i], FILL);
	}
}

/* One write of a value, and the bytes that it must leave. */
#define EXPECT_WRITE(write, value, bytes)                                                          \
	do {                                                                                       \
		write(value, fresh());                                                             \
		expect_bytes(bytes, sizeof(bytes) - 1);                                            \
	} while (0)

START_TEST(reads_are_little_endian)
{
	void *reg = fresh();

	ck_assert_uint_eq(udrv_readb(reg), 0x01);
	ck_assert_uint_eq(udrv_readw(reg), 0x0201);
	ck_assert_uint_eq(udrv_readl(reg), 0x04030201);
	ck_assert_uint_eq(udrv_readq(reg), 0x0807060504030201);
	ck_assert_uint_eq(udrv_readb_relaxed(reg), 0x01);
	ck_assert_uint_eq(udrv_readw_relaxed(reg), 0x0201);
	ck_assert_uint_eq(udrv_readl_relaxed(reg), 0x04030201);
	ck_assert_uint_eq(udrv_readq_relaxed(reg), 0x0807060504030201);
	ck_assert_uint_eq(udrv_ioread8(reg), 0x01);
	ck_assert_uint_eq(udrv_ioread16(reg), 0x0201);
	ck_assert_uint_eq(udrv_ioread32(reg), 0x04030201);
	ck_assert_uint_eq(udrv_ioread64(reg), 0x0807060504030201);
}
END_TEST

START_TEST(writes_are_little_endian_and_touch_nothing_else)
{
	EXPECT_WRITE(udrv_writeb, 0xf1, "\xf1");
	EXPECT_WRITE(udrv_writew, 0xf1e2, "\xe2\xf1");
	EXPECT_WRITE(udrv_writel, 0xf1e2d3c4, "\xc4\xd3\xe2\xf1");
	EXPECT_WRITE(udrv_writeq, 0xf1e2d3c4b5a69788, "\x88\x97\xa6\xb5\xc4\xd3\xe2\xf1");
	EXPECT_WRITE(udrv_writeb_relaxed, 0xf1, "\xf1");
	EXPECT_WRITE(udrv_writew_relaxed, 0xf1e2, "\xe2\xf1");
	EXPECT_WRITE(udrv_writel_relaxed, 0xf1e2d3c4, "\xc4\xd3\xe2\xf1");
	EXPECT_WRITE(udrv_writeq_relaxed, 0xf1e2d3c4b5a69788, "\x88\x97\xa6\xb5\xc4\xd3\xe2\xf1");
	EXPECT_WRITE(udrv_iowrite8, 0xf1, "\xf1");
	EXPECT_WRITE(udrv_iowrite16, 0xf1e2, "\xe2\xf1");
	EXPECT_WRITE(udrv_iowrite32, 0xf1e2d3c4, "\xc4\xd3\xe2\xf1");
	EXPECT_WRITE(udrv_iowrite64, 0xf1e2d3c4b5a69788, "\x88\x97\xa6\xb5\xc4\xd3\xe2\xf1");
}
END_TEST

START_TEST(be_forms_are_big_endian)
{
	void *reg = fresh();

	ck_assert_uint_eq(udrv_ioread16be(reg), 0x0102);
	ck_assert_uint_eq(udrv_ioread32be(reg), 0x01020304);
	ck_assert_uint_eq(udrv_ioread64be(reg), 0x0102030405060708);
	EXPECT_WRITE(udrv_iowrite16be, 0xf1e2, "\xf1\xe2");
	EXPECT_WRITE(udrv_iowrite32be, 0xf1e2d3c4, "\xf1\xe2\xd3\xc4");
	EXPECT_WRITE(udrv_iowrite64be, 0xf1e2d3c4b5a69788, "\xf1\xe2\xd3\xc4\xb5\xa6\x97\x88");
}
END_TEST

/* The CPU's byte order: what memcpy of a variable gives. */
#define EXPECT_RAW(x, type)                                                                        \
	do {                                                                                       \
		void *reg = fresh();                                                               \
		type value, want = (type)0x1122334455667788;                                       \
		udrv_raw_write##x(want, reg);                                                      \
		expect_bytes(&want, sizeof(want));                                                 \
		value = udrv_raw_read##x(reg);                                                     \
		ck_assert_uint_eq(value, want);                                                    \
	} while (0)

START_TEST(raw_forms_use_the_cpus_byte_order)
{
	EXPECT_RAW(b, uint8_t);
	EXPECT_RAW(w, uint16_t);
	EXPECT_RAW(l, uint32_t);
	EXPECT_RAW(q, uint64_t);
}
END_TEST

/* Into and out of an unaligned buffer, three accesses to one register. */
#define EXPECT_REP(read, write, size)                                                              \
	do {                                                                                       \
		void *reg = fresh();                                                               \
		unsigned char buf[1 + 4 * (size_t)(size)];                                         \
		memset(buf, FILL, sizeof(buf));                                                    \
		read(reg, buf + 1, 3);                                                             \
		ck_assert_uint_eq(buf[0], FILL);                                                   \
		for (size_t n = 0; n < 3; n++)                                                     \
			ck_assert_mem_eq(buf + 1 + n * (size_t)(size), bar.reg, size);             \
		ck_assert_uint_eq(buf[1 + 3 * (size_t)(size)], FILL);                              \
		for (size_t n = 0; n < sizeof(buf); n++)                                           \
			buf[n] = (unsigned char)(n + 0x40);                                        \
		write(reg, buf + 1, 3);                                                            \
		expect_bytes(buf + 1 + 2 * (size_t)(size), size);                                  \
		write(reg, buf, 0);                                                                \
		expect_bytes(buf + 1 + 2 * (size_t)(size), size);                                  \
	} while (0)

START_TEST(rep_forms_keep_bytes_in_order)
{
	EXPECT_REP(udrv_ioread8_rep, udrv_iowrite8_rep, 1);
	EXPECT_REP(udrv_ioread16_rep, udrv_iowrite16_rep, 2);
	EXPECT_REP(udrv_ioread32_rep, udrv_iowrite32_rep, 4);
	EXPECT_REP(udrv_ioread64_rep, udrv_iowrite64_rep, 8);
	EXPECT_REP(udrv_readsb, udrv_writesb, 1);
	EXPECT_REP(udrv_readsw, udrv_writesw, 2);
	EXPECT_REP(udrv_readsl, udrv_writesl, 4);
	EXPECT_REP(udrv_readsq, udrv_writesq, 8);
}
END_TEST

START_TEST(port_forms_reach_the_same_registers)
{
	udrv_port_t port = udrv_iomem_port(fresh());
	unsigned char buf[8];

	ck_assert_ptr_eq(udrv_ioport_map(port, 8), bar.reg);
	ck_assert_uint_eq(udrv_inb(port + 1), 0x02);
	ck_assert_uint_eq(udrv_inw(port + 2), 0x0403);
	ck_assert_uint_eq(udrv_inl(port + 4), 0x08070605);
	udrv_outb(0x21, port);
	udrv_outw(0x4443, port + 2);
	udrv_outl(0x88878685, port + 4);
	expect_bytes("\x21\x02\x43\x44\x85\x86\x87\x88", 8);
	udrv_insb(port, buf, 2);
	ck_assert_mem_eq(buf, "\x21\x21", 2);
	udrv_insw(port, buf, 2);
	ck_assert_mem_eq(buf, "\x21\x02\x21\x02", 4);
	udrv_insl(port, buf, 2);
	ck_assert_mem_eq(buf, "\x21\x02\x43\x44\x21\x02\x43\x44", 8);
	udrv_outsb(port, "xy", 2);
	udrv_outsw(port + 2, "abcd", 2);
	udrv_outsl(port + 4, "efghijkl", 2);
	expect_bytes("y\x02"
		     "cdijkl",
		     8);
}
END_TEST

#define SPAN 48

/* All ones around and in dst but for len bytes at its start. */
static void expect_copied(const unsigned char *area, size_t at, const unsigned char *src,
			  size_t len)
{
	for (size_t i = 0; i < 2 * (size_t)SPAN; i++) {
		unsigned char want = i >= at && i < at + len ? src[i - at] : 0xff;

		ck_assert_msg(area[i] == want, "byte %zu is %#x, not %#x (at %zu, %zu bytes)", i,
			      area[i], want, at, len);
	}
}

START_TEST(memcpy_works_at_every_alignment_and_length)
{
	_Alignas(16) unsigned char src[2 * SPAN], dst[2 * SPAN];

	for (size_t i = 0; i < sizeof(src); i++)
		src[i] = (unsigned char)(i + 1);
	for (size_t to = 0; to < 9; to++) {
		for (size_t from = 0; from < 9; from++) {
			for (size_t len = 0; len <= SPAN - 9; len++) {
				memset(dst, 0xff, sizeof(dst));
				udrv_memcpy_fromio(dst + to, src + from, len);
				expect_copied(dst, to, src + from, len);
				memset(dst, 0xff, sizeof(dst));
				udrv_memcpy_toio(dst + to, src + from, len);
				expect_copied(dst, to, src + from, len);
			}
		}
	}
}
END_TEST

START_TEST(memset_works_at_every_alignment_and_length)
{
	_Alignas(16) unsigned char dst[2 * SPAN], value[SPAN];

	memset(value, 0x5a, sizeof(value));
	for (size_t to = 0; to < 9; to++) {
		for (size_t len = 0; len <= SPAN - 9; len++) {
			memset(dst, 0xff, sizeof(dst));
			udrv_memset_io(dst + to, 0x15a, len);
			expect_copied(dst, to, value, len);
		}
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("io_direct");
	TCase *tc = tcase_create("io_direct");

	tcase_add_test(tc, reads_are_little_endian);
	tcase_add_test(tc, writes_are_little_endian_and_touch_nothing_else);
	tcase_add_test(tc, be_forms_are_big_endian);
	tcase_add_test(tc, raw_forms_use_the_cpus_byte_order);
	tcase_add_test(tc, rep_forms_keep_bytes_in_order);
	tcase_add_test(tc, port_forms_reach_the_same_registers);
	tcase_add_test(tc, memcpy_works_at_every_alignment_and_length);
	tcase_add_test(tc, memset_works_at_every_alignment_and_length);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

// SPDX-License-Identifier: MIT
/* The accessors on a cookie, with a device of bytes behind the window. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include <check.h>
#include <udrv/log.h>

#include "io/window.h"
#include "support/suite.h"

#define BYTES	16
#define HISTORY 128

static struct device {
	unsigned char mem[BYTES];
	int err; /* what accesses fail with */
	unsigned int calls;
	unsigned int sizes[HISTORY];
	uint64_t offsets[HISTORY];
} dev;

static void note(struct device *d, uint64_t offset, unsigned int size)
{
	if (d->calls < HISTORY) {
		d->sizes[d->calls] = size;
		d->offsets[d->calls] = offset;
	}
	d->calls++;
}

static int dev_read(void *ctx, uint64_t offset, unsigned int size, uint64_t *value)
{
	struct device *d = ctx;

	note(d, offset, size);
	*value = 0;
	for (unsigned int i = 0; i < size; i++)
		*value |= (uint64_t)d->mem[offset + i] << (8 * i);
	return d->err;
}

static int dev_write(void *ctx, uint64_t offset, unsigned int size, uint64_t value)
{
	struct device *d = ctx;

	note(d, offset, size);
	for (unsigned int i = 0; i < size && !d->err; i++)
		d->mem[offset + i] = (unsigned char)(value >> (8 * i));
	return d->err;
}

static const struct udrv__io_window_ops dev_ops = {dev_read, dev_write};

static char __udrv_iomem *open_window(void)
{
	void __udrv_iomem *cookie = NULL;

	memset(&dev, 0, sizeof(dev));
	for (unsigned int i = 0; i < BYTES; i++)
		dev.mem[i] = (unsigned char)(i + 1);
	ck_assert_int_eq(udrv__io_window_add(&dev_ops, &dev, BYTES, &cookie), 0);
	ck_assert_ptr_nonnull(cookie);
	ck_assert_int_eq(udrv__io_is_cookie(cookie), 1);
	return cookie;
}

/* The last access was size bytes at offset, and there were calls of them. */
static void expect_access(unsigned int calls, uint64_t offset, unsigned int size)
{
	ck_assert_uint_eq(dev.calls, calls);
	ck_assert_uint_eq(dev.offsets[calls - 1], offset);
	ck_assert_uint_eq(dev.sizes[calls - 1], size);
}

#define EXPECT_READ(form, want, offset, size)                                                      \
	do {                                                                                       \
		dev.calls = 0;                                                                     \
		ck_assert_uint_eq(form(regs + (offset)), want);                                    \
		expect_access(1, offset, size);                                                    \
	} while (0)

START_TEST(every_read_form_is_one_access_of_its_size)
{
	char __udrv_iomem *regs = open_window();

	EXPECT_READ(udrv_readb, 0x02, 1, 1);
	EXPECT_READ(udrv_readw, 0x0403, 2, 2);
	EXPECT_READ(udrv_readl, 0x08070605, 4, 4);
	EXPECT_READ(udrv_readq, 0x100f0e0d0c0b0a09, 8, 8);
	EXPECT_READ(udrv_readb_relaxed, 0x02, 1, 1);
	EXPECT_READ(udrv_readw_relaxed, 0x0403, 2, 2);
	EXPECT_READ(udrv_readl_relaxed, 0x08070605, 4, 4);
	EXPECT_READ(udrv_readq_relaxed, 0x100f0e0d0c0b0a09, 8, 8);
	EXPECT_READ(udrv_ioread8, 0x10, 15, 1);
	EXPECT_READ(udrv_ioread16, 0x100f, 14, 2);
	EXPECT_READ(udrv_ioread32, 0x100f0e0d, 12, 4);
	EXPECT_READ(udrv_ioread64, 0x0807060504030201, 0, 8);
	EXPECT_READ(udrv_ioread16be, 0x0304, 2, 2);
	EXPECT_READ(udrv_ioread32be, 0x05060708, 4, 4);
	EXPECT_READ(udrv_ioread64be, 0x090a0b0c0d0e0f10, 8, 8);
	ck_assert_uint_eq(udrv__io_window_errors(regs), 0);
	udrv__io_window_remove(regs);
}
END_TEST

#define EXPECT_WRITE(form, value, offset, bytes)                                                   \
	do {                                                                                       \
		dev.calls = 0;                                                                     \
		memset(dev.mem, 0, sizeof(dev.mem));                                               \
		form(value, regs + (offset));                                                      \
		expect_access(1, offset, sizeof(bytes) - 1);                                       \
		ck_assert_mem_eq(dev.mem + (offset), bytes, sizeof(bytes) - 1);                    \
	} while (0)

START_TEST(every_write_form_is_one_access_of_its_size)
{
	char __udrv_iomem *regs = open_window();

	EXPECT_WRITE(udrv_writeb, 0xf1, 1, "\xf1");
	EXPECT_WRITE(udrv_writew, 0xf1e2, 2, "\xe2\xf1");
	EXPECT_WRITE(udrv_writel, 0xf1e2d3c4, 4, "\xc4\xd3\xe2\xf1");
	EXPECT_WRITE(udrv_writeq, 0xf1e2d3c4b5a69788, 8, "\x88\x97\xa6\xb5\xc4\xd3\xe2\xf1");
	EXPECT_WRITE(udrv_writeb_relaxed, 0xf1, 1, "\xf1");
	EXPECT_WRITE(udrv_writew_relaxed, 0xf1e2, 2, "\xe2\xf1");
	EXPECT_WRITE(udrv_writel_relaxed, 0xf1e2d3c4, 4, "\xc4\xd3\xe2\xf1");
	EXPECT_WRITE(udrv_writeq_relaxed, 0xf1e2d3c4b5a69788, 8,
		     "\x88\x97\xa6\xb5\xc4\xd3\xe2\xf1");
	EXPECT_WRITE(udrv_iowrite8, 0xf1, 15, "\xf1");
	EXPECT_WRITE(udrv_iowrite16, 0xf1e2, 14, "\xe2\xf1");
	EXPECT_WRITE(udrv_iowrite32, 0xf1e2d3c4, 12, "\xc4\xd3\xe2\xf1");
	EXPECT_WRITE(udrv_iowrite64, 0xf1e2d3c4b5a69788, 0, "\x88\x97\xa6\xb5\xc4\xd3\xe2\xf1");
	EXPECT_WRITE(udrv_iowrite16be, 0xf1e2, 2, "\xf1\xe2");
	EXPECT_WRITE(udrv_iowrite32be, 0xf1e2d3c4, 4, "\xf1\xe2\xd3\xc4");
	EXPECT_WRITE(udrv_iowrite64be, 0xf1e2d3c4b5a69788, 8, "\xf1\xe2\xd3\xc4\xb5\xa6\x97\x88");
	udrv__io_window_remove(regs);
}
END_TEST

#define EXPECT_REP(read, write, size)                                                              \
	do {                                                                                       \
		unsigned char buf[1 + 3 * (size_t)(size)];                                         \
		dev.calls = 0;                                                                     \
		read(regs + 8, buf + 1, 3);                                                        \
		expect_access(3, 8, size);                                                         \
		for (unsigned int n = 0; n < 3; n++)                                               \
			ck_assert_mem_eq(buf + 1 + n * (size_t)(size), dev.mem + 8, size);         \
		for (unsigned int n = 0; n < sizeof(buf); n++)                                     \
			buf[n] = (unsigned char)(n + 0x40);                                        \
		write(regs + 8, buf + 1, 3);                                                       \
		expect_access(6, 8, size);                                                         \
		ck_assert_mem_eq(dev.mem + 8, buf + 1 + 2 * (size_t)(size), size);                 \
	} while (0)

START_TEST(rep_forms_access_one_register_count_times)
{
	char __udrv_iomem *regs = open_window();

	EXPECT_REP(udrv_ioread8_rep, udrv_iowrite8_rep, 1);
	EXPECT_REP(udrv_ioread16_rep, udrv_iowrite16_rep, 2);
	EXPECT_REP(udrv_ioread32_rep, udrv_iowrite32_rep, 4);
	EXPECT_REP(udrv_ioread64_rep, udrv_iowrite64_rep, 8);
	EXPECT_REP(udrv_readsb, udrv_writesb, 1);
	EXPECT_REP(udrv_readsw, udrv_writesw, 2);
	EXPECT_REP(udrv_readsl, udrv_writesl, 4);
	EXPECT_REP(udrv_readsq, udrv_writesq, 8);
	udrv__io_window_remove(regs);
}
END_TEST

START_TEST(port_forms_go_through_the_bars_window)
{
	char __udrv_iomem *regs = open_window();
	udrv_port_t base = udrv_iomem_port(regs);
	unsigned char buf[8];

	ck_assert_uint_eq(udrv_inb(base + 3), 0x04);
	ck_assert_uint_eq(udrv_inw(base + 2), 0x0403);
	ck_assert_uint_eq(udrv_inl(base + 4), 0x08070605);
	expect_access(3, 4, 4);
	udrv_outb(0xaa, base + 3);
	udrv_outw(0xbbcc, base + 6);
	udrv_outl(0x11223344, base + 8);
	ck_assert_mem_eq(dev.mem, "\x01\x02\x03\xaa\x05\x06\xcc\xbb\x44\x33\x22\x11", 12);
	udrv_insb(base + 3, buf, 2);
	ck_assert_mem_eq(buf, "\xaa\xaa", 2);
	udrv_insw(base + 6, buf, 2);
	ck_assert_mem_eq(buf, "\xcc\xbb\xcc\xbb", 4);
	udrv_insl(base + 8, buf, 2);
	ck_assert_mem_eq(buf, "\x44\x33\x22\x11\x44\x33\x22\x11", 8);
	udrv_outsb(base, "xy", 2);
	udrv_outsw(base + 2, "abcd", 2);
	udrv_outsl(base + 4, "efghijkl", 2);
	ck_assert_mem_eq(dev.mem, "y\x02", 2);
	ck_assert_mem_eq(dev.mem + 2, "cdijkl", 6);
	udrv__io_window_remove(regs);
}
END_TEST

START_TEST(copies_use_words_where_aligned_and_bytes_elsewhere)
{
	static const unsigned int want[] = {1, 1, 1, 4, 4, 1, 1};
	char __udrv_iomem *regs = open_window();
	unsigned char buf[13];

	udrv_memcpy_fromio(buf, regs + 1, sizeof(buf));
	ck_assert_mem_eq(buf, dev.mem + 1, sizeof(buf));
	ck_assert_uint_eq(dev.calls, 7);
	ck_assert_mem_eq(dev.sizes, want, sizeof(want));

	dev.calls = 0;
	memset(buf, 0x77, sizeof(buf));
	udrv_memcpy_toio(regs + 1, buf, sizeof(buf));
	ck_assert_mem_eq(dev.mem + 1, buf, sizeof(buf));
	ck_assert_uint_eq(dev.mem[0], 1);
	ck_assert_uint_eq(dev.mem[14], 15);
	ck_assert_uint_eq(dev.calls, 7);
	ck_assert_mem_eq(dev.sizes, want, sizeof(want));

	dev.calls = 0;
	memset(buf, 0x5a, sizeof(buf));
	udrv_memset_io(regs + 1, 0x5a, sizeof(buf));
	ck_assert_mem_eq(dev.mem + 1, buf, sizeof(buf));
	ck_assert_uint_eq(dev.mem[14], 15);
	ck_assert_mem_eq(dev.sizes, want, sizeof(want));
	udrv__io_window_remove(regs);
}
END_TEST

START_TEST(copies_work_at_every_alignment_and_length)
{
	char __udrv_iomem *regs = open_window();
	unsigned char buf[BYTES + 3];

	for (size_t from = 0; from < 8; from++) {
		for (size_t len = 0; from + len <= BYTES; len++) {
			size_t to = (from + len) % 3;

			memset(buf, 0, sizeof(buf));
			udrv_memcpy_fromio(buf + to, regs + from, len);
			ck_assert_mem_eq(buf + to, dev.mem + from, len);
			ck_assert_uint_eq(
				buf[to + len < sizeof(buf) ? to + len : 0] | (to ? buf[0] : 0), 0);
		}
	}
	ck_assert_uint_eq(udrv__io_window_errors(regs), 0);
	udrv__io_window_remove(regs);
}
END_TEST

static int lines;
static char last_line[512];

static void keep_line(void *ctx, int level, const char *line)
{
	(void)ctx;
	(void)level;
	lines++;
	strncpy(last_line, line, sizeof(last_line) - 1);
}

START_TEST(outside_the_window_reads_ones_drops_writes_and_says_so_once)
{
	char __udrv_iomem *regs = open_window();
	unsigned char mem[BYTES];

	memcpy(mem, dev.mem, sizeof(mem));
	udrv_log_set(keep_line, NULL, UDRV_LOG_DEBUG);
	ck_assert_uint_eq(udrv_readl(regs + BYTES), 0xffffffff);
	ck_assert_uint_eq(udrv_readq(regs + BYTES - 4), UINT64_MAX);
	ck_assert_uint_eq(udrv_readw(regs + BYTES - 1), 0xffff);
	ck_assert_uint_eq(udrv_readb(regs + 0x123456789abc), 0xff);
	ck_assert_uint_eq(udrv_ioread32be(regs - 4), 0xffffffff);
	udrv_writel(0, regs + BYTES - 2);
	udrv_writeb(0, regs + BYTES);
	ck_assert_uint_eq(dev.calls, 0);
	ck_assert_mem_eq(dev.mem, mem, sizeof(mem));
	/* regs - 4 belongs to another window's range. */
	ck_assert_uint_eq(udrv__io_window_errors(regs), 6);
	ck_assert_int_eq(lines, 1);
	ck_assert_ptr_nonnull(strstr(last_line, "4-byte read at offset 0x10 failed"));
	udrv__io_window_remove(regs);
}
END_TEST

START_TEST(a_failing_backend_reads_ones_and_says_so_once)
{
	char __udrv_iomem *regs = open_window();
	unsigned char buf[3];

	udrv_log_set(keep_line, NULL, UDRV_LOG_DEBUG);
	dev.err = -EIO;
	errno = ENOTTY;
	ck_assert_uint_eq(udrv_readl(regs), 0xffffffff);
	udrv_writel(0, regs);
	udrv_ioread8_rep(regs, buf, 3);
	ck_assert_mem_eq(buf, "\xff\xff\xff", 3);
	ck_assert_int_eq(errno, ENOTTY);
	ck_assert_uint_eq(udrv__io_window_errors(regs), 5);
	ck_assert_int_eq(lines, 1);
	dev.err = 0;
	ck_assert_uint_eq(udrv_readl(regs), 0x04030201);
	ck_assert_uint_eq(udrv__io_window_errors(regs), 5);
	udrv__io_window_remove(regs);
}
END_TEST

START_TEST(a_removed_window_reads_ones)
{
	char __udrv_iomem *regs = open_window();
	unsigned char buf[6];

	udrv__io_window_remove(regs);
	ck_assert_uint_eq(udrv_readl(regs), 0xffffffff);
	ck_assert_uint_eq(udrv_readq(regs + 8), UINT64_MAX);
	udrv_writel(0, regs);
	udrv_memset_io(regs, 0, BYTES);
	udrv_memcpy_fromio(buf, regs, sizeof(buf));
	ck_assert_mem_eq(buf, "\xff\xff\xff\xff\xff\xff", sizeof(buf));
	ck_assert_uint_eq(dev.calls, 0);
	ck_assert_uint_eq(udrv__io_window_errors(regs), 0);
	udrv__io_window_remove(regs);
	udrv__io_window_remove(NULL);
}
END_TEST

START_TEST(an_old_cookie_does_not_reach_the_next_window_in_its_place)
{
	char __udrv_iomem *old = open_window();

	udrv__io_window_remove(old);
	for (unsigned int i = 0; i < 3 * UDRV__IO_WINDOWS; i++) {
		char __udrv_iomem *regs = open_window();

		ck_assert_ptr_ne(regs, old);
		ck_assert_uint_eq(udrv_readb(regs), 1);
		ck_assert_uint_eq(udrv_readb(old), 0xff);
		udrv__io_window_remove(old);
		ck_assert_uint_eq(udrv_readb(regs), 1);
		udrv__io_window_remove(regs);
	}
}
END_TEST

START_TEST(a_full_table_is_refused_and_serves_again_after_a_remove)
{
	void __udrv_iomem *all[UDRV__IO_WINDOWS];
	void __udrv_iomem *untouched = &dev;

	for (size_t i = 0; i < UDRV__IO_WINDOWS; i++)
		all[i] = open_window();
	ck_assert_int_eq(udrv__io_window_add(&dev_ops, &dev, BYTES, &untouched), -ENOSPC);
	ck_assert_ptr_eq(untouched, &dev);
	udrv__io_window_remove(all[77]);
	all[77] = open_window();
	for (size_t i = 0; i < UDRV__IO_WINDOWS; i++) {
		ck_assert_uint_eq(udrv_readw(all[i]), 0x0201);
		udrv__io_window_remove(all[i]);
	}
}
END_TEST

START_TEST(impossible_lengths_are_refused)
{
	void __udrv_iomem *untouched = &dev;

	ck_assert_int_eq(udrv__io_window_add(&dev_ops, &dev, 0, &untouched), -EINVAL);
	ck_assert_int_eq(udrv__io_window_add(&dev_ops, &dev, UINT64_C(1) << 48, &untouched),
			 -EINVAL);
	ck_assert_ptr_eq(untouched, &dev);
}
END_TEST

static sem_t in_read, let_go;

static int slow_read(void *ctx, uint64_t offset, unsigned int size, uint64_t *value)
{
	(void)ctx;
	(void)offset;
	(void)size;
	sem_post(&in_read);
	sem_wait(&let_go);
	*value = 0x600d;
	return 0;
}

static void *read_once(void *cookie)
{
	return (void *)(uintptr_t)udrv_readw(cookie);
}

static atomic_bool removed;

static void *remove_window(void *cookie)
{
	udrv__io_window_remove(cookie);
	atomic_store(&removed, true);
	return NULL;
}

START_TEST(remove_waits_for_a_running_access)
{
	static const struct udrv__io_window_ops slow_ops = {slow_read, dev_write};
	pthread_t reader, remover;
	void __udrv_iomem *cookie;
	void *value;

	sem_init(&in_read, 0, 0);
	sem_init(&let_go, 0, 0);
	ck_assert_int_eq(udrv__io_window_add(&slow_ops, NULL, 4, &cookie), 0);
	pthread_create(&reader, NULL, read_once, cookie);
	sem_wait(&in_read);
	pthread_create(&remover, NULL, remove_window, cookie);
	/* Until the window is shut an access out of range counts as an error. Check's time limit
	 * bounds this. */
	do {
		(void)udrv_readl((char __udrv_iomem *)cookie + 4);
	} while (udrv__io_window_errors(cookie));
	ck_assert(!atomic_load(&removed));
	sem_post(&let_go);
	pthread_join(reader, &value);
	pthread_join(remover, NULL);
	ck_assert_uint_eq((uintptr_t)value, 0x600d);
	ck_assert(atomic_load(&removed));
}
END_TEST

#define ROUNDS	400
#define READERS 3

/* Plain memory on purpose: an access after remove is a data race that the sanitizer sees. */
struct mortal {
	int alive;
	uint64_t value;
};

static int mortal_read(void *ctx, uint64_t offset, unsigned int size, uint64_t *value)
{
	struct mortal *m = ctx;

	(void)offset;
	(void)size;
	*value = m->alive ? m->value : 0xdead;
	return 0;
}

static void __udrv_iomem *_Atomic current;
static atomic_bool stop;
static atomic_uint hits;

static void *read_on(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop)) {
		uint32_t value = udrv_readl(atomic_load(&current));

		if (value == 0x1234)
			atomic_fetch_add(&hits, 1);
		else if (value != 0xffffffff)
			return (void *)(uintptr_t)value;
	}
	return NULL;
}

START_TEST(accesses_race_with_remove_and_never_see_a_dead_device)
{
	static const struct udrv__io_window_ops mortal_ops = {mortal_read, dev_write};
	struct mortal m = {1, 0x1234};
	pthread_t readers[READERS];
	void *wrong;

	for (int i = 0; i < ROUNDS; i++) {
		void __udrv_iomem *cookie;
		unsigned int before = atomic_load(&hits);

		m.alive = 1;
		ck_assert_int_eq(udrv__io_window_add(&mortal_ops, &m, 4, &cookie), 0);
		atomic_store(&current, cookie);
		for (int n = 0; n < READERS && i == 0; n++)
			ck_assert_int_eq(pthread_create(&readers[n], NULL, read_on, NULL), 0);
		/* Readers are at it when the window goes. */
		while (atomic_load(&hits) == before)
			;
		udrv__io_window_remove(cookie);
		m.alive = 0;
	}
	atomic_store(&stop, true);
	for (int n = 0; n < READERS; n++) {
		pthread_join(readers[n], &wrong);
		ck_assert_ptr_null(wrong);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("io_window");
	TCase *tc = tcase_create("io_window");

	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, every_read_form_is_one_access_of_its_size);
	tcase_add_test(tc, every_write_form_is_one_access_of_its_size);
	tcase_add_test(tc, rep_forms_access_one_register_count_times);
	tcase_add_test(tc, port_forms_go_through_the_bars_window);
	tcase_add_test(tc, copies_use_words_where_aligned_and_bytes_elsewhere);
	tcase_add_test(tc, copies_work_at_every_alignment_and_length);
	tcase_add_test(tc, outside_the_window_reads_ones_drops_writes_and_says_so_once);
	tcase_add_test(tc, a_failing_backend_reads_ones_and_says_so_once);
	tcase_add_test(tc, a_removed_window_reads_ones);
	tcase_add_test(tc, an_old_cookie_does_not_reach_the_next_window_in_its_place);
	tcase_add_test(tc, a_full_table_is_refused_and_serves_again_after_a_remove);
	tcase_add_test(tc, impossible_lengths_are_refused);
	tcase_add_test(tc, remove_waits_for_a_running_access);
	tcase_add_test(tc, accesses_race_with_remove_and_never_see_a_dead_device);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

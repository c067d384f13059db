// SPDX-License-Identifier: MIT
/* Too many interrupts, too many that nobody handles, and how late they are. */
#include <errno.h>
#include <string.h>

#include "irq/irq.h"
#include "support/bells.h"
#include "support/fault.h"
#include "support/suite.h"
#include "support/wait_for.h"

#define IRQ_STATUS 0x24
#define IRQ_RAISE  0x60
#define IRQ_ACK	   0x64

static struct udrv_device *dev;
static uint8_t __udrv_iomem *regs;
static atomic_uint runs;
static atomic_bool quiet; /* acknowledge it */
static atomic_int answer;

static udrv_irqreturn_t answers(int irq, void *ctx)
{
	(void)irq;
	(void)ctx;
	if (quiet)
		udrv_iowrite32(udrv_ioread32(regs + IRQ_STATUS), regs + IRQ_ACK);
	runs++;
	return (udrv_irqreturn_t)answer;
}

static void open_edu(unsigned int type)
{
	fault_log_clear();
	runs = 0;
	quiet = false;
	answer = UDRV_IRQ_HANDLED;
	ck_assert_int_eq(udrv_device_open("model:edu", NULL, &dev), 0);
	ck_assert_int_eq(udrv_pci_enable_device(dev), 0);
	ck_assert_int_eq(udrv_pci_set_master(dev), 0);
	regs = udrv_pci_iomap(dev, 0, 0);
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 1, type), 1);
}

static void teardown(void)
{
	udrv_device_close(dev);
}

static void setup_intx(void)
{
	open_edu(UDRV_PCI_IRQ_INTX);
}

static void setup_msi(void)
{
	open_edu(UDRV_PCI_IRQ_MSI);
}

static void request(void)
{
	ck_assert_int_eq(udrv_request_irq(dev, 0, answers, 0, "storm", dev), 0);
}

static struct udrv_irq_stats stats(void)
{
	struct udrv_irq_stats s;

	ck_assert_int_eq(udrv_irq_get_stats(dev, 0, &s), 0);
	return s;
}

/* Runs per second, over some time; a pause of this thread does not make it more. */
static double rate(void)
{
	int64_t from = now_ms();
	unsigned int before = runs;
	unsigned int after;

	udrv_msleep(500);
	after = runs;
	return (double)(after - before) * 1000 / (double)(now_ms() - from);
}

static int warnings;

static void count_warnings(void *ctx, int level, const char *line)
{
	(void)ctx;
	(void)level;
	warnings += strstr(line, "storm") != NULL;
}

/* A line that the handler claims and does not quiet: it fires again at each unmask. */
START_TEST(a_storm_is_held_down_to_its_limit)
{
	const int64_t from = now_ms();
	double r;

	warnings = 0;
	udrv_log_set(count_warnings, NULL, UDRV_LOG_WARNING);
	ck_assert_int_eq(udrv_irq_set_storm_limit(dev, 0, 2000), 0);
	request();
	udrv_iowrite32(1, regs + IRQ_RAISE);
	/* Never more; less where the machine is busy with something else. */
	WAIT_FOR(({
		r = rate();
		ck_assert_msg(r < 2400, "%.0f per second with a limit of 2000", r);
		r > 500;
	}));
	WAIT_FOR(stats().storms > 10);
	/* Another one only after a second of quiet. */
	ck_assert_int_ge(warnings, 1);
	ck_assert_int_le(warnings, 1 + (int)((now_ms() - from) / 1000));
	/* Without one it takes what it can get. */
	ck_assert_int_eq(udrv_irq_set_storm_limit(dev, 0, 0), 0);
	WAIT_FOR(rate() > 2400);
	/* It is an ordinary vector all the time. */
	ck_assert_int_eq(udrv_irq_set_storm_limit(dev, 0, 1000), 0);
	quiet = true;
	WAIT_FOR(!udrv_ioread32(regs + IRQ_STATUS));
	ck_assert_int_eq(udrv_synchronize_irq(dev, 0), 0);
	runs = 0;
	udrv_iowrite32(1, regs + IRQ_RAISE);
	until(runs);
	ck_assert_int_eq(udrv_free_irq(dev, 0, dev), 0);
}
END_TEST

START_TEST(other_vectors_of_the_worker_go_on)
{
	struct bell bell;
	struct udrv_device *other = bells_open("model:ivshmem", 1);
	int64_t from;

	ck_assert_int_eq(udrv_irq_set_storm_limit(dev, 0, 100), 0);
	bell_init(&bell, other, 0);
	bell_choose(&bell, UDRV_WAIT_URING);
	bell_request(&bell);
	ck_assert_int_eq(udrv_irq_share(dev, 0, other, 0), 0);
	request();
	udrv_iowrite32(1, regs + IRQ_RAISE);
	until(stats().storms);
	from = now_ms();
	runs = 0;
	bells_ring(&bell, 1, 1000);
	ck_assert_uint_eq(bell.idle, 0);
	/* Those of 100 per second, and a burst. */
	ck_assert_uint_le(runs, 10 + (unsigned long)(now_ms() - from) / 10);
	ck_assert_int_eq(udrv_free_irq(dev, 0, dev), 0);
	udrv_device_close(other);
}
END_TEST

START_TEST(messages_have_no_limit_unless_asked_for)
{
	quiet = true;
	request();
	for (int i = 0; i < 20000; i++)
		udrv_iowrite32(1, regs + IRQ_RAISE);
	ck_assert_int_eq(udrv_synchronize_irq(dev, 0), 0);
	ck_assert_uint_eq(stats().storms, 0);
	ck_assert_int_eq(udrv_irq_set_storm_limit(dev, 0, 100), 0);
	/* Until the last burst of before is used up. */
	while (!stats().storms) {
		udrv_iowrite32(1, regs + IRQ_RAISE);
		ck_assert_int_eq(udrv_synchronize_irq(dev, 0), 0);
	}
	/* The last one is remembered, and comes when the rest is over. */
	udrv_iowrite32(1, regs + IRQ_RAISE);
	until(!udrv_ioread32(regs + IRQ_STATUS));
	ck_assert_int_eq(udrv_irq_set_storm_limit(dev, 1, 100), -EINVAL);
}
END_TEST

static void raise_and_sync(void)
{
	udrv_iowrite32(1, regs + IRQ_RAISE);
	ck_assert_int_eq(udrv_synchronize_irq(dev, 0), 0);
}

/* Now and then one that is nobody's, as on a shared line, is no reason to shut it off. */
START_TEST(unhandled_ones_long_apart_do_not_count)
{
	struct udrv__vector *v = &dev->irqs->vectors[0];
	unsigned int all = 0;
	unsigned int near = 0; /* those that no pause of the machine, of 100 ms, can be between */

	quiet = true;
	answer = UDRV_IRQ_NONE;
	request();
	while (near < 3) {
		const int64_t from = now_ms();

		near = 0;
		for (unsigned int i = 1; i <= 3; i++) {
			raise_and_sync();
			all++;
			if (now_ms() - from < 90)
				ck_assert_uint_eq(v->window_unhandled, ++near);
		}
		udrv_msleep(120);
	}
	raise_and_sync();
	ck_assert_uint_eq(v->window_unhandled, 1);
	ck_assert_uint_eq(stats().unhandled, all + 1);
}
END_TEST

START_TEST(a_stamp_is_a_latency)
{
	const struct udrv_hist *h = &dev->irqs->vectors[0].stat->latency;

	quiet = true;
	request();
	for (unsigned int i = 1; i <= 100; i++) {
		ck_assert_int_eq(udrv_irq_stamp(dev, 0), 0);
		udrv_iowrite32(1, regs + IRQ_RAISE);
		ck_assert_int_eq(udrv_synchronize_irq(dev, 0), 0);
		ck_assert_uint_eq(udrv_hist_count(h), i);
		/* Without a stamp there is none. */
		udrv_iowrite32(1, regs + IRQ_RAISE);
		ck_assert_int_eq(udrv_synchronize_irq(dev, 0), 0);
	}
	ck_assert_uint_eq(udrv_hist_count(h), 100);
	ck_assert_uint_gt(udrv_hist_percentile(h, 500), 0);
	ck_assert_int_eq(udrv_irq_stamp(dev, 1), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("irq_storm");
	TCase *intx = tcase_create("intx");
	TCase *msi = tcase_create("msi");

	tcase_add_checked_fixture(intx, setup_intx, teardown);
	tcase_set_timeout(intx, 300);
	tcase_add_test(intx, a_storm_is_held_down_to_its_limit);
	tcase_add_test(intx, other_vectors_of_the_worker_go_on);
	suite_add_tcase(s, intx);
	tcase_add_checked_fixture(msi, setup_msi, teardown);
	tcase_set_timeout(msi, 300);
	tcase_add_test(msi, messages_have_no_limit_unless_asked_for);
	tcase_add_test(msi, unhandled_ones_long_apart_do_not_count);
	tcase_add_test(msi, a_stamp_is_a_latency);
	suite_add_tcase(s, msi);
	return run_suite(s);
}

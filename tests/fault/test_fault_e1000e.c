// SPDX-License-Identifier: MIT
/* A network card's probe and open: each acquiring call inside fails in turn. */
#include <time.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/pci.h>

#include "e1000e.h"
#include "support/fault.h"
#include "support/suite.h"

static struct udrv_device *dev;

static void setup(void)
{
	fault_start_thread_once();
	fault_log_clear();
}

static const char *kind(int i)
{
	static const char *const kinds[] = {"msix", "msi", "intx"};

	return kinds[i];
}

static void set_interrupts(const char *value)
{
	for (const struct udrv_param *p = e1000e_driver.params; p->name; p++)
		if (!strcmp(p->name, "interrupts"))
			*p->value = value;
}

static struct udrv_net_device *card(void)
{
	return &((struct e1000e *)udrv_pci_get_drvdata(dev))->ndev;
}

/* With its own device, as what is mapped of a BAR stays until close. */
static int step_probe(void *ctx)
{
	int ret = udrv_device_open("model:e1000e", NULL, &dev);

	(void)ctx;
	if (ret)
		return ret;
	ret = udrv_driver_probe(&e1000e_driver, dev);
	if (ret) {
		FAULT_MUST(!udrv_net_next(NULL));
		udrv_device_close(dev);
	}
	return ret;
}

static void undo_probe(void *ctx)
{
	(void)ctx;
	ck_assert_ptr_eq(udrv_net_next(NULL), card());
	udrv_driver_remove(&e1000e_driver, dev);
	udrv_device_close(dev);
}

/*
 * What watches events of the device, and the log of its address space, are done without; so are
 * MSI, for a line, and the place where the line's interrupts are counted.
 */
START_TEST(probe_of_a_card)
{
	static const char *const absorbs[] = {" malloc realloc eventfd ",
					      " malloc realloc eventfd calloc ",
					      " malloc realloc eventfd open "};

	set_interrupts(kind(_i));
	fault_check(&(struct fault_case){.step = step_probe,
					 .undo = undo_probe,
					 .absorbs = absorbs[_i],
					 .fewest = 20,
					 .silent = true});
}
END_TEST

static int step_open(void *ctx)
{
	const struct udrv_net_options options = {
		.rx_queues = 2, .tx_queues = 2, .rx_ring = 64, .tx_ring = 64, .rx_buffers = 64};
	const int ret = udrv_net_open(card(), &options);

	(void)ctx;
	if (ret)
		FAULT_MUST(!card()->rxq[0] && !card()->txq[0]);
	return ret;
}

static void undo_open(void *ctx)
{
	(void)ctx;
	ck_assert_ptr_nonnull(card()->rxq[1]);
	ck_assert_ptr_nonnull(card()->txq[1]);
	udrv_net_close(card());
}

START_TEST(open_of_a_card)
{
	set_interrupts(kind(_i));
	ck_assert_int_eq(step_probe(NULL), 0);
	/* The first one makes what stays with the device until it is closed. */
	ck_assert_int_eq(step_open(NULL), 0);
	undo_open(NULL);
	fault_check(&(struct fault_case){
		.step = step_open, .undo = undo_open, .fewest = 10, .silent = true});
	undo_probe(NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault_e1000e");
	TCase *tc = tcase_create("steps");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_loop_test(tc, probe_of_a_card, 0, 3);
	tcase_add_loop_test(tc, open_of_a_card, 0, 3);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

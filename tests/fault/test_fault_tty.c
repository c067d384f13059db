// SPDX-License-Identifier: MIT
/* A serial card's probe, its ports and their terminals: each acquiring call inside fails in turn.
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/pci.h>

#include "support/fake_tree.h"
#include "support/fault.h"
#include "support/suite.h"
#include "uart16550.h"

static struct udrv_device *dev;

static void setup(void)
{
	fake_tree_make();
	ck_assert_int_eq(setenv("UDRV_RUNTIME_DIR", fake_root, 1), 0);
	fault_start_thread_once();
	fault_log_clear();
}

static void teardown(void)
{
	fake_tree_remove();
}

/* With its own device, as what is mapped of a BAR stays until close. */
static int step_probe(void *ctx)
{
	int ret = udrv_device_open("model:uart16550-2x:loop", NULL, &dev);

	(void)ctx;
	if (ret)
		return ret;
	ret = udrv_driver_probe(&uart16550_driver, dev);
	if (ret)
		udrv_device_close(dev);
	return ret;
}

static void undo_probe(void *ctx)
{
	struct uart16550_card *card = udrv_pci_get_drvdata(dev);
	int tty = open(udrv_uart_port_path(&card->uart[1].port), O_RDWR | O_NOCTTY);
	struct pollfd p = {.fd = tty, .events = POLLIN};
	char buf[3];

	(void)ctx;
	ck_assert_int_ge(tty, 0);
	ck_assert_int_eq(write(tty, "abc", 3), 3);
	ck_assert_int_eq(poll(&p, 1, 30000), 1);
	ck_assert_int_gt(read(tty, buf, 3), 0);
	ck_assert_int_eq(buf[0], 'a');
	close(tty);
	udrv_driver_remove(&uart16550_driver, dev);
	udrv_device_close(dev);
}

START_TEST(probe_of_a_card)
{
	/* What watches events of the device, and the log of its address space, are done without. */
	fault_check(&(struct fault_case){.step = step_probe,
					 .undo = undo_probe,
					 .absorbs = " malloc realloc eventfd ",
					 .fewest = 20,
					 .silent = true});
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault_tty");
	TCase *tc = tcase_create("probe");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, probe_of_a_card);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

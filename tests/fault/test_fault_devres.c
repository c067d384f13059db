// SPDX-License-Identifier: MIT
/* A probe() whose steps are all managed undoes nothing itself: each acquiring call fails in turn.
 */
#include <errno.h>

#include <udrv/device.h>
#include <udrv/devres.h>
#include <udrv/driver.h>
#include <udrv/pci.h>

#include "support/fault.h"
#include "support/suite.h"

static struct udrv_device *dev;
static int undone; /* actions called */
static int done;   /* actions that were due */

static void setup(void)
{
	fault_log_clear();
	ck_assert_int_eq(udrv_device_open("model:edu", NULL, &dev), 0);
}

static void teardown(void)
{
	udrv_device_close(dev);
}

static udrv_irqreturn_t handler(int irq, void *ctx)
{
	(void)irq;
	(void)ctx;
	return UDRV_IRQ_HANDLED;
}

static void stop(void *data)
{
	(void)data;
	undone++;
}

static void free_vectors(void *data)
{
	undone++;
	udrv_pci_free_irq_vectors(data);
}

static int probe(struct udrv_device *d, const struct udrv_pci_device_id *id)
{
	void *state = udrv_devm_kzalloc(d, 100, UDRV_GFP_KERNEL);
	int ret;

	(void)id;
	if (!state)
		return -ENOMEM;
	udrv_pci_set_drvdata(d, state);
	ret = udrv_pci_alloc_irq_vectors(d, 1, 1, UDRV_PCI_IRQ_MSI);
	if (ret < 0)
		return ret;
	done++;
	ret = udrv_devm_add_action_or_reset(d, free_vectors, d);
	if (ret)
		return ret;
	ret = udrv_devm_request_irq(d, 0, handler, 0, "fault", state);
	if (ret)
		return ret;
	done++;
	return udrv_devm_add_action_or_reset(d, stop, state);
}

static const struct udrv_pci_device_id ids[] = {{UDRV_PCI_DEVICE(0x1234, 0x11e8)}, {0}};
static const struct udrv_driver driver = {.name = "managed", .id_table = ids, .probe = probe};

static int step_probe(void *ctx)
{
	int ret = udrv_driver_probe(&driver, dev);

	(void)ctx;
	if (ret) {
		FAULT_MUST(undone == done);
		FAULT_MUST(!udrv_pci_get_drvdata(dev));
		FAULT_MUST(!udrv_pci_irq_type(dev));
	}
	return ret;
}

static void undo_probe(void *ctx)
{
	(void)ctx;
	udrv_driver_remove(&driver, dev);
	ck_assert_int_eq(undone, done);
	ck_assert_uint_eq(udrv_pci_irq_type(dev), 0);
}

START_TEST(a_managed_probe)
{
	fault_check(&(struct fault_case){
		.step = step_probe, .undo = undo_probe, .fewest = 9, .silent = true});
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault_devres");
	TCase *tc = tcase_create("on a device");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_managed_probe);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

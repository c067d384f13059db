// SPDX-License-Identifier: MIT
/* Opening a device by VFIO: what can be wrong with it, what is said then, and that nothing stays
 * open. */
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/io.h>
#include <udrv/irq.h>
#include <udrv/pci.h>

#include "support/fake_machine.h"
#include "support/fault.h"
#include "support/suite.h"

#define NAME  "0000:00:05.0"
#define OTHER "0000:00:05.1"

static struct fake_device *fake;
static struct fault_held before;

static void setup(void)
{
	fake = fake_machine_make(NAME);
	fault_held(&before);
}

/* Opening fails with err and says so; dev_out is untouched, nothing is open, and open works later.
 */
static void refused(int err, const char *line)
{
	struct udrv_device *const untouched = (void *)&before;
	struct udrv_device *dev = untouched;
	struct fault_held now = {0};

	ck_assert_int_eq(udrv_device_open(NAME, NULL, &dev), err);
	ck_assert_ptr_eq(dev, untouched);
	ck_assert_msg(fault_logged(line), "not said: '%s' but: %s", line, fault_log_text());
	ck_assert(fault_held_again(&before, &now));
	ck_assert_int_eq(fake_vfio.container, -1);
	ck_assert_int_eq(fake_vfio.group_fd, -1);
	ck_assert_int_eq(fake->fd, -1);
}

static void opens_again(void)
{
	struct udrv_device *dev = NULL;
	struct fault_held now = {0};

	ck_assert_int_eq(udrv_device_open(NAME, NULL, &dev), 0);
	udrv_device_close(dev);
	ck_assert(fault_held_again(&before, &now));
}

START_TEST(opens_and_says_what_it_is)
{
	struct udrv_device *dev = NULL;

	ck_assert_int_eq(udrv_device_open("00:05.0", NULL, &dev), 0);
	ck_assert_str_eq(udrv_device_backend(dev), "vfio");
	ck_assert_str_eq(udrv_device_name(dev), NAME);
	ck_assert_uint_eq(udrv_pci_resource_len(dev, 0), 1 << 20);
	ck_assert_uint_eq(udrv_pci_resource_len(dev, 1), 0);
	ck_assert_uint_eq(udrv_pci_resource_start(dev, 0), 0xfea00000);
	ck_assert_uint_eq(udrv_pci_resource_start(dev, 1), 0);
	ck_assert_uint_eq(udrv_pci_resource_start(dev, -1), 0);
	udrv_device_close(dev);
}
END_TEST

START_TEST(no_container_node)
{
	fake_vfio.container_errno = ENOENT;
	refused(-ENOENT, NAME ": /dev/vfio/vfio does not exist; run: modprobe");
	fake_vfio.container_errno = 0;
	opens_again();
}
END_TEST

START_TEST(no_permission_for_the_group)
{
	fake_vfio.group_errno = EACCES;
	refused(-EACCES, NAME ": no permission for /dev/vfio/3");
	fake_vfio.group_errno = 0;
	opens_again();
}
END_TEST

START_TEST(group_held_by_another_process)
{
	fake_vfio.group_errno = EBUSY;
	refused(-EBUSY, NAME ": /dev/vfio/3 is held by another process");
	fake_vfio.group_errno = 0;
	opens_again();
}
END_TEST

START_TEST(no_type1v2_iommu)
{
	fake_vfio.no_type1v2 = true;
	refused(-EOPNOTSUPP, "modprobe vfio_iommu_type1");
	fake_vfio.no_type1v2 = false;
	opens_again();
}
END_TEST

START_TEST(unviable_group_names_each_member_in_the_way)
{
	fake_pci_device("0000:00:05.1", 0x8086, 0x10d3, "e1000e", 3);
	fake_pci_device("0000:00:05.2", 0x8086, 0x10d3, "snd_hda_intel", 3);
	fake_pci_device("0000:00:05.3", 0x8086, 0x10d3, NULL, 3);
	fake_pci_device("0000:00:05.4", 0x8086, 0x10d3, "pci-stub", 3);
	fake_pci_device("0000:00:05.5", 0x8086, 0x10d3, "pcieport", 3);
	fake_pci_device("0000:00:05.6", 0x8086, 0x10d3, "mlx5_vfio_pci", 3);
	fake_vfio.not_viable = true;
	refused(-EPERM, NAME ": IOMMU group 3 is not viable");
	ck_assert(fault_logged("0000:00:05.1: in the same IOMMU group, bound to e1000e; run: "
			       "udrv bind 0000:00:05.1"));
	ck_assert(fault_logged("0000:00:05.2: in the same IOMMU group, bound to snd_hda_intel"));
	ck_assert(!fault_logged("0000:00:05.3:"));
	ck_assert(!fault_logged("0000:00:05.4:"));
	ck_assert(!fault_logged("0000:00:05.5:"));
	ck_assert(!fault_logged("0000:00:05.6:"));
	fake_vfio.not_viable = false;
	opens_again();
}
END_TEST

START_TEST(interrupts_cannot_be_isolated)
{
	fake_vfio.set_iommu_errno = EPERM;
	refused(-EPERM, "allow_unsafe_interrupts=1");
	fake_vfio.set_iommu_errno = ENODEV;
	refused(-ENODEV, "cannot use the IOMMU of group 3");
	fake_vfio.set_iommu_errno = 0;
	opens_again();
}
END_TEST

START_TEST(group_does_not_join_the_container)
{
	fake_vfio.set_container_errno = EBUSY;
	refused(-EBUSY, "cannot put group 3 into a container");
	fake_vfio.set_container_errno = 0;
	opens_again();
}
END_TEST

START_TEST(device_is_not_handed_out)
{
	fake->open_errno = EINVAL;
	refused(-EINVAL, NAME ": VFIO does not hand out the device");
	fake->open_errno = 0;
	opens_again();
}
END_TEST

START_TEST(not_a_pci_device_to_vfio)
{
	fake->flags &= ~(uint32_t)VFIO_DEVICE_FLAGS_PCI;
	refused(-ENODEV, NAME ": VFIO does not offer it as a PCI device");
	fake->flags |= VFIO_DEVICE_FLAGS_PCI;
	fake->num_regions = VFIO_PCI_CONFIG_REGION_INDEX;
	refused(-ENODEV, NAME ": VFIO does not offer it as a PCI device");
	fake->num_regions = VFIO_PCI_NUM_REGIONS;
	opens_again();
}
END_TEST

START_TEST(no_iommu_group)
{
	fake_pci_device("0000:00:06.0", 0x1234, 0x11e8, "vfio-pci", -1);
	struct udrv_device *dev = NULL;

	ck_assert_int_eq(udrv_device_open("0000:00:06.0", NULL, &dev), -ENODEV);
	ck_assert(fault_logged("0000:00:06.0: no IOMMU group: the IOMMU is off"));
	ck_assert_ptr_null(dev);
}
END_TEST

/* On a machine without an IOMMU vfio-pci does not bind at all: that must be told, too. */
START_TEST(not_bound_and_no_iommu_group)
{
	fake_pci_device("0000:00:06.0", 0x1234, 0x11e8, NULL, -1);
	struct udrv_device *dev = NULL;

	ck_assert_int_eq(udrv_device_open("0000:00:06.0", NULL, &dev), -ENODEV);
	ck_assert(fault_logged("0000:00:06.0: bound to no driver"));
	ck_assert(fault_logged("IOMMU"));
	ck_assert_ptr_null(dev);
}
END_TEST

START_TEST(bound_to_a_kernel_driver)
{
	fake_pci_device("0000:00:06.0", 0x8086, 0x10d3, "e1000e", 4);
	struct udrv_device *dev = NULL;

	ck_assert_int_eq(udrv_device_open("0000:00:06.0", NULL, &dev), -ENODEV);
	ck_assert(fault_logged("0000:00:06.0: bound to driver e1000e"));
	ck_assert(fault_logged("run: udrv bind 0000:00:06.0"));
	ck_assert_int_eq(udrv_device_open("0000:00:06.0", "vfio", &dev), -ENODEV);
	ck_assert_ptr_null(dev);
}
END_TEST

START_TEST(names_that_are_none)
{
	static const char *const bad[] = {
		"",	      "5.0",	"0000:00:05.8",	 "0000:00:20.0",    "edu", "0000:00:05.0 ",
		"../00:05.0", "model:", "model:nothing", "00000000:00:05.0"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct udrv_device *dev = NULL;

		fault_log_clear();
		ck_assert_int_lt(udrv_device_open(bad[i], NULL, &dev), 0);
		ck_assert_ptr_null(dev);
		ck_assert_msg(*fault_log_text(), "'%s': nothing said", bad[i]);
	}
}
END_TEST

START_TEST(no_such_device)
{
	struct udrv_device *dev = NULL;

	ck_assert_int_eq(udrv_device_open("0000:00:1f.7", NULL, &dev), -ENODEV);
	ck_assert(fault_logged("0000:00:1f.7: no such device"));
	ck_assert_int_eq(udrv_device_open(NAME, "floppy", &dev), -EINVAL);
	ck_assert(fault_logged("there is no backend named 'floppy'"));
}
END_TEST

/* A group that another driver of this process closed must be free again for the next one. */
START_TEST(two_devices_of_one_group_share_it)
{
	struct udrv_device *a = NULL;
	struct udrv_device *b = NULL;
	struct fault_held now = {0};
	udrv_iova_t iova_a = 0;
	udrv_iova_t iova_b = 0;
	void *mem_a;
	void *mem_b;

	fake_pci_device(OTHER, 0x1234, 0x11e8, "vfio-pci", 3);
	(void)fake_vfio_add(OTHER, 3);
	ck_assert_int_eq(udrv_device_open(NAME, NULL, &a), 0);
	ck_assert_int_eq(udrv_device_open(OTHER, NULL, &b), 0);
	mem_a = udrv_dma_alloc_coherent(a, 8192, &iova_a, UDRV_GFP_KERNEL);
	mem_b = udrv_dma_alloc_coherent(b, 4096, &iova_b, UDRV_GFP_KERNEL);
	ck_assert(mem_a && mem_b);
	ck_assert(iova_b >= iova_a + 8192 || iova_a >= iova_b + 4096);

	udrv_device_close(a);
	ck_assert_int_ge(fake_vfio.group_fd, 0);
	/* One region, which b's memory is in, too. */
	ck_assert_uint_eq(fake_vfio.mapping_count, 1);
	ck_assert_uint_ge(iova_b, fake_vfio.mappings[0].iova);
	ck_assert_uint_lt(iova_b, fake_vfio.mappings[0].iova + fake_vfio.mappings[0].size);
	udrv_dma_free_coherent(b, 4096, mem_b, iova_b);
	udrv_device_close(b);
	ck_assert_int_eq(fake_vfio.group_fd, -1);
	ck_assert_int_eq(fake_vfio.container, -1);
	ck_assert(fault_held_again(&before, &now));
}
END_TEST

static udrv_irqreturn_t nothing(int irq, void *ctx)
{
	(void)irq;
	(void)ctx;
	return UDRV_IRQ_HANDLED;
}

/* Whatever the driver left on: first nothing comes from the device, then it reaches no memory. */
START_TEST(close_stops_the_device_before_its_memory_goes)
{
	struct udrv_device *dev = NULL;
	udrv_iova_t iova = 0;
	int line;

	ck_assert_int_eq(udrv_device_open(NAME, NULL, &dev), 0);
	ck_assert_int_eq(udrv_pci_set_master(dev), 0);
	ck_assert(udrv_pci_iomap(dev, 0, 0));
	ck_assert_ptr_nonnull(udrv_dma_alloc_coherent(dev, 4096, &iova, UDRV_GFP_KERNEL));
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 1, UDRV_PCI_IRQ_MSI), 1);
	ck_assert_int_eq(udrv_request_irq(dev, 0, nothing, 0, "test", NULL), 0);
	fake_vfio_lines_clear();
	udrv_device_close(dev);

	line = fake_vfio_line("irqs 1 off", -1);
	ck_assert_int_ge(line, 0);
	line = fake_vfio_line("command", line);
	ck_assert_int_ge(line, 0);
	line = fake_vfio_line("unmap 0x10000000", line);
	ck_assert_int_ge(line, 0);
	line = fake_vfio_line("munmap", line); /* the memory */
	ck_assert_int_ge(line, 0);
	line = fake_vfio_line("munmap", line); /* the BAR */
	ck_assert_int_ge(line, 0);
	line = fake_vfio_line("close device", line);
	ck_assert_int_ge(line, 0);
	line = fake_vfio_line("close group", line);
	ck_assert_int_ge(line, 0);
	ck_assert_int_ge(fake_vfio_line("close container", line), 0);
}
END_TEST

START_TEST(reset_only_where_there_is_one)
{
	struct udrv_device *dev = NULL;

	ck_assert_int_eq(udrv_device_open(NAME, NULL, &dev), 0);
	ck_assert_int_eq(udrv_pci_reset_function(dev), 0);
	ck_assert_uint_eq(fake->resets, 1);
	udrv_device_close(dev);
	fake->flags &= ~(uint32_t)VFIO_DEVICE_FLAGS_RESET;
	ck_assert_int_eq(udrv_device_open(NAME, NULL, &dev), 0);
	ck_assert_int_eq(udrv_pci_reset_function(dev), -ENOTTY);
	udrv_device_close(dev);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vfio_open");
	TCase *tc = tcase_create("open");

	tcase_add_checked_fixture(tc, setup, fake_machine_remove);
	tcase_add_test(tc, opens_and_says_what_it_is);
	tcase_add_test(tc, no_container_node);
	tcase_add_test(tc, no_permission_for_the_group);
	tcase_add_test(tc, group_held_by_another_process);
	tcase_add_test(tc, no_type1v2_iommu);
	tcase_add_test(tc, unviable_group_names_each_member_in_the_way);
	tcase_add_test(tc, interrupts_cannot_be_isolated);
	tcase_add_test(tc, group_does_not_join_the_container);
	tcase_add_test(tc, device_is_not_handed_out);
	tcase_add_test(tc, not_a_pci_device_to_vfio);
	tcase_add_test(tc, no_iommu_group);
	tcase_add_test(tc, not_bound_and_no_iommu_group);
	tcase_add_test(tc, bound_to_a_kernel_driver);
	tcase_add_test(tc, names_that_are_none);
	tcase_add_test(tc, no_such_device);
	tcase_add_test(tc, two_devices_of_one_group_share_it);
	tcase_add_test(tc, close_stops_the_device_before_its_memory_goes);
	tcase_add_test(tc, reset_only_where_there_is_one);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

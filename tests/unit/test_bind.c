// SPDX-License-Identifier: MIT
/* udrv bind and unbind on a sysfs of files, with a kernel that reacts to what is written. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <check.h>
#include <udrv/log.h>

#include "bind.h"
#include "pci/sysfs.h"
#include "rebind.h"
#include "support/fake_tree.h"
#include "support/suite.h"
#include "tool.h"

#define EDU "0000:00:05.0"
#define NIC "0000:00:06.0"

static char sys_root[sizeof(fake_root) + 8];
static char proc_root[sizeof(fake_root) + 8];
static char run_root[sizeof(fake_root) + 8];
static char logged[4096];

static struct {
	int writes;
	int fail_at;	     /* the number of the write that fails, once */
	int fail_from;	     /* or from which on all do */
	int error;	     /* what it fails with; 0 is -EIO */
	const char *refuses; /* device whose probe by @refused_by binds nothing */
	const char *refused_by;
} kernel;

static void keep(void *ctx, int level, const char *line)
{
	size_t len = strlen(logged);

	(void)ctx;
	(void)level;
	(void)snprintf(logged + len, sizeof(logged) - len, "%s\n", line);
}

static int has_logged(const char *text)
{
	return strstr(logged, text) != NULL;
}

static const char *bound_to(const char *name)
{
	static char driver[64];

	if (udrv__sysfs_readlink(driver, sizeof(driver), "bus/pci/devices/%s/driver", name) < 0)
		return "";
	return driver;
}

static void react_unbind(const char *name)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/driver", sys_root, name);
	(void)unlink(path);
}

static void react_probe(const char *name)
{
	char driver[64] = "";

	(void)udrv__sysfs_read(driver, sizeof(driver), "bus/pci/devices/%s/driver_override", name);
	if (!driver[0] || !udrv__sysfs_exists("bus/pci/drivers/%s", driver) || bound_to(name)[0])
		return;
	if (kernel.refuses && !strcmp(kernel.refuses, name) && !strcmp(kernel.refused_by, driver))
		return;
	fake_pci_bound(name, driver);
}

static int fake_kernel(const char *text, const char *path)
{
	kernel.writes++;
	if (kernel.writes == kernel.fail_at ||
	    (kernel.fail_from && kernel.writes >= kernel.fail_from))
		return kernel.error ? kernel.error : -EIO;
	if (strstr(path, "/unbind"))
		react_unbind(text);
	else if (strstr(path, "drivers_probe"))
		react_probe(text);
	else
		fake_file(text, "sys/%s", path);
	return 0;
}

static void make_devices(void)
{
	fake_pci_device(EDU, 0x1234, 0x11e8, NULL, 2);
	fake_pci_device(NIC, 0x8086, 0x10d3, "e1000e", 3);
	fake_pci_driver("vfio-pci");
	fake_pci_driver("pci-stub");
	fake_file("", "proc/self/mountinfo");
}

static void setup(void)
{
	fake_tree_make();
	(void)snprintf(sys_root, sizeof(sys_root), "%s/sys", fake_root);
	(void)snprintf(proc_root, sizeof(proc_root), "%s/proc", fake_root);
	(void)snprintf(run_root, sizeof(run_root), "%s/run", fake_root);
	udrv__sysfs_root = sys_root;
	tool_proc_root = proc_root;
	tool_run_root = run_root;
	rebind_write = fake_kernel;
	memset(&kernel, 0, sizeof(kernel));
	udrv_log_set(keep, NULL, UDRV_LOG_NOTICE);
	make_devices();
}

static struct bind_job jobs[2];

/* What the command line does before it binds. */
static size_t read_jobs(const char *first, const char *second)
{
	memset(jobs, 0, sizeof(jobs));
	ck_assert_int_eq(udrv_pci_info_read(first, &jobs[0].info), 0);
	if (!second)
		return 1;
	ck_assert_int_eq(udrv_pci_info_read(second, &jobs[1].info), 0);
	return 2;
}

static int do_bind(const char *first, const char *second, const char *driver)
{
	const struct bind_options options = {.driver = driver};

	logged[0] = 0;
	return bind_devices(jobs, read_jobs(first, second), &options);
}

static int do_unbind(const char *name)
{
	logged[0] = 0;
	return unbind_devices(jobs, read_jobs(name, NULL), false);
}

static int is_remembered(const char *name)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/bind/%s", run_root, name);
	return access(path, F_OK) == 0;
}

static void assert_untouched(const char *name, const char *driver)
{
	struct udrv_pci_info info;

	ck_assert_int_eq(udrv_pci_info_read(name, &info), 0);
	ck_assert_str_eq(info.driver, driver);
	ck_assert_str_eq(info.driver_override, "");
	ck_assert(!is_remembered(name));
}

START_TEST(bind_remembers_and_unbind_restores)
{
	ck_assert_int_eq(do_bind(NIC, NULL, "vfio-pci"), 0);
	ck_assert_int_eq(jobs[0].outcome, BIND_DONE);
	ck_assert_str_eq(jobs[0].former, "e1000e");
	ck_assert_str_eq(bound_to(NIC), "vfio-pci");
	ck_assert_str_eq(fake_text("sys/bus/pci/devices/" NIC "/driver_override"), "vfio-pci\n");
	ck_assert(is_remembered(NIC));
	ck_assert_int_eq(do_unbind(NIC), 0);
	ck_assert_str_eq(jobs[0].former, "e1000e");
	assert_untouched(NIC, "e1000e");
}
END_TEST

START_TEST(device_without_a_driver_ends_without_one)
{
	ck_assert_int_eq(do_bind(EDU, NULL, "vfio-pci"), 0);
	ck_assert_str_eq(bound_to(EDU), "vfio-pci");
	ck_assert_int_eq(do_unbind(EDU), 0);
	assert_untouched(EDU, "");
}
END_TEST

START_TEST(an_override_of_before_is_restored)
{
	fake_file("e1000e\n", "sys/bus/pci/devices/" NIC "/driver_override");
	ck_assert_int_eq(do_bind(NIC, NULL, "vfio-pci"), 0);
	ck_assert_int_eq(do_unbind(NIC), 0);
	ck_assert_str_eq(bound_to(NIC), "e1000e");
	ck_assert_str_eq(fake_text("sys/bus/pci/devices/" NIC "/driver_override"), "e1000e\n");
}
END_TEST

START_TEST(bound_already_writes_nothing)
{
	ck_assert_int_eq(do_bind(NIC, NULL, "vfio-pci"), 0);
	kernel.writes = 0;
	ck_assert_int_eq(do_bind(NIC, NULL, "vfio-pci"), 0);
	ck_assert_int_eq(jobs[0].outcome, BIND_ALREADY);
	ck_assert_int_eq(kernel.writes, 0);
}
END_TEST

START_TEST(second_bind_keeps_the_first_driver)
{
	ck_assert_int_eq(do_bind(NIC, NULL, "vfio-pci"), 0);
	ck_assert_int_eq(do_bind(NIC, NULL, "pci-stub"), 0);
	ck_assert_str_eq(bound_to(NIC), "pci-stub");
	ck_assert_int_eq(do_unbind(NIC), 0);
	assert_untouched(NIC, "e1000e");
}
END_TEST

START_TEST(dry_run_changes_nothing)
{
	const struct bind_options options = {.driver = "vfio-pci", .dry_run = true};

	ck_assert_int_eq(bind_devices(jobs, read_jobs(NIC, NULL), &options), 0);
	ck_assert_int_eq(jobs[0].outcome, BIND_WOULD);
	ck_assert_int_eq(kernel.writes, 0);
	assert_untouched(NIC, "e1000e");
}
END_TEST

/* Setting the override, unbinding, probing. */
#define BIND_WRITES 3

START_TEST(bind_failing_at_step_k_leaves_all_as_before)
{
	kernel.fail_at = _i;
	ck_assert_int_eq(do_bind(NIC, NULL, "vfio-pci"), -EIO);
	ck_assert_int_eq(jobs[0].outcome, BIND_FAILED);
	ck_assert(has_logged(NIC ": cannot bind to vfio-pci"));
	ck_assert(has_logged("it was put back to e1000e"));
	assert_untouched(NIC, "e1000e");
	ck_assert_int_eq(do_bind(NIC, NULL, "vfio-pci"), 0);
}
END_TEST

START_TEST(bind_takes_as_many_writes_as_the_failing_ones_cover)
{
	ck_assert_int_eq(do_bind(NIC, NULL, "vfio-pci"), 0);
	ck_assert_int_eq(kernel.writes, BIND_WRITES);
}
END_TEST

/* The same, and clearing the override. */
#define UNBIND_WRITES 4

START_TEST(unbind_failing_at_step_k_stays_bound)
{
	ck_assert_int_eq(do_bind(NIC, NULL, "vfio-pci"), 0);
	kernel.writes = 0;
	kernel.fail_at = _i;
	ck_assert_int_eq(do_unbind(NIC), -EIO);
	ck_assert(has_logged(NIC ": cannot restore e1000e"));
	ck_assert_str_eq(bound_to(NIC), "vfio-pci");
	ck_assert(is_remembered(NIC));
	ck_assert_int_eq(do_unbind(NIC), 0);
	assert_untouched(NIC, "e1000e");
}
END_TEST

START_TEST(failing_to_go_back_is_reported_too)
{
	kernel.fail_from = 2;
	ck_assert_int_eq(do_bind(NIC, NULL, "vfio-pci"), -EIO);
	ck_assert(has_logged("cannot bind to vfio-pci: unbinding from e1000e"));
	ck_assert(has_logged("putting it back to e1000e failed too: setting driver_override"));
	/* So that `udrv unbind` can still restore it. */
	ck_assert(is_remembered(NIC));
	kernel.fail_from = 0;
	ck_assert_int_eq(do_bind(NIC, NULL, "vfio-pci"), 0);
	ck_assert_int_eq(do_unbind(NIC), 0);
	assert_untouched(NIC, "e1000e");
}
END_TEST

START_TEST(user_that_does_not_let_go)
{
	ck_assert_int_eq(do_bind(NIC, NULL, "vfio-pci"), 0);
	kernel.writes = 0;
	kernel.fail_at = 2;
	kernel.error = -ETIMEDOUT;
	ck_assert_int_eq(do_unbind(NIC), -ETIMEDOUT);
	ck_assert(has_logged("end the process that uses it, then run `udrv unbind " NIC "`"));
	/* Nothing more is tried: the kernel is not done. */
	ck_assert_int_eq(kernel.writes, 2);
	react_unbind(NIC);
	ck_assert_int_eq(do_unbind(NIC), 0);
	assert_untouched(NIC, "e1000e");
}
END_TEST

START_TEST(driver_that_takes_nothing_is_noticed)
{
	kernel.refuses = NIC;
	kernel.refused_by = "vfio-pci";
	ck_assert_int_eq(do_bind(NIC, NULL, "vfio-pci"), -EIO);
	ck_assert(has_logged("vfio-pci did not take it"));
	assert_untouched(NIC, "e1000e");
}
END_TEST

START_TEST(all_or_none)
{
	kernel.refuses = NIC;
	kernel.refused_by = "vfio-pci";
	ck_assert_int_eq(do_bind(EDU, NIC, "vfio-pci"), -EIO);
	ck_assert_int_eq(jobs[0].outcome, BIND_UNDONE);
	ck_assert_int_eq(jobs[1].outcome, BIND_FAILED);
	ck_assert(has_logged(EDU ": another device failed; it was put back to no driver"));
	assert_untouched(EDU, "");
	assert_untouched(NIC, "e1000e");
}
END_TEST

START_TEST(nothing_is_changed_when_it_cannot_be_remembered)
{
	fake_file("in the way", "run/bind");
	ck_assert_int_lt(do_bind(NIC, NULL, "vfio-pci"), 0);
	ck_assert(has_logged("nothing was changed"));
	ck_assert_int_eq(kernel.writes, 0);
	ck_assert_str_eq(bound_to(NIC), "e1000e");
}
END_TEST

START_TEST(unbind_of_what_udrv_did_not_bind)
{
	ck_assert_int_eq(do_unbind(NIC), -ENOENT);
	ck_assert(has_logged(NIC " was not bound by udrv"));
	ck_assert(has_logged("its driver is e1000e"));
	ck_assert_int_eq(kernel.writes, 0);
}
END_TEST

START_TEST(what_is_remembered_of_another_device_does_not_count)
{
	ck_assert_int_eq(do_bind(NIC, NULL, "vfio-pci"), 0);
	fake_file("0x10d4\n", "sys/bus/pci/devices/" NIC "/device");
	ck_assert_int_eq(do_unbind(NIC), -ENOENT);
	ck_assert_str_eq(bound_to(NIC), "vfio-pci");
}
END_TEST

START_TEST(device_that_went_to_a_third_driver_is_not_ours)
{
	ck_assert_int_eq(do_bind(NIC, NULL, "vfio-pci"), 0);
	fake_pci_bound(NIC, "pci-stub");
	ck_assert_int_eq(do_unbind(NIC), -ENOENT);
	ck_assert_str_eq(bound_to(NIC), "pci-stub");
}
END_TEST

static const char *const damages[] = {
	"",
	"driver=e1000e\n",
	"id=8086:10d3\ndriver=e1000e\noverride=\n",
	"\n\n\n",
	"id 8086:10d3\ndriver=e1000e\noverride=\nbound=vfio-pci\n",
};

START_TEST(damaged_memory_is_named)
{
	ck_assert_int_eq(do_bind(NIC, NULL, "vfio-pci"), 0);
	fake_file(damages[_i], "run/bind/" NIC);
	ck_assert_int_eq(do_unbind(NIC), -EIO);
	ck_assert(has_logged("run/bind/" NIC " is damaged"));
	ck_assert_str_eq(bound_to(NIC), "vfio-pci");
}
END_TEST

START_TEST(no_iommu_group)
{
	fake_pci_device("0000:00:07.0", 0x1234, 0x11e8, NULL, -1);
	ck_assert_int_eq(do_bind("00:07.0", NULL, "vfio-pci"), -ENODEV);
	ck_assert(has_logged("0000:00:07.0 has no IOMMU group"));
	ck_assert(has_logged("intel_iommu=on"));
	assert_untouched("0000:00:07.0", "");
	ck_assert_int_eq(do_bind("00:07.0", NULL, "pci-stub"), 0);
}
END_TEST

/* A modprobe of our own comes first on PATH. */
static void make_modprobe(const char *script)
{
	char path[PATH_MAX];
	char folder[sizeof(fake_root) + 8];

	fake_file(script, "bin/modprobe");
	(void)snprintf(folder, sizeof(folder), "%s/bin", fake_root);
	(void)snprintf(path, sizeof(path), "%s/modprobe", folder);
	ck_assert_int_eq(chmod(path, 0755), 0);
	(void)snprintf(path, sizeof(path), "%s:/usr/bin:/bin", folder);
	ck_assert_int_eq(setenv("PATH", path, 1), 0);
}

/* What vfio cannot have the others can, each step of it undone when it fails. */
static const char *const without_iommu[] = {"udrv_stub", "uio_pci_generic"};

START_TEST(drivers_that_need_no_iommu)
{
	const char *driver = without_iommu[_i];

	fake_pci_device("0000:00:07.0", 0x8086, 0x10d3, "e1000e", -1);
	ck_assert_int_eq(do_bind("00:07.0", NULL, "vfio-pci"), -ENODEV);
	ck_assert(has_logged("`udrv bind --driver stub 0000:00:07.0`"));
	fake_pci_driver(driver);
	for (int k = 1; k <= BIND_WRITES; k++) {
		kernel.writes = 0;
		kernel.fail_at = k;
		ck_assert_int_eq(do_bind("00:07.0", NULL, driver), -EIO);
		assert_untouched("0000:00:07.0", "e1000e");
	}
	kernel.fail_at = 0;
	ck_assert_int_eq(do_bind("00:07.0", NULL, driver), 0);
	ck_assert_str_eq(bound_to("0000:00:07.0"), driver);
	for (int k = 1; k <= UNBIND_WRITES; k++) {
		kernel.writes = 0;
		kernel.fail_at = k;
		ck_assert_int_eq(do_unbind("0000:00:07.0"), -EIO);
		ck_assert_str_eq(bound_to("0000:00:07.0"), driver);
	}
	kernel.fail_at = 0;
	ck_assert_int_eq(do_unbind("0000:00:07.0"), 0);
	assert_untouched("0000:00:07.0", "e1000e");
	fake_file("0x060400\n", "sys/bus/pci/devices/" EDU "/class");
	ck_assert_int_eq(do_bind(EDU, NULL, driver), -EINVAL);
}
END_TEST

START_TEST(group_that_vfio_has)
{
	fake_pci_driver("udrv_stub");
	fake_pci_device("0000:00:05.1", 0x8086, 0x2934, "vfio-pci", 2);
	fake_pci_device("0000:00:05.2", 0x8086, 0x2935, "uhci_hcd", 2);
	fake_link("/dev/vfio/2", "proc/4242/fd/7");
	fake_file("qemu\n", "proc/4242/comm");
	ck_assert_int_eq(do_bind(EDU, NULL, "udrv_stub"), -EBUSY);
	ck_assert(has_logged(EDU ": 0000:00:05.1 of the same IOMMU group is in use: process 4242 "
				 "(qemu) has /dev/vfio/2 open; stop that first"));
	assert_untouched(EDU, "");
	fake_link("/dev/null", "proc/4242/fd/7");
	ck_assert_int_eq(do_bind(EDU, NULL, "udrv_stub"), 0);
	ck_assert(has_logged("0000:00:05.1 of the same IOMMU group is bound to vfio-pci, which "
			     "cannot drive it meanwhile"));
	ck_assert(!has_logged("00:05.2"));
}
END_TEST

START_TEST(short_names_of_drivers)
{
	ck_assert_str_eq(driver_by_name("vfio"), "vfio-pci");
	ck_assert_str_eq(driver_by_name("stub"), "udrv_stub");
	ck_assert_str_eq(driver_by_name("uio"), "uio_pci_generic");
	ck_assert_str_eq(driver_by_name("uio_pci_generic"), "uio_pci_generic");
	ck_assert_str_eq(driver_by_name("e1000e"), "e1000e");
}
END_TEST

START_TEST(how_to_get_the_stub)
{
	make_modprobe("#!/bin/sh\nexit 1\n");
	ck_assert_int_eq(do_bind(NIC, NULL, "udrv_stub"), -ENOENT);
	ck_assert(
		has_logged("udrv_stub is not loaded and modprobe cannot find it: it is udrv's own: "
			   "build and install it from kernel/"));
}
END_TEST

START_TEST(why_uio_takes_not_every_device)
{
	fake_pci_driver("uio_pci_generic");
	kernel.refuses = NIC;
	kernel.refused_by = "uio_pci_generic";
	ck_assert_int_eq(do_bind(NIC, NULL, "uio_pci_generic"), -EIO);
	ck_assert(has_logged("it takes no device whose INTx cannot be masked"));
	assert_untouched(NIC, "e1000e");
}
END_TEST

START_TEST(no_iommu_group_but_vfio_needs_none)
{
	fake_pci_device("0000:00:07.0", 0x1234, 0x11e8, NULL, -1);
	fake_file("Y\n", "sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
	ck_assert_int_eq(do_bind("00:07.0", NULL, "vfio-pci"), 0);
}
END_TEST

START_TEST(unviable_group_names_members_and_command)
{
	fake_pci_device("0000:00:05.1", 0x8086, 0x2934, "uhci_hcd", 2);
	fake_pci_device("0000:00:05.2", 0x8086, 0x2935, "pcieport", 2);
	fake_pci_device("0000:00:05.3", 0x8086, 0x2936, NULL, 2);
	fake_pci_device("0000:00:05.4", 0x8086, 0x2937, "ahci", 2);
	fake_pci_device("0000:00:05.5", 0x8086, 0x2938, "shpchp", 2);
	ck_assert_int_eq(do_bind(EDU, NULL, "vfio-pci"), -EBUSY);
	ck_assert(has_logged(EDU ": IOMMU group 2 also holds 0000:00:05.1, which is bound to "
				 "uhci_hcd"));
	ck_assert(has_logged("holds 0000:00:05.4, which is bound to ahci"));
	ck_assert(!has_logged("00:05.2"));
	ck_assert(!has_logged("00:05.3"));
	ck_assert(!has_logged("00:05.5"));
	ck_assert(has_logged("`udrv bind " EDU " 0000:00:05.1 0000:00:05.4`"));
	assert_untouched(EDU, "");
}
END_TEST

START_TEST(whole_group_is_accepted)
{
	fake_pci_device("0000:00:05.1", 0x8086, 0x2934, "uhci_hcd", 2);
	ck_assert_int_eq(do_bind(EDU, "0000:00:05.1", "vfio-pci"), 0);
	ck_assert_str_eq(bound_to("0000:00:05.1"), "vfio-pci");
}
END_TEST

START_TEST(bridge_is_refused)
{
	fake_file("0x060400\n", "sys/bus/pci/devices/" EDU "/class");
	ck_assert_int_eq(do_bind(EDU, NULL, "vfio-pci"), -EINVAL);
	ck_assert(has_logged(EDU " is a bridge"));
}
END_TEST

START_TEST(device_in_use_is_refused_unless_forced)
{
	const struct bind_options force = {.driver = "vfio-pci", .force = true};

	fake_file("0x1003\n", "sys/bus/pci/devices/" NIC "/net/eth0/flags");
	fake_link("../../bus/pci/devices/" NIC "/net/eth0", "sys/class/net/eth0");
	ck_assert_int_eq(do_bind(NIC, NULL, "vfio-pci"), -EBUSY);
	ck_assert(has_logged(NIC " is in use: network interface eth0 is up"));
	assert_untouched(NIC, "e1000e");
	ck_assert_int_eq(bind_devices(jobs, read_jobs(NIC, NULL), &force), 0);
	ck_assert_str_eq(bound_to(NIC), "vfio-pci");
}
END_TEST

START_TEST(module_is_loaded_when_its_driver_is_missing)
{
	char script[256];

	(void)snprintf(script, sizeof(script),
		       "#!/bin/sh\n[ \"$1 $2\" = '-q late' ] && mkdir %s/bus/pci/drivers/late\n",
		       sys_root);
	make_modprobe(script);
	ck_assert_int_eq(do_bind(NIC, NULL, "late"), 0);
	ck_assert_str_eq(bound_to(NIC), "late");
}
END_TEST

START_TEST(module_that_modprobe_does_not_find)
{
	make_modprobe("#!/bin/sh\nexit 1\n");
	ck_assert_int_eq(do_bind(NIC, NULL, "nosuch"), -ENOENT);
	ck_assert(has_logged("nosuch is not loaded and modprobe cannot find it"));
	assert_untouched(NIC, "e1000e");
}
END_TEST

START_TEST(former_driver_that_is_gone)
{
	char path[PATH_MAX];

	make_modprobe("#!/bin/sh\nexit 1\n");
	ck_assert_int_eq(do_bind(NIC, NULL, "vfio-pci"), 0);
	(void)snprintf(path, sizeof(path), "%s/bus/pci/drivers/e1000e", sys_root);
	ck_assert_int_eq(nftw(path, fake_remove_one, 4, FTW_DEPTH | FTW_PHYS), 0);
	ck_assert_int_eq(do_unbind(NIC), -ENOENT);
	ck_assert(has_logged("former driver e1000e is not loaded"));
	ck_assert_str_eq(jobs[0].former, "vfio-pci");
	ck_assert_str_eq(bound_to(NIC), "vfio-pci");
	ck_assert_int_eq(unbind_devices(jobs, read_jobs(NIC, NULL), true), 0);
	assert_untouched(NIC, "");
}
END_TEST

START_TEST(sysfs_that_cannot_be_written)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/bus/pci/drivers_probe", sys_root);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(do_bind(NIC, NULL, "vfio-pci"), -EACCES);
	ck_assert(has_logged("drivers_probe"));
	assert_untouched(NIC, "e1000e");
}
END_TEST

START_TEST(names_of_drivers)
{
	char longest[65];

	memset(longest, 'a', sizeof(longest));
	longest[64] = 0;
	ck_assert(rebind_valid_driver("vfio-pci"));
	ck_assert(rebind_valid_driver("8250_pci.x"));
	ck_assert(!rebind_valid_driver(""));
	ck_assert(!rebind_valid_driver("../x"));
	ck_assert(!rebind_valid_driver(".."));
	ck_assert(!rebind_valid_driver("a/b"));
	ck_assert(!rebind_valid_driver("-q"));
	ck_assert(!rebind_valid_driver("a b"));
	ck_assert(!rebind_valid_driver("a\n"));
	ck_assert(!rebind_valid_driver(longest));
	ck_assert(rebind_valid_driver(longest + 1));
}
END_TEST

static TCase *binding(void)
{
	TCase *tc = tcase_create("binding");

	tcase_add_checked_fixture(tc, setup, fake_tree_remove);
	tcase_add_test(tc, bind_remembers_and_unbind_restores);
	tcase_add_test(tc, device_without_a_driver_ends_without_one);
	tcase_add_test(tc, an_override_of_before_is_restored);
	tcase_add_test(tc, bound_already_writes_nothing);
	tcase_add_test(tc, second_bind_keeps_the_first_driver);
	tcase_add_test(tc, dry_run_changes_nothing);
	tcase_add_loop_test(tc, bind_failing_at_step_k_leaves_all_as_before, 1, BIND_WRITES + 1);
	tcase_add_test(tc, bind_takes_as_many_writes_as_the_failing_ones_cover);
	tcase_add_loop_test(tc, unbind_failing_at_step_k_stays_bound, 1, UNBIND_WRITES + 1);
	tcase_add_test(tc, failing_to_go_back_is_reported_too);
	tcase_add_test(tc, user_that_does_not_let_go);
	tcase_add_test(tc, driver_that_takes_nothing_is_noticed);
	tcase_add_test(tc, all_or_none);
	return tc;
}

static TCase *refusals(void)
{
	TCase *tc = tcase_create("refusals");

	tcase_add_checked_fixture(tc, setup, fake_tree_remove);
	tcase_add_test(tc, nothing_is_changed_when_it_cannot_be_remembered);
	tcase_add_test(tc, unbind_of_what_udrv_did_not_bind);
	tcase_add_test(tc, what_is_remembered_of_another_device_does_not_count);
	tcase_add_test(tc, device_that_went_to_a_third_driver_is_not_ours);
	tcase_add_loop_test(tc, damaged_memory_is_named, 0,
			    (int)(sizeof(damages) / sizeof(damages[0])));
	tcase_add_test(tc, no_iommu_group);
	tcase_add_test(tc, no_iommu_group_but_vfio_needs_none);
	tcase_add_loop_test(tc, drivers_that_need_no_iommu, 0, 2);
	tcase_add_test(tc, group_that_vfio_has);
	tcase_add_test(tc, short_names_of_drivers);
	tcase_add_test(tc, how_to_get_the_stub);
	tcase_add_test(tc, why_uio_takes_not_every_device);
	tcase_add_test(tc, unviable_group_names_members_and_command);
	tcase_add_test(tc, whole_group_is_accepted);
	tcase_add_test(tc, bridge_is_refused);
	tcase_add_test(tc, device_in_use_is_refused_unless_forced);
	tcase_add_test(tc, module_is_loaded_when_its_driver_is_missing);
	tcase_add_test(tc, module_that_modprobe_does_not_find);
	tcase_add_test(tc, former_driver_that_is_gone);
	tcase_add_test(tc, sysfs_that_cannot_be_written);
	tcase_add_test(tc, names_of_drivers);
	return tc;
}

int main(void)
{
	Suite *s = suite_create("bind");

	suite_add_tcase(s, binding());
	suite_add_tcase(s, refusals());
	return run_suite(s);
}

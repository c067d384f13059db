// SPDX-License-Identifier: MIT
/* What root remembers is not taken from, or written to, what others control. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "remember.h"
#include "support/fake_tree.h"
#include "support/suite.h"
#include "tool.h"

#define NOBODY 65534

static char run_root[sizeof(fake_root) + 8];
static const struct udrv_pci_info nic = {
	.name = "0000:00:06.0", .vendor = 0x8086, .device = 0x10d3};
static const struct remembered r = {.driver = "e1000e", .bound = "vfio-pci"};

static void setup(void)
{
	fake_tree_make();
	(void)snprintf(run_root, sizeof(run_root), "%s/run", fake_root);
	tool_run_root = run_root;
}

static char *in_root(const char *rel)
{
	static char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", fake_root, rel);
	return path;
}

static void all_refuse(void)
{
	struct remembered got = {.driver = "untouched"};

	ck_assert_int_eq(remember_save(&nic, &r), -EPERM);
	ck_assert_int_eq(remember_load(&nic, &got), -EPERM);
	ck_assert_str_eq(got.driver, "untouched");
	ck_assert_int_eq(remember_forget(nic.name), -EPERM);
	ck_assert_ptr_nonnull(strstr(remember_strerror(-EPERM), "not root's alone"));
}

START_TEST(saved_is_loaded_until_forgotten)
{
	struct remembered got;

	ck_assert_int_eq(remember_load(&nic, &got), -ENOENT);
	ck_assert_int_eq(remember_forget(nic.name), 0);
	ck_assert_int_eq(remember_save(&nic, &r), 0);
	ck_assert_int_eq(remember_load(&nic, &got), 0);
	ck_assert_str_eq(got.driver, "e1000e");
	ck_assert_str_eq(got.bound, "vfio-pci");
	ck_assert_int_eq(remember_save(&nic, &r), 0);
	ck_assert_int_eq(remember_forget(nic.name), 0);
	ck_assert_int_eq(remember_load(&nic, &got), -ENOENT);
}
END_TEST

static const char *const folders[] = {"run", "run/bind"};

START_TEST(a_folder_that_others_may_write_is_refused)
{
	ck_assert_int_eq(remember_save(&nic, &r), 0);
	ck_assert_int_eq(chmod(in_root(folders[_i]), 0777), 0);
	all_refuse();
	ck_assert_int_eq(chmod(in_root(folders[_i]), 0775), 0);
	all_refuse();
	ck_assert_int_eq(chmod(in_root(folders[_i]), 0755), 0);
	ck_assert_int_eq(remember_save(&nic, &r), 0);
}
END_TEST

START_TEST(a_folder_of_another_user_is_refused)
{
	if (geteuid())
		return; /* only root can give one away */
	ck_assert_int_eq(remember_save(&nic, &r), 0);
	ck_assert_int_eq(chown(in_root(folders[_i]), NOBODY, 0), 0);
	all_refuse();
}
END_TEST

START_TEST(a_link_in_the_place_of_a_folder_is_refused)
{
	ck_assert_int_eq(remember_save(&nic, &r), 0);
	ck_assert_int_eq(remember_forget(nic.name), 0);
	ck_assert_int_eq(rmdir(in_root("run/bind")), 0);
	ck_assert_int_eq(mkdir(in_root("elsewhere"), 0755), 0);
	fake_link("../elsewhere", "run/bind");
	all_refuse();
}
END_TEST

START_TEST(a_link_or_another_users_file_is_not_read)
{
	struct remembered got;

	ck_assert_int_eq(remember_save(&nic, &r), 0);
	fake_file("id=8086:10d3\ndriver=evil\noverride=\nbound=vfio-pci\n", "evil");
	fake_link("../../evil", "run/bind/%s", nic.name);
	ck_assert_int_eq(remember_load(&nic, &got), -EPERM);
	/* Saving replaces the link, not what it points to. */
	ck_assert_int_eq(remember_save(&nic, &r), 0);
	ck_assert_int_eq(remember_load(&nic, &got), 0);
	ck_assert_str_eq(got.driver, "e1000e");
	ck_assert_ptr_nonnull(strstr(fake_text("evil"), "driver=evil"));
	ck_assert_int_eq(chmod(in_root("run/bind/0000:00:06.0"), 0666), 0);
	ck_assert_int_eq(remember_load(&nic, &got), -EPERM);
}
END_TEST

START_TEST(a_link_in_wait_under_the_temporary_name_is_not_followed)
{
	ck_assert_int_eq(remember_save(&nic, &r), 0);
	fake_file("precious", "victim");
	fake_link("../../victim", "run/bind/%s.%d", nic.name, (int)getpid());
	ck_assert_int_eq(remember_save(&nic, &r), 0);
	ck_assert_str_eq(fake_text("victim"), "precious");
}
END_TEST

START_TEST(a_pipe_does_not_make_it_wait)
{
	struct remembered got;

	ck_assert_int_eq(remember_save(&nic, &r), 0);
	ck_assert_int_eq(remember_forget(nic.name), 0);
	ck_assert_int_eq(mkfifo(in_root("run/bind/0000:00:06.0"), 0644), 0);
	ck_assert_int_eq(remember_load(&nic, &got), -EPERM);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("remember");
	TCase *tc = tcase_create("remember");

	tcase_add_checked_fixture(tc, setup, fake_tree_remove);
	tcase_add_test(tc, saved_is_loaded_until_forgotten);
	tcase_add_loop_test(tc, a_folder_that_others_may_write_is_refused, 0, 2);
	tcase_add_loop_test(tc, a_folder_of_another_user_is_refused, 0, 2);
	tcase_add_test(tc, a_link_in_the_place_of_a_folder_is_refused);
	tcase_add_test(tc, a_link_or_another_users_file_is_not_read);
	tcase_add_test(tc, a_link_in_wait_under_the_temporary_name_is_not_followed);
	tcase_add_test(tc, a_pipe_does_not_make_it_wait);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

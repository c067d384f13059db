// SPDX-License-Identifier: MIT
/* Verbs on a device that no daemon drives. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <udrv/completion.h>
#include <udrv/device.h>

#include "driver/daemon.h"
#include "edu.h"
#include "pci/sysfs.h"

#include "support/process.h"
#include "support/suite.h"

static int run_edu(int argc, char **argv)
{
	return udrv_driver_main(&edu_driver, argc, argv);
}

static int call(const char *const *words)
{
	return end_of(spawn(run_driver, "client", words));
}

/* A driver whose verb waits for what does not come, with a look at its caller or without. */

static void say(const char *text)
{
	(void)fputs(text, stderr);
}

static int probe(struct udrv_device *dev, const struct udrv_pci_device_id *id)
{
	(void)dev;
	(void)id;
	return 0;
}

static void remove_device(struct udrv_device *dev)
{
	say(udrv_device_gone(dev) ? "removed, gone\n" : "removed\n");
}

static int verb_polite(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	(void)dev;
	(void)argc;
	(void)argv;
	(void)out;
	(void)err;
	say("waiting\n");
	while (!udrv_verb_cancelled())
		pause_ms(1);
	return -ECANCELED;
}

static int verb_rude(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	struct udrv_completion never;

	(void)argc;
	(void)argv;
	(void)out;
	(void)err;
	udrv_init_completion(dev, &never);
	say("waiting\n");
	return udrv_wait_for_completion(&never);
}

static int verb_copy(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	char data[64];
	ssize_t n = udrv_verb_read(data, sizeof(data));

	(void)dev;
	(void)argc;
	(void)argv;
	(void)err;
	(void)fprintf(out, "%.*s", n < 0 ? 0 : (int)n, data);
	return n < 0 ? (int)n : 0;
}

static const struct udrv_pci_device_id ids[] = {{UDRV_PCI_DEVICE(0x1234, 0x11e8)}, {0}};
static const struct udrv_verb verbs[] = {
	{"polite", NULL, "", verb_polite, UDRV_VERB_FREE_DEVICE},
	{"rude", NULL, "", verb_rude, UDRV_VERB_FREE_DEVICE},
	{"copy", "", "", verb_copy, UDRV_VERB_FREE_DEVICE | UDRV_VERB_DATA_IN},
	{0},
};
static const struct udrv_driver waiter = {
	.name = "waiter", .id_table = ids, .probe = probe, .remove = remove_device, .verbs = verbs};

static void setup(void)
{
	daemon_setup();
	unsetenv("NOTIFY_SOCKET");
	daemon_driver = &edu_driver;
}

START_TEST(the_program_drives_a_free_device_itself)
{
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(call(WORDS("udrv-edu", "--device", DEVICE, "factorial", "10")), 0);
		ck_assert_str_eq(fake_text("client.out"), "3628800\n");
		ck_assert_str_eq(fake_text("client.err"), "");
	}
	ck_assert_int_eq(call(WORDS("udrv-edu", "--device", DEVICE, "dma-test")), 0);
	said("client.out", "every byte the same");
	/* And leaves it to a daemon. */
	start_daemon();
	ck_assert_int_eq(call(WORDS("udrv-edu", "stats")), 0);
	said("client.out", "factorials  0\n");
	ck_assert_int_eq(stop_daemon(SIGTERM), 0);
}
END_TEST

START_TEST(a_daemon_is_asked_first)
{
	start_daemon();
	ck_assert_int_eq(call(WORDS("udrv-edu", "--device", DEVICE, "factorial", "3")), 0);
	ck_assert_int_eq(call(WORDS("udrv-edu", "factorial", "4")), 0);
	ck_assert_int_eq(call(WORDS("udrv-edu", "stats")), 0);
	said("client.out", "factorials  2\n");
	/* A killed one leaves its socket. */
	ck_assert_int_eq(stop_daemon(SIGKILL), -SIGKILL);
	ck_assert_int_eq(call(WORDS("udrv-edu", "--device", DEVICE, "factorial", "5")), 0);
	ck_assert_str_eq(fake_text("client.out"), "120\n");
}
END_TEST

START_TEST(what_goes_wrong_is_told)
{
	ck_assert_int_eq(call(WORDS("udrv-edu", "--device", DEVICE, "factorial", "13")), 1);
	said("client.err", "not a number from 0 to 12");
	ck_assert_int_eq(call(WORDS("udrv-edu", "--device", DEVICE, "stats")), 1);
	said("client.err", "no daemon of driver edu is running");
	ck_assert_int_eq(call(WORDS("udrv-edu", "--device", "model:none", "factorial", "3")), 1);
	said("client.err", "model:none: there is no such model");
	ck_assert_int_eq(call(WORDS("udrv-edu", "--device", "nonsense", "factorial", "3")), 2);
	said("client.err", "nonsense: not a PCI address");
	ck_assert_int_eq(call(WORDS("udrv-edu", "status")), 1);
	said("client.err", "no daemon of this driver is running");
	ck_assert_int_eq(call(WORDS("udrv-edu", "--help")), 0);
	said("client.out", "* factorial N");
	said("client.out", "  stats");
	ck_assert_int_eq(call(WORDS("udrv-edu", "--version")), 0);
	said("client.out", "udrv-edu (udrv ");
}
END_TEST

START_TEST(a_device_of_another_driver_s_daemon_is_left_alone)
{
	char lock[64];

	daemon_driver = &waiter;
	start_daemon();
	(void)snprintf(lock, sizeof(lock), "driven by udrv-waiter (pid %d)", daemon_pid);
	ck_assert_int_eq(end_of(spawn(run_edu, "client",
				      WORDS("udrv-edu", "--device", DEVICE, "factorial", "3"))),
			 1);
	said("client.err", lock);
}
END_TEST

/* It is not this driver's: whoever has it, to stop that would not help. */
START_TEST(a_device_that_is_not_the_driver_s_is_refused_also_while_it_is_driven)
{
	int lock_fd;

	ck_assert_int_eq(udrv__lock_device("model:nvme", "udrv-nvme", &lock_fd), 0);
	ck_assert_int_eq(call(WORDS("udrv-edu", "--device", "model:nvme", "factorial", "3")), 1);
	said("client.err", "model:nvme: 1b36:0010 is not a device of driver edu");
	close(lock_fd);
}
END_TEST

/* None of these can be opened here; which one it tries, it says. */
START_TEST(the_only_device_need_not_be_named)
{
	static const char *const words[] = {"udrv-edu", "factorial", "3", NULL};

	static char sysfs[sizeof(fake_root) + 8];

	(void)snprintf(sysfs, sizeof(sysfs), "%s/sys", fake_root);
	udrv__sysfs_root = sysfs;
	fake_pci_device("0000:00:02.0", 0x1234, 0x11e8, NULL, -1);
	fake_pci_device("0000:00:03.0", 0x8086, 0x10d3, "vfio-pci", 2);
	fake_pci_device("0000:00:04.0", 0x1234, 0x11e8, "e1000", 3);
	ck_assert_int_eq(call(words), 1);
	said("client.err",
	     "no device that it drives is bound to vfio-pci, udrv_stub or uio_pci_generic");
	fake_pci_device("0000:00:05.0", 0x1234, 0x11e8, "vfio-pci", 4);
	ck_assert_int_eq(call(words), 1);
	said("client.err", "0000:00:05.0: ");
	fake_pci_device("0000:00:06.0", 0x1234, 0x11e8, "uio_pci_generic", -1);
	ck_assert_int_eq(call(words), 1);
	said("client.err", "choose one by --device: 0000:00:0");
}
END_TEST

static void await(const char *file, const char *part)
{
	for (int waited = 0; waited < WAIT_MS; waited += 5) {
		if (strstr(fake_text("%s", file), part))
			return;
		pause_ms(5);
	}
	ck_abort_msg("'%s' does not come: %s", part, fake_text("%s", file));
}

START_TEST(a_signal_ends_the_verb_and_the_device_is_removed)
{
	static const char *const verb[] = {"polite", "rude"};
	pid_t pid;

	daemon_driver = &waiter;
	pid = spawn(run_driver, "client", WORDS("udrv-waiter", "--device", DEVICE, verb[_i]));
	await("client.err", "waiting");
	ck_assert_int_eq(kill(pid, SIGINT), 0);
	ck_assert_int_eq(end_of(pid), 1);
	said("client.err", _i ? "its waits are cut" : "removed\n");
	said("client.err", _i ? "removed, gone\n" : "removed\n");
}
END_TEST

START_TEST(a_verb_that_nobody_listens_to_ends)
{
	char path[PATH_MAX];
	int reader;
	pid_t pid;

	daemon_driver = &waiter;
	fake_path(path, "client.out");
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	pid = spawn(run_driver, "client", WORDS("udrv-waiter", "--device", DEVICE, "polite"));
	/* Each waits for the other; the client has no descriptor of this end. */
	reader = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(reader, 0);
	await("client.err", "waiting");
	close(reader);
	ck_assert_int_eq(end_of(pid), 1);
	said("client.err", "removed\n");
}
END_TEST

START_TEST(a_verb_reads_its_callers_data)
{
	char path[PATH_MAX];

	daemon_driver = &waiter;
	fake_file("some data", "data");
	fake_path(path, "data");
	ck_assert_int_eq(call(WORDS("udrv-waiter", "--device", DEVICE, "copy", "--data", path)), 0);
	ck_assert_str_eq(fake_text("client.out"), "some data");
	ck_assert_int_eq(call(WORDS("udrv-waiter", "--device", DEVICE, "copy", "-d", "/none")), 1);
	said("client.err", "/none: cannot open it");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("alone");
	TCase *tc = tcase_create("verbs");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, daemon_teardown);
	tcase_add_test(tc, the_program_drives_a_free_device_itself);
	tcase_add_test(tc, a_daemon_is_asked_first);
	tcase_add_test(tc, what_goes_wrong_is_told);
	tcase_add_test(tc, a_device_of_another_driver_s_daemon_is_left_alone);
	tcase_add_test(tc, a_device_that_is_not_the_driver_s_is_refused_also_while_it_is_driven);
	tcase_add_loop_test(tc, a_signal_ends_the_verb_and_the_device_is_removed, 0, 2);
	tcase_add_test(tc, a_verb_that_nobody_listens_to_ends);
	tcase_add_test(tc, the_only_device_need_not_be_named);
	tcase_add_test(tc, a_verb_reads_its_callers_data);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

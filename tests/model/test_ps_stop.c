// SPDX-License-Identifier: MIT
/* `udrv ps` and `udrv stop`, on daemons that drive model:edu. */
#include <sys/stat.h>
#include <unistd.h>

#include <udrv/device.h>

#include "driver/daemon.h"
#include "inuse.h"
#include "pci/sysfs.h"
#include "stat/segment.h"
#include "tool.h"

#include "support/process.h"
#include "support/suite.h"

#define DISK "/dev/ublkb7"

/* A probe that takes long: until somebody opens the FIFO, if there is one. */
#define GATE "gate"

static void gate_path(char path[PATH_MAX])
{
	(void)snprintf(path, PATH_MAX, "%s/" GATE, fake_root);
}

static const char *odd_export;

static int probe(struct udrv_device *dev, const struct udrv_pci_device_id *id)
{
	char gate[PATH_MAX];
	int fd;

	(void)id;
	gate_path(gate);
	fd = open(gate, O_RDONLY);
	if (fd >= 0)
		close(fd);
	udrv__stat_export_add(dev, DISK);
	udrv__stat_export_add(dev, "/run/tty-0");
	if (odd_export)
		udrv__stat_export_add(dev, odd_export);
	return 0;
}

static void remove_device(struct udrv_device *dev)
{
	udrv__stat_export_del(dev, DISK);
}

static const struct udrv_pci_device_id ids[] = {{UDRV_PCI_DEVICE(0x1234, 0x11e8)}, {0}};
static const struct udrv_driver driver = {
	.name = "test", .id_table = ids, .probe = probe, .remove = remove_device};

/* Nobody's. */
static int take(const char *path)
{
	(void)path;
	return 0;
}

static char proc_root[sizeof(fake_root) + 8];
static char sys_root[sizeof(fake_root) + 8];

static void setup(void)
{
	daemon_driver = &driver;
	daemon_setup();
	/* Nothing of this machine's disks is looked at. */
	(void)snprintf(sys_root, sizeof(sys_root), "%s/sys", fake_root);
	udrv__sysfs_root = sys_root;
	inuse_take = take;
}

static int ps(const char *const *words)
{
	return end_of(spawn(cmd_ps, "ps", words));
}

static int stop(const char *const *words)
{
	return end_of(spawn(cmd_stop, "stop", words));
}

static void said_of_daemon(const char *file, const char *before, const char *after)
{
	char text[128];

	(void)snprintf(text, sizeof(text), "%s%d%s", before, (int)daemon_pid, after);
	said(file, text);
}

static int end_of_daemon(void)
{
	pid_t pid = daemon_pid;

	daemon_pid = 0;
	return end_of(pid);
}

static void runs_on(pid_t pid)
{
	ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
}

START_TEST(ps_shows_who_drives_what_and_what_is_exported)
{
	start_daemon();
	ck_assert_int_eq(ps(WORDS("udrv ps")), TOOL_OK);
	said("ps.out", DEVICE "    test       model   ");
	said_of_daemon("ps.out", " ", "    00:0");
	said("ps.out", "  " DISK " /run/tty-0\n");
	ck_assert_int_eq(ps(WORDS("udrv ps", "--json", DEVICE)), TOOL_OK);
	said("ps.out", "\"device\":\"" DEVICE "\",\n");
	said("ps.out", "\"driver\":\"test\",\n");
	said("ps.out", "\"backend\":\"model\",\n");
	said_of_daemon("ps.out", "\"pid\":", ",\n");
	said("ps.out", "\"uptime_s\":");
	said("ps.out", "\"" DISK "\",\n");
	said("ps.out", "\"/run/tty-0\"\n");
}
END_TEST

/* Looks where it would by itself, and finds nothing there. */
static int ps_by_default(int argc, char **argv)
{
	char dir[PATH_MAX];

	(void)unsetenv("UDRV_RUNTIME_DIR");
	(void)snprintf(dir, sizeof(dir), "%s/default", fake_root);
	(void)setenv("XDG_RUNTIME_DIR", dir, 1);
	return cmd_ps(argc, argv);
}

START_TEST(a_daemon_with_a_directory_of_its_own_is_named)
{
	char text[PATH_MAX + 128];

	start_daemon();
	(void)snprintf(text, sizeof(text),
		       "udrv: " DEVICE
		       ": driven by udrv-test (pid %d), which has its files in %s; ask "
		       "there: UDRV_RUNTIME_DIR=%s udrv ps\n",
		       (int)daemon_pid, fake_root, fake_root);
	ck_assert_int_eq(end_of(spawn(ps_by_default, "ps", WORDS("udrv ps"))), TOOL_OK);
	said("ps.err", text);
	ck_assert_ptr_null(strstr(fake_text("ps.err"), "no daemon is running"));
	ck_assert_int_eq(end_of(spawn(ps_by_default, "ps", WORDS("udrv ps", DEVICE))), TOOL_FAILED);
	said("ps.err", text);
	ck_assert_ptr_null(strstr(fake_text("ps.err"), "no daemon drives it"));
	ck_assert_int_eq(end_of(spawn(ps_by_default, "ps", WORDS("udrv ps", DEVICE ":nobody-s"))),
			 TOOL_FAILED);
	said("ps.err", DEVICE ":nobody-s: no daemon drives it");
	/* Who chose a directory is told of that one. */
	ck_assert_int_eq(setenv("UDRV_RUNTIME_DIR", "/no/such", 1), 0);
	ck_assert_int_eq(ps(WORDS("udrv ps", DEVICE)), TOOL_FAILED);
	said("ps.err", DEVICE ": no daemon drives it");
}
END_TEST

/* A name like a daemon's file does not make one. */
START_TEST(a_file_that_nobody_locked_is_no_daemons)
{
	(void)snprintf(proc_root, sizeof(proc_root), "%s/proc", fake_root);
	tool_proc_root = proc_root;
	fake_link("/run/x/test@" DEVICE ".stats", "proc/41/fd/3");
	fake_file("pos:\t0\n", "proc/41/fdinfo/3");
	fake_link("/run/x\033[2J/test@" DEVICE ".stats", "proc/42/fd/3");
	fake_file("lock:\t1: FLOCK  ADVISORY  WRITE 42 00:19:1 0 EOF\n", "proc/42/fdinfo/3");
	ck_assert_int_eq(end_of(spawn(ps_by_default, "ps", WORDS("udrv ps", DEVICE))), TOOL_FAILED);
	said("ps.err", DEVICE ": no daemon drives it");
	fake_file("lock:\t1: FLOCK  ADVISORY  WRITE 41 00:19:1 0 EOF\n", "proc/41/fdinfo/3");
	ck_assert_int_eq(end_of(spawn(ps_by_default, "ps", WORDS("udrv ps", DEVICE))), TOOL_FAILED);
	said("ps.err", DEVICE ": driven by udrv-test (pid 41), which has its files in /run/x; ");
	ck_assert_ptr_null(strstr(fake_text("ps.err"), "pid 42"));
}
END_TEST

/* JSON is UTF-8, which a path need not be. */
START_TEST(json_is_utf8_whatever_is_exported)
{
	odd_export = "/a\"\x1b/\xff\xc3\xa4\xed\xa0\x80\xc0\xaf\xf0\x9f\x98\x80\xe2\x82";
	start_daemon();
	ck_assert_int_eq(ps(WORDS("udrv ps", "--json")), TOOL_OK);
	said("ps.out", "\"/a\\\"\\u001b/?\xc3\xa4?????\xf0\x9f\x98\x80??\"\n");
}
END_TEST

/* Not the usage is wrong. */
START_TEST(a_device_that_is_not_there)
{
	fake_file("", "sys/bus/pci/devices/none");
	ck_assert_int_eq(ps(WORDS("udrv ps", "1af4:9999")), TOOL_FAILED);
	said("ps.err", "1af4:9999: 0 devices have these ids");
	ck_assert_int_eq(end_of(spawn(cmd_slabs, "ps", WORDS("udrv slabs", "1af4:9999"))),
			 TOOL_FAILED);
	ck_assert_int_eq(end_of(spawn(cmd_irq, "ps",
				      WORDS("udrv irq", "set", "1af4:9999", "0", "wait=uring"))),
			 TOOL_FAILED);
	ck_assert_int_eq(ps(WORDS("udrv ps", "nothing")), TOOL_USAGE);
}
END_TEST

static int ps_as_nobody(int argc, char **argv)
{
	if (!geteuid() && setresuid(65534, 65534, 65534))
		return 98;
	return cmd_ps(argc, argv);
}

/* Not the same as one without daemons. */
START_TEST(a_directory_that_may_not_be_looked_through)
{
	start_daemon();
	ck_assert_int_eq(chmod(fake_root, 0311), 0);
	ck_assert_int_eq(end_of(spawn(ps_as_nobody, "ps", WORDS("udrv ps"))), TOOL_FAILED);
	ck_assert_int_eq(chmod(fake_root, 0700), 0);
	said("ps.err", ": cannot be read: Permission denied");
}
END_TEST

START_TEST(ps_says_that_there_is_none)
{
	ck_assert_int_eq(ps(WORDS("udrv ps")), TOOL_OK);
	said("ps.err", "no daemon is running");
	ck_assert_int_eq(ps(WORDS("udrv ps", "--json")), TOOL_OK);
	ck_assert_str_eq(fake_text("ps.out"), "[\n]\n");
	ck_assert_int_eq(ps(WORDS("udrv ps", DEVICE)), TOOL_FAILED);
	said("ps.err", DEVICE ": no daemon drives it");
}
END_TEST

START_TEST(a_killed_daemon_is_neither_shown_nor_stopped)
{
	start_daemon();
	ck_assert_int_eq(stop_daemon(SIGKILL), -SIGKILL);
	ck_assert_str_ne(fake_text("test@" DEVICE ".stats"), "(no such file)");
	ck_assert_int_eq(ps(WORDS("udrv ps", "--json")), TOOL_OK);
	ck_assert_str_eq(fake_text("ps.out"), "[\n]\n");
	ck_assert_int_eq(stop(WORDS("udrv stop", DEVICE)), TOOL_FAILED);
	said("stop.err", DEVICE ": no daemon drives it; `udrv ps`");
}
END_TEST

START_TEST(stop_ends_it_and_then_there_is_none)
{
	start_daemon();
	ck_assert_int_eq(stop(WORDS("udrv stop", DEVICE)), TOOL_OK);
	said_of_daemon("stop.out", DEVICE ": stopped (udrv-test, pid ", ")\n");
	ck_assert_int_eq(waitpid(daemon_pid, NULL, WNOHANG), daemon_pid);
	daemon_pid = 0;
	said("daemon.err", DEVICE ": stopped");
	ck_assert_int_eq(stop(WORDS("udrv stop", DEVICE)), TOOL_FAILED);
	said("stop.err", DEVICE ": no daemon drives it");
	ck_assert_int_eq(ps(WORDS("udrv ps", DEVICE)), TOOL_FAILED);
}
END_TEST

START_TEST(one_that_does_not_end_in_time_is_named)
{
	start_daemon();
	ck_assert_int_eq(kill(daemon_pid, SIGSTOP), 0);
	ck_assert_int_eq(stop(WORDS("udrv stop", "--timeout", "0.1", DEVICE)), TOOL_FAILED);
	said_of_daemon("stop.err", DEVICE ": udrv-test (pid ", ") has not ended within 0.1 s");
	said_of_daemon("stop.err", "kill -KILL ", "\n");
	ck_assert_int_eq(kill(daemon_pid, SIGCONT), 0);
	ck_assert_int_eq(end_of_daemon(), 0);
}
END_TEST

static int idle(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	while (pause() < 0)
		;
	return 0;
}

START_TEST(who_does_not_hold_the_lock_is_not_signalled)
{
	char text[64];
	pid_t other;

	start_daemon();
	other = spawn(idle, "idle", WORDS("idle"));
	(void)snprintf(text, sizeof(text), "%d udrv-test\n", (int)other);
	fake_file(text, DEVICE ".lock");
	ck_assert_int_eq(stop(WORDS("udrv stop", DEVICE)), TOOL_FAILED);
	said("stop.err", DEVICE ": no daemon drives it");
	runs_on(other);
	runs_on(daemon_pid);
	ck_assert_int_eq(kill(other, SIGKILL), 0);
	ck_assert_int_eq(end_of(other), -SIGKILL);
	/* Nor is what is no pid at all. */
	fake_file("-1 udrv-test\n", DEVICE ".lock");
	ck_assert_int_eq(stop(WORDS("udrv stop", DEVICE)), TOOL_FAILED);
	fake_file("nonsense", DEVICE ".lock");
	ck_assert_int_eq(stop(WORDS("udrv stop", DEVICE)), TOOL_FAILED);
	runs_on(daemon_pid);
}
END_TEST

static void await_text(const char *file, const char *text)
{
	for (int waited = 0; !strstr(fake_text("%s", file), text); waited += 5) {
		ck_assert_int_lt(waited, WAIT_MS);
		pause_ms(5);
	}
}

static int hold_lock(int argc, char **argv)
{
	int fd;

	if (udrv__lock_device(DEVICE, argv[0], &fd))
		return 1;
	(void)fprintf(stderr, "locked\n");
	return idle(argc, argv);
}

START_TEST(a_verb_that_has_the_device_is_left_alone)
{
	pid_t verb = spawn(hold_lock, "verb", WORDS("test"));

	await_text("verb.err", "locked");
	ck_assert_int_eq(stop(WORDS("udrv stop", DEVICE)), TOOL_FAILED);
	said("stop.err", DEVICE ": no daemon drives it, but a verb of test (pid ");
	runs_on(verb);
	ck_assert_int_eq(kill(verb, SIGKILL), 0);
	ck_assert_int_eq(end_of(verb), -SIGKILL);
}
END_TEST

/* A proc in which the daemon has its lock, and its disk is mounted. */
static void mount_disk(void)
{
	char path[PATH_MAX];
	char text[128];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/" DEVICE ".lock", fake_root);
	ck_assert_int_eq(stat(path, &st), 0);
	(void)snprintf(text, sizeof(text), "1: FLOCK  ADVISORY  WRITE %d 00:1a:%llu 0 EOF\n",
		       (int)daemon_pid, (unsigned long long)st.st_ino);
	fake_file(text, "proc/locks");
	fake_file("36 22 259:8 / /mnt rw - ext4 " DISK "p1 rw\n", "proc/self/mountinfo");
	fake_file("259:7\n", "sys/class/block/ublkb7/dev");
	fake_file("1\n", "sys/class/block/ublkb7/ublkb7p1/partition");
	fake_file("259:8\n", "sys/class/block/ublkb7p1/dev");
	(void)snprintf(proc_root, sizeof(proc_root), "%s/proc", fake_root);
	tool_proc_root = proc_root;
}

START_TEST(a_daemon_whose_disk_is_mounted_is_stopped_by_force_only)
{
	start_daemon();
	mount_disk();
	ck_assert_int_eq(stop(WORDS("udrv stop", DEVICE)), TOOL_FAILED);
	said("stop.err", DEVICE " is in use: ublkb7p1 is mounted at /mnt; stop that first, or use "
				"--force");
	runs_on(daemon_pid);
	ck_assert_int_eq(stop(WORDS("udrv stop", "--force", DEVICE)), TOOL_OK);
	ck_assert_int_eq(end_of_daemon(), 0);
}
END_TEST

/* In its probe, which does not end. */
static void begin_daemon(void)
{
	char gate[PATH_MAX];

	gate_path(gate);
	ck_assert_int_eq(mkfifo(gate, 0600), 0);
	daemon_pid = spawn(run_driver, "daemon", WORDS("udrv-driver", "run", DEVICE));
	await_text("test@" DEVICE ".stats", UDRV__STAT_MAGIC);
}

static void let_it_start(void)
{
	char gate[PATH_MAX];
	int fd;

	gate_path(gate);
	fd = open(gate, O_WRONLY); /* until it is there */
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(unlink(gate), 0);
	close(fd);
}

/* _i: whether its disk, of which nobody knows yet when stop is asked, is mounted. */
START_TEST(one_that_starts_is_looked_at_once_it_has)
{
	pid_t stopping;

	begin_daemon();
	mount_disk();
	if (!_i)
		fake_file("36 22 259:9 / /mnt rw - ext4 /dev/ublkb9 rw\n", "proc/self/mountinfo");
	stopping = spawn(cmd_stop, "stop", WORDS("udrv stop", "--timeout", "60", DEVICE));
	await_text("stop.err", ") is starting, or ending: waiting");
	let_it_start();
	ck_assert_int_eq(end_of(stopping), _i ? TOOL_FAILED : TOOL_OK);
	if (_i) {
		said("stop.err", DEVICE " is in use: ublkb7p1 is mounted at /mnt");
		runs_on(daemon_pid);
	} else {
		ck_assert_int_eq(end_of_daemon(), 0);
	}
}
END_TEST

START_TEST(one_that_does_not_start_in_time_is_left_alone)
{
	begin_daemon();
	ck_assert_int_eq(stop(WORDS("udrv stop", "--timeout", "0.1", DEVICE)), TOOL_FAILED);
	said_of_daemon("stop.err", DEVICE ": its daemon (udrv-test, pid ",
		       ") has not said within 0.1 s what it exports");
	let_it_start();
	await_text("daemon.err", "is ready");
	runs_on(daemon_pid);
	/* Whoever uses force does not wait to know. */
	ck_assert_int_eq(stop(WORDS("udrv stop", "--force", DEVICE)), TOOL_OK);
	ck_assert_int_eq(end_of_daemon(), 0);
}
END_TEST

/* It has removed its statistics already. */
START_TEST(one_that_ends_is_waited_for)
{
	pid_t stopping;

	daemon_pid = spawn(hold_lock, "daemon", WORDS("udrv-test"));
	await_text("daemon.err", "locked");
	stopping = spawn(cmd_stop, "stop", WORDS("udrv stop", "--timeout", "60", DEVICE));
	await_text("stop.err", ") is starting, or ending: waiting");
	ck_assert_int_eq(stop_daemon(SIGKILL), -SIGKILL);
	ck_assert_int_eq(end_of(stopping), TOOL_OK);
	said("stop.out", DEVICE ": stopped (udrv-test, pid ");
}
END_TEST

START_TEST(an_unmounted_disk_is_no_reason)
{
	start_daemon();
	mount_disk();
	fake_file("36 22 259:9 / /mnt rw - ext4 /dev/ublkb9 rw\n", "proc/self/mountinfo");
	ck_assert_int_eq(stop(WORDS("udrv stop", DEVICE)), TOOL_OK);
	ck_assert_int_eq(end_of_daemon(), 0);
}
END_TEST

/* Where in the daemon's segment, and what is put there. */
static const struct {
	size_t offset;
	uint32_t value;
} unreadable[] = {
	{offsetof(struct udrv__stat_header, version), UDRV__STAT_VERSION + 1},
	{offsetof(struct udrv__stat_header, pid), 1},
	{offsetof(struct udrv__stat_header, exports_sequence), 1}, /* it does not hold still */
};

#define UNREADABLE (int)(sizeof(unreadable) / sizeof(unreadable[0]))

/* The last turn: there is none. */
static void spoil_segment(int how)
{
	char path[PATH_MAX];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/test@" DEVICE ".stats", fake_root);
	if (how == UNREADABLE) {
		ck_assert_int_eq(unlink(path), 0);
		return;
	}
	fd = open(path, O_WRONLY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, &unreadable[how].value, 4, (off_t)unreadable[how].offset), 4);
	close(fd);
}

START_TEST(one_whose_exports_are_not_known_is_stopped_by_force_only)
{
	start_daemon();
	mount_disk();
	spoil_segment(_i);
	ck_assert_int_eq(stop(WORDS("udrv stop", "--timeout", "0.1", DEVICE)), TOOL_FAILED);
	said_of_daemon("stop.err", "(udrv-test, pid ",
		       _i ? ") has not said within 0.1 s"
			  : ") exports cannot be read (it is of another version of udrv)");
	runs_on(daemon_pid);
	ck_assert_int_eq(stop(WORDS("udrv stop", "--force", DEVICE)), TOOL_OK);
	ck_assert_int_eq(end_of_daemon(), 0);
}
END_TEST

START_TEST(ps_shows_that_exports_are_not_known)
{
	pid_t table;

	start_daemon();
	spoil_segment(2);
	table = spawn(cmd_ps, "table", WORDS("udrv ps"));
	ck_assert_int_eq(ps(WORDS("udrv ps", "--json")), TOOL_OK);
	said("ps.out", "\"exports\":null\n");
	ck_assert_int_eq(end_of(table), TOOL_OK);
	said("table.out", "  ?\n");
}
END_TEST

START_TEST(one_that_waits_for_its_device_is_shown_and_stopped)
{
	static const char absent[] = "0000:00:05.0";
	pid_t pid = spawn(run_driver, "waiting", WORDS("udrv-driver", "run", "--wait", absent));
	char row[128];

	await_text("waiting.err", "waiting until there is such a device");
	start_daemon();
	(void)snprintf(row, sizeof(row), "\n%s test       (waits) %7d           -  -\n", absent,
		       (int)pid);
	ck_assert_int_eq(ps(WORDS("udrv ps")), TOOL_OK);
	said("ps.out", row);
	said("ps.out", "\n" DEVICE "    test       model   ");
	ck_assert_int_eq(ps(WORDS("udrv ps", "--json", absent)), TOOL_OK);
	said("ps.out", "\"device\":\"0000:00:05.0\",\n");
	said("ps.out", "\"backend\":null,\n");
	said("ps.out", "\"uptime_s\":null,\n");
	said("ps.out", "\"exports\":[");
	ck_assert_int_eq(end_of(spawn(cmd_irqs, "irqs", WORDS("udrv irqs", absent))), TOOL_FAILED);
	ck_assert_int_eq(stop(WORDS("udrv stop", absent)), TOOL_OK);
	ck_assert_int_eq(end_of(pid), 0);
	ck_assert_int_eq(ps(WORDS("udrv ps", absent)), TOOL_FAILED);
	/* Nor one that was killed, whose file says that it waits. */
	pid = spawn(run_driver, "killed", WORDS("udrv-driver", "run", "--wait", absent));
	await_text("killed.err", "waiting until there is such a device");
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(end_of(pid), -SIGKILL);
	said("0000:00:05.0.lock", " waiting");
	ck_assert_int_eq(ps(WORDS("udrv ps", absent)), TOOL_FAILED);
}
END_TEST

START_TEST(a_daemon_of_another_directory_is_named)
{
	const char *const words[] = {"udrv stop", "0000:00:05.0", NULL};

	(void)snprintf(proc_root, sizeof(proc_root), "%s/proc", fake_root);
	tool_proc_root = proc_root;
	fake_pci_device("0000:00:05.0", 0x1234, 0x11e8, "vfio-pci", 3);
	fake_link("/dev/vfio/3", "proc/4242/fd/7");
	fake_file("cat\n", "proc/4242/comm");
	ck_assert_int_eq(stop(words), TOOL_FAILED);
	said("stop.err", "0000:00:05.0: no daemon drives it; `udrv ps` shows");
	fake_file("udrv-edu\n", "proc/4242/comm");
	ck_assert_int_eq(stop(words), TOOL_FAILED);
	said("stop.err",
	     "drives it, but process 4242 (udrv-edu) has /dev/vfio/3 open; stop that as");
}
END_TEST

START_TEST(wrong_usage)
{
	ck_assert_int_eq(stop(WORDS("udrv stop")), TOOL_USAGE);
	said("stop.err", "which DEVICE?");
	ck_assert_int_eq(stop(WORDS("udrv stop", DEVICE, DEVICE)), TOOL_USAGE);
	ck_assert_int_eq(stop(WORDS("udrv stop", "nonsense")), TOOL_USAGE);
	ck_assert_int_eq(stop(WORDS("udrv stop", "--timeout=soon", DEVICE)), TOOL_USAGE);
	ck_assert_int_eq(stop(WORDS("udrv stop", "--timeout=-1", DEVICE)), TOOL_USAGE);
	ck_assert_int_eq(ps(WORDS("udrv ps", "nonsense")), TOOL_USAGE);
	ck_assert_int_eq(ps(WORDS("udrv ps", "--josn")), TOOL_USAGE);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ps_stop");
	TCase *tc = tcase_create("daemon");

	argp_err_exit_status = TOOL_USAGE;
	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, daemon_teardown);
	tcase_add_test(tc, ps_shows_who_drives_what_and_what_is_exported);
	tcase_add_test(tc, a_daemon_with_a_directory_of_its_own_is_named);
	tcase_add_test(tc, a_file_that_nobody_locked_is_no_daemons);
	tcase_add_test(tc, json_is_utf8_whatever_is_exported);
	tcase_add_test(tc, a_device_that_is_not_there);
	tcase_add_test(tc, a_directory_that_may_not_be_looked_through);
	tcase_add_test(tc, ps_says_that_there_is_none);
	tcase_add_test(tc, a_killed_daemon_is_neither_shown_nor_stopped);
	tcase_add_test(tc, stop_ends_it_and_then_there_is_none);
	tcase_add_test(tc, one_that_does_not_end_in_time_is_named);
	tcase_add_test(tc, who_does_not_hold_the_lock_is_not_signalled);
	tcase_add_test(tc, a_verb_that_has_the_device_is_left_alone);
	tcase_add_test(tc, a_daemon_whose_disk_is_mounted_is_stopped_by_force_only);
	tcase_add_loop_test(tc, one_that_starts_is_looked_at_once_it_has, 0, 2);
	tcase_add_test(tc, one_that_does_not_start_in_time_is_left_alone);
	tcase_add_test(tc, one_that_ends_is_waited_for);
	tcase_add_test(tc, one_that_waits_for_its_device_is_shown_and_stopped);
	tcase_add_test(tc, an_unmounted_disk_is_no_reason);
	tcase_add_loop_test(tc, one_whose_exports_are_not_known_is_stopped_by_force_only, 0,
			    UNREADABLE + 1);
	tcase_add_test(tc, ps_shows_that_exports_are_not_known);
	tcase_add_test(tc, a_daemon_of_another_directory_is_named);
	tcase_add_test(tc, wrong_usage);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

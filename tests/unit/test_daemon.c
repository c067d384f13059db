// SPDX-License-Identifier: MIT
/* A driver's program on the model: the daemon in a process of its own, clients good and bad. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include <udrv/completion.h>
#include <udrv/delay.h>
#include <udrv/device.h>

#include "backend/model.h"
#include "driver/daemon.h"

#include "support/fake_tree.h"
#include "support/suite.h"
#include "support/wait_for.h"

#define DEVICE	   "model:edu"
#define WAIT_MS	   60000
#define ARGV_MAX   64
#define LONG_LINES 200000
#define DATA_MAX   200000
#define NOBODY	   65534

/* A driver whose verbs do what a test needs. */

static const char *mood = "good";
static const struct udrv_param params[] = {{"mood", &mood, "good or bad"}, {0}};

/* Until the process is told to end, which the framework looks for afterwards. */
static void wait_for_sigterm(void)
{
	sigset_t pending;

	(void)fprintf(stderr, "probing\n");
	do {
		udrv_msleep(1);
		sigpending(&pending);
	} while (!sigismember(&pending, SIGTERM));
}

/* It does not answer. */
static int wait_for_device(struct udrv_device *dev)
{
	struct udrv_completion never;

	(void)fprintf(stderr, "probing\n");
	udrv_init_completion(dev, &never);
	return udrv_wait_for_completion(&never);
}

static int probe(struct udrv_device *dev, const struct udrv_pci_device_id *id)
{
	(void)dev;
	(void)id;
	if (!strcmp(mood, "slow"))
		wait_for_sigterm();
	if (!strcmp(mood, "stuck"))
		return wait_for_device(dev);
	return strcmp(mood, "bad") ? 0 : -EIO;
}

static void remove_device(struct udrv_device *dev)
{
	(void)fprintf(stderr, "removed, %s\n", udrv_device_gone(dev) ? "gone" : "present");
}

static int on_error(struct udrv_device *dev)
{
	(void)dev;
	(void)fprintf(stderr, "error seen\n");
	return strcmp(mood, "brave") ? -EIO : 0;
}

static int verb_echo(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	(void)dev;
	for (int i = 0; i < argc; i++)
		(void)fprintf(out, "[%s]", argv[i]);
	(void)fprintf(err, "and that is all\n");
	return argc > 3 ? -E2BIG : 0;
}

/* Many packets of answer, and more than a socket holds. */
static int verb_long(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	(void)dev;
	(void)argc;
	(void)argv;
	(void)err;
	for (int i = 0; i < LONG_LINES; i++)
		(void)fprintf(out, "%07d\n", i);
	return 0;
}

/* Until the device goes. */
static int verb_wait(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	struct udrv_completion never;

	(void)argc;
	(void)argv;
	(void)out;
	udrv_init_completion(dev, &never);
	(void)fprintf(stderr, "waiting\n");
	(void)fprintf(err, "waited\n");
	return udrv_wait_for_completion(&never);
}

static int verb_event(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	(void)out;
	(void)err;
	udrv__model_raise_event(dev, argc == 2 && !strcmp(argv[1], "error") ? UDRV_EVENT_ERROR
									    : UDRV_EVENT_REQUEST);
	return 0;
}

/* Says something, and then waits until nobody listens. */
static int verb_progress(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	(void)dev;
	(void)argc;
	(void)argv;
	(void)err;
	(void)fprintf(out, "half of it\n");
	(void)fflush(out);
	while (!udrv_verb_cancelled())
		udrv_msleep(1);
	(void)fprintf(stderr, "cancelled\n");
	return -ECANCELED;
}

static unsigned char data_byte(size_t i)
{
	return (unsigned char)(i * 7 + (i >> 8));
}

/* Its data must be data_byte(). */
static int verb_take(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	static unsigned char buf[DATA_MAX];
	ssize_t n = udrv_verb_read(buf, sizeof(buf));

	(void)dev;
	(void)argc;
	(void)argv;
	(void)fprintf(stderr, "read %zd\n", n);
	for (ssize_t i = 0; i < n; i++) {
		if (buf[i] != data_byte((size_t)i)) {
			(void)fprintf(err, "byte %zd is wrong\n", i);
			return -EIO;
		}
	}
	(void)fprintf(out, "%zd bytes\n", n);
	return n < 0 ? (int)n : 0;
}

static int verb_give(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	static unsigned char buf[DATA_MAX];
	size_t len = argc > 1 ? (size_t)atol(argv[1]) : 0;
	ssize_t n;

	(void)dev;
	(void)out;
	for (size_t i = 0; i < len; i++)
		buf[i] = data_byte(i);
	n = udrv_verb_write(buf, len);
	(void)fprintf(err, "gave %zd\n", n);
	(void)fprintf(stderr, "wrote %zd\n", n);
	return n < 0 ? (int)n : 0;
}

static int verb_choose(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	(void)err;
	(void)fprintf(out, "-a is %s\n",
		      !dev && argc == 2 && !strcmp(argv[1], "--help") ? "explained" : "done");
	return 0;
}

static const struct udrv_verb verbs[] = {
	{"echo", "WORD...", "say it again", verb_echo, 0},
	{"long", NULL, "say a lot", verb_long, 0},
	{"wait", NULL, "wait for nothing", verb_wait, 0},
	{"event", "NAME", "let it happen", verb_event, 0},
	{"progress", NULL, "say how far it is", verb_progress, 0},
	{"take", NULL, "read data", verb_take, UDRV_VERB_DATA_IN},
	{"give", "N", "write data", verb_give, UDRV_VERB_DATA_OUT},
	{"choose", "[-a]", "one of them", verb_choose, UDRV_VERB_OPTIONS},
	{0},
};

static const struct udrv_pci_device_id ids[] = {{UDRV_PCI_DEVICE(0x1234, 0x11e8)}, {0}};

static const struct udrv_driver driver = {
	.name = "test",
	.description = "for tests",
	.id_table = ids,
	.probe = probe,
	.remove = remove_device,
	.error = on_error,
	.verbs = verbs,
	.params = params,
};

/* Processes. */

static pid_t daemon_pid;

static void setup(void)
{
	fake_tree_make();
	ck_assert_int_eq(setenv("UDRV_RUNTIME_DIR", fake_root, 1), 0);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	daemon_pid = 0;
}

static void redirect(const char *file, int fd)
{
	char path[PATH_MAX];
	int to;

	(void)snprintf(path, sizeof(path), "%s/%s", fake_root, file);
	to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (to < 0 || dup2(to, fd) < 0)
		_exit(99);
	close(to);
}

static void close_streams(unsigned int mask)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (mask & 1u << fd)
			close(fd);
}

/* Which of the standard streams the next ones are started without. */
static unsigned int closed_streams;

/* Whom the next ones are run as, root where root runs the tests, else this user. */
static uid_t run_as;

/* udrv-test with these words, in a process of its own, its output in two files. */
static pid_t spawn(const char *out, const char *err, const char *const *words)
{
	char *argv[ARGV_MAX + 2] = {(char *)(uintptr_t) "udrv-test"};
	int argc = 1;
	pid_t pid;

	for (; words[argc - 1]; argc++)
		argv[argc] = (char *)(uintptr_t)words[argc - 1];
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		redirect(out, STDOUT_FILENO);
		redirect(err, STDERR_FILENO);
		close_streams(closed_streams);
		if (run_as && !geteuid() && setresuid(run_as, run_as, run_as))
			_exit(98);
		exit(udrv_driver_main(&driver, argc, argv));
	}
	return pid;
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void pause_ms(long ms)
{
	const struct timespec t = {.tv_nsec = ms * 1000000};

	nanosleep(&t, NULL);
}

/* The exit status of a process, or minus its signal; it has WAIT_MS. */
static int end_of(pid_t pid)
{
	int status;

	for (int waited = 0; waited < WAIT_MS; waited += 5) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
		pause_ms(5);
	}
	kill(pid, SIGKILL);
	ck_abort_msg("process %d does not end", pid);
	return -1;
}

static int client(const char *const *words)
{
	return end_of(spawn("out", "err", words));
}

/* Is it in the file? The rest of the time it is not yet. */
static bool appears(const char *file, const char *part)
{
	for (int waited = 0; waited < WAIT_MS; waited += 5) {
		if (strstr(fake_text("%s", file), part))
			return true;
		pause_ms(5);
	}
	return false;
}

/* What an earlier one said must not be taken for this one's. */
static void remove_file(const char *file)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", fake_root, file);
	(void)unlink(path);
}

static void start(const char *const *words)
{
	remove_file("daemon.err");
	daemon_pid = spawn("daemon.out", "daemon.err", words);
	ck_assert_msg(appears("daemon.err", "is ready"), "%s", fake_text("daemon.err"));
}

static int stop(int sig)
{
	pid_t pid = daemon_pid;

	daemon_pid = 0;
	ck_assert_int_eq(kill(pid, sig), 0);
	return end_of(pid);
}

static void teardown(void)
{
	if (daemon_pid)
		(void)stop(SIGKILL);
	fake_tree_remove();
}

static void said(const char *file, const char *part)
{
	ck_assert_msg(strstr(fake_text("%s", file), part), "'%s' is not in %s: %s", part, file,
		      fake_text("%s", file));
}

static bool socket_exists(void)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/test@" DEVICE ".sock", fake_root);
	return !access(path, F_OK);
}

START_TEST(verbs_run_in_the_daemon)
{
	start(WORDS("run", DEVICE));
	ck_assert_int_eq(client(WORDS("echo", "a b", "")), 0);
	ck_assert_str_eq(fake_text("out"), "[echo][a b][]");
	ck_assert_str_eq(fake_text("err"), "and that is all\n");
	ck_assert_int_eq(client(WORDS("echo", "1", "2", "3")), 1);
	ck_assert_int_eq(client(WORDS("--device", DEVICE, "status")), 0);
	said("out", "driver test\ndevice " DEVICE "\nbackend model\n");
	ck_assert_int_eq(client(WORDS("sing")), UDRV__EXIT_USAGE);
	said("err", "'sing' is not a verb");
	ck_assert_int_eq(client(WORDS("status", "--json")), 1);
	said("err", "status: --json: it takes no arguments");
	ck_assert_int_eq(stop(SIGTERM), 0);
	said("daemon.err", "removed, present");
	ck_assert(!socket_exists());
}
END_TEST

START_TEST(a_long_answer_arrives_whole)
{
	char path[PATH_MAX];
	struct stat st;

	start(WORDS("run", DEVICE));
	ck_assert_int_eq(client(WORDS("long")), 0);
	(void)snprintf(path, sizeof(path), "%s/out", fake_root);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, LONG_LINES * 8);
}
END_TEST

static int client_on_full_disk(const char *const *words)
{
	return end_of(spawn("full", "err", words));
}

START_TEST(what_could_not_be_written_is_no_success)
{
	const char *const *const calls[] = {
		WORDS("echo"),		 WORDS("long"),	  WORDS("progress"),
		WORDS("echo", "--help"), WORDS("--help"), WORDS("--version"),
		WORDS("run", "--help"),
	};
	char path[PATH_MAX];

	start(WORDS("run", DEVICE));
	(void)snprintf(path, sizeof(path), "%s/full", fake_root);
	ck_assert_int_eq(symlink("/dev/full", path), 0);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		ck_assert_int_eq(client_on_full_disk(calls[i]), 1);
		said("err", "cannot write to standard output: No space left on device\n");
	}
	closed_streams = 1u << STDOUT_FILENO;
	ck_assert_int_eq(client(WORDS("echo")), 1);
	said("err", "cannot write to standard output: Bad file descriptor\n");
	closed_streams = 0;
	/* It has not been disturbed. */
	ck_assert_int_eq(client(WORDS("echo")), 0);
}
END_TEST

START_TEST(what_a_verb_says_arrives_while_it_runs)
{
	pid_t asking;

	start(WORDS("run", DEVICE));
	asking = spawn("out", "err", WORDS("progress"));
	ck_assert(appears("out", "half of it"));
	ck_assert_int_eq(kill(asking, SIGKILL), 0);
	ck_assert_int_eq(end_of(asking), -SIGKILL);
	ck_assert(appears("daemon.err", "cancelled"));
	ck_assert_int_eq(client(WORDS("echo")), 0);
}
END_TEST

static void path_of(char *path, size_t size, const char *file)
{
	(void)snprintf(path, size, "%s/%s", fake_root, file);
}

/* One assertion, since each of them is a message to Check. */
static void write_data(const char *file, size_t len)
{
	static unsigned char bytes[DATA_MAX];
	char path[PATH_MAX];
	FILE *f;

	for (size_t i = 0; i < len; i++)
		bytes[i] = data_byte(i);
	path_of(path, sizeof(path), file);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(bytes, 1, len, f), len);
	ck_assert_int_eq(fclose(f), 0);
}

static void check_data(const char *file, size_t len)
{
	static unsigned char bytes[DATA_MAX + 1];
	char path[PATH_MAX];
	size_t wrong = 0;
	FILE *f;

	path_of(path, sizeof(path), file);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fread(bytes, 1, sizeof(bytes), f), len);
	for (size_t i = 0; i < len; i++)
		wrong += bytes[i] != data_byte(i);
	ck_assert_uint_eq(wrong, 0);
	(void)fclose(f);
}

START_TEST(a_verb_reads_the_file_that_its_client_names)
{
	char path[PATH_MAX], with_equals[PATH_MAX + 10], with_letter[PATH_MAX + 10];

	write_data("data", DATA_MAX - 1);
	path_of(path, sizeof(path), "data");
	(void)snprintf(with_equals, sizeof(with_equals), "--data=%s", path);
	start(WORDS("run", DEVICE));
	ck_assert_int_eq(client(WORDS("take", "-d", path)), 0);
	ck_assert_str_eq(fake_text("out"), "199999 bytes\n");
	(void)snprintf(with_letter, sizeof(with_letter), "-d%s", path);
	ck_assert_int_eq(client(WORDS("take", with_letter)), 0);
	ck_assert_str_eq(fake_text("out"), "199999 bytes\n");
	ck_assert_int_eq(client(WORDS("take", "--data", path)), 0);
	ck_assert_str_eq(fake_text("out"), "199999 bytes\n");
	ck_assert_int_eq(client(WORDS("take", with_equals)), 0);
	ck_assert_str_eq(fake_text("out"), "199999 bytes\n");
	ck_assert_int_eq(client(WORDS("take", "--data=/no/such")), 1);
	said("err", "/no/such: cannot open it: No such file");
}
END_TEST

START_TEST(a_verb_writes_to_its_client)
{
	char path[PATH_MAX];

	start(WORDS("run", DEVICE));
	path_of(path, sizeof(path), "data");
	ck_assert_int_eq(client(WORDS("give", "200000", "-d", path)), 0);
	check_data("data", 200000);
	ck_assert_int_eq(client(WORDS("give", "5", "-d", path)), 0);
	check_data("data", 5);
	ck_assert_int_eq(client(WORDS("give", "200000")), 0);
	check_data("out", 200000);
	ck_assert_str_eq(fake_text("err"), "gave 200000\n");
}
END_TEST

START_TEST(nobody_is_there)
{
	ck_assert_int_eq(client(WORDS("echo")), 1);
	said("err", "start one: udrv run test DEVICE");
	ck_assert_int_eq(client(WORDS("--device", "00:05.0", "echo")), 1);
	said("err", "0000:00:05.0: no daemon of driver test is running");
	ck_assert_int_eq(client(WORDS("--device", DEVICE, "echo")), 1);
}
END_TEST

START_TEST(a_second_daemon_is_told_who_has_it)
{
	char pid[32];

	start(WORDS("run", DEVICE));
	ck_assert_int_eq(client(WORDS("run", DEVICE)), 1);
	(void)snprintf(pid, sizeof(pid), "(pid %d)", daemon_pid);
	said("err", DEVICE ": already driven by udrv-test");
	said("err", pid);
	ck_assert_int_eq(client(WORDS("echo")), 0);
	ck_assert(socket_exists());
}
END_TEST

START_TEST(a_killed_daemon_leaves_nothing_in_the_way)
{
	for (int i = 0; i < 3; i++) {
		start(WORDS("run", DEVICE));
		ck_assert_int_eq(client(WORDS("echo")), 0);
		ck_assert_int_eq(stop(SIGKILL), -SIGKILL);
		/* Its socket's file is there, and nobody behind it. */
		ck_assert(socket_exists());
		ck_assert_int_eq(client(WORDS("echo")), 1);
		said("err", "no daemon of this driver is running");
	}
}
END_TEST

START_TEST(a_client_of_a_daemon_that_dies)
{
	pid_t waiting;

	start(WORDS("run", DEVICE));
	waiting = spawn("out", "err", WORDS("wait"));
	ck_assert(appears("daemon.err", "waiting"));
	ck_assert_int_eq(stop(SIGKILL), -SIGKILL);
	ck_assert_int_eq(end_of(waiting), 1);
	said("err", "the daemon went away before it answered");
}
END_TEST

START_TEST(stopping_cuts_a_verb_that_waits)
{
	struct timespec from, to;
	pid_t waiting;

	start(WORDS("run", DEVICE));
	waiting = spawn("out", "err", WORDS("wait"));
	ck_assert(appears("daemon.err", "waiting"));
	clock_gettime(CLOCK_MONOTONIC, &from);
	ck_assert_int_eq(stop(SIGTERM), 0);
	clock_gettime(CLOCK_MONOTONIC, &to);
	ck_assert_int_lt(to.tv_sec - from.tv_sec, 30);
	ck_assert_int_eq(end_of(waiting), 1);
	said("err", "waited");
	said("daemon.err", "a verb is still running: its waits are cut");
	said("daemon.err", "removed, gone");
}
END_TEST

START_TEST(the_kernel_wants_the_device_back)
{
	int pid;

	start(WORDS("run", DEVICE));
	ck_assert_int_eq(client(WORDS("event", "request")), 0);
	pid = daemon_pid;
	daemon_pid = 0;
	ck_assert_int_eq(end_of(pid), 1);
	said("daemon.err", "the kernel takes the device away");
	said("daemon.err", "removed, gone");
	ck_assert(!socket_exists());
}
END_TEST

START_TEST(an_error_ends_the_daemon)
{
	int pid;

	start(WORDS("run", DEVICE));
	ck_assert_int_eq(client(WORDS("event", "error")), 0);
	pid = daemon_pid;
	daemon_pid = 0;
	ck_assert_int_eq(end_of(pid), 1);
	said("daemon.err", "the device reported an uncorrectable error");
	said("daemon.err", "error seen");
}
END_TEST

START_TEST(an_error_that_the_driver_handles)
{
	start(WORDS("run", DEVICE, "mood=brave"));
	ck_assert_int_eq(client(WORDS("event", "error")), 0);
	ck_assert(appears("daemon.err", "error seen"));
	ck_assert_int_eq(client(WORDS("echo")), 0);
	ck_assert_int_eq(stop(SIGINT), 0);
}
END_TEST

START_TEST(a_probe_that_fails)
{
	ck_assert_int_eq(client(WORDS("run", DEVICE, "mood=bad")), 1);
	said("err", DEVICE ": driver test cannot drive it: Input/output error");
	ck_assert(!socket_exists());
	start(WORDS("run", DEVICE));
}
END_TEST

START_TEST(words_that_make_no_sense)
{
	ck_assert_int_eq(client(WORDS("run")), UDRV__EXIT_USAGE);
	said("err", "which device?");
	ck_assert_int_eq(client(WORDS("run", DEVICE, "colour=red")), UDRV__EXIT_USAGE);
	said("err", "colour=red: not a parameter of driver test");
	ck_assert_int_eq(client(WORDS("run", DEVICE, "mood")), UDRV__EXIT_USAGE);
	ck_assert_int_eq(client(WORDS("run", DEVICE, "--fast")), UDRV__EXIT_USAGE);
	ck_assert_int_eq(client(WORDS("run", "model:modem")), 1);
	said("err", "model:modem: there is no such model; there are model:edu");
	said("err", "model:nvme");
	ck_assert_int_eq(client(WORDS("run", DEVICE, "-b", "vfio")), 1);
	ck_assert_int_eq(client(WORDS("run", "a name that is much longer than any device's name")),
			 UDRV__EXIT_USAGE);
	said("err", "not a PCI address");
	ck_assert_int_eq(client(WORDS("run", DEVICE, "--nbd=:99999")), UDRV__EXIT_USAGE);
	said("err", "not a port");
	ck_assert_int_eq(client(WORDS("--device", "nonsense", "echo")), UDRV__EXIT_USAGE);
	said("err", "nonsense: not a PCI address");
	ck_assert_int_eq(client(WORDS("run", "--help")), 0);
	said("out", "mood");
}
END_TEST

/* Of a daemon that is not our child. */
static void end_detached(void)
{
	char path[PATH_MAX];
	int fd;

	ck_assert_int_eq(kill(daemon_pid, SIGTERM), 0);
	daemon_pid = 0;
	(void)snprintf(path, sizeof(path), "%s/" DEVICE ".lock", fake_root);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	close(fd);
}

START_TEST(in_the_background_it_says_whether_it_works)
{
	ck_assert_int_eq(client(WORDS("run", DEVICE, "mood=bad", "--detach")), 1);
	said("err", "cannot drive it");
	ck_assert_int_eq(client(WORDS("run", DEVICE, "--detach")), 0);
	daemon_pid = atoi(fake_text(DEVICE ".lock"));
	ck_assert_int_gt(daemon_pid, 0);
	ck_assert_int_eq(client(WORDS("echo")), 0);
	end_detached();
	said("test@" DEVICE ".log", "removed, present");
}
END_TEST

/* Its sockets must not have their numbers, which go to a log. */
START_TEST(in_the_background_without_standard_streams)
{
	for (unsigned int mask = 1; mask < 8; mask++) {
		closed_streams = mask;
		ck_assert_int_eq(client(WORDS("run", DEVICE, "--detach")), 0);
		closed_streams = 0;
		daemon_pid = atoi(fake_text(DEVICE ".lock"));
		ck_assert_int_gt(daemon_pid, 0);
		ck_assert_int_eq(client(WORDS("echo")), 0);
		end_detached();
		said("test@" DEVICE ".log", "removed, present");
		remove_file("test@" DEVICE ".log");
	}
}
END_TEST

START_TEST(who_is_interrupted_while_it_starts_leaves_no_daemon)
{
	const int signals[] = {SIGINT, SIGTERM, SIGHUP};

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		pid_t pid = spawn("out", "err", WORDS("run", DEVICE, "mood=slow", "--detach"));

		ck_assert(appears("err", "probing"));
		ck_assert_int_eq(kill(pid, signals[i]), 0);
		ck_assert_int_eq(end_of(pid), 1);
		said("err", "interrupted: no daemon is left");
		said("test@" DEVICE ".log", "removed, present");
		ck_assert(!socket_exists());
		remove_file("err");
		remove_file("test@" DEVICE ".log");
	}
}
END_TEST

START_TEST(who_is_told_to_end_while_its_device_does_not_answer_ends)
{
	pid_t pid = spawn("out", "err", WORDS("run", DEVICE, "mood=stuck"));

	ck_assert(appears("err", "probing"));
	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	ck_assert_int_eq(end_of(pid), 1);
	said("err", DEVICE ": it is still starting: its waits are cut\n");
	said("err", "driver test cannot drive it: No such device\n");
	start(WORDS("run", DEVICE));
	ck_assert_int_eq(stop(SIGTERM), 0);
}
END_TEST

START_TEST(who_waits_for_a_daemon_that_is_killed_is_told)
{
	pid_t pid = spawn("out", "err", WORDS("run", DEVICE, "mood=slow", "--detach"));

	ck_assert(appears("err", "probing"));
	ck_assert_int_eq(kill(atoi(fake_text(DEVICE ".lock")), SIGKILL), 0);
	ck_assert_int_eq(end_of(pid), 1);
	said("err", "the daemon was killed while it started: Killed (pid ");
}
END_TEST

START_TEST(more_than_a_daemon_takes_is_refused_in_one_line)
{
	static char longest[UDRV__REQUEST_MAX];
	const char *words[UDRV__REQUEST_WORDS + 2] = {"echo"};

	start(WORDS("run", DEVICE));
	for (int i = 1; i <= UDRV__REQUEST_WORDS; i++)
		words[i] = "x";
	ck_assert_int_eq(client(words), 1);
	ck_assert_str_eq(fake_text("err"),
			 "udrv-test: echo: with 32 arguments; a daemon takes 31\n");
	words[UDRV__REQUEST_WORDS] = NULL;
	ck_assert_int_eq(client(words), 1);
	said("err", "and that is all");
	memset(longest, 'x', sizeof(longest) - 1);
	ck_assert_int_eq(client(WORDS("echo", longest)), 1);
	ck_assert_str_eq(fake_text("err"),
			 "udrv-test: echo: its arguments are longer than the 4096 "
			 "bytes that a daemon takes\n");
}
END_TEST

START_TEST(help_of_a_verb)
{
	ck_assert_int_eq(client(WORDS("echo", "--help")), 0);
	said("out", "Usage: udrv-test [--device DEVICE] echo");
	ck_assert_int_eq(client(WORDS("status", "--help")), 0);
	said("out", "which device, since when");
	ck_assert_int_eq(client(WORDS("echo", "a", "--help")), 0);
	said("out", "Usage: udrv-test [--device DEVICE] echo");
	ck_assert_int_eq(client(WORDS("echo", "a", "-h", "b")), 0);
	said("out", "Usage: udrv-test [--device DEVICE] echo");
	ck_assert_int_eq(client(WORDS("choose", "-a", "-h")), 0);
	said("out", "one of them\n\n-a is explained\n");
}
END_TEST

/* Directories that are not fit to hold a socket. */
START_TEST(a_run_time_directory_of_somebody_else)
{
	ck_assert_int_eq(chmod(fake_root, 0777), 0);
	ck_assert_int_eq(client(WORDS("run", DEVICE)), 1);
	said("err", "not a directory that only this user");
	ck_assert_int_eq(setenv("UDRV_RUNTIME_DIR", "/proc/nothing/here", 1), 0);
	ck_assert_int_eq(client(WORDS("run", DEVICE)), 1);
	said("err", "/proc/nothing/here: cannot be made");
}
END_TEST

/* Not the same as one without daemons. */
START_TEST(a_run_time_directory_that_may_not_be_looked_through)
{
	start(WORDS("run", DEVICE));
	ck_assert_int_eq(chmod(fake_root, 0311), 0);
	run_as = NOBODY;
	ck_assert_int_eq(client(WORDS("echo")), 1);
	run_as = 0;
	ck_assert_int_eq(chmod(fake_root, 0700), 0);
	said("err", "cannot be looked through for daemons: Permission denied");
}
END_TEST

/* $XDG_RUNTIME_DIR counts if it is absolute, and not for root. */
START_TEST(a_run_time_directory_is_absolute)
{
	const char *const bad[] = {"", "run/user"};
	char dir[UDRV__PATH_MAX];
	char fallback[UDRV__PATH_MAX];
	const uid_t was = geteuid();

	ck_assert_int_eq(unsetenv("UDRV_RUNTIME_DIR"), 0);
	if (!was)
		ck_assert_int_eq(seteuid(NOBODY), 0);
	(void)snprintf(fallback, sizeof(fallback), "/tmp/udrv-%u", geteuid());
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_eq(setenv("XDG_RUNTIME_DIR", bad[i], 1), 0);
		ck_assert_int_eq(udrv__rundir(dir, sizeof(dir)), 0);
		ck_assert_str_eq(dir, fallback);
	}
	ck_assert_int_eq(setenv("XDG_RUNTIME_DIR", "/run/user/1", 1), 0);
	ck_assert_int_eq(udrv__rundir(dir, sizeof(dir)), 0);
	ck_assert_str_eq(dir, "/run/user/1/udrv");
	ck_assert_int_eq(seteuid(was), 0);
}
END_TEST

/* Whoever may connect may do everything. */
START_TEST(sockets_are_the_users_alone_whatever_the_umask)
{
	const char *const suffixes[] = {UDRV__CONTROL_SUFFIX, UDRV__SETTINGS_SUFFIX};
	const mode_t was = umask(0);
	struct stat st;

	start(WORDS("run", DEVICE));
	(void)umask(was);
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		char path[PATH_MAX];

		(void)snprintf(path, sizeof(path), "%s/test@" DEVICE "%s", fake_root, suffixes[i]);
		ck_assert_int_eq(stat(path, &st), 0);
		ck_assert_uint_eq(st.st_mode & 07777, 0600);
	}
}
END_TEST

/* Clients that do not keep to the protocol. */

static void socket_address(struct sockaddr_un *addr)
{
	*addr = (struct sockaddr_un){.sun_family = AF_UNIX};
	(void)snprintf(addr->sun_path, sizeof(addr->sun_path), "%s/test@" DEVICE ".sock",
		       fake_root);
}

static int connect_raw(void)
{
	struct sockaddr_un addr;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	socket_address(&addr);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

/* The status at the end of the answer, or -EPIPE where there is none; and the bytes before. */
static int await_answer(int fd, size_t *len)
{
	union {
		struct udrv__answer head;
		char bytes[sizeof(struct udrv__answer) + UDRV__ANSWER_MAX];
	} answer = {0};
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n;

	for (*len = 0;; *len += (size_t)n - sizeof(answer.head)) {
		ck_assert_int_eq(poll(&p, 1, WAIT_MS), 1);
		n = recv(fd, &answer, sizeof(answer), 0);
		if (n <= 0)
			return -EPIPE;
		ck_assert_int_ge(n, (ssize_t)sizeof(answer.head));
		if (answer.head.kind == UDRV__ANSWER_STATUS)
			return answer.head.status;
	}
}

/* The status that answers a packet. */
static int status_of(const void *packet, size_t len)
{
	int fd = connect_raw();
	size_t said;
	int status;

	ck_assert_int_eq(send(fd, packet, len, 0), (ssize_t)len);
	status = await_answer(fd, &said);
	close(fd);
	return status;
}

static bool is_in(pid_t pid, pid_t tid, long number)
{
	char path[64];
	long is = -1;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, tid);
	f = fopen(path, "re");
	if (!f)
		return false; /* it has ended */
	if (fscanf(f, "%ld", &is) != 1)
		is = -1; /* "running" */
	(void)fclose(f);
	return is == number;
}

/* Does one of its threads sleep in that system call? */
static bool sleeps_in(pid_t pid, long number)
{
	struct dirent *entry;
	bool found = false;
	char path[64];
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	ck_assert_ptr_nonnull(dir);
	while (!found && (entry = readdir(dir)))
		found = is_in(pid, atoi(entry->d_name), number);
	closedir(dir);
	return found;
}

/* As a terminal's job control does it, in the middle of that system call. */
static void stop_and_continue(pid_t pid, long number)
{
	int status;

	WAIT_FOR(sleeps_in(pid, number));
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
	ck_assert(WIFSTOPPED(status));
	ck_assert_int_eq(kill(pid, SIGCONT), 0);
}

START_TEST(requests_that_are_none)
{
	char words[128];

	start(WORDS("run", DEVICE));
	ck_assert_int_eq(status_of("echo", 4), -EPROTO);
	ck_assert_int_eq(status_of("sing", 5), -EINVAL);
	ck_assert_int_eq(status_of("", 1), -EINVAL);
	memset(words, 0, sizeof(words));
	ck_assert_int_eq(status_of(words, sizeof(words)), -E2BIG);
	ck_assert_int_eq(status_of("echo", 5), 0);
	/* Gone before it is answered, and gone without a word. */
	for (int i = 0; i < 50; i++) {
		int fd = connect_raw();

		if (i & 1)
			ck_assert_int_eq(send(fd, "long", 5, 0), 5);
		close(fd);
	}
	ck_assert_int_eq(client(WORDS("echo")), 0);
}
END_TEST

START_TEST(a_client_that_says_nothing_delays_others_only_so_long)
{
	int silent;

	start(WORDS("run", DEVICE));
	silent = connect_raw();
	ck_assert_int_eq(client(WORDS("echo")), 0);
	close(silent);
}
END_TEST

START_TEST(a_client_that_does_not_read_delays_others_only_so_long)
{
	int deaf;

	start(WORDS("run", DEVICE));
	deaf = connect_raw();
	ck_assert_int_eq(send(deaf, "long", 5, 0), 5);
	ck_assert_int_eq(client(WORDS("echo")), 0);
	close(deaf);
}
END_TEST

START_TEST(a_stop_of_the_daemon_does_not_cut_an_answer)
{
	double began;
	double took;
	size_t len;
	int status;

	start(WORDS("run", DEVICE));
	/* Again where it has rightly given us up, whenever we were held up. */
	do {
		int fd = connect_raw();

		began = seconds();
		ck_assert_int_eq(send(fd, "long", 5, 0), 5);
		stop_and_continue(daemon_pid, SYS_sendmsg);
		status = await_answer(fd, &len);
		took = seconds() - began;
		close(fd);
	} while (status && took > 4);
	ck_assert_int_eq(status, 0);
	ck_assert_uint_eq(len, LONG_LINES * 8);
}
END_TEST

/* It runs, so nobody is told to start one. A client is stopped meanwhile, and still waits. */
START_TEST(a_daemon_that_takes_no_connection)
{
	struct sockaddr_un addr;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	pid_t pid;
	int first;

	socket_address(&addr);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(listen(fd, 0), 0);
	first = connect_raw();
	ck_assert_int_eq(client(WORDS("echo")), 1);
	said("err", DEVICE ": its daemon, of driver test, has taken no connection for 5 s");
	pid = spawn("out", "err", WORDS("--device", DEVICE, "echo"));
	stop_and_continue(pid, SYS_connect);
	ck_assert_int_eq(end_of(pid), 1);
	said("err", DEVICE ": its daemon, of driver test, has taken no connection for 5 s");
	close(first);
	close(fd);
}
END_TEST

/* sd_notify(3). */

static int notify_socket(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/notify", fake_root);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", addr.sun_path, 1), 0);
	return fd;
}

/* The next one, until the one after it. */
static const char *notification(int fd)
{
	static char text[256];
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n;

	ck_assert_int_eq(poll(&p, 1, WAIT_MS), 1);
	n = recv(fd, text, sizeof(text) - 1, 0);
	ck_assert_int_gt(n, 0);
	text[n] = 0;
	return text;
}

START_TEST(the_service_manager_is_told)
{
	static const char ready[] = "READY=1\nSTATUS=driving " DEVICE;
	int fd = notify_socket();
	const char *text;

	ck_assert_int_eq(setenv("WATCHDOG_USEC", "100000", 1), 0);
	start(WORDS("run", DEVICE));
	text = notification(fd);
	ck_assert_msg(!strncmp(text, ready, strlen(ready)), "%s", text);
	for (int i = 0; i < 3; i++)
		ck_assert_str_eq(notification(fd), "WATCHDOG=1");
	ck_assert_int_eq(kill(daemon_pid, SIGTERM), 0);
	/* The socket keeps a few, and who sends more waits: it would not end while nobody reads. */
	do {
		text = notification(fd);
	} while (!strcmp(text, "WATCHDOG=1"));
	ck_assert_str_eq(text, "STOPPING=1");
	ck_assert_int_eq(end_of(daemon_pid), 0);
	daemon_pid = 0;
	close(fd);
}
END_TEST

START_TEST(a_service_manager_that_is_gone)
{
	close(notify_socket());
	start(WORDS("run", DEVICE));
	ck_assert_int_eq(client(WORDS("echo")), 0);
	ck_assert_int_eq(stop(SIGTERM), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("daemon");
	TCase *tc = tcase_create("daemon");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, verbs_run_in_the_daemon);
	tcase_add_test(tc, a_long_answer_arrives_whole);
	tcase_add_test(tc, what_could_not_be_written_is_no_success);
	tcase_add_test(tc, what_a_verb_says_arrives_while_it_runs);
	tcase_add_test(tc, a_verb_reads_the_file_that_its_client_names);
	tcase_add_test(tc, a_verb_writes_to_its_client);
	tcase_add_test(tc, nobody_is_there);
	tcase_add_test(tc, a_second_daemon_is_told_who_has_it);
	tcase_add_test(tc, a_killed_daemon_leaves_nothing_in_the_way);
	tcase_add_test(tc, a_client_of_a_daemon_that_dies);
	tcase_add_test(tc, stopping_cuts_a_verb_that_waits);
	tcase_add_test(tc, the_kernel_wants_the_device_back);
	tcase_add_test(tc, an_error_ends_the_daemon);
	tcase_add_test(tc, an_error_that_the_driver_handles);
	tcase_add_test(tc, a_probe_that_fails);
	tcase_add_test(tc, words_that_make_no_sense);
	tcase_add_test(tc, in_the_background_it_says_whether_it_works);
	tcase_add_test(tc, in_the_background_without_standard_streams);
	tcase_add_test(tc, who_is_interrupted_while_it_starts_leaves_no_daemon);
	tcase_add_test(tc, who_is_told_to_end_while_its_device_does_not_answer_ends);
	tcase_add_test(tc, who_waits_for_a_daemon_that_is_killed_is_told);
	tcase_add_test(tc, more_than_a_daemon_takes_is_refused_in_one_line);
	tcase_add_test(tc, help_of_a_verb);
	tcase_add_test(tc, a_run_time_directory_of_somebody_else);
	tcase_add_test(tc, a_run_time_directory_that_may_not_be_looked_through);
	tcase_add_test(tc, a_run_time_directory_is_absolute);
	tcase_add_test(tc, sockets_are_the_users_alone_whatever_the_umask);
	tcase_add_test(tc, requests_that_are_none);
	tcase_add_test(tc, a_client_that_says_nothing_delays_others_only_so_long);
	tcase_add_test(tc, a_client_that_does_not_read_delays_others_only_so_long);
	tcase_add_test(tc, a_stop_of_the_daemon_does_not_cut_an_answer);
	tcase_add_test(tc, a_daemon_that_takes_no_connection);
	tcase_add_test(tc, the_service_manager_is_told);
	tcase_add_test(tc, a_service_manager_that_is_gone);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

// SPDX-License-Identifier: MIT
/* What --ublk, --nbd and the words after -- become. */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <udrv/log.h>

#include "export/nbd.h"

#include "support/fake_tree.h"
#include "support/suite.h"

static char said[512];

static void keep(void *ctx, int level, const char *line)
{
	(void)ctx;
	(void)level;
	(void)snprintf(said, sizeof(said), "%s", line);
}

static void setup(void)
{
	fake_tree_make();
	said[0] = 0;
	udrv_log_set(keep, NULL, UDRV_LOG_ERR);
}

START_TEST(addresses)
{
	static const struct {
		const char *text, *path, *host, *port;
	} table[] = {
		{"/run/x.sock", "/run/x.sock", "", ""},
		{"unix:/run/x.sock", "/run/x.sock", "", ""},
		{"/a:10809", "/a:10809", "", ""},
		{"10809", "", "", "10809"},
		{":10809", "", "", "10809"},
		{"tcp::10809", "", "", "10809"},
		{"tcp:1", "", "", "1"},
		{"localhost:65535", "", "localhost", "65535"},
		{"tcp:10.0.0.1:10809", "", "10.0.0.1", "10809"},
		{"[::1]:10809", "", "::1", "10809"},
		{"[fe80::1%eth0]:10809", "", "fe80::1%eth0", "10809"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct udrv__nbd_address a;

		ck_assert_msg(!udrv__nbd_parse(table[i].text, &a), "%s: %s", table[i].text, said);
		ck_assert_str_eq(a.path, table[i].path);
		ck_assert_str_eq(a.host, table[i].host);
		ck_assert_str_eq(a.port, table[i].port);
	}
}
END_TEST

START_TEST(a_relative_path_is_made_absolute)
{
	struct udrv__nbd_address a;
	char expected[PATH_MAX];

	ck_assert_int_eq(chdir(fake_root), 0);
	fake_path(expected, "x.sock");
	ck_assert_int_eq(udrv__nbd_parse("x.sock", &a), 0);
	ck_assert_str_eq(a.path, expected);
	ck_assert_int_eq(udrv__nbd_parse("unix:x.sock", &a), 0);
	ck_assert_str_eq(a.path, expected);
	fake_path(expected, "./1");
	ck_assert_int_eq(udrv__nbd_parse("./1", &a), 0);
	ck_assert_str_eq(a.path, expected);
}
END_TEST

START_TEST(addresses_that_make_no_sense)
{
	static const struct {
		const char *text, *why;
	} table[] = {
		{"", "no path"},
		{"unix:", "no path"},
		{"0", "not a port"},
		{"65536", "not a port"},
		{"99999999999999999999", "not a port"},
		{"localhost:", "not a port"},
		{"localhost:nbd", "not a port"},
		{"tcp:/run/x", "not a port"},
		{"::1:10809", "in brackets"},
	};
	char text[400];
	struct udrv__nbd_address a;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		ck_assert_int_eq(udrv__nbd_parse(table[i].text, &a), -EINVAL);
		ck_assert_msg(strstr(said, table[i].why), "%s: %s", table[i].text, said);
	}
	memset(text, 'h', sizeof(text));
	(void)snprintf(text + 300, sizeof(text) - 300, ":1");
	ck_assert_int_eq(udrv__nbd_parse(text, &a), -EINVAL);
	text[0] = '/';
	ck_assert_int_eq(udrv__nbd_parse(text, &a), -ENAMETOOLONG);
}
END_TEST

static int listen_at(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	ck_assert_uint_lt(strlen(path), sizeof(addr.sun_path));
	strcpy(addr.sun_path, path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	return fd;
}

START_TEST(only_a_dead_socket_is_removed)
{
	char path[PATH_MAX];
	int fd;

	fake_path(path, "sock");
	ck_assert_int_eq(udrv__nbd_clear(path), 0);
	fd = listen_at(path);
	ck_assert_int_eq(udrv__nbd_clear(path), -EADDRINUSE);
	ck_assert_ptr_nonnull(strstr(said, "somebody serves there"));
	ck_assert_int_eq(access(path, F_OK), 0);
	close(fd);
	ck_assert_int_eq(udrv__nbd_clear(path), 0);
	ck_assert_int_ne(access(path, F_OK), 0);
	fake_file("precious", "file");
	fake_path(path, "file");
	ck_assert_int_eq(udrv__nbd_clear(path), -EEXIST);
	ck_assert_str_eq(fake_text("file"), "precious");
}
END_TEST

/* The command line. */

static const char *colour = "red";
static const struct udrv_param params[] = {{"colour", &colour, "of it"}, {0}};
static const struct udrv_driver driver = {.name = "test", .params = params};

static int parse(struct udrv__run_options *o, const char *line)
{
	static char text[256];
	static char *argv[32];
	int argc = 0;

	(void)snprintf(text, sizeof(text), "%s", line);
	for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	return udrv__run_parse(&driver, argc, argv, o);
}

START_TEST(what_is_to_be_exported)
{
	struct udrv__run_options o;

	ck_assert_int_eq(parse(&o, "run model:x"), 0);
	ck_assert(!o.daemon.exports.ublk && !o.daemon.exports.nbd);
	ck_assert_int_eq(parse(&o, "run model:x --ublk"), 0);
	ck_assert(o.daemon.exports.ublk);
	ck_assert_int_eq(o.daemon.exports.ublk_id, -1);
	ck_assert_int_eq(parse(&o, "run --ublk=7 model:x colour=green"), 0);
	ck_assert_int_eq(o.daemon.exports.ublk_id, 7);
	ck_assert_str_eq(colour, "green");
	ck_assert_int_eq(parse(&o, "run model:x --ublk=-1"), -EINVAL);
	ck_assert_int_eq(parse(&o, "run model:x --ublk=2147483647"), -EINVAL);
	ck_assert_int_eq(parse(&o, "run model:x --ublk=1x"), -EINVAL);
	ck_assert_int_eq(parse(&o, "run model:x --ublk --nbd=/x"), -EINVAL);
	ck_assert_int_eq(parse(&o, "run model:x --nbd"), -EINVAL);
	ck_assert_int_eq(parse(&o, "run model:x -- --tls=on"), -EINVAL);
	ck_assert_ptr_nonnull(strstr(said, "only with --nbd"));
	ck_assert_int_eq(parse(&o, "run --nbd=/x"), -EINVAL);
	ck_assert_int_eq(parse(&o, "run model:x --nbd=/x size=1"), -EINVAL);
}
END_TEST

static void words_are(const char *line, const char *expected)
{
	struct udrv__run_options o;
	struct udrv__nbd_address a;
	char text[1024] = "";
	char **words;

	ck_assert_msg(!parse(&o, line), "%s: %s", line, said);
	ck_assert_int_eq(udrv__nbd_parse(o.daemon.exports.nbd, &a), 0);
	words = udrv__nbd_words(&o, &a, "PLUGIN", o.detach ? 5 : -1);
	for (int i = 0; words[i]; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
			       i ? " " : "", words[i]);
	free(words);
	ck_assert_str_eq(text, expected);
}

START_TEST(the_command_line_of_nbdkit)
{
	words_are("run model:x --nbd=/s",
		  "nbdkit --foreground --unix /s PLUGIN device=model:x socket=/s ready-fd=-1");
	words_are("run model:x --nbd=:1 -b model -d -v colour=blue",
		  "nbdkit --foreground --port 1 PLUGIN device=model:x backend=model verbose=1 "
		  "address=:1 ready-fd=5 colour=blue");
	words_are("run model:x --nbd=[::1]:2 -- --tls=require --filter=delay rdelay=1 wdelay=2",
		  "nbdkit --foreground --port 2 --ipaddr ::1 --tls=require --filter=delay PLUGIN "
		  "device=model:x address=[::1]:2 ready-fd=-1 rdelay=1 wdelay=2");
	words_are("run model:x --nbd=1 colour=a -- --filter delay --tls=on",
		  "nbdkit --foreground --port 1 --filter delay --tls=on PLUGIN device=model:x "
		  "address=:1 ready-fd=-1 colour=a");
	words_are("run model:x --nbd=1 --",
		  "nbdkit --foreground --port 1 PLUGIN device=model:x address=:1 ready-fd=-1");
}
END_TEST

/* A listener of a family at any free place, who is connected to it, and what it has accepted. */
static void connect_to(int family, int *listener, int *client, int *accepted)
{
	struct sockaddr_storage addr = {.ss_family = (sa_family_t)family};
	struct sockaddr *a = (struct sockaddr *)&addr;
	socklen_t len = sizeof(struct sockaddr_in6);

	if (family == AF_UNIX) {
		char path[PATH_MAX];

		fake_path(path, "nbd");
		ck_assert_uint_lt(strlen(path), sizeof(((struct sockaddr_un *)&addr)->sun_path));
		strcpy(((struct sockaddr_un *)&addr)->sun_path, path);
		len = sizeof(struct sockaddr_un);
	}
	*listener = socket(family, SOCK_STREAM, 0);
	*client = socket(family, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(*listener, a, len), 0);
	ck_assert_int_eq(listen(*listener, 1), 0);
	ck_assert_int_eq(getsockname(*listener, a, &len), 0);
	ck_assert_int_eq(connect(*client, a, len), 0);
	*accepted = accept(*listener, NULL, NULL);
	ck_assert_int_ge(*accepted, 0);
}

START_TEST(clients_are_hung_up_on_and_nobody_else)
{
	static const int families[] = {AF_UNIX, AF_INET};
	struct udrv__nbd_listeners listeners;
	int listener, client, accepted;
	static char answers[65536];
	int others[2];
	char byte;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, others), 0);
	connect_to(families[_i], &listener, &client, &accepted);
	udrv__nbd_listeners(&listeners);
	ck_assert_uint_ge(listeners.count, 1);
	udrv__nbd_hang_up(&listeners);
	ck_assert_int_eq(recv(accepted, &byte, 1, MSG_DONTWAIT), 0);
	for (unsigned int i = 0; i < 2; i++) {
		ck_assert_int_eq(recv(others[i], &byte, 1, MSG_DONTWAIT), -1);
		ck_assert_int_eq(errno, EAGAIN);
	}
	close(others[0]);
	close(others[1]);
	/* Who comes next is heard, until it is done again. */
	close(client);
	close(accepted);
	client = socket(families[_i], SOCK_STREAM, 0);
	ck_assert_int_eq(connect(client, (struct sockaddr *)&listeners.address[listeners.count - 1],
				 sizeof(struct sockaddr_un)),
			 0);
	accepted = accept(listener, NULL, NULL);
	ck_assert_int_eq(recv(accepted, &byte, 1, MSG_DONTWAIT), -1);
	/* He does not read his answers: more than the sockets keep. */
	(void)signal(SIGPIPE, SIG_IGN);
	while (send(accepted, answers, sizeof(answers), MSG_DONTWAIT) > 0)
		;
	ck_assert_int_eq(errno, EAGAIN);
	udrv__nbd_hang_up(&listeners);
	ck_assert_int_eq(recv(accepted, &byte, 1, MSG_DONTWAIT), -1);
	udrv__nbd_cut_off(&listeners);
	ck_assert_int_eq(recv(accepted, &byte, 1, MSG_DONTWAIT), 0);
	ck_assert_int_eq(send(accepted, answers, sizeof(answers), MSG_DONTWAIT), -1);
	ck_assert_int_eq(errno, EPIPE);
	close(client);
	close(accepted);
	close(listener);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nbd");
	TCase *tc = tcase_create("nbd");

	tcase_add_checked_fixture(tc, setup, fake_tree_remove);
	tcase_add_test(tc, addresses);
	tcase_add_test(tc, a_relative_path_is_made_absolute);
	tcase_add_test(tc, addresses_that_make_no_sense);
	tcase_add_test(tc, only_a_dead_socket_is_removed);
	tcase_add_test(tc, what_is_to_be_exported);
	tcase_add_test(tc, the_command_line_of_nbdkit);
	tcase_add_loop_test(tc, clients_are_hung_up_on_and_nobody_else, 0, 2);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

// SPDX-License-Identifier: MIT
/*
 * Claims of two processes that have one device by the stub: test_claimers DEVICE. And one that
 * claims and holds until its standard input ends: test_claimers DEVICE hold BACKEND NAME OFFSET
 * LEN.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/log.h>
#include <udrv/pci.h>

#define RACES 500

/* What one process asks of another, and what that answers. */
struct order {
	uint64_t offset, len; /* len 0: end */
	bool release;
	char name[32];
};

struct answer {
	int ret;
	char logged[200]; /* the last line */
};

struct process {
	pid_t pid;
	int fd;
};

static int failed;
static char last_line[200];

static void check(const char *what, bool good)
{
	printf("%s %s\n", good ? "ok" : "FAIL", what);
	failed += !good;
}

static void keep_line(void *ctx, int level, const char *line)
{
	(void)ctx;
	(void)level;
	(void)snprintf(last_line, sizeof(last_line), "%s", line);
}

/* Takes orders until there are no more. */
static int obey(const char *name, int fd)
{
	struct udrv_device *dev;
	struct answer answer = {0};
	struct order order;

	udrv_log_set(keep_line, NULL, UDRV_LOG_NOTICE);
	answer.ret = udrv_device_open(name, "stub", &dev);
	(void)snprintf(answer.logged, sizeof(answer.logged), "%s", last_line);
	if (send(fd, &answer, sizeof(answer), 0) < 0 || answer.ret)
		return 1;
	while (recv(fd, &order, sizeof(order), 0) == sizeof(order) && order.len) {
		last_line[0] = 0;
		answer.ret = 0;
		if (order.release)
			udrv_release_region(dev, 0, order.offset, order.len);
		else
			answer.ret =
				udrv_request_region(dev, 0, order.offset, order.len, order.name);
		(void)snprintf(answer.logged, sizeof(answer.logged), "%s", last_line);
		if (send(fd, &answer, sizeof(answer), 0) < 0)
			break;
	}
	udrv_device_close(dev);
	return 0;
}

static struct answer hear(const struct process *p)
{
	struct answer answer = {.ret = -EPIPE};

	if (recv(p->fd, &answer, sizeof(answer), 0) != sizeof(answer))
		answer.ret = -EPIPE;
	return answer;
}

static struct process start(const char *device)
{
	struct process p = {0};
	struct answer answer;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds))
		exit(2);
	(void)fflush(stdout);
	p.pid = fork();
	if (!p.pid) {
		close(fds[0]);
		_exit(obey(device, fds[1]));
	}
	close(fds[1]);
	p.fd = fds[0];
	answer = hear(&p);
	if (answer.ret)
		printf("cannot open: %d %s\n", answer.ret, answer.logged);
	check("the device opens beside another user", !answer.ret);
	return p;
}

static void say(const struct process *p, uint64_t offset, uint64_t len, const char *name,
		bool release)
{
	struct order order = {.offset = offset, .len = len, .release = release};

	(void)snprintf(order.name, sizeof(order.name), "%s", name);
	(void)send(p->fd, &order, sizeof(order), MSG_NOSIGNAL);
}

static struct answer claim(const struct process *p, uint64_t offset, uint64_t len, const char *name)
{
	say(p, offset, len, name, false);
	return hear(p);
}

static void release(const struct process *p, uint64_t offset, uint64_t len)
{
	say(p, offset, len, "", true);
	(void)hear(p);
}

static void end(const struct process *p, int sig)
{
	if (sig)
		(void)kill(p->pid, sig);
	else
		say(p, 0, 0, "", false);
	(void)waitpid(p->pid, NULL, 0);
	close(p->fd);
}

/* The first claims, the second is refused and told who has it. Then it is the second's turn. */
static void in_order(const struct process *first, const struct process *second, const char *what)
{
	struct answer answer;
	char expected[64];

	printf("%s\n", what);
	(void)snprintf(expected, sizeof(expected), "is claimed by holder (pid %d)", first->pid);
	check("the first has it", !claim(first, 0x100, 0x100, "holder").ret);
	answer = claim(second, 0x1ff, 0x100, "late");
	check("the second has not", answer.ret == -EBUSY);
	check("the holder is named", strstr(answer.logged, expected) != NULL);
	check("inside of it neither", claim(second, 0x180, 1, "late").ret == -EBUSY);
	check("around it neither", claim(second, 0, 0x1000, "late").ret == -EBUSY);
	check("beside it is free", !claim(second, 0x200, 0x100, "beside").ret);
	release(second, 0x200, 0x100);
	release(second, 0x100, 0x100);
	check("who has none releases none", claim(second, 0x100, 1, "late").ret == -EBUSY);
	release(first, 0x100, 0x100);
	check("given back, it is the second's", !claim(second, 0x1ff, 0x100, "late").ret);
	release(second, 0x1ff, 0x100);
}

/* Both at once: one wins, whoever. */
static void races(const struct process *a, const struct process *b)
{
	int won[3] = {0};

	for (int i = 0; i < RACES; i++) {
		const struct process *first = i % 2 ? a : b;
		const struct process *other = i % 2 ? b : a;
		int wins = 0;

		say(first, 0x300, 0x20, "race", false);
		say(other, 0x310, 0x20, "race", false);
		wins += hear(first).ret == 0;
		wins += hear(other).ret == 0;
		won[wins]++;
		release(first, 0x300, 0x20);
		release(other, 0x310, 0x20);
	}
	printf("%d races: none won %d, one %d, both %d\n", RACES, won[0], won[1], won[2]);
	check("one wins each race", won[1] == RACES);
}

static int two_processes(const char *device)
{
	struct process a = start(device);
	struct process b = start(device);

	in_order(&a, &b, "a first");
	in_order(&b, &a, "b first");
	races(&a, &b);
	check("it is claimed", !claim(&a, 0x400, 0x10, "dies").ret);
	check("and refused", claim(&b, 0x400, 0x10, "lives").ret == -EBUSY);
	end(&a, SIGKILL);
	check("a killed process has no claims", !claim(&b, 0x400, 0x10, "lives").ret);
	end(&b, 0);
	printf("%d failed\n", failed);
	return failed != 0;
}

static int hold(char **argv)
{
	struct udrv_device *dev;
	int ret = udrv_device_open(argv[0], argv[2], &dev);

	if (ret)
		return 1;
	ret = udrv_request_region(dev, 0, strtoull(argv[4], NULL, 0), strtoull(argv[5], NULL, 0),
				  argv[3]);
	printf("claimed: %d\n", ret);
	(void)fflush(stdout);
	while (!ret && getchar() != EOF)
		;
	udrv_device_close(dev);
	return ret != 0;
}

int main(int argc, char **argv)
{
	static char name[] = "test_claimers";

	udrv_log_set(udrv_log_stderr, name, UDRV_LOG_NOTICE);
	if (argc == 7 && !strcmp(argv[2], "hold"))
		return hold(argv + 1);
	if (argc == 2)
		return two_processes(argv[1]);
	(void)fprintf(stderr, "usage: test_claimers DEVICE [hold BACKEND NAME OFFSET LEN]\n");
	return 2;
}

// SPDX-License-Identifier: MIT
/*
 * serial_load BYTES A B [A B]...: BYTES from A to B and as many back, on all pairs at once; "-" for
 * B: what A sends comes back. Every byte is compared. Terminals are set to raw mode with RTS/CTS.
 * Prints one line for each direction.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define ENDS_MAX 16
#define PIECE	 4096
/* Nothing at all for so long is a loss. */
#define STALL_MS 60000

/* One end: what it sends, and what its partner sends to it. */
struct end {
	const char *name;
	uint64_t sent, received;
	uint64_t seed; /* of what it sends */
	double done;   /* when it had received all, s */
};

static uint8_t byte_at(uint64_t seed, uint64_t i)
{
	uint64_t x = (seed << 40 | i) * 0x9e3779b97f4a7c15u;

	return (uint8_t)(x >> 56 ^ x >> 29);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int open_end(const char *name)
{
	struct termios t;
	int fd = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK);

	if (fd < 0) {
		fprintf(stderr, "serial_load: %s: %s\n", name, strerror(errno));
		exit(1);
	}
	if (tcgetattr(fd, &t))
		return fd;
	cfmakeraw(&t);
	/* It leaves that as it is, and an XOFF that the other end echoes would be data here. */
	t.c_iflag &= ~(tcflag_t)(IXOFF | IXANY);
	t.c_cflag |= CRTSCTS | CREAD;
	cfsetspeed(&t, B115200);
	if (tcsetattr(fd, TCSANOW, &t)) {
		fprintf(stderr, "serial_load: %s: cannot be set: %s\n", name, strerror(errno));
		exit(1);
	}
	return fd;
}

static void fail(const struct end *e, const char *what)
{
	printf("%s: %s; sent %" PRIu64 ", received %" PRIu64 "\n", e->name, what, e->sent,
	       e->received);
	exit(1);
}

static void send_some(struct end *e, int fd, uint64_t total)
{
	uint8_t buf[PIECE];
	size_t n = total - e->sent < PIECE ? total - e->sent : PIECE;
	ssize_t ret;

	for (size_t i = 0; i < n; i++)
		buf[i] = byte_at(e->seed, e->sent + i);
	ret = write(fd, buf, n);
	if (ret < 0 && errno != EAGAIN)
		fail(e, strerror(errno));
	if (ret > 0)
		e->sent += (uint64_t)ret;
}

/* What came and what should have: whether some are missing, twice there, or changed. */
static void explain(const struct end *e, const uint8_t *buf, size_t n, uint64_t seed)
{
	printf("%s: byte %" PRIu64 " of %zu read with it:", e->name, e->received, n);
	for (size_t i = 0; i < n && i < 24; i++)
		printf(" %02x", buf[i]);
	printf("\nexpected:");
	for (uint64_t i = 0; i < 64; i++)
		printf(" %02x", byte_at(seed, e->received + i));
	printf("\n");
}

static void receive_some(struct end *e, int fd, uint64_t seed)
{
	uint8_t buf[PIECE];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n < 0 && errno != EAGAIN)
		fail(e, strerror(errno));
	for (ssize_t i = 0; i < n; i++, e->received++) {
		if (buf[i] == byte_at(seed, e->received))
			continue;
		explain(e, buf + i, (size_t)(n - i), seed);
		fail(e, "a wrong byte");
	}
}

static int run(struct end *ends, struct pollfd *fds, unsigned int count, uint64_t total)
{
	unsigned int left = 0;
	const double start = seconds();

	for (unsigned int i = 0; i < count; i++)
		left += fds[i].fd >= 0;
	while (left) {
		for (unsigned int i = 0; i < count; i++)
			fds[i].events = (short)(POLLIN | (ends[i].sent < total ? POLLOUT : 0));
		for (unsigned int i = 0; i < count; i++)
			fds[i].revents = 0;
		if (poll(fds, count, STALL_MS) <= 0)
			return -1;
		for (unsigned int i = 0; i < count; i++) {
			struct end *e = &ends[i];

			if (fds[i].revents & POLLOUT)
				send_some(e, fds[i].fd, total);
			if (fds[i].revents & (POLLIN | POLLHUP))
				receive_some(e, fds[i].fd, ends[i ^ 1].seed);
			if (e->received > total)
				fail(e, "too much");
			if (e->received == total && e->done == 0) {
				e->done = seconds() - start;
				left--;
			}
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct end ends[ENDS_MAX];
	struct pollfd fds[ENDS_MAX];
	const unsigned int count = argc > 2 ? (unsigned int)argc - 2 : 0;
	const uint64_t total = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;

	if (!total || count < 2 || count % 2 || count > ENDS_MAX) {
		fprintf(stderr, "usage: serial_load BYTES A B [A B]...\n");
		return 2;
	}
	for (unsigned int i = 0; i < count; i++) {
		ends[i] = (struct end){.name = argv[2 + i], .seed = i + 1};
		fds[i] = (struct pollfd){.fd = -1};
		if (strcmp(argv[2 + i], "-")) {
			fds[i].fd = open_end(argv[2 + i]);
			continue;
		}
		/* Sends nothing, and its partner gets what it sent itself. */
		ends[i].seed = ends[i - 1].seed;
		ends[i].done = -1;
	}
	if (run(ends, fds, count, total)) {
		for (unsigned int i = 0; i < count; i++)
			printf("%s: sent %" PRIu64 ", received %" PRIu64 "\n", ends[i].name,
			       ends[i].sent, ends[i].received);
		printf("nothing for %d s: LOST\n", STALL_MS / 1000);
		return 1;
	}
	for (unsigned int i = 0; i < count; i++)
		if (fds[i].fd >= 0)
			printf("to %s: %" PRIu64 " bytes, 0 wrong, 0 lost, %.2f s, %.0f bytes/s\n",
			       ends[i].name, ends[i].received, ends[i].done,
			       (double)total / ends[i].done);
	return 0;
}

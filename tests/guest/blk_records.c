// SPDX-License-Identifier: MIT
/*
 * Writes records to a block device and keeps a journal of those that a flush, or a write with FUA,
 * has promised to keep; verifies them, also while it writes on. The journal is a file that outlives
 * whatever serves the device.
 *
 * A record fills 512 to 16384 bytes of a slot of 16 KiB. What is in it follows from slot and pass,
 * so a record of another slot, of an earlier pass, or a part of one, is not taken for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/uio.h>
#include <unistd.h>

#define SLOT	    16384u
#define BLOCK	    512u
#define SLOTS_MAX   (1u << 20)
#define THREADS_MAX 64u
#define BATCH	    16u			 /* records between two flushes of a thread */
#define STEP	    UINT64_C(2654435761) /* from slot to slot: a prime above all counts of slots */
#define COMPLAINTS  5u

/* The journal's file. */
struct journal {
	uint64_t promises;	   /* so many so far; the slots of the latest are in order[] */
	uint32_t pass[SLOTS_MAX];  /* that is promised for the slot; 0: none */
	uint32_t order[SLOTS_MAX]; /* a ring */
};

struct record {
	uint32_t slot, pass;
};

static struct {
	struct journal *journal;
	int fd;
	uint32_t slots;
	pthread_mutex_t lock; /* for what follows, and writes to the journal */
	uint64_t next;	      /* record, counted over all passes */
	uint64_t flushes, fuas;
	uint32_t pass[SLOTS_MAX]; /* that was begun last in the slot */
} g = {.lock = PTHREAD_MUTEX_INITIALIZER};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

static void die(const char *what, int err)
{
	(void)fprintf(stderr, "blk_records: %s: %s\n", what, strerror(err));
	exit(2);
}

/* splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014 */
static uint64_t mix(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* The contents of a record; returns its length. */
static uint32_t make(unsigned char *buf, struct record rec)
{
	uint64_t state = (uint64_t)rec.pass << 32 | rec.slot;
	const uint32_t len = (uint32_t)(mix(&state) % (SLOT / BLOCK) + 1) * BLOCK;

	for (uint32_t i = 0; i < len; i += sizeof(uint64_t)) {
		const uint64_t word = mix(&state);

		memcpy(buf + i, &word, sizeof(word));
	}
	return len;
}

static uint32_t promised(uint32_t slot)
{
	return __atomic_load_n(&g.journal->pass[slot], __ATOMIC_SEQ_CST);
}

/* The next record; nothing is promised for what it writes over. */
static struct record begin(bool *fua)
{
	struct record rec;

	pthread_mutex_lock(&g.lock);
	rec.slot = (uint32_t)(g.next % g.slots * STEP % g.slots);
	rec.pass = (uint32_t)(g.next / g.slots) + 1;
	*fua = g.next % BATCH == 0;
	g.next++;
	g.pass[rec.slot] = rec.pass;
	__atomic_store_n(&g.journal->pass[rec.slot], 0, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&g.lock);
	return rec;
}

static void promise(const struct record *recs, unsigned int count, bool fua)
{
	struct journal *j = g.journal;

	pthread_mutex_lock(&g.lock);
	for (unsigned int i = 0; i < count; i++) {
		if (g.pass[recs[i].slot] != recs[i].pass)
			continue;
		j->order[j->promises % SLOTS_MAX] = recs[i].slot;
		__atomic_store_n(&j->pass[recs[i].slot], recs[i].pass, __ATOMIC_SEQ_CST);
		__atomic_store_n(&j->promises, j->promises + 1, __ATOMIC_SEQ_CST);
	}
	*(fua ? &g.fuas : &g.flushes) += 1;
	pthread_mutex_unlock(&g.lock);
}

static unsigned char *buffer(void)
{
	unsigned char *buf = aligned_alloc(4096, SLOT);

	if (!buf)
		die("memory", ENOMEM);
	return buf;
}

static void *writer(void *unused)
{
	unsigned char *buf = buffer();
	struct record recs[BATCH];
	unsigned int count = 0;

	while (!stopped) {
		bool fua;
		const struct record rec = begin(&fua);
		const struct iovec iov = {buf, make(buf, rec)};
		const off_t offset = (off_t)rec.slot * SLOT;

		if (pwritev2(g.fd, &iov, 1, offset, fua ? RWF_DSYNC : 0) != (ssize_t)iov.iov_len)
			die("write", errno);
		if (fua) {
			promise(&rec, 1, true);
			continue;
		}
		recs[count++] = rec;
		if (count < BATCH)
			continue;
		if (fdatasync(g.fd))
			die("flush", errno);
		promise(recs, count, false);
		count = 0;
	}
	free(buf);
	return unused;
}

static int write_records(unsigned int threads)
{
	const struct sigaction action = {.sa_handler = on_signal};
	pthread_t thread[THREADS_MAX];

	sigaction(SIGTERM, &action, NULL);
	for (unsigned int i = 0; i < threads; i++) {
		const int err = pthread_create(&thread[i], NULL, writer, NULL);

		if (err)
			die("thread", err);
	}
	for (unsigned int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	(void)printf("%llu records written, %llu promised, by %llu flushes and %llu FUA\n",
		     (unsigned long long)g.next, (unsigned long long)g.journal->promises,
		     (unsigned long long)g.flushes, (unsigned long long)g.fuas);
	return 0;
}

/* 1: it is there, -1: it is not, 0: nothing is promised. */
static int check(uint32_t slot, unsigned char *buf, unsigned char *wanted)
{
	const struct record rec = {slot, promised(slot)};
	uint32_t len;

	if (!rec.pass)
		return 0;
	len = make(wanted, rec);
	if (pread(g.fd, buf, len, (off_t)slot * SLOT) != (ssize_t)len)
		die("read", errno);
	if (!memcmp(buf, wanted, len))
		return 1;
	/* Written over meanwhile? */
	return promised(slot) == rec.pass ? -1 : 0;
}

/* The @latest that were promised, or all. */
static int verify(uint64_t latest)
{
	const uint64_t promises = __atomic_load_n(&g.journal->promises, __ATOMIC_SEQ_CST);
	const uint64_t have = promises < SLOTS_MAX ? promises : SLOTS_MAX;
	const uint64_t count = !latest ? g.slots : latest < have ? latest : have;
	unsigned char *buf = buffer(), *wanted = buffer();
	uint64_t right = 0, wrong = 0;

	for (uint64_t i = 0; i < count; i++) {
		const uint32_t slot =
			latest ? g.journal->order[(promises - 1 - i) % SLOTS_MAX] : (uint32_t)i;
		const int is = check(slot, buf, wanted);

		right += is > 0;
		wrong += is < 0;
		if (is < 0 && wrong <= COMPLAINTS)
			(void)printf("slot %u, at %llu: not what pass %u has written\n", slot,
				     (unsigned long long)slot * SLOT, promised(slot));
	}
	(void)printf("%llu of %llu promised: %llu right, %llu wrong\n",
		     (unsigned long long)(right + wrong), (unsigned long long)promises,
		     (unsigned long long)right, (unsigned long long)wrong);
	free(buf);
	free(wanted);
	return wrong || !right ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void open_all(const char *device, const char *journal, bool writes)
{
	const int fd = open(journal, (writes ? O_CREAT | O_TRUNC : 0) | O_RDWR | O_CLOEXEC, 0644);
	uint64_t size = 0;

	if (fd < 0 || (writes && ftruncate(fd, sizeof(*g.journal))))
		die(journal, errno);
	g.journal = mmap(NULL, sizeof(*g.journal), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (g.journal == MAP_FAILED)
		die(journal, errno);
	g.fd = open(device, (writes ? O_RDWR : O_RDONLY) | O_DIRECT | O_CLOEXEC);
	if (g.fd < 0 || ioctl(g.fd, BLKGETSIZE64, &size))
		die(device, errno);
	g.slots = (uint32_t)(size / SLOT < SLOTS_MAX ? size / SLOT : SLOTS_MAX);
	if (!g.slots)
		die(device, ENOSPC);
}

int main(int argc, char **argv)
{
	unsigned long threads = 8, latest = 0;
	bool writes;
	int c;

	while ((c = getopt(argc, argv, "d:n:")) != -1) {
		if (c == '?')
			goto usage;
		*(c == 'd' ? &threads : &latest) = strtoul(optarg, NULL, 10);
	}
	if (argc - optind != 3 || !threads || threads > THREADS_MAX)
		goto usage;
	writes = !strcmp(argv[optind], "write");
	if (!writes && strcmp(argv[optind], "verify"))
		goto usage;
	open_all(argv[optind + 1], argv[optind + 2], writes);
	return writes ? write_records((unsigned int)threads) : verify(latest);
usage:
	(void)fprintf(stderr,
		      "Usage: blk_records [-d THREADS] write DEVICE JOURNAL, until SIGTERM\n"
		      "       blk_records [-n LATEST] verify DEVICE JOURNAL\n");
	return 2;
}

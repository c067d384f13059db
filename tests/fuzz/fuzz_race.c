// SPDX-License-Identifier: MIT
/*
 * Processes of two threads each call everything with values that are right, nearly right or
 * random, and are killed in the middle of it. Errors must be those of the header, structs must be
 * as they were, and what one process has no other may get.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fuzz_race.h"

#define KILL_MS	    60 /* between two kills */
#define CLEAR_KILLS 8  /* all at once after so many, so that the device gets quiet */
#define STOP_MS	    120000

struct race_shared *race_shared;
struct race_process race_process;

/* While the device is unbound there is nothing to do but to let it come back. */
static int open_node(bool uio)
{
	struct timespec pause = {0, 2000000};
	long fd = race_check(uio ? FUZZ_UIO_OPEN : FUZZ_OPEN, fuzz_open(uio));

	if (fd >= 0)
		return (int)fd;
	nanosleep(&pause, NULL);
	return -1;
}

static void reopen(struct racer *r)
{
	bool uio = fuzz_one_in(&r->rng, 3);
	atomic_int *place = uio ? &race_process.uios[fuzz_below(&r->rng, RACE_FDS)]
				: &race_process.fds[fuzz_below(&r->rng, RACE_FDS)];
	int new = fuzz_one_in(&r->rng, 8) ? -1 : open_node(uio);
	int old = atomic_exchange(place, new);

	if (old >= 0)
		fuzz_close(old);
}

static void reopen_own(struct racer *r)
{
	race_forget_places(r);
	if (r->own >= 0)
		fuzz_close(r->own);
	r->own = open_node(false);
}

static void *race(void *arg)
{
	struct racer r = {.name = (uintptr_t)arg, .own = -1};

	r.rng.state = race_process.seed + r.name;
	while (!atomic_load(&fuzz.shared->stop)) {
		if (r.own < 0 || fuzz_one_in(&r.rng, 500))
			reopen_own(&r);
		if (fuzz_one_in(&r.rng, 16))
			reopen(&r);
		else if (fuzz_one_in(&r.rng, 4))
			race_change_maps(&r);
		else
			race_call(&r);
	}
	race_forget_places(&r);
	return NULL;
}

static _Noreturn void work(unsigned long life, uint64_t seed)
{
	pthread_t thread;

	race_process.seed = seed;
	for (int i = 0; i < RACE_FDS; i++) {
		atomic_store(&race_process.fds[i], open_node(false));
		atomic_store(&race_process.uios[i], open_node(true));
	}
	race_process.slots = mmap(NULL, (size_t)RACE_SLOTS * RACE_SLOT_PAGES * FUZZ_PAGE, PROT_NONE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	race_process.memory = mmap(NULL, RACE_PAGES * FUZZ_PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (race_process.slots == MAP_FAILED || race_process.memory == MAP_FAILED)
		fuzz_fail("no memory");
	for (uintptr_t i = 1; i < RACE_THREADS; i++)
		if (pthread_create(&thread, NULL, race, (void *)(1 + life * RACE_THREADS + i)))
			fuzz_fail("pthread_create");
	race((void *)(1 + life * RACE_THREADS));
	_exit(0);
}

struct worker {
	pid_t pid;
	unsigned long life;
};

static void start(struct worker *w, struct fuzz_rng *rng)
{
	uint64_t seed = fuzz_u64(rng);

	w->pid = fork();
	if (w->pid < 0)
		fuzz_fail("fork");
	if (w->pid == 0)
		work(w->life, seed);
}

static void doom(struct worker *w)
{
	atomic_store(&race_shared->doomed[w->life % RACE_WORKERS], (long)w->life);
	kill(w->pid, SIGKILL);
}

static void bury(struct worker *w)
{
	int status;

	if (waitpid(w->pid, &status, 0) != w->pid || !WIFSIGNALED(status) ||
	    WTERMSIG(status) != SIGKILL)
		fuzz_fail("a process ended with wait status %#x", (unsigned int)status);
	fuzz_count(FUZZ_KILL, 0);
	w->life += RACE_WORKERS;
}

static void kill_one(struct worker *w, struct fuzz_rng *rng)
{
	doom(w);
	bury(w);
	start(w, rng);
}

/* All at once: the last one's files leave the device without a user. */
static void kill_all(struct worker *workers, struct fuzz_rng *rng)
{
	for (int i = 0; i < RACE_WORKERS; i++)
		doom(&workers[i]);
	for (int i = 0; i < RACE_WORKERS; i++)
		bury(&workers[i]);
	if (fuzz.rebind)
		fuzz_disturb(rng, false);
	for (int i = 0; i < RACE_WORKERS; i++)
		start(&workers[i], rng);
}

static bool is_worker(const struct worker *workers, pid_t pid)
{
	for (int i = 0; i < RACE_WORKERS; i++)
		if (workers[i].pid == pid)
			return true;
	return false;
}

/* What a killed worker forked comes to us, and has the device open as long as it runs. */
static void await_orphans(void)
{
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static void stop(struct worker *workers)
{
	uint64_t end = fuzz_now_ms() + STOP_MS;
	struct timespec pause = {0, 10000000};
	int left = RACE_WORKERS, status;

	atomic_store(&fuzz.shared->stop, 1);
	while (left) {
		pid_t pid = waitpid(-1, &status, WNOHANG);

		bool worker = pid > 0 && is_worker(workers, pid);

		if (worker && status)
			fuzz_fail("a process ended with wait status %#x", (unsigned int)status);
		left -= worker;
		if (left && fuzz_now_ms() > end)
			fuzz_fail("a process does not end: pid %d", workers[0].pid);
		if (pid == 0)
			nanosleep(&pause, NULL);
	}
	await_orphans();
}

void fuzz_race(uint64_t seed, unsigned long count, uint64_t deadline_ms)
{
	unsigned long end = atomic_load(&fuzz.shared->calls) + count;
	struct timespec pause = {0, KILL_MS * 1000000l};
	struct worker workers[RACE_WORKERS];
	struct fuzz_rng rng = {seed};
	unsigned int kills = 0;

	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		fuzz_fail("prctl");
	race_shared = mmap(NULL, sizeof(*race_shared), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (race_shared == MAP_FAILED)
		fuzz_fail("no memory");
	for (int i = 0; i < RACE_WORKERS; i++) {
		workers[i].life = (unsigned long)i;
		atomic_store(&race_shared->doomed[i], -1);
		start(&workers[i], &rng);
	}
	while (atomic_load(&fuzz.shared->calls) < end && fuzz_now_ms() < deadline_ms &&
	       !atomic_load(&fuzz.shared->failed)) {
		nanosleep(&pause, NULL);
		if (fuzz.rebind)
			fuzz_disturb(&rng, true);
		if (++kills % CLEAR_KILLS == 0)
			kill_all(workers, &rng);
		else
			kill_one(&workers[fuzz_below(&rng, RACE_WORKERS)], &rng);
	}
	stop(workers);
}

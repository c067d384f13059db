// SPDX-License-Identifier: MIT
/* perf: threads that each keep a queue pair full, and what that comes to. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <udrv/cycles.h>
#include <udrv/ktime.h>

#include "nvme_perf.h"

#define DEPTH_DEFAULT	 32u
#define BLOCK_DEFAULT	 4096u
#define RUN_TIME_DEFAULT 10u
#define THREADS_MAX	 256u
#define NOT_GIVEN	 UINT64_MAX
#define LOOK_MS		 100 /* between looks at the clock and the caller */

static int complain(const struct perf *perf, const char *what)
{
	(void)fprintf(perf->err, "%s: %s\n", perf->verb, what);
	return -EINVAL;
}

/* --rw: order and share of reads. */
static int parse_rw(struct perf *perf)
{
	static const struct {
		const char *name;
		bool random;
		int read_percent; /* -1: as --rwmix-read says */
	} kinds[] = {
		{"randread", true, 100}, {"randwrite", true, 0}, {"read", false, 100},
		{"write", false, 0},	 {"randrw", true, -1},	 {"rw", false, -1},
	};

	for (size_t i = 0; i < NVME_COUNT(kinds); i++) {
		if (strcmp(kinds[i].name, perf->o.rw) != 0)
			continue;
		perf->random = kinds[i].random;
		if (kinds[i].read_percent >= 0)
			perf->o.read_percent = (uint64_t)kinds[i].read_percent;
		return 0;
	}
	return complain(perf, "--rw is randread, randwrite, randrw, read, write or rw");
}

static int parse_completion(struct perf *perf)
{
	static const char *const names[] = {"interrupt", "polled", "adaptive"};

	for (unsigned int i = 0; i < NVME_COUNT(names); i++) {
		if (!strcmp(names[i], perf->o.completion)) {
			perf->how = (enum udrv_nvme_completion)i;
			return 0;
		}
	}
	return complain(perf, "--completion is polled, interrupt or adaptive");
}

static int parse(struct perf *perf, int argc, char **argv)
{
	struct perf_options *o = &perf->o;
	const struct nvme_arg args[] = {
		NVME_NUMBER('n', "namespace-id", &o->nsid, NVME_NSID_MAX,
			    "the namespace; the first there is"),
		NVME_NUMBER('q', "queue-depth", &o->depth, 65535, "I/Os in flight of a thread; 32"),
		NVME_NUMBER('b', "block-size", &o->block_size, 1u << 30, "bytes of an I/O; 4096"),
		NVME_TEXT('w', "rw", &o->rw, "HOW",
			  "randread (the default), randwrite, randrw, read, write or rw"),
		NVME_NUMBER('M', "rwmix-read", &o->read_percent, 100,
			    "percent of reads of randrw and rw; 50"),
		NVME_NUMBER('T', "threads", &o->threads, THREADS_MAX, "with a queue each; 1"),
		NVME_NUMBER('t', "run-time", &o->run_time, UINT32_MAX,
			    "seconds; 10, or without end with --io-count"),
		NVME_NUMBER('c', "io-count", &o->io_count, NOT_GIVEN - 1,
			    "end after so many I/Os of all threads together"),
		NVME_TEXT('p', "completion", &o->completion, "HOW",
			  "polled (the default), interrupt or adaptive"),
		NVME_FLAG('v', "verify", &o->verify,
			  "write what follows from the block's number, and check what is read"),
		NVME_FLAG(0, "force", &o->force, "needed where it writes: what is there is lost"),
		NVME_FLAG(0, "json", &o->json, "the result as JSON, without progress"),
		NVME_TEXT('o', "output-format", &o->output, "FORMAT", "normal or json"),
	};
	int ret = nvme_args_parse(argc, argv, args, NVME_COUNT(args), perf->err);

	if (!ret)
		ret = parse_rw(perf);
	if (!ret)
		ret = parse_completion(perf);
	if (ret)
		return ret;
	if (o->output && strcmp(o->output, "json") != 0 && strcmp(o->output, "normal") != 0)
		return complain(perf, "--output-format is normal or json");
	o->json |= o->output && !strcmp(o->output, "json");
	if (!o->depth || !o->threads || !o->block_size || !o->run_time || !o->io_count)
		return complain(perf, "--queue-depth, --threads, --block-size, --run-time and "
				      "--io-count begin at 1");
	if (o->run_time == NOT_GIVEN)
		o->run_time = o->io_count == NOT_GIVEN ? RUN_TIME_DEFAULT : 0;
	if (o->io_count == NOT_GIVEN)
		o->io_count = 0;
	if (o->read_percent < 100 && !o->force)
		return complain(perf, "this overwrites the namespace's data: say --force");
	return 0;
}

/* Are there the queues, and do they have the entries? */
static int fit_queues(const struct perf *perf)
{
	const struct perf_options *o = &perf->o;
	struct udrv_nvme_info info;

	udrv_nvme_get_info(perf->nvme, &info);
	if (o->depth >= info.queue_entries) {
		(void)fprintf(
			perf->err,
			"%s: --queue-depth is at most %u, as a queue has %u entries here; for "
			"more at a time say --threads\n",
			perf->verb, info.queue_entries - 1, info.queue_entries);
		return -EINVAL;
	}
	if (o->threads + info.queues_made > info.queues) {
		(void)fprintf(perf->err,
			      "%s: --threads takes an I/O queue each, and of the %u that there are "
			      "%u are in use; for more start the driver with queues=\n",
			      perf->verb, info.queues, info.queues_made);
		return -EINVAL;
	}
	return 0;
}

/* Against what the namespace and the controller can. */
static int fit(struct perf *perf)
{
	const struct perf_options *o = &perf->o;
	size_t block, most;
	int ret;

	perf->ns = nvme_verb_ns(perf->nvme, o->nsid, perf->verb, perf->err);
	if (!perf->ns)
		return -ENXIO;
	block = nvme_verb_block_bytes(perf->ns);
	if (!perf->ns->usable)
		return complain(perf, "the namespace needs a metadata buffer: not with this verb");
	most = block * udrv_nvme_ns_max_blocks(perf->ns);
	if (o->block_size % block || o->block_size > most) {
		(void)fprintf(perf->err, "%s: --block-size is a multiple of %zu, at most %zu\n",
			      perf->verb, block, most);
		return -EINVAL;
	}
	ret = fit_queues(perf);
	if (ret)
		return ret;
	perf->blocks = (uint32_t)(o->block_size / block);
	perf->units = udrv_nvme_ns_blocks(perf->ns) / perf->blocks;
	if (perf->units < o->threads)
		return complain(perf, "the namespace is too small for this");
	return 0;
}

/* I/Os that have ended so far. */
static uint64_t done(const struct perf *perf)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < perf->o.threads; i++)
		sum += __atomic_load_n(&perf->thread[i].done, __ATOMIC_RELAXED);
	return sum;
}

/* Until the threads have ended, or a while. Are there any left? */
static bool look(struct perf *perf)
{
	struct timespec until;
	bool running;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += LOOK_MS * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	pthread_mutex_lock(&perf->lock);
	if (perf->running)
		(void)pthread_cond_timedwait(&perf->ended, &perf->lock, &until);
	running = perf->running;
	pthread_mutex_unlock(&perf->lock);
	return running;
}

/* While the threads run: progress, the end of the time, callers that leave. */
static int watch(struct perf *perf)
{
	const udrv_ktime_t start = udrv_ktime_get();
	udrv_ktime_t shown = start;
	uint64_t shown_done = 0;
	int ret = 0;

	while (look(perf)) {
		udrv_ktime_t now = udrv_ktime_get();
		uint64_t now_done = done(perf);

		if (udrv_verb_cancelled())
			ret = -ECANCELED;
		if (ret ||
		    (perf->o.run_time &&
		     (uint64_t)udrv_ktime_us_delta(now, start) / 1000000 >= perf->o.run_time))
			__atomic_store_n(&perf->stop, true, __ATOMIC_RELAXED);
		if (now - shown < UDRV_NSEC_PER_SEC || perf->o.json)
			continue;
		perf_print_progress(perf, (unsigned int)((now - start) / UDRV_NSEC_PER_SEC),
				    (double)(now_done - shown_done) * 1e9 / (double)(now - shown));
		shown = now;
		shown_done = now_done;
	}
	return ret;
}

/* Start the threads, wait for them; 0 or -errno after a line. */
static int run_threads(struct perf *perf)
{
	uint64_t cycles = udrv_get_cycles();
	udrv_ktime_t start = udrv_ktime_get();
	uint64_t started = 0;
	int ret = 0, watched;

	while (started < perf->o.threads && !ret) {
		struct perf_thread *t = &perf->thread[started];

		pthread_mutex_lock(&perf->lock);
		perf->running++;
		pthread_mutex_unlock(&perf->lock);
		ret = -pthread_create(&t->id, NULL, perf_thread_run, t);
		if (!ret) {
			started++;
			continue;
		}
		__atomic_store_n(&perf->stop, true, __ATOMIC_RELAXED);
		pthread_mutex_lock(&perf->lock);
		perf->running--;
		pthread_mutex_unlock(&perf->lock);
	}
	watched = watch(perf);
	for (uint64_t i = 0; i < started; i++)
		pthread_join(perf->thread[i].id, NULL);
	perf->seconds = (double)(udrv_ktime_get() - start) / 1e9;
	cycles = udrv_get_cycles() - cycles;
	perf->ns_per_cycle = cycles ? perf->seconds * 1e9 / (double)cycles : 0;
	if (ret)
		(void)fprintf(perf->err, "%s: cannot start thread %" PRIu64 ": %s\n", perf->verb,
			      started + 1, strerror(-ret));
	return ret ? ret : nvme_verb_failed(watched, perf->verb, perf->err);
}

/* What ended it too early, after a line. */
static int verdict(const struct perf *perf)
{
	for (uint64_t i = 0; i < perf->o.threads; i++)
		if (perf->thread[i].error)
			return nvme_verb_io_failed(perf->thread[i].error, perf->verb, perf->err);
	for (uint64_t i = 0; i < perf->o.threads; i++) {
		if (!perf->thread[i].mismatches)
			continue;
		(void)fprintf(perf->err, "%s: data is not what perf --verify writes\n", perf->verb);
		return -EILSEQ;
	}
	return 0;
}

/* What they need before they start; 0 or -errno after a line. */
static int init_threads(struct perf *perf)
{
	const struct perf_options *o = &perf->o;
	int ret = 0;

	for (unsigned int i = 0; i < o->threads; i++)
		perf->thread[i].perf = perf;
	for (unsigned int i = 0; i < o->threads && !ret; i++)
		ret = perf_thread_init(&perf->thread[i], perf, i);
	if (ret != -ENOMEM)
		return nvme_verb_failed(ret, perf->verb, perf->err);
	(void)fprintf(perf->err,
		      "%s: there is no memory for %" PRIu64 " buffers of %" PRIu64
		      " bytes: lower --queue-depth, --threads or --block-size\n",
		      perf->verb, o->threads * o->depth, o->block_size);
	return ret;
}

static int run(struct perf *perf)
{
	int ret;

	perf->thread = calloc(perf->o.threads, sizeof(*perf->thread));
	if (!perf->thread)
		return nvme_verb_failed(-ENOMEM, perf->verb, perf->err);
	ret = init_threads(perf);
	if (!ret && !perf->o.json)
		perf_print_head(perf);
	if (!ret)
		ret = run_threads(perf);
	if (!ret) {
		perf_report(perf);
		ret = verdict(perf);
	}
	for (unsigned int i = 0; i < perf->o.threads; i++)
		perf_thread_free(&perf->thread[i]);
	free(perf->thread);
	return ret;
}

NVME_VERB(perf)
{
	struct perf perf = {
		.o = {.depth = DEPTH_DEFAULT,
		      .block_size = BLOCK_DEFAULT,
		      .read_percent = 50,
		      .threads = 1,
		      .run_time = NOT_GIVEN,
		      .io_count = NOT_GIVEN,
		      .rw = "randread",
		      .completion = "polled"},
		.verb = argv[0],
		.out = out,
		.err = err,
		.dev = dev,
		.nvme = nvme_verb_nvme(dev),
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	pthread_condattr_t attr;
	int ret = parse(&perf, argc, argv);

	if (!ret)
		ret = fit(&perf);
	if (ret)
		return ret;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&perf.ended, &attr);
	pthread_condattr_destroy(&attr);
	ret = run(&perf);
	pthread_cond_destroy(&perf.ended);
	return ret;
}

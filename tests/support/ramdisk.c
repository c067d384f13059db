// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <udrv/container_of.h>
#include <udrv/log.h>

#include "support/ramdisk.h"

#define PAGE	      4096u
#define NS_PER_SECOND UINT64_C(1000000000)
#define MAX_DISCARD   (32u << 20)
#define MAX_ZEROES    (16u << 20)

/* Linked by driver[0]; driver[1] is when it is due, driver[2] its result. */
struct list {
	struct udrv_block_request *first, *last;
};

struct queue {
	struct ramdisk *disk;
	struct list taken; /* the owner's: not committed */
	int efd;
	bool threaded;
	pthread_t thread;

	pthread_mutex_t lock;
	pthread_cond_t more;
	struct list todo, done;
	unsigned int in_flight;
	bool armed, stop;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

static struct udrv_block_request *next_of(const struct udrv_block_request *rq)
{
	return (struct udrv_block_request *)rq->driver[0];
}

static void append(struct list *l, struct udrv_block_request *rq)
{
	rq->driver[0] = 0;
	if (l->last)
		l->last->driver[0] = (uintptr_t)rq;
	else
		l->first = rq;
	l->last = rq;
}

static struct udrv_block_request *take_first(struct list *l)
{
	struct udrv_block_request *rq = l->first;

	if (rq) {
		l->first = next_of(rq);
		if (!l->first)
			l->last = NULL;
	}
	return rq;
}

/* The medium. */

static void mark(struct ramdisk *d, uint64_t offset, uint64_t len)
{
	for (uint64_t page = offset / PAGE; page <= (offset + len - 1) / PAGE; page++)
		__atomic_or_fetch(&d->dirty[page / 64], UINT64_C(1) << page % 64, __ATOMIC_RELEASE);
}

static void keep_page(struct ramdisk *d, uint64_t page)
{
	uint64_t offset = page * PAGE;
	uint64_t len = d->o.size - offset < PAGE ? d->o.size - offset : PAGE;

	memcpy(d->kept + offset, d->live + offset, len);
}

/* What was written before gets to the file: a later write may come with it. */
static void flush(struct ramdisk *d)
{
	const uint64_t words = (d->o.size / PAGE + 64) / 64;

	__atomic_add_fetch(&d->flushes, 1, __ATOMIC_RELAXED);
	if (d->live == d->kept)
		return;
	pthread_mutex_lock(&d->flushing);
	for (uint64_t i = 0; i < words; i++) {
		uint64_t bits = __atomic_exchange_n(&d->dirty[i], 0, __ATOMIC_ACQ_REL);

		for (; bits; bits &= bits - 1)
			keep_page(d, i * 64 + (uint64_t)__builtin_ctzll(bits));
	}
	pthread_mutex_unlock(&d->flushing);
}

static void written(struct ramdisk *d, const struct udrv_block_request *rq)
{
	if (d->live == d->kept)
		return;
	if (rq->flags & UDRV_BLOCK_FUA)
		memcpy(d->kept + rq->offset, d->live + rq->offset, rq->len);
	else
		mark(d, rq->offset, rq->len);
}

static int execute(struct ramdisk *d, const struct udrv_block_request *rq)
{
	unsigned long n = __atomic_add_fetch(&d->requests, 1, __ATOMIC_RELAXED);

	if (d->o.gone_after && n >= d->o.gone_after)
		return -ENODEV;
	if (d->o.fail_every && n % d->o.fail_every == 0)
		return -EIO;
	switch (rq->op) {
	case UDRV_BLOCK_READ:
		memcpy(rq->buf, d->live + rq->offset, rq->len);
		return 0;
	case UDRV_BLOCK_WRITE:
		memcpy(d->live + rq->offset, rq->buf, rq->len);
		written(d, rq);
		return 0;
	case UDRV_BLOCK_DISCARD:
	case UDRV_BLOCK_WRITE_ZEROES:
		memset(d->live + rq->offset, 0, rq->len);
		written(d, rq);
		return 0;
	case UDRV_BLOCK_FLUSH:
		flush(d);
		return 0;
	}
	return -EOPNOTSUPP;
}

/* A queue. */

static void finish(struct queue *q, struct udrv_block_request *rq)
{
	rq->driver[2] = (uintptr_t)(intptr_t)execute(q->disk, rq);
	pthread_mutex_lock(&q->lock);
	append(&q->done, rq);
	if (q->armed) {
		q->armed = false;
		(void)eventfd_write(q->efd, 1);
	}
	pthread_mutex_unlock(&q->lock);
}

static void sleep_until(uint64_t ns)
{
	struct timespec ts = {.tv_sec = (time_t)(ns / NS_PER_SECOND),
			      .tv_nsec = (long)(ns % NS_PER_SECOND)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static void *work(void *arg)
{
	struct queue *q = arg;
	struct udrv_block_request *rq;

	for (;;) {
		pthread_mutex_lock(&q->lock);
		while (!q->todo.first && !q->stop)
			pthread_cond_wait(&q->more, &q->lock);
		rq = take_first(&q->todo);
		pthread_mutex_unlock(&q->lock);
		if (!rq)
			return NULL;
		sleep_until(rq->driver[1]);
		finish(q, rq);
	}
}

static int queue_open(struct udrv_block *block, unsigned int index, void **queue_out)
{
	struct ramdisk *d = block->driver;
	struct queue *q;

	if (index >= d->o.queues)
		return -EINVAL;
	q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	q->disk = d;
	q->efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->efd < 0) {
		free(q);
		return -EMFILE;
	}
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->more, NULL);
	q->threaded = d->o.latency_us;
	if (q->threaded && pthread_create(&q->thread, NULL, work, q)) {
		close(q->efd);
		free(q);
		return -EAGAIN;
	}
	__atomic_add_fetch(&d->open_queues, 1, __ATOMIC_RELAXED);
	*queue_out = q;
	return 0;
}

static void queue_close(void *queue)
{
	struct queue *q = queue;

	pthread_mutex_lock(&q->lock);
	if (q->in_flight)
		udrv_pr_err("ramdisk: a queue is closed with %u requests in it", q->in_flight);
	q->stop = true;
	pthread_cond_signal(&q->more);
	pthread_mutex_unlock(&q->lock);
	if (q->threaded)
		pthread_join(q->thread, NULL);
	__atomic_sub_fetch(&q->disk->open_queues, 1, __ATOMIC_RELAXED);
	close(q->efd);
	free(q);
}

static uint32_t most_of(const struct udrv_block_limits *l, enum udrv_block_op op)
{
	switch (op) {
	case UDRV_BLOCK_READ:
		return l->max_transfer;
	case UDRV_BLOCK_WRITE:
		return l->read_only ? 0 : l->max_transfer;
	case UDRV_BLOCK_DISCARD:
		return l->max_discard;
	case UDRV_BLOCK_WRITE_ZEROES:
		return l->max_write_zeroes;
	case UDRV_BLOCK_FLUSH:
		break;
	}
	return 0;
}

/* As the contract says; a device would do something terrible. */
static bool is_allowed(const struct udrv_block_limits *l, const struct udrv_block_request *rq)
{
	const uint32_t block = l->logical_block_size;

	if (rq->flags & UDRV_BLOCK_FUA && !l->fua)
		return false;
	if (rq->op == UDRV_BLOCK_FLUSH)
		return !rq->len;
	return rq->len && rq->len % block == 0 && rq->offset % block == 0 &&
	       rq->len <= most_of(l, rq->op) && rq->offset <= l->size &&
	       rq->len <= l->size - rq->offset;
}

static int queue_rq(void *queue, struct udrv_block_request *rq)
{
	struct queue *q = queue;

	if (!is_allowed(&q->disk->block.limits, rq)) {
		udrv_pr_err("ramdisk: op %d, flags %x, %u bytes at %llu: not allowed", rq->op,
			    rq->flags, rq->len, (unsigned long long)rq->offset);
		return -EINVAL;
	}
	if (q->in_flight == q->disk->o.depth)
		return -EAGAIN;
	q->in_flight++;
	rq->driver[1] = now_ns() + q->disk->o.latency_us * UINT64_C(1000);
	append(&q->taken, rq);
	return 0;
}

static void commit_rqs(void *queue)
{
	struct queue *q = queue;
	struct udrv_block_request *rq;

	while ((rq = take_first(&q->taken))) {
		if (!q->threaded) {
			finish(q, rq);
			continue;
		}
		pthread_mutex_lock(&q->lock);
		append(&q->todo, rq);
		pthread_cond_signal(&q->more);
		pthread_mutex_unlock(&q->lock);
	}
}

static int poll_queue(void *queue)
{
	struct queue *q = queue;
	struct udrv_block_request *rq;
	struct list done;
	int n = 0;

	pthread_mutex_lock(&q->lock);
	done = q->done;
	q->done = (struct list){0};
	pthread_mutex_unlock(&q->lock);
	while ((rq = take_first(&done))) {
		q->in_flight--;
		rq->done(rq, (int)(intptr_t)rq->driver[2]);
		n++;
	}
	return n;
}

static int event_fd(void *queue)
{
	const struct queue *q = queue;

	return q->disk->o.no_event ? -EOPNOTSUPP : q->efd;
}

static bool event_arm(void *queue)
{
	struct queue *q = queue;
	eventfd_t before;
	bool ready;

	/* What it was readable for has been polled. */
	(void)eventfd_read(q->efd, &before);
	pthread_mutex_lock(&q->lock);
	ready = q->done.first;
	q->armed = !ready;
	pthread_mutex_unlock(&q->lock);
	return ready;
}

static const struct udrv_block_ops ops = {
	.queue_open = queue_open,
	.queue_close = queue_close,
	.queue_rq = queue_rq,
	.commit_rqs = commit_rqs,
	.poll = poll_queue,
	.event_fd = event_fd,
	.event_arm = event_arm,
};

/* Made if it is missing, and made longer if it is short. */
static void *map_file(const char *path, uint64_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *map = MAP_FAILED;

	if (fd < 0)
		return map;
	if (lseek(fd, 0, SEEK_END) >= (off_t)size || !ftruncate(fd, (off_t)size))
		map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return map;
}

static void *map_memory(uint64_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static int map_medium(struct ramdisk *d)
{
	const struct ramdisk_options *o = &d->o;

	d->kept = o->file ? map_file(o->file, o->size) : map_memory(o->size);
	if (d->kept == MAP_FAILED)
		return -errno;
	d->live = d->kept;
	if (!o->cache || !o->file)
		return 0;
	d->dirty = calloc((o->size / PAGE + 64) / 64, sizeof(*d->dirty));
	d->live = map_memory(o->size);
	if (!d->dirty || d->live == MAP_FAILED) {
		munmap(d->kept, o->size);
		free(d->dirty);
		return -ENOMEM;
	}
	memcpy(d->live, d->kept, o->size);
	return 0;
}

int ramdisk_init(struct ramdisk *disk, struct udrv_device *dev, const char *name,
		 const struct ramdisk_options *options)
{
	const struct ramdisk_options *o = &disk->o;

	*disk = (struct ramdisk){.o = *options, .flushing = PTHREAD_MUTEX_INITIALIZER};
	disk->block = (struct udrv_block){.dev = dev, .ops = &ops, .driver = disk};
	disk->block.limits = (struct udrv_block_limits){
		.size = o->size,
		.logical_block_size = o->block_size,
		.physical_block_size = o->block_size > PAGE ? o->block_size : PAGE,
		.io_min = PAGE,
		.io_opt = o->max_transfer,
		.max_transfer = o->max_transfer,
		.max_discard = o->no_discard ? 0 : MAX_DISCARD,
		.discard_granularity = o->no_discard ? 0 : PAGE,
		.max_write_zeroes = o->no_discard ? 0 : MAX_ZEROES,
		.write_cache = o->cache,
		.fua = o->fua,
		.read_only = o->read_only,
		.max_queues = o->queues,
		.queue_depth = o->depth,
	};
	(void)snprintf(disk->block.name, sizeof(disk->block.name), "%s", name);
	(void)snprintf(disk->block.serial, sizeof(disk->block.serial), "RAM-%s", name);
	return map_medium(disk);
}

void ramdisk_free(struct ramdisk *disk)
{
	if (disk->live != disk->kept)
		munmap(disk->live, disk->o.size);
	munmap(disk->kept, disk->o.size);
	free(disk->dirty);
}

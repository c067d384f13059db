// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fio's I/O by the NVMe library: an external engine of fio, whose headers it is built with.
 *
 * fio --ioengine=external:PATH/udrv-fio.so --filename='0000\:01\:00.0' ...: a job is a thread with
 * a queue pair of its own; jobs on the same controller share it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/log.h>

#include "nvme.h"

#include <fio.h>
#include <optgroup.h>

struct options {
	void *pad; /* fio's */
	char *backend;
	unsigned int nsid, completion;
};

struct controller {
	char *name;
	struct udrv_device *dev;
	struct udrv_nvme *nvme;
	unsigned int jobs;
	struct controller *next;
};

struct job {
	struct controller *ctrl;
	const struct udrv_nvme_ns *ns;
	struct udrv_nvme_queue *q;
	udrv_iova_t memory_iova;
	size_t memory;
	/* A ring of what has ended; fio has been told the first ones. */
	struct io_u **ended;
	unsigned int entries, first, last, told;
	/* What was put and is not submitted. */
	struct io_u **unsent;
	unsigned int unsent_count;
};

static pthread_mutex_t controllers_lock = PTHREAD_MUTEX_INITIALIZER;
static struct controller *controllers;

static void log_line(void *ctx, int level, const char *line)
{
	(void)ctx;
	(void)level;
	log_err("udrv: %s\n", line);
}

static void close_controller(struct controller *ctrl)
{
	udrv_nvme_detach(ctrl->nvme);
	udrv_device_close(ctrl->dev);
	free(ctrl->name);
	free(ctrl);
}

/* NULL: it has been said why. */
static struct controller *open_controller(const char *name, const char *backend)
{
	const struct udrv_nvme_options options = {.queues = thread_number};
	struct controller *ctrl = calloc(1, sizeof(*ctrl));
	int ret = -ENOMEM;

	if (!ctrl)
		return NULL;
	ctrl->name = strdup(name);
	if (ctrl->name)
		ret = udrv_device_open(name, backend, &ctrl->dev);
	if (!ret)
		ret = udrv_nvme_attach(ctrl->dev, &options, &ctrl->nvme);
	if (!ret)
		return ctrl;
	close_controller(ctrl);
	return NULL;
}

static struct controller *add_controller(const char *name, const char *backend)
{
	struct controller *ctrl;

	udrv_log_set(log_line, NULL, UDRV_LOG_WARNING);
	ctrl = open_controller(name, backend);
	if (ctrl) {
		ctrl->next = controllers;
		controllers = ctrl;
	}
	return ctrl;
}

static struct controller *get_controller(const char *name, const char *backend)
{
	struct controller *ctrl;

	pthread_mutex_lock(&controllers_lock);
	for (ctrl = controllers; ctrl && strcmp(ctrl->name, name) != 0; ctrl = ctrl->next)
		;
	if (!ctrl) {
		ctrl = add_controller(name, backend);
	} else if (backend && strcmp(backend, udrv_device_backend(ctrl->dev)) != 0) {
		log_err("udrv: %s: another job has it by backend %s\n", name,
			udrv_device_backend(ctrl->dev));
		ctrl = NULL;
	}
	if (ctrl)
		ctrl->jobs++;
	pthread_mutex_unlock(&controllers_lock);
	return ctrl;
}

static void put_controller(struct controller *ctrl)
{
	struct controller **at = &controllers;

	if (!ctrl)
		return;
	pthread_mutex_lock(&controllers_lock);
	if (!--ctrl->jobs) {
		while (*at != ctrl)
			at = &(*at)->next;
		*at = ctrl->next;
		close_controller(ctrl);
	}
	pthread_mutex_unlock(&controllers_lock);
}

static void cleanup(struct thread_data *td)
{
	struct job *job = td->io_ops_data;

	if (!job)
		return;
	udrv_nvme_queue_destroy(job->q);
	put_controller(job->ctrl);
	free(job->ended);
	free(job->unsent);
	free(job);
	td->io_ops_data = NULL;
}

/* False: it has been said what cannot be with this namespace. */
static bool fits(struct thread_data *td, const struct udrv_nvme_ns *ns)
{
	const char *name = td->files[0]->file_name;
	const unsigned long long block = 1ull << ns->block_shift;
	const unsigned long long most = block * udrv_nvme_ns_max_blocks(ns);
	const bool large = (td_read(td) && td->o.max_bs[DDIR_READ] > most) ||
			   (td_write(td) && td->o.max_bs[DDIR_WRITE] > most);

	if (!ns->usable) {
		log_err("udrv: namespace %u of %s needs a metadata buffer, which fio has not\n",
			ns->nsid, name);
		return false;
	}
	if (large || td_min_bs(td) % block) {
		log_err("udrv: %s: block sizes are multiples of %llu, at most %llu\n", name, block,
			most);
		return false;
	}
	return true;
}

/* False: it has been said why not. */
static bool open_job(struct thread_data *td, struct job *job)
{
	const struct options *o = td->eo;
	struct fio_file *f = td->files[0];

	job->ctrl = get_controller(f->file_name, o->backend);
	if (!job->ctrl)
		return false;
	job->ns = udrv_nvme_ns(job->ctrl->nvme, o->nsid);
	if (!job->ns) {
		log_err("udrv: %s has no namespace %u\n", f->file_name, o->nsid);
		return false;
	}
	return fits(td, job->ns);
}

/* Before any thread: the size of what is read and written. */
static int setup(struct thread_data *td)
{
	struct fio_file *f;
	struct job *job;

	if (td->files_index != 1) {
		log_err("udrv: a job has one filename: '0000\\:01\\:00.0', or 'model\\:nvme'\n");
		return 1;
	}
	job = calloc(1, sizeof(*job));
	if (!job)
		return 1;
	/* A process that was forked has neither the device nor the library's threads. */
	td->o.use_thread = 1;
	td->io_ops_data = job;
	if (!open_job(td, job)) {
		cleanup(td);
		return 1;
	}
	f = td->files[0];
	f->filetype = FIO_TYPE_BLOCK;
	f->real_file_size = udrv_nvme_ns_blocks(job->ns) << job->ns->block_shift;
	fio_file_set_size_known(f);
	return 0;
}

/* A power of two, so that counts may wrap; 0: there is none. */
static unsigned int entries_for(unsigned int depth)
{
	unsigned int entries = 4;

	while (entries && entries <= depth)
		entries *= 2;
	return entries;
}

/* In the job's thread. */
static int init(struct thread_data *td)
{
	const struct options *o = td->eo;
	struct job *job = td->io_ops_data;
	const struct udrv_nvme_queue_options options = {
		.entries = entries_for(td->o.iodepth),
		.completion = (enum udrv_nvme_completion)o->completion,
	};
	struct udrv_nvme_info info;
	int ret;

	if (!job || !options.entries) {
		log_err(job ? "udrv: iodepth is too large\n"
			    : "udrv: not with create_serialize=0\n");
		return EINVAL;
	}
	job->entries = options.entries;
	job->ended = calloc(job->entries, sizeof(struct io_u *));
	job->unsent = calloc(job->entries, sizeof(struct io_u *));
	if (!job->ended || !job->unsent)
		return ENOMEM;
	ret = udrv_nvme_queue_create(job->ctrl->nvme, &options, &job->q);
	if (!ret)
		return 0;
	udrv_nvme_get_info(job->ctrl->nvme, &info);
	log_err("udrv: no queue of %u entries: %s; the controller has %u queues of up to %u\n",
		options.entries, strerror(-ret), info.queues, info.queue_entries);
	return -ret;
}

static void done(void *ctx, uint32_t status, uint32_t dw0)
{
	struct io_u *io_u = ctx;
	struct job *job = io_u->engine_data;

	(void)dw0;
	io_u->error = (unsigned int)-udrv_nvme_errno(status);
	job->ended[job->last++ % job->entries] = io_u;
}

static int put_trim(struct job *job, struct io_u *io_u, uint64_t lba, uint64_t blocks)
{
	const struct nvme_dsm_range range = {.nlb = (uint32_t)blocks, .slba = lba};

	if (blocks > UINT32_MAX)
		return -EMSGSIZE;
	return udrv_nvme_deallocate(job->q, job->ns, &range, 1, done, io_u);
}

static int put(struct job *job, struct io_u *io_u)
{
	const unsigned int shift = job->ns->block_shift;
	const uint64_t lba = io_u->offset >> shift, blocks = io_u->xfer_buflen >> shift;

	if (ddir_sync(io_u->ddir))
		return udrv_nvme_flush(job->q, job->ns, done, io_u);
	if ((io_u->offset | io_u->xfer_buflen) & ((1ull << shift) - 1))
		return -EINVAL;
	switch (io_u->ddir) {
	case DDIR_READ:
		return udrv_nvme_read(job->q, job->ns, io_u->xfer_buf, lba, (uint32_t)blocks, 0,
				      done, io_u);
	case DDIR_WRITE:
		return udrv_nvme_write(job->q, job->ns, io_u->xfer_buf, lba, (uint32_t)blocks, 0,
				       done, io_u);
	case DDIR_TRIM:
		return put_trim(job, io_u, lba, blocks);
	default:
		return -EOPNOTSUPP;
	}
}

static enum fio_q_status queue(struct thread_data *td, struct io_u *io_u)
{
	struct job *job = td->io_ops_data;
	int ret;

	fio_ro_check(td, io_u);
	io_u->engine_data = job;
	ret = put(job, io_u);
	if (!ret) {
		job->unsent[job->unsent_count++] = io_u;
		return FIO_Q_QUEUED;
	}
	if (ret == -EAGAIN)
		return FIO_Q_BUSY;
	io_u->error = (unsigned int)-ret;
	return FIO_Q_COMPLETED;
}

/* When they were issued: fio itself would look at the clock after the doorbell. */
static void stamp(struct thread_data *td, struct job *job)
{
	struct timespec now;

	if (!fio_fill_issue_time(td))
		return;
	fio_gettime(&now, NULL);
	for (unsigned int i = 0; i < job->unsent_count; i++) {
		job->unsent[i]->issue_time = now;
		io_u_queued(td, job->unsent[i]);
	}
	if (td->o.read_iolog_file)
		td->last_issue = now;
}

/* One doorbell for what was put since the last one. */
static int commit(struct thread_data *td)
{
	struct job *job = td->io_ops_data;

	stamp(td, job);
	job->unsent_count = 0;
	udrv_nvme_submit(job->q);
	return 0;
}

static int getevents(struct thread_data *td, unsigned int min, unsigned int max,
		     const struct timespec *t)
{
	const int timeout_ms = t ? (int)(t->tv_sec * 1000 + t->tv_nsec / 1000000) : -1;
	struct job *job = td->io_ops_data;
	unsigned int called = 1;

	job->first += job->told;
	if (job->unsent_count)
		(void)commit(td);
	if (!min)
		(void)udrv_nvme_poll(job->q, 0);
	while (job->last - job->first < min && called)
		called = udrv_nvme_wait(job->q, timeout_ms);
	job->told = job->last - job->first < max ? job->last - job->first : max;
	return (int)job->told;
}

static struct io_u *event(struct thread_data *td, int number)
{
	const struct job *job = td->io_ops_data;

	return job->ended[(job->first + (unsigned int)number) % job->entries];
}

/* The controller's, so that no call has to look for it. */
static int iomem_alloc(struct thread_data *td, size_t bytes)
{
	struct job *job = td->io_ops_data;

	td->orig_buffer =
		udrv_dma_alloc_coherent(job->ctrl->dev, bytes, &job->memory_iova, UDRV_GFP_KERNEL);
	job->memory = bytes;
	return td->orig_buffer ? 0 : ENOMEM;
}

static void iomem_free(struct thread_data *td)
{
	const struct job *job = td->io_ops_data;

	if (job)
		udrv_dma_free_coherent(job->ctrl->dev, job->memory, td->orig_buffer,
				       job->memory_iova);
}

/* There is nothing to open, and no cache. */
static int nothing(struct thread_data *td, struct fio_file *f)
{
	(void)td;
	(void)f;
	return 0;
}

static struct fio_option options[] = {
	{
		.name = "backend",
		.lname = "udrv backend",
		.type = FIO_OPT_STR_STORE,
		.off1 = offsetof(struct options, backend),
		.help = "vfio, stub or model; else by what the device is bound to",
		.category = FIO_OPT_C_ENGINE,
		.group = FIO_OPT_G_INVALID,
	},
	{
		.name = "nsid",
		.lname = "NVMe namespace",
		.type = FIO_OPT_INT,
		.off1 = offsetof(struct options, nsid),
		.minval = 1,
		.def = "1",
		.help = "Number of the namespace",
		.category = FIO_OPT_C_ENGINE,
		.group = FIO_OPT_G_INVALID,
	},
	{
		.name = "completion",
		.lname = "How completions are learnt of",
		.type = FIO_OPT_STR,
		.off1 = offsetof(struct options, completion),
		.def = "polled",
		.help = "polled, interrupt or adaptive",
		.posval = {{.ival = "polled", .oval = UDRV_NVME_POLLED},
			   {.ival = "interrupt", .oval = UDRV_NVME_INTERRUPT},
			   {.ival = "adaptive", .oval = UDRV_NVME_ADAPTIVE}},
		.category = FIO_OPT_C_ENGINE,
		.group = FIO_OPT_G_INVALID,
	},
	{.name = NULL},
};

/* fio looks for it by this name. */
UDRV_API struct ioengine_ops ioengine = {
	.name = "udrv",
	.version = FIO_IOOPS_VERSION,
	.flags = FIO_RAWIO | FIO_NOEXTEND | FIO_NODISKUTIL | FIO_MEMALIGN |
		 FIO_ASYNCIO_SETS_ISSUE_TIME | FIO_NO_OFFLOAD,
	.setup = setup,
	.init = init,
	.queue = queue,
	.commit = commit,
	.getevents = getevents,
	.event = event,
	.cleanup = cleanup,
	.open_file = nothing,
	.close_file = nothing,
	.invalidate = nothing,
	.iomem_alloc = iomem_alloc,
	.iomem_free = iomem_free,
	.options = options,
	.option_struct_size = sizeof(struct options),
};

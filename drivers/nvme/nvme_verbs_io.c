// SPDX-License-Identifier: MIT
/* read, write, flush: through a queue pair of their own. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <udrv/dma.h>

#include "nvme_verbs.h"

#define CHUNK_BYTES   ((size_t)1 << 20) /* of one command, where the controller takes so much */
#define QUEUE_ENTRIES 4u
#define WAIT_MS	      1000

/* A call of read or write. */
struct io {
	const char *verb;
	FILE *err;
	struct udrv_device *dev;
	const struct udrv_nvme_ns *ns;
	uint64_t nsid, lba, count0, bytes; /* count0: 0's based, as nvme-cli's */
	const char *file;		   /* the client has opened it */
	bool fua, limited_retry, force;
	uint32_t flags;
	bool write;

	struct udrv_nvme_queue *q;
	char *buf;
	udrv_iova_t iova;
	size_t block, chunk; /* bytes of a block; blocks of a command */
};

#define PENDING UINT64_MAX

static void command_done(void *ctx, uint32_t status, uint32_t dw0)
{
	(void)dw0;
	*(uint64_t *)ctx = status;
}

/* put: what put the command into the queue returned. 0, a status, or negative errno. */
static int await(struct udrv_nvme_queue *q, int put, const uint64_t *status)
{
	if (put)
		return put;
	/* Its timeout, and the reset behind it, end each command. */
	while (*status == PENDING)
		(void)udrv_nvme_wait(q, WAIT_MS);
	return (int)*status;
}

static int transfer(const struct io *io, uint64_t lba, uint32_t blocks)
{
	uint64_t status = PENDING;
	int ret = io->write ? udrv_nvme_write(io->q, io->ns, io->buf, lba, blocks, io->flags,
					      command_done, &status)
			    : udrv_nvme_read(io->q, io->ns, io->buf, lba, blocks, io->flags,
					     command_done, &status);

	return await(io->q, ret, &status);
}

/* The caller's data of a piece, and zeros up to the block's end; 0 or -errno after a line. */
static int take(const struct io *io, size_t len, size_t room)
{
	ssize_t n = udrv_verb_read(io->buf, len);

	if (n < 0) {
		(void)fprintf(io->err, "%s: cannot read the data: %s\n", io->verb,
			      strerror((int)-n));
		return (int)n;
	}
	if ((size_t)n < len) {
		(void)fprintf(io->err, "%s: the data ended %zu bytes too early\n", io->verb,
			      len - (size_t)n);
		return -ENODATA;
	}
	memset(io->buf + len, 0, room - len);
	return 0;
}

static int give(const struct io *io, size_t len)
{
	ssize_t n = udrv_verb_write(io->buf, len);

	if (n < 0)
		(void)fprintf(io->err, "%s: cannot write the data: %s\n", io->verb,
			      strerror((int)-n));
	return n < 0 ? (int)n : 0;
}

static int piece(const struct io *io, uint64_t lba, uint32_t blocks, size_t len)
{
	int ret = io->write ? take(io, len, blocks * io->block) : 0;

	if (ret)
		return ret;
	ret = nvme_verb_io_failed(transfer(io, lba, blocks), io->verb, io->err);
	return ret || io->write ? ret : give(io, len);
}

static int all_pieces(const struct io *io)
{
	uint64_t left = io->count0 + 1, bytes = io->bytes;
	uint64_t lba = io->lba;
	int ret = 0;

	while (left && !ret) {
		uint32_t blocks = (uint32_t)(left < io->chunk ? left : io->chunk);
		size_t room = blocks * io->block;
		size_t len = bytes < room ? (size_t)bytes : room;

		ret = udrv_verb_cancelled() ? nvme_verb_failed(-ECANCELED, io->verb, io->err)
					    : piece(io, lba, blocks, len);
		lba += blocks;
		left -= blocks;
		bytes -= len;
	}
	return ret;
}

/* How much: by blocks, by bytes, or both. 0 or -EINVAL after a line. */
static int check_size(struct io *io)
{
	const uint64_t size = udrv_nvme_ns_blocks(io->ns);
	uint64_t blocks;

	if (io->count0 == UINT64_MAX) {
		blocks = io->bytes / io->block + (io->bytes % io->block != 0);
		io->count0 = blocks ? blocks - 1 : 0;
	}
	if (io->lba > size || io->count0 >= size - io->lba) {
		(void)fprintf(io->err, "%s: namespace %" PRIu32 " has %" PRIu64 " blocks\n",
			      io->verb, io->ns->nsid, size);
		return -EINVAL;
	}
	blocks = io->count0 + 1;
	if (io->bytes > blocks * io->block) {
		(void)fprintf(io->err,
			      "%s: --data-size is %" PRIu64 ", but %" PRIu64 " blocks have %" PRIu64
			      " bytes\n",
			      io->verb, io->bytes, blocks, blocks * io->block);
		return -EINVAL;
	}
	if (!io->bytes)
		io->bytes = blocks * io->block;
	return 0;
}

static int prepare(struct io *io, struct udrv_nvme *nvme)
{
	const struct udrv_nvme_queue_options options = {
		.entries = QUEUE_ENTRIES,
		.completion = UDRV_NVME_INTERRUPT,
	};
	size_t most;
	int ret;

	io->ns = nvme_verb_ns(nvme, io->nsid, io->verb, io->err);
	if (!io->ns)
		return -ENXIO;
	if (!io->ns->usable) {
		(void)fprintf(io->err,
			      "%s: namespace %" PRIu32
			      " needs a metadata buffer, which this verb has not\n",
			      io->verb, io->ns->nsid);
		return -EOPNOTSUPP;
	}
	io->block = nvme_verb_block_bytes(io->ns);
	io->chunk = CHUNK_BYTES / io->block;
	most = udrv_nvme_ns_max_blocks(io->ns);
	if (io->chunk > most)
		io->chunk = most;
	if (!io->chunk)
		io->chunk = 1;
	ret = check_size(io);
	if (ret)
		return ret;
	io->buf =
		udrv_dma_alloc_coherent(io->dev, io->chunk * io->block, &io->iova, UDRV_GFP_KERNEL);
	if (!io->buf)
		return nvme_verb_failed(-ENOMEM, io->verb, io->err);
	return nvme_verb_failed(udrv_nvme_queue_create(nvme, &options, &io->q), io->verb, io->err);
}

static int run(struct io *io, int argc, char **argv)
{
	const struct nvme_arg args[] = {
		NVME_NUMBER('n', "namespace-id", &io->nsid, NVME_NSID_MAX,
			    "the namespace; the first there is"),
		NVME_NUMBER('s', "start-block", &io->lba, UINT64_MAX, "the first block; 0"),
		NVME_NUMBER('c', "block-count", &io->count0, UINT32_MAX,
			    "blocks less 1; what --data-size needs, else 0"),
		NVME_NUMBER('z', "data-size", &io->bytes, INT64_MAX, "bytes; all of the blocks"),
		NVME_TEXT('d', "data", &io->file, "FILE",
			  "where to or from; standard output or input"),
		NVME_FLAG('f', "force-unit-access", &io->fua,
			  "not only to or from the write cache"),
		NVME_FLAG('l', "limited-retry", &io->limited_retry,
			  "the controller may give up early"),
		NVME_FLAG(0, "force", &io->force, "of nvme-cli; changes nothing"),
	};
	int ret;

	io->count0 = UINT64_MAX;
	ret = nvme_args_parse(argc, argv, args, NVME_COUNT(args), io->err);
	if (ret)
		return ret;
	if (io->fua)
		io->flags |= NVME_RW_FUA;
	if (io->limited_retry)
		io->flags |= NVME_RW_LR;
	ret = prepare(io, nvme_verb_nvme(io->dev));
	if (!ret)
		ret = all_pieces(io);
	udrv_nvme_queue_destroy(io->q);
	if (io->buf)
		udrv_dma_free_coherent(io->dev, io->chunk * io->block, io->buf, io->iova);
	if (!ret)
		(void)fprintf(io->err, "%s: Success\n", io->verb);
	return ret;
}

NVME_VERB(read)
{
	struct io io = {.verb = argv[0], .err = err, .dev = dev};

	(void)out;
	return run(&io, argc, argv);
}

NVME_VERB(write)
{
	struct io io = {.verb = argv[0], .err = err, .dev = dev, .write = true};

	(void)out;
	return run(&io, argc, argv);
}

NVME_VERB(flush)
{
	const struct udrv_nvme_queue_options options = {
		.entries = QUEUE_ENTRIES,
		.completion = UDRV_NVME_INTERRUPT,
	};
	struct udrv_nvme *nvme = nvme_verb_nvme(dev);
	struct udrv_nvme_queue *q = NULL;
	const struct udrv_nvme_ns *ns;
	uint64_t nsid = 0, status = PENDING;
	const struct nvme_arg args[] = {
		NVME_NUMBER('n', "namespace-id", &nsid, NVME_NSID_MAX,
			    "the namespace; the first there is"),
	};
	int ret = nvme_args_parse(argc, argv, args, NVME_COUNT(args), err);

	if (ret)
		return ret;
	ns = nvme_verb_ns(nvme, nsid, argv[0], err);
	if (!ns)
		return -ENXIO;
	ret = udrv_nvme_queue_create(nvme, &options, &q);
	if (!ret)
		ret = await(q, udrv_nvme_flush(q, ns, command_done, &status), &status);
	udrv_nvme_queue_destroy(q);
	if (ret)
		return nvme_verb_io_failed(ret, argv[0], err);
	(void)fprintf(out, "NVMe Flush: success\n");
	return 0;
}

// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pci/sysfs.h"

#include "support/fake_tree.h"
#include "support/fake_ublk.h"
#include "support/fault.h"

#define PATIENCE_S 20

/* UBLK_U_CMD_GET_QUEUE_AFFINITY, which the exporter need not ask for. */
#define GET_QUEUE_AFFINITY _IOR('u', 0x01, struct ublk_ctrl)

struct tag {
	enum fake_tag at;
	struct io_uring *ring; /* of the fetch */
	uint64_t user_data;
	void *buf;
	bool fetched; /* since a server began; so it has been once */
	bool done;
	int result;
};

struct fake_ublk fake_ublk;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct tag tags[FAKE_UBLK_QUEUES][FAKE_UBLK_TAGS];
static struct io_uring messages; /* where answers come from */
static struct ublk_desc *descs;
static size_t descs_len;
static char dev[64], sysfs[64];

static struct {
	struct io_uring *ring; /* NULL: none */
	uint64_t user_data;
} stop;

int __real_io_uring_submit(struct io_uring *ring);

static void answer(struct io_uring *ring, uint64_t user_data, int result)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&messages);
	struct io_uring_cqe *cqe;

	io_uring_prep_msg_ring(sqe, ring->ring_fd, (unsigned int)result, user_data, 0);
	FAULT_MUST(__real_io_uring_submit(&messages) == 1);
	FAULT_MUST(io_uring_wait_cqe(&messages, &cqe) == 0);
	FAULT_MUST(cqe->res == 0);
	io_uring_cqe_seen(&messages, cqe);
}

static unsigned int count(enum fake_tag at)
{
	unsigned int n = 0;

	for (unsigned int q = 0; q < fake_ublk.info.queues; q++)
		for (unsigned int t = 0; t < fake_ublk.info.depth; t++)
			n += tags[q][t].at == at;
	return n;
}

/* Does the kernel know its server? */
static bool has_server(unsigned int queue)
{
	for (unsigned int t = 0; t < fake_ublk.info.depth; t++)
		if (!tags[queue][t].fetched)
			return false;
	return true;
}

static void set_fetched(unsigned int queue, bool fetched)
{
	for (unsigned int t = 0; t < FAKE_UBLK_TAGS; t++)
		tags[queue][t].fetched = fetched;
}

static void set_all_fetched(bool fetched)
{
	for (unsigned int q = 0; q < FAKE_UBLK_QUEUES; q++)
		set_fetched(q, fetched);
}

static void abort_fetches(void)
{
	for (unsigned int q = 0; q < FAKE_UBLK_QUEUES; q++) {
		for (unsigned int t = 0; t < FAKE_UBLK_TAGS; t++) {
			struct tag *tag = &tags[q][t];

			if (tag->at != FAKE_TAG_FETCHING)
				continue;
			tag->at = FAKE_TAG_NONE;
			answer(tag->ring, tag->user_data, -ENODEV);
		}
	}
}

/* STOP_DEV ends when the server has nothing any more. */
static void settle(void)
{
	if (!stop.ring || count(FAKE_TAG_SERVED))
		return;
	abort_fetches();
	fake_ublk.info.state = UBLK_DEAD;
	answer(stop.ring, stop.user_data, 0);
	stop.ring = NULL;
}

static void node(char kind, bool make)
{
	char path[UDRV__UBLK_PATH_MAX];
	int fd;

	udrv__ublk_path(path, kind, fake_ublk.info.dev_id);
	if (!make) {
		(void)unlink(path);
		return;
	}
	fd = openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	FAULT_MUST(fd >= 0);
	if (kind == 'c') {
		descs_len = (size_t)FAKE_UBLK_QUEUES * UBLK_MAX_DEPTH * sizeof(struct ublk_desc);
		FAULT_MUST(truncate(path, (off_t)descs_len) == 0);
		descs = mmap64(NULL, descs_len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		FAULT_MUST(descs != MAP_FAILED);
	}
	(void)close(fd);
}

static void class_entry(bool make)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/class/ublk-char/ublkc%u", sysfs,
		       fake_ublk.info.dev_id);
	if (make)
		(void)close(openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	else
		(void)unlink(path);
}

static void appear(void)
{
	fake_ublk.exists = true;
	node('c', true);
	class_entry(true);
}

static void vanish(void)
{
	abort_fetches();
	node('b', false);
	node('c', false);
	class_entry(false);
	munmap(descs, descs_len);
	fake_ublk.exists = fake_ublk.recovering = false;
	fake_ublk.fetch_errno = 0;
}

static int add(const struct ublk_ctrl *c)
{
	struct ublk_info *info = (void *)(uintptr_t)c->addr;

	FAULT_MUST(c->queue_id == UBLK_NO_QUEUE);
	FAULT_MUST(c->len == sizeof(*info));
	FAULT_MUST(c->dev_id == info->dev_id);
	if (fake_ublk.exists && fake_ublk.info.dev_id == info->dev_id)
		return -EEXIST;
	FAULT_MUST(!fake_ublk.exists);
	if (info->dev_id == UBLK_ANY_ID)
		info->dev_id = FAKE_UBLK_ID;
	info->state = UBLK_DEAD;
	info->pid = -1;
	fake_ublk.info = *info;
	fake_ublk.adds++;
	set_all_fetched(false);
	appear();
	return 0;
}

static int ready(const struct ublk_ctrl *c)
{
	if (count(FAKE_TAG_FETCHING) != fake_ublk.info.queues * fake_ublk.info.depth)
		return -EPROTO;
	fake_ublk.pid = (uint32_t)c->data;
	fake_ublk.info.state = UBLK_LIVE;
	fake_ublk.info.pid = (int32_t)c->data;
	node('b', true);
	return 0;
}

static int begin_recovery(void)
{
	unsigned int servers = 0;

	for (unsigned int q = 0; q < fake_ublk.info.queues; q++)
		servers += has_server(q);
	if (!servers)
		return -EINVAL;
	if (fake_ublk.info.state != UBLK_QUIESCED)
		return -EBUSY;
	/* Linux 6.12 would die of it. */
	FAULT_MUST(servers == fake_ublk.info.queues);
	set_all_fetched(false);
	fake_ublk.recovering = true;
	return 0;
}

static int end_recovery(const struct ublk_ctrl *c)
{
	if (!fake_ublk.recovering || fake_ublk.info.state != UBLK_QUIESCED)
		return -EBUSY;
	fake_ublk.recovering = false;
	fake_ublk.recoveries++;
	return ready(c);
}

/* Of a device that exists. */
static int control(unsigned int op, const struct ublk_ctrl *c)
{
	void *addr = (void *)(uintptr_t)c->addr;

	switch (op) {
	case UBLK_GET_DEV_INFO:
		memcpy(addr, &fake_ublk.info, sizeof(fake_ublk.info));
		return 0;
	case GET_QUEUE_AFFINITY:
		memset(addr, 0, c->len);
		*(uint8_t *)addr = 1; /* the first CPU */
		return 0;
	case UBLK_SET_PARAMS:
		memcpy(&fake_ublk.params, addr, UBLK_PARAMS_LEN);
		return fake_ublk.params.types & UBLK_TYPE_BASIC ? 0 : -EINVAL;
	case UBLK_GET_PARAMS:
		memcpy(addr, &fake_ublk.params, UBLK_PARAMS_LEN);
		return 0;
	case UBLK_START_DEV:
		fake_ublk.starts++;
		return fake_ublk.info.state == UBLK_LIVE ? -EEXIST : ready(c);
	case UBLK_START_RECOVERY:
		return begin_recovery();
	case UBLK_END_RECOVERY:
		return end_recovery(c);
	case UBLK_UPDATE_SIZE:
		fake_ublk.params.dev_sectors = c->data;
		return fake_ublk.features & UBLK_F_RESIZE ? 0 : -EOPNOTSUPP;
	case UBLK_DEL_DEV:
		fake_ublk.deletes++;
		vanish();
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int features(const struct ublk_ctrl *c)
{
	memcpy((void *)(uintptr_t)c->addr, &fake_ublk.features, sizeof(fake_ublk.features));
	return 0;
}

static int execute(unsigned int op, const struct ublk_ctrl *c)
{
	if (op == fake_ublk.fail_op) {
		fake_ublk.fail_op = 0;
		return -fake_ublk.fail_errno;
	}
	if (op == UBLK_GET_FEATURES)
		return features(c);
	if (op == UBLK_ADD_DEV)
		return add(c);
	if (!fake_ublk.exists || c->dev_id != fake_ublk.info.dev_id)
		return -ENODEV;
	return control(op, c);
}

static void take_control(struct io_uring *ring, const struct io_uring_sqe *sqe)
{
	struct ublk_ctrl c;

	memcpy(&c, sqe->cmd, sizeof(c));
	if (sqe->cmd_op == UBLK_STOP_DEV && fake_ublk.exists && c.dev_id == fake_ublk.info.dev_id &&
	    fake_ublk.fail_op != UBLK_STOP_DEV) {
		fake_ublk.stops++;
		stop.ring = ring;
		stop.user_data = sqe->user_data;
		settle();
		return;
	}
	answer(ring, sqe->user_data, execute(sqe->cmd_op, &c));
}

static void take_io(struct io_uring *ring, const struct io_uring_sqe *sqe)
{
	struct ublk_io c;
	struct tag *tag;

	memcpy(&c, sqe->cmd, sizeof(c));
	FAULT_MUST(c.queue < fake_ublk.info.queues);
	FAULT_MUST(c.tag < fake_ublk.info.depth);
	FAULT_MUST(c.addr != 0);
	tag = &tags[c.queue][c.tag];
	if (sqe->cmd_op == UBLK_FETCH && tag->fetched) {
		answer(ring, sqe->user_data, has_server(c.queue) ? -EINVAL : -EBUSY);
		return;
	}
	FAULT_MUST(tag->at != FAKE_TAG_FETCHING);
	FAULT_MUST((tag->at == FAKE_TAG_SERVED) == (sqe->cmd_op == UBLK_COMMIT_AND_FETCH));
	if (sqe->cmd_op == UBLK_FETCH && fake_ublk.fetch_errno && !c.queue) {
		answer(ring, sqe->user_data, -fake_ublk.fetch_errno);
		return;
	}
	if (tag->at == FAKE_TAG_SERVED) {
		tag->done = true;
		tag->result = c.result;
		pthread_cond_broadcast(&changed);
	}
	tag->at = FAKE_TAG_FETCHING;
	tag->fetched = true;
	tag->ring = ring;
	tag->user_data = sqe->user_data;
	tag->buf = (void *)(uintptr_t)c.addr;
	settle();
}

/* Take the commands out; what is left does nothing, silently. */
static void at_ring(struct io_uring *ring)
{
	const bool wide = ring->flags & IORING_SETUP_SQE128;

	pthread_mutex_lock(&lock);
	for (unsigned int i = ring->sq.sqe_head; i != ring->sq.sqe_tail; i++) {
		struct io_uring_sqe *sqe = &ring->sq.sqes[(i & ring->sq.ring_mask) << wide];

		if (sqe->opcode != IORING_OP_URING_CMD)
			continue;
		if (wide)
			take_control(ring, sqe);
		else
			take_io(ring, sqe);
		memset((void *)sqe, 0, sizeof(*sqe));
		sqe->opcode = IORING_OP_NOP;
		sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
	}
	pthread_mutex_unlock(&lock);
}

/* The kernel cancels what a ring has when it ends; a server that has it running is gone then. */
static void at_ring_exit(struct io_uring *ring)
{
	pthread_mutex_lock(&lock);
	for (unsigned int q = 0; q < FAKE_UBLK_QUEUES; q++) {
		for (unsigned int t = 0; t < FAKE_UBLK_TAGS; t++) {
			if (tags[q][t].ring != ring || tags[q][t].at == FAKE_TAG_NONE)
				continue;
			tags[q][t].at = FAKE_TAG_NONE;
			if (fake_ublk.info.state == UBLK_LIVE)
				fake_ublk.info.state = UBLK_QUIESCED;
		}
	}
	pthread_mutex_unlock(&lock);
}

/* A change, or the test fails. */
static void await_change(void)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += PATIENCE_S;
	FAULT_MUST(pthread_cond_timedwait(&changed, &lock, &end) == 0);
}

void fake_ublk_request(unsigned int queue, unsigned int tag, uint32_t op_flags, uint64_t sector,
		       uint32_t sectors, const void *data)
{
	struct tag *t = &tags[queue][tag];

	pthread_mutex_lock(&lock);
	FAULT_MUST(t->at == FAKE_TAG_FETCHING);
	descs[queue * UBLK_MAX_DEPTH + tag] = (struct ublk_desc){
		.op_flags = op_flags, .sectors = sectors, .start_sector = sector};
	if (data)
		memcpy(t->buf, data, sectors * 512);
	t->at = FAKE_TAG_SERVED;
	t->done = false;
	answer(t->ring, t->user_data, 0);
	pthread_mutex_unlock(&lock);
}

int fake_ublk_await(unsigned int queue, unsigned int tag, void *data)
{
	struct tag *t = &tags[queue][tag];
	int result;

	pthread_mutex_lock(&lock);
	while (!t->done)
		await_change();
	result = t->result;
	if (data && result > 0)
		memcpy(data, t->buf, (size_t)result);
	pthread_mutex_unlock(&lock);
	return result;
}

void fake_ublk_remove(void)
{
	pthread_mutex_lock(&lock);
	vanish();
	pthread_mutex_unlock(&lock);
}

void fake_ublk_leave(const struct ublk_info *info, const struct ublk_params *params)
{
	fake_ublk.info = *info;
	fake_ublk.params = *params;
	set_all_fetched(true);
	appear();
	node('b', true);
}

void fake_ublk_leave_unserved(unsigned int queue)
{
	set_fetched(queue, false);
}

void fake_ublk_start(void)
{
	static const struct fault_hooks hooks = {.ring = at_ring, .ring_exit = at_ring_exit};

	fake_tree_make();
	(void)snprintf(dev, sizeof(dev), "%.50s/dev", fake_root);
	(void)snprintf(sysfs, sizeof(sysfs), "%.50s/sys", fake_root);
	udrv__ublk_dev = dev;
	udrv__sysfs_root = sysfs;
	fake_file("", "dev/ublk-control");
	fake_file("", "sys/class/ublk-char/none");
	memset(&fake_ublk, 0, sizeof(fake_ublk));
	memset(tags, 0, sizeof(tags));
	stop.ring = NULL;
	fake_ublk.features = UBLK_F_RECOVERY | UBLK_F_REISSUE | UBLK_F_IOCTL;
	ck_assert_int_eq(io_uring_queue_init(8, &messages, 0), 0);
	fault_set_hooks(&hooks);
}

void fake_ublk_unload(void)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/ublk-control", dev);
	(void)unlink(path);
}

void fake_ublk_stop(void)
{
	fault_set_hooks(&(struct fault_hooks){0});
	if (fake_ublk.exists)
		vanish();
	io_uring_queue_exit(&messages);
	fake_tree_remove();
	udrv__ublk_dev = "/dev";
	udrv__sysfs_root = "/sys";
}

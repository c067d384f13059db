// SPDX-License-Identifier: MIT
/* The NVMe library: each acquiring call inside of what it does fails in turn. */
#include <errno.h>
#include <string.h>

#include "support/fault.h"
#include "support/nvme_rig.h"
#include "support/suite.h"

static struct nvme_rig rig;

/* With memory in its arena: that grows when it has none, and stays so. */
static void setup(void)
{
	memset(&rig, 0, sizeof(rig));
	ck_assert_int_eq(udrv_device_open("model:nvme", NULL, &rig.dev), 0);
	(void)nvme_rig_memory(&rig, 4096);
	fault_log_clear();
}

static void teardown(void)
{
	udrv_device_close(rig.dev);
}

static int step_attach(void *ctx)
{
	struct udrv_nvme *nvme = NULL;
	int ret = udrv_nvme_attach(rig.dev, NULL, &nvme);

	(void)ctx;
	if (ret)
		FAULT_MUST(!nvme);
	else
		rig.nvme = nvme;
	return ret;
}

static void undo_attach(void *ctx)
{
	(void)ctx;
	udrv_nvme_detach(rig.nvme);
}

START_TEST(attach)
{
	/* Without vectors it is polled; without room for a page of namespaces it has fewer. */
	fault_check(&(struct fault_case){.step = step_attach,
					 .undo = undo_attach,
					 .absorbs = " calloc malloc eventfd ",
					 .fewest = 12,
					 .silent = true});
}
END_TEST

static void setup_attached(void)
{
	uint32_t value;

	setup();
	ck_assert_int_eq(udrv_nvme_attach(rig.dev, NULL, &rig.nvme), 0);
	rig.ns = udrv_nvme_ns_next(rig.nvme, 0);
	/* Once round the admin queue: what waits for events has got out of the others' way. */
	for (unsigned int i = 0; i < 40; i++)
		ck_assert_int_eq(udrv_nvme_get_feature(rig.nvme, NVME_FEAT_TEMPERATURE, 0, 0, NULL,
						       0, &value),
				 0);
	fault_log_clear();
}

static void teardown_attached(void)
{
	udrv_nvme_detach(rig.nvme);
	teardown();
}

static int step_queue(void *ctx)
{
	(void)ctx;
	return udrv_nvme_queue_create(rig.nvme, NULL, &rig.q);
}

static void undo_queue(void *ctx)
{
	unsigned char *buf = malloc(4096);

	(void)ctx;
	ck_assert_uint_eq(nvme_rig_read(&rig, buf, 0, 1), 0);
	free(buf);
	udrv_nvme_queue_destroy(rig.q);
}

START_TEST(queue_create)
{
	/* A vector that cannot be taken leaves it polled; a full admin queue is tried again. */
	fault_check(&(struct fault_case){.step = step_queue,
					 .undo = undo_queue,
					 .absorbs = " calloc malloc ",
					 .fewest = 3,
					 .silent = true});
}
END_TEST

/* Of memory that must be copied, in several pieces. */
static int step_pieces(void *ctx)
{
	static unsigned char memory[3][1000];
	static struct nvme_rig_wait w;
	const struct iovec iov[] = {{memory[0] + 1, 500}, {memory[1], 500}, {memory[2], 24}};
	const struct udrv_nvme_io io = {
		.opcode = NVME_WRITE, .iov = iov, .iov_count = 3, .blocks = 2};
	int ret;

	(void)ctx;
	w.calls = 0;
	ret = udrv_nvme_rw(rig.q, rig.ns, &io, nvme_rig_done, &w);
	FAULT_MUST(!w.calls);
	if (ret)
		FAULT_MUST(!udrv_nvme_in_flight(rig.q));
	while (!ret && !w.calls)
		(void)udrv_nvme_wait(rig.q, 1000);
	FAULT_MUST(!w.status);
	return ret;
}

static void undo_pieces(void *ctx)
{
	(void)ctx;
}

static void setup_queue(void)
{
	setup_attached();
	nvme_rig_queue(&rig, 16, UDRV_NVME_ADAPTIVE);
}

static void teardown_queue(void)
{
	udrv_nvme_queue_destroy(rig.q);
	teardown_attached();
}

START_TEST(a_write_of_pieces)
{
	fault_check(&(struct fault_case){
		.step = step_pieces, .undo = undo_pieces, .fewest = 2, .silent = true});
}
END_TEST

static void add(Suite *s, const char *name, void (*begin)(void), void (*end)(void),
		const TTest *test)
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, begin, end);
	tcase_add_test(tc, test);
	suite_add_tcase(s, tc);
}

int main(void)
{
	Suite *s = suite_create("fault_nvme");

	add(s, "attach", setup, teardown, attach);
	add(s, "queue", setup_attached, teardown_attached, queue_create);
	add(s, "pieces", setup_queue, teardown_queue, a_write_of_pieces);
	return run_suite(s);
}

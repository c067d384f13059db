// SPDX-License-Identifier: MIT
/* Pools of frames, and a card's registration: each call that acquires something fails in turn. */
#include <errno.h>

#include <udrv/device.h>
#include <udrv/net.h>

#include "support/echo_nic.h"
#include "support/fault.h"
#include "support/suite.h"

static struct echo_nic nic;
static struct udrv_device *dev;
static size_t count;

static void setup(void)
{
	struct echo_nic_options o = ECHO_NIC_OPTIONS_DEFAULT;

	ck_assert_int_eq(echo_nic_init(&nic, NULL, "nic", 1, &o), 0);
	fault_log_clear();
	fault_start_thread_once();
}

static void teardown(void)
{
	echo_nic_free(&nic);
}

static int step_pool(void *ctx)
{
	struct udrv_net_pool **pool = ctx;

	*pool = udrv_net_pool_create(dev, "pool", 2048, count);
	return *pool ? 0 : -ENOMEM;
}

static void undo_pool(void *ctx)
{
	struct udrv_net_buf *buf =
		udrv_net_buf_alloc(*(struct udrv_net_pool **)ctx, UDRV_GFP_KERNEL);

	ck_assert_ptr_nonnull(buf);
	udrv_net_buf_free(buf);
	ck_assert_int_eq(udrv_net_pool_destroy(*(struct udrv_net_pool **)ctx), 0);
}

static void check_pool(void)
{
	struct udrv_net_pool *pool;

	/* What threads have for all caches stays. */
	FAULT_MUST(!step_pool(&pool));
	undo_pool(&pool);
	fault_check(&(struct fault_case){
		.step = step_pool, .undo = undo_pool, .ctx = &pool, .fewest = 5});
}

START_TEST(pool)
{
	static const size_t counts[] = {0, 1, 300};

	count = counts[_i];
	check_pool();
}
END_TEST

START_TEST(pool_of_a_device)
{
	ck_assert_int_eq(udrv_device_open("model:edu", NULL, &dev), 0);
	count = 100;
	check_pool();
	udrv_device_close(dev);
	dev = NULL;
}
END_TEST

/* A buffer that could not get its memory is not lost. */

static struct udrv_net_pool *growing;
static struct udrv_net_buf *bufs[70];

static int step_alloc(void *ctx)
{
	growing = ctx;
	return udrv_net_buf_alloc_bulk(growing, UDRV_GFP_KERNEL, 70, bufs);
}

static void undo_alloc(void *ctx)
{
	udrv_net_buf_free_bulk(bufs, 70);
	ck_assert_int_eq(udrv_net_pool_destroy(ctx), 0);
}

START_TEST(buffers)
{
	unsigned int k = 0;
	const char *failed;

	do {
		struct udrv_net_pool *p = udrv_net_pool_create(NULL, "pool", 64 << 10, 0);
		int ret;

		ck_assert_ptr_nonnull(p);
		fault_arm(++k);
		ret = step_alloc(p);
		failed = fault_disarm();
		ck_assert(!ret || (failed && ret == -ENOMEM));
		if (ret)
			ck_assert_int_eq(step_alloc(p), 0);
		undo_alloc(p);
	} while (failed);
	ck_assert_uint_gt(k, 2);
}
END_TEST

static int step_register(void *ctx)
{
	return udrv_register_netdev(ctx);
}

static void undo_register(void *ctx)
{
	udrv_unregister_netdev(ctx);
}

START_TEST(registration)
{
	fault_check(&(struct fault_case){
		.step = step_register, .undo = undo_register, .ctx = &nic.ndev, .fewest = 1});
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault_net");
	TCase *tc = tcase_create("net");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, pool, 0, 3);
	tcase_add_test(tc, pool_of_a_device);
	tcase_add_test(tc, buffers);
	tcase_add_test(tc, registration);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

// SPDX-License-Identifier: MIT
/* A network card's export, on a fake of the kernel: each call that acquires something fails in
 * turn. */
#include <sys/eventfd.h>
#include <unistd.h>

#include "export/tap.h"

#include "support/echo_nic.h"
#include "support/fake_tun.h"
#include "support/fault.h"
#include "support/suite.h"

#define UNTOUCHED ((struct udrv__tap *)0x5a5a)

static struct echo_nic nic;
static int ended_fd;

static void setup(void)
{
	struct echo_nic_options o = ECHO_NIC_OPTIONS_DEFAULT;

	fake_tun_start();
	ck_assert_int_eq(echo_nic_init(&nic, NULL, "nic", 1, &o), 0);
	ck_assert_int_eq(udrv_register_netdev(&nic.ndev), 0);
	ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fault_log_clear();
	fault_start_thread_once();
}

static void teardown(void)
{
	udrv_unregister_netdev(&nic.ndev);
	echo_nic_free(&nic);
	close(ended_fd);
	fake_tun_stop();
}

static int step(void *ctx)
{
	struct udrv__tap **out = ctx;
	int ret;

	*out = UNTOUCHED;
	ret = udrv__tap_start(&nic.ndev, "net0", ended_fd, out);
	if (ret) {
		FAULT_MUST(*out == UNTOUCHED);
		FAULT_MUST(!fake_tun.exists);
	}
	return ret;
}

static void undo(void *ctx)
{
	udrv__tap_stop(*(struct udrv__tap **)ctx);
}

START_TEST(start)
{
	struct udrv__tap *t;

	/* What threads have for all caches stays. */
	FAULT_MUST(!step(&t));
	undo(&t);
	/* Of the control thread, which only looks whether the interface is there. */
	fault_check(&(struct fault_case){
		.step = step, .undo = undo, .ctx = &t, .absorbs = " ioctl ", .fewest = 20});
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault_tap");
	TCase *tc = tcase_create("fake");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, start);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

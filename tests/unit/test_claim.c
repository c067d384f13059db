// SPDX-License-Identifier: MIT
/* Claims of ranges of BARs: in this process, at a backend that arbitrates, managed, and told. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/devres.h>
#include <udrv/pci.h>

#include "pci/device.h"
#include "stat/claims.h"

#include "support/fake_tree.h"
#include "support/fault.h"
#include "support/suite.h"

/* Two BARs: 256 bytes, and 4 KiB or more. */
#define MODEL "model:ivshmem"
#define BAR0  0x100u

static struct udrv_device *dev;
static struct udrv__backend_ops ops; /* the model's, with an arbiter */

/* The arbiter: what it was asked, and what it answers. */
static unsigned int asked;
static unsigned int given_back;
static char asked_name[64];
static int refused_bar;
static int answer;
static int holder_pid;

static int claim(struct udrv_device *d, unsigned int bar, uint64_t offset, uint64_t len,
		 const char *name, struct udrv__holder *holder)
{
	(void)offset;
	ck_assert_ptr_eq(d, dev);
	ck_assert_uint_gt(len, 0);
	asked++;
	(void)snprintf(asked_name, sizeof(asked_name), "%s", name);
	if ((int)bar != refused_bar)
		return 0;
	if (answer == -EBUSY) {
		strcpy(holder->name, "somebody");
		holder->pid = holder_pid;
	}
	return answer;
}

static void unclaim(struct udrv_device *d, unsigned int bar, uint64_t offset, uint64_t len)
{
	(void)bar;
	(void)offset;
	(void)len;
	ck_assert_ptr_eq(d, dev);
	given_back++;
}

static void setup(void)
{
	fault_log_clear();
	fake_tree_make();
	ck_assert_int_eq(udrv_device_open(MODEL, NULL, &dev), 0);
	ops = *dev->ops;
	asked = given_back = 0;
	refused_bar = -1;
	holder_pid = 4711;
}

static void with_arbiter(void)
{
	ops.claim = claim;
	ops.unclaim = unclaim;
	dev->ops = &ops;
}

static void teardown(void)
{
	udrv_device_close(dev);
	dev = NULL;
	fake_tree_remove();
}

static int count_claims(void)
{
	int count = 0;

	for (const struct udrv__claim *c = dev->claims; c; c = c->next)
		count++;
	return count;
}

START_TEST(the_holder_is_named_with_its_process)
{
	char expected[64];

	ck_assert_int_eq(udrv_request_region(dev, 0, 0x10, 0x10, "first"), 0);
	ck_assert_int_eq(udrv_request_region(dev, 0, 0x1f, 2, "second"), -EBUSY);
	(void)snprintf(expected, sizeof(expected), "BAR 0 [0x10-0x1f] is claimed by first (pid %d)",
		       (int)getpid());
	ck_assert(fault_logged(expected));
	ck_assert_int_eq(udrv_request_region(dev, 1, 0x10, 0x10, "second"), 0);
}
END_TEST

START_TEST(edges_touch_without_overlap)
{
	ck_assert_int_eq(udrv_request_region(dev, 0, 0x10, 0x10, "middle"), 0);
	ck_assert_int_eq(udrv_request_region(dev, 0, 0, 0x10, "below"), 0);
	ck_assert_int_eq(udrv_request_region(dev, 0, 0x20, BAR0 - 0x20, "above"), 0);
	for (unsigned int at = 0; at < BAR0; at += 0xf)
		ck_assert_int_eq(udrv_request_region(dev, 0, at, 1, "late"), -EBUSY);
	ck_assert_int_eq(udrv_request_region(dev, 0, 0, BAR0, "all"), -EBUSY);
}
END_TEST

START_TEST(release_needs_the_same_range)
{
	ck_assert_int_eq(udrv_request_region(dev, 0, 0x10, 0x10, "one"), 0);
	udrv_release_region(dev, 0, 0x10, 0x8);
	udrv_release_region(dev, 0, 0x11, 0x10);
	udrv_release_region(dev, 1, 0x10, 0x10);
	udrv_release_region(dev, -1, 0x10, 0x10);
	ck_assert_int_eq(count_claims(), 1);
	udrv_release_region(dev, 0, 0x10, 0x10);
	ck_assert_int_eq(count_claims(), 0);
}
END_TEST

START_TEST(a_name_is_made_fit)
{
	with_arbiter();
	ck_assert_int_eq(udrv_request_region(dev, 0, 0, 1, "a\nb\x80"), 0);
	ck_assert_str_eq(asked_name, "a?b?");
	ck_assert_int_eq(udrv_request_region(dev, 0, 1, 1, NULL), 0);
	ck_assert_str_eq(asked_name, "?");
	ck_assert_int_eq(udrv_request_region(dev, 0, 2, 1, ""), 0);
	ck_assert_str_eq(asked_name, "?");
	ck_assert_int_eq(udrv_request_region(dev, 0, 3, 1, "a name that is far too long for it"),
			 0);
	ck_assert_str_eq(asked_name, "a name that is far too long for");
}
END_TEST

START_TEST(the_arbiter_is_asked_last)
{
	with_arbiter();
	ck_assert_int_eq(udrv_request_region(dev, 0, 0, 0x10, "one"), 0);
	ck_assert_uint_eq(asked, 1);
	ck_assert_int_eq(udrv_request_region(dev, 0, 0xf, 1, "two"), -EBUSY);
	ck_assert_int_eq(udrv_request_region(dev, 0, BAR0, 1, "three"), -EINVAL);
	ck_assert_uint_eq(asked, 1);
	udrv_release_region(dev, 0, 0, 0xf);
	ck_assert_uint_eq(given_back, 0);
	udrv_release_region(dev, 0, 0, 0x10);
	ck_assert_uint_eq(given_back, 1);
}
END_TEST

START_TEST(another_process_has_it)
{
	with_arbiter();
	refused_bar = 0;
	answer = -EBUSY;
	ck_assert_int_eq(udrv_request_region(dev, 0, 0x10, 0x10, "one"), -EBUSY);
	ck_assert(fault_logged("BAR 0 [0x10-0x1f] is claimed by somebody (pid 4711)"));
	ck_assert_int_eq(count_claims(), 0);
	ck_assert_uint_eq(given_back, 0);
	/* Nobody knows which. */
	holder_pid = 0;
	fault_log_clear();
	ck_assert_int_eq(udrv_request_region(dev, 0, 0x10, 0x10, "one"), -EBUSY);
	ck_assert(fault_logged("is claimed by somebody"));
	ck_assert(!fault_logged("pid"));
	/* It is over. */
	refused_bar = -1;
	ck_assert_int_eq(udrv_request_region(dev, 0, 0x10, 0x10, "one"), 0);
}
END_TEST

START_TEST(the_arbiter_fails)
{
	with_arbiter();
	refused_bar = 0;
	answer = -ENOSPC;
	ck_assert_int_eq(udrv_request_region(dev, 0, 0, 1, "one"), -ENOSPC);
	ck_assert(fault_logged("BAR 0 [0x0-0x0] cannot be claimed: No space left on device"));
	ck_assert_int_eq(count_claims(), 0);
}
END_TEST

START_TEST(all_bars_or_none)
{
	with_arbiter();
	refused_bar = 1;
	answer = -EBUSY;
	ck_assert_int_eq(udrv_pci_request_regions(dev, "all"), -EBUSY);
	ck_assert_uint_eq(asked, 2);
	ck_assert_uint_eq(given_back, 1);
	ck_assert_int_eq(count_claims(), 0);
	refused_bar = -1;
	ck_assert_int_eq(udrv_pci_request_regions(dev, "all"), 0);
	ck_assert_int_eq(count_claims(), 2);
	udrv_pci_release_regions(dev);
	ck_assert_int_eq(count_claims(), 0);
	ck_assert_uint_eq(given_back, 3);
}
END_TEST

START_TEST(a_failed_request_leaves_older_claims)
{
	ck_assert_int_eq(udrv_pci_request_region(dev, 1, "old"), 0);
	ck_assert_int_eq(udrv_pci_request_regions(dev, "all"), -EBUSY);
	ck_assert_int_eq(count_claims(), 1);
	ck_assert_str_eq(dev->claims->name, "old");
}
END_TEST

START_TEST(some_bars)
{
	ck_assert_int_eq(udrv_pci_request_selected_regions(dev, 1 << 1, "one"), 0);
	ck_assert_int_eq(count_claims(), 1);
	ck_assert_int_eq(dev->claims->bar, 1);
	ck_assert_uint_eq(dev->claims->len, udrv_pci_resource_len(dev, 1));
	ck_assert_int_eq(udrv_pci_request_selected_regions(dev, 1 << 0 | 1 << 3, "two"), 0);
	ck_assert_int_eq(count_claims(), 2);
	udrv_pci_release_selected_regions(dev, 1 << 1);
	ck_assert_int_eq(count_claims(), 1);
	udrv_pci_release_selected_regions(dev, 0x3f);
	ck_assert_int_eq(count_claims(), 0);
}
END_TEST

START_TEST(a_bar_that_is_not_there)
{
	ck_assert_int_eq(udrv_pci_request_region(dev, 2, "none"), 0);
	ck_assert_int_eq(udrv_pci_request_region(dev, 6, "none"), -EINVAL);
	ck_assert_int_eq(udrv_pci_request_region(dev, -1, "none"), -EINVAL);
	udrv_pci_release_region(dev, 2);
	udrv_pci_release_region(dev, 6);
	udrv_pci_release_region(dev, -1);
	ck_assert_int_eq(count_claims(), 0);
}
END_TEST

START_TEST(close_gives_all_back)
{
	with_arbiter();
	ck_assert_int_eq(udrv_request_region(dev, 0, 0, 1, "one"), 0);
	ck_assert_int_eq(udrv_pcim_request_region(dev, 1, "two"), 0);
	ck_assert_int_eq(udrv_devm_request_region(dev, 0, 1, 1, "three"), 0);
	udrv__devres_release(dev);
	ck_assert_uint_eq(given_back, 2);
	ck_assert_int_eq(count_claims(), 1);
	udrv__claims_release(dev);
	ck_assert_uint_eq(given_back, 3);
	ck_assert_int_eq(count_claims(), 0);
}
END_TEST

START_TEST(managed_and_given_back_early)
{
	with_arbiter();
	ck_assert_int_eq(udrv_pcim_request_all_regions(dev, "all"), 0);
	ck_assert_int_eq(count_claims(), 2);
	udrv_pci_release_region(dev, 0);
	ck_assert_uint_eq(given_back, 1);
	ck_assert_int_eq(udrv_pci_request_region(dev, 0, "plain"), 0);
	udrv__devres_release(dev);
	ck_assert_uint_eq(given_back, 2);
	ck_assert_int_eq(count_claims(), 1);
	ck_assert_str_eq(dev->claims->name, "plain");
}
END_TEST

static void *give_back(void *arg)
{
	while (__atomic_load_n((bool *)arg, __ATOMIC_SEQ_CST))
		for (uint64_t i = 0; i < BAR0; i++)
			udrv_release_region(dev, 0, i, 1);
	return NULL;
}

/* One thread gives them back early while the driver ends. */
START_TEST(managed_and_given_back_early_at_this_moment)
{
	bool go_on = true;
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, give_back, &go_on), 0);
	for (int round = 0; round < 50; round++) {
		for (uint64_t i = 0; i < BAR0; i++)
			ck_assert_int_eq(udrv_devm_request_region(dev, 0, i, 1, "managed"), 0);
		udrv__devres_release(dev);
		ck_assert_int_eq(count_claims(), 0);
	}
	__atomic_store_n(&go_on, false, __ATOMIC_SEQ_CST);
	pthread_join(thread, NULL);
	ck_assert_ptr_null(dev->devres);
}
END_TEST

START_TEST(managed_all_or_none)
{
	with_arbiter();
	refused_bar = 1;
	answer = -EBUSY;
	ck_assert_int_eq(udrv_pcim_request_all_regions(dev, "all"), -EBUSY);
	ck_assert_int_eq(count_claims(), 0);
	ck_assert_ptr_null(dev->devres);
}
END_TEST

/* What is told to other processes. */

static struct udrv__claim_file file;
static struct udrv__claim_table table;

static const char *table_path(void)
{
	static char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/test@" MODEL ".claims", fake_root);
	return path;
}

static void setup_file(void)
{
	setup();
	ck_assert_int_eq(udrv__claims_create(&file, fake_root, "test", dev), 0);
}

static void teardown_file(void)
{
	teardown();
	udrv__claims_destroy(&file);
}

static void read_table(void)
{
	ck_assert_int_eq(udrv__claims_read(&table, table_path()), 0);
}

START_TEST(claims_are_told)
{
	read_table();
	ck_assert_uint_eq(table.count, 0);
	ck_assert_uint_eq(table.pid, (uint32_t)getpid());
	ck_assert_str_eq(table.driver, "test");
	ck_assert_str_eq(table.device, MODEL);
	ck_assert_str_eq(table.backend, "model");
	ck_assert_uint_eq(table.bars[0].len, BAR0);
	ck_assert_uint_eq(table.bars[0].flags, UDRV_RESOURCE_MEM);
	ck_assert_uint_eq(table.bars[2].len, 0);
	ck_assert_int_eq(udrv_request_region(dev, 1, 0x20, 0x30, "one"), 0);
	ck_assert_int_eq(udrv_request_region(dev, 1, 0x20, 1, "refused"), -EBUSY);
	read_table();
	ck_assert_uint_eq(table.count, 1);
	ck_assert_uint_eq(table.records[0].bar, 1);
	ck_assert_uint_eq(table.records[0].offset, 0x20);
	ck_assert_uint_eq(table.records[0].len, 0x30);
	ck_assert_str_eq(table.records[0].name, "one");
	udrv_release_region(dev, 1, 0x20, 0x30);
	read_table();
	ck_assert_uint_eq(table.count, 0);
}
END_TEST

START_TEST(what_there_is_no_room_for_is_counted)
{
	for (unsigned int i = 0; i < UDRV__CLAIMS_MAX + 3; i++)
		ck_assert_int_eq(udrv_request_region(dev, 1, i, 1, "many"), 0);
	read_table();
	ck_assert_uint_eq(table.count, UDRV__CLAIMS_MAX);
	ck_assert_uint_eq(table.left_out, 3);
	udrv__claims_release(dev);
	read_table();
	ck_assert_uint_eq(table.count, 0);
	ck_assert_uint_eq(table.left_out, 0);
}
END_TEST

START_TEST(a_reader_believes_nothing)
{
	struct udrv__claim_record *r = file.table->records;

	memset(file.table->driver, 'x', sizeof(file.table->driver));
	file.table->device[0] = '\n';
	r[0] = (struct udrv__claim_record){.bar = 0, .offset = BAR0 - 1, .len = 2, .name = "end"};
	r[1] = (struct udrv__claim_record){
		.bar = 0, .offset = 8, .len = UINT64_MAX, .name = "wrap"};
	r[2] = (struct udrv__claim_record){.bar = 900, .len = 1, .name = "bar"};
	r[3] = (struct udrv__claim_record){.bar = 0, .len = 0, .name = "empty"};
	r[4] = (struct udrv__claim_record){.bar = 0, .offset = 4, .len = 4};
	memset(r[4].name, '\033', sizeof(r[4].name));
	file.table->count = 5;
	read_table();
	ck_assert_uint_eq(strlen(table.driver), sizeof(table.driver) - 1);
	ck_assert_int_eq(table.device[0], '?');
	ck_assert_uint_eq(table.count, 1);
	ck_assert_uint_eq(table.records[0].offset, 4);
	ck_assert_str_eq(table.records[0].name, "???????????????????????????????");
	file.table->count = UINT32_MAX;
	read_table();
	ck_assert_uint_le(table.count, UDRV__CLAIMS_MAX);
}
END_TEST

/* The owner lost its CPU in the middle of a change. */
static void *end_the_change(void *arg)
{
	(void)arg;
	usleep(100000);
	__atomic_add_fetch(&file.table->sequence, 1, __ATOMIC_RELEASE);
	return NULL;
}

START_TEST(a_change_that_takes_long_is_waited_for)
{
	pthread_t thread;

	file.table->sequence |= 1;
	ck_assert_int_eq(pthread_create(&thread, NULL, end_the_change, NULL), 0);
	read_table();
	ck_assert_uint_eq(table.sequence % 2, 0);
	pthread_join(thread, NULL);
}
END_TEST

START_TEST(what_never_holds_still_is_given_up)
{
	file.table->sequence |= 1;
	ck_assert_int_eq(udrv__claims_read(&table, table_path()), -ESTALE);
}
END_TEST

START_TEST(another_kind_of_file)
{
	int fd;

	file.table->version++;
	ck_assert_int_eq(udrv__claims_read(&table, table_path()), -EPROTO);
	file.table->version--;
	file.table->size--;
	ck_assert_int_eq(udrv__claims_read(&table, table_path()), -EPROTO);
	file.table->size++;
	file.table->magic[0]++;
	ck_assert_int_eq(udrv__claims_read(&table, table_path()), -EPROTO);
	file.table->magic[0]--;
	read_table();
	fd = open(table_path(), O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(ftruncate(fd, sizeof(table) - 1), 0);
	close(fd);
	ck_assert_int_eq(udrv__claims_read(&table, table_path()), -EPROTO);
	ck_assert_int_eq(udrv__claims_read(&table, "/nowhere/test.claims"), -ENOENT);
}
END_TEST

START_TEST(a_dead_owner_tells_nothing)
{
	ck_assert_int_eq(flock(file.file.fd, LOCK_UN), 0);
	ck_assert_int_eq(udrv__claims_read(&table, table_path()), -ESTALE);
}
END_TEST

START_TEST(the_file_goes_with_the_owner)
{
	dev->claim_file = NULL;
	udrv__claims_destroy(&file);
	ck_assert_int_eq(access(table_path(), F_OK), -1);
	/* Once more does nothing. */
	udrv__claims_destroy(&file);
}
END_TEST

static TCase *files_case(void)
{
	TCase *tc = tcase_create("told");

	tcase_add_checked_fixture(tc, setup_file, teardown_file);
	tcase_add_test(tc, claims_are_told);
	tcase_add_test(tc, what_there_is_no_room_for_is_counted);
	tcase_add_test(tc, a_reader_believes_nothing);
	tcase_add_test(tc, a_change_that_takes_long_is_waited_for);
	tcase_add_test(tc, what_never_holds_still_is_given_up);
	tcase_add_test(tc, another_kind_of_file);
	tcase_add_test(tc, a_dead_owner_tells_nothing);
	tcase_add_test(tc, the_file_goes_with_the_owner);
	return tc;
}

int main(void)
{
	Suite *s = suite_create("claim");
	TCase *tc = tcase_create("claims");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_holder_is_named_with_its_process);
	tcase_add_test(tc, edges_touch_without_overlap);
	tcase_add_test(tc, release_needs_the_same_range);
	tcase_add_test(tc, a_name_is_made_fit);
	tcase_add_test(tc, the_arbiter_is_asked_last);
	tcase_add_test(tc, another_process_has_it);
	tcase_add_test(tc, the_arbiter_fails);
	tcase_add_test(tc, all_bars_or_none);
	tcase_add_test(tc, a_failed_request_leaves_older_claims);
	tcase_add_test(tc, some_bars);
	tcase_add_test(tc, a_bar_that_is_not_there);
	tcase_add_test(tc, close_gives_all_back);
	tcase_add_test(tc, managed_and_given_back_early);
	tcase_add_test(tc, managed_and_given_back_early_at_this_moment);
	tcase_add_test(tc, managed_all_or_none);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, files_case());
	return run_suite(s);
}

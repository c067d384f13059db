// SPDX-License-Identifier: MIT
/* The statistics segment: what a daemon's device writes there, and what readers make of it. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>

#include <udrv/udrv.h>

#include "pci/device.h"
#include "stat/segment.h"

#include "support/fake_tree.h"
#include "support/suite.h"

/* docs/specs/edu of QEMU: interrupt status, raise, acknowledge. */
#define IRQ_STATUS 0x24
#define IRQ_RAISE  0x60
#define IRQ_ACK	   0x64

#define LATER_MS  60000
#define FILE_NAME "test@model:edu.stats"

static struct udrv__stat_segment segment;
static struct udrv__stat_view view;
static struct udrv_device *dev;
static void __udrv_iomem *regs;
static struct udrv_completion done;
static char path[PATH_MAX];

static udrv_irqreturn_t handler(int irq, void *ctx)
{
	uint32_t status = udrv_ioread32(regs + IRQ_STATUS);

	(void)irq;
	(void)ctx;
	if (!status)
		return UDRV_IRQ_NONE;
	udrv_iowrite32(status, regs + IRQ_ACK);
	udrv_complete(&done);
	return UDRV_IRQ_HANDLED;
}

static void setup_files(void)
{
	fake_tree_make();
	(void)snprintf(path, sizeof(path), "%s/" FILE_NAME, fake_root);
	ck_assert_int_eq(udrv_device_open("model:edu", NULL, &dev), 0);
}

static void setup(void)
{
	setup_files();
	ck_assert_int_eq(udrv__stat_create(&segment, fake_root, "test", dev), 0);
	ck_assert_int_eq(udrv_pci_enable_device(dev), 0);
	ck_assert_int_eq(udrv_pci_set_master(dev), 0);
	regs = udrv_pci_iomap(dev, 0, 0);
	ck_assert_ptr_nonnull((void *)regs);
	udrv_init_completion(dev, &done);
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 1, UDRV_PCI_IRQ_MSI), 1);
	ck_assert_int_eq(udrv__stat_open(&view, path), 0);
}

static void teardown(void)
{
	if (view.header)
		udrv__stat_close(&view);
	udrv_device_close(dev);
	udrv__stat_destroy(&segment);
	ck_assert_int_ne(access(path, F_OK), 0);
	fake_tree_remove();
}

static void request(const char *name)
{
	ck_assert_int_eq(
		udrv_request_irq(dev, 0, handler, UDRV_IRQF_SHARED, name, (void *)(uintptr_t)name),
		0);
}

static void raise_irqs(int count)
{
	for (int i = 0; i < count; i++) {
		udrv_iowrite32(1, regs + IRQ_RAISE);
		ck_assert_int_gt(udrv_wait_for_completion_timeout(&done, LATER_MS), 0);
	}
	ck_assert_int_eq(udrv_synchronize_irq(dev, 0), 0);
}

/* Vector 0 as a reader sees it; valid until the next call. */
static const struct udrv__stat_vector *seen(void)
{
	static struct udrv__stat_vector copy;

	ck_assert_int_eq(udrv__stat_read(&view, 0, &copy), 0);
	return &copy;
}

START_TEST(the_header_says_who_writes)
{
	ck_assert_str_eq(view.header->driver, "test");
	ck_assert_str_eq(view.header->device, "model:edu");
	ck_assert_str_eq(view.header->backend, "model");
	ck_assert_int_eq((int)view.header->pid, getpid());
	ck_assert_uint_eq(view.header->vectors, 1);
	ck_assert_uint_ge(view.size, view.header->header_size +
					     view.header->record_count * view.header->record_size);
	ck_assert(udrv__stat_ns_per_cycle(&view) > 0);
}
END_TEST

/* What a reader sees of the exports. */
static const char *exports(void)
{
	static char copy[UDRV__STAT_EXPORTS];

	ck_assert_int_eq(udrv__stat_exports(&view, copy), 0);
	return copy;
}

START_TEST(exports_come_and_go)
{
	ck_assert_str_eq(exports(), "");
	udrv__stat_export_add(dev, "/dev/ublkb1");
	udrv__stat_export_add(dev, "/dev/ublkb10");
	udrv__stat_export_add(dev, "net0");
	ck_assert_str_eq(exports(), "/dev/ublkb1\n/dev/ublkb10\nnet0\n");
	udrv__stat_export_del(dev, "/dev/ublkb1");
	udrv__stat_export_del(dev, "/dev/ublkb");
	ck_assert_str_eq(exports(), "/dev/ublkb10\nnet0\n");
	udrv__stat_export_del(dev, "net0");
	udrv__stat_export_del(dev, "/dev/ublkb10");
	ck_assert_str_eq(exports(), "");
	/* What would not be one line. */
	udrv__stat_export_add(dev, "");
	udrv__stat_export_add(dev, "two\nlines");
	ck_assert_str_eq(exports(), "");
	/* Without a segment. */
	udrv__stat_export_add(NULL, "net0");
}
END_TEST

START_TEST(exports_beyond_the_room_are_left_out)
{
	char name[128];
	size_t len;

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	for (int i = 0; i < UDRV__STAT_EXPORTS / 128 + 2; i++)
		udrv__stat_export_add(dev, name);
	len = strlen(exports());
	ck_assert_uint_eq(len, UDRV__STAT_EXPORTS / 128 * 128 - 128);
	udrv__stat_export_add(dev, "net0");
	ck_assert_str_eq(exports() + len, "net0\n");
}
END_TEST

struct renamer {
	atomic_bool stop;
	unsigned long done;
};

static void *rename_often(void *arg)
{
	struct renamer *r = arg;

	while (!r->stop) {
		udrv__stat_export_add(dev, "/dev/ublkb2");
		udrv__stat_export_del(dev, "/dev/ublkb1");
		udrv__stat_export_add(dev, "/dev/ublkb1");
		udrv__stat_export_del(dev, "/dev/ublkb2");
		r->done++;
	}
	return NULL;
}

START_TEST(a_reader_never_sees_half_a_change)
{
	struct renamer r = {false, 0};
	pthread_t thread;

	udrv__stat_export_add(dev, "/dev/ublkb1");
	ck_assert_int_eq(pthread_create(&thread, NULL, rename_often, &r), 0);
	for (int i = 0; i < 20000; i++) {
		const char *text = exports();

		ck_assert_msg(!strcmp(text, "/dev/ublkb1\n") || !strcmp(text, "/dev/ublkb2\n") ||
				      !strcmp(text, "/dev/ublkb1\n/dev/ublkb2\n") ||
				      !strcmp(text, "/dev/ublkb2\n/dev/ublkb1\n"),
			      "%s", text);
	}
	r.stop = true;
	pthread_join(thread, NULL);
	ck_assert_str_eq(exports(), "/dev/ublkb1\n");
}
END_TEST

START_TEST(a_reader_sees_each_interrupt)
{
	const struct udrv__stat_vector *r;

	request("first");
	raise_irqs(1000);
	r = seen();
	ck_assert_uint_eq(r->count, 1000);
	ck_assert_uint_eq(r->unhandled, 0);
	ck_assert_uint_eq(udrv_hist_count(&r->run), 1000);
	ck_assert_uint_gt(r->run.max, 0);
	ck_assert_uint_ge(r->run.sum, r->run.max);
	ck_assert_uint_eq(r->worker.type, UDRV__IRQ_MSI);
	ck_assert_str_eq(r->worker.wait, "read");
	ck_assert_str_eq(r->worker.names, "first");
	ck_assert_uint_ne(r->worker.tid, 0);
	ck_assert_int_eq(udrv__stat_read(&view, 1, (struct udrv__stat_vector *)(uintptr_t)r),
			 -ENOENT);
}
END_TEST

START_TEST(handlers_and_the_way_to_wait_are_told_anew)
{
	struct udrv_irq_options options = UDRV_IRQ_OPTIONS_DEFAULT;
	static const char first[] = "first";
	static const char second[] = "second";

	ck_assert_str_eq(seen()->worker.names, "");
	ck_assert_uint_eq(seen()->worker.tid, 0);
	request(first);
	request(second);
	ck_assert_str_eq(seen()->worker.names, "first, second");
	options.wait = UDRV_WAIT_URING;
	options.cpu = 0;
	ck_assert_int_eq(udrv_irq_set_options(dev, 0, &options), 0);
	ck_assert_str_eq(seen()->worker.wait, "uring");
	ck_assert_int_eq(seen()->worker.cpu, 0);
	ck_assert_int_eq(udrv_free_irq(dev, 0, (void *)(uintptr_t)first), 0);
	ck_assert_str_eq(seen()->worker.names, "second");
	ck_assert_int_eq(udrv_free_irq(dev, 0, (void *)(uintptr_t)second), 0);
	ck_assert_str_eq(seen()->worker.names, "");
	ck_assert_uint_eq(seen()->worker.tid, 0);
}
END_TEST

static void pause_ms(long ms)
{
	const struct timespec t = {.tv_nsec = ms * 1000000};

	nanosleep(&t, NULL);
}

static double disabled_ns(void)
{
	return (double)seen()->disabled_cycles * udrv__stat_ns_per_cycle(&view);
}

START_TEST(the_time_that_it_is_disabled_is_counted)
{
	int64_t after;

	request("test");
	ck_assert_int_eq(seen()->disabled_cycles, 0);
	ck_assert_int_eq(udrv_disable_irq(dev, 0), 0);
	ck_assert_int_eq(udrv_disable_irq(dev, 0), 0);
	ck_assert_uint_eq(seen()->disabled, 2);
	pause_ms(20);
	ck_assert(disabled_ns() >= 19e6);
	ck_assert_int_eq(udrv_enable_irq(dev, 0), 0);
	pause_ms(20);
	ck_assert_int_eq(udrv_enable_irq(dev, 0), 0);
	ck_assert_uint_eq(seen()->disabled, 0);
	ck_assert(disabled_ns() >= 38e6);
	after = seen()->disabled_cycles;
	pause_ms(20);
	ck_assert_int_eq(seen()->disabled_cycles, after);
}
END_TEST

START_TEST(a_request_after_free_ends_the_time_that_it_is_disabled)
{
	static const char name[] = "test";
	int64_t after;

	request(name);
	ck_assert_int_eq(udrv_disable_irq(dev, 0), 0);
	ck_assert_int_eq(udrv_free_irq(dev, 0, (void *)(uintptr_t)name), 0);
	request(name);
	ck_assert_uint_eq(seen()->disabled, 0);
	after = seen()->disabled_cycles;
	ck_assert_int_gt(after, 0);
	ck_assert_int_eq(seen()->disabled_cycles, after);
}
END_TEST

START_TEST(vectors_that_are_freed_are_not_shown)
{
	struct udrv__stat_vector copy;

	udrv_pci_free_irq_vectors(dev);
	ck_assert_int_eq(udrv__stat_read(&view, 0, &copy), -ENOENT);
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 1, UDRV_PCI_IRQ_INTX), 1);
	ck_assert_uint_eq(seen()->worker.type, UDRV__IRQ_INTX);
	ck_assert_uint_eq(seen()->count, 0);
}
END_TEST

/* Readers beside a device that works, each with a view of its own. */
static atomic_bool stop;

static void *read_on(void *arg)
{
	struct udrv__stat_view own;
	struct udrv__stat_vector copy;
	uint64_t last = 0;
	long *reads = arg;

	ck_assert_int_eq(udrv__stat_open(&own, path), 0);
	while (!stop) {
		ck_assert_int_eq(udrv__stat_read(&own, 0, &copy), 0);
		ck_assert_uint_ge(copy.count, last);
		last = copy.count;
		++*reads;
	}
	udrv__stat_close(&own);
	return NULL;
}

START_TEST(two_readers_disturb_neither_each_other_nor_the_device)
{
	long reads[2] = {0, 0};
	pthread_t readers[2];

	stop = false;
	request("test");
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&readers[i], NULL, read_on, &reads[i]), 0);
	raise_irqs(5000);
	stop = true;
	for (int i = 0; i < 2; i++) {
		pthread_join(readers[i], NULL);
		ck_assert_int_gt(reads[i], 0);
	}
	ck_assert_uint_eq(seen()->count, 5000);
}
END_TEST

static void *describe_on(void *arg)
{
	struct udrv__stat_worker worker = {0};

	(void)arg;
	for (int i = 0; !stop; i++) {
		char letter = (char)('a' + i % 26);

		worker.nr = (uint32_t)letter;
		worker.cpu = letter;
		memset(worker.wait, letter, sizeof(worker.wait) - 1);
		memset(worker.names, letter, sizeof(worker.names) - 1);
		udrv__stat_describe(udrv__stat_record(&segment, 0), &worker);
		/* Readers find it at rest, too. */
		for (int pause = 0; pause < 100; pause++)
			udrv_cpu_relax();
	}
	return NULL;
}

START_TEST(a_description_is_never_read_half)
{
	pthread_t writer;

	stop = false;
	ck_assert_int_eq(pthread_create(&writer, NULL, describe_on, NULL), 0);
	while (!seen()->worker.nr)
		;
	for (int i = 0; i < 20000; i++) {
		const struct udrv__stat_worker *w = &seen()->worker;
		char letter = (char)w->nr;

		ck_assert_int_eq(w->cpu, letter);
		ck_assert_int_eq(w->wait[0], letter);
		ck_assert_int_eq(w->names[0], letter);
		ck_assert_int_eq(w->names[sizeof(w->names) - 2], letter);
	}
	stop = true;
	pthread_join(writer, NULL);
}
END_TEST

/* A daemon that makes its segment and dies. */
/* A reader that is held up in the middle of one life of a record must not take it for another's. */
START_TEST(the_sequence_goes_on_when_vectors_are_allocated_anew)
{
	const struct udrv__stat_vector *record = udrv__stat_record(&segment, 0);
	const uint32_t before = record->sequence;

	ck_assert_uint_gt(before, 0);
	udrv_pci_free_irq_vectors(dev);
	ck_assert_int_gt(udrv_pci_alloc_irq_vectors(dev, 1, 1, UDRV_PCI_IRQ_ALL_TYPES), 0);
	ck_assert_uint_gt(record->sequence, before);
	ck_assert_uint_eq(record->sequence % 2, 0);
	ck_assert_int_eq(seen()->worker.cpu, -1);
}
END_TEST

static void leave_one(const char *driver)
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (!pid)
		_exit(udrv__stat_create(&segment, fake_root, driver, dev) ? 1 : 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

START_TEST(what_a_dead_daemon_left_is_ignored_and_removed_by_the_next)
{
	char other[PATH_MAX];

	leave_one("other");
	(void)snprintf(other, sizeof(other), "%s/other@model:edu.stats", fake_root);
	ck_assert_int_eq(access(other, F_OK), 0);
	ck_assert_int_eq(udrv__stat_open(&view, other), -ESTALE);
	leave_one("test");
	ck_assert_int_eq(udrv__stat_open(&view, path), -ESTALE);
	fake_file("", "test@model:edu.stats.new");
	fake_file("x", "test@model:edu2.stats");
	ck_assert_int_eq(udrv__stat_create(&segment, fake_root, "test", dev), 0);
	ck_assert_int_eq(udrv__stat_open(&view, path), 0);
	ck_assert_int_eq((int)view.header->pid, getpid());
	ck_assert_int_ne(access(other, F_OK), 0);
	ck_assert_str_eq(fake_text("test@model:edu.stats.new"), "(no such file)");
	ck_assert_str_eq(fake_text("test@model:edu2.stats"), "x");
}
END_TEST

/* A file that somebody holds, with this in it. */
static int open_file_with(const void *bytes, size_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int ret;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
	ret = udrv__stat_open(&view, path);
	close(fd);
	(void)unlink(path);
	return ret;
}

START_TEST(what_is_no_segment_is_refused)
{
	static char bytes[32768];
	struct udrv__stat_header good;

	ck_assert_int_eq(udrv__stat_open(&view, path), -ENOENT);
	ck_assert_int_eq(udrv__stat_create(&segment, fake_root, "test", dev), 0);
	good = *segment.header;
	udrv__stat_destroy(&segment);
	dev->stats = NULL;
	memcpy(bytes, &good, sizeof(good));
	ck_assert_int_eq(open_file_with(bytes, sizeof(bytes)), 0);
	udrv__stat_close(&view);
	ck_assert_int_eq(open_file_with(bytes, 0), -EPROTO);
	ck_assert_int_eq(open_file_with(bytes, sizeof(good)), -EPROTO);
	((struct udrv__stat_header *)bytes)->version++;
	ck_assert_int_eq(open_file_with(bytes, sizeof(bytes)), -EPROTO);
	memcpy(bytes, &good, sizeof(good));
	((struct udrv__stat_header *)bytes)->record_count = UINT32_MAX;
	ck_assert_int_eq(open_file_with(bytes, sizeof(bytes)), -EPROTO);
	memcpy(bytes, &good, sizeof(good));
	memset(((struct udrv__stat_header *)bytes)->device, 'x', sizeof(good.device));
	ck_assert_int_eq(open_file_with(bytes, sizeof(bytes)), -EPROTO);
	ck_assert_int_eq(open_file_with("", 0), -EPROTO);
}
END_TEST

START_TEST(a_count_that_grows_later_is_not_believed)
{
	static char bytes[sizeof(struct udrv__stat_header) + 2 * sizeof(struct udrv__stat_vector)];
	struct udrv__stat_header *h = (void *)bytes;
	struct udrv__stat_vector copy;
	int fd;

	ck_assert_int_eq(udrv__stat_create(&segment, fake_root, "other", dev), 0);
	*h = *segment.header;
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	h->record_count = h->vectors = 2;
	ck_assert_int_eq(write(fd, bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	ck_assert_int_eq(udrv__stat_open(&view, path), 0);
	ck_assert_int_eq(udrv__stat_read(&view, 1, &copy), 0);
	h->record_count = h->vectors = 100000;
	ck_assert_int_eq(pwrite(fd, bytes, sizeof(*h), 0), (ssize_t)sizeof(*h));
	ck_assert_uint_eq(view.header->record_count, 100000);
	ck_assert_int_eq(udrv__stat_read(&view, 1, &copy), 0);
	ck_assert_int_eq(udrv__stat_read(&view, 2, &copy), -ENOENT);
	ck_assert_int_eq(udrv__stat_read(&view, 50000, &copy), -ENOENT);
	close(fd);
	(void)unlink(path);
}
END_TEST

START_TEST(without_a_place_for_it_the_device_works_all_the_same)
{
	struct udrv_irq_stats stats;

	ck_assert_int_eq(udrv__stat_create(&segment, "/proc/nothing", "test", dev), -ENOENT);
	ck_assert_ptr_null(segment.header);
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 1, UDRV_PCI_IRQ_MSI), 1);
	request("test");
	ck_assert_int_eq(udrv_irq_get_stats(dev, 0, &stats), 0);
	ck_assert_uint_eq(stats.count, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("stat_segment");
	TCase *device = tcase_create("device");
	TCase *files = tcase_create("files");

	tcase_set_timeout(device, 300);
	tcase_add_checked_fixture(device, setup, teardown);
	tcase_add_test(device, exports_come_and_go);
	tcase_add_test(device, exports_beyond_the_room_are_left_out);
	tcase_add_test(device, a_reader_never_sees_half_a_change);
	tcase_add_test(device, the_header_says_who_writes);
	tcase_add_test(device, a_reader_sees_each_interrupt);
	tcase_add_test(device, handlers_and_the_way_to_wait_are_told_anew);
	tcase_add_test(device, the_time_that_it_is_disabled_is_counted);
	tcase_add_test(device, a_request_after_free_ends_the_time_that_it_is_disabled);
	tcase_add_test(device, vectors_that_are_freed_are_not_shown);
	tcase_add_test(device, two_readers_disturb_neither_each_other_nor_the_device);
	tcase_add_test(device, a_description_is_never_read_half);
	tcase_add_test(device, the_sequence_goes_on_when_vectors_are_allocated_anew);
	tcase_set_timeout(files, 300);
	tcase_add_checked_fixture(files, setup_files, teardown);
	tcase_add_test(files, what_a_dead_daemon_left_is_ignored_and_removed_by_the_next);
	tcase_add_test(files, what_is_no_segment_is_refused);
	tcase_add_test(files, a_count_that_grows_later_is_not_believed);
	tcase_add_test(files, without_a_place_for_it_the_device_works_all_the_same);
	suite_add_tcase(s, device);
	suite_add_tcase(s, files);
	return run_suite(s);
}

// SPDX-License-Identifier: MIT
/* The NVMe library beside I/O: attaching, admin commands, namespaces, events. */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include <udrv/completion.h>
#include <udrv/delay.h>
#include <udrv/jiffies.h>
#include <udrv/log.h>
#include <udrv/pci.h>

#include "backend/model.h"
#include "backend/model_nvme.h"
#include "nvme_ctrl.h"

#include "support/nvme_rig.h"
#include "support/one_cpu.h"
#include "support/suite.h"
#include "support/threads.h"

#define SOON_MS 60000

static struct nvme_rig rig;
static struct udrv_completion told;
static enum udrv_nvme_event last_event;
static uint32_t last_arg;
static _Atomic enum udrv_nvme_event awaited;

static void on_event(void *ctx, enum udrv_nvme_event event, uint32_t arg)
{
	ck_assert_ptr_eq(ctx, &rig);
	if (event != awaited)
		return;
	last_event = event;
	last_arg = arg;
	udrv_complete(&told);
}

static void setup(void)
{
	nvme_rig_open(&rig, NULL);
	udrv_init_completion(NULL, &told);
	udrv_nvme_on_event(rig.nvme, on_event, &rig);
}

static void teardown(void)
{
	nvme_rig_close(&rig);
}

static void await_event(enum udrv_nvme_event event)
{
	ck_assert_int_gt(udrv_wait_for_completion_timeout(&told, SOON_MS * UDRV_HZ / 1000), 0);
	ck_assert_int_eq(last_event, event);
}

START_TEST(identify_tells_what_attach_knows)
{
	struct nvme_id_ctrl *id = calloc(1, sizeof(*id));
	struct nvme_id_ns *ns = calloc(1, sizeof(*ns));
	uint32_t *list = calloc(NVME_NS_LIST_ENTRIES, sizeof(*list));

	ck_assert_int_eq(udrv_nvme_identify(rig.nvme, NVME_CNS_CTRL, 0, id), 0);
	ck_assert_mem_eq(id, udrv_nvme_id_ctrl(rig.nvme), sizeof(*id));
	ck_assert_int_eq(udrv_nvme_identify(rig.nvme, NVME_CNS_NS, rig.ns->nsid, ns), 0);
	ck_assert_uint_eq(ns->nsze, udrv_nvme_ns_blocks(rig.ns));
	ck_assert_int_eq(udrv_nvme_identify(rig.nvme, NVME_CNS_ACTIVE_NS, 0, list), 0);
	ck_assert_uint_eq(list[0], rig.ns->nsid);
	ck_assert_ptr_eq(udrv_nvme_ns(rig.nvme, list[0]), rig.ns);
	ck_assert_ptr_null(udrv_nvme_ns(rig.nvme, 0));
	ck_assert_ptr_null(udrv_nvme_ns(rig.nvme, 999));
	ck_assert_ptr_null(udrv_nvme_ns_next(rig.nvme, NVME_NSID_MAX));
	free(list);
	free(ns);
	free(id);
}
END_TEST

START_TEST(features_are_got_and_set)
{
	uint32_t value;

	ck_assert_int_eq(
		udrv_nvme_set_feature(rig.nvme, NVME_FEAT_TEMPERATURE, 0, 350, false, NULL), 0);
	ck_assert_int_eq(
		udrv_nvme_get_feature(rig.nvme, NVME_FEAT_TEMPERATURE, 0, 0, NULL, 0, &value), 0);
	ck_assert_uint_eq(value & 0xffff, 350);
	ck_assert_int_gt(udrv_nvme_get_feature(rig.nvme, 0xbf, 0, 0, NULL, 0, &value), 0);
	/* That one is the library's. */
	ck_assert_int_eq(udrv_nvme_set_feature(rig.nvme, NVME_FEAT_QUEUES, 0, 0, false, NULL),
			 -EINVAL);
}
END_TEST

START_TEST(logs_are_read)
{
	struct nvme_smart *smart = calloc(1, sizeof(*smart));
	struct nvme_firmware_slots *slots = calloc(1, sizeof(*slots));

	ck_assert_int_eq(udrv_nvme_get_log(rig.nvme, NVME_LOG_SMART, NVME_NSID_ALL, smart,
					   sizeof(*smart), true),
			 0);
	ck_assert_uint_gt(smart->temperature[0] + 256u * smart->temperature[1], 0);
	ck_assert_int_eq(udrv_nvme_get_log(rig.nvme, NVME_LOG_FIRMWARE, NVME_NSID_ALL, slots,
					   sizeof(*slots), true),
			 0);
	ck_assert_uint_ge(slots->afi & 7, 1);
	ck_assert_int_eq(udrv_nvme_get_log(rig.nvme, NVME_LOG_SMART, NVME_NSID_ALL, smart, 3, true),
			 -EINVAL);
	ck_assert_int_gt(udrv_nvme_get_log(rig.nvme, 0x77, NVME_NSID_ALL, smart, 512, true), 0);
	free(slots);
	free(smart);
}
END_TEST

START_TEST(commands_of_the_librarys_own_are_refused)
{
	static const uint8_t own[] = {
		NVME_ADMIN_DELETE_SQ, NVME_ADMIN_CREATE_SQ,   NVME_ADMIN_DELETE_CQ,
		NVME_ADMIN_CREATE_CQ, NVME_ADMIN_ASYNC_EVENT, NVME_ADMIN_DOORBELL_BUFFER,
	};
	const struct nvme_sqe queues = {.opcode = NVME_ADMIN_SET_FEATURES,
					.cdw10 = NVME_FEAT_QUEUES};

	for (size_t i = 0; i < sizeof(own); i++) {
		const struct nvme_sqe sqe = {.opcode = own[i]};

		ck_assert_int_eq(udrv_nvme_admin(rig.nvme, &sqe, NULL, 0, NULL), -EINVAL);
	}
	ck_assert_int_eq(udrv_nvme_admin(rig.nvme, &queues, NULL, 0, NULL), -EINVAL);
}
END_TEST

START_TEST(commands_with_data_both_ways_are_refused)
{
	static unsigned char buf[4096];

	for (unsigned int opcode = 3; opcode < 256; opcode += 4) {
		const struct nvme_sqe sqe = {.opcode = (uint8_t)opcode};

		ck_assert_int_eq(udrv_nvme_admin(rig.nvme, &sqe, buf, sizeof(buf), NULL), -EINVAL);
		ck_assert_int_eq(udrv_nvme_admin(rig.nvme, &sqe, NULL, 0, NULL), -EINVAL);
	}
}
END_TEST

/* 5.14: without LPA bit 2 the length has 12 bits. */
START_TEST(a_log_is_no_longer_than_the_controller_can_give)
{
	const size_t len = 16384;
	unsigned char *buf = calloc(1, len + 4);

	ck_assert_int_eq(
		udrv_nvme_get_log(rig.nvme, NVME_LOG_ERROR, NVME_NSID_ALL, buf, len + 4, true), 0);
	ck_assert_int_eq(udrv__model_nvme_say(rig.dev, NVME_CNS_CTRL, 261, 1, 2), 0);
	ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
	ck_assert_int_eq(
		udrv_nvme_get_log(rig.nvme, NVME_LOG_ERROR, NVME_NSID_ALL, buf, len + 4, true),
		-EMSGSIZE);
	ck_assert_int_eq(udrv_nvme_get_log(rig.nvme, NVME_LOG_ERROR, NVME_NSID_ALL, buf, len, true),
			 0);
	free(buf);
}
END_TEST

START_TEST(a_namespace_that_is_resized)
{
	const uint64_t before = udrv_nvme_ns_blocks(rig.ns);

	awaited = UDRV_NVME_EVENT_NS_CHANGED;
	ck_assert_int_eq(udrv__model_nvme_resize(rig.dev, rig.ns->nsid, before / 2), 0);
	await_event(UDRV_NVME_EVENT_NS_CHANGED);
	ck_assert_uint_eq(last_arg, rig.ns->nsid);
	ck_assert_uint_eq(udrv_nvme_ns_blocks(rig.ns), before / 2);
	/* Events go on. */
	ck_assert_int_eq(udrv__model_nvme_resize(rig.dev, rig.ns->nsid, before), 0);
	await_event(UDRV_NVME_EVENT_NS_CHANGED);
	ck_assert_uint_eq(udrv_nvme_ns_blocks(rig.ns), before);
}
END_TEST

START_TEST(a_namespace_that_goes_and_comes)
{
	const uint32_t nsid = rig.ns->nsid;

	awaited = UDRV_NVME_EVENT_NS_CHANGED;
	ck_assert_int_eq(udrv__model_nvme_attach(rig.dev, nsid, false), 0);
	await_event(UDRV_NVME_EVENT_NS_CHANGED);
	ck_assert_uint_eq(udrv_nvme_ns_blocks(rig.ns), 0);
	ck_assert_ptr_null(udrv_nvme_ns(rig.nvme, nsid));
	ck_assert_int_eq(udrv__model_nvme_attach(rig.dev, nsid, true), 0);
	await_event(UDRV_NVME_EVENT_NS_CHANGED);
	ck_assert_ptr_eq(udrv_nvme_ns(rig.nvme, nsid), rig.ns);
}
END_TEST

/* What Identify answers count times from now on; 0: always. */
static void identify_fails(uint32_t status, unsigned int count)
{
	const struct udrv__model_nvme_fault fault = {
		.kind = UDRV__MODEL_NVME_ERROR,
		.opcode = NVME_ADMIN_IDENTIFY,
		.value = status,
		.count = count,
	};

	ck_assert_int_eq(udrv__model_nvme_inject(rig.dev, &fault), 0);
}

static void resize(uint64_t blocks)
{
	awaited = UDRV_NVME_EVENT_NS_CHANGED;
	ck_assert_int_eq(udrv__model_nvme_resize(rig.dev, rig.ns->nsid, blocks), 0);
	await_event(UDRV_NVME_EVENT_NS_CHANGED);
}

START_TEST(a_namespace_that_is_not_ready_for_a_moment)
{
	const uint64_t before = udrv_nvme_ns_blocks(rig.ns);

	identify_fails(NVME_SC_NS_NOT_READY, 3);
	resize(before / 2);
	ck_assert_uint_eq(udrv_nvme_ns_blocks(rig.ns), before / 2);
}
END_TEST

START_TEST(a_namespace_that_cannot_be_read_is_not_gone)
{
	static const uint32_t statuses[] = {
		NVME_SC_NS_NOT_READY,
		NVME_SC_SANITIZE_IN_PROGRESS,
		NVME_SC_INTERNAL | NVME_STATUS_DNR,
	};
	const uint64_t before = udrv_nvme_ns_blocks(rig.ns);

	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		identify_fails(statuses[i], 0);
		resize(before / 2);
		ck_assert_uint_eq(udrv_nvme_ns_blocks(rig.ns), before);
		ck_assert_ptr_eq(udrv_nvme_ns(rig.nvme, rig.ns->nsid), rig.ns);
		udrv__model_nvme_heal(rig.dev);
	}
	resize(before / 4);
	ck_assert_uint_eq(udrv_nvme_ns_blocks(rig.ns), before / 4);
}
END_TEST

START_TEST(a_namespace_that_is_not_valid_is_gone)
{
	identify_fails(NVME_SC_INVALID_NS | NVME_STATUS_DNR, 1);
	resize(udrv_nvme_ns_blocks(rig.ns) / 2);
	ck_assert_uint_eq(udrv_nvme_ns_blocks(rig.ns), 0);
	ck_assert_ptr_null(udrv_nvme_ns(rig.nvme, rig.ns->nsid));
}
END_TEST

/* All that can be asked of the namespace that was there before. */
static void refuses_all(const struct udrv_nvme_ns *ns)
{
	const struct nvme_dsm_range range = {.nlb = 1};
	void *buf = nvme_rig_memory(&rig, 4096);
	const struct iovec iov = {buf, 512};
	const struct udrv_nvme_io io = {
		.opcode = NVME_WRITE, .iov = &iov, .iov_count = 1, .blocks = 1};

	ck_assert_int_eq(udrv_nvme_read(rig.q, ns, buf, 0, 1, 0, nvme_rig_done, NULL), -EINVAL);
	ck_assert_int_eq(udrv_nvme_write(rig.q, ns, buf, 0, 1, 0, nvme_rig_done, NULL), -EINVAL);
	ck_assert_int_eq(udrv_nvme_rw(rig.q, ns, &io, nvme_rig_done, NULL), -EINVAL);
	ck_assert_int_eq(udrv_nvme_flush(rig.q, ns, nvme_rig_done, NULL), -EINVAL);
	ck_assert_int_eq(udrv_nvme_write_zeroes(rig.q, ns, 0, 1, 0, nvme_rig_done, NULL), -EINVAL);
	ck_assert_int_eq(udrv_nvme_verify(rig.q, ns, 0, 1, 0, nvme_rig_done, NULL), -EINVAL);
	ck_assert_int_eq(udrv_nvme_deallocate(rig.q, ns, &range, 1, nvme_rig_done, NULL), -EINVAL);
	ck_assert_uint_eq(udrv_nvme_in_flight(rig.q), 0);
}

START_TEST(a_number_that_means_another_namespace)
{
	const struct udrv_nvme_ns *old = rig.ns;
	const uint64_t size = old->blocks;
	void *buf = nvme_rig_memory(&rig, 4096);

	nvme_rig_queue(&rig, 16, UDRV_NVME_ADAPTIVE);
	awaited = UDRV_NVME_EVENT_NS_CHANGED;
	ck_assert_int_eq(udrv__model_nvme_replace(rig.dev, old->nsid), 0);
	await_event(UDRV_NVME_EVENT_NS_CHANGED);
	ck_assert_uint_eq(old->blocks, 0);
	refuses_all(old);
	rig.ns = udrv_nvme_ns(rig.nvme, old->nsid);
	ck_assert_ptr_ne(rig.ns, old);
	ck_assert_uint_eq(udrv_nvme_ns_blocks(rig.ns), size);
	ck_assert_uint_eq(nvme_rig_read(&rig, buf, 0, 1), 0);
	/* For good. */
	ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
	ck_assert_uint_eq(old->blocks, 0);
	ck_assert_ptr_eq(udrv_nvme_ns(rig.nvme, old->nsid), rig.ns);
}
END_TEST

START_TEST(a_number_that_means_another_namespace_time_and_again)
{
	const uint32_t nsid = rig.ns->nsid;
	unsigned int meant = 0;

	awaited = UDRV_NVME_EVENT_NS_CHANGED;
	while (udrv_nvme_ns(rig.nvme, nsid)) {
		ck_assert_uint_lt(++meant, 100);
		ck_assert_int_eq(udrv__model_nvme_replace(rig.dev, nsid), 0);
		await_event(UDRV_NVME_EVENT_NS_CHANGED);
	}
	ck_assert_uint_gt(meant, 10);
	ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
	ck_assert_ptr_null(udrv_nvme_ns(rig.nvme, nsid));
	ck_assert_ptr_nonnull(udrv_nvme_ns_next(rig.nvme, nsid));
}
END_TEST

static void manage(uint8_t opcode, uint32_t nsid, uint32_t sel, void *data)
{
	const struct nvme_sqe sqe = {.opcode = opcode, .nsid = nsid, .cdw10 = sel};

	ck_assert_int_eq(udrv_nvme_admin(rig.nvme, &sqe, data, data ? 4096 : 0, NULL), 0);
}

START_TEST(a_namespace_that_is_deleted_and_created_again)
{
	const struct udrv_nvme_ns *old = udrv_nvme_ns(rig.nvme, 2);
	struct nvme_id_ns *id = calloc(1, sizeof(*id));
	uint16_t *ctrls = calloc(1, 4096);

	awaited = UDRV_NVME_EVENT_NS_CHANGED;
	manage(NVME_ADMIN_NS_MANAGEMENT, 2, 1, NULL);
	await_event(UDRV_NVME_EVENT_NS_CHANGED);
	ck_assert_uint_eq(old->blocks, 0);
	id->nsze = id->ncap = 1000;
	manage(NVME_ADMIN_NS_MANAGEMENT, 0, 0, id);
	ctrls[0] = 1;
	ctrls[1] = udrv_nvme_id_ctrl(rig.nvme)->cntlid;
	manage(NVME_ADMIN_NS_ATTACHMENT, 2, 0, ctrls);
	await_event(UDRV_NVME_EVENT_NS_CHANGED);
	ck_assert_uint_eq(old->blocks, 0);
	ck_assert_uint_eq(udrv_nvme_ns_blocks(udrv_nvme_ns(rig.nvme, 2)), 1000);
	free(ctrls);
	free(id);
}
END_TEST

static const char *counted;
static unsigned int lines; /* that say so; atomic */

static void count_lines(void *ctx, int level, const char *line)
{
	(void)ctx;
	(void)level;
	if (strstr(line, counted))
		__atomic_fetch_add(&lines, 1, __ATOMIC_SEQ_CST);
}

START_TEST(more_namespaces_than_there_is_room_for)
{
	const struct udrv__model_nvme_switches other = {.spoil = UDRV__MODEL_NVME_SPOIL_LIST};
	const struct udrv_nvme_ns *ns = NULL;
	unsigned int count = 0;

	nvme_rig_close(&rig); /* the log is chosen before there are threads */
	counted = "are ignored";
	udrv_log_set(count_lines, NULL, UDRV_LOG_WARNING);
	setup();
	udrv__model_nvme_set_switches(rig.dev, &other);
	ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
	while ((ns = udrv_nvme_ns_next(rig.nvme, ns ? ns->nsid : 0)))
		count++;
	ck_assert_uint_eq(count, 1024 - 2);
	ck_assert_uint_eq(__atomic_load_n(&lines, __ATOMIC_SEQ_CST), 1);
	/* Others again, for none of which there is room: the controller works nevertheless. */
	ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
	ck_assert_ptr_null(udrv_nvme_ns_next(rig.nvme, 0));
	ck_assert_uint_eq(__atomic_load_n(&lines, __ATOMIC_SEQ_CST), 2);
	udrv__model_nvme_heal(rig.dev);
	ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
	ck_assert_ptr_eq(udrv_nvme_ns_next(rig.nvme, 0), rig.ns);
	nvme_rig_close(&rig);
	udrv_log_set(NULL, NULL, 0);
	setup();
}
END_TEST

/* CAP.MPSMIN: a page of the host's is no page of the controller's. */
START_TEST(one_whose_smallest_page_is_larger_than_the_hosts_is_refused)
{
	struct udrv__model_nvme_config config;

	nvme_rig_close(&rig);
	memset(&rig, 0, sizeof(rig));
	counted = "the controller's pages are larger than the system's";
	udrv_log_set(count_lines, NULL, UDRV_LOG_ERR);
	ck_assert_int_eq(udrv_device_open("model:nvme", NULL, &rig.dev), 0);
	udrv__model_nvme_get_config(rig.dev, &config);
	config.mpsmin = 1;
	ck_assert_int_eq(udrv__model_nvme_set_config(rig.dev, &config), 0);
	ck_assert_int_eq(udrv_nvme_attach(rig.dev, NULL, &rig.nvme), -EOPNOTSUPP);
	ck_assert_uint_eq(__atomic_load_n(&lines, __ATOMIC_SEQ_CST), 1);
	ck_assert_ptr_null(rig.nvme);
	/* It is as it was. */
	config.mpsmin = 0;
	ck_assert_int_eq(udrv__model_nvme_set_config(rig.dev, &config), 0);
	nvme_rig_attach(&rig, NULL);
	nvme_rig_close(&rig);
	udrv_log_set(NULL, NULL, 0);
	setup();
}
END_TEST

START_TEST(a_warning_of_its_health)
{
	awaited = UDRV_NVME_EVENT_SMART;
	udrv__model_nvme_set_warning(rig.dev, 0x04);
	await_event(UDRV_NVME_EVENT_SMART);
	ck_assert_uint_eq(last_arg, 0x04);
}
END_TEST

START_TEST(firmware_is_activated)
{
	awaited = UDRV_NVME_EVENT_FIRMWARE;
	udrv__model_nvme_activate_firmware(rig.dev, "2.0");
	await_event(UDRV_NVME_EVENT_FIRMWARE);
}
END_TEST

/* 5.2: events of a type are told again when the page that goes with the last one was read. */
START_TEST(events_go_on_after_one_that_is_not_known)
{
	ck_assert_int_eq(udrv__model_nvme_tell(rig.dev, NVME_AER_NOTICE, 0x7f, NVME_LOG_EFFECTS),
			 0);
	resize(udrv_nvme_ns_blocks(rig.ns) / 2);
	ck_assert_int_eq(
		udrv__model_nvme_tell(rig.dev, NVME_AER_IO_SPECIFIC, 0x7f, NVME_LOG_EFFECTS), 0);
	awaited = UDRV_NVME_EVENT_SANITIZED;
	ck_assert_int_eq(udrv__model_nvme_tell(rig.dev, NVME_AER_IO_SPECIFIC, NVME_AER_SANITIZED,
					       NVME_LOG_SANITIZE),
			 0);
	await_event(UDRV_NVME_EVENT_SANITIZED);
}
END_TEST

static struct udrv_completion go_on;
static enum udrv_nvme_event order[3];
static unsigned int ordered;

/* The first one keeps the others waiting. */
static void note_order(void *ctx, enum udrv_nvme_event event, uint32_t arg)
{
	(void)ctx;
	(void)arg;
	if (!ordered)
		udrv_wait_for_completion(&go_on);
	if (ordered < 3)
		order[ordered++] = event;
	if (ordered == 3)
		udrv_complete(&told);
}

static unsigned int events_waiting(void)
{
	unsigned int count;

	pthread_mutex_lock(&rig.nvme->admin_lock);
	count = rig.nvme->event_count;
	pthread_mutex_unlock(&rig.nvme->admin_lock);
	return count;
}

START_TEST(events_are_told_in_their_order)
{
	udrv_init_completion(NULL, &go_on);
	udrv_nvme_on_event(rig.nvme, note_order, NULL);
	udrv__model_nvme_set_warning(rig.dev, 0x04);
	ck_assert_int_eq(udrv__model_nvme_tell(rig.dev, NVME_AER_ERROR, 0, NVME_LOG_ERROR), 0);
	udrv__model_nvme_activate_firmware(rig.dev, "2.0");
	/* The first one was taken out before it is told. */
	while (events_waiting() != 2)
		udrv_usleep_range(100, 200);
	udrv_complete(&go_on);
	ck_assert_int_gt(udrv_wait_for_completion_timeout(&told, SOON_MS * UDRV_HZ / 1000), 0);
	ck_assert_int_eq(order[0], UDRV_NVME_EVENT_SMART);
	ck_assert_int_eq(order[1], UDRV_NVME_EVENT_ERROR);
	ck_assert_int_eq(order[2], UDRV_NVME_EVENT_FIRMWARE);
	udrv_nvme_on_event(rig.nvme, NULL, NULL);
}
END_TEST

/* Another one, with another configuration. */
static void reattach(const struct udrv__model_nvme_config *config,
		     const struct udrv_nvme_options *options)
{
	udrv_nvme_detach(rig.nvme);
	rig.nvme = NULL;
	ck_assert_int_eq(udrv__model_nvme_set_config(rig.dev, config), 0);
	nvme_rig_attach(&rig, options);
}

START_TEST(no_event_is_kept_by_one_that_cannot)
{
	struct udrv__model_nvme_config config;
	struct nvme_smart smart;

	udrv__model_nvme_get_config(rig.dev, &config);
	config.vs = NVME_VS(1u, 2u, 1u);
	reattach(&config, NULL);
	ck_assert_int_eq(udrv_nvme_get_log(rig.nvme, NVME_LOG_SMART, NVME_NSID_ALL, &smart,
					   sizeof(smart), true),
			 0);
}
END_TEST

static void queues_are_refused(void)
{
	const struct udrv__model_nvme_fault fault = {.kind = UDRV__MODEL_NVME_ERROR,
						     .opcode = NVME_ADMIN_SET_FEATURES,
						     .count = 1,
						     .value = NVME_SC_INTERNAL};

	ck_assert_int_eq(udrv__model_nvme_inject(rig.dev, &fault), 0);
}

/* It may still say what is wrong with it, and take a firmware. */
START_TEST(one_that_grants_no_queues_takes_admin_commands)
{
	struct udrv__model_nvme_config config;
	struct udrv_nvme_queue *q = NULL;
	struct udrv_nvme_info info;
	struct nvme_smart smart;

	udrv__model_nvme_get_config(rig.dev, &config);
	queues_are_refused();
	reattach(&config, NULL);
	udrv_nvme_get_info(rig.nvme, &info);
	ck_assert_uint_eq(info.queues, 0);
	ck_assert_int_eq(udrv_nvme_queue_create(rig.nvme, NULL, &q), -EMFILE);
	ck_assert_int_eq(udrv_nvme_get_log(rig.nvme, NVME_LOG_SMART, NVME_NSID_ALL, &smart,
					   sizeof(smart), true),
			 0);
	/* That may have helped. */
	ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
	ck_assert_int_eq(udrv_nvme_queue_create(rig.nvme, NULL, &rig.q), 0);
	/* One that had some must not lose them for that: it is tried again. */
	queues_are_refused();
	ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
	ck_assert_uint_eq(nvme_rig_read(&rig, nvme_rig_memory(&rig, 4096), 0, 1), 0);
}
END_TEST

static void *attach(void *ret)
{
	*(int *)ret = udrv_nvme_attach(rig.dev, NULL, &rig.nvme);
	return NULL;
}

/* CAP.TO: half a second; CRTO: two minutes. */
START_TEST(one_that_needs_longer_than_there_is_room_to_say)
{
	const struct udrv__model_nvme_switches never = {.never_ready = true};
	struct udrv__model_nvme_config config;
	uint8_t __udrv_iomem *regs;
	pthread_t thread;
	int ret = 0;

	udrv__model_nvme_get_config(rig.dev, &config);
	config.timeout = 1;
	config.crto = 240;
	udrv_nvme_detach(rig.nvme);
	ck_assert_int_eq(udrv__model_nvme_set_config(rig.dev, &config), 0);
	udrv__model_nvme_set_switches(rig.dev, &never);
	ck_assert_int_eq(udrv_pci_enable_device(rig.dev), 0);
	regs = udrv_pci_iomap(rig.dev, 0, 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, attach, &ret), 0);
	while (!(udrv_readl(regs + NVME_REG_CC) & NVME_CC_EN))
		udrv_usleep_range(100, 200);
	udrv_msleep(1000); /* longer than TO, at least */
	udrv__model_nvme_heal(rig.dev);
	pthread_join(thread, NULL);
	ck_assert_int_eq(ret, 0);
	udrv_pci_iounmap(rig.dev, regs);
}
END_TEST

static void *get_temperature(void *ret)
{
	uint32_t value;

	*(int *)ret = udrv_nvme_get_feature(rig.nvme, NVME_FEAT_TEMPERATURE, 0, 0, NULL, 0, &value);
	return NULL;
}

/* MTFA: 6553 s. */
START_TEST(admin_commands_wait_while_a_firmware_is_activated)
{
	const struct udrv_nvme_options options = {.admin_timeout_ms = 3000};
	struct udrv__model_nvme_switches switches = {.activating = true};
	struct udrv__model_nvme_config config;
	struct udrv_nvme_info info;
	pthread_t thread;
	int ret = 1;

	udrv__model_nvme_get_config(rig.dev, &config);
	ck_assert_int_eq(udrv__model_nvme_say(rig.dev, NVME_CNS_CTRL,
					      offsetof(struct nvme_id_ctrl, mtfa), 2, 65535),
			 0);
	reattach(&config, &options);
	udrv__model_nvme_set_switches(rig.dev, &switches);
	ck_assert_int_eq(pthread_create(&thread, NULL, get_temperature, &ret), 0);
	udrv_msleep(4500); /* longer than it may take otherwise, at least */
	switches.activating = false;
	udrv__model_nvme_set_switches(rig.dev, &switches);
	pthread_join(thread, NULL);
	ck_assert_int_eq(ret, 0);
	udrv_nvme_get_info(rig.nvme, &info);
	ck_assert_uint_eq(info.timeouts + info.resets, 0);
}
END_TEST

START_TEST(a_reset_is_told_and_events_go_on)
{
	awaited = UDRV_NVME_EVENT_RESET;
	ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
	await_event(UDRV_NVME_EVENT_RESET);
	awaited = UDRV_NVME_EVENT_SMART;
	udrv__model_nvme_set_warning(rig.dev, 0x01);
	await_event(UDRV_NVME_EVENT_SMART);
}
END_TEST

START_TEST(queues_are_as_many_as_granted)
{
	struct udrv_nvme_queue *queues[256] = {0};
	struct udrv_nvme_info info;
	int ret = 0;
	unsigned int n = 0;

	udrv_nvme_get_info(rig.nvme, &info);
	ck_assert_uint_ge(info.queues, 1);
	while (n < 256 && !(ret = udrv_nvme_queue_create(rig.nvme, NULL, &queues[n])))
		n++;
	ck_assert_int_eq(ret, -EMFILE);
	ck_assert_uint_eq(n, info.queues);
	while (n)
		udrv_nvme_queue_destroy(queues[--n]);
	for (unsigned int entries = 0; entries < 3000; entries += 500) {
		const struct udrv_nvme_queue_options o = {.entries = entries + 3};

		ck_assert_int_eq(udrv_nvme_queue_create(rig.nvme, &o, &queues[0]), -EINVAL);
	}
}
END_TEST

START_TEST(format_needs_the_disk_for_itself)
{
	nvme_rig_queue(&rig, 16, UDRV_NVME_POLLED);
	ck_assert_int_eq(udrv_nvme_format(rig.nvme, rig.ns->nsid, 0, 0), -EBUSY);
	udrv_nvme_queue_destroy(rig.q);
	rig.q = NULL;
	ck_assert_int_eq(udrv_nvme_format(rig.nvme, rig.ns->nsid, 0, 3), -EINVAL);
	ck_assert_int_eq(udrv_nvme_format(rig.nvme, rig.ns->nsid, 1, 0), 0);
	/* Who counts in blocks of the old size must not go on. */
	ck_assert_uint_eq(rig.ns->block_shift, 9);
	ck_assert_uint_eq(udrv_nvme_ns_blocks(rig.ns), 0);
	ck_assert_uint_eq(udrv_nvme_ns(rig.nvme, rig.ns->nsid)->block_shift, 12);
	ck_assert_int_eq(udrv_nvme_format(rig.nvme, rig.ns->nsid, 0, 0), 0);
	ck_assert_uint_eq(udrv_nvme_ns(rig.nvme, rig.ns->nsid)->block_shift, 9);
}
END_TEST

START_TEST(metadata_begins_at_a_multiple_of_four)
{
	unsigned char *buf = nvme_rig_memory(&rig, 4096), *meta = nvme_rig_memory(&rig, 4096);
	const struct iovec iov = {buf, 512};
	struct udrv_nvme_io io = {.opcode = NVME_WRITE, .iov = &iov, .iov_count = 1, .blocks = 1};
	struct nvme_rig_wait w = {0};

	ck_assert_int_eq(udrv_nvme_format(rig.nvme, rig.ns->nsid, 2, 0), 0);
	rig.ns = udrv_nvme_ns(rig.nvme, rig.ns->nsid);
	ck_assert(rig.ns->metadata == 8 && !rig.ns->extended);
	nvme_rig_queue(&rig, 16, UDRV_NVME_ADAPTIVE);
	for (unsigned int offset = 0; offset < 8; offset++) {
		const int expected = offset % 4 ? -EINVAL : 0;

		io.metadata = meta + offset;
		w.calls = 0;
		ck_assert_int_eq(udrv_nvme_rw(rig.q, rig.ns, &io, nvme_rig_done, &w), expected);
		if (!expected)
			ck_assert_uint_eq(nvme_rig_await(&rig, &w), 0);
	}
	ck_assert_uint_eq(udrv_nvme_in_flight(rig.q), 0);
}
END_TEST

START_TEST(an_adaptive_queue_looks_first_also_in_a_process_with_one_cpu)
{
	void *buf = nvme_rig_memory(&rig, 4096);

	keep_to_one_cpu();
	nvme_rig_queue(&rig, 16, UDRV_NVME_ADAPTIVE);
	ck_assert_int_eq(rig.q->may_spin, sysconf(_SC_NPROCESSORS_ONLN) > 1);
	ck_assert_uint_eq(nvme_rig_read(&rig, buf, 0, 1), 0);
}
END_TEST

START_TEST(again_and_again)
{
	for (int i = 0; i < 10; i++) {
		udrv_nvme_detach(rig.nvme);
		ck_assert_int_eq(udrv_nvme_attach(rig.dev, NULL, &rig.nvme), 0);
	}
	rig.ns = udrv_nvme_ns_next(rig.nvme, 0);
	ck_assert_ptr_nonnull(rig.ns);
}
END_TEST

/* One thread's admin commands, while another resets: each ends, with an answer or an error. */
static void *identify_often(void *ctx)
{
	struct nvme_id_ctrl *id = calloc(1, sizeof(*id));
	unsigned int *answers = ctx;

	for (int i = 0; i < 300; i++) {
		const int ret = udrv_nvme_identify(rig.nvme, NVME_CNS_CTRL, 0, id);

		ck_assert(ret == 0 || ret == -EIO);
		*answers += !ret;
	}
	free(id);
	return NULL;
}

START_TEST(admin_commands_during_resets)
{
	unsigned int answers[3] = {0};
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, identify_often, &answers[i]), 0);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		ck_assert_uint_gt(answers[i], 0);
	}
}
END_TEST

struct reading {
	uint64_t size;
	bool end;
};

/* All that any thread may ask, without an order between it and what changes. */
static void *read_often(void *ctx)
{
	struct reading *r = ctx;

	while (!__atomic_load_n(&r->end, __ATOMIC_RELAXED)) {
		const uint64_t blocks = udrv_nvme_ns_blocks(rig.ns);
		const uint32_t most = udrv_nvme_ns_max_blocks(rig.ns);
		struct udrv_nvme_info info;

		ck_assert(blocks == r->size || blocks == r->size / 2);
		ck_assert_msg(most == 32 || most == 64, "%u blocks of one command", most);
		(void)udrv_nvme_ns_read_only(rig.ns);
		udrv_nvme_get_info(rig.nvme, &info);
		ck_assert_ptr_eq(udrv_nvme_ns(rig.nvme, rig.ns->nsid), rig.ns);
	}
	return NULL;
}

static void say(unsigned int cns, unsigned int offset, uint64_t value)
{
	ck_assert_int_eq(udrv__model_nvme_say(rig.dev, cns, offset, 1, value), 0);
}

/* The thread sanitizer watches. */
START_TEST(what_any_thread_may_read_while_it_changes)
{
	struct reading r = {.size = udrv_nvme_ns_blocks(rig.ns)};
	pthread_t thread;

	say(NVME_CNS_CTRL, offsetof(struct nvme_id_ctrl, mdts), 2);
	ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
	thread = start(read_often, &r);
	for (unsigned int i = 0; i < 10; i++) {
		resize(i % 2 ? r.size : r.size / 2);
		udrv__model_nvme_heal(rig.dev);
		say(NVME_CNS_CTRL, offsetof(struct nvme_id_ctrl, mdts), i % 2 ? 2 : 3);
		say(NVME_CNS_NS, offsetof(struct nvme_id_ns, nsattr), i % 2);
		ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
		ck_assert_uint_eq(udrv_nvme_ns_max_blocks(rig.ns), i % 2 ? 32 : 64);
		ck_assert_int_eq(udrv_nvme_ns_read_only(rig.ns), i % 2);
	}
	__atomic_store_n(&r.end, true, __ATOMIC_RELAXED);
	finish(thread);
}
END_TEST

/* Each Identify is kept, as others may look at it: there is an end of it. */
START_TEST(one_that_says_something_else_time_and_again_is_given_up)
{
	const struct nvme_id_ctrl *first = udrv_nvme_id_ctrl(rig.nvme);
	struct udrv_nvme_info info;
	unsigned int changes = 0;
	int ret;

	do {
		udrv__model_nvme_heal(rig.dev);
		ck_assert_int_eq(udrv__model_nvme_say(rig.dev, NVME_CNS_CTRL,
						      offsetof(struct nvme_id_ctrl, mn), 2,
						      ++changes),
				 0);
		ret = udrv_nvme_reset(rig.nvme);
		ck_assert_mem_ne(udrv_nvme_id_ctrl(rig.nvme)->mn, first->mn, sizeof(first->mn));
	} while (!ret);
	ck_assert_int_eq(ret, -EIO);
	ck_assert_uint_eq(changes, 1024);
	udrv_nvme_get_info(rig.nvme, &info);
	ck_assert(info.dead);
}
END_TEST

START_TEST(statuses_have_names_and_errors)
{
	ck_assert_int_eq(udrv_nvme_errno(0), 0);
	ck_assert_int_eq(udrv_nvme_errno(NVME_SC_LBA_RANGE | NVME_STATUS_DNR), -EINVAL);
	ck_assert_int_eq(udrv_nvme_errno(0x7ff), -EIO);
	for (uint32_t status = 0; status <= UINT16_MAX; status++)
		ck_assert_ptr_nonnull(udrv_nvme_status_text(status));
	ck_assert_str_eq(udrv_nvme_status_text(NVME_SC_READ_ERROR), "unrecovered read error");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nvme_ctrl");
	TCase *tc = tcase_create("ctrl");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, identify_tells_what_attach_knows);
	tcase_add_test(tc, features_are_got_and_set);
	tcase_add_test(tc, logs_are_read);
	tcase_add_test(tc, commands_of_the_librarys_own_are_refused);
	tcase_add_test(tc, commands_with_data_both_ways_are_refused);
	tcase_add_test(tc, a_log_is_no_longer_than_the_controller_can_give);
	tcase_add_test(tc, a_namespace_that_is_resized);
	tcase_add_test(tc, a_namespace_that_goes_and_comes);
	tcase_add_test(tc, a_namespace_that_is_not_ready_for_a_moment);
	tcase_add_test(tc, a_namespace_that_cannot_be_read_is_not_gone);
	tcase_add_test(tc, a_namespace_that_is_not_valid_is_gone);
	tcase_add_test(tc, a_number_that_means_another_namespace);
	tcase_add_test(tc, a_number_that_means_another_namespace_time_and_again);
	tcase_add_test(tc, a_namespace_that_is_deleted_and_created_again);
	tcase_add_test(tc, more_namespaces_than_there_is_room_for);
	tcase_add_test(tc, one_whose_smallest_page_is_larger_than_the_hosts_is_refused);
	tcase_add_test(tc, a_warning_of_its_health);
	tcase_add_test(tc, firmware_is_activated);
	tcase_add_test(tc, events_go_on_after_one_that_is_not_known);
	tcase_add_test(tc, events_are_told_in_their_order);
	tcase_add_test(tc, no_event_is_kept_by_one_that_cannot);
	tcase_add_test(tc, one_that_grants_no_queues_takes_admin_commands);
	tcase_add_test(tc, one_that_needs_longer_than_there_is_room_to_say);
	tcase_add_test(tc, admin_commands_wait_while_a_firmware_is_activated);
	tcase_add_test(tc, a_reset_is_told_and_events_go_on);
	tcase_add_test(tc, queues_are_as_many_as_granted);
	tcase_add_test(tc, format_needs_the_disk_for_itself);
	tcase_add_test(tc, metadata_begins_at_a_multiple_of_four);
	tcase_add_test(tc, an_adaptive_queue_looks_first_also_in_a_process_with_one_cpu);
	tcase_add_test(tc, again_and_again);
	tcase_add_test(tc, admin_commands_during_resets);
	tcase_add_test(tc, what_any_thread_may_read_while_it_changes);
	tcase_add_test(tc, one_that_says_something_else_time_and_again_is_given_up);
	tcase_add_test(tc, statuses_have_names_and_errors);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

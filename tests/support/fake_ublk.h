/* SPDX-License-Identifier: MIT */
/*
 * The kernel's ublk, without the kernel: the commands in the submissions of a server's rings are
 * taken out before the kernel sees them (support/fault.h), and are answered by messages to those
 * rings. Its nodes are files, so descriptors are mapped truly. Tests make the requests.
 */
#ifndef TESTS_SUPPORT_FAKE_UBLK_H
#define TESTS_SUPPORT_FAKE_UBLK_H

#include <stdbool.h>
#include <stdint.h>

#include "export/ublk.h"

#define FAKE_UBLK_QUEUES 8
#define FAKE_UBLK_TAGS	 128
#define FAKE_UBLK_ID	 3 /* when the server does not choose */

/* Where a tag is: at nobody, waiting for a request, at the server. */
enum fake_tag { FAKE_TAG_NONE, FAKE_TAG_FETCHING, FAKE_TAG_SERVED };

struct fake_ublk {
	uint64_t features;
	unsigned int fail_op; /* this command fails, once, with fail_errno */
	int fail_errno;
	int fetch_errno; /* fetches of queue 0 */

	bool exists, recovering;
	struct ublk_info info;
	struct ublk_params params;
	unsigned int adds, deletes, starts, stops, recoveries;
	uint32_t pid; /* that START_DEV, or the recovery's end, named */
};

extern struct fake_ublk fake_ublk;

/* Nodes, sysfs, nothing added. */
void fake_ublk_start(void);
void fake_ublk_stop(void);
/* No module: there is no control node. */
void fake_ublk_unload(void);

/* A request of a tag that is waiting for one; @data, of writes, is copied to the tag's buffer. */
void fake_ublk_request(unsigned int queue, unsigned int tag, uint32_t op_flags, uint64_t sector,
		       uint32_t sectors, const void *data);
/* Its result; the data of a read are copied to @data. */
int fake_ublk_await(unsigned int queue, unsigned int tag, void *data);
/* Somebody else deletes it. */
void fake_ublk_remove(void);
/* What a server that was killed leaves. */
void fake_ublk_leave(const struct ublk_info *info, const struct ublk_params *params);
/* It was killed while it took that over, before it came to this queue. */
void fake_ublk_leave_unserved(unsigned int queue);

#endif

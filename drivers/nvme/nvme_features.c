// SPDX-License-Identifier: MIT
/* Which features there are. */
#include "nvme_pages.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* 5.21.1 (1.4), 5.27.1 (2.0): feature identifiers, and bytes of data */
static const struct feature {
	uint8_t id;
	uint16_t len;
	const char *name;
} features[] = {
	{0x01, 0, "Arbitration"},
	{0x02, 0, "Power Management"},
	{0x03, 4096, "LBA Range Type"},
	{0x04, 0, "Temperature Threshold"},
	{0x05, 0, "Error Recovery"},
	{0x06, 0, "Volatile Write Cache"},
	{0x07, 0, "Number of Queues"},
	{0x08, 0, "Interrupt Coalescing"},
	{0x09, 0, "Interrupt Vector Configuration"},
	{0x0a, 0, "Write Atomicity Normal"},
	{0x0b, 0, "Async Event Configuration"},
	{0x0c, 256, "Autonomous Power State Transition"},
	{0x0d, 4096, "Host Memory Buffer"},
	{0x0e, 8, "Timestamp"},
	{0x0f, 0, "Keep Alive Timer"},
	{0x10, 0, "Host Controlled Thermal Management"},
	{0x11, 0, "Non-Operational Power State Config"},
	{0x12, 0, "Read Recovery Level"},
	{0x13, 512, "Predictable Latency Mode Config"},
	{0x14, 0, "Predictable Latency Mode Window"},
	{0x15, 0, "LBA Status Interval"},
	{0x16, 512, "Host Behavior"},
	{0x17, 0, "Sanitize"},
	{0x18, 0, "Endurance Event Group Configuration"},
	{0x19, 0, "I/O Command Set Profile"},
	{0x1a, 0, "Spinup Control"},
	{0x7d, 4096, "Enhanced Controller Metadata"},
	{0x7e, 4096, "Controller Metadata"},
	{0x7f, 4096, "Namespace Metadata"},
	{0x80, 0, "Software Progress"},
	{0x81, 8, "Host Identifier"},
	{0x82, 0, "Reservation Notification Mask"},
	{0x83, 0, "Reservation Persistence"},
	{0x84, 0, "Namespace Write Protect"},
};

#define HOST_ID		 0x81
#define HOST_ID_EXTENDED 0x1u /* 5.21.1.25: CDW11, EXHID */

static const struct feature *find(unsigned int id)
{
	for (size_t i = 0; i < COUNT(features); i++)
		if (features[i].id == id)
			return &features[i];
	return NULL;
}

const char *nvme_feature_name(unsigned int id)
{
	const struct feature *f = find(id);

	return f ? f->name : "Unknown";
}

size_t nvme_feature_len(unsigned int id, uint32_t cdw11)
{
	const struct feature *f = find(id);

	if (id == HOST_ID && cdw11 & HOST_ID_EXTENDED)
		return 16;
	return f ? f->len : 0;
}

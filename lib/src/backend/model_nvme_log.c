// SPDX-License-Identifier: MIT
/* Get Log Page (5.14) of the software NVMe controller, and what is logged. */
#include <string.h>

#include "backend/model_nvme_dev.h"

#define DNR(sc)	     ((uint16_t)((sc) | NVME_ST_DNR))
#define RAE	     (1u << 15)
#define PAGE_LEN     4096 /* of the longest */
#define SMART_LEN    512
#define FIRMWARE_LEN 512
#define EFFECTS_IO   1024
#define UNIT	     1000 /* of 512 bytes, figure 196 */
#define NO_LOCATION  0xffff

/* 5.14.1.5 figure 203 */
#define CSUPP 1u
#define LBCC  2u
#define NCC   4u
#define NIC   8u

uint16_t udrv__nvme_log_error(struct udrv__nvme *n, const struct udrv__nvme_sq *sq,
			      const struct udrv__nvme_cmd *cmd, uint16_t status)
{
	struct udrv__nvme_error *e = &n->errors[n->error_count % NVME_ERRORS];

	n->error_count++;
	*e = (struct udrv__nvme_error){
		.count = n->error_count,
		.sqid = sq->id,
		.cid = cmd->cid,
		.status = (uint16_t)((status | NVME_ST_MORE) << 1),
		.location = NO_LOCATION,
		.lba = sq->id ? cmd->cdw10 | (uint64_t)cmd->cdw11 << 32 : 0,
		.nsid = cmd->nsid,
	};
	return status | NVME_ST_MORE;
}

static void put(unsigned char *buf, unsigned int at, unsigned int size, uint64_t val)
{
	for (unsigned int i = 0; i < size; i++)
		buf[at + i] = (unsigned char)(val >> (8 * i));
}

/* The newest first. */
static unsigned int fill_errors(const struct udrv__nvme *n, unsigned char *buf)
{
	for (unsigned int i = 0; i < NVME_ERRORS && i < n->error_count; i++)
		memcpy(buf + i * sizeof(n->errors[0]),
		       &n->errors[(n->error_count - 1 - i) % NVME_ERRORS], sizeof(n->errors[0]));
	return NVME_ERRORS * sizeof(n->errors[0]);
}

static unsigned int fill_smart(const struct udrv__nvme *n, unsigned char *buf)
{
	const struct udrv__nvme_smart *smart = &n->smart;

	buf[0] = smart->warning;
	put(buf, 1, 2, smart->temperature);
	buf[3] = smart->spare;
	buf[4] = 10;
	put(buf, 32, 8, (smart->read_blocks + UNIT - 1) / UNIT);
	put(buf, 48, 8, (smart->written_blocks + UNIT - 1) / UNIT);
	put(buf, 64, 8, smart->reads);
	put(buf, 80, 8, smart->writes);
	put(buf, 112, 8, smart->power_cycles);
	put(buf, 144, 8, smart->unsafe_shutdowns);
	put(buf, 176, 8, n->error_count);
	return SMART_LEN;
}

static unsigned int fill_firmware(const struct udrv__nvme *n, unsigned char *buf)
{
	buf[0] = (unsigned char)(n->firmware.active | n->firmware.next << 4);
	for (unsigned int i = 0; i < UDRV__MODEL_NVME_SLOTS; i++) {
		const char *revision = n->firmware.slots[i];

		if (!*revision)
			continue;
		/* Blanks behind. */
		for (unsigned int c = 0; c < 8; c++)
			buf[8 + 8 * i + c] = (unsigned char)(*revision ? *revision++ : ' ');
	}
	return FIRMWARE_LEN;
}

static unsigned int fill_changed(const struct udrv__nvme *n, unsigned char *buf)
{
	unsigned int count = 0;

	for (unsigned int i = 1; i <= UDRV__MODEL_NVME_NS_MAX; i++)
		if (n->ns_changed[i])
			put(buf, 4 * count++, 4, i);
	return PAGE_LEN;
}

static unsigned int fill_effects(const struct udrv__nvme *n, unsigned char *buf)
{
	static const uint8_t admin[] = {
		NVME_ADM_DELETE_SQ,   NVME_ADM_CREATE_SQ,    NVME_ADM_GET_LOG,
		NVME_ADM_DELETE_CQ,   NVME_ADM_CREATE_CQ,    NVME_ADM_IDENTIFY,
		NVME_ADM_ABORT,	      NVME_ADM_SET_FEATURES, NVME_ADM_GET_FEATURES,
		NVME_ADM_ASYNC_EVENT,
	};
	static const uint8_t reads[] = {NVME_NVM_FLUSH, NVME_NVM_READ, NVME_NVM_COMPARE,
					NVME_NVM_VERIFY};
	static const uint8_t writes[] = {NVME_NVM_WRITE, NVME_NVM_WRITE_UNCORRECTABLE,
					 NVME_NVM_WRITE_ZEROES, NVME_NVM_DSM};

	for (size_t i = 0; i < sizeof(admin); i++)
		put(buf, 4u * admin[i], 4, CSUPP);
	put(buf, 4 * NVME_ADM_NS_MANAGEMENT, 4, CSUPP | NIC);
	put(buf, 4 * NVME_ADM_NS_ATTACHMENT, 4, CSUPP | NIC);
	put(buf, 4 * NVME_ADM_FW_COMMIT, 4, CSUPP);
	put(buf, 4 * NVME_ADM_FW_DOWNLOAD, 4, CSUPP);
	put(buf, 4 * NVME_ADM_SANITIZE, 4, CSUPP | LBCC);
	put(buf, 4 * NVME_ADM_FORMAT, 4, CSUPP | LBCC | NCC);
	put(buf, 4 * NVME_ADM_DBBUF, 4, n->config.dbbuf ? CSUPP : 0);
	for (size_t i = 0; i < sizeof(reads); i++)
		put(buf, EFFECTS_IO + 4u * reads[i], 4, CSUPP);
	for (size_t i = 0; i < sizeof(writes); i++)
		put(buf, EFFECTS_IO + 4u * writes[i], 4, CSUPP | LBCC);
	return PAGE_LEN;
}

/* Its length, or 0: there is none such. */
static unsigned int fill(const struct udrv__nvme *n, unsigned int page, unsigned char *buf)
{
	memset(buf, 0, PAGE_LEN);
	switch (page) {
	case NVME_LOG_ERROR:
		return fill_errors(n, buf);
	case NVME_LOG_SMART:
		return fill_smart(n, buf);
	case NVME_LOG_FIRMWARE:
		return fill_firmware(n, buf);
	case NVME_LOG_NS_CHANGED:
		return fill_changed(n, buf);
	case NVME_LOG_EFFECTS:
		return fill_effects(n, buf);
	case NVME_LOG_SANITIZE:
		return udrv__nvme_sanitize_log(n, buf);
	default:
		return 0;
	}
}

/* 5.14: an event of which this is the log page may be told again. */
static void has_been_read(struct udrv__nvme *n, unsigned int page)
{
	if (page == NVME_LOG_NS_CHANGED)
		memset(n->ns_changed, 0, sizeof(n->ns_changed));
	udrv__nvme_event_seen(n, page);
}

/* From offset on, zeroes behind the end. */
static uint16_t give(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd, uint32_t offset,
		     uint32_t page_len, uint32_t len)
{
	struct udrv__nvme_cursor at = {0};
	uint16_t status = udrv__nvme_map_data(n, cmd, len, true);

	while (len && !status) {
		const uint32_t left = offset < page_len ? page_len - offset : PAGE_LEN;
		const uint32_t piece = len < left ? len : left;

		if (offset >= page_len)
			memset(n->buffer, 0, piece);
		if (!udrv__nvme_move(n, &at, n->buffer + (offset < page_len ? offset : 0), piece,
				     true))
			status = NVME_SC_DATA_TRANSFER;
		offset += piece;
		len -= piece;
	}
	return status;
}

uint16_t udrv__nvme_get_log(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	const unsigned int page = cmd->cdw10 & 0xff;
	const uint64_t dwords = (cmd->cdw10 >> 16 | (uint64_t)(cmd->cdw11 & 0xffff) << 16) + 1;
	const uint64_t offset = cmd->cdw12 | (uint64_t)cmd->cdw13 << 32;
	const unsigned int page_len = fill(n, page, n->buffer);
	uint16_t status;

	if (!page_len)
		return DNR(NVME_SC_LOG_PAGE);
	/* It is reserved before. */
	if (cmd->cdw10 & RAE && n->config.vs < NVME_VS_1_3)
		return DNR(NVME_SC_INVALID_FIELD);
	/* All are of the controller: LPA bit 0 is 0. */
	if (cmd->nsid && cmd->nsid != NVME_NSID_ALL)
		return DNR(NVME_SC_INVALID_FIELD);
	if (offset & 3 || offset > page_len || dwords * 4 > n->most_bytes)
		return DNR(NVME_SC_INVALID_FIELD);
	status = give(n, cmd, (uint32_t)offset, page_len, (uint32_t)(dwords * 4));
	if (!status && !(cmd->cdw10 & RAE))
		has_been_read(n, page);
	return status;
}

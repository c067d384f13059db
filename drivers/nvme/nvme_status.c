// SPDX-License-Identifier: MIT
/* What a status means: NVM Express 1.4, 4.6.1. */
#include <errno.h>

#include "nvme.h"

static const struct {
	uint16_t status;
	int error;
	const char *text;
} statuses[] = {
	{NVME_SC_SUCCESS, 0, "success"},
	{NVME_SC_INVALID_OPCODE, EOPNOTSUPP, "invalid command opcode"},
	{NVME_SC_INVALID_FIELD, EINVAL, "invalid field in command"},
	{NVME_SC_CID_CONFLICT, EIO, "command id conflict"},
	{NVME_SC_DATA_TRANSFER, EIO, "data transfer error"},
	{NVME_SC_POWER_LOSS, EIO, "aborted due to power loss"},
	{NVME_SC_INTERNAL, EIO, "internal error"},
	{NVME_SC_ABORT_REQUESTED, ETIMEDOUT, "command abort requested"},
	{NVME_SC_ABORT_SQ_DELETED, ECANCELED, "aborted due to submission queue deletion"},
	{NVME_SC_INVALID_NS, ENODEV, "invalid namespace or format"},
	{NVME_SC_SEQUENCE, EINVAL, "command sequence error"},
	{NVME_SC_SANITIZE_FAILED, EIO, "sanitize failed"},
	{NVME_SC_SANITIZE_IN_PROGRESS, EBUSY, "sanitize in progress"},
	{NVME_SC_NS_WRITE_PROTECTED, EROFS, "namespace is write protected"},
	{NVME_SC_LBA_RANGE, EINVAL, "LBA out of range"},
	{NVME_SC_CAPACITY, ENOSPC, "capacity exceeded"},
	{NVME_SC_NS_NOT_READY, EAGAIN, "namespace not ready"},
	{NVME_SC_FORMAT_IN_PROGRESS, EBUSY, "format in progress"},
	{NVME_SC_CQ_INVALID, EINVAL, "completion queue invalid"},
	{NVME_SC_QID_INVALID, EINVAL, "invalid queue identifier"},
	{0x102, EINVAL, "invalid queue size"},
	{NVME_SC_ABORT_LIMIT, EBUSY, "abort command limit exceeded"},
	{NVME_SC_AER_LIMIT, EBUSY, "asynchronous event request limit exceeded"},
	{NVME_SC_FW_SLOT, EINVAL, "invalid firmware slot"},
	{NVME_SC_FW_IMAGE, EINVAL, "invalid firmware image"},
	{0x108, EINVAL, "invalid interrupt vector"},
	{0x109, EINVAL, "invalid log page"},
	{0x10a, EINVAL, "invalid format"},
	{NVME_SC_FW_NEEDS_CONVENTIONAL, EAGAIN, "firmware needs a conventional reset"},
	{0x10d, EINVAL, "feature identifier not saveable"},
	{0x10e, EINVAL, "feature not changeable"},
	{0x10f, EINVAL, "feature not namespace specific"},
	{NVME_SC_FW_NEEDS_SUBSYSTEM, EAGAIN, "firmware needs an NVM subsystem reset"},
	{NVME_SC_FW_NEEDS_RESET, EAGAIN, "firmware needs a controller reset"},
	{NVME_SC_FW_TOO_LONG, EBUSY, "firmware activation would take too long"},
	{NVME_SC_FW_PROHIBITED, EPERM, "firmware activation prohibited"},
	{NVME_SC_FW_OVERLAP, EINVAL, "overlapping range"},
	{0x115, ENOSPC, "namespace insufficient capacity"},
	{0x116, ENOSPC, "namespace identifier unavailable"},
	{0x118, EEXIST, "namespace already attached"},
	{0x119, EBUSY, "namespace is private"},
	{0x11a, ENOENT, "namespace not attached"},
	{0x11b, EOPNOTSUPP, "thin provisioning not supported"},
	{0x11c, EINVAL, "controller list invalid"},
	{NVME_SC_BOOT_PROHIBITED, EPERM, "boot partition write prohibited"},
	{NVME_SC_BAD_ATTRIBUTES, EINVAL, "conflicting attributes"},
	{NVME_SC_BAD_PROTECTION, EINVAL, "invalid protection information"},
	{NVME_SC_READ_ONLY, EROFS, "attempted write to read only range"},
	{NVME_SC_WRITE_FAULT, EIO, "write fault"},
	{NVME_SC_READ_ERROR, ENODATA, "unrecovered read error"},
	{NVME_SC_GUARD_CHECK, EILSEQ, "end-to-end guard check error"},
	{NVME_SC_APPTAG_CHECK, EILSEQ, "end-to-end application tag check error"},
	{NVME_SC_REFTAG_CHECK, EILSEQ, "end-to-end reference tag check error"},
	{NVME_SC_COMPARE_FAILED, EILSEQ, "compare failure"},
	{NVME_SC_ACCESS_DENIED, EACCES, "access denied"},
	{NVME_SC_UNWRITTEN_BLOCK, ENODATA, "deallocated or unwritten logical block"},
	{NVME_SC_HOST_PATHING, ENODEV, "not sent: the controller is gone or was given up"},
	{NVME_SC_HOST_NS_CHANGED, ENODEV, "given up: its namespace is another one now"},
	{NVME_SC_HOST_ABORTED, EIO, "given up without an answer: it may have been carried out"},
};

#define COUNT (sizeof(statuses) / sizeof(statuses[0]))

int udrv_nvme_errno(uint32_t status)
{
	for (size_t i = 0; i < COUNT; i++)
		if (statuses[i].status == (status & NVME_STATUS_MASK))
			return -statuses[i].error;
	return -EIO;
}

const char *udrv_nvme_status_text(uint32_t status)
{
	static const char *const types[8] = {
		"generic error",
		"command specific error",
		"media or data integrity error",
		"path related error",
		"error of a reserved type",
		"error of a reserved type",
		"error of a reserved type",
		"vendor specific error",
	};

	for (size_t i = 0; i < COUNT; i++)
		if (statuses[i].status == (status & NVME_STATUS_MASK))
			return statuses[i].text;
	return types[status >> 8 & 7u];
}

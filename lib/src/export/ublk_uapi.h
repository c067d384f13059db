/* SPDX-License-Identifier: MIT */
/*
 * What Linux's ublk driver takes and gives, since the headers of the build machine may be older.
 * Names of our own; values and layouts of Linux 6.12, include/uapi/linux/ublk_cmd.h, whose names
 * are beside them, and Documentation/block/ublk.rst.
 */
#ifndef UDRV_SRC_UBLK_UAPI_H
#define UDRV_SRC_UBLK_UAPI_H

#include <assert.h>
#include <stdint.h>
#include <sys/ioctl.h>

/* struct ublksrv_ctrl_cmd, the command area of a 128-byte submission to UBLK_CONTROL. */
struct ublk_ctrl {
	uint32_t dev_id;
	uint16_t queue_id; /* UBLK_NO_QUEUE */
	uint16_t len;
	uint64_t addr;
	uint64_t data;
	uint16_t path_len;
	uint16_t pad;
	uint32_t reserved;
};
static_assert(sizeof(struct ublk_ctrl) == 32, "struct ublksrv_ctrl_cmd");

#define UBLK_CONTROL  "/dev/ublk-control"
#define UBLK_NO_QUEUE UINT16_C(0xffff)
#define UBLK_ANY_ID   UINT32_C(0xffffffff)
#define UBLK_MAX_ID   ((1u << 20) - 1) /* drivers/block/ublk_drv.c, UBLK_MINORS */

/* UBLK_U_CMD_*: encoded as ioctls since Linux 6.4 (UBLK_F_CMD_IOCTL_ENCODE). */
#define UBLK_GET_DEV_INFO   _IOR('u', 0x02, struct ublk_ctrl)
#define UBLK_ADD_DEV	    _IOWR('u', 0x04, struct ublk_ctrl)
#define UBLK_DEL_DEV	    _IOWR('u', 0x05, struct ublk_ctrl)
#define UBLK_START_DEV	    _IOWR('u', 0x06, struct ublk_ctrl)
#define UBLK_STOP_DEV	    _IOWR('u', 0x07, struct ublk_ctrl)
#define UBLK_SET_PARAMS	    _IOWR('u', 0x08, struct ublk_ctrl)
#define UBLK_GET_PARAMS	    _IOR('u', 0x09, struct ublk_ctrl)
#define UBLK_START_RECOVERY _IOWR('u', 0x10, struct ublk_ctrl)
#define UBLK_END_RECOVERY   _IOWR('u', 0x11, struct ublk_ctrl)
#define UBLK_GET_FEATURES   _IOR('u', 0x13, struct ublk_ctrl) /* Linux 6.5 */
/* Linux 6.16, if it is among the features: data is the size in sectors. */
#define UBLK_UPDATE_SIZE _IOWR('u', 0x15, struct ublk_ctrl)

/* UBLK_F_* */
#define UBLK_F_RECOVERY UINT64_C(0x08)
#define UBLK_F_REISSUE	UINT64_C(0x10)
#define UBLK_F_IOCTL	UINT64_C(0x40)
#define UBLK_F_RESIZE	UINT64_C(0x400) /* UBLK_F_UPDATE_SIZE */

/* UBLK_S_DEV_* */
enum ublk_state { UBLK_DEAD = 0, UBLK_LIVE = 1, UBLK_QUIESCED = 2 };

/* struct ublksrv_ctrl_dev_info */
struct ublk_info {
	uint16_t queues;
	uint16_t depth;
	uint16_t state;
	uint16_t pad0;
	uint32_t max_io; /* bytes */
	uint32_t dev_id;
	int32_t pid;
	uint32_t pad1;
	uint64_t flags;
	uint64_t server; /* ublksrv_flags: the server's own, the kernel keeps it */
	uint32_t uid, gid;
	uint64_t reserved[2];
};
static_assert(sizeof(struct ublk_info) == 64, "struct ublksrv_ctrl_dev_info");

/* UBLK_ATTR_* */
#define UBLK_ATTR_READ_ONLY   0x1u
#define UBLK_ATTR_WRITE_CACHE 0x4u
#define UBLK_ATTR_FUA	      0x8u

/* UBLK_PARAM_TYPE_* */
#define UBLK_TYPE_BASIC	  0x1u
#define UBLK_TYPE_DISCARD 0x2u

/* struct ublk_params, as much of it as is used; sectors are of 512 bytes. */
struct ublk_params {
	uint32_t len;
	uint32_t types;
	uint32_t attrs; /* struct ublk_param_basic */
	uint8_t logical_shift, physical_shift, io_opt_shift, io_min_shift;
	uint32_t max_sectors;
	uint32_t chunk_sectors;
	uint64_t dev_sectors;
	uint64_t virt_boundary_mask;
	uint32_t discard_alignment; /* struct ublk_param_discard */
	uint32_t discard_granularity;
	uint32_t max_discard_sectors;
	uint32_t max_write_zeroes_sectors;
	uint16_t max_discard_segments;
	uint16_t reserved;
	uint32_t end; /* to the next 8 bytes: of struct ublk_param_devt, which is not set */
};
static_assert(sizeof(struct ublk_params) == 64, "struct ublk_params");
/* What is set of it. */
#define UBLK_PARAMS_LEN 60u

/* struct ublksrv_io_cmd, the command area of a submission to /dev/ublkcN. */
struct ublk_io {
	uint16_t queue;
	uint16_t tag;
	int32_t result; /* bytes of reads and writes, else 0; or negative errno */
	uint64_t addr;	/* of the tag's buffer */
};
static_assert(sizeof(struct ublk_io) == 16, "struct ublksrv_io_cmd");

/* UBLK_U_IO_* */
#define UBLK_FETCH	      _IOWR('u', 0x20, struct ublk_io)
#define UBLK_COMMIT_AND_FETCH _IOWR('u', 0x21, struct ublk_io)

/* UBLK_IO_OP_*, the lower byte of op_flags. */
enum ublk_op {
	UBLK_READ = 0,
	UBLK_WRITE = 1,
	UBLK_FLUSH = 2,
	UBLK_DISCARD = 3,
	UBLK_WRITE_ZEROES = 5,
};
#define UBLK_OP(op_flags) ((op_flags)&0xffu)

/* UBLK_IO_F_*, also of op_flags. */
#define UBLK_IO_FUA	(1u << 13)
#define UBLK_IO_NOUNMAP (1u << 15)

/* struct ublksrv_io_desc: one for each tag, written by the kernel before a fetch ends. */
struct ublk_desc {
	uint32_t op_flags;
	uint32_t sectors;
	uint64_t start_sector;
	uint64_t addr;
};
static_assert(sizeof(struct ublk_desc) == 24, "struct ublksrv_io_desc");

/* Where a queue's descriptors are in /dev/ublkcN: apart by those of UBLK_MAX_QUEUE_DEPTH tags. */
#define UBLK_MAX_DEPTH 4096u

#endif

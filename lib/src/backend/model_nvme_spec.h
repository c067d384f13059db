/* SPDX-License-Identifier: MIT */
/*
 * What the software NVMe controller takes from the NVM Express Base Specification 1.4: sections and
 * figures are of that document. A reading of its own, apart from the driver's.
 */
#ifndef UDRV_MODEL_NVME_SPEC_H
#define UDRV_MODEL_NVME_SPEC_H

#include <stdint.h>

/* 3.1 "Register Definition", figure 68 */
#define NVME_REG_CAP	0x00
#define NVME_REG_VS	0x08
#define NVME_REG_INTMS	0x0c
#define NVME_REG_INTMC	0x10
#define NVME_REG_CC	0x14
#define NVME_REG_CSTS	0x1c
#define NVME_REG_NSSR	0x20
#define NVME_REG_AQA	0x24
#define NVME_REG_ASQ	0x28
#define NVME_REG_ACQ	0x30
#define NVME_REG_CMBLOC 0x38
#define NVME_REG_CMBSZ	0x3c
#define NVME_REG_BPINFO 0x40
#define NVME_REG_BPRSEL 0x44
#define NVME_REG_BPMBL	0x48
#define NVME_REG_CMBMSC 0x50 /* PMR is 0 */
#define NVME_REG_CMBSTS 0x58
#define NVME_REG_CRTO	0x68   /* 2.0, 3.1.3.21 */
#define NVME_REG_DBS	0x1000 /* 3.1.24: SQ y's tail at (2y) strides, CQ y's head at (2y + 1) */

/* 3.1.1 CAP */
#define NVME_CAP_CQR	      (1ULL << 16)
#define NVME_CAP_AMS_WRR      (1ULL << 17) /* weighted round robin with urgent class */
#define NVME_CAP_TO_SHIFT     24	   /* in 500 ms */
#define NVME_CAP_DSTRD_SHIFT  32
#define NVME_CAP_NSSRS	      (1ULL << 36)
#define NVME_CAP_CSS_NVM      (1ULL << 37)
#define NVME_CAP_CSS_SETS     (1ULL << 43) /* 2.0: several I/O command sets */
#define NVME_CAP_BPS	      (1ULL << 45)
#define NVME_CAP_MPSMIN_SHIFT 48
#define NVME_CAP_MPSMAX_SHIFT 52
#define NVME_CAP_CMBS	      (1ULL << 57)
#define NVME_CAP_CRWMS	      (1ULL << 59) /* 2.0 */
#define NVME_VS_1_4	      0x00010400u
#define NVME_VS_1_3	      0x00010300u

/* 3.1.11, 3.1.12, 3.1.16, 3.1.17 */
#define NVME_CMBLOC_OFST_SHIFT 12
#define NVME_CMBSZ_SQS	       (1u << 0)
#define NVME_CMBSZ_SZ_SHIFT    12 /* in units of 4 KiB: SZU is 0 */
#define NVME_CMBMSC_CRE	       (1ULL << 0)
#define NVME_CMBMSC_CMSE       (1ULL << 1)
#define NVME_CMBMSC_CBA	       (~0xfffULL)
#define NVME_CMBSTS_CBAI       (1u << 0)

/* 3.1.5 CC */
#define NVME_CC_EN	   (1u << 0)
#define NVME_CC_CSS(cc)	   ((cc) >> 4 & 7)
#define NVME_CC_MPS(cc)	   ((cc) >> 7 & 15)
#define NVME_CC_AMS(cc)	   ((cc) >> 11 & 7)
#define NVME_AMS_WEIGHTED  1
#define NVME_CC_SHN(cc)	   ((cc) >> 14 & 3)
#define NVME_CC_IOSQES(cc) ((cc) >> 16 & 15)
#define NVME_CC_IOCQES(cc) ((cc) >> 20 & 15)
#define NVME_CC_SHN_MASK   (3u << 14)
#define NVME_CC_LATE_MASK  (NVME_CC_SHN_MASK | 0xffu << 16) /* may change while enabled */

/* 3.1.6 CSTS */
#define NVME_CSTS_RDY	    (1u << 0)
#define NVME_CSTS_CFS	    (1u << 1)
#define NVME_CSTS_SHST_MASK (3u << 2)
#define NVME_CSTS_SHST_BUSY (1u << 2)
#define NVME_CSTS_SHST_DONE (2u << 2)
#define NVME_CSTS_NSSRO	    (1u << 4)
#define NVME_CSTS_PP	    (1u << 5)

/* 3.1.7 */
#define NVME_NSSR_NVME 0x4e564d65u

/* 4.2 figure 104: a command, in the host's order of bytes as they come (little endian only) */
struct udrv__nvme_cmd {
	uint8_t opcode;
	uint8_t flags; /* FUSE 1:0, PSDT 7:6 */
	uint16_t cid;
	uint32_t nsid;
	uint32_t cdw2, cdw3;
	uint64_t mptr;
	uint64_t prp1, prp2; /* or one SGL descriptor */
	uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};
_Static_assert(sizeof(struct udrv__nvme_cmd) == 64, "4.2: 64 bytes");
_Static_assert(__builtin_offsetof(struct udrv__nvme_cmd, mptr) == 16, "4.2");
_Static_assert(__builtin_offsetof(struct udrv__nvme_cmd, prp1) == 24, "4.2");
_Static_assert(__builtin_offsetof(struct udrv__nvme_cmd, cdw10) == 40, "4.2");

#define NVME_CMD_FUSE(flags) ((flags)&3)
#define NVME_CMD_PSDT(flags) ((flags) >> 6)
#define NVME_PSDT_PRP	     0
#define NVME_PSDT_SGL	     1 /* MPTR is an address */
#define NVME_PSDT_SGL_SGL    2 /* MPTR is the address of a descriptor */

#define NVME_NSID_ALL 0xffffffffu

/* 4.4 figure 112 and on */
struct udrv__nvme_sgl {
	uint64_t addr;
	uint32_t len;
	uint8_t reserved[3];
	uint8_t type; /* subtype 3:0, type 7:4 */
};
_Static_assert(sizeof(struct udrv__nvme_sgl) == 16, "4.4: 16 bytes");

#define NVME_SGL_DATA	      0x0
#define NVME_SGL_BIT_BUCKET   0x1
#define NVME_SGL_SEGMENT      0x2
#define NVME_SGL_LAST_SEGMENT 0x3

/* 4.6 figure 120 */
struct udrv__nvme_cqe {
	uint32_t dw0, dw1;
	uint16_t sqhd, sqid;
	uint16_t cid;
	uint16_t status; /* phase in bit 0 */
};
_Static_assert(sizeof(struct udrv__nvme_cqe) == 16, "4.6: 16 bytes");

/* 4.6.1 "Status Field Definition": SC 7:0, SCT 10:8, More 13, DNR 14; without the phase */
#define NVME_SC_SUCCESS		       0x000
#define NVME_SC_INVALID_OPCODE	       0x001
#define NVME_SC_INVALID_FIELD	       0x002
#define NVME_SC_ID_CONFLICT	       0x003
#define NVME_SC_DATA_TRANSFER	       0x004
#define NVME_SC_INTERNAL	       0x006
#define NVME_SC_ABORTED		       0x007
#define NVME_SC_SQ_DELETED	       0x008
#define NVME_SC_INVALID_NS	       0x00b
#define NVME_SC_SEQUENCE	       0x00c
#define NVME_SC_SGL_SEGMENT	       0x00d
#define NVME_SC_SGL_COUNT	       0x00e
#define NVME_SC_SGL_DATA_LEN	       0x00f
#define NVME_SC_SGL_META_LEN	       0x010
#define NVME_SC_SGL_TYPE	       0x011
#define NVME_SC_CMB_USE		       0x012
#define NVME_SC_PRP_OFFSET	       0x013
#define NVME_SC_SANITIZE_FAILED	       0x01c
#define NVME_SC_SANITIZING	       0x01d
#define NVME_SC_LBA_RANGE	       0x080
#define NVME_SC_CAPACITY	       0x081
#define NVME_SC_CQ_INVALID	       0x100
#define NVME_SC_QUEUE_ID	       0x101
#define NVME_SC_QUEUE_SIZE	       0x102
#define NVME_SC_ABORT_LIMIT	       0x103
#define NVME_SC_AER_LIMIT	       0x105
#define NVME_SC_FIRMWARE_SLOT	       0x106
#define NVME_SC_FIRMWARE_IMAGE	       0x107
#define NVME_SC_INTERRUPT_VECTOR       0x108
#define NVME_SC_LOG_PAGE	       0x109
#define NVME_SC_FORMAT		       0x10a
#define NVME_SC_QUEUE_DELETION	       0x10c
#define NVME_SC_FEATURE_NOT_SAVEABLE   0x10d
#define NVME_SC_FEATURE_NOT_CHANGEABLE 0x10e
#define NVME_SC_FEATURE_NOT_NS	       0x10f
#define NVME_SC_FIRMWARE_RESET	       0x111
#define NVME_SC_OVERLAP		       0x114
#define NVME_SC_NS_CAPACITY	       0x115
#define NVME_SC_NS_ID_UNAVAILABLE      0x116
#define NVME_SC_NS_ATTACHED	       0x118
#define NVME_SC_NS_PRIVATE	       0x119
#define NVME_SC_NS_NOT_ATTACHED	       0x11a
#define NVME_SC_THIN_PROVISIONING      0x11b
#define NVME_SC_CONTROLLER_LIST	       0x11c
#define NVME_SC_BOOT_PROHIBITED	       0x11e
#define NVME_SC_ATTRIBUTES	       0x180
#define NVME_SC_PROTECTION	       0x181
#define NVME_SC_READ_ONLY	       0x182
#define NVME_SC_UNRECOVERED_READ       0x281
#define NVME_SC_GUARD		       0x282
#define NVME_SC_APP_TAG		       0x283
#define NVME_SC_REF_TAG		       0x284
#define NVME_SC_COMPARE		       0x285
#define NVME_SC_DEALLOCATED	       0x287
#define NVME_ST_CRD		       0x1800
#define NVME_ST_MORE		       0x2000
#define NVME_ST_DNR		       0x4000

/* 5, figure 139: admin opcodes */
#define NVME_ADM_DELETE_SQ     0x00
#define NVME_ADM_CREATE_SQ     0x01
#define NVME_ADM_GET_LOG       0x02
#define NVME_ADM_DELETE_CQ     0x04
#define NVME_ADM_CREATE_CQ     0x05
#define NVME_ADM_IDENTIFY      0x06
#define NVME_ADM_ABORT	       0x08
#define NVME_ADM_SET_FEATURES  0x09
#define NVME_ADM_GET_FEATURES  0x0a
#define NVME_ADM_ASYNC_EVENT   0x0c
#define NVME_ADM_NS_MANAGEMENT 0x0d
#define NVME_ADM_FW_COMMIT     0x10
#define NVME_ADM_FW_DOWNLOAD   0x11
#define NVME_ADM_NS_ATTACHMENT 0x15
#define NVME_ADM_KEEP_ALIVE    0x18
#define NVME_ADM_DBBUF	       0x7c
#define NVME_ADM_FORMAT	       0x80
#define NVME_ADM_SANITIZE      0x84

/* 6, figure 346: NVM opcodes */
#define NVME_NVM_FLUSH		     0x00
#define NVME_NVM_WRITE		     0x01
#define NVME_NVM_READ		     0x02
#define NVME_NVM_WRITE_UNCORRECTABLE 0x04
#define NVME_NVM_COMPARE	     0x05
#define NVME_NVM_WRITE_ZEROES	     0x08
#define NVME_NVM_DSM		     0x09
#define NVME_NVM_VERIFY		     0x0c

/* 6.9, 6.15: dword 12 */
#define NVME_RW_LR   (1u << 31)
#define NVME_RW_FUA  (1u << 30)
#define NVME_RW_DEAC (1u << 25)
/* 8.3: PRINFO, bits 29:26 */
#define NVME_RW_PRACT	    (1u << 29)
#define NVME_RW_PRCHK_GUARD (1u << 28)
#define NVME_RW_PRCHK_APP   (1u << 27)
#define NVME_RW_PRCHK_REF   (1u << 26)

/* 5.3 and 5.4: dword 11 */
#define NVME_QUEUE_PC	  (1u << 0)
#define NVME_QUEUE_IEN	  (1u << 1)
#define NVME_QPRIO_URGENT 0
#define NVME_QPRIO_HIGH	  1
#define NVME_QPRIO_MEDIUM 2
#define NVME_QPRIO_LOW	  3

/* 5.2 figure 145 and on: asynchronous event types, and what they tell */
#define NVME_AER_ERROR	      0
#define NVME_AER_SMART	      1
#define NVME_AER_NOTICE	      2
#define NVME_AER_IO_SPECIFIC  6
#define NVME_AER_TYPES	      7
#define NVME_AEI_BAD_DOORBELL 0x00
#define NVME_AEI_BAD_VALUE    0x01
#define NVME_AEI_RELIABILITY  0x00
#define NVME_AEI_TEMPERATURE  0x01
#define NVME_AEI_SPARE	      0x02
#define NVME_AEI_NS_CHANGED   0x00
#define NVME_AEI_FIRMWARE     0x01
#define NVME_AEI_SANITIZED    0x01 /* of IO_SPECIFIC */

/* 5.14.1 figure 194: log pages */
#define NVME_LOG_ERROR	    0x01
#define NVME_LOG_SMART	    0x02
#define NVME_LOG_FIRMWARE   0x03
#define NVME_LOG_NS_CHANGED 0x04
#define NVME_LOG_EFFECTS    0x05
#define NVME_LOG_SANITIZE   0x81

/* 5.14.1.2 figure 196: critical warnings */
#define NVME_WARN_SPARE	      (1u << 0)
#define NVME_WARN_TEMPERATURE (1u << 1)

/* 5.21.1 figure 271: features */
#define NVME_FEAT_ARBITRATION 0x01
#define NVME_FEAT_POWER	      0x02
#define NVME_FEAT_TEMPERATURE 0x04
#define NVME_FEAT_ERROR	      0x05
#define NVME_FEAT_WRITE_CACHE 0x06
#define NVME_FEAT_QUEUES      0x07
#define NVME_FEAT_COALESCING  0x08
#define NVME_FEAT_VECTOR      0x09
#define NVME_FEAT_ATOMICITY   0x0a
#define NVME_FEAT_ASYNC	      0x0b
#define NVME_ASYNC_NS	      (1u << 8) /* 5.21.1.11; below: by critical warning */
#define NVME_ASYNC_FIRMWARE   (1u << 9)
#define NVME_FEAT_TIMESTAMP   0x0e
#define NVME_FEAT_BEHAVIOR    0x16 /* 5.21.1.22: host behavior support */

#endif

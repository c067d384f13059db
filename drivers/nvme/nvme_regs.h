/* SPDX-License-Identifier: MIT */
/**
 * @file
 * What an NVMe controller and its host exchange: registers, queue entries, data structures.
 *
 * Source: NVM Express Base Specification, revision 1.4; each group names its section there, and
 * what came with 2.0 says so (Base Specification 2.0, NVM Command Set Specification 1.0). Numbers
 * are little-endian in memory, and so are the machines that this driver is built for.
 */
#ifndef UDRV_NVME_REGS_H
#define UDRV_NVME_REGS_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the NVMe driver is for little-endian machines"
#endif

/* 2.1.5 Class Code */
#define NVME_CLASS_CODE 0x010802u

/* 3.1 Register Definition: offsets in BAR 0 */
#define NVME_REG_CAP	0x00   /* 3.1.1 Controller Capabilities, 64 bits */
#define NVME_REG_VS	0x08   /* 3.1.2 Version */
#define NVME_REG_INTMS	0x0c   /* 3.1.3 Interrupt Mask Set */
#define NVME_REG_INTMC	0x10   /* 3.1.4 Interrupt Mask Clear */
#define NVME_REG_CC	0x14   /* 3.1.5 Controller Configuration */
#define NVME_REG_CSTS	0x1c   /* 3.1.6 Controller Status */
#define NVME_REG_NSSR	0x20   /* 3.1.7 NVM Subsystem Reset */
#define NVME_REG_AQA	0x24   /* 3.1.8 Admin Queue Attributes */
#define NVME_REG_ASQ	0x28   /* 3.1.9 Admin Submission Queue Base Address, 64 bits */
#define NVME_REG_ACQ	0x30   /* 3.1.10 Admin Completion Queue Base Address, 64 bits */
#define NVME_REG_CMBLOC 0x38   /* 3.1.11 Controller Memory Buffer Location */
#define NVME_REG_CMBSZ	0x3c   /* 3.1.12 Controller Memory Buffer Size */
#define NVME_REG_BPINFO 0x40   /* 3.1.13 Boot Partition Information */
#define NVME_REG_BPRSEL 0x44   /* 3.1.14 Boot Partition Read Select */
#define NVME_REG_BPMBL	0x48   /* 3.1.15 Boot Partition Memory Buffer Location, 64 bits */
#define NVME_REG_CMBMSC 0x50   /* 3.1.16 Controller Memory Buffer Memory Space Control, 64 bits */
#define NVME_REG_CMBSTS 0x58   /* 3.1.17 Controller Memory Buffer Status */
#define NVME_REG_CRTO	0x68   /* 2.0, 3.1.3.21 Controller Ready Timeouts */
#define NVME_REG_DBS	0x1000 /* 3.1.24, 3.1.25 doorbells */

/* 3.1.1 */
#define NVME_CAP_MQES(cap)   ((unsigned int)((cap)&0xffff)) /* entries, 0's based */
#define NVME_CAP_CQR(cap)    ((unsigned int)((cap) >> 16 & 1))
#define NVME_CAP_AMS(cap)    ((unsigned int)((cap) >> 17 & 3))
#define NVME_CAP_TO(cap)     ((unsigned int)((cap) >> 24 & 0xff)) /* 500 ms units */
#define NVME_CAP_DSTRD(cap)  ((unsigned int)((cap) >> 32 & 0xf))  /* 4 << DSTRD bytes */
#define NVME_CAP_NSSRS(cap)  ((unsigned int)((cap) >> 36 & 1))
#define NVME_CAP_CSS(cap)    ((unsigned int)((cap) >> 37 & 0xff))
#define NVME_CAP_BPS(cap)    ((unsigned int)((cap) >> 45 & 1))
#define NVME_CAP_MPSMIN(cap) ((unsigned int)((cap) >> 48 & 0xf)) /* 4096 << MPSMIN bytes */
#define NVME_CAP_MPSMAX(cap) ((unsigned int)((cap) >> 52 & 0xf))
#define NVME_CAP_CMBS(cap)   ((unsigned int)((cap) >> 57 & 1))
#define NVME_CAP_CRWMS(cap)  ((unsigned int)((cap) >> 59 & 1)) /* 2.0: CRTO says more than TO */
#define NVME_CAP_CSS_NVM     0x01u
#define NVME_CAP_CSS_SETS    0x40u /* 2.0: one or several I/O command sets, Identify has CSI */
#define NVME_CAP_CSS_NONE    0x80u /* no I/O command set: admin commands only */
#define NVME_CAP_AMS_WRR     0x01u

/* 3.1.2 */
#define NVME_VS(major, minor, tertiary) ((major) << 16 | (minor) << 8 | (tertiary))
#define NVME_VS_MAJOR(vs)		((vs) >> 16)
#define NVME_VS_MINOR(vs)		((vs) >> 8 & 0xff)

/* 3.1.5 */
#define NVME_CC_EN	     0x1u
#define NVME_CC_CSS_NVM	     (0u << 4)
#define NVME_CC_MPS(shift)   (((shift)-12u) << 7)
#define NVME_CC_AMS_RR	     (0u << 11)
#define NVME_CC_AMS_WRR	     (1u << 11) /* weighted, with an urgent class */
#define NVME_CC_SHN_MASK     (3u << 14)
#define NVME_CC_SHN_NORMAL   (1u << 14)
#define NVME_CC_SHN_ABRUPT   (2u << 14)
#define NVME_CC_IOSQES(log2) ((log2) << 16)
#define NVME_CC_IOCQES(log2) ((log2) << 20)

/* 3.1.6 */
#define NVME_CSTS_RDY	    0x01u
#define NVME_CSTS_CFS	    0x02u /* controller fatal status */
#define NVME_CSTS_SHST_MASK 0x0cu
#define NVME_CSTS_SHST_DONE 0x08u
#define NVME_CSTS_NSSRO	    0x10u /* the subsystem was reset; 1 clears it */
#define NVME_CSTS_PP	    0x20u /* processing paused */

/* 3.1.7 */
#define NVME_NSSR_MAGIC 0x4e564d65u /* "NVMe" */

/* 3.1.8 */
#define NVME_AQA(sq_entries, cq_entries) (((cq_entries)-1u) << 16 | ((sq_entries)-1u))
#define NVME_ADMIN_ENTRIES_MAX		 4096u

/* 3.1.11, 3.1.12, 3.1.16 */
#define NVME_CMBLOC_BIR(loc)  ((loc)&7u)
#define NVME_CMBLOC_OFST(loc) ((uint64_t)((loc) >> 12))		 /* in units of CMBSZ.SZU */
#define NVME_CMBSZ_SQS	      0x01u				 /* may hold submission queues */
#define NVME_CMBSZ_UNIT(sz)   (4096ull << 4 * ((sz) >> 8 & 0xf)) /* bytes */
#define NVME_CMBSZ_SZU(sz)    ((unsigned int)((sz) >> 8 & 0xf))
#define NVME_CMBSZ_SZ(sz)     ((uint64_t)((sz) >> 12))
#define NVME_CMBMSC_CRE	      0x1ull
#define NVME_CMBMSC_CMSE      0x2ull
#define NVME_CMBSTS_CBAI      0x1u /* the base address cannot be */

/* 3.1.13 */
#define NVME_BPINFO_BPSZ(info)	((info)&0x7fffull) /* in units of: */
#define NVME_BPSZ_UNIT		(128ull << 10)
#define NVME_BPINFO_BRS(info)	((info) >> 24 & 3u)
#define NVME_BPINFO_ABPID(info) ((info) >> 31)
#define NVME_BRS_NONE		0u
#define NVME_BRS_READING	1u
#define NVME_BRS_DONE		2u
#define NVME_BRS_FAILED		3u

/* 3.1.14: offset and size are bytes, multiples of: */
#define NVME_BOOT_PAGE 4096u
#define NVME_BPRSEL(bpid, offset, size)                                                            \
	((uint32_t)(bpid) << 31 | (uint32_t)((offset) / NVME_BOOT_PAGE) << 10 |                    \
	 (uint32_t)((size) / NVME_BOOT_PAGE))

/* 2.0, 3.1.3.21: with its media, as CC.CRIME is 0; 500 ms units */
#define NVME_CRTO_CRWMT(crto) ((crto)&0xffffu)

/* 3.1.24, 3.1.25: the submission queue's, then the completion queue's */
#define NVME_DOORBELL(qid, is_cq, dstrd)                                                           \
	(NVME_REG_DBS + (2ul * (qid) + ((is_cq) ? 1u : 0u)) * (4ul << (dstrd)))

/* 4.2 Submission Queue Entry */
struct nvme_sgl {
	uint64_t addr;
	uint32_t len;
	uint8_t reserved[3];
	uint8_t id; /* type << 4 | sub type */
};

/* 4.4 Scatter Gather List: types, with sub type 0, an address */
#define NVME_SGL_DATA	      0x00u
#define NVME_SGL_SEGMENT      0x20u
#define NVME_SGL_LAST_SEGMENT 0x30u

struct nvme_sqe {
	uint8_t opcode;
	uint8_t flags; /* NVME_PSDT_*, FUSE */
	uint16_t cid;
	uint32_t nsid;
	uint32_t cdw2, cdw3;
	uint64_t mptr;
	union {
		struct {
			uint64_t prp1, prp2;
		};
		struct nvme_sgl sgl;
	};
	uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};
static_assert(sizeof(struct nvme_sqe) == 64, "4.2: 64 bytes");
static_assert(offsetof(struct nvme_sqe, mptr) == 16, "4.2: bytes 23:16");
static_assert(offsetof(struct nvme_sqe, prp1) == 24, "4.2: bytes 39:24");
static_assert(offsetof(struct nvme_sqe, cdw10) == 40, "4.2: bytes 43:40");

#define NVME_PSDT_PRP	   0x00u
#define NVME_PSDT_SGL	   0x40u /* metadata: one buffer */
#define NVME_PSDT_SGL_MSGL 0x80u /* metadata: an SGL */
#define NVME_NSID_NONE	   0u
#define NVME_NSID_ALL	   0xffffffffu
#define NVME_NSID_MAX	   0xfffffffeu /* 6.1.1 */

/* 4.6 Completion Queue Entry */
struct nvme_cqe {
	uint32_t dw0, dw1;
	uint16_t sq_head, sq_id;
	uint16_t cid;
	uint16_t status; /* bit 0: phase tag; the rest is 4.6.1's status field */
};
static_assert(sizeof(struct nvme_cqe) == 16, "4.6: 16 bytes");

/* 4.6.1 Status Field, without the phase tag: bits 7:0 code, 10:8 type, 12:11 CRD, 13 M, 14 DNR */
#define NVME_STATUS_MASK	0x07ffu
#define NVME_STATUS_CRD(status) ((status) >> 11 & 3u)
#define NVME_STATUS_MORE	0x2000u
#define NVME_STATUS_DNR		0x4000u

/* 4.6.1.2.1 generic */
#define NVME_SC_SUCCESS		     0x000u
#define NVME_SC_INVALID_OPCODE	     0x001u
#define NVME_SC_INVALID_FIELD	     0x002u
#define NVME_SC_CID_CONFLICT	     0x003u
#define NVME_SC_DATA_TRANSFER	     0x004u
#define NVME_SC_POWER_LOSS	     0x005u
#define NVME_SC_INTERNAL	     0x006u
#define NVME_SC_ABORT_REQUESTED	     0x007u
#define NVME_SC_ABORT_SQ_DELETED     0x008u
#define NVME_SC_INVALID_NS	     0x00bu
#define NVME_SC_SEQUENCE	     0x00cu
#define NVME_SC_SANITIZE_FAILED	     0x01cu
#define NVME_SC_SANITIZE_IN_PROGRESS 0x01du
#define NVME_SC_NS_WRITE_PROTECTED   0x020u
#define NVME_SC_LBA_RANGE	     0x080u
#define NVME_SC_CAPACITY	     0x081u
#define NVME_SC_NS_NOT_READY	     0x082u
#define NVME_SC_FORMAT_IN_PROGRESS   0x084u
/* 4.6.1.2.2 command specific */
#define NVME_SC_CQ_INVALID	      0x100u
#define NVME_SC_QID_INVALID	      0x101u
#define NVME_SC_ABORT_LIMIT	      0x103u
#define NVME_SC_AER_LIMIT	      0x105u
#define NVME_SC_FW_SLOT		      0x106u
#define NVME_SC_FW_IMAGE	      0x107u
#define NVME_SC_FW_NEEDS_CONVENTIONAL 0x10bu /* done; a conventional reset activates it */
#define NVME_SC_FW_NEEDS_SUBSYSTEM    0x110u /* an NVM subsystem reset */
#define NVME_SC_FW_NEEDS_RESET	      0x111u /* any controller level reset */
#define NVME_SC_FW_TOO_LONG	      0x112u /* an activation now would take longer than MTFA */
#define NVME_SC_FW_PROHIBITED	      0x113u
#define NVME_SC_FW_OVERLAP	      0x114u
#define NVME_SC_BOOT_PROHIBITED	      0x11eu /* the boot partition is locked */
#define NVME_SC_BAD_ATTRIBUTES	      0x180u
#define NVME_SC_BAD_PROTECTION	      0x181u /* that cannot be checked */
#define NVME_SC_READ_ONLY	      0x182u
/* 4.6.1.2.3 media and data integrity */
#define NVME_SC_WRITE_FAULT	0x280u
#define NVME_SC_READ_ERROR	0x281u
#define NVME_SC_GUARD_CHECK	0x282u
#define NVME_SC_APPTAG_CHECK	0x283u
#define NVME_SC_REFTAG_CHECK	0x284u
#define NVME_SC_COMPARE_FAILED	0x285u
#define NVME_SC_ACCESS_DENIED	0x286u
#define NVME_SC_UNWRITTEN_BLOCK 0x287u
/* 4.6.1.2.4 path related: what the host itself reports of a command without an answer */
#define NVME_SC_HOST_PATHING 0x370u /* never given to the controller, or it is gone */
#define NVME_SC_HOST_ABORTED 0x371u /* given up: whether it was carried out is unknown */
/* likewise, of those left to the vendor: the number means another namespace by now, and whether it
 * was carried out on the one before is unknown */
#define NVME_SC_HOST_NS_CHANGED 0x3c0u

/* 5 Admin Command Set: opcodes */
enum nvme_admin_opcode {
	NVME_ADMIN_DELETE_SQ = 0x00,
	NVME_ADMIN_CREATE_SQ = 0x01,
	NVME_ADMIN_GET_LOG_PAGE = 0x02,
	NVME_ADMIN_DELETE_CQ = 0x04,
	NVME_ADMIN_CREATE_CQ = 0x05,
	NVME_ADMIN_IDENTIFY = 0x06,
	NVME_ADMIN_ABORT = 0x08,
	NVME_ADMIN_SET_FEATURES = 0x09,
	NVME_ADMIN_GET_FEATURES = 0x0a,
	NVME_ADMIN_ASYNC_EVENT = 0x0c,
	NVME_ADMIN_NS_MANAGEMENT = 0x0d,
	NVME_ADMIN_FIRMWARE_COMMIT = 0x10,
	NVME_ADMIN_FIRMWARE_DOWNLOAD = 0x11,
	NVME_ADMIN_NS_ATTACHMENT = 0x15,
	NVME_ADMIN_DOORBELL_BUFFER = 0x7c,
	NVME_ADMIN_FORMAT_NVM = 0x80,
	NVME_ADMIN_SANITIZE = 0x84,
};

/* 6 NVM Command Set: opcodes; bits 1:0 give the direction of the data (4.2, CDW0) */
enum nvme_opcode {
	NVME_FLUSH = 0x00,
	NVME_WRITE = 0x01,
	NVME_READ = 0x02,
	NVME_WRITE_UNCORRECTABLE = 0x04,
	NVME_COMPARE = 0x05,
	NVME_WRITE_ZEROES = 0x08,
	NVME_DATASET_MANAGEMENT = 0x09,
	NVME_VERIFY = 0x0c,
};
#define NVME_OPCODE_TO_DEVICE(opcode)	((opcode)&1u)
#define NVME_OPCODE_FROM_DEVICE(opcode) ((opcode)&2u)
#define NVME_OPCODE_BOTH_WAYS(opcode)	(((opcode)&3u) == 3u)

/* 5.3, 5.4 Create I/O Completion and Submission Queue: CDW11 */
#define NVME_QUEUE_CONTIGUOUS 0x1u
#define NVME_CQ_IEN	      0x2u
#define NVME_CQ_VECTOR(iv)    ((uint32_t)(iv) << 16)
#define NVME_SQ_CQID(cqid)    ((uint32_t)(cqid) << 16)
#define NVME_SQ_PRIO(qprio)   ((uint32_t)(qprio) << 1) /* 0 urgent, 1 high, 2 medium, 3 low */

/* 5.2 Asynchronous Event Request: completion DW0 */
#define NVME_AER_TYPE(dw0)     ((dw0)&7u)
#define NVME_AER_INFO(dw0)     ((dw0) >> 8 & 0xffu)
#define NVME_AER_LOG(dw0)      ((dw0) >> 16 & 0xffu)
#define NVME_AER_ERROR	       0u
#define NVME_AER_SMART	       1u
#define NVME_AER_NOTICE	       2u
#define NVME_AER_IO_SPECIFIC   6u
#define NVME_AER_VENDOR	       7u
#define NVME_AER_NS_CHANGED    0x00u /* of NOTICE */
#define NVME_AER_FW_ACTIVATION 0x01u
#define NVME_AER_SANITIZED     0x01u /* of IO_SPECIFIC */
#define NVME_AER_SANITIZED_ND  0x02u /* 1.4: with unexpected deallocation */

/* 5.15.1: CNS */
enum nvme_cns {
	NVME_CNS_NS = 0x00,
	NVME_CNS_CTRL = 0x01,
	NVME_CNS_ACTIVE_NS = 0x02,
	NVME_CNS_NS_DESCRIPTORS = 0x03,
	NVME_CNS_COMMAND_SET = 0x06, /* 2.0: the controller; CDW11 bits 31:24, 0: NVM command set */
	NVME_CNS_ALLOCATED_NS = 0x10,
	NVME_CNS_ALLOCATED_NS_DATA = 0x11,
	NVME_CNS_NS_CTRLS = 0x12,
	NVME_CNS_CTRLS = 0x13,
};
#define NVME_IDENTIFY_SIZE 4096u
#define NVME_NIDT_UUID	   3u /* 5.15.2.4 */

/* 5.14.1: log identifiers */
enum nvme_log {
	NVME_LOG_ERROR = 0x01,
	NVME_LOG_SMART = 0x02,
	NVME_LOG_FIRMWARE = 0x03,
	NVME_LOG_CHANGED_NS = 0x04,
	NVME_LOG_EFFECTS = 0x05,
	NVME_LOG_TELEMETRY_CTRL = 0x08,
	NVME_LOG_SANITIZE = 0x81,
};

#define NVME_LOG_RAE 0x8000u /* 5.14, CDW10: retain the asynchronous event */

/* 5.21.1: feature identifiers */
enum nvme_feature {
	NVME_FEAT_ARBITRATION = 0x01,
	NVME_FEAT_POWER = 0x02,
	NVME_FEAT_LBA_RANGE = 0x03,
	NVME_FEAT_TEMPERATURE = 0x04,
	NVME_FEAT_ERROR_RECOVERY = 0x05,
	NVME_FEAT_WRITE_CACHE = 0x06,
	NVME_FEAT_QUEUES = 0x07,
	NVME_FEAT_COALESCING = 0x08,
	NVME_FEAT_VECTOR = 0x09,
	NVME_FEAT_ATOMICITY = 0x0a,
	NVME_FEAT_ASYNC_EVENT = 0x0b,
	NVME_FEAT_TIMESTAMP = 0x0e,
	NVME_FEAT_HOST_BEHAVIOR = 0x16,
};
/* 5.10.1 Get Features, Select; 5.21 Set Features, Save */
#define NVME_FEAT_CURRENT   0u
#define NVME_FEAT_DEFAULT   1u
#define NVME_FEAT_SAVED	    2u
#define NVME_FEAT_SUPPORTED 3u
#define NVME_FEAT_SAVE	    0x80000000u
/* 5.21.1.1: burst is log2 of commands, 7: no limit; weights are commands, 1 to 256 */
#define NVME_ARBITRATION(burst, low, medium, high)                                                 \
	(((uint32_t)(burst)&7u) | (((uint32_t)(low)-1u) & 0xffu) << 8 |                            \
	 (((uint32_t)(medium)-1u) & 0xffu) << 16 | (((uint32_t)(high)-1u) & 0xffu) << 24)
/* 5.21.1.11 */
#define NVME_ASYNC_SMART_ALL	 0x001fu /* bits 4:0 of the critical warning */
#define NVME_ASYNC_NS_CHANGED	 0x0100u
#define NVME_ASYNC_FW_ACTIVATION 0x0200u

/* 5.21.1.22 Host Behavior Support */
struct nvme_host_behavior {
	uint8_t acre; /* 1: it honours CRD */
	uint8_t reserved1[511];
};
static_assert(sizeof(struct nvme_host_behavior) == 512, "5.21.1.22: 512 bytes");

/* 5.15.2.2 Identify Controller, Figure "Power State Descriptor" */
struct nvme_power_state {
	uint16_t max_power;
	uint8_t reserved2;
	uint8_t flags; /* bit 0 MXPS: units of 0.0001 W, bit 1 NOPS */
	uint32_t entry_lat, exit_lat;
	uint8_t read_tput, read_lat, write_tput, write_lat;
	uint16_t idle_power;
	uint8_t idle_scale;
	uint8_t reserved19;
	uint16_t active_power;
	uint8_t active_work_scale;
	uint8_t reserved23[9];
};
static_assert(sizeof(struct nvme_power_state) == 32, "5.15.2.2: 32 bytes");

/* 5.15.2.2 Identify Controller data structure */
struct nvme_id_ctrl {
	uint16_t vid, ssvid;
	char sn[20], mn[40], fr[8];
	uint8_t rab, ieee[3], cmic, mdts;
	uint16_t cntlid;
	uint32_t ver, rtd3r, rtd3e, oaes, ctratt;
	uint16_t rrls;
	uint8_t reserved102[9];
	uint8_t cntrltype, fguid[16];
	uint16_t crdt1, crdt2, crdt3;
	uint8_t reserved134[119];
	uint8_t nvmsr, vwci, mec;
	uint16_t oacs;
	uint8_t acl, aerl, frmw, lpa, elpe, npss, avscc, apsta;
	uint16_t wctemp, cctemp, mtfa;
	uint32_t hmpre, hmmin;
	uint8_t tnvmcap[16], unvmcap[16];
	uint32_t rpmbs;
	uint16_t edstt;
	uint8_t dsto, fwug;
	uint16_t kas, hctma, mntmt, mxtmt;
	uint32_t sanicap, hmminds;
	uint16_t hmmaxd, nsetidmax, endgidmax;
	uint8_t anatt, anacap;
	uint32_t anagrpmax, nanagrpid, pels;
	uint16_t domainid; /* 2.0 */
	uint8_t reserved358[10];
	uint8_t megcap[16]; /* 2.0 */
	uint8_t reserved384[128];
	uint8_t sqes, cqes;
	uint16_t maxcmd;
	uint32_t nn;
	uint16_t oncs, fuses;
	uint8_t fna, vwc;
	uint16_t awun, awupf;
	uint8_t icsvscc, nwpc;
	uint16_t acwu, ocfs; /* ocfs: 2.0 */
	uint32_t sgls, mnan;
	uint8_t maxdna[16]; /* 2.0 */
	uint32_t maxcna;    /* 2.0 */
	uint8_t reserved564[204];
	char subnqn[256];
	uint8_t reserved1024[768];
	uint32_t ioccsz, iorcsz;
	uint16_t icdoff;
	uint8_t fcatt, msdbd;
	uint16_t ofcs;
	uint8_t dctype; /* 2.0 */
	uint8_t reserved1807[241];
	struct nvme_power_state psd[32];
	uint8_t vs[1024];
};
static_assert(sizeof(struct nvme_id_ctrl) == 4096, "5.15.2.2: 4096 bytes");
static_assert(offsetof(struct nvme_id_ctrl, mdts) == 77, "5.15.2.2: byte 77");
static_assert(offsetof(struct nvme_id_ctrl, cntrltype) == 111, "5.15.2.2: byte 111");
static_assert(offsetof(struct nvme_id_ctrl, oacs) == 256, "5.15.2.2: bytes 257:256");
static_assert(offsetof(struct nvme_id_ctrl, kas) == 320, "5.15.2.2: bytes 321:320");
static_assert(offsetof(struct nvme_id_ctrl, anagrpmax) == 344, "5.15.2.2: bytes 347:344");
static_assert(offsetof(struct nvme_id_ctrl, sqes) == 512, "5.15.2.2: byte 512");
static_assert(offsetof(struct nvme_id_ctrl, sgls) == 536, "5.15.2.2: bytes 539:536");
static_assert(offsetof(struct nvme_id_ctrl, subnqn) == 768, "5.15.2.2: bytes 1023:768");
static_assert(offsetof(struct nvme_id_ctrl, ioccsz) == 1792, "5.15.2.2: bytes 1795:1792");
static_assert(offsetof(struct nvme_id_ctrl, psd) == 2048, "5.15.2.2: bytes 2079:2048");

#define NVME_OAES_NS_ATTRIBUTES	  (1u << 8)
#define NVME_OAES_FW_ACTIVATION	  (1u << 9)
#define NVME_OACS_FORMAT	  (1u << 1)
#define NVME_OACS_FIRMWARE	  (1u << 2)
#define NVME_OACS_NS_MANAGEMENT	  (1u << 3)
#define NVME_OACS_DOORBELL_BUFFER (1u << 8)
#define NVME_LPA_EXTENDED	  (1u << 2) /* Get Log Page with offset and a long length */
#define NVME_ONCS_COMPARE	  (1u << 0)
#define NVME_ONCS_DSM		  (1u << 2)
#define NVME_ONCS_WRITE_ZEROES	  (1u << 3)
#define NVME_ONCS_VERIFY	  (1u << 7)
#define NVME_VWC_PRESENT	  0x01u
#define NVME_VWC_FLUSH_ALL(vwc)	  ((vwc) >> 1 & 3u) /* 3: FLUSH knows NSID_ALL */
#define NVME_SGLS_SUPPORT(sgls)	  ((sgls)&3u)	    /* 1: no alignment, 2: dword alignment */

/* 5.15.2.1 Identify Namespace data structure, Figure "LBA Format" */
struct nvme_lbaf {
	uint16_t ms;   /* metadata bytes per block */
	uint8_t lbads; /* block size, log2 */
	uint8_t rp;
};

struct nvme_id_ns {
	uint64_t nsze, ncap, nuse;
	uint8_t nsfeat, nlbaf, flbas, mc, dpc, dps, nmic, rescap, fpi, dlfeat;
	uint16_t nawun, nawupf, nacwu, nabsn, nabo, nabspf, noiob;
	uint8_t nvmcap[16];
	uint16_t npwg, npwa, npdg, npda, nows;
	uint16_t mssrl; /* 2.0: NVM Command Set 1.0, 4.1.5.1, as what follows */
	uint32_t mcl;
	uint8_t msrc;
	uint8_t reserved81;
	uint8_t nulbaf;
	uint8_t reserved83[9];
	uint32_t anagrpid;
	uint8_t reserved96[3];
	uint8_t nsattr;
	uint16_t nvmsetid, endgid;
	uint8_t nguid[16], eui64[8];
	struct nvme_lbaf lbaf[64]; /* 1.4: 16, the rest is reserved */
	uint8_t vs[3712];
};
static_assert(sizeof(struct nvme_id_ns) == 4096, "5.15.2.1: 4096 bytes");
static_assert(offsetof(struct nvme_id_ns, dlfeat) == 33, "5.15.2.1: byte 33");
static_assert(offsetof(struct nvme_id_ns, nvmcap) == 48, "5.15.2.1: bytes 63:48");
static_assert(offsetof(struct nvme_id_ns, anagrpid) == 92, "5.15.2.1: bytes 95:92");
static_assert(offsetof(struct nvme_id_ns, nguid) == 104, "5.15.2.1: bytes 119:104");
static_assert(offsetof(struct nvme_id_ns, lbaf) == 128, "5.15.2.1: bytes 131:128");

#define NVME_NSFEAT_ATOMICS	   (1u << 1) /* nawun, nawupf and nacwu are defined */
#define NVME_NSFEAT_UIDREUSE	   (1u << 3) /* nguid and eui64 are never used again */
#define NVME_NSFEAT_OPTPERF	   (1u << 4) /* npwg and its kind are defined */
#define NVME_FLBAS_INDEX(flbas)	   (((flbas)&0xfu) | ((flbas) >> 1 & 0x30u)) /* 6:5: 2.0 */
#define NVME_FLBAS(index)	   (((index)&0xfu) | ((index) >> 4 & 3u) << 5)
#define NVME_FLBAS_EXTENDED	   0x10u /* metadata at the end of each block */
#define NVME_DPS_TYPE(dps)	   ((dps)&7u)
#define NVME_DPS_FIRST		   0x08u	 /* of the metadata's bytes, else the last */
#define NVME_DLFEAT_READ(dlfeat)   ((dlfeat)&7u) /* what deallocated blocks read as */
#define NVME_DLFEAT_READ_ZEROES	   1u
#define NVME_DLFEAT_WZ_DEALLOCATES 0x08u
#define NVME_NSATTR_READ_ONLY	   0x01u

/* 2.0: NVM Command Set 1.0, 4.1.5.2, of NVME_CNS_COMMAND_SET; 0 is: no limit */
struct nvme_id_ctrl_nvm {
	uint8_t vsl, wzsl, wusl; /* 2 to the power of that, in pages of CAP.MPSMIN */
	uint8_t dmrl;
	uint32_t dmrsl; /* blocks of a range of Dataset Management */
	uint64_t dmsl;	/* of all its ranges */
	uint8_t reserved16[4080];
};
static_assert(sizeof(struct nvme_id_ctrl_nvm) == 4096, "4.1.5.2: 4096 bytes");
static_assert(offsetof(struct nvme_id_ctrl_nvm, dmrsl) == 4, "4.1.5.2: bytes 7:4");

/* 5.14.1.1 Error Information */
struct nvme_error_entry {
	uint64_t error_count;
	uint16_t sqid, cmdid, status_field, parm_error_location;
	uint64_t lba;
	uint32_t nsid;
	uint8_t vs, trtype;
	uint8_t reserved30[2];
	uint64_t cs;
	uint16_t trtype_spec_info;
	uint8_t reserved42[22];
};
static_assert(sizeof(struct nvme_error_entry) == 64, "5.14.1.1: 64 bytes");

/* 5.14.1.2 SMART / Health Information */
struct nvme_smart {
	uint8_t critical_warning;
	uint8_t temperature[2]; /* kelvins */
	uint8_t avail_spare, spare_thresh, percent_used, endu_grp_crit_warn_sumry;
	uint8_t reserved7[25];
	uint8_t data_units_read[16], data_units_written[16];
	uint8_t host_read_commands[16], host_write_commands[16];
	uint8_t controller_busy_time[16], power_cycles[16], power_on_hours[16];
	uint8_t unsafe_shutdowns[16], media_errors[16], num_err_log_entries[16];
	uint32_t warning_temp_time, critical_comp_time;
	uint16_t temp_sensor[8];
	uint32_t thm_temp1_trans_count, thm_temp2_trans_count;
	uint32_t thm_temp1_total_time, thm_temp2_total_time;
	uint8_t reserved232[280];
};
static_assert(sizeof(struct nvme_smart) == 512, "5.14.1.2: 512 bytes");
static_assert(offsetof(struct nvme_smart, warning_temp_time) == 192, "5.14.1.2: bytes 195:192");

/* 5.14.1.3 Firmware Slot Information */
struct nvme_firmware_slots {
	uint8_t afi;
	uint8_t reserved1[7];
	char frs[7][8];
	uint8_t reserved64[448];
};
static_assert(sizeof(struct nvme_firmware_slots) == 512, "5.14.1.3: 512 bytes");

/* 5.14.1.16.2 (1.4), 5.16.1.22 (2.0) Sanitize Status */
struct nvme_sanitize_status {
	uint16_t sprog, sstat;
	uint32_t scdw10, eto, etbe, etce, etond, etbend, etcend;
	uint8_t reserved32[480];
};
static_assert(sizeof(struct nvme_sanitize_status) == 512, "512 bytes");

#define NVME_SSTAT_STATE(sstat)	 ((sstat)&7u)
#define NVME_SSTAT_PASSES(sstat) ((sstat) >> 3 & 0x1fu)
#define NVME_SSTAT_ERASED(sstat) ((sstat) >> 8 & 1u) /* nothing was written since */
#define NVME_SSTAT_NEVER	 0u
#define NVME_SSTAT_DONE		 1u
#define NVME_SSTAT_RUNS		 2u
#define NVME_SSTAT_FAILED	 3u
#define NVME_SSTAT_DONE_NDAS	 4u /* without deallocation */

/* 5.14.1.4 Changed Namespace List, 5.15.2.3 active namespaces: ascending, 0 ends it */
#define NVME_NS_LIST_ENTRIES 1024u

/* 6.7 Dataset Management */
struct nvme_dsm_range {
	uint32_t cattr;
	uint32_t nlb; /* blocks, not 0's based */
	uint64_t slba;
};
static_assert(sizeof(struct nvme_dsm_range) == 16, "6.7: 16 bytes");
#define NVME_DSM_RANGES_MAX 256u
#define NVME_DSM_DEALLOCATE 0x4u /* CDW11 */

/* 6.9 Read, 6.15 Write and their kind: CDW12 */
#define NVME_RW_BLOCKS_MAX 65536u     /* NLB is 0's based, 16 bits */
#define NVME_RW_DEAC	   (1u << 25) /* 6.17 Write Zeroes: deallocate */
/* PRINFO, 8.3: the controller's action, and what it checks */
#define NVME_RW_PRACT	    (1u << 29)
#define NVME_RW_PRCHK_GUARD (1u << 28)
#define NVME_RW_PRCHK_APP   (1u << 27)
#define NVME_RW_PRCHK_REF   (1u << 26)
#define NVME_RW_FUA	    (1u << 30)
#define NVME_RW_LR	    (1u << 31) /* limited retry */

/* 8.3 Protection Information, 16 bits of guard: big-endian, at any address */
struct nvme_pi {
	uint8_t guard[2], app_tag[2], ref_tag[4];
};
static_assert(sizeof(struct nvme_pi) == 8, "8.3: 8 bytes");

/* 5.23 Format NVM: CDW10 */
#define NVME_FORMAT_LBAF(index) (((uint32_t)(index)&0xfu) | ((uint32_t)(index) >> 4 & 3u) << 12)
#define NVME_FORMAT_SES(ses)	((uint32_t)(ses) << 9)
#define NVME_FORMAT_EXTENDED	(1u << 4)
#define NVME_FORMAT_PI(type)	((uint32_t)(type) << 5)

/* 5.24 Sanitize: CDW10; 5.15.2.2, SANICAP */
#define NVME_SANITIZE_EXIT_FAILURE  1u
#define NVME_SANITIZE_BLOCK_ERASE   2u
#define NVME_SANITIZE_OVERWRITE	    3u
#define NVME_SANITIZE_CRYPTO_ERASE  4u
#define NVME_SANITIZE_ACTION(cdw10) ((cdw10)&7u)
#define NVME_SANITIZE_AUSE	    (1u << 3)
#define NVME_SANITIZE_PASSES(count) (((uint32_t)(count)&0xfu) << 4) /* 0: 16 */
#define NVME_SANITIZE_OIPBP	    (1u << 8)
#define NVME_SANITIZE_NDAS	    (1u << 9)
#define NVME_SANICAP_CRYPTO_ERASE   (1u << 0)
#define NVME_SANICAP_BLOCK_ERASE    (1u << 1)
#define NVME_SANICAP_OVERWRITE	    (1u << 2)

/* 5.20 Namespace Management, 5.19 Namespace Attachment: CDW10, SEL */
#define NVME_NS_CREATE 0u
#define NVME_NS_DELETE 1u
#define NVME_NS_ATTACH 0u
#define NVME_NS_DETACH 1u

/* 4.11 Controller List: ascending */
#define NVME_CTRL_LIST_MAX 2047u
struct nvme_ctrl_list {
	uint16_t count;
	uint16_t id[NVME_CTRL_LIST_MAX];
};
static_assert(sizeof(struct nvme_ctrl_list) == 4096, "4.11: 4096 bytes");

/* 5.11 Firmware Commit: CDW10 */
#define NVME_COMMIT_SLOT(slot)	   ((uint32_t)(slot))
#define NVME_COMMIT_ACTION(action) ((uint32_t)(action) << 3)
#define NVME_COMMIT_BPID(id)	   ((uint32_t)(id) << 31)
#define NVME_COMMIT_BOOT_REPLACE   6u
#define NVME_COMMIT_BOOT_ACTIVATE  7u
#define NVME_FIRMWARE_SLOTS	   7u

/* 5.1 Abort: completion DW0 */
#define NVME_ABORT_NOT_DONE 0x1u

#endif

// SPDX-License-Identifier: MIT
/* Identify (5.15) of the software NVMe controller. */
#include <stdio.h>
#include <string.h>

#include "backend/model_nvme_dev.h"
#include "pci/device.h"

#define DNR(sc)	      ((uint16_t)((sc) | NVME_ST_DNR))
#define IDENTIFY_LEN  4096
#define LIST_ENTRIES  (IDENTIFY_LEN / 4)
#define CONTROLLER_ID 1
#define MIB	      ((uint64_t)1 << 20)
#define OUI	      0x525400 /* QEMU's */
#define NS_LIST_MAX   0xfffffffeu

/* 5.15.1 figure 244 */
#define CNS_NS		    0x00
#define CNS_CTRL	    0x01
#define CNS_ACTIVE	    0x02
#define CNS_DESCRIPTORS	    0x03
#define CNS_COMMAND_SET	    0x06 /* 2.0 */
#define CNS_ALLOCATED	    0x10
#define CNS_ALLOCATED_NS    0x11
#define CNS_NS_CONTROLLERS  0x12
#define CNS_ALL_CONTROLLERS 0x13

/* Formats 0 and 1: the two block sizes; 2 and 3: those with metadata. */
unsigned int udrv__nvme_lbaf_ms(unsigned int lbaf)
{
	return lbaf >= 2 ? 8 : 0;
}

unsigned int udrv__nvme_lbaf_shift(unsigned int lbaf)
{
	return lbaf & 1 ? 12 : 9;
}

static void put(unsigned char *buf, unsigned int at, unsigned int size, uint64_t val)
{
	for (unsigned int i = 0; i < size; i++)
		buf[at + i] = (unsigned char)(val >> (8 * i));
}

/* 1.5: ASCII, and blanks behind. */
static void put_text(unsigned char *buf, unsigned int at, unsigned int size, const char *text)
{
	size_t len = strlen(text);

	memset(buf + at, ' ', size);
	memcpy(buf + at, text, len < size ? len : size);
}

static uint64_t bytes_of(const struct udrv__nvme *n)
{
	uint64_t sum = 0;

	for (unsigned int i = 1; i <= UDRV__MODEL_NVME_NS_MAX; i++)
		sum += n->ns[i].bytes;
	return sum;
}

/* What is told in figure 247 about who it is. */
static void put_identity(const struct udrv__nvme *n, unsigned char *buf)
{
	const struct udrv__model_type *type = n->model->type;
	const char *name = n->model->dev->name;

	put(buf, 0, 2, type->vendor);
	put(buf, 2, 2, type->subsystem_vendor);
	put_text(buf, 4, 20, name);
	put_text(buf, 24, 40, "udrv software NVMe controller");
	put_text(buf, 64, 8, udrv__nvme_firmware_revision(n));
	put(buf, 73, 3, OUI);
	put(buf, 78, 2, CONTROLLER_ID);
	put(buf, 80, 4, n->config.vs);
	buf[111] = 1; /* CNTRLTYPE: I/O controller */
	(void)snprintf((char *)buf + 768, 256, "nqn.2026-11.org.udrv:%s", name);
}

static void put_limits(const struct udrv__nvme *n, unsigned char *buf)
{
	buf[77] = n->config.mdts;
	put(buf, 84, 4, 1000000); /* RTD3R, RTD3E: a second */
	put(buf, 88, 4, 1000000);
	put(buf, 92, 4, 1u << 8 | 1u << 9); /* OAES: namespace, firmware notices */
	for (unsigned int i = 0; i < 3; i++)
		put(buf, 128 + 2 * i, 2, n->config.crdt[i]);
	put(buf, 256, 2, 1u << 1 | 1u << 2 | 1u << 3 | (n->config.dbbuf ? 1u << 8 : 0)); /* OACS */
	buf[258] = NVME_ABORTS - 1;							 /* ACL */
	buf[259] = NVME_AERS - 1;							 /* AERL */
	/* FRMW: slot 1 is read only; activation without a reset */
	buf[260] =
		1u | UDRV__MODEL_NVME_SLOTS << 1 | (n->config.firmware_needs_reset ? 0 : 1u << 4);
	buf[261] = 1u << 1 | 1u << 2; /* LPA: effects, offsets */
	buf[262] = NVME_ERRORS - 1;   /* ELPE */
	put(buf, 266, 2, 343);	      /* WCTEMP, CCTEMP: in kelvin */
	put(buf, 268, 2, 373);
	put(buf, 270, 2, 50); /* MTFA: 5 s */
	put(buf, 280, 8, bytes_of(n) + n->unallocated);
	put(buf, 296, 8, n->unallocated);
	buf[319] = 1;	       /* FWUG: 4 KiB */
	put(buf, 328, 4, 7);   /* SANICAP: crypto erase, block erase, overwrite */
	buf[512] = 6 << 4 | 6; /* SQES, CQES */
	buf[513] = 4 << 4 | 4;
	put(buf, 514, 2, 0);
	put(buf, 516, 4, UDRV__MODEL_NVME_NS_MAX);
	/* ONCS: compare, write uncorrectable, DSM, write zeroes, save, timestamp, verify */
	put(buf, 520, 2, 1 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 6 | 1 << 7);
	buf[525] = n->config.cache ? 1 | 3 << 1 : 0; /* VWC; a flush of all namespaces is one */
	/* SGLS: no alignment; bit buckets, metadata by address or descriptor */
	put(buf, 536, 4, n->config.sgl ? 1u | 1u << 16 | 1u << 17 | 1u << 19 : 0);
	put(buf, 2048, 2, 2500); /* PSD0: 25 W */
}

static uint16_t give_ctrl(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	unsigned char *buf = n->buffer;

	memset(buf, 0, IDENTIFY_LEN);
	put_identity(n, buf);
	put_limits(n, buf);
	udrv__nvme_spoil_ctrl(n, buf);
	return udrv__nvme_give(n, cmd, buf, IDENTIFY_LEN);
}

/* Figure 245; also what is common to all namespaces, which have no size then. */
static void put_common(const struct udrv__nvme *n, unsigned char *buf)
{
	buf[25] = NVME_LBAFS - 1;
	buf[27] = 3;	/* MC: extended, separate */
	buf[28] = 0x1f; /* DPC: all types, first or last 8 bytes of the metadata: all of it */
	buf[33] = n->config.no_deac ? 1 : 1 | 1 << 3; /* DLFEAT: zeroes; DEAC of Write Zeroes */
	for (unsigned int i = 0; i < NVME_LBAFS; i++)
		put(buf, 128 + 4 * i, 4, udrv__nvme_lbaf_ms(i) | udrv__nvme_lbaf_shift(i) << 16);
}

static uint64_t eui64_of(const struct udrv__nvme *n, const struct udrv__nvme_ns *ns)
{
	uint32_t hash = 2166136261u;

	for (const char *c = n->model->dev->name; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 16777619u;
	return (uint64_t)OUI << 40 | (uint64_t)(hash & 0xffffff) << 16 |
	       (ns->generation & 0xff) << 8 | ns->nsid;
}

/* 7.10 and on: the bytes of an EUI64 are in the order of its digits. */
static void put_eui64(unsigned char *at, uint64_t eui64)
{
	for (unsigned int i = 0; i < 8; i++)
		at[i] = (unsigned char)(eui64 >> (56 - 8 * i));
}

static void put_nguid(const struct udrv__nvme *n, const struct udrv__nvme_ns *ns, unsigned char *at)
{
	put_eui64(at, 0x7564727600000000);
	put_eui64(at + 8, eui64_of(n, ns));
}

static void put_ns(const struct udrv__nvme *n, const struct udrv__nvme_ns *ns, unsigned char *buf)
{
	put_common(n, buf);
	put(buf, 0, 8, ns->blocks);
	put(buf, 8, 8, ns->blocks);
	put(buf, 16, 8, ns->blocks);
	buf[26] = (unsigned char)(ns->lbaf | ns->extended << 4);
	buf[29] = ns->pi;
	put(buf, 48, 8, ns->bytes);
	put_nguid(n, ns, buf + 104);
	put_eui64(buf + 120, eui64_of(n, ns));
}

/* Of one that is not there all is 0 (5.15.2). */
static uint16_t give_ns(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd, bool allocated)
{
	const struct udrv__nvme_ns *ns;

	memset(n->buffer, 0, IDENTIFY_LEN);
	if (cmd->nsid == NVME_NSID_ALL && !allocated) {
		put_common(n, n->buffer);
		return udrv__nvme_give(n, cmd, n->buffer, IDENTIFY_LEN);
	}
	if (cmd->nsid > UDRV__MODEL_NVME_NS_MAX && udrv__nvme_list_is_spoilt(n))
		ns = &n->ns[1];
	else if (cmd->nsid && cmd->nsid <= UDRV__MODEL_NVME_NS_MAX)
		ns = &n->ns[cmd->nsid];
	else
		return DNR(NVME_SC_INVALID_NS);
	if (allocated ? ns->allocated : ns->attached) {
		put_ns(n, ns, n->buffer);
		udrv__nvme_spoil_ns(n, n->buffer);
	}
	return udrv__nvme_give(n, cmd, n->buffer, IDENTIFY_LEN);
}

/* Those above NSID, in order. */
static uint16_t give_list(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd, bool allocated)
{
	unsigned int count = 0;

	if (cmd->nsid >= NS_LIST_MAX)
		return DNR(NVME_SC_INVALID_NS);
	memset(n->buffer, 0, IDENTIFY_LEN);
	if (!allocated && udrv__nvme_spoil_list(n, n->buffer))
		return udrv__nvme_give(n, cmd, n->buffer, IDENTIFY_LEN);
	for (unsigned int i = 1; i <= UDRV__MODEL_NVME_NS_MAX && count < LIST_ENTRIES; i++)
		if (i > cmd->nsid && (allocated ? n->ns[i].allocated : n->ns[i].attached))
			put(n->buffer, 4 * count++, 4, i);
	return udrv__nvme_give(n, cmd, n->buffer, IDENTIFY_LEN);
}

/* 5.15.2.3: EUI64, NGUID, UUID. */
static uint16_t give_descriptors(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	unsigned char *at = n->buffer;
	const struct udrv__nvme_ns *ns;

	if (!cmd->nsid || cmd->nsid > UDRV__MODEL_NVME_NS_MAX || !n->ns[cmd->nsid].attached)
		return DNR(NVME_SC_INVALID_NS);
	ns = &n->ns[cmd->nsid];
	memset(at, 0, IDENTIFY_LEN);
	at[0] = 1;
	at[1] = 8;
	put_eui64(at + 4, eui64_of(n, ns));
	at += 4 + 8;
	at[0] = 2;
	at[1] = 16;
	put_nguid(n, ns, at + 4);
	at += 4 + 16;
	at[0] = 3;
	at[1] = 16;
	put_nguid(n, ns, at + 4);
	/* RFC 4122: version 4, variant 1. */
	at[4 + 6] = (unsigned char)((at[4 + 6] & 0x0f) | 0x40);
	at[4 + 8] = (unsigned char)((at[4 + 8] & 0x3f) | 0x80);
	return udrv__nvme_give(n, cmd, n->buffer, IDENTIFY_LEN);
}

/* 2.0, NVM Command Set 1.0, 4.1.5.2: of the NVM command set. */
static uint16_t give_command_set(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	if (!n->config.command_sets || cmd->cdw11 >> 24)
		return DNR(NVME_SC_INVALID_FIELD);
	memset(n->buffer, 0, IDENTIFY_LEN);
	n->buffer[1] = n->config.wzsl;
	put(n->buffer, 4, 4, n->config.dmrsl);
	return udrv__nvme_give(n, cmd, n->buffer, IDENTIFY_LEN);
}

/* Figure 251: a count, then the identifiers from CNTID on. There is one controller. */
static uint16_t give_controllers(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd,
				 bool attached)
{
	bool listed = cmd->cdw10 >> 16 <= CONTROLLER_ID;

	if (attached) {
		if (!cmd->nsid || cmd->nsid > UDRV__MODEL_NVME_NS_MAX)
			return DNR(NVME_SC_INVALID_NS);
		listed &= n->ns[cmd->nsid].attached;
	}
	memset(n->buffer, 0, IDENTIFY_LEN);
	put(n->buffer, 0, 2, listed);
	put(n->buffer, 2, 2, listed ? CONTROLLER_ID : 0);
	return udrv__nvme_give(n, cmd, n->buffer, IDENTIFY_LEN);
}

uint16_t udrv__nvme_identify(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	switch (cmd->cdw10 & 0xff) {
	case CNS_NS:
		return give_ns(n, cmd, false);
	case CNS_CTRL:
		return give_ctrl(n, cmd);
	case CNS_ACTIVE:
		return give_list(n, cmd, false);
	case CNS_DESCRIPTORS:
		return give_descriptors(n, cmd);
	case CNS_COMMAND_SET:
		return give_command_set(n, cmd);
	case CNS_ALLOCATED:
		return give_list(n, cmd, true);
	case CNS_ALLOCATED_NS:
		return give_ns(n, cmd, true);
	case CNS_NS_CONTROLLERS:
		return give_controllers(n, cmd, true);
	case CNS_ALL_CONTROLLERS:
		return give_controllers(n, cmd, false);
	default:
		return DNR(NVME_SC_INVALID_FIELD);
	}
}

// SPDX-License-Identifier: MIT
/* The software NVMe controller misbehaves on demand: which command, and how. */
#include <errno.h>
#include <string.h>

#include "backend/model_nvme_dev.h"
#include "sched/clock.h"

#define MS	     UINT64_C(1000000)
#define CNS_NS	     0x00
#define CNS_CTRL     0x01
#define LIST_ENTRIES 1024

int udrv__model_nvme_inject(struct udrv_device *dev, const struct udrv__model_nvme_fault *fault)
{
	struct udrv__nvme *n = udrv__nvme_of(dev);
	int ret = 0;

	if ((unsigned int)fault->kind >= UDRV__MODEL_NVME_FAULTS)
		return -EINVAL;
	udrv__nvme_lock(n);
	if (n->fault_count == NVME_FAULTS)
		ret = -ENOSPC;
	else
		n->faults[n->fault_count++] = (struct udrv__nvme_fault){.what = *fault};
	udrv__nvme_unlock(n);
	return ret;
}

void udrv__model_nvme_heal(struct udrv_device *dev)
{
	struct udrv__nvme *n = udrv__nvme_of(dev);

	udrv__nvme_lock(n);
	n->fault_count = n->said_count = 0;
	memset(&n->switches, 0, sizeof(n->switches));
	/* What was never ready is. */
	if (n->cc & NVME_CC_EN && !(n->csts & (NVME_CSTS_RDY | NVME_CSTS_CFS)))
		udrv__nvme_enable(n);
	udrv__nvme_wake(n);
	udrv__nvme_unlock(n);
}

void udrv__model_nvme_set_switches(struct udrv_device *dev,
				   const struct udrv__model_nvme_switches *switches)
{
	struct udrv__nvme *n = udrv__nvme_of(dev);

	udrv__nvme_lock(n);
	n->switches = *switches;
	udrv__nvme_wake(n);
	udrv__nvme_unlock(n);
}

void udrv__model_nvme_set_fatal(struct udrv_device *dev)
{
	struct udrv__nvme *n = udrv__nvme_of(dev);

	udrv__nvme_lock(n);
	udrv__nvme_fatal(n);
	udrv__nvme_unlock(n);
}

void udrv__model_nvme_interrupt(struct udrv_device *dev, unsigned int vector)
{
	udrv__model_irq_raise(udrv__model_of(dev), vector);
}

int udrv__model_nvme_post(struct udrv_device *dev, unsigned int cqid, const uint32_t entry[4])
{
	struct udrv__nvme *n = udrv__nvme_of(dev);
	struct udrv__nvme_cqe cqe;
	int ret = -EINVAL;

	memcpy(&cqe, entry, sizeof(cqe));
	udrv__nvme_lock(n);
	if (cqid < NVME_QIDS && n->cqs[cqid].on && !udrv__nvme_cq_is_full(&n->cqs[cqid])) {
		cqe.status ^= !n->cqs[cqid].phase;
		udrv__nvme_post(n, &n->cqs[cqid], &cqe);
		ret = 0;
	}
	udrv__nvme_unlock(n);
	return ret;
}

static bool applies(const struct udrv__model_nvme_fault *f, const struct udrv__nvme_sq *sq,
		    const struct udrv__nvme_cmd *cmd)
{
	const bool waits = !sq->id && cmd->opcode == NVME_ADM_ASYNC_EVENT;

	if (f->any_queue ? waits && f->any_opcode : f->qid != sq->id)
		return false;
	return f->any_opcode || f->opcode == cmd->opcode;
}

static void remove_fault(struct udrv__nvme *n, unsigned int i)
{
	n->fault_count--;
	memmove(&n->faults[i], &n->faults[i + 1], (n->fault_count - i) * sizeof(n->faults[0]));
}

/* The first that is for this command, of those each its period-th. */
bool udrv__nvme_pick_fault(struct udrv__nvme *n, const struct udrv__nvme_sq *sq,
			   const struct udrv__nvme_cmd *cmd, struct udrv__model_nvme_fault *fault)
{
	for (unsigned int i = 0; i < n->fault_count; i++) {
		struct udrv__nvme_fault *f = &n->faults[i];

		if (!applies(&f->what, sq, cmd))
			continue;
		if (f->what.period > 1 && ++f->seen % f->what.period)
			continue;
		*fault = f->what;
		if (f->what.count && !--f->what.count)
			remove_fault(n, i);
		return true;
	}
	return false;
}

static uint64_t after_ms(uint32_t ms)
{
	return ms ? udrv__after_ns(udrv__now_ns(), ms * MS) : UDRV__NEVER;
}

bool udrv__nvme_fail_before(struct udrv__nvme *n, struct udrv__nvme_sq *sq,
			    const struct udrv__nvme_cmd *cmd,
			    const struct udrv__model_nvme_fault *fault)
{
	switch (fault->kind) {
	case UDRV__MODEL_NVME_LATE:
		udrv__nvme_hold_command(n, sq, cmd, after_ms(fault->delay_ms));
		return true;
	case UDRV__MODEL_NVME_SWALLOW:
		udrv__nvme_hold_command(n, sq, cmd, UDRV__NEVER);
		return true;
	case UDRV__MODEL_NVME_ERROR:
		udrv__nvme_complete(n, sq, cmd->cid, (uint16_t)fault->value, 0);
		return true;
	default:
		return false;
	}
}

/* One bit of what was read. */
static void corrupt_data(struct udrv__nvme *n, uint32_t offset)
{
	unsigned char byte;

	if (!n->seg_count || offset >= n->segs[0].len || n->segs[0].bucket)
		return;
	if (udrv__model_dma_read(n->model, n->segs[0].addr + offset, &byte, 1)) {
		byte ^= 1;
		(void)udrv__model_dma_write(n->model, n->segs[0].addr + offset, &byte, 1);
	}
}

/* An entry that is wrong in one field. */
static void post_wrong(struct udrv__nvme *n, struct udrv__nvme_sq *sq, struct udrv__nvme_cqe cqe,
		       const struct udrv__model_nvme_fault *fault)
{
	struct udrv__nvme_cq *cq = &n->cqs[sq->cqid];
	const uint16_t value = (uint16_t)fault->value;

	switch (fault->kind) {
	case UDRV__MODEL_NVME_PHASE:
		cqe.status ^= 1;
		break;
	case UDRV__MODEL_NVME_CID:
		cqe.cid = value;
		break;
	case UDRV__MODEL_NVME_STALE_CID:
		cqe.cid = sq->last_cid;
		break;
	case UDRV__MODEL_NVME_SQHD:
		cqe.sqhd = value;
		break;
	case UDRV__MODEL_NVME_SQID:
		cqe.sqid = value;
		break;
	default:
		break;
	}
	if (!udrv__nvme_cq_is_full(cq))
		udrv__nvme_post(n, cq, &cqe);
}

void udrv__nvme_complete_badly(struct udrv__nvme *n, struct udrv__nvme_sq *sq,
			       const struct udrv__nvme_cmd *cmd, uint16_t status, uint32_t dw0,
			       const struct udrv__model_nvme_fault *fault)
{
	switch (fault->kind) {
	case UDRV__MODEL_NVME_REORDER:
		udrv__nvme_hold(n, sq, cmd->cid, status, dw0, after_ms(fault->delay_ms));
		udrv__nvme_overtake(n, sq, cmd->cid);
		break;
	case UDRV__MODEL_NVME_DUPLICATE:
		udrv__nvme_complete(n, sq, cmd->cid, status, dw0);
		udrv__nvme_complete(n, sq, cmd->cid, status, dw0);
		break;
	case UDRV__MODEL_NVME_STATUS:
		udrv__nvme_complete(n, sq, cmd->cid, (uint16_t)(fault->value & 0x7fff), dw0);
		break;
	case UDRV__MODEL_NVME_DATA:
		corrupt_data(n, fault->value);
		udrv__nvme_complete(n, sq, cmd->cid, status, dw0);
		break;
	default:
		post_wrong(n, sq, udrv__nvme_entry(n, sq, cmd->cid, status, dw0), fault);
		break;
	}
}

static void put(unsigned char *buf, unsigned int at, unsigned int size, uint64_t val)
{
	memcpy(buf + at, &val, size);
}

static void put_said(const struct udrv__nvme *n, unsigned int cns, unsigned char *identify)
{
	for (unsigned int i = 0; i < n->said_count; i++)
		if (n->said[i].cns == cns)
			put(identify, n->said[i].offset, n->said[i].size, n->said[i].value);
}

void udrv__nvme_spoil_ctrl(const struct udrv__nvme *n, unsigned char *identify)
{
	const unsigned int s = n->switches.spoil;

	if (s & UDRV__MODEL_NVME_SPOIL_MDTS)
		identify[77] = 0xff;
	if (s & UDRV__MODEL_NVME_SPOIL_NN)
		put(identify, 516, 4, 0xffffffff);
	if (s & UDRV__MODEL_NVME_SPOIL_ENTRY_SIZES)
		put(identify, 512, 2, 0);
	if (s & UDRV__MODEL_NVME_SPOIL_TEXT)
		memset(identify + 4, 0xff, 20 + 40 + 8);
	if (s & UDRV__MODEL_NVME_SPOIL_ALL)
		memset(identify, 0xff, 4096);
	put_said(n, CNS_CTRL, identify);
}

void udrv__nvme_spoil_ns(const struct udrv__nvme *n, unsigned char *identify)
{
	const unsigned int s = n->switches.spoil;

	for (unsigned int i = 0; i < 16; i++) {
		if (s & UDRV__MODEL_NVME_SPOIL_LBADS_ZERO)
			identify[128 + 4 * i + 2] = 0;
		if (s & UDRV__MODEL_NVME_SPOIL_LBADS_HUGE)
			identify[128 + 4 * i + 2] = 0xff;
	}
	if (s & UDRV__MODEL_NVME_SPOIL_SIZE)
		put(identify, 0, 8, UINT64_MAX);
	if (s & UDRV__MODEL_NVME_SPOIL_FORMAT)
		identify[26] = 0x6f;
	if (s & UDRV__MODEL_NVME_SPOIL_ALL)
		memset(identify, 0xff, 4096);
	put_said(n, CNS_NS, identify);
}

bool udrv__nvme_list_is_spoilt(const struct udrv__nvme *n)
{
	return n->switches.spoil & UDRV__MODEL_NVME_SPOIL_LIST;
}

bool udrv__nvme_spoil_list(struct udrv__nvme *n, unsigned char *identify)
{
	uint32_t nsid = UDRV__MODEL_NVME_NS_MAX + 1 + LIST_ENTRIES * n->spoilt_lists;

	if (!udrv__nvme_list_is_spoilt(n))
		return false;
	for (unsigned int i = 0; i < LIST_ENTRIES; i++, nsid++)
		put(identify, 4 * i, 4, nsid);
	n->spoilt_lists++;
	return true;
}

int udrv__model_nvme_say(struct udrv_device *dev, unsigned int cns, unsigned int offset,
			 unsigned int size, uint64_t value)
{
	struct udrv__nvme *n = udrv__nvme_of(dev);
	int ret = 0;

	if ((cns != CNS_NS && cns != CNS_CTRL) || size > sizeof(value) || offset > 4096 - size)
		return -EINVAL;
	udrv__nvme_lock(n);
	if (n->said_count == NVME_SAID)
		ret = -ENOSPC;
	else
		n->said[n->said_count++] = (struct udrv__nvme_said){cns, offset, size, value};
	udrv__nvme_unlock(n);
	return ret;
}

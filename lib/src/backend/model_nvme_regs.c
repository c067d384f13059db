// SPDX-License-Identifier: MIT
/* The software NVMe controller's registers (3.1), enabling, resets (7.3) and shutdown (7.6.2). */
#include <string.h>

#include "backend/model_nvme_dev.h"

#define MPSMAX	   4 /* 64 KiB */
#define NO_QUEUE   0
#define SQES	   6 /* 3.1.5 IOSQES: 64 bytes */
#define CQES	   4 /* 16 bytes */
#define ALL_ONES   UINT64_MAX
#define AQA_MASK   0x0fff0fffu
#define PAGE_4K	   12
#define SHST(csts) ((csts)&NVME_CSTS_SHST_MASK)

static uint64_t capabilities(const struct udrv__nvme *n)
{
	return (n->config.queue_entries - 1) | NVME_CAP_CQR |
	       (uint64_t)n->config.timeout << NVME_CAP_TO_SHIFT |
	       (uint64_t)n->config.dstrd << NVME_CAP_DSTRD_SHIFT | NVME_CAP_CSS_NVM |
	       (n->config.command_sets ? NVME_CAP_CSS_SETS : 0) |
	       (n->config.boot_units ? NVME_CAP_BPS : 0) | (n->config.crto ? NVME_CAP_CRWMS : 0) |
	       (n->config.subsystem_reset ? NVME_CAP_NSSRS : 0) |
	       (uint64_t)n->config.mpsmin << NVME_CAP_MPSMIN_SHIFT |
	       (uint64_t)MPSMAX << NVME_CAP_MPSMAX_SHIFT | (n->config.cmb ? NVME_CAP_CMBS : 0) |
	       (n->config.weighted ? NVME_CAP_AMS_WRR : 0);
}

static uint32_t read_word(const struct udrv__nvme *n, uint64_t offset)
{
	switch (offset) {
	case NVME_REG_CAP:
		return (uint32_t)capabilities(n);
	case NVME_REG_CAP + 4:
		return (uint32_t)(capabilities(n) >> 32);
	case NVME_REG_VS:
		return n->config.vs;
	case NVME_REG_INTMS:
	case NVME_REG_INTMC:
		return n->intms;
	case NVME_REG_CC:
		return n->cc;
	case NVME_REG_CSTS:
		return n->csts | (n->switches.activating ? NVME_CSTS_PP : 0) |
		       (n->subsystem_was_reset ? NVME_CSTS_NSSRO : 0);
	case NVME_REG_AQA:
		return n->aqa;
	case NVME_REG_ASQ:
		return (uint32_t)n->asq;
	case NVME_REG_ASQ + 4:
		return (uint32_t)(n->asq >> 32);
	case NVME_REG_ACQ:
		return (uint32_t)n->acq;
	case NVME_REG_ACQ + 4:
		return (uint32_t)(n->acq >> 32);
	case NVME_REG_BPINFO:
	case NVME_REG_BPRSEL:
	case NVME_REG_BPMBL:
	case NVME_REG_BPMBL + 4:
		return udrv__nvme_boot_register(n, offset);
	case NVME_REG_CRTO:
		return n->config.crto;
	case NVME_REG_CMBLOC:
	case NVME_REG_CMBSZ:
	case NVME_REG_CMBMSC:
	case NVME_REG_CMBMSC + 4:
	case NVME_REG_CMBSTS:
		return udrv__nvme_cmb_read(n, offset);
	default:
		return 0;
	}
}

/* 3.1: accesses are of the width of the register, or of half of it; doorbells read as 0 here. */
uint64_t udrv__nvme_reg_read(struct udrv__nvme *n, uint64_t offset, unsigned int size)
{
	uint64_t val;

	if (size < 4 || offset % size)
		return ALL_ONES;
	val = read_word(n, offset);
	if (size == 8)
		val |= (uint64_t)read_word(n, offset + 4) << 32;
	return val;
}

/* The pin is asserted while a queue of vector 0 that may interrupt has entries (7.5.1.1). */
void udrv__nvme_update_pin(struct udrv__nvme *n)
{
	bool asserted = false;

	for (unsigned int i = 0; i < NVME_QIDS && !(n->intms & 1); i++) {
		const struct udrv__nvme_cq *cq = &n->cqs[i];

		asserted |= cq->on && cq->ien && cq->head != cq->tail;
	}
	if (!asserted)
		udrv__model_irq_lower(n->model);
	else if (!udrv__model_irq_is_message(n->model) && !n->switches.no_interrupts)
		udrv__model_irq_raise(n->model, 0);
}

void udrv__nvme_fatal(struct udrv__nvme *n)
{
	n->csts |= NVME_CSTS_CFS;
}

/* 7.3.2: AQA, ASQ and ACQ stay. */
void udrv__nvme_controller_reset(struct udrv__nvme *n)
{
	udrv__nvme_forget(n, NVME_QIDS);
	memset(n->sqs, 0, sizeof(n->sqs));
	memset(n->cqs, 0, sizeof(n->cqs));
	for (unsigned int i = 0; i < NVME_DIRTY_WORDS; i++)
		__atomic_store_n(&n->dirty[i], 0, __ATOMIC_SEQ_CST);
	for (unsigned int i = 0; i < NVME_DOORBELLS; i++)
		__atomic_store_n(udrv__nvme_doorbell(n, i), 0, __ATOMIC_RELAXED);
	n->sq_end = 0;
	udrv__nvme_firmware_reset(n);
	udrv__nvme_boot_reset(n, false);
	n->shadow = n->shadow_event = 0;
	n->aer_count = n->event_count = 0;
	memset(n->event_masked, 0, sizeof(n->event_masked));
	udrv__nvme_features_reset(n);
	/* MDTS is in pages of the smallest size (figure 247); without, what 65536 blocks are. */
	n->most_bytes = n->config.mdts ? 4096u << n->config.mdts << n->config.mpsmin : UINT32_MAX;
	n->csts = n->switches.never_disabled ? n->csts & NVME_CSTS_RDY : 0;
	n->intms = 0;
	n->counts.resets++;
	udrv__nvme_update_pin(n);
}

void udrv__nvme_function_reset(struct udrv__nvme *n)
{
	n->cc = n->aqa = n->csts = 0;
	n->asq = n->acq = 0;
	udrv__nvme_cmb_reset(n);
	udrv__nvme_boot_reset(n, true);
	udrv__nvme_controller_reset(n);
}

/* 7.6.1: is what the host configured possible? */
static bool may_enable(const struct udrv__nvme *n)
{
	const unsigned int mps = NVME_CC_MPS(n->cc);
	const unsigned int sqes = NVME_CC_IOSQES(n->cc), cqes = NVME_CC_IOCQES(n->cc);
	const uint64_t in_page = (1ULL << (PAGE_4K + mps)) - 1;

	if (mps < n->config.mpsmin || mps > MPSMAX || NVME_CC_CSS(n->cc) ||
	    NVME_CC_AMS(n->cc) > n->config.weighted)
		return false;
	if ((sqes && sqes != SQES) || (cqes && cqes != CQES))
		return false;
	/* 3.1.8: at least two entries, counted from 0. */
	if (!(n->aqa & 0xfff) || !(n->aqa >> 16))
		return false;
	return n->asq && n->acq && !(n->asq & in_page) && !(n->acq & in_page);
}

void udrv__nvme_enable(struct udrv__nvme *n)
{
	if (!may_enable(n)) {
		udrv__nvme_fatal(n);
		return;
	}
	n->page_shift = PAGE_4K + NVME_CC_MPS(n->cc);
	if (n->switches.never_ready)
		return;
	udrv__nvme_init_cq(n, NO_QUEUE, n->acq, (n->aqa >> 16) + 1, 0, true);
	udrv__nvme_init_sq(n, NO_QUEUE, NO_QUEUE, n->asq, (n->aqa & 0xfff) + 1);
	n->csts |= NVME_CSTS_RDY;
}

/* 3.1.5 SHN: 1 normal, 2 abrupt, which does not write the cache back. */
static void shut_down(struct udrv__nvme *n)
{
	if (NVME_CC_SHN(n->cc) == 1)
		udrv__nvme_flush_all(n);
	n->csts = (n->csts & ~NVME_CSTS_SHST_MASK) |
		  (n->switches.never_shut_down ? NVME_CSTS_SHST_BUSY : NVME_CSTS_SHST_DONE);
}

static void write_cc(struct udrv__nvme *n, uint32_t val)
{
	const uint32_t before = n->cc;

	if (before & val & NVME_CC_EN)
		n->cc = (before & ~NVME_CC_LATE_MASK) | (val & NVME_CC_LATE_MASK);
	else
		n->cc = val & 0x00fffff1;
	if (NVME_CC_SHN(n->cc) && NVME_CC_SHN(n->cc) != 3 && !NVME_CC_SHN(before))
		shut_down(n);
	if (n->cc & ~before & NVME_CC_EN)
		udrv__nvme_enable(n);
	else if (before & ~n->cc & NVME_CC_EN)
		udrv__nvme_controller_reset(n);
}

static void set_half(uint64_t *reg, bool high, uint32_t val)
{
	*reg = high ? (*reg & UINT32_MAX) | (uint64_t)val << 32
		    : (*reg & ~(uint64_t)UINT32_MAX) | val;
}

/* Those of the admin queue are the host's while the controller is disabled (3.1.8 and on). */
static void write_admin_queue(struct udrv__nvme *n, uint64_t offset, uint32_t val)
{
	if (n->cc & NVME_CC_EN)
		return;
	if (offset == NVME_REG_AQA)
		n->aqa = val & AQA_MASK;
	else
		set_half(offset < NVME_REG_ACQ ? &n->asq : &n->acq, offset & 4, val);
}

/* 3.1.7, 7.3.1: this is the only controller. Its cache is left alone, as power stays on. */
static void write_nssr(struct udrv__nvme *n, uint32_t val)
{
	if (val != NVME_NSSR_NVME || !n->config.subsystem_reset || n->switches.no_subsystem_reset)
		return;
	udrv__nvme_function_reset(n);
	n->subsystem_was_reset = true;
	n->counts.subsystem_resets++;
	udrv__model_link_down(n->model, n->config.absent_ms * UINT64_C(1000000));
}

static void write_word(struct udrv__nvme *n, uint64_t offset, uint32_t val)
{
	switch (offset) {
	case NVME_REG_CSTS:
		if (val & NVME_CSTS_NSSRO)
			n->subsystem_was_reset = false;
		break;
	case NVME_REG_NSSR:
		write_nssr(n, val);
		break;
	case NVME_REG_INTMS:
		n->intms |= val;
		udrv__nvme_update_pin(n);
		break;
	case NVME_REG_INTMC:
		n->intms &= ~val;
		udrv__nvme_update_pin(n);
		break;
	case NVME_REG_CC:
		write_cc(n, val);
		break;
	case NVME_REG_BPRSEL:
	case NVME_REG_BPMBL:
	case NVME_REG_BPMBL + 4:
		udrv__nvme_boot_write(n, offset, val);
		break;
	case NVME_REG_CMBMSC:
	case NVME_REG_CMBMSC + 4:
		if (n->config.cmb)
			set_half(&n->cmbmsc, offset & 4, val);
		break;
	case NVME_REG_AQA:
	case NVME_REG_ASQ:
	case NVME_REG_ASQ + 4:
	case NVME_REG_ACQ:
	case NVME_REG_ACQ + 4:
		write_admin_queue(n, offset, val);
		break;
	}
}

void udrv__nvme_reg_write(struct udrv__nvme *n, uint64_t offset, unsigned int size, uint64_t val)
{
	if (size < 4 || offset % size)
		return;
	write_word(n, offset, (uint32_t)val);
	if (size == 8)
		write_word(n, offset + 4, (uint32_t)(val >> 32));
}

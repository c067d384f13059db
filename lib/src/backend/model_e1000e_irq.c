// SPDX-License-Identifier: MIT
/* The software 82574's interrupts (7.4, 10.2.4): causes, masks, delays, throttling, messages. */
#include "backend/model_e1000e_dev.h"

#define DELAY_NS    1024u /* RDTR and so on count in these */
#define INTERVAL_NS 256u  /* ITR, EITR */
#define BAD_CAUSES  0x7e001808u

bool e1000e_is_msix(struct e1000e *e)
{
	return udrv__model_irq_type(e->model) == UDRV__IRQ_MSIX;
}

/* Is it too early? If not, an interval begins. */
static bool is_throttled(struct e1000e *e, unsigned int timer, uint32_t reg)
{
	const uint32_t interval = *e1000e_reg(e, reg) & 0xffff;

	if (e->timers[timer] != NEVER) {
		e->counts.throttled++;
		return true;
	}
	if (interval)
		e1000e_arm(e, timer, (uint64_t)interval * INTERVAL_NS);
	return false;
}

static void send(struct e1000e *e, unsigned int vector)
{
	if (e1000e_take_fault(e, UDRV__E1000E_LOST))
		return;
	e->counts.irqs[vector]++;
	e1000e_count(e, REG_IAC);
	udrv__model_irq_raise(e->model, vector);
}

/* 10.2.4.9: three bits of a vector and one that makes them valid, of RXQ0, RXQ1, TXQ0, TXQ1, Other.
 */
static uint32_t causes_of(struct e1000e *e, unsigned int vector)
{
	const uint32_t ivar = *e1000e_reg(e, REG_IVAR);
	uint32_t causes = 0;

	for (unsigned int i = 0; i < 5; i++)
		if ((ivar >> (4 * i) & 0xf) == (8 | vector))
			causes |= ICR_RXQ0 << i;
	return causes;
}

/* 7.4: causes in EIAC go, and are masked unless CTRL_EXT.IAME; IAM masks with EIAME. */
static void clear_automatically(struct e1000e *e, uint32_t causes)
{
	const uint32_t ext = *e1000e_reg(e, REG_CTRL_EXT);
	const uint32_t clear = *e1000e_reg(e, REG_EIAC) & causes;
	uint32_t *ims = e1000e_reg(e, REG_IMS);

	if (ext & CTRL_EXT_EIAME)
		*ims &= ~(*e1000e_reg(e, REG_IAM) & causes);
	*e1000e_reg(e, REG_ICR) &= ~clear;
	e->told &= ~clear;
	if (!(ext & CTRL_EXT_IAME))
		*ims &= ~clear;
}

static uint32_t pending(struct e1000e *e)
{
	return *e1000e_reg(e, REG_ICR) & *e1000e_reg(e, REG_IMS) & ICR_CAUSES;
}

static void update_msix(struct e1000e *e)
{
	for (unsigned int v = 0; v < VECTORS; v++) {
		const uint32_t causes = pending(e) & ~e->told & causes_of(e, v);

		if (!causes || is_throttled(e, TIMER_EITR + v, REG_EITR + 4 * v))
			continue;
		e->told |= causes;
		send(e, v);
		clear_automatically(e, causes);
	}
}

static void update_msi(struct e1000e *e)
{
	if (!(pending(e) & ~e->told) || is_throttled(e, TIMER_ITR, REG_ITR))
		return;
	e->told = pending(e);
	send(e, 0);
}

static void raise_line(struct e1000e *e)
{
	if (!e->line) {
		if (is_throttled(e, TIMER_ITR, REG_ITR))
			return;
		if (e1000e_take_fault(e, UDRV__E1000E_LOST)) {
			e->lost = pending(e);
			return;
		}
		e->line = true;
		e->counts.irqs[0]++;
		e1000e_count(e, REG_IAC);
	}
	udrv__model_irq_raise(e->model, 0);
}

static void update_line(struct e1000e *e)
{
	e->lost &= pending(e);
	if (pending(e) & ~e->lost || e->faults[UDRV__E1000E_SPURIOUS]) {
		raise_line(e);
		return;
	}
	e->line = false;
	udrv__model_irq_lower(e->model);
}

void e1000e_update_irq(struct e1000e *e)
{
	const enum udrv__irq_type type = udrv__model_irq_type(e->model);
	uint32_t *icr = e1000e_reg(e, REG_ICR);

	if (type != e->irq_type) {
		e->irq_type = type;
		e->line = false;
		e->told = 0;
	}
	e->told &= pending(e);
	*icr = (*icr & ~ICR_ASSERTED) | (pending(e) ? ICR_ASSERTED : 0);
	if (type == UDRV__IRQ_MSIX)
		update_msix(e);
	else if (type == UDRV__IRQ_MSI)
		update_msi(e);
	else
		update_line(e);
}

/* 10.2.4.1: what has no queue also sets Other, for MSI-X. */
void e1000e_cause(struct e1000e *e, uint32_t causes)
{
	if (causes & ICR_OTHERS && e1000e_is_msix(e))
		causes |= ICR_OTHER;
	*e1000e_reg(e, REG_ICR) |= causes & ICR_CAUSES;
	e->lost &= ~causes;
	e1000e_update_irq(e);
}

void e1000e_fire_delayed(struct e1000e *e)
{
	const uint32_t causes = e->delayed;

	e->delayed = 0;
	for (unsigned int i = TIMER_RDTR; i <= TIMER_TADV; i++)
		e->timers[i] = NEVER;
	e1000e_cause(e, causes);
}

/* 10.2.5, 10.2.6: the first timer starts anew with each, the absolute one does not. */
static void delay(struct e1000e *e, uint32_t causes, unsigned int timer, uint32_t reg,
		  uint32_t reg_absolute)
{
	const uint64_t absolute = *e1000e_reg(e, reg_absolute) & 0xffff;

	e->delayed |= causes;
	e1000e_arm(e, timer, (uint64_t)(*e1000e_reg(e, reg) & 0xffff) * DELAY_NS);
	if (absolute && e->timers[timer + 1] == NEVER)
		e1000e_arm(e, timer + 1, absolute * DELAY_NS);
}

void e1000e_cause_rx(struct e1000e *e, unsigned int queue, uint32_t more)
{
	if (e1000e_is_msix(e))
		e1000e_cause(e, (ICR_RXQ0 << queue) | (more & ~ICR_RXDMT0));
	else if (*e1000e_reg(e, REG_RDTR) & 0xffff && !more)
		delay(e, ICR_RXT0, TIMER_RDTR, REG_RDTR, REG_RADV);
	else
		e1000e_cause(e, ICR_RXT0 | more);
}

void e1000e_cause_tx(struct e1000e *e, uint32_t causes, bool may_delay)
{
	if (may_delay && *e1000e_reg(e, REG_TIDV) & 0xffff && !e1000e_is_msix(e))
		delay(e, causes, TIMER_TIDV, REG_TIDV, REG_TADV);
	else
		e1000e_cause(e, causes);
}

/*
 * 10.2.4.1: reading clears it all if nothing is enabled, or if it is asserted and CTRL_EXT.IAME;
 * the latter masks what IAM says.
 */
uint32_t e1000e_read_icr(struct e1000e *e)
{
	uint32_t *icr = e1000e_reg(e, REG_ICR), *ims = e1000e_reg(e, REG_IMS);
	const uint32_t val = *icr;
	const bool acknowledged =
		val & ICR_ASSERTED && *e1000e_reg(e, REG_CTRL_EXT) & CTRL_EXT_IAME;

	if (e1000e_take_fault(e, UDRV__E1000E_BAD_ICR))
		return val | BAD_CAUSES;
	(void)e1000e_take_fault(e, UDRV__E1000E_SPURIOUS);
	if (!*ims || acknowledged)
		*icr = 0;
	if (acknowledged)
		*ims &= ~*e1000e_reg(e, REG_IAM);
	e1000e_update_irq(e);
	return val;
}

/* Ones clear; Other goes with what it stands for. */
void e1000e_write_icr(struct e1000e *e, uint32_t val)
{
	uint32_t *icr = e1000e_reg(e, REG_ICR);

	if (*icr & ICR_ASSERTED && *e1000e_reg(e, REG_CTRL_EXT) & CTRL_EXT_IAME)
		*e1000e_reg(e, REG_IMS) &= ~*e1000e_reg(e, REG_IAM);
	*icr &= ~(val & ICR_OTHER ? val | ICR_OTHERS : val);
	e1000e_update_irq(e);
}

/* A message on each vector that is in use; the line stays for as often as ICR is read. */
void e1000e_spurious(struct e1000e *e)
{
	const enum udrv__irq_type type = udrv__model_irq_type(e->model);

	if (type != UDRV__IRQ_MSI && type != UDRV__IRQ_MSIX) {
		e1000e_update_irq(e);
		return;
	}
	for (unsigned int v = 0; v < VECTORS; v++)
		if (type == UDRV__IRQ_MSI ? !v : !!causes_of(e, v))
			udrv__model_irq_raise(e->model, v);
	e->faults[UDRV__E1000E_SPURIOUS] = 0;
}

// SPDX-License-Identifier: MIT
/* The software 82574's NVM: what is in it, and the registers that it is read by (6.1, 10.2.2.4). */
#include <string.h>

#include "backend/model_e1000e_dev.h"

/* 6.1, table "NVM Map" */
#define NVM_SUBSYSTEM	 0x0bu
#define NVM_SUB_VENDOR	 0x0cu
#define NVM_DEVICE	 0x0du
#define NVM_IMAGE	 0x05u
#define NVM_PBA		 0x08u
#define NVM_CHECKSUM	 0x3fu
#define NVM_CHECKSUM_SUM 0xbabau

/* 10.2.2.4: the address is in bits 15:2, the word in bits 31:16 */
#define EERD_ADDR(val) ((val) >> 2 & 0x3fffu)

void e1000e_fill_nvm(struct e1000e *e)
{
	uint16_t sum = 0;

	memset(e->nvm, 0xff, sizeof(e->nvm));
	for (unsigned int i = 0; i < 3; i++)
		e->nvm[i] = (uint16_t)(e->mac[2 * i] | e->mac[2 * i + 1] << 8);
	e->nvm[0x03] = 0;
	e->nvm[NVM_IMAGE] = 0x2010;
	e->nvm[NVM_PBA] = 0;
	e->nvm[NVM_PBA + 1] = 0;
	e->nvm[0x0a] = 0x026b; /* initialization control 1: valid, with subsystem ids */
	e->nvm[NVM_SUBSYSTEM] = e->model->type->subsystem_device;
	e->nvm[NVM_SUB_VENDOR] = e->model->type->subsystem_vendor;
	e->nvm[NVM_DEVICE] = e->model->type->device;
	e->nvm[0x0f] = 0x8058; /* initialization control 2 */
	for (unsigned int i = 0; i < NVM_CHECKSUM; i++)
		sum = (uint16_t)(sum + e->nvm[i]);
	e->nvm[NVM_CHECKSUM] = (uint16_t)(NVM_CHECKSUM_SUM - sum);
}

static uint16_t read_word(struct e1000e *e, uint32_t addr)
{
	const bool bad = addr == NVM_CHECKSUM && e->nvm_bad;

	e->nvm_bad -= bad;
	return e->nvm[addr] ^ (bad ? 0x0100 : 0);
}

/* What is behind the end never gets done. */
void e1000e_write_eerd(struct e1000e *e, uint32_t val)
{
	const uint32_t addr = EERD_ADDR(val);
	uint32_t done = addr << 2;

	if (val & EERD_START && addr < NVM_WORDS)
		done |= EERD_DONE | (uint32_t)read_word(e, addr) << 16;
	*e1000e_reg(e, REG_EERD) = done;
}

void e1000e_write_eewr(struct e1000e *e, uint32_t val)
{
	const uint32_t addr = EERD_ADDR(val);
	uint32_t done = addr << 2;

	if (val & EERD_START && addr < NVM_WORDS) {
		e->nvm[addr] = (uint16_t)(val >> 16);
		done |= EERD_DONE;
	}
	*e1000e_reg(e, REG_EEWR) = done;
}

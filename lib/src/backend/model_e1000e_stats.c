// SPDX-License-Identifier: MIT
/* The software 82574's statistics (10.2.7): they stay at all ones, and begin anew when read. */
#include "backend/model_e1000e_dev.h"

void e1000e_count(struct e1000e *e, uint32_t reg)
{
	uint32_t *val = e1000e_reg(e, reg);

	if (*val != UINT32_MAX)
		++*val;
}

/* Octets have two registers. */
static void count_octets(struct e1000e *e, uint32_t reg, size_t len)
{
	const uint64_t sum = ((uint64_t)*e1000e_reg(e, reg + 4) << 32 | *e1000e_reg(e, reg)) + len;

	*e1000e_reg(e, reg) = (uint32_t)sum;
	*e1000e_reg(e, reg + 4) = (uint32_t)(sum >> 32);
}

/* Of six registers, of lengths with FCS. */
static void count_size(struct e1000e *e, uint32_t first, size_t len)
{
	static const size_t limits[] = {64, 127, 255, 511, 1023};
	unsigned int i = 0;

	while (i < 5 && len > limits[i])
		i++;
	e1000e_count(e, first + 4 * i);
}

/* A frame for a group; of all is the broadcast. */
static bool is_group(const uint8_t *frame)
{
	return frame[0] & 1;
}

static bool is_broadcast(const uint8_t *frame)
{
	for (unsigned int i = 0; i < 6; i++)
		if (frame[i] != 0xff)
			return false;
	return true;
}

static void count_group(struct e1000e *e, const uint8_t *frame, uint32_t broad, uint32_t multi)
{
	if (is_broadcast(frame))
		e1000e_count(e, broad);
	else if (is_group(frame))
		e1000e_count(e, multi);
}

void e1000e_count_rx(struct e1000e *e, const uint8_t *frame, size_t len)
{
	e1000e_count(e, REG_GPRC);
	count_octets(e, REG_GORC, len + FCS_LEN);
	count_size(e, REG_PRC64, len + FCS_LEN);
	count_group(e, frame, REG_BPRC, REG_MPRC);
}

/* All that the wire has, also what is not for this station. */
void e1000e_count_wire(struct e1000e *e, size_t len)
{
	e1000e_count(e, REG_TPR);
	count_octets(e, REG_TOR, len + FCS_LEN);
}

void e1000e_count_tx(struct e1000e *e, const uint8_t *frame, size_t len)
{
	e1000e_count(e, REG_TPT);
	e1000e_count(e, REG_GPTC);
	count_octets(e, REG_TOT, len + FCS_LEN);
	count_octets(e, REG_GOTC, len + FCS_LEN);
	count_size(e, REG_PTC64, len + FCS_LEN);
	count_group(e, frame, REG_BPTC, REG_MPTC);
}

static bool is_wide(uint32_t reg)
{
	return reg == REG_GORC || reg == REG_GOTC || reg == REG_TOR || reg == REG_TOT;
}

/* Of octets the high half clears both. */
uint32_t e1000e_read_stat(struct e1000e *e, uint32_t reg)
{
	const uint32_t val = *e1000e_reg(e, reg);

	if (!is_wide(reg))
		*e1000e_reg(e, reg) = 0;
	if (is_wide(reg - 4))
		*e1000e_reg(e, reg - 4) = 0;
	return val;
}

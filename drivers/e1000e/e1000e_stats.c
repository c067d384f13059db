// SPDX-License-Identifier: MIT
/*
 * What the card counts (10.2.7). Its registers end at their maximum, and reading clears them, so
 * they are read now and then, and added up.
 */
#include "e1000e.h"

struct counter {
	const char *name;
	uint32_t reg;
	bool wide; /* of two registers */
};

/* One for each of nic->counters, in this order. */
static const struct counter counters[] = {
	{"crc_errors", E1000E_CRCERRS, false},
	{"alignment_errors", E1000E_ALGNERRC, false},
	{"rx_errors", E1000E_RXERRC, false},
	{"missed", E1000E_MPC, false},
	{"single_collisions", E1000E_SCC, false},
	{"excessive_collisions", E1000E_ECOL, false},
	{"multiple_collisions", E1000E_MCC, false},
	{"late_collisions", E1000E_LATECOL, false},
	{"collisions", E1000E_COLC, false},
	{"deferred", E1000E_DC, false},
	{"no_carrier_sense", E1000E_TNCRS, false},
	{"carrier_extension_errors", E1000E_CEXTERR, false},
	{"length_errors", E1000E_RLEC, false},
	{"xon_rx", E1000E_XONRXC, false},
	{"xon_tx", E1000E_XONTXC, false},
	{"xoff_rx", E1000E_XOFFRXC, false},
	{"xoff_tx", E1000E_XOFFTXC, false},
	{"flow_control_unsupported", E1000E_FCRUC, false},
	{"rx_64", E1000E_PRC64, false},
	{"rx_65_127", E1000E_PRC64 + 4, false},
	{"rx_128_255", E1000E_PRC64 + 8, false},
	{"rx_256_511", E1000E_PRC64 + 12, false},
	{"rx_512_1023", E1000E_PRC64 + 16, false},
	{"rx_1024_up", E1000E_PRC64 + 20, false},
	{"rx_good", E1000E_GPRC, false},
	{"rx_broadcast", E1000E_BPRC, false},
	{"rx_multicast", E1000E_MPRC, false},
	{"tx_good", E1000E_GPTC, false},
	{"rx_good_bytes", E1000E_GORCL, true},
	{"tx_good_bytes", E1000E_GOTCL, true},
	{"no_buffers", E1000E_RNBC, false},
	{"undersize", E1000E_RUC, false},
	{"fragments", E1000E_RFC, false},
	{"oversize", E1000E_ROC, false},
	{"jabber", E1000E_RJC, false},
	{"rx_total_bytes", E1000E_TORL, true},
	{"tx_total_bytes", E1000E_TOTL, true},
	{"rx_total", E1000E_TPR, false},
	{"tx_total", E1000E_TPT, false},
	{"tx_multicast", E1000E_MPTC, false},
	{"tx_broadcast", E1000E_BPTC, false},
	{"tso", E1000E_TSCTC, false},
	{"tso_failed", E1000E_TSCTFC, false},
	{"interrupts", E1000E_IAC, false},
};
#define COUNTERS (sizeof(counters) / sizeof(counters[0]))

_Static_assert(COUNTERS == E1000E_COUNTERS, "e1000e.h");

const char *e1000e_stats_name(unsigned int n)
{
	return n < COUNTERS ? counters[n].name : NULL;
}

void e1000e_stats_read(struct e1000e *nic)
{
	for (unsigned int i = 0; i < COUNTERS; i++) {
		const uint32_t low = e1000e_read(nic, counters[i].reg);
		const uint32_t high = counters[i].wide ? e1000e_read(nic, counters[i].reg + 4) : 0;

		/* All ones are no answer: none gets there between two looks. */
		if (low != UINT32_MAX && high != UINT32_MAX)
			nic->counters[i] += low | (uint64_t)high << 32;
	}
}

static uint64_t get(const struct e1000e *nic, uint32_t reg)
{
	for (unsigned int i = 0; i < COUNTERS; i++)
		if (counters[i].reg == reg)
			return nic->counters[i];
	return 0;
}

void e1000e_stats_add(const struct e1000e *nic, struct udrv_net_stats *stats)
{
	const uint64_t length = get(nic, E1000E_RUC) + get(nic, E1000E_ROC);
	const uint64_t crc = get(nic, E1000E_CRCERRS);
	const uint64_t alignment = get(nic, E1000E_ALGNERRC);
	const uint64_t aborted = get(nic, E1000E_ECOL);

	stats->rx_length_errors += length;
	stats->rx_crc_errors += crc;
	stats->rx_frame_errors += alignment;
	stats->rx_missed_errors += get(nic, E1000E_MPC);
	stats->rx_errors +=
		length + crc + alignment + get(nic, E1000E_RXERRC) + get(nic, E1000E_CEXTERR);
	stats->tx_aborted_errors += aborted;
	stats->tx_carrier_errors += get(nic, E1000E_TNCRS);
	stats->tx_errors += aborted + get(nic, E1000E_LATECOL);
	stats->tx_dropped += nic->lost_at_stop;
	stats->collisions += get(nic, E1000E_COLC);
	stats->multicast += get(nic, E1000E_MPRC);
}

/* SPDX-License-Identifier: MIT */
/*
 * Inside the software 82574: registers, and its state. Numbers are sections of Intel's 82574 GbE
 * Controller Family Datasheet, rev. 3.4.
 */
#ifndef UDRV_MODEL_E1000E_DEV_H
#define UDRV_MODEL_E1000E_DEV_H

#include <time.h>

#include "backend/model.h"
#include "backend/model_e1000e.h"

#define QUEUES	UDRV__E1000E_QUEUES
#define VECTORS UDRV__E1000E_VECTORS

/* 10.1: BARs */
#define REGS_LEN  0x20000u
#define FLASH_LEN 0x20000u
#define IO_LEN	  32u
#define MSIX_LEN  0x4000u
#define IO_ADDR	  0u
#define IO_DATA	  4u

/* 10.2 */
#define REG_CTRL	0x00000u
#define REG_CTRL_ALIAS	0x00004u
#define REG_STATUS	0x00008u
#define REG_EECD	0x00010u
#define REG_EERD	0x00014u
#define REG_CTRL_EXT	0x00018u
#define REG_MDIC	0x00020u
#define REG_VET		0x00038u
#define REG_ICR		0x000c0u
#define REG_ITR		0x000c4u
#define REG_ICS		0x000c8u
#define REG_IMS		0x000d0u
#define REG_IMC		0x000d8u
#define REG_EIAC	0x000dcu
#define REG_IAM		0x000e0u
#define REG_IVAR	0x000e4u
#define REG_EITR	0x000e8u /* of 5 */
#define REG_RCTL	0x00100u
#define REG_TCTL	0x00400u
#define REG_TIPG	0x00410u
#define REG_EXTCNF_CTRL 0x00f00u
#define REG_PBA		0x01000u
#define REG_EEWR	0x0102cu
#define REG_RDTR	0x02820u
#define REG_RADV	0x0282cu
#define REG_RXDCTL	0x02828u
#define REG_RSRPD	0x02c00u
#define REG_TIDV	0x03820u
#define REG_TADV	0x0382cu
#define REG_TXDCTL	0x03828u
#define REG_TARC	0x03840u
#define REG_RXCSUM	0x05000u
#define REG_RFCTL	0x05008u
#define REG_MTA		0x05200u
#define REG_RAL		0x05400u /* of 16, RAH behind each */
#define REG_VFTA	0x05600u
#define REG_MRQC	0x05818u
#define REG_GCR		0x05b00u
#define REG_FACTPS	0x05b30u
#define REG_SWSM	0x05b50u
#define REG_RETA	0x05c00u
#define REG_RSSRK	0x05c80u

/* Rings, 0x100 apart for queue 1 */
#define REG_RX_RING 0x02800u
#define REG_TX_RING 0x03800u
#define RING_BAL    0x00u
#define RING_BAH    0x04u
#define RING_LEN    0x08u
#define RING_HEAD   0x10u
#define RING_TAIL   0x18u

/* Statistics, 10.2.7; each is cleared by reading it */
#define REG_STATS     0x04000u
#define REG_STATS_END 0x04128u
#define REG_CRCERRS   0x04000u
#define REG_SYMERRS   0x04008u
#define REG_RXERRC    0x0400cu
#define REG_MPC	      0x04010u
#define REG_RLEC      0x04040u
#define REG_PRC64     0x0405cu
#define REG_GPRC      0x04074u
#define REG_BPRC      0x04078u
#define REG_MPRC      0x0407cu
#define REG_GPTC      0x04080u
#define REG_GORC      0x04088u
#define REG_GOTC      0x04090u
#define REG_RNBC      0x040a0u
#define REG_RUC	      0x040a4u
#define REG_ROC	      0x040acu
#define REG_TOR	      0x040c0u
#define REG_TOT	      0x040c8u
#define REG_TPR	      0x040d0u
#define REG_TPT	      0x040d4u
#define REG_PTC64     0x040d8u
#define REG_MPTC      0x040f0u
#define REG_BPTC      0x040f4u
#define REG_TSCTC     0x040f8u
#define REG_TSCTFC    0x040fcu
#define REG_IAC	      0x04100u
#define REG_ICRXDMTC  0x04120u
#define REG_ICRXOC    0x04124u

/* 10.2.2.1 */
#define CTRL_FD		 (1u << 0)
#define CTRL_GIO_DISABLE (1u << 2)
#define CTRL_SLU	 (1u << 6)
#define CTRL_SPEED_1000	 (2u << 8)
#define CTRL_FRCSPD	 (1u << 11)
#define CTRL_FRCDPX	 (1u << 12)
#define CTRL_RST	 (1u << 26)
#define CTRL_VME	 (1u << 30)
#define CTRL_PHY_RST	 (1u << 31)

/* 10.2.2.2 */
#define STATUS_FD	   (1u << 0)
#define STATUS_LU	   (1u << 1)
#define STATUS_SPEED_SHIFT 6
#define STATUS_ASDV_SHIFT  8
#define STATUS_PHYRA	   (1u << 10)
#define STATUS_GIO_MASTER  (1u << 19)

/* 10.2.2.3, 10.2.2.4 */
#define EECD_PRES    (1u << 8)
#define EECD_AUTO_RD (1u << 9)
#define EERD_START   (1u << 0)
#define EERD_DONE    (1u << 1)

/* 10.2.2.5 */
#define CTRL_EXT_EE_RST (1u << 13)
#define CTRL_EXT_EIAME	(1u << 24)
#define CTRL_EXT_IAME	(1u << 27)

/* 10.2.2.7 */
#define MDIC_WRITE (1u << 26)
#define MDIC_READ  (2u << 26)
#define MDIC_READY (1u << 28)
#define MDIC_INT   (1u << 29)
#define MDIC_ERROR (1u << 30)

/* 10.2.4.1 */
#define ICR_TXDW     (1u << 0)
#define ICR_TXQE     (1u << 1)
#define ICR_LSC	     (1u << 2)
#define ICR_RXDMT0   (1u << 4)
#define ICR_RXO	     (1u << 6)
#define ICR_RXT0     (1u << 7)
#define ICR_MDAC     (1u << 9)
#define ICR_SRPD     (1u << 16)
#define ICR_ACK	     (1u << 17)
#define ICR_MNG	     (1u << 18)
#define ICR_RXQ0     (1u << 20)
#define ICR_RXQ1     (1u << 21)
#define ICR_TXQ0     (1u << 22)
#define ICR_TXQ1     (1u << 23)
#define ICR_OTHER    (1u << 24)
#define ICR_ASSERTED (1u << 31)
#define ICR_OTHERS   (ICR_LSC | ICR_RXO | ICR_MDAC | ICR_SRPD | ICR_ACK | ICR_MNG)
#define ICR_CAUSES   0x01f782d7u

#define IVAR_EVERY_WB (1u << 31)

/* 10.2.5.1 */
#define RCTL_EN		  (1u << 1)
#define RCTL_SBP	  (1u << 2)
#define RCTL_UPE	  (1u << 3)
#define RCTL_MPE	  (1u << 4)
#define RCTL_LPE	  (1u << 5)
#define RCTL_LBM	  (3u << 6)
#define RCTL_RDMTS_SHIFT  8
#define RCTL_MO_SHIFT	  12
#define RCTL_BAM	  (1u << 15)
#define RCTL_BSIZE_SHIFT  16
#define RCTL_VFE	  (1u << 18)
#define RCTL_BSEX	  (1u << 25)
#define RCTL_SECRC	  (1u << 26)
#define RCTL_FLXBUF_SHIFT 27

#define RXCSUM_IPOFLD (1u << 8)
#define RXCSUM_TUOFLD (1u << 9)
#define RXCSUM_PCSD   (1u << 13)

#define RFCTL_ACK_DIS	    (1u << 12)
#define RFCTL_ACKD_DIS	    (1u << 13)
#define RFCTL_IPV6_XSUM_DIS (1u << 11)
#define RFCTL_EXTEN	    (1u << 15)

#define RAH_AV (1u << 31)

/* 7.1: of both formats; a legacy descriptor has the lowest and the highest 8 */
#define RXD_LEGACY    0xff0000ffu
#define RXD_DD	      (1u << 0)
#define RXD_EOP	      (1u << 1)
#define RXD_IXSM      (1u << 2)
#define RXD_VP	      (1u << 3)
#define RXD_UDPCS     (1u << 4)
#define RXD_TCPCS     (1u << 5)
#define RXD_IPCS      (1u << 6)
#define RXD_PIF	      (1u << 7)
#define RXD_IPIDV     (1u << 9)
#define RXD_ACK	      (1u << 15)
#define RXD_ERR_SHIFT 24
#define RXD_TCPE      (1u << 29)
#define RXD_IPE	      (1u << 30)

#define TCTL_EN	    (1u << 1)
#define TCTL_PSP    (1u << 3)
#define TARC_ENABLE (1u << 10)

/* 7.2.10, 7.2.11: command bits of all three formats, in the third word */
#define TXD_EOP	 (1u << 24)
#define TXD_IFCS (1u << 25)
#define TXD_TSE	 (1u << 26) /* IC of a legacy descriptor */
#define TXD_IC	 (1u << 26)
#define TXD_RS	 (1u << 27)
#define TXD_DEXT (1u << 29)
#define TXD_VLE	 (1u << 30)
#define TXD_IDE	 (1u << 31)
#define TXD_TYPE (0xfu << 20)
#define TXD_DATA (1u << 20)
#define TXD_DD	 (1u << 0)
#define TXD_IXSM (1u << 8)
#define TXD_TXSM (1u << 9)
#define TXC_TCP	 (1u << 24)
#define TXC_IPV4 (1u << 25)

#define DESC_LEN  16u
#define FCS_LEN	  4u
#define FRAME_MIN 60u
#define PSP_LEAST 17u /* the shortest that is padded to it when it is sent */
#define NVM_WORDS 64u
#define LINE_LEN  (1u << 20)
#define TX_MAX	  (128u << 10) /* of a packet before it is segmented */
#define FAULT_NS  5000000u
#define NEVER	  UINT64_MAX

/* Frames on their way, each behind its length and its flags. */
struct e1000e_line {
	uint8_t *bytes; /* LINE_LEN */
	size_t head, used;
	unsigned int count;
};

/* What e1000e_parse() finds; offsets are 0 where there is none. */
struct e1000e_packet {
	const uint8_t *frame;
	size_t len; /* without FCS */
	unsigned int l3, l4;
	bool ipv4, ipv6, tcp, udp;
	bool fragment;
	bool options; /* extension headers of IPv6 */
	bool is_ack;
};

/* 7.2.10: what context descriptors set up. */
struct e1000e_context {
	uint8_t ipcss, ipcso, tucss, tucso, hdr_len;
	uint16_t ipcse, tucse, mss;
	bool tcp, ipv4;
};

struct e1000e_tx {
	struct e1000e_context ctx; /* as it was when the packet began */
	uint8_t *buf;		   /* TX_MAX */
	size_t len;
	bool inside;		       /* a context, or a part, has been, and no end */
	bool started;		       /* the first descriptor has been */
	bool broken;		       /* not to be sent */
	uint32_t cmd, upper;	       /* of the first descriptor */
	uint32_t last_cmd, last_upper; /* and of the last */
};

enum e1000e_timer {
	TIMER_LINK,
	TIMER_FLAP,
	TIMER_LATE,
	TIMER_HELD,
	TIMER_RDTR,
	TIMER_RADV,
	TIMER_TIDV,
	TIMER_TADV,
	TIMER_ITR, /* then one of each vector */
	TIMER_EITR,
	TIMERS = TIMER_EITR + VECTORS,
};

/* A write-back that comes later. */
struct e1000e_held {
	bool full;
	unsigned int queue;
	udrv_iova_t iova;
	uint8_t desc[DESC_LEN];
};

struct e1000e;

/* Between two of them. */
struct e1000e_cable {
	pthread_mutex_t lock; /* everything below; an end's is taken within it */
	struct e1000e *ends[2];
	unsigned int count;
};

struct e1000e {
	struct udrv__model *model;
	pthread_t thread;
	pthread_cond_t work;	/* to the thread, on CLOCK_MONOTONIC */
	pthread_cond_t settled; /* from it */

	pthread_mutex_t lock; /* everything below */
	bool stopping;
	bool kicked; /* there may be something to do */
	bool idle;
	uint64_t timers[TIMERS]; /* ns, NEVER */

	uint32_t regs[REGS_LEN / 4];
	uint32_t io_addr;
	uint16_t nvm[NVM_WORDS];
	unsigned int nvm_bad; /* so often its checksum is read wrong */
	uint16_t phy[32];
	uint16_t phy_latched; /* of its status, bits that read as 0 once */
	bool phy_link;
	bool cabled; /* there is something at the other end */

	uint32_t told;	  /* causes that a message was sent for */
	uint32_t lost;	  /* causes that do not raise the line */
	uint32_t delayed; /* causes, until RDTR, RADV, TIDV or TADV */
	bool line;
	enum udrv__irq_type irq_type; /* as last seen */

	bool halted[2 * QUEUES];   /* rings whose descriptors cannot be read: receive, transmit */
	struct e1000e_context ctx; /* 7.2.6: of both queues */
	struct e1000e_tx tx[QUEUES];
	struct e1000e_line in;	 /* on its way to the card */
	struct e1000e_line fifo; /* in it, waiting for descriptors */
	struct e1000e_line out;
	struct e1000e_held held;
	bool late;	/* what follows has been late */
	uint8_t *frame; /* the one under way, for the thread */
	size_t frame_len;
	unsigned int frame_flags;

	bool loop;
	struct e1000e_cable *cable; /* stays until the end */
	enum udrv__model_e1000e_chip chip;
	unsigned int faults[UDRV__E1000E_FAULTS];
	uint8_t mac[6];
	struct udrv__model_e1000e_state counts;
};

/* All with the lock, but where it says otherwise. */

/* model_e1000e.c */
uint64_t e1000e_now(void);
void e1000e_kick(struct e1000e *e);
void e1000e_arm(struct e1000e *e, unsigned int timer, uint64_t delay_ns);
static inline uint32_t *e1000e_reg(struct e1000e *e, uint32_t offset)
{
	return &e->regs[offset / 4];
}

/* model_e1000e_regs.c: the first two without the lock */
uint64_t e1000e_read(void *state, unsigned int bar, uint64_t offset, unsigned int size);
void e1000e_write(void *state, unsigned int bar, uint64_t offset, unsigned int size, uint64_t val);
/* What CTRL.RST does. */
void e1000e_reset_mac(struct e1000e *e);
/* From NVM to the first receive address. */
void e1000e_load_mac(struct e1000e *e);

/* model_e1000e_nvm.c */
void e1000e_fill_nvm(struct e1000e *e);
void e1000e_write_eerd(struct e1000e *e, uint32_t val);
void e1000e_write_eewr(struct e1000e *e, uint32_t val);

/* model_e1000e_phy.c */
void e1000e_reset_phy(struct e1000e *e);
void e1000e_write_mdic(struct e1000e *e, uint32_t val);
void e1000e_negotiate(struct e1000e *e);
void e1000e_negotiated(struct e1000e *e);
void e1000e_lose_link(struct e1000e *e);
/* STATUS.LU follows. */
void e1000e_update_link(struct e1000e *e);
uint32_t e1000e_status(struct e1000e *e);
bool e1000e_phy_loops(const struct e1000e *e);

/* model_e1000e_irq.c */
void e1000e_cause(struct e1000e *e, uint32_t causes);
/* As RDTR and RADV, or TIDV and TADV, say. */
void e1000e_cause_rx(struct e1000e *e, unsigned int queue, uint32_t more);
void e1000e_cause_tx(struct e1000e *e, uint32_t causes, bool delay);
void e1000e_update_irq(struct e1000e *e);
void e1000e_fire_delayed(struct e1000e *e);
uint32_t e1000e_read_icr(struct e1000e *e);
void e1000e_write_icr(struct e1000e *e, uint32_t val);
void e1000e_spurious(struct e1000e *e);
bool e1000e_is_msix(struct e1000e *e);

/* model_e1000e_ring.c: @ring is REG_RX_RING or REG_TX_RING of a queue */
unsigned int e1000e_ring_size(struct e1000e *e, uint32_t ring);
/* Descriptors that the device has. */
unsigned int e1000e_ring_left(struct e1000e *e, uint32_t ring);
udrv_iova_t e1000e_ring_at(struct e1000e *e, uint32_t ring, unsigned int index);
void e1000e_ring_advance(struct e1000e *e, uint32_t ring);
bool *e1000e_ring_halted(struct e1000e *e, uint32_t ring);
/* The one at its head. False: it cannot be read, and the ring halts until it is set up anew. */
bool e1000e_ring_fetch(struct e1000e *e, uint32_t ring, uint32_t desc[4]);
static inline uint32_t e1000e_ring(uint32_t first, unsigned int queue)
{
	return first + 0x100 * queue;
}

/* model_e1000e_rx.c: a frame from the wire, and those that wait; whether there was something */
bool e1000e_receive_some(struct e1000e *e);
void e1000e_release_held(struct e1000e *e);

/* model_e1000e_filter.c */
bool e1000e_accepts(struct e1000e *e, const uint8_t *frame, size_t len);
bool e1000e_is_vlan(struct e1000e *e, const uint8_t *frame, size_t len);

/* model_e1000e_sum.c */
void e1000e_parse(struct e1000e_packet *p, const uint8_t *frame, size_t len);
/* The one's complement sum of bytes in the order of the network, added to seed, folded. */
uint16_t e1000e_sum(const uint8_t *bytes, size_t len, uint32_t seed);
uint32_t e1000e_crc(const uint8_t *bytes, size_t len);
/* RXD_IPCS and so on. */
uint32_t e1000e_check_sums(struct e1000e *e, const struct e1000e_packet *p);
/* False: not by RSS. */
bool e1000e_rss(struct e1000e *e, const struct e1000e_packet *p, uint32_t *hash, uint32_t *type,
		unsigned int *queue);

/* model_e1000e_tx.c */
bool e1000e_transmit_some(struct e1000e *e);
/* model_e1000e_tso.c: what tx has gathered, to the wire */
void e1000e_emit(struct e1000e *e, struct e1000e_tx *tx);

/* model_e1000e_stats.c */
void e1000e_count(struct e1000e *e, uint32_t reg);
void e1000e_count_rx(struct e1000e *e, const uint8_t *frame, size_t len);
/* All that the wire has, also what is not for this station. */
void e1000e_count_wire(struct e1000e *e, size_t len);
void e1000e_count_tx(struct e1000e *e, const uint8_t *frame, size_t len);
uint32_t e1000e_read_stat(struct e1000e *e, uint32_t reg);

/* model_e1000e_wire.c */
bool e1000e_line_put(struct e1000e_line *l, const uint8_t *frame, size_t len, unsigned int flags);
/* The first one's length; 0: none. frame has room for UDRV__E1000E_FRAME_MAX. */
size_t e1000e_line_peek(const struct e1000e_line *l, uint8_t *frame, unsigned int *flags);
/* There is a first one. */
void e1000e_line_drop(struct e1000e_line *l);
void e1000e_line_clear(struct e1000e_line *l);
bool e1000e_is_loopback(struct e1000e *e);
/* May the transmitter go on? */
bool e1000e_wire_has_room(struct e1000e *e);
void e1000e_wire_put(struct e1000e *e, const uint8_t *frame, size_t len, unsigned int flags);
/* Whether there was something; *stalled: the other end has no room. Drops the lock meanwhile. */
bool e1000e_wire_move(struct e1000e *e, bool *stalled);
/* Is there anything at the other end? */
void e1000e_set_cabled(struct e1000e *e, bool up);
/* Without the lock, when the thread has ended. */
void e1000e_unplug(struct e1000e *e);

/* model_e1000e_fault.c */
bool e1000e_take_fault(struct e1000e *e, enum udrv__model_e1000e_fault fault);
/* Is what comes next to wait? */
bool e1000e_is_late(struct e1000e *e);
/* Lose the link for a while if a test wants that. */
void e1000e_flap(struct e1000e *e);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Intel 82574 GbE Controller Family Datasheet, revision 3.4. Each line names its section; a group
 * of registers (10.2.5 and so on) stands for its members, which it lists by their addresses.
 */
#ifndef E1000E_REGS_H
#define E1000E_REGS_H

#include <stddef.h>
#include <stdint.h>

/* 5.1, PCI identification */
#define E1000E_VENDOR_ID       0x8086
#define E1000E_DEVICE_ID_82574 0x10d3 /* 82574L */
/* 10.1.1: memory BAR of the registers */
#define E1000E_BAR  0
#define E1000E_SIZE 0x20000

/* 10.2.2.1 */
#define E1000E_CTRL		0x00000
#define E1000E_CTRL_GIO_DISABLE (1u << 2) /* no new requests of the bus master */
#define E1000E_CTRL_SLU		(1u << 6) /* set link up */
#define E1000E_CTRL_FRCSPD	(1u << 11)
#define E1000E_CTRL_FRCDPLX	(1u << 12)
#define E1000E_CTRL_RST		(1u << 26)
#define E1000E_CTRL_RFCE	(1u << 27) /* obey pause frames */
#define E1000E_CTRL_TFCE	(1u << 28) /* send pause frames */
#define E1000E_CTRL_VME		(1u << 30) /* tags are taken out and put in */

/* 10.2.2.2 */
#define E1000E_STATUS		    0x00008
#define E1000E_STATUS_FD	    (1u << 0)
#define E1000E_STATUS_LU	    (1u << 1)
#define E1000E_STATUS_TXOFF	    (1u << 4)		/* paused by the other end */
#define E1000E_STATUS_SPEED(status) ((status) >> 6 & 3) /* 10, 100, 1000, 1000 Mb/s */
#define E1000E_STATUS_GIO_ENABLE    (1u << 19) /* the bus master has requests, or may have */

/* 10.2.2.3 */
#define E1000E_EEC	   0x00010
#define E1000E_EEC_AUTO_RD (1u << 9) /* what the NVM sets is set */

/* 10.2.2.4 */
#define E1000E_EERD	       0x00014
#define E1000E_EERD_START      (1u << 0)
#define E1000E_EERD_DONE       (1u << 1)
#define E1000E_EERD_ADDR(word) ((uint32_t)(word) << 2)
#define E1000E_EERD_DATA(val)  ((uint16_t)((val) >> 16))

/* 10.2.2.5 */
#define E1000E_CTRL_EXT		 0x00018
#define E1000E_CTRL_EXT_EIAME	 (1u << 24) /* an MSI-X message masks its causes of IAM */
#define E1000E_CTRL_EXT_IAME	 (1u << 27) /* a read of ICR masks the causes of IAM */
#define E1000E_CTRL_EXT_DRV_LOAD (1u << 28) /* tells the management firmware of a driver */
#define E1000E_CTRL_EXT_PBA	 (1u << 31) /* pending bits are cleared with the causes */

/* 10.2.2.7 */
#define E1000E_MDIC	     0x00020
#define E1000E_MDIC_DATA     0xffffu
#define E1000E_MDIC_REG(reg) ((uint32_t)(reg) << 16)
#define E1000E_MDIC_PHY	     (1u << 21) /* the PHY's address is 1 */
#define E1000E_MDIC_OP_WRITE (1u << 26)
#define E1000E_MDIC_OP_READ  (2u << 26)
#define E1000E_MDIC_READY    (1u << 28)
#define E1000E_MDIC_ERROR    (1u << 30)

/* 10.2.2: flow control and tags */
#define E1000E_FCAL  0x00028
#define E1000E_FCAH  0x0002c
#define E1000E_FCT   0x00030
#define E1000E_VET   0x00038
#define E1000E_FCTTV 0x00170
/* IEEE 802.3, 31B: where pause frames are sent to, their type */
#define E1000E_PAUSE_LOW  0x00c28001
#define E1000E_PAUSE_HIGH 0x0100
#define E1000E_PAUSE_TYPE 0x8808
#define E1000E_PAUSE_TIME 0xffff
/* IEEE 802.1Q */
#define E1000E_VLAN_TYPE 0x8100

/* 10.2.2: who may use PHY and NVM, software or firmware */
#define E1000E_EXTCNF_CTRL	   0x00f00
#define E1000E_EXTCNF_CTRL_MDIO_SW (1u << 5)

/* 10.2.2: packet buffer, in KB: received; the rest of 40 is for what is sent */
#define E1000E_PBA	 0x01000
#define E1000E_PBA_TOTAL 40
/* 10.2.3 */
#define E1000E_GCR  0x05b00
#define E1000E_GCR2 0x05b64

/* 10.2.4.1 */
#define E1000E_ICR	    0x000c0
#define E1000E_ICR_TXDW	    (1u << 0)
#define E1000E_ICR_LSC	    (1u << 2)
#define E1000E_ICR_RXDMT0   (1u << 4)
#define E1000E_ICR_RXO	    (1u << 6)
#define E1000E_ICR_RXT0	    (1u << 7)
#define E1000E_ICR_MDAC	    (1u << 9)
#define E1000E_ICR_SRPD	    (1u << 16)
#define E1000E_ICR_ACK	    (1u << 17)
#define E1000E_ICR_MNG	    (1u << 18)
#define E1000E_ICR_RXQ(n)   (1u << (20 + (n)))
#define E1000E_ICR_TXQ(n)   (1u << (22 + (n)))
#define E1000E_ICR_OTHER    (1u << 24)
#define E1000E_ICR_ASSERTED (1u << 31)
/* Those that are told by OTHER with MSI-X. */
#define E1000E_ICR_OTHERS                                                                          \
	(E1000E_ICR_LSC | E1000E_ICR_RXO | E1000E_ICR_MDAC | E1000E_ICR_SRPD | E1000E_ICR_ACK |    \
	 E1000E_ICR_MNG)
/* 10.2.4.2, 10.2.4.3: units of 256 ns between interrupts, of all and of a vector */
#define E1000E_ITR	   0x000c4
#define E1000E_EITR(n)	   (0x000e8 + 4u * (n))
#define E1000E_ITR_UNIT_NS 256
#define E1000E_ITR_MAX	   0xffff
/* 10.2.4.4 to 10.2.4.8 */
#define E1000E_ICS  0x000c8
#define E1000E_IMS  0x000d0
#define E1000E_IMC  0x000d8
#define E1000E_EIAC 0x000dc
#define E1000E_IAM  0x000e0
/* 10.2.4.9: which vector tells of rx 0, rx 1, tx 0, tx 1, other */
#define E1000E_IVAR		     0x000e4
#define E1000E_IVAR_ENTRY(n, vector) ((8u | (uint32_t)(vector)) << 4 * (n))
#define E1000E_VECTORS		     5

/* 10.2.5.1 */
#define E1000E_RCTL		0x00100
#define E1000E_RCTL_EN		(1u << 1)
#define E1000E_RCTL_UPE		(1u << 3)  /* all unicast */
#define E1000E_RCTL_MPE		(1u << 4)  /* all multicast */
#define E1000E_RCTL_LPE		(1u << 5)  /* long frames */
#define E1000E_RCTL_BAM		(1u << 15) /* broadcast */
#define E1000E_RCTL_BSIZE_2048	0u
#define E1000E_RCTL_BSIZE_16384 (1u << 16 | 1u << 25)
#define E1000E_RCTL_BSIZE_8192	(2u << 16 | 1u << 25)
#define E1000E_RCTL_BSIZE_4096	(3u << 16 | 1u << 25)
#define E1000E_RCTL_VFE		(1u << 18) /* filter VLANs */
#define E1000E_RCTL_SECRC	(1u << 26) /* strip the frame check sequence */

/* 10.2.5: receive */
#define E1000E_FCRTL	      0x02160
#define E1000E_FCRTL_XONE     (1u << 31)
#define E1000E_FCRTH	      0x02168
#define E1000E_RDBAL(n)	      (0x02800 + 0x100u * (n))
#define E1000E_RDBAH(n)	      (0x02804 + 0x100u * (n))
#define E1000E_RDLEN(n)	      (0x02808 + 0x100u * (n)) /* bytes, a multiple of 128 */
#define E1000E_RDH(n)	      (0x02810 + 0x100u * (n))
#define E1000E_RDT(n)	      (0x02818 + 0x100u * (n))
#define E1000E_RDTR	      0x02820
#define E1000E_RXDCTL(n)      (0x02828 + 0x100u * (n))
#define E1000E_RADV	      0x0282c
#define E1000E_RXCSUM	      0x05000
#define E1000E_RXCSUM_IPOFLD  (1u << 8)
#define E1000E_RXCSUM_TUOFLD  (1u << 9)
#define E1000E_RXCSUM_PCSD    (1u << 13) /* RSS hash in the descriptor, no packet checksum */
#define E1000E_RFCTL	      0x05008
#define E1000E_RFCTL_NFSW_DIS (1u << 6)
#define E1000E_RFCTL_NFSR_DIS (1u << 7)
#define E1000E_RFCTL_ACK_DIS  (1u << 12) /* no cause for TCP acknowledgements */
#define E1000E_RFCTL_EXSTEN   (1u << 15) /* extended descriptors */
#define E1000E_MTA(n)	      (0x05200 + 4u * (n))
#define E1000E_MTA_WORDS      128
#define E1000E_RAL(n)	      (0x05400 + 8u * (n))
#define E1000E_RAH(n)	      (0x05404 + 8u * (n))
#define E1000E_RAH_AV	      (1u << 31)
#define E1000E_ADDRESSES      16
#define E1000E_VFTA(n)	      (0x05600 + 4u * (n))
#define E1000E_VFTA_WORDS     128
#define E1000E_MRQC	      0x05818
#define E1000E_MRQC_RSS	      1u
#define E1000E_MRQC_FIELDS    (0x37u << 16) /* TCP over IPv4, IPv4, TCP over IPv6, both IPv6 */
#define E1000E_RETA(n)	      (0x05c00 + 4u * (n))
#define E1000E_RETA_WORDS     32
#define E1000E_RETA_QUEUE(q)  ((uint32_t)(q) << 7) /* of a byte */
#define E1000E_RSSRK(n)	      (0x05c80 + 4u * (n))
#define E1000E_RSSRK_WORDS    10

/* 10.2.6: transmit */
#define E1000E_TCTL	      0x00400
#define E1000E_TCTL_EN	      (1u << 1)
#define E1000E_TCTL_PSP	      (1u << 3) /* pad short frames, of 17 bytes and more */
#define E1000E_TCTL_CT	      (15u << 4)
#define E1000E_TCTL_COLD      (63u << 12)
#define E1000E_TCTL_RTLC      (1u << 24)
#define E1000E_TCTL_MULR      (1u << 28)
#define E1000E_TIPG	      0x00410
#define E1000E_TIPG_COPPER    (8u | 8u << 10 | 6u << 20)
#define E1000E_TDBAL(n)	      (0x03800 + 0x100u * (n))
#define E1000E_TDBAH(n)	      (0x03804 + 0x100u * (n))
#define E1000E_TDLEN(n)	      (0x03808 + 0x100u * (n))
#define E1000E_TDH(n)	      (0x03810 + 0x100u * (n))
#define E1000E_TDT(n)	      (0x03818 + 0x100u * (n))
#define E1000E_TIDV	      0x03820
#define E1000E_TXDCTL(n)      (0x03828 + 0x100u * (n))
#define E1000E_TXDCTL_WB      (1u << 24 | 1u << 22 | 1u << 16) /* each is written back */
#define E1000E_TXDCTL_WTHRESH (0x3fu << 16)
#define E1000E_TADV	      0x0382c
#define E1000E_TARC(n)	      (0x03840 + 0x100u * (n))
#define E1000E_TARC_ENABLE    (1u << 10)

/* 10.2.7: statistics; reading clears */
#define E1000E_CRCERRS	0x04000
#define E1000E_ALGNERRC 0x04004
#define E1000E_RXERRC	0x0400c
#define E1000E_MPC	0x04010
#define E1000E_SCC	0x04014
#define E1000E_ECOL	0x04018
#define E1000E_MCC	0x0401c
#define E1000E_LATECOL	0x04020
#define E1000E_COLC	0x04028
#define E1000E_DC	0x04030
#define E1000E_TNCRS	0x04034
#define E1000E_CEXTERR	0x0403c
#define E1000E_RLEC	0x04040
#define E1000E_XONRXC	0x04048
#define E1000E_XONTXC	0x0404c
#define E1000E_XOFFRXC	0x04050
#define E1000E_XOFFTXC	0x04054
#define E1000E_FCRUC	0x04058
#define E1000E_PRC64	0x0405c /* and five more, for longer ones */
#define E1000E_GPRC	0x04074
#define E1000E_BPRC	0x04078
#define E1000E_MPRC	0x0407c
#define E1000E_GPTC	0x04080
#define E1000E_GORCL	0x04088 /* the high part follows: it is read last */
#define E1000E_GOTCL	0x04090
#define E1000E_RNBC	0x040a0
#define E1000E_RUC	0x040a4
#define E1000E_RFC	0x040a8
#define E1000E_ROC	0x040ac
#define E1000E_RJC	0x040b0
#define E1000E_TORL	0x040c0
#define E1000E_TOTL	0x040c8
#define E1000E_TPR	0x040d0
#define E1000E_TPT	0x040d4
#define E1000E_PTC64	0x040d8 /* likewise */
#define E1000E_MPTC	0x040f0
#define E1000E_BPTC	0x040f4
#define E1000E_TSCTC	0x040f8
#define E1000E_TSCTFC	0x040fc
#define E1000E_IAC	0x04100

/* 6.1.1: NVM words */
#define E1000E_NVM_MAC	    0x00 /* three of them */
#define E1000E_NVM_CHECKSUM 0x3f
#define E1000E_NVM_SUM	    0xbaba /* of the words up to the checksum's */

/* IEEE 802.3, 22.2.4 and 40.5: registers of any gigabit PHY */
#define E1000E_PHY_CONTROL	      0
#define E1000E_PHY_CONTROL_RESTART    (1u << 9)
#define E1000E_PHY_CONTROL_POWER_DOWN (1u << 11)
#define E1000E_PHY_CONTROL_AUTONEG    (1u << 12)
#define E1000E_PHY_STATUS	      1
#define E1000E_PHY_STATUS_AUTONEG     (1u << 5) /* complete */
#define E1000E_PHY_ID1		      2
#define E1000E_PHY_ADVERTISED	      4
#define E1000E_PHY_PARTNER	      5
#define E1000E_PHY_PAUSE	      (1u << 10)
#define E1000E_PHY_PAUSE_ASYM	      (1u << 11)

/* 7.1.6: extended receive descriptor, as software gives it and as the card writes it back */
union e1000e_rx_desc {
	struct {
		uint64_t address;
		uint64_t zero;
	} read;
	struct {
		uint32_t mrq;
		uint32_t rss; /* or packet checksum and IP identification */
		uint32_t status;
		uint16_t length;
		uint16_t vlan;
	} wb;
};
_Static_assert(sizeof(union e1000e_rx_desc) == 16, "7.1.6");
_Static_assert(offsetof(union e1000e_rx_desc, wb.status) == 8, "7.1.6");
_Static_assert(offsetof(union e1000e_rx_desc, wb.length) == 12, "7.1.6");
_Static_assert(offsetof(union e1000e_rx_desc, wb.vlan) == 14, "7.1.6");

/* 7.1.6: status */
#define E1000E_RXD_DD	 (1u << 0)
#define E1000E_RXD_EOP	 (1u << 1)
#define E1000E_RXD_IXSM	 (1u << 2) /* the checksum bits mean nothing */
#define E1000E_RXD_VP	 (1u << 3) /* there was a tag */
#define E1000E_RXD_UDPCS (1u << 4) /* the checksum of UDP was looked at */
#define E1000E_RXD_TCPCS (1u << 5) /* of TCP */
#define E1000E_RXD_IPCS	 (1u << 6) /* of IPv4 */
/* and errors */
#define E1000E_RXD_CE	(1u << 24) /* frame check sequence, alignment */
#define E1000E_RXD_SE	(1u << 25) /* symbol */
#define E1000E_RXD_SEQ	(1u << 26)
#define E1000E_RXD_CXE	(1u << 28) /* carrier extension */
#define E1000E_RXD_TCPE (1u << 29)
#define E1000E_RXD_IPE	(1u << 30)
#define E1000E_RXD_RXE	(1u << 31)
#define E1000E_RXD_BROKEN                                                                          \
	(E1000E_RXD_CE | E1000E_RXD_SE | E1000E_RXD_SEQ | E1000E_RXD_CXE | E1000E_RXD_RXE)

/* 7.2.4 and 7.2.10: extended transmit descriptors: data, or what the next data means */
union e1000e_tx_desc {
	struct {
		uint64_t address;
		uint32_t cmd;	 /* length, type, command */
		uint32_t status; /* status, options, tag */
	} data;
	struct {
		uint8_t ipcss, ipcso;
		uint16_t ipcse;
		uint8_t tucss, tucso;
		uint16_t tucse;
		uint32_t cmd; /* payload's length, type, command */
		uint8_t status;
		uint8_t hdrlen;
		uint16_t mss;
	} context;
};
_Static_assert(sizeof(union e1000e_tx_desc) == 16, "7.2.10");
_Static_assert(offsetof(union e1000e_tx_desc, data.cmd) == 8, "7.2.10");
_Static_assert(offsetof(union e1000e_tx_desc, data.status) == 12, "7.2.10");
_Static_assert(offsetof(union e1000e_tx_desc, context.tucss) == 4, "7.2.10");
_Static_assert(offsetof(union e1000e_tx_desc, context.cmd) == 8, "7.2.10");
_Static_assert(offsetof(union e1000e_tx_desc, context.mss) == 14, "7.2.10");

/* 7.2.10: commands; those of a context are TCP and IPV4 where those of data are EOP and IFCS */
#define E1000E_TXD_DATA	       (1u << 20)
#define E1000E_TXD_EOP	       (1u << 24)
#define E1000E_TXD_IFCS	       (1u << 25)
#define E1000E_TXD_TSE	       (1u << 26)
#define E1000E_TXD_RS	       (1u << 27) /* report: write DD back */
#define E1000E_TXD_DEXT	       (1u << 29)
#define E1000E_TXD_VLE	       (1u << 30) /* insert the tag */
#define E1000E_TXD_TCP	       (1u << 24)
#define E1000E_TXD_IPV4	       (1u << 25)
#define E1000E_TXD_DD	       (1u << 0)
#define E1000E_TXD_IXSM	       (1u << 8) /* IPv4's checksum is to be inserted */
#define E1000E_TXD_TXSM	       (1u << 9) /* TCP's or UDP's */
#define E1000E_TXD_TAG(tci)    ((uint32_t)(tci) << 16)
#define E1000E_TXD_PAYLOAD_MAX 0xfffffu

#endif

/* SPDX-License-Identifier: MIT */
/*
 * For tests: what is at the other end of the software 82574's wire, and what it does wrong. All are
 * of "model:e1000e" and "model:e1000e:<word>"; any thread.
 */
#ifndef UDRV_MODEL_E1000E_H
#define UDRV_MODEL_E1000E_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct udrv_device;

#define UDRV__E1000E_QUEUES  2u
#define UDRV__E1000E_VECTORS 5u
/* The longest frame on the wire, without its FCS. */
#define UDRV__E1000E_FRAME_MAX 16380u

/* What becomes of a frame on the wire; bits of a descriptor's errors (7.1). */
#define UDRV__E1000E_BAD_CRC	0x01u
#define UDRV__E1000E_BAD_SYMBOL 0x02u
#define UDRV__E1000E_BAD_DATA	0x80u
/* Not padded to 60 bytes, as a sender would. */
#define UDRV__E1000E_SHORT 0x100u

enum udrv__model_e1000e_chip {
	UDRV__E1000E_82574,
	UDRV__E1000E_STUCK,  /* a reset never ends */
	UDRV__E1000E_ABSENT, /* nothing answers */
};

/* So many of what follows; they are used up as they happen. */
enum udrv__model_e1000e_fault {
	UDRV__E1000E_LATE,	   /* frames, of either direction, come 5 ms late */
	UDRV__E1000E_RX_REORDERED, /* write-backs come behind the next one's, or 5 ms later */
	UDRV__E1000E_RX_TWICE,	   /* write-backs come again with the next one's, or 5 ms later */
	UDRV__E1000E_RX_EMPTY,	   /* of length 0 */
	UDRV__E1000E_RX_TOO_LONG,  /* of a length that no buffer has */
	UDRV__E1000E_RX_NO_EOP,	   /* with DD but no EOP */
	UDRV__E1000E_RX_ERRORS,	   /* with all error bits, whatever RCTL.SBP says */
	UDRV__E1000E_RX_ONES,	   /* of ones */
	UDRV__E1000E_TX_FOREIGN,   /* DD is also stored in the descriptor at the tail */
	UDRV__E1000E_TX_SILENT,	   /* sent, without write-back and its interrupt */
	UDRV__E1000E_TX_STUCK,	   /* nothing is sent before so many resets */
	UDRV__E1000E_SPURIOUS,	   /* interrupts without cause; a line until ICR is read so often */
	UDRV__E1000E_LOST,	   /* interrupts that do not come */
	UDRV__E1000E_BAD_ICR,	   /* ICR reads with reserved bits, and without its effects */
	UDRV__E1000E_ONES,	   /* registers read as all ones */
	UDRV__E1000E_NO_PHY,	   /* MDIC ends with its error bit */
	UDRV__E1000E_FLAP,	   /* the link is lost, and found again 5 ms later */
	UDRV__E1000E_FAULTS,
};

/* What it has been told, and has done. */
struct udrv__model_e1000e_state {
	uint32_t icr, ims, rctl, tctl, ctrl;
	bool link; /* STATUS.LU */
	uint16_t rdh[UDRV__E1000E_QUEUES];
	uint16_t tdh[UDRV__E1000E_QUEUES];
	uint64_t rx[UDRV__E1000E_QUEUES];    /* frames that went to memory */
	uint64_t tx;			     /* frames that went to the wire */
	uint64_t missed;		     /* for want of descriptors and of room */
	uint64_t filtered;		     /* not for this station, too long, or bad */
	uint64_t wire_lost;		     /* sent, but not taken in time */
	uint64_t irqs[UDRV__E1000E_VECTORS]; /* messages; of the line the first */
	uint64_t throttled;		     /* held back by ITR and EITR */
	uint64_t resets;		     /* CTRL.RST, and of the function */
	uint64_t faults;		     /* of those that were asked for, not done yet */
};

/*
 * A frame to the card, without FCS, padded to 60 bytes; @how: UDRV__E1000E_BAD_* and so on. False:
 * there is no room on the wire, or it is too long.
 */
bool udrv__model_e1000e_send(struct udrv_device *dev, const void *frame, size_t len);
bool udrv__model_e1000e_send_bad(struct udrv_device *dev, const void *frame, size_t len,
				 unsigned int how);
/*
 * The next frame that it has sent, without FCS: its length, of which at most size is stored; 0:
 * none. Does not wait. Frames that are not taken are lost once they are 1 MiB.
 */
size_t udrv__model_e1000e_receive(struct udrv_device *dev, void *buf, size_t size);
/*
 * A cable between two; both may be closed in any order, then what the other sends is lost. -EBUSY:
 * one has a cable already, or is its own other end. -ENOMEM.
 */
int udrv__model_e1000e_connect(struct udrv_device *a, struct udrv_device *b);
/* Is there anything at the other end? A link needs it, and comes up by negotiation. */
void udrv__model_e1000e_set_link(struct udrv_device *dev, bool up);
/* Until all that it can do now has been done; not what is late, throttled or negotiated. */
void udrv__model_e1000e_settle(struct udrv_device *dev);
void udrv__model_e1000e_look(struct udrv_device *dev, struct udrv__model_e1000e_state *state);
void udrv__model_e1000e_fault(struct udrv_device *dev, enum udrv__model_e1000e_fault fault,
			      unsigned int times);

/* Before it is probed. */

void udrv__model_e1000e_set_chip(struct udrv_device *dev, enum udrv__model_e1000e_chip chip);
void udrv__model_e1000e_set_mac(struct udrv_device *dev, const uint8_t mac[6]);
/* So often the checksum of its NVM is read wrong. */
void udrv__model_e1000e_set_nvm_bad(struct udrv_device *dev, unsigned int times);

#endif

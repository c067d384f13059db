/* SPDX-License-Identifier: MIT */
/* A network card as an interface of the kernel's: a TAP whose other end is the card. */
#ifndef UDRV_SRC_TAP_H
#define UDRV_SRC_TAP_H

#include <linux/virtio_net.h>
#include <net/if.h>
#include <pthread.h>

#include <udrv/net.h>

#include "export/tap_gro.h"
#include "export/tap_pace.h"
#include "sched/adaptive.h"

#define UDRV__TAP_BURST 64
/* Descriptors that the card is asked for: its ring is to be full before the buffers are used up. */
#define UDRV__TAP_TX_RING 256
/* Numbers of questions: not those that others take, by the time. */
#define UDRV__TAP_FIRST_QUESTION 0x80000000u

/* tap_dev.c: the node and the interface. */

/* "/dev/net/tun", or a test's. */
extern const char *udrv__tap_node;

/*
 * Make an interface with so many queues, whose descriptors are in @fds. @name: in: what was asked
 * for, maybe with %d; out: what it is. 0 or negative errno, explained, and there is none.
 */
int udrv__tap_create(char name[IFNAMSIZ], unsigned int queues, uint32_t features, int *fds);
/* 0 or negative errno. */
int udrv__tap_set_address(int fd, const uint8_t *addr);
int udrv__tap_set_carrier(int fd, bool on);
/* As `ethtool` is to show it. */
void udrv__tap_set_speed(int fd, const struct udrv_net_device *ndev);
/* Its name now, if that can be told; false if there is no interface any more. */
bool udrv__tap_name(int fd, char name[IFNAMSIZ]);

/* tap_link.c: what the kernel says of interfaces, and is asked for. */

/* Each time it has got another name since it was asked for by the last one. */
#define UDRV__TAP_RENAMED_TRIES 10

struct udrv__tap_link {
	int index;
	char name[IFNAMSIZ];
	char kind[16]; /* "" for what is no software device */
	uint8_t addr[UDRV_ETH_ALEN];
	bool has_addr;
	bool has_master; /* it is part of a bond, a bridge or the like */
	unsigned int mtu, flags;
	unsigned int promiscuity;
	uint32_t answers; /* the number of the question, or another one */
	bool deleted;
};

/* A descriptor that hears of changes, or negative errno. */
int udrv__tap_link_open(void);
/*
 * 0 or negative errno: the answers are to be read, and have @number. @index or @name, or 0 and
 * NULL: of all.
 */
int udrv__tap_link_ask(int fd, uint32_t number, int index, const char *name);
/*
 * Read what there is, blocking or not; @each is told of each interface, the last time with NULL if
 * the kernel has told all. 0, -EAGAIN, -ENOBUFS: something was missed; or other errno.
 */
int udrv__tap_link_read(int fd, bool block,
			void (*each)(void *ctx, const struct udrv__tap_link *link), void *ctx);
/* The kernel is asked for; 0 stays as it is. */
struct udrv__tap_change {
	unsigned int mtu;
	const uint8_t *addr;
	bool down;
};
int udrv__tap_link_change(int fd, int index, const struct udrv__tap_change *c);

/* Threads. */

enum udrv__tap_phase { UDRV__TAP_PARK, UDRV__TAP_RUN, UDRV__TAP_END };

struct udrv__tap;

/* What was moved: the queue's thread writes it. */
struct udrv__tap_counts {
	uint64_t rx_frames, rx_writes, rx_lost;
	uint64_t tx_frames, tx_lost;
	uint64_t sleeps, spun_ns;
};

struct udrv__tap_queue {
	struct udrv__tap *tap;
	unsigned int index;
	int fd;	     /* of the TAP, non-blocking */
	int kick_fd; /* eventfd: the phase has changed */
	pthread_t thread;
	bool started;
	bool deaf;		  /* the interface is gone: nothing more comes from it */
	struct udrv_net_rxq *rxq; /* while it runs */
	struct udrv_net_txq *txq;
	struct udrv__adaptive adaptive;
	struct udrv__tap_pace pace;
	struct udrv__tap_counts counts;

	/* From the card to the TAP. */
	struct udrv_net_buf *rx[UDRV__TAP_BURST];
	struct udrv__gro_packet packets[UDRV__TAP_BURST];

	/* From the TAP to the card. What a short buffer does not take goes on in a long one. */
	struct udrv_net_pool *short_pool, *long_pool;
	struct udrv_net_buf *next_short, *next_long; /* to read to, or NULL */
	struct udrv_net_buf *tx[UDRV__TAP_BURST];    /* read, and not taken by the card */
	unsigned int tx_count;
	bool starved; /* no buffer to read to */
};

struct udrv__tap {
	struct udrv_net_device *ndev;
	char name[IFNAMSIZ]; /* the control thread's, once there is one */
	char asked[IFNAMSIZ];
	int index; /* of the interface */
	int link_fd;
	uint32_t question; /* the last one, and not what was told unasked, says how it is */
	bool stale;	   /* it is to be asked again */
	int control_fd;	   /* eventfd: something has changed */
	int ended_fd;	   /* the caller's: it has ended by itself */
	uint64_t started_ns;
	pthread_t control;
	bool up;      /* the card is open */
	bool carrier; /* as the kernel was told */
	bool ended;   /* by itself */
	unsigned int rx_flags;
	_Atomic bool stop;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	_Atomic int phase; /* written with the lock */
	unsigned int parked;

	unsigned int queues;
	struct udrv__tap_queue queue[UDRV_NET_QUEUES_MAX];
};

/* tap_queue.c */
/* 0 or negative errno with nothing left; parked. */
int udrv__tap_queues_start(struct udrv__tap *t);
void udrv__tap_queues_stop(struct udrv__tap *t);
/* No thread uses the card any more when it returns. */
void udrv__tap_park(struct udrv__tap *t);
void udrv__tap_run(struct udrv__tap *t);
/* Something has changed: the control thread is to look. Any thread. */
void udrv__tap_wake(struct udrv__tap *t);

/* tap_rx.c: card to TAP. How many frames. */
unsigned int udrv__tap_receive(struct udrv__tap_queue *q);

/* tap_tx.c: TAP to card. */
int udrv__tap_tx_init(struct udrv__tap_queue *q);
void udrv__tap_tx_free(struct udrv__tap_queue *q);
/* How many frames. Does nothing while the card has no room. */
unsigned int udrv__tap_transmit(struct udrv__tap_queue *q);
/* What the kernel says of a frame, for the card. False if it makes no sense. */
bool udrv__tap_tx_offload(struct udrv_net_buf *buf, uint32_t len, const struct virtio_net_hdr *hdr);

/* tap_control.c */
int udrv__tap_control_start(struct udrv__tap *t);
void udrv__tap_control_stop(struct udrv__tap *t);

/* tap.c */
/*
 * Export a card as interface @name. @ended_fd is signalled when it has ended by itself. 0 or
 * negative errno, explained, with nothing left.
 */
int udrv__tap_start(struct udrv_net_device *ndev, const char *name, int ended_fd,
		    struct udrv__tap **out);
void udrv__tap_stop(struct udrv__tap *t);
/* The carrier of the card has changed. Any thread. */
void udrv__tap_carrier(struct udrv__tap *t);
/* Could it be a name? -EINVAL, explained. */
int udrv__tap_check_name(const char *name);

#endif

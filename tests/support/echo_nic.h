/* SPDX-License-Identifier: MIT */
/*
 * A network card in memory, for tests of what uses one. What is sent comes back, or goes over a
 * wire to another one, maybe of another process. It does in software what cards do in hardware.
 */
#ifndef TESTS_SUPPORT_ECHO_NIC_H
#define TESTS_SUPPORT_ECHO_NIC_H

#include <pthread.h>

#include <udrv/net.h>

#define ECHO_NIC_FIFO 1024

/*
 * @tx_ring: frames that have been sent are kept until echo_nic_complete(), at most so many; 0: none
 * @wire: the path of a socket, and of the other card's, which are made; NULL: it echoes
 * @deaf: what is sent goes nowhere
 * @no_event: rx_event_fd() and tx_event_fd() are -EOPNOTSUPP
 * @drop_every: each so manieth frame that is received is lost; 0: none
 */
struct echo_nic_options {
	unsigned int queues;
	unsigned int max_mtu;
	uint32_t features;
	unsigned int tx_ring;
	const char *wire[2];
	bool deaf, no_event;
	unsigned int drop_every;
};

#define ECHO_NIC_OPTIONS_DEFAULT                                                                   \
	{                                                                                          \
		.queues = 2, .max_mtu = 9000,                                                      \
		.features = UDRV_NET_F_TX_CSUM | UDRV_NET_F_TSO | UDRV_NET_F_RX_CSUM               \
	}

struct echo_nic_queue {
	struct udrv_net_rxq rx;
	struct udrv_net_txq tx;
	struct echo_nic *nic;
	pthread_mutex_t lock;
	struct udrv_net_buf *fifo[ECHO_NIC_FIFO]; /* received */
	unsigned int head, tail;
	struct udrv_net_buf *ring[ECHO_NIC_FIFO]; /* sent */
	unsigned int in_ring, completed;
	bool open, rx_armed, tx_armed;
	int rx_fd, tx_fd;
};

struct echo_nic {
	struct udrv_net_device ndev;
	struct echo_nic_options o;
	struct udrv_net_pool *pool; /* while it is open */
	struct echo_nic_queue queue[UDRV_NET_QUEUES_MAX];
	int wire_fd, stop_fd;
	pthread_t thread;
	unsigned long received;
	/* What has been called; atomic. */
	unsigned int opens, refusals, stops, rx_modes, addresses, vids;
	unsigned int opened_mtu, rx_flags;
	/* The next such calls fail. */
	int open_error, address_error;
};

/* Not registered. @dev may be NULL. @unit: for its address. 0 or negative errno. */
int echo_nic_init(struct echo_nic *nic, struct udrv_device *dev, const char *name, uint8_t unit,
		  const struct echo_nic_options *options);
void echo_nic_free(struct echo_nic *nic);
/* A frame comes from outside, if it is open; lost if there is no room. */
void echo_nic_receive(struct echo_nic *nic, unsigned int queue, const void *frame, size_t len);
/* Does the user of the queue sleep until a frame comes? */
bool echo_nic_armed(struct echo_nic *nic, unsigned int queue);
/* So many of the frames that are kept have been sent. */
void echo_nic_complete(struct echo_nic *nic, unsigned int queue, unsigned int n);

#endif

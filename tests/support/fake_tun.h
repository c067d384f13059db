/* SPDX-License-Identifier: MIT */
/*
 * The kernel's TUN and its interfaces, without the kernel: calls to the node and to rtnetlink end
 * here (support/fault.h). Frames are messages of socket pairs.
 */
#ifndef TESTS_SUPPORT_FAKE_TUN_H
#define TESTS_SUPPORT_FAKE_TUN_H

#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_TUN_INDEX 7

struct fake_tun {
	/* What fails: errno of TUNSETIFF, of each time; of the node. */
	int create_errno, node_errno;
	/* Another interface that is there: its name, "" for none. */
	char other[IFNAMSIZ], other_kind[16];
	uint8_t other_addr[6];
	int other_master; /* the index of what it is part of, 0: nothing */

	bool exists;
	char name[IFNAMSIZ];
	char rename[IFNAMSIZ]; /* what somebody calls it right before the next question; "": nobody
				*/
	char rename_early[IFNAMSIZ]; /* likewise right before another queue is asked for */
	unsigned int strays; /* interfaces that were made by a name that is not ours any more */
	uint8_t addr[6];
	unsigned int mtu, flags, promiscuity, queues;
	unsigned long offload;
	bool carrier;
	unsigned int creates, carriers, asked_down;
};

/* Read and written with the lock. */
extern struct fake_tun fake_tun;

void fake_tun_start(void);
void fake_tun_stop(void);
void fake_tun_lock(void);
void fake_tun_unlock(void);
/* Somebody does it: the change is told. */
void fake_tun_tell(void);
void fake_tun_up(bool up);
void fake_tun_delete(void);
/* To another network namespace. */
void fake_tun_move(void);
/* The kernel sends a frame. */
void fake_tun_put(unsigned int queue, const struct virtio_net_hdr *hdr, const void *frame,
		  size_t len);
/* What it was given next: how long; waits for 20 s at most, then it ends the test. */
size_t fake_tun_get(unsigned int queue, struct virtio_net_hdr *hdr, void *frame, size_t size);
/* Was it given something? */
bool fake_tun_has(unsigned int queue);

#endif

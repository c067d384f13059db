/* SPDX-License-Identifier: MIT */
/*
 * A device bound to uio_pci_generic: its node /dev/uio<N> for INTx, and what sysfs has of every
 * PCI device: `config`, `resource<N>`, `reset`.
 */
#ifndef UDRV_UIO_H
#define UDRV_UIO_H

#include <pthread.h>

#include "backend/backend.h"

#define UDRV__UIO_DRIVER "uio_pci_generic"

/* A BAR as far as it is in use. */
struct udrv__uio_bar {
	int ports; /* ports: descriptor of resource<N>; -1 */
	void *map; /* memory: whole pages, NULL */
	size_t map_len;
	char *regs;   /* where the BAR begins in them */
	bool trapped; /* it begins inside a page, which it may share with others */
};

struct udrv__uio {
	struct udrv_device *dev;
	int node; /* number of /dev/uio<N> */
	int fd;	  /* /dev/uio<N> */
	int config;
	uint64_t config_len;
	int nothing; /* a file without a byte: a mapping of it faults */
	bool has_intx;

	pthread_mutex_t lock; /* what follows, and INTX_DISABLE */
	struct udrv__uio_bar bars[UDRV_PCI_STD_NUM_BARS];
	uint16_t command; /* without INTX_DISABLE */
	int line_fd;	  /* eventfd of INTx, -1: off */
	int request_fd;	  /* eventfd of UDRV_EVENT_REQUEST */

	bool watched;
	pthread_t watcher;
	int stop_fd; /* tells the watcher to end */
};

/* uio_open.c: the node of a function and its configuration space, opened and explained. */
int udrv__uio_open_files(struct udrv__uio *uio);
void udrv__uio_close_files(struct udrv__uio *uio);

/* uio_config.c: the backend's config_read and config_write. */
int udrv__uio_config_read(struct udrv_device *dev, unsigned int where, unsigned int size,
			  uint32_t *val);
int udrv__uio_config_write(struct udrv_device *dev, unsigned int where, unsigned int size,
			   uint32_t val);
/* uio_config.c: bus mastering and INTx off, as they were found or not. */
int udrv__uio_quiesce(struct udrv__uio *uio);
/* uio_config.c: let INTx fire, or not. With uio->lock. */
int udrv__uio_set_intx(const struct udrv__uio *uio, bool on);

/* uio_bar.c: the backend's bar_map, bar_unmap, bar_read and bar_write; the end of all BARs. */
int udrv__uio_bar_map(struct udrv_device *dev, unsigned int index);
void udrv__uio_bar_unmap(struct udrv_device *dev, unsigned int index);
int udrv__uio_bar_read(struct udrv_device *dev, unsigned int index, uint64_t offset,
		       unsigned int size, uint64_t *val);
int udrv__uio_bar_write(struct udrv_device *dev, unsigned int index, uint64_t offset,
			unsigned int size, uint64_t val);
void udrv__uio_bars_end(struct udrv__uio *uio);
/* uio_bar.c: mapped registers fault from now on. With uio->lock. */
void udrv__uio_bars_revoke(struct udrv__uio *uio);

/* uio_watch.c: forward INTx, and tell when the device goes. 0 or negative errno. */
int udrv__uio_watch_start(struct udrv__uio *uio);
void udrv__uio_watch_stop(struct udrv__uio *uio);

#endif

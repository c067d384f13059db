/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Moving a device between drivers, and back to where it was. */
#ifndef UDRV_BENCH_HOME_H
#define UDRV_BENCH_HOME_H

#include <stdbool.h>

#include <udrv/pci_info.h>

struct bench_home {
	struct udrv_pci_info was;
	bool moved;
};

/* Reads where the device is. 0, or negative errno with a message. */
int bench_home_find(struct bench_home *home, const char *device);

/* May it be moved? Before the first time: a user that comes later is the kernel's to refuse. */
int bench_home_check(const struct bench_home *home);

/* 0, or negative errno with a message; the device may then be without a driver until restored. */
int bench_home_move(struct bench_home *home, const char *driver);

/* Back to the driver and the override that it was found with. 0, or negative errno with a message.
 */
int bench_home_restore(struct bench_home *home);

#endif

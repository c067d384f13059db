// SPDX-License-Identifier: MIT
/* The program udrv-uart16550: daemon and client. */
#include "uart16550.h"

UDRV_DRIVER_MAIN(uart16550_driver)

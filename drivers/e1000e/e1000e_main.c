// SPDX-License-Identifier: MIT
/* The program udrv-e1000e: daemon and client. */
#include "e1000e.h"

UDRV_DRIVER_MAIN(e1000e_driver)

// SPDX-License-Identifier: MIT
/* The program udrv-nvme: daemon and client. */
#include "nvme_driver.h"

UDRV_DRIVER_MAIN(nvme_driver)

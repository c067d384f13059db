// SPDX-License-Identifier: MIT
/* The program udrv-edu: daemon and client. */
#include "edu.h"

UDRV_DRIVER_MAIN(edu_driver)

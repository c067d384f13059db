#!/bin/sh
# SPDX-License-Identifier: MIT
# Users of the kernel stub are killed in the middle of DMA. Device: edu.
set -e
modprobe udrv_stub
exec test_stub_death

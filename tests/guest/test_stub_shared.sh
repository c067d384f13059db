#!/bin/sh
# SPDX-License-Identifier: MIT
# What users of the kernel stub share: a line with another driver, a BAR, and its locks. Devices:
# two edu on one interrupt line.
set -e
modprobe udrv_stub
modprobe udrv_irqbench
test_stub_claims
test_stub_waits
test_stub_line

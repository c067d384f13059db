#!/bin/sh
# SPDX-License-Identifier: MIT
# The device, or the module, goes while users are at work. Devices: edu, and behind a port edu with
# the id victim.
set -e
modprobe udrv_stub
exec test_stub_removal

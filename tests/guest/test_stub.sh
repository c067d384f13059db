# SPDX-License-Identifier: MIT
# The kernel stub as a user of its nodes sees it. Device: edu.
set -e
modprobe udrv_stub
exec test_stub

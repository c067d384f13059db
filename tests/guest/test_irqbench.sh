# SPDX-License-Identifier: MIT
# The in-kernel benchmark driver as a user sees it. Devices: edu, and one that is not.
set -e
modprobe udrv_irqbench
exec test_irqbench

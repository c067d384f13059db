#!/bin/sh
# SPDX-License-Identifier: MIT
# Every public call with a kernel counterpart has its line in <udrv/kernel.h>; usage: kernel_names.sh CC
set -eu
include=$(dirname "$0")/../../lib/include
header=$include/udrv/kernel.h

# Calls that the kernel does not have, or has in another form.
own='block_.*|net_.*|hist_.*|uart_port_.*|uart_tx_pending|device_.*|driver_.*|verb_.*|log|log_.*|dev_log|wait_name|wait_parse|irq_set_options|irq_get_options|irq_set_affinity|irq_get_stats
pci_irq_type|bar_direct|pci_parse_name|pci_info_.*|pci_for_each|iommu_group_.*
request_region|release_region|devm_request_region|dma_publish|dma_consume|dma_mb|mmio_.*|iomem_port|barrier|get_cycles_hz
irqreturn_t|request_irq_fd|task_interrupt|irq_share|irq_stamp|irq_hard_stamp|irq_set_storm_limit|irq_work_cancel_sync
irq_work_queue_delayed|kmem_cache_set_limit|kmem_cache_get_stats|dma_shrink|dma_look_up|dma_share|dma_register|dma_unregister|may_spin'
own=$(echo "$own" | paste -sd'|')

missing=0
calls=$(echo '#include <udrv/udrv.h>' | "$1" -E -P -I"$include" - |
	grep -oE '\budrv_[a-z][a-z0-9_]*[[:space:]]*\(' | tr -d ' (' | sort -u)
for call in $calls; do
	name=${call#udrv_}
	echo "$name" | grep -qxE "$own" && continue
	grep -qE "^#define [A-Za-z0-9_]+[[:space:]]+$call$" "$header" || {
		echo "kernel_names: $call has no line in udrv/kernel.h"
		missing=1
	}
done
echo "kernel_names: $(echo "$calls" | wc -l) calls looked at"
exit $missing

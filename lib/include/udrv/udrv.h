/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Everything a driver needs.
 */
#ifndef UDRV_UDRV_H
#define UDRV_UDRV_H

#include <udrv/atomic.h>
#include <udrv/barrier.h>
#include <udrv/bitops.h>
#include <udrv/block.h>
#include <udrv/completion.h>
#include <udrv/container_of.h>
#include <udrv/cycles.h>
#include <udrv/delay.h>
#include <udrv/device.h>
#include <udrv/devres.h>
#include <udrv/dma.h>
#include <udrv/dmapool.h>
#include <udrv/driver.h>
#include <udrv/err.h>
#include <udrv/gfp.h>
#include <udrv/hist.h>
#include <udrv/io.h>
#include <udrv/irq.h>
#include <udrv/irq_work.h>
#include <udrv/irqflags.h>
#include <udrv/jiffies.h>
#include <udrv/kfifo.h>
#include <udrv/kmalloc.h>
#include <udrv/kref.h>
#include <udrv/kthread.h>
#include <udrv/ktime.h>
#include <udrv/list.h>
#include <udrv/log.h>
#include <udrv/mutex.h>
#include <udrv/net.h>
#include <udrv/page.h>
#include <udrv/pci.h>
#include <udrv/pci_info.h>
#include <udrv/poll.h>
#include <udrv/rwsem.h>
#include <udrv/scatterlist.h>
#include <udrv/sched.h>
#include <udrv/semaphore.h>
#include <udrv/slab.h>
#include <udrv/spinlock.h>
#include <udrv/timer.h>
#include <udrv/tty.h>
#include <udrv/types.h>
#include <udrv/vmalloc.h>
#include <udrv/wait.h>
#include <udrv/workqueue.h>

#endif

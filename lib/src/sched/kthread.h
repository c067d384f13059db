/* SPDX-License-Identifier: MIT */
#ifndef UDRV_SRC_KTHREAD_H
#define UDRV_SRC_KTHREAD_H

#include "sched/task.h"

/* Let a kthread begin that was created and not started. false: it has begun already. */
bool udrv__kthread_start(struct udrv_task *task);

#endif

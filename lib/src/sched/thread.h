/* SPDX-License-Identifier: MIT */
/* Threads of the framework. */
#ifndef UDRV_SRC_THREAD_H
#define UDRV_SRC_THREAD_H

#include <pthread.h>

/*
 * Start a thread that takes no asynchronous signals: those are the program's own business. Faults
 * belong to the thread they hit. 0 or negative errno.
 */
int udrv__thread_create(pthread_t *thread, void *(*fn)(void *), void *arg);

#endif

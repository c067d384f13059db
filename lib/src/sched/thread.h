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

/*
 * For the thread itself: its name (15 bytes are shown), normal priority and the CPUs of the
 * process, whatever the thread has that happened to start it: an interrupt worker's priority and
 * CPU, say.
 */
void udrv__thread_begin(const char *name);

#endif

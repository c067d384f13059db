/* SPDX-License-Identifier: MIT */
/*
 * The pace of a thread that has one CPU together with those whose frames it moves. It comes before
 * them, as the kernel's drivers do: else a sender goes on until its time is over, and all that it
 * has sent reaches a receiver at once, which has no room for it. And it does not wake up for each
 * frame of a stream, as cards do not interrupt for each.
 *
 * Where there are more CPUs it does neither: it looks before it sleeps (sched/adaptive.h).
 */
#ifndef UDRV_SRC_TAP_PACE_H
#define UDRV_SRC_TAP_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* So long frames of a stream gather in the TAP. */
#define UDRV__TAP_GATHER_NS 200000
/* So many would. */
#define UDRV__TAP_GATHER_FRAMES 4
/* So many waits say that it is a stream, and it is one until as many say otherwise. */
#define UDRV__TAP_GATHER_AFTER 4
#define UDRV__TAP_STREAK_MOST  8
/* So many frames, or looks for some, without sleep: others have waited 2 to 4 ms, and it goes on as
 * one of them. */
#define UDRV__TAP_AHEAD_FRAMES 512

struct udrv__tap_pace {
	bool shares;		     /* the one CPU */
	bool permitted;		     /* SCHED_FIFO */
	bool ahead;		     /* by SCHED_FIFO, now */
	unsigned int moved;	     /* since it slept */
	unsigned int sent, received; /* since it waited last */
	uint64_t waited_ns;
	unsigned int streak; /* waits after which frames would have gathered */
};

/* The thread itself calls all of them. */
void udrv__tap_pace_begin(struct udrv__tap_pace *p);
/* What it has moved; maybe nothing. */
void udrv__tap_pace_moved(struct udrv__tap_pace *p, unsigned int sent, unsigned int received);
/*
 * It is about to wait: is it to leave the TAP alone for UDRV__TAP_GATHER_NS? Only if frames are
 * sent that nobody answers: else one may be what an answer is waiting for.
 */
bool udrv__tap_pace_gathers(struct udrv__tap_pace *p, uint64_t now_ns);
/* It has slept. */
void udrv__tap_pace_slept(struct udrv__tap_pace *p);

#endif

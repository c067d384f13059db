// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <sched.h>

#include <udrv/sched.h>

#include "export/tap_pace.h"

static int set_policy(int policy)
{
	const struct sched_param param = {.sched_priority = policy == SCHED_FIFO};

	return pthread_setschedparam(pthread_self(), policy, &param);
}

static void set_ahead(struct udrv__tap_pace *p, bool ahead)
{
	if (p->ahead == ahead || p->forbidden)
		return;
	if (!set_policy(ahead ? SCHED_FIFO : SCHED_OTHER))
		p->ahead = ahead;
	else if (ahead)
		p->forbidden = true;
}

void udrv__tap_pace_begin(struct udrv__tap_pace *p)
{
	*p = (struct udrv__tap_pace){.shares = !udrv_may_spin()};
}

void udrv__tap_pace_moved(struct udrv__tap_pace *p, unsigned int sent, unsigned int received)
{
	p->sent += sent;
	p->received += received;
	/* To find nothing takes its time, too: broken frames only, say. */
	p->moved += sent + received ? sent + received : 1;
	if (p->moved >= UDRV__TAP_AHEAD_FRAMES)
		set_ahead(p, false);
}

/* Frames go one way, or there is one for less than so many the other way. */
static void look_which_way(struct udrv__tap_pace *p)
{
	const unsigned int out = p->out += p->sent;
	const unsigned int in = p->in += p->received;

	if (++p->waits < UDRV__TAP_WAY_WAITS)
		return;
	p->one_way = out / UDRV__TAP_WAY_RATIO > in || in / UDRV__TAP_WAY_RATIO > out;
	p->waits = p->out = p->in = 0;
}

/* Would enough of them come meanwhile, at the rate since it waited last? */
static bool is_stream(const struct udrv__tap_pace *p, uint64_t ns)
{
	return (uint64_t)p->sent * UDRV__TAP_GATHER_NS >= UDRV__TAP_GATHER_FRAMES * ns;
}

static void look_whether_stream(struct udrv__tap_pace *p, uint64_t ns)
{
	if (p->received)
		p->streak = 0;
	else if (p->sent && is_stream(p, ns))
		p->streak += p->streak < UDRV__TAP_STREAK_MOST;
	else if (p->sent)
		p->streak -= p->streak > 0;
}

bool udrv__tap_pace_gathers(struct udrv__tap_pace *p, uint64_t now_ns)
{
	const bool nothing = !p->sent && !p->received;

	if (!p->shares)
		return false;
	look_which_way(p);
	look_whether_stream(p, now_ns - p->waited_ns);
	p->waited_ns = now_ns;
	p->sent = p->received = 0;
	return !nothing && p->streak >= UDRV__TAP_GATHER_AFTER;
}

void udrv__tap_pace_slept(struct udrv__tap_pace *p)
{
	p->moved = 0;
	set_ahead(p, p->one_way);
}

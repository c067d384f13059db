// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <sched.h>

#include <udrv/sched.h>

#include "export/tap_pace.h"

static bool set_policy(int policy)
{
	const struct sched_param param = {.sched_priority = policy == SCHED_FIFO};

	return !pthread_setschedparam(pthread_self(), policy, &param);
}

void udrv__tap_pace_begin(struct udrv__tap_pace *p)
{
	*p = (struct udrv__tap_pace){.shares = !udrv_may_spin()};
	p->permitted = p->ahead = p->shares && set_policy(SCHED_FIFO);
}

void udrv__tap_pace_moved(struct udrv__tap_pace *p, unsigned int sent, unsigned int received)
{
	p->sent += sent;
	p->received += received;
	/* To find nothing takes its time, too: broken frames only, say. */
	p->moved += sent + received ? sent + received : 1;
	if (!p->ahead || p->moved < UDRV__TAP_AHEAD_FRAMES)
		return;
	p->ahead = !set_policy(SCHED_OTHER);
}

/* Would enough of them come meanwhile, at the rate since it waited last? */
static bool is_stream(const struct udrv__tap_pace *p, uint64_t ns)
{
	return (uint64_t)p->sent * UDRV__TAP_GATHER_NS >= UDRV__TAP_GATHER_FRAMES * ns;
}

bool udrv__tap_pace_gathers(struct udrv__tap_pace *p, uint64_t now_ns)
{
	const bool stream = is_stream(p, now_ns - p->waited_ns);
	const unsigned int sent = p->sent, received = p->received;

	if (!p->shares)
		return false;
	p->waited_ns = now_ns;
	p->sent = p->received = 0;
	if (received)
		p->streak = 0;
	else if (!sent)
		return false;
	else if (stream)
		p->streak += p->streak < UDRV__TAP_STREAK_MOST;
	else
		p->streak -= p->streak > 0;
	return p->streak >= UDRV__TAP_GATHER_AFTER;
}

void udrv__tap_pace_slept(struct udrv__tap_pace *p)
{
	p->moved = 0;
	if (p->permitted && !p->ahead)
		p->ahead = set_policy(SCHED_FIFO);
}

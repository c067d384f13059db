// SPDX-License-Identifier: MIT
/* The clock behind <udrv/poll.h>. */
#include <time.h>

#include <udrv/poll.h>

#define NSEC_PER_USEC UINT64_C(1000)
#define NSEC_PER_SEC  UINT64_C(1000000000)

static uint64_t now_ns(void)
{
	struct timespec ts;

	/* Cannot fail: the clock exists on every Linux and the pointer is ours. */
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* from plus us, or the end of time. */
static uint64_t later_ns(uint64_t from, uint64_t us)
{
	uint64_t ns;

	if (__builtin_mul_overflow(us, NSEC_PER_USEC, &ns) || __builtin_add_overflow(from, ns, &ns))
		return UINT64_MAX;
	return ns;
}

uint64_t udrv__poll_deadline_ns(uint64_t timeout_us)
{
	return timeout_us ? later_ns(now_ns(), timeout_us) : UINT64_MAX;
}

int udrv__poll_expired(uint64_t deadline_ns)
{
	return deadline_ns != UINT64_MAX && now_ns() >= deadline_ns;
}

void udrv__poll_sleep(uint64_t sleep_us, uint64_t deadline_ns)
{
	uint64_t until;
	struct timespec ts;

	if (!sleep_us)
		return;
	until = later_ns(now_ns(), sleep_us);
	if (until > deadline_ns)
		until = deadline_ns;
	ts.tv_sec = (time_t)(until / NSEC_PER_SEC);
	ts.tv_nsec = (long)(until % NSEC_PER_SEC);
	(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

void udrv__poll_delay(uint64_t delay_us, uint64_t deadline_ns)
{
	uint64_t until;

	if (!delay_us)
		return;
	until = later_ns(now_ns(), delay_us);
	if (until > deadline_ns)
		until = deadline_ns;
	while (now_ns() < until)
		udrv_cpu_relax();
}

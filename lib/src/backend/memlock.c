// SPDX-License-Identifier: MIT
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <udrv/log.h>

#include "backend/memlock.h"

/* A number behind @key in /proc/self/status; 0 if it is not there. */
static unsigned long long own_status(const char *key, int base)
{
	char line[256];
	unsigned long long value = 0;
	FILE *f = fopen("/proc/self/status", "re");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			value = strtoull(line + strlen(key), NULL, base);
	if (f)
		(void)fclose(f);
	return value;
}

size_t udrv__memlock_used(void)
{
	return own_status("VmLck:", 10) * 1024;
}

bool udrv__memlock_allows(size_t len)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) || len <= limit.rlim_cur)
		return true;
	return own_status("CapEff:", 16) >> CAP_IPC_LOCK & 1;
}

bool udrv__memlock_explain(const char *name, size_t used, size_t len, const char *hint)
{
	struct rlimit limit;
	unsigned long long need;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur == RLIM_INFINITY)
		return false;
	need = used / 1024 + (len + 1023) / 1024;
	udrv_pr_err("%s: cannot pin %zu bytes for DMA: RLIMIT_MEMLOCK is %llu bytes, %zu KiB are "
		    "locked%s; raise it (ulimit -l %llu, or LimitMEMLOCK=%lluK in the unit)",
		    name, len, (unsigned long long)limit.rlim_cur, used / 1024, hint, need, need);
	return true;
}

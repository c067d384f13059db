// SPDX-License-Identifier: GPL-2.0-or-later
/* What must be known beside a latency figure. */
#include "bench/bench.h"
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

/* The first bytes of a small file as text; "" when it cannot be read. */
static void read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = -1;

	if (fd >= 0) {
		len = read(fd, text, size - 1);
		close(fd);
	}
	text[len > 0 ? len : 0] = '\0';
}

static bool has_word(char *text, const char *word)
{
	char *rest = NULL;

	for (char *w = strtok_r(text, " \n", &rest); w; w = strtok_r(NULL, " \n", &rest))
		if (!strcmp(w, word))
			return true;
	return false;
}

static bool under_tcg(void)
{
#if defined(__x86_64__)
	unsigned int a, b, c, d;
	char signature[13] = "";

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1u << 31))
		return false;
	__cpuid(0x40000000, a, b, c, d);
	memcpy(signature, &b, 4);
	memcpy(signature + 4, &c, 4);
	memcpy(signature + 8, &d, 4);
	return !strcmp(signature, "TCGTCGTCGTCG");
#else
	return false;
#endif
}

int bench_machine_read(enum bench_clock clock, struct bench_machine *machine)
{
	struct utsname name;
	char text[4096];

	(void)uname(&name);
	(void)snprintf(machine->kernel, sizeof(machine->kernel), "%s", name.release);
	read_text("/sys/kernel/realtime", text, sizeof(text));
	machine->preempt_rt = text[0] == '1' || strstr(name.version, "PREEMPT_RT");
	read_text("/proc/cmdline", text, sizeof(text));
	machine->threadirqs = has_word(text, "threadirqs");
	machine->cpus = sysconf(_SC_NPROCESSORS_ONLN);
	machine->tcg = under_tcg();
	if (bench_clock_khz(clock, &machine->counter_khz)) {
		tool_err("the CPU's counter does not run; nothing to measure with");
		return -EIO;
	}
	return 0;
}

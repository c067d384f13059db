// SPDX-License-Identifier: MIT
/*
 * Fuzzes udrv_stub's nodes of one device, as root in a guest whose kernel tells what goes wrong.
 * usage: fuzz_stub [--seed N] [--calls N] [--seconds N] [--rebind] ADDRESS
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"

#define ROUNDS 4 /* of model and race, at least */

static void usage(void)
{
	fprintf(stderr, "usage: fuzz_stub [--seed N] [--calls N] [--seconds N] [--rebind] "
			"ADDRESS\n"
			"  --seed N     of the random numbers (1)\n"
			"  --calls N    end after so many (200000)\n"
			"  --seconds N  end after so long, whatever --calls says (600)\n"
			"  --rebind     meanwhile the device is unbound, removed and bound again, "
			"and the module unloaded\n");
	exit(2);
}

static unsigned long number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 0);

	if (end == text || *end)
		usage();
	return value;
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{"seed", required_argument, NULL, 's'},
		{"calls", required_argument, NULL, 'c'},
		{"seconds", required_argument, NULL, 't'},
		{"rebind", no_argument, NULL, 'r'},
		{NULL, 0, NULL, 0},
	};
	int option;

	fuzz.seed = 1;
	fuzz.calls = 200000;
	fuzz.seconds = 600;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 's')
			fuzz.seed = number(optarg);
		else if (option == 'c')
			fuzz.calls = number(optarg);
		else if (option == 't')
			fuzz.seconds = (unsigned int)number(optarg);
		else if (option == 'r')
			fuzz.rebind = true;
		else
			usage();
	}
	if (optind != argc - 1 || strlen(argv[optind]) >= sizeof(fuzz.address))
		usage();
	strcpy(fuzz.address, argv[optind]);
}

/* In a process of its own, so that the kernel cleans up after it. */
static void phase(void (*run)(uint64_t, unsigned long, uint64_t), uint64_t seed,
		  unsigned long calls, uint64_t deadline_ms)
{
	int status;
	pid_t pid;

	atomic_store(&fuzz.shared->stop, 0);
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		fuzz_fail("fork");
	if (pid == 0) {
		run(seed, calls, deadline_ms);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		fuzz_fail("a phase ended with wait status %#x", (unsigned int)status);
}

static void run(uint64_t deadline_ms)
{
	struct fuzz_rng rng = {fuzz.seed};
	unsigned long share = fuzz.calls / (2 * ROUNDS);

	while (atomic_load(&fuzz.shared->calls) < fuzz.calls && fuzz_now_ms() < deadline_ms) {
		/* Its model is without the administrator; last, it shows that all still works. */
		phase(fuzz_race, fuzz_u64(&rng), share, deadline_ms);
		fuzz_attach();
		phase(fuzz_model, fuzz_u64(&rng), fuzz.rebind ? share / 8 + 1000 : share,
		      deadline_ms);
	}
}

int main(int argc, char **argv)
{
	unsigned int never;
	uint64_t start;

	parse(argc, argv);
	fuzz.shared = mmap(NULL, sizeof(*fuzz.shared), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (fuzz.shared == MAP_FAILED)
		return 1;
	fuzz.inject = access("/proc/self/fail-nth", W_OK) == 0;
	printf("seed %llu, %lu calls%s, %s\n", (unsigned long long)fuzz.seed, fuzz.calls,
	       fuzz.rebind ? ", with rebinding" : "",
	       fuzz.inject ? "allocations made to fail" : "no failures of allocations");
	fuzz_guard_init();
	fuzz_attach();
	start = fuzz_now_ms();
	run(start + fuzz.seconds * 1000ull);
	fuzz_print_results();
	printf("%lu calls in %.1f s\n", atomic_load(&fuzz.shared->calls),
	       (double)(fuzz_now_ms() - start) / 1000);
	never = fuzz_never();
	return never ? 1 : 0;
}

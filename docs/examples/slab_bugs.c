// SPDX-License-Identifier: MIT
/* Mistakes with objects of a cache, for docs/howto/memory-debugging.md. The tests run each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <udrv/udrv.h>

struct request {
	uint64_t sector;
	char data[48];
};

static struct udrv_kmem_cache *requests;

/* Not static, and the program is linked with -rdynamic: so reports can name them. */
#define NAMED __attribute__((noinline))
NAMED struct request *submit(uint64_t sector);
NAMED void finish(struct request *r);

struct request *submit(uint64_t sector)
{
	struct request *r = udrv_kmem_cache_alloc(requests, UDRV_GFP_KERNEL);

	if (!r)
		exit(EXIT_FAILURE);
	r->sector = sector;
	memset(r->data, 'd', sizeof(r->data));
	return r;
}

void finish(struct request *r)
{
	udrv_kmem_cache_free(requests, r);
	printf("finished\n");
}

static void use_after_free(void)
{
	struct request *r = submit(1);

	finish(r);
	r->sector = 2;
}

static void overrun(void)
{
	struct request *r = submit(1);
	volatile char *data = r->data;

	for (size_t i = 0; i <= sizeof(r->data); i++)
		data[i] = 'x';
	finish(r);
}

static void double_free(void)
{
	struct request *r = submit(1);

	finish(r);
	finish(r);
}

static void leak(void)
{
	for (uint64_t i = 0; i < 3; i++)
		(void)submit(i);
}

static void fine(void)
{
	for (uint64_t i = 0; i < 1000; i++)
		finish(submit(i));
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} bugs[] = {{"use-after-free", use_after_free},
		    {"overrun", overrun},
		    {"double-free", double_free},
		    {"leak", leak},
		    {"fine", fine}};

	udrv_log_set(udrv_log_stderr, NULL, UDRV_LOG_INFO);
	requests =
		udrv_kmem_cache_create(NULL, "requests", sizeof(struct request), 0, 0, NULL, NULL);
	if (!requests)
		return EXIT_FAILURE;
	for (size_t i = 0; i < sizeof(bugs) / sizeof(bugs[0]); i++)
		if (argc > 1 && !strcmp(argv[1], bugs[i].name))
			bugs[i].run();
	return udrv_kmem_cache_destroy(requests) ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: MIT */
/* The model of what the kernel granted, for the files of fuzz_model*.c. */
#ifndef FUZZ_MODEL_H
#define FUZZ_MODEL_H

#include "fuzz.h"

#define MODEL_FILES   3
#define MODEL_UIOS    2
#define MODEL_MAPS    16
#define MODEL_DMAS    16
#define MODEL_CLAIMS  (UDRV_STUB_CLAIMS_MAX + 32)
#define MODEL_VECTORS 64
#define MODEL_SLOT    4 /* pages of user memory for each DMA mapping */

#define MODEL_WAIT_MS 60000 /* for an interrupt, which comes within microseconds */

#define MODEL_NOBODY (-1)
#define MODEL_UIO    MODEL_FILES /* irq_owner: the UIO node */

struct model_map {
	uint8_t *addr; /* NULL: unused */
	size_t size;
	int file; /* or MODEL_UIO + its number */
	int bar;  /* -1: no BAR */
	bool wc;
	bool vectors;
	int dma; /* -1: none */
	bool writable;
	bool split; /* into VMAs, which do not merge again */
};

struct model_dma {
	int file; /* MODEL_NOBODY: unused */
	bool pinned;
	uint64_t handle, bus, size;
	uint32_t stamp; /* what its first word holds, 0 at first */
};

struct model_claim {
	int file;
	uint32_t bar;
	uint64_t offset, len;
	char name[UDRV_STUB_NAME_MAX];
};

struct model {
	struct fuzz_rng rng;
	int files[MODEL_FILES]; /* -1: closed */
	int uios[MODEL_UIOS];
	int irq_owner;
	uint32_t irq_type, irq_count;
	int eventfds[MODEL_VECTORS]; /* -1: closed, or none */
	struct model_map maps[MODEL_MAPS];
	struct model_dma dmas[MODEL_DMAS];
	struct model_claim claims[MODEL_CLAIMS];
	unsigned int claim_count;
	uint8_t *memory;    /* MODEL_DMAS slots, for DMA mappings */
	uint8_t *no_access; /* a page */
	uint8_t *read_only; /* a page */
	int null;	    /* /dev/null, which is no eventfd */
	unsigned int serial;
};

/* Fails unless @result is one of the values given. */
#define EXPECT(result, ...)                                                                        \
	model_expect(__func__, __LINE__, (result), (const long[]){__VA_ARGS__},                    \
		     sizeof((const long[]){__VA_ARGS__}) / sizeof(long))
void model_expect(const char *function, int line, long result, const long *allowed, size_t count);

#define MODEL_CHECK(condition)                                                                     \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fuzz_fail("%s:%d: not so: %s", __func__, __LINE__, #condition);            \
	} while (0)

/* An open file; there always is one. */
int model_any_file(struct model *m);
unsigned int model_users(const struct model *m);
/* ioctl(), at times with failing allocations first, after which it must work as if never called. */
long model_ioctl(struct model *m, enum fuzz_call call, int file, unsigned long request, void *arg,
		 size_t size);

/* fuzz_model_calls.c: calls of the control node */
void model_info(struct model *m);
void model_irqs(struct model *m);
void model_irqs_off(struct model *m);
void model_mask(struct model *m);
void model_event(struct model *m);
void model_reset(struct model *m);
void model_interrupt(struct model *m);
/* Whether there is something to read. */
bool model_comes(int fd, int timeout_ms);

/* fuzz_model_claims.c */
void model_claim(struct model *m);
void model_release(struct model *m);
void model_claim_all(struct model *m);

/* fuzz_model_uio.c */
void model_uio(struct model *m);

/* fuzz_model_dma.c */
void model_dma_alloc(struct model *m);
void model_dma_map(struct model *m);
void model_dma_map_bad(struct model *m);
void model_dma_free(struct model *m);
void model_unprivileged(struct model *m);

/* fuzz_model_bad.c: what must be refused; and registers by system calls */
void model_malformed(struct model *m);
void model_pointer(struct model *m);
void model_other(struct model *m);
void model_pread(struct model *m);
void model_pwrite(struct model *m);

/* fuzz_model_maps.c */
void model_map_bar(struct model *m);
void model_map_vectors(struct model *m);
void model_map_dma(struct model *m);
void model_map_uio(struct model *m);
void model_map_bad(struct model *m);
void model_unmap(struct model *m);
void model_change_map(struct model *m);
void model_touch(struct model *m);
void model_fork(struct model *m);
/* Ends the mappings of a file. */
void model_unmap_file(struct model *m, int file);
/* A mapping of the vectors, or NULL. */
const volatile struct udrv_stub_vector *model_vectors(const struct model *m);
bool model_dma_is_mapped(const struct model *m, int dma);

#endif

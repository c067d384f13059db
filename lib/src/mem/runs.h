/* SPDX-License-Identifier: MIT */
/* Runs of pages in a region of an arena: a bit for each used page, and one where a run begins. */
#ifndef UDRV_SRC_MEM_RUNS_H
#define UDRV_SRC_MEM_RUNS_H

#include "mem/region.h"

#define UDRV__NO_RUN SIZE_MAX

/* Words that have a bit for each page. */
size_t udrv__run_words(size_t pages);
/* The lowest n free pages in a row whose address is a multiple of align pages; or UDRV__NO_RUN. */
size_t udrv__run_find(const struct udrv__region *region, size_t n, size_t align);
void udrv__run_take(struct udrv__region *region, size_t at, size_t n);
void udrv__run_give(struct udrv__region *region, size_t at, size_t n);
/* Pages of the run that begins there; 0 if none does. */
size_t udrv__run_length(const struct udrv__region *region, size_t at);

/* Where the run begins that a page is of; UDRV__NO_RUN if it is free. */
size_t udrv__run_of(const struct udrv__region *region, size_t at);

/* Whether one does; without the arena's lock if the caller owns the page. */
static inline bool udrv__run_begins(const struct udrv__region *region, size_t at)
{
	return __atomic_load_n(&region->first[at / 64], __ATOMIC_RELAXED) >> at % 64 & 1;
}

#endif

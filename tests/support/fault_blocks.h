/* SPDX-License-Identifier: MIT */
/* Which blocks of memory the code under test has. Blocks that libc allocated are not in here. */
#ifndef TESTS_SUPPORT_FAULT_BLOCKS_H
#define TESTS_SUPPORT_FAULT_BLOCKS_H

#include <stddef.h>

void *fault_blocks_add(void *p); /* returns p; NULL is ignored */
void fault_blocks_remove(const void *p);
size_t fault_blocks_count(void);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef TESTS_DLCLOSE_PLUGIN_H
#define TESTS_DLCLOSE_PLUGIN_H

#include <udrv/types.h>

UDRV_API struct udrv_kmem_cache *plugin_begin(void);
UDRV_API int plugin_use(int n); /* n at most 1000; 0, or -1 */
UDRV_API int plugin_end(void);	/* 0, or objects that were not destructed */

#endif

/* SPDX-License-Identifier: MIT */
/**
 * @file
 * From a member to the struct around it.
 */
#ifndef UDRV_CONTAINER_OF_H
#define UDRV_CONTAINER_OF_H

#include <stddef.h>

/**
 * udrv_container_of() - the struct that a member is in
 * @ptr: pointer to the member
 * @type: the struct's type
 * @member: the member's name
 *
 * Source: Linux container_of().
 */
#define udrv_container_of(ptr, type, member)                                                       \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif

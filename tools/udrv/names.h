/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of vendors, devices and classes, by libpci. */
#ifndef NAMES_H
#define NAMES_H

#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include <udrv/pci_info.h>

struct names;

/* NULL when there is no memory. What the data base of names lacks is called unknown. */
struct names *names_open(void);
void names_close(struct names *names);

/* Each returns @buf, in which there is no number. */
const char *names_vendor(struct names *names, char *buf, size_t size, uint16_t vendor);
const char *names_device(struct names *names, char *buf, size_t size, uint16_t vendor,
			 uint16_t device);
const char *names_subsystem(struct names *names, char *buf, size_t size,
			    const struct udrv_pci_info *info);
const char *names_class(struct names *names, char *buf, size_t size, uint32_t class_code);

/* Address, ids and their names as members of @o: what list and info have in common. */
void names_json(struct names *names, json_object *o, const struct udrv_pci_info *info);

#endif

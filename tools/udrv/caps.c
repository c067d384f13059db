// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "caps.h"
#include "pci/sysfs.h"

/* PCI Local Bus Specification 3.0, 6.1 and 6.7-6.8; PCI Express Base Specification, 7.6 on. */
#define HEADER_LEN	64
#define STATUS		0x06
#define STATUS_CAP_LIST 0x10
#define HEADER_TYPE	0x0e
#define CAP_POINTER	0x34
#define CAP_POINTER_CB	0x14 /* header type 2, CardBus */
#define STANDARD_LEN	0x100
#define CONFIG_LEN	0x1000

#define ID_MSI	0x05
#define ID_MSIX 0x11

#define MSI_CONTROL_CAPABLE(control) (((control) >> 1) & 7)
#define MSIX_CONTROL_SIZE(control)   ((control)&0x7ff)

static const char *const standard_names[] = {
	[0x01] = "Power Management",
	[0x02] = "AGP",
	[0x03] = "Vital Product Data",
	[0x04] = "Slot Identification",
	[0x05] = "MSI",
	[0x06] = "CompactPCI Hot Swap",
	[0x07] = "PCI-X",
	[0x08] = "HyperTransport",
	[0x09] = "Vendor Specific",
	[0x0a] = "Debug Port",
	[0x0b] = "CompactPCI Resource Control",
	[0x0c] = "Hot Plug",
	[0x0d] = "Bridge Subsystem ID",
	[0x0e] = "AGP 8x",
	[0x0f] = "Secure Device",
	[0x10] = "PCI Express",
	[0x11] = "MSI-X",
	[0x12] = "SATA",
	[0x13] = "Advanced Features",
	[0x14] = "Enhanced Allocation",
};

static const char *const extended_names[] = {
	[0x01] = "Advanced Error Reporting",
	[0x02] = "Virtual Channel",
	[0x03] = "Device Serial Number",
	[0x04] = "Power Budgeting",
	[0x05] = "Root Complex Link Declaration",
	[0x06] = "Root Complex Internal Link",
	[0x07] = "Root Complex Event Collector",
	[0x08] = "Multi-Function Virtual Channel",
	[0x09] = "Virtual Channel (MFVC)",
	[0x0a] = "Root Complex Register Block",
	[0x0b] = "Vendor Specific",
	[0x0d] = "Access Control Services",
	[0x0e] = "Alternative Routing-ID",
	[0x0f] = "Address Translation Services",
	[0x10] = "SR-IOV",
	[0x11] = "MR-IOV",
	[0x12] = "Multicast",
	[0x13] = "Page Request Interface",
	[0x15] = "Resizable BAR",
	[0x16] = "Dynamic Power Allocation",
	[0x17] = "TPH Requester",
	[0x18] = "Latency Tolerance Reporting",
	[0x19] = "Secondary PCI Express",
	[0x1a] = "Protocol Multiplexing",
	[0x1b] = "PASID",
	[0x1c] = "LN Requester",
	[0x1d] = "Downstream Port Containment",
	[0x1e] = "L1 PM Substates",
	[0x1f] = "Precision Time Measurement",
	[0x20] = "PCIe over M-PHY",
	[0x21] = "FRS Queueing",
	[0x22] = "Readiness Time Reporting",
	[0x23] = "Designated Vendor-Specific",
	[0x24] = "VF Resizable BAR",
	[0x25] = "Data Link Feature",
	[0x26] = "Physical Layer 16 GT/s",
	[0x27] = "Lane Margining",
	[0x28] = "Hierarchy ID",
	[0x29] = "Native PCIe Enclosure Management",
	[0x2a] = "Physical Layer 32 GT/s",
	[0x2b] = "Alternate Protocol",
	[0x2c] = "System Firmware Intermediary",
	[0x2e] = "Data Object Exchange",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const char *caps_name(const struct cap *cap)
{
	const char *name = NULL;

	if (cap->extended && cap->id < COUNT(extended_names))
		name = extended_names[cap->id];
	else if (!cap->extended && cap->id < COUNT(standard_names))
		name = standard_names[cap->id];
	return name ? name : "unknown";
}

static uint16_t get16(const uint8_t *config, size_t offset)
{
	return (uint16_t)(config[offset] | config[offset + 1] << 8);
}

static uint32_t get32(const uint8_t *config, size_t offset)
{
	return get16(config, offset) | (uint32_t)get16(config, offset + 2) << 16;
}

static bool add(struct caps *caps, unsigned id, size_t offset, bool extended)
{
	for (size_t i = 0; i < caps->count; i++) {
		if (caps->cap[i].offset == offset)
			return false;
	}
	if (caps->count == CAPS_MAX)
		return false;
	caps->cap[caps->count].id = (uint16_t)id;
	caps->cap[caps->count].offset = (uint16_t)offset;
	caps->cap[caps->count].extended = extended;
	caps->count++;
	return true;
}

static void note_vectors(struct caps *caps, const uint8_t *config, unsigned id, size_t offset)
{
	uint16_t control = get16(config, offset + 2);

	if (id == ID_MSI)
		caps->msi_vectors = 1u << MSI_CONTROL_CAPABLE(control);
	else if (id == ID_MSIX)
		caps->msix_vectors = MSIX_CONTROL_SIZE(control) + 1u;
}

/* Each begins with its id and the offset of the next; offsets end in two reserved bits. */
static void decode_standard(struct caps *caps, const uint8_t *config, size_t len)
{
	size_t pointer = (config[HEADER_TYPE] & 0x7f) == 2 ? CAP_POINTER_CB : CAP_POINTER;
	size_t offset = config[pointer] & 0xfcu;

	if (!(config[STATUS] & STATUS_CAP_LIST))
		return;
	while (offset) {
		if (len <= HEADER_LEN) {
			caps->truncated = true;
			return;
		}
		if (offset < HEADER_LEN || offset + 4 > len ||
		    !add(caps, config[offset], offset, false)) {
			caps->broken = true;
			return;
		}
		note_vectors(caps, config, config[offset], offset);
		offset = config[offset + 1] & 0xfcu;
	}
}

/* A word each: id, version and the offset of the next; the first is at 0x100, 0 if there is none.
 */
static void decode_extended(struct caps *caps, const uint8_t *config, size_t len)
{
	size_t offset = STANDARD_LEN;

	while (offset) {
		uint32_t header;

		if (offset < STANDARD_LEN || offset + 4 > len) {
			caps->broken = true;
			return;
		}
		header = get32(config, offset);
		if (header == 0 || header == UINT32_MAX)
			return;
		if (!add(caps, header & 0xffff, offset, true)) {
			caps->broken = true;
			return;
		}
		offset = (header >> 20) & 0xffcu;
	}
}

void caps_decode(struct caps *caps, const uint8_t *config, size_t len)
{
	memset(caps, 0, sizeof(*caps));
	if (len < HEADER_LEN)
		return;
	decode_standard(caps, config, len < STANDARD_LEN ? len : STANDARD_LEN);
	if (len > STANDARD_LEN)
		decode_extended(caps, config, len);
}

int caps_read(struct caps *caps, const char *name)
{
	uint8_t config[CONFIG_LEN];
	char path[PATH_MAX];
	ssize_t len;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/config", udrv__sysfs_root, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = pread(fd, config, sizeof(config), 0);
	if (len < 0) {
		len = -errno;
		close(fd);
		return (int)len;
	}
	close(fd);
	caps_decode(caps, config, (size_t)len);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verbs: a line each, in the order of `udrv --help`. VERB(name, summary) stands for
 * int cmd_<name>(int argc, char **argv), where argv[0] is "udrv <name>" and the result is the
 * exit status, enum tool_status.
 */
VERB(list, "list PCI devices, their drivers and whether they are in use")
VERB(info, "show everything known about a PCI device")
VERB(bind, "give devices to vfio-pci or another driver, remembering the one they had")
VERB(unbind, "give devices back to the driver they had")
VERB(run, "drive a device by a driver, as a daemon")
VERB(irqs, "show the interrupts of running daemons")
VERB(slabs, "show the object caches of running daemons")
VERB(iomem, "show who has which memory of PCI devices, and what was claimed in it")
VERB(ioports, "likewise of I/O ports")
VERB(irq, "change how interrupts of a running daemon are served")
VERB(bench, "compare interrupt latency with the kernel's own drivers")

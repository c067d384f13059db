/* SPDX-License-Identifier: MIT */
/**
 * @file
 * A driver: which devices it drives, probe and remove, and the program it becomes.
 */
#ifndef UDRV_DRIVER_H
#define UDRV_DRIVER_H

#include <stdio.h>
#include <sys/types.h>

#include <udrv/types.h>

UDRV_BEGIN_DECLS

#define UDRV_PCI_ANY_ID 0xffffffffu

/** struct udrv_pci_device_id - an entry of a driver's id table (Linux: struct pci_device_id). */
struct udrv_pci_device_id {
	uint32_t vendor, device;       /* or UDRV_PCI_ANY_ID */
	uint32_t subvendor, subdevice; /* or UDRV_PCI_ANY_ID */
	uint32_t class_code, class_mask;
	uintptr_t driver_data;
};

/** UDRV_PCI_DEVICE() - initialiser that matches a vendor and device id. */
#define UDRV_PCI_DEVICE(vend, dev) (vend), (dev), UDRV_PCI_ANY_ID, UDRV_PCI_ANY_ID, 0, 0, 0

/** UDRV_VERB_FREE_DEVICE - of a verb: without a daemon it runs in the caller's process. */
#define UDRV_VERB_FREE_DEVICE (1u << 0)
/** UDRV_VERB_DATA_IN - of a verb: it reads the caller's data by udrv_verb_read(). */
#define UDRV_VERB_DATA_IN (1u << 1)
/** UDRV_VERB_DATA_OUT - of a verb: it gives the caller data by udrv_verb_write(). */
#define UDRV_VERB_DATA_OUT (1u << 2)
/** UDRV_VERB_DATA_FW - of a verb with data: its file is named by `-f` or `--fw`, as a firmware is.
 */
#define UDRV_VERB_DATA_FW (1u << 3)
/**
 * UDRV_VERB_OPTIONS - of a verb: it tells what its options are. For its help it is called in the
 * caller's process with `--help` as its only argument and @dev NULL. It prints a line for each
 * option, to @out or @err, and does nothing else; what it returns does not count.
 */
#define UDRV_VERB_OPTIONS (1u << 4)

/**
 * struct udrv_verb - something that a running driver can be asked for
 * @name: the word on the command line; NULL ends a table
 * @args: its arguments for the help, e.g. "N", or NULL
 * @help: one line
 * @run: called in the daemon, one call at a time; with UDRV_VERB_FREE_DEVICE, where no daemon
 *       drives the device, in the caller's process, between a probe() and a remove(). argv[0] is
 *       the name. Text for the caller goes to @out, which shows it when it is flushed; an error
 *       message to @err (one line). Returns 0 or negative errno, which becomes the client's exit
 *       status 1. One that takes long asks udrv_verb_cancelled() now and then.
 * @flags: UDRV_VERB_*, or 0
 */
struct udrv_verb {
	const char *name;
	const char *args;
	const char *help;
	int (*run)(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err);
	unsigned int flags;
};

/**
 * struct udrv_param - a module parameter: `name=value` on the daemon's command line
 * @name: NULL ends a table
 * @value: where the text goes; the initial value is the default. Valid until exit.
 * @help: one line that gives the values
 */
struct udrv_param {
	const char *name;
	const char **value;
	const char *help;
};

/**
 * struct udrv_driver - a driver
 * @name: also the program's: udrv-<name>
 * @description: one line for the help; may be NULL
 * @id_table: ends with an entry whose vendor is 0
 * @probe: takes the device into use. Returns 0 or negative errno after undoing what it did, except
 *         managed resources (udrv/devres.h). @id is the entry that matched.
 * @remove: stops the device, then frees. Called once for each successful probe; the
 *          device may be gone by then. May be NULL if everything is managed.
 * @error: an uncorrectable error was reported (AER); may be NULL. Non-zero stops the daemon.
 * @verbs: may be NULL
 * @params: may be NULL
 */
struct udrv_driver {
	const char *name;
	const char *description;
	const struct udrv_pci_device_id *id_table;
	int (*probe)(struct udrv_device *dev, const struct udrv_pci_device_id *id);
	void (*remove)(struct udrv_device *dev);
	int (*error)(struct udrv_device *dev);
	const struct udrv_verb *verbs;
	const struct udrv_param *params;
};

/**
 * udrv_verb_cancelled() - should the verb that is running give up
 *
 * For a verb that takes long: true when its caller has gone away (without a daemon: who reads its
 * standard output), or the daemon is told to stop.
 * From the thread that runs the verb; false elsewhere. One poll(2).
 */
UDRV_API bool udrv_verb_cancelled(void);

/**
 * udrv_verb_read() - read the data that the caller gives a verb
 * @buf: where to
 * @len: bytes
 *
 * For a verb with UDRV_VERB_DATA_IN. The data is what `-d FILE`, `-dFILE`, `--data FILE` or
 * `--data=FILE` among its arguments names (with UDRV_VERB_DATA_FW: `-f`, `--fw`), opened by the
 * caller's process with the caller's rights, else the caller's standard input. Blocks. From the
 * thread that runs the verb. Return: @len, less at the end of the data, or negative errno;
 * -ECANCELED as udrv_verb_cancelled(), -EBADF if there is no data.
 */
UDRV_API ssize_t udrv_verb_read(void *buf, size_t len);

/**
 * udrv_verb_write() - give the caller of a verb data
 * @buf: the data
 * @len: bytes
 *
 * For a verb with UDRV_VERB_DATA_OUT: to the file that its arguments name, which is emptied first,
 * or to the caller's standard output, apart from what is printed. Otherwise as udrv_verb_read().
 * Return: @len or negative errno.
 */
UDRV_API ssize_t udrv_verb_write(const void *buf, size_t len);

/**
 * udrv_pci_match_id() - the first entry of a table that matches a device
 * @ids: the table
 * @dev: the device
 *
 * Return: the entry, or NULL. Source: Linux pci_match_id().
 */
UDRV_API const struct udrv_pci_device_id *udrv_pci_match_id(const struct udrv_pci_device_id *ids,
							    const struct udrv_device *dev);

/**
 * udrv_driver_probe() - match and probe, for programs with a main loop of their own
 * @drv: the driver
 * @dev: an open device
 *
 * When probe() failed, its managed resources are released and the driver's data is NULL.
 * Return: 0, -ENODEV if the id table does not match, what probe() returned otherwise.
 */
UDRV_API int udrv_driver_probe(const struct udrv_driver *drv, struct udrv_device *dev);

/**
 * udrv_driver_remove() - undo udrv_driver_probe()
 * @drv: the driver
 * @dev: the device that it probed; it stays open
 *
 * Calls remove(), releases what is managed (udrv/devres.h), newest first, and sets the driver's
 * data to NULL.
 */
UDRV_API void udrv_driver_remove(const struct udrv_driver *drv, struct udrv_device *dev);

/**
 * udrv_driver_main() - the main function of a driver's program
 * @drv: the driver
 * @argc: main's
 * @argv: main's
 *
 * `udrv-<name> run DEVICE [name=value...]` is the daemon; every other word is a verb, sent to the
 * running daemon over its control socket, or run here (struct udrv_verb). It prints, and installs
 * udrv_log_stderr(). Standard streams that are closed become /dev/null, on which reading and
 * writing fail as before.
 *
 * Return: the exit status: 0, 1 failure, also when stdout did not take what was printed, 2 usage.
 */
UDRV_API int udrv_driver_main(const struct udrv_driver *drv, int argc, char **argv);

/** UDRV_DRIVER_MAIN() - define main() for a driver. */
#define UDRV_DRIVER_MAIN(drv)                                                                      \
	int main(int argc, char **argv)                                                            \
	{                                                                                          \
		return udrv_driver_main(&(drv), argc, argv);                                       \
	}

UDRV_END_DECLS

#endif

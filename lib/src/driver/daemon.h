/* SPDX-License-Identifier: MIT */
/* The parts of a driver's program: where it lives at run time, its lock, its control socket. */
#ifndef UDRV_SRC_DAEMON_H
#define UDRV_SRC_DAEMON_H

#include <limits.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

#include <udrv/device.h>
#include <udrv/driver.h>

#include "export/export.h"
#include "stat/claims.h"
#include "stat/segment.h"

/* Room for a path below the run-time directory. */
#define UDRV__PATH_MAX 256

/*
 * name.c: the canonical name of a device that a user named by address, by "vendor:device" if there
 * is one such, or as a model. Explains failures.
 */
int udrv__device_name(const char *text, char *name, size_t size);

/* rundir.c: /run/udrv for root, else $XDG_RUNTIME_DIR/udrv; $UDRV_RUNTIME_DIR before both. */
int udrv__rundir(char *path, size_t size);
/* Is it this user's, who did not choose it, so that root's daemons are elsewhere? */
bool udrv__rundir_is_own(void);
/* "<rundir>/<name><suffix>", or -ENAMETOOLONG. */
int udrv__rundir_path(char *path, size_t size, const char *name, const char *suffix);
/* Make the directory if it is missing. Explains failures. */
int udrv__rundir_make(void);
/* In /tmp anybody could have made the directory first: it must be ours or root's. Explains
 * failures. */
int udrv__rundir_check(const char *dir);

/*
 * rundir.c: one daemon per device, whatever the driver. The lock goes with the process, so
 * a killed daemon leaves none behind. -EBUSY names the holder.
 */
int udrv__lock_device(const char *device, const char *program, int *fd_out);
#define UDRV__LOCK_SUFFIX ".lock"
/* The file's line is "PID PROGRAM", or "PID PROGRAM waiting": it has no device, so no exports. */
#define UDRV__LOCK_WAITING "waiting"
int udrv__lock_say_waiting(int fd, const char *program, bool waiting);

#define UDRV__CONTROL_SUFFIX  ".sock"
#define UDRV__SETTINGS_SUFFIX ".ctl"

/* control.c: serves verbs from a thread of its own, one request at a time. */
struct udrv__control {
	bool settings; /* set before the start: not the driver's verbs, but what changes settings */
	const struct udrv_driver *drv;
	struct udrv_device *dev;
	char path[UDRV__PATH_MAX];
	int listen_fd;
	int stop_fd;  /* tells the thread to end */
	int ended_fd; /* it has */
	pthread_t thread;
	struct timespec started;
};

int udrv__control_start(struct udrv__control *c, const struct udrv_driver *drv,
			struct udrv_device *dev);
/* Removes the socket; a verb that is still running after @grace_ms is cut by declaring the device
 * gone. */
void udrv__control_stop(struct udrv__control *c, int grace_ms);

/* irq_set.c: the verb irq-set VECTOR NAME=VALUE...: udrv_irq_set_options() and the like. */
int udrv__irq_set_verb(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err);

/*
 * client.c: send a verb to the running daemon; prints its answer. The exit status. Without a daemon
 * a verb with UDRV_VERB_FREE_DEVICE is run here.
 */
int udrv__client_call(const struct udrv_driver *drv, const struct udrv_verb *v, const char *device,
		      int argc, char **argv);

/* alone.c: the same without a daemon, on a device that is free. */
int udrv__alone_call(const struct udrv_driver *drv, const struct udrv_verb *v, const char *device,
		     int argc, char **argv);

/* Likewise, to the daemon's settings, which do not wait behind a verb. */
int udrv__client_set(const char *driver, const char *device, int argc, char **argv);

/* verb.c: whom a verb serves. Each descriptor is the caller's of udrv__verb_begin(), or -1. */
struct udrv__verb_call {
	int stop_fd;   /* readable: the daemon is to stop */
	int client_fd; /* hung up: nobody is there for the answer */
	int data_fd;   /* the client's data */
};

/* Around a verb's run(), in its thread. */
void udrv__verb_begin(const struct udrv__verb_call *c);
void udrv__verb_end(void);
/* In the client: what the verb reads or writes, -1 if it does neither. Explains failures. */
int udrv__verb_data_open(const struct udrv_verb *v, int argc, char **argv, int *fd_out);

/*
 * cut.c: between the two calls a device whose user is told to end, and does not within the grace,
 * is declared gone. The first members are the caller's. 0 or negative errno.
 */
struct udrv__cut {
	struct udrv_device *dev;
	const char *state; /* "the verb is still running" */
	int stop_fd;	   /* readable: told to end */
	int grace_ms;
	int ended_fd;
	pthread_t thread;
};

int udrv__cut_begin(struct udrv__cut *c);
void udrv__cut_end(struct udrv__cut *c);

struct udrv_pci_info;

/* match.c: the entry that matches, or NULL. */
const struct udrv_pci_device_id *udrv__match_info(const struct udrv_pci_device_id *ids,
						  const struct udrv_pci_info *info);
/*
 * 0: it may be the driver's. Asked before it is locked and opened, so that nobody is told how to
 * bind, or whom to stop for, a device that the driver does not drive. Negative errno, explained.
 */
int udrv__match_name(const struct udrv_driver *drv, const char *name);

/*
 * streams.c: around all that a program does; each gives the exit status and explains failures.
 * Numbers of standard streams that are closed are taken, so that no socket or device gets one,
 * which what is printed would go to. What could not be written must not look like success.
 */
int udrv__streams_begin(void);
int udrv__streams_end(int status);
/* To stdout, with what was printed before, at once. 0 or negative errno, explained. */
int udrv__streams_write(const char *text, size_t len);

/* notify.c: tell systemd, if it asked ($NOTIFY_SOCKET, sd_notify(3)). */
void udrv__notify(const char *state);

/* main.c: log lines go to stderr as "udrv-<name>: ...". */
void udrv__log_to_stderr(const struct udrv_driver *drv, int max_level);

#define UDRV__EXIT_USAGE 2

/* What a daemon is told; the texts are the caller's and stay. */
struct udrv__daemon_options {
	const char *device;  /* as users write it */
	const char *backend; /* or NULL */
	struct udrv__export_options exports;
	int stop_fd; /* readable: it is to end, also while it starts; or -1 */
	bool wait;   /* for a device that is not there, or went */
};

/* It was told to end before it had its device. */
#define UDRV__STOPPED 1

/* daemon.c: one that drives its device; a program has at most one. */
struct udrv__daemon {
	const struct udrv_driver *drv;
	struct udrv__daemon_options options;
	char program[64]; /* "udrv-<name>" */
	char name[UDRV_DEVICE_NAME_MAX];
	struct udrv_device *dev;
	struct udrv__control control;
	struct udrv__control settings;
	struct udrv__stat_segment stats;
	struct udrv__claim_file claims;
	struct udrv__exports exports;
	int lock_fd;
	int watchdog_fd;  /* timer, or -1 */
	uint64_t binding; /* await.c: the one by which it was driven last, or 0 */
};

/*
 * Lock the device, wait for it if that is an option, open it, probe, serve verbs, start the
 * exports. Starts threads. 0, UDRV__STOPPED, or negative errno, explained, both with nothing left
 * behind.
 */
int udrv__daemon_start(struct udrv__daemon *d, const struct udrv_driver *drv,
		       const struct udrv__daemon_options *o);
/* Tell the service manager and the log, once whoever is to use the device can. */
void udrv__daemon_ready(const struct udrv__daemon *d);
void udrv__daemon_log_ready(const struct udrv__daemon *d);
/*
 * The main loop: 0 when @stop_fd is readable, negative errno when the device ends it: -ENODEV if it
 * has gone.
 */
int udrv__daemon_serve(const struct udrv__daemon *d, int stop_fd);
/*
 * The device has gone: all of it ends but the lock. Then wait until it is back, and start again. As
 * udrv__daemon_start().
 */
int udrv__daemon_restart(struct udrv__daemon *d);
/* Undo the start. @why: what the main loop returned. */
void udrv__daemon_stop(struct udrv__daemon *d, int why);
/* await.c: until it is there, and can be driven. 0, UDRV__STOPPED, negative errno. */
int udrv__daemon_await(struct udrv__daemon *d);

/* options.c: what follows `udrv-<name> run`. */
struct udrv__run_options {
	struct udrv__daemon_options daemon;
	bool detach;
	bool verbose;
	char **nbdkit; /* words for nbdkit */
	int nbdkit_count;
	char **params; /* NAME=VALUE, checked and set */
	int param_count;
};

/* 0; 1: help was asked for and given; negative errno, explained: -EINVAL if the words are wrong. */
int udrv__run_parse(const struct udrv_driver *drv, int argc, char **argv,
		    struct udrv__run_options *o);
/* Set a parameter of the driver by "NAME=VALUE"; the text stays. 0 or -EINVAL, explained. */
int udrv__set_param(const struct udrv_driver *drv, const char *text);

/* detach.c: go to the background, and let the parent wait for what becomes of the daemon. */
#define UDRV__DETACH_PARENT 1
/* 0 in the daemon, with *ready_fd; UDRV__DETACH_PARENT in the parent, with *status; or -errno. */
int udrv__detach(int *ready_fd, int *status);
/* The daemon works: its log goes to a file now, its parent ends. */
void udrv__detach_ready(const struct udrv__daemon *d, int ready_fd);

/* run.c: a descriptor, readable once the process is told to end, or negative errno. */
int udrv__block_signals(void);
/* `udrv-<name> run ...`. The exit status. */
int udrv__run(const struct udrv_driver *drv, int argc, char **argv);

/*
 * The protocol, docs/contract/control-socket.md: SOCK_SEQPACKET; one request packet of
 * NUL-terminated words, with the descriptor of the data if there is any; answer packets that begin
 * with a kind; the last one is STATUS.
 */
#define UDRV__REQUEST_MAX   4096
#define UDRV__REQUEST_WORDS 32
#define UDRV__ANSWER_MAX    16384
#define UDRV__VERB_STATUS   "status"
#define UDRV__VERB_IRQ_SET  "irq-set"

enum udrv__answer_kind { UDRV__ANSWER_OUT = 1, UDRV__ANSWER_ERR = 2, UDRV__ANSWER_STATUS = 3 };

struct udrv__answer {
	uint32_t kind;
	int32_t status; /* of STATUS: 0 or negative errno */
	char text[];
};

/* For the other end of a control socket: to take a connection, to ask, to take what it is sent. */
#define UDRV__PEER_WAIT_S 5

/* client.c: one packet, to a socket with that limit. 0 or negative errno, -EAGAIN after it. */
int udrv__send_packet(int fd, const struct msghdr *msg);

#endif

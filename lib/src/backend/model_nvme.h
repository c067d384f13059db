/* SPDX-License-Identifier: MIT */
/*
 * The software NVMe controller "model:nvme" as tests and benchmarks steer it. Without any of this
 * it is a correct NVMe 1.4 controller.
 *
 * Words behind the name choose from the start, joined by '-', as in "model:nvme:null-dbbuf":
 * direct, null, dbbuf, cmb, oldcmb, wrr, nocache, nosgl, 4k (blocks of 4096 bytes), <number>m (size
 * of namespace 1 in MiB), <number>q (I/O queue pairs). Other words tell instances apart. With
 * UDRV_MODEL_NVME_FILE in the environment, namespace 1 is that file, which is made when it is not
 * there.
 */
#ifndef UDRV_MODEL_NVME_H
#define UDRV_MODEL_NVME_H

#include <stdbool.h>
#include <stdint.h>

struct udrv_device;

#define UDRV__MODEL_NVME_QUEUES	    64 /* I/O queue pairs, at most */
#define UDRV__MODEL_NVME_VECTORS    33
#define UDRV__MODEL_NVME_NS_MAX	    16 /* NN */
#define UDRV__MODEL_NVME_SLOTS	    3  /* of firmware; 1 is read only */
#define UDRV__MODEL_NVME_IMAGE_MAX  (1u << 20)
#define UDRV__MODEL_NVME_BOOT_BYTES (512u << 10) /* that a boot partition really has */

struct udrv__model_nvme_config {
	uint32_t queue_entries; /* MQES + 1, up to 65536 */
	uint32_t queues;	/* I/O queue pairs that are granted */
	uint8_t dstrd;		/* 0 to 4 */
	uint8_t mdts;		/* 0 (no limit) to 13 less mpsmin */
	uint8_t mpsmin;		/* 0 to 4 */
	bool cache;		/* there is a volatile write cache */
	bool sgl;
	bool weighted; /* it has weighted round robin arbitration */
	bool cmb;      /* it has memory for submission queues */
	bool old_cmb;  /* likewise, as before NVMe 1.4: at the BAR's address */
	/* BPSZ: of a boot partition, in 128 KiB, up to 32767; what is beyond cannot be read. 0:
	 * none. */
	uint16_t boot_units;
	uint32_t vs;
	uint8_t timeout;      /* TO, in 500 ms */
	uint16_t crto;	      /* CRWMT, likewise; 0: there is no such register */
	bool subsystem_reset; /* there is one (CAP.NSSRS); the link is down for so long: */
	uint32_t absent_ms;
	bool dbbuf; /* Doorbell Buffer Config is supported */
	/* Identify knows CNS 06h, as where there are several I/O command sets (2.0), and it says:
	 */
	bool command_sets;
	uint32_t dmrsl; /* longer ranges are not deallocated, without an error; 0: all are */
	uint8_t wzsl;	/* longer Write Zeroes are refused; 0: none is */
	bool firmware_needs_reset; /* no activation without one */
	bool no_deac;		   /* Write Zeroes does not know DEAC (DLFEAT) */
	uint16_t crdt[3]; /* command retry delay times, in 100 ms; CRD is told once the host asks */
	/* Reads and writes are checked and counted, but their data is neither looked at nor moved.
	 */
	bool null_store;
	/*
	 * Doorbells are memory of the process and no thread runs: udrv__model_nvme_step() does.
	 * To be set before the BAR is mapped.
	 */
	bool direct;
};

void udrv__model_nvme_get_config(struct udrv_device *dev, struct udrv__model_nvme_config *config);
/* -EBUSY: the controller is enabled; -EINVAL. */
int udrv__model_nvme_set_config(struct udrv_device *dev,
				const struct udrv__model_nvme_config *config);

/*
 * Direct mode: look at the doorbells and execute what is there, in the caller's thread. Returns
 * how many commands were executed. Any thread, also while another one steps or uses registers.
 */
unsigned int udrv__model_nvme_step(struct udrv_device *dev);

/* QPRIO of a submission queue; -ENOENT. */
int udrv__model_nvme_priority(struct udrv_device *dev, unsigned int qid);

/* Wait until all commands that were submitted are executed, or may not be yet. */
void udrv__model_nvme_settle(struct udrv_device *dev);
/* No command is fetched any more until it is resumed. */
void udrv__model_nvme_pause(struct udrv_device *dev, bool paused);

struct udrv__model_nvme_counts {
	uint64_t commands;    /* fetched, of the admin queue too */
	uint64_t completions; /* written */
	uint64_t interrupts;  /* requested */
	uint64_t doorbells;   /* writes that arrived; not in direct mode */
	uint64_t bad_doorbells;
	uint64_t flushes;
	uint64_t resets; /* of the controller or the function */
	uint64_t function_resets;
	uint64_t subsystem_resets;
};

void udrv__model_nvme_get_counts(struct udrv_device *dev, struct udrv__model_nvme_counts *counts);

/* Events: told to a host that asked for them; what they are about is seen anyway. */

/* SMART critical warning bits. */
void udrv__model_nvme_set_warning(struct udrv_device *dev, uint8_t bits);
void udrv__model_nvme_set_temperature(struct udrv_device *dev, uint16_t kelvin);
/* Of whatever type; log: the page by which it is cleared. -EINVAL. */
int udrv__model_nvme_tell(struct udrv_device *dev, unsigned int type, unsigned int info,
			  unsigned int log);
/* Blocks at most what the namespace had at first. -EINVAL. */
int udrv__model_nvme_resize(struct udrv_device *dev, uint32_t nsid, uint64_t blocks);
/* As if by another controller of the subsystem. -EINVAL: there is no such namespace. */
int udrv__model_nvme_attach(struct udrv_device *dev, uint32_t nsid, bool attached);
/* The number means another namespace, with the same data. -EINVAL. */
int udrv__model_nvme_replace(struct udrv_device *dev, uint32_t nsid);
/* A bit of a block that is kept is wrong: of its data, or of the metadata behind that. -EINVAL. */
int udrv__model_nvme_spoil(struct udrv_device *dev, uint32_t nsid, uint64_t lba, uint32_t offset);
/* The slot that is active has it now. */
void udrv__model_nvme_activate_firmware(struct udrv_device *dev, const char *revision);

/* Of one that goes on. -EINVAL: there is none. */
int udrv__model_nvme_end_sanitize(struct udrv_device *dev, bool well);

/* Misbehaviour of one command or several. */
enum udrv__model_nvme_fault_kind {
	UDRV__MODEL_NVME_LATE,	    /* executed and completed delay_ms later; 0: never */
	UDRV__MODEL_NVME_REORDER,   /* completed behind the queue's next, or delay_ms later */
	UDRV__MODEL_NVME_DUPLICATE, /* completed twice */
	UDRV__MODEL_NVME_SWALLOW,   /* neither executed nor completed until it is aborted */
	UDRV__MODEL_NVME_ERROR,	    /* not executed; status is value */
	UDRV__MODEL_NVME_STATUS,    /* executed; status is value all the same */
	UDRV__MODEL_NVME_PHASE,	    /* the entry has the old phase, and another follows behind it */
	UDRV__MODEL_NVME_CID,	    /* the entry is for command value */
	UDRV__MODEL_NVME_STALE_CID, /* for the queue's last command that was completed */
	UDRV__MODEL_NVME_SQHD,	    /* with value as the submission queue's head */
	UDRV__MODEL_NVME_SQID,	    /* from submission queue value */
	UDRV__MODEL_NVME_DATA, /* a bit of the byte at offset value is wrong in what was read */
	UDRV__MODEL_NVME_FAULTS
};

struct udrv__model_nvme_fault {
	enum udrv__model_nvme_fault_kind kind;
	bool any_queue, any_opcode; /* any: but no Asynchronous Event Request */
	uint16_t qid;
	uint8_t opcode;
	unsigned int count;  /* so many times; 0: until it is healed */
	unsigned int period; /* each so-many-th of the commands that it is for; 0 and 1: each */
	uint32_t value;	     /* a status is without the phase */
	uint32_t delay_ms;
};

/* At most 8 at a time, of which the first that fits applies. -ENOSPC, -EINVAL. */
int udrv__model_nvme_inject(struct udrv_device *dev, const struct udrv__model_nvme_fault *fault);

/* What Identify says that no controller says. */
#define UDRV__MODEL_NVME_SPOIL_LBADS_ZERO  (1u << 0)
#define UDRV__MODEL_NVME_SPOIL_LBADS_HUGE  (1u << 1)
#define UDRV__MODEL_NVME_SPOIL_SIZE	   (1u << 2) /* 2^64 - 1 blocks */
#define UDRV__MODEL_NVME_SPOIL_FORMAT	   (1u << 3) /* one that does not exist is in use */
#define UDRV__MODEL_NVME_SPOIL_MDTS	   (1u << 4) /* 255 */
#define UDRV__MODEL_NVME_SPOIL_NN	   (1u << 5) /* 2^32 - 1 */
#define UDRV__MODEL_NVME_SPOIL_ENTRY_SIZES (1u << 6) /* 0 */
#define UDRV__MODEL_NVME_SPOIL_TEXT	   (1u << 7) /* no ASCII */
#define UDRV__MODEL_NVME_SPOIL_ALL	   (1u << 8) /* all ones */
#define UDRV__MODEL_NVME_SPOIL_LIST	   (1u << 9) /* 1024 namespaces, each time others */

/*
 * Identify says value in size bytes from offset on, whatever is done: of the controller, or of all
 * namespaces (CNS 01h, 00h). At most 16 times until it is healed. -ENOSPC, -EINVAL.
 */
int udrv__model_nvme_say(struct udrv_device *dev, unsigned int cns, unsigned int offset,
			 unsigned int size, uint64_t value);

/* Misbehaviour that stays. */
struct udrv__model_nvme_switches {
	bool never_ready; /* enabling has no effect */
	/* CSTS.RDY stays when CC.EN is cleared, though all else stops; until a reset of the
	 * function */
	bool never_disabled;
	bool no_function_reset; /* it is asked for one, and nothing happens */
	bool never_shut_down;
	bool abort_is_lost; /* Abort commands succeed and nothing happens */
	bool no_interrupts;
	bool no_cmb_base;	 /* no address for the memory buffer will do */
	bool sanitize_goes_on;	 /* until udrv__model_nvme_end_sanitize() */
	bool no_subsystem_reset; /* it is written to NSSR, and nothing happens */
	bool boot_read_fails;
	bool boot_read_hangs;	 /* a reset ends it */
	bool boot_read_outlives; /* likewise, but of the function only */
	bool boot_no_size;	 /* BPSZ is 0 */
	bool boot_locked;	 /* no boot partition is written or activated */
	bool activating; /* CSTS.PP: a firmware is activated, and nothing is executed meanwhile */
	unsigned int spoil; /* UDRV__MODEL_NVME_SPOIL_* */
};

void udrv__model_nvme_set_switches(struct udrv_device *dev,
				   const struct udrv__model_nvme_switches *switches);
/* No faults, no switches; what was swallowed stays so. */
void udrv__model_nvme_heal(struct udrv_device *dev);
/* CSTS.CFS is set, and nothing is executed any more until a reset. */
void udrv__model_nvme_set_fatal(struct udrv_device *dev);
/* With nothing to tell. */
void udrv__model_nvme_interrupt(struct udrv_device *dev, unsigned int vector);
/* An entry for no command, as it is but with the phase that is due if bit 16 of the last is 1. */
int udrv__model_nvme_post(struct udrv_device *dev, unsigned int cqid, const uint32_t entry[4]);

/* What was neither flushed nor written through is lost, and the controller is as at power-on. */
void udrv__model_nvme_power_cut(struct udrv_device *dev);

#endif

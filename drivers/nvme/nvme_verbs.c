// SPDX-License-Identifier: MIT
/* The driver's verbs, and what they share. */
#include <errno.h>
#include <string.h>

#include <udrv/pci.h>

#include "nvme_driver.h"
#include "nvme_verbs.h"

struct udrv_nvme *nvme_verb_nvme(struct udrv_device *dev)
{
	const struct nvme_driver *driver = dev ? udrv_pci_get_drvdata(dev) : NULL;

	return driver ? driver->nvme : NULL;
}

/* What to do about a status, where there is something. */
static const char *advice(unsigned int status)
{
	switch (status & NVME_STATUS_MASK) {
	case NVME_SC_INVALID_OPCODE:
		return "the controller does not know this command";
	case NVME_SC_INVALID_FIELD:
		return "the controller does not know this value or this page";
	case NVME_SC_INVALID_NS:
		return "name a namespace of list-ns by --namespace-id";
	case NVME_SC_LBA_RANGE:
		return "id-ns shows the namespace's size as nsze";
	case NVME_SC_SANITIZE_IN_PROGRESS:
		return "sanitize-log shows how far it is; until it is over nothing is read or "
		       "written";
	case NVME_SC_SANITIZE_FAILED:
		return "nothing is read or written until a sanitize succeeds, or the failure mode "
		       "is left by sanitize --sanact exit-failure";
	case NVME_SC_FORMAT_IN_PROGRESS:
	case NVME_SC_NS_NOT_READY:
		return "try again later";
	case NVME_SC_NS_WRITE_PROTECTED:
	case NVME_SC_READ_ONLY:
		return "get-feature -f 0x84 and smart-log show why it is read-only";
	case NVME_SC_WRITE_FAULT:
	case NVME_SC_READ_ERROR:
		return "the medium is bad there; see error-log and smart-log";
	case NVME_SC_FW_SLOT:
		return "fw-log shows which slots there are; one may be read-only";
	case NVME_SC_FW_IMAGE:
		return "download the whole image by fw-download first; or the slot is empty";
	case NVME_SC_FW_TOO_LONG:
		return "let a reset activate it: --action 1 or 2";
	case NVME_SC_BOOT_PROHIBITED:
		return "the boot partitions are locked, by RPMB or for as long as the power is on";
	case NVME_SC_FW_OVERLAP:
		return "a part was given twice; begin again with the whole image";
	case NVME_SC_HOST_PATHING:
		return "it was not carried out; see the daemon's log";
	case NVME_SC_HOST_ABORTED:
		return "whether it was carried out is unknown; see the daemon's log";
	default:
		return NULL;
	}
}

static const char *errno_text(int ret)
{
	switch (ret) {
	case -ENODEV:
		return "the device is gone";
	case -EIO:
		return "the controller was given up; the daemon's log says why";
	case -ETIMEDOUT:
		return "the controller did not answer and was reset; the daemon's log says more";
	case -EMFILE:
		return "all I/O queues are in use: start the driver with more by queues=";
	case -EMSGSIZE:
		return "the controller does not transfer so much at once (MDTS; LPA bit 2)";
	case -EBUSY:
		return "a format is under way: try again later";
	case -ENOMEM:
		return "out of memory, or of what may be locked for DMA (ulimit -l)";
	case -ECANCELED:
		return "cancelled";
	default:
		return strerror(-ret);
	}
}

int nvme_verb_failed(int ret, const char *verb, FILE *err)
{
	const char *what;

	if (ret > 0) {
		what = advice((unsigned int)ret);
		(void)fprintf(err, "%s: NVMe status: %s (%#x)%s%s\n", verb,
			      udrv_nvme_status_text((uint32_t)ret), (unsigned int)ret,
			      what ? ": " : "", what ? what : "");
		ret = udrv_nvme_errno((uint32_t)ret);
		return ret ? ret : -EIO;
	}
	if (ret)
		(void)fprintf(err, "%s: %s\n", verb, errno_text(ret));
	return ret;
}

int nvme_verb_io_failed(int ret, const char *verb, FILE *err)
{
	if (ret != -EINVAL && ret != -EMSGSIZE)
		return nvme_verb_failed(ret, verb, err);
	(void)fprintf(err, "%s: the namespace has changed meanwhile; list and id-ns show it\n",
		      verb);
	return ret;
}

int nvme_verb_refuse_in_use(struct udrv_nvme *nvme, const char *verb, FILE *err)
{
	struct udrv_nvme_info info;

	udrv_nvme_get_info(nvme, &info);
	if (!info.queues_made)
		return 0;
	(void)fprintf(err,
		      "%s: the namespaces are in use: an export has I/O queues; say --force if its "
		      "I/O may fail\n",
		      verb);
	return -EBUSY;
}

const struct udrv_nvme_ns *nvme_verb_ns(struct udrv_nvme *nvme, uint64_t nsid, const char *verb,
					FILE *err)
{
	const struct udrv_nvme_ns *ns =
		nsid ? udrv_nvme_ns(nvme, (uint32_t)nsid) : udrv_nvme_ns_next(nvme, 0);

	if (ns)
		return ns;
	if (nsid)
		(void)fprintf(err,
			      "%s: there is no namespace %llu; list-ns shows which there are\n",
			      verb, (unsigned long long)nsid);
	else
		(void)fprintf(err, "%s: the controller has no namespace\n", verb);
	return NULL;
}

size_t nvme_verb_block_bytes(const struct udrv_nvme_ns *ns)
{
	return ((size_t)1 << ns->block_shift) + (ns->extended ? ns->metadata : 0u);
}

#define PAGE_ARGS "[-o normal|json|binary]"
#define FREE	  (UDRV_VERB_FREE_DEVICE | UDRV_VERB_OPTIONS)

const struct udrv_verb nvme_verbs[] = {
	{"list", "[--json]", "the namespaces", nvme_verb_list, FREE},
	{"list-ns", "[-n FROM] [-a] [-o FORMAT]", "their numbers", nvme_verb_list_ns, FREE},
	{"id-ctrl", PAGE_ARGS, "identify the controller", nvme_verb_id_ctrl, FREE},
	{"id-ns", "[-n NSID] [-o FORMAT]", "identify a namespace", nvme_verb_id_ns, FREE},
	{"smart-log", "[-n NSID] [-o FORMAT]", "health information", nvme_verb_smart_log, FREE},
	{"error-log", "[-e ENTRIES] [-o FORMAT]", "the last errors", nvme_verb_error_log, FREE},
	{"fw-log", PAGE_ARGS, "firmware slots", nvme_verb_fw_log, FREE},
	{"list-ctrl", "[-n NSID] [-c FROM] [-o FORMAT]", "controllers of the subsystem",
	 nvme_verb_list_ctrl, FREE},
	{"create-ns", "-s BLOCKS -f FLBAS|-b BYTES", "make a namespace", nvme_verb_create_ns, FREE},
	{"delete-ns", "-n NSID --force", "delete a namespace: its data is lost",
	 nvme_verb_delete_ns, FREE},
	{"attach-ns", "-n NSID [-c ID,...]", "attach a namespace to controllers",
	 nvme_verb_attach_ns, FREE},
	{"detach-ns", "-n NSID [-c ID,...] [--force]", "detach a namespace", nvme_verb_detach_ns,
	 FREE},
	{"fw-download", "[-f FILE] [-x BYTES] [-o DWORD]", "give it a firmware, to be committed",
	 nvme_verb_fw_download, UDRV_VERB_DATA_IN | UDRV_VERB_DATA_FW | FREE},
	{"fw-commit", "-a ACTION [-s SLOT|-b BPID] [--reset]", "store or activate a firmware",
	 nvme_verb_fw_commit, FREE},
	{"boot-part-read", "[-b BPID] [-d FILE]", "read a boot partition to FILE or stdout",
	 nvme_verb_boot_part_read, UDRV_VERB_DATA_OUT | FREE},
	{"sanitize-log", "[-H] [-o FORMAT]", "how far a sanitize is", nvme_verb_sanitize_log, FREE},
	{"sanitize", "-a ACTION --force [OPTION...]", "erase for good: all data is lost",
	 nvme_verb_sanitize, FREE},
	{"get-feature", "[-f ID] [-s SELECT] [-n NSID] [-H]", "show features",
	 nvme_verb_get_feature, FREE},
	{"set-feature", "-f ID -v VALUE [-n NSID] [-s]", "change a feature", nvme_verb_set_feature,
	 UDRV_VERB_DATA_IN | FREE},
	{"format", "[-n NSID] [-l LBAF] [-s ERASE] --force", "format: all data is lost",
	 nvme_verb_format, FREE},
	{"reset", NULL, "reset the controller", nvme_verb_reset, 0},
	{"subsystem-reset", NULL, "reset the controller and all others of its subsystem",
	 nvme_verb_subsystem_reset, 0},
	{"read", "-s BLOCK [-c COUNT-1] [-d FILE]", "read blocks to FILE or stdout", nvme_verb_read,
	 UDRV_VERB_DATA_OUT | FREE},
	{"write", "-s BLOCK [-c COUNT-1] [-d FILE]", "write blocks from FILE or stdin",
	 nvme_verb_write, UDRV_VERB_DATA_IN | FREE},
	{"flush", "[-n NSID]", "empty the write cache", nvme_verb_flush, UDRV_VERB_OPTIONS},
	{"perf", "[--rw HOW] [OPTION...]", "measure I/O per second and latency", nvme_verb_perf,
	 FREE},
	{NULL, NULL, NULL, NULL, 0},
};

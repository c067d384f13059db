// SPDX-License-Identifier: MIT
/* Identify Controller. */
#include "nvme_fields.h"
#include "nvme_pages.h"

#define LABEL_WIDTH	10
#define C(member, kind) NVME_FIELD(struct nvme_id_ctrl, member, #member, kind)

static const struct nvme_field fields[] = {
	C(vid, NVME_HEX),	C(ssvid, NVME_HEX),   C(sn, NVME_CHARS),     C(mn, NVME_CHARS),
	C(fr, NVME_CHARS),	C(rab, NVME_DEC),     C(ieee, NVME_IEEE),    C(cmic, NVME_HEX),
	C(mdts, NVME_DEC),	C(cntlid, NVME_HEX),  C(ver, NVME_HEX),	     C(rtd3r, NVME_HEX),
	C(rtd3e, NVME_HEX),	C(oaes, NVME_HEX),    C(ctratt, NVME_HEX),   C(rrls, NVME_HEX),
	C(cntrltype, NVME_DEC), C(fguid, NVME_UUID),  C(crdt1, NVME_DEC),    C(crdt2, NVME_DEC),
	C(crdt3, NVME_DEC),	C(nvmsr, NVME_DEC),   C(vwci, NVME_DEC),     C(mec, NVME_DEC),
	C(oacs, NVME_HEX),	C(acl, NVME_DEC),     C(aerl, NVME_DEC),     C(frmw, NVME_HEX),
	C(lpa, NVME_HEX),	C(elpe, NVME_DEC),    C(npss, NVME_DEC),     C(avscc, NVME_HEX),
	C(apsta, NVME_HEX),	C(wctemp, NVME_DEC),  C(cctemp, NVME_DEC),   C(mtfa, NVME_DEC),
	C(hmpre, NVME_DEC),	C(hmmin, NVME_DEC),   C(tnvmcap, NVME_U128), C(unvmcap, NVME_U128),
	C(rpmbs, NVME_HEX),	C(edstt, NVME_DEC),   C(dsto, NVME_DEC),     C(fwug, NVME_DEC),
	C(kas, NVME_DEC),	C(hctma, NVME_HEX),   C(mntmt, NVME_DEC),    C(mxtmt, NVME_DEC),
	C(sanicap, NVME_HEX),	C(hmminds, NVME_DEC), C(hmmaxd, NVME_DEC),   C(nsetidmax, NVME_DEC),
	C(endgidmax, NVME_DEC), C(anatt, NVME_DEC),   C(anacap, NVME_DEC),   C(anagrpmax, NVME_DEC),
	C(nanagrpid, NVME_DEC), C(pels, NVME_DEC),    C(domainid, NVME_DEC), C(megcap, NVME_U128),
	C(sqes, NVME_HEX),	C(cqes, NVME_HEX),    C(maxcmd, NVME_DEC),   C(nn, NVME_DEC),
	C(oncs, NVME_HEX),	C(fuses, NVME_HEX),   C(fna, NVME_HEX),	     C(vwc, NVME_HEX),
	C(awun, NVME_DEC),	C(awupf, NVME_DEC),   C(icsvscc, NVME_DEC),  C(nwpc, NVME_DEC),
	C(acwu, NVME_DEC),	C(ocfs, NVME_HEX),    C(sgls, NVME_HEX),     C(mnan, NVME_DEC),
	C(maxdna, NVME_U128),	C(maxcna, NVME_DEC),  C(subnqn, NVME_TEXT0), C(ioccsz, NVME_DEC),
	C(iorcsz, NVME_DEC),	C(icdoff, NVME_DEC),  C(fcatt, NVME_HEX),    C(msdbd, NVME_DEC),
	C(ofcs, NVME_DEC),
};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))

/* 5.15.2.2, Power State Descriptor: IDLE_SCALE and ACTIVE_POWER_SCALE, bits 7:6 */
static unsigned int scale(uint8_t bits)
{
	return bits >> 6;
}

static unsigned int power_states(const struct nvme_id_ctrl *id)
{
	const unsigned int most = sizeof(id->psd) / sizeof(id->psd[0]);
	unsigned int count = id->npss + 1u;

	return count < most ? count : most;
}

static void print_watts(FILE *out, const char *label, unsigned int power, unsigned int unit)
{
	(void)fprintf(out, "%s:", label);
	switch (unit) {
	case 0:
		(void)fprintf(out, "-");
		break;
	case 1:
		(void)fprintf(out, "%u.%04uW", power / 10000, power % 10000);
		break;
	case 2:
		(void)fprintf(out, "%u.%02uW", power / 100, power % 100);
		break;
	default:
		(void)fprintf(out, "reserved");
	}
}

static void print_power_state(FILE *out, unsigned int index, const struct nvme_power_state *p)
{
	static const char *const workloads[] = {"-", "1MiB 32 RW, 30s idle", "80K 128KiB SW"};
	unsigned int workload = p->active_work_scale & 7u;

	(void)fprintf(out, "ps   %4u : ", index);
	print_watts(out, "mp", p->max_power, p->flags & 1 ? 1 : 2);
	(void)fprintf(out,
		      " %soperational enlat:%u exlat:%u rrt:%u rrl:%u\n"
		      "            rwt:%u rwl:%u ",
		      p->flags & 2 ? "non-" : "", p->entry_lat, p->exit_lat, p->read_tput,
		      p->read_lat, p->write_tput, p->write_lat);
	print_watts(out, "idle_power", p->idle_power, scale(p->idle_scale));
	print_watts(out, " active_power", p->active_power, scale(p->active_work_scale));
	(void)fprintf(out, "\n            active_power_workload:%s\n",
		      workload < 3 ? workloads[workload] : "reserved");
}

void nvme_print_id_ctrl(FILE *out, const struct nvme_id_ctrl *id)
{
	(void)fprintf(out, "NVME Identify Controller:\n");
	nvme_fields_print(out, id, fields, FIELDS, LABEL_WIDTH);
	for (unsigned int i = 0; i < power_states(id); i++)
		print_power_state(out, i, &id->psd[i]);
}

static json_object *json_power_state(const struct nvme_power_state *p)
{
	json_object *o = json_object_new_object();

	nvme_json_number(o, "max_power", p->max_power);
	nvme_json_number(o, "flags", p->flags);
	nvme_json_number(o, "entry_lat", p->entry_lat);
	nvme_json_number(o, "exit_lat", p->exit_lat);
	nvme_json_number(o, "read_tput", p->read_tput);
	nvme_json_number(o, "read_lat", p->read_lat);
	nvme_json_number(o, "write_tput", p->write_tput);
	nvme_json_number(o, "write_lat", p->write_lat);
	nvme_json_number(o, "idle_power", p->idle_power);
	nvme_json_number(o, "idle_scale", scale(p->idle_scale));
	nvme_json_number(o, "active_power", p->active_power);
	nvme_json_number(o, "active_power_work", p->active_work_scale & 7u);
	nvme_json_number(o, "active_scale", scale(p->active_work_scale));
	return o;
}

json_object *nvme_json_id_ctrl(const struct nvme_id_ctrl *id)
{
	json_object *o = json_object_new_object();
	json_object *states = json_object_new_array();

	nvme_fields_json(o, id, fields, FIELDS);
	for (unsigned int i = 0; i < power_states(id); i++)
		(void)json_object_array_add(states, json_power_state(&id->psd[i]));
	(void)json_object_object_add(o, "psds", states);
	return o;
}

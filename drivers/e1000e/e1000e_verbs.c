// SPDX-License-Identifier: MIT
/* What a running e1000e daemon can be asked for. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <udrv/pci.h>

#include "e1000e.h"

/* The only option is --json. */
static int parse_json(int argc, char **argv, bool *json, FILE *err)
{
	*json = argc == 2 && !strcmp(argv[1], "--json");
	if (argc == 1 || *json)
		return 0;
	fprintf(err, "%s: '%s' is not an option; there is --json\n", argv[0], argv[argc - 1]);
	return -EINVAL;
}

struct printer {
	FILE *out;
	bool json;
	unsigned int count;
};

static void begin(struct printer *p)
{
	if (p->json)
		fputs("{", p->out);
}

static void end(struct printer *p)
{
	if (p->json)
		fputs("}\n", p->out);
}

static void number(struct printer *p, const char *name, uint64_t val)
{
	fprintf(p->out, p->json ? "%s\"%s\":%" PRIu64 : "%s%-26s %" PRIu64 "\n",
		p->json && p->count ? "," : "", name, val);
	p->count++;
}

/* As a JSON string, or as it is where @raw. */
static void text(struct printer *p, const char *name, const char *val, bool raw)
{
	const char *quote = p->json && !raw ? "\"" : "";

	fprintf(p->out, p->json ? "%s\"%s\":%s%s%s" : "%s%-26s %s%s%s\n",
		p->json && p->count ? "," : "", name, quote, val, quote);
	p->count++;
}

static const char *type_name(unsigned int type)
{
	return type == UDRV_PCI_IRQ_MSIX ? "msix" : type == UDRV_PCI_IRQ_MSI ? "msi" : "intx";
}

static void print_moderation(struct printer *p, const struct e1000e *nic)
{
	char rate[16];

	(void)snprintf(rate, sizeof(rate), "%u", nic->irqs_per_second);
	text(p, "moderation",
	     nic->moderation == E1000E_OFF     ? "off"
	     : nic->moderation == E1000E_FIXED ? rate
					       : "adaptive",
	     false);
	for (unsigned int n = 0; n < E1000E_QUEUES; n++) {
		const unsigned int reg =
			nic->irq_type == UDRV_PCI_IRQ_MSIX ? E1000E_EITR(n) : E1000E_ITR;
		char name[24];

		if (!nic->rxq[n])
			continue;
		(void)snprintf(name, sizeof(name), "rx%u_interval_ns", n);
		number(p, name, (uint64_t)e1000e_read(nic, reg) * E1000E_ITR_UNIT_NS);
	}
}

/* What a verb prints that takes nothing but --json; with the lock. */
static int print_all(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err,
		     void (*print)(struct printer *p, struct e1000e *nic))
{
	struct e1000e *nic = udrv_pci_get_drvdata(dev);
	struct printer p = {.out = out};
	int ret = parse_json(argc, argv, &p.json, err);

	if (ret)
		return ret;
	pthread_mutex_lock(&nic->lock);
	begin(&p);
	print(&p, nic);
	end(&p);
	pthread_mutex_unlock(&nic->lock);
	return 0;
}

static void print_open(struct printer *p, const struct e1000e *nic)
{
	text(p, "open", nic->up ? (p->json ? "true" : "yes") : p->json ? "false" : "no", true);
}

static void print_link(struct printer *p, struct e1000e *nic)
{
	const struct udrv_net_device *ndev = &nic->ndev;
	const uint8_t *a = ndev->dev_addr;
	const bool up = udrv_netif_carrier_ok(ndev);
	char mac[18];

	(void)snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", a[0], a[1], a[2], a[3],
		       a[4], a[5]);
	text(p, "device", udrv_pci_name(nic->dev), false);
	text(p, "link", up ? "up" : "down", false);
	number(p, "speed", up ? ndev->speed : 0);
	text(p, "duplex", ndev->full_duplex ? "full" : "half", false);
	text(p, "mac", mac, false);
	number(p, "mtu", nic->mtu);
	print_open(p, nic);
	text(p, "interrupts", type_name(nic->irq_type), false);
	number(p, "link_changes", nic->link_changes);
}

static int verb_link(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	return print_all(dev, argc, argv, out, err, print_link);
}

/* A queue's number under "rx0_packets" and the like. */
static void queue_number(struct printer *p, const char *dir, unsigned int n, const char *what,
			 const uint64_t *val)
{
	char name[40];

	(void)snprintf(name, sizeof(name), "%s%u_%s", dir, n, what);
	number(p, name, __atomic_load_n(val, __ATOMIC_RELAXED));
}

static void print_queues(struct printer *p, const struct e1000e *nic)
{
	for (unsigned int n = 0; n < E1000E_QUEUES; n++) {
		const struct e1000e_rxq *rx = nic->rxq[n];
		const struct e1000e_txq *tx = nic->txq[n];

		if (rx) {
			queue_number(p, "rx", n, "packets", &rx->q.packets);
			queue_number(p, "rx", n, "bytes", &rx->q.bytes);
			queue_number(p, "rx", n, "nonsense", &rx->nonsense);
			queue_number(p, "rx", n, "spanned", &rx->spanned);
			queue_number(p, "rx", n, "broken", &rx->broken);
			queue_number(p, "rx", n, "no_buffers", &rx->no_buffers);
		}
		if (tx) {
			queue_number(p, "tx", n, "packets", &tx->q.packets);
			queue_number(p, "tx", n, "bytes", &tx->q.bytes);
			queue_number(p, "tx", n, "unfit", &tx->unfit);
			queue_number(p, "tx", n, "unreachable", &tx->unreachable);
			queue_number(p, "tx", n, "lost", &tx->lost);
			queue_number(p, "tx", n, "unreported", &tx->unreported);
		}
	}
}

static void print_stats(struct printer *p, struct e1000e *nic)
{
	e1000e_stats_read(nic);
	for (unsigned int i = 0; e1000e_stats_name(i); i++)
		number(p, e1000e_stats_name(i), nic->counters[i]);
	print_queues(p, nic);
	number(p, "other_interrupts", nic->irqs_other);
	number(p, "resets", nic->resets);
}

static int verb_stats(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	return print_all(dev, argc, argv, out, err, print_stats);
}

static int verb_moderation(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	struct e1000e *nic = udrv_pci_get_drvdata(dev);
	const bool change = argc == 2 && strcmp(argv[1], "--json") != 0;
	struct printer p = {.out = out};
	enum e1000e_moderation how = E1000E_OFF;
	unsigned int rate = 0;
	int ret = change ? e1000e_parse_moderation(argv[1], &how, &rate)
			 : parse_json(argc, argv, &p.json, err);

	if (ret) {
		if (change)
			fprintf(err, "moderation: '%s': give adaptive, off, or 60 to 1000000\n",
				argv[1]);
		return ret;
	}
	pthread_mutex_lock(&nic->lock);
	if (change) {
		nic->moderation = how;
		nic->irqs_per_second = rate;
		e1000e_moderate(nic);
	}
	begin(&p);
	print_moderation(&p, nic);
	end(&p);
	pthread_mutex_unlock(&nic->lock);
	return 0;
}

/* Sizes, and where card and driver are; there are none while the card is closed. */
static void print_rings(struct printer *p, struct e1000e *nic)
{
	print_open(p, nic);
	for (unsigned int n = 0; n < E1000E_QUEUES; n++) {
		uint64_t val;

		if (nic->rxq[n]) {
			val = nic->rxq[n]->mask + 1;
			queue_number(p, "rx", n, "descriptors", &val);
			val = nic->rxq[n]->room;
			queue_number(p, "rx", n, "buffer_bytes", &val);
			val = e1000e_read(nic, E1000E_RDH(n));
			queue_number(p, "rx", n, "head", &val);
			val = e1000e_read(nic, E1000E_RDT(n));
			queue_number(p, "rx", n, "tail", &val);
		}
		if (nic->txq[n]) {
			val = nic->txq[n]->mask + 1;
			queue_number(p, "tx", n, "descriptors", &val);
			val = e1000e_read(nic, E1000E_TDH(n));
			queue_number(p, "tx", n, "head", &val);
			val = e1000e_read(nic, E1000E_TDT(n));
			queue_number(p, "tx", n, "tail", &val);
		}
	}
}

static int verb_rings(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	return print_all(dev, argc, argv, out, err, print_rings);
}

/* Registers that reading does not change. */
static void print_regs(struct printer *p, struct e1000e *nic)
{
	static const struct {
		const char *name;
		uint32_t reg;
	} regs[] = {
		{"ctrl", E1000E_CTRL},	       {"status", E1000E_STATUS}, {"eec", E1000E_EEC},
		{"ctrl_ext", E1000E_CTRL_EXT}, {"ims", E1000E_IMS},	  {"ivar", E1000E_IVAR},
		{"eiac", E1000E_EIAC},	       {"itr", E1000E_ITR},	  {"rctl", E1000E_RCTL},
		{"rfctl", E1000E_RFCTL},       {"rxcsum", E1000E_RXCSUM}, {"mrqc", E1000E_MRQC},
		{"tctl", E1000E_TCTL},	       {"pba", E1000E_PBA},	  {"fcrth", E1000E_FCRTH},
	};
	for (size_t i = 0; i < sizeof(regs) / sizeof(regs[0]); i++) {
		char hex[11];

		(void)snprintf(hex, sizeof(hex), "0x%08x", e1000e_read(nic, regs[i].reg));
		text(p, regs[i].name, hex, false);
	}
}

static int verb_regs(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	return print_all(dev, argc, argv, out, err, print_regs);
}

const struct udrv_verb e1000e_verbs[] = {
	{"link", "[--json]", "link, speed, address, MTU", verb_link, 0},
	{"stats", "[--json]", "what the card and its queues have counted", verb_stats, 0},
	{"moderation", "[--json|adaptive|off|N]", "show or set the rate of interrupts",
	 verb_moderation, 0},
	{"rings", "[--json]", "sizes of the rings, and where the card is in them", verb_rings, 0},
	{"regs", "[--json]", "registers", verb_regs, 0},
	{NULL, NULL, NULL, NULL, 0},
};

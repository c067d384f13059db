// SPDX-License-Identifier: MIT
/*
 * The program udrv-echonic: a driver of QEMU's edu, or model:edu, that leaves the device alone and
 * offers network cards in memory, for what exports those: udrv run echonic DEVICE --tap NAME ...
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/driver.h>
#include <udrv/log.h>
#include <udrv/pci.h>

#include "support/echo_nic.h"

#define CARDS_MAX 3

static const struct udrv_pci_device_id ids[] = {
	{UDRV_PCI_DEVICE(0x1234, 0x11e8)},
	{0},
};

static const char *queues_param = "2", *mtu_param = "9000", *csum_param = "on", *tso_param = "on",
		  *rx_csum_param = "on", *from_param = "", *to_param = "", *event_param = "on",
		  *drop_param = "0", *cards_param = "1", *unit_param = "1", *link_param = "on",
		  *dma_param = "on", *open_error_param = "0", *address_error_param = "0";

static const struct udrv_param params[] = {
	{"queues", &queues_param, "pairs"},
	{"max_mtu", &mtu_param, "bytes"},
	{"csum", &csum_param, "on or off: it computes checksums of what it sends"},
	{"tso", &tso_param, "on or off: it cuts TCP"},
	{"rx_csum", &rx_csum_param, "on or off: it checks what it receives"},
	{"from", &from_param, "the path of a socket: its end of a wire; none: it echoes"},
	{"to", &to_param, "the path of the other end"},
	{"event", &event_param, "on, or off: it does not interrupt"},
	{"drop_every", &drop_param, "each so manieth received frame is lost"},
	{"cards", &cards_param, "number, up to 3"},
	{"unit", &unit_param, "last byte of the first one's address"},
	{"link", &link_param, "on or off at first"},
	{"dma", &dma_param, "buffers are on: DMA memory of the device, or off: any"},
	{"open_error", &open_error_param, "errno of the first open"},
	{"address_error", &address_error_param, "errno of the first change of the address"},
	{NULL, NULL, NULL},
};

struct cards {
	unsigned int count;
	struct echo_nic nic[CARDS_MAX];
};

static bool is_on(const char *text)
{
	return !strcmp(text, "on");
}

static unsigned int number(const char *text)
{
	return (unsigned int)strtoul(text, NULL, 0);
}

static void free_cards(struct cards *c)
{
	while (c->count) {
		struct echo_nic *nic = &c->nic[--c->count];

		udrv_unregister_netdev(&nic->ndev);
		echo_nic_free(nic);
	}
	free(c);
}

static int add_card(struct cards *c, struct udrv_device *dev, const struct echo_nic_options *o)
{
	struct echo_nic *nic = &c->nic[c->count];
	char name[32];
	int ret;

	(void)snprintf(name, sizeof(name), "echo%u", c->count);
	ret = echo_nic_init(nic, is_on(dma_param) ? dev : NULL, name,
			    (uint8_t)(number(unit_param) + c->count), o);
	if (ret)
		return ret;
	nic->open_error = -(int)number(open_error_param);
	nic->address_error = -(int)number(address_error_param);
	nic->ndev.speed = 1000;
	nic->ndev.full_duplex = true;
	if (is_on(link_param))
		udrv_netif_carrier_on(&nic->ndev);
	ret = udrv_register_netdev(&nic->ndev);
	if (ret)
		echo_nic_free(nic);
	else
		c->count++;
	return ret;
}

static int probe(struct udrv_device *dev, const struct udrv_pci_device_id *id)
{
	const struct echo_nic_options o = {
		.queues = number(queues_param),
		.max_mtu = number(mtu_param),
		.features = (is_on(csum_param) ? UDRV_NET_F_TX_CSUM : 0) |
			    (is_on(tso_param) ? UDRV_NET_F_TSO : 0) |
			    (is_on(rx_csum_param) ? UDRV_NET_F_RX_CSUM : 0),
		.wire = {*from_param ? from_param : NULL, *to_param ? to_param : NULL},
		.no_event = !is_on(event_param),
		.drop_every = number(drop_param),
	};
	struct cards *c = calloc(1, sizeof(*c));
	int ret = c ? 0 : -ENOMEM;

	(void)id;
	while (!ret && c->count < number(cards_param) && c->count < CARDS_MAX)
		ret = add_card(c, dev, &o);
	if (ret && c)
		free_cards(c);
	else if (c)
		udrv_pci_set_drvdata(dev, c);
	return ret;
}

static void remove_cards(struct udrv_device *dev)
{
	free_cards(udrv_pci_get_drvdata(dev));
}

static int verb_link(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	struct cards *c = udrv_pci_get_drvdata(dev);

	(void)out;
	if (argc != 2) {
		(void)fprintf(err, "on or off?\n");
		return -EINVAL;
	}
	if (is_on(argv[1]))
		udrv_netif_carrier_on(&c->nic[0].ndev);
	else
		udrv_netif_carrier_off(&c->nic[0].ndev);
	return 0;
}

static int verb_state(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	struct cards *c = udrv_pci_get_drvdata(dev);
	const struct echo_nic *nic = &c->nic[0];
	const uint8_t *a = nic->ndev.dev_addr;
	struct udrv_net_stats s;

	(void)argc;
	(void)argv;
	(void)err;
	udrv_net_get_stats(&c->nic[0].ndev, &s);
	(void)fprintf(out,
		      "%s mtu %u address %02x:%02x:%02x:%02x:%02x:%02x flags 0x%x opens %u rx %llu "
		      "tx %llu dropped %llu\n",
		      nic->pool ? "open" : "closed", nic->ndev.mtu, a[0], a[1], a[2], a[3], a[4],
		      a[5], nic->ndev.flags, nic->opens, (unsigned long long)s.rx_packets,
		      (unsigned long long)s.tx_packets, (unsigned long long)s.rx_dropped);
	return 0;
}

/* As if it had been pulled out. */
static int verb_pull(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	(void)argc;
	(void)argv;
	(void)out;
	(void)err;
	udrv_device_set_gone(dev);
	return 0;
}

/* The driver gives its card up, and goes on. */
static int verb_drop(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	struct cards *c = udrv_pci_get_drvdata(dev);

	(void)argc;
	(void)argv;
	(void)out;
	(void)err;
	udrv_unregister_netdev(&c->nic[0].ndev);
	return 0;
}

static const struct udrv_verb verbs[] = {
	{"link", "on|off", "the link of the first card", verb_link, 0},
	{"state", NULL, "what the first card is told", verb_state, 0},
	{"pull", NULL, "the device is gone", verb_pull, 0},
	{"drop", NULL, "the first card is no more", verb_drop, 0},
	{NULL, NULL, NULL, NULL, 0},
};

const struct udrv_driver echonic_driver = {
	.name = "echonic",
	.description = "network cards in memory, for tests",
	.id_table = ids,
	.probe = probe,
	.remove = remove_cards,
	.verbs = verbs,
	.params = params,
};

UDRV_DRIVER_MAIN(echonic_driver)

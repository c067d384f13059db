// SPDX-License-Identifier: MIT
/* QEMU's PCI serial cards: one, two or four 16550As in one BAR and on one interrupt line. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/pci.h>

#include "uart16550.h"

static const struct udrv_pci_device_id uart_ids[] = {
	{UDRV_PCI_DEVICE(UART_VENDOR_ID, UART_DEVICE_ID_1X)},
	{UDRV_PCI_DEVICE(UART_VENDOR_ID, UART_DEVICE_ID_2X)},
	{UDRV_PCI_DEVICE(UART_VENDOR_ID, UART_DEVICE_ID_4X)},
	{0},
};

static const char *trigger_param = "8";
static const char *wait_param = "read";

static const struct udrv_param uart_params[] = {
	{"trigger", &trigger_param, "characters in the FIFO that interrupt: 1, 4, 8 or 14"},
	{"wait", &wait_param, "worker waits by: read, epoll, uring, uring-read, spin or adaptive"},
	{NULL, NULL, NULL},
};

/* Characters, or -EINVAL. */
static int parse_trigger(struct udrv_device *dev)
{
	static const int levels[] = {1, 4, 8, 14};
	char text[4];

	for (int i = 0; i < 4; i++) {
		(void)snprintf(text, sizeof(text), "%d", levels[i]);
		if (!strcmp(trigger_param, text))
			return levels[i];
	}
	udrv_dev_err(dev, "trigger=%s: the values are 1, 4, 8 and 14", trigger_param);
	return -EINVAL;
}

static int map_registers(struct uart16550_card *card)
{
	int ret = udrv_pci_enable_device(card->dev);

	if (ret)
		return ret;
	ret = udrv_pci_request_regions(card->dev, "uart16550");
	if (ret)
		goto err_disable;
	ret = -ENOMEM;
	card->regs = udrv_pci_iomap(card->dev, UART_BAR, 0);
	if (card->regs)
		return 0;

	udrv_pci_release_regions(card->dev);
err_disable:
	udrv_pci_disable_device(card->dev);
	return ret;
}

static void unmap_registers(struct uart16550_card *card)
{
	udrv_pci_iounmap(card->dev, card->regs);
	udrv_pci_release_regions(card->dev);
	udrv_pci_disable_device(card->dev);
}

/* The ports request it when they are opened. */
static int setup_irq(struct uart16550_card *card)
{
	struct udrv_irq_options options = UDRV_IRQ_OPTIONS_DEFAULT;
	int wait = udrv_wait_parse(wait_param);
	int ret;

	if (wait < 0) {
		udrv_dev_err(
			card->dev,
			"wait=%s: the values are read, epoll, uring, uring-read, spin and adaptive",
			wait_param);
		return -EINVAL;
	}
	options.wait = (enum udrv_wait)wait;
	ret = udrv_pci_alloc_irq_vectors(card->dev, 1, 1, UDRV_PCI_IRQ_INTX);
	if (ret < 0)
		return ret;
	card->irq = udrv_pci_irq_vector(card->dev, 0);
	ret = udrv_irq_set_options(card->dev, card->irq, &options);
	if (ret)
		udrv_pci_free_irq_vectors(card->dev);
	return ret;
}

/* All of them quiet before the first may interrupt. */
static int detect_ports(struct uart16550_card *card)
{
	int trigger = parse_trigger(card->dev);
	int ret = trigger < 0 ? trigger : 0;

	for (unsigned int i = 0; !ret && i < card->count; i++) {
		struct uart16550 *u = &card->uart[i];

		u->regs = (char __udrv_iomem *)card->regs + i * UART_REGS;
		u->irq = card->irq;
		u->port.dev = card->dev;
		u->port.line = i;
		u->port.ops = &uart16550_ops;
		u->port.uartclk = UART_CLOCK;
		u->port.private_data = u;
		u->trigger = (unsigned int)trigger;
		ret = uart16550_detect(u);
	}
	return ret;
}

static void remove_ports(struct uart16550_card *card)
{
	for (unsigned int i = card->count; i-- > 0;)
		udrv_uart_remove_one_port(&card->uart[i].port);
}

static int add_ports(struct uart16550_card *card)
{
	for (unsigned int i = 0; i < card->count; i++) {
		struct uart16550 *u = &card->uart[i];
		int ret = udrv_uart_add_one_port(&u->port);

		if (ret) {
			remove_ports(card);
			return ret;
		}
		udrv_dev_info(card->dev, "port %u: %s, %s", i, u->fifos ? "16550A" : "no FIFOs",
			      udrv_uart_port_path(&u->port));
	}
	return 0;
}

/* [Q]: each card has as many as its name says. */
static unsigned int ports_of(const struct udrv_pci_device_id *id)
{
	return id->device == UART_DEVICE_ID_4X ? 4 : id->device == UART_DEVICE_ID_2X ? 2 : 1;
}

static int uart_probe(struct udrv_device *dev, const struct udrv_pci_device_id *id)
{
	struct uart16550_card *card = calloc(1, sizeof(*card));
	int ret;

	if (!card)
		return -ENOMEM;
	card->dev = dev;
	card->count = ports_of(id);
	ret = map_registers(card);
	if (ret)
		goto err_free;
	ret = setup_irq(card);
	if (ret)
		goto err_unmap;
	ret = detect_ports(card);
	if (!ret)
		ret = add_ports(card);
	if (ret)
		goto err_irq;
	udrv_pci_set_drvdata(dev, card);
	return 0;

err_irq:
	udrv_pci_free_irq_vectors(dev);
err_unmap:
	unmap_registers(card);
err_free:
	free(card);
	return ret;
}

static void uart_remove(struct udrv_device *dev)
{
	struct uart16550_card *card = udrv_pci_get_drvdata(dev);

	remove_ports(card);
	udrv_pci_free_irq_vectors(dev);
	unmap_registers(card);
	udrv_pci_set_drvdata(dev, NULL);
	free(card);
}

const struct udrv_driver uart16550_driver = {
	.name = "uart16550",
	.description = "serial ports of QEMU's pci-serial cards (1b36:0002, 0003, 0004)",
	.id_table = uart_ids,
	.probe = uart_probe,
	.remove = uart_remove,
	.verbs = uart16550_verbs,
	.params = uart_params,
};

// SPDX-License-Identifier: MIT
/* The driver of Intel's 82574L: probe and remove, parameters, what the network core asks for. */
#include <errno.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <udrv/pci.h>

#include "e1000e.h"

#define MTU_MIN	    68
#define MTU_MAX	    9000 /* 4.1: jumbo frames of 9018 bytes with their check sequence */
#define TICK_MAX_MS 60000

static const struct udrv_pci_device_id e1000e_ids[] = {
	{UDRV_PCI_DEVICE(E1000E_VENDOR_ID, E1000E_DEVICE_ID_82574)},
	{0},
};

static const char *interrupts_param = "msix";
static const char *moderation_param = "adaptive";
static const char *tick_param = "2000";

static const struct udrv_param e1000e_params[] = {
	{"interrupts", &interrupts_param, "msix, msi or intx: or less, if the card has no such"},
	{"moderation", &moderation_param, "adaptive, off, or interrupts per second of each vector"},
	{"watchdog_ms", &tick_param, "between two looks at counters and transmitter: 10 to 60000"},
	{NULL, NULL, NULL},
};

static int parse(struct e1000e *nic)
{
	unsigned long ms;
	char *end;

	errno = 0;
	ms = strtoul(tick_param, &end, 10);
	if (errno || end == tick_param || *end || ms < 10 || ms > TICK_MAX_MS) {
		udrv_dev_err(nic->dev, "watchdog_ms=%s: a number from 10 to %u is wanted",
			     tick_param, TICK_MAX_MS);
		return -EINVAL;
	}
	nic->tick_ms = (unsigned int)ms;
	if (!e1000e_parse_moderation(moderation_param, &nic->moderation, &nic->irqs_per_second))
		return 0;
	udrv_dev_err(nic->dev, "moderation=%s: adaptive, off, or a number from 60 to 1000000",
		     moderation_param);
	return -EINVAL;
}

static void set_rx_mode(struct udrv_net_device *ndev)
{
	struct e1000e *nic = ndev->priv;

	pthread_mutex_lock(&nic->lock);
	e1000e_filter_take(nic);
	if (nic->up)
		e1000e_filter_set(nic);
	pthread_mutex_unlock(&nic->lock);
}

static int set_mac_address(struct udrv_net_device *ndev, const uint8_t *addr)
{
	struct e1000e *nic = ndev->priv;

	pthread_mutex_lock(&nic->lock);
	/* A reset by the watchdog sets what is there. */
	memcpy(ndev->dev_addr, addr, sizeof(ndev->dev_addr));
	e1000e_filter_mac(nic, addr);
	pthread_mutex_unlock(&nic->lock);
	return 0;
}

static void get_stats(struct udrv_net_device *ndev, struct udrv_net_stats *stats)
{
	struct e1000e *nic = ndev->priv;

	pthread_mutex_lock(&nic->lock);
	e1000e_stats_read(nic);
	e1000e_stats_add(nic, stats);
	pthread_mutex_unlock(&nic->lock);
}

static int change_vid(struct udrv_net_device *ndev, uint16_t vid, bool on)
{
	struct e1000e *nic = ndev->priv;

	pthread_mutex_lock(&nic->lock);
	e1000e_filter_vlan(nic, vid, on);
	pthread_mutex_unlock(&nic->lock);
	return 0;
}

static int add_vid(struct udrv_net_device *ndev, uint16_t vid)
{
	return change_vid(ndev, vid, true);
}

static int kill_vid(struct udrv_net_device *ndev, uint16_t vid)
{
	return change_vid(ndev, vid, false);
}

const struct udrv_net_device_ops e1000e_ops = {
	.ndo_open = e1000e_open,
	.ndo_stop = e1000e_stop,
	.ndo_set_rx_mode = set_rx_mode,
	.ndo_set_mac_address = set_mac_address,
	.ndo_get_stats64 = get_stats,
	.ndo_vlan_rx_add_vid = add_vid,
	.ndo_vlan_rx_kill_vid = kill_vid,
	.rx_pending = e1000e_rx_pending,
	.rx_event_fd = e1000e_rx_event_fd,
	.rx_arm = e1000e_rx_arm,
	.tx_event_fd = e1000e_tx_event_fd,
	.tx_arm = e1000e_tx_arm,
};

static int map_registers(struct e1000e *nic)
{
	int ret = udrv_pci_enable_device(nic->dev);

	if (ret)
		return ret;
	ret = udrv_pci_request_region(nic->dev, E1000E_BAR, "e1000e");
	if (ret)
		goto err_disable;
	ret = -ENOMEM;
	nic->regs = udrv_pci_iomap(nic->dev, E1000E_BAR, E1000E_SIZE);
	if (nic->regs)
		return 0;

	udrv_pci_release_region(nic->dev, E1000E_BAR);
err_disable:
	udrv_pci_disable_device(nic->dev);
	return ret;
}

static void unmap_registers(struct e1000e *nic)
{
	udrv_pci_iounmap(nic->dev, nic->regs);
	udrv_pci_release_region(nic->dev, E1000E_BAR);
	udrv_pci_disable_device(nic->dev);
}

static void describe(struct e1000e *nic)
{
	struct udrv_net_device *ndev = &nic->ndev;

	ndev->dev = nic->dev;
	(void)snprintf(ndev->name, sizeof(ndev->name), "e1000e-%s", udrv_pci_name(nic->dev));
	ndev->min_mtu = MTU_MIN;
	ndev->max_mtu = MTU_MAX;
	nic->mtu = 1500;
	ndev->max_rx_queues = E1000E_QUEUES;
	ndev->max_tx_queues = E1000E_QUEUES;
	ndev->hw_features = UDRV_NET_F_TX_CSUM | UDRV_NET_F_TSO | UDRV_NET_F_RX_CSUM |
			    UDRV_NET_F_VLAN_TX | UDRV_NET_F_VLAN_RX | UDRV_NET_F_VLAN_FILTER;
	ndev->netdev_ops = &e1000e_ops;
	ndev->priv = nic;
	memcpy(ndev->dev_addr, ndev->perm_addr, sizeof(ndev->dev_addr));
}

/* With the registers mapped: the card quiet, and its address known. */
static int start_card(struct e1000e *nic)
{
	int ret = e1000e_hw_reset(nic);

	if (!ret)
		ret = e1000e_hw_read_mac(nic, nic->ndev.perm_addr);
	if (ret)
		return ret;
	describe(nic);
	ret = udrv_pci_set_master(nic->dev);
	if (!ret)
		ret = e1000e_hw_init(nic);
	return ret;
}

static int make(struct e1000e *nic)
{
	nic->membarrier = !syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
	pthread_mutex_init(&nic->lock, NULL);
	udrv_init_delayed_work(&nic->tick, e1000e_tick);
	nic->wq = udrv_alloc_ordered_workqueue("e1000e", 0);
	return nic->wq ? 0 : -ENOMEM;
}

static void unmake(struct e1000e *nic)
{
	if (nic->wq)
		udrv_destroy_workqueue(nic->wq);
	pthread_mutex_destroy(&nic->lock);
	free(nic);
}

static int e1000e_probe(struct udrv_device *dev, const struct udrv_pci_device_id *id)
{
	struct e1000e *nic = calloc(1, sizeof(*nic));
	int ret;

	(void)id;
	if (!nic)
		return -ENOMEM;
	nic->dev = dev;
	ret = make(nic);
	if (!ret)
		ret = parse(nic);
	if (!ret)
		ret = udrv_dma_set_mask_and_coherent(dev, UDRV_DMA_BIT_MASK(64));
	if (ret)
		goto err_unmake;
	ret = map_registers(nic);
	if (ret)
		goto err_unmake;
	ret = start_card(nic);
	if (ret)
		goto err_unmap;
	ret = e1000e_irq_init(nic, interrupts_param);
	if (ret)
		goto err_unmap;
	ret = udrv_register_netdev(&nic->ndev);
	if (ret)
		goto err_irq;
	udrv_pci_set_drvdata(dev, nic);
	pthread_mutex_lock(&nic->lock);
	if (!nic->up) {
		e1000e_irq_start(nic);
		e1000e_hw_link(nic);
	}
	pthread_mutex_unlock(&nic->lock);
	return 0;

err_irq:
	e1000e_irq_exit(nic);
err_unmap:
	(void)udrv_pci_clear_master(dev);
	unmap_registers(nic);
err_unmake:
	unmake(nic);
	return ret;
}

/* The device first, memory after. */
static void e1000e_remove(struct udrv_device *dev)
{
	struct e1000e *nic = udrv_pci_get_drvdata(dev);

	udrv_unregister_netdev(&nic->ndev);
	udrv_pci_set_drvdata(dev, NULL);
	pthread_mutex_lock(&nic->lock);
	(void)e1000e_hw_reset(nic);
	pthread_mutex_unlock(&nic->lock);
	e1000e_irq_exit(nic);
	(void)udrv_pci_clear_master(dev);
	unmap_registers(nic);
	unmake(nic);
}

const struct udrv_driver e1000e_driver = {
	.name = "e1000e",
	.description = "Intel 82574L network cards (8086:10d3)",
	.id_table = e1000e_ids,
	.probe = e1000e_probe,
	.remove = e1000e_remove,
	.verbs = e1000e_verbs,
	.params = e1000e_params,
};

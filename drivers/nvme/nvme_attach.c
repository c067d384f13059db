// SPDX-License-Identifier: MIT
/* Taking a controller, and giving it back. */
#include <errno.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <udrv/pci.h>

#include "nvme_ctrl.h"

#define IO_TIMEOUT_MS	 30000u
#define ADMIN_TIMEOUT_MS 60000u
#define RETRIES		 5
#define RETRIES_MAX	 100
#define TIMEOUT_MAX_MS	 (24u * 3600 * 1000)

static unsigned int cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 1 : (unsigned int)CPU_COUNT(&set);
}

/* For each disk, and for those who look on. */
static unsigned int queues_for(unsigned int namespaces)
{
	return (namespaces + 1) * cpus();
}

static void set_options(struct udrv_nvme *nvme, const struct udrv_nvme_options *options)
{
	struct udrv_nvme_options *o = &nvme->options;

	if (options)
		*o = *options;
	nvme->queues_by_namespaces = !o->queues;
	if (!o->queues)
		o->queues = queues_for(1);
	if (o->queues > NVME_QUEUES_MAX)
		o->queues = NVME_QUEUES_MAX;
	if (!o->io_timeout_ms)
		o->io_timeout_ms = IO_TIMEOUT_MS;
	if (!o->admin_timeout_ms)
		o->admin_timeout_ms = ADMIN_TIMEOUT_MS;
	if (!o->retries)
		o->retries = RETRIES;
	if (o->retries < 0)
		o->retries = 0;
	if (o->retries > RETRIES_MAX)
		o->retries = RETRIES_MAX;
	if (o->io_timeout_ms > TIMEOUT_MAX_MS)
		o->io_timeout_ms = TIMEOUT_MAX_MS;
}

static int init_locks(struct udrv_nvme *nvme)
{
	pthread_mutex_init(&nvme->state_lock, NULL);
	pthread_cond_init(&nvme->state_changed, NULL);
	pthread_mutex_init(&nvme->admin_lock, NULL);
	pthread_mutex_init(&nvme->config_lock, NULL);
	pthread_mutex_init(&nvme->queues_lock, NULL);
	pthread_mutex_init(&nvme->boot_lock, NULL);
	pthread_mutex_init(&nvme->ns_lock, NULL);
	pthread_mutex_init(&nvme->listener_lock, NULL);
	udrv_init_work(&nvme->reset_work, nvme_reset_work);
	udrv_init_work(&nvme->event_work, nvme_event_work);
	udrv_init_delayed_work(&nvme->tick_work, nvme_tick_work);
	nvme->wq = udrv_alloc_ordered_workqueue("nvme-reset", 0);
	nvme->event_wq = udrv_alloc_ordered_workqueue("nvme-event", 0);
	nvme->identity = calloc(1, sizeof(*nvme->identity));
	return nvme->wq && nvme->event_wq && nvme->identity ? 0 : -ENOMEM;
}

static void free_all(struct udrv_nvme *nvme)
{
	if (nvme->wq)
		udrv_destroy_workqueue(nvme->wq);
	if (nvme->event_wq)
		udrv_destroy_workqueue(nvme->event_wq);
	nvme_ns_free(nvme);
	udrv_dma_free_coherent(nvme->dev, UDRV_PAGE_SIZE, nvme->shadows, nvme->shadows_iova);
	udrv_dma_free_coherent(nvme->dev, UDRV_PAGE_SIZE, nvme->event_idxs, nvme->event_idxs_iova);
	nvme_admin_exit(nvme);
	pthread_mutex_destroy(&nvme->listener_lock);
	pthread_mutex_destroy(&nvme->ns_lock);
	pthread_mutex_destroy(&nvme->boot_lock);
	pthread_mutex_destroy(&nvme->queues_lock);
	pthread_mutex_destroy(&nvme->config_lock);
	pthread_mutex_destroy(&nvme->admin_lock);
	pthread_cond_destroy(&nvme->state_changed);
	pthread_mutex_destroy(&nvme->state_lock);
	nvme_forget_identity(nvme);
	free(nvme);
}

static int map_registers(struct udrv_nvme *nvme)
{
	int ret = udrv_pci_enable_device(nvme->dev);

	if (ret)
		return ret;
	ret = udrv_pci_request_region(nvme->dev, 0, "nvme");
	if (ret)
		goto err_disable;
	ret = -ENOMEM;
	nvme->regs = udrv_pci_iomap(nvme->dev, 0, 0);
	if (nvme->regs)
		return 0;

	udrv_pci_release_region(nvme->dev, 0);
err_disable:
	udrv_pci_disable_device(nvme->dev);
	return ret;
}

/*
 * For themselves, so that they are a mapping even where the rest is trapped, or an MSI-X table is
 * in the same BAR.
 */
static int map_doorbells(struct udrv_nvme *nvme)
{
	const size_t len =
		NVME_DOORBELL(nvme->options.queues + 1ul, false, NVME_CAP_DSTRD(nvme->cap)) -
		NVME_REG_DBS;

	nvme->doorbells = udrv_pci_iomap_range(nvme->dev, 0, NVME_REG_DBS, len);
	return nvme->doorbells ? 0 : -ENOMEM;
}

static void unmap_registers(struct udrv_nvme *nvme)
{
	nvme_cmb_exit(nvme);
	udrv_pci_iounmap(nvme->dev, nvme->doorbells);
	udrv_pci_iounmap(nvme->dev, nvme->regs);
	udrv_pci_release_region(nvme->dev, 0);
	udrv_pci_disable_device(nvme->dev);
}

/* One for the admin queue, one for each I/O queue if there are as many. A line is of no use. */
static int take_interrupts(struct udrv_nvme *nvme)
{
	int ret = udrv_pci_alloc_irq_vectors(nvme->dev, 1, 1 + nvme->options.queues,
					     UDRV_PCI_IRQ_MSIX | UDRV_PCI_IRQ_MSI);

	if (ret < 0) {
		udrv_dev_notice(nvme->dev, "no interrupt messages: all queues are polled");
		return 0;
	}
	nvme->vectors = (unsigned int)ret;
	ret = udrv_request_irq(nvme->dev, udrv_pci_irq_vector(nvme->dev, 0), nvme_admin_interrupt,
			       0, "nvme-admin", nvme);
	if (!ret)
		return 0;
	udrv_pci_free_irq_vectors(nvme->dev);
	nvme->vectors = 0;
	return ret;
}

static void give_interrupts(struct udrv_nvme *nvme)
{
	if (!nvme->vectors)
		return;
	(void)udrv_free_irq(nvme->dev, udrv_pci_irq_vector(nvme->dev, 0), nvme);
	udrv_pci_free_irq_vectors(nvme->dev);
	nvme->vectors = 0;
}

/*
 * Nothing is in flight, and no I/O queue has been made. As in Linux's nvme_setup_io_queues() the
 * vectors are taken anew.
 */
int nvme_want_queues(struct udrv_nvme *nvme)
{
	struct udrv_nvme_options *o = &nvme->options;
	const unsigned int wanted = queues_for(nvme->namespaces.count);
	int ret;

	if (!nvme->queues_by_namespaces)
		return 0;
	nvme->queues_by_namespaces = false;
	if (wanted <= o->queues)
		return 0;
	o->queues = wanted < NVME_QUEUES_MAX ? wanted : NVME_QUEUES_MAX;
	ret = map_doorbells(nvme);
	if (ret)
		return ret;
	give_interrupts(nvme);
	return take_interrupts(nvme);
}

/* 7.6.1: it may be at work for somebody who was killed, so it is disabled first. */
static int start(struct udrv_nvme *nvme)
{
	int ret = nvme_look_at_caps(nvme);

	if (!ret)
		ret = map_doorbells(nvme);
	if (!ret)
		ret = nvme_quiet(nvme);
	if (!ret)
		ret = nvme_admin_init(nvme);
	if (!ret)
		ret = udrv_pci_set_master(nvme->dev);
	if (!ret)
		ret = nvme_enable(nvme);
	if (ret)
		return ret;
	nvme_admin_open(nvme);
	return nvme_initialise(nvme);
}

static void say_hello(const struct udrv_nvme *nvme)
{
	const struct nvme_id_ctrl *id = nvme_id(nvme);
	unsigned int model = sizeof(id->mn);

	while (model && (id->mn[model - 1] == ' ' || !id->mn[model - 1]))
		model--;
	udrv_dev_info(
		nvme->dev,
		"NVMe %u.%u controller %.*s: %u namespaces, %u I/O queues of up to %u entries, "
		"%u vectors%s%s",
		NVME_VS_MAJOR(nvme->vs), NVME_VS_MINOR(nvme->vs), (int)model, id->mn,
		nvme->namespaces.count, nvme->queues_max, NVME_CAP_MQES(nvme->cap) + 1,
		nvme->vectors, nvme->shadows_on ? ", shadow doorbells" : "",
		nvme->cmb.on ? ", submission queues in its memory" : "");
}

int udrv_nvme_attach(struct udrv_device *dev, const struct udrv_nvme_options *options,
		     struct udrv_nvme **nvme_out)
{
	struct udrv_nvme *nvme = calloc(1, sizeof(*nvme));
	int ret;

	if (!nvme)
		return -ENOMEM;
	nvme->dev = dev;
	set_options(nvme, options);
	nvme->membarrier =
		!syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
	ret = init_locks(nvme);
	if (ret)
		goto err_free;
	ret = udrv_dma_set_mask_and_coherent(dev, UDRV_DMA_BIT_MASK(64));
	if (ret)
		goto err_free;
	ret = map_registers(nvme);
	if (ret)
		goto err_free;
	ret = take_interrupts(nvme);
	if (ret)
		goto err_unmap;
	ret = start(nvme);
	if (ret)
		goto err_stop;
	/* Before events and resets change what it says. */
	say_hello(nvme);
	nvme_set_state(nvme, NVME_LIVE);
	nvme_admin_listen(nvme);
	(void)udrv_queue_delayed_work(nvme->wq, &nvme->tick_work, NVME_TICK_MS * UDRV_HZ / 1000);
	*nvme_out = nvme;
	return 0;

err_stop:
	(void)nvme_quiet(nvme);
	if (nvme->admin)
		nvme_admin_cancel(nvme);
	give_interrupts(nvme);
	(void)udrv_pci_clear_master(dev);
err_unmap:
	unmap_registers(nvme);
err_free:
	free_all(nvme);
	return ret;
}

void udrv_nvme_detach(struct udrv_nvme *nvme)
{
	if (!nvme)
		return;
	pthread_mutex_lock(&nvme->state_lock);
	__atomic_store_n(&nvme->detaching, true, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&nvme->state_lock);
	(void)udrv_cancel_delayed_work_sync(&nvme->tick_work);
	(void)udrv_cancel_work_sync(&nvme->reset_work);
	/* Nobody resets any more: who waits for an answer gets none. */
	nvme_admin_close(nvme);
	if (nvme->state != NVME_DEAD && nvme_shut_down(nvme))
		udrv_dev_warn(nvme->dev, "it may have to recover when it is used next");
	(void)nvme_quiet(nvme);
	nvme_admin_cancel(nvme);
	nvme_set_state(nvme, NVME_DEAD);
	(void)udrv_cancel_work_sync(&nvme->event_work);
	give_interrupts(nvme);
	(void)udrv_pci_clear_master(nvme->dev);
	unmap_registers(nvme);
	free_all(nvme);
}

struct udrv_device *udrv_nvme_device(const struct udrv_nvme *nvme)
{
	return nvme->dev;
}

const struct nvme_id_ctrl *udrv_nvme_id_ctrl(const struct udrv_nvme *nvme)
{
	return nvme_id(nvme);
}

void udrv_nvme_get_info(struct udrv_nvme *nvme, struct udrv_nvme_info *info)
{
	*info = (struct udrv_nvme_info){
		.cap = nvme->cap,
		.vs = nvme->vs,
		.queues = __atomic_load_n(&nvme->queues_max, __ATOMIC_RELAXED),
		.queues_made = __atomic_load_n(&nvme->queues_made, __ATOMIC_RELAXED),
		.queue_entries = nvme_most_entries(nvme),
		.max_transfer = nvme_max_transfer(nvme),
		.shadow_doorbells = __atomic_load_n(&nvme->shadows_on, __ATOMIC_RELAXED),
		.sgl = nvme_has_sgl(nvme),
		.cmb = __atomic_load_n(&nvme->cmb.on, __ATOMIC_RELAXED),
		.weighted = nvme->weighted,
		.resets = __atomic_load_n(&nvme->resets, __ATOMIC_RELAXED),
		.timeouts = __atomic_load_n(&nvme->timeouts, __ATOMIC_RELAXED),
		.aborts = __atomic_load_n(&nvme->aborts, __ATOMIC_RELAXED),
		.bad_completions = __atomic_load_n(&nvme->bad, __ATOMIC_RELAXED),
	};
	pthread_mutex_lock(&nvme->state_lock);
	info->dead = nvme->state == NVME_DEAD;
	pthread_mutex_unlock(&nvme->state_lock);
}

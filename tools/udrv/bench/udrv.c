// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The rows over the framework, written as a driver is: map the registers, request the interrupt
 * with a handler that stamps and acknowledges. Only the wait strategy differs.
 */
#include "bench/rows.h"
#include "tool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <udrv/device.h>
#include <udrv/io.h>
#include <udrv/irq.h>
#include <udrv/pci.h>

struct edu {
	struct bench_gate gate;
	struct udrv_device *dev;
	unsigned char __udrv_iomem *regs;
	int irq;
};

static udrv_irqreturn_t edu_handler(int irq, void *dev_id)
{
	uint64_t now = bench_stamp();
	struct edu *edu = dev_id;
	uint32_t status = udrv_ioread32(edu->regs + EDU_IRQ_STATUS);

	if (!status)
		return UDRV_IRQ_NONE;
	udrv_iowrite32(status, edu->regs + EDU_IRQ_ACK);
	edu->gate.hard = udrv_irq_hard_stamp(edu->dev, irq);
	bench_gate_open(&edu->gate, now);
	return UDRV_IRQ_HANDLED;
}

static int edu_fire(void *ctx)
{
	struct edu *edu = ctx;

	edu->gate.start = bench_stamp();
	udrv_iowrite32(1, edu->regs + EDU_IRQ_RAISE);
	return 0;
}

static int edu_enable(struct edu *edu, bool intx)
{
	int ret = udrv_pci_enable_device(edu->dev);

	if (!ret)
		ret = udrv_pci_set_master(edu->dev);
	if (ret)
		return ret;
	edu->regs = udrv_pci_iomap(edu->dev, 0, 0);
	if (!edu->regs)
		return -ENOMEM;
	ret = udrv_pci_alloc_irq_vectors(edu->dev, 1, 1,
					 intx ? UDRV_PCI_IRQ_INTX : UDRV_PCI_IRQ_MSI);
	if (ret < 0)
		return ret;
	edu->irq = udrv_pci_irq_vector(edu->dev, 0);
	/* An interrupt that an earlier user left pending. */
	udrv_iowrite32(udrv_ioread32(edu->regs + EDU_IRQ_STATUS), edu->regs + EDU_IRQ_ACK);
	return 0;
}

static int edu_open(struct edu *edu, const struct bench_settings *settings, const char *backend)
{
	int ret;

	memset(edu, 0, sizeof(*edu));
	ret = udrv_device_open(settings->device, backend, &edu->dev);
	if (ret)
		return ret;
	ret = edu_enable(edu, settings->intx);
	if (ret) {
		udrv_device_close(edu->dev);
		edu->dev = NULL;
	}
	return ret;
}

static int edu_request(struct edu *edu, const struct bench_settings *settings, enum udrv_wait wait)
{
	struct udrv_irq_options options = {wait, settings->fifo, settings->cpu};
	int ret = udrv_irq_set_options(edu->dev, edu->irq, &options);

	if (ret)
		return ret;
	return udrv_request_irq(edu->dev, edu->irq, edu_handler, 0, "bench", edu);
}

static bool spins(enum udrv_wait wait)
{
	return wait == UDRV_WAIT_SPIN || wait == UDRV_WAIT_ADAPTIVE;
}

/* Placed by default, a CPU that spins is not the one that is interrupted. */
static int irq_cpu(const struct bench_settings *settings, enum udrv_wait wait)
{
	bool placed = settings->spin_trigger_cpu != settings->trigger_cpu;

	return placed && spins(wait) ? settings->spin_trigger_cpu : settings->cpu;
}

static int edu_row(struct bench_result *result, struct bench_row *row, struct edu *edu,
		   enum udrv_wait wait)
{
	const struct bench_settings *settings = &result->settings;
	struct udrv_irq_stats stats = {0};
	struct bench_collect how;
	struct bench_split split;
	int ret = bench_split_make(&split, result);

	if (ret) {
		bench_leave_out(row, "no memory for the parts of samples");
		return ret;
	}
	bench_collect_init(&how, result, &edu->gate, edu_fire, edu);
	how.split = &split;
	ret = edu_request(edu, settings, wait);
	if (ret) {
		bench_leave_out(row, "request_irq: %s", strerror(-ret));
		goto out;
	}
	if (strcmp(udrv_device_backend(edu->dev), "model") != 0)
		ret = bench_pin_irq(settings->device, irq_cpu(settings, wait));
	if (ret)
		bench_leave_out(row, "the interrupt could not be moved to CPU %d",
				irq_cpu(settings, wait));
	else
		ret = bench_measure(result, row, bench_take_collect, &how);
	if (!udrv_irq_get_stats(edu->dev, edu->irq, &stats))
		row->fifo = stats.fifo_priority;
	(void)udrv_free_irq(edu->dev, edu->irq, edu);
out:
	bench_split_end(&split, result, row);
	return ret;
}

/* Names must live as long as the result. */
static const char *const vfio_names[UDRV_WAIT_COUNT] = {
	[UDRV_WAIT_READ] = "vfio-read",	  [UDRV_WAIT_EPOLL] = "vfio-epoll",
	[UDRV_WAIT_URING] = "vfio-uring", [UDRV_WAIT_URING_READ] = "vfio-uring-read",
	[UDRV_WAIT_SPIN] = "vfio-spin",	  [UDRV_WAIT_ADAPTIVE] = "vfio-adaptive",
};
static const char *const stub_names[UDRV_WAIT_COUNT] = {
	[UDRV_WAIT_READ] = "stub-read",	  [UDRV_WAIT_EPOLL] = "stub-epoll",
	[UDRV_WAIT_URING] = "stub-uring", [UDRV_WAIT_URING_READ] = "stub-uring-read",
	[UDRV_WAIT_SPIN] = "stub-spin",	  [UDRV_WAIT_ADAPTIVE] = "stub-adaptive",
};
static const char *const model_names[UDRV_WAIT_COUNT] = {
	[UDRV_WAIT_READ] = "model-read",   [UDRV_WAIT_EPOLL] = "model-epoll",
	[UDRV_WAIT_URING] = "model-uring", [UDRV_WAIT_URING_READ] = "model-uring-read",
	[UDRV_WAIT_SPIN] = "model-spin",   [UDRV_WAIT_ADAPTIVE] = "model-adaptive",
};

static bool may_spin(const struct bench_result *result)
{
	const struct bench_settings *settings = &result->settings;

	return result->machine.cpus > 1 &&
	       (settings->cpu < 0 || settings->cpu != settings->spin_trigger_cpu);
}

static int wait_rows(struct bench_result *result, struct edu *edu, const char *const *names)
{
	int failed = 0, ret = 0;

	for (int wait = 0; wait < UDRV_WAIT_COUNT && ret != -EINTR; wait++) {
		struct bench_row *row = bench_add_row(result, names[wait]);

		if (!row)
			continue;
		if (wait == UDRV_WAIT_SPIN && !may_spin(result)) {
			bench_leave_out(
				row, "on one CPU a spinning waiter keeps the trigger from running");
			continue;
		}
		ret = bench_pin(spins((enum udrv_wait)wait) ? result->settings.spin_trigger_cpu
							    : result->settings.trigger_cpu);
		if (!ret)
			ret = edu_row(result, row, edu, (enum udrv_wait)wait);
		if (ret)
			failed = ret;
	}
	return failed;
}

static const char *const *names_of(const char *backend)
{
	if (!strcmp(backend, "stub"))
		return stub_names;
	return !strcmp(backend, "model") ? model_names : vfio_names;
}

int bench_udrv_rows(struct bench_result *result, const char *backend)
{
	struct edu edu;
	int ret;

	ret = edu_open(&edu, &result->settings, backend);
	if (ret) {
		tool_err("%s: cannot be used through %s: %s", result->settings.device, backend,
			 strerror(-ret));
		return ret;
	}
	ret = wait_rows(result, &edu, names_of(backend));
	udrv_pci_free_irq_vectors(edu.dev);
	udrv_pci_iounmap(edu.dev, edu.regs);
	udrv_device_close(edu.dev);
	return ret;
}

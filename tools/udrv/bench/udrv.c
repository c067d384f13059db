// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The rows over the framework, written as a driver is: map the registers, request the interrupt
 * with a handler that stamps and acknowledges. Only the wait strategy differs.
 */
#include "bench/rows.h"
#include "bench/target.h"
#include "tool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <udrv/device.h>
#include <udrv/io.h>
#include <udrv/irq.h>
#include <udrv/pci.h>

struct dut {
	struct bench_gate gate;
	const struct bench_target *target;
	struct udrv_device *dev;
	void __udrv_iomem *regs;
	int irq;
};

static udrv_irqreturn_t dut_handler(int irq, void *dev_id)
{
	uint64_t now = bench_stamp();
	struct dut *dut = dev_id;

	if (!bench_target_take(dut->target, dut->regs))
		return UDRV_IRQ_NONE;
	dut->gate.hard = udrv_irq_hard_stamp(dut->dev, irq);
	bench_gate_open(&dut->gate, now);
	return UDRV_IRQ_HANDLED;
}

static int dut_fire(void *ctx)
{
	struct dut *dut = ctx;

	dut->gate.start = bench_stamp();
	bench_target_raise(dut->target, dut->regs);
	return 0;
}

static int dut_enable(struct dut *dut, bool intx)
{
	int ret = udrv_pci_enable_device(dut->dev);

	if (!ret)
		ret = udrv_pci_set_master(dut->dev);
	if (ret)
		return ret;
	dut->regs = udrv_pci_iomap(dut->dev, 0, 0);
	if (!dut->regs)
		return -ENOMEM;
	ret = udrv_pci_alloc_irq_vectors(dut->dev, 1, 1,
					 intx ? UDRV_PCI_IRQ_INTX : UDRV_PCI_IRQ_MSI);
	if (ret < 0)
		return ret;
	dut->irq = udrv_pci_irq_vector(dut->dev, 0);
	bench_target_enable(dut->target, dut->regs);
	return 0;
}

static int dut_open(struct dut *dut, const struct bench_settings *settings, const char *backend)
{
	int ret;

	*dut = (struct dut){.target = settings->target};
	ret = udrv_device_open(settings->device, backend, &dut->dev);
	if (ret)
		return ret;
	ret = dut_enable(dut, settings->intx);
	if (ret) {
		udrv_device_close(dut->dev);
		dut->dev = NULL;
	}
	return ret;
}

static void dut_close(struct dut *dut)
{
	bench_target_disable(dut->target, dut->regs);
	udrv_pci_free_irq_vectors(dut->dev);
	udrv_pci_iounmap(dut->dev, dut->regs);
	udrv_device_close(dut->dev);
}

static int dut_request(struct dut *dut, const struct bench_settings *settings, enum udrv_wait wait)
{
	struct udrv_irq_options options = {wait, settings->fifo, settings->cpu};
	int ret = udrv_irq_set_options(dut->dev, dut->irq, &options);

	if (ret)
		return ret;
	return udrv_request_irq(dut->dev, dut->irq, dut_handler, 0, "bench", dut);
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

/* No kernel delivers a model's. */
static int place_irq(struct dut *dut, int cpu)
{
	if (cpu < 0 || !strcmp(udrv_device_backend(dut->dev), "model"))
		return 0;
	return udrv_irq_set_affinity(dut->dev, dut->irq, cpu);
}

static int dut_row(struct bench_result *result, struct bench_row *row, struct dut *dut,
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
	bench_collect_init(&how, result, &dut->gate, dut_fire, dut);
	how.split = &split;
	ret = dut_request(dut, settings, wait);
	if (ret) {
		bench_leave_out(row, "request_irq: %s", strerror(-ret));
		goto out;
	}
	ret = place_irq(dut, irq_cpu(settings, wait));
	if (ret)
		bench_leave_out(row, "the interrupt could not be moved to CPU %d: %s",
				irq_cpu(settings, wait), strerror(-ret));
	else
		ret = bench_measure(result, row, bench_take_collect, &how);
	if (!udrv_irq_get_stats(dut->dev, dut->irq, &stats))
		row->fifo = stats.fifo_priority;
	(void)udrv_free_irq(dut->dev, dut->irq, dut);
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

static int wait_rows(struct bench_result *result, struct dut *dut, const char *const *names)
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
			ret = dut_row(result, row, dut, (enum udrv_wait)wait);
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
	struct dut dut;
	int ret;

	ret = dut_open(&dut, &result->settings, backend);
	if (ret) {
		tool_err("%s: cannot be used through %s: %s", result->settings.device, backend,
			 strerror(-ret));
		return ret;
	}
	ret = wait_rows(result, &dut, names_of(backend));
	dut_close(&dut);
	return ret;
}

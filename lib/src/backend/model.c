// SPDX-License-Identifier: MIT
/* The model backend: finding, opening and removing software devices, and their BARs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include <linux/pci_regs.h>
#include <udrv/log.h>

#include "backend/model.h"
#include "pci/device.h"
#include "pci/model_name.h"
#include "sched/clock.h"

static const struct udrv__model_type *const types[] = {
	&udrv__model_edu,	&udrv__model_ivshmem,	   &udrv__model_nvme,
	&udrv__model_uart16550, &udrv__model_uart16550_2x, &udrv__model_uart16550_4x,
	&udrv__model_e1000e,
};

struct udrv__model *udrv__model_of(struct udrv_device *dev)
{
	return dev->backend;
}

/* "", or ":" and a word that tells one instance from another, fit for file names and messages. */
static bool is_suffix(const char *text)
{
	if (!*text)
		return true;
	return *text == ':' && text[1] &&
	       !text[1 + strspn(text + 1, "abcdefghijklmnopqrstuvwxyz0123456789-")];
}

/* "model:edu" and "model:edu:<word>" are of type edu. */
static const struct udrv__model_type *find_type(const char *name)
{
	const char *word = name + strlen(UDRV__MODEL_PREFIX);
	size_t len = strcspn(word, ":");

	if (!is_suffix(word + len))
		return NULL;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strlen(types[i]->name) == len && !strncmp(types[i]->name, word, len))
			return types[i];
	return NULL;
}

static bool model_match(const char *name, const struct udrv_pci_info *info)
{
	return !info && udrv__is_model(name);
}

static uint64_t bar_address(const struct udrv__model *m, unsigned int bar)
{
	const unsigned int where = PCI_BASE_ADDRESS_0 + 4 * bar;
	uint64_t address = 0;

	if (!(m->type->bars[bar].flags & UDRV_RESOURCE_MEM_64))
		return 0;
	for (unsigned int i = 0; i < 4; i++)
		address |= (uint64_t)udrv__model_config_get16(m, where + 2 * i) << 16 * i;
	return address & (uint64_t)PCI_BASE_ADDRESS_MEM_MASK;
}

static void fill_info(struct udrv_pci_info *info, const char *name,
		      const struct udrv__model_type *type)
{
	memset(info, 0, sizeof(*info));
	(void)snprintf(info->name, sizeof(info->name), "%.15s", name);
	strcpy(info->driver, "model");
	info->vendor = type->vendor;
	info->device = type->device;
	info->subsystem_vendor = type->subsystem_vendor;
	info->subsystem_device = type->subsystem_device;
	info->revision = type->revision;
	info->class_code = type->class_code;
	info->iommu_group = -1;
	info->numa_node = -1;
}

static void fill_device(struct udrv_device *dev, const struct udrv__model_type *type)
{
	struct udrv_pci_info *info = &dev->info;

	fill_info(info, dev->name, type);
	for (unsigned int i = 0; i < UDRV_PCI_STD_NUM_BARS; i++) {
		info->resource[i].len = dev->bars[i].len = type->bars[i].len;
		info->resource[i].flags = dev->bars[i].flags = type->bars[i].flags;
		info->resource[i].start = bar_address(dev->backend, i);
	}
	dev->irq_counts[UDRV__IRQ_INTX] = type->intx;
	dev->irq_counts[UDRV__IRQ_MSI] = type->msi_vectors;
	dev->irq_counts[UDRV__IRQ_MSIX] = type->msix_vectors;
}

static void free_model(struct udrv__model *m)
{
	pthread_mutex_destroy(&m->lock);
	free(m->irq_fds);
	free(m);
}

static unsigned int most_vectors(const struct udrv__model_type *type)
{
	unsigned int most =
		type->msi_vectors > type->msix_vectors ? type->msi_vectors : type->msix_vectors;

	return most ? most : 1;
}

static struct udrv__model *make_model(struct udrv_device *dev, const struct udrv__model_type *type)
{
	struct udrv__model *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->irq_fds = calloc(most_vectors(type), sizeof(*m->irq_fds));
	if (!m->irq_fds) {
		free(m);
		return NULL;
	}
	m->type = type;
	m->dev = dev;
	m->irq_type = UDRV__IRQ_TYPES;
	for (int i = 0; i < UDRV_EVENT_COUNT; i++)
		m->event_fds[i] = -1;
	pthread_mutex_init(&m->lock, NULL);
	udrv__model_config_init(m);
	return m;
}

static void explain_types(const char *name)
{
	char names[256] = "";
	size_t len = 0;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]) && len < sizeof(names); i++)
		len += (size_t)snprintf(names + len, sizeof(names) - len,
					" " UDRV__MODEL_PREFIX "%s", types[i]->name);
	udrv_pr_err("%s: there is no such model; there are%s", name, names);
}

int udrv__model_info(const char *name, struct udrv_pci_info *info)
{
	const struct udrv__model_type *type = find_type(name);

	if (!type) {
		explain_types(name);
		return -ENODEV;
	}
	fill_info(info, name, type);
	return 0;
}

static int model_open(struct udrv_device *dev)
{
	const struct udrv__model_type *type = find_type(dev->name);
	struct udrv__model *m;
	int ret;

	if (!type) {
		explain_types(dev->name);
		return -ENODEV;
	}
	m = make_model(dev, type);
	if (!m) {
		udrv_pr_err("%s: out of memory", dev->name);
		return -ENOMEM;
	}
	ret = type->create(m, &m->state);
	if (ret) {
		udrv_pr_err("%s: cannot create the model: %s", dev->name, strerror(-ret));
		free_model(m);
		return ret;
	}
	dev->backend = m;
	fill_device(dev, type);
	return 0;
}

static void model_close(struct udrv_device *dev)
{
	struct udrv__model *m = dev->backend;

	m->type->destroy(m->state);
	udrv__model_stub_end(m);
	udrv__model_unmap_all(m);
	free_model(m);
	dev->backend = NULL;
}

/* Accesses are trapped but where the model itself looks at memory that stands for registers. */
static int model_bar_map(struct udrv_device *dev, unsigned int index)
{
	struct udrv__model *m = dev->backend;
	struct udrv__bar *bar = &dev->bars[index];

	bar->area_count = m->type->map && m->type->map(m->state, index, &bar->areas[0]);
	return 0;
}

static void model_bar_unmap(struct udrv_device *dev, unsigned int index)
{
	dev->bars[index].area_count = 0;
}

static bool size_is_sane(unsigned int size)
{
	return size == 1 || size == 2 || size == 4 || size == 8;
}

/* Does the device answer in this BAR at all? */
static bool decodes(struct udrv__model *m, unsigned int index)
{
	bool is_port = m->type->bars[index].flags & UDRV_RESOURCE_IO;
	bool answer;

	pthread_mutex_lock(&m->lock);
	answer = !udrv__model_is_absent(m) &&
		 (udrv__model_command(m) & (is_port ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY));
	pthread_mutex_unlock(&m->lock);
	return answer;
}

static int check_access(const struct udrv__model *m, unsigned int index, uint64_t offset,
			unsigned int size)
{
	uint64_t len;

	if (index >= UDRV_PCI_STD_NUM_BARS || !size_is_sane(size))
		return -EINVAL;
	len = m->type->bars[index].len;
	if (size > len || offset > len - size)
		return -EINVAL;
	return 0;
}

static int model_bar_read(struct udrv_device *dev, unsigned int index, uint64_t offset,
			  unsigned int size, uint64_t *val)
{
	struct udrv__model *m = dev->backend;
	uint64_t all_ones;
	int ret = check_access(m, index, offset, size);

	if (ret)
		return ret;
	all_ones = UINT64_MAX >> (64 - 8 * size);
	if (!decodes(m, index))
		*val = all_ones;
	else
		*val = m->type->read(m->state, index, offset, size) & all_ones;
	return 0;
}

static int model_bar_write(struct udrv_device *dev, unsigned int index, uint64_t offset,
			   unsigned int size, uint64_t val)
{
	struct udrv__model *m = dev->backend;
	int ret = check_access(m, index, offset, size);

	if (ret)
		return ret;
	if (decodes(m, index))
		m->type->write(m->state, index, offset, size, val);
	return 0;
}

static int model_event_enable(struct udrv_device *dev, enum udrv_device_event event, int fd)
{
	struct udrv__model *m = dev->backend;

	if (event >= UDRV_EVENT_COUNT)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&m->lock);
	m->event_fds[event] = fd;
	pthread_mutex_unlock(&m->lock);
	return 0;
}

/* As pci_reset_function() does: configuration space is saved before and restored afterwards. */
int udrv__model_reset(struct udrv_device *dev)
{
	struct udrv__model *m = dev->backend;

	if (!m->type->reset)
		return -ENOTTY;
	m->type->reset(m->state);
	pthread_mutex_lock(&m->lock);
	m->messages_lost = false;
	pthread_mutex_unlock(&m->lock);
	return 0;
}

bool udrv__model_is_absent(const struct udrv__model *m)
{
	return m->removed || (m->absent_until && udrv__now_ns() < m->absent_until);
}

void udrv__model_link_down(struct udrv__model *m, uint64_t ns)
{
	pthread_mutex_lock(&m->lock);
	udrv__model_config_init(m);
	m->absent_until = udrv__after_ns(udrv__now_ns(), ns);
	m->messages_lost = true;
	pthread_mutex_unlock(&m->lock);
}

void udrv__model_get_counts(struct udrv_device *dev, struct udrv__model_counts *counts)
{
	struct udrv__model *m = dev->backend;

	pthread_mutex_lock(&m->lock);
	*counts = m->counts;
	pthread_mutex_unlock(&m->lock);
}

void udrv__model_raise_event(struct udrv_device *dev, enum udrv_device_event event)
{
	struct udrv__model *m = dev->backend;

	pthread_mutex_lock(&m->lock);
	if (m->event_fds[event] >= 0)
		eventfd_write(m->event_fds[event], 1);
	pthread_mutex_unlock(&m->lock);
}

void udrv__model_surprise_remove(struct udrv_device *dev)
{
	struct udrv__model *m = dev->backend;

	pthread_mutex_lock(&m->lock);
	m->removed = true;
	pthread_mutex_unlock(&m->lock);
	udrv_device_set_gone(dev);
}

/* clang-format off */
#define DEVICE_OPS							\
	.match = model_match,						\
	.open = model_open,						\
	.close = model_close,						\
	.config_read = udrv__model_config_read,				\
	.config_write = udrv__model_config_write,			\
	.bar_map = model_bar_map,					\
	.bar_unmap = model_bar_unmap,					\
	.bar_read = model_bar_read,					\
	.bar_write = model_bar_write,					\
	.irq_enable = udrv__model_irq_enable,				\
	.irq_disable = udrv__model_irq_disable,				\
	.irq_unmask_intx = udrv__model_irq_unmask_intx,			\
	.event_enable = model_event_enable,				\
	.dma_explain = udrv__model_dma_explain,				\
	.reset = udrv__model_reset
/* clang-format on */

const struct udrv__backend_ops udrv__model_backend = {
	.name = "model",
	DEVICE_OPS,
	.iova_ranges = udrv__model_iova_ranges,
	.dma_map = udrv__model_dma_map,
	.dma_unmap = udrv__model_dma_unmap,
};

const struct udrv__backend_ops udrv__model_stub_backend = {
	.name = "model-stub",
	DEVICE_OPS,
	.dma_alloc = udrv__model_stub_alloc,
	.dma_free = udrv__model_stub_free,
	.dma_pin = udrv__model_stub_pin,
	.dma_unpin = udrv__model_stub_free,
	.dma_untranslated = udrv__model_stub_untranslated,
};

// SPDX-License-Identifier: MIT
/* Every accessor, barrier and poll form once, so that a compiler sees each of them expanded. */
#include <udrv/barrier.h>
#include <udrv/cycles.h>
#include <udrv/io.h>
#include <udrv/poll.h>

void family_scalar(void __udrv_iomem *p);
void family_bulk(void __udrv_iomem *p, void *buf);
void family_ports(udrv_port_t port, void *buf);
void family_barriers(void);
int family_poll(void __udrv_iomem *p);
udrv_cycles_t family_cycles(void);

void family_scalar(void __udrv_iomem *p)
{
	udrv_raw_writeb(udrv_raw_readb(p), p);
	udrv_raw_writew(udrv_raw_readw(p), p);
	udrv_raw_writel(udrv_raw_readl(p), p);
	udrv_raw_writeq(udrv_raw_readq(p), p);
	udrv_writeb(udrv_readb(p), p);
	udrv_writew(udrv_readw(p), p);
	udrv_writel(udrv_readl(p), p);
	udrv_writeq(udrv_readq(p), p);
	udrv_writeb_relaxed(udrv_readb_relaxed(p), p);
	udrv_writew_relaxed(udrv_readw_relaxed(p), p);
	udrv_writel_relaxed(udrv_readl_relaxed(p), p);
	udrv_writeq_relaxed(udrv_readq_relaxed(p), p);
	udrv_iowrite8(udrv_ioread8(p), p);
	udrv_iowrite16(udrv_ioread16(p), p);
	udrv_iowrite32(udrv_ioread32(p), p);
	udrv_iowrite64(udrv_ioread64(p), p);
	udrv_iowrite16be(udrv_ioread16be(p), p);
	udrv_iowrite32be(udrv_ioread32be(p), p);
	udrv_iowrite64be(udrv_ioread64be(p), p);
}

void family_bulk(void __udrv_iomem *p, void *buf)
{
	udrv_ioread8_rep(p, buf, 3);
	udrv_ioread16_rep(p, buf, 3);
	udrv_ioread32_rep(p, buf, 3);
	udrv_ioread64_rep(p, buf, 3);
	udrv_iowrite8_rep(p, buf, 3);
	udrv_iowrite16_rep(p, buf, 3);
	udrv_iowrite32_rep(p, buf, 3);
	udrv_iowrite64_rep(p, buf, 3);
	udrv_readsb(p, buf, 3);
	udrv_readsw(p, buf, 3);
	udrv_readsl(p, buf, 3);
	udrv_readsq(p, buf, 3);
	udrv_writesb(p, buf, 3);
	udrv_writesw(p, buf, 3);
	udrv_writesl(p, buf, 3);
	udrv_writesq(p, buf, 3);
	udrv_memcpy_fromio(buf, p, 24);
	udrv_memcpy_toio(p, buf, 24);
	udrv_memset_io(p, 0, 24);
}

void family_ports(udrv_port_t port, void *buf)
{
	udrv_outb(udrv_inb(port), port);
	udrv_outw(udrv_inw(port), port);
	udrv_outl(udrv_inl(port), port);
	udrv_insb(port, buf, 3);
	udrv_insw(port, buf, 3);
	udrv_insl(port, buf, 3);
	udrv_outsb(port, buf, 3);
	udrv_outsw(port, buf, 3);
	udrv_outsl(udrv_iomem_port(udrv_ioport_map(port, 4)), buf, 3);
}

void family_barriers(void)
{
	udrv_barrier();
	udrv_mb();
	udrv_rmb();
	udrv_wmb();
	udrv_dma_mb();
	udrv_dma_rmb();
	udrv_dma_wmb();
	udrv_smp_mb();
	udrv_smp_rmb();
	udrv_smp_wmb();
	udrv_dma_publish();
	udrv_dma_consume();
	udrv_mmio_wc_start();
	udrv_mmio_flush_wc();
	udrv_mmiowb();
	udrv_cpu_relax();
}

int family_poll(void __udrv_iomem *p)
{
	uint8_t b;
	uint16_t w;
	uint32_t l;
	uint64_t q;
	int err = 0;

	err |= udrv_read_poll_timeout(udrv_readl, l, l & 1, 10, 1000, 1, p);
	err |= udrv_read_poll_timeout_atomic(udrv_readl, l, l & 1, 10, 1000, 1, p);
	err |= udrv_readb_poll_timeout(p, b, b, 10, 1000);
	err |= udrv_readw_poll_timeout(p, w, w, 10, 1000);
	err |= udrv_readl_poll_timeout(p, l, l, 10, 1000);
	err |= udrv_readq_poll_timeout(p, q, q, 10, 1000);
	err |= udrv_readb_poll_timeout_atomic(p, b, b, 10, 1000);
	err |= udrv_readw_poll_timeout_atomic(p, w, w, 10, 1000);
	err |= udrv_readl_poll_timeout_atomic(p, l, l, 10, 1000);
	err |= udrv_readq_poll_timeout_atomic(p, q, q, 10, 1000);
	err |= udrv_readb_relaxed_poll_timeout(p, b, b, 10, 1000);
	err |= udrv_readw_relaxed_poll_timeout(p, w, w, 10, 1000);
	err |= udrv_readl_relaxed_poll_timeout(p, l, l, 10, 1000);
	err |= udrv_readq_relaxed_poll_timeout(p, q, q, 10, 1000);
	err |= udrv_readb_relaxed_poll_timeout_atomic(p, b, b, 10, 1000);
	err |= udrv_readw_relaxed_poll_timeout_atomic(p, w, w, 10, 1000);
	err |= udrv_readl_relaxed_poll_timeout_atomic(p, l, l, 10, 1000);
	err |= udrv_readq_relaxed_poll_timeout_atomic(p, q, q, 10, 1000);
	return err;
}

udrv_cycles_t family_cycles(void)
{
	return udrv_get_cycles();
}

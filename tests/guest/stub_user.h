/* SPDX-License-Identifier: MIT */
/*
 * What the tests of kernel/udrv_stub do to a device and its nodes. Nothing here asserts, so that
 * forked users of the device can call it: 0 or a negative errno where nothing else is said.
 */
#ifndef TESTS_GUEST_STUB_USER_H
#define TESTS_GUEST_STUB_USER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../../kernel/uapi/udrv_stub.h"
#include "edu_regs.h"

#define PAGE	  4096u
#define EDU_BYTES (1u << 20)
#define DMA_MASK  ((UINT64_C(1) << EDU_DMA_BITS) - 1)
#define OFFSET(r) ((off_t)UDRV_STUB_OFFSET(r))
#define COMMAND	  4
#define MASTER	  4u
#define WAIT_MS	  60000 /* for a signal, on any machine under load */

typedef volatile uint32_t regs_t;

/* Devices and drivers */
bool lab_device(unsigned int n, char *bdf); /* of UDRV_LAB_DEVICES, to 32 bytes */
int write_text(const char *path, const char *text);
bool is_bound(const char *bdf, const char *driver);
int bind_to(const char *bdf, const char *driver); /* whatever it is bound to */
int unbind_from(const char *bdf, const char *driver);
double seconds(void);
void sleep_ms(unsigned int ms);

/* One user. open_*: a file or a negative errno */
int open_node(const char *bdf);
int open_uio(const char *bdf);
int stub_call(int fd, unsigned long request, void *arg);
int read_info(int fd, struct udrv_stub_info *info);
regs_t *map_regs(int fd); /* NULL: failed */
void unmap_regs(regs_t *regs);
uint32_t get(regs_t *regs, unsigned int offset);
void put(regs_t *regs, unsigned int offset, uint32_t val);
int set_master(int fd, bool on);
int set_irqs(int fd, uint32_t type, const int32_t *fds, uint32_t count);
int set_mask(int fd, uint32_t vector, bool on);
int set_event(int fd, uint32_t event, int efd);
uint64_t signals(int efd, int ms); /* of an eventfd; 0 if none came in time */
int claim(int fd, unsigned long request, uint64_t offset, uint64_t len, const char *name,
	  struct udrv_stub_claim *c);

/* DMA; the device takes 100 ms a transfer */
int dma_alloc(int fd, uint64_t size, struct udrv_stub_dma_alloc *alloc);
int dma_free(int fd, uint64_t handle);
char *map_dma(int fd, const struct udrv_stub_dma_alloc *alloc); /* NULL: failed */
void dma_start(regs_t *regs, uint64_t src, uint64_t dst, uint64_t len, uint32_t flags);
bool dma_runs(regs_t *regs);
void dma_wait(regs_t *regs);

#endif

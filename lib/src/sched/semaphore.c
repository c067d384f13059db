// SPDX-License-Identifier: MIT
/* Semaphores: a completion that may have been completed several times is one. */
#include <errno.h>

#include <udrv/semaphore.h>

void udrv_sema_init(struct udrv_device *dev, struct udrv_semaphore *sem, int val)
{
	udrv_init_completion(dev, &sem->count);
	sem->count.done = val > 0 ? (uint32_t)val : 0;
}

int udrv_down(struct udrv_semaphore *sem)
{
	return udrv_wait_for_completion(&sem->count);
}

int udrv_down_interruptible(struct udrv_semaphore *sem)
{
	int ret = udrv_wait_for_completion_interruptible(&sem->count);

	return ret == -UDRV_ERESTARTSYS ? -EINTR : ret;
}

int udrv_down_killable(struct udrv_semaphore *sem)
{
	return udrv_down_interruptible(sem);
}

int udrv_down_trylock(struct udrv_semaphore *sem)
{
	return !udrv_try_wait_for_completion(&sem->count);
}

int udrv_down_timeout(struct udrv_semaphore *sem, long jiffies)
{
	long ret = udrv_wait_for_completion_timeout(&sem->count,
						    jiffies > 0 ? (unsigned long)jiffies : 0);

	if (ret > 0)
		return 0;
	return ret ? (int)ret : -ETIME;
}

void udrv_up(struct udrv_semaphore *sem)
{
	udrv_complete(&sem->count);
}

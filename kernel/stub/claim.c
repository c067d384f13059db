// SPDX-License-Identifier: GPL-2.0-only
/* Who has which range of a BAR. */
#include <linux/ctype.h>
#include <linux/pid.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include <linux/uaccess.h>

#include "stub.h"

static struct stub_claim *find_claim(struct stub *stub, u32 bar, u64 offset, u64 len)
{
	struct stub_claim *c;

	list_for_each_entry(c, &stub->claims, link)
		if (c->bar == bar && offset < c->offset + c->len && c->offset < offset + len)
			return c;
	return NULL;
}

/* In the order in which they are shown. */
static void insert_claim(struct stub *stub, struct stub_claim *new)
{
	struct stub_claim *c;

	list_for_each_entry(c, &stub->claims, link)
		if (c->bar > new->bar || (c->bar == new->bar && c->offset > new->offset))
			break;
	list_add_tail(&new->link, &c->link);
}

static void end_claim(struct stub_claim *c)
{
	list_del(&c->link);
	c->owner->claims--;
	put_pid(c->pid);
	kfree(c);
}

void stub_leave_claims(struct stub_file *f)
{
	struct stub_claim *c, *next;

	list_for_each_entry_safe(c, next, &f->stub->claims, link)
		if (c->owner == f)
			end_claim(c);
}

static bool is_name(const char *name)
{
	size_t len = strnlen(name, UDRV_STUB_NAME_MAX);
	size_t i;

	for (i = 0; i < len; i++)
		if (!isascii(name[i]) || !isprint(name[i]))
			return false;
	return len && len < UDRV_STUB_NAME_MAX && !memchr_inv(name + len, 0,
							     UDRV_STUB_NAME_MAX - len);
}

static bool in_bar(const struct stub *stub, const struct udrv_stub_claim *claim)
{
	u64 len = claim->bar < UDRV_STUB_BARS ? stub->bars[claim->bar].len : 0;

	return claim->len && claim->offset < len && claim->len <= len - claim->offset;
}

/* 0 with @new in place; -EBUSY with the holder in @claim. */
static int claim(struct stub_file *f, struct udrv_stub_claim *claim, struct stub_claim *new)
{
	struct stub *stub = f->stub;
	struct stub_claim *holder;

	if (stub->gone)
		return -ENODEV;
	holder = find_claim(stub, claim->bar, claim->offset, claim->len);
	if (holder) {
		memcpy(claim->holder, holder->name, sizeof(claim->holder));
		claim->holder_pid = pid_vnr(holder->pid);
		return -EBUSY;
	}
	if (f->claims == UDRV_STUB_CLAIMS_MAX)
		return -ENOSPC;
	new->owner = f;
	new->pid = get_pid(task_tgid(current));
	new->bar = claim->bar;
	new->offset = claim->offset;
	new->len = claim->len;
	memcpy(new->name, claim->name, sizeof(new->name));
	f->claims++;
	insert_claim(stub, new);
	return 0;
}

long stub_claim_ioctl(struct stub_file *f, void __user *arg)
{
	struct udrv_stub_claim c;
	struct stub_claim *new;
	int ret;

	if (copy_from_user(&c, arg, sizeof(c)))
		return -EFAULT;
	if (c.abi != UDRV_STUB_ABI || c.holder_pid || c.reserved || !is_name(c.name) ||
	    memchr_inv(c.holder, 0, sizeof(c.holder)) || !in_bar(f->stub, &c))
		return -EINVAL;
	new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	mutex_lock(&f->stub->lock);
	ret = claim(f, &c, new);
	mutex_unlock(&f->stub->lock);
	if (ret)
		kfree(new);
	if (ret == -EBUSY && copy_to_user(arg, &c, sizeof(c)))
		return -EFAULT;
	return ret;
}

static int release_claim(struct stub_file *f, const struct udrv_stub_claim *claim)
{
	struct stub_claim *c;

	if (f->stub->gone)
		return -ENODEV;
	c = find_claim(f->stub, claim->bar, claim->offset, claim->len);
	if (!c || c->owner != f || c->offset != claim->offset || c->len != claim->len)
		return -ENOENT;
	end_claim(c);
	return 0;
}

long stub_release_ioctl(struct stub_file *f, void __user *arg)
{
	struct udrv_stub_claim c;
	int ret;

	if (copy_from_user(&c, arg, sizeof(c)))
		return -EFAULT;
	if (c.abi != UDRV_STUB_ABI || c.holder_pid || c.reserved ||
	    memchr_inv(c.name, 0, sizeof(c.name)) || memchr_inv(c.holder, 0, sizeof(c.holder)) ||
	    !in_bar(f->stub, &c))
		return -EINVAL;
	mutex_lock(&f->stub->lock);
	ret = release_claim(f, &c);
	mutex_unlock(&f->stub->lock);
	return ret;
}

/* A line of "claims" at most: three numbers, a process, a name. */
#define CLAIM_LINE	(10 + 3 * 19 + 12 + UDRV_STUB_NAME_MAX)

/* All claims as text; NULL with a @len of 0. */
static char *show_claims(struct stub *stub, size_t *len)
{
	struct stub_claim *c;
	size_t size = 0;
	char *text;

	*len = 0;
	list_for_each_entry(c, &stub->claims, link)
		size += CLAIM_LINE;
	text = size ? kvmalloc(size, GFP_KERNEL) : NULL;
	if (!text)
		return size ? ERR_PTR(-ENOMEM) : NULL;
	list_for_each_entry(c, &stub->claims, link)
		*len += scnprintf(text + *len, size - *len, "%u 0x%llx 0x%llx %d %s\n", c->bar,
				  c->offset, c->len, pid_vnr(c->pid), c->name);
	return text;
}

/* Binary, because they may be more than the page that text is limited to. */
static ssize_t claims_read(struct file *file, struct kobject *kobj, struct bin_attribute *attr,
			   char *buf, loff_t pos, size_t count)
{
	struct stub *stub = container_of(kobj_to_dev(kobj), struct stub, dev);
	ssize_t ret;
	size_t len;
	char *text;

	mutex_lock(&stub->lock);
	text = show_claims(stub, &len);
	mutex_unlock(&stub->lock);
	if (IS_ERR(text))
		return PTR_ERR(text);
	ret = memory_read_from_buffer(buf, count, &pos, text, len);
	kvfree(text);
	return ret;
}
static BIN_ATTR_RO(claims, 0);

static struct bin_attribute *stub_attrs[] = {
	&bin_attr_claims,
	NULL,
};

static const struct attribute_group stub_group = {
	.bin_attrs = stub_attrs,
};

const struct attribute_group *stub_groups[] = {
	&stub_group,
	NULL,
};

// SPDX-License-Identifier: MIT
/* The wire of the software 82574: to itself, to another one, or to a test. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/model_e1000e_dev.h"
#include "pci/device.h"

/* In front of each frame in a line. */
struct entry {
	uint16_t len, flags;
};

static void copy_in(struct e1000e_line *l, const void *bytes, size_t len)
{
	const size_t at = (l->head + l->used) % LINE_LEN;
	const size_t first = len < LINE_LEN - at ? len : LINE_LEN - at;

	memcpy(l->bytes + at, bytes, first);
	memcpy(l->bytes, (const uint8_t *)bytes + first, len - first);
	l->used += len;
}

static void copy_out(const struct e1000e_line *l, size_t skip, void *bytes, size_t len)
{
	const size_t at = (l->head + skip) % LINE_LEN;
	const size_t first = len < LINE_LEN - at ? len : LINE_LEN - at;

	memcpy(bytes, l->bytes + at, first);
	memcpy((uint8_t *)bytes + first, l->bytes, len - first);
}

bool e1000e_line_put(struct e1000e_line *l, const uint8_t *frame, size_t len, unsigned int flags)
{
	const struct entry entry = {(uint16_t)len, (uint16_t)flags};

	if (len > UDRV__E1000E_FRAME_MAX || LINE_LEN - l->used < sizeof(entry) + len)
		return false;
	copy_in(l, &entry, sizeof(entry));
	copy_in(l, frame, len);
	l->count++;
	return true;
}

size_t e1000e_line_peek(const struct e1000e_line *l, uint8_t *frame, unsigned int *flags)
{
	struct entry entry;

	if (!l->count)
		return 0;
	copy_out(l, 0, &entry, sizeof(entry));
	copy_out(l, sizeof(entry), frame, entry.len);
	*flags = entry.flags;
	return entry.len;
}

void e1000e_line_drop(struct e1000e_line *l)
{
	struct entry entry;

	copy_out(l, 0, &entry, sizeof(entry));
	l->head = (l->head + sizeof(entry) + entry.len) % LINE_LEN;
	l->used -= sizeof(entry) + entry.len;
	l->count--;
}

void e1000e_line_clear(struct e1000e_line *l)
{
	l->head = l->used = 0;
	l->count = 0;
}

/* In the MAC or the PHY, which needs no link. */
bool e1000e_is_loopback(struct e1000e *e)
{
	return *e1000e_reg(e, REG_RCTL) & RCTL_LBM || e1000e_phy_loops(e);
}

static bool loops(struct e1000e *e)
{
	return e->loop || e1000e_is_loopback(e);
}

/* For all that one descriptor may send; a test's end takes what it can. */
bool e1000e_wire_has_room(struct e1000e *e)
{
	const struct e1000e_line *l = loops(e) ? &e->in : &e->out;

	return (!loops(e) && !e->cable) || LINE_LEN - l->used >= LINE_LEN / 2;
}

void e1000e_wire_put(struct e1000e *e, const uint8_t *frame, size_t len, unsigned int flags)
{
	if (!e1000e_is_loopback(e) && !(*e1000e_reg(e, REG_STATUS) & STATUS_LU)) {
		e->counts.wire_lost++;
		return;
	}
	e->counts.tx++;
	e1000e_count_tx(e, frame, len);
	if (!e1000e_line_put(loops(e) ? &e->in : &e->out, frame, len, flags))
		e->counts.wire_lost++;
}

/* Without the lock. False: the other end has no room. */
static bool carry(struct e1000e_cable *c, const struct e1000e *from, const uint8_t *frame,
		  size_t len, unsigned int flags)
{
	struct e1000e *to;
	bool done = true;

	pthread_mutex_lock(&c->lock);
	to = c->ends[c->ends[0] == from];
	if (to) {
		pthread_mutex_lock(&to->lock);
		done = e1000e_line_put(&to->in, frame, len, flags);
		e1000e_kick(to);
		pthread_mutex_unlock(&to->lock);
	}
	pthread_mutex_unlock(&c->lock);
	return done;
}

bool e1000e_wire_move(struct e1000e *e, bool *stalled)
{
	unsigned int flags;

	if (!e->cable || !e->out.count)
		return false;
	/* The thread alone has e->frame, and takes frames out of a line to a cable. */
	e->frame_len = e1000e_line_peek(&e->out, e->frame, &flags);
	pthread_mutex_unlock(&e->lock);
	*stalled = !carry(e->cable, e, e->frame, e->frame_len, flags);
	pthread_mutex_lock(&e->lock);
	if (!*stalled)
		e1000e_line_drop(&e->out);
	return !*stalled;
}

void e1000e_set_cabled(struct e1000e *e, bool up)
{
	if (up == e->cabled)
		return;
	e->cabled = up;
	if (up)
		e1000e_negotiate(e);
	else
		e1000e_lose_link(e);
}

/* The other end loses its link. */
void e1000e_unplug(struct e1000e *e)
{
	struct e1000e_cable *c = e->cable;
	struct e1000e *other;
	bool last;

	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	other = c->ends[c->ends[0] == e];
	c->ends[c->ends[0] != e] = NULL;
	if (other) {
		pthread_mutex_lock(&other->lock);
		e1000e_set_cabled(other, false);
		pthread_mutex_unlock(&other->lock);
	}
	last = !other;
	pthread_mutex_unlock(&c->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static struct e1000e *lock_card(struct udrv_device *dev)
{
	struct e1000e *e = udrv__model_of(dev)->state;

	pthread_mutex_lock(&e->lock);
	return e;
}

bool udrv__model_e1000e_send_bad(struct udrv_device *dev, const void *frame, size_t len,
				 unsigned int how)
{
	uint8_t padded[FRAME_MIN] = {0};
	struct e1000e *e;
	bool done;

	if (len < FRAME_MIN && !(how & UDRV__E1000E_SHORT)) {
		memcpy(padded, frame, len);
		frame = padded;
		len = FRAME_MIN;
	}
	if (len < 14)
		return false;
	e = lock_card(dev);
	done = e1000e_line_put(&e->in, frame, len, how);
	e1000e_kick(e);
	pthread_mutex_unlock(&e->lock);
	return done;
}

bool udrv__model_e1000e_send(struct udrv_device *dev, const void *frame, size_t len)
{
	return udrv__model_e1000e_send_bad(dev, frame, len, 0);
}

size_t udrv__model_e1000e_receive(struct udrv_device *dev, void *buf, size_t size)
{
	struct e1000e *e = lock_card(dev);
	uint8_t frame[UDRV__E1000E_FRAME_MAX];
	size_t len = 0;
	unsigned int flags;

	if (!e->cable && e->out.count) {
		len = e1000e_line_peek(&e->out, frame, &flags);
		e1000e_line_drop(&e->out);
		memcpy(buf, frame, len < size ? len : size);
	}
	pthread_mutex_unlock(&e->lock);
	return len;
}

/* With both locks. */
static int plug(struct e1000e *a, struct e1000e *b, struct e1000e_cable *c)
{
	if (a == b || a->cable || b->cable || a->loop || b->loop)
		return -EBUSY;
	c->ends[0] = a;
	c->ends[1] = b;
	a->cable = b->cable = c;
	e1000e_line_clear(&a->out);
	e1000e_line_clear(&b->out);
	return 0;
}

int udrv__model_e1000e_connect(struct udrv_device *a, struct udrv_device *b)
{
	struct e1000e *ends[] = {udrv__model_of(a)->state, udrv__model_of(b)->state};
	const bool swapped = ends[0] > ends[1];
	struct e1000e_cable *c = calloc(1, sizeof(*c));
	int ret;

	if (!c)
		return -ENOMEM;
	pthread_mutex_init(&c->lock, NULL);
	if (ends[0] == ends[1]) {
		ret = -EBUSY;
	} else {
		/* The only place that has two of these locks. */
		pthread_mutex_lock(&ends[swapped]->lock);
		pthread_mutex_lock(&ends[!swapped]->lock);
		ret = plug(ends[0], ends[1], c);
		pthread_mutex_unlock(&ends[!swapped]->lock);
		pthread_mutex_unlock(&ends[swapped]->lock);
	}
	if (ret) {
		pthread_mutex_destroy(&c->lock);
		free(c);
	}
	return ret;
}

void udrv__model_e1000e_set_link(struct udrv_device *dev, bool up)
{
	struct e1000e *e = lock_card(dev);

	e1000e_set_cabled(e, up);
	pthread_mutex_unlock(&e->lock);
}

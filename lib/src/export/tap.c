// SPDX-License-Identifier: MIT
/* From a network card of a driver's to an interface, and back. */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <udrv/log.h>

#include "export/tap.h"
#include "sched/clock.h"

int udrv__tap_check_name(const char *name)
{
	const char *percent = strchr(name, '%');
	const char *wrong = NULL;

	if (!*name)
		wrong = "an interface has a name";
	else if (strlen(name) >= IFNAMSIZ)
		wrong = "a name has at most 15 characters";
	else if (strpbrk(name, "/: \t\n") || !strcmp(name, ".") || !strcmp(name, ".."))
		wrong = "a name has no '/', ':' and spaces";
	else if (percent && (percent[1] != 'd' || strchr(percent + 1, '%')))
		wrong = "after '%' comes 'd', once, for which the kernel puts a number";
	if (!wrong)
		return 0;
	udrv_pr_err("--tap '%s': %s", name, wrong);
	return -EINVAL;
}

/* A killed daemon's TAP goes a little after its lock. */
#define GOING_TRIES  100
#define GOING_NAP_US 20000

/* Before it is made: is the name free, and the address? */
struct search {
	const struct udrv__tap *t;
	bool told_all;
	struct udrv__tap_link name, addr; /* that have it; no index: none */
};

/*
 * What is a port of its own; not what is on top of others and shares their address, nor what a bond
 * has given the address of its first port.
 */
static bool is_port(const struct udrv__tap_link *link)
{
	return !link->has_master && (!link->kind[0] || !strcmp(link->kind, "tun"));
}

static void compare(void *ctx, const struct udrv__tap_link *link)
{
	struct search *s = ctx;

	s->told_all |= !link;
	if (!link || link->deleted)
		return;
	if (!strcmp(link->name, s->t->asked))
		s->name = *link;
	else if (link->has_addr && is_port(link) &&
		 !memcmp(link->addr, s->t->ndev->dev_addr, UDRV_ETH_ALEN))
		s->addr = *link;
}

static int look_for_others(const struct udrv__tap *t, struct search *s)
{
	int ret = udrv__tap_link_ask(t->link_fd, 0, 0, NULL);

	*s = (struct search){.t = t};
	while (!ret && !s->told_all)
		ret = udrv__tap_link_read(t->link_fd, true, compare, s);
	if (ret)
		udrv_pr_err("--tap %s: the kernel does not tell of interfaces: %s", t->asked,
			    strerror(-ret));
	return ret;
}

static int explain_others(const struct search *s)
{
	const uint8_t *a = s->addr.addr;

	/* Who takes it, if it is a TAP, is told by the kernel. */
	if (s->name.index && strcmp(s->name.kind, "tun") != 0) {
		udrv_pr_err("--tap %s: there is such an interface (%s): choose another name",
			    s->t->asked,
			    s->name.kind[0] ? s->name.kind : "a device of the kernel's");
		return -EEXIST;
	}
	if (!s->addr.index)
		return 0;
	udrv_pr_err("--tap %s: %s has the card's address, %02x:%02x:%02x:%02x:%02x:%02x: give it "
		    "another (ip link set %s address ...)",
		    s->t->asked, s->addr.name, a[0], a[1], a[2], a[3], a[4], a[5], s->addr.name);
	return -EADDRINUSE;
}

static int check_others(const struct udrv__tap *t)
{
	struct search s;
	int ret = look_for_others(t, &s);

	for (int i = 0; !ret && s.addr.index && s.addr.kind[0] && i < GOING_TRIES; i++) {
		usleep(GOING_NAP_US);
		ret = look_for_others(t, &s);
	}
	return ret ? ret : explain_others(&s);
}

static void find_index(void *ctx, const struct udrv__tap_link *link)
{
	struct udrv__tap *t = ctx;

	/* Not what was told of one of the same name before. */
	if (link && link->answers == t->question && !strcmp(link->name, t->name))
		t->index = link->index;
}

static int ask_index(struct udrv__tap *t)
{
	int ret = udrv__tap_link_ask(t->link_fd, t->question, 0, t->name);

	while (!ret && !t->index)
		ret = udrv__tap_link_read(t->link_fd, true, find_index, t);
	return ret;
}

/* udev may give it another name as soon as it is there. */
static int learn_index(struct udrv__tap *t)
{
	int ret = ask_index(t);

	for (int i = 0; ret == -ENODEV && i < UDRV__TAP_RENAMED_TRIES; i++) {
		if (!udrv__tap_name(t->queue[0].fd, t->name))
			return ret;
		ret = ask_index(t);
	}
	return ret;
}

static unsigned int lesser(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* A pair for each CPU that there is, as long as the card has them. */
static unsigned int queue_count(const struct udrv_net_device *ndev)
{
	cpu_set_t cpus;
	unsigned int n = 1;

	if (!sched_getaffinity(getpid(), sizeof(cpus), &cpus) && CPU_COUNT(&cpus) > 0)
		n = (unsigned int)CPU_COUNT(&cpus);
	return lesser(n, lesser(ndev->max_rx_queues, ndev->max_tx_queues));
}

static void close_queues(struct udrv__tap *t)
{
	for (unsigned int i = 0; i < t->queues; i++)
		close(t->queue[i].fd);
}

static int create(struct udrv__tap *t)
{
	int fds[UDRV_NET_QUEUES_MAX];
	int ret;

	memcpy(t->name, t->asked, sizeof(t->name));
	ret = udrv__tap_create(t->name, t->queues, t->ndev->hw_features, fds);
	if (ret)
		return ret;
	for (unsigned int i = 0; i < t->queues; i++)
		t->queue[i].fd = fds[i];
	return 0;
}

/* It is the card now, as far as anybody can see. */
static int dress(struct udrv__tap *t)
{
	const struct udrv_net_device *ndev = t->ndev;
	const int fd = t->queue[0].fd;
	int ret = udrv__tap_set_address(fd, ndev->dev_addr);

	t->carrier = udrv_netif_carrier_ok(ndev);
	if (!ret)
		ret = udrv__tap_set_carrier(fd, t->carrier);
	if (!ret)
		ret = learn_index(t);
	if (!ret && ndev->mtu != 1500)
		ret = udrv__tap_link_change(t->link_fd, t->index,
					    &(struct udrv__tap_change){.mtu = ndev->mtu});
	if (ret)
		udrv_pr_err("--tap %s: the kernel does not take its address, link or MTU: %s",
			    t->name, strerror(-ret));
	else
		udrv__tap_set_speed(fd, ndev);
	return ret;
}

static void log_ready(const struct udrv__tap *t)
{
	const uint8_t *a = t->ndev->dev_addr;

	udrv_pr_info("%s: network interface of %s, %02x:%02x:%02x:%02x:%02x:%02x, %u queue%s",
		     t->name, t->ndev->name, a[0], a[1], a[2], a[3], a[4], a[5], t->queues,
		     t->queues == 1 ? "" : "s");
}

static int start(struct udrv__tap *t)
{
	int ret = check_others(t);

	if (ret)
		return ret;
	ret = create(t);
	if (ret)
		return ret;
	ret = dress(t);
	if (ret)
		goto err_close;
	ret = udrv__tap_queues_start(t);
	if (ret)
		goto err_close;
	log_ready(t);
	ret = udrv__tap_control_start(t);
	if (!ret)
		return 0;
	udrv_pr_err("--tap %s: no thread: %s", t->name, strerror(-ret));
	udrv__tap_queues_stop(t);
err_close:
	close_queues(t);
	return ret;
}

static void release(struct udrv__tap *t)
{
	if (t->link_fd >= 0)
		close(t->link_fd);
	if (t->control_fd >= 0)
		close(t->control_fd);
	pthread_mutex_destroy(&t->lock);
	pthread_cond_destroy(&t->changed);
	free(t);
}

static int make(struct udrv_net_device *ndev, const char *name, int ended_fd,
		struct udrv__tap **out)
{
	struct udrv__tap *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->ndev = ndev;
	(void)strncpy(t->asked, name, sizeof(t->asked) - 1);
	t->ended_fd = ended_fd;
	t->question = UDRV__TAP_FIRST_QUESTION;
	t->queues = queue_count(ndev);
	t->started_ns = udrv__now_ns();
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->changed, NULL);
	for (unsigned int i = 0; i < t->queues; i++) {
		t->queue[i].tap = t;
		t->queue[i].index = i;
		t->queue[i].fd = t->queue[i].kick_fd = -1;
	}
	t->control_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	t->link_fd = t->control_fd < 0 ? -errno : udrv__tap_link_open();
	*out = t;
	return t->link_fd < 0 ? t->link_fd : 0;
}

int udrv__tap_start(struct udrv_net_device *ndev, const char *name, int ended_fd,
		    struct udrv__tap **out)
{
	struct udrv__tap *t = NULL;
	int ret = make(ndev, name, ended_fd, &t);

	if (ret)
		udrv_pr_err("--tap %s: %s", name, strerror(-ret));
	else
		ret = start(t);
	if (!ret)
		*out = t;
	else if (t)
		release(t);
	return ret;
}

static void log_end(const struct udrv__tap *t)
{
	const double seconds = (double)(udrv__now_ns() - t->started_ns) / 1e9;
	struct udrv__tap_counts sum = {0};

	for (unsigned int i = 0; i < t->queues; i++) {
		const struct udrv__tap_counts *c = &t->queue[i].counts;

		sum.rx_frames += c->rx_frames;
		sum.rx_writes += c->rx_writes;
		sum.rx_lost += c->rx_lost;
		sum.tx_frames += c->tx_frames;
		sum.tx_lost += c->tx_lost;
		sum.sleeps += c->sleeps;
		sum.spun_ns += c->spun_ns;
	}
	udrv_pr_info(
		"%s: ended after %.1f s; %llu frames received, handed on as %llu, %llu of them "
		"lost; %llu sent, %llu lost; %llu sleeps, %.1f s of spinning",
		t->name, seconds, (unsigned long long)sum.rx_frames,
		(unsigned long long)sum.rx_writes, (unsigned long long)sum.rx_lost,
		(unsigned long long)sum.tx_frames, (unsigned long long)sum.tx_lost,
		(unsigned long long)sum.sleeps, (double)sum.spun_ns / 1e9);
}

/* The card first, then the interface: what it sends meanwhile is lost as on a line cut. */
void udrv__tap_stop(struct udrv__tap *t)
{
	udrv__tap_control_stop(t);
	udrv__tap_queues_stop(t);
	log_end(t);
	close_queues(t);
	release(t);
}

void udrv__tap_carrier(struct udrv__tap *t)
{
	udrv__tap_wake(t);
}

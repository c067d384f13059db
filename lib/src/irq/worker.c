// SPDX-License-Identifier: MIT
/* A worker's thread, and the orders that change it. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/log.h>

#include "irq/irq.h"
#include "sched/clock.h"
#include "sched/thread.h"

__thread struct udrv__irq_worker *udrv__irq_self;

/* Others look at them; while there is a thread, it alone changes them. */
static void set_options(struct udrv__irq_worker *w, const struct udrv_irq_options *options)
{
	pthread_mutex_lock(&w->kick_lock);
	w->options = *options;
	pthread_mutex_unlock(&w->kick_lock);
}

/* The first source: what is said of the worker is said with its name. */
static struct udrv__vector *speaker(const struct udrv__irq_worker *w)
{
	return w->sources;
}

static void set_name(const struct udrv__vector *v)
{
	char name[16];

	(void)snprintf(name, sizeof(name), "irq/%u-%.8s", v->nr, v->actions->name);
	(void)pthread_setname_np(pthread_self(), name);
}

/* Without permission the worker runs at normal priority: said once, and shown in the stats. */
static void set_priority(struct udrv__irq_worker *w)
{
	struct sched_param param = {.sched_priority = w->options.fifo_priority};
	int policy = w->options.fifo_priority ? SCHED_FIFO : SCHED_OTHER;
	int err = pthread_setschedparam(pthread_self(), policy, &param);

	__atomic_store_n(&w->fifo_priority, err ? 0 : w->options.fifo_priority, __ATOMIC_RELAXED);
	if (err && !speaker(w)->nr)
		udrv_dev_info(speaker(w)->dev,
			      "no SCHED_FIFO for interrupt workers (%s): latency will vary; "
			      "allow it by CAP_SYS_NICE or LimitRTPRIO=",
			      strerror(err));
}

/* Bind to one CPU, or to all that the process may use. */
static int bind_to(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	if (cpu >= 0)
		CPU_SET((size_t)cpu, &cpus);
	else if (sched_getaffinity(getpid(), sizeof(cpus), &cpus))
		return -errno;
	return -pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
}

static int set_cpu(struct udrv__irq_worker *w)
{
	const struct udrv__vector *v = speaker(w);
	int cpu = w->options.cpu;
	int ret;

	if (cpu == UDRV_CPU_HOME)
		cpu = udrv__irq_home_cpu(v->dev, v->dev->irqs->type, v->nr);
	ret = bind_to(cpu);
	if (ret && w->options.cpu == UDRV_CPU_HOME) {
		/* Not ours to run on (cpusets): as good as unknown. */
		cpu = -1;
		ret = bind_to(cpu);
	}
	if (ret)
		udrv_dev_err(v->dev, "irq %u: cannot run on CPU %d: %s", v->nr, w->options.cpu,
			     strerror(-ret));
	else
		__atomic_store_n(&w->cpu, cpu < 0 ? -1 : cpu, __ATOMIC_RELAXED);
	return ret;
}

/* By these means, with all sources; or as before. */
static int wait_with(struct udrv__irq_worker *w, const struct udrv__wait_ops *ops)
{
	struct udrv__vector *v;
	int ret;

	w->bell = ops->bell;
	ret = ops->init(w);
	if (ret)
		return ret;
	udrv__kicks_to(w, w->kick_fd, 1);
	for (v = w->sources; v && !ret; v = v->next_source)
		ret = ops->add(w, v);
	if (!ret) {
		w->ops = ops;
		return 0;
	}
	for (struct udrv__vector *u = w->sources; u->next_source != v; u = u->next_source)
		(void)ops->remove(w, u);
	ops->exit(w);
	return ret;
}

static bool all_counted(const struct udrv__irq_worker *w)
{
	const struct udrv__vector *v = w->sources;

	while (v && v->counts)
		v = v->next_source;
	return !v;
}

/* What the strategy waits with: of those without a choice of their own, the best for so many. */
static const struct udrv__wait_ops *choose_ops(const struct udrv__irq_worker *w)
{
	const struct udrv__wait_strategy *s = &udrv__wait_strategies[w->options.wait];
	const bool many = w->source_count > 1;

	if (s->ops)
		return s->ops;
	if (all_counted(w))
		return s->counted[many];
	return many ? &udrv__wait_uring : &udrv__wait_read;
}

static bool is_refused(int ret)
{
	return ret == -ENOSYS || ret == -EPERM || ret == -EACCES;
}

static int start_waiting(struct udrv__irq_worker *w)
{
	const struct udrv__wait_strategy *s = &udrv__wait_strategies[w->options.wait];
	const struct udrv__wait_ops *ops = choose_ops(w);
	int ret;

	udrv__spin_begin(w);
	ret = wait_with(w, ops);
	/* io_uring may be switched off (sysctl kernel.io_uring_disabled), or filtered. */
	if (is_refused(ret) && ops->instead) {
		udrv_dev_info(speaker(w)->dev, "irq %u: no io_uring (%s): waiting by epoll",
			      speaker(w)->nr, strerror(-ret));
		ret = wait_with(w, ops->instead);
	}
	if (ret)
		udrv_dev_err(speaker(w)->dev, "irq %u: cannot wait by %s: %s", speaker(w)->nr,
			     s->name, strerror(-ret));
	else
		w->wait = s->wait ? s->wait : w->ops->wait;
	return ret;
}

static void stop_waiting(struct udrv__irq_worker *w)
{
	for (struct udrv__vector *v = w->sources; v; v = v->next_source)
		(void)w->ops->remove(w, v);
	w->ops->exit(w);
}

/* Run as w->options say. */
static int prepare(struct udrv__irq_worker *w)
{
	int ret;

	set_priority(w);
	ret = set_cpu(w);
	return ret ? ret : start_waiting(w);
}

/* Its devices cannot tell it anything any more; orders still come. */
static void give_up(struct udrv__irq_worker *w)
{
	w->ops = &udrv__wait_orders;
	w->wait = w->ops->wait;
	udrv__kicks_to(w, w->kick_fd, 1);
	for (struct udrv__vector *v = w->sources; v; v = v->next_source)
		udrv_device_set_gone(v->dev);
}

void udrv__worker_fail(struct udrv__irq_worker *w, int ret)
{
	udrv_dev_err(speaker(w)->dev, "irq %u: waiting by %s failed: %s; no more interrupts",
		     speaker(w)->nr, w->ops->name, strerror(-ret));
	stop_waiting(w);
	give_up(w);
}

static void describe_sources(struct udrv__irq_worker *w)
{
	for (struct udrv__vector *v = w->sources; v; v = v->next_source)
		udrv__irq_describe_worker(v, w, true);
}

/* The order to run by other options: the old ones if it cannot. */
static int change_over(struct udrv__irq_worker *w, void *arg)
{
	const struct udrv_irq_options old = w->options;
	int ret;

	stop_waiting(w);
	set_options(w, arg);
	ret = prepare(w);
	if (ret) {
		set_options(w, &old);
		if (prepare(w))
			give_up(w);
	}
	describe_sources(w);
	return ret;
}

static void link_source(struct udrv__irq_worker *w, struct udrv__vector *v)
{
	struct udrv__vector **link = &w->sources;

	while (*link)
		link = &(*link)->next_source;
	v->next_source = NULL;
	*link = v;
	w->source_count++;
	udrv__delayed_deadline(w);
	if (v->pending)
		udrv__worker_ready(w, v);
}

static void unlink_source(struct udrv__irq_worker *w, struct udrv__vector *v)
{
	struct udrv__vector **link = &w->sources;

	while (*link != v)
		link = &(*link)->next_source;
	*link = v->next_source;
	w->source_count--;
	udrv__delayed_deadline(w);
}

/* It was signalled, and the chain has yet to run: by whoever serves it next. */
static void take_off_ready(struct udrv__irq_worker *w, struct udrv__vector *v)
{
	struct udrv__vector **link = &w->ready;

	if (!v->ready)
		return;
	while (*link != v)
		link = &(*link)->next_ready;
	*link = v->next_ready;
	v->ready = false;
	__atomic_store_n(&v->pending, true, __ATOMIC_RELAXED);
}

/* Instead of what serves one only; if that cannot be, as before. */
static int add_by_other_means(struct udrv__irq_worker *w, struct udrv__vector *v)
{
	const struct udrv__wait_ops *before = w->ops;
	int ret;

	stop_waiting(w);
	link_source(w, v);
	ret = start_waiting(w);
	if (!ret)
		return 0;
	take_off_ready(w, v);
	unlink_source(w, v);
	if (wait_with(w, before))
		give_up(w);
	return ret;
}

/* The order to serve one more. */
static int add_source(struct udrv__irq_worker *w, void *arg)
{
	struct udrv__vector *v = arg;
	int ret;

	if (!w->ops->many || (w->ops->counted && !v->counts)) {
		ret = add_by_other_means(w, v);
	} else {
		ret = w->ops->add(w, v);
		if (!ret)
			link_source(w, v);
	}
	if (!ret)
		udrv__irq_describe_worker(v, w, true);
	return ret;
}

static int remove_source(struct udrv__irq_worker *w, void *arg)
{
	struct udrv__vector *v = arg;
	int ret = w->ops->remove(w, v);

	/* It must not be spoken of any more, whatever that costs the others. */
	if (ret)
		udrv__worker_fail(w, ret);
	take_off_ready(w, v);
	unlink_source(w, v);
	udrv__irq_describe_worker(v, w, false);
	return 0;
}

static int stop(struct udrv__irq_worker *w, void *arg)
{
	(void)arg;
	w->stop = true;
	return 0;
}

/* What was signalled, and whose chain did not run, is left to who serves it next. */
static void end(struct udrv__irq_worker *w)
{
	while (!udrv__orders_close(w))
		udrv__serve_orders(w);
	stop_waiting(w);
	/* Who pushed the last order may be about to kick, and what reads sends kicks to kick_fd at
	 * its end. */
	udrv__kicks_to(w, -1, 0);
	while (w->ready)
		take_off_ready(w, w->ready);
}

/* Once a device, since it may have very many vectors; of the others the statistics tell. */
static void say_how(const struct udrv__irq_worker *w)
{
	const struct udrv__vector *v = speaker(w);
	const bool home = w->options.cpu == UDRV_CPU_HOME && w->cpu >= 0;
	char how[32] = "SCHED_OTHER";

	if (w->fifo_priority)
		(void)snprintf(how, sizeof(how), "SCHED_FIFO %d", w->fifo_priority);
	udrv_dev_log(v->dev, home && !v->nr ? UDRV_LOG_INFO : UDRV_LOG_DEBUG,
		     "irq %u: its worker waits by %s, %s, on CPU %d%s", v->nr,
		     udrv__wait_strategies[w->options.wait].name, how, w->cpu,
		     home ? ", which takes the interrupt" : "");
}

static void *worker(void *arg)
{
	struct udrv__irq_worker *w = arg;
	struct udrv__vector *v = speaker(w);

	udrv__irq_self = w;
	udrv__context_adopt(w->context);
	set_name(v);
	w->tid = gettid();
	w->start_result = prepare(w);
	if (w->start_result) {
		udrv_complete(&w->started);
		return NULL;
	}
	say_how(w);
	udrv__irq_describe_worker(v, w, true);
	udrv__orders_open(w, true);
	udrv_complete(&w->started);
	udrv__serve(w);
	end(w);
	return NULL;
}

/* The thread, once it waits or says why it cannot. */
static int begin_thread(struct udrv__irq_worker *w)
{
	int ret;

	udrv_init_completion(NULL, &w->started);
	ret = udrv__thread_create(&w->thread, worker, w);
	if (ret)
		return ret;
	(void)udrv_wait_for_completion(&w->started);
	if (w->start_result)
		pthread_join(w->thread, NULL);
	return w->start_result;
}

static int start(struct udrv__irq_worker *w, struct udrv__vector *v)
{
	int ret = -ENOMEM;

	w->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->kick_fd < 0)
		return -errno;
	w->context = udrv__context_claim();
	if (!w->context)
		goto err_kick_fd;
	w->stop = false;
	w->ready = NULL;
	link_source(w, v);
	ret = begin_thread(w);
	if (!ret)
		return 0;

	take_off_ready(w, v);
	unlink_source(w, v);
	udrv__context_release(w->context);
err_kick_fd:
	udrv__kicks_to(w, -1, 0);
	close(w->kick_fd);
	return ret;
}

/* The caller has w->lock, so the thread takes orders until it carries this one out. */
static int order(struct udrv__irq_worker *w, int (*fn)(struct udrv__irq_worker *w, void *arg),
		 void *arg)
{
	struct udrv__awaited a = {.fn = fn, .arg = arg};

	return udrv__awaited_push(w, &a) ? udrv__awaited_wait(&a) : -ESRCH;
}

static void finish(struct udrv__irq_worker *w, struct udrv__vector *v)
{
	(void)order(w, stop, NULL);
	pthread_join(w->thread, NULL);
	unlink_source(w, v);
	udrv__irq_describe_worker(v, w, false);
	udrv__context_release(w->context);
	w->tid = 0;
	close(w->kick_fd);
}

int udrv__worker_attach(struct udrv__irq_worker *w, struct udrv__vector *v)
{
	int ret;

	pthread_mutex_lock(&w->lock);
	ret = w->source_count ? order(w, add_source, v) : start(w, v);
	pthread_mutex_unlock(&w->lock);
	return ret;
}

void udrv__worker_detach(struct udrv__irq_worker *w, struct udrv__vector *v)
{
	pthread_mutex_lock(&w->lock);
	if (w->source_count > 1)
		(void)order(w, remove_source, v);
	else
		finish(w, v);
	pthread_mutex_unlock(&w->lock);
}

static bool serves_one(const struct udrv_irq_options *options)
{
	const struct udrv__wait_ops *ops = udrv__wait_strategies[options->wait].ops;

	return ops && !ops->many;
}

/* Not waiting for who changes it already: that may be waiting for the caller. */
int udrv__worker_set_options(struct udrv__irq_worker *w, const struct udrv_irq_options *options)
{
	struct udrv_irq_options wanted = *options;
	int ret = 0;

	if (pthread_mutex_trylock(&w->lock))
		return -EBUSY;
	if (w->members > 1 && serves_one(options))
		ret = 1;
	else if (w->source_count)
		ret = order(w, change_over, &wanted);
	else
		set_options(w, options);
	pthread_mutex_unlock(&w->lock);
	return ret;
}

void udrv__worker_get_options(struct udrv__irq_worker *w, struct udrv_irq_options *options)
{
	pthread_mutex_lock(&w->kick_lock);
	*options = w->options;
	pthread_mutex_unlock(&w->kick_lock);
}

struct udrv__irq_worker *udrv__worker_new(const struct udrv_irq_options *options)
{
	struct udrv__irq_worker *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	pthread_mutex_init(&w->lock, NULL);
	pthread_mutex_init(&w->kick_lock, NULL);
	udrv__orders_open(w, false);
	w->deadline_ns = UDRV__NEVER;
	w->options = *options;
	w->kick_to = -1;
	w->cpu = -1;
	w->members = 1;
	w->refs = 1;
	return w;
}

struct udrv__irq_worker *udrv__worker_get(struct udrv__irq_worker *w)
{
	__atomic_add_fetch(&w->refs, 1, __ATOMIC_RELAXED);
	return w;
}

void udrv__worker_put(struct udrv__irq_worker *w)
{
	if (__atomic_sub_fetch(&w->refs, 1, __ATOMIC_ACQ_REL))
		return;
	pthread_mutex_destroy(&w->lock);
	pthread_mutex_destroy(&w->kick_lock);
	free(w);
}

int udrv__worker_join(struct udrv__irq_worker *w)
{
	int ret = 0;

	pthread_mutex_lock(&w->lock);
	if (serves_one(&w->options))
		ret = -EINVAL;
	else
		w->members++;
	pthread_mutex_unlock(&w->lock);
	if (!ret)
		(void)udrv__worker_get(w);
	return ret;
}

void udrv__worker_leave(struct udrv__irq_worker *w)
{
	pthread_mutex_lock(&w->lock);
	w->members--;
	pthread_mutex_unlock(&w->lock);
	udrv__worker_put(w);
}

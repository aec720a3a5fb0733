#include <errno.h>
#include <event2/dns.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "host/internal.h"

#define EXIT_FATAL 70
#define HELLO_ARENA_BYTES_MAX (256u * KIB)

void host_settings_default(struct host_settings *settings)
{
	*settings = (struct host_settings){
		.connect_timeout_ms = 2000,
		.hello_timeout_ms = 5000,
		.frame_timeout_ms = 10000,
		.write_timeout_ms = 10000,
		.ping_interval_ms = 2000,
		.ping_timeout_ms = 3000,
		.reconnect_min_ms = 10,
		.reconnect_max_ms = 1000,
		.stop_timeout_ms = 5000,
		.connections_max = 4096,
		.link_output_bytes_max = LINK_OUTPUT_BYTES_MAX,
		.network_bytes_max = 512ull * MIB,
	};
}

/* ---- the env ---- */

static struct host *host_of(struct env *env)
{
	return LIST_ENTRY(env, struct host, env);
}

static uint64_t clock_us(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static void read_clocks(struct host *host)
{
	host->now_us = clock_us(CLOCK_MONOTONIC);
	host->wall_us = clock_us(CLOCK_REALTIME);
}

uint64_t host_now_us(struct host *host)
{
	if (host->now_us == 0)
		read_clocks(host);
	return host->now_us;
}

static uint64_t env_now_us(struct env *env)
{
	return host_now_us(host_of(env));
}

static uint64_t env_wall_us(struct env *env)
{
	struct host *host = host_of(env);
	if (host->now_us == 0)
		read_clocks(host);
	return host->wall_us;
}

static uint64_t env_random(struct env *env)
{
	return rng_next(&host_of(env)->rng);
}

static link_id env_dial(struct env *env, const char *address)
{
	return dial_link(host_of(env), address);
}

static void env_send(struct env *env, link_id id, const struct message *message)
{
	struct host *host = host_of(env);
	struct link *link = map_get(&host->links, id);
	if (link != NULL)
		link_send(link, message);
	else
		host->dropped_total++;
}

static uint64_t env_backlog(struct env *env, link_id id)
{
	const struct link *link = map_get(&host_of(env)->links, id);
	return link == NULL ? 0 : link_unsent(link) + link->waiting.len;
}

static void env_close(struct env *env, link_id id)
{
	struct link *link = map_get(&host_of(env)->links, id);
	ASSERT(link == NULL || !link->dialled);
	if (link != NULL)
		link_cut(link, "closed by this node");
}

static void env_timer_set(struct env *env, struct timer *timer, uint64_t at_us)
{
	timers_set(&host_of(env)->timers, timer, at_us);
}

static void env_timer_cancel(struct env *env, struct timer *timer)
{
	timers_cancel(&host_of(env)->timers, timer);
}

/* _exit: no handler of any library may write or sync anything after this. */
__attribute__((noreturn)) static void env_fatal(struct env *env, int status, const char *why)
{
	char text[512];
	log_event(host_of(env)->log, LOG_ERROR, "fatal", "status=%s why=%s", status_name(status),
		  log_quote(text, sizeof text, slice_string(why)));
	_exit(EXIT_FATAL);
}

static void env_stopped(struct env *env)
{
	host_of(env)->stopped = true;
}

static const struct env_ops ENV_OPS = {
	.now_us = env_now_us,
	.wall_us = env_wall_us,
	.random = env_random,
	.dial = env_dial,
	.send = env_send,
	.backlog = env_backlog,
	.close = env_close,
	.timer_set = env_timer_set,
	.timer_cancel = env_timer_cancel,
	.fatal = env_fatal,
	.stopped = env_stopped,
};

/* ---- calls from other threads ---- */

void host_wakeup(struct host *host, struct host_call *call)
{
	bool first = false;
	pthread_mutex_lock(&host->calls_lock);
	if (!call->waiting) {
		first = host->calls == NULL;
		call->waiting = true;
		call->next = NULL;
		*host->calls_tail = call;
		host->calls_tail = &call->next;
	}
	pthread_mutex_unlock(&host->calls_lock);
	/* Cannot fail: the counter is read before it could overflow. */
	if (first)
		(void)!write(host->calls_fd, &(uint64_t){1}, sizeof(uint64_t));
}

static void on_calls(evutil_socket_t fd, short what, void *context)
{
	struct host *host = context;
	uint64_t count;
	(void)what;
	(void)!read(fd, &count, sizeof count);
	pthread_mutex_lock(&host->calls_lock);
	struct host_call *call = host->calls;
	host->calls = NULL;
	host->calls_tail = &host->calls;
	/* Marked before they run, so that one that is asked for meanwhile runs again. */
	while (call != NULL) {
		struct host_call *next = call->next;
		call->waiting = false;
		pthread_mutex_unlock(&host->calls_lock);
		call->callback(call->context);
		pthread_mutex_lock(&host->calls_lock);
		call = next;
	}
	pthread_mutex_unlock(&host->calls_lock);
}

static void on_watch(evutil_socket_t fd, short what, void *context)
{
	struct watch *watch = context;
	(void)fd;
	(void)what;
	watch->callback(watch->context);
}

void host_watch(struct host *host, int fd, void (*callback)(void *), void *context)
{
	struct watch *watch = ALLOC(struct watch);
	watch->callback = callback;
	watch->context = context;
	watch->next = host->watches;
	host->watches = watch;
	event_assign(&watch->event, host->base, fd, EV_READ | EV_PERSIST, on_watch, watch);
	event_add(&watch->event, NULL);
}

/* ---- turns ---- */

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	(void)context; /* the turn runs what is due */
}

/* False: something is due already, do not wait. */
static bool arm_timer(struct host *host)
{
	uint64_t next_us = timers_next_us(&host->timers);
	if (next_us == UINT64_MAX) {
		if (host->armed_us != UINT64_MAX)
			event_del(&host->timer_event);
		host->armed_us = UINT64_MAX;
		return true;
	}
	uint64_t now_us = clock_us(CLOCK_MONOTONIC);
	if (next_us <= now_us)
		return false;
	if (next_us != host->armed_us || !event_pending(&host->timer_event, EV_TIMEOUT, NULL)) {
		uint64_t wait_us = next_us - now_us;
		struct timeval wait = {.tv_sec = (time_t)(wait_us / 1000000), .tv_usec = (suseconds_t)(wait_us % 1000000)};
		event_add(&host->timer_event, &wait);
		host->armed_us = next_us;
	}
	return true;
}

static void settle_cuts(struct host *host)
{
	struct list *first;
	while ((first = list_first(&host->cut)) != NULL)
		link_settle(LIST_ENTRY(first, struct link, cut));
}

/* At most as many as are armed: one that sets itself anew for now fires in the next turn. */
static void run_timers(struct host *host)
{
	struct timer *timer;
	uint64_t now_us = host_now_us(host);
	for (size_t n = host->timers.count; n > 0 && (timer = timers_take_due(&host->timers, now_us)) != NULL; n--)
		timer->callback(timer->data);
}

static void flush_links(struct host *host)
{
	struct list *first;
	while ((first = list_first(&host->flush)) != NULL)
		link_flush(LIST_ENTRY(first, struct link, flush));
}

bool host_turn(struct host *host, bool wait)
{
	if (host->stopped)
		return false;
	bool idle = arm_timer(host) && list_empty(&host->cut) && !host->started;
	host->now_us = 0;
	host->started = false;
	event_base_loop(host->base, EVLOOP_ONCE | (wait && idle ? 0 : EVLOOP_NONBLOCK));
	settle_cuts(host);
	run_timers(host);
	if (host->node->ops->turn_end != NULL && !host->stopped)
		host->node->ops->turn_end(host->node);
	flush_links(host);
	host->now_us = 0;
	return !host->stopped;
}

bool host_run(struct host *host)
{
	while (host_turn(host, true)) {
	}
	return !host->stop_timed_out;
}

/* ---- life ---- */

static void copy_options(struct host *host, const struct host_options *options)
{
	host->log = options->log;
	host->cluster = alloc_string(options->cluster);
	host->name = alloc_string(options->node);
	host->role = alloc_string(options->role);
	host->settings = options->settings;
	host->npeers = options->npeers;
	host->peers = alloc_zeroed((size_t)options->npeers + 1, sizeof *host->peers);
	for (uint32_t i = 0; i < options->npeers; i++) {
		const struct host_peer *peer = &options->peers[i];
		host->peers[i].name = alloc_string(peer->name == NULL ? "" : peer->name);
		host->peers[i].address = alloc_string(peer->address);
		host->peers[i].route = alloc_string(peer->route == NULL ? peer->address : peer->route);
	}
}

static void seed(struct host *host)
{
	uint64_t number;
	if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
		number = clock_us(CLOCK_MONOTONIC) ^ (uint64_t)getpid() << 32 ^ (uint64_t)(uintptr_t)host;
	rng_seed(&host->rng, number);
}

int host_create(struct host **out, const struct host_options *options, char *error, size_t error_size)
{
	struct host *host = ALLOC(struct host);
	*out = NULL;
	host->env = (struct env){.ops = &ENV_OPS, .disk = options->disk};
	host->listen_fd = host->calls_fd = -1;
	host->armed_us = UINT64_MAX;
	host->calls_tail = &host->calls;
	pthread_mutex_init(&host->calls_lock, NULL);
	list_init(&host->flush);
	list_init(&host->cut);
	copy_options(host, options);
	traffic_init(host);
	seed(host);
	arena_init(&host->arena, HELLO_ARENA_BYTES_MAX);
	host->scratch = alloc_bytes(SCRATCH_BYTES);
	host->base = event_base_new();
	host->calls_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	int status = 0;
	if (host->base == NULL || host->calls_fd < 0) {
		snprintf(error, error_size, "cannot create an event loop: %s", strerror(errno));
		status = STATUS_IO;
		goto fail;
	}
	event_assign(&host->timer_event, host->base, -1, 0, on_timer, host);
	event_assign(&host->calls_event, host->base, host->calls_fd, EV_READ | EV_PERSIST, on_calls, host);
	event_add(&host->calls_event, NULL);
	if (options->listen != NULL)
		status = listen_bind(host, options->listen, error, error_size);
	if (status != 0)
		goto fail;
	*out = host;
	return 0;
fail:
	host_destroy(host);
	return status;
}

struct env *host_env(struct host *host)
{
	return &host->env;
}

uint16_t host_port(const struct host *host)
{
	return host->port;
}

struct event_base *host_event_base(struct host *host)
{
	return host->base;
}

static void on_stop_timeout(void *context)
{
	struct host *host = context;
	log_event(host->log, LOG_WARN, "stop_timeout", "timeout_ms=%u", host->settings.stop_timeout_ms);
	host->stopped = host->stop_timed_out = true;
}

int host_start(struct host *host, struct node *node, char *error, size_t error_size)
{
	host->node = node;
	traffic_register(host);
	timer_init(&host->stop_timer, on_stop_timeout, host);
	int status = node->ops->start != NULL ? node->ops->start(node) : 0;
	if (status != 0) {
		snprintf(error, error_size, "the node cannot start: %s", status_text(status));
		return status;
	}
	host->now_us = 0;
	host->started = true;
	watchdog_start(host);
	return listen_start(host, error, error_size);
}

void host_stop(struct host *host)
{
	if (host->stopping)
		return;
	host->stopping = true;
	timers_set(&host->timers, &host->stop_timer, host_now_us(host) + host->settings.stop_timeout_ms * 1000ull);
	if (host->node->ops->stop != NULL)
		host->node->ops->stop(host->node);
	else
		host->stopped = true;
}

static void free_links(struct host *host)
{
	size_t position = 0;
	uint64_t id;
	void *value;
	while (map_next(&host->links, &position, &id, &value)) {
		link_free(value);
		position = 0; /* the map has changed */
	}
	map_free(&host->links);
	map_free(&host->dialled);
}

void host_destroy(struct host *host)
{
	if (host->dns != NULL)
		evdns_base_free(host->dns, 0);
	listen_close(host);
	free_links(host);
	while (host->watches != NULL) {
		struct watch *next = host->watches->next;
		event_del(&host->watches->event);
		free(host->watches);
		host->watches = next;
	}
	if (host->base != NULL && event_initialized(&host->timer_event)) {
		event_del(&host->timer_event);
		event_del(&host->calls_event);
	}
	if (host->calls_fd >= 0)
		close(host->calls_fd);
	if (host->base != NULL)
		event_base_free(host->base);
	for (uint32_t i = 0; i < host->npeers; i++) {
		free((char *)host->peers[i].name);
		free((char *)host->peers[i].address);
		free((char *)host->peers[i].route);
	}
	free(host->peers);
	traffic_free(host);
	timers_free(&host->timers);
	arena_free(&host->arena);
	pthread_mutex_destroy(&host->calls_lock);
	free(host->scratch);
	free(host->cluster);
	free(host->name);
	free(host->role);
	free(host);
}

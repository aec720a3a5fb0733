/* Life of a host: options, start, stop, end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clusterconf.h"
#include "base/settings.h"
#include "host/internal.h"

#define HELLO_ARENA_BYTES_MAX (256u * KIB)

void host_settings_default(struct host_settings *settings)
{
	*settings = (struct host_settings){
		.connect_timeout_ms = SETTING_DEFAULT(connect_timeout_ms),
		.hello_timeout_ms = SETTING_DEFAULT(hello_timeout_ms),
		.frame_timeout_ms = SETTING_DEFAULT(frame_timeout_ms),
		.write_timeout_ms = SETTING_DEFAULT(write_timeout_ms),
		.ping_interval_ms = SETTING_DEFAULT(link_ping_interval_ms),
		.ping_timeout_ms = SETTING_DEFAULT(link_ping_timeout_ms),
		.reconnect_min_ms = SETTING_DEFAULT(reconnect_min_ms),
		.reconnect_max_ms = SETTING_DEFAULT(reconnect_max_ms),
		.stop_timeout_ms = SETTING_DEFAULT(stop_timeout_ms),
		.connections_max = SETTING_DEFAULT(connections_max),
		.link_output_bytes_max = SETTING_DEFAULT(link_output_bytes_max),
		.network_bytes_max = SETTING_DEFAULT(network_bytes_max),
	};
}

static void copy_options(struct host *host, const struct host_options *options)
{
	host->log = options->log;
	host->cluster = alloc_string(options->cluster);
	host->name = alloc_string(options->node);
	host->role = alloc_string(options->role);
	host->settings = options->settings;
}

/* An address that stands for all of this machine's own is of no use elsewhere. */
static void advertise(struct host *host, const char *listen)
{
	if (listen == NULL || address_is_any(listen))
		return;
	const char *port = strrchr(listen, ':');
	host->advertised = port == NULL ? NULL
					: alloc_format("%.*s:%u", (int)(port - listen), listen,
						       host->port);
}

static void seed(struct host *host)
{
	uint64_t number;
	if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
		number = host_clock_us(CLOCK_MONOTONIC) ^ (uint64_t)getpid() << 32 ^
			 (uint64_t)(uintptr_t)host;
	rng_seed(&host->rng, number);
}

static void on_wake(void *context)
{
	host_touch(context);
}

static int join_loop(struct host *host, const struct host_options *options, char *error,
		     size_t error_size)
{
	host->loop = options->loop;
	if (host->loop != NULL)
		return 0;
	host->loop = host_loop_create();
	if (host->loop == NULL) {
		snprintf(error, error_size, "cannot create an event loop: %s", strerror(errno));
		return STATUS_IO;
	}
	host->loop->owner = host;
	return 0;
}

int host_create(struct host **out, const struct host_options *options, char *error,
		size_t error_size)
{
	struct host *host = ALLOC(struct host);
	*out = NULL;
	host->env = (struct env){.ops = &HOST_ENV_OPS, .disk = options->disk};
	host->env.life = options->identity == NULL ? 0 : options->identity->life;
	host->listen_fd = host->trace.fd = -1;
	list_init(&host->touched);
	timer_init(&host->wake, on_wake, host);
	list_init(&host->flush);
	list_init(&host->cut);
	list_init(&host->readable);
	requests_init(host);
	copy_options(host, options);
	host_peers_init(host, options);
	host_identity_create(host, options);
	seats_init(host);
	seed(host);
	host->life = rng_next(&host->rng) | 1; /* never 0 */
	arena_init(&host->arena, HELLO_ARENA_BYTES_MAX);
	int status = join_loop(host, options, error, error_size);
	if (status == 0)
		status = tracing_open(host, options, error, error_size);
	if (status == 0 && options->listen != NULL)
		status = listen_bind(host, options->listen, error, error_size);
	if (status == 0) {
		advertise(host, options->listen);
		host_peers_follow(host);
		*out = host;
	} else {
		host_destroy(host);
	}
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
	return host->loop->base;
}

bool host_stopped(const struct host *host)
{
	return host->stopped;
}

static const char *start_problem(const struct host *host, int status)
{
	const char *problem = host->node->problem;
	if (problem[0] != '\0')
		return problem;
	/* It has something to say of its own errors only. */
	bool disk = host->env.disk != NULL &&
		    (status == STATUS_IO || status == STATUS_NO_SPACE ||
		     status == STATUS_READ_ONLY || status == STATUS_SHORTAGE);
	return disk ? disk_problem(host->env.disk, status) : status_text(status);
}

int host_start(struct host *host, struct node *node, char *error, size_t error_size)
{
	host->node = node;
	traffic_register(host);
	tracing_begin(host);
	leave_init(host);
	int status = host_identity_starting(host, error, error_size);
	if (status != 0)
		return status;
	status = node->ops->start != NULL ? node->ops->start(node) : 0;
	if (status != 0) {
		snprintf(error, error_size, "the node cannot start: %s",
			 start_problem(host, status));
		return status;
	}
	host_identity_started(host);
	/* Recovery may have taken long. */
	if (!host->loop->gathering)
		host->loop->now_us = 0;
	host->input_due = true; /* start() was one */
	host_touch(host);
	watchdog_start(host);
	return listen_start(host, error, error_size);
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

static void free_watches(struct host *host)
{
	while (host->watches != NULL) {
		struct watch *next = host->watches->next;
		event_del(&host->watches->event);
		free(host->watches);
		host->watches = next;
	}
}

static void leave_loop(struct host *host)
{
	struct host_loop *loop = host->loop;
	if (loop == NULL)
		return;
	timers_cancel(&loop->wakes, &host->wake);
	list_remove(&host->touched);
	if (loop->owner == host)
		host_loop_destroy(loop);
}

static void free_options(struct host *host)
{
	free(host->advertised);
	free(host->cluster);
	free(host->name);
	free(host->role);
}

void host_destroy(struct host *host)
{
	listen_close(host);
	tracing_close(host);
	free_links(host);
	requests_free(host);
	free_watches(host);
	leave_loop(host);
	host_identity_free(host);
	host_peers_free(host);
	timers_free(&host->timers);
	arena_free(&host->arena);
	free_options(host);
	free(host);
}

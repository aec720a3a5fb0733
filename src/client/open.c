/* Opening and closing a handle; its thread. */
#include "client/handle.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clusterconf.h"

#define OUTSTANDING_MAX_DEFAULT 4096u
#define OUTSTANDING_MAX_MAX 65536u
#define CONFIG_FILE_BYTES_MAX (16u * MIB)
#define ENDPOINTS_MAX 64u

const char *synod_status_text(int status)
{
	return status_text(-status);
}

const char *synod_version(void)
{
	return SYNOD_RELEASE;
}

const char *synod_error_message(const struct synod *s)
{
	return s == NULL ? status_text(STATUS_NO_MEMORY) : s->error;
}

/* What the options come down to. */
struct plan {
	struct clusterconf conf;
	bool has_conf;
	const char *cluster;
	struct host_peer *peers;
	uint32_t npeers;
	const char *masters[REPLICAS_MAX];
	uint32_t nmasters;
	const char *views[REPLICAS_MAX], *pbs[REPLICAS_MAX], *paxosds[REPLICAS_MAX];
	uint32_t nviews, npbs, npaxosds;
	char *endpoint_text; /* the endpoints point into it */
	const char *endpoints[ENDPOINTS_MAX];
	uint32_t nendpoints;
};

static void plan_free(struct plan *plan)
{
	if (plan->has_conf)
		clusterconf_free(&plan->conf);
	free(plan->peers);
	free(plan->endpoint_text);
}

static int read_file(const char *name, struct buffer *out, char *error, size_t error_size)
{
	FILE *file = fopen(name, "re");
	if (file == NULL) {
		snprintf(error, error_size, "cannot open %s: %s", name, strerror(errno));
		return errno == ENOMEM ? SYNOD_NO_MEMORY : SYNOD_CONFIG;
	}
	size_t got;
	do {
		size_t room = out->len + 4096; /* doubles */
		if (!buffer_try_reserve(out, room)) {
			fclose(file);
			snprintf(error, error_size, "no memory for the contents of %s", name);
			return SYNOD_NO_MEMORY;
		}
		got = fread(out->data + out->len, 1, room, file);
		out->len += got;
	} while (got > 0 && out->len <= CONFIG_FILE_BYTES_MAX);
	bool failed = ferror(file) != 0;
	fclose(file);
	if (failed)
		snprintf(error, error_size, "cannot read %s: %s", name, strerror(errno));
	else if (out->len > CONFIG_FILE_BYTES_MAX)
		snprintf(error, error_size, "%s is too large for a cluster.conf", name);
	return failed || out->len > CONFIG_FILE_BYTES_MAX ? SYNOD_CONFIG : SYNOD_OK;
}

static int plan_file(struct plan *plan, const char *name, char *error, size_t error_size)
{
	struct buffer text = {0};
	int status = read_file(name, &text, error, error_size);
	if (status == SYNOD_OK &&
	    clusterconf_parse(&plan->conf, name, buffer_slice(&text), error, error_size) != 0)
		status = SYNOD_CONFIG;
	buffer_free(&text);
	if (status != SYNOD_OK)
		return status;
	plan->has_conf = true;
	plan->cluster = plan->conf.name;
	plan->peers = alloc_zeroed(plan->conf.nnodes + 1, sizeof *plan->peers);
	for (uint32_t i = 0; i < plan->conf.nnodes; i++) {
		const struct clusterconf_node *node = &plan->conf.nodes[i];
		plan->peers[plan->npeers++] = (struct host_peer){.name = node->name, .address = node->listen};
		if (node->role == ROLE_SHARDMASTER && plan->nmasters < REPLICAS_MAX)
			plan->masters[plan->nmasters++] = node->listen;
		else if (node->role == ROLE_VIEWSERVER && plan->nviews < REPLICAS_MAX)
			plan->views[plan->nviews++] = node->listen;
		else if (node->role == ROLE_PBSERVER && plan->npbs < REPLICAS_MAX)
			plan->pbs[plan->npbs++] = node->listen;
		else if (node->role == ROLE_PAXOS && plan->npaxosds < REPLICAS_MAX)
			plan->paxosds[plan->npaxosds++] = node->listen;
	}
	if (plan->nmasters == 0) {
		/* Tools that ask single nodes still work; whatever needs a shard master will say so. */
		for (uint32_t i = 0; i < plan->conf.nnodes && i < ENDPOINTS_MAX; i++)
			plan->endpoints[plan->nendpoints++] = plan->conf.nodes[i].listen;
	}
	return SYNOD_OK;
}

static int plan_endpoints(struct plan *plan, const char *text, char *error, size_t error_size)
{
	char *rest = NULL;
	plan->cluster = "";
	plan->endpoint_text = alloc_string(text);
	for (char *word = strtok_r(plan->endpoint_text, ", ", &rest); word != NULL;
	     word = strtok_r(NULL, ", ", &rest)) {
		if (!address_valid(word)) {
			snprintf(error, error_size, "\"%s\" is no address: endpoints are HOST:PORT,…", word);
			return SYNOD_CONFIG;
		}
		if (plan->nendpoints < ENDPOINTS_MAX)
			plan->endpoints[plan->nendpoints++] = word;
	}
	if (plan->nendpoints == 0) {
		snprintf(error, error_size, "no endpoint is given: endpoints are HOST:PORT,…");
		return SYNOD_CONFIG;
	}
	return SYNOD_OK;
}

static int make_plan(struct plan *plan, const struct synod_options *options, char *error, size_t error_size)
{
	int status;
	if ((options->config_file == NULL) == (options->endpoints == NULL)) {
		snprintf(error, error_size, "give either a config_file or endpoints");
		return SYNOD_CONFIG;
	}
	if (options->config_file != NULL)
		status = plan_file(plan, options->config_file, error, error_size);
	else
		status = plan_endpoints(plan, options->endpoints, error, error_size);
	if (status == SYNOD_OK && options->cluster != NULL)
		plan->cluster = options->cluster;
	return status;
}

/*
 * What could not be allocated in a turn came from the reserve, so that the turn was completed. When there is no memory to fill that up
 * again, the thread ends in order, as if the handle were closed, while there is something left to do it with.
 */
static void give_up(struct synod *s)
{
	pthread_mutex_lock(&s->mutex);
	s->closing = s->no_memory = true;
	pthread_cond_broadcast(&s->room);
	pthread_mutex_unlock(&s->mutex);
	handle_take_submitted(s);
}

static void *run(void *argument)
{
	struct synod *s = argument;
	alloc_reserve_use(s->reserve);
	while (host_turn(s->host, true)) {
		if (!alloc_reserve_refill(s->reserve) && !s->no_memory)
			give_up(s);
	}
	alloc_reserve_use(NULL);
	return NULL;
}

/* The thread takes no signals: they belong to the program. */
static int start_thread(struct synod *s)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&s->thread, NULL, run, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error == 0) {
		s->running = true;
		return SYNOD_OK;
	}
	snprintf(s->error, sizeof s->error, "cannot start a thread: %s", strerror(error));
	return SYNOD_NO_MEMORY;
}

static void log_nothing(void *context, const char *line, size_t len)
{
	(void)context;
	(void)line;
	(void)len;
}

static uint64_t log_time(void *context)
{
	(void)context;
	return 0;
}

static int start_client(struct synod *s, const struct plan *plan, const struct synod_options *options)
{
	struct host_options host_options = {
		.cluster = plan->cluster,
		.node = "",
		.role = "",
		.npeers = plan->npeers,
		.peers = plan->peers,
		.trace = options->trace_file,
		.trace_name = options->trace_name,
		.log = &s->log,
	};
	host_settings_default(&host_options.settings);
	int status = host_create(&s->host, &host_options, s->error, sizeof s->error);
	if (status != 0 && options->trace_file != NULL && status == STATUS_IO)
		return SYNOD_CONFIG;
	if (status != 0)
		return SYNOD_NO_MEMORY; /* or another resource of which a process has only so much, as the message says */
	s->client = client_create(host_env(s->host), &s->log,
				  &(struct client_options){
					  .masters = plan->masters,
					  .nmasters = plan->nmasters,
					  .endpoints = plan->endpoints,
					  .nendpoints = plan->nendpoints,
					  .views = plan->views,
					  .nviews = plan->nviews,
					  .pbs = plan->pbs,
					  .npbs = plan->npbs,
					  .paxosds = plan->paxosds,
					  .npaxosds = plan->npaxosds,
					  .timeout_ms = s->timeout_ms,
				  });
	s->nudge = (struct host_call){.callback = handle_take_submitted, .context = s};
	if (host_start(s->host, client_node(s->client), s->error, sizeof s->error) != 0)
		return SYNOD_CONFIG;
	return SYNOD_OK;
}

static void init_locks(struct synod *s)
{
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&s->mutex, NULL);
	pthread_cond_init(&s->room, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

int synod_open(struct synod **out, const struct synod_options *options)
{
	struct synod *s = calloc(1, sizeof *s);
	*out = s;
	if (s == NULL)
		return SYNOD_NO_MEMORY;
	init_locks(s);
	list_init(&s->submitted);
	s->timeout_ms = options->timeout_ms != 0 ? options->timeout_ms : CLIENT_TIMEOUT_MS_DEFAULT;
	s->outstanding_max = options->outstanding_max != 0 ? options->outstanding_max : OUTSTANDING_MAX_DEFAULT;
	if (s->outstanding_max > OUTSTANDING_MAX_MAX)
		s->outstanding_max = OUTSTANDING_MAX_MAX;
	s->log = (struct log){.level = LOG_OFF, .node = "client", .wall_us = log_time, .write = log_nothing};
	s->reserve = alloc_reserve_create();
	if (s->reserve == NULL) {
		snprintf(s->error, sizeof s->error, "out of memory");
		return SYNOD_NO_MEMORY;
	}
	struct plan plan = {0};
	struct alloc_reserve *before = alloc_reserve_use(s->reserve);
	int status = make_plan(&plan, options, s->error, sizeof s->error);
	if (status == SYNOD_OK)
		status = start_client(s, &plan, options);
	plan_free(&plan);
	/* Only now does the thread run, which uses the reserve from here on. */
	if (!alloc_reserve_refill(s->reserve)) {
		snprintf(s->error, sizeof s->error, "out of memory");
		status = SYNOD_NO_MEMORY;
	}
	alloc_reserve_use(before);
	if (status == SYNOD_OK)
		status = start_thread(s);
	return status;
}

void synod_close(struct synod *s)
{
	if (s == NULL)
		return;
	pthread_mutex_lock(&s->mutex);
	s->closing = true;
	pthread_cond_broadcast(&s->room);
	pthread_mutex_unlock(&s->mutex);
	if (s->running) {
		host_wakeup(s->host, &s->nudge);
		pthread_join(s->thread, NULL);
	}
	struct alloc_reserve *before = alloc_reserve_use(s->reserve);
	if (s->client != NULL) {
		struct node *node = client_node(s->client);
		node->ops->destroy(node);
	}
	if (s->host != NULL)
		host_destroy(s->host);
	alloc_reserve_use(before);
	alloc_reserve_free(s->reserve);
	pthread_cond_destroy(&s->room);
	pthread_mutex_destroy(&s->mutex);
	free(s);
}

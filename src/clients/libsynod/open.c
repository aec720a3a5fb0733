/* Opening and closing a handle. */
#include "libsynod/handle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clusterconf.h"

#define HELLO_TIMEOUT_MS 2000u

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

uint64_t synod_cluster_id(const struct synod *s)
{
	return s == NULL || s->host == NULL ? 0 : host_cluster_id(s->host);
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
		plan->peers[plan->npeers++] = (struct host_peer){.name = node->name,
								 .address = node->listen};
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
		/*
		 * Tools that ask single nodes still work; whatever needs a shard master will say
		 * so.
		 */
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
			snprintf(error, error_size,
				 "\"%s\" is no address: endpoints are HOST:PORT,…", word);
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

static int make_plan(struct plan *plan, const struct synod_options *options, char *error,
		     size_t error_size)
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

/* What is done on the handle's thread to open it. */
struct opening {
	struct synod *s;
	const struct plan *plan;
	const struct synod_options *options;
	int status;
};

static int start_client(struct synod *s, const struct plan *plan,
			const struct synod_options *options)
{
	struct host_options host_options = {
		.cluster = plan->cluster,
		.node = "",
		.role = "",
		.cluster_id = plan->has_conf ? plan->conf.id : 0,
		.npeers = plan->npeers,
		.peers = plan->peers,
		.trace = options->trace_file,
		.trace_name = options->trace_name,
		.log = &s->log,
		.loop = client_thread_loop(s->thread),
	};
	host_settings_default(&host_options.settings);
	/*
	 * A server that takes the connection and says nothing leaves time for another try within a
	 * usual deadline.
	 */
	host_options.settings.hello_timeout_ms = HELLO_TIMEOUT_MS;
	int status = host_create(&s->host, &host_options, s->error, sizeof s->error);
	if (status != 0 && options->trace_file != NULL && status == STATUS_IO)
		return SYNOD_CONFIG;
	if (status != 0)
		/* or another resource of which a process has only so much, as the message says */
		return SYNOD_NO_MEMORY;
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
	if (host_start(s->host, client_node(s->client), s->error, sizeof s->error) != 0)
		return SYNOD_CONFIG;
	list_push_back(client_thread_handles(s->thread), &s->on_thread);
	return SYNOD_OK;
}

static void open_on_thread(void *context)
{
	struct opening *opening = context;
	opening->status = start_client(opening->s, opening->plan, opening->options);
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

static int join_thread(struct synod *s, const struct synod *other)
{
	if (other == NULL)
		return client_thread_start(&s->thread, s->error, sizeof s->error) == 0
			       ? SYNOD_OK
			       : SYNOD_NO_MEMORY;
	if (!other->open || client_thread_is_this(other->thread)) {
		snprintf(s->error, sizeof s->error, "%s",
			 !other->open ? "thread_of is a handle that could not be opened"
				      : "a callback cannot open a handle on its own thread");
		return SYNOD_BAD_REQUEST;
	}
	s->thread = client_thread_hold(other->thread);
	return SYNOD_OK;
}

static int open_planned(struct synod *s, const struct plan *plan,
			const struct synod_options *options)
{
	struct opening opening = {.s = s, .plan = plan, .options = options};
	int status = join_thread(s, options->thread_of);
	if (status != SYNOD_OK)
		return status;
	if (client_thread_do(s->thread, open_on_thread, &opening))
		return opening.status;
	snprintf(s->error, sizeof s->error, "out of memory: the thread has given up");
	return SYNOD_NO_MEMORY;
}

int synod_open(struct synod **out, const struct synod_options *options)
{
	struct synod *s = calloc(1, sizeof *s);
	*out = s;
	if (s == NULL)
		return SYNOD_NO_MEMORY;
	init_locks(s);
	list_init(&s->submitted);
	list_init(&s->on_thread);
	s->timeout_ms = options->timeout_ms != 0 ? options->timeout_ms : CLIENT_TIMEOUT_MS_DEFAULT;
	s->outstanding_max = options->outstanding_max != 0 ? options->outstanding_max
							   : OUTSTANDING_MAX_DEFAULT;
	if (s->outstanding_max > OUTSTANDING_MAX_MAX)
		s->outstanding_max = OUTSTANDING_MAX_MAX;
	s->log = (struct log){
		.level = LOG_OFF, .node = "client", .wall_us = log_time, .write = log_nothing};
	s->nudge = (struct host_call){.callback = handle_take_submitted, .context = s};
	/* For the plan, which is made here and not on the handle's thread: it reads a file. */
	struct alloc_reserve *reserve = alloc_reserve_create();
	if (reserve == NULL) {
		snprintf(s->error, sizeof s->error, "out of memory");
		return SYNOD_NO_MEMORY;
	}
	struct plan plan = {0};
	struct alloc_reserve *before = alloc_reserve_use(reserve);
	int status = make_plan(&plan, options, s->error, sizeof s->error);
	alloc_reserve_use(before);
	if (status == SYNOD_OK)
		status = open_planned(s, &plan, options);
	plan_free(&plan);
	alloc_reserve_free(reserve);
	s->open = status == SYNOD_OK;
	return status;
}

/* Requests that are under way end here. */
static void close_on_thread(void *context)
{
	struct synod *s = context;
	list_remove(&s->on_thread);
	if (s->open)
		handle_take_submitted(s);
	host_loop_forget(client_thread_loop(s->thread), &s->nudge);
	if (s->client != NULL) {
		struct node *node = client_node(s->client);
		node->ops->destroy(node);
	}
	if (s->host != NULL)
		host_destroy(s->host);
}

void synod_close(struct synod *s)
{
	if (s == NULL)
		return;
	pthread_mutex_lock(&s->mutex);
	s->closing = true;
	pthread_cond_broadcast(&s->room);
	pthread_mutex_unlock(&s->mutex);
	if (s->thread != NULL) {
		if (!client_thread_do(s->thread, close_on_thread, s))
			client_thread_do_for(s->thread, close_on_thread, s);
		client_thread_release(s->thread);
	}
	pthread_cond_destroy(&s->room);
	pthread_mutex_destroy(&s->mutex);
	free(s);
}

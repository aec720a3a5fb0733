#include "paxoslog/paxosd.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "paxos/multipaxos.h"
#include "paxoslog/internal.h"
#include "rsm/status_json.h"
#include "wire/method.h"

static struct paxosd *paxosd_of(struct node *node)
{
	return (struct paxosd *)(void *)((char *)node - offsetof(struct paxosd, node));
}

void paxosd_refuse(struct paxosd *d, link_id from, const struct message *request, int status,
		   const char *why)
{
	buffer_clear(&d->out);
	wire_error_format(&d->out, "%s", why);
	node_reply(&d->node, from, request, status, buffer_slice(&d->out));
}

/* ---- what any replica answers ---- */

static void fill_status(struct paxosd *d, struct wire_status *status)
{
	const struct slots *slots = paxoslog_app_slots(d->app);
	*status = (struct wire_status){0};
	rsm_status(d->rsm, status);
	status->name = slice_string(d->name);
	status->role = slice_string("paxos");
	status->version = slice_string(d->version);
	status->disk_bytes += agreement_service_disk_bytes(d->agreement);
	/* It has a vote in the log, and not yet in the agreement. */
	if (slice_equal(status->state, slice_string("follower")) &&
	    agreement_service_enters(d->agreement))
		status->state = slice_string("entering");
	if (slots == NULL)
		return;
	status->keys = slots->last + 1 - slots->first;
	status->data_bytes = slots->bytes;
}

static void reply_status(struct paxosd *d, link_id from, const struct message *request)
{
	struct wire_status status;
	fill_status(d, &status);
	buffer_clear(&d->out);
	wire_status_encode(&status, &d->out);
	node_reply(&d->node, from, request, 0, buffer_slice(&d->out));
}

static void reply_cluster(struct paxosd *d, link_id from, const struct message *request)
{
	struct wire_cluster cluster = {
		.cluster = slice_string(d->cluster), .shards = d->nshards, .nmasters = d->nmasters};
	for (uint32_t i = 0; i < d->nmasters; i++)
		cluster.masters[i] = slice_string(d->masters[i]);
	buffer_clear(&d->out);
	wire_cluster_encode(&cluster, &d->out);
	node_reply(&d->node, from, request, 0, buffer_slice(&d->out));
}

/*
 * The log could change who belongs to it. The agreement, whose instances know no order, could not.
 */
static void refuse_change(struct paxosd *d, link_id from, const struct message *request)
{
	buffer_clear(&d->out);
	wire_error_format(
		&d->out,
		"the members of paxosd are those of its configuration, and do not change; a lost "
		"disk is replaced by starting the same member with an empty directory");
	node_reply(&d->node, from, request, STATUS_DENIED, buffer_slice(&d->out));
}

/*
 * Its agreement knows no generations: what the lost members have decided, and were to decide,
 * cannot be told.
 */
static void refuse_force(struct paxosd *d, link_id from, const struct message *request)
{
	buffer_clear(&d->out);
	wire_error_format(
		&d->out,
		"paxosds cannot be forced: what a majority of them has agreed on, one alone cannot "
		"tell; bring back the directories of as many as make a majority");
	node_reply(&d->node, from, request, STATUS_DENIED, buffer_slice(&d->out));
}

static void reply_unknown(struct paxosd *d, link_id from, const struct message *request)
{
	buffer_clear(&d->out);
	wire_error_format(&d->out, "paxosd has no method %u (%s)", request->method,
			  method_text(request->method));
	node_reply(&d->node, from, request, STATUS_UNKNOWN_METHOD, buffer_slice(&d->out));
}

/* ---- the node ---- */

/* The agreement follows the log's members, and what the log's group says of this directory. */
static void follow_members(struct paxosd *d)
{
	agreement_service_life(d->agreement, rsm_is_doubted(d->rsm));
	const struct paxos *core = rsm_core(d->rsm);
	const struct paxos_members *members = core == NULL ? NULL : paxos_members(core);
	struct agreement_binding list[sizeof members->list / sizeof members->list[0]];
	if (members == NULL)
		return;
	/*
	 * A disk that knows anything to be chosen is of a group that exists; if it is no older copy
	 * of itself.
	 */
	if (members->slot == 0)
		agreement_service_first(d->agreement, !d->lost && !rsm_is_doubted(d->rsm) &&
							      paxos_chosen_slot(core) > 0);
	if (members->slot <= d->members_slot)
		return;
	d->members_slot = members->slot;
	uint32_t count = 0;
	for (uint32_t i = 0; i < members->count; i++)
		if (members->list[i].role == MEMBER_VOTER)
			list[count++] = (struct agreement_binding){
				.replica = members->list[i].replica,
				.binding = members->list[i].binding,
				.life = members->list[i].life};
	agreement_service_members(d->agreement, members->slot, list, count);
}

static int start(struct node *node)
{
	struct paxosd *d = paxosd_of(node);
	/* The log's group is told how far that of the agreement has come. */
	int status = agreement_service_start(d->agreement);
	if (status == 0)
		status = rsm_start(d->rsm);
	/*
	 * Before anything is heard: whoever has asked for a vote may have been waiting for this
	 * start.
	 */
	if (status == 0)
		follow_members(d);
	return status;
}

/* A request to the log goes to the rsm under the name that it knows. */
static void pass(struct paxosd *d, link_id from, const struct message *request, uint16_t method)
{
	struct message renamed = *request;
	renamed.method = method;
	if (!rsm_message(d->rsm, from, &renamed))
		reply_unknown(d, from, request);
}

static void message(struct node *node, link_id from, const struct message *message)
{
	struct paxosd *d = paxosd_of(node);
	if (agreement_service_message(d->agreement, from, message))
		return;
	if (message->kind != MESSAGE_REQUEST) {
		rsm_message(d->rsm, from, message);
		return;
	}
	switch (message->method) {
	case METHOD_LOG_COMMAND: pass(d, from, message, METHOD_COMMAND); break;
	case METHOD_LOG_QUERY: pass(d, from, message, METHOD_QUERY); break;
	case METHOD_LOG_QUERY_INDEXED: pass(d, from, message, METHOD_QUERY_INDEXED); break;
	case METHOD_LOG_QUERY_STALE: pass(d, from, message, METHOD_QUERY_STALE); break;
	case METHOD_LOG_REGISTER: pass(d, from, message, METHOD_REGISTER); break;
	case METHOD_TRANSFER: pass(d, from, message, METHOD_TRANSFER); break;
	case METHOD_MEMBERS: pass(d, from, message, METHOD_MEMBERS); break;
	case METHOD_CHANGE_MEMBERS: refuse_change(d, from, message); break;
	case METHOD_FORCE: refuse_force(d, from, message); break;
	case METHOD_LOG_TAIL: paxosd_tail(d, from, message); break;
	case METHOD_LOG_SLOT: paxosd_slot(d, from, message); break;
	case METHOD_STATUS: reply_status(d, from, message); break;
	case METHOD_CLUSTER: reply_cluster(d, from, message); break;
	default: reply_unknown(d, from, message); break;
	}
}

static void link_down(struct node *node, link_id link)
{
	struct paxosd *d = paxosd_of(node);
	tailers_link_down(&d->tailers, link);
	agreement_service_link_down(d->agreement, link);
	rsm_link_down(d->rsm, link);
}

static void turn_end(struct node *node)
{
	struct paxosd *d = paxosd_of(node);
	rsm_turn_end(d->rsm);
	follow_members(d);
	agreement_service_turn_end(d->agreement);
}

static void stop(struct node *node)
{
	struct paxosd *d = paxosd_of(node);
	tailers_wake(&d->tailers, UINT64_MAX);
	rsm_stop(d->rsm);
}

static void destroy(struct node *node)
{
	struct paxosd *d = paxosd_of(node);
	tailers_done(&d->tailers);
	node_timer_cancel(node, &d->attend);
	agreement_service_destroy(d->agreement);
	rsm_destroy(d->rsm);
	d->app->ops->destroy(d->app);
	for (uint32_t i = 0; i < d->nmasters; i++)
		free(d->masters[i]);
	free(d->cluster);
	free(d->name);
	free(d->version);
	arena_free(&d->arena);
	buffer_free(&d->out);
	node_done(node);
	free(d);
}

static bool ready(struct node *node)
{
	struct paxosd *d = paxosd_of(node);
	return rsm_ready(d->rsm) && agreement_service_takes_part(d->agreement);
}

/* The agreement has no vote before the log has bound the new directory. */
static void stop_voting(struct node *node)
{
	struct paxosd *d = paxosd_of(node);
	d->lost = true;
	rsm_stop_voting(d->rsm);
}

static void write_status_json(struct node *node, struct buffer *out)
{
	struct paxosd *d = paxosd_of(node);
	const struct agreement *agreement = agreement_service_core(d->agreement);
	const struct slots *slots = paxoslog_app_slots(d->app);
	struct wire_status status;
	fill_status(d, &status);
	status_json_open(&status, out);
	if (slots != NULL)
		buffer_format(out,
			      ",\"log\":{\"first\":%" PRIu64 ",\"last\":%" PRIu64
			      ",\"bytes\":%" PRIu64 "}",
			      slots->first, slots->last, slots->bytes);
	if (agreement != NULL)
		buffer_format(out,
			      ",\"agreement\":{\"min\":%" PRIu64 ",\"max\":%" PRId64
			      ",\"instances\":%" PRIu64 ",\"bytes\":%" PRIu64
			      ",\"proposing\":%" PRIu64 ",\"takes_part\":%s}",
			      agreement_min(agreement), (int64_t)agreement_next(agreement) - 1,
			      agreement_instances(agreement), agreement_bytes(agreement),
			      agreement_proposing(agreement),
			      agreement_service_takes_part(d->agreement) ? "true" : "false");
	buffer_format(out, "}");
}

static const struct node_ops ops = {
	.start = start,
	.message = message,
	.link_down = link_down,
	.turn_end = turn_end,
	.stop = stop,
	.destroy = destroy,
	.ready = ready,
	.stop_voting = stop_voting,
	.status_json = write_status_json,
};

/* ---- metrics ---- */

static uint64_t read_first(void *context)
{
	const struct slots *slots = paxoslog_app_slots(((struct paxosd *)context)->app);
	return slots == NULL ? 0 : slots->first;
}

static uint64_t read_last(void *context)
{
	const struct slots *slots = paxoslog_app_slots(((struct paxosd *)context)->app);
	return slots == NULL ? 0 : slots->last;
}

static uint64_t read_bytes(void *context)
{
	const struct slots *slots = paxoslog_app_slots(((struct paxosd *)context)->app);
	return slots == NULL ? 0 : slots->bytes;
}

static void add_metrics(struct paxosd *d)
{
	struct metrics *metrics = &d->node.metrics;
	metrics_add_read(metrics, METRIC_GAUGE, "synod_log_first", "Oldest slot of the log.", NULL,
			 read_first, d);
	metrics_add_read(metrics, METRIC_GAUGE, "synod_log_last", "Newest slot of the log.", NULL,
			 read_last, d);
	metrics_add_read(metrics, METRIC_GAUGE, "synod_log_values_bytes",
			 "Bytes of the values in the log.", NULL, read_bytes, d);
	metrics_add(metrics, METRIC_GAUGE, "synod_log_tailers",
		    "Requests that wait for a slot of the log.", NULL, &d->tailers.count);
}

/* ---- creation ---- */

static uint64_t beside(void *context, bool durable)
{
	const struct paxosd *d = context;
	return agreement_service_position(d->agreement, durable);
}

static void create_rsm(struct paxosd *d, const struct paxosd_options *options)
{
	struct rsm_options rsm = {
		.node = &d->node,
		.app = d->app,
		.group = PAXOSD_GROUP,
		.replica = options->replica,
		.nmembers = options->nmembers,
		.members_slot = options->members_slot,
		.joining = options->joining,
		.settings = options->settings,
		.applied = paxosd_applied,
		.beside = beside,
		.context = d,
	};
	for (uint32_t i = 0; i < options->nmembers; i++)
		rsm.members[i] = options->members[i];
	d->rsm = rsm_create(&rsm);
}

static void create_agreement(struct paxosd *d, const struct paxosd_options *options)
{
	struct agreement_service_options agreement = {
		.node = &d->node,
		.name = options->name,
		.replica = options->replica,
		.nmembers = options->nmembers,
		.settings = options->agreement,
	};
	for (uint32_t i = 0; i < options->nmembers; i++)
		agreement.members[i] = options->members[i];
	d->agreement = agreement_service_create(&agreement);
}

struct node *paxosd_create(const struct paxosd_options *options)
{
	struct paxosd *d = ALLOC(struct paxosd);
	ASSERT(options->nmembers >= 1 && options->nmembers <= REPLICAS_MAX);
	node_init(&d->node, &ops, options->env, options->log);
	d->cluster = alloc_string(options->cluster);
	d->name = alloc_string(options->name);
	d->version = alloc_string(options->version);
	d->nshards = options->nshards;
	d->nmasters = options->nmasters;
	for (uint32_t i = 0; i < options->nmasters; i++)
		d->masters[i] = alloc_string(options->masters[i]);
	arena_init(&d->arena, ARENA_BYTES_MAX);
	paxosd_requests_init(d);
	d->app = paxoslog_app_create(&options->paxoslog);
	create_rsm(d, options);
	create_agreement(d, options);
	add_metrics(d);
	return &d->node;
}

struct rsm *paxosd_rsm(struct node *node)
{
	return paxosd_of(node)->rsm;
}

struct app *paxosd_app(struct node *node)
{
	return paxosd_of(node)->app;
}

const struct agreement *paxosd_agreement(struct node *node)
{
	return agreement_service_core(paxosd_of(node)->agreement);
}

uint64_t paxosd_agreement_refused(struct node *node)
{
	return agreement_service_refused(paxosd_of(node)->agreement);
}

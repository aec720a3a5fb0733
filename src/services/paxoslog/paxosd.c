/* Life of a paxosd, and the way of its messages. */
#include "paxoslog/paxosd.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "cores/cores.h"
#include "paxoslog/internal.h"
#include "wire/method.h"

/* ---- what any replica answers ---- */

static void fill_status(struct node *node, struct wire_status *status)
{
	struct paxosd *d = paxosd_of(node);
	const struct slots *slots = paxoslog_app_slots(d->server.app);
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

static void write_json(struct node *node, struct buffer *out)
{
	struct paxosd *d = paxosd_of(node);
	const struct agreement *agreement = agreement_service_core(d->agreement);
	const struct slots *slots = paxoslog_app_slots(d->server.app);
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
}

/* ---- the node ---- */

/* The agreement follows the log's members, and what the log's group says of this directory. */
static void follow_members(struct paxosd *d)
{
	agreement_service_life(d->agreement, rsm_is_doubted(d->server.rsm));
	const struct consensus *core = rsm_core(d->server.rsm);
	const struct consensus_members *members = core == NULL ? NULL : consensus_members(core);
	struct agreement_binding list[sizeof members->list / sizeof members->list[0]];
	if (members == NULL)
		return;
	/*
	 * A disk that knows anything to be chosen is of a group that exists; if it is no older copy
	 * of itself.
	 */
	if (members->slot == 0)
		agreement_service_first(d->agreement, !d->lost && !rsm_is_doubted(d->server.rsm) &&
							      consensus_chosen_slot(core) > 0);
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
	/*
	 * The log's group is told how far that of the agreement has come: it writes nothing before
	 * it has been compared, not even what it would go on with.
	 */
	agreement_service_life(d->agreement, node->env->life != 0);
	int status = agreement_service_start(d->agreement);
	if (status == 0)
		status = rsm_start(d->server.rsm);
	/*
	 * Before anything is heard: whoever has asked for a vote may have been waiting for this
	 * start.
	 */
	if (status == 0)
		follow_members(d);
	return status;
}

static void message(struct node *node, link_id from, const struct message *message)
{
	struct paxosd *d = paxosd_of(node);
	if (agreement_service_message(d->agreement, from, message))
		return;
	if (message->kind == MESSAGE_REQUEST)
		server_request(node, from, message);
	else
		rsm_message(d->server.rsm, from, message);
}

static void link_down(struct node *node, link_id link)
{
	struct paxosd *d = paxosd_of(node);
	waiters_link_down(&d->tailers, link);
	agreement_service_link_down(d->agreement, link);
	rsm_link_down(d->server.rsm, link);
}

static void turn_end(struct node *node)
{
	struct paxosd *d = paxosd_of(node);
	rsm_turn_end(d->server.rsm);
	follow_members(d);
	agreement_service_turn_end(d->agreement);
}

static void stop(struct node *node)
{
	struct paxosd *d = paxosd_of(node);
	waiters_dismiss(&d->tailers);
	rsm_stop(d->server.rsm);
}

static void destroy(struct node *node)
{
	struct paxosd *d = paxosd_of(node);
	waiters_done(&d->tailers);
	node_timer_cancel(node, &d->attend);
	agreement_service_destroy(d->agreement);
	server_done(&d->server);
	free(d);
}

static bool ready(struct node *node)
{
	struct paxosd *d = paxosd_of(node);
	return rsm_ready(d->server.rsm) && agreement_service_takes_part(d->agreement);
}

/* The agreement has no vote before the log has bound the new directory. */
static void stop_voting(struct node *node)
{
	struct paxosd *d = paxosd_of(node);
	d->lost = true;
	rsm_stop_voting(d->server.rsm);
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
	.status_json = server_write_json,
};

/*
 * Requests to the log go to the rsm under the names that it knows. The log could change who belongs
 * to it; the agreement, whose instances know no order, could not. Nor does it know generations: what
 * the lost members have decided, and were to decide, cannot be told.
 */
static const struct server_method methods[] = {
	{METHOD_LOG_COMMAND, .as = METHOD_COMMAND},
	{METHOD_LOG_QUERY, .as = METHOD_QUERY},
	{METHOD_LOG_QUERY_INDEXED, .as = METHOD_QUERY_INDEXED},
	{METHOD_LOG_QUERY_STALE, .as = METHOD_QUERY_STALE},
	{METHOD_LOG_REGISTER, .as = METHOD_REGISTER},
	{METHOD_LOG_TAIL, .handle = paxosd_tail},
	{METHOD_LOG_SLOT, .handle = paxosd_slot},
	{METHOD_TRANSFER, .as = METHOD_TRANSFER},
	{METHOD_MEMBERS, .as = METHOD_MEMBERS},
	{METHOD_CHANGE_MEMBERS, .denied = "the members of paxosd are those of its configuration, "
					  "and do not change; a lost disk is replaced by starting "
					  "the same member with an empty directory"},
	{METHOD_FORCE, .denied = "paxosds cannot be forced: what a majority of them has agreed on, "
				 "one alone cannot tell; bring back the directories of as many as "
				 "make a majority"},
	{METHOD_STATUS, .handle = server_answer_status},
	{METHOD_CLUSTER, .handle = server_answer_cluster},
	{0},
};

static const struct server_kind kind = {
	.role = "paxos",
	.text = "paxosd",
	.methods = methods,
	.fill_status = fill_status,
	.write_json = write_json,
};

/* ---- metrics ---- */

static uint64_t read_first(void *context)
{
	const struct slots *slots = paxoslog_app_slots(((struct paxosd *)context)->server.app);
	return slots == NULL ? 0 : slots->first;
}

static uint64_t read_last(void *context)
{
	const struct slots *slots = paxoslog_app_slots(((struct paxosd *)context)->server.app);
	return slots == NULL ? 0 : slots->last;
}

static uint64_t read_bytes(void *context)
{
	const struct slots *slots = paxoslog_app_slots(((struct paxosd *)context)->server.app);
	return slots == NULL ? 0 : slots->bytes;
}

static void add_metrics(struct paxosd *d)
{
	struct metrics *metrics = &d->server.node.metrics;
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
		.node = &d->server.node,
		.app = d->server.app,
		.consensus = consensus_default(),
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
	d->server.rsm = rsm_create(&rsm);
}

static void create_agreement(struct paxosd *d, const struct paxosd_options *options)
{
	struct agreement_service_options agreement = {
		.server = &d->server,
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
	server_init(&d->server, &kind, &ops, &SERVER_OPTIONS_OF(options));
	paxosd_requests_init(d);
	d->server.app = paxoslog_app_create(&options->paxoslog);
	create_rsm(d, options);
	create_agreement(d, options);
	add_metrics(d);
	return &d->server.node;
}

struct rsm *paxosd_rsm(struct node *node)
{
	return paxosd_of(node)->server.rsm;
}

struct app *paxosd_app(struct node *node)
{
	return paxosd_of(node)->server.app;
}

const struct agreement *paxosd_agreement(struct node *node)
{
	return agreement_service_core(paxosd_of(node)->agreement);
}

uint64_t paxosd_agreement_refused(struct node *node)
{
	return agreement_service_refused(paxosd_of(node)->agreement);
}

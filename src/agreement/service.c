#include "agreement/service.h"

#include <inttypes.h>
#include <stdlib.h>

#include "agreement/service_internal.h"
#include "base/alloc.h"
#include "wire/method.h"

#define LOG_PREFIX "agreement-"
/* More than this unsent on a peer's link: what would be added is dropped; the core asks again. */
#define PEER_BACKLOG_MAX (8u * MIB)
/* Written anew in one turn to keep the log short. */
#define CLEAN_BYTES_PER_TURN (1u * MIB)
#define CLEAN_RECORDS_PER_TURN 256u
/* Segments that the log may have besides three times what is live in it. */
#define CLEAN_SEGMENTS 3u
#define SPACE_RETRY_US 1000000u

void agreement_settings_default(struct agreement_settings *settings)
{
	*settings = (struct agreement_settings){
		.wal_segment_bytes = 16 * MIB,
		.bytes_max = 256 * MIB,
		.instances_max = 65536,
		.value_bytes_max = VALUE_BYTES_MAX,
		.retry_ms = 100,
		.backoff_ms = 10,
		.spread_ms = 1000,
	};
}

static void tick(void *data)
{
	struct agreement_service *service = data;
	agreement_tick(service->core, node_now_us(service->node));
}

static uint64_t random_of(void *context)
{
	struct agreement_service *service = context;
	return node_random(service->node);
}

/* ---- metrics ---- */

#define GAUGE(name, expression) \
	static uint64_t name(void *context) \
	{ \
		const struct agreement_service *service = context; \
		return service->core == NULL ? 0 : expression; \
	}
GAUGE(read_instances, agreement_instances(service->core))
GAUGE(read_bytes, agreement_bytes(service->core))
GAUGE(read_proposing, agreement_proposing(service->core))
GAUGE(read_min, agreement_min(service->core))
GAUGE(read_started, agreement_counters(service->core)->started)
GAUGE(read_decided, agreement_counters(service->core)->decided)
GAUGE(read_rounds, agreement_counters(service->core)->rounds)
GAUGE(read_defeats, agreement_counters(service->core)->defeats)
GAUGE(read_refused, agreement_counters(service->core)->refused)
GAUGE(read_requests, agreement_counters(service->core)->requests)
GAUGE(read_conflicts, agreement_counters(service->core)->conflicts)
GAUGE(read_wal_bytes, service->wal == NULL ? 0 : wal_disk_bytes(service->wal))

static void register_metrics(struct agreement_service *service)
{
	static const struct {
		const char *name, *help;
		uint64_t (*read)(void *);
		enum metric_type type;
	} metrics[] = {
		{"synod_agreement_instances", "Instances that are not forgotten.", read_instances, METRIC_GAUGE},
		{"synod_agreement_bytes", "Memory of these instances and their values.", read_bytes, METRIC_GAUGE},
		{"synod_agreement_proposing", "Proposals of this peer under way.", read_proposing, METRIC_GAUGE},
		{"synod_agreement_min", "Instances below are forgotten.", read_min, METRIC_GAUGE},
		{"synod_agreement_started_total", "Proposals begun here.", read_started, METRIC_COUNTER},
		{"synod_agreement_decided_total", "Decisions learnt here.", read_decided, METRIC_COUNTER},
		{"synod_agreement_rounds_total", "Ballots begun here.", read_rounds, METRIC_COUNTER},
		{"synod_agreement_defeats_total", "Ballots given up for a higher one.", read_defeats,
		 METRIC_COUNTER},
		{"synod_agreement_refused_total", "Instances refused for lack of room.", read_refused,
		 METRIC_COUNTER},
		{"synod_agreement_requests_total", "Requests to peers.", read_requests, METRIC_COUNTER},
		{"synod_agreement_conflicts_total",
		 "Peers that told another decision than the known one; must be 0.", read_conflicts,
		 METRIC_COUNTER},
		{"synod_agreement_wal_bytes", "Bytes of all log segments of the agreement service.",
		 read_wal_bytes, METRIC_GAUGE},
	};
	for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++)
		metrics_add_read(&service->node->metrics, metrics[i].type, metrics[i].name, metrics[i].help, NULL,
				 metrics[i].read, service);
	metrics_add(&service->node->metrics, METRIC_GAUGE, "synod_agreement_waiters",
		    "Clients that wait for an instance.", NULL, &service->waiters);
}

/* ---- life ---- */

/* Ascending replica ids: every peer must see the members in the same order. */
static void sort_members(struct agreement_service_options *options)
{
	for (uint32_t i = 1; i < options->nmembers; i++) {
		struct rsm_member member = options->members[i];
		uint32_t at = i;
		for (; at > 0 && options->members[at - 1].replica > member.replica; at--)
			options->members[at] = options->members[at - 1];
		options->members[at] = member;
	}
}

static struct agreement *create_core(struct agreement_service *service)
{
	const struct agreement_settings *settings = &service->options.settings;
	struct agreement_options options = {
		.self = service->options.replica,
		.nmembers = service->options.nmembers,
		.retry_us = settings->retry_ms * 1000ull,
		.retry_max_us = settings->retry_ms * 5000ull,
		.backoff_us = settings->backoff_ms * 1000ull,
		.backoff_max_us = settings->backoff_ms * 50000ull,
		.spread_us = settings->spread_ms * 1000ull,
		.instances_max = settings->instances_max,
		.bytes_max = settings->bytes_max,
		.random = random_of,
		.context = service,
	};
	for (uint32_t i = 0; i < options.nmembers; i++)
		options.members[i] = service->options.members[i].replica;
	return agreement_create(&options);
}

struct agreement_service *agreement_service_create(const struct agreement_service_options *options)
{
	struct agreement_service *service = ALLOC(struct agreement_service);
	service->options = *options;
	service->node = options->node;
	service->name = alloc_string(options->name);
	sort_members(&service->options);
	for (uint32_t i = 0; i < options->nmembers; i++)
		service->addresses[i] = alloc_string(service->options.members[i].address);
	service->next_id = node_random(service->node) >> 1;
	timer_init(&service->tick, tick, service);
	list_init(&service->waiting);
	list_init(&service->done);
	arena_init(&service->arena, ARENA_BYTES_MAX);
	register_metrics(service);
	return service;
}

void agreement_service_destroy(struct agreement_service *service)
{
	if (service == NULL)
		return;
	node_timer_cancel(service->node, &service->tick);
	agreement_forget_waiters(service);
	if (service->wal != NULL)
		wal_close(service->wal);
	agreement_destroy(service->core);
	for (uint32_t i = 0; i < service->options.nmembers; i++)
		free(service->addresses[i]);
	free(service->name);
	arena_free(&service->arena);
	buffer_free(&service->out);
	free(service);
}

/* ---- the log ---- */

static void durable(void *context, uint64_t sequence)
{
	struct agreement_service *service = context;
	agreement_persisted(service->core, node_now_us(service->node), sequence);
	agreement_answer_done(service, sequence);
}

static void failed(void *context, int status, const char *why)
{
	struct agreement_service *service = context;
	node_fatal(service->node, status, "agreement log: %s", why);
}

static void replay(void *context, const struct wal_record *record)
{
	struct agreement_service *service = context;
	struct agreement *core = service->core;
	/* The promise in a segment's header is the highest of all instances: it means nothing here. */
	if (record->slot == 0 && record->type != WAL_SNAPSHOT)
		return;
	uint64_t seq = record->slot - 1;
	switch (record->type) {
	case WAL_PROMISE: agreement_restore_promise(core, seq, record->ballot, record->position); break;
	case WAL_ACCEPT:
		agreement_restore_accept(core, seq, record->ballot, record->payload, record->position);
		break;
	case WAL_CHOSEN:
		agreement_restore_decided(core, seq, record->ballot, record->payload, record->position);
		break;
	case WAL_SNAPSHOT:
		if (agreement_restore_dones(core, record->payload, record->position) != 0)
			service->recovery_status = STATUS_CORRUPT;
		break;
	}
	if (record->position > service->last_position)
		service->last_position = record->position;
}

static int open_log(struct agreement_service *service)
{
	struct wal_options options = {
		.disk = service->node->env->disk,
		.log = service->node->log,
		.segment_bytes = service->options.settings.wal_segment_bytes,
		.recycle_max = 2,
		.prefix = LOG_PREFIX,
		.durable = durable,
		.fatal = failed,
		.context = service,
	};
	struct wal_recovery info = {0};
	int status = wal_open(&service->wal, &options, replay, &info);
	if (status == 0 && service->recovery_status != 0) {
		status = service->recovery_status;
		snprintf(info.problem, sizeof info.problem, "its members are not those of the configuration");
	}
	if (status != 0) {
		log_event(service->node->log, LOG_ERROR, "agreement_log_unusable", "status=%s problem=\"%s\"",
			  status_name(status), info.problem);
		return status;
	}
	log_event(service->node->log, LOG_INFO, "agreement_log_opened",
		  "segments=%" PRIu64 " records=%" PRIu64 " torn_bytes=%" PRIu64 " instances=%" PRIu64
		  " min=%" PRIu64,
		  info.segments, info.records, info.torn_bytes, agreement_instances(service->core),
		  agreement_min(service->core));
	return 0;
}

int agreement_service_start(struct agreement_service *service)
{
	service->core = create_core(service);
	int status = open_log(service);
	if (status != 0)
		return status;
	status = agreement_begin(service->core, node_now_us(service->node));
	if (status != 0) {
		log_event(service->node->log, LOG_ERROR, "agreement_log_unusable",
			  "status=%s problem=\"a decision has lost its value\"", status_name(status));
		return status;
	}
	for (uint32_t i = 0; i < service->options.nmembers; i++)
		if (service->options.members[i].replica != service->options.replica)
			service->links[i] = node_dial(service->node, service->addresses[i]);
	service->min_seen = agreement_min(service->core);
	service->started = true;
	agreement_service_turn_end(service);
	return 0;
}

/* ---- the turn ---- */

static void append(struct agreement_service *service, const struct agreement_persist *persist)
{
	static const enum wal_type types[] = {
		[AGREEMENT_PERSIST_PROMISE] = WAL_PROMISE,
		[AGREEMENT_PERSIST_ACCEPT] = WAL_ACCEPT,
		[AGREEMENT_PERSIST_DECIDED] = WAL_CHOSEN,
		[AGREEMENT_PERSIST_DONES] = WAL_SNAPSHOT,
	};
	struct wal_record record = {
		.type = types[persist->kind],
		.slot = persist->kind == AGREEMENT_PERSIST_DONES ? 0 : persist->seq + 1,
		.ballot = persist->ballot,
		.payload = persist->value,
	};
	uint64_t sequence = wal_append(service->wal, &record, &service->last_position);
	ASSERT(sequence == persist->sequence);
	agreement_logged(service->core, persist, service->last_position);
}

static void send_request(struct agreement_service *service, const struct agreement_send *send)
{
	struct env *env = service->node->env;
	uint32_t i = 0;
	while (service->options.members[i].replica != send->to)
		i++;
	if (env->ops->backlog(env, service->links[i]) > PEER_BACKLOG_MAX) {
		service->dropped++;
		return;
	}
	buffer_clear(&service->out);
	wire_agreement_encode(&send->message, &service->out);
	struct message m = {
		.kind = MESSAGE_REQUEST,
		.method = METHOD_AGREEMENT,
		.id = service->next_id++,
		.payload = buffer_slice(&service->out),
	};
	node_send(service->node, service->links[i], &m);
}

static void send_answer(struct agreement_service *service, const struct agreement_answer *answer)
{
	struct message request = {.kind = MESSAGE_REQUEST, .method = METHOD_AGREEMENT, .id = answer->id};
	buffer_clear(&service->out);
	wire_agreement_encode(&answer->message, &service->out);
	node_reply(service->node, answer->link, &request, 0, buffer_slice(&service->out));
}

/* What the core wants, in the order that agreement.h prescribes. */
static void carry_out(struct agreement_service *service)
{
	const struct agreement_output *out = agreement_output(service->core, node_now_us(service->node));
	for (uint32_t i = 0; i < out->npersists; i++)
		append(service, &out->persists[i]);
	for (uint32_t i = 0; i < out->nsends; i++)
		send_request(service, &out->sends[i]);
	wal_flush(service->wal);
	for (uint32_t i = 0; i < out->nanswers; i++)
		send_answer(service, &out->answers[i]);
	for (uint32_t i = 0; i < out->nsettled; i++)
		agreement_answer_settled(service, out->settled[i]);
	if (agreement_min(service->core) > service->min_seen) {
		service->min_seen = agreement_min(service->core);
		agreement_answer_forgotten(service);
	}
}

static uint64_t segments_held(const struct agreement_service *service)
{
	uint64_t oldest = agreement_oldest_position(service->core);
	return oldest >= service->last_position ? 0 : (service->last_position >> 32) - (oldest >> 32);
}

/* Keeps the log in proportion to what is live in it: agreement.h says what is needed, the wal lets go of the rest. */
static void clean_log(struct agreement_service *service)
{
	uint64_t live = 3 * agreement_bytes(service->core) / service->options.settings.wal_segment_bytes;
	uint64_t written = wal_pending_bytes(service->wal);
	uint32_t records = 0;
	while (segments_held(service) > CLEAN_SEGMENTS + live && records++ < CLEAN_RECORDS_PER_TURN &&
	       wal_pending_bytes(service->wal) < written + CLEAN_BYTES_PER_TURN && !wal_full(service->wal)) {
		agreement_rewrite_oldest(service->core);
		carry_out(service);
	}
	uint64_t oldest = agreement_oldest_position(service->core);
	if (oldest == UINT64_MAX || oldest >> 32 <= service->released >> 32)
		return;
	service->released = oldest;
	wal_release(service->wal, oldest);
}

/* Whoever frees space on a full disk need not tell us. Returns when to look again. */
static uint64_t watch_space(struct agreement_service *service)
{
	uint64_t now = node_now_us(service->node);
	bool full = wal_full(service->wal);
	agreement_set_disk_full(service->core, full);
	if (!full)
		return UINT64_MAX;
	if (now >= service->space_retry_us) {
		service->space_retry_us = now + SPACE_RETRY_US;
		wal_retry_space(service->wal);
	}
	return service->space_retry_us;
}

void agreement_service_turn_end(struct agreement_service *service)
{
	if (!service->started)
		return;
	carry_out(service);
	clean_log(service);
	uint64_t at = watch_space(service);
	if (agreement_deadline_us(service->core) < at)
		at = agreement_deadline_us(service->core);
	if (at == UINT64_MAX)
		node_timer_cancel(service->node, &service->tick);
	else if (!timer_armed(&service->tick) || service->tick.at_us != at)
		node_timer_at(service->node, &service->tick, at);
}

const struct agreement *agreement_service_core(const struct agreement_service *service)
{
	return service->core;
}

uint64_t agreement_service_disk_bytes(const struct agreement_service *service)
{
	return service->wal == NULL ? 0 : wal_disk_bytes(service->wal);
}

#include "agreement/service.h"

#include <inttypes.h>
#include <stdlib.h>

#include "agreement/service_internal.h"
#include "base/alloc.h"
#include "base/settings.h"
#include "wire/method.h"

/* More than this unsent on a peer's link: what would be added is dropped; the core asks again. */
#define PEER_BACKLOG_MAX (8u * MIB)

void agreement_settings_default(struct agreement_settings *settings)
{
	*settings = (struct agreement_settings){
		.wal_segment_bytes = SETTING_DEFAULT(wal_segment_bytes),
		.bytes_max = SETTING_DEFAULT(agreement_bytes_max),
		.instances_max = SETTING_DEFAULT(agreement_instances_max),
		.value_bytes_max = (uint32_t)SETTING_DEFAULT(value_bytes_max),
		.retry_ms = (uint32_t)SETTING_DEFAULT(agreement_retry_ms),
		.backoff_ms = (uint32_t)SETTING_DEFAULT(agreement_backoff_ms),
		.disk_ms = (uint32_t)SETTING_DEFAULT(election_timeout_ms),
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

/* Without one nobody is ever bound. */
static uint64_t own_life(const struct agreement_service *service, bool doubted)
{
	uint64_t life = service->node->env->life;
	return life == 0 || doubted ? 1 : life;
}

static struct agreement *create_core(struct agreement_service *service)
{
	const struct agreement_settings *settings = &service->options.settings;
	struct agreement_options options = {
		.self = service->options.replica,
		.life = own_life(service, service->doubted),
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
	service->server = options->server;
	service->node = &options->server->node;
	sort_members(&service->options);
	for (uint32_t i = 0; i < options->nmembers; i++)
		service->addresses[i] = alloc_string(service->options.members[i].address);
	service->next_id = node_random(service->node) >> 1;
	timer_init(&service->tick, tick, service);
	agreement_init_waiters(service);
	arena_init(&service->arena, ARENA_BYTES_MAX);
	agreement_register_metrics(service);
	return service;
}

void agreement_service_destroy(struct agreement_service *service)
{
	if (service == NULL)
		return;
	node_timer_cancel(service->node, &service->tick);
	waiters_done(&service->waiting);
	waiters_done(&service->done);
	if (service->wal != NULL)
		wal_close(service->wal);
	agreement_destroy(service->core);
	for (uint32_t i = 0; i < service->options.nmembers; i++)
		free(service->addresses[i]);
	arena_free(&service->arena);
	buffer_free(&service->out);
	free(service);
}

static int recover(struct agreement_service *service)
{
	agreement_destroy(service->core);
	service->core = create_core(service);
	int status = agreement_log_open(service);
	if (status != 0)
		return status;
	status = agreement_begin(service->core, node_now_us(service->node));
	if (status == 0)
		return 0;
	wal_close(service->wal);
	service->wal = NULL;
	node_problem(service->node,
		     "in the log of the agreement service a decision has lost its value");
	log_event(service->node->log, LOG_ERROR, "agreement_log_unusable",
		  "status=%s problem=\"%s\"", status_name(status), service->node->problem);
	return status;
}

int agreement_service_start(struct agreement_service *service)
{
	int status = recover(service);
	if (status == STATUS_CORRUPT && agreement_log_begin_anew(service))
		status = recover(service);
	if (status != 0)
		return status;
	for (uint32_t i = 0; i < service->options.nmembers; i++)
		if (service->options.members[i].replica != service->options.replica)
			service->links[i] = node_dial(service->node, service->addresses[i]);
	service->min_seen = agreement_min(service->core);
	service->started = true;
	agreement_service_turn_end(service);
	return 0;
}

/* ---- the turn ---- */

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
	struct message request = {
		.kind = MESSAGE_REQUEST, .method = METHOD_AGREEMENT, .id = answer->id};
	buffer_clear(&service->out);
	wire_agreement_encode(&answer->message, &service->out);
	node_reply(service->node, answer->link, &request, 0, buffer_slice(&service->out));
}

void agreement_carry_out(struct agreement_service *service)
{
	const struct agreement_output *out = agreement_output(service->core,
							      node_now_us(service->node));
	for (uint32_t i = 0; i < out->npersists; i++)
		agreement_log_append(service, &out->persists[i]);
	for (uint32_t i = 0; i < out->nsends; i++)
		send_request(service, &out->sends[i]);
	wal_flush(service->wal);
	for (uint32_t i = 0; i < out->nanswers; i++)
		send_answer(service, &out->answers[i]);
	if (out->nsettled > 0 || agreement_min(service->core) > service->min_seen) {
		service->min_seen = agreement_min(service->core);
		agreement_wake(service);
	}
}

void agreement_service_members(struct agreement_service *service, uint64_t slot,
			       const struct agreement_binding *list, uint32_t count)
{
	struct agreement_members members = {.slot = slot, .count = service->options.nmembers};
	if (!service->started || slot <= agreement_known_members(service->core)->slot)
		return;
	for (uint32_t i = 0; i < members.count; i++) {
		members.list[i].replica = service->options.members[i].replica;
		for (uint32_t k = 0; k < count; k++)
			if (list[k].replica == members.list[i].replica)
				members.list[i] = list[k];
	}
	agreement_set_members(service->core, node_now_us(service->node), &members);
}

void agreement_service_life(struct agreement_service *service, bool doubted)
{
	service->doubted = doubted;
	if (service->started)
		agreement_set_life(service->core, node_now_us(service->node),
				   own_life(service, doubted));
}

void agreement_service_first(struct agreement_service *service, bool first)
{
	if (service->started)
		agreement_set_first(service->core, node_now_us(service->node), first);
}

/* Whoever looks why a peer does not answer wants to know. */
static void tell_standing(struct agreement_service *service)
{
	struct agreement *core = service->core;
	const struct agreement_members *members = agreement_known_members(core);
	enum agreement_standing before = service->standing;
	uint32_t binding = 0;
	service->standing = agreement_standing(core);
	bool settled = service->told_doubted && !service->doubted;
	if (service->standing == before && (service->standing != AGREEMENT_OUTSIDE || !settled))
		return;
	service->told_doubted = service->doubted;
	for (uint32_t i = 0; i < members->count; i++)
		if (members->list[i].replica == service->options.replica)
			binding = members->list[i].binding;
	switch (service->standing) {
	case AGREEMENT_OUTSIDE:
		if (service->doubted) {
			log_event(service->node->log, LOG_INFO, "agreement_outside",
				  "members=%" PRIu64 " meaning=\"its peers are asked whether this "
				  "is the newest copy of its "
				  "directory: it does not vote before they have said so\"",
				  members->slot);
			break;
		}
		log_event(service->node->log, LOG_WARN, "agreement_outside",
			  "members=%" PRIu64 " meaning=\"another disk is bound to this peer's "
			  "number: this one does not vote\"",
			  members->slot);
		break;
	case AGREEMENT_ENTERING:
		log_event(service->node->log, LOG_INFO, "agreement_entering",
			  "members=%" PRIu64 " binding=%u needed=%u meaning=\"this disk has taken "
			  "the place of another: it is told by "
			  "so many others what they know, and votes then\"",
			  members->slot, binding, agreement_told_needed(core));
		break;
	case AGREEMENT_INSIDE:
		log_event(service->node->log, LOG_INFO, "agreement_inside",
			  "members=%" PRIu64 " binding=%u instances=%" PRIu64 " min=%" PRIu64,
			  members->slot, binding, agreement_instances(core), agreement_min(core));
		break;
	}
}

bool agreement_service_takes_part(const struct agreement_service *service)
{
	return service->started && agreement_standing(service->core) == AGREEMENT_INSIDE;
}

bool agreement_service_enters(const struct agreement_service *service)
{
	return service->started && agreement_standing(service->core) == AGREEMENT_ENTERING;
}

void agreement_service_turn_end(struct agreement_service *service)
{
	if (!service->started)
		return;
	tell_standing(service);
	agreement_carry_out(service);
	if (!service->doubted)
		agreement_log_clean(service);
	agreement_log_watch_disk(service);
	bool all_left = waiters_let_go(&service->waiting);
	uint64_t at = agreement_log_watch_space(service);
	if (agreement_deadline_us(service->core) < at)
		at = agreement_deadline_us(service->core);
	if (!all_left)
		at = node_now_us(service->node);
	if (at == UINT64_MAX)
		node_timer_cancel(service->node, &service->tick);
	else if (!timer_armed(&service->tick) || service->tick.at_us != at)
		node_timer_at(service->node, &service->tick, at);
}

const struct agreement *agreement_service_core(const struct agreement_service *service)
{
	return service->core;
}

uint64_t agreement_service_refused(const struct agreement_service *service)
{
	return service->refused.count;
}

uint64_t agreement_service_disk_bytes(const struct agreement_service *service)
{
	return service->wal == NULL ? 0 : wal_disk_bytes(service->wal);
}

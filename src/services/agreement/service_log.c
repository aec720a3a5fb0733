/*
 * The log of a peer of the agreement service: recovery, what is appended, and how it is kept short.
 */
#include <inttypes.h>
#include <stdio.h>

#include "agreement/service_internal.h"

#define LOG_PREFIX "agreement-"
/* Written anew in one turn to keep the log short. */
#define CLEAN_BYTES_PER_TURN (1u * MIB)
#define CLEAN_RECORDS_PER_TURN 256u
/* Segments that the log may have besides three times what is live in it. */
#define CLEAN_SEGMENTS 3u
#define SPACE_RETRY_US 1000000u

/* One place in the log at a time is waited for: whatever was the last one then. */
static void await_last(struct agreement_service *service)
{
	service->awaited_sequence = service->last_sequence;
	service->awaited_position = service->last_position;
}

static void note_durable(struct agreement_service *service, uint64_t sequence)
{
	if (service->awaited_sequence == 0 || sequence < service->awaited_sequence)
		return;
	service->durable_position = service->awaited_position;
	if (sequence < service->last_sequence)
		await_last(service);
	else
		service->awaited_sequence = 0;
	if (service->awaited_sequence == 0)
		service->durable_position = service->last_position;
}

uint64_t agreement_service_position(const struct agreement_service *service, bool durable)
{
	return durable ? service->durable_position : service->last_position;
}

static void durable(void *context, uint64_t sequence)
{
	struct agreement_service *service = context;
	note_durable(service, sequence);
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
	/*
	 * The promise in a segment's header is the highest of all instances: it means nothing here.
	 */
	if (record->slot == 0 && record->type != WAL_SNAPSHOT)
		return;
	uint64_t seq = record->slot - 1;
	if (service->recovery_status != 0)
		return;
	if (agreement_round(record->ballot) > AGREEMENT_ROUND_MAX ||
	    record->slot > AGREEMENT_SEQ_MAX) {
		service->recovery_status = STATUS_CORRUPT;
		service->recovery_problem =
			"it holds a ballot or an instance beyond every possible one: an earlier "
			"version believed a forged message";
		return;
	}
	switch (record->type) {
	case WAL_PROMISE:
		agreement_restore_promise(core, seq, record->ballot, record->position);
		break;
	case WAL_ACCEPT:
		agreement_restore_accept(core, seq, record->ballot, record->payload,
					 record->position);
		break;
	case WAL_CHOSEN:
		agreement_restore_decided(core, seq, record->ballot, record->payload,
					  record->position);
		break;
	case WAL_SNAPSHOT:
		service->recovery_status =
			agreement_members_are(record->payload)
				? agreement_restore_members(core, record->payload, record->position)
				: agreement_restore_dones(core, record->payload, record->position);
		service->unsuited = service->recovery_status != 0;
		if (service->recovery_status != 0)
			service->recovery_problem =
				service->recovery_status == STATUS_NEWER
					? "it was written by a newer version of this program"
					: "its members are not those of the configuration";
		break;
	case WAL_STARTS: break; /* none of this log's */
	}
	if (record->position > service->last_position)
		service->last_position = record->position;
}

int agreement_log_open(struct agreement_service *service)
{
	struct wal_options options = {
		.disk = service->node->env->disk,
		.log = service->node->log,
		.replica = service->options.replica,
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
		snprintf(info.problem, sizeof info.problem, "%s", service->recovery_problem);
		wal_close(service->wal);
		service->wal = NULL;
	}
	if (status != 0) {
		log_event(service->node->log, LOG_ERROR, "agreement_log_unusable",
			  "status=%s problem=\"%s\"", status_name(status), info.problem);
		node_problem(service->node, "the log of the agreement service: %s", info.problem);
		return status;
	}
	service->durable_position = service->last_position;
	log_event(service->node->log, LOG_INFO, "agreement_log_opened",
		  "segments=%" PRIu64 " records=%" PRIu64 " torn_bytes=%" PRIu64
		  " instances=%" PRIu64 " min=%" PRIu64,
		  info.segments, info.records, info.torn_bytes, agreement_instances(service->core),
		  agreement_min(service->core));
	return 0;
}

bool agreement_log_begin_anew(struct agreement_service *service)
{
	struct node *node = service->node;
	struct env *env = node->env;
	/* Without other peers nobody would bind the other life, nor know what it must. */
	if (service->unsuited || service->options.nmembers == 1 || env->life == 0 ||
	    env->ops->renew_life == NULL || node->ops->stop_voting == NULL)
		return false;
	/* In this order: what votes with the present life must have what that has accepted. */
	int status = env->ops->renew_life(env);
	if (status == 0) {
		node->ops->stop_voting(node);
		status = wal_put_aside(env->disk, LOG_PREFIX);
	}
	if (status != 0) {
		log_event(node->log, LOG_ERROR, "agreement_log_unusable",
			  "status=%s problem=\"it cannot be put aside\"", status_name(status));
		return false;
	}
	log_event(node->log, LOG_ERROR, "agreement_log_lost",
		  "kept=" WAL_ASIDE_PREFIX LOG_PREFIX
		  "* meaning=\"the log of the agreement service was damaged: this peer is told by "
		  "the "
		  "others what it must know, and votes again when they have bound it anew, which "
		  "they do by themselves "
		  "(event=member_bound, event=agreement_inside)\" hint=\"look after the disk\"");
	node->problem[0] = '\0';
	service->recovery_status = 0;
	service->last_position = 0;
	return true;
}

void agreement_log_append(struct agreement_service *service,
			  const struct agreement_persist *persist)
{
	static const enum wal_type types[] = {
		[AGREEMENT_PERSIST_PROMISE] = WAL_PROMISE,
		[AGREEMENT_PERSIST_ACCEPT] = WAL_ACCEPT,
		[AGREEMENT_PERSIST_DECIDED] = WAL_CHOSEN,
		[AGREEMENT_PERSIST_DONES] = WAL_SNAPSHOT,
		[AGREEMENT_PERSIST_MEMBERS] = WAL_SNAPSHOT,
	};
	struct wal_record record = {
		.type = types[persist->kind],
		.slot = types[persist->kind] == WAL_SNAPSHOT ? 0 : persist->seq + 1,
		.ballot = persist->ballot,
		.payload = persist->value,
	};
	uint64_t sequence = wal_append(service->wal, &record, &service->last_position);
	ASSERT(sequence == persist->sequence);
	service->last_sequence = sequence;
	if (service->awaited_sequence == 0)
		await_last(service);
	agreement_logged(service->core, persist, service->last_position);
}

/*
 * Bytes of segments that are kept for the oldest record that counts; the newest is not among them.
 */
static uint64_t bytes_held(const struct agreement_service *service)
{
	uint64_t oldest = agreement_oldest_position(service->core);
	return oldest >= service->last_position ? 0 : wal_bytes_from(service->wal, oldest);
}

void agreement_log_clean(struct agreement_service *service)
{
	uint64_t segment = service->options.settings.wal_segment_bytes;
	uint64_t held_max = (CLEAN_SEGMENTS + 3 * agreement_bytes(service->core) / segment) *
			    segment;
	uint64_t written = wal_pending_bytes(service->wal);
	uint32_t records = 0;
	while (bytes_held(service) > held_max && records++ < CLEAN_RECORDS_PER_TURN &&
	       wal_pending_bytes(service->wal) < written + CLEAN_BYTES_PER_TURN &&
	       !wal_full(service->wal)) {
		agreement_rewrite_oldest(service->core);
		agreement_carry_out(service);
	}
	uint64_t oldest = agreement_oldest_position(service->core);
	if (oldest == UINT64_MAX || oldest >> 32 <= service->released >> 32)
		return;
	service->released = oldest;
	wal_release(service->wal, oldest);
}

uint64_t agreement_log_watch_space(struct agreement_service *service)
{
	uint64_t now = node_now_us(service->node);
	bool full = wal_full(service->wal);
	agreement_set_disk_full(service->core, full);
	if (!wal_wants_space(service->wal))
		return UINT64_MAX;
	if (now >= service->space_retry_us) {
		service->space_retry_us = now + SPACE_RETRY_US;
		wal_retry_space(service->wal);
	}
	return service->space_retry_us;
}

void agreement_log_watch_disk(struct agreement_service *service)
{
	uint64_t length_us;
	if (!disk_watch_due(&service->disk_watch, service->wal))
		return;
	switch (disk_watch_look(&service->disk_watch, service->wal, node_now_us(service->node),
				service->options.settings.disk_ms * 1000ull, &length_us)) {
	case DISK_WATCH_HUNG:
		log_event(service->node->log, LOG_ERROR, "agreement_disk_hung",
			  "since_ms=%" PRIu64 " waiting_bytes=%" PRIu64, length_us / 1000,
			  wal_pending_bytes(service->wal));
		agreement_refuse_waiters(service);
		break;
	case DISK_WATCH_BACK:
	case DISK_WATCH_WAS_HUNG:
		log_event(service->node->log, LOG_WARN, "agreement_disk_back", "after_ms=%" PRIu64,
			  length_us / 1000);
		break;
	case DISK_WATCH_NOTHING: break;
	}
}

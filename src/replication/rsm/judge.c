/* The rules stand in rsm/judge.h, and in the core's. */
#include "rsm/judge.h"

#include <inttypes.h>

#include "core/consensus.h"
#include "rsm/internal.h"

const char *judge_entry_value(struct slice value)
{
	struct entry_reader reader;
	if (value.len > ENTRY_BYTES_MAX)
		return "entries.value: longer than any entry";
	if (entry_read(&reader, value) != 0 || !entry_is_whole(&reader))
		return "entries.value: not an entry that this version can read";
	if (reader.left == 0 || reader.left > ENTRY_COMMANDS_MAX)
		return "entries.value: no commands, or too many";
	if (reader.time_us > ENTRY_TIME_US_MAX || reader.lived_us > ENTRY_TIME_US_MAX)
		return "entries.value: of a time that no clock shows";
	if (ballot_round(reader.origin) > BALLOT_ROUND_MAX)
		return "entries.value: from a ballot beyond every possible one";
	return NULL;
}

static __attribute__((noinline)) const char *judge_with_values(const struct rsm *rsm,
							       enum method method,
							       const union peer_message *m,
							       struct peer_entries entries)
{
	const char *why = consensus_judge(rsm->core, method, m);
	for (uint32_t i = 0; i < entries.count && why == NULL; i++) {
		struct slice value = entries.list[i].value;
		why = value.len == 0 ? NULL : judge_entry_value(value);
	}
	return why;
}

static const char *judge_snapshot_fetch(const struct wire_snapshot_fetch *m)
{
	if (m->slot > SLOT_MAX || m->chosen > SLOT_MAX)
		return "slot: beyond every possible one";
	return m->position > SNAPSHOT_BYTES_MAX ? "position: beyond every possible one" : NULL;
}

static const char *judge_snapshot_chunk(const struct wire_snapshot_chunk *m)
{
	if (m->slot == 0 || m->slot > SLOT_MAX)
		return "slot: beyond every possible one";
	if (m->total > SNAPSHOT_BYTES_MAX || m->position >= m->total)
		return "total: beyond every possible one, or not beyond the position";
	return m->data.len == 0 || m->data.len > SNAPSHOT_CHUNK_BYTES ||
			       m->data.len > m->total - m->position
		       ? "data: not a piece of a snapshot"
		       : NULL;
}

static const char *judge_question(uint64_t sequence)
{
	return sequence == 0 || sequence > CONSENSUS_SEQUENCE_MAX
		       ? "sequence: beyond every possible question"
		       : NULL;
}

static const char *judge_read_index_reply(const struct wire_read_index_reply *m)
{
	const char *why = judge_question(m->sequence);
	if (why != NULL)
		return why;
	if (ballot_replica(m->ballot) != m->from || ballot_round(m->ballot) > BALLOT_ROUND_MAX)
		return "ballot: not one in which the sender can lead";
	return m->slot > SLOT_MAX || m->chosen > SLOT_MAX ? "slot: beyond every possible one"
							  : NULL;
}

const char JUDGED_OTHER_GENERATION[] = "generation: another one";

static const char *judge_head(const struct rsm *rsm, const struct wire_peer *m)
{
	if (m->group != rsm->options.group)
		return "group: another one";
	if (m->to != rsm->options.replica)
		return "to: another replica";
	if (m->from == rsm->options.replica || m->from == 0 || m->from > MEMBER_NUMBER_MAX)
		return "from: not another replica";
	/* Nothing else of it is used (rsm/force.h, G2). */
	if (__builtin_expect(m->generation != rsm->generation, 0))
		return m->generation > GENERATION_MAX ? "generation: beyond every possible one"
						      : JUDGED_OTHER_GENERATION;
	return NULL;
}

const char *judge_peer_message(const struct rsm *rsm, enum method method,
			       const union peer_message *m)
{
	const char *why = judge_head(rsm, &m->head);
	if (why != NULL)
		return why;
	switch (method) {
	case METHOD_STARTED: return stale_judge(&m->started);
	case METHOD_STATE_HASH: return state_hash_judge(&m->state_hash);
	case METHOD_SNAPSHOT_TURN: return snapshot_turn_judge(&m->snapshot_turn);
	case METHOD_READ_INDEX: return judge_question(m->read_index.sequence);
	case METHOD_READ_INDEX_REPLY: return judge_read_index_reply(&m->read_index_reply);
	case METHOD_SNAPSHOT_FETCH: return judge_snapshot_fetch(&m->snapshot_fetch);
	case METHOD_SNAPSHOT_CHUNK: return judge_snapshot_chunk(&m->snapshot_chunk);
	default: break;
	}
	struct peer_entries entries = peer_entries(method, m);
	if (entries.count > 0)
		return judge_with_values(rsm, method, m, entries);
	return consensus_judge(rsm->core, method, m);
}

void judge_refused(struct rsm *rsm, enum method method, struct slice payload, const char *why)
{
	uint64_t refused = refusals_add(&rsm->refusals, node_now_us(rsm->node));
	struct wire_peer_any m;
	if (refused == 0)
		return;
	if (wire_peer_any_decode(payload, &rsm->arena, &m) != 0)
		m.to = 0;
	log_event(rsm->log, LOG_ERROR, "peer_message_refused",
		  "method=%s from=%u group=%" PRIu64 " to=%u field=\"%s\" ballot=%" PRIu64
		  " slot=%" PRIu64 " chosen=%" PRIu64 " refused=%" PRIu64,
		  method_text((uint16_t)method), m.from, m.group, m.to, why, m.ballot, m.slot,
		  m.chosen, refused);
}

const char *judge_log_record(const struct rsm *rsm, const struct wal_record *record)
{
	if (ballot_round(record->ballot) > BALLOT_ROUND_MAX)
		return "a ballot whose round is beyond every possible one";
	if (record->slot > SLOT_MAX)
		return "a slot that is beyond every possible one";
	if (record->type != WAL_ACCEPT || record->payload.len == 0 || record->slot <= rsm->applied)
		return NULL;
	struct entry_reader reader;
	if (entry_read(&reader, record->payload) == STATUS_NEWER)
		return "an entry that a newer version of this program has written";
	return judge_entry_value(record->payload) == NULL ? NULL : "an entry that cannot be read";
}

/* Messages between the replicas of the group. */
#include <stdlib.h>

#include "base/alloc.h"
#include "rsm/internal.h"

/* For some hundred promises. */
#define LOG_RESERVE_BYTES (4u * KIB)

/*
 * A full disk has room left in the present file of the log. What is proposed already may still go
 * there, so that it becomes chosen and whoever leads next can serve reads; a part of it is for
 * promises alone.
 */
static bool has_room(const struct rsm *rsm, struct peer_entries entries)
{
	if (wal_pending_bytes(rsm->wal) > UNWRITTEN_BYTES_MAX)
		return false;
	if (!wal_full(rsm->wal))
		return true;
	uint64_t needed = LOG_RESERVE_BYTES;
	for (uint32_t i = 0; i < entries.count; i++)
		needed += WAL_RECORD_BYTES + 8 + entries.list[i].value.len;
	return needed <= wal_room(rsm->wal);
}

/*
 * One machine may have had several numbers, one after the other: messages to the others come here,
 * too.
 */
static bool is_another_here(const struct rsm *rsm, const struct wire_peer *m)
{
	return m->group == rsm->options.group && m->to != 0 && m->to <= MEMBER_NUMBER_MAX;
}

bool peers_message(struct rsm *rsm, link_id from, const struct message *message)
{
	if (message->kind != MESSAGE_ONEWAY || message->method < METHOD_PRE_VOTE ||
	    (message->method > METHOD_STATE_HASH && message->method != METHOD_STARTED &&
	     message->method != METHOD_SNAPSHOT_TURN))
		return false;
	enum method method = (enum method)message->method;
	union peer_message m;
	arena_reset(&rsm->arena);
	const char *refused = "all: malformed";
	known_look(rsm);
	if (peer_decode(method, message->payload, &rsm->arena, &m) == 0)
		refused = judge_peer_message(rsm, method, &m);
	else
		m.head.to = 0;
	if (refused != NULL) {
		if (refused == JUDGED_OTHER_GENERATION) {
			force_other_generation(rsm, from, &m.head);
			return true;
		}
		/* To one who has been added, or was removed, at this machine. */
		if (m.head.to != rsm->options.replica && is_another_here(rsm, &m.head))
			return true;
		judge_refused(rsm, method, message->payload, refused);
		return true;
	}
	uint32_t seat = rsm_seat(rsm, m.head.from);
	if (__builtin_expect(seat == UINT32_MAX || rsm->seats[seat].address == NULL, 0))
		seat = known_stranger(rsm, m.head.from, from);
	/*
	 * A slow disk cannot take more entries now, nor a full one what it has no room for. Without
	 * them these two still say who leads and what is chosen; a promise must keep its own, or
	 * the candidate would overlook what was accepted.
	 */
	enum consensus_kind kind = consensus_kind(rsm->core, method);
	if (kind == CONSENSUS_KIND_ENTRIES || method == METHOD_CHOSEN) {
		struct peer_entries entries = peer_entries(method, &m);
		if (entries.count > 0 && !has_room(rsm, entries))
			consensus_strip(rsm->core, method, &m);
	}
	if (message->trace != 0)
		traced_received(rsm, message, kind, &m);
	m.head.life = rsm->node->env->sender_life;
	if (m.head.life != 0)
		members_heard(rsm, seat, m.head.life);
	if (method == METHOD_STARTED) {
		stale_message(rsm, seat, message, &m.started);
		return true;
	}
	if (rsm->stale.on && !stale_admit(rsm, seat, message, &m))
		return true;
	if (method == METHOD_SNAPSHOT_FETCH)
		snapshot_send_piece(rsm, &m.snapshot_fetch);
	else if (method == METHOD_SNAPSHOT_CHUNK)
		snapshot_receive_piece(rsm, &m.snapshot_chunk);
	else if (method == METHOD_SNAPSHOT_TURN)
		snapshot_turn_message(rsm, seat, &m.snapshot_turn);
	else if (method == METHOD_STATE_HASH)
		state_hash_message(rsm, &m.state_hash);
	else if (method == METHOD_READ_INDEX)
		read_index_asked(rsm, &m.read_index);
	else if (method == METHOD_READ_INDEX_REPLY)
		read_index_told(rsm, &m.read_index_reply);
	else
		consensus_receive(rsm->core, node_now_us(rsm->node), method, &m);
	return true;
}

/* ---- chosen entries from the log on disk ---- */

/* In their order, up to the one that passes the size of a message. */
static void old_done(struct old_fetch *f)
{
	union peer_message m = {.chosen = {.slot = f->first,
					   .chosen = consensus_chosen_slot(f->rsm->core),
					   .entries = f->entries}};
	uint32_t *count = &m.chosen.nentries;
	uint64_t end = f->asked < f->end ? f->asked : f->end;
	for (size_t bytes = 0; *count < end - f->first && bytes < MIB; (*count)++) {
		struct slice *value = &f->entries[*count].value;
		value->data = f->values.data + (uintptr_t)value->data;
		bytes += value->len;
	}
	f->active = false;
	f->rsm->counters.old_entries_sent += *count;
	if (*count > 0)
		peers_send(f->rsm, f->to, METHOD_CHOSEN, &m);
}

static void old_next(struct old_fetch *f);

static void old_read(void *context, int status, const struct wal_record *record)
{
	struct old_read *read = context;
	struct old_fetch *f = read->fetch;
	if (status == STATUS_CORRUPT)
		scrub_log_damaged(f->rsm, log_index_get(&f->rsm->index, read->slot),
				  "an entry that a peer has asked for does not verify");
	/* Released or overwritten meanwhile: send what there is before it; the peer asks again. */
	if (status != 0 || record->type != WAL_ACCEPT || record->slot != read->slot) {
		f->end = read->slot < f->end ? read->slot : f->end;
	} else {
		f->entries[read->slot - f->first] = (struct wire_entry){
			.slot = read->slot,
			.ballot = record->ballot,
			.value = slice((const void *)(uintptr_t)f->values.len, record->payload.len),
		};
		buffer_add_slice(&f->values, record->payload);
		f->come++;
	}
	read->fetch = NULL;
	f->under_way--;
	if (!f->asking)
		old_next(f);
}

/*
 * Another one may be read beside those under way: if they are like those that have come, the
 * message will not be full with them.
 */
static bool has_room_for_another(const struct old_fetch *f)
{
	if (f->under_way == 0)
		return f->values.len < MIB;
	return f->under_way < OLD_READS && f->come > 0 &&
	       f->values.len + f->under_way * (f->values.len / f->come) < MIB;
}

static void old_ask(struct old_fetch *f, wal_position position)
{
	uint32_t i = 0, count = (uint32_t)(f->asked - f->first);
	while (f->reads[i].fetch != NULL)
		i++;
	if (count == f->capacity) {
		f->capacity = f->capacity == 0 ? 64 : f->capacity * 2;
		f->entries = alloc_resize(f->entries, f->capacity, sizeof *f->entries);
	}
	f->reads[i] = (struct old_read){.fetch = f, .slot = f->asked++};
	f->under_way++;
	wal_read(f->rsm->wal, position, old_read, &f->reads[i]);
}

static void old_next(struct old_fetch *f)
{
	f->asking = true;
	while (f->asked < f->end && f->asked - f->first < OPEN_SLOTS_MAX &&
	       has_room_for_another(f)) {
		wal_position position = log_index_get(&f->rsm->index, f->asked);
		if (position == 0)
			f->end = f->asked;
		else
			old_ask(f, position);
	}
	f->asking = false;
	if (f->under_way == 0)
		old_done(f);
}

void peers_old_fetch(struct rsm *rsm, const struct consensus_old_fetch *want)
{
	uint32_t index = rsm_seat(rsm, want->to);
	struct old_fetch *f = &rsm->old[index];
	/* Or of who has had its seat before. */
	if (f->active)
		return;
	if (log_index_get(&rsm->index, want->first) == 0) {
		/*
		 * Dropped: only the snapshot has it. If there is none yet that covers it, the peer
		 * will ask again.
		 */
		union peer_message m = {.chosen = {.slot = rsm->snapshot_slot,
						   .chosen = consensus_chosen_slot(rsm->core),
						   .flags = PEER_SNAPSHOT}};
		if (rsm->snapshot_slot >= want->first)
			peers_send(rsm, want->to, METHOD_CHOSEN, &m);
		return;
	}
	f->rsm = rsm;
	f->active = true;
	f->to = want->to;
	f->first = f->asked = want->first;
	f->end = want->last + 1;
	f->come = 0;
	buffer_clear(&f->values);
	old_next(f);
}

void peers_free(struct rsm *rsm)
{
	for (uint32_t i = 0; i < CONSENSUS_PEERS_MAX; i++) {
		buffer_free(&rsm->old[i].values);
		free(rsm->old[i].entries);
	}
}

/* From the data directory to a running core: newest whole snapshot, then the log. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "core/consensus.h"
#include "rsm/internal.h"

#define READ_BYTES (1u * MIB)
#define LOG_FILES_MAX 1024u

struct found {
	uint64_t slots[64];
	uint32_t count;
	bool leftovers;
};

static void each_file(void *context, const char *name, uint64_t size)
{
	(void)size;
	struct found *f = context;
	uint64_t slot;
	if (strcmp(name, "snapshot-new") == 0 || strcmp(name, "snapshot-incoming") == 0)
		f->leftovers = true;
	if (!snapshot_name_parse(name, &slot))
		return;
	/* Insert in descending order; more than fit are superfluous old ones. */
	uint32_t at = 0;
	while (at < f->count && f->slots[at] > slot)
		at++;
	if (at == 64)
		return;
	uint32_t keep = f->count < 64 ? f->count : 63;
	memmove(&f->slots[at + 1], &f->slots[at], (keep - at) * sizeof f->slots[0]);
	f->slots[at] = slot;
	f->count = keep + 1;
}

void state_restore_begin(struct rsm *rsm)
{
	state_hash_forget(rsm);
	group_fields_init(&rsm->group);
	rsm->restored_group = false;
	settle_limits(rsm);
	sessions_clear(&rsm->sessions);
	rsm->app->ops->restore_begin(rsm->app);
}

void state_restore_end(struct rsm *rsm, const struct snapshot_header *header)
{
	rsm->applied_ballot = header->ballot;
	rsm->time_us = header->time_us;
	/* In the first version sessions expired by log time. */
	if (header->format == 1)
		rsm->group.lived_us = header->time_us;
	settle_check_shards(rsm);
}

static int restore_group(struct rsm *rsm, struct slice payload)
{
	int status = group_fields_decode(&rsm->group, payload);
	if (status != 0)
		return status;
	rsm->restored_group = true;
	settle_limits(rsm);
	return 0;
}

int restore_chunk_into(void *context, enum snapshot_chunk_kind kind, struct slice payload)
{
	struct rsm *rsm = context;
	if (kind == SNAPSHOT_GROUP)
		return restore_group(rsm, payload);
	if (kind == SNAPSHOT_SESSIONS && rsm->restored_group)
		return sessions_decode(&rsm->sessions, payload);
	if (kind == SNAPSHOT_SESSIONS) {
		rsm->group.inherited = true;
		settle_limits(rsm);
		return sessions_decode_first_version(&rsm->sessions, payload);
	}
	arena_reset(&rsm->arena);
	return rsm->app->ops->restore_chunk(rsm->app, payload, &rsm->arena);
}

static int read_snapshot(struct rsm *rsm, struct disk_file *file, uint64_t size,
			 struct snapshot_parser *parser)
{
	struct disk *disk = rsm_disk(rsm);
	uint8_t *buffer = alloc_bytes(READ_BYTES);
	int status = 0;
	for (uint64_t at = 0; status == 0 && at < size; at += READ_BYTES) {
		size_t len = size - at < READ_BYTES ? (size_t)(size - at) : READ_BYTES;
		status = disk->ops->read_now(disk, file, at, buffer, len);
		if (status == 0)
			status = snapshot_parse(parser, slice(buffer, len), restore_chunk_into,
						rsm);
	}
	free(buffer);
	return status;
}

static void close_file(struct rsm *rsm, struct disk_file *file)
{
	struct disk *disk = rsm_disk(rsm);
	struct disk_request request = {.operation = DISK_CLOSE, .file = file};
	(void)disk->ops->run_now(disk, &request);
}

/* On failure *why says which check it was. */
static int load_snapshot(struct rsm *rsm, uint64_t slot, const char **why)
{
	struct disk *disk = rsm_disk(rsm);
	char name[SNAPSHOT_NAME_BYTES];
	struct disk_file *file;
	uint64_t size;
	struct snapshot_parser parser = {0};
	int status = disk->ops->open(disk, snapshot_name(slot, name), &file, &size);
	*why = "its slot is beyond every possible one";
	if (slot > SLOT_MAX)
		return STATUS_CORRUPT;
	*why = "the file cannot be opened";
	if (status != 0)
		return status;
	state_restore_begin(rsm);
	*why = "a chunk is damaged";
	status = read_snapshot(rsm, file, size, &parser);
	if (status == 0) {
		*why = "it is incomplete";
		status = snapshot_parse_end(&parser);
	}
	if (status == 0)
		status = rsm->app->ops->restore_end(rsm->app);
	if (status == 0 &&
	    (parser.header.slot != slot || parser.header.group != rsm->options.group)) {
		*why = "it is of another slot or group";
		status = STATUS_CORRUPT;
	}
	if (status == 0 && parser.header.app_hash != rsm->app->ops->hash(rsm->app)) {
		*why = "the restored state has another hash";
		status = STATUS_CORRUPT;
	}
	if (status != 0) {
		snapshot_parser_free(&parser);
		close_file(rsm, file);
		return status;
	}
	rsm->applied = rsm->snapshot_slot = slot;
	state_restore_end(rsm, &parser.header);
	rsm->snapshot_file = file;
	rsm->snapshot_bytes = size;
	snapshot_parser_free(&parser);
	return 0;
}

/*
 * A snapshot's record names the oldest position that the log still had to keep, or 0 for its own.
 */
static wal_position kept_from(const struct wal_record *record)
{
	struct slice payload = record->payload;
	wal_position position = 0;
	return slice_take_u64(&payload, &position) && position != 0 ? position : record->position;
}

/* … and the lives that counted. */
static void note_bound(struct recovered *r, const struct wal_record *record)
{
	struct slice payload = record->payload;
	uint64_t position;
	struct group_members bound;
	if (!slice_take_u64(&payload, &position) || payload.len == 0)
		return;
	r->bound_unknown = members_decode_field(&bound, payload) != 0;
	if (!r->bound_unknown)
		r->bound = bound;
}

static void replay_record(void *context, const struct wal_record *record)
{
	struct rsm *rsm = context;
	struct recovered *r = &rsm->recovered;
	if (damage_record(rsm, record))
		return;
	const char *impossible = r->impossible == NULL ? judge_log_record(rsm, record) : NULL;
	if (impossible != NULL) {
		r->impossible = impossible;
		r->impossible_slot = record->slot;
		r->impossible_ballot = record->ballot;
	}
	/* The start will be refused: only the rest of the log is still read. */
	if (r->impossible != NULL)
		return;
	switch (record->type) {
	case WAL_PROMISE:
		if (record->ballot > r->promised)
			r->promised = record->ballot;
		/* It was made by members whose slots were all here (paxos/members.h, M3). */
		if (record->slot > r->chosen)
			r->chosen = record->slot;
		break;
	case WAL_ACCEPT:
		log_index_set(&rsm->index, record->slot, record->position);
		consensus_restore_entry(rsm->core, record->slot, record->ballot, record->payload);
		force_replayed(rsm, record->slot, record->ballot, record->payload);
		rsm->log_bytes += WAL_RECORD_BYTES + record->payload.len;
		break;
	case WAL_CHOSEN:
		if (record->ballot > r->promised)
			r->promised = record->ballot;
		if (record->slot > r->chosen)
			r->chosen = record->slot;
		break;
	case WAL_SNAPSHOT:
		if (record->slot > r->snapshot)
			r->snapshot = record->slot;
		r->kept_from = kept_from(record);
		note_bound(r, record);
		/*
		 * Before our own snapshots the log says that their slots were known to be chosen.
		 */
		if (record->slot > r->chosen)
			r->foreign = r->chosen = record->slot;
		break;
	case WAL_STARTS: stale_restore(rsm, record->payload); break;
	}
}

static uint64_t node_random_of(void *context)
{
	struct rsm *rsm = context;
	return node_random(rsm->node);
}

static uint64_t node_clock_of(void *context)
{
	struct rsm *rsm = context;
	return node_clock_us(rsm->node);
}

static void core_became(void *context, enum consensus_role from, enum consensus_role to)
{
	struct rsm *rsm = context;
	log_event(rsm->log, LOG_DEBUG, "role", "group=%" PRIu64 " from=%s to=%s",
		  rsm->options.group, consensus_role_text(from), consensus_role_text(to));
}

static void create_core(struct rsm *rsm)
{
	struct consensus_options options = {
		.group = rsm->options.group,
		.self = rsm->options.replica,
		.nmembers = rsm->options.nmembers,
		.election_timeout_us = rsm->settings.election_timeout_ms * 1000ull,
		.heartbeat_us = rsm->settings.heartbeat_interval_ms * 1000ull,
		.lease_us = rsm->settings.read_lease_ms * 1000ull,
		.message_bytes = rsm->settings.message_bytes,
		.cache_bytes = rsm->settings.log_cache_bytes,
		.life = rsm->node->env->life,
		.members_byte = ENTRY_FORMAT_MEMBERS,
		.members_of = members_of_value,
		.adopted = known_adopted,
		.became = core_became,
		.joining = rsm->options.joining && rsm->group.bound.slot == 0,
		.clock_us = node_clock_of,
		.random = node_random_of,
		.process = rsm->node->tracer.life,
		.context = rsm,
	};
	for (uint32_t i = 0; i < rsm->options.nmembers; i++)
		options.members[i] = rsm->options.members[i].replica;
	rsm->core = rsm->options.consensus->create(&options, rsm->applied);
	struct consensus_members members = members_core(&rsm->group.bound);
	consensus_restore_members(rsm->core, &members);
	known_restored(rsm, &rsm->group.bound);
	if (rsm->lost)
		consensus_stop_voting(rsm->core, 0);
	log_index_init(&rsm->index, rsm->applied + 1);
}

static void wal_durable_now(void *context, uint64_t sequence)
{
	struct rsm *rsm = context;
	uint64_t core = 0;
	while (rsm->marks_count > 0 && rsm->marks[rsm->marks_head].wal_sequence <= sequence) {
		const struct durable_mark *mark = &rsm->marks[rsm->marks_head];
		core = mark->core_sequence;
		if (mark->detail.first != 0)
			traced_synced(rsm, mark);
		rsm->marks_head = (rsm->marks_head + 1) % rsm->marks_capacity;
		rsm->marks_count--;
	}
	if (core != 0)
		consensus_persisted(rsm->core, node_now_us(rsm->node), core);
}

static void wal_failed(void *context, int status, const char *why)
{
	struct rsm *rsm = context;
	node_fatal(rsm->node, status, "%s", why);
}

/*
 * As many as the log fills from one snapshot to the next, with what it began before and goes on
 * with meanwhile, and one in reserve: under load no file is filled with zeros only to be removed at
 * the next snapshot. The log has been as large as all of them before.
 */
static uint32_t log_files_max(const struct rsm_settings *settings)
{
	uint64_t files = (settings->snapshot_log_bytes - 1) / settings->wal_segment_bytes + 4;
	return files < LOG_FILES_MAX ? (uint32_t)files : LOG_FILES_MAX;
}

/* damaged: the slot of a damaged snapshot; 0: there is none. */
/*
 * A snapshot was in place, and the power went before the log had noted it. What the log goes on to
 * say of later slots would look as if it had known all those before them to be chosen, and what it
 * holds there need not be what was: it is noted now, before anything else. What had to be kept of
 * the log still has.
 */
static void note_unnoted_snapshot(struct rsm *rsm, uint64_t slot, uint64_t oldest_segment)
{
	struct recovered *r = &rsm->recovered;
	struct buffer payload = {0};
	if (slot <= r->chosen)
		return;
	wal_position oldest = oldest_segment << 32 | WAL_HEADER_BYTES;
	buffer_add_u64(&payload, r->kept_from > oldest ? r->kept_from : oldest);
	/* A damaged one does not tell who counted: a zero says so. */
	if (slot == rsm->snapshot_slot)
		members_encode_field(&rsm->group.bound, &payload);
	else if (rsm->node->env->life != 0)
		buffer_add_u64(&payload, 0);
	struct wal_record record = {.type = WAL_SNAPSHOT,
				    .slot = slot,
				    .ballot = rsm->applied_ballot,
				    .payload = buffer_slice(&payload)};
	wal_append(rsm->wal, &record, NULL);
	buffer_free(&payload);
	r->foreign = slot;
}

static void log_lost(void *context, const struct wal_hole *hole)
{
	damage_hole(context, hole);
}

static int open_log(struct rsm *rsm, uint64_t damaged)
{
	struct wal_options options = {
		.disk = rsm_disk(rsm),
		.log = rsm->log,
		.group = rsm->options.group,
		.replica = rsm->options.replica,
		/* A snapshot is installed when there is a log, and not before. */
		.begun = rsm->snapshot_slot != 0 || damaged != 0,
		.segment_bytes = rsm->settings.wal_segment_bytes,
		.recycle_max = log_files_max(&rsm->settings),
		.files_max = log_files_max(&rsm->settings),
		/* Without others there is nobody to ask. */
		.lost = known_alone(rsm) ? NULL : log_lost,
		.durable = wal_durable_now,
		.fatal = wal_failed,
		.context = rsm,
	};
	struct wal_recovery info = {0};
	int status = wal_open(&rsm->wal, &options, replay_record, &info);
	if (status != 0) {
		log_event(rsm->log, LOG_ERROR, "log_unusable", "status=%s problem=\"%s\"",
			  status_name(status), info.problem);
		node_problem(rsm->node, "%s", info.problem);
		return status;
	}
	if (rsm->recovered.impossible != NULL) {
		char ballot[BALLOT_TEXT_BYTES];
		node_problem(rsm->node,
			     "its log holds %s: written by a newer version, or by an earlier one "
			     "that believed a forged "
			     "message; leave the files as they are, this replica cannot take part "
			     "with them",
			     rsm->recovered.impossible);
		log_event(rsm->log, LOG_ERROR, "log_unusable",
			  "status=%s problem=\"%s\" slot=%" PRIu64 " ballot=%s",
			  status_name(STATUS_CORRUPT), rsm->node->problem,
			  rsm->recovered.impossible_slot,
			  ballot_text(rsm->recovered.impossible_ballot, ballot));
		return STATUS_CORRUPT;
	}
	/*
	 * Segments are released for snapshots only, and the record of that is among what is kept.
	 */
	const char *missing = NULL;
	if (info.holes > 0 && info.ranged)
		/*
		 * that record may be among what is lost; but the range says that none is missing at
		 * the ends
		 */
		missing = NULL;
	else if (info.oldest_segment > 1 &&
		 info.oldest_segment > wal_position_segment(rsm->recovered.kept_from))
		missing = "the oldest segments of the log are missing, and no snapshot has "
			  "replaced them";
	/*
	 * A replica whose first snapshot came from a peer may have written nothing else yet. But
	 * the version that did not write down which segments there are made a log that had been
	 * lost anew, empty.
	 */
	else if (info.records == 0 && info.oldest_segment == 1 && rsm->snapshot_slot != 0 &&
		 !info.ranged)
		missing = "there is a snapshot, but its log is missing";
	if (missing != NULL) {
		node_problem(rsm->node, "%s; " WAL_LOST_ADVICE, missing);
		log_event(rsm->log, LOG_ERROR, "log_unusable", "status=%s problem=\"%s\"",
			  status_name(STATUS_CORRUPT), rsm->node->problem);
		return STATUS_CORRUPT;
	}
	log_event(rsm->log, LOG_INFO, "log_opened",
		  "segments=%" PRIu64 " records=%" PRIu64 " torn_bytes=%" PRIu64 " chosen=%" PRIu64,
		  info.segments, info.records, info.torn_bytes, rsm->recovered.chosen);
	rsm->damage.first = info.first_hole;
	rsm->damage.last_segment = info.last_damaged;
	if (info.first_hole == 0)
		scrub_heal_segment(rsm, info.last_damaged);
	damage_note_promise(rsm);
	note_unnoted_snapshot(rsm, rsm->snapshot_slot > damaged ? rsm->snapshot_slot : damaged,
			      info.oldest_segment);
	return 0;
}

static void remove_now(struct rsm *rsm, const char *name)
{
	struct disk *disk = rsm_disk(rsm);
	struct disk_request request = {.operation = DISK_REMOVE, .name = name};
	if (disk->ops->run_now(disk, &request) != 0)
		log_event(rsm->log, LOG_WARN, "remove_failed", "file=%s", name);
}

static int find_snapshot(struct rsm *rsm, uint64_t *damaged)
{
	struct disk *disk = rsm_disk(rsm);
	struct found found = {0};
	int status = disk->ops->list(disk, each_file, &found);
	if (status != 0)
		return status;
	if (found.leftovers) {
		remove_now(rsm, "snapshot-new");
		remove_now(rsm, "snapshot-incoming");
	}
	*damaged = 0;
	for (uint32_t i = 0; i < found.count; i++) {
		char name[SNAPSHOT_NAME_BYTES];
		if (rsm->snapshot_slot != 0) {
			remove_now(rsm, snapshot_name(found.slots[i], name));
			continue;
		}
		const char *why;
		status = load_snapshot(rsm, found.slots[i], &why);
		if (status == 0)
			continue;
		if (status != STATUS_CORRUPT)
			return status;
		log_event(rsm->log, LOG_ERROR, "snapshot_damaged", "slot=%" PRIu64 " why=\"%s\"",
			  found.slots[i], why);
		if (*damaged == 0)
			*damaged = found.slots[i];
	}
	if (rsm->snapshot_slot == 0) {
		/* A damaged one may have left its sessions, or part of its state. */
		state_restore_begin(rsm);
		(void)rsm->app->ops->restore_end(rsm->app);
	}
	return 0;
}

/*
 * The log says that a snapshot at `covered` was in place, but the newest whole one is older: what
 * lies between was dropped from the log. The acceptor's part is intact (those slots are chosen),
 * the state is not: run, vote and accept, but fetch the state from a peer before doing anything
 * with it.
 */
static void lose_state(struct rsm *rsm, uint64_t covered)
{
	log_event(rsm->log, LOG_ERROR, "state_lost",
		  "snapshot=%" PRIu64 " newest_whole=%" PRIu64
		  " action=\"fetching the state from a peer\"",
		  covered, rsm->applied);
	rsm->state_lost = true;
	rsm->lost_slot = covered;
	struct consensus_members members = members_core(&rsm->recovered.bound);
	consensus_install_snapshot(rsm->core, 0, covered, &members);
	known_restored(rsm, &rsm->recovered.bound);
	rsm_set_electable(rsm);
	log_index_drop_below(&rsm->index, covered + 1);
}

/*
 * True if the log holds the chosen entries of all slots after the newest whole snapshot up to
 * `covered`.
 */
static bool log_reaches(struct rsm *rsm, uint64_t covered)
{
	const struct recovered *r = &rsm->recovered;
	for (uint64_t slot = rsm->applied + 1; slot <= covered; slot++)
		if (log_index_get(&rsm->index, slot) == 0 || damage_covers(rsm, slot))
			return false;
	/* Accepted is not chosen, except where nobody else has a say. */
	return known_alone(rsm) || (r->chosen >= covered && r->foreign <= rsm->applied);
}

int recover(struct rsm *rsm)
{
	uint64_t damaged;
	int status = find_snapshot(rsm, &damaged);
	if (status != 0) {
		const char *problem = disk_problem(rsm_disk(rsm), status);
		node_problem(rsm->node, "a snapshot cannot be read: %s", problem);
		log_event(rsm->log, LOG_ERROR, "snapshot_unreadable", "status=%s problem=\"%s\"",
			  status_name(status), problem);
		return status;
	}
	create_core(rsm);
	status = open_log(rsm, damaged);
	if (status != 0)
		return status;
	const struct recovered *r = &rsm->recovered;
	consensus_restore_promise(rsm->core, r->promised);
	uint64_t covered = r->snapshot > damaged ? r->snapshot : damaged;
	if (covered > rsm->applied && !log_reaches(rsm, covered)) {
		if (known_alone(rsm)) {
			node_problem(rsm->node,
				     "the only replica's snapshot, of slot %" PRIu64
				     ", is damaged, and its log does not reach back to what it "
				     "held; leave the files as they are",
				     covered);
			log_event(rsm->log, LOG_ERROR, "state_lost",
				  "snapshot=%" PRIu64 " action=\"none: %s\"", covered,
				  rsm->node->problem);
			return STATUS_CORRUPT;
		}
		lose_state(rsm, covered);
		if (rsm->node->env->life != 0 && (covered != r->snapshot || r->bound_unknown))
			consensus_forget_members(rsm->core);
	} else if (covered > rsm->applied) {
		/* The log has all of it, for once. */
		rsm->snapshot_renew = true;
	}
	rsm->renew_slot = covered > rsm->applied ? covered : 0;
	damage_settle(rsm);
	consensus_restore_chosen(rsm->core, r->chosen > covered ? r->chosen : covered);
	damage_settle_known(rsm);
	return force_recover(rsm);
}

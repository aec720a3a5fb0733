/*
 * Getting the state from a peer: fetch piece by piece into snapshot-incoming, sync, verify every
 * chunk, rename, and only then replace the state. A crash at any point leaves the old snapshot and
 * log as they were.
 * Its steps, and those of a piece, are drawn in rsm/snapshot_states.h.
 *
 * A window of pieces is under way, of messages and of the disk: one at a time would cost the way to
 * the peer and its disk, and that to the own disk, for each. What does not come is asked for again.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "rsm/internal.h"

#define WINDOW_BYTES (SNAPSHOT_WINDOW * SNAPSHOT_CHUNK_BYTES)
/*
 * So much at a time is left to the disk: whoever shares it with the log's syncs of this replica, or
 * others, lets them through between.
 */
#define SYNC_BYTES (4u * MIB)

/* The one move of a snapshot that is received. */
static void become(struct rsm *rsm, enum receive_step step)
{
	struct snapshot_receive *r = &rsm->receive;
	log_event(rsm->log, LOG_DEBUG, "snapshot_receive_state",
		  "replica=%u slot=%" PRIu64 " from=\"%s\" to=\"%s\"", r->from, r->slot,
		  state_name(&RECEIVE_STATES, r->step), state_name(&RECEIVE_STATES, step));
	r->step = state_move(&RECEIVE_STATES, r->step, step);
}

/* … and of a piece; messages and requests of the disk tell of it. */
static void piece_become(struct receive_piece *piece, enum piece_state state)
{
	piece->state = state_move(&PIECE_STATES, piece->state, state);
}

/* Whatever of the window has not come is asked for once more; unless `kept`, all of it. */
static void want_again(struct snapshot_receive *r, bool kept)
{
	for (uint32_t i = 0; i < SNAPSHOT_WINDOW; i++) {
		struct receive_piece *piece = &r->pieces[i];
		if (piece->state == PIECE_ASKED || (!kept && piece->state != PIECE_WANTED))
			piece_become(piece, PIECE_WANTED);
	}
}

static void become_idle(struct rsm *rsm)
{
	struct snapshot_receive *r = &rsm->receive;
	ASSERT(r->under_way == 0);
	snapshot_parser_free(&r->parser);
	for (uint32_t i = 0; i < SNAPSHOT_WINDOW; i++) {
		free(r->pieces[i].data);
		r->pieces[i].data = NULL;
	}
	r->file = NULL;
	become(rsm, RECEIVE_IDLE);
}

/* As soon as the disk has no piece any more, whose buffers and file are its own until then. */
static void when_returned(struct rsm *rsm, void (*then)(struct rsm *rsm))
{
	struct snapshot_receive *r = &rsm->receive;
	node_timer_cancel(rsm->node, &r->timer);
	if (r->under_way == 0)
		then(rsm);
	else
		r->then = then;
}

static void abandon(struct rsm *rsm)
{
	struct snapshot_receive *r = &rsm->receive;
	log_event(rsm->log, LOG_WARN, "snapshot_fetch_given_up",
		  "from=%u slot=%" PRIu64 " why=\"%s\"", r->from, r->slot, r->why);
	discard_file(rsm, r->file, "snapshot-incoming");
	become_idle(rsm);
	rsm->receive_after_us = node_now_us(rsm->node) + r->pause_us;
	consensus_abandon_snapshot(rsm->core, node_now_us(rsm->node),
				   r->retries > SNAPSHOT_RETRIES_MAX ? r->from : 0);
}

static void give_up(struct rsm *rsm, const char *why, uint64_t pause_us)
{
	rsm->receive.why = why;
	rsm->receive.pause_us = pause_us;
	when_returned(rsm, abandon);
}

/* ---- the disk ---- */

/* Of the step under way. True: it has been given up for it. */
static bool has_failed(struct rsm *rsm, const struct disk_request *request)
{
	struct snapshot_receive *r = &rsm->receive;
	if (request->status == STATUS_NO_SPACE) {
		if (rsm->state_lost)
			state_hash_drop_evidence(rsm);
		give_up(rsm, "disk full", SNAPSHOT_PAUSE_US);
		return true;
	}
	if (request->status == STATUS_SHORTAGE) {
		give_up(rsm, "no file descriptor, or no memory", SNAPSHOT_PAUSE_US);
		return true;
	}
	/* Whoever cuts a file that is being read has damaged it: pass_portion() sees to that. */
	bool cut = request->status == STATUS_TRUNCATED &&
		   (r->step == RECEIVE_VERIFY || r->step == RECEIVE_RESTORE);
	if (request->status != 0 && !cut)
		node_fatal(rsm->node, request->status, "receiving a snapshot: disk error");
	return false;
}

static void step_done(struct disk_request *request);

static void submit(struct rsm *rsm, enum receive_step step, struct disk_request request)
{
	struct snapshot_receive *r = &rsm->receive;
	become(rsm, step);
	request.lane = DISK_LANE_BULK;
	request.callback = step_done;
	request.owner = rsm;
	if (request.operation != DISK_CREATE)
		request.file = r->file;
	r->request = request;
	disk_submit(rsm_disk(rsm), &r->request);
}

static void piece_written(struct rsm *rsm, const struct disk_request *request);
static void pass_portion(struct rsm *rsm, const struct disk_request *request);

static void piece_done(struct disk_request *request)
{
	struct rsm *rsm = request->owner;
	struct snapshot_receive *r = &rsm->receive;
	ASSERT(r->under_way > 0);
	r->under_way--;
	if (r->then != NULL) {
		void (*then)(struct rsm *) = r->then;
		if (r->under_way > 0)
			return;
		r->then = NULL;
		then(rsm);
	} else if (!has_failed(rsm, request)) {
		if (request->operation == DISK_SYNC)
			r->syncing = false;
		else if (r->step == RECEIVE_FETCH)
			piece_written(rsm, request);
		else
			pass_portion(rsm, request);
	}
}

/*
 * The piece at `offset`, whose place in the window is free. The caller fills it, or has it filled.
 */
static struct receive_piece *piece_at(struct rsm *rsm, uint64_t offset)
{
	struct receive_piece *piece =
		&rsm->receive.pieces[offset / SNAPSHOT_CHUNK_BYTES % SNAPSHOT_WINDOW];
	if (piece->data == NULL)
		piece->data = alloc_bytes(SNAPSHOT_CHUNK_BYTES);
	return piece;
}

static size_t piece_bytes(uint64_t total, uint64_t offset)
{
	return total - offset < SNAPSHOT_CHUNK_BYTES ? (size_t)(total - offset)
						     : SNAPSHOT_CHUNK_BYTES;
}

static void submit_piece(struct rsm *rsm, struct receive_piece *piece,
			 enum disk_operation operation, uint64_t offset)
{
	struct snapshot_receive *r = &rsm->receive;
	piece->request = (struct disk_request){
		.operation = operation,
		.lane = DISK_LANE_BULK,
		.file = r->file,
		.offset = offset,
		.data = piece->data,
		.len = piece_bytes(r->total, offset),
		.callback = piece_done,
		.owner = rsm,
	};
	r->under_way++;
	disk_submit(rsm_disk(rsm), &piece->request);
}

/* ---- fetching ---- */

/* Where the window ends. Before the first piece has come it is not known how many there are. */
static uint64_t window_end(const struct snapshot_receive *r)
{
	if (r->slot == 0)
		return SNAPSHOT_CHUNK_BYTES;
	return r->total - r->offset < WINDOW_BYTES ? r->total : r->offset + WINDOW_BYTES;
}

/* For what there is room for. */
static void ask(struct rsm *rsm)
{
	struct snapshot_receive *r = &rsm->receive;
	bool waits = false;
	for (uint64_t position = r->offset; position < window_end(r);
	     position += SNAPSHOT_CHUNK_BYTES) {
		struct receive_piece *piece = piece_at(rsm, position);
		if (piece->state == PIECE_WANTED) {
			union peer_message m = {.snapshot_fetch = {.slot = r->slot,
								   .position = position,
								   .chosen = r->slot_min}};
			piece_become(piece, PIECE_ASKED);
			peers_send(rsm, r->from, METHOD_SNAPSHOT_FETCH, &m);
		}
		waits |= piece->state == PIECE_ASKED;
	}
	if (waits)
		node_timer_after(rsm->node, &r->timer, SNAPSHOT_RETRY_US);
	else
		node_timer_cancel(rsm->node, &r->timer);
}

static void silence(void *data)
{
	struct rsm *rsm = data;
	struct snapshot_receive *r = &rsm->receive;
	if (r->step != RECEIVE_FETCH)
		return;
	if (++r->retries > SNAPSHOT_RETRIES_MAX) {
		give_up(rsm, "no answer", 0);
		return;
	}
	want_again(r, true);
	ask(rsm);
}

static void create(struct rsm *rsm)
{
	struct snapshot_receive *r = &rsm->receive;
	if (r->file != NULL)
		discard_file(rsm, r->file, NULL);
	r->file = NULL;
	r->slot = r->total = r->offset = r->synced = 0;
	want_again(r, false);
	submit(rsm, RECEIVE_CREATE,
	       (struct disk_request){.operation = DISK_CREATE, .name = "snapshot-incoming"});
}

void snapshot_receive_start(struct rsm *rsm, uint32_t from, uint64_t slot_min)
{
	struct snapshot_receive *r = &rsm->receive;
	if (r->step != RECEIVE_IDLE || node_now_us(rsm->node) < rsm->receive_after_us)
		return;
	ASSERT(r->under_way == 0 && r->file == NULL && !rsm->restoring);
	/*
	 * The file may be damaged on its disk, of which it knows nothing: to be asked for a newer
	 * one makes it take one.
	 */
	if (from == rsm->damaged_from && slot_min <= rsm->damaged_slot)
		slot_min = rsm->damaged_slot + 1;
	*r = (struct snapshot_receive){
		.from = from, .slot_min = slot_min, .sync_bytes = SYNC_BYTES};
	timer_init(&r->timer, silence, rsm);
	log_event(rsm->log, LOG_INFO, "snapshot_fetch_started", "from=%u at_least=%" PRIu64, from,
		  slot_min);
	create(rsm);
}

/* It is one that is asked for, of the snapshot that is being fetched. */
static bool is_wanted(const struct snapshot_receive *r, const struct wire_snapshot_chunk *m)
{
	if (m->position % SNAPSHOT_CHUNK_BYTES != 0 || m->position >= m->total ||
	    m->data.len != piece_bytes(m->total, m->position) ||
	    (r->slot != 0 && m->total != r->total) || m->position < r->offset ||
	    m->position >= window_end(r))
		return false;
	const struct receive_piece *piece =
		&r->pieces[m->position / SNAPSHOT_CHUNK_BYTES % SNAPSHOT_WINDOW];
	return piece->state == PIECE_ASKED;
}

void snapshot_receive_piece(struct rsm *rsm, const struct wire_snapshot_chunk *m)
{
	struct snapshot_receive *r = &rsm->receive;
	/* One that is older than what has begun to come has been asked for before. */
	if (r->step != RECEIVE_FETCH || r->then != NULL || m->from != r->from ||
	    m->slot < r->slot_min || m->slot < r->slot)
		return;
	r->retries = 0;
	if (r->slot != 0 && m->slot != r->slot) {
		when_returned(rsm, create);
		return;
	}
	if (!is_wanted(r, m))
		return;
	r->slot = m->slot;
	r->total = m->total;
	struct receive_piece *piece = piece_at(rsm, m->position);
	piece_become(piece, PIECE_COME);
	memcpy(piece->data, m->data.data, m->data.len);
	submit_piece(rsm, piece, DISK_WRITE, m->position);
	ask(rsm);
}

static void sync_between(struct rsm *rsm)
{
	struct snapshot_receive *r = &rsm->receive;
	/*
	 * The last piece has not been given to the disk yet, and comes after this: the last sync
	 * after both.
	 */
	if (r->syncing || r->offset - r->synced < r->sync_bytes ||
	    r->total - r->offset <= WINDOW_BYTES)
		return;
	r->syncing = true;
	r->synced = r->offset;
	r->under_way++;
	r->request = (struct disk_request){.operation = DISK_SYNC,
					   .lane = DISK_LANE_BULK,
					   .file = r->file,
					   .callback = piece_done,
					   .owner = rsm};
	disk_submit(rsm_disk(rsm), &r->request);
}

static void piece_written(struct rsm *rsm, const struct disk_request *request)
{
	struct snapshot_receive *r = &rsm->receive;
	ASSERT(request->offset >= r->offset && request->offset < window_end(r));
	piece_become(piece_at(rsm, request->offset), PIECE_WRITTEN);
	while (r->offset < r->total && piece_at(rsm, r->offset)->state == PIECE_WRITTEN) {
		piece_become(piece_at(rsm, r->offset), PIECE_WANTED);
		r->offset += piece_bytes(r->total, r->offset);
	}
	if (r->offset == r->total) {
		submit(rsm, RECEIVE_SYNC, (struct disk_request){.operation = DISK_SYNC});
		return;
	}
	sync_between(rsm);
	ask(rsm);
}

/* ---- the passes over the file ---- */

static void read_on(struct rsm *rsm)
{
	struct snapshot_receive *r = &rsm->receive;
	while (r->read_asked < r->total && r->read_asked < r->read_at + WINDOW_BYTES) {
		uint64_t offset = r->read_asked;
		r->read_asked += piece_bytes(r->total, offset);
		submit_piece(rsm, piece_at(rsm, offset), DISK_READ, offset);
	}
}

static void begin_pass(struct rsm *rsm, enum receive_step step)
{
	struct snapshot_receive *r = &rsm->receive;
	snapshot_parser_free(&r->parser);
	become(rsm, step);
	r->read_asked = r->read_at = 0;
	read_on(rsm);
}

/* It may have been asked for before the state was lost, and the log have been applied beyond it. */
static bool is_late(const struct rsm *rsm)
{
	return rsm->state_lost ? rsm->receive.slot < rsm->lost_slot
			       : rsm->receive.slot <= rsm->applied;
}

static void verified(struct rsm *rsm)
{
	struct snapshot_receive *r = &rsm->receive;
	if (r->parser.header.slot != r->slot || r->parser.header.group != rsm->options.group) {
		give_up(rsm, "it is not what was asked for", SNAPSHOT_PAUSE_US);
		return;
	}
	/* The log may have caught up meanwhile: a late snapshot must not replace a newer state. */
	if (is_late(rsm)) {
		give_up(rsm, "no longer needed", 0);
		return;
	}
	submit(rsm, RECEIVE_RENAME,
	       (struct disk_request){.operation = DISK_RENAME,
				     .name = "snapshot-incoming",
				     .new_name = snapshot_name(r->slot, r->name)});
}

static void begin_restore(struct rsm *rsm)
{
	struct snapshot_receive *r = &rsm->receive;
	if (is_late(rsm)) {
		discard_file(rsm, r->file, r->name);
		become_idle(rsm);
		consensus_abandon_snapshot(rsm->core, node_now_us(rsm->node), 0);
		return;
	}
	snapshot_take_abort(rsm);
	ASSERT(!rsm->restoring && (rsm->take.step == TAKE_IDLE || rsm->take.aborted));
	rsm->restoring = true;
	rsm_set_electable(rsm);
	state_restore_begin(rsm);
	begin_pass(rsm, RECEIVE_RESTORE);
}

/*
 * Its checksums hold, and yet what it says is no state: its maker has a fault, or lies. Part of it
 * has replaced ours, which is on disk as it was, snapshot and log: so the state is lost in memory
 * alone, and comes back from another peer, or from the disk at the next start.
 */
static void drop_useless(struct rsm *rsm)
{
	struct snapshot_receive *r = &rsm->receive;
	log_event(rsm->log, LOG_ERROR, "snapshot_useless",
		  "from=%u slot=%" PRIu64
		  " why=\"%s\" action=\"fetching the state from another peer\"",
		  r->from, r->slot, r->why);
	rsm->damaged_from = r->from;
	rsm->damaged_slot = r->slot;
	/*
	 * What has been applied has been taken out of the core: an older state would be of no use
	 * any more.
	 */
	rsm->state_lost = true;
	if (rsm->lost_slot < rsm->applied)
		rsm->lost_slot = rsm->applied;
	rsm->restoring = false;
	discard_file(rsm, r->file, r->name);
	become_idle(rsm);
	rsm->receive_after_us = node_now_us(rsm->node) + SNAPSHOT_PAUSE_US;
	consensus_abandon_snapshot(rsm->core, node_now_us(rsm->node), 0);
}

static void useless(struct rsm *rsm, const char *why)
{
	rsm->receive.why = why;
	when_returned(rsm, drop_useless);
}

static void restored(struct rsm *rsm)
{
	struct snapshot_receive *r = &rsm->receive;
	const struct snapshot_header *header = &r->parser.header;
	if (rsm->app->ops->restore_end(rsm->app) != 0 ||
	    rsm->app->ops->hash(rsm->app) != header->app_hash) {
		useless(rsm, "the state does not have the hash that its maker gave");
		return;
	}
	/* Nothing has been applied meanwhile, and the state goes forwards. */
	ASSERT(rsm->restoring && !is_late(rsm) && r->read_at == r->total);
	rsm->applied = r->slot;
	state_restore_end(rsm, header);
	if (identity_check(rsm) != 0)
		node_fatal(
			rsm->node, STATUS_IDENTITY,
			"this replica does not belong to the group whose snapshot it has received");
	rsm->restoring = rsm->state_lost = false;
	rsm->nlost_from = 0;
	struct consensus_members members = members_core(&rsm->group.bound);
	consensus_install_snapshot(rsm->core, node_now_us(rsm->node), r->slot, &members);
	known_restored(rsm, &rsm->group.bound);
	rsm_set_electable(rsm);
	requests_skipped(rsm, r->slot);
	struct disk_file *file = r->file;
	become_idle(rsm);
	rsm->counters.snapshots_installed++;
	snapshot_adopt(rsm, false, r->slot, rsm->applied_ballot, &rsm->group.bound, file, r->total);
	if (rsm->options.applied != NULL)
		rsm->options.applied(rsm->options.context);
}

/* A portion of a pass has been read. */
static void pass_portion(struct rsm *rsm, const struct disk_request *request)
{
	struct snapshot_receive *r = &rsm->receive;
	bool restore = r->step == RECEIVE_RESTORE;
	int status = STATUS_CORRUPT;
	ASSERT(request->offset == r->read_at);
	if (request->status == 0)
		status = snapshot_parse(&r->parser, slice(request->data, request->len),
					restore ? restore_chunk_into : NULL, rsm);
	r->read_at += request->len;
	if (status == 0 && r->read_at < r->total) {
		read_on(rsm);
		return;
	}
	if (status == 0)
		status = snapshot_parse_end(&r->parser);
	if (status != 0 && restore) {
		useless(rsm, "a chunk cannot be read, or has changed since it was verified");
	} else if (status != 0) {
		rsm->damaged_from = r->from;
		rsm->damaged_slot = r->slot;
		give_up(rsm, "it is damaged", SNAPSHOT_PAUSE_US);
	} else if (restore) {
		restored(rsm);
	} else {
		verified(rsm);
	}
}

static void step_done(struct disk_request *request)
{
	struct rsm *rsm = request->owner;
	struct snapshot_receive *r = &rsm->receive;
	if (has_failed(rsm, request))
		return;
	switch (r->step) {
	case RECEIVE_CREATE:
		r->file = request->file;
		become(rsm, RECEIVE_FETCH);
		ask(rsm);
		break;
	case RECEIVE_SYNC: begin_pass(rsm, RECEIVE_VERIFY); break;
	case RECEIVE_RENAME:
		submit(rsm, RECEIVE_SYNC_DIRECTORY,
		       (struct disk_request){.operation = DISK_SYNC_DIRECTORY});
		break;
	case RECEIVE_SYNC_DIRECTORY: begin_restore(rsm); break;
	case RECEIVE_IDLE:
	case RECEIVE_FETCH:
	case RECEIVE_VERIFY:
	case RECEIVE_RESTORE: ASSERT(false);
	}
}

void snapshot_receive_free(struct rsm *rsm)
{
	struct snapshot_receive *r = &rsm->receive;
	if (r->timer.callback != NULL)
		node_timer_cancel(rsm->node, &r->timer);
	snapshot_parser_free(&r->parser);
	for (uint32_t i = 0; i < SNAPSHOT_WINDOW; i++)
		free(r->pieces[i].data);
}

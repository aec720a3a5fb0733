/*
 * Getting the state from a peer: fetch piece by piece into snapshot-incoming, sync, verify every chunk, rename, and only then
 * replace the state. A crash at any point leaves the old snapshot and log as they were.
 *
 *   IDLE → CREATE → (FETCH → WRITE)* → SYNC → VERIFY → RENAME → SYNC_DIRECTORY → RESTORE → IDLE
 *   The source offers another snapshot meanwhile: back to CREATE. Silence: ask again, then give up and be asked anew.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "rsm/internal.h"

static void ask(struct rsm *rsm)
{
	struct snapshot_receive *r = &rsm->receive;
	struct wire_paxos m = {.slot = r->slot, .position = r->offset, .chosen = r->slot_min};
	r->step = RECEIVE_FETCH;
	peers_send(rsm, r->from, METHOD_SNAPSHOT_FETCH, &m);
	node_timer_after(rsm->node, &r->timer, SNAPSHOT_RETRY_US);
}

static void give_up(struct rsm *rsm, const char *why, uint64_t pause_us)
{
	struct snapshot_receive *r = &rsm->receive;
	log_event(rsm->log, LOG_WARN, "snapshot_fetch_given_up", "from=%u slot=%" PRIu64 " why=\"%s\"", r->from, r->slot, why);
	node_timer_cancel(rsm->node, &r->timer);
	discard_file(rsm, r->file, "snapshot-incoming");
	r->file = NULL;
	snapshot_parser_free(&r->parser);
	r->step = RECEIVE_IDLE;
	rsm->receive_after_us = node_now_us(rsm->node) + pause_us;
	paxos_abandon_snapshot(rsm->paxos, node_now_us(rsm->node), r->retries > SNAPSHOT_RETRIES_MAX ? r->from : 0);
}

static void silence(void *data)
{
	struct rsm *rsm = data;
	struct snapshot_receive *r = &rsm->receive;
	if (r->step != RECEIVE_FETCH)
		return;
	if (++r->retries <= SNAPSHOT_RETRIES_MAX) {
		ask(rsm);
		return;
	}
	give_up(rsm, "no answer", 0);
}

static void step_done(struct disk_request *request);

static void submit(struct rsm *rsm, enum receive_step step, struct disk_request request)
{
	struct snapshot_receive *r = &rsm->receive;
	r->step = step;
	request.lane = DISK_LANE_BULK;
	request.callback = step_done;
	request.owner = rsm;
	if (request.operation != DISK_CREATE)
		request.file = r->file;
	r->request = request;
	disk_submit(rsm_disk(rsm), &r->request);
}

static void create(struct rsm *rsm)
{
	struct snapshot_receive *r = &rsm->receive;
	if (r->file != NULL)
		discard_file(rsm, r->file, NULL);
	r->file = NULL;
	r->offset = 0;
	submit(rsm, RECEIVE_CREATE, (struct disk_request){.operation = DISK_CREATE, .name = "snapshot-incoming"});
}

void snapshot_receive_start(struct rsm *rsm, uint32_t from, uint64_t slot_min)
{
	struct snapshot_receive *r = &rsm->receive;
	if (r->step != RECEIVE_IDLE || node_now_us(rsm->node) < rsm->receive_after_us)
		return;
	uint8_t *buffer = r->buffer != NULL ? r->buffer : alloc_bytes(SNAPSHOT_CHUNK_BYTES);
	/* The file may be damaged on its disk, of which it knows nothing: to be asked for a newer one makes it take one. */
	if (from == rsm->damaged_from && slot_min <= rsm->damaged_slot)
		slot_min = rsm->damaged_slot + 1;
	*r = (struct snapshot_receive){.from = from, .slot_min = slot_min, .buffer = buffer};
	timer_init(&r->timer, silence, rsm);
	log_event(rsm->log, LOG_INFO, "snapshot_fetch_started", "from=%u at_least=%" PRIu64, from, slot_min);
	create(rsm);
}

void snapshot_receive_piece(struct rsm *rsm, const struct wire_paxos *m)
{
	struct snapshot_receive *r = &rsm->receive;
	if (r->step != RECEIVE_FETCH || m->from != r->from || m->slot < r->slot_min)
		return;
	r->retries = 0;
	if (r->slot != 0 && m->slot != r->slot) {
		r->slot = 0;
		node_timer_cancel(rsm->node, &r->timer);
		create(rsm);
		return;
	}
	if (m->position != r->offset || m->data.len == 0 || m->data.len > SNAPSHOT_CHUNK_BYTES ||
	    m->position + m->data.len > m->total || (r->slot != 0 && m->total != r->total))
		return;
	r->slot = m->slot;
	r->total = m->total;
	node_timer_cancel(rsm->node, &r->timer);
	memcpy(r->buffer, m->data.data, m->data.len);
	submit(rsm, RECEIVE_WRITE, (struct disk_request){
					   .operation = DISK_WRITE, .offset = r->offset, .data = r->buffer, .len = m->data.len});
}

/* Reads the next portion of the file for the pass `step`. */
static void read_on(struct rsm *rsm, enum receive_step step)
{
	struct snapshot_receive *r = &rsm->receive;
	uint64_t left = r->total - r->read_at;
	submit(rsm, step, (struct disk_request){
				  .operation = DISK_READ,
				  .offset = r->read_at,
				  .data = r->buffer,
				  .len = left < SNAPSHOT_CHUNK_BYTES ? (size_t)left : SNAPSHOT_CHUNK_BYTES});
}

static void begin_pass(struct rsm *rsm, enum receive_step step)
{
	struct snapshot_receive *r = &rsm->receive;
	snapshot_parser_free(&r->parser);
	r->read_at = 0;
	read_on(rsm, step);
}

/* It may have been asked for before the state was lost, and the log have been applied beyond it. */
static bool is_late(const struct rsm *rsm)
{
	return rsm->state_lost ? rsm->receive.slot < rsm->lost_slot : rsm->receive.slot <= rsm->applied;
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
	submit(rsm, RECEIVE_RENAME, (struct disk_request){.operation = DISK_RENAME,
							  .name = "snapshot-incoming",
							  .new_name = snapshot_name(r->slot, r->name)});
}

static void begin_restore(struct rsm *rsm)
{
	struct snapshot_receive *r = &rsm->receive;
	if (is_late(rsm)) {
		discard_file(rsm, r->file, r->name);
		r->file = NULL;
		r->step = RECEIVE_IDLE;
		paxos_abandon_snapshot(rsm->paxos, node_now_us(rsm->node), 0);
		return;
	}
	snapshot_take_abort(rsm);
	rsm->restoring = true;
	rsm_set_electable(rsm);
	state_restore_begin(rsm);
	begin_pass(rsm, RECEIVE_RESTORE);
}

/*
 * Its checksums hold, and yet what it says is no state: its maker has a fault, or lies. Part of it has replaced ours, which is on disk as it
 * was, snapshot and log: so the state is lost in memory alone, and comes back from another peer, or from the disk at the next start.
 */
static void useless(struct rsm *rsm, const char *why)
{
	struct snapshot_receive *r = &rsm->receive;
	log_event(rsm->log, LOG_ERROR, "snapshot_useless",
		  "from=%u slot=%" PRIu64 " why=\"%s\" action=\"fetching the state from another peer\"", r->from, r->slot, why);
	rsm->damaged_from = r->from;
	rsm->damaged_slot = r->slot;
	/* What has been applied has been taken out of the core: an older state would be of no use any more. */
	rsm->state_lost = true;
	if (rsm->lost_slot < rsm->applied)
		rsm->lost_slot = rsm->applied;
	rsm->restoring = false;
	discard_file(rsm, r->file, r->name);
	r->file = NULL;
	snapshot_parser_free(&r->parser);
	r->step = RECEIVE_IDLE;
	rsm->receive_after_us = node_now_us(rsm->node) + SNAPSHOT_PAUSE_US;
	paxos_abandon_snapshot(rsm->paxos, node_now_us(rsm->node), 0);
}

static void restored(struct rsm *rsm)
{
	struct snapshot_receive *r = &rsm->receive;
	const struct snapshot_header *header = &r->parser.header;
	if (rsm->app->ops->restore_end(rsm->app) != 0 || rsm->app->ops->hash(rsm->app) != header->app_hash) {
		useless(rsm, "the state does not have the hash that its maker gave");
		return;
	}
	rsm->applied = r->slot;
	state_restore_end(rsm, header);
	if (identity_check(rsm) != 0)
		node_fatal(rsm->node, STATUS_IDENTITY, "this replica does not belong to the group whose snapshot it has received");
	rsm->restoring = rsm->state_lost = false;
	rsm->lost_from = 0;
	paxos_install_snapshot(rsm->paxos, node_now_us(rsm->node), r->slot, &rsm->group.bound);
	rsm_set_electable(rsm);
	requests_skipped(rsm, r->slot);
	struct disk_file *file = r->file;
	r->file = NULL;
	r->step = RECEIVE_IDLE;
	snapshot_parser_free(&r->parser);
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
	if (request->status == 0)
		status = snapshot_parse(&r->parser, slice(request->data, request->len), restore ? restore_chunk_into : NULL, rsm);
	r->read_at += request->len;
	if (status == 0 && r->read_at < r->total) {
		read_on(rsm, r->step);
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
	if (request->status == STATUS_NO_SPACE) {
		if (rsm->state_lost)
			state_hash_drop_evidence(rsm);
		give_up(rsm, "disk full", SNAPSHOT_PAUSE_US);
		return;
	}
	if (request->status == STATUS_SHORTAGE) {
		give_up(rsm, "no file descriptor, or no memory", SNAPSHOT_PAUSE_US);
		return;
	}
	/* Whoever cuts a file that is being read has damaged it: pass_portion() sees to that. */
	bool cut = request->status == STATUS_TRUNCATED && (r->step == RECEIVE_VERIFY || r->step == RECEIVE_RESTORE);
	if (request->status != 0 && !cut)
		node_fatal(rsm->node, request->status, "receiving a snapshot: disk error");
	switch (r->step) {
	case RECEIVE_CREATE:
		r->file = request->file;
		ask(rsm);
		break;
	case RECEIVE_WRITE:
		r->offset += request->len;
		if (r->offset < r->total)
			ask(rsm);
		else
			submit(rsm, RECEIVE_SYNC, (struct disk_request){.operation = DISK_SYNC});
		break;
	case RECEIVE_SYNC:
		begin_pass(rsm, RECEIVE_VERIFY);
		break;
	case RECEIVE_VERIFY:
	case RECEIVE_RESTORE:
		pass_portion(rsm, request);
		break;
	case RECEIVE_RENAME:
		submit(rsm, RECEIVE_SYNC_DIRECTORY, (struct disk_request){.operation = DISK_SYNC_DIRECTORY});
		break;
	case RECEIVE_SYNC_DIRECTORY:
		begin_restore(rsm);
		break;
	case RECEIVE_IDLE:
	case RECEIVE_FETCH:
		ASSERT(false);
	}
}

void snapshot_receive_free(struct rsm *rsm)
{
	struct snapshot_receive *r = &rsm->receive;
	if (r->timer.callback != NULL)
		node_timer_cancel(rsm->node, &r->timer);
	snapshot_parser_free(&r->parser);
	free(r->buffer);
}

/*
 * Taking a snapshot while serving. The images of the app and of the sessions are of one moment. The
 * sessions are encoded first, a piece at a time (rsm/sessions_image.h); then one chunk after the other is made and written, each when the one before is on its way.
 *
 * They are made in the background, by a thread that gives way to all others, if the app's image is
 * apart from its state (rsm/app.h), and by the node's own otherwise, at most one a turn. Whoever
 * gives a snapshot up waits until nothing of it is being made. What has been written is synced every
 * SYNC_BYTES: all of it at the end would keep the disk from the log for as long.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "rsm/internal.h"

/* A snapshot for which there was no space is tried again after so long, while the log is full. */
#define SNAPSHOT_FULL_US 5000000u
#define SYNC_BYTES (8u * MIB)
/* Of the sessions, in one turn, and between two. */
#define SESSIONS_BYTES (128u * KIB)
#define SESSIONS_PAUSE_US 100u

static void take_next(struct rsm *rsm);

/* ---- files that are no longer wanted ---- */

struct discard {
	struct list link; /* in rsm.discards */
	struct disk_request close, remove;
	char name[SNAPSHOT_NAME_BYTES];
};

static void discarded(struct discard *d)
{
	list_remove(&d->link);
	free(d);
}

static void removed(struct disk_request *request)
{
	discarded(LIST_ITEM(request, struct discard, remove));
}

static void closed(struct disk_request *request)
{
	discarded(LIST_ITEM(request, struct discard, close));
}

static void closed_before_removal(struct disk_request *request)
{
	(void)request;
}

void discard_file(struct rsm *rsm, struct disk_file *file, const char *name)
{
	struct discard *d = ALLOC(struct discard);
	list_push_back(&rsm->discards, &d->link);
	d->close = (struct disk_request){
		.operation = DISK_CLOSE, .lane = DISK_LANE_BULK, .file = file};
	if (name == NULL) {
		d->close.callback = closed;
		disk_submit(rsm_disk(rsm), &d->close);
		return;
	}
	ASSERT(strlen(name) < sizeof d->name);
	memcpy(d->name, name, strlen(name) + 1);
	d->remove = (struct disk_request){.operation = DISK_REMOVE,
					  .lane = DISK_LANE_BULK,
					  .name = d->name,
					  .callback = removed};
	if (file != NULL) {
		/*
		 * Lanes are first in, first out: the removal's completion also says that the close
		 * is done.
		 */
		d->close.callback = closed_before_removal;
		disk_submit(rsm_disk(rsm), &d->close);
	}
	disk_submit(rsm_disk(rsm), &d->remove);
}

/* ---- taking ---- */

static void release_image(struct rsm *rsm)
{
	struct snapshot_take *t = &rsm->take;
	if (t->image != NULL)
		rsm->app->ops->snapshot_end(t->image);
	t->image = NULL;
}

static void release_buffers(struct rsm *rsm)
{
	struct snapshot_take *t = &rsm->take;
	buffer_free(&t->group);
	buffer_free(&t->sessions);
	buffer_free(&t->raw);
	buffer_free(&t->chunk);
}

/* The one move of a snapshot that is taken. */
static void become(struct rsm *rsm, enum take_step step)
{
	struct snapshot_take *t = &rsm->take;
	log_event(rsm->log, LOG_DEBUG, "snapshot_take_state",
		  "slot=%" PRIu64 " from=\"%s\" to=\"%s\"", t->header.slot,
		  state_name(&TAKE_STATES, t->step), state_name(&TAKE_STATES, step));
	t->step = state_move(&TAKE_STATES, t->step, step);
}

/*
 * Only between two steps of the disk: the caller is the completion of the request, or nothing is
 * under way.
 */
static void take_end(struct rsm *rsm, bool renamed)
{
	struct snapshot_take *t = &rsm->take;
	node_timer_cancel(rsm->node, &t->timer);
	sessions_image_end(&rsm->sessions);
	release_image(rsm);
	release_buffers(rsm);
	if (t->file != NULL)
		discard_file(rsm, t->file, renamed ? t->name : "snapshot-new");
	t->file = NULL;
	become(rsm, TAKE_IDLE);
	snapshot_turn_ended(rsm);
}

void snapshot_take_abort(struct rsm *rsm)
{
	/* Image and buffers belong to the request under way, whose end sees this. */
	rsm->take.aborted = rsm->take.step != TAKE_IDLE;
}

void snapshot_take_free(struct rsm *rsm)
{
	if (rsm->take.step != TAKE_IDLE)
		node_timer_cancel(rsm->node, &rsm->take.timer);
	release_image(rsm);
	release_buffers(rsm);
	LIST_FOR_SAFE (link, after, &rsm->discards)
		discarded(LIST_ITEM(link, struct discard, link));
}

static void take_failed(struct rsm *rsm, int status, const char *what)
{
	if (status == STATUS_IO)
		node_fatal(rsm->node, status, "%s of snapshot-new failed", what);
	if (status == STATUS_SHORTAGE) {
		log_event(rsm->log, LOG_ERROR, "snapshot_postponed",
			  "step=\"%s\" errno=%s action=\"tried again in a second\" "
			  "hint=\"raise the limit of open files (LimitNOFILE=, ulimit -n)\"",
			  what, errno_name(rsm->take.request.error));
		rsm->snapshot_wanted = true;
		rsm->snapshot_renew = rsm->take.renews;
		rsm->take_after_us = node_now_us(rsm->node) + SNAPSHOT_SHORTAGE_US;
		take_end(rsm, false);
		return;
	}
	log_event(rsm->log, LOG_WARN, "snapshot_failed", "step=\"%s\" status=%s", what,
		  status_name(status));
	/* tried again after as much log, or, if the log needs the space, after a while */
	rsm->log_bytes = 0;
	if (status == STATUS_NO_SPACE)
		rsm->take_after_us = node_now_us(rsm->node) + SNAPSHOT_FULL_US;
	if (rsm->take.renews) {
		rsm->snapshot_renew = true;
		if (status != STATUS_NO_SPACE)
			rsm->take_after_us = node_now_us(rsm->node) + SNAPSHOT_PAUSE_US;
	}
	take_end(rsm, rsm->take.step == TAKE_SYNC_DIRECTORY);
}

/*
 * It would take the place of the log, and nobody could restore it. The next comparison finds the
 * fault.
 */
static void take_unsound(struct rsm *rsm)
{
	log_event(rsm->log, LOG_ERROR, "state_unsound",
		  "slot=%" PRIu64 " problem=\"what is kept about the contents of the state "
		  "does not fit them: memory has changed "
		  "by itself\" action=\"no snapshot is taken, the log is kept\"",
		  rsm->take.header.slot);
	rsm->log_bytes = 0; /* tried again after as much log */
	rsm->take_after_us = node_now_us(rsm->node) + SNAPSHOT_UNSOUND_US;
	take_end(rsm, false);
}

static void take_done(struct disk_request *request)
{
	struct rsm *rsm = request->owner;
	struct snapshot_take *t = &rsm->take;
	if (t->step == TAKE_CREATE && request->status == 0)
		t->file = request->file;
	if (t->unsound) {
		take_unsound(rsm);
		return;
	}
	if (request->status != 0) {
		take_failed(rsm, request->status, state_name(&TAKE_STATES, t->step));
		return;
	}
	if (t->aborted) {
		take_end(rsm, t->step >= TAKE_RENAME);
		return;
	}
	if (t->step == TAKE_WRITE)
		t->offset += request->len;
	take_next(rsm);
}

static void take_submit(struct rsm *rsm, struct disk_request request)
{
	/* Descriptors are the bulk lane's. */
	request.lane = request.operation == DISK_CREATE ? DISK_LANE_BULK : DISK_LANE_BACKGROUND;
	request.callback = take_done;
	request.owner = rsm;
	request.file = rsm->take.file;
	rsm->take.request = request;
	disk_submit(rsm_disk(rsm), &rsm->take.request);
}

/*
 * Makes the next portion of the file in t->chunk. False: the state does not fit itself. Another
 * thread does this: it may touch the take, and of the rest what never changes.
 */
static bool make_chunk(struct disk_request *request)
{
	struct rsm *rsm = request->owner;
	struct snapshot_take *t = &rsm->take;
	buffer_clear(&t->chunk);
	if (t->chunks == 0) {
		snapshot_put_header(&t->chunk, &t->header);
		snapshot_put_chunk(&t->chunk, t->chunks++, SNAPSHOT_GROUP, buffer_slice(&t->group));
		snapshot_put_chunk(&t->chunk, t->chunks++, SNAPSHOT_SESSIONS,
				   buffer_slice(&t->sessions));
		buffer_free(&t->sessions);
		request->data = t->chunk.data;
		request->len = t->chunk.len;
		return true;
	}
	buffer_clear(&t->raw);
	int more = rsm->app->ops->snapshot_next(t->image, SNAPSHOT_CHUNK_BYTES, &t->raw);
	if (more < 0) {
		t->unsound = true;
		return false;
	}
	if (t->raw.len > 0)
		snapshot_put_chunk(&t->chunk, t->chunks++, SNAPSHOT_APP, buffer_slice(&t->raw));
	if (more == 0) {
		snapshot_put_chunk(&t->chunk, t->chunks++, SNAPSHOT_END, slice(NULL, 0));
		t->complete = true;
	}
	request->data = t->chunk.data;
	request->len = t->chunk.len;
	return true;
}

static void write_chunk(struct rsm *rsm)
{
	struct snapshot_take *t = &rsm->take;
	struct disk_request request = {.operation = DISK_WRITE, .offset = t->offset, .owner = rsm};
	become(rsm, TAKE_WRITE);
	if (rsm->app->ops->image_is_apart)
		request.make = make_chunk;
	else if (!make_chunk(&request)) {
		take_unsound(rsm);
		return;
	}
	take_submit(rsm, request);
}

static void sync_file(struct rsm *rsm)
{
	rsm->take.synced = rsm->take.offset;
	take_submit(rsm, (struct disk_request){.operation = DISK_SYNC});
}

static void encode_sessions(void *data)
{
	struct rsm *rsm = data;
	struct snapshot_take *t = &rsm->take;
	if (t->aborted) {
		take_end(rsm, false);
		return;
	}
	if (sessions_image_next(&rsm->sessions, SESSIONS_BYTES)) {
		node_timer_after(rsm->node, &t->timer, SESSIONS_PAUSE_US);
		return;
	}
	t->sessions = sessions_image_take(&rsm->sessions);
	take_next(rsm);
}

static void take_next(struct rsm *rsm)
{
	struct snapshot_take *t = &rsm->take;
	switch (t->step) {
	case TAKE_CREATE:
		become(rsm, TAKE_SESSIONS);
		encode_sessions(rsm);
		return;
	case TAKE_SESSIONS: write_chunk(rsm); return;
	case TAKE_WRITE:
		if (t->complete || t->offset >= t->synced + SYNC_BYTES) {
			become(rsm, TAKE_SYNC);
			sync_file(rsm);
			return;
		}
		write_chunk(rsm);
		return;
	case TAKE_SYNC:
		if (!t->complete) {
			write_chunk(rsm);
			return;
		}
		become(rsm, TAKE_RENAME);
		take_submit(rsm, (struct disk_request){
					 .operation = DISK_RENAME,
					 .name = "snapshot-new",
					 .new_name = snapshot_name(t->header.slot, t->name)});
		return;
	case TAKE_RENAME:
		become(rsm, TAKE_SYNC_DIRECTORY);
		take_submit(rsm, (struct disk_request){.operation = DISK_SYNC_DIRECTORY});
		return;
	case TAKE_IDLE: ASSERT(false);
	case TAKE_SYNC_DIRECTORY: break;
	}
	/* It ends with its end, and the state has not been replaced since it began. */
	ASSERT(t->complete && t->header.slot <= rsm->applied && !rsm->restoring);
	struct disk_file *file = t->file;
	t->file = NULL;
	take_end(rsm, true);
	rsm->counters.snapshots_taken++;
	snapshot_adopt(rsm, true, t->header.slot, t->header.ballot, &t->bound, file, t->offset);
}

static void take_start(struct rsm *rsm)
{
	struct snapshot_take *t = &rsm->take;
	*t = (struct snapshot_take){
		.renews = rsm->snapshot_renew,
		.image = rsm->app->ops->snapshot_begin(rsm->app),
		.header =
			{
				.slot = rsm->applied,
				.ballot = rsm->applied_ballot,
				.group = rsm->options.group,
				.time_us = rsm->time_us,
				.app_hash = rsm->app->ops->hash(rsm->app),
			},
	};
	t->bound = rsm->group.bound;
	group_fields_encode(&rsm->group, &t->group);
	timer_init(&t->timer, encode_sessions, rsm);
	sessions_image_begin(&rsm->sessions);
	rsm->snapshot_wanted = rsm->snapshot_renew = false;
	rsm->log_bytes = 0;
	become(rsm, TAKE_CREATE);
	log_event(rsm->log, LOG_INFO, "snapshot_started", "slot=%" PRIu64, rsm->applied);
	snapshot_turn_begun(rsm);
	take_submit(rsm, (struct disk_request){.operation = DISK_CREATE, .name = "snapshot-new"});
}

/*
 * A damaged one is replaced by one of the same slot, if need be; an older one would be looked for
 * in vain behind it.
 */
static uint64_t least_renewed(const struct rsm *rsm)
{
	uint64_t least = rsm->snapshot_renew && rsm->snapshot_slot != 0 ? rsm->snapshot_slot
									: rsm->snapshot_slot + 1;
	return least < rsm->renew_slot ? rsm->renew_slot : least;
}

/* So much log is worth a snapshot: as much as that would write, and not too little. */
static uint64_t due_bytes(const struct rsm *rsm)
{
	uint64_t bytes = rsm->snapshot_bytes, least = rsm->settings.snapshot_log_bytes;
	/* The state may have shrunk since. */
	uint64_t now = rsm->app->ops->bytes == NULL ? bytes : rsm->app->ops->bytes(rsm->app);
	bytes = now < bytes ? now : bytes;
	return bytes > least ? bytes : least;
}

void snapshot_maybe_take(struct rsm *rsm)
{
	/* At the end of nearly every turn. */
	if (rsm->log_bytes < rsm->settings.snapshot_log_bytes && !rsm->snapshot_wanted &&
	    !rsm->snapshot_renew && !wal_full(rsm->wal))
		return;
	uint64_t least = rsm->snapshot_slot + 1;
	if (__builtin_expect(rsm->snapshot_renew | (rsm->renew_slot != 0), 0))
		least = least_renewed(rsm);
	if (rsm->take.step != TAKE_IDLE || rsm->restoring || rsm->state_lost || rsm->stopping ||
	    rsm->applied < least)
		return;
	if (rsm->take_after_us != 0 && node_now_us(rsm->node) < rsm->take_after_us)
		return;
	rsm->take_after_us = 0;
	uint64_t threshold = due_bytes(rsm);
	/* A new snapshot would make a peer that is fetching the old one begin again. */
	if (rsm->snapshot_fetched_us != 0 &&
	    node_now_us(rsm->node) < rsm->snapshot_fetched_us + SNAPSHOT_FETCH_ACTIVE_US)
		threshold *= 4;
	/* Of a full disk it may free more than it takes: what of the log is older. */
	bool frees = wal_full(rsm->wal) && wal_bytes_from(rsm->wal, 0) > 0;
	bool urgent = rsm->snapshot_wanted || rsm->snapshot_renew || frees;
	if (urgent ||
	    (rsm->log_bytes >= threshold && snapshot_turn_may_take(rsm, rsm->log_bytes, threshold)))
		take_start(rsm);
}

void snapshot_adopt(struct rsm *rsm, bool own, uint64_t slot, uint64_t ballot,
		    const struct group_members *bound, struct disk_file *file, uint64_t bytes)
{
	ASSERT(slot >= rsm->snapshot_slot && slot <= rsm->applied);
	char name[SNAPSHOT_NAME_BYTES];
	/*
	 * A lost state may come back at the slot of the own snapshot: the new file has taken the
	 * name of the old one.
	 */
	if (rsm->snapshot_file != NULL)
		discard_file(rsm, rsm->snapshot_file,
			     slot == rsm->snapshot_slot ? NULL
							: snapshot_name(rsm->snapshot_slot, name));
	if (rsm->renew_slot != 0 && rsm->renew_slot < slot)
		discard_file(rsm, NULL, snapshot_name(rsm->renew_slot, name));
	rsm->renew_slot = 0;
	rsm->snapshot_slot = slot;
	rsm->snapshot_file = file;
	rsm->snapshot_bytes = bytes;
	wal_position position;
	if (own) {
		struct wal_record chosen = {.type = WAL_CHOSEN, .slot = slot};
		wal_append(rsm->wal, &chosen, NULL);
	}
	log_index_drop_below(&rsm->index, slot + 1);
	wal_position oldest = log_index_oldest(&rsm->index);
	if (rsm->damage.first != 0 && rsm->damage.first < oldest)
		oldest = rsm->damage.first;
	wal_position starts = stale_write(rsm);
	/*
	 * What is released is written down: whatever else is missing at the next start has been
	 * lost.
	 */
	struct buffer payload = {0};
	buffer_add_u64(&payload, oldest == UINT64_MAX ? 0 : oldest);
	members_encode_field(bound, &payload);
	struct wal_record record = {.type = WAL_SNAPSHOT,
				    .slot = slot,
				    .ballot = ballot,
				    .payload = buffer_slice(&payload)};
	wal_append(rsm->wal, &record, &position);
	buffer_free(&payload);
	position = starts < position ? starts : position;
	wal_release(rsm->wal, oldest < position ? oldest : position);
	log_event(rsm->log, LOG_INFO, "snapshot_in_place", "slot=%" PRIu64 " bytes=%" PRIu64, slot,
		  bytes);
}

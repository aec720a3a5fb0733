/*
 * What a replica does about its own state: take the hash at a mark, tell it, compare, and give the
 * state up.
 */
#include "rsm/state_hash.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "core/consensus.h"
#include "rsm/internal.h"

/*
 * Of the state, in one step of hashing it, as bytes that might be copied in that time: some hundred
 * microseconds …
 */
#define STEP_WORK (256u * KIB)
/* … and the pause after it. */
#define STEP_PAUSE_US 1000u
/* How often is looked whether something is due. */
#define LOOK_US 500000u
/*
 * The leader waits so long for members that say nothing, if the interval is not so short that it
 * must wait less.
 */
#define SILENT_WAIT_US 5000000u
#define EVIDENCE "snapshot-diverged"
/* Names of parts in a line of the log. */
#define NAMED_MAX 8u

static uint64_t interval_us(const struct rsm *rsm)
{
	return rsm->settings.state_hash_interval_ms * 1000;
}

static uint64_t silent_wait_us(const struct rsm *rsm)
{
	uint64_t half_us = interval_us(rsm) / 2;
	return half_us == 0 || half_us > SILENT_WAIT_US ? SILENT_WAIT_US : half_us;
}

static uint64_t look_us(const struct rsm *rsm)
{
	uint64_t third_us = silent_wait_us(rsm) / 3;
	return third_us < LOOK_US ? third_us : LOOK_US;
}

static bool is_walking(const struct state_hash *h)
{
	return h->step == STATE_HASH_SESSIONS || h->step == STATE_HASH_APP;
}

static void arm(struct rsm *rsm)
{
	struct state_hash *h = &rsm->hash;
	bool waiting = h->step == STATE_HASH_DONE && !h->judged;
	if (is_walking(h))
		node_timer_after(rsm->node, &h->timer, STEP_PAUSE_US);
	else if (waiting || interval_us(rsm) != 0)
		node_timer_after(rsm->node, &h->timer, look_us(rsm));
}

/* ---- the hash of the own state ---- */

static void end_audit(struct rsm *rsm)
{
	struct state_hash *h = &rsm->hash;
	if (h->audit != NULL)
		rsm->app->ops->audit_end(h->audit);
	h->audit = NULL;
	rsm->sessions.digest.under_way = false;
}

void state_hash_forget(struct rsm *rsm)
{
	struct state_hash *h = &rsm->hash;
	end_audit(rsm);
	for (uint32_t i = 0; i < MEMBERS_MAX; i++) {
		free(h->reports[i].parts);
		h->reports[i] = (struct state_report){0};
	}
	buffer_free(&h->verdict);
	h->step = STATE_HASH_NONE;
	h->mark_slot = 0;
	h->judged = false;
	h->verdict_ballot = 0;
	h->verdict_reports = 0;
}

/*
 * Of the group, and by what its next entry is applied: before the first settings of a new group
 * have been logged, too.
 */
static uint64_t hash_of_group(const struct rsm *rsm)
{
	struct buffer settings = {0};
	uint64_t hash = digest_mix(group_fields_hash(&rsm->group), rsm->time_us);
	if (rsm->group.settled || !rsm->group.inherited)
		group_settings_encode(&rsm->group.settings, &settings);
	hash = digest_bytes(hash, buffer_slice(&settings));
	buffer_free(&settings);
	return hash;
}

static void mark(struct rsm *rsm, uint64_t slot)
{
	struct state_hash *h = &rsm->hash;
	const struct app_ops *ops = rsm->app->ops;
	state_hash_forget(rsm);
	h->mark_slot = slot;
	h->marked_us = node_now_us(rsm->node);
	h->marks++;
	h->group_part = hash_of_group(rsm);
	h->nparts = 1 + HASH_PARTS_OWN;
	if (ops->audit_begin == NULL) {
		h->app_part = ops->hash(rsm->app);
	} else {
		h->audit = ops->audit_begin(rsm->app);
		h->nparts = ops->audit_parts(h->audit).count + HASH_PARTS_OWN;
		ASSERT(h->nparts <= HASH_PARTS_MAX);
	}
	sessions_digest_begin(&rsm->sessions);
	h->step = STATE_HASH_SESSIONS;
	arm(rsm);
}

static struct state_report *own_report(struct rsm *rsm)
{
	rsm->hash.reports[0].replica = rsm->options.replica;
	return &rsm->hash.reports[0];
}

/* That of another member, or room for one; NULL: there is none. */
static struct state_report *report_of(struct state_hash *h, uint32_t replica)
{
	for (uint32_t i = 1; i < MEMBERS_MAX; i++) {
		if (h->reports[i].replica == 0)
			h->reports[i].replica = replica;
		if (h->reports[i].replica == replica)
			return &h->reports[i];
	}
	return NULL;
}

/* Whose state decides what is right: that of learners is compared with it. */
static bool is_voter(const struct rsm *rsm, uint32_t replica)
{
	const struct group_members *members = &rsm->group.bound;
	const struct group_member *member = members_find(members, replica);
	if (members->slot == 0)
		return replica == rsm->options.replica || known_has_member(rsm, replica);
	return member != NULL && member->role == MEMBER_VOTER;
}

static void judge(struct rsm *rsm, const struct hash_verdict *v);

static void walked(struct rsm *rsm)
{
	struct state_hash *h = &rsm->hash;
	struct app_parts found = {.count = 1, .hashes = &h->app_part, .sound = true};
	struct state_report *own = own_report(rsm);
	struct hash_verdict verdict = {0};
	enum hash_kind kind;
	if (h->audit != NULL)
		found = rsm->app->ops->audit_parts(h->audit);
	own->parts = alloc_zeroed(h->nparts, sizeof *own->parts);
	memcpy(own->parts, found.hashes, found.count * sizeof *own->parts);
	own->parts[found.count] = rsm->sessions.digest.sum;
	own->parts[found.count + 1] = h->group_part;
	own->hash = hash_of_parts(own->parts, h->nparts);
	own->sound = found.sound;
	own->told = true;
	end_audit(rsm);
	h->step = STATE_HASH_DONE;
	h->done_us = node_now_us(rsm->node);
	h->told_us = 0;
	if (h->verdict.len > 0 &&
	    hash_entry_decode(buffer_slice(&h->verdict), &kind, &verdict) == 0)
		judge(rsm, &verdict);
}

static void walk(struct rsm *rsm)
{
	struct state_hash *h = &rsm->hash;
	if (h->step == STATE_HASH_SESSIONS) {
		if (!sessions_digest_next(&rsm->sessions, STEP_WORK))
			h->step = STATE_HASH_APP;
		return;
	}
	if (h->audit == NULL || rsm->app->ops->audit_next(h->audit, STEP_WORK) == 0)
		walked(rsm);
}

/* ---- telling the leader ---- */

static void tell(struct rsm *rsm)
{
	struct state_hash *h = &rsm->hash;
	const struct state_report *own = own_report(rsm);
	uint32_t leader = consensus_leader(rsm->core);
	struct buffer parts = {0};
	if (leader == 0 || leader == rsm->options.replica)
		return;
	for (uint32_t i = 0; i < h->nparts; i++)
		buffer_add_u64(&parts, own->parts[i]);
	union peer_message m = {.state_hash = {.slot = h->mark_slot,
					       .total = h->nparts,
					       .position = own->hash,
					       .flags = own->sound,
					       .data = buffer_slice(&parts)}};
	peers_send(rsm, leader, METHOD_STATE_HASH, &m);
	buffer_free(&parts);
}

const char *state_hash_judge(const struct wire_state_hash *m)
{
	if (m->slot == 0 || m->slot > SLOT_MAX)
		return "slot: beyond every possible one";
	if (m->total <= HASH_PARTS_OWN || m->total > HASH_PARTS_MAX ||
	    m->data.len != m->total * sizeof(uint64_t))
		return "total: not the number of the hashes, or beyond every possible one";
	if (m->flags > 1)
		return "flags: unknown";
	return m->position == hash_of_encoded_parts(m->data)
		       ? NULL
		       : "position: not the hash of the parts";
}

void state_hash_message(struct rsm *rsm, const struct wire_state_hash *m)
{
	struct state_hash *h = &rsm->hash;
	struct slice data = m->data;
	if (h->mark_slot != m->slot || h->nparts != m->total || h->judged ||
	    !is_voter(rsm, m->from))
		return;
	struct state_report *report = report_of(h, m->from);
	if (report == NULL || report->told)
		return;
	report->parts = alloc_zeroed(h->nparts, sizeof *report->parts);
	for (uint32_t i = 0; i < h->nparts; i++)
		(void)slice_take_u64(&data, &report->parts[i]);
	report->hash = m->position;
	report->sound = m->flags == 1;
	report->told = true;
}

/* ---- leader ---- */

/*
 * Of what is proposed with it in one entry, which must fit a segment of the log: those may be
 * small.
 */
static size_t verdict_room(const struct rsm *rsm)
{
	size_t entry = rsm->current == NULL ? ENTRY_HEADER_BYTES : rsm->current->encoding.len;
	size_t taken = WAL_HEADER_BYTES + WAL_RECORD_BYTES + ENTRY_COMMAND_BYTES + entry + 8;
	size_t room = rsm->settings.wal_segment_bytes > taken
			      ? rsm->settings.wal_segment_bytes - taken
			      : 0;
	return room < COMMAND_BYTES_MAX ? room : COMMAND_BYTES_MAX;
}

static void list_differing(struct hash_verdict *v, uint64_t *const parts[REPLICAS_MAX],
			   uint32_t listed_max)
{
	for (uint32_t part = 0; part < v->parts; part++) {
		bool differs = false;
		for (uint32_t i = 1; i < v->nreports; i++)
			differs |= parts[i][part] != parts[0][part];
		if (!differs)
			continue;
		v->differing++;
		if (v->nlisted == listed_max)
			continue;
		struct hash_differing *listed = &v->listed[v->nlisted++];
		listed->part = part;
		for (uint32_t i = 0; i < v->nreports; i++)
			listed->hashes[i] = parts[i][part];
	}
}

/* What has been reported, replicas ascending. */
static void gather(const struct rsm *rsm, struct hash_verdict *v, uint64_t *parts[REPLICAS_MAX])
{
	const struct state_hash *h = &rsm->hash;
	const struct group_members *members = &rsm->group.bound;
	uint32_t voters = members->slot == 0 ? rsm->options.nmembers : members_voters(members);
	*v = (struct hash_verdict){.slot = h->mark_slot, .members = voters, .parts = h->nparts};
	for (uint32_t i = 0; i < MEMBERS_MAX; i++) {
		if (!h->reports[i].told || !is_voter(rsm, h->reports[i].replica))
			continue;
		uint32_t replica = h->reports[i].replica, at = v->nreports++;
		for (; at > 0 && v->reports[at - 1].replica > replica; at--) {
			v->reports[at] = v->reports[at - 1];
			parts[at] = parts[at - 1];
		}
		v->reports[at] = (struct hash_report){.replica = replica,
						      .sound = h->reports[i].sound,
						      .hash = h->reports[i].hash};
		parts[at] = h->reports[i].parts;
	}
}

#define VERDICT_BYTES_MIN (64u + 13u * REPLICAS_MAX)
/* So many hashes are worth their place in the log when nobody is known to need them. */
#define FEW_PARTS 1024u
#define LISTED_BYTES (4u + 8u * REPLICAS_MAX)

static void propose_verdict(struct rsm *rsm)
{
	struct state_hash *h = &rsm->hash;
	struct hash_verdict v;
	struct buffer body = {0}, vector = {0};
	uint64_t *parts[REPLICAS_MAX] = {NULL}, ballot = consensus_epoch(rsm->core);
	size_t room = verdict_room(rsm);
	if (h->step != STATE_HASH_DONE || h->judged)
		return;
	gather(rsm, &v, parts);
	bool waited = node_now_us(rsm->node) >= h->done_us + silent_wait_us(rsm);
	if (v.nreports < v.members && (!waited || 2 * v.nreports <= v.members))
		return;
	if ((h->verdict_ballot == ballot && h->verdict_reports == v.nreports) ||
	    room < VERDICT_BYTES_MIN)
		return;
	size_t listed_max = (room - VERDICT_BYTES_MIN) / LISTED_BYTES;
	list_differing(&v, parts,
		       listed_max < HASH_LISTED_MAX ? (uint32_t)listed_max : HASH_LISTED_MAX);
	uint32_t right = hash_verdict_right(&v);
	/*
	 * Who comes late is told where it differs, too, if there is room for it. So is who has
	 * reported in an earlier life, and finds something else in this one.
	 */
	if ((v.nreports < v.members || v.parts <= FEW_PARTS) && right != HASH_NOBODY &&
	    VERDICT_BYTES_MIN + v.nlisted * LISTED_BYTES + v.parts * sizeof(uint64_t) <= room) {
		for (uint32_t i = 0; i < v.parts; i++)
			buffer_add_u64(&vector, parts[right][i]);
		v.right = buffer_slice(&vector);
	}
	hash_verdict_encode(&v, &body);
	if (requests_add_own(rsm, ENTRY_HASH, buffer_slice(&body))) {
		h->verdict_ballot = ballot;
		h->verdict_reports = v.nreports;
	}
	buffer_free(&body);
	buffer_free(&vector);
}

static void propose_mark(struct rsm *rsm)
{
	struct state_hash *h = &rsm->hash;
	uint64_t now_us = node_now_us(rsm->node), interval = interval_us(rsm);
	struct buffer body = {0};
	if (interval == 0 || is_walking(h) || now_us < h->marked_us + interval)
		return;
	/* The verdict on the last one is given its time. */
	if (h->step == STATE_HASH_DONE && !h->judged && now_us < h->done_us + interval)
		return;
	hash_mark_encode(&body);
	/* If it is lost with leadership the next is due an interval later. */
	if (requests_add_own(rsm, ENTRY_HASH, buffer_slice(&body)))
		h->marked_us = now_us;
	buffer_free(&body);
}

/* ---- the verdict ---- */

static void name_part(struct rsm *rsm, uint32_t part, struct buffer *out)
{
	uint32_t of_app = rsm->hash.nparts - HASH_PARTS_OWN;
	if (part == of_app)
		buffer_format(out, "sessions");
	else if (part == of_app + 1)
		buffer_format(out, "group");
	else if (rsm->app->ops->part_name != NULL)
		rsm->app->ops->part_name(rsm->app, part, out);
	else
		buffer_format(out, "state");
}

struct named {
	struct buffer text;
	uint32_t count;
};

static void add_named(struct rsm *rsm, struct named *named, uint32_t part)
{
	if (named->count++ >= NAMED_MAX)
		return;
	if (named->text.len > 0)
		buffer_format(&named->text, ", ");
	name_part(rsm, part, &named->text);
}

static const char *end_named(struct named *named, uint32_t unlisted)
{
	if (named->count > NAMED_MAX)
		unlisted += named->count - NAMED_MAX;
	if (unlisted > 0)
		buffer_format(&named->text, "%s%" PRIu32 " more",
			      named->text.len > 0 ? " and " : "", unlisted);
	if (named->text.len == 0)
		buffer_format(&named->text, "not known");
	buffer_add_u8(&named->text, 0);
	return (const char *)named->text.data;
}

static void name_all_listed(struct rsm *rsm, const struct hash_verdict *v, struct named *named)
{
	for (uint32_t i = 0; i < v->nlisted; i++)
		add_named(rsm, named, v->listed[i].part);
}

static void say_reports(const struct hash_verdict *v, struct buffer *out)
{
	for (uint32_t i = 0; i < v->nreports; i++)
		buffer_format(out, "%s%" PRIu32 ":%016" PRIx64 "%s", i > 0 ? " " : "",
			      v->reports[i].replica, v->reports[i].hash,
			      v->reports[i].sound ? "" : " (memory does not fit itself)");
	buffer_add_u8(out, 0);
}

static void say_undecided(struct rsm *rsm, const struct hash_verdict *v)
{
	struct named named = {0};
	struct buffer reports = {0};
	name_all_listed(rsm, v, &named);
	say_reports(v, &reports);
	log_event(rsm->log, LOG_ERROR, "state_undecided",
		  "slot=%" PRIu64 " parts=\"%s\" hashes=\"%s\" problem=\"replicas have different "
		  "states, and no majority says "
		  "which is right: all go on; compare what they hold, and wipe the wrong one\"",
		  v->slot, end_named(&named, v->differing - v->nlisted),
		  (const char *)reports.data);
	buffer_free(&named.text);
	buffer_free(&reports);
}

/* This one is right, and some other is not. */
static void say_others(struct rsm *rsm, const struct hash_verdict *v, uint32_t right)
{
	for (uint32_t i = 0; i < v->nreports; i++) {
		struct named named = {0};
		if (v->reports[i].hash == v->reports[right].hash)
			continue;
		for (uint32_t k = 0; k < v->nlisted; k++)
			if (v->listed[k].hashes[i] != v->listed[k].hashes[right])
				add_named(rsm, &named, v->listed[k].part);
		log_event(rsm->log, LOG_WARN, "peer_diverged",
			  "replica=%" PRIu32 " slot=%" PRIu64 " parts=\"%s\" hash=%016" PRIx64
			  " right=%016" PRIx64,
			  v->reports[i].replica, v->slot,
			  end_named(&named, v->differing - v->nlisted), v->reports[i].hash,
			  v->reports[right].hash);
		buffer_free(&named.text);
	}
}

static void note_part(struct rsm_divergence *d, uint32_t part)
{
	if (d->nparts < RSM_DIVERGED_PARTS)
		d->parts[d->nparts] = part;
	d->nparts++;
}

/* Where the own state differs from that of the right ones, as far as the verdict tells. */
static void find_differing(struct rsm *rsm, const struct hash_verdict *v, uint32_t right,
			   struct rsm_divergence *d)
{
	const uint64_t *own = own_report(rsm)->parts;
	struct slice theirs = v->right;
	uint64_t hash;
	for (uint32_t part = 0; slice_take_u64(&theirs, &hash); part++)
		if (own[part] != hash)
			note_part(d, part);
	for (uint32_t i = 0; v->right.len == 0 && i < v->nlisted; i++)
		if (own[v->listed[i].part] != v->listed[i].hashes[right])
			note_part(d, v->listed[i].part);
}

/* ---- giving the state up ---- */

static void evidence_kept(struct disk_request *request)
{
	struct rsm *rsm = request->owner;
	rsm->hash.keeping = false;
	if (request->status == STATUS_IO)
		node_fatal(rsm->node, request->status,
			   "putting a diverged snapshot aside: disk error");
	if (request->status != 0)
		log_event(rsm->log, LOG_WARN, "evidence_not_kept", "status=%s",
			  status_name(request->status));
}

static void evidence_renamed(struct disk_request *request)
{
	struct rsm *rsm = request->owner;
	if (request->status != 0) {
		evidence_kept(request);
		return;
	}
	*request = (struct disk_request){.operation = DISK_SYNC_DIRECTORY,
					 .lane = DISK_LANE_BULK,
					 .callback = evidence_kept,
					 .owner = rsm};
	disk_submit(rsm_disk(rsm), request);
}

static void keep_evidence(struct rsm *rsm)
{
	struct state_hash *h = &rsm->hash;
	snapshot_take_abort(rsm);
	if (rsm->snapshot_file == NULL)
		return;
	discard_file(rsm, rsm->snapshot_file, NULL);
	if (!h->keeping) {
		h->keeping = true;
		h->request = (struct disk_request){
			.operation = DISK_RENAME,
			.lane = DISK_LANE_BULK,
			.name = snapshot_name(rsm->snapshot_slot, h->name),
			.new_name = EVIDENCE,
			.callback = evidence_renamed,
			.owner = rsm};
		disk_submit(rsm_disk(rsm), &h->request);
	}
	rsm->snapshot_file = NULL;
	rsm->snapshot_slot = rsm->snapshot_bytes = 0;
}

void state_hash_drop_evidence(struct rsm *rsm)
{
	if (!rsm->hash.keeping)
		discard_file(rsm, NULL, EVIDENCE);
}

static void give_up_state(struct rsm *rsm, const struct hash_verdict *v, uint32_t right)
{
	struct state_hash *h = &rsm->hash;
	const struct state_report *own = own_report(rsm);
	uint64_t count = h->diverged == NULL ? 0 : h->diverged->count;
	struct named named = {0};
	free(h->diverged);
	h->diverged = ALLOC(struct rsm_divergence);
	*h->diverged = (struct rsm_divergence){.count = count + 1,
					       .slot = v->slot,
					       .own = own->hash,
					       .right = v->reports[right].hash};
	find_differing(rsm, v, right, h->diverged);
	for (uint32_t i = 0; i < h->diverged->nparts && i < RSM_DIVERGED_PARTS; i++)
		add_named(rsm, &named, h->diverged->parts[i]);
	uint32_t unnamed = h->diverged->nparts > RSM_DIVERGED_PARTS
				   ? h->diverged->nparts - RSM_DIVERGED_PARTS
				   : 0;
	log_event(rsm->log, LOG_ERROR, "state_diverged",
		  "slot=%" PRIu64 " parts=\"%s\" own=%016" PRIx64 " right=%016" PRIx64
		  " memory=\"%s\" leading=%s "
		  "action=\"fetching the state from a peer; the old snapshot is kept as " EVIDENCE
		  "\"",
		  v->slot, end_named(&named, unnamed), own->hash, v->reports[right].hash,
		  own->sound ? "fits itself" : "does not fit itself", rsm->leading ? "yes" : "no");
	buffer_free(&named.text);
	rsm->nlost_from = 0;
	for (uint32_t i = 0; i < v->nreports; i++)
		if (v->reports[i].hash == v->reports[right].hash &&
		    v->reports[i].replica != rsm->options.replica)
			rsm->lost_from[rsm->nlost_from++] = v->reports[i].replica;
	rsm->state_lost = true;
	rsm->lost_slot = rsm->applied;
	keep_evidence(rsm);
	state_hash_forget(rsm);
	rsm_set_electable(rsm);
	consensus_resign(rsm->core, node_now_us(rsm->node));
}

static void judge(struct rsm *rsm, const struct hash_verdict *v)
{
	struct state_hash *h = &rsm->hash;
	const struct state_report *own = own_report(rsm);
	uint32_t right = hash_verdict_right(v);
	if (h->judged || v->parts != h->nparts)
		return;
	if (right == HASH_NOBODY) {
		h->undecided++;
		h->undecided_slot = v->slot;
		say_undecided(rsm, v);
		return;
	}
	h->judged = true;
	h->undecided_slot = 0;
	if (own->hash != v->reports[right].hash) {
		give_up_state(rsm, v, right);
		return;
	}
	h->compared++;
	h->compared_slot = v->slot;
	if (!own->sound)
		log_event(rsm->log, LOG_ERROR, "state_unsound",
			  "slot=%" PRIu64 " problem=\"what is kept about the contents of the state "
			  "does not fit them, as with most of the "
			  "group: a fault of this program\"",
			  v->slot);
	if (!hash_verdict_unanimous(v))
		say_others(rsm, v, right);
}

int state_hash_apply(struct rsm *rsm, struct slice body, uint64_t slot)
{
	struct state_hash *h = &rsm->hash;
	struct hash_verdict verdict = {0};
	enum hash_kind kind;
	int status = hash_entry_decode(body, &kind, &verdict);
	if (status != 0)
		return status;
	/* The rest of an entry whose beginning has shown that the state is wrong. */
	if (rsm->state_lost)
		return 0;
	if (kind == HASH_MARK) {
		mark(rsm, slot);
	} else if (verdict.slot == h->mark_slot && h->step == STATE_HASH_DONE) {
		judge(rsm, &verdict);
		/* A state from before this slot would be of no use any more. */
		if (rsm->state_lost)
			rsm->lost_slot = slot;
	} else if (verdict.slot == h->mark_slot && h->step != STATE_HASH_NONE) {
		buffer_clear(&h->verdict);
		buffer_add_slice(&h->verdict, body);
	}
	return 0;
}

/* ---- the timer ---- */

static void due(void *data)
{
	struct rsm *rsm = data;
	struct state_hash *h = &rsm->hash;
	uint64_t now_us = node_now_us(rsm->node);
	if (is_walking(h))
		walk(rsm);
	if (h->step == STATE_HASH_DONE && !h->judged && now_us >= h->told_us + look_us(rsm)) {
		h->told_us = now_us;
		tell(rsm);
	}
	if (rsm->serving && !rsm->stopping && !rsm->state_lost && !wal_full(rsm->wal)) {
		propose_verdict(rsm);
		propose_mark(rsm);
	}
	arm(rsm);
}

void state_hash_init(struct rsm *rsm)
{
	timer_init(&rsm->hash.timer, due, rsm);
}

void state_hash_start(struct rsm *rsm)
{
	rsm->hash.marked_us = node_now_us(rsm->node);
	arm(rsm);
}

void state_hash_free(struct rsm *rsm)
{
	node_timer_cancel(rsm->node, &rsm->hash.timer);
	state_hash_forget(rsm);
	free(rsm->hash.diverged);
}

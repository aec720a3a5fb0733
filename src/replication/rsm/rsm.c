/* The replicated state machine as a whole: creation, the turn, status. */
#include "rsm/rsm.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/settings.h"
#include "rsm/internal.h"

void rsm_settings_default(struct rsm_settings *settings)
{
	*settings = (struct rsm_settings){
		.election_timeout_ms = (uint32_t)SETTING_DEFAULT(election_timeout_ms),
		.heartbeat_interval_ms = (uint32_t)SETTING_DEFAULT(heartbeat_interval_ms),
		.wal_segment_bytes = SETTING_DEFAULT(wal_segment_bytes),
		.entry_bytes = ENTRY_BYTES_SOFT_MAX,
		.snapshot_log_bytes = SETTING_DEFAULT(snapshot_log_bytes),
		.snapshot_turn_bytes = SNAPSHOT_TURN_BYTES,
		.turn_bytes = TURN_BYTES,
		.scrub_interval_ms = SETTING_DEFAULT(scrub_interval_ms),
		.scrub_bytes_per_s = SETTING_DEFAULT(scrub_bytes_per_s),
		.log_cache_bytes = SETTING_DEFAULT(log_cache_bytes),
	};
	group_settings_default(&settings->group);
}

static void notice_last_round(struct rsm *rsm)
{
	if (rsm->rounds_used_up || !consensus_rounds_are_used_up(rsm->core))
		return;
	rsm->rounds_used_up = true;
	log_event(rsm->log, LOG_ERROR, "rounds_used_up",
		  "group=%" PRIu64 " round=%" PRIu64 " problem=\"a peer named the last possible "
		  "round of ballots: this replica follows, but "
		  "stands for no election any more; only forged messages go so far\"",
		  rsm->options.group, BALLOT_ROUND_MAX);
}

static void tick(void *data)
{
	struct rsm *rsm = data;
	settle_lived(rsm);
	consensus_tick(rsm->core, node_now_us(rsm->node));
	if (rsm->applied == 0)
		members_await_birth(rsm);
	notice_last_round(rsm);
}

static void do_more(void *data)
{
	(void)data; /* the end of this turn goes on */
}

static void finish_stop(void *data)
{
	struct rsm *rsm = data;
	if (rsm->stopped)
		return;
	rsm->stopped = true;
	node_timer_cancel(rsm->node, &rsm->stop_timer);
	rsm->node->env->ops->stopped(rsm->node->env);
}

static void copy_members(struct rsm *rsm)
{
	for (uint32_t i = 0; i < rsm->options.nmembers; i++) {
		struct rsm_member *m = &rsm->options.members[i];
		if (m->replica == rsm->options.replica)
			rsm->self = i;
		rsm->texts[3 * i] = alloc_string(m->name);
		rsm->texts[3 * i + 1] = alloc_string(m->address);
		rsm->texts[3 * i + 2] = alloc_string(m->client_address);
		m->name = rsm->texts[3 * i];
		m->address = rsm->texts[3 * i + 1];
		m->client_address = rsm->texts[3 * i + 2];
	}
}

/* ---- metrics ---- */

#define GAUGE(name, expression) \
	static uint64_t name(void *context) \
	{ \
		const struct rsm *rsm = context; \
		return expression; \
	}
GAUGE(read_is_leader, rsm->leading)
GAUGE(read_has_leader, rsm->core != NULL && consensus_leader(rsm->core) != 0)
GAUGE(read_chosen, rsm->core == NULL ? 0 : consensus_chosen_slot(rsm->core))
GAUGE(read_sessions, rsm->sessions.by_client.count)
GAUGE(read_wal_bytes, rsm->wal == NULL ? 0 : wal_disk_bytes(rsm->wal))
GAUGE(read_wal_syncs, rsm->wal == NULL ? 0 : wal_counters(rsm->wal)->batches)
GAUGE(read_wal_written, rsm->wal == NULL ? 0 : wal_counters(rsm->wal)->bytes)
GAUGE(read_pending, rsm->pending_requests)
GAUGE(read_disk_hung, rsm->disk_watch.hung)
GAUGE(read_hash_slot, rsm->hash.compared_slot)
GAUGE(read_diverged, rsm->hash.diverged == NULL ? 0 : rsm->hash.diverged->count)
GAUGE(read_impaired, rsm->core == NULL ? 0 : damage_slots(rsm))
GAUGE(read_disk_damaged, rsm->scrub.damaged_segment != 0 || rsm->snapshot_renew)

static void register_metrics(struct rsm *rsm)
{
	struct metrics *m = &rsm->node->metrics;
	struct rsm_counters *c = &rsm->counters;
	static const struct {
		const char *name, *help;
		uint64_t (*read)(void *);
		enum metric_type type;
	} computed[] = {
		{"synod_server_is_leader", "1 if this replica leads its group.", read_is_leader,
		 METRIC_GAUGE},
		{"synod_server_has_leader", "1 if a leader is known.", read_has_leader,
		 METRIC_GAUGE},
		{"synod_server_proposals_committed_total", "Slots known to be chosen.", read_chosen,
		 METRIC_GAUGE},
		{"synod_server_proposals_pending", "Commands waiting to be chosen.", read_pending,
		 METRIC_GAUGE},
		{"synod_server_sessions", "Client sessions.", read_sessions, METRIC_GAUGE},
		{"synod_disk_wal_bytes", "Bytes of all log segments.", read_wal_bytes,
		 METRIC_GAUGE},
		{"synod_disk_hung", "1 if the log's disk does not answer.", read_disk_hung,
		 METRIC_GAUGE},
		{"synod_state_hash_slot",
		 "Newest slot at which the state was found to be that of the group.",
		 read_hash_slot, METRIC_GAUGE},
		{"synod_state_diverged_total",
		 "Times that the state was found wrong, and fetched anew.", read_diverged,
		 METRIC_COUNTER},
		{"synod_disk_damaged",
		 "1 while a log segment or snapshot that was found damaged has not been replaced "
		 "yet.",
		 read_disk_damaged, METRIC_GAUGE},
		{"synod_log_impaired_slots",
		 "Slots of which damage to the log has left unknown what was accepted in them.",
		 read_impaired, METRIC_GAUGE},
		{"synod_disk_wal_fsyncs_total", "Log syncs.", read_wal_syncs, METRIC_COUNTER},
		{"synod_disk_wal_write_bytes_total", "Bytes written to the log.", read_wal_written,
		 METRIC_COUNTER},
	};
	for (size_t i = 0; i < sizeof computed / sizeof computed[0]; i++)
		metrics_add_read(m, computed[i].type, computed[i].name, computed[i].help, NULL,
				 computed[i].read, rsm);
	const struct {
		const char *name, *help;
		const uint64_t *value;
	} counted[] = {
		{"synod_server_proposals_applied_total", "Slots applied.", &rsm->applied},
		{"synod_server_commands_received_total", "COMMAND requests received as leader.",
		 &c->commands},
		{"synod_server_commands_applied_total", "Commands applied.", &c->applied_commands},
		{"synod_server_commands_repeated_total", "Commands answered from a session.",
		 &c->repeats},
		{"synod_server_commands_refused_total", "Commands refused.", &c->refused},
		{"synod_server_requests_busy_total", "Requests refused because queues were full.",
		 &c->busy},
		{"synod_server_entries_proposed_total", "Entries proposed.", &c->batches},
		{"synod_server_read_indexes_total", "Linearizable reads.", &c->queries},
		{"synod_server_reads_unconfirmed_total",
		 "Of these, reads that the client confirms itself.", &c->unconfirmed},
		{"synod_server_ballots_told_total",
		 "Ballots told to clients that confirm their reads themselves.", &c->ballots_told},
		{"synod_server_reads_indexed_total",
		 "Linearizable reads asked of it while another one led.", &rsm->reads.indexed},
		{"synod_server_reads_stale_total", "Reads of what this replica had at the moment.",
		 &rsm->reads.stale},
		{"synod_server_reads_refused_total", "Of both, those that it could not answer.",
		 &rsm->reads.refused},
		{"synod_server_read_index_asked_total",
		 "Questions to the leader, each for all reads that waited.", &rsm->reads.questions},
		{"synod_server_read_index_told_total", "Answers to such questions, as leader.",
		 &rsm->reads.answered},
		{"synod_server_leader_changes_seen_total", "Elections won by this replica.",
		 &c->elections_won},
		{"synod_server_peer_messages_refused_total",
		 "Messages of other replicas that no replica can have sent.", &rsm->refusals.count},
		{"synod_state_hashes_total", "Comparisons with other replicas that were begun.",
		 &rsm->hash.marks},
		{"synod_state_compared_total", "Of these, those that were found to be right.",
		 &rsm->hash.compared},
		{"synod_state_undecided_total", "Comparisons by which nobody is known to be right.",
		 &rsm->hash.undecided},
		{"synod_disk_hangs_total", "Times that the log's disk did not answer.",
		 &rsm->disk_watch.hangs},
		{"synod_scrub_passes_total",
		 "Times that log and snapshot have been read once more, to find damage.",
		 &rsm->scrub.passes},
		{"synod_scrub_bytes_total", "Bytes read for that.", &rsm->scrub.bytes},
		{"synod_scrub_damaged_total",
		 "Damaged log segments and snapshots that were found while serving.",
		 &rsm->scrub.damaged},
		{"synod_stale_copies_total",
		 "Times that the directory was found to be an older copy of itself.",
		 &rsm->stale.copies},
		{"synod_snapshot_taken_total", "Snapshots written.", &c->snapshots_taken},
		{"synod_snapshot_installed_total", "Snapshots received from a peer.",
		 &c->snapshots_installed},
	};
	for (size_t i = 0; i < sizeof counted / sizeof counted[0]; i++)
		metrics_add(m, METRIC_COUNTER, counted[i].name, counted[i].help, NULL,
			    counted[i].value);
}

/* ---- life ---- */

struct rsm *rsm_create(const struct rsm_options *options)
{
	ASSERT(options->nmembers > 0 && options->nmembers <= MEMBERS_MAX);
	struct rsm *rsm = ALLOC(struct rsm);
	rsm->options = *options;
	rsm->node = options->node;
	rsm->log = options->node->log;
	rsm->app = options->app;
	rsm->settings = options->settings;
	copy_members(rsm);
	ASSERT(rsm->options.members[rsm->self].replica == options->replica);
	arena_init(&rsm->arena, ARENA_BYTES_MAX);
	group_fields_init(&rsm->group);
	sessions_init(&rsm->sessions, rsm->group.settings.sessions_max,
		      rsm->group.settings.session_idle_us);
	list_init(&rsm->ready);
	list_init(&rsm->proposed);
	list_init(&rsm->free_batches);
	list_init(&rsm->snapshot_reads);
	list_init(&rsm->discards);
	timer_init(&rsm->tick, tick, rsm);
	timer_init(&rsm->more_timer, do_more, rsm);
	read_backlog_init(&rsm->backlog);
	read_index_init(rsm);
	timer_init(&rsm->stop_timer, finish_stop, rsm);
	state_hash_init(rsm);
	scrub_init(rsm);
	force_init(rsm);
	snapshot_turn_init(rsm);
	register_metrics(rsm);
	return rsm;
}

int rsm_start(struct rsm *rsm)
{
	int status = recover(rsm);
	if (status == 0)
		status = identity_check(rsm);
	if (status == 0)
		status = stale_start(rsm);
	if (status != 0)
		return status;
	known_take(rsm);
	rsm->started = true;
	rsm->started_us = node_now_us(rsm->node);
	stale_begin(rsm);
	consensus_start(rsm->core, node_now_us(rsm->node));
	state_hash_start(rsm);
	scrub_start(rsm);
	rsm_turn_end(rsm);
	return 0;
}

void rsm_destroy(struct rsm *rsm)
{
	if (rsm == NULL)
		return;
	node_timer_cancel(rsm->node, &rsm->tick);
	node_timer_cancel(rsm->node, &rsm->more_timer);
	node_timer_cancel(rsm->node, &rsm->stop_timer);
	state_hash_free(rsm);
	scrub_free(rsm);
	stale_free(rsm);
	force_free(rsm);
	snapshot_turn_free(rsm);
	snapshot_take_free(rsm);
	snapshot_receive_free(rsm);
	snapshot_send_free(rsm);
	peers_free(rsm);
	read_index_free(rsm);
	requests_destroy(rsm);
	if (rsm->wal != NULL)
		wal_close(rsm->wal);
	if (rsm->core != NULL)
		consensus_destroy(rsm->core);
	log_index_free(&rsm->index);
	sessions_free(&rsm->sessions);
	arena_free(&rsm->arena);
	buffer_free(&rsm->out);
	buffer_free(&rsm->reply_body);
	buffer_free(&rsm->kept_reply);
	known_free(rsm);
	free(rsm->marks);
	for (size_t i = 0; i < sizeof rsm->texts / sizeof rsm->texts[0]; i++)
		free(rsm->texts[i]);
	free(rsm);
}

void rsm_stop_voting(struct rsm *rsm)
{
	if (rsm->lost)
		return;
	rsm->lost = true;
	if (rsm->core != NULL)
		consensus_stop_voting(rsm->core, node_now_us(rsm->node));
}

void rsm_stop(struct rsm *rsm)
{
	rsm->stopping = true;
	bool handed = rsm->started && consensus_transfer(rsm->core, node_now_us(rsm->node), 0);
	log_event(rsm->log, LOG_INFO, "stopping", "handing_over=%s", handed ? "yes" : "no");
	node_timer_after(rsm->node, &rsm->stop_timer, STOP_WAIT_US);
}

/* An orderly stop is over when nobody waits for this replica any more. */
static void check_stop(struct rsm *rsm)
{
	if (!rsm->stopping || rsm->stopped)
		return;
	bool leads_others = consensus_role(rsm->core) == CONSENSUS_LEADER && known_others(rsm) > 0;
	if (!leads_others && wal_pending_bytes(rsm->wal) == 0 && list_empty(&rsm->proposed))
		finish_stop(rsm);
}

/* ---- the turn ---- */

static struct durable_mark *mark_durable(struct rsm *rsm, uint64_t wal_sequence,
					 uint64_t core_sequence)
{
	if (rsm->marks_count == rsm->marks_capacity) {
		uint32_t capacity = rsm->marks_capacity == 0 ? 64 : rsm->marks_capacity * 2;
		struct durable_mark *grown = alloc_zeroed(capacity, sizeof *grown);
		for (uint32_t i = 0; i < rsm->marks_count; i++)
			grown[i] = rsm->marks[(rsm->marks_head + i) % rsm->marks_capacity];
		free(rsm->marks);
		rsm->marks = grown;
		rsm->marks_head = 0;
		rsm->marks_capacity = capacity;
	}
	struct durable_mark *mark =
		&rsm->marks[(rsm->marks_head + rsm->marks_count++) % rsm->marks_capacity];
	*mark = (struct durable_mark){.wal_sequence = wal_sequence, .core_sequence = core_sequence};
	return mark;
}

static void persist_all(struct rsm *rsm, const struct consensus_output *out)
{
	static const enum wal_type types[] = {
		[CONSENSUS_PERSIST_PROMISE] = WAL_PROMISE,
		[CONSENSUS_PERSIST_ACCEPT] = WAL_ACCEPT,
		[CONSENSUS_PERSIST_CHOSEN] = WAL_CHOSEN,
	};
	uint64_t sequence = 0;
	for (uint32_t i = 0; i < out->npersists; i++) {
		const struct consensus_persist *p = &out->persists[i];
		struct wal_record record = {.type = types[p->kind],
					    .slot = p->slot,
					    .ballot = p->ballot,
					    .payload = p->value,
					    .held = p->held};
		uint8_t last[8];
		if (p->kind == CONSENSUS_PERSIST_CHOSEN && p->last != 0) {
			store_u64(last, p->last);
			record.payload = slice(last, sizeof last);
			record.held = NULL;
		}
		wal_position position;
		sequence = wal_append(rsm->wal, &record, &position);
		rsm->log_bytes += WAL_RECORD_BYTES + p->value.len;
		if (p->kind == CONSENSUS_PERSIST_ACCEPT)
			log_index_set(&rsm->index, p->slot, position);
	}
	if (out->npersists == 0)
		return;
	struct durable_mark *mark = mark_durable(rsm, sequence,
						 out->persists[out->npersists - 1].sequence);
	if (rsm_traces(rsm))
		traced_written(rsm, out, mark);
}

/*
 * One round of: what the core wants, carried out in the order that core/consensus.h prescribes.
 */
static void carry_out(struct rsm *rsm)
{
	const struct consensus_output *out = consensus_output(rsm->core, node_now_us(rsm->node));
	persist_all(rsm, out);
	for (uint32_t i = 0; i < out->nsends; i++) {
		union peer_message m = out->sends[i].message;
		/*
		 * What is asked for could not be taken now (see peers_message); the core asks
		 * again.
		 */
		if (out->sends[i].method == METHOD_FETCH && rsm_log_is_congested(rsm))
			continue;
		peers_send_held(rsm, out->sends[i].to, out->sends[i].method, &m,
				out->sends[i].held);
	}
	wal_flush(rsm->wal);
	for (uint32_t i = 0; i < out->nreads; i++) {
		if ((out->reads[i].id & READ_INDEX_BIT) != 0)
			read_index_confirmed(rsm, out->reads[i].id, out->reads[i].slot);
		else
			requests_read_confirmed(rsm, out->reads[i].id, out->reads[i].slot);
	}
	for (uint32_t i = 0; i < out->nold; i++)
		peers_old_fetch(rsm, &out->old[i]);
	if (out->need_snapshot && !rsm->state_lost)
		snapshot_receive_start(rsm, out->snapshot_from, out->snapshot_slot);
	rsm->removed |= out->removed;
}

static bool is_lost_from(const struct rsm *rsm, uint32_t replica)
{
	for (uint32_t i = 0; i < rsm->nlost_from; i++)
		if (rsm->lost_from[i] == replica)
			return true;
	return rsm->nlost_from == 0;
}

/*
 * Without a vote the list that is known here may be an old one: whoever speaks to us may be a
 * member of a later one.
 */
static bool may_have_state(const struct rsm *rsm, uint32_t i)
{
	const struct rsm_seat *seat = &rsm->seats[i];
	return i != rsm->self && seat->replica != 0 &&
	       (seat->listed || (seat->link != 0 && !consensus_votes(rsm->core)));
}

/*
 * Of a damaged snapshot any peer's newer one will do; of a state that has diverged, that of one
 * that was right.
 */
static void recover_state(struct rsm *rsm)
{
	if (!rsm->state_lost || rsm->receive.step != RECEIVE_IDLE)
		return;
	uint32_t others = 0, from = 0, skip;
	for (uint32_t i = 0; i < rsm->nseats; i++)
		others += may_have_state(rsm, i);
	if (others == 0)
		return;
	skip = (uint32_t)(node_random(rsm->node) % others);
	/*
	 * The next one, in turn, from the one that was drawn on; if all who were right have gone,
	 * any.
	 */
	for (uint32_t k = 0, seen = 0; k < 2 * rsm->nseats; k++) {
		const struct rsm_seat *seat = &rsm->seats[k % rsm->nseats];
		if (!may_have_state(rsm, k % rsm->nseats) || seen++ < skip)
			continue;
		if (from == 0 || (!is_lost_from(rsm, from) && is_lost_from(rsm, seat->replica)))
			from = seat->replica;
	}
	snapshot_receive_start(rsm, from, rsm->lost_slot);
}

static void notice_leadership(struct rsm *rsm)
{
	char ballot[BALLOT_TEXT_BYTES];
	bool leading = consensus_role(rsm->core) == CONSENSUS_LEADER;
	if (leading && !rsm->leading) {
		rsm->counters.elections_won++;
		rsm->identity_proposed = false;
		rsm->led_since_us = node_now_us(rsm->node);
		log_event(rsm->log, LOG_INFO, "leader_elected",
			  "ballot=%s group=%" PRIu64 " chosen=%" PRIu64,
			  ballot_text(consensus_epoch(rsm->core), ballot), rsm->options.group,
			  consensus_chosen_slot(rsm->core));
	}
	if (!leading && rsm->leading) {
		rsm->counters.leadership_lost++;
		log_event(rsm->log, LOG_INFO, "leadership_lost", "ballot=%s group=%" PRIu64,
			  ballot_text(consensus_epoch(rsm->core), ballot), rsm->options.group);
	}
	/* Leadership may also have come and gone within one turn, and requests with it. */
	if (!leading && (rsm->current != NULL || rsm->ready_count > 0 || rsm->queries_count > 0 ||
			 rsm->backlog.count > 0 || rsm->change.waits)) {
		members_change_lost(rsm);
		requests_leadership_lost(rsm);
	}
	rsm->leading = leading;
	bool serving = leading && rsm->applied >= consensus_barrier(rsm->core);
	if (serving == rsm->serving)
		return;
	rsm->serving = serving;
	if (rsm->options.leadership != NULL)
		rsm->options.leadership(rsm->options.context, serving);
}

/*
 * Whoever frees space on a full disk need not tell us: the core's ticks bring us here often enough
 * to find out.
 */
static void retry_space(struct rsm *rsm)
{
	uint64_t now = node_now_us(rsm->node);
	if (!wal_wants_space(rsm->wal) || now < rsm->space_retry_us)
		return;
	rsm->space_retry_us = now + SPACE_RETRY_US;
	wal_retry_space(rsm->wal);
}

void rsm_turn_end(struct rsm *rsm)
{
	if (!rsm->started)
		return;
	rsm->turn = (struct turn_work){0};
	relieve_if_full(rsm);
	rsm->lacks_space = consensus_lacks_space(rsm->core, node_now_us(rsm->node));
	read_index_ask(rsm, &rsm->reads);
	/*
	 * Again while applying has opened the window for batches that wait, or made the service
	 * propose: each round proposes.
	 */
	do {
		known_look(rsm);
		notice_leadership(rsm);
		if (rsm->leading) {
			identity_propose(rsm);
			if (rsm->node->env->life != 0 &&
			    (rsm->promotion_round != 0 ||
			     node_now_us(rsm->node) >= rsm->members_at_us))
				members_propose(rsm);
			if (rsm->change.waits)
				members_change_go_on(rsm);
			settle_propose(rsm);
			requests_propose(rsm);
		}
		carry_out(rsm);
		apply_chosen(rsm);
		notice_leadership(rsm);
		requests_serve_reads(rsm);
		read_index_serve(rsm, &rsm->reads);
	} while (requests_can_propose(rsm) && rsm->turn.proposed < PROPOSE_BYTES_PER_TURN &&
		 rsm->turn.applied < rsm->settings.turn_bytes);
	if (requests_can_propose(rsm))
		rsm_go_on(rsm, 0);
	dispatch_end_transfer(rsm);
	settle_tell(rsm);
	members_tell(rsm);
	force_tell(rsm);
	recover_state(rsm);
	if (rsm->damage.first != 0 || consensus_role(rsm->core) == CONSENSUS_CANDIDATE)
		damage_watch(rsm);
	if (rsm->scrub.damaged_segment != 0)
		scrub_heal(rsm);
	snapshot_maybe_take(rsm);
	retry_space(rsm);
	wal_flush(rsm->wal);
	relieve_if_hung(rsm);
	check_stop(rsm);
	uint64_t at = consensus_deadline_us(rsm->core);
	if (!timer_armed(&rsm->tick) || rsm->tick.at_us != at)
		node_timer_at(rsm->node, &rsm->tick, at);
}

bool rsm_message(struct rsm *rsm, link_id from, const struct message *message)
{
	if (!rsm->started)
		return false;
	return peers_message(rsm, from, message) || dispatch_message(rsm, from, message);
}

void rsm_link_down(struct rsm *rsm, link_id link)
{
	for (uint32_t i = 0; i < rsm->nseats; i++)
		if (rsm->seats[i].link == link && rsm->seats[i].address != NULL) {
			if (rsm->started) {
				consensus_peer_lost(rsm->core, node_now_us(rsm->node),
						    rsm->seats[i].replica);
				stale_link_down(rsm, i);
			}
			return;
		}
	requests_link_down(rsm, link);
	read_index_link_down(rsm, link);
}

/* ---- what others want to know ---- */

uint64_t rsm_state_hash(const struct rsm *rsm)
{
	return (rsm->app->ops->hash(rsm->app) * 31 + sessions_hash(&rsm->sessions)) * 31 +
	       group_fields_hash(&rsm->group);
}

void rsm_status(const struct rsm *rsm, struct wire_status *out)
{
	*out = (struct wire_status){.group = rsm->options.group, .replica = rsm->options.replica};
	if (!rsm->started) {
		out->state = slice_string("recovering");
		return;
	}
	const struct rsm_seat *leader = told_leader(rsm);
	uint64_t now = node_now_us(rsm->node);
	out->state = slice_string(!consensus_votes(rsm->core)         ? members_voteless_text(rsm)
				  : rsm->restoring || rsm->state_lost ? "recovering"
				  : rsm_awaits_generation(rsm)
					  ? "unnamed"
					  : consensus_role_text(consensus_role(rsm->core)));
	out->leader = slice_string(leader == NULL ? "" : leader->client_address);
	out->leader_name = slice_string(leader == NULL ? "" : leader->name);
	out->ballot = consensus_epoch(rsm->core);
	out->chosen = consensus_known_chosen(rsm->core);
	out->applied = rsm->applied;
	out->log_first = rsm->index.first;
	out->log_last = consensus_last_slot(rsm->core);
	out->snapshot = rsm->snapshot_slot;
	out->disk_bytes = wal_disk_bytes(rsm->wal) + rsm->snapshot_bytes;
	out->sessions = rsm->sessions.by_client.count;
	out->state_hash_slot = rsm->hash.compared_slot;
	out->state_diverged = rsm->hash.diverged == NULL ? 0 : rsm->hash.diverged->count;
	out->state_undecided = rsm->hash.undecided_slot;
	out->uptime_ms = (now - rsm->started_us) / 1000;
	if (!rsm->leading)
		return;
	for (uint32_t i = 0; i < rsm->nseats; i++) {
		if (!rsm->seats[i].listed)
			continue;
		struct wire_peer_status *peer = &out->peers[out->npeers++];
		uint64_t heard_us;
		peer->replica = rsm->seats[i].replica;
		peer->address = slice_string(rsm->seats[i].client_address);
		consensus_peer(rsm->core, i, now, &peer->matched, &heard_us);
		peer->last_heard_ms = heard_us / 1000;
	}
}

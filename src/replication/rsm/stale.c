/* The rules stand in rsm/starts.h. */
#include "rsm/stale.h"

#include <inttypes.h>
#include <string.h>

#include "core/consensus.h"
#include "rsm/internal.h"
#include "rsm/start_file.h"

#define TICK_HEARTBEATS 4u /* between two looks at what has changed */
#define WRITE_TICKS 4u     /* … and so many of these between two records in the log … */
#define BESIDE_TICKS 32u   /* … if only logs beside have come further */
#define REPEAT_TICKS 16u   /* … and until a leader tells all again, though nothing has changed */
#define EAGER_TIMEOUTS 4u

static uint64_t heartbeat_us(const struct rsm *rsm)
{
	return rsm->settings.heartbeat_interval_ms * 1000ull;
}

static uint64_t timeout_us(const struct rsm *rsm)
{
	return rsm->settings.election_timeout_ms * 1000ull;
}

/* Nobody else belongs to the group, as far as is known. */
static bool alone(const struct rsm *rsm)
{
	for (uint32_t i = 0; i < consensus_peers(rsm->core); i++)
		if (i != rsm->self && consensus_peer_is_listed(rsm->core, i))
			return false;
	return true;
}

static bool is_member(const struct rsm *rsm, uint32_t replica)
{
	for (uint32_t i = 0; i < consensus_peers(rsm->core); i++)
		if (consensus_peer_number(rsm->core, i) == replica)
			return consensus_peer_is_listed(rsm->core, i);
	return false;
}

static bool is_removed(const struct rsm *rsm, uint32_t replica)
{
	return rsm->members.slot != 0 && replica < rsm->members.next_number &&
	       members_find(&rsm->members, replica) == NULL;
}

static uint64_t bound_life(const struct rsm *rsm, uint32_t replica)
{
	const struct consensus_members *members = consensus_members(rsm->core);
	for (uint32_t i = 0; i < members->count; i++)
		if (members->list[i].replica == replica)
			return members->list[i].life;
	return 0;
}

/* ---- what is remembered ---- */

/*
 * Members have room for all their lives; so there is always somebody else to go first. Who has been
 * removed is remembered until then: a leader's last message hands over.
 */
static void make_room(struct rsm *rsm)
{
	struct starts *starts = &rsm->stale.starts;
	for (uint32_t i = 0; i < starts->count && starts->count == STARTS_MAX; i++) {
		uint32_t replica = starts->list[i].replica;
		if (replica != rsm->options.replica && !is_member(rsm, replica))
			starts_forget(starts, replica);
	}
}

/* Where it stands may change. */
static struct start_memory *memory_of(struct rsm *rsm, uint32_t replica, uint64_t life)
{
	struct stale *s = &rsm->stale;
	struct start_memory *memory = starts_find(&s->starts, replica, life);
	if (memory != NULL)
		return memory;
	memset(s->current, 0, sizeof s->current);
	make_room(rsm);
	return starts_get(&s->starts, replica, life, bound_life(rsm, replica));
}

static void note(struct stale *s, struct start_memory *memory, uint64_t promised, uint64_t last)
{
	if (promised > memory->promised) {
		memory->promised = promised;
		s->changed = true;
	}
	if (last > memory->last) {
		memory->last = last;
		s->changed = true;
	}
}

static uint64_t beside_of(const struct rsm *rsm, bool durable)
{
	return rsm->options.beside == NULL ? 0 : rsm->options.beside(rsm->options.context, durable);
}

/*
 * Of itself: nobody else sees what a leader acknowledges to itself, nor what becomes of a log
 * beside.
 */
static void note_own(struct rsm *rsm)
{
	struct stale *s = &rsm->stale;
	struct start_memory *own = memory_of(rsm, rsm->options.replica, s->own.chain.life);
	if (s->found)
		return;
	note(s, own, consensus_durable_promise(rsm->core), consensus_durable_slot(rsm->core));
	uint64_t beside = beside_of(rsm, true);
	if (beside <= own->beside)
		return;
	own->beside = beside;
	s->beside_changed = s->beside_tell_due = true;
}

wal_position stale_write(struct rsm *rsm)
{
	struct stale *s = &rsm->stale;
	struct buffer payload = {0};
	s->write_due = s->beside_write_due = false;
	if (!s->on || s->starts.count == 0)
		return UINT64_MAX;
	wal_position position;
	starts_encode(&s->starts, &payload);
	struct wal_record record = {.type = WAL_STARTS, .payload = buffer_slice(&payload)};
	s->written = s->starts;
	s->written_sequence = wal_append(rsm->wal, &record, &position);
	rsm->log_bytes += WAL_RECORD_BYTES + payload.len;
	buffer_free(&payload);
	return position;
}

static void note_durable(struct rsm *rsm)
{
	struct stale *s = &rsm->stale;
	if (s->written_sequence == 0 || wal_durable(rsm->wal) < s->written_sequence)
		return;
	s->durable = s->written;
	s->written_sequence = 0;
}

void stale_restore(struct rsm *rsm, struct slice payload)
{
	struct starts starts;
	/* It verifies: nobody wrote what cannot be read. */
	if (starts_decode(&starts, payload) == 0)
		rsm->stale.starts = starts;
}

/* ---- whose lives are bound ---- */

/*
 * u64 slot of the entry that binds them, then for each voter u32 replica u64 life. Nothing before
 * the first.
 */
static void bound_encode(const struct consensus_members *members, struct buffer *out)
{
	if (members->slot == 0)
		return;
	buffer_add_u64(out, members->slot);
	for (uint32_t i = 0; i < members->count; i++) {
		if (members->list[i].role != MEMBER_VOTER)
			continue;
		buffer_add_u32(out, members->list[i].replica);
		buffer_add_u64(out, members->list[i].life);
	}
}

static int bound_decode(struct consensus_members *members, struct slice in)
{
	*members = (struct consensus_members){0};
	if (in.len == 0)
		return 0;
	if (!slice_take_u64(&in, &members->slot) || members->slot == 0 || members->slot > SLOT_MAX)
		return STATUS_CORRUPT;
	while (in.len > 0) {
		struct consensus_binding *b = &members->list[members->count];
		if (members->count == REPLICAS_MAX || !slice_take_u32(&in, &b->replica) ||
		    !slice_take_u64(&in, &b->life))
			return STATUS_CORRUPT;
		b->role = MEMBER_VOTER;
		members->count++;
	}
	return 0;
}

/*
 * The newest that anybody has told: we may not know yet who has been bound, nor may they
 * themselves.
 */
static const struct consensus_members *newest_bound(const struct rsm *rsm)
{
	const struct consensus_members *own = consensus_members(rsm->core),
				       *told = &rsm->stale.bound;
	return told->slot > own->slot ? told : own;
}

/* ---- telling, and asking ---- */

static void send_started(struct rsm *rsm, uint32_t seat, bool ask)
{
	struct stale *s = &rsm->stale;
	struct buffer claim = {0}, remembered = {0}, bound = {0};
	start_claim_encode(&s->own, &claim);
	starts_encode(&s->starts, &remembered);
	bound_encode(consensus_members(rsm->core), &bound);
	union peer_message m = {.started = {
					.flags = (ask ? PEER_ASKED : 0) |
						 (consensus_votes(rsm->core) ? 0 : PEER_LEARNER) |
						 (consensus_is_held(rsm->core) ? 0 : PEER_GRANTED) |
						 (s->found ? PEER_UNFIT : 0),
					.chosen = consensus_chosen_slot(rsm->core),
					.data = buffer_slice(&bound),
					.claim = buffer_slice(&claim),
					.remembered = buffer_slice(&remembered),
				}};
	peers_send(rsm, rsm->seats[seat].replica, METHOD_STARTED, &m);
	buffer_free(&claim);
	buffer_free(&remembered);
	buffer_free(&bound);
}

/* At most once a heartbeat. */
static void ask(struct rsm *rsm, uint32_t seat)
{
	uint64_t now_us = node_now_us(rsm->node);
	if (now_us < rsm->stale.asked_us[seat])
		return;
	rsm->stale.asked_us[seat] = now_us + heartbeat_us(rsm);
	send_started(rsm, seat, true);
}

static bool is_other(const struct rsm *rsm, uint32_t seat)
{
	return seat != rsm->self && rsm->seats[seat].listed;
}

static void ask_those_unheard(struct rsm *rsm)
{
	for (uint32_t i = 0; i < rsm->nseats; i++)
		if (is_other(rsm, i) && rsm->stale.heard[i] == 0)
			send_started(rsm, i, true);
}

void stale_ask_all(struct rsm *rsm)
{
	for (uint32_t i = 0; i < rsm->nseats && rsm->stale.on; i++)
		if (is_other(rsm, i))
			send_started(rsm, i, true);
}

static void tell_all(struct rsm *rsm)
{
	for (uint32_t i = 0; i < rsm->nseats; i++)
		if (is_other(rsm, i))
			send_started(rsm, i, rsm->stale.heard[i] == 0);
}

/* ---- before this replica counts ---- */

static bool counts(const struct rsm *rsm, uint32_t seat)
{
	const struct consensus_members *members = newest_bound(rsm);
	uint64_t life = rsm->stale.heard[seat];
	if (life == 0 || members->slot == 0)
		return life != 0 && rsm->seats[seat].listed && !rsm->stale.heard_learner[seat];
	for (uint32_t i = 0; i < members->count; i++)
		if (members->list[i].replica == rsm->seats[seat].replica)
			return members->list[i].role == MEMBER_VOTER &&
			       members->list[i].life == life;
	return false;
}

bool stale_majority_runs(const struct rsm *rsm)
{
	const struct consensus_members *members = newest_bound(rsm);
	uint32_t voters = 0, running = 0;
	for (uint32_t i = 0; i < members->count; i++)
		voters += members->list[i].role == MEMBER_VOTER;
	for (uint32_t i = 0; i < rsm->nseats; i++)
		running += i != rsm->self && counts(rsm, i) && rsm->stale.heard_running[i] &&
			   !rsm->stale.heard_learner[i];
	return members->slot == 0 || 2 * running > voters;
}

/*
 * As many as make a quorum of the newest list with this replica; without it, if it has no vote by
 * that.
 */
static uint32_t needed(const struct rsm *rsm)
{
	const struct consensus_members *members = newest_bound(rsm);
	uint32_t voters = 0;
	bool votes = false;
	if (members->slot == 0)
		return consensus_quorum_others(rsm->core);
	for (uint32_t i = 0; i < members->count; i++) {
		voters += members->list[i].role == MEMBER_VOTER;
		votes |= members->list[i].role == MEMBER_VOTER &&
			 members->list[i].replica == rsm->options.replica;
	}
	return voters / 2 + !votes;
}

static void open_if_heard(struct rsm *rsm)
{
	struct stale *s = &rsm->stale;
	uint32_t heard = 0, awaited = 0;
	if (!consensus_is_held(rsm->core) || s->found || force_keeps_out(rsm) ||
	    !force_is_named(rsm))
		return;
	/*
	 * Who votes by a later list than is known here has a seat when it has spoken, and is not
	 * awaited.
	 */
	for (uint32_t i = 0; i < rsm->nseats; i++) {
		heard += i != rsm->self && counts(rsm, i);
		awaited += is_other(rsm, i) && consensus_peer_is_voter(rsm->core, i) &&
			   s->heard[i] == 0 && !s->absent[i];
	}
	if (heard < needed(rsm) ||
	    (awaited > 0 && node_now_us(rsm->node) < rsm->started_us + timeout_us(rsm)))
		return;
	consensus_hold_vote(rsm->core, false);
}

void stale_reopen(struct rsm *rsm)
{
	open_if_heard(rsm);
}

void stale_keep_out(struct rsm *rsm)
{
	memset(rsm->stale.current, 0, sizeof rsm->stale.current);
	consensus_hold_vote(rsm->core, true);
}

void stale_link_down(struct rsm *rsm, uint32_t seat)
{
	struct stale *s = &rsm->stale;
	if (!s->on)
		return;
	/*
	 * Another process may speak next, which does not know of us; a start that waits to be
	 * compared keeps what it has heard.
	 */
	if (!consensus_is_held(rsm->core))
		s->heard[seat] = 0;
	if (s->heard[seat] != 0)
		return;
	s->absent[seat] = true;
	open_if_heard(rsm);
}

void stale_seat_given(struct rsm *rsm, uint32_t seat)
{
	struct stale *s = &rsm->stale;
	s->current[seat] = NULL;
	s->heard[seat] = s->asked_us[seat] = 0;
	s->heard_learner[seat] = s->heard_running[seat] = s->absent[seat] = false;
}

/* ---- a stale copy ---- */

/*
 * What was acknowledged and is held no more, damage has taken: a copy holds what it remembers of
 * itself. The group may have decided since that there was nothing (paxos/impaired.h), and then the
 * log does not say any more that there was damage.
 */
static uint64_t claimed_last(const struct rsm *rsm)
{
	uint64_t held = consensus_slots_end(rsm->core);
	uint64_t seen = starts_last(&rsm->stale.starts, rsm->options.replica,
				    rsm->stale.own.chain.life);
	return seen > held ? seen : held;
}

static void begin_claim(struct rsm *rsm)
{
	struct stale *s = &rsm->stale;
	s->own.promised = consensus_epoch(rsm->core);
	s->own.last = claimed_last(rsm);
	s->own.beside = beside_of(rsm, false);
	memset(s->heard, 0, sizeof s->heard);
	memset(s->absent, 0, sizeof s->absent);
	s->eager_until_us = node_now_us(rsm->node) + EAGER_TIMEOUTS * timeout_us(rsm);
	starts_accept(memory_of(rsm, rsm->options.replica, s->own.chain.life), &s->own);
	s->changed = true;
}

static void found_stale(struct rsm *rsm, uint32_t seat, enum start_gap gap,
			const struct start_memory *memory)
{
	struct stale *s = &rsm->stale;
	char promised[BALLOT_TEXT_BYTES], remembered[BALLOT_TEXT_BYTES];
	const char *name = rsm->seats[seat].name;
	if (s->found)
		return;
	s->found = true;
	s->copies++;
	log_event(rsm->log, LOG_ERROR, "stale_copy",
		  "group=%" PRIu64 " told_by=%s lacks=\"%s\" starts=%" PRIu64
		  " starts_remembered=%" PRIu64 " promised=%s promised_remembered=%s slot=%" PRIu64
		  " slot_remembered=%" PRIu64 " meaning=\"this directory is an older copy of "
		  "itself, or has been started elsewhere: the replica "
		  "gives up its vote, follows and catches up, and votes again when its group has "
		  "bound it anew, which "
		  "it does by itself (event=member_bound)\"",
		  rsm->options.group, name == NULL ? "later-member" : name, start_gap_text(gap),
		  s->own.chain.count, memory->count, ballot_text(s->own.promised, promised),
		  ballot_text(memory->promised, remembered), s->own.last, memory->last);
	rsm->lost = true;
	memset(s->current, 0, sizeof s->current);
	consensus_lose_vote(rsm->core, node_now_us(rsm->node), 0);
}

/*
 * Bound here, and by a later list another life of the same member: that one took the place of what
 * this directory was copied from, and of that one nobody need remember anything any more.
 */
static bool is_superseded(const struct rsm *rsm)
{
	const struct consensus_members *told = &rsm->stale.bound;
	uint64_t own = rsm->stale.own.chain.life;
	if (told->slot <= consensus_members(rsm->core)->slot ||
	    bound_life(rsm, rsm->options.replica) != own)
		return false;
	for (uint32_t i = 0; i < told->count; i++)
		if (told->list[i].replica == rsm->options.replica)
			return told->list[i].life != own;
	return false;
}

static void renew(struct rsm *rsm)
{
	struct stale *s = &rsm->stale;
	struct env *env = rsm->node->env;
	if (!s->found || s->refused)
		return;
	int status = env->ops->renew_life == NULL ? STATUS_LOST_DIRECTORY
						  : env->ops->renew_life(env);
	if (status == STATUS_LOST_DIRECTORY) {
		s->refused = true;
		log_event(
			rsm->log, LOG_ERROR, "stale_copy_stays",
			"group=%" PRIu64
			" meaning=\"this kind of node cannot begin another life: it takes no part "
			"any more; stop it, and start it with an empty directory "
			"(docs/operations.md)\"",
			rsm->options.group);
	}
	/* Under way, or it has failed: at the next tick. */
	if (status != 0)
		return;
	s->found = false;
	s->own.chain = (struct start_chain){
		.life = env->life, .count = 1, .listed = 1, .nonces = {s->own.chain.nonces[0]}};
	consensus_lose_vote(rsm->core, node_now_us(rsm->node), env->life);
	consensus_hold_vote(rsm->core, false);
	begin_claim(rsm);
	ask_those_unheard(rsm);
}

/* ---- what others say ---- */

/* True: it is of another process than before, that may not know ours. */
static bool take_claim(struct rsm *rsm, uint32_t seat, const struct message *message,
		       const struct wire_started *m, bool *answer)
{
	struct stale *s = &rsm->stale;
	struct start_claim claim;
	if (m->claim.len == 0 || start_claim_decode(&claim, m->claim) != 0 ||
	    claim.chain.life != m->life || claim.chain.nonces[0] != message->origin)
		return false;
	struct start_memory *memory = memory_of(rsm, m->from, m->life);
	if (starts_judge(memory, &claim) != START_GAP_NONE) {
		/* It will be told what is remembered. */
		*answer = true;
		return false;
	}
	if (memory->nonce == message->origin)
		return false;
	starts_accept(memory, &claim);
	s->changed = true;
	/* Another process than the one that had compared ours may have forgotten it. */
	s->heard[seat] = 0;
	return true;
}

static void take_memory(struct rsm *rsm, uint32_t seat, const struct wire_started *m,
			const struct start_memory *theirs)
{
	struct stale *s = &rsm->stale;
	if (theirs->replica != rsm->options.replica) {
		uint32_t of = rsm_seat(rsm, theirs->replica);
		/* Of a member that is not known here yet it will be told again. */
		if (of == UINT32_MAX || !rsm->seats[of].listed)
			return;
		const struct start_memory *own = starts_find(&s->starts, theirs->replica,
							     theirs->life);
		bool other = own == NULL || own->nonce != theirs->nonce;
		if (own == NULL) {
			memset(s->current, 0, sizeof s->current);
			make_room(rsm);
		}
		bool only_beside = own != NULL && own->nonce == theirs->nonce &&
				   own->promised >= theirs->promised && own->last >= theirs->last;
		enum starts_told told = starts_tell(&s->starts, theirs,
						    bound_life(rsm, theirs->replica));
		s->changed |= told == STARTS_TOLD_MORE && !only_beside;
		s->beside_changed |= told == STARTS_TOLD_MORE && only_beside;
		/*
		 * It may not know of us: its list is an older one, or its configuration, and we are
		 * no leader that speaks to it.
		 */
		if (told == STARTS_TOLD_OTHER || (other && told == STARTS_TOLD_MORE))
			ask(rsm, of);
		return;
	}
	if (theirs->life != s->own.chain.life)
		return;
	enum start_gap gap = starts_judge(theirs, &s->own);
	if (gap != START_GAP_NONE) {
		found_stale(rsm, seat, gap, theirs);
		return;
	}
	/* More than is held here any more, if damage has taken it. */
	note(s, memory_of(rsm, rsm->options.replica, s->own.chain.life), 0, theirs->last);
	if (theirs->nonce == s->own.chain.nonces[0] && (m->flags & PEER_UNFIT) == 0) {
		s->heard[seat] = m->life;
		s->heard_learner[seat] = (m->flags & PEER_LEARNER) != 0;
		s->heard_running[seat] = (m->flags & PEER_GRANTED) != 0;
	}
}

/*
 * It does not stand before it has been compared, and who has gone need not be: it hears from the
 * core that it has.
 */
static void answer_removed(struct rsm *rsm, const struct wire_started *m)
{
	union peer_message pre_vote = {
		.pre_vote = {.group = m->group, .from = m->from, .to = m->to, .life = m->life}};
	consensus_receive(rsm->core, node_now_us(rsm->node), METHOD_PRE_VOTE, &pre_vote);
}

void stale_message(struct rsm *rsm, uint32_t seat, const struct message *message,
		   const struct wire_started *m)
{
	struct stale *s = &rsm->stale;
	struct starts theirs;
	struct consensus_members bound;
	bool answer = (m->flags & PEER_ASKED) != 0;
	if (!s->on || m->life == 0 || starts_decode(&theirs, m->remembered) != 0 ||
	    bound_decode(&bound, m->data) != 0)
		return;
	if (is_removed(rsm, m->from)) {
		if (answer && !rsm_is_doubted(rsm))
			answer_removed(rsm, m);
		return;
	}
	s->absent[seat] = false;
	if (bound.slot > s->bound.slot)
		s->bound = bound;
	bool other = take_claim(rsm, seat, message, m, &answer);
	for (uint32_t i = 0; i < theirs.count; i++)
		take_memory(rsm, seat, m, &theirs.list[i]);
	if (is_superseded(rsm))
		found_stale(rsm, seat, START_GAP_LIFE,
			    memory_of(rsm, rsm->options.replica, s->own.chain.life));
	/*
	 * Whoever answers asks only if there is news: two that do not count for each other would go
	 * on for ever.
	 */
	if (answer || other)
		send_started(rsm, seat, other && s->heard[seat] == 0);
	renew(rsm);
	open_if_heard(rsm);
}

bool rsm_is_doubted(const struct rsm *rsm)
{
	return consensus_is_held(rsm->core) || rsm->stale.found;
}

/* T1; and T2, for nobody is current before. */
bool stale_admit_other(struct rsm *rsm, uint32_t seat, const struct message *message,
		       union peer_message *m)
{
	struct stale *s = &rsm->stale;
	bool removes = message->method == METHOD_REJECT && (m->reject.flags & PEER_REMOVED) != 0;
	/*
	 * Of that nothing gets into the log. Who speaks and is not known here may be of a later
	 * list, of which only it knows.
	 */
	if (rsm_is_doubted(rsm)) {
		if (!rsm->seats[seat].listed && m->head.life != 0 && !removes)
			ask(rsm, seat);
		/* What is chosen is told whoever wants to know. */
		return removes || message->method == METHOD_FETCH ||
		       message->method == METHOD_SNAPSHOT_FETCH;
	}
	/* From a world that tells no lives. */
	if (m->head.life == 0)
		return true;
	struct start_memory *memory = starts_find(&s->starts, m->head.from, m->head.life);
	if (memory != NULL && memory->nonce == message->origin) {
		s->current[seat] = memory;
		return true;
	}
	/* Of a stranger nothing counts (paxos/members.c), but that a leader has handed over. */
	if (!rsm->seats[seat].listed && message->method != METHOD_TAKE_OVER &&
	    is_removed(rsm, m->head.from))
		return true;
	ask(rsm, seat);
	if (consensus_kind(rsm->core, message->method) == CONSENSUS_KIND_ACCEPTED) {
		consensus_discount(rsm->core, m);
		return true;
	}
	switch (message->method) {
	case METHOD_FETCH:
	case METHOD_CHOSEN:
	case METHOD_SNAPSHOT_FETCH:
	case METHOD_SNAPSHOT_CHUNK: return true;
	default: return false;
	}
}

const char *stale_judge(const struct wire_started *m)
{
	struct start_claim claim;
	struct starts starts;
	struct consensus_members bound;
	if ((m->flags & ~(uint32_t)(PEER_ASKED | PEER_LEARNER | PEER_UNFIT | PEER_GRANTED)) != 0)
		return "flags: not those of a start";
	if (m->chosen > SLOT_MAX)
		return "chosen: beyond every possible slot";
	if (bound_decode(&bound, m->data) != 0)
		return "data: no lives that are bound";
	if (start_claim_decode(&claim, m->claim) != 0)
		return "claim: not that of a start";
	return starts_decode(&starts, m->remembered) == 0 ? NULL
							  : "remembered: not a memory of starts";
}

/* ---- time ---- */

static void arm(struct rsm *rsm)
{
	struct stale *s = &rsm->stale;
	bool eager = consensus_is_held(rsm->core) || node_now_us(rsm->node) < s->eager_until_us;
	node_timer_after(rsm->node, &s->timer, heartbeat_us(rsm) * (eager ? 1 : TICK_HEARTBEATS));
}

/* Whoever leads anew is told what is remembered here; and tells the others. */
static void spread(struct rsm *rsm)
{
	struct stale *s = &rsm->stale;
	uint32_t leader = consensus_leader(rsm->core);
	uint32_t seat = leader == 0 ? UINT32_MAX : rsm_seat(rsm, leader);
	if ((leader != s->leader || s->beside_tell_due) && seat != UINT32_MAX &&
	    seat != rsm->self) {
		s->beside_tell_due = false;
		send_started(rsm, seat, s->heard[seat] == 0);
	}
	s->leader = leader;
	if (seat == rsm->self && (s->tell_due || s->ticks % REPEAT_TICKS == 0)) {
		s->tell_due = false;
		tell_all(rsm);
	}
}

static void tick(void *data)
{
	struct rsm *rsm = data;
	struct stale *s = &rsm->stale;
	s->ticks++;
	known_look(rsm);
	/* Nobody could tell, and nobody is told. */
	if (alone(rsm) && !s->found) {
		consensus_hold_vote(rsm->core, force_keeps_out(rsm));
		arm(rsm);
		return;
	}
	renew(rsm);
	note_own(rsm);
	note_durable(rsm);
	s->tell_due |= s->changed | s->beside_changed;
	s->write_due |= s->changed;
	s->beside_write_due |= s->beside_changed;
	s->changed = s->beside_changed = false;
	if (node_now_us(rsm->node) < s->eager_until_us || s->ticks % REPEAT_TICKS == 0)
		ask_those_unheard(rsm);
	/* Who has been heard may have begun to vote since. */
	if (s->ticks % TICK_HEARTBEATS == 0 && consensus_is_held(rsm->core) && !force_is_named(rsm))
		stale_ask_all(rsm);
	spread(rsm);
	bool write = (s->write_due && s->ticks % WRITE_TICKS == 0) ||
		     (s->beside_write_due && s->ticks % BESIDE_TICKS == 0);
	if (write && !rsm_log_is_congested(rsm))
		stale_write(rsm);
	open_if_heard(rsm);
	arm(rsm);
}

int stale_start(struct rsm *rsm)
{
	struct stale *s = &rsm->stale;
	struct env *env = rsm->node->env;
	uint64_t nonce = rsm->node->tracer.life;
	timer_init(&s->timer, tick, rsm);
	s->durable = s->starts;
	if (env->life == 0 || nonce == 0)
		return 0;
	int status = start_file_note(env->disk, rsm->log, env->life, nonce, &s->own.chain);
	if (status != 0)
		return status;
	s->on = true;
	begin_claim(rsm);
	consensus_hold_vote(rsm->core, !alone(rsm));
	return 0;
}

void stale_begin(struct rsm *rsm)
{
	if (!rsm->stale.on)
		return;
	ask_those_unheard(rsm);
	arm(rsm);
}

void stale_free(struct rsm *rsm)
{
	if (rsm->stale.on)
		node_timer_cancel(rsm->node, &rsm->stale.timer);
}

/* ---- for whoever makes copies ---- */

void rsm_moment(const struct rsm *rsm, struct rsm_moment *out)
{
	const struct start_chain *chain = &rsm->stale.own.chain;
	*out = (struct rsm_moment){.life = chain->life, .root = chain->root, .count = chain->count};
	out->promised = consensus_epoch(rsm->core);
	out->last = claimed_last(rsm);
	out->beside = beside_of(rsm, false);
}

bool rsm_remembers_more(const struct rsm *rsm, uint32_t replica, const struct rsm_moment *moment)
{
	for (uint32_t i = 0; i < rsm->stale.durable.count; i++) {
		const struct start_memory *memory = &rsm->stale.durable.list[i];
		if (memory->replica == replica && memory->life == moment->life)
			return memory->promised > moment->promised || memory->last > moment->last ||
			       memory->beside > moment->beside ||
			       (memory->root == moment->root && moment->root != 0 &&
				memory->count > moment->count);
	}
	return false;
}

/* Slots of which damage has left unknown what was accepted in them (paxos/impaired.h). */
#include "../support/check_main.h"
#include "bench.h"
#include "paxos/judge.h"

/* ---- sets ---- */

#define SET_SLOTS 200u

/* Against a plain array. With many ranges a set may hold more, never less. */
START_TEST(sets_hold_what_was_put_in)
{
	struct rng rng;
	rng_seed(&rng, 7);
	for (int run = 0; run < 40; run++) {
		struct impaired set = {0};
		bool in[SET_SLOTS + 1] = {false};
		bool exact = true;
		for (int step = 0; step < 120; step++) {
			uint64_t first = rng_range(&rng, 1, SET_SLOTS),
				 last = first + rng_below(&rng, 4);
			if (last > SET_SLOTS)
				last = SET_SLOTS;
			uint64_t kind = rng_below(&rng, 20);
			exact = exact && set.count < IMPAIRED_RANGES_MAX - 1;
			if (kind < 12) {
				impaired_add(&set, first, last);
				for (uint64_t slot = first; slot <= last; slot++)
					in[slot] = true;
			} else if (kind < 18) {
				impaired_remove(&set, first);
				in[first] = false;
			} else if (kind == 18) {
				impaired_drop_below(&set, first / 4);
				for (uint64_t slot = 1; slot < first / 4; slot++)
					in[slot] = false;
			} else {
				impaired_drop_from(&set, SET_SLOTS - first / 4);
				for (uint64_t slot = SET_SLOTS - first / 4; slot <= SET_SLOTS;
				     slot++)
					in[slot] = false;
			}
			uint64_t slots = 0;
			for (uint64_t slot = 1; slot <= SET_SLOTS; slot++) {
				ck_assert(!in[slot] || impaired_has(&set, slot));
				ck_assert(!exact || in[slot] == impaired_has(&set, slot));
				slots += impaired_has(&set, slot);
			}
			ck_assert_uint_eq(slots, impaired_slots(&set));
			for (uint32_t i = 1; i < set.count; i++)
				ck_assert_uint_gt(set.ranges[i].first, set.ranges[i - 1].last + 1);
		}
	}
	struct impaired open = {0};
	impaired_add(&open, 5, SLOT_MAX);
	ck_assert_uint_eq(impaired_slots(&open), UINT64_MAX);
}
END_TEST

/* ---- the acceptor ---- */

static struct wire_entry entry_of(uint64_t slot, uint64_t ballot, const char *value)
{
	return (struct wire_entry){.slot = slot, .ballot = ballot, .value = slice_string(value)};
}

/*
 * Replica 3, which holds slots 1 … 6 of ballot 1.1, of which 4 is known to be chosen; impaired are
 * 2, and all from 6 on.
 */
static void damaged_replica(struct bench *b, uint32_t self)
{
	struct consensus_options options;
	bench_init(b, self, 3);
	options = b->core->options;
	paxos_destroy(b->core);
	b->core = paxos_create(&options, 0);
	for (uint64_t slot = 1; slot <= 6; slot++)
		paxos_restore_entry(b->core, slot, ballot_make(1, 1), slice_string("old"));
	paxos_restore_promise(b->core, ballot_make(2, 2));
	paxos_restore_impaired(b->core, 2, 2);
	paxos_restore_impaired(b->core, 6, SLOT_MAX);
	paxos_restore_impaired_below(b->core, ballot_make(2, 2) + 1);
	paxos_restore_chosen(b->core, 4);
	paxos_restore_known(b->core, 1, 4);
	paxos_start(b->core, b->now_us);
	b->now_us += options.election_timeout_us;
}

static void damaged(struct bench *b)
{
	damaged_replica(b, 3);
}

/*
 * faults: 14. Its log knows that more is chosen than anybody else does, and has lost it: it asks
 * those who know a part, in whatever seat it sits itself.
 */
START_TEST(who_knows_less_than_the_own_log_is_asked)
{
	for (uint32_t self = 1; self <= 3; self++) {
		struct bench b;
		uint32_t other = self % 3 + 1;
		damaged_replica(&b, self);
		receive(&b, METHOD_PRE_VOTE,
			(struct wire_peer_any){
				.from = other, .ballot = ballot_make(3, other), .chosen = 3});
		const struct sent *fetch = sent(settle(&b), other, METHOD_FETCH);
		ck_assert_ptr_nonnull(fetch);
		ck_assert_uint_eq(fetch->message.slot, 2);
		paxos_destroy(b.core);
	}
}
END_TEST

/* faults: 14. Who asks for what comes next says what it knows to be chosen, and is asked for that. */
START_TEST(who_fetches_later_slots_is_asked_for_what_is_missing)
{
	struct bench b;
	damaged(&b);
	receive(&b, METHOD_FETCH, (struct wire_peer_any){.from = 2, .slot = 9, .chosen = 8});
	const struct sent *fetch = sent(settle(&b), 2, METHOD_FETCH);
	ck_assert_ptr_nonnull(fetch);
	ck_assert_uint_eq(fetch->message.slot, 2);
	paxos_destroy(b.core);
}
END_TEST

/*
 * faults: 14, 15. A promise of a damaged log names the slots for which it may have lost what it
 * accepted.
 */
START_TEST(a_promise_names_what_it_cannot_answer_for)
{
	struct bench b;
	uint64_t ballot = ballot_make(3, 1);
	damaged(&b);
	ck_assert_uint_eq(paxos_chosen_slot(b.core), 1);
	receive(&b, METHOD_PREPARE, (struct wire_peer_any){.from = 1, .ballot = ballot, .slot = 1});
	settle(&b);
	sync_all(&b);
	const struct sent *promise = sent(settle(&b), 1, METHOD_PROMISE);
	ck_assert_ptr_nonnull(promise);
	const struct wire_peer_any *m = &promise->message;
	ck_assert_uint_eq(m->nentries, 5);
	ck_assert_uint_eq(m->nimpaired, 2);
	ck_assert(m->impaired[0].first == 2 && m->impaired[0].last == 2);
	ck_assert(m->impaired[1].first == 6 && m->impaired[1].last == SLOT_MAX);
	/* And what of the rest it knows to be chosen. */
	ck_assert_uint_eq(m->nknown, 1);
	ck_assert(m->known[0].first == 3 && m->known[0].last == 4);
	paxos_destroy(b.core);
}
END_TEST

static const struct consensus_persist *written(const struct consensus_output *out,
					       enum consensus_persist_kind kind)
{
	for (uint32_t i = 0; i < out->npersists; i++)
		if (out->persists[i].kind == kind)
			return &out->persists[i];
	return NULL;
}

/*
 * faults: 14, 15. Also if it is what the log has: it stands before the damage. Only then are the
 * log's notes those of a whole one.
 */
START_TEST(what_is_learnt_is_written_again)
{
	struct bench b;
	damaged(&b);
	struct wire_entry entries[] = {entry_of(2, ballot_make(1, 1), "old"),
				       entry_of(3, ballot_make(1, 1), "old")};
	receive(&b, METHOD_CHOSEN,
		(struct wire_peer_any){
			.from = 1, .slot = 2, .chosen = 4, .nentries = 2, .entries = entries});
	const struct consensus_output *out = settle(&b);
	ck_assert_uint_eq(paxos_chosen_slot(b.core), 4);
	const struct consensus_persist *accept = written(out, CONSENSUS_PERSIST_ACCEPT),
				       *chosen = written(out, CONSENSUS_PERSIST_CHOSEN);
	ck_assert(accept != NULL && accept->slot == 2);
	ck_assert(chosen != NULL && chosen->slot == 4 && chosen->ballot == 0 && chosen->last == 0);
	ck_assert_uint_eq(b.core->impaired.count, 1);
	paxos_destroy(b.core);
}
END_TEST

/*
 * faults: 14, 15. Its ballot must be above all that were lost; and what is before its barrier may
 * be on its disk alone, or on none.
 */
START_TEST(what_a_leader_is_sure_of_is_impaired_no_longer)
{
	for (uint32_t later = 0; later < 2; later++) {
		struct bench b;
		uint64_t ballot = later ? ballot_make(3, 1) : ballot_make(2, 2);
		uint32_t from = later ? 1 : 2;
		damaged(&b);
		struct wire_entry entry = {.slot = 8, .value = slice_string("new")};
		receive(&b, METHOD_ACCEPT,
			(struct wire_peer_any){.from = from,
					       .ballot = ballot,
					       .flags = PEER_FIRST,
					       .nentries = 1,
					       .entries = &entry});
		settle(&b);
		ck_assert(impaired_has(&b.core->impaired, 7) &&
			  !impaired_has(&b.core->impaired, 8));
		ck_assert(impaired_has(&b.core->impaired, 9) &&
			  impaired_has(&b.core->impaired, SLOT_MAX));
		receive(&b, METHOD_ACCEPT,
			(struct wire_peer_any){.from = from,
					       .ballot = ballot,
					       .sequence = 1,
					       .slot = 9,
					       .chosen = 0});
		settle(&b);
		ck_assert(impaired_has(&b.core->impaired, 7) && impaired_has(&b.core->impaired, 9));
		ck_assert(impaired_has(&b.core->impaired, 10) == (later == 0));
		/* It is not to be handed over to. */
		sync_all(&b);
		const struct sent *accepted = sent(settle(&b), from, METHOD_ACCEPTED);
		ck_assert(accepted == NULL || (accepted->message.flags & PEER_UNFIT) != 0);
		paxos_destroy(b.core);
	}
}
END_TEST

/* ---- the candidate ---- */

static void stand(struct bench *b, uint32_t members)
{
	bench_init(b, 1, members);
	/* There have been others. */
	receive(b, METHOD_PRE_VOTE_REPLY,
		(struct wire_peer_any){.from = 2, .ballot = ballot_make(2, 2)});
	b->now_us = paxos_deadline_us(b->core);
	paxos_tick(b->core, b->now_us);
	settle(b);
	for (uint32_t i = 2; i <= members / 2 + 1; i++)
		receive(b, METHOD_PRE_VOTE_REPLY,
			(struct wire_peer_any){
				.from = i, .sequence = b->core->ballot, .flags = PEER_GRANTED});
	settle(b);
	sync_all(b);
	settle(b);
	ck_assert_int_eq(paxos_role(b->core), CONSENSUS_CANDIDATE);
}

static void promise_from(struct bench *b, uint32_t from, struct wire_peer_any m)
{
	m.from = from;
	m.to = 1;
	m.group = 1;
	m.ballot = b->core->ballot;
	m.slot = 1;
	ck_assert_ptr_null(judge_any(b, METHOD_PROMISE, &m));
	receive(b, METHOD_PROMISE, m);
}

/*
 * faults: 15. For a slot that a promise names as impaired, its silence does not count: another's
 * must say it.
 */
START_TEST(an_impaired_promise_does_not_count)
{
	struct bench b;
	struct wire_range third = {3, 3}, open = {9, SLOT_MAX};
	struct wire_entry value = entry_of(3, ballot_make(1, 3), "chosen by 2 and 3");
	uint32_t impaired, silent;
	/* In slot 3 the other two may have chosen something: nobody who is there can say. */
	stand(&b, 3);
	promise_from(&b, 2, (struct wire_peer_any){.nimpaired = 1, .impaired = &third});
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_CANDIDATE);
	ck_assert_uint_eq(paxos_undecided(b.core, &impaired, &silent), 3);
	ck_assert_uint_eq(impaired, 2);
	ck_assert_uint_eq(silent, 4);
	promise_from(&b, 3, (struct wire_peer_any){.nentries = 1, .entries = &value});
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_LEADER);
	struct bytes *held;
	ck_assert(paxos_accepted(b.core, 3, &held) && held != NULL);
	ck_assert_uint_eq(paxos_undecided(b.core, &impaired, &silent), 0);
	paxos_destroy(b.core);
	/* Nor may what lies behind everything that anybody reports be taken for empty. */
	stand(&b, 3);
	promise_from(&b, 2, (struct wire_peer_any){.nimpaired = 1, .impaired = &open});
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_CANDIDATE);
	ck_assert_uint_eq(paxos_undecided(b.core, &impaired, &silent), 9);
	promise_from(&b, 3, (struct wire_peer_any){0});
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_LEADER);
	paxos_destroy(b.core);
}
END_TEST

/* faults: 15. Two damaged logs that have lost different slots make up a quorum for both. */
START_TEST(damage_in_different_slots_is_survived)
{
	struct bench b;
	struct wire_range a = {2, 2}, c = {4, 4};
	struct wire_entry values[] = {entry_of(2, ballot_make(1, 3), "two"),
				      entry_of(4, ballot_make(1, 3), "four")};
	stand(&b, 5);
	promise_from(&b, 2,
		     (struct wire_peer_any){
			     .nentries = 1, .entries = &values[1], .nimpaired = 1, .impaired = &a});
	promise_from(&b, 3,
		     (struct wire_peer_any){
			     .nentries = 1, .entries = &values[0], .nimpaired = 1, .impaired = &c});
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_CANDIDATE);
	promise_from(&b, 4, (struct wire_peer_any){0});
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_LEADER);
	struct bytes *held;
	for (uint64_t slot = 2; slot <= 4; slot += 2)
		ck_assert(paxos_accepted(b.core, slot, &held) && held != NULL);
	paxos_destroy(b.core);
}
END_TEST

/* faults: 15. A value that some promise knows to be chosen needs no other word. */
START_TEST(a_value_known_to_be_chosen_decides)
{
	struct bench b;
	struct wire_range known = {3, 3}, below = {2, 3};
	struct wire_entry values[] = {entry_of(3, ballot_make(1, 3), "chosen")};
	/* Known, but another slot is not decided; then both are. */
	stand(&b, 5);
	promise_from(&b, 2, (struct wire_peer_any){.nimpaired = 1, .impaired = &below});
	promise_from(&b, 3,
		     (struct wire_peer_any){.nentries = 1,
					    .entries = values,
					    .nimpaired = 1,
					    .impaired = &below,
					    .nknown = 1,
					    .known = &known});
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_CANDIDATE);
	promise_from(&b, 4, (struct wire_peer_any){.chosen = 2});
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_LEADER);
	struct bytes *held;
	ck_assert(paxos_accepted(b.core, 3, &held) && held != NULL);
	paxos_destroy(b.core);
}
END_TEST

/*
 * Ranges that are empty, run backwards, overlap, lie beyond the last slot or are too many make a
 * Promise be refused.
 */
START_TEST(impossible_ranges_are_refused)
{
	struct bench b;
	struct wire_range zero = {0, 3}, back = {4, 3}, beyond = {4, SLOT_MAX + 1},
			  twice[] = {{4, 6}, {6, 7}}, many[IMPAIRED_RANGES_MAX + 1];
	const struct wire_peer_any wrong[] = {
		{.nimpaired = 1, .impaired = &zero},
		{.nimpaired = 1, .impaired = &back},
		{.nimpaired = 1, .impaired = &beyond},
		{.nimpaired = 2, .impaired = twice},
		{.nknown = 1, .known = &zero},
		{.nknown = 2, .known = twice},
		{.nimpaired = IMPAIRED_RANGES_MAX + 1, .impaired = many},
		{.nknown = IMPAIRED_RANGES_MAX + 1, .known = many},
	};
	for (uint32_t i = 0; i <= IMPAIRED_RANGES_MAX; i++)
		many[i] = (struct wire_range){2 * i + 1, 2 * i + 1};
	stand(&b, 3);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct wire_peer_any m = wrong[i];
		m.group = 1;
		m.from = 2;
		m.to = 1;
		m.ballot = b.core->ballot;
		m.slot = 1;
		ck_assert_ptr_nonnull(judge_any(&b, METHOD_PROMISE, &m));
	}
	paxos_destroy(b.core);
}
END_TEST

/*
 * The ballot and the last slot by which a later start bounds what damage may have
 * destroyed.
 */
START_TEST(what_is_not_impaired_says_so_in_its_notes)
{
	struct bench b;
	uint64_t ballot = ballot_make(1, 1);
	bench_init(&b, 3, 3);
	struct wire_entry entries[] = {entry_of(1, 0, "a"), entry_of(2, 0, "b"),
				       entry_of(3, 0, "c")};
	receive(&b, METHOD_ACCEPT,
		(struct wire_peer_any){.from = 1,
				       .ballot = ballot,
				       .sequence = 1,
				       .slot = 1,
				       .nentries = 3,
				       .entries = entries});
	settle(&b);
	sync_all(&b);
	receive(&b, METHOD_ACCEPT,
		(struct wire_peer_any){
			.from = 1, .ballot = ballot, .sequence = 2, .slot = 1, .chosen = 2});
	const struct consensus_persist *chosen = written(settle(&b), CONSENSUS_PERSIST_CHOSEN);
	ck_assert(chosen != NULL && chosen->slot == 2 && chosen->ballot == ballot &&
		  chosen->last == 3);
	paxos_destroy(b.core);
}
END_TEST

/*
 * Which disk counts as which member: the rules M1 to M7 of paxos/members.h, at one core. faults: 38
 */
#include <check.h>

#include "../support/check_main.h"
#include "bench.h"
#include "paxos/judge.h"

/*
 * An entry of members as text: "M", base, and for each member number, binding and life, a byte
 * each.
 */
static bool members_of(struct slice value, struct consensus_members *out)
{
	if (value.len < 2 || value.data[0] != 'M')
		return false;
	*out = (struct consensus_members){.base = value.data[1], .next_number = 7};
	for (size_t i = 2; i + 2 < value.len; i += 3)
		out->list[out->count++] = (struct consensus_binding){.replica = value.data[i],
								     .binding = value.data[i + 1],
								     .life = value.data[i + 2],
								     .role = MEMBER_VOTER};
	return true;
}

#define LIFE(i) (10u * (i) + 1u) /* of member i, at first */

static struct bytes *entry_of(uint8_t base, uint8_t binding_of_3, uint8_t life_of_3)
{
	const uint8_t text[] = {'M', base,         1,        0, LIFE(1), 2, 0, LIFE(2),
				3,   binding_of_3, life_of_3};
	return bytes_copy(slice(text, sizeof text));
}

static void begin(struct bench *b, uint64_t life)
{
	bench_init(b, 1, 3);
	b->core->options.life = life;
	b->core->options.members_byte = 'M';
	b->core->options.members_of = members_of;
}

static void hear(struct bench *b, enum method method, uint32_t from, uint64_t life,
		 struct wire_peer_any m)
{
	m.from = from;
	m.life = life;
	m.group = 1;
	m.to = 1;
	ck_assert_ptr_null(judge_any(b, method, &m));
	receive(b, method, m);
}

/* Replica 2 leads in round 5 and has slot 1, an entry of members, chosen, and slot 2 besides. */
static void learn_members(struct bench *b)
{
	struct bytes *members = entry_of(0, 0, LIFE(3)), *other = bytes_copy(slice_string("x"));
	struct wire_entry entries[] = {{.slot = 1, .value = bytes_slice(members)},
				       {.slot = 2, .value = bytes_slice(other)}};
	hear(b, METHOD_ACCEPT, 2, LIFE(2),
	     (struct wire_peer_any){.ballot = ballot_make(5, 2),
				    .flags = PEER_FIRST,
				    .entries = entries,
				    .nentries = 2});
	hear(b, METHOD_ACCEPT, 2, LIFE(2),
	     (struct wire_peer_any){.ballot = ballot_make(5, 2), .chosen = 2, .sequence = 1});
	settle(b);
	sync_all(b);
	ck_assert_uint_eq(paxos_chosen_slot(b->core), 2);
	ck_assert_uint_eq(paxos_members(b->core)->slot, 1);
	bytes_unref(members);
	bytes_unref(other);
}

/*
 * Another life of a bound number is heard of what it knows, and neither promised to nor accepted
 * from.
 */
START_TEST(only_a_bound_life_counts)
{
	struct bench b;
	begin(&b, LIFE(1));
	ck_assert(paxos_votes(b.core));
	learn_members(&b);
	ck_assert(paxos_votes(b.core));
	/* Another life of number 2 is heard of what it knows, and of nothing else. */
	uint64_t later = ballot_make(6, 2);
	hear(&b, METHOD_PREPARE, 2, 99,
	     (struct wire_peer_any){.ballot = later, .slot = 3, .chosen = 2, .members = 1});
	hear(&b, METHOD_ACCEPT, 2, 99,
	     (struct wire_peer_any){.ballot = later, .chosen = 2, .sequence = 1});
	hear(&b, METHOD_PREPARE, 2, 0,
	     (struct wire_peer_any){.ballot = later, .slot = 3, .chosen = 2, .members = 1});
	ck_assert_uint_eq(settle(&b)->npersists, 0);
	ck_assert_uint_eq(paxos_epoch(b.core), ballot_make(5, 2));
	hear(&b, METHOD_PREPARE, 2, LIFE(2),
	     (struct wire_peer_any){.ballot = later, .slot = 3, .chosen = 2, .members = 1});
	ck_assert_uint_eq(paxos_epoch(b.core), later);
	paxos_destroy(b.core);
}
END_TEST

/* Whose own life is another one has no vote, and gets it with the entry that binds it. */
START_TEST(a_life_votes_when_it_is_bound)
{
	struct bench b;
	begin(&b, 77);
	learn_members(&b);
	ck_assert(!paxos_votes(b.core));
	hear(&b, METHOD_PREPARE, 2, LIFE(2),
	     (struct wire_peer_any){
		     .ballot = ballot_make(6, 2), .slot = 3, .chosen = 2, .members = 1});
	ck_assert_uint_eq(settle(&b)->npersists, 0);
	const uint8_t text[] = {'M', 1, 1, 1, 77, 2, 0, LIFE(2), 3, 0, LIFE(3)};
	struct wire_entry entry = {
		.slot = 3, .ballot = ballot_make(6, 2), .value = slice(text, sizeof text)};
	hear(&b, METHOD_CHOSEN, 2, LIFE(2),
	     (struct wire_peer_any){.slot = 3, .chosen = 3, .entries = &entry, .nentries = 1});
	ck_assert(paxos_votes(b.core));
	/* Its ballots are those of the second disk (M6). */
	b.now_us = paxos_deadline_us(b.core) + 1000000;
	for (int i = 0; i < 5 && paxos_role(b.core) == CONSENSUS_FOLLOWER; i++, b.now_us += 1000000)
		paxos_tick(b.core, b.now_us);
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_PRE_CANDIDATE);
	ck_assert_uint_eq(ballot_binding(b.core->ballot), 1);
	paxos_destroy(b.core);
}
END_TEST

/* An entry whose base is not the newest entry of members changes nothing. */
START_TEST(an_entry_of_members_needs_the_newest_as_its_base)
{
	struct bench b;
	begin(&b, LIFE(1));
	learn_members(&b);
	struct bytes *stale = entry_of(0, 1, 88);
	struct wire_entry entry = {
		.slot = 3, .ballot = ballot_make(6, 2), .value = bytes_slice(stale)};
	hear(&b, METHOD_CHOSEN, 2, LIFE(2),
	     (struct wire_peer_any){.slot = 3, .chosen = 3, .entries = &entry, .nentries = 1});
	ck_assert_uint_eq(paxos_chosen_slot(b.core), 3);
	ck_assert_uint_eq(paxos_members(b.core)->slot, 1);
	bytes_unref(stale);
	paxos_destroy(b.core);
}
END_TEST

/* M1: what comes behind a gap waits, and is not accepted before what is missing of that ballot. */
START_TEST(an_entry_behind_a_gap_is_not_accepted)
{
	struct bench b;
	begin(&b, LIFE(1));
	struct wire_entry entry = {.slot = 4, .value = slice_string("d")};
	uint64_t ballot = ballot_make(5, 2);
	hear(&b, METHOD_ACCEPT, 2, LIFE(2),
	     (struct wire_peer_any){.ballot = ballot, .entries = &entry, .nentries = 1});
	ck_assert_ptr_null(ring_get(&b.core->ring, 4));
	/* It is kept until what is in front of it has come. */
	entry = (struct wire_entry){.slot = 3, .value = slice_string("c")};
	hear(&b, METHOD_ACCEPT, 2, LIFE(2),
	     (struct wire_peer_any){
		     .ballot = ballot, .flags = PEER_FIRST, .entries = &entry, .nentries = 1});
	ck_assert_ptr_nonnull(ring_get(&b.core->ring, 3));
	ck_assert_ptr_nonnull(ring_get(&b.core->ring, 4));
	ck_assert(slice_equal(ring_value(ring_get(&b.core->ring, 4)), slice_string("d")));
	/*
	 * What was accepted in an earlier ballot does not make up for what is missing of this one.
	 */
	entry.slot = 5;
	hear(&b, METHOD_ACCEPT, 3, LIFE(3),
	     (struct wire_peer_any){.ballot = ballot_make(6, 3), .entries = &entry, .nentries = 1});
	ck_assert_ptr_null(ring_get(&b.core->ring, 5));
	paxos_destroy(b.core);
}
END_TEST

/* M2, M3: members that are unknown, or those of before, are promised nothing; the record names them. */
START_TEST(only_the_newest_members_are_promised_to)
{
	struct bench b;
	begin(&b, LIFE(1));
	/* By members that we do not know yet nothing is promised; we fetch. */
	hear(&b, METHOD_PREPARE, 2, LIFE(2),
	     (struct wire_peer_any){
		     .ballot = ballot_make(4, 2), .slot = 3, .chosen = 2, .members = 1});
	const struct consensus_output *out = settle(&b);
	ck_assert_uint_eq(out->npersists, 0);
	ck_assert_ptr_nonnull(sent(out, 2, METHOD_FETCH));
	learn_members(&b);
	/* Nor by those of before: the asker is told. */
	hear(&b, METHOD_PREPARE, 2, LIFE(2),
	     (struct wire_peer_any){.ballot = ballot_make(6, 2), .slot = 1});
	out = settle(&b);
	ck_assert_uint_eq(out->npersists, 0);
	const struct sent *reject = sent(out, 2, METHOD_REJECT);
	ck_assert_ptr_nonnull(reject);
	ck_assert_uint_eq(reject->message.members, 1);
	ck_assert_uint_eq(reject->message.chosen, 2);
	/* The promise's record says by which it was made. */
	hear(&b, METHOD_PREPARE, 2, LIFE(2),
	     (struct wire_peer_any){
		     .ballot = ballot_make(7, 2), .slot = 3, .chosen = 2, .members = 1});
	out = settle(&b);
	ck_assert_uint_eq(out->npersists, 1);
	ck_assert_int_eq(out->persists[0].kind, CONSENSUS_PERSIST_PROMISE);
	ck_assert_uint_eq(out->persists[0].slot, 1);
	sync_all(&b);
	const struct sent *promise = sent(settle(&b), 2, METHOD_PROMISE);
	ck_assert_ptr_nonnull(promise);
	ck_assert_uint_eq(promise->message.members, 1);
	paxos_destroy(b.core);
}
END_TEST

/*
 * Before any life is bound, two of one number do not share a ballot that was promised to one of
 * them.
 */
START_TEST(one_life_has_a_ballot)
{
	struct bench b;
	begin(&b, LIFE(1));
	uint64_t ballot = ballot_make(1, 2);
	hear(&b, METHOD_PREPARE, 2, LIFE(2), (struct wire_peer_any){.ballot = ballot, .slot = 1});
	settle(&b);
	sync_all(&b);
	ck_assert_ptr_nonnull(sent(settle(&b), 2, METHOD_PROMISE));
	hear(&b, METHOD_PREPARE, 2, 99, (struct wire_peer_any){.ballot = ballot, .slot = 1});
	const struct consensus_output *out = settle(&b);
	ck_assert_ptr_null(sent(out, 2, METHOD_PROMISE));
	ck_assert_ptr_nonnull(sent(out, 2, METHOD_REJECT));
	struct wire_entry entry = {.slot = 1, .value = slice_string("a")};
	hear(&b, METHOD_ACCEPT, 2, 99,
	     (struct wire_peer_any){
		     .ballot = ballot, .flags = PEER_FIRST, .entries = &entry, .nentries = 1});
	ck_assert_ptr_null(ring_get(&b.core->ring, 1));
	hear(&b, METHOD_ACCEPT, 2, LIFE(2),
	     (struct wire_peer_any){
		     .ballot = ballot, .flags = PEER_FIRST, .entries = &entry, .nentries = 1});
	ck_assert_ptr_nonnull(ring_get(&b.core->ring, 1));
	hear(&b, METHOD_PREPARE, 2, 99,
	     (struct wire_peer_any){.ballot = ballot_make(2, 2), .slot = 1});
	ck_assert_uint_eq(paxos_epoch(b.core), ballot_make(2, 2));
	paxos_destroy(b.core);
}
END_TEST

static void promised_by(struct bench *b, uint32_t from, uint64_t life, uint64_t members)
{
	hear(b, METHOD_PROMISE, from, life,
	     (struct wire_peer_any){.ballot = b->core->ballot,
				    .slot = b->core->peers[from - 1].promise_next,
				    .chosen = members,
				    .members = members});
}

static void stand(struct bench *b, uint32_t voter, uint64_t life)
{
	/* The leader that was heard has fallen silent first. */
	for (int i = 0; i < 5 && paxos_role(b->core) == CONSENSUS_FOLLOWER; i++) {
		b->now_us = paxos_deadline_us(b->core);
		paxos_tick(b->core, b->now_us);
	}
	settle(b);
	hear(b, METHOD_PRE_VOTE_REPLY, voter, life,
	     (struct wire_peer_any){.sequence = b->core->ballot, .flags = PEER_GRANTED});
	settle(b);
	sync_all(b);
	settle(b);
	ck_assert_int_eq(paxos_role(b->core), CONSENSUS_CANDIDATE);
}

/*
 * M7, M4: the group begins with all; behind an entry of members nothing is proposed, and then there
 * is a new ballot.
 */
START_TEST(an_entry_of_members_is_a_wall)
{
	struct bench b;
	begin(&b, LIFE(1));
	stand(&b, 2, LIFE(2));
	promised_by(&b, 2, LIFE(2), 0);
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_CANDIDATE);
	promised_by(&b, 3, LIFE(3), 0);
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_LEADER);
	settle(&b);
	ck_assert(paxos_can_propose(b.core));
	uint64_t slot = paxos_propose(b.core, entry_of(0, 0, LIFE(3)));
	ck_assert(!paxos_can_propose(b.core));
	uint64_t ballot = b.core->ballot;
	settle(&b);
	sync_all(&b);
	struct wire_range range = {.first = 1, .last = slot};
	hear(&b, METHOD_ACCEPTED, 2, LIFE(2),
	     (struct wire_peer_any){
		     .ballot = ballot, .slot = slot, .ranges = &range, .nranges = 1});
	ck_assert_uint_eq(paxos_members(b.core)->slot, slot);
	/* Its last word in this ballot, to all; then the promises, of the new members. */
	const struct consensus_output *out = settle(&b);
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_CANDIDATE);
	ck_assert_uint_gt(b.core->ballot, ballot);
	for (uint32_t to = 2; to <= 3; to++) {
		const struct sent *last = sent(out, to, METHOD_ACCEPT);
		ck_assert_ptr_nonnull(last);
		ck_assert_uint_eq(last->message.ballot, ballot);
		ck_assert_uint_eq(last->message.chosen, slot);
	}
	sync_all(&b);
	const struct sent *prepare = sent(settle(&b), 3, METHOD_PREPARE);
	ck_assert_ptr_nonnull(prepare);
	ck_assert_uint_eq(prepare->message.members, slot);
	/* Who does not know them yet is not counted, nor is another life. */
	hear(&b, METHOD_PROMISE, 3, LIFE(3),
	     (struct wire_peer_any){.ballot = b.core->ballot,
				    .slot = b.core->peers[2].promise_next});
	hear(&b, METHOD_PROMISE, 3, 99,
	     (struct wire_peer_any){.ballot = b.core->ballot,
				    .slot = b.core->peers[2].promise_next,
				    .chosen = slot,
				    .members = slot});
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_CANDIDATE);
	promised_by(&b, 3, LIFE(3), slot);
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_LEADER);
	/*
	 * One that does not know yet that it is bound says that it has no vote: it counts as soon
	 * as it knows.
	 */
	settle(&b);
	sync_all(&b);
	settle(&b);
	uint64_t own = b.core->next_slot - 1;
	range = (struct wire_range){.first = own, .last = own};
	hear(&b, METHOD_ACCEPTED, 3, LIFE(3),
	     (struct wire_peer_any){.ballot = b.core->ballot,
				    .slot = own,
				    .chosen = slot,
				    .flags = PEER_LEARNER,
				    .ranges = &range,
				    .nranges = 1});
	ck_assert_uint_eq(paxos_chosen_slot(b.core), slot);
	hear(&b, METHOD_ACCEPTED, 3, LIFE(3),
	     (struct wire_peer_any){.ballot = b.core->ballot,
				    .slot = own,
				    .chosen = slot,
				    .ranges = &range,
				    .nranges = 1});
	ck_assert_uint_eq(paxos_chosen_slot(b.core), own);
	paxos_destroy(b.core);
}
END_TEST

/* Replica 3 is removed by slot 3, which is chosen, as slot 4 may be. */
static void remove_3(struct bench *b)
{
	learn_members(b);
	const uint8_t text[] = {'M', 1, 1, 0, LIFE(1), 2, 0, LIFE(2)};
	struct wire_entry entry = {
		.slot = 3, .ballot = ballot_make(5, 2), .value = slice(text, sizeof text)};
	hear(b, METHOD_CHOSEN, 2, LIFE(2),
	     (struct wire_peer_any){.slot = 3, .chosen = 3, .entries = &entry, .nentries = 1});
	ck_assert_uint_eq(paxos_members(b->core)->slot, 3);
	settle(b);
	sync_all(b);
}

/*
 * Who has been removed is told so when all that it might be needed for is with a majority of the
 * others, and not before.
 */
START_TEST(a_removed_member_is_told_when_it_is_not_needed)
{
	struct bench b;
	begin(&b, LIFE(1));
	remove_3(&b);
	uint64_t later = ballot_make(9, 3);
	hear(&b, METHOD_FETCH, 3, LIFE(3), (struct wire_peer_any){.slot = 2, .chosen = 1});
	hear(&b, METHOD_PRE_VOTE, 3, LIFE(3),
	     (struct wire_peer_any){.ballot = later, .chosen = 2, .members = 1});
	hear(&b, METHOD_PREPARE, 3, LIFE(3),
	     (struct wire_peer_any){.ballot = later, .slot = 3, .chosen = 2, .members = 1});
	hear(&b, METHOD_ACCEPT, 3, LIFE(3),
	     (struct wire_peer_any){.ballot = later, .chosen = 2, .sequence = 1});
	const struct consensus_output *out = settle(&b);
	ck_assert_ptr_null(sent(out, 3, METHOD_REJECT));
	/* What it asks for it gets. */
	ck_assert_ptr_nonnull(sent(out, 3, METHOD_CHOSEN));
	ck_assert_uint_eq(paxos_epoch(b.core), ballot_make(5, 2));
	ck_assert_uint_eq(out->npersists, 0);
	struct wire_entry entry = {
		.slot = 4, .ballot = ballot_make(6, 2), .value = slice_string("x")};
	hear(&b, METHOD_CHOSEN, 2, LIFE(2),
	     (struct wire_peer_any){.slot = 4, .chosen = 4, .entries = &entry, .nentries = 1});
	hear(&b, METHOD_FETCH, 3, LIFE(3), (struct wire_peer_any){.slot = 2, .chosen = 1});
	const struct sent *reject = sent(settle(&b), 3, METHOD_REJECT);
	ck_assert_ptr_nonnull(reject);
	ck_assert_uint_eq(reject->message.flags, PEER_REMOVED);
	ck_assert_uint_eq(reject->message.members, 3);
	hear(&b, METHOD_PREPARE, 3, LIFE(3),
	     (struct wire_peer_any){.ballot = later, .slot = 3, .chosen = 2, .members = 1});
	ck_assert_ptr_nonnull(sent(settle(&b), 3, METHOD_REJECT));
	ck_assert_uint_lt(paxos_epoch(b.core), later);
	paxos_destroy(b.core);
}
END_TEST

/* … and believes it, but not of a list that is older than one in which it is. */
START_TEST(a_member_believes_that_it_is_removed)
{
	struct bench b;
	begin(&b, LIFE(1));
	learn_members(&b);
	uint64_t ballot = ballot_make(7, 2);
	hear(&b, METHOD_REJECT, 2, LIFE(2),
	     (struct wire_peer_any){
		     .ballot = ballot, .chosen = 9, .members = 1, .flags = PEER_REMOVED});
	ck_assert(!settle(&b)->removed);
	/* From whichever disk: that may have been bound since. */
	hear(&b, METHOD_REJECT, 2, 99,
	     (struct wire_peer_any){
		     .ballot = ballot, .chosen = 9, .members = 4, .flags = PEER_REMOVED});
	ck_assert(settle(&b)->removed);
	paxos_destroy(b.core);
}
END_TEST

/*
 * One whom this list does not have speaks: what it knows is fetched, and nothing else is believed.
 * It asks, and is answered.
 */
START_TEST(a_stranger_is_answered_and_not_believed)
{
	struct bench b;
	begin(&b, LIFE(1));
	learn_members(&b);
	settle(&b);
	uint32_t seat = paxos_stranger(b.core, 7);
	ck_assert_uint_eq(paxos_peer_number(b.core, seat), 7);
	ck_assert(!paxos_peer_is_listed(b.core, seat));
	uint64_t later = ballot_make(9, 7);
	hear(&b, METHOD_PREPARE, 7, LIFE(7),
	     (struct wire_peer_any){.ballot = later, .slot = 3, .chosen = 2, .members = 1});
	hear(&b, METHOD_ACCEPT, 7, LIFE(7),
	     (struct wire_peer_any){.ballot = later, .chosen = 2, .sequence = 1});
	hear(&b, METHOD_TAKE_OVER, 7, LIFE(7),
	     (struct wire_peer_any){.ballot = later, .chosen = 2});
	const struct consensus_output *out = settle(&b);
	ck_assert_uint_eq(out->nsends, 0);
	ck_assert_uint_eq(paxos_epoch(b.core), ballot_make(5, 2));
	hear(&b, METHOD_ACCEPT, 7, LIFE(7),
	     (struct wire_peer_any){.ballot = later, .chosen = 5, .sequence = 2});
	hear(&b, METHOD_FETCH, 7, LIFE(7), (struct wire_peer_any){.slot = 2, .chosen = 1});
	out = settle(&b);
	ck_assert_ptr_nonnull(sent(out, 7, METHOD_FETCH));
	ck_assert_ptr_nonnull(sent(out, 7, METHOD_CHOSEN));
	ck_assert_ptr_null(sent(out, 7, METHOD_REJECT));
	/* By what it tells it is a member, and is listened to. Whose seat it is stays. */
	const uint8_t text[] = {'M', 1, 1, 0, LIFE(1), 2, 0, LIFE(2), 7, 0, LIFE(7)};
	struct wire_entry entries[] = {
		{.slot = 3, .ballot = later, .value = slice(text, sizeof text)}};
	hear(&b, METHOD_CHOSEN, 7, LIFE(7),
	     (struct wire_peer_any){.slot = 3, .chosen = 3, .entries = entries, .nentries = 1});
	ck_assert(paxos_peer_is_voter(b.core, seat));
	ck_assert(!paxos_peer_is_listed(b.core, 2));
	hear(&b, METHOD_ACCEPT, 7, LIFE(7),
	     (struct wire_peer_any){.ballot = later, .chosen = 3, .sequence = 3});
	ck_assert_uint_eq(paxos_leader(b.core), 7);
	/* There is always a seat. */
	for (uint32_t number = 20; number < 60; number++)
		ck_assert_uint_eq(paxos_peer_number(b.core, paxos_stranger(b.core, number)),
				  number);
	ck_assert_uint_eq(paxos_peer_number(b.core, 0), 1);
	ck_assert_uint_eq(paxos_peer_number(b.core, 1), 2);
	ck_assert_uint_eq(paxos_peer_number(b.core, seat), 7);
	paxos_destroy(b.core);
}
END_TEST

/*
 * A leader that has removed itself promises nothing and answers no reads any more: it asks one of
 * the others to take over, at once.
 */
START_TEST(a_leader_that_removes_itself_hands_over)
{
	struct bench b;
	begin(&b, LIFE(1));
	stand(&b, 2, LIFE(2));
	promised_by(&b, 2, LIFE(2), 0);
	promised_by(&b, 3, LIFE(3), 0);
	settle(&b);
	const uint8_t text[] = {'M', 0, 2, 0, LIFE(2), 3, 0, LIFE(3)};
	uint64_t slot = paxos_propose(b.core, bytes_copy(slice(text, sizeof text))),
		 ballot = b.core->ballot;
	settle(&b);
	sync_all(&b);
	struct wire_range range = {.first = 1, .last = slot};
	hear(&b, METHOD_ACCEPTED, 3, LIFE(3),
	     (struct wire_peer_any){
		     .ballot = ballot, .slot = slot, .ranges = &range, .nranges = 1});
	ck_assert_uint_eq(paxos_members(b.core)->slot, slot);
	ck_assert(!paxos_votes(b.core));
	settle(&b);
	const struct consensus_output *out = settle(&b);
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_LEADER);
	ck_assert_uint_eq(paxos_epoch(b.core), ballot);
	ck_assert(!paxos_can_propose(b.core));
	/*
	 * Those who stay may have chosen something behind the list before they accepted it from
	 * this leader: nobody can confirm its reads.
	 */
	ck_assert_uint_eq(paxos_quorum_others(b.core), UINT32_MAX);
	ck_assert(paxos_read(b.core, 1));
	b.now_us = paxos_deadline_us(b.core);
	paxos_tick(b.core, b.now_us);
	out = settle(&b);
	uint64_t round = b.core->rounds.newest;
	/*
	 * Replica 3 has all of it, replica 2 not yet: that one is asked when it has, in its turn.
	 */
	ck_assert_ptr_nonnull(sent(out, 3, METHOD_TAKE_OVER));
	ck_assert_ptr_null(sent(out, 2, METHOD_TAKE_OVER));
	ck_assert_uint_eq(sent(out, 3, METHOD_TAKE_OVER)->message.chosen, slot);
	hear(&b, METHOD_ACCEPTED, 3, LIFE(3),
	     (struct wire_peer_any){
		     .ballot = ballot, .slot = slot, .sequence = round, .chosen = slot});
	hear(&b, METHOD_ACCEPTED, 2, LIFE(2),
	     (struct wire_peer_any){.ballot = ballot,
				    .slot = slot,
				    .sequence = round,
				    .ranges = &range,
				    .nranges = 1});
	b.now_us = paxos_deadline_us(b.core);
	paxos_tick(b.core, b.now_us);
	out = settle(&b);
	ck_assert_ptr_nonnull(sent(out, 2, METHOD_TAKE_OVER));
	ck_assert_uint_eq(out->nreads, 0);
	ck_assert_uint_eq(confirmed_round(b.core, false), 0);
	/* Somebody has. */
	hear(&b, METHOD_REJECT, 2, LIFE(2),
	     (struct wire_peer_any){.ballot = ballot_make(9, 2), .chosen = slot, .members = slot});
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_FOLLOWER);
	paxos_destroy(b.core);
}
END_TEST

/*
 * A snapshot closes the gap before an entry that is known to be chosen, and that binds another
 * disk: who was about to stand does not.
 */
START_TEST(behind_a_snapshot_an_unbound_disk_does_not_stand)
{
	struct bench b;
	begin(&b, LIFE(1));
	learn_members(&b);
	struct consensus_members members = *paxos_members(b.core);
	const uint8_t text[] = {'M', 1, 1, 1, 99, 2, 0, LIFE(2), 3, 0, LIFE(3)};
	struct wire_entry entry = {
		.slot = 4, .ballot = ballot_make(5, 2), .value = slice(text, sizeof text)};
	hear(&b, METHOD_CHOSEN, 2, LIFE(2),
	     (struct wire_peer_any){.slot = 4, .chosen = 4, .entries = &entry, .nentries = 1});
	ck_assert_uint_eq(paxos_chosen_slot(b.core), 2);
	for (int i = 0; i < 5 && paxos_role(b.core) == CONSENSUS_FOLLOWER; i++) {
		b.now_us = paxos_deadline_us(b.core) + 1000000;
		paxos_tick(b.core, b.now_us);
	}
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_PRE_CANDIDATE);
	settle(&b);
	paxos_install_snapshot(b.core, b.now_us, 3, &members);
	ck_assert_uint_eq(paxos_chosen_slot(b.core), 4);
	ck_assert(!paxos_votes(b.core));
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_FOLLOWER);
	paxos_destroy(b.core);
}
END_TEST

/*
 * Behind a list that would change who counts nothing is proposed, though what stands there is known
 * to be chosen.
 */
START_TEST(behind_a_wall_nothing_is_proposed)
{
	struct bench b;
	begin(&b, LIFE(1));
	learn_members(&b);
	struct bytes *list = entry_of(1, 1, 99);
	struct wire_entry accepted = {.slot = 3, .value = bytes_slice(list)};
	struct wire_entry chosen = {.slot = 4,
				    .ballot = ballot_make(5, 2),
				    .value = slice_string("longer than any list of members here")};
	hear(&b, METHOD_ACCEPT, 2, LIFE(2),
	     (struct wire_peer_any){.ballot = ballot_make(5, 2),
				    .chosen = 2,
				    .entries = &accepted,
				    .nentries = 1});
	hear(&b, METHOD_CHOSEN, 2, LIFE(2),
	     (struct wire_peer_any){.slot = 4, .chosen = 4, .entries = &chosen, .nentries = 1});
	settle(&b);
	sync_all(&b);
	ck_assert_uint_eq(paxos_chosen_slot(b.core), 2);
	stand(&b, 2, LIFE(2));
	struct wire_entry told = {
		.slot = 3, .ballot = ballot_make(5, 2), .value = bytes_slice(list)};
	hear(&b, METHOD_PROMISE, 2, LIFE(2),
	     (struct wire_peer_any){.ballot = b.core->ballot,
				    .slot = 3,
				    .chosen = 2,
				    .members = 1,
				    .entries = &told,
				    .nentries = 1});
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_LEADER);
	uint64_t ballot = b.core->ballot;
	/* faults: 96. Who knows what is chosen there may tell it. */
	struct wire_peer_any known = {.group = b.core->options.group,
				      .from = 2,
				      .to = 1,
				      .slot = 4,
				      .chosen = 4,
				      .entries = &chosen,
				      .nentries = 1};
	ck_assert_pstr_eq(judge_any(&b, METHOD_CHOSEN, &known), NULL);
	settle(&b);
	sync_all(&b);
	settle(&b);
	struct wire_range range = {.first = 3, .last = 3};
	hear(&b, METHOD_ACCEPTED, 2, LIFE(2),
	     (struct wire_peer_any){
		     .ballot = ballot, .slot = 3, .chosen = 2, .ranges = &range, .nranges = 1});
	ck_assert_uint_eq(paxos_chosen_slot(b.core), 4);
	ck_assert_uint_eq(paxos_members(b.core)->slot, 3);
	ck_assert_uint_eq(b.core->open_bytes, 0);
	bytes_unref(list);
	paxos_destroy(b.core);
}
END_TEST

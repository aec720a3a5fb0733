/* What other replicas say is judged, each field by its rule (paxos/judge.h). */
/* faults: 96 */
#include "../support/check_main.h"
#include "bench.h"
#include "paxos/judge.h"

static struct bench bench, *const b = &bench;
static struct wire_peer_any m;
static struct wire_entry entries[OPEN_SLOTS_MAX + 1];
static struct wire_range ranges[RANGES_MAX + 1];

#define PASSES(method) ck_assert_pstr_eq(judge_any(b, METHOD_##method, &m), NULL)
/* The text names the field in front. */
#define REFUSED(method, field) \
	do { \
		const char *why_ = judge_any(b, METHOD_##method, &m); \
		ck_assert_msg(why_ != NULL && strncmp(why_, field, strlen(field)) == 0, "%s", \
			      why_ == NULL ? "passes" : why_); \
	} while (0)

static void plausible(uint64_t ballot)
{
	m = (struct wire_peer_any){.group = b->core->options.group,
				   .from = 2,
				   .to = 1,
				   .ballot = ballot,
				   .slot = b->core->chosen + 1,
				   .chosen = b->core->chosen,
				   .entries = entries,
				   .ranges = ranges};
	for (uint32_t i = 0; i < 3; i++)
		entries[i] = (struct wire_entry){.slot = m.slot + i, .value = slice_string("v")};
}

/* Its own promise is durable, and it waits for those of the others. */
static void stand(void)
{
	bench_init(b, 1, 3);
	b->now_us = paxos_deadline_us(b->core);
	paxos_tick(b->core, b->now_us);
	settle(b);
	receive(b, METHOD_PRE_VOTE_REPLY,
		(struct wire_peer_any){
			.from = 2, .sequence = b->core->ballot, .flags = PEER_GRANTED});
	settle(b);
	sync_all(b);
	settle(b);
	ck_assert_int_eq(paxos_role(b->core), CONSENSUS_CANDIDATE);
}

/* Who sends in a ballot of its own does so in its own, and in a possible one. */
START_TEST(ballots_of_senders)
{
	static const enum method methods[] = {METHOD_PRE_VOTE, METHOD_PREPARE, METHOD_ACCEPT,
					      METHOD_TAKE_OVER};
	bench_init(b, 1, 3);
	for (size_t i = 0; i < 4; i++) {
		plausible(ballot_make(7, 2));
		ck_assert_pstr_eq(judge_any(b, methods[i], &m), NULL);
		m.ballot = ballot_make(BALLOT_ROUND_FREE, 2);
		ck_assert_pstr_eq(judge_any(b, methods[i], &m), NULL);
		const uint64_t impossible[] = {0,
					       ballot_make(0, 2),
					       ballot_make(7, 1),
					       ballot_make(7, 3),
					       ballot_make(7, 9),
					       ballot_make(BALLOT_ROUND_MAX + 1, 2),
					       UINT64_MAX - 253,
					       UINT64_MAX};
		for (size_t k = 0; k < sizeof impossible / sizeof impossible[0]; k++) {
			m.ballot = impossible[k];
			ck_assert_ptr_nonnull(judge_any(b, methods[i], &m));
		}
	}
	paxos_destroy(b->core);
}
END_TEST

/*
 * One number cannot use up the rounds: beyond the free ones a step leads, from what is known. At
 * their end a replica follows, and does not stand.
 */
START_TEST(one_number_cannot_use_up_the_rounds)
{
	bench_init(b, 1, 3);
	plausible(ballot_make(BALLOT_ROUND_FREE + BALLOT_ROUND_STEP, 2));
	PASSES(REJECT);
	m.ballot = ballot_make(BALLOT_ROUND_FREE + BALLOT_ROUND_STEP + 1, 2);
	REFUSED(REJECT, "ballot");
	uint64_t round = 0;
	for (uint32_t steps = 0; round < BALLOT_ROUND_MAX; steps++) {
		round = (round < BALLOT_ROUND_FREE ? BALLOT_ROUND_FREE : round) + BALLOT_ROUND_STEP;
		round = round < BALLOT_ROUND_MAX ? round : BALLOT_ROUND_MAX;
		m.ballot = ballot_make(round, 2);
		PASSES(REJECT);
		paxos_receive(b->core, b->now_us, METHOD_REJECT, peer_of_any(METHOD_REJECT, &m));
		ck_assert_uint_le(steps, 200);
	}
	m.ballot = ballot_make(BALLOT_ROUND_MAX + 1, 2);
	REFUSED(REJECT, "ballot");
	ck_assert(paxos_rounds_are_used_up(b->core));
	for (uint32_t i = 0; i < 20; i++) {
		b->now_us = paxos_deadline_us(b->core);
		paxos_tick(b->core, b->now_us);
		paxos_output(b->core, b->now_us);
		ck_assert_int_eq(paxos_role(b->core), CONSENSUS_FOLLOWER);
	}
	/* Who uses the last round is still followed. */
	plausible(ballot_make(BALLOT_ROUND_MAX, 2));
	PASSES(ACCEPT);
	paxos_receive(b->core, b->now_us, METHOD_ACCEPT, peer_of_any(METHOD_ACCEPT, &m));
	ck_assert_uint_eq(paxos_leader(b->core), 2);
	PASSES(TAKE_OVER);
	paxos_receive(b->core, b->now_us, METHOD_TAKE_OVER, peer_of_any(METHOD_TAKE_OVER, &m));
	ck_assert_int_eq(paxos_role(b->core), CONSENSUS_FOLLOWER);
	paxos_destroy(b->core);
}
END_TEST

/* Accept: entries without gaps, of slots that exist, and in one ballot one value a slot. */
START_TEST(an_impossible_accept_is_refused)
{
	bench_init(b, 1, 3);
	plausible(ballot_make(3, 2));
	m.nentries = 3;
	PASSES(ACCEPT);
	paxos_receive(b->core, b->now_us, METHOD_ACCEPT, peer_of_any(METHOD_ACCEPT, &m));
	PASSES(ACCEPT);
	/* Another value of the same ballot; in a later one it may be so. */
	entries[1].value = slice_string("w");
	REFUSED(ACCEPT, "entries");
	m.ballot = ballot_make(4, 2);
	PASSES(ACCEPT);
	/* An older ballot's is rejected anyway. */
	m.ballot = ballot_make(2, 2);
	PASSES(ACCEPT);
	plausible(ballot_make(3, 2));
	m.nentries = 3;
	entries[2].slot++;
	REFUSED(ACCEPT, "entries.slot");
	entries[2].slot = entries[1].slot;
	REFUSED(ACCEPT, "entries.slot");
	entries[0].slot = 0;
	REFUSED(ACCEPT, "entries.slot");
	m.nentries = 1;
	entries[0].slot = SLOT_MAX;
	REFUSED(ACCEPT, "entries.slot");
	entries[0].slot = UINT64_MAX;
	REFUSED(ACCEPT, "entries.slot");
	entries[0] = (struct wire_entry){.slot = 1, .ballot = m.ballot, .value = slice_string("v")};
	REFUSED(ACCEPT, "entries.ballot");
	plausible(ballot_make(3, 2));
	m.sequence = CONSENSUS_SEQUENCE_MAX + 1;
	REFUSED(ACCEPT, "sequence");
	plausible(ballot_make(3, 2));
	m.lease_us = LEASE_POSSIBLE_US + 1;
	REFUSED(ACCEPT, "lease_us");
	plausible(ballot_make(3, 2));
	m.vouched = CONSENSUS_SEQUENCE_MAX;
	PASSES(ACCEPT);
	m.vouched++;
	REFUSED(ACCEPT, "vouched");
	plausible(ballot_make(3, 2));
	m.chosen = SLOT_MAX + 1;
	REFUSED(ACCEPT, "chosen");
	plausible(ballot_make(3, 2));
	m.nentries = OPEN_SLOTS_MAX + 1;
	REFUSED(ACCEPT, "entries");
	paxos_destroy(b->core);
}
END_TEST

/*
 * Accepted: of nothing beyond what the leader has proposed, in ordered ranges, and of rounds that
 * have begun.
 */
START_TEST(an_impossible_acknowledgement_is_refused)
{
	bench_init(b, 1, 3);
	lead(b, 0);
	uint64_t ours = b->core->ballot, last = b->core->next_slot - 1;
	plausible(ours);
	m.slot = m.chosen;
	m.sequence = b->core->rounds.newest;
	ranges[0] = (struct wire_range){.first = m.chosen + 1, .last = last};
	m.nranges = 1;
	PASSES(ACCEPTED);
	ranges[0].last = last + 1;
	REFUSED(ACCEPTED, "ranges");
	ranges[0].last = UINT64_MAX;
	REFUSED(ACCEPTED, "ranges");
	ranges[0] = (struct wire_range){.first = 0, .last = last};
	REFUSED(ACCEPTED, "ranges");
	ranges[0] = ranges[1] = (struct wire_range){.first = last, .last = last};
	m.nranges = 2;
	REFUSED(ACCEPTED, "ranges");
	m.nranges = RANGES_MAX + 1;
	REFUSED(ACCEPTED, "ranges");
	m.nranges = 0;
	m.slot = last;
	PASSES(ACCEPTED);
	m.slot = last + 1;
	REFUSED(ACCEPTED, "slot");
	m.slot = m.chosen;
	m.sequence = b->core->rounds.newest + 1;
	REFUSED(ACCEPTED, "sequence");
	m.sequence = 0;
	m.stamp = CONSENSUS_SEQUENCE_MAX + 1;
	REFUSED(ACCEPTED, "stamp");
	m.stamp = CONSENSUS_SEQUENCE_MAX;
	PASSES(ACCEPTED);
	m.flags = PEER_GRANTED;
	REFUSED(ACCEPTED, "flags");
	m.flags = 0;
	m.ballot = ballot_make(9, 2);
	REFUSED(ACCEPTED, "ballot");
	/* A follower whom a later leader's snapshot has carried far ahead says so. */
	m.ballot = ours;
	m.slot = m.chosen = last + 1000;
	PASSES(ACCEPTED);
	paxos_destroy(b->core);
}
END_TEST

/*
 * Fetch and Chosen: slots and ballots that can be, and entries that belong to what is said to be
 * chosen.
 */
START_TEST(an_impossible_fetch_or_answer_is_refused)
{
	bench_init(b, 1, 3);
	plausible(0);
	PASSES(FETCH);
	m.slot++;
	REFUSED(FETCH, "slot");
	plausible(ballot_make(1, 2));
	REFUSED(FETCH, "ballot");
	REFUSED(CHOSEN, "ballot");
	plausible(0);
	m.nentries = 3;
	m.chosen = m.slot + 2;
	for (uint32_t i = 0; i < 3; i++)
		entries[i].ballot = ballot_make(2, 3);
	PASSES(CHOSEN);
	m.chosen--;
	REFUSED(CHOSEN, "entries.slot");
	m.chosen++;
	entries[1].ballot = 0;
	REFUSED(CHOSEN, "entries.ballot");
	entries[1].ballot = ballot_make(2, 0);
	REFUSED(CHOSEN, "entries.ballot");
	entries[1].ballot = UINT64_MAX << 8 | 2;
	REFUSED(CHOSEN, "entries.ballot");
	entries[1].ballot = ballot_make(2, 3);
	m.flags = PEER_MORE;
	REFUSED(CHOSEN, "flags");
	m.flags = PEER_SNAPSHOT;
	PASSES(CHOSEN);
	m.slot = m.chosen + 1;
	REFUSED(CHOSEN, "slot");
	m.slot = 0;
	REFUSED(CHOSEN, "slot");
	/* Another value than the one that was accepted in the same, or a later, ballot. */
	plausible(ballot_make(5, 2));
	m.nentries = 1;
	paxos_receive(b->core, b->now_us, METHOD_ACCEPT, peer_of_any(METHOD_ACCEPT, &m));
	plausible(0);
	m.nentries = 1;
	m.chosen = m.slot;
	entries[0].ballot = ballot_make(5, 2);
	PASSES(CHOSEN);
	entries[0].value = slice_string("w");
	REFUSED(CHOSEN, "entries");
	entries[0].ballot = ballot_make(4, 3);
	REFUSED(CHOSEN, "entries");
	entries[0].ballot = ballot_make(6, 3);
	PASSES(CHOSEN);
	paxos_destroy(b->core);
}
END_TEST

/* Nobody chooses behind a leader's back, in a ballot up to its own. */
START_TEST(learning_of_a_leader)
{
	bench_init(b, 1, 3);
	lead(b, 0);
	plausible(0);
	m.nentries = 1;
	m.slot = m.chosen = entries[0].slot = b->core->next_slot;
	entries[0].ballot = b->core->ballot;
	REFUSED(CHOSEN, "entries.slot");
	entries[0].ballot = ballot_make(ballot_round(b->core->ballot) + 1, 3);
	PASSES(CHOSEN);
	paxos_destroy(b->core);
}
END_TEST

/* Promise: for a ballot of ours, with entries below it, from a slot that exists. */
START_TEST(an_impossible_promise_is_refused)
{
	stand();
	uint64_t ours = b->core->ballot;
	plausible(ours);
	m.nentries = 1;
	entries[0].ballot = ours;
	REFUSED(PROMISE, "entries.ballot");
	entries[0].ballot = ours + 1;
	REFUSED(PROMISE, "entries.ballot");
	entries[0].ballot = 0;
	REFUSED(PROMISE, "entries.ballot");
	m.nentries = 0;
	PASSES(PROMISE);
	m.flags = PEER_MORE;
	REFUSED(PROMISE, "flags");
	m.flags = 0;
	m.slot = 0;
	REFUSED(PROMISE, "slot");
	m.slot = SLOT_MAX + 1;
	REFUSED(PROMISE, "slot");
	plausible(ballot_make(9, 2));
	REFUSED(PROMISE, "ballot");
	/* An older candidacy of ours, say: nothing follows from it, but it may be genuine. */
	plausible(ballot_make(9, 1));
	m.nentries = 2;
	entries[0].ballot = entries[1].ballot = ballot_make(8, 3);
	PASSES(PROMISE);
	entries[1].slot = m.chosen + PROMISE_SPAN_MAX;
	PASSES(PROMISE);
	entries[1].slot++;
	REFUSED(PROMISE, "entries.slot");
	entries[1].slot = entries[0].slot;
	REFUSED(PROMISE, "entries.slot");
	entries[1].slot = UINT64_MAX;
	REFUSED(PROMISE, "entries.slot");
	paxos_destroy(b->core);
}
END_TEST

/*
 * A promise of one who knows a million slots more makes no leader, and no gap of that size in
 * memory.
 */
START_TEST(a_promise_from_far_ahead_makes_no_leader)
{
	stand();
	plausible(b->core->ballot);
	m.chosen = SLOT_MAX - 1;
	PASSES(PROMISE);
	paxos_receive(b->core, b->now_us, METHOD_PROMISE, peer_of_any(METHOD_PROMISE, &m));
	ck_assert_int_eq(paxos_role(b->core), CONSENSUS_FOLLOWER);
	ck_assert_uint_lt(b->core->ring.capacity, 100000);
	ck_assert_uint_lt(b->core->recovered.capacity, 100000);
	paxos_destroy(b->core);
}
END_TEST

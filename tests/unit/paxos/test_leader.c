/* One core that leads, driven message by message, in corners that random schedules seldom reach. */
#include "../support/check_main.h"
#include "bench.h"

/* faults: 6 */
/* An acceptor that says the same thing again and again is still one acceptor. */
START_TEST(a_quorum_counts_members_and_not_answers)
{
	struct bench b;
	struct wire_range range = {.first = 1, .last = 1};
	bench_init(&b, 1, 5);
	lead(&b, 0);
	sync_all(&b);
	for (uint32_t i = 0; i < 5; i++)
		receive(&b, METHOD_ACCEPTED,
			(struct wire_peer_any){.from = 2,
					       .ballot = b.core->ballot,
					       .nranges = 1,
					       .ranges = &range});
	ck_assert_uint_eq(paxos_chosen_slot(b.core), 0);
	receive(&b, METHOD_ACCEPTED,
		(struct wire_peer_any){
			.from = 3, .ballot = b.core->ballot - 1, .nranges = 1, .ranges = &range});
	ck_assert_uint_eq(paxos_chosen_slot(b.core), 0);
	receive(&b, METHOD_ACCEPTED,
		(struct wire_peer_any){
			.from = 3, .ballot = b.core->ballot, .nranges = 1, .ranges = &range});
	ck_assert_uint_eq(paxos_chosen_slot(b.core), 1);
	paxos_destroy(b.core);
}
END_TEST

/*
 * P2c: of what a quorum accepted in a slot, the value of the highest ballot is proposed, in
 * whatever order the promises come; slots between, of which nobody reports anything, become no-ops.
 */
START_TEST(the_highest_accepted_value_is_proposed)
{
	for (uint32_t order = 0; order < 2; order++) {
		struct bench b;
		bench_init(&b, 1, 5);
		paxos_restore_entry(b.core, 1, ballot_make(2, 4), slice_string("middle"));
		paxos_restore_entry(b.core, 2, ballot_make(4, 4), slice_string("mine"));
		struct wire_entry low[] = {
			{.slot = 1, .ballot = ballot_make(1, 5), .value = slice_string("low")},
			{.slot = 2, .ballot = ballot_make(1, 5), .value = slice_string("low")}};
		struct wire_entry high[] = {
			{.slot = 1, .ballot = ballot_make(3, 5), .value = slice_string("high")},
			{.slot = 4, .ballot = ballot_make(1, 4), .value = slice_string("last")}};
		b.core->round_seen = 4;
		b.now_us = paxos_deadline_us(b.core);
		paxos_tick(b.core, b.now_us);
		for (uint32_t i = 2; i <= 3; i++)
			receive(&b, METHOD_PRE_VOTE_REPLY,
				(struct wire_peer_any){.from = i,
						       .sequence = b.core->ballot,
						       .flags = PEER_GRANTED});
		settle(&b);
		sync_all(&b);
		settle(&b);
		struct wire_peer_any promises[] = {{.from = 2, .nentries = 2, .entries = low},
						   {.from = 3, .nentries = 2, .entries = high}};
		for (uint32_t i = 0; i < 2; i++) {
			struct wire_peer_any m = promises[i ^ order];
			m.ballot = b.core->ballot;
			m.slot = 1;
			receive(&b, METHOD_PROMISE, m);
		}
		ck_assert_int_eq(paxos_role(b.core), CONSENSUS_LEADER);
		const struct sent *accept = sent(settle(&b), 5, METHOD_ACCEPT);
		ck_assert_ptr_nonnull(accept);
		ck_assert_uint_eq(accept->message.nentries, 4);
		const char *const want[] = {"high", "mine", "", "last"};
		for (uint32_t i = 0; i < 4; i++) {
			ck_assert_uint_eq(accept->message.entries[i].slot, i + 1);
			ck_assert(slice_equal(accept->message.entries[i].value,
					      slice_string(want[i])));
		}
		ck_assert_uint_eq(paxos_barrier(b.core), 4);
		paxos_destroy(b.core);
	}
}
END_TEST

/*
 * A snapshot that covers slots which a leader proposed and never saw chosen was made under another
 * leader: it must not go on leading, since its word that they are chosen would be taken for a word
 * about its own values.
 */
START_TEST(a_snapshot_over_own_slots_ends_leadership)
{
	struct bench b;
	bench_init(&b, 1, 5);
	lead(&b, 0);
	ck_assert_uint_eq(paxos_propose(b.core, bytes_copy(slice_string("mine"))), 2);
	ck_assert_uint_eq(paxos_propose(b.core, bytes_copy(slice_string("mine too"))), 3);
	settle(&b);
	paxos_install_snapshot(b.core, b.now_us, 2, NULL);
	b.now_us += 30000;
	paxos_tick(b.core, b.now_us);
	const struct consensus_output *out = settle(&b);
	ck_assert_int_ne(paxos_role(b.core), CONSENSUS_LEADER);
	ck_assert_ptr_null(sent(out, 2, METHOD_ACCEPT));
	paxos_destroy(b.core);
}
END_TEST

/* A snapshot of the prefix that a new leader missed leaves it in place. */
START_TEST(a_snapshot_below_own_slots_keeps_leadership)
{
	struct bench b;
	bench_init(&b, 1, 3);
	lead(&b, 100);
	ck_assert_uint_eq(paxos_barrier(b.core), 101);
	paxos_install_snapshot(b.core, b.now_us, 100, NULL);
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_LEADER);
	ck_assert_uint_eq(paxos_chosen_slot(b.core), 100);
	paxos_destroy(b.core);
}
END_TEST

/* Reads that overlap without end use no more memory than a moment's worth of them. */
START_TEST(endless_reads_need_bounded_memory)
{
	struct bench b;
	uint64_t id = 0, confirmed = 0;
	bench_init(&b, 1, 3);
	lead(&b, 0);
	for (uint32_t turn = 0; turn < 20000; turn++) {
		for (uint32_t i = 0; i < 10; i++)
			ck_assert(paxos_read(b.core, ++id));
		/* The answer to the round before arrives while these wait for theirs. */
		uint64_t round = b.core->rounds.newest;
		settle(&b);
		receive(&b, METHOD_ACCEPTED,
			(struct wire_peer_any){
				.from = 2, .ballot = b.core->ballot, .sequence = round});
		b.now_us += 10;
		const struct consensus_output *out = settle(&b);
		for (uint32_t i = 0; i < out->nreads; i++)
			ck_assert_uint_eq(out->reads[i].id, ++confirmed);
	}
	ck_assert_uint_ge(confirmed + 20, id);
	ck_assert_uint_lt(b.core->waiting.items.capacity, 1000);
	paxos_destroy(b.core);
}
END_TEST

/*
 * A leader that learnt in its election of chosen slots which it misses, and of which nobody can
 * tell it any more, does not block the group: it lets go, and the next election proposes them anew.
 */
START_TEST(a_leader_that_cannot_learn_lets_go)
{
	struct bench b;
	bench_init(&b, 1, 3);
	lead(&b, 10);
	uint64_t until = b.now_us + 5000000;
	while (paxos_role(b.core) == CONSENSUS_LEADER && b.now_us < until) {
		b.now_us += 10000;
		paxos_tick(b.core, b.now_us);
		/* Member 3 follows, and knows as little. */
		receive(&b, METHOD_ACCEPTED,
			(struct wire_peer_any){.from = 3,
					       .ballot = b.core->ballot,
					       .sequence = b.core->rounds.newest});
		settle(&b);
		sync_all(&b);
	}
	ck_assert_int_ne(paxos_role(b.core), CONSENSUS_LEADER);
	paxos_destroy(b.core);
}
END_TEST

/*
 * Between what is chosen here and the first slot of its own a new leader may hold values that lost:
 * it sends them to nobody.
 */
START_TEST(only_own_slots_are_sent)
{
	struct bench b;
	bench_init(&b, 1, 3);
	for (uint64_t slot = 1; slot <= 3; slot++)
		paxos_restore_entry(b.core, slot, ballot_make(1, 3), slice_string("perhaps lost"));
	b.core->round_seen = 1;
	lead(&b, 10);
	/* The other follower lacks everything, and says so in answer to a round. */
	receive(&b, METHOD_ACCEPTED,
		(struct wire_peer_any){
			.from = 3, .ballot = b.core->ballot, .sequence = b.core->rounds.newest});
	for (uint32_t i = 0; i < 5; i++) {
		const struct consensus_output *out = settle(&b);
		for (uint32_t k = 0; k < out->nsends; k++)
			for (uint32_t e = 0; out->sends[k].method == METHOD_ACCEPT &&
					     e < out->sends[k].message.accept.nentries;
			     e++)
				ck_assert_uint_gt(out->sends[k].message.accept.entries[e].slot, 10);
		b.now_us += 30000;
		paxos_tick(b.core, b.now_us);
		receive(&b, METHOD_ACCEPTED,
			(struct wire_peer_any){.from = 3,
					       .ballot = b.core->ballot,
					       .sequence = b.core->rounds.newest});
	}
	paxos_destroy(b.core);
}
END_TEST

/*
 * A leader hands over when its successor has everything and everything is chosen; and says so,
 * since it may be gone in a moment.
 */
START_TEST(a_hand_over_leaves_nothing_to_ask)
{
	struct bench b;
	struct wire_range range = {.first = 1, .last = 2};
	bench_init(&b, 1, 3);
	lead(&b, 0);
	paxos_propose(b.core, bytes_copy(slice_string("a")));
	settle(&b);
	receive(&b, METHOD_ACCEPTED,
		(struct wire_peer_any){.from = 2,
				       .ballot = b.core->ballot,
				       .slot = 2,
				       .nranges = 1,
				       .ranges = &range});
	ck_assert(paxos_transfer(b.core, b.now_us, 2));
	ck_assert_ptr_null(sent(settle(&b), 2, METHOD_TAKE_OVER));
	sync_all(&b);
	const struct sent *take_over = sent(settle(&b), 2, METHOD_TAKE_OVER);
	ck_assert_ptr_nonnull(take_over);
	ck_assert_uint_eq(take_over->message.chosen, 2);
	paxos_destroy(b.core);

	/* The successor's side: what it had only accepted is chosen for it. */
	struct wire_entry entries[] = {{.slot = 1}, {.slot = 2, .value = slice_string("a")}};
	bench_init(&b, 2, 3);
	receive(&b, METHOD_ACCEPT,
		(struct wire_peer_any){
			.from = 1, .ballot = ballot_make(1, 1), .nentries = 2, .entries = entries});
	settle(&b);
	receive(&b, METHOD_TAKE_OVER,
		(struct wire_peer_any){.from = 1, .ballot = ballot_make(1, 1), .chosen = 2});
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_CANDIDATE);
	ck_assert_uint_eq(paxos_chosen_slot(b.core), 2);
	paxos_destroy(b.core);
}
END_TEST

/*
 * A leader whose clients read all the time: time passes, and is told to the core only when that has
 * asked for it.
 */
static void read_for(struct bench *b, uint64_t duration_us)
{
	uint64_t until = b->now_us + duration_us, id = 0;
	while (b->now_us < until && paxos_role(b->core) == CONSENSUS_LEADER) {
		b->now_us += 5000;
		if (paxos_deadline_us(b->core) <= b->now_us)
			paxos_tick(b->core, b->now_us);
		(void)paxos_read(b->core, ++id);
		settle(b);
		receive(b, METHOD_ACCEPTED,
			(struct wire_peer_any){.from = 2,
					       .ballot = b->core->ballot,
					       .sequence = b->core->rounds.newest});
		settle(b);
		sync_all(b);
	}
}

/*
 * Reads in quick succession, each round of which is a heartbeat, do not keep a leader from looking
 * at itself.
 */
START_TEST(reads_do_not_stop_the_clock)
{
	struct wire_range range = {.first = 1, .last = 1};
	struct bench b;
	/* The successor has never heard of the hand-over: the leader goes on after a while. */
	bench_init(&b, 1, 3);
	lead(&b, 0);
	receive(&b, METHOD_ACCEPTED,
		(struct wire_peer_any){.from = 2,
				       .ballot = b.core->ballot,
				       .slot = 1,
				       .nranges = 1,
				       .ranges = &range});
	settle(&b);
	ck_assert(paxos_transfer(b.core, b.now_us, 2));
	ck_assert(!paxos_can_propose(b.core));
	read_for(&b, 1000000);
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_LEADER);
	ck_assert(paxos_can_propose(b.core));
	paxos_destroy(b.core);
	/* Slots that nobody can tell: the leader lets go. */
	bench_init(&b, 1, 3);
	lead(&b, 10);
	read_for(&b, 2000000);
	ck_assert_int_ne(paxos_role(b.core), CONSENSUS_LEADER);
	paxos_destroy(b.core);
}
END_TEST

/*
 * Member 2 answers every round of reads, so that a quorum is there: member 3 hears of nothing but
 * the regular heartbeats. When member 2 falls silent, member 3 is asked soon, and the reads go on.
 */
START_TEST(reads_wake_no_more_than_a_quorum)
{
	struct bench b;
	uint64_t id = 0, heartbeats = 0, confirmed = 0;
	bench_init(&b, 1, 3);
	lead(&b, 0);
	receive(&b, METHOD_ACCEPTED,
		(struct wire_peer_any){
			.from = 2, .ballot = b.core->ballot, .sequence = b.core->rounds.newest});
	sync_all(&b);
	settle(&b);
	for (uint64_t until = b.now_us + 300000; b.now_us < until; b.now_us += 100) {
		if (paxos_deadline_us(b.core) <= b.now_us)
			paxos_tick(b.core, b.now_us);
		ck_assert(paxos_read(b.core, ++id));
		heartbeats += sent(settle(&b), 3, METHOD_ACCEPT) != NULL;
		receive(&b, METHOD_ACCEPTED,
			(struct wire_peer_any){.from = 2,
					       .ballot = b.core->ballot,
					       .sequence = b.core->rounds.newest});
		confirmed += settle(&b)->nreads;
	}
	ck_assert_uint_eq(confirmed, id);
	ck_assert_uint_ge(heartbeats, 9);
	ck_assert_uint_le(heartbeats, 11);
	uint64_t silent_us = b.now_us;
	ck_assert(paxos_read(b.core, ++id));
	const struct consensus_output *out = settle(&b);
	while (sent(out, 3, METHOD_ACCEPT) == NULL) {
		b.now_us = paxos_deadline_us(b.core);
		paxos_tick(b.core, b.now_us);
		out = settle(&b);
	}
	ck_assert_uint_le(b.now_us - silent_us, 2 * 30000 / READ_PATIENCE);
	receive(&b, METHOD_ACCEPTED,
		(struct wire_peer_any){
			.from = 3, .ballot = b.core->ballot, .sequence = b.core->rounds.newest});
	ck_assert_uint_eq(settle(&b)->nreads, 1);
	paxos_destroy(b.core);
}
END_TEST

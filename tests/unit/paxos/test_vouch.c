/* faults: 43, 44 */
/*
 * How old the applied state may be (multipaxos.h, FRESHNESS): stamps out, stamps back, and what a
 * replica makes of them.
 */
#include "../support/check_main.h"
#include "bench.h"
#include "paxos/judge.h"

#define HEARTBEAT_US 30000u

static uint64_t ballot(void)
{
	return ballot_make(1, 1);
}

/* Replica 1 begins a round; the stamp of our answer, 0: it bears none. */
static uint64_t round_begins(struct bench *b, uint64_t round, uint64_t chosen, uint64_t vouched)
{
	receive(b, METHOD_ACCEPT,
		(struct wire_peer_any){.from = 1,
				       .ballot = ballot(),
				       .sequence = round,
				       .chosen = chosen,
				       .vouched = vouched});
	const struct sent *accepted = sent(settle(b), 1, METHOD_ACCEPTED);
	ck_assert_ptr_nonnull(accepted);
	return accepted->message.stamp;
}

static void entry(struct bench *b, uint64_t slot)
{
	struct wire_entry e = {.slot = slot, .value = slice_string("v")};
	receive(b, METHOD_ACCEPT,
		(struct wire_peer_any){
			.from = 1, .ballot = ballot(), .nentries = 1, .entries = &e});
	settle(b);
	sync_all(b);
	settle(b);
}

/* Applies what is chosen. */
static void apply(struct bench *b)
{
	struct consensus_chosen chosen;
	while (paxos_next_chosen(b->core, &chosen))
		paxos_applied(b->core, chosen.slot);
}

static uint64_t since(const struct bench *b)
{
	uint64_t since_us = 0;
	return paxos_fresh(b->core, &since_us) ? since_us : 0;
}

/* ---- the follower ---- */

/*
 * As young as the moment of the stamp, not of the answer; and stamps are given out at most twice in
 * a heartbeat.
 */
START_TEST(an_answer_is_as_young_as_its_stamp)
{
	struct bench b;
	bench_init(&b, 2, 3);
	uint64_t first_us = b.now_us, first = round_begins(&b, 1, 0, 0);
	ck_assert_uint_ne(first, 0);
	ck_assert_uint_eq(since(&b), 0);
	b.now_us += HEARTBEAT_US / 2 - 1;
	ck_assert_uint_eq(round_begins(&b, 2, 0, 0), 0);
	b.now_us += 1;
	uint64_t second_us = b.now_us, second = round_begins(&b, 3, 0, 0);
	ck_assert_uint_eq(second, first + 1);
	b.now_us += 1000000;
	round_begins(&b, 4, 0, first);
	ck_assert_uint_eq(since(&b), first_us);
	round_begins(&b, 5, 0, second);
	ck_assert_uint_eq(since(&b), second_us);
	/* Late and repeated: nothing becomes older, or younger. */
	round_begins(&b, 6, 0, first);
	round_begins(&b, 7, 0, second);
	ck_assert_uint_eq(since(&b), second_us);
	paxos_destroy(b.core);
}
END_TEST

/* What has not been applied is not there, however young the leader says that it would be. */
START_TEST(what_is_not_applied_is_not_vouched_for)
{
	struct bench b;
	bench_init(&b, 2, 3);
	uint64_t times_us[5], stamps[5];
	for (uint64_t i = 0; i < 5; i++) {
		times_us[i] = b.now_us;
		stamps[i] = round_begins(&b, i + 1, 0, 0);
		b.now_us += HEARTBEAT_US;
	}
	entry(&b, 1);
	entry(&b, 2);
	round_begins(&b, 6, 0, stamps[0]);
	ck_assert_uint_eq(since(&b), times_us[0]);
	round_begins(&b, 7, 1, stamps[1]);
	round_begins(&b, 8, 2, stamps[2]);
	round_begins(&b, 9, 2, stamps[3]);
	ck_assert_uint_eq(since(&b), times_us[0]);
	struct consensus_chosen chosen;
	ck_assert(paxos_next_chosen(b.core, &chosen));
	ck_assert_uint_eq(since(&b), times_us[0]);
	paxos_applied(b.core, 1);
	ck_assert_uint_eq(since(&b), times_us[1]);
	apply(&b);
	ck_assert_uint_eq(since(&b), times_us[3]);
	/* More is known to be chosen than is here: the last stamp waits for it. */
	round_begins(&b, 10, 3, stamps[4]);
	ck_assert_uint_eq(since(&b), times_us[3]);
	entry(&b, 3);
	round_begins(&b, 11, 3, 0);
	apply(&b);
	ck_assert_uint_eq(since(&b), times_us[4]);
	paxos_destroy(b.core);
}
END_TEST

/*
 * Stamps that were not given out, or long ago, or by an earlier life; and a leader of an older
 * ballot.
 */
START_TEST(foreign_stamps_are_not_vouched_for)
{
	struct bench b;
	bench_init(&b, 2, 3);
	uint64_t first = 0;
	for (uint64_t i = 1; i <= STAMPS + 1; i++) {
		uint64_t stamp = round_begins(&b, i, 0, 0);
		first = i == 1 ? stamp : first;
		b.now_us += HEARTBEAT_US;
	}
	const uint64_t strange[] = {first, first + STAMPS + 8, first + 2 * STAMPS,
				    CONSENSUS_SEQUENCE_MAX};
	for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++) {
		round_begins(&b, STAMPS + 2 + i, 0, strange[i]);
		ck_assert_uint_eq(since(&b), 0);
	}
	receive(&b, METHOD_PREPARE,
		(struct wire_peer_any){.from = 3, .ballot = ballot_make(2, 3), .slot = 1});
	settle(&b);
	receive(&b, METHOD_ACCEPT,
		(struct wire_peer_any){
			.from = 1, .ballot = ballot(), .sequence = 100, .vouched = first + 3});
	ck_assert_uint_eq(since(&b), 0);
	paxos_destroy(b.core);
}
END_TEST

/* The numbers of two lives of a process are not the same. */
START_TEST(two_lives_have_different_stamps)
{
	uint64_t firsts[50];
	for (uint64_t life = 0; life < 50; life++) {
		struct bench b;
		bench_init(&b, 2, 3);
		struct consensus_options options = b.core->options;
		paxos_destroy(b.core);
		options.process = life << 32 | (life + 1);
		b.core = paxos_create(&options, 0);
		paxos_start(b.core, b.now_us);
		firsts[life] = round_begins(&b, 1, 0, 0);
		ck_assert_uint_ne(firsts[life], 0);
		ck_assert_uint_le(firsts[life], CONSENSUS_SEQUENCE_MAX / 2 + 1);
		for (uint64_t i = 0; i < life; i++)
			ck_assert_uint_ge(firsts[i] > firsts[life] ? firsts[i] - firsts[life]
								   : firsts[life] - firsts[i],
					  1000);
		paxos_destroy(b.core);
	}
}
END_TEST

/* ---- the leader ---- */

static void echo(struct bench *b, uint32_t from, uint64_t stamp)
{
	receive(b, METHOD_ACCEPTED,
		(struct wire_peer_any){.from = from,
				       .ballot = b->core->ballot,
				       .sequence = b->core->rounds.newest,
				       .slot = b->core->chosen,
				       .chosen = 0,
				       .stamp = stamp});
}

/* The next heartbeat; what it vouches for to replica 2. */
static uint64_t next_heartbeat(struct bench *b)
{
	b->now_us += HEARTBEAT_US;
	paxos_tick(b->core, b->now_us);
	const struct sent *accept = sent(settle(b), 2, METHOD_ACCEPT);
	ck_assert_ptr_nonnull(accept);
	return accept->message.vouched;
}

static void lead_with_all_chosen(struct bench *b)
{
	struct wire_range range = {.first = 1, .last = 1};
	bench_init(b, 1, 3);
	lead(b, 0);
	sync_all(b);
	settle(b);
	receive(b, METHOD_ACCEPTED,
		(struct wire_peer_any){.from = 3,
				       .ballot = b->core->ballot,
				       .slot = 1,
				       .nranges = 1,
				       .ranges = &range});
	settle(b);
	ck_assert_uint_ge(b->core->chosen, b->core->barrier);
}

/*
 * A stamp comes back when a round has been confirmed that began after it had come: not by the round
 * that it came with.
 */
START_TEST(a_stamp_waits_for_a_later_round)
{
	struct bench b;
	lead_with_all_chosen(&b);
	ck_assert_uint_eq(next_heartbeat(&b), 0);
	echo(&b, 2, 77);
	/* That round is confirmed, and began before. */
	ck_assert_uint_eq(next_heartbeat(&b), 0);
	/* This one began after it, and nobody has echoed it. */
	ck_assert_uint_eq(next_heartbeat(&b), 0);
	echo(&b, 3, 0);
	ck_assert_uint_eq(next_heartbeat(&b), 77);
	/* Once. */
	echo(&b, 3, 0);
	ck_assert_uint_eq(next_heartbeat(&b), 0);
	/* Of stamps that come meanwhile the last one is next. */
	echo(&b, 2, 78);
	ck_assert_uint_eq(next_heartbeat(&b), 0);
	echo(&b, 2, 79);
	echo(&b, 2, 80);
	ck_assert_uint_eq(next_heartbeat(&b), 78);
	echo(&b, 2, 81);
	ck_assert_uint_eq(next_heartbeat(&b), 80);
	paxos_destroy(b.core);
}
END_TEST

/* A learner's echo confirms nothing; but its stamp is vouched for like another's. */
START_TEST(a_learners_stamp_is_vouched_for)
{
	struct bench b;
	lead_with_all_chosen(&b);
	next_heartbeat(&b);
	for (int i = 0; i < 3; i++) {
		receive(&b, METHOD_ACCEPTED,
			(struct wire_peer_any){.from = 2,
					       .ballot = b.core->ballot,
					       .sequence = b.core->rounds.newest,
					       .flags = PEER_LEARNER,
					       .slot = b.core->chosen,
					       .stamp = 5});
		ck_assert_uint_eq(next_heartbeat(&b), 0);
	}
	echo(&b, 3, 0);
	ck_assert_uint_eq(next_heartbeat(&b), 5);
	paxos_destroy(b.core);
}
END_TEST

/*
 * What an earlier leader may have acknowledged is not known to be chosen yet: nothing is vouched
 * for.
 */
START_TEST(below_the_barrier_nothing_is_vouched_for)
{
	struct bench b;
	bench_init(&b, 1, 3);
	lead(&b, 0);
	sync_all(&b);
	settle(&b);
	ck_assert_uint_lt(b.core->chosen, b.core->barrier);
	for (int i = 0; i < 4; i++) {
		receive(&b, METHOD_ACCEPTED,
			(struct wire_peer_any){.from = 2,
					       .ballot = b.core->ballot,
					       .sequence = b.core->rounds.newest,
					       .stamp = 9});
		ck_assert_uint_eq(next_heartbeat(&b), 0);
	}
	ck_assert_uint_eq(since(&b), 0);
	paxos_destroy(b.core);
}
END_TEST

/* Its own age is that of its last confirmed round; who leads no longer knows that on. */
START_TEST(the_leaders_own_age_is_of_its_last_round)
{
	struct bench b;
	lead_with_all_chosen(&b);
	next_heartbeat(&b);
	apply(&b);
	uint64_t began_us = b.now_us;
	echo(&b, 3, 0);
	ck_assert_uint_eq(since(&b), began_us);
	next_heartbeat(&b);
	ck_assert_uint_eq(since(&b), began_us);
	echo(&b, 2, 0);
	ck_assert_uint_eq(since(&b), b.now_us);
	began_us = b.now_us;
	b.now_us += 10;
	receive(&b, METHOD_REJECT, (struct wire_peer_any){.from = 2, .ballot = ballot_make(9, 2)});
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_FOLLOWER);
	ck_assert_uint_eq(since(&b), began_us);
	paxos_destroy(b.core);
}
END_TEST

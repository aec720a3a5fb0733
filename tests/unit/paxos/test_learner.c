/*
 * A replica that has lost its directory (multipaxos.h, LEARNERS): it follows and has no vote, and
 * its leader counts it nowhere.
 */
#include "../support/check_main.h"
#include "bench.h"
#include "paxos/judge.h"

#define LEASE_US 100000u

/* ---- the learner ---- */

static void learner(struct bench *b)
{
	bench_init_leased(b, 3, 3, LEASE_US);
	paxos_stop_voting(b->core, b->now_us);
}

/*
 * faults: 92. A replica without a vote grants no pre-vote, and answers a Prepare with nothing, on
 * disk or off.
 */
START_TEST(a_learner_promises_nothing)
{
	struct bench b;
	uint64_t ballot = ballot_make(1, 1);
	learner(&b);
	ck_assert(!paxos_votes(b.core));
	receive(&b, METHOD_PRE_VOTE, (struct wire_peer_any){.from = 1, .ballot = ballot});
	const struct sent *reply = sent(settle(&b), 1, METHOD_PRE_VOTE_REPLY);
	ck_assert(reply != NULL && reply->message.flags == 0);
	receive(&b, METHOD_PREPARE, (struct wire_peer_any){.from = 1, .ballot = ballot, .slot = 1});
	const struct consensus_output *out = settle(&b);
	ck_assert_uint_eq(out->npersists, 0);
	ck_assert_uint_eq(out->nsends, 0);
	sync_all(&b);
	ck_assert_uint_eq(settle(&b)->nsends, 0);
	paxos_destroy(b.core);
}
END_TEST

/*
 * A learner fetches what there is and never stands: neither by its timer, nor when asked to take
 * over, nor alone.
 */
START_TEST(a_learner_never_stands)
{
	struct bench b;
	learner(&b);
	for (int i = 0; i < 20; i++) {
		b.now_us = paxos_deadline_us(b.core);
		paxos_tick(b.core, b.now_us);
		ck_assert_int_eq(paxos_role(b.core), CONSENSUS_FOLLOWER);
		/* It asks one after the other what there is: it may have been removed. */
		const struct consensus_output *out = settle(&b);
		ck_assert_uint_eq(out->nsends, 1);
		ck_assert_int_eq(out->sends[0].method, METHOD_FETCH);
	}
	/* Nor when it is asked to. */
	uint64_t ballot = ballot_make(1, 1);
	receive(&b, METHOD_ACCEPT,
		(struct wire_peer_any){.from = 1, .ballot = ballot, .sequence = 1});
	settle(&b);
	receive(&b, METHOD_TAKE_OVER, (struct wire_peer_any){.from = 1, .ballot = ballot});
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_FOLLOWER);
	paxos_destroy(b.core);
	/* Nor alone: that group is silent. */
	bench_init(&b, 1, 1);
	paxos_stop_voting(b.core, b.now_us);
	for (int i = 0; i < 20; i++) {
		b.now_us = paxos_deadline_us(b.core);
		paxos_tick(b.core, b.now_us);
		settle(&b);
		sync_all(&b);
		ck_assert_int_eq(paxos_role(b.core), CONSENSUS_FOLLOWER);
	}
	paxos_destroy(b.core);
}
END_TEST

/* It writes down what it is sent, says so, says that it is a learner, and grants no lease. */
START_TEST(a_learner_accepts_and_learns)
{
	struct bench b;
	uint64_t ballot = ballot_make(1, 1);
	learner(&b);
	struct wire_entry entry = {.slot = 1, .value = slice_string("a")};
	receive(&b, METHOD_ACCEPT,
		(struct wire_peer_any){.from = 1,
				       .ballot = ballot,
				       .sequence = 1,
				       .lease_us = LEASE_US,
				       .nentries = 1,
				       .entries = &entry});
	settle(&b);
	sync_all(&b);
	const struct sent *accepted = sent(settle(&b), 1, METHOD_ACCEPTED);
	ck_assert_ptr_nonnull(accepted);
	ck_assert_uint_eq(accepted->message.flags, PEER_LEARNER);
	ck_assert_uint_eq(accepted->message.nranges, 1);
	receive(&b, METHOD_ACCEPT,
		(struct wire_peer_any){.from = 1, .ballot = ballot, .sequence = 2, .chosen = 1});
	ck_assert_uint_eq(paxos_chosen_slot(b.core), 1);
	paxos_destroy(b.core);
}
END_TEST

/*
 * Told while a promise is on its way to the disk, while it stands, and while it leads: all of that
 * is over.
 */
START_TEST(a_voter_that_becomes_a_learner_gives_all_up)
{
	struct bench b;
	bench_init(&b, 3, 3);
	receive(&b, METHOD_PREPARE,
		(struct wire_peer_any){.from = 1, .ballot = ballot_make(1, 1), .slot = 1});
	settle(&b);
	paxos_stop_voting(b.core, b.now_us);
	sync_all(&b);
	ck_assert_ptr_null(sent(settle(&b), 1, METHOD_PROMISE));
	paxos_destroy(b.core);

	bench_init(&b, 1, 3);
	b.now_us = paxos_deadline_us(b.core);
	paxos_tick(b.core, b.now_us);
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_PRE_CANDIDATE);
	uint64_t ballot = b.core->ballot;
	paxos_stop_voting(b.core, b.now_us);
	receive(&b, METHOD_PRE_VOTE_REPLY,
		(struct wire_peer_any){.from = 2, .sequence = ballot, .flags = PEER_GRANTED});
	ck_assert_uint_eq(settle(&b)->nsends, 0);
	paxos_destroy(b.core);

	bench_init(&b, 1, 3);
	lead(&b, 0);
	paxos_stop_voting(b.core, b.now_us);
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_FOLLOWER);
	ck_assert(!paxos_can_propose(b.core) && !paxos_read(b.core, 1));
	paxos_destroy(b.core);
}
END_TEST

/* ---- its leader ---- */

static void answer(struct bench *b, uint32_t from, uint32_t flags)
{
	struct wire_range range = {1, b->core->next_slot - 1};
	struct wire_peer_any m = {.group = 1,
				  .from = from,
				  .to = 1,
				  .ballot = b->core->ballot,
				  .slot = range.last,
				  .sequence = b->core->rounds.newest,
				  .flags = flags,
				  .nranges = 1,
				  .ranges = &range};
	ck_assert_ptr_null(judge_any(b, METHOD_ACCEPTED, &m));
	receive(b, METHOD_ACCEPTED, m);
}

/*
 * What only a learner has acknowledged is not chosen, confirms no read, extends no lease; and it
 * is no successor.
 */
START_TEST(a_learner_is_counted_for_nothing)
{
	struct bench b;
	bench_init_leased(&b, 1, 3, LEASE_US);
	lead(&b, 0);
	sync_all(&b);
	answer(&b, 3, PEER_LEARNER);
	ck_assert_uint_eq(paxos_chosen_slot(b.core), 0);
	ck_assert(!paxos_lease_holds(b.core));
	ck_assert(paxos_read(b.core, 1));
	/* The round of reads is asked of who may answer it. */
	ck_assert_ptr_nonnull(sent(settle(&b), 2, METHOD_ACCEPT));
	answer(&b, 3, PEER_LEARNER);
	ck_assert_uint_eq(settle(&b)->nreads, 0);
	/* It is nobody to hand over to, though nobody has as much. */
	ck_assert_uint_eq(b.core->peers[2].matched, b.core->next_slot - 1);
	ck_assert(!paxos_transfer(b.core, b.now_us, 3));
	ck_assert(paxos_transfer(b.core, b.now_us, 0));
	ck_assert_uint_eq(b.core->transfer.to, 2);
	/* Whose vote counts makes up the quorum. */
	answer(&b, 2, PEER_LEASED);
	ck_assert_uint_eq(paxos_chosen_slot(b.core), b.core->next_slot - 1);
	ck_assert(paxos_lease_holds(b.core));
	ck_assert_uint_eq(settle(&b)->nreads, 1);
	paxos_destroy(b.core);
}
END_TEST

/* What its earlier life said may arrive after what this one says. */
START_TEST(a_late_answer_of_its_earlier_life_changes_nothing)
{
	struct bench b;
	bench_init(&b, 1, 3);
	lead(&b, 0);
	sync_all(&b);
	answer(&b, 3, PEER_LEARNER);
	answer(&b, 3, 0);
	ck_assert_uint_eq(paxos_chosen_slot(b.core), 0);
	paxos_destroy(b.core);
}
END_TEST

/*
 * A leader whom only a learner answers makes room; and while it asks for a round nobody is left
 * out.
 */
START_TEST(a_learner_makes_up_no_quorum)
{
	struct bench b;
	bench_init(&b, 1, 3);
	lead(&b, 0);
	sync_all(&b);
	uint64_t end_us = b.now_us + 4 * b.core->options.election_timeout_us;
	while (paxos_role(b.core) == CONSENSUS_LEADER && b.now_us < end_us) {
		answer(&b, 3, PEER_LEARNER);
		ck_assert(paxos_read(b.core, 1));
		ck_assert_uint_eq(settle(&b)->nreads, 0);
		b.now_us = paxos_deadline_us(b.core);
		paxos_tick(b.core, b.now_us);
	}
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_FOLLOWER);
	paxos_destroy(b.core);
	/* Both others are learners. */
	bench_init(&b, 1, 3);
	lead(&b, 0);
	sync_all(&b);
	answer(&b, 2, PEER_LEARNER);
	answer(&b, 3, PEER_LEARNER);
	ck_assert(paxos_read(b.core, 1));
	ck_assert_uint_eq(settle(&b)->nreads, 0);
	ck_assert(!paxos_transfer(b.core, b.now_us, 0) && !paxos_relieve(b.core, b.now_us));
	paxos_destroy(b.core);
}
END_TEST

/* A learner cannot have granted a lease; that it is not fit to lead it may say. */
START_TEST(a_learner_that_grants_a_lease_is_refused)
{
	struct bench b;
	bench_init_leased(&b, 1, 3, LEASE_US);
	lead(&b, 0);
	struct wire_peer_any m = {.group = 1,
				  .from = 3,
				  .to = 1,
				  .ballot = b.core->ballot,
				  .flags = PEER_LEARNER | PEER_LEASED};
	ck_assert_ptr_nonnull(judge_any(&b, METHOD_ACCEPTED, &m));
	m.flags = PEER_LEARNER | PEER_UNFIT;
	ck_assert_ptr_null(judge_any(&b, METHOD_ACCEPTED, &m));
	paxos_destroy(b.core);
}
END_TEST

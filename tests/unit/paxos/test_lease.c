/*
 * Read leases: when a leader may rely on one, and who keeps it for how long. Leases of 100 ms,
 * election timeout 150 ms.
 */
#include "../support/check_main.h"
#include "bench.h"

#define LEASE_US 100000u
#define USABLE_US (LEASE_US - LEASE_US / LEASE_DRIFT_PART)

/* Member 2 echoes the newest round, with the lease. */
static void grant(struct bench *b)
{
	receive(b, METHOD_ACCEPTED,
		(struct wire_peer_any){.from = 2,
				       .ballot = b->core->ballot,
				       .sequence = b->core->rounds.newest,
				       .flags = PEER_LEASED});
}

static uint32_t reads_confirmed(struct bench *b)
{
	(void)paxos_read(b->core, 1);
	return settle(b)->nreads;
}

static void lead_with_lease(struct bench *b)
{
	bench_init_leased(b, 1, 3, LEASE_US);
	lead(b, 0);
	sync_all(b);
	grant(b);
	settle(b);
}

/* A follower of leader 1 in ballot (1, 1), of whom it has just had a round with a lease. */
static void follow_with_lease(struct bench *b, uint64_t lease_us)
{
	bench_init_leased(b, 2, 3, LEASE_US);
	receive(b, METHOD_ACCEPT,
		(struct wire_peer_any){.from = 1,
				       .ballot = ballot_make(1, 1),
				       .sequence = 1,
				       .lease_us = lease_us});
}

static bool promises(struct bench *b, uint32_t to, struct wire_peer_any prepare)
{
	prepare.from = to;
	prepare.ballot = ballot_make(2, to);
	prepare.slot = 1;
	receive(b, METHOD_PREPARE, prepare);
	settle(b);
	sync_all(b);
	return sent(settle(b), to, METHOD_PROMISE) != NULL;
}

/*
 * While a quorum has granted it, reads are confirmed without a round; from 7/8 of the lease after
 * the round's beginning, not any more.
 */
START_TEST(reads_are_confirmed_by_a_lease)
{
	struct bench b;
	lead_with_lease(&b);
	uint64_t round = b.core->rounds.newest;
	ck_assert_uint_eq(reads_confirmed(&b), 1);
	b.now_us += USABLE_US - 1;
	ck_assert_uint_eq(reads_confirmed(&b), 1);
	ck_assert_uint_eq(b.core->rounds.newest, round);
	b.now_us += 1;
	ck_assert_uint_eq(reads_confirmed(&b), 0);
	/* Then it takes a round, which renews it. */
	ck_assert_uint_eq(b.core->rounds.newest, round + 1);
	grant(&b);
	ck_assert_uint_eq(settle(&b)->nreads, 1);
	ck_assert_uint_eq(reads_confirmed(&b), 1);
	paxos_destroy(b.core);
}
END_TEST

/* faults: 44 */
/*
 * The process stopped within a turn, after the turn's clock was read: what counts is the time when
 * the reads have been received.
 */
START_TEST(a_pause_within_a_turn_counts)
{
	struct bench b;
	lead_with_lease(&b);
	b.later_us = USABLE_US;
	ck_assert_uint_eq(reads_confirmed(&b), 0);
	b.later_us = 0;
	paxos_destroy(b.core);

	/*
	 * The follower's side: its lease runs from when the round arrived, not from when its turn
	 * began.
	 */
	bench_init_leased(&b, 2, 3, LEASE_US);
	b.later_us = 300000;
	receive(&b, METHOD_ACCEPT,
		(struct wire_peer_any){.from = 1,
				       .ballot = ballot_make(1, 1),
				       .sequence = 1,
				       .lease_us = LEASE_US});
	b.later_us = 0;
	b.now_us += 300000 + LEASE_US - 1;
	ck_assert(!promises(&b, 3, (struct wire_peer_any){0}));
	b.now_us += 1;
	ck_assert(promises(&b, 3, (struct wire_peer_any){0}));
	paxos_destroy(b.core);
}
END_TEST

/*
 * An echo without the lease (of a replica that does not know leases, or would forget this one too
 * soon) is none.
 */
START_TEST(an_echo_without_a_lease_is_none)
{
	struct bench b;
	bench_init_leased(&b, 1, 3, LEASE_US);
	lead(&b, 0);
	sync_all(&b);
	receive(&b, METHOD_ACCEPTED,
		(struct wire_peer_any){
			.from = 2, .ballot = b.core->ballot, .sequence = b.core->rounds.newest});
	settle(&b);
	ck_assert(!paxos_lease_holds(b.core));
	/* Nor does a late copy of an old one speak for the newest round. */
	b.now_us += LEASE_US;
	(void)reads_confirmed(&b);
	ck_assert_uint_eq(b.core->rounds.newest, 2);
	receive(&b, METHOD_ACCEPTED,
		(struct wire_peer_any){.from = 2, .ballot = b.core->ballot, .sequence = 2});
	receive(&b, METHOD_ACCEPTED,
		(struct wire_peer_any){
			.from = 2, .ballot = b.core->ballot, .sequence = 1, .flags = PEER_LEASED});
	ck_assert(!paxos_lease_holds(b.core));
	paxos_destroy(b.core);

	follow_with_lease(&b, 150001);
	const struct sent *accepted = sent(settle(&b), 1, METHOD_ACCEPTED);
	ck_assert_ptr_nonnull(accepted);
	ck_assert_uint_eq(accepted->message.flags, 0);
	ck_assert(promises(&b, 3, (struct wire_peer_any){0}));
	paxos_destroy(b.core);
}
END_TEST

/*
 * Who has granted a lease says so, promises nothing to anybody until it is over, and refuses votes.
 */
START_TEST(a_grantor_holds_back)
{
	struct bench b;
	follow_with_lease(&b, LEASE_US);
	const struct sent *accepted = sent(settle(&b), 1, METHOD_ACCEPTED);
	ck_assert_ptr_nonnull(accepted);
	ck_assert_uint_eq(accepted->message.flags, PEER_LEASED);
	paxos_peer_lost(b.core, b.now_us, 1);
	b.now_us += LEASE_US - 1;
	ck_assert(!promises(&b, 3, (struct wire_peer_any){0}));
	receive(&b, METHOD_PRE_VOTE,
		(struct wire_peer_any){.from = 3, .ballot = ballot_make(2, 3)});
	const struct sent *reply = sent(settle(&b), 3, METHOD_PRE_VOTE_REPLY);
	ck_assert_ptr_nonnull(reply);
	ck_assert_uint_eq(reply->message.flags & PEER_GRANTED, 0);
	b.now_us += 1;
	ck_assert(promises(&b, 3, (struct wire_peer_any){0}));
	paxos_destroy(b.core);
}
END_TEST

/*
 * Nor does it stand itself, though it knows that the leader is gone; as soon as the lease is over
 * it does.
 */
START_TEST(a_grantor_does_not_stand)
{
	struct bench b;
	follow_with_lease(&b, LEASE_US);
	settle(&b);
	uint64_t until_us = b.now_us + LEASE_US;
	paxos_peer_lost(b.core, b.now_us, 1);
	while (paxos_role(b.core) == CONSENSUS_FOLLOWER) {
		b.now_us = paxos_deadline_us(b.core);
		paxos_tick(b.core, b.now_us);
	}
	ck_assert_uint_eq(b.now_us, until_us);
	paxos_destroy(b.core);
}
END_TEST

/* faults: 44 */
/*
 * After a restart nobody knows what had been granted: nothing is promised before an election
 * timeout is over, to oneself neither.
 */
START_TEST(a_restart_keeps_the_lease_that_it_forgot)
{
	struct bench b;
	bench_init_leased(&b, 2, 3, 0);
	paxos_start(b.core, b.now_us);
	uint64_t until_us = b.now_us + 150000;
	receive(&b, METHOD_ACCEPT,
		(struct wire_peer_any){.from = 1, .ballot = ballot_make(1, 1), .sequence = 1});
	settle(&b);
	receive(&b, METHOD_TAKE_OVER,
		(struct wire_peer_any){.from = 1, .ballot = ballot_make(1, 1)});
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_FOLLOWER);
	paxos_peer_lost(b.core, b.now_us, 1);
	b.now_us = until_us - 1;
	paxos_tick(b.core, b.now_us);
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_FOLLOWER);
	ck_assert(!promises(
		&b, 3,
		(struct wire_peer_any){.flags = PEER_LEASE_OVER, .sequence = ballot_make(1, 1)}));
	b.now_us = until_us;
	ck_assert(promises(&b, 3, (struct wire_peer_any){0}));
	paxos_destroy(b.core);
}
END_TEST

/*
 * A leader that hands over has given up its lease, for good; so its successor need not wait, nor
 * whoever is asked by it.
 */
START_TEST(a_hand_over_ends_the_lease)
{
	struct bench b;
	struct wire_range range = {.first = 1, .last = 1};
	lead_with_lease(&b);
	receive(&b, METHOD_ACCEPTED,
		(struct wire_peer_any){.from = 2,
				       .ballot = b.core->ballot,
				       .slot = 1,
				       .nranges = 1,
				       .ranges = &range});
	settle(&b);
	ck_assert(paxos_lease_holds(b.core));
	ck_assert(paxos_transfer(b.core, b.now_us, 2));
	ck_assert_ptr_nonnull(sent(settle(&b), 2, METHOD_TAKE_OVER));
	ck_assert(!paxos_lease_holds(b.core));
	/* The successor did not come: it goes on to lead, without a lease. */
	b.now_us += 160000;
	paxos_tick(b.core, b.now_us);
	const struct sent *accept = sent(settle(&b), 2, METHOD_ACCEPT);
	ck_assert_ptr_nonnull(accept);
	ck_assert_uint_eq(accept->message.lease_us, 0);
	grant(&b);
	ck_assert(!paxos_lease_holds(b.core));
	paxos_destroy(b.core);

	/* The successor. */
	follow_with_lease(&b, LEASE_US);
	settle(&b);
	receive(&b, METHOD_TAKE_OVER,
		(struct wire_peer_any){.from = 1, .ballot = ballot_make(1, 1)});
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_CANDIDATE);
	settle(&b);
	sync_all(&b);
	const struct sent *prepare = sent(settle(&b), 3, METHOD_PREPARE);
	ck_assert_ptr_nonnull(prepare);
	ck_assert_uint_eq(prepare->message.flags, PEER_LEASE_OVER);
	ck_assert_uint_eq(prepare->message.sequence, ballot_make(1, 1));
	paxos_destroy(b.core);

	/* Whoever else had granted it; but not if its lease is a later leader's. */
	for (uint32_t later = 0; later < 2; later++) {
		follow_with_lease(&b, LEASE_US);
		if (later)
			receive(&b, METHOD_ACCEPT,
				(struct wire_peer_any){.from = 3,
						       .ballot = ballot_make(1, 3),
						       .sequence = 1,
						       .lease_us = LEASE_US});
		bool promised = promises(&b, 3,
					 (struct wire_peer_any){.flags = PEER_LEASE_OVER,
								.sequence = ballot_make(1, 1)});
		ck_assert(promised == !later);
		paxos_destroy(b.core);
	}
}
END_TEST

/*
 * The published scenarios of MIT 6.824, 2015, "paxos": each test names the one that it meets. Times
 * are virtual. faults: 2, 7, 8, 9
 */
#include "../support/check_main.h"
#include "peers.h"

#include <inttypes.h>
#include <stdio.h>

#define SECOND UINT64_C(1000000)
#define SOON (10 * SECOND)

static void start_number(struct peers *p, uint32_t i, uint64_t seq, uint64_t number)
{
	char value[32];
	snprintf(value, sizeof value, "%" PRIu64, number);
	ck_assert_int_eq(peers_start(p, i, seq, value), 0);
}

static uint64_t min_of(const struct peers *p, uint32_t i)
{
	return agreement_min(p->peers[i].core);
}

/*
 * course: 2015 paxos TestBasic — Single proposer, three with one value, three with different
 * values, instances out of order; Max is the highest seen.
 */
START_TEST(proposers_in_any_number_and_order_agree)
{
	struct peers p;
	peers_init(&p, 3, 1);
	peers_start(&p, 0, 0, "hello");
	ck_assert(peers_wait(&p, 0, 3, SOON));
	ck_assert_str_eq(peers_value(&p, 0), "hello");
	for (uint32_t i = 0; i < 3; i++)
		peers_start(&p, i, 1, "77");
	ck_assert(peers_wait(&p, 1, 3, SOON));
	ck_assert_str_eq(peers_value(&p, 1), "77");
	for (uint32_t i = 0; i < 3; i++)
		start_number(&p, i, 2, 100 + i);
	ck_assert(peers_wait(&p, 2, 3, SOON));
	start_number(&p, 0, 7, 700);
	start_number(&p, 0, 6, 600);
	start_number(&p, 1, 5, 500);
	ck_assert(peers_wait(&p, 7, 3, SOON));
	start_number(&p, 0, 4, 400);
	start_number(&p, 1, 3, 300);
	for (uint64_t seq = 3; seq < 7; seq++)
		ck_assert(peers_wait(&p, seq, 3, SOON));
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_uint_eq(agreement_next(p.peers[i].core), 7 + 1);
	peers_free(&p);
}
END_TEST

/*
 * course: 2015 paxos TestDeaf — A deaf peer, which nobody reaches, learns nothing until it
 * proposes; then it learns through its own requests.
 */
START_TEST(a_deaf_peer_learns_when_it_proposes)
{
	struct peers p;
	peers_init(&p, 5, 2);
	start_number(&p, 0, 0, 1);
	ck_assert(peers_wait(&p, 0, 5, SOON));
	peers_deafen(&p, 0);
	peers_deafen(&p, 4);
	start_number(&p, 1, 1, 2);
	ck_assert(peers_wait(&p, 1, 3, SOON));
	peers_run(&p, 5 * SECOND);
	ck_assert_uint_eq(peers_decided(&p, 1), 3);
	start_number(&p, 0, 1, 3);
	ck_assert(peers_wait(&p, 1, 4, SOON));
	peers_run(&p, 5 * SECOND);
	ck_assert_uint_eq(peers_decided(&p, 1), 4);
	start_number(&p, 4, 1, 4);
	ck_assert(peers_wait(&p, 1, 5, SOON));
	ck_assert_str_eq(peers_value(&p, 1), "2");
	peers_free(&p);
}
END_TEST

/*
 * course: 2015 paxos TestForget — Min stays 0 until every peer has said Done, and then rises
 * everywhere.
 */
START_TEST(min_rises_when_every_peer_is_done)
{
	struct peers p;
	peers_init(&p, 6, 3);
	for (uint32_t i = 0; i < 6; i++)
		ck_assert_uint_eq(min_of(&p, i), 0);
	start_number(&p, 0, 0, 0);
	start_number(&p, 1, 1, 11);
	start_number(&p, 2, 2, 22);
	start_number(&p, 0, 6, 66);
	start_number(&p, 1, 7, 77);
	ck_assert(peers_wait(&p, 0, 6, SOON));
	for (uint32_t i = 0; i < 6; i++)
		ck_assert_uint_eq(min_of(&p, i), 0);
	ck_assert(peers_wait(&p, 1, 6, SOON));
	for (uint32_t i = 0; i < 6; i++)
		peers_done(&p, i, 0);
	for (uint32_t i = 1; i < 6; i++)
		peers_done(&p, i, 1);
	for (uint32_t i = 0; i < 6; i++)
		start_number(&p, i, 8 + i, i);
	peers_run(&p, 12 * SECOND);
	for (uint32_t i = 0; i < 6; i++)
		ck_assert_uint_eq(min_of(&p, i), 1);
	peers_free(&p);
}
END_TEST

/*
 * course: 2015 paxos TestManyForget — Many instances in any order with Dones in between, over a bad
 * network: nothing breaks, everything is answered.
 */
START_TEST(dones_between_many_instances_break_nothing)
{
	struct peers p;
	uint64_t order[20];
	peers_init(&p, 3, 4);
	peers_unreliable(&p);
	for (uint64_t i = 0; i < 20; i++) {
		uint64_t k = rng_below(&p.rng, i + 1);
		order[i] = order[k];
		order[k] = i;
	}
	for (uint32_t i = 0; i < 20; i++) {
		char value[16];
		snprintf(value, sizeof value, "%u", i);
		int status = peers_start(&p, (uint32_t)rng_below(&p.rng, 3), order[i], value);
		ck_assert(status == 0 || status == STATUS_COMPACTED);
		uint32_t who = (uint32_t)rng_below(&p.rng, 3);
		uint64_t seq = rng_below(&p.rng, 20);
		struct bytes *known;
		if (seq >= min_of(&p, who) &&
		    agreement_status(p.peers[who].core, seq, &known) == AGREEMENT_STATE_DECIDED)
			peers_done(&p, who, seq);
		peers_run(&p, rng_below(&p.rng, 100000));
	}
	peers_run(&p, 5 * SECOND);
	peers_heal(&p);
	for (uint64_t seq = 0; seq < 20; seq++)
		if (seq >= min_of(&p, 0) && seq >= min_of(&p, 1) && seq >= min_of(&p, 2))
			ck_assert(peers_wait(&p, seq, 3, SOON));
	peers_free(&p);
}
END_TEST

/*
 * course: 2015 paxos TestForgetMem — Memory of values is given back when all are done with them;
 * forgotten instances say so, and refuse to start.
 */
START_TEST(memory_of_forgotten_values_is_given_back)
{
	struct peers p;
	struct bytes *big = bytes_new(MIB), *value;
	uint64_t peak = 0, after = 0;
	memset(big->data, 'x', big->len);
	peers_init(&p, 3, 5);
	start_number(&p, 0, 0, 0);
	ck_assert(peers_wait(&p, 0, 3, SOON));
	for (uint64_t seq = 1; seq <= 10; seq++) {
		ck_assert_int_eq(agreement_start(p.peers[0].core, p.now_us, seq, big), 0);
		peers_settle(&p, 0);
		ck_assert(peers_wait(&p, seq, 3, SOON));
	}
	for (uint32_t i = 0; i < 3; i++) {
		peak += agreement_bytes(p.peers[i].core);
		peers_done(&p, i, 10);
	}
	ck_assert_uint_ge(peak, 30 * MIB);
	ck_assert_uint_le(peak, 31 * MIB);
	for (uint32_t i = 0; i < 3; i++)
		start_number(&p, i, 11 + i, i);
	peers_run(&p, 3 * SECOND);
	for (uint32_t i = 0; i < 3; i++) {
		ck_assert_uint_eq(min_of(&p, i), 11);
		after += agreement_bytes(p.peers[i].core);
		for (uint64_t seq = 0; seq <= 10; seq++)
			ck_assert_int_eq(agreement_status(p.peers[i].core, seq, &value),
					 AGREEMENT_STATE_FORGOTTEN);
		ck_assert_int_eq(peers_start(&p, i, 10, "again"), STATUS_COMPACTED);
	}
	ck_assert_uint_le(after, peak / 2);
	ck_assert_uint_le(after, 64 * KIB);
	bytes_unref(big);
	peers_free(&p);
}
END_TEST

/* course: 2015 paxos TestDoneMax — Max does not fall when what it counted is forgotten. */
START_TEST(max_does_not_fall_by_forgetting)
{
	struct peers p;
	peers_init(&p, 3, 6);
	for (uint64_t seq = 0; seq <= 10; seq++) {
		start_number(&p, 0, seq, seq);
		ck_assert(peers_wait(&p, seq, 3, SOON));
	}
	for (uint32_t i = 0; i < 3; i++)
		peers_done(&p, i, 10);
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_uint_eq(agreement_next(p.peers[i].core), 10 + 1);
	peers_run(&p, 2 * SECOND);
	for (uint32_t i = 0; i < 3; i++) {
		ck_assert_uint_eq(min_of(&p, i), 11);
		peers_crash(&p, i);
		peers_restart(&p, i);
		ck_assert_uint_eq(agreement_next(p.peers[i].core), 10 + 1);
		ck_assert_uint_eq(min_of(&p, i), 11);
	}
	peers_free(&p);
}
END_TEST

/*
 * course: 2015 paxos TestRPCCount — Messages of an agreement. The course counts the calls of a peer
 * to itself, and allows 9 an instance without contention, 45 with three proposers; here a peer does
 * not call itself, so the counts are those times 2/3.
 */
START_TEST(an_agreement_takes_few_messages)
{
	struct peers p;
	peers_init(&p, 3, 7);
	uint64_t owner = 0, other = 0;
	for (uint64_t seq = 0; seq < 5; seq++) {
		uint64_t before = p.requests;
		start_number(&p, 0, seq, seq);
		ck_assert(peers_wait(&p, seq, 3, SOON));
		if (seq % 3 == 0)
			owner = p.requests - before;
		else
			other = p.requests - before;
	}
	printf("requests of one agreement among three peers: %" PRIu64 " by the owner, %" PRIu64
	       " by another; five: %" PRIu64 "\n",
	       owner, other, p.requests);
	ck_assert_uint_eq(owner, 4);
	ck_assert_uint_eq(other, 6);
	ck_assert_uint_le(p.requests, 5 * 9 * 2 / 3);

	uint64_t before = p.requests;
	for (uint64_t seq = 5; seq < 10; seq++) {
		for (uint32_t i = 0; i < 3; i++)
			start_number(&p, i, seq, seq * 10 + i);
		ck_assert(peers_wait(&p, seq, 3, SOON));
	}
	printf("five with three proposers each: %" PRIu64 "\n", p.requests - before);
	ck_assert_uint_le(p.requests - before, 5 * 45 * 2 / 3);
	/*
	 * Those who were told make sure of each other once: one message for all instances to whom
	 * they do not know of.
	 */
	before = p.requests;
	peers_run(&p, 10 * SECOND);
	ck_assert_uint_le(p.requests - before, 12);
	peers_free(&p);
}
END_TEST

/*
 * course: 2015 paxos noTestSpeed — Twenty agreements, one after another: what they take is printed,
 * and is bounded by round trips.
 */
START_TEST(agreements_in_a_row_take_few_round_trips)
{
	struct peers p;
	peers_init(&p, 3, 13);
	uint64_t trip_us = 2 * p.delay_max_us, sync_us = p.peers[0].sync_max_us;
	for (uint64_t seq = 0; seq < 20; seq++) {
		start_number(&p, 0, seq, seq);
		ck_assert(peers_wait(&p, seq, 3, SOON));
	}
	printf("twenty agreements among three peers: %" PRIu64 " us, %" PRIu64 " requests\n",
	       p.now_us, p.requests);
	/*
	 * Two phases of a round trip and a synced write each, and a trip that tells the decision.
	 */
	ck_assert_uint_le(p.now_us, 20 * (3 * trip_us + 3 * sync_us));
	peers_free(&p);
}
END_TEST

static void many(struct peers *p, uint64_t seqs, uint64_t open)
{
	for (uint64_t seq = 1; seq < seqs; seq++) {
		while (seq >= open && peers_decided(p, seq - open) < 3)
			ck_assert(peers_step(p, p->now_us + SOON));
		for (uint32_t i = 0; i < 3; i++)
			start_number(p, i, seq, seq * 10 + i);
	}
	for (uint64_t seq = 1; seq < seqs; seq++)
		ck_assert(peers_wait(p, seq, 3, SOON));
}

/* course: 2015 paxos TestMany — Many instances with three proposers each, five at a time. */
START_TEST(many_instances_with_three_proposers_agree)
{
	struct peers p;
	peers_init(&p, 3, 8);
	start_number(&p, 0, 0, 0);
	peers_wait(&p, 0, 3, SOON);
	many(&p, 50, 5);
	peers_free(&p);
}
END_TEST

/* course: 2015 paxos TestManyUnreliable — The same over a bad network, three at a time. */
START_TEST(many_instances_agree_over_a_bad_network)
{
	struct peers p;
	peers_init(&p, 3, 9);
	peers_unreliable(&p);
	start_number(&p, 0, 0, 0);
	peers_wait(&p, 0, 3, SOON);
	many(&p, 50, 3);
	peers_free(&p);
}
END_TEST

/*
 * course: 2015 paxos TestOld — A peer that starts late and proposes something else learns what was
 * agreed without it.
 */
START_TEST(a_late_peer_learns_what_was_agreed_without_it)
{
	struct peers p;
	peers_init(&p, 5, 10);
	peers_crash(&p, 0);
	peers_crash(&p, 4);
	start_number(&p, 1, 1, 111);
	ck_assert(peers_wait(&p, 1, 3, SOON));
	peers_restart(&p, 0);
	start_number(&p, 0, 1, 222);
	ck_assert(peers_wait(&p, 1, 4, SOON));
	ck_assert_str_eq(peers_value(&p, 1), "111");
	peers_free(&p);
}
END_TEST

static void switch_sides(struct peers *p, uint64_t first)
{
	for (uint64_t seq = first; seq < first + 20; seq++) {
		peers_partition(p, "aaabb");
		start_number(p, 0, seq, seq * 10);
		start_number(p, 3, seq, seq * 10 + 1);
		ck_assert(peers_wait(p, seq, 3, SOON));
		ck_assert_uint_le(peers_decided(p, seq), 3);
		peers_partition(p, "aabbb");
		ck_assert(peers_wait(p, seq, 5, 4 * SOON));
	}
}

/*
 * course: 2015 paxos TestPartition — No majority, no decision; a majority decides; whoever comes
 * back learns; also while one peer switches sides all the time.
 */
START_TEST(only_a_majority_decides_in_a_partition)
{
	struct peers p;
	peers_init(&p, 5, 11);
	peers_partition(&p, "abacd");
	p.cut[1][3] = p.cut[3][1] = false;
	start_number(&p, 1, 1, 111);
	peers_run(&p, 3 * SECOND);
	ck_assert_uint_eq(peers_decided(&p, 1), 0);
	peers_partition(&p, "abbbc");
	ck_assert(peers_wait(&p, 1, 3, SOON));
	peers_run(&p, 3 * SECOND);
	ck_assert_uint_eq(peers_decided(&p, 1), 3);
	start_number(&p, 0, 1, 1000);
	start_number(&p, 4, 1, 1004);
	peers_heal(&p);
	ck_assert(peers_wait(&p, 1, 5, SOON));
	ck_assert_str_eq(peers_value(&p, 1), "111");
	switch_sides(&p, 2);
	peers_unreliable(&p);
	switch_sides(&p, 30);
	peers_free(&p);
}
END_TEST

static void repartition(struct peers *p)
{
	char sides[6] = "";
	for (uint32_t i = 0; i < 5; i++)
		sides[i] = (char)('a' + rng_below(&p->rng, 3));
	peers_partition(p, sides);
}

/*
 * course: 2015 paxos TestLots — Twenty seconds of partitions that change all the time over a bad
 * network, ten instances open; then all are decided.
 */
START_TEST(all_is_decided_after_many_partitions)
{
	struct peers p;
	uint64_t next = 0, oldest = 0, until_us;
	peers_init(&p, 5, 12);
	peers_unreliable(&p);
	for (until_us = 20 * SECOND; p.now_us < until_us;) {
		repartition(&p);
		for (uint32_t i = 0; i < 5; i++)
			if (next < oldest + 10)
				start_number(&p, i, next, next * 10 + i);
		next += next < oldest + 10;
		while (oldest < next && peers_decided(&p, oldest) >= 3)
			oldest++;
		peers_run(&p, rng_below(&p.rng, 200000));
	}
	peers_heal(&p);
	peers_run(&p, 5 * SECOND);
	ck_assert_uint_gt(next, 10);
	for (uint64_t seq = 0; seq < next; seq++)
		ck_assert_uint_ge(peers_decided(&p, seq), 3);
	peers_free(&p);
}
END_TEST

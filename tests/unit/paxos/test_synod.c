/*
 * Keyed to the rules of "Paxos Made Simple", section 2. faults: 5, 6
 */
#include "../support/check_main.h"
#include "base/rng.h"
#include "core/ballot.h"
#include "paxos/synod.h"

/*
 * P1a: an acceptor answers a Prepare only if its number is greater than that of any it has
 * answered.
 */
START_TEST(an_acceptor_answers_only_greater_prepares)
{
	struct synod_acceptor a = {0};
	ck_assert(synod_acceptor_prepare(&a, 5));
	ck_assert(!synod_acceptor_prepare(&a, 5));
	ck_assert(!synod_acceptor_prepare(&a, 4));
	ck_assert(synod_acceptor_prepare(&a, 6));
	synod_acceptor_free(&a);
}
END_TEST

/* P1b: an acceptor accepts a proposal unless it has promised a greater number. */
START_TEST(an_acceptor_accepts_unless_it_promised_more)
{
	struct synod_acceptor a = {0};
	struct bytes *v = bytes_copy(slice_string("v")), *w = bytes_copy(slice_string("w"));
	ck_assert(synod_acceptor_prepare(&a, 5));
	ck_assert(!synod_acceptor_accept(&a, 4, v));
	ck_assert(a.accepted == 0);
	ck_assert(synod_acceptor_accept(&a, 5, v));
	ck_assert(synod_acceptor_accept(&a, 7, w));
	ck_assert_uint_eq(a.promised, 7);
	ck_assert_ptr_eq(a.value, w);
	bytes_unref(v);
	bytes_unref(w);
	synod_acceptor_free(&a);
}
END_TEST

/*
 * P2c: the value of the highest-numbered proposal reported by the quorum is proposed; the own wish
 * only if there is none.
 */
START_TEST(the_highest_reported_value_is_proposed)
{
	struct synod_proposer p;
	struct bytes *wish = bytes_copy(slice_string("wish")),
		     *low = bytes_copy(slice_string("low")),
		     *high = bytes_copy(slice_string("high"));
	synod_proposer_init(&p, 5);
	synod_proposer_start(&p, 10, wish);
	ck_assert(!synod_proposer_promise(&p, 0, 10, 3, high));
	ck_assert(!synod_proposer_promise(&p, 1, 10, 2, low));
	ck_assert(synod_proposer_promise(&p, 2, 10, 0, NULL));
	ck_assert_ptr_eq(p.value, high);
	synod_proposer_free(&p);
	synod_proposer_init(&p, 3);
	synod_proposer_start(&p, 10, wish);
	ck_assert(!synod_proposer_promise(&p, 0, 10, 0, NULL));
	ck_assert(synod_proposer_promise(&p, 1, 10, 0, NULL));
	ck_assert_ptr_eq(p.value, wish);
	synod_proposer_free(&p);
	bytes_unref(wish);
	bytes_unref(low);
	bytes_unref(high);
}
END_TEST

/* A quorum is of distinct acceptors: a repeated answer counts once. */
START_TEST(a_repeated_answer_counts_once)
{
	struct synod_proposer p;
	synod_proposer_init(&p, 3);
	synod_proposer_start(&p, 10, NULL);
	ck_assert(!synod_proposer_promise(&p, 0, 10, 0, NULL));
	ck_assert(!synod_proposer_promise(&p, 0, 10, 0, NULL));
	ck_assert(synod_proposer_promise(&p, 1, 10, 0, NULL));
	ck_assert(!synod_proposer_accepted(&p, 2, 10));
	ck_assert(!synod_proposer_accepted(&p, 2, 10));
	ck_assert(!synod_proposer_accepted(&p, 1, 9));
	ck_assert(synod_proposer_accepted(&p, 1, 10));
	ck_assert_int_eq(p.phase, SYNOD_CHOSEN);
	synod_proposer_free(&p);
}
END_TEST

/*
 * Random interleavings of three proposers over five acceptors, with losses: at most one value is
 * ever chosen.
 */
START_TEST(at_most_one_value_is_ever_chosen)
{
	for (uint64_t seed = 1; seed <= 3000; seed++) {
		struct synod_acceptor acceptors[5] = {0};
		struct synod_proposer proposers[3];
		struct bytes *wishes[3];
		uint64_t round = 0;
		const struct bytes *chosen = NULL;
		struct rng rng;
		rng_seed(&rng, seed);
		for (uint32_t i = 0; i < 3; i++) {
			synod_proposer_init(&proposers[i], 5);
			wishes[i] = bytes_copy(slice(&i, sizeof i));
		}
		for (int step = 0; step < 200; step++) {
			uint32_t i = (uint32_t)rng_below(&rng, 3), a = (uint32_t)rng_below(&rng, 5);
			struct synod_proposer *p = &proposers[i];
			if (p->phase == SYNOD_CHOSEN)
				continue;
			if (p->phase == SYNOD_IDLE || rng_chance(&rng, 80000))
				synod_proposer_start(p, ballot_make(++round, i + 1), wishes[i]);
			bool lost = rng_chance(&rng, 200000);
			if (p->phase == SYNOD_PREPARING &&
			    synod_acceptor_prepare(&acceptors[a], p->ballot) && !lost)
				synod_proposer_promise(p, a, p->ballot, acceptors[a].accepted,
						       acceptors[a].value);
			else if (p->phase == SYNOD_ACCEPTING &&
				 synod_acceptor_accept(&acceptors[a], p->ballot, p->value) &&
				 !lost && synod_proposer_accepted(p, a, p->ballot)) {
				ck_assert_msg(chosen == NULL || chosen == p->value,
					      "seed %d: two values are chosen", (int)seed);
				chosen = p->value;
			}
		}
		for (uint32_t i = 0; i < 5; i++)
			synod_acceptor_free(&acceptors[i]);
		for (uint32_t i = 0; i < 3; i++) {
			synod_proposer_free(&proposers[i]);
			bytes_unref(wishes[i]);
		}
	}
}
END_TEST

/*
 * In the lowest ballot of all there is nothing to ask for: phase 2 at once, with the wish; later
 * ballots ask again.
 */
START_TEST(in_the_lowest_ballot_there_is_nothing_to_ask)
{
	struct synod_proposer p;
	struct bytes *wish = bytes_copy(slice_string("wish")),
		     *other = bytes_copy(slice_string("other"));
	synod_proposer_init(&p, 3);
	synod_proposer_start_lowest(&p, ballot_make(0, 2), wish);
	ck_assert(!synod_proposer_promise(&p, 1, ballot_make(0, 2), 0, NULL));
	ck_assert(!synod_proposer_accepted(&p, 0, ballot_make(0, 2)));
	synod_proposer_start(&p, ballot_make(1, 2), wish);
	ck_assert(!synod_proposer_accepted(&p, 1, ballot_make(1, 2)));
	ck_assert(!synod_proposer_promise(&p, 0, ballot_make(1, 2), ballot_make(0, 2), other));
	ck_assert(synod_proposer_promise(&p, 1, ballot_make(1, 2), 0, NULL));
	ck_assert_ptr_eq(p.value, other);
	synod_proposer_free(&p);
	bytes_unref(wish);
	bytes_unref(other);
}
END_TEST

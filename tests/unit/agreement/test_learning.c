/*
 * Every peer learns every decision, whoever crashes while it is told: what a peer has said to know,
 * it still knows after a crash.
 * faults: 5, 16
 */
#include "../support/check_main.h"
#include "peers.h"

#define SECOND 1000000ull

static bool has_decided(const struct peers *p, uint32_t i)
{
	return agreement_counters(p->peers[i].core)->decided == 1;
}

/* From here on nothing that the peer writes becomes durable. */
static void stick_disk(struct peers *p, uint32_t i)
{
	p->peers[i].sync_min_us = p->peers[i].sync_max_us = 3600 * SECOND;
}

static void crash_and_restart(struct peers *p, uint32_t i)
{
	p->peers[i].loses = true;
	peers_crash(p, i);
	p->peers[i].sync_min_us = p->peers[i].sync_max_us = 100;
	peers_restart(p, i);
}

/*
 * The votes of two others decide, before the proposer's own disk has written its vote or the
 * decision.
 */
START_TEST(a_proposer_that_loses_its_decision_learns_it_again)
{
	struct peers p;
	peers_init(&p, 3, 1);
	ck_assert_int_eq(peers_start(&p, 1, 0, "value"), 0);
	while (p.peers[1].durable == 0)
		ck_assert(peers_step(&p, SECOND));
	stick_disk(&p, 1);
	while (!has_decided(&p, 1))
		ck_assert(peers_step(&p, SECOND));
	peers_run(&p, 2 * SECOND);
	crash_and_restart(&p, 1);
	/* Nobody has shown anything: there is nothing to learn until somebody proposes again. */
	ck_assert_uint_eq(peers_decided(&p, 0), 0);
	ck_assert_int_eq(peers_start(&p, 2, 0, "other"), 0);
	ck_assert(peers_wait(&p, 0, 3, 20 * SECOND));
	ck_assert_str_eq(peers_value(&p, 0), "value");
	peers_free(&p);
}
END_TEST

/*
 * A peer is told, and takes its share in telling, while its disk is stuck. The proposer dies, then
 * the peer forgets.
 */
static void told_peer_loses_decision(uint64_t seed)
{
	struct peers p;
	peers_init(&p, 3, seed);
	stick_disk(&p, 1);
	ck_assert_int_eq(peers_start(&p, 0, 0, "value"), 0);
	ck_assert(peers_wait(&p, 0, 2, SECOND));
	peers_run(&p, 10 * SECOND);
	ck_assert(has_decided(&p, 1));
	peers_crash(&p, 0);
	crash_and_restart(&p, 1);
	peers_run(&p, 20 * SECOND);
	ck_assert_uint_eq(peers_decided(&p, 0), 2);
	peers_free(&p);
}

/* Who of the two that were told is the first to tell the other is drawn. */
START_TEST(a_told_peer_that_loses_the_decision_learns_it_again)
{
	for (uint64_t seed = 1; seed <= 10; seed++)
		told_peer_loses_decision(seed);
}
END_TEST

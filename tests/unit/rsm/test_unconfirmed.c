/* faults: 4, 43 */
/* What replicas tell a reader that confirms its reads itself (call/confirm.h). */
#include <check.h>

#include "../support/check_main.h"
#include "core/ballot.h"
#include "group.h"
#include "rsm/internal.h"

static const struct answer_slot *ask(struct rsm_group *g, uint32_t i, enum method method)
{
	uint64_t request = rsm_group_ask(g, i, method, slice(NULL, 0));
	rsm_group_wait(g, request, SIM_SECOND);
	return &g->answers[request];
}

/*
 * Everybody names the leader's ballot; only the leader answers the read, and says how many it takes
 * to confirm it.
 */
START_LOOP_TEST(in_peace_all_name_the_leaders_ballot, 0, 5)
{
	const uint32_t counts[] = {1, 2, 3, 5, 7}, confirmations[] = {0, 1, 1, 2, 3};
	struct rsm_group g;
	rsm_group_init(&g, counts[_i], 11, NULL);
	rsm_group_append_many(&g, 3);
	uint32_t leader = rsm_group_elect(&g);
	ck_assert(rsm_group_agree(&g, SIM_SECOND));
	uint64_t ballot = consensus_epoch(rsm_core(rsm_group_rsm(&g, leader)));
	for (uint32_t i = 0; i < g.count; i++) {
		const struct answer_slot *told = ask(&g, i, METHOD_BALLOT);
		ck_assert_int_eq(told->status, 0);
		ck_assert_uint_eq(told->ballot.group, 1);
		ck_assert_uint_eq(told->ballot.replica, i + 1);
		ck_assert_uint_eq(told->ballot.ballot, ballot);
		const struct answer_slot *read = ask(&g, i, METHOD_QUERY_UNCONFIRMED);
		ck_assert_int_eq(read->status, i == leader ? 0 : STATUS_NOT_LEADER);
		if (i != leader)
			continue;
		ck_assert_uint_eq(read->number, 3);
		ck_assert_uint_eq(read->unconfirmed.group, 1);
		ck_assert_uint_eq(read->unconfirmed.ballot, ballot);
		ck_assert_uint_eq(read->unconfirmed.confirmations, confirmations[_i]);
		ck_assert_int_eq(read->unconfirmed.rather_query, g.count == 1);
	}
	rsm_group_free(&g);
}
END_TEST

/*
 * A leader that has been replaced and does not know it answers, and what it says is old: nobody
 * else confirms it.
 */
START_TEST(a_replaced_leader_is_not_confirmed)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 12, NULL);
	rsm_group_append_many(&g, 5);
	uint32_t old = rsm_group_elect(&g);
	ck_assert(rsm_group_agree(&g, SIM_SECOND));
	sim_network_isolate(g.world, g.replicas[old].process);
	sim_network_mend(g.world, g.replicas[old].process, g.client);
	sim_network_mend(g.world, g.client, g.replicas[old].process);
	while (rsm_group_leader(&g) == old || rsm_group_leader(&g) == UINT32_MAX)
		rsm_group_run(&g, SIM_MILLISECOND);
	uint64_t request = rsm_group_command(&g, rsm_group_leader(&g), 0, 0, 6, 10);
	ck_assert_int_eq(rsm_group_wait(&g, request, SIM_SECOND), 0);
	const struct answer_slot *read = ask(&g, old, METHOD_QUERY_UNCONFIRMED);
	ck_assert_int_eq(read->status, 0);
	ck_assert_uint_eq(read->number, 5);
	ck_assert_uint_eq(read->unconfirmed.confirmations, 1);
	ck_assert_uint_eq(ballot_replica(read->unconfirmed.ballot), old + 1);
	for (uint32_t i = 0; i < g.count; i++) {
		if (i == old)
			continue;
		const struct answer_slot *told = ask(&g, i, METHOD_BALLOT);
		ck_assert_int_eq(told->status, 0);
		ck_assert_uint_gt(told->ballot.ballot, read->unconfirmed.ballot);
	}
	const struct answer_slot *newer = ask(&g, rsm_group_leader(&g), METHOD_QUERY_UNCONFIRMED);
	ck_assert_int_eq(newer->status, 0);
	ck_assert_uint_eq(newer->number, 6);
	rsm_group_free(&g);
}
END_TEST

/*
 * A promise confirms nothing older from the moment on at which it is given, though the disk has not
 * got it yet.
 */
START_TEST(a_promise_counts_at_once)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 13, NULL);
	rsm_group_append_many(&g, 3);
	uint32_t leader = rsm_group_elect(&g), candidate = (leader + 1) % 3,
		 voter = (leader + 2) % 3;
	uint64_t before = consensus_epoch(rsm_core(rsm_group_rsm(&g, leader)));
	struct sim_rule no_promise = {
		.from = g.replicas[voter].process, .method = METHOD_PROMISE, .verdict = SIM_DROP};
	sim_network_add_rule(g.world, &no_promise);
	struct buffer body = {0};
	wire_transfer_encode(candidate + 1, &body);
	rsm_group_ask(&g, leader, METHOD_TRANSFER, buffer_slice(&body));
	buffer_free(&body);
	while (consensus_epoch(rsm_core(rsm_group_rsm(&g, voter))) == before)
		ck_assert(sim_world_step(g.world));
	ck_assert_uint_eq(no_promise.matched, 0);
	const struct answer_slot *told = ask(&g, voter, METHOD_BALLOT);
	ck_assert_int_eq(told->status, 0);
	ck_assert_uint_gt(told->ballot.ballot, before);
	sim_network_clear_rules(g.world);
	rsm_group_free(&g);
}
END_TEST

/* Under a read lease the leader knows by itself, and says so. */
START_TEST(a_leader_with_a_lease_says_so)
{
	struct rsm_group g;
	struct rsm_settings settings;
	rsm_group_settings(&settings);
	settings.read_lease_ms = 100;
	rsm_group_init(&g, 3, 14, &settings);
	rsm_group_append_many(&g, 3);
	uint32_t leader = rsm_group_elect(&g);
	rsm_group_run(&g, SIM_SECOND);
	const struct answer_slot *read = ask(&g, leader, METHOD_QUERY_UNCONFIRMED);
	ck_assert_int_eq(read->status, 0);
	ck_assert_uint_eq(read->number, 3);
	ck_assert_uint_eq(read->unconfirmed.confirmations, 0);
	ck_assert(read->unconfirmed.rather_query);
	rsm_group_free(&g);
}
END_TEST

struct reads {
	struct rsm *rsm;
	uint32_t count, links;
};

/* As if over connections that no longer exist. */
static void give_reads(void *data, struct node *node)
{
	struct reads *reads = data;
	(void)node;
	for (uint32_t k = 0; k < reads->count; k++) {
		struct message query = {
			.kind = MESSAGE_REQUEST, .method = METHOD_QUERY, .id = k + 1};
		rsm_message(reads->rsm, 12345 + k % reads->links, &query);
	}
}

/*
 * Many readers at the same moment share the leader's rounds: it says so to those that go the other
 * way. Many reads of few readers are no crowd.
 */
START_TEST(a_crowd_of_readers_is_told_to_share)
{
	const struct {
		uint32_t count, links;
		bool crowd;
	} cases[] = {{16, 8, true}, {16, 3, true}, {16, 2, false}, {16, 1, false}, {6, 6, false}};
	struct rsm_group g;
	rsm_group_init(&g, 3, 15, NULL);
	rsm_group_append_many(&g, 3);
	uint32_t leader = rsm_group_elect(&g);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct reads reads = {.rsm = rsm_group_rsm(&g, leader),
				      .count = cases[i].count,
				      .links = cases[i].links};
		/* So that 8 of them are looked at together. */
		reads.rsm->crowd = (struct crowd){0};
		sim_process_call(g.replicas[leader].process, give_reads, &reads);
		while (g.replicas[leader].process->call != NULL)
			ck_assert(sim_world_step(g.world));
		const struct answer_slot *read = ask(&g, leader, METHOD_QUERY_UNCONFIRMED);
		ck_assert_int_eq(read->status, 0);
		ck_assert_uint_eq(read->unconfirmed.confirmations, 1);
		ck_assert_int_eq(read->unconfirmed.rather_query, cases[i].crowd);
	}
	rsm_group_free(&g);
}
END_TEST

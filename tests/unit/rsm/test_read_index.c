/* faults: 4, 43 */
/*
 * Reads at any replica (rsm/read_index.h): what they see, when they are refused, and how old they
 * say to be.
 */
#include <check.h>

#include "../support/check_main.h"
#include "core/ballot.h"
#include "group.h"
#include "rsm/internal.h"

static const struct answer_slot *ask(struct rsm_group *g, uint32_t i, enum method method)
{
	uint64_t request = rsm_group_ask(g, i, method, slice(NULL, 0));
	rsm_group_wait(g, request, 2 * SIM_SECOND);
	return &g->answers[request];
}

static uint32_t follower_of(const struct rsm_group *g, uint32_t leader)
{
	return (leader + 1) % g->count;
}

/*
 * Each replica answers with what had been acknowledged, those without a vote too; only the
 * followers ask.
 */
START_LOOP_TEST(every_replica_answers_linearizably, 0, 5)
{
	const uint32_t counts[] = {1, 2, 3, 5, 7};
	struct rsm_group g;
	rsm_group_init(&g, counts[_i], 21, NULL);
	for (uint32_t round = 1; round <= 5; round++) {
		rsm_group_append_many(&g, 3);
		uint32_t leader = rsm_group_elect(&g);
		for (uint32_t i = 0; i < g.count; i++) {
			const struct rsm *rsm = rsm_group_rsm(&g, i);
			uint64_t before = rsm->reads.questions;
			const struct answer_slot *read = ask(&g, i, METHOD_QUERY_INDEXED);
			ck_assert_int_eq(read->status, 0);
			ck_assert_uint_eq(read->number, 3 * round);
			ck_assert_uint_eq(rsm->reads.questions, before + (i != leader));
		}
	}
	rsm_group_free(&g);
}
END_TEST

/*
 * A replica whose disk was lost, and has no vote yet, answers reads as the others do, and knows
 * how old it is.
 */
START_TEST(a_replica_without_a_vote_answers_reads)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 22, NULL);
	rsm_group_append_many(&g, 3);
	uint32_t lost = follower_of(&g, rsm_group_elect(&g));
	rsm_group_lose(&g, lost);
	sim_process_start(g.replicas[lost].process);
	rsm_group_append_many(&g, 3);
	ck_assert(rsm_group_agree(&g, 10 * SIM_SECOND));
	ck_assert_uint_ne(rsm_group_elect(&g), lost);
	ck_assert(!consensus_votes(rsm_core(rsm_group_rsm(&g, lost))));
	const struct answer_slot *read = ask(&g, lost, METHOD_QUERY_INDEXED);
	ck_assert_int_eq(read->status, 0);
	ck_assert_uint_eq(read->number, 6);
	rsm_group_run(&g, 200 * SIM_MILLISECOND);
	read = ask(&g, lost, METHOD_QUERY_STALE);
	ck_assert_int_eq(read->status, 0);
	ck_assert(read->stale.age_known);
	rsm_group_free(&g);
}
END_TEST

/* A follower that is told what a read must see answers when it has that, and not before. */
START_TEST(a_read_waits_until_it_is_applied)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 23, NULL);
	rsm_group_append_many(&g, 3);
	uint32_t leader = rsm_group_elect(&g), behind = follower_of(&g, leader);
	ck_assert(rsm_group_agree(&g, SIM_SECOND));
	struct sim_rule rules[] = {
		{.to = g.replicas[behind].process, .method = METHOD_ACCEPT, .verdict = SIM_DROP},
		{.to = g.replicas[behind].process, .method = METHOD_CHOSEN, .verdict = SIM_DROP},
		{.from = g.replicas[behind].process,
		 .method = METHOD_PRE_VOTE,
		 .verdict = SIM_DROP},
	};
	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
		sim_network_add_rule(g.world, &rules[i]);
	uint64_t request = rsm_group_command(&g, leader, 0, 0, 4, 10);
	ck_assert_int_eq(rsm_group_wait(&g, request, SIM_SECOND), 0);
	uint64_t read = rsm_group_ask(&g, behind, METHOD_QUERY_INDEXED, slice(NULL, 0));
	const struct rsm *rsm = rsm_group_rsm(&g, behind);
	while (rsm->reads.told < rsm->reads.asked || rsm->reads.asked == 0)
		ck_assert(sim_world_step(g.world));
	ck_assert_int_eq(rsm_group_wait(&g, read, 20 * SIM_MILLISECOND), PENDING);
	ck_assert_uint_eq(ask(&g, behind, METHOD_QUERY_STALE)->number, 3);
	sim_network_clear_rules(g.world);
	ck_assert_int_eq(rsm_group_wait(&g, read, SIM_SECOND), 0);
	ck_assert_uint_eq(g.answers[read].number, 4);
	rsm_group_free(&g);
}
END_TEST

/* … but it does not wait for ever: somebody else may have it. */
START_TEST(a_read_that_waits_too_long_is_refused)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 24, NULL);
	rsm_group_append_many(&g, 3);
	uint32_t leader = rsm_group_elect(&g), behind = follower_of(&g, leader);
	struct sim_rule rules[] = {
		{.to = g.replicas[behind].process, .method = METHOD_CHOSEN, .verdict = SIM_DROP},
		{.to = g.replicas[behind].process, .method = METHOD_ACCEPT, .verdict = SIM_DROP},
		{.from = g.replicas[behind].process,
		 .method = METHOD_PRE_VOTE,
		 .verdict = SIM_DROP},
	};
	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
		sim_network_add_rule(g.world, &rules[i]);
	uint64_t request = rsm_group_command(&g, leader, 0, 0, 4, 10);
	ck_assert_int_eq(rsm_group_wait(&g, request, SIM_SECOND), 0);
	ck_assert_int_eq(ask(&g, behind, METHOD_QUERY_INDEXED)->status, STATUS_UNAVAILABLE);
	/* Or it knows no leader any more: then it says so at once. */
	rsm_group_run(&g, SIM_SECOND);
	ck_assert_int_eq(ask(&g, behind, METHOD_QUERY_INDEXED)->status, STATUS_UNAVAILABLE);
	ck_assert_uint_ge(rsm_group_rsm(&g, behind)->reads.refused, 2);
	ck_assert_uint_eq(rsm_group_rsm(&g, behind)->reads.count, 0);
	sim_network_clear_rules(g.world);
	rsm_group_free(&g);
}
END_TEST

/* A question or an answer that is lost is asked again; one that comes twice does no harm. */
START_LOOP_TEST(a_lost_question_is_asked_again, 0, 4)
{
	const struct {
		enum method method;
		enum sim_verdict verdict;
	} cases[] = {{METHOD_READ_INDEX, SIM_DROP},
		     {METHOD_READ_INDEX_REPLY, SIM_DROP},
		     {METHOD_READ_INDEX, SIM_TWICE},
		     {METHOD_READ_INDEX_REPLY, SIM_TWICE}};
	struct rsm_group g;
	rsm_group_init(&g, 3, 25, NULL);
	rsm_group_append_many(&g, 3);
	uint32_t leader = rsm_group_elect(&g), follower = follower_of(&g, leader);
	ck_assert(rsm_group_agree(&g, SIM_SECOND));
	struct sim_rule rule = {.method = (uint16_t)cases[_i].method, .verdict = cases[_i].verdict};
	sim_network_add_rule(g.world, &rule);
	uint64_t read = rsm_group_ask(&g, follower, METHOD_QUERY_INDEXED, slice(NULL, 0));
	while (rule.matched == 0)
		ck_assert(sim_world_step(g.world));
	sim_network_clear_rules(g.world);
	ck_assert_int_eq(rsm_group_wait(&g, read, SIM_SECOND), 0);
	ck_assert_uint_eq(g.answers[read].number, 3);
	ck_assert_int_eq(ask(&g, follower, METHOD_QUERY_INDEXED)->status, 0);
	rsm_group_free(&g);
}
END_TEST

/*
 * Who has been replaced, and does not know it, cannot tell a follower what a read must see: nobody
 * else confirms that it leads.
 */
START_TEST(a_replaced_leader_answers_no_follower)
{
	struct rsm_group g;
	rsm_group_init(&g, 5, 26, NULL);
	rsm_group_append_many(&g, 3);
	uint32_t old = rsm_group_elect(&g), with = follower_of(&g, old);
	ck_assert(rsm_group_agree(&g, SIM_SECOND));
	/* The two of them here, the other three there; the client reaches everybody. */
	for (uint32_t i = 0; i < 5; i++) {
		if (i == old || i == with)
			continue;
		sim_network_cut(g.world, g.replicas[i].process, g.replicas[old].process);
		sim_network_cut(g.world, g.replicas[old].process, g.replicas[i].process);
		sim_network_cut(g.world, g.replicas[i].process, g.replicas[with].process);
		sim_network_cut(g.world, g.replicas[with].process, g.replicas[i].process);
	}
	uint64_t newest = 0;
	while (rsm_group_leader(&g) == old || rsm_group_leader(&g) == UINT32_MAX) {
		uint64_t read = rsm_group_ask(&g, with, METHOD_QUERY_INDEXED, slice(NULL, 0));
		rsm_group_run(&g, SIM_MILLISECOND);
		newest = read;
	}
	uint64_t request = rsm_group_command(&g, rsm_group_leader(&g), 0, 0, 4, 10);
	ck_assert_int_eq(rsm_group_wait(&g, request, SIM_SECOND), 0);
	/* From here on nothing that begins may see only three. */
	uint64_t after[20];
	for (int i = 0; i < 20; i++) {
		after[i] = rsm_group_ask(&g, with, METHOD_QUERY_INDEXED, slice(NULL, 0));
		rsm_group_run(&g, 10 * SIM_MILLISECOND);
	}
	ck_assert_int_ne(rsm_group_wait(&g, after[19], 5 * SIM_SECOND), PENDING);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(g.answers[after[i]].status, STATUS_UNAVAILABLE);
	ck_assert_int_ne(g.answers[newest].status, PENDING);
	rsm_group_free(&g);
}
END_TEST

struct reads {
	struct rsm *rsm;
	uint32_t count;
	enum method method;
};

/* As if over connections that no longer exist. */
static void give_reads(void *data, struct node *node)
{
	struct reads *reads = data;
	(void)node;
	for (uint32_t k = 0; k < reads->count; k++) {
		struct message query = {.kind = MESSAGE_REQUEST,
					.method = (uint16_t)reads->method,
					.id = k + 1,
					.payload = slice("x", 1)};
		rsm_message(reads->rsm, 12345 + k % 7, &query);
	}
}

/*
 * All reads of a turn share one question; what comes while two are under way shares the next. They
 * can be forgotten at any time.
 */
START_TEST(reads_of_a_turn_share_one_question)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 27, NULL);
	rsm_group_append_many(&g, 3);
	uint32_t leader = rsm_group_elect(&g), follower = follower_of(&g, leader);
	ck_assert(rsm_group_agree(&g, SIM_SECOND));
	struct rsm *rsm = rsm_group_rsm(&g, follower);
	struct reads reads = {.rsm = rsm, .count = 500, .method = METHOD_QUERY_INDEXED};
	uint64_t before = rsm->reads.questions;
	for (int turn = 0; turn < 5; turn++) {
		sim_process_call(g.replicas[follower].process, give_reads, &reads);
		while (g.replicas[follower].process->call != NULL)
			ck_assert(sim_world_step(g.world));
	}
	ck_assert_uint_le(rsm->reads.questions, before + 5);
	ck_assert_uint_eq(rsm->reads.indexed, 2500);
	rsm_group_run(&g, 100 * SIM_MILLISECOND);
	ck_assert_uint_eq(rsm->reads.count, 0);
	ck_assert_uint_eq(rsm->reads.bytes, 0);
	ck_assert_uint_eq(rsm->reads.refused, 0);
	/* Their connections end before they are answered. */
	sim_process_call(g.replicas[follower].process, give_reads, &reads);
	while (g.replicas[follower].process->call != NULL)
		ck_assert(sim_world_step(g.world));
	ck_assert_uint_eq(rsm->reads.count, 500);
	for (link_id link = 12345; link < 12352; link++)
		rsm_link_down(rsm, link);
	ck_assert_uint_eq(rsm->reads.count, 0);
	ck_assert_uint_eq(rsm->reads.bytes, 0);
	/* More than may wait: the rest is refused, and nothing grows. */
	reads.count = PENDING_REQUESTS_MAX + 100;
	uint64_t busy = rsm->counters.busy;
	sim_process_call(g.replicas[follower].process, give_reads, &reads);
	while (g.replicas[follower].process->call != NULL)
		ck_assert(sim_world_step(g.world));
	ck_assert_uint_eq(rsm->counters.busy, busy + 100);
	ck_assert_uint_le(rsm->reads.count, PENDING_REQUESTS_MAX);
	rsm_group_free(&g);
}
END_TEST

/*
 * While no leader is known there is nothing to do but to wait, and that takes no time of the
 * processor.
 */
START_TEST(without_a_leader_reads_wait_quietly)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 33, NULL);
	rsm_group_append_many(&g, 3);
	uint32_t leader = rsm_group_elect(&g), follower = follower_of(&g, leader);
	ck_assert(rsm_group_agree(&g, SIM_SECOND));
	struct sim_rule no_answer = {.method = METHOD_READ_INDEX_REPLY, .verdict = SIM_DROP};
	sim_network_add_rule(g.world, &no_answer);
	uint64_t read = rsm_group_ask(&g, follower, METHOD_QUERY_INDEXED, slice(NULL, 0));
	while (no_answer.matched == 0)
		ck_assert(sim_world_step(g.world));
	for (uint32_t i = 0; i < 3; i++)
		if (i != follower)
			sim_process_crash(g.replicas[i].process);
	/* It stands for election, in vain. */
	uint32_t steps = 0, without = 0;
	for (; g.answers[read].status == PENDING && steps < 10000; steps++) {
		without += consensus_leader(rsm_core(rsm_group_rsm(&g, follower))) == 0;
		ck_assert(sim_world_step(g.world));
	}
	ck_assert_int_eq(g.answers[read].status, STATUS_UNAVAILABLE);
	ck_assert_uint_gt(without, 0);
	ck_assert_uint_lt(steps, 500);
	sim_network_clear_rules(g.world);
	rsm_group_free(&g);
}
END_TEST

/*
 * The answer to a question of an earlier life, of which the number is not one of this life's, is
 * none: it may be too old.
 */
START_TEST(an_answer_to_an_earlier_life_is_none)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 32, NULL);
	rsm_group_append_many(&g, 3);
	uint32_t leader = rsm_group_elect(&g), follower = follower_of(&g, leader);
	struct sim_rule no_answer = {.method = METHOD_READ_INDEX_REPLY, .verdict = SIM_DROP};
	sim_network_add_rule(g.world, &no_answer);
	uint64_t lowest[3];
	for (int life = 0; life < 3; life++) {
		uint64_t read = rsm_group_ask(&g, follower, METHOD_QUERY_INDEXED, slice(NULL, 0));
		struct rsm *rsm = rsm_group_rsm(&g, follower);
		while (rsm->reads.asked == 0)
			ck_assert(sim_world_step(g.world));
		lowest[life] = rsm->reads.asked;
		for (uint64_t sequence = 1; sequence < 100; sequence++) {
			struct wire_read_index_reply m = {.sequence = sequence, .slot = 1};
			read_index_told(rsm, &m);
		}
		for (int before = 0; before < life; before++) {
			for (uint64_t sequence = 0; sequence < 100; sequence++) {
				struct wire_read_index_reply m = {
					.sequence = lowest[before] + sequence, .slot = 1};
				read_index_told(rsm, &m);
			}
		}
		ck_assert_int_eq(rsm_group_wait(&g, read, 10 * SIM_MILLISECOND), PENDING);
		sim_process_crash(g.replicas[follower].process);
		sim_process_start(g.replicas[follower].process);
		rsm_group_run(&g, SIM_SECOND);
		follower = follower_of(&g, rsm_group_elect(&g));
	}
	sim_network_clear_rules(g.world);
	rsm_group_free(&g);
}
END_TEST

/* A follower that becomes the leader answers what waited there itself. */
START_TEST(a_follower_that_becomes_leader_answers_itself)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 28, NULL);
	rsm_group_append_many(&g, 3);
	uint32_t leader = rsm_group_elect(&g), next = follower_of(&g, leader);
	ck_assert(rsm_group_agree(&g, SIM_SECOND));
	struct sim_rule no_answer = {.method = METHOD_READ_INDEX_REPLY, .verdict = SIM_DROP};
	sim_network_add_rule(g.world, &no_answer);
	uint64_t read = rsm_group_ask(&g, next, METHOD_QUERY_INDEXED, slice(NULL, 0));
	while (no_answer.matched == 0)
		ck_assert(sim_world_step(g.world));
	struct buffer body = {0};
	wire_transfer_encode(next + 1, &body);
	rsm_group_ask(&g, leader, METHOD_TRANSFER, buffer_slice(&body));
	buffer_free(&body);
	ck_assert_int_eq(rsm_group_wait(&g, read, SIM_SECOND), 0);
	ck_assert_uint_eq(rsm_group_elect(&g), next);
	ck_assert_uint_eq(g.answers[read].number, 3);
	sim_network_clear_rules(g.world);
	rsm_group_free(&g);
}
END_TEST

/* ---- how old ---- */

/*
 * In quiet times every replica knows, a few heartbeats after it was started; and what it says is
 * true.
 */
START_LOOP_TEST(in_quiet_times_every_replica_knows_its_age, 0, 3)
{
	const uint32_t counts[] = {1, 3, 5};
	struct rsm_group g;
	struct rsm_settings settings;
	rsm_group_settings(&settings);
	rsm_group_init(&g, counts[_i], 29, &settings);
	rsm_group_append_many(&g, 3);
	rsm_group_elect(&g);
	rsm_group_run(&g, 10000ull * settings.heartbeat_interval_ms);
	for (int round = 0; round < 20; round++) {
		for (uint32_t i = 0; i < g.count; i++) {
			const struct answer_slot *read = ask(&g, i, METHOD_QUERY_STALE);
			ck_assert_int_eq(read->status, 0);
			ck_assert_uint_eq(read->number, 3);
			ck_assert(read->stale.age_known);
			ck_assert_uint_le(read->stale.age_us,
					  6000ull * settings.heartbeat_interval_ms);
			ck_assert_uint_eq(read->stale.replica, i + 1);
			ck_assert_uint_eq(read->stale.slot, rsm_applied(rsm_group_rsm(&g, i)));
		}
		rsm_group_run(&g, 7 * SIM_MILLISECOND);
	}
	rsm_group_free(&g);
}
END_TEST

/*
 * Cut off, a replica grows old: by no less than the time that passes. Started again, it does not
 * know. Nobody, in the end, says OK linearizably.
 */
START_LOOP_TEST(a_replica_that_is_cut_off_grows_old, 0, 2)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 30, NULL);
	rsm_group_append_many(&g, 3);
	uint32_t leader = rsm_group_elect(&g), alone = _i == 0 ? follower_of(&g, leader) : leader;
	rsm_group_run(&g, SIM_SECOND);
	sim_network_isolate(g.world, g.replicas[alone].process);
	sim_network_mend(g.world, g.replicas[alone].process, g.client);
	sim_network_mend(g.world, g.client, g.replicas[alone].process);
	uint64_t cut_us = g.world->now_us;
	for (int i = 0; i < 30; i++) {
		uint64_t began_us = g.world->now_us;
		const struct answer_slot *read = ask(&g, alone, METHOD_QUERY_STALE);
		ck_assert_int_eq(read->status, 0);
		ck_assert(read->stale.age_known);
		ck_assert_uint_ge(read->stale.age_us + SIM_MILLISECOND, began_us - cut_us);
		ck_assert_uint_le(read->stale.age_us, g.world->now_us - cut_us + SIM_SECOND);
		rsm_group_run(&g, 100 * SIM_MILLISECOND);
	}
	ck_assert_int_ne(ask(&g, alone, METHOD_QUERY_INDEXED)->status, 0);
	sim_process_crash(g.replicas[alone].process);
	sim_process_start(g.replicas[alone].process);
	rsm_group_run(&g, SIM_SECOND);
	const struct answer_slot *read = ask(&g, alone, METHOD_QUERY_STALE);
	ck_assert_int_eq(read->status, 0);
	ck_assert(!read->stale.age_known);
	rsm_group_free(&g);
}
END_TEST

/* An answer that is late makes what it vouches for no younger. */
START_TEST(a_late_answer_makes_no_state_younger)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 31, NULL);
	rsm_group_append_many(&g, 3);
	uint32_t leader = rsm_group_elect(&g), follower = follower_of(&g, leader);
	ck_assert(rsm_group_agree(&g, SIM_SECOND));
	/*
	 * Everything from the leader takes 60 ms, so that its heartbeats still come often enough.
	 */
	struct sim_rule slow = {.from = g.replicas[leader].process,
				.to = g.replicas[follower].process,
				.verdict = SIM_PASS,
				.delay_us = 60 * SIM_MILLISECOND};
	sim_network_add_rule(g.world, &slow);
	rsm_group_run(&g, SIM_SECOND);
	ck_assert_uint_gt(slow.matched, 5);
	for (int i = 0; i < 50; i++) {
		const struct answer_slot *read = ask(&g, follower, METHOD_QUERY_STALE);
		ck_assert_int_eq(read->status, 0);
		ck_assert(!read->stale.age_known || read->stale.age_us >= 60 * SIM_MILLISECOND);
		rsm_group_run(&g, 5 * SIM_MILLISECOND);
	}
	sim_network_clear_rules(g.world);
	rsm_group_free(&g);
}
END_TEST

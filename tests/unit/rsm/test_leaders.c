/*
 * Changes of leader under load: what clients are told is true, and reads are never stale. SEEDS=n
 * runs more schedules.
 */
#include <check.h>
#include <stdlib.h>

#include "../support/check_main.h"
#include "base/alloc.h"
#include "group.h"
#include "paxos/internal.h"
#include "rsm/internal.h"
#include "sim/disk_sim.h"

#define REQUESTS_MAX 4000u

/* What became of commands without a session, each with a value of its own. */
struct ledger {
	uint64_t requests[REQUESTS_MAX]; /* command k carries the value k + 1 */
	uint32_t count;
	uint32_t definite_refusals, applied;
};

static void transfer(struct rsm_group *g, uint32_t from, uint32_t to)
{
	struct buffer body = {0};
	wire_transfer_encode(to + 1, &body);
	rsm_group_ask(g, from, METHOD_TRANSFER, buffer_slice(&body));
	buffer_free(&body);
}

static void disturb(struct rsm_group *g)
{
	struct rng *rng = &g->world->rng_workload;
	uint32_t leader = rsm_group_leader(g);
	uint32_t i = leader != UINT32_MAX && rng_chance(rng, 600000)
			     ? leader
			     : (uint32_t)rng_below(rng, g->count);
	struct sim_process *process = g->replicas[i].process;
	switch (rng_below(rng, 8)) {
	case 0:
		sim_network_isolate(g->world, process);
		sim_network_mend(g->world, process, g->client);
		sim_network_mend(g->world, g->client, process);
		break;
	case 1:
	case 2: sim_network_heal(g->world); break;
	case 3: sim_process_pause(process); break;
	case 4:
		for (uint32_t j = 0; j < g->count; j++)
			sim_process_resume(g->replicas[j].process);
		break;
	case 5:
		if (rng_chance(rng, 300000))
			sim_process_power_loss(process);
		break;
	case 6:
		for (uint32_t j = 0; j < g->count; j++)
			if (!sim_process_alive(g->replicas[j].process))
				sim_process_start(g->replicas[j].process);
		break;
	case 7:
		if (leader != UINT32_MAX)
			transfer(g, leader, (uint32_t)rng_below(rng, g->count));
		break;
	}
}

static void heal(struct rsm_group *g)
{
	sim_network_heal(g->world);
	for (uint32_t j = 0; j < g->count; j++) {
		sim_process_resume(g->replicas[j].process);
		if (!sim_process_alive(g->replicas[j].process))
			sim_process_start(g->replicas[j].process);
	}
}

/* All values in the state of whoever leads. */
static uint64_t *read_values(struct rsm_group *g, uint64_t *count)
{
	const struct rsm *rsm = rsm_group_rsm(g, rsm_group_elect(g));
	struct buffer body = {0};
	struct arena arena;
	struct reply reply = {.body = &body};
	arena_init(&arena, 1024);
	rsm->app->ops->query(rsm->app, slice(NULL, 0), &arena, &reply);
	arena_free(&arena);
	*count = body.len / 8;
	return (uint64_t *)(void *)body.data;
}

static void check_ledger(struct rsm_group *g, struct ledger *l)
{
	uint64_t count = 0;
	uint64_t *values = read_values(g, &count);
	uint8_t *times = alloc_zeroed(l->count + 2, 1);
	for (uint64_t i = 0; i < count; i++) {
		CHECK_THAT(values[i] <= l->count, "a value that nobody sent");
		times[values[i]]++;
	}
	for (uint32_t k = 0; k < l->count; k++) {
		const struct answer_slot *a = &g->answers[l->requests[k]];
		int status_kind = a->status == PENDING || a->status == LOST ? STATUS_UNKNOWN
									    : a->status;
		CHECK_THAT(times[k + 1] <= 1, "command %u is applied %u times", k, times[k + 1]);
		if (status_kind == 0) {
			CHECK_THAT(times[k + 1] == 1, "command %u was acknowledged and is gone", k);
			ck_assert_uint_eq(values[a->number - 1], k + 1);
			l->applied++;
		} else if (status_class(status_kind) != STATUS_CLASS_UNKNOWN) {
			CHECK_THAT(times[k + 1] == 0, "command %u was answered %s and is applied",
				   k, status_name(status_kind));
			l->definite_refusals++;
		}
	}
	free(times);
	free(values);
}

/* faults: 4, 42, 43, 44, 49, 50 */
/*
 * Whatever happens to leaders: OK means applied once, and in the place that was named; a definite
 * refusal means never; and a read sees every command that was acknowledged before the read was
 * sent, whichever replica answers it.
 */
START_TEST(answers_are_true_whatever_happens_to_leaders)
{
	uint32_t refusals = 0, applied = 0;
	uint64_t reads = 0;
	const char *many = getenv("SEEDS");
	uint64_t last = many != NULL ? strtoull(many, NULL, 10) : 40;
	for (uint64_t seed = 1; seed <= last; seed++) {
		struct rsm_group g;
		struct ledger *l = ALLOC(struct ledger);
		rsm_group_init(&g, seed % 4 == 0 ? 5 : 3, seed, NULL);
		struct rng *rng = &g.world->rng_workload;
		g.world->options.network.delay_max_us = rng_chance(rng, 300000) ? 40000 : 1000;
		g.world->options.network.duplicate_ppm = 20000;
		g.world->options.network.loss_ppm = rng_chance(rng, 500000) ? 20000 : 0;
		rsm_group_elect(&g);
		uint64_t acknowledged = 0;
		struct {
			uint64_t request, least;
		} read[4] = {{0, 0}};
		for (uint32_t step = 0; step < 900; step++) {
			uint32_t to = (uint32_t)rng_below(rng, g.count);
			if (rng_chance(rng, 700000) && rsm_group_leader(&g) != UINT32_MAX)
				to = rsm_group_leader(&g);
			if (rng_chance(rng, 600000) && l->count < REQUESTS_MAX)
				l->requests[l->count] = rsm_group_command(&g, to, 0, 0,
									  l->count + 1, 50),
				l->count++;
			/*
			 * How many commands are acknowledged so far: the state must be at least as
			 * long.
			 */
			for (uint32_t k = 0; k < l->count; k++)
				if (g.answers[l->requests[k]].status == 0 &&
				    g.answers[l->requests[k]].number > acknowledged)
					acknowledged = g.answers[l->requests[k]].number;
			uint32_t r = step % 4;
			if (read[r].request != 0 && g.answers[read[r].request].status == 0) {
				CHECK_THAT(g.answers[read[r].request].number >= read[r].least,
					   "seed %u: a stale read", (unsigned)seed);
				reads++;
			}
			read[r].request = rsm_group_ask(&g, (uint32_t)rng_below(rng, g.count),
							METHOD_QUERY, slice(NULL, 0));
			read[r].least = acknowledged;
			rsm_group_run(&g, rng_below(rng, 8000));
			if (rng_chance(rng, 60000))
				disturb(&g);
		}
		heal(&g);
		g.world->options.network.loss_ppm = 0;
		g.world->options.network.delay_max_us = 1000;
		rsm_group_run(&g, 2 * SIM_SECOND);
		CHECK_THAT(rsm_group_agree(&g, 20 * SIM_SECOND), "seed %u: no agreement",
			   (unsigned)seed);
		check_ledger(&g, l);
		ck_assert_uint_eq(g.halts, 0);
		refusals += l->definite_refusals;
		applied += l->applied;
		rsm_group_free(&g);
		free(l);
	}
	/* The schedules must not be so hard, or so easy, that they show nothing. */
	ck_assert_uint_gt(applied, last * 100);
	ck_assert_uint_gt(refusals, last * 20);
	ck_assert_uint_gt(reads, last * 50);
}
END_TEST

/* faults: 50 */
/*
 * An orderly stop of the leader hands over: nothing that was asked for before is lost or answered
 * wrongly, and the next leader serves within less than an election timeout.
 */
START_TEST(an_orderly_stop_loses_no_request)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct rsm_group g;
		struct ledger *l = ALLOC(struct ledger);
		rsm_group_init(&g, seed % 5 == 0 ? 1 : 3, seed, NULL);
		uint32_t leader = rsm_group_elect(&g);
		for (uint32_t k = 0; k < 50; k++) {
			l->requests[l->count] = rsm_group_command(&g, leader, 0, 0, l->count + 1,
								  50);
			l->count++;
			if (k != 40)
				continue;
			/* All have arrived by then, and not all are answered. */
			rsm_group_run(&g, 1000);
			sim_process_stop(g.replicas[leader].process);
		}
		uint64_t stopped_us = g.world->now_us;
		while (sim_process_alive(g.replicas[leader].process) &&
		       g.world->now_us < stopped_us + 3 * SIM_SECOND)
			rsm_group_run(&g, SIM_MILLISECOND);
		ck_assert(!sim_process_alive(g.replicas[leader].process));
		if (g.count > 1) {
			uint32_t next = rsm_group_elect(&g);
			ck_assert_uint_ne(next, leader);
			CHECK_THAT(g.world->now_us < stopped_us + 150 * SIM_MILLISECOND,
				   "seed %u: %u ms without a leader", (unsigned)seed,
				   (unsigned)((g.world->now_us - stopped_us) / 1000));
		}
		sim_process_start(g.replicas[leader].process);
		rsm_group_run(&g, SIM_SECOND);
		ck_assert(rsm_group_agree(&g, 10 * SIM_SECOND));
		/* All are answered; an answer may be lost with the connection. */
		for (uint32_t k = 0; k < 40; k++)
			ck_assert(g.answers[l->requests[k]].status == 0 ||
				  g.answers[l->requests[k]].status == LOST);
		check_ledger(&g, l);
		rsm_group_free(&g);
		free(l);
	}
}
END_TEST

/*
 * OK says that the replica asked for leads, also when it has only just started and takes nothing
 * over yet; a refusal, that the old leader goes on.
 */
START_TEST(a_hand_over_is_answered_when_it_has_ended)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 31, NULL);
	rsm_group_append_many(&g, 20);
	uint32_t old = rsm_group_elect(&g), target = (old + 1) % 3;
	struct buffer body = {0};
	wire_transfer_encode(target + 1, &body);
	/* The moment it is back and has everything. */
	sim_process_restart(g.replicas[target].process);
	while (rsm_group_rsm(&g, target) == NULL ||
	       rsm_applied(rsm_group_rsm(&g, target)) < rsm_applied(rsm_group_rsm(&g, old)))
		ck_assert(sim_world_step(g.world));
	uint64_t asked = rsm_group_ask(&g, old, METHOD_TRANSFER, buffer_slice(&body));
	int status = rsm_group_wait(&g, asked, SIM_SECOND);
	/* The old leader no longer knows better than to name the new one, which says OK. */
	ck_assert_int_eq(status, STATUS_NOT_LEADER);
	ck_assert_uint_eq(rsm_group_elect(&g), target);
	ck_assert_int_eq(
		rsm_group_wait(&g, rsm_group_ask(&g, target, METHOD_TRANSFER, buffer_slice(&body)),
			       SIM_SECOND),
		0);

	/* To whoever can. */
	buffer_clear(&body);
	wire_transfer_encode(0, &body);
	ck_assert_int_eq(
		rsm_group_wait(&g, rsm_group_ask(&g, target, METHOD_TRANSFER, buffer_slice(&body)),
			       SIM_SECOND),
		0);
	uint32_t third = rsm_group_elect(&g);
	ck_assert_uint_ne(third, target);

	/* A successor that never hears of it. */
	uint32_t deaf = (third + 1) % 3;
	struct sim_rule no_take_over = {
		.from = g.replicas[third].process, .method = METHOD_TAKE_OVER, .verdict = SIM_DROP};
	sim_network_add_rule(g.world, &no_take_over);
	buffer_clear(&body);
	wire_transfer_encode(deaf + 1, &body);
	ck_assert_int_eq(
		rsm_group_wait(&g, rsm_group_ask(&g, third, METHOD_TRANSFER, buffer_slice(&body)),
			       SIM_SECOND),
		STATUS_UNAVAILABLE);
	ck_assert_uint_gt(no_take_over.matched, 1);
	ck_assert_uint_eq(rsm_group_leader(&g), third);
	rsm_group_append_many(&g, 20);
	buffer_free(&body);
	rsm_group_free(&g);
}
END_TEST

/*
 * A leader that is killed is replaced within a few heartbeats: its followers lose their connections
 * to it, and need not wait for the election timeout. A lost connection to a leader that lives
 * changes nothing.
 */
START_TEST(a_killed_leader_is_replaced_soon)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct rsm_group g;
		struct rsm_settings patient;
		rsm_group_settings(&patient);
		patient.election_timeout_ms = 3000;
		rsm_group_init(&g, seed % 2 == 0 ? 3 : 5, seed, &patient);
		uint32_t leader = rsm_group_elect(&g);
		rsm_group_run(&g, SIM_SECOND);
		uint64_t before = consensus_epoch(rsm_core(rsm_group_rsm(&g, leader)));
		for (uint32_t i = 0; i < g.count; i++)
			if (i != leader)
				sim_network_reset(g.world, g.replicas[i].process,
						  g.replicas[leader].process);
		rsm_group_run(&g, 10 * SIM_SECOND);
		ck_assert_uint_eq(rsm_group_elect(&g), leader);
		ck_assert_uint_eq(consensus_epoch(rsm_core(rsm_group_rsm(&g, leader))), before);

		uint64_t killed_us = g.world->now_us;
		sim_process_crash(g.replicas[leader].process);
		ck_assert_uint_ne(rsm_group_elect(&g), leader);
		CHECK_THAT(g.world->now_us < killed_us + 300 * SIM_MILLISECOND,
			   "seed %u: %u ms without a leader", (unsigned)seed,
			   (unsigned)((g.world->now_us - killed_us) / 1000));
		rsm_group_free(&g);
	}
}
END_TEST

/* faults: 49, 54 */
/*
 * Two leaders propose, for the same slot and with the same time, what is the same but for its
 * origin: that a client gets an id. Only the one whose entry is chosen says so to its client.
 */
START_TEST(the_same_request_of_two_leaders_is_answered_once)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 7, NULL);
	uint32_t old = rsm_group_elect(&g);
	rsm_group_append_many(&g, 5);
	ck_assert(rsm_group_agree(&g, SIM_SECOND));
	/* Clocks that show more than an entry may say: all entries have the same time. */
	for (uint32_t i = 0; i < g.count; i++)
		sim_process_wall_jump(g.replicas[i].process, INT64_MAX / 2);
	for (uint32_t i = 0; i < g.count; i++) {
		if (i == old)
			continue;
		sim_network_cut(g.world, g.replicas[old].process, g.replicas[i].process);
		sim_network_cut(g.world, g.replicas[i].process, g.replicas[old].process);
	}
	/* One of these slots will be the no-op of the next leader, and one its client's. */
	uint64_t lost[3];
	for (uint32_t k = 0; k < 3; k++) {
		lost[k] = rsm_group_ask(&g, old, METHOD_REGISTER, slice(NULL, 0));
		rsm_group_run(&g, 5 * SIM_MILLISECOND);
	}
	ck_assert_uint_eq(rsm_group_leader(&g), old);
	while (rsm_group_leader(&g) == old || rsm_group_leader(&g) == UINT32_MAX)
		rsm_group_run(&g, SIM_MILLISECOND);
	struct rsm *leader = rsm_group_rsm(&g, rsm_group_leader(&g));
	const struct rsm *before = rsm_group_rsm(&g, old);
	rsm_group_run(&g, 50 * SIM_MILLISECOND);
	uint64_t slot = consensus_last_slot(rsm_core(leader)) + 1;
	const struct ring_slot *theirs = ring_get(&paxos_of(before->core)->ring, slot);
	ck_assert(theirs != NULL && theirs->value != NULL);
	struct entry_reader reader;
	ck_assert_int_eq(entry_read(&reader, bytes_slice(theirs->value)), 0);
	ck_assert_uint_eq(reader.time_us, ENTRY_TIME_US_MAX);
	uint64_t first = rsm_group_ask(&g, rsm_group_leader(&g), METHOD_REGISTER, slice(NULL, 0));
	while (g.answers[first].status == PENDING) {
		/*
		 * Whichever turn proposes it: as much has been lived through as when the other one
		 * did.
		 */
		if (consensus_last_slot(rsm_core(leader)) < slot) {
			leader->lived_us = reader.lived_us -
					   leader->settings.election_timeout_ms * 1000;
			leader->lived_at_us = 0;
		}
		rsm_group_run(&g, 1);
	}
	ck_assert_int_eq(g.answers[first].status, 0);
	const struct ring_slot *ours = ring_get(&paxos_of(leader->core)->ring, slot);
	ck_assert(ours != NULL && ours->value != NULL);
	struct slice a = bytes_slice(theirs->value), b = bytes_slice(ours->value);
	ck_assert_uint_eq(a.len, b.len);
	/* All but the origin. */
	ck_assert(memcmp(a.data, b.data, 16) == 0 &&
		  memcmp(a.data + 24, b.data + 24, a.len - 24) == 0);
	sim_network_heal(g.world);
	rsm_group_append_many(&g, 3);
	ck_assert(rsm_group_agree(&g, 10 * SIM_SECOND));
	for (uint32_t k = 0; k < 3; k++) {
		int status = g.answers[lost[k]].status;
		ck_assert_msg(status != 0 && status != PENDING, "status %d id %llu", status,
			      (unsigned long long)g.answers[lost[k]].number);
	}
	rsm_group_free(&g);
}
END_TEST

/* faults: 33, 49, 54 */
/*
 * A command that is sent again gets its first answer and is applied once: by the same leader, after
 * all were restarted, after a change of leader, after the session travelled in a snapshot. One that
 * was to be tried again later is.
 */
START_TEST(a_repeated_command_gets_its_first_answer)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 8, NULL);
	rsm_group_append_many(&g, 3);
	uint64_t client = g.session, sequence = g.sequence + 1;
	ck_assert_int_eq(
		rsm_group_wait(&g,
			       rsm_group_command(&g, rsm_group_elect(&g), client, sequence, 4, 10),
			       SIM_SECOND),
		0);
	g.sequence++;
	g.appended++;
	for (uint32_t round = 0; round < 6; round++) {
		uint32_t leader = rsm_group_elect(&g);
		uint64_t again = rsm_group_command(&g, leader, client, sequence, 4, 10);
		ck_assert_int_eq(rsm_group_wait(&g, again, SIM_SECOND), 0);
		ck_assert_uint_eq(g.answers[again].number, 4);
		uint64_t other = rsm_group_command(&g, leader, client, sequence, 5, 10);
		ck_assert_int_eq(rsm_group_wait(&g, other, SIM_SECOND), STATUS_SEQUENCE_REUSED);
		ck_assert_int_eq(rsm_group_read(&g, leader, g.appended), 0);
		ck_assert_uint_eq(g.answers[g.asked].number, g.appended);
		if (round % 2 == 0)
			for (uint32_t i = 0; i < g.count; i++)
				sim_process_restart(g.replicas[i].process);
		else
			transfer(&g, leader, (leader + 1) % 3);
		rsm_group_run(&g, 500 * SIM_MILLISECOND);
		rsm_group_append_many(&g, 60);
	}
	uint64_t retry = g.sequence + 1, before = g.appended;
	ck_assert_uint_eq(before % 2, 0);
	uint64_t request = rsm_group_command(&g, rsm_group_elect(&g), 0, 0, before + 1, 10);
	ck_assert_int_eq(rsm_group_wait(&g, request, SIM_SECOND), 0);
	request = rsm_group_command(&g, rsm_group_elect(&g), client, retry, TALLY_RETRY, 10);
	ck_assert_int_eq(rsm_group_wait(&g, request, SIM_SECOND), STATUS_BUSY);
	request = rsm_group_command(&g, rsm_group_elect(&g), 0, 0, before + 2, 10);
	ck_assert_int_eq(rsm_group_wait(&g, request, SIM_SECOND), 0);
	for (uint32_t k = 0; k < 2; k++) {
		request = rsm_group_command(&g, rsm_group_elect(&g), client, retry, TALLY_RETRY,
					    10);
		ck_assert_int_eq(rsm_group_wait(&g, request, SIM_SECOND), 0);
		ck_assert_uint_eq(g.answers[request].number, before + 3);
	}
	rsm_group_free(&g);
}
END_TEST

/* ---- leadership that comes and goes within one turn ---- */

struct one_turn {
	struct rsm_group *g;
	uint32_t i;
};

static void give(struct rsm *rsm, enum method method, struct wire_peer_any m)
{
	struct buffer b = {0};
	m.group = 1;
	m.to = rsm->options.replica;
	wire_peer_any_encode(&m, &b);
	struct message message = {
		.kind = MESSAGE_ONEWAY, .method = (uint16_t)method, .payload = buffer_slice(&b)};
	rsm_message(rsm, 0, &message);
	buffer_free(&b);
}

static void lead_for_a_moment(void *data, struct node *node)
{
	struct one_turn *t = data;
	struct rsm *rsm = rsm_group_rsm(t->g, t->i);
	uint32_t peer = (t->i + 1) % 3 + 1;
	(void)node;
	uint64_t ballot = consensus_epoch(rsm->core);
	give(rsm, METHOD_PROMISE,
	     (struct wire_peer_any){.from = peer,
				    .ballot = ballot,
				    .slot = consensus_chosen_slot(rsm->core) + 1,
				    .chosen = consensus_chosen_slot(rsm->core)});
	ck_assert_int_eq(consensus_role(rsm->core), CONSENSUS_LEADER);
	/* A client's requests arrive in this very turn, as if over a link that no longer exists. */
	struct message query = {.kind = MESSAGE_REQUEST, .method = METHOD_QUERY, .id = 1};
	rsm_message(rsm, 12345, &query);
	give(rsm, METHOD_PREPARE,
	     (struct wire_peer_any){.from = peer,
				    .ballot = ballot_make(ballot_round(ballot) + 1, peer),
				    .slot = 1});
	ck_assert_int_ne(consensus_role(rsm->core), CONSENSUS_LEADER);
}

/*
 * A replica that wins and loses an election within one turn, with a read in between, serves reads
 * when it leads later.
 */
START_TEST(leadership_within_one_turn_serves_later_reads)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 3, NULL);
	rsm_group_append_many(&g, 3);
	uint32_t leader = rsm_group_elect(&g), i = (leader + 1) % 3;
	struct sim_rule rule = {
		.to = g.replicas[i].process, .method = METHOD_PROMISE, .verdict = SIM_DROP};
	sim_network_add_rule(g.world, &rule);
	transfer(&g, leader, i);
	while (consensus_role(rsm_core(rsm_group_rsm(&g, i))) != CONSENSUS_CANDIDATE ||
	       rule.matched == 0)
		ck_assert(sim_world_step(g.world));
	struct one_turn turn = {.g = &g, .i = i};
	sim_process_call(g.replicas[i].process, lead_for_a_moment, &turn);
	while (g.replicas[i].process->call != NULL)
		ck_assert(sim_world_step(g.world));
	ck_assert_uint_eq(rsm_group_rsm(&g, i)->queries_count, 0);
	sim_network_clear_rules(g.world);
	for (uint32_t tries = 0; tries < 50 && rsm_group_elect(&g) != i; tries++) {
		transfer(&g, rsm_group_elect(&g), i);
		rsm_group_run(&g, 300 * SIM_MILLISECOND);
	}
	ck_assert_uint_eq(rsm_group_elect(&g), i);
	ck_assert_int_eq(rsm_group_read(&g, i, g.appended), 0);
	rsm_group_free(&g);
}
END_TEST

static struct consensus *core_of(const struct rsm_group *g, uint32_t i)
{
	return rsm_group_rsm(g, i)->core;
}

/*
 * Of two that can be elected with it, one replica knows only that slots are chosen, having lost its
 * state, and the other holds what was accepted there, and takes many messages to say so. The first
 * one's promise is complete at once; the leader that it elects can learn from nobody what is
 * chosen, and lets go. Its next election must wait for the other.
 */
START_TEST(the_report_of_the_least_informed_may_come_first)
{
	uint32_t told = 0;
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct rsm_group g;
		struct rsm_settings settings;
		rsm_group_settings(&settings);
		settings.wal_segment_bytes = 8 * KIB;
		settings.snapshot_log_bytes = 4 * KIB;
		settings.log_cache_bytes = 64;
		settings.entry_bytes = 1;
		settings.message_bytes = 64;
		rsm_group_init(&g, 3, seed, &settings);
		uint32_t knows = rsm_group_elect(&g), holds = (knows + 1) % 3,
			 stands = (knows + 2) % 3;
		rsm_group_append_many(&g, 100); /* segments have been released meanwhile */
		ck_assert(rsm_group_agree(&g, 5 * SIM_SECOND));
		ck_assert_uint_eq(rsm_group_leader(&g), knows);
		uint64_t before = consensus_chosen_slot(core_of(&g, holds)),
			 last = consensus_last_slot(core_of(&g, knows)) + 60;
		sim_network_isolate(g.world, g.replicas[stands].process);
		sim_process_pause(g.replicas[knows].process);
		for (uint32_t k = 0; k < 100; k++)
			rsm_group_command(&g, knows, 0, 0, k, 100);
		sim_process_resume(g.replicas[knows].process);
		for (uint32_t k = 0; k < 20000 && consensus_chosen_slot(core_of(&g, knows)) < last;
		     k++) {
			rsm_group_run(&g, 10);
			if (consensus_last_slot(core_of(&g, holds)) >= last)
				sim_network_cut(g.world, g.replicas[knows].process,
						g.replicas[holds].process);
		}
		ck_assert_uint_ge(consensus_chosen_slot(core_of(&g, knows)), last);
		ck_assert_uint_lt(consensus_chosen_slot(core_of(&g, holds)), before + 50);
		sim_network_isolate(g.world, g.replicas[knows].process);
		/* As if a peer had asked for a newer one. */
		for (uint32_t k = 0; k < 1000 && rsm_group_rsm(&g, knows)->snapshot_slot < last - 5;
		     k++) {
			rsm_group_rsm(&g, knows)->snapshot_wanted = true;
			rsm_group_run(&g, SIM_MILLISECOND);
		}
		uint64_t slot = rsm_group_rsm(&g, knows)->snapshot_slot, size = 0;
		ck_assert_uint_gt(slot, consensus_chosen_slot(core_of(&g, holds)));
		char name[SNAPSHOT_NAME_BYTES];
		struct disk *disk = g.replicas[knows].process->disk;
		sim_process_power_loss(g.replicas[knows].process);
		ck_assert_int_eq(disk_sim_size(disk, snapshot_name(slot, name), &size), 0);
		ck_assert_int_eq(disk_sim_flip(disk, name, size / 2, 1), 0);
		sim_process_start(g.replicas[knows].process);
		/* If its log does not happen to reach back to the beginning. */
		if (!rsm_group_rsm(&g, knows)->state_lost) {
			rsm_group_free(&g);
			continue;
		}
		told++;
		consensus_set_electable(core_of(&g, holds), false);
		sim_network_heal(g.world);
		g.appended = 0; /* the values are not 1, 2, … */
		bool served = false;
		for (uint32_t k = 0; k < 500 && !served; k++) {
			rsm_group_run(&g, 10 * SIM_MILLISECOND);
			served = rsm_group_leader(&g) == stands;
		}
		ck_assert_msg(served, "seed %u: nobody serves", (unsigned)seed);
		ck_assert(rsm_group_agree(&g, 20 * SIM_SECOND));
		rsm_group_free(&g);
	}
	ck_assert_uint_gt(told, 1);
}
END_TEST

/* Processes under virtual time: turns, lives, clocks, determinism. */
#include <stdlib.h>

#include "../support/check_main.h"
#include "chatter.h"

static struct sim_world *world;
static struct chatter_spec spec_a, spec_b, spec_c;
static struct sim_process *a, *b, *c;

static struct chatter_spec chatty(const char *first, const char *second)
{
	return (struct chatter_spec){.peers = {first, second}, .interval_us = 10 * SIM_MILLISECOND};
}

static void build(uint64_t seed, const struct sim_options *options)
{
	struct sim_options calm;
	sim_options_calm(&calm);
	spec_a = chatty("b:1", "c:1");
	spec_b = chatty("a:1", "c:1");
	spec_c = chatty("a:1", "b:1");
	world = sim_world_create(seed, options == NULL ? &calm : options);
	a = chatter_add(world, "a", &spec_a);
	b = chatter_add(world, "b", &spec_b);
	c = chatter_add(world, "c", &spec_c);
}

static void setup(void)
{
	build(1, NULL);
}

static void teardown(void)
{
	sim_world_destroy(world);
}

static void start_all(void)
{
	sim_process_start(a);
	sim_process_start(b);
	sim_process_start(c);
}

/* A run with all faults of the options, and some of the script's own; returns its hash. */
static uint64_t eventful_run(uint64_t seed, uint64_t *events)
{
	struct sim_options options;
	sim_options_draw(&options, seed);
	build(seed, &options);
	start_all();
	sim_world_run_for(world, SIM_SECOND);
	sim_network_isolate(world, b);
	sim_process_pause(c);
	sim_world_run_for(world, SIM_SECOND);
	sim_network_heal(world);
	sim_process_resume(c);
	sim_process_restart(a);
	sim_process_wall_jump(b, -5000000);
	sim_world_run_for(world, SIM_SECOND);
	uint64_t hash = world->trace.hash;
	*events = world->trace.events;
	sim_world_destroy(world);
	return hash;
}

/* Two runs of one seed are the same to the last event; another seed gives another run. */
START_TEST(same_seed_same_run)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		uint64_t events, again, other;
		uint64_t hash = eventful_run(seed, &events);
		ck_assert_uint_eq(hash, eventful_run(seed, &again));
		ck_assert_uint_eq(events, again);
		ck_assert_uint_gt(events, 100);
		ck_assert_uint_ne(hash, eventful_run(seed + 1000, &other));
	}
}
END_TEST

CHECK_FIXTURE(setup, teardown)

static void count_line(void *context, const char *line)
{
	(void)line;
	++*(uint64_t *)context;
}

/* Whether lines are made or not, the hash is the same, and there is one line an event. */
START_TEST(tracing_does_not_change_the_run)
{
	uint64_t lines = 0;
	start_all();
	sim_world_run_for(world, SIM_SECOND);
	uint64_t hash = world->trace.hash;
	sim_world_destroy(world);
	setup();
	world->trace.line = count_line;
	world->trace.context = &lines;
	start_all();
	sim_world_run_for(world, SIM_SECOND);
	ck_assert_uint_eq(hash, world->trace.hash);
	ck_assert_uint_eq(lines, world->trace.events);
	world->trace.line = NULL; /* the teardown's events come when `lines` is gone */
}
END_TEST

/*
 * In a calm world every message arrives once and in order, and every request is answered.
 */
START_TEST(in_a_calm_world_messages_arrive)
{
	start_all();
	sim_world_run_until(world, SIM_SECOND + 5 * SIM_MILLISECOND);
	const struct chatter_record *r = &spec_a.record;
	ck_assert_uint_eq(r->pings, 200);
	ck_assert_uint_eq(r->requests, 200);
	ck_assert_uint_eq(r->replies, 200);
	ck_assert_uint_eq(r->link_downs, 0);
	ck_assert_uint_eq(world->now_us, SIM_SECOND + 5 * SIM_MILLISECOND);
}
END_TEST

/*
 * A node that cannot start leaves its process halted with the reason, and can be started
 * again.
 */
START_TEST(start_can_fail)
{
	spec_a.start_status = STATUS_CORRUPT;
	sim_process_start(a);
	ck_assert_int_eq(a->state, SIM_HALTED);
	ck_assert_int_eq(a->halt_status, STATUS_CORRUPT);
	ck_assert_ptr_null(a->node);
	ck_assert_uint_eq(spec_a.record.destroys, 1);
	spec_a.start_status = 0;
	sim_process_start(a);
	ck_assert_int_eq(a->state, SIM_RUNNING);
}
END_TEST

static void note_halt(void *context, struct sim_process *process)
{
	(void)context;
	sim_trace_note(&process->world->trace, "%s halted", process->name);
	spec_c.record.seen[0]++;
}

/*
 * env fatal does not return: the process is halted with status and reason, the others are
 * told and go on.
 */
START_TEST(fatal_ends_the_process)
{
	spec_b.fatal_after = 5;
	world->halted = note_halt;
	sim_process_start(a);
	sim_process_start(b);
	sim_world_run_for(world, SIM_SECOND);
	ck_assert_int_eq(b->state, SIM_HALTED);
	ck_assert_int_eq(b->halt_status, STATUS_IO);
	ck_assert_str_eq(b->halt_reason, "had enough after 5");
	ck_assert_uint_eq(spec_b.record.pings, 5);
	ck_assert_uint_eq(spec_c.record.seen[0], 1);
	ck_assert_uint_gt(spec_a.record.link_downs, 0);
	ck_assert_uint_gt(spec_a.record.turns, 90);
	spec_b.fatal_after = 0;
	sim_process_start(b);
	sim_world_run_for(world, SIM_SECOND);
	ck_assert_uint_gt(spec_b.record.pings, 100);
}
END_TEST

/*
 * A crash frees the node and tells its peers; a restart builds a new one with other random
 * numbers.
 */
START_TEST(crash_and_restart)
{
	start_all();
	sim_world_run_for(world, 100 * SIM_MILLISECOND);
	uint64_t random = spec_a.record.first_random;
	sim_process_crash(a);
	ck_assert_int_eq(a->state, SIM_DOWN);
	ck_assert_uint_eq(spec_a.record.destroys, 1);
	uint64_t pings = spec_a.record.pings;
	sim_world_run_for(world, 100 * SIM_MILLISECOND);
	ck_assert_uint_eq(spec_a.record.pings, pings);
	ck_assert_uint_gt(spec_b.record.link_downs, 0);
	sim_process_start(a);
	sim_world_run_for(world, 100 * SIM_MILLISECOND);
	ck_assert_uint_eq(a->incarnation, 2);
	ck_assert_uint_ge(spec_a.record.pings, pings + 18);
	ck_assert_uint_ne(spec_a.record.first_random, random);
	sim_process_restart(a);
	ck_assert_uint_eq(spec_a.record.starts, 3);
}
END_TEST

/*
 * Nobody is told of a power loss; who waits for an answer learns from the timeout of the
 * connection.
 */
START_TEST(power_loss_is_silent)
{
	sim_process_start(a);
	sim_process_start(b);
	sim_world_run_for(world, 100 * SIM_MILLISECOND);
	uint64_t before = spec_a.record.link_downs; /* c is not there, and refuses */
	sim_process_start(c);
	sim_world_run_for(world, 5 * SIM_MILLISECOND);
	before = spec_a.record.link_downs;
	sim_process_power_loss(b);
	sim_world_run_for(world, 900 * SIM_MILLISECOND);
	ck_assert_uint_eq(spec_a.record.link_downs, before);
	sim_world_run_for(world, 3 * SIM_SECOND);
	ck_assert_uint_gt(spec_a.record.link_downs, before);
	sim_process_start(b);
	sim_world_run_for(world, SIM_SECOND);
	ck_assert_uint_gt(spec_b.record.requests, 90);
}
END_TEST

/*
 * While paused nothing is delivered; then everything that was sent comes, in one turn if
 * turns are not single.
 */
START_TEST(pause_piles_up)
{
	start_all();
	sim_world_run_for(world, 100 * SIM_MILLISECOND);
	sim_process_pause(a);
	uint64_t turns = spec_a.record.turns, pings = spec_a.record.pings;
	sim_world_run_for(world, SIM_SECOND);
	ck_assert_uint_eq(spec_a.record.turns, turns);
	sim_process_resume(a);
	sim_world_run_for(world, 1);
	ck_assert_uint_eq(spec_a.record.turns, turns + 1);
	ck_assert_uint_ge(spec_a.record.pings, pings + 198);
	ck_assert_uint_gt(spec_a.record.inputs_in_turn_max, 390);
	ck_assert_uint_eq(spec_a.record.link_downs, 0);
}
END_TEST

/*
 * With turn_single_ppm at a million, a turn never has more than one input, and none is
 * lost.
 */
START_TEST(a_single_turn_has_one_input)
{
	world->options.process.turn_single_ppm = 1000000;
	start_all();
	sim_world_run_for(world, 50 * SIM_MILLISECOND);
	sim_process_pause(a);
	sim_world_run_for(world, 200 * SIM_MILLISECOND);
	sim_process_resume(a);
	sim_world_run_for(world, 54 * SIM_MILLISECOND);
	ck_assert_uint_eq(spec_a.record.inputs_in_turn_max, 1);
	ck_assert_uint_eq(spec_a.record.pings, 60);
}
END_TEST

/*
 * stop() is asked once; the process goes on until the node says that it has stopped, then
 * is DOWN.
 */
START_TEST(a_stopped_process_ends_when_its_node_says_so)
{
	spec_a.slow_stop = true;
	start_all();
	sim_world_run_for(world, 20 * SIM_MILLISECOND);
	sim_process_stop(a);
	sim_process_stop(a);
	sim_world_run_for(world, 5 * SIM_MILLISECOND);
	ck_assert_int_eq(a->state, SIM_RUNNING);
	sim_world_run_for(world, 6 * SIM_MILLISECOND);
	ck_assert_int_eq(a->state, SIM_DOWN);
	ck_assert_uint_eq(spec_a.record.stops, 1);
	ck_assert_uint_eq(spec_a.record.destroys, 1);
	sim_process_start(a);
	sim_world_run_for(world, 20 * SIM_MILLISECOND);
	ck_assert_int_eq(a->state, SIM_RUNNING);
}
END_TEST

static void begin_generation(void *data, struct node *node)
{
	(void)data;
	node->env->ops->force(node->env, 7);
}

/*
 * A node that is to begin another generation of its group is stopped, and started anew in the same
 * instant, and told so; once, and not if it was killed before it had stopped. faults: 110
 */
START_TEST(a_node_that_is_to_begin_anew_does_so_once)
{
	spec_a.slow_stop = true;
	start_all();
	sim_world_run_for(world, 20 * SIM_MILLISECOND);
	sim_process_call(a, begin_generation, NULL);
	sim_world_run_for(world, 5 * SIM_MILLISECOND);
	ck_assert_uint_eq(a->incarnation, 1);
	sim_world_run_for(world, 6 * SIM_MILLISECOND);
	ck_assert_int_eq(a->state, SIM_RUNNING);
	ck_assert_uint_eq(a->incarnation, 2);
	ck_assert_uint_eq(spec_a.record.stops, 1);
	ck_assert_uint_eq(spec_a.record.force, 7);
	sim_process_restart(a);
	ck_assert_uint_eq(spec_a.record.force, 0);
	sim_process_call(a, begin_generation, NULL);
	sim_process_restart(a);
	ck_assert_uint_eq(spec_a.record.force, 0);
	sim_world_run_for(world, 20 * SIM_MILLISECOND);
	ck_assert_uint_eq(a->incarnation, 4);
}
END_TEST

/*
 * Each process has its own clocks: they drift, the wall clock jumps, the monotonic one
 * never goes back.
 */
START_TEST(clocks_drift_and_jump)
{
	start_all();
	ck_assert_uint_ne(sim_process_now_us(a), sim_process_now_us(b));
	ck_assert_uint_eq(sim_process_wall_us(a), SIM_WALL_EPOCH_US);
	uint64_t began_us = sim_process_now_us(a);
	sim_process_set_drift(a, 100000);
	sim_process_set_drift(b, -100000);
	sim_world_run_for(world, 10 * SIM_SECOND);
	ck_assert_uint_eq(sim_process_now_us(a) - began_us, 11 * SIM_SECOND);
	ck_assert_uint_eq(sim_process_wall_us(b), SIM_WALL_EPOCH_US + 9 * SIM_SECOND);
	/* Timers run on the drifting clock. */
	ck_assert_uint_ge(spec_c.record.pings, 1100 + 900 - 4);
	ck_assert_uint_le(spec_c.record.pings, 1100 + 900 + 4);
	sim_process_wall_jump(a, -(int64_t)(60 * SIM_SECOND));
	sim_process_set_drift(a, -500000);
	sim_world_run_for(world, SIM_SECOND);
	ck_assert_uint_eq(sim_process_wall_us(a),
			  SIM_WALL_EPOCH_US + 11 * SIM_SECOND + SIM_SECOND / 2 - 60 * SIM_SECOND);
	ck_assert(!spec_a.record.unordered_clock);
}
END_TEST

static void call_counter(void *data, struct node *node)
{
	++*(uint64_t *)data;
	node_dial(node, "b:1");
}

static void bump(void *data)
{
	++*(uint64_t *)data;
}

static bool has_pings(void *context)
{
	return ((struct chatter_spec *)context)->record.pings >= 7;
}

/*
 * A test can call into a node in a turn of its own, be called at a time, and run until a
 * condition holds.
 */
START_TEST(scripts_can_intervene)
{
	uint64_t calls = 0;
	start_all();
	sim_process_call(a, call_counter, &calls);
	ck_assert_uint_eq(calls, 1);
	ck_assert_uint_eq(spec_a.record.turns, 1);
	sim_world_call_at(world, 100, bump, &calls);
	sim_world_run_until(world, 99);
	ck_assert_uint_eq(calls, 1);
	sim_world_run_until(world, 100);
	ck_assert_uint_eq(calls, 2);
	ck_assert(sim_world_run_until_true(world, has_pings, &spec_a, SIM_SECOND));
	ck_assert_uint_eq(spec_a.record.pings, 7);
	sim_process_pause(a);
	spec_a.record.pings = 0;
	uint64_t end_us = world->now_us + SIM_SECOND;
	ck_assert(!sim_world_run_until_true(world, has_pings, &spec_a, SIM_SECOND));
	ck_assert_uint_eq(world->now_us, end_us);
}
END_TEST

static void after_turn(void *context, struct sim_process *process)
{
	(void)process;
	++*(uint64_t *)context;
}

/* after_turn is called once for each turn of each process. */
START_TEST(after_every_turn)
{
	uint64_t turns = 0;
	world->after_turn = after_turn;
	world->context = &turns;
	start_all();
	sim_world_run_for(world, 500 * SIM_MILLISECOND);
	ck_assert_uint_eq(turns, spec_a.record.turns + spec_b.record.turns + spec_c.record.turns);
	ck_assert_ptr_eq(sim_process_find(world, "b"), b);
	ck_assert_ptr_null(sim_process_find(world, "z"));
}
END_TEST

/* Calm options print as calm; drawn ones are named, the same seed gives the same line. */
START_TEST(options_are_printed)
{
	struct buffer one = {0}, two = {0};
	struct sim_options options;
	sim_options_calm(&options);
	sim_options_format(&options, &one);
	ck_assert(slice_equal(buffer_slice(&one), slice_string("calm")));
	buffer_clear(&one);
	options.network.loss_ppm = 5;
	sim_options_format(&options, &one);
	ck_assert(slice_equal(buffer_slice(&one), slice_string("network.loss_ppm=5")));
	for (uint64_t seed = 0; seed < 200; seed++) {
		buffer_clear(&one);
		buffer_clear(&two);
		sim_options_draw(&options, seed);
		sim_options_format(&options, &one);
		ck_assert_uint_le(options.network.delay_min_us, options.network.delay_mean_us);
		ck_assert_uint_le(options.network.delay_mean_us, options.network.delay_max_us);
		sim_options_draw(&options, seed);
		sim_options_format(&options, &two);
		ck_assert(slice_equal(buffer_slice(&one), buffer_slice(&two)));
	}
	buffer_free(&one);
	buffer_free(&two);
}
END_TEST

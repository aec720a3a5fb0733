/* What the simulated network does to messages and connections. */
#include <stdlib.h>

#include "../support/check_main.h"
#include "chatter.h"
#include "wire/method.h"

static struct sim_world *world;
static struct chatter_spec spec_a, spec_b;
static struct sim_process *a, *b;

/* a talks, b listens and answers. */
static void setup(void)
{
	struct sim_options calm;
	sim_options_calm(&calm);
	world = sim_world_create(7, &calm);
	spec_a = (struct chatter_spec){.peers = {"b:1"}, .interval_us = 10 * SIM_MILLISECOND};
	spec_b = (struct chatter_spec){0};
	a = chatter_add(world, "a", &spec_a);
	b = chatter_add(world, "b", &spec_b);
	sim_process_start(a);
	sim_process_start(b);
}

static void teardown(void)
{
	sim_world_destroy(world);
}

CHECK_FIXTURE(setup, teardown)

static bool in_order(const uint64_t *numbers, uint64_t count)
{
	for (uint64_t i = 1; i < count; i++)
		if (numbers[i] <= numbers[i - 1])
			return false;
	return true;
}

/*
 * What is sent one-way while the direction is cut never arrives; what is sent after mending
 * does.
 */
START_TEST(cut_loses_one_way_messages)
{
	sim_world_run_until(world, 105 * SIM_MILLISECOND);
	ck_assert_uint_eq(spec_b.record.pings, 10);
	sim_network_cut(world, a, b);
	ck_assert(sim_network_is_cut(world, a, b));
	ck_assert(!sim_network_is_cut(world, b, a));
	sim_world_run_until(world, 505 * SIM_MILLISECOND);
	ck_assert_uint_eq(spec_b.record.pings, 10);
	sim_network_mend(world, a, b);
	sim_world_run_until(world, 605 * SIM_MILLISECOND);
	ck_assert_uint_eq(spec_b.record.pings, 20);
	ck_assert_uint_eq(spec_b.record.seen[10], 51);
}
END_TEST

/*
 * Requests outlive a cut shorter than the connection timeout: all arrive afterwards, in
 * order, and nobody is told.
 */
START_TEST(short_cut_delays_requests)
{
	sim_world_run_until(world, 105 * SIM_MILLISECOND);
	sim_network_cut(world, a, b);
	sim_world_run_until(world, 905 * SIM_MILLISECOND);
	ck_assert_uint_eq(spec_b.record.requests, 10);
	sim_network_mend(world, a, b);
	sim_world_run_until(world, 5005 * SIM_MILLISECOND);
	ck_assert_uint_eq(spec_b.record.requests, 500);
	ck_assert_uint_eq(spec_a.record.replies, 500);
	ck_assert(in_order(spec_a.record.replied, 500));
	ck_assert_uint_eq(spec_a.record.link_downs + spec_b.record.link_downs, 0);
}
END_TEST

/*
 * A cut longer than the connection timeout ends the connection for both ends; the dialled
 * link works again later.
 */
START_TEST(long_cut_ends_connections)
{
	sim_world_run_until(world, 105 * SIM_MILLISECOND);
	link_id accepted = spec_b.record.last_from;
	sim_network_cut(world, b, a); /* only the replies are stuck */
	sim_world_run_until(world, 4 * SIM_SECOND);
	ck_assert_uint_ge(spec_a.record.link_downs, 1);
	ck_assert_uint_ge(spec_b.record.link_downs, 1);
	ck_assert_uint_eq(spec_a.record.last_down, spec_a.record.last_from);
	sim_network_mend(world, b, a);
	uint64_t replies = spec_a.record.replies;
	sim_world_run_for(world, 4 * SIM_SECOND);
	ck_assert_uint_ge(spec_a.record.replies, replies + 390);
	ck_assert_uint_ne(spec_b.record.last_from, accepted);
	ck_assert(in_order(spec_a.record.replied, spec_a.record.replies));
}
END_TEST

/*
 * A clogged direction holds everything for any length of time, and then lets all of it go.
 */
START_TEST(clog_loses_nothing)
{
	sim_world_run_until(world, 105 * SIM_MILLISECOND);
	sim_network_clog(world, a, b);
	sim_world_run_until(world, 20005 * SIM_MILLISECOND);
	ck_assert_uint_eq(spec_b.record.pings, 10);
	ck_assert_uint_eq(spec_b.record.requests, 10);
	ck_assert_uint_eq(spec_a.record.link_downs, 0);
	sim_network_unclog(world, a, b);
	sim_world_run_until(world, 20009 * SIM_MILLISECOND);
	ck_assert_uint_eq(spec_b.record.pings, 2000);
	ck_assert_uint_eq(spec_b.record.requests, 2000);
}
END_TEST

/* When a clogged direction is cut, the one-way messages that it holds are lost. */
START_TEST(cut_of_a_clog)
{
	sim_network_clog(world, a, b);
	sim_world_run_until(world, 105 * SIM_MILLISECOND);
	sim_network_cut(world, a, b);
	sim_network_heal(world);
	sim_world_run_until(world, 109 * SIM_MILLISECOND);
	ck_assert_uint_eq(spec_b.record.pings, 0);
	ck_assert_uint_eq(spec_b.record.requests, 10);
}
END_TEST

/*
 * Dialling a dead process, or an address that nobody has, ends in link_down, each time
 * again.
 */
START_TEST(dialling_where_no_process_listens_ends)
{
	sim_process_crash(b);
	sim_world_run_until(world, 105 * SIM_MILLISECOND);
	ck_assert_uint_ge(spec_a.record.link_downs, 8);
	ck_assert_uint_eq(spec_a.record.replies, 0);
	spec_b.peers[0] = "nobody:9";
	spec_b.interval_us = 10 * SIM_MILLISECOND;
	sim_process_start(b);
	sim_world_run_for(world, 105 * SIM_MILLISECOND);
	ck_assert_uint_ge(spec_b.record.link_downs, 8);
	ck_assert_uint_ge(spec_a.record.replies, 9);
}
END_TEST

/*
 * A server whose client dies gets one link_down, for the link that the client's messages
 * came from.
 */
START_TEST(dead_client_is_noticed)
{
	sim_world_run_until(world, 105 * SIM_MILLISECOND);
	link_id link = spec_b.record.last_from;
	sim_process_crash(a);
	sim_world_run_until(world, 10 * SIM_SECOND);
	ck_assert_uint_eq(spec_b.record.link_downs, 1);
	ck_assert_uint_eq(spec_b.record.last_down, link);
	sim_process_start(a);
	sim_world_run_for(world, SIM_SECOND);
	ck_assert_uint_ne(spec_b.record.last_from, link);
	ck_assert_uint_eq(spec_b.record.link_downs, 1);
}
END_TEST

/* A reset connection is over for both ends at once, and replaced at the next message. */
START_TEST(reset_tells_both)
{
	sim_world_run_until(world, 105 * SIM_MILLISECOND);
	sim_network_reset(world, a, b);
	sim_world_run_until(world, 106 * SIM_MILLISECOND);
	ck_assert_uint_eq(spec_a.record.link_downs, 1);
	ck_assert_uint_eq(spec_b.record.link_downs, 1);
	sim_world_run_until(world, 205 * SIM_MILLISECOND);
	ck_assert_uint_eq(spec_a.record.replies, 20);
}
END_TEST

/*
 * One-way messages are lost and doubled as often as asked for; requests never, except with
 * their connection.
 */
START_TEST(loss_and_duplication)
{
	world->options.network.loss_ppm = 200000;
	world->options.network.duplicate_ppm = 100000;
	sim_world_run_until(world, 100 * SIM_SECOND);
	const struct sim_network_counters *counters = sim_network_counters(world);
	ck_assert_uint_gt(counters->lost, 1800);
	ck_assert_uint_lt(counters->lost, 2200);
	ck_assert_uint_gt(counters->duplicated, 650);
	ck_assert_uint_lt(counters->duplicated, 950);
	/* The last ones may still be under way. */
	ck_assert_uint_le(spec_b.record.pings, 10000 - counters->lost + counters->duplicated);
	ck_assert_uint_ge(spec_b.record.pings + 10, 10000 - counters->lost + counters->duplicated);
	ck_assert_uint_ge(spec_a.record.replies, 9998);
	ck_assert(in_order(spec_a.record.replied, spec_a.record.replies));
}
END_TEST

/*
 * Without reordering one-way messages keep their order; with it they overtake each other;
 * requests never do.
 */
START_TEST(only_reordering_makes_messages_overtake)
{
	world->options.network.delay = SIM_DELAY_HEAVY_TAIL;
	world->options.network.delay_mean_us = 30 * SIM_MILLISECOND;
	world->options.network.delay_max_us = SIM_SECOND;
	sim_world_run_until(world, 10 * SIM_SECOND);
	ck_assert(in_order(spec_b.record.seen, spec_b.record.pings));
	world->options.network.reorder = true;
	sim_world_run_until(world, 20 * SIM_SECOND);
	ck_assert(!in_order(spec_b.record.seen, spec_b.record.pings));
	ck_assert(in_order(spec_a.record.replied, spec_a.record.replies));
}
END_TEST

/*
 * With resets, requests and replies are lost, but each loss comes with a link_down, and
 * none is answered twice.
 */
START_TEST(each_loss_by_a_reset_is_told)
{
	world->options.network.reset_ppm = 50000;
	spec_a.no_pings = true;
	sim_world_run_until(world, 100 * SIM_SECOND);
	const struct sim_network_counters *counters = sim_network_counters(world);
	ck_assert_uint_gt(counters->resets, 500);
	ck_assert_uint_gt(spec_a.record.replies, 8000);
	ck_assert_uint_lt(spec_a.record.replies, 9900);
	ck_assert_uint_ge(spec_a.record.link_downs + 1, counters->resets);
	ck_assert(in_order(spec_a.record.replied, spec_a.record.replies));
}
END_TEST

static enum sim_verdict drop_odd(void *context, const struct sim_process *from,
				 const struct sim_process *to, const struct message *message,
				 uint64_t *delay_us)
{
	++*(uint64_t *)context;
	(void)to;
	(void)delay_us;
	if (from == a && message->kind == MESSAGE_ONEWAY &&
	    load_u64(message->payload.data) % 2 == 1)
		return SIM_DROP;
	return SIM_PASS;
}

/* A filter sees each message when it is sent, and decides. */
START_TEST(a_filter_decides_of_each_message)
{
	uint64_t asked = 0;
	sim_network_set_filter(world, drop_odd, &asked);
	sim_world_run_until(world, 105 * SIM_MILLISECOND);
	ck_assert_uint_eq(asked, 30);
	ck_assert_uint_eq(spec_b.record.pings, 5);
	ck_assert_uint_eq(spec_b.record.seen[4], 10);
	sim_network_set_filter(world, NULL, NULL);
	sim_world_run_until(world, 205 * SIM_MILLISECOND);
	ck_assert_uint_eq(spec_b.record.pings, 15);
}
END_TEST

/*
 * Rules match by direction and method, skip and count; a swallowed request leaves everybody
 * waiting.
 */
START_TEST(rules_match_skip_and_count)
{
	struct sim_rule twice = {.from = a,
				 .to = b,
				 .method = METHOD_PING,
				 .verdict = SIM_TWICE,
				 .skip = 2,
				 .count = 3};
	struct sim_rule silent = {.from = b, .method = METHOD_STATUS, .verdict = SIM_SWALLOW};
	struct sim_rule late = {.method = METHOD_PING,
				.verdict = SIM_PASS,
				.delay_us = 15 * SIM_MILLISECOND,
				.count = 1};
	sim_network_add_rule(world, &twice);
	sim_network_add_rule(world, &silent);
	sim_world_run_until(world, SIM_SECOND + 5 * SIM_MILLISECOND);
	ck_assert_uint_eq(spec_b.record.pings, 103);
	ck_assert_uint_eq(twice.matched, 3);
	ck_assert_uint_eq(silent.matched, 100);
	ck_assert_uint_eq(spec_a.record.replies, 0);
	ck_assert_uint_eq(spec_a.record.link_downs, 0);
	sim_network_clear_rules(world);
	sim_network_add_rule(world, &late);
	sim_world_run_until(world, SIM_SECOND + 55 * SIM_MILLISECOND);
	ck_assert_uint_eq(spec_b.record.seen[103], 102);
	ck_assert_uint_eq(spec_b.record.seen[104], 101);
}
END_TEST

/* A slow connection delivers at its rate, and the sender sees what it has not taken yet. */
START_TEST(bandwidth_and_backlog)
{
	teardown();
	setup();
	world->options.network.bytes_per_s = 1000000;
	spec_a.payload_bytes = 100000;
	spec_a.no_requests = true;
	sim_process_restart(a);
	sim_world_run_until(world, SIM_SECOND);
	ck_assert_uint_ge(spec_b.record.pings, 8);
	ck_assert_uint_le(spec_b.record.pings, 10);
	link_id link = a->env.ops->dial(&a->env, "b:1");
	uint64_t backlog = a->env.ops->backlog(&a->env, link);
	ck_assert_uint_gt(backlog, 8500000);
	ck_assert_uint_lt(backlog, 9300000);
}
END_TEST

/* A link with more unsent output than LINK_OUTPUT_BYTES_MAX loses its connection. */
START_TEST(flooded_link_is_cut)
{
	sim_network_clog(world, a, b);
	spec_a.payload_bytes = 1000000;
	sim_process_restart(a);
	sim_world_run_for(world, SIM_SECOND);
	ck_assert_uint_ge(spec_a.record.link_downs, 1);
}
END_TEST

static void close_last(void *data, struct node *node)
{
	(void)data;
	node->env->ops->close(node->env, spec_b.record.last_from);
}

/*
 * Closing an accepted link tells the other end, which connects anew; sending on it
 * afterwards is harmless.
 */
START_TEST(accepted_link_is_closed)
{
	sim_world_run_until(world, 105 * SIM_MILLISECOND);
	link_id link = spec_b.record.last_from;
	sim_process_call(b, close_last, NULL);
	b->env.ops->send(&b->env, link,
			 &(struct message){.kind = MESSAGE_ONEWAY, .method = METHOD_PING});
	sim_world_run_until(world, 205 * SIM_MILLISECOND);
	ck_assert_uint_eq(spec_a.record.link_downs, 1);
	ck_assert_uint_eq(spec_b.record.link_downs, 0);
	ck_assert_uint_ne(spec_b.record.last_from, link);
	ck_assert_uint_ge(spec_a.record.replies, 19);
}
END_TEST

/*
 * fault 5: the second copy of a one-way message may come after its connection has been
 * replaced.
 */
START_TEST(late_copies_find_a_new_connection)
{
	struct sim_rule twice = {.method = METHOD_PING, .verdict = SIM_TWICE, .count = 50};
	world->options.network.duplicate_delay_max_us = 2 * SIM_SECOND;
	sim_network_add_rule(world, &twice);
	sim_world_run_until(world, 605 * SIM_MILLISECOND);
	sim_network_reset(world, a, b);
	sim_world_run_until(world, 5005 * SIM_MILLISECOND);
	ck_assert_uint_ge(spec_b.record.pings, 500 + 45);
	ck_assert(!in_order(spec_b.record.seen, spec_b.record.pings));
}
END_TEST

/*
 * A partition cuts both directions between a side and the rest, isolation one process from
 * all; healing ends both.
 */
START_TEST(partition_and_isolation)
{
	struct sim_process *side[] = {a};
	sim_network_partition(world, side, 1);
	ck_assert(sim_network_is_cut(world, a, b) && sim_network_is_cut(world, b, a));
	sim_network_heal(world);
	ck_assert(!sim_network_is_cut(world, a, b) && !sim_network_is_cut(world, b, a));
	sim_network_isolate(world, b);
	ck_assert(sim_network_is_cut(world, a, b) && sim_network_is_cut(world, b, a));
	sim_network_rejoin(world, b);
	ck_assert(!sim_network_is_cut(world, a, b) && !sim_network_is_cut(world, b, a));
}
END_TEST

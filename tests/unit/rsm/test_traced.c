/*
 * Traced requests through a group of replicas: where they go, in causal order; and that nothing is
 * traced unasked.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../support/check_main.h"
#include "base/alloc.h"
#include "group.h"
#include "rsm/internal.h"
#include "sim/causal_trace.h"
#include "sim/options.h"

#define REQUEST 0xfeedull
#define EVENTS_MAX 6000u

static struct node *node_at(struct rsm_group *g, uint32_t i)
{
	return i < g->count ? g->replicas[i].process->node : g->client->node;
}

/* What the rings of all nodes hold of the request, merged. */
static struct causal *gather(struct rsm_group *g, uint64_t request)
{
	struct causal *c = causal_create();
	struct buffer text = {0};
	for (uint32_t i = 0; i <= g->count; i++) {
		struct sim_process *process = i < g->count ? g->replicas[i].process : g->client;
		uint64_t position = 0;
		const struct trace_event *e;
		while ((e = tracer_next(&node_at(g, i)->tracer, request, &position)) != NULL) {
			buffer_clear(&text);
			trace_event_format(&text, e,
					   e->link == 0 ? "" : sim_process_peer(process, e->link));
			ck_assert_int_eq(
				causal_add(c, slice_string(process->name), buffer_slice(&text)), 0);
		}
	}
	buffer_free(&text);
	ck_assert_msg(causal_sort(c) == 0, "%s", causal_error(c));
	return c;
}

/* One line an event, without what differs from run to run or says where the words end. */
static char *story_of(const struct causal *c)
{
	static const char *const left_out[] = {
		"message=", "request=", "lamport=", "hlc=", "ballot=", "chosen="};
	struct buffer out = {0};
	for (uint32_t i = 0; i < causal_count(c); i++) {
		char line[512], *rest = line;
		const struct causal_event *e = causal_at(c, i);
		snprintf(line, sizeof line, "%.*s", (int)e->text.len, (const char *)e->text.data);
		buffer_format(&out, "%s", causal_host(c, e->host));
		for (char *word; (word = strsep(&rest, " ")) != NULL;) {
			bool keep = true;
			for (size_t k = 0; k < sizeof left_out / sizeof left_out[0]; k++)
				keep = keep && strncmp(word, left_out[k], strlen(left_out[k])) != 0;
			if (keep)
				buffer_format(&out, " %s", word);
		}
		buffer_format(&out, "\n");
	}
	buffer_add_u8(&out, 0);
	return (char *)out.data;
}

/* Position of the first event of this story that is `what`. */
static uint32_t find(const char *story, const char *what)
{
	const char *found = strstr(story, what);
	uint32_t lines = 0;
	ck_assert_msg(found != NULL, "no \"%s\" in\n%s", what, story);
	for (const char *at = story; at < found; at++)
		lines += *at == '\n';
	return lines;
}

static void expect_before(const struct causal *c, const char *story, const char *first,
			  const char *second)
{
	uint32_t a = find(story, first), b = find(story, second);
	ck_assert_msg(vector_compare(&causal_at(c, a)->clock, &causal_at(c, b)->clock) ==
			      VECTOR_BEFORE,
		      "\"%s\" is not before \"%s\" in\n%s", first, second, story);
}

/*
 * A write: to the leader, into its log and to the others, into theirs, chosen, executed, answered;
 * then they hear of it.
 */
START_TEST(a_traced_write_shows_its_way)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 5, NULL);
	uint32_t leader = rsm_group_elect(&g);
	rsm_group_run(&g, SIM_SECOND);
	ck_assert_uint_eq(leader, 0);
	g.trace = REQUEST;
	uint64_t request = rsm_group_command(&g, leader, 0, 0, 1, 0);
	g.trace = 0;
	ck_assert_int_eq(rsm_group_wait(&g, request, SIM_SECOND), 0);
	rsm_group_run(&g, SIM_SECOND);

	struct causal *c = gather(&g, REQUEST);
	char *story = story_of(c);
	ck_assert_uint_eq(causal_unmatched(c), 0);
	ck_assert_str_eq(story, "client send command to=r1\n"
				"r1 receive command from=client\n"
				"r1 propose slot=3\n"
				"r1 write slot=3\n"
				"r1 send accept to=r2 slot=3\n"
				"r1 send accept to=r3 slot=3\n"
				"r2 receive accept from=r1\n"
				"r1 sync slot=3\n"
				"r3 receive accept from=r1\n"
				"r2 write slot=3\n"
				"r3 write slot=3\n"
				"r2 sync slot=3\n"
				"r3 sync slot=3\n"
				"r2 send accepted to=r1 slot=3\n"
				"r3 send accepted to=r1 slot=3\n"
				"r1 receive accepted from=r3\n"
				"r1 chosen slot=3\n"
				"r1 apply slot=3\n"
				"r1 send command reply to=client\n"
				"r1 receive accepted from=r2\n"
				"client receive command reply from=r1\n"
				"r1 send accept to=r2\n"
				"r1 send accept to=r3\n"
				"r3 receive accept from=r1\n"
				"r3 send accepted to=r1\n"
				"r3 chosen slot=3\n"
				"r3 apply slot=3\n"
				"r2 receive accept from=r1\n"
				"r1 receive accepted from=r3\n"
				"r2 send accepted to=r1\n"
				"r2 chosen slot=3\n"
				"r1 receive accepted from=r2\n"
				"r2 apply slot=3\n");
	expect_before(c, story, "client send command", "r1 receive command");
	expect_before(c, story, "r3 sync", "r3 send accepted");
	expect_before(c, story, "r3 sync", "r1 chosen");
	expect_before(c, story, "r1 chosen", "client receive command reply");
	expect_before(c, story, "r1 chosen", "r3 apply");
	/*
	 * The leader's Accepts do not wait for its own disk, nor its answer for the slower
	 * follower.
	 */
	ck_assert_int_eq(vector_compare(&causal_at(c, find(story, "r1 sync"))->clock,
					&causal_at(c, find(story, "r2 receive accept"))->clock),
			 VECTOR_CONCURRENT);
	ck_assert_int_eq(vector_compare(&causal_at(c, find(story, "r2 sync"))->clock,
					&causal_at(c, find(story, "client receive"))->clock),
			 VECTOR_CONCURRENT);
	/*
	 * Everybody has heard of everything: nothing of the request is remembered, and what follows
	 * is not traced.
	 */
	for (uint32_t i = 0; i < g.count; i++) {
		ck_assert_uint_eq(rsm_group_rsm(&g, i)->traced.count, 0);
		ck_assert(!rsm_traces(rsm_group_rsm(&g, i)));
	}
	free(story);
	causal_destroy(c);
	rsm_group_free(&g);
}
END_TEST

/*
 * A read: the leader asks one other whether it still leads, and answers when that says so; no log
 * is written.
 */
START_TEST(a_traced_read_shows_its_round)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 5, NULL);
	uint32_t leader = rsm_group_elect(&g);
	rsm_group_run(&g, SIM_SECOND);
	g.trace = REQUEST;
	uint64_t request = rsm_group_ask(&g, leader, METHOD_QUERY, slice(NULL, 0));
	g.trace = 0;
	ck_assert_int_eq(rsm_group_wait(&g, request, SIM_SECOND), 0);
	rsm_group_run(&g, SIM_SECOND);

	struct causal *c = gather(&g, REQUEST);
	char *story = story_of(c);
	ck_assert_uint_eq(causal_unmatched(c), 0);
	ck_assert_str_eq(story, "client send query to=r1\n"
				"r1 receive query from=client\n"
				"r1 read\n"
				"r1 send accept to=r2\n"
				"r2 receive accept from=r1\n"
				"r2 send accepted to=r1\n"
				"r1 receive accepted from=r2\n"
				"r1 confirm slot=2\n"
				"r1 send query reply to=client\n"
				"client receive query reply from=r1\n");
	expect_before(c, story, "r2 send accepted", "r1 confirm");
	ck_assert(!rsm_traces(rsm_group_rsm(&g, leader)));
	free(story);
	causal_destroy(c);
	rsm_group_free(&g);
}
END_TEST

static bool has_accepted(struct node *node, uint64_t request)
{
	uint64_t position = 0;
	const struct trace_event *e;
	while ((e = tracer_next(&node->tracer, request, &position)) != NULL)
		if (e->kind == TRACE_SEND && e->method == METHOD_ACCEPTED)
			return true;
	return false;
}

/*
 * Once a follower has answered a traced Accept, what it says next is not taken for another answer.
 */
START_TEST(a_traced_accept_is_answered_once)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 5, NULL);
	uint32_t leader = rsm_group_elect(&g);
	rsm_group_run(&g, SIM_SECOND);
	g.trace = REQUEST;
	rsm_group_command(&g, leader, 0, 0, 1, 0);
	g.trace = 0;
	for (uint32_t i = 0; i < 10000 && !has_accepted(node_at(&g, (leader + 1) % 3), REQUEST);
	     i++)
		rsm_group_run(&g, 10);
	ck_assert(has_accepted(node_at(&g, (leader + 1) % 3), REQUEST));
	ck_assert_uint_eq(rsm_group_rsm(&g, (leader + 1) % 3)->traced.echo, 0);
	rsm_group_free(&g);
}
END_TEST

/* Who does not lead says so, within the trace. */
START_TEST(a_traced_refusal_is_noted)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 5, NULL);
	uint32_t leader = rsm_group_elect(&g);
	g.trace = REQUEST;
	uint64_t request = rsm_group_command(&g, (leader + 1) % 3, 0, 0, 1, 0);
	ck_assert_int_eq(rsm_group_wait(&g, request, SIM_SECOND), STATUS_NOT_LEADER);
	struct causal *c = gather(&g, REQUEST);
	char *story = story_of(c);
	ck_assert_str_eq(story, "client send command to=r2\n"
				"r2 receive command from=client\n"
				"r2 send command reply=NOT_LEADER to=client\n"
				"client receive command reply=NOT_LEADER from=r2\n");
	free(story);
	causal_destroy(c);
	rsm_group_free(&g);
}
END_TEST

/* Without a traced request no node notes or remembers anything. */
START_TEST(without_a_traced_request_nothing_is_noted)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 5, NULL);
	rsm_group_append_many(&g, 200);
	for (uint32_t i = 0; i <= g.count; i++) {
		ck_assert_ptr_null(node_at(&g, i)->tracer.ring);
		ck_assert_uint_eq(node_at(&g, i)->tracer.noted, 0);
	}
	rsm_group_free(&g);
}
END_TEST

/* More traced requests than are remembered: the oldest are forgotten, and everything goes on. */
START_TEST(many_at_once)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 6, NULL);
	uint32_t leader = rsm_group_elect(&g);
	for (uint64_t i = 1; i <= 300; i++) {
		g.trace = i;
		rsm_group_command(&g, leader, 0, 0, i, 0);
		ck_assert_uint_le(rsm_group_rsm(&g, leader)->traced.count, TRACED_ENTRIES_MAX);
	}
	g.trace = 0;
	ck_assert_int_eq(rsm_group_wait(&g, g.asked, SIM_SECOND), 0);
	rsm_group_run(&g, 2 * SIM_SECOND);
	struct causal *c = gather(&g, 300);
	char *story = story_of(c);
	find(story, "client receive command reply");
	free(story);
	causal_destroy(c);
	rsm_group_free(&g);
}
END_TEST

/* ---- everything, under faults ---- */

/*
 * Happens-before by its definition: past[b][a]. The causes are looked for anew, without causal.c.
 */
static void judge(const struct causal *c)
{
	uint32_t n = causal_count(c), words = (n + 63) / 64;
	uint64_t *past = alloc_zeroed((size_t)n * words + 1, sizeof *past);
	uint32_t last[64], received = 0;
	memset(last, 0xff, sizeof last);
	for (uint32_t b = 0; b < n; b++) {
		const struct causal_event *e = causal_at(c, b);
		uint32_t sources[2] = {last[e->host], UINT32_MAX};
		for (uint32_t a = 0; e->words.kind == TRACE_RECEIVE && a < b; a++) {
			const struct causal_event *s = causal_at(c, a);
			if (s->words.kind == TRACE_SEND && s->words.origin == e->words.origin &&
			    s->words.sent == e->words.sent)
				sources[1] = a;
		}
		received += sources[1] != UINT32_MAX;
		/* A new life counts Lamport times anew; within one they grow. */
		if (sources[0] != UINT32_MAX && !slice_has_prefix(e->text, slice_string("start")))
			ck_assert_uint_lt(causal_at(c, sources[0])->words.lamport,
					  e->words.lamport);
		for (uint32_t k = 0; k < 2; k++) {
			if (sources[k] == UINT32_MAX)
				continue;
			for (uint32_t w = 0; w < words; w++)
				past[(size_t)b * words + w] |= past[(size_t)sources[k] * words + w];
			past[(size_t)b * words + sources[k] / 64] |= 1ull << sources[k] % 64;
		}
		last[e->host] = b;
	}
	ck_assert_uint_gt(received, n / 5);
	for (uint32_t b = 0; b < n; b++)
		for (uint32_t a = 0; a < n; a++) {
			bool before = (past[(size_t)b * words + a / 64] >> a % 64 & 1) != 0;
			const struct causal_event *first = causal_at(c, a),
						  *second = causal_at(c, b);
			/*
			 * The hosts' own counts decide as the whole vectors do, and are quicker to
			 * compare.
			 */
			bool smaller = a != b &&
				       vector_get(&second->clock, first->host) >= first->number;
			CHECK_THAT(smaller == before, "events %u and %u", a, b);
			CHECK_THAT((a ^ b) % 64 != 0 ||
					   (vector_compare(&first->clock, &second->clock) ==
					    VECTOR_BEFORE) == before,
				   "the vectors of events %u and %u", a, b);
		}
	free(past);
}

static void run_under_faults(uint64_t seed)
{
	struct rsm_group g;
	struct sim_causal_trace trace = {.causal = causal_create()};
	rsm_group_init(&g, 3, seed, NULL);
	g.world->options.network.loss_ppm = 30000;
	g.world->options.network.duplicate_ppm = 30000;
	sim_causal_trace_begin(g.world, &trace);
	rsm_group_append_many(&g, 10);
	uint32_t leader = rsm_group_elect(&g);
	sim_process_crash(g.replicas[leader].process);
	sim_process_wall_jump(g.replicas[(leader + 1) % 3].process, -5000000);
	sim_process_wall_jump(g.replicas[(leader + 2) % 3].process, 5000000);
	rsm_group_append_many(&g, 10);
	sim_process_start(g.replicas[leader].process);
	rsm_group_append_many(&g, 5);
	sim_causal_trace_end(g.world, &trace);
	ck_assert(!trace.full);
	ck_assert_msg(causal_sort(trace.causal) == 0, "%s", causal_error(trace.causal));
	ck_assert_uint_lt(causal_count(trace.causal), EVENTS_MAX);
	judge(trace.causal);
	causal_destroy(trace.causal);
	rsm_group_free(&g);
}

/*
 * Whatever is lost, doubled, restarted, and however clocks jump: the vector order of the trace is
 * happens-before.
 */
START_TEST(vector_order_is_happens_before)
{
	for (uint64_t seed = 1; seed <= 4; seed++)
		run_under_faults(seed);
}
END_TEST

/*
 * No turn takes for ever: what reads and commands cost is spread over turns, and connections share
 * them.
 */
#include <check.h>
#include <stdlib.h>

#include "../support/check_main.h"
#include "group.h"
#include "rsm/internal.h"

static void add(struct read_backlog *backlog, link_id link, uint64_t id)
{
	struct pending_query query = {.requester = {.link = link, .id = id},
				      .payload = bytes_copy(slice_string("key"))};
	read_backlog_add(backlog, &query, id);
}

static uint64_t take(struct read_backlog *backlog)
{
	struct pending_query query;
	uint64_t ballot;
	ck_assert_uint_eq(read_backlog_next(backlog),
			  backlog->nreaders > 0 ? read_backlog_next(backlog) : 0);
	read_backlog_take(backlog, &query, &ballot);
	ck_assert_uint_eq(ballot, query.requester.id);
	bytes_unref(query.payload);
	return query.requester.id;
}

/* faults: 98. Connections have their turns; each one's reads keep their order. */
START_TEST(readers_have_turns)
{
	struct read_backlog b;
	read_backlog_init(&b);
	for (uint64_t i = 1; i <= 5; i++)
		add(&b, 1, 100 + i);
	add(&b, 2, 201);
	add(&b, 3, 301);
	add(&b, 3, 302);
	ck_assert_uint_eq(b.count, 8);
	ck_assert_uint_eq(b.bytes, 24);
	ck_assert_uint_eq(read_backlog_of(&b, 1), 5);
	ck_assert_uint_eq(read_backlog_of(&b, 9), 0);
	const uint64_t first[] = {101, 201, 301, 102, 302};
	for (size_t i = 0; i < 5; i++)
		ck_assert_uint_eq(take(&b), first[i]);
	ck_assert_uint_eq(b.nreaders, 1);
	add(&b, 4, 401);
	read_backlog_pass(&b);
	ck_assert_uint_eq(read_backlog_next(&b), 4);
	read_backlog_pass(&b);
	ck_assert_uint_eq(take(&b), 103);
	read_backlog_link_down(&b, 1);
	read_backlog_link_down(&b, 7);
	ck_assert_uint_eq(b.count, 1);
	ck_assert_uint_eq(b.bytes, 3);
	ck_assert_uint_eq(take(&b), 401);
	ck_assert_uint_eq(b.count + b.nreaders + b.bytes, 0);
	add(&b, 5, 501);
	read_backlog_free(&b);
}
END_TEST

static uint32_t answered(const struct rsm_group *g, uint64_t first, uint32_t count)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < count; i++)
		n += g->answers[first + i].status != PENDING;
	return n;
}

/*
 * faults: 98. Behind hundreds of reads that take long a command waits for a few of them; all are
 * answered in the end.
 */
START_TEST(long_reads_are_spread_over_turns)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 31, NULL);
	rsm_group_append_many(&g, 10);
	uint32_t leader = rsm_group_elect(&g);
	tally_query_work = MIB;
	uint64_t first = g.asked + 1;
	for (uint32_t i = 0; i < 400; i++)
		rsm_group_ask(&g, leader, METHOD_QUERY, slice(NULL, 0));
	uint64_t command = rsm_group_command(&g, leader, 0, 0, 11, 0);
	bool many_waited = false;
	while (g.answers[command].status == PENDING) {
		CHECK_THAT(sim_world_step(g.world), "nothing happens any more");
		many_waited |= rsm_group_rsm(&g, leader)->backlog.count > 50;
	}
	ck_assert_int_eq(g.answers[command].status, 0);
	ck_assert(many_waited);
	ck_assert_uint_lt(answered(&g, first, 400), 350);
	rsm_group_run(&g, 5 * SIM_SECOND);
	ck_assert_uint_eq(answered(&g, first, 400), 400);
	for (uint32_t i = 0; i < 400; i++)
		ck_assert_int_eq(g.answers[first + i].status, 0);
	ck_assert_uint_eq(rsm_group_rsm(&g, leader)->backlog.count, 0);
	tally_query_work = 0;
	rsm_group_free(&g);
}
END_TEST

/*
 * faults: 98. Reads that wait when leadership is lost are refused, not answered later by a state
 * that may be old.
 */
START_TEST(waiting_reads_end_with_leadership)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 32, NULL);
	rsm_group_append_many(&g, 10);
	uint32_t leader = rsm_group_elect(&g);
	tally_query_work = MIB;
	uint64_t first = g.asked + 1;
	for (uint32_t i = 0; i < 400; i++)
		rsm_group_ask(&g, leader, METHOD_QUERY, slice(NULL, 0));
	while (rsm_group_rsm(&g, leader)->backlog.count < 100)
		CHECK_THAT(sim_world_step(g.world), "nothing happens any more");
	uint64_t transfer;
	buffer_clear(&g.scratch);
	wire_transfer_encode(0, &g.scratch);
	transfer = rsm_group_ask(&g, leader, METHOD_TRANSFER, buffer_slice(&g.scratch));
	while (rsm_group_rsm(&g, leader)->leading)
		CHECK_THAT(sim_world_step(g.world), "nothing happens any more");
	ck_assert_int_eq(rsm_group_wait(&g, transfer, SIM_SECOND), 0);
	rsm_group_run(&g, SIM_SECOND);
	uint32_t refused = 0;
	for (uint32_t i = 0; i < 400; i++) {
		int status = g.answers[first + i].status;
		ck_assert(status == 0 || status == STATUS_NOT_LEADER);
		refused += status == STATUS_NOT_LEADER;
	}
	ck_assert_uint_gt(refused, 0);
	ck_assert_uint_eq(rsm_group_rsm(&g, leader)->backlog.count, 0);
	tally_query_work = 0;
	rsm_group_free(&g);
}
END_TEST

/* faults: 98. Commands that take long do not share an entry, which is applied as a whole. */
START_TEST(entries_of_long_commands_are_short)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 33, NULL);
	rsm_group_append_many(&g, 3);
	uint32_t leader = rsm_group_elect(&g);
	tally_command_work = MIB / 4;
	uint64_t before = rsm_group_rsm(&g, leader)->counters.batches;
	uint64_t first = g.asked + 1;
	for (uint32_t i = 0; i < 100; i++)
		rsm_group_command(&g, leader, 0, 0, i, 0);
	rsm_group_run(&g, 5 * SIM_SECOND);
	uint32_t done = 0;
	for (uint32_t i = 0; i < 100; i++)
		done += g.answers[first + i].status == 0;
	ck_assert_uint_gt(done, 50); /* the others: BUSY */
	ck_assert_uint_ge(rsm_group_rsm(&g, leader)->counters.batches - before, done / 4);
	tally_command_work = 0;
	ck_assert(rsm_group_agree(&g, 5 * SIM_SECOND));
	rsm_group_free(&g);
}
END_TEST

/*
 * faults: 98. Commands that take long are refused while many of them wait: one that takes little
 * waits behind few, and is not refused for them.
 */
START_TEST(long_commands_leave_room_for_short_ones)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 34, NULL);
	rsm_group_append_many(&g, 3);
	uint32_t leader = rsm_group_elect(&g);
	uint64_t first = g.asked + 1;
	tally_command_work = 8 * MIB;
	for (uint32_t i = 0; i < 500; i++)
		rsm_group_command(&g, leader, 0, 0, i, 0);
	while (rsm_group_rsm(&g, leader)->queued_extra < QUEUED_EXTRA_MAX)
		CHECK_THAT(sim_world_step(g.world), "nothing happens any more");
	tally_command_work = 0;
	uint64_t little = rsm_group_command(&g, leader, 0, 0, 500, 0);
	ck_assert_int_eq(rsm_group_wait(&g, little, SIM_SECOND), 0);
	rsm_group_run(&g, SIM_SECOND);
	uint32_t done = 0, busy = 0;
	for (uint32_t i = 0; i < 500; i++) {
		done += g.answers[first + i].status == 0;
		busy += g.answers[first + i].status == STATUS_BUSY;
	}
	ck_assert_uint_eq(done + busy, 500);
	ck_assert_uint_ge(done, 4);
	ck_assert_uint_gt(busy, 0);
	/* All of it is given back: the next one that takes long is taken. */
	ck_assert_uint_eq(rsm_group_rsm(&g, leader)->queued_extra, 0);
	tally_command_work = 8 * MIB;
	ck_assert_int_eq(
		rsm_group_wait(&g, rsm_group_command(&g, leader, 0, 0, 501, 0), SIM_SECOND), 0);
	tally_command_work = 0;
	ck_assert(rsm_group_agree(&g, 5 * SIM_SECOND));
	rsm_group_free(&g);
}
END_TEST

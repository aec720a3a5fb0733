/*
 * The courses' scenarios for primary and backup, story by story: "2015 pbservice" and DSLabs lab 2,
 * PrimaryBackupTest; those with many clients at the same time stand in test_courses_load.c.
 * Servers, view service and clients are those of production; split brain is looked for after every
 * turn (support/pb_world.c).
 */
/* faults: 42, 49 */
#include "../support/check_main.h"
#include "load.h"

static struct pb_world *w;

static void open_world(uint64_t seed)
{
	w = pb_world_create(seed, 3, NULL);
}

/* Servers s1 … sn run; the first two are primary and backup. */
static void open_servers(uint64_t seed, uint32_t n)
{
	open_world(seed);
	pb_server_start(w, 1);
	ck_assert(pb_reaches(w, "1 s1 -", 20));
	if (n < 2)
		return;
	pb_server_start(w, 2);
	ck_assert(pb_reaches(w, "2 s1 s2", 20));
	for (uint32_t i = 3; i <= n; i++)
		pb_server_start(w, i);
	pb_run(w, 5);
}

static void close_world(void)
{
	pb_world_destroy(w);
}

/*
 * course: DSLabs PrimaryBackupTest 02, 03 — One server, alone: put, append, get, and what is not
 * there.
 */
START_TEST(one_server_serves_alone)
{
	open_servers(1, 1);
	ck_assert_ptr_null(pb_get(w, 0, "a"));
	pb_put(w, 0, "a", "aa");
	ck_assert_str_eq(pb_get(w, 0, "a"), "aa");
	pb_append(w, 1, "a", "bb");
	ck_assert_str_eq(pb_get(w, 0, "a"), "aabb");
	pb_append(w, 1, "b", "new");
	ck_assert_str_eq(pb_get(w, 2, "b"), "new");
	close_world();
}
END_TEST

/*
 * course: 2015 pbservice TestBasicFail; DSLabs PrimaryBackupTest 04, 06 — A backup is added and
 * filled; when the primary is killed the backup has everything; when that is killed too, a server
 * that comes fresh must not serve.
 */
START_TEST(a_backup_takes_over_with_everything)
{
	open_servers(2, 1);
	pb_put(w, 0, "a", "aaa");
	pb_put(w, 0, "b", "bbb");
	pb_put(w, 0, "c", "ccc");
	pb_server_start(w, 2);
	ck_assert(pb_reaches(w, "2 s1 s2", 10));
	ck_assert_uint_eq(pb_hash(w, 1), pb_hash(w, 2));
	pb_put(w, 0, "d", "ddd");
	ck_assert_str_eq(pb_get(w, 0, "a"), "aaa");
	pb_server_stop(w, 1);
	ck_assert(pb_reaches(w, "3 s2 -", 10));
	ck_assert_str_eq(pb_get(w, 0, "a"), "aaa");
	ck_assert_str_eq(pb_get(w, 1, "b"), "bbb");
	ck_assert_str_eq(pb_get(w, 1, "d"), "ddd");
	pb_server_stop(w, 2);
	pb_server_start(w, 3);
	struct pb_op *get = pb_start(w, 0, SYNOD_OP_GET, "a", NULL, 60000);
	ck_assert(!pb_wait(w, get, 20));
	/* It may have been made backup before s2 counted as dead; more it cannot become. */
	ck_assert_uint_eq(pb_info(w, 3).answered, 0);
	ck_assert_int_ne(pb_info(w, 3).role, PB_PRIMARY);
	ck_assert_uint_eq(pb_primary(w), 0);
	/* The client gives up in the end, and says what it knows: nothing was answered. */
	ck_assert(pb_wait(w, get, 700));
	ck_assert_int_eq(get->status, SYNOD_UNAVAILABLE);
	pb_op_free(get);
	close_world();
}
END_TEST

/*
 * course: 2015 pbservice TestBasicFail; DSLabs PrimaryBackupTest 05 — Clients do not ask the view
 * service for every operation: what it receives while 1000 operations run is little more than the
 * pings.
 */
START_TEST(view_service_is_spared)
{
	open_servers(3, 2);
	pb_put(w, 0, "k", "0");
	uint64_t before = w->view_messages, begun_us = w->world->now_us;
	for (int i = 0; i < 1000; i++) {
		pb_put(w, 0, "k", "v");
		sim_world_run_for(w->world, 5 * SIM_MILLISECOND);
	}
	uint64_t ticks = (w->world->now_us - begun_us) / PB_TICK_US;
	ck_assert_uint_le(w->view_messages - before, 2 * ticks + 20);
	close_world();
}
END_TEST

/* course: DSLabs PrimaryBackupTest 07 — When both servers are killed nobody answers. */
START_TEST(when_both_are_killed_there_is_no_answer)
{
	open_servers(4, 2);
	pb_put(w, 0, "a", "1");
	pb_server_stop(w, 1);
	pb_server_stop(w, 2);
	pb_server_start(w, 1);
	pb_server_start(w, 3);
	struct pb_op *get = pb_start(w, 0, SYNOD_OP_GET, "a", NULL, 5000);
	ck_assert(pb_wait(w, get, 60));
	ck_assert_int_eq(get->status, SYNOD_UNAVAILABLE);
	ck_assert_uint_eq(pb_info(w, 1).answered + pb_info(w, 3).answered, 0);
	pb_op_free(get);
	close_world();
}
END_TEST

/*
 * course: 2015 pbservice TestAtMostOnce; DSLabs PrimaryBackupTest 08; fault models 2015, 2020s,
 * DSLabs — 100 appends, one after another, with the losses of each course, and in the last case
 * with two thirds of the answers late.
 */
START_LOOP_TEST(at_most_once, 0, 3)
{
	static const uint32_t lost_ppm[][2] = {
		{100000, 200000}, {200000, 200000}, {100000, 100000}};
	open_servers(5, 1);
	pb_unreliable(w, lost_ppm[_i][0], lost_ppm[_i][1]);
	w->late_reply_ppm = _i == 2 ? 666667 : 0;
	pb_load_append_marks(w, 1, 100, "k");
	pb_unreliable(w, 0, 0);
	w->late_reply_ppm = 0;
	pb_load_check_marks(w, 1, (const uint32_t[]){100}, "k");
	close_world();
}
END_TEST

/*
 * course: 2015 pbservice TestFailPut; DSLabs PrimaryBackupTest 09 — A put right after the backup,
 * and one right after the primary was killed.
 */
START_TEST(a_put_right_after_a_death_succeeds)
{
	open_servers(6, 3);
	pb_put(w, 0, "a", "aa");
	pb_put(w, 0, "b", "bb");
	pb_put(w, 0, "c", "cc");
	pb_server_stop(w, 2);
	pb_put(w, 0, "a", "aaa");
	ck_assert(pb_reaches(w, "3 s1 s3", 15));
	ck_assert_str_eq(pb_get(w, 0, "a"), "aaa");
	pb_server_stop(w, 1);
	pb_put(w, 0, "b", "bbb");
	ck_assert(pb_reaches(w, "4 s3 -", 15));
	ck_assert_str_eq(pb_get(w, 0, "a"), "aaa");
	ck_assert_str_eq(pb_get(w, 0, "b"), "bbb");
	ck_assert_str_eq(pb_get(w, 0, "c"), "cc");
	close_world();
}
END_TEST

/* Client c1 reaches nobody but s1; or everybody again. */
static void reaches_only_s1(bool only)
{
	for (uint32_t i = 2; i <= PB_SERVERS_LIMIT; i++) {
		if (only)
			sim_network_cut(w->world, w->clients[1], pb_server(w, i));
		else
			sim_network_mend(w->world, w->clients[1], pb_server(w, i));
	}
}

/* Holds what a client asks of s1. */
static enum sim_verdict delay_to_s1(void *context, const struct sim_process *from,
				    const struct sim_process *to, const struct message *message,
				    uint64_t *delay_us)
{
	if (from->name[0] == 'c' && strcmp(to->name, "s1") == 0 && message->kind == MESSAGE_REQUEST)
		*delay_us = *(uint64_t *)context;
	return SIM_PASS;
}

/*
 * course: 2015 pbservice TestPartition1 — A primary that is cut off from the view service has been
 * replaced; a Get that reaches it late must not be answered from its old state.
 */
START_TEST(a_replaced_primary_answers_no_late_get)
{
	uint64_t delay_us = 4 * SIM_SECOND;
	open_servers(30, 2);
	pb_put(w, 0, "a", "1");
	ck_assert_str_eq(pb_get(w, 0, "a"), "1");
	sim_network_set_filter(w->world, delay_to_s1, &delay_us);
	reaches_only_s1(true);
	struct pb_op *late = pb_start(w, 1, SYNOD_OP_GET, "a", NULL, 60000);
	pb_run(w, 1);
	sim_network_set_filter(w->world, NULL, NULL);
	uint64_t answered = pb_info(w, 1).answered;
	pb_cut_from_views(w, 1);
	ck_assert(pb_reaches(w, "3 s2 -", 20));
	pb_put(w, 0, "a", "111");
	pb_run(w, 60);
	/* By now it has reached s1, which does not answer it. */
	ck_assert(!late->done);
	reaches_only_s1(false);
	ck_assert(pb_wait(w, late, 100));
	ck_assert_int_eq(late->status, SYNOD_OK);
	ck_assert_str_eq(late->result, "111");
	ck_assert_uint_eq(pb_info(w, 1).answered, answered);
	ck_assert_str_eq(pb_get(w, 2, "a"), "111");
	pb_op_free(late);
	close_world();
}
END_TEST

/*
 * course: 2015 pbservice TestPartition2 — The same, and meanwhile a third server has joined as
 * backup and the second was killed.
 */
START_TEST(a_replaced_primary_with_a_new_backup_answers_no_late_get)
{
	uint64_t delay_us = 5 * SIM_SECOND;
	open_servers(31, 2);
	pb_put(w, 0, "a", "1");
	sim_network_set_filter(w->world, delay_to_s1, &delay_us);
	reaches_only_s1(true);
	struct pb_op *late = pb_start(w, 1, SYNOD_OP_GET, "a", NULL, 60000);
	pb_run(w, 1);
	sim_network_set_filter(w->world, NULL, NULL);
	uint64_t answered = pb_info(w, 1).answered;
	pb_cut_from_views(w, 1);
	ck_assert(pb_reaches(w, "3 s2 -", 20));
	pb_server_start(w, 3);
	ck_assert(pb_reaches(w, "4 s2 s3", 20));
	pb_put(w, 0, "a", "2");
	pb_server_stop(w, 2);
	ck_assert(pb_reaches(w, "5 s3 -", 20));
	ck_assert_str_eq(pb_get(w, 0, "a"), "2");
	pb_run(w, 60);
	ck_assert(!late->done);
	reaches_only_s1(false);
	ck_assert(pb_wait(w, late, 100));
	ck_assert_str_eq(late->result, "2");
	ck_assert_uint_eq(pb_info(w, 1).answered, answered);
	ck_assert_str_eq(pb_get(w, 2, "a"), "2");
	pb_op_free(late);
	close_world();
}
END_TEST

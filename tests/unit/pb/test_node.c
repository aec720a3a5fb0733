/* Primary and backup as nodes: what the courses do not ask for. */
/* faults: 42, 49, 82 */
#include <stdio.h>
#include <stdlib.h>

#include "../support/check_main.h"
#include "../support/pb_world.h"
#include "base/alloc.h"
#include "wire/method.h"

static struct pb_world *w;

static void open_pair(uint64_t seed)
{
	w = pb_world_create(seed, 3, NULL);
	pb_server_start(w, 1);
	ck_assert(pb_reaches(w, "1 s1 -", 20));
	pb_server_start(w, 2);
	ck_assert(pb_reaches(w, "2 s1 s2", 20));
}

/*
 * A primary alone in its view, cut off from the view service, serves nothing, not even a Get; and
 * serves again afterwards.
 */
START_TEST(cut_off_from_the_view_service)
{
	w = pb_world_create(1, 3, NULL);
	pb_server_start(w, 1);
	ck_assert(pb_reaches(w, "1 s1 -", 20));
	pb_put(w, 0, "a", "1");
	pb_cut_from_views(w, 1);
	pb_run(w, 10);
	uint64_t answered = pb_info(w, 1).answered;
	struct pb_op *get = pb_start(w, 0, SYNOD_OP_GET, "a", NULL, 2000);
	ck_assert(pb_wait(w, get, 30));
	ck_assert_int_eq(get->status, SYNOD_UNAVAILABLE);
	ck_assert_uint_eq(pb_info(w, 1).answered, answered);
	pb_op_free(get);
	sim_network_heal(w->world);
	ck_assert_str_eq(pb_get(w, 0, "a"), "1");
	pb_world_destroy(w);
}
END_TEST

/*
 * A primary cut off from its backup answers nobody until the view service has dropped the backup.
 */
START_TEST(cut_off_from_the_backup)
{
	open_pair(2);
	pb_put(w, 0, "a", "1");
	sim_network_cut(w->world, pb_server(w, 1), pb_server(w, 2));
	sim_network_cut(w->world, pb_server(w, 2), pb_server(w, 1));
	uint64_t answered = pb_info(w, 1).answered;
	struct pb_op *get = pb_start(w, 0, SYNOD_OP_GET, "a", NULL, 60000);
	struct pb_op *put = pb_start(w, 1, SYNOD_OP_PUT, "a", "2", 60000);
	pb_run(w, 30);
	ck_assert(!get->done && !put->done);
	ck_assert_uint_eq(pb_info(w, 1).answered, answered);
	/* The backup dies: the primary goes on alone, and what it held is answered. */
	pb_server_stop(w, 2);
	ck_assert(pb_wait(w, put, 30));
	ck_assert(pb_wait(w, get, 30));
	ck_assert_int_eq(put->status, SYNOD_OK);
	pb_op_free(get);
	pb_op_free(put);
	ck_assert_str_eq(pb_get(w, 0, "a"), "2");
	pb_world_destroy(w);
}
END_TEST

/*
 * A backup that is promoted while the old primary goes on (a pause, say): the old one answers
 * nothing of what it had not answered before, and the writes that it held are applied once.
 */
START_TEST(a_paused_primary_answers_nothing_late)
{
	open_pair(3);
	pb_append(w, 0, "k", "a");
	/* The append reaches the primary, and its frame the backup; then the primary stops. */
	struct pb_op *late = pb_start(w, 1, SYNOD_OP_APPEND, "k", "b", 60000);
	sim_world_run_for(w->world, 700);
	sim_process_pause(pb_server(w, 1));
	ck_assert(pb_reaches(w, "3 s2 -", 20));
	ck_assert(pb_wait(w, late, 60));
	ck_assert_int_eq(late->status, SYNOD_OK);
	pb_op_free(late);
	pb_append(w, 0, "k", "c");
	uint64_t answered = pb_info(w, 1).answered;
	struct pb_op *get = pb_start(w, 2, SYNOD_OP_GET, "k", NULL, 60000);
	sim_process_resume(pb_server(w, 1));
	ck_assert(pb_wait(w, get, 60));
	ck_assert_str_eq(get->result, "abc");
	pb_op_free(get);
	ck_assert_uint_le(pb_info(w, 1).answered, answered);
	/* It becomes backup, and is filled anew. */
	ck_assert(pb_reaches(w, "4 s2 s1", 20));
	ck_assert_uint_eq(pb_hash(w, 1), pb_hash(w, 2));
	pb_world_destroy(w);
}
END_TEST

/* An orderly stop of the primary hands over at once: it is not waited for as for a dead one. */
START_TEST(an_orderly_stop_hands_over_at_once)
{
	open_pair(4);
	pb_put(w, 0, "a", "1");
	sim_process_stop(pb_server(w, 1));
	ck_assert(pb_reaches(w, "3 s2 -", 3));
	ck_assert_str_eq(pb_get(w, 0, "a"), "1");
	pb_run(w, 10);
	ck_assert(!sim_process_alive(pb_server(w, 1)));
	pb_world_destroy(w);
}
END_TEST

/* Starts `count` appends to keys of their own, as fast as a client may. */
static void append_everywhere(uint32_t count, uint32_t value_bytes, struct pb_op **ops)
{
	char *value = alloc_zeroed(value_bytes + 1, 1);
	memset(value, 'v', value_bytes);
	for (uint32_t i = 0; i < count; i++) {
		char key[16];
		snprintf(key, sizeof key, "key%05u", i);
		ops[i] = pb_start(w, i % 4, SYNOD_OP_APPEND, key, value, 120000);
	}
	free(value);
}

/*
 * A store of many pieces is transferred while clients go on writing to all of it, over connections
 * that are reset again and again; afterwards the backup has the same state, and takes over.
 */
START_LOOP_TEST(transfer_while_serving, 0, 2)
{
	enum { KEYS = 400, BYTES = 8000 };
	struct pb_op *ops[KEYS];
	w = pb_world_create((uint64_t)(5 + _i), 1, NULL);
	pb_server_start(w, 1);
	ck_assert(pb_reaches(w, "1 s1 -", 20));
	append_everywhere(KEYS, BYTES, ops);
	for (int i = 0; i < KEYS; i++) {
		ck_assert(pb_wait(w, ops[i], 600));
		pb_op_free(ops[i]);
	}
	pb_server_start(w, 2);
	append_everywhere(KEYS, BYTES, ops);
	for (int i = 0; i < 40; i++) {
		sim_world_run_for(w->world, 3 * SIM_MILLISECOND);
		if (_i == 1)
			sim_network_reset(w->world, pb_server(w, 1), pb_server(w, 2));
	}
	for (int i = 0; i < KEYS; i++) {
		ck_assert(pb_wait(w, ops[i], 600));
		ck_assert_int_eq(ops[i]->status, SYNOD_OK);
		ck_assert_uint_eq(ops[i]->result_len, 2 * BYTES);
		pb_op_free(ops[i]);
	}
	ck_assert(pb_reaches(w, "2 s1 s2", 100));
	ck_assert_uint_eq(pb_hash(w, 1), pb_hash(w, 2));
	ck_assert_uint_eq(pb_state_keys(pb_node_state(pb_server(w, 2)->node)), KEYS);
	pb_server_stop(w, 1);
	ck_assert(pb_reaches(w, "3 s2 -", 20));
	const char *value = pb_get(w, 0, "key00017");
	ck_assert_uint_eq(strlen(value), 2 * BYTES);
	pb_world_destroy(w);
}
END_TEST

/*
 * While the backup is silent, what waits for it is bounded: too much is refused with BUSY, and
 * nothing is lost.
 */
START_TEST(what_waits_for_the_backup_is_bounded)
{
	enum { KEYS = 200, BYTES = 900000 };
	struct pb_op *ops[KEYS];
	uint32_t ok = 0;
	open_pair(8);
	/* The view service goes on hearing the backup; the primary does not. */
	sim_network_cut(w->world, pb_server(w, 1), pb_server(w, 2));
	char *value = alloc_zeroed(BYTES + 1, 1);
	memset(value, 'v', BYTES);
	for (uint32_t i = 0; i < KEYS; i++) {
		char key[16];
		snprintf(key, sizeof key, "%u", i);
		ops[i] = pb_start(w, i % 4, SYNOD_OP_PUT, key, value, 2000);
		sim_world_run_for(w->world, SIM_MILLISECOND);
	}
	pb_run(w, 30);
	const struct pb_state *state = pb_node_state(pb_server(w, 1)->node);
	ck_assert_uint_gt(pb_state_keys(state), 20);
	ck_assert_uint_lt(pb_state_keys(state), 120);
	sim_network_heal(w->world);
	pb_run(w, 100);
	ck_assert(pb_settles(w, 100));
	for (uint32_t i = 0; i < KEYS; i++) {
		ck_assert(ops[i]->done);
		ok += ops[i]->status == SYNOD_OK;
		pb_op_free(ops[i]);
	}
	ck_assert_uint_lt(ok, KEYS);
	ck_assert_uint_eq(pb_hash(w, 1), pb_hash(w, 2));
	free(value);
	pb_world_destroy(w);
}
END_TEST

/*
 * A key is not forgotten with its backup: pairs change again and again, and each new backup has
 * everything.
 */
START_TEST(no_key_is_lost_over_many_pairs)
{
	open_pair(9);
	pb_server_start(w, 3);
	for (int i = 0; i < 12; i++) {
		char mark[16];
		snprintf(mark, sizeof mark, "%d,", i);
		pb_append(w, 0, "all", mark);
		ck_assert(pb_settles(w, 40));
		ck_assert_uint_eq(pb_hash(w, pb_primary(w)), pb_hash(w, pb_backup(w)));
		uint32_t victim = i % 2 == 0 ? pb_primary(w) : pb_backup(w);
		pb_server_stop(w, victim);
		pb_run(w, 8);
		pb_server_start(w, victim);
	}
	ck_assert_str_eq(pb_get(w, 1, "all"), "0,1,2,3,4,5,6,7,8,9,10,11,");
	pb_world_destroy(w);
}
END_TEST

static void reset_done(struct client_request *request, const struct synod_reply *reply,
		       struct slice payload)
{
	(void)payload;
	*(int *)request->context = reply->status;
}

struct reset {
	struct client *client;
	uint64_t number;
	int status;
};

static void submit_reset(void *data, struct node *node)
{
	struct reset *r = data;
	struct client_request *request = NULL;
	(void)node;
	ck_assert_int_eq(client_request_view_reset(&request, r->number), 0);
	request->done = reset_done;
	request->context = &r->status;
	client_submit(r->client, request);
}

static int reset_view(uint64_t number)
{
	struct reset r = {.client = w->nodes[0], .number = number, .status = -1};
	sim_process_call(w->clients[0], submit_reset, &r);
	pb_run(w, 20);
	return r.status;
}

/*
 * When everybody who held the state is gone an operator may give it up; then the service begins
 * anew, and empty.
 */
START_TEST(a_state_that_was_given_up_begins_empty)
{
	open_pair(10);
	pb_put(w, 0, "a", "1");
	ck_assert_int_eq(reset_view(2), SYNOD_DENIED); /* it lives */
	pb_server_stop(w, 1);
	pb_server_stop(w, 2);
	pb_run(w, 10);
	pb_server_start(w, 1);
	pb_server_start(w, 2);
	pb_run(w, 20);
	ck_assert_int_eq(reset_view(1), SYNOD_OK); /* another view: nothing happens */
	ck_assert_str_eq(pb_view(w), "2 s1 s2");
	ck_assert_int_eq(reset_view(2), SYNOD_OK);
	ck_assert(pb_settles(w, 40));
	ck_assert_ptr_null(pb_get(w, 0, "a"));
	pb_put(w, 0, "a", "2");
	ck_assert_str_eq(pb_get(w, 1, "a"), "2");
	pb_world_destroy(w);
}
END_TEST

/* Every client has a session of its own, at both servers. */
START_TEST(every_client_has_its_own_session)
{
	open_pair(11);
	for (uint32_t c = 0; c < PB_CLIENTS_LIMIT; c++)
		pb_append(w, c, "k", "x");
	ck_assert_str_eq(pb_get(w, 0, "k"), "xxxxxxxxxxxx");
	ck_assert_uint_eq(pb_node_state(pb_server(w, 1)->node)->sessions.by_client.count,
			  PB_CLIENTS_LIMIT);
	ck_assert_uint_eq(pb_node_state(pb_server(w, 2)->node)->sessions.by_client.count,
			  PB_CLIENTS_LIMIT);
	pb_world_destroy(w);
}
END_TEST

/*
 * The scenarios of DSLabs lab 1, exactly-once calls to one server, against a pbserver that is
 * primary without a backup. Part 1 has a reliable network; part 2 loses a fifth of all messages
 * each way, so that nearly half of all calls have to be made again.
 */
/* faults: 49, 50 */
#include <stdio.h>
#include <stdlib.h>

#include "../support/check_main.h"
#include "base/alloc.h"
#include "load.h"

#define LOST_PPM 200000u

static struct pb_world *w;

static void open_server(uint64_t seed, bool unreliable)
{
	w = pb_world_create(seed, 1, NULL);
	pb_server_start(w, 1);
	ck_assert(pb_reaches(w, "1 s1 -", 20));
	if (unreliable)
		pb_unreliable(w, LOST_PPM, LOST_PPM);
}

static void close_server(void)
{
	pb_world_destroy(w);
}

/*
 * course: DSLabs lab 1 part 1 02; DSLabs lab 1 part 2 01 — Put, append and get; an append answers
 * the new value, a missing key is not found.
 */
START_LOOP_TEST(put_append_and_get_answer_as_they_should, 0, 2)
{
	static const struct {
		enum synod_op_kind kind;
		const char *key, *value, *answer;
	} steps[] = {
		{SYNOD_OP_GET, "foo", "", NULL},     {SYNOD_OP_PUT, "foo", "bar", ""},
		{SYNOD_OP_GET, "foo", "", "bar"},    {SYNOD_OP_APPEND, "foo", "baz", "barbaz"},
		{SYNOD_OP_GET, "foo", "", "barbaz"}, {SYNOD_OP_APPEND, "new", "value", "value"},
		{SYNOD_OP_GET, "new", "", "value"},  {SYNOD_OP_PUT, "foo", "again", ""},
		{SYNOD_OP_GET, "foo", "", "again"},  {SYNOD_OP_PUT, "empty", "", ""},
		{SYNOD_OP_GET, "empty", "", ""},     {SYNOD_OP_APPEND, "empty", "x", "x"},
		{SYNOD_OP_DELETE, "foo", "", ""},    {SYNOD_OP_GET, "foo", "", NULL},
	};
	open_server(1, _i == 1);
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		struct pb_op *op = pb_start(w, 0, steps[i].kind, steps[i].key, steps[i].value,
					    60000);
		ck_assert(pb_wait(w, op, 650));
		ck_assert_int_eq(op->status, steps[i].answer == NULL ? SYNOD_NOT_FOUND : SYNOD_OK);
		ck_assert_str_eq(op->result, steps[i].answer == NULL ? "" : steps[i].answer);
		pb_op_free(op);
	}
	close_server();
}
END_TEST

/*
 * Appends "0,", "1,", … of each client, to a key of its own or one for all, each after the answer
 * to the one before.
 */
struct numbers {
	bool shared;
	uint32_t count, begun[PB_CLIENTS_LIMIT];
	char *last[PB_CLIENTS_LIMIT]; /* answer */
};

static bool next_number(void *context, uint32_t c, struct pb_step *step)
{
	struct numbers *n = context;
	if (n->begun[c] == n->count)
		return false;
	step->kind = SYNOD_OP_APPEND;
	snprintf(step->key, sizeof step->key, "key%u", n->shared ? 0 : c);
	snprintf(step->value, sizeof step->value, "%u,", n->begun[c]++);
	return true;
}

/* An append answers the value with itself at the end, and what was there stays in front. */
static void check_number(void *context, uint32_t c, const struct pb_op *op)
{
	struct numbers *n = context;
	size_t len = strlen(op->value);
	ck_assert_uint_ge(op->result_len, len);
	ck_assert_str_eq(op->result + op->result_len - len, op->value);
	if (n->last[c] != NULL)
		ck_assert_int_eq(strncmp(op->result, n->last[c], strlen(n->last[c])), 0);
	free(n->last[c]);
	n->last[c] = alloc_string(op->result);
}

static void append_all(uint32_t clients, uint32_t count, bool shared)
{
	struct numbers n = {.shared = shared, .count = count};
	pb_load_run(w, &(struct pb_load){.clients = clients,
					 .next = next_number,
					 .done = check_number,
					 .context = &n});
	for (uint32_t c = 0; c < clients; c++)
		free(n.last[c]);
}

static size_t length_of_marks(uint32_t count)
{
	size_t length = 0;
	char mark[16];
	for (uint32_t i = 0; i < count; i++)
		length += (size_t)snprintf(mark, sizeof mark, "%u,", i);
	return length;
}

/*
 * course: DSLabs lab 1 part 1 03, 05; DSLabs lab 1 part 2 02, 04 — Ten clients append to a key of
 * their own, a hundred times each, or 25 times over the bad network.
 */
START_LOOP_TEST(clients_append_to_keys_of_their_own, 0, 2)
{
	uint32_t count = _i == 1 ? 25 : 100;
	open_server(2, _i == 1);
	append_all(10, count, false);
	pb_unreliable(w, 0, 0);
	for (uint32_t c = 0; c < 10; c++) {
		char key[16];
		snprintf(key, sizeof key, "key%u", c);
		ck_assert_uint_eq(strlen(pb_get(w, 0, key)), length_of_marks(count));
	}
	close_server();
}
END_TEST

/*
 * course: DSLabs lab 1 part 1 04; DSLabs lab 1 part 2 03 — Ten clients, five appends each to one
 * key: everything stands there once.
 */
START_LOOP_TEST(appends_to_one_key_stand_there_once, 0, 2)
{
	open_server(3, _i == 1);
	append_all(10, 5, true);
	pb_unreliable(w, 0, 0);
	ck_assert_uint_eq(strlen(pb_get(w, 0, "key0")), 10 * length_of_marks(5));
	close_server();
}
END_TEST

/*
 * course: DSLabs lab 1 part 2 05 — Five clients append to five keys each, up to the size that a
 * value may have, and then empty them: what the server keeps is small again, sessions and their
 * answers included.
 */
START_TEST(memory_is_given_back)
{
	enum { CLIENTS = 5, KEYS = 5, APPENDS = 3, BYTES = VALUE_BYTES_MAX / 3 };
	char *large = alloc_zeroed(BYTES + 1, 1);
	open_server(4, false);
	memset(large, 'x', BYTES);
	for (uint32_t c = 0; c < CLIENTS; c++) {
		for (uint32_t k = 0; k < KEYS; k++) {
			char key[16];
			snprintf(key, sizeof key, "%u-%u", c, k);
			for (uint32_t i = 0; i < APPENDS; i++)
				pb_append(w, c, key, large);
		}
	}
	const struct pb_state *state = pb_node_state(pb_server(w, 1)->node);
	ck_assert_uint_ge(pb_state_bytes(state), CLIENTS * KEYS * APPENDS * BYTES);
	for (uint32_t c = 0; c < CLIENTS; c++) {
		for (uint32_t k = 0; k < KEYS; k++) {
			char key[16];
			snprintf(key, sizeof key, "%u-%u", c, k);
			pb_put(w, c, key, "");
		}
	}
	struct buffer sessions = {0};
	sessions_encode(&state->sessions, &sessions);
	ck_assert_uint_lt(pb_state_bytes(state) + sessions.len, 2u << 20);
	buffer_free(&sessions);
	free(large);
	close_server();
}
END_TEST

static bool next_put(void *context, uint32_t c, struct pb_step *step)
{
	(void)c;
	*step = (struct pb_step){.kind = SYNOD_OP_PUT, .key = "key", .value = "value"};
	return w->world->now_us < *(const uint64_t *)context;
}

/*
 * course: DSLabs lab 1 part 2 06 — Four clients for thirty seconds: nobody waits for more than a
 * second, though 36 of a hundred attempts fail.
 */
START_TEST(nobody_waits_for_long)
{
	open_server(5, true);
	pb_clients_restart(w, 40);
	uint64_t end_us = w->world->now_us + 30 * SIM_SECOND;
	struct pb_load load = {.clients = 4, .next = next_put, .context = &end_us};
	pb_load_run(w, &load);
	ck_assert_uint_lt(load.longest_us, SIM_SECOND);
	for (uint32_t c = 0; c < 4; c++)
		ck_assert_uint_ge(load.completed[c], 100);
	close_server();
}
END_TEST

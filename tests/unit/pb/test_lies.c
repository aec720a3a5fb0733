/* Frames and answers that neither the primary nor the backup has sent. */
/* faults: 96 */
#include <stdlib.h>

#include "../support/check_main.h"
#include "../support/pb_world.h"
#include "base/alloc.h"
#include "pb/internal.h"
#include "rsm/entry.h"
#include "wire/method.h"

static struct pb_world *w;
static struct buffer payload;
static struct message said;

static void open_pair(uint64_t seed)
{
	w = pb_world_create(seed, 3, NULL);
	pb_server_start(w, 1);
	ck_assert(pb_reaches(w, "1 s1 -", 20));
	pb_server_start(w, 2);
	ck_assert(pb_reaches(w, "2 s1 s2", 20));
	pb_put(w, 0, "a", "1");
	pb_run(w, 1);
}

static void close_pair(void)
{
	pb_world_destroy(w);
	buffer_free(&payload);
}

static void hand_over(void *data, struct node *node)
{
	(void)data;
	node->ops->message(node, 99, &said);
}

static void say(uint32_t server, enum message_kind kind, uint16_t method)
{
	said = (struct message){
		.kind = kind, .method = method, .id = 7, .payload = buffer_slice(&payload)};
	sim_process_call(pb_server(w, server), hand_over, NULL);
}

/* The frame that server 2, the backup, expects next, but for what the test changes. */
static struct wire_pb_forward next_frame(void)
{
	struct pb_node *n = pb_node_of(pb_server(w, 2)->node);
	return (struct wire_pb_forward){.view = n->view,
					.frame = n->intake.received + 1,
					.value_bytes_max = VALUE_BYTES_MAX,
					.sessions_max = SESSIONS_MAX,
					.session_idle_us = SESSION_IDLE_US,
					.registered = n->state.sessions.registered,
					.digest = n->state.digest};
}

static void say_frame(const struct wire_pb_forward *frame)
{
	buffer_clear(&payload);
	wire_pb_forward_encode(frame, &payload);
	say(2, MESSAGE_REQUEST, METHOD_PB_FORWARD);
}

/* What no primary can have sent is refused, changes nothing, and harms nobody. */
START_TEST(an_impossible_frame_is_refused)
{
	static const uint8_t garbage[64] = {1, 2, 3};
	open_pair(1);
	uint64_t hash = pb_hash(w, 2), incarnation = pb_info(w, 2).incarnation;
	uint64_t frame_before = pb_info(w, 2).frame;
	for (unsigned i = 0; i < 9; i++) {
		struct wire_pb_forward frame = next_frame();
		switch (i) {
		case 0: frame.batch = slice(garbage, sizeof garbage); break;
		case 1: frame.value_bytes_max = UINT32_MAX; break;
		case 2: frame.time_us = UINT64_MAX - 1; break;
		case 3: frame.counter = UINT64_MAX; break;
		case 4: frame.records = slice(garbage, sizeof garbage); break;
		case 5: frame.sessions = slice(garbage, sizeof garbage); break;
		case 6: frame.flags = WIRE_PB_COMPLETE; break;
		case 7:
			frame.flags = WIRE_PB_TRANSFER,
			frame.records = slice(garbage, sizeof garbage);
			break;
		default: frame.commands = UINT64_MAX / 2; break;
		}
		say_frame(&frame);
		ck_assert_uint_eq(pb_info(w, 2).refused, i + 1);
	}
	/* These are not even frames. */
	struct wire_pb_forward frame = next_frame();
	frame.view = UINT64_MAX;
	say_frame(&frame);
	frame = next_frame();
	frame.frame = NUMBER_MAX + 1;
	say_frame(&frame);
	ck_assert_uint_eq(pb_info(w, 2).refused, 11);
	ck_assert_uint_eq(pb_info(w, 2).frame, frame_before);
	ck_assert_uint_eq(pb_info(w, 2).incarnation, incarnation);
	ck_assert_uint_eq(pb_hash(w, 2), hash);
	pb_put(w, 0, "a", "2");
	pb_run(w, 2);
	ck_assert_uint_eq(pb_hash(w, 1), pb_hash(w, 2));
	ck_assert_str_eq(pb_view(w), "2 s1 s2");
	close_pair();
}
END_TEST

/*
 * A frame that might be the primary's, but leads to another state: this backup is none any more,
 * and is filled anew. Nobody halts, and what it was told never becomes the state.
 */
START_TEST(a_backup_that_differs_is_filled_anew)
{
	for (unsigned i = 0; i < 3; i++) {
		struct buffer batch = {0}, body = {0};
		open_pair(2 + i);
		uint64_t incarnation = pb_info(w, 2).incarnation;
		struct wire_pb_forward frame = next_frame();
		struct wire_kv_op op = {.kind = WIRE_KV_PUT,
					.key = slice_string("a"),
					.value = slice_string("evil")};
		wire_kv_command_encode(&(struct wire_kv_command){.nthen = 1, .then = &op}, &body);
		entry_begin(&batch);
		entry_add(&batch,
			  &(struct entry_command){.kind = ENTRY_APP,
						  .body = i == 0 ? slice_string("no command")
								 : buffer_slice(&body)});
		/* It goes back in time, or not. */
		entry_finish(&batch, 1, 1, i == 1 ? 1 : 1000 * SIM_SECOND, frame.view);
		frame.batch = buffer_slice(&batch);
		say_frame(&frame);
		ck_assert_uint_eq(pb_info(w, 2).anew, 1);
		ck_assert_uint_ne(pb_info(w, 2).incarnation, incarnation);
		ck_assert(!pb_info(w, 2).complete);
		pb_put(w, 1, "b", "2");
		ck_assert(pb_settles(w, 60));
		ck_assert_str_eq(pb_get(w, 0, "a"), "1");
		pb_run(w, 2);
		ck_assert_uint_eq(pb_hash(w, 1), pb_hash(w, 2));
		buffer_free(&batch);
		buffer_free(&body);
		close_pair();
	}
}
END_TEST

/* An answer that does not come from the backup confirms nothing. */
START_TEST(a_foreign_answer_confirms_nothing)
{
	open_pair(9);
	sim_network_cut(w->world, pb_server(w, 1), pb_server(w, 2));
	struct pb_op *put = pb_start(w, 0, SYNOD_OP_PUT, "a", "2", 60000);
	pb_run(w, 1);
	for (unsigned i = 0; i < 5; i++) {
		buffer_clear(&payload);
		wire_pb_forward_reply_encode(
			&(struct wire_pb_forward_reply){.view = pb_info(w, 1).view,
							.received = pb_info(w, 1).frame,
							.backup = true},
			&payload);
		say(1, MESSAGE_REPLY, METHOD_PB_FORWARD);
	}
	ck_assert(!put->done);
	sim_network_heal(w->world);
	ck_assert(pb_wait(w, put, 60));
	ck_assert_int_eq(put->status, SYNOD_OK);
	pb_op_free(put);
	close_pair();
}
END_TEST

/* A command that would not fit the frame to the backup, with others, is refused. */
START_TEST(a_command_too_long_for_a_frame_is_refused)
{
	open_pair(10);
	struct buffer body = {0};
	uint8_t *expect = alloc_zeroed(COMMAND_BYTES_MAX, 1);
	struct wire_kv_op op = {.kind = WIRE_KV_CAS,
				.key = slice_string("a"),
				.expect = slice(expect, COMMAND_BYTES_MAX)};
	wire_kv_command_encode(&(struct wire_kv_command){.nthen = 1, .then = &op}, &body);
	buffer_clear(&payload);
	wire_command_encode(&(struct wire_command){.body = buffer_slice(&body)}, &payload);
	uint64_t frame = pb_info(w, 1).frame;
	say(1, MESSAGE_REQUEST, METHOD_COMMAND);
	pb_run(w, 2);
	ck_assert_uint_eq(pb_info(w, 1).frame, frame);
	ck_assert_str_eq(pb_get(w, 0, "a"), "1");
	buffer_free(&body);
	free(expect);
	close_pair();
}
END_TEST

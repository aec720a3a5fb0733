/* The view service's state machine. */
#include <stdio.h>

#include "../support/check_main.h"
#include "view/app.h"

static struct arena arena;
static struct buffer body;
static struct app *app;
static bool lives;

static bool primary_lives(void *context)
{
	(void)context;
	return lives;
}

static void open_app(void)
{
	struct view_app_hooks hooks = {.primary_lives = primary_lives};
	arena_init(&arena, ARENA_BYTES_MAX);
	app = view_app_create(&hooks);
	lives = true;
}

static void close_app(void)
{
	app->ops->destroy(app);
	arena_free(&arena);
	buffer_free(&body);
}

static struct wire_view_server server(const char *name, uint64_t incarnation)
{
	return (struct wire_view_server){.name = slice_string(name),
					 .address = slice_string("h:1"),
					 .incarnation = incarnation};
}

static int apply_as(uint64_t client, const struct wire_view_command *command)
{
	struct buffer encoded = {0};
	struct reply reply = {.body = &body};
	struct apply_context context = {
		.slot = 1, .time_us = 77, .client = client, .sequence = 1, .arena = &arena};
	wire_view_command_encode(command, &encoded);
	buffer_clear(&body);
	arena_reset(&arena);
	app->ops->apply(app, &context, buffer_slice(&encoded), &reply);
	buffer_free(&encoded);
	return reply.status;
}

static int apply(enum wire_view_op op, uint64_t number, const char *primary, uint64_t primary_life,
		 const char *backup, uint64_t backup_life)
{
	struct wire_view_command command = {.op = op, .number = number};
	if (primary != NULL)
		command.primary = server(primary, primary_life);
	if (backup != NULL)
		command.backup = server(backup, backup_life);
	return apply_as(0, &command);
}

static int admit(enum wire_view_op op)
{
	struct buffer encoded = {0};
	struct reply reply = {.body = &body};
	wire_view_command_encode(&(struct wire_view_command){.op = op, .number = 1}, &encoded);
	buffer_clear(&body);
	int status = app->ops->admit(app, buffer_slice(&encoded), &arena, &reply);
	buffer_free(&encoded);
	return status;
}

/*
 * Views change by the rules only, and commands for another view do nothing, however often they
 * come.
 */
START_TEST(views_change_by_the_rules_only)
{
	open_app();
	ck_assert_uint_eq(view_app_current(app)->number, 0);
	ck_assert_int_eq(apply(WIRE_VIEW_CHANGE, 0, "a", 1, NULL, 0), 0);
	ck_assert_uint_eq(view_app_current(app)->number, 1);
	ck_assert(view_app_current(app)->fresh);
	ck_assert_uint_eq(view_app_current(app)->time_us, 77);
	ck_assert_int_eq(apply(WIRE_VIEW_CHANGE, 0, "b", 2, NULL, 0), 0);
	ck_assert_str_eq(view_app_current(app)->primary.name, "a");
	/* Not before the acknowledgement. */
	ck_assert_int_eq(apply(WIRE_VIEW_CHANGE, 1, "a", 1, "b", 2), STATUS_BAD_REQUEST);
	ck_assert_int_eq(apply(WIRE_VIEW_ACKNOWLEDGE, 1, NULL, 0, NULL, 0), 0);
	ck_assert_int_eq(apply(WIRE_VIEW_CHANGE, 1, "a", 1, "b", 2), 0);
	ck_assert_uint_eq(view_app_current(app)->number, 2);
	ck_assert_int_eq(apply(WIRE_VIEW_ACKNOWLEDGE, 1, NULL, 0, NULL, 0), 0);
	ck_assert(!view_acknowledged(view_app_current(app)));
	ck_assert_int_eq(apply(WIRE_VIEW_SYNCED, 2, NULL, 0, NULL, 0), 0);
	ck_assert(view_acknowledged(view_app_current(app)) && view_synced(view_app_current(app)));
	ck_assert_int_eq(apply(WIRE_VIEW_CHANGE, 2, "c", 3, NULL, 0), STATUS_BAD_REQUEST);
	ck_assert_int_eq(apply(WIRE_VIEW_CHANGE, 2, "b", 2, "c", 3), 0);
	ck_assert_str_eq(view_app_current(app)->primary.name, "b");
	close_app();
}
END_TEST

/* Clients may only reset, and that only when the primary is dead; what follows begins empty. */
START_TEST(clients_may_reset)
{
	open_app();
	apply(WIRE_VIEW_CHANGE, 0, "a", 1, NULL, 0);
	ck_assert_int_eq(admit(WIRE_VIEW_CHANGE), STATUS_DENIED);
	ck_assert_int_eq(admit(WIRE_VIEW_ACKNOWLEDGE), STATUS_DENIED);
	ck_assert_int_eq(admit(WIRE_VIEW_SYNCED), STATUS_DENIED);
	ck_assert_int_eq(admit(WIRE_VIEW_RESET), STATUS_DENIED);
	lives = false;
	ck_assert_int_eq(admit(WIRE_VIEW_RESET), 0);
	struct wire_view_command forged = {
		.op = WIRE_VIEW_CHANGE, .number = 1, .primary = server("x", 9)};
	ck_assert_int_eq(apply_as(5, &forged), STATUS_DENIED);
	ck_assert_int_eq(apply(WIRE_VIEW_RESET, 1, NULL, 0, NULL, 0), 0);
	ck_assert_uint_eq(view_app_current(app)->number, 2);
	ck_assert(view_nobody(&view_app_current(app)->primary));
	ck_assert_int_eq(apply(WIRE_VIEW_RESET, 2, NULL, 0, NULL, 0), STATUS_BAD_REQUEST);
	ck_assert_int_eq(apply(WIRE_VIEW_CHANGE, 2, "z", 4, NULL, 0), 0);
	ck_assert(view_app_current(app)->fresh);
	close_app();
}
END_TEST

static void change_often(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint64_t number = view_app_current(app)->number;
		const char *name = i % 2 == 0 ? "even" : "odd";
		ck_assert_int_eq(apply(WIRE_VIEW_CHANGE, number, "a", 1, name, i + 2), 0);
		ck_assert_int_eq(apply(WIRE_VIEW_ACKNOWLEDGE, number + 1, NULL, 0, NULL, 0), 0);
	}
}

/*
 * The history is bounded, newest first in the answer, and survives a snapshot with everything else.
 */
START_TEST(history_and_snapshot)
{
	struct wire_view_reply reply;
	struct buffer image = {0}, query = {0};
	open_app();
	change_often(VIEW_HISTORY_MAX + 10);
	struct reply out = {.body = &body};
	wire_view_query_encode(&(struct wire_view_query){.history = true}, &query);
	buffer_clear(&body);
	arena_reset(&arena);
	app->ops->query(app, buffer_slice(&query), &arena, &out);
	ck_assert_int_eq(out.status, 0);
	ck_assert_int_eq(wire_view_reply_decode(buffer_slice(&body), &arena, &reply), 0);
	ck_assert_uint_eq(reply.nhistory, VIEW_HISTORY_MAX);
	ck_assert_uint_eq(reply.history[0].view.number, VIEW_HISTORY_MAX + 10);
	ck_assert_uint_eq(reply.history[VIEW_HISTORY_MAX - 1].view.number, 11);

	struct app_snapshot *snapshot = app->ops->snapshot_begin(app);
	uint64_t hash = app->ops->hash(app);
	ck_assert_int_eq(app->ops->snapshot_next(snapshot, 1000, &image), 0);
	app->ops->snapshot_end(snapshot);
	struct app *other = view_app_create(NULL);
	other->ops->restore_begin(other);
	ck_assert_int_eq(other->ops->restore_end(other), STATUS_CORRUPT);
	ck_assert_int_eq(other->ops->restore_chunk(other, buffer_slice(&image), &arena), 0);
	ck_assert_int_eq(other->ops->restore_end(other), 0);
	ck_assert_uint_eq(other->ops->hash(other), hash);
	/*
	 * Every cut, and every changed length, is noticed or gives another state; nothing breaks.
	 */
	for (size_t len = 0; len < image.len; len += 1 + len / 8) {
		other->ops->restore_begin(other);
		ck_assert_int_eq(other->ops->restore_chunk(other, slice(image.data, len), &arena),
				 STATUS_CORRUPT);
	}
	/* So is a view that says that its backup has the state, and not that its primary knows. */
	uint8_t *flags = image.data + 16; /* of the oldest that is kept */
	uint8_t good = *flags;
	*flags = 2;
	other->ops->restore_begin(other);
	ck_assert_int_eq(other->ops->restore_chunk(other, buffer_slice(&image), &arena),
			 STATUS_CORRUPT);
	*flags = good;
	other->ops->restore_begin(other);
	ck_assert_int_eq(other->ops->restore_chunk(other, buffer_slice(&image), &arena), 0);
	other->ops->destroy(other);
	buffer_free(&image);
	buffer_free(&query);
	close_app();
}
END_TEST

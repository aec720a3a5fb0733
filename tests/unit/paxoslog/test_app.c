/*
 * The log as a replicated app: commands, reads, limits, snapshots. faults: 31, 33, 34
 */
#include "../support/audit.h"
#include "../support/check_main.h"
#include "paxoslog/app.h"
#include "wire/wire.h"

struct fixture {
	struct app *app;
	struct arena arena;
	struct buffer body, command;
	struct reply reply;
	struct wire_log_reply answer;
};

static const struct paxoslog_settings settings = {.bytes_max = 200, .value_bytes_max = 50};

static void setup(struct fixture *f)
{
	*f = (struct fixture){.app = paxoslog_app_create(&settings)};
	arena_init(&f->arena, ARENA_BYTES_MAX);
	f->reply.body = &f->body;
}

static void teardown(struct fixture *f)
{
	f->app->ops->destroy(f->app);
	arena_free(&f->arena);
	buffer_free(&f->body);
	buffer_free(&f->command);
}

static int run(struct fixture *f, const struct wire_log_command *command)
{
	struct apply_context context = {.slot = 1, .arena = &f->arena};
	buffer_clear(&f->command);
	buffer_clear(&f->body);
	wire_log_command_encode(command, &f->command);
	f->reply.status = 0;
	f->app->ops->apply(f->app, &context, buffer_slice(&f->command), &f->reply);
	if (f->reply.status == 0)
		ck_assert_int_eq(
			wire_log_reply_decode(buffer_slice(&f->body), &f->arena, &f->answer), 0);
	return f->reply.status;
}

static int append_at(struct fixture *f, uint64_t at, const char *text, uint32_t count)
{
	struct slice values[WIRE_LOG_VALUES_MAX];
	for (uint32_t i = 0; i < count; i++)
		values[i] = slice_string(text);
	return run(f, &(struct wire_log_command){.nvalues = count, .values = values, .at = at});
}

static int trim(struct fixture *f, uint64_t slot)
{
	return run(f, &(struct wire_log_command){.trim = slot});
}

static int read_from(struct fixture *f, uint64_t from, uint32_t limit, struct wire_log_entries *out)
{
	struct buffer query = {0};
	wire_log_query_encode(&(struct wire_log_query){.from = from, .limit = limit}, &query);
	buffer_clear(&f->body);
	f->reply.status = 0;
	f->app->ops->query(f->app, buffer_slice(&query), &f->arena, &f->reply);
	buffer_free(&query);
	if (f->reply.status == 0)
		ck_assert_int_eq(wire_log_entries_decode(buffer_slice(&f->body), &f->arena, out),
				 0);
	return f->reply.status;
}

static int admit(struct fixture *f, const struct wire_log_command *command)
{
	buffer_clear(&f->command);
	buffer_clear(&f->body);
	wire_log_command_encode(command, &f->command);
	return f->app->ops->admit(f->app, buffer_slice(&f->command), &f->arena, &f->reply);
}

/* Batches get consecutive slots; `at` appends only there; reads give what is asked for. */
START_TEST(batches_get_consecutive_slots)
{
	struct fixture f;
	struct wire_log_entries entries;
	setup(&f);
	ck_assert_int_eq(append_at(&f, 0, "a", 3), 0);
	ck_assert_uint_eq(f.answer.slot, 1);
	ck_assert_uint_eq(f.answer.last, 3);
	ck_assert_int_eq(append_at(&f, 3, "b", 1), STATUS_COMPARE_FALSE);
	ck_assert_int_eq(append_at(&f, 4, "b", 2), 0);
	ck_assert_uint_eq(f.answer.slot, 4);
	ck_assert_int_eq(read_from(&f, 3, 2, &entries), 0);
	ck_assert_uint_eq(entries.nvalues, 2);
	ck_assert_uint_eq(entries.last, 5);
	ck_assert(slice_equal(entries.values[0], slice_string("a")));
	ck_assert(slice_equal(entries.values[1], slice_string("b")));
	ck_assert_int_eq(read_from(&f, 6, 0, &entries), 0);
	ck_assert_uint_eq(entries.nvalues, 0);
	teardown(&f);
}
END_TEST

/* Trimmed slots are gone, and said to be; the numbers go on. */
START_TEST(trimmed_slots_are_gone_and_said_to_be)
{
	struct fixture f;
	struct wire_log_entries entries;
	setup(&f);
	ck_assert_int_eq(append_at(&f, 0, "a", 5), 0);
	ck_assert_int_eq(trim(&f, 6), STATUS_NOT_FOUND);
	ck_assert_int_eq(trim(&f, 3), 0);
	ck_assert_uint_eq(f.answer.first, 4);
	ck_assert_int_eq(trim(&f, 2), 0);
	ck_assert_int_eq(read_from(&f, 3, 1, &entries), STATUS_COMPACTED);
	ck_assert_int_eq(read_from(&f, 0, 1, &entries), 0);
	ck_assert_uint_eq(entries.from, 4);
	ck_assert_int_eq(trim(&f, 5), 0);
	ck_assert_int_eq(append_at(&f, 0, "b", 1), 0);
	ck_assert_uint_eq(f.answer.slot, 6);
	teardown(&f);
}
END_TEST

/*
 * The leader refuses what would pass the limits; what is in the log already is applied all the
 * same.
 */
START_TEST(the_leader_refuses_what_passes_the_limits)
{
	struct fixture f;
	char large[52];
	struct slice value;
	setup(&f);
	memset(large, 'x', sizeof large);
	value = slice(large, 51);
	ck_assert_int_eq(admit(&f, &(struct wire_log_command){.nvalues = 1, .values = &value}),
			 STATUS_TOO_LARGE);
	value.len = 50;
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(
			admit(&f, &(struct wire_log_command){.nvalues = 1, .values = &value}), 0);
		ck_assert_int_eq(
			run(&f, &(struct wire_log_command){.nvalues = 1, .values = &value}), 0);
	}
	ck_assert_int_eq(admit(&f, &(struct wire_log_command){.nvalues = 1, .values = &value}),
			 STATUS_NO_SPACE);
	ck_assert_int_eq(run(&f, &(struct wire_log_command){.nvalues = 1, .values = &value}), 0);
	ck_assert_int_eq(admit(&f, &(struct wire_log_command){.trim = 2}), 0);
	ck_assert_int_eq(trim(&f, 2), 0);
	ck_assert_int_eq(admit(&f, &(struct wire_log_command){.nvalues = 1, .values = &value}), 0);
	ck_assert_int_eq(
		admit(&f, &(struct wire_log_command){.nvalues = 1, .values = &value, .trim = 1}),
		STATUS_BAD_REQUEST);
	ck_assert_int_eq(admit(&f, &(struct wire_log_command){0}), STATUS_BAD_REQUEST);
	teardown(&f);
}
END_TEST

/*
 * Feeds a snapshot that was made in chunks of about `bytes` into another app; 0 or STATUS_CORRUPT.
 */
static int transfer(struct app *from, struct app *to, size_t bytes, size_t cut)
{
	struct app_snapshot *snapshot = from->ops->snapshot_begin(from);
	struct buffer chunk = {0};
	struct arena arena;
	int more, status = 0;
	arena_init(&arena, ARENA_BYTES_MAX);
	to->ops->restore_begin(to);
	do {
		buffer_clear(&chunk);
		more = from->ops->snapshot_next(snapshot, bytes, &chunk);
		struct slice piece = buffer_slice(&chunk);
		if (!more && cut > 0)
			piece.len -= cut < piece.len ? cut : piece.len;
		if (status == 0)
			status = to->ops->restore_chunk(to, piece, &arena);
	} while (more);
	if (status == 0)
		status = to->ops->restore_end(to);
	from->ops->snapshot_end(snapshot);
	buffer_free(&chunk);
	arena_free(&arena);
	return status;
}

/* A snapshot in pieces of any size brings the same state; one that was cut is refused. */
START_TEST(a_snapshot_brings_the_same_state)
{
	struct fixture f, g;
	struct wire_log_entries entries;
	setup(&f);
	setup(&g);
	ck_assert_int_eq(transfer(f.app, g.app, 100, 0), 0);
	ck_assert_uint_eq(f.app->ops->hash(f.app), g.app->ops->hash(g.app));
	for (int i = 0; i < 40; i++)
		ck_assert_int_eq(append_at(&f, 0, "some value", 10), 0);
	ck_assert_int_eq(trim(&f, 17), 0);
	for (size_t bytes = 1; bytes < 5000; bytes = bytes * 3 + 1) {
		ck_assert_int_eq(transfer(f.app, g.app, bytes, 0), 0);
		ck_assert_uint_eq(f.app->ops->hash(f.app), g.app->ops->hash(g.app));
	}
	ck_assert_int_eq(read_from(&g, 18, 1, &entries), 0);
	ck_assert_uint_eq(entries.last, 400);
	ck_assert_int_eq(transfer(f.app, g.app, 100000, 1), STATUS_CORRUPT);
	ck_assert_int_eq(transfer(f.app, g.app, 100000, 14), STATUS_CORRUPT);
	ck_assert_ptr_null(paxoslog_app_slots(g.app));
	ck_assert_int_eq(trim(&f, 400), 0);
	ck_assert_int_eq(transfer(f.app, g.app, 10, 0), 0);
	ck_assert_uint_eq(f.app->ops->hash(f.app), g.app->ops->hash(g.app));
	teardown(&f);
	teardown(&g);
}
END_TEST

static void append_and_trim(void *context)
{
	struct fixture *f = context;
	ck_assert_int_eq(append_at(f, 0, "another value", 3), 0);
	ck_assert_int_eq(trim(f, paxoslog_app_slots(f->app)->first), 0);
}

/*
 * An audit is of the log as it was at its beginning; what has come there by another way has the
 * same hash; a changed byte another.
 */
START_TEST(an_audit_is_of_the_log_at_its_beginning)
{
	struct fixture f, g;
	uint32_t part = 0;
	setup(&f);
	setup(&g);
	for (int i = 0; i < 40; i++)
		ck_assert_int_eq(append_at(&f, 0, "some value", 10), 0);
	ck_assert_int_eq(trim(&f, 17), 0);
	ck_assert_int_eq(transfer(f.app, g.app, 100, 0), 0);
	struct app_audit *sliced = f.app->ops->audit_begin(f.app);
	struct audited first = audit_now(g.app),
		       second = audit_finish(f.app, sliced, 100, append_and_trim, &f), third;
	ck_assert(first.sound && second.sound);
	ck_assert_uint_eq(audits_differ(&first, &second, &part), 0);
	struct slice value = slots_get(paxoslog_app_slots(g.app), 100);
	((uint8_t *)(uintptr_t)value.data)[0] ^= 1;
	third = audit_now(g.app);
	ck_assert(!third.sound);
	struct app_snapshot *snapshot = g.app->ops->snapshot_begin(g.app);
	struct buffer chunk = {0};
	ck_assert_int_eq(g.app->ops->snapshot_next(snapshot, 1u << 20, &chunk), STATUS_CORRUPT);
	g.app->ops->snapshot_end(snapshot);
	buffer_free(&chunk);
	ck_assert_uint_eq(audits_differ(&first, &third, &part), 1);
	audited_free(&first);
	audited_free(&second);
	audited_free(&third);
	teardown(&f);
	teardown(&g);
}
END_TEST

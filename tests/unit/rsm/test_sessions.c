/* faults: 49, 51, 52, 53, 54, 94 */
#include <stdio.h>
#include <stdlib.h>

#include "../support/check_main.h"
#include "base/crc32c.h"
#include "base/limits.h"
#include "base/rng.h"
#include "rsm/sessions.h"

#define REGISTERED 1000u

struct outcome {
	enum session_verdict verdict;
	int status;
	char text[128];
};

/* A table whose clients have been registered elsewhere. */
static void begin(struct sessions *s, uint32_t count_max, uint64_t idle_us)
{
	sessions_init(s, count_max, idle_us);
	sessions_registered(s, REGISTERED);
}

/* Begins a command and, if it is new, records `reply` as its answer. */
static struct outcome submit(struct sessions *s, uint64_t now, uint64_t client, uint64_t sequence,
			     uint64_t acknowledged, const char *body, const char *reply)
{
	struct session *session = NULL;
	const struct session_reply *repeat = NULL;
	struct outcome o = {0};
	struct entry_command command = {.client = client,
					.sequence = sequence,
					.acknowledged = acknowledged,
					.body = slice_string(body)};
	o.verdict = sessions_begin(s, now, ENTRY_FORMAT, &command, &session, &repeat, &o.status);
	if (o.verdict == SESSION_NEW)
		sessions_record(session, sequence, slice_string(body), 0, slice_string(reply));
	if (o.verdict == SESSION_REPEAT)
		snprintf(o.text, sizeof o.text, "%.*s", (int)repeat->len,
			 (const char *)session_reply_body(repeat).data);
	return o;
}

#define LONG_REPLY "a reply that does not fit into the twenty-four bytes that are kept inside"

/* A repeated command is answered with the first answer, short or long, and is not new. */
START_TEST(a_repeated_command_gets_its_first_answer)
{
	struct sessions s;
	begin(&s, 10, 1000);
	ck_assert_int_eq(submit(&s, 1, 1, 1, 1, "put", "short").verdict, SESSION_NEW);
	ck_assert_int_eq(submit(&s, 1, 1, 2, 1, "get", LONG_REPLY).verdict, SESSION_NEW);
	ck_assert_str_eq(submit(&s, 2, 1, 1, 1, "put", "other").text, "short");
	ck_assert_str_eq(submit(&s, 2, 1, 2, 1, "get", "other").text, LONG_REPLY);
	sessions_free(&s);
}
END_TEST

/*
 * The same sequence with another payload is refused, and so is one below the acknowledged
 * watermark.
 */
START_TEST(another_payload_under_a_number_is_refused)
{
	struct sessions s;
	begin(&s, 10, 1000);
	submit(&s, 1, 1, 1, 1, "put a", "ok");
	struct outcome o = submit(&s, 1, 1, 1, 1, "put b", "ok");
	ck_assert_int_eq(o.verdict, SESSION_REFUSED);
	ck_assert_int_eq(o.status, STATUS_SEQUENCE_REUSED);
	submit(&s, 1, 1, 2, 2, "put c", "ok");
	o = submit(&s, 1, 1, 1, 1, "put a", "ok");
	ck_assert_int_eq(o.verdict, SESSION_REFUSED);
	ck_assert_int_eq(o.status, STATUS_SEQUENCE_REUSED);
	sessions_free(&s);
}
END_TEST

/* Pipelined commands may arrive in any order; each is new once. */
START_TEST(commands_out_of_order_are_new_once)
{
	struct sessions s;
	begin(&s, 10, 1000);
	static const uint64_t order[] = {3, 1, 5, 2, 4};
	for (size_t i = 0; i < 5; i++) {
		char reply[8];
		snprintf(reply, sizeof reply, "r%d", (int)order[i]);
		ck_assert_int_eq(submit(&s, 1, 9, order[i], 1, "x", reply).verdict, SESSION_NEW);
	}
	for (uint64_t i = 1; i <= 5; i++) {
		char reply[8];
		snprintf(reply, sizeof reply, "r%d", (int)i);
		ck_assert_str_eq(submit(&s, 1, 9, i, 1, "x", "no").text, reply);
	}
	sessions_free(&s);
}
END_TEST

/* After eviction a late duplicate of the session's commands is refused, not applied as new. */
START_TEST(a_late_duplicate_of_an_evicted_session_is_refused)
{
	struct sessions s;
	begin(&s, 2, 1000000);
	for (uint64_t client = 1; client <= 3; client++)
		submit(&s, client, client, 1, 1, "x", "ok");
	struct outcome o = submit(&s, 10, 1, 1, 1, "x", "ok");
	ck_assert_int_eq(o.verdict, SESSION_REFUSED);
	ck_assert_int_eq(o.status, STATUS_SESSION_EXPIRED);
	ck_assert_str_eq(submit(&s, 10, 2, 1, 1, "x", "no").text, "ok");
	ck_assert_int_eq(submit(&s, 10, 4, 1, 1, "x", "ok").verdict, SESSION_NEW);
	sessions_free(&s);
}
END_TEST

/* Idle sessions expire by lived time only, the least recently used first. */
START_TEST(idle_sessions_expire_by_lived_time)
{
	struct sessions s;
	begin(&s, 10, 100);
	submit(&s, 0, 1, 1, 1, "x", "ok");
	submit(&s, 50, 2, 1, 1, "x", "ok");
	sessions_expire(&s, 100, ENTRY_FORMAT);
	ck_assert_uint_eq(s.by_client.count, 2);
	sessions_expire(&s, 101, ENTRY_FORMAT);
	ck_assert_uint_eq(s.by_client.count, 1);
	ck_assert_uint_eq(s.evicted.floor, 1);
	sessions_expire(&s, 1000, ENTRY_FORMAT);
	ck_assert_uint_eq(s.by_client.count, 0);
	ck_assert_uint_eq(s.evicted.floor, 2);
	sessions_free(&s);
}
END_TEST

/* A session holds a bounded number of unacknowledged replies. */
START_TEST(a_session_holds_a_bounded_window)
{
	struct sessions s;
	begin(&s, 10, 100);
	for (uint64_t i = 1; i <= SESSION_WINDOW_MAX; i++)
		ck_assert_int_eq(submit(&s, 0, 1, i, 1, "x", LONG_REPLY).verdict, SESSION_NEW);
	struct outcome o = submit(&s, 0, 1, SESSION_WINDOW_MAX + 1, 1, "x", "ok");
	ck_assert_int_eq(o.verdict, SESSION_REFUSED);
	ck_assert_int_eq(o.status, STATUS_BUSY);
	ck_assert_int_eq(
		submit(&s, 0, 1, SESSION_WINDOW_MAX + 1, SESSION_WINDOW_MAX, "x", "ok").verdict,
		SESSION_NEW);
	sessions_free(&s);
}
END_TEST

/*
 * Kept replies are limited in bytes, too: of one session, which is told to acknowledge, and so are
 * the others once much is kept in all, but for a little each; at last the least recently used go.
 */
START_TEST(kept_replies_are_limited_in_bytes)
{
	struct sessions s;
	uint64_t sequence = 1,
		 clients = (SESSIONS_REPLY_BYTES_MAX - SESSION_REPLY_BYTES_MAX) / MIB + 3;
	char *reply = malloc(MIB + 1);
	memset(reply, 'r', MIB);
	reply[MIB] = '\0';
	begin(&s, 1000, 10000);
	while (submit(&s, 1, 1, sequence, 1, "x", reply).verdict == SESSION_NEW)
		sequence++;
	ck_assert_uint_eq(sequence, SESSION_REPLY_BYTES_MAX / MIB + 1);
	ck_assert_uint_eq(s.reply_bytes, SESSIONS_CROWDED_BYTES);
	for (uint64_t client = 2; client <= clients; client++) {
		ck_assert_int_eq(submit(&s, client, client, 1, 1, "x", reply).verdict, SESSION_NEW);
		ck_assert_int_eq(submit(&s, client, client, 2, 1, "x", reply).status, STATUS_BUSY);
		ck_assert_uint_le(s.reply_bytes, SESSIONS_REPLY_BYTES_MAX);
	}
	ck_assert_uint_ge(s.evictions, 1);
	/* Acknowledging makes room. */
	ck_assert_int_eq(submit(&s, 9999, clients, 2, 2, "x", "ok").verdict, SESSION_NEW);
	ck_assert_int_eq(submit(&s, 9999, clients, 3, 2, "x", "ok").verdict, SESSION_NEW);
	sessions_clear(&s);
	ck_assert_uint_eq(s.reply_bytes, 0);
	sessions_free(&s);
	free(reply);
}
END_TEST

/*
 * faults: 98. Entries of the first version are applied as it applied them: nothing is refused for
 * what others keep.
 */
START_TEST(the_first_version_refuses_no_crowded_reply)
{
	struct sessions s;
	char *reply = malloc(MIB);
	memset(reply, 'r', MIB);
	sessions_init(&s, 1000, 10000);
	for (uint64_t client = 1; client <= 20; client++)
		for (uint64_t sequence = 1; sequence <= 2; sequence++) {
			struct session *session = NULL;
			const struct session_reply *repeat = NULL;
			int status = 0;
			struct entry_command command = {
				.client = client, .sequence = sequence, .acknowledged = 1};
			ck_assert_int_eq(
				sessions_begin(&s, 1, 2, &command, &session, &repeat, &status),
				SESSION_NEW);
			sessions_record(session, sequence, slice(NULL, 0), 0, slice(reply, MIB));
		}
	ck_assert_uint_gt(s.reply_bytes, SESSIONS_CROWDED_BYTES);
	sessions_free(&s);
	free(reply);
}
END_TEST

static void random_step(struct sessions *s, struct rng *rng, uint64_t now)
{
	char body[16];
	uint64_t sequence = 1 + rng_below(rng, 50);
	snprintf(body, sizeof body, "%d", (int)rng_below(rng, 3));
	submit(s, now, 1 + rng_below(rng, 30), sequence, 1 + rng_below(rng, sequence), body,
	       rng_chance(rng, 300000) ? LONG_REPLY : body);
	sessions_expire(s, now, ENTRY_FORMAT);
}

/*
 * A table restored from a snapshot, at every point of a random history, goes on exactly like the
 * original. (fault 33)
 */
START_TEST(a_restored_table_goes_on_like_the_original)
{
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct sessions a, b;
		struct rng rng, again;
		struct buffer image = {0};
		begin(&a, 8, 40);
		begin(&b, 8, 40);
		rng_seed(&rng, seed);
		for (uint64_t now = 0; now < seed; now++)
			random_step(&a, &rng, now);
		sessions_encode(&a, &image);
		ck_assert_int_eq(sessions_decode(&b, buffer_slice(&image)), 0);
		ck_assert_uint_eq(sessions_hash(&a), sessions_hash(&b));
		again = rng;
		for (uint64_t now = seed; now < seed + 60; now++) {
			random_step(&a, &rng, now);
			random_step(&b, &again, now);
			ck_assert_uint_eq(sessions_hash(&a), sessions_hash(&b));
		}
		for (size_t cut = 0; cut < image.len; cut += 7)
			ck_assert_int_eq(sessions_decode(&b, slice(image.data, cut)),
					 STATUS_CORRUPT);
		buffer_free(&image);
		sessions_free(&a);
		sessions_free(&b);
	}
}
END_TEST

/*
 * An id that nobody was given makes no session, and shuts out nobody: neither whoever has it later,
 * nor anybody below it.
 */
START_TEST(an_unregistered_id_makes_no_session)
{
	struct sessions s;
	begin(&s, 4, 100);
	for (uint64_t i = 0; i < 20; i++) {
		struct outcome o = submit(&s, i, (1ull << 63) + i, 1, 1, "x", "ok");
		ck_assert_int_eq(o.verdict, SESSION_REFUSED);
		ck_assert_int_eq(o.status, STATUS_SESSION_EXPIRED);
	}
	ck_assert_uint_eq(s.by_client.count, 0);
	sessions_expire(&s, 1000000, ENTRY_FORMAT);
	ck_assert_int_eq(submit(&s, 1000000, 7, 1, 1, "x", "ok").verdict, SESSION_NEW);
	ck_assert_int_eq(submit(&s, 1000000, REGISTERED + 1, 1, 1, "x", "ok").verdict,
			 SESSION_REFUSED);
	sessions_registered(&s, REGISTERED + 1);
	ck_assert_int_eq(submit(&s, 1000000, REGISTERED + 1, 1, 1, "x", "ok").verdict, SESSION_NEW);
	sessions_free(&s);
}
END_TEST

/* Ids of the group's own REGISTER count from the moment they are handed out. */
START_TEST(own_ids_count_from_the_moment_they_are_given)
{
	struct sessions s;
	sessions_init(&s, 4, 100);
	ck_assert_int_eq(submit(&s, 1, 1, 1, 1, "x", "ok").verdict, SESSION_REFUSED);
	ck_assert_uint_eq(sessions_register(&s), 1);
	ck_assert_int_eq(submit(&s, 1, 1, 1, 1, "x", "ok").verdict, SESSION_NEW);
	ck_assert_int_eq(submit(&s, 1, 2, 1, 1, "x", "ok").verdict, SESSION_REFUSED);
	sessions_free(&s);
}
END_TEST

/*
 * Evicting one that was registered late does not shut out those who were registered before it and
 * have not come yet.
 */
START_TEST(a_late_registration_shuts_out_no_earlier_one)
{
	struct sessions s;
	begin(&s, 2, 1000000);
	for (uint64_t client = 500; client < 600; client++)
		ck_assert_int_eq(submit(&s, client, client, 1, 1, "x", "ok").verdict, SESSION_NEW);
	ck_assert_uint_eq(s.evictions, 98);
	ck_assert_int_eq(submit(&s, 1000, 500, 1, 1, "x", "ok").verdict, SESSION_REFUSED);
	ck_assert_int_eq(submit(&s, 1000, 499, 1, 1, "x", "ok").verdict, SESSION_NEW);
	ck_assert_int_eq(submit(&s, 1000, 1, 1, 1, "x", "ok").verdict, SESSION_NEW);
	sessions_free(&s);
}
END_TEST

/* A crowd that comes once each does not drive out those who work. */
START_TEST(a_crowd_drives_out_no_working_session)
{
	struct sessions s;
	begin(&s, 100, 1000000);
	for (uint64_t client = 1; client <= 40; client++)
		for (uint64_t sequence = 1; sequence <= 2; sequence++)
			submit(&s, 1, client, sequence, sequence, "x", "ok");
	for (uint64_t client = 41; client <= REGISTERED; client++)
		ck_assert_int_eq(submit(&s, client, client, 1, 1, "x", "ok").verdict, SESSION_NEW);
	ck_assert_uint_eq(s.by_client.count, 100);
	for (uint64_t client = 1; client <= 40; client++)
		ck_assert_str_eq(submit(&s, 1, client, 2, 2, "x", "other").text, "ok");
	sessions_free(&s);
}
END_TEST

/* Who uses somebody's id cannot use up its numbers: what jumps too far changes nothing. */
START_TEST(absurd_numbers_change_nothing)
{
	static const struct {
		uint64_t sequence, acknowledged;
	} absurd[] = {
		{1, 2},
		{UINT64_MAX, UINT64_MAX},
		{1ull << 62, 1ull << 62},
		{5 + SESSION_JUMP_MAX + 1, 5 + SESSION_JUMP_MAX + 1},
		{UINT64_MAX, 1},
		{SESSION_SPREAD_MAX + 3, 2},
	};
	struct sessions s;
	begin(&s, 4, 100);
	submit(&s, 1, 1, 5, 5, "x", "ok");
	uint32_t hash = sessions_hash(&s);
	for (size_t i = 0; i < sizeof absurd / sizeof absurd[0]; i++) {
		ck_assert_int_eq(sessions_judge(&s, 1, absurd[i].sequence, absurd[i].acknowledged),
				 SESSION_ABSURD);
		struct outcome o = submit(&s, 50, 1, absurd[i].sequence, absurd[i].acknowledged,
					  "x", "ok");
		ck_assert_int_eq(o.verdict, SESSION_REFUSED);
		ck_assert_uint_eq(sessions_hash(&s), hash);
	}
	/* A client that has been busy in other groups meanwhile. */
	ck_assert_int_eq(
		submit(&s, 2, 1, 5 + SESSION_JUMP_MAX, 5 + SESSION_JUMP_MAX, "x", "ok").verdict,
		SESSION_NEW);
	sessions_free(&s);
}
END_TEST

/* What the first version took for clients is put right when the first mark is known. */
START_TEST(the_first_versions_mistakes_are_put_right)
{
	struct sessions s;
	struct buffer image = {0};
	const uint64_t header[] = {1ull << 63, 0, 2}; /* floor, next_client, sessions */
	const uint64_t clients[] = {3, (1ull << 63) + 9};
	for (size_t i = 0; i < 3; i++)
		buffer_add_u64(&image, header[i]);
	for (size_t i = 0; i < 2; i++) {
		buffer_add_u64(&image, clients[i]);
		buffer_add_u64(&image, 1);
		buffer_add_u64(&image, 77);
		buffer_add_u32(&image, 0);
	}
	sessions_init(&s, 10, 1000);
	ck_assert_int_eq(sessions_decode_first_version(&s, buffer_slice(&image)), 0);
	ck_assert_uint_eq(s.by_client.count, 2);
	ck_assert_int_eq(submit(&s, 80, 9, 1, 1, "x", "ok").verdict, SESSION_REFUSED);
	sessions_registered(&s, 12);
	ck_assert_uint_eq(s.by_client.count, 1);
	ck_assert_int_eq(submit(&s, 80, 3, 1, 1, "x", "ok").verdict, SESSION_NEW);
	/* It may have been an evicted one. */
	ck_assert_int_eq(submit(&s, 80, 9, 1, 1, "x", "ok").verdict, SESSION_REFUSED);
	sessions_registered(&s, 13);
	ck_assert_int_eq(submit(&s, 80, 13, 1, 1, "x", "ok").verdict, SESSION_NEW);
	buffer_free(&image);
	sessions_free(&s);
}
END_TEST

/* Entries of the first version are applied as it did: any id makes a session. */
START_TEST(entries_of_the_first_version_make_sessions_of_any_id)
{
	struct sessions s;
	struct session *session = NULL;
	const struct session_reply *repeat = NULL;
	int status = 0;
	struct entry_command command = {
		.client = 9, .sequence = 1ull << 40, .acknowledged = 1, .body = slice_string("x")};
	sessions_init(&s, 1, 1000);
	ck_assert_int_eq(sessions_begin(&s, 1, 2, &command, &session, &repeat, &status),
			 SESSION_NEW);
	sessions_record(session, command.sequence, command.body, 0, slice_string("ok"));
	ck_assert_int_eq(sessions_begin(&s, 1, 2, &command, &session, &repeat, &status),
			 SESSION_REPEAT);
	command.client = 10;
	ck_assert_int_eq(sessions_begin(&s, 1, 2, &command, &session, &repeat, &status),
			 SESSION_NEW);
	command.client = 9;
	ck_assert_int_eq(sessions_begin(&s, 1, 2, &command, &session, &repeat, &status),
			 SESSION_REFUSED);
	sessions_free(&s);
}
END_TEST

/* As the first version wrote it. */
static void encode_first_version(const struct sessions *s, struct buffer *out)
{
	const uint64_t header[] = {s->evicted.floor, s->next_client, s->by_client.count};
	for (size_t i = 0; i < 3; i++)
		buffer_add_u64(out, header[i]);
	LIST_FOR (link, &s->order) {
		const struct session *session = LIST_ITEM(link, struct session, order);
		buffer_add_u64(out, session->client);
		buffer_add_u64(out, session->acknowledged);
		buffer_add_u64(out, session->used_us);
		buffer_add_u32(out, 1);
		const struct session_reply *r = &session->replies[session->first];
		ck_assert_uint_eq(session->count, 1);
		buffer_add_u64(out, r->sequence);
		buffer_add_u32(out, r->crc);
		buffer_add_u32(out, (uint32_t)-r->status);
		buffer_add_u32(out, r->len);
		buffer_add_slice(out, session_reply_body(r));
	}
}

static enum session_verdict submit_first_version(struct sessions *s, uint64_t now, uint64_t client,
						 uint64_t sequence)
{
	struct session *session = NULL;
	const struct session_reply *repeat = NULL;
	int status = 0;
	struct entry_command command = {.client = client,
					.sequence = sequence,
					.acknowledged = sequence,
					.body = slice_string("x")};
	sessions_expire(s, now, 2);
	enum session_verdict verdict = sessions_begin(s, now, 2, &command, &session, &repeat,
						      &status);
	if (verdict == SESSION_NEW)
		sessions_record(session, sequence, command.body, 0, slice_string("ok"));
	return verdict;
}

/*
 * faults: 89. Replicas of the first version took their snapshots in different slots: who starts
 * from one and who replays the entries have one state at the upgrade, and go on alike.
 */
START_TEST(snapshot_and_entries_of_the_first_version_agree)
{
	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct sessions a, b;
		struct rng rng, again;
		struct buffer image = {0};
		sessions_init(&a, 8, 40);
		sessions_init(&b, 8, 40);
		rng_seed(&rng, seed);
		for (uint64_t now = 0; now < seed; now++)
			submit_first_version(&a, now, 1 + rng_below(&rng, 200), now + 1);
		encode_first_version(&a, &image);
		ck_assert_int_eq(sessions_decode_first_version(&b, buffer_slice(&image)), 0);
		ck_assert_uint_eq(sessions_hash(&a), sessions_hash(&b));
		again = rng;
		for (uint64_t now = seed; now < seed + 50; now++) {
			uint64_t client = 1 + rng_below(&rng, 200);
			ck_assert_int_eq(
				submit_first_version(&a, now, client, now + 1),
				submit_first_version(&b, now, 1 + rng_below(&again, 200), now + 1));
			ck_assert_uint_eq(sessions_hash(&a), sessions_hash(&b));
		}
		sessions_registered(&a, 150);
		sessions_registered(&b, 150);
		for (uint64_t now = seed + 50; now < seed + 150; now++) {
			random_step(&a, &rng, now);
			random_step(&b, &again, now);
			ck_assert_uint_eq(sessions_hash(&a), sessions_hash(&b));
		}
		buffer_free(&image);
		sessions_free(&a);
		sessions_free(&b);
	}
}
END_TEST

/*
 * As it did: who was evicted shut out all below, and went when its turn came, whether it had come
 * once or twice.
 */
START_TEST(evictions_are_those_of_the_first_version)
{
	struct sessions s;
	sessions_init(&s, 4, 1000);
	for (uint64_t i = 1; i <= 4; i++)
		ck_assert_int_eq(submit_first_version(&s, i, i * 10, 1), SESSION_NEW);
	ck_assert_int_eq(submit_first_version(&s, 5, 10, 2), SESSION_NEW);
	ck_assert_int_eq(submit_first_version(&s, 6, 50, 1), SESSION_NEW);
	ck_assert_int_eq(submit_first_version(&s, 7, 20, 2), SESSION_REFUSED);
	ck_assert_int_eq(submit_first_version(&s, 8, 15, 1), SESSION_REFUSED);
	ck_assert_int_eq(submit_first_version(&s, 9, 10, 3), SESSION_NEW);
	ck_assert_uint_eq(s.evicted.floor, 20);
	ck_assert_uint_eq(s.once_count, 0);
	sessions_free(&s);
}
END_TEST

/* Fewer sessions are allowed from now on: the same go on every replica. */
START_TEST(a_smaller_limit_evicts_alike_everywhere)
{
	struct sessions s;
	begin(&s, 50, 1000);
	for (uint64_t client = 1; client <= 50; client++)
		submit(&s, client, client, 1, 1, "x", "ok");
	sessions_limit(&s, 5, 1000);
	ck_assert_uint_eq(s.by_client.count, 5);
	ck_assert_int_eq(submit(&s, 60, 45, 1, 1, "x", "ok").verdict, SESSION_REFUSED);
	ck_assert_int_eq(submit(&s, 60, 46, 1, 1, "x", "ok").verdict, SESSION_REPEAT);
	sessions_free(&s);
}
END_TEST

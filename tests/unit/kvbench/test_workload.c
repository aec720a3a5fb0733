/*
 * What a load asks, request by request, and how it is written down: what kvbench writes, kvcheck
 * reads.
 */
#include "../../../cmd/kvbench/workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../../cmd/kvbench/history.h"
#include "../../../cmd/kvcheck/read.h"
#include "../support/check_main.h"

static struct bench_options options_for(enum bench_workload workload)
{
	return (struct bench_options){.workload = workload,
				      .keys = 100,
				      .value_size = 16,
				      .txn_keys = 2,
				      .seed = 1,
				      .history = "h",
				      .key_prefix = "p"};
}

struct scene {
	struct bench_options options;
	struct bench_load load;
	struct bench_request request;
	struct rng rng;
};

static void begin(struct scene *s, enum bench_workload workload)
{
	s->options = options_for(workload);
	rng_seed(&s->rng, 1);
	bench_load_init(&s->load, &s->options);
	bench_request_init(&s->request, &s->load);
}

static void end(struct scene *s)
{
	bench_request_free(&s->request);
}

static struct synod_bytes bytes(const char *text)
{
	return (struct synod_bytes){text, strlen(text)};
}

static bool equal(struct synod_bytes a, const char *b)
{
	return a.len == strlen(b) && memcmp(a.data, b, a.len) == 0;
}

/* Each write of a history has a value of its own, padded to the size that was asked for. */
START_TEST(each_write_of_a_history_has_its_own_value)
{
	struct scene s;
	begin(&s, BENCH_PUT);
	bench_request_next(&s.request, &s.load, &s.rng, 3, 7);
	ck_assert_int_eq(s.request.then[0].kind, SYNOD_OP_PUT);
	ck_assert(equal(s.request.then[0].value, ";3.7.0__________"));
	ck_assert_uint_eq(s.request.then[0].key.len, 16);
	ck_assert_int_eq(s.request.then[0].key.data[0], 'p');
	end(&s);
}
END_TEST

/* Otherwise values are as long as they should be, and have as little in common as random bytes. */
START_TEST(random_values_have_little_in_common)
{
	struct scene s;
	unsigned seen[256] = {0}, most = 0;
	begin(&s, BENCH_PUT);
	s.load.unique = false;
	for (uint64_t id = 0; id < 1000; id++) {
		bench_request_next(&s.request, &s.load, &s.rng, id % 7, id);
		struct synod_bytes value = s.request.then[0].value;
		ck_assert_uint_eq(value.len, 16);
		for (size_t i = 0; i < value.len; i++)
			seen[(unsigned char)value.data[i]]++;
	}
	for (size_t i = 0; i < 256; i++)
		most = seen[i] > most ? seen[i] : most;
	ck_assert_uint_lt(most, 2 * 16000 / 256);
	end(&s);
}
END_TEST

/* A cas reads first, then replaces what it has read, or makes the key if there was none. */
START_TEST(cas_takes_two_steps)
{
	struct scene s;
	begin(&s, BENCH_CAS);
	bench_request_next(&s.request, &s.load, &s.rng, 1, 1);
	ck_assert_int_eq(s.request.then[0].kind, SYNOD_OP_GET);
	ck_assert(bench_request_more(
		&s.request, &s.load,
		&(struct synod_reply){.status = SYNOD_OK, .value = bytes("old")}));
	bench_request_next(&s.request, &s.load, &s.rng, 1, 2);
	ck_assert_int_eq(s.request.then[0].kind, SYNOD_OP_CAS);
	ck_assert(equal(s.request.then[0].expect, "old"));
	ck_assert(!s.request.then[0].absent);
	ck_assert(!bench_request_more(&s.request, &s.load,
				      &(struct synod_reply){.status = SYNOD_OK}));
	bench_request_next(&s.request, &s.load, &s.rng, 1, 3);
	ck_assert_int_eq(s.request.then[0].kind, SYNOD_OP_GET);
	ck_assert(bench_request_more(&s.request, &s.load,
				     &(struct synod_reply){.status = SYNOD_NOT_FOUND}));
	bench_request_next(&s.request, &s.load, &s.rng, 1, 4);
	ck_assert(s.request.then[0].absent);
	end(&s);
}
END_TEST

/* A cas expects all of what it has read, also if that is longer than what it writes. */
START_TEST(cas_of_long_value)
{
	struct scene s;
	static char text[3000];
	begin(&s, BENCH_CAS);
	memset(text, 'x', sizeof text - 1);
	bench_request_next(&s.request, &s.load, &s.rng, 1, 1);
	ck_assert(bench_request_more(
		&s.request, &s.load,
		&(struct synod_reply){.status = SYNOD_OK, .value = bytes(text)}));
	bench_request_next(&s.request, &s.load, &s.rng, 1, 2);
	ck_assert_int_eq(s.request.then[0].kind, SYNOD_OP_CAS);
	ck_assert(equal(s.request.then[0].expect, text));
	end(&s);
}
END_TEST

static uint64_t number_of(const struct scene *s)
{
	char key[64];
	memcpy(key, s->request.then[0].key.data, s->request.then[0].key.len);
	key[s->request.then[0].key.len] = '\0';
	return strtoull(key + 1, NULL, 10);
}

/*
 * Of keys that a load adds, it reads those only whose puts must have ended, because each stream has
 * one under way at most.
 */
START_TEST(new_keys_are_read_late)
{
	struct scene s;
	begin(&s, BENCH_YCSB_D);
	s.options.clients = 2;
	s.options.pipeline = 4;
	uint64_t puts = 0, newest = 0;
	for (int i = 0; i < 10000; i++) {
		bench_request_next(&s.request, &s.load, &s.rng, 1, 1);
		if (s.request.then[0].kind == SYNOD_OP_PUT) {
			ck_assert_uint_eq(number_of(&s), s.options.keys + puts++);
			continue;
		}
		ck_assert_uint_lt(number_of(&s), s.options.keys + (puts > 8 ? puts - 8 : 0));
		newest = number_of(&s) > newest ? number_of(&s) : newest;
	}
	ck_assert_uint_gt(newest, s.options.keys);
	end(&s);
}
END_TEST

/* A first step that fails is not followed by a second one. */
START_TEST(failed_step_ends_operation)
{
	struct scene s;
	begin(&s, BENCH_YCSB_F);
	do
		bench_request_next(&s.request, &s.load, &s.rng, 1, 1);
	while (s.request.step == 0);
	ck_assert(!bench_request_more(&s.request, &s.load,
				      &(struct synod_reply){.status = SYNOD_UNAVAILABLE}));
	bench_request_next(&s.request, &s.load, &s.rng, 1, 2);
	ck_assert_int_eq(s.request.then[0].kind, SYNOD_OP_GET);
	end(&s);
}
END_TEST

/* A key that appends have made long is deleted next. */
START_TEST(appends_start_again)
{
	struct scene s;
	static char text[2000];
	begin(&s, BENCH_APPEND);
	bench_request_next(&s.request, &s.load, &s.rng, 1, 1);
	ck_assert_int_eq(s.request.then[0].kind, SYNOD_OP_APPEND);
	char key[16];
	memcpy(key, s.request.then[0].key.data, sizeof key);
	ck_assert(!bench_request_more(
		&s.request, &s.load,
		&(struct synod_reply){.status = SYNOD_OK, .value = {text, sizeof text}}));
	bench_request_next(&s.request, &s.load, &s.rng, 1, 2);
	ck_assert_int_eq(s.request.then[0].kind, SYNOD_OP_DELETE);
	ck_assert_int_eq(memcmp(key, s.request.then[0].key.data, sizeof key), 0);
	ck_assert(!bench_request_more(&s.request, &s.load,
				      &(struct synod_reply){.status = SYNOD_OK}));
	bench_request_next(&s.request, &s.load, &s.rng, 1, 3);
	ck_assert_int_eq(s.request.then[0].kind, SYNOD_OP_APPEND);
	end(&s);
}
END_TEST

/*
 * The keys of a transaction share a hash tag, and a conditional one compares with the versions that
 * were read.
 */
START_TEST(keys_of_a_transaction_share_a_tag)
{
	struct scene s;
	begin(&s, BENCH_TXN);
	do
		bench_request_next(&s.request, &s.load, &s.rng, 1, 1);
	while (s.request.step == 0);
	ck_assert_int_eq(s.request.kind, BENCH_TRANSACTION);
	ck_assert_uint_eq(s.request.nthen, 2);
	const char *close = memchr(s.request.then[0].key.data, '}', s.request.then[0].key.len);
	ck_assert_ptr_nonnull(close);
	size_t tag = (size_t)(close - s.request.then[0].key.data);
	ck_assert_int_eq(s.request.then[0].key.data[0], '{');
	ck_assert_int_eq(memcmp(s.request.then[0].key.data, s.request.then[1].key.data, tag + 1),
			 0);
	ck_assert_int_ne(s.request.then[0].key.data[tag + 1], s.request.then[1].key.data[tag + 1]);
	struct synod_result results[2] = {{.status = SYNOD_OK, .version = 5},
					  {.status = SYNOD_NOT_FOUND}};
	ck_assert(bench_request_more(
		&s.request, &s.load,
		&(struct synod_reply){.succeeded = true, .nresults = 2, .results = results}));
	bench_request_next(&s.request, &s.load, &s.rng, 1, 2);
	ck_assert_uint_eq(s.request.nwhen, 2);
	ck_assert_uint_eq(s.request.when[0].number, 5);
	ck_assert_uint_eq(s.request.when[1].number, 0);
	ck_assert_int_eq(s.request.then[1].kind, SYNOD_OP_PUT);
	ck_assert_int_eq(s.request.otherwise[1].kind, SYNOD_OP_GET);
	end(&s);
}
END_TEST

/* Filling puts every key once. */
START_TEST(filling_puts_every_key_once)
{
	struct scene s;
	unsigned count = 0;
	begin(&s, BENCH_PUT);
	while (bench_request_fill(&s.request, &s.load, 1, count))
		count++;
	ck_assert_uint_eq(count, 100);
	end(&s);
}
END_TEST

/* ---- what is written is read ---- */

struct written {
	struct bench_history history;
	struct bench_history_writer writer;
	char path[64];
	struct check_history read;
};

static void write_begin(struct written *w)
{
	*w = (struct written){.path = "/tmp/synod-test-history-XXXXXX"};
	close(mkstemp(w->path));
	ck_assert(bench_history_open(&w->history, w->path));
	w->writer.history = &w->history;
}

static void write_call(struct written *w, const struct bench_request *r,
		       const struct synod_reply *reply)
{
	bench_history_write(
		&w->writer, r, reply,
		&(struct bench_history_times){.client = 1, .id = 2, .call_ns = 3, .return_ns = 4});
}

static void write_end(struct written *w)
{
	char *error;
	bench_history_flush(&w->writer);
	ck_assert(bench_history_close(&w->history));
	check_history_init(&w->read);
	kvcheck_read(&w->read, w->path, 0, &error);
	ck_assert_msg(error == NULL, "%s", error);
	unlink(w->path);
	buffer_free(&w->writer.lines);
}

static void expect(struct written *w, uint32_t call, enum check_outcome outcome,
		   const char *description)
{
	struct buffer out = {0};
	ck_assert_int_eq(w->read.calls[call].outcome, outcome);
	check_describe(&w->read.calls[call], 0, &out);
	buffer_add_u8(&out, 0);
	ck_assert_str_eq((char *)out.data, description);
	buffer_free(&out);
}

static struct bench_request request(enum synod_op_kind kind)
{
	struct bench_request r = {.nthen = 1,
				  .then = {{.kind = kind,
					    .key = bytes("k"),
					    .value = bytes("v"),
					    .expect = bytes("e"),
					    .delta = 4}}};
	return r;
}

/* Single operations come back as they were, with every outcome. */
START_TEST(written_operations_are_read)
{
	struct written w;
	struct bench_request r;
	static const struct synod_reply missing = {.status = SYNOD_NOT_FOUND},
					unknown = {.status = SYNOD_UNKNOWN},
					failed = {.status = SYNOD_UNAVAILABLE};
	struct synod_reply ok = {.value = bytes("n\xff\"\n"), .version = 3},
			   other = {.status = SYNOD_COMPARE_FALSE,
				    .value = bytes("x"),
				    .version = 2};
	write_begin(&w);
	r = request(SYNOD_OP_GET);
	write_call(&w, &r, &ok);
	write_call(&w, &r, &missing);
	r = request(SYNOD_OP_PUT);
	write_call(&w, &r, &(struct synod_reply){.version = 3});
	write_call(&w, &r, &unknown);
	write_call(&w, &r, &failed);
	r = request(SYNOD_OP_APPEND);
	write_call(&w, &r, &(struct synod_reply){.value = bytes("uv"), .version = 2});
	r = request(SYNOD_OP_DELETE);
	write_call(&w, &r, &(struct synod_reply){0});
	write_call(&w, &r, &missing);
	r = request(SYNOD_OP_CAS);
	write_call(&w, &r, &(struct synod_reply){.version = 9});
	write_call(&w, &r, &other);
	write_call(&w, &r, &missing);
	r = request(SYNOD_OP_INCR);
	write_call(&w, &r, &(struct synod_reply){.value = bytes("8"), .version = 2});
	write_end(&w);
	expect(&w, 0, CHECK_OK, "get \"k\" → \"n\\xff\\\"\\x0a\" (version 3)");
	expect(&w, 1, CHECK_OK, "get \"k\" → missing");
	expect(&w, 2, CHECK_OK, "put \"k\" \"v\" (version 3)");
	expect(&w, 3, CHECK_UNKNOWN, "put \"k\" \"v\"");
	expect(&w, 4, CHECK_FAILED, "put \"k\" \"v\"");
	expect(&w, 5, CHECK_OK, "append \"k\" \"v\" → \"uv\" (version 2)");
	expect(&w, 6, CHECK_OK, "delete \"k\" → was there");
	expect(&w, 7, CHECK_OK, "delete \"k\" → missing");
	expect(&w, 8, CHECK_OK, "cas \"k\" from \"e\" to \"v\" → done (version 9)");
	expect(&w, 9, CHECK_OK,
	       "cas \"k\" from \"e\" to \"v\" → refused, it was \"x\" (version 2)");
	expect(&w, 10, CHECK_OK, "cas \"k\" from \"e\" to \"v\" → refused → missing");
	expect(&w, 11, CHECK_OK, "incr \"k\" by 4 → \"8\" (version 2)");
	check_history_free(&w.read);
}
END_TEST

/* Transactions come back with the branch that was taken, and what it saw. */
START_TEST(written_transactions_are_read)
{
	struct written w;
	struct bench_request r = {
		.kind = BENCH_TRANSACTION,
		.nwhen = 1,
		.when = {{.target = SYNOD_VERSION,
			  .relation = SYNOD_EQUAL,
			  .key = bytes("k"),
			  .number = 1}},
		.nthen = 1,
		.then = {{.kind = SYNOD_OP_PUT, .key = bytes("k"), .value = bytes("v")}},
		.notherwise = 1,
		.otherwise = {{.kind = SYNOD_OP_GET, .key = bytes("k")}},
	};
	struct synod_result put = {.version = 2}, get = {.value = bytes("x"), .version = 7};
	write_begin(&w);
	write_call(&w, &r,
		   &(struct synod_reply){.succeeded = true, .nresults = 1, .results = &put});
	write_call(&w, &r, &(struct synod_reply){.nresults = 1, .results = &get});
	write_call(&w, &r, &(struct synod_reply){.status = SYNOD_UNKNOWN});
	write_end(&w);
	expect(&w, 0, CHECK_OK,
	       "txn if version(\"k\") = 1 then put \"k\" \"v\" (version 2) else get \"k\" → then");
	expect(&w, 1, CHECK_OK,
	       "txn if version(\"k\") = 1 then put \"k\" \"v\" else get \"k\" → \"x\" (version 7) "
	       "→ else");
	expect(&w, 2, CHECK_UNKNOWN,
	       "txn if version(\"k\") = 1 then put \"k\" \"v\" else get \"k\"");
	check_history_free(&w.read);
}
END_TEST

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/synod.h"

/* Nobody listens on port 1. */
#define NOBODY "127.0.0.1:1"

static struct synod *open_nobody(uint32_t timeout_ms, uint32_t outstanding_max)
{
	struct synod *s;
	struct synod_options options = {
		.endpoints = NOBODY, .timeout_ms = timeout_ms, .outstanding_max = outstanding_max};
	ck_assert_int_eq(synod_open(&s, &options), SYNOD_OK);
	return s;
}

START_TEST(wrong_options_are_explained)
{
	/* Options that make no sense fail at open, with a message; the handle is closed all the same. */
	static const struct {
		struct synod_options options;
		const char *says;
	} cases[] = {
		{{0}, "config_file"},
		{{.config_file = "x", .endpoints = NOBODY}, "either"},
		{{.config_file = "/does/not/exist"}, "/does/not/exist"},
		{{.endpoints = ""}, "endpoint"},
		{{.endpoints = "127.0.0.1:7001,nonsense"}, "nonsense"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct synod *s;
		ck_assert_int_eq(synod_open(&s, &cases[i].options), SYNOD_CONFIG);
		ck_assert_msg(strstr(synod_error_message(s), cases[i].says) != NULL, "%s", synod_error_message(s));
		struct synod_reply *reply = synod_get(s, "k", 1);
		ck_assert_int_eq(reply->status, SYNOD_CLOSED);
		synod_reply_free(reply);
		synod_close(s);
	}
}
END_TEST

START_TEST(malformed_file_is_explained)
{
	/* A cluster.conf with a mistake fails at open, and the message names file and line. */
	char name[] = "/tmp/test-handle-XXXXXX";
	int fd = mkstemp(name);
	ck_assert_int_ge(fd, 0);
	static const char text[] = "[cluster]\nname = demo\nfrobnicate = 1\n";
	ck_assert_int_eq(write(fd, text, sizeof text - 1), sizeof text - 1);
	close(fd);
	struct synod *s;
	ck_assert_int_eq(synod_open(&s, &(struct synod_options){.config_file = name}), SYNOD_CONFIG);
	ck_assert_ptr_nonnull(strstr(synod_error_message(s), name));
	ck_assert_ptr_nonnull(strstr(synod_error_message(s), "frobnicate"));
	synod_close(s);
	unlink(name);
}
END_TEST

START_TEST(unreachable_cluster_is_unavailable)
{
	/* A write that nobody could be asked for was certainly not applied, and the message names whom it tried. */
	struct synod *s = open_nobody(50, 0);
	struct synod_reply *reply = synod_put(s, "k", 1, "v", 1);
	ck_assert_int_eq(reply->status, SYNOD_UNAVAILABLE);
	ck_assert_ptr_nonnull(strstr(reply->message, NOBODY));
	synod_reply_free(reply);
	struct synod_config *config = synod_config(s, UINT64_MAX);
	ck_assert_int_eq(config->status, SYNOD_UNAVAILABLE);
	synod_config_free(config);
	struct synod_node_status *status = synod_node_status(s, NOBODY, 0);
	ck_assert_int_eq(status->status, SYNOD_UNAVAILABLE);
	ck_assert_str_eq(status->address, NOBODY);
	ck_assert_str_eq(status->name, "");
	synod_node_status_free(status);
	synod_close(s);
}
END_TEST

START_TEST(bad_arguments_are_refused_at_once)
{
	/* Too large and senseless requests do not reach the thread. */
	struct synod *s = open_nobody(60000, 0);
	char *big = calloc(1, 3 << 20);
	struct synod_reply *reply = synod_put(s, "k", 1, big, 3 << 20);
	ck_assert_int_eq(reply->status, SYNOD_TOO_LARGE);
	synod_reply_free(reply);
	reply = synod_do(s, &(struct synod_op){.kind = (enum synod_op_kind)99}, 0);
	ck_assert_int_eq(reply->status, SYNOD_BAD_REQUEST);
	synod_reply_free(reply);
	reply = synod_do_txn(s, &(struct synod_txn){0}, 0);
	ck_assert_int_eq(reply->status, SYNOD_BAD_REQUEST);
	synod_reply_free(reply);
	struct synod_op ops[200] = {{0}};
	for (size_t i = 0; i < 200; i++)
		ops[i] = (struct synod_op){.kind = SYNOD_OP_GET, .key = {.data = "k", .len = 1}};
	reply = synod_do_txn(s, &(struct synod_txn){.then = ops, .nthen = 200}, 0);
	ck_assert_int_eq(reply->status, SYNOD_TOO_LARGE);
	synod_reply_free(reply);
	reply = synod_join(s, &(struct synod_group){.gid = 1}, 1);
	ck_assert_int_eq(reply->status, SYNOD_BAD_REQUEST);
	synod_reply_free(reply);
	free(big);
	synod_close(s);
}
END_TEST

struct counter {
	pthread_mutex_t mutex;
	int calls, closed, refused_inside;
	struct synod *synod;
};

static void count(void *context, const struct synod_reply *reply)
{
	struct counter *counter = context;
	/* A synchronous call would wait for this very thread. */
	struct synod_reply *inside = synod_get(counter->synod, "k", 1);
	pthread_mutex_lock(&counter->mutex);
	counter->calls++;
	counter->closed += reply->status == SYNOD_CLOSED;
	counter->refused_inside += inside->status == SYNOD_BAD_REQUEST;
	pthread_mutex_unlock(&counter->mutex);
	synod_reply_free(inside);
}

START_TEST(close_ends_what_is_outstanding)
{
	/* Asynchronous requests are bounded, and those that are outstanding end with CLOSED when the handle is closed. */
	enum { MAX = 10 };
	struct counter counter = {.mutex = PTHREAD_MUTEX_INITIALIZER};
	struct synod *s = counter.synod = open_nobody(600000, MAX);
	struct synod_op op = {.kind = SYNOD_OP_PUT, .key = {.data = "k", .len = 1}};
	for (int i = 0; i < MAX; i++)
		ck_assert_int_eq(synod_op_async(s, &op, 0, count, &counter), SYNOD_OK);
	ck_assert_int_eq(synod_op_async(s, &op, 0, count, &counter), SYNOD_BUSY);
	struct synod_reply *reply = synod_do(s, &op, 20);
	ck_assert_int_eq(reply->status, SYNOD_UNAVAILABLE);
	synod_reply_free(reply);
	synod_close(s);
	ck_assert_int_eq(counter.calls, MAX);
	ck_assert_int_eq(counter.closed, MAX);
	ck_assert_int_eq(counter.refused_inside, MAX);
}
END_TEST

static void *put_some(void *context)
{
	struct synod *s = context;
	for (int i = 0; i < 20; i++) {
		struct synod_reply *reply = synod_put(s, "k", 1, "v", 1);
		ck_assert_int_eq(reply->status, SYNOD_UNAVAILABLE);
		synod_reply_free(reply);
	}
	return NULL;
}

START_TEST(many_threads_share_a_handle)
{
	/* Every function may be called from any thread; the bound on outstanding requests makes synchronous ones take turns. */
	enum { THREADS = 8 };
	pthread_t threads[THREADS];
	struct synod *s = open_nobody(20, 4);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, put_some, s), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	synod_close(s);
}
END_TEST

START_TEST(prefix_ranges)
{
	/* The range of a prefix holds the keys that begin with it and no others; without an end where there is none. */
	static const struct {
		const char *prefix;
		size_t len;
		const char *end;
		size_t end_len;
	} cases[] = {
		{"a", 1, "b", 1},       {"ab", 2, "ac", 2}, {"a\xff", 2, "b", 1},
		{"\xff\xff", 2, "", 0}, {"", 0, "", 0},     {"a\0", 2, "a\1", 2},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct synod_scan scan = {0};
		char storage[8];
		synod_scan_prefix(&scan, cases[i].prefix, cases[i].len, storage);
		ck_assert_uint_eq(scan.start.len, cases[i].len);
		ck_assert_uint_eq(scan.end.len, cases[i].end_len);
		ck_assert_mem_eq(scan.end.data, cases[i].end, cases[i].end_len);
	}
}
END_TEST

START_TEST(closing_nothing)
{
	/* Freeing and closing NULL is harmless. */
	synod_close(NULL);
	synod_reply_free(NULL);
	synod_config_free(NULL);
	synod_node_status_free(NULL);
	ck_assert_str_eq(synod_status_text(SYNOD_NOT_FOUND), "not found");
	ck_assert_uint_gt(strlen(synod_version()), 0);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("handle");
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, wrong_options_are_explained);
	tcase_add_test(tcase, malformed_file_is_explained);
	tcase_add_test(tcase, unreachable_cluster_is_unavailable);
	tcase_add_test(tcase, bad_arguments_are_refused_at_once);
	tcase_add_test(tcase, close_ends_what_is_outstanding);
	tcase_add_test(tcase, many_threads_share_a_handle);
	tcase_add_test(tcase, prefix_ranges);
	tcase_add_test(tcase, closing_nothing);
	Suite *suite = suite_create("client/handle");
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}

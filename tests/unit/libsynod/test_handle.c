#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../support/check_main.h"
#include "../support/fake_server.h"
#include "synod.h"

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

/*
 * Options that make no sense fail at open, with a message; the handle is closed all the
 * same.
 */
START_TEST(wrong_options_are_explained)
{
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
		ck_assert_msg(strstr(synod_error_message(s), cases[i].says) != NULL, "%s",
			      synod_error_message(s));
		struct synod_reply *reply = synod_get(s, "k", 1);
		ck_assert_int_eq(reply->status, SYNOD_CLOSED);
		synod_reply_free(reply);
		synod_close(s);
	}
}
END_TEST

/* A cluster.conf with a mistake fails at open, and the message names file and line. */
START_TEST(malformed_file_is_explained)
{
	char name[] = "/tmp/test-handle-XXXXXX";
	int fd = mkstemp(name);
	ck_assert_int_ge(fd, 0);
	static const char text[] = "[cluster]\nname = demo\nfrobnicate = 1\n";
	ck_assert_int_eq(write(fd, text, sizeof text - 1), sizeof text - 1);
	close(fd);
	struct synod *s;
	ck_assert_int_eq(synod_open(&s, &(struct synod_options){.config_file = name}),
			 SYNOD_CONFIG);
	ck_assert_ptr_nonnull(strstr(synod_error_message(s), name));
	ck_assert_ptr_nonnull(strstr(synod_error_message(s), "frobnicate"));
	synod_close(s);
	unlink(name);
}
END_TEST

/*
 * A write that nobody could be asked for was certainly not applied, and the message names
 * whom it tried.
 */
START_TEST(unreachable_cluster_is_unavailable)
{
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

/* Too large and senseless requests do not reach the thread. */
START_TEST(bad_arguments_are_refused_at_once)
{
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
	const struct synod_read_options senseless[] = {
		{.consistency = (enum synod_consistency)2},
		{.consistency = (enum synod_consistency) - 1},
		{.prefer = (enum synod_prefer)3},
		{.max_age_ms = 5},
		{.prefer = SYNOD_PREFER_FOLLOWER, .max_age_ms = 5}};
	for (size_t i = 0; i < sizeof senseless / sizeof senseless[0]; i++) {
		reply = synod_get_with(s, "k", 1, &senseless[i]);
		ck_assert_int_eq(reply->status, SYNOD_BAD_REQUEST);
		synod_reply_free(reply);
		reply = synod_log_read_with(s, 1, 1, &senseless[i]);
		ck_assert_int_eq(reply->status, SYNOD_BAD_REQUEST);
		synod_reply_free(reply);
		ck_assert_int_eq(synod_get_with_async(s, "k", 1, &senseless[i], NULL, NULL),
				 SYNOD_BAD_REQUEST);
		ck_assert_int_eq(synod_scan_with_async(s, &(struct synod_scan){0}, &senseless[i],
						       NULL, NULL),
				 SYNOD_BAD_REQUEST);
	}
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

/*
 * Asynchronous requests are bounded, and those that are outstanding end with CLOSED when
 * the handle is closed.
 */
START_TEST(close_ends_what_is_outstanding)
{
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

/*
 * Every function may be called from any thread; the bound on outstanding requests makes
 * synchronous ones take turns.
 */
START_TEST(many_threads_share_a_handle)
{
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

/*
 * The range of a prefix holds the keys that begin with it and no others; without an end
 * where there is none.
 */
START_TEST(a_prefix_range_holds_its_keys_and_no_others)
{
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

/* Freeing and closing NULL is harmless. */
START_TEST(closing_null_is_harmless)
{
	synod_close(NULL);
	synod_reply_free(NULL);
	synod_config_free(NULL);
	synod_node_status_free(NULL);
	ck_assert_str_eq(synod_status_text(SYNOD_NOT_FOUND), "not found");
	ck_assert_uint_gt(strlen(synod_version()), 0);
}
END_TEST

/* ---- handles that share a thread ---- */

static struct fake_cluster cluster;

static void start_cluster(void)
{
	fake_cluster_start(&cluster);
}

static void stop_cluster(void)
{
	fake_cluster_stop(&cluster);
}

CHECK_FIXTURE(start_cluster, stop_cluster)

static struct synod *open_on(struct synod *thread_of)
{
	struct synod *s;
	struct synod_options options = {
		.config_file = cluster.config_file, .timeout_ms = 60000, .thread_of = thread_of};
	ck_assert_int_eq(synod_open(&s, &options), SYNOD_OK);
	return s;
}

static struct synod *open_nobody_on(struct synod *thread_of, uint32_t timeout_ms)
{
	struct synod *s;
	struct synod_options options = {
		.endpoints = NOBODY, .timeout_ms = timeout_ms, .thread_of = thread_of};
	ck_assert_int_eq(synod_open(&s, &options), SYNOD_OK);
	return s;
}

static void check_answers(struct synod *s)
{
	struct synod_reply *reply = synod_put(s, "k", 1, "v", 1);
	ck_assert_int_eq(reply->status, SYNOD_OK);
	synod_reply_free(reply);
	reply = synod_get(s, "k", 1);
	ck_assert_int_eq(reply->status, SYNOD_OK);
	ck_assert_str_eq(reply->value.data, "value");
	synod_reply_free(reply);
}

#define THREADS_MAX 64u

/* The threads of this process; those that end may be among them for a moment yet. */
static size_t list_threads(long threads[THREADS_MAX])
{
	size_t count = 0;
	DIR *tasks = opendir("/proc/self/task");
	ck_assert_ptr_nonnull(tasks);
	for (const struct dirent *task; (task = readdir(tasks)) != NULL;) {
		if (task->d_name[0] == '.')
			continue;
		ck_assert_uint_lt(count, THREADS_MAX);
		threads[count++] = strtol(task->d_name, NULL, 10);
	}
	closedir(tasks);
	return count;
}

/* How many there are that were not among `before`. */
static size_t new_threads(const long *before, size_t nbefore)
{
	long now[THREADS_MAX];
	size_t nnow = list_threads(now), fresh = 0;
	for (size_t i = 0; i < nnow; i++) {
		size_t k = 0;
		while (k < nbefore && before[k] != now[i])
			k++;
		fresh += k == nbefore;
	}
	return fresh;
}

/*
 * Any number of handles on one thread cost one thread, and each answers; without that each
 * has its own.
 */
START_TEST(one_thread_serves_many)
{
	enum { HANDLES = 10 };
	struct synod *handles[HANDLES], *apart;
	long before[THREADS_MAX];
	size_t nbefore = list_threads(before);
	for (int i = 0; i < HANDLES; i++)
		handles[i] = open_on(i == 0 ? NULL : handles[i / 2]);
	for (int i = 0; i < HANDLES; i++)
		check_answers(handles[i]);
	ck_assert_uint_eq(new_threads(before, nbefore), 1);
	apart = open_on(NULL);
	ck_assert_uint_eq(new_threads(before, nbefore), 2);
	synod_close(apart);
	for (int i = 0; i < HANDLES; i++)
		synod_close(handles[i]);
}
END_TEST

/*
 * The thread lives until its last handle is closed, whether that is the first one or
 * another.
 */
START_TEST(closed_in_any_order)
{
	enum { HANDLES = 5 };
	for (int from = 0; from < HANDLES; from++) {
		struct synod *handles[HANDLES];
		for (int i = 0; i < HANDLES; i++)
			handles[i] = open_on(i == 0 ? NULL : handles[0]);
		for (int closed = 0; closed < HANDLES; closed++) {
			synod_close(handles[(from + 2 * closed) % HANDLES]);
			for (int left = closed + 1; left < HANDLES; left++)
				check_answers(handles[(from + 2 * left) % HANDLES]);
		}
	}
}
END_TEST

/*
 * What is outstanding at a handle ends with CLOSED when that is closed; what is at others
 * on its thread goes on.
 */
START_TEST(closing_ends_no_others)
{
	enum { REQUESTS = 10 };
	struct counter closed = {.mutex = PTHREAD_MUTEX_INITIALIZER},
		       other = {.mutex = PTHREAD_MUTEX_INITIALIZER};
	struct synod_op op = {.kind = SYNOD_OP_PUT, .key = {.data = "k", .len = 1}};
	struct synod *s = closed.synod = open_nobody(600000, 0);
	struct synod *unavailable = open_nobody_on(s, 200), *answering = open_on(s);
	other.synod = unavailable;
	for (int i = 0; i < REQUESTS; i++) {
		ck_assert_int_eq(synod_op_async(s, &op, 0, count, &closed), SYNOD_OK);
		ck_assert_int_eq(synod_op_async(unavailable, &op, 0, count, &other), SYNOD_OK);
		ck_assert_int_eq(synod_op_async(answering, &op, 0, count, &other), SYNOD_OK);
	}
	synod_close(s);
	ck_assert_int_eq(closed.calls, REQUESTS);
	ck_assert_int_eq(closed.closed, REQUESTS);
	check_answers(answering);
	for (int calls = 0; calls < 2 * REQUESTS; usleep(1000)) {
		pthread_mutex_lock(&other.mutex);
		calls = other.calls;
		pthread_mutex_unlock(&other.mutex);
	}
	synod_close(answering);
	synod_close(unavailable);
	ck_assert_int_eq(other.calls, 2 * REQUESTS);
	ck_assert_int_eq(other.closed, 0);
}
END_TEST

/*
 * In a callback a synchronous call is refused at every handle of the thread: it would wait
 * for itself.
 */
START_TEST(no_waiting_on_the_own_thread)
{
	struct counter counter = {.mutex = PTHREAD_MUTEX_INITIALIZER};
	struct synod_op op = {.kind = SYNOD_OP_PUT, .key = {.data = "k", .len = 1}};
	struct synod *s = open_on(NULL);
	counter.synod = open_on(s);
	ck_assert_int_eq(synod_op_async(s, &op, 0, count, &counter), SYNOD_OK);
	check_answers(s);
	synod_close(s);
	ck_assert_int_eq(counter.calls, 1);
	ck_assert_int_eq(counter.refused_inside, 1);
	check_answers(counter.synod);
	synod_close(counter.synod);
}
END_TEST

/* Each callback asks the other handle, `left` times in all. */
struct relay {
	struct synod *handles[2];
	atomic_int left, failed;
};

static void pass_on(void *context, const struct synod_reply *reply)
{
	struct relay *relay = context;
	struct synod_op op = {.kind = SYNOD_OP_GET, .key = {.data = "k", .len = 1}};
	atomic_fetch_add(&relay->failed, reply->status != SYNOD_OK);
	int left = atomic_fetch_sub(&relay->left, 1) - 1;
	if (left > 0 &&
	    synod_op_async(relay->handles[left % 2], &op, 0, pass_on, relay) != SYNOD_OK)
		atomic_store(&relay->left, -1);
}

/* In a callback other handles of the thread can be asked asynchronously. */
START_TEST(one_asks_the_other)
{
	struct synod_op op = {.kind = SYNOD_OP_GET, .key = {.data = "k", .len = 1}};
	struct synod *s = open_on(NULL);
	struct relay relay = {.handles = {s, open_on(s)}, .left = 100};
	ck_assert_int_eq(synod_op_async(s, &op, 0, pass_on, &relay), SYNOD_OK);
	while (atomic_load(&relay.left) > 0)
		usleep(1000);
	synod_close(relay.handles[0]);
	synod_close(relay.handles[1]);
	ck_assert_int_eq(atomic_load(&relay.left), 0);
	ck_assert_int_eq(atomic_load(&relay.failed), 0);
}
END_TEST

struct opener {
	struct synod *thread_of, *own, *opened;
	int status, own_status;
};

static void open_inside(void *context, const struct synod_reply *reply)
{
	struct opener *opener = context;
	struct synod_options options = {.endpoints = NOBODY, .thread_of = opener->thread_of};
	(void)reply;
	opener->status = synod_open(&opener->opened, &options);
	options.thread_of = NULL;
	opener->own_status = synod_open(&opener->own, &options);
}

/*
 * In a callback no handle can be opened on the callback's own thread, but one with a thread
 * of its own can.
 */
START_TEST(no_opening_on_the_own_thread)
{
	struct synod_op op = {.kind = SYNOD_OP_GET, .key = {.data = "k", .len = 1}};
	struct synod *s = open_on(NULL);
	struct opener opener = {.thread_of = open_on(s)};
	ck_assert_int_eq(synod_op_async(s, &op, 0, open_inside, &opener), SYNOD_OK);
	check_answers(s);
	synod_close(s);
	ck_assert_int_eq(opener.status, SYNOD_BAD_REQUEST);
	ck_assert_ptr_nonnull(strstr(synod_error_message(opener.opened), "callback"));
	ck_assert_int_eq(opener.own_status, SYNOD_OK);
	synod_close(opener.opened);
	synod_close(opener.own);
	check_answers(opener.thread_of);
	synod_close(opener.thread_of);
}
END_TEST

/*
 * A handle that cannot be opened, early or late, does no harm to those on the thread, and
 * has none for others.
 */
START_TEST(failing_to_open_on_a_thread)
{
	static const struct synod_options wrong[] = {
		{.endpoints = "nonsense"},
		{.endpoints = NOBODY, .trace_file = "/does/not/exist"},
	};
	struct synod *s = open_on(NULL);
	for (size_t i = 0; i < 4; i++) {
		struct synod *failed, *late;
		struct synod_options options = wrong[i / 2];
		options.thread_of = i % 2 == 0 ? s : NULL;
		ck_assert_int_eq(synod_open(&failed, &options), SYNOD_CONFIG);
		check_answers(s);
		options = (struct synod_options){.endpoints = NOBODY, .thread_of = failed};
		ck_assert_int_eq(synod_open(&late, &options), SYNOD_BAD_REQUEST);
		ck_assert_ptr_nonnull(strstr(synod_error_message(late), "could not be opened"));
		synod_close(failed);
		synod_close(late);
		check_answers(s);
	}
	synod_close(s);
}
END_TEST

/*
 * A handle can be closed while it looks for the address of a name; others on the thread do
 * not mind.
 */
START_TEST(closing_while_resolving)
{
	struct synod *s = open_on(NULL);
	for (int i = 0; i < 20; i++) {
		struct counter counter = {.mutex = PTHREAD_MUTEX_INITIALIZER};
		struct synod_op op = {.kind = SYNOD_OP_GET, .key = {.data = "k", .len = 1}};
		struct synod_options options = {.endpoints = "name.invalid:7001,other.invalid:7001",
						.timeout_ms = 600000,
						.thread_of = s};
		ck_assert_int_eq(synod_open(&counter.synod, &options), SYNOD_OK);
		ck_assert_int_eq(synod_op_async(counter.synod, &op, 0, count, &counter), SYNOD_OK);
		check_answers(s);
		synod_close(counter.synod);
		ck_assert_int_eq(counter.calls, 1);
		check_answers(s);
	}
	synod_close(s);
}
END_TEST

static void *come_and_go(void *context)
{
	struct synod_op op = {.kind = SYNOD_OP_PUT, .key = {.data = "k", .len = 1}};
	struct counter counter = {.mutex = PTHREAD_MUTEX_INITIALIZER};
	for (int i = 0; i < 20; i++) {
		struct synod *s = counter.synod = open_on(context);
		ck_assert_int_eq(synod_op_async(s, &op, 0, count, &counter), SYNOD_OK);
		if (i % 2 == 0)
			check_answers(s);
		ck_assert_int_eq(synod_op_async(s, &op, 0, count, &counter), SYNOD_OK);
		synod_close(s);
		ck_assert_int_eq(counter.calls, 2 * (i + 1));
	}
	return NULL;
}

/*
 * Handles can be opened on a thread and closed by several threads at once, while another is
 * used.
 */
START_TEST(many_come_and_go)
{
	enum { THREADS = 4 };
	pthread_t threads[THREADS];
	struct synod *s = open_on(NULL);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, come_and_go, s), 0);
	for (int i = 0; i < 20; i++)
		check_answers(s);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	synod_close(s);
}
END_TEST

/* Out of memory in the client library. */
#include <check.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "../support/check_main.h"
#include "../support/fake_server.h"
#include "failing_malloc.h"
#include "synod.h"

CHECK_TIMEOUT(300)

/*
 * What a session with every kind of request has come to. While allocations fail nothing is
 * asserted, since the test library allocates too.
 */
enum call {
	OPEN,
	PUT,
	GET,
	TXN,
	SCAN,
	ASYNC,
	CONFIG,
	STATUS,
	JOIN,
	MOVE,
	TRANSFER,
	STALE_GET,
	STALE_SCAN,
	LAST_GET,
	/* of a second handle, whose thread serves both */
	OTHER_OPEN,
	OTHER_ASYNC,
	OTHER_PUT,
	CALLS
};
static const char *const call_texts[] = {
	"open",       "put",      "get",        "txn",         "scan",     "async",
	"config",     "status",   "join",       "move",        "transfer", "stale get",
	"stale scan", "last get", "other open", "other async", "other put"};
struct outcome {
	int statuses[CALLS];
	int callbacks, started;
};

static struct fake_cluster cluster;

static void on_async(void *context, const struct synod_reply *reply)
{
	(void)reply;
	atomic_fetch_add((atomic_int *)context, 1);
}

static int status_of(struct synod_reply *reply)
{
	int status = reply->status;
	synod_reply_free(reply);
	return status;
}

static void run_requests(struct synod *s, struct outcome *outcome, atomic_int *callbacks)
{
	static char value[20000];
	int *statuses = outcome->statuses;
	const char *const members[] = {cluster.group.address};
	struct synod_group groups = {.gid = 2, .nmembers = 1, .members = members};
	struct synod_op ops[] = {
		{.kind = SYNOD_OP_PUT, .key = {"key", 3}, .value = {value, sizeof value}},
		{.kind = SYNOD_OP_INCR, .key = {"key", 3}, .delta = 1},
	};
	struct synod_compare compare = {
		.target = SYNOD_VERSION, .relation = SYNOD_GREATER, .key = {"key", 3}};
	statuses[PUT] = status_of(synod_put(s, "key", 3, value, sizeof value));
	statuses[GET] = status_of(synod_get(s, "key", 3));
	statuses[TXN] = status_of(synod_do_txn(
		s, &(struct synod_txn){.when = &compare, .nwhen = 1, .then = ops, .nthen = 2}, 0));
	statuses[SCAN] = status_of(synod_do_scan(s, &(struct synod_scan){.start = {"a", 1}}, 0));
	for (int i = 0; i < 3; i++) {
		statuses[ASYNC] = synod_op_async(s, &ops[0], 0, on_async, callbacks);
		outcome->started += statuses[ASYNC] == SYNOD_OK;
	}
	struct synod_config *config = synod_config(s, UINT64_MAX);
	statuses[CONFIG] = config->status;
	synod_config_free(config);
	struct synod_node_status *status = synod_node_status(s, cluster.group.address, 0);
	statuses[STATUS] = status->status;
	synod_node_status_free(status);
	statuses[JOIN] = status_of(synod_join(s, &groups, 1));
	statuses[MOVE] = status_of(synod_move(s, 1, 2));
	statuses[TRANSFER] = status_of(synod_transfer(s, members, 1, 0));
	const struct synod_read_options stale = {.size = sizeof stale, .consistency = SYNOD_STALE};
	statuses[STALE_GET] = status_of(synod_get_with(s, "key", 3, &stale));
	statuses[STALE_SCAN] = status_of(
		synod_scan_with(s, &(struct synod_scan){.start = {"a", 1}}, &stale));
	statuses[LAST_GET] = status_of(synod_get(s, "key", 3));
}

static int open_handle(struct synod **s, struct synod *thread_of)
{
	return synod_open(s, &(struct synod_options){.config_file = cluster.config_file,
						     .timeout_ms = 1000,
						     .thread_of = thread_of});
}

/*
 * What the other handle has under way while the first one is opened and used; then it is closed
 * before that, or goes on.
 */
static void run_with_other(struct outcome *outcome, atomic_int *callbacks, bool closes_early)
{
	struct synod *s, *other;
	struct synod_op op = {.kind = SYNOD_OP_PUT, .key = {"key", 3}, .value = {"value", 5}};
	int *statuses = outcome->statuses;
	statuses[OTHER_OPEN] = open_handle(&other, NULL);
	if (statuses[OTHER_OPEN] == SYNOD_OK) {
		statuses[OTHER_ASYNC] = synod_op_async(other, &op, 0, on_async, callbacks);
		outcome->started += statuses[OTHER_ASYNC] == SYNOD_OK;
		statuses[OPEN] = open_handle(&s, other);
		if (closes_early)
			synod_close(other);
		if (statuses[OPEN] == SYNOD_OK)
			run_requests(s, outcome, callbacks);
		if (!closes_early)
			statuses[OTHER_PUT] = status_of(synod_put(other, "key", 3, "value", 5));
		synod_close(s);
	}
	if (statuses[OTHER_OPEN] != SYNOD_OK || !closes_early)
		synod_close(other);
}

static struct outcome run_session(uint64_t first, uint64_t last, bool shared)
{
	struct outcome outcome = {{0}, 0, 0};
	atomic_int callbacks = 0;
	struct synod *s;
	failing_malloc_set(first, last);
	if (shared) {
		run_with_other(&outcome, &callbacks, first % 2 == 0);
	} else {
		outcome.statuses[OPEN] = open_handle(&s, NULL);
		if (outcome.statuses[OPEN] == SYNOD_OK)
			run_requests(s, &outcome, &callbacks);
		synod_close(s);
	}
	outcome.callbacks = atomic_load(&callbacks);
	return outcome;
}

/*
 * A request may also end as if a server had not answered: its connection was given up for want of
 * memory.
 */
static bool is_sane(enum call call, int status)
{
	switch (status) {
	case SYNOD_OK:
	case SYNOD_NO_MEMORY: return true;
	case SYNOD_UNAVAILABLE: return call != OPEN && call != OTHER_OPEN;
	case SYNOD_UNKNOWN:
		return call == PUT || call == TXN || call == JOIN || call == MOVE ||
		       call == TRANSFER || call == OTHER_PUT;
	default: return false;
	}
}

static void check_outcome(const struct outcome *outcome, uint64_t first)
{
	for (enum call call = 0; call < CALLS; call++)
		ck_assert_msg(is_sane(call, outcome->statuses[call]),
			      "allocation %" PRIu64 " fails: %s ends with %d (%s)", first,
			      call_texts[call], outcome->statuses[call],
			      synod_status_text(outcome->statuses[call]));
	ck_assert_int_eq(outcome->callbacks, outcome->started);
}

/* The number of allocations of a session in which none fails. */
static uint64_t warm_up(bool shared)
{
	for (int i = 0; i < 3; i++) {
		struct outcome outcome = run_session(0, 0, shared);
		for (enum call call = 0; call < CALLS; call++)
			ck_assert_msg(outcome.statuses[call] == SYNOD_OK, "%s: %s",
				      call_texts[call], synod_status_text(outcome.statuses[call]));
	}
	return failing_malloc_count();
}

static void sweep(uint64_t length, uint64_t step, bool shared)
{
	uint64_t count = warm_up(shared);
	ck_assert_uint_gt(count, 100);
	for (uint64_t first = 1; first <= count; first += step) {
		int64_t live = failing_malloc_live();
		struct outcome outcome = run_session(
			first, length == UINT64_MAX ? length : first + length - 1, shared);
		failing_malloc_set(0, 0);
		int64_t more = failing_malloc_live() - live;
		check_outcome(&outcome, first);
		ck_assert_msg(more <= 0,
			      "allocation %" PRIu64 " fails: %" PRId64 " blocks are not freed",
			      first, more);
	}
}

static void start_cluster(void)
{
	fake_cluster_start(&cluster);
}

static void stop_cluster(void)
{
	fake_cluster_stop(&cluster);
}

CHECK_FIXTURE(start_cluster, stop_cluster)

/* _i of the sweeps. */
enum { ALONE, SHARED };

/*
 * Whichever single allocation fails: every call ends, sanely, and nothing is left behind;
 * also with two handles on one thread.
 */
START_LOOP_TEST(one_allocation_fails, ALONE, SHARED + 1)
{
	sweep(1, 1, _i == SHARED);
}
END_TEST

/* The same for a shortage that lasts for some allocations. */
START_LOOP_TEST(some_allocations_fail, ALONE, SHARED + 1)
{
	sweep(40, 7, _i == SHARED);
}
END_TEST

/*
 * When memory runs out for good the handle gives up: what is under way and what follows
 * ends with NO_MEMORY.
 */
START_LOOP_TEST(all_allocations_fail, ALONE, SHARED + 1)
{
	sweep(UINT64_MAX, _i == SHARED ? 5 : 3, _i == SHARED);
}
END_TEST

/*
 * Some writes while the handle's thread gets no memory at all; counts those that did not end as
 * they should. Returns the status of what comes after.
 */
static int write_without_memory(struct synod *s, const char *value, size_t len, size_t count)
{
	atomic_int callbacks = 0;
	int started = 0, wrong = 0;
	struct synod_op op = {.kind = SYNOD_OP_PUT, .key = {"key", 3}, .value = {value, len}};
	failing_malloc_spare_this_thread(true);
	failing_malloc_set(1, UINT64_MAX);
	for (size_t i = 0; i < count; i++)
		started += synod_op_async(s, &op, 0, on_async, &callbacks) == SYNOD_OK;
	/* The static reply: the thread cannot make another. */
	struct synod_reply *reply = synod_put(s, value, 3, value, len);
	wrong += reply->status != SYNOD_NO_MEMORY;
	synod_reply_free(reply);
	failing_malloc_set(0, 0);
	failing_malloc_spare_this_thread(false);
	/* Either it has given up, for good, or it goes on. */
	int after = status_of(synod_get(s, "key", 3));
	ck_assert(after == SYNOD_OK || after == SYNOD_NO_MEMORY);
	ck_assert_int_eq(status_of(synod_get(s, "key", 3)), after);
	started += synod_op_async(s, &op, 0, on_async, &callbacks) == SYNOD_OK;
	synod_close(s);
	ck_assert_int_eq(wrong, 0);
	ck_assert_int_eq(atomic_load(&callbacks), started);
	return after;
}

/*
 * When the thread gets no memory while the callers do, each request ends; a handle that
 * gives up stays so; a new one works.
 */
START_TEST(gives_up_for_good)
{
	struct synod *s;
	ck_assert_int_eq(open_handle(&s, NULL), SYNOD_OK);
	write_without_memory(s, "value", 5, 100);
	struct outcome outcome = run_session(0, 0, false);
	ck_assert_int_eq(outcome.statuses[LAST_GET], SYNOD_OK);
}
END_TEST

/*
 * Handles that share a thread give up together, with what is under way at any of them; then
 * no other can be opened on it.
 */
START_TEST(give_up_together)
{
	struct synod *s, *waiting, *other, *late;
	struct synod_op op = {.kind = SYNOD_OP_PUT, .key = {"key", 3}};
	atomic_int callbacks = 0;
	ck_assert_int_eq(open_handle(&s, NULL), SYNOD_OK);
	ck_assert_int_eq(synod_open(&waiting, &(struct synod_options){.endpoints = "127.0.0.1:1",
								      .thread_of = s}),
			 SYNOD_OK);
	ck_assert_int_eq(synod_op_async(waiting, &op, 600000, on_async, &callbacks), SYNOD_OK);
	ck_assert_int_eq(open_handle(&other, waiting), SYNOD_OK);
	int after = write_without_memory(s, "value", 5, 100);
	ck_assert_int_eq(open_handle(&late, waiting), after);
	ck_assert(after == SYNOD_OK || strstr(synod_error_message(late), "given up") != NULL);
	ck_assert_int_eq(atomic_load(&callbacks), after == SYNOD_OK ? 0 : 1);
	ck_assert_int_eq(status_of(synod_get(other, "key", 3)), after);
	synod_close(waiting);
	ck_assert_int_eq(atomic_load(&callbacks), 1);
	synod_close(late);
	synod_close(other);
}
END_TEST

/*
 * The same with as many of the largest values as a handle takes, on a connection that is
 * open and on none.
 */
START_TEST(large_requests_survive_a_shortage)
{
	static char value[1 << 20];
	memset(value, 'v', sizeof value);
	for (int connected = 0; connected < 2; connected++) {
		struct synod *s;
		ck_assert_int_eq(open_handle(&s, NULL), SYNOD_OK);
		for (int i = 0; i < connected; i++)
			ck_assert_int_eq(status_of(synod_put(s, "key", 3, value, sizeof value)),
					 SYNOD_OK);
		write_without_memory(s, value, sizeof value, 6);
	}
}
END_TEST

/* The waiters of WATCH: who leaves when, and how many there may be. */
#include "shardmaster/watchers.h"

#include "../support/check_main.h"
#include "../support/fake_env.h"

static struct fake_env *fake;
static struct node node;
static struct watchers watchers;
static const struct node_ops node_ops_none;
static uint64_t left[16]; /* request ids, in the order in which they left */
static size_t nleft;

static void leave(void *context, link_id from, const struct message *request)
{
	ck_assert_ptr_eq(context, &watchers);
	ck_assert_uint_eq(from, request->id / 10);
	ck_assert_uint_eq(request->payload.len, 0);
	left[nleft++] = request->id;
}

static void begin(void)
{
	fake = fake_create();
	node_init(&node, &node_ops_none, &fake->env, &fake->log);
	watchers_init(&watchers, &node, 4, leave, &watchers);
	nleft = 0;
}

static void finish(void)
{
	watchers_done(&watchers);
	ck_assert_uint_eq(watchers.count, 0);
	ck_assert_uint_eq(timers_next_us(&fake->timers), UINT64_MAX);
	node_done(&node);
	fake_destroy(fake);
}

/* Ids are ten times their link and more, so that leave() can check the one by the other. */
static bool add(uint64_t id, uint64_t number, uint32_t timeout_ms)
{
	struct message request = {
		.kind = MESSAGE_REQUEST, .id = id, .payload = slice_string("gone after the call")};

	return watchers_add(&watchers, id / 10, &request, number, timeout_ms);
}

/*
 * A newer configuration sends away those who wait for it, in the order of their arrival, and nobody
 * else.
 */
START_TEST(newer_configuration_wakes)
{
	begin();
	ck_assert(add(10, 5, 100));
	ck_assert(add(20, 7, 100));
	ck_assert(add(11, 6, 100));
	watchers_wake(&watchers, 5);
	ck_assert_uint_eq(nleft, 0);
	watchers_wake(&watchers, 7);
	ck_assert_uint_eq(nleft, 2);
	ck_assert_uint_eq(left[0], 10);
	ck_assert_uint_eq(left[1], 11);
	watchers_wake(&watchers, UINT64_MAX);
	ck_assert_uint_eq(nleft, 3);
	finish();
}
END_TEST

/* Each waiter leaves at its own timeout, once. */
START_TEST(timeouts_are_kept)
{
	begin();
	ck_assert(add(10, 5, 200));
	ck_assert(add(20, UINT64_MAX, 100));
	fake_advance(fake, 99999);
	ck_assert_uint_eq(nleft, 0);
	fake_advance(fake, 1);
	ck_assert_uint_eq(nleft, 1);
	ck_assert_uint_eq(left[0], 20);
	fake_advance(fake, 1000000);
	ck_assert_uint_eq(nleft, 2);
	ck_assert_uint_eq(watchers.count, 0);
	finish();
}
END_TEST

/* A lost link takes its waiters with it without an answer, and a full house takes nobody in. */
START_TEST(lost_links_and_full_house)
{
	begin();
	ck_assert(add(10, 1, 100));
	ck_assert(add(20, 1, 100));
	ck_assert(add(11, 1, 100));
	ck_assert(add(21, 1, 100));
	ck_assert(!add(30, 1, 100));
	watchers_link_down(&watchers, 1);
	ck_assert_uint_eq(watchers.count, 2);
	ck_assert(add(30, 1, 100));
	fake_advance(fake, 100000);
	ck_assert_uint_eq(nleft, 3);
	ck_assert_uint_eq(left[0], 20);
	ck_assert_uint_eq(left[1], 21);
	ck_assert_uint_eq(left[2], 30);
	finish();
}
END_TEST

CHECK_MAIN("shard master, watchers", newer_configuration_wakes, timeouts_are_kept,
	   lost_links_and_full_house)

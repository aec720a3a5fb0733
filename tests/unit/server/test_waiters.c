/* Requests that wait: who leaves when, how many there may be, and how much leaves in one turn. */
#include "server/waiters.h"

#include "../support/check_main.h"
#include "../support/fake_env.h"
#include "base/limits.h"

static struct fake_env *fake;
static struct node node;
static struct waiters waiters;
static const struct node_ops node_ops_none;
static uint64_t left[64]; /* request ids, in the order in which they left */
static size_t nleft;
static uint64_t refused;
static size_t answer_bytes;

static size_t leave(void *context, const struct waiter *waiter)
{
	ck_assert_ptr_eq(context, &waiters);
	ck_assert_uint_eq(waiter->from, waiter->request.id / 10);
	ck_assert_uint_eq(waiter->request.payload.len, 0);
	ck_assert_uint_eq(waiter->request.trace, 100 + waiter->request.id);
	ck_assert_uint_eq(waiter->detail, 200 + waiter->request.id);
	ck_assert_uint_lt(nleft, 64);
	left[nleft++] = waiter->request.id;
	return answer_bytes;
}

static void refuse(void *context, const struct waiter *waiter)
{
	ck_assert_ptr_eq(context, &waiters);
	refused = refused * 100 + waiter->request.id;
}

static void begin(uint64_t max, size_t bytes_per_turn)
{
	fake = fake_create();
	node_init(&node, &node_ops_none, &fake->env, &fake->log);
	waiters_init(&waiters, &(struct waiters_options){.node = &node,
							 .max = max,
							 .bytes_per_turn = bytes_per_turn,
							 .leave = leave,
							 .context = &waiters});
	nleft = 0;
	refused = 0;
	answer_bytes = 100;
}

static void finish(void)
{
	waiters_done(&waiters);
	ck_assert_uint_eq(waiters.count, 0);
	ck_assert_uint_eq(timers_next_us(&fake->timers), UINT64_MAX);
	node_done(&node);
	fake_destroy(fake);
}

/* Ids are ten times their link and more, so that leave() can check the one by the other. */
static bool add(uint64_t id, uint64_t awaited, uint32_t timeout_ms)
{
	struct message request = {.kind = MESSAGE_REQUEST,
				  .id = id,
				  .trace = 100 + id,
				  .payload = slice_string("gone after the call")};

	return waiters_add(&waiters, id / 10, &request, awaited, 200 + id, timeout_ms);
}

static void expect_left(size_t count, const uint64_t ids[])
{
	ck_assert_uint_eq(nleft, count);
	for (size_t i = 0; i < count; i++)
		ck_assert_uint_eq(left[i], ids[i]);
}

/* A number that is reached sends away those who wait for it, in the order of their arrival, and nobody else. */
START_TEST(a_number_that_is_reached_sends_its_waiters_away)
{
	begin(4, 0);
	ck_assert(add(10, 6, 100));
	ck_assert(add(20, 8, 100));
	ck_assert(add(11, 7, 100));
	waiters_reach(&waiters, 5);
	ck_assert(waiters_let_go(&waiters));
	expect_left(0, NULL);
	waiters_reach(&waiters, 7);
	ck_assert_uint_eq(waiters.count, 3); /* they have not left yet */
	ck_assert(waiters_let_go(&waiters));
	expect_left(2, (uint64_t[]){10, 11});
	ck_assert_uint_eq(waiters.count, 1);
	waiters_dismiss(&waiters);
	expect_left(3, (uint64_t[]){10, 11, 20});
	finish();
}
END_TEST

static bool is_odd(void *context, const struct waiter *waiter)
{
	ck_assert_ptr_eq(context, &waiters);
	return waiter->awaited % 2 == 1;
}

/* The owner may look at each waiter instead: those leave for whom what they wait for is there. */
START_TEST(the_owner_may_look_at_each)
{
	begin(4, 0);
	ck_assert(add(10, 6, 100));
	ck_assert(add(20, 5, 100));
	ck_assert(add(30, 3, 100));
	waiters_pick(&waiters, is_odd);
	ck_assert(waiters_let_go(&waiters));
	expect_left(2, (uint64_t[]){20, 30});
	ck_assert_uint_eq(waiters.count, 1);
	finish();
}
END_TEST

/* Each waiter leaves at its own timeout, once; without one it stays. */
START_TEST(timeouts_are_kept)
{
	begin(4, 0);
	ck_assert(add(10, 5, 200));
	ck_assert(add(20, UINT64_MAX, 100));
	ck_assert(add(30, 5, 0));
	fake_advance(fake, 99999);
	expect_left(0, NULL);
	fake_advance(fake, 1);
	expect_left(1, (uint64_t[]){20});
	fake_advance(fake, 1000000);
	expect_left(2, (uint64_t[]){20, 10});
	fake_advance(fake, 1000000000);
	ck_assert_uint_eq(waiters.count, 1);
	finish();
}
END_TEST

/* A lost link takes its waiters with it without an answer, also those that were about to leave; and a full house takes nobody in. */
START_TEST(lost_links_and_full_house)
{
	begin(4, 0);
	ck_assert(add(10, 1, 100));
	ck_assert(add(20, 1, 100));
	ck_assert(add(11, 1, 100));
	ck_assert(add(21, 2, 100));
	ck_assert(!add(30, 1, 100));
	waiters_reach(&waiters, 1);
	ck_assert(!add(30, 1, 100));
	waiters_link_down(&waiters, 1);
	ck_assert_uint_eq(waiters.count, 2);
	ck_assert(add(30, 3, 100));
	ck_assert(waiters_let_go(&waiters));
	expect_left(1, (uint64_t[]){20});
	fake_advance(fake, 100000);
	expect_left(3, (uint64_t[]){20, 21, 30});
	finish();
}
END_TEST

/*
 * faults: 98. Many wait for the same, and the answers are long: some are answered in this turn,
 * others in the next ones, all in the end.
 */
START_TEST(long_answers_take_several_turns)
{
	begin(100, MIB);
	answer_bytes = 300000;
	for (uint64_t id = 1; id <= 50; id++)
		ck_assert(add(id, id % 2 == 0 ? 7 : 8, 1000));
	waiters_reach(&waiters, 6);
	ck_assert(waiters_let_go(&waiters));
	expect_left(0, NULL);
	waiters_reach(&waiters, 7);
	size_t turns = 1;
	while (!waiters_let_go(&waiters)) {
		ck_assert_uint_le(nleft, 4 * turns);
		turns++;
	}
	ck_assert_uint_eq(nleft, 25);
	ck_assert_uint_ge(turns, 25 / 4);
	ck_assert_uint_eq(waiters.count, 25);
	waiters_dismiss(&waiters); /* all are sent away at once */
	ck_assert_uint_eq(nleft, 50);
	finish();
}
END_TEST

/* Short answers are given in one turn. */
START_TEST(short_answers_take_one_turn)
{
	begin(100, MIB);
	for (uint64_t id = 1; id <= 50; id++)
		ck_assert(add(id, 3, 1000));
	waiters_reach(&waiters, 3);
	ck_assert(waiters_let_go(&waiters));
	ck_assert_uint_eq(nleft, 50);
	finish();
}
END_TEST

/* Whoever may leave and has to wait for the next turn is not kept beyond its time. */
START_TEST(whose_time_is_over_does_not_wait_for_its_turn)
{
	begin(100, 1);
	ck_assert(add(10, 3, 1000));
	ck_assert(add(20, 3, 1000));
	ck_assert(add(30, 3, 500));
	waiters_reach(&waiters, 3);
	ck_assert(!waiters_let_go(&waiters));
	expect_left(1, (uint64_t[]){10});
	fake_advance(fake, 500000);
	expect_left(2, (uint64_t[]){10, 30});
	ck_assert(waiters_let_go(&waiters));
	expect_left(3, (uint64_t[]){10, 30, 20});
	finish();
}
END_TEST

/* Those whose wait is not over can be refused; the others get their answers. */
START_TEST(those_who_wait_are_refused_and_others_answered)
{
	begin(100, 0);
	ck_assert(add(10, 3, 1000));
	ck_assert(add(20, 4, 1000));
	ck_assert(add(30, 5, 0));
	waiters_reach(&waiters, 3);
	waiters_refuse(&waiters, refuse);
	ck_assert_uint_eq(refused, 2030);
	ck_assert_uint_eq(waiters.count, 1);
	ck_assert(waiters_let_go(&waiters));
	expect_left(1, (uint64_t[]){10});
	finish();
}
END_TEST

/* A request waits as long as it says, by default so long, and never longer than it may. */
START_TEST(a_request_says_how_long_it_waits)
{
	ck_assert_uint_eq(waiters_timeout_ms(&(struct message){0}, 1000, 60000), 1000);
	ck_assert_uint_eq(waiters_timeout_ms(&(struct message){.timeout_ms = 7}, 1000, 60000), 7);
	ck_assert_uint_eq(
		waiters_timeout_ms(&(struct message){.timeout_ms = UINT32_MAX}, 1000, 60000),
		60000);
}
END_TEST

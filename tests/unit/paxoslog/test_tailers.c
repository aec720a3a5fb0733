/* The readers that wait for a slot: who leaves when, and how much of that in one turn. */
#include "paxoslog/tailers.h"

#include "../support/check_main.h"
#include "../support/fake_env.h"

static struct fake_env *fake;
static struct node node;
static struct tailers tailers;
static const struct node_ops node_ops_none;
static uint32_t left;
static size_t answer_bytes;

static size_t leave(void *context, link_id from, const struct message *request,
		    const struct wire_log_query *query)
{
	ck_assert_ptr_eq(context, &tailers);
	ck_assert_uint_eq(from, request->id);
	ck_assert_uint_le(query->from, 8);
	left++;
	return answer_bytes;
}

static void add(uint64_t id, uint64_t from)
{
	struct message request = {.kind = MESSAGE_REQUEST, .id = id};
	struct wire_log_query query = {.from = from};
	ck_assert(tailers_add(&tailers, id, &request, &query, 1000));
}

static void begin(void)
{
	fake = fake_create();
	node_init(&node, &node_ops_none, &fake->env, &fake->log);
	tailers_init(&tailers, &node, leave, &tailers);
	left = 0;
}

static void finish(void)
{
	tailers_done(&tailers);
	ck_assert_uint_eq(tailers.count, 0);
	node_done(&node);
	fake_destroy(fake);
}

/*
 * faults: 98. Many wait for a slot with a long value: some are answered in this turn, others in the
 * next ones, all in the end.
 */
START_TEST(long_values)
{
	begin();
	answer_bytes = 300000;
	for (uint64_t id = 1; id <= 50; id++)
		add(id, id % 2 == 0 ? 7 : 8);
	ck_assert(tailers_wake(&tailers, 6));
	ck_assert_uint_eq(left, 0);
	uint32_t turns = 1;
	while (!tailers_wake(&tailers, 7)) {
		turns++;
		ck_assert_uint_le(left, 4 * turns);
	}
	ck_assert_uint_eq(left, 25);
	ck_assert_uint_ge(turns, 25 / 4);
	ck_assert_uint_eq(tailers.count, 25);
	ck_assert(tailers_wake(&tailers, UINT64_MAX)); /* all are sent away at once */
	ck_assert_uint_eq(left, 50);
	finish();
}
END_TEST

/* Short answers are given in one turn. */
START_TEST(short_values)
{
	begin();
	answer_bytes = 100;
	for (uint64_t id = 1; id <= 1000; id++)
		add(id, 3);
	ck_assert(tailers_wake(&tailers, 3));
	ck_assert_uint_eq(left, 1000);
	finish();
}
END_TEST

CHECK_MAIN("tailers", long_values, short_values)

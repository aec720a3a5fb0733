#include "../support/check_main.h"
#include "base/rng.h"
#include "node/timer.h"

#define COUNT 200

static struct timer timers_of_test[COUNT];
static struct timers heap;

static void never(void *data)
{
	(void)data;
}

static void setup(void)
{
	heap = (struct timers){0};
	for (int i = 0; i < COUNT; i++)
		timer_init(&timers_of_test[i], never, NULL);
}

/* The model: for each timer whether it is armed, when it is due, and when it was set. */
struct model {
	bool armed;
	uint64_t at_us;
	uint64_t order;
};

static int model_earliest(const struct model *model)
{
	int earliest = -1;

	for (int i = 0; i < COUNT; i++) {
		if (!model[i].armed)
			continue;
		if (earliest < 0 || model[i].at_us < model[earliest].at_us ||
		    (model[i].at_us == model[earliest].at_us &&
		     model[i].order < model[earliest].order))
			earliest = i;
	}
	return earliest;
}

static void run_against_model(uint64_t seed, uint64_t spread_us)
{
	struct model model[COUNT] = {0};
	uint64_t now_us = 0, order = 0;
	struct rng rng;

	setup();
	rng_seed(&rng, seed);
	for (int round = 0; round < 20000; round++) {
		size_t i = rng_below(&rng, COUNT);
		switch (rng_below(&rng, 4)) {
		case 0:
		case 1:
			model[i] = (struct model){true, now_us + rng_below(&rng, spread_us),
						  ++order};
			timers_set(&heap, &timers_of_test[i], model[i].at_us);
			break;
		case 2:
			model[i].armed = false;
			timers_cancel(&heap, &timers_of_test[i]);
			break;
		default:
			now_us += rng_below(&rng, spread_us / 50 + 2);
			for (;;) {
				int due = model_earliest(model);
				if (due >= 0 && model[due].at_us > now_us)
					due = -1;
				ck_assert_ptr_eq(timers_take_due(&heap, now_us),
						 due < 0 ? NULL : &timers_of_test[due]);
				if (due < 0)
					break;
				model[due].armed = false;
			}
		}
		int earliest = model_earliest(model);
		ck_assert_uint_eq(timers_next_us(&heap),
				  earliest < 0 ? UINT64_MAX : model[earliest].at_us);
		ck_assert(timer_armed(&timers_of_test[i]) == model[i].armed);
	}
	timers_free(&heap);
}

/*
 * A random sequence of setting, moving, cancelling and firing matches a linear search over all
 * timers.
 */
START_TEST(timers_match_a_linear_search)
{
	run_against_model(1, 10000);
	run_against_model(2, 3); /* nearly all due at the same time */
	run_against_model(3, 1000000);
}
END_TEST

/* Timers due at the same microsecond fire in the order in which they were last set. */
START_TEST(timers_of_one_time_fire_in_the_order_of_setting)
{
	setup();
	for (int i = 0; i < COUNT; i++)
		timers_set(&heap, &timers_of_test[i], 1000);
	timers_set(&heap, &timers_of_test[0], 1000);
	for (int i = 1; i < COUNT; i++)
		ck_assert_ptr_eq(timers_take_due(&heap, 1000), &timers_of_test[i]);
	ck_assert_ptr_eq(timers_take_due(&heap, 1000), &timers_of_test[0]);
	ck_assert_ptr_null(timers_take_due(&heap, UINT64_MAX));
	timers_free(&heap);
}
END_TEST

/* A timer fires no earlier than it is due, once, and may then be set again. */
START_TEST(a_timer_fires_once_and_may_be_set_again)
{
	setup();
	ck_assert_uint_eq(timers_next_us(&heap), UINT64_MAX);
	timers_set(&heap, &timers_of_test[0], 10);
	ck_assert(timer_armed(&timers_of_test[0]));
	ck_assert_ptr_null(timers_take_due(&heap, 9));
	ck_assert_ptr_eq(timers_take_due(&heap, 10), &timers_of_test[0]);
	ck_assert(!timer_armed(&timers_of_test[0]));
	ck_assert_ptr_null(timers_take_due(&heap, 11));
	timers_set(&heap, &timers_of_test[0], 5);
	ck_assert_ptr_eq(timers_take_due(&heap, 11), &timers_of_test[0]);
	timers_cancel(&heap, &timers_of_test[0]);
	timers_free(&heap);
}
END_TEST

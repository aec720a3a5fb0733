/* Tabled states: what is in the table may be done, and nothing else. */
#include "base/states.h"

#include "../support/check_main.h"

enum door { DOOR_SHUT, DOOR_OPEN, DOOR_BROKEN };

static const struct state_table DOOR = {
	"door",
	{
		[DOOR_SHUT] = {"shut", NEXT(DOOR_OPEN)},
		[DOOR_OPEN] = {"open", NEXT(DOOR_OPEN) | NEXT(DOOR_SHUT) | NEXT(DOOR_BROKEN)},
		[DOOR_BROKEN] = {"broken", 0},
	}};

/* A move that stands in the table gives the new state, also one to the same state. */
START_TEST(a_move_of_the_table_is_made)
{
	enum door door = DOOR_SHUT;
	door = state_move(&DOOR, door, DOOR_OPEN);
	ck_assert_int_eq(door, DOOR_OPEN);
	door = state_move(&DOOR, door, DOOR_OPEN);
	door = state_move(&DOOR, door, DOOR_BROKEN);
	ck_assert_int_eq(door, DOOR_BROKEN);
}
END_TEST

static void breaks_a_shut_door(void)
{
	(void)state_move(&DOOR, DOOR_SHUT, DOOR_BROKEN);
}

static void opens_a_broken_door(void)
{
	(void)state_move(&DOOR, DOOR_BROKEN, DOOR_OPEN);
}

static void enters_no_state(void)
{
	(void)state_move(&DOOR, DOOR_OPEN, 40);
}

/* Any other move ends the process. */
START_TEST(any_other_move_ends_the_process)
{
	ck_assert(check_aborts(breaks_a_shut_door));
	ck_assert(check_aborts(opens_a_broken_door));
	ck_assert(check_aborts(enters_no_state));
	ck_assert(!state_may(&DOOR, 40, DOOR_OPEN));
}
END_TEST

/* States have names, for those who read of them. */
START_TEST(states_have_names)
{
	ck_assert_str_eq(state_name(&DOOR, DOOR_BROKEN), "broken");
	ck_assert_str_eq(state_name(&DOOR, DOOR_BROKEN + 1), "?");
	ck_assert_str_eq(state_name(&DOOR, 40), "?");
}
END_TEST

/* A table is sound if each of its states can be reached, and it leads to no state without a row. */
START_TEST(a_table_is_sound_if_all_of_it_can_be_reached)
{
	static const struct state_table unreachable = {
		"door", {[DOOR_SHUT] = {"shut", NEXT(DOOR_SHUT)}, [DOOR_OPEN] = {"open", 0}}};
	static const struct state_table nowhere = {"door",
						   {[DOOR_SHUT] = {"shut", NEXT(DOOR_BROKEN)}}};
	ck_assert(state_table_is_sound(&DOOR, DOOR_SHUT));
	ck_assert(!state_table_is_sound(&DOOR, DOOR_BROKEN));
	ck_assert(!state_table_is_sound(&unreachable, DOOR_SHUT));
	ck_assert(!state_table_is_sound(&nowhere, DOOR_SHUT));
}
END_TEST

/* What the tables of snapshots allow, and what they do not. */
#include "rsm/snapshot_states.h"

#include "../support/check_main.h"

/* From how they begin, each state can be reached. */
START_TEST(every_state_of_a_snapshot_can_be_reached)
{
	ck_assert(state_table_is_sound(&TAKE_STATES, TAKE_IDLE));
	ck_assert(state_table_is_sound(&RECEIVE_STATES, RECEIVE_IDLE));
	ck_assert(state_table_is_sound(&PIECE_STATES, PIECE_WANTED));
}
END_TEST

/* Whatever happens, a snapshot that is under way can be given up at each step. */
START_TEST(each_step_can_be_given_up)
{
	for (uint32_t step = TAKE_CREATE; step <= TAKE_SYNC_DIRECTORY; step++)
		ck_assert(state_may(&TAKE_STATES, step, TAKE_IDLE));
	for (uint32_t step = RECEIVE_CREATE; step <= RECEIVE_RESTORE; step++)
		ck_assert(state_may(&RECEIVE_STATES, step, RECEIVE_IDLE));
}
END_TEST

/* A file gets its name after its contents are synced; one of a peer after it has been verified. */
START_TEST(no_step_on_the_way_to_the_name_is_left_out)
{
	for (uint32_t from = 0; from < STATES_MAX; from++) {
		ck_assert(state_may(&TAKE_STATES, from, TAKE_RENAME) == (from == TAKE_SYNC));
		ck_assert(state_may(&RECEIVE_STATES, from, RECEIVE_VERIFY) ==
			  (from == RECEIVE_SYNC));
		ck_assert(state_may(&RECEIVE_STATES, from, RECEIVE_RENAME) ==
			  (from == RECEIVE_VERIFY));
		ck_assert(state_may(&RECEIVE_STATES, from, RECEIVE_RESTORE) ==
			  (from == RECEIVE_SYNC_DIRECTORY));
	}
}
END_TEST

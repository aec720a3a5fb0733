/* What the tables of a link's states allow, and what they do not. */
#include "host/link_states.h"

#include "../support/check_main.h"

/* From how a link begins, each of its states can be reached. */
START_TEST(every_state_of_a_link_can_be_reached)
{
	ck_assert(state_table_is_sound(&LINK_DIALLED_STATES, LINK_IDLE));
	ck_assert(state_table_is_sound(&LINK_ACCEPTED_STATES, LINK_HELLO));
}
END_TEST

/* Nothing is delivered of a connection before its hello: a link opens after it, and only then. */
START_TEST(a_link_opens_after_its_hello_only)
{
	for (uint32_t from = 0; from < STATES_MAX; from++) {
		ck_assert(state_may(&LINK_DIALLED_STATES, from, LINK_OPEN) == (from == LINK_HELLO));
		ck_assert(state_may(&LINK_ACCEPTED_STATES, from, LINK_OPEN) ==
			  (from == LINK_HELLO || from == LINK_UNCONFIRMED));
	}
}
END_TEST

/* What is cut stays so: an accepted link is freed, a dialled one begins anew after a pause. */
START_TEST(a_cut_link_comes_back_by_dialling_only)
{
	for (uint32_t to = 0; to < STATES_MAX; to++) {
		ck_assert(state_may(&LINK_DIALLED_STATES, LINK_CUT, to) == (to == LINK_PAUSED));
		ck_assert(!state_may(&LINK_ACCEPTED_STATES, LINK_CUT, to));
		ck_assert(!state_may(&LINK_ACCEPTED_STATES, LINK_REFUSED, to) || to == LINK_CUT);
	}
}
END_TEST

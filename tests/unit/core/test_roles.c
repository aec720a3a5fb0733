/* Which roles may follow which, and that who listens hears of every move. */
#include "../support/check_main.h"
#include "core/consensus.h"

/* From a follower, which every replica begins as, each role can be reached. */
START_TEST(every_role_can_be_reached)
{
	ck_assert(state_table_is_sound(&CONSENSUS_ROLES, CONSENSUS_FOLLOWER));
	ck_assert_str_eq(consensus_role_text(CONSENSUS_PRE_CANDIDATE), "pre-candidate");
}
END_TEST

/* Nobody leads who has not collected promises: only a candidate becomes the leader. */
START_TEST(only_a_candidate_becomes_the_leader)
{
	for (uint32_t from = 0; from < STATES_MAX; from++)
		ck_assert(state_may(&CONSENSUS_ROLES, from, CONSENSUS_LEADER) ==
			  (from == CONSENSUS_CANDIDATE));
}
END_TEST

/* A leader goes on as a follower, whatever it does next; everybody else may become one as well. */
START_TEST(every_role_ends_as_a_follower)
{
	for (uint32_t to = 0; to < STATES_MAX; to++)
		ck_assert(state_may(&CONSENSUS_ROLES, CONSENSUS_LEADER, to) ==
			  (to == CONSENSUS_FOLLOWER));
	ck_assert(state_may(&CONSENSUS_ROLES, CONSENSUS_PRE_CANDIDATE, CONSENSUS_FOLLOWER));
	ck_assert(state_may(&CONSENSUS_ROLES, CONSENSUS_CANDIDATE, CONSENSUS_FOLLOWER));
}
END_TEST

static void count(void *context, enum consensus_role from, enum consensus_role to)
{
	uint32_t *moves = context;
	ck_assert_int_ne(from, to);
	(*moves)++;
}

/* Whoever asked for it is told of each move, with both roles. */
START_TEST(moves_are_told)
{
	struct consensus core = {0};
	uint32_t moves = 0;
	const struct consensus_options options = {.became = count, .context = &moves};
	consensus_become(&core, &options, CONSENSUS_CANDIDATE);
	consensus_become(&core, &options, CONSENSUS_LEADER);
	consensus_become(&core, &options, CONSENSUS_FOLLOWER);
	ck_assert_uint_eq(moves, 3);
	ck_assert_int_eq(consensus_role(&core), CONSENSUS_FOLLOWER);
}
END_TEST

static void lead_without_promises(void)
{
	struct consensus core = {.role = CONSENSUS_FOLLOWER};
	const struct consensus_options options = {0};
	consensus_become(&core, &options, CONSENSUS_LEADER);
}

/* A move that is not in the table is a bug, and ends the process. */
START_TEST(other_moves_end_the_process)
{
	ck_assert(check_aborts(lead_without_promises));
}
END_TEST

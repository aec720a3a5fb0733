/*
 * Members that are added, removed, replaced and promoted, with the whole replica around the core.
 * faults: 37, 39, 40
 */
#include <check.h>

#include "../support/check_main.h"
#include "group.h"
#include "rsm/internal.h"

static void begin(struct rsm_group *g, uint32_t count, uint64_t seed)
{
	struct rsm_settings settings;
	rsm_group_settings(&settings);
	settings.wal_segment_bytes = 8 * KIB;
	settings.entry_bytes = 512;
	settings.snapshot_log_bytes = 2 * KIB;
	settings.log_cache_bytes = KIB;
	rsm_group_init_lives(g, count, seed, &settings);
	uint64_t until = g->world->now_us + 20 * SIM_SECOND;
	while (rsm_group_leader(g) == UINT32_MAX ||
	       rsm_members(rsm_group_rsm(g, rsm_group_leader(g)))->slot == 0) {
		CHECK_THAT(g->world->now_us < until, "there is no list after twenty seconds");
		rsm_group_run(g, 10 * SIM_MILLISECOND);
	}
}

static const struct group_members *members_at(const struct rsm_group *g, uint32_t i)
{
	return rsm_members(rsm_group_rsm(g, i));
}

static const char *name_of(uint32_t number)
{
	static const char *const names[] = {"", "r1", "r2", "r3", "r4", "r5", "r6", "r7"};
	return names[number];
}

static const char *address_of(uint32_t number)
{
	static const char *const addresses[] = {"",     "r1:1", "r2:1", "r3:1",
						"r4:1", "r5:1", "r6:1", "r7:1"};
	return addresses[number];
}

/*
 * At whoever leads, again as long as that is not known, or another change is under way; the status.
 */
static int change(struct rsm_group *g, const struct wire_change_members *c, uint32_t *number)
{
	struct buffer request = {0};
	uint64_t until = g->world->now_us + 20 * SIM_SECOND;
	int status;
	wire_change_members_encode(c, &request);
	do {
		uint64_t id = rsm_group_ask(g, rsm_group_elect(g), METHOD_CHANGE_MEMBERS,
					    buffer_slice(&request));
		status = rsm_group_wait(g, id, 5 * SIM_SECOND);
		if (number != NULL)
			*number = (uint32_t)g->answers[id].number;
		if (status == STATUS_BUSY || status == STATUS_NOT_LEADER || status == LOST ||
		    status == PENDING)
			rsm_group_run(g, 5 * SIM_MILLISECOND);
		else
			break;
	} while (g->world->now_us < until);
	buffer_free(&request);
	return status;
}

static int add(struct rsm_group *g, uint32_t number)
{
	uint32_t given = 0;
	int status = change(
		g,
		&(struct wire_change_members){.op = WIRE_CHANGE_ADD,
					      .name = slice_string(name_of(number)),
					      .address = slice_string(address_of(number))},
		&given);
	if (status == 0)
		ck_assert_uint_eq(given, number);
	return status;
}

static int remove_member(struct rsm_group *g, uint32_t number)
{
	return change(g, &(struct wire_change_members){.op = WIRE_CHANGE_REMOVE, .number = number},
		      NULL);
}

static int replace(struct rsm_group *g, uint32_t old, uint32_t number)
{
	return change(g,
		      &(struct wire_change_members){.op = WIRE_CHANGE_REPLACE,
						    .number = old,
						    .name = slice_string(name_of(number)),
						    .address = slice_string(address_of(number))},
		      NULL);
}

static int promote(struct rsm_group *g, uint32_t number)
{
	return change(g, &(struct wire_change_members){.op = WIRE_CHANGE_PROMOTE, .number = number},
		      NULL);
}

static bool is_voter(const struct rsm_group *g, uint32_t number)
{
	uint32_t leader = rsm_group_leader(g);
	const struct group_member *m = leader == UINT32_MAX
					       ? NULL
					       : members_find(members_at(g, leader), number);
	return m != NULL && m->role == MEMBER_VOTER && rsm_group_rsm(g, number - 1) != NULL &&
	       consensus_votes(rsm_core(rsm_group_rsm(g, number - 1)));
}

static void until_voter(struct rsm_group *g, uint32_t number)
{
	uint64_t until = g->world->now_us + 20 * SIM_SECOND;
	while (!is_voter(g, number)) {
		CHECK_THAT(g->world->now_us < until, "replica %u is no voter after twenty seconds",
			   number);
		rsm_group_run(g, 10 * SIM_MILLISECOND);
	}
}

static void until_removed(struct rsm_group *g, uint32_t number)
{
	uint64_t until = g->world->now_us + 20 * SIM_SECOND;
	while (!g->replicas[number - 1].removed) {
		CHECK_THAT(g->world->now_us < until,
			   "replica %u has not been told that it is removed after twenty seconds",
			   number);
		rsm_group_run(g, 10 * SIM_MILLISECOND);
	}
	ck_assert_ptr_null(rsm_group_rsm(g, number - 1));
}

static void append(struct rsm_group *g, int count)
{
	for (int i = 0; i < count; i++)
		rsm_group_append(g, 100);
}

static void all_is_there(struct rsm_group *g)
{
	append(g, 5);
	ck_assert_int_eq(rsm_group_read(g, rsm_group_elect(g), g->appended), 0);
	ck_assert(rsm_group_agree(g, 10 * SIM_SECOND));
	ck_assert_uint_eq(g->halts, 0);
}

/* A learner until it has everything, then a voter, without being asked; it counts then. */
START_TEST(an_added_learner_becomes_a_voter)
{
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct rsm_group g;
		begin(&g, 3, seed);
		append(&g, 40);
		ck_assert_int_eq(add(&g, 4), 0);
		/* Nobody is there yet: it is a learner, and the group goes on with three voters. */
		rsm_group_run(&g, SIM_SECOND);
		uint32_t leader = rsm_group_elect(&g);
		ck_assert_uint_eq(members_voters(members_at(&g, leader)), 3);
		ck_assert_int_eq(members_find(members_at(&g, leader), 4)->role, MEMBER_LEARNER);
		ck_assert_uint_eq(members_at(&g, leader)->next_number, 5);
		append(&g, 20);
		ck_assert_int_eq(promote(&g, 4), STATUS_DENIED);
		ck_assert_ptr_nonnull(strstr(g.refusal, "r4 has not been heard"));
		rsm_group_join(&g);
		until_voter(&g, 4);
		ck_assert_int_eq(promote(&g, 4), 0);
		/*
		 * Of four voters three are a majority: with two nothing is acknowledged, with it
		 * and two others everything is.
		 */
		uint32_t other = (rsm_group_elect(&g) + 1) % 3;
		sim_process_crash(g.replicas[other].process);
		append(&g, 20);
		sim_process_start(g.replicas[other].process);
		all_is_there(&g);
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * The same question once more is answered with the same number; another one of the name, or the
 * address, is refused.
 */
START_TEST(what_cannot_be_added_is_refused)
{
	struct rsm_group g;
	begin(&g, 3, 2);
	append(&g, 5);
	ck_assert_int_eq(add(&g, 4), 0);
	uint64_t slot = members_at(&g, rsm_group_elect(&g))->slot;
	ck_assert_int_eq(add(&g, 4), 0);
	ck_assert_uint_eq(members_at(&g, rsm_group_elect(&g))->slot, slot);
	struct wire_change_members c = {
		.op = WIRE_CHANGE_ADD, .name = slice_string("r2"), .address = slice_string("x:1")};
	ck_assert_int_eq(change(&g, &c, NULL), STATUS_EXISTS);
	c = (struct wire_change_members){
		.op = WIRE_CHANGE_ADD, .name = slice_string("x"), .address = slice_string("r2:1")};
	ck_assert_int_eq(change(&g, &c, NULL), STATUS_EXISTS);
	c = (struct wire_change_members){
		.op = WIRE_CHANGE_ADD, .name = slice_string("x"), .address = slice_string("x")};
	ck_assert_int_eq(change(&g, &c, NULL), STATUS_BAD_REQUEST);
	static const char *const impossible[][2] = {
		{"a=b", "x:1"},     {"[x]", "x:1"}, {"#y", "x:1"}, {"", "x:1"},
		{"x", ""},          {"x", ":1"},    {"x", "x:0"},  {"x", "x:1:2"},
		{"x", "0.0.0.0:1"}, {"x", "[::]:1"}};
	for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++) {
		c = (struct wire_change_members){.op = WIRE_CHANGE_ADD,
						 .name = slice_string(impossible[i][0]),
						 .address = slice_string(impossible[i][1])};
		CHECK_THAT(change(&g, &c, NULL) == STATUS_BAD_REQUEST, "%s %s", impossible[i][0],
			   impossible[i][1]);
	}
	c = (struct wire_change_members){.op = WIRE_CHANGE_ADD,
					 .name = slice_string("r5"),
					 .address = slice_string("r5:1"),
					 .base = slot - 1};
	ck_assert_int_eq(change(&g, &c, NULL), STATUS_DENIED);
	c.base = slot;
	ck_assert_int_eq(change(&g, &c, NULL), 0);
	ck_assert_int_eq(replace(&g, 9, 6), STATUS_DENIED);
	ck_assert_int_eq(remove_member(&g, 9), STATUS_DENIED);
	/* Of a number that has gone the removal is done. */
	ck_assert_int_eq(remove_member(&g, 5), 0);
	ck_assert_int_eq(remove_member(&g, 5), 0);
	ck_assert_ptr_null(members_find(members_at(&g, rsm_group_elect(&g)), 5));
	/* At most so many voters, those that are to become some among them. */
	c = (struct wire_change_members){.op = WIRE_CHANGE_ADD};
	static const char *const more[] = {"a", "b", "c"}, *const addresses[] = {"a:1", "b:1",
										 "c:1"};
	for (int i = 0; i < 3; i++) {
		c.name = slice_string(more[i]);
		c.address = slice_string(addresses[i]);
		ck_assert_int_eq(change(&g, &c, NULL), 0);
	}
	c.name = slice_string("d");
	c.address = slice_string("d:1");
	ck_assert_int_eq(change(&g, &c, NULL), STATUS_DENIED);
	ck_assert_ptr_nonnull(strstr(g.refusal, "at most 7 voters"));
	/* Whoever does not lead says who does. */
	struct buffer request = {0};
	wire_change_members_encode(&c, &request);
	uint32_t follower = (rsm_group_elect(&g) + 1) % 3;
	ck_assert_int_eq(rsm_group_wait(&g,
					rsm_group_ask(&g, follower, METHOD_CHANGE_MEMBERS,
						      buffer_slice(&request)),
					SIM_SECOND),
			 STATUS_NOT_LEADER);
	buffer_free(&request);
	ck_assert_int_eq(rsm_group_wait(&g,
					rsm_group_ask(&g, follower, METHOD_MEMBERS, slice(NULL, 0)),
					SIM_SECOND),
			 0);
	ck_assert_uint_eq(g.members.nmembers, 7);
	ck_assert(!g.members.leads);
	rsm_group_free(&g);
}
END_TEST

/*
 * What is said of a replacement that cannot be, and what to do instead; and once more, when it is
 * done, is OK.
 */
START_TEST(what_cannot_be_replaced_is_refused)
{
	static const struct {
		uint32_t old;
		const char *name, *address, *says;
	} cases[] = {
		{1, "r2", "r2:1",
		 "r2 is member 2 already, a voter: to have it in the place of r1, remove r1"},
		{1, "r2", "x:1", "member 2 is already called r2, at r2:1: take another name"},
		{1, "r1", "x:1", "r1 cannot take its own place"},
		{1, "r1", "r1:1", "r1 cannot take its own place"},
		{1, "r4", "r1:1",
		 "r1, is already at r1:1: the new one needs an address of its own"},
		{1, "r4", "r2:1", "r2, is already at r2:1: give another address"},
		{1, "r5", "r5:1",
		 "r5 is member 4 already, a learner: to have it in the place of r1, remove r1 when "
		 "it has become a voter"},
		{0, "r2", "x:1",
		 "member 2 is already called r2, at r2:1: take another name; or, if it has moved, "
		 "start it there"},
	};
	struct rsm_group g;
	uint32_t number;
	begin(&g, 3, 5);
	struct wire_change_members c = {
		.op = WIRE_CHANGE_ADD, .name = slice_string("r5"), .address = slice_string("r5:1")};
	ck_assert_int_eq(change(&g, &c, NULL), 0);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		c = (struct wire_change_members){.op = cases[i].old == 0 ? WIRE_CHANGE_ADD
									 : WIRE_CHANGE_REPLACE,
						 .number = cases[i].old,
						 .name = slice_string(cases[i].name),
						 .address = slice_string(cases[i].address)};
		ck_assert_int_eq(change(&g, &c, NULL), STATUS_EXISTS);
		CHECK_THAT(strstr(g.refusal, cases[i].says) != NULL, "case %zu: '%s'", i,
			   g.refusal);
	}
	ck_assert_int_eq(remove_member(&g, 4), 0);
	rsm_group_free(&g);
	begin(&g, 3, 6);
	c = (struct wire_change_members){.op = WIRE_CHANGE_REPLACE,
					 .number = 1,
					 .name = slice_string("r4"),
					 .address = slice_string("r4:1")};
	ck_assert_int_eq(change(&g, &c, NULL), 0);
	rsm_group_join(&g);
	until_voter(&g, 4);
	ck_assert_int_eq(change(&g, &c, &number), 0);
	ck_assert_uint_eq(number, 4);
	all_is_there(&g);
	rsm_group_free(&g);
}
END_TEST

/*
 * A follower, or the leader itself: it is told, and ends; the others go on, and a leader is found
 * at once.
 */
START_TEST(a_removed_member_is_told_and_ends)
{
	for (uint64_t seed = 1; seed <= 8; seed++) {
		struct rsm_group g;
		begin(&g, 3, seed);
		append(&g, 30);
		uint32_t leader = rsm_group_elect(&g),
			 gone = seed % 2 == 0 ? leader : (leader + 1) % 3;
		ck_assert_int_eq(remove_member(&g, gone + 1), 0);
		if (gone == leader) {
			uint64_t before = g.world->now_us;
			while (rsm_group_leader(&g) == UINT32_MAX || rsm_group_leader(&g) == leader)
				rsm_group_run(&g, SIM_MILLISECOND / 10);
			/* It need not be missed first. */
			CHECK_THAT(g.world->now_us - before < 60 * SIM_MILLISECOND,
				   "it takes %u ms to find another leader",
				   (unsigned)((g.world->now_us - before) / 1000));
		}
		append(&g, 10);
		until_removed(&g, gone + 1);
		ck_assert_uint_eq(members_voters(members_at(&g, rsm_group_elect(&g))), 2);
		/* Of two, nobody can be missed. */
		uint32_t second = rsm_group_elect(&g);
		sim_process_crash(g.replicas[second].process);
		rsm_group_run(&g, 3 * SIM_SECOND);
		ck_assert_uint_eq(rsm_group_leader(&g), UINT32_MAX);
		sim_process_start(g.replicas[second].process);
		all_is_there(&g);
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * A leader that is removed keeps no client: it hears of its successor as soon as that leads, not
 * with the next heartbeat that nobody answers any more.
 */
START_TEST(a_removed_leader_hears_of_its_successor_at_once)
{
	for (uint64_t seed = 1; seed <= 8; seed++) {
		struct rsm_group g;
		begin(&g, 3, seed);
		rsm_group_append_many(&g, 10);
		uint32_t old = rsm_group_elect(&g), next = UINT32_MAX;
		struct wire_change_members c = {.op = WIRE_CHANGE_REMOVE, .number = old + 1};
		struct buffer out = {0};
		wire_change_members_encode(&c, &out);
		rsm_group_ask(&g, old, METHOD_CHANGE_MEMBERS, buffer_slice(&out));
		buffer_free(&out);
		while (next == UINT32_MAX) {
			rsm_group_run(&g, 100);
			for (uint32_t i = 0; i < 3; i++)
				if (i != old && rsm_is_leader(rsm_group_rsm(&g, i)))
					next = i;
		}
		rsm_group_run(&g, 3 * SIM_MILLISECOND);
		ck_assert(g.replicas[old].removed || !rsm_is_leader(rsm_group_rsm(&g, old)));
		rsm_group_free(&g);
	}
}
END_TEST

/* What the rest could not carry is refused, and names who is missing; whoever is dead may go. */
START_TEST(a_change_that_leaves_no_quorum_is_refused)
{
	struct rsm_group g;
	begin(&g, 3, 3);
	append(&g, 10);
	uint32_t leader = rsm_group_elect(&g), dead = (leader + 1) % 3, other = (leader + 2) % 3;
	sim_process_crash(g.replicas[dead].process);
	rsm_group_run(&g, SIM_SECOND);
	ck_assert_int_eq(remove_member(&g, other + 1), STATUS_DENIED);
	char expected[64];
	snprintf(expected, sizeof expected, "%s has been silent for", name_of(dead + 1));
	ck_assert_ptr_nonnull(strstr(g.refusal, expected));
	ck_assert_int_eq(remove_member(&g, dead + 1), 0);
	append(&g, 10);
	leader = rsm_group_elect(&g);
	ck_assert_int_eq(remove_member(&g, other + 1), 0);
	until_removed(&g, other + 1);
	append(&g, 10);
	ck_assert_int_eq(remove_member(&g, rsm_group_elect(&g) + 1), STATUS_DENIED);
	ck_assert_ptr_nonnull(strstr(g.refusal, "the only voter"));
	/* It comes back, with an old list, and is told. */
	sim_process_start(g.replicas[dead].process);
	until_removed(&g, dead + 1);
	all_is_there(&g);
	rsm_group_free(&g);
}
END_TEST

/*
 * Who has died in this moment, and is not missed yet, carries nothing: those who stay are asked.
 * Nor do those carry it who cannot answer because they are cut off; and a change that waits for
 * answers lets no other one in, and ends with its leadership.
 */
START_TEST(a_member_that_has_just_died_carries_no_change)
{
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct rsm_group g;
		begin(&g, 3, seed);
		append(&g, 10);
		uint32_t leader = rsm_group_elect(&g), dead = (leader + 1) % 3,
			 other = (leader + 2) % 3;
		rsm_group_run(&g, seed * 3 * SIM_MILLISECOND);
		if (seed % 2 == 0)
			sim_process_crash(g.replicas[dead].process);
		else
			sim_process_pause(g.replicas[dead].process);
		ck_assert_int_eq(remove_member(&g, other + 1), STATUS_DENIED);
		char expected[64];
		snprintf(expected, sizeof expected, "%s does not answer", name_of(dead + 1));
		CHECK_THAT(strstr(g.refusal, expected) != NULL ||
				   strstr(g.refusal, "silent for") != NULL,
			   "it says: %s", g.refusal);
		ck_assert_ptr_nonnull(strstr(g.refusal, name_of(dead + 1)));
		append(&g, 10);
		ck_assert_uint_eq(members_voters(members_at(&g, rsm_group_elect(&g))), 3);
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * While a change is not decided a second one is BUSY; a leader that is cut off ends the first one
 * truly.
 */
START_TEST(one_change_is_made_at_a_time)
{
	struct rsm_group g;
	begin(&g, 3, 5);
	append(&g, 10);
	uint32_t leader = rsm_group_elect(&g);
	sim_process_pause(g.replicas[(leader + 1) % 3].process);
	sim_process_pause(g.replicas[(leader + 2) % 3].process);
	struct buffer request = {0};
	wire_change_members_encode(
		&(struct wire_change_members){.op = WIRE_CHANGE_REMOVE, .number = leader + 1},
		&request);
	uint64_t first = rsm_group_ask(&g, leader, METHOD_CHANGE_MEMBERS, buffer_slice(&request));
	uint64_t second = rsm_group_ask(&g, leader, METHOD_CHANGE_MEMBERS, buffer_slice(&request));
	ck_assert_int_eq(rsm_group_wait(&g, second, SIM_SECOND), STATUS_BUSY);
	int status = rsm_group_wait(&g, first, SIM_SECOND);
	CHECK_THAT(status == STATUS_DENIED || status == STATUS_NOT_LEADER, "the first ends with %d",
		   status);
	buffer_free(&request);
	sim_process_resume(g.replicas[(leader + 1) % 3].process);
	sim_process_resume(g.replicas[(leader + 2) % 3].process);
	all_is_there(&g);
	ck_assert_uint_eq(members_voters(members_at(&g, rsm_group_elect(&g))), 3);
	rsm_group_free(&g);
}
END_TEST

/*
 * Likewise of a learner that becomes a voter by itself: whenever it dies together with a voter, the
 * group goes on with the others.
 */
START_TEST(a_dead_learner_gets_no_vote)
{
	uint32_t before = 0;
	for (uint64_t k = 0; k < 60; k++) {
		struct rsm_group g;
		begin(&g, 3, 1 + k % 5);
		append(&g, 10);
		ck_assert_int_eq(add(&g, 4), 0);
		uint32_t joined = rsm_group_join(&g), leader = rsm_group_elect(&g);
		rsm_group_run(&g, k * 7 * SIM_MILLISECOND);
		leader = rsm_group_elect(&g);
		const struct rsm *rsm = rsm_group_rsm(&g, leader);
		/*
		 * They may have answered the question whether they are there: then it is too late
		 * to die.
		 */
		bool begun = rsm->promotion_round != 0 || !consensus_can_propose(rsm_core(rsm)) ||
			     members_voters(members_at(&g, leader)) == 4;
		sim_process_crash(g.replicas[joined].process);
		sim_process_crash(g.replicas[(leader + 1) % 3].process);
		before += !begun;
		if (!begun) {
			append(&g, 5);
			rsm_group_run(&g, SIM_SECOND);
			append(&g, 5);
		}
		sim_process_start(g.replicas[joined].process);
		sim_process_start(g.replicas[(leader + 1) % 3].process);
		until_voter(&g, 4);
		all_is_there(&g);
		rsm_group_free(&g);
	}
	CHECK_THAT(before > 10 && before < 60, "%u of 60 die before", before);
}
END_TEST

/* A voter that would leave too few who are there is not made. */
START_TEST(no_voter_is_made_that_too_few_could_carry)
{
	struct rsm_group g;
	begin(&g, 3, 4);
	append(&g, 10);
	uint32_t dead = (rsm_group_elect(&g) + 1) % 3;
	ck_assert_int_eq(add(&g, 4), 0);
	uint32_t joined = rsm_group_join(&g);
	sim_process_crash(g.replicas[dead].process);
	until_voter(&g, 4);
	/*
	 * One of four is dead: a fifth would be no help, but harmless; a sixth, with two dead,
	 * would stop the group.
	 */
	sim_process_crash(g.replicas[joined].process);
	rsm_group_run(&g, 100 * SIM_MILLISECOND);
	ck_assert_uint_eq(members_voters(members_at(&g, (dead + 1) % 3)), 4);
	sim_process_start(g.replicas[joined].process);
	append(&g, 10);
	ck_assert_int_eq(add(&g, 5), 0);
	ck_assert_int_eq(promote(&g, 5), STATUS_DENIED);
	sim_process_start(g.replicas[dead].process);
	rsm_group_join(&g);
	until_voter(&g, 5);
	all_is_there(&g);
	rsm_group_free(&g);
}
END_TEST

/*
 * Each of them in turn, under load; the first leader among them. What was acknowledged is there, on
 * no machine that was there before.
 */
START_TEST(all_members_may_be_replaced_under_load)
{
	for (uint64_t seed = 1; seed <= 3; seed++) {
		struct rsm_group g;
		begin(&g, 3, seed);
		append(&g, 40);
		for (uint32_t old = 1; old <= 3; old++) {
			bool dead = (old + seed) % 3 == 0;
			if (dead)
				sim_process_crash(g.replicas[old - 1].process);
			ck_assert_int_eq(replace(&g, old, old + 3), 0);
			ck_assert_int_eq(replace(&g, old, old + 3), 0);
			append(&g, 10);
			ck_assert_uint_eq(members_voters(members_at(&g, rsm_group_elect(&g))), 3);
			rsm_group_join(&g);
			until_voter(&g, old + 3);
			ck_assert_ptr_null(members_find(members_at(&g, rsm_group_elect(&g)), old));
			append(&g, 10);
			if (!dead)
				until_removed(&g, old);
		}
		ck_assert_uint_eq(members_at(&g, rsm_group_elect(&g))->count, 3);
		all_is_there(&g);
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * A member comes back that was down all the while, and those that it knew have all gone: the others
 * find it, and it counts.
 */
START_TEST(a_member_with_an_old_list_is_found)
{
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct rsm_group g;
		begin(&g, 3, seed);
		append(&g, 20);
		uint32_t down = (rsm_group_elect(&g) + 1) % 3;
		sim_process_crash(g.replicas[down].process);
		for (uint32_t number = 4; number <= 5; number++) {
			ck_assert_int_eq(add(&g, number), 0);
			rsm_group_join(&g);
			until_voter(&g, number);
		}
		for (uint32_t i = 0; i < 3; i++) {
			if (i == down)
				continue;
			append(&g, 10);
			ck_assert_int_eq(remove_member(&g, i + 1), 0);
			append(&g, 10);
			until_removed(&g, i + 1);
		}
		sim_process_start(g.replicas[down].process);
		rsm_group_run(&g, SIM_SECOND);
		ck_assert(consensus_votes(rsm_core(rsm_group_rsm(&g, down))));
		ck_assert_uint_eq(members_at(&g, down)->count, 3);
		sim_process_crash(g.replicas[3].process);
		append(&g, 10);
		sim_process_start(g.replicas[3].process);
		all_is_there(&g);
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * faults: 36, 40, 41. A leader that is cut off from the others is asked to remove one of them:
 * nothing is said of it before it is chosen, and it is not. Another change is made meanwhile, and
 * that is the one that counts, everywhere.
 */
START_TEST(a_leader_that_is_cut_off_says_nothing_of_a_change)
{
	for (uint64_t seed = 1; seed <= 8; seed++) {
		struct rsm_group g;
		begin(&g, 3, seed);
		append(&g, 20);
		uint32_t alone = rsm_group_elect(&g), a = (alone + 1) % 3, b = (alone + 2) % 3;
		struct sim_process *cut = g.replicas[alone].process;
		const struct sim_process *others[] = {g.replicas[a].process, g.replicas[b].process};
		struct buffer request = {0};
		wire_change_members_encode(
			&(struct wire_change_members){.op = WIRE_CHANGE_REMOVE, .number = a + 1},
			&request);
		uint64_t asked = rsm_group_ask(&g, alone, METHOD_CHANGE_MEMBERS,
					       buffer_slice(&request));
		buffer_free(&request);
		/* The others have said that they are there, and hear no more. */
		bool proposed = seed % 2 == 1;
		while (proposed && consensus_can_propose(rsm_core(rsm_group_rsm(&g, alone))))
			rsm_group_run(&g, SIM_MILLISECOND / 50);
		for (int i = 0; i < 2; i++) {
			sim_network_cut(g.world, cut, (struct sim_process *)(uintptr_t)others[i]);
			sim_network_cut(g.world, (struct sim_process *)(uintptr_t)others[i], cut);
		}
		int status = rsm_group_wait(&g, asked, SIM_SECOND);
		ck_assert(proposed ? status == PENDING
				   : status == STATUS_NOT_LEADER || status == STATUS_DENIED);
		while (rsm_group_leader(&g) == UINT32_MAX || rsm_group_leader(&g) == alone)
			rsm_group_run(&g, 10 * SIM_MILLISECOND);
		ck_assert_int_eq(add(&g, 4), 0);
		append(&g, 10);
		/*
		 * With what it had proposed in its log, where another entry was chosen meanwhile.
		 */
		if (seed > 4)
			sim_process_restart(cut);
		rsm_group_run(&g, 10 * SIM_MILLISECOND);
		ck_assert_uint_eq(members_at(&g, alone)->count, 3);
		sim_network_heal(g.world);
		ck_assert_int_ne(rsm_group_wait(&g, asked, 10 * SIM_SECOND), 0);
		rsm_group_join(&g);
		until_voter(&g, 4);
		all_is_there(&g);
		for (uint32_t i = 0; i < 4; i++) {
			ck_assert_uint_eq(members_at(&g, i)->count, 4);
			ck_assert_uint_eq(members_at(&g, i)->slot, members_at(&g, 0)->slot);
		}
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * Learners are sent everything, and nothing waits for them: not a write, not a read, not a leader
 * for its majority.
 */
START_TEST(learners_count_nowhere)
{
	struct rsm_group g;
	begin(&g, 3, 7);
	append(&g, 10);
	for (uint32_t number = 4; number <= 6; number++)
		ck_assert_int_eq(add(&g, number), 0);
	uint32_t leader = rsm_group_elect(&g);
	append(&g, 10);
	ck_assert_uint_eq(members_at(&g, leader)->count, 6);
	ck_assert_int_eq(rsm_group_read(&g, leader, g.appended), 0);
	ck_assert_uint_eq(consensus_quorum_others(rsm_core(rsm_group_rsm(&g, leader))), 1);
	/* One voter of three is missing, and three learners: still. */
	sim_process_crash(g.replicas[(leader + 1) % 3].process);
	append(&g, 10);
	rsm_group_run(&g, 2 * SIM_SECOND);
	ck_assert_uint_ne(rsm_group_leader(&g), UINT32_MAX);
	ck_assert_int_eq(rsm_group_read(&g, rsm_group_elect(&g), g.appended), 0);
	sim_process_start(g.replicas[(leader + 1) % 3].process);
	all_is_there(&g);
	rsm_group_free(&g);
}
END_TEST

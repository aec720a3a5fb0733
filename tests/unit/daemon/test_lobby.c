/*
 * Whose member is a node with an empty directory, and what of a file that lacks members? Lobbies,
 * and replicas that know, over real connections. faults: 38, 91
 */
#include "../support/check_main.h"

#include "../host/group.h"
#include "daemon/lobby.h"

static struct node *lobbies[GROUP_NODES + 1];
static uint32_t overs[GROUP_NODES + 1];
static uint32_t nplaces; /* in the configuration */

static void on_over(void *context)
{
	overs[(uintptr_t)context]++;
}

/* A node in the lobby; with `lacks`, it has a log. Its directory has the life 0x500 + number. */
static struct member *enter(uint32_t number, struct identity id, const char *lacks)
{
	struct member *m = &members[number];
	char error[512];
	*m = (struct member){0};
	struct host_options options = options_of(m, &id);
	options.waits = lacks == NULL;
	ck_assert_msg(host_create(&m->host, &options, error, sizeof error) == 0, "%s", error);
	struct lobby_options lobby = {.host = m->host,
				      .env = host_env(m->host),
				      .log = &m->log,
				      .cluster = "test",
				      .version = "1",
				      .file = "test.conf",
				      .address = addresses[number],
				      .identity = id,
				      .lacks = lacks,
				      .over = on_over,
				      .context = (void *)(uintptr_t)number};
	for (uint32_t i = 1; i <= nplaces; i++)
		if (i != number)
			lobby.others[lobby.nothers++] = (struct lobby_other){names[i],
									     addresses[i]};
	lobbies[number] = lobby_create(&lobby);
	overs[number] = 0;
	ck_assert_msg(host_start(m->host, lobbies[number], error, sizeof error) == 0, "%s", error);
	return m;
}

static struct member *enter_empty(uint32_t number)
{
	uint32_t all = 0;
	for (uint32_t i = 1; i <= nplaces; i++)
		all |= S(i);
	struct identity id = identity_of(number, list_of(0, all));
	id.group_id = 0;
	id.log = false;
	id.life = 0x500 + number;
	for (uint32_t i = 0; i < id.members.count; i++)
		id.members.list[i].life = 0;
	return enter(number, id, NULL);
}

static void leave(uint32_t number)
{
	lobbies[number]->ops->destroy(lobbies[number]);
	host_destroy(members[number].host);
	buffer_free(&members[number].lines);
	members[number].host = NULL;
	lobbies[number] = NULL;
}

static void leave_all(void)
{
	for (uint32_t i = 1; i <= GROUP_NODES; i++)
		if (lobbies[i] != NULL)
			leave(i);
	end_all();
}

static void choose(uint32_t places)
{
	choose_places();
	nplaces = nfile = places;
}

static enum lobby_outcome outcome(uint32_t number)
{
	return lobby_outcome(lobbies[number]);
}

/* A replica that knows the group: members by the set, lives 0x100 + number. */
static struct member *knows(uint32_t number, uint64_t slot, uint32_t set)
{
	static struct identity_members list;
	list = list_of(slot, set);
	struct member *m = member_run(number, slot, set);
	m->tells = told(0x91, &list);
	return m;
}

/* A group begins when all have met: not before the last one is there. */
START_TEST(a_group_begins_when_all_have_met)
{
	choose(3);
	enter_empty(1);
	enter_empty(2);
	settle();
	ck_assert_int_eq(outcome(1), LOBBY_NONE);
	ck_assert_int_eq(outcome(2), LOBBY_NONE);
	enter_empty(3);
	AWAIT(outcome(1) == LOBBY_BORN && outcome(2) == LOBBY_BORN && outcome(3) == LOBBY_BORN);
	ck_assert_uint_eq(overs[1], 1);
	leave_all();
}
END_TEST

/* One that has left for its birth, and is not heard as a lobby any more, holds up nobody. */
START_TEST(birth_of_the_last)
{
	choose(2);
	enter_empty(1);
	struct identity id = identity_of(2, list_of(0, S(1) | S(2)));
	id.group_id = 0;
	struct member *s2 = member_start(&id);
	struct identity_members list = list_of(0, S(1) | S(2));
	s2->tells = told(0, &list);
	AWAIT(outcome(1) == LOBBY_BORN);
	leave_all();
}
END_TEST

/* Two configurations that name other members begin nothing. */
START_TEST(files_that_disagree_begin_nothing)
{
	choose(2);
	enter_empty(1);
	nplaces = nfile = 3;
	enter_empty(2);
	nplaces = 2;
	settle();
	ck_assert_int_eq(outcome(1), LOBBY_NONE);
	ck_assert_int_eq(outcome(2), LOBBY_NONE);
	ck_assert(has_logged(&members[2],
			     "node s1 has the members (1 s1, 2 s2) in its group, node s2 has (1 "
			     "s1, 2 s2, 3 s3): the sections of the group must be alike"));
	leave_all();
}
END_TEST

/* More than a group can begin with. */
START_TEST(more_than_a_group_can_have_do_not_begin)
{
	choose(2);
	struct identity id = identity_of(1, list_of(0, S(1) | S(2)));
	id.group_id = 0;
	id.log = false;
	for (uint32_t i = 3; i <= REPLICAS_MAX + 1; i++)
		identity_add_member(&id.members, i, "other", "127.0.0.1:1");
	struct identity other = id;
	snprintf(other.node, sizeof other.node, "s2");
	other.replica = 2;
	enter(1, id, NULL);
	enter(2, other, NULL);
	AWAIT(outcome(1) == LOBBY_REFUSED);
	ck_assert_ptr_nonnull(
		strstr(lobby_text(lobbies[1]),
		       "test.conf names 8 members of the group, which begins with at most 7"));
	leave_all();
}
END_TEST

/*
 * Its group lives without it: it says what to type, answers as nobody, and becomes a member when
 * the list has it.
 */
START_TEST(a_group_that_lives_takes_it_in_as_a_member)
{
	struct identity id = {0};
	choose(3);
	struct member *s1 = knows(1, 5, S(1) | S(2));
	struct member *s3 = enter_empty(3);
	AWAIT(has_logged(s3, "event=joining"));
	ck_assert(has_logged(s3, "group=1 members=\"1 s1, 2 s2\" slot=5"));
	char type[96];
	snprintf(type, sizeof type, "type: kvctl member add 1 s3 %s", addresses[3]);
	ck_assert(has_logged(s3, type));
	settle();
	ck_assert_int_eq(outcome(3), LOBBY_NONE);
	struct buffer json = {0};
	lobbies[3]->ops->status_json(lobbies[3], &json);
	ck_assert_ptr_nonnull(memmem(json.data, json.len, "\"state\":\"joining\"",
				     strlen("\"state\":\"joining\"")));
	buffer_free(&json);
	/* What it says while it waits counts nowhere, though it bears a name of the file. */
	struct message message = {
		.kind = MESSAGE_ONEWAY, .method = METHOD_ACCEPT, .payload = slice_string("x")};
	node_send(lobbies[3], node_dial(lobbies[3], addresses[1]), &message);
	settle();
	ck_assert_uint_eq(s1->oneways, 0);
	/* Added, and not met yet. */
	struct identity_members list = list_of(6, S(1) | S(2) | S(3));
	list.list[2].life = 0;
	s1->tells = told(0x91, &list);
	s1->tells.members[2].role = 2;
	AWAIT(outcome(3) == LOBBY_MEMBER);
	lobby_identity(lobbies[3], &id);
	ck_assert(id.added && !id.lost && id.replica == 3 && id.group_id == 0x91 &&
		  id.members.slot == 6 && id.members.count == 3);
	ck_assert(id.members.list[2].learner && !id.members.list[1].learner);
	leave_all();
}
END_TEST

/* Its file lacks a member: said before it is added, not afterwards. */
START_TEST(its_file_lacks_a_member)
{
	choose(3);
	struct identity_members list = {.slot = 9};
	identity_add_member(&list, 1, "s1", addresses[1]);
	identity_add_member(&list, 4, "s9", "127.0.0.1:9");
	struct member *s1 = knows(1, 5, S(1));
	s1->tells = told(0x91, &list);
	enter_empty(3);
	AWAIT(outcome(3) == LOBBY_REFUSED);
	ck_assert_ptr_nonnull(
		strstr(lobby_text(lobbies[3]),
		       "test.conf has no [node s9], which is replica 4 at 127.0.0.1:9"));
	leave_all();
}
END_TEST

/* Another number than its position in the file. */
START_TEST(another_number_than_the_position_is_refused)
{
	struct identity id = {0};
	choose(2);
	struct identity_members list = {.slot = 9};
	identity_add_member(&list, 1, "s1", addresses[1]);
	identity_add_member(&list, 17, "s2", addresses[2]);
	struct member *s1 = knows(1, 5, S(1));
	s1->tells = told(0x91, &list);
	enter_empty(2);
	AWAIT(outcome(2) == LOBBY_MEMBER);
	lobby_identity(lobbies[2], &id);
	ck_assert_uint_eq(id.replica, 17);
	leave_all();
}
END_TEST

/*
 * A directory that replaces one that was lost: also if the group has not said yet whose lives
 * count.
 */
START_TEST(a_directory_in_the_place_of_a_lost_one_joins)
{
	choose(2);
	for (uint64_t slot = 0; slot < 6; slot += 5) {
		struct identity id = {0};
		knows(1, slot, S(1) | S(2));
		struct member *s2 = enter_empty(2);
		AWAIT(outcome(2) == LOBBY_MEMBER);
		lobby_identity(lobbies[2], &id);
		ck_assert(id.lost && !id.added && id.replica == 2 && id.members.slot == slot);
		ck_assert(has_logged(
			s2,
			"event=directory_lost why=\"node s2 has come without its data directory"));
		leave_all();
	}
}
END_TEST

/*
 * A replica that has lost its log, too, knows the group by its directory alone: that is no birth.
 */
START_TEST(a_replica_without_its_log_is_no_birth)
{
	struct identity id = {0};
	choose(2);
	struct member *s1 = knows(1, 5, S(1) | S(2));
	s1->tells.group_id = 0;
	s1->tells.slot = 0;
	enter_empty(2);
	AWAIT(outcome(2) == LOBBY_MEMBER);
	lobby_identity(lobbies[2], &id);
	ck_assert(id.lost && id.group_id == 0x91);
	leave_all();
}
END_TEST

static void send_welcome(struct member *from, uint32_t to, uint64_t group, uint32_t number,
			 const struct identity_members *list)
{
	struct buffer out = {0};
	struct wire_members told_ = told(0x91, list);
	struct wire_welcome welcome = {.group = group,
				       .group_id = 0x91,
				       .number = number,
				       .slot = list->slot,
				       .next_number = 9,
				       .nmembers = told_.nmembers};
	memcpy(welcome.members, told_.members, sizeof welcome.members);
	wire_welcome_encode(&welcome, &out);
	struct message message = {
		.kind = MESSAGE_ONEWAY, .method = METHOD_WELCOME, .payload = buffer_slice(&out)};
	node_send(&from->node, node_dial(&from->node, addresses[to]), &message);
	buffer_free(&out);
}

/* A leader's word counts at once; not that for another node or group, nor a client's. */
START_TEST(a_leaders_word_counts_at_once)
{
	struct identity id = {0};
	choose(3);
	struct identity_members list = list_of(6, S(1) | S(3)), other = list_of(6, S(1) | S(2));
	struct member *s1 = knows(1, 5, S(1) | S(2));
	struct member *s3 = enter_empty(3);
	AWAIT(has_logged(s3, "event=joining"));
	list.list[1].life = 0;
	for (int i = 0; i < 3; i++) {
		send_welcome(s1, 3, 2, 3, &list);
		send_welcome(s1, 3, 1, 2, &other);
		settle();
	}
	AWAIT(has_logged(s3, "event=welcome_refused"));
	ck_assert_int_eq(outcome(3), LOBBY_NONE);
	struct raw client = raw_open(s3->host);
	struct buffer out = {0};
	frame_of(&out, MESSAGE_ONEWAY, METHOD_WELCOME, 0, slice_string("x"));
	ck_assert(raw_send(&client, buffer_slice(&out)));
	AWAIT(s3->host->denied_total == 1);
	raw_close(&client);
	buffer_free(&out);
	while (outcome(3) == LOBBY_NONE) {
		send_welcome(s1, 3, 1, 3, &list);
		turn_all();
	}
	ck_assert_int_eq(outcome(3), LOBBY_MEMBER);
	lobby_identity(lobbies[3], &id);
	ck_assert(id.added && id.replica == 3 && id.members.slot == 6);
	leave_all();
}
END_TEST

/*
 * With a log, and a file that lacks members: a newer list is taken over; the same one confirms
 * them; one without us ends it.
 */
START_TEST(a_file_that_lacks_members_asks_first)
{
	static const struct {
		uint64_t slot;
		uint32_t set;
		enum lobby_outcome outcome;
	} cases[] = {{6, S(1) | S(2), LOBBY_MEMBER},
		     {5, S(1) | S(2) | S(3), LOBBY_REFUSED},
		     {4, S(2) | S(1), LOBBY_REFUSED},
		     {7, S(1), LOBBY_REMOVED}};
	choose(2);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct identity id = identity_of(2, list_of(5, S(1) | S(2) | S(3)));
		/*
		 * Who knows more refuses the hello of one that it has removed: that is told to the
		 * host. Here it answers.
		 */
		struct member *s1 = knows(1, cases[i].outcome == LOBBY_REMOVED ? 5 : cases[i].slot,
					  cases[i].outcome == LOBBY_REMOVED ? S(1) | S(2)
									    : cases[i].set);
		struct identity_members list = list_of(cases[i].slot, cases[i].set);
		s1->tells = told(0x91, &list);
		enter(2, id, "s3 is missing");
		AWAIT(outcome(2) != LOBBY_NONE);
		ck_assert_int_eq(outcome(2), cases[i].outcome);
		if (cases[i].outcome == LOBBY_MEMBER) {
			id.lost = true;
			id.replica = 99;
			lobby_identity(lobbies[2], &id);
			ck_assert(!id.lost && !id.added && id.replica == 2 &&
				  id.members.slot == 6 && id.members.count == 2);
		} else if (cases[i].outcome == LOBBY_REFUSED) {
			ck_assert_str_eq(lobby_text(lobbies[2]), "s3 is missing");
		}
		leave_all();
	}
}
END_TEST

/* Nobody can be asked: what the directory says stands. */
START_TEST(without_a_peer_to_ask_the_directory_counts)
{
	choose(2);
	enter(2, identity_of(2, list_of(5, S(1) | S(2) | S(3))), "s3 is missing");
	AWAIT(outcome(2) == LOBBY_REFUSED);
	leave_all();
}
END_TEST

/*
 * The members of a group as they change while hosts run: who may speak, where links lead, who is
 * told that it is removed, who asks for the news. faults: 39, 91
 */
#include <stdlib.h>

#include "../support/check_main.h"
#include "group.h"

/* A list that the group has changed, as the node tells it. */
static void follow(struct member *m, uint64_t slot, uint32_t set)
{
	struct identity_members list = list_of(slot, set);
	host_env(m->host)->ops->members(host_env(m->host), &list);
}

static uint64_t series(struct member *m, const char *peer)
{
	struct buffer out = {0};
	char wanted[128];
	metrics_render(&m->node.metrics, &out);
	buffer_add_u8(&out, 0);
	snprintf(wanted, sizeof wanted,
		 "synod_rpc_frames_received_total{method=\"accept\",peer=\"%s\"} ", peer);
	const char *found = strstr((const char *)out.data, wanted);
	uint64_t value = found == NULL ? 0 : strtoull(found + strlen(wanted), NULL, 10);
	buffer_free(&out);
	return value;
}

/*
 * Whom only the group names is heard from the moment on in which it is a member; and has metrics of
 * its own.
 */
START_TEST(an_added_member_is_heard)
{
	choose_places();
	nfile = 2; /* s1 and s2 */
	struct member *s1 = member_run(1, 5, S(1) | S(2));
	struct member *s3 = member_run(3, 6, S(1) | S(2) | S(3));
	/* Too early: s1 does not know it yet, and has nobody who could tell. */
	for (int i = 0; i < 3; i++) {
		say(s3, 1);
		settle();
	}
	ck_assert_uint_eq(s1->oneways, 0);
	ck_assert(has_logged(s1, "event=unknown_member"));
	ck_assert_uint_eq(s1->asked, 0);
	follow(s1, 6, S(1) | S(2) | S(3));
	while (s1->oneways == 0) {
		say(s3, 1);
		turn_all();
	}
	say(s1, 3);
	AWAIT(s3->oneways == 1);
	ck_assert_uint_gt(series(s1, "s3"), 0);
	ck_assert_uint_eq(peer_find(s1->host, slice_string("s3"))->seats, 1);
	end_all();
}
END_TEST

/*
 * Who listens at an address changes: the link leads to the new member, the old one's name is not
 * asked for any more.
 */
START_TEST(replaced_at_its_address)
{
	choose_places();
	nfile = 1;
	struct member *s1 = member_run(1, 5, S(1) | S(2));
	struct member *s2 = member_run(2, 5, S(1) | S(2));
	say(s1, 2);
	AWAIT(s2->oneways == 1);
	link_id link = node_dial(&s1->node, addresses[2]);
	member_end(s2);
	strcpy(addresses[3], addresses[2]);
	struct member *s3 = member_run(3, 6, S(1) | S(3));
	for (int i = 0; i < 20; i++) {
		say(s1, 2);
		settle();
	}
	ck_assert_uint_eq(s3->oneways, 0);
	follow(s1, 6, S(1) | S(3));
	while (s3->oneways == 0) {
		say(s1, 3);
		turn_all();
	}
	ck_assert_uint_eq(node_dial(&s1->node, addresses[3]), link);
	end_all();
}
END_TEST

/*
 * A removed member is heard for a while, on the connections that it has; on a new one it is told,
 * notes it, and stops.
 */
START_TEST(a_removed_member_is_told_and_stops)
{
	choose_places();
	struct member *s1 = member_run(1, 5, S(1) | S(2) | S(3));
	struct member *s3 = member_run(3, 5, S(1) | S(2) | S(3));
	say(s3, 1);
	AWAIT(s1->oneways == 1);
	follow(s1, 6, S(1) | S(2));
	say(s3, 1);
	AWAIT(s1->oneways == 2);
	ck_assert(!s3->stopped);
	/* It has lost its connection. */
	member_end(s3);
	s3 = member_run(3, 5, S(1) | S(2) | S(3));
	while (!s3->stopped) {
		say(s3, 1);
		turn_all();
	}
	ck_assert(host_identity_own(s3->host)->removed);
	ck_assert(has_logged(
		s3, "event=removed group=1 replica=3 why=\"node s3, which was replica 3 of group "
		    "1, has been removed from it: since slot 6 its members are (1 s1, 2 s2)"));
	ck_assert_uint_eq(s1->oneways, 2);
	end_all();
}
END_TEST

/*
 * The list of a later generation counts, whatever its slot: who is not in it is told, notes it, and
 * stops. faults: 110
 */
START_TEST(a_member_of_an_older_generation_stops)
{
	choose_places();
	struct member *s1 = member_run(1, 5, S(1) | S(2) | S(3));
	struct identity_members alone = list_of(6, S(1));
	alone.generation = 1;
	host_env(s1->host)->ops->members(host_env(s1->host), &alone);
	struct member *s3 = member_run(3, 900, S(1) | S(2) | S(3));
	while (!s3->stopped) {
		say(s3, 1);
		turn_all();
	}
	ck_assert_uint_eq(s1->oneways, 0);
	ck_assert_uint_eq(host_identity_own(s3->host)->superseded, 1);
	ck_assert(!host_identity_own(s3->host)->removed);
	ck_assert(has_logged(s3,
			     "event=superseded group=1 replica=3 generation=0 newest=1 why=\"group "
			     "1 had lost its majority, and was made to go on as generation 1 of "
			     "itself (kvctl member force), in which its members are (1 s1)"));
	/* And older lists change nothing. */
	follow(s1, 901, S(1) | S(2) | S(3));
	ck_assert_uint_eq(host_identity_own(s1->host)->members.count, 1);
	end_all();
}
END_TEST

/* The node is stopped, to be started anew. */
START_TEST(a_forced_node_is_stopped_to_start_anew)
{
	choose_places();
	struct member *s1 = member_run(1, 5, S(1) | S(2) | S(3));
	ck_assert_uint_eq(host_starts_anew(s1->host), 0);
	host_env(s1->host)->ops->force(host_env(s1->host), 2);
	AWAIT(s1->stopped);
	ck_assert_uint_eq(host_starts_anew(s1->host), 2);
	end_all();
}
END_TEST

/* Only a newer list removes: an older one does not know everybody yet. */
START_TEST(older_lists_remove_nobody)
{
	choose_places();
	struct member *s1 = member_run(1, 5, S(1) | S(2));
	struct member *s3 = member_run(3, 6, S(1) | S(2) | S(3));
	for (int i = 0; i < 5; i++) {
		say(s3, 1);
		settle();
	}
	ck_assert(!s3->stopped && !host_identity_own(s3->host)->removed);
	follow(s1, 4, S(1)); /* older than its own: nothing changes */
	ck_assert_uint_eq(host_identity_own(s1->host)->members.slot, 5);
	ck_assert_uint_eq(host_identity_own(s1->host)->members.count, 2);
	end_all();
}
END_TEST

/*
 * Who is named by the configuration and has a newer list is asked for it; what it says is followed.
 */
START_TEST(newer_list_is_asked_for)
{
	choose_places();
	struct member *s1 = member_run(1, 5, S(1) | S(2));
	struct identity_members list = list_of(6, S(1) | S(3));
	struct member *s3 = member_run(3, 6, S(1) | S(3));
	s3->tells = told(0x91, &list);
	while (host_identity_own(s1->host)->members.slot != 6) {
		say(s3, 1);
		turn_all();
	}
	ck_assert_uint_eq(s3->asked, 1);
	ck_assert(!s1->stopped);
	while (s1->oneways == 0) {
		say(s3, 1);
		turn_all();
	}
	ck_assert(identity_find_member(host_identity_members(s1->host), "s2") == NULL);
	/* One without us: we are removed. */
	list = list_of(7, S(3) | S(4));
	s3->tells = told(0x91, &list);
	member_end(s3);
	s3 = member_run(3, 7, S(3) | S(4));
	s3->tells = told(0x91, &list);
	while (!s1->stopped) {
		say(s1, 3);
		turn_all();
	}
	ck_assert(host_identity_own(s1->host)->removed);
	end_all();
}
END_TEST

/* Another group's list, and one that is not newer than told, are not believed. */
START_TEST(wrong_lists_are_not_believed)
{
	choose_places();
	struct member *s1 = member_run(1, 5, S(1) | S(2));
	struct identity_members list = list_of(6, S(3));
	struct member *s3 = member_run(3, 6, S(1) | S(3));
	s3->tells = told(0x92, &list);
	while (s3->asked == 0) {
		say(s3, 1);
		turn_all();
	}
	settle();
	ck_assert_uint_eq(host_identity_own(s1->host)->members.slot, 5);
	list = list_of(5, S(3));
	s3->tells = told(0x91, &list);
	member_end(s3);
	s3 = member_run(3, 6, S(1) | S(3));
	s3->tells = told(0x91, &list);
	while (s3->asked == 0) {
		say(s3, 1);
		turn_all();
	}
	settle();
	ck_assert_uint_eq(host_identity_own(s1->host)->members.count, 2);
	ck_assert(!s1->stopped);
	end_all();
}
END_TEST

/*
 * A node of the configuration that is no member may not speak as one, and is warned of once; when
 * it is added it may.
 */
START_TEST(not_a_member)
{
	choose_places();
	nfile = 3;
	struct member *s1 = member_run(1, 5, S(1) | S(2));
	ck_assert(has_logged(s1, "event=not_a_member peer=s3"));
	ck_assert(has_logged(s1, "kvctl member add 1 s3"));
	ck_assert(!has_logged(s1, "event=not_a_member peer=s2"));
	buffer_clear(&s1->lines);
	follow(s1, 6, S(1));
	ck_assert(!has_logged(s1, "event=not_a_member")); /* s2 goes, and s3 has been told of */
	follow(s1, 7, S(1) | S(3));
	struct member *s3 = member_run(3, 7, S(1) | S(3));
	say(s3, 1);
	AWAIT(s1->oneways == 1);
	end_all();
}
END_TEST

/*
 * A member has moved, and neither the others' configuration nor their list says so: its hello does,
 * on a connection from the directory that counts. Another directory's does not.
 */
START_TEST(a_member_that_has_moved_says_so_itself)
{
	choose_places();
	for (uint64_t life = 0x999; life != 0; life = life == 0x999 ? 0x102 : 0) {
		choose_port(1);
		choose_port(2);
		struct member *s1 = member_run(1, 5, S(1) | S(2));
		struct identity id = identity_of(2, list_of(5, S(1) | S(2)));
		struct member *s2 = member_start(&id);
		say(s1, 2);
		AWAIT(s2->oneways == 1);
		member_end(s2);
		char old[32];
		strcpy(old, addresses[2]);
		choose_port(2);
		id.life = life;
		file[1].address = old; /* what s1 has been started with */
		s2 = member_start(&id);
		for (int i = 0; i < 20 || (life == 0x102 && s1->oneways == 0); i++) {
			say(s2, 1);
			settle();
		}
		if (life == 0x102) {
			link_id link = node_dial(&s1->node, old);
			struct message message = {.kind = MESSAGE_ONEWAY,
						  .method = METHOD_ACCEPT,
						  .payload = slice_string("x")};
			while (s2->oneways == 0) {
				node_send(&s1->node, link, &message);
				turn_all();
			}
		} else {
			ck_assert_uint_eq(s1->oneways, 0);
		}
		file[1].address = addresses[2];
		end_all();
	}
}
END_TEST

/*
 * A leader that has removed itself is heard no longer than it takes to hand over; then its links
 * are cut.
 */
START_TEST(removed_goes_at_last)
{
	choose_places();
	struct member *s1 = member_run(1, 5, S(1) | S(2) | S(3));
	struct member *s3 = member_run(3, 5, S(1) | S(2) | S(3));
	say(s3, 1);
	say(s1, 3);
	AWAIT(s1->oneways == 1 && s3->oneways == 1);
	follow(s1, 6, S(1) | S(2));
	struct peer *peer = peer_find(s1->host, slice_string("s3"));
	ck_assert_uint_ne(peer->left_us, 0);
	uint64_t left_us = peer->left_us;
	host_peers_tick(s1->host, left_us + 9 * 1000000ull);
	settle();
	ck_assert_uint_eq(peer->left_us, left_us);
	host_peers_tick(s1->host, left_us + 11 * 1000000ull);
	ck_assert(!peer->member && peer->speaks == 0);
	while (!s3->stopped) { /* its connection is gone, and not taken again */
		say(s3, 1);
		turn_all();
	}
	AWAIT(peer->seats == 0);
	end_all();
}
END_TEST

/* Members come and go for ever; what is kept of them is bounded. */
START_TEST(what_is_kept_of_members_is_bounded)
{
	choose_places();
	nfile = 1;
	struct member *s1 = member_run(1, 1, S(1));
	for (uint32_t i = 2; i <= 2 * MEMBER_NUMBER_MAX; i++) {
		struct identity_members list = list_of(i, S(1));
		char name[16], address[32];
		snprintf(name, sizeof name, "t%u", i);
		snprintf(address, sizeof address, "127.0.0.1:%u", 1000 + i);
		identity_add_member(&list, 2 + i % 250, name, address);
		host_env(s1->host)->ops->members(host_env(s1->host), &list);
		node_dial(&s1->node, address);
		turn_all();
	}
	ck_assert_uint_le(s1->host->npeers, 1 + MEMBER_NUMBER_MAX);
	end_all();
}
END_TEST

/*
 * A peer whose disk was lost: it votes only when its new disk is bound and has been told what the
 * old one may have promised, and then in everything (agreement/members.h). faults: 38
 */
#include "../support/check_main.h"
#include "bound.h"
#include "peers.h"

#include <stdio.h>

#define SECOND 1000000ull

/* Its disk is lost, and it is back with another one, which nobody has bound yet. */
static void lose_disk(struct peers *p, uint32_t i)
{
	if (p->peers[i].core != NULL)
		peers_crash(p, i);
	peers_wipe(p, i);
	peers_restart(p, i);
}

static void replace_disk(struct peers *p, uint32_t i)
{
	lose_disk(p, i);
	peers_bind(p, i);
}

static enum agreement_standing standing(const struct peers *p, uint32_t i)
{
	return agreement_standing(p->peers[i].core);
}

static void decide(struct peers *p, uint32_t i, uint64_t seq, const char *value, uint32_t know)
{
	ck_assert_int_eq(peers_start(p, i, seq, value), 0);
	ck_assert(peers_wait(p, seq, know, 30 * SECOND));
	ck_assert_str_eq(peers_value(p, seq), value);
}

/*
 * The story: the owner and one other decide; the owner's disk is lost. In its lowest ballot it
 * would decide once more, with the third.
 */
START_TEST(an_owner_without_its_disk_does_not_decide_twice)
{
	struct peers p;
	peers_init(&p, 3, 1);
	peers_partition(&p, "aab");
	decide(&p, 0, 0, "old", 2);
	peers_crash(&p, 1);
	lose_disk(&p, 0);
	peers_heal(&p);
	ck_assert_int_eq(peers_start(&p, 0, 0, "new"), STATUS_UNAVAILABLE);
	peers_bind(&p, 0);
	peers_run(&p, 5 * SECOND);
	/* Peer 3 alone does not know what was decided. */
	ck_assert_int_eq(standing(&p, 0), AGREEMENT_ENTERING);
	ck_assert_uint_eq(agreement_told_by(p.peers[0].core), 1);
	ck_assert_int_eq(peers_start(&p, 0, 0, "new"), STATUS_UNAVAILABLE);
	ck_assert_int_eq(peers_start(&p, 2, 0, "new"), 0);
	peers_run(&p, 5 * SECOND);
	ck_assert_uint_eq(peers_decided(&p, 0), 0);
	peers_restart(&p, 1);
	ck_assert(peers_wait_inside(&p, 0, 10 * SECOND));
	ck_assert(peers_wait(&p, 0, 3, 10 * SECOND));
	ck_assert_str_eq(peers_value(&p, 0), "old");
	peers_free(&p);
}
END_TEST

/*
 * It is useful again: with it and one other, the third down, old and new instances are decided,
 * also those it had to do with before.
 */
START_TEST(a_new_disk_is_useful_again)
{
	struct peers p;
	peers_init(&p, 3, 2);
	decide(&p, 1, 7, "seven", 3);
	/* Begun, and not decided: one is accepted by peer 3 alone, one only promised. */
	peers_partition(&p, "abc");
	ck_assert_int_eq(peers_start(&p, 2, 2, "two"), 0);
	ck_assert_int_eq(peers_start(&p, 2, 3, "three"), 0);
	peers_run(&p, SECOND);
	peers_heal(&p);
	peers_crash(&p, 2);
	peers_restart(&p, 2);
	replace_disk(&p, 0);
	ck_assert(peers_wait_inside(&p, 0, 10 * SECOND));
	peers_crash(&p, 1);
	decide(&p, 0, 0, "hole", 2);
	decide(&p, 0, 9, "owner", 2);
	decide(&p, 2, 5, "hole, too", 2);
	ck_assert_int_eq(peers_start(&p, 0, 2, "other"), 0);
	ck_assert(peers_wait(&p, 2, 2, 30 * SECOND));
	ck_assert_str_eq(peers_value(&p, 2), "two");
	ck_assert_int_eq(peers_start(&p, 0, 3, "three"), 0);
	ck_assert(peers_wait(&p, 3, 2, 30 * SECOND));
	struct bytes *value;
	ck_assert_int_eq(agreement_status(p.peers[0].core, 7, &value), AGREEMENT_STATE_DECIDED);
	peers_free(&p);
}
END_TEST

/*
 * All disks are replaced, one after another; what was decided before, and what was only accepted,
 * is still there.
 */
START_TEST(all_disks_may_be_replaced_one_after_another)
{
	struct peers p;
	peers_init(&p, 5, 3);
	for (uint64_t seq = 0; seq < 10; seq++)
		decide(&p, (uint32_t)(seq % 5), seq, "value", 3);
	/* Three have accepted this, and nobody is left who knows that it is decided. */
	peers_partition(&p, "aaabb");
	decide(&p, 0, 10, "last", 1);
	lose_disk(&p, 0);
	peers_heal(&p);
	peers_bind(&p, 0);
	for (uint32_t i = 0; i < 5; i++) {
		if (i > 0)
			replace_disk(&p, i);
		ck_assert_msg(peers_wait_inside(&p, i, 10 * SECOND), "peer %u", i + 1);
	}
	for (uint32_t i = 0; i < 5; i++)
		ck_assert_uint_eq(agreement_known_members(p.peers[i].core)->list[4].binding, 1);
	ck_assert(peers_wait(&p, 10, 5, 30 * SECOND));
	ck_assert_str_eq(peers_value(&p, 10), "last");
	for (uint64_t seq = 0; seq < 10; seq++)
		ck_assert(peers_wait(&p, seq, 5, 30 * SECOND));
	decide(&p, 3, 11, "next", 5);
	peers_free(&p);
}
END_TEST

/*
 * More disks are lost than the group can do without: silence, for ever. The disk that is left
 * learns nothing and decides nothing.
 */
START_TEST(too_many_lost_disks_mean_silence)
{
	for (uint32_t n = 3; n <= 5; n += 2) {
		struct peers p;
		uint32_t lost = n / 2 + 1;
		peers_init(&p, n, 4);
		decide(&p, 0, 0, "value", 1);
		for (uint32_t i = 0; i < lost; i++)
			lose_disk(&p, i);
		for (uint32_t i = 0; i < lost; i++)
			peers_bind(&p, i);
		peers_start(&p, n - 1, 0, "other");
		peers_start(&p, n - 1, 1, "other");
		peers_run(&p, 30 * SECOND);
		for (uint32_t i = 0; i < lost; i++) {
			ck_assert_int_eq(standing(&p, i), AGREEMENT_ENTERING);
			ck_assert_int_eq(peers_start(&p, i, 1, "another"), STATUS_UNAVAILABLE);
			ck_assert_uint_lt(agreement_told_by(p.peers[i].core),
					  agreement_told_needed(p.peers[i].core));
		}
		ck_assert_uint_eq(peers_decided(&p, 1), 0);
		peers_free(&p);
	}
}
END_TEST

/*
 * So many instances, with so large values, that they are told in many parts; crashes between, and
 * once more another disk.
 */
START_TEST(many_instances_are_told_in_parts)
{
	static char large[100001];
	struct peers p;
	struct bytes *value;
	memset(large, 'x', sizeof large - 1);
	peers_init(&p, 3, 5);
	for (uint64_t seq = 0; seq < 25; seq++)
		ck_assert(peers_start(&p, (uint32_t)(seq % 3), seq * 100, large) == 0 &&
			  peers_wait(&p, seq * 100, 3, 30 * SECOND));
	for (uint64_t seq = 1; seq < 2300; seq++)
		if (seq % 100 != 0)
			ck_assert_int_eq(peers_start(&p, (uint32_t)(seq % 3), seq, "small"), 0);
	ck_assert(peers_wait(&p, 2299, 3, 60 * SECOND));
	replace_disk(&p, 1);
	p.delay_max_us = 50000;
	for (uint32_t k = 0; k < 6; k++) {
		uint64_t until_us = p.now_us + 40000 + 30000 * k;
		while (peers_step(&p, until_us))
			continue;
		if (k == 3) {
			replace_disk(&p, 1);
			continue;
		}
		peers_crash(&p, 1);
		peers_restart(&p, 1);
	}
	ck_assert_int_ne(standing(&p, 1), AGREEMENT_INSIDE);
	ck_assert(peers_wait_inside(&p, 1, 60 * SECOND));
	ck_assert_uint_eq(agreement_known_members(p.peers[1].core)->list[1].binding, 2);
	for (uint64_t seq = 0; seq < 25; seq++)
		ck_assert_int_eq(agreement_status(p.peers[1].core, seq * 100, &value),
				 AGREEMENT_STATE_DECIDED);
	ck_assert_int_eq(agreement_status(p.peers[1].core, 2298, &value), AGREEMENT_STATE_DECIDED);
	peers_free(&p);
}
END_TEST

/* What the application was done with stays done; and what was forgotten is not taken for new. */
START_TEST(what_was_done_stays_done)
{
	struct peers p;
	struct bytes *value;
	peers_init(&p, 3, 6);
	for (uint64_t seq = 0; seq < 10; seq++)
		decide(&p, (uint32_t)(seq % 3), seq, "value", 3);
	peers_done(&p, 0, 5);
	peers_done(&p, 1, 7);
	peers_done(&p, 2, 8);
	peers_run(&p, 5 * SECOND);
	ck_assert_uint_eq(agreement_min(p.peers[2].core), 6);
	replace_disk(&p, 0);
	ck_assert(peers_wait_inside(&p, 0, 10 * SECOND));
	ck_assert_uint_eq(agreement_min(p.peers[0].core), 6);
	ck_assert_int_eq(agreement_status(p.peers[0].core, 3, &value), AGREEMENT_STATE_FORGOTTEN);
	ck_assert_int_eq(peers_start(&p, 0, 3, "new"), STATUS_COMPACTED);
	ck_assert_uint_eq(agreement_done_of(p.peers[0].core, 0), 6);
	/* Its own Done counts again, also after a crash. */
	peers_done(&p, 0, 8);
	peers_run(&p, 5 * SECOND);
	peers_crash(&p, 0);
	peers_restart(&p, 0);
	peers_run(&p, 5 * SECOND);
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_uint_eq(agreement_min(p.peers[i].core), 8);
	peers_free(&p);
}
END_TEST

/*
 * What one has heard from the lost disk, that it knows, the new one does not know: it is told
 * again; also what nobody of those knew who let it in.
 */
START_TEST(what_the_lost_disk_knew_is_told_again)
{
	struct peers p;
	peers_init(&p, 5, 7);
	/* Peer 5 will be the only one that knows. */
	peers_partition(&p, "aabba");
	decide(&p, 4, 4, "value", 3);
	peers_crash(&p, 4);
	replace_disk(&p, 0);
	peers_heal(&p);
	ck_assert(peers_wait_inside(&p, 0, 10 * SECOND));
	peers_restart(&p, 4);
	ck_assert(peers_wait(&p, 4, 5, 30 * SECOND));
	peers_free(&p);
}
END_TEST

/* ---- one core, and what others say ---- */

static uint64_t no_random(void *context)
{
	(void)context;
	return 0;
}

static struct agreement *core_of(uint32_t self, uint32_t n, uint64_t life)
{
	struct agreement_options options = {.self = self,
					    .nmembers = n,
					    .members = {1, 2, 3, 4, 5},
					    .life = life,
					    .retry_us = 100,
					    .retry_max_us = 500,
					    .backoff_us = 10,
					    .backoff_max_us = 500,
					    .spread_us = 1000,
					    .instances_max = 100,
					    .bytes_max = MIB,
					    .random = no_random};
	return agreement_create(&options);
}

static struct agreement *first_disk(uint32_t self, uint32_t n)
{
	struct agreement *a = core_of(self, n, BOUND_LIFE(self));
	bound_restore(a, n);
	ck_assert_int_eq(agreement_begin(a, 0), 0);
	return a;
}

static const struct agreement_output *settle(struct agreement *a)
{
	const struct agreement_output *out = agreement_output(a, 0);
	if (out->npersists > 0)
		agreement_persisted(a, 0, out->persists[out->npersists - 1].sequence);
	return agreement_output(a, 0);
}

static struct wire_agreement message(uint32_t from, uint32_t to, uint32_t n,
				     struct wire_agreement_item *item)
{
	return (struct wire_agreement){.from = from,
				       .to = to,
				       .life = BOUND_LIFE(from),
				       .members = 1,
				       .ndones = n,
				       .nitems = 1,
				       .items = item};
}

static void start(struct agreement *a, uint64_t seq)
{
	struct bytes *value = bytes_copy(slice_string("v"));
	ck_assert_int_eq(agreement_start(a, 0, seq, value), 0);
	bytes_unref(value);
}

static bool is_decided(struct agreement *a, uint64_t seq)
{
	struct bytes *value;
	settle(a);
	return agreement_status(a, seq, &value) == AGREEMENT_STATE_DECIDED;
}

static void members_of(struct agreement_members *members, uint32_t n, uint64_t slot,
		       uint32_t changed, uint64_t life)
{
	bound_members(members, n);
	members->slot = slot;
	members->list[changed - 1].life = life;
	members->list[changed - 1].binding = 1;
}

/* A vote of another disk than the bound one, or of an earlier binding, is none. */
START_TEST(votes_of_an_unbound_disk_do_not_count)
{
	struct agreement *a = first_disk(1, 3);
	struct agreement_members members;
	start(a, 0);
	settle(a);
	struct wire_agreement_item accepted = {
		.kind = WIRE_AGREEMENT_ACCEPTED, .seq = 0, .ballot = agreement_ballot(0, 1)};
	struct wire_agreement m = message(2, 1, 3, &accepted);
	m.life = 55;
	agreement_reply(a, 0, &m);
	m = message(2, 1, 3, &accepted);
	m.binding = 1;
	agreement_reply(a, 0, &m);
	ck_assert(!is_decided(a, 0));
	/* The list changes: the ballot is given up, and a vote in it decides nothing. */
	members_of(&members, 3, 2, 3, 77);
	agreement_set_members(a, 0, &members);
	m = message(2, 1, 3, &accepted);
	m.members = 2;
	agreement_reply(a, 0, &m);
	ck_assert(!is_decided(a, 0));
	agreement_tick(a, agreement_deadline_us(a));
	const struct agreement_output *out = settle(a);
	ck_assert_uint_eq(out->sends[0].message.members, 2);
	ck_assert_uint_eq(out->sends[0].message.items[0].kind, WIRE_AGREEMENT_PREPARE);
	/* What anybody knows to be decided is learnt, but not taken to be known to the number. */
	struct wire_agreement_item decided = {
		.kind = WIRE_AGREEMENT_DECIDED, .seq = 5, .value = slice_string("x")};
	m = message(3, 1, 3, &decided);
	agreement_request(a, 0, 1, 1, &m);
	ck_assert(is_decided(a, 5));
	agreement_destroy(a);
}
END_TEST

/* Has the core asked the member, within some time, to learn instance 0? */
static bool tells(struct agreement *a, uint64_t *now_us, uint32_t member)
{
	bool told = false;
	for (int i = 0; i < 20; i++) {
		*now_us += 1000;
		agreement_tick(a, *now_us);
		const struct agreement_output *out = agreement_output(a, *now_us);
		if (out->npersists > 0)
			agreement_persisted(a, *now_us, out->persists[out->npersists - 1].sequence);
		for (uint32_t k = 0; k < out->nsends; k++) {
			const struct wire_agreement *m = &out->sends[k].message;
			for (uint32_t j = 0; j < m->nitems && out->sends[k].to == member; j++)
				told |= m->items[j].kind == WIRE_AGREEMENT_LEARN;
		}
	}
	return told;
}

/*
 * That the lost disk knew a decision says nothing of the new one: a peer that has told everybody
 * begins to tell it again.
 */
START_TEST(what_was_told_to_a_lost_disk_is_told_to_the_new_one)
{
	struct agreement *a = first_disk(1, 3);
	struct agreement_members members;
	struct wire_agreement_item item = {
		.kind = WIRE_AGREEMENT_ACCEPTED, .seq = 0, .ballot = agreement_ballot(0, 1)};
	uint64_t now_us = 0;
	start(a, 0);
	settle(a);
	struct wire_agreement m = message(2, 1, 3, &item);
	agreement_reply(a, 0, &m);
	ck_assert(is_decided(a, 0));
	ck_assert(tells(a, &now_us, 3));
	for (uint32_t from = 2; from <= 3; from++) {
		item.kind = WIRE_AGREEMENT_KNOWN;
		m = message(from, 1, 3, &item);
		agreement_reply(a, now_us, &m);
	}
	ck_assert(!tells(a, &now_us, 2) && !tells(a, &now_us, 3));
	members_of(&members, 3, 2, 3, 77);
	agreement_set_members(a, now_us, &members);
	ck_assert(tells(a, &now_us, 3));
	ck_assert(!tells(a, &now_us, 2));
	agreement_destroy(a);
}
END_TEST

/* Who knows newer members does not vote for who does not. */
START_TEST(newer_members_do_not_vote_for_older_ones)
{
	struct agreement *a = first_disk(2, 3);
	struct agreement_members members;
	struct wire_agreement_item prepare = {
		.kind = WIRE_AGREEMENT_PREPARE, .seq = 0, .ballot = agreement_ballot(1, 1)};
	members_of(&members, 3, 9, 3, 77);
	agreement_set_members(a, 0, &members);
	/* The answer to who enters leaves when it is durable that those are known. */
	struct wire_agreement_item enter = {.kind = WIRE_AGREEMENT_ENTER, .ballot = 1};
	struct wire_agreement m = message(3, 2, 3, &enter);
	m.life = 77;
	m.binding = 1;
	m.members = 9;
	agreement_request(a, 0, 1, 1, &m);
	ck_assert_uint_eq(agreement_output(a, 0)->nanswers, 0);
	agreement_persisted(a, 0, 1);
	const struct agreement_output *out = agreement_output(a, 0);
	ck_assert_uint_eq(out->nanswers, 1);
	ck_assert_uint_eq(out->answers[0].message.items[0].kind, WIRE_AGREEMENT_TOLD);
	ck_assert_uint_eq(out->answers[0].message.items[0].other, 1);
	m = message(1, 2, 3, &prepare);
	m.members = 8;
	agreement_request(a, 0, 1, 2, &m);
	out = settle(a);
	ck_assert(out->nanswers == 0 || out->answers[0].message.nitems == 0);
	m.members = 9;
	agreement_request(a, 0, 1, 3, &m);
	out = settle(a);
	ck_assert_uint_eq(out->answers[0].message.items[0].kind, WIRE_AGREEMENT_PROMISE);
	agreement_destroy(a);
}
END_TEST

/*
 * Who is asked by somebody whose binding it does not know says nothing yet; nor does who is
 * entering itself.
 */
START_TEST(a_peer_that_is_entering_tells_nothing_yet)
{
	struct agreement *a = first_disk(2, 3);
	struct agreement_members members;
	struct wire_agreement_item enter = {.kind = WIRE_AGREEMENT_ENTER, .ballot = 1};
	struct wire_agreement m = message(3, 2, 3, &enter);
	m.life = 77;
	m.binding = 1;
	m.members = 9;
	agreement_request(a, 0, 1, 1, &m);
	ck_assert_uint_eq(settle(a)->nanswers, 0);
	members_of(&members, 3, 9, 3, 78);
	agreement_set_members(a, 0, &members);
	agreement_request(a, 0, 1, 1, &m);
	ck_assert_uint_eq(settle(a)->nanswers, 0);
	agreement_destroy(a);

	a = core_of(2, 3, 66);
	ck_assert_int_eq(agreement_begin(a, 0), 0);
	members_of(&members, 3, 9, 3, 77);
	members.list[1] = (struct agreement_binding){.replica = 2, .binding = 1, .life = 66};
	agreement_set_members(a, 0, &members);
	ck_assert_int_eq(agreement_standing(a), AGREEMENT_ENTERING);
	agreement_request(a, 0, 1, 1, &m);
	ck_assert_uint_eq(settle(a)->nanswers, 0);
	agreement_destroy(a);
}
END_TEST

/* An answer to an earlier question is not taken for what is due. */
START_TEST(an_answer_to_an_earlier_question_is_not_taken)
{
	struct agreement *a = core_of(1, 3, 66);
	struct agreement_members members;
	struct wire_agreement_item told[2] = {
		{.kind = WIRE_AGREEMENT_TOLD, .seq = 4, .ballot = 1, .other = 1},
		{.kind = WIRE_AGREEMENT_STATE,
		 .seq = 4,
		 .ballot = agreement_ballot(3, 2),
		 .other = agreement_ballot(2, 2),
		 .value = slice_string("v")}};
	ck_assert_int_eq(agreement_begin(a, 0), 0);
	members_of(&members, 3, 9, 1, 66);
	agreement_set_members(a, 0, &members);
	settle(a);
	struct wire_agreement m = message(2, 1, 3, told);
	m.members = 9;
	agreement_reply(a, 0, &m); /* the end of something whose beginning is missing */
	told[0].seq = 0;
	told[0].ballot = 2;
	agreement_reply(a, 0, &m); /* to another binding */
	told[0].ballot = 1;
	m.life = 1;
	agreement_reply(a, 0, &m); /* by somebody who is not bound */
	ck_assert_uint_eq(agreement_told_by(a), 0);
	m.life = BOUND_LIFE(2);
	m.nitems = 2;
	told[0].other = 1 << 1;
	agreement_reply(a, 0, &m);
	ck_assert_uint_eq(agreement_told_by(a), 0);
	const struct agreement_output *out = settle(a);
	ck_assert_uint_eq(out->sends[0].message.items[0].kind, WIRE_AGREEMENT_ENTER);
	ck_assert_uint_eq(out->sends[0].message.items[0].seq, 5);
	m.nitems = 1;
	told[0].seq = 5;
	told[0].other = 1;
	agreement_reply(a, 0, &m);
	m.from = 3;
	m.life = BOUND_LIFE(3);
	told[0].seq = 0;
	agreement_reply(a, 0, &m);
	ck_assert_uint_eq(agreement_told_by(a), 2);
	/* Not before it is durable. */
	ck_assert_int_eq(agreement_standing(a), AGREEMENT_ENTERING);
	size_t position = 0;
	struct agreement_view view;
	ck_assert(agreement_next_view(a, &position, &view));
	ck_assert_uint_eq(view.promised, agreement_ballot(3, 2));
	ck_assert_uint_eq(view.accepted, agreement_ballot(2, 2));
	out = settle(a);
	ck_assert_int_eq(agreement_standing(a), AGREEMENT_INSIDE);
	/* What was accepted there may be decided: it asks. */
	agreement_persisted(a, 0, out->persists[0].sequence);
	out = agreement_output(a, 0);
	ck_assert_uint_eq(out->sends[0].message.items[0].kind, WIRE_AGREEMENT_PREPARE);
	ck_assert_uint_eq(out->sends[0].message.items[0].seq, 4);
	ck_assert_uint_eq(out->sends[0].message.items[0].ballot, agreement_ballot_bound(4, 1, 1));
	/* Its own instances begin with a Prepare, too, in ballots of its own. */
	start(a, 0);
	out = settle(a);
	ck_assert_uint_eq(out->sends[0].message.items[0].kind, WIRE_AGREEMENT_PREPARE);
	ck_assert_uint_eq(out->sends[0].message.items[0].ballot, agreement_ballot_bound(1, 1, 1));
	agreement_destroy(a);
}
END_TEST

/*
 * A disk that was replaced and is bound again, in place of the one that had replaced it, must be
 * told as well.
 */
START_TEST(a_life_that_returns_is_told_as_well)
{
	struct agreement *a = first_disk(1, 3);
	struct agreement_members members;
	members_of(&members, 3, 5, 1, 66);
	start(a, 0);
	agreement_set_members(a, 0, &members);
	ck_assert_int_eq(agreement_standing(a), AGREEMENT_OUTSIDE);
	settle(a);
	agreement_tick(a, 1000000);
	ck_assert_uint_eq(agreement_output(a, 0)->nsends, 0);
	members_of(&members, 3, 7, 1, BOUND_LIFE(1));
	members.list[0].binding = 2;
	agreement_set_members(a, 0, &members);
	ck_assert_int_eq(agreement_standing(a), AGREEMENT_ENTERING);
	agreement_destroy(a);
}
END_TEST

/* Before there are members the first disks count; who has lost his by then is bound as another. */
START_TEST(before_there_are_members_the_first_disks_count)
{
	struct agreement *a = core_of(1, 3, BOUND_LIFE(1));
	struct agreement_members members;
	struct bytes *value = bytes_copy(slice_string("v"));
	/* Ballots as the first version wrote them. */
	agreement_restore_accept(a, 4, 3 << 8 | 2, slice_string("old"), 1);
	agreement_restore_promise(a, 4, 5 << 8 | 3, 2);
	ck_assert_int_eq(agreement_begin(a, 0), 0);
	ck_assert_int_eq(agreement_standing(a), AGREEMENT_OUTSIDE);
	ck_assert_int_eq(agreement_start(a, 0, 4, value), STATUS_UNAVAILABLE);
	agreement_set_first(a, 0, true);
	ck_assert_int_eq(agreement_standing(a), AGREEMENT_INSIDE);
	ck_assert_int_eq(agreement_start(a, 0, 4, value), 0);
	const struct agreement_output *out = settle(a);
	ck_assert_uint_eq(out->sends[0].message.items[0].ballot, agreement_ballot(1, 1));
	ck_assert_uint_gt(agreement_ballot(1, 1), 65535ull << 8 | 255);
	bound_members(&members, 3);
	agreement_set_members(a, 0, &members);
	ck_assert_int_eq(agreement_standing(a), AGREEMENT_INSIDE);
	bytes_unref(value);
	agreement_destroy(a);

	a = core_of(1, 3, BOUND_LIFE(1));
	ck_assert_int_eq(agreement_begin(a, 0), 0);
	bound_members(&members, 3);
	members.list[0].binding = 1;
	agreement_set_members(a, 0, &members);
	ck_assert_int_eq(agreement_standing(a), AGREEMENT_ENTERING);
	agreement_destroy(a);
}
END_TEST

/* The record is read again as it was written; a later version's, or one that is damaged, is not. */
START_TEST(a_members_record_is_read_as_it_was_written)
{
	struct agreement_members members, read;
	struct buffer record = {0};
	uint32_t entered;
	members_of(&members, 5, 1234567890123, 4, UINT64_MAX);
	agreement_members_encode(&members, 2, &record);
	ck_assert(agreement_members_are(buffer_slice(&record)));
	ck_assert_int_eq(agreement_members_decode(&read, &entered, buffer_slice(&record)), 0);
	ck_assert_mem_eq(&read, &members, sizeof read);
	ck_assert_uint_eq(entered, 2);
	for (size_t len = 0; len < record.len; len++)
		ck_assert_int_eq(agreement_members_decode(&read, &entered, slice(record.data, len)),
				 STATUS_CORRUPT);
	struct agreement *a = core_of(1, 5, BOUND_LIFE(1)), *other = core_of(1, 3, BOUND_LIFE(1));
	ck_assert_int_eq(agreement_restore_members(a, buffer_slice(&record), 1), 0);
	ck_assert_int_eq(agreement_restore_members(other, buffer_slice(&record), 1),
			 STATUS_CORRUPT);
	/* The version before takes it for Done values that cannot be. */
	ck_assert_int_eq(agreement_restore_dones(a, buffer_slice(&record), 2), STATUS_CORRUPT);
	record.data[8] = AGREEMENT_MEMBERS_FORMAT + 1;
	ck_assert_int_eq(agreement_members_decode(&read, &entered, buffer_slice(&record)),
			 STATUS_NEWER);
	buffer_free(&record);
	agreement_destroy(a);
	agreement_destroy(other);
}
END_TEST

/* The log lets go of what is old: what a peer knows of members is written again before. */
START_TEST(the_members_record_outlives_the_log)
{
	struct peers p;
	peers_init(&p, 3, 8);
	replace_disk(&p, 2);
	ck_assert(peers_wait_inside(&p, 2, 10 * SECOND));
	for (uint64_t seq = 0; seq < 20; seq++)
		decide(&p, (uint32_t)(seq % 3), seq, "value", 3);
	for (uint32_t k = 0; k < 100; k++) {
		agreement_rewrite_oldest(p.peers[2].core);
		peers_settle(&p, 2);
		peers_run(&p, SECOND);
	}
	uint64_t oldest = agreement_oldest_position(p.peers[2].core);
	ck_assert_uint_gt(oldest, 60);
	for (uint64_t k = 0; k + 1 < oldest; k++)
		p.peers[2].log[k].released = true;
	peers_crash(&p, 2);
	peers_restart(&p, 2);
	ck_assert_int_eq(standing(&p, 2), AGREEMENT_INSIDE);
	ck_assert_uint_eq(agreement_known_members(p.peers[2].core)->list[2].binding, 1);
	decide(&p, 2, 20, "value", 3);
	peers_free(&p);
}
END_TEST

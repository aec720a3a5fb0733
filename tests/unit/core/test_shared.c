/* What every consensus core is built of, each part by itself; and that a core has every operation. */
#include <stdlib.h>

#include "../support/check_main.h"
#include "core/catch_up.h"
#include "core/election_timer.h"
#include "core/lease.h"
#include "core/persists.h"
#include "core/reads.h"
#include "core/rounds.h"
#include "core/transfer.h"
#include "cores/cores.h"

/* A field that is forgotten would be found when it is called, by whom it is called. */
START_TEST(a_core_has_every_operation)
{
	const struct consensus_ops *ops = consensus_default();
	ck_assert(ops->create != NULL);
#define ASK(result, name, parameters, names) ck_assert_msg(ops->name != NULL, "%s", #name);
#define TELL(result, name, parameters, names) ck_assert_msg(ops->name != NULL, "%s", #name);
#include "core/operations.h"
#undef ASK
#undef TELL
}
END_TEST

/*
 * Exactly the methods of the core have a kind; those whose meaning other parts know have one of
 * their own.
 */
START_TEST(each_message_of_the_core_has_its_kind)
{
	const struct consensus core = {.ops = consensus_default()};
	for (uint32_t method = 0; method <= METHOD_NUMBER_MAX + 1; method++) {
		bool own = method >= METHOD_PRE_VOTE && method <= METHOD_TAKE_OVER;
		ck_assert_msg((consensus_kind(&core, method) != CONSENSUS_KIND_FOREIGN) == own,
			      "method %u", method);
	}
	ck_assert_int_eq(consensus_kind(&core, METHOD_ACCEPT), CONSENSUS_KIND_ENTRIES);
	ck_assert_int_eq(consensus_kind(&core, METHOD_ACCEPTED), CONSENSUS_KIND_ACCEPTED);
	ck_assert_int_eq(consensus_kind(&core, METHOD_PROMISE), CONSENSUS_KIND_PROMISE);
	ck_assert_int_eq(consensus_kind(&core, METHOD_FETCH), CONSENSUS_KIND_OTHER);
	ck_assert_int_eq(consensus_kind(&core, METHOD_SNAPSHOT_FETCH), CONSENSUS_KIND_FOREIGN);
}
END_TEST

/*
 * Records that were taken stay where they are while others are collected, and are durable in the
 * order of their numbers.
 */
START_TEST(records_live_until_the_next_are_taken)
{
	struct persists p;
	struct bytes *value = bytes_copy(slice_string("value"));
	persists_init(&p);
	persists_add(&p, CONSENSUS_PERSIST_PROMISE)->ballot = 7;
	persists_add(&p, CONSENSUS_PERSIST_ACCEPT)->held = bytes_ref(value);
	ck_assert(!persists_are_durable(&p, 0));
	persists_take(&p);
	const struct consensus_persist *out = p.out.items;
	ck_assert_uint_eq(p.out.count, 2);
	ck_assert_uint_eq(p.collecting.count, 0);
	ck_assert_uint_eq(out[0].sequence, 1);
	ck_assert_uint_eq(out[1].sequence, 2);
	/* Those of the next step do not move those that are being carried out. */
	for (uint32_t i = 0; i < 100; i++)
		ck_assert_uint_eq(persists_add(&p, CONSENSUS_PERSIST_CHOSEN)->sequence, i + 3);
	ck_assert_uint_eq(out[0].ballot, 7);
	ck_assert(slice_equal(bytes_slice(out[1].held), slice_string("value")));
	ck_assert(persists_are_durable(&p, 2));
	ck_assert(!persists_are_durable(&p, 1));
	ck_assert(!persists_are_durable(&p, 2));
	ck_assert_uint_eq(p.durable, 2);
	persists_take(&p);
	ck_assert_uint_eq(p.out.count, 100);
	persists_free(&p);
	bytes_unref(value);
}
END_TEST

/* Of five voters, of whom seat 0 is ourselves; seat 5 is a learner's. */
START_TEST(a_round_is_confirmed_by_a_majority)
{
	struct rounds r;
	const seat_set voters = 0x1f;
	uint64_t began_us;
	rounds_restart(&r);
	ck_assert_uint_eq(rounds_confirmed(&r, voters, 5, 0, false), 0);
	for (uint64_t i = 1; i <= 3; i++)
		rounds_begin(&r, i * 100);
	rounds_count(&r, 1, 3, false);
	rounds_count(&r, 5, 3, true);
	ck_assert_uint_eq(rounds_confirmed(&r, voters, 5, 0, false), 0);
	rounds_count(&r, 2, 2, true);
	ck_assert_uint_eq(rounds_confirmed(&r, voters, 5, 0, false), 2);
	ck_assert_uint_eq(rounds_confirmed(&r, voters, 5, 0, true), 0);
	rounds_count(&r, 1, 1, true);
	ck_assert_uint_eq(rounds_confirmed(&r, voters, 5, 0, false), 2);
	ck_assert_uint_eq(rounds_confirmed(&r, voters, 5, 0, true), 1);
	/* An echo of what has not begun is worth no more than the newest. */
	rounds_count(&r, 3, 9, false);
	rounds_hear(&r, 3, 9);
	ck_assert_uint_eq(r.answers[3].acked, 3);
	ck_assert_uint_eq(r.answers[3].heard, 3);
	ck_assert_uint_eq(rounds_confirmed(&r, voters, 5, 0, false), 3);
	/* Another one who sits there has echoed nothing; nor has anybody in another epoch. */
	rounds_forget_seat(&r, 3);
	ck_assert_uint_eq(rounds_confirmed(&r, voters, 5, 0, false), 2);
	ck_assert(rounds_began(&r, 2, &began_us));
	ck_assert_uint_eq(began_us, 200);
	ck_assert(!rounds_began(&r, 0, &began_us));
	for (uint64_t i = 4; i < 2 + LEASE_ROUNDS; i++)
		rounds_begin(&r, i * 100);
	ck_assert(rounds_began(&r, 2, &began_us));
	ck_assert_uint_eq(began_us, 200);
	rounds_begin(&r, 12345);
	ck_assert(!rounds_began(&r, 2, &began_us));
	rounds_restart(&r);
	ck_assert_uint_eq(rounds_confirmed(&r, voters, 5, 0, false), 0);
}
END_TEST

/*
 * A round that is watched and not confirmed in time ends the patience; one that is confirmed
 * hands the watch to the newest.
 */
START_TEST(an_unconfirmed_round_is_not_waited_for_for_ever)
{
	struct rounds r;
	rounds_restart(&r);
	rounds_begin(&r, 10);
	rounds_watch(&r, 20);
	rounds_begin(&r, 15);
	ck_assert(rounds_lose_patience(&r, 0, 30));
	ck_assert_uint_eq(r.watched, 1);
	/* The watched one is confirmed, the newest is not. */
	ck_assert(!rounds_lose_patience(&r, 1, 30));
	ck_assert_uint_eq(r.watched, 2);
	ck_assert_uint_eq(r.watched_until_us, 30);
	ck_assert(!rounds_lose_patience(&r, 2, 40));
	ck_assert_uint_eq(r.watched, 0);
}
END_TEST

/*
 * Reads come out in the order in which they were added, each with its slot, and what is confirmed
 * leaves no gap behind.
 */
START_TEST(reads_are_confirmed_in_order)
{
	struct reads r = {0};
	struct vector out = {0};
	ck_assert(!reads_wait(&r));
	for (uint64_t i = 1; i <= 1000; i++) {
		reads_add(&r, i, 10 * i, (i + 1) / 2);
		ck_assert_uint_eq(reads_last_round(&r), (i + 1) / 2);
		/* The newest few always wait: what is confirmed does not pile up before them. */
		if (i > 4)
			reads_confirm(&r, (i + 1) / 2 - 2, &out);
	}
	ck_assert_uint_lt(r.items.capacity, 100);
	ck_assert(reads_wait(&r));
	reads_confirm(&r, UINT64_MAX, &out);
	ck_assert(!reads_wait(&r));
	ck_assert_uint_eq(out.count, 1000);
	const struct consensus_read_confirmed *reads = out.items;
	for (uint64_t i = 0; i < 1000; i++) {
		ck_assert_uint_eq(reads[i].id, i + 1);
		ck_assert_uint_eq(reads[i].slot, 10 * (i + 1));
	}
	reads_add(&r, 1, 1, 1);
	reads_forget(&r);
	ck_assert(!reads_wait(&r));
	reads_free(&r);
	free(out.items);
}
END_TEST

/*
 * While a lease lasts no other leader gets a promise; its holder may take it over; a restart
 * counts as a lease.
 */
START_TEST(a_lease_holds_back_until_it_ends)
{
	struct lease l = {0};
	ck_assert(!lease_refuses(&l, 0, 0));
	lease_restarted(&l, 100);
	ck_assert(lease_refuses(&l, 99, 7));
	ck_assert(!lease_taken_over(&l, 99, 7));
	ck_assert(!lease_refuses(&l, 100, 0));
	lease_grant(&l, 300, 5);
	lease_grant(&l, 200, 7); /* the earlier one holds as long as it was granted for */
	ck_assert(lease_granted(&l, 299) && !lease_granted(&l, 300));
	ck_assert_uint_eq(lease_own_promise_us(&l), 300);
	ck_assert(lease_refuses(&l, 299, 0));
	ck_assert(lease_refuses(&l, 299, 6)); /* another leader's, who came before */
	ck_assert(!lease_refuses(&l, 299, 7));
	ck_assert(!lease_taken_over(&l, 299, 6));
	ck_assert(lease_taken_over(&l, 299, 7));
	ck_assert_uint_eq(lease_own_promise_us(&l), 100);
	ck_assert_uint_eq(lease_usable_us(800), 700);
}
END_TEST

static uint64_t drawn;

static uint64_t draw(void *context)
{
	(void)context;
	return drawn;
}

/*
 * The time to stand lies in one to two election timeouts; a leader that is lost, or a hint, only
 * brings it forward.
 */
START_TEST(a_replica_stands_when_it_has_heard_of_no_leader)
{
	const struct consensus_options options = {
		.election_timeout_us = 1000, .heartbeat_us = 100, .random = draw};
	struct election_timer t = {.heard_us = 50};
	for (drawn = 0; drawn < 5000; drawn += 7) {
		election_timer_draw(&t, &options, 10000);
		ck_assert(t.at_us >= 11000 && t.at_us <= 12000);
	}
	ck_assert(election_timer_heard(&t, &options, 1049));
	ck_assert(!election_timer_heard(&t, &options, 1050));
	/* Who is lost is given a heartbeat, and then neither waited for nor voted for. */
	t.heard_us = 10000;
	drawn = 60;
	election_timer_lost(&t, &options, 10000);
	ck_assert_uint_eq(t.at_us, 10160);
	ck_assert(election_timer_heard(&t, &options, 10099));
	ck_assert(!election_timer_heard(&t, &options, 10100));
	/* It only ever becomes sooner. */
	election_timer_lost(&t, &options, 10050);
	ck_assert_uint_eq(t.at_us, 10160);
	election_timer_soon(&t, &options, 10000);
	ck_assert_uint_eq(t.at_us, 10061);
	election_timer_soon(&t, &options, 10050);
	ck_assert_uint_eq(t.at_us, 10061);
}
END_TEST

/* Four others, in seats 0, 1, 3 and 4; seat 2 is ours. */
START_TEST(the_peer_that_knows_most_is_asked_most)
{
	struct catch_up c = {0};
	const seat_set others = 0x1b;
	/* The own log says of more than anybody does: whoever knows some of it is asked. */
	c.known = 45;
	ck_assert(!catch_up_may_fetch(&c, 9));
	catch_up_hear(&c, 4, 9, 9);
	ck_assert(!catch_up_may_fetch(&c, 9));
	catch_up_hear(&c, 4, 10, 9);
	ck_assert(catch_up_may_fetch(&c, 9) && c.known == 45 && c.known_from == 4);
	catch_up_hear(&c, 3, 50, 9);
	catch_up_hear(&c, 1, 40, 9);
	ck_assert_uint_eq(c.known_from, 3);
	ck_assert(catch_up_may_fetch(&c, 49) && !catch_up_may_fetch(&c, 50));
	ck_assert_uint_eq(catch_up_tick(&c, 1000, 10, 5, others), CATCH_UP_NOBODY);
	/* Who knows most is asked every second time, everybody in between; we never are. */
	uint32_t asked[5] = {0};
	for (uint64_t now_us = 1000; now_us < 1020; now_us++) {
		c.retry_us = now_us + 1;
		ck_assert(!catch_up_may_fetch(&c, 10));
		ck_assert_uint_eq(catch_up_tick(&c, now_us, 10, 5, others), CATCH_UP_NOBODY);
		uint32_t ask = catch_up_tick(&c, now_us + 1, 10, 5, others);
		ck_assert(ask < 5 && ask != 2);
		asked[ask]++;
	}
	ck_assert(asked[0] == 2 && asked[1] == 2 && asked[4] == 2 && asked[3] == 14);
	/* There is nothing to ask for, or only a snapshot has it. */
	c.retry_us = 1;
	ck_assert_uint_eq(catch_up_tick(&c, 2000, 50, 5, others), CATCH_UP_NOBODY);
	catch_up_offered(&c, 9, 60);
	c.retry_us = 1;
	ck_assert_uint_eq(catch_up_tick(&c, 2000, 10, 5, others), CATCH_UP_NOBODY);
	ck_assert(!catch_up_may_fetch(&c, 10));
	catch_up_installed(&c, 60);
	ck_assert(catch_up_may_fetch(&c, 59) && !catch_up_may_fetch(&c, 60));
	for (uint32_t i = 0, seen = 0; i < 4; i++) {
		uint32_t ask = catch_up_turn(&c, 5, others);
		ck_assert(ask < 5 && ask != 2 && (seen & member_bit(ask)) == 0);
		seen |= member_bit(ask);
	}
	ck_assert_uint_eq(catch_up_turn(&c, 5, 0), CATCH_UP_NOBODY);
}
END_TEST

/*
 * The successor has what is needed, and most of it; one that was asked in vain comes after its
 * equals. A hand-over ends at its time.
 */
START_TEST(leadership_goes_to_the_replica_that_has_most)
{
	const struct successor list[] = {{7, 10}, {8, 30}, {9, 30}, {10, 20}};
	struct transfer t = {0};
	ck_assert(transfer_choose(list, 0) == NULL);
	ck_assert_uint_eq(transfer_choose(list, 4)->replica, 8);
	ck_assert(transfer_choose_relief(&t, list, 0, 20) == NULL);
	ck_assert_uint_eq(transfer_choose_relief(&t, list, 4, 20)->replica, 8);
	/* Who was asked in vain comes after those who have what is chosen, and before others. */
	t.relieved_by = 8;
	ck_assert_uint_eq(transfer_choose_relief(&t, list, 4, 20)->replica, 9);
	ck_assert_uint_eq(transfer_choose_relief(&t, list, 2, 20)->replica, 8);
	ck_assert_uint_eq(transfer_choose_relief(&t, list, 2, 10)->replica, 7);
	ck_assert_uint_eq(transfer_choose_relief(&t, &list[1], 1, 20)->replica, 8);
	t.sent = true;
	transfer_begin(&t, 9, 500);
	transfer_tick(&t, 499);
	ck_assert(t.to == 9 && !t.sent);
	transfer_tick(&t, 500);
	ck_assert_uint_eq(t.to, 0);
}
END_TEST

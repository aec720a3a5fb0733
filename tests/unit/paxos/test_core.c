/*
 * One core, driven message by message: acceptor, learner and candidate in corners that random
 * schedules seldom reach.
 */
#include <stdlib.h>

#include "../support/check_main.h"
#include "bench.h"

/*
 * A follower that learns of a newer ballot from an entry must not answer in that ballot with a
 * heartbeat round of the older one, even if both are of the same replica: the new leadership would
 * take it for an answer to a round that was never sent.
 */
START_TEST(rounds_do_not_cross_ballots)
{
	struct bench b;
	bench_init(&b, 2, 3);
	struct wire_entry entry = {.slot = 1, .value = slice_string("a")};
	receive(&b, METHOD_ACCEPT,
		(struct wire_peer_any){.from = 1,
				       .ballot = ballot_make(1, 1),
				       .sequence = 50,
				       .nentries = 1,
				       .entries = &entry});
	ck_assert_ptr_nonnull(sent(settle(&b), 1, METHOD_ACCEPTED));
	entry.ballot = ballot_make(2, 1);
	receive(&b, METHOD_CHOSEN,
		(struct wire_peer_any){.from = 3, .chosen = 1, .nentries = 1, .entries = &entry});
	settle(&b);
	sync_all(&b);
	const struct sent *accepted = sent(settle(&b), 1, METHOD_ACCEPTED);
	if (accepted != NULL && accepted->message.ballot == ballot_make(2, 1))
		ck_assert_uint_eq(accepted->message.sequence, 0);
	/* And the new leadership's first round is answered. */
	receive(&b, METHOD_ACCEPT,
		(struct wire_peer_any){.from = 1, .ballot = ballot_make(2, 1), .sequence = 1});
	accepted = sent(settle(&b), 1, METHOD_ACCEPTED);
	ck_assert_ptr_nonnull(accepted);
	ck_assert_uint_eq(accepted->message.sequence, 1);
	paxos_destroy(b.core);
}
END_TEST

/*
 * What is learnt while nothing is applied (a snapshot is being restored, the app is slow) is
 * limited in bytes.
 */
START_TEST(learning_ahead_of_applying_is_bounded)
{
	struct bench b;
	const size_t size = 256 * KIB;
	uint8_t *value = alloc_zeroed(size, 1);
	bench_init(&b, 2, 3);
	for (uint64_t slot = 1; slot <= 1024; slot++) {
		struct wire_entry entry = {
			.slot = slot, .ballot = ballot_make(1, 1), .value = slice(value, size)};
		receive(&b, METHOD_CHOSEN,
			(struct wire_peer_any){
				.from = 1, .chosen = 2000, .nentries = 1, .entries = &entry});
		settle(&b);
	}
	ck_assert_uint_le(b.core->ring.bytes, FOLLOWER_BYTES_MAX + MIB);
	/* Nothing is asked for that could not be held; when there is room again, it is. */
	b.now_us += 1000000;
	paxos_tick(b.core, b.now_us);
	ck_assert_ptr_null(sent(settle(&b), 1, METHOD_FETCH));
	struct consensus_chosen chosen;
	uint64_t applied = 0;
	while (paxos_next_chosen(b.core, &chosen))
		applied = chosen.slot;
	paxos_applied(b.core, applied);
	bool asked = false;
	for (uint32_t i = 0; i < 10 && !asked; i++) {
		b.now_us += 100000;
		paxos_tick(b.core, b.now_us);
		const struct consensus_output *out = settle(&b);
		asked = sent(out, 1, METHOD_FETCH) != NULL || sent(out, 3, METHOD_FETCH) != NULL;
	}
	ck_assert(asked);
	free(value);
	paxos_destroy(b.core);
}
END_TEST

/*
 * Who is refused a vote because it lags learns from the refusal that there is more to fetch: the
 * voter may be unable to stand.
 */
START_TEST(a_refused_candidate_fetches)
{
	struct bench b;
	bench_init(&b, 1, 3);
	b.now_us = paxos_deadline_us(b.core);
	paxos_tick(b.core, b.now_us);
	ck_assert_ptr_nonnull(sent(settle(&b), 2, METHOD_PRE_VOTE));
	receive(&b, METHOD_PRE_VOTE_REPLY,
		(struct wire_peer_any){.from = 2, .sequence = b.core->ballot, .chosen = 5000});
	const struct sent *fetch = sent(settle(&b), 2, METHOD_FETCH);
	ck_assert_ptr_nonnull(fetch);
	ck_assert_uint_eq(fetch->message.slot, 1);
	paxos_destroy(b.core);
}
END_TEST

/*
 * faults: 9. Whoever knows most cannot tell it: it has lost the state before its log, and waits for
 * somebody's. Whoever can tell a part, one slot in a message, is asked for the next at once, and
 * not only when its turn comes round again.
 */
START_TEST(a_peer_that_tells_is_asked_on)
{
	struct bench b;
	bench_init(&b, 1, 3);
	receive(&b, METHOD_ACCEPT,
		(struct wire_peer_any){
			.from = 2, .ballot = ballot_make(1, 2), .sequence = 1, .chosen = 100});
	ck_assert_ptr_nonnull(sent(settle(&b), 2, METHOD_FETCH));
	const struct sent *fetch = NULL;
	for (uint32_t i = 0; i < 10 && fetch == NULL; i++) {
		b.now_us += 60000;
		paxos_tick(b.core, b.now_us);
		fetch = sent(settle(&b), 3, METHOD_FETCH);
	}
	ck_assert_ptr_nonnull(fetch);
	for (uint64_t slot = 1; slot <= 40; slot++) {
		struct wire_entry entry = {
			.slot = slot, .ballot = ballot_make(1, 2), .value = slice_string("a")};
		receive(&b, METHOD_CHOSEN,
			(struct wire_peer_any){.from = 3,
					       .slot = slot,
					       .chosen = 40,
					       .nentries = 1,
					       .entries = &entry});
		const struct consensus_output *out = settle(&b);
		/* It has no more than 40: then it is the other's turn. */
		fetch = sent(out, slot < 40 ? 3 : 2, METHOD_FETCH);
		ck_assert_ptr_nonnull(fetch);
		ck_assert_uint_eq(fetch->message.slot, slot + 1);
		ck_assert_ptr_null(sent(out, slot < 40 ? 2 : 3, METHOD_FETCH));
	}
	paxos_destroy(b.core);
}
END_TEST

/*
 * A promise with more than fits a message comes in parts; only the last of them counts as the
 * promise.
 */
START_TEST(a_promise_in_parts_counts_with_its_last)
{
	struct bench b;
	const size_t size = 700 * KIB;
	uint8_t *value = alloc_zeroed(size, 1);
	bench_init(&b, 2, 3);
	for (uint64_t slot = 1; slot <= 3; slot++)
		paxos_restore_entry(b.core, slot, ballot_make(1, 3), slice(value, size));
	struct wire_peer_any prepare = {.from = 1, .ballot = ballot_make(2, 1), .slot = 1};
	receive(&b, METHOD_PREPARE, prepare);
	ck_assert_ptr_null(sent(settle(&b), 1, METHOD_PROMISE));
	sync_all(&b);
	const struct sent *promise = sent(settle(&b), 1, METHOD_PROMISE);
	ck_assert_ptr_nonnull(promise);
	ck_assert_uint_eq(promise->message.nentries, 2);
	ck_assert_uint_eq(promise->message.flags, PEER_MORE);
	prepare.slot = 3;
	receive(&b, METHOD_PREPARE, prepare);
	promise = sent(settle(&b), 1, METHOD_PROMISE);
	ck_assert_ptr_nonnull(promise);
	ck_assert_uint_eq(promise->message.nentries, 1);
	ck_assert_uint_eq(promise->message.entries[0].slot, 3);
	ck_assert_uint_eq(promise->message.flags, 0);
	paxos_destroy(b.core);
	free(value);

	/* The candidate's side. */
	struct wire_entry entry = {
		.slot = 1, .ballot = ballot_make(1, 3), .value = slice_string("a")};
	bench_init(&b, 1, 3);
	b.core->round_seen = 1;
	b.now_us = paxos_deadline_us(b.core);
	paxos_tick(b.core, b.now_us);
	receive(&b, METHOD_PRE_VOTE_REPLY,
		(struct wire_peer_any){
			.from = 2, .sequence = b.core->ballot, .flags = PEER_GRANTED});
	settle(&b);
	sync_all(&b);
	settle(&b);
	struct wire_peer_any part = {.from = 2,
				     .ballot = b.core->ballot,
				     .slot = 1,
				     .flags = PEER_MORE,
				     .nentries = 1,
				     .entries = &entry};
	receive(&b, METHOD_PROMISE, part);
	receive(&b, METHOD_PROMISE, part);
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_CANDIDATE);
	const struct sent *again = sent(settle(&b), 2, METHOD_PREPARE);
	ck_assert_ptr_nonnull(again);
	ck_assert_uint_eq(again->message.slot, 2);
	part.slot = entry.slot = 2;
	part.flags = 0;
	receive(&b, METHOD_PROMISE, part);
	ck_assert_int_eq(paxos_role(b.core), CONSENSUS_LEADER);
	ck_assert_uint_eq(paxos_barrier(b.core), 2);
	paxos_destroy(b.core);
}
END_TEST

/*
 * The agreement core, one rule at a time: what is written before what is said, who may use the
 * lowest ballot, limits, the log. faults: 1, 2, 3, 5, 6, 12, 16
 */
#include "../support/check_main.h"
#include "agreement/agreement.h"
#include "base/limits.h"
#include "bound.h"

static uint64_t no_random(void *context)
{
	(void)context;
	return 0;
}

static struct agreement *core_of(uint32_t self, uint64_t instances_max)
{
	struct agreement_options options = {
		.self = self,
		.nmembers = 3,
		.members = {1, 2, 3},
		.life = BOUND_LIFE(self),
		.retry_us = 100,
		.retry_max_us = 500,
		.backoff_us = 10,
		.backoff_max_us = 500,
		.spread_us = 1000,
		.instances_max = instances_max,
		.bytes_max = MIB,
		.random = no_random,
	};
	struct agreement *a = agreement_create(&options);
	bound_restore(a, 3);
	return a;
}

static struct agreement *fresh(uint32_t self)
{
	struct agreement *a = core_of(self, 100);
	ck_assert_int_eq(agreement_begin(a, 0), 0);
	return a;
}

static int start(struct agreement *a, uint64_t seq, const char *text)
{
	struct bytes *value = bytes_copy(slice_string(text));
	int status = agreement_start(a, 0, seq, value);
	bytes_unref(value);
	return status;
}

/* Everything that was written becomes durable. */
static const struct agreement_output *settle(struct agreement *a, uint64_t now_us)
{
	const struct agreement_output *out = agreement_output(a, now_us);
	if (out->npersists > 0)
		agreement_persisted(a, now_us, out->persists[out->npersists - 1].sequence);
	return agreement_output(a, now_us);
}

/* A request of peer `from` with one item. */
static void request(struct agreement *a, uint32_t from, uint32_t to,
		    struct wire_agreement_item item)
{
	struct wire_agreement m = {.from = from,
				   .to = to,
				   .life = BOUND_LIFE(from),
				   .members = 1,
				   .ndones = 3,
				   .nitems = 1,
				   .items = &item};
	agreement_request(a, 0, from, 77, &m);
}

static void reply(struct agreement *a, uint32_t from, uint32_t to, struct wire_agreement_item item)
{
	struct wire_agreement m = {.from = from,
				   .to = to,
				   .life = BOUND_LIFE(from),
				   .members = 1,
				   .ndones = 3,
				   .nitems = 1,
				   .items = &item};
	agreement_reply(a, 0, &m);
}

static const struct wire_agreement_item *only_answer(const struct agreement_output *out)
{
	ck_assert_uint_eq(out->nanswers, 1);
	ck_assert_uint_eq(out->answers[0].message.nitems, 1);
	return &out->answers[0].message.items[0];
}

static enum agreement_state state_of(const struct agreement *a, uint64_t seq)
{
	struct bytes *value;
	return agreement_status(a, seq, &value);
}

/*
 * The owner of a fresh instance begins with an Accept of its lowest ballot, which leaves when its
 * own acceptance is durable.
 */
START_TEST(the_owner_begins_with_its_lowest_ballot)
{
	struct agreement *a = fresh(2);
	ck_assert_int_eq(start(a, 1, "v"), 0);
	const struct agreement_output *out = agreement_output(a, 0);
	ck_assert_uint_eq(out->npersists, 1);
	ck_assert_int_eq(out->persists[0].kind, AGREEMENT_PERSIST_ACCEPT);
	ck_assert_uint_eq(out->persists[0].ballot, agreement_ballot(0, 2));
	ck_assert_uint_eq(out->nsends, 0);
	agreement_persisted(a, 0, 1);
	out = agreement_output(a, 0);
	ck_assert_uint_eq(out->nsends, 2);
	ck_assert_uint_eq(out->sends[0].message.items[0].kind, WIRE_AGREEMENT_ACCEPT);
	reply(a, 1, 2,
	      (struct wire_agreement_item){
		      .kind = WIRE_AGREEMENT_ACCEPTED, .seq = 1, .ballot = agreement_ballot(0, 2)});
	/* Shown, and told to the others, when it is durable. */
	ck_assert_int_eq(state_of(a, 1), AGREEMENT_STATE_PENDING);
	out = agreement_output(a, 0);
	ck_assert_uint_eq(out->nsends, 0);
	agreement_persisted(a, 0, out->persists[0].sequence);
	ck_assert_int_eq(state_of(a, 1), AGREEMENT_STATE_DECIDED);
	out = agreement_output(a, 0);
	ck_assert_uint_eq(out->nsettled, 1);
	ck_assert_uint_eq(out->nsends, 2);
	ck_assert_uint_eq(out->sends[0].message.items[0].kind, WIRE_AGREEMENT_LEARN);
	ck_assert_uint_eq(out->sends[0].message.items[0].value.len, 0);
	agreement_destroy(a);
}
END_TEST

/*
 * Who does not own the instance prepares, after its own promise is durable; so does an owner that
 * has promised already.
 */
START_TEST(others_than_a_fresh_owner_prepare)
{
	struct agreement *a = fresh(1);
	ck_assert_int_eq(start(a, 1, "v"), 0);
	const struct agreement_output *out = agreement_output(a, 0);
	ck_assert_int_eq(out->persists[0].kind, AGREEMENT_PERSIST_PROMISE);
	ck_assert_uint_eq(out->persists[0].ballot, agreement_ballot(1, 1));
	ck_assert_uint_eq(out->nsends, 0);
	agreement_persisted(a, 0, 1);
	out = agreement_output(a, 0);
	ck_assert_uint_eq(out->nsends, 2);
	ck_assert_uint_eq(out->sends[1].message.items[0].kind, WIRE_AGREEMENT_PREPARE);
	request(a, 2, 1,
		(struct wire_agreement_item){.kind = WIRE_AGREEMENT_PREPARE,
					     .seq = 0,
					     .ballot = agreement_ballot(4, 2)});
	settle(a, 0);
	ck_assert_int_eq(start(a, 0, "mine"), 0);
	out = agreement_output(a, 0);
	ck_assert_int_eq(out->persists[0].kind, AGREEMENT_PERSIST_PROMISE);
	ck_assert_uint_eq(out->persists[0].ballot, agreement_ballot(5, 1));
	agreement_destroy(a);
}
END_TEST

/*
 * Promise and Accepted leave when what they say is durable; repeated requests are answered again
 * and write nothing.
 */
START_TEST(answers_leave_when_they_are_durable)
{
	struct agreement *a = fresh(1);
	struct wire_agreement_item prepare = {
		.kind = WIRE_AGREEMENT_PREPARE, .seq = 5, .ballot = agreement_ballot(1, 3)};
	struct wire_agreement_item accept = {.kind = WIRE_AGREEMENT_ACCEPT,
					     .seq = 5,
					     .ballot = agreement_ballot(1, 3),
					     .value = slice_string("x")};
	request(a, 3, 1, prepare);
	const struct agreement_output *out = agreement_output(a, 0);
	ck_assert_uint_eq(out->nanswers, 0);
	agreement_persisted(a, 0, 1);
	ck_assert_uint_eq(only_answer(agreement_output(a, 0))->kind, WIRE_AGREEMENT_PROMISE);
	request(a, 3, 1, prepare);
	out = agreement_output(a, 0);
	ck_assert_uint_eq(out->npersists, 0);
	ck_assert_uint_eq(only_answer(out)->kind, WIRE_AGREEMENT_PROMISE);
	request(a, 3, 1, accept);
	ck_assert_uint_eq(agreement_output(a, 0)->nanswers, 0);
	agreement_persisted(a, 0, 2);
	ck_assert_uint_eq(only_answer(agreement_output(a, 0))->kind, WIRE_AGREEMENT_ACCEPTED);
	request(a, 3, 1, accept);
	out = agreement_output(a, 0);
	ck_assert_uint_eq(out->npersists, 0);
	ck_assert_uint_eq(only_answer(out)->kind, WIRE_AGREEMENT_ACCEPTED);
	agreement_destroy(a);
}
END_TEST

/*
 * A lower ballot is refused with the higher one; nobody may use another peer's ballots, or the
 * lowest of what it does not own.
 */
START_TEST(a_lower_ballot_is_refused_with_the_higher)
{
	struct agreement *a = fresh(1);
	request(a, 3, 1,
		(struct wire_agreement_item){.kind = WIRE_AGREEMENT_PREPARE,
					     .seq = 5,
					     .ballot = agreement_ballot(7, 3)});
	settle(a, 0);
	request(a, 2, 1,
		(struct wire_agreement_item){
			.kind = WIRE_AGREEMENT_ACCEPT, .seq = 5, .ballot = agreement_ballot(2, 2)});
	const struct wire_agreement_item *answer = only_answer(agreement_output(a, 0));
	ck_assert_uint_eq(answer->kind, WIRE_AGREEMENT_REJECT);
	ck_assert_uint_eq(answer->ballot, agreement_ballot(2, 2));
	ck_assert_uint_eq(answer->other, agreement_ballot(7, 3));
	request(a, 2, 1,
		(struct wire_agreement_item){.kind = WIRE_AGREEMENT_PREPARE,
					     .seq = 8,
					     .ballot = agreement_ballot(7, 3)});
	ck_assert_uint_eq(agreement_output(a, 0)->answers[0].message.nitems, 0);
	request(a, 2, 1,
		(struct wire_agreement_item){
			.kind = WIRE_AGREEMENT_ACCEPT, .seq = 8, .ballot = agreement_ballot(0, 2)});
	ck_assert_uint_eq(agreement_output(a, 0)->answers[0].message.nitems, 0);
	ck_assert_uint_eq(agreement_instances(a), 1);
	agreement_destroy(a);
}
END_TEST

/* The proposer adopts the value of the highest ballot that its quorum reports. */
START_TEST(a_proposer_adopts_the_value_of_the_highest_ballot)
{
	struct agreement *a = fresh(1);
	ck_assert_int_eq(start(a, 1, "mine"), 0);
	settle(a, 0);
	reply(a, 3, 1,
	      (struct wire_agreement_item){.kind = WIRE_AGREEMENT_PROMISE,
					   .seq = 1,
					   .ballot = agreement_ballot(1, 1),
					   .other = agreement_ballot(0, 2),
					   .value = slice_string("theirs")});
	const struct agreement_output *out = agreement_output(a, 0);
	ck_assert_uint_eq(out->sends[0].message.items[0].kind, WIRE_AGREEMENT_ACCEPT);
	ck_assert(slice_equal(out->sends[0].message.items[0].value, slice_string("theirs")));
	agreement_destroy(a);
}
END_TEST

/* Twice the same answer is one vote. */
START_TEST(the_same_answer_twice_is_one_vote)
{
	struct agreement_options options = {
		.self = 1,
		.nmembers = 5,
		.members = {1, 2, 3, 4, 5},
		.life = BOUND_LIFE(1),
		.retry_us = 100,
		.retry_max_us = 500,
		.backoff_us = 10,
		.backoff_max_us = 500,
		.spread_us = 1000,
		.instances_max = 10,
		.bytes_max = MIB,
		.random = no_random,
	};
	struct agreement *a = agreement_create(&options);
	bound_restore(a, 5);
	ck_assert_int_eq(agreement_begin(a, 0), 0);
	ck_assert_int_eq(start(a, 0, "v"), 0);
	settle(a, 0);
	struct wire_agreement_item accepted = {
		.kind = WIRE_AGREEMENT_ACCEPTED, .seq = 0, .ballot = agreement_ballot(0, 1)};
	reply(a, 3, 1, accepted);
	reply(a, 3, 1, accepted);
	settle(a, 0);
	ck_assert_int_eq(state_of(a, 0), AGREEMENT_STATE_PENDING);
	reply(a, 2, 1, accepted);
	settle(a, 0);
	ck_assert_int_eq(state_of(a, 0), AGREEMENT_STATE_DECIDED);
	agreement_destroy(a);
}
END_TEST

/*
 * Who has not accepted in the ballot of the decision asks for the value; who is asked to vote on a
 * decided instance tells it.
 */
START_TEST(a_value_is_asked_for_and_told)
{
	struct agreement *a = fresh(1);
	request(a, 2, 1,
		(struct wire_agreement_item){
			.kind = WIRE_AGREEMENT_LEARN, .seq = 1, .ballot = agreement_ballot(0, 2)});
	ck_assert_uint_eq(only_answer(agreement_output(a, 0))->kind, WIRE_AGREEMENT_WANT);
	request(a, 2, 1,
		(struct wire_agreement_item){
			.kind = WIRE_AGREEMENT_DECIDED, .seq = 1, .value = slice_string("v")});
	ck_assert_uint_eq(agreement_output(a, 0)->nanswers, 0);
	agreement_persisted(a, 0, 1);
	ck_assert_uint_eq(only_answer(agreement_output(a, 0))->kind, WIRE_AGREEMENT_KNOWN);
	request(a, 3, 1,
		(struct wire_agreement_item){.kind = WIRE_AGREEMENT_PREPARE,
					     .seq = 1,
					     .ballot = agreement_ballot(9, 3)});
	const struct wire_agreement_item *answer = only_answer(agreement_output(a, 0));
	ck_assert_uint_eq(answer->kind, WIRE_AGREEMENT_DECIDED);
	ck_assert(slice_equal(answer->value, slice_string("v")));
	/* Another decision would be the end of agreement: it is noticed, not taken. */
	request(a, 2, 1,
		(struct wire_agreement_item){
			.kind = WIRE_AGREEMENT_DECIDED, .seq = 1, .value = slice_string("w")});
	ck_assert_uint_eq(agreement_counters(a)->conflicts, 1);
	ck_assert_int_eq(state_of(a, 1), AGREEMENT_STATE_DECIDED);
	agreement_destroy(a);
}
END_TEST

/*
 * What nobody answers is asked again, less and less often; a defeated proposer begins above what it
 * was told.
 */
START_TEST(a_silent_peer_is_asked_again_less_and_less_often)
{
	struct agreement *a = fresh(2);
	ck_assert_int_eq(start(a, 1, "v"), 0);
	settle(a, 0);
	ck_assert_uint_eq(agreement_deadline_us(a), 100);
	agreement_tick(a, 100);
	ck_assert_uint_eq(agreement_output(a, 100)->nsends, 2);
	ck_assert_uint_eq(agreement_deadline_us(a), 300);
	agreement_tick(a, 300);
	ck_assert_uint_eq(agreement_deadline_us(a), 700);
	agreement_output(a, 300);
	for (uint32_t peer = 1; peer <= 3; peer += 2)
		reply(a, peer, 2,
		      (struct wire_agreement_item){.kind = WIRE_AGREEMENT_REJECT,
						   .seq = 1,
						   .ballot = agreement_ballot(0, 2),
						   .other = agreement_ballot(6, peer)});
	ck_assert_uint_eq(agreement_counters(a)->defeats, 1);
	agreement_tick(a, agreement_deadline_us(a));
	const struct agreement_output *out = agreement_output(a, 0);
	ck_assert_uint_eq(out->persists[0].ballot, agreement_ballot(7, 2));
	agreement_destroy(a);
}
END_TEST

/*
 * New instances are refused above the limit, a little later for peers than for clients, and welcome
 * again after Done.
 */
START_TEST(new_instances_are_refused_above_the_limit)
{
	struct agreement *a = core_of(1, 4);
	ck_assert_int_eq(agreement_begin(a, 0), 0);
	for (uint64_t seq = 0; seq < 4; seq++)
		ck_assert_int_eq(start(a, seq, "v"), 0);
	ck_assert_int_eq(start(a, 4, "v"), STATUS_BUSY);
	ck_assert_int_eq(start(a, 3, "again"), 0);
	settle(a, 0);
	request(a, 3, 1,
		(struct wire_agreement_item){.kind = WIRE_AGREEMENT_PREPARE,
					     .seq = 4,
					     .ballot = agreement_ballot(1, 3)});
	settle(a, 0);
	request(a, 3, 1,
		(struct wire_agreement_item){.kind = WIRE_AGREEMENT_PREPARE,
					     .seq = 5,
					     .ballot = agreement_ballot(1, 3)});
	ck_assert_uint_eq(only_answer(agreement_output(a, 0))->kind, WIRE_AGREEMENT_FULL);
	agreement_set_disk_full(a, true);
	request(a, 3, 1,
		(struct wire_agreement_item){
			.kind = WIRE_AGREEMENT_ACCEPT, .seq = 4, .ballot = agreement_ballot(1, 3)});
	ck_assert_uint_eq(only_answer(agreement_output(a, 0))->kind, WIRE_AGREEMENT_FULL);
	agreement_done(a, 0, 3);
	struct wire_agreement m = {.from = 3, .to = 1, .ndones = 3, .dones = {0, 9, 9}};
	agreement_reply(a, 0, &m);
	ck_assert_uint_eq(agreement_min(a), 0);
	settle(a, 0);
	ck_assert_uint_eq(agreement_min(a), 4);
	ck_assert_uint_eq(agreement_instances(a), 1);
	ck_assert_int_eq(start(a, 7, "v"), 0);
	ck_assert_int_eq(start(a, 3, "v"), STATUS_COMPACTED);
	ck_assert_int_eq(start(a, AGREEMENT_SEQ_MAX, "v"), STATUS_BAD_REQUEST);
	agreement_destroy(a);
}
END_TEST

/*
 * Done values travel with every message, are told only when durable, and on their own when nothing
 * else is.
 */
START_TEST(done_values_are_told_when_durable)
{
	struct agreement *a = fresh(1);
	uint64_t sequence = agreement_done(a, 0, 8);
	ck_assert_uint_eq(sequence, 1);
	ck_assert_uint_eq(agreement_done(a, 0, 5), 1);
	request(a, 2, 1,
		(struct wire_agreement_item){.kind = WIRE_AGREEMENT_PREPARE,
					     .seq = 20,
					     .ballot = agreement_ballot(1, 2)});
	const struct agreement_output *out = agreement_output(a, 0);
	agreement_persisted(a, 0, out->persists[out->npersists - 1].sequence);
	out = agreement_output(a, 0);
	ck_assert_uint_eq(out->answers[0].message.dones[0], 9);
	ck_assert_uint_eq(agreement_done(a, 0, 8), 0);
	agreement_tick(a, agreement_deadline_us(a));
	out = agreement_output(a, 0);
	ck_assert_uint_eq(out->nsends, 2);
	ck_assert_uint_eq(out->sends[0].message.nitems, 0);
	ck_assert_uint_eq(out->sends[0].message.dones[0], 9);
	/* Those who have said that they know are left alone. */
	for (uint32_t peer = 2; peer <= 3; peer++) {
		struct wire_agreement m = {.from = peer,
					   .to = 1,
					   .life = BOUND_LIFE(peer),
					   .members = 1,
					   .ndones = 3,
					   .dones = {9, 0, 0}};
		agreement_reply(a, 0, &m);
	}
	agreement_tick(a, 1000000);
	ck_assert_uint_eq(agreement_output(a, 0)->nsends, 0);
	agreement_destroy(a);
}
END_TEST

/* After a restart an own proposal that was accepted here is taken up again, in a new ballot. */
START_TEST(an_own_proposal_is_taken_up_after_a_restart)
{
	struct agreement *a = core_of(2, 10);
	agreement_restore_accept(a, 1, agreement_ballot(0, 2), slice_string("v"), 1);
	agreement_restore_accept(a, 2, agreement_ballot(3, 1), slice_string("w"), 2);
	ck_assert_int_eq(agreement_begin(a, 0), 0);
	ck_assert_uint_eq(agreement_proposing(a), 1);
	const struct agreement_output *out = agreement_output(a, 0);
	ck_assert_uint_eq(out->npersists, 1);
	ck_assert_uint_eq(out->persists[0].seq, 1);
	ck_assert_uint_eq(out->persists[0].ballot, agreement_ballot(1, 2));
	agreement_destroy(a);
}
END_TEST

/* The oldest record of each instance is known; writing an instance anew lets go of its old ones. */
START_TEST(writing_an_instance_anew_lets_go_of_its_old_records)
{
	struct agreement *a = core_of(1, 10);
	agreement_restore_promise(a, 4, agreement_ballot(2, 3), 10);
	agreement_restore_accept(a, 5, agreement_ballot(1, 3), slice_string("x"), 20);
	agreement_restore_promise(a, 5, agreement_ballot(2, 2), 30);
	agreement_restore_accept(a, 6, agreement_ballot(1, 3), slice_string("y"), 40);
	agreement_restore_decided(a, 6, agreement_ballot(1, 3), slice(NULL, 0), 50);
	ck_assert_int_eq(agreement_begin(a, 0), 0);
	agreement_output(a, 0);
	static const struct {
		uint64_t oldest;
		uint32_t records;
	} steps[] = {{10, 1}, {20, 2}, {40, 1}};
	uint64_t position = 100;
	for (size_t i = 0; i < 3; i++) {
		ck_assert_uint_eq(agreement_oldest_position(a), steps[i].oldest);
		agreement_rewrite_oldest(a);
		const struct agreement_output *out = agreement_output(a, 0);
		ck_assert_uint_eq(out->npersists, steps[i].records);
		for (uint32_t k = 0; k < out->npersists; k++)
			agreement_logged(a, &out->persists[k], position++);
		if (i == 2) {
			ck_assert_int_eq(out->persists[0].kind, AGREEMENT_PERSIST_DECIDED);
			ck_assert_uint_eq(out->persists[0].ballot, 0);
			ck_assert(slice_equal(out->persists[0].value, slice_string("y")));
		}
	}
	ck_assert_uint_eq(agreement_oldest_position(a), 100);
	agreement_destroy(a);
}
END_TEST

/* A decision whose value stands nowhere is damage; Done values of another group are, too. */
START_TEST(a_decision_without_a_value_is_damage)
{
	struct agreement *a = core_of(1, 10);
	agreement_restore_decided(a, 6, agreement_ballot(1, 3), slice(NULL, 0), 50);
	ck_assert_int_eq(agreement_begin(a, 0), STATUS_CORRUPT);
	agreement_destroy(a);
	a = core_of(1, 10);
	ck_assert_int_eq(agreement_restore_dones(a, slice_string("short"), 1), STATUS_CORRUPT);
	agreement_destroy(a);
}
END_TEST

/* Whoever is not a peer, or means another one, is not listened to. */
START_TEST(strangers_are_not_listened_to)
{
	struct agreement *a = fresh(1);
	struct wire_agreement_item prepare = {
		.kind = WIRE_AGREEMENT_PREPARE, .seq = 5, .ballot = agreement_ballot(1, 3)};
	request(a, 9, 1, prepare);
	request(a, 1, 1, prepare);
	request(a, 3, 2, prepare);
	const struct agreement_output *out = agreement_output(a, 0);
	ck_assert_uint_eq(out->npersists + out->nanswers, 0);
	ck_assert_uint_eq(agreement_instances(a), 0);
	agreement_destroy(a);
}
END_TEST

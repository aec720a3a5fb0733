/* What other peers say is judged, each field by its rule (agreement.h, JUDGEMENT). */
/* faults: 96 */
#include "../support/check_main.h"
#include "agreement/agreement.h"
#include "base/limits.h"
#include "bound.h"

static struct agreement *a;
static struct wire_agreement m;
static struct wire_agreement_item items[3];

static uint64_t no_random(void *context)
{
	(void)context;
	return 0;
}

/* Peer 2 of 3; it owns instances 1, 4, 7, …; peer 1 owns 0, 3, 6, … */
static void open_core(void)
{
	struct agreement_options options = {.self = 2,
					    .nmembers = 3,
					    .members = {1, 2, 3},
					    .life = BOUND_LIFE(2),
					    .retry_us = 100,
					    .retry_max_us = 500,
					    .backoff_us = 10,
					    .backoff_max_us = 500,
					    .spread_us = 1000,
					    .instances_max = 100,
					    .bytes_max = MIB,
					    .random = no_random};
	a = agreement_create(&options);
	bound_restore(a, 3);
	ck_assert_int_eq(agreement_begin(a, 0), 0);
}

static void plausible(enum wire_agreement_kind kind, uint64_t ballot)
{
	m = (struct wire_agreement){.from = 1,
				    .to = 2,
				    .life = BOUND_LIFE(1),
				    .members = 1,
				    .ndones = 3,
				    .nitems = 1,
				    .items = items};
	items[0] = (struct wire_agreement_item){
		.kind = kind, .seq = 3, .ballot = ballot, .value = slice_string("v")};
}

#define PASSES(reply) ck_assert_pstr_eq(agreement_judge(a, reply, &m), NULL)
#define REFUSED(reply, field) \
	do { \
		const char *why_ = agreement_judge(a, reply, &m); \
		ck_assert_msg(why_ != NULL && strncmp(why_, field, strlen(field)) == 0, "%s", \
			      why_ == NULL ? "passes" : why_); \
	} while (0)

/* The envelope: sender, receiver, Done values and the next instance must be possible ones. */
START_TEST(an_envelope_that_no_peer_can_write_is_refused)
{
	open_core();
	plausible(WIRE_AGREEMENT_ACCEPT, agreement_ballot(2, 1));
	PASSES(false);
	const uint32_t nobody[] = {0, 2, 4, UINT32_MAX};
	for (size_t i = 0; i < 4; i++) {
		m.from = nobody[i];
		REFUSED(false, "from");
	}
	m.from = 1;
	m.to = 3;
	REFUSED(false, "to");
	m.to = 2;
	m.ndones = 2;
	REFUSED(false, "dones");
	m.ndones = 3;
	m.dones[2] = AGREEMENT_SEQ_MAX;
	PASSES(false);
	m.dones[2]++;
	REFUSED(false, "dones");
	m.dones[2] = 0;
	m.next = AGREEMENT_SEQ_MAX;
	PASSES(false);
	m.next = UINT64_MAX;
	REFUSED(false, "next");
	m.next = 0;
	items[0].seq = AGREEMENT_SEQ_MAX;
	REFUSED(false, "items.seq");
	items[0].seq = 3;
	/* One bad item among good ones, and nothing of the message is taken. */
	items[1] = items[0];
	items[1].ballot = agreement_ballot(AGREEMENT_ROUND_MAX + 1, 1);
	m.nitems = 2;
	REFUSED(false, "items.ballot");
	m.nitems = 1;
	items[0].value.len = COMMAND_BYTES_MAX + 1;
	REFUSED(false, "items.value");
	agreement_destroy(a);
}
END_TEST

/*
 * Requests: ballots that the sender may use, values where there must be some, and no more of them
 * than fit.
 */
START_TEST(a_request_that_no_peer_can_make_is_refused)
{
	open_core();
	for (uint32_t kind = WIRE_AGREEMENT_PREPARE; kind <= WIRE_AGREEMENT_ACCEPT; kind++) {
		plausible((enum wire_agreement_kind)kind, agreement_ballot(AGREEMENT_ROUND_MAX, 1));
		PASSES(false);
		const uint64_t impossible[] = {0,
					       agreement_ballot(AGREEMENT_ROUND_MAX + 1, 1),
					       agreement_ballot(2, 2),
					       agreement_ballot(2, 3),
					       agreement_ballot(2, 4),
					       UINT64_MAX};
		for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++) {
			items[0].ballot = impossible[i];
			REFUSED(false, "items.ballot");
		}
	}
	/* Round 0 is the owner's, and has no Prepare. */
	plausible(WIRE_AGREEMENT_ACCEPT, agreement_ballot(0, 1));
	PASSES(false);
	items[0].seq = 4;
	REFUSED(false, "items.ballot");
	plausible(WIRE_AGREEMENT_PREPARE, agreement_ballot(0, 1));
	REFUSED(false, "items.ballot");
	plausible(WIRE_AGREEMENT_LEARN, 0);
	PASSES(false);
	items[0].ballot = agreement_ballot(3, 3);
	PASSES(false);
	items[0].ballot = agreement_ballot(3, 5);
	REFUSED(false, "items.ballot");
	plausible(WIRE_AGREEMENT_DECIDED, 0);
	PASSES(false);
	for (uint32_t kind = WIRE_AGREEMENT_PROMISE; kind < WIRE_AGREEMENT_STATE + 3; kind++) {
		plausible((enum wire_agreement_kind)kind, agreement_ballot(2, 1));
		if (kind != WIRE_AGREEMENT_ENTER)
			REFUSED(false, "items.kind");
	}
	/* A ballot bears the binding of who says it; round 0 is for first disks. */
	plausible(WIRE_AGREEMENT_ACCEPT, agreement_ballot_bound(2, 1, 1));
	REFUSED(false, "items.ballot");
	m.binding = 1;
	PASSES(false);
	items[0].ballot = agreement_ballot_bound(0, 1, 1);
	REFUSED(false, "items.ballot");
	m.binding = AGREEMENT_BINDING_MAX + 1;
	REFUSED(false, "binding");
	/* Who enters asks nothing else. */
	plausible(WIRE_AGREEMENT_ENTER, 0);
	REFUSED(false, "items.ballot");
	items[0].ballot = m.binding = 2;
	PASSES(false);
	m.binding = 1;
	REFUSED(false, "items.ballot");
	m.binding = 2;
	m.members = 0;
	REFUSED(false, "members");
	m.members = 1;
	items[1] = items[0];
	m.nitems = 2;
	REFUSED(false, "items");
	plausible(WIRE_AGREEMENT_NONE, 0);
	REFUSED(false, "items.kind");
	agreement_destroy(a);
}
END_TEST

/* Answers: ballots that this peer has used, and nothing accepted above them. */
START_TEST(an_answer_that_no_peer_can_give_is_refused)
{
	open_core();
	plausible(WIRE_AGREEMENT_PROMISE, agreement_ballot(2, 2));
	PASSES(true);
	items[0].other = agreement_ballot(2, 1);
	PASSES(true);
	items[0].other = agreement_ballot(2, 2);
	REFUSED(true, "items.other");
	items[0].other = agreement_ballot(1, 9);
	REFUSED(true, "items.other");
	for (uint32_t kind = WIRE_AGREEMENT_PROMISE; kind <= WIRE_AGREEMENT_REJECT; kind++) {
		plausible((enum wire_agreement_kind)kind, agreement_ballot(2, 1));
		REFUSED(true, "items.ballot");
	}
	plausible(WIRE_AGREEMENT_REJECT, agreement_ballot(2, 2));
	items[0].other = agreement_ballot(AGREEMENT_ROUND_MAX, 3);
	PASSES(true);
	items[0].other = agreement_ballot(AGREEMENT_ROUND_MAX + 1, 3);
	REFUSED(true, "items.other");
	for (uint32_t kind = WIRE_AGREEMENT_KNOWN; kind <= WIRE_AGREEMENT_FULL; kind++) {
		plausible((enum wire_agreement_kind)kind, agreement_ballot(2, 2));
		PASSES(true);
	}
	for (uint32_t kind = WIRE_AGREEMENT_PREPARE; kind <= WIRE_AGREEMENT_LEARN; kind++) {
		plausible((enum wire_agreement_kind)kind, agreement_ballot(2, 1));
		REFUSED(true, "items.kind");
	}
	agreement_destroy(a);
}
END_TEST

/*
 * Told of the last round, a proposer does not go beyond it: the instance waits for a decision of
 * others, and takes it.
 */
START_TEST(the_last_round_waits_for_a_decision_of_others)
{
	open_core();
	struct bytes *value = bytes_copy(slice_string("mine"));
	ck_assert_int_eq(agreement_start(a, 0, 3, value), 0);
	bytes_unref(value);
	uint64_t now_us = 0;
	for (uint32_t i = 0; i < 30; i++) {
		const struct agreement_output *out = agreement_output(a, now_us);
		if (out->npersists > 0)
			agreement_persisted(a, now_us, out->persists[out->npersists - 1].sequence);
		out = agreement_output(a, now_us);
		for (uint32_t k = 0; k < out->nsends; k++)
			for (uint32_t n = 0; n < out->sends[k].message.nitems; n++) {
				uint64_t ballot = out->sends[k].message.items[n].ballot;
				ck_assert_uint_le(agreement_round(ballot), AGREEMENT_ROUND_MAX);
				plausible(WIRE_AGREEMENT_REJECT, ballot);
				items[0].other = agreement_ballot(AGREEMENT_ROUND_MAX, 3);
				PASSES(true);
				agreement_reply(a, now_us, &m);
				m.from = 3;
				m.life = BOUND_LIFE(3);
				agreement_reply(a, now_us, &m);
				break;
			}
		uint64_t at = agreement_deadline_us(a);
		now_us = at != UINT64_MAX && at > now_us ? at : now_us + 1000;
		agreement_tick(a, now_us);
	}
	plausible(WIRE_AGREEMENT_DECIDED, 0);
	agreement_request(a, now_us, 1, 1, &m);
	const struct agreement_output *out = agreement_output(a, now_us);
	agreement_persisted(a, now_us, out->persists[out->npersists - 1].sequence);
	struct bytes *decided = NULL;
	ck_assert_int_eq(agreement_status(a, 3, &decided), AGREEMENT_STATE_DECIDED);
	ck_assert(slice_equal(bytes_slice(decided), slice_string("v")));
	agreement_destroy(a);
}
END_TEST

static void told(void)
{
	plausible(WIRE_AGREEMENT_TOLD, 2);
	m.nitems = 3;
	items[0].seq = 4;
	items[0].other = 2 << 1 | 1;
	items[1] = (struct wire_agreement_item){.kind = WIRE_AGREEMENT_STATE,
						.seq = 4,
						.ballot = agreement_ballot(2, 3),
						.other = agreement_ballot_bound(1, 7, 1),
						.value = slice_string("v")};
	items[2] = (struct wire_agreement_item){
		.kind = WIRE_AGREEMENT_DECIDED, .seq = 9, .value = slice_string("v")};
}

/* What who enters is told. */
START_TEST(told_to_who_enters)
{
	open_core();
	told();
	PASSES(true);
	REFUSED(false, "items.kind");
	items[0].ballot = 0;
	REFUSED(true, "items.ballot");
	items[0].ballot = AGREEMENT_BINDING_MAX + 1;
	REFUSED(true, "items.ballot");
	told();
	items[0].other = 1 << 1;
	REFUSED(true, "items.other");
	items[0].other = 3 << 1 | 1;
	REFUSED(true, "items.other");
	told();
	items[1].seq = 3;
	REFUSED(true, "items.seq");
	items[1].seq = 9;
	REFUSED(true, "items.seq");
	told();
	items[1].ballot = 0;
	REFUSED(true, "items.ballot");
	items[1].ballot = agreement_ballot(2, 4);
	REFUSED(true, "items.ballot");
	told();
	items[1].other = agreement_ballot(2, 3) + 1;
	REFUSED(true, "items.other");
	items[1].other = agreement_ballot(1, 4);
	REFUSED(true, "items.other");
	items[1].other = items[1].ballot;
	PASSES(true);
	items[2].kind = WIRE_AGREEMENT_KNOWN;
	REFUSED(true, "items.kind");
	/* Not behind others, and not without anything to say. */
	told();
	items[2] = items[0];
	REFUSED(true, "items.kind");
	told();
	m.nitems = 1;
	items[0].other = 1;
	PASSES(true);
	items[0].other = 0;
	REFUSED(true, "items.other");
	plausible(WIRE_AGREEMENT_STATE, agreement_ballot(2, 2));
	REFUSED(true, "items.kind");
	agreement_destroy(a);
}
END_TEST

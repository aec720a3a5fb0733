/*
 * libFuzzer: one peer of the agreement service among peers that say anything. Nothing they say may
 * break it; what it has shown as decided stays, also across a restart from its own records.
 *
 *   input: a program, one step after another: u8 what, then its arguments (see run_step)
 */
#include <stdlib.h>

#include "../unit/agreement/bound.h"
#include "agreement/agreement.h"
#include "base/alloc.h"
#include "base/map.h"
#include "fuzz.h"

#define RECORDS_MAX 4096u

struct record {
	struct agreement_persist persist;
	struct bytes *value;
};

struct bench {
	struct agreement *core;
	struct record records[RECORDS_MAX];
	uint64_t nrecords, opened;
	uint64_t now_us;
	struct map shown; /* 1 + seq → struct bytes */
};

static uint64_t no_random(void *context)
{
	(void)context;
	return 5;
}

static void open_core(struct bench *b)
{
	struct agreement_options options = {
		.self = 2,
		.nmembers = 3,
		.members = {1, 2, 3},
		.life = BOUND_LIFE(2),
		.retry_us = 100,
		.retry_max_us = 500,
		.backoff_us = 10,
		.backoff_max_us = 500,
		.spread_us = 1000,
		.instances_max = 16,
		.bytes_max = 64 * KIB,
		.random = no_random,
	};
	b->core = agreement_create(&options);
	bound_restore(b->core, 3);
	for (uint64_t i = 0; i < b->nrecords; i++) {
		const struct agreement_persist *r = &b->records[i].persist;
		struct slice value = bytes_slice(b->records[i].value);
		int status = 0;
		switch (r->kind) {
		case AGREEMENT_PERSIST_PROMISE:
			agreement_restore_promise(b->core, r->seq, r->ballot, i + 1);
			break;
		case AGREEMENT_PERSIST_ACCEPT:
			agreement_restore_accept(b->core, r->seq, r->ballot, value, i + 1);
			break;
		case AGREEMENT_PERSIST_DECIDED:
			agreement_restore_decided(b->core, r->seq, r->ballot, value, i + 1);
			break;
		case AGREEMENT_PERSIST_DONES:
			status = agreement_restore_dones(b->core, value, i + 1);
			break;
		case AGREEMENT_PERSIST_MEMBERS:
			status = agreement_restore_members(b->core, value, i + 1);
			break;
		}
		ASSERT(status == 0);
	}
	b->opened = b->nrecords;
	int status = agreement_begin(b->core, b->now_us);
	ASSERT(status == 0);
}

/* Carries out what the core wants; the disk is as quick as it is asked to be. */
static void settle(struct bench *b, bool durable)
{
	const struct agreement_output *out = agreement_output(b->core, b->now_us);
	for (uint32_t i = 0; i < out->npersists; i++) {
		ASSERT(b->nrecords < RECORDS_MAX);
		b->records[b->nrecords] = (struct record){
			.persist = out->persists[i], .value = bytes_copy(out->persists[i].value)};
		agreement_logged(b->core, &out->persists[i], ++b->nrecords);
	}
	if (durable)
		agreement_persisted(b->core, b->now_us, b->nrecords - b->opened);
}

static void check_shown(struct bench *b)
{
	size_t position = 0;
	uint64_t key;
	void *value;
	struct agreement_view view;
	while (map_next(&b->shown, &position, &key, &value)) {
		struct bytes *now = NULL;
		enum agreement_state state = agreement_status(b->core, key - 1, &now);
		ASSERT(state != AGREEMENT_STATE_PENDING);
		ASSERT(state == AGREEMENT_STATE_FORGOTTEN ||
		       slice_equal(bytes_slice(now), bytes_slice(value)));
	}
	position = 0;
	while (agreement_next_view(b->core, &position, &view)) {
		struct bytes *now = NULL;
		if (agreement_status(b->core, view.seq, &now) == AGREEMENT_STATE_DECIDED &&
		    map_get(&b->shown, view.seq + 1) == NULL)
			map_put(&b->shown, view.seq + 1, bytes_ref(now));
	}
	ASSERT(agreement_bytes(b->core) <= 2 * 64 * KIB + 64 * 1024);
}

/* Small numbers mostly, that meet each other; sometimes any. */
static uint64_t number(struct slice *in)
{
	uint8_t small = input_u8(in);
	return small < 250 ? small % 20 : input_u64(in);
}

static uint64_t ballot(struct slice *in)
{
	uint64_t round = number(in);
	return agreement_ballot(round & ((UINT64_C(1) << 56) - 1), input_u8(in) % 4);
}

static void message(struct bench *b, struct slice *in, bool reply)
{
	struct wire_agreement_item items[4];
	struct wire_agreement m = {.from = input_u8(in) % 4,
				   .to = 2,
				   .ndones = input_u8(in) % 8 == 7 ? 2 : 3,
				   .items = items};
	m.nitems = input_u8(in) % 4;
	for (uint32_t i = 0; i < m.ndones; i++)
		m.dones[i] = number(in) % 8;
	m.next = number(in);
	m.binding = input_u8(in) % 4;
	m.members = 1 + input_u8(in) % 8;
	m.life = BOUND_LIFE(m.from) + input_u8(in) % 2 * 100;
	for (uint32_t i = 0; i < m.nitems; i++) {
		items[i] = (struct wire_agreement_item){
			.kind = input_u8(in) % 17u, .seq = number(in), .ballot = ballot(in)};
		items[i].other = ballot(in);
		items[i].value = input_bytes(in, input_u8(in) % 32);
	}
	/* Whatever the door says of it: the core bears more. */
	(void)agreement_judge(b->core, reply, &m);
	if (reply)
		agreement_reply(b->core, b->now_us, &m);
	else
		agreement_request(b->core, b->now_us, 1, 1, &m);
}

/* Whose disk is bound from now on; this peer's own may be a new one, or not be bound at all. */
static void members(struct bench *b, struct slice *in)
{
	struct agreement_members members;
	bound_members(&members, 3);
	members.slot = 1 + input_u8(in) % 8;
	for (uint32_t i = 0; i < 3; i++) {
		members.list[i].binding = input_u8(in) % 3;
		members.list[i].life += input_u8(in) % 4 == 3 ? 100 : 0;
	}
	agreement_set_members(b->core, b->now_us, &members);
}

static void run_step(struct bench *b, struct slice *in)
{
	uint8_t what = input_u8(in);
	switch (what % 9) {
	case 0: {
		uint64_t seq = number(in);
		struct bytes *value = bytes_copy(input_bytes(in, input_u8(in)));
		int status = agreement_start(b->core, b->now_us, seq, value);
		ASSERT(status == 0 || status == STATUS_BUSY || status == STATUS_UNAVAILABLE ||
		       status == STATUS_COMPACTED || status == STATUS_BAD_REQUEST);
		bytes_unref(value);
		break;
	}
	case 1: agreement_done(b->core, b->now_us, number(in) % 20); break;
	case 2:
		b->now_us += number(in);
		agreement_tick(b->core, b->now_us);
		break;
	case 3: agreement_rewrite_oldest(b->core); break;
	case 8: members(b, in); break;
	case 4:
		/* What was not durable is lost. */
		settle(b, true);
		check_shown(b);
		agreement_destroy(b->core);
		open_core(b);
		break;
	case 5:
	case 6: message(b, in, false); break;
	default: message(b, in, true); break;
	}
	settle(b, what >= 64);
	check_shown(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bench b;
	struct slice in = slice(data, size);
	b = (struct bench){0};
	open_core(&b);
	while (in.len > 0 && b.nrecords + 64 < RECORDS_MAX)
		run_step(&b, &in);
	agreement_destroy(b.core);
	for (uint64_t i = 0; i < b.nrecords; i++)
		bytes_unref(b.records[i].value);
	size_t position = 0;
	uint64_t key;
	void *value;
	while (map_next(&b.shown, &position, &key, &value))
		bytes_unref(value);
	map_free(&b.shown);
	return 0;
}

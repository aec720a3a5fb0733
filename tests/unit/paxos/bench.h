/*
 * One core driven message by message, with a clock and a disk that move when the test says so.
 */
#ifndef SYNOD_TESTS_PAXOS_BENCH_H
#define SYNOD_TESTS_PAXOS_BENCH_H

#include <check.h>

#include "../support/peer_any.h"
#include "base/alloc.h"
#include "base/rng.h"
#include "paxos/internal.h"

struct bench {
	struct paxos *core;
	struct rng rng;
	uint64_t now_us;
	uint64_t later_us;  /* the clock has gone on by so much since now_us was read */
	uint64_t persisted; /* highest sequence number handed out */
};

static inline uint64_t bench_random(void *context)
{
	return rng_next(&((struct bench *)context)->rng);
}

static inline uint64_t bench_clock(void *context)
{
	const struct bench *b = context;
	return b->now_us + b->later_us;
}

/* Started long ago. */
static inline void bench_init_leased(struct bench *b, uint32_t self, uint32_t members,
				     uint64_t lease_us)
{
	struct consensus_options options = {
		.group = 1,
		.self = self,
		.nmembers = members,
		.election_timeout_us = 150000,
		.heartbeat_us = 30000,
		.lease_us = lease_us,
		.cache_bytes = 4096,
		.random = bench_random,
		.clock_us = bench_clock,
		.context = b,
	};
	*b = (struct bench){.now_us = 1000};
	rng_seed(&b->rng, 1);
	for (uint32_t i = 0; i < members; i++)
		options.members[i] = i + 1;
	b->core = paxos_create(&options, 0);
	paxos_start(b->core, b->now_us);
	b->now_us += options.election_timeout_us;
}

static inline void bench_init(struct bench *b, uint32_t self, uint32_t members)
{
	bench_init_leased(b, self, members, 0);
}

/* Takes the output; what it wants persisted is remembered, but durable only after sync(). */
static inline const struct consensus_output *settle(struct bench *b)
{
	const struct consensus_output *out = paxos_output(b->core, b->now_us);
	if (out->npersists > 0)
		b->persisted = out->persists[out->npersists - 1].sequence;
	return out;
}

static inline void sync_all(struct bench *b)
{
	paxos_persisted(b->core, b->now_us, b->persisted);
}

static inline void receive(struct bench *b, enum method method, struct wire_peer_any m)
{
	m.group = 1;
	m.to = b->core->options.self;
	paxos_receive(b->core, b->now_us, method, peer_of_any(method, &m));
}

/* NULL, or what is wrong with it. */
static inline const char *judge_any(const struct bench *b, enum method method,
				    const struct wire_peer_any *m)
{
	return paxos_judge(b->core, method, peer_of_any(method, m));
}

struct sent {
	struct wire_peer_any message;
};

/* The first message of that kind to it; valid until the next question of this kind. */
static inline const struct sent *sent(const struct consensus_output *out, uint32_t to,
				      enum method method)
{
	static struct sent found[8];
	static uint32_t next;
	for (uint32_t i = 0; i < out->nsends; i++) {
		if (out->sends[i].to != to || out->sends[i].method != method)
			continue;
		struct sent *s = &found[next++ % 8];
		s->message = peer_to_any(method, &out->sends[i].message);
		return s;
	}
	return NULL;
}

/*
 * Elected by the answers of members 2 … count/2 + 1, of which member 2 says that so many slots are
 * chosen.
 */
static inline void lead(struct bench *b, uint64_t chosen_elsewhere)
{
	b->now_us = paxos_deadline_us(b->core);
	paxos_tick(b->core, b->now_us);
	settle(b);
	uint32_t needed = b->core->options.nmembers / 2;
	for (uint32_t i = 0; i < needed; i++)
		receive(b, METHOD_PRE_VOTE_REPLY,
			(struct wire_peer_any){
				.from = i + 2, .sequence = b->core->ballot, .flags = PEER_GRANTED});
	settle(b);
	sync_all(b);
	settle(b);
	for (uint32_t i = 0; i < needed; i++)
		receive(b, METHOD_PROMISE,
			(struct wire_peer_any){.from = i + 2,
					       .ballot = b->core->ballot,
					       .slot = b->core->peers[i + 1].promise_next,
					       .chosen = i == 0 ? chosen_elsewhere : 0});
	ck_assert_int_eq(paxos_role(b->core), CONSENSUS_LEADER);
	settle(b);
}

#endif

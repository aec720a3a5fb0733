/*
 * Single-decree Paxos: the synod of Lamport 2001, "Paxos Made Simple", section 2, and nothing else.
 *
 * One instance chooses one value. An acceptor answers Prepare and Accept; a proposer drives a
 * ballot through both phases. Neither sends anything: the caller carries messages, and makes an
 * acceptor's new state durable before it lets the answer out.
 *
 *   proposer                     acceptor
 *   PREPARE(b)          ──────▶  P1b: b > promised: promise b, report what was accepted
 *   ◀──────  PROMISE(b, accepted ballot, accepted value)
 *   (quorum)  value := that of the highest accepted ballot, or its own
 *   ACCEPT(b, value)    ──────▶  P2b: b ≥ promised: accept
 *   ◀──────  ACCEPTED(b)
 *   (quorum)  value is chosen
 *
 * Invariants, asserted: promised never falls; accepted ≤ promised; a proposer proposes at most one
 * value in a ballot.
 *
 * Values are shared buffers (base/bytes.h); NULL is a valid value ("nothing").
 */
#ifndef SYNOD_PAXOS_SYNOD_H
#define SYNOD_PAXOS_SYNOD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* A set of replicas, bit i for member i. */
typedef uint32_t synod_set;

/*
 * Without an instruction for it, which not every processor has, the compiler would call a function.
 */
static inline uint32_t synod_count(synod_set set)
{
	uint32_t count = 0;
	for (; set != 0; set &= set - 1)
		count++;
	return count;
}

static inline bool synod_is_quorum(synod_set votes, uint32_t nmembers)
{
	return synod_count(votes) > nmembers / 2;
}

struct synod_acceptor {
	uint64_t promised;
	uint64_t accepted;   /* ballot; 0: nothing accepted */
	struct bytes *value; /* holds a reference */
};

/* True: promised (the caller answers PROMISE with accepted and value once the state is durable). */
bool synod_acceptor_prepare(struct synod_acceptor *a, uint64_t ballot);
/*
 * True: accepted (the caller answers ACCEPTED once the state is durable). Takes its own reference
 * to the value.
 */
bool synod_acceptor_accept(struct synod_acceptor *a, uint64_t ballot, struct bytes *value);
void synod_acceptor_free(struct synod_acceptor *a);

enum synod_phase { SYNOD_IDLE, SYNOD_PREPARING, SYNOD_ACCEPTING, SYNOD_CHOSEN };

struct synod_proposer {
	uint32_t nmembers;
	enum synod_phase phase;
	uint64_t ballot;
	synod_set promises;
	synod_set accepts;
	uint64_t best;       /* highest accepted ballot among the promises */
	struct bytes *value; /* what will be, or was, proposed; holds a reference */
};

void synod_proposer_init(struct synod_proposer *p, uint32_t nmembers);
/*
 * Begins a ballot, larger than any of this proposer's before; wish is proposed if no acceptor
 * reports a value.
 */
void synod_proposer_start(struct synod_proposer *p, uint64_t ballot, struct bytes *wish);
/*
 * The same without phase 1, for a ballot below every other that can be used in this instance and
 * that is this proposer's alone, once: nothing can have been accepted in a lower one, so the wish
 * is free (section 2.2). Send ACCEPT(ballot, wish) when it is certain that the ballot will not be
 * used again, also after a crash.
 */
void synod_proposer_start_lowest(struct synod_proposer *p, uint64_t ballot, struct bytes *wish);
/*
 * True when this promise completed the quorum: send ACCEPT(ballot, value) now. Repeated promises of
 * a member count once.
 */
bool synod_proposer_promise(struct synod_proposer *p, uint32_t member, uint64_t ballot,
			    uint64_t accepted, struct bytes *value);
/* True when this answer completed the quorum: value is chosen. */
bool synod_proposer_accepted(struct synod_proposer *p, uint32_t member, uint64_t ballot);
void synod_proposer_free(struct synod_proposer *p);

#endif

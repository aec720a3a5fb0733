/*
 * A message between replicas as a sentence, for people who read transcripts:
 *
 *   2 → 1: ACCEPTED in 1.1: all up to slot 2 received, slot 2 durable, answers round 1 (chosen: 1)
 *
 * What a field means in a message of that kind is said (paxos/multipaxos.h); what is not set is
 * left out. Two messages that differ in what they say have different sentences.
 */
#ifndef SYNOD_TESTS_PAXOS_WORDS_H
#define SYNOD_TESTS_PAXOS_WORDS_H

#include "base/bytes.h"
#include "wire/method.h"
#include "wire/wire.h"

void paxos_words(const struct wire_peer_any *m, enum method method, uint32_t from, uint32_t to,
		 struct buffer *out);

#endif

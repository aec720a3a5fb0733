/* The sentences of paxos_words.h. */
#include "paxos_words.h"

#include <inttypes.h>

#include "core/ballot.h"
#include "paxos/multipaxos.h"

static void add_ballot(struct buffer *out, const char *before, uint64_t ballot)
{
	char text[BALLOT_TEXT_BYTES];
	buffer_format(out, "%s%s", before, ballot_text(ballot, text));
}

static void add_entries(struct buffer *out, const struct wire_peer_any *m, bool with_ballots)
{
	for (uint32_t i = 0; i < m->nentries; i++) {
		const struct wire_entry *e = &m->entries[i];
		struct slice value = e->value.len == 0 ? slice_string("no-op") : e->value;
		buffer_format(out, "%s slot %" PRIu64 " = %.*s", i == 0 ? "" : ",", e->slot,
			      (int)value.len, (const char *)value.data);
		if (with_ballots)
			add_ballot(out, " of ", e->ballot);
	}
}

static void add_flag(struct buffer *out, const struct wire_peer_any *m, uint32_t flag,
		     const char *words)
{
	if ((m->flags & flag) != 0)
		buffer_format(out, ", %s", words);
}

static void say_pre_vote(const struct wire_peer_any *m, struct buffer *out)
{
	add_ballot(out, " may I stand with ", m->ballot);
	buffer_format(out, "?");
}

static void say_pre_vote_reply(const struct wire_peer_any *m, struct buffer *out)
{
	buffer_format(out, (m->flags & PEER_GRANTED) != 0 ? " yes" : " no");
	add_ballot(out, ", you may ", m->sequence);
	if (m->ballot != 0)
		add_ballot(out, "; has promised ", m->ballot);
}

static void say_prepare(const struct wire_peer_any *m, struct buffer *out)
{
	add_ballot(out, " ", m->ballot);
	buffer_format(out, ", what is accepted from slot %" PRIu64 " on?", m->slot);
	if ((m->flags & PEER_LEASE_OVER) != 0)
		add_ballot(out, " The lease is over of ", m->sequence);
}

static void say_promise(const struct wire_peer_any *m, struct buffer *out)
{
	add_ballot(out, " ", m->ballot);
	buffer_format(out, ", from slot %" PRIu64 " on:", m->slot);
	if (m->nentries == 0)
		buffer_format(out, " nothing");
	add_entries(out, m, true);
	add_flag(out, m, PEER_MORE, "and more");
}

static void say_accept(const struct wire_peer_any *m, struct buffer *out)
{
	add_ballot(out, " in ", m->ballot);
	buffer_format(out, m->nentries > 0 ? ":" : ", nothing new");
	add_entries(out, m, false);
	add_flag(out, m, PEER_FIRST, "the first of this ballot");
	if (m->sequence != 0)
		buffer_format(out, ", heartbeat round %" PRIu64, m->sequence);
	if (m->slot != 0)
		buffer_format(out, ", nothing was found after slot %" PRIu64, m->slot);
	if (m->lease_us != 0)
		buffer_format(out, ", lease for %" PRIu64 " us", m->lease_us);
	if (m->vouched != 0)
		buffer_format(out, ", vouches for %" PRIu64, m->vouched);
}

static void say_accepted(const struct wire_peer_any *m, struct buffer *out)
{
	add_ballot(out, " in ", m->ballot);
	buffer_format(out, ": all up to slot %" PRIu64 " received", m->slot);
	for (uint32_t i = 0; i < m->nranges; i++) {
		const struct wire_range *r = &m->ranges[i];
		if (r->first == r->last)
			buffer_format(out, ", slot %" PRIu64 " durable", r->first);
		else
			buffer_format(out, ", slots %" PRIu64 " to %" PRIu64 " durable", r->first,
				      r->last);
	}
	if (m->sequence != 0)
		buffer_format(out, ", answers round %" PRIu64, m->sequence);
	add_flag(out, m, PEER_LEASED, "grants the lease");
	add_flag(out, m, PEER_UNFIT, "would not lead");
	add_flag(out, m, PEER_FULL, "its disk is full");
	add_flag(out, m, PEER_LEARNER, "a learner");
	if (m->stamp != 0)
		buffer_format(out, ", stamp %" PRIu64, m->stamp);
}

static void say_chosen(const struct wire_peer_any *m, struct buffer *out)
{
	if ((m->flags & PEER_SNAPSHOT) != 0)
		buffer_format(out, " up to slot %" PRIu64 " there is a snapshot", m->slot);
	add_entries(out, m, true);
}

void paxos_words(const struct wire_peer_any *m, enum method method, uint32_t from, uint32_t to,
		 struct buffer *out)
{
	buffer_format(out, "%u → %u: ", from, to);
	switch (method) {
	case METHOD_PRE_VOTE:
		buffer_format(out, "PRE-VOTE,");
		say_pre_vote(m, out);
		break;
	case METHOD_PRE_VOTE_REPLY:
		buffer_format(out, "PRE-VOTE:");
		say_pre_vote_reply(m, out);
		break;
	case METHOD_PREPARE:
		buffer_format(out, "PREPARE");
		say_prepare(m, out);
		break;
	case METHOD_PROMISE:
		buffer_format(out, "PROMISE");
		say_promise(m, out);
		break;
	case METHOD_ACCEPT:
		buffer_format(out, "ACCEPT");
		say_accept(m, out);
		break;
	case METHOD_ACCEPTED:
		buffer_format(out, "ACCEPTED");
		say_accepted(m, out);
		break;
	case METHOD_REJECT:
		add_ballot(out, "REJECT, has promised ", m->ballot);
		add_flag(out, m, PEER_REMOVED, "and you have been removed");
		break;
	case METHOD_FETCH: buffer_format(out, "FETCH from slot %" PRIu64 " on", m->slot); break;
	case METHOD_CHOSEN:
		buffer_format(out, "CHOSEN:");
		say_chosen(m, out);
		break;
	case METHOD_TAKE_OVER: add_ballot(out, "TAKE OVER from ", m->ballot); break;
	default: buffer_format(out, "%s", method_text((uint16_t)method)); break;
	}
	if (m->members != 0)
		buffer_format(out, ", members of slot %" PRIu64, m->members);
	if (m->chosen != 0)
		buffer_format(out, " (chosen: %" PRIu64 ")", m->chosen);
}

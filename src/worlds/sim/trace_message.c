/*
 * What the consensus protocol's messages say, for the lines of a trace. Nothing is decoded unless
 * somebody wants lines.
 */
#include "base/arena.h"
#include "core/consensus.h"
#include "sim/trace.h"

static void describe_entries(const struct wire_peer_any *m, struct buffer *out)
{
	if (m->nentries == 0)
		return;
	uint64_t first = m->entries[0].slot, last = m->entries[m->nentries - 1].slot;
	buffer_format(out, first == last ? " entry=%" PRIu64 : " entries=%" PRIu64 "..%" PRIu64,
		      first, last);
	if (m->entries[0].ballot != 0) {
		char ballot[BALLOT_TEXT_BYTES];
		buffer_format(out, " accepted_in=%s", ballot_text(m->entries[0].ballot, ballot));
	}
}

static void describe_ranges(const struct wire_peer_any *m, struct buffer *out)
{
	for (uint32_t i = 0; i < m->nranges; i++)
		buffer_format(out, "%s%" PRIu64 "..%" PRIu64, i == 0 ? " durable=" : ",",
			      m->ranges[i].first, m->ranges[i].last);
}

static void describe(const struct wire_peer_any *m, uint16_t method, struct buffer *out)
{
	char ballot[BALLOT_TEXT_BYTES];
	if (m->ballot != 0)
		buffer_format(out, " ballot=%s", ballot_text(m->ballot, ballot));
	if (method == METHOD_PRE_VOTE_REPLY)
		buffer_format(out, " granted=%s", (m->flags & PEER_GRANTED) != 0 ? "yes" : "no");
	else if (m->sequence != 0)
		buffer_format(out, " round=%" PRIu64, m->sequence);
	if (m->slot != 0)
		buffer_format(out, " slot=%" PRIu64, m->slot);
	describe_entries(m, out);
	describe_ranges(m, out);
	buffer_format(out, " chosen=%" PRIu64, m->chosen);
}

void sim_trace_describe(uint16_t method, struct slice payload, struct buffer *out)
{
	if (method < METHOD_PRE_VOTE || method > METHOD_TAKE_OVER)
		return;
	struct arena arena;
	struct wire_peer_any m;
	arena_init(&arena, ARENA_BYTES_MAX);
	if (wire_peer_any_decode(payload, &arena, &m) == 0)
		describe(&m, method, out);
	arena_free(&arena);
}

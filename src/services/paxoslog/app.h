/*
 * The log service as a replicated app (rsm/app.h): a log for other programs, slots 1, 2, 3, …
 *
 * Commands are encoded LogCommands, answered with a LogReply:
 *
 *   append each value gets the next slot; all of them or none. With `at`, only if the first one's
 *           slot is that one: otherwise COMPARE_FALSE, and nothing is appended.
 *   trim    drops every slot ≤ trim; NOT_FOUND if that slot does not exist yet.
 *
 * Sessions (rsm/rsm.h) make both exactly once. Queries are encoded LogQueries, answered with
 * LogEntries: values from a slot on, as many as were asked for and as fit; COMPACTED if that slot
 * has been trimmed; from 0: the oldest there is. Slots are dense, a value never changes, and what
 * was read at one replica is the same at each other.
 *
 * Memory is limited: when the kept values pass bytes_max, the leader refuses to append (NO_SPACE)
 * until somebody trims. The limit is not part of the state: what is in the log already is applied.
 *
 * Snapshot: u32 magic "PLG1", u64 first, u64 last; then for each slot u32 length and the value,
 * little-endian; cut into chunks between values.
 */
#ifndef SYNOD_PAXOSLOG_APP_H
#define SYNOD_PAXOSLOG_APP_H

#include "paxoslog/slots.h"
#include "rsm/app.h"
#include "wire/paxosd.h"

struct paxoslog_settings {
	uint64_t bytes_max;
	uint32_t value_bytes_max;
};

struct app *paxoslog_app_create(const struct paxoslog_settings *settings);
/* Borrowed; NULL while a snapshot is being restored. */
const struct slots *paxoslog_app_slots(const struct app *app);
/* The answer to a query at the present state. */
void paxoslog_app_read(const struct app *app, const struct wire_log_query *query,
		       struct arena *arena, struct reply *reply);

#endif

/*
 * RPC method numbers: part of the protocol (docs/protocol.md). Add, never renumber.
 */
#ifndef SYNOD_WIRE_METHOD_H
#define SYNOD_WIRE_METHOD_H

#include <stdint.h>

/* clang-format off */
#define METHOD_MAP(X) \
	/* name, number, text */ \
	X(HELLO, 1, "hello") \
	X(PING, 2, "ping") \
	X(STATUS, 3, "status") \
	X(CLUSTER, 4, "cluster") \
	X(TRACE, 5, "trace") \
	X(IDENTITY, 6, "identity") \
	X(COMMAND, 16, "command") \
	X(QUERY, 17, "query") \
	X(REGISTER, 18, "register") \
	X(TRANSFER, 19, "transfer") \
	X(WATCH, 20, "watch") \
	X(QUERY_UNCONFIRMED, 21, "query_unconfirmed") \
	X(BALLOT, 22, "ballot") \
	X(QUERY_INDEXED, 23, "query_indexed") \
	X(QUERY_STALE, 24, "query_stale") \
	X(MEMBERS, 25, "members") \
	X(CHANGE_MEMBERS, 26, "change_members") \
	X(FORCE, 27, "force") \
	X(PRE_VOTE, 32, "pre_vote") \
	X(PRE_VOTE_REPLY, 33, "pre_vote_reply") \
	X(PREPARE, 34, "prepare") \
	X(PROMISE, 35, "promise") \
	X(ACCEPT, 36, "accept") \
	X(ACCEPTED, 37, "accepted") \
	X(REJECT, 38, "reject") \
	X(FETCH, 39, "fetch") \
	X(CHOSEN, 40, "chosen") \
	X(TAKE_OVER, 41, "take_over") \
	X(SNAPSHOT_FETCH, 48, "snapshot_fetch") \
	X(SNAPSHOT_CHUNK, 49, "snapshot_chunk") \
	X(READ_INDEX, 50, "read_index") \
	X(READ_INDEX_REPLY, 51, "read_index_reply") \
	X(STATE_HASH, 52, "state_hash") \
	X(WELCOME, 53, "welcome") \
	X(STARTED, 56, "started") \
	X(SNAPSHOT_TURN, 57, "snapshot_turn") \
	X(VIEW_PING, 64, "view_ping") \
	X(PB_FORWARD, 72, "pb_forward") \
	X(AGREEMENT, 80, "agreement") \
	X(AGREEMENT_START, 81, "agreement_start") \
	X(AGREEMENT_STATUS, 82, "agreement_status") \
	X(AGREEMENT_DONE, 83, "agreement_done") \
	X(AGREEMENT_BOUNDS, 84, "agreement_bounds") \
	X(AGREEMENT_WAIT, 85, "agreement_wait") \
	X(LOG_COMMAND, 96, "log_command") \
	X(LOG_QUERY, 97, "log_query") \
	X(LOG_REGISTER, 98, "log_register") \
	X(LOG_TAIL, 99, "log_tail") \
	X(LOG_SLOT, 100, "log_slot") \
	X(LOG_QUERY_INDEXED, 101, "log_query_indexed") \
	X(LOG_QUERY_STALE, 102, "log_query_stale")
/* clang-format on */

enum method {
#define X(name, number, text) METHOD_##name = (number),
	METHOD_MAP(X)
#undef X
		METHOD_NUMBER_MAX = 127,
};

/* "accept"; "unknown" for a number that is none. */
const char *method_text(uint16_t method);

#endif

/*
 * The messages of paxosd (proto/paxosd.proto) as plain structs. Conventions, lifetimes and errors
 * are those of wire/wire.h; all byte strings point into the input.
 */
#ifndef SYNOD_WIRE_PAXOSD_H
#define SYNOD_WIRE_PAXOSD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/status.h"

/* ---- agreement, between peers ---- */

enum wire_agreement_kind {
	WIRE_AGREEMENT_NONE,
	WIRE_AGREEMENT_PREPARE,
	WIRE_AGREEMENT_ACCEPT,
	WIRE_AGREEMENT_LEARN,
	WIRE_AGREEMENT_DECIDED,
	WIRE_AGREEMENT_PROMISE,
	WIRE_AGREEMENT_ACCEPTED,
	WIRE_AGREEMENT_REJECT,
	WIRE_AGREEMENT_KNOWN,
	WIRE_AGREEMENT_WANT,
	WIRE_AGREEMENT_FORGOTTEN,
	WIRE_AGREEMENT_FULL,
	WIRE_AGREEMENT_ENTER,
	WIRE_AGREEMENT_TOLD,
	WIRE_AGREEMENT_STATE,
};
struct wire_agreement_item {
	uint32_t kind; /* decode lets kinds of a newer version pass */
	uint64_t seq, ballot, other;
	struct slice value;
};
struct wire_agreement {
	uint32_t from, to;
	uint64_t life;    /* the sender's disk … */
	uint32_t binding; /* … as the members that it knows bind it; 0 also if they do not */
	uint64_t members; /* their slot; 0: it knows none yet */
	uint32_t ndones;
	uint64_t dones[REPLICAS_MAX];
	uint64_t next;
	uint32_t nitems;
	struct wire_agreement_item *items; /* arena */
};
int wire_agreement_decode(struct slice in, struct arena *arena,
			  struct wire_agreement *out) MUST_CHECK;
void wire_agreement_encode(const struct wire_agreement *in, struct buffer *out);

/* ---- agreement, for clients ---- */

struct wire_agreement_request {
	uint64_t seq;
	struct slice value;
};
int wire_agreement_request_decode(struct slice in, struct arena *arena,
				  struct wire_agreement_request *out) MUST_CHECK;
void wire_agreement_request_encode(const struct wire_agreement_request *in, struct buffer *out);

enum wire_agreement_status {
	WIRE_AGREEMENT_PENDING,
	WIRE_AGREEMENT_IS_DECIDED,
	WIRE_AGREEMENT_IS_FORGOTTEN
};
struct wire_agreement_state {
	enum wire_agreement_status status; /* decode refuses others */
	struct slice value;
	uint64_t min, next;
	struct slice peer;
};
int wire_agreement_state_decode(struct slice in, struct arena *arena,
				struct wire_agreement_state *out) MUST_CHECK;
void wire_agreement_state_encode(const struct wire_agreement_state *in, struct buffer *out);

/* ---- the log ---- */

#define WIRE_LOG_VALUES_MAX 1024u /* of one command, and of one page of entries */

struct wire_log_command {
	uint32_t nvalues;
	struct slice *values; /* arena */
	uint64_t at, trim;
};
int wire_log_command_decode(struct slice in, struct arena *arena,
			    struct wire_log_command *out) MUST_CHECK;
void wire_log_command_encode(const struct wire_log_command *in, struct buffer *out);

struct wire_log_reply {
	uint64_t slot, first, last;
};
int wire_log_reply_decode(struct slice in, struct arena *arena,
			  struct wire_log_reply *out) MUST_CHECK;
void wire_log_reply_encode(const struct wire_log_reply *in, struct buffer *out);

struct wire_log_query {
	uint64_t from;
	uint32_t limit;
};
int wire_log_query_decode(struct slice in, struct arena *arena,
			  struct wire_log_query *out) MUST_CHECK;
void wire_log_query_encode(const struct wire_log_query *in, struct buffer *out);

struct wire_log_entries {
	uint64_t from, first, last;
	uint32_t nvalues;
	struct slice *values; /* arena */
};
int wire_log_entries_decode(struct slice in, struct arena *arena,
			    struct wire_log_entries *out) MUST_CHECK;
void wire_log_entries_encode(const struct wire_log_entries *in, struct buffer *out);

enum wire_log_state { WIRE_LOG_EMPTY, WIRE_LOG_ACCEPTED, WIRE_LOG_CHOSEN, WIRE_LOG_CLEARED };
struct wire_log_slot {
	enum wire_log_state state; /* decode refuses others */
	struct slice value;
	uint64_t first, last;
};
int wire_log_slot_decode(struct slice in, struct arena *arena,
			 struct wire_log_slot *out) MUST_CHECK;
void wire_log_slot_encode(const struct wire_log_slot *in, struct buffer *out);

#endif

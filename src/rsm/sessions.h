/*
 * sessions: which commands of which clients have been applied, and what was answered. Part of the replicated state.
 *
 * Deterministic: everything follows from the calls, whose arguments come from the log. Sessions are kept in the order of their
 * last command; the first is evicted when there are too many, when all kept replies together are too large, or when it has been
 * idle for too long by log time.
 * Client ids only grow (REGISTER), so one number, the floor, remembers all evicted sessions: an unknown client at or below it
 * may be an evicted one and is refused.
 */
#ifndef SYNOD_RSM_SESSIONS_H
#define SYNOD_RSM_SESSIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/list.h"
#include "base/map.h"
#include "base/status.h"

#define SESSION_INLINE_BYTES 24u

struct session_reply {
	uint64_t sequence;
	uint32_t crc;    /* of the command's body: the same sequence with another payload is refused */
	int status;
	uint32_t len;
	uint32_t reserved;
	union {
		uint8_t data[SESSION_INLINE_BYTES]; /* len ≤ SESSION_INLINE_BYTES */
		struct bytes *bytes;
	} body;
};

struct session {
	struct sessions *table;
	uint64_t client;
	uint64_t acknowledged; /* replies below are gone, and refused */
	uint64_t used_us;      /* log time */
	struct list order;     /* in sessions.order */
	uint64_t reply_bytes;  /* of all kept replies */
	struct session_reply *replies; /* ascending sequence */
	uint32_t first, count, capacity; /* replies[first … first + count) */
};

struct sessions {
	struct map by_client;
	struct list order; /* least recently used first */
	uint32_t count_max;
	uint64_t idle_us;
	uint64_t floor;
	uint64_t next_client; /* last id handed out by REGISTER here */
	uint64_t evicted;
	uint64_t reply_bytes;
};

enum session_verdict {
	SESSION_NEW,     /* apply it, then sessions_record() */
	SESSION_REPEAT,  /* *repeat is what was answered */
	SESSION_REFUSED, /* *status says why */
};

void sessions_init(struct sessions *s, uint32_t count_max, uint64_t idle_us);
void sessions_free(struct sessions *s);
/* As after sessions_init(). */
void sessions_clear(struct sessions *s);

/*
 * A command is about to be applied at log time now_us. Creates or touches the session, drops what is acknowledged.
 * *session is set for SESSION_NEW.
 */
enum session_verdict sessions_begin(struct sessions *s, uint64_t now_us, uint64_t client, uint64_t sequence,
				    uint64_t acknowledged, struct slice body, struct session **session,
				    const struct session_reply **repeat, int *status);
void sessions_record(struct session *session, uint64_t sequence, struct slice body, int status, struct slice reply);
/* Evicts what has been idle until log time now_us. */
void sessions_expire(struct sessions *s, uint64_t now_us);
/* A fresh client id. */
uint64_t sessions_register(struct sessions *s);
static inline struct slice session_reply_body(const struct session_reply *r)
{
	return r->len <= SESSION_INLINE_BYTES ? slice(r->body.data, r->len) : bytes_slice(r->body.bytes);
}

/* The whole table, for snapshots; decode replaces it. 0 or STATUS_CORRUPT. */
void sessions_encode(const struct sessions *s, struct buffer *out);
int sessions_decode(struct sessions *s, struct slice in) MUST_CHECK;
/* Equal tables have equal hashes. */
uint32_t sessions_hash(const struct sessions *s);

#endif

/*
 * sessions: which commands of which clients have been applied, and what was answered. Part of the
 * replicated state.
 *
 * Deterministic: everything follows from the calls, whose arguments come from the log. A session is
 * evicted when there are too many, when all kept replies together are too large, or when it has
 * been idle for too long by lived time (rsm/entry.h).
 *
 * Who goes first. Sessions are kept in the order of their last command, those that have sent only
 * one apart. While these are more than half of all that may be kept, one of them makes room,
 * otherwise the least recently used of the others: so a crowd that comes once, from whatever
 * program gone mad, does not drive out the clients that work.
 *
 * Which ids are known. Ids are handed out in ascending order, by REGISTER here (next_client) or by
 * another service (registered: told by ENTRY_CLIENTS). An id above both was never handed out, and
 * neither makes a session nor moves anything. Of those below, the evicted ones are remembered
 * (id_ranges): an unknown client among them is refused, so that no late duplicate is taken for a
 * first command.
 *
 * The first version kept one list and one number: who was evicted raised the floor, over all below.
 * Its entries (format 2) are applied so, or a replica that replays them would go on otherwise than
 * one that starts from a snapshot of that version.
 *
 * Numbers. A sequence is at most SESSION_JUMP_MAX above what is known of its client here (a client
 * counts over all groups), and at most SESSION_SPREAD_MAX above what it has acknowledged: so a
 * stranger who uses somebody's id cannot use up its numbers.
 */
#ifndef SYNOD_RSM_SESSIONS_H
#define SYNOD_RSM_SESSIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/list.h"
#include "base/map.h"
#include "base/status.h"
#include "rsm/entry.h"
#include "rsm/id_ranges.h"
#include "rsm/sessions_image.h"

#define SESSION_INLINE_BYTES 24u

struct session_reply {
	uint64_t sequence;
	/* of the command's body: the same sequence with another payload is refused */
	uint32_t crc;
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
	uint64_t acknowledged;           /* replies below are gone, and refused */
	uint64_t used_us;                /* lived time */
	struct list order;               /* in sessions.once or sessions.order … */
	uint64_t place;                  /* … in ascending order of these; from 1 */
	bool returned;                   /* it has sent a second command */
	uint32_t digest_round;           /* in which it was looked at last; sessions_digest */
	uint64_t reply_bytes;            /* of all kept replies */
	struct session_reply *replies;   /* ascending sequence */
	uint32_t first, count, capacity; /* replies[first … first + count) */
};

/* Of the table as it was at sessions_digest_begin(). */
struct sessions_digest {
	bool under_way;
	uint32_t round;
	struct list *list, *at; /* the list that is being gone through, and the next of it */
	uint64_t sum;
};

struct sessions {
	struct map by_client;
	/* that have sent one command, and the others: least recently used first */
	struct list once, order;
	uint32_t once_count;
	uint32_t count_max;
	uint64_t idle_us;
	struct id_ranges evicted;
	uint64_t next_client; /* last id handed out by REGISTER here */
	uint64_t registered;  /* by another service, as far as is known */
	uint64_t evictions;   /* counted; not part of the state */
	bool first_version;   /* of the entry that is being applied: it is of format 2 */
	uint64_t reply_bytes;
	uint64_t places; /* the last one that was given */
	struct sessions_digest digest;
	struct sessions_image image;
};

enum session_verdict {
	SESSION_NEW,     /* apply it, then sessions_record() */
	SESSION_REPEAT,  /* *repeat is what was answered */
	SESSION_REFUSED, /* *status says why */
};

void sessions_init(struct sessions *s, uint64_t count_max, uint64_t idle_us);
void sessions_free(struct sessions *s);
/* As after sessions_init(). */
void sessions_clear(struct sessions *s);
/* Other limits from now on: evicts what is too many. */
void sessions_limit(struct sessions *s, uint64_t count_max, uint64_t idle_us);

/* The highest id that is known to have been handed out. */
static inline uint64_t sessions_mark(const struct sessions *s)
{
	return s->registered > s->next_client ? s->registered : s->next_client;
}

/*
 * What can be said of a command without changing anything, for a leader before it logs it (its
 * state may be behind) and for apply: ABSURD numbers, an id of which nobody knows that it was
 * handed out (UNKNOWN), an evicted one (EVICTED), or nothing.
 */
enum session_judgement { SESSION_FINE, SESSION_ABSURD, SESSION_UNKNOWN, SESSION_EVICTED };
enum session_judgement sessions_judge(const struct sessions *s, uint64_t client, uint64_t sequence,
				      uint64_t acknowledged);
/*
 * Whether the answer to this command is kept: it has been applied, whatever would be said of it
 * now.
 */
bool sessions_answered(const struct sessions *s, uint64_t client, uint64_t sequence);
/* A sentence for people. */
const char *session_judgement_text(enum session_judgement judgement);

/*
 * A command is about to be applied at lived time now_us. Creates or touches the session, drops what
 * is acknowledged. *session is set for SESSION_NEW. By the rules of entry format 2 any id and any
 * numbers pass.
 */
enum session_verdict sessions_begin(struct sessions *s, uint64_t now_us, uint32_t format,
				    const struct entry_command *command, struct session **session,
				    const struct session_reply **repeat, int *status);
void sessions_record(struct session *session, uint64_t sequence, struct slice body, int status,
		     struct slice reply);
/* Evicts what has been idle until lived time now_us, before an entry of that format. */
void sessions_expire(struct sessions *s, uint64_t now_us, uint32_t format);
/* A fresh client id. */
uint64_t sessions_register(struct sessions *s);
/*
 * Another service has handed out ids up to this one. What the first version took for clients beyond
 * that is forgotten: nobody was given those ids yet, and whoever will be must not find them used.
 */
void sessions_registered(struct sessions *s, uint64_t client);
static inline struct slice session_reply_body(const struct session_reply *r)
{
	return r->len <= SESSION_INLINE_BYTES ? slice(r->body.data, r->len)
					      : bytes_slice(r->body.bytes);
}

/*
 * The whole table, for snapshots; decode replaces it, but for its limits. 0 or STATUS_CORRUPT.
 *
 *   u64 next_client   u64 registered   evicted (id_ranges.h)
 *   u64 sessions      u64 of these that have sent one command only; those first
 *   then for each     u64 client   u64 acknowledged   u64 used_us   u32 replies
 *   then for each     u64 sequence   u32 crc   u32 status   u32 length, bytes
 *
 * As the first version wrote it (in snapshots of format 1):
 * u64 floor   u64 next_client   u64 sessions, then these.
 */
void sessions_encode(const struct sessions *s, struct buffer *out);
/* What stands before the sessions, and one of them. */
void sessions_encode_head(const struct sessions *s, struct buffer *out);
void session_encode(const struct session *session, struct buffer *out);
int sessions_decode(struct sessions *s, struct slice in) MUST_CHECK;
int sessions_decode_first_version(struct sessions *s, struct slice in) MUST_CHECK;
/* Equal tables have equal hashes. */
uint32_t sessions_hash(const struct sessions *s);

/*
 * A hash of the table as it is now, made in steps of about `work` bytes that might be copied in
 * their time: next() returns true while there is more; the result is then digest.sum. Commands may
 * go on meanwhile; sessions_clear() ends it. It covers all but the order of sessions that were used
 * at the same lived time.
 */
void sessions_digest_begin(struct sessions *s);
bool sessions_digest_next(struct sessions *s, uint64_t work);
/* The session is about to change: while a digest is under way. */
void sessions_digest_note(struct sessions *s, struct session *session);

#endif

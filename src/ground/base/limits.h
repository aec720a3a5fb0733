/*
 * Every limit of the system in one place. Larger than a limit is refused with
 * STATUS_TOO_LARGE or STATUS_BAD_REQUEST; a full queue answers STATUS_BUSY.
 */
#ifndef SYNOD_BASE_LIMITS_H
#define SYNOD_BASE_LIMITS_H

#define KIB (1024u)
#define MIB (1024u * 1024u)

/* What users may store. */
#define KEY_BYTES_MAX (4u * KIB)   /* default of key_bytes_max */
#define VALUE_BYTES_MAX (1u * MIB) /* default of value_bytes_max */
#define TXN_OPS_MAX 128u           /* operations in each branch of a transaction, and compares */
#define SCAN_LIMIT_MAX 10000u      /* keys in one page of a scan */
#define SCAN_BYTES_MAX (1u * MIB)  /* a page ends after the key that passes this */

/* RPC. */
#define PROTOCOL_VERSION 4u
/* what clients say has been the same since then; nodes speak the newest one only */
#define CLIENT_VERSION_MIN 1u
#define FRAME_BYTES_MAX (4u * MIB) /* payload of one frame */
/* one client command, all operations of a transaction together */
#define COMMAND_BYTES_MAX (2u * MIB)
#define MESSAGE_ELEMENTS_MAX 8192u        /* submessages and repeated elements in one message */
#define ARENA_BYTES_MAX (16u * MIB)       /* decoding one message */
#define HELLO_BYTES_MAX 4096u             /* frame size before the hello has been accepted */
#define NAME_BYTES_MAX 63u                /* node and cluster names */
#define ADDRESS_BYTES_MAX 255u            /* HOST:PORT */
#define LINK_OUTPUT_BYTES_MAX (32u * MIB) /* unsent output after which a connection is cut */
#define LINK_REQUESTS_MAX 16384u          /* unanswered requests on one connection */

/* Consensus. */
#define REPLICAS_MAX 7u                   /* voters of a group; and its members when it begins */
#define MEMBERS_MAX 12u                   /* voters and learners */
#define GENERATION_MAX 65535u             /* so often a group may be forced (rsm/force.h) */
#define MEMBER_NUMBER_MAX 255u            /* they stand in ballots, and are never used again */
#define MEMBER_WAITS_BYTES_MAX 255u       /* what a learner waits for, as text */
#define ENTRY_BYTES_SOFT_MAX (512u * KIB) /* a batch is closed when it passes this */
#define ENTRY_BYTES_MAX (COMMAND_BYTES_MAX + ENTRY_BYTES_SOFT_MAX + 4096u)
#define ENTRY_COMMANDS_MAX 4096u
#define OPEN_SLOTS_MAX 1024u /* proposed but not yet chosen; also bounds a Promise */
#define OPEN_BYTES_MAX (16u * MIB)

/* Replicated state machine. */
#define SESSIONS_MAX 65536u      /* least recently used is evicted above */
#define SESSION_WINDOW_MAX 4096u /* unacknowledged commands in one session */
/* of unacknowledged replies in one session; more commands are refused */
#define SESSION_REPLY_BYTES_MAX (16u * MIB)
/* … in all; least recently used sessions are evicted above */
#define SESSIONS_REPLY_BYTES_MAX (256u * MIB)
#define SESSION_IDLE_US (3600ull * 1000000ull) /* of lived time (rsm/entry.h) */
/* a client's next sequence in a group, above those known there */
#define SESSION_JUMP_MAX (1ull << 32)
#define SESSION_SPREAD_MAX (1ull << 22) /* unacknowledged commands of one client in all groups */
#define SESSION_RANGES_MAX 4096u        /* of evicted ids that a group tells apart */
/*
 * Values are left out of what is kept of a longer reply, and of any while all that is kept passes
 * the second.
 */
#define SESSION_REPLY_WHOLE_MAX (4u * KIB)
#define SESSIONS_WHOLE_BYTES_MAX (8u * MIB)
/*
 * While all that is kept passes the first, a session that holds more than the second is to
 * acknowledge some of it.
 */
#define SESSIONS_CROWDED_BYTES (16u * MIB)
#define SESSION_CROWDED_SHARE_BYTES (64u * KIB)
#define PENDING_REQUESTS_MAX 65536u
#define SNAPSHOT_CHUNK_BYTES (256u * KIB)
/* chunks of a snapshot that are fetched, or read, at once */
#define SNAPSHOT_WINDOW 8u

/* Sharding. */
#define SHARDS_MAX 16384u
#define SHARDS_DEFAULT 256u
#define GROUPS_MAX 1024u
#define CONFIG_HISTORY_MAX 1024u /* configurations that Query(n) can still answer */

_Static_assert(ENTRY_BYTES_MAX + 64u * KIB <= FRAME_BYTES_MAX,
	       "an Accept with the largest entry fits a frame");
_Static_assert(KEY_BYTES_MAX + VALUE_BYTES_MAX < COMMAND_BYTES_MAX, "one put fits a command");

#endif

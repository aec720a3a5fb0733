/*
 * What the files of the key-value app share.
 *
 *   app.c        life, limits, admit, apply
 *   ownership.c  configurations, grants, which group a key belongs to
 *   ops.c        one operation on the staged state
 *   txn.c        compares, branches, commit
 *   staged.c     … what is not committed yet
 *   refuse.c     refusals
 *   query.c      keys and scans
 *   snapshot.c   image and restore
 *   audit.c      the state hashed from its contents, shard by shard
 */
#ifndef SYNOD_SHARDKV_INTERNAL_H
#define SYNOD_SHARDKV_INTERNAL_H

#include "base/states.h"
#include "shardkv/app.h"

/*
 * Of the value that an append makes: from the old one, into the store, into the answer and on its
 * way; and two digests.
 */
#define APPEND_COPIES 4u
/* A key of a scan, or of a read, as bytes that might be copied in its time. */
#define KEY_WORK 64u

/*
 * Whose a shard is, as this group's log says. Two things have to come together, in either order:
 * the configuration that the group has adopted assigns it, and the shard master has granted it.
 *
 *              configuration              grant
 *   FOREIGN ◄────────────────► ASSIGNED ────────► OWNED
 *      │                                            ▲
 *      │ grant                      configuration   │
 *      └──────────────────────► GRANTED ◄───────────┘
 *
 * A grant is never taken back, and nothing is used without one. (The masters never move a shard
 * that they have granted. Should one do so in spite of that, the group stops serving it, which is
 * the way from OWNED to GRANTED.) The numbers stand in hashes and snapshots: bit 0 granted, bit 1
 * assigned.
 */
enum shard_state {
	SHARD_FOREIGN = 0,
	SHARD_GRANTED = 1,  /* its configuration has not come yet */
	SHARD_ASSIGNED = 2, /* waits for its grant: unclaimed */
	SHARD_OWNED = 3,
};
extern const struct state_table SHARD_STATES;

struct shard {
	uint64_t counter; /* writes ever */
	uint64_t digest;  /* sum of its records' digests */
	enum shard_state state;
};

static inline bool shard_assigned(const struct shard *shard)
{
	return (shard->state & SHARD_ASSIGNED) != 0;
}
static inline bool shard_granted(const struct shard *shard)
{
	return (shard->state & SHARD_GRANTED) != 0;
}
static inline bool shard_usable(const struct shard *shard)
{
	return shard->state == SHARD_OWNED;
}

/*
 * A write that is decided but not yet in the store. A command is executed against the store and the
 * list of its own writes; only when all of it has succeeded are they put into the store. A refusal
 * just forgets them.
 */
struct staged_write {
	uint32_t shard;
	uint32_t counted;           /* how often it advanced the shard's counter */
	bool present;               /* exists after the command; false: deleted */
	bool existed;               /* exists in the store */
	uint64_t old_digest;        /* of the record in the store */
	struct store_record record; /* key and value: in the command or the arena */
};

struct txn {
	struct arena *arena;
	uint32_t nwrites;
	uint32_t nresults;
	size_t result_bytes;      /* values of all results */
	uint32_t value_bytes_max; /* for what comes of APPEND and INCR */
	struct staged_write writes[TXN_OPS_MAX];
	struct wire_kv_result results[TXN_OPS_MAX];
	/* Shards of the keys of the command at hand, filled in by the ownership check. */
	uint32_t when_shards[TXN_OPS_MAX];
	uint32_t then_shards[TXN_OPS_MAX];
	uint32_t otherwise_shards[TXN_OPS_MAX];
};

struct scan_source {
	struct store_iterator *iterator;
	struct store_record record; /* the next one */
};

struct restore {
	bool begun;
	bool ended;
	uint32_t shards;  /* described so far */
	uint64_t records; /* read so far */
	uint64_t keys_expected;
	uint64_t hash_expected;
};

struct shardkv_app {
	struct app app;
	struct store *store;
	uint64_t gid;
	uint32_t nshards;
	uint32_t key_bytes_max; /* of what is admitted, by this process's settings */
	uint32_t value_bytes_max;
	uint64_t keys;
	struct shard_config *config; /* adopted; NULL: none yet */
	uint32_t unclaimed;          /* shards in SHARD_ASSIGNED */
	bool admit_any_shard;        /* admit() leaves ownership to apply() */
	struct shardkv_counters counters;
	struct restore restore;
	struct scan_source *sources; /* nshards, allocated with the first scan */
	struct txn txn;
	struct shard shards[];
};

static inline struct shardkv_app *app_of(struct app *app)
{
	return (struct shardkv_app *)(void *)app;
}

/* ---- ownership.c ---- */

/* Looks at every key of a command: 0, or a refusal. Fills the shard numbers of txn. */
int ownership_check_command(struct shardkv_app *a, const struct wire_kv_command *command,
			    struct reply *reply);
/* One key of a query: 0, or a refusal. */
int ownership_check_key(struct shardkv_app *a, struct slice key, uint32_t *shard,
			struct reply *reply);
/*
 * The whole range that is assigned to us, for a scan that expects configuration `config` (0: any).
 */
int ownership_check_scan(struct shardkv_app *a, uint64_t config, struct reply *reply);
void ownership_apply(struct shardkv_app *a, const struct wire_kv_internal *internal,
		     struct arena *arena, struct reply *reply);
/* The shard master has granted it. */
void ownership_grant(struct shardkv_app *a, uint32_t shard);
/* Back to a group that has no shard. */
void ownership_clear(struct shardkv_app *a);
/* Takes over the reference to a newer configuration, and sets what follows from it. */
void ownership_set_config(struct shardkv_app *a, struct shard_config *config);

/* ---- txn.c ---- */

/*
 * Executes a command that has passed the checks: fills the reply and changes the store, or refuses
 * and changes nothing.
 */
void txn_execute(struct shardkv_app *a, const struct wire_kv_command *command,
		 const struct apply_context *context, struct reply *reply);
/* ---- staged.c ---- */

/* The record as the command sees it now: its own writes before the store. */
bool txn_get(struct shardkv_app *a, uint32_t shard, struct slice key, struct store_record *out);
/*
 * Stages a write after txn_get() gave `before` (NULL: no such key). `value` NULL deletes. Returns
 * the new version and modification in *result.
 */
void txn_put(struct shardkv_app *a, uint32_t shard, struct slice key,
	     const struct store_record *before, const struct slice *value,
	     struct wire_kv_result *result);

/* ---- ops.c ---- */

/* Executes one operation: 0 and *result, or a refusal. */
int op_execute(struct shardkv_app *a, const struct wire_kv_op *op, uint32_t shard,
	       struct wire_kv_result *result, struct reply *reply);

/* ---- query.c ---- */

void query_execute(struct shardkv_app *a, const struct wire_kv_query *query, struct arena *arena,
		   struct reply *reply);

/* ---- snapshot.c ---- */

uint64_t snapshot_hash(struct shardkv_app *a);
struct app_snapshot *snapshot_begin(struct app *app);
int snapshot_next(struct app_snapshot *snapshot, size_t bytes, struct buffer *out);
void snapshot_end(struct app_snapshot *snapshot);
void restore_begin(struct app *app);
int restore_chunk(struct app *app, struct slice chunk, struct arena *arena);
int restore_end(struct app *app);

/* ---- audit.c ---- */

struct app_audit *audit_begin(struct app *app);
int audit_next(struct app_audit *audit, uint64_t work);
struct app_parts audit_parts(const struct app_audit *audit);
void audit_end(struct app_audit *audit);
void part_name(struct app *app, uint32_t part, struct buffer *out);

/* A key for people: quoted, at most some dozens of bytes. */
#define KEY_TEXT_BYTES 72
const char *key_text(char out[KEY_TEXT_BYTES], struct slice key);

#endif

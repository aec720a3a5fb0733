/*
 * The key-value state machine of one group: operations, transactions, scans, and which shards are
 * ours.
 *
 * Commands (struct wire_kv_command, applied through the log) and queries (struct wire_kv_query).
 *
 *   GET     value, or NOT_FOUND
 *   PUT     stores value
 *   APPEND  adds value at the end (a missing key counts as empty); the result is the new value
 *   DELETE  removes; NOT_FOUND if there was nothing
 *   CAS     stores value if the present value equals expect, or, with absent, if there is no key;
 *           otherwise COMPARE_FALSE with the present value and its version, or NOT_FOUND (not
 *           absent, and no key)
 *   INCR    adds delta to a decimal 64-bit integer (a missing key counts as 0; as in Redis no sign
 *           but '-', no leading zeros, no spaces); the result is the new value
 *
 * A write's result carries the key's version (writes since its creation: 1, 2, …) and modification
 * (the shard's write counter after this write, which never repeats, so a key that was deleted and
 * created again differs). DELETE returns version 0.
 *
 * Answers and refusals. NOT_FOUND and COMPARE_FALSE are answers: they stand in the result of their
 * operation, the reply itself is OK, and the rest of a transaction goes on (a CAS that does not
 * hold does nothing). Everything else is a refusal of the whole command: the reply's status says
 * why, its body is an encoded Error, and nothing has changed:
 *
 *   BAD_REQUEST   malformed, no operation, empty key
 *   TOO_LARGE     key, value, APPEND's new value, or all results together (KV_RESULT_BYTES_MAX)
 *   NOT_NUMBER    INCR on a value that is no integer, or that would overflow
 *   WRONG_GROUP   a key's shard is another group's, or not yet granted to us; Error.config: the
 *                 adopted configuration
 *   CROSS_GROUP   some keys are ours and some another group's
 *   DENIED        a client sent an internal command
 *
 * Transactions. `then` is executed if every compare of `when` holds, `otherwise` if not; operations
 * see what earlier ones of the same transaction did, and may name a key twice. All keys, also those
 * of the branch that is not taken, must be ours. Compares as in etcd: VALUE of a missing key is
 * false under every relation; VERSION, MODIFICATION and EXISTS of a missing key are 0. Values
 * compare in byte order.
 *
 * Ownership. The group adopts configurations through its own log, in ascending order (older or
 * equal ones change nothing). A shard may be used when the adopted configuration assigns it to us
 * and the shard master has granted it (CLAIM): from then on the master never moves it, so a grant
 * is forever. Other groups' shards hold nothing here.
 *
 * The state is a function of the log alone. Its hash is the sum of record digests for each shard,
 * kept up to date by every write, with counters and ownership mixed in, so taking it costs
 * O(shards).
 */
#ifndef SYNOD_SHARDKV_APP_H
#define SYNOD_SHARDKV_APP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "kv/operation.h"
#include "rsm/app.h"
#include "shardmaster/shard_config.h"
#include "store/store.h"
#include "wire/wire.h"

/* Values in one reply, together; the largest single value fits. */
_Static_assert(KV_RESULT_BYTES_MAX + 512u * KIB <= FRAME_BYTES_MAX,
	       "a reply with its keys and numbers fits a frame");

struct shardkv_app_options {
	struct store *store; /* empty, with nshards spaces; belongs to the app from now on */
	uint64_t gid;
	uint32_t nshards;
	uint32_t key_bytes_max;
	uint32_t value_bytes_max;
};

struct app *shardkv_app_create(const struct shardkv_app_options *options);

/* What has been counted since creation (of this replica; not part of the state). */
#define SHARDKV_STATUS_CODES 32
struct shardkv_counters {
	uint64_t operations[OPERATIONS]; /* by enum wire_kv_kind, executed by apply */
	uint64_t transactions;
	uint64_t transactions_otherwise; /* of them, those whose compares did not hold */
	uint64_t key_reads;              /* keys looked up by queries */
	uint64_t scan_pages;
	uint64_t scan_keys;
	uint64_t refusals[SHARDKV_STATUS_CODES]; /* by wire code of the status */
};
struct shardkv_counters *shardkv_app_counters(struct app *app);
uint64_t shardkv_app_keys(struct app *app);
uint64_t shardkv_app_bytes(struct app *app);

/*
 * The adopted configuration, borrowed; NULL before the first. And its number, 0 before the first.
 */
struct shard_config *shardkv_app_config(struct app *app);
uint64_t shardkv_app_config_number(struct app *app);
bool shardkv_app_is_granted(struct app *app, uint32_t shard);
bool shardkv_app_is_assigned(struct app *app, uint32_t shard);
/*
 * How many shards are assigned to us and not granted yet: nobody needs to look for claims while it
 * is 0.
 */
uint32_t shardkv_app_unclaimed(struct app *app);

/*
 * True if a command or query (its body) needs shards that are assigned to us and not granted yet;
 * each is marked in `wanted` (nshards long, may be NULL). False also for malformed requests: admit,
 * apply and query give the answer.
 */
bool shardkv_app_command_waits(struct app *app, struct slice command, struct arena *arena,
			       bool *wanted);
bool shardkv_app_query_waits(struct app *app, struct slice query, struct arena *arena,
			     bool *wanted);

/*
 * Whether admit() judges ownership (it does from the beginning). A leader that has not yet applied
 * everything that was chosen before its time must not: what it would refuse by an old
 * configuration, apply may accept.
 */
void shardkv_app_judge_ownership(struct app *app, bool judge);

/* Frees memory of old snapshots, a bounded amount; true while there is more. */
bool shardkv_app_idle_work(struct app *app);

/* An error reply: replaces the body by an encoded Error and sets the status. */
void shardkv_refuse(struct reply *reply, int status, uint64_t config, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif

/*
 * The shard master as a replicated app: numbered configurations, shard → group.
 *
 * Commands are encoded MasterCommands (JOIN, LEAVE, MOVE, REBALANCE: config.h; CLAIM; MEMBERS) and
 * are answered with a MasterReply; queries are MasterQueries and are answered with a Config. A
 * refusal's body is an encoded Error.
 *
 * CLAIM. Before a group uses shards for the first time it claims them. Those that the newest
 * configuration assigns to it are granted and from then on marked as claimed: they may hold data
 * and stay with that group. Claiming again grants again. So a granted shard is the group's for
 * good, whatever configurations follow, and a group that has fallen behind is never granted what
 * somebody else may be using.
 *
 * MEMBERS. A group's leader tells where its members are found when these have changed: the next
 * configuration has other addresses, and the same shards. It names the group's id and the slot, in
 * the group's own log, of the entry that lists them (reports.c): an older list never takes the
 * place of a newer one, and repeating one changes nothing. A report of another group than the one
 * that has joined under that number is refused with DENIED: until an id is known, who has no
 * address in common with the group is another one.
 *
 * FORCE. One replica of a group that has lost its majority begins another generation of it
 * (rsm/force.h): the next number, recorded for the life of that replica's disk, and for no other
 * one. Repeating it changes nothing. From then on MEMBERS counts only if it is of that generation:
 * an earlier one is refused with REMOVED. A group's generation is kept when it leaves, too.
 *
 * QUERY(n) answers configuration n, with the highest client id that has been handed out (`brief`:
 * with nothing else): with `generation_of`, also the generation of that group. UINT64_MAX the
 * newest; STATUS_NOT_FOUND above the newest; STATUS_COMPACTED if it is no longer among the
 * CONFIG_HISTORY_MAX kept ones.
 *
 * Snapshot: a stream of records, cut into chunks between records; integers are little-endian.
 *
 *   header   u32 magic, u32 nshards, u64 number of the oldest kept configuration, u32 count of kept
 *            ones, then the set of claimed shards: ⌈nshards/64⌉ u64 words, then the reports: u32
 *            count, for each, ascending by gid: u64 gid, u64 group id, u64 slot; in format 3
 *            ("SMS3", written if any group was forced) also u32 generation, u64 life, u8 whether it
 *            has left. Format 1 (its magic: "SMS1"): without the reports
 *   config   what differs from the record before (the first: from configuration 0), oldest first:
 *            u32 count, u64 gid of each group that left
 *            u32 count, then for each group that joined, ascending: u64 gid, u8 members, each u8
 *            length and bytes u32 count, then for each run of shards with another owner: u16 first,
 *            u16 length, u16 index of the owner among the groups of this configuration, or
 *            SHARD_UNASSIGNED
 *
 * Equal histories give equal bytes.
 */
#ifndef SYNOD_SHARDMASTER_APP_H
#define SYNOD_SHARDMASTER_APP_H

#include <stdint.h>

#include "rsm/app.h"
#include "shardmaster/shard_config.h"

struct app *shardmaster_app_create(uint32_t nshards);
/* Borrowed; until the next apply or restore. */
struct shard_config *shardmaster_app_newest(const struct app *app);
/* Says up to which client id the service has handed out ids, for answers; NULL (the default): 0. */
void shardmaster_app_tell_clients(struct app *app, uint64_t (*clients)(void *context),
				  void *context);
/* How many shards have been claimed. */
uint32_t shardmaster_app_claimed(const struct app *app);
/* The group that has joined under this number has told who it is (MEMBERS). */
bool shardmaster_app_knows(const struct app *app, uint64_t gid);
/* The generation that has been recorded for it. */
uint32_t shardmaster_app_generation(const struct app *app, uint64_t gid);

#endif

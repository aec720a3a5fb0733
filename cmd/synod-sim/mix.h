/*
 * The second load on a whole cluster: single operations of every kind, transactions over the keys
 * of one hash tag, and scans. What came of each goes into a history for src/judge/check, which
 * decides whether the store can have been one that does one thing after another.
 *
 * Keys are "{mT}K": a few for each tag T, and a few tags at a time, which make way for new ones: a
 * checker needs histories of one key (or of keys that transactions connect) to be short. Values are
 * numbers, so that INCR finds some to count. A scan counts as one read of each key of its tag: all
 * that it promises. It may be of all tags, and come in small pages, one request each, while shards
 * move and groups claim them; and it may find no memory for what it collects.
 */
#ifndef SYNOD_SIM_MIX_H
#define SYNOD_SIM_MIX_H

#include <stdbool.h>
#include <stdint.h>

#include "check/check.h"
#include "kv_client.h"
#include "sim/world.h"

struct sim_mix;

struct sim_mix_options {
	uint32_t clients, window; /* operations of one client at a time */
	uint64_t think_mean_us;
	uint32_t timeout_min_ms, timeout_max_ms;
	/* none before: a scan makes groups claim whatever shards they have */
	uint64_t scans_from_us;
};

/* processes: one a client, running the node of `clients[i]`. */
struct sim_mix *sim_mix_create(struct sim_world *world, const struct sim_mix_options *options,
			       struct sim_process *const *processes, struct sim_kv_client *clients);
void sim_mix_start(struct sim_mix *mix);
/* No new operations. */
void sim_mix_stop(struct sim_mix *mix);
/*
 * The next operations are for these tags, and whoever is idle begins soon, within so long: they
 * meet what is about to happen to the tags' shards. With `scans` one client writes, and the others,
 * which hear of nothing until then, scan a little later.
 */
#define SIM_MIX_AIMS_MAX 8u
void sim_mix_aim(struct sim_mix *mix, const uint32_t *tags, uint32_t count, bool scans,
		 uint64_t within_us);
/* A tag that is in nobody's use yet, of keys of this shard. */
uint32_t sim_mix_fresh_tag(struct sim_mix *mix, uint32_t shard, uint32_t nshards);
uint32_t sim_mix_busy(const struct sim_mix *mix);
uint64_t sim_mix_operations(const struct sim_mix *mix);
/* An answer that can never be right: a text for people; NULL: none so far. */
const char *sim_mix_problem(const struct sim_mix *mix);
/* CHECK_VIOLATION: `why` says what is wrong. */
enum check_verdict sim_mix_check(const struct sim_mix *mix, struct buffer *why);
/* After the world has gone. */
void sim_mix_free(struct sim_mix *mix);

#endif

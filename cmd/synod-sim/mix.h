/*
 * The second load on a whole cluster: single operations of every kind, transactions over the keys of one hash tag, and scans. What
 * came of each goes into a history for src/check, which decides whether the store can have been one that does one
 * thing after another.
 *
 * Keys are "{mT}K": a few for each tag T, and a few tags at a time, which make way for new ones: a checker needs histories of one
 * key (or of keys that transactions connect) to be short. Values are numbers, so that INCR finds some to count.
 * A scan counts as one read of each key of its tag: all that it promises.
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
};

/* processes: one a client, running the node of `clients[i]`. */
struct sim_mix *sim_mix_create(struct sim_world *world, const struct sim_mix_options *options,
			       struct sim_process *const *processes, struct sim_kv_client *clients);
void sim_mix_start(struct sim_mix *mix);
/* No new operations. */
void sim_mix_stop(struct sim_mix *mix);
uint32_t sim_mix_busy(const struct sim_mix *mix);
uint64_t sim_mix_operations(const struct sim_mix *mix);
/* An answer that can never be right: a text for people; NULL: none so far. */
const char *sim_mix_problem(const struct sim_mix *mix);
/* CHECK_VIOLATION: `why` says what is wrong. */
enum check_verdict sim_mix_check(const struct sim_mix *mix, struct buffer *why);
/* After the world has gone. */
void sim_mix_free(struct sim_mix *mix);

#endif

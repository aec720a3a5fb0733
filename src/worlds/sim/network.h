/*
 * The simulated network. Every function takes directed pairs: what `from` sends to
 * `to`. NULL stands for every process.
 *
 *   cut     one-way messages are lost, also those under way; requests and replies are stuck, and
 *           their connection ends for both sides when they have been stuck for the connection
 *           timeout. Mending lets what is still stuck go on.
 *   clog    everything is held, nothing is lost, no connection times out; releasing lets it all go
 *           on, with new delays (so one-way messages come out of order).
 *   filter  a function of the test that decides on each message when it is sent.
 *
 * Messages are copied with their bytes; nothing is shared between sender and receiver.
 */
#ifndef SYNOD_SIM_NETWORK_H
#define SYNOD_SIM_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "node/node.h"
#include "sim/world.h"

void sim_network_cut(struct sim_world *world, struct sim_process *from, struct sim_process *to);
void sim_network_mend(struct sim_world *world, struct sim_process *from, struct sim_process *to);
void sim_network_clog(struct sim_world *world, struct sim_process *from, struct sim_process *to);
void sim_network_unclog(struct sim_world *world, struct sim_process *from, struct sim_process *to);
bool sim_network_is_cut(const struct sim_world *world, const struct sim_process *from,
			const struct sim_process *to);
bool sim_network_is_clogged(const struct sim_world *world, const struct sim_process *from,
			    const struct sim_process *to);

/* Cuts both directions between every member of `side` and everybody else. */
void sim_network_partition(struct sim_world *world, struct sim_process *const *side,
			   uint32_t count);
/* Cuts or mends one process off from everybody, both directions. */
void sim_network_isolate(struct sim_world *world, struct sim_process *process);
void sim_network_rejoin(struct sim_world *world, struct sim_process *process);
/* Mends every cut and releases every clog. */
void sim_network_heal(struct sim_world *world);

enum sim_verdict {
	SIM_PASS,
	SIM_DROP, /* one-way: lost. Request or reply: lost together with its connection */
	/*
	 * lost without anybody being told, requests and replies too: a receiver that never answers
	 */
	SIM_SWALLOW,
	/*
	 * one-way: delivered twice, the second one after duplicate_delay_max_us; others: SIM_PASS
	 */
	SIM_TWICE,
};
/*
 * Asked for each message that is sent, before any random fault. *delay_us (0 at the call) is added
 * to the drawn delay. NULL takes the filter away.
 */
typedef enum sim_verdict (*sim_filter)(void *context, const struct sim_process *from,
				       const struct sim_process *to, const struct message *message,
				       uint64_t *delay_us);
void sim_network_set_filter(struct sim_world *world, sim_filter filter, void *context);

/*
 * Ready-made filtering by method: until cleared, messages from → to (NULL: any) of the method (0:
 * any) get the verdict. Rules are asked in the order of their making, after the filter function;
 * the first that applies decides. `skip` matching messages pass first; after `count` more (0: no
 * limit) the rule is used up.
 */
struct sim_rule {
	const struct sim_process *from;
	const struct sim_process *to;
	uint16_t method;
	enum sim_verdict verdict;
	uint64_t delay_us;
	uint64_t skip;
	uint64_t count;
	uint64_t matched; /* out: messages it has decided on */
	struct sim_rule *next;
};
/* The rule stays the caller's and must live until cleared or the world ends. */
void sim_network_add_rule(struct sim_world *world, struct sim_rule *rule);
void sim_network_clear_rules(struct sim_world *world);

/* Ends every connection between two processes: both are told by link_down. */
void sim_network_reset(struct sim_world *world, struct sim_process *a, struct sim_process *b);

struct sim_network_counters {
	uint64_t sent, delivered, lost, duplicated, held, resets, timeouts, bytes;
	uint64_t by_method[64]; /* sent; methods above 63 are counted as 0 */
};
const struct sim_network_counters *sim_network_counters(const struct sim_world *world);

#endif

/*
 * A small node for tests of the world: every interval_us it sends a numbered one-way PING and a
 * STATUS request to each peer; it answers requests, and writes down what it sees.
 */
#ifndef SYNOD_TESTS_SIM_CHATTER_H
#define SYNOD_TESTS_SIM_CHATTER_H

#include "node/node.h"
#include "sim/network.h"
#include "sim/world.h"

#define CHATTER_PEERS_MAX 8
#define CHATTER_SEEN_MAX 65536

/* Outlives the node's incarnations: belongs to the test. */
struct chatter_record {
	uint64_t pings; /* one-way messages received */
	uint64_t requests, replies, link_downs, turns, inputs, starts, destroys, stops;
	uint64_t inputs_in_turn, inputs_in_turn_max;
	uint64_t seen[CHATTER_SEEN_MAX]; /* numbers of the pings, in the order of arrival */
	uint64_t replied[CHATTER_SEEN_MAX];
	link_id last_from, last_down;
	uint64_t last_ping_us;    /* local time */
	uint64_t wall_us, now_us; /* at the last turn */
	uint64_t first_random;
	uint32_t force;       /* the generation that it was last built to begin */
	bool unordered_clock; /* the monotonic clock was seen to go back */
};

struct chatter_spec {
	const char *peers[CHATTER_PEERS_MAX];
	uint64_t interval_us; /* 0: silent */
	bool no_pings, no_requests;
	bool mute;      /* does not answer requests */
	bool slow_stop; /* stops 10 ms after it was asked */
	int start_status;
	uint64_t fatal_after; /* calls fatal at this many pings */
	size_t payload_bytes;
	struct chatter_record record;
};

struct chatter {
	struct node node;
	struct chatter_spec *spec;
	struct timer timer;
	struct timer stop_timer;
	uint64_t number;
	uint64_t *scratch; /* something for the leak checker */
};

struct node *chatter_build(void *context, struct sim_process *process);
/* Adds a process named `name` at "name:1" that runs the spec. */
struct sim_process *chatter_add(struct sim_world *world, const char *name,
				struct chatter_spec *spec);

#endif

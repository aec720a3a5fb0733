/* The simulated network: delays, loss, partitions. */
#include "sim/link.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct sim_network *sim_network_create(struct sim_world *world)
{
	struct sim_network *network = ALLOC(struct sim_network);
	network->world = world;
	return network;
}

void sim_network_grow(struct sim_network *network, uint32_t processes)
{
	if (processes <= network->capacity)
		return;
	uint32_t capacity = network->capacity == 0 ? 8 : network->capacity * 2;
	struct sim_pair *pairs = alloc_zeroed((size_t)capacity * capacity, sizeof *pairs);
	for (size_t from = 0; from < network->capacity; from++)
		memcpy(&pairs[from * capacity], &network->pairs[from * network->capacity],
		       network->capacity * sizeof *pairs);
	free(network->pairs);
	network->pairs = pairs;
	network->capacity = capacity;
	ASSERT(processes <= network->capacity);
}

struct sim_pair *sim_network_pair(struct sim_network *network, const struct sim_process *from,
				  const struct sim_process *to)
{
	return &network->pairs[(size_t)from->index * network->capacity + to->index];
}

/* ---- held packets ---- */

void sim_network_hold(struct sim_network *network, struct sim_pair *pair, struct sim_packet *packet)
{
	struct sim_end *end = &packet->connection->ends[packet->end];
	ASSERT(pair->cut || pair->clogged);
	ASSERT(!timer_armed(&packet->event));
	packet->next = NULL;
	if (pair->held_last == NULL)
		pair->held_first = packet;
	else
		pair->held_last->next = packet;
	pair->held_last = packet;
	end->held++;
	end->held_bytes += packet->message.payload.len;
	network->counters.held++;
	sim_trace_event(&network->world->trace, SIM_EVENT_HOLD, sim_packet_from(packet),
			sim_packet_to(packet), packet->message.method, packet->message.payload.len);
	if (pair->cut)
		sim_connection_stuck(packet->connection, false);
}

static struct sim_packet *pair_take_held(struct sim_pair *pair)
{
	struct sim_packet *all = pair->held_first;
	for (struct sim_packet *packet = all; packet != NULL; packet = packet->next) {
		struct sim_end *end = &packet->connection->ends[packet->end];
		end->held--;
		end->held_bytes -= packet->message.payload.len;
	}
	pair->held_first = pair->held_last = NULL;
	return all;
}

static void pair_release(struct sim_pair *pair)
{
	if (pair->cut || pair->clogged)
		return;
	for (struct sim_packet *packet = pair_take_held(pair), *next; packet != NULL;
	     packet = next) {
		next = packet->next;
		packet->next = NULL;
		if (sim_packet_stale(packet))
			sim_packet_lose(packet);
		else
			sim_packet_depart(packet, 0);
	}
}

/*
 * A clogged pair is cut as well: its one-way messages are lost, its connections begin to time out.
 */
static void pair_cut_held(struct sim_network *network, struct sim_pair *pair)
{
	for (struct sim_packet *packet = pair_take_held(pair), *next; packet != NULL;
	     packet = next) {
		next = packet->next;
		packet->next = NULL;
		if (packet->kind == SIM_PACKET_MESSAGE && packet->message.kind == MESSAGE_ONEWAY)
			sim_packet_lose(packet);
		else
			sim_network_hold(network, pair, packet);
	}
}

void sim_network_destroy(struct sim_network *network)
{
	for (size_t i = 0; i < (size_t)network->capacity * network->capacity; i++) {
		for (struct sim_packet *packet = pair_take_held(&network->pairs[i]), *next;
		     packet != NULL; packet = next) {
			next = packet->next;
			sim_packet_free(packet);
		}
	}
	sim_packet_pool_free(network);
	free(network->pairs);
	free(network);
}

/* ---- cuts and clogs ---- */

enum pair_change { PAIR_CUT, PAIR_MEND, PAIR_CLOG, PAIR_UNCLOG };

static void pair_change(struct sim_world *world, struct sim_process *from, struct sim_process *to,
			enum pair_change change)
{
	static const enum sim_event events[] = {SIM_EVENT_CUT, SIM_EVENT_MEND, SIM_EVENT_CLOG,
						SIM_EVENT_UNCLOG};
	struct sim_pair *pair = sim_network_pair(world->network, from, to);
	bool *state = change == PAIR_CUT || change == PAIR_MEND ? &pair->cut : &pair->clogged;
	bool wanted = change == PAIR_CUT || change == PAIR_CLOG;
	if (*state == wanted || from == to)
		return;
	*state = wanted;
	sim_trace_event(&world->trace, events[change], from, to, 0, 0);
	if (change == PAIR_CUT)
		pair_cut_held(world->network, pair);
	pair_release(pair);
}

static void pairs_change(struct sim_world *world, struct sim_process *from, struct sim_process *to,
			 enum pair_change change)
{
	uint32_t n = world->nprocesses;
	uint32_t from_first = from == NULL ? 0 : from->index,
		 from_end = from == NULL ? n : from->index + 1;
	uint32_t to_first = to == NULL ? 0 : to->index, to_end = to == NULL ? n : to->index + 1;
	for (uint32_t f = from_first; f < from_end; f++)
		for (uint32_t t = to_first; t < to_end; t++)
			pair_change(world, world->processes[f], world->processes[t], change);
}

void sim_network_cut(struct sim_world *world, struct sim_process *from, struct sim_process *to)
{
	pairs_change(world, from, to, PAIR_CUT);
}

void sim_network_mend(struct sim_world *world, struct sim_process *from, struct sim_process *to)
{
	pairs_change(world, from, to, PAIR_MEND);
}

void sim_network_clog(struct sim_world *world, struct sim_process *from, struct sim_process *to)
{
	pairs_change(world, from, to, PAIR_CLOG);
}

void sim_network_unclog(struct sim_world *world, struct sim_process *from, struct sim_process *to)
{
	pairs_change(world, from, to, PAIR_UNCLOG);
}

bool sim_network_is_cut(const struct sim_world *world, const struct sim_process *from,
			const struct sim_process *to)
{
	return sim_network_pair(world->network, from, to)->cut;
}

bool sim_network_is_clogged(const struct sim_world *world, const struct sim_process *from,
			    const struct sim_process *to)
{
	return sim_network_pair(world->network, from, to)->clogged;
}

void sim_network_partition(struct sim_world *world, struct sim_process *const *side, uint32_t count)
{
	bool *inside = alloc_zeroed(world->nprocesses, sizeof *inside);
	for (uint32_t i = 0; i < count; i++)
		inside[side[i]->index] = true;
	for (uint32_t a = 0; a < world->nprocesses; a++)
		for (uint32_t b = 0; b < world->nprocesses; b++)
			if (inside[a] != inside[b])
				pair_change(world, world->processes[a], world->processes[b],
					    PAIR_CUT);
	free(inside);
}

void sim_network_isolate(struct sim_world *world, struct sim_process *process)
{
	sim_network_cut(world, process, NULL);
	sim_network_cut(world, NULL, process);
}

void sim_network_rejoin(struct sim_world *world, struct sim_process *process)
{
	sim_network_mend(world, process, NULL);
	sim_network_mend(world, NULL, process);
}

void sim_network_heal(struct sim_world *world)
{
	sim_network_mend(world, NULL, NULL);
	sim_network_unclog(world, NULL, NULL);
}

void sim_network_reset(struct sim_world *world, struct sim_process *a, struct sim_process *b)
{
	for (uint32_t i = 0; i < a->nlinks; i++) {
		struct sim_link *link = a->links[i];
		if (link != NULL && link->connection != NULL &&
		    link->connection->ends[!link->end].process == b) {
			sim_trace_event(&world->trace, SIM_EVENT_RESET, a, b, 0, 0);
			sim_connection_fail(link->connection);
		}
	}
}

const struct sim_network_counters *sim_network_counters(const struct sim_world *world)
{
	return &world->network->counters;
}

/* ---- filters ---- */

void sim_network_set_filter(struct sim_world *world, sim_filter filter, void *context)
{
	world->network->filter = filter;
	world->network->filter_context = context;
}

void sim_network_add_rule(struct sim_world *world, struct sim_rule *rule)
{
	struct sim_rule **last = &world->network->rules;
	while (*last != NULL)
		last = &(*last)->next;
	rule->next = NULL;
	rule->matched = 0;
	*last = rule;
}

void sim_network_clear_rules(struct sim_world *world)
{
	world->network->rules = NULL;
}

static bool rule_applies(struct sim_rule *rule, const struct sim_process *from,
			 const struct sim_process *to, const struct message *message)
{
	if ((rule->from != NULL && rule->from != from) || (rule->to != NULL && rule->to != to))
		return false;
	if (rule->method != 0 && rule->method != message->method)
		return false;
	if (rule->skip > 0) {
		rule->skip--;
		return false;
	}
	return rule->count == 0 || rule->matched < rule->count;
}

enum sim_verdict sim_network_verdict(struct sim_network *network, const struct sim_process *from,
				     const struct sim_process *to, const struct message *message,
				     uint64_t *delay_us)
{
	if (network->filter != NULL) {
		enum sim_verdict verdict = network->filter(network->filter_context, from, to,
							   message, delay_us);
		if (verdict != SIM_PASS)
			return verdict;
	}
	for (struct sim_rule *rule = network->rules; rule != NULL; rule = rule->next) {
		if (rule_applies(rule, from, to, message)) {
			rule->matched++;
			*delay_us += rule->delay_us;
			return rule->verdict;
		}
	}
	return SIM_PASS;
}

/* A connection of the simulated network, packet by packet. */
#include "sim/link.h"

#include <string.h>

#include "base/alloc.h"
#include "base/crc32c.h"

/* What a message takes on the way beside its payload. */
#define ENVELOPE_BYTES 80u

static void connection_timed_out(void *data)
{
	struct sim_connection *connection = data;
	if (!connection->broken && connection->ends[0].held == 0 && connection->ends[1].held == 0)
		return; /* it got on in time */
	sim_trace_event(&connection->world->trace, SIM_EVENT_TIMEOUT, connection->ends[0].process,
			connection->ends[1].process, 0, 0);
	connection->world->network->counters.timeouts++;
	connection->world->faults.of[SIM_FAULT_TIMEOUT]++;
	sim_connection_fail(connection);
}

struct sim_process *sim_process_at(struct sim_world *world, const char *address)
{
	for (uint32_t i = 0; i < world->nprocesses; i++) {
		struct sim_process *process = world->processes[i];
		if (process->address != NULL && strcmp(process->address, address) == 0)
			return process;
	}
	return NULL;
}

void sim_connection_open(struct sim_process *process, struct sim_link *link)
{
	struct sim_world *world = process->world;
	struct sim_connection *connection = ALLOC(struct sim_connection);
	connection->world = world;
	timer_init(&connection->timeout, connection_timed_out, connection);
	connection->ends[0] = (struct sim_end){.process = process, .link = link, .open = true};
	connection->ends[1] = (struct sim_end){.process = sim_process_at(world, link->address),
					       .open = true};
	/* The first packet waits for the handshake: one way there and one back. */
	connection->ends[1].arrival_us = world->now_us + sim_network_delay(world->network) +
					 sim_network_delay(world->network);
	sim_connection_ref(connection);
	link->connection = connection;
	sim_trace_event(&world->trace, SIM_EVENT_CONNECT, process, connection->ends[1].process, 0,
			0);
}

void sim_packet_depart(struct sim_packet *packet, uint64_t extra_us)
{
	struct sim_connection *connection = packet->connection;
	struct sim_world *world = connection->world;
	struct sim_end *end = &connection->ends[packet->end];
	const struct sim_network_options *options = &world->options.network;
	bool oneway = packet->kind == SIM_PACKET_MESSAGE && packet->message.kind == MESSAGE_ONEWAY;
	uint64_t at = world->now_us;
	if (packet->local) {
		timers_set(&world->queue, &packet->event, at);
		return;
	}
	if (options->bytes_per_s > 0) {
		uint64_t len = packet->message.payload.len + ENVELOPE_BYTES;
		if (end->sent_us < at)
			end->sent_us = at;
		end->sent_us += len * SIM_SECOND / options->bytes_per_s;
		at = end->sent_us;
	}
	at += sim_network_delay(world->network) + extra_us;
	/*
	 * A message that a scenario delays on purpose is overtaken by later one-way messages, as is
	 * any that reorders.
	 */
	if (!(oneway && (options->reorder || extra_us > 0))) {
		if (at < end->arrival_us)
			at = end->arrival_us;
		end->arrival_us = at;
	} else if (at < end->latest_us) {
		world->faults.of[SIM_FAULT_REORDER]++;
	}
	if (at > end->latest_us)
		end->latest_us = at;
	timers_set(&world->queue, &packet->event, at);
}

static void trace_drop(struct sim_connection *connection, uint32_t end,
		       const struct message *message)
{
	connection->world->network->counters.lost++;
	sim_trace_event(&connection->world->trace, SIM_EVENT_DROP, connection->ends[!end].process,
			connection->ends[end].process, message->method, message->payload.len);
}

static void transmit_twice(struct sim_connection *connection, uint32_t end,
			   const struct message *message)
{
	struct sim_world *world = connection->world;
	uint64_t late_us = rng_below(&world->rng_network,
				     world->options.network.duplicate_delay_max_us + 1);
	world->network->counters.duplicated++;
	world->faults.of[SIM_FAULT_DUPLICATE]++;
	sim_trace_event(&world->trace, SIM_EVENT_DUPLICATE, connection->ends[!end].process,
			connection->ends[end].process, message->method, late_us);
	sim_packet_depart(sim_packet_new(connection, end, message), late_us);
}

static void transmit_oneway(struct sim_connection *connection, uint32_t end,
			    const struct message *message, enum sim_verdict verdict,
			    uint64_t delay_us, const struct sim_pair *pair)
{
	struct sim_world *world = connection->world;
	const struct sim_network_options *options = &world->options.network;
	/*
	 * Both are drawn for every message, so that a cut does not shift the random numbers of the
	 * others.
	 */
	bool lost = rng_chance(&world->rng_network, options->loss_ppm);
	bool twice = rng_chance(&world->rng_network, options->duplicate_ppm) ||
		     verdict == SIM_TWICE;
	world->faults.of[SIM_FAULT_LOSS] += lost;
	if (verdict == SIM_DROP || verdict == SIM_SWALLOW || lost || (pair != NULL && pair->cut)) {
		trace_drop(connection, end, message);
		return;
	}
	sim_packet_depart(sim_packet_new(connection, end, message), delay_us);
	if (twice)
		transmit_twice(connection, end, message);
}

static void transmit_ordered(struct sim_connection *connection, uint32_t end,
			     const struct message *message, enum sim_verdict verdict,
			     uint64_t delay_us, struct sim_pair *pair)
{
	struct sim_world *world = connection->world;
	bool reset = rng_chance(&world->rng_network, world->options.network.reset_ppm);
	if (verdict == SIM_SWALLOW) {
		trace_drop(connection, end, message);
		return;
	}
	if (verdict == SIM_DROP || reset) {
		trace_drop(connection, end, message);
		sim_trace_event(&world->trace, SIM_EVENT_RESET, connection->ends[0].process,
				connection->ends[1].process, 0, 0);
		world->network->counters.resets++;
		world->faults.of[SIM_FAULT_RESET]++;
		sim_connection_fail(connection);
		return;
	}
	struct sim_packet *packet = sim_packet_new(connection, end, message);
	if (pair != NULL && (pair->cut || pair->clogged))
		sim_network_hold(world->network, pair, packet);
	else
		sim_packet_depart(packet, delay_us);
}

void sim_connection_transmit(struct sim_connection *connection, uint32_t end,
			     const struct message *message)
{
	struct sim_world *world = connection->world;
	struct sim_network *network = world->network;
	struct sim_process *from = connection->ends[!end].process,
			   *to = connection->ends[end].process;
	uint64_t delay_us = 0;

	network->counters.sent++;
	network->counters.bytes += message->payload.len;
	network->counters.by_method[message->method < 64 ? message->method : 0]++;
	uint32_t crc = crc32c(0, message->payload.data, message->payload.len);
	sim_trace_message(&world->trace, SIM_EVENT_SEND, from, to, message, crc);
	if (connection->failed) {
		trace_drop(connection, end, message);
		return;
	}
	struct sim_pair *pair = to == NULL ? NULL : sim_network_pair(network, from, to);
	enum sim_verdict verdict = to == NULL ? SIM_PASS
					      : sim_network_verdict(network, from, to, message,
								    &delay_us);
	if (message->kind == MESSAGE_ONEWAY)
		transmit_oneway(connection, end, message, verdict, delay_us, pair);
	else
		transmit_ordered(connection, end, message, verdict, delay_us, pair);
}

void sim_connection_stuck(struct sim_connection *connection, bool for_good)
{
	struct sim_world *world = connection->world;
	if (for_good)
		connection->broken = true;
	if (connection->failed || timer_armed(&connection->timeout))
		return;
	uint64_t after_us = rng_range(&world->rng_network, world->options.network.timeout_min_us,
				      world->options.network.timeout_max_us);
	timers_set(&world->queue, &connection->timeout, world->now_us + after_us);
}

void sim_connection_fail(struct sim_connection *connection)
{
	if (connection->failed)
		return;
	connection->failed = true;
	timers_cancel(&connection->world->queue, &connection->timeout);
	/* The packets may drop the last other reference. */
	sim_connection_ref(connection);
	for (uint32_t e = 0; e < 2; e++) {
		struct sim_end *end = &connection->ends[e];
		end->epoch++;
		if (!end->open || end->process == NULL)
			continue;
		end->notified = true;
		struct sim_packet *packet = sim_packet_new(connection, e, NULL);
		packet->local = true;
		sim_packet_depart(packet, 0);
	}
	sim_connection_unref(connection);
}

void sim_connection_close_end(struct sim_connection *connection, uint32_t end, bool silently)
{
	struct sim_end *near = &connection->ends[end], *far = &connection->ends[!end];
	near->open = false;
	near->link = NULL;
	if (connection->failed || !far->open || far->process == NULL || far->notified)
		return;
	if (silently) {
		sim_connection_stuck(connection, true);
		return;
	}
	far->notified = true;
	sim_packet_depart(sim_packet_new(connection, !end, NULL), 0);
}

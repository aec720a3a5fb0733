/* Links as nodes see them. */
#include "sim/link.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"

static struct sim_link *link_add(struct sim_process *process, const char *address)
{
	uint32_t slot = 0;
	while (slot < process->nlinks && process->links[slot] != NULL)
		slot++;
	if (slot == process->nlinks) {
		ASSERT(slot < 1u << LINK_SLOT_BITS);
		ALLOC_ROOM(process->links, process->nlinks, process->links_capacity, 16);
		process->nlinks++;
	}
	struct sim_link *link = ALLOC(struct sim_link);
	link->id = ++process->world->link_serial << LINK_SLOT_BITS | slot;
	link->address = address == NULL ? NULL : alloc_string(address);
	process->links[slot] = link;
	return link;
}

static void link_free(struct sim_process *process, struct sim_link *link)
{
	process->links[link->id & ((1u << LINK_SLOT_BITS) - 1)] = NULL;
	if (link->connection != NULL)
		sim_connection_unref(link->connection);
	free(link->address);
	free(link);
}

struct sim_link *sim_link_find(const struct sim_process *process, link_id id)
{
	uint64_t slot = id & ((1u << LINK_SLOT_BITS) - 1);
	if (slot >= process->nlinks || process->links[slot] == NULL ||
	    process->links[slot]->id != id)
		return NULL;
	return process->links[slot];
}

link_id sim_link_dial(struct sim_process *process, const char *address)
{
	for (uint32_t i = 0; i < process->nlinks; i++) {
		const struct sim_link *link = process->links[i];
		if (link != NULL && link->address != NULL && strcmp(link->address, address) == 0)
			return link->id;
	}
	return link_add(process, address)->id;
}

static void send_whole(struct sim_process *process, link_id id, const struct message *message)
{
	struct sim_world *world = process->world;
	struct sim_link *link = sim_link_find(process, id);
	if (link == NULL) {
		sim_trace_event(&world->trace, SIM_EVENT_DROP, process, NULL, message->method,
				message->payload.len);
		return;
	}
	if (link->connection == NULL)
		sim_connection_open(process, link);
	if (sim_link_backlog(process, id) > LINK_OUTPUT_BYTES_MAX)
		sim_connection_fail(link->connection);
	sim_connection_transmit(link->connection, !link->end, message);
}

/* On the way, a message stands in one piece. */
void sim_link_send(struct sim_process *process, link_id id, const struct message *message)
{
	if (message->nparts == 0) {
		send_whole(process, id, message);
		return;
	}
	struct buffer room = {0};
	struct message whole = *message;
	whole.payload = message_whole(message, &room);
	whole.parts = NULL;
	whole.nparts = 0;
	send_whole(process, id, &whole);
	buffer_free(&room);
}

const char *sim_process_peer(const struct sim_process *process, link_id id)
{
	const struct sim_link *link = sim_link_find(process, id);
	const struct sim_process *peer = NULL;
	if (link != NULL && link->connection != NULL)
		peer = link->connection->ends[!link->end].process;
	else if (link != NULL && link->address != NULL)
		peer = sim_process_at(process->world, link->address);
	return peer == NULL ? "" : peer->name;
}

uint64_t sim_link_backlog(const struct sim_process *process, link_id id)
{
	const struct sim_link *link = sim_link_find(process, id);
	const struct sim_world *world = process->world;
	if (link == NULL || link->connection == NULL)
		return 0;
	const struct sim_end *far = &link->connection->ends[!link->end];
	uint64_t waiting_us = far->sent_us > world->now_us ? far->sent_us - world->now_us : 0;
	return far->held_bytes + waiting_us * world->options.network.bytes_per_s / SIM_SECOND;
}

static void link_disconnect(struct sim_process *process, struct sim_link *link, bool silently)
{
	struct sim_connection *connection = link->connection;
	if (connection != NULL) {
		link->connection = NULL;
		sim_connection_close_end(connection, link->end, silently);
		sim_connection_unref(connection);
	}
	if (link->address == NULL)
		link_free(process, link);
}

void sim_link_close(struct sim_process *process, link_id id)
{
	struct sim_link *link = sim_link_find(process, id);
	if (link == NULL)
		return;
	sim_trace_event(&process->world->trace, SIM_EVENT_CLOSE, process, NULL, 0, 0);
	link_disconnect(process, link, false);
}

static void deliver_message(struct sim_process *process, struct sim_packet *packet)
{
	struct sim_connection *connection = packet->connection;
	struct sim_end *end = &connection->ends[packet->end];
	struct sim_world *world = process->world;
	if (end->link == NULL) {
		ASSERT(packet->end == 1);
		end->link = link_add(process, NULL);
		end->link->connection = connection;
		end->link->end = 1;
		sim_connection_ref(connection);
	}
	world->network->counters.delivered++;
	sim_trace_message(&world->trace, SIM_EVENT_DELIVER, process, sim_packet_from(packet),
			  &packet->message, 0);
	process->env.sender_life = packet->life;
	node_deliver(process->node, end->link->id, &packet->message);
	process->env.sender_life = 0;
}

static void deliver_down(struct sim_process *process, struct sim_packet *packet)
{
	struct sim_link *link = packet->connection->ends[packet->end].link;
	if (link == NULL) { /* never accepted */
		packet->connection->ends[packet->end].open = false;
		return;
	}
	link_id id = link->id;
	sim_trace_event(&process->world->trace, SIM_EVENT_LINK_DOWN, process,
			sim_packet_from(packet), 0, 0);
	/* What this process sent before it knew is still under way, and finds nobody. */
	packet->connection->ends[!packet->end].notified = true;
	link_disconnect(process, link, false);
	process->node->ops->link_down(process->node, id);
}

void sim_link_deliver(struct sim_process *process, struct sim_packet *packet)
{
	/*
	 * Between arrival and turn the connection may have ended: what was in the socket buffer
	 * went with it.
	 */
	if (sim_packet_stale(packet))
		return;
	if (packet->kind == SIM_PACKET_MESSAGE)
		deliver_message(process, packet);
	else
		deliver_down(process, packet);
}

void sim_link_drop_all(struct sim_process *process, bool silently)
{
	for (uint32_t i = 0; i < process->nlinks; i++) {
		struct sim_link *link = process->links[i];
		if (link == NULL)
			continue;
		/*
		 * What a dead process had handed to its system may still go out, or not; but news
		 * of the end arrives.
		 */
		struct sim_end *far = link->connection == NULL
					      ? NULL
					      : &link->connection->ends[!link->end];
		if (far != NULL && !silently && rng_chance(&process->world->rng_network, 500000) &&
		    !far->notified)
			far->epoch++;
		link_disconnect(process, link, silently);
		if (process->links[i] != NULL)
			link_free(process, link);
	}
	process->nlinks = 0;
}

/* Packets under way. */
#include "sim/link.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* Payload room of each size class; larger packets are not pooled. */
static const size_t class_bytes[SIM_PACKET_CLASSES] = {192, 1024, 8192, 65536};

static uint32_t size_class_of(size_t len)
{
	uint32_t c = 0;
	while (c < SIM_PACKET_CLASSES && len > class_bytes[c])
		c++;
	return c;
}

static void packet_arrive_event(void *data);

struct sim_packet *sim_packet_new(struct sim_connection *connection, uint32_t end,
				  const struct message *message)
{
	struct sim_network *network = connection->world->network;
	size_t len = message == NULL ? 0 : message->payload.len;
	uint32_t size_class = size_class_of(len);
	struct sim_packet *packet;
	if (size_class < SIM_PACKET_CLASSES && network->pool[size_class] != NULL) {
		packet = network->pool[size_class];
		network->pool[size_class] = packet->next;
	} else {
		size_t room = size_class < SIM_PACKET_CLASSES ? class_bytes[size_class] : len;
		packet = alloc_bytes(sizeof *packet + room);
	}
	memset(packet, 0, sizeof *packet);
	timer_init(&packet->event, packet_arrive_event, packet);
	packet->connection = connection;
	packet->end = end;
	packet->epoch = connection->ends[end].epoch;
	packet->size_class = size_class;
	packet->kind = message == NULL ? SIM_PACKET_DOWN : SIM_PACKET_MESSAGE;
	if (message != NULL) {
		packet->message = *message;
		packet->life = sim_packet_from(packet)->env.life;
		packet->message.detail = NULL; /* the sender's own */
		if (len > 0)
			memcpy(packet->data, message->payload.data, len);
		packet->message.payload = slice(packet->data, len);
	}
	sim_connection_ref(connection);
	return packet;
}

void sim_packet_free(struct sim_packet *packet)
{
	struct sim_network *network = packet->connection->world->network;
	ASSERT(!timer_armed(&packet->event));
	sim_connection_unref(packet->connection);
	if (packet->size_class == SIM_PACKET_CLASSES) {
		free(packet);
		return;
	}
	packet->next = network->pool[packet->size_class];
	network->pool[packet->size_class] = packet;
}

void sim_packet_pool_free(struct sim_network *network)
{
	for (uint32_t c = 0; c < SIM_PACKET_CLASSES; c++) {
		for (struct sim_packet *packet = network->pool[c], *next; packet != NULL;
		     packet = next) {
			next = packet->next;
			free(packet);
		}
		network->pool[c] = NULL;
	}
}

void sim_connection_ref(struct sim_connection *connection)
{
	connection->refs++;
}

void sim_connection_unref(struct sim_connection *connection)
{
	ASSERT(connection->refs > 0);
	if (--connection->refs > 0)
		return;
	timers_cancel(&connection->world->queue, &connection->timeout);
	free(connection);
}

/*
 * A one-way message may outlive the connection on which it was sent (a second copy, delayed for
 * long). Its receiver must then get it along a link that still exists: the newest one with the same
 * sender.
 */
static bool packet_redirect(struct sim_packet *packet)
{
	struct sim_process *from = sim_packet_from(packet), *to = sim_packet_to(packet);
	if (packet->kind != SIM_PACKET_MESSAGE || packet->message.kind != MESSAGE_ONEWAY ||
	    to == NULL)
		return false;
	struct sim_connection *newest = NULL;
	uint32_t end = 0;
	link_id newest_id = 0;
	for (uint32_t i = 0; i < to->nlinks; i++) {
		struct sim_link *link = to->links[i];
		if (link == NULL || link->connection == NULL || link->id < newest_id)
			continue;
		if (link->connection->ends[!link->end].process != from ||
		    !link->connection->ends[link->end].open)
			continue;
		newest = link->connection;
		end = link->end;
		newest_id = link->id;
	}
	if (newest == NULL)
		return false;
	sim_connection_ref(newest);
	sim_connection_unref(packet->connection);
	packet->connection = newest;
	packet->end = end;
	packet->epoch = newest->ends[end].epoch;
	return true;
}

void sim_packet_lose(struct sim_packet *packet)
{
	struct sim_world *world = packet->connection->world;
	world->network->counters.lost++;
	sim_trace_event(&world->trace, SIM_EVENT_DROP, sim_packet_from(packet),
			sim_packet_to(packet), packet->message.method, packet->message.payload.len);
	sim_packet_free(packet);
}

/*
 * The packet has reached a process that does not know its connection (any more): the sender is
 * told.
 */
static void packet_refused(struct sim_packet *packet)
{
	struct sim_connection *connection = packet->connection;
	struct sim_end *sender = &connection->ends[!packet->end];
	if (packet->kind == SIM_PACKET_MESSAGE && sender->open && !sender->notified &&
	    !connection->failed) {
		sim_trace_event(&connection->world->trace, SIM_EVENT_REFUSED,
				sim_packet_from(packet), sim_packet_to(packet),
				packet->message.method, 0);
		sender->notified = true;
		sim_packet_depart(sim_packet_new(connection, !packet->end, NULL), 0);
	}
	/* A successor of a dead process does not accept what was meant for the dead one. */
	if (connection->ends[packet->end].link == NULL)
		connection->ends[packet->end].open = false;
	sim_packet_lose(packet);
}

static void packet_arrive(struct sim_packet *packet)
{
	struct sim_process *from = sim_packet_from(packet), *to = sim_packet_to(packet);
	struct sim_network *network = packet->connection->world->network;
	bool oneway = packet->kind == SIM_PACKET_MESSAGE && packet->message.kind == MESSAGE_ONEWAY;
	if (to == NULL) {
		packet_refused(packet);
		return;
	}
	if (!packet->local && from != NULL) {
		struct sim_pair *pair = sim_network_pair(network, from, to);
		if (pair->cut && oneway) {
			sim_packet_lose(packet);
			return;
		}
		if (pair->cut || pair->clogged) {
			sim_network_hold(network, pair, packet);
			return;
		}
	}
	if (!sim_process_alive(to)) {
		if (!to->powerless) {
			packet_refused(packet);
			return;
		}
		if (!oneway)
			sim_connection_stuck(packet->connection, true);
		sim_packet_lose(packet);
		return;
	}
	if (sim_packet_stale(packet) && !packet_redirect(packet)) {
		packet_refused(packet);
		return;
	}
	sim_process_inbox_add(to, packet);
}

static void packet_arrive_event(void *data)
{
	packet_arrive(data);
}

bool sim_packet_is_event(const struct timer *timer)
{
	return timer->callback == packet_arrive_event;
}

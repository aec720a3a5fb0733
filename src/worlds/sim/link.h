/*
 * Links, connections and packets: how messages travel between processes. Internal
 * to sim/.
 *
 * A connection has two ends: 0 dialled, 1 accepts. It comes to be with the first
 * message on a dialled link without one; the accepting end gets its link when that message is
 * delivered. An end is open until its process closes it, dies, or has been told
 * that the connection is over. What is under way to an end carries that end's epoch;
 * raising the epoch loses all of it.
 *
 * Packets live in exactly one place at a time: in the world's queue (under way), in the held list
 * of a directed pair (stuck), in an inbox, or in the pool. Each holds a reference to its
 * connection.
 */
#ifndef SYNOD_SIM_LINK_H
#define SYNOD_SIM_LINK_H

#include "sim/network.h"
#include "sim/world.h"

#define LINK_SLOT_BITS 16

struct sim_link {
	link_id id;                        /* serial << LINK_SLOT_BITS | slot in process->links */
	struct sim_connection *connection; /* NULL: dialled and not connected */
	uint32_t end;
	char *address; /* dialled; NULL: accepted */
};

struct sim_end {
	struct sim_process *process; /* NULL: nobody has the address that was dialled */
	struct sim_link *link;       /* NULL: not accepted yet, or closed */
	bool open;
	/* a packet that tells of the connection's end is on its way here */
	bool notified;
	uint32_t epoch;
	uint64_t arrival_us; /* when the last in-order packet reaches this end */
	uint64_t latest_us;  /* when the last packet of any kind does */
	uint64_t sent_us;    /* when the bandwidth towards this end is free again */
	/* stuck on the way to this end, and how many packets that is */
	uint64_t held_bytes;
	uint32_t held;
};

struct sim_connection {
	struct sim_world *world;
	uint32_t refs; /* of links and packets */
	bool failed;
	bool broken; /* something was lost, or an end is silently gone: it will not recover */
	struct sim_end ends[2];
	struct timer timeout; /* armed when something gets stuck */
};

enum sim_packet_kind {
	SIM_PACKET_MESSAGE,
	SIM_PACKET_DOWN, /* the other end is gone */
};

struct sim_packet {
	struct timer event;
	struct sim_packet *next;
	struct sim_connection *connection;
	uint32_t end; /* that it travels to */
	uint32_t epoch;
	enum sim_packet_kind kind;
	bool local; /* made by the receiver's own system: no network is involved */
	uint32_t size_class;
	uint64_t life; /* of its sender's disk */
	struct message message;
	uint8_t data[];
};

#define SIM_PACKET_CLASSES 4u

/* What flows from one process to another. */
struct sim_pair {
	bool cut;
	bool clogged;
	struct sim_packet *held_first;
	struct sim_packet *held_last;
};

struct sim_network {
	struct sim_world *world;
	struct sim_pair *pairs; /* [from × capacity + to] */
	uint32_t capacity;
	sim_filter filter;
	void *filter_context;
	struct sim_rule *rules;
	struct sim_packet *pool[SIM_PACKET_CLASSES];
	struct sim_network_counters counters;
};

/* ---- network.c ---- */

struct sim_network *sim_network_create(struct sim_world *world);
/* Every process must be down, and nothing under way. */
void sim_network_destroy(struct sim_network *network);
/* Makes room for one more process. */
void sim_network_grow(struct sim_network *network, uint32_t processes);
struct sim_pair *sim_network_pair(struct sim_network *network, const struct sim_process *from,
				  const struct sim_process *to);
/* Stops the packet at its pair, which is cut or clogged; it goes on when the pair is free again. */
void sim_network_hold(struct sim_network *network, struct sim_pair *pair,
		      struct sim_packet *packet);
/* Draws how long the network takes. */
uint64_t sim_network_delay(struct sim_network *network);
/* What the filter and the rules say. */
enum sim_verdict sim_network_verdict(struct sim_network *network, const struct sim_process *from,
				     const struct sim_process *to, const struct message *message,
				     uint64_t *delay_us);

/* ---- packet.c ---- */

struct sim_packet *sim_packet_new(struct sim_connection *connection, uint32_t end,
				  const struct message *message);
void sim_packet_free(struct sim_packet *packet);
/* True for the timer of a packet that is under way. */
bool sim_packet_is_event(const struct timer *timer);
void sim_packet_pool_free(struct sim_network *network);
void sim_connection_ref(struct sim_connection *connection);
void sim_connection_unref(struct sim_connection *connection);
static inline struct sim_process *sim_packet_from(const struct sim_packet *packet)
{
	return packet->connection->ends[!packet->end].process;
}
static inline struct sim_process *sim_packet_to(const struct sim_packet *packet)
{
	return packet->connection->ends[packet->end].process;
}
/* Counts, traces and frees. */
void sim_packet_lose(struct sim_packet *packet);
/* Lost or overtaken by the end of its connection. */
static inline bool sim_packet_stale(const struct sim_packet *packet)
{
	const struct sim_end *end = &packet->connection->ends[packet->end];
	return !end->open || packet->epoch != end->epoch;
}

/* ---- connection.c: what happens on the way ---- */

/* Who has the address; NULL: nobody. */
struct sim_process *sim_process_at(struct sim_world *world, const char *address);
void sim_connection_open(struct sim_process *process, struct sim_link *link);
/* Sends one message towards `end`. */
void sim_connection_transmit(struct sim_connection *connection, uint32_t end,
			     const struct message *message);
/* Puts the packet under way; delays are drawn anew. */
void sim_packet_depart(struct sim_packet *packet, uint64_t extra_us);
/* One end goes away. `silently`: the other end learns of it from a timeout only. */
void sim_connection_close_end(struct sim_connection *connection, uint32_t end, bool silently);
/* Both ends learn at once that the connection is over; everything under way is lost. */
void sim_connection_fail(struct sim_connection *connection);
/*
 * Something cannot get on: unless that changes in time (never, if it is lost for good), the
 * connection ends.
 */
void sim_connection_stuck(struct sim_connection *connection, bool for_good);

/* ---- link.c: the process's view ---- */

link_id sim_link_dial(struct sim_process *process, const char *address);
struct sim_link *sim_link_find(const struct sim_process *process, link_id id);
void sim_link_send(struct sim_process *process, link_id id, const struct message *message);
uint64_t sim_link_backlog(const struct sim_process *process, link_id id);
void sim_link_close(struct sim_process *process, link_id id);
/* Hands a packet out of the inbox to the node. */
void sim_link_deliver(struct sim_process *process, struct sim_packet *packet);
/* The process has died: frees its links. */
void sim_link_drop_all(struct sim_process *process, bool silently);

/* ---- process_identity.c ---- */

/* Blocking, at the start: does the disk belong to the process as it is configured? 0 or why not. */
int sim_process_claim(struct sim_process *process) MUST_CHECK;
/* The node has started: from now on its log must be there. */
int sim_process_started(struct sim_process *process) MUST_CHECK;
int sim_process_renew_life(struct sim_process *process);
int sim_process_identified(struct sim_process *process, uint64_t group_id) MUST_CHECK;

/* ---- process.c and turn.c ---- */

void sim_process_inbox_add(struct sim_process *process, struct sim_packet *packet);
/* A turn is wanted at at_us, or as soon after as the process can. */
void sim_process_wake(struct sim_process *process, uint64_t at_us);
/* The turn timer's callback. */
void sim_process_turn_event(void *data);
/*
 * Runs `body` with the node as the one that may call fatal. False if it did; the process is then
 * HALTED.
 */
bool sim_process_guarded(struct sim_process *process, void (*body)(struct sim_process *process));
/* The node could not start, or has called fatal. */
void sim_process_halt(struct sim_process *process, int status, const char *reason,
		      bool interrupted);
/* The node has stopped in an orderly way. */
void sim_process_exit(struct sim_process *process);
/* If its disk has stopped it, it is down now: killed, or without power. */
bool sim_process_stopped_by_disk(struct sim_process *process);
void sim_process_destroy(struct sim_process *process);
extern const struct env_ops sim_process_env_ops;
/* Monotonic time of the process → virtual time at which its clock has reached it. */
uint64_t sim_process_world_time(const struct sim_process *process, uint64_t local_us);

#endif

/*
 * The load on a simulated cluster: clients with some operations each under way at a time, appending
 * to lists and reading them. What comes of every operation goes into the history.
 *
 * How an operation reaches the cluster is the business of a backend (list_client.h for one rsm
 * group, kv_client.h for a whole cluster). Its submit function runs as an input of the client's
 * node; it ends by calling sim_load_end…() once.
 */
#ifndef SYNOD_SIM_LOAD_H
#define SYNOD_SIM_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/history.h"
#include "sim/world.h"

struct sim_load_options {
	uint32_t clients;
	uint32_t window;         /* operations of one client at a time */
	uint32_t keys;           /* in use at a time */
	uint32_t key_operations; /* operations on each before it makes way for a new one */
	uint32_t read_percent;
	uint64_t think_mean_us; /* between the end of an operation and the next */
	uint32_t timeout_min_ms;
	uint32_t timeout_max_ms;
	/* of appends: clients of lists give up their session and ask for another */
	uint32_t renew_percent;
};
void sim_load_options_draw(struct sim_load_options *options, struct rng *rng);
/*
 * In some runs other replicas than the leader answer some reads: so many of 100, the same for all
 * loads of a seed. From a stream of its own, of which the rest is the caller's.
 */
uint32_t sim_load_draw_reads(struct rng *rng, uint64_t seed);
void sim_load_options_format(const struct sim_load_options *options, struct buffer *out);

/*
 * Who may answer a read: whoever leads; any other replica, linearizably; or any with what it has,
 * however old that is.
 */
enum sim_load_read { SIM_READ_LEADER, SIM_READ_FOLLOWER, SIM_READ_STALE };

struct caller_call;
struct sim_load;

/* One operation of a client at a time. */
struct sim_load_slot {
	struct sim_load *load;
	struct sim_process *process;
	uint32_t client;
	struct timer timer;
	bool busy;
	size_t operation; /* in the history */
	enum sim_history_kind kind;
	uint32_t key;
	uint64_t value;
	uint32_t timeout_ms;
	enum sim_load_read read;
	/* of a read that is not for the leader: any number, for what is to be chosen in it */
	uint64_t read_choice;
	struct caller_call *call; /* the backend's */
	/* not 0: asks one server only, by this number, whoever it believes to lead */
	uint64_t direct;
	uint64_t ended; /* OK operations that began after sim_load_mark() */
	uint64_t mark_us;
};

struct sim_load {
	struct sim_world *world;
	struct sim_load_options options;
	struct sim_history history;
	struct sim_load_slot *slots;
	uint32_t nslots;
	struct rng reads;       /* for who may answer; a stream of its own */
	uint32_t reads_percent; /* that others than the leader may answer; 0: in this run none */
	uint64_t mark_us;
	uint64_t started;
	uint32_t busy;
	bool stopped;
	bool final; /* the last reads: every key once */
	uint32_t final_next;
	uint64_t ok, failed, unknown;
	/* Starts slot's operation; runs as an input of the client's node. */
	void (*submit)(struct node *node, struct sim_load_slot *slot);
	/* An answer that can never be right. */
	void (*violation)(void *context, const char *format, ...)
		__attribute__((format(printf, 2, 3)));
	void *context;
	void *backend; /* for submit */
};

/* processes: one a client, running nodes of the backend. */
void sim_load_init(struct sim_load *load, struct sim_world *world,
		   const struct sim_load_options *options, struct sim_process *const *processes);
void sim_load_start(struct sim_load *load);
/* No new operations. */
void sim_load_stop(struct sim_load *load);
/* From now on sim_load_progress() counts. */
void sim_load_mark(struct sim_load *load);
/* True when each client has finished an operation, with success, that began after the mark. */
bool sim_load_progress(const struct sim_load *load);
/* Reads every key once; when all have been read with success, sim_load_final_done(). */
void sim_load_final_reads(struct sim_load *load);
bool sim_load_final_done(const struct sim_load *load);
/* After the world has gone, whose nodes end what is open. */
void sim_load_free(struct sim_load *load);

/* The age that the read may have; 0: any. */
uint64_t sim_load_age_us_max(const struct sim_load_slot *slot);
/*
 * When, in the world's time, that was of which an answer that has just come says: everything
 * acknowledged by then is in it.
 */
uint64_t sim_load_since_us(const struct sim_load_slot *slot, bool known, uint64_t age_us);
/* Before the end of a stale read. */
void sim_load_read_since(struct sim_load_slot *slot, uint64_t since_us);
void sim_load_end(struct sim_load_slot *slot, enum sim_history_outcome outcome);
void sim_load_end_append(struct sim_load_slot *slot, uint32_t length);
void sim_load_end_read(struct sim_load_slot *slot, const uint64_t *list, uint32_t length);

#endif

/*
 * The load on a simulated cluster: clients with some operations each under way at a time, appending to lists and
 * reading them. What comes of every operation goes into the history.
 *
 * How an operation reaches the cluster is the business of a backend (list_client.h for one rsm group, kv_client.h for a
 * whole cluster). Its submit function runs as an input of the client's node; it ends by calling load_end…() once.
 */
#ifndef SYNOD_SIM_LOAD_H
#define SYNOD_SIM_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "history.h"
#include "sim/world.h"

struct load_options {
	uint32_t clients;
	uint32_t window;          /* operations of one client at a time */
	uint32_t keys;            /* in use at a time */
	uint32_t key_operations;  /* operations on each before it makes way for a new one */
	uint32_t read_percent;
	uint64_t think_mean_us;   /* between the end of an operation and the next */
	uint32_t timeout_min_ms;
	uint32_t timeout_max_ms;
};
void load_options_draw(struct load_options *options, struct rng *rng);
void load_options_format(const struct load_options *options, struct buffer *out);

struct load;

/* One operation of a client at a time. */
struct load_slot {
	struct load *load;
	struct sim_process *process;
	uint32_t client;
	struct timer timer;
	bool busy;
	size_t operation; /* in the history */
	enum history_kind kind;
	uint32_t key;
	uint64_t value;
	uint32_t timeout_ms;
	uint64_t ended;       /* OK operations that began after load_mark() */
	uint64_t mark_us;
};

struct load {
	struct sim_world *world;
	struct load_options options;
	struct history history;
	struct load_slot *slots;
	uint32_t nslots;
	uint64_t mark_us;
	uint64_t started;
	uint32_t busy;
	bool stopped;
	bool final;             /* the last reads: every key once */
	uint32_t final_next;
	uint64_t ok, failed, unknown;
	/* Starts slot's operation; runs as an input of the client's node. */
	void (*submit)(struct node *node, struct load_slot *slot);
	/* An answer that can never be right. */
	void (*violation)(void *context, const char *format, ...) __attribute__((format(printf, 2, 3)));
	void *context;
	void *backend; /* for submit */
};

/* processes: one a client, running nodes of the backend. */
void load_init(struct load *load, struct sim_world *world, const struct load_options *options,
	       struct sim_process *const *processes);
void load_start(struct load *load);
/* No new operations. */
void load_stop(struct load *load);
/* From now on load_progress() counts. */
void load_mark(struct load *load);
/* True when each client has finished an operation, with success, that began after the mark. */
bool load_progress(const struct load *load);
/* Reads every key once; when all have been read with success, load_final_done(). */
void load_final_reads(struct load *load);
bool load_final_done(const struct load *load);
/* After the world has gone, whose nodes end what is open. */
void load_free(struct load *load);

void load_end(struct load_slot *slot, enum history_outcome outcome);
void load_end_append(struct load_slot *slot, uint32_t length);
void load_end_read(struct load_slot *slot, const uint64_t *list, uint32_t length);

#endif

/*
 * Clients of the log service, with the library's client node. The lists of the load (load.h) are
 * kept as other programs would: an append to a list is a value in the log, and whoever reads a list
 * follows the log up to where it ends and keeps what it has seen. So readers that disagree, or a
 * log with a gap, show here; that lists are linearizable is judged as for every load.
 */
#ifndef SYNOD_SIM_LOG_CLIENT_H
#define SYNOD_SIM_LOG_CLIENT_H

#include "base/map.h"
#include "client/core.h"
#include "load.h"

struct log_value {
	uint32_t key;
	uint64_t value;
};

/* What all clients together have seen: a value for each slot. */
struct sim_log {
	struct log_value *slots; /* [slot]; value 0: nobody has seen it */
	uint64_t capacity;
	struct sim_log_client *clients;
	uint32_t nclients;
};

struct sim_log_client {
	struct client_options options;
	struct client *client; /* of the present incarnation */
	struct sim_log *log;
	uint64_t next;    /* every slot below has been followed */
	struct map lists; /* key → struct buffer of u64 */
};

/* A sim_build function; context: struct sim_log_client. */
struct node *sim_log_client_build(void *context, struct sim_process *process);
/* The backend's load.submit; load.backend: struct sim_log. */
void sim_log_client_submit(struct node *node, struct sim_load_slot *slot);
void sim_log_free(struct sim_log *log);

#endif

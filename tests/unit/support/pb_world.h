/*
 * Primary and backup in the simulated world, all of it as in production: viewservers v1 …,
 * pbservers s1 …, and clients with the client library.
 */
#ifndef SYNOD_TESTS_PB_WORLD_H
#define SYNOD_TESTS_PB_WORLD_H

#include "client/core.h"
#include "pb/node.h"
#include "pb/state.h"
#include "sim/network.h"
#include "sim/world.h"
#include "view/node.h"

#define PB_PING_MS 100u
#define PB_DEAD_PINGS 5u
#define PB_TICK_US (PB_PING_MS * SIM_MILLISECOND)
#define PB_SERVERS_LIMIT 4u
#define PB_CLIENTS_LIMIT 12u

struct pb_world;

/* An operation of a client. */
struct pb_op {
	struct pb_world *w;
	struct sim_process *process;
	uint32_t client;
	struct synod_op op;
	uint32_t timeout_ms;
	char *key, *value, *expect; /* copies */
	bool done;
	int status;   /* SYNOD_… */
	char *result; /* value of the reply */
	size_t result_len;
	uint64_t version;
	uint64_t started_us, ended_us;
};

struct pb_world {
	struct sim_world *world;
	uint32_t nviews;
	struct sim_process *views[REPLICAS_MAX];
	struct sim_process *servers[PB_SERVERS_LIMIT];
	struct sim_process *clients[PB_CLIENTS_LIMIT];
	struct client *nodes[PB_CLIENTS_LIMIT];
	struct rsm_member members[REPLICAS_MAX];
	char view_names[REPLICAS_MAX][16], view_addresses[REPLICAS_MAX][24];
	char server_names[PB_SERVERS_LIMIT][16], server_addresses[PB_SERVERS_LIMIT][24];
	const char *view_list[REPLICAS_MAX], *server_list[PB_SERVERS_LIMIT];
	uint32_t value_bytes_max;
	/*
	 * of the clients, and their longest pause; a ping interval: impatient, as those of the
	 * courses are
	 */
	uint32_t attempt_timeout_ms;
	/*
	 * Checked after every turn: in any view only one server has answered clients. By view
	 * number.
	 */
	struct sim_process *answered_by[4096];
	uint32_t answered_in[4096];
	/* The courses' unreliable network (pb_unreliable). */
	bool unreliable;
	uint32_t request_loss_ppm, reply_loss_ppm;
	/* of what comes back to clients, this share is late by 0.2 … 2.2 s */
	uint32_t late_reply_ppm;
	struct rng rng;
	/* Messages to the viewservers. */
	uint64_t view_messages;
};

/* Runs already, without pbservers; NULL options: calm. */
struct pb_world *pb_world_create(uint64_t seed, uint32_t nviews, const struct sim_options *options);
void pb_world_destroy(struct pb_world *w);
void pb_run(struct pb_world *w, uint32_t ticks);
/* From now on: of each request this share is lost, of the others this share of replies. */
void pb_unreliable(struct pb_world *w, uint32_t request_loss_ppm, uint32_t reply_loss_ppm);

/* The clients start anew, and ask again after this; they never pause for longer either. */
void pb_clients_restart(struct pb_world *w, uint32_t attempt_timeout_ms);

/* Server s1 is number 1. Starting one that runs restarts it; it comes back empty. */
struct sim_process *pb_server(struct pb_world *w, uint32_t number);
void pb_server_start(struct pb_world *w, uint32_t number);
void pb_server_stop(struct pb_world *w, uint32_t number);
struct pb_node_info pb_info(struct pb_world *w, uint32_t number);
uint64_t pb_hash(struct pb_world *w, uint32_t number);
/* Number of the server that is primary, or backup, of the newest view; 0: nobody. */
uint32_t pb_primary(struct pb_world *w);
uint32_t pb_backup(struct pb_world *w);
/* Cuts a server off from the viewservers. */
void pb_cut_from_views(struct pb_world *w, uint32_t number);

/* The newest view, as text: "2 s1 s2" or "1 s1 -". */
const char *pb_view(struct pb_world *w);
/*
 * Until that is the view, its primary serves, and its backup holds the state; false: not within so
 * many ping intervals.
 */
bool pb_reaches(struct pb_world *w, const char *view, uint32_t ticks);
/* Until there is a view with a backup that holds the state. */
bool pb_settles(struct pb_world *w, uint32_t ticks);

/* Starts an operation of a client (from 0); free it when it is done. */
struct pb_op *pb_start(struct pb_world *w, uint32_t client, enum synod_op_kind kind,
		       const char *key, const char *value, uint32_t timeout_ms);
struct pb_op *pb_start_bytes(struct pb_world *w, uint32_t client, const struct synod_op *op,
			     uint32_t timeout_ms);
bool pb_wait(struct pb_world *w, const struct pb_op *op, uint32_t ticks);
void pb_op_free(struct pb_op *op);
/* One operation from its start to its end, which must come and be OK. */
void pb_put(struct pb_world *w, uint32_t client, const char *key, const char *value);
void pb_append(struct pb_world *w, uint32_t client, const char *key, const char *value);
/* The value, valid until the next call; NULL: not found. */
const char *pb_get(struct pb_world *w, uint32_t client, const char *key);

#endif

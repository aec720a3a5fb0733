/*
 * A client of a whole cluster: the node of the client library. Appends and reads go to keys "k0",
 * "k1", …; a list is a string of values, 16 hex digits each.
 */
#ifndef SYNOD_SIM_KV_CLIENT_H
#define SYNOD_SIM_KV_CLIENT_H

#include "client/core.h"
#include "load.h"

struct sim_kv_client {
	struct client_options options;
	bool primary;          /* speaks to the primary of the view, not to the groups */
	struct client *client; /* of the present incarnation */
};
/* A sim_build function; context: struct sim_kv_client. */
struct node *sim_kv_client_build(void *context, struct sim_process *process);
/* The backend's load.submit; load.backend: an array of struct sim_kv_client, one a client. */
void sim_kv_client_submit(struct node *node, struct sim_load_slot *slot);

/*
 * Of a slot whose read others than the leader may answer: the request says so. The status of saying
 * it.
 */
int sim_load_reading(const struct sim_load_slot *slot, struct client_request *request);

/* The body of a COMMAND that appends the value to a key's list. */
void sim_kv_append_encode(uint32_t key, uint64_t value, struct buffer *body);

#endif

/*
 * One replica of an rsm group with the list app, and a client of such a group.
 */
#ifndef SYNOD_SIM_LIST_CLIENT_H
#define SYNOD_SIM_LIST_CLIENT_H

#include "load.h"
#include "rsm/rsm.h"

struct joiner_place;
struct scene;

struct list_replica_options {
	uint64_t group;
	uint32_t replica;
	uint32_t nmembers;
	struct rsm_member members[MEMBERS_MAX];
	struct rsm_settings settings;
	struct scene *scene; /* varies them; NULL: nobody does */
	/*
	 * members change: says who they are, in place of the first three; NULL: they stay who they
	 * are
	 */
	struct joiner_place *place;
};
/* sim_build functions; context: struct list_replica_options, struct list_client_options. */
struct node *list_replica_build(void *context, struct sim_process *process);
struct rsm *list_replica_rsm(struct node *node);
uint64_t list_replica_hash(struct node *node);
struct app *list_replica_app(struct node *node);

struct list_client_options {
	const char *const *addresses;
	uint32_t count;
	struct sim_load *load;
	/*
	 * Index of a server that leads though another has been elected since, or does not serve
	 * yet; UINT32_MAX: none.
	 */
	uint32_t (*doubtful_leader)(void *context);
	/* Index of a server that follows such a leader; UINT32_MAX: none. */
	uint32_t (*doubtful_follower)(void *context);
	void *context;
	/*
	 * So many of 100 appends are followed by another command under their sequence: not to be
	 * answered like the first.
	 */
	uint32_t reuse_percent;
};
struct node *list_client_build(void *context, struct sim_process *process);
/* The backend's load.submit. */
void list_client_submit(struct node *node, struct sim_load_slot *slot);

#endif

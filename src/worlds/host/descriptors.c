/* How many file descriptors there are, and who needs them. */
#include "host/descriptors.h"

#include <inttypes.h>
#include <stdio.h>

#define OWN 26u
#define FILES 12u
#define FILES_SHARE 16u
#define CONNECTIONS_MIN 8u
#define NEWCOMERS_SHARE 8u
#define JOINERS_SHARE 4u

static uint64_t for_nodes(const struct clusterconf *conf, const struct clusterconf_node *self)
{
	uint64_t count = 0;
	for (uint32_t i = 0; i < conf->nnodes; i++) {
		const struct clusterconf_node *node = &conf->nodes[i];
		if (node != self)
			count += node->role == self->role && node->group == self->group ? 2 : 1;
	}
	return count;
}

/* For members that are added while this process runs. */
static uint64_t for_joiners(const struct clusterconf *conf, const struct clusterconf_node *self)
{
	uint64_t others = 0;
	if (self->role != ROLE_SHARDKV && self->role != ROLE_SHARDMASTER &&
	    self->role != ROLE_VIEWSERVER)
		return 0;
	for (uint32_t i = 0; i < conf->nnodes; i++) {
		const struct clusterconf_node *node = &conf->nodes[i];
		others += node != self && node->role == self->role && node->group == self->group;
	}
	return others >= MEMBERS_MAX - 1 ? 0 : 2 * (MEMBERS_MAX - 1 - others);
}

int descriptors_plan(struct descriptor_plan *plan, uint64_t limit, const struct clusterconf *conf,
		     const struct clusterconf_node *self, uint64_t wanted, char *error,
		     size_t error_size)
{
	uint64_t fixed = OWN + FILES + for_nodes(conf, self);
	uint64_t least = fixed + CONNECTIONS_MIN;
	/* With its sixteenth for files. */
	least += least / (FILES_SHARE - 1) + 1;
	if (limit < least) {
		snprintf(error, error_size,
			 "this process may have %" PRIu64 " open files, and needs %" PRIu64
			 " at least for its log, the other nodes and a few connections: raise the "
			 "limit (ulimit -n, "
			 "LimitNOFILE=)",
			 limit, least);
		return STATUS_CONFIG;
	}
	uint64_t rest = limit - fixed - limit / FILES_SHARE;
	uint64_t joiners = for_joiners(conf, self);
	rest -= joiners < rest / JOINERS_SHARE ? joiners : rest / JOINERS_SHARE;
	uint64_t http = self->http == NULL ? 0 : rest / 4;
	if (http > DESCRIPTORS_HTTP_MAX)
		http = DESCRIPTORS_HTTP_MAX;
	uint64_t connections = (rest - http) * NEWCOMERS_SHARE / (NEWCOMERS_SHARE + 1);
	*plan = (struct descriptor_plan){
		.limit = limit,
		.http = (uint32_t)http,
		.connections_max = (uint32_t)(connections < wanted ? connections : wanted),
	};
	return 0;
}

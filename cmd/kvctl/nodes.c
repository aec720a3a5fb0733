/* Which nodes there are, and what each says of itself. */
#include <stdlib.h>

#include "base/alloc.h"
#include "kvctl.h"

/* A node that does not answer for this long is shown as down. */
#define STATUS_TIMEOUT_MS 1500u

static struct kvctl_node *add(struct kvctl_nodes *nodes, const char *address)
{
	nodes->nodes = alloc_resize(nodes->nodes, nodes->count + 1, sizeof *nodes->nodes);
	struct kvctl_node *node = &nodes->nodes[nodes->count++];
	*node = (struct kvctl_node){.name = "", .role = "", .address = address};
	return node;
}

static void add_from_conf(struct kvctl_nodes *nodes, const struct clusterconf *conf)
{
	for (uint32_t i = 0; i < conf->nnodes; i++) {
		struct kvctl_node *node = add(nodes, conf->nodes[i].listen);
		node->name = conf->nodes[i].name;
		node->role = node_role_text(conf->nodes[i].role);
		node->group = conf->nodes[i].group;
	}
}

static bool known(const struct kvctl_nodes *nodes, const char *address)
{
	for (size_t i = 0; i < nodes->count; i++)
		if (strcmp(nodes->nodes[i].address, address) == 0)
			return true;
	return false;
}

static int add_from_cluster(struct kvctl *kvctl, struct kvctl_nodes *nodes, struct synod *s)
{
	struct synod_config *config = synod_config(s, UINT64_MAX);
	int exit_code = kvctl_failed(kvctl, config->status, config->message);
	nodes->config = config;
	for (size_t i = 0; i < config->nmasters; i++)
		add(nodes, config->masters[i])->role = node_role_text(ROLE_SHARDMASTER);
	for (size_t i = 0; i < config->ngroups; i++) {
		for (size_t j = 0; j < config->groups[i].nmembers; j++) {
			if (known(nodes, config->groups[i].members[j]))
				continue;
			struct kvctl_node *node = add(nodes, config->groups[i].members[j]);
			node->role = node_role_text(ROLE_SHARDKV);
			node->group = config->groups[i].gid;
		}
	}
	return exit_code;
}

static void ask(struct kvctl *kvctl, struct kvctl_nodes *nodes, struct synod *s)
{
	const char **addresses = alloc_zeroed(nodes->count + 1, sizeof *addresses);
	struct synod_node_status **statuses = alloc_zeroed(nodes->count + 1, sizeof(struct synod_node_status *));
	uint32_t timeout_ms = STATUS_TIMEOUT_MS;
	if (kvctl->timeout_given || kvctl->timeout_ms < timeout_ms)
		timeout_ms = kvctl->timeout_ms;
	for (size_t i = 0; i < nodes->count; i++)
		addresses[i] = nodes->nodes[i].address;
	synod_node_status_all(s, addresses, nodes->count, timeout_ms, statuses);
	for (size_t i = 0; i < nodes->count; i++) {
		struct kvctl_node *node = &nodes->nodes[i];
		node->status = statuses[i];
		if (node->name[0] == '\0')
			node->name = statuses[i]->name;
		if (statuses[i]->status == SYNOD_OK && node->role[0] == '\0')
			node->role = statuses[i]->role;
	}
	free(addresses);
	free(statuses);
}

int kvctl_nodes_ask(struct kvctl *kvctl, struct kvctl_nodes *out)
{
	int exit_code;
	*out = (struct kvctl_nodes){0};
	const struct clusterconf *conf = kvctl_conf(kvctl, &exit_code);
	if (exit_code != EXIT_OK)
		return exit_code;
	struct synod *s = kvctl_synod(kvctl);
	if (s == NULL)
		return EXIT_USAGE;
	if (conf != NULL)
		add_from_conf(out, conf);
	else
		exit_code = add_from_cluster(kvctl, out, s);
	if (exit_code == EXIT_OK)
		ask(kvctl, out, s);
	else
		kvctl_nodes_free(out);
	return exit_code;
}

void kvctl_nodes_free(struct kvctl_nodes *nodes)
{
	for (size_t i = 0; i < nodes->count; i++)
		synod_node_status_free(nodes->nodes[i].status);
	free(nodes->nodes);
	synod_config_free(nodes->config);
	*nodes = (struct kvctl_nodes){0};
}

void kvctl_nodes_group(const struct kvctl_nodes *nodes, size_t i, size_t *leader, uint64_t *chosen)
{
	const struct kvctl_node *node = &nodes->nodes[i];
	uint64_t ballot = 0;
	*leader = SIZE_MAX;
	*chosen = 0;
	for (size_t j = 0; j < nodes->count; j++) {
		const struct kvctl_node *other = &nodes->nodes[j];
		if (other->status->status != SYNOD_OK || other->group != node->group ||
		    strcmp(other->role, node->role) != 0)
			continue;
		if (other->status->chosen > *chosen)
			*chosen = other->status->chosen;
		/* A leader that has been deposed and does not know it yet has the smaller ballot. */
		bool leads = strcmp(other->status->state, "leader") == 0 || strcmp(other->status->state, "primary") == 0;
		if (leads &&
		    (*leader == SIZE_MAX || other->status->ballot > ballot)) {
			*leader = j;
			ballot = other->status->ballot;
		}
	}
}

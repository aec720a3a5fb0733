/* member list, member transfer */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "kvctl.h"

/* "2", or "masters" for the shard masters. */
static int parse_group(struct kvctl *kvctl, const char *text, const char **role, uint64_t *group)
{
	*group = 0;
	*role = node_role_text(ROLE_SHARDMASTER);
	if (strcmp(text, "masters") == 0 || strcmp(text, "0") == 0)
		return EXIT_OK;
	*role = node_role_text(ROLE_SHARDKV);
	if (kvctl_parse_u64(text, group) && *group > 0)
		return EXIT_OK;
	return kvctl_usage(kvctl, "\"%s\" is no group: a number, or masters", text);
}

static int list(struct kvctl *kvctl, int count, char **operands)
{
	const char *role = NULL;
	uint64_t group = 0;
	struct kvctl_nodes nodes;
	if (count > 1)
		return kvctl_usage(kvctl, "too many arguments");
	int exit_code = count == 1 ? parse_group(kvctl, operands[0], &role, &group) : EXIT_OK;
	if (exit_code == EXIT_OK)
		exit_code = kvctl_nodes_ask(kvctl, &nodes);
	if (exit_code != EXIT_OK)
		return exit_code;
	size_t members = 0;
	for (size_t i = 0; role != NULL && i < nodes.count; i++)
		members += strcmp(nodes.nodes[i].role, role) == 0 && nodes.nodes[i].group == group;
	exit_code = role != NULL && members == 0 ? kvctl_failed(kvctl, SYNOD_NO_SUCH_GROUP, "see kvctl config")
						 : kvctl_nodes_print(kvctl, &nodes, role, group);
	kvctl_nodes_free(&nodes);
	return exit_code;
}

/* The group's members, and the replica that `target` names (a node's name or a replica's number). */
static int find_members(struct kvctl *kvctl, const struct kvctl_nodes *nodes, const char *role, uint64_t group,
			const char *target, const char **members, size_t *count, uint32_t *replica)
{
	bool found = target == NULL;
	uint64_t number = 0;
	if (target != NULL && kvctl_parse_u64(target, &number) && number <= REPLICAS_MAX)
		found = true;
	*replica = (uint32_t)number;
	for (size_t i = 0; i < nodes->count; i++) {
		const struct kvctl_node *node = &nodes->nodes[i];
		if (strcmp(node->role, role) != 0 || node->group != group || *count == REPLICAS_MAX)
			continue;
		members[(*count)++] = node->address;
		if (target == NULL || strcmp(node->name, target) != 0)
			continue;
		if (node->status->status != SYNOD_OK)
			return kvctl_failed(kvctl, node->status->status, node->status->message);
		found = true;
		*replica = node->status->replica;
	}
	if (*count == 0)
		return kvctl_failed(kvctl, SYNOD_NO_SUCH_GROUP, "see kvctl config");
	return found ? EXIT_OK
		     : kvctl_usage(kvctl, "the group has no member \"%s\": see kvctl member list", target);
}

static int transfer(struct kvctl *kvctl, int count, char **operands)
{
	const char *role, *members[REPLICAS_MAX];
	size_t nmembers = 0;
	uint64_t group;
	uint32_t replica;
	struct kvctl_nodes nodes;
	if (count < 1 || count > 2)
		return kvctl_usage(kvctl, "member transfer GID [NODE]");
	int exit_code = parse_group(kvctl, operands[0], &role, &group);
	if (exit_code == EXIT_OK)
		exit_code = kvctl_nodes_ask(kvctl, &nodes);
	if (exit_code != EXIT_OK)
		return exit_code;
	exit_code = find_members(kvctl, &nodes, role, group, count == 2 ? operands[1] : NULL, members, &nmembers,
				 &replica);
	if (exit_code == EXIT_OK) {
		struct synod_reply *reply = synod_transfer(kvctl_synod(kvctl), members, nmembers, replica);
		exit_code = kvctl_failed(kvctl, reply->status, reply->message);
		synod_reply_free(reply);
		kvctl->applied |= exit_code == EXIT_OK;
		if (exit_code == EXIT_OK && kvctl->json)
			kvctl_print_json(json_pack("{s:b}", "ok", 1));
		else if (exit_code == EXIT_OK)
			puts("OK");
	}
	kvctl_nodes_free(&nodes);
	return exit_code;
}

int kvctl_member(struct kvctl *kvctl, int argc, char **argv)
{
	int first;
	int exit_code = kvctl_operands(kvctl, argc, argv, 1, 16, &first);
	if (exit_code != EXIT_OK)
		return exit_code;
	const char *action = argv[first];
	if (strcmp(action, "list") == 0)
		return list(kvctl, argc - first - 1, argv + first + 1);
	if (strcmp(action, "transfer") == 0)
		return transfer(kvctl, argc - first - 1, argv + first + 1);
	if (strcmp(action, "add") == 0 || strcmp(action, "remove") == 0 || strcmp(action, "promote") == 0) {
		kvctl_error(
			kvctl,
			"%s is not supported by this version: the members of a group are those of cluster.conf",
			action);
		return EXIT_USAGE;
	}
	return kvctl_usage(kvctl, "\"%s\" is neither list nor transfer", action);
}

/* What a cluster.conf must fulfil as a whole, and what the error says otherwise. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clusterconf_internal.h"

/* A node's settings: what [cluster] says, unless the node says otherwise. */
static void inherit_settings(const struct clusterconf *conf, struct clusterconf_node *node)
{
	struct settings own = node->settings;
	node->settings = conf->settings;
	for (size_t i = 0; i < SETTINGS_COUNT; i++) {
		const struct setting *setting = &settings_table[i];
		if (node->setting_lines[i] != 0)
			*setting_value(&node->settings, setting) = *setting_value(&own, setting);
		else
			node->setting_lines[i] = conf->setting_lines[i];
	}
}

static void check_node(struct clusterconf_parser *p, struct clusterconf_node *node)
{
	if (node->role == ROLE_NONE)
		clusterconf_fail(p, node->line,
				 "[node %s]: key 'role' is missing: expected " ROLES_TEXT,
				 node->name);
	else if (node->listen == NULL)
		clusterconf_fail(p, node->line,
				 "[node %s]: key 'listen' is missing: expected HOST:PORT",
				 node->name);
	else if (node->dir == NULL)
		clusterconf_fail(
			p, node->line,
			"[node %s]: key 'dir' is missing: expected the node's data directory",
			node->name);
	else if (node->role == ROLE_SHARDKV && node->group == 0)
		clusterconf_fail(p, node->line,
				 "[node %s]: key 'group' is missing: a shardkv node belongs to a "
				 "group, from 1",
				 node->name);
	else if (node->role != ROLE_SHARDKV && node->group != 0)
		clusterconf_fail(p, node->line,
				 "[node %s]: group = %" PRIu64 ": only shardkv nodes have a group",
				 node->name, node->group);
	char why[256];
	if (settings_check(&node->settings, why, sizeof why) != 0)
		clusterconf_fail(p, node->line, "[node %s]: %s", node->name, why);
}

static bool same_group(const struct clusterconf_node *a, const struct clusterconf_node *b)
{
	return a->role == b->role && a->group == b->group;
}

/* Those of `first`'s role and group that are given a number. False: two have the same. */
static bool take_numbers(struct clusterconf_parser *p, const struct clusterconf_node *first,
			 const struct clusterconf_node **taken)
{
	for (uint32_t i = 0; i < p->conf->nnodes; i++) {
		const struct clusterconf_node *node = &p->conf->nodes[i];
		if (!same_group(node, first) || node->replica_line == 0)
			continue;
		if (taken[node->replica] != NULL) {
			clusterconf_fail(p, node->line,
					 "[node %s]: replica = %u is also [node %s]: give each its "
					 "own number",
					 node->name, node->replica, taken[node->replica]->name);
			return false;
		}
		taken[node->replica] = node;
	}
	return true;
}

/*
 * The others have their positions; if one is taken, the lowest number that is free when all who can
 * have theirs.
 */
static void number_replicas(struct clusterconf_parser *p, const struct clusterconf_node *first)
{
	const struct clusterconf_node *taken[MEMBER_NUMBER_MAX + 1] = {NULL};
	uint32_t position = 0, lowest = 1;
	if (!take_numbers(p, first, taken))
		return;
	for (uint32_t i = 0; i < p->conf->nnodes; i++) {
		struct clusterconf_node *node = &p->conf->nodes[i];
		if (!same_group(node, first))
			continue;
		position++;
		if (position > MEMBERS_MAX) {
			clusterconf_fail(p, node->line,
					 "[node %s]: more than %u nodes of one role and group",
					 node->name, MEMBERS_MAX);
			return;
		}
		if (node->replica_line != 0 || taken[position] != NULL)
			continue;
		node->replica = position;
		taken[position] = node;
	}
	for (uint32_t i = 0; i < p->conf->nnodes; i++) {
		struct clusterconf_node *node = &p->conf->nodes[i];
		if (!same_group(node, first) || node->replica != 0)
			continue;
		while (taken[lowest] != NULL)
			lowest++;
		node->replica = lowest;
		taken[lowest] = node;
	}
}

struct claim {
	const char *text, *key;
	const struct clusterconf_node *node;
	uint32_t line;
};

static int compare_claims(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int order = strcmp(x->text, y->text);
	return order != 0 ? order : (x->line > y->line) - (x->line < y->line);
}

/*
 * Two nodes with one address, directory or trace. Sorted, since a large cluster has thousands of
 * nodes.
 */
static void check_unique(struct clusterconf_parser *p)
{
	struct clusterconf *conf = p->conf;
	struct claim *claims = alloc_zeroed((size_t)conf->nnodes * 4 + 1, sizeof *claims);
	size_t n = 0;
	for (uint32_t i = 0; i < conf->nnodes; i++) {
		const struct clusterconf_node *node = &conf->nodes[i];
		claims[n++] = (struct claim){node->listen, "listen", node, node->listen_line};
		claims[n++] = (struct claim){node->dir, "dir", node, node->dir_line};
		if (node->http != NULL)
			claims[n++] = (struct claim){node->http, "http", node, node->http_line};
		if (node->trace != NULL)
			claims[n++] = (struct claim){node->trace, "trace", node, node->trace_line};
	}
	qsort(claims, n, sizeof *claims, compare_claims);
	for (size_t i = 1; i < n; i++) {
		const struct claim *a = &claims[i - 1], *b = &claims[i];
		if (strcmp(a->text, b->text) == 0)
			clusterconf_fail(p, b->line, "%s = %s: also %s of [node %s] in line %u",
					 b->key, b->text, a->key, a->node->name, a->line);
	}
	free(claims);
}

void clusterconf_check(struct clusterconf_parser *p)
{
	struct clusterconf *conf = p->conf;
	char why[256];
	if (conf->name == NULL)
		clusterconf_fail(
			p, p->line == 0 ? 1 : p->line,
			"key 'name' is missing: expected a section [cluster] with name = NAME");
	if (settings_check(&conf->settings, why, sizeof why) != 0)
		clusterconf_fail(p, conf->name_line, "[cluster]: %s", why);
	for (uint32_t i = 0; i < conf->nnodes; i++) {
		inherit_settings(conf, &conf->nodes[i]);
		check_node(p, &conf->nodes[i]);
	}
	if (p->error_line == 0 && conf->id != 0 &&
	    clusterconf_next(conf, ROLE_SHARDMASTER, 0, NULL) == NULL)
		clusterconf_fail(p, conf->id_line,
				 "[cluster]: id: it is that of the shard masters, and the file has "
				 "none: remove it");
	for (uint32_t i = 0; i < conf->nnodes && p->error_line == 0; i++) {
		const struct clusterconf_node *node = &conf->nodes[i];
		if (clusterconf_next(conf, node->role, node->group, NULL) == node)
			number_replicas(p, node);
	}
	if (p->error_line == 0)
		check_unique(p);
}

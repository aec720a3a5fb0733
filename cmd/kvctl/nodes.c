/* Which nodes there are, and what each says of itself. */
#include <inttypes.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "kvctl.h"

/* A node that does not answer for this long is shown as down. */
#define STATUS_TIMEOUT_MS 1500u
/* Of the question who is there instead, of one node and of all. */
#define STRANGER_TIMEOUT_MS 500u
#define STRANGERS_MS_MAX 1000u

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

/* Asks those from number `first` on. */
static void ask(struct kvctl *kvctl, struct kvctl_nodes *nodes, struct synod *s, size_t first)
{
	size_t count = nodes->count - first;
	const char **addresses = alloc_zeroed(count + 1, sizeof *addresses);
	struct synod_node_status **statuses = alloc_zeroed(count + 1,
							   sizeof(struct synod_node_status *));
	uint32_t timeout_ms = STATUS_TIMEOUT_MS;
	if (kvctl->timeout_given || kvctl->timeout_ms < timeout_ms)
		timeout_ms = kvctl->timeout_ms;
	for (size_t i = 0; i < count; i++)
		addresses[i] = nodes->nodes[first + i].address;
	synod_node_status_all(s, addresses, count, timeout_ms, statuses);
	for (size_t i = 0; i < count; i++) {
		struct kvctl_node *node = &nodes->nodes[first + i];
		node->status = statuses[i];
		if (node->name[0] == '\0')
			node->name = statuses[i]->name;
		if (statuses[i]->status == SYNOD_OK && node->role[0] == '\0')
			node->role = statuses[i]->role;
	}
	free(addresses);
	free(statuses);
}

/* ---- outsiders ---- */

__attribute__((format(printf, 3, 4))) static void is_outsider(struct kvctl_node *node,
							      const char *what, const char *format,
							      ...)
{
	va_list arguments;
	node->outsider = what;
	va_start(arguments, format);
	vsnprintf(node->detail, sizeof node->detail, format, arguments);
	va_end(arguments);
}

/* An answer against what cluster.conf says of the node at that address. */
static void judge_answer(struct kvctl_node *node, const struct synod_node_status *status,
			 bool from_conf)
{
	if (from_conf && node->name[0] != '\0' && strcmp(status->name, node->name) != 0)
		is_outsider(node, "wrong node", "%s answers at %s: compare listen in cluster.conf",
			    status->name, node->address);
	else if (strcmp(status->role, node->role) != 0)
		is_outsider(node, "wrong role", "the node at %s is a %s", node->address,
			    status->role);
	else if (status->group != node->group)
		is_outsider(node, "wrong group", "the node at %s is of group %" PRIu64,
			    node->address, status->group);
}

/*
 * A node that takes us for a stranger does not answer, and neither does one that is down. Whoever
 * is at that address is asked again by someone who expects nobody in particular.
 */
static void ask_stranger(struct kvctl *kvctl, struct synod *s, struct kvctl_node *node)
{
	struct synod_options options = {
		.endpoints = node->address, .thread_of = s, .timeout_ms = STRANGER_TIMEOUT_MS};
	uint32_t timeout_ms = kvctl->timeout_ms < STRANGER_TIMEOUT_MS ? kvctl->timeout_ms
								      : STRANGER_TIMEOUT_MS;
	struct synod *anyone;
	if (synod_open(&anyone, &options) == SYNOD_OK) {
		struct synod_node_status *status = synod_node_status(anyone, node->address,
								     timeout_ms);
		if (status->status == SYNOD_OK && strcmp(status->name, node->name) != 0)
			is_outsider(node, "wrong node",
				    "%s answers at %s: compare listen in cluster.conf",
				    status->name, node->address);
		else if (status->status == SYNOD_OK)
			is_outsider(node, "wrong cluster",
				    "what answers at %s belongs to another cluster", node->address);
		synod_node_status_free(status);
	}
	synod_close(anyone);
}

/* The addresses of HOST:PORT; NULL: none. */
static struct addrinfo *resolve(const char *address)
{
	const char *colon = strrchr(address, ':');
	char host[ADDRESS_BYTES_MAX + 1];
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
	if (colon == NULL)
		return NULL;
	bool brackets = address[0] == '[' && colon > address && colon[-1] == ']';
	snprintf(host, sizeof host, "%.*s", (int)(colon - address) - 2 * brackets,
		 address + brackets);
	return getaddrinfo(host, colon + 1, &hints, &found) == 0 ? found : NULL;
}

/* Two ways to write one address: a name and a number, say. */
static bool same_address(const char *a, const char *b)
{
	bool same = false;
	struct addrinfo *of_a = resolve(a), *of_b = resolve(b);
	for (const struct addrinfo *x = of_a; x != NULL; x = x->ai_next)
		for (const struct addrinfo *y = of_b; y != NULL; y = y->ai_next)
			same |= x->ai_addrlen == y->ai_addrlen &&
				memcmp(x->ai_addr, y->ai_addr, x->ai_addrlen) == 0;
	if (of_a != NULL)
		freeaddrinfo(of_a);
	if (of_b != NULL)
		freeaddrinfo(of_b);
	return same;
}

static bool is_member(const struct synod_config *config, const struct kvctl_node *node)
{
	const struct synod_group *group = NULL;
	for (size_t i = 0; i < config->ngroups; i++)
		if (config->groups[i].gid == node->group)
			group = &config->groups[i];
	for (size_t i = 0; group != NULL && i < group->nmembers; i++)
		if (strcmp(group->members[i], node->address) == 0)
			return true;
	/* Names are looked up only if nothing else helps. */
	for (size_t i = 0; group != NULL && i < group->nmembers; i++)
		if (same_address(group->members[i], node->address))
			return true;
	return false;
}

/*
 * A group that the shard masters do not know serves nothing, however well it is.
 */
static void judge_members(struct kvctl_nodes *nodes)
{
	if (nodes->config == NULL || nodes->config->status != SYNOD_OK)
		return;
	for (size_t i = 0; i < nodes->count; i++) {
		struct kvctl_node *node = &nodes->nodes[i];
		if (strcmp(node->role, node_role_text(ROLE_SHARDKV)) == 0 && kvctl_node_up(node) &&
		    !kvctl_node_waits(node) && strcmp(node->status->state, "learner") != 0 &&
		    !is_member(nodes->config, node))
			is_outsider(node, "not joined",
				    "no member of group %" PRIu64
				    " in the newest configuration (kvctl config)",
				    node->group);
	}
}

/* Asked only if the shard masters answer at once. */
static void fetch_config(struct kvctl_nodes *nodes, struct synod *s)
{
	bool masters_lead = false;
	for (size_t i = 0; i < nodes->count; i++)
		masters_lead |= strcmp(nodes->nodes[i].role, node_role_text(ROLE_SHARDMASTER)) ==
					0 &&
				kvctl_node_up(&nodes->nodes[i]) &&
				strcmp(nodes->nodes[i].status->state, "leader") == 0;
	if (nodes->config == NULL && masters_lead)
		nodes->config = synod_config(s, UINT64_MAX);
}

static bool names_address(const struct kvctl_nodes *nodes, uint64_t gid, const char *address)
{
	for (size_t i = 0; i < nodes->count; i++) {
		const struct kvctl_node *node = &nodes->nodes[i];
		if (node->group == gid && strcmp(node->role, node_role_text(ROLE_SHARDKV)) == 0 &&
		    same_address(node->address, address))
			return true;
	}
	return false;
}

/*
 * Members of the groups that cluster.conf names, and which it does not have yet. True if there are
 * any.
 */
static bool add_newer(struct kvctl_nodes *nodes, struct synod *s)
{
	size_t before = nodes->count;
	fetch_config(nodes, s);
	const struct synod_config *config = nodes->config;
	for (size_t i = 0; config != NULL && config->status == SYNOD_OK && i < config->ngroups;
	     i++) {
		for (size_t j = 0; j < config->groups[i].nmembers; j++) {
			const char *address = config->groups[i].members[j];
			if (known(nodes, address) ||
			    names_address(nodes, config->groups[i].gid, address))
				continue;
			struct kvctl_node *node = add(nodes, address);
			node->role = node_role_text(ROLE_SHARDKV);
			node->group = config->groups[i].gid;
		}
	}
	return nodes->count > before;
}

static void find_outsiders(struct kvctl *kvctl, struct kvctl_nodes *nodes, struct synod *s,
			   bool from_conf)
{
	uint64_t began_ms = kvctl_now_ms();
	for (size_t i = 0; i < nodes->count; i++) {
		struct kvctl_node *node = &nodes->nodes[i];
		switch (node->status->status) {
		case SYNOD_OK: judge_answer(node, node->status, from_conf); break;
		case SYNOD_WRONG_CLUSTER:
			is_outsider(node, "wrong cluster", "%s", node->status->message);
			break;
		case SYNOD_WRONG_NODE:
			is_outsider(node, "wrong node", "%s", node->status->message);
			break;
		case SYNOD_WRONG_VERSION:
			is_outsider(node, "wrong version", "%s", node->status->message);
			break;
		default:
			/* Nodes that hang would take long, one after the other. */
			if (from_conf && kvctl_now_ms() - began_ms < STRANGERS_MS_MAX)
				ask_stranger(kvctl, s, node);
		}
	}
	judge_members(nodes);
}

bool kvctl_node_up(const struct kvctl_node *node)
{
	return node->status->status == SYNOD_OK &&
	       (node->outsider == NULL || strcmp(node->outsider, "not joined") == 0);
}

bool kvctl_node_waits(const struct kvctl_node *node)
{
	return kvctl_node_up(node) && (strcmp(node->status->state, "joining") == 0 ||
				       strcmp(node->status->state, "waiting") == 0);
}

bool kvctl_same_group(const struct kvctl_node *a, const struct kvctl_node *b)
{
	return a->group == b->group && strcmp(a->role, b->role) == 0;
}

char *kvctl_group_name(const struct kvctl_node *node)
{
	static const struct {
		enum node_role role;
		const char *name;
	} names[] = {
		{ROLE_VIEWSERVER, "viewservers"},
		{ROLE_PAXOS, "paxosds"},
		{ROLE_PBSERVER, "pbservers"},
	};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(node->role, node_role_text(names[i].role)) == 0)
			return alloc_string(names[i].name);
	return node->group != 0 ? alloc_format("group %" PRIu64, node->group)
				: alloc_string("shard masters");
}

/* ---- all together ---- */

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
	if (exit_code == EXIT_OK) {
		ask(kvctl, out, s, 0);
		if (conf != NULL && add_newer(out, s))
			ask(kvctl, out, s, conf->nnodes);
		find_outsiders(kvctl, out, s, conf != NULL);
	} else {
		kvctl_nodes_free(out);
	}
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
		if (!kvctl_node_up(other) || !kvctl_same_group(other, node))
			continue;
		if (other->status->chosen > *chosen)
			*chosen = other->status->chosen;
		/*
		 * A leader that has been deposed and does not know it yet has the smaller ballot.
		 */
		bool leads = strcmp(other->status->state, "leader") == 0 ||
			     strcmp(other->status->state, "primary") == 0;
		if (leads && (*leader == SIZE_MAX || other->status->ballot > ballot)) {
			*leader = j;
			ballot = other->status->ballot;
		}
	}
}

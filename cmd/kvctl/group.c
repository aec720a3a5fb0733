/* One replicated group: where it is found, and who belongs to it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "kvctl.h"

int kvctl_group_parse(struct kvctl *kvctl, const char *text, struct kvctl_group *out)
{
	static const struct {
		const char *text;
		enum node_role kind;
	} names[] = {
		{"masters", ROLE_SHARDMASTER},
		{"0", ROLE_SHARDMASTER},
		{"views", ROLE_VIEWSERVER},
		{"paxos", ROLE_PAXOS},
	};
	*out = (struct kvctl_group){.kind = ROLE_SHARDKV};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(text, names[i].text) != 0)
			continue;
		out->kind = names[i].kind;
		out->role = node_role_text(out->kind);
		return EXIT_OK;
	}
	out->role = node_role_text(ROLE_SHARDKV);
	if (kvctl_parse_u64(text, &out->group) && out->group > 0)
		return EXIT_OK;
	return kvctl_usage(kvctl, "\"%s\" is no group: a number, masters, views or paxos", text);
}

const char *kvctl_group_text(const struct kvctl_group *group, char *out, size_t size)
{
	switch (group->kind) {
	case ROLE_SHARDMASTER: return "the shard masters";
	case ROLE_VIEWSERVER: return "the view service";
	case ROLE_PAXOS: return "the paxosds";
	default: break;
	}
	snprintf(out, size, "group %" PRIu64, group->group);
	return out;
}

static void add_address(struct kvctl_group *group, const char *address)
{
	for (size_t i = 0; i < group->naddresses; i++)
		if (strcmp(group->addresses[i], address) == 0)
			return;
	if (group->naddresses < KVCTL_GROUP_ADDRESSES_MAX)
		group->addresses[group->naddresses++] = alloc_string(address);
}

static bool is_shards(const struct kvctl_group *group)
{
	return group->kind == ROLE_SHARDKV || group->kind == ROLE_SHARDMASTER;
}

static void add_from_masters(struct kvctl_group *group, const struct synod_config *config)
{
	for (size_t i = 0; i < config->nmasters && group->kind == ROLE_SHARDMASTER; i++)
		add_address(group, config->masters[i]);
	for (size_t i = 0; i < config->ngroups && group->kind == ROLE_SHARDKV; i++)
		for (size_t j = 0;
		     j < config->groups[i].nmembers && config->groups[i].gid == group->group; j++)
			add_address(group, config->groups[i].members[j]);
}

/* What the shard masters know. An exit code, reported. */
static int find_at_masters(struct kvctl *kvctl, struct kvctl_group *group)
{
	struct synod *s = kvctl_synod(kvctl);
	if (s == NULL)
		return EXIT_USAGE;
	struct synod_config *config = synod_config(s, UINT64_MAX);
	int exit_code = kvctl_failed(kvctl, config->status, config->message);
	add_from_masters(group, config);
	synod_config_free(config);
	return exit_code;
}

int kvctl_group_find(struct kvctl *kvctl, struct kvctl_group *group)
{
	int exit_code;
	const struct clusterconf *conf = kvctl_conf(kvctl, &exit_code);
	if (exit_code != EXIT_OK)
		return exit_code;
	for (uint32_t i = 0; conf != NULL && i < conf->nnodes; i++)
		if (conf->nodes[i].role == group->kind && conf->nodes[i].group == group->group)
			add_address(group, conf->nodes[i].listen);
	if (group->naddresses == 0 && is_shards(group))
		exit_code = find_at_masters(kvctl, group);
	if (exit_code != EXIT_OK)
		return exit_code;
	return group->naddresses > 0 ? EXIT_OK
				     : kvctl_failed(kvctl, SYNOD_NO_SUCH_GROUP,
						    "see kvctl config, and cluster.conf");
}

/* The one that knows more. */
static bool is_better(const struct synod_members *a, const struct synod_members *b)
{
	if (b == NULL || (a->status == SYNOD_OK) != (b->status == SYNOD_OK))
		return b == NULL || a->status == SYNOD_OK;
	if (a->status != SYNOD_OK)
		return false;
	if (a->generation != b->generation)
		return a->generation > b->generation;
	return a->slot != b->slot ? a->slot > b->slot : a->leads && !b->leads;
}

static bool belongs(const struct kvctl_group *group, const struct synod_members *members)
{
	return members->status != SYNOD_OK || members->group == group->group;
}

/* Asks those from number `first` on; the best of their answers and of *best is in *best then. */
static void ask(struct synod *s, struct kvctl_group *group, size_t first, uint32_t timeout_ms,
		struct synod_members **best)
{
	struct synod_members *answers[KVCTL_GROUP_ADDRESSES_MAX];
	size_t count = group->naddresses - first;
	synod_members_all(s, (const char *const *)group->addresses + first, count, timeout_ms,
			  answers);
	for (size_t i = 0; i < count; i++) {
		bool better = belongs(group, answers[i]) && is_better(answers[i], *best);
		synod_members_free(better ? *best : answers[i]);
		if (better)
			*best = answers[i];
	}
}

/* Then those of whom the first have told. */
static void ask_all(struct synod *s, struct kvctl_group *group, size_t first, uint32_t timeout_ms,
		    struct synod_members **best)
{
	for (int round = 0; round < 2 && first < group->naddresses; round++) {
		size_t count = group->naddresses;
		ask(s, group, first, timeout_ms, best);
		first = count;
		for (size_t i = 0;
		     *best != NULL && (*best)->status == SYNOD_OK && i < (*best)->nmembers; i++)
			add_address(group, (*best)->members[i].address);
	}
}

/* All of the group that cluster.conf has may have gone: the shard masters know better. */
static void ask_elsewhere(struct synod *s, struct kvctl_group *group, uint32_t timeout_ms,
			  struct synod_members **best)
{
	struct synod_config *config = synod_config(s, UINT64_MAX);
	size_t first = group->naddresses;
	group->asked_masters = true;
	add_from_masters(group, config);
	synod_config_free(config);
	ask_all(s, group, first, timeout_ms, best);
}

bool kvctl_group_ask(struct kvctl *kvctl, struct kvctl_group *group, uint32_t timeout_ms)
{
	struct synod *s = kvctl_synod(kvctl);
	struct synod_members *best = NULL;
	if (s == NULL)
		return false;
	ask_all(s, group, 0, timeout_ms, &best);
	if (group->kind == ROLE_SHARDKV && !group->asked_masters &&
	    (best == NULL || best->status != SYNOD_OK || best->slot == 0))
		ask_elsewhere(s, group, timeout_ms, &best);
	synod_members_free(group->members);
	group->members = best;
	return best != NULL && best->status == SYNOD_OK;
}

const struct synod_member *kvctl_group_number(const struct kvctl_group *group, uint32_t number)
{
	for (size_t i = 0; group->members != NULL && i < group->members->nmembers; i++)
		if (group->members->members[i].number == number)
			return &group->members->members[i];
	return NULL;
}

const struct synod_member *kvctl_group_member(const struct kvctl_group *group, const char *text)
{
	uint64_t number;
	for (size_t i = 0; group->members != NULL && i < group->members->nmembers; i++)
		if (strcmp(group->members->members[i].name, text) == 0)
			return &group->members->members[i];
	return kvctl_parse_u64(text, &number) && number <= MEMBER_NUMBER_MAX
		       ? kvctl_group_number(group, (uint32_t)number)
		       : NULL;
}

void kvctl_group_free(struct kvctl_group *group)
{
	for (size_t i = 0; i < group->naddresses; i++)
		free(group->addresses[i]);
	synod_members_free(group->members);
	*group = (struct kvctl_group){0};
}

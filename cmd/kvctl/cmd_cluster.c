/* shards, config, join, leave, move, rebalance */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clusterconf.h"
#include "kvctl.h"

/* The configuration, or NULL and the exit code. */
static struct synod_config *fetch(struct kvctl *kvctl, uint64_t number, int *exit_code)
{
	struct synod *s = kvctl_synod(kvctl);
	*exit_code = EXIT_USAGE;
	if (s == NULL)
		return NULL;
	struct synod_config *config = synod_config(s, number);
	*exit_code = kvctl_failed(kvctl, config->status, config->message);
	if (*exit_code == EXIT_OK)
		return config;
	synod_config_free(config);
	return NULL;
}

/* "0-63,128" */
static void format_shards(struct buffer *out, const struct synod_config *config, uint64_t gid)
{
	for (size_t i = 0; i < config->nshards; i++) {
		if (config->shards[i] != gid)
			continue;
		size_t last = i;
		while (last + 1 < config->nshards && config->shards[last + 1] == gid)
			last++;
		buffer_format(out, last == i ? "%s%zu" : "%s%zu-%zu", out->len > 0 ? "," : "", i,
			      last);
		i = last;
	}
	buffer_add_u8(out, 0);
}

static size_t count_shards(const struct synod_config *config, uint64_t gid)
{
	size_t count = 0;
	for (size_t i = 0; i < config->nshards; i++)
		count += config->shards[i] == gid;
	return count;
}

static json_t *shards_json(const struct synod_config *config)
{
	json_t *shards = json_array();
	for (size_t i = 0; i < config->nshards; i++)
		json_array_append_new(shards, kvctl_json_u64(config->shards[i]));
	return shards;
}

static void group_row(struct kvctl_table *table, const struct synod_config *config,
		      const struct synod_group *group)
{
	struct buffer shards = {0};
	uint64_t gid = group != NULL ? group->gid : 0;
	char *members = alloc_join(group != NULL ? group->members : NULL,
				   group != NULL ? group->nmembers : 0, ",");
	format_shards(&shards, config, gid);
	kvctl_table_row(table);
	if (group != NULL)
		kvctl_table_cell(table, 0, "%" PRIu64, gid);
	else
		kvctl_table_cell(table, 0, "none");
	kvctl_table_cell(table, 1, "%zu", count_shards(config, gid));
	kvctl_table_cell(table, 2, "%s", members);
	kvctl_table_cell(table, 3, "%s", (const char *)shards.data);
	free(members);
	buffer_free(&shards);
}

static void print_groups(const struct synod_config *config)
{
	static const char *const titles[] = {"GROUP", "SHARDS", "MEMBERS", "RANGES"};
	struct kvctl_table table;
	printf("configuration %" PRIu64 ", %zu shards, %zu groups\n", config->number,
	       config->nshards, config->ngroups);
	kvctl_table_init(&table, 4, titles);
	table.right[0] = table.right[1] = true;
	for (size_t i = 0; i < config->ngroups; i++)
		group_row(&table, config, &config->groups[i]);
	if (count_shards(config, 0) > 0)
		group_row(&table, config, NULL);
	kvctl_table_print(&table);
	kvctl_table_free(&table);
}

int kvctl_shards(struct kvctl *kvctl, int argc, char **argv)
{
	int first;
	int exit_code = kvctl_operands(kvctl, argc, argv, 0, 0, &first);
	if (exit_code != EXIT_OK)
		return exit_code;
	struct synod_config *config = fetch(kvctl, UINT64_MAX, &exit_code);
	if (config == NULL)
		return exit_code;
	if (kvctl->json)
		kvctl_print_json(json_pack("{s:o,s:o}", "config", kvctl_json_u64(config->number),
					   "shards", shards_json(config)));
	else
		print_groups(config);
	synod_config_free(config);
	return EXIT_OK;
}

static void print_config_json(const struct synod_config *config)
{
	json_t *groups = json_array();
	for (size_t i = 0; i < config->ngroups; i++) {
		json_t *members = json_array();
		for (size_t j = 0; j < config->groups[i].nmembers; j++)
			json_array_append_new(members, json_string(config->groups[i].members[j]));
		json_array_append_new(
			groups,
			json_pack("{s:o,s:o,s:I}", "gid", kvctl_json_u64(config->groups[i].gid),
				  "members", members, "shards",
				  (json_int_t)count_shards(config, config->groups[i].gid)));
	}
	kvctl_print_json(json_pack("{s:o,s:o,s:o}", "config", kvctl_json_u64(config->number),
				   "groups", groups, "shards", shards_json(config)));
}

int kvctl_config(struct kvctl *kvctl, int argc, char **argv)
{
	int first;
	uint64_t number = UINT64_MAX;
	int exit_code = kvctl_operands(kvctl, argc, argv, 0, 1, &first);
	if (exit_code != EXIT_OK)
		return exit_code;
	if (first < argc && strcmp(argv[first], "-1") != 0 &&
	    !kvctl_parse_u64(argv[first], &number))
		return kvctl_usage(kvctl, "%s is no number of a configuration", argv[first]);
	struct synod_config *config = fetch(kvctl, number, &exit_code);
	if (config == NULL)
		return exit_code;
	if (kvctl->json)
		print_config_json(config);
	else
		print_groups(config);
	synod_config_free(config);
	return EXIT_OK;
}

/* ---- changes ---- */

static int changed(struct kvctl *kvctl, struct synod_reply *reply)
{
	int exit_code = kvctl_failed(kvctl, reply->status, reply->message);
	kvctl->applied |= exit_code == EXIT_OK;
	if (exit_code == EXIT_OK && kvctl->json)
		kvctl_print_json(json_pack("{s:o}", "config", kvctl_json_u64(reply->version)));
	else if (exit_code == EXIT_OK)
		printf("OK: configuration %" PRIu64 "\n", reply->version);
	synod_reply_free(reply);
	return exit_code;
}

static int parse_gid(struct kvctl *kvctl, const char *text, uint64_t *gid)
{
	if (kvctl_parse_u64(text, gid) && *gid > 0)
		return EXIT_OK;
	return kvctl_usage(kvctl, "\"%s\" is no group number: groups count from 1", text);
}

/* HOST:PORT,… */
static int parse_members(struct kvctl *kvctl, char *text, struct synod_group *group,
			 const char **members)
{
	char *rest = NULL;
	group->members = members;
	group->nmembers = 0;
	for (char *word = strtok_r(text, ", ", &rest); word != NULL;
	     word = strtok_r(NULL, ", ", &rest)) {
		if (group->nmembers == REPLICAS_MAX)
			return kvctl_usage(kvctl, "a group has at most %u members", REPLICAS_MAX);
		if (!address_valid(word))
			return kvctl_usage(kvctl, "\"%s\" is no HOST:PORT", word);
		members[group->nmembers++] = word;
	}
	return group->nmembers > 0 ? EXIT_OK
				   : kvctl_usage(kvctl, "a group needs at least one HOST:PORT");
}

/* All groups join in one configuration, so that each shard is given away once. */
int kvctl_join(struct kvctl *kvctl, int argc, char **argv)
{
	int first;
	int exit_code = kvctl_operands(kvctl, argc, argv, 2, 2 * GROUPS_MAX, &first);
	if (exit_code != EXIT_OK)
		return exit_code;
	if ((argc - first) % 2 != 0)
		return kvctl_usage(kvctl, "each group is a number and its members");
	size_t count = (size_t)(argc - first) / 2;
	struct synod_group *groups = alloc_zeroed(count, sizeof *groups);
	const char **members = alloc_zeroed(count * REPLICAS_MAX, sizeof *members);
	for (size_t i = 0; i < count && exit_code == EXIT_OK; i++) {
		char **pair = argv + first + 2 * (int)i;
		exit_code = parse_gid(kvctl, pair[0], &groups[i].gid);
		if (exit_code == EXIT_OK)
			exit_code = parse_members(kvctl, pair[1], &groups[i],
						  members + i * REPLICAS_MAX);
	}
	if (exit_code == EXIT_OK) {
		struct synod *s = kvctl_synod(kvctl);
		exit_code = s != NULL ? changed(kvctl, synod_join(s, groups, count)) : EXIT_USAGE;
	}
	free(members);
	free(groups);
	return exit_code;
}

int kvctl_leave(struct kvctl *kvctl, int argc, char **argv)
{
	int first;
	int exit_code = kvctl_operands(kvctl, argc, argv, 1, GROUPS_MAX, &first);
	if (exit_code != EXIT_OK)
		return exit_code;
	size_t count = (size_t)(argc - first);
	uint64_t *gids = alloc_zeroed(count, sizeof *gids);
	for (size_t i = 0; i < count && exit_code == EXIT_OK; i++)
		exit_code = parse_gid(kvctl, argv[first + (int)i], &gids[i]);
	if (exit_code == EXIT_OK) {
		struct synod *s = kvctl_synod(kvctl);
		exit_code = s != NULL ? changed(kvctl, synod_leave(s, gids, count)) : EXIT_USAGE;
	}
	free(gids);
	return exit_code;
}

int kvctl_move(struct kvctl *kvctl, int argc, char **argv)
{
	int first;
	uint64_t shard, gid;
	int exit_code = kvctl_operands(kvctl, argc, argv, 2, 2, &first);
	if (exit_code != EXIT_OK)
		return exit_code;
	if (!kvctl_parse_u64(argv[first], &shard) || shard >= SHARDS_MAX)
		return kvctl_usage(kvctl, "\"%s\" is no shard number", argv[first]);
	exit_code = parse_gid(kvctl, argv[first + 1], &gid);
	if (exit_code != EXIT_OK)
		return exit_code;
	struct synod *s = kvctl_synod(kvctl);
	return s != NULL ? changed(kvctl, synod_move(s, (uint32_t)shard, gid)) : EXIT_USAGE;
}

int kvctl_rebalance(struct kvctl *kvctl, int argc, char **argv)
{
	int first;
	int exit_code = kvctl_operands(kvctl, argc, argv, 0, 0, &first);
	if (exit_code != EXIT_OK)
		return exit_code;
	struct synod *s = kvctl_synod(kvctl);
	return s != NULL ? changed(kvctl, synod_rebalance(s)) : EXIT_USAGE;
}

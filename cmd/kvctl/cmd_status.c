/* status: every node in a row */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/id.h"
#include "core/ballot.h"
#include "kvctl.h"

/* Slots behind the newest chosen one that are nothing to worry about: batches under way. */
#define LAG_NORMAL 256u

/* What the row of a node shows beside its own words. */
struct view {
	const struct kvctl_node *node;
	const struct synod_node_status *status;
	bool up, leader;
	uint64_t lag;
	const char *leader_name; /* "" if the group has none */
	const char *health;
	char ballot[BALLOT_TEXT_BYTES];
};

static struct view look(const struct kvctl_nodes *nodes, size_t i)
{
	const struct kvctl_node *node = &nodes->nodes[i];
	struct view view = {
		.node = node, .status = node->status, .up = kvctl_node_up(node), .leader_name = ""};
	size_t leader;
	uint64_t chosen;
	kvctl_nodes_group(nodes, i, &leader, &chosen);
	view.leader = leader == i;
	if (leader != SIZE_MAX)
		view.leader_name = nodes->nodes[leader].name;
	if (!view.up) {
		view.health = node->outsider != NULL ? node->outsider : "down";
		return view;
	}
	/* An idle pbserver holds nothing, and has nothing to catch up with. */
	bool idle = strcmp(node->status->state, "idle") == 0;
	view.lag = !idle && chosen > node->status->applied ? chosen - node->status->applied : 0;
	ballot_text(node->status->ballot, view.ballot);
	if (node->outsider != NULL)
		view.health = node->outsider;
	else if (strcmp(node->status->state, "lost") == 0)
		view.health = "does not vote: its directory was lost";
	else if (kvctl_node_waits(node) || strcmp(node->status->state, "learner") == 0 ||
		 strcmp(node->status->state, "removed") == 0)
		view.health = node->status->state;
	else if (strcmp(node->status->state, "unnamed") == 0)
		view.health = "waits for the shard masters";
	else if (leader == SIZE_MAX)
		view.health = "no leader";
	else if (strcmp(node->status->state, "entering") == 0)
		view.health = "does not take part in agreements yet: its directory was lost";
	else if (strcmp(node->status->state, "recovering") == 0 ||
		 strcmp(node->status->state, "filling") == 0)
		view.health = node->status->state;
	else if (strcmp(node->status->state, "cut off") == 0 ||
		 strcmp(node->status->state, "without state") == 0)
		view.health = node->status->state;
	else
		view.health = view.lag > LAG_NORMAL ? "lagging" : "ok";
	return view;
}

static json_t *view_json(const struct view *view)
{
	const struct synod_node_status *status = view->status;
	json_t *object = json_pack(
		"{s:s,s:s,s:o,s:s,s:b,s:b,s:s}", "name", view->node->name, "role", view->node->role,
		"group", kvctl_json_u64(view->node->group), "address", view->node->address, "up",
		(int)view->up, "leader", (int)view->leader, "health", view->health);
	if (view->node->outsider != NULL)
		json_object_set_new(object, "error", json_string(view->node->detail));
	if (!view->up) {
		if (view->node->outsider == NULL)
			json_object_set_new(object, "error", json_string(status->message));
		json_object_set_new(object, "state", json_string(view->health));
		return object;
	}
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {
		{"replica", status->replica},
		{"applied", status->applied},
		{"lag", view->lag},
		{"chosen", status->chosen},
		{"log_first", status->log_first},
		{"log_last", status->log_last},
		{"snapshot", status->snapshot},
		{"keys", status->keys},
		{"data_bytes", status->data_bytes},
		{"disk_bytes", status->disk_bytes},
		{"config", status->config},
		{"sessions", status->sessions},
		{"uptime_ms", status->uptime_ms},
		{"state_hash_slot", status->state_hash_slot},
		{"state_diverged", status->state_diverged},
		{"state_undecided", status->state_undecided},
		{"round_trip_us", status->round_trip_us},
	};
	json_object_set_new(object, "ballot", json_string(view->ballot));
	json_object_set_new(object, "state", json_string(status->state));
	json_object_set_new(object, "leader_name", json_string(view->leader_name));
	json_object_set_new(object, "version", json_string(status->version));
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		json_object_set_new(object, numbers[i].name, kvctl_json_u64(numbers[i].value));
	return object;
}

enum {
	NAME,
	ROLE,
	GROUP,
	ADDRESS,
	STATE,
	LEADER,
	BALLOT,
	APPLIED,
	LAG,
	KEYS,
	SIZE,
	UPTIME,
	HEALTH,
	COLUMNS
};
static const char *const titles[COLUMNS] = {
	"NAME",    "ROLE", "GROUP", "ADDRESS", "STATE",  "LEADER", "BALLOT",
	"APPLIED", "LAG",  "KEYS",  "SIZE",    "UPTIME", "HEALTH",
};

static void view_row(struct kvctl_table *table, const struct view *view)
{
	char text[32];
	const struct synod_node_status *status = view->status;
	kvctl_table_row(table);
	kvctl_table_cell(table, NAME, "%s", view->node->name[0] != '\0' ? view->node->name : "?");
	kvctl_table_cell(table, ROLE, "%s", view->node->role);
	if (view->node->group != 0)
		kvctl_table_cell(table, GROUP, "%" PRIu64, view->node->group);
	kvctl_table_cell(table, ADDRESS, "%s", view->node->address);
	kvctl_table_cell(table, HEALTH, "%s", view->health);
	kvctl_table_cell(table, LEADER, "%s",
			 view->leader_name[0] != '\0' ? view->leader_name : "-");
	if (!view->up) {
		for (size_t i = STATE; i < HEALTH; i++)
			kvctl_table_cell(table, i, "-");
		kvctl_table_cell(table, STATE, "%s", view->health);
		return;
	}
	kvctl_table_cell(table, STATE, "%s", status->state);
	kvctl_table_cell(table, BALLOT, "%s", view->ballot);
	kvctl_table_cell(table, APPLIED, "%" PRIu64, status->applied);
	kvctl_table_cell(table, LAG, "%" PRIu64, view->lag);
	kvctl_table_cell(table, KEYS, "%" PRIu64, status->keys);
	kvctl_table_cell(table, SIZE, "%s",
			 kvctl_format_bytes(status->disk_bytes, text, sizeof text));
	kvctl_table_cell(table, UPTIME, "%s",
			 kvctl_format_duration(status->uptime_ms, text, sizeof text));
}

/*
 * What a narrow terminal can do without, and in which order: a leader shows in STATE, and a number
 * of the log next to its lag.
 */
static void rank_columns(struct kvctl_table *table)
{
	static const uint8_t order[] = {SIZE, UPTIME, KEYS, BALLOT, LEADER, APPLIED, ROLE};
	for (size_t i = 0; i < sizeof order; i++)
		table->rank[order[i]] = (uint8_t)(sizeof order - i);
}

static bool wanted(const struct kvctl_node *node, const char *role, uint64_t group)
{
	return role == NULL ||
	       (strcmp(node->role, role) == 0 && (group == 0 || node->group == group));
}

/* null: nobody that answers knows it. */
static json_t *cluster_id_json(const struct kvctl *kvctl)
{
	char text[ID_TEXT_BYTES];
	uint64_t id = synod_cluster_id(kvctl->synod);
	return id == 0 ? json_null() : json_string(id_text(id, text));
}

int kvctl_nodes_print(struct kvctl *kvctl, const struct kvctl_nodes *nodes, const char *role,
		      uint64_t group)
{
	size_t up = 0, shown = 0;
	json_t *array = json_array();
	struct kvctl_table table;
	kvctl_table_init(&table, COLUMNS, titles);
	for (size_t i = BALLOT; i < HEALTH; i++)
		table.right[i] = true;
	table.right[GROUP] = true;
	rank_columns(&table);
	for (size_t i = 0; i < nodes->count; i++) {
		if (!wanted(&nodes->nodes[i], role, group))
			continue;
		struct view view = look(nodes, i);
		shown++;
		up += view.up;
		json_array_append_new(array, view_json(&view));
		view_row(&table, &view);
	}
	if (kvctl->json)
		kvctl_print_json(json_pack("{s:O,s:o}", "nodes", array, "cluster_id",
					   cluster_id_json(kvctl)));
	else
		kvctl_table_print(&table);
	json_decref(array);
	kvctl_table_free(&table);
	if (shown > 0 && up == 0) {
		kvctl_error(kvctl, "no node answers");
		return EXIT_UNAVAILABLE;
	}
	return EXIT_OK;
}

/* Says which groups have no leader, and which nodes are none of the cluster's. An exit code. */
static int check_groups(const struct kvctl *kvctl, const struct kvctl_nodes *nodes)
{
	int exit_code = EXIT_OK;
	for (size_t i = 0; i < nodes->count; i++) {
		const struct kvctl_node *node = &nodes->nodes[i];
		size_t leader, first = 0;
		uint64_t chosen;
		if (node->outsider != NULL)
			kvctl_error(kvctl, "%s: %s: %s",
				    node->name[0] != '\0' ? node->name : node->address,
				    node->outsider, node->detail);
		while (!kvctl_same_group(&nodes->nodes[first], node))
			first++;
		kvctl_nodes_group(nodes, i, &leader, &chosen);
		if (first != i || leader != SIZE_MAX)
			continue;
		char *group = kvctl_group_name(node);
		kvctl_error(kvctl, "%s: no %s", group,
			    strcmp(node->role, node_role_text(ROLE_PBSERVER)) == 0 ? "primary"
										   : "leader");
		free(group);
		exit_code = EXIT_UNAVAILABLE;
	}
	return exit_code;
}

int kvctl_status(struct kvctl *kvctl, int argc, char **argv)
{
	int first;
	struct kvctl_nodes nodes;
	int exit_code = kvctl_operands(kvctl, argc, argv, 0, 0, &first);
	if (exit_code == EXIT_OK)
		exit_code = kvctl_nodes_ask(kvctl, &nodes);
	if (exit_code != EXIT_OK)
		return exit_code;
	exit_code = kvctl_nodes_print(kvctl, &nodes, NULL, 0);
	if (exit_code == EXIT_OK)
		exit_code = check_groups(kvctl, &nodes);
	kvctl_nodes_free(&nodes);
	return exit_code;
}

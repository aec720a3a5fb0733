/*
 * member list, member transfer; the changes are in cmd_member_change.c, force in cmd_member_force.c
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/id.h"
#include "kvctl.h"

/* A node that does not answer for this long is taken for down. */
#define ASK_TIMEOUT_MS 1500u

/* ---- list ---- */

static const char *role_text(const struct synod_member *member)
{
	return member->role == SYNOD_LEARNER ? "learner" : "voter";
}

static const char *state_text(const struct synod_members *list, const struct synod_member *member)
{
	if (member->number == list->leader)
		return "leader";
	if (!list->leads)
		return "?";
	return member->up ? "up" : "down";
}

static uint64_t lag_of(const struct synod_members *list, const struct synod_member *member)
{
	return member->number == list->leader || member->matched >= list->chosen
		       ? 0
		       : list->chosen - member->matched;
}

static void note_format(struct buffer *out, const struct kvctl_group *group,
			const struct synod_member *member)
{
	const struct synod_member *old = member->in_place_of == 0
						 ? NULL
						 : kvctl_group_number(group, member->in_place_of);
	if (old != NULL)
		buffer_format(out, "in place of %s", old->name);
	if (member->waits_for[0] != '\0')
		buffer_format(out, "%s%s", out->len > 0 ? "; " : "", member->waits_for);
	buffer_add_u8(out, 0);
}

static void print_table(const struct kvctl_group *group)
{
	static const char *const titles[] = {"NUMBER", "NAME", "ADDRESS", "ROLE",
					     "STATE",  "LAG",  "LIFE",    "NOTE"};
	const struct synod_members *list = group->members;
	struct kvctl_table table;
	kvctl_table_init(&table, 8, titles);
	table.right[0] = table.right[5] = true;
	table.rank[6] = 2;
	table.rank[5] = 1;
	for (size_t i = 0; i < list->nmembers; i++) {
		const struct synod_member *member = &list->members[i];
		struct buffer note = {0};
		char life[ID_TEXT_BYTES];
		note_format(&note, group, member);
		kvctl_table_row(&table);
		kvctl_table_cell(&table, 0, "%u", member->number);
		kvctl_table_cell(&table, 1, "%s", member->name);
		kvctl_table_cell(&table, 2, "%s", member->address);
		kvctl_table_cell(&table, 3, "%s", role_text(member));
		kvctl_table_cell(&table, 4, "%s", state_text(list, member));
		if (list->leads)
			kvctl_table_cell(&table, 5, "%" PRIu64, lag_of(list, member));
		else
			kvctl_table_cell(&table, 5, "-");
		kvctl_table_cell(&table, 6, "%s",
				 member->life == 0 ? "-" : id_text(member->life, life));
		kvctl_table_cell(&table, 7, "%s", (const char *)note.data);
		buffer_free(&note);
	}
	kvctl_table_print(&table);
	kvctl_table_free(&table);
}

static json_t *member_json(const struct kvctl_group *group, const struct synod_member *member)
{
	const struct synod_members *list = group->members;
	char life[ID_TEXT_BYTES];
	json_t *object = json_pack(
		"{s:I,s:s,s:s,s:s,s:b,s:I,s:o}", "number", (json_int_t)member->number, "name",
		member->name, "address", member->address, "role", role_text(member), "leader",
		(int)(member->number == list->leader), "binding", (json_int_t)member->binding,
		"life", member->life == 0 ? json_null() : json_string(id_text(member->life, life)));
	const struct synod_member *old = member->in_place_of == 0
						 ? NULL
						 : kvctl_group_number(group, member->in_place_of);
	if (old != NULL)
		json_object_set_new(object, "in_place_of", json_string(old->name));
	if (!list->leads)
		return object;
	bool leads = member->number == list->leader;
	json_object_set_new(object, "up", json_boolean(member->up || leads));
	json_object_set_new(object, "matched",
			    kvctl_json_u64(leads ? list->chosen : member->matched));
	json_object_set_new(object, "lag", kvctl_json_u64(lag_of(list, member)));
	json_object_set_new(object, "last_heard_ms",
			    kvctl_json_u64(leads ? 0 : member->last_heard_ms));
	if (member->role == SYNOD_LEARNER)
		json_object_set_new(object, "waits_for", json_string(member->waits_for));
	return object;
}

static void print_json(const struct kvctl_group *group)
{
	const struct synod_members *list = group->members;
	const struct synod_member *leader = kvctl_group_number(group, list->leader);
	char id[ID_TEXT_BYTES];
	json_t *members = json_array();
	for (size_t i = 0; i < list->nmembers; i++)
		json_array_append_new(members, member_json(group, &list->members[i]));
	kvctl_print_json(json_pack(
		"{s:o,s:s,s:o,s:s,s:o,s:I,s:I,s:o}", "group", kvctl_json_u64(group->group), "role",
		group->role, "group_id",
		list->group_id == 0 ? json_null() : json_string(id_text(list->group_id, id)),
		"leader_name", list->leads && leader != NULL ? leader->name : "", "slot",
		kvctl_json_u64(list->slot), "next_number", (json_int_t)list->next_number,
		"generation", (json_int_t)list->generation, "members", members));
}

/* All nodes, by what each says of itself. */
static int list_all(struct kvctl *kvctl)
{
	struct kvctl_nodes nodes;
	int exit_code = kvctl_nodes_ask(kvctl, &nodes);
	if (exit_code != EXIT_OK)
		return exit_code;
	exit_code = kvctl_nodes_print(kvctl, &nodes, NULL, 0);
	kvctl_nodes_free(&nodes);
	return exit_code;
}

/* Finds the group and asks it. An exit code, reported. */
static int open_group(struct kvctl *kvctl, const char *text, struct kvctl_group *group)
{
	int exit_code = kvctl_group_parse(kvctl, text, group);
	if (exit_code == EXIT_OK)
		exit_code = kvctl_group_find(kvctl, group);
	uint32_t timeout_ms = !kvctl->timeout_given && kvctl->timeout_ms > ASK_TIMEOUT_MS
				      ? ASK_TIMEOUT_MS
				      : kvctl->timeout_ms;
	if (exit_code == EXIT_OK && !kvctl_group_ask(kvctl, group, timeout_ms))
		exit_code = group->members == NULL
				    ? kvctl_failed(kvctl, SYNOD_UNAVAILABLE, "no member answers")
				    : kvctl_failed(kvctl, group->members->status,
						   group->members->message);
	return exit_code;
}

static int list(struct kvctl *kvctl, int count, char **operands)
{
	struct kvctl_group group = {0};
	char text[32];
	if (count > 1)
		return kvctl_usage(kvctl, "too many arguments");
	if (count == 0)
		return list_all(kvctl);
	int exit_code = open_group(kvctl, operands[0], &group);
	if (exit_code == EXIT_OK && kvctl->json)
		print_json(&group);
	else if (exit_code == EXIT_OK)
		print_table(&group);
	if (exit_code == EXIT_OK && !group.members->leads) {
		kvctl_error(kvctl, "%s has no leader: this is what one of its members knows",
			    kvctl_group_text(&group, text, sizeof text));
		exit_code = EXIT_UNAVAILABLE;
	}
	kvctl_group_free(&group);
	return exit_code;
}

/* ---- transfer ---- */

static int run_transfer(struct kvctl *kvctl, const struct kvctl_group *group, const char *target)
{
	const struct synod_member *member = target == NULL ? NULL
							   : kvctl_group_member(group, target);
	const char *addresses[MEMBERS_MAX];
	size_t count = 0;
	if (target != NULL && member == NULL)
		return kvctl_usage(kvctl, "the group has no member \"%s\": see kvctl member list",
				   target);
	for (size_t i = 0; i < group->members->nmembers && count < MEMBERS_MAX; i++)
		addresses[count++] = group->members->members[i].address;
	struct synod_reply *reply = synod_transfer(kvctl_synod(kvctl), addresses, count,
						   member == NULL ? 0 : member->number);
	int exit_code = kvctl_failed(kvctl, reply->status, reply->message);
	synod_reply_free(reply);
	kvctl->applied |= exit_code == EXIT_OK;
	if (exit_code == EXIT_OK && kvctl->json)
		kvctl_print_json(json_pack("{s:b}", "ok", 1));
	else if (exit_code == EXIT_OK)
		puts("OK");
	return exit_code;
}

static int transfer(struct kvctl *kvctl, int count, char **operands)
{
	struct kvctl_group group = {0};
	if (count < 1 || count > 2)
		return kvctl_usage(kvctl, "member transfer GID [NODE]");
	int exit_code = open_group(kvctl, operands[0], &group);
	if (exit_code == EXIT_OK)
		exit_code = run_transfer(kvctl, &group, count == 2 ? operands[1] : NULL);
	kvctl_group_free(&group);
	return exit_code;
}

struct options {
	bool wait, yes;
	const char *from;
};

static int run(struct kvctl *kvctl, const char *action, int count, char **operands,
	       const struct options *options)
{
	bool wait = options->wait;
	if (strcmp(action, "force") == 0)
		return wait ? kvctl_member_force(kvctl, count, operands, options->from,
						 options->yes)
			    : kvctl_usage(kvctl, "member force does not take --no-wait");
	if (options->from != NULL || options->yes)
		return kvctl_usage(kvctl, "member %s does not take %s", action,
				   options->from != NULL ? "--from" : "--yes");
	if (kvctl_member_changes(action))
		return kvctl_member_change(kvctl, action, count, operands, wait);
	if (!wait)
		return kvctl_usage(kvctl, "member %s does not take --no-wait", action);
	if (strcmp(action, "list") == 0)
		return list(kvctl, count, operands);
	if (strcmp(action, "transfer") == 0)
		return transfer(kvctl, count, operands);
	return kvctl_usage(kvctl,
			   "\"%s\" is none of list, add, remove, replace, promote, transfer, force",
			   action);
}

int kvctl_member(struct kvctl *kvctl, int argc, char **argv)
{
	static const struct option specific[] = {{"no-wait", no_argument, NULL, KVCTL_OPTION(0)},
						 {"yes", no_argument, NULL, KVCTL_OPTION(1)},
						 {"from", required_argument, NULL, KVCTL_OPTION(2)},
						 {0}};
	struct options options = {.wait = true};
	int option;
	kvctl_options_begin(argc, argv);
	while ((option = kvctl_next_option(kvctl, argc, argv, specific)) >= 0 && option != '?') {
		options.wait &= option != KVCTL_OPTION(0);
		options.yes |= option == KVCTL_OPTION(1);
		if (option == KVCTL_OPTION(2))
			options.from = optarg;
	}
	kvctl_options_end(argc, argv);
	if (option != -1)
		return EXIT_USAGE;
	int exit_code = kvctl_check_operands(kvctl, argc - optind, 1, 16);
	if (exit_code != EXIT_OK)
		return exit_code;
	return run(kvctl, argv[optind], argc - optind - 1, argv + optind + 1, &options);
}
